"""Outputs as text that fits: what a worker returned, small enough to keep and fit to be read.

Pictures in it become their length and hash, links lose their query, secrets go, and what is too
long, too deep or too much says so in its place.  Takes whatever JSON can hold and raises nothing;
time and memory go with what is kept, save one pass over each long text.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping
from typing import Any

from runpodkit.logs import redact

KEPT_CHARS = 2**20
"""Of an output that is kept because no picture could be read from it."""
PAYLOAD = 512
"""Encoded data longer than this is told, not kept."""
_LONG = 16 * 1024
_DEPTH = 24
_DIGITS = 40
_HIDDEN = "•••"
_BASE64 = re.compile(r"[A-Za-z0-9+/_=-]{64}")
_DATA_URI = re.compile(r"data:[^,\s]{0,200},", re.IGNORECASE)
_LINK = re.compile(r"\b([A-Za-z][A-Za-z0-9+.-]{1,20}://)([^\s\"'<>\\]+)")
_SECRET_NAME = re.compile(
    r"api.?key|access.?key|secret|passw|authorization|credential|signature|(^|[_-])token$", re.IGNORECASE
)


def abridged(output: Any, most: int = KEPT_CHARS) -> Any:
    """An output as plain JSON values, about `most` characters of them at most."""
    return _Abridger(most).value(output, 0)


def as_text(output: Any, most: int) -> str:
    """An output on one line of at most `most` characters: text as it is, all else as JSON."""
    # what is abridged leaves words behind, so the parts may be longer than the whole
    short = abridged(output, most)
    text = short if isinstance(short, str) else json.dumps(short, ensure_ascii=False)
    text = " ".join(text.split()).encode("utf-8", "replace").decode()
    return text if len(text) <= most else text[: most - 1] + "…"


class _Abridger:
    def __init__(self, most: int) -> None:
        self._left = most

    def value(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._spent(_text(value, max(self._left, 0)))
        if isinstance(value, Mapping):
            return self._mapping(value, depth)
        if isinstance(value, list | tuple):
            return self._list(value, depth)
        return self._spent(_plain(value))

    def _mapping(self, value: Mapping[Any, Any], depth: int) -> Any:
        if value and depth >= _DEPTH:
            return self._spent(f"… {len(value):,} values, too deep")
        short: dict[str, Any] = {}
        for count, (name, inner) in enumerate(value.items()):
            if self._left <= 0:
                short["…"] = f"{len(value) - count:,} more"
                break
            known = self._spent(_text(str(name), 200))
            secret = isinstance(inner, str) and inner and _SECRET_NAME.search(known)
            short[known] = _HIDDEN if secret else self.value(inner, depth + 1)
        self._left -= 2
        return short

    def _list(self, value: list[Any] | tuple[Any, ...], depth: int) -> Any:
        if value and depth >= _DEPTH:
            return self._spent(f"… {len(value):,} values, too deep")
        short: list[Any] = []
        for count, inner in enumerate(value):
            if self._left <= 0:
                short.append(f"… {len(value) - count:,} more")
                break
            short.append(self.value(inner, depth + 1))
        self._left -= 2
        return short

    def _spent(self, value: Any) -> Any:
        self._left -= len(json.dumps(value, ensure_ascii=False)) + 2
        return value


def _text(text: str, most: int) -> str:
    if told := _payload(text):
        return told
    short = redact(text[: _LONG + 1024])[: min(_LONG, most)]
    short = _LINK.sub(_bare_link, short)
    return short if len(text) <= min(_LONG, most) else f"{short}… {len(text) - len(short):,} characters more"


def _payload(text: str) -> str | None:
    """What is said in the place of encoded data; None where a text is none, or short."""
    if len(text) <= PAYLOAD:
        return None
    head = _DATA_URI.match(text)
    start = "".join(text[:200].split())[:64]
    if head is None and not _BASE64.fullmatch(start):
        return None
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    begins = redact(text[:_LONG])[: (head.end() if head else 0) + 24]
    return f"<{len(text):,} characters that begin {begins}, sha256 {digest}>"


def _bare_link(found: re.Match[str]) -> str:
    """A link without user name, password, query and fragment: each may be a key to what it leads to."""
    rest = found[2]
    host, slash, path = rest.partition("/")
    bare = host.rpartition("@")[2] + slash + path
    shown = re.split(r"[?#]", bare, maxsplit=1)[0]
    return found[1] + shown + ("?…" if len(shown) < len(bare) else "")


def _plain(value: Any) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _DIGITS * 3 else f"<a number of {value.bit_length():,} bits>"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return f"<{type(value).__name__}>"
