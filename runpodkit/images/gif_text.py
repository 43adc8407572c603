"""Comments in a GIF, read: the one place where image tools put parameters there.  Nothing is written."""

from __future__ import annotations

from runpodkit.images import infotext
from runpodkit.images.inscribed import PARAMETERS

_MAX_BLOCKS = 65_536
"""Pieces of up to 255 bytes that are walked over."""


def read(data: bytes) -> dict[str, str]:
    """The first comment before any frame, as `parameters` where it holds them, else as `comment`; nothing else is read.

    Raises:
        ValueError: the GIF is cut short before its first frame.
    """
    try:
        at = 13 + _palette(data[10])
        left = _MAX_BLOCKS
        while data[at] == 0x21 and left > 0:  # else a frame, or the end
            label, pieces, at = data[at + 1], [], at + 2
            while data[at] and left > 0:
                pieces.append(data[at + 1 : at + 1 + data[at]])
                at += 1 + data[at]
                left -= 1
            if label == 0xFE:
                text = b"".join(pieces).decode("utf-8", "replace").strip("\0 ")
                return {PARAMETERS if infotext.holds_settings(text) else "comment": text}
            at, left = at + 1, left - 1
    except IndexError:
        raise ValueError("cut short") from None
    return {}


def _palette(packed: int) -> int:
    """Bytes of the colour table that a header announces."""
    return 3 << ((packed & 7) + 1) if packed & 0x80 else 0
