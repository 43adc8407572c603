"""A finished run of many pictures on disk, for benchmarks of what is done with them; nothing is drawn by an endpoint."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

from PIL import Image, ImageChops

from runpodkit.runs.records import Record, write_batch, write_head
from runpodkit.runs.rows import ImageFile, RunHead, RunState, TrialState
from runpodkit.runs.run import Run, opened
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep

SIZE = (832, 1216)
DIFFERENT = 20
"""Files on disk; the others are further names of them, so that a thousand need no 1.5 GB."""
VALUES = 10
"""Of the axis whose first value is the baseline."""


def picture(number: int) -> bytes:
    """Soft shapes with some grain, about as large as a PNG of a drawn picture."""
    soft = [Image.radial_gradient("L").resize(SIZE).rotate(turn + number * 9) for turn in (0, 40, 80)]
    grain = Image.effect_noise(SIZE, 6)
    out = io.BytesIO()
    Image.merge("RGB", [ImageChops.add(band, grain, scale=1.4) for band in soft]).save(out, "PNG")
    return out.getvalue()


def made(root: Path, pictures: int) -> Run:
    """A finished run of so many pictures."""
    plan = sweep("a mill", steps=range(1, VALUES + 1), seed=range(pictures // VALUES), width=SIZE[0], height=SIZE[1])
    store = LocalStore(root)
    head = RunHead(
        name="bench", plan=plan.to_plan(), sweep_hash=plan.hash, trials=len(plan), identity="sketch-1",
        endpoint="simulator", dialect="native", simulated=True, store="s", family="f", created_at=0.0,
    )  # fmt: skip
    records = []
    files: list[Path] = []
    for trial in plan.trials("bench"):
        key = hashlib.sha256(f"{trial.number}".encode()).hexdigest()
        file = ImageFile(f"images/{key[:2]}/{key}-0.png", *SIZE, 0, key[:16])
        if len(files) < DIFFERENT:
            store.put(file.key, picture(trial.number))
            files.append(root / file.key)
        else:
            (root / file.key).parent.mkdir(parents=True, exist_ok=True)
            os.link(files[trial.number * 7 % DIFFERENT], root / file.key)
        records.append(
            Record(
                trial=trial.number, state=TrialState.COLLECTED, values=trial.values, params=trial.params, prompt="a mill",
                negative_prompt="", run="bench", endpoint="simulator", simulated=True, key=key, images=(file,),
                execution_time_s=1 + trial.number % 7 / 10, cost_usd=0.001,
            )
        )  # fmt: skip
    for start in range(0, len(records), 50):
        write_batch(store, head, start // 50, records[start : start + 50])
    write_head(store, head, RunState.DONE)
    return opened(head, store, state=RunState.DONE)
