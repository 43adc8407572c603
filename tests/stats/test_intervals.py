"""Intervals of means: by hand where that can be done, else what holds for any numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.stats.intervals import Interval, mean_interval, student

NUMBERS = st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=30)


def test_one_number_has_no_interval_and_equal_ones_none_to_speak_of() -> None:
    assert mean_interval([]) is None
    assert mean_interval([3.0]) is None
    assert mean_interval([2.5, 2.5, 2.5]) == Interval(2.5, 2.5)


def test_of_two_numbers_it_is_all_that_is_between_them() -> None:
    """Of 2 drawn from 2, a quarter is the smaller twice and a quarter the larger: both ends lie within the 2.5 %."""
    assert mean_interval([1.0, 2.0]) == Interval(1.0, 2.0)


def test_of_many_even_numbers_it_is_that_of_the_normal_law() -> None:
    """1 to 100: mean 50.5, standard error √((100² − 1) / 12 / 100) = 2.887, times 1.96 on either side."""
    found = mean_interval(range(1, 101))

    assert found is not None
    assert found.low == pytest.approx(50.5 - 1.96 * 2.887, abs=0.4)
    assert found.high == pytest.approx(50.5 + 1.96 * 2.887, abs=0.4)


def test_a_long_tail_to_one_side_draws_the_interval_there() -> None:
    found = mean_interval([0.0] * 15 + [1.0] * 4 + [10.0])

    assert found is not None
    assert found.high - 0.7 > 1.5 * (0.7 - found.low)


@settings(deadline=None, max_examples=60)
@given(NUMBERS, st.randoms(use_true_random=False))
def test_it_holds_the_mean_stays_within_the_numbers_and_does_not_know_their_order(
    values: list[float], chance: np.random.Generator
) -> None:
    found = mean_interval(values, resamples=200)
    mixed = list(values)
    chance.shuffle(mixed)

    assert found is not None
    assert found.holds(float(np.sort(np.array(values)).mean()))
    assert min(values) - 1e-6 * abs(min(values)) <= found.low
    assert found.high <= max(values) + 1e-6 * abs(max(values))
    assert mean_interval(mixed, resamples=200) == found


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=20), st.integers(1, 5), st.integers(-9, 9))
def test_it_moves_and_grows_with_the_numbers(values: list[int], times: int, plus: int) -> None:
    one, other = (mean_interval(each) for each in (values, [times * value + plus for value in values]))

    assert one is not None and other is not None
    assert (other.low, other.high) == pytest.approx((times * one.low + plus, times * one.high + plus), abs=1e-6)


def test_nineteen_of_twenty_intervals_hold_the_true_mean() -> None:
    """Numbers of a normal law of mean 0: of 300 samples of 20 about 285 intervals hold it; under 270 would be strange."""
    chance = np.random.default_rng(1)
    found = [mean_interval(chance.normal(size=20), resamples=400) for _ in range(300)]

    assert 270 <= sum(each is not None and each.holds(0.0) for each in found) <= 297


def test_of_few_even_numbers_it_is_that_of_students_t() -> None:
    """Mean 1.9, standard error 0.141 / √6 = 0.0577, t of 5 degrees 2.571: 1.75 to 2.05; of plain resamples 1.78 to 2.00."""
    found = mean_interval([1.7, 1.8, 1.9, 1.9, 2.0, 2.1])

    assert found is not None
    assert (found.low, found.high) == pytest.approx((1.752, 2.048), abs=0.015)


def test_of_six_numbers_nine_of_ten_intervals_hold_the_true_mean() -> None:
    """Of 300 samples about 276 do; without the widening 263 would, and as few as 260 would be strange."""
    chance = np.random.default_rng(2)
    found = [mean_interval(chance.normal(size=6), resamples=400) for _ in range(300)]

    assert 265 <= sum(each is not None and each.holds(0.0) for each in found) <= 295


@pytest.mark.parametrize("level", [0, 1, 1.5])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(ValueError, match="a share between 0 and 1"):
        mean_interval([1, 2], level=level)


def test_numbers_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        mean_interval([1.0, float("nan")])


@pytest.mark.parametrize(
    ("degrees", "quantile"), [(1, 12.7062), (2, 4.3027), (5, 2.5706), (30, 2.0423), (1000, 1.9623)]
)
def test_quantiles_of_students_t_are_those_of_the_tables(degrees: int, quantile: float) -> None:
    assert student(0.975, degrees) == pytest.approx(quantile, abs=1e-4)
    assert student(0.025, degrees) == pytest.approx(-quantile, abs=1e-4)
