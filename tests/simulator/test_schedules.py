"""Noise schedules: ends, order, spacing, names."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.simulator import SCHEDULERS
from runpodkit.simulator.schedules import HIGHEST, LOWEST, at_times, ddim_sigmas, sigmas


def test_the_training_levels_are_those_of_stable_diffusion() -> None:
    assert pytest.approx(14.6146, abs=1e-3) == HIGHEST
    assert pytest.approx(0.0292, abs=1e-4) == LOWEST


@given(st.sampled_from(SCHEDULERS), st.integers(1, 1000))
def test_levels_fall_from_at_most_the_highest_to_nothing(scheduler: str, steps: int) -> None:
    levels = sigmas(scheduler, steps)

    assert len(levels) == steps + 1
    assert levels[-1] == 0.0
    assert levels[0] == pytest.approx(HIGHEST)
    assert all(now > then for now, then in itertools.pairwise(levels))


@given(st.integers(1, 1000))
def test_ddims_own_levels_fall_too_and_start_below_the_highest(steps: int) -> None:
    levels = ddim_sigmas(steps)

    assert len(levels) == steps + 1
    assert levels[0] <= HIGHEST
    assert levels[-1] == 0.0
    assert all(now > then for now, then in itertools.pairwise(levels)) or steps == 1000


def test_each_spacing_by_hand() -> None:
    assert sigmas("exponential", 3)[1] == pytest.approx(math.sqrt(HIGHEST * LOWEST))
    middle = (0.5 * HIGHEST ** (1 / 7) + 0.5 * LOWEST ** (1 / 7)) ** 7
    assert sigmas("karras", 3) == pytest.approx((HIGHEST, middle, LOWEST, 0.0))
    assert sigmas("normal", 2) == pytest.approx((HIGHEST, LOWEST, 0.0))
    assert sigmas("sgm_uniform", 2)[1] == pytest.approx(at_times([499.5])[0])
    assert sigmas("simple", 4)[1:4] == pytest.approx(at_times([749, 499, 249]))
    assert ddim_sigmas(4)[:4] == pytest.approx(at_times([751, 501, 251, 1]))


def test_capitals_and_blanks_do_not_matter() -> None:
    assert sigmas(" Karras ", 5) == sigmas("karras", 5)


def test_an_unknown_scheduler_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"scheduler: 'karas' is unknown \(did you mean 'karras'\?\); known: normal, k"
    ):
        sigmas("karas", 5)


@pytest.mark.parametrize("steps", [0, -1, 1001])
def test_steps_out_of_bounds_are_named(steps: int) -> None:
    with pytest.raises(ValueError, match=f"steps: {steps} is outside 1 to 1000"):
        sigmas("normal", steps)
    with pytest.raises(ValueError, match=f"steps: {steps} is outside 1 to 1000"):
        ddim_sigmas(steps)
