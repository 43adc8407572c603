"""Plans as TOML: the way back, the order of names, and that a person can read it."""

from __future__ import annotations

import math
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.sweeps.toml_text import WIDTH, read_toml, to_toml

PLAN = {
    "mode": "grid",
    "repeats": 3,
    "where": ["steps > 3"],
    "base": {
        "user_prompt": "a pier\nat dusk — жук",
        "cfg_scale": 4.0,
        "negative_prompt": None,
        "extra": {"lora": 1.0, "a b": [1, {"c": None}]},
    },
    "axes": {
        "shape": {"portrait": {"width": 832, "height": 1216}, "wide": {"width": 1216, "height": 832}, "as it is": {}},
        "width+height": [[832, 1216], [1216, 832]],
        "steps": [5, 10],
        "seed": list(range(100, 140)),
        "extra.lora_scale": [0.5, None],
        "user_prompt": [
            "a long prompt of a cat on a pier at dusk, in the rain",
            "a long prompt of a dog, and of a cat",
        ],
    },
    "sample": {"method": "latin", "count": 3},
}
TEXT = """\
mode = "grid"
repeats = 3
where = ["steps > 3"]

[base]
user_prompt = \"\"\"
a pier
at dusk — жук\"\"\"
cfg_scale = 4.0
negative_prompt = { none = true }
extra = { lora = 1.0, "a b" = [1, { c = { none = true } }] }

[axes]
shape.portrait = { width = 832, height = 1216 }
shape.wide = { width = 1216, height = 832 }
shape."as it is" = {}
"width+height" = [[832, 1216], [1216, 832]]
steps = [5, 10]
seed = [
    100, 101, 102, 103, 104, 105, 106, 107, 108, 109, 110, 111, 112, 113, 114, 115, 116, 117, 118,
    119, 120, 121, 122, 123, 124, 125, 126, 127, 128, 129, 130, 131, 132, 133, 134, 135, 136, 137,
    138, 139,
]
"extra.lora_scale" = [0.5, { none = true }]
user_prompt = [
    "a long prompt of a cat on a pier at dusk, in the rain",
    "a long prompt of a dog, and of a cat",
]

[sample]
method = "latin"
count = 3
"""


def test_a_plan_reads_like_one_that_a_person_wrote():
    assert to_toml(PLAN) == TEXT


def test_it_reads_back_with_its_axes_in_their_order():
    again = read_toml(TEXT)

    assert again == PLAN
    assert list(again["axes"]) == list(PLAN["axes"])
    assert list(again["axes"]["shape"]) == ["portrait", "wide", "as it is"]
    assert isinstance(again["base"]["cfg_scale"], float) and isinstance(again["base"]["extra"]["lora"], float)


names = st.text(max_size=8) | st.sampled_from(["width+height", "extra.a", "none", "x", "a b", ""])
texts = st.text(max_size=40) | st.text("ab\r\n\"'\\\t#=[]{}", max_size=120)
plain = texts | st.integers() | st.booleans() | st.none() | st.floats(allow_nan=False)
values = st.recursive(
    plain,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
plans = st.dictionaries(names, values | st.dictionaries(names, values, max_size=5), max_size=5)


def says_nothing(value: object) -> bool:
    """Whether `{ none = true }` stands somewhere as a value of its own."""
    if isinstance(value, dict):
        return (value.keys() == {"none"} and value["none"] is True) or any(map(says_nothing, value.values()))
    return isinstance(value, list) and any(map(says_nothing, value))


def in_order(value: object) -> object:
    """Names as pairs, so that their order counts, and numbers with their type."""
    if isinstance(value, dict):
        return [(name, in_order(held)) for name, held in value.items()]
    if isinstance(value, list):
        return ["list", *map(in_order, value)]
    return type(value), repr(value)


@given(plans.filter(lambda plan: not says_nothing(plan)))
def test_what_was_written_is_read_back_in_its_order_and_types(plan):
    text = to_toml(plan)

    again = read_toml(text)

    assert again == plan
    assert {name: in_order(again[name]) for name in plan} == {name: in_order(plan[name]) for name in plan}
    assert to_toml(again) == text


@given(st.lists(st.integers(-(2**40), 2**40), min_size=1, max_size=200))
def test_long_lists_of_numbers_keep_within_the_width(numbers):
    text = to_toml({"axes": {"seed": numbers}})

    assert max(map(len, text.splitlines())) <= WIDTH
    assert tomllib.loads(text) == {"axes": {"seed": numbers}}


@pytest.mark.parametrize("text", ["a\r\nb", "a\rb\n", '"""\n"""', "\n", "a\\\nb", "\n\n a \n"])
def test_line_ends_of_a_prompt_survive(text):
    assert read_toml(to_toml({"base": {"user_prompt": text}})) == {"base": {"user_prompt": text}}


def test_floats_stay_floats_and_infinity_survives():
    text = to_toml({"axes": {"extra.x": [4.0, 1e22, -0.0, math.inf]}})

    assert text == '[axes]\n"extra.x" = [4.0, 1e+22, -0.0, inf]\n'
    assert [type(value) for value in read_toml(text)["axes"]["extra.x"]] == [float] * 4


def test_an_empty_plan_is_an_empty_file():
    assert to_toml({}) == ""
    assert read_toml(to_toml({"base": {}, "axes": {}})) == {"base": {}, "axes": {}}


def test_everything_that_toml_cannot_hold_is_told_with_its_place():
    with pytest.raises(ValueError) as caught:
        to_toml(
            {"base": {"extra": {"a": object, "b": {"none": True}}}, "axes": {"steps": [1, {2}], 3: []}, "c": "\ud800"}
        )

    assert str(caught.value) == (
        "no TOML for this plan: base.extra.a is a type; "
        "base.extra.b is { none = true }, which stands for no value; "
        "axes.steps[1] is a set; axes has a name that is no text: 3; c holds half a character"
    )


def test_what_is_no_toml_is_told_with_line_and_column():
    with pytest.raises(ValueError, match=r"at line 2, column"):
        read_toml('[base]\nsteps = "5\n')
