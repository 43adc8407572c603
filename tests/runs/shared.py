"""Finished runs that share pictures: seed n is picture n, in whichever run it stands."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from runpodkit.runs.records import record_of, write_batch, write_head
from runpodkit.runs.rows import ImageFile, Row, RunHead, RunState, TrialState
from runpodkit.storage import Store
from runpodkit.sweeps.sweep import sweep
from tests.runs.kept import STARTED, head_of


def file_of(seed: int) -> str:
    """Where picture n lies."""
    key = hashlib.sha256(f"picture {seed}".encode()).hexdigest()
    return f"images/{key[:2]}/{key}-0.png"


def pixels_of(seed: int) -> str:
    """What tells its content."""
    return f"{seed:016x}"


def keep_shared(
    store: Store,
    name: str,
    seeds: Iterable[int],
    *,
    ended: float = STARTED,
    state: RunState = RunState.DONE,
    input_image: str | None = None,
    **changed: Any,
) -> RunHead:
    """Put a finished run with these pictures, each of 1,000 bytes and its number, into a store."""
    edited = {} if input_image is None else {"input_image": input_image}
    plan = sweep("a mill", seed=list(seeds), width=64, height=64, **edited)
    head = head_of(plan, name, **{"created_at": ended - 60, **changed})
    batches: dict[int, list[Any]] = {}
    for trial in plan.trials(name):
        file = file_of(trial.params.seed)
        data = bytes(1000) + bytes([trial.params.seed % 256])
        store.put(file, data)
        row = Row(
            state=TrialState.COLLECTED,
            key=file.rpartition("/")[2].partition("-")[0],
            ended_at=ended,
            images=(ImageFile(file, 64, 64, len(data), pixels_of(trial.params.seed)),),
        )
        batches.setdefault(trial.number // 50, []).append(record_of(head, trial, row, head.spelling))
    for batch, records in batches.items():
        write_batch(store, head, batch, records)
    write_head(store, head, state)
    return head


def pictures_in(store: Store) -> set[str]:
    return set(store.keys("images/"))
