"""The overview: endpoint, queues, runs in progress, Celery workers, money and sizes, as they are now.

Starts nothing and changes nothing.  Each part answers for itself: what cannot be reached says so in its `problem`, and
the others are there all the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass, field
from typing import Any, TypeVar

import runpodkit.stack as stack
from runpodkit.endpoint.client import Endpoint
from runpodkit.errors import ConfigError, RunpodkitError, StoreError
from runpodkit.jobs import Health
from runpodkit.runs.gauges import Gauges, HeardWorker, Moving, PaidToday
from runpodkit.runs.sizes import Sizes, size_of_folder, sizes
from runpodkit.settings import EndpointAddress, Settings
from runpodkit.storage import open_store
from runpodkit.storage.local import LocalStore

T = TypeVar("T")

ENDPOINT_PATIENCE_S = 6.0
REDIS_PATIENCE_S = 8.0
LOOK_S, STORE_PATIENCE_S = 5.0, 12.0
"""For how long runs are looked at, and how long a bucket may take for that."""


@dataclass(slots=True)
class Overview:
    """How everything stands.  A `problem` is empty where its part answers; what is not running is no problem."""

    simulated: bool
    endpoint: str
    """Its URL; empty: the stand-in, which is not running."""
    home: str
    store: str
    health: Health | None = None
    endpoint_problem: str = ""
    redis: str = ""
    """Where it is, without a password; empty: not running."""
    redis_problem: str = ""
    queues: dict[str, int] = field(default_factory=dict)
    """Messages waiting, by queue."""
    taken: int = 0
    """Messages that Celery workers have taken and not ended."""
    workers: list[HeardWorker] = field(default_factory=list)
    moving: list[Moving] = field(default_factory=list)
    paid: PaidToday | None = None
    usd_per_day: float | None = None
    sizes: Sizes | None = None
    store_problem: str = ""
    store_bytes: int | None = None
    """Of a folder, everything in it; None: a bucket, or there was no time."""
    home_bytes: int | None = None
    """Redis' files, logs and, where the store is a folder, pictures."""
    late: bool = False
    """Whether something still waits for a store that does not answer."""

    @property
    def problems(self) -> list[str]:
        return [text for text in (self.endpoint_problem, self.redis_problem, self.store_problem) if text]

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON; what is not known is None, never 0."""
        reached = bool(self.redis) and not self.redis_problem
        return {
            "endpoint": {
                "url": self.endpoint or None,
                "simulated": self.simulated,
                "problem": self.endpoint_problem or None,
                **(asdict(self.health) if self.health else {}),
            },
            "redis": {"where": self.redis or None, "problem": self.redis_problem or None},
            "queues": self.queues if reached else None,
            "taken": self.taken if reached else None,
            "workers": [asdict(worker) for worker in self.workers] if reached else None,
            "runs": [_run_dict(one) for one in self.moving] if reached else None,
            "money_today": asdict(self.paid) | {"cap_usd": self.usd_per_day} if self.paid else None,
            "store": {
                "where": self.store,
                "problem": self.store_problem or None,
                "bytes": self.store_bytes,
                "runs": [asdict(one) for one in self.sizes.runs] if self.sizes else None,
                "not_looked_at": self.sizes.not_looked_at if self.sizes else None,
            },
            "home": {"where": self.home, "bytes": self.home_bytes},
        }


def _run_dict(one: Moving) -> dict[str, Any]:
    return {
        "name": one.head.name,
        "kind": one.head.kind,
        "state": str(one.status.state),
        "endpoint": one.head.endpoint,
        "simulated": one.head.simulated,
        "trials": one.head.trials,
        "done": one.done,
        "in_flight": one.in_flight,
        "per_s": one.per_s,
        "left_s": one.left_s,
        "driven": one.driven,
        "reason": one.status.reason or None,
        "waits_for": one.status.waits_for or None,
        "cost_usd": one.status.cost_usd or None,
    }


async def overview(settings: Settings) -> Overview:
    """How everything that these settings mean stands; takes 12 s at most, whatever does not answer.

    Raises:
        ConfigError: the settings contradict each other.
    """
    address = settings.address() or stack.simulator_address(settings)
    store = open_store(settings)
    seen = Overview(
        simulated=address is None or address.is_simulated,
        endpoint=address.url if address else "",
        home=str(settings.home),
        store=str(store.folder) if isinstance(store, LocalStore) else repr(store),
        usd_per_day=settings.usd_per_day,
    )
    stored, measured = _aside(lambda: sizes(store, LOOK_S)), _aside(lambda: _folders(settings))
    await asyncio.gather(_see_endpoint(seen, address), _see_redis(seen, settings))
    try:
        seen.sizes = await asyncio.wait_for(stored, STORE_PATIENCE_S)
    except TimeoutError:
        seen.store_problem, seen.late = f"{seen.store} has not answered for {STORE_PATIENCE_S:.0f} s", True
    except StoreError as exc:
        seen.store_problem = str(exc)
    seen.home_bytes, seen.store_bytes = await measured
    return seen


async def _see_endpoint(seen: Overview, address: EndpointAddress | None) -> None:
    if address is None:
        return

    async def ask() -> Health:
        async with Endpoint(address.url, address.api_key) as endpoint:
            return await endpoint.health()

    seen.health, seen.endpoint_problem = await _asked(ask, ENDPOINT_PATIENCE_S, f"{address.url} has not answered")


async def _see_redis(seen: Overview, settings: Settings) -> None:
    url = await asyncio.to_thread(stack.running_redis_url, settings)
    if url is None:
        parts = await asyncio.to_thread(stack.status, settings)
        seen.redis_problem = next((part.detail for part in parts if part.detail.startswith("ended by itself")), "")
        return
    seen.redis = stack.without_password(url)

    async def ask() -> bool:
        try:
            gauges = Gauges(url)
        except ValueError:
            raise ConfigError(f"REDIS_URL {seen.redis} is no Redis URL: set it like redis://127.0.0.1:6379/0") from None
        try:
            seen.workers = await gauges.workers()
            mine = await asyncio.to_thread(stack.queues, settings, settings.address())
            served = [name for worker in seen.workers for name in _both(worker.queue)]
            seen.queues = await gauges.queues(dict.fromkeys([mine.high_priority, mine.sweeps, *served]))
            seen.taken, seen.paid = await gauges.taken(), await gauges.paid_today()
            seen.moving = await gauges.moving()
            return True
        finally:
            await gauges.aclose()

    _, seen.redis_problem = await _asked(ask, REDIS_PATIENCE_S, f"{seen.redis} has not answered")


def _both(sweeps: str) -> tuple[str, str]:
    """The two queues of a worker that is known by its queue of sweeps."""
    return sweeps.replace("sweeps", "high_priority", 1), sweeps


async def _asked(ask: Callable[[], Awaitable[T]], patience_s: float, silent: str) -> tuple[T | None, str]:
    """What is answered, or in words why nothing was."""
    try:
        return await asyncio.wait_for(ask(), patience_s), ""
    except TimeoutError:
        return None, f"{silent} for {patience_s:.0f} s"
    except RunpodkitError as exc:
        return None, " ".join(str(exc).split())


def _folders(settings: Settings) -> tuple[int | None, int | None]:
    """Bytes of the home, and of the store if that is a folder in it."""
    kept, all_kept = size_of_folder(settings.home / "store", LOOK_S)
    rest, all_rest = size_of_folder(settings.home, LOOK_S)
    store = None if settings.has_bucket or not all_kept else kept
    return rest if all_rest else None, store


def _aside(work: Callable[[], T]) -> asyncio.Future[T]:
    """`work` in a thread that nobody has to wait for."""
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[T] = loop.create_future()

    def settle(value: T | None, problem: BaseException | None) -> None:
        if outcome.done():
            return
        if problem is None:
            outcome.set_result(value)  # type: ignore[arg-type]
        else:
            outcome.set_exception(problem)

    def run() -> None:
        value, problem = None, None
        try:
            value = work()
        except BaseException as exc:
            problem = exc
        with contextlib.suppress(RuntimeError):  # nobody waited
            loop.call_soon_threadsafe(settle, value, problem)

    threading.Thread(target=run, name="runpodkit overview", daemon=True).start()
    return outcome
