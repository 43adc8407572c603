"""What others write steers no terminal: no cursor, no title, no clipboard, no writing turned round."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.cli import main
from runpodkit.endpoint.transport import excerpt
from runpodkit.errors import JobFailedError
from runpodkit.jobs import Job
from runpodkit.reprs import plain
from runpodkit.runs.records import Record
from runpodkit.sweeps.sweep import sweep
from tests.runs.by_hand import kept_run

EVIL = "red \x1b[31m title \x1b]0;x\x07 clipboard \x1b]52;c;eA==\x07 eight bits \x9b2J back\b\b turned \u202e round \x00\x7f"
STEERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def test_a_jobs_error_and_traceback_are_text(tmp_path: Path) -> None:
    told = {"error_type": "<class 'E'>", "error_message": EVIL, "error_traceback": f"{EVIL}\n  at\tx"}
    for error in (EVIL, json.dumps(told), told):
        job = Job.from_wire({"id": "a-job", "status": "FAILED", "error": error, "workerId": EVIL})
        with pytest.raises(JobFailedError) as caught:
            job.raise_for_status()
        for text in (job.error, job.reason, job.traceback or "", job.worker_id, repr(job), str(caught.value)):
            assert not STEERS.search(text or "")
        assert "title" in job.reason
    assert "\n  at\tx" in (job.traceback or "\n  at\tx")


@pytest.mark.parametrize("body", [EVIL, f'{{"error": "{EVIL}"}}', f"<html><h1>{EVIL}</h1>", "<h1>&#27;[31m&#x9b;2J"])
def test_a_refusal_is_text(body: str) -> None:
    assert not STEERS.search(excerpt(body.encode()))


def test_a_record_of_somebody_elses_run_is_text(tmp_path: Path) -> None:
    record = kept_run(tmp_path, sweep("a mill", steps=1), lambda trial: None).kept[0]

    again = Record.from_json(replace(record, reason=EVIL).to_json())

    assert again.reason and not STEERS.search(again.reason)


def test_an_error_of_the_command_line_is_one_line_of_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["freeze", f"name{EVIL}"])  # looked at before anything is started

    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert not STEERS.search(said.replace("\n", ""))
    assert not (tmp_path / "home").exists()


@given(st.text(max_size=50))
@settings(max_examples=200, deadline=None)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert plain(plain(text)) == plain(text)
    if not STEERS.search(text):
        assert plain(text) == text
