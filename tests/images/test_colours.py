"""Colours for numbers: the ends, the middle, what lies beyond, ticks that are round, and ink that is read."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.images import colours
from runpodkit.images.colours import DARK, LIGHT, Scale


def test_ends_are_the_ends_of_the_scale_and_what_lies_beyond_has_their_colour() -> None:
    scale = Scale(10, 20)

    assert scale.colour(10) == scale.colour(-3) == (68, 1, 84)
    assert scale.colour(20) == scale.colour(99) == (253, 231, 37)
    assert scale.colour(15) == (33, 145, 140)
    assert scale.colour(10.5) == (70, 18, 100)  # halfway between the first two


def test_a_scale_without_length_has_its_middle() -> None:
    assert Scale(3, 3).colour(3) == colours.at(0.5)
    assert Scale(3, 3).ticks() == [3]


def test_greater_numbers_are_brighter_in_grey_too() -> None:
    greys = [colours._luminance(colours.at(share / 100)) for share in range(101)]

    assert all(before < after for before, after in itertools.pairwise(greys))


def test_ink_is_whichever_is_read_more_easily() -> None:
    assert colours.ink_on((68, 1, 84)) == LIGHT
    assert colours.ink_on((253, 231, 37)) == DARK


@given(st.integers(0, 1000))
def test_ink_has_the_contrast_that_text_needs(share: int) -> None:
    """WCAG 2.2 asks 3 of large or bold text."""
    paper = colours._luminance(colours.at(share / 1000)) + 0.05
    ink = colours._luminance(colours.ink_on(colours.at(share / 1000))) + 0.05

    assert max(paper, ink) / min(paper, ink) >= 3


@pytest.mark.parametrize(
    ("low", "high", "most", "expected"),
    [
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 1, 5, [0, 0.25, 0.5, 0.75, 1]),
        (5.7, 34.2, 5, [10, 20, 30]),
        (-3, 3, 4, [-2, 0, 2]),
        (1000, 4000, 4, [1000, 2000, 3000, 4000]),
    ],
)
def test_ticks_are_round(low: float, high: float, most: int, expected: list[float]) -> None:
    assert Scale(low, high).ticks(most) == pytest.approx(expected)


@given(st.floats(-1e6, 1e6), st.floats(1e-6, 1e6), st.integers(2, 8))
def test_ticks_lie_on_the_scale_and_are_no_more_than_asked(low: float, length: float, most: int) -> None:
    scale = Scale(low, low + length)
    ticks = scale.ticks(most)

    assert len(ticks) <= most
    assert all(scale.low - 1e-6 * length <= tick <= scale.high + 1e-6 * length for tick in ticks)


def test_the_bar_runs_from_low_to_high() -> None:
    bar = colours.bar(101, 8)

    assert bar.size == (101, 8)
    assert (bar.getpixel((0, 0)), bar.getpixel((50, 7)), bar.getpixel((100, 3))) == (
        colours.at(0),
        colours.at(0.5),
        colours.at(1),
    )
