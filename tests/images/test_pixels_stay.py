"""No pixel moves: pictures of every kind, decoded before and after their parameters went in."""

from __future__ import annotations

import io
import struct
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops, ImageCms

from runpodkit.images import containers, metadata, outputs
from runpodkit.params import ImageParams
from runpodkit.prompts import SentPrompt

PARAMS = ImageParams(user_prompt="a mill маяк", seed=3, steps=9)
SENT = SentPrompt("a mill маяк, sharp", "blurry")
PROFILE = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

sizes = st.tuples(st.integers(1, 70), st.integers(1, 70))
noise = st.integers(0, 2**31)


def drawn(mode: str, size: tuple[int, int], chance: int) -> Image.Image:
    """A picture of noise, the same for the same number."""
    wide = "L" if mode in ("1", "P") else mode
    length = size[0] * size[1] * len(Image.new(wide, (1, 1)).tobytes())
    random = (chance.to_bytes(4, "big") * (length // 4 + 1))[:length]
    mixed = bytes((byte * (at % 251 + 1) + at) % 256 for at, byte in enumerate(random))
    return Image.frombytes(wide, size, mixed).convert(mode)


def saved(image: Image.Image, form: str, **how: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **how)
    return out.getvalue()


def frames(data: bytes) -> list[tuple[str, tuple[int, int], bytes, Any]]:
    """Everything that is seen: mode, size, pixels and duration of every frame."""
    image = Image.open(io.BytesIO(data))
    seen = []
    for number in range(getattr(image, "n_frames", 1)):
        image.seek(number)
        image.load()
        seen.append((image.mode, image.size, image.tobytes(), image.info.get("duration")))
    return seen


def shown(data: bytes) -> dict[str, Any]:
    """What else decides how it is seen."""
    info = Image.open(io.BytesIO(data)).info
    return {name: info.get(name) for name in ("icc_profile", "gamma", "loop", "background", "transparency")}


def check(data: bytes) -> None:
    for changed in (once := metadata.embed(data, PARAMS, SENT, {}), metadata.embed(once, PARAMS, SENT, {})):
        assert frames(changed) == frames(data)
        assert shown(changed) == shown(data)
        assert metadata.read_metadata(changed) == PARAMS
        assert outputs.inspect(changed)[1:] == outputs.inspect(data)[1:]
    assert metadata.embed(once, PARAMS, SENT, {}) == once


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]), sizes, noise, st.integers(0, 9), st.booleans())
def test_of_a_png(mode, size, chance, level, profile):
    check(saved(drawn(mode, size, chance), "PNG", compress_level=level, icc_profile=PROFILE if profile else None))


@settings(deadline=None, max_examples=20)
@given(sizes, noise, st.integers(2, 5))
def test_of_an_animated_png(size, chance, count):
    images = [drawn("RGBA", size, chance + number) for number in range(count)]
    check(saved(images[0], "PNG", save_all=True, append_images=images[1:], duration=70, loop=2))


@settings(deadline=None, max_examples=60)
@given(
    st.sampled_from(["L", "RGB", "CMYK"]),
    sizes,
    noise,
    st.integers(1, 100),
    st.booleans(),
    st.booleans(),
    st.integers(0, 2),
)
def test_of_a_jpeg(mode, size, chance, quality, progressive, profile, subsampling):
    how = {"icc_profile": PROFILE} if profile else {}
    data = saved(
        drawn(mode, size, chance), "JPEG", quality=quality, progressive=progressive, subsampling=subsampling, **how
    )
    check(data)


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(["RGB", "RGBA"]), sizes, noise, st.booleans(), st.booleans(), st.integers(0, 100))
def test_of_a_webp(mode, size, chance, lossless, profile, quality):
    how = {"icc_profile": PROFILE} if profile else {}
    check(saved(drawn(mode, size, chance), "WEBP", lossless=lossless, quality=quality, exact=True, method=0, **how))


@settings(deadline=None, max_examples=25)
@given(st.sampled_from(["RGB", "RGBA"]), sizes, noise, st.integers(2, 5), st.booleans(), st.booleans())
def test_of_an_animated_webp(mode, size, chance, count, lossless, mixed):
    images = [drawn(mode, size, chance + number) for number in range(count)]
    how = {"allow_mixed": mixed} if not lossless else {"lossless": True}
    check(
        saved(
            images[0], "WEBP", save_all=True, append_images=images[1:], duration=[40 * (n + 1) for n in range(count)],
            loop=3, background=(1, 2, 3, 4), method=0, **how,
        )
    )  # fmt: skip


def test_a_lossless_webp_with_its_alpha_bit_and_nothing_transparent_keeps_its_alpha():
    data = saved(Image.new("RGBA", (5, 4), (9, 8, 7, 255)), "WEBP", lossless=True, exact=True)
    bits = bytearray(data)
    bits[24] |= 0x10  # the header of VP8L: signature, 14 bits of width - 1, 14 of height - 1, alpha

    changed = metadata.embed(bytes(bits), PARAMS, SENT, {})

    assert changed[20] & 0x10, "the extended header says so too"
    assert frames(changed) == frames(bytes(bits))


def test_the_pixels_of_a_simple_webp_are_the_same_bytes_in_their_place(picture):
    data = picture("webp", (300, 200))
    pixels = next(part for part in containers.webp_chunks(data))

    changed = metadata.embed(data, PARAMS, SENT, {})

    kinds = [part.kind for part in containers.webp_chunks(changed)]
    assert kinds == [b"VP8X", b"VP8 ", b"EXIF", b"XMP ", b"rpkt"]
    assert data[pixels.start : pixels.end] in changed
    flags, width, height = changed[20], changed[24:27], changed[27:30]
    assert (flags, width, height) == (0b1100, (299).to_bytes(3, "little"), (199).to_bytes(3, "little"))
    assert struct.unpack_from("<I", changed, 4)[0] == len(changed) - 8


def test_chunks_that_nobody_knows_come_last_and_stay(picture):
    data = picture("webp")
    data = data[:12] + data[12:] + containers.webp_chunk(b"abcd", b"odd") + containers.webp_chunk(b"wxyz", b"")
    data = b"RIFF" + struct.pack("<I", len(data) - 8) + data[8:] + b"behind the file"

    changed = metadata.embed(data, PARAMS, SENT, {})

    kinds = [part.kind for part in containers.webp_chunks(changed)]
    assert kinds == [b"VP8X", b"VP8 ", b"EXIF", b"XMP ", b"abcd", b"wxyz", b"rpkt"]
    assert b"abcd\x03\0\0\0odd\0" in changed and changed.endswith(b"behind the file")
    assert metadata.embed(changed, PARAMS, SENT, {}) == changed


def test_a_last_chunk_without_its_padding_gets_it(picture):
    data = picture("webp") + b"abcd" + struct.pack("<I", 3) + b"odd"
    data = b"RIFF" + struct.pack("<I", len(data) - 8) + data[8:]

    changed = metadata.embed(data, PARAMS, SENT, {})

    assert [part.kind for part in containers.webp_chunks(changed)][-2:] == [b"abcd", b"rpkt"]
    assert frames(changed) == frames(picture("webp")), "libwebp opens it again"


def test_the_flags_of_an_extended_webp_stay_and_ours_join(picture):
    images = [Image.new("RGBA", (9, 9), (200, 0, 0, 50 * number)) for number in range(3)]
    data = saved(images[0], "WEBP", save_all=True, append_images=images[1:], icc_profile=PROFILE)

    changed = metadata.embed(data, PARAMS, SENT, {})

    assert changed[20] == data[20] | 0b1100
    without = metadata.embed(changed, PARAMS, SENT, {}, ai_mark=False)
    assert without[20] == data[20] | 0b1000, "no packet, no flag for one"
    order = [part.kind for part in containers.webp_chunks(changed)]
    assert order == [b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ANMF", b"ANMF", b"EXIF", b"XMP ", b"rpkt"]


def test_the_check_itself_would_see_one_pixel():
    one = drawn("RGB", (9, 9), 5)
    other = one.copy()
    other.putpixel((4, 4), (one.getpixel((4, 4))[0] ^ 1, 0, 0))  # type: ignore[index, operator]

    assert frames(saved(one, "PNG")) != frames(saved(other, "PNG"))
    assert ImageChops.difference(one, other).getbbox() is not None
