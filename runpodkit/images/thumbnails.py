"""Small versions of large pictures: decoded no larger than needed, flattened onto white.

A JPEG is decoded at an eighth, a quarter or half where that is enough; the other formats have no
such shortcut, so their decoding is most of the cost (a 1 MP PNG: 25 ms).  Decoders leave the
interpreter's lock, so callers may use threads.
"""

from __future__ import annotations

import contextlib
import io
import threading

from PIL import Image

from runpodkit.images import containers, outputs

_ONE_AT_A_TIME = threading.Lock()
_BIG_PIXELS = 8_000_000
"""Pictures above this are decoded one at a time, so that a grid's threads cannot multiply their memory."""
_GAP = 1.5
"""How much larger than asked the cheap first reduction must leave a picture; see Pillow's `reducing_gap`."""


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


def shrink(data: bytes, box: tuple[int, int], *, enlarge: bool = True) -> Image.Image:
    """The picture as RGB, as large as fits into `box` (width, height in pixels).

    Raises:
        OutputError: no picture, one beyond the bounds of `outputs`, or one that cannot be decoded.
    """
    seen = outputs.inspect(data)
    image = containers.open_picture(data, seen.format)
    size = fitted((seen.width, seen.height), box, enlarge=enlarge)
    image.draft("RGB", (round(size[0] * _GAP), round(size[1] * _GAP)))
    with _ONE_AT_A_TIME if seen.width * seen.height > _BIG_PIXELS else contextlib.nullcontext():
        containers.decode(image, seen.format)
        return scaled(image, size)


def scaled(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """A decoded picture as RGB on white, at exactly `size` pixels."""
    if image.mode.startswith("I"):
        image = image.point(lambda value: value / 256).convert("L")  # 16 bits of grey
    elif image.mode in ("P", "PA", "LA", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
    elif image.mode not in ("L", "RGB", "RGBA"):
        image = image.convert("RGB")
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=_GAP)
    if image.mode == "RGBA":
        flat = Image.new("RGB", image.size, "white")
        flat.paste(image, mask=image.getchannel("A"))
        return flat
    return image.convert("RGB")


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
