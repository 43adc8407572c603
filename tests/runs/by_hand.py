"""A finished run made by hand: records and pictures in a folder, no endpoint, no Redis."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from PIL import Image

from runpodkit.runs.records import Record, Share
from runpodkit.runs.results import Results
from runpodkit.runs.rows import ImageFile, RunHead, RunState, TrialState
from runpodkit.storage import Store
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import Sweep, Trial


class Kept(Results):
    """What a run holds, its records given."""

    def __init__(self, head: RunHead, store: Store, records: list[Record]) -> None:
        super().__init__(head, store)
        self.kept = records

    async def _read_records(self) -> list[Record]:
        return self.kept

    async def _read_shares(self) -> list[Share]:
        return [Share(self.head, RunState.DONE, self.kept)]


def plain_png(colour: tuple[int, int, int], size: tuple[int, int] = (64, 96)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, "PNG")
    return out.getvalue()


def coloured(trial: Trial) -> bytes:
    """A small picture that no other trial has."""
    return plain_png(((trial.number * 37) % 256, (trial.number * 91) % 256, trial.number % 256))


def kept_run(
    folder: Path,
    plan: Sweep,
    draw: Callable[[Trial], bytes | list[bytes] | None] = coloured,
    known: Callable[[Trial], Mapping[str, Any]] = lambda trial: {},
    **head: Any,
) -> Kept:
    """A run whose pictures `draw` gives; None is a trial that failed.

    Args:
        known: Fields of a trial's record that differ from those of a plain collected one.
        head: Fields of the run's head that differ.
    """
    store = LocalStore(folder)
    given: dict[str, Any] = {
        "name": "made-by-hand", "plan": plan.to_plan(), "sweep_hash": plan.hash, "trials": len(plan), "identity": "sketch-1",
        "endpoint": "127.0.0.1/local", "dialect": "native", "simulated": True, "store": "s", "family": "f", "created_at": 0.0,
    }  # fmt: skip
    about = RunHead(**{**given, **head})
    records = []
    written: set[str] = set()
    for trial in plan.trials(about.name):
        drawn = draw(trial)
        files = []
        for data in [] if drawn is None else drawn if isinstance(drawn, list) else [drawn]:
            digest = hashlib.sha256(data).hexdigest()
            key = f"images/{digest[:2]}/{digest}.png"
            if key not in written:
                store.put(key, data)
                written.add(key)
            with Image.open(io.BytesIO(data)) as image:
                files.append(ImageFile(key, *image.size, len(data), digest[:16]))
        fields: dict[str, Any] = {
            "trial": trial.number, "state": TrialState.COLLECTED if files else TrialState.FAILED, "values": trial.values,
            "params": trial.params, "prompt": trial.params.user_prompt, "negative_prompt": "", "run": about.name,
            "endpoint": about.endpoint, "simulated": about.simulated, "key": f"{trial.number:064x}", "attempts": 1,
            "images": tuple(files), "reason": None if files else "the worker ran out of memory",
        }  # fmt: skip
        records.append(Record(**{**fields, **known(trial)}))
    return Kept(about, store, records)
