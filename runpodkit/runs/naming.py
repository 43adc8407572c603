"""How the values of axes read on a grid, and in which order they come.

Words only; where they stand is decided by `layout`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import Any

from runpodkit.runs.items import Item, key_of


def shown(value: Any) -> str:
    """A value as a label: floats without trailing zeros."""
    return f"{value:g}" if isinstance(value, float) else str(value)


class Label(str):
    """A text that stands for one value: two labels are the same only if their values are, however they read."""

    value: Hashable

    def __new__(cls, text: str, value: Hashable) -> Label:
        made = super().__new__(cls, text)
        made.value = value
        return made

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Label) and self.value == other.value

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash(self.value)


Labels = tuple[str, ...]
Place = tuple[Labels, Labels]
"""Row and column."""


class Naming:
    """Texts for the values of the axes that are placed."""

    def __init__(self, values: Mapping[str, Sequence[Any]], labels: Mapping[Any, Any]) -> None:
        """Take the caller's texts; they are `{value: text}`, `{axis: {value: text}}` or `{axis: text}`.

        Raises:
            ValueError: a text for what is neither a value nor an axis.
        """
        self.values = values
        self._titles: dict[str, str] = {}
        self._own: dict[tuple[str, Any], str] = {}
        strange = [each for key, text in labels.items() for each in self._take(key, text)]
        if strange:
            there = "; ".join(f"{name}: {', '.join(map(shown, each))}" for name, each in values.items())
            raise ValueError(
                f"labels: {', '.join(map(repr, strange))} is no value of what is placed; {there or 'nothing'}"
            )
        self._plain = {name: _texts(each) for name, each in values.items()}

    def title(self, axis: str) -> str:
        return self._titles.get(axis, axis)

    def text(self, axis: str, value: Any, *, nested: bool) -> str:
        """A value's label; where several axes share an edge, numbers say which they belong to."""
        if (own := self._own.get((axis, key_of(value)))) is not None:
            return own
        text = self._plain[axis].get(key_of(value)) or shown(value)
        return text if not nested or (isinstance(value, str) and value.strip()) else f"{self.title(axis)} {text}"

    def compared(self, axis: str, value: Any) -> str:
        """What a grid of differences says over its columns."""
        from runpodkit.images.differences import STRENGTH

        return f"difference to {self.text(axis, value, nested=True)}, × {STRENGTH}"

    def means(self, given: Any, value: Any) -> bool:
        """Whether somebody who wrote `given` means `value`: it itself, or how it reads."""
        return key_of(given) == key_of(value) or (isinstance(given, str) and given in (shown(value), str(value)))

    def _take(self, key: Any, text: Any) -> list[Any]:
        """Keep one entry; gives what of it is not known."""
        if isinstance(text, Mapping):
            if key not in self.values:
                return [key]
            return [inner for inner, own in text.items() if not self._keep([key], inner, own)]
        if self._keep(self.values, key, text):
            return []
        if key in self.values:
            self._titles[key] = str(text)
            return []
        return [key]

    def _keep(self, axes: Any, given: Any, text: Any) -> bool:
        found = [(axis, value) for axis in axes for value in self.values[axis] if self.means(given, value)]
        exact = [pair for pair in found if key_of(pair[1]) == key_of(given)]
        for axis, value in exact or found:
            self._own[axis, key_of(value)] = str(text)
        return bool(found)


def ordered(
    items: Sequence[Item], name: str, axes: Mapping[str, Sequence[Any]], order: Mapping[str, Sequence[Any]]
) -> list[Any]:
    """The values of a name that items have: as wanted, then as the axis has them, then numbers ascending or as they come.

    Raises:
        ValueError: `order` has a value that no item has.
    """
    there: dict[Hashable, Any] = {}
    for item in items:
        there.setdefault(key_of(item.facts.get(name)), item.facts.get(name))
    values = list(there.values())
    if all(value is None or (isinstance(value, int | float) and not isinstance(value, bool)) for value in values):
        values.sort(key=lambda value: (value is None, value))
    planned = [there[key_of(value)] for value in axes.get(name, ()) if key_of(value) in there]
    wanted: list[Any] = []
    unknown: list[Any] = []
    asked = order.get(name, ())
    for each in [asked] if isinstance(asked, str) or not isinstance(asked, Iterable) else asked:
        match = next((value for value in values if key_of(value) == key_of(each)), _ABSENT)
        if match is _ABSENT:
            match = next((value for value in values if shown(value) == str(each)), _ABSENT)
        (unknown if match is _ABSENT else wanted).append(each if match is _ABSENT else match)
    if unknown:
        raise ValueError(
            f"order: {', '.join(map(repr, unknown))} is no value of {name}; its values: {', '.join(map(shown, values))}"
        )
    return list({key_of(value): value for value in (*wanted, *planned, *values)}.values())


_ABSENT = object()


def check_order(order: Mapping[str, Sequence[Any]], placed: Sequence[str]) -> None:
    """Raises ValueError for an order of what is not placed."""
    if unknown := [name for name in order if name not in placed]:
        raise ValueError(
            f"order: {', '.join(map(str, unknown))} is not placed; placed are {', '.join(placed) or 'none'}"
        )


def _texts(values: Sequence[Any]) -> dict[Any, str]:
    """How each value reads; where two would read alike, with all their digits."""
    short = {key_of(value): _label(value) for value in values}
    alike = {text for text, count in Counter(short.values()).items() if count > 1}
    return {key_of(value): repr(value) if short[key_of(value)] in alike else short[key_of(value)] for value in values}


def _label(value: Any) -> str:
    if value is None:
        return "none"
    text = shown(value)
    return text if text.strip() else "empty"
