"""Containers: what bytes are, whether they are whole, and that hostile ones end in one error."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit.errors import OutputError
from runpodkit.images import containers, outputs

FORMATS = ("png", "jpeg", "webp", "gif", "avif")


def png(width: int, height: int, pixels: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(pixels)), (b"IEND", b"")]
    return containers.PNG_SIGNATURE + b"".join(containers.png_chunk(kind, body) for kind, body in chunks)


@pytest.mark.parametrize("form", FORMATS)
def test_each_format_is_known_by_its_bytes_and_its_size_read(form, picture):
    data = picture(form, (40, 24))

    assert containers.sniff(data) == form
    assert containers.header_size(data, form) == (40, 24)


@pytest.mark.parametrize("lossless", [True, False])
def test_both_kinds_of_webp_are_measured(lossless):
    out = io.BytesIO()
    Image.new("RGBA", (321, 123), (1, 2, 3, 99)).save(out, "WEBP", lossless=lossless)

    assert containers.header_size(out.getvalue(), "webp") == (321, 123)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\0" * 500, "500 zero bytes"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>", "an SVG"),
        (b"<?xml version='1.0'?>\n<svg/>", "an XML document"),
        (b"<!-- c --><svg onload=x>", "a marked-up document"),
        (b"  \n<!DOCTYPE html><html>", "an HTML page"),
        (b'{"error": "no"}', "JSON"),
        (b"%PDF-1.7", "a PDF"),
        (b"PK\x03\x04rest", "a ZIP archive"),
        (b"\x1f\x8b\x08", "a gzip archive"),
        (b"BM\x00\x00", "a BMP"),
        (b"not found", "text"),
        (b"\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00", "a video"),
        (bytes(range(128, 256)), "bytes of no picture format"),
    ],
)
def test_what_is_no_picture_is_named(data, words):
    assert containers.sniff(data) is None
    assert containers.describe(data).startswith(words)


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "gif"])
def test_a_file_cut_anywhere_is_refused(form, picture):
    data = picture(form, (64, 64))

    for cut in range(1, len(data) - 1, max(1, len(data) // 60)):
        with pytest.raises(OutputError):
            outputs.inspect(data[:cut])


def test_a_cut_avif_is_refused(picture):
    data = picture("avif", (64, 64))

    for cut in (40, len(data) // 2, len(data) - 1):
        with pytest.raises(OutputError):
            outputs.inspect(data[:cut])


def test_a_header_without_pixels_is_refused():
    data = png(10, 10).replace(b"IDAT", b"IDAX")

    with pytest.raises(OutputError, match="broken"):
        containers.header_size(data, "png")


def test_no_pixels_at_all_is_refused():
    with pytest.raises(OutputError, match="0×10 pixels"):
        containers.header_size(png(0, 10), "png")


def test_millions_of_chunks_are_not_walked():
    data = containers.PNG_SIGNATURE + png(8, 8)[8:33] + containers.png_chunk(b"teXt", b"") * 70_000 + png(8, 8)[33:]

    with pytest.raises(OutputError):
        containers.header_size(data, "png")


def test_a_jpeg_of_endless_scans_is_refused(picture):
    data = picture("jpeg")
    scans = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * 300

    with pytest.raises(OutputError, match="scans"):
        containers.header_size(data[:-2] + scans + b"\xff\xd9", "jpeg")


def test_broken_pixels_are_found_when_decoded():
    data = png(64, 64, b"too short")
    image = containers.open_picture(data, "png")

    with pytest.raises(OutputError, match="cannot be decoded"):
        containers.decode(image, "png")


@settings(deadline=None)
@given(st.sampled_from(FORMATS), st.binary(max_size=300))
def test_any_bytes_behind_a_signature_end_in_an_output_error_or_a_size(form, tail):
    starts = {
        "png": containers.PNG_SIGNATURE,
        "jpeg": b"\xff\xd8\xff",
        "webp": b"RIFF\x10\0\0\0WEBP",
        "gif": b"GIF89a",
        "avif": b"\0\0\0\x1cftypavif",
    }
    try:
        fetched = outputs.inspect(starts[form] + tail)
    except OutputError:
        return
    assert fetched.width > 0 and fetched.height > 0


@settings(deadline=None)
@given(st.integers(0, 5000), st.integers(0, 255), st.sampled_from(["png", "jpeg", "webp", "gif", "avif"]))
def test_a_changed_byte_never_escapes_as_another_error(picture, at, value, form):
    data = bytearray(picture(form, (48, 32)))
    data[at % len(data)] = value
    with contextlib.suppress(OutputError):
        outputs.inspect(bytes(data))
