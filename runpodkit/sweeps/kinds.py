"""Kinds of axes: what an axis sets at each of its values, and how a plan writes it.

As keys of a plan's `axes`, in JSON, TOML and Python alike:

    steps = [5, 10]                                  a field, `extra.NAME` or `endpoint`; text too
    "width+height" = [[832, 1216], [1216, 832]]      coupled fields, a row of values each
    cfg_scale = {low = 2, high = 9}                  a field whose values have labels
    size = {portrait = {width = 832, height = 1216}, wide = {width = 1216, height = 832}}
                                                     labelled values of several fields
    time = {replace = "dusk", values = ["dawn"]}     a search and replace in the prompt
    subjects = {order = ["a cat", "a dog"]}          all orders of some parts of the prompt
    batch = {labels = ["a", "b"]}                    a label that sets nothing
    steps = {rows = [5, {none = true}]}              a field that some values leave as the base has it

The value of an axis at a trial is a plain value, or its label where it sets several fields, edits a prompt
or has labels.  How axes are combined is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from runpodkit.params import ImageParams
from runpodkit.sweeps.axes import ENDPOINT, EXTRA, MAX_VALUES, as_list, canonical, read_axis, repeated
from runpodkit.sweeps.axis_text import split_list
from runpodkit.sweeps.pasted import SIZE, sizes
from runpodkit.sweeps.prompting import Order, Replace
from runpodkit.sweeps.rows import FACTS

REPEAT = "repeat"
"""The axis of a repeated sweep, with values 1 to n."""

RESERVED = FACTS | {
    *(
        "endpoint",
        "excerpt",
        "file",
        "losses",
        "params",
        "picture",
        "record",
        "repeat",
        "run",
        "ties",
        "unread",
        "values",
    ),
    "wins",
}
"""What tables and pages call something else: no name for an axis of one's own."""

_FREE = re.compile(r"[^\s\x00-\x1f]([^\x00-\x1f]{0,62}[^\s\x00-\x1f])?")
_MOST_LABEL = 200


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its values as trials and tables have them, and what each of them does."""

    name: str
    values: Sequence[Any]
    """Plain values or labels, in order."""
    sets: Sequence[Mapping[str, Any]]
    """By value: fields of `ImageParams` and `extra.NAME` that it sets."""
    plan: Any
    """As a plan has it; `read` makes the same of it."""
    edit: Replace | Order | None = None
    """For an axis that edits a prompt: how its values do."""
    fields: frozenset[str] = field(default=frozenset())
    """All that it sets at some value."""

    @property
    def plain(self) -> bool:
        """Whether its values are those of its one field."""
        return self.plan is self.values

    @property
    def whole(self) -> frozenset[str]:
        """What it sets at every value, so that nothing of it is left in a base."""
        if self.plain or not self.fields:
            return self.fields
        return frozenset(name for name in self.fields if all(name in one for one in self.sets))

    @property
    def hashed(self) -> Any:
        """Its plan in a form in which the order of labels counts, though JSON's keys be sorted."""
        if isinstance(self.plan, Mapping):
            return {"labelled": [[key, value] for key, value in self.plan.items()]}
        return self.plan

    def alike(self) -> list[int]:
        """A number for each value; those that are equal and set the same have the same."""
        numbers: dict[Any, int] = {}
        try:
            keys: list[Any] = (
                [(kind_of(value), value) for value in self.values]
                if self.plain
                else [
                    (kind_of(value), value, *((name, kind_of(each), each) for name, each in sets.items()))
                    for value, sets in zip(self.values, self.sets, strict=True)
                ]
            )
            return [numbers.setdefault(key, len(numbers)) for key in keys]
        except TypeError:  # lists and tables
            numbers.clear()
            keys = [canonical([value, sets]) for value, sets in zip(self.values, self.sets, strict=True)]
            return [numbers.setdefault(key, len(numbers)) for key in keys]

    def changed(self, name: str, change: Callable[[Any], Any]) -> Axis:
        """With every value of one field replaced by what `change` makes of it."""
        sets = [{**one, name: change(one[name])} if name in one else one for one in self.sets]
        if self.plain:
            return plain_axis(self.name, [one[name] for one in sets])
        if isinstance(self.plan, list):
            fields = self.name.split("+")
            rows = [[one[each] for each in fields] for one in sets]
            return replace(self, sets=sets, plan=rows, values=[size_label(row) for row in rows])
        if _is_rows(self.plan):
            return row_axis(self.name, [one.get(name) for one in sets])
        single = _is_field(self.name)
        plan = {label: one[name] if single else one for label, one in zip(self.values, sets, strict=True)}
        return replace(self, sets=sets, plan=plan)

    def part(self, numbers: Sequence[int]) -> Axis:
        """With some of its values, by their places, ascending."""
        if len(numbers) == len(self.values):
            return self
        values = [self.values[number] for number in numbers]
        if self.plain:
            return plain_axis(self.name, values)
        kept = replace(self, values=values, sets=[self.sets[number] for number in numbers])
        return replace(kept, plan=_plan_of(kept, numbers))


def _plan_of(axis: Axis, numbers: Sequence[int]) -> Any:
    if axis.edit is not None:
        raise ValueError(f"axis {axis.name}: an edit of prompts cannot be taken apart")
    if isinstance(axis.plan, list):
        return [axis.plan[number] for number in numbers]
    for kind in ("labels", "rows"):
        if axis.plan.keys() == {kind} and isinstance(axis.plan[kind], list):
            return {kind: list(axis.values)}
    return {label: axis.plan[label] for label in axis.values}


def kind_of(value: Any) -> type:
    """4 and 4.0 are one value, 1 and True are not."""
    return float if type(value) is int else type(value)


def plain_axis(name: str, values: Sequence[Any]) -> Axis:
    """An axis over values that were checked already."""
    sets: Sequence[Mapping[str, Any]] = [{} for _ in values] if name == ENDPOINT else [{name: each} for each in values]
    return Axis(name, values, sets, values, fields=frozenset() if name == ENDPOINT else frozenset({name}))


def row_axis(name: str, values: Sequence[Any]) -> Axis:
    """An axis over one field, of values that were checked already; None leaves the field as the base has it."""
    if None not in values:
        return plain_axis(name, values)
    sets: list[Mapping[str, Any]] = [{} if each is None else {name: each} for each in values]
    return Axis(name, values, sets, {"rows": list(values)}, fields=frozenset({name}))


def label_axis(name: str, values: Sequence[Any]) -> Axis:
    """An axis that sets nothing."""
    return Axis(name, values, [{}] * len(values), {"labels": list(values)})


def read(name: object, given: object, *, unique: bool = True, most: int = MAX_VALUES) -> tuple[Axis | None, list[str]]:
    """An axis of any kind, and everything wrong with it in words.

    Args:
        name: A field, `extra.NAME`, `endpoint`, several fields joined by + or as a tuple, or a name of one's own.
        given: As in a plan, or what Python has: any ordered iterable, `rk.replace(…)`, `rk.permutations(…)`.
        unique: Report values that come twice; axes that are walked along together may repeat.
        most: Values that it may have.
    """
    if isinstance(given, Axis):
        return given, []
    name, given = written(name), as_list(given)
    if isinstance(given, Replace | Order) or (isinstance(given, Mapping) and not _is_field(name) and _is_edit(given)):
        return _edit(name, given)
    if isinstance(given, Mapping) and _is_rows(given) and _is_field(name):
        return _rows(name, given["rows"], most=most)
    if isinstance(given, Mapping) and _is_labels(given) and not _is_field(name):
        return _labels(name, given["labels"], unique=unique, most=most)
    if isinstance(given, Mapping):
        return _labelled(name, given)
    if "+" in name and not name.startswith(EXTRA):
        return _coupled(name, given, unique=unique, most=most)
    values, problems = read_axis(name, given, unique=unique, most=most)
    return (None, problems) if problems else (plain_axis(name, values), [])


def written(name: object) -> str:
    """The name of an axis as a plan has it: coupled fields joined by +."""
    return "+".join(map(str, name)) if isinstance(name, tuple) else str(name)


def size_label(values: Sequence[Any]) -> str:
    """Numbers as `832×1216`, anything else as `Euler · 20`."""
    numbers = all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)
    whole = [int(value) if isinstance(value, float) and value.is_integer() else value for value in values]
    return ("×" if numbers else " · ").join(map(str, whole))


def nested(sets: Mapping[str, Any]) -> dict[str, Any]:
    """`extra.a.b` as a table in a table: what an axis sets as fields of `ImageParams`."""
    fields: dict[str, Any] = {}
    for name, value in sets.items():
        if name.startswith(EXTRA):
            fields["extra"] = put(fields.get("extra", {}), name.removeprefix(EXTRA).split("."), value)
        else:
            fields[name] = value
    return fields


def put(table: Mapping[str, Any], way: Sequence[str], value: Any) -> dict[str, Any]:
    """A copy of a table with a value at the end of a way of names; what is not on the way is shared."""
    first, *rest = way
    inner = table.get(first)
    return {**table, first: put(inner if isinstance(inner, Mapping) else {}, rest, value) if rest else value}


def _is_field(name: str) -> bool:
    return name in ImageParams.model_fields or name == ENDPOINT or name.startswith(EXTRA)


def _is_edit(given: Mapping[Any, Any]) -> bool:
    """Labelled values of a free name are tables, so a list or text under such a key can only be an edit."""
    return any(key in given and not isinstance(given[key], Mapping) for key in ("replace", "order"))


def _is_labels(given: object) -> bool:
    return isinstance(given, Mapping) and given.keys() == {"labels"} and not isinstance(given["labels"], Mapping | str)


def _is_rows(given: object) -> bool:
    return isinstance(given, Mapping) and given.keys() == {"rows"} and isinstance(given["rows"], list)


def _rows(name: str, given: list[Any], *, most: int) -> tuple[Axis | None, list[str]]:
    there = [value for value in given if value is not None]
    if name == ENDPOINT or not there:
        return None, ["rows: give a value of a parameter in at least one of them"]
    values, problems = read_axis(name, there, unique=False, most=most)
    if len(given) > most:
        problems = [f"more than {most:,} values: use fewer"]
    rest = iter(values)
    return (
        (None, problems) if problems else (row_axis(name, [None if each is None else next(rest) for each in given]), [])
    )


def _wrong_name(name: str) -> list[str]:
    if _is_field(name):
        return [f"it is named like a parameter: call it something else than {name}"]
    if name in RESERVED:
        return [f"{name} means something else in tables and pages: call it something else"]
    if not _FREE.fullmatch(name):
        return ["a name has 1 to 64 characters in one line, and no blank around it"]
    return []


def _edit(name: str, given: Any) -> tuple[Axis | None, list[str]]:
    problems = _wrong_name(name)
    try:
        edit = given if isinstance(given, Replace | Order) else _edit_from_plan(given)
    except ValueError as exc:
        return None, [*problems, str(exc)]
    axis = Axis(name, list(edit.labels), [{}] * len(edit.labels), edit.to_plan(), edit)
    return (None, problems) if problems else (axis, [])


def _edit_from_plan(plan: Mapping[str, Any]) -> Replace | Order:
    return Replace.from_plan(plan) if "replace" in plan else Order.from_plan(plan)


def _labels(name: str, given: Any, *, unique: bool, most: int) -> tuple[Axis | None, list[str]]:
    problems = _wrong_name(name)
    values = list(islice(given, most + 1)) if isinstance(given, Iterable) else []
    if not values:
        problems.append("empty: give at least one label")
    if len(values) > most:
        problems.append(f"more than {most:,} labels: use fewer")
    if strange := [value for value in values if not (value is None or isinstance(value, str | int | float | bool))]:
        problems.append(f"{strange[0]!r:.60} is no label: give text or a number")
    elif unique and (twice := repeated(values)):
        problems.append(f"{', '.join(map(repr, twice[:3]))} is given more than once")
    return (None, problems) if problems else (label_axis(name, values), [])


def _coupled(name: str, given: object, *, unique: bool, most: int) -> tuple[Axis | None, list[str]]:
    fields = name.split("+")
    if name == SIZE and isinstance(given, str):
        try:
            given = sizes(split_list(given))
        except ValueError as exc:
            return None, [str(exc)]
    if isinstance(given, str | bytes) or not isinstance(given, Iterable):
        return None, [
            f"{given!r:.60} is no list: give a row of values for {' and '.join(fields)}, such as [[832, 1216]]"
        ]
    problems = [f"{field} is named twice" for field in repeated(fields)]
    rows = [as_list(row) for row in islice(given, most + 1)]
    if len(rows) > most:
        problems.append(f"more than {most:,} values: use fewer")
    elif not rows:
        problems.append("empty: give at least one row")
    for row in rows:
        if isinstance(row, str | Mapping) or not isinstance(row, Iterable) or len(list(row)) != len(fields):
            problems.append(f"{row!r:.60} is no row of {len(fields)} values, for {' and '.join(fields)}")
            break
    if problems:
        return None, problems
    columns, problems = _columns(dict(zip(fields, map(list, zip(*rows, strict=True)), strict=True)))
    if problems:
        return None, problems
    read_rows = [list(row) for row in zip(*columns.values(), strict=True)]
    labels = [size_label(row) for row in read_rows]
    if unique and (twice := repeated(labels)):
        return None, [f"{', '.join(twice[:3])} {'is' if len(twice) == 1 else 'are'} given more than once"]
    sets = [dict(zip(fields, row, strict=True)) for row in read_rows]
    return Axis(name, labels, sets, read_rows, fields=frozenset(fields)), []


def _labelled(name: str, given: Mapping[Any, Any]) -> tuple[Axis | None, list[str]]:
    labels = [str(label) for label in given]
    problems = [f"label {label!r} is given more than once" for label in repeated(labels)]
    problems += [
        f"label {label!r:.60} has to be 1 to {_MOST_LABEL} characters"
        for label in labels
        if not 1 <= len(label) <= _MOST_LABEL
    ]
    if not given:
        return None, ["empty: give at least one value"]
    if len(given) > MAX_VALUES:
        return None, [f"more than {MAX_VALUES:,} values: use fewer"]
    single = _is_field(name)
    if name == ENDPOINT:
        return None, ["endpoints have names already: give a list of them"]
    if not single:
        problems += _wrong_name(name)
        tables = [label for label, value in zip(labels, given.values(), strict=True) if not isinstance(value, Mapping)]
        if tables:
            problems.append(
                f"{tables[0]!r} is no table of fields: {name} is no parameter, so each label needs one, "
                'such as {"width": 832, "height": 1216}'
            )
            return None, problems
    tables_of = [{name: value} if single else _flat(value) for value in given.values()]
    if empty := [label for label, table in zip(labels, tables_of, strict=True) if not table]:
        problems.append(f"{empty[0]!r} sets nothing: give a field and its value")
    columns: dict[str, list[Any]] = {}
    for table in tables_of:
        for field_name, value in table.items():
            columns.setdefault(field_name, []).append(as_list(value))
    read_columns, wrong = _columns(columns, named=not single)
    problems += wrong
    if problems:
        return None, problems
    rest = {field_name: iter(column) for field_name, column in read_columns.items()}
    sets = [{field_name: next(rest[field_name]) for field_name in table} for table in tables_of]
    plan = {label: one[name] if single else one for label, one in zip(labels, sets, strict=True)}
    if len({canonical(one) for one in sets}) < len(sets):
        same = repeated(sets)[0]
        return None, [f"two labels mean {same[name] if single else same!r}"]
    return Axis(name, labels, sets, plan, fields=frozenset(columns)), []


def _columns(columns: Mapping[str, list[Any]], *, named: bool = True) -> tuple[dict[str, list[Any]], list[str]]:
    """Values by field, each with the type of its field."""
    made: dict[str, list[Any]] = {}
    problems: list[str] = []
    for name, column in columns.items():
        if name == ENDPOINT:
            problems.append("an endpoint is an axis of its own, not one field of several")
            continue
        made[name], wrong = read_axis(name, column, unique=False, most=len(column))
        problems += [f"{name}: {problem}" if named else problem for problem in wrong]
    return made, problems


def _flat(table: Mapping[Any, Any]) -> dict[str, Any]:
    """Fields of a label; `extra` may be a table in it, which TOML makes of `extra.lora.scale = …`."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        if str(name) == "extra" and isinstance(value, Mapping):
            flat.update(_leaves(EXTRA, value))
        else:
            flat[str(name)] = value
    return flat


def _leaves(before: str, table: Mapping[Any, Any]) -> dict[str, Any]:
    leaves: dict[str, Any] = {}
    for name, value in table.items():
        inner = isinstance(value, Mapping) and value
        leaves.update(_leaves(f"{before}{name}.", value) if inner else {f"{before}{name}": value})
    return leaves
