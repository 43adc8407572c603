"""Thumbnails: sizes, colours on white, every pixel mode a decoder gives, and broken pictures."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit.errors import OutputError
from runpodkit.images import containers, thumbnails


def colour(image: Image.Image) -> tuple[int, int, int]:
    pixel = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(pixel, tuple)
    return pixel[0], pixel[1], pixel[2]


@pytest.mark.parametrize("form", ["png", "jpeg", "webp", "gif", "avif"])
def test_a_picture_fits_its_box_and_keeps_its_colour(form, picture):
    small = thumbnails.shrink(picture(form, (800, 400)), (100, 100))

    assert (small.size, small.mode) == ((100, 50), "RGB")
    assert all(abs(a - b) < 12 for a, b in zip(colour(small), (200, 60, 30), strict=True))


def test_a_thumbnail_is_a_jpeg_and_never_enlarged(picture):
    assert Image.open(io.BytesIO(thumbnails.thumbnail(picture(size=(800, 400)), 64))).size == (64, 32)
    small = Image.open(io.BytesIO(thumbnails.thumbnail(picture(size=(20, 10)), 64)))
    assert (small.size, small.format) == ((20, 10), "JPEG")


def test_a_grid_may_enlarge(picture):
    assert thumbnails.shrink(picture(size=(10, 20)), (100, 100)).size == (50, 100)


@pytest.mark.parametrize(
    ("mode", "value", "expected"),
    [
        ("RGBA", (255, 0, 0, 0), (255, 255, 255)),
        ("RGBA", (255, 0, 0, 255), (255, 0, 0)),
        ("L", 128, (128, 128, 128)),
        ("LA", (0, 0), (255, 255, 255)),
        ("1", 1, (255, 255, 255)),
        ("P", 0, (0, 0, 0)),
        ("I;16", 32_768, (128, 128, 128)),
    ],
)
def test_every_mode_of_png_becomes_rgb_on_white(mode, value, expected):
    out = io.BytesIO()
    Image.new(mode, (60, 60), value).save(out, "PNG")

    small = thumbnails.shrink(out.getvalue(), (30, 30))

    assert small.mode == "RGB"
    assert all(abs(a - b) <= 1 for a, b in zip(colour(small), expected, strict=True))


def test_a_palette_with_a_transparent_colour_lies_on_white():
    out = io.BytesIO()
    Image.new("P", (60, 60), 0).save(out, "PNG", transparency=0)

    assert colour(thumbnails.shrink(out.getvalue(), (30, 30))) == (255, 255, 255)


def test_a_cmyk_jpeg_is_read(picture):
    assert colour(thumbnails.shrink(picture("jpeg", (64, 64), (0, 0, 0, 0), "CMYK"), (30, 30))) == (255, 255, 255)


def test_broken_pixels_are_an_output_error():
    header = containers.png_chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    data = containers.PNG_SIGNATURE + header + containers.png_chunk(b"IDAT", zlib.compress(b"no"))

    with pytest.raises(OutputError, match="cannot be decoded"):
        thumbnails.shrink(data + containers.png_chunk(b"IEND", b""), (10, 10))
    with pytest.raises(OutputError, match="empty"):
        thumbnails.thumbnail(b"", 10)


def test_no_pixels_asked_for_is_a_value_error(picture):
    with pytest.raises(ValueError, match="px=0"):
        thumbnails.thumbnail(picture(), 0)


sides = st.integers(1, 5000)


@settings(deadline=None)
@given(size=st.tuples(sides, sides), box=st.tuples(sides, sides))
def test_a_fitted_size_lies_in_the_box_touches_it_and_has_pixels(size, box):
    width, height = thumbnails.fitted(size, box)

    assert 1 <= width <= box[0] and 1 <= height <= box[1]
    assert width == box[0] or height == box[1]


@pytest.mark.parametrize(("size", "box", "fits"), [((1, 4096), (100, 100), (1, 100)), ((4096, 1), (100, 50), (100, 1))])
def test_a_line_of_a_picture_stays_a_line(size, box, fits, picture):
    assert thumbnails.shrink(picture(size=size), box).size == fits
