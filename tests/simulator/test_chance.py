"""Chance: streams fixed by their names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.simulator.chance import Chance


def test_a_name_always_gives_the_same_numbers_and_another_name_others() -> None:
    assert np.array_equal(Chance("a", 1).normals(9), Chance("a", 1).normals(9))
    assert not np.array_equal(Chance("a", 1).normals(9), Chance("a", 2).normals(9))
    assert not np.array_equal(Chance("a", 1).normals(9), Chance("a1").normals(9))


def test_the_bits_are_philoxs_so_no_release_of_numpy_may_change_them() -> None:
    # Philox4x64-10 keyed with the first 16 bytes of sha256("pinned"), computed once and kept.
    assert Chance("pinned").units(3).tolist() == [0.4085441091098043, 0.46198938614655294, 0.19484543318441383]


def test_normals_have_mean_0_and_variance_1() -> None:
    numbers = Chance("many").normals(100_001)

    assert len(numbers) == 100_001
    assert numbers.mean() == pytest.approx(0, abs=0.02)
    assert numbers.var() == pytest.approx(1, abs=0.02)


@given(st.text(), st.integers(1, 50))
def test_draws_stay_in_their_bounds(name: str, count: int) -> None:
    chance = Chance(name)

    assert 0 <= chance.below(count) < count
    assert 2.0 <= chance.between(2.0, 3.0) < 3.0
    assert chance.pick("abc") in "abc"
    assert np.isfinite(chance.normals(count)).all()
