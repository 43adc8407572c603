"""Questions about a real run whose answers are known beforehand: the simulator's model is exact.

Its deterministic samplers solve one differential equation, so with more steps all of them come to the same
picture.  Its ancestral and stochastic ones draw fresh noise at each step and come to none.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

import runpodkit as rk
from runpodkit.kit import Kit

pytestmark = pytest.mark.slow

SOLVERS = ["Euler", "Heun", "DPM2", "DPM++ 2M", "DDIM", "LMS"]
NOISY = ["Euler a", "DPM2 a", "DPM++ 2S a", "DPM++ SDE"]
STEPS = [6, 12, 24, 64]
SEEDS = [1, 2, 3]
SMALL = {"width": 96, "height": 96}


@pytest.fixture
def run(kit: Kit) -> rk.Run:
    """120 pictures, drawn by the first test that asks."""
    sweep = rk.sweep("a lighthouse at dusk", sampler_name=[*SOLVERS, *NOISY], steps=STEPS, seed=SEEDS, **SMALL)
    return kit.submit(sweep, name="known").wait(progress=False)


def nearer_to(run: rk.Run, **limit: object) -> Callable[[rk.Picture, rk.Picture], rk.Picture | None]:
    """A judge who knows the picture of this limit, and prefers what is more like it, by structural similarity."""
    alike = run.score("ssim", "to-limit", baseline=limit, progress=False)
    return lambda *two: max(two, key=lambda picture: alike[picture.record.trial])


def test_solvers_settle_and_samplers_that_add_noise_do_not(run: rk.Run) -> None:
    enough = run.enough_steps(0.02, quiet=True)

    assert {name for name, steps in enough.steps.items() if steps is None} == set(NOISY)
    assert all(f"{name}: not within the steps tried" in repr(enough) for name in NOISY)


def test_solvers_settle_on_one_picture(run: rk.Run) -> None:
    at_the_end = run.compare("sampler_name", baseline="Heun", where={"steps": STEPS[-1]}, quiet=True)
    distance = at_the_end.table["pixel_distance"]

    assert distance[SOLVERS].max() < 0.02
    assert distance[NOISY].min() > 0.05


def test_the_nearer_to_the_limit_the_more_alike(run: rk.Run) -> None:
    run.score("ssim", "settled", baseline={"steps": STEPS[-1]}, progress=False)
    settled = run.pivot("settled", "sampler_name", "steps")

    assert all(settled.loc[name].is_monotonic_increasing for name in SOLVERS)
    assert settled.loc[SOLVERS, STEPS[-2]].min() > 0.97
    assert settled.loc[NOISY, STEPS[-2]].max() < 0.9


def test_a_judge_who_knows_the_limit_prefers_solvers_to_noise(run: rk.Run) -> None:
    ranking = run.judge(nearer_to(run, sampler_name="Heun", steps=64), "sampler_name")

    # each of 45 pairs of samplers met at 4 step counts and 3 seeds
    assert ranking.answers == 45 * len(STEPS) * len(SEEDS)
    assert set(ranking.table.index[: len(SOLVERS)]) == set(SOLVERS)
    assert ranking.matrix.loc[SOLVERS, NOISY].min().min() > 0.5
    assert ranking.pair("Euler", "Euler a")[1] > 0.5  # the whole interval
    assert ranking.pair("DPM++ 2M", "Euler")[1] > 0.5  # of second order and of first
    assert ranking.depends_on("seed").startswith("The preference is not seen to depend on seed")


def test_a_judge_who_knows_the_limit_prefers_more_steps_of_solvers(run: rk.Run) -> None:
    judge = nearer_to(run, sampler_name="Heun", steps=64)
    run.judge(judge, "steps")

    given = [answer for answer in run.answers()["judge"] if answer.axis == "steps"]
    ranking = run.ranking("steps")
    assert ranking.answers == len(given) == 6 * len(SOLVERS + NOISY) * len(SEEDS)
    assert [int(value) for value in ranking.table.index[:2]] == [64, 24]
    assert ranking.pair(64, 6)[1] > 0.5
