"""Dialects: how each kind of worker spells its input and output.

Each is a row of data (`workers.toml`, `public.toml`, a user's file); how a row is read
and written stands in `dialect`.
"""

from __future__ import annotations

from pathlib import Path

from runpodkit.endpoint.dialects.dialect import Dialect
from runpodkit.endpoint.dialects.reading import Reading
from runpodkit.endpoint.dialects.rows import built_in, from_file, from_row
from runpodkit.errors import ConfigError

__all__ = ["Dialect", "Reading", "built_in", "from_row", "get_dialect", "public_dialect"]


def get_dialect(name: str) -> Dialect:
    """A built-in dialect by its name, or a user's by the path of its file (`.toml`, or a workflow's `.json`).

    Raises:
        ConfigError: there is none of that name, or the file cannot be meant.
    """
    if name in built_in():
        return built_in()[name]
    if name.lower().endswith((".toml", ".json")):
        return from_file(Path(name).expanduser())
    known = ", ".join(row.name for row in built_in().values() if not row.public)
    raise ConfigError(
        f"RUNPODKIT_DIALECT={name!r} is unknown; known: {known}, the ids of public endpoints "
        "(`runpodkit dialects` lists them), or the path of your own .toml or workflow .json"
    )


def public_dialect(endpoint_id: str) -> Dialect | None:
    """The dialect of one of RunPod's public endpoints."""
    found = built_in().get(endpoint_id)
    return found if found and found.public else None
