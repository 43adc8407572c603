"""Comparing a real run of the simulator, whose model is exact: what its samplers must come to is known beforehand."""

from __future__ import annotations

import pytest

import runpodkit as rk
from runpodkit.kit import Kit

STEPS = [4, 8, 16, 24, 32, 48]


@pytest.mark.slow
def test_samplers_of_one_curve_settle_and_those_that_add_noise_never_do(kit: Kit) -> None:
    """Euler, of first order, comes to its picture as steps grow; "a" draws new noise at each step and does not."""
    sweep = rk.sweep("a lighthouse at dusk", sampler_name=["Euler", "DPM++ 2M", "Euler a"], steps=STEPS, seed=[1, 2], width=128, height=128)  # fmt: skip
    run = kit.submit(sweep, name="settling").wait(progress=False)
    found = run.enough_steps(quiet=True)
    changes = found.changes.pivot(index="steps", columns="sampler_name", values="change")

    assert found.steps["Euler a"] is None
    assert found.steps["Euler"] in STEPS[:-1]
    assert found.steps["DPM++ 2M"] in STEPS[:-1]
    assert changes["Euler"].iloc[-1] < changes["Euler"].iloc[0] / 4
    assert changes["Euler a"].iloc[-1] > 5 * changes["Euler"].iloc[-1]
    assert "Euler a: not within the steps tried" in repr(found)

    comparison = run.compare("sampler_name", baseline="Euler", where={"steps": [24, 32, 48]}, quiet=True)
    assert comparison.table.loc["Euler a", "pixel_distance"] > 5 * comparison.table.loc["DPM++ 2M", "pixel_distance"]
    assert list(comparison.table["pairs"]) == [6, 6, 6]

    effects = run.axis_effects(quiet=True)
    assert effects.table["share"].sum() == pytest.approx(1)
    assert effects.table.loc["seed", "share"] > effects.table.loc["steps", "share"]

    where = run.disagreement("sampler_name", quiet=True)
    assert run.grid(rows="steps", cols="sampler_name", where={"seed": 1}, inset=where.crop, cell_px=48).image.width > 48
