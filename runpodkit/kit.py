"""The kit: settings, endpoint, ledger and store together; `connect()` makes one.

Nothing configured is a working state: without a key the simulator stands in for RunPod,
without REDIS_URL a private Redis is started, without a bucket a folder keeps the
pictures.  This module alone picks live or simulator, and says which.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import hashlib
import itertools
import secrets
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import runpodkit.stack as stack
from runpodkit.blocking import both_ways
from runpodkit.endpoint.client import Endpoint
from runpodkit.endpoint.dialects import Dialect, get_dialect, public_dialect
from runpodkit.endpoint.follow import Pace
from runpodkit.endpoint.keys import trial_key
from runpodkit.errors import ConfigError, JobFailedError, RunConflictError, RunHeldError, RunpodkitError, StoreError
from runpodkit.params import ImageParams
from runpodkit.runs import checks
from runpodkit.runs.checks import Check
from runpodkit.runs.dispatch import Dispatcher
from runpodkit.runs.engine import Engine
from runpodkit.runs.inputs import with_stored_images
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.limits import RedisLimiter
from runpodkit.runs.money import STAND_IN_GPU, Estimate, estimate, usd_per_s
from runpodkit.runs.picture import Picture
from runpodkit.runs.records import read_head, write_head
from runpodkit.runs.rows import RunHead, RunPolicy, RunState, TrialState
from runpodkit.runs.run import Run
from runpodkit.runs.trials import Tools
from runpodkit.settings import RUNPOD_HOST, EndpointAddress, Settings
from runpodkit.simulator import MODEL_VERSION, SAMPLERS, SCHEDULERS
from runpodkit.storage import Store, open_store
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import Sweep, Trial, sweep

if TYPE_CHECKING:
    import pandas as pd

CONFIRM_TRIALS = 500
STAND_IN = "simulator"


class Kit:
    """Settings, endpoint, ledger and store together: what a notebook works with."""

    def __init__(self, settings: Settings, address: EndpointAddress, *, stands_in: bool) -> None:
        """Put the parts together; opens no connection.  `connect()` is the usual way."""
        self.settings, self.address, self.stands_in = settings, address, stands_in
        self.simulated = address.is_simulated
        self.store: Store = open_store(settings)
        store_name = hashlib.sha256(repr(self.store).encode()).hexdigest()[:8]
        self._url = stack.redis_url(settings)
        target = None if stands_in else address
        self.ledger = Ledger(self._url, store_name)
        self.endpoint_name = STAND_IN if stands_in else f"{address.host}/{address.endpoint_id}"
        self.identity = settings.model or (MODEL_VERSION if stands_in else address.identity)
        self.gpu = settings.gpu or (STAND_IN_GPU if self.simulated else None)
        self.family = stack.family(settings, target)
        self.dispatcher = Dispatcher(
            stack.broker_url(self._url), stack.queues(settings, target).sweeps, self.family, self.ledger
        )
        self.endpoint = Endpoint(address.url, address.api_key, limiter=RedisLimiter(self.ledger, self.endpoint_name))
        tools = Tools(
            ledger=self.ledger,
            store=self.store,
            endpoint=self.endpoint,
            pace=Pace(),
            identity=self.identity,
            host=address.host,
            rate=usd_per_s(self.gpu),
            clock=time.time,
            sleep=asyncio.sleep,
        )
        self.engine = Engine(tools, store_name)
        self._store_name = store_name

    @cached_property
    def dialect(self) -> Dialect:
        """How the endpoint's worker spells things.  A driver never asks: a run brings its own.

        Raises:
            ConfigError: RUNPODKIT_DIALECT names none, or a file that cannot be meant.
        """
        return _dialect(self.settings, self.address)

    # one picture

    async def _generate(self, /, user_prompt: str, *, call_id: str | None = None, **fields: Any) -> Picture:
        """Draw one picture and wait for it.  Interrupting cancels the job on the endpoint.

        Args:
            call_id: The same id follows the same job again instead of sending another.
            fields: Any field of `ImageParams`; a seed that is not given is drawn.

        Raises:
            ValueError: a field is unknown, out of bounds, or the dialect cannot honour it.
            JobFailedError: the job ended without a picture.
            RunHeldError: the endpoint refuses or does not answer.
        """
        one = await asyncio.to_thread(with_stored_images, sweep(user_prompt, **fields), self.store)
        if len(one) != 1:
            raise ValueError(
                f"generate draws one picture, these parameters are {len(one)}: use kit.submit(rk.sweep(…))"
            )
        self._refuse(one)
        name = f"one-{call_id or secrets.token_hex(8)}"
        head = self._head(one, name, RunPolicy(pilot=False), kind="single", reuse=True)
        await self.ledger.create(head, listed=False)
        try:
            await self.engine.drive(name, owner=f"{name}:{secrets.token_hex(4)}", slice_s=None, hold_patience_s=20.0)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(self._abandon(name)))
            raise
        status = await self.ledger.status(name)
        if status and not status.is_over:
            await self._abandon(name)
            raise RunHeldError(name, status.reason or "it was interrupted")
        record = (await Run(head, self.store, ledger=self.ledger).arecords())[0]
        if not record.images:
            raise JobFailedError(record.job_id or name, str(record.state), record.reason or "no reason given")
        return Picture(record, self.store)

    generate, agenerate = both_ways(_generate)

    async def _abandon(self, name: str) -> None:
        """End a single generation: its job must not run on unseen."""
        moving = (RunState.RUNNING, RunState.HELD, RunState.PAUSED)
        if await self.ledger.set_state(name, RunState.CANCELLED, "interrupted", only_from=moving):
            await self.engine.drive(name, owner=f"{name}:end", slice_s=None)

    # sweeps

    async def _submit(
        self,
        /,
        plan: Sweep,
        name: str | None = None,
        *,
        fresh: bool = False,
        reuse: bool = True,
        confirm: bool = False,
        **policy: Any,
    ) -> Run:
        """Start a run of a sweep; returns at once.

        Same name and same sweep: attaches to the run there is, so running a cell again pays nothing.

        Args:
            name: Default: from the prompt and axes.
            fresh: If the name is taken, make `name-2` instead.
            reuse: Take pictures that exist already instead of drawing them again.
            confirm: Go on although a live run is large or costly.
            policy: Fields of `RunPolicy`, e.g. `budget_usd=2`, `window=40`.

        Raises:
            ValueError: what the dialect cannot honour, or a policy out of bounds.
            RunConflictError: the name belongs to a run of another sweep.
            ConfigError: a live run is large or costly and neither `confirm` nor `budget_usd` is given.
        """
        self._refuse(plan)
        plan = await asyncio.to_thread(with_stored_images, plan, self.store)
        rules = RunPolicy(**policy)
        name = check_name(name or plan.default_name)
        head = self._head(plan, name, rules, reuse=reuse)
        existing = await self._existing(name)
        if existing and existing[0].sweep_hash == head.sweep_hash and await self._is_stranded(*existing):
            existing = None
        if existing and fresh:
            head = replace(head, name=await self._next_name(name))
        elif existing:
            there, state = existing
            if there.sweep_hash != head.sweep_hash or there.identity != head.identity:
                raise RunConflictError(name, _difference(plan, head, there))
            return self._run(there, state)
        if not self.simulated:
            await self._ask_first(plan, head, confirm)
        there_first = await self.ledger.create(head)
        if there_first and there_first.sweep_hash != head.sweep_hash:
            raise RunConflictError(head.name, _difference(plan, head, there_first))
        await asyncio.to_thread(write_head, self.store, head, RunState.RUNNING)
        await self.dispatcher.dispatch(head.name)
        return self._run(head, RunState.RUNNING)

    submit, asubmit = both_ways(_submit)

    async def _estimate(self, plan: Sweep) -> Estimate:
        """What a sweep would cost and take, and how many of its pictures exist already."""
        self._refuse(plan)
        plan = await asyncio.to_thread(with_stored_images, plan, self.store)
        trials = plan.trials(plan.default_name)
        keys = [self._key(trial) for trial in trials]
        claims = await self.ledger.claims(keys)
        todo = [
            self.dialect.resolve(trial.params)
            for trial, key in zip(trials, keys, strict=True)
            if not ((claim := claims.get(key)) and claim.row)
        ]
        prices = [self.dialect.price_usd(params) for params in todo]
        workers = 1
        with contextlib.suppress(RunpodkitError):  # without an answer the time is that of one worker
            workers = (await self.endpoint.health()).workers
        return estimate(
            todo,
            reused=len(trials) - len(todo),
            usual=await self.ledger.usual_times(self.endpoint_name),
            rate=usd_per_s(self.gpu),
            workers=workers,
            simulated=self.simulated,
            price=None if None in prices else sum(price or 0 for price in prices),
        )

    estimate, aestimate = both_ways(_estimate)

    async def _ask_first(self, plan: Sweep, head: RunHead, confirm: bool) -> None:
        if confirm or head.policy.budget_usd is not None:
            return
        about = await self._estimate(plan)
        todo = about.trials - about.reused
        bound = self.settings.confirm_usd
        if about.usd and about.usd[0] > bound:
            raise ConfigError(
                f"this run would cost about ${about.usd[0]:.2f}, above RUNPODKIT_CONFIRM_USD={bound:g}: "
                "give budget_usd=… or confirm=True"
            )
        if todo > CONFIRM_TRIALS:
            raise ConfigError(f"this run would pay for {todo} trials: give budget_usd=… or confirm=True")

    # runs

    async def _open_run(self, name: str) -> Run:
        """A run by its name, as it stands.

        Raises:
            StoreError: neither ledger nor store knows it.
        """
        existing = await self._existing(check_name(name))
        if existing is None:
            raise StoreError(f"no run is named {name!r}; kit.runs() lists them")
        return self._run(*existing)

    open_run, aopen_run = both_ways(_open_run)

    async def _runs(self) -> pd.DataFrame:
        """All runs of the ledger, newest first."""
        import pandas as pd

        rows = []
        for name in reversed(await self.ledger.names()):
            head, status = await self.ledger.head(name), await self.ledger.status(name)
            if head is None or status is None:
                continue
            rows.append(
                {
                    "name": name,
                    "state": str(status.state),
                    "trials": head.trials,
                    "collected": status.count(TrialState.COLLECTED, TrialState.REUSED),
                    "failed": status.count(TrialState.FAILED, TrialState.EXPIRED),
                    "cost_usd": status.cost_usd,
                    "simulated": head.simulated,
                    "created": pd.Timestamp(head.created_at, unit="s", tz="UTC").floor("s"),
                }
            )
        columns = ["name", "state", "trials", "collected", "failed", "cost_usd", "simulated", "created"]
        return pd.DataFrame(rows, columns=columns)

    runs, aruns = both_ways(_runs)

    async def _existing(self, name: str) -> tuple[RunHead, RunState] | None:
        head, status = await self.ledger.head(name), await self.ledger.status(name)
        if head and status:
            return head, status.state
        try:
            return await asyncio.to_thread(read_head, self.store, name)
        except StoreError:
            return None

    async def _is_stranded(self, head: RunHead, state: RunState) -> bool:
        """Whether only the store knows a run that never ended: its Redis was lost.  It may be entered again."""
        return state not in (RunState.DONE, RunState.CANCELLED) and await self.ledger.head(head.name) is None

    async def _next_name(self, name: str) -> str:
        number = 2
        while await self._existing(f"{name}-{number}"):
            number += 1
        return f"{name}-{number}"

    def _run(self, head: RunHead, state: RunState) -> Run:
        return Run(
            head,
            self.store,
            ledger=self.ledger,
            dispatch=self.dispatcher.dispatch,
            revive=self.revive,
            state=state,
        )

    async def revive(self) -> None:
        """See that the stand-ins run and that no run stands still for want of a driver."""
        await asyncio.to_thread(self._ensure_parts)
        await self.dispatcher.revive()

    def _ensure_parts(self) -> None:
        if self.stands_in:
            stack.ensure_simulator(self.settings)
        if not self.settings.redis_url:
            stack.ensure_worker(self.settings, None if self.stands_in else self.address)

    # forms, checks, words

    def choices(self) -> dict[str, tuple[str, ...]]:
        """Fields whose values are known here, with those values; other names are refused before anything is sent."""
        dialect = self._checked_dialect()
        schedulers = tuple(dialect.schedulers)
        if schedulers and not dialect.complete:
            schedulers = (ImageParams.model_fields["scheduler"].default, *schedulers)
        return {"sampler_name": tuple(dialect.samplers), "scheduler": schedulers}

    def form(self) -> Any:
        """A form for one picture: every parameter as a widget, and Generate."""
        from runpodkit.notebook.forms import ParamsForm

        return ParamsForm(self)

    async def _check(self, *, picture: bool = False) -> list[Check]:
        """Try every part: key and endpoint, dialect, price, Redis, the store by writing, reading and its links.

        Args:
            picture: Draw one as well; on a live endpoint that is paid for.
        """

        async def dialect() -> str:
            return checks.dialect_known(self.dialect, chosen=bool(self.settings.dialect))

        async def price() -> str:
            return checks.price_known(self.dialect, self.gpu, simulated=self.simulated)

        tried = [
            await checks.attempt("endpoint", lambda: checks.endpoint_answers(self.endpoint, simulated=self.simulated)),
            await checks.attempt("dialect", dialect),
            await checks.attempt("price", price),
            await checks.attempt("Redis", self._check_redis),
            await checks.attempt("store", lambda: checks.store_keeps(self.store)),
        ]
        if picture and all(check.ok for check in tried):
            tried.append(
                await checks.attempt(
                    "picture",
                    lambda: checks.picture_drawn(lambda: self._generate("a red apple on a table")),
                    "`runpodkit dialects` lists how workers spell things, `runpodkit dialect try` shows what is sent",
                )
            )
        return tried

    check, acheck = both_ways(_check)

    async def _check_redis(self) -> str:
        await self.ledger.ping()
        if not self.settings.redis_url:
            return "embedded, append-only file on"
        warnings = await asyncio.to_thread(stack.check_foreign_redis, self.settings.redis_url.get_secret_value())
        return "; ".join(["REDIS_URL answers", *warnings])

    def where(self) -> dict[str, str]:
        """Where everything is: endpoint, Redis, store, logs, and which `.env` was read.  No keys."""
        parts = {f"{part.name} process": part.detail for part in stack.status(self.settings) if part.running}
        return {
            "endpoint": self.address.url,
            "Redis": stack.without_password(self._url),
            "store": repr(self.store),
            "home": str(self.settings.home),
            ".env": str(self.settings.env_file or "none found"),
            **parts,
        }

    @property
    def line(self) -> str:
        """What this kit is connected to, in one line that is the same on every machine."""
        mode = "SIMULATOR (nothing is paid)" if self.simulated else "LIVE (jobs cost money)"
        redis = "REDIS_URL" if self.settings.redis_url else "embedded"
        worker = "yours" if self.settings.redis_url else "local"
        endpoint = STAND_IN if self.stands_in else self.address.endpoint_id
        return (
            f"{mode} · endpoint {endpoint} · dialect {self.dialect.name} · Redis {redis} · "
            f"store {self.store.describe} · Celery worker {worker}"
        )

    def __repr__(self) -> str:
        return f"Kit: {self.line}"

    async def _close(self) -> None:
        """Close connections; the stack and running runs go on."""
        await self.endpoint.aclose()
        await self.ledger.aclose()
        self.dispatcher.close()

    close, aclose = both_ways(_close)

    def _refuse(self, plan: Sweep) -> None:
        """Raise ValueError with everything about the sweep that the dialect cannot honour."""
        dialect = self._checked_dialect()
        points = [plan.base.with_values(values) for values in _points(plan)]
        problems = dict.fromkeys(
            problem for point in points for problem in dialect.refusals(point, swept=list(plan.axes))
        )
        if problems:
            raise ValueError("; ".join(problems))

    def _checked_dialect(self) -> Dialect:
        """On the stand-in it is known which samplers the model has: other names are refused before the run."""
        if not self.stands_in:
            return self.dialect
        schedulers = {name: name for name in self.dialect.schedulers if name in (*SCHEDULERS, "Euler A")}
        return self.dialect.model_copy(update={"samplers": {name: name for name in SAMPLERS}, "schedulers": schedulers})

    def _key(self, trial: Trial) -> str:
        return trial_key(self.identity, self.dialect.canonical(self.dialect.resolve(trial.params)))

    def _head(self, plan: Sweep, name: str, policy: RunPolicy, *, kind: str = "sweep", reuse: bool = True) -> RunHead:
        return RunHead(
            name=name,
            plan=plan.to_plan(),
            sweep_hash=plan.hash,
            trials=len(plan),
            identity=self.identity,
            endpoint=self.endpoint_name,
            dialect=self.dialect.name,
            dialect_row=self.dialect.model_dump(mode="json", exclude_defaults=True),
            simulated=self.simulated,
            store=self._store_name,
            family=self.family,
            created_at=time.time(),
            gpu=self.gpu,
            kind=kind,
            policy=policy,
            reuse=reuse,
            version=version("runpodkit"),
        )


def connect(
    target: str | None = None,
    *,
    dialect: str | None = None,
    live: bool = False,
    start_worker: bool | None = None,
    quiet: bool = False,
    settings: Settings | None = None,
) -> Kit:
    """Connect to an endpoint, starting whatever is not configured; prints what it is connected to.

    Args:
        target: An endpoint's URL or id, one of RunPod's public ones too; default: RUNPOD_URL, else the simulator.
        dialect: How its worker spells things: a built-in name, your own `.toml`, or a ComfyUI workflow's `.json`;
            default: RUNPODKIT_DIALECT, else what a public endpoint takes, else `native`.
        live: Never fall back to the simulator.
        start_worker: Start a Celery worker; default: only beside the embedded Redis.
        quiet: Print nothing.
        settings: Instead of the environment and `.env`.

    Raises:
        ConfigError: a setting is missing or contradicts another; the message says what to set.
        StackError: a stand-in cannot be started; the message says how to get one.
    """
    settings = settings or Settings.load()
    if dialect:
        settings = settings.with_dialect(dialect)
    address = settings.address(target)
    if live and (address is None or address.is_simulated):
        raise ConfigError(
            "RUNPOD_API_KEY is not set, and live=True never uses the simulator: set RUNPOD_API_KEY and RUNPOD_URL"
            if address is None
            else f"live=True, but RUNPOD_URL {address.url} is on this machine: that is a simulator"
        )
    stack.ensure_redis(settings)
    stands_in = address is None
    if start_worker or (start_worker is None and not settings.redis_url):
        stack.ensure_worker(settings, address)
    kit = Kit(settings, address or stack.ensure_simulator(settings), stands_in=stands_in)
    kit.dialect  # noqa: B018 - a dialect that cannot be meant is told now
    _open_kits.add(kit)
    if not quiet:
        print(kit.line)
    return kit


def open_run(where: str | Path) -> Run:
    """A run by its name in the configured store and ledger, or read-only from the folder that holds it.

    Args:
        where: A run's name, or a folder `…/runs/<name>`.

    Raises:
        StoreError: there is no such run.
    """
    folder = Path(where).expanduser()
    if (folder / "run.json").is_file():
        folder = folder.absolute()
        store = LocalStore(folder.parent.parent)
        head, state = read_head(store, folder.name)
        return Run(head, store, state=state)
    return connect(quiet=True).open_run(str(where))


async def generate_image_async(
    user_prompt: str,
    width: int = 832,
    height: int = 1216,
    steps: int = 30,
    cfg_scale: float = 4.0,
    seed: int = -1,
    negative_prompt: str | None = None,
    sampler_name: str = "Euler",
    scheduler: str = "Euler A",
    use_enhanced_prompts: bool = True,
    timeout: int = 300,
) -> str:
    """Draw one picture and give its URL: presigned for a bucket, a file address for a folder.

    Raises:
        ValueError: a parameter out of bounds.
        RunpodkitError: no picture could be had; the message says why.
    """
    asked: Mapping[str, Any] = {
        "width": width,
        "height": height,
        "steps": steps,
        "cfg_scale": cfg_scale,
        "seed": seed,
        "negative_prompt": negative_prompt,
        "sampler_name": sampler_name,
        "scheduler": scheduler,
        "use_enhanced_prompts": use_enhanced_prompts,
        "timeout": timeout,
    }
    kit = await asyncio.to_thread(connect, quiet=True)
    try:
        picture = await kit.agenerate(user_prompt, **asked)
        return await asyncio.to_thread(lambda: picture.url)
    finally:
        await kit.aclose()


def check_name(name: str) -> str:
    """A run's name becomes a folder and a Redis key: letters, digits, dot, dash and underscore.

    Raises:
        ValueError: other characters, none at all, or more than 80.
    """
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not name or len(name) > 80 or not plain.isalnum() or not name.isascii() or name[0] in ".-":
        raise ValueError(
            f"name={name!r}: a run's name has 1 to 80 letters (a–z), digits, dots, dashes or underscores, "
            "and starts with none of the last"
        )
    return name


def _dialect(settings: Settings, address: EndpointAddress) -> Dialect:
    """The dialect that is set, else the one a public endpoint is known to speak, else `native`."""
    if settings.dialect:
        return get_dialect(settings.dialect)
    return (public_dialect(address.endpoint_id) if address.host == RUNPOD_HOST else None) or get_dialect("native")


def _difference(plan: Sweep, head: RunHead, there: RunHead) -> str:
    if there.identity != head.identity:
        return f"it ran on {there.identity}, this one would on {head.identity}"
    return plan.difference(Sweep.from_plan(dict(there.plan)))


def _points(plan: Sweep) -> Iterator[dict[str, Any]]:
    """Every axis value once, as fields of `ImageParams`; width and height together, for a size is refused as a whole."""
    axes = plan.axes
    if not axes:
        yield {}
    if "width" in axes and "height" in axes:
        pairs = zip if plan.mode == "zip" else itertools.product
        for width, height in dict.fromkeys(pairs(axes.pop("width"), axes.pop("height"))):
            yield {"width": width, "height": height}
    for name, values in axes.items():
        for value in values:
            yield _as_fields(name, value)


def _as_fields(axis: str, value: Any) -> dict[str, Any]:
    """An axis value as fields of `ImageParams`; `extra.NAME` is nested."""
    outer, _, inner = axis.partition(".")
    return {outer: {inner: value}} if inner else {axis: value}


_open_kits: weakref.WeakSet[Kit] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """At exit: what cannot be closed any more must not keep the interpreter from ending."""
    for kit in list(_open_kits):
        with contextlib.suppress(Exception):
            kit.close()
