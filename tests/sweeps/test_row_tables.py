"""Tables as they come: cells by column, and what stands for a missing value in each kind of table."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.sweeps.row_tables import read_table, unmarked


@pytest.mark.parametrize("missing", [None, float("nan"), np.nan, np.float32("nan"), pd.NA, pd.NaT])
def test_whatever_a_table_writes_for_no_value_is_none(missing):
    assert read_table([{"a": missing, "b": 1}]).columns == {"a": [None], "b": [1]}
    assert read_table(pd.DataFrame({"a": pd.Series([missing, "x"], dtype=object)})).columns == {"a": [None, "x"]}


def test_scalars_of_numpy_become_those_of_python():
    cells = read_table([{"a": np.int64(3), "b": np.float32(0.5), "c": np.array([1, 2]), "d": np.bool_(True)}]).columns

    assert cells == {"a": [3], "b": [0.5], "c": [[1, 2]], "d": [True]}
    assert [type(values[0]) for values in cells.values()] == [int, float, list, bool]


def test_names_lose_their_outer_blanks():
    assert list(read_table([{" a ": 1, 2: 3}]).columns) == ["a", "2"]


@pytest.mark.parametrize(
    ("cell", "as_prompt", "as_number"),
    [
        ("'=1+1", "=1+1", "=1+1"),
        ("''a", "'a", "'a"),
        ("'", "", ""),
        ("'5", "'5", "5"),
        ("'true", "'true", "true"),
        ("'90s", "'90s", "'90s"),
        ("a'", "a'", "a'"),
    ],
)
def test_the_mark_of_text_goes_where_only_a_spreadsheet_can_have_put_it(cell, as_prompt, as_number):
    assert unmarked(cell, plain=False) == as_prompt
    assert unmarked(cell, plain=True) == as_number


@given(st.text("'=+-@ab5", max_size=6).filter(lambda text: text[:1] in ("=", "+", "-", "@", "'", "")))
def test_what_a_table_of_a_run_marks_comes_back(text):
    assert unmarked("'" + text, plain=False) == text
