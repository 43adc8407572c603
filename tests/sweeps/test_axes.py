"""The axis grammar: what text means, what is refused, and the laws of ranges."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.sweeps.axes import canonical, parse_axis, read_axis, repeated

# What text means


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("20", [20]),
        ("5, 10,20", [5, 10, 20]),
        ("20.0", [20]),
        ('"20"', [20]),
        ("1-4", [1, 2, 3, 4]),
        ("4-1", [4, 3, 2, 1]),
        ("7-7", [7]),
        ("7-7 (+2)", [7]),
        ("1-10 (+3)", [1, 4, 7, 10]),
        ("1-9 (+3)", [1, 4, 7]),
        ("10-1 (-3)", [10, 7, 4, 1]),
        ("1-4 (3)", [1, 4]),
        ("10-50 [5]", [10, 20, 30, 40, 50]),
        ("50-10 [3]", [50, 30, 10]),
        ("1 - 3 ( +1 ) , 9", [1, 2, 3, 9]),
        ("1-3(+1),10-20[2]", [1, 2, 3, 10, 20]),
        ("1-3 (+1.0), 7.0", [1, 2, 3, 7]),
    ],
)
def test_text_for_steps(text, expected):
    values = parse_axis(text, "steps")

    assert values == expected
    assert {type(value) for value in values} == {int}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("4", [4.0]),
        (".5, 1.", [0.5, 1.0]),
        ("0-1 [5]", [0, 0.25, 0.5, 0.75, 1]),
        ("1-0 [3]", [1, 0.5, 0]),
        ("0-1 [4]", [0, 1 / 3, 2 / 3, 1]),
        ("0-1 (+0.3)", [0, 0.3, 0.6, 0.9]),
        ("1-2 (+0.1)", [1, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2]),
        ("2-0.5 (-0.5)", [2, 1.5, 1, 0.5]),
        ("0.125-0.25 (+0.125)", [0.125, 0.25]),
        ("0.5-3", [0.5, 1.5, 2.5]),
        ("1.5-1.5 [1]", [1.5]),
    ],
)
def test_text_for_cfg_scale(text, expected):
    values = parse_axis(text, "cfg_scale")

    assert values == expected
    assert {type(value) for value in values} == {float}


def test_a_dot_in_a_number_is_a_dot():
    with pytest.raises(ValueError, match="'1x5' is neither a number nor a range"):
        parse_axis("1x5", "cfg_scale")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("-5--1 [3]", [-5, -3, -1]),
        ("-1-1", [-1, 0, 1]),
        ("1--1", [1, 0, -1]),
        ("-0.5", [-0.5]),
        ("0-1 [3]", [0.0, 0.5, 1.0]),
        ("low, 3, 2.5, true, FALSE", ["low", 3, 2.5, True, False]),
        ('"3", \'1-5\', "true"', ["3", "1-5", "true"]),
        ("12345678901234567890", [12345678901234567890]),
        ("cat-dog", ["cat-dog"]),
    ],
)
def test_text_for_an_extra_is_read_by_its_looks_unless_quoted(text, expected):
    values = parse_axis(text, "extra.lora_scale")

    assert values == expected
    assert list(map(type, values)) == list(map(type, expected))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Euler, Heun", ["Euler", "Heun"]),
        ("DPM++ 2M", ["DPM++ 2M"]),
        ('"a, b", c', ["a, b", "c"]),
        ("'a, b' , \"it's\"", ["a, b", "it's"]),
        ("it's, the 5\" one", ["it's", 'the 5" one']),
        ('"say ""hi""", \'don\'\'t\'', ['say "hi"', "don't"]),
        ('" spaced "', [" spaced "]),
        ("back\\slash, a\\", ["back\\slash", "a\\"]),
        ("1-3", ["1-3"]),
    ],
)
def test_text_for_a_text_field_is_a_comma_list_with_quotes(text, expected):
    assert parse_axis(text, "sampler_name") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat, a dog", ["a cat, a dog"]),
        ('"a cat, a dog", "a pier"', ["a cat, a dog", "a pier"]),
        ('"OPEN" sign, neon', ['"OPEN" sign, neon']),
        ("'90s style, neon", ["'90s style, neon"]),
    ],
)
def test_a_prompt_is_one_value_unless_all_of_it_is_quoted(text, expected):
    assert parse_axis(text, "user_prompt") == expected
    assert parse_axis(text, "negative_prompt") == expected


def test_text_for_a_bool_is_true_and_false():
    assert parse_axis("true,false", "use_enhanced_prompts") == [True, False]


# What is refused


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("steps", "", "empty: give at least one value"),
        ("steps", " \n", "empty: give at least one value"),
        ("steps", "5,,6", "nothing stands before a comma"),
        ("steps", ",5", "nothing stands before a comma"),
        ("steps", "5,", "nothing stands after the last comma"),
        ("sampler_name", "'Euler, Heun", 'the quote of "\'Euler, Heun" is never closed'),
        ("sampler_name", '"a"b, c', "only a comma may follow a closing quote"),
        ("steps", "abc", "'abc' is neither a number nor a range such as 1-10, 1-10 (+3) or 0-1 [5]"),
        ("steps", "1e1", "'1e1' is neither a number"),
        ("steps", "١-٣", "is neither a number"),
        ("steps", "9" * 10_000, "is neither a number"),
        ("steps", "1-5 (+2) [3]", "is neither a number"),
        ("steps", "0-1 [5]", "range 0-1 [5]: 0.25, 0.5 and 0.75 are not whole"),
        ("steps", "1-3 (+0.5)", "range 1-3 (+0.5): 1.5 and 2.5 are not whole"),
        ("steps", "2.5", "2.5 is not whole"),
        ("steps", "1-10 (-1)", "range 1-10 (-1): it goes up, so its step needs a +"),
        ("steps", "10-1 (+1)", "range 10-1 (+1): it goes down, so its step needs a -"),
        ("steps", "1-10 (+0)", "range 1-10 (+0): the step is 0"),
        ("steps", "1-10 [0]", "[0] asks for too few points"),
        ("steps", "1-10 [1]", "one point cannot be both ends"),
        ("cfg_scale", "0-1 [10001]", "[10001] asks for too many points"),
        ("cfg_scale", "0.1-0.5", "its ends are less than 1 apart: give a step, as (+0.1), or a count, as [5]"),
        ("seed", "1-99999999999999999999", "more than 10,000 values"),
        ("seed", "0-1 (+0.0000000000000001)", "more than 10,000 values"),
        ("seed", "1-6000, 7000-13000", "more than 10,000 values"),
        ("seed", "-1", "-1 is no seed: use rk.seeds(n)"),
        ("seed", "4294967296", "4294967296 is above 4294967295 (-1 to 4294967295 is allowed)"),
        ("steps", "0", "0 is below 1 (1 to 150 is allowed)"),
        ("steps", "1-1000", "151, 152, 153, 154 and 846 more are above 150 (1 to 150 is allowed)"),
        ("width", "513", "513 is not a multiple of 8"),
        ("steps", "4, 4.0", "4 is given more than once"),
        ("cfg_scale", "1-3, 2", "2.0 is given more than once"),
        ("use_enhanced_prompts", "maybe", "'maybe' is refused"),
        ("sampler_name", '""', "'' is refused"),
        ("stps", "5", "not a parameter; did you mean steps?"),
        ("zzzzz", "5", "not a parameter; known: user_prompt, "),
        ("extra", "5", "is called extra.NAME"),
        ("extra.a..b", "5", "after `extra.` comes a name"),
        ("extra.", "5", "after `extra.` comes a name"),
        ("timeout", "5, 6", "not part of the picture"),
    ],
)
def test_bad_text_ends_in_one_clear_line(field, text, message):
    with pytest.raises(ValueError) as caught:
        parse_axis(text, field)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_every_problem_is_told_at_once():
    with pytest.raises(ValueError) as caught:
        parse_axis("1-3 (-1), frog, 5, 2.5", "steps")

    assert str(caught.value) == (
        "range 1-3 (-1): it goes up, so its step needs a +; "
        "'frog' is neither a number nor a range such as 1-10, 1-10 (+3) or 0-1 [5]; 2.5 is not whole"
    )


def test_axes_that_are_zipped_may_repeat_values():
    assert parse_axis("512, 512, 768", "width", unique=False) == [512, 512, 768]


@given(st.text(max_size=60), st.sampled_from(["steps", "cfg_scale", "sampler_name", "user_prompt", "extra.x", "seed"]))
def test_any_text_gives_values_or_a_value_error(text, field):
    try:
        values = parse_axis(text, field)
    except ValueError:
        return
    assert values
    assert not repeated(values)


# Values from Python


@pytest.mark.parametrize(
    "given_values",
    [
        [1, 2, 3],
        (1, 2, 3),
        range(1, 4),
        iter([1, 2, 3]),
        {1: "a", 2: "b", 3: "c"}.keys(),
        np.array([1, 2, 3]),
        [np.int64(1), np.float32(2.0), 3.0],
        pd.Series([1, 2, 3], index=[9, 9, 9]),
        ["1", "2", "3"],
    ],
    ids=lambda given_values: type(given_values).__name__,
)
def test_anything_that_lists_values_is_an_axis(given_values):
    values, problems = read_axis("steps", given_values)

    assert (values, problems) == ([1, 2, 3], [])
    assert {type(value) for value in values} == {int}


@pytest.mark.parametrize(
    ("given_values", "problem"),
    [
        ([], "empty"),
        ({1, 2}, "a set has no order"),
        ({"a": 1}, "is no list of values"),
        (5, "5 is no list of values"),
        (None, "None is no list of values"),
        (b"12", "is no list of values"),
        (np.array(5), "5 is no list of values"),
        (np.zeros((2, 2)), "refused"),
        ([True], "True is not a number"),
        ([float("nan")], "nan is refused: input should be a finite number"),
        ([None, "x"], "None is refused"),
        (range(10**12), "more than 10,000 values"),
    ],
)
def test_what_lists_no_good_values_is_refused(given_values, problem):
    assert problem in "; ".join(read_axis("steps", given_values).problems)


def test_unset_is_a_value_where_the_field_knows_it():
    assert read_axis("negative_prompt", [None, "", "fog"]) == ([None, "", "fog"], [])


def test_extras_hold_what_json_can_hold():
    assert read_axis("extra.loras", [["a", "b"], {"x": 1}, None, (1, 2)]).values == [["a", "b"], {"x": 1}, None, [1, 2]]
    assert read_axis("extra.loras", [float("nan"), object]).problems == [
        "nan and <class 'object'> are not what JSON can hold"
    ]


def test_one_and_true_differ_but_four_and_four_point_nought_do_not():
    assert read_axis("extra.x", [1, True, "1"]).problems == []
    assert read_axis("extra.x", [{"a": 4}, {"a": 4.0}]).problems == ["{'a': 4.0} is given more than once"]


def test_canonical_json_sorts_keys_and_drops_idle_points():
    assert canonical({"b": [4.0, 0.5, True], "a": "ж"}) == '{"a":"\\u0436","b":[4,0.5,true]}'


# The laws of ranges, in exact fractions

decimals = st.decimals(-20, 20, places=3)
gaps = st.decimals("0.05", 7, places=3)


@given(decimals, decimals, gaps)
def test_a_range_starts_at_its_start_walks_evenly_and_stops_before_it_would_overshoot(start, end, gap):
    step = gap if end >= start else -gap

    values = [Fraction(repr(value)) for value in parse_axis(f"{start:f}-{end:f} ({step:+f})", "extra.x")]

    assert values == [Fraction(start) + Fraction(step) * i for i in range(len(values))]
    ahead = 1 if end >= start else -1
    assert (Fraction(end) - values[-1]) * ahead >= 0
    assert (Fraction(end) - values[-1] - Fraction(step)) * ahead < 0


@given(decimals, decimals, st.integers(2, 60))
def test_points_are_as_many_as_asked_monotone_and_hold_both_ends(start, end, count):
    if start == end:
        return
    values = parse_axis(f"{start:f}-{end:f} [{count}]", "extra.x")

    assert len(values) == count
    assert (Decimal(repr(values[0])), Decimal(repr(values[-1]))) == (start, end)
    assert values == sorted(values, reverse=end < start)
    widths = [later - earlier for earlier, later in pairwise(values)]
    assert max(widths) - min(widths) < 1e-12


@given(st.integers(1, 150), st.integers(1, 150))
def test_a_plain_range_of_steps_holds_both_ends_and_all_between(start, end):
    values = parse_axis(f"{start}-{end}", "steps")

    assert (values[0], values[-1], len(values)) == (start, end, abs(end - start) + 1)
    assert sorted(values) == list(range(min(start, end), max(start, end) + 1))


@given(st.lists(st.text(min_size=1, max_size=20).filter(lambda text: text.isprintable()), min_size=1, unique=True))
def test_quoted_lists_read_back_as_they_were_written(words):
    text = ", ".join('"' + word.replace('"', '""') + '"' for word in words)

    assert parse_axis(text, "sampler_name") == words
