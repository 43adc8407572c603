"""Comparisons: values of a cell against each other, each kind with its own.

Python compares text to numbers and true to 1 without a word when asked whether they are equal;
here that is an error, for who wrote it meant something else.  What a rule looks like is not known here.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

Compare = Callable[[Any, Any], bool]

NUMBERS = (int, float)
"""Types of numbers, true and false being none."""

_ORDERED = (int, float, str)
_KINDS: Mapping[type, str] = {
    type(None): "none",
    bool: "true or false",
    int: "a number",
    float: "a number",
    str: "text",
    list: "a list",
    tuple: "a list",
}
_EQUAL: Mapping[str, Compare] = {"==": operator.eq, "!=": operator.ne}
_ORDER: Mapping[str, Compare] = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


class MixError(Exception):
    """Values of a cell that a sign cannot take together, in words."""


def comparison(sign: str, shown: str) -> Compare:
    """A sign as a function of two values; raises `MixError` if it cannot take them together.

    Args:
        sign: `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not in`.
        shown: The comparison as it was written, for problems.
    """
    if sign in _EQUAL:
        return _equality(_EQUAL[sign], shown)
    return _ordering(_ORDER[sign], shown) if sign in _ORDER else _membership(sign == "in", shown)


def within(values: Sequence[Any], shown: str, *, wanted: bool = True) -> Callable[[Any], bool]:
    """Whether a value is one of these; only those of its kind count, as true is 1 to Python and not to a reader.

    Args:
        shown: The comparison as it was written, for problems.
        wanted: False asks whether it is none of them.
    """
    alike: dict[str, list[Any]] = {}
    for value in values:
        alike.setdefault(kind_of(value), []).append(value)
    others = next((value for value in values if value is not None), None)

    def member(value: Any) -> bool:
        if same := alike.get(kind_of(value)):
            return (value in same) is wanted
        if value is not None and others is not None:
            _mixed(value, others, shown)
        return not wanted

    return member


def no_number(value: Any, shown: str) -> NoReturn:
    """What is raised where something else than a number is counted with."""
    raise MixError(f"{shown} counts with {kind_of(value)}: only numbers can be")


def is_number(value: object) -> bool:
    """Whether a value can be counted with."""
    return type(value) in NUMBERS


def kind_of(value: object) -> str:
    """What kind of value this is, in words."""
    return _KINDS.get(type(value), "a table")


def _equality(compare: Compare, shown: str) -> Compare:
    def equal(left: Any, right: Any) -> bool:
        if type(left) is not type(right) and left is not None and right is not None and kind_of(left) != kind_of(right):
            _mixed(left, right, shown)
        return compare(left, right)

    return equal


def _ordering(compare: Compare, shown: str) -> Compare:
    def ordered(left: Any, right: Any) -> bool:
        if type(left) is type(right) and type(left) in _ORDERED:
            return compare(left, right)
        if left is None or right is None:
            raise MixError(f"{shown} has nothing to compare where a value is none: ask for `!= none and …` first")
        kind = kind_of(left)
        if kind != kind_of(right):
            _mixed(left, right, shown)
        if kind not in ("a number", "text"):
            raise MixError(f"{shown}: {kind} is neither more nor less")
        return compare(left, right)

    return ordered


def _membership(wanted: bool, shown: str) -> Compare:
    def member(left: Any, right: Any) -> bool:
        if isinstance(right, str):
            if not isinstance(left, str):
                _mixed(left, right, shown)
            return (left in right) is wanted
        if not isinstance(right, list | tuple):
            raise MixError(f"{shown}: {kind_of(right)} holds nothing; after `in` comes a list or text")
        return within(right, shown, wanted=wanted)(left)

    return member


def _mixed(left: Any, right: Any, shown: str) -> NoReturn:
    raise MixError(f"{shown} compares {kind_of(left)} to {kind_of(right)}")
