"""The `parameters` text: written as other tools read it, read as other tools write it."""

from __future__ import annotations

import contextlib
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.images.infotext import holds_settings, read_infotext, write_infotext, written_by
from runpodkit.params import ImageParams

PARAMS = ImageParams(
    user_prompt="a lighthouse",
    width=512,
    height=768,
    steps=20,
    cfg_scale=7,
    seed=965400086,
    sampler_name="DPM++ 2M",
    scheduler="karras",
)


def test_the_text_is_written_in_the_order_and_spelling_of_a1111():
    text = write_infotext(PARAMS, "a lighthouse, sharp", "blurry", {"model": "sd_xl_base", "job": "x"})

    assert text == (
        "a lighthouse, sharp\n"
        "Negative prompt: blurry\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 965400086, Size: 512x768, "
        "Model: sd_xl_base, Version: runpodkit"
    )


def test_an_empty_negative_prompt_and_the_workers_own_schedule_have_no_words():
    plain = ImageParams(user_prompt="x", seed=1, cfg_scale=4.5)

    assert write_infotext(plain, "x", "", {}) == (
        "x\nSteps: 30, Sampler: Euler, CFG scale: 4.5, Seed: 1, Size: 832x1216, Version: runpodkit"
    )


def test_values_with_commas_colons_or_line_breaks_are_json_strings():
    text = write_infotext(PARAMS, "p", "", {"model": 'a, "b": в\nc'})

    assert 'Model: "a, \\"b\\": в\\nc", Version' in text


def test_a_text_of_a1111_is_read():
    params = read_infotext(
        "masterpiece, girl with blue hair,\nsecond line\n"
        "Negative prompt: (worst quality:1.2),\nlowres\n"
        "Steps: 25, Sampler: Euler a, Schedule type: SGM Uniform, CFG scale: 6.5, Seed: 42, Size: 640x960, "
        'Model hash: 6ce0161689, Model: v1-5, Lora hashes: "a: 12, b: 34", Version: v1.10.1'
    )

    assert params.user_prompt == "masterpiece, girl with blue hair,\nsecond line"
    assert params.negative_prompt == "(worst quality:1.2),\nlowres"
    assert (params.steps, params.sampler_name, params.scheduler) == (25, "Euler a", "sgm_uniform")
    assert (params.cfg_scale, params.seed, params.width, params.height) == (6.5, 42, 640, 960)
    assert params.use_enhanced_prompts is False


@pytest.mark.parametrize(
    ("settings", "sampler", "scheduler"),
    [
        ("Sampler: DPM++ 2M Karras", "DPM++ 2M", "karras"),
        ("Sampler: DPM++ 3M SDE Exponential", "DPM++ 3M SDE", "exponential"),
        ("Sampler: Euler, Schedule type: Automatic", "Euler", "Euler A"),
        ("Sampler: Euler, Schedule type: Align Your Steps", "Euler", "Align Your Steps"),
    ],
)
def test_samplers_of_older_and_newer_versions_are_read(settings, sampler, scheduler):
    params = read_infotext(f"x\nSteps: 20, {settings}, CFG scale: 7, Seed: 1")

    assert (params.sampler_name, params.scheduler) == (sampler, scheduler)


def test_a_last_line_with_fewer_than_three_settings_is_prompt():
    assert read_infotext("a cat\nratio: 1:2, odd").user_prompt == "a cat\nratio: 1:2, odd"


@pytest.mark.parametrize(
    "text", ["", "   \n ", "Steps: 20, Sampler: Euler, Seed: 1", "x\nSteps: 900, Sampler: E, Seed: 1"]
)
def test_no_prompt_or_values_out_of_bounds_are_a_value_error(text):
    with pytest.raises(ValueError):
        read_infotext(text)


@pytest.mark.parametrize("line", ["a " * 50_000, "ab:" * 30_000, 'ab:"' * 30_000, "a:" + "\\" * 90_000, "x" * 99_000])
def test_a_settings_line_made_to_be_slow_is_not(line):
    def cpu_s(length: int) -> float:
        began = time.process_time()
        with contextlib.suppress(ValueError):
            read_infotext(f"p\n{line[:length]}")
        return time.process_time() - began

    small = max(min(cpu_s(len(line) // 8) for _ in range(3)), 0.002)

    assert cpu_s(len(line)) < 40 * small  # 8 times the text; quadratic would be 64 times


def test_a_line_behind_the_settings_is_not_prompt():
    params = read_infotext("a cat\nSteps: 9, Sampler: Heun, Seed: 4\nTemplate: a {cat|dog}\nNegative Template: x")

    assert (params.user_prompt, params.steps) == ("a cat", 9)


@pytest.mark.parametrize(
    ("ending", "tool"),
    [
        ("Version: v1.10.1", "A1111"),
        ("Version: f2.0.1v1.10.1-previous-669-gdfdcbab6", "Forge"),
        ("Version: neo-2.24", "Forge"),
        ("App: SD.Next, Version: 8b73cb6", "SD.Next"),
        ("Version: Fooocus v2.5.5", "Fooocus"),
        ("Version: ComfyUI", "ComfyUI"),
        ("Version: runpodkit", "runpodkit"),
        ("Model: x", "A1111"),
    ],
)
def test_the_settings_tell_the_tool(ending, tool):
    assert written_by(f"x\nSteps: 1, Sampler: E, Seed: 1, {ending}") == tool


@pytest.mark.parametrize("comment", ["Created with GIMP", "", "a: 1, b", "Steps: 3"])
def test_a_comment_without_settings_holds_none(comment):
    assert not holds_settings(comment)


pieces = st.lists(
    st.sampled_from(
        ["Steps:", "Steps: 3, Sampler: x, Seed: 4", "Negative prompt:", "\n", " ", "a", "steps", ",", ":", '"']
    ),
    min_size=1,
    max_size=12,
).map("".join)


def trimmed(text: str) -> list[str]:
    return [line.rstrip().lower() for line in text.strip().split("\n")]


@settings(deadline=None)
@given(pieces.filter(str.strip), pieces)
def test_headings_within_the_words_mislead_no_reader(prompt, negative):
    text = write_infotext(PARAMS, prompt, negative, {})

    again = read_infotext(text)

    assert again.user_prompt.lower() == prompt.strip().lower()
    assert trimmed(again.negative_prompt or "") == trimmed(negative)  # its first line loses blanks at its end
    assert again.steps == 20
    lines = text.split("\n")
    assert [at for at, line in enumerate(lines) if line.startswith("Steps:")] == [len(lines) - 1]
    assert text.count("Negative prompt:") == (1 if negative else 0)


words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=60).filter(
    str.strip
)


@settings(deadline=None)
@given(
    prompt=words,
    negative=st.one_of(st.just(""), words),
    steps=st.integers(1, 150),
    cfg=st.integers(0, 300),
    seed=st.integers(0, 2**32 - 1),
    size=st.tuples(st.integers(8, 512), st.integers(8, 512)),
    scheduler=st.sampled_from(["normal", "karras", "exponential", "simple", "sgm_uniform", "Euler A", "a, b: c"]),
)
def test_what_is_written_reads_back(prompt, negative, steps, cfg, seed, size, scheduler):
    if re.match(r"\s*Negative prompt:", prompt) or "\u2028" in prompt + negative:
        return  # the form has no way to say it
    params = ImageParams(
        user_prompt=prompt,
        negative_prompt=negative,
        use_enhanced_prompts=False,
        steps=steps,
        cfg_scale=cfg / 10,
        seed=seed,
        width=size[0] * 8,
        height=size[1] * 8,
        scheduler=scheduler,
    )

    again = read_infotext(write_infotext(params, prompt, negative, {}))

    assert again.user_prompt == prompt.strip()
    assert again.negative_prompt == negative.strip()
    assert again.model_dump(exclude={"user_prompt", "negative_prompt"}) == params.model_dump(
        exclude={"user_prompt", "negative_prompt"}
    )
