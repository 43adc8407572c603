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
        key=st.text("0123456789abcdef", max_size=64),
        job=st.none() | st.text("ab|-{", min_size=1, max_size=9),
        attempts=st.integers(0, 9),
        reserved_at=times,
        ended_at=times,
        cost_usd=st.none() | st.floats(0, 99),
        images=st.lists(st.builds(ImageFile, st.text(max_size=9), *[st.integers(1, 4096)] * 3), max_size=3).map(tuple),
        reason=st.none() | st.text(min_size=1, max_size=30),
        flags=st.lists(st.text(max_size=9), max_size=3).map(tuple),
    )
)
def test_a_row_is_read_as_it_was_written(row: Row) -> None:
    text = row.to_text()

    assert Row.from_text(text) == row
    assert text.partition("|")[0] == row.state


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
