"""Presets and what they make of prompts."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.params import ImageParams
from runpodkit.prompts import PRESETS, Preset, SentPrompt, enhance

DOGS = Preset("dogs", quality="good dog, sharp", negative="cats, blurry")


def sent(prompt: str = "a pier", preset: Preset = DOGS, **fields: object) -> SentPrompt:
    return enhance(ImageParams(user_prompt=prompt, **fields), preset)


def test_the_built_in_presets_are_none_and_general():
    assert list(PRESETS) == ["none", "general"]
    assert all(name == preset.name for name, preset in PRESETS.items())


def test_presets_cannot_be_replaced_by_accident():
    with pytest.raises(TypeError):
        PRESETS["none"] = DOGS


@given(st.text(min_size=1, max_size=50), st.text(max_size=50))
def test_the_preset_none_sends_what_was_typed(prompt, negative):
    assert sent(prompt, PRESETS["none"], negative_prompt=negative) == (prompt, negative)


def test_general_adds_a_few_words_to_both_prompts():
    assert sent("a pier", PRESETS["general"]) == (
        "a pier, highly detailed, sharp focus, balanced composition",
        "blurry, low quality, deformed, watermark, text",
    )


def test_without_enhancement_both_prompts_go_as_they_are():
    assert sent(use_enhanced_prompts=False) == ("a pier", "")
    assert sent(use_enhanced_prompts=False, negative_prompt="fog") == ("a pier", "fog")


@pytest.mark.parametrize(
    ("negative", "expected"),
    [(None, "cats, blurry"), ("", ""), ("fog", "fog, cats, blurry"), ("fog, Blurry", "fog, Blurry, cats")],
)
def test_an_unset_negative_prompt_is_the_presets_and_an_empty_one_stays_empty(negative, expected):
    assert sent(negative_prompt=negative).negative_prompt == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a SHARP pier", "a SHARP pier, good dog"),
        ("a pier, (good  dog:1.2)", "a pier, (good  dog:1.2), sharp"),
        ("a sharpened pier", "a sharpened pier, good dog, sharp"),
        ("sharp good dog", "sharp good dog"),
    ],
)
def test_a_word_the_prompt_already_has_is_not_given_twice(prompt, expected):
    assert sent(prompt).prompt == expected


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("a pier, ", "a pier, good dog, sharp"),
        ("A pier.", "A pier. good dog, sharp"),
        (" , ", "good dog, sharp"),
        ("пирс", "пирс, good dog, sharp"),
    ],
)
def test_words_join_as_a_person_would_write_them(prompt, expected):
    assert sent(prompt).prompt == expected


@given(st.text(min_size=1, max_size=80))
def test_enhancing_what_was_enhanced_changes_nothing(prompt):
    once = sent(prompt, PRESETS["general"]).prompt
    assert sent(once, PRESETS["general"]).prompt == once
