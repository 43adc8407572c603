"""The pictures of a page: as large as lets the page stay within its bound, made in threads, in order.

Every picture gets the same share of bytes, so the bound holds whatever they show, and what one
looks like does not depend on the others.  Knows no run and no page.
"""

from __future__ import annotations

import io
import math
import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from runpodkit.errors import OutputError, RunpodkitError
from runpodkit.images.thumbnails import fitted, shrink, size_of
from runpodkit.runs.rows import ImageFile

LONGEST_PX = 1536
"""The longest side in a page, however few pictures it has."""
BITS_PER_PIXEL = 1.0
"""What a photograph takes as WebP at `QUALITY`; a noisier one loses quality, then size."""
QUALITY, LESS_QUALITY = 84, 60
LEAST_BYTES = 700
"""A share under which a picture is no longer one."""
MIME = "image/webp"


@dataclass(frozen=True, slots=True)
class Made:
    """A picture for the page.  `width` and `height` are pixels."""

    data: bytes
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Lost:
    """A picture that cannot be shown."""

    reason: str
    """For the page, which travels: no path of this machine is in it."""
    cause: str
    """For whoever writes the page."""


def make_pictures(
    files: Sequence[ImageFile],
    read: Callable[[str], bytes],
    share: int,
    longest_px: int = LONGEST_PX,
) -> Iterator[Made | Lost]:
    """Each picture in at most `share` bytes, or why it cannot be shown; in the order of `files`.

    Args:
        read: Gives a picture's bytes by its key in the store; called in threads.
        share: Bytes, at least `LEAST_BYTES`.
    """

    def make(file: ImageFile) -> Made | Lost:
        try:
            return _made(read(file.key), share, longest_px)
        except OutputError as exc:
            return Lost(f"the picture cannot be read: {exc}", f"{file.key}: {exc}")
        except (RunpodkitError, OSError, ValueError) as exc:
            return Lost("the picture could not be read from the run's store", str(exc))

    workers = min(8, (os.cpu_count() or 1) + 2)
    waiting: deque[Future[Made | Lost]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        for file in files:
            waiting.append(pool.submit(make, file))
            if len(waiting) >= 2 * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)


def _made(data: bytes, share: int, longest_px: int) -> Made:
    size = size_of(data)
    scale = min(1.0, longest_px / max(size), math.sqrt(share * 8 / BITS_PER_PIXEL / (size[0] * size[1])))
    box = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    image = shrink(data, box, enlarge=False)
    packed = _packed(image, QUALITY)
    if len(packed) > share:
        packed = _packed(image, LESS_QUALITY)
    while len(packed) > share:
        smaller = 0.95 * math.sqrt(share / len(packed))
        image = image.resize(
            fitted(image.size, (max(1, int(image.width * smaller)), max(1, int(image.height * smaller))))
        )
        packed = _packed(image, LESS_QUALITY)
    return Made(packed, image.width, image.height)


def _packed(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "WEBP", quality=quality, method=2)
    return out.getvalue()
