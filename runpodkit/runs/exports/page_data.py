"""What a page knows of a run: axes, a cell per picture, values, and texts that are kept once.

Plain values that JSON can hold; the page's script puts them together.  Knows neither HTML nor the
bytes of a picture.  Secrets, pictures inside parameters and the queries of links are left out,
and so are clock times, job ids and workers: a page travels, and the same run gives the same page.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runpodkit.errors import ConfigError
from runpodkit.images.infotext import write_infotext
from runpodkit.params import ImageParams
from runpodkit.runs.exports.page_axes import TRIAL, axes_of, axis_data, placed, value_on
from runpodkit.runs.exports.page_values import Columns, as_json, label, plain, portable
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, RunHead
from runpodkit.secrecy import Censor
from runpodkit.sweeps.axes import EXTRA, canonical
from runpodkit.sweeps.sweep import Sweep

_SHORT = 60
"""Characters up to which a value goes into the line of what is the same everywhere."""
_KNOWN = ("execution_time_s", "queue_delay_s", "cost_usd", "attempts")
_ALWAYS = ("width", "height", "steps", "sampler_name", "scheduler", "cfg_scale", "seed")
_UNTOLD = frozenset({"timeout", "extra"})
_NOT_ODD = "cost from worker"


@dataclass(slots=True)
class PageData:
    """What goes into the page, and which pictures it needs: one of those that are equal."""

    about: dict[str, Any]
    pictures: list[ImageFile] = field(default_factory=list)


def page_data(
    head: RunHead,
    sweep: Sweep,
    records: Sequence[Record],
    *,
    columns: Columns,
    rows: str | Sequence[str] | None = None,
    cols: str | Sequence[str] | None = None,
    pages: str | Sequence[str] | None = None,
    under: str | None = None,
    title: str | None = None,
) -> PageData:
    """Everything but the pixels.

    Args:
        records: The trials of the page, at least one.
        columns: What is known of trials beyond their records.

    Raises:
        ValueError: an axis that the page does not have or that is placed twice, a column under
            the name of an axis, or `under` that is neither.
    """
    places = [(record, number) for record in records for number in range(max(1, len(record.images)))]
    axes = axes_of(sweep, places)
    values = _columns(records, columns, {axis.name for axis in axes})
    if under is not None and under not in {*values, *(axis.name for axis in axes), TRIAL}:
        known = ", ".join([TRIAL, *values, *(axis.name for axis in axes)])
        raise ValueError(f"under={under!r} is no value of this page; its values: {known}")
    texts = _Texts()
    fields = [_flat(record.params) for record in records]
    same = {name: text for name, text in fields[0].items() if all(other.get(name) == text for other in fields)}
    own_names = {axis.name for axis in axes if not axis.labelled}
    unset = sorted(
        {name for record in records for name in ImageParams.model_fields if name not in record.params.model_fields_set}
    )
    info = _info(head)
    indices = [{key: at for at, key in enumerate(axis.values)} for axis in axes]
    pictures: dict[str, int] = {}
    files: list[ImageFile] = []
    cells = []
    by_trial = {record.trial: own for record, own in zip(records, fields, strict=True)}
    for record, number in places:
        own = by_trial[record.trial]
        cell: dict[str, Any] = {
            "n": record.trial,
            "a": [at[canonical(value_on(record, number, axis.name))] for axis, at in zip(axes, indices, strict=True)],
            "s": str(record.state),
            "t": [texts.add(record.prompt), texts.add(record.negative_prompt)],
            "i": _settings(record, info),
            "k": record.key,
        }
        if differing := {
            name: texts.add(text) for name, text in own.items() if name not in same and name not in own_names
        }:
            cell["q"] = differing
        if len(head.parts) > 0:
            cell["e"] = texts.add(record.endpoint)
        if number < len(record.images):
            file = record.images[number]
            mark = file.pixels or file.key
            if mark not in pictures:
                pictures[mark] = len(files)
                files.append(file)
            cell["p"], cell["d"] = pictures[mark], [file.width, file.height]
        if record.reason:
            cell["r"] = record.reason
        if flags := _flags(record):
            cell["f"] = flags
        told = [plain(values[name].get(record.trial)) for name in values]
        if any(value is not None for value in told):
            cell["v"] = told
        cells.append(cell)
    one_line = len(sweep.units) == 1 and len(sweep.units[0]) > 1
    about = {
        "name": head.name,
        "endpoint": head.endpoint,
        "simulated": head.simulated,
        "title": title if title is not None else _title(same, head),
        "subtitle": _subtitle(sweep, same, own_names | ({"scheduler"} & {*unset})),
        "axes": [axis_data(axis) for axis in axes],
        "place": placed(sweep, axes, rows, cols, pages),
        "view": "gallery" if one_line and rows is None and cols is None and pages is None else "grid",
        "under": under or "",
        "columns": list(values),
        "same": same,
        "unset": unset,
        "texts": texts.kept,
        "cells": cells,
    }
    return PageData(about, files)


class _Texts:
    """Texts that many cells share, each kept once."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self._places: dict[str, int] = {}

    def add(self, text: str) -> int:
        place = self._places.setdefault(text, len(self.kept))
        if place == len(self.kept):
            self.kept.append(text)
        return place


def _columns(records: Sequence[Record], columns: Columns, axes: Iterable[str]) -> dict[str, Mapping[int, Any]]:
    """Every value that trials are told apart by beyond the axes, where at least one trial has it."""
    found: dict[str, Mapping[int, Any]] = {}
    taken = {*axes, TRIAL}
    if "seed" not in taken and len({record.params.seed for record in records}) > 1:
        found["seed"] = {record.trial: record.params.seed for record in records}
    for name in _KNOWN:
        values = {record.trial: getattr(record, name) for record in records}
        if name == "attempts" and max(values.values()) < 2:
            continue
        if any(value is not None for value in values.values()):
            found[name] = values
    if twice := [name for name in columns if name in taken]:
        raise ValueError(f"columns: {', '.join(twice)} is the name of an axis of this page; give it another")
    return {**found, **columns}


def _flat(params: ImageParams) -> dict[str, str]:
    """Parameters as JSON texts by name, `extra` one by one; those that every trial has, and those that were set."""
    names = [name for name in ImageParams.model_fields if name not in _UNTOLD]
    told = {name: getattr(params, name) for name in names if name in _ALWAYS or name in params.model_fields_set}
    told |= {f"{EXTRA}{name}": value for name, value in Censor().clean(params.extra).items()}
    return {name: as_json(portable(name, value)) for name, value in told.items()}


def _flags(record: Record) -> list[str]:
    flags = [flag for flag in record.flags if flag != _NOT_ODD]
    return [*flags, "may have been paid for twice"] if record.maybe_paid_twice else flags


def _info(head: RunHead) -> dict[str, Any]:
    """What the `parameters` text has to know; parts of a joint run differ, so of those nothing is said."""
    if head.parts:
        return {}
    try:
        untrue = sorted(set(ImageParams.model_fields) - head.spelling.takes)
    except (ConfigError, ValueError):
        untrue = []
    return {"model": head.identity, "not_sent": untrue}


def _settings(record: Record, info: Mapping[str, Any]) -> str:
    """The last line of the `parameters` text; prompts come from the texts."""
    return write_infotext(record.params, "", "", info).rpartition("\n")[2]


def _title(same: Mapping[str, str], head: RunHead) -> str:
    return str(json.loads(same["user_prompt"])) if "user_prompt" in same else head.name


def _subtitle(sweep: Sweep, same: Mapping[str, str], axes: Iterable[str]) -> list[str]:
    """What is the same in every cell and matters for the picture, a few words each."""
    told = {name: label(json.loads(text)) for name, text in same.items() if name not in set(axes)}
    words = [f"{told['width']}×{told['height']}"] if {"width", "height"} <= told.keys() else []
    names = {
        "sampler_name": "",
        "scheduler": "scheduler ",
        "steps": "steps ",
        "cfg_scale": "cfg scale ",
        "strength": "strength ",
    }
    words += [f"{word}{told[name]}" for name, word in names.items() if name in told and told[name] != "none"]
    if "seed" in told:
        words.append(f"seed {told['seed']}")
    elif sweep.seed_varies:
        words.append("another seed each")
    return words + [
        f"{name} {value}" for name, value in told.items() if name.startswith(EXTRA) and len(value) <= _SHORT
    ]
