"""Lettering: measured, wrapped, never cut; any script without a crash; the fonts' licence comes along."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.images import lettering
from runpodkit.images.raster import Raster
from runpodkit.images.typeface import FILES, coverage, font


def letters(text: str) -> list[str]:
    return [char for char in text if not char.isspace()]


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(20, 400))
def test_wrapping_loses_no_letter_and_stays_within_the_width(text, width):
    made = lettering.block(text, 12, width=width)

    assert letters("".join(made.lines)) == letters(lettering.clean(text)) or not text.strip()
    widest_letter = max((lettering.measure(char, 12) for char in lettering.clean(text) if char != "\n"), default=0)
    assert made.width <= max(width, widest_letter) + 1


def test_words_stay_whole_where_they_fit():
    assert lettering.block("DPM++ 2M SDE Karras", 12, width=90).lines == ("DPM++ 2M", "SDE Karras")


def test_a_word_too_wide_is_broken_behind_punctuation():
    lines = lettering.block("stable-diffusion-xl-base-1.0_fp16-vae", 12, width=120).lines

    assert all(line[-1] in "-_." for line in lines[:-1]) and len(lines) >= 2


def test_line_breaks_are_kept_and_an_empty_text_has_no_height():
    assert lettering.block("a\nb\r\nc", 12).lines == ("a", "b", "c")
    assert lettering.block("  \n ", 12).height == 0


def test_what_cannot_be_drawn_or_reorders_text_shows_as_a_mark():
    assert lettering.clean("a\x00b\x1bc\u202ed\ud800e\tf") == "a\ufffdb\ufffdc\ufffdd\ufffde f"


@pytest.mark.parametrize(
    "text",
    [
        "маяк на закате",
        "Ωμέγα ή άλφα",
        "灯台と嵐",
        "منارة عند الغروب",
        "🙂👩🏽‍🚀🏳️‍🌈",
        "é̂̃",
        "\u200b\u2060",
        "a\u0301" * 300,
    ],
)
def test_every_script_is_drawn_without_a_crash_and_within_its_measure(text):
    made = lettering.block(text, 16, width=200)
    raster = Raster((400, made.height + 20))
    raster.text(made, 100, 10, (0, 0, 0))

    ink = raster.image.convert("L").point(lambda value: 255 if value < 128 else 0).getbbox()
    if ink is not None:  # a line may overhang by a serif or an accent
        assert ink[0] >= 95 and ink[2] <= 100 + made.width + 6


def drawn(text: str, px: int = 24) -> bytes:
    raster = Raster((120, 60))
    raster.text(lettering.block(text, px), 4, 4, (0, 0, 0))
    return raster.image.tobytes()


def test_cyrillic_and_greek_have_glyphs_of_their_own_and_cjk_a_box_with_its_code_point():
    assert len({drawn("я"), drawn("Ω"), drawn("灯"), drawn("塔"), drawn(" ")}) == 5
    assert [piece.boxed for piece in lettering.pieces("я", 24)] == [False]
    assert [piece.boxed for piece in lettering.pieces("灯", 24)] == [True]
    assert [row[0] for row in lettering.box_for("灯", 24).rows] == ["70", "6F"]
    assert [row[0] for row in lettering.box_for("\U0001f642", 24).rows] == ["01F", "642"]


@pytest.mark.parametrize("px", [8, 11, 13, 16, 24, 33, 60])
@pytest.mark.parametrize("char", ["灯", "\U0001f642", "\U0010ffff"])
def test_the_digits_of_a_box_stay_inside_its_frame_and_the_frame_inside_its_line(char, px):
    box = lettering.box_for(char, px)
    left, top, width, height = box.frame
    for digits, x, baseline, wide in box.rows:
        assert wide == font(box.digits_px).getlength(digits)
        assert x >= left + box.stroke and x + wide <= left + width - box.stroke
        assert baseline - lettering.CAPITAL * box.digits_px >= top + box.stroke
        assert baseline <= top + height - box.stroke
    # the line's box: 1.32 sizes high around the middle of the capitals, which is 0.365 sizes above the baseline
    assert top >= -1.025 * px - 1 and top + height <= 0.295 * px + 1


def test_pieces_stand_side_by_side_and_boxes_between_letters():
    made = lettering.pieces("ab 灯塔 c", 20)

    assert [(piece.text, piece.boxed) for piece in made] == [("ab", False), ("灯", True), ("塔", True), ("c", False)]
    for one, following in pairwise(made):
        assert following.x >= one.x + one.width
    space = font(20).getlength(" ")
    assert made[1].x - (made[0].x + made[0].width) == pytest.approx(space, abs=1)


def test_what_takes_no_room_is_neither_drawn_nor_boxed():
    assert lettering.measure("a\u200d\ufe0f\u200bb", 16) == lettering.measure("ab", 16)
    assert drawn("a\u200d\ufe0f\u00adb") == drawn("ab")


def test_an_accent_is_the_same_whether_composed_or_not():
    assert lettering.block("cafe\u0301", 16).lines == ("café",)
    assert drawn("e\u0301") == drawn("é")


def test_a_bold_text_takes_from_the_plain_face_what_the_bold_one_lacks():
    lacking = chr(min(coverage() - coverage(True)))
    made = lettering.pieces(f"a{lacking}", 16, True)

    assert [(piece.bold, piece.boxed) for piece in made] == [(True, False), (False, False)]


def test_a_space_of_another_script_is_room():
    assert [piece.text for piece in lettering.pieces("a\u3000b", 16)] == ["a b"]


def test_the_quick_way_of_measuring_only_takes_what_the_typeface_has():
    plain = {point for point in range(0x3000) if lettering._PLAIN.fullmatch(chr(point))}

    assert plain <= coverage() and plain <= coverage(True)
    assert len(plain) > 700


@settings(deadline=None, max_examples=60)
@given(st.text("ab灯אش\u0301 1.(", max_size=30))
def test_a_line_is_as_wide_as_its_pieces_and_they_never_overlap(line):
    made = lettering.pieces(line, 14)

    assert all(piece.width >= 0 for piece in made)
    for one, following in pairwise(made):
        assert following.x >= one.x + one.width - 1e-6
    assert lettering.measure(line, 14) >= (made[-1].x + made[-1].width if made else 0) - 1e-6


def test_the_least_width_is_the_widest_part_that_cannot_be_broken():
    assert lettering.least_width("a DPM++ b", 16) == lettering.measure("DPM++", 16)
    assert lettering.least_width("sd-xl_base-1.0", 16) == lettering.measure("base-", 16)
    assert lettering.least_width("", 16) == 0


@pytest.mark.parametrize(
    "text", ["x" * 100_000, "灯" * 9_000, "ab " * 9_000, "a" + "\u0316" * 50_000, "(" * 9_000 + "ש"]
)
def test_a_text_that_is_far_too_long_is_wrapped_all_the_same(text):
    made = lettering.block(text, 13, width=300)

    assert letters("".join(made.lines)) == letters(text)
    assert made.width <= 301


def test_a_text_too_long_for_its_place_shrinks_then_ends_in_an_ellipsis():
    short = lettering.fitting("out of memory", 200, 60, px=16, least_px=9)
    middle = lettering.fitting("out of memory " * 6, 200, 60, px=16, least_px=9)
    long = lettering.fitting("out of memory " * 500, 200, 60, px=16, least_px=9)

    assert short.px == 16 and middle.px < 16 and not middle.lines[-1].endswith("…")
    assert long.px == 9 and long.lines[-1].endswith("…")
    assert max(short.height, middle.height, long.height) <= 60


def test_the_fonts_come_with_their_licence():
    folder = FILES[False].parent
    licence = (folder / "LICENSE-DejaVu.txt").read_text()

    assert {path.name for path in folder.iterdir()} == {"DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "LICENSE-DejaVu.txt"}
    for words in ("Bitstream Vera is\na trademark of Bitstream, Inc.", "Tavmjong Bah", "THE FONT SOFTWARE IS PROVIDED"):
        assert words in licence
