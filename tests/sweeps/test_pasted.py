"""Names of axes in other grid tools, and what they are called here."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.params import ImageParams
from runpodkit.sweeps.pasted import axis_name, sizes


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Seed", "seed"),
        ("Steps", "steps"),
        ("CFG Scale", "cfg_scale"),
        ("cfg", "cfg_scale"),
        ("Sampler", "sampler_name"),
        ("Schedule type", "scheduler"),
        ("Size", "width+height"),
        ("Denoising", "strength"),
        ("Prompt S/R", "replace"),
        ("Prompt order", "order"),
        ("[Param] Steps", "steps"),
        ("  cfg  SCALE ", "cfg_scale"),
        ("Negative_Prompt", "negative_prompt"),
        ("Use enhanced prompts", "use_enhanced_prompts"),
        ("extra.Lora", "extra.Lora"),
        ("width+height", "width+height"),
        ("endpoint", "endpoint"),
    ],
)
def test_names_of_other_tools_are_understood(text, name):
    assert axis_name(text) == name


@pytest.mark.parametrize("field", ImageParams.model_fields)
def test_our_own_names_stay(field):
    assert axis_name(field) == field


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Checkpoint name", "axis 'Checkpoint name': a model is an endpoint here"),
        ("Clip skip", "it is an axis extra.NAME under the worker's name"),
        ("Nothing", "leave the axis out"),
        ("Stepps", "axis 'Stepps' is not known; did you mean steps?"),
        ("", "axis '' is not known; known: seed, steps, cfg_scale, "),
    ],
)
def test_what_is_no_axis_here_is_told(text, message):
    with pytest.raises(ValueError) as caught:
        axis_name(text)

    assert message in str(caught.value)


@given(st.integers(1, 99_999), st.integers(1, 99_999), st.sampled_from(["x", " X ", "×", "*"]))
def test_sizes_are_width_and_height(width, height, sign):
    assert sizes([f" {width}{sign}{height} "] * 2) == [(width, height)] * 2


def test_everything_that_is_no_size_is_told():
    with pytest.raises(ValueError, match="'832', 'a': a size is written as 832x1216"):
        sizes(["832x1216", "832", "a"])
