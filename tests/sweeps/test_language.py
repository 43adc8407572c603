"""The language of sweeps: axes of several fields, labels, edits of prompts, groups, rules, samples, repeats, orders."""

from __future__ import annotations

import gc
import json
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.params import ImageParams
from runpodkit.sweeps.axes import canonical
from runpodkit.sweeps.prompting import permutations, replace
from runpodkit.sweeps.sampling import latin, random
from runpodkit.sweeps.sweep import Sweep, single, sweep

BASE = ImageParams(user_prompt="a pier at dusk", seed=7)
SIZES = [(832, 1216), (1216, 832)]
LABELLED = {"portrait": {"width": 832, "height": 1216}, "wide": {"width": 1216, "height": 832}}


def values(plan: Sweep) -> list[tuple[Any, ...]]:
    return [tuple(trial.values.values()) for trial in plan.trials("r")]


# Several fields at once, labels


@pytest.mark.parametrize("name", [("width", "height"), "width+height"])
@pytest.mark.parametrize("given", [SIZES, [[832, 1216], [1216, 832]], "832x1216, 1216x832"])
def test_coupled_fields_change_together_and_have_a_label(name, given):
    plan = sweep("a pier", axes={name: given}, steps=[5])

    assert plan.axes == {"steps": [5], "width+height": ["832×1216", "1216×832"]}
    assert [(trial.params.width, trial.params.height) for trial in plan.trials("r")] == SIZES
    assert plan.to_plan()["axes"]["width+height"] == [[832, 1216], [1216, 832]]


def test_coupled_fields_that_are_no_numbers_are_joined_by_a_dot():
    plan = Sweep(BASE, {("sampler_name", "steps"): [("Euler", 20), ("Heun", 10)]})

    assert plan.axes == {"sampler_name+steps": ["Euler · 20", "Heun · 10"]}


def test_labelled_values_set_several_fields():
    plan = sweep("a pier", size=LABELLED)

    assert plan.axes == {"size": ["portrait", "wide"]}
    assert [(trial.values["size"], trial.params.width, trial.params.height) for trial in plan.trials("r")] == [
        ("portrait", 832, 1216),
        ("wide", 1216, 832),
    ]


def test_a_label_that_leaves_a_field_alone_leaves_what_the_base_has():
    plan = Sweep(ImageParams(user_prompt="x", steps=9, seed=1), {"kind": {"a": {"steps": 5}, "b": {"cfg_scale": 2}}})

    assert [(trial.params.steps, trial.params.cfg_scale) for trial in plan.trials("r")] == [(5, 4.0), (9, 2.0)]
    assert Sweep.from_plan(plan.to_plan()).trials("r") == plan.trials("r")


def test_values_of_one_field_may_have_labels():
    plan = sweep("a pier", cfg_scale={"low": 2, "high": 9})

    assert [(trial.values["cfg_scale"], trial.params.cfg_scale) for trial in plan.trials("r")] == [
        ("low", 2.0),
        ("high", 9.0),
    ]


def test_worker_specific_inputs_may_lie_in_tables():
    base = ImageParams(user_prompt="x", extra={"lora": {"name": "ink", "scale": 9}})
    plan = Sweep(base, {"extra.lora.scale": [0.5, 1]})

    assert [trial.params.extra for trial in plan.trials("r")] == [
        {"lora": {"name": "ink", "scale": 0.5}},
        {"lora": {"name": "ink", "scale": 1}},
    ]
    assert plan.base.extra == {"lora": {"name": "ink"}}
    assert Sweep.from_plan({"base": {"user_prompt": "x"}, "axes": {"extra": {"lora": {"scale": [1]}}}}).axes == {
        "extra.lora.scale": [1]
    }


# Prompts


def test_a_label_in_a_file_sets_one_input_of_a_table_and_leaves_the_others():
    plan = Sweep.from_toml(
        """
        [base]
        user_prompt = "a pier"
        extra.lora.name = "ink"
        [axes]
        style.strong = { extra.lora.scale = 1.5, steps = 20 }
        style.plain = { steps = 10 }
        """
    )

    loras = [trial.params.extra["lora"] for trial in plan.trials("r")]
    assert loras == [{"name": "ink", "scale": 1.5}, {"name": "ink"}]
    assert Sweep.from_toml(plan.to_toml()).trials("r") == plan.trials("r")


def test_search_and_replace_has_the_prompt_as_it_stands_first():
    plan = sweep("a pier at dusk", time=replace("dusk", ["dawn", "noon"]), seed=1)

    assert [(trial.values["time"], trial.params.user_prompt) for trial in plan.trials("r")] == [
        ("dusk", "a pier at dusk"),
        ("dawn", "a pier at dawn"),
        ("noon", "a pier at noon"),
    ]
    assert len(sweep("a pier at dusk", time=replace("dusk", ["dawn"], keep=False))) == 1


def test_several_edits_compose_over_several_prompts():
    plan = sweep(
        ["a cat at dusk", "the cat, dusk"], time=replace("dusk", ["dawn"]), who=replace("cat", ["dog"]), seed=1
    )

    assert [trial.params.user_prompt for trial in plan.trials("r")] == [
        "a cat at dusk",
        "a dog at dusk",
        "a cat at dawn",
        "a dog at dawn",
        "the cat, dusk",
        "the dog, dusk",
        "the cat, dawn",
        "the dog, dawn",
    ]


def test_what_one_edit_writes_may_be_searched_by_the_next():
    long = "a lighthouse on a cliff above the sea, seen at dusk"
    plan = sweep(f"{{{long}|a pier at dusk}}", time=replace("dusk", ["dawn"]), seed=1)

    assert [trial.params.user_prompt for trial in plan.trials("r")] == [
        long,
        long.replace("dusk", "dawn"),
        "a pier at dusk",
        "a pier at dawn",
    ]


def test_the_negative_prompt_may_be_edited():
    plan = sweep("a pier", negative_prompt="fog, rain", sky=replace("fog", ["snow"], "negative_prompt"))

    assert [trial.params.negative_prompt for trial in plan.trials("r")] == ["fog, rain", "snow, rain"]


def test_parts_of_a_prompt_come_in_all_orders():
    plan = sweep("a cat and a dog", order_of=permutations(["cat", "dog"]), seed=1)

    assert [trial.params.user_prompt for trial in plan.trials("r")] == ["a cat and a dog", "a dog and a cat"]


def test_alternatives_in_braces_are_an_axis_each():
    plan = sweep("a {red|blue} pier at {dawn|noon}", seed=1)

    assert plan.axes == {"red|blue": ["red", "blue"], "dawn|noon": ["dawn", "noon"]}
    assert [trial.params.user_prompt for trial in plan.trials("r")] == [
        "a red pier at dawn",
        "a red pier at noon",
        "a blue pier at dawn",
        "a blue pier at noon",
    ]
    assert sweep(["a {b|c}", "d"]).axes == {"user_prompt": ["a b", "a c", "d"]}


@pytest.mark.parametrize(
    ("prompt", "drawn"),
    [
        (r"\{red\|blue\} {red|blue}", ["{red|blue} red", "{red|blue} blue"]),
        (r"{x \{c\|d\}|y} {c|d}", ["x {c|d} c", "x {c|d} d", "y c", "y d"]),
        ("{a} {b|c} ①", ["{a} b ①", "{a} c ①"]),
        ("{a|b}{a|b}", ["aa", "ab", "ba", "bb"]),
    ],
)
def test_alternatives_never_touch_braces_that_read_like_them(prompt, drawn):
    plan = sweep(prompt, seed=1)

    assert [trial.params.user_prompt for trial in plan.trials("r")] == drawn
    assert Sweep.from_toml(plan.to_toml()).trials("r") == plan.trials("r")


def test_braces_are_taken_as_they_are_where_they_are_escaped_or_a_plan_has_them():
    assert single("a {b|c}").base.user_prompt == "a {b|c}"
    assert sweep(r"a \{b\|c\}").base.user_prompt == "a {b|c}"
    assert Sweep.from_plan({"base": {"user_prompt": "a {b|c}"}}).axes == {}
    assert Sweep(ImageParams(user_prompt="a {b|c}")).trials("r")[0].params.user_prompt == "a {b|c}"


# Groups


def test_some_axes_go_together_while_the_others_multiply():
    plan = sweep("a pier", steps=[5, 10], seed=[1, 2], cfg_scale=[2, 4], together=[("steps", "cfg_scale")])

    assert list(plan.axes) == ["steps", "seed", "cfg_scale"]
    assert values(plan) == [(5, 1, 2.0), (5, 2, 2.0), (10, 1, 4.0), (10, 2, 4.0)]
    assert plan.units == [("steps", "cfg_scale"), ("seed",)]


# Rules and samples


@pytest.mark.parametrize(
    "rule",
    [
        "steps > 5 or sampler_name == 'Heun'",
        ["steps > 5 or sampler_name == 'Heun'"],
        lambda steps, sampler_name: steps > 5 or sampler_name == "Heun",
    ],
)
def test_a_rule_leaves_cells_out(rule):
    plan = sweep("a pier", sampler_name=["Euler", "Heun"], steps=[5, 10], where=rule)

    assert values(plan) == [("Euler", 10), ("Heun", 5), ("Heun", 10)]
    assert Sweep.from_plan(plan.to_plan()).trials("r") == plan.trials("r")


def test_a_rule_knows_labels_and_the_fields_behind_them_and_the_base():
    plan = Sweep(BASE, {"size": LABELLED, "cfg_scale": {"low": 2, "high": 9}}, where="width > 1000 and cfg_scale < 5")
    assert values(plan) == [("wide", "low")]
    assert values(Sweep(BASE, {"size": LABELLED}, where="size == 'wide' and seed == 7")) == [("wide",)]


@pytest.mark.parametrize(
    "rule", ["'red' in user_prompt and 'dawn' in user_prompt", lambda user_prompt: "d d" in user_prompt]
)
def test_a_rule_knows_prompts_as_axes_leave_them(rule):
    plan = sweep("a {red|blue} dusk", time=replace("dusk", ["dawn"]), steps=[5, 10], seed=1, where=rule)

    drawn = {trial.params.user_prompt for trial in plan.trials("r")}
    assert drawn == ({"a red dawn"} if isinstance(rule, str) else {"a red dusk", "a red dawn"})


@pytest.mark.parametrize("seed", [{}, {"seed": "vary"}, {"seed": -1}])
def test_a_rule_cannot_ask_for_a_seed_that_nobody_knows_yet(seed):
    with pytest.raises(ValueError, match=r"seed is drawn when the run starts.*use seed=rk.seeds"):
        sweep("a pier", steps=[5, 10], where="seed > 5", **seed)


def test_a_rule_knows_worker_specific_inputs_in_tables():
    extra = {"lora": {"scale": 0.5, "name": "x"}}
    rule = "extra.lora.scale > 0.7 or extra.lora.name == 'y'"
    plan = sweep(
        "a pier", extra=extra, axes={"strong": {"no": {"steps": 5}, "yes": {"extra.lora.scale": 1}}}, where=rule
    )

    assert values(plan) == [("yes",)]
    with pytest.raises(ValueError, match=r"extra\.lora\.scale is not known here"):
        sweep("a pier", extra=extra, axes={"extra.lora": [{"scale": 1}, {"scale": 2}]}, where="extra.lora.scale > 0.7")


def test_a_function_is_kept_as_the_cells_that_stay():
    plan = sweep("a pier", steps=range(1, 11), where=lambda steps: steps % 4 < 2).to_plan()

    assert plan["keep"] == [[0, 0], [3, 4], [7, 8]]
    assert "where" not in plan


def test_a_sample_is_a_subset_in_the_layouts_order_and_grows_without_drawing_anything_twice():
    def cells(count: int) -> list[tuple[Any, ...]]:
        return values(sweep("a pier", steps=range(1, 101), cfg_scale=range(1, 11), sample=random(count)))

    assert len(cells(50)) == 50
    assert set(cells(20)) < set(cells(50))
    assert cells(50) == sorted(cells(50))
    assert cells(50) == cells(50)


def test_a_latin_hypercube_takes_no_value_twice_of_a_space_that_nobody_lists():
    plan = sweep(
        "a pier", seed=range(10_000), cfg_scale="0-30 (+0.01)", steps=range(1, 51), sample=latin(40), where="steps > 10"
    )
    drawn = plan.trials("r")

    assert len(drawn) == 40
    assert all(trial.params.steps > 10 for trial in drawn)
    assert len({trial.params.cfg_scale for trial in drawn}) == 40


# Repeats and seeds


def test_repeats_differ_in_their_number_alone():
    plan = sweep("a pier", steps=[5, 10], repeats=3)
    trials = plan.trials("r")

    assert plan.axes == {"steps": [5, 10], "repeat": [1, 2, 3]}
    assert [(trial.values["steps"], trial.values["repeat"], trial.repeat) for trial in trials] == [
        (5, 1, 0),
        (5, 2, 1),
        (5, 3, 2),
        (10, 1, 0),
        (10, 2, 1),
        (10, 3, 2),
    ]
    assert trials[0].params == trials[2].params
    assert trials[0].params.extra is not trials[2].params.extra


@pytest.mark.parametrize("seed", [{}, {"seed": "vary"}])
def test_a_seed_that_nobody_gave_does_not_change_with_repeats(seed):
    once = [trial.params for trial in sweep("a pier", steps=[5, 10], **seed).trials("r")]
    thrice = [trial.params for trial in sweep("a pier", steps=[5, 10], repeats=3, **seed).trials("r")]

    assert thrice == [once[0]] * 3 + [once[1]] * 3


# Order


def test_what_a_worker_changes_slowly_is_outermost_and_the_layout_stays():
    plan = sweep("a pier", steps=[5, 10], width=[512, 768], **{"extra.checkpoint": ["a", "b"]})

    assert list(plan.axes) == ["steps", "width", "extra.checkpoint"]
    assert [(t.values["extra.checkpoint"], t.values["width"], t.values["steps"]) for t in plan.trials("r")] == [
        (checkpoint, width, steps) for checkpoint in "ab" for width in (512, 768) for steps in (5, 10)
    ]


def test_the_order_is_in_the_plan_and_not_in_the_hash():
    by_cost, written = (sweep("a pier", steps=[5, 10], width=[512, 768], by_cost=each) for each in (True, False))

    assert by_cost == written
    assert by_cost.to_plan() == {**written.to_plan(), "order": "cost"}
    assert values(Sweep.from_plan(written.to_plan())) == [(5, 512), (5, 768), (10, 512), (10, 768)]
    assert values(Sweep.from_toml(written.to_toml())) == values(written)
    assert values(Sweep.from_toml(by_cost.to_toml())) == values(by_cost) != values(written)


def test_a_cell_keeps_its_seed_however_trials_are_numbered():
    def seeds(by_cost: bool) -> dict[tuple[Any, ...], int]:
        plan = sweep("a pier", steps=[5, 10], width=[512, 768], seed="vary", by_cost=by_cost)
        return {tuple(trial.values.values()): trial.params.seed for trial in plan.trials("r")}

    assert seeds(True) == seeds(False)


# Everything wrong at once


def test_everything_wrong_is_told_at_once():
    with pytest.raises(ValueError) as caught:
        sweep(
            "a pier",
            steps=[0],
            size={"a": {"width": 5}, "b": {"stps": 3}},
            where="step > 3",
            repeats=0,
            together=[("a", "steps")],
            sample=3,
            height=7,
        )

    for words in (
        "height=7: input should be a multiple of 8",
        "axis steps: 0 is below 1 (1 to 150 is allowed)",
        "axis size: width: 5 is not a multiple of 8",
        "axis size: stps: not a parameter; did you mean steps?",
        "step is not known here; did you mean steps?",
        "repeats=0 is not within 1 to 1,000",
        "together: a is no axis",
        "sample=3: give rk.random(n) or rk.latin(n)",
    ):
        assert words in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"time": replace("noon", ["dawn"])},
            "axis time: replace: user_prompt does not have 'noon' in it: 'a pier at dusk'",
        ),
        (
            {"a": replace("dusk", ["x"]), "b": replace("dusk", ["y"])},
            "axis b: replace: user_prompt does not have 'dusk' in it: 'a pier at x' once the axes before it have edited it",
        ),
        ({"size": LABELLED, "width": [512]}, "axis width: width is set by axis size already"),
        ({"size": {"a": {"width": 64}, "b": {"width": 64}}}, "axis size: two labels mean {'width': 64}"),
        ({"size": {"a": 5}}, "'a' is no table of fields: size is no parameter"),
        ({"repeat": LABELLED}, "repeat means something else in tables and pages"),
        ({"axes": {("width", "height"): [(64, 64), (64, 64)]}}, "axis width+height: 64×64 is given more than once"),
        ({"axes": {("width", "height"): [(64,)]}}, "(64,) is no row of 2 values, for width and height"),
        ({"steps": [1], "axes": {"steps": [2]}}, "axes: steps is given outside of axes= too"),
        ({"steps": [1, 2], "where": "steps > 2"}, "where: no cell is left; loosen steps > 2"),
        ({"steps": [1, 2], "where": lambda stps: True}, "stps is neither an axis nor a parameter"),
        ({"steps": [1, 2], "where": lambda steps: steps.x}, "AttributeError at steps=1"),
        ({"steps": [1, 2], "where": 5}, "where=5: give text such as 'steps > 5'"),
        ({"steps": [1, 2], "cfg_scale": [1], "together": [("steps", "cfg_scale")]}, "steps has 2, cfg_scale has 1"),
        ({"steps": [1, 2], "sample": random(3)}, "3 cells of only 2"),
        ({"steps": range(1, 101), "seed": range(1000), "repeats": 2}, "200,000 trials are more than 100,000"),
        ({"seed": range(10_000), "steps": range(1, 151), "where": "steps > 5"}, "to go through: use fewer values"),
        ({"extra": {"a": 1}, "extra.a.b": [1]}, "extra.a is 1 in the base, not a table with b in it"),
        ({"extra.a": [1], "extra.a.b": [1]}, "extra.a.b lies in extra.a, which is an axis too"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_the_axis_the_value_and_what_to_do(fields, words):
    with pytest.raises(ValueError) as caught:
        sweep("a pier at dusk", **fields)

    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# Plans


labels = st.text(st.characters(codec="utf-8", exclude_categories=["C"]), min_size=1, max_size=6)
small_axes: dict[str, st.SearchStrategy[Any]] = {
    "steps": st.lists(st.integers(1, 150), min_size=2, max_size=3, unique=True),
    "cfg_scale": st.dictionaries(labels, st.floats(0, 30), min_size=1, max_size=3).filter(
        lambda given: len({canonical(value) for value in given.values()}) == len(given)
    ),
    "width+height": st.lists(st.tuples(*[st.sampled_from([64, 128, 256])] * 2), min_size=1, max_size=3, unique=True),
    "look": st.dictionaries(
        labels,
        st.fixed_dictionaries({"sampler_name": st.sampled_from(["Euler", "Heun"])}, optional={"scheduler": labels}),
        min_size=1,
        max_size=2,
    ).filter(lambda given: len({canonical(value) for value in given.values()}) == len(given)),
    "extra.lora.scale": st.lists(st.floats(0, 2), min_size=1, max_size=2, unique=True),
    "time": st.lists(labels.filter(lambda text: text != "dusk"), min_size=1, max_size=2, unique=True).map(
        lambda given: replace("dusk", given)
    ),
    "seed": st.just("vary") | st.lists(st.integers(0, 9), min_size=1, max_size=2, unique=True),
}


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_plans_and_their_toml_are_inverse_for_every_kind_of_axis(data):
    names = data.draw(st.lists(st.sampled_from(sorted(small_axes)), unique=True, min_size=1))
    axes = {name: data.draw(small_axes[name]) for name in names}
    more: dict[str, Any] = {"repeats": data.draw(st.integers(1, 3)), "by_cost": data.draw(st.booleans())}
    if "steps" in axes and data.draw(st.booleans()):
        more["where"] = data.draw(st.sampled_from([f"steps >= {max(axes['steps'])}", lambda steps: steps >= 1]))
    elif data.draw(st.booleans()):
        more["sample"] = data.draw(st.sampled_from([random(1, seed=3), latin(1)]))
    plan = Sweep(ImageParams(user_prompt="a pier at dusk"), axes, **more)

    for again in (
        Sweep.from_plan(json.loads(json.dumps(plan.to_plan()))),
        Sweep.from_toml(plan.to_toml()),
    ):
        assert again == plan
        assert again.to_plan() == plan.to_plan()
        assert again.axes == plan.axes
        assert again.trials("r") == plan.trials("r")
    assert len(plan.trials("r")) == len(plan)
    for trial in plan.trials("r"):
        assert ImageParams(**trial.params.model_dump(exclude_unset=True)) == trial.params


def test_a_plan_may_be_written_by_hand():
    plan = Sweep.from_toml(
        """
        where = ["steps > 5 or size == 'wide'"]
        repeats = 2
        together = [["steps", "cfg_scale"]]
        [base]
        user_prompt = "a pier at dusk"
        [axes]
        size.portrait = { width = 832, height = 1216 }
        size.wide = { width = 1216, height = 832 }
        steps = [5, 10]
        cfg_scale = { low = 2, high = 9 }
        time = { replace = "dusk", values = ["dawn"] }
        """
    )

    assert len(plan) == (2 * 2 - 1) * 2 * 2
    assert plan.axes == {
        "size": ["portrait", "wide"],
        "steps": [5, 10],
        "cfg_scale": ["low", "high"],
        "time": ["dusk", "dawn"],
        "repeat": [1, 2],
    }


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"order": "random"}, "order='random' is neither 'cost' nor 'written'"),
        ({"sample": {"method": "often", "count": 5}}, "method='often' is neither 'random' nor 'latin'"),
        ({"keep": [[0, 5]]}, "keep: there are 2 cells, from 0; 5 is none of them"),
        ({"keep": [[1, 0]]}, "keep: give runs of cells by their first and last number"),
        ({"keep": [[0, 0]], "where": "steps > 1"}, "cells that are listed take neither where nor sample"),
        ({"repeats": "3"}, "repeats='3' is not within 1 to 1,000"),
        ({"sample": 50}, "sample=50: give a table such as { method = 'latin', count = 50, seed = 0 }"),
        (
            {"base": {"user_prompt": "x", "extra": {"a": float("inf")}}, "axes": {"extra.b": [1]}},
            "not what JSON can hold",
        ),
        ({"together": "steps"}, "together='steps': give groups of axes"),
    ],
)
def test_a_plan_that_cannot_be_meant_is_refused(more, words):
    with pytest.raises(ValueError) as caught:
        Sweep.from_plan({"base": {"user_prompt": "x"}, "axes": {"steps": [1, 2]}, **more})

    assert words in str(caught.value)


def test_the_hash_has_what_only_some_sweeps_have():
    plain = sweep("a pier", steps=[5, 10])
    others = [
        sweep("a pier", steps=[5, 10], repeats=2),
        sweep("a pier", steps=[5, 10], where="steps > 1"),
        sweep("a pier", steps=[5, 10], sample=random(1)),
        sweep("a pier", steps=[5, 10], sample=random(1, seed=1)),
        sweep("a pier", steps={"a": 5, "b": 10}),
        sweep("a pier", steps={"b": 10, "a": 5}),
    ]

    assert len({plain.hash, *(other.hash for other in others)}) == 7


# Words


def test_printing_says_what_comes_from_what():
    plan = sweep(
        "a pier",
        size=LABELLED,
        steps=[5, 10, 20],
        cfg_scale=[1, 2, 3],
        together=[("steps", "cfg_scale")],
        where=["steps > 5 or size == 'wide'"],
        repeats=2,
    )

    assert str(plan) == (
        "Sweep 'a pier': 10 trials\n"
        "  2 size × (3 steps with 3 cfg_scale) = 6 cells\n"
        "  1 left out by the rule steps > 5 or size == 'wide'\n"
        "  5 cells × 2 repeats\n"
        "  size       portrait, wide\n"
        "  steps      5, 10, 20\n"
        "  cfg_scale  1.0, 2.0, 3.0"
    )
    assert repr(plan) == (
        "<Sweep 'a pier': 10 trials = 2 size × (3 steps with 3 cfg_scale) × 2 repeats, 1 of 6 cells left out>"
    )
    assert "5 of 6 cells × 2 repeats" in plan._repr_html_()


def test_printing_a_sample_says_of_how_many_cells_it_is():
    plan = sweep("a pier", seed=range(10_000), cfg_scale="0-30 (+0.01)", steps=range(1, 101), sample=latin(5, seed=3))

    assert "10000 seed × 3001 cfg_scale × 100 steps = 3,001,000,000 cells" in str(plan)
    assert "5 of them, a Latin hypercube, seed 3" in str(plan)
    assert repr(plan).endswith("a sample of 3,001,000,000 cells>")


def test_html_escapes_labels_and_rules():
    shown = sweep("<b>", size={"<i>": {"width": 64}, "b": {"width": 128}}, where="size == '<i>'")._repr_html_()

    assert "<i>" not in shown
    assert "<b>" not in shown.replace("<div><b>", "")


# Parts


def test_each_endpoint_draws_its_part_of_any_sweep_in_the_order_of_the_whole():
    plan = sweep(
        "a pier",
        steps=[5, 10],
        size=LABELLED,
        endpoint=["one", "two"],
        where="endpoint == 'one' or steps > 5",
        repeats=2,
        seed=3,
    )
    whole = plan.trials("r")
    parts = plan.split("r")

    assert sorted(number for part in parts.values() for number in part.numbers) == list(range(len(whole)))
    for endpoint, part in parts.items():
        for trial, number in zip(part.sweep.trials("p"), part.numbers, strict=True):
            assert {"endpoint": endpoint, **trial.values} == whole[number].values
            assert (trial.params, trial.repeat) == (whole[number].params, whole[number].repeat)


def test_every_endpoint_draws_all_edits_of_a_prompt():
    plan = sweep("a {red|blue} pier at dusk", time=replace("dusk", ["dawn"]), endpoint=["one", "two"], seed=3)

    for part in plan.split("r").values():
        assert [trial.params.user_prompt for trial in part.sweep.trials("p")] == [
            "a red pier at dusk",
            "a red pier at dawn",
            "a blue pier at dusk",
            "a blue pier at dawn",
        ]


def test_endpoints_may_go_together_with_another_axis():
    plan = sweep("a", endpoint=["one", "one", "two"], steps=[5, 10, 5], seed=[1, 2], together=[("endpoint", "steps")])

    parts = plan.split("r")

    assert {name: values(part.sweep) for name, part in parts.items()} == {
        "one": [(5, 1), (5, 2), (10, 1), (10, 2)],
        "two": [(5, 1), (5, 2)],
    }
    assert {name: part.numbers for name, part in parts.items()} == {"one": (0, 1, 2, 3), "two": (4, 5)}


# Rows


def test_rows_are_trials_and_columns_that_are_no_parameters_are_labels():
    rows = [{"steps": 5, "group": "a"}, {"steps": 10, "group": "b", "cfg": 2}]
    plan = Sweep.from_rows(rows, "a pier")

    assert plan.axes == {"steps": [5, 10], "group": ["a", "b"], "cfg_scale": [None, 2.0]}
    assert [(trial.params.steps, trial.params.cfg_scale) for trial in plan.trials("r")] == [(5, 4.0), (10, 2.0)]
    assert Sweep.from_toml(plan.to_toml()).trials("r") == plan.trials("r")


@pytest.mark.parametrize("prompts", [["one", None], [None, "two"], [None, "two", "three"]])
def test_a_row_without_a_prompt_has_that_of_the_base(prompts):
    rows = [{"steps": 5 + at, "prompt": prompt} for at, prompt in enumerate(prompts)]
    plan = Sweep.from_rows(rows, "the base")

    assert [trial.params.user_prompt for trial in plan.trials("r")] == [prompt or "the base" for prompt in prompts]
    assert Sweep.from_toml(plan.to_toml()).trials("r") == plan.trials("r")


def test_rows_that_come_twice_are_told():
    with pytest.raises(ValueError, match=r"zip gives the same trial twice: \(5, 'a'\); give it once, or use repeats="):
        Sweep.from_rows([{"steps": 5, "g": "a"}, {"steps": 6, "g": "a"}, {"steps": 5, "g": "a"}], "a pier")
    with pytest.raises(ValueError, match="all 2 rows are the same trial: give one, or use repeats=2"):
        Sweep.from_rows([{"steps": 5}, {"steps": 5}], "a pier")


def test_repeats_of_a_table_are_one_trial_only_where_every_cell_has_all_of_them():
    def drawn(*rows: tuple[int, int]) -> tuple[int, list[tuple[Any, ...]]]:
        plan = Sweep.from_rows(
            [{"steps": steps, "repeat": repeat, "sharpness": at} for at, (steps, repeat) in enumerate(rows)], "a"
        )
        return plan.repeats, values(plan)

    assert (
        Sweep.from_rows([{"steps": at, "repeat": each} for at in (1, 2) for each in (1, 2)], "a", repeats=3).repeats
        == 3
    )
    assert drawn((5, 1), (5, 2), (7, 2), (7, 1)) == (2, [(5, 0, 1), (5, 0, 2), (7, 3, 1), (7, 3, 2)])
    for rows in [((5, 1), (6, 2), (7, 3)), ((5, 2), (7, 1), (7, 2))]:
        with pytest.warns(UserWarning, match="column repeat is left out"):
            assert drawn(*rows) == (1, [(steps, at) for at, (steps, _) in enumerate(rows)])


# Changes


@pytest.mark.parametrize("rule", ["input_image != 'x.png'", "steps > 5 and input_image == 'y.png'"])
def test_a_changed_field_leaves_the_cells_that_rules_left(rule):
    plan = sweep("a", input_image=["x.png", "y.png", "z.png"], steps=[5, 10], seed=1, where=rule)
    changed = plan.mapped("input_image", lambda image: f"inputs/{image}")

    assert values(changed) == [(f"inputs/{image}", steps) for image, steps in values(plan)]
    assert Sweep.from_plan(changed.to_plan()).trials("r") == changed.trials("r")


def test_a_base_may_be_changed_and_every_value_of_a_field():
    plan = sweep("a pier at dusk", size=LABELLED, time=replace("dusk", ["dawn"]), where="width > 1000", repeats=2)

    assert {trial.params.seed for trial in plan.with_base(seed=3).trials("r")} == {3}
    assert [trial.params.width for trial in plan.mapped("width", lambda width: width + 8).trials("r")] == [1224] * 4


# Size


def cpu_s(work: Any) -> float:
    """The least of three; what other tests left behind is not collected meanwhile."""
    spent = []
    gc.disable()
    for _ in range(3):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    gc.enable()
    return min(spent)


def test_a_value_of_a_replacement_costs_the_same_however_many_there_are():
    def drawn(values: int, seeds: int) -> None:
        words = [f"w{at}" for at in range(values - 1)]
        plan = sweep("a pier at dusk", time=replace("dusk", words), seed=range(seeds))
        assert len(plan.trials("r")) == values * seeds

    assert cpu_s(lambda: drawn(5_000, 1)) < 8 * cpu_s(lambda: drawn(500, 10))


def test_a_trial_of_any_kind_costs_a_few_validations_of_parameters_at_most():
    count = 5_000
    rows = [{"steps": 1 + at % 100, "seed": at, "batch": f"b{at % 7}"} for at in range(count)]
    kinds = [
        lambda: sweep("a {b|c}", size=LABELLED, seed=range(250), steps=range(1, 11), where="steps > 5"),
        lambda: sweep("a", seed=range(1_000), cfg_scale="0-30 (+0.1)", steps=range(1, 101), sample=latin(count)),
        lambda: Sweep.from_rows(rows, "a"),
    ]
    for kind in kinds:
        assert len(kind()) == count
        one = cpu_s(lambda: [ImageParams(user_prompt="a", steps=1 + at % 100, seed=at) for at in range(count)])
        assert cpu_s(lambda kind=kind: kind().trials("r")) < 15 * one


def test_the_collector_of_garbage_is_left_as_it_was_found():
    plan = sweep("a pier", steps=[1, 2])

    plan.trials("r")
    assert gc.isenabled()

    gc.disable()
    try:
        plan.trials("r")
        assert not gc.isenabled()
    finally:
        gc.enable()
