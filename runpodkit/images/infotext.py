"""The `parameters` text that image tools write into pictures and read back, both ways.

Prompt, then `Negative prompt: …`, then one line of `Key: value` settings, as A1111 and Forge
write it and Civitai, SD.Next and prompt readers expect it: `Steps` first, values with a comma,
colon or line break as JSON strings.  It knows no container and loses what the form has no word
for; the full record is `metadata`'s own JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from runpodkit.params import ImageParams

_SETTING = re.compile(r'\s*(\w[\w \-/]{1,80}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
MAX_SETTINGS = 100_000
"""Characters of the settings line that are looked at."""
SIGNATURE = "Version: runpodkit"
"""What a text of ours ends with."""
_NEGATIVE = "Negative prompt:"
_WORKERS_OWN = "Euler A"
"""The scheduler that means "the worker's own": there is no schedule type to write for it."""

_SAYS = {
    "Steps": "steps",
    "Sampler": "sampler_name",
    "Schedule type": "scheduler",
    "CFG scale": "cfg_scale",
    "Seed": "seed",
    "Size": "width",
}
"""Which field a setting speaks of."""

_SCHEDULES = {
    "normal": "Normal",
    "karras": "Karras",
    "exponential": "Exponential",
    "simple": "Simple",
    "sgm_uniform": "SGM Uniform",
}
_FROM_SCHEDULE = {label.lower(): name for name, label in _SCHEDULES.items()} | {"automatic": _WORKERS_OWN}


def write_infotext(params: ImageParams, prompt: str, negative_prompt: str, info: Mapping[str, Any]) -> str:
    """The text for a picture made with `params`, whose words were sent as given.

    Args:
        params: Resolved, with a real seed.
        prompt: What was sent, quality words included.
        negative_prompt: Likewise; its line is left out where it is empty.
        info: `model`, where it is known; `not_sent`, the fields that the worker knows nothing of and that
            would be a lie here; the rest belongs in our own JSON.
    """
    schedule = None if params.scheduler == _WORKERS_OWN else _SCHEDULES.get(params.scheduler, params.scheduler)
    settings = {
        "Steps": params.steps,
        "Sampler": params.sampler_name,
        "Schedule type": schedule,
        "CFG scale": f"{params.cfg_scale:g}",
        "Seed": params.seed,
        "Size": f"{params.width}x{params.height}",
        "Model": info.get("model"),
        "Denoising strength": None if params.strength is None else f"{params.strength:g}",
    }
    untrue = info.get("not_sent", ())
    items = [
        f"{key}: {_quoted(value)}"
        for key, value in settings.items()
        if value is not None and _SAYS.get(key) not in untrue
    ]
    negative = f"{_NEGATIVE} {negative_prompt}\n" if negative_prompt else ""
    return f"{prompt}\n{negative}{', '.join([*items, SIGNATURE])}"


def read_infotext(text: str) -> ImageParams:
    """Parameters out of such a text, whichever tool wrote it.

    The words are taken as they were sent: `use_enhanced_prompts` is off, and no negative prompt
    is an empty one.  Settings without a place among our fields (model, clip skip …) are left out.

    Raises:
        ValueError: there is no prompt in it, or a value lies outside the bounds of its field.
    """
    prompt, negative, settings = _split(text)
    fields: dict[str, Any] = {"user_prompt": prompt, "negative_prompt": negative, "use_enhanced_prompts": False}
    for key, field in _FIELDS.items():
        if key in settings:
            fields[field] = settings[key]
    if match := re.fullmatch(r"(\d+)x(\d+)", settings.get("size", "")):
        fields["width"], fields["height"] = int(match[1]), int(match[2])
    if schedule := settings.get("schedule type"):
        fields["scheduler"] = _FROM_SCHEDULE.get(schedule.lower(), schedule)
    elif sampler := fields.get("sampler_name"):
        # before there were schedule types, the name carried one: "DPM++ 2M Karras"
        for ending in ("Karras", "Exponential"):
            if sampler.endswith(f" {ending}"):
                fields["sampler_name"], fields["scheduler"] = sampler.removesuffix(f" {ending}"), ending.lower()
    return ImageParams(**fields)


_FIELDS = {
    "steps": "steps",
    "sampler": "sampler_name",
    "cfg scale": "cfg_scale",
    "seed": "seed",
    "denoising strength": "strength",
}


def _split(text: str) -> tuple[str, str, dict[str, str]]:
    lines = text.strip().split("\n")
    settings: dict[str, str] = {}
    found = _SETTING.findall(lines[-1][:MAX_SETTINGS])
    if len(found) >= 3:
        lines.pop()
        for key, value in found:
            settings.setdefault(key.strip().lower(), _unquoted(value.strip()))
    prompt: list[str] = []
    negative: list[str] = []
    into = prompt
    for line in lines:
        if into is prompt and line.strip().startswith(_NEGATIVE):
            into, line = negative, line.strip().removeprefix(_NEGATIVE).strip()
        into.append(line)
    return "\n".join(prompt).strip(), "\n".join(negative).strip(), settings


def _quoted(value: object) -> str:
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if any(mark in text for mark in ',:\n"') else text


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] == '"':
        try:
            return str(json.loads(value))
        except ValueError:
            return value
    return value
