"""Texts in JPEG segments: EXIF comment, XMP packet, and our JSON in APP15.

Touches no segment from the first table on; JFIF stays first, since some readers want it there.
"""

from __future__ import annotations

from runpodkit.images import containers, exif, xmp
from runpodkit.images.infotext import SIGNATURE
from runpodkit.images.inscribed import MAX_TEXT, RECORD, Inscription
from runpodkit.images.spans import joined

_XMP_PREFIX = b"http://ns.adobe.com/xap/1.0/\0"
_OUR_PREFIX = b"runpodkit\0"
_SEGMENT = 65_000
"""Bytes of one segment that we fill."""
_APP0, _APP1, _APP11, _APP15, _COM = b"\xe0", b"\xe1", b"\xeb", b"\xef", b"\xfe"


def write(data: bytes, inscription: Inscription) -> bytes:
    """The JPEG with its texts; a comment and a mark of another tool stay, and so does a signed picture as a whole.

    Raises:
        ValueError: the JPEG is cut short or broken.
    """
    parts = list(containers.jpeg_segments(data))
    block: bytes | None = None
    packet: bytes | None = None
    kept = []
    for part in parts:
        head = data[part.body : min(part.body_end, part.body + 64)]
        if part.kind == _APP11 and b"jumb" in head:
            return data
        if part.kind == _APP15 and head.startswith(_OUR_PREFIX):
            continue
        if part.kind == _APP1 and head.startswith(exif.PREFIX) and block is None:
            block = data[part.body : part.body_end]
        elif part.kind == _APP1 and head.startswith(_XMP_PREFIX) and packet is None:
            packet = data[part.body : part.body_end].removeprefix(_XMP_PREFIX)
        else:
            kept.append((part.start, part.end))
    first = 1 if parts[0].kind == _APP0 and kept[0][0] == parts[0].start else 0
    segments = [
        *_exif_segment(block, inscription.parameters),
        *_our_segments(inscription.record.encode()),
        *_xmp_segment(packet, inscription.term),
    ]
    return b"".join(
        [data[:2], *joined(data, kept[:first]), *segments, *joined(data, kept[first:]), data[parts[-1].end :]]
    )


def read(data: bytes) -> dict[str, str]:
    """The texts of a JPEG, under the keywords they have in a PNG; its comment segment as `comment`.

    Raises:
        ValueError: the JPEG is cut short or broken.
    """
    found: dict[str, str] = {}
    pieces: dict[int, bytes] = {}
    count = 0
    for part in containers.jpeg_segments(data):
        body = data[part.body : part.body_end]
        if part.kind == _APP15 and body.startswith(_OUR_PREFIX) and len(body) > len(_OUR_PREFIX) + 2:
            number, count = body[len(_OUR_PREFIX)], body[len(_OUR_PREFIX) + 1]
            pieces[number] = body[len(_OUR_PREFIX) + 2 :]
        elif part.kind == _APP1 and body.startswith(exif.PREFIX):
            found = exif.texts_by_keyword(body) | found
        elif part.kind == _APP1 and body.startswith(_XMP_PREFIX):
            found.setdefault(xmp.KEYWORD, body.removeprefix(_XMP_PREFIX).decode("utf-8", "replace"))
        elif part.kind == _COM:
            found.setdefault("comment", body.decode("utf-8", "replace").strip("\0"))
    if pieces:
        whole = sorted(pieces) == list(range(1, count + 1)) and sum(map(len, pieces.values())) <= MAX_TEXT
        record = b"".join(pieces[number] for number in sorted(pieces)) if whole else b""
        found[RECORD] = record.decode("utf-8", "replace")
    return found


def _exif_segment(block: bytes | None, text: str) -> list[bytes]:
    """EXIF with the text as its comment; a block that has no room for it stays as it is."""
    changed = exif.PREFIX + exif.fresh(text) if block is None else exif.with_comment(block, text, SIGNATURE)
    if len(changed) > _SEGMENT:
        changed = block or b""
    return [containers.jpeg_segment(0xE1, changed)] if changed else []


def _xmp_segment(packet: bytes | None, term: str | None) -> list[bytes]:
    try:
        changed = xmp.mark((packet or b"").decode(), term).encode()
    except UnicodeDecodeError:
        changed = packet or b""
    if len(changed) > _SEGMENT:
        changed = packet or b""
    return [containers.jpeg_segment(0xE1, _XMP_PREFIX + changed)] if changed else []


def _our_segments(record: bytes) -> list[bytes]:
    """Our JSON in as many APP15 segments as it takes, each with its number and their count."""
    pieces = [record[at : at + _SEGMENT] for at in range(0, len(record), _SEGMENT)]
    return [
        containers.jpeg_segment(0xEF, _OUR_PREFIX + bytes([number, len(pieces)]) + piece)
        for number, piece in enumerate(pieces, start=1)
    ]
