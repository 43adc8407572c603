"""Finished runs as a store keeps them, for tests that read: heads, records and pictures, without an engine."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from PIL import Image

from runpodkit.endpoint.dialects import get_dialect
from runpodkit.runs.joint import described, part_name
from runpodkit.runs.policies import RunPolicy
from runpodkit.runs.records import record_of, write_batch, write_head
from runpodkit.runs.rows import ImageFile, Row, RunHead, RunState, TrialState
from runpodkit.storage import Store
from runpodkit.sweeps.sweep import Sweep

STARTED = 1_790_000_000.0  # 2026-09-21 14:13:20 UTC


def png(seed: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """A picture of one colour that nothing else has."""
    out = io.BytesIO()
    Image.new("RGB", size, (seed * 37 % 256, seed * 91 % 256, 40)).save(out, "PNG")
    return out.getvalue()


def head_of(plan: Sweep, name: str, **changed: Any) -> RunHead:
    given = RunHead(
        name=name,
        plan=plan.to_plan(),
        sweep_hash=plan.hash,
        trials=len(plan),
        identity="sketch-1",
        endpoint="simulator",
        dialect="native",
        dialect_row=get_dialect("native").model_dump(mode="json", exclude_defaults=True),
        simulated=True,
        store="store-1",
        family="f",
        created_at=STARTED,
        policy=RunPolicy(),
        version="0.1.0",
    )
    return replace(given, **changed)


def keep(
    store: Store,
    plan: Sweep,
    name: str,
    *,
    state: RunState = RunState.DONE,
    failed: Mapping[int, str] | None = None,
    drawn: int | None = None,
    **changed: Any,
) -> RunHead:
    """Put a run into a store: every trial one picture, save those that failed or were not reached.

    Args:
        failed: Reasons by trial number.
        drawn: How many trials have ended; default: all.
    """
    head = head_of(plan, name, **changed)
    records: dict[int, list[Any]] = {}
    for trial in plan.trials(name)[:drawn]:
        row = Row(state=TrialState.FAILED, attempts=1, reason=(failed or {}).get(trial.number), ended_at=STARTED)
        if trial.number not in (failed or {}):
            key = hashlib.sha256(f"{name}/{trial.number}".encode()).hexdigest()
            data = png(trial.number)
            image = ImageFile(f"images/{key[:2]}/{key}-0.png", 64, 48, len(data), key[:16])
            store.put(image.key, data)
            row = Row(
                state=TrialState.COLLECTED,
                key=key,
                job=f"job-{trial.number}",
                attempts=1,
                submitted_at=STARTED,
                ended_at=STARTED + 1 + trial.number,
                queue_delay_s=0.5,
                execution_time_s=1.25,
                cost_usd=0.001,
                images=(image,),
            )
        records.setdefault(trial.number // 50, []).append(record_of(head, trial, row, head.spelling))
    for batch, lines in records.items():
        write_batch(store, head, batch, lines)
    write_head(store, head, state)
    return head


def keep_joint(store: Store, plan: Sweep, name: str) -> RunHead:
    """Put a run over several endpoints into a store, with a run of its own for each."""
    parts = plan.split(name)
    for endpoint, part in parts.items():
        keep(store, part.sweep, part_name(name, endpoint), kind="part", endpoint=endpoint, identity=f"{endpoint}-1")
    head = head_of(
        plan,
        name,
        kind="joint",
        parts=described(name, parts, {}),
        endpoint=", ".join(parts),
        identity=", ".join(f"{endpoint}-1" for endpoint in parts),
        dialect_row={},
    )
    write_head(store, head, RunState.DONE)
    return head
