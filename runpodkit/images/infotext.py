"""The `parameters` text that image tools write into pictures and read back, both ways.

Prompt, then `Negative prompt: …`, then one line of `Key: value` settings, as A1111 and Forge
write it and Civitai, SD.Next and prompt readers expect it: `Steps` first, values with a comma,
colon or line break as JSON strings.  It knows no container and loses what the form has no word
for; the full record is `record`'s JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from runpodkit.images import sampler_names
from runpodkit.params import ImageParams

_SETTING = re.compile(r'\s*(\w[\w \-/]{1,80}):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)')
MAX_SETTINGS = 100_000
"""Characters of the settings line that are looked at."""
_CANDIDATES = 3
"""Lines that may be the settings, counted from the end."""
_STEPS = "Steps:"
SIGNATURE = "Version: runpodkit"
"""What a text of ours ends with."""
_NEGATIVE = "Negative prompt:"
_WORKERS_OWN = "Euler A"
"""The scheduler that means "the worker's own": there is no schedule type to write for it."""

_HEADING = re.compile(rf"{_NEGATIVE}|^{_STEPS}", re.MULTILINE)

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
    negative = f"{_NEGATIVE} {_unmistakable(negative_prompt)}\n" if negative_prompt else ""
    return f"{_unmistakable(prompt)}\n{negative}{', '.join([*items, SIGNATURE])}"


def _unmistakable(words: str) -> str:
    """A prompt in which no reader finds a heading: those are told by their capitals, which text encoders drop."""
    return _HEADING.sub(lambda found: found[0].lower(), words)


def read_infotext(text: str) -> ImageParams:
    """Parameters out of such a text, whichever tool wrote it.

    The words are taken as they were sent: `use_enhanced_prompts` is off, and no negative prompt
    is an empty one.  Settings without a place among our fields (model, clip skip …) are left out.

    Raises:
        ValueError: there is no prompt in it, or a value lies outside the bounds of its field.
    """
    return ImageParams(**fields_of(text))


def fields_of(text: str) -> dict[str, Any]:
    """The same before it is checked: a value is as the text has it."""
    prompt, negative, settings = _split(text)
    fields: dict[str, Any] = {"user_prompt": prompt, "negative_prompt": negative, "use_enhanced_prompts": False}
    for key, field in _FIELDS.items():
        if key in settings:
            fields[field] = settings[key]
    if match := re.fullmatch(r"(\d{1,9})x(\d{1,9})", settings.get("size", "")):
        fields["width"], fields["height"] = int(match[1]), int(match[2])
    if distilled := settings.get("distilled cfg scale"):  # Forge: what a distilled model is guided by, beside a 1
        fields["cfg_scale"] = distilled
    if any(key.startswith("hires ") for key in settings):  # the strength of a second pass, not of an edit
        fields.pop("strength", None)
    if "sampler_name" in fields:
        fields["sampler_name"], schedule = sampler_names.ours(fields["sampler_name"])
        if schedule:
            fields["scheduler"] = schedule
    if schedule := settings.get("schedule type", settings.get("scheduler")):
        fields["scheduler"] = _FROM_SCHEDULE.get(schedule.lower(), schedule)
    return fields


def holds_settings(comment: str) -> bool:
    """Whether a comment, which may say anything, is such a text or the JSON that other tools put in its place."""
    return comment.lstrip().startswith("{") or bool(_split(comment)[2])


def written_by(text: str) -> str:
    """The tool that wrote such a text, as far as its settings tell; they all write as A1111 does."""
    settings = _split(text)[2]
    version = settings.get("version", "")
    if "app" in settings:
        return settings["app"][:60]
    if version.startswith(("Fooocus", "ComfyUI", "runpodkit", "Easy Diffusion")):
        return version.split()[0]
    return "Forge" if re.match(r"f\d|forge|neo", version) else "A1111"


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
    # the last line, or one that begins as settings do, where a tool wrote something behind it
    starts = [at for at in range(len(lines) - 1, -1, -1) if lines[at].startswith(_STEPS)]
    for at in dict.fromkeys([len(lines) - 1, *starts][:_CANDIDATES]):
        found = _SETTING.findall(lines[at][:MAX_SETTINGS])
        if len(found) >= 3:
            del lines[at:]
            for key, value in found:
                settings.setdefault(key.strip().lower(), _unquoted(value.strip()))
            break
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
