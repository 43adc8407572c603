"""What Celery shows of a task, in its log, its events and Flower: arguments and results without secrets, cut short.

Nothing here changes what a task is asked or what it answers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from runpodkit.redaction import without_unknown
from runpodkit.secrecy import Censor

MAX_TEXT = 200
MAX_ITEMS = 20
_DATA = re.compile(r"(data:[a-z0-9.+/;=-]{0,60},)[^\s'\"]{16,}", re.IGNORECASE)


def shown(value: Any) -> str:
    """A JSON value as a line for people: no secret, no picture, no endless list."""
    try:
        return repr(_cut(Censor().clean(value)))
    except RecursionError:
        return "(nested too deep to be shown)"


def plain_text(text: str) -> str:
    """Text without secrets and without pictures."""
    return without_unknown(Censor().text(_DATA.sub(r"\1…", text)))


def plain_value(value: Any) -> Any:
    """A JSON value without secrets and without pictures."""
    if isinstance(value, str):
        return plain_text(value)
    return Censor().clean(value)


class Answer(Mapping[str, Any]):
    """What a task returns: a dict once it has crossed Redis; its repr, which Celery logs, has no signed links."""

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self._facts = dict(facts)

    def __getitem__(self, name: str) -> Any:
        return self._facts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __json__(self) -> dict[str, Any]:
        """How kombu writes it as JSON."""
        return self._facts

    def __repr__(self) -> str:
        return shown(self._facts)


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        text = plain_text(value[: 10 * MAX_TEXT])
        return text if len(text) <= MAX_TEXT else f"{text[:MAX_TEXT]}…"
    if isinstance(value, Mapping):
        return {_cut(name): _cut(inner) for name, inner in [*value.items()][:MAX_ITEMS]}
    if isinstance(value, list | tuple):
        rest = [f"… {len(value) - MAX_ITEMS} more"] if len(value) > MAX_ITEMS else []
        return [*(_cut(inner) for inner in value[:MAX_ITEMS]), *rest]
    return value
