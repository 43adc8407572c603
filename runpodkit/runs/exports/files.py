"""A run's table as one file that other tools open: CSV, Parquet, JSON lines."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.errors import ConfigError
from runpodkit.runs.drafts import draft
from runpodkit.runs.records import Record
from runpodkit.runs.tables import linker, to_csv
from runpodkit.runs.tables.open_columns import well_formed
from runpodkit.runs.watch import progress

if TYPE_CHECKING:
    from runpodkit.runs.results import Results


def write_csv(
    results: Results, path: str | Path, *, links: int | None = None, public_base_url: str | None = None
) -> Path:
    """`Results.table()` as CSV; `runpodkit.runs.tables.read_csv` gives it back unchanged."""
    to_csv(results.table(links=links, public_base_url=public_base_url), Path(path))
    return Path(path)


def write_parquet(
    results: Results, path: str | Path, *, links: int | None = None, public_base_url: str | None = None
) -> Path:
    """`Results.table()` as Parquet; `pandas.read_parquet(…, dtype_backend="numpy_nullable")` gives it back.

    Raises:
        ConfigError: pyarrow is not installed.
    """
    if find_spec("pyarrow") is None:
        raise ConfigError("pyarrow, which writes Parquet, is not installed: pip install 'runpodkit[export]'")
    frame = results.table(links=links, public_base_url=public_base_url)
    with draft(Path(path)) as hidden:
        frame.to_parquet(hidden, engine="pyarrow", index=False)
    return Path(path)


def write_jsonl(
    results: Results, path: str | Path, *, links: int | None = None, public_base_url: str | None = None
) -> Path:
    """A complete record per line, as JSON that any reader takes: no NaN, values nested as they were given.

    With `links` or `public_base_url` each of its images has a `url`; what was said of a trial since it was
    drawn, such as its scores, stands under `beside`.
    """
    link = linker(results.store, links=links, public_base_url=public_base_url)
    records = results.records()
    columns = results.beside(records)
    with (
        draft(Path(path)) as hidden,
        hidden.open("wb") as file,
        progress("jsonl", len(records), "trial") as step,
    ):
        for record in records:
            said = {name: values[record.trial] for name, values in columns.items() if record.trial in values}
            file.write(json_line(record, link, said))
            step()
    return Path(path)


def json_line(record: Record, link: Callable[[str], str] | None, beside: Mapping[str, Any] | None = None) -> bytes:
    """A record as a line of JSON in UTF-8, its line end included."""
    given = {item.name: getattr(record, item.name) for item in dataclasses.fields(record)}
    given["params"] = record.params.model_dump()
    given["images"] = [dataclasses.asdict(file) | ({"url": link(file.key)} if link else {}) for file in record.images]
    given |= {"beside": dict(beside)} if beside else {}
    try:
        return _json(given)
    except ValueError:  # UnicodeEncodeError is one too
        return _json(_sound(given))


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=str).encode() + b"\n"


def _sound(value: Any) -> Any:
    """The value with what JSON cannot hold taken out: NaN and infinity are null."""
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {well_formed(str(name)): _sound(inner) for name, inner in value.items()}
    return [_sound(inner) for inner in value] if isinstance(value, list | tuple) else value
