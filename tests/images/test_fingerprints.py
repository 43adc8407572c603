"""Fingerprints: equal for equal pixels in the same packing, whatever stands beside them; blank pictures; repacked ones."""

from __future__ import annotations

import io
import random
import struct
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from runpodkit.images import containers, outputs
from runpodkit.images.fingerprints import Fingerprint, fingerprint, same_pixels
from runpodkit.images.metadata import embed
from runpodkit.params import ImageParams
from runpodkit.prompts import PRESETS, enhance


def saved(image: Image.Image, form: str = "PNG", **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def noise(seed: int = 0, size: tuple[int, int] = (48, 40), mode: str = "RGB") -> Image.Image:
    count = size[0] * size[1] * len(Image.new(mode, (1, 1)).getbands())
    return Image.frombytes(mode, size, random.Random(seed).randbytes(count))


def print_of(data: bytes) -> Fingerprint:
    return fingerprint(outputs.inspect(data))


def firsts(*files: bytes) -> list[int]:
    pictures = [outputs.inspect(data) for data in files]
    return same_pixels(pictures, [fingerprint(one) for one in pictures])


# equal


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_other_pixels_have_another_fingerprint_and_the_same_file_the_same(form: str) -> None:
    one, other = saved(noise(1), form), saved(noise(2), form)

    assert print_of(one).pixels == print_of(bytes(one)).pixels
    assert print_of(one).pixels != print_of(other).pixels
    assert len(print_of(one).pixels) == 16


def test_what_stands_beside_the_pixels_does_not_matter() -> None:
    text = PngImagePlugin.PngInfo()
    text.add_text("prompt", "x" * 900, zip=True)
    image = noise()

    pairs = [
        (saved(image), saved(image, pnginfo=text, dpi=(300, 300))),
        (saved(image, "JPEG"), saved(image, "JPEG", comment=b"words", exif=b"Exif\0\0" + bytes(60))),
        (saved(image, "WEBP"), saved(image, "WEBP", exif=b"Exif\0\0" + bytes(60), xmp=b"<x/>")),
        (saved(image, "WEBP", lossless=True), saved(image, "WEBP", lossless=True, xmp=b"<x/>")),
    ]

    for plain, told in pairs:
        assert plain != told
        assert print_of(plain).pixels == print_of(told).pixels


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_what_we_write_into_a_picture_does_not_change_its_fingerprint(form: str) -> None:
    params = ImageParams(user_prompt="a mill", seed=3)
    data = saved(noise(), form)

    written = embed(data, params, enhance(params, PRESETS["none"]), {"run": "r"})

    assert written != data
    assert print_of(written) == print_of(data)


def test_how_the_pixels_are_cut_into_chunks_does_not_matter() -> None:
    data = saved(noise())
    parts = list(containers.png_chunks(data))
    stream = b"".join(data[part.body : part.body_end] for part in parts if part.kind == b"IDAT")
    pieces = b"".join(containers.png_chunk(b"IDAT", stream[at : at + 50]) for at in range(0, len(stream), 50))
    cut = data[: parts[0].end] + pieces + containers.png_chunk(b"IEND", b"")

    assert print_of(cut).pixels == print_of(data).pixels


def test_a_palette_carries_pixels() -> None:
    image = Image.new("P", (16, 16))
    image.putdata([n % 7 for n in range(256)])
    image.putpalette([n for n in range(21)])
    red = saved(image)
    image.putpalette([255 - n for n in range(21)])

    assert print_of(red).pixels != print_of(saved(image)).pixels


def test_adobes_segment_says_what_colours_are_meant() -> None:
    data = saved(noise(mode="CMYK"), "JPEG")
    at = data.index(b"Adobe")

    changed = data[: at + 11] + bytes([data[at + 11] ^ 2]) + data[at + 12 :]

    assert print_of(changed).pixels != print_of(data).pixels


# repacked


def test_the_same_pixels_packed_in_two_ways_are_found() -> None:
    image, other = noise(1), noise(2)

    files = [saved(image), saved(other), saved(image, compress_level=9), saved(image.convert("RGBA")), saved(image)]

    assert firsts(*files) == [0, 1, 0, 0, 0]
    assert firsts(saved(image), saved(image, "WEBP", lossless=True), saved(other)) == [0, 0, 2]
    assert firsts(saved(image, "JPEG"), saved(image, "JPEG", optimize=True)) == [0, 0]


def test_pictures_that_begin_alike_and_end_otherwise_are_not_equal() -> None:
    image = noise()
    other = image.copy()
    other.putpixel((47, 39), (0, 0, 0))

    assert firsts(saved(image), saved(other), saved(image, compress_level=1)) == [0, 1, 0]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "I;16"])
def test_every_kind_of_png_is_compared(mode: str) -> None:
    image = noise(size=(48, 40)).convert("L").convert("P" if mode == "P" else mode if mode != "I;16" else "I")
    image = image.convert("I;16") if mode == "I;16" else image

    assert firsts(saved(image, compress_level=1), saved(noise(9, mode="L")), saved(image, compress_level=9)) == [
        0,
        1,
        0,
    ]


def test_an_interlaced_png_is_compared_too() -> None:
    image = Image.new("L", (32, 32), 9)
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    rows = b"".join(b"\0" + b"\x09" * len(range(x, 32, dx)) for x, y, dx, dy in passes for _ in range(y, 32, dy))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", 32, 32, 8, 0, 0, 0, 1)), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    woven = containers.PNG_SIGNATURE + b"".join(containers.png_chunk(kind, body) for kind, body in chunks)

    assert firsts(saved(image), woven) == [0, 0]


def test_what_cannot_be_decoded_equals_nothing_but_its_own_bytes() -> None:
    whole = saved(noise(1))
    broken = bytearray(whole)
    broken[len(whole) // 2] ^= 255

    assert firsts(whole, bytes(broken), bytes(broken)) == [0, 1, 1]


def test_no_picture_and_one_picture_need_no_comparing() -> None:
    assert same_pixels([], []) == []
    assert firsts(saved(noise())) == [0]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([1, 6, 9])), max_size=6))
def test_pictures_are_equal_exactly_when_their_pixels_are(kinds: list[tuple[int, int]]) -> None:
    files = [saved(noise(seed, (20, 20)), compress_level=level) for seed, level in kinds]

    seeds = [seed for seed, _ in kinds]
    assert firsts(*files) == [seeds.index(seed) for seed in seeds]


# blank


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
@pytest.mark.parametrize("colour", ["black", "white", (130, 90, 77), (13, 200, 100)])
@pytest.mark.parametrize("size", [(8, 8), (64, 64), (832, 1216)])
def test_one_colour_all_over_is_blank(form: str, colour: Any, size: tuple[int, int]) -> None:
    assert print_of(saved(Image.new("RGB", size, colour), form)).blank


@pytest.mark.parametrize("level", [0, 1, 9])
@pytest.mark.parametrize("mode", ["1", "L", "RGB", "RGBA", "P"])
def test_a_blank_png_is_found_however_it_is_packed(level: int, mode: str) -> None:
    assert print_of(saved(Image.new("RGB", (832, 1216), "black").convert(mode), compress_level=level)).blank


def test_nearly_one_colour_is_blank_and_a_speck_is_not() -> None:
    image = Image.new("RGB", (200, 200), (90, 90, 90))
    image.putpixel((3, 3), (92, 88 + 2, 91))
    speck = image.copy()
    speck.putpixel((150, 20), (94, 90, 90))

    assert print_of(saved(image)).blank
    assert not print_of(saved(speck)).blank


def test_nothing_but_transparency_is_blank_and_a_cut_out_is_not() -> None:
    clear = noise(mode="RGBA")
    clear.putalpha(0)
    shape = Image.new("RGBA", (64, 64), (0, 0, 0, 0))
    shape.paste((0, 0, 0, 255), (10, 10, 30, 30))

    assert print_of(saved(Image.new("RGBA", (64, 64), (0, 0, 0, 0)))).blank
    assert not print_of(saved(shape)).blank
    assert not print_of(saved(clear)).blank, "large enough to be something: not decoded for this"


def test_sixteen_bits_of_grey_are_judged_by_their_own_range() -> None:
    flat, steep = Image.new("I;16", (64, 64), 30_000), Image.new("I;16", (64, 64), 30_000)
    steep.putpixel((9, 9), 31_000)

    assert print_of(saved(flat)).blank
    assert not print_of(saved(steep)).blank


@pytest.mark.parametrize("form", ["PNG", "JPEG", "WEBP", "GIF", "AVIF"])
def test_a_drawing_of_two_colours_is_not_blank(form: str) -> None:
    image = Image.new("RGB", (832, 1216), "white")
    image.paste((0, 0, 0), (400, 600, 420, 620))

    assert not print_of(saved(image, form)).blank


def test_a_few_pixels_are_not_called_blank() -> None:
    assert not print_of(saved(Image.new("RGB", (1, 1)))).blank
    assert not print_of(saved(Image.new("RGB", (7, 9)))).blank


def test_a_normal_picture_is_not_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = [outputs.inspect(saved(noise(size=(300, 300)), form)) for form in ("PNG", "JPEG", "WEBP", "GIF", "AVIF")]

    def never(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(containers, "decode", never)
    assert not any(fingerprint(one).blank for one in pictures)


def test_a_huge_picture_of_one_colour_is_not_decoded_either() -> None:
    # 5,000 × 5,000: under the bound of what is read, over that of what is decoded to be judged
    picture = outputs.inspect(saved(Image.new("1", (5000, 5000))))

    assert not fingerprint(picture).blank


@settings(deadline=None)
@given(st.sampled_from(["png", "jpeg", "webp", "gif", "avif"]), st.integers(0, 5000), st.integers(0, 255))
def test_a_changed_byte_never_raises(picture: Any, form: str, at: int, value: int) -> None:
    data = bytearray(picture(form, (48, 32)))
    data[at % len(data)] = value
    try:
        seen = outputs.inspect(bytes(data))
    except outputs.OutputError:
        return
    prints = [fingerprint(seen)] * 2
    assert same_pixels([seen, seen], prints) == [0, 0]
    assert same_pixels([seen, seen], [prints[0], Fingerprint("another", False)]) in ([0, 0], [0, 1])
