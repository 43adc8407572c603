"""Causes of failures: what counts as one, what it cost, and that every text of ours has a cure that fits."""

from __future__ import annotations

from pathlib import Path

import pytest

from runpodkit.runs.causes import OTHERWISE, causes, cure_of, kind_of
from runpodkit.runs.rows import TrialState
from tests.runs.made_up import failed, kept, record


def test_reasons_that_differ_only_in_numbers_and_ids_are_one_cause() -> None:
    records = [
        failed(0, reason="CUDA out of memory. Tried to allocate 2.50 GiB"),
        failed(1, reason="CUDA out of memory. Tried to allocate 512 MiB"),
        failed(2, reason="CUDA out of memory. Tried to allocate 1.25 GiB"),
        failed(3, reason="worker 0a1b2c3d-4e5f died"),
        failed(4, reason="worker 9f8e7d6c-5b4a died"),
        record(5),
    ]

    found = causes(records)

    assert [(one.trials, one.reason) for one in found] == [
        ((0, 1, 2), "CUDA out of memory. Tried to allocate 2.50 GiB"),
        ((3, 4), "worker 0a1b2c3d-4e5f died"),
    ]


def test_words_alone_are_never_taken_for_ids() -> None:
    assert kind_of("height should be int, not str.") == "height should be int, not str."
    assert kind_of("steps=40 of job a1b2c3d4e5") == "steps=# of job #"


def test_money_is_summed_where_it_is_known_and_never_nothing_where_it_is_not() -> None:
    records = [
        failed(0, cost_usd=0.25),
        failed(1, cost_usd=None),
        failed(2, cost_usd=0.5),
        failed(3, reason="the endpoint forgot the job", cost_usd=None),
        failed(4, state=TrialState.EXPIRED, reason="the result was kept 30 minutes and is gone", cost_usd=0.0),
    ]

    assert [one.cost_usd for one in causes(records)] == [0.75, None, 0.0]


@pytest.mark.parametrize(
    ("reason", "helps"),
    [
        ("CUDA out of memory. Tried to allocate 2 GiB", "a smaller size"),
        ("job timed out after 1 retries: its worker probably crashed, ran out of memory or refused", "a smaller size"),
        ("executionTimeout exceeded; raise timeout=: the job was stopped at that bound", "a larger timeout="),
        ("timeout: a worker had it for more than 300 s; raise timeout=", "a larger timeout="),
        ("queue_timeout_s: not started within 600 s", "more workers"),
        ("the endpoint refused the job: HTTP 401: POST run: Unauthorized", "runpodkit login"),
        ("the result was kept 30 minutes and is gone", "run.retry() draws and pays again"),
        ("the endpoint forgot the job", "run.retry()"),
        ("submission unconfirmed: POST run: no answer", "may have been paid for"),
        ("COMPLETED without output: the result was probably larger than the endpoint may send back", "JPEG or WebP"),
        ("unreadable output: cannot fetch https://x", "dialect try"),
        ("the output holds no picture: a list", "dialect try"),
        ("height should be int, not str.", "another value"),
        ("something nobody has seen", OTHERWISE),
    ],
)
def test_every_cause_has_a_cure(reason: str, helps: str) -> None:
    assert helps in cure_of(reason)


def test_the_table_escapes_tells_money_and_reads_in_a_terminal(tmp_path: Path) -> None:
    run = kept(tmp_path, [failed(0, reason="<b>refused</b> 1", cost_usd=0.5), failed(1, reason="x", cost_usd=None)])

    frame = run.failures()

    assert list(frame.columns) == ["count", "example", "reason", "cost_usd", "cure"]
    html = frame._repr_html_()
    assert "&lt;b&gt;refused" in html and "<b>" not in html
    assert "$0.5" in html and "unknown" in html
    assert repr(frame).splitlines()[0] == "1 × <b>refused</b> 1 (for example trial 0, $0.5 lost)"
    assert list(frame[frame["count"] > 1]["reason"]) == []  # a table like any other
    assert repr(kept(tmp_path / "fine", [record(0)]).failures()) == "no failures"
