"""Small versions of pictures, one after the other, for measuring: read ahead in threads, kept by nobody.

Memory is bounded by how far ahead is read, not by the run.  A picture that cannot be read is None.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor

from PIL import Image

from runpodkit.errors import RunpodkitError
from runpodkit.images.differences import COMPARED_PX
from runpodkit.images.thumbnails import shrink
from runpodkit.runs.records import Record

Read = Callable[[str], bytes]
"""Gives a picture's bytes by its key in the store."""
UNREADABLE = (RunpodkitError, OSError, ValueError)
LATE_S = 4.0
"""A comparison that is done sooner shows no bar: it is a number in a cell, and the bar would stay beside it."""
WAITING = 2
"""Threads beside those that decode: reading from a bucket waits."""


def smalls(
    read: Read, records: Iterable[Record], px: int = COMPARED_PX, *, advance: Callable[[], object] | None = None
) -> Iterator[tuple[Record, Image.Image | None]]:
    """Each trial's first picture as RGB, its longest side at most `px`, in the order given; each is read once.

    Args:
        advance: Called after each.
    """
    threads = (os.cpu_count() or 1) + WAITING
    ahead: deque[tuple[Record, Future[Image.Image | None]]] = deque()
    pool = ThreadPoolExecutor(threads, thread_name_prefix="runpodkit-compare")
    try:
        for record in records:
            ahead.append((record, pool.submit(small, read, record, px)))
            if len(ahead) > 2 * threads:
                yield _next(ahead, advance)
        while ahead:
            yield _next(ahead, advance)
    finally:  # an interrupt does not wait for pictures that nobody will compare
        pool.shutdown(cancel_futures=True)


def small(read: Read, record: Record, px: int = COMPARED_PX) -> Image.Image | None:
    """The first picture of a trial, as `smalls` gives it."""
    if not record.images:
        return None
    try:
        return shrink(read(record.images[0].key), (px, px), enlarge=False)
    except UNREADABLE:
        return None


def _next(
    ahead: deque[tuple[Record, Future[Image.Image | None]]], advance: Callable[[], object] | None
) -> tuple[Record, Image.Image | None]:
    record, made = ahead.popleft()
    image = made.result()
    if advance:
        advance()
    return record, image
