"""A run as a folder for people: table, grid, and pictures under names that say what they are."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from runpodkit.runs.layout import shown
from runpodkit.runs.records import Record
from runpodkit.runs.tables import table, to_csv
from runpodkit.storage import Store

if TYPE_CHECKING:
    from runpodkit.runs.results import Results


def export_folder(run: Results, store: Store, folder: Path) -> Path:
    """Write `results.csv`, `grid.png` and `images/`; the table's `image` column is the path beside it.

    Files of the same name are replaced, everything else in the folder stays.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    records = run.records()
    frame = table(records)
    paths = []
    for record in records:
        path = None
        if record.images:
            path = f"images/{file_name(record)}"
            (folder / path).write_bytes(store.get(record.images[0].key))
        paths.append(path)
    frame["image"] = paths
    frame["image"] = frame["image"].astype("string")
    to_csv(frame, folder / "results.csv")
    run.grid().save(folder / "grid.png")
    return folder


def file_name(record: Record) -> str:
    """The trial's number and axis values, in characters that every file system takes."""
    words = [f"{record.trial:04d}", *(f"{shown(value)}" for value in record.values.values())]
    slug = "_".join(re.sub(r"[^A-Za-z0-9.+-]+", "-", word).strip("-.")[:24] for word in words)
    return f"{slug}.{record.images[0].key.rpartition('.')[2]}"
