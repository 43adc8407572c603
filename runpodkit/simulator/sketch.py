"""The sketch model: a true diffusion model whose denoiser is exact, so a sampler comparison means something.

The pictures it knows are a Gaussian mixture in the space of cosine coefficients at 1/8 of the size
asked for.  The means are variants of the scene a prompt describes; around each lies the same painterly
texture.  For every noise level the best possible denoiser is then a formula (`mixture`), and what a
picture looks like depends on sampler, schedule, steps, guidance and seed as it does with a trained model.

Pure and deterministic: the same input gives the same pixels, on one core, whatever the number of cores.
Nothing here calls BLAS, so there are no threads to limit.  It knows no queue, wire or worker.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image, ImageFilter

from runpodkit.simulator import SAMPLERS, SCHEDULERS
from runpodkit.simulator.chance import Chance, Floats
from runpodkit.simulator.mixture import Mixture, texture_variance, to_coefficients, to_pixels
from runpodkit.simulator.samplers import Denoise, sample
from runpodkit.simulator.scenes import draw_scene
from runpodkit.simulator.schedules import HIGHEST, ddim_sigmas, known_name, sigmas
from runpodkit.simulator.words import Brief, read_prompt

SCALE = 8
"""Pixels of a picture per pixel of the model, along each side."""

VARIANTS = 8
"""Means per prompt: so many compositions can different seeds give."""

_ELSEWHERE = ("mountains and a lake at dawn", "a city at night", "a green field, clouds", "the sea at sunset")
"""What else the model knows, beside the prompt: together they are all prompts, which guidance pushes away from."""

_VAGUE_ABOVE = 14.0
"""Half waves per picture above which those other scenes fade out: all that is left of them is light and colour."""

_ELSEWHERE_SHARE = 0.03
_MUTED_CONTRAST, _MUTED_COLOUR = 0.975, 0.945
"""Seen among all prompts, each scene of this one has a paler relative with something of the others in it.  Guidance
makes up for the difference.  (The other scenes themselves would be too far away: with few steps and much guidance
the walk swings between extremes and ends in neither.)"""

_DECIDED_AT = 0.9
"""The highest noise level, in units of the usual distance between two scenes: the more, the longer all is open."""

_SCENE_CONTRAST = 0.3
"""Usual root mean square difference between the pixels of two scenes of one prompt; with `_DECIDED_AT` it scales the noise levels."""

_SEEN_BYTES = 160_000_000
"""Memory for what was learnt of earlier prompts; one prompt at 832x1216 takes 12 MB."""

_seen: dict[tuple[Brief, int, int], Prior] = {}
_seen_lock = threading.Lock()


@dataclass(frozen=True)
class Prior:
    """What the model knows about one prompt at one size, before there is noise.

    Attributes:
        mixture: First the prompt's variants, then their relatives among all prompts.
        shape: Of coefficients: (3, height, width).
    """

    mixture: Mixture
    shape: tuple[int, int, int]

    def denoise(self, x: Floats, sigma: float, cfg_scale: float) -> Floats:
        """The expected clean coefficients; `x` and the result have shape (n,), `sigma` is in the model's units."""
        return self.mixture.denoise(x, sigma, slice(0, VARIANTS), slice(VARIANTS, None), cfg_scale)


def draw(
    prompt: str,
    *,
    negative_prompt: str = "",
    width: int,
    height: int,
    steps: int,
    cfg_scale: float,
    seed: int,
    sampler_name: str,
    scheduler: str,
) -> Image.Image:
    """Draw a picture of `width` x `height` pixels, both multiples of 8.

    Args:
        prompt: Anything; what its words mean to the model stands in `vocabulary`.
        negative_prompt: What it names is left out, if the prompt names it too.
        steps: 1 to 1000; the time this takes grows with it.
        cfg_scale: 1: no guidance; below: paler; above 10: garish.
        seed: Any whole number.
        sampler_name: One of `SAMPLERS`, in any capitalisation.
        scheduler: One of `SCHEDULERS`, in any capitalisation. DDIM has a spacing of its own, which "normal" means.

    Raises:
        ValueError: an unknown sampler or scheduler, with the known ones; a size that is no multiple of 8;
            steps outside 1 to 1000.
    """
    sampler = known_name(sampler_name, SAMPLERS, "sampler_name")
    spacing = known_name(scheduler, SCHEDULERS, "scheduler")
    for field, value in (("width", width), ("height", height)):
        if value < SCALE or value % SCALE:
            raise ValueError(f"{field}: {value} is not a multiple of {SCALE}")
    brief = read_prompt(prompt, negative_prompt)
    prior = prior_of(brief, width // SCALE, height // SCALE)
    own_spacing = sampler == "DDIM" and spacing == "normal"
    unit = _unit(width // SCALE, height // SCALE)
    levels = [level * unit for level in (ddim_sigmas(steps) if own_spacing else sigmas(spacing, steps))]
    count = math.prod(prior.shape)
    first, fresh = Chance("noise", seed), Chance("fresh noise", seed)
    start = first.normals(count) * levels[0]
    denoise: Denoise = lambda x, sigma: prior.denoise(x, sigma, cfg_scale)  # noqa: E731
    found = sample(sampler, denoise, start, levels, lambda: fresh.normals(count))
    return _develop(to_pixels(found.reshape(prior.shape)), width, height)


def prior_of(brief: Brief, width: int, height: int) -> Prior:
    """What the model knows about a brief at `width` x `height` of its own pixels; kept for the next call."""
    key = (brief, width, height)
    with _seen_lock:
        prior = _seen.pop(key, None) or _make_prior(brief, width, height)
        _seen[key] = prior  # at the end: dropped last
        while len(_seen) > 1 and sum(one.mixture.means.nbytes * 2 for one in _seen.values()) > _SEEN_BYTES:
            del _seen[next(iter(_seen))]
    return prior


def _make_prior(brief: Brief, width: int, height: int) -> Prior:
    wanted = [draw_scene(brief, variant, width, height) for variant in range(VARIANTS)]
    paler = np.stack([to_coefficients(_muted(scene)).ravel() for scene in wanted])
    elsewhere = _elsewhere(width, height)
    for variant in range(VARIANTS):
        paler[variant] += _ELSEWHERE_SHARE * (elsewhere[variant % len(elsewhere)] - paler[variant])
    means = np.concatenate([np.stack([to_coefficients(scene).ravel() for scene in wanted]), paler])
    priors = np.full(2 * VARIANTS, 1.0 / VARIANTS)
    return Prior(Mixture.of(means, priors, texture_variance(height, width).ravel()), (3, height, width))


@lru_cache(maxsize=2)
def _elsewhere(width: int, height: int) -> Floats:
    """Coefficients of the scenes outside the prompt, shape (K, n)."""
    rows, columns = np.arange(height)[:, None] / height, np.arange(width)[None, :] / width
    faded = np.exp(-(rows**2 + columns**2) * (max(height, width) / _VAGUE_ABOVE) ** 2)
    scenes = (draw_scene(read_prompt(prompt), 0, width, height) for prompt in _ELSEWHERE)
    return np.stack([(to_coefficients(scene) * faded).ravel() for scene in scenes])


def _muted(pixels: Floats) -> Floats:
    grey = np.mean(pixels, axis=2, keepdims=True)
    middle = np.mean(pixels)
    return np.asarray(middle + (grey + (pixels - grey) * _MUTED_COLOUR - middle) * _MUTED_CONTRAST)


def _unit(width: int, height: int) -> float:
    """What a noise level of 1 is in the model's units.

    Two scenes lie farther apart the more pixels they have, so noise is scaled with the root of their number:
    a sampler then meets the same decisions at the same step at every size.
    """
    return _DECIDED_AT * _SCENE_CONTRAST * math.sqrt(3 * width * height) / HIGHEST


def _develop(pixels: Floats, width: int, height: int) -> Image.Image:
    """Small pixels in [-1, 1] to the picture.

    Rounded to 8 bits while small: from there on all arithmetic is whole numbers, alike on every platform.
    """
    small = Image.fromarray(np.floor(np.clip(pixels * 127.5 + 128.0, 0.0, 255.0)).astype(np.uint8))
    half = small.resize((width // 2, height // 2), Image.Resampling.LANCZOS)
    even = half.filter(ImageFilter.MedianFilter(5))  # takes the steps out of slanting edges
    crisp = even.filter(ImageFilter.UnsharpMask(radius=3, percent=110, threshold=1))
    return crisp.resize((width, height), Image.Resampling.BICUBIC)
