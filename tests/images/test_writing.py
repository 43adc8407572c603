"""Writing: which way a line runs, what joins, and what stays together.  Expected orders follow Unicode's rules by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.images.writing import clusters, in_visual_order

SHALOM, MOLAHS = "שלום", "םולש"


def seen(line: str) -> str:
    return "".join(sign.drawn for sign in in_visual_order(line))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lighthouse 12", "lighthouse 12"),
        (SHALOM, MOLAHS),
        (f"abc {SHALOM} def", f"abc {MOLAHS} def"),
        (f"{SHALOM} abc", f"abc {MOLAHS}"),
        (f"{SHALOM} 12.5", f"12.5 {MOLAHS}"),  # a number keeps its order
        (f"abc {SHALOM} 12", f"abc 12 {MOLAHS}"),
        (f"{SHALOM} (abc) 12", f"12 (abc) {MOLAHS}"),  # brackets are mirrored and stay around what they hold
        (f"abc ({SHALOM}) x", f"abc ({MOLAHS}) x"),
        (f"{SHALOM} 5$", f"5$ {MOLAHS}"),
        (f"{SHALOM}, {SHALOM}!", f"!{MOLAHS} ,{MOLAHS}"),
    ],
)
def test_a_line_is_read_the_way_its_letters_run(line, expected):
    assert seen(line) == expected


def test_arabic_letters_take_the_form_that_their_neighbours_ask_for():
    # seen, lam-alef, meem: initial seen, the ligature in its final form, meem by itself after an alef
    assert seen("\u0633\u0644\u0627\u0645") == "\ufee1\ufefc\ufeb3"
    # noon between two joining letters is medial
    assert seen("\u0633\u0646\u0645") == "\ufee2\ufee8\ufeb3"
    # dal never joins to what follows
    assert seen("\u062f\u0628") == "\ufe8f\ufea9"


def test_a_mark_that_parts_letters_parts_them_and_is_not_seen():
    joined, parted = seen("\u0633\u0646"), seen("\u0633\u200c\u0646")

    assert joined == "\ufee6\ufeb3"
    assert parted == "\ufee5\ufeb1"


def test_a_vowel_sign_stays_with_its_letter_and_does_not_part_words():
    # beh with fatha, then noon: still initial and final
    assert seen("\u0628\u064e\u0646") == "\ufee6\ufe91\u064e"


def test_signs_keep_what_was_written():
    signs = in_visual_order("\u0633\u0644\u0627\u0645")

    assert [sign.source for sign in reversed(signs)] == ["\u0633", "\u0644\u0627", "\u0645"]
    assert all(sign.rtl for sign in signs)


def test_letters_stay_with_their_accents_joiners_and_skin_colours():
    assert list(clusters("e\u0301x👍🏽y")) == ["e\u0301", "x", "👍🏽", "y"]
    assert list(clusters("")) == []


@given(st.text(max_size=60))
def test_clusters_lose_nothing(text):
    assert "".join(clusters(text)) == text


@given(st.text("abאב12 .(),%ش\u0644\u0627\u0301", max_size=40))
def test_nothing_is_lost_or_doubled_by_the_order(text):
    assert sorted("".join(sign.source for sign in in_visual_order(text))) == sorted(text)


@given(st.text("ab12 .(),%-", max_size=40))
def test_a_line_without_right_to_left_letters_stays_as_it_is(text):
    assert seen(text) == text


def test_brackets_within_brackets_within_brackets_end():
    assert len(seen("(" * 20_000 + SHALOM + ")" * 20_000)) == 40_004
