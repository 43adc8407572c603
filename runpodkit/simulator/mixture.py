"""The exact denoiser of a Gaussian mixture whose components share one diagonal covariance.

Works on coefficients of an orthonormal cosine transform, where white noise stays white and a
picture's texture is diagonal.  Knows neither prompts nor samplers.  Numpy's own loops and FFT
only, never BLAS: one core, and sums in an order that does not depend on the number of cores.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from runpodkit.simulator.chance import Floats

_NEGLIGIBLE = 1e-12
"""Components that weigh less than this are left out of the mean: far below what a pixel can show."""

TEXTURE = 0.022
"""Amplitude of the texture's coefficients at low frequencies, in units of the picture's range [-1, 1] per root pixel."""

_FLAT_BELOW = 2.0
"""Half waves per picture below which the texture's spectrum is flat."""

_CHROMA = 0.30
"""How strong the texture is in colour, against 1 in lightness."""

_AXES = np.array([[1.0, 1.0, 1.0], [1.0, 0.0, -1.0], [1.0, -2.0, 1.0]])
_AXES /= np.sqrt((_AXES**2).sum(axis=1, keepdims=True))
"""Orthonormal: lightness, red against blue, green against both."""


def to_coefficients(pixels: Floats) -> Floats:
    """Pixels, shape (height, width, 3), to orthonormal cosine coefficients, shape (3, height, width)."""
    return _dct(_dct(np.einsum("ac,hwc->ahw", _AXES, pixels)).swapaxes(1, 2)).swapaxes(1, 2)


def to_pixels(coefficients: Floats) -> Floats:
    """The inverse of `to_coefficients`."""
    return np.asarray(np.einsum("ac,ahw->hwc", _AXES, _idct(_idct(coefficients.swapaxes(1, 2)).swapaxes(1, 2))))


def texture_variance(height: int, width: int) -> Floats:
    """Variance S of each coefficient around its mean, shape (3, height, width): S falls as 1/f^2.2.

    Frequencies count half waves along the longer side, so a texture looks alike at every size.
    """
    longer = max(height, width)
    rows = (np.arange(height) * (longer / height))[:, None]
    columns = (np.arange(width) * (longer / width))[None, :]
    falling = (_FLAT_BELOW**2 + rows**2 + columns**2) ** -1.1
    amplitude = TEXTURE * _FLAT_BELOW**1.1
    return np.stack([falling * (amplitude * share) ** 2 for share in (1.0, _CHROMA, _CHROMA)]) * (height * width)


@dataclass(frozen=True)
class Mixture:
    """Means with prior weights, around each the same diagonal covariance.

    Attributes:
        means: Coefficients, shape (K, n).
        squares: `means` squared, kept because every call needs them.
        log_priors: Shape (K,).
        variance: Shape (n,), above 0.
    """

    means: Floats
    squares: Floats
    log_priors: Floats
    variance: Floats

    @classmethod
    def of(cls, means: Floats, priors: Floats, variance: Floats) -> Mixture:
        return cls(means, means**2, np.log(priors), variance)

    def expected_mean(self, x: Floats, sigma: float, groups: tuple[slice, ...]) -> list[Floats]:
        """For each group of components taken as a mixture of its own: its expected mean given `x`, shape (n,).

        The distances expand: |x - m|^2 = |x|^2 - 2 x m + |m|^2 under the weights 1/(S + sigma^2), and |x|^2
        is the same for all, so a call costs three passes over the means.
        """
        inverse = 1.0 / (self.variance + sigma**2)
        scores = (
            self.log_priors
            + np.einsum("kn,n->k", self.means, inverse * x)
            - 0.5 * np.einsum("kn,n->k", self.squares, inverse)
        )
        return [self._blend(scores[group], group) for group in groups]

    def _blend(self, scores: Floats, group: slice) -> Floats:
        weights = np.exp(scores - scores.max())
        weights /= weights.sum()
        heavy = np.flatnonzero(weights > _NEGLIGIBLE)
        means = self.means[group]
        if len(heavy) == 1:
            return np.asarray(means[heavy[0]])
        blend = weights[heavy[0]] * means[heavy[0]]
        for index in heavy[1:]:
            blend += weights[index] * means[index]
        return np.asarray(blend)

    def denoise(self, x: Floats, sigma: float, wanted: slice, all_others: slice, cfg_scale: float) -> Floats:
        """The expected clean x under noise of level `sigma`, pulled from `all_others` towards `wanted`.

        D = D_u + cfg (D_c - D_u), with D = m + S/(S + sigma^2) (x - m) and m the expected mean of each.

        Source: Ho & Salimans (2022), Classifier-Free Diffusion Guidance; `cfg_scale` is 1 + w there.
        """
        if cfg_scale == 1:
            (target,) = self.expected_mean(x, sigma, (wanted,))
        else:
            towards, away = self.expected_mean(x, sigma, (wanted, all_others))
            target = away + cfg_scale * (towards - away)
        kept = self.variance / (self.variance + sigma**2)
        return np.asarray(target + kept * (x - target))


def _dct(values: Floats) -> Floats:
    """Orthonormal DCT-II along the last axis, through one FFT of the same length (Makhoul, 1980)."""
    count = values.shape[-1]
    folded = np.concatenate([values[..., ::2], values[..., 1::2][..., ::-1]], axis=-1)
    turned = np.fft.fft(folded, axis=-1) * np.exp(-0.5j * math.pi / count * np.arange(count))
    out = np.asarray(turned.real) * math.sqrt(2 / count)
    out[..., 0] /= math.sqrt(2)
    return out


def _idct(values: Floats) -> Floats:
    """The inverse of `_dct`."""
    count = values.shape[-1]
    cosines = values * math.sqrt(count / 2)
    cosines[..., 0] *= math.sqrt(2)
    mirrored = np.concatenate([np.zeros_like(cosines[..., :1]), cosines[..., :0:-1]], axis=-1)
    turned = (cosines - 1j * mirrored) * np.exp(0.5j * math.pi / count * np.arange(count))
    folded = np.asarray(np.fft.ifft(turned, axis=-1).real)
    out = np.empty_like(folded)
    half = (count + 1) // 2
    out[..., ::2] = folded[..., :half]
    out[..., 1::2] = folded[..., half:][..., ::-1]
    return out
