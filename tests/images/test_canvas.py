"""Canvases: one drawing as pixels, SVG and PDF; text stays text, pictures stay pictures, nothing a label says is obeyed."""

from __future__ import annotations

import base64
import io
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pypdf import PdfReader

from runpodkit.errors import ConfigError
from runpodkit.images import lettering
from runpodkit.images.canvas import diagonals, encoded
from runpodkit.images.figures import pdf_of, svg_of
from runpodkit.images.grids import Cell, Grid, grid
from runpodkit.images.pdf import Document
from runpodkit.images.raster import Raster
from runpodkit.images.style import Style
from runpodkit.images.svg import Svg
from tests.images.test_grids import BLUE, GREEN, ONE, RED, box_of, patch

SVG = "{http://www.w3.org/2000/svg}"
HREF = "{http://www.w3.org/1999/xlink}href"
HOSTILE = [
    "</text><script>alert(1)</script>", "]]><!--", "&amp;<b>&#0;", '"onload="x', ")Tj ET Q (a\\", "\\051\\(", "<</S /JavaScript>>",
    "\x00\x1b[31m", "\u202eabc", "\ud83d", "\ufffe\uffff", "a" * 500,
]  # fmt: skip


def figure(labels: list[str] | None = None, **words: Any) -> Grid:
    labels = labels or ["маяк", "Ωμέγα", "seed 7", "failed one"]
    cols = [(label,) for label in labels]
    cells = {
        (ONE, col): Cell(patch(colour), note="1.2 s") for col, colour in zip(cols, (RED, GREEN, BLUE), strict=False)
    }
    cells[ONE, cols[-1]] = Cell(problem="out of memory")
    words = {"title": "Свет маяка", "subtitle": "512×512", "row_title": "ось", "badge": "SIMULATOR", **words}
    return grid(cells, rows=[ONE], cols=cols, **words)


def svg(made: Grid, folder: Path) -> ElementTree.Element:
    return ElementTree.fromstring(made.save(folder / "g.svg").read_bytes())


def pdf(made: Grid, folder: Path) -> PdfReader:
    return PdfReader(made.save(folder / "g.pdf"))


def words_of(root: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SVG}text")]


# SVG


def test_every_word_of_an_svg_is_text_under_its_own_size(tmp_path):
    made = figure(cell_px=200)
    root = svg(made, tmp_path)

    words = words_of(root)
    for text in (
        "Свет маяка",
        "512×512",
        "ось",
        "маяк",
        "Ωμέγα",
        "seed 7",
        "1.2 s",
        "failed",
        "out of memory",
        "SIMULATOR",
    ):
        assert text in words
    assert root.get("width") == str(made.image.width) and root.get("height") == str(made.image.height)
    title = next(node for node in root.iter(f"{SVG}text") if node.text == "Свет маяка")
    assert title.get("font-weight") == "bold"
    size = int(title.get("font-size", "0"))
    assert float(title.get("textLength", "0")) == pytest.approx(lettering.measure("Свет маяка", size, True), abs=0.01)
    assert root.find(f"{SVG}title").text == "Свет маяка"
    assert root.find(f"{SVG}desc").text == "SIMULATOR · 512×512"


def test_the_pictures_of_an_svg_stand_where_those_of_the_png_do(tmp_path):
    made = figure(cell_px=200)
    images = list(svg(made, tmp_path).iter(f"{SVG}image"))

    assert len(images) == 3
    for node, colour in zip(images, (RED, GREEN, BLUE), strict=True):
        left, top, right, bottom = box_of(made.image, colour)
        places = [int(node.get(name, "")) for name in ("x", "y", "width", "height")]
        assert places == [left, top, right - left, bottom - top]
        kind, _, data = node.get(HREF, "").removeprefix("data:").partition(";base64,")
        picture = Image.open(io.BytesIO(base64.b64decode(data, validate=True)))
        assert kind == "image/png" and picture.convert("RGB").getpixel((0, 0)) == colour


def test_an_svg_for_print_has_its_width_in_millimetres(tmp_path):
    root = svg(figure(width_mm=85), tmp_path)

    assert float(root.get("width", "").removesuffix("mm")) == pytest.approx(85, abs=0.05)
    assert root.get("viewBox", "").startswith("0 0 1004 ")
    least = min(int(node.get("font-size", "0")) for node in root.iter(f"{SVG}text"))
    assert least >= 6 / 72 * 300


@pytest.mark.parametrize("label", HOSTILE)
def test_a_hostile_label_is_text_and_nothing_else(label, tmp_path):
    root = svg(figure([label, "b"], title=label, subtitle=label, row_title=label), tmp_path)

    kinds = {node.tag.removeprefix(SVG) for node in root.iter()}
    assert kinds <= {"svg", "title", "desc", "rect", "g", "text", "image", "path"}
    names = {name for node in root.iter() for name in node.attrib}
    assert not [name for name in names if name.startswith("on")]
    assert all(node.get(HREF, "data:image/").startswith("data:image/") for node in root.iter())


@settings(deadline=None, max_examples=60)
@given(st.text(alphabet=st.characters(), max_size=30))
def test_any_text_makes_an_svg_that_an_xml_reader_takes(text):
    canvas = Svg((200, 100), Style())
    canvas.text(lettering.block(text, 14, width=150), 10, 10, (0, 0, 0))
    root = ElementTree.fromstring(canvas.page(text, text).encode())

    shown = "".join(words_of(root))
    assert [char for char in lettering.clean(text) if "a" <= char <= "z"] == [
        char for char in shown if "a" <= char <= "z"
    ]


def test_a_character_without_a_glyph_is_a_labelled_box_in_an_svg(tmp_path):
    root = svg(figure(["灯 a", "b"]), tmp_path)

    box = next(node for node in root.iter(f"{SVG}g") if node.get("role") == "img")
    assert box.get("aria-label") == "灯"
    assert [node.tag.removeprefix(SVG) for node in box] == ["rect", "text", "text"]
    assert [node.text for node in box.iter(f"{SVG}text")] == ["70", "6F"]


def test_right_to_left_text_is_left_to_the_viewer_in_the_order_it_was_written(tmp_path):
    root = svg(figure(["שלום", "b"]), tmp_path)

    node = next(node for node in root.iter(f"{SVG}text") if node.text == "שלום")
    assert (node.get("direction"), node.get("text-anchor")) == ("rtl", "end")


# PDF


def test_the_text_of_a_pdf_can_be_taken_out_again(tmp_path):
    text = pdf(figure(cell_px=200), tmp_path).pages[0].extract_text()

    for words in (
        "Свет маяка",
        "512×512",
        "ось",
        "маяк",
        "Ωμέγα",
        "seed 7",
        "1.2 s",
        "failed",
        "out of memory",
        "SIMULATOR",
    ):
        assert words in text


def test_a_pdf_says_what_it_is_and_embeds_only_the_letters_it_needs(tmp_path):
    reader = pdf(figure(cell_px=200), tmp_path)

    about = reader.metadata
    assert (about.title, about.author) == ("Свет маяка", "runpodkit")
    assert about.subject == "SIMULATOR · 512×512"
    fonts = reader.pages[0]["/Resources"]["/Font"]
    descriptors = [font["/DescendantFonts"][0]["/FontDescriptor"] for font in fonts.values()]
    assert len(descriptors) == 2 and all("+DejaVuSans" in one["/FontName"] for one in descriptors)
    assert all(len(one["/FontFile2"].get_data()) < 60_000 for one in descriptors), "of over 700,000"


def test_the_pictures_of_a_pdf_are_the_pictures(tmp_path):
    noise = Image.effect_noise((300, 200), 80).convert("RGB")
    noise = Image.merge("RGB", (noise.getchannel(0), noise.getchannel(1).rotate(180), noise.getchannel(2)))
    cells = {(ONE, ("a",)): Cell(noise), (ONE, ("b",)): Cell(patch(RED, (300, 200)))}
    reader = pdf(grid(cells, rows=[ONE], cols=[("a",), ("b",)], cell_px=300), tmp_path)

    images = reader.pages[0].images
    sizes = [(image.image.size, image.name.rpartition(".")[2]) for image in images]
    assert sizes == [((300, 200), "jpg"), ((300, 200), "png")]
    assert images[1].image.convert("RGB").getpixel((5, 5)) == RED


@pytest.mark.parametrize(
    ("words", "points"), [({"width_mm": 85}, 85 / 25.4 * 72), ({"width_mm": 170, "dpi": 600}, 170 / 25.4 * 72)]
)
def test_a_pdf_for_print_is_exactly_as_wide_as_asked(words, points, tmp_path):
    page = pdf(figure(**words), tmp_path).pages[0]

    assert float(page.mediabox.width) == pytest.approx(points, abs=0.15)


def test_a_pdf_for_a_screen_has_96_pixels_an_inch(tmp_path):
    made = figure(cell_px=200)

    assert float(pdf(made, tmp_path).pages[0].mediabox.width) == pytest.approx(made.image.width * 0.75, abs=0.01)


@pytest.mark.parametrize("label", HOSTILE)
def test_a_hostile_label_ends_no_string_of_a_pdf(label, tmp_path):
    reader = pdf(figure([label, "b"], title=label, subtitle=label, row_title=label), tmp_path)

    text = reader.pages[0].extract_text()
    assert "failed" in text and "out of memory" in text, "what comes after it is still there"
    root = reader.trailer["/Root"]
    assert not set(root) & {"/AA", "/Names", "/AcroForm"}
    assert isinstance(root.get("/OpenAction", []), list), "where to open it, nothing to do"


def test_the_same_figure_makes_the_same_bytes(tmp_path):
    def once(suffix: str) -> bytes:
        return figure(cell_px=100).save(tmp_path / f"g{suffix}").read_bytes()

    for suffix in (".pdf", ".svg", ".png"):
        assert once(suffix) == once(suffix)


def test_several_figures_are_pages_of_one_pdf():
    figures = [figure([name, "b"], cell_px=100)._figure for name in ("first", "second", "third")]
    reader = PdfReader(io.BytesIO(pdf_of(figures, "all")))

    assert ["first" in page.extract_text() for page in reader.pages] == [True, False, False]
    assert "third" in reader.pages[2].extract_text()


def test_a_page_larger_than_a_pdf_can_have_is_refused_with_what_to_do():
    with pytest.raises(ValueError, match=r"at most 14,400 points .* smaller width_mm, a higher dpi, or fewer rows"):
        Document().page((100, 20_000), 96)


def test_without_fpdf2_a_pdf_names_what_to_install(tmp_path):
    code = (
        "import sys; sys.modules['fpdf'] = None\n"
        "from PIL import Image\n"
        "from runpodkit.images.grids import Cell, grid\n"
        "made = grid({(('',), ('',)): Cell(Image.new('RGB', (9, 9)))}, rows=[('',)], cols=[('',)])\n"
        "made.save('g.svg'); made.save('g.png')\n"
        "try: made.save('g.pdf')\n"
        "except Exception as exc: print(type(exc).__name__, exc)\n"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True).stdout

    assert said.strip() == "ConfigError a PDF needs fpdf2: pip install 'runpodkit[export]'"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g.png", "g.svg"]
    assert issubclass(ConfigError, Exception)


def test_drawing_pixels_or_svg_does_not_load_fpdf2():
    code = "import sys, runpodkit.images.grids; print('fpdf' in sys.modules)"

    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
        == "False"
    )


@pytest.mark.skipif(not shutil.which("pdftoppm"), reason="no poppler on the PATH")
def test_a_pdf_looks_like_the_png(tmp_path):
    made = figure(cell_px=200)
    path = made.save(tmp_path / "g.pdf")
    subprocess.run(["pdftoppm", "-r", "96", "-png", "-singlefile", path, tmp_path / "g"], check=True)
    with Image.open(tmp_path / "g.png") as drawn:
        assert drawn.size == made.image.size
        for colour in (RED, GREEN, BLUE):
            assert box_of(drawn.convert("RGB"), colour) == pytest.approx(box_of(made.image, colour), abs=1)


# both


def test_a_grid_without_a_layout_says_how_it_can_be_saved(tmp_path):
    with pytest.raises(ValueError, match=r"g\.svg: this grid has no layout .* save it as \.png"):
        Grid(Image.new("RGB", (9, 9)), "Grid").save(tmp_path / "g.svg")


def test_a_file_is_replaced_whole_or_left_alone(tmp_path):
    path = tmp_path / "deep" / "g.svg"
    figure(cell_px=50).save(path)
    figure(["x", "y"], cell_px=50).save(path)

    assert [each.name for each in path.parent.iterdir()] == ["g.svg"]
    assert ">x</text>" in path.read_text()


def test_an_upper_case_suffix_is_the_same_format(tmp_path):
    assert figure(cell_px=50).save(tmp_path / "g.SVG").read_bytes().startswith(b"<?xml")
    assert figure(cell_px=50).save(tmp_path / "g.PDF").read_bytes().startswith(b"%PDF")


def test_few_colours_are_kept_exactly_and_many_as_a_jpeg_without_subsampling():
    assert encoded(patch(RED))[0] == "image/png"
    kind, data = encoded(Image.radial_gradient("L").convert("RGB"))
    assert kind == "image/png" and Image.open(io.BytesIO(data)).convert("RGB").getpixel((128, 128)) == (0, 0, 0)
    noisy = Image.merge("RGB", [Image.effect_noise((64, 64), 90) for _ in range(3)])
    kind, data = encoded(noisy)
    assert kind == "image/jpeg"
    with Image.open(io.BytesIO(data)) as jpeg:
        assert [(part[1], part[2]) for part in jpeg.layer] == [(1, 1)] * 3


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 60))
def test_the_lines_of_a_hatch_stay_inside_and_rise_at_45_degrees(width, height, step):
    lines = diagonals(width, height, step)

    for x0, y0, x1, y1 in lines:
        assert 0 <= x0 < x1 <= width and 0 <= y1 < y0 <= height
        assert x1 - x0 == pytest.approx(y0 - y1)
    starts = [x0 + y0 for x0, y0, _, _ in lines]
    assert all(after - before == step for before, after in pairwise(starts))
    assert len(lines) >= (width + height) // step - 1


def test_a_hatch_of_pixels_has_no_seam_and_stays_inside_its_place():
    raster = Raster((700, 500))
    raster.hatch(20, 30, 600, 400, 7, (250, 250, 250), (200, 0, 0))

    place = raster.image.crop((20, 30, 620, 430))
    assert place.crop((0, 0, 593, 400)).tobytes() == place.crop((7, 0, 600, 400)).tobytes()
    assert place.crop((0, 0, 600, 393)).tobytes() == place.crop((0, 7, 600, 400)).tobytes()
    assert len(place.getcolors()) == 2
    raster.image.paste((255, 255, 255), (20, 30, 620, 430))
    assert raster.image.getcolors() == [(700 * 500, (255, 255, 255))]


def test_one_by_one_pixel_is_drawn_in_every_format(tmp_path):
    made = grid(
        {(ONE, ONE): Cell(Image.new("RGBA", (1, 1), (0, 0, 0, 0)))}, rows=[ONE], cols=[ONE], cell_px=16, legend=False
    )

    assert made.image.size == (16, 16) and made.image.getpixel((8, 8)) == (255, 255, 255)
    assert svg_of(made._figure).count(b"<image") == 1
    assert re.search(rb"/Width 16", pdf_of([made._figure]))
    assert made.save(tmp_path / "g.pdf").exists()


ALPHABET = "ab DPM+1.-_灯🙂אש\u0644\u0627\u0301\u200d<&"


@settings(deadline=None, max_examples=80)
@given(
    labels=st.lists(st.text(ALPHABET, max_size=30), min_size=1, max_size=6, unique=True),
    title=st.text(ALPHABET, max_size=120),
    axis=st.text(ALPHABET, max_size=40),
    size=st.sampled_from([{"cell_px": 16}, {"cell_px": 40}, {"width_mm": 60}, {"width_mm": 85, "dpi": 150}]),
    padding=st.sampled_from([None, 0, 20]),
    badge=st.sampled_from(["", "SIMULATOR"]),
    legend=st.booleans(),
)
def test_no_word_leaves_the_sheet(labels, title, axis, size, padding, badge, legend):
    rows = cols = [(label,) for label in labels]
    cells = {(row, rows[0]): Cell(patch(RED, (9, 30)), note=row[0]) for row in rows}
    words = {
        "title": title,
        "row_title": axis,
        "col_title": axis,
        "badge": badge,
        "legend": legend,
        "padding_px": padding,
    }
    try:
        made = grid(cells, rows=rows, cols=cols, **words, **size)
    except ValueError as refusal:
        assert "width_mm" in str(refusal)  # noqa: PT017
        return
    width, height = made.image.size
    root = ElementTree.fromstring(svg_of(made._figure))
    for node in root.findall(f"{SVG}text"):
        left, wide = float(node.get("x", "")), float(node.get("textLength", "0"))
        assert left >= -1 and left + wide <= width + 1, node.text
        assert 0 <= float(node.get("y", "")) <= height, node.text
    for node in root.findall(f"{SVG}g"):
        if turned := re.match(r"translate\(\d+ (\d+)\)", node.get("transform", "")):
            bottom = int(turned[1])
            ends = [float(text.get("x", "")) + float(text.get("textLength", "0")) for text in node.iter(f"{SVG}text")]
            assert bottom <= height and bottom - max(ends, default=0) >= -1
