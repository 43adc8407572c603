"""Oddities: what is strange about pictures that came: size, seed, blank, equal to another's; axes without effect.

Derived from records and rows whenever they are read, and kept nowhere: which trials are equal changes
as they come.  Looks at fingerprints, opens no picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from runpodkit.endpoint.dialects import Dialect
from runpodkit.params import ImageParams
from runpodkit.runs.rows import ImageFile
from runpodkit.sweeps.kinds import REPEAT

if TYPE_CHECKING:
    from runpodkit.runs.records import Record

_SHOWN = 5


_HOW_IT_CAME = frozenset({"tried again", "retried", "job forgotten"})


def odd(flags: Iterable[str]) -> list[str]:
    """The flags of a trial that a person should see."""
    return [flag for flag in flags if flag != "cost from worker"]


def of_picture(flags: Iterable[str]) -> tuple[str, ...]:
    """Those of them that speak of the picture, not of how it came."""
    return tuple(flag for flag in odd(flags) if flag not in _HOW_IT_CAME)


def of_trial(images: Sequence[ImageFile], seed: int | None, params: ImageParams, dialect: Dialect) -> list[str]:
    """What is odd about the pictures of one trial.

    Args:
        seed: That the worker says it used for the job.
        params: As sent.
    """
    told = []
    asked = (params.width, params.height)
    sizes = list(dict.fromkeys((one.width, one.height) for one in images))
    if dialect.asks_size(params) and any(size != asked for size in sizes):
        told.append(f"size{'s' if len(sizes) > 1 else ''} delivered {_listed(f'{w}×{h}' for w, h in sizes)}")
    if "seed" in dialect.takes and (strange := _strange_seeds(images, seed, params.seed)):
        told.append(f"seed{'s' if len(strange) > 1 else ''} delivered {_listed(map(str, strange))}")
    if images and len(images) < params.num_images and "num_images" in dialect.takes:
        told.append(f"{len(images)} of {params.num_images} pictures")
    blank = [number for number, one in enumerate(images, start=1) if one.blank]
    if blank and len(images) == 1:
        told.append("blank picture")
    elif blank:
        told.append(f"picture {_listed(map(str, blank))} of {len(images)} is blank")
    return told


def _strange_seeds(images: Sequence[ImageFile], seed: int | None, asked: int) -> list[int]:
    """The seeds that were delivered, if they are not those asked for: one for all, or from it upwards."""
    own = [one.seed for one in images if one.seed is not None]
    if len(own) > 1:
        kept = len(own) == len(images) and all(given - asked in (0, at) for at, given in enumerate(own))
        return [] if kept else own
    return [seed] if seed is not None and seed != asked else []


class EqualPictures:
    """Which trials have pixels that another trial has too; kept up to date as records come."""

    def __init__(self) -> None:
        self._keys: dict[str, dict[int, str]] = {}
        """Of a fingerprint: the trials that have it, each with what tells the picture that it asked for."""
        self._first: dict[str, tuple[int, int | None]] = {}
        """Of a fingerprint: its first trial, and the first that asked for another picture than that one."""
        self._prints: dict[int, tuple[str, ...]] = {}
        self._remarks: dict[int, str] = {}

    def take(self, records: Iterable[Record]) -> set[int]:
        """Know these records as they stand now; gives the trials of which something else is to be said than before."""
        trials: set[int] = set()
        touched: set[str] = set()
        for record in records:
            trials.add(record.trial)
            for pixels in filter(None, self._prints.pop(record.trial, ())):
                self._keys[pixels].pop(record.trial, None)
                touched.add(pixels)
            if prints := tuple(one.pixels for one in record.images):
                self._prints[record.trial] = prints
            for pixels in filter(None, prints):
                self._keys.setdefault(pixels, {})[record.trial] = _asked(record)
                touched.add(pixels)
        for pixels in touched:
            keys = self._keys[pixels]
            first = min(keys, default=-1)
            now = first, min((trial for trial, key in keys.items() if key != keys[first]), default=None)
            if self._first.get(pixels, (first, None)) != now:
                trials.update(keys)
            self._first[pixels] = now
        return {trial for trial in trials if self._judge(trial)}

    def remark(self, trial: int) -> str | None:
        """`same pixels as trial 3`: the first before it that asked for something else and got the same."""
        return self._remarks.get(trial)

    def _judge(self, trial: int) -> bool:
        """Say of a trial what is to be said now; whether that is something else than before."""
        before = self._remarks.pop(trial, None)
        prints = self._prints.get(trial, ())
        for number, pixels in enumerate(prints, start=1):
            if not pixels:
                continue
            key = self._keys[pixels][trial]
            other = next(
                (one for one in self._first[pixels] if one is not None and self._keys[pixels][one] != key), None
            )
            if other is not None and other < trial:
                which = "" if len(prints) == 1 else f"picture {number}: "
                self._remarks[trial] = f"{which}same pixels as trial {other}"
                break
        return self._remarks.get(trial) != before


def _asked(record: Record) -> str:
    """What tells the picture that a trial asked for; repeats ask for the same one."""
    return record.params.model_dump_json() if REPEAT in record.values else record.key


def with_oddities(records: Iterable[Record]) -> list[Record]:
    """Records of one run with what only all of them together tell: `same pixels as trial 3`."""
    whole = list(records)
    equal = EqualPictures()
    equal.take(whole)
    said = [(record, equal.remark(record.trial)) for record in whole]
    return [replace(one, flags=(*one.flags, words)) if words and words not in one.flags else one for one, words in said]


def is_equal(record: Record) -> bool:
    """Whether a record, as `with_oddities` gives it, has the pixels of an earlier trial."""
    return any("same pixels as trial " in flag for flag in record.flags)


def is_blank(record: Record) -> bool:
    """Whether one of its pictures is blank."""
    return any(one.blank for one in record.images)


def axes_without_effect(records: Iterable[Record]) -> list[str]:
    """Axes whose values all gave the same pixels, whatever the others were.

    Told only of an axis with two values or more, all of whose trials have pictures.  Values that ask for
    the very same picture (one key) prove nothing, and neither do pictures that are all blank.
    """
    whole = [record for record in records if record.values]
    if not whole or all(map(is_blank, whole)):
        return []
    return [axis for axis in whole[0].values if axis != REPEAT and _is_without_effect(axis, whole)]


def _is_without_effect(axis: str, records: Sequence[Record]) -> bool:
    values: set[Any] = set()
    groups: dict[tuple[Any, ...], tuple[tuple[str, ...], set[str], set[Any]]] = {}
    for record in records:
        prints = tuple(one.pixels for one in record.images)
        if not prints or not all(prints) or axis not in record.values:
            return False
        value = _known(record.values[axis])
        rest = tuple((name, _known(other)) for name, other in record.values.items() if name != axis)
        pixels, keys, seen = groups.setdefault(rest, (prints, set(), set()))
        if pixels != prints:
            return False
        keys.add(record.key)
        seen.add(value)
        values.add(value)
    complete = all(len(seen) == len(values) for _, _, seen in groups.values())
    return len(values) > 1 and complete and all(len(keys) > 1 for _, keys, _ in groups.values())


def remarks(records: Sequence[Record]) -> list[str]:
    """What a person should hear of a run that is over, one sentence each; usually nothing."""
    said = []
    if idle := axes_without_effect(records):
        counts = " and ".join(f"{axis} ({_count_of(axis, records)} values)" for axis in idle)
        said.append(
            f"{counts} made no difference: with all else equal, each value gave the same pixels; "
            "the worker may not know this parameter, or ignore it"
        )
    if blank := [record.trial for record in records if is_blank(record)]:
        pictures = "1 picture is" if len(blank) == 1 else f"{len(blank):,} pictures are"
        said.append(f"{pictures} blank, one colour all over: trial {_listed(map(str, blank))}")
    return said


def _count_of(axis: str, records: Sequence[Record]) -> int:
    return len({_known(record.values[axis]) for record in records})


def _known(value: Any) -> Any:
    """A value that can be looked up: what is nested as its JSON."""
    return value if isinstance(value, str | int | float | None) else json.dumps(value, sort_keys=True, default=str)


def _listed(words: Iterable[str]) -> str:
    every = list(words)
    return ", ".join(every[:_SHOWN]) + (f" and {len(every) - _SHOWN:,} more" if len(every) > _SHOWN else "")
