"""Heat maps as drawn: colours in their places, numbers that fit, the scale, and what is refused."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.images import colours
from runpodkit.images.grids import Grid
from runpodkit.images.heatmaps import Mean, heatmap, number_text
from tests.images.test_grids import box_of

ROWS, COLS = [("a",), ("b",)], [("x",), ("y",), ("z",)]
VALUES = {(ROWS[0], COLS[0]): 0.0, (ROWS[0], COLS[1]): 5.0, (ROWS[1], COLS[0]): 10.0, (ROWS[1], COLS[2]): 2.5}


def drawn(counts: int = 2, **words: Any) -> Grid:
    means = {place: Mean(value, counts) for place, value in VALUES.items()}
    return heatmap(means, **{"rows": ROWS, "cols": COLS, **words})


def text_of(grid: Grid, tmp_path: Path) -> str:
    """Every text of a map, from its SVG."""
    svg = grid.save(tmp_path / "h.svg").read_text("utf-8")
    return " ".join(re.findall(r"<text[^>]*>([^<]*)</text>", svg))


def test_each_cell_has_the_colour_of_its_number() -> None:
    whole = drawn().image
    image = whole.crop((0, 0, whole.width, whole.height - 70))  # without the scale
    places = {share: box_of(image, colours.at(share))[:2] for share in (0.25,)}
    low, middle, high = (box_of(image, colours.at(share)) for share in (0.0, 0.5, 1.0))

    assert low[0] == high[0] and low[1] == middle[1]  # first column; first row
    assert middle[0] > low[0] and high[1] > low[1]
    assert places[0.25][0] > middle[0]


def test_a_cell_without_a_number_is_missing_and_a_blank_one_is_nothing(tmp_path: Path) -> None:
    assert text_of(drawn(), tmp_path).count("missing") == 2
    some = drawn(blank=frozenset({(ROWS[0], COLS[2])}))
    assert text_of(some, tmp_path).count("missing") == 1
    assert repr(some) == "Heat map 2 × 3, 4 cells, 1 missing"


def test_counts_stand_in_the_cells_where_they_differ(tmp_path: Path) -> None:
    means = {place: Mean(value, at + 1) for at, (place, value) in enumerate(VALUES.items())}
    words = text_of(heatmap(means, rows=ROWS, cols=COLS), tmp_path)

    assert all(f"n = {count}" in words for count in (1, 2, 3, 4))
    assert "n =" not in text_of(drawn(), tmp_path)


def test_the_scale_is_labelled_with_round_numbers_and_its_name(tmp_path: Path) -> None:
    words = text_of(drawn(scale_title="sharpness"), tmp_path).split()

    assert words[-7:] == ["sharpness", "0", "2", "4", "6", "8", "10"]
    assert text_of(drawn(span=(0, 1)), tmp_path).split()[-6:] == ["0.0", "0.2", "0.4", "0.6", "0.8", "1.0"]


@pytest.mark.parametrize(
    ("value", "among", "text"),
    [
        (0.42, [0.42, 0.95], "0.42"),
        (34.2671, [5.8, 34.2671], "34.3"),
        (1043.8, [1043.8, 5000], "1044"),
        (-0.004, [-0.004, 1], "0.00"),
        (0.5, [0.5], "0.500"),
        (1e-9, [1e-9, 2e-9], "1e-09"),
        (3e9, [1, 3e9], "3e+09"),
        (0.0, [0.0], "0"),
    ],
)
def test_numbers_have_as_many_digits_as_tell_them_apart(value: float, among: list[float], text: str) -> None:
    assert number_text(value, among) == text


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False, width=32), min_size=1, max_size=5))
def test_every_number_has_a_short_text(values: list[float]) -> None:
    assert all(0 < len(number_text(value, values)) <= 16 for value in values)


def test_no_number_is_cut_however_long_they_and_their_labels_are(tmp_path: Path) -> None:
    cols = [(f"a label of several words, number {number}",) for number in range(12)]
    means = {
        (row, col): Mean(123456.789 + at, 10**6) for at, (row, col) in enumerate((r, c) for r in ROWS for c in cols)
    }
    made = heatmap(means, rows=ROWS, cols=cols, row_title="what runs down", scale_title="a long name of a score")
    words = text_of(made, tmp_path)

    assert "…" not in words
    assert all(f"{mean.value:.1f}" in words for mean in means.values())
    assert all(len(re.findall(rf"number {number}\b", words)) == 1 for number in (1, 11))


def test_in_print_it_has_the_width_asked_for_and_no_type_is_small(tmp_path: Path) -> None:
    made = drawn(width_mm=85, title="t")
    svg = made.save(tmp_path / "h.svg").read_text("utf-8")

    assert made.image.width == round(85 / 25.4 * 300)
    assert float(re.findall(r'width="([\d.]+)mm"', svg)[0]) == pytest.approx(85, abs=0.1)
    assert min(map(float, re.findall(r'font-size="([\d.]+)"', svg))) >= 6 * 300 / 72


def test_a_pdf_keeps_text_as_text(tmp_path: Path) -> None:
    page = pypdf.PdfReader(io.BytesIO(drawn(title="steps").save(tmp_path / "h.pdf").read_bytes())).pages[0]

    assert {"steps", "10.0", "missing"} <= set(page.extract_text().split())


def test_one_number_alone_is_a_map(tmp_path: Path) -> None:
    made = heatmap({(("",), ("",)): Mean(0.5, 3)}, rows=[("",)], cols=[("",)], scale_title="clip")

    assert text_of(made, tmp_path).split() == ["0.500", "clip", "0.500"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"span": (1, 0)}, "its first number must be less"),
        ({"span": 3}, "give the numbers at both ends"),
        ({"cell_px": 20}, "cell_px=20: the numbers need cells of"),
        ({"width_mm": 12}, "width_mm=12"),
        ({"width_mm": 20, "cols": [(str(number),) for number in range(30)]}, "width_mm=20"),
        ({"rows": [(str(number),) for number in range(4000)]}, "more than 64 million"),
    ],
)
def test_what_cannot_be_drawn_is_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        drawn(**words)


def test_without_a_number_there_is_no_map() -> None:
    with pytest.raises(ValueError, match="there is no number"):
        heatmap({}, rows=ROWS, cols=COLS)
