"""Lettering: measured, wrapped, never cut; any script without a crash; the fonts' licence comes along."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from runpodkit.images import lettering


def letters(text: str) -> list[str]:
    return [char for char in text if not char.isspace()]


@settings(deadline=None)
@given(st.text(max_size=200), st.integers(20, 400))
def test_wrapping_loses_no_letter_and_stays_within_the_width(text, width):
    made = lettering.block(text, 12, width=width)

    assert letters("".join(made.lines)) == letters(lettering.clean(text)) or not text.strip()
    widest_letter = max(
        (lettering.font(12).getlength(char) for char in lettering.clean(text) if char != "\n"), default=0
    )
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
    paper = Image.new("RGB", (400, made.height + 20), "white")
    made.draw(ImageDraw.Draw(paper), 100, 10, (0, 0, 0))

    ink = paper.convert("L").point(lambda value: 255 if value < 128 else 0).getbbox()
    if ink is not None:  # a line may overhang by a serif or an accent
        assert ink[0] >= 95 and ink[2] <= 100 + made.width + 6


def test_cyrillic_and_greek_have_glyphs_of_their_own_and_cjk_a_visible_box():
    def drawn(text: str) -> bytes:
        paper = Image.new("L", (40, 40), 255)
        lettering.block(text, 24).draw(ImageDraw.Draw(paper.convert("RGB")), 2, 2, (0, 0, 0))
        paper = Image.new("RGB", (40, 40), "white")
        lettering.block(text, 24).draw(ImageDraw.Draw(paper), 2, 2, (0, 0, 0))
        return paper.tobytes()

    blank = Image.new("RGB", (40, 40), "white").tobytes()
    assert len({drawn("я"), drawn("Ω"), drawn("灯"), blank}) == 4
    assert drawn("灯") == drawn("塔"), "the same box stands for both"


def test_a_text_too_long_for_its_place_shrinks_then_ends_in_an_ellipsis():
    short = lettering.fitting("out of memory", 200, 60, px=16, least_px=9)
    middle = lettering.fitting("out of memory " * 6, 200, 60, px=16, least_px=9)
    long = lettering.fitting("out of memory " * 500, 200, 60, px=16, least_px=9)

    assert short.px == 16 and middle.px < 16 and not middle.lines[-1].endswith("…")
    assert long.px == 9 and long.lines[-1].endswith("…")
    assert max(short.height, middle.height, long.height) <= 60


def test_the_fonts_come_with_their_licence():
    folder = Path(lettering.__file__).parent / "fonts"
    licence = (folder / "LICENSE-DejaVu.txt").read_text()

    assert {path.name for path in folder.iterdir()} == {"DejaVuSans.ttf", "DejaVuSans-Bold.ttf", "LICENSE-DejaVu.txt"}
    for words in ("Bitstream Vera is\na trademark of Bitstream, Inc.", "Tavmjong Bah", "THE FONT SOFTWARE IS PROVIDED"):
        assert words in licence
