"""The typeface that comes with the package: its files, its sizes, and which characters it has.

DejaVu Sans: Latin, Greek, Cyrillic, Arabic, Hebrew, Armenian, Georgian and many signs, but no
Chinese, Japanese or Korean, no Indic scripts and few emoji.
"""

from __future__ import annotations

import struct
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont

NAME = "DejaVu Sans"
FILES = {
    bold: Path(__file__).parent / "fonts" / name
    for bold, name in ((False, "DejaVuSans.ttf"), (True, "DejaVuSans-Bold.ttf"))
}


@lru_cache(maxsize=128)
def font(px: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The typeface at `px` pixels.

    Letters are set one by one: Pillow's other way depends on a library that not every system has,
    and a figure should have the same pixels on each.
    """
    return ImageFont.truetype(str(FILES[bold]), px, layout_engine=ImageFont.Layout.BASIC)


@cache
def coverage(bold: bool = False) -> frozenset[int]:
    """Code points that the typeface has a glyph for.

    Source: OpenType specification, "cmap", segmented coverage (format 12).
    """
    data = FILES[bold].read_bytes()
    tables = {data[at : at + 4]: data[at + 8 : at + 12] for at in range(12, 12 + 16 * _u16(data, 4), 16)}
    cmap = _u32(tables[b"cmap"], 0)
    places = [cmap + _u32(data, cmap + 8 + 8 * number) for number in range(_u16(data, cmap + 2))]
    table = next(place for place in places if _u16(data, place) == 12)
    points: set[int] = set()
    for number in range(_u32(data, table + 12)):
        first, last, _ = struct.unpack_from(">III", data, table + 16 + 12 * number)
        points.update(range(first, last + 1))
    return frozenset(points)


def _u16(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 2])


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4])
