"""Frames: whatever its container, mode and size, a picture is measured at the same scale."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageFilter

from runpodkit.errors import OutputError
from runpodkit.images import frames, measures


def packed(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def gradient(size: tuple[int, int] = (96, 64)) -> Image.Image:
    grey = Image.linear_gradient("L").resize(size)
    return Image.merge("RGB", [grey, grey.transpose(Image.Transpose.ROTATE_180), grey])


def test_a_picture_is_its_pixels_whatever_holds_them() -> None:
    expected = np.asarray(gradient())

    for form in ("PNG", "WEBP"):
        assert np.array_equal(np.asarray(frames.read(packed(gradient(), form, lossless=True))), expected)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "1", "CMYK"])
def test_every_mode_becomes_colours_on_white(mode: str) -> None:
    image = gradient().convert(mode)
    form = "JPEG" if mode == "CMYK" else "PNG"

    assert frames.read(packed(image, form)).mode == "RGB"


def test_what_is_transparent_is_white() -> None:
    assert frames.read(packed(Image.new("RGBA", (4, 4), (10, 20, 30, 0)))).getpixel((0, 0)) == (255, 255, 255)


def test_no_picture_is_an_output_error() -> None:
    with pytest.raises(OutputError):
        frames.read(b"no picture")
    with pytest.raises(OutputError):
        frames.read(packed(gradient())[:200])


@pytest.mark.parametrize("size", [(832, 1216), (1216, 832), (64, 64), (2000, 500)])
def test_a_frame_has_the_same_number_of_pixels_and_the_proportions(size: tuple[int, int]) -> None:
    height, width, channels = frames.frame(Image.new("RGB", size)).shape

    assert channels == 3
    assert height * width == pytest.approx(512 * 512, rel=0.005)
    assert width / height == pytest.approx(size[0] / size[1], rel=0.01)


def test_the_same_picture_larger_is_about_as_sharp() -> None:
    small = Image.effect_noise((512, 512), 90).convert("RGB").filter(ImageFilter.GaussianBlur(2))
    large = small.resize((1024, 1024), Image.Resampling.BICUBIC)
    one, other = (measures.sharpness(frames.luma(frames.frame(each))) for each in (small, large))

    assert other == pytest.approx(one, rel=0.1)
    assert measures.sharpness(frames.luma(np.asarray(large))) < one / 4


def test_luma_weighs_the_channels() -> None:
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]]], np.uint8)

    assert frames.luma(colours)[0] == pytest.approx([76.245, 149.685, 29.07, 9])


@pytest.mark.parametrize(("side", "expected"), [(832, 278), (256, 256), (383, 383), (384, 192), (64, 64)])
def test_structures_are_compared_at_about_256_pixels(side: int, expected: int) -> None:
    """832 / 256 = 3.25, so blocks of 3 × 3; 384 / 256 = 1.5 rounds to 2."""
    assert frames.ssim_luma(Image.new("RGB", (side, 2 * side))).shape[1] == expected


def test_blocks_are_averaged() -> None:
    stripes = np.tile(np.array([[0, 100]], np.uint8), (600, 300))
    reduced = frames.ssim_luma(Image.fromarray(stripes))

    assert reduced.shape == (300, 300)
    assert set(reduced.ravel().tolist()) == {50}


def test_lumas_of_two_sizes_meet_at_the_smaller() -> None:
    one, other = frames.same_size(np.full((40, 20), 7, np.uint8), np.full((60, 30), 9, np.uint8))

    assert one.shape == other.shape == (40, 20)
    assert set(other.ravel().tolist()) == {9}
    with pytest.raises(ValueError, match="other proportions"):
        frames.same_size(np.zeros((40, 20), np.uint8), np.zeros((40, 40), np.uint8))


def test_a_hash_survives_another_size_and_a_lossy_container() -> None:
    whole = gradient((832, 1216))
    one = measures.phash(frames.hashed_luma(whole))
    small = frames.read(packed(whole.resize((416, 608)), "JPEG", quality=60))

    assert measures.hash_distance(one, measures.phash(frames.hashed_luma(small))) <= 0.1
