"""Samplers against a distribution whose walk is known exactly: one Gaussian.

For mean m and variance S the denoiser is m + S/(S + sigma^2) (x - m), and the ODE leads from x at
level sigma to m + (x - m) sqrt(S / (S + sigma^2)).
"""

from __future__ import annotations

import numpy as np
import pytest

from runpodkit.simulator import SAMPLERS
from runpodkit.simulator.chance import Chance, Floats
from runpodkit.simulator.samplers import lms_weights, sample
from runpodkit.simulator.schedules import HIGHEST, sigmas

MEAN, VARIANCE = 3.0, 0.25
RANDOM = ("Euler a", "DPM2 a", "DPM++ 2S a", "DPM++ SDE")
ODE = tuple(name for name in SAMPLERS if name not in RANDOM)


def denoise(x: Floats, sigma: float) -> Floats:
    return MEAN + VARIANCE / (VARIANCE + sigma**2) * (x - MEAN)


def no_noise() -> Floats:
    raise AssertionError("this sampler must not ask for noise")


def error(name: str, steps: int) -> float:
    """How far from the exact end a walk from three places ends, at most."""
    start = np.array([-HIGHEST, 1.0, 2 * HIGHEST])
    exact = MEAN + (start - MEAN) * np.sqrt(VARIANCE / (VARIANCE + HIGHEST**2))
    return float(np.abs(sample(name, denoise, start, sigmas("karras", steps), no_noise) - exact).max())


@pytest.mark.parametrize("name", ODE)
def test_samplers_without_noise_settle_on_the_exact_picture(name: str) -> None:
    assert error(name, 200) < error(name, 20) < error(name, 6)
    assert error(name, 200) < 0.02


def test_twice_the_steps_halve_eulers_error_and_quarter_that_of_second_order() -> None:
    assert error("Euler", 200) / error("Euler", 400) == pytest.approx(2, rel=0.15)
    for name in ("Heun", "DPM2", "DPM++ 2M"):
        assert error(name, 100) < 0.2 * error("Euler", 100)


@pytest.mark.parametrize("name", SAMPLERS)
def test_samples_have_the_mean_and_spread_of_the_distribution(name: str) -> None:
    chance = Chance("test", name)
    start = MEAN + chance.normals(20_000) * np.sqrt(VARIANCE + HIGHEST**2)
    ends = sample(name, denoise, start, sigmas("karras", 120), lambda: chance.normals(20_000))

    assert ends.mean() == pytest.approx(MEAN, abs=0.03)
    assert ends.std() == pytest.approx(0.5, rel=0.05)


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_single_step_is_the_denoisers_first_word(name: str) -> None:
    start = np.array([5.0, -5.0])

    assert sample(name, denoise, start, (2.0, 0.0), no_noise) == pytest.approx(denoise(start, 2.0))
    assert start.tolist() == [5.0, -5.0]


@pytest.mark.parametrize("name", RANDOM)
def test_ancestral_samplers_follow_their_noise(name: str) -> None:
    start = Chance("start").normals(100)

    def ends(seed: int) -> Floats:
        chance = Chance("noise", seed)
        return sample(name, denoise, start, sigmas("normal", 10), lambda: chance.normals(100))

    assert np.array_equal(ends(1), ends(1))
    assert np.abs(ends(1) - ends(2)).max() > 0.3


@pytest.mark.parametrize(
    ("name", "calls"),
    [(name, 7 if name in ("Euler", "Euler a", "DPM++ 2M", "DDIM", "LMS") else 13) for name in SAMPLERS],
)
def test_second_order_samplers_look_twice_per_step_but_the_last(name: str, calls: int) -> None:
    seen: list[float] = []

    def counting(x: Floats, sigma: float) -> Floats:
        seen.append(sigma)
        return denoise(x, sigma)

    sample(name, counting, np.ones(3), sigmas("normal", 7), lambda: np.zeros(3))

    assert len(seen) == calls
    assert min(seen) > 0


def test_lms_weights_are_those_of_adams_and_bashforth_on_even_levels() -> None:
    even = [5.0, 4.0, 3.0, 2.0, 1.0, 0.0]  # h = -1

    assert lms_weights(even, 0, 1) == pytest.approx([-1])
    assert lms_weights(even, 1, 2) == pytest.approx([-3 / 2, 1 / 2])
    assert lms_weights(even, 3, 4) == pytest.approx([-55 / 24, 59 / 24, -37 / 24, 9 / 24])
