"""Reading prompts: which words mean what, which count, and what a negative prompt takes out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.simulator.vocabulary import COLOURS
from runpodkit.simulator.words import Thing, read_prompt


@pytest.mark.parametrize(
    ("prompt", "time", "grounds", "backdrops", "things"),
    [
        ("a lighthouse at dusk", "dusk", ("sea",), (), (Thing("lighthouse"),)),
        ("a girl with blue hair, portrait", None, (), (), (Thing("girl"), Thing("hair", "blue"), Thing("person"))),
        ("a forest at night under stars", "night", (), ("forest",), (Thing("stars"),)),
        ("a red boat on the sea at sunset", "sunset", ("sea",), (), (Thing("boat", "red"),)),
        ("a city in winter snow", None, ("snow",), ("city",), ()),
        ("a black cat in a field of yellow flowers", None, ("field",), (), (Thing("cat", "black"), Thing("flowers", "yellow"))),
        ("Northern Lights over MOUNTAINS", None, (), ("mountains",), (Thing("aurora"),)),
        ("two cottages and puppies", None, (), (), (Thing("house"), Thing("dog"))),
    ],
)  # fmt: skip
def test_words_name_times_places_and_things(
    prompt: str, time: str | None, grounds: tuple[str, ...], backdrops: tuple[str, ...], things: tuple[Thing, ...]
) -> None:
    brief = read_prompt(prompt)

    assert (brief.time, brief.grounds, brief.backdrops, brief.things) == (time, grounds, backdrops, things)


def test_a_colour_that_belongs_to_nothing_tints_the_whole() -> None:
    assert read_prompt("mountains in purple").tint == "purple"
    assert read_prompt("a red boat").tint is None


def test_words_of_praise_change_nothing() -> None:
    plain = read_prompt("a lighthouse at dusk")

    assert read_prompt("(masterpiece:1.2), best quality, a lighthouse at dusk, highly detailed, sharp focus") == plain
    assert read_prompt("A  lighthouse, at DUSK.") == plain


def test_words_it_does_not_know_still_count() -> None:
    assert read_prompt("teapot").digest != read_prompt("zeppelin").digest


def test_a_negative_prompt_takes_out_what_it_names_and_nothing_else() -> None:
    brief = read_prompt("stars and clouds over the sea at night", "clouds, star, blurry, low quality, watermark")

    assert brief.things == ()
    assert brief.weather == frozenset()
    assert (brief.time, brief.grounds) == ("night", ("sea",))
    assert read_prompt("a cat", "ugly, deformed, text") == read_prompt("a cat")


@given(st.text(max_size=200), st.text(max_size=50))
def test_any_text_is_understood_somehow(prompt: str, negative: str) -> None:
    brief = read_prompt(prompt, negative)

    assert len(brief.digest) == 16
    assert brief == read_prompt(prompt, negative)
    assert brief.tint is None or brief.tint in COLOURS
