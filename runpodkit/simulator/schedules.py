"""Noise schedules: which noise levels a sampler visits on its way from noise to picture.

Pure numbers.  Levels are those of the training process in Rombach et al. (2022), a
thousand steps whose betas' roots are spaced evenly; the schedules pick from its table as
the published samplers' hosts do.  What a level means in pixels is the model's business.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

import numpy as np

from runpodkit.simulator import SCHEDULERS
from runpodkit.simulator.chance import Floats

TRAINING_STEPS = 1000
_BETA_FIRST, _BETA_LAST = 0.00085, 0.012
_KARRAS_RHO = 7.0  # Karras et al. (2022), eq. 5


def _table() -> Floats:
    """Noise level after each training step, shape (1000,), rising: sqrt((1 - alpha_bar) / alpha_bar)."""
    betas = np.linspace(math.sqrt(_BETA_FIRST), math.sqrt(_BETA_LAST), TRAINING_STEPS) ** 2
    kept = np.cumprod(1.0 - betas)
    return np.sqrt((1.0 - kept) / kept)


_LEVELS = _table()
LOWEST, HIGHEST = float(_LEVELS[0]), float(_LEVELS[-1])


def sigmas(scheduler: str, steps: int) -> tuple[float, ...]:
    """The noise levels of `steps` steps: steps + 1 of them, falling, the last one 0.

    Raises:
        ValueError: `scheduler` is none of `SCHEDULERS`, or `steps` is outside 1 to 1000.

    Source: normal, simple and sgm_uniform as in the k-diffusion hosts; karras: Karras et al. (2022).
    """
    _check_steps(steps)
    name = known_name(scheduler, SCHEDULERS, "scheduler")
    levels: Sequence[float]
    if name == "normal":
        levels = at_times(_evenly(TRAINING_STEPS - 1, 0, steps))
    elif name == "sgm_uniform":
        levels = at_times(_evenly(TRAINING_STEPS - 1, 0, steps + 1)[:-1])
    elif name == "simple":
        levels = at_times([float(TRAINING_STEPS - 1 - (i * TRAINING_STEPS) // steps) for i in range(steps)])
    elif name == "karras":
        first, last = HIGHEST ** (1 / _KARRAS_RHO), LOWEST ** (1 / _KARRAS_RHO)
        levels = [root**_KARRAS_RHO for root in _evenly(first, last, steps)]
    else:
        levels = [math.exp(log) for log in _evenly(math.log(HIGHEST), math.log(LOWEST), steps)]
    return (*levels, 0.0)


def ddim_sigmas(steps: int) -> tuple[float, ...]:
    """DDIM's own spacing: every c-th training step, counted from the first; the end is the lowest level, then 0.

    Source: Song, Meng & Ermon (2021), section 4.2 and appendix D, "linear" sub-sequence.
    """
    _check_steps(steps)
    stride = TRAINING_STEPS // steps
    return (*at_times([float(1 + stride * i) for i in reversed(range(steps))]), 0.0)


def at_times(times: Sequence[float]) -> list[float]:
    """Levels at training times within [0, 999]; between two of them the logarithm is linear."""
    return [float(level) for level in np.exp(np.interp(times, np.arange(TRAINING_STEPS), np.log(_LEVELS)))]


def known_name(name: str, known: Sequence[str], field: str) -> str:
    """`name` in the spelling of `known`, whatever its capitalisation.

    Raises:
        ValueError: it is none of them; the message lists them and suggests the nearest.
    """
    spellings = {one.casefold(): one for one in known}
    wanted = name.strip().casefold()
    if wanted in spellings:
        return spellings[wanted]
    close = difflib.get_close_matches(wanted, spellings, n=1)
    hint = f" (did you mean {spellings[close[0]]!r}?)" if close else ""
    raise ValueError(f"{field}: {name!r} is unknown{hint}; known: {', '.join(known)}")


def _check_steps(steps: int) -> None:
    if not 1 <= steps <= TRAINING_STEPS:
        raise ValueError(f"steps: {steps} is outside 1 to {TRAINING_STEPS}")


def _evenly(first: float, last: float, count: int) -> list[float]:
    """`count` numbers from `first` to `last`, both included; only `first` when one is asked for."""
    return [float(value) for value in np.linspace(first, last, count)]
