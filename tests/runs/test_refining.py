"""Refining: proposals lie strictly between, are round, never come twice, and every search ends and says why."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.params import ImageParams
from runpodkit.runs.refining import (
    Scale,
    between,
    by_change,
    by_score,
    enough_of,
    listed,
    means_of,
    scale_of,
)

CFG = Scale("cfg_scale", False, 0.5)
STEPS = Scale("steps", True, 1)


@st.composite
def axes(draw: Any) -> tuple[list[Any], Scale]:
    """Values of an axis of cfg_scale, strength, steps or width, and what it can be."""
    axis, low, high, step = draw(
        st.sampled_from(
            [("cfg_scale", 0, 3000, 0.01), ("strength", 0, 100, 0.01), ("steps", 1, 150, 1), ("width", 8, 512, 8)]
        )
    )
    numbers = draw(st.lists(st.integers(low, high), min_size=2, max_size=6, unique=True))
    values = [int(n * step) if step >= 1 else float(Decimal(n) / 100) for n in numbers]
    return values, scale_of(axis, values)


@given(axes(), st.integers(1, 5))
def test_new_values_lie_strictly_between_as_multiples_of_the_resolution_and_none_comes_twice(
    axis: tuple[list[Any], Scale], points: int
) -> None:
    values, scale = axis
    unit = Decimal(repr(scale.resolution))
    for low, high in pairwise(sorted(values)):
        made = between(low, high, points, scale)

        assert len(made) <= points
        for before, after in pairwise([low, *made, high]):
            assert Decimal(repr(after)) - Decimal(repr(before)) >= (unit if made else 0)
        for value in made:
            assert Decimal(repr(value)) % unit == 0
            ImageParams.model_validate({"user_prompt": "-", scale.axis: value})


@given(axes(), st.integers(1, 3), st.sampled_from(["max", "min"]), st.integers(0, 2**32))
def test_a_search_by_score_ends_whatever_the_scores_are(
    axis: tuple[list[Any], Scale], points: int, goal: Any, salt: int
) -> None:
    values, scale = axis
    known = sorted(values)
    for _ in range(600):
        decision = by_score({value: hash((salt, value)) % 1000 / 7 for value in known}, scale, goal=goal, points=points)
        if decision.stop:
            break
        assert decision.proposals
        assert not set(decision.proposals) & set(known)
        known = sorted({*known, *decision.proposals})
    else:
        pytest.fail("it never ended")
    assert (known[0], known[-1]) == (min(values), max(values))
    assert decision.best in known


@given(axes(), st.integers(1, 3))
def test_a_search_by_change_ends_although_the_picture_jumps_everywhere(
    axis: tuple[list[Any], Scale], points: int
) -> None:
    values, scale = axis
    known = sorted(values)
    while True:
        decision = by_change(dict.fromkeys(pairwise(known), 0.5), scale, points=points)
        if decision.stop:
            break
        assert decision.proposals
        assert not set(decision.proposals) & set(known)
        known = sorted({*known, *decision.proposals})
    assert all(not between(low, high, points, scale) for low, high in pairwise(known))


def test_new_values_are_as_round_as_their_place_allows() -> None:
    assert between(1, 10, 1, CFG) == (5.0,)
    assert between(4, 7, 3, CFG) == (5.0, 5.5, 6.0)
    assert between(4.0, 4.5, 1, CFG) == ()
    assert between(10, 40, 2, STEPS) == (20, 30)
    assert between(10, 11, 1, STEPS) == ()
    assert between(512, 1024, 1, Scale("width", True, 8)) == (768,)
    assert between(0.1, 0.3, 1, Scale("strength", False, 0.1)) == (0.2,)


def test_the_best_value_is_looked_at_from_both_sides() -> None:
    decision = by_score({1: 0.2, 4: 0.82, 7: 0.8, 10: 0.1}, CFG, score="sharpness")

    assert decision.said == "cfg_scale 4 is best (sharpness 0.82), between 1 and 7"
    assert decision.proposals == (2.5, 5.5)
    assert decision.best == 4
    assert by_score({1: 0.2, 4: 0.8, 7: 0.9}, CFG, goal="min").best == 1


def test_a_best_value_at_the_end_is_looked_at_from_one_side() -> None:
    decision = by_score({1: 0.9, 4: 0.2, 7: 0.1}, CFG)

    assert decision.said.endswith("at the end of the axis")
    assert decision.proposals == (2.5,)


@pytest.mark.parametrize(
    ("means", "why"),
    [
        ({}, "no picture has a score"),
        ({4: 1.0}, "no other value has a score"),
        ({4: 0.5, 4.5: 1.0, 5: 0.2}, "neighbours differ by less than 1, so nothing 0.5 away lies between"),
        ({1: 0.0, 4: 1.0, 7: 0.999, 10: 0.998}, None),
        ({1: 0.0, 4: 0.999, 7: 1.0, 10: 0.998}, "score no longer changes between 4 and 10"),
        ({1: 0.5, 4: 0.5}, "score no longer changes between 1 and 4"),
    ],
)
def test_a_search_by_score_says_why_it_ends(means: dict[Any, float], why: str | None) -> None:
    assert by_score(means, CFG).stop == why


def test_the_fastest_gaps_are_divided_and_calm_ones_left() -> None:
    decision = by_change({(1, 4): 0.05, (4, 7): 0.3, (7, 10): 0.2}, CFG)

    assert decision.said == "the picture changes most between cfg_scale 4 and 7 (0.3)"
    assert decision.proposals == (5.5, 8.5)
    assert by_change({(1, 4): 0.009}, CFG).stop == "no gap changes by 0.01 any more"
    assert by_change({}, CFG).stop == "nothing can be compared"


def test_enough_is_the_smallest_value_after_which_every_change_is_small() -> None:
    assert enough_of({(2, 4): 0.3, (4, 8): 0.01, (8, 16): 0.001}, 0.02) == (4, 0.001)
    assert enough_of({(2, 4): 0.01, (4, 8): 0.3}, 0.02) == (None, 0.3)
    assert enough_of({(2, 4): 0.01, (4, 8): 0.3, (8, 9): 0.0}, 0.02) == (8, 0.0)
    assert enough_of({}, 0.02) == (None, None)


def test_means_are_taken_over_what_all_values_have() -> None:
    cells = [(1, "seed 1", 0.2), (1, "seed 2", 0.4), (2, "seed 1", 0.6)]

    assert means_of(cells) == {1: 0.2, 2: 0.6}
    assert means_of([(1, "a", 0.5), (2, "b", 0.25)]) == {1: 0.5, 2: 0.25}
    assert means_of([]) == {}


@pytest.mark.parametrize(
    ("axis", "values", "why"),
    [
        (
            "sampler_name",
            ["Euler", "Heun"],
            "axis sampler_name: only an axis of numbers can be refined, and 'Euler' is no number",
        ),
        ("seed", [1, 2], "axis seed: its numbers are names, nothing lies between two of them"),
        ("repeat", [1, 2], "axis repeat: its numbers are names, nothing lies between two of them"),
        ("extra.flag", [True, False], "axis extra.flag: only an axis of numbers can be refined, and True is no number"),
        ("size", [1, 2], "axis size: only an axis of numbers can be refined, and it is no parameter with numbers"),
        ("steps", [5], "axis steps has 1 value: give at least two, their ends bound the search"),
    ],
)
def test_what_has_no_order_cannot_be_refined(axis: str, values: list[Any], why: str) -> None:
    with pytest.raises(ValueError) as refused:
        scale_of(axis, values)

    assert str(refused.value) == why


def test_a_resolution_fits_the_field() -> None:
    assert scale_of("steps", [5, 50]).resolution == 1
    assert scale_of("width", [512, 1024]) == Scale("width", True, 8)
    assert scale_of("cfg_scale", [1.0, 10.0]).resolution == 0.1
    assert scale_of("strength", [0.0, 1.0]).resolution == 0.02
    assert scale_of("extra.lora", [0.2, 1.2]).resolution == 0.02
    with pytest.raises(ValueError, match=r"resolution=4: width takes multiples of 8"):
        scale_of("width", [512, 1024], 4)
    with pytest.raises(ValueError, match="resolution=0 is not above 0"):
        scale_of("steps", [5, 50], 0)


def test_numbers_are_listed_as_a_person_does() -> None:
    assert listed([5]) == "5"
    assert listed([5.0, 5.5, 6]) == "5, 5.5 and 6"
    assert listed([]) == "none"
