"""The sketch model as a whole: it behaves as diffusion models do, and the same input gives the same pixels."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from runpodkit.simulator import SAMPLERS, SCHEDULERS
from runpodkit.simulator.chance import Chance
from runpodkit.simulator.sketch import draw, prior_of
from runpodkit.simulator.words import read_prompt

DUSK: dict[str, Any] = {
    "prompt": "a lighthouse at dusk",
    "width": 208,
    "height": 304,
    "steps": 20,
    "cfg_scale": 4.0,
    "seed": 7,
    "sampler_name": "Euler",
    "scheduler": "normal",
}


KEPT = [
    [102, 98, 142],
    [92, 89, 130],
    [97, 91, 132],
    [146, 124, 176],
    [178, 147, 173],
    [167, 138, 182],
    [122, 89, 116],
    [152, 112, 134],
    [214, 180, 178],
    [43, 50, 82],
    [54, 55, 88],
    [112, 106, 120],
]  # mean colours of 3 x 4 parts of the picture of seed 1, row by row


def picture(**changes: Any) -> Image.Image:
    return draw(**{**DUSK, **changes})


def distance(one: Image.Image, two: Image.Image) -> float:
    """Root mean square difference, in levels of 255."""
    return float(np.sqrt(((np.asarray(one, float) - np.asarray(two, float)) ** 2).mean()))


def roughness(image: Image.Image) -> float:
    """Mean difference between neighbouring pixels."""
    return float(np.abs(np.diff(np.asarray(image, float), axis=1)).mean())


@pytest.mark.parametrize("sampler", ["Euler", "Heun", "DPM2", "DPM++ 2M", "LMS", "DDIM"])
@pytest.mark.parametrize("seed", [1, 7])
def test_samplers_without_noise_settle_on_one_picture(sampler: str, seed: int) -> None:
    settled = picture(sampler_name=sampler, steps=150, seed=seed)

    late = distance(picture(sampler_name=sampler, steps=60, seed=seed), settled)
    assert late < 4
    assert late < distance(picture(sampler_name=sampler, steps=4, seed=seed), settled)


def test_different_samplers_without_noise_settle_on_the_same_picture() -> None:
    euler = picture(steps=150)

    for sampler in ("Heun", "DPM2", "DPM++ 2M", "LMS"):
        assert distance(picture(sampler_name=sampler, steps=60), euler) < 5


@pytest.mark.parametrize("sampler", ["Euler a", "DPM2 a", "DPM++ 2S a", "DPM++ SDE"])
def test_ancestral_samplers_wander(sampler: str) -> None:
    seeds = range(4)
    wandering = sum(
        distance(picture(sampler_name=sampler, steps=24, seed=s), picture(sampler_name=sampler, steps=30, seed=s))
        for s in seeds
    )
    settled = sum(distance(picture(steps=24, seed=s), picture(steps=30, seed=s)) for s in seeds)

    assert wandering > 2 * settled


def test_heun_is_rough_at_three_steps_and_clean_at_twenty() -> None:
    rough, clean = (roughness(picture(sampler_name="Heun", steps=steps)) for steps in (3, 20))

    assert rough > 2 * clean


def test_more_guidance_gives_stronger_colours() -> None:
    def saturation(cfg_scale: float) -> float:
        pixels = np.asarray(picture(cfg_scale=cfg_scale), float)
        return float((pixels.max(axis=2) - pixels.min(axis=2)).mean())

    levels = [saturation(cfg_scale) for cfg_scale in (0.0, 1.0, 4.0, 8.0, 16.0)]
    assert levels == sorted(levels)
    assert levels[3] > 1.2 * levels[1]


def test_seeds_give_different_pictures_of_the_same_thing() -> None:
    small = [picture(seed=seed).resize((26, 38), Image.Resampling.BOX) for seed in range(8)]
    apart = [distance(small[i], small[j]) for i in range(8) for j in range(i)]

    assert min(apart) > 0.5
    assert sorted(apart)[len(apart) // 2] > 15  # most are other compositions, not other noise


@pytest.mark.parametrize(
    "other", ["a lighthouse at dawn", "a boat at dusk", "a teapot", "a green lighthouse at dusk", ""]
)
def test_other_words_give_another_picture(other: str) -> None:
    assert distance(picture(), picture(prompt=other)) > 5


def test_a_negative_prompt_takes_things_out_and_words_of_praise_do_nothing() -> None:
    assert distance(picture(), picture(negative_prompt="lighthouse")) > 5
    assert distance(picture(), picture(prompt="a lighthouse at dusk, highly detailed, sharp focus")) == 0
    assert distance(picture(), picture(negative_prompt="blurry, low quality, deformed, watermark, text")) == 0


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_every_sampler_goes_with_every_scheduler(sampler: str, scheduler: str) -> None:
    for steps in (1, 2, 5):
        image = picture(width=64, height=64, sampler_name=sampler, scheduler=scheduler, steps=steps)
        assert image.size == (64, 64)
        assert np.asarray(image).std() > 1


@pytest.mark.parametrize("size", [(64, 64), (64, 512), (1024, 64), (72, 200), (832, 1216), (4096, 64), (1024, 1024)])
def test_every_size_is_delivered_as_asked(size: tuple[int, int]) -> None:
    image = picture(width=size[0], height=size[1], steps=2)

    assert image.size == size
    assert image.mode == "RGB"


def test_names_may_be_written_in_any_capitals() -> None:
    assert distance(picture(sampler_name="dpm++ 2m", scheduler="Karras"), picture(sampler_name="DPM++ 2M", scheduler="karras")) == 0  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sampler_name": "Eular"}, r"sampler_name: 'Eular' is unknown \(did you mean 'Euler'\?\); known: Euler, Euler a, Heun"),
        ({"sampler_name": "UniPC"}, r"sampler_name: 'UniPC' is unknown.*; known: Euler, .*, DDIM, LMS$"),
        ({"scheduler": "Euler A"}, r"scheduler: 'Euler A' is unknown.*; known: normal, karras"),
        ({"width": 100}, "width: 100 is not a multiple of 8"),
        ({"height": 0}, "height: 0 is not a multiple of 8"),
        ({"steps": 0}, "steps: 0 is outside 1 to 1000"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_that_names_field_and_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        picture(**changes)


def test_the_same_input_gives_the_same_pixels_in_any_process_with_any_number_of_threads() -> None:
    code = (
        "import hashlib; from runpodkit.simulator.sketch import draw;"
        f"print(hashlib.sha256(draw(**{DUSK | {'sampler_name': 'DPM++ SDE'}!r}).tobytes()).hexdigest())"
    )
    here = hashlib.sha256(picture(sampler_name="DPM++ SDE").tobytes()).hexdigest()

    for threads in ("1", "4"):
        env = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        there = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
        assert there.stdout.strip() == here


def test_the_names_are_there_without_numpy() -> None:
    code = "import sys, runpodkit.simulator as s; print(len(s.SAMPLERS), 'numpy' in sys.modules, 'PIL' in sys.modules)"

    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.split() == ["10", "False", "False"]


def test_pictures_of_this_version_of_the_model_stay_as_they_are() -> None:
    # Not worked out by hand: kept from sketch-1 as it was looked at.  Another platform's sine or Pillow's next
    # release may move a level; whoever moves more has made another model and must change MODEL_VERSION.
    small = np.asarray(picture(seed=1).resize((3, 4), Image.Resampling.BOX), int).reshape(-1, 3).tolist()

    assert np.abs(np.array(small) - np.array(KEPT)).max() <= 3, small


def test_one_look_of_the_denoiser_costs_no_more_than_two_hundred_square_roots_of_the_picture() -> None:
    prior = prior_of(read_prompt("a lighthouse at dusk"), 104, 152)
    x = Chance("x").normals(3 * 104 * 152) * 30

    def cpu_s(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return time.process_time() - began

    look_s = min(cpu_s(lambda: prior.denoise(x, 30.0, 4.0)) for _ in range(15))

    assert look_s < 200 * min(cpu_s(lambda: np.sqrt(np.abs(x))) for _ in range(15))
