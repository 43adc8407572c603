"""A clock that does not jump: ages and patience go by it, so a corrected system clock ends no trial.

Seconds since the epoch, as the system clock said when the clock was made, and then as they really pass, a
machine's sleep included.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def passed_s() -> float:
    """Seconds from some moment, never back and never ahead; a sleeping machine's count where the system tells."""
    source = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if source is None else time.clock_gettime(source)


def steady_clock(
    system: Callable[[], float] = time.time, passed: Callable[[], float] = passed_s
) -> Callable[[], float]:
    """A clock that is set once, by `system`."""
    start = system() - passed()
    return lambda: start + passed()
