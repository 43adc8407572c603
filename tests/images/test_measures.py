"""Measures: values worked out by hand, the laws they keep, and a slow implementation straight from the formula."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.images import measures

RNG = np.random.default_rng(7)
NOISE = RNG.integers(0, 256, (24, 20)).astype(np.uint8)
C1, C2 = 2.55**2, 7.65**2


def flat(level: int, shape: tuple[int, ...] = (16, 16)) -> npt.NDArray[np.uint8]:
    return np.full(shape, level, np.uint8)


lumas = st.integers(0, 2**32 - 1).map(
    lambda seed: np.random.default_rng(seed).integers(0, 256, (13, 14)).astype(np.uint8)
)


# sharpness


def test_a_flat_picture_and_a_slope_have_no_sharpness() -> None:
    assert measures.sharpness(flat(200)) == 0
    assert measures.sharpness(np.arange(8 * 8).reshape(8, 8)) == 0


def test_one_bright_pixel_has_the_variance_of_its_laplacian() -> None:
    """Within 3 × 3 inner pixels the Laplacian is −40 once, 10 four times and 0 four times: mean 0, mean square 2000 / 9."""
    luma = flat(0, (5, 5))
    luma[2, 2] = 10

    assert measures.sharpness(luma) == pytest.approx(2000 / 9)


def test_a_blurred_picture_is_less_sharp() -> None:
    blurred = (NOISE[:-1].astype(float) + NOISE[1:]) / 2

    assert measures.sharpness(blurred) < measures.sharpness(NOISE) / 2


# contrast


def test_contrast_is_the_spread_of_levels() -> None:
    half = np.concatenate([flat(0, (4, 8)), flat(255, (4, 8))])

    assert measures.contrast(half) == 0.5  # the most there is
    assert measures.contrast(flat(90)) == 0
    assert measures.contrast(half // 5) == pytest.approx(0.1)


# colourfulness


def test_greys_have_no_colour_and_one_hue_has_only_its_mean() -> None:
    red = np.zeros((4, 4, 3), np.uint8)
    red[:, :, 0] = 255

    assert measures.colourfulness(np.repeat(NOISE[:, :, None], 3, axis=2)) == pytest.approx(0, abs=1e-9)
    assert measures.colourfulness(red) == pytest.approx(0.3 * math.hypot(255, 127.5))


def test_two_opposite_hues_have_only_their_spread() -> None:
    """Red and cyan by halves: red − green is ±255, yellow − blue ±127.5, both of mean 0."""
    both = np.zeros((2, 4, 3), np.uint8)
    both[0, :, 0] = 255
    both[1, :, 1:] = 255

    assert measures.colourfulness(both) == pytest.approx(math.hypot(255, 127.5))


# perceptual hash


def direct_hash(luma: npt.NDArray[np.uint8]) -> int:
    """The transform as its sum, one coefficient at a time."""
    angle = [[math.pi * u * (2 * x + 1) / 64 for x in range(32)] for u in range(9)]
    found = []
    for v in range(1, 9):
        for u in range(1, 9):
            total = sum(
                float(luma[y, x]) * math.cos(angle[v][y]) * math.cos(angle[u][x]) for y in range(32) for x in range(32)
            )
            found.append(round(total / 16, 6))
    middle = (sorted(found)[31] + sorted(found)[32]) / 2
    return sum(1 << (63 - place) for place, value in enumerate(found) if value > middle)


def test_the_hash_is_that_of_the_formula() -> None:
    luma = np.random.default_rng(1).integers(0, 256, (32, 32)).astype(np.uint8)

    assert measures.phash(luma) == direct_hash(luma)


def test_the_lowest_frequency_is_the_first_bit() -> None:
    wave = np.cos(np.pi * (2 * np.arange(32) + 1) / 64)
    luma = 128 + 100 * np.outer(wave, wave)

    assert measures.phash(luma) == 1 << 63


def test_half_of_the_bits_of_noise_are_set_and_none_of_a_flat_picture() -> None:
    assert measures.phash(RNG.integers(0, 256, (32, 32))).bit_count() == 32
    assert {measures.phash(flat(level, (32, 32))) for level in (0, 1, 77, 254, 255)} == {0}


def test_brightness_and_contrast_do_not_change_a_hash() -> None:
    luma = RNG.integers(0, 100, (32, 32))

    assert measures.phash(luma * 2 + 30) == measures.phash(luma)


def test_a_negative_has_the_opposite_hash() -> None:
    luma = RNG.integers(0, 256, (32, 32))

    assert measures.hash_distance(measures.phash(luma), measures.phash(255 - luma)) == 1


hashes = st.integers(0, 2**64 - 1)


@given(hashes, hashes, hashes)
def test_hashes_are_apart_as_things_are(one: int, other: int, third: int) -> None:
    apart = measures.hash_distance

    assert apart(one, one) == 0
    assert apart(one, other) == apart(other, one)
    assert 0 <= apart(one, other) <= apart(one, third) + apart(third, other)
    assert apart(one, one ^ (2**64 - 1)) == 1


# structural similarity


def direct_ssim(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Equation 13 at each window, every weight and difference written out."""
    at = [(x, y) for x in range(11) for y in range(11)]
    weights = {(x, y): math.exp(-((x - 5) ** 2 + (y - 5) ** 2) / (2 * 1.5**2)) for x, y in at}
    whole = sum(weights.values())
    found = []
    for top in range(one.shape[0] - 10):
        for left in range(one.shape[1] - 10):
            pairs = [
                (weight / whole, float(one[top + y, left + x]), float(other[top + y, left + x]))
                for (x, y), weight in weights.items()
            ]
            mean_x, mean_y = sum(w * x for w, x, _ in pairs), sum(w * y for w, _, y in pairs)
            var_x = sum(w * (x - mean_x) ** 2 for w, x, _ in pairs)
            var_y = sum(w * (y - mean_y) ** 2 for w, _, y in pairs)
            both = sum(w * (x - mean_x) * (y - mean_y) for w, x, y in pairs)
            found.append(
                (2 * mean_x * mean_y + C1) * (2 * both + C2) / ((mean_x**2 + mean_y**2 + C1) * (var_x + var_y + C2))
            )
    return sum(found) / len(found)


@settings(max_examples=10, deadline=None)
@given(lumas, lumas)
def test_ssim_is_that_of_the_formula(one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> None:
    assert measures.ssim(one, other) == pytest.approx(direct_ssim(one, other), abs=1e-9)


@given(lumas, lumas)
def test_ssim_is_one_of_equal_pictures_alike_both_ways_and_bounded(
    one: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]
) -> None:
    assert measures.ssim(one, one) == 1
    assert measures.ssim(one, other) == measures.ssim(other, one)
    assert -1 <= measures.ssim(one, other) <= 1
    assert (measures.ssim(one, other) == 1) == np.array_equal(one, other)


@pytest.mark.parametrize(("a", "b"), [(0, 255), (100, 110), (7, 7)])
def test_flat_pictures_are_compared_by_their_means_alone(a: int, b: int) -> None:
    assert measures.ssim(flat(a), flat(b)) == pytest.approx((2 * a * b + C1) / (a * a + b * b + C1))


def test_a_negative_is_less_alike_than_no_relation() -> None:
    assert measures.ssim(NOISE, 255 - NOISE) < -0.9


def test_sixteen_bits_of_level_do_not_run_over() -> None:
    """uint8 arrays square beyond 255: the sums are of floats."""
    assert measures.ssim(flat(255), flat(255)) == 1


# what is refused


def test_shapes_that_cannot_be_measured_are_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(2, 9\): give \(height, width\), each 3 pixels or more"):
        measures.sharpness(flat(0, (2, 9)))
    with pytest.raises(ValueError, match="at one size"):
        measures.ssim(flat(0, (16, 16)), flat(0, (16, 17)))
    with pytest.raises(ValueError, match="each 11 pixels or more"):
        measures.ssim(flat(0, (10, 16)), flat(0, (10, 16)))
    with pytest.raises(ValueError, match=r"\(height, width, 3\)"):
        measures.colourfulness(flat(0))
    with pytest.raises(ValueError, match=r"made of \(32, 32\)"):
        measures.phash(flat(0))
