"""The exact denoiser and the cosine transform under it, against the formulas written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.simulator.chance import Chance, Floats
from runpodkit.simulator.mixture import Mixture, texture_variance, to_coefficients, to_pixels

FIRST, REST = slice(0, 2), slice(2, 5)


@pytest.fixture
def mixture() -> Mixture:
    chance = Chance("mixture")
    means = chance.normals(5 * 30).reshape(5, 30)
    return Mixture.of(means, np.array([0.5, 0.5, 0.2, 0.3, 0.5]), 0.1 + chance.units(30))


def spelt_out(mixture: Mixture, x: Floats, sigma: float, group: slice) -> Floats:
    """The design's formula, term by term."""
    noise = mixture.variance + sigma**2
    means, priors = mixture.means[group], np.exp(mixture.log_priors[group])
    weights = np.array([p * np.exp(-0.5 * ((x - m) ** 2 / noise).sum()) for p, m in zip(priors, means, strict=True)])
    weights /= weights.sum()
    answers = [m + mixture.variance / noise * (x - m) for m in means]
    return np.asarray(sum(w * answer for w, answer in zip(weights, answers, strict=True)))


@pytest.mark.parametrize("sigma", [0.05, 1.0, 20.0])
def test_the_denoiser_is_the_expectation_written_out(mixture: Mixture, sigma: float) -> None:
    x = Chance("x").normals(30)

    conditional = spelt_out(mixture, x, sigma, FIRST)
    unconditional = spelt_out(mixture, x, sigma, REST)

    assert mixture.denoise(x, sigma, FIRST, REST, 1.0) == pytest.approx(conditional)
    assert mixture.denoise(x, sigma, FIRST, REST, 0.0) == pytest.approx(unconditional)
    guided = unconditional + 7.5 * (conditional - unconditional)
    assert mixture.denoise(x, sigma, FIRST, REST, 7.5) == pytest.approx(guided)


def test_a_picture_far_from_all_means_is_still_a_number(mixture: Mixture) -> None:
    assert np.isfinite(mixture.denoise(np.full(30, 1e6), 1e-3, FIRST, REST, 30.0)).all()


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 5))
def test_the_transform_keeps_lengths_and_angles_and_can_be_undone(height: int, width: int, seed: int) -> None:
    one, two = Chance("pixels", seed).normals(2 * height * width * 3).reshape(2, height, width, 3)

    first, second = to_coefficients(one), to_coefficients(two)

    assert first.shape == (3, height, width)
    assert (first * second).sum() == pytest.approx((one * two).sum())
    assert to_pixels(first) == pytest.approx(one)


def test_the_transform_by_hand() -> None:
    grey = np.ones((2, 4, 3))
    coefficients = to_coefficients(grey)
    assert coefficients[0, 0, 0] == pytest.approx(np.sqrt(2 * 4 * 3))  # all of it is lightness at frequency 0
    coefficients[0, 0, 0] = 0
    assert np.abs(coefficients).max() < 1e-12

    step = np.zeros((1, 2, 3))
    step[0, 0] = 1.0  # [1, 0] has the coefficients 1/sqrt 2 and 1/sqrt 2; three channels give sqrt 3
    assert to_coefficients(step)[0, 0] == pytest.approx(np.sqrt([1.5, 1.5]))


def test_texture_falls_with_frequency_as_the_design_says() -> None:
    variance = texture_variance(256, 256)

    assert variance[0, 0, 200] / variance[0, 0, 100] == pytest.approx(2**-2.2, rel=0.01)
    assert variance[0, 30, 40] == pytest.approx(variance[0, 0, 50])
    assert (variance[1] < variance[0]).all()


def test_texture_is_as_strong_at_every_size() -> None:
    small, large = texture_variance(64, 64), texture_variance(256, 256)

    assert small[0, 3, 5] / 64**2 == pytest.approx(large[0, 3, 5] / 256**2)
