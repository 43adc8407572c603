"""The kit: settings, endpoint, ledger and store together, for one picture, for sweeps and for the runs there are.

Parts are told here what they work with; what is not configured was started by `connecting`, which picks live or
simulator.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import secrets
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import runpodkit.stack as stack
from runpodkit.blocking import both_ways
from runpodkit.endpoint.billing import Billing
from runpodkit.endpoint.client import Endpoint
from runpodkit.endpoint.dialects import Dialect, get_dialect, public_dialect
from runpodkit.endpoint.follow import Pace
from runpodkit.endpoint.keys import trial_key
from runpodkit.endpoints import NamedEndpoint, address_of, endpoints_file, named_endpoints, settings_of
from runpodkit.errors import (
    ConfigError,
    JobFailedError,
    NoSuchKeyError,
    RunConflictError,
    RunHeldError,
    RunpodkitError,
    StoreError,
)
from runpodkit.params import ImageParams
from runpodkit.reprs import facts_html
from runpodkit.runs import billing, calls, checks, drift
from runpodkit.runs.billing import Bill
from runpodkit.runs.checks import Check
from runpodkit.runs.clocks import steady_clock
from runpodkit.runs.dispatch import Dispatcher
from runpodkit.runs.drift import Drift, Redrawn
from runpodkit.runs.engine import Engine
from runpodkit.runs.finding import Since, find, wanted
from runpodkit.runs.inputs import PREFIX as INPUTS
from runpodkit.runs.inputs import with_stored_images
from runpodkit.runs.joint import LeftOut, described, left_out_of, parts_of
from runpodkit.runs.labels import check_note, check_tags, first_labels
from runpodkit.runs.ledger import Ledger, RunStatus
from runpodkit.runs.limits import RedisLimiter
from runpodkit.runs.money import STAND_IN_GPU, Estimate, estimate, summed, usd_per_s
from runpodkit.runs.notices import Teller, check_notify, mark_of, watch
from runpodkit.runs.picture import Picture
from runpodkit.runs.plans import check_name, difference, extension, left_out, refuse
from runpodkit.runs.policies import RunPolicy, shared_policy
from runpodkit.runs.provenance import gather
from runpodkit.runs.pruned import Pruned, seconds_of
from runpodkit.runs.pruning import Pruner
from runpodkit.runs.records import Record, read_head, write_head
from runpodkit.runs.rows import RunHead, RunState
from runpodkit.runs.run import Run, opened
from runpodkit.runs.searching import Searching
from runpodkit.runs.trials import Tools
from runpodkit.settings import RUNPOD_HOST, EndpointAddress, Settings
from runpodkit.simulator import MODEL_VERSION, SAMPLERS, SCHEDULERS
from runpodkit.storage import Store, open_store
from runpodkit.sweeps.sweep import Sweep, Trial, single

if TYPE_CHECKING:
    from runpodkit.runs.notices import Notify
    from runpodkit.runs.runs_table import Runs

CONFIRM_TRIALS = 500
STAND_IN = "simulator"


class Kit(Searching):
    """Settings, endpoint, ledger and store together: what a notebook works with."""

    def __init__(
        self,
        settings: Settings,
        address: EndpointAddress,
        *,
        stands_in: bool,
        named: NamedEndpoint | None = None,
        beside: Kit | None = None,
    ) -> None:
        """Put the parts together; opens no connection.  `connect()` is the usual way.

        Args:
            named: What `endpoints.toml` says of this endpoint.
            beside: A kit whose ledger, store and Celery worker this one shares.
        """
        self._named, self._beside = named, beside
        self._siblings: dict[tuple[str, str, NamedEndpoint | None], Kit] = {}
        self.settings, self.address, self.stands_in = settings, address, stands_in
        self.draining: Callable[[], bool] = beside.draining if beside else lambda: False
        """Whether this process stops: then nothing more is submitted, and jobs are left to whoever follows them next."""
        self.simulated = address.is_simulated
        self.store: Store = beside.store if beside else open_store(settings)
        store_name = hashlib.sha256(repr(self.store).encode()).hexdigest()[:8]
        self._url = stack.redis_url(settings)
        target = None if stands_in else address
        self.ledger: Ledger = beside.ledger if beside else Ledger(self._url, store_name)
        self.endpoint_name = STAND_IN if stands_in else f"{address.host}/{address.endpoint_id}"
        self.identity = settings.model or (MODEL_VERSION if stands_in else address.identity)
        self.gpu = settings.gpu or (STAND_IN_GPU if self.simulated else None)
        self.family: str = beside.family if beside else stack.family(settings, target)
        self.dispatcher: Dispatcher = (
            beside.dispatcher
            if beside
            else Dispatcher(
                stack.broker_url(self._url), stack.queues(settings, target).sweeps, self.family, self.ledger
            )
        )
        limiter = RedisLimiter(self.ledger, self.endpoint_name, stopping=lambda: self.draining())
        self.endpoint = Endpoint(address.url, address.api_key, limiter=limiter)
        tools = Tools(
            ledger=self.ledger,
            store=self.store,
            endpoint=self.endpoint,
            pace=Pace(),
            host=address.host,
            rate=usd_per_s(self.gpu),
            limiter=limiter,
            usd_per_day=settings.usd_per_day,
            clock=steady_clock(),
            sleep=asyncio.sleep,
            ai_mark=settings.ai_mark,
        )
        self.engine = Engine(tools, store_name)
        self._store_name = store_name
        self._teller = Teller(self.ledger, store_name, self._standing)

    @cached_property
    def dialect(self) -> Dialect:
        """How the endpoint's worker spells things.  A driver never asks: a run brings its own.

        Raises:
            ConfigError: RUNPODKIT_DIALECT names none, or a file that cannot be meant.
        """
        dialect = _dialect(self.settings, self.address)
        if self._named and self._named.usd_per_image is not None:
            return dialect.model_copy(update={"usd_per_image": self._named.usd_per_image, "usd_per_megapixel": None})
        return dialect

    def on(self, name: str) -> Kit:
        """A kit for another endpoint that shares this one's ledger, store and Celery worker.

        Args:
            name: As in `endpoints.toml`, the id of one of RunPod's public endpoints, or `simulator`.

        Raises:
            ConfigError: no endpoint has that name, or its key is not set.
        """
        if self._beside:
            return self._beside.on(name)
        named = named_endpoints(self.settings).get(name)
        settings, address = self._elsewhere(name, named)
        # The file may change, and the stand-in move to another port, while this process lives.
        place = (name, address.url, named)
        if place not in self._siblings:
            stands_in = named is None and name == STAND_IN
            self._siblings[place] = Kit(settings, address, stands_in=stands_in, named=named, beside=self)
        return self._siblings[place]

    def _elsewhere(self, name: str, named: NamedEndpoint | None) -> tuple[Settings, EndpointAddress]:
        """Settings and address of another endpoint; starts the stand-in where that is meant."""
        if named:
            return settings_of(self.settings, named), address_of(self.settings, name, named)
        plain = self.settings.model_copy(update={"gpu": None, "model": None, "dialect": None})
        if name == STAND_IN:
            return plain, stack.ensure_simulator(self.settings)
        if public_dialect(name) and (public := self.settings.address(name)):
            return plain, public
        known = ", ".join([*named_endpoints(self.settings), STAND_IN])
        raise ConfigError(
            f"endpoint {name!r} is not in {endpoints_file(self.settings)}; known: {known} "
            "and the ids of RunPod's public endpoints"
        )

    def _for_head(self, head: RunHead) -> Kit | None:
        """The kit of the endpoint that a run was started on; None if nothing here names it."""
        if head.endpoint == self.endpoint_name:
            return self
        host, _, endpoint_id = head.endpoint.rpartition("/")
        last = STAND_IN if head.endpoint == STAND_IN else endpoint_id if host == RUNPOD_HOST else None
        for name in (*named_endpoints(self.settings), *([last] if last else [])):
            try:
                kit = self.on(name)
            except RunpodkitError:
                continue
            if kit.endpoint_name == head.endpoint:
                return kit
        return None

    async def drive(self, name: str, *, owner: str, successor: Callable[[], Awaitable[None]] | None = None) -> None:
        """Drive a run of any endpoint that is known here; another one's is held until somebody names it."""
        head = await self.ledger.head(name)
        if head is None:
            return
        kit = await asyncio.to_thread(self._for_head, head)
        if kit is None:
            reason = f"no Celery worker here knows endpoint {head.endpoint}"
            cure = (
                f"name it in {endpoints_file(self.settings)} on the worker's machine, or give the worker its RUNPOD_URL"
            )
            await self.ledger.set_state(
                name, RunState.HELD, f"{reason}: {cure}", hold="person", only_from=[RunState.RUNNING]
            )
            return
        await kit.engine.drive(name, owner=owner, draining=self.draining, successor=successor)

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
        one = await asyncio.to_thread(with_stored_images, single(user_prompt, **fields), self.store)
        if len(one) != 1:
            raise ValueError(
                f"generate draws one picture, these parameters are {len(one)}: use kit.submit(rk.sweep(…))"
            )
        refuse(one, self._checked_dialect())
        head = self._one_head(one, call_id or secrets.token_hex(8))
        try:
            head = await calls.work(head, self.ledger, self.engine, hold_patience_s=20.0)
        except asyncio.CancelledError:
            await asyncio.shield(asyncio.ensure_future(self._abandon(head.name)))
            raise
        except RunHeldError:
            await self._abandon(head.name)
            raise
        return await self._drawn(head)

    generate, agenerate = both_ways(_generate)

    async def _ready(self, params: ImageParams) -> ImageParams:
        """Parameters as `draw` takes them: nothing that the endpoint cannot honour, and the input image in the store.

        Raises:
            ValueError: the dialect cannot honour a field, or the input image is no picture or not in the store.
            StoreError: the store cannot be read or written.
        """
        refuse(Sweep(params, {}), self._checked_dialect())
        image = (await asyncio.to_thread(with_stored_images, Sweep(params, {}), self.store)).base.input_image
        if image is None:
            return params
        if image.startswith(INPUTS):
            try:
                await asyncio.to_thread(self.store.get, image)
            except NoSuchKeyError:
                raise ValueError(f"input_image={image!r}: the store has no such key; give the picture itself") from None
        return params.with_values({"input_image": image})

    ready, aready = both_ways(_ready)

    async def _draw(self, params: ImageParams, call_id: str, *, starts: int) -> Picture:
        """Draw one picture for a caller that may call again; the same `call_id` follows the same job.

        Args:
            params: As `ready` gives them.
            starts: Calls at most, this one included: whoever dies at it over and over is told so.

        Raises:
            JobFailedError: the job ended without a picture.
            JobCancelledError: a call too many.
            RunHeldError: the endpoint refuses or does not answer; the job is followed by the next call, or `drop` ends it.
            HandedBack: this process stops; the job is left to the next call.
            LedgerError: Redis does not answer.
        """
        head = self._one_head(Sweep(params, {}), call_id)
        head = await calls.work(head, self.ledger, self.engine, starts=starts, draining=self.draining)
        return await self._drawn(head)

    draw, adraw = both_ways(_draw)

    async def _drop(self, call_id: str) -> None:
        """End a call that will not be made again: its job must not run on unseen."""
        await self._abandon(_call_name(call_id))

    drop, adrop = both_ways(_drop)

    async def _abandon(self, name: str) -> None:
        """End a single generation: its job must not run on unseen."""
        await calls.end(name, self.ledger, self.engine)

    def _one_head(self, one: Sweep, call_id: str) -> RunHead:
        return self._head(one, _call_name(call_id), RunPolicy(pilot=False), kind="single", reuse=True)

    async def _drawn(self, head: RunHead) -> Picture:
        """The picture of a run of one trial that is over."""
        record = (await Run(head, self.store, ledger=self.ledger).arecords())[0]
        if not record.images:
            raise JobFailedError(record.job_id or head.name, str(record.state), record.reason or "no reason given")
        return Picture(record, self.store)

    # sweeps

    async def _submit(
        self,
        /,
        plan: Sweep,
        name: str | None = None,
        *,
        fresh: bool = False,
        extend: bool = False,
        anchors: int | None = None,
        reuse: bool = True,
        empty_cells: bool = False,
        confirm: bool = False,
        tags: str | Sequence[str] = (),
        note: str = "",
        notify: Notify = None,
        **policy: Any,
    ) -> Run:
        """Start a run of a sweep; returns at once.

        Same name and same sweep: attaches to the run there is, so running a cell again pays nothing.

        Args:
            name: Default: from the prompt and axes.
            fresh: If the name is taken, make `name-2` instead.
            extend: If the name is taken by a smaller sweep, draw what this one adds to it.
            anchors: Before that, so many cells of the old run are drawn again, paid for, and compared with their
                pictures; default: 2 if its last picture is over an hour old, else none.
            reuse: Take pictures that exist already instead of drawing them again.
            empty_cells: Where one of several endpoints cannot honour a value, leave those cells empty.
            confirm: Go on although a live run is large or costly.
            tags: Words to find it by, such as `["paper", "samplers"]`; added where the run is there already.
            note: What it is for; of a run that has one already, that one stays.
            notify: Told when it is over or HELD: a function that takes the run, called in this process, or the
                address of a webhook, called by a Celery worker.
            policy: Fields of `RunPolicy`, e.g. `budget_usd=2`, `window=40`.

        Raises:
            ValueError: what the dialect cannot honour, a policy out of bounds, or a tag, note or address that cannot be meant.
            RunConflictError: the name belongs to a run of another sweep.
            DriftError: the run that is to grow was drawn by another model than the endpoint has now.
            ConfigError: a live run is large or costly and neither `confirm` nor `budget_usd` is given.
        """
        labels = check_tags(tags), check_note(note)
        check_notify(notify)
        empty = await asyncio.to_thread(self._left_out, plan, empty_cells)
        plan = await self._stored(plan)
        rules = RunPolicy(**policy)
        asked_at = await asyncio.to_thread(gather)
        name = check_name(name or plan.default_name)

        def entered(sweep: Sweep, called: str) -> RunHead:
            head = (
                self._joint_head(sweep, called, rules, empty, reuse)
                if sweep.endpoints
                else self._head(sweep, called, rules, reuse=reuse)
            )
            return replace(head, provenance=asked_at)

        head = entered(plan, name)
        existing = await self._existing(name)
        if existing and existing[0].sweep_hash == head.sweep_hash and await self._is_stranded(*existing):
            existing = None
        if existing and fresh:
            existing, head = None, entered(plan, await self._next_name(name))
        if existing and extend:
            plan = await asyncio.to_thread(extension, plan, *existing, self._key)
            head = entered(plan, name)
        if existing:
            there, state = existing
            if there.sweep_hash == head.sweep_hash and there.identity == head.identity:
                await self._enter_parts(there, reuse)
                return await self._labelled(self._run(there, state), labels, notify, anew=False)
            if not extend:
                raise RunConflictError(name, difference(plan, head, there))
        again = await self._anchors_due(*existing, head, anchors) if existing else None
        if not head.simulated:
            await self._ask_first(plan, head, confirm, extra=len(again[1]) if again else 0)
        if again:
            (await self._make_anchors(*again)).raise_if_found()
        if existing:  # unless somebody else has it grow just now: then it moves, and is joined if that is the same
            await self.ledger.forget_over(name)
        there_first = await self.ledger.create(head)
        if there_first and (there_first.sweep_hash, there_first.identity) != (head.sweep_hash, head.identity):
            if existing:
                raise ValueError(f"extend=True: run {name} still moves; wait for it or cancel it first")
            raise RunConflictError(head.name, difference(plan, head, there_first))
        await asyncio.to_thread(write_head, self.store, head, RunState.RUNNING)
        if head.parts:
            await self._enter_parts(head, reuse)
        else:
            await self.dispatcher.dispatch(head.name, head.batches)
        return await self._labelled(self._run(head, RunState.RUNNING), labels, notify, anew=True)

    submit, asubmit = both_ways(_submit)

    async def _labelled(self, run: Run, labels: tuple[Sequence[str], str], notify: Notify, *, anew: bool) -> Run:
        """A run with its tags and note, and whoever is to be told of its end; one that was over before is not told of."""
        await asyncio.to_thread(first_labels, self.store, run.name, *labels)
        if notify is None:
            return run
        status = None if anew else await run.astatus()
        if isinstance(notify, str):
            await self.ledger.ask_notice(run.name, notify, (status and mark_of(status, now=time.time())) or "")
        elif status is None or not status.is_over:
            watch(run, notify)
        return run

    async def tell(self) -> None:
        """Call the webhooks of runs that are over or held; called by Celery workers, each end is told once."""
        await self._teller.tell()

    async def _enter_parts(self, head: RunHead, reuse: bool) -> None:
        """Start what each endpoint draws of a joint run; parts that are entered already go on as they are."""
        shares = {part.endpoint: part for part in parts_of(head)}
        split = Sweep.from_plan(dict(head.plan)).split(head.name, left_out_of(head)) if shares else {}
        for endpoint, share in shares.items():
            kit = await asyncio.to_thread(self.on, endpoint)
            policy = head.policy.model_dump(exclude_defaults=True)
            rules = RunPolicy(**shared_policy(policy, len(share.numbers) / head.trials))
            part = kit._head(split[endpoint].sweep, share.run, rules, kind="part", reuse=reuse)
            if await self.ledger.create(part, listed=False) is None:
                await asyncio.to_thread(write_head, self.store, part, RunState.RUNNING)
                await self.dispatcher.dispatch(part.name, part.batches)

    async def _estimate(self, plan: Sweep) -> Estimate:
        """What a sweep would cost and take, and how many of its pictures exist already."""
        if plan.endpoints:
            empty = await asyncio.to_thread(self._left_out, plan, True)
            parts = plan.split(plan.default_name, empty)
            return summed([await self.on(endpoint)._estimate(part.sweep) for endpoint, part in parts.items()])
        refuse(plan, self._checked_dialect())
        plan = await self._stored(plan)
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

    async def _stored(self, plan: Sweep) -> Sweep:
        return await asyncio.to_thread(with_stored_images, plan, self.store)

    async def _ask_first(self, plan: Sweep, head: RunHead, confirm: bool, extra: int) -> None:
        """`extra`: cells that are drawn besides, to compare."""
        if confirm or head.policy.budget_usd is not None:
            return
        about = await self._estimate(plan)
        todo = about.trials - about.reused
        bound = self.settings.confirm_usd
        if about.usd and (usd := about.usd[0] * (1 + extra / max(todo, 1))) > bound:
            raise ConfigError(
                f"this run would cost about ${usd:.2f}, above RUNPODKIT_CONFIRM_USD={bound:g}: "
                "give budget_usd=… or confirm=True"
            )
        if todo > CONFIRM_TRIALS:
            raise ConfigError(f"this run would pay for {todo} trials: give budget_usd=… or confirm=True")

    # drift

    async def _anchors_due(
        self, there: RunHead, state: RunState, head: RunHead, anchors: int | None
    ) -> tuple[Run, list[Record]] | None:
        """The cells of a run to make again before it grows; None where nothing would be mixed, or none is asked for."""
        run = self._run(there, state)
        cells = drift.due(await run.arecords(), anchors, time.time()) if there.identity == head.identity else []
        return (run, cells) if cells else None

    async def _make_anchors(self, run: Run, cells: Sequence[Record]) -> Drift:
        found = await drift.compare(run, cells, self._draw_again)
        if cells:
            print(repr(found), file=sys.stderr)
        return found

    async def _check_drift(self, run: Run, anchors: int | None = drift.ANCHORS) -> Drift:
        """Draw some cells of a run again, paid for, and compare them with its pictures: has the endpoint's model changed?

        Args:
            anchors: How many; None: 2 if its last picture is over an hour old, else none.

        Returns:
            `.found` says whether one is another picture, `.anchors` has each with its distance; `raise_if_found()`.

        Raises:
            ValueError: `anchors` is out of bounds, or the run is of several endpoints or of another one than this kit's.
        """
        if run.head.parts or run.head.endpoint != self.endpoint_name:
            raise ValueError(
                f"run {run.name} was drawn on {run.head.endpoint}: ask the kit of that endpoint, kit.on(…)"
            )
        return await self._make_anchors(run, drift.due(await run.arecords(), anchors, time.time()))

    check_drift, acheck_drift = both_ways(_check_drift)

    async def _draw_again(self, params: ImageParams, mark: str) -> Redrawn:
        """One picture under a key of its own, so that nothing is reused and nothing stored is replaced."""
        name = f"anchor-{hashlib.sha256(mark.encode()).hexdigest()[:16]}"
        head = self._head(Sweep(params, {}), name, RunPolicy(pilot=False), kind="single", reuse=False)
        picture = None
        try:
            head = await calls.work(replace(head, identity=f"{head.identity} {name}"), self.ledger, self.engine)
            picture = await self._drawn(head)
            return Redrawn(await asyncio.to_thread(self.store.get, picture.key), picture.record.cost_usd)
        except RunHeldError:
            await self._abandon(name)
            raise
        finally:
            status = await self.ledger.status(name)
            if status and status.is_over:  # a later check is a new one; one that was interrupted is gone on with
                await self.ledger.forget_over(name)
                await asyncio.to_thread(self._drop_anchor, name, picture)

    def _drop_anchor(self, name: str, picture: Picture | None) -> None:
        for key in [*self.store.keys(f"runs/{name}/"), *([picture.key] if picture else [])]:
            self.store.delete(key)

    # bills

    async def _bill_of(self, run: Run) -> Bill:
        """See `Run.bill`."""
        kit = None if run.head.parts else await asyncio.to_thread(self._for_head, run.head)
        if kit is None:
            raise ValueError(f"run {run.name} was drawn on {run.head.endpoint}: a bill is of one endpoint known here")
        url = kit.address.billing_url
        if url is None:
            raise ConfigError(billing.unbilled(kit.address.host))
        records = await run.arecords()
        window = billing.window_of(records)
        if window is None:
            raise ValueError(f"no job of run {run.name} has run, so there is nothing to bill")
        public = kit.address.host == RUNPOD_HOST and public_dialect(kit.address.endpoint_id) is not None
        service = Billing(url, kit.address.api_key)
        try:
            hours = await service.hours(None if public else kit.address.endpoint_id, *window)
        finally:
            await service.aclose()
        return billing.split(
            run.name,
            records,
            await self._runs_beside(run, window[1]),
            hours,
            window,
            rate=usd_per_s(kit.gpu),
            per_picture=public,
            simulated=kit.simulated,
            now_s=time.time(),
        )

    async def _runs_beside(self, run: Run, before_s: float) -> dict[str, list[Record]]:
        """Records of the other runs of this ledger on the same endpoint that were begun before a time, by name."""
        found = {}
        for listed in await self.ledger.names():
            whole = await self.ledger.head(listed)
            if whole is None or whole.created_at >= before_s:
                continue
            for name in [str(part["run"]) for part in whole.parts] or [listed]:
                head = await self.ledger.head(name) if whole.parts else whole
                if head and name != run.name and head.endpoint == run.head.endpoint:
                    with contextlib.suppress(StoreError):
                        found[name] = await self._run(head, RunState.RUNNING).arecords()
        return found

    # runs

    async def _run_of(self, name: str) -> Run | None:
        """The run of a name, if ledger or store know one."""
        existing = await self._existing(check_name(name))
        return self._run(*existing) if existing else None

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

    async def _runs(
        self,
        *,
        tag: str | Sequence[str] | None = None,
        since: Since = None,
        text: str | None = None,
        endpoint: str | Sequence[str] | None = None,
        state: str | Sequence[str] | None = None,
        starred: bool | None = None,
        limit: int | None = None,
    ) -> Runs:
        """Runs of the ledger and of the store, newest first; what is not named does not matter.

        Args:
            tag: It has this tag, or all of these.
            since: Started no longer ago than "12h", "7d" or "2w", or on this day or later.
            text: Words that all stand in its name, prompts, note or tags; capitals do not matter.
            endpoint: As in `endpoints.toml`, by its id, or as the column `endpoint` has it; or any of several.
            state: "DONE", "HELD" and so on, or any of several.
            limit: So many at most.

        Returns:
            A `DataFrame` with a row per run, which a notebook shows with a small picture of each: name, state, counts
            of trials, `cost_usd`, `created` in UTC, endpoint, tags, note, star; what is not known is missing.
            Single pictures and parts of runs over several endpoints are left out.

        Raises:
            ValueError: with everything that cannot be meant.
        """
        from runpodkit.runs.runs_table import table_of

        meant = wanted(tag, since, text, endpoint, state, starred, limit)
        named = [self._endpoint_called(name) for name in meant.endpoints]
        meant = replace(meant, endpoints=meant.endpoints.union(filter(None, named)))

        async def standing(head: RunHead, status: RunStatus) -> RunStatus:
            return await self._standing(head) or status

        found = await find(self.store, self.ledger, meant, standing)
        return await asyncio.to_thread(table_of, found, self.store)

    def _endpoint_called(self, name: str) -> str | None:
        """How heads spell the endpoint that `endpoints.toml` gives this name; None where it gives none."""
        with contextlib.suppress(RunpodkitError):
            if named := named_endpoints(self.settings).get(name):
                address = address_of(self.settings, name, named)
                return f"{address.host}/{address.endpoint_id}"
        return None

    runs, aruns = both_ways(_runs)

    async def _prune(
        self,
        older_than: str = "30d",
        *,
        keep_starred: bool = False,
        only: Sequence[str] | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Delete runs that ended long ago, with the pictures that no other run uses; there is no way back.

        Args:
            older_than: Since the last trial ended: a number and h, d or w, such as "12h", "30d", "2w".
            keep_starred: Runs with a star (`run.star()`) stay.
            only: Of these names alone.
            dry_run: Only tell what would go.

        Raises:
            ValueError: `older_than` is no age.
            StoreError: records cannot be read, so what they use is not known; nothing was deleted.
        """
        age_s = seconds_of(older_than)
        return await Pruner(self.store, self.ledger).prune(age_s, keep_starred=keep_starred, only=only, dry_run=dry_run)

    prune, aprune = both_ways(_prune)

    async def _standing(self, head: RunHead) -> RunStatus | None:
        """How a run of the ledger stands; a joint one as its parts do, where they can be found."""
        status = await self.ledger.status(head.name)
        if status is None or not head.parts:
            return status
        with contextlib.suppress(StoreError):
            return await self._run(head, status.state).astatus()
        return status

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
        dispatch = self.dispatcher.dispatch
        return opened(
            head,
            self.store,
            ledger=self.ledger,
            dispatch=dispatch,
            revive=self.revive,
            state=state,
            bill=self._bill_of,
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

    def form(self, source: Any = None) -> Any:
        """A form for one picture: every parameter as a widget, and Generate.

        Args:
            source: Fill it from `ImageParams`, a `Picture`, or a picture file with its parameters inside.
        """
        from runpodkit.notebook.forms import ParamsForm

        form = ParamsForm(self)
        if source is not None:
            form.fill(source)
        return form

    def sweep_form(self, source: Any = None) -> Any:
        """A form for a sweep: any parameter becomes an axis; what it costs is shown before, the run below.

        Args:
            source: Fill it from a `Sweep`, a `Run`, `ImageParams`, a `Picture`, or a picture file.
        """
        from runpodkit.notebook.sweep_form import SweepForm

        form = SweepForm(self)
        if source is not None:
            form.fill(source)
        return form

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
        warnings = await asyncio.to_thread(stack.check_foreign_redis, self._url)
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

    async def _has_worker(self) -> bool:
        """Whether a Celery worker that takes this kit's runs was heard of within the last 15 s."""
        return await self.dispatcher.live_workers() > 0

    has_worker, ahas_worker = both_ways(_has_worker)

    def __repr__(self) -> str:
        return f"Kit: {self.line}"

    def _repr_html_(self) -> str:
        endpoint = STAND_IN if self.stands_in else self.address.endpoint_id
        store = {"dialect": self.dialect.name, "store": self.store.describe}
        return facts_html("Kit", {"endpoint": endpoint, **store}, self.simulated)

    async def _close(self) -> None:
        """Close connections; the stack and running runs go on."""
        for kit in (self, *self._siblings.values()):
            await kit.endpoint.aclose()
        await self.ledger.aclose()
        self.dispatcher.close()

    close, aclose = both_ways(_close)

    def _left_out(self, plan: Sweep, empty_cells: bool) -> LeftOut:
        """By endpoint, the axis values that it does not draw; without an axis over endpoints nothing is.

        Raises:
            ValueError: what a dialect cannot honour, unless those cells may stay empty.
            ConfigError: an endpoint is not known, or its key is not set.
        """
        if not plan.endpoints:
            refuse(plan, self._checked_dialect())
            return {}
        dialects = {endpoint: self.on(endpoint)._checked_dialect() for endpoint in plan.endpoints}
        return left_out(plan, dialects, empty_cells=empty_cells)

    def _checked_dialect(self) -> Dialect:
        """On the stand-in it is known which samplers the model has: other names are refused before the run."""
        if not self.stands_in:
            return self.dialect
        schedulers = {name: name for name in self.dialect.schedulers if name in (*SCHEDULERS, "Euler A")}
        return self.dialect.model_copy(update={"samplers": {name: name for name in SAMPLERS}, "schedulers": schedulers})

    def _key(self, trial: Trial) -> str:
        return trial_key(self.identity, self.dialect.canonical(self.dialect.resolve(trial.params)), trial.repeat)

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

    def _joint_head(self, plan: Sweep, name: str, policy: RunPolicy, empty: LeftOut, reuse: bool) -> RunHead:
        """The head of a run over several endpoints; each of them has a run of its own below it."""
        split = plan.split(name, empty)
        kits = [self.on(endpoint) for endpoint in split]
        return replace(
            self._head(plan, name, policy, kind="joint", reuse=reuse),
            trials=sum(len(part.numbers) for part in split.values()),
            identity=", ".join(kit.identity for kit in kits),
            endpoint=", ".join(split),
            dialect=", ".join(dict.fromkeys(kit.dialect.name for kit in kits)),
            dialect_row={},
            simulated=all(kit.simulated for kit in kits),
            parts=described(name, split, empty),
        )


def _call_name(call_id: str) -> str:
    return f"one-{call_id}"


def _dialect(settings: Settings, address: EndpointAddress) -> Dialect:
    """The dialect that is set, else the one a public endpoint is known to speak, else `native`."""
    if settings.dialect:
        return get_dialect(settings.dialect)
    return (public_dialect(address.endpoint_id) if address.host == RUNPOD_HOST else None) or get_dialect("native")
