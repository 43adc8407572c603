"""When to look at a job: the status limit is kept, quick jobs are seen soon, steady ones with few looks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.endpoint.follow import Pace


@given(
    seen=st.lists(st.floats(0.01, 600), max_size=60),
    age=st.floats(0, 3600),
    looks=st.integers(0, 50),
    in_flight=st.integers(1, 10_000),
)
def test_all_looks_together_stay_under_the_status_limit(
    seen: list[float], age: float, looks: int, in_flight: int
) -> None:
    pace = Pace()
    for seconds in seen:
        pace.saw(seconds)

    rest = pace.next_look_s(age, looks, in_flight)

    assert rest > 0
    assert in_flight / rest <= 180.001


def test_a_job_nothing_is_known_of_is_looked_at_soon_and_then_less_often() -> None:
    rests = [Pace().next_look_s(0, looks, 1) for looks in range(12)]

    assert rests[0] == 0.25
    assert rests == sorted(rests)
    assert rests[-1] == 5.0


@pytest.mark.parametrize("takes_s", [0.5, 1.0, 5.0, 30.0, 120.0])
def test_steady_jobs_are_found_done_with_two_looks_at_most_and_soon(takes_s: float) -> None:
    pace = Pace()
    for _ in range(20):
        pace.saw(takes_s)
    age, looks = 0.0, 0
    while age < takes_s or looks == 0:
        age += pace.next_look_s(age, looks, 8)
        looks += 1

    assert looks <= 2
    assert age <= takes_s * 1.5 + 0.2
