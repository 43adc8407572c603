"""What is written under a picture: facts by name with the units that their names tell, or whatever the caller has."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from runpodkit.runs.items import Item

Under = str | Sequence[str] | Mapping[Any, Any] | Callable[[Any], Any] | None

HELD = 24
"""Characters of a word that stays whole; a longer one may be wider than a picture."""


def notes(items: Sequence[Item], under: Under) -> list[str]:
    """What is written under each item.

    Args:
        under: The name of a fact, or several; a function of what the item was made from (a record, a table's
            row, a file's path); or values by trial, key of the picture, row of the table or file name.

    Raises:
        ValueError: a name that no item knows, or a mapping that has none of the items.
    """
    if under is None:
        return [""] * len(items)
    if isinstance(under, str) or (isinstance(under, Sequence) and not isinstance(under, Mapping)):
        names = [under] if isinstance(under, str) else list(under)
        for name in names:
            if not any(name in item.facts for item in items):
                known = ", ".join(dict.fromkeys(fact for item in items for fact in item.facts))
                raise ValueError(f"under: nothing is known as {name} of these pictures; known: {known}")
        return [joined(filter(None, (_fact(item, name, len(names) > 1) for name in names))) for item in items]
    if isinstance(under, Mapping) or hasattr(under, "to_dict"):
        given = under if isinstance(under, Mapping) else under.to_dict()
        found = [next((given[key] for key in item.keys if key in given), None) for item in items]
        if given and all(value is None for value in found):
            wanted = ", ".join(dict.fromkeys(repr(key) for key in items[0].keys))
            raise ValueError(
                f"under: none of its {len(given)} keys is one of these pictures', such as {wanted}; "
                f"its first is {next(iter(given))!r}"
            )
        return [number(value) for value in found]
    if not callable(under):
        raise ValueError(f"under={under!r}: a name or several, a function, or a mapping of values")
    return [number(under(item.origin)) for item in items]


def joined(words: Iterable[str]) -> str:
    """Words in a line that breaks between them, and not between a number and what it is."""
    return "\u00a0· ".join(word.replace(" ", "\u00a0") if len(word) <= HELD else word for word in words)


def fact(name: str, value: Any) -> str:
    """A fact with the unit that its name tells: `execution_time_s` 0.824 reads "0.82 s", `cost_usd` 0.0004 "$0.0004"."""
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        if name.endswith("_s"):
            return _seconds(float(value))
        if name.endswith("_usd"):
            return _dollars(float(value))
    return number(value)


def number(value: Any) -> str:
    """A value without a unit: floats with three digits."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _fact(item: Item, name: str, several: bool) -> str:
    value = item.facts.get(name)
    text = fact(name, value)
    if not text:
        return ""
    if name == "cost_usd" and item.facts.get("cost_is_estimate") is True:
        text = f"≈ {text}"
    named = several and not isinstance(value, str) and not name.endswith(("_s", "_usd"))
    return f"{name} {text}" if named else text


def _seconds(value: float) -> str:
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 0.1 or not size else 3
    return f"{value:.{digits}f} s"


def _dollars(value: float) -> str:
    sign, size = "-" if value < 0 else "", abs(value)
    digits = 2 if size >= 1 or not size else min(12, max(4, 1 - math.floor(math.log10(size)) - 1))
    text = f"{size:.{digits}f}"
    whole, _, rest = text.partition(".")
    return f"{sign}${whole}.{rest.rstrip('0').ljust(2, '0')}"
