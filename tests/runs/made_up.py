"""A finished run as a store keeps it: records that a test makes up, and a real picture for each of their keys."""

from __future__ import annotations

import colorsys
import io
from collections.abc import Iterable, Sequence
from pathlib import Path

from PIL import Image

from runpodkit.params import ImageParams
from runpodkit.runs.records import Record, write_batch, write_head
from runpodkit.runs.rows import ImageFile, RunHead, RunState, TrialState
from runpodkit.runs.run import Run
from runpodkit.storage import Store
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import Sweep

SIDE_PX = 16


def image_file(number: int, place: int = 0) -> ImageFile:
    """The picture of a trial, under a key like those of the engine."""
    key = f"{number:064x}"
    return ImageFile(f"images/{key[:2]}/{key}-{place}.png", SIDE_PX, SIDE_PX, 99)


def record(number: int, prompt: str = "a mill", **known: object) -> Record:
    """One trial, collected unless said otherwise; its seed is its number and one."""
    params = ImageParams(user_prompt=prompt, seed=number + 1, steps=4, extra={"lora_scale": 0.5})
    given: dict[str, object] = {
        "trial": number,
        "state": TrialState.COLLECTED,
        "values": {"seed": number + 1, "extra.lora_scale": 0.5},
        "params": params,
        "prompt": prompt,
        "negative_prompt": "",
        "run": "r",
        "endpoint": "simulator",
        "simulated": True,
        "key": f"{number:064x}",
        "attempts": 1,
        "images": (image_file(number),),
    }
    return Record(**{**given, **known})  # type: ignore[arg-type]


def failed(number: int, **known: object) -> Record:
    """One trial that came to nothing."""
    return record(number, **{"state": TrialState.FAILED, "images": (), "reason": "out of memory", **known})


def swept(number: int, name: str, value: object, **known: object) -> Record:
    """One trial of a sweep over a worker-specific input."""
    params = ImageParams(user_prompt="a mill", seed=1, extra={name.removeprefix("extra."): value})
    return record(number, values={name: value}, params=params, **known)


def color(key: str) -> tuple[int, int, int]:
    """That of the picture under a key."""
    number, place = int(key[10:74], 16), int(key[75])
    red, green, blue = colorsys.hsv_to_rgb(number * 0.37 % 1, 0.3 + 0.1 * place, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def kept(folder: Path, records: Sequence[Record], store: Store | None = None) -> Run:
    """A run that holds these records, read from a store; default: a folder."""
    place = store or LocalStore(folder / "store")
    for key in {file.key for one in records for file in one.images}:
        file = io.BytesIO()
        Image.new("RGB", (SIDE_PX, SIDE_PX), color(key)).save(file, "PNG")
        place.put(key, file.getvalue())
    head = _head(records)
    for start in range(0, len(records), 50):
        write_batch(place, head, start // 50, records[start : start + 50])
    write_head(place, head, RunState.DONE)
    return Run(head, place, state=RunState.DONE)


def _head(records: Iterable[Record]) -> RunHead:
    there = list(records)
    axes: dict[str, list[object]] = {}
    for one in there:
        for name, value in one.values.items():
            if value not in axes.setdefault(name, []):
                axes[name].append(value)
    plan = Sweep(ImageParams(user_prompt="a mill"), {name: values for name, values in axes.items() if len(values) > 1})
    return RunHead(
        name="r",
        plan=plan.to_plan(),
        sweep_hash=plan.hash,
        trials=len(there),
        identity="sketch-1",
        endpoint="simulator",
        dialect="native",
        simulated=True,
        store="abcd1234",
        family="f",
        created_at=1_700_000_000.0,
    )
