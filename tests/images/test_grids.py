"""Grids: where pictures and words land, what is drawn for what is not there, and every odd input."""

from __future__ import annotations

import base64
import io
import re
import threading
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pypdf import PdfReader

from runpodkit.errors import StoreError
from runpodkit.images import grids, insets, sheet
from runpodkit.images.grids import Cell, Grid, Page, grid

RED, GREEN, BLUE = (220, 20, 20), (20, 160, 40), (30, 40, 220)
ONE = ("",)


def patch(colour: tuple[int, int, int], size: tuple[int, int] = (200, 300)) -> Image.Image:
    return Image.new("RGB", size, colour)


def box_of(image: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int]:
    """Where exactly this colour is."""
    mask = Image.new("L", image.size, 255)
    for channel, value in zip(image.split(), colour, strict=True):
        mask = Image.composite(mask, Image.new("L", image.size), channel.point(lambda at, v=value: 255 * (at == v)))
    found = mask.getbbox()
    assert found is not None, "the colour is not there"
    return found


def simple(cells: dict[str, Any], **words: Any) -> Grid:
    """A grid of one row."""
    cols = [(name,) for name in cells]
    return grid({(ONE, (name,)): cell for name, cell in cells.items()}, rows=[ONE], cols=cols, **words)


# layout


def test_pictures_stand_where_rows_and_columns_say_with_even_gaps():
    colours = {("a", "x"): RED, ("a", "y"): GREEN, ("b", "x"): BLUE}
    cells = {((row,), (col,)): Cell(patch(colour)) for (row, col), colour in colours.items()}
    cells[("b",), ("y",)] = Cell(patch((1, 2, 3)))
    image = grid(cells, rows=[("a",), ("b",)], cols=[("x",), ("y",)], cell_px=200).image

    red, green, blue = (box_of(image, colour) for colour in (RED, GREEN, BLUE))
    assert red[2] - red[0] == 200 and red[3] - red[1] == 300
    assert green[1] == red[1] and blue[0] == red[0]
    assert green[0] - red[2] == blue[1] - red[3] == 6


def test_outer_labels_are_shared_and_their_groups_stand_further_apart():
    cols = [("seed 0", "5"), ("seed 0", "10"), ("seed 1", "5")]
    colours = dict(zip(cols, (RED, GREEN, BLUE), strict=True))
    image = grid({(ONE, col): Cell(patch(colours[col])) for col in cols}, rows=[ONE], cols=cols, cell_px=200).image

    red, green, blue = (box_of(image, colour) for colour in (RED, GREEN, BLUE))
    assert blue[0] - green[2] > (green[0] - red[2]) * 2
    assert box_of(image, sheet.RULE)[0] == red[0]
    assert box_of(image, sheet.RULE)[2] == blue[2]


def test_groups_are_runs_of_labels_that_agree_from_the_outside_in():
    labels = [("a", "1"), ("a", "2"), ("b", "2"), ("a", "2")]

    assert sheet._groups(labels, 0) == [(0, 1, "a"), (2, 2, "b"), (3, 3, "a")]
    assert sheet._groups(labels, 1) == [(0, 0, "1"), (1, 1, "2"), (2, 2, "2"), (3, 3, "2")]


def test_pictures_of_another_shape_are_centred_whole():
    image = simple({"a": Cell(patch(RED, (100, 300))), "b": Cell(patch(GREEN, (300, 300)))}, cell_px=300).image

    red, green = box_of(image, RED), box_of(image, GREEN)
    assert (red[2] - red[0], red[3] - red[1]) == (100, 300)
    assert (green[2] - green[0], green[3] - green[1]) == (300, 300)
    assert red[1] == green[1]


def test_rows_are_as_tall_as_their_own_pictures():
    cells = {(("a",), ONE): Cell(patch(RED, (300, 100))), (("b",), ONE): Cell(patch(GREEN, (300, 300)))}
    image = grid(cells, rows=[("a",), ("b",)], cols=[ONE], cell_px=200).image

    red, green = box_of(image, RED), box_of(image, GREEN)
    assert red[3] - red[1] == 67 and green[3] - green[1] == 200
    assert green[1] - red[3] < 10


def test_small_pictures_are_as_large_as_the_others():
    image = simple({"a": Cell(patch(RED, (16, 16))), "b": Cell(patch(GREEN, (1024, 1024)))}, cell_px=160).image

    red, green = box_of(image, RED), box_of(image, GREEN)
    assert red[2] - red[0] == green[2] - green[0] == 160


def test_a_label_of_a_thousand_words_makes_room_for_itself():
    def height(label: str) -> int:
        return simple({label: Cell(patch(RED))}, cell_px=160).image.height

    def tall(label: str) -> int:
        return grid({((label,), ONE): Cell(patch(RED))}, rows=[(label,)], cols=[ONE], cell_px=160).image.height

    assert height("a") < height("lighthouse " * 20) < height("lighthouse " * 200) < height("lighthouse " * 1000)
    assert tall("a") == tall("lighthouse at dusk") < tall("lighthouse " * 1000)


def test_words_around_the_grid_take_room_only_where_they_are():
    plain = simple({"": Cell(patch(RED))}, cell_px=200).image
    assert plain.width < 250 and plain.height < 350

    full = simple(
        {"": Cell(patch(RED), note="1.2 s")},
        cell_px=200,
        title="t",
        subtitle="s",
        row_title="r",
        col_title="c",
        badge="SIMULATOR",
    ).image
    red, before = box_of(full, RED), box_of(plain, RED)
    assert red[0] > before[0] and red[1] > before[1] and full.height - red[3] > plain.height - before[3]


def test_a_white_picture_is_set_apart_from_the_paper():
    image = simple({"a": Cell(patch((255, 255, 255)))}, cell_px=200).image

    left, top, right, bottom = box_of(image, sheet.EDGE)
    assert (right - left, bottom - top) == (202, 302)


# what is not there


def test_missing_and_failed_places_are_drawn_and_counted():
    made = simple(
        {"a": Cell(patch(RED)), "b": Cell(problem="out of memory"), "c": Cell(), "d": Cell(b"<html>")}, cell_px=200
    )

    assert repr(made) == "Grid 1 × 4, 1 picture, 1 missing, 2 failed"
    assert box_of(made.image, sheet.FAILED[0])
    assert box_of(made.image, sheet.PALE)


def test_a_place_that_is_absent_is_missing():
    made = grid({}, rows=[("a",)], cols=[("x",), ("y",)])

    assert repr(made) == "Grid 1 × 2, 0 pictures, 2 missing"


@pytest.mark.parametrize(
    "image",
    [
        b"",
        b"\0" * 100,
        b"<svg/>",
        b"\x89PNG\r\n\x1a\n",
        Path("/no/such/file.png"),
        Path("/"),
        lambda: (_ for _ in ()).throw(StoreError("images/3f/x.png: no such key")),
        lambda: b"not a picture",
    ],
)
def test_a_picture_that_cannot_be_read_is_a_failed_cell_among_the_others(image):
    made = simple({"a": Cell(image), "b": Cell(patch(RED))}, cell_px=100)

    assert repr(made) == "Grid 1 × 2, 1 picture, 1 failed"
    assert box_of(made.image, RED)


@pytest.mark.parametrize("reason", ["x", "no " * 3000, "W" * 5000, "\x00\u202e\ud800", "空" * 50, "a\nb\nc" * 40])
@pytest.mark.parametrize("cell_px", [16, 40, 200])
def test_any_reason_stays_inside_its_cell(reason, cell_px):
    image = simple({"a": Cell(problem=reason)}, cell_px=cell_px).image

    left, top, right, bottom = box_of(image, sheet.FAILED[1])
    assert right - left == cell_px
    ink = Image.new("RGB", image.size, "white")
    ink.paste(image, (0, 0))
    ink.paste((255, 255, 255), (left, top, right, bottom))
    assert ink.crop((0, top, image.width, image.height)).getextrema() == ((255, 255),) * 3


def test_a_bug_in_a_caller_is_not_drawn_as_a_failed_cell():
    def broken() -> bytes:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        simple({"a": Cell(broken)})


# odd inputs


@pytest.mark.parametrize("size", [(1, 1), (1, 4096), (4096, 1), (3, 2000)])
def test_pictures_of_extreme_shape_are_drawn(size):
    image = simple({"a": Cell(patch(RED, size)), "b": Cell(patch(GREEN))}).image

    assert max(image.size) < 3300
    assert box_of(image, RED)


@pytest.mark.parametrize("size", [(1, 4096), (4096, 1)])
def test_a_line_alone_makes_no_endless_sheet(size):
    image = simple({"a": Cell(patch(RED, size))}).image

    assert max(image.size) < 1200


def test_odd_labels_are_drawn_in_a_grid():
    odd = ["маяк", "Ωμέγα", "灯台", "🙂👩🏽‍🚀", "\x00\x1b[31m", "\u202eabc", "\ud83d", "", " ", "a" * 500]
    rows, cols = [(text,) for text in odd], [(text, "x") for text in odd]
    cells = {(row, col): Cell(patch(RED, (8, 8)), note=row[0]) for row in rows for col in cols}

    assert repr(
        grid(cells, rows=rows, cols=cols, title="\ud800 маяк\n灯台", subtitle="\x00", row_title="行", cell_px=40)
    )


def test_many_rows_are_drawn_until_the_bound_says_what_to_do():
    rows = [(f"seed {number}",) for number in range(300)]
    cells = {(row, ONE): Cell(patch(RED, (64, 64))) for row in rows}
    made = grid(cells, rows=rows, cols=[ONE])
    assert made.image.height > 300 * 160 and made.image.width < 400

    wide = [(str(number),) for number in range(100)]
    with pytest.raises(ValueError, match=r"cell_px=\d+ or less, or fewer rows or columns") as caught:
        grid(dict.fromkeys([(row, col) for row in rows for col in wide], Cell(patch(RED))), rows=rows, cols=wide)
    less = int(re.findall(r"cell_px=(\d+)", str(caught.value))[0])
    assert 16 <= less < 160


def test_what_the_bound_proposes_is_accepted():
    rows, cols = [(str(number),) for number in range(40)], [(str(number),) for number in range(40)]
    cells = dict.fromkeys([(row, col) for row in rows for col in cols], Cell(patch(RED, (32, 48))))
    with pytest.raises(ValueError) as caught:
        grid(cells, rows=rows, cols=cols)
    less = int(re.findall(r"cell_px=(\d+)", str(caught.value))[0])

    image = grid(cells, rows=rows, cols=cols, cell_px=less).image
    assert image.width * image.height <= grids.MAX_PIXELS


def test_nothing_is_decoded_for_a_grid_that_is_too_large():
    asked = 0

    def load() -> bytes:
        nonlocal asked
        asked += 1
        raise StoreError("never mind")

    rows, cols = [(str(number),) for number in range(100)], [(str(number),) for number in range(100)]
    with pytest.raises(ValueError, match="million of at most 64"):
        grid({(rows[0], cols[0]): Cell(load)}, rows=rows, cols=cols, cell_px=300)
    assert asked <= 1


@pytest.mark.parametrize(
    ("rows", "cols", "cells", "words"),
    [
        ([], [ONE], {}, "rows is empty"),
        ([ONE], [], {}, "cols is empty"),
        (["abc"], [ONE], {}, "not a tuple of labels"),
        ([()], [ONE], {}, "not a tuple of labels"),
        ([(1,)], [ONE], {}, "not a tuple of labels"),
        ([ONE], [("a",), ("a", "b")], {}, "as many labels"),
        ([("a",), ("a",)], [ONE], {}, "twice"),
        ([("a",)], [ONE], {(("b",), ONE): Cell()}, "1 cells are in no row and column"),
    ],
)
def test_a_callers_mistake_is_a_value_error(rows, cols, cells, words):
    with pytest.raises(ValueError, match=words):
        grid(cells, rows=rows, cols=cols)


@pytest.mark.parametrize("cell_px", [0, -5, True, 100.5, "100"])
def test_a_cell_of_no_width_is_a_value_error(cell_px):
    with pytest.raises(ValueError, match=f"cell_px={cell_px!r}"):
        simple({"a": Cell(patch(RED))}, cell_px=cell_px)


# sizes, threads


@pytest.mark.parametrize(("rows", "cols", "wide"), [(1, 1, 320), (4, 4, 320), (4, 8, 320), (2, 14, 201), (9, 20, 160)])
def test_cells_are_as_wide_as_lets_the_sheet_stay_sensible(rows, cols, wide):
    assert grids._sensible_width(rows, cols, 1.0) == wide


def test_each_picture_is_asked_for_once_and_off_the_main_thread(picture):
    asked: list[str] = []
    lock = threading.Lock()

    def load() -> bytes:
        with lock:
            asked.append(threading.current_thread().name)
        return picture()

    simple({str(number): Cell(load) for number in range(12)})

    assert len(asked) == 12
    assert sum(name.startswith("runpodkit-grid") for name in asked) == 11, "one is looked at first, for its shape"


def test_a_store_that_is_down_is_asked_a_few_times_before_the_threads_ask():
    waiting: list[str] = []

    def load() -> bytes:
        waiting.append(threading.current_thread().name)
        raise StoreError("the store does not answer")

    made = simple({str(number): Cell(load) for number in range(20)})

    assert repr(made) == "Grid 1 × 20, 0 pictures, 20 failed"
    assert len(waiting) == 23


def test_paths_and_bytes_of_every_format_are_drawn(picture, tmp_path):
    cells: dict[str, Cell] = {}
    for form in ("png", "jpeg", "webp", "gif", "avif"):
        path = tmp_path / f"x.{form}"
        path.write_bytes(picture(form))
        cells |= {f"{form} path": Cell(path), f"{form} bytes": Cell(picture(form))}

    assert repr(simple(cells)) == "Grid 1 × 10, 10 pictures"


def test_the_same_cells_make_the_same_pixels():
    def once() -> bytes:
        return simple({"a": Cell(patch(RED)), "b": Cell()}, title="t", badge="SIMULATOR").image.tobytes()

    assert once() == once()


# what comes out


def noisy() -> Grid:
    noise = Image.effect_noise((900, 900), 120).convert("RGB")
    cols = [(str(number),) for number in range(10)]
    rows = [(str(number),) for number in range(12)]
    return grid({(row, col): Cell(noise) for row in rows for col in cols}, rows=rows, cols=cols)


def test_a_notebook_gets_one_small_jpeg_and_a_text_that_never_changes():
    made = noisy()
    bundle = made._repr_mimebundle_()

    assert set(bundle) == {"image/jpeg", "text/plain"}
    assert bundle["text/plain"] == repr(made) == "Grid 12 × 10, 120 pictures"
    data = base64.b64decode(bundle["image/jpeg"])
    assert len(data) <= 300_000
    shown = Image.open(io.BytesIO(data))
    assert shown.format == "JPEG" and shown.width <= 1600
    assert made._repr_mimebundle_(include=None, exclude=None) == bundle


def test_a_small_grid_is_shown_as_large_as_it_is():
    made = simple({"a": Cell(patch(RED))})

    shown = Image.open(io.BytesIO(base64.b64decode(made._repr_mimebundle_()["image/jpeg"])))
    assert shown.size == made.image.size


def test_ipython_stores_exactly_one_image_format():
    formatters = pytest.importorskip("IPython.core.formatters")

    data, _ = formatters.DisplayFormatter().format(simple({"a": Cell(patch(RED))}))

    assert sorted(data) == ["image/jpeg", "text/plain"]


@pytest.mark.parametrize(
    ("name", "form"), [("g.png", "PNG"), ("g.JPG", "JPEG"), ("g.jpeg", "JPEG"), ("g.webp", "WEBP")]
)
def test_the_suffix_says_the_format(name, form, tmp_path):
    made = simple({"a": Cell(patch(RED))}, title="маяк", subtitle="fixed: seed 7")
    path = made.save(tmp_path / "new folder" / name)

    assert [each.name for each in path.parent.iterdir()] == [name]
    with Image.open(path) as saved:
        assert (saved.format, saved.size) == (form, made.image.size)
        if form == "PNG":
            assert (saved.info["Title"], saved.info["Description"]) == ("маяк", "fixed: seed 7")
            assert saved.convert("RGB").tobytes() == made.image.tobytes()


@pytest.mark.parametrize("name", ["g", "g.txt", "g.exe", ".png"])
def test_another_suffix_is_refused_and_nothing_written(name, tmp_path):
    with pytest.raises(ValueError, match=r"saved as \.png, \.jpg, \.jpeg, \.webp"):
        simple({"a": Cell(patch(RED))}).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_format_that_cannot_hold_the_grid_says_which_can(tmp_path):
    made = Grid(Image.new("RGB", (10, 20_000)), "Grid")

    with pytest.raises(ValueError, match=r"WEBP holds at most 16,383.*save it as \.png"):
        made.save(tmp_path / "g.webp")
    assert made.save(str(tmp_path / "g.png")).exists()


# pages and animations


def paged(colours: dict[str, Any], **look: Any) -> Grid:
    """A page with one picture for each colour."""
    pages = [Page(name, {(ONE, ONE): Cell(patch(colour), **look)}) for name, colour in colours.items()]
    return grid(pages, rows=[ONE], cols=[ONE], cell_px=100, title="маяк")


def test_pages_stand_alike_and_say_what_they_are():
    made = paged({"steps 5": RED, "steps 10": GREEN})

    assert repr(made) == "Grid 2 pages of 1 × 1, 2 pictures"
    assert [repr(page) for page in made.pages] == ["Grid 1 × 1, 1 picture"] * 2
    assert made.image is made.pages[0].image
    assert box_of(made.pages[0].image, RED) == box_of(made.pages[1].image, GREEN)


def test_pages_of_pictures_of_other_shapes_stand_alike_too():
    pages = [
        Page("a", {(ONE, ("x",)): Cell(patch(RED, (200, 100))), (ONE, ("y",)): Cell(patch(BLUE, (200, 100)))}),
        Page("b", {(ONE, ("x",)): Cell(patch(GREEN, (100, 200)))}),
    ]
    one, two = grid(pages, rows=[ONE], cols=[("x",), ("y",)], cell_px=120).pages

    assert one.image.size == two.image.size
    red, green = box_of(one.image, RED), box_of(two.image, GREEN)
    assert (red[0] + red[2]) == (green[0] + green[2]) and (red[1] + red[3]) == (green[1] + green[3])
    assert repr(two) == "Grid 1 × 2, 1 picture, 1 missing"


def test_a_grid_without_pages_is_its_own_page():
    made = simple({"a": Cell(patch(RED))})

    assert made.pages == [made]


@pytest.mark.parametrize("name", ["g.gif", "g.webp", "g.GIF"])
def test_pages_become_an_endless_animation(name, tmp_path):
    made = paged({"1": RED, "2": GREEN, "3": BLUE})
    path = made.save(tmp_path / name, frame_s=0.25)

    with Image.open(path) as image:
        assert (image.n_frames, image.info["loop"], image.size) == (3, 0, made.image.size)
        for number, colour in enumerate((RED, GREEN, BLUE)):
            image.seek(number)
            frame = image.convert("RGB")
            assert image.info["duration"] == 250
            left, top, right, bottom = box_of(made.pages[number].image, colour)
            seen = frame.getpixel(((left + right) // 2, (top + bottom) // 2))
            assert all(abs(one - other) < 12 for one, other in zip(seen, colour, strict=True))
            assert frame.getpixel((1, 1)) == (255, 255, 255)


def test_equal_pages_stay_frames_of_their_own_time(tmp_path):
    path = paged({"1": RED, "1 ": RED}).save(tmp_path / "g.gif", frame_s=0.5)

    with Image.open(path) as image:
        total = 0
        for number in range(image.n_frames):
            image.seek(number)
            total += image.info["duration"]
    assert total == 1000


@pytest.mark.parametrize("frame_s", [0, -1, 0.001, 1e9, float("nan"), "1"])
def test_a_frame_that_stands_no_time_or_for_ever_is_refused(frame_s, tmp_path):
    with pytest.raises(ValueError, match=r"a frame stands 0\.02 to 600 seconds"):
        paged({"1": RED, "2": GREEN}).save(tmp_path / "g.gif", frame_s=frame_s)
    assert list(tmp_path.iterdir()) == []


def test_several_pages_are_never_cut_to_one(tmp_path):
    made = paged({str(number): (number, 0, 0) for number in range(11)})

    with pytest.raises(ValueError, match=r"\.png holds one page and the grid has 11: save_pages"):
        made.save(tmp_path / "g.png")
    assert [path.name for path in made.save_pages(tmp_path / "g.png")][::10] == ["g-01.png", "g-11.png"]
    with Image.open(tmp_path / "g-02.png") as image:
        assert image.info["Title"] == "маяк: 1"


def test_a_pdf_has_every_page(tmp_path):
    path = paged({"steps 5": RED, "steps 10": GREEN}).save(tmp_path / "g.pdf")

    assert ["steps 10" in page.extract_text() for page in PdfReader(path).pages] == [False, True]


def test_one_frame_is_no_animation(tmp_path):
    for made in (simple({"a": Cell(patch(RED))}), paged({"1": RED})):
        with pytest.raises(ValueError, match="a GIF needs frames"):
            made.save(tmp_path / "g.gif")
        assert made.save(tmp_path / "g.webp").exists()


def test_the_bound_counts_all_pages_together():
    rows, cols = [(str(number),) for number in range(10)], [(str(number),) for number in range(10)]
    pages = [Page(str(number), {(rows[0], cols[0]): Cell(patch(RED))}) for number in range(30)]

    with pytest.raises(
        ValueError, match=r"each of 30 pages would be .* together: choose cell_px=\d+ or less"
    ) as caught:
        grid(pages, rows=rows, cols=cols, cell_px=160)
    less = int(re.findall(r"cell_px=(\d+)", str(caught.value))[0])
    assert len(grid(pages, rows=rows, cols=cols, cell_px=less).pages) == 30


def test_no_page_is_no_grid():
    with pytest.raises(ValueError, match="pages is empty"):
        grid([], rows=[ONE], cols=[ONE])


# parts, differences, marks


def quartered(size: tuple[int, int] = (200, 200)) -> Image.Image:
    """Red, green, blue and white quarters."""
    image = patch((255, 255, 255), size)
    wide, high = size[0] // 2, size[1] // 2
    for colour, x, y in ((RED, 0, 0), (GREEN, wide, 0), (BLUE, 0, high)):
        image.paste(colour, (x, y, x + wide, y + high))
    return image


def as_png(image: Image.Image) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


@pytest.mark.parametrize("crop", [(0.5, 0, 0.5, 0.5), (100, 0, 100, 100)])
@pytest.mark.parametrize("as_bytes", [False, True])
def test_a_crop_shows_only_its_part(crop, as_bytes):
    picture = as_png(quartered()) if as_bytes else quartered()
    image = simple({"a": Cell(picture)}, cell_px=80, crop=crop).image

    left, top, right, bottom = box_of(image, GREEN)
    assert (right - left, bottom - top) == (80, 80)
    colours = {colour for _, colour in image.getcolors(1 << 20) or ()}
    assert RED not in colours and BLUE not in colours


def test_a_crop_of_a_jpeg_that_is_decoded_small_is_the_same_part():
    out = io.BytesIO()
    quartered((1600, 1600)).save(out, "JPEG", quality=95)
    image = simple({"a": Cell(out.getvalue())}, cell_px=40, crop=(0, 0.5, 0.5, 0.5)).image

    middle = image.getpixel((image.width // 2, image.height - 40))
    assert all(abs(one - other) < 10 for one, other in zip(middle, BLUE, strict=True))


def test_an_inset_shows_its_part_enlarged_in_every_cell():
    picture = patch((128, 128, 128), (1000, 1000))
    picture.paste(RED, (100, 100, 300, 300))
    image = simple({"a": Cell(picture), "b": Cell(as_png(picture))}, cell_px=200, inset=(0.1, 0.1, 0.2, 0.2)).image

    # twice 92 × 92 in the corner, and 40 × 40 in the frame less what its softened edge takes
    red = sum(count for count, colour in image.getcolors(1 << 20) or () if colour == RED)
    assert 2 * (92 * 92 + 34 * 34) <= red <= 2 * (92 * 92 + 40 * 40)


def test_an_inset_is_sharper_than_its_cell():
    fine = Image.new("RGB", (1000, 1000), "white")
    for x in range(100, 300, 20):
        fine.paste((0, 0, 0), (x, 100, x + 10, 300))
    image = simple({"a": Cell(as_png(fine))}, cell_px=100, inset=(0.1, 0.1, 0.2, 0.2)).image

    # ten stripes in 20 pixels are grey, in the inset's 46 they are told apart
    def spread(box: tuple[int, int, int, int]) -> int:
        low, high = image.crop(box).convert("L").getextrema()
        return int(high) - int(low)

    left, top = 11, image.height - 100 - 11
    assert spread((left + 80, top + 80, left + 90, top + 90)) > 150


def test_a_region_that_one_picture_does_not_have_fails_there_and_one_that_none_has_is_a_mistake():
    small, large = patch(RED, (64, 64)), patch(GREEN, (640, 640))
    made = simple({"a": Cell(small), "b": Cell(large)}, cell_px=100, crop=(300, 300, 200, 200))
    assert repr(made) == "Grid 1 × 2, 1 picture, 1 failed"

    with pytest.raises(ValueError, match=r"crop=\(300, 300, 200, 200\) leaves the picture of 64×64 pixels"):
        simple({"a": Cell(small), "b": Cell(problem="x")}, crop=(300, 300, 200, 200))


def test_a_difference_is_drawn_and_its_size_written():
    base, other = patch((100, 100, 100), (64, 64)), patch((110, 100, 100), (64, 64))
    cells = {
        (ONE, ("a",)): Cell(base),
        (ONE, ("b",)): Cell(as_png(other), against=(ONE, ("a",))),
        (ONE, ("c",)): Cell(base, against=(ONE, ("a",))),
    }
    made = grid(cells, rows=[ONE], cols=[("a",), ("b",), ("c",)], cell_px=64)

    colours = {colour: count for count, colour in made.image.getcolors(1 << 20) or ()}
    assert colours[40, 0, 0] == colours[100, 100, 100] == 64 * 64
    assert colours[0, 0, 0] >= 64 * 64


@pytest.mark.parametrize("base", [None, Cell(), Cell(problem="out of memory"), Cell(b"<html>")])
def test_without_its_baseline_a_difference_fails_and_says_so(base):
    cells = {(ONE, ("b",)): Cell(patch(RED), against=(ONE, ("a",)))}
    if base:
        cells[ONE, ("a",)] = base
    made = grid(cells, rows=[ONE], cols=[("a",), ("b",)], cell_px=64)

    assert ", 0 pictures" in repr(made) and "failed" in repr(made)


def test_pictures_of_another_proportion_are_not_pulled_over_each_other():
    cells = {
        (ONE, ("a",)): Cell(patch(RED, (64, 64))),
        (ONE, ("b",)): Cell(patch(RED, (64, 128)), against=(ONE, ("a",))),
        (ONE, ("c",)): Cell(patch(RED, (128, 128)), against=(ONE, ("a",))),
    }
    made = grid(cells, rows=[ONE], cols=[("a",), ("b",), ("c",)], cell_px=64)

    assert repr(made) == "Grid 1 × 3, 2 pictures, 1 failed"


def test_marked_pictures_are_counted_and_failed_ones_are_not():
    made = simple({"a": Cell(patch(RED), marked=True), "b": Cell(patch(GREEN)), "c": Cell(problem="x", marked=True)})

    assert repr(made) == "Grid 1 × 3, 2 pictures, 1 failed, 1 flagged"
    assert box_of(made.image, insets.MARK[0])


def test_blank_places_are_neither_drawn_nor_counted_as_missing():
    made = simple({"a": Cell(patch(RED)), "b": Cell(blank=True)}, cell_px=100)

    assert repr(made) == "Grid 1 × 2, 1 picture"
    with pytest.raises(AssertionError, match="not there"):
        box_of(made.image, sheet.PALE)
