"""Noise: what two repeats of one thing differ by, by hand and against the definition."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.stats.noise import usual_difference


def test_every_two_repeats_of_one_thing_count_once() -> None:
    """1 and 3 differ by 2; 5, 5 and 8 by 0, 3 and 3: 8 over 4 pairs."""
    assert usual_difference([[1, 3], [8, 5, 5]]) == 2.0


def test_what_was_not_repeated_says_nothing() -> None:
    assert usual_difference([]) is None
    assert usual_difference([[1.0], [], [7.0]]) is None
    assert usual_difference([[1.0], [4.0, 4.0]]) == 0.0


@given(st.lists(st.lists(st.integers(-100, 100), max_size=6), max_size=5))
def test_it_is_the_mean_over_all_pairs(repeats: list[list[int]]) -> None:
    apart = [abs(one - other) for each in repeats for one, other in combinations(each, 2)]

    assert usual_difference(repeats) == (pytest.approx(sum(apart) / len(apart)) if apart else None)
