"""Pivots and plots of runs: what they gather, in which order, and what stands on a plot."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.runs.run import Run
from tests.runs.drawn import greys

AXES = {"sampler_name": ["Heun", "Euler"], "steps": [20, 5], "seed": [1, 2]}
TIME = {"Heun": 2.0, "Euler": 1.0}


def timed(one: Record) -> Record:
    return replace(one, execution_time_s=one.params.steps * TIME[one.params.sampler_name] + 0.5 * one.params.seed)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return greys(tmp_path, AXES, lambda values: 100 + values["steps"], edit=timed)


def test_a_pivot_has_the_order_of_the_axes_and_the_mean_of_each_place(run: Run) -> None:
    found = run.pivot("execution_time_s", "sampler_name", "steps")

    assert list(found.index) == ["Heun", "Euler"]
    assert list(found.columns) == [20, 5]
    assert found.to_numpy().tolist() == [[40.75, 10.75], [20.75, 5.75]]
    assert run.pivot("execution_time_s", "sampler_name", "steps", agg="max").loc["Euler", 5] == 6.0
    assert run.pivot("execution_time_s", "steps")["execution_time_s"].to_dict() == {20: 30.75, 5: 8.25}


def test_several_columns_nest(run: Run) -> None:
    found = run.pivot("execution_time_s", ["seed", "sampler_name"], "steps")

    assert found.index.tolist() == [(1, "Heun"), (1, "Euler"), (2, "Heun"), (2, "Euler")]
    assert found.loc[(2, "Euler"), 5] == 6.0


def test_picture_distance_has_a_baseline(run: Run) -> None:
    found = run.pivot("pixel_distance", "sampler_name", "steps", baseline={"steps": 20})

    assert found.loc["Heun"].tolist() == pytest.approx([0, 15 / 255])
    with pytest.raises(ValueError, match=r"add baseline=\{axis: value\}"):
        run.pivot("pixel_distance", "sampler_name")


def test_failed_trials_are_not_there(tmp_path: Path) -> None:
    def fails(one: Record) -> Record:
        return replace(timed(one), state=TrialState.FAILED, images=()) if one.trial == 0 else timed(one)

    found = greys(tmp_path, AXES, lambda values: 9, edit=fails).pivot(
        "execution_time_s", "sampler_name", "steps", agg="count"
    )

    assert found.to_numpy().tolist() == [[1, 2], [2, 2]]


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"value": "execution_time", "rows": "steps"}, "did you mean execution_time_s"),
        ({"value": "sampler_name", "rows": "steps"}, "has no numbers"),
        ({"value": "execution_time_s", "rows": []}, "name at least one"),
        ({"value": "execution_time_s", "rows": "steps", "cols": "steps"}, "steps stands twice"),
        ({"value": "execution_time_s", "rows": "steps", "agg": "best"}, "agg='best'"),
    ],
)
def test_a_pivot_of_what_is_not_there_is_refused(run: Run, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run.pivot(**how)


def test_a_plot_has_a_line_per_value_with_its_mean_and_band_over_seeds(run: Run) -> None:
    chart = run.plot(x="steps", y="execution_time_s", hue="sampler_name")
    axes = chart.figure.axes[0]
    heun, euler = axes.get_lines()

    assert repr(chart) == "Plot of execution_time_s by steps, 2 lines by sampler_name"
    assert heun.get_xdata().tolist() == [5, 20]  # a line goes along numbers
    assert heun.get_ydata().tolist() == [10.75, 40.75]
    assert euler.get_ydata().tolist() == [5.75, 20.75]
    assert len(axes.collections) == 2
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("steps", "execution time (s)")
    assert axes.get_title("left") == "mean and 95 % interval over 2 seeds · simulated"
    assert {"Heun", "Euler", "sampler"} <= {text.get_text() for text in axes.texts}


def test_what_is_not_asked_for_is_chosen_from_the_axes(run: Run) -> None:
    assert repr(run.plot()) == "Plot of execution_time_s by steps, 2 lines by sampler_name"


def test_words_along_x_are_points_in_the_order_of_the_axis_and_what_else_varies_is_said_to_be_averaged(
    run: Run,
) -> None:
    axes = run.plot(x="sampler_name", width_mm=85).figure.axes[0]

    assert [label.get_text() for label in axes.get_xticklabels()] == ["Heun", "Euler"]
    assert "steps averaged" in axes.get_title("left").replace("\n", " ")


def test_the_baseline_is_not_drawn_at_no_distance_from_itself(run: Run) -> None:
    axes = run.plot(x="steps", y="pixel_distance", baseline={"steps": 20}).figure.axes[0]

    assert axes.get_ylabel().replace("\n", " ") == "picture distance to 20 steps (0 to 1)"
    assert axes.get_lines()[0].get_xdata().tolist() == [5]


def test_a_single_trial_per_point_has_no_band(run: Run) -> None:
    axes = run.plot(x="steps", hue="sampler_name", where={"seed": 1}).figure.axes[0]

    assert not axes.collections
    assert axes.get_title("left") == "simulated"


def test_a_plot_of_nothing_is_refused(run: Run) -> None:
    with pytest.raises(ValueError, match="no finished trial has queue_delay_s"):
        run.plot(y="queue_delay_s")
    with pytest.raises(ValueError, match="boldness is no column"):
        run.plot(x="boldness")
