"""Plans as TOML for a person to read and change: `read_toml` gives back what `to_toml` was given.

A table of the plan is a section.  Within it names stay in the order of the plan, since the
order of axes numbers the trials: what holds other names is written in its line, as
`portrait = { width = 832, height = 1216 }`, or over several lines as `shape.portrait = …`,
never as a section of its own, which TOML would want last.  TOML has no word for "no value";
in lists, where it cannot be left out, and elsewhere for the sake of the way back, it is
written `{ none = true }`.

What a plan says is not known here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import tomli_w

WIDTH = 100
"""Characters of a line, where it can be helped."""

_NONE = {"none": True}
_INDENT = "    "


def to_toml(plan: Mapping[str, Any]) -> str:
    """A plan as the text of a TOML file.

    Args:
        plan: Tables, lists, text, numbers, true, false and None, as JSON has them; names of tables are text.

    Raises:
        ValueError: one line with every problem: a value that TOML cannot hold, with its place.
    """
    if problems := list(_problems(plan, "")):
        more = f"; {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"no TOML for this plan: {'; '.join(problems[:5])}{more}")
    tables = {name: value for name, value in plan.items() if isinstance(value, Mapping) and value}
    top = [line for name, value in plan.items() if name not in tables for line in _lines(_key(name), value)]
    sections = ["\n".join(top)] if top else []
    for name, table in tables.items():
        lines = [line for inner, value in table.items() for line in _lines(_key(inner), value)]
        sections.append("\n".join([f"[{_key(name)}]", *lines]))
    return "\n\n".join(sections) + "\n" if sections else ""


def read_toml(text: str) -> dict[str, Any]:
    """The plan that a TOML file holds; `{ none = true }` is None.

    Raises:
        ValueError: no TOML; the message has line and column (`tomllib.TOMLDecodeError`).
    """
    plan: dict[str, Any] = _with_none(tomllib.loads(text))
    return plan


def _lines(name: str, value: Any) -> list[str]:
    """A name and its value, on one line if they fit."""
    if isinstance(value, str) and "\n" in value and "\r" not in value:  # a CR would not survive in several lines
        return tomli_w.dumps({"x": value}, multiline_strings=True).replace("x", name, 1).removesuffix("\n").split("\n")
    if isinstance(value, list | tuple):
        return _list_lines(name, value)
    line = f"{name} = {_inline(value)}"
    if len(line) <= WIDTH or not isinstance(value, Mapping) or not value:
        return [line]
    return [line for inner, held in value.items() for line in _lines(f"{name}.{_key(inner)}", held)]


def _list_lines(name: str, values: Sequence[Any]) -> list[str]:
    items = _scalars(values) if all(isinstance(value, str | int | float) for value in values) else None
    items = [_inline(value) for value in values] if items is None else items
    if len(line := f"{name} = [{', '.join(items)}]") <= WIDTH:
        return [line]
    if any(isinstance(value, str | Mapping | list | tuple) for value in values):
        return [f"{name} = [", *(f"{_INDENT}{item}," for item in items), "]"]
    lines, row = [], _INDENT
    for item in items:
        if len(row) + len(item) + 1 > WIDTH and row.strip():
            lines.append(row.rstrip())
            row = _INDENT
        row += f"{item}, "
    return [f"{name} = [", *lines, row.rstrip(), "]"]


def _inline(value: Any) -> str:
    if value is None:
        value = _NONE
    if isinstance(value, Mapping):
        inner = ", ".join(f"{_key(name)} = {_inline(held)}" for name, held in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_inline, value))}]"
    return tomli_w.dumps({"x": value}).removeprefix("x = ").removesuffix("\n")


def _scalars(values: Sequence[Any]) -> list[str]:
    """Each value as TOML, all in one go: columns may have 100,000."""
    lines = tomli_w.dumps({"x": list(values)}).removesuffix("\n").split("\n")[1:-1]
    return [line.removeprefix(_INDENT).removesuffix(",") for line in lines]


def _key(name: str) -> str:
    return tomli_w.dumps({name: 0}).removesuffix(" = 0\n")


def _problems(value: Any, place: str) -> Iterator[str]:
    """What TOML cannot hold, each in words."""
    if isinstance(value, Mapping):
        if value == _NONE and value["none"] is True:
            yield f"{place or 'it'} is {{ none = true }}, which stands for no value"
        for name, held in value.items():
            if isinstance(name, str):
                yield from _text_problems(name, f"a name in {place or 'it'}")
                yield from _problems(held, f"{place}.{name}" if place else name)
            else:
                yield f"{place or 'it'} has a name that is no text: {name!r}"
    elif isinstance(value, list | tuple):
        for number, held in enumerate(value):
            if not (type(held) is int or type(held) is bool):
                yield from _problems(held, f"{place}[{number}]")
    elif isinstance(value, str):
        yield from _text_problems(value, place)
    elif not isinstance(value, int | float | None):
        yield f"{place} is a {type(value).__name__}"


def _text_problems(text: str, place: str) -> Iterator[str]:
    try:
        text.encode()
    except UnicodeEncodeError:
        yield f"{place} holds half a character"


def _with_none(value: Any) -> Any:
    if isinstance(value, dict):
        return (
            None if value == _NONE and value["none"] is True else {key: _with_none(held) for key, held in value.items()}
        )
    return [_with_none(held) for held in value] if isinstance(value, list) else value
