"""Pasted words: what other grid tools call an axis, in our words.

A1111's X/Y/Z plot, its forks Forge and SD.Next, Infinity Grid and SwarmUI say `CFG Scale`,
`[Param] Steps`, `Prompt S/R`; this says which axis that is here, and what stands for an
axis that there is not.  What values of it mean is not known here.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

from runpodkit.params import ImageParams
from runpodkit.sweeps.axes import ENDPOINT, EXTRA

SIZE = "width+height"
"""Both at once, as in `832x1216`; `sizes` reads the values."""

REPLACE = "replace"
"""A replacement in the prompt: the first value is searched."""

ORDER = "order"
"""All orders of the values in the prompt."""

_NAMES = {
    "seed": "seed",
    "steps": "steps",
    "sampling steps": "steps",
    "cfg": "cfg_scale",
    "cfg scale": "cfg_scale",
    "guidance": "cfg_scale",
    "guidance scale": "cfg_scale",
    "sampler": "sampler_name",
    "sampler name": "sampler_name",
    "sampling method": "sampler_name",
    "schedule type": "scheduler",
    "scheduler": "scheduler",
    "prompt": "user_prompt",
    "positive prompt": "user_prompt",
    "negative prompt": "negative_prompt",
    "width": "width",
    "height": "height",
    "size": SIZE,
    "dimensions": SIZE,
    "resolution": SIZE,
    "denoising": "strength",
    "denoising strength": "strength",
    "denoise strength": "strength",
    "init image creativity": "strength",
    "init image": "input_image",
    "batch size": "num_images",
    "images": "num_images",
    "endpoint": ENDPOINT,
    "prompt s/r": REPLACE,
    "prompt replace": REPLACE,
    "prompt search/replace": REPLACE,
    "prompt order": ORDER,
}
_INSTEAD = {
    **dict.fromkeys(
        ("checkpoint", "checkpoint name", "model", "base model"),
        "a model is an endpoint here: an axis endpoint, over names of endpoints.toml",
    ),
    **dict.fromkeys(
        ("vae", "clip skip", "styles", "refiner checkpoint", "refiner switch at", "eta", "token merging ratio"),
        "if the worker takes it, it is an axis extra.NAME under the worker's name",
    ),
    **dict.fromkeys(("var. seed", "var. strength", "variation seed", "variation seed strength"), "not known here"),
    "nothing": "leave the axis out",
}
_SIZE = re.compile(r"([0-9]{1,5})\s*[x×*]\s*([0-9]{1,5})", re.IGNORECASE)


def axis_name(text: str) -> str:
    """Our name of an axis: a field of `ImageParams`, `endpoint`, `extra.NAME`, `SIZE`, `REPLACE` or `ORDER`.

    Args:
        text: Ours, or that of another grid tool; case, blanks and a group in brackets before it do not count.

    Raises:
        ValueError: one line: there is no such axis, and what is near or stands for it.
    """
    plain = text.strip()
    if plain in ImageParams.model_fields or plain in (ENDPOINT, SIZE, REPLACE, ORDER) or plain.startswith(EXTRA):
        return plain
    words = " ".join(re.sub(r"^\[[^]]*\]", "", plain).replace("_", " ").lower().split())
    if (name := _NAMES.get(words)) is not None:
        return name
    field = words.replace(" ", "_")
    if field in ImageParams.model_fields:
        return field
    if instead := _INSTEAD.get(words):
        raise ValueError(f"axis {plain!r}: {instead}")
    near = difflib.get_close_matches(words, [*_NAMES, *_INSTEAD], n=1)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(_ours())}"
    raise ValueError(f"axis {plain!r} is not known; {hint}")


def sizes(items: Iterable[str]) -> list[tuple[int, int]]:
    """Width and height of each item such as `832x1216`, in pixels.

    Raises:
        ValueError: one line with every item that is no size.
    """
    found = [(item, _SIZE.fullmatch(item.strip())) for item in items]
    if bad := [item for item, match in found if match is None]:
        raise ValueError(f"{', '.join(map(repr, bad[:4]))}: a size is written as 832x1216")
    return [(int(match[1]), int(match[2])) for _, match in found if match]


def _ours() -> list[str]:
    return list(dict.fromkeys([*_NAMES.values(), f"{EXTRA}NAME"]))
