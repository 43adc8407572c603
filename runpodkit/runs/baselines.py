"""Baselines: which place of a grid each picture is compared with.  Places and values only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from runpodkit.runs.items import key_of
from runpodkit.runs.naming import Label, Labels, Naming, Place, shown


@dataclass(frozen=True, slots=True)
class Baseline:
    """A value of an axis that runs down or across."""

    axis: str
    value: Any
    row_at: int | None
    """Which of the rows' labels it is; None if it is one of the columns'."""
    col_at: int | None

    def of(self, row: Labels, col: Labels) -> Place | None:
        """The place that differs from this one in having the baseline's value; None for the baseline itself."""
        wanted = Label("", key_of(self.value))
        line, at = (row, self.row_at) if self.row_at is not None else (col, self.col_at)
        if at is None or line[at] == wanted:
            return None
        moved = (*line[:at], wanted, *line[at + 1 :])
        return (moved, col) if self.row_at is not None else (row, moved)


def baseline_of(baseline: Any, across: Sequence[str], down: Sequence[str], naming: Naming) -> Baseline:
    """What a caller means by `baseline`: a value, or `{axis: value}`.

    Raises:
        ValueError: no value of what is placed, or one of several axes.
    """
    if isinstance(baseline, Mapping):
        if len(baseline) != 1:
            raise ValueError(f"baseline={baseline!r}: name one axis and its value")
        name, value = next(iter(baseline.items()))
        if name not in (*across, *down):
            raise ValueError(f"baseline: {name} runs neither down nor across; placed are {', '.join((*across, *down))}")
        names = [name]
    else:
        names, value = [*across, *down], baseline
    found = [(name, each) for name in names for each in naming.values[name] if naming.means(value, each)]
    if not found:
        said = (
            "; ".join(f"{name}: {', '.join(map(shown, naming.values[name]))}" for name in names) or "no axis is placed"
        )
        raise ValueError(f"baseline={value!r} is no value that runs down or across; {said}")
    if len({name for name, _ in found}) > 1:
        ways = " or ".join(f"baseline={{{name!r}: {each!r}}}" for name, each in found)
        raise ValueError(f"baseline={value!r} is a value of several axes: choose {ways}")
    name, each = found[0]
    if name in across:
        return Baseline(name, each, None, list(across).index(name))
    return Baseline(name, each, list(down).index(name), None)
