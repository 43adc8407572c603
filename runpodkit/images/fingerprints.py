"""Whether pictures are equal, or blank, at the price of reading their bytes once.

A fingerprint covers what carries pixels and nothing else, so that two files with the same
pixels and different texts beside them have the same one.  The reverse does not hold: the same
pixels may be packed in two ways, and telling that takes decoding, which `same_pixels` does for
the few pictures of one job.  Equality here is for telling people, never for trust.
"""

from __future__ import annotations

import hashlib
import struct
import threading
import zlib
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import NamedTuple

from PIL import Image

from runpodkit.errors import OutputError
from runpodkit.images import containers
from runpodkit.images.outputs import Fetched

DIGITS = 16
"""Hex digits of a fingerprint: enough to tell equal pictures among 100,000."""
MAX_DECODED = 16_000_000
"""Pixels of a picture that is decoded to be judged; larger ones count as neither blank nor repacked."""
MIN_JUDGED = 64
"""Pixels of a picture that can be blank: of fewer, nobody could say."""
LEVELS, WEBP_LEVELS = 2, 16
"""Of 255, that a channel of a blank picture may vary by; lossy WebP makes up to 14 of one colour."""
_FEW_BYTES = 1024
_FEW_PER_PIXEL = {"png": 0.04, "jpeg": 0.025, "webp": 0.004, "gif": 0.01, "avif": 0.002}
"""A picture in more bytes than this and these per pixel is not blank; one colour takes half as many or less."""
_SAMPLE, _SAMPLE_BYTES = 4096, 32
_ROWS = 16

_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"fdAT"})
_WEBP_PIXELS = frozenset({b"VP8 ", b"VP8L", b"ALPH", b"ANMF"})
_JPEG_ASIDE = frozenset({*range(0xE0, 0xF0), 0xFE}) - {0xEE}
"""APPn and comments, but not Adobe's APP14, which says how the channels are meant."""
_ONE_AT_A_TIME = threading.Lock()
_PLAIN_MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA")
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_Span = tuple[bytes, int, int]


class Fingerprint(NamedTuple):
    """What can be told of a picture without looking at it."""

    pixels: str
    """The same for two files whose pixel-carrying parts are the same bytes."""
    blank: bool
    """One colour all over, or nearly, or all transparent."""


def fingerprint(picture: Fetched) -> Fingerprint:
    """The fingerprint of a picture as `outputs.inspect` gave it."""
    digest, carried = hashlib.sha1(picture.format.encode(), usedforsecurity=False), 0
    data = memoryview(picture.data)
    last = b""
    for kind, start, end in _spans(picture.data, picture.format):
        if kind != last:  # how the pixels were cut into chunks does not matter
            digest.update(kind)
        digest.update(data[start:end])
        carried += end - start
        last = kind
    return Fingerprint(digest.hexdigest()[:DIGITS], _is_blank(picture, carried))


def same_pixels(pictures: Sequence[Fetched], prints: Sequence[Fingerprint]) -> list[int]:
    """For each picture the number of the first one that has the same pixels: its own, if none before it has.

    Pictures of one size are decoded where their fingerprints differ: as far as they might be equal.
    """
    first_of: dict[str, int] = {}
    first = [first_of.setdefault(print_.pixels, number) for number, print_ in enumerate(prints)]
    for alike in _groups({number: (pictures[number].width, pictures[number].height) for number in set(first)}):
        # most differ in their first rows already, and those of a PNG cost little
        tops = {number: top for number in alike if (top := _top(pictures[number]))}
        close = _groups({number: _pixels(top) or number for number, top in tops.items()})
        for closer in close if len(tops) == len(alike) else [alike]:
            for equal in _groups({number: _pixels(pictures[number]) or number for number in closer}):
                first = [equal[0] if number in equal else number for number in first]
    return first


def _groups(keys: Mapping[int, Hashable]) -> list[list[int]]:
    """Numbers that have the same key, in order; one that is alone with its key is in no group."""
    groups: dict[Hashable, list[int]] = {}
    for number in sorted(keys):
        groups.setdefault(keys[number], []).append(number)
    return [group for group in groups.values() if len(group) > 1]


def _spans(data: bytes, form: str) -> Iterator[_Span]:
    """What carries pixels: kind, start, end.  All of it, in a format whose parts are not walked or do not hold."""
    try:
        walked = list({"png": _png, "jpeg": _jpeg, "webp": _webp}[form](data))
    except (KeyError, ValueError):
        walked = []
    return iter(walked or [(b"", 0, len(data))])


def _png(data: bytes) -> Iterator[_Span]:
    for part in containers.png_chunks(data):
        if part.kind in _PNG_PIXELS:
            yield part.kind, part.body, part.body_end


def _jpeg(data: bytes) -> Iterator[_Span]:
    for part in containers.jpeg_segments(data):
        if part.kind[0] not in _JPEG_ASIDE and part.kind != b"\xda":
            yield part.kind, part.body, part.body_end
    yield b"\xda", part.body, max(data.rfind(b"\xff\xd9"), part.body_end)


def _webp(data: bytes) -> Iterator[_Span]:
    at, whole = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    for _ in range(containers.MAX_PARTS):
        if at + 8 > whole:
            return
        kind, size = struct.unpack_from("<4sI", data, at)
        if kind in _WEBP_PIXELS:
            yield kind, at + 8, min(at + 8 + size, whole)
        at += 8 + size + size % 2
    raise ValueError("too many chunks")


# blank -------------------------------------------------------------------------------------------


def _is_blank(picture: Fetched, carried: int) -> bool:
    area = picture.width * picture.height
    if not MIN_JUDGED <= area <= MAX_DECODED:
        return False
    if carried > _FEW_BYTES + area * _FEW_PER_PIXEL[picture.format] and not _unpacked(picture):
        return False
    try:
        with _ONE_AT_A_TIME:
            image = containers.open_picture(picture.data, picture.format)
            containers.decode(image, picture.format)
            return _flat(image, WEBP_LEVELS if picture.format == "webp" else LEVELS)
    except OutputError:
        return False


def _unpacked(picture: Fetched) -> bool:
    """Whether a PNG may hold one colour although it is large: some writers do not compress."""
    middle = len(picture.data) // 2
    sample = picture.data[middle : middle + _SAMPLE]
    return picture.format == "png" and len(set(sample)) <= _SAMPLE_BYTES


def _flat(image: Image.Image, levels: int) -> bool:
    if image.mode in ("P", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
    spans = image.getextrema()
    spans = spans if isinstance(spans[0], tuple) else (spans,)  # type: ignore[assignment]
    if image.mode in ("RGBA", "LA", "La", "RGBa") and spans[-1] == (0, 0):
        return True
    most = levels * 257 if image.mode.startswith("I") else levels
    return all(high - low <= most for low, high in spans)  # type: ignore[misc]


# the same pixels, packed in two ways -------------------------------------------------------------


def _pixels(picture: Fetched) -> str:
    """A digest of decoded pixels, whatever mode they are kept in; empty where they are too many or broken."""
    if picture.width * picture.height > MAX_DECODED:
        return ""
    try:
        with _ONE_AT_A_TIME:
            image: Image.Image = containers.open_picture(picture.data, picture.format)
            containers.decode(image, picture.format)
            if not image.mode.startswith(("I", "F")):
                image = (image if image.mode in _PLAIN_MODES else image.convert("RGB")).convert("RGBA")
            return hashlib.sha1(image.mode.encode() + image.tobytes(), usedforsecurity=False).hexdigest()
    except OutputError:
        return ""


def _top(picture: Fetched) -> Fetched | None:
    """The first rows of a PNG as a picture of their own; None where there is no such shortcut."""
    if picture.format != "png" or picture.height <= _ROWS:
        return None
    data = picture.data
    width, _, depth, colour, _, _, interlaced = struct.unpack_from(">IIBBBBB", data, 16)
    if interlaced or colour not in _CHANNELS:
        return None
    wanted = _ROWS * (1 + (width * depth * _CHANNELS[colour] + 7) // 8)
    rows, inflater, beside = b"", zlib.decompressobj(), b""
    try:
        for part in containers.png_chunks(data):
            if part.kind in (b"PLTE", b"tRNS"):
                beside += data[part.start : part.end]
            elif part.kind == b"IDAT" and len(rows) < wanted:
                rows += inflater.decompress(data[part.body : part.body_end], wanted - len(rows))
    except (zlib.error, ValueError):
        return None
    header = data[16:20] + _ROWS.to_bytes(4, "big") + data[24:29]
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows, 1)), (b"IEND", b"")]
    made = [containers.png_chunk(kind, body) for kind, body in chunks]
    made.insert(1, beside)
    return Fetched(containers.PNG_SIGNATURE + b"".join(made), "png", width, _ROWS)
