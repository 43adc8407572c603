"""The stack: what stands in where nothing is configured, as processes that outlive the kernel.

A private Redis, a simulator in RunPod's place and a Celery worker, one set per
RUNPODKIT_HOME, shared by all notebooks of this user.  Every `ensure_…` may be called by
many processes at once and as often as one likes: a lock in the home lets one of them
start a part, the others find it.  All calls block, for the fraction of a second that a
start takes, so none belongs on an event loop.  What the parts say to each other is no
business of this room.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runpodkit.errors import RunpodkitError
from runpodkit.settings import EndpointAddress, Settings
from runpodkit.stack import celery_worker, foreign_redis, identity, keeper, processes, redis_server, simulator_process
from runpodkit.stack.celery_worker import Order, Queues
from runpodkit.stack.folders import home_folder, is_socket_of, remove_runtime_folder
from runpodkit.stack.foreign_redis import broker_url, client_url, without_password
from runpodkit.stack.foreign_redis import check as check_foreign_redis
from runpodkit.stack.state import State, locked, read

__all__ = [
    "Part",
    "Queues",
    "broker_url",
    "check_foreign_redis",
    "client_url",
    "down",
    "down_if_unused",
    "ensure_redis",
    "ensure_simulator",
    "ensure_worker",
    "family",
    "fingerprint",
    "mark_used",
    "queues",
    "redis_url",
    "revive",
    "running_redis_url",
    "simulator_address",
    "status",
    "up",
    "without_password",
    "worker_command",
]

REDIS, SIMULATOR, WORKER = "Redis", "simulator", "Celery worker"


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the stack as it is now."""

    name: str
    """`Redis`, `simulator` or `Celery worker`."""
    running: bool
    detail: str
    """Where it is and where its log is; no key, no password."""
    pid: int | None = None


def redis_url(settings: Settings) -> str:
    """The Redis of these settings in redis-py's spelling: REDIS_URL, unasked, or the embedded server's, started if need be.

    Raises:
        StackError: the embedded server cannot be started; the message says three ways to get one.
    """
    return _foreign_url(settings) or ensure_redis(settings)


def running_redis_url(settings: Settings) -> str | None:
    """REDIS_URL, unasked, or the embedded server's URL while it runs, in redis-py's spelling.  Starts nothing."""
    if foreign := _foreign_url(settings):
        return foreign
    record = read(settings.home).redis
    return redis_server.url(record.socket) if record and redis_server.is_up(settings.home, record) else None


def ensure_redis(settings: Settings) -> str:
    """A Redis that answers, as a URL in redis-py's spelling.

    Raises:
        StackError: the embedded server cannot be started; the message says three ways to get one.
        LedgerError: REDIS_URL is set and nobody answers there, or refuses the login.
        ConfigError: REDIS_URL is no Redis URL.
    """
    if foreign := _foreign_url(settings):
        foreign_redis.ping(foreign)
        return foreign
    home = home_folder(settings.home)
    record = read(home).redis
    if record is None or not redis_server.is_up(home, record):
        with locked(home) as state:
            keeper.mark_used(home)
            record = redis_server.ensure(home, state)
            keeper.ensure(home, state)
    keeper.mark_used(home)
    return redis_server.url(record.socket)


def ensure_simulator(settings: Settings) -> EndpointAddress:
    """The stand-in for RunPod, answering; after a crash it comes back on the same port and with the same key if it can.

    Raises:
        StackError: its requirements are not installed, or it does not come up.
    """
    home = home_folder(settings.home)
    record = read(home).simulator
    if record is None or not simulator_process.is_up(record):
        with locked(home) as state:
            keeper.mark_used(home)
            record = simulator_process.ensure(home, state)
            keeper.ensure(home, state)
    keeper.mark_used(home)
    return simulator_process.address(record)


def simulator_address(settings: Settings) -> EndpointAddress | None:
    """Where the stand-in of this home runs; None if it does not.  Starts nothing and asks nobody."""
    record = read(settings.home).simulator
    if record is None or record.process is None or not record.port or not record.process.is_alive:
        return None
    return simulator_process.address(record)


def ensure_worker(settings: Settings, address: EndpointAddress | None) -> None:
    """A Celery worker for these settings and this endpoint; returns at once, it comes up in its own time.

    On the embedded Redis it serves its fingerprint alone.  On a foreign one it serves the plain
    queues that every worker there shares: call this only if the user asked for a worker there.

    Args:
        address: None or the stand-in's own address means the stand-in, wherever it runs by then.

    Raises:
        StackError, LedgerError, ConfigError: as `ensure_redis`.
    """
    url = ensure_redis(settings)
    home = home_folder(settings.home)
    address = _unless_stand_in(settings, address)
    order = Order(settings, address, url, broker_url(url), queues(settings, address))
    keeper.mark_used(home)
    if not celery_worker.serves(read(home), order, identity.fingerprint(settings, address)):
        with locked(home) as state:
            celery_worker.ensure(home, state, order)
            keeper.ensure(home, state)


def worker_command(
    settings: Settings, address: EndpointAddress | None, *, concurrency: int, loglevel: str, name: str | None = None
) -> list[str]:
    """The words that start a Celery worker for these settings in the foreground; they hold no key and no password."""
    name = name or celery_worker.node_name(fingerprint(settings, address))
    return celery_worker.command(queues(settings, address), name, concurrency=concurrency, loglevel=loglevel)


def fingerprint(settings: Settings, address: EndpointAddress | None) -> str:
    """8 hex that a worker and its clients share: endpoint, store, dialect, prices, model and package version.

    The stand-in counts as one endpoint whatever its port and key.
    """
    return identity.fingerprint(settings, _unless_stand_in(settings, address))


def family(settings: Settings, address: EndpointAddress | None) -> str:
    """The fingerprint without the package's version: what stays the same when runpodkit is upgraded."""
    return identity.family(settings, _unless_stand_in(settings, address))


def queues(settings: Settings, address: EndpointAddress | None) -> Queues:
    """Where to dispatch: queues of this fingerprint on the embedded Redis, plain names on a foreign one."""
    if _foreign_url(settings):
        return Queues("sweeps", "high_priority")
    mark = fingerprint(settings, address)
    return Queues(f"sweeps-{mark}", f"high_priority-{mark}")


def mark_used(settings: Settings) -> None:
    """Say that the stack is in use: it ends itself after a day without this."""
    keeper.mark_used(home_folder(settings.home))


def revive(settings: Settings) -> list[str]:
    """Start Redis and simulator again if they are recorded as running but died; names of those that had.

    For the upkeep of a Celery worker: nothing that `down` has ended comes back, and it does not count
    as use.

    Raises:
        StackError: one of them does not come up.
    """
    if not _fallen(read(settings.home)):
        return []
    home = home_folder(settings.home)
    with locked(home) as state:
        fallen = _fallen(state)
        if REDIS in fallen:
            redis_server.ensure(home, state)
        if SIMULATOR in fallen:
            simulator_process.ensure(home, state)
    return fallen


def up(settings: Settings) -> list[Part]:
    """Start whatever is not configured and not running, and a Celery worker; what runs then.

    Raises:
        StackError, LedgerError, ConfigError: what cannot be started or understood, and what to do about it.
    """
    address = settings.address()
    ensure_redis(settings)
    ensure_worker(settings, address or ensure_simulator(settings))
    return status(settings)


def status(settings: Settings) -> list[Part]:
    """What runs; starts nothing."""
    state = read(settings.home)
    return [*_redis_parts(settings, state), _simulator_part(settings, state), *_worker_parts(state)]


def down(settings: Settings) -> list[Part]:
    """Stop all that this home has running, Celery workers first and Redis last; what runs then.

    Celery workers get 10 s to hand back what they hold.  A foreign Redis is left alone.
    """
    if settings.home.exists():
        with locked(home_folder(settings.home)) as state:
            _stop(settings.home, state)
    return status(settings)


def down_if_unused(settings: Settings, now_s: float) -> bool:
    """Stop everything if the last use is over a day before `now_s` (epoch seconds); whether it did."""
    if not settings.home.exists():
        return False
    with locked(home_folder(settings.home)) as state:
        if not keeper.is_unused(settings.home, now_s):
            keeper.ensure(settings.home, state)  # somebody came back at the last moment
            return False
        _stop(settings.home, state)
        return True


def _fallen(state: State) -> list[str]:
    recorded = {
        REDIS: state.redis and state.redis.process,
        SIMULATOR: state.simulator and state.simulator.process,
    }
    return [name for name, process in recorded.items() if process and not process.is_alive]


def _stop(home: Path, state: State) -> None:
    processes.stop([worker.process for worker in state.workers])
    state.workers = []
    if state.simulator and state.simulator.process:
        processes.stop([state.simulator.process])
        state.simulator = state.simulator.model_copy(update={"process": None})
    if state.redis:
        processes.stop([state.redis.process])
        state.redis = None
    if state.keeper and state.keeper.pid != os.getpid():
        processes.ask_to_end(state.keeper, whole_group=True)
    state.keeper = None
    remove_runtime_folder(home)


def _foreign_url(settings: Settings) -> str | None:
    """REDIS_URL in redis-py's spelling; None where it is not set or, as in our own Celery worker, means the embedded server."""
    if settings.redis_url is None:
        return None
    url = client_url(settings.redis_url.get_secret_value())
    parts = urlsplit(url)
    is_ours = parts.scheme == "unix" and is_socket_of(settings.home, Path(unquote(parts.path)))
    return None if is_ours else url


def _unless_stand_in(settings: Settings, address: EndpointAddress | None) -> EndpointAddress | None:
    """`address`, or None where it is that of this home's stand-in: known by the key, which no other endpoint has."""
    record = read(settings.home).simulator
    is_ours = address and record and address.is_simulated and address.api_key.get_secret_value() == record.key
    return None if is_ours else address


def _redis_parts(settings: Settings, state: State) -> list[Part]:
    parts = []
    if foreign := _foreign_url(settings):
        try:
            foreign_redis.ping(foreign)
            parts.append(Part(REDIS, True, f"REDIS_URL {without_password(foreign)}, not ours to stop"))
        except RunpodkitError as exc:
            parts.append(Part(REDIS, False, str(exc)))
    if state.redis and redis_server.is_up(settings.home, state.redis):
        where = (
            f"socket {state.redis.socket}, data {settings.home / 'redis'}, log {redis_server.log_file(settings.home)}"
        )
        parts.append(Part(REDIS, True, where, state.redis.process.pid))
    ended = f"ended by itself, log {redis_server.log_file(settings.home)}"
    return parts or [Part(REDIS, False, ended if state.redis else "not running")]


def _simulator_part(settings: Settings, state: State) -> Part:
    record = state.simulator
    if record and record.process and simulator_process.is_up(record):
        where = f"{simulator_process.address(record).url}, log {simulator_process.log_file(settings.home)}"
        return Part(SIMULATOR, True, where, record.process.pid)
    if record and record.process:
        return Part(SIMULATOR, False, f"does not answer, log {simulator_process.log_file(settings.home)}")
    return Part(SIMULATOR, False, "not needed, RUNPOD_URL is set" if settings.runpod_url else "not running")


def _worker_parts(state: State) -> list[Part]:
    alive = [
        Part(
            WORKER,
            True,
            f"{'ends soon' if worker.draining else f'serves {worker.fingerprint}'}, log {worker.log}",
            worker.process.pid,
        )
        for worker in state.workers
        if worker.process.is_alive
    ]
    ended = [Part(WORKER, False, f"ended by itself, log {worker.log}") for worker in state.workers[-1:]]
    return alive or ended or [Part(WORKER, False, "not running")]
