"""Dialects from data: the built-in rows, and a user's own file.

A row starts from another one by `base` and says what differs.  A user's file is TOML, or a
ComfyUI workflow as JSON; what it says travels with a run, so only this process reads it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from runpodkit.endpoint.dialects.comfyui import find_slots, read_workflow, slot_path, without_doubles
from runpodkit.endpoint.dialects.dialect import Dialect, spelling
from runpodkit.errors import ConfigError
from runpodkit.params import ImageParams

_TABLES = ("workers.toml", "public.toml")
MAX_FILE_BYTES = 4 * 2**20


@cache
def _rows() -> Mapping[str, Mapping[str, Any]]:
    rows: dict[str, Mapping[str, Any]] = {}
    for table in _TABLES:
        text = files("runpodkit.endpoint.dialects").joinpath(table).read_text("utf-8")
        public = {"public": True} if table == "public.toml" else {}
        rows |= {name: {"name": name, **public, **row} for name, row in tomllib.loads(text).items()}
    return rows


@cache
def built_in() -> Mapping[str, Dialect]:
    """Every dialect that comes with the package, by name."""
    return MappingProxyType({name: Dialect(**_whole(row, name)) for name, row in _rows().items()})


def from_row(row: Mapping[str, Any]) -> Dialect:
    """A dialect as it travelled with a run."""
    return Dialect(**row)


def from_file(path: Path) -> Dialect:
    """A user's dialect: TOML, or a ComfyUI workflow in API format as JSON.

    Raises:
        ConfigError: it cannot be read, or says something that cannot be meant; the message names file and entry.
    """
    text = _text(path)
    if path.suffix.lower() == ".json":
        row: dict[str, Any] = {"base": "comfyui", "about": path.name}
        graph = read_workflow(text, path.name)
    else:
        try:
            row = tomllib.loads(text)
        except tomllib.TOMLDecodeError as exc:
            raise ConfigError(f"{path} is not TOML: {exc}") from None
        workflow = row.pop("workflow", None)
        if workflow is not None and not isinstance(workflow, str):
            raise ConfigError(f"{path}: workflow names the file of a ComfyUI workflow, in quotes")
        graph = read_workflow(_text(path.parent / workflow), workflow) if workflow else {}
    row = {"name": path.stem, **row}
    try:
        if graph:
            row = _with_workflow({"base": "comfyui", **row}, graph, str(path))
        elif "slots" in row:
            raise ConfigError(f"{path}: [slots] needs workflow = 'FILE.json'")
        return Dialect(**_whole(row, str(path)))
    except ValidationError as exc:
        problems = [
            f"{'.'.join(str(part) for part in item['loc']) or 'dialect'}: {item['msg'].removeprefix('Value error, ')}"
            for item in exc.errors(include_url=False)
        ]
        raise ConfigError(f"{path}: {'; '.join(problems)}") from None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ConfigError(f"{path} is larger than {MAX_FILE_BYTES // 2**20} MiB: that is no dialect")
        return path.read_text("utf-8")
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text") from None


def _with_workflow(row: dict[str, Any], graph: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The row of a workflow: its slots found, those the user names taken as they are."""
    graph = without_doubles(graph)
    slots = row.pop("slots", {})
    if not isinstance(slots, Mapping):
        raise ConfigError(f"{where}: [slots] is a table of NAME = 'NODE.INPUT'")
    found = find_slots(graph, where, slots)
    names: dict[str, Any] = dict(found.names)
    extras: dict[str, Any] = {}
    for name, slot in slots.items():
        listed = [slot] if isinstance(slot, str) else slot
        if not isinstance(listed, list) or not all(isinstance(one, str) for one in listed):
            raise ConfigError(f"{where}: slot {name} is not 'NODE.INPUT' or a list of such")
        paths = [slot_path(graph, one, where) for one in listed]
        (names if name in ImageParams.model_fields else extras)[name] = paths
        if name in ImageParams.model_fields:
            found.defaults.pop(name, None)
    comfyui = built_in()["comfyui"]
    for name, known in (("sampler_name", comfyui.samplers), ("scheduler", comfyui.schedulers)):
        if isinstance(given := found.defaults.get(name), str):
            found.defaults[name] = spelling(given, known) or given
    basis = {key: value for key, value in comfyui.model_dump(exclude_defaults=True).items() if key not in _REPLACED}
    return _merged(
        {
            **basis,
            "names": names,
            "defaults": {name: value for name, value in found.defaults.items() if name in names},
            "extras": {"images": "images", "comfy_org_api_key": "comfy_org_api_key", **extras},
            "volatile": found.volatile,
            "fixed": {"workflow": graph},
        },
        {key: value for key, value in row.items() if key != "base"},
    )


_REPLACED = ("name", "about", "names", "defaults", "extras", "volatile", "fixed")
"""What a workflow of one's own says instead of the built-in one."""


def _whole(row: Mapping[str, Any], where: str, seen: tuple[str, ...] = ()) -> dict[str, Any]:
    """A row with what its base says; an empty text takes an entry of the base away."""
    base = row.get("base")
    own = {name: value for name, value in row.items() if name != "base"}
    if base is None:
        return own
    if base not in _rows() or base in seen:
        raise ConfigError(f"{where}: base={base!r} is no built-in dialect; known: {', '.join(_rows())}")
    under = _whole(_rows()[base], base, (*seen, base))
    if not row.get("public"):
        under.pop("public", None)
    return _merged(under, own)


def _merged(under: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(under)
    for name, value in over.items():
        if isinstance(value, Mapping) and isinstance(merged.get(name), Mapping):
            merged[name] = _merged(merged[name], value)
        elif value == "" and name in merged and name not in ("about", "extra_at"):
            del merged[name]
        else:
            merged[name] = value
    return merged
