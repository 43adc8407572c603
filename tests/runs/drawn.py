"""Finished runs whose pictures follow a rule, so that what a comparison finds can be worked out by hand."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from PIL import Image

from runpodkit.params import ImageParams
from runpodkit.runs.records import Record
from runpodkit.runs.run import Run
from runpodkit.sweeps.sweep import Sweep
from tests.runs.finished import finished

Grey = Callable[[dict[str, Any]], int]


def grey_png(level: int, size: tuple[int, int] = (32, 48)) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, (level,) * 3).save(out, "PNG")
    return out.getvalue()


def greys(root: Path, axes: dict[str, list[Any]], grey: Grey, *, edit: Callable[[Record], Record] = lambda one: one,
          mode: str = "grid", **about: Any) -> Run:  # fmt: skip
    """A run whose every picture is one grey, 0 to 255, by its values; `extra.repeat` is its number of repeat."""
    plan = Sweep(ImageParams(user_prompt="a mill"), axes, mode)  # type: ignore[arg-type]

    def values(given: dict[str, Any]) -> dict[str, Any]:
        return {"repeat" if name == "extra.repeat" else name: value for name, value in given.items()}

    return finished(
        root,
        plan,
        draw=lambda trial, _: grey_png(grey(values(dict(trial.values)))),
        edit=lambda one: edit(replace(one, values=values(dict(one.values)))),
        **about,
    )
