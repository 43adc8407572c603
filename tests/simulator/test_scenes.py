"""Scenes: every known word can be drawn at every size, and shows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.simulator.chance import Floats
from runpodkit.simulator.scenes import draw_scene
from runpodkit.simulator.vocabulary import COLOURS, KNOWN
from runpodkit.simulator.words import read_prompt


def scene(prompt: str, variant: int = 0, width: int = 40, height: int = 56) -> Floats:
    return draw_scene(read_prompt(prompt), variant, width, height)


def distance(one: Floats, two: Floats) -> float:
    return float(np.sqrt(((one - two) ** 2).mean()))


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(sorted({*KNOWN, *COLOURS})), min_size=1, max_size=6),
    st.integers(0, 7),
    st.sampled_from([(8, 8), (8, 64), (64, 8), (24, 40), (40, 24)]),
)
def test_any_known_words_make_a_picture_at_any_size(words: list[str], variant: int, size: tuple[int, int]) -> None:
    drawn = draw_scene(read_prompt(" ".join(words)), variant, *size)

    assert drawn.shape == (size[1], size[0], 3)
    assert drawn.min() >= -1
    assert drawn.max() <= 1
    assert drawn.std() > 0.01


def test_a_scene_is_drawn_alike_each_time_and_its_variants_differ() -> None:
    assert np.array_equal(scene("a lighthouse at dusk"), scene("a lighthouse at dusk"))
    drawn = [scene("a lighthouse at dusk", variant) for variant in range(4)]
    assert min(distance(drawn[i], drawn[j]) for i in range(4) for j in range(i)) > 0.05


def test_a_scene_looks_alike_at_two_sizes() -> None:
    small, large = scene("mountains at sunset", 0, 24, 32), scene("mountains at sunset", 0, 96, 128)

    assert distance(small, large.reshape(32, 4, 24, 4, 3).mean(axis=(1, 3))) < 0.06


def middle(drawn: Floats) -> Floats:
    """Mean colour of the middle third, 0..255."""
    height, width, _ = drawn.shape
    part = drawn[height // 3 : 2 * height // 3, width // 3 : 2 * width // 3]
    return np.asarray((part.mean(axis=(0, 1)) + 1) * 127.5)


@pytest.mark.parametrize("variant", range(3))
def test_hair_has_the_colour_asked_for(variant: int) -> None:
    blue, red = (scene(f"a girl with {colour} hair, portrait", variant) for colour in ("blue", "red"))
    hair = (slice(14, 22), slice(12, 28))  # above the forehead

    assert (blue[hair] - red[hair])[..., 2].mean() > 0.3
    assert (red[hair] - blue[hair])[..., 0].mean() > 0.3


def test_night_is_darker_than_day_and_sunset_warmer() -> None:
    day, night, sunset = (scene(f"the sea, {time}") for time in ("day", "night", "sunset"))
    sky = (slice(10, 28), slice(None))

    assert night.mean() < day.mean() - 0.4
    warmth = [float((drawn[sky][..., 0] - drawn[sky][..., 2]).mean()) for drawn in (day, sunset)]
    assert warmth[1] > warmth[0] + 0.3


@pytest.mark.parametrize(
    "word", ["lighthouse", "boat", "house", "castle", "windmill", "tree", "cat", "dog", "rainbow", "aurora", "moon",
             "balloon", "snow", "desert", "forest", "city", "mountains", "flowers", "girl", "man", "fog", "storm"],
)  # fmt: skip
def test_each_word_shows(word: str) -> None:
    assert distance(scene("a field, day"), scene(f"a field, day, {word}")) > 0.04


@pytest.mark.parametrize("colour", ["red", "green", "blue", "purple"])
def test_a_colour_of_the_whole_shows(colour: str) -> None:
    tinted = middle(scene(f"hills, day, {colour}"))
    away = np.array(COLOURS[colour]) - np.mean(COLOURS[colour])

    assert float(np.dot(tinted - tinted.mean(), away)) > 0
