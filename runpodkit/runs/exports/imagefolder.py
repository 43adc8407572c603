"""A run as an imagefolder: pictures and a metadata file, which `datasets.load_dataset("imagefolder")` opens.

Each picture lies under its key, so a run that grew adds files and renames none, and rows of
other exports can be joined by it.  No addresses: `datasets` reads files beside the metadata only.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from runpodkit.errors import ConfigError
from runpodkit.runs.drafts import draft
from runpodkit.runs.exports.copies import copy_pictures
from runpodkit.runs.tables.columns import INT, column
from runpodkit.runs.tables.csv_files import iso
from runpodkit.runs.tables.open_columns import text
from runpodkit.storage import check_key

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

SPLITS = ("train", "validation", "test")
_ENDLESS = (math.inf, -math.inf)
_FIRST_ROWS = 100
"""`datasets` takes types from the first rows alone (10 MB of JSON, 10,000 rows of CSV); every column shows its own here."""


def write_imagefolder(
    results: Results,
    path: str | Path,
    *,
    metadata_format: str = "jsonl",
    split: str | None = None,
    columns: Sequence[str] | None = None,
) -> Path:
    """Write the pictures, and `metadata.jsonl` with a row for each: `file_name`, `text` (the sent prompt), the table.

    Trials without a picture are left out, and so is a picture that an earlier trial has.  A trial
    with several pictures has a row for each, told apart by `image_number`.  Columns that would be
    empty are left out.  The metadata comes last: where there is one, all of its pictures are there.

    Args:
        metadata_format: `jsonl`; or `csv`, whose types `datasets` guesses (a text "NA" is lost then); or `parquet`.
        split: `train`, `validation` or `test`: everything goes into a folder of that name, beside other
            splits of the same columns and format.
        columns: What to keep beside `file_name` and `text`.

    Raises:
        ValueError: another format or split; no picture; no such column; or the folder holds metadata
            that `datasets` would not read together with this.
        ConfigError: pyarrow, which writes Parquet, is not installed.
    """
    write = _WRITERS.get(metadata_format)
    if write is None:
        raise ValueError(f"metadata_format={metadata_format!r}: choose {', '.join(_WRITERS)}")
    if split is not None and split not in SPLITS:
        raise ValueError(f"split={split!r}: choose {', '.join(SPLITS)}")
    folder = Path(path) / (split or "")
    name = f"metadata.{metadata_format}"
    _check_no_other(Path(path), folder, name)
    rows = _with_types_first(_chosen(_rows(results), columns))
    if split:
        _check_same_columns(Path(path), folder, name, list(rows.columns))
    copy_pictures(results.store, [(key, folder / check_key(key)) for key in rows["file_name"]])
    with draft(folder / name) as hidden:
        write(rows, hidden)
    return Path(path)


def _rows(results: Results) -> pd.DataFrame:
    """A row per picture that no earlier row has."""
    records = results.records()
    taken: set[str] = set()
    places, keys, numbers = [], [], []
    for place, record in enumerate(records):
        for number, file in enumerate(record.images):
            if file.key not in taken:
                taken.add(file.key)
                places.append(place)
                keys.append(file.key)
                numbers.append(number)
    if not places:
        raise ValueError(f"run {results.name} has no picture yet: an imagefolder needs one")
    frame = results.table(records).iloc[places].reset_index(drop=True)
    # A column `image` would be in the way of the pictures themselves, which `datasets` calls so.
    frame = frame.drop(columns=["image", "images"]).rename(columns={"prompt": "text"})
    rows = pd.DataFrame({"file_name": text(keys), "text": frame.pop("text")})
    if any(numbers):
        rows["image_number"] = column(numbers, INT)
    rows = rows.join(frame.dropna(axis="columns", how="all"))
    for name in rows.select_dtypes("UInt64"):
        rows[name] = rows[name].astype("string")  # Arrow's JSON reader ends at 2^63
    return rows


def _chosen(rows: pd.DataFrame, columns: Sequence[str] | None) -> pd.DataFrame:
    if columns is None:
        return rows
    if unknown := [name for name in columns if name not in rows]:
        raise ValueError(f"{', '.join(unknown)} is no column with a value; columns: {', '.join(rows.columns)}")
    return rows[list(dict.fromkeys(["file_name", "text", *columns]))]


def _with_types_first(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows, where a column begins late with one that has its value in front."""
    firsts = {int(rows[name].notna().to_numpy().argmax()) for name in rows}
    front = sorted(first for first in firsts if first >= _FIRST_ROWS)
    return rows.loc[[*front, *rows.index.difference(front)]].reset_index(drop=True) if front else rows


def _check_no_other(root: Path, folder: Path, name: str) -> None:
    """Raise ValueError where `datasets` would find metadata besides what is to be written."""
    for place in (root, *(root / split for split in SPLITS)):
        for known in _WRITERS:
            other = place / f"metadata.{known}"
            mixed = other.name != name or (place == root) != (folder == root)
            if other.exists() and mixed:
                raise ValueError(f"{other} is from another export and does not go with this one: choose another folder")


def _check_same_columns(root: Path, folder: Path, name: str, columns: Sequence[str]) -> None:
    """Raise ValueError where another split has other columns: `datasets` wants the same in all."""
    for split in SPLITS:
        other = root / split / name
        if other.exists() and other.parent != folder and (odd := {*_READERS[other.suffix](other).columns} ^ {*columns}):
            raise ValueError(f"{other} has other columns ({', '.join(sorted(odd))}): name those to keep with columns=")


def _write_jsonl(rows: pd.DataFrame, path: Path) -> None:
    plain: dict[str, list[Any]] = {}
    for name in rows:
        values = iso(rows[name]) if isinstance(rows[name].dtype, pd.DatetimeTZDtype) else rows[name]
        plain[str(name)] = [None if pd.isna(value) or value in _ENDLESS else value for value in values.tolist()]
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for row in zip(*plain.values(), strict=True):
            file.write(json.dumps(dict(zip(plain, row, strict=True)), ensure_ascii=False, allow_nan=False) + "\n")


def _write_csv(rows: pd.DataFrame, path: Path) -> None:
    """As it is, for a machine: a mark before formulas would be part of the captions."""
    rows.to_csv(path, index=False, lineterminator="\r\n")


def _write_parquet(rows: pd.DataFrame, path: Path) -> None:
    try:
        rows.to_parquet(path, engine="pyarrow", index=False)
    except ImportError:
        raise ConfigError("pyarrow, which writes Parquet, is not installed: pip install 'runpodkit[export]'") from None


_WRITERS: Mapping[str, Callable[[pd.DataFrame, Path], None]] = {
    "jsonl": _write_jsonl,
    "csv": _write_csv,
    "parquet": _write_parquet,
}
_READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    ".jsonl": lambda path: pd.read_json(path, lines=True, nrows=1),
    ".csv": lambda path: pd.read_csv(path, nrows=0),
    ".parquet": lambda path: pd.read_parquet(path),
}
"""Give a metadata file, or enough of it to know its columns."""
