"""Formats: what a run can be written as, and which module writes it; loaded when it is asked for.

A writer takes results, a path and options of its own, and returns the path; one that writes
several files, their paths.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

_EXPORTS = "runpodkit.runs.exports"


class Format(NamedTuple):
    """One way to write a run."""

    writer: str
    """`module:function`, or `module:Class.method`."""
    suffixes: tuple[str, ...] = ()
    """Of paths that mean it; none for folders."""


FORMATS: Mapping[str, Format] = {
    "folder": Format(f"{_EXPORTS}.folder:write_folder"),
    "csv": Format(f"{_EXPORTS}.files:write_csv", (".csv",)),
    "parquet": Format(f"{_EXPORTS}.files:write_parquet", (".parquet",)),
    "jsonl": Format(f"{_EXPORTS}.files:write_jsonl", (".jsonl", ".ndjson")),
    "imagefolder": Format(f"{_EXPORTS}.imagefolder:write_imagefolder"),
    "html": Format(f"{_EXPORTS}.page:write_page", (".html", ".htm")),
    "zip": Format(f"{_EXPORTS}.frozen:write_frozen", (".zip",)),
}


def write(results: Results, path: Path, format: str | None, options: Mapping[str, Any]) -> Path:
    """Write a run in a format, or in the one that the path's suffix means; without a suffix, as a folder.

    Raises:
        ValueError: no such format, a suffix that means none, or an option that the format does not have.
    """
    name = format_of(path) if format is None else format
    if name not in FORMATS:
        raise ValueError(f"format={name!r}: choose {', '.join(FORMATS)}")
    writer = resolve_name(FORMATS[name].writer)
    known = list(inspect.signature(writer).parameters)[2:]
    if unknown := [option for option in options if option not in known]:
        raise ValueError(f"{', '.join(unknown)} means nothing for {name}; its options: {', '.join(known) or 'none'}")
    written: Path | list[Path] = writer(results, path, **options)
    return written[0] if isinstance(written, list) else written


def format_of(path: Path) -> str:
    """The format that a path's suffix means; raises ValueError if it means none."""
    suffix = path.suffix.lower()
    if not suffix or path.is_dir():
        return "folder"
    for name, about in FORMATS.items():
        if suffix in about.suffixes:
            return name
    known = ", ".join(suffix for about in FORMATS.values() for suffix in about.suffixes)
    raise ValueError(f"{path.name}: no format ends in {suffix}; known: {known}, or name one with format=")
