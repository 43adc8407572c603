"""RunPod's request limits, shared by all processes and notebooks on one Redis.

A process is allotted requests for the current second and spends them without asking
again, so the sum stays under the published rate and most requests cost no round trip.
Knows operations and numbers, not jobs.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from runpodkit.endpoint.limits import AIR, BACK_TO_BASE_S, PUBLISHED, per_10_s
from runpodkit.errors import LedgerError, TransportError
from runpodkit.runs.ledger import Ledger

SHARED = frozenset(name for name, limit in PUBLISHED.items() if limit.per_10_s >= 100)
"""Of the operations, those that a run needs; the rarer ones have limits below one a second."""
SHARE = 0.2
"""Of a second's requests, taken at a time: few round trips, yet other processes get theirs."""


PATIENCE_S = 20.0


@dataclass(slots=True)
class _Allotment:
    left: int = 0
    until: float = 0.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class RedisLimiter:
    """The `Limiter` that `Endpoint` takes, over the ledger's Redis."""

    def __init__(
        self,
        ledger: Ledger,
        endpoint: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stopping` says that this process ends: what still waits for its turn to be submitted is not sent."""
        self._stopping = stopping
        self._ledger, self._endpoint, self._clock, self._sleep = ledger, endpoint, clock, sleep
        self._allotments: dict[str, _Allotment] = {}
        self._refused_at: dict[str, float] = {}
        self._workers = 0
        self.patience_s = PATIENCE_S
        """How long a Redis that is away or takes no writes is waited for."""

    def refused(self, operation: str) -> None:
        """After a 429 only the published number counts, for a minute."""
        self._refused_at[operation] = self._clock()

    def saw(self, workers: int) -> None:
        """So many workers are started: the limits of some operations grow with them."""
        self._workers = workers

    def per_second(self, operation: str) -> int | None:
        """What all processes together may ask of an operation in a second; None: it is not shared."""
        if operation not in SHARED:
            return None
        back_to_base = self._clock() - self._refused_at.get(operation, -BACK_TO_BASE_S) < BACK_TO_BASE_S
        most = per_10_s(operation, 0 if back_to_base else self._workers)
        return None if most is None else int(most * AIR / 10)

    async def take(self, operation: str) -> None:
        """Return when one request of this operation may go; operations without a published limit go at once.

        Raises:
            TransportError: this process stops, so nothing more is submitted.
            LedgerError: Redis was away for longer than `patience_s`.
        """
        per_second = self.per_second(operation)
        if per_second is None:
            return
        allotment = self._allotments.setdefault(operation, _Allotment())
        async with allotment.lock:
            while self._may_wait(operation) and (allotment.left == 0 or self._clock() >= allotment.until):
                wanted = max(1, int(per_second * SHARE))
                granted, rest_s = await self._allotted(f"{self._endpoint}:{operation}", per_second, wanted)
                allotment.left, allotment.until = granted, self._clock() + rest_s
                if not granted:
                    await self._sleep(rest_s)
            allotment.left -= 1

    def _may_wait(self, operation: str) -> bool:
        if operation == "run" and self._stopping():
            raise TransportError("not sent, as this process stops", may_be_accepted=False)
        return True

    async def _allotted(self, what: str, per_second: int, wanted: int) -> tuple[int, float]:
        """A share of this second; a Redis that is away is waited for, as nobody may ask the endpoint uncounted."""
        began = self._clock()
        while True:
            try:
                return await self._ledger.allot(what, per_second, wanted)
            except LedgerError:
                if self._clock() - began > self.patience_s:
                    raise
            await self._sleep(1.0)
