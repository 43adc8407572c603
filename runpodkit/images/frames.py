"""A picture as the arrays that `measures` takes: its colours or its luma, at scales that do not depend on its size.

Pictures are decoded whole, a JPEG too: Pillow's shortcut for them computes other pixels, and a score must
not depend on the container.  Knows no measure and no store.
"""

from __future__ import annotations

import contextlib
import math
import threading

import numpy as np
import numpy.typing as npt
from PIL import Image

from runpodkit.images import containers, outputs
from runpodkit.images.thumbnails import scaled

Pixels = npt.NDArray[np.uint8]
"""Shape (height, width) of luma or (height, width, 3) of colours, in [0, 255]."""

FRAME_PX = 512
"""Side of the square that has as many pixels as the frame of a picture."""
SSIM_PX = 256
"""About the shorter side at which structures are compared."""
HASHED_PX = 32
"""Side of what is hashed."""
_BIG_PIXELS = 8_000_000
_ONE_AT_A_TIME = threading.Lock()
"""Larger pictures are decoded one by one, so that threads cannot multiply their memory."""


def read(data: bytes) -> Image.Image:
    """A picture out of its file: RGB, on white where it is transparent, every pixel decoded.

    Raises:
        OutputError: no picture, one beyond the bounds of `outputs`, or one that cannot be decoded.
    """
    seen = outputs.inspect(data)
    image = containers.open_picture(data, seen.format)
    with _ONE_AT_A_TIME if seen.width * seen.height > _BIG_PIXELS else contextlib.nullcontext():
        containers.decode(image, seen.format)
        return image if image.mode == "RGB" and "transparency" not in image.info else scaled(image, image.size)


def frame(image: Image.Image) -> Pixels:
    """The colours of a picture brought to 512² = 262,144 pixels, its proportions kept; a small one is enlarged.

    So that pictures of any size are judged as if they were shown equally large.
    """
    scale = FRAME_PX / math.sqrt(image.width * image.height)
    size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
    return np.asarray(scaled(image, size))


def luma(colours: Pixels) -> npt.NDArray[np.float64]:
    """Brightness as it is coded, 0.299 R + 0.587 G + 0.114 B, in [0, 255], not rounded.

    Source: ITU-R BT.601.
    """
    weights: npt.NDArray[np.float64] = np.array([0.299, 0.587, 0.114])
    return np.asarray(colours @ weights)


def ssim_luma(image: Image.Image) -> Pixels:
    """Luma for `measures.ssim`: averaged over blocks of f × f pixels, f = max(1, round(shorter side / 256)).

    Source: Wang, Z., the notes to `ssim.m` (2003), "suggested usage"; f so that details count as they are seen.
    """
    factor = max(1, round(min(image.size) / SSIM_PX))
    grey = image.convert("L")
    return np.asarray(grey if factor == 1 else grey.reduce(factor))


def same_size(one: Pixels, other: Pixels) -> tuple[Pixels, Pixels]:
    """Both lumas at the size of the one with fewer pixels, the larger one averaged down.

    Raises:
        ValueError: their proportions differ by more than a fiftieth.
    """
    from runpodkit.images.differences import comparable

    if one.shape == other.shape:
        return one, other
    sizes = [(pixels.shape[1], pixels.shape[0]) for pixels in (one, other)]
    if not comparable(*sizes):
        shapes = " and ".join(f"{width}×{height}" for width, height in sizes)
        raise ValueError(f"the two pictures have other proportions ({shapes} once reduced): they cannot be compared")
    width, height = min(sizes, key=math.prod)

    def fitted(pixels: Pixels) -> Pixels:
        if pixels.shape == (height, width):
            return pixels
        return np.asarray(Image.fromarray(pixels).resize((width, height), Image.Resampling.BOX))

    return fitted(one), fitted(other)


def hashed_luma(image: Image.Image) -> Pixels:
    """Luma for `measures.phash`: 32 × 32 pixels, each the mean of what it covers, proportions not kept."""
    return np.asarray(image.convert("L").resize((HASHED_PX, HASHED_PX), Image.Resampling.BOX))
