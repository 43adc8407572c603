"""Variables in a Compose file, as Compose puts their values in.

`$NAME`, `${NAME}`, `${NAME:-default}`, `${NAME-default}`, `${NAME:+value}`, `${NAME+value}`, `${NAME:?error}`,
`${NAME?error}`, one within another, and `$$` for a dollar sign.  The colon makes an empty value count as unset.

Source: the Compose Specification, "Interpolation".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_NAME = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_RULE = re.compile(r"(:?[-+?])(.*)", re.DOTALL)


class MissingVariableError(ValueError):
    """A variable that the file asks for is not set; the text is what the file says of it."""


def filled(value: Any, env: Mapping[str, str]) -> Any:
    """A Compose file, or a part of it, with the values of `env` in the place of variables.

    Raises:
        MissingVariableError: a variable is not set and the file says that it must be.
        ValueError: a dollar sign that begins no variable.
    """
    if isinstance(value, dict):
        return {key: filled(inner, env) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, env) for inner in value]
    return _text(value, env) if isinstance(value, str) else value


def named(value: Any) -> set[str]:
    """The names of all variables of a Compose file."""
    return {name for text in _texts(value) for name in re.findall(r"(?<!\$)\$\{(\w+)", text)}


def _texts(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [text for inner in value.values() for text in _texts(inner)]
    if isinstance(value, list):
        return [text for inner in value for text in _texts(inner)]
    return [value] if isinstance(value, str) else []


def _text(text: str, env: Mapping[str, str]) -> str:
    said, at = [], 0
    while (dollar := text.find("$", at)) >= 0:
        said.append(text[at:dollar])
        after = dollar + 1
        if text.startswith("$", after):
            said.append("$")
            at = after + 1
        elif text.startswith("{", after):
            at = _closing(text, after) + 1
            said.append(_braced(text[after + 1 : at - 1], env))
        elif plain := _NAME.match(text, after):
            said.append(env.get(plain.group(), ""))
            at = plain.end()
        else:
            raise ValueError(f"{text!r}: a dollar sign that begins no variable is written $$")
    return "".join([*said, text[at:]])


def _closing(text: str, opening: int) -> int:
    depth = 0
    for at in range(opening, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise ValueError(f"{text!r}: a brace is not closed")


def _braced(inside: str, env: Mapping[str, str]) -> str:
    name = _NAME.match(inside)
    rule = _RULE.fullmatch(inside, name.end()) if name else None
    if name is None or (rule is None and name.end() != len(inside)):
        raise ValueError(f"${{{inside}}} is no variable")
    value = env.get(name.group())
    if rule is None:
        return value or ""
    sign, rest = rule.groups()
    is_set = bool(value) if sign.startswith(":") else value is not None
    if sign.endswith("+"):
        return _text(rest, env) if is_set else ""
    if is_set:
        return value or ""
    if sign.endswith("?"):
        raise MissingVariableError(_text(rest, env) or f"{name.group()} is not set")
    return _text(rest, env)
