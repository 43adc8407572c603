"""Axis effects of runs: shares by hand, and what a sweep cannot tell apart said in words."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runpodkit.runs.rows import TrialState
from tests.runs.drawn import greys

AXES = {"sampler_name": ["Euler", "Heun"], "steps": [5, 10], "seed": [1, 2, 3, 4]}
VALUE = {"Euler": 0, "Heun": 40, 5: 0, 10: 20}


def adding(values: dict[str, Any]) -> int:
    """Samplers are 40 levels apart, steps 20, seeds 10: squares from the mean are 400, 100 and 125 each."""
    return 60 + VALUE[values["sampler_name"]] + VALUE[values["steps"]] + 10 * values["seed"]


TOTAL = 400 + 100 + 125


def test_effects_that_add_up_have_the_shares_of_their_squares(tmp_path: Path) -> None:
    found = greys(tmp_path, AXES, adding).axis_effects()

    assert list(found.table.index) == ["sampler_name", "steps", "seed", "interactions", "rest"]
    assert found.table["share"].tolist() == pytest.approx([400 / TOTAL, 100 / TOTAL, 125 / TOTAL, 0, 0], abs=1e-4)
    assert found.table["share"].sum() == pytest.approx(1)
    assert found.table["values"].tolist()[:2] == [2, 2]
    assert found.words[0].startswith("sampler_name: 64% of the variance of the pictures (")
    assert (found.table["low"] <= found.table["share"]).all()
    assert (found.table["share"] <= found.table["high"]).all()


def test_a_measure_is_taken_apart_as_pictures_are(tmp_path: Path) -> None:
    run = greys(tmp_path, AXES, adding, edit=lambda one: replace(one, execution_time_s=float(one.params.steps)))
    found = run.axis_effects("execution_time_s")

    assert found.table.loc["steps", "share"] == pytest.approx(1)
    assert found.table.loc["sampler_name", "share"] == pytest.approx(0)
    with pytest.raises(
        ValueError, match="of='beauty' is no measure of this run; measures: pixel_distance, execution_time_s"
    ):
        run.axis_effects("beauty")


def test_axes_that_go_together_are_one_and_that_is_said(tmp_path: Path) -> None:
    axes = {"sampler_name": ["Euler", "Heun"] * 2, "steps": [5, 10] * 2, "seed": [1, 1, 2, 2]}
    found = greys(tmp_path, axes, adding, mode="zip").axis_effects()

    assert "sampler_name + steps" in found.table.index
    assert "sampler_name and steps go together in this sweep, so their shares cannot be told apart." in found.words
    assert "2 seeds are too few for intervals: at least 4." in found.words


def test_with_one_seed_interactions_are_with_the_rest(tmp_path: Path) -> None:
    found = greys(tmp_path, AXES, adding).axis_effects(where={"seed": 2})

    assert list(found.table.index) == ["sampler_name", "steps", "interactions and rest"]
    assert found.table["share"].tolist() == pytest.approx([0.8, 0.2, 0], abs=1e-4)
    assert "seed has one value here, so nothing can be said of it." in found.words
    assert found.table["low"].isna().all()


def test_a_seed_that_lacks_a_trial_is_left_out_and_counted(tmp_path: Path) -> None:
    def fails(one: Any) -> Any:
        return replace(one, state=TrialState.FAILED, images=()) if one.trial == 0 else one

    found = greys(tmp_path, AXES, adding, edit=fails).axis_effects()

    assert "3 trials are left out, because their seed or cell lacks others." in found.words
    assert found.trials == 12
    assert found.table.loc["sampler_name", "share"] == pytest.approx(
        400 / (400 + 100 + 200 / 3), abs=1e-3
    )  # seeds 2 to 4


def test_the_order_of_trials_does_not_matter(tmp_path: Path) -> None:
    one = greys(tmp_path / "a", AXES, adding).axis_effects()
    other = greys(
        tmp_path / "b", {name: AXES[name] for name in ("seed", "steps", "sampler_name")}, adding
    ).axis_effects()

    assert other.table["share"].to_dict() == pytest.approx(one.table["share"].to_dict())


def test_pictures_without_any_difference_are_said_to_have_none(tmp_path: Path) -> None:
    found = greys(tmp_path, AXES, lambda values: 100).axis_effects()

    assert found.table.empty
    assert found.words[0] == "Nothing varies: the pictures are the same everywhere."
    with pytest.raises(ValueError, match="nothing to plot"):
        found.plot()


def test_repeats_are_averaged(tmp_path: Path) -> None:
    axes = {**AXES, "extra.repeat": [1, 2]}
    found = greys(tmp_path, axes, lambda values: adding(values) + (6 if values["repeat"] == 2 else 0)).axis_effects()

    assert "repeat" not in found.table.index
    assert found.table["share"].tolist() == pytest.approx([400 / TOTAL, 100 / TOTAL, 125 / TOTAL, 0, 0], abs=1e-4)


def test_an_axis_that_is_none_is_refused_and_some_may_be_chosen(tmp_path: Path) -> None:
    run = greys(tmp_path, AXES, adding)

    assert list(run.axis_effects(axes="steps").table.index) == ["steps", "seed", "interactions", "rest"]
    with pytest.raises(ValueError, match="axes: width is no axis of this run"):
        run.axis_effects(axes=["width"])
    with pytest.raises(ValueError, match="none of steps, seed has several values"):
        run.axis_effects(axes="steps", where={"steps": 5, "seed": 1})


def test_shares_are_drawn_as_points(tmp_path: Path) -> None:
    chart = greys(tmp_path, AXES, adding).axis_effects().plot(width_mm=85)

    assert [label.get_text() for label in chart.figure.axes[0].get_xticklabels()] == [
        "sampler", "steps", "seed", "interactions", "rest",
    ]  # fmt: skip
