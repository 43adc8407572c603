"""Texts in WebP chunks: EXIF comment, XMP packet, and our JSON in a chunk of its own at the end.

No chunk with pixels, palette, frames or colour profile changes or moves against another.  A
simple file, which is pixels only, gets the extended header that the other chunks need.

Source: WebP Container Specification (RFC 9649), sections 2.5 to 2.7.
"""

from __future__ import annotations

import contextlib
import struct

from runpodkit.images import containers, exif, xmp
from runpodkit.images.containers import Part
from runpodkit.images.infotext import SIGNATURE
from runpodkit.images.inscribed import MAX_TEXT, RECORD, Inscription

_OURS = b"rpkt"
_EXIF, _XMP, _SIGNED = b"EXIF", b"XMP ", b"C2PA"
_PIXELS = (b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L")
"""Chunks that come first and in this file's own order; those nobody knows come last."""
_HAS_ALPHA, _HAS_EXIF, _HAS_XMP = 0x10, 0x08, 0x04


def write(data: bytes, inscription: Inscription) -> bytes:
    """The WebP with its texts; a comment and a mark of another tool stay, and so does a signed picture as a whole.

    Raises:
        ValueError: the WebP is cut short or broken.
    """
    parts = list(containers.webp_chunks(data))
    if any(part.kind == _SIGNED for part in parts):
        return data
    block = _first(data, parts, _EXIF)
    packet = _first(data, parts, _XMP)
    block = (
        exif.fresh(inscription.parameters) if not block else exif.with_comment(block, inscription.parameters, SIGNATURE)
    )
    with contextlib.suppress(UnicodeDecodeError):
        packet = xmp.mark(packet.decode(), inscription.term).encode()
    flags = _HAS_EXIF | (_HAS_XMP if packet else 0)
    chunks = [
        _header(data, parts, flags),
        *(_whole(data, part) for part in parts if part.kind in _PIXELS[1:]),
        containers.webp_chunk(_EXIF, block),
        *([containers.webp_chunk(_XMP, packet)] if packet else []),
        *(_whole(data, part) for part in parts if part.kind not in (*_PIXELS, _EXIF, _XMP, _OURS)),
        containers.webp_chunk(_OURS, inscription.record.encode()),
    ]
    size = 4 + sum(map(len, chunks))
    behind = data[8 + int.from_bytes(data[4:8], "little") :]
    return b"".join([b"RIFF", struct.pack("<I", size), b"WEBP", *chunks, behind])


def read(data: bytes) -> dict[str, str]:
    """The texts of a WebP, under the keywords they have in a PNG.

    Raises:
        ValueError: the WebP is cut short or broken.
    """
    parts = list(containers.webp_chunks(data))
    found = exif.texts_by_keyword(_first(data, parts, _EXIF))
    if packet := _first(data, parts, _XMP):
        found[xmp.KEYWORD] = packet[:MAX_TEXT].decode("utf-8", "replace")
    record = _first(data, parts, _OURS)
    if record and len(record) <= MAX_TEXT:
        found[RECORD] = record.decode("utf-8", "replace")
    return found


def _header(data: bytes, parts: list[Part], flags: int) -> bytes:
    """The extended header: the file's own with our flags, or a new one for a file that is pixels only."""
    first = parts[0] if parts else None
    if first is not None and first.kind == b"VP8X" and first.body_end - first.body >= 10:
        body = bytearray(data[first.body : first.body_end])
        # a flag without its chunk is a lie, and a chunk of ours may just have gone
        body[0] = body[0] & ~(_HAS_EXIF | _HAS_XMP) | flags
        return containers.webp_chunk(b"VP8X", bytes(body))
    if first is None or first.kind not in (b"VP8 ", b"VP8L"):
        raise ValueError("unknown chunk first")
    width, height = containers.header_size(data, "webp")
    if first.kind == b"VP8L" and data[first.body + 4] & 0x10:
        flags |= _HAS_ALPHA
    body = bytearray(
        struct.pack("<B3x", flags) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    )
    return containers.webp_chunk(b"VP8X", bytes(body))


def _first(data: bytes, parts: list[Part], kind: bytes) -> bytes:
    """The payload of the first chunk of a kind, which is the one that readers take; empty where there is none."""
    return next((data[part.body : part.body_end] for part in parts if part.kind == kind), b"")


def _whole(data: bytes, part: Part) -> bytes:
    """The chunk with the padding it must have."""
    return data[part.start : part.body_end] + b"\0" * ((part.body_end - part.body) % 2)
