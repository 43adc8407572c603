"""The native dialect: what it sends, what it refuses and what it lets through."""

from __future__ import annotations

import pytest

from runpodkit.endpoint.dialects import DIALECTS, get_dialect
from runpodkit.errors import ConfigError
from runpodkit.params import ImageParams

NATIVE = DIALECTS["native"]


def test_the_input_is_spelt_as_home_made_workers_take_it() -> None:
    params = ImageParams(user_prompt="a pier", use_enhanced_prompts=False, negative_prompt="fog", seed=7, steps=12)

    assert NATIVE.to_input(NATIVE.resolve(params)) == {
        "prompt": "a pier",
        "negative_prompt": "fog",
        "width": 832,
        "height": 1216,
        "steps": 12,
        "cfg_scale": 4.0,
        "seed": 7,
        "sampler_name": "Euler",
        "scheduler": "Euler A",
    }


def test_enhancement_changes_what_is_sent_and_not_what_was_asked() -> None:
    params = ImageParams(user_prompt="a pier", seed=7)

    sent = NATIVE.to_input(NATIVE.resolve(params))

    assert sent["prompt"].startswith("a pier, ")
    assert sent["negative_prompt"]
    assert params.user_prompt == "a pier"


def test_names_in_other_capitals_are_brought_into_the_worker_s_spelling() -> None:
    params = NATIVE.resolve(ImageParams(user_prompt="x", sampler_name="dpm++ 2m", scheduler="Karras"))

    assert (params.sampler_name, params.scheduler) == ("DPM++ 2M", "karras")


def test_an_unknown_sampler_is_refused_with_the_nearest_one_and_a_way_around() -> None:
    (refusal,) = NATIVE.refusals(ImageParams(user_prompt="x", sampler_name="Eular"))

    assert refusal.startswith(
        "sampler_name='Eular' is unknown to the native dialect: did you mean 'Euler'? known: Euler, "
    )
    assert refusal.endswith("""extra={"sampler_name": 'Eular'} sends it all the same""")


def test_extra_sends_any_name_as_it_is() -> None:
    params = ImageParams(user_prompt="x", seed=1, extra={"sampler_name": "MySampler", "lora_scale": 0.5})

    assert NATIVE.refusals(params) == []
    sent = NATIVE.to_input(NATIVE.resolve(params))
    assert (sent["sampler_name"], sent["lora_scale"]) == ("MySampler", 0.5)


@pytest.mark.parametrize(("field", "value"), [("num_images", 2), ("strength", 0.5), ("input_image", "a.png")])
def test_only_what_was_set_or_swept_can_be_refused(field: str, value: object) -> None:
    assert NATIVE.refusals(ImageParams(user_prompt="x")) == []
    (refusal,) = NATIVE.refusals(ImageParams(user_prompt="x", **{field: value}))
    assert refusal.startswith(f"{field}={value!r}: the native dialect has no such input")
    assert NATIVE.refusals(ImageParams(user_prompt="x"), swept=[field])


def test_an_unknown_dialect_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="RUNPODKIT_DIALECT='klingon' is unknown; known: native"):
        get_dialect("klingon")
