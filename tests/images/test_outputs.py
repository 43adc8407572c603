"""Outputs: base64 and data URIs of every spelling, bounds before decoding, formats from bytes alone."""

from __future__ import annotations

import base64
import struct
import tracemalloc

import pytest

from runpodkit.errors import OutputError
from runpodkit.images import containers, outputs
from runpodkit.jobs import ImageRef

HERE = "api.runpod.ai"


async def fetch(value: str, kind: str = "base64", **bounds: int) -> outputs.Fetched:
    return await outputs.fetch_image(ImageRef(kind, value), endpoint_host=HERE, **bounds)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "gif", "avif"])
async def test_base64_of_every_format_comes_back_byte_for_byte(form, picture):
    data = picture(form)

    fetched = await fetch(base64.b64encode(data).decode())

    assert fetched == (data, form, 40, 24)


@pytest.mark.parametrize(
    "spell",
    [
        lambda text: text.rstrip("="),
        lambda text: text.rstrip("=") + "===",
        lambda text: "\n".join(text[at : at + 76] for at in range(0, len(text), 76)),
        lambda text: "\r\n".join(text[at : at + 64] for at in range(0, len(text), 64)) + "\r\n",
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: f"data:image/png;base64,{text}",
        lambda text: f"DATA:image/jpeg;charset=utf-8;BASE64,{text}",
        lambda text: f"data:;base64,{text}",
        lambda text: f"data:text/html;base64,{text.rstrip('=')}",
    ],
)
async def test_every_spelling_of_base64_is_read(spell, picture):
    data = picture()

    assert (await fetch(spell(base64.b64encode(data).decode()))).data == data


async def test_a_data_uri_among_links_is_read(picture):
    text = base64.b64encode(picture()).decode()

    assert (await fetch(f"data:image/png;base64,{text}", kind="url")).format == "png"


async def test_large_base64_is_read_too(picture):
    import io
    import random

    from PIL import Image

    noise = Image.frombytes("RGB", (200, 200), random.Random(0).randbytes(120_000))
    out = io.BytesIO()
    noise.save(out, "PNG")

    assert (await fetch(base64.b64encode(out.getvalue()).decode())).width == 200


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "empty"),
        ("====", "empty"),
        ("!!!! not base64 !!!!", "not base64"),
        ("AAAAA", "not base64"),
        ("http://example.com/x.png", "not base64"),
        ("/etc/passwd", "not a picture"),
        ("data:image/svg+xml,<svg onload='x'/>", "not base64"),
        ("data:image/png;base64", "not base64"),
        ("data:image/svg+xml;base64," + base64.b64encode(b"<svg/>").decode(), "an SVG"),
        (base64.b64encode(b"<html>502</html>").decode(), "an HTML page"),
        (base64.b64encode(b"\0" * 3000).decode(), "3000 zero bytes"),
        ("кот" * 10, "not base64"),
        ("\ud800" * 10, "not base64"),
    ],
)
async def test_what_is_no_picture_is_refused_by_name(value, words):
    with pytest.raises(OutputError, match=words):
        await fetch(value)


async def test_too_much_base64_is_refused_before_it_is_decoded():
    text = "A" * 40_000_000

    tracemalloc.start()
    with pytest.raises(OutputError, match="base64 characters, over 1 MiB"):
        await fetch(text, max_bytes=2**20)
    assert tracemalloc.get_traced_memory()[1] < 200_000
    tracemalloc.stop()


def test_base64_just_over_the_bound_is_refused_after_decoding():
    with pytest.raises(OutputError, match="1,020 bytes"):
        outputs.decode_text(base64.b64encode(bytes(1020)).decode(), max_bytes=1000)


def test_a_bomb_of_a_png_is_refused_by_its_header():
    header = containers.png_chunk(b"IHDR", struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0))
    rest = containers.png_chunk(b"IDAT", b"x") + containers.png_chunk(b"IEND", b"")

    with pytest.raises(OutputError, match="60000×60000 pixels, over 64 million"):
        outputs.inspect(containers.PNG_SIGNATURE + header + rest)


@pytest.mark.parametrize(("width", "height"), [(16_384, 16_384), (1, 2**24)])
def test_a_bomb_of_a_webp_is_refused_by_its_header(width, height, picture):
    canvas = b"\0\0\0\0" + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas
    data = b"RIFF" + struct.pack("<I", len(body)) + body
    big = width * height > 64_000_000

    with pytest.raises(OutputError, match="million" if big else "opened"):
        outputs.inspect(data)


@pytest.mark.parametrize("side", [8_100, 10_000, 60_000])
def test_a_gif_whose_frame_outgrows_its_screen_is_bounded_by_the_frame(side, picture):
    data = bytearray(picture("gif"))
    at = data.index(b"\x2c", 13)
    data[at + 5 : at + 9] = struct.pack("<HH", side, side)

    with pytest.raises(OutputError, match=r"million|bomb"):
        outputs.inspect(bytes(data))


def test_the_pixel_bound_can_be_set_and_is_inclusive(picture):
    assert outputs.inspect(picture(size=(10, 10)), max_pixels=100).width == 10
    with pytest.raises(OutputError, match="10×10"):
        outputs.inspect(picture(size=(10, 10)), max_pixels=99)


def test_a_polyglot_is_what_its_first_bytes_are(picture):
    page = b"<html><script>alert(1)</script></html>"

    assert outputs.inspect(picture() + page).format == "png"
    with pytest.raises(OutputError, match="HTML"):
        outputs.inspect(page + picture())
    with pytest.raises(OutputError, match="ZIP"):
        outputs.inspect(b"PK\x03\x04" + picture())


def test_one_format_under_the_signature_of_another_is_refused(picture):
    with pytest.raises(OutputError):
        outputs.inspect(containers.PNG_SIGNATURE + picture("jpeg"))


def test_text_bombs_inside_a_png_are_bounded(picture):
    import zlib

    data = picture()
    bomb = containers.png_chunk(b"zTXt", b"parameters\0\0" + zlib.compress(bytes(50_000_000)))

    with pytest.raises(OutputError, match="cannot be opened"):
        outputs.inspect(data[:33] + bomb + data[33:])
