"""The clock that does not jump."""

from __future__ import annotations

import time

from runpodkit.runs.clocks import passed_s, steady_clock


def test_it_is_set_once_and_then_goes_by_the_time_that_passes() -> None:
    wall, passed = [1000.0], [5.0]
    clock = steady_clock(lambda: wall[0], lambda: passed[0])
    first = clock()
    wall[0] += 86_400  # somebody sets the system clock
    passed[0] += 2.5

    assert (first, clock()) == (1000.0, 1002.5)


def test_it_says_the_time_of_day() -> None:
    assert abs(steady_clock()() - time.time()) < 0.1
    assert passed_s() <= passed_s()
