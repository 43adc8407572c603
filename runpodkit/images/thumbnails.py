"""Small versions of large pictures: decoded no larger than needed, flattened onto white.

A JPEG is decoded at an eighth, a quarter or half where that is enough; the other formats have no
such shortcut, so their decoding is most of the cost (a 1 MP PNG: 25 ms).  Decoders leave the
interpreter's lock, so callers may use threads.
"""

from __future__ import annotations

import contextlib
import io
import threading
from collections.abc import Sequence

from PIL import Image

from runpodkit.images import containers, outputs
from runpodkit.images.regions import Box

_ONE_AT_A_TIME = threading.Lock()
_BIG_PIXELS = 8_000_000
"""Pictures above this are decoded one at a time, so that a grid's threads cannot multiply their memory."""
_GAP = 1.5
"""How much larger than asked the cheap first reduction must leave a picture; see Pillow's `reducing_gap`."""

_QUICK_GAP = 1.0


def thumbnail(data: bytes, px: int) -> bytes:
    """A JPEG of at most `px` pixels a side, never enlarged.

    Raises:
        ValueError: `px` is under 1.
        OutputError: no picture, or one that cannot be decoded.
    """
    if px < 1:
        raise ValueError(f"px={px}: a thumbnail has at least 1 pixel a side")
    out = io.BytesIO()
    shrink(data, (px, px), enlarge=False).save(out, "JPEG", quality=85, optimize=True)
    return out.getvalue()


def shrink(data: bytes, box: tuple[int, int], *, enlarge: bool = True, quick: bool = False) -> Image.Image:
    """The picture as RGB, as large as fits into `box` (width, height in pixels).

    Args:
        enlarge: Whether a smaller picture is made larger.
        quick: By averages first, and a shorter filter: a quarter of the time, as sharp to the eye.

    Raises:
        OutputError: no picture, one beyond the bounds of `outputs`, or one that cannot be decoded.
    """
    whole = size_of(data)
    wanted = (0.0, 0.0, float(whole[0]), float(whole[1])), fitted(whole, box, enlarge=enlarge)
    return pieces(data, [wanted], quick=quick)[0]


def pieces(data: bytes, wanted: Sequence[tuple[Box, tuple[int, int]]], *, quick: bool = False) -> list[Image.Image]:
    """Parts of a picture as RGB, each a box of its pixels at a size; the picture is decoded once.

    Raises:
        OutputError: as `shrink` does.
    """
    seen = outputs.inspect(data)
    image = containers.open_picture(data, seen.format)
    gap = _QUICK_GAP if quick else _GAP
    scale = max(size[side] / (box[side + 2] - box[side]) for box, size in wanted for side in (0, 1))
    image.draft("RGB", (round(seen.width * scale * gap), round(seen.height * scale * gap)))
    with _ONE_AT_A_TIME if seen.width * seen.height > _BIG_PIXELS else contextlib.nullcontext():
        containers.decode(image, seen.format)
        across, down = image.width / seen.width, image.height / seen.height
        boxes = [(x * across, y * down, right * across, bottom * down) for (x, y, right, bottom), _ in wanted]
        return [scaled(image, size, box, quick=quick) for box, (_, size) in zip(boxes, wanted, strict=True)]


def encoded(image: Image.Image) -> bytes:
    """A small picture as a JPEG that looks as it does: for keeping, not for a page."""
    out = io.BytesIO()
    image.save(out, "JPEG", quality=92, subsampling=0)
    return out.getvalue()


def scaled(image: Image.Image, size: tuple[int, int], box: Box | None = None, *, quick: bool = False) -> Image.Image:
    """A decoded picture, or a part of it, as RGB on white, at exactly `size` pixels."""
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")  # 16 bits of grey
    elif image.mode in ("P", "PA", "LA", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGB")
    if box is not None and (part := _whole_pixels(box, image.size)) != (0, 0, *image.size):
        image = image.crop(part)  # first, or the filter would take in what lies beside the part
    if image.size != size:
        method = Image.Resampling.HAMMING if quick else Image.Resampling.LANCZOS
        image = image.resize(size, method, reducing_gap=_QUICK_GAP if quick else _GAP)
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
        return flat
    return image.convert("RGB")


def _whole_pixels(box: Box, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The pixels of a picture that a box means, at least one each way."""
    left, top = min(round(box[0]), size[0] - 1), min(round(box[1]), size[1] - 1)
    return left, top, min(size[0], max(left + 1, round(box[2]))), min(size[1], max(top + 1, round(box[3])))


def fitted(size: tuple[int, int], box: tuple[int, int], *, enlarge: bool = True) -> tuple[int, int]:
    """`size` scaled to fit into `box`, its proportions kept, at least one pixel a side."""
    scale = min(box[0] / size[0], box[1] / size[1])
    if not enlarge:
        scale = min(scale, 1.0)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def size_of(data: bytes) -> tuple[int, int]:
    """Width and height in pixels; raises OutputError as `shrink` does, but decodes nothing."""
    seen = outputs.inspect(data)
    return seen.width, seen.height
