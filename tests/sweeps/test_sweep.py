"""Sweeps: order, numbering, seeds, plans and their hash, names, and all problems at once."""

from __future__ import annotations

import hashlib
import json
import pickle
import time
import tomllib

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from runpodkit.params import MAX_SEED, ImageParams
from runpodkit.sweeps.prompting import literal
from runpodkit.sweeps.sweep import Sweep, Trial, seeds, sweep

BASE = ImageParams(user_prompt="a pier", width=512, seed=7)


# Order


def test_the_last_axis_varies_fastest_and_numbers_start_at_nought():
    trials = Sweep(BASE, {"sampler_name": ["Euler", "Heun"], "steps": [5, 10, 20]}).trials("r")

    assert [(trial.number, trial.params.sampler_name, trial.params.steps) for trial in trials] == [
        (0, "Euler", 5),
        (1, "Euler", 10),
        (2, "Euler", 20),
        (3, "Heun", 5),
        (4, "Heun", 10),
        (5, "Heun", 20),
    ]
    assert trials[4].values == {"sampler_name": "Heun", "steps": 10}


def test_zip_takes_values_together():
    zipped = Sweep(BASE, {"width": [512, 512, 768], "height": [512, 768, 512]}, mode="zip")

    assert len(zipped) == 3
    assert [tuple(trial.values.values()) for trial in zipped.trials("r")] == [(512, 512), (512, 768), (768, 512)]


@pytest.mark.parametrize("mode", ["grid", "zip"])
def test_no_axes_are_one_trial(mode):
    trials = Sweep(BASE, mode=mode).trials("r")

    assert trials == [Trial(0, {}, BASE)]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=4))
def test_a_trials_number_is_its_values_places_read_as_digits(sizes):
    names = ["steps", "num_images", "extra.a", "extra.b"][: len(sizes)]
    trials = Sweep(BASE, {name: range(1, size + 1) for name, size in zip(names, sizes, strict=True)}).trials("r")

    for trial in trials:
        number = 0
        for name, size in zip(names, sizes, strict=True):
            number = number * size + trial.values[name] - 1
        assert trial.number == number
    assert len(trials) == np.prod(sizes)


# Parameters of trials


def test_trials_equal_parameters_that_were_validated():
    swept = Sweep(BASE, {"cfg_scale": [1, 2.5], "negative_prompt": [None, "fog"], "extra.lora_scale": [0.5]})

    for trial in swept.trials("r"):
        fields = {name: value for name, value in trial.values.items() if not name.startswith("extra.")}
        validated = ImageParams(user_prompt="a pier", width=512, seed=7, extra={"lora_scale": 0.5}, **fields)
        assert trial.params == validated
        assert trial.params.model_fields_set == validated.model_fields_set
        assert ImageParams(**trial.params.model_dump()) == trial.params


def test_parameters_of_trials_are_frozen_and_do_not_share_their_marks():
    first, second = sweep("a pier", steps=[5, 10]).trials("r")

    with pytest.raises(ValidationError):
        first.params.steps = 6
    assert first.params.model_fields_set == {"user_prompt", "steps", "seed"}
    assert first.params.model_fields_set is not second.params.model_fields_set


def test_values_have_the_type_of_their_field():
    trial = sweep("a pier", steps=np.array([5.0]), cfg_scale=[4]).trials("r")[0]

    assert (type(trial.params.steps), type(trial.params.cfg_scale)) == (int, float)
    assert (type(trial.values["steps"]), type(trial.values["cfg_scale"])) == (int, float)


def test_an_extra_axis_joins_the_other_extras():
    base = ImageParams(user_prompt="a pier", extra={"lora": "ink", "lora_scale": 9})
    trials = Sweep(base, {"extra.lora_scale": [0.5, 1]}).trials("r")

    assert [trial.params.extra for trial in trials] == [
        {"lora": "ink", "lora_scale": 0.5},
        {"lora": "ink", "lora_scale": 1},
    ]
    trials[0].params.extra["lora"] = "oil"
    assert trials[1].params.extra["lora"] == "ink"


def test_later_changes_of_what_was_given_change_nothing():
    extra, steps = {"loras": ["ink"]}, [5, 10]
    swept = Sweep(ImageParams(user_prompt="a pier", extra=extra), {"steps": steps})
    steps.append(20)
    extra["loras"].append("oil")
    swept.axes["steps"].append(30)

    assert swept.axes == {"steps": [5, 10]}
    assert swept.base.extra == {"loras": ["ink"]}
    with pytest.raises(AttributeError):
        swept.base = BASE


# Seeds


def test_a_given_seed_is_every_trials():
    assert {trial.params.seed for trial in Sweep(BASE, {"steps": [5, 10]}).trials("r")} == {7}


def test_an_axis_of_seeds_is_taken_as_it_is():
    assert [trial.params.seed for trial in sweep("a pier", seed=range(3)).trials("r")] == [0, 1, 2]


def test_an_unset_seed_is_drawn_once_from_plan_and_name():
    swept = sweep("a pier", steps=[5, 10])
    first = int(hashlib.sha256(f"{swept.hash}\nr".encode()).hexdigest()[:8], 16)

    assert {trial.params.seed for trial in swept.trials("r")} == {first}
    assert {trial.params.seed for trial in sweep("a pier", steps=[5, 10], seed=-1).trials("r")} == {first}
    assert {trial.params.seed for trial in swept.trials("other")} != {first}
    assert {trial.params.seed for trial in sweep("a pier", steps=[5, 20]).trials("r")} != {first}


def test_seeds_may_vary_from_trial_to_trial_and_stay_the_same_in_a_second_run():
    varied = sweep("a pier", steps="1-100", cfg_scale="1-30", seed="vary")
    drawn = [trial.params.seed for trial in varied.trials("r")]

    assert len(set(drawn)) == len(drawn) == 3000
    assert all(0 <= seed <= MAX_SEED for seed in drawn)
    assert drawn == [trial.params.seed for trial in Sweep.from_plan(varied.to_plan()).trials("r")]
    assert list(varied.trials("r")[0].values) == ["steps", "cfg_scale"]


def test_varying_seeds_can_be_said_in_three_ways():
    ways = [
        sweep("a pier", seed="vary"),
        Sweep(ImageParams(user_prompt="a pier", seed=3), {"seed": "vary"}),
        Sweep.from_plan({"base": {"user_prompt": "a pier", "seed": "vary"}}),
    ]
    assert all(way.seed_varies and way == ways[0] for way in ways)
    assert ways[0] != sweep("a pier")


def test_rk_seeds_are_fixed_distinct_and_a_prefix_of_more():
    assert seeds(3) == [271_828, 889_861, 507_894]
    assert seeds(5)[:3] == seeds(3)
    assert len(set(seeds(100_000))) == 100_000
    assert max(seeds(100_000)) <= MAX_SEED
    for n in (0, -1, 100_001):
        with pytest.raises(ValueError, match="is not within 1 to 100,000"):
            seeds(n)


# Which fields are axes


def test_lists_ranges_arrays_and_text_for_numbers_are_axes():
    swept = sweep(
        ["a pier", "a cat, sleeping"],
        steps="5-15 (+5)",
        cfg_scale=np.array([1, 4]),
        sampler_name="Euler, Heun",
        scheduler=("karras",),
        seed=range(2),
        width=pd.Series([512, 768]),
        use_enhanced_prompts="true, false",
    )

    assert swept.axes == {
        "user_prompt": ["a pier", "a cat, sleeping"],
        "steps": [5, 10, 15],
        "cfg_scale": [1.0, 4.0],
        "sampler_name": ["Euler", "Heun"],
        "scheduler": ["karras"],
        "seed": [0, 1],
        "width": [512, 768],
        "use_enhanced_prompts": [True, False],
    }
    assert list(swept.axes) == [
        "user_prompt",
        "steps",
        "cfg_scale",
        "sampler_name",
        "scheduler",
        "seed",
        "width",
        "use_enhanced_prompts",
    ]
    assert len(swept) == 2 * 3 * 2 * 2 * 1 * 2 * 2 * 2


def test_single_values_are_in_the_base():
    swept = sweep(
        "a pier, at dusk",
        negative_prompt="fog, rain",
        steps=np.int64(20),
        sampler_name="DPM++ 2M",
        scheduler="karras",
        extra={"lora": "ink"},
        **{"extra.lora_scale": 0.5},
    )

    assert swept.axes == {}
    assert swept.base == ImageParams(
        user_prompt="a pier, at dusk",
        negative_prompt="fog, rain",
        steps=20,
        sampler_name="DPM++ 2M",
        scheduler="karras",
        extra={"lora": "ink", "lora_scale": 0.5},
    )


def test_an_axis_takes_its_field_out_of_the_base():
    base = ImageParams(user_prompt="a pier", steps=99, extra={"x": 1})
    swept = Sweep(base, {"steps": [5], "user_prompt": ["a cat"], "extra.x": [2]})

    assert swept.to_plan()["base"] == {}
    assert swept.base.user_prompt == "a cat"
    assert swept.base.model_fields_set == {"user_prompt"}


# All problems at once


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"steps": [0, 1, 1], "sampler_name": [], "stps": [3], "height": 513},
            "height=513: input should be a multiple of 8; "
            "axis steps: 0 is below 1 (1 to 150 is allowed); axis steps: 1 is given more than once; "
            "axis sampler_name: empty: give at least one value; axis stps: not a parameter; did you mean steps?",
        ),
        (
            {"steps": [5, 10], "seed": [1], "cfg_scale": [31], "mode": "zip"},
            "axis cfg_scale: 31 is above 30 (0 to 30 is allowed); "
            "zip needs axes of equal length: steps has 2, seed has 1",
        ),
        ({"width": [512, 512], "steps": [5, 5], "mode": "zip"}, "zip gives the same trial twice: (512, 5)"),
        ({"steps": range(1, 102), "seed": range(1000)}, "101,000 trials are more than 100,000: use fewer values"),
        ({"seed": range(10_000), "extra.a": range(10_000), "extra.b": range(10_000)}, "1,000,000,000,000 trials"),
        ({"mode": "product"}, "mode='product' is neither 'grid' nor 'zip'"),
        ({"user_prompt": "x"}, "the prompt is the first argument"),
        ({"extra": {"x": float("nan")}}, "extra: not what JSON can hold"),
        ({"negative_prompt": {"fog"}}, "axis negative_prompt: a set has no order"),
        ({"seed": [-1]}, "axis seed: -1 is no seed: use rk.seeds(n)"),
        ({"seed": "varied"}, "axis seed: 'varied' is neither a number"),
        ({"frog": 3}, "frog is not a parameter; known: user_prompt"),
        ({"timeout": [1, 2]}, "axis timeout: not part of the picture"),
    ],
)
def test_bad_values_raise_at_once_in_one_line(fields, message):
    with pytest.raises(ValueError) as caught:
        sweep("a pier", **fields)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prompt", [[], "", ["a", ""], 5, None, ["a", "a"]])
def test_bad_prompts_are_refused(prompt):
    with pytest.raises(ValueError, match="user_prompt"):
        sweep(prompt)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            {"base": {"user_prompt": "x"}, "axis": {}, "moode": 1},
            "'axis' is not part of a plan; known: base, axes, mode",
        ),
        ({"base": {"user_prompt": "x"}, "policy": {}}, "'policy' is not part of a plan"),
        ({}, "user_prompt is required"),
        ({"base": [], "axes": 5}, "axes is not a table; base is not a table"),
        ({"base": {"user_prompt": "x", "seed": "often"}}, "seed='often'"),
        ({"base": {"user_prompt": "x"}, "axes": {"steps": 20}}, "axis steps: 20 is no list of values"),
        ({"base": {"user_prompt": "x"}, "axes": {"steps": []}}, "axis steps: empty"),
        ({"base": {"user_prompt": "x"}, "mode": ["grid"]}, "mode=['grid'] is neither"),
        ({"base": {5: 1}}, "names in base must be text"),
    ],
)
def test_bad_plans_are_refused(plan, message):
    with pytest.raises(ValueError) as caught:
        Sweep.from_plan(plan)

    assert message in str(caught.value)


# Plans


def test_a_plan_holds_what_was_set_and_nothing_else():
    assert sweep("a pier", width=512, steps="5-10 (+5)", seed="vary").to_plan() == {
        "base": {"user_prompt": "a pier", "width": 512, "seed": "vary"},
        "axes": {"steps": [5, 10]},
        "mode": "grid",
    }


def test_a_plan_may_be_written_as_toml():
    plan = tomllib.loads(
        """
        mode = "grid"
        [base]
        user_prompt = "a pier, at dusk"
        extra.lora = "ink"
        [axes]
        sampler_name = "Euler, 'DPM++ 2M'"
        steps = "5-20 [4]"
        extra.lora_scale = [0.5, 1]
        """
    )

    assert Sweep.from_plan(plan).to_plan() == {
        "base": {"user_prompt": "a pier, at dusk", "extra": {"lora": "ink"}},
        "axes": {"sampler_name": ["Euler", "DPM++ 2M"], "steps": [5, 10, 15, 20], "extra.lora_scale": [0.5, 1]},
        "mode": "grid",
    }


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
base_fields = st.fixed_dictionaries(
    {"user_prompt": texts},
    optional={
        "negative_prompt": st.none() | texts,
        "use_enhanced_prompts": st.booleans(),
        "width": st.sampled_from([64, 512, 4096]),
        "cfg_scale": st.floats(0, 30),
        "seed": st.integers(-1, MAX_SEED),
        "scheduler": texts,
        "strength": st.none() | st.floats(0, 1),
        "extra": st.dictionaries(texts, json_values, max_size=2),
    },
)
axis_values = st.fixed_dictionaries(
    {},
    optional={
        "user_prompt": st.lists(texts, min_size=1, max_size=3, unique=True),
        "steps": st.lists(st.integers(1, 150), min_size=1, max_size=3, unique=True),
        "seed": st.just("vary") | st.lists(st.integers(0, MAX_SEED), min_size=1, max_size=3, unique=True),
        "cfg_scale": st.lists(st.floats(0, 30), min_size=1, max_size=3, unique=True),
        "extra.x": st.lists(st.integers() | texts, min_size=1, max_size=3, unique=True),
    },
)


@settings(max_examples=150)
@given(base_fields, axis_values, st.permutations(["user_prompt", "steps", "seed", "cfg_scale", "extra.x"]))
def test_to_plan_and_from_plan_are_inverse_through_json_too(base, axes, order):
    swept = Sweep(ImageParams(**base), {name: axes[name] for name in order if name in axes})
    again = Sweep.from_plan(json.loads(json.dumps(swept.to_plan())))

    assert again == swept
    assert again.hash == swept.hash
    assert again.to_plan() == swept.to_plan()
    assert list(again.axes) == list(swept.axes)
    assert again.base == swept.base
    assert again.base.model_fields_set == swept.base.model_fields_set
    assert again.trials("r") == swept.trials("r")
    assert len(again.trials("r")) == len(swept)
    assert again.difference(swept) == ""
    assert all(trial.params.seed >= 0 for trial in swept.trials("r"))


# Hash, equality, names, reprs


def test_the_hash_is_sha256_of_the_documented_json():
    swept = sweep("Пирс", cfg_scale=[4.0, 0.5], steps="5-10 (+5)", width=512)
    written_by_hand = (
        '{"axes":[["cfg_scale",[4,0.5]],["steps",[5,10]]],'
        '"base":{"user_prompt":"\\u041f\\u0438\\u0440\\u0441","width":512},"mode":"grid"}'
    )

    assert swept.hash == hashlib.sha256(written_by_hand.encode("ascii")).hexdigest()
    assert swept.hash == "473b8ae8ccab41eb171b9dcfa4ff1a7b478ac5b29c2ee32fa5e2bf4445065e91"


def test_equal_sweeps_hash_alike_however_they_were_written():
    one = sweep("a pier", steps="5-15 (+5)", cfg_scale=[4], width=512, height=768)
    other = Sweep(
        ImageParams(height=768, width=512, user_prompt="a pier", steps=1, seed=-1),
        {"steps": (5.0, 10, 15), "cfg_scale": [4.0]},
    )

    assert one == other
    assert len({one, other}) == 1
    assert one != "a pier"
    assert pickle.loads(pickle.dumps(one)) == one


def test_the_order_of_axes_numbers_trials_so_it_is_in_the_hash():
    assert sweep("a pier", steps=[5], seed=[1]) != sweep("a pier", seed=[1], steps=[5])


@pytest.mark.parametrize(
    ("swept", "words"),
    [
        (
            sweep("A lighthouse, at dusk!", sampler_name=["Euler", "Heun"], steps=[5]),
            "a-lighthouse-at-dusk-sampler-steps",
        ),
        (sweep(["a pier", "b"]), "a-pier"),
        (sweep("маяк", steps=[5, 10]), "steps"),
        (sweep("маяк"), "sweep"),
        (sweep("café ../../etc"), "cafe-etc"),
        (sweep("a " + "very " * 20 + "long prompt", seed=[1]), "a-very-very-very-very-very-very-seed"),
        (sweep("x" * 300), "x" * 39),
        (
            sweep("pier", **{"extra.lora_scale": [1], "cfg_scale": [1], "negative_prompt": ["a"]}),
            "pier-extra-lora-scale-cfg",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_default_names_tell_prompt_and_axes(swept, words):
    assert swept.default_name == f"{words}-{swept.hash[:6]}"


@given(texts, st.sets(st.sampled_from(["steps", "seed", "width", "negative_prompt", "use_enhanced_prompts"])))
def test_default_names_are_safe_and_short(prompt, axes):
    values = {"negative_prompt": ["a"], "use_enhanced_prompts": [True]}
    name = sweep(literal(prompt), **{axis: values.get(axis, [64]) for axis in axes}).default_name

    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
    assert len(name) <= 47
    assert not name.startswith("-")


def test_reprs_are_short_and_say_where_trials_come_from():
    assert repr(sweep("a pier")) == "<Sweep 'a pier': 1 trial>"
    assert (
        repr(sweep("a pier", sampler_name="Euler, Heun, DDIM", steps=[5, 10], seed=range(1000)))
        == "<Sweep 'a pier': 6,000 trials = 3 sampler_name × 2 steps × 1000 seed>"
    )
    assert (
        repr(sweep("a pier", width=[512, 768], height=[768, 512], mode="zip"))
        == "<Sweep 'a pier': 2 trials = 2 width with 2 height>"
    )
    assert len(repr(sweep("pier\n" * 700))) < 80


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"steps": [5, 20]}, "steps [5, 10] here, [5, 20] there"),
        ({"steps": [5, 10], "width": 512}, "width not set here, 512 there"),
        ({"steps": 5}, "steps [5, 10] here, 5 there"),
        ({"steps": [5, 10], "seed": "vary"}, "seed not set here, 'vary' there"),
        ({"steps": [5, 10], "mode": "zip"}, "mode grid here, zip there"),
        ({"steps": [5, 10]}, ""),
    ],
)
def test_a_difference_names_what_differs(fields, expected):
    assert sweep("a pier", steps=[5, 10]).difference(sweep("a pier", **fields)) == expected


def test_a_difference_stays_one_line_and_tells_of_order():
    one, other = sweep("a pier", steps=[5], seed=[1]), sweep("a pier", seed=[1], steps=[5])
    assert one.difference(other) == "axes ordered steps, seed here, seed, steps there"

    long = one.difference(sweep("b\n" * 900, steps=range(1, 11), seed=range(10_000)))
    assert "\n" not in long
    assert len(long) < 600
    assert "[10000 values: 0, 1, 2," in long


# Size


def test_ten_times_the_trials_cost_about_ten_times_the_work():
    def cpu_s(seeds: int) -> float:
        swept = sweep("a pier", steps="1-100", seed=range(seeds))
        began = time.process_time()
        assert len(swept.trials("r")) == 100 * seeds
        return time.process_time() - began

    assert min(cpu_s(100) for _ in range(3)) < 25 * min(cpu_s(10) for _ in range(5))  # quadratic would be 100 times
