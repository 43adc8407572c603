"""Pieces of a file put together again without copying each one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


def joined(data: bytes, spans: Iterable[tuple[int, int]]) -> Iterator[bytes]:
    """The spans of `data`, neighbours taken in one piece."""
    start = end = 0
    for left, right in spans:
        if left != end:
            yield data[start:end]
            start = left
        end = right
    yield data[start:end]
