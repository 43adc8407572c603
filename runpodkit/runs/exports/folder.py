"""A run as a folder for people: table, grid, and pictures under names that say what they are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from runpodkit.runs.exports.copies import copy_pictures
from runpodkit.runs.layout import shown
from runpodkit.runs.records import Record
from runpodkit.runs.tables import to_csv
from runpodkit.runs.tables.columns import JOINT
from runpodkit.runs.tables.open_columns import text

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

_NAME_CHARS = 150
_ENDING = re.compile(r"\.[A-Za-z0-9]{1,8}")


def write_folder(
    results: Results, path: str | Path, *, links: int | None = None, public_base_url: str | None = None
) -> Path:
    """Write `results.csv`, `grid.png` and `images/`; the table's `image` column is the path beside it.

    Files of the same name are replaced, everything else in the folder stays.

    Args:
        links, public_base_url: As in `Results.table`.
    """
    folder = Path(path)
    records = results.records()
    frame = results.table(records, links=links, public_base_url=public_base_url)
    paths = [picture_paths(record) for record in records]
    copy_pictures(results.store, [(key, folder / name) for some in paths for key, name in some.items()])
    frame["image"] = text([next(iter(some.values()), None) for some in paths])
    frame["images"] = text([JOINT.join(some.values()) or None for some in paths])
    to_csv(frame, folder / "results.csv")
    results.grid().save(folder / "grid.png")
    return folder


def picture_paths(record: Record) -> Mapping[str, str]:
    """Where each picture goes, by its key."""
    stem = file_stem(record)
    return {
        file.key: f"images/{stem}{f'-{number}' if number else ''}{_ending(file.key)}"
        for number, file in enumerate(record.images)
    }


def file_stem(record: Record) -> str:
    """The trial's number and axis values, in characters that every file system takes."""
    words = [f"{record.trial:04d}", *(f"{shown(value)}" for value in record.values.values())]
    stem = "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", word).strip("-.")[:24] for word in words)
    return stem[:_NAME_CHARS].rstrip("-._")


def _ending(key: str) -> str:
    ending = Path(key).suffix
    return ending if _ENDING.fullmatch(ending) else ""
