"""What is written under a picture: names with their units, functions, mappings, and what is refused."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from runpodkit.runs.facts import fact, notes
from runpodkit.runs.items import Item


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("execution_time_s", 0.8234, "0.82 s"),
        ("execution_time_s", 0.0041, "0.004 s"),
        ("execution_time_s", 12.345, "12.3 s"),
        ("queue_delay_s", 125.4, "125 s"),
        ("queue_delay_s", 0.0, "0.00 s"),
        ("cost_usd", 0.0004, "$0.0004"),
        ("cost_usd", 0.00382, "$0.0038"),
        ("cost_usd", 0.000038, "$0.00004"),
        ("cost_usd", 0.02, "$0.02"),
        ("cost_usd", 0, "$0.00"),
        ("cost_usd", 12.3456, "$12.35"),
        ("cost_usd", -0.5, "-$0.50"),
        ("cost_usd", 1e-20, "$0.00"),
        ("seed", 4294967295, "4294967295"),
        ("score", 0.123456, "0.123"),
        ("score", math.nan, ""),
        ("score", None, ""),
        ("execution_time_s", math.inf, "inf"),
        ("worker_id", "w1", "w1"),
        ("maybe_paid_twice", True, "True"),
    ],
)
def test_a_fact_reads_with_the_unit_its_name_tells(name: str, value: Any, text: str) -> None:
    assert fact(name, value) == text


ITEMS = [
    Item("trial 0", {"seed": 7, "cost_usd": 0.0004, "execution_time_s": 0.82, "cost_is_estimate": True}, origin="first",
         keys=(0, "images/a.png")),
    Item("trial 1", {"seed": 8, "cost_usd": None, "execution_time_s": 1.5, "cost_is_estimate": False}, origin="second",
         keys=(1, "images/b.png")),
]  # fmt: skip


def test_one_field_stands_alone_and_several_say_which_number_is_which() -> None:
    assert notes(ITEMS, "seed") == ["7", "8"]
    assert notes(ITEMS, ["seed", "execution_time_s", "cost_usd"]) == [
        "seed\u00a07\u00a0· 0.82\u00a0s\u00a0· ≈\u00a0$0.0004",
        "seed\u00a08\u00a0· 1.50\u00a0s",
    ]


def test_a_function_gets_what_the_item_was_made_from() -> None:
    assert notes(ITEMS, str.upper) == ["FIRST", "SECOND"]
    assert notes(ITEMS, lambda _: 0.5) == ["0.5", "0.5"]


def test_values_may_be_given_by_trial_or_by_key_or_as_a_series() -> None:
    assert notes(ITEMS, {0: 0.25, 5: 1.0}) == ["0.25", ""]
    assert notes(ITEMS, {"images/b.png": "best"}) == ["", "best"]
    assert notes(ITEMS, pd.Series([0.5, math.nan], index=[0, 1])) == ["0.5", ""]


def test_nothing_is_written_where_nothing_is_asked() -> None:
    assert notes(ITEMS, None) == ["", ""]


@pytest.mark.parametrize(
    ("under", "words"),
    [
        ("sede", "nothing is known as sede.*known: seed, cost_usd"),
        (["seed", "x"], "nothing is known as x"),
        (5, "under=5: a name or several"),
        ({"other": 1}, "none of its 1 keys is one of these pictures', such as 0, 'images/a.png'; its first is 'other'"),
    ],
)
def test_what_no_picture_knows_is_refused(under: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        notes(ITEMS, under)
