"""When to look at a job: soon after it is likely to be done, never more often than allowed.

Pure: learns from times it is told, sleeps nowhere, knows no network.
"""

from __future__ import annotations

from collections import deque

LOOKS_PER_S = 180.0
"""Published: 2000 status calls per 10 s; a tenth less leaves air."""
FIRST_LOOK_S, LONGEST_S = 0.25, 5.0
REMEMBERED = 50


class Pace:
    """The usual execution times of one endpoint, and from them the next time to look at a job."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=REMEMBERED)
        self._usual_s: float | None = None

    def saw(self, execution_time_s: float) -> None:
        """Note how long a job took."""
        self._seen.append(execution_time_s)
        ordered = sorted(self._seen)
        self._usual_s = ordered[len(ordered) // 2]

    @property
    def usual_s(self) -> float | None:
        """The median of the last 50 execution times; None before the first."""
        return self._usual_s

    def next_look_s(self, age_s: float, looks: int, in_flight: int) -> float:
        """Seconds until the next status call for a job that was submitted `age_s` ago.

        Args:
            looks: Status calls made for it so far.
            in_flight: Jobs that share the status limit.
        """
        share_s = in_flight / LOOKS_PER_S
        usual = self._usual_s
        if usual is None:
            rest = FIRST_LOOK_S * 1.6**looks
        elif looks == 0:
            rest = max(FIRST_LOOK_S / 2, usual * 1.05 - age_s)
        else:
            # Late already: it queued, or this one takes longer.  Each look waits a third of the usual time, then more.
            rest = max(FIRST_LOOK_S / 2, usual * 0.35) * 1.3 ** (looks - 1)
        return max(share_s, min(rest, max(LONGEST_S, (usual or 0) * 1.05)))
