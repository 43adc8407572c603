"""The window: how many jobs of a run may be in flight at a time.

Twice the workers, so that none waits for our next submission and little is at risk if we
vanish; more while that brings more pictures per second.  Pure: told of workers, successes
and the clock, it gives a number.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST, LARGEST = 8, 1000
STEP_S, GROWTH, WORTH = 10.0, 1.5, 1.05


@dataclass(slots=True)
class Window:
    """Jobs that may be in flight on one endpoint.  `fixed`, a policy's, is never changed."""

    fixed: int | None = None
    _workers: int = 0
    _factor: float = 1.0
    _since: float | None = None
    _collected: int = 0
    _rate: float = 0.0

    @property
    def size(self) -> int:
        """Within [8, 1000] unless it is fixed."""
        return self.fixed or min(LARGEST, round(self._base * self._factor))

    @property
    def _base(self) -> int:
        return min(LARGEST, max(SMALLEST, 2 * self._workers))

    def saw_workers(self, workers: int) -> None:
        """So many workers take jobs or could."""
        if workers != self._workers:
            self._workers, self._factor, self._since = workers, 1.0, None

    def step(self, now_s: float, collected: int, *, full: bool) -> None:
        """Try a larger window where all of it was used; keep it only if it brought more pictures per second.

        Args:
            collected: Pictures so far; no growth before the first.
            full: Whether as many jobs are in flight as may be.
        """
        if self._since is None or not collected:
            self._since, self._collected, self._rate = now_s, collected, 0.0
            return
        if now_s - self._since < STEP_S:
            return
        rate = (collected - self._collected) / (now_s - self._since)
        if self._factor > 1 and rate < self._rate * WORTH:
            self._factor = max(1.0, self._factor / GROWTH)
        elif full and rate > self._rate * WORTH and self._base * self._factor < LARGEST:
            self._factor *= GROWTH
        self._since, self._collected, self._rate = now_s, collected, rate
