"""Gauges: what one Redis tells of everything in it, for people: Celery workers, queues, money, the pace of runs.

Reads only, gives up soon, and needs neither store nor endpoint.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import redis.asyncio as aioredis
from redis.exceptions import AuthenticationError, RedisError

from runpodkit.errors import LedgerError
from runpodkit.logs import redact
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.runs.joint import parts_of, together
from runpodkit.runs.ledger import PREFIX, WORKER_GONE_S, Ledger, RunStatus
from runpodkit.runs.rows import RunHead, TrialState

PATIENCE_S = 3.0
PACE_S = 60.0
_EVENTS = 2000
_CELERY: str = CELERY_SETTINGS["broker_transport_options"]["global_keyprefix"]
_PRIORITIES = ("", "\x06\x163", "\x06\x166", "\x06\x169")
"""What kombu appends to a queue's name for messages of other priorities."""


@dataclass(frozen=True, slots=True)
class HeardWorker:
    """A Celery worker that was heard of within the last 15 s."""

    queue: str
    name: str
    ago_s: float


@dataclass(frozen=True, slots=True)
class PaidToday:
    """What live runs have cost since midnight UTC, in USD."""

    usd: float
    guessed_usd: float
    """Of that, what is an estimate: the worker named no price."""
    unpriced: int
    """Jobs whose price is not known; they are not in `usd`."""


@dataclass(frozen=True, slots=True)
class Moving:
    """A run that is not over."""

    head: RunHead
    status: RunStatus
    per_s: float | None
    """Trials that ended per second, over the last minute; None: none did."""
    driven: bool
    """Whether a Celery worker, or for a single picture the caller, drives it."""

    @property
    def done(self) -> int:
        return sum(count for state, count in self.status.counts.items() if state.is_final)

    @property
    def in_flight(self) -> int:
        return sum(count for state, count in self.status.counts.items() if state.is_in_flight)

    @property
    def left_s(self) -> float | None:
        """Seconds until the rest has ended at this pace; None: not known."""
        return (self.head.trials - self.done) / self.per_s if self.per_s else None


class Gauges:
    """One Redis, looked at."""

    def __init__(self, url: str) -> None:
        self._redis = aioredis.Redis.from_url(
            url, decode_responses=True, socket_timeout=PATIENCE_S, socket_connect_timeout=PATIENCE_S
        )
        self._ledger = Ledger(url)

    async def aclose(self) -> None:
        await self._redis.aclose()
        await self._ledger.aclose()

    async def workers(self) -> list[HeardWorker]:
        async with _errors("count workers"):
            now = await self._now()
            heard: list[tuple[str, float]] = await _reply(
                self._redis.zrangebyscore(f"{PREFIX}workers", now - WORKER_GONE_S, "+inf", withscores=True)
            )
        found = []
        for told, at in heard:
            queue, _, name = told.partition("@")
            found.append(HeardWorker(queue, name, max(0.0, now - at)))
        return found

    async def queues(self, names: Iterable[str]) -> dict[str, int]:
        """Messages that wait in these queues."""
        lengths = {}
        async with _errors("read queues"):
            for name in names:
                lengths[name] = sum([await self._int(f"{_CELERY}{name}{priority}") for priority in _PRIORITIES])
        return lengths

    async def taken(self) -> int:
        """Messages that Celery workers have taken and not ended."""
        async with _errors("read queues"):
            return int(await _reply(self._redis.hlen(f"{_CELERY}unacked")))

    async def paid_today(self) -> PaidToday:
        async with _errors("read what was paid"):
            day = int(await self._now() // 86_400)
            texts = await _reply(
                self._redis.mget([f"{PREFIX}{what}:{day}" for what in ("paid", "guessed", "unpriced")])
            )
        paid, guessed, unpriced = (float(text or 0) for text in texts)
        return PaidToday(paid, guessed, int(unpriced))

    async def moving(self) -> list[Moving]:
        """Runs that are not over, in the order they were entered; a joint one as its parts stand together."""
        found = []
        for name in await self._ledger.names(active=True):
            head, status = await self._ledger.head(name), await self._ledger.status(name)
            if head is None or status is None or head.kind == "part":
                continue
            names = [part.run for part in parts_of(head)] or [name]
            if head.parts:
                parts = [(part.endpoint, await self._ledger.status(part.run)) for part in parts_of(head)]
                known = [(endpoint, part) for endpoint, part in parts if part is not None]
                status = together(known) if known else status
            if status.is_over:
                continue
            paces = [pace for one in names if (pace := await self._pace(one)) is not None]
            drivers = [driver for one in names for driver in await self._ledger.live_drivers(one)]
            found.append(Moving(head, status, sum(paces) if paces else None, bool(drivers)))
        return found

    async def _pace(self, name: str) -> float | None:
        """Trials of a run that ended per second, over the last minute."""
        async with _errors(f"read events of {name}"):
            now = await self._now()
            since = f"{int((now - PACE_S) * 1000)}"
            events: list[tuple[str, dict[str, str]]] = await _reply(
                self._redis.xrevrange(f"{PREFIX}run:{name}:events", min=since, count=_EVENTS)
            )
        times = [int(at.partition("-")[0]) / 1000 for at, told in events if _ended(told.get("state", ""))]
        return len(times) / max(1.0, now - times[-1]) if times else None

    async def _now(self) -> float:
        seconds, micro = await _reply(self._redis.time())
        return float(seconds) + float(micro) / 1e6

    async def _int(self, key: str) -> int:
        return int(await _reply(self._redis.llen(key)))


def _ended(state: str) -> bool:
    return state in set(TrialState) and TrialState(state).is_final


async def _reply(answer: Any) -> Any:
    """redis-py types its replies as maybe awaitable; with the asyncio client they are."""
    return await answer


@asynccontextmanager
async def _errors(what: str) -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as exc:
        if any(isinstance(one, AuthenticationError) for one in (exc, exc.__cause__)):  # asyncio's client wraps it
            raise LedgerError(f"Redis refuses the login, correct REDIS_URL: {redact(str(exc))}") from exc
        raise LedgerError(f"Redis: could not {what}: {redact(str(exc))}") from exc
