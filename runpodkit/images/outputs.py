"""Picture bytes out of whatever a worker sent: base64, a data URI, or an address to fetch.

An output is hostile until read.  Encoded sizes are bounded before decoding, the header is read
before any pixel is, formats come from the bytes and never from a name or a declared type, and a
local path is never opened.  The bytes are handed on as they came; nothing is re-encoded here.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import re
from typing import NamedTuple

from runpodkit.errors import OutputError
from runpodkit.images import containers, downloads
from runpodkit.jobs import ImageRef

MAX_BYTES = 64 * 2**20
MAX_PIXELS = 64_000_000
INLINE_CHARS = 64 * 1024
"""Encoded pictures up to this length are read at once; larger ones in a thread, so that the loop stays free."""

_DATA_URI = re.compile(r"data:([^,;]{0,100})((?:;[^,;]{0,100}){0,5}),", re.IGNORECASE)
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


class Fetched(NamedTuple):
    """A picture as it came, and what its header says.  `width` and `height` are pixels."""

    data: bytes
    format: str
    width: int
    height: int


async def fetch_image(
    ref: ImageRef,
    *,
    endpoint_host: str,
    max_bytes: int = MAX_BYTES,
    max_pixels: int = MAX_PIXELS,
    timeout_s: float = 60.0,
) -> Fetched:
    """The picture behind a reference, looked at but not decoded.

    Args:
        ref: As a dialect read it out of an output.
        endpoint_host: `host` or `host:port` the jobs go to; the only one that may be a private address.
        max_bytes: Most bytes of the picture itself, whatever its encoding adds.
        max_pixels: Most pixels, width × height.
        timeout_s: Bound of a download as a whole, redirects and repeats included.

    Raises:
        OutputError: what the reference is instead of a picture, in one line without the link's query.
    """
    value = ref.value
    if ref.kind == "url" and value[:5].lower() != "data:":
        data = await downloads.download(value, endpoint_host=endpoint_host, max_bytes=max_bytes, timeout_s=timeout_s)
        return inspect(data, max_bytes=max_bytes, max_pixels=max_pixels)

    def read() -> Fetched:
        return inspect(decode_text(value, max_bytes), max_bytes=max_bytes, max_pixels=max_pixels)

    return read() if len(value) <= INLINE_CHARS else await asyncio.to_thread(read)


def decode_text(text: str, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of base64 text or of a base64 data URI; with or without padding, line breaks, either alphabet.

    Raises:
        OutputError: too long (told before decoding), or not base64.
    """
    body = text
    if text[:5].lower() == "data:":
        match = _DATA_URI.match(text)
        if match is None or ";base64" not in match[2].lower():
            raise OutputError("the output's data URI is not base64")
        body = text[match.end() :]
    # line breaks after every 76 characters add under 3 %; the rest is room for padding
    if len(body) > max_bytes * 4 / 3 * 1.03 + 1024:
        raise OutputError(f"the output's picture has {len(body):,} base64 characters, over {_mib(max_bytes)} of bytes")
    try:
        data = base64.b64decode(body, validate=True)
    except (binascii.Error, ValueError):  # not as most workers write it: another alphabet, line breaks, no padding
        try:
            plain = body.encode("ascii").translate(_URL_SAFE, b" \t\r\n\v\f").rstrip(b"=")
            data = base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
        except (binascii.Error, ValueError) as exc:
            raise OutputError(f"the output's picture is not base64: it begins {_begins(text)}") from exc
    if len(data) > max_bytes:
        raise OutputError(f"the output's picture has {len(data):,} bytes, over {_mib(max_bytes)}")
    return data


def inspect(data: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Fetched:
    """Format and size of a picture from its bytes alone; no pixel is decoded.

    Raises:
        OutputError: no picture of a format we read, cut short, or beyond a bound.
    """
    if len(data) > max_bytes:
        raise OutputError(f"the picture has {len(data):,} bytes, over {_mib(max_bytes)}")
    form = containers.sniff(data)
    if form is None:
        raise OutputError(f"the output is not a picture: it is {containers.describe(data)}")
    width, height = containers.header_size(data, form)
    _bound(form, width, height, max_pixels)
    # a GIF's frame may be larger than the screen its header declares; only its decoder knows
    width, height = containers.open_picture(data, form).size
    _bound(form, width, height, max_pixels)
    return Fetched(data, form, width, height)


def _bound(form: str, width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise OutputError(f"the {form} is {width}×{height} pixels, over {max_pixels / 1e6:g} million")


def _mib(size: int) -> str:
    return f"{size / 2**20:g} MiB"


def _begins(text: str) -> str:
    return repr(text[:24])
