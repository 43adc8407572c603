"""The window: twice the workers, within its bounds, and larger only while that brings more pictures per second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from runpodkit.runs.window import Window


def test_it_is_twice_the_workers_from_eight_to_a_thousand() -> None:
    window = Window()
    sizes = []
    for workers in (0, 3, 4, 30, 500, 900):
        window.saw_workers(workers)
        sizes.append(window.size)

    assert sizes == [8, 8, 8, 60, 1000, 1000]


def test_a_fixed_one_never_changes() -> None:
    window = Window(fixed=5)
    window.saw_workers(100)
    for step in range(10):
        window.step(step * 10.0, step * step * 100, full=True)

    assert window.size == 5


def test_it_grows_while_pictures_come_faster_and_goes_back_when_they_do_not() -> None:
    window = Window()
    window.saw_workers(10)
    sizes = [window.size]
    collected = 1
    for now, more in ((0.0, 0), (10.0, 50), (20.0, 80), (30.0, 80), (40.0, 80)):
        collected += more
        window.step(now, collected, full=True)
        sizes.append(window.size)

    assert sizes == [20, 20, 30, 45, 30, 20]


def test_it_does_not_grow_where_it_is_not_used_or_nothing_came_yet() -> None:
    window = Window()
    window.saw_workers(10)
    window.step(0.0, 0, full=True)
    window.step(10.0, 0, full=True)
    window.step(20.0, 100, full=False)
    window.step(40.0, 900, full=False)

    assert window.size == 20


@given(st.lists(st.tuples(st.integers(0, 600), st.integers(0, 500), st.booleans()), max_size=60))
def test_it_stays_within_its_bounds_whatever_happens(steps: list[tuple[int, int, bool]]) -> None:
    window, collected = Window(), 0
    for number, (workers, more, full) in enumerate(steps):
        collected += more
        window.saw_workers(workers)
        window.step(number * 7.0, collected, full=full)
        assert 8 <= window.size <= 1000
