"""Prompts that axes edit: what both prompts become at the values of those axes.

Several axes may edit one prompt, in the order they were written in; the prompt itself may be an axis.
Everything is tried out beforehand: a text that is to be replaced has to be there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any

from pydantic import ValidationError

from runpodkit.params import ImageParams, explain
from runpodkit.reprs import cut
from runpodkit.sweeps.cells import Cells
from runpodkit.sweeps.kinds import Axis
from runpodkit.sweeps.prompting import Replace

_PROMPTS = ("user_prompt", "negative_prompt")
_TOLD = 5
"""Problems that are told."""

Texts = Mapping[str, str]
"""Prompts by field."""


class Prompted:
    """Edited prompts by the places of the axes that make them."""

    def __init__(self, dimensions: tuple[int, ...], texts: Mapping[tuple[int, ...], Texts]) -> None:
        self._dimensions, self._texts = dimensions, texts

    def fields(self, places: Sequence[int]) -> Texts:
        """The edited prompts of a cell, by field."""
        return self._texts[tuple([places[at] for at in self._dimensions])]

    @classmethod
    def of(
        cls, base: ImageParams, axes: Mapping[str, Axis], dimension: Mapping[str, int], cells: Cells
    ) -> tuple[Prompted | None, list[str]]:
        """All texts, and every problem; None where no axis edits a prompt.

        Args:
            dimension: Of each axis, by its name.
        """
        edits = [axis for axis in axes.values() if axis.edit]
        if not edits:
            return None, []
        edited = {name for axis in edits for name in edited_fields(axis)}
        setters = [axis for axis in axes.values() if edited & axis.fields]
        dimensions = tuple(sorted({dimension[axis.name] for axis in (*edits, *setters)}))
        made: dict[tuple[int, ...], Texts] = {}
        problems: dict[str, None] = {}
        for places in _met(dimensions, cells):
            at = dict(zip(dimensions, places, strict=True))
            texts = {name: getattr(base, name) for name in _PROMPTS}
            for axis in setters:
                texts |= {
                    name: value for name, value in axis.sets[at[dimension[axis.name]]].items() if name in _PROMPTS
                }
            left, wrong = _edited(texts, edits, {axis.name: axis.values[at[dimension[axis.name]]] for axis in edits})
            made[places] = {name: text for name, text in left.items() if name in edited and text is not None}
            problems.update(dict.fromkeys(wrong or _refused(made[places])))
        told = list(problems)[:_TOLD]
        return cls(dimensions, made), told + ([f"{len(problems) - _TOLD:,} more of the kind"] * (len(problems) > _TOLD))


def edited_fields(axis: Axis) -> tuple[str, ...]:
    """The prompts that an axis edits."""
    if axis.edit is None:
        return ()
    return _PROMPTS if axis.edit.field == "both" else (axis.edit.field,)


def _met(dimensions: Sequence[int], cells: Cells) -> Iterable[tuple[int, ...]]:
    """Places in these dimensions that some cell has."""
    if cells.kept is None:
        return product(*(range(cells.sizes[at]) for at in dimensions))
    return dict.fromkeys(tuple([places[at] for at in dimensions]) for _, places in cells.walk())


def _edited(
    texts: Mapping[str, str | None], edits: Sequence[Axis], labels: Mapping[str, str]
) -> tuple[dict[str, str | None], list[str]]:
    left = dict(texts)
    problems: list[str] = []
    for axis in edits:
        if problem := _problem(axis, left):
            why = "" if _problem(axis, texts) else " once the axes before it have edited it"
            problems.append(f"axis {axis.name}: {problem}{why}")
            continue
        for name in edited_fields(axis):
            text = left[name]
            if axis.edit and text is not None:
                left[name] = axis.edit.apply(text, labels[axis.name])
    return left, problems


def _problem(axis: Axis, texts: Mapping[str, str | None]) -> str | None:
    edit = axis.edit
    if edit is None:
        return None
    if isinstance(edit, Replace):
        problem = edit.problem(*(texts[name] for name in _PROMPTS))
    else:
        problem = edit.problem(texts[edit.field])
    if problem is None:
        return None
    there = " and ".join(repr(cut(texts[name] or "", 60)) for name in edited_fields(axis))
    return f"{problem}: {there}"


def _refused(texts: Texts) -> list[str]:
    fields: dict[str, Any] = {"user_prompt": "-", **texts}
    try:
        ImageParams(**fields)
    except ValidationError as exc:
        return [f"edited prompts: {explain(exc)}"]
    return []
