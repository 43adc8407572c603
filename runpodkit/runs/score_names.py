"""Names of scores: what a score may be called without hiding a parameter, an axis or a fact of the table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from runpodkit.params import ImageParams
from runpodkit.runs.records import Record
from runpodkit.runs.scores import check_shape, score_names
from runpodkit.runs.tables.columns import KNOWN
from runpodkit.runs.tables.summary import MEASURES

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

_SAID = frozenset({"wins", "losses", "ties", "starred", "note", "pixel_distance"})
"""Columns of what people said and of what comparisons measure, whether or not they are there yet."""
_ENDS = ("_difference", "_low", "_high")
"""Of the columns that a comparison has of a measure."""
_COMPARED = frozenset({"pixel_distance", "execution_time_s", "cost_usd"})
_PLACES = frozenset(
    {"run", "file", "picture", "row", "values", "params", "extra", "repeat", "tags", "unread", "excerpt"}
)
"""What grids and pages place pictures by, and what exports call other things."""


def check_name(name: object, results: Results, records: Sequence[Record]) -> str:
    """The name itself, if a score of this run can have it.

    Raises:
        ValueError: it is no name, or something else is called so; the message says what.
    """
    text = check_shape(name)
    axes = {axis for record in records for axis in record.values} | set(results.sweep.axes)
    if reason := _taken(text, axes):
        raise ValueError(f"name={text!r} would hide {reason} of that name in the table: give the score another name")
    others = {*score_names(results.store, results.name), *results.unsaved_scores}
    if clash := _clash(text, {*others, *_COMPARED}):
        raise ValueError(
            f"name={text!r} and {clash!r} would share a column of a comparison: give the score another name"
        )
    alike = [other for other in others if other != text and other.casefold() == text.casefold()]
    if alike:
        raise ValueError(f"name={text!r}: there is a score {alike[0]!r}; some disks cannot tell the two apart")
    return text


def _clash(text: str, others: set[str]) -> str | None:
    """Another measure, one of the two being called as a comparison calls a column of the other."""
    alike = [name for end in _ENDS for name in (text.removesuffix(end), text + end) if name != text]
    return next((name for name in alike if name in others), None)


def _taken(name: str, axes: set[str]) -> str | None:
    """What is called so besides scores."""
    low = name.casefold()
    if low in {axis.casefold() for axis in axes}:
        return "the axis"
    if low.startswith("extra."):
        return "a worker's own input"
    if low in {field.casefold() for field in ImageParams.model_fields}:
        return "the parameter"
    if low in {column.casefold() for column in (*KNOWN, *MEASURES)}:
        return "the column"
    if low in {column.casefold() for column in _SAID}:
        return "what is kept beside a run or compared"
    return "something else" if low in _PLACES else None
