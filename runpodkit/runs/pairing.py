"""Pairing: with which picture another one is compared, by what its trial has in common with the other's.

Values and records only; opens no picture.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

from runpodkit.runs.items import key_of
from runpodkit.runs.naming import shown
from runpodkit.runs.picture import Picture
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile
from runpodkit.storage import Store

Rest = tuple[tuple[str, Hashable], ...]
"""Names of axes with what tells their values."""


class Against(NamedTuple):
    """A picture that others are compared with."""

    image: ImageFile
    store: Store

    @property
    def id(self) -> str:
        """What tells it, by its content where that is known."""
        return f"{self.image.key}#{self.image.pixels}"


Partner = Callable[[Record, int], Against | None]
"""Gives the baseline of a record's picture by its number, from 0; None where there is none."""


def against_of(baseline: Any, records: Sequence[Record], store: Store) -> tuple[str, Partner]:
    """What each picture is compared with, in words and as a function.

    Args:
        baseline: `{axis: value}`, one axis or several: the trial that has these values and is equal in all other axes.
            Or a record or picture, with which all are compared.
        records: Of the whole run.

    Raises:
        ValueError: neither, an axis or value that the run does not have, or a record without a picture.
    """
    if isinstance(baseline, Picture):
        one = Against(baseline._file, baseline._store)
        return f"trial {baseline.record.trial} of {baseline.record.run}", lambda record, number: one
    if isinstance(baseline, Record):
        if not baseline.images:
            raise ValueError(f"baseline: trial {baseline.trial} has no picture to compare with")
        images = baseline.images
        words = f"trial {baseline.trial} of {baseline.run}"
        return words, lambda record, number: Against(images[min(number, len(images) - 1)], store)
    if not isinstance(baseline, Mapping) or not baseline:
        raise ValueError(
            f"baseline={baseline!r:.80}: give the value of an axis as {{axis: value}}, or a picture or record"
        )
    wanted = _checked(baseline, records)
    found: dict[Hashable, Record] = {}
    for record in records:
        if record.images and all(key_of(record.values.get(name)) == key for name, key in wanted.items()):
            found.setdefault(rest_of(record.values, wanted), record)

    def partner(record: Record, number: int) -> Against | None:
        other = found.get(rest_of(record.values, wanted))
        return Against(other.images[number], store) if other and number < len(other.images) else None

    return ", ".join(f"{name}={shown(baseline[name])}" for name in sorted(baseline)), partner


def rest_of(values: Mapping[str, Any], axes: Collection[str]) -> Rest:
    """What trials have in common that differ in these axes alone: their values of all others, in whatever order."""
    return tuple(sorted(((name, key_of(value)) for name, value in values.items() if name not in axes), key=_name))


def _name(one: tuple[str, Hashable]) -> str:
    return one[0]


def _checked(baseline: Mapping[Any, Any], records: Sequence[Record]) -> dict[str, Hashable]:
    wrong = []
    wanted: dict[str, Hashable] = {}
    axes = list(dict.fromkeys(name for record in records for name in record.values))
    for name, value in baseline.items():
        if name not in axes:
            wrong.append(f"{name} is no axis of this run; its axes: {', '.join(axes) or 'none'}")
            continue
        values = {key_of(record.values.get(name)): record.values.get(name) for record in records}
        key = next((key for key in values if key == key_of(value)), None)
        if key is None and isinstance(value, str):  # as a command line has it
            key = next((key for key, there in values.items() if shown(there) == value), None)
        if key is None and key_of(value) not in values:
            wrong.append(f"{value!r} is no value of {name}; its values: {', '.join(map(shown, values.values())):.300}")
            continue
        wanted[name] = key
    if wrong:
        raise ValueError(f"baseline: {'; '.join(wrong)}")
    return wanted
