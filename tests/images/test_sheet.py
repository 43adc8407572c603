"""Sheets: what is left out on request, gaps and padding to the pixel, sizes in print, labels that stand upright."""

from __future__ import annotations

import re
from typing import Any

import pytest
from PIL import Image

from runpodkit.images import lettering, sheet
from runpodkit.images.grids import Cell, Grid, grid
from tests.images.test_grids import BLUE, GREEN, ONE, RED, box_of, patch

COLOURS = (RED, GREEN, BLUE)


def three(**words: Any) -> Grid:
    cols = [(name,) for name in "abc"]
    cells = {(ONE, col): Cell(patch(colour), note="1.2 s") for col, colour in zip(cols, COLOURS, strict=True)}
    return grid(cells, rows=[ONE], cols=cols, **words)


# without legend, gaps, padding


def test_without_legend_there_are_pictures_and_gaps_and_nothing_else():
    made = three(legend=False, cell_px=100, gap_px=7, title="t", subtitle="s", row_title="r", col_title="c")

    assert made.image.size == (100 * 3 + 7 * 2, 150)
    assert [box_of(made.image, colour)[0] for colour in COLOURS] == [0, 107, 214]
    assert {colour for _, colour in made.image.getcolors()} <= {*COLOURS, (255, 255, 255), sheet.EDGE}


def test_without_gap_and_padding_no_pixel_is_paper():
    made = three(legend=False, cell_px=100, gap_px=0, padding_px=0)

    assert made.image.size == (300, 150)
    assert [count for count, _ in made.image.getcolors()] == [100 * 150] * 3


def test_padding_lies_around_everything():
    made = three(legend=False, cell_px=100, gap_px=4, padding_px=31)

    assert made.image.size == (62 + 308, 62 + 150)
    assert box_of(made.image, RED)[:2] == (31, 31)


def test_gap_and_padding_are_taken_with_a_legend_too():
    narrow, wide = three(cell_px=100), three(cell_px=100, gap_px=50)
    red, green = box_of(wide.image, RED), box_of(wide.image, GREEN)

    assert green[0] - red[2] == 50
    assert wide.image.width > narrow.image.width
    assert box_of(three(cell_px=100, padding_px=0).image, RED)[0] == 0


def test_groups_are_not_set_apart_without_a_legend():
    cols = [("x", "a"), ("x", "b"), ("y", "a")]
    cells = {(ONE, col): Cell(patch(colour)) for col, colour in zip(cols, COLOURS, strict=True)}
    image = grid(cells, rows=[ONE], cols=cols, cell_px=100, legend=False, gap_px=5).image

    assert [box_of(image, colour)[0] for colour in COLOURS] == [0, 105, 210]


def test_a_simulation_says_so_with_and_without_a_legend(tmp_path):
    plain, marked = three(legend=False, cell_px=100), three(legend=False, cell_px=100, badge="SIMULATOR")
    assert marked.image.height > plain.image.height
    assert box_of(marked.image, (166, 104, 20)), "the badge's ink"

    for made in (marked, three(cell_px=100, badge="SIMULATOR", subtitle="512×512")):
        with Image.open(made.save(tmp_path / "g.png")) as saved:
            assert saved.info["Description"].startswith("SIMULATOR")


def test_failed_and_missing_places_are_marked_without_a_legend():
    image = grid(
        {(ONE, ("a",)): Cell(problem="no")}, rows=[ONE], cols=[("a",), ("b",)], legend=False, cell_px=100
    ).image

    assert box_of(image, sheet.FAILED[0]) and box_of(image, sheet.PALE)


# in print


@pytest.mark.parametrize(
    ("width_mm", "dpi", "pixels"), [(85, None, 1004), (170, None, 2008), (85, 600, 2008), (101.6, 100, 400)]
)
def test_a_figure_is_exactly_as_wide_as_asked_and_says_how_large_a_pixel_is(width_mm, dpi, pixels, tmp_path):
    made = three(width_mm=width_mm, dpi=dpi, row_title="axis")

    assert made.image.width == pixels
    with Image.open(made.save(tmp_path / "g.png")) as saved:
        assert saved.info["dpi"][0] == pytest.approx(dpi or 300, abs=0.01)
    with Image.open(made.save(tmp_path / "g.jpg")) as saved:
        assert round(saved.info["dpi"][0]) == (dpi or 300)


def test_dpi_alone_says_how_large_a_pixel_is_and_changes_none(tmp_path):
    made = three(dpi=144)

    assert made.image.tobytes() == three().image.tobytes()
    with Image.open(made.save(tmp_path / "g.png")) as saved:
        assert saved.info["dpi"][0] == pytest.approx(144, abs=0.01)
    with Image.open(three().save(tmp_path / "g.png")) as saved:
        assert "dpi" not in saved.info


def test_cells_fill_the_width_and_share_what_is_left_over():
    image = three(width_mm=85, legend=False, gap_px=10, padding_px=20).image
    edges = [box_of(image, colour) for colour in COLOURS]

    assert {right - left for left, _, right, _ in edges} == {(1004 - 40 - 20) // 3}
    assert edges[0][0] - 20 == pytest.approx(1004 - edges[2][2] - 20, abs=1)


def test_pictures_are_drawn_as_finely_as_the_dots_allow():
    fine = Image.effect_noise((1200, 1200), 90).convert("RGB")
    image = grid({(ONE, ONE): Cell(fine)}, rows=[ONE], cols=[ONE], width_mm=101.6, dpi=300, legend=False).image

    assert image.size == (1200, 1200)
    assert image.tobytes() == fine.tobytes()


def test_print_and_cells_of_given_width_contradict_each_other():
    with pytest.raises(ValueError, match=r"cell_px=100 and width_mm=85 both say how wide cells are"):
        three(cell_px=100, width_mm=85)


def test_two_hundred_columns_do_not_fit_into_a_journal_column():
    cols = [(str(number),) for number in range(200)]
    asked = 0

    def load() -> bytes:
        nonlocal asked
        asked += 1
        return b""

    with pytest.raises(ValueError, match=r"width_mm=85: 200 columns"):
        grid({(ONE, col): Cell(load) for col in cols}, rows=[ONE], cols=cols, width_mm=85)
    assert asked == 0


def test_a_badge_wider_than_the_figure_is_not_cut_but_refused():
    with pytest.raises(ValueError, match="width_mm=15"):
        three(width_mm=15, badge="SIMULATOR")


def test_what_the_bound_proposes_in_print_is_accepted():
    rows = [(str(number),) for number in range(60)]
    cells = {(row, ONE): Cell(patch(RED, (60, 90))) for row in rows}
    with pytest.raises(ValueError, match=r"dpi=\d+ or less") as caught:
        grid(cells, rows=rows, cols=[ONE], width_mm=200, legend=False)
    less = int(re.findall(r"dpi=(\d+)", str(caught.value))[0])

    assert grid(cells, rows=rows, cols=[ONE], width_mm=200, legend=False, dpi=less).image.width == round(
        200 / 25.4 * less
    )


def test_a_title_beside_which_the_badge_leaves_no_room_stands_below_it():
    words = {"title": "A title of some length", "badge": "SIMULATOR"}
    made = grid({(ONE, ONE): Cell(patch(RED))}, rows=[ONE], cols=[ONE], width_mm=40, **words)

    badge, title = box_of(made.image, (166, 104, 20)), box_of(made.image, (28, 28, 30))
    assert title[1] > badge[3] and title[2] <= made.image.width


# labels


def test_labels_stand_upright_where_their_words_would_be_broken():
    cols = [("Euler",), ("exponentially",), ("Heun",)]
    cells = {(ONE, col): Cell(patch(colour)) for col, colour in zip(cols, COLOURS, strict=True)}
    image = grid(cells, rows=[ONE], cols=cols, cell_px=40).image

    left, top, right, _ = box_of(image, GREEN)
    above = image.crop((left, 0, right, top - 1))
    ink = above.convert("L").point(lambda value: 255 * (value < 128)).getbbox()
    # at 11 pixels the word is 76 long and its letters with their tails 11 high
    assert 70 <= ink[3] - ink[1] <= 78 and ink[2] - ink[0] <= 13


def test_labels_lie_where_they_fit():
    image = three(cell_px=40).image

    assert box_of(image, RED)[1] < 60


@pytest.mark.parametrize("label", ["x" * 9_000, "word " * 4_000, "灯" * 2_000])
@pytest.mark.parametrize("where", [{"cell_px": 200}, {"width_mm": 85}])
def test_a_label_of_any_sensible_length_is_drawn_whole(label, where):
    made = grid({((label,), ONE): Cell(patch(RED))}, rows=[(label,)], cols=[ONE], **where)

    assert made.image.height > 1000


@pytest.mark.parametrize("where", ["label", "title", "note"])
def test_a_text_of_a_hundred_thousand_characters_is_refused_in_a_line(where):
    text = "lighthouse " * 9_100
    row = (text,) if where == "label" else ONE
    cells = {(row, ONE): Cell(patch(RED), note=text if where == "note" else "")}

    with pytest.raises(ValueError, match=r"'lighthouse .*… is 100,100 characters long: .* at most 20,000") as caught:
        grid(cells, rows=[row], cols=[ONE], title=text if where == "title" else "")
    assert len(str(caught.value)) < 200 and "\n" not in str(caught.value)


def test_a_reason_of_a_megabyte_fills_its_cell_and_ends_in_an_ellipsis():
    made = lettering.fitting("out of memory " * 80_000, 200, 100, px=14, least_px=9)

    assert made.height <= 100 and made.lines[-1].endswith("…")


def test_the_columns_title_is_whole_above_a_single_narrow_column():
    plain = grid({(ONE, ONE): Cell(patch(RED))}, rows=[ONE], cols=[ONE], cell_px=40).image
    titled = grid({(ONE, ONE): Cell(patch(RED))}, rows=[ONE], cols=[ONE], cell_px=40, col_title="sampler_name").image

    assert titled.width > plain.width
    ink = titled.convert("L").point(lambda value: 255 * (value < 200)).getbbox()
    assert ink[0] > 10 and ink[2] < titled.width - 10


def test_the_rows_title_is_whole_beside_a_single_low_row():
    image = grid(
        {(ONE, ONE): Cell(patch(RED, (300, 20)))}, rows=[ONE], cols=[ONE], row_title="sampler_name", cell_px=40
    ).image

    ink = image.convert("L").point(lambda value: 255 * (value < 200)).getbbox()
    assert ink[3] < image.height - 10
