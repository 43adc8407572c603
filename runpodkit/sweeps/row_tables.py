"""Tables as they come: a DataFrame, a CSV file or a list of dicts as cells by name of column.

What a name means, and what a cell has to be, is not known here.  A missing value is None,
whatever the table writes for it; the cells of a CSV are text.
"""

from __future__ import annotations

import csv
import gzip
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import NoneType
from typing import Any

from runpodkit.reprs import cut

MAX_ROWS = 100_000
"""Rows that one table may have."""

MARK = "'"
"""Before a cell of a CSV that is text, whatever it looks like."""

NUMBER = re.compile(r"-?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
"""Cells of a CSV that read as a number."""

TRUTHS = {"true": True, "false": False}
"""Cells of a CSV, in small letters, that read as yes and no."""

_FORMULA = "=+-@\t\r\n＝＋－＠"
_LINES_AT_ONCE = 1_000


@dataclass(frozen=True, slots=True)
class Table:
    columns: dict[str, list[Any]]
    """Cells by name; None where there is no value."""
    count: int
    numbers: Sequence[int]
    """What each row is called."""
    problems: list[str]
    text: bool = False
    """Whether cells are the text of a CSV."""
    comma: bool = False
    """Whether numbers may have a decimal comma."""


def read_table(rows: Any) -> Table:
    if isinstance(rows, str | os.PathLike):
        table = _csv(Path(rows))
    elif hasattr(rows, "iloc") and hasattr(rows, "columns"):
        table = _frame(rows)
    elif isinstance(rows, Iterable) and not isinstance(rows, Mapping | bytes | bytearray):
        table = _listed(rows)
    else:
        raise ValueError(
            f"{cut(repr(rows), 60)} is no table: give a DataFrame, the path of a CSV file, or a list of dicts"
        )
    if not table.problems and not table.count:
        table.problems.append("the table has no rows")
    if table.count > MAX_ROWS:
        raise ValueError(f"the table has more than {MAX_ROWS:,} rows: use several sweeps")
    return table


def unmarked(cell: str, *, plain: bool) -> str:
    """A cell without the `'` that spreadsheets take for "this is text"; a prompt may begin with one of its own."""
    if not cell.startswith(MARK):
        return cell
    rest = cell[1:]
    marked = not rest or rest[0] in _FORMULA or rest[0] == MARK
    return rest if marked or (plain and (NUMBER.fullmatch(rest) or rest.lower() in TRUTHS)) else cell


def _frame(frame: Any) -> Table:
    names = [str(name).strip() for name in frame.columns]
    columns = {}
    if len(frame) <= MAX_ROWS:
        for place, name in enumerate(names):
            series = frame.iloc[:, place]
            values, missing = series.tolist(), series.isna()
            if series.dtype == object:
                values = [_plain(value) for value in values]
            elif missing.any():
                values = [None if gone else value for value, gone in zip(values, missing.tolist(), strict=True)]
            columns[name] = values
    return Table(columns, len(frame), range(len(frame)), _twice(names))


def _listed(rows: Iterable[Any]) -> Table:
    read = list(islice(rows, MAX_ROWS + 1))
    problems = [
        f"row {number} is a {type(row).__name__}, not a dict"
        for number, row in enumerate(read)
        if not isinstance(row, Mapping)
    ]
    good = [row if isinstance(row, Mapping) else {} for row in read]
    names = dict.fromkeys(name for row in good for name in row)
    columns = {str(name).strip(): [_plain(row.get(name)) for row in good] for name in names}
    return Table(columns, len(read), range(len(read)), problems + _twice([str(name).strip() for name in names]))


def _csv(path: Path) -> Table:
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8-sig", newline="") as file:
            start = file.readline()
            file.seek(0)
            parted = next((sign for sign in ",;\t" if sign in start), ",")
            lines = csv.reader(file, delimiter=parted, strict=True)
            names = [unmarked(name.strip(), plain=False) for name in next(lines, [])]
            columns, numbers, problems = _columns(lines, len(names))
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not in UTF-8: save it as “CSV UTF-8”") from None
    except (csv.Error, gzip.BadGzipFile, EOFError) as exc:
        raise ValueError(f"{path} is no CSV table: {exc}") from None
    by_name: dict[str, list[Any]] = {}
    for name, cells in zip(names, columns, strict=True):
        by_name.setdefault(name, [cell or None for cell in cells] if "" in cells else cells)
    problems += _twice([name for name in names if name])
    return Table(by_name, len(numbers), numbers, problems, text=True, comma=parted != ",")


def _columns(lines: Iterator[list[str]], width: int) -> tuple[list[list[Any]], Sequence[int], list[str]]:
    """Cells by column, the number of each row as a spreadsheet counts, and rows that are too long.

    A line without cells is a row only where there is one column.
    """
    columns: list[list[Any]] = [[] for _ in range(width)]
    numbers: list[int] = []
    problems: list[str] = []
    first = 2
    while len(numbers) <= MAX_ROWS and (some := list(islice(lines, _LINES_AT_ONCE))):
        kept = range(first, first + len(some))
        first += len(some)
        if {*map(len, some)} != {width}:
            rows = [(number, cells) for number, cells in zip(kept, some, strict=True) if cells or width == 1]
            problems += [
                f"row {number} has {len(cells)} cells, more than the {width} names above it"
                for number, cells in rows
                if any(cells[width:])
            ]
            numbers += [number for number, _ in rows]
            some = [[*cells, *[""] * width][:width] for _, cells in rows]
        else:
            numbers += kept
        for column, cells in zip(columns, zip(*some, strict=True), strict=False):
            column.extend(cells)
    return columns, numbers, problems


def _twice(names: Sequence[str]) -> list[str]:
    return [f"column {name} comes more than once" for name, times in Counter(names).items() if times > 1]


def _plain(value: Any) -> Any:
    """A cell from Python: numpy's scalars as Python's own, None for all that mean a missing value."""
    if type(value) in (str, int, bool, NoneType):
        return value
    if (tolist := getattr(value, "tolist", None)) is not None and callable(tolist):
        value = tolist()
    if isinstance(value, float):
        return None if math.isnan(value) else value
    return None if type(value).__name__ in ("NAType", "NaTType") else value
