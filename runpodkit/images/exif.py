"""EXIF blocks, as far as parameters travel in them: a few texts read, one comment written.

Reads the handful of tags that image tools use and skips all others, so a block built to make a
reader allocate cannot.  Writes at a block's end only: everything of another tool's stays where
its offsets point.  A block is TIFF, big- or little-endian, with or without `Exif` before it.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

from runpodkit.images import infotext
from runpodkit.images.inscribed import PARAMETERS

PREFIX = b"Exif\0\0"
COMMENT = "UserComment"
SOFTWARE = "runpodkit"
MAX_BYTES = 4 * 2**20
"""Of one text; longer ones are not read."""

_TAGS = {0x010E: "ImageDescription", 0x010F: "Make", 0x0110: "Model", 0x0131: "Software", 0x9286: COMMENT}
_EXIF_IFD, _USER_COMMENT, _VERSION = 0x8769, 0x9286, 0x9000
_ASCII, _LONG, _UNDEFINED = 2, 4, 7
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_MAX_ENTRIES = 4096


class _Entry(NamedTuple):
    at: int
    """Where its 12 bytes are."""
    kind: int
    start: int
    end: int


def read(block: bytes) -> dict[str, str]:
    """The texts of a block by the names of their tags; what is broken says nothing."""
    tiff = block.removeprefix(PREFIX)
    try:
        order, first = _header(tiff)
        entries = _entries(tiff, order, first)
        if _EXIF_IFD in entries:
            inner = _entries(tiff, order, _number(tiff, order, entries[_EXIF_IFD]))
            entries |= {tag: entry for tag, entry in inner.items() if tag == _USER_COMMENT}
    except (struct.error, ValueError):
        return {}
    found = {name: _text(tiff, entries[tag]) for tag, name in _TAGS.items() if tag in entries}
    return {name: text for name, text in found.items() if text}


def fresh(comment: str) -> bytes:
    """A block with a comment and the name of its writer, without the `Exif` before it."""
    name = SOFTWARE.encode() + b"\0"
    name_at = 8 + 2 + 2 * 12 + 4
    inner_at = name_at + len(name)
    body = _encoded(comment)
    return b"".join(
        [
            b"MM\0*" + struct.pack(">I", 8),
            struct.pack(">H", 2),
            struct.pack(">HHII", 0x0131, _ASCII, len(name), name_at),
            struct.pack(">HHII", _EXIF_IFD, _LONG, 1, inner_at),
            struct.pack(">I", 0) + name,
            struct.pack(">H", 2),
            struct.pack(">HHI4s", _VERSION, _UNDEFINED, 4, b"0232"),
            struct.pack(">HHII", _USER_COMMENT, _UNDEFINED, len(body), inner_at + 2 + 2 * 12 + 4),
            struct.pack(">I", 0) + body,
        ]
    )


def with_comment(block: bytes, comment: str, replaces: str) -> bytes:
    """The block with a comment; one that is not empty and does not end with `replaces` stays, and all else with it.

    Nothing of another tool's moves: what is added stands at the end, where the block's own pointers are led to.
    """
    prefix = PREFIX if block.startswith(PREFIX) else b""
    tiff = bytearray(block.removeprefix(PREFIX))
    try:
        order, first = _header(tiff)
        entries = _entries(tiff, order, first)
        pointer = entries.get(_EXIF_IFD)
        inner_at = _number(tiff, order, pointer) if pointer else 0
        inner = _entries(tiff, order, inner_at) if pointer else {}
        there = inner.get(_USER_COMMENT)
        if there is None and _USER_COMMENT in entries and _text(tiff, entries[_USER_COMMENT]):
            return block
        if there:
            text = _text(tiff, there).rstrip()
            if text and not text.endswith(replaces):
                return block
            if text:
                _forget(tiff, there)
            place = _append(tiff, body := _encoded(comment))
            struct.pack_into(f"{order}HII", tiff, there.at + 2, _UNDEFINED, len(body), place)
            return prefix + bytes(tiff)
        rows = _rows(tiff, inner) | {_USER_COMMENT: bytes(12)}
        inner_place = _append(tiff, _directory(tiff, order, inner_at, rows))
        if pointer:
            struct.pack_into(f"{order}I", tiff, pointer.at + 8, inner_place)
        else:
            outer = _rows(tiff, entries) | {_EXIF_IFD: struct.pack(f"{order}HHII", _EXIF_IFD, _LONG, 1, inner_place)}
            struct.pack_into(f"{order}I", tiff, 4, _append(tiff, _directory(tiff, order, first, outer)))
        # last, so that it can be taken off again
        place = _append(tiff, body := _encoded(comment))
        row = inner_place + 2 + 12 * sorted(rows).index(_USER_COMMENT)
        struct.pack_into(f"{order}HHII", tiff, row, _USER_COMMENT, _UNDEFINED, len(body), place)
    except (struct.error, ValueError):
        return block
    return prefix + bytes(tiff)


def texts_by_keyword(block: bytes) -> dict[str, str]:
    """What a block says, under the keywords that the same texts have in a PNG.

    A comment that holds parameters is `parameters`; `prompt:{…}` and `workflow:{…}`, which ComfyUI writes in the
    place of camera names, are `prompt` and `workflow`.
    """
    found: dict[str, str] = {}
    for name, text in read(block).items():
        keyword, colon, rest = text.partition(":")
        if name in ("Make", "Model", "ImageDescription") and colon and keyword.lower() in ("prompt", "workflow"):
            found[keyword.lower()] = rest.strip()
        else:
            found[PARAMETERS if name == COMMENT and infotext.holds_settings(text) else name] = text
    return found


def _header(tiff: bytes | bytearray) -> tuple[str, int]:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(tiff[:4]))
    if order is None:
        raise ValueError("no TIFF")
    (first,) = struct.unpack_from(f"{order}I", tiff, 4)
    return order, first


def _entries(tiff: bytes | bytearray, order: str, at: int) -> dict[int, _Entry]:
    """The directory at an offset, by tag; entries that point outside the block are left out."""
    (count,) = struct.unpack_from(f"{order}H", tiff, at)
    if count > _MAX_ENTRIES:
        raise ValueError("too many entries")
    found: dict[int, _Entry] = {}
    for place in range(at + 2, at + 2 + 12 * count, 12):
        tag, kind, number, offset = struct.unpack_from(f"{order}HHII", tiff, place)
        length = _SIZES.get(kind, 1) * number
        start = place + 8 if length <= 4 else offset
        if start + length <= len(tiff):
            found.setdefault(tag, _Entry(place, kind, start, start + length))
    return found


def _number(tiff: bytes | bytearray, order: str, entry: _Entry) -> int:
    (number,) = struct.unpack_from(f"{order}I", tiff, entry.at + 8)
    return int(number)


def _text(tiff: bytes | bytearray, entry: _Entry) -> str:
    if entry.end - entry.start > MAX_BYTES or entry.kind not in (1, _ASCII, _UNDEFINED):
        return ""
    raw = bytes(tiff[entry.start : entry.end])
    code, body = raw[:8], raw[8:]
    if code == b"UNICODE\0":
        # the byte order is nobody's promise: in either, most high bytes are zero
        little = body[1::2].count(0) > body[0::2].count(0)
        return body.decode("utf-16-le" if little else "utf-16-be", "replace").strip("\0 ")
    if code in (b"ASCII\0\0\0", b"\0" * 8):
        raw = body
    return raw.decode("utf-8", "replace").strip("\0 ")


def _encoded(comment: str) -> bytes:
    """UTF-16, big-endian whatever the block is: Civitai reads no other."""
    return b"UNICODE\0" + comment.encode("utf-16-be")


def _append(tiff: bytearray, body: bytes) -> int:
    """Put `body` at the end, at an even offset; tells where."""
    if len(tiff) % 2:
        tiff += b"\0"
    tiff += body
    return len(tiff) - len(body)


def _forget(tiff: bytearray, entry: _Entry) -> None:
    """An old comment of ours, taken off where it is the end of the block, else blanked."""
    if entry.end == len(tiff):
        del tiff[entry.start :]
    else:
        tiff[entry.start : entry.end] = bytes(entry.end - entry.start)


def _rows(tiff: bytearray, entries: Mapping[int, _Entry]) -> dict[int, bytes]:
    return {tag: bytes(tiff[entry.at : entry.at + 12]) for tag, entry in entries.items()}


def _directory(tiff: bytearray, order: str, at: int, rows: Mapping[int, bytes]) -> bytes:
    """A directory of these rows, sorted by tag as readers expect, that goes on where the one at `at` (0: none) does."""
    following = b"\0" * 4
    if at:
        (count,) = struct.unpack_from(f"{order}H", tiff, at)
        following = bytes(tiff[at + 2 + 12 * count : at + 6 + 12 * count]).ljust(4, b"\0")
    return struct.pack(f"{order}H", len(rows)) + b"".join(rows[tag] for tag in sorted(rows)) + following
