"""The containers pictures come in, read byte by byte: which format, which size, whether whole.

Trusts no name and no declared type, only the bytes.  Sizes are read before anything is
allocated for pixels; the chunks of a PNG or WebP and the segments of a JPEG are walked
without touching what they hold.  Decoding is Pillow's, through `open_picture`, which is told
the format and has nothing to guess.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from PIL import AvifImagePlugin, GifImagePlugin, Image, ImageFile, JpegImagePlugin, PngImagePlugin, WebPImagePlugin

from runpodkit.errors import OutputError

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PARTS = 65_536
"""Chunks or segments walked; writers make one per 8 kB or more, so 64 MiB need at most 8,192."""
MAX_SCANS = 200
"""Scans of one JPEG; real ones have at most a dozen, and each costs a pass over all pixels."""

_OPENERS: dict[str, Callable[[io.BytesIO], ImageFile.ImageFile]] = {
    "png": PngImagePlugin.PngImageFile,
    "jpeg": JpegImagePlugin.JpegImageFile,
    "webp": WebPImagePlugin.WebPImageFile,
    "gif": GifImagePlugin.GifImageFile,
    "avif": AvifImagePlugin.AvifImageFile,
}


class Part(NamedTuple):
    """A chunk or segment: its kind, and where it starts, holds its payload, and ends."""

    kind: bytes
    start: int
    body: int
    body_end: int
    end: int


def sniff(data: bytes) -> str | None:
    """The format the first bytes show: png, jpeg, webp, gif, avif; None for anything else."""
    if data.startswith(PNG_SIGNATURE):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if data[4:8] == b"ftyp":
        brands = data[8 : min(int.from_bytes(data[:4], "big"), 128)]
        if any(brands[at : at + 4] in (b"avif", b"avis") for at in (0, *range(8, len(brands), 4))):
            return "avif"
    return None


def describe(data: bytes) -> str:
    """What bytes that are no picture look like, in two or three words."""
    if not data:
        return "empty"
    head = data[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for start, words in _LOOKS:
        if head.startswith(start):
            return words
    if b"<svg" in head:
        return "an SVG, which is never drawn here"
    if data[4:8] == b"ftyp":
        return "a video or an unknown picture format"
    if not data.strip(b"\0"):
        return f"{len(data)} zero bytes"
    printable = sum(32 <= byte < 127 or byte in (9, 10, 13) for byte in head)
    return "text" if head and printable == len(head) else "bytes of no picture format we know"


_LOOKS = (
    (b"<svg", "an SVG, which is never drawn here"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
    (b"<?xml", "an XML document"),
    (b"<", "a marked-up document"),
    (b"{", "JSON"),
    (b"[", "JSON"),
    (b"%pdf", "a PDF"),
    (b"pk\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"bm", "a BMP, which is not read"),
    (b"ii*\0", "a TIFF, which is not read"),
    (b"mm\0*", "a TIFF, which is not read"),
)


def header_size(data: bytes, form: str) -> tuple[int, int]:
    """Width and height in pixels as the header says, without decoding; also checks that the file is whole.

    Raises:
        OutputError: the header is broken or the file ends too early.
    """
    try:
        size = _SIZES[form](data)
    except (struct.error, IndexError, ValueError) as exc:
        raise OutputError(f"the {form} is cut short or its header is broken") from exc
    if size[0] < 1 or size[1] < 1:
        raise OutputError(f"the {form} says it is {size[0]}×{size[1]} pixels")
    return size


def open_picture(data: bytes, form: str) -> ImageFile.ImageFile:
    """Pillow's lazy image of bytes whose format and size were already looked at.

    Goes to the one decoder that fits, past `Image.open`: there is nothing to guess, and Pillow's
    own size check warns through the process-wide `warnings`, which is no place for a bound.

    Raises:
        OutputError: the decoder cannot read the header.
    """
    try:
        return _OPENERS[form](io.BytesIO(data))
    except Exception as exc:  # decoders raise a dozen kinds on hostile bytes
        raise OutputError(f"the {form} cannot be opened: {_reason(exc)}") from exc


def decode(image: Image.Image, form: str) -> None:
    """Decode the pixels now.

    Raises:
        OutputError: the pixel data is broken.
    """
    try:
        image.load()
    except Exception as exc:
        raise OutputError(f"the {form} cannot be decoded: {_reason(exc)}") from exc


def png_chunks(data: bytes) -> Iterator[Part]:
    """The chunks of a PNG up to and with IEND; raises ValueError where the file ends too early."""
    at = len(PNG_SIGNATURE)
    for _ in range(MAX_PARTS):
        if at + 12 > len(data):
            raise ValueError("cut short")
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            raise ValueError("cut short")
        yield Part(kind, at, at + 8, end - 4, end)
        if kind == b"IEND":
            return
        at = end
    raise ValueError("too many chunks")


def png_chunk(kind: bytes, body: bytes) -> bytes:
    """One PNG chunk, length and checksum included."""
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(body, zlib.crc32(kind)))


def jpeg_segments(data: bytes) -> Iterator[Part]:
    """The segments of a JPEG from after SOI to the first scan (SOS, the last one given).

    `kind` is the marker's second byte; raises ValueError where the file ends too early.
    """
    at = 2
    for _ in range(MAX_PARTS):
        start = at
        if at + 4 > len(data):
            raise ValueError("cut short")
        if data[at] != 0xFF:
            raise ValueError("no marker where one must be")
        at += 1
        marker = data[at]
        if marker == 0xFF:  # fill bytes may precede a marker
            continue
        at += 1
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        if marker == 0xD9:
            raise ValueError("ends before its first scan")
        length = int.from_bytes(data[at : at + 2], "big")
        end = at + length
        if length < 2 or end > len(data):
            raise ValueError("cut short")
        yield Part(bytes([marker]), start, at + 2, end, end)
        if marker == 0xDA:
            return
        at = end
    raise ValueError("too many segments")


def jpeg_segment(marker: int, body: bytes) -> bytes:
    """One JPEG segment; `body` holds at most 65,533 bytes."""
    return struct.pack(">BBH", 0xFF, marker, len(body) + 2) + body


def webp_chunks(data: bytes) -> Iterator[Part]:
    """The chunks of a WebP within its RIFF; raises ValueError where one or the file ends too early."""
    riff_end = 8 + int.from_bytes(data[4:8], "little")
    if riff_end > len(data):
        raise ValueError("cut short")
    at = 12
    for _ in range(MAX_PARTS):
        if at >= riff_end:
            return
        if at + 8 > riff_end:
            raise ValueError("cut short")
        kind, length = struct.unpack_from("<4sI", data, at)
        body_end = at + 8 + length
        if body_end > riff_end:
            raise ValueError("cut short")
        end = min(body_end + length % 2, riff_end)  # the last chunk's padding is missing where a writer forgot it
        yield Part(kind, at, at + 8, body_end, end)
        at = end
    raise ValueError("too many chunks")


def webp_chunk(kind: bytes, body: bytes) -> bytes:
    """One WebP chunk, length and padding included."""
    return struct.pack("<4sI", kind, len(body)) + body + b"\0" * (len(body) % 2)


def _png_size(data: bytes) -> tuple[int, int]:
    kinds: set[bytes] = set()
    for chunk in png_chunks(data):
        if not kinds and (chunk.kind != b"IHDR" or chunk.body_end - chunk.body != 13):
            raise ValueError("no header first")
        kinds.add(chunk.kind)
    if b"IDAT" not in kinds:
        raise ValueError("no pixels")
    width, height = struct.unpack_from(">II", data, 16)
    return width, height


def _jpeg_size(data: bytes) -> tuple[int, int]:
    size: tuple[int, int] | None = None
    scan = 0
    for part in jpeg_segments(data):
        marker = part.kind[0]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, part.body + 1)
            size = (width, height) if size is None else size
        scan = part.end
    if size is None or data.rfind(b"\xff\xd9", scan) < 0:
        raise ValueError("no frame, or no end")
    if data.count(b"\xff\xda") > MAX_SCANS:
        raise OutputError(f"the jpeg has over {MAX_SCANS} scans: made to keep a decoder busy")
    return size


def _gif_size(data: bytes) -> tuple[int, int]:
    if b"\x3b" not in data[13:] or b"\x2c" not in data[13:]:
        raise ValueError("no picture, or no end")
    width, height = struct.unpack_from("<HH", data, 6)
    return width, height


def _webp_size(data: bytes) -> tuple[int, int]:
    if int.from_bytes(data[4:8], "little") + 8 > len(data):
        raise ValueError("cut short")
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:
        raise ValueError("cut short")
    if kind == b"VP8X":
        return int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(body[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", body, 6)
        return width & 0x3FFF, height & 0x3FFF
    raise ValueError("unknown chunk first")


def _avif_size(data: bytes) -> tuple[int, int]:
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        if length == 1:
            (length,) = struct.unpack_from(">Q", data, at + 8)
        if length == 0:
            break
        if length < 8 or at + length > len(data):
            raise ValueError("cut short")
        at += length
    # libavif parses boxes only, and refuses over 16,384 pixels a side, before any pixel is decoded
    return open_picture(data, "avif").size


_SIZES: dict[str, Callable[[bytes], tuple[int, int]]] = {
    "png": _png_size,
    "jpeg": _jpeg_size,
    "gif": _gif_size,
    "webp": _webp_size,
    "avif": _avif_size,
}


def _reason(exc: BaseException) -> str:
    return " ".join(str(exc).split())[:120] or type(exc).__name__
