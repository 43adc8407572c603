"""Records as lines of JSON: read back as written, and those that were written long ago."""

from __future__ import annotations

import json
from pathlib import Path

from runpodkit.params import ImageParams
from runpodkit.runs.records import Record, read_records
from runpodkit.runs.rows import ImageFile, TrialState
from runpodkit.storage.local import LocalStore

OLD = (
    '{"trial": 0, "state": "COLLECTED", "values": {"steps": 4}, "params": {"user_prompt": "a fox", "steps": 4, "seed": 7}, '
    '"prompt": "a fox", "negative_prompt": "", "run": "r", "endpoint": "simulator", "simulated": true, "key": "ab12", '
    '"job_id": "j-1", "attempts": 1, "maybe_paid_twice": false, "submitted_at": "2026-01-02T03:04:05.678+00:00", '
    '"ended_at": null, "queue_delay_s": 0.1, "execution_time_s": 2.5, "worker_id": "w", "cost_usd": 0.001, '
    '"cost_is_estimate": true, "images": [{"key": "images/ab/ab12-0.png", "width": 64, "height": 48, "bytes": 99, '
    '"pixels": "0123456789abcdef"}], "reason": null, "reused_from": null, "flags": ["size delivered 64×48"]}'
)
"""A line as it was written before records knew of blank and unread pictures."""


def test_a_line_of_an_older_record_file_is_read(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.put("runs/r/records/00000.jsonl", f"{OLD}\n".encode())

    (record,) = read_records(store, "r")

    assert record.images == (ImageFile("images/ab/ab12-0.png", 64, 48, 99, "0123456789abcdef", blank=False, seed=None),)
    assert (record.state, record.flags, record.unread, record.excerpt) == (
        TrialState.COLLECTED,
        ("size delivered 64×48",),
        None,
        None,
    )
    assert record.params == ImageParams(user_prompt="a fox", steps=4, seed=7)


def test_a_record_is_read_as_it_was_written() -> None:
    record = Record.from_json(OLD)
    failed = Record.from_json(
        json.dumps({**json.loads(OLD), "state": "FAILED", "images": [], "unread": "unread/ab/x.json", "excerpt": "{}"})
    )

    assert Record.from_json(record.to_json()) == record
    assert Record.from_json(failed.to_json()) == failed
    assert failed.unread == "unread/ab/x.json"
