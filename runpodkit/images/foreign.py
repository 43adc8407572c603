"""What other image tools write into pictures, read into our fields.

One short reader per tool: it looks at the texts of a picture, gives None where they are not its
tool's, and else the fields they say, unchecked; ValueError where they are its tool's but say
nothing that can be used.  Knows no container.

Sources (facts only, 2026-08): the tools' own code or documentation: A1111, Forge and SD.Next
(`parameters`), SwarmUI (docs, "Image Metadata Format"), Fooocus (`modules/meta_parser.py`),
InvokeAI (`CoreMetadataInvocation`; older forms by sd-parsers), ComfyUI (`nodes_images.py`), Easy
Diffusion (`save_utils.py`); NovelAI and Draw Things, which publish none, by pictures of theirs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from runpodkit.images import comfy_graph, infotext, sampler_names, xmp
from runpodkit.images.bounded_json import read_json, read_object
from runpodkit.images.inscribed import PARAMETERS

Texts = Mapping[str, str]
Fields = dict[str, Any]
_SCALARS = str | int | float


def read_foreign(texts: Texts) -> tuple[str, Fields] | None:
    """The tool that wrote a picture's texts, and our fields as far as they say them; None: no tool that is known.

    Raises:
        ValueError: a tool is told by its texts, but they are broken or hold no prompt.
    """
    for reader in _READERS:
        if (found := reader(texts)) is not None:
            tool, fields = found
            return tool, _ours(fields)
    return None


def _swarm(texts: Texts) -> tuple[str, Fields] | None:
    stated = (read_object(texts.get(PARAMETERS, "")) or {}).get("sui_image_params")
    if not isinstance(stated, dict):
        return None
    names = {"prompt": "user_prompt", "negativeprompt": "negative_prompt", "cfgscale": "cfg_scale"}
    fields = _taken(stated, names | _SAME | {"sampler": "sampler_name"})
    if "fluxguidancescale" in stated:  # a distilled model: its cfg scale stays 1
        fields["cfg_scale"] = stated["fluxguidancescale"]
    return "SwarmUI", fields


def _fooocus(texts: Texts) -> tuple[str, Fields] | None:
    stated = read_object(texts.get(PARAMETERS, ""))
    if not stated or not ("base_model" in stated or texts.get("fooocus_scheme") == "fooocus"):
        return None
    names = {"prompt": "user_prompt", "negative_prompt": "negative_prompt", "guidance_scale": "cfg_scale"}
    fields = _taken(stated, names | _SAME | {"sampler": "sampler_name"})
    if match := re.fullmatch(r"\((\d{1,9}), ?(\d{1,9})\)", str(stated.get("resolution", ""))[:30]):
        fields["width"], fields["height"] = int(match[1]), int(match[2])
    return "Fooocus", fields


def _a1111(texts: Texts) -> tuple[str, Fields] | None:
    text = texts.get(PARAMETERS, "")
    if not text.strip() or read_object(text) is not None:
        return None
    return infotext.written_by(text), infotext.fields_of(text)


def _invoke(texts: Texts) -> tuple[str, Fields] | None:
    names = {"positive_prompt": "user_prompt", "negative_prompt": "negative_prompt", "scheduler": "sampler_name"}
    if "invokeai_metadata" in texts:
        stated = _object(texts["invokeai_metadata"], "invokeai_metadata")
        same = {name: name for name in ("width", "height", "steps", "cfg_scale", "seed")}
        fields = _taken(stated, names | same)
        if stated.get("cfg_scale") is None and "guidance" in stated:
            fields["cfg_scale"] = stated["guidance"]
        if stated.get("init_image"):
            fields |= _taken(stated, {"strength": "strength"})
    elif "sd-metadata" in texts:
        image = _object(texts["sd-metadata"], "sd-metadata").get("image")
        if not isinstance(image, dict):
            raise ValueError("its sd-metadata has no image in it")
        fields = _taken(image, _SAME | {"sampler": "sampler_name", "cfg_scale": "cfg_scale"})
        prompt = image.get("prompt")
        if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
            prompt = prompt[0].get("prompt")
        fields |= _bracketed(prompt)
    elif match := re.match(r'"(.*)"(.*)$', texts.get("Dream", "").replace("\n", " ")):
        options = dict(re.findall(r"\s-([A-Za-z])\s?(\S+)", match[2][:1000]))
        letters = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler_name"}
        fields = _taken(options, letters) | _bracketed(match[1])
    else:
        return None
    return "InvokeAI", fields


def _novelai(texts: Texts) -> tuple[str, Fields] | None:
    stated = read_object(texts.get("Comment", ""))
    if stated is None or not (texts.get("Software") == "NovelAI" or {"uc", "steps"} <= stated.keys()):
        return None
    names = {"prompt": "user_prompt", "uc": "negative_prompt", "scale": "cfg_scale"}
    fields = _taken(stated, names | _SAME | {"sampler": "sampler_name", "noise_schedule": "scheduler"})
    if not fields.get("user_prompt"):
        fields["user_prompt"] = texts.get("Description", "")
    if fields.get("scheduler") == "native":
        del fields["scheduler"]
    if stated.get("request_type") in ("Img2ImgRequest", "NativeInfillingRequest"):
        fields |= _taken(stated, {"strength": "strength"})
    return "NovelAI", fields


def _comfy(texts: Texts) -> tuple[str, Fields] | None:
    graph = read_object(texts.get("prompt", ""))
    if graph is None or not comfy_graph.is_graph(graph):
        if (editor := read_object(texts.get("workflow", ""))) and isinstance(editor.get("nodes"), list):
            raise ValueError(
                "it holds ComfyUI's workflow as the editor keeps it, without the `prompt` graph that was run"
            )
        return None
    return "ComfyUI", comfy_graph.read_graph(graph)


def _easy_diffusion(texts: Texts) -> tuple[str, Fields] | None:
    stated: Mapping[str, Any] = read_object(texts.get(PARAMETERS, "")) or texts
    names = {"prompt": "user_prompt", "num_inference_steps": "steps", "guidance_scale": "cfg_scale"}
    labels = {
        "Prompt": "user_prompt", "Negative Prompt": "negative_prompt", "Steps": "steps", "Guidance Scale": "cfg_scale",
        "Sampler": "sampler_name", "Seed": "seed", "Width": "width", "Height": "height", "Prompt Strength": "strength",
    }  # fmt: skip
    if "num_inference_steps" in stated:
        same = {"negative_prompt": "negative_prompt", "sampler_name": "sampler_name", "prompt_strength": "strength"}
        return "Easy Diffusion", _taken(stated, names | _SAME | same)
    if {"Prompt", "Guidance Scale"} <= stated.keys():
        return "Easy Diffusion", _taken(stated, labels)
    return None


def _draw_things(texts: Texts) -> tuple[str, Fields] | None:
    packet = texts.get(xmp.KEYWORD, "")
    stated = read_object(xmp.text_of(packet, "exif:UserComment")) if "Draw Things" in packet else None
    if stated is None or "c" not in stated:
        return None
    names = {"c": "user_prompt", "uc": "negative_prompt", "scale": "cfg_scale", "sampler": "sampler_name"}
    fields = _taken(stated, names | {"steps": "steps", "seed": "seed"})
    if match := re.fullmatch(r"(\d{1,9})x(\d{1,9})", str(stated.get("size", ""))[:30]):
        fields["width"], fields["height"] = int(match[1]), int(match[2])
    if isinstance(strength := stated.get("strength"), int | float) and strength < 1:
        fields["strength"] = strength
    return "Draw Things", fields


_SAME = {name: name for name in ("width", "height", "steps", "seed", "scheduler")}
_READERS: tuple[Callable[[Texts], tuple[str, Fields] | None], ...] = (
    _swarm, _fooocus, _easy_diffusion, _a1111, _invoke, _novelai, _comfy, _draw_things,
)  # fmt: skip
"""The surest signs first: `parameters` and `prompt` are the names of several tools' texts."""


def _taken(stated: Mapping[str, Any], names: Mapping[str, str]) -> Fields:
    """What is stated, under our names; an empty or missing value is not stated."""
    return {ours: stated[theirs] for theirs, ours in names.items() if stated.get(theirs) not in (None, "")}


def _object(text: str, keyword: str) -> dict[str, Any]:
    try:
        value = read_json(text)
    except ValueError as exc:
        raise ValueError(f"its {keyword} is broken: {exc}") from None
    if not isinstance(value, dict):
        raise ValueError(f"its {keyword} is no JSON object")
    return value


def _bracketed(prompt: object) -> Fields:
    """Old InvokeAI: what is to be kept out stands in brackets within the prompt."""
    if not isinstance(prompt, str):
        return {}
    kept_out = re.findall(r"\[([^\[\]]*)\]", prompt)
    words = re.sub(r"\[[^\[\]]*\]", "", prompt).strip(" ,")
    return {
        "user_prompt": words,
        "negative_prompt": ", ".join(part.strip(" ,") for part in kept_out if part.strip(" ,")),
    }


def _ours(fields: Fields) -> Fields:
    """Fields in our spelling; the words were sent as they stand."""
    fields = {"negative_prompt": "", **fields, "use_enhanced_prompts": False}
    if isinstance(name := fields.get("sampler_name"), str):
        fields["sampler_name"], schedule = sampler_names.ours(name)
        if schedule:
            fields.setdefault("scheduler", schedule)
    if "user_prompt" not in fields or fields["user_prompt"] == "":
        raise ValueError("it holds parameters but no prompt")
    for name, value in fields.items():
        if not isinstance(value, _SCALARS) or (isinstance(value, bool) and name != "use_enhanced_prompts"):
            raise ValueError(f"{name}={repr(value)[:60]}: neither a number nor a text")
    return fields
