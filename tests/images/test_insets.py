"""Insets and marks: where they stand, and that they are seen on any picture."""

from __future__ import annotations

import pytest
from PIL import Image

from runpodkit.images import insets
from tests.images.test_grids import box_of, patch


def lightness(colour: tuple[int, int, int]) -> float:
    """Relative luminance as WCAG 2 has it, in [0, 1]."""
    shares = [value / 255 for value in colour]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    low, high = sorted((lightness(one), lightness(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize(
    "ground", [(0, 0, 0), (255, 255, 255), (128, 128, 128), (255, 214, 10), (230, 0, 0), (0, 0, 255), (20, 20, 22)]
)
def test_line_or_casing_stands_out_from_any_ground(ground):
    assert max(contrast(ground, insets.LINE), contrast(ground, insets.CASING)) >= 3


@pytest.mark.parametrize(
    ("frame", "corner"),
    [
        ((0.1, 0.1, 0.3, 0.3), "lower right"),
        ((0.4, 0.4, 0.5, 0.5), "lower right"),
        ((0.7, 0.7, 0.9, 0.9), "lower left"),
        ((0.1, 0.7, 0.9, 0.9), "upper right"),
    ],
)
def test_the_inset_takes_the_corner_that_hides_none_of_its_part(frame, corner):
    made = insets.with_inset(patch((90, 90, 90), (200, 300)), patch((0, 200, 0), (80, 80)), frame)

    left, top, right, bottom = box_of(made, (0, 200, 0))
    assert (right - left, bottom - top) == (80, 80)
    assert corner == f"{'upper' if top < 150 else 'lower'} {'left' if left < 100 else 'right'}"


def test_the_frame_is_drawn_around_the_part_and_leaves_it_as_it_is():
    picture = patch((90, 90, 90), (200, 300))
    picture.paste((0, 0, 200), (20, 30, 60, 90))
    made = insets.with_inset(picture, patch((0, 200, 0), (80, 120)), (0.1, 0.1, 0.3, 0.3))

    assert box_of(made, (0, 0, 200)) == (20, 30, 60, 90)
    assert box_of(made.crop((0, 0, 100, 150)), insets.LINE)[:2] < (20, 30)


@pytest.mark.parametrize("size", [(1, 1), (3, 400), (16, 16), (640, 480)])
def test_marks_and_insets_fit_into_the_smallest_cell(size):
    picture = patch((90, 90, 90), size)

    assert insets.with_mark(picture).size == size
    assert insets.with_inset(picture, patch((0, 200, 0), (1, 1)), (0.0, 0.0, 0.1, 0.1)).size == size


def test_a_mark_changes_one_corner_and_not_the_picture_it_was_given():
    picture = patch((90, 90, 90), (200, 300))
    made = insets.with_mark(picture)

    assert picture.getcolors() == [(60_000, (90, 90, 90))]
    assert made.crop((40, 40, 200, 300)).getcolors() == [(160 * 260, (90, 90, 90))]
    assert box_of(made, insets.MARK[0])[2] < 40


def test_a_mark_is_seen_on_a_picture_of_its_own_colour():
    made = insets.with_mark(Image.new("RGB", (200, 300), insets.MARK[0]))

    assert len(made.getcolors(1 << 16) or ()) > 3
