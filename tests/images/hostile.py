"""A corpus of hostile and odd outputs: files, addresses and output values, each with what must come of it.

A table, made on the spot so that no scanner finds it in the repository.  Run as a program it puts the
whole corpus through everything that reads pictures and prints how much memory that took and which
files were opened.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import gzip
import io
import json
import random
import struct
import sys
import zlib
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from runpodkit.errors import OutputError
from runpodkit.images import containers

HUGE = 1_000_000_000
PAGE = b"<!DOCTYPE html><html><script>alert(1)</script></html>"


class File(NamedTuple):
    """Bytes that claim to be a picture."""

    name: str
    make: Callable[[], bytes]
    refused: str | None = None
    """Words of the error; None: it is a picture."""
    size: tuple[int, int] | None = None
    decodes: bool = True
    """Whether what is a picture by its header is one by its pixels."""


class Output(NamedTuple):
    """What a worker might return."""

    name: str
    make: Callable[[], Any]
    said: str | None = None
    """Words of the reason; None: it names pictures that can be read."""


class Address(NamedTuple):
    """A link that must not be followed."""

    name: str
    url: str
    said: str


def saved(image: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


@lru_cache
def picture(form: str = "PNG", size: tuple[int, int] = (48, 32)) -> bytes:
    """A picture of noise: nothing in it can be left out."""
    return saved(Image.frombytes("RGB", size, random.Random(7).randbytes(size[0] * size[1] * 3)), form)


def chunks(*given: tuple[bytes, bytes]) -> bytes:
    return b"".join(containers.png_chunk(kind, body) for kind, body in given)


def png(width: int, height: int, pixels: bytes, *before: tuple[bytes, bytes], depth: int = 8, colour: int = 2) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return containers.PNG_SIGNATURE + chunks((b"IHDR", header), *before, (b"IDAT", pixels), (b"IEND", b""))


def _inserted(*new: tuple[bytes, bytes], late: bool = False) -> bytes:
    """A PNG with more chunks behind its header, or behind its pixels."""
    data = picture()
    at = len(data) - 12 if late else 33
    return data[:at] + chunks(*new) + data[at:]


@lru_cache(maxsize=1)
def _packed_zeros() -> bytes:
    """A gigabyte of nothing, in a megabyte: one block of it, a hundred times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = packer.compress(bytes(HUGE // 100)) + packer.flush(zlib.Z_FULL_FLUSH)
    checksum = (HUGE % 65_521) << 16 | 1
    return b"\x78\xda" + block * 100 + b"\x03\x00" + checksum.to_bytes(4, "big")


@lru_cache(maxsize=1)
def _a_megabyte() -> bytes:
    return zlib.compress(bytes(999_000), 9)


def _patched(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _webp(kind: bytes, body: bytes) -> bytes:
    inside = b"WEBP" + kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def _webp_canvas(width: int, height: int) -> bytes:
    return _webp(b"VP8X", b"\2\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little"))


def _gif_frame(side: int) -> bytes:
    data = picture("GIF")
    at = data.index(b"\x2c", 13 + 3 * 256)
    return _patched(data, at + 5, struct.pack("<HH", side, side))


def _avif_of(side: int) -> bytes:
    data = picture("AVIF")
    return _patched(data, data.index(b"ispe") + 8, struct.pack(">II", side, side))


def _jpeg_scans(count: int) -> bytes:
    data = saved(Image.new("RGB", (32, 32), "red"), "JPEG", progressive=True)
    scan = data.index(b"\xff\xda")
    return data[:scan] + data[scan:-2] * count + b"\xff\xd9"


def _jpeg_with(marker: int, body: bytes) -> bytes:
    data = picture("JPEG")
    return data[:2] + containers.jpeg_segment(marker, body) + data[2:]


def _jpeg_height(height: int) -> bytes:
    data = picture("JPEG")
    return _patched(data, data.index(b"\xff\xc0") + 5, struct.pack(">H", height))


def _gif_and_script() -> bytes:
    """A GIF that a browser which was told so would run: its width spells the start of a comment."""
    data = picture("GIF")
    return data[:6] + b"/*" + data[8:] + b"*/=1;alert(1);//"


def _animation(form: str) -> bytes:
    frames = [Image.new("RGB", (40, 24), colour) for colour in ("red", "green", "blue")]
    return saved(frames[0], form, save_all=True, append_images=frames[1:], duration=100)


def _sixteen_bits(colour: int, channels: int) -> bytes:
    row = b"\0" + b"\x80\x00" * channels * 20
    return png(20, 10, zlib.compress(row * 10), depth=16, colour=colour)


def _exif_that_circles() -> bytes:
    # the first directory names itself as the next one, and as its own EXIF directory
    entry = struct.pack(">HHII", 0x8769, 4, 1, 8)
    return b"Exif\0\0MM\0*" + struct.pack(">I", 8) + struct.pack(">H", 1) + entry + struct.pack(">I", 8)


FILES = [
    # bombs
    File("png of 3.6 gigapixels", lambda: png(60_000, 60_000, b"x"), "60000×60000 pixels, over 64 million"),
    File("png of 2^31 wide", lambda: png(2**31 - 1, 1, b"x"), "over 64 million"),
    File(
        "png that unpacks to 64 megapixels",
        lambda: png(8000, 8000, zlib.compress(bytes(1001 * 8000), 9), depth=1, colour=0),
        size=(8000, 8000),
    ),
    File("png whose pixels go on for a gigabyte", lambda: png(10, 10, _packed_zeros()), size=(10, 10)),
    File("zTXt bomb", lambda: _inserted((b"zTXt", b"parameters\0\0" + _packed_zeros())), "cannot be opened"),
    File("iTXt bomb", lambda: _inserted((b"iTXt", b"prompt\0\1\0\0\0" + _packed_zeros())), "cannot be opened"),
    File("iCCP bomb", lambda: _inserted((b"iCCP", b"icc\0\0" + _packed_zeros())), "cannot be opened"),
    File(
        "zTXt bomb behind the pixels",
        lambda: _inserted((b"zTXt", b"parameters\0\0" + _packed_zeros()), late=True),
        size=(48, 32),
        decodes=False,
    ),
    File(
        "a thousand texts of a megabyte",
        lambda: _inserted(*[(b"zTXt", b"k%d\0\0" % n + _a_megabyte()) for n in range(1000)]),
        "cannot be opened",
    ),
    File("webp canvas of 2^48 pixels", lambda: _webp_canvas(2**24, 2**24), "over 64 million"),
    File("webp of 16383 squared, lossless", lambda: _webp(b"VP8L", b"/\xfe\xff\xff\x0f" + bytes(9)), "over 64 million"),
    File("gif screen of 65535 squared", lambda: _patched(picture("GIF"), 6, b"\xff" * 4), "65535×65535 pixels"),
    File("gif whose frame outgrows its screen", lambda: _gif_frame(60_000), "million|bomb"),
    File("avif of 16384 squared", lambda: _avif_of(16_384), "million|cannot be opened"),
    File("avif of 2^32 squared", lambda: _avif_of(2**32 - 1), "million|cannot be opened"),
    File(
        "jpeg of 65500 squared",
        lambda: _patched(_jpeg_height(65_500), picture("JPEG").index(b"\xff\xc0") + 7, b"\xff\xdc"),
        "million",
    ),
    File("jpeg of ten thousand scans", lambda: _jpeg_scans(1000), "scans"),
    File("png of seventy thousand chunks", lambda: _inserted(*[(b"teSt", b"")] * 70_000), "cut short or its header"),
    # no pixels, or not what they say
    File("png without width", lambda: png(0, 10, b"x"), "0×10 pixels"),
    File("png without height", lambda: png(10, 0, b"x"), "10×0 pixels"),
    File("jpeg without height", lambda: _jpeg_height(0), "48×0 pixels"),
    File("gif without size", lambda: _patched(picture("GIF"), 6, bytes(4)), "0×0 pixels"),
    File("png without pixels", lambda: picture().replace(b"IDAT", b"IDAX"), "header is broken"),
    File("png with its end first", lambda: containers.PNG_SIGNATURE + chunks((b"IEND", b"")), "header is broken"),
    File("png whose chunk lies about its length", lambda: _patched(picture(), 33, b"\xff" * 4), "cut short"),
    File("png with too few pixels", lambda: png(64, 64, zlib.compress(b"few")), size=(64, 64), decodes=False),
    File("png with noise for pixels", lambda: png(64, 64, bytes(99)), size=(64, 64), decodes=False),
    File("png of a colour type that is none", lambda: png(8, 8, zlib.compress(bytes(999)), colour=5), "opened"),
    File("png in jpeg's clothes", lambda: b"\xff\xd8\xff" + picture(), "jpeg"),
    File("jpeg in png's clothes", lambda: containers.PNG_SIGNATURE + picture("JPEG"), "png"),
    File("nothing but a signature", lambda: containers.PNG_SIGNATURE, "cut short"),
    File("webp that lies about its length", lambda: _patched(picture("WEBP"), 4, b"\xff\xff\xff\x7f"), "cut short"),
    File("webp of an unknown chunk", lambda: _webp(b"ABCD", bytes(30)), "webp"),
    File("gif whose blocks never end", lambda: picture("GIF")[:-1].replace(b";", b",") + b"\xff" * 999, "gif"),
    File("avif whose box is endless", lambda: _patched(picture("AVIF"), 32, b"\xff" * 4), "cut short|opened"),
    File("avif whose box is of 64 bits", lambda: picture("AVIF") + b"\0\0\0\1mdat" + b"\xff" * 8, "cut short"),
    File("jpeg whose exif goes in circles", lambda: _jpeg_with(0xE1, _exif_that_circles()), size=(48, 32)),
    File("jpeg with half a colour profile", lambda: _jpeg_with(0xE2, b"ICC_PROFILE\0\7\2half"), size=(48, 32)),
    # two things at once
    File("png and zip", lambda: picture() + b"PK\3\4" + bytes(26) + b"PK\5\6" + bytes(18), size=(48, 32)),
    File("gif and javascript", _gif_and_script, size=(10_799, 32)),
    File("jpeg and html", lambda: _jpeg_with(0xFE, PAGE) + PAGE, size=(48, 32)),
    File("png and php", lambda: _inserted((b"tEXt", b"c\0<?php system($_GET[0]); ?>")), size=(48, 32)),
    File("html and png", lambda: PAGE + picture(), "an HTML page"),
    File("zip and png", lambda: b"PK\3\4" + picture(), "a ZIP archive"),
    File("pdf and jpeg", lambda: b"%PDF-1.7\n" + picture("JPEG"), "a PDF"),
    # no picture
    File("svg", lambda: b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", "an SVG, which is never drawn"),
    File(
        "svg with a head",
        lambda: b"<?xml version='1.0'?><!DOCTYPE svg [<!ENTITY x SYSTEM 'file:///etc/passwd'>]><svg>&x;</svg>",
        "XML",
    ),
    File("svg in gzip", lambda: gzip.compress(b"<svg/>"), "a gzip archive"),
    File("html", lambda: PAGE, "an HTML page"),
    File("html of an older age", lambda: b"\xef\xbb\xbf\r\n <HTML><BODY>502</BODY></HTML>", "an HTML page"),
    File(
        "what a bucket says",
        lambda: b"<?xml version='1.0'?><Error><Code>AccessDenied</Code></Error>",
        "an XML document",
    ),
    File("json", lambda: b'{"error": "no"}', "JSON"),
    File("nothing", lambda: b"", "empty"),
    File("zeros", lambda: bytes(4096), "4096 zero bytes"),
    File("text", lambda: b"/workspace/outputs/0.png", "text"),
    File("bmp", lambda: saved(Image.new("RGB", (8, 8)), "BMP"), "a BMP, which is not read"),
    File("tiff", lambda: saved(Image.new("RGB", (8, 8)), "TIFF"), "a TIFF, which is not read"),
    File("photoshop", lambda: b"8BPS\0\1" + bytes(40), "no picture format"),
    File("mp4", lambda: b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(40), "a video"),
    File("heic", lambda: b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(40), "a video or an unknown picture"),
    File(
        "postscript, which decoders hand to a shell",
        lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "text",
    ),
    File("elf", lambda: b"\x7fELF\2\1\1" + bytes(50), "no picture format"),
    # rare, but pictures
    File("animated gif", lambda: _animation("GIF"), size=(40, 24)),
    File("animated png", lambda: _animation("PNG"), size=(40, 24)),
    File("animated webp", lambda: _animation("WEBP"), size=(40, 24)),
    File("animated avif", lambda: _animation("AVIF"), size=(40, 24)),
    File("jpeg in cmyk", lambda: saved(Image.new("CMYK", (40, 24), (9, 99, 9, 30)), "JPEG"), size=(40, 24)),
    File("jpeg in grey", lambda: saved(Image.new("L", (40, 24), 99), "JPEG"), size=(40, 24)),
    File("png of 16 bits of grey", lambda: _sixteen_bits(0, 1), size=(20, 10)),
    File("png of 16 bits of colour", lambda: _sixteen_bits(2, 3), size=(20, 10)),
    File("png of 16 bits of grey and alpha", lambda: _sixteen_bits(4, 2), size=(20, 10)),
    File("png of 16 bits of colour and alpha", lambda: _sixteen_bits(6, 4), size=(20, 10)),
    File("png with a palette", lambda: saved(Image.new("P", (40, 24), 3)), size=(40, 24)),
    File(
        "png with a clear colour in its palette",
        lambda: saved(Image.new("P", (40, 24), 3), transparency=3),
        size=(40, 24),
    ),
    File("png of one bit", lambda: saved(Image.new("1", (40, 24), 1)), size=(40, 24)),
    File("one pixel", lambda: saved(Image.new("RGB", (1, 1))), size=(1, 1)),
    File("a line of pixels", lambda: saved(Image.new("L", (60_000, 1))), size=(60_000, 1)),
]


def _deep(value: Any, depth: int, wrap: Callable[[Any], Any]) -> Any:
    for _ in range(depth):
        value = wrap(value)
    return value


def text_of(data: bytes) -> str:
    return base64.b64encode(data).decode()


OUTPUTS = [
    Output(
        "lists a thousand deep", lambda: _deep(text_of(picture()), 1000, lambda inner: [inner, 0]), "holds no picture"
    ),
    Output(
        "objects a thousand deep",
        lambda: _deep(text_of(picture()), 1000, lambda inner: {"images": inner}),
        "holds no picture",
    ),
    Output(
        "objects around nothing, a thousand deep",
        lambda: _deep({}, 1000, lambda inner: {"error": inner, "x": 1}),
        "too deep",
    ),
    Output("a million words", lambda: {"images": ["word"] * 1_000_000}, "holds no picture"),
    Output("a million names", lambda: {str(n): n for n in range(1_000_000)}, "holds no picture"),
    Output("16 million leaves", lambda: _deep("word", 4, lambda inner: [inner] * 64), "holds no picture"),
    Output("a hundred thousand pictures", lambda: {"images": [text_of(picture())] * 100_000}),
    Output("base64 in a sea of spaces", lambda: {"image": text_of(picture()) + " " * 20_000_000}),
    Output(
        "base64 with a space behind each letter",
        lambda: {"image": text_of(picture())[:80] + " ".join(text_of(picture())[80:])},
    ),
    Output("base64 that is all line breaks", lambda: {"image": "A" * 80 + "\n" * 20_000_000}, "not a picture"),
    Output("base64 of nothing", lambda: {"image": "A" * 4_000_000}, "zero bytes"),
    Output("base64 that breaks off", lambda: {"image": text_of(picture())[:-9]}, "cut short"),
    Output("base64 that is none", lambda: {"image": "A" * 200 + "!" * 200}, "not base64"),
    Output("base64 with half a character", lambda: {"image": "A" * 200 + "\ud800"}, "not base64"),
    Output("a data URI of another type", lambda: {"image": "data:image/jpeg;base64," + text_of(picture("WEBP"))}),
    Output("a data URI of a made-up type", lambda: {"image": 'data:image/x-evil;q="1";base64,' + text_of(picture())}),
    Output("a data URI without a type", lambda: ["data:;base64," + text_of(picture())]),
    Output("a data URI of bytes", lambda: "data:application/octet-stream;base64," + text_of(picture("AVIF"))),
    Output("a data URI of SVG", lambda: {"image": "data:image/svg+xml;base64," + text_of(b"<svg/>")}, "an SVG"),
    Output(
        "a data URI of plain SVG", lambda: {"image": "data:image/svg+xml,<svg onload=alert(1)>"}, "holds no picture"
    ),
    Output("a data URI of HTML", lambda: {"image": "data:text/html;base64," + text_of(PAGE)}, "holds no picture"),
    Output(
        "a data URI of HTML that calls itself a picture",
        lambda: {"image": "data:image/png;base64," + text_of(PAGE)},
        "an HTML page",
    ),
    Output(
        "a data URI with an endless head",
        lambda: {"image": "data:" + "a" * 1_000_000 + ";base64,AAAA"},
        "holds no picture",
    ),
    Output(
        "a name that climbs", lambda: {"images": [{"filename": "../../../etc/cron.d/x", "data": text_of(picture())}]}
    ),
    Output("a path that climbs", lambda: {"image": "../../../../../../../../etc/passwd"}, "holds no picture"),
    Output("an absolute path", lambda: {"image": "/etc/passwd"}, "holds no picture"),
    Output("a long path that looks like base64", lambda: {"image": "/" + "a" * 80 + "/../../etc/passwd"}, "not base64"),
    Output("a path of letters alone", lambda: {"image": "/etc/" + "a" * 80}, "not a picture|not base64"),
    Output("a file address", lambda: {"image_url": "file:///etc/passwd"}, "holds no picture"),
    Output("a windows path", lambda: {"image": "C:\\\\Windows\\\\win.ini"}, "holds no picture"),
    Output("a share", lambda: {"image": "\\\\\\\\evil\\\\share\\\\x.png"}, "holds no picture"),
    Output("a private address", lambda: {"image_url": "http://169.254.169.254/latest/meta-data/"}, "private address"),
    Output(
        "numbers where text should be",
        lambda: {"images": [1, 2.5, None, True, {"data": 7}], "status": 7, "error": 0},
        "holds no picture",
    ),
    Output("an error that is a picture", lambda: {"error": text_of(picture()) * 9}, "characters that begin iVBOR"),
    Output("an error of a megabyte", lambda: {"error": "x " * 500_000}, "x x x"),
    Output("no number", lambda: {"cost": float("nan"), "seed": float("inf"), "images": [text_of(picture())]}),
]

ADDRESSES = [
    Address("metadata of a cloud", "http://169.254.169.254/latest/meta-data/iam/", "private address"),
    Address("this machine", "http://127.0.0.1:6379/", "private address"),
    Address("this machine by name", "http://localhost:6379/", "private address"),
    Address("this machine in one number", "http://2130706433/", "not followed|private address|no host"),
    Address("this machine, in IPv6 around IPv4", "http://[::ffff:127.0.0.1]/", "private address"),
    Address("the next machine", "https://192.168.0.1/", "private address"),
    Address("a file", "file:///etc/passwd", "only http"),
    Address("a path", "/etc/passwd", "names a file on the worker"),
    Address("a path that climbs", "../../etc/passwd", "names a file on the worker"),
    Address("a script", "javascript:alert(1)", "only http"),
    Address("an old protocol", "gopher://127.0.0.1:6379/_FLUSHALL", "only http"),
    Address("a user", "https://user:s3cr3t@example.com/", "user name or password"),
    Address("a megabyte", "https://example.com/" + "a" * 1_000_000, "1,000,020 characters"),
    Address("another line", "http://127.0.0.1/x\r\nHost: evil", "private address"),
]


async def through_everything() -> None:
    """The whole corpus through everything that reads pictures; whatever is not an OutputError ends it."""
    from runpodkit.endpoint.dialects.reading import read_output
    from runpodkit.images import fingerprints, metadata, outputs, thumbnails
    from runpodkit.jobs import ImageRef
    from runpodkit.params import ImageParams
    from runpodkit.prompts import PRESETS, enhance
    from runpodkit.runs.collecting import distinct, fetch_all

    params = ImageParams(user_prompt="a mill", seed=1)
    for file in FILES:
        data = file.make()
        with contextlib.suppress(OutputError):
            thumbnails.thumbnail(data, 256)
        with contextlib.suppress(OutputError, ValueError):
            fingerprints.fingerprint(outputs.inspect(data))
            metadata.embed(data, params, enhance(params, PRESETS["none"]), {})
            metadata.read_metadata(data)
    for output in OUTPUTS:
        haul = await fetch_all(read_output(output.make()).images, "api.runpod.ai")
        distinct(haul.fetched)
    for address in ADDRESSES:
        with contextlib.suppress(OutputError):
            await outputs.fetch_image(ImageRef("url", address.url), endpoint_host="api.runpod.ai")


def main() -> None:

    opened: set[str] = set()
    sys.addaudithook(lambda event, about: opened.add(str(about[0])) if event == "open" else None)
    asyncio.run(through_everything())
    print(json.dumps({"peak_kb": peak_kb(), "opened": sorted(opened)}))


def peak_kb() -> int:
    """Most memory of this process.  On Linux getrusage counts what its parent had when it was forked, too."""
    import resource

    status = Path("/proc/self/status")
    if status.is_file():
        return int(status.read_text().partition("VmHWM:")[2].split()[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (1 if sys.platform != "darwin" else 1024)


if __name__ == "__main__":
    main()
