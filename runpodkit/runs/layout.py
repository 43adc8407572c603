"""Where each picture of a grid goes: which axes run down, which across, which turn the pages.

Pure: gets items and names, gives places and words, opens no picture and knows no run or store.  Two items
never get one place: what was not placed is added to the columns, and what nothing tells apart stands side
by side.  One axis alone, or pictures without any, flow in lines like words.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

from runpodkit.params import ImageParams
from runpodkit.runs.baselines import Baseline, baseline_of
from runpodkit.runs.facts import joined
from runpodkit.runs.items import Collection, Item, key_of
from runpodkit.runs.marks import UNSAID
from runpodkit.runs.naming import Label, Labels, Naming, Place, check_order, ordered, shown
from runpodkit.runs.records import Record

if TYPE_CHECKING:
    from runpodkit.runs.beside import Beside

__all__ = [
    "Layout",
    "Names",
    "Sheet",
    "Spot",
    "lay_out",
    "line_length",
    "matching",
    "place_axes",
    "shown",
    "value_of",
]

WRAP_ABOVE = 10
"""Cells that one axis puts in a line if nobody said where it goes; more flow in several lines."""
DENSE = 0.5
"""Of the places that some axes make, the share that has items if they are to be called a grid."""

MOST_PLACES = 1_000_000
"""Of a page; no grid has as many."""

Names = str | Sequence[str] | None


@dataclass(frozen=True, slots=True)
class Spot:
    """An item in its place."""

    item: Item
    caption: str = ""
    """What its row and column do not say."""
    against: Place | None = None
    """The place it is compared with."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One page: its heading, and what stands where."""

    heading: str
    spots: Mapping[Place, Spot]
    blank: frozenset[Place] = frozenset()
    """Places that stay empty, because nothing was to be there."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Rows and columns, the same on every page, and what goes into them."""

    rows: Sequence[Labels]
    cols: Sequence[Labels]
    row_title: str
    col_title: str
    pages: Sequence[Sheet]
    paged: bool
    placed: tuple[str, ...]
    """The names that rows, columns, pages and captions tell."""


def lay_out(
    source: Collection,
    *,
    rows: Names = None,
    cols: Names = None,
    pages: Names = None,
    labels: Mapping[Any, Any] | None = None,
    order: Mapping[str, Sequence[Any]] | None = None,
    baseline: Any = None,
    aspect: float = 1.46,
) -> Layout:
    """Give each item a place.

    Args:
        rows, cols, pages: Names of axes or of anything else that is known of the items, outer first.
            Axes nobody placed go to the columns, the first of several to the rows.
        labels: Texts for values, `{value: text}` or `{name: {value: text}}`; `{name: text}` renames an axis.
        order: Values of an axis in the order wanted; those it does not name follow.
        baseline: A value of a row or column axis, or `{axis: value}`: every item is compared with the one
            that has this value and all else alike.
        aspect: Height over width of a cell, for lines of a sensible length.

    Raises:
        ValueError: no items, a name that is not known, one placed twice, a value that is not there.
    """
    items = list(source.items)
    if not items:
        raise ValueError("there is nothing to lay out: no picture was given")
    known = {name for item in items for name in item.facts}
    given = [_names(each) for each in (rows, cols, pages)]
    _check_mappings(labels=labels, order=order)
    free = not given[0] and not given[1]
    if source.planned:
        axes = list(source.axes)
    else:
        axes = _dense(items, [name for name in source.axes if name not in given[2]], given[2]) if free else []
    _check_names([name for names in given for name in names], known | set(axes), axes or list(source.axes))
    down, across, deep = place_axes(axes, rows, cols, pages, units=source.units)
    if told := _tell_apart(items, (*deep, *down, *across), source.axes):
        if not free and rows is None:
            down = (*down, *told)
        elif not free or down or across or not set(told) & set(_WORDY):
            across = (*across, *told)
    placed = (*deep, *down, *across)
    check_order(order or {}, placed)
    naming = Naming({name: ordered(items, name, source.axes, order or {}) for name in placed}, labels or {})
    spots = _spots(items, deep, down, across, naming)
    reference = baseline_of(baseline, across, down, naming) if baseline is not None else None
    lines = len({spot.col for spot in spots})
    if free and not down and (lines > WRAP_ABOVE or (not across and lines > 1)):
        plan = _flow(spots, deep, across, naming, reference, aspect, placed)
    else:
        plan = _table(spots, deep, down, across, naming, reference, placed)
    return plan if source.lacking and not source.sparse else _with_blanks(plan)


def place_axes(
    axes: Sequence[str],
    rows: Names,
    cols: Names,
    pages: Names = None,
    *,
    units: Sequence[tuple[str, ...]] = (),
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Names that run down, across and through the pages, outer first; of axes nobody placed the first runs down.

    Args:
        units: Axes that stay side by side, as only some combinations of their values are there.
    """
    down, across, deep = _names(rows), _names(cols), _names(pages)
    rest = [name for name in axes if name not in (*down, *across, *deep)]
    unit_of = {name: unit for unit in reversed(units) for name in unit}
    parts = list(dict.fromkeys(tuple(each for each in rest if each in unit_of.get(name, (name,))) for name in rest))
    if rows is None and len(parts) > 1:
        down, rest = parts[0], [name for part in parts[1:] for name in part]
    elif rows is None and across:
        down, rest = tuple(rest), []
    return down, (*across, *rest), deep


def matching(
    records: Sequence[Record], where: Mapping[str, Any], beside: Callable[[], Beside] | None = None
) -> list[Record]:
    """Records whose parameters have these values; a list means any of them.

    Args:
        beside: Gives more columns of values by trial; asked only for a name that is no parameter.

    Raises:
        ValueError: a name that is no parameter, and no column either.
    """
    chosen = list(records)
    columns: Beside | None = None
    for name, wanted in where.items():
        values = list(wanted) if isinstance(wanted, list | tuple | range | set) else [wanted]
        if records and not hasattr(records[0].params, name) and name not in records[0].values:
            columns = (beside() if beside else {}) if columns is None else columns
            if name not in columns and name not in UNSAID:
                raise ValueError(f"{name} is no parameter of this run")
            column = columns.get(name, {})
            chosen = [record for record in chosen if column.get(record.trial, UNSAID.get(name)) in values]
        else:
            chosen = [record for record in chosen if value_of(record, name) in values]
    return chosen


def value_of(record: Record, name: str) -> Any:
    """The value of a parameter or nested axis in a record."""
    return record.values[name] if name in record.values else getattr(record.params, name, None)


# names


def _names(given: Names) -> tuple[str, ...]:
    if given is None or isinstance(given, str):
        return () if given is None else (given,)
    names = tuple(given) if isinstance(given, Iterable) else (given,)
    if not all(isinstance(name, str) for name in names):
        raise ValueError(f"{given!r}: rows, cols and pages take a name or a list of names")
    return names


def _check_mappings(**given: Any) -> None:
    for name, each in given.items():
        if each is not None and not isinstance(each, Mapping):
            raise ValueError(f"{name}={each!r}: give a mapping, such as {{'steps': …}}")


def _check_names(given: Sequence[str], known: set[str], axes: Sequence[str]) -> None:
    if unknown := [name for name in given if name not in known]:
        near = difflib.get_close_matches(str(unknown[0]), sorted(known), n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(
            f"{', '.join(map(str, unknown))} is no axis and nothing else that is known of these pictures; "
            f"axes: {', '.join(axes) or 'none'}{hint}"
        )
    if twice := sorted({name for name in given if given.count(name) > 1}):
        raise ValueError(f"{', '.join(twice)} cannot be placed twice in rows, cols and pages")


def _grouped(items: Iterable[Item], names: Sequence[str]) -> dict[tuple[Hashable, ...], list[Item]]:
    """Items by their values of these names."""
    made: dict[tuple[Hashable, ...], list[Item]] = {}
    for item in items:
        made.setdefault(tuple(key_of(item.facts.get(name)) for name in names), []).append(item)
    return made


def _dense(items: Sequence[Item], names: Iterable[str], deep: Sequence[str]) -> list[str]:
    """Of these names those that vary, if together they make pages that are not mostly empty; else none."""
    counts = {name: len(_grouped(items, [name])) for name in names}
    varied = [name for name, count in counts.items() if count > 1]
    places = math.prod(counts[name] for name in varied) * len(_grouped(items, deep))
    return varied if len(items) >= DENSE * places else []


def _tell_apart(items: Sequence[Item], placed: Sequence[str], axes: Iterable[str]) -> list[str]:
    """Further names by which items in one place differ; none where that is not needed, or would make a mostly empty table."""
    here = _grouped(items, placed)
    most = max(map(len, here.values()))
    found: list[str] = []
    extras = dict.fromkeys(name for item in items for name in item.facts if name.startswith("extra."))
    for name in dict.fromkeys([*axes, *_CANDIDATES, *extras]):
        if most == 1 or name in placed or len(_grouped(items, [*found, name])) > most / DENSE:
            continue
        finer = _grouped(items, (*placed, *found, name))
        if len(finer) > len(here):
            found.append(name)
            here = finer
        if len(here) == len(items):
            return found
    return []


_CANDIDATES = ("run", "endpoint", *(name for name in ImageParams.model_fields if name != "extra"), "image")
_WORDY = ("user_prompt", "negative_prompt")
"""Too long to stand under a picture."""


# places


@dataclass(frozen=True, slots=True)
class _Spot:
    item: Item
    page: Labels
    row: Labels
    col: Labels


def _spots(
    items: Sequence[Item], deep: Sequence[str], down: Sequence[str], across: Sequence[str], naming: Naming
) -> list[_Spot]:
    """Every item with its labels; what nothing tells apart is numbered in its place."""

    def labels(item: Item, names: Sequence[str], nested: bool) -> Labels:
        values = [item.facts.get(name) for name in names]
        return tuple(
            Label(naming.text(name, value, nested=nested), key_of(value))
            for name, value in zip(names, values, strict=True)
        )

    numbered = len(_grouped(items, (*deep, *down, *across))) < len(items)
    nests = len(across) + numbered > 1
    counts: dict[tuple[Labels, ...], int] = {}
    spots = []
    for item in items:
        page, row, col = labels(item, deep, True), labels(item, down, len(down) > 1), labels(item, across, nests)
        if numbered:
            number = counts[page, row, col] = counts.get((page, row, col), 0) + 1
            col = (*col, Label(f"no. {number}", ("number", number)))
        spots.append(_Spot(item, page, row, col))
    return spots


def _sorted(keys: Iterable[Labels], names: Sequence[str], naming: Naming) -> list[Labels]:
    """Labels in the order of their values, outer names first."""
    places = [{key_of(value): at for at, value in enumerate(naming.values[name])} for name in names]

    def at(key: Labels) -> tuple[int, ...]:
        inner = [label.value for label in key if isinstance(label, Label)]
        ranks = [place[value] for place, value in zip(places, inner, strict=False)]
        return *ranks, *(value[1] for value in inner[len(places) :] if isinstance(value, tuple))

    return sorted(dict.fromkeys(keys), key=at)


def _table(
    spots: Sequence[_Spot],
    deep: Sequence[str],
    down: Sequence[str],
    across: Sequence[str],
    naming: Naming,
    reference: Baseline | None,
    placed: tuple[str, ...],
) -> Layout:
    rows = _sorted((spot.row for spot in spots), down, naming)
    cols = _sorted((spot.col for spot in spots), across, naming)
    sheets = []
    for page in _sorted((spot.page for spot in spots), deep, naming):
        there = {
            _place(spot.row, spot.col): Spot(spot.item, "", _compared(reference, spot))
            for spot in spots
            if spot.page == page
        }
        sheets.append(Sheet(" · ".join(page), there))
    return Layout(
        [row or _UNNAMED for row in rows],
        [col or _UNNAMED for col in cols],
        naming.title(down[0]) if len(down) == 1 else "",
        _col_title(across, cols, naming, reference),
        sheets,
        bool(deep),
        placed,
    )


def _flow(
    spots: Sequence[_Spot],
    deep: Sequence[str],
    across: Sequence[str],
    naming: Naming,
    reference: Baseline | None,
    aspect: float,
    placed: tuple[str, ...],
) -> Layout:
    """Lines of one length; what tells the pictures apart is written under each."""
    cols = _sorted((spot.col for spot in spots), across, naming)
    across_count = line_length(len(cols), aspect)
    lines = -(-len(cols) // across_count)
    row_keys: list[Labels] = [(Label("", ("line", at)),) for at in range(lines)]
    col_keys: list[Labels] = [(Label("", ("place", at)),) for at in range(across_count)]
    every = [(row, col) for row, col in product(row_keys, col_keys)]
    place_of = dict(zip(cols, every, strict=False))
    sheets = []
    for page in _sorted((spot.page for spot in spots), deep, naming):
        there = {}
        for spot in spots:
            if spot.page == page:
                named = [naming.text(name, spot.item.facts.get(name), nested=True) for name in across]
                against = _compared(reference, spot)
                there[place_of[spot.col]] = Spot(
                    spot.item,
                    joined(named) if named else spot.item.name,
                    place_of.get(against[1]) if against else None,
                )
        sheets.append(Sheet(" · ".join(page), there, frozenset(every[len(cols) :])))
    title = naming.compared(reference.axis, reference.value) if reference else ""
    return Layout(row_keys, col_keys, "", title, sheets, bool(deep), placed)


def _with_blanks(plan: Layout) -> Layout:
    """Places without an item stay empty: what was meant to be is there, as a picture or with the reason why not."""
    if len(plan.rows) * len(plan.cols) > MOST_PLACES:  # the drawing refuses it, and says what to do
        return plan
    every = frozenset(product(plan.rows, plan.cols))
    return replace(plan, pages=[replace(page, blank=every - page.spots.keys()) for page in plan.pages])


def line_length(count: int, aspect: float) -> int:
    """Cells in a line such that the whole is about as wide as high and the last line is as full as may be."""
    even = max(1.0, math.sqrt(count * aspect))
    lowest, highest = math.ceil(even / 1.5), math.floor(max(even * 1.5, even + 1.5))
    lengths = [length for length in range(lowest, highest + 1) if 1 < length <= count] or [max(1, count)]
    return min(lengths, key=lambda length: (-count % length, round(abs(math.log(length / even)), 6), -length))


def _place(row: Labels, col: Labels) -> Place:
    """Where nothing runs down or across there is one line without a label."""
    return row or _UNNAMED, col or _UNNAMED


_UNNAMED: Labels = ("",)


def _compared(reference: Baseline | None, spot: _Spot) -> Place | None:
    found = reference.of(spot.row, spot.col) if reference else None
    return _place(*found) if found else None


def _col_title(across: Sequence[str], cols: Sequence[Labels], naming: Naming, reference: Baseline | None) -> str:
    own = naming.title(across[0]) if len(across) == 1 and len(cols[0]) == 1 else ""
    return " · ".join(filter(None, (own, naming.compared(reference.axis, reference.value) if reference else "")))
