"""Measures of pictures, and of how far two are apart: arrays in, numbers out.

Formulas only; at which scale a picture is measured is decided by `frames`.  None of them says whether a
picture is good.  Brightness is luma in [0, 255] unless said otherwise.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[Any]
_Floats = npt.NDArray[np.float64]

WINDOW_PX, WINDOW_SIGMA = 11, 1.5
"""Of the Gaussian window under which structures are compared."""
K1, K2, RANGE = 0.01, 0.03, 255.0
HASH_SIDE = 8
HASH_BITS = HASH_SIDE * HASH_SIDE
_NOISE = 6
"""Decimals of a DCT coefficient that are more than the rounding of floats: a flat picture has one hash."""


def sharpness(luma: Values) -> float:
    """Variance of the Laplacian (each pixel's four neighbours less four times itself), in squared levels; >= 0.

    Noise is sharp too, and a picture of little contrast has little of it: compare like with like.

    Args:
        luma: Shape (h, w), h and w >= 3; the outermost pixels have too few neighbours and are left out.

    Raises:
        ValueError: fewer than 3 pixels a side.

    Source: Pech-Pacheco et al. (2000), Diatom autofocusing in brightfield microscopy: a comparative study, eq. 4.
    """
    y = _shifted(luma, 3)
    laplacian = y[:-2, 1:-1] + y[2:, 1:-1] + y[1:-1, :-2] + y[1:-1, 2:] - 4 * y[1:-1, 1:-1]
    return float(laplacian.var())


def contrast(luma: Values) -> float:
    """RMS contrast: the standard deviation of luma / 255, in [0, 0.5].

    Args:
        luma: Shape (h, w).

    Source: Peli (1990), Contrast in complex images, eq. 4, on luma instead of luminance.
    """
    return float(_shifted(luma, 1).std() / RANGE)


def colourfulness(colours: Values) -> float:
    """How colourful people find a picture: 0 of greys, about 15 slightly, 45 averagely, 110 extremely.

    Args:
        colours: Red, green and blue in [0, 255], shape (h, w, 3).

    Raises:
        ValueError: another shape.

    Source: Hasler & Süsstrunk (2003), Measuring colourfulness in natural images, eq. 11 (M^(3)).
    """
    if colours.ndim != 3 or colours.shape[2] != 3:
        raise ValueError(f"colours of shape {colours.shape}: give (height, width, 3)")
    red, green, blue = (colours[:, :, channel].astype(np.float64) for channel in range(3))
    red_green, yellow_blue = red - green, (red + green) / 2 - blue
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))


def phash(luma: Values) -> int:
    """A perceptual hash of 64 bits: pictures that look alike differ in few of them.

    Of the cosine transform the 8 × 8 lowest frequencies after the constant ones, a bit each: whether it is
    above their median.  The first bit, the highest, is the lowest frequency both ways.

    Args:
        luma: Shape (32, 32), as `frames.hashed_luma` gives it.

    Raises:
        ValueError: another shape.

    Source: Zauner (2010), Implementation and benchmarking of perceptual image hash functions, section 3.2.
    """
    if luma.shape != (32, 32):
        raise ValueError(f"luma of shape {luma.shape}: a hash is made of (32, 32)")
    basis = _cosines(32)[1 : HASH_SIDE + 1]
    low = np.round(basis @ luma.astype(np.float64) @ basis.T, _NOISE).ravel()
    bits = low > np.median(low)
    return int("".join("1" if bit else "0" for bit in bits), 2)


def hash_distance(one: int, other: int) -> float:
    """The share of the 64 bits in which two hashes differ, in [0, 1]; unrelated pictures have about 0.5."""
    return (one ^ other).bit_count() / HASH_BITS


def ssim(one: Values, other: Values) -> float:
    """Mean structural similarity of two lumas: 1 of equal ones, in [-1, 1], the same whichever comes first.

    Under a Gaussian window of 11 × 11 pixels, σ 1.5, wherever it lies wholly inside; K1 0.01, K2 0.03, L 255.

    Args:
        one, other: Shape (h, w) each, the same; h and w >= 11.

    Raises:
        ValueError: shapes that differ, or less than the window.

    Source: Wang et al. (2004), Image quality assessment: from error visibility to structural similarity, eq. 13 to 17.
    """
    if one.shape != other.shape:
        raise ValueError(f"lumas of shapes {one.shape} and {other.shape}: structures are compared at one size")
    x, y = _plane(one, WINDOW_PX), _plane(other, WINDOW_PX)
    c1, c2 = (K1 * RANGE) ** 2, (K2 * RANGE) ** 2
    mean_x, mean_y = _blurred(x), _blurred(y)
    var_x, var_y = _blurred(x * x) - mean_x * mean_x, _blurred(y * y) - mean_y * mean_y
    both = _blurred(x * y) - mean_x * mean_y
    above = (2 * mean_x * mean_y + c1) * (2 * both + c2)
    below = (mean_x * mean_x + mean_y * mean_y + c1) * (var_x + var_y + c2)
    return float((above / below).mean())


def _plane(luma: Values, least: int) -> _Floats:
    if luma.ndim != 2 or min(luma.shape) < least:
        raise ValueError(f"luma of shape {luma.shape}: give (height, width), each {least} pixels or more")
    return luma.astype(np.float64)


def _shifted(luma: Values, least: int) -> _Floats:
    """Levels less the first one, which changes no spread, so that a flat picture has none, not a rounding error."""
    plane = _plane(luma, least)
    return np.asarray(plane - plane[0, 0])


def _blurred(plane: _Floats) -> _Floats:
    """Weighted means under the window, where it lies wholly inside: down, then across."""
    weights = _window()
    height, width = plane.shape[0] - WINDOW_PX + 1, plane.shape[1] - WINDOW_PX + 1
    down = np.zeros((height, plane.shape[1]))
    for at, weight in enumerate(weights):
        down += weight * plane[at : at + height]
    across = np.zeros((height, width))
    for at, weight in enumerate(weights):
        across += weight * down[:, at : at + width]
    return across


@cache
def _window() -> tuple[float, ...]:
    """One side of the window, which is a product of two; sums to 1."""
    at = np.arange(WINDOW_PX) - WINDOW_PX // 2
    weights = np.exp(-(at**2) / (2 * WINDOW_SIGMA**2))
    return tuple(float(weight) for weight in weights / weights.sum())


@cache
def _cosines(count: int) -> _Floats:
    """The orthonormal cosine transform (DCT-II) of `count` values, a frequency per row."""
    frequency, place = np.arange(count)[:, None], np.arange(count)[None, :]
    basis = np.cos(np.pi * frequency * (2 * place + 1) / (2 * count)) * np.sqrt(2 / count)
    basis[0] /= np.sqrt(2)
    return np.asarray(basis)
