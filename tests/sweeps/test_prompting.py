"""One prompt becomes several: search and replace, all orders of parts, alternatives in braces."""

from __future__ import annotations

import math
from itertools import permutations as all_orders
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.sweeps.prompting import NOTHING, Choice, Order, Replace, alternatives, literal, permutations

# Search and replace


def test_replace_keeps_the_prompt_as_it_stands_first():
    change = Replace("dusk", ("dawn", "noon"))

    assert change.labels == ("dusk", "dawn", "noon")
    assert [change.apply("a pier at dusk, dusk", label) for label in change.labels] == [
        "a pier at dusk, dusk",
        "a pier at dawn, dawn",
        "a pier at noon, noon",
    ]


def test_replace_can_leave_out_the_prompt_as_it_stands_and_take_words_away():
    change = Replace(" at dusk", ("", " at dawn"), keep=False)

    assert change.labels == (NOTHING, " at dawn")
    assert [change.apply("a pier at dusk", label) for label in change.labels] == ["a pier", "a pier at dawn"]


def test_case_counts():
    assert Replace("cat", ("dog",)).apply("a Cat", "dog") == "a Cat"
    assert Replace("cat", ("dog",)).problem("a Cat") == "replace: user_prompt does not have 'cat' in it"


@pytest.mark.parametrize(
    ("field", "prompt", "negative", "problem"),
    [
        ("user_prompt", "a fog", None, None),
        ("user_prompt", "a cat", "fog", "replace: user_prompt does not have 'fog' in it"),
        ("negative_prompt", "a cat", "fog", None),
        ("negative_prompt", "a fog", None, "replace: negative_prompt does not have 'fog' in it"),
        ("both", "a cat", "fog", None),
        ("both", "a fog", None, None),
        ("both", "a cat", "", "replace: neither prompt has 'fog' in it"),
    ],
)
def test_what_a_prompt_does_not_hold_is_told(field, prompt, negative, problem):
    assert Replace("fog", ("rain",), field).problem(prompt, negative) == problem


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Replace("", ("a",)), "search='' is no text to look for"),
        (lambda: Replace("a", ()), "give at least one value"),
        (lambda: Replace("a", "bc"), "the values are not a list of texts"),
        (lambda: Replace("a", ("b", 3)), "the values are not a list of texts"),
        (lambda: Replace("a", ("b", "b")), "'b' given more than once"),
        (lambda: Replace("a", ("a", "b")), "'a' given more than once (search is kept as a value)"),
        (lambda: Replace("a", ("", NOTHING)), "'(nothing)' given more than once"),
        (lambda: Replace("", (), "steps"), "field='steps' is none of user_prompt, negative_prompt, both; search="),
        (lambda: Replace("a", ("b",)).apply("a", "c"), "replace: 'c' is none of its values"),
        (lambda: Replace.from_plan({"raplace": "a"}), "'raplace' is not known; known: field, keep, replace, values;"),
        (lambda: Replace.from_plan({"replace": "a", "values": ["b"], "keep": "no"}), "keep='no' is neither true nor"),
        (lambda: Order.from_plan({"order": 5}), "the parts are not a list of texts"),
        (lambda: permutations(["a"]), "1 parts are not within 2 to 6"),
        (lambda: permutations("abcdefg"), "the parts are not a list of texts"),
        (lambda: permutations([*"abcdefg"]), "7 parts are not within 2 to 6"),
        (lambda: permutations(["a", "a"]), "'a' given more than once"),
        (lambda: permutations(["a", ""]), "the parts are not a list of texts"),
        (lambda: permutations(["a", "b"], "both"), "field='both' is none of user_prompt, negative_prompt"),
        (lambda: permutations(["a", "b"]).apply("a b", "c"), "'c' is none of its orders"),
        (lambda: permutations(["ant", "bee"]).apply("an ant", "ant, bee"), "user_prompt does not have 'bee' in it"),
    ],
)
def test_bad_plans_end_in_one_clear_line(make, message):
    with pytest.raises(ValueError) as caught:
        make()

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_plan_holds_what_is_not_as_usual():
    assert Replace("a", ("b",)).to_plan() == {"replace": "a", "values": ["b"]}
    assert Replace("a", ("b",), "both", keep=False).to_plan() == {
        "replace": "a",
        "values": ["b"],
        "field": "both",
        "keep": False,
    }
    assert permutations(["a", "b"], "negative_prompt").to_plan() == {"order": ["a", "b"], "field": "negative_prompt"}
    assert Replace.from_plan({"replace": "a", "values": ["b"], "field": "user_prompt", "keep": True}).to_plan() == {
        "replace": "a",
        "values": ["b"],
    }


words = st.text(max_size=8)
replaces = st.builds(
    Replace,
    st.text(min_size=1, max_size=4),
    st.lists(words.filter(lambda text: text != NOTHING), min_size=1, max_size=4, unique=True).map(tuple),
    st.sampled_from(["user_prompt", "negative_prompt", "both"]),
    st.just(False),
)


@given(replaces, st.text(max_size=30))
def test_every_label_replaces_as_text_does(change, prompt):
    assert Replace.from_plan(change.to_plan()) == change
    assert [change.apply(prompt, label) for label in change.labels] == [
        prompt.replace(change.search, value) for value in change.values
    ]


# All orders


def test_parts_change_places_and_what_is_between_stays():
    order = permutations(["a cat", "a dog", "a pier"])

    assert order.labels[:3] == ("a cat, a dog, a pier", "a cat, a pier, a dog", "a dog, a cat, a pier")
    assert len(order.labels) == 6
    assert (
        order.apply("A: a dog, a cat and (a pier:1.2)!", "a cat, a pier, a dog") == "A: a cat, a pier and (a dog:1.2)!"
    )


def test_a_part_is_not_found_within_a_longer_one():
    order = permutations(["cat", "cathedral"])

    assert order.apply("cathedral, cat", "cat, cathedral") == "cat, cathedral"
    assert order.problem("a cathedral") == "order: user_prompt does not have 'cat' in it, or only within another part"


def test_labels_are_told_apart_where_parts_hold_commas():
    assert permutations(["x", "x, x"]).labels == ('["x", "x, x"]', '["x, x", "x"]')


parts = st.lists(st.text("abcde", min_size=1, max_size=3), min_size=2, max_size=4, unique=True)


@given(parts, st.data())
def test_every_order_of_a_comma_list_comes_once(given_parts, data):
    prompt = ", ".join(data.draw(st.permutations(given_parts)))
    order = permutations(given_parts)

    prompts = [order.apply(prompt, label) for label in order.labels]

    assert sorted(prompts) == sorted(", ".join(each) for each in all_orders(given_parts))
    assert prompt in prompts
    assert len(set(order.labels)) == math.factorial(len(given_parts))
    assert Order.from_plan(order.to_plan()) == order


# Alternatives


def prompts_of(text: str) -> list[str]:
    template = alternatives(text)
    names = [choice.name for choice in template.choices]
    return [
        template.render(dict(zip(names, labels, strict=True)))
        for labels in product(*(choice.labels for choice in template.choices))
    ]


@pytest.mark.parametrize(
    ("text", "prompts"),
    [
        ("a {red|blue} cat", ["a red cat", "a blue cat"]),
        ("{a|b}{c|d}", ["ac", "ad", "bc", "bd"]),
        ("{a|b|a b}", ["a", "b", "a b"]),
        ("a{| big} cat", ["a cat", "a big cat"]),
        ("{|}x", None),
        ("{big {red|blue}|small} cat", ["big red cat", "big blue cat", "small cat"]),
        ("{{a|b} {c|d}|e}", ["a c", "a d", "b c", "b d", "e"]),
        ("{ a | b }", [" a ", " b "]),
        (r"\{a\|b\} {c|d\|e}", ["{a|b} c", "{a|b} d|e"]),
        (r"{\{a\}|b}", ["{a}", "b"]),
        (r"\(cat\) \\ {a|b}", [r"\(cat\) \\ a", r"\(cat\) \\ b"]),
        ("plain", ["plain"]),
        ("", [""]),
        ("(word:1.2), [cow|horse], a | b", ["(word:1.2), [cow|horse], a | b"]),
        ('{"a": {"b": 1}}', ['{"a": {"b": 1}}']),
        ("{}", ["{}"]),
        ("{one}", ["{one}"]),
        ("{one {a|b}}", ["{one a}", "{one b}"]),
        ("{a|b", ["{a|b"]),
        ("{a|{b|c}", ["{a|b", "{a|c"]),
        ("a}b{", ["a}b{"]),
        ("}{a|b}{", ["}a{", "}b{"]),
        ("{a|b}}", ["a}", "b}"]),
        ("\\", ["\\"]),
        ("{a\n|b}", ["a\n", "b"]),
    ],
)
def test_what_braces_stand_for(text, prompts):
    if prompts is None:
        with pytest.raises(ValueError, match="'\\(nothing\\)' given more than once in one group"):
            alternatives(text)
    else:
        assert prompts_of(text) == prompts
        assert alternatives(text).count == len(prompts)


def test_each_group_is_an_axis_with_a_name_and_labels():
    assert alternatives("a {red|blue} {cat|dog} {|at night} {red|blue}").choices == (
        Choice("red|blue", ("red", "blue")),
        Choice("cat|dog", ("cat", "dog")),
        Choice("(nothing)|at night", ("", "at night")),
        Choice("red|blue 2", ("red", "blue")),
    )
    assert alternatives("{|at night}").choices[0].labels == (NOTHING, "at night")


def test_names_are_short_enough_to_head_a_column_and_distinct():
    long = "{" + "|".join(f"a very long alternative {i}" for i in range(9)) + "}"

    names = [choice.name for choice in alternatives(long + long).choices]

    assert names == ["a very long alternative 0|a very long a…", "a very long alternative 0|a very long a… 2"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{a|a}", "alternatives: 'a' given more than once in one group"),
        ("{a {b|c}|a b}", "'a b' given more than once"),
        ("{|(nothing)}", "an empty alternative is shown as (nothing), which is another one's text"),
        ("{2$$a|b}", "'2$$a': several alternatives at once are not known, write each out"),
        ("{a|" + "{b|c}" * 40 + "}", "a group stands for 1,099,511,627,777 texts, more than 10,000"),
        ("{a|" * 21 + "b" + "}" * 21, "groups are nested more than 20 deep"),
        ("{a|a} {2$$a|b}", "in one group; '2$$a': several"),
    ],
)
def test_bad_alternatives_end_in_one_clear_line(text, message):
    with pytest.raises(ValueError) as caught:
        alternatives(text)

    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_label_that_is_none_is_refused():
    template = alternatives("{a|b}")

    with pytest.raises(ValueError, match=r"alternatives a\|b: 'c' is none of them"):
        template.render({"a|b": "c"})
    with pytest.raises(KeyError):
        template.render({})


def test_many_open_braces_are_read_in_one_go():
    assert prompts_of("{" * 4_000) == ["{" * 4_000]
    assert prompts_of("{|" * 2_000) == ["{|" * 2_000]


@given(st.text("ab{|}\\ ", max_size=30) | st.text(max_size=30))
def test_text_made_literal_is_itself(text):
    assert prompts_of(literal(text)) == [text]


@given(st.text("ab{|}\\", max_size=30))
def test_any_text_is_a_template_or_a_value_error(text):
    try:
        template = alternatives(text)
    except ValueError:
        return
    assert len({choice.name for choice in template.choices}) == len(template.choices)
    assert all(len(choice.values) >= 2 == len(set(choice.labels[:2])) for choice in template.choices)
    if template.count <= 200:
        assert len(prompts_of(text)) == template.count
    assert alternatives(text) == template


# A backslash that ends an alternative would take the bar after it as text: that cannot be written.
options = st.lists(
    st.text("abc {|}\\", max_size=4).filter(lambda text: text[-1:] != "\\"), min_size=2, max_size=4, unique=True
)


@given(st.lists(st.tuples(st.text("xyz {|}", max_size=4), options), max_size=3), st.text("xyz", max_size=3))
def test_groups_written_from_texts_give_every_combination(groups, end):
    text = "".join(literal(before) + "{" + "|".join(map(literal, texts)) + "}" for before, texts in groups) + end

    expected = [
        "".join(before + text for (before, _), text in zip(groups, picked, strict=True)) + end
        for picked in product(*(texts for _, texts in groups))
    ]

    assert prompts_of(text) == expected
