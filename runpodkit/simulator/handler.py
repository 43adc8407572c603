"""The handler of the built-in workers: a `native` input becomes a picture of the sketch model.

Runs in a process of its own; checks its input as a real worker would and answers every
problem as an error text.  Knows no queue and no job.
"""

from __future__ import annotations

import base64
import io
import json
import os
import threading
import time
from typing import Any

from runpodkit.simulator import MODEL_VERSION

COMPRESS_LEVEL = 1
"""40 ms instead of 110 for a megapixel, for files a quarter larger."""

_BOUNDS = {"width": (64, 4096), "height": (64, 4096), "steps": (1, 150), "seed": (-1, 2**32 - 1)}
_DEFAULTS: dict[str, Any] = {
    "negative_prompt": "",
    "width": 832,
    "height": 1216,
    "steps": 30,
    "cfg_scale": 4.0,
    "seed": -1,
    "sampler_name": "Euler",
    "scheduler": "Euler A",
}
MODEL_DEFAULT = "euler a"
"""As a scheduler: home-made workers take this word for "your own default"."""


def handle(given: dict[str, Any], random_seed: int) -> dict[str, Any]:
    """The output of a job, or `{"error": text}`.  `random_seed` is used where the input asks for one."""
    from runpodkit.simulator.sketch import draw

    problem = check(given)
    if problem:
        return {"error": problem}
    asked = {**_DEFAULTS, **{name: value for name, value in given.items() if value is not None}}
    seed = random_seed if asked["seed"] == -1 else asked["seed"]
    scheduler = "normal" if asked["scheduler"].lower() == MODEL_DEFAULT else asked["scheduler"]
    try:
        image = draw(
            asked["prompt"],
            negative_prompt=asked["negative_prompt"],
            width=asked["width"],
            height=asked["height"],
            steps=asked["steps"],
            cfg_scale=float(asked["cfg_scale"]),
            seed=seed,
            sampler_name=asked["sampler_name"],
            scheduler=scheduler,
        )
    except ValueError as exc:
        return {"error": str(exc)}
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=COMPRESS_LEVEL)
    return {
        "image": base64.b64encode(file.getvalue()).decode(),
        "seed": seed,
        "width": image.width,
        "height": image.height,
        "model": MODEL_VERSION,
    }


def check(given: dict[str, Any]) -> str | None:
    """The first problem of an input, as a worker words it; None if there is none."""
    prompt = given.get("prompt")
    if not isinstance(prompt, str) or not prompt:
        return "prompt is a required input."
    for name, (low, high) in _BOUNDS.items():
        value = given.get(name)
        if value is None:
            continue
        if not isinstance(value, int) or isinstance(value, bool):
            return f"{name} should be int, not {type(value).__name__}."
        if not low <= value <= high or (name in ("width", "height") and value % 8):
            return f"{name} does not meet the constraints: {value} is not {low}..{high}."
    cfg_scale = given.get("cfg_scale")
    if cfg_scale is not None and (isinstance(cfg_scale, bool) or not isinstance(cfg_scale, int | float)):
        return f"cfg_scale should be float, not {type(cfg_scale).__name__}."
    if cfg_scale is not None and not 0 <= cfg_scale <= 30:
        return f"cfg_scale does not meet the constraints: {cfg_scale} is not 0..30."
    for name in ("negative_prompt", "sampler_name", "scheduler"):
        if given.get(name) is not None and not isinstance(given[name], str):
            return f"{name} should be str, not {type(given[name]).__name__}."
    return None


def handle_as_json(
    given: dict[str, Any], random_seed: int, speaks: str | None = None
) -> tuple[bytes | None, str | None]:
    """Output as JSON and error text, what crosses between processes; both None: COMPLETED with nothing in it.

    Args:
        speaks: Whose input this is and whose output is wanted; None: native.
    """
    if speaks is not None:
        return _spoken(given, random_seed, speaks)
    result = handle(given, random_seed)
    if "error" in result:
        return None, result["error"]
    return json.dumps(result, separators=(",", ":")).encode(), None


def _spoken(given: dict[str, Any], random_seed: int, speaks: str) -> tuple[bytes | None, str | None]:
    from runpodkit.simulator.speech import SPEECHES, RefusedError

    speech = SPEECHES[speaks]
    try:
        asked = speech.read(given)
    except RefusedError as exc:
        # an error that is no text makes a job that is COMPLETED and empty, as users report
        return None, exc.said if isinstance(exc.said, str) else None
    except (KeyError, TypeError, AttributeError, IndexError, ValueError) as exc:
        return None, f"{type(exc).__name__}: {exc}"
    drawn = [handle(one, random_seed + number) for number, one in enumerate(asked)]
    for one in drawn:
        if "error" in one:
            return None, one["error"]
    return json.dumps(speech.write(drawn, given), separators=(",", ":")).encode(), None


def warm_up() -> None:
    """Import what the first job needs."""
    import runpodkit.simulator.sketch  # noqa: F401


def end_with(parent: int) -> None:
    """Let this process end when its parent is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)

    threading.Thread(target=watch, name="parent watch", daemon=True).start()
