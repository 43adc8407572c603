"""Texts in PNG chunks: ours put behind the header, anybody's read.

Touches no chunk but the texts under our own keywords.  What is compressed is inflated within
bounds, and only where its keyword is wanted.
"""

from __future__ import annotations

import zlib

from runpodkit.images import containers, exif, xmp
from runpodkit.images.containers import Part
from runpodkit.images.infotext import SIGNATURE
from runpodkit.images.inscribed import MAX_TEXT, MAX_TEXTS, PARAMETERS, RECORD, Inscription
from runpodkit.images.spans import joined

_KINDS = (b"tEXt", b"zTXt", b"iTXt")
_MAX_KEYWORD = 80
_MAX_KEYWORDS = 500


def write(data: bytes, inscription: Inscription) -> bytes:
    """The PNG with its texts; a `parameters` text that is not ours stays, and so does a signed picture as a whole.

    Raises:
        ValueError: the PNG is cut short or broken.
    """
    parts = list(containers.png_chunks(data))
    if any(part.kind == b"caBX" for part in parts):
        return data
    keywords = [_keyword(data, part) for part in parts]
    named = list(zip(parts, keywords, strict=True))
    ours = {
        part.start
        for part, keyword in named
        if keyword == RECORD or (keyword == PARAMETERS and data.endswith(SIGNATURE.encode(), part.body, part.body_end))
    }
    chunks = []
    if not any(keyword == PARAMETERS and part.start not in ours for part, keyword in named):
        chunks.append(_chunk(PARAMETERS, inscription.parameters))
    chunks.append(_chunk(RECORD, inscription.record))
    packets = [part for part, keyword in named if keyword == xmp.KEYWORD]
    packet = _text(data, packets[-1]) if packets else ""
    if not packets or packet:  # one that cannot be read stays
        ours |= {part.start for part in packets[-1:]}
        if marked := xmp.mark(packet, inscription.term):
            chunks.append(_chunk(xmp.KEYWORD, marked, international=True))
    kept = [(part.start, part.end) for part in parts[1:] if part.start not in ours]
    return b"".join([data[: parts[0].end], *chunks, *joined(data, kept), data[parts[-1].end :]])


def read(data: bytes) -> dict[str, str]:
    """Every text of a PNG by its keyword, the last one where a keyword is used twice.

    Raises:
        ValueError: the PNG is cut short or broken.
    """
    last: dict[str, Part] = {}
    block = b""
    for part in containers.png_chunks(data):
        if keyword := _keyword(data, part):
            last[keyword] = part
        elif part.kind == b"eXIf" and part.body_end - part.body <= MAX_TEXTS:
            block = data[part.body : part.body_end]
    found = exif.texts_by_keyword(block) if block else {}
    left = MAX_TEXTS
    first_the_known = sorted(last, key=lambda keyword: keyword not in (RECORD, PARAMETERS))
    for keyword in first_the_known[:_MAX_KEYWORDS]:
        bound = min(left, MAX_TEXT)
        text = _text(data, last[keyword], bound)
        left -= len(text) if text or last[keyword].kind == b"tEXt" else bound  # what came to nothing was work too
        if text or keyword not in found:
            found[keyword] = text
    return found


def _chunk(keyword: str, text: str, international: bool = False) -> bytes:
    """tEXt where Latin-1 can say it, since the oldest readers know only that; else iTXt."""
    if not international:
        try:
            return containers.png_chunk(b"tEXt", keyword.encode("latin-1") + b"\0" + text.encode("latin-1"))
        except UnicodeEncodeError:
            pass
    return containers.png_chunk(b"iTXt", keyword.encode("latin-1") + b"\0\0\0\0\0" + text.encode("utf-8"))


def _keyword(data: bytes, part: Part) -> str | None:
    if part.kind not in _KINDS:
        return None
    return data[part.body : min(part.body_end, part.body + _MAX_KEYWORD)].split(b"\0", 1)[0].decode("latin-1")


def _text(data: bytes, part: Part, bound: int = MAX_TEXT) -> str:
    """What a text chunk says; an empty text where it cannot be read or is beyond the bound."""
    if part.body_end - part.body > bound:
        return ""
    _, _, body = data[part.body : part.body_end].partition(b"\0")
    if part.kind == b"tEXt":
        return body.decode("latin-1")
    if part.kind == b"zTXt":
        return _inflated(body[1:], bound).decode("latin-1")
    compressed, rest = body[:1] == b"\1", body[2:]
    text = rest.split(b"\0", 2)[-1]
    return (_inflated(text, bound) if compressed else text).decode("utf-8", "replace")


def _inflated(body: bytes, bound: int) -> bytes:
    try:
        inflater = zlib.decompressobj()
        text = inflater.decompress(body, max(bound, 1))
    except zlib.error:
        return b""
    return b"" if inflater.unconsumed_tail else text
