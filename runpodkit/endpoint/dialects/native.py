"""The `native` dialect: what most home-made workers take, and the simulator."""

from __future__ import annotations

from runpodkit.endpoint.dialects.dialect import Dialect

NATIVE = Dialect(
    name="native",
    names={
        "user_prompt": "prompt",
        "negative_prompt": "negative_prompt",
        "width": "width",
        "height": "height",
        "steps": "steps",
        "cfg_scale": "cfg_scale",
        "seed": "seed",
        "sampler_name": "sampler_name",
        "scheduler": "scheduler",
    },
    samplers=(
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
        "DPM++ 2M SDE",
        "DPM++ 2M SDE Heun",
        "DPM++ 3M SDE",
        "DPM fast",
        "DPM adaptive",
        "Restart",
        "PLMS",
        "UniPC",
        "LCM",
    ),
    schedulers=("Euler A", "normal", "karras", "exponential", "simple", "sgm_uniform"),
    preset="general",
)
