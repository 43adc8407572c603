"""Rows: a table that somebody has becomes columns of values, each typed, in the order of the table.

A table is a DataFrame, the path of a CSV file, or a list of dicts.  What a column is follows
from its name:

    steps, "CFG scale"     a field of `ImageParams`, also under the names other tools have for it
    prompt                 `user_prompt`, unless there is a column of that name
    extra.NAME             a worker-specific input; a column `extra` holds dicts of them
    endpoint               where the row is drawn
    anything else          a label: kept, by which pictures are placed, and nothing more

A cell without a value (None, NaN, an empty cell of a CSV; `'` alone is empty text there) says
"as the base has it".  What `run.to_csv` wrote reads back as the parameters of its trials: columns
of what happened to them (`state`, `cost_usd`, `image` …) are left out, and so is `endpoint`
if all trials were drawn in one place; a nested input that all trials share has no column.  CSV may be compressed (.gz), and may part its cells by
semicolons or tabs, as spreadsheets in some languages do; numbers may then have a decimal comma.

What becomes of the columns, and what the base is, is not known here.
"""

from __future__ import annotations

import difflib
import json
import math
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, get_args

from pydantic import TypeAdapter, ValidationError

from runpodkit.params import RANDOM_SEED, ImageParams
from runpodkit.reprs import cut
from runpodkit.sweeps.axes import ENDPOINT, EXTRA, read_axis
from runpodkit.sweeps.pasted import SIZE, axis_name
from runpodkit.sweeps.row_tables import MARK, NUMBER, TRUTHS, Table, read_table, unmarked

# fmt: off
FACTS = frozenset((
    "trial", "state", "queue_delay_s", "execution_time_s", "cost_usd", "cost_is_estimate", "attempts",
    "maybe_paid_twice", "simulated", "image", "images", "prompt", "sent_negative_prompt", "job_id", "worker_id",
    "submitted_at", "ended_at", "reused_from", "reason", "flags", "key", "url", "urls", "starred", "note",
))
# fmt: on
"""Columns of a run's table that say what happened to its trials; `runs.tables.columns` writes them."""

Role = Literal["field", "extra", "endpoint", "label"]

_MOST_TOLD = 20
_DECIMAL = re.compile(r"-?[0-9]+([,.][0-9]+)?")
_OF_WHOLES, _OF_NUMBERS = {*"-0123456789"}, {*"-+.0123456789eE"}


class Column(NamedTuple):
    """One column of a table, as many values as there are rows."""

    name: str
    """A field of `ImageParams`, `extra.NAME`, `endpoint`, or the label's own name."""
    role: Role
    values: list[Any]
    """Typed as the field is; labels are text, numbers, true or false.  None: nothing is said."""


@dataclass(frozen=True, slots=True)
class Rows:
    """A table that was read."""

    columns: list[Column]
    count: int
    """Of rows, 1 to 100,000."""
    notes: list[str]
    """What a reader should know, a line each: columns left out and why, labels that are nearly a field."""


def columns_of(rows: Any, *, required: Collection[str] = ()) -> Rows:
    """The columns of a table.

    Args:
        rows: A DataFrame (its index is not looked at), the path of a CSV file in UTF-8 with a line of names,
            or an iterable of mappings; names that one of them lacks are without a value.
        required: Fields that need a value in every row where they have a column, for want of a base.

    Raises:
        ValueError: one line with every problem, each with its column and row.  Rows of a CSV are counted as
            a spreadsheet does, so the first below the names is 2; others from 0, as Python does.
        OSError: the file cannot be read.
    """
    table = read_table(rows)
    problems, notes, columns = list(table.problems), list[str](), list[Column]()
    named = _named(table, notes, problems)
    for name, (written, role) in named.items():
        cells = table.columns[written]
        gaps = [place for place, cell in enumerate(cells) if cell is None] if None in cells else []
        if len(gaps) == table.count and role != "label":
            continue
        if gaps and (name in required or role == "endpoint"):
            problems += _told(written, [(place, "no value") for place in gaps], table.numbers)
        there = [place for place, cell in enumerate(cells) if cell is not None] if gaps else range(table.count)
        values, wrong = _typed(name, role, [cells[place] for place in there] if gaps else cells, table)
        problems += _told(written, [(there[place], why) for place, why in wrong], table.numbers)
        if gaps:
            spread: list[Any] = [None] * table.count
            for place, value in zip(there, values, strict=True):
                spread[place] = value
            values = spread
        if role == "extra" and _of_a_run(table) and any(map(_reads_as_other, values)):
            notes.append(f"column {written}: what is not text in it is taken as text, as its numbers stand beside text")
        columns.append(Column(name, role, values))
    if problems:
        more = f"; {len(problems) - _MOST_TOLD} more problems" if len(problems) > _MOST_TOLD else ""
        raise ValueError("; ".join(problems[:_MOST_TOLD]) + more)
    return Rows(columns, table.count, notes)


# Names


def _named(table: Table, notes: list[str], problems: list[str]) -> dict[str, tuple[str, Role]]:
    """Which columns there are: by our name, the name in the table and what the column is."""
    if "extra" in table.columns:
        _spread_extra(table, problems)
    of_a_run = _of_a_run(table)
    named: dict[str, tuple[str, Role]] = {}
    for written, values in table.columns.items():
        name, role = _what(written, table.columns)
        if role is None:
            if written not in FACTS or not of_a_run:
                notes.append(f"column {written or 'without a name'} is left out: {name}")
            continue
        if role == "extra" and (wrong := read_axis(name, [0]).problems):
            problems.append(f"column {written}: {wrong[0]}")
        elif role == "endpoint" and of_a_run and len({str(value) for value in values}) == 1:
            continue  # where a run was drawn is told in its table, whether or not its plan said so
        elif name in named:
            problems.append(f"columns {named[name][0]} and {written} are the same: {name}")
        else:
            named[name] = (written, role)
            if role == "label" and _is_size(written) and not {"width", "height"} & table.columns.keys():
                notes.append(f"column {name} is kept as a label and sets no size: give columns width and height")
            elif role == "label" and (
                near := difflib.get_close_matches(name.lower(), ImageParams.model_fields, 1, 0.8)
            ):
                notes.append(f"column {name} is kept as a label; is {near[0]} meant?")
    return named


def _is_size(written: str) -> bool:
    with suppress(ValueError):
        return axis_name(written) == SIZE
    return False


def _of_a_run(table: Table) -> bool:
    return {"trial", "state"} <= table.columns.keys()


def _what(written: str, all_names: Collection[str]) -> tuple[str, Role | None]:
    """Our name of a column and what it is; for one that is left out, why."""
    if not written or written.startswith("Unnamed: "):
        return "it has no name", None
    if written == "timeout":
        return "it is no part of a picture, set it in the base", None
    if written in ImageParams.model_fields:
        return written, "field"
    if written == ENDPOINT:
        return written, "endpoint"
    if written.startswith(EXTRA):
        return written, "extra"
    if written.lower() == "prompt" and "user_prompt" not in all_names:
        return "user_prompt", "field"
    if written in FACTS:
        return "it says what happened to a trial", None
    try:
        name = axis_name(written)
    except ValueError:
        return written, "label"
    return (name, "field") if name in ImageParams.model_fields else (written, "label")


def _spread_extra(table: Table, problems: list[str]) -> None:
    """A column of dicts as a column for each name in them."""
    cells = table.columns.pop("extra")
    if table.text:
        cells = [_from_json(cell) for cell in cells]
    bad = [(place, "not a dict") for place, cell in enumerate(cells) if not isinstance(cell, Mapping | None)]
    problems += _told("extra", bad, table.numbers)
    for inner in dict.fromkeys(name for cell in cells if isinstance(cell, Mapping) for name in cell):
        name = f"{EXTRA}{inner}"
        if name in table.columns:
            problems.append(f"column extra has {inner}, which is column {name} too")
            continue
        found = [cell.get(inner) if isinstance(cell, Mapping) else None for cell in cells]
        table.columns[name] = [json.dumps(value) if table.text and value is not None else value for value in found]


# Values


_Wrong = list[tuple[int, str]]


def _typed(name: str, role: Role, cells: list[Any], table: Table) -> tuple[list[Any], _Wrong]:
    """Cells as the column holds them, and what is wrong with which of them."""
    match role:
        case "field":
            return _field(name, _field_cells(name, cells, table) if table.text else cells)
        case "endpoint":
            names = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
            refused = {bad: read_axis(ENDPOINT, [bad]).problems for bad in {str(one): one for one in names}.values()}
            return names, [(place, refused[one][0]) for place, one in enumerate(names) if refused[one]]
        case "extra":
            if table.text:
                return _extra(_guessed(_with_points(cells) if table.comma else cells, nested=True))
            return _extra([_nested(cell) for cell in cells] if _of_a_run(table) else cells)
    if table.text:
        return _guessed(_with_points(cells) if table.comma else cells), []
    return [_label(cell) for cell in cells], []


@cache
def _adapter(field: str) -> TypeAdapter[list[Any]]:
    info = ImageParams.model_fields[field]
    item: Any = info.annotation
    for bound in info.metadata:
        item = Annotated[item, bound]
    return TypeAdapter(list[item])


@cache
def _is_text(field: str) -> bool:
    annotation = ImageParams.model_fields[field].annotation
    return str in (annotation, *get_args(annotation))


def _field_cells(field: str, cells: list[str], table: Table) -> list[str]:
    text = _is_text(field)
    if MARK in "".join(cells):
        cells = [unmarked(cell, plain=not text) for cell in cells]
    if table.comma and not text:
        cells = [cell.replace(",", ".") if cell.count(",") == 1 else cell for cell in cells]
    return cells


def _field(field: str, cells: list[Any]) -> tuple[list[Any], _Wrong]:
    wrong: dict[int, str] = {}
    is_number = not _is_text(field) and ImageParams.model_fields[field].annotation is not bool
    if is_number and bool in {*map(type, cells)}:
        wrong = {place: f"{cell} is not a number" for place, cell in enumerate(cells) if isinstance(cell, bool)}
    values = cells
    try:
        values = _adapter(field).validate_python(cells)
    except ValidationError as exc:
        for item in exc.errors(include_url=False, include_context=False, include_input=False):
            place = int(item["loc"][0])
            if place not in wrong:
                wrong[place] = "; ".join(_refusal(field, cells[place])) or item["msg"]
    if field == "seed":
        drawn = "-1 is no seed: leave the cell empty, or use rk.seeds(n)"
        if RANDOM_SEED in values or wrong:
            wrong |= {place: drawn for place, value in enumerate(values) if str(value) == str(RANDOM_SEED)}
    return values, sorted(wrong.items())


def _refusal(field: str, cell: Any) -> list[str]:
    """What `read_axis` says of a cell; the text of a number is told as the number."""
    if isinstance(cell, str) and not _is_text(field) and NUMBER.fullmatch(cell.strip()):
        cell = float(cell) if "." in cell or "e" in cell.lower() else int(cell)
    return read_axis(field, [cell]).problems


def _extra(cells: list[Any]) -> tuple[list[Any], _Wrong]:
    values: list[Any] = []
    wrong: _Wrong = []
    for place, cell in enumerate(cells):
        if _is_simple(cell):
            values.append(cell)
            continue
        try:
            values.append(json.loads(json.dumps(cell, allow_nan=False)))
        except (TypeError, ValueError, RecursionError):
            values.append(None)
            wrong.append((place, f"{cut(repr(cell), 60)} is not what JSON can hold"))
    return values, wrong


def _with_points(cells: list[str]) -> list[str]:
    """Numbers with a decimal comma as numbers with a point, where all are numbers."""
    return [cell.replace(",", ".") for cell in cells] if all(map(_DECIMAL.fullmatch, cells)) else cells


def _guessed(cells: list[str], *, nested: bool = False) -> list[Any]:
    """Cells of a CSV whose type nobody declared: the narrowest that holds all of them."""
    signs = {*"".join(cells)}
    if signs <= _OF_NUMBERS:
        with suppress(ValueError):
            numbers = [*map(int if signs <= _OF_WHOLES else float, cells)]
            if signs <= _OF_WHOLES or all(map(math.isfinite, numbers)):
                return numbers
    if all(cell.lower() in TRUTHS for cell in cells):
        return [TRUTHS[cell.lower()] for cell in cells]
    return [_nested(cell) if nested and cell[0] in "[{" else unmarked(cell, plain=True) for cell in cells]


def _nested(cell: Any) -> Any:
    """A list or table that the table of a run has as text."""
    return _from_json(cell) if isinstance(cell, str) and cell[:1] in ("[", "{") else cell


def _reads_as_other(value: Any) -> bool:
    """Whether a text may have been something else, which a column of text in the table of a run does not tell."""
    return isinstance(value, str) and not isinstance(_from_json(value), str)


def _from_json(cell: Any) -> Any:
    try:
        return json.loads(cell) if isinstance(cell, str) else cell
    except (ValueError, RecursionError):
        return cell


def _label(value: Any) -> Any:
    return value if _is_simple(value) else str(value)


def _is_simple(value: object) -> bool:
    kind = type(value)
    return kind is str or kind is int or kind is bool or (kind is float and math.isfinite(value))  # type: ignore[arg-type]


def _told(column: str, wrong: _Wrong, names: Sequence[int]) -> Iterator[str]:
    """What is wrong in a column, rows with the same fault together."""
    rows: dict[str, list[int]] = {}
    for place, why in wrong:
        rows.setdefault(why, []).append(names[place])
    for why, numbers in rows.items():
        shown = ", ".join(map(str, numbers[:4])) + (f" and {len(numbers) - 4:,} more" if len(numbers) > 4 else "")
        yield f"column {column}, row{'s' * (len(numbers) > 1)} {shown}: {why}"
