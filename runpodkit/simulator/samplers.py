"""The published samplers: how to walk from noise to a picture, given a denoiser.

They know nothing of pictures, prompts or guidance: `x` is any array of floats, `denoise(x,
sigma)` is the expected clean x, `sigmas` falls to 0, and `noise()` gives fresh white noise
in the shape of x.  Only samplers with an "a" (ancestral) or "SDE" in their name ask for it;
the others follow one curve, so more steps bring them to one picture.

Source: Euler, Heun and the ODE itself: Karras et al. (2022). DPM2: Lu et al. (2022a), DPM-Solver.
DPM++: Lu et al. (2022b). DDIM: Song et al. (2021). LMS: Adams and Bashforth, order 4.
Ancestral steps: Song et al. (2021), eta = 1.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from types import MappingProxyType

import numpy as np

from runpodkit.simulator.chance import Floats

Denoise = Callable[[Floats, float], Floats]
Noise = Callable[[], Floats]
Sampler = Callable[[Denoise, Floats, Sequence[float], Noise], Floats]

_LMS_ORDER = 4


def _euler(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    for now, then in _steps(sigmas):
        x = x + _slope(denoise, x, now) * (then - now)
    return x


def _euler_a(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    for now, then in _steps(sigmas):
        down, up = _ancestral(now, then)
        x = x + _slope(denoise, x, now) * (down - now)
        if up > 0:
            x = x + noise() * up
    return x


def _heun(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    for now, then in _steps(sigmas):
        slope = _slope(denoise, x, now)
        ahead = x + slope * (then - now)
        if then > 0:  # a second look where the first one leads
            ahead = x + 0.5 * (slope + _slope(denoise, ahead, then)) * (then - now)
        x = ahead
    return x


def _dpm2(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    for now, then in _steps(sigmas):
        x = _midpoint(denoise, x, now, then)
    return x


def _dpm2_a(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    for now, then in _steps(sigmas):
        down, up = _ancestral(now, then)
        x = _midpoint(denoise, x, now, down)
        if up > 0:
            x = x + noise() * up
    return x


def _dpmpp_2m(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    before: tuple[Floats, float] | None = None  # the last clean estimate, and its step in -log sigma
    for now, then in _steps(sigmas):
        clean = denoise(x, now)
        if then == 0:
            return clean
        step = math.log(now / then)
        guess = clean
        if before is not None:
            ratio = before[1] / step
            guess = clean + (clean - before[0]) / (2 * ratio)
        x = _exponential(x, guess, step)
        before = (clean, step)
    return x


def _dpmpp_2s_a(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    for now, then in _steps(sigmas):
        down, up = _ancestral(now, then)
        clean = denoise(x, now)
        if down == 0:
            x = clean
        else:
            step = math.log(now / down)
            middle = _exponential(x, clean, step / 2)
            x = _exponential(x, denoise(middle, now * math.exp(-step / 2)), step)
        if up > 0:
            x = x + noise() * up
    return x


def _dpmpp_sde(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    for now, then in _steps(sigmas):
        clean = denoise(x, now)
        if then == 0:
            return clean
        middle = math.sqrt(now * then)  # half way in log sigma
        early, late = noise(), noise()
        share = (now - middle) / (now - then)  # both noises are parts of one random walk in sigma
        down, up = _ancestral(now, middle)
        half_way = _exponential(x, clean, math.log(now / down)) + early * up
        down, up = _ancestral(now, then)
        x = _exponential(x, denoise(half_way, middle), math.log(now / down))
        x = x + (math.sqrt(share) * early + math.sqrt(1 - share) * late) * up
    return x


def _ddim(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    for now, then in _steps(sigmas):
        clean = denoise(x, now)
        x = clean + (x - clean) * (then / now)  # the same noise, less of it
    return x


def _lms(denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    slopes: list[Floats] = []
    for index, (now, _then) in enumerate(_steps(sigmas)):
        slopes = [_slope(denoise, x, now), *slopes][:_LMS_ORDER]
        weights = lms_weights(sigmas, index, len(slopes))
        for weight, slope in zip(weights, slopes, strict=True):
            x = x + slope * weight
    return x


_BY_NAME: MappingProxyType[str, Sampler] = MappingProxyType(
    {
        "Euler": _euler,
        "Euler a": _euler_a,
        "Heun": _heun,
        "DPM2": _dpm2,
        "DPM2 a": _dpm2_a,
        "DPM++ 2M": _dpmpp_2m,
        "DPM++ 2S a": _dpmpp_2s_a,
        "DPM++ SDE": _dpmpp_sde,
        "DDIM": _ddim,
        "LMS": _lms,
    }
)


def sample(name: str, denoise: Denoise, x: Floats, sigmas: Sequence[float], noise: Noise) -> Floats:
    """Walk from `x`, noise of level `sigmas[0]`, down to `sigmas[-1]`.

    Args:
        name: One of `SAMPLERS`, spelt as there.
        denoise: (x, sigma) to the expected clean x.
        x: Any shape; not changed.
        sigmas: n + 1 falling noise levels for n steps; only the last may be 0.
        noise: Fresh white noise in the shape of x, of variance 1.
    """
    return _BY_NAME[name](denoise, x, sigmas, noise)


def lms_weights(sigmas: Sequence[float], index: int, order: int) -> list[float]:
    """What each of the last `order` slopes counts in the step from `sigmas[index]`, newest first.

    The integral over the step of the polynomial that is 1 at its own noise level and 0 at the others'.
    """
    nodes = [sigmas[index - back] for back in range(order)]
    # The polynomial is of degree 3 at most, so two Gauss points integrate it without error.
    middle, half = (sigmas[index + 1] + sigmas[index]) / 2, (sigmas[index + 1] - sigmas[index]) / 2
    points = [middle - half / math.sqrt(3), middle + half / math.sqrt(3)]
    weights = []
    for own in range(order):
        others = [node for other, node in enumerate(nodes) if other != own]
        values = [math.prod((point - node) / (nodes[own] - node) for node in others) for point in points]
        weights.append(half * sum(values))
    return weights


def _steps(sigmas: Sequence[float]) -> list[tuple[float, float]]:
    return list(itertools.pairwise(sigmas))


def _slope(denoise: Denoise, x: Floats, sigma: float) -> Floats:
    """dx/dsigma of the probability flow ODE."""
    return np.asarray((x - denoise(x, sigma)) / sigma)


def _midpoint(denoise: Denoise, x: Floats, now: float, then: float) -> Floats:
    """DPM-Solver-2: the slope half way in log sigma counts for the whole step."""
    slope = _slope(denoise, x, now)
    if then == 0:
        return x - slope * now
    middle = math.sqrt(now * then)
    return x + _slope(denoise, x + slope * (middle - now), middle) * (then - now)


def _exponential(x: Floats, clean: Floats, step: float) -> Floats:
    """Follow the ODE for `step` in -log sigma as if the clean picture were known."""
    kept = math.exp(-step)
    return kept * x + (1.0 - kept) * clean


def _ancestral(now: float, then: float) -> tuple[float, float]:
    """How far down to step and how much fresh noise to add, to end at noise level `then`."""
    up = min(then, math.sqrt(max(0.0, then**2 * (now**2 - then**2) / now**2)))
    return math.sqrt(max(0.0, then**2 - up**2)), up
