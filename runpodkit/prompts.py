"""Prompts: what the user typed becomes what is sent, by way of a preset.

A preset is data: words that ask for quality, and words for what to keep out.  Which
preset a worker wants is its dialect's business; flux-like models want "none".  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from runpodkit.params import ImageParams


@dataclass(frozen=True, slots=True)
class Preset:
    """Words added to prompts, as comma lists; an empty list adds nothing."""

    name: str
    quality: str
    negative: str


class SentPrompt(NamedTuple):
    """Both prompts as they go to the worker."""

    prompt: str
    negative_prompt: str


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            Preset("none", quality="", negative=""),
            Preset(
                "general",
                quality="highly detailed, sharp focus, balanced composition",
                negative="blurry, low quality, deformed, watermark, text",
            ),
        )
    }
)
"""The built-in presets by name."""


def enhance(params: ImageParams, preset: Preset) -> SentPrompt:
    """Both prompts as sent.

    With `use_enhanced_prompts` the preset's words are appended, save those the prompt
    already has (whole words, any capitals).  A negative prompt of None is the preset's;
    an empty one stays empty, for whoever wrote it wants nothing kept out.
    """
    negative = params.negative_prompt
    if not params.use_enhanced_prompts:
        return SentPrompt(params.user_prompt, negative or "")
    return SentPrompt(
        _with_words(params.user_prompt, preset.quality),
        preset.negative if negative is None else _with_words(negative, preset.negative) if negative else "",
    )


@lru_cache(maxsize=256)  # the trials of a sweep share few prompts
def _with_words(prompt: str, words: str) -> str:
    listed = (word.strip() for word in words.split(","))
    new = ", ".join(word for word in listed if word and not _has(prompt, word))
    if not new:
        return prompt
    kept = prompt.rstrip(" \t\r\n,")
    if not kept:
        return new
    return f"{kept}{' ' if kept[-1] in '.!?;' else ', '}{new}"


def _has(prompt: str, word: str) -> bool:
    pattern = r"\s+".join(re.escape(part) for part in word.split())
    return re.search(rf"(?<!\w){pattern}(?!\w)", prompt, re.IGNORECASE) is not None
