"""RunPod's published request limits, and a pacer that keeps one process under them.

Knows operations and numbers, not jobs.  Several processes share a limiter of their own,
over Redis; both read this table.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple


class Limit(NamedTuple):
    """What RunPod takes of one operation, per user and endpoint."""

    per_10_s: int
    at_once: int | None = None


PUBLISHED: Mapping[str, Limit] = MappingProxyType(
    {
        "run": Limit(1000, 200),
        "runsync": Limit(2000, 400),
        "status": Limit(2000, 400),
        "stream": Limit(2000, 400),
        "cancel": Limit(100, 20),
        "purge-queue": Limit(2),
        "requests": Limit(10, 2),
    }
)
"""`retry` and `health` have none that is published.  Source: RunPod docs, "Send requests", rate limits."""
PER_WORKER = 50
"""Requests per 10 s that each running worker adds up to: what holds is the larger of this sum and the published
number.  Source: one worked example by RunPod's support, so a 429 sends us back to the published number."""
GROWING = frozenset({"run", "runsync", "status", "stream"})
BACK_TO_BASE_S = 60.0
AIR = 0.9
"""What we use of a limit: clocks differ, and other clients may share it."""


def per_10_s(operation: str, workers: int = 0) -> int | None:
    """Requests of an operation in ten seconds, with that many workers running; None: no limit is published."""
    limit = PUBLISHED.get(operation)
    if limit is None:
        return None
    return max(limit.per_10_s, PER_WORKER * workers) if operation in GROWING else limit.per_10_s


def at_once(operation: str) -> int | None:
    """How many requests of an operation may be open at a time."""
    limit = PUBLISHED.get(operation)
    return None if limit is None or limit.at_once is None else max(1, int(limit.at_once * AIR))


class LocalLimiter:
    """Paces the requests of this process: a tenth of a limit at once, the rest evenly.

    In any ten seconds at most the published number goes out, however long it rested before.
    """

    def __init__(
        self,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock, self._sleep = clock, sleep
        self._next: dict[str, float] = {}

    async def take(self, operation: str) -> None:
        """Return when one request of this operation may go."""
        limit = PUBLISHED.get(operation)
        if limit is None:
            return
        apart = 10 / (limit.per_10_s * AIR)
        burst = max(1, limit.per_10_s // 10)
        now = self._clock()
        # the moment this request would go if all went evenly; `burst` of them may go ahead of it
        turn = max(self._next.get(operation, -math.inf), now - (burst - 1) * apart)
        self._next[operation] = turn + apart
        if turn > now:
            await self._sleep(turn - now)

    def refused(self, operation: str) -> None:
        """Nothing to learn: this one never goes beyond the published numbers."""

    def saw(self, workers: int) -> None:
        """Nothing to learn here either."""
