"""What we write, read by others: sd-parsers, Pillow, and the rules of two readers put down in a few lines."""

from __future__ import annotations

import io
import re
from typing import Any

import pytest
from PIL import Image

from runpodkit.images import metadata
from runpodkit.params import ImageParams
from runpodkit.prompts import SentPrompt

sd_parsers = pytest.importorskip("sd_parsers")

FORMS = ("png", "jpeg", "webp")
PARAMS = ImageParams(
    user_prompt="a lighthouse",
    width=512,
    height=768,
    steps=12,
    cfg_scale=7.5,
    seed=4294967295,
    sampler_name="DPM++ 2M",
    scheduler="karras",
)
PROMPTS = [
    ("a lighthouse, (sharp:1.2)", "blurry, (low quality:1.4)"),
    ("маяк на закате 灯台 🗼", "размыто"),
    ("two\nlines\n\nand a third", "one\ntwo"),
    ("x", ""),
    ("a recipe\nSteps: 3, Sampler: none, Seed: 4\nNegative prompt: salt", "Negative prompt: pepper\nSteps: 9"),
    ("Steps: 3, Negative prompt: at once", "x"),
    ('"quoted", a\\b, <lora:name:0.8> {a|b} [c]', "no: colon, yes"),
]
_kept: list[Image.Image] = []
"""sd-parsers remembers a picture by its `id`: one that is gone could be taken for the next."""


def expected(words: str) -> str:
    """What a reader can make out: headings within a prompt are written in small letters."""
    return re.sub("Negative prompt:|^Steps:", lambda found: found[0].lower(), words, flags=re.MULTILINE).strip()


def opened(data: bytes) -> Image.Image:
    _kept.append(Image.open(io.BytesIO(data)))
    return _kept[-1]


def comment(data: bytes) -> str:
    """The text as readers of JPEG and WebP get at it: EXIF UserComment, UTF-16 big-endian and nothing else."""
    raw = opened(data).getexif().get_ifd(0x8769)[0x9286]
    assert raw[:8] == b"UNICODE\0"
    return str(raw[8:].decode("utf-16-be"))


def infotext(data: bytes, form: str) -> str:
    return str(opened(data).info["parameters"]) if form == "png" else comment(data)


@pytest.mark.parametrize(("prompt", "negative"), PROMPTS)
@pytest.mark.parametrize("form", FORMS)
def test_sd_parsers_finds_everything(form, prompt, negative, picture):
    data = metadata.embed(picture(form), PARAMS, SentPrompt(prompt, negative), {"model": "sd_xl_base_1.0"})

    found = sd_parsers.ParserManager(debug=True).parse(opened(data))

    assert found is not None and found.generator is sd_parsers.data.Generators.AUTOMATIC1111
    (sampler,) = found.samplers
    assert sampler.name == "DPM++ 2M"
    assert sampler.parameters == {
        "steps": "12", "cfg_scale": "7.5", "seed": "4294967295", "scheduler": "Karras",
    }  # fmt: skip
    assert found.metadata["Size"] == "512x768"
    assert [model.name for model in found.models] == ["sd_xl_base_1.0"]
    assert found.full_prompt == expected(prompt)
    assert found.full_negative_prompt == expected(negative)


def as_civitai(text: str) -> dict[str, Any]:
    """Civitai's rule: the settings are the first line that starts with `Steps: `, the negative prompt stands above."""
    lines = [line for line in text.split("\n") if line.strip()]
    at = next(at for at, line in enumerate(lines) if line.startswith("Steps: "))
    before = "\n".join(lines[:at])
    prompt, _, negative = before.partition("Negative prompt:")
    return {"prompt": prompt.strip(), "negative": negative.strip(), **as_pairs(lines[at])}


def as_prompt_reader(text: str) -> dict[str, Any]:
    """sd-prompt-reader's rule: the first literal `\\nSteps:` and `\\nNegative prompt:` part the text."""
    at = text.find("\nSteps:")
    assert at >= 0
    parted = text.find("\nNegative prompt:")
    assert ("Negative prompt:" in text) == (parted >= 0), "it looks for one and cuts at the other"
    negative = text[parted + len("\nNegative prompt:") : at].strip() if parted >= 0 else ""
    return {"prompt": text[: parted if parted >= 0 else at].strip(), "negative": negative, **as_pairs(text[at:])}


def as_pairs(line: str) -> dict[str, str]:
    return dict(re.findall(r"\s*([^:,]+):\s*([^,]+)", line))


@pytest.mark.parametrize("reader", [as_civitai, as_prompt_reader])
@pytest.mark.parametrize(("prompt", "negative"), PROMPTS)
@pytest.mark.parametrize("form", FORMS)
def test_two_readers_by_their_rules_find_everything(form, prompt, negative, reader, picture):
    data = metadata.embed(picture(form), PARAMS, SentPrompt(prompt, negative), {"model": "sd_xl_base_1.0"})

    found = reader(infotext(data, form))

    blank_lines = reader is as_civitai
    same = (lambda words: re.sub("\n+", "\n", words)) if blank_lines else str
    assert found == {
        "prompt": same(expected(prompt)), "negative": same(expected(negative)), "Steps": "12", "Sampler": "DPM++ 2M",
        "Schedule type": "Karras", "CFG scale": "7.5", "Seed": "4294967295", "Size": "512x768",
        "Model": "sd_xl_base_1.0", "Version": "runpodkit",
    }  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_pillow_finds_the_mark_in_the_packet(form, picture):
    pytest.importorskip("defusedxml")
    packet = opened(metadata.embed(picture(form), PARAMS, SentPrompt("x", ""), {})).getxmp()

    stated = packet["xmpmeta"]["RDF"]["Description"]["DigitalSourceType"]
    assert stated == "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
