"""CSV files of tables: for people, spreadsheets and `read_csv`, which gives the table back.

A cell that a spreadsheet would run as a formula begins with `'`, its mark for text; the reader
takes it away again.  An empty cell means that there is no value, so empty text is `'` alone.
"""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.extensions import ExtensionArray

from runpodkit.runs.drafts import draft
from runpodkit.runs.tables.columns import BOOL, FLOAT, INT, KNOWN, TEXT, TIME, column
from runpodkit.runs.tables.open_columns import LOOKALIKE, MARK, NUL, read, text, typed
from runpodkit.runs.watch import progress

FORMULA = (*"=+-@\t\r\n＝＋－＠",)
"""How a formula begins in one spreadsheet or another; a line break counts, they skip it."""
_MARKED = (*FORMULA, MARK, "")
_ROWS_AT_ONCE = 10_000
_TRUTHS = {"true": True, "false": False, "": None}


def to_csv(frame: pd.DataFrame, path: Path) -> None:
    """Write a table; UTF-8 with a byte order mark, so that Excel reads it.  A name ending in .gz is compressed.

    Made under another name and moved into place once whole; folders are made.
    """
    safe, ends = _safe(frame)
    opened = gzip.open if path.suffix == ".gz" else open
    parts = range(0, max(len(safe), 1), _ROWS_AT_ONCE)
    with (
        draft(path) as hidden,
        opened(hidden, "wt", encoding="utf-8", errors="replace", newline="") as file,
        progress("csv", len(parts), "part") as step,
    ):
        file.write("\ufeff")
        for start in parts:
            part = safe.iloc[start : start + _ROWS_AT_ONCE]
            part.to_csv(file, index=False, header=start == 0, lineterminator=ends)
            step()


def csv_text(frame: pd.DataFrame) -> str:
    """The same as text, without the mark."""
    safe, ends = _safe(frame)
    return str(safe.to_csv(index=False, lineterminator=ends))


def read_csv(path: str | Path) -> pd.DataFrame:
    """A table as it was before `to_csv`; columns may have been moved, dropped or added since.

    Raises:
        ValueError: no CSV in UTF-8.
    """
    try:
        alone = pd.read_csv(path, encoding="utf-8-sig", nrows=0).shape[1] == 1  # then a blank line is a blank cell
        raw = pd.read_csv(
            path, encoding="utf-8-sig", dtype=str, na_filter=False, index_col=False, skip_blank_lines=not alone
        )
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not in UTF-8: save it as “CSV UTF-8”") from None
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as exc:
        raise ValueError(f"{path} is no CSV table: {exc}") from None
    names = [name.removeprefix(MARK) for name in raw.columns]
    columns = [_read(raw.iloc[:, place].tolist(), KNOWN.get(name)) for place, name in enumerate(names)]
    frame = pd.DataFrame(dict(enumerate(columns)))
    frame.columns = pd.Index(names)
    return frame


def _safe(frame: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """A table as pandas may write it, and how its lines must end."""
    safe = pd.DataFrame({place: _cells(frame.iloc[:, place], name) for place, name in enumerate(frame.columns)})
    names = [_marked_name(str(name)) for name in frame.columns]
    safe.columns = pd.Index(names)
    # Python before 3.13 quotes a lone CR only where lines end in one; without quotes it would tear the row.
    torn = "\r" in "".join(names) or any(_has_return(safe.iloc[:, place]) for place in range(len(names)))
    return safe, "\r\n" if torn else "\n"


def iso(times: pd.Series) -> pd.Series:
    """Times as text to the millisecond, 2026-10-01T12:00:00.000Z."""
    shown = np.datetime_as_string(times.dt.tz_convert(None).to_numpy("datetime64[ms]"), unit="ms")
    return pd.Series(np.char.add(shown, "Z"), dtype=TEXT).mask(times.isna())


def _cells(given: pd.Series, name: object) -> pd.Series:
    """A column as pandas may write it."""
    plain = given.reset_index(drop=True)
    if isinstance(plain.dtype, pd.DatetimeTZDtype):
        return iso(plain)
    if pd.api.types.is_numeric_dtype(plain) or pd.api.types.is_bool_dtype(plain):
        return plain
    if not (isinstance(plain.dtype, pd.StringDtype) and plain.dtype.na_value is pd.NA):
        plain = pd.Series(typed(plain.tolist()))
        if not isinstance(plain.dtype, pd.StringDtype):
            return plain
    if plain.str.contains(NUL, regex=False).any():
        plain = plain.str.replace(NUL, "\ufffd", regex=False)
    marked = plain.str[:1].isin(_MARKED)
    if KNOWN.get(str(name)) != TEXT:
        marked |= plain.str.fullmatch(LOOKALIKE).fillna(False)
    return plain.mask(marked, MARK + plain) if marked.any() else plain


def _has_return(cells: pd.Series) -> bool:
    return isinstance(cells.dtype, pd.StringDtype) and bool(cells.str.contains("\r", regex=False).any())


def _marked_name(name: str) -> str:
    return MARK + name if name.startswith((*FORMULA, MARK)) else name


def _read(cells: Sequence[str], kind: str | None) -> ExtensionArray:
    """Cells as what the column is known to hold, if they can be that; a person may have changed them."""
    try:
        if kind == TEXT:
            return text([cell.removeprefix(MARK) if cell else None for cell in cells])
        if kind == INT:
            return column([int(cell) if cell else None for cell in cells], INT)
        if kind == FLOAT:
            return column([float(cell) if cell else None for cell in cells], FLOAT)
        if kind == BOOL:
            return column([_TRUTHS[cell.lower()] for cell in cells], BOOL)
        if kind == TIME:
            times = pd.to_datetime(
                pd.Series([cell or None for cell in cells], dtype=object), format="ISO8601", utc=True
            )
            return times.dt.as_unit("ms").array
    except (ValueError, KeyError, OverflowError):
        pass
    return read(cells)
