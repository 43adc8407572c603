"""What is pasted from other grid tools: the same values as there, told where they cannot be."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.sweeps.axes import parse_axis
from runpodkit.sweeps.axis_text import split_list


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("steps", "1-5 (+2)", [1, 3, 5]),
        ("steps", "1-10 [5]", [1, 3, 5, 7, 10]),
        ("steps", "10-1 (-3)", [10, 7, 4, 1]),
        ("steps", "20,30-32, 40 - 60(+10)", [20, 30, 31, 32, 40, 50, 60]),
        ("steps", "+ 5 - + 7", [5, 6, 7]),
        ("steps", "5–7", [5, 6, 7]),
        ("steps", "1-11 [3]", [1, 6, 11]),
        ("steps", "10-1 [4]", [10, 7, 4, 1]),
        ("steps", "100-1 [5]", [100, 75, 50, 25, 1]),
        ("seed", "3000000000, 4294967295", [3000000000, 4294967295]),
        ("cfg_scale", "1-2 (+0.25)", [1, 1.25, 1.5, 1.75, 2]),
        ("cfg_scale", "7 - 5.5 ( -0.5 )", [7, 6.5, 6, 5.5]),
        ("cfg_scale", "0-10 [6]", [0, 2, 4, 6, 8, 10]),
        ("extra.shift", "- 3 - - 1", [-3, -2, -1]),
        ("extra.shift", "1-10 [5]", [1, 3.25, 5.5, 7.75, 10]),
        ("sampler_name", '"Euler a", DPM++ 2M', ["Euler a", "DPM++ 2M"]),
        ("sampler_name", "Euler a\nHeun\n\nDDIM\n", ["Euler a", "Heun", "DDIM"]),
        ("sampler_name", "Euler a,\nHeun\n, DDIM", ["Euler a", "Heun", "DDIM"]),
        ("steps", "5\r\n10\n20", [5, 10, 20]),
        ("user_prompt", '"a cat, a dog"\n"a pier"', ["a cat, a dog", "a pier"]),
        ("user_prompt", "a cat,\na dog", ["a cat,\na dog"]),
        ("steps", "1, 3, ..., 9", [1, 3, 5, 7, 9]),
        ("steps", "1,2,..,5", [1, 2, 3, 4, 5]),
        ("steps", "9, 7, …, 1, 50", [9, 7, 5, 3, 1, 50]),
        ("steps", "1, 2, ..., 4, 6, ..., 10", [1, 2, 3, 4, 6, 8, 10]),
        ("steps", "1, 2, ..., 3", [1, 2, 3]),
        ("cfg_scale", "1, 1.1, ..., 1.5", [1, 1.1, 1.2, 1.3, 1.4, 1.5]),
        ("extra.shift", "0, -1, ..., -3", [0, -1, -2, -3]),
        ("extra.shift", "0, 0.5, ..., 2", [0, 0.5, 1.0, 1.5, 2]),
        ("extra.word", "a, ..., b", ["a", "...", "b"]),
        ("sampler_name", "a, b, ..., c", ["a", "b", "...", "c"]),
        ("user_prompt", "a cat, dusk || a dog, dawn", ["a cat, dusk", "a dog, dawn"]),
        ("user_prompt", '\'90s style, neon || "a || b" ||"OPEN" sign', ["'90s style, neon", "a || b", '"OPEN" sign']),
        ("user_prompt", '"a || b", "c"', ["a || b", "c"]),
        ("user_prompt", "a | b, c", ["a | b, c"]),
        ("sampler_name", "a, b || c", ["a, b", "c"]),
        ("steps", "5 || 10-12", [5, 10, 11, 12]),
        ("steps", "1, SKIP: 2, skip:3, 4", [1, 4]),
        ("sampler_name", 'Euler, SKIP:Heun, "SKIP: me"', ["Euler", "SKIP: me"]),
        ("user_prompt", "SKIP: a cat || a dog", ["a dog"]),
        ("user_prompt", "SKIP: a cat", ["SKIP: a cat"]),
    ],
)
def test_what_is_pasted_means_what_it_meant_there(field, text, expected):
    values = parse_axis(text, field)

    assert values == expected
    if field == "steps":
        assert {type(value) for value in values} == {int}


@pytest.mark.parametrize(
    ("field", "text", "message"),
    [
        ("steps", "0-1 [5]", "range 0-1 [5]: 0.25, 0.5 and 0.75 are not whole"),
        ("steps", "1-2 [3]", "1.5 is not whole"),
        ("steps", "0.5-9 [3]", "0.5 and 4.75 are not whole"),
        ("steps", "1, ..., 9", "... needs two numbers before it and one after it, as in 1, 3, ..., 9"),
        ("steps", "..., 9", "... needs two numbers before it"),
        ("steps", "1, 3, ...", "... needs two numbers before it and one after it"),
        ("steps", "1, 3, ..., 5-9", "... needs two numbers before it and one after it"),
        ("steps", "1, 3, ..., 10", "1, 3, ..., 10: steps of 2 pass 10; end at 9 or 11"),
        ("cfg_scale", "1, 1.1, ..., 1.25", "1.0, 1.1, ..., 1.25: steps of 0.1 pass 1.25; end at 1.2 or 1.3"),
        ("steps", "3, 1, ..., 9", "3, 1, ..., 9: it does not go on towards 9"),
        ("steps", "3, 3, ..., 9", "it does not go on towards 9"),
        ("seed", "1, 2, ..., 4000000000", "1, 2, ..., 4000000000: more than 10,000 values"),
        ("user_prompt", "a || ", "nothing stands after the last ||"),
        ("user_prompt", "a || || b", "nothing stands before a ||"),
        ("steps", "SKIP: 1", "every value is skipped: leave at least one"),
        ("seed", "-1, -1", "no seed: use rk.seeds(n), or seed='vary' for one per trial"),
        ("seed", "-1, -1", "-1 is given more than once"),
    ],
)
def test_what_cannot_be_meant_is_told(field, text, message):
    with pytest.raises(ValueError) as caught:
        parse_axis(text, field)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.integers(1, 60), st.integers(1, 30), st.integers(2, 5))
def test_going_on_is_the_range_with_that_step(start, step, count):
    second, end = start + step, start + step * count
    if end <= 150:
        assert parse_axis(f"{start}, {second}, ..., {end}", "steps") == list(range(start, end + 1, step))
        assert parse_axis(f"{end}, {end - step}, .., {start}", "steps") == list(range(end, start - 1, -step))


@given(st.decimals(0, 5, places=2), st.decimals("0.01", 2, places=2), st.integers(2, 12))
def test_going_on_is_exact_in_decimals(start, step, count):
    text = f"{start:f}, {start + step:f}, ..., {start + step * count:f}"

    assert [Decimal(repr(value)) for value in parse_axis(text, "cfg_scale")] == [
        start + step * i for i in range(count + 1)
    ]


@given(st.integers(0, 150), st.integers(0, 150), st.integers(2, 60))
def test_points_of_a_whole_number_are_cut_as_a1111_does(start, end, count):
    points = [int((start * (count - 1 - i) + end * i) / (count - 1)) for i in range(count)]
    if len(set(points)) == count and min(points) >= 1:
        assert parse_axis(f"{start}-{end} [{count}]", "steps") == points


prose = (
    st.text(max_size=20)
    .map(str.strip)
    .filter(lambda text: text and "|" not in text and text[0] not in "\"'" and not text.lower().startswith("skip:"))
)


@given(st.lists(prose, min_size=2, max_size=5, unique=True))
def test_bars_part_prompts_whatever_they_hold(prompts):
    assert parse_axis(" || ".join(prompts), "user_prompt") == prompts


def test_a_list_is_split_as_it_is():
    assert split_list('dusk, "dawn, early", ...') == ["dusk", "dawn, early", "..."]
    with pytest.raises(ValueError, match="nothing stands before a comma; nothing stands after the last comma"):
        split_list("a,,b,")
