"""A RunPod on the laptop: a queue, its HTTP skin, its workers and the sketch model they run.

This file holds names only, so that a form or a dialect can list them without numpy.
"""

from __future__ import annotations

MODEL_VERSION = "sketch-1"
"""Changes whenever the sketch model draws other pixels for the same input: pictures of two versions are never mixed."""

SAMPLERS: tuple[str, ...] = (
    "Euler",
    "Euler a",
    "Heun",
    "DPM2",
    "DPM2 a",
    "DPM++ 2M",
    "DPM++ 2S a",
    "DPM++ SDE",
    "DDIM",
    "LMS",
)
"""The methods the sketch model knows; matched in any capitalisation."""

SCHEDULERS: tuple[str, ...] = ("normal", "karras", "exponential", "simple", "sgm_uniform")
"""The spacings of noise levels the sketch model knows; matched in any capitalisation."""
