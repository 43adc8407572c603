"""A ComfyUI workflow as a dialect: finds where prompt, size, steps and seed go in an API-format graph.

Starts at the sampler and walks its links upstream, so it needs no titles and no naming
habits.  Where a graph leaves two answers it asks for `[slots]` instead of guessing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from runpodkit.errors import ConfigError

_TEXTS = ("text", "text_g", "text_l", "clip_l", "t5xxl", "prompt", "value", "string")
"""Inputs that hold a prompt, in the nodes of ComfyUI itself."""
_SEEDS = ("seed", "noise_seed")
_MAX_WALK = 200


@dataclass
class Slots:
    """Where parameters go in a workflow, and what it has there now."""

    names: dict[str, list[str]] = field(default_factory=dict)
    defaults: dict[str, Any] = field(default_factory=dict)
    volatile: list[str] = field(default_factory=list)


def read_workflow(text: str, where: str) -> dict[str, Any]:
    """A graph in ComfyUI's API format.

    Raises:
        ConfigError: not JSON, the editor's format, or no graph at all; the message names `where`.
    """
    try:
        graph = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f"{where} is not JSON: {exc}") from None
    if isinstance(graph, dict) and isinstance(graph.get("nodes"), list):
        raise ConfigError(f"{where} is a workflow in the editor's format: in ComfyUI choose Workflow, Export (API)")
    if isinstance(graph, dict) and isinstance(graph.get("input"), dict):
        graph = graph["input"]  # a whole request body, as the worker's examples are
    if isinstance(graph, dict) and isinstance(graph.get("workflow", graph.get("prompt")), dict):
        graph = graph.get("workflow", graph.get("prompt"))
    whole = isinstance(graph, dict) and graph
    if not whole or not all(
        isinstance(node, dict) and "class_type" in node and isinstance(node.get("inputs"), dict)
        for node in graph.values()
    ):
        raise ConfigError(f"{where} is not a ComfyUI workflow in API format: nodes with class_type and inputs")
    return dict(graph)


def without_doubles(graph: Mapping[str, Any]) -> dict[str, Any]:
    """The graph without a second SaveImage of the same pictures: it would deliver, and be sent, everything twice."""
    seen: list[Any] = []
    kept = {}
    for name, node in graph.items():
        if node["class_type"] == "SaveImage":
            if node["inputs"].get("images") in seen:
                continue
            seen.append(node["inputs"].get("images"))
        kept[name] = node
    return kept


def find_slots(graph: Mapping[str, Any], where: str, given: Mapping[str, Any] | None = None) -> Slots:
    """Where each parameter goes.

    Args:
        given: Slots that are named already, which nothing is looked for: field → `NODE.INPUT`.

    Raises:
        ConfigError: nothing is saved, or a sampler cannot be told; the message says what to write under `[slots]`.
    """
    found = Slots()
    given = given or {}
    for name, node in graph.items():
        if node["class_type"].startswith("SaveImage") and isinstance(node["inputs"].get("filename_prefix"), str):
            found.volatile.append(f"workflow.{name}.inputs.filename_prefix")
    if not any("Save" in node["class_type"] for node in graph.values()):
        raise ConfigError(f"{where} saves nothing: add a SaveImage node, previews are not sent back")
    samplers = list(_samplers(graph))
    if len(samplers) > 1 and not {"user_prompt", "seed"} <= given.keys():
        nodes = ", ".join(f"{name} ({graph[name]['class_type']})" for name in samplers)
        raise ConfigError(
            f"{where} has several samplers that start from an empty latent: {nodes}; "
            "say under [slots] where user_prompt, seed, steps, … go, as NODE.INPUT"
        )
    if samplers:
        _Walk(graph, found).sampler(samplers[0])
    elif "user_prompt" not in given:
        raise ConfigError(f"{where} has no sampler that is known: say under [slots] where user_prompt, seed, … go")
    images = [name for name, node in graph.items() if node["class_type"] == "LoadImage"]
    if len(images) == 1:
        found.names["input_image"] = [f"workflow.{images[0]}.inputs.image"]
    else:
        found.names.pop("strength", None)
    if "user_prompt" not in found.names and "user_prompt" not in given:
        raise ConfigError(f"{where}: no node takes the prompt; write user_prompt = 'NODE.text' under [slots]")
    return found


def slot_path(graph: Mapping[str, Any], slot: str, where: str) -> str:
    """`NODE.INPUT` as a path into the input.

    Raises:
        ConfigError: the graph has no such node.
    """
    node, _, name = slot.rpartition(".")
    if node not in graph:
        raise ConfigError(f"{where}: slot {slot!r} names no node of the workflow; its nodes are {', '.join(graph)}")
    return f"workflow.{node}.inputs.{name}"


def _samplers(graph: Mapping[str, Any]) -> Iterator[str]:
    """Sampler nodes that start a picture, not those that go on with one."""
    for name, node in graph.items():
        inputs = node["inputs"]
        if not _link(inputs.get("latent_image")):
            continue
        if not (_link(inputs.get("positive")) or _link(inputs.get("guider"))):
            continue
        before = graph.get(_link(inputs["latent_image"]) or "", {})
        if not _link(before.get("inputs", {}).get("samples")) or before.get("class_type") == "VAEEncode":
            yield name


class _Walk:
    """Upstream from one sampler, noting what is met."""

    def __init__(self, graph: Mapping[str, Any], found: Slots) -> None:
        self._graph, self._found = graph, found

    def sampler(self, name: str) -> None:
        inputs = self._inputs(name)
        for seed in _SEEDS:
            self._note("seed", name, seed)
        for ours, theirs in (("steps", "steps"), ("cfg_scale", "cfg"), ("strength", "denoise")):
            self._note(ours, name, theirs)
        self._note("sampler_name", name, "sampler_name")
        self._note("scheduler", name, "scheduler")
        positive, negative = _link(inputs.get("positive")), _link(inputs.get("negative"))
        if guider := _link(inputs.get("guider")):
            self._note("cfg_scale", guider, "cfg")
            about = self._inputs(guider)
            positive = _link(about.get("positive")) or _link(about.get("conditioning"))
            negative = _link(about.get("negative"))
        if noise := _link(inputs.get("noise")):
            self._note("seed", noise, "noise_seed")
        if method := _link(inputs.get("sampler")):
            self._note("sampler_name", method, "sampler_name")
        if sigmas := _link(inputs.get("sigmas")):
            for ours, theirs in (("steps", "steps"), ("scheduler", "scheduler"), ("strength", "denoise")):
                self._note(ours, sigmas, theirs)
        self._prompt("user_prompt", positive)
        self._prompt("negative_prompt", negative)
        if self._found.names.get("negative_prompt") == self._found.names.get("user_prompt"):
            self._found.names.pop("negative_prompt", None)
        self._latent(_link(inputs.get("latent_image")))

    def _prompt(self, field: str, node: str | None) -> None:
        """The texts that a conditioning is made of."""
        for name in self._upstream(node, ("conditioning", "conditioning_1", "positive")):
            inputs = self._inputs(name)
            if field == "user_prompt" and isinstance(inputs.get("guidance"), int | float):
                self._found.names["cfg_scale"] = []  # a distilled model: its guidance is here, the sampler's stays 1
                self._note("cfg_scale", name, "guidance")
            if "ZeroOut" in self._graph[name]["class_type"]:
                return
            paths = [path for text in _TEXTS if (path := self._text(name, text))]
            if paths:
                self._found.names[field] = paths
                return

    def _text(self, node: str, name: str) -> str | None:
        """Where a text input gets its words: here, or in the node it is linked to."""
        value = self._inputs(node).get(name)
        if isinstance(value, str):
            return f"workflow.{node}.inputs.{name}"
        linked = _link(value)
        if linked is None or linked not in self._graph:
            return None
        inputs = self._inputs(linked)
        return next((f"workflow.{linked}.inputs.{text}" for text in _TEXTS if isinstance(inputs.get(text), str)), None)

    def _latent(self, node: str | None) -> None:
        for name in self._upstream(node, ("samples", "latent", "latent_image", "pixels")):
            inputs = self._inputs(name)
            if isinstance(inputs.get("width"), int) and isinstance(inputs.get("height"), int):
                for ours, theirs in (("width", "width"), ("height", "height"), ("num_images", "batch_size")):
                    self._note(ours, name, theirs)
                return

    def _upstream(self, node: str | None, ways: tuple[str, ...]) -> Iterator[str]:
        for _ in range(_MAX_WALK):
            if node is None or node not in self._graph:
                return
            yield node
            inputs = self._inputs(node)
            node = next((linked for way in ways if (linked := _link(inputs.get(way)))), None)

    def _note(self, field: str, node: str, name: str) -> None:
        value = self._inputs(node).get(name)
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            path = f"workflow.{node}.inputs.{name}"
            self._found.names.setdefault(field, []).append(path)
            if field not in ("seed", "strength"):
                self._found.defaults[field] = value

    def _inputs(self, node: str) -> Mapping[str, Any]:
        inputs: Mapping[str, Any] = self._graph.get(node, {}).get("inputs", {})
        return inputs


def _link(value: Any) -> str | None:
    """The node an input is linked to."""
    return str(value[0]) if isinstance(value, list) and len(value) == 2 and isinstance(value[1], int) else None
