"""A ComfyUI graph out of a picture, read for what it was drawn with.

Starts at the sampler that begins the picture and walks its links upstream, so it needs no titles
and no list of nodes.  The graph is a stranger's: any part of it may be missing, of another type
or a circle.  (Where parameters go *into* a workflow is asked in `endpoint.dialects.comfyui`, with
other answers where two are possible.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SEEDS = ("seed", "noise_seed")
_NUMBERS = ("value", "int", "float", "number", *_SEEDS)
"""Inputs of nodes that only hold a number."""
_TEXTS = ("text", "text_g", "text_l", "clip_l", "t5xxl", "prompt", "positive", "value", "string", "wildcard_text")
"""Inputs that hold words."""
_MAX_WALK = 200
_MAX_HOPS = 8
MAX_NODES = 5000


def is_graph(value: Any) -> bool:
    """Whether a JSON value is a graph as ComfyUI's API takes it."""
    return (
        isinstance(value, dict)
        and 0 < len(value) <= MAX_NODES
        and any(isinstance(node, dict) and "class_type" in node for node in value.values())
    )


def read_graph(graph: Mapping[str, Any]) -> dict[str, Any]:
    """Our fields as far as the graph says them, unchecked; words as they are in it.

    Raises:
        ValueError: no sampler begins a picture, or several do and it cannot be told which began this one.
    """
    samplers = [name for name in graph if _begins(graph, name)]
    if len(samplers) > 1:
        drawn = _upstream_of_outputs(graph)
        samplers = [name for name in samplers if name in drawn] or samplers
    if not samplers:
        raise ValueError("its ComfyUI graph has no sampler that is known")
    if len(samplers) > 1:
        named = ", ".join(repr(f"{name} ({_kind(graph, name)})")[1:60].rstrip("'") for name in samplers[:5])
        raise ValueError(f"its ComfyUI graph has several samplers, {named}: which one drew it cannot be told")
    return {name: value for name, value in _sampler(graph, samplers[0]).items() if value is not None}


def _begins(graph: Mapping[str, Any], name: str) -> bool:
    """A sampler whose latent comes from no other sampler."""
    inputs = _inputs(graph, name)
    latent = _link(inputs.get("latent_image"))
    if latent is None or not (_link(inputs.get("positive")) or _link(inputs.get("guider"))):
        return False
    return not any(
        "latent_image" in _inputs(graph, node)
        and ("positive" in _inputs(graph, node) or "guider" in _inputs(graph, node))
        for node in _chain(graph, latent, ("samples", "latent", "latent_image", "pixels", "image", "images"))
    )


def _sampler(graph: Mapping[str, Any], name: str) -> dict[str, Any]:
    inputs = _inputs(graph, name)
    guider = _inputs(graph, _link(inputs.get("guider")))
    sigmas = _inputs(graph, _link(inputs.get("sigmas")))
    method = _inputs(graph, _link(inputs.get("sampler")))
    noise = _inputs(graph, _link(inputs.get("noise")))
    positive = _link(inputs.get("positive")) or _link(guider.get("positive")) or _link(guider.get("conditioning"))
    negative = _link(inputs.get("negative")) or _link(guider.get("negative"))
    latent = list(_chain(graph, _link(inputs.get("latent_image")), ("samples", "latent", "latent_image")))
    words, guidance = _words(graph, positive)
    edits = any("VAEEncode" in _kind(graph, node) for node in latent)
    return {
        "user_prompt": words,
        "negative_prompt": _words(graph, negative)[0] or "",
        "steps": _first_number(graph, ("steps",), inputs, sigmas),
        # a distilled model has its guidance in the conditioning, and 1 at the sampler
        "cfg_scale": guidance if guidance is not None else _first_number(graph, ("cfg",), inputs, guider),
        "seed": _first_number(graph, _SEEDS, inputs, noise),
        "sampler_name": _first_text(inputs.get("sampler_name"), method.get("sampler_name")),
        "scheduler": _first_text(inputs.get("scheduler"), sigmas.get("scheduler")),
        "strength": _first_number(graph, ("denoise",), inputs, sigmas) if edits else None,
        **_size(graph, latent),
    }


def _words(graph: Mapping[str, Any], node: str | None) -> tuple[str | None, Any]:
    """The words a conditioning is made of, the longest where an encoder takes several, and its guidance."""
    guidance = None
    for name in _chain(graph, node, ("conditioning", "conditioning_1", "conditioning_to", "positive")):
        inputs = _inputs(graph, name)
        if guidance is None:
            guidance = _number(graph, inputs.get("guidance"))
        if "ZeroOut" in _kind(graph, name):
            break
        found = [text for key in _TEXTS if (text := _text(graph, inputs.get(key)))]
        if found:
            return max(found, key=len), guidance
    return None, guidance


def _text(graph: Mapping[str, Any], value: Any) -> str | None:
    """Words that stand here, or in the node that they are linked to."""
    for _ in range(_MAX_HOPS):
        if isinstance(value, str):
            return value
        inputs = _inputs(graph, _link(value))
        value = next(
            (inputs[key] for key in _TEXTS if isinstance(inputs.get(key), str) or _link(inputs.get(key))), None
        )
    return None


def _number(graph: Mapping[str, Any], value: Any) -> int | float | None:
    """A number that stands here, or in the node that it is linked to."""
    for _ in range(_MAX_HOPS):
        if isinstance(value, int | float) and not isinstance(value, bool):
            return value
        inputs = _inputs(graph, _link(value))
        value = next((inputs[key] for key in _NUMBERS if key in inputs), None)
    return None


def _first_number(graph: Mapping[str, Any], names: Sequence[str], *places: Mapping[str, Any]) -> int | float | None:
    numbers = (_number(graph, inputs.get(name)) for inputs in places for name in names)
    return next((number for number in numbers if number is not None), None)


def _first_text(*values: Any) -> str | None:
    return next((value for value in values if isinstance(value, str)), None)


def _size(graph: Mapping[str, Any], latent: Sequence[str]) -> dict[str, Any]:
    for node in latent:
        inputs = _inputs(graph, node)
        width, height = _number(graph, inputs.get("width")), _number(graph, inputs.get("height"))
        if width is not None and height is not None:
            return {"width": width, "height": height}
    return {}


def _chain(graph: Mapping[str, Any], node: str | None, ways: Sequence[str]) -> Iterator[str]:
    """Nodes upstream by the first way that is linked."""
    seen: set[str] = set()
    while node is not None and node in graph and node not in seen and len(seen) < _MAX_WALK:
        seen.add(node)
        yield node
        inputs = _inputs(graph, node)
        node = next((linked for way in ways if (linked := _link(inputs.get(way)))), None)


def _upstream_of_outputs(graph: Mapping[str, Any]) -> set[str]:
    """Everything that a saving node depends on."""
    waiting = [name for name in graph if "Save" in _kind(graph, name)]
    seen: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name not in seen and name in graph:
            seen.add(name)
            waiting.extend(linked for value in _inputs(graph, name).values() if (linked := _link(value)))
    return seen


def _inputs(graph: Mapping[str, Any], node: str | None) -> Mapping[str, Any]:
    held = graph.get(node) if node is not None else None
    inputs = held.get("inputs") if isinstance(held, dict) else None
    return inputs if isinstance(inputs, dict) else {}


def _kind(graph: Mapping[str, Any], node: str) -> str:
    held = graph.get(node)
    kind = held.get("class_type") if isinstance(held, dict) else None
    return kind if isinstance(kind, str) else ""


def _link(value: Any) -> str | None:
    """The node an input is linked to."""
    linked = (
        isinstance(value, list) and len(value) == 2 and isinstance(value[0], str | int) and isinstance(value[1], int)
    )
    return str(value[0]) if linked else None
