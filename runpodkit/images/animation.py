"""Animations: frames of a grid one after the other, as an endless GIF or WebP."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

FORMATS = {".gif": "GIF", ".webp": "WEBP"}
LEAST_S, MOST_S = 0.02, 600.0
"""Seconds a frame may stand: viewers treat a shorter time as a tenth of a second, and GIF counts to 655."""


def animate(frames: Sequence[Image.Image], path: Path, form: str, frame_s: float) -> None:
    """Write the frames to `path`; they repeat for ever.

    Args:
        frames: In order, n >= 2; smaller ones get white to the right and below.
        form: One of the values of `FORMATS`.
        frame_s: Seconds that each stands.

    Raises:
        ValueError: a time outside of 0.02 to 600 s.
    """
    check_time(frame_s)
    size = max(frame.width for frame in frames), max(frame.height for frame in frames)
    even = [_filled(frame, size) for frame in frames]
    milliseconds = round(frame_s * 1000)
    if form == "GIF":
        # each with a palette of its own, chosen from all of its colours: a shared one bands skies
        even = [frame.quantize(256, dither=Image.Dither.FLOYDSTEINBERG) for frame in even]
        even[0].save(path, "GIF", save_all=True, append_images=even[1:], duration=milliseconds, loop=0, disposal=1)
    else:
        even[0].save(
            path, "WEBP", save_all=True, append_images=even[1:], duration=milliseconds, loop=0, quality=88, method=2
        )


def check_time(frame_s: float) -> None:
    """Raises ValueError for a time that no format holds."""
    if not isinstance(frame_s, int | float) or not LEAST_S <= frame_s <= MOST_S:
        raise ValueError(f"frame_s={frame_s!r}: a frame stands {LEAST_S:g} to {MOST_S:g} seconds")


def _filled(frame: Image.Image, size: tuple[int, int]) -> Image.Image:
    if frame.size == size:
        return frame
    filled = Image.new("RGB", size, "white")
    filled.paste(frame, (0, 0))
    return filled
