"""Rows, heads and policies as text: read back as they were written."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from runpodkit.runs.policies import RunPolicy
from runpodkit.runs.rows import ImageFile, Row, RunHead, TrialState

times = st.none() | st.floats(0, 2e9)


@given(
    st.builds(
        Row,
        state=st.sampled_from(TrialState),
        key=st.sampled_from(["ab", "ab12"]) | st.text("0123456789abcdef", max_size=64),
        job=st.none() | st.text("ab|-{", min_size=1, max_size=9),
        attempts=st.integers(0, 9),
        reserved_at=times,
        ended_at=times,
        cost_usd=st.none() | st.floats(0, 99),
        images=st.lists(
            st.builds(
                ImageFile,
                st.sampled_from(["", "images/ab/ab", "images/ab/ab12-0.png", "elsewhere"]) | st.text(max_size=9),
                *[st.integers(1, 4096)] * 3,
                pixels=st.text("0123456789abcdef", max_size=16),
                blank=st.booleans(),
                seed=st.none() | st.integers(0, 2**32),
            ),
            max_size=3,
        ).map(tuple),
        reason=st.none() | st.text(min_size=1, max_size=30),
        flags=st.lists(st.text(max_size=9), max_size=3).map(tuple),
        unread=st.none() | st.text(min_size=1, max_size=9),
        excerpt=st.none() | st.text(min_size=1, max_size=9),
    )
)
def test_a_row_is_read_as_it_was_written(row: Row) -> None:
    text = row.to_text()

    assert Row.from_text(text) == row
    assert text.partition("|")[0] == row.state


def test_rows_that_are_in_a_ledger_already_are_read() -> None:
    key = "ab" + "0" * 62
    short = Row.from_text(f'COLLECTED|{{"key":"{key}","images":[["",64,48,99,"0123456789abcdef","-0.png"]]}}')
    whole = Row.from_text(f'COLLECTED|{{"key":"{key}","images":[["inputs/x.png",64,48,99,""]]}}')
    named = Row.from_text('COLLECTED|{"images":[{"key":"images/x.png","width":64,"height":48,"bytes":99}]}')

    assert short.images == (ImageFile(f"images/ab/{key}-0.png", 64, 48, 99, "0123456789abcdef"),)
    assert whole.images == (ImageFile("inputs/x.png", 64, 48, 99),)
    assert named.images == (ImageFile("images/x.png", 64, 48, 99),)
    # and written as they were: a picture that is neither blank nor one of several adds nothing
    assert short.to_text() == f'COLLECTED|{{"key":"{key}","images":[["",64,48,99,"0123456789abcdef","-0.png"]]}}'


def test_a_trial_without_a_row_is_planned() -> None:
    assert Row.from_text(None) == Row(TrialState.PLANNED)


def test_a_head_is_read_as_it_was_written() -> None:
    head = RunHead(
        name="r",
        plan={"base": {}, "axes": {"b": [1], "a": [2]}, "mode": "grid"},
        sweep_hash="x",
        trials=120,
        identity="m",
        endpoint="e",
        dialect="native",
        simulated=False,
        store="s",
        family="f",
        created_at=3.5,
        policy=RunPolicy(budget_usd=2, window=40),
    )

    assert RunHead.from_dict(json.loads(json.dumps(head.to_dict()))) == head
    assert (head.batches, list(head.batch(2))) == (3, list(range(100, 120)))


@pytest.mark.parametrize("wrong", [{"window": 0}, {"budget_usd": -1}, {"max_attempts": 0}, {"windows": 3}])
def test_a_policy_out_of_bounds_or_misspelt_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValidationError):
        RunPolicy(**wrong)
