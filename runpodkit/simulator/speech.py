"""How other workers speak: a built-in worker that takes their input and answers in their form.

Facts about published workers, from their own sources; the drawing is the sketch model's.
So a dialect can be rehearsed from prompt to picture before it costs something.  Knows
nothing of the client's dialects: the two meet at HTTP, or neither proves anything.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Native = dict[str, Any]


class RefusedError(Exception):
    """The worker does not take this input; `said` is what it puts under `error`, or into its output."""

    def __init__(self, said: Any, *, completed: bool = False) -> None:
        super().__init__(said)
        self.said, self.completed = said, completed


@dataclass(frozen=True)
class Speech:
    """One kind of worker."""

    names: Mapping[str, str]
    """Its word → the native one."""
    write: Callable[[list[Native], Mapping[str, Any]], Any]
    """Drawn pictures and the input → its output."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """In native words."""
    count: str | None = None
    """Its word for the number of pictures."""
    samplers: Mapping[str, str] = field(default_factory=dict)
    """Its words for samplers → the sketch model's; empty: the same."""
    others: frozenset[str] | None = None
    """Further inputs it knows; None: any is ignored without a word."""
    picture: str | None = None
    """Its word for the picture it edits, a link or a data URI; the stand-in looks no further and draws anew."""
    inner: str = ""
    """Where in the input its parameters are."""

    def read(self, given: Mapping[str, Any]) -> list[Native]:
        """Native inputs, one for each picture asked for; seeds count up from the first.

        Raises:
            RefusedError: what the worker refuses, in its words.
        """
        asked = given.get(self.inner, {}) if self.inner else given
        picture = asked.get(self.picture) if self.picture else None
        if self.picture and not (
            isinstance(picture, str) and picture.startswith(("https://", "http://", "data:image/"))
        ):
            raise RefusedError(f"{self.picture} is required: a link or a data URI")
        known = {*self.names, *([self.count] if self.count else []), *(self.others or ())}
        if self.others is not None and (unknown := [name for name in asked if name not in known]):
            raise RefusedError([f"Unexpected input. {name} is not a valid input option." for name in unknown])
        native = {ours: asked[theirs] for theirs, ours in self.names.items() if asked.get(theirs) is not None}
        if "size" in native:
            native["width"], native["height"] = _size(native.pop("size"))
        native = {**self.defaults, **native}
        if not native.get("prompt"):
            raise RefusedError(["prompt is a required input."] if self.others is not None else "prompt is missing")
        if self.samplers and "sampler_name" in native:
            if native["sampler_name"] not in self.samplers:
                raise RefusedError(f"KeyError: {native['sampler_name']!r}")
            native["sampler_name"] = self.samplers[native["sampler_name"]]
        number = asked.get(self.count, 1) if self.count else 1
        seed = native.get("seed", -1)
        return [{**native, "seed": seed if seed == -1 else seed + i} for i in range(number)]


class ComfySpeech:
    """worker-comfyui: the parameters are wherever the workflow has them."""

    def read(self, given: Mapping[str, Any]) -> list[Native]:
        """As `Speech.read`."""
        graph = given.get("workflow")
        if not isinstance(graph, Mapping):
            raise RefusedError("Missing 'workflow' parameter")
        sampler = next((node for node in graph.values() if node.get("class_type") == "KSampler"), None)
        if sampler is None:
            raise RefusedError("Workflow validation failed: no KSampler, the only sampler node of this stand-in")
        inputs = sampler["inputs"]

        def linked(name: str) -> Mapping[str, Any]:
            found: Mapping[str, Any] = graph[inputs[name][0]]["inputs"]
            return found

        method = _COMFY_SAMPLERS.get(inputs["sampler_name"])
        if method is None:
            raise RefusedError(f"Workflow validation failed: sampler_name: '{inputs['sampler_name']}' not in list")
        native = {
            "prompt": linked("positive")["text"],
            "negative_prompt": linked("negative")["text"],
            "width": linked("latent_image")["width"],
            "height": linked("latent_image")["height"],
            "steps": inputs["steps"],
            "cfg_scale": inputs["cfg"],
            "sampler_name": method,
            "scheduler": inputs["scheduler"],
        }
        return [{**native, "seed": inputs["seed"] + i} for i in range(linked("latent_image").get("batch_size", 1))]

    def write(self, drawn: list[Native], given: Mapping[str, Any]) -> Any:
        """As `Speech.write`."""
        saved = [node for node in given["workflow"].values() if node.get("class_type") == "SaveImage"]
        prefix = saved[0]["inputs"]["filename_prefix"] if saved else "ComfyUI"
        return {
            "images": [
                {"filename": f"{prefix}_{number:05d}_.png", "type": "base64", "data": one["image"]}
                for number, one in enumerate(drawn, 1)
            ]
        }


def _size(text: str) -> tuple[int, int]:
    width, _, height = text.replace("*", "x").partition("x")
    return int(width), int(height)


def _uri(one: Native) -> str:
    return f"data:image/png;base64,{one['image']}"


def _sdxl(drawn: list[Native], given: Mapping[str, Any]) -> Any:
    images = [_uri(one) for one in drawn]
    return {"images": images, "image_url": images[0], "seed": drawn[0]["seed"]}


def _turbo(drawn: list[Native], given: Mapping[str, Any]) -> Any:
    images = [{"image": one["image"], "seed": one["seed"]} for one in drawn]
    return {"images": images, "generation_time": 0.5, "parameters": dict(given)}


def _a1111(drawn: list[Native], given: Mapping[str, Any]) -> Any:
    seeds = [one["seed"] for one in drawn]
    info = f'{{"seed": {seeds[0]}, "all_seeds": {seeds}}}'
    return {"images": [one["image"] for one in drawn], "parameters": dict(given), "info": info}


def _list(drawn: list[Native], given: Mapping[str, Any]) -> Any:
    return [{"image": one["image"], "seed": one["seed"]} for one in drawn]


def _public(drawn: list[Native], given: Mapping[str, Any]) -> Any:
    return {"image_url": _uri(drawn[0]), "cost": 0.0025}


_PLAIN = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "num_inference_steps": "steps",
    "guidance_scale": "cfg_scale",
}
_DIFFUSERS = {
    "DDIM": "DDIM",
    "KLMS": "LMS",
    "K_EULER": "Euler",
    "K_EULER_ANCESTRAL": "Euler a",
    "DPMSolverMultistep": "DPM++ 2M",
}
_COMFY_SAMPLERS = {
    "euler": "Euler",
    "euler_ancestral": "Euler a",
    "heun": "Heun",
    "dpm_2": "DPM2",
    "dpm_2_ancestral": "DPM2 a",
    "dpmpp_2m": "DPM++ 2M",
    "dpmpp_2s_ancestral": "DPM++ 2S a",
    "dpmpp_sde": "DPM++ SDE",
    "ddim": "DDIM",
    "lms": "LMS",
}
_A1111 = {
    "prompt": "prompt",
    "negative_prompt": "negative_prompt",
    "width": "width",
    "height": "height",
    "seed": "seed",
    "steps": "steps",
    "cfg_scale": "cfg_scale",
    "sampler_name": "sampler_name",
}

SPEECHES: Mapping[str, Speech | ComfySpeech] = {
    "a1111": Speech(_A1111, _a1111, {"width": 512, "height": 512, "steps": 20}, count="batch_size"),
    "a1111-ak": Speech(
        _A1111,
        _a1111,
        {"width": 512, "height": 512, "steps": 20},
        count="batch_size",
        others=frozenset(),
        inner="payload",
    ),
    "comfyui": ComfySpeech(),
    "sdxl": Speech(
        {**_PLAIN, "scheduler": "sampler_name"},
        _sdxl,
        {"width": 1024, "height": 1024, "steps": 25, "cfg_scale": 7.5, "sampler_name": "DDIM"},
        count="num_images",
        samplers=_DIFFUSERS,
        others=frozenset({"refiner_inference_steps", "strength", "image_url", "high_noise_frac"}),
    ),
    "sdxl-turbo": Speech(
        _PLAIN,
        _turbo,
        {"width": 512, "height": 512, "steps": 1, "cfg_scale": 0.0},
        count="num_images",
        others=frozenset(),
    ),
    "sd2": Speech(
        {**_PLAIN, "scheduler": "sampler_name"},
        _list,
        {"width": 768, "height": 768, "steps": 50, "cfg_scale": 7.5, "sampler_name": "DPMSolverMultistep"},
        count="num_outputs",
        samplers=_DIFFUSERS,
        others=frozenset({"prompt_strength"}),
    ),
    "black-forest-labs-flux-1-schnell": Speech(
        {**_PLAIN, "guidance": "cfg_scale"}, _public, {"width": 1024, "height": 1024, "steps": 4}
    ),
    "qwen-image-edit": Speech(_PLAIN, _public, {"width": 256, "height": 256}, picture="image"),
    "qwen-image-t2i": Speech({**_PLAIN, "size": "size"}, _public, {"width": 1024, "height": 1024}),
}
"""By the name of the worker or public endpoint."""


def picture_in(output: Any) -> bytes | None:
    """The picture of a public endpoint's output, which the service offers by link."""
    link = output.get("image_url") if isinstance(output, dict) else None
    head = "data:image/png;base64,"
    return base64.b64decode(link[len(head) :]) if isinstance(link, str) and link.startswith(head) else None
