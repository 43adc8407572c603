"""Code for a cell: what is written evaluates to what it was made from."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

import runpodkit as rk
from runpodkit.notebook.code import picture_code, sweep_code
from runpodkit.params import ImageParams
from runpodkit.sweeps.sweep import Sweep

PROMPTS = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=200)


class Kit:
    """Takes what `kit.generate` takes."""

    @staticmethod
    def generate(prompt: str, **fields: Any) -> ImageParams:
        return ImageParams(user_prompt=prompt, **fields)


@given(
    PROMPTS,
    st.fixed_dictionaries(
        {},
        optional={
            "negative_prompt": PROMPTS | st.none(),
            "steps": st.integers(1, 150),
            "cfg_scale": st.floats(0, 30),
            "seed": st.integers(-1, 2**32 - 1),
            "extra": st.dictionaries(st.text(min_size=1), st.integers() | st.text()),
        },
    ),
)
def test_the_code_of_a_picture_asks_for_the_same_parameters(prompt: str, fields: dict[str, Any]) -> None:
    params = ImageParams(user_prompt=prompt, **fields)

    again = eval(picture_code(params), {"kit": Kit})

    assert again == params
    assert again.model_fields_set == params.model_fields_set


AXES = {
    "steps": st.lists(st.integers(1, 150), min_size=1, max_size=6, unique=True),
    "seed": st.lists(st.integers(0, 2**32 - 1), min_size=1, max_size=6, unique=True) | st.just("vary"),
    "cfg_scale": st.lists(st.integers(0, 30).map(float), min_size=1, max_size=4, unique=True),
    "sampler_name": st.lists(st.sampled_from(["Euler", "Heun", "a, b", "it's"]), min_size=1, max_size=3, unique=True),
    "user_prompt": st.lists(PROMPTS, min_size=1, max_size=3, unique=True),
    "extra.lora_scale": st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True),
}


@settings(max_examples=200)
@given(
    st.permutations(list(AXES)).flatmap(
        lambda names: st.integers(0, len(names)).flatmap(
            lambda n: st.fixed_dictionaries({name: AXES[name] for name in names[:n]})
        )
    ),
    st.fixed_dictionaries(
        {}, optional={"width": st.just(512), "sampler_name": st.just("a, b"), "extra": st.just({"a": [1]})}
    ),
)
def test_the_code_of_a_sweep_makes_the_same_sweep(axes: dict[str, Any], base: dict[str, Any]) -> None:
    plan = Sweep(ImageParams(user_prompt="a fox", **base), axes)

    assert eval(sweep_code(plan), {"rk": rk, "range": range}) == plan


def test_a_short_sweep_reads_as_a_person_would_write_it() -> None:
    plan = rk.sweep("a lighthouse", width=512, sampler_name=["Euler", "Heun"], steps=range(5, 21, 5), seed=range(4))

    assert sweep_code(plan) == (
        "rk.sweep('a lighthouse', width=512, sampler_name=['Euler', 'Heun'], steps=range(5, 21, 5), seed=range(4))"
    )


def test_a_zip_and_a_seed_per_trial_stay_what_they_are() -> None:
    plan = rk.sweep("a fox", steps=[1, 2], cfg_scale=[3, 4], seed="vary", mode="zip")

    assert sweep_code(plan) == "rk.sweep('a fox', steps=[1, 2], cfg_scale=[3.0, 4.0], seed='vary', mode='zip')"
    assert eval(sweep_code(plan), {"rk": rk}) == plan


def test_a_long_call_gets_a_line_per_argument() -> None:
    code = picture_code(ImageParams(user_prompt="a fox " * 20, steps=3))

    assert code.splitlines()[-2:] == ["    steps=3,", ")"]


def test_what_the_short_form_cannot_say_is_written_as_a_plan() -> None:
    sizes = {"portrait": {"width": 64, "height": 128}, "wide": {"width": 128, "height": 64}}
    for plan in (
        rk.sweep("a {red|blue} fox", size=sizes, steps=[5, 10], where="steps > 5 or size == 'wide'", repeats=2),
        rk.sweep("a fox", steps=[5, 10], width=[64, 128], by_cost=False),
        rk.sweep("a fox at dusk", time=rk.replace("dusk", ["dawn"]), sample=rk.random(1)),
        rk.sweep(r"a \{red\|blue\} fox", steps=[5, 10]),
        Sweep(ImageParams(user_prompt="a {red|blue} fox"), {"steps": [5, 10]}),
    ):
        again = eval(sweep_code(plan), {"rk": rk, "range": range})

        assert again == plan
        assert again.trials("r") == plan.trials("r")
