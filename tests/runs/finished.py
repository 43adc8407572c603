"""Finished runs in a folder: real records and pictures of known colours, without Redis."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from runpodkit.images.metadata import embed
from runpodkit.prompts import SentPrompt
from runpodkit.runs.records import Record, write_batch, write_head
from runpodkit.runs.rows import ImageFile, RunHead, RunState, TrialState
from runpodkit.runs.run import Run, opened
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import Sweep, Trial

Colour = tuple[int, int, int]


def colour_of(trial: int, number: int = 0) -> Colour:
    """Of a picture: no two of a run are alike."""
    return (10 + trial * 7 % 240, 250 - trial * 5 % 240, 20 + number * 40)


def png(colour: Colour, size: tuple[int, int] = (32, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def finished(
    root: Path,
    plan: Sweep,
    name: str = "mill",
    *,
    images: int = 1,
    size: Callable[[Trial], tuple[int, int]] = lambda _: (32, 48),
    edit: Callable[[Record], Record] = lambda record: record,
    draw: Callable[[Trial, int], bytes] | None = None,
    **about: Any,
) -> Run:
    """A run whose trials have `images` pictures each; `edit` changes a record before it is written."""
    store = LocalStore(root)
    head = RunHead(
        name=name, plan=plan.to_plan(), sweep_hash=plan.hash, trials=len(plan), identity="sketch-1", endpoint="simulator",
        dialect="native", simulated=about.pop("simulated", True), store="s", family="f", created_at=0.0,
    )  # fmt: skip
    records = []
    for trial in plan.trials(name):
        files = []
        for number in range(images):
            plain = draw(trial, number) if draw else png(colour_of(trial.number, number), size(trial))
            about_it = {"trial": trial.number, "simulated": head.simulated}
            data = embed(plain, trial.params, SentPrompt(trial.params.user_prompt, ""), about_it)
            key = hashlib.sha256(f"{name} {trial.number}".encode()).hexdigest()
            with Image.open(io.BytesIO(plain)) as image:
                wide, high = image.size
            pixels = hashlib.sha256(plain).hexdigest()[:16]
            files.append(ImageFile(f"images/{key[:2]}/{key}-{number}.png", wide, high, len(data), pixels))
            store.put(files[-1].key, data)
        record = Record(
            trial=trial.number, state=TrialState.COLLECTED, values=trial.values, params=trial.params,
            prompt=trial.params.user_prompt, negative_prompt="", run=name, endpoint="simulator", simulated=head.simulated,
            images=tuple(files), execution_time_s=0.5 + trial.number, cost_usd=0.0004, **about,
        )  # fmt: skip
        records.append(edit(record))
    write_batch(store, head, 0, records)
    write_head(store, head, RunState.DONE)
    return opened(head, store, state=RunState.DONE)
