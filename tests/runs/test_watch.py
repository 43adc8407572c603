"""The bar: what it says in a terminal, and what a notebook keeps of it."""

from __future__ import annotations

import textwrap
from typing import Any

import nbformat
import pytest

from runpodkit.runs import watch
from runpodkit.runs.ledger import RunStatus
from runpodkit.runs.rows import RunHead, RunState, TrialState
from runpodkit.runs.watch import Progress, in_notebook, progress


def head(name: str = "fox") -> RunHead:
    return RunHead(
        name=name, plan={}, sweep_hash="", trials=4, identity="", endpoint="", dialect="native", simulated=True,
        store="", family="", created_at=0.0,
    )  # fmt: skip


def status(state: RunState = RunState.RUNNING, *, reason: str = "", hold: str = "", **counts: int) -> RunStatus:
    return RunStatus(
        state=state, reason=reason, hold=hold, counts={TrialState(name.upper()): n for name, n in counts.items()},
        cost_usd=0.0125, status_calls=0, submissions=0, celery_tasks=0, since=0.0, ended=None,
    )  # fmt: skip


def test_the_bar_tells_done_failed_in_flight_and_money(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progress(head())
    bar.show(status(collected=1, failed=1, submitted=2))
    bar.close()

    last = capsys.readouterr().err.split("\r")[-1]
    assert last.startswith("fox:  50% |")
    assert "2/4 [" in last
    assert "1 failed, 2 in flight, $0.0125 simulated]" in last


def test_why_a_run_is_held_is_said_once_with_its_cure(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progress(head())
    for _ in range(3):
        bar.show(status(RunState.HELD, reason="the key is wrong", hold="person", planned=4))
    bar.close()

    assert capsys.readouterr().err.count("held: the key is wrong; run.resume() goes on, run.cancel() ends it\n") == 1


def test_nothing_is_said_when_no_bar_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    bar = Progress(head(), shown=False)
    bar.show(status(RunState.HELD, reason="down", hold="probe"))
    bar.say("a line")
    bar.close()

    assert capsys.readouterr() == ("", "")


def test_a_terminal_is_no_notebook() -> None:
    assert not in_notebook()


CELL = """
    from runpodkit.runs.ledger import RunStatus
    from runpodkit.runs.rows import RunHead, RunState, TrialState
    from runpodkit.runs.watch import Progress
    head = RunHead(name="fox<b>", plan={}, sweep_hash="", trials=4, identity="", endpoint="", dialect="native",
                   simulated=True, store="", family="", created_at=0.0)
    def status(made):
        return RunStatus(state=RunState.RUNNING, reason="", hold="", counts={TrialState.COLLECTED: made}, cost_usd=0.0125,
                         status_calls=0, submissions=0, celery_tasks=0, since=0.0, ended=None)
    bar = Progress(head)
    bar.show(status(1))
"""


@pytest.fixture(scope="module")
def saved() -> list[Any]:
    """The outputs of a cell that leaves its bar open, and of one that says a line and closes it."""
    from nbclient import NotebookClient

    opened = textwrap.dedent(CELL)
    closed = f"{opened.replace('bar', 'bar2')}bar2.say('a line beside it')\nbar2.show(status(4))\nbar2.close()\n"
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in (opened, closed)])
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    return [cell.outputs for cell in notebook.cells]


def test_a_notebook_has_one_bar_redrawn_in_place(saved: list[Any]) -> None:
    (output,) = saved[0]

    assert '<progress class="info" max="4" value="1"' in output.data["text/html"]
    assert "fox&lt;b&gt;" in output.data["text/html"]
    assert output.data["text/plain"].startswith("fox<b>: 1 of 4 done [00:0")


def test_a_closed_bar_leaves_a_sentence_in_the_notebook(saved: list[Any]) -> None:
    bar, line = saved[1]

    assert bar.data == {
        "text/plain": "fox<b>: 4 of 4 pictures, $0.0125 simulated",
        "text/html": "<div>fox&lt;b&gt;: 4 of 4 pictures, $0.0125 simulated</div>",
    }
    assert (line.name, line.text) == ("stderr", "a line beside it\n")


def test_local_work_that_is_done_at_once_shows_no_bar(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("grid", 3) as step:
        for _ in range(3):
            step()

    assert capsys.readouterr().err == ""


def test_local_work_that_takes_longer_shows_how_far_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LATE_S", 0.0)

    with progress("grid", 2) as step:
        step()

    assert "grid:   0%" in capsys.readouterr().err
