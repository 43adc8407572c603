"""Tables as sweeps: the columns of a table become axes that go together, row by row."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from runpodkit.sweeps.axes import EXTRA, canonical
from runpodkit.sweeps.kinds import REPEAT, RESERVED, Axis, label_axis, plain_axis, put, row_axis
from runpodkit.sweeps.rows import Column, columns_of


@dataclass(frozen=True, slots=True)
class Tabular:
    """What a sweep is made of."""

    base: Mapping[str, Any]
    """Parameters that are the same in every row."""
    axes: Mapping[str, Axis]
    repeats: int = 1


def tabular(rows: Any, *, needs_prompt: bool) -> Tabular:
    """Base and axes of a table; what a reader should know of left-out columns is a warning each.

    A column `repeat`, as the table of a repeated run has it, says how often each of its other rows is drawn.

    Raises:
        ValueError: one line with every problem, each with its column and row.
    """
    table = columns_of(rows, required=("user_prompt",) if needs_prompt else ())
    notes = list(table.notes)
    columns, repeats = _without_repeats(table.columns)
    base: dict[str, Any] = {}
    axes: dict[str, Axis] = {}
    for column in columns:
        if column.role == "label" and column.name in RESERVED:
            notes.append(f"column {column.name} is left out: tables and pages have something else under this name")
        elif column.role == "label":
            axes[column.name] = label_axis(column.name, column.values)
        elif column.role == "endpoint":
            axes[column.name] = plain_axis(column.name, column.values)
        elif _is_same(column.values):
            if column.role == "extra":
                base["extra"] = put(base.get("extra", {}), column.name.removeprefix(EXTRA).split("."), column.values[0])
            else:
                base[column.name] = column.values[0]
        else:
            axes[column.name] = row_axis(column.name, column.values)
    if not axes and table.count > repeats:
        raise ValueError(
            f"all {table.count:,} rows are the same trial: give one, or use repeats={table.count // repeats}"
        )
    for note in notes:
        warnings.warn(note, stacklevel=4)
    return Tabular(base, axes, repeats)


def _is_same(values: list[Any]) -> bool:
    first = values[0]
    return all(type(value) is type(first) and value == first for value in values)


def _without_repeats(columns: list[Column]) -> tuple[list[Column], int]:
    """Each cell once, where every cell has all repeats from 1 on; else all rows, as none may be lost."""
    told = next((column.values for column in columns if column.name == REPEAT and column.role == "label"), None)
    if told is None or not all(type(number) is int and number >= 1 for number in told):
        return columns, 1
    asked = [column.values for column in columns if column.role != "label"]
    times: dict[str, Counter[int]] = {}
    for place, number in enumerate(told):
        times.setdefault(canonical([values[place] for values in asked]), Counter())[number] += 1
    most = max(told)
    if not all(len(each) == most and len({*each.values()}) == 1 for each in times.values()):
        return columns, 1
    first = [place for place, number in enumerate(told) if number == 1]
    kept = [column._replace(values=[column.values[place] for place in first]) for column in columns]
    return [column for column in kept if column.name != REPEAT], max(told)
