"""Items: pictures to be laid out, whatever they come from, in the one form that a grid takes.

A run, several runs, records, pictures, rows of a table and files all become items here: what is known
of each by name, how its bytes are had, and why there are none.  Where an item goes is decided by
`layout`; this module decides nothing and opens no picture, save files for the parameters in them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from runpodkit.errors import StoreError
from runpodkit.params import ImageParams
from runpodkit.runs.oddities import of_picture
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState
from runpodkit.secrecy import Censor
from runpodkit.storage import Store

if TYPE_CHECKING:
    import pandas as pd

    from runpodkit.runs.picture import Picture
    from runpodkit.runs.results import Results

RUN, IMAGE, FILE = "run", "image", "file"
"""Names by which an item may be placed beside parameters: its run, its number among the pictures of one job, its file."""
THUMBS = "thumbs"
"""Where small versions lie in a store: `thumbs/<width in pixels>/<what tells the picture>.jpg`."""
_OPEN = frozenset({TrialState.PLANNED, TrialState.WAITING, TrialState.RESERVED, TrialState.SUBMITTED})
"""A picture that may still come is missing, not failed."""
_PARAMETERS = tuple(name for name in ImageParams.model_fields if name not in ("extra", "timeout", "input_image"))
_FACTS = tuple(name for name in Record.__slots__ if name not in ("params", "values", "images", "flags"))


@dataclass(frozen=True, slots=True)
class Item:
    """One picture to be laid out."""

    name: str
    """What it is called where it has to be told from others."""
    facts: Mapping[str, Any]
    """All that is known of it, by the names of parameters, of fields of records, or of columns."""
    read: Callable[[], bytes] | None = None
    """How its bytes are had; may take long and raise."""
    problem: str | None = None
    """Why there is no picture, where that is final."""
    size: tuple[int, int] | None = None
    flags: tuple[str, ...] = ()
    """What is odd about the picture."""
    thumbs: Thumbs | None = None
    origin: Any = None
    """What it was made from: a record, a row, a path."""
    keys: tuple[Hashable, ...] = ()
    """What a mapping of the caller may know it by."""


@dataclass(frozen=True, slots=True)
class Collection:
    """The items of one source, and what it says about their order."""

    items: Sequence[Item]
    axes: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    """What was varied, outermost first, with its values in order."""
    planned: bool = False
    """The axes alone tell every two items apart."""
    units: Sequence[tuple[str, ...]] = ()
    """Axes of which only some combinations of values were meant to be; they stay side by side."""
    sparse: bool = False
    """Not every combination of values was meant to be."""
    lacking: bool = False
    """More was meant to be than there are items: a place without one is missing, not empty."""

    @property
    def simulated(self) -> tuple[bool, bool]:
        """Whether all of the items are, and whether any is."""
        told = [item.facts.get("simulated") is True for item in self.items]
        return bool(told) and all(told), any(told)

    def where(self, wanted: Mapping[str, Any]) -> Collection:
        """Those with these values; a list means any of them.

        Raises:
            ValueError: a name that none has, or nothing is left.
        """
        if not isinstance(wanted, Mapping):
            raise ValueError(f"where={wanted!r}: give names and values, such as {{'steps': [5, 10]}}")
        items = list(self.items)
        for name, value in wanted.items():
            if not any(name in item.facts for item in items):
                raise ValueError(f"where: nothing is known as {name} of these pictures")
            values = list(value) if isinstance(value, list | tuple | range | set | frozenset) else [value]
            keys = {key_of(each) for each in values}
            left = [item for item in items if key_of(item.facts.get(name)) in keys]
            if not left:
                known = ", ".join(dict.fromkeys(str(item.facts.get(name)) for item in items))
                raise ValueError(f"where: no picture has {name}={value!r}; it is {known:.300}")
            items = left
        if not wanted:
            return self
        left_over = {name: {key_of(item.facts.get(name)) for item in items} for name in self.axes}
        axes = {
            name: kept
            for name, values in self.axes.items()
            if len(kept := [each for each in values if key_of(each) in left_over[name]]) > 1
        }
        return replace(self, items=items, axes=axes)


@dataclass(slots=True)
class Shelf:
    """Where small versions lie in a store.  What goes wrong there costs time, nothing else."""

    store: Store
    writes: bool = True
    """False once it refused: one that may only be read is not asked again for each picture."""


@dataclass(frozen=True, slots=True)
class Thumbs:
    """Small versions of one picture on a shelf."""

    shelf: Shelf
    name: str
    """What tells the picture by its content: the same name never means other pixels."""

    def get(self, px: int) -> bytes | None:
        try:
            return self.shelf.store.get(self._key(px))
        except (StoreError, OSError):
            return None

    def put(self, px: int, data: bytes) -> None:
        if self.shelf.writes:
            try:
                self.shelf.store.put(self._key(px), data, "image/jpeg")
            except (StoreError, OSError):
                self.shelf.writes = False

    def _key(self, px: int) -> str:
        return f"{THUMBS}/{px}/{self.name[:2]}/{self.name}.jpg"


def of_runs(runs: Sequence[Results]) -> Collection:
    """The pictures of one or several runs; of several, `run` is an axis with their names."""
    if len(runs) == 1:
        return of_run(runs[0], runs[0].records())
    names = _distinct([run.name for run in runs])
    given = [run.records() for run in runs]
    most = max(_most_images(records) for records in given)
    items: list[Item] = []
    axes: dict[str, list[Any]] = {RUN: list(names)}
    for run, name, records in zip(runs, names, given, strict=True):
        shelf = Shelf(run._store)
        drawn = [item for record in records for item in _of_record(record, run._store.get, shelf, most, name, True)]
        items += _with(drawn, run.beside(records))
        for axis, values in run.sweep.axes.items():
            axes[axis] = _merged(axes[axis], values) if axis in axes else list(values)
    if most > 1:
        axes[IMAGE] = list(range(1, most + 1))
    units = dict.fromkeys(unit for run in runs for unit in run.sweep.units if len(unit) > 1)
    return Collection(items, axes, False, list(units), any(run.sweep.is_sparse for run in runs))


def of_run(run: Results, records: Sequence[Record], *, small: Callable[[str], bytes] | None = None) -> Collection:
    """The pictures of a run, as far as these records have them.

    Args:
        small: Gives a small version of a picture by its key; then only the first of each trial is there.
    """
    most = 1 if small else _most_images(records)
    read, shelf = (small, None) if small else (run._store.get, Shelf(run._store))
    items = [item for record in records for item in _of_record(record, read, shelf, most, run.name, False)]
    items = items if small else _with(items, run.beside(records))
    axes = {**run.sweep.axes, **({IMAGE: list(range(1, most + 1))} if most > 1 else {})}
    lacking = len(records) < run.head.trials
    return Collection(items, axes, True, run.sweep.units, run.sweep.is_sparse, lacking)


def of_records(records: Sequence[Record], store: Store) -> Collection:
    """The pictures of some records of one store."""
    most = _most_images(records)
    many = len({record.run for record in records}) > 1
    shelf = Shelf(store)
    items = [item for record in records for item in _of_record(record, store.get, shelf, most, record.run, many)]
    names = dict.fromkeys([RUN, *(name for record in records for name in record.values), IMAGE])
    axes = {name: _seen(item.facts.get(name) for item in items) for name in names}
    varied = {name: values for name, values in axes.items() if len(values) > 1}
    return Collection(items, varied)


def of_pictures(pictures: Sequence[Picture]) -> Collection:
    """Pictures, each out of its own store."""
    items = []
    shelves: dict[int, Shelf] = {}
    many = len({picture.record.run for picture in pictures}) > 1
    for picture in pictures:
        files = picture.record.images
        number = next(at for at, file in enumerate(files, start=1) if file.key == picture.key)
        store, run = picture._store, picture.record.run
        shelf = shelves.setdefault(id(store), Shelf(store))
        items.append(_item(picture.record, store.get, shelf, files[number - 1], number, run, many))
    names = list(dict.fromkeys([*([RUN] if many else []), *(name for each in pictures for name in each.record.values)]))
    axes = {name: _seen(item.facts.get(name) for item in items) for name in (*names, IMAGE)}
    varied = {name: values for name, values in axes.items() if len(values) > 1}
    return Collection(items, varied)


def of_table(frame: pd.DataFrame, store: Store, run: Results | None = None) -> Collection:
    """The pictures of the rows of a table, such as `run.table()` or a part of it; its column `image` has their keys.

    Args:
        run: The one they belong to, where it is known: it says how axes are ordered.

    Raises:
        ValueError: the table has no column `image`, or a column twice.
    """
    if IMAGE not in frame.columns:
        raise ValueError(
            f"the table has no column {IMAGE!r} with the keys of its pictures; it has {', '.join(map(str, frame.columns))}"
        )
    if twice := sorted({str(name) for name in frame.columns[frame.columns.duplicated()]}):
        raise ValueError(f"the table has columns twice: {', '.join(twice)}")
    shelf = Shelf(store)
    known = {} if run is None else {file.key: (record, file) for record in run.records() for file in record.images}
    items = []
    for index, row in zip(frame.index, frame.to_dict("records"), strict=True):
        facts = {str(name): plain(value) for name, value in row.items()}
        key = facts.pop(IMAGE)
        trial = facts.get("trial", index)
        record, file = known.get(key, (None, None))
        open_still = key or facts.get("state") in _OPEN
        problem = None if open_still else facts.get("reason") or "the table has no key of a picture here"
        flags = str(facts["flags"]).split("; ") if facts.get("flags") else []
        items.append(
            Item(
                name=f"trial {trial}",
                facts={**(_known(record, record.run) if record else {}), **facts},
                read=partial(store.get, str(key)) if key else None,
                problem=None if problem is None else str(problem),
                size=(file.width, file.height) if file else None,
                flags=of_picture(flags),
                thumbs=_thumbs(shelf, file),
                origin=row,
                keys=tuple(each for each in (trial, key, index) if isinstance(each, Hashable)),
            )
        )
    axes = run.sweep.axes if run else {name: [] for name in (RUN, "endpoint", *_PARAMETERS) if name in frame.columns}
    seen = {name: _seen(item.facts.get(name) for item in items) for name in axes}
    varied = {name: axes[name] for name, values in seen.items() if len(values) > 1}
    return Collection(
        items, varied, units=run.sweep.units if run else (), sparse=run is not None and run.sweep.is_sparse
    )


def _with(items: Sequence[Item], beside: Mapping[str, Mapping[int, Any]]) -> list[Item]:
    """Items of records that also know what is kept beside their run: values by trial, by name."""
    if not beside:
        return list(items)
    known = {name: values for name, values in beside.items() if name not in _FACTS}
    return [
        replace(item, facts={**{name: values.get(item.origin.trial) for name, values in known.items()}, **item.facts})
        for item in items
    ]


def plain(value: Any) -> Any:
    """A value as Python has it: of arrays' scalars the number, of every kind of missing None."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if type(value).__module__.partition(".")[0] in ("pandas", "numpy"):
        if type(value).__name__ in ("NAType", "NaTType"):
            return None
        item = getattr(value, "item", None)
        return plain(item()) if callable(item) and getattr(value, "ndim", 0) == 0 else value
    return value


def key_of(value: Any) -> Hashable:
    """What is equal for equal values only: 4 and 4.0 are one, True and 1 are not; lists and mappings have one too."""
    if isinstance(value, bool):
        return "bool", value
    return value if isinstance(value, Hashable) and not isinstance(value, tuple) else ("unhashable", repr(value))


def _most_images(records: Sequence[Record]) -> int:
    return max((len(record.images) for record in records), default=1) or 1


def _of_record(
    record: Record, read: Callable[[str], bytes], shelf: Shelf | None, most: int, run: str, named: bool
) -> list[Item]:
    """An item per image; of a trial without any, one for each that others have."""
    files: Sequence[ImageFile | None] = record.images[:most] or [None] * most
    return [_item(record, read, shelf, file, number, run, named) for number, file in enumerate(files, start=1)]


def _item(
    record: Record,
    read: Callable[[str], bytes],
    shelf: Shelf | None,
    file: ImageFile | None,
    number: int,
    run: str,
    named: bool,
) -> Item:
    name = f"{run}, trial {record.trial}" if named else f"trial {record.trial}"
    return Item(
        name=name if number == 1 else f"{name}, image {number}",
        facts={**_known(record, run), IMAGE: number},
        read=partial(read, file.key) if file else None,
        problem=None if file or record.state in _OPEN else record.reason or str(record.state),
        size=(file.width, file.height) if file else None,
        flags=of_picture(record.flags) if file else (),
        thumbs=_thumbs(shelf, file),
        origin=record,
        keys=(record.trial, *([file.key] if file else [])),
    )


def _known(record: Record, run: str) -> dict[str, Any]:
    """What a record says, by name; axes before all else, as a parameter of the same name may have been respelt."""
    facts: dict[str, Any] = {name: getattr(record.params, name) for name in _PARAMETERS}
    facts |= {f"extra.{name}": value for name, value in Censor().clean(record.params.extra).items()}
    facts |= {name: getattr(record, name) for name in _FACTS}
    return {**facts, **record.values, RUN: run}


def _thumbs(shelf: Shelf | None, file: ImageFile | None) -> Thumbs | None:
    """None where a picture's content is not known: a key alone may come to mean another picture."""
    return Thumbs(shelf, file.pixels) if shelf and file and file.pixels.isalnum() else None


def _seen(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order of appearance."""
    found: dict[Hashable, Any] = {}
    for value in values:
        if value is not None:
            found.setdefault(key_of(value), value)
    return list(found.values())


def _merged(one: Sequence[Any], other: Sequence[Any]) -> list[Any]:
    """The values of one axis in two runs: in the order of the first; numbers ascend where they disagree."""
    together = _seen([*one, *other])
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in together)
    return sorted(together) if numbers and len(together) > len(one) else together


def _distinct(names: Sequence[str]) -> list[str]:
    """The names, repeated ones with a number behind them."""
    made: list[str] = []
    for name in names:
        count = 2
        fresh = name
        while fresh in made:
            fresh, count = f"{name} ({count})", count + 1
        made.append(fresh)
    return made
