"""Enough steps: pictures that settle, pictures that wander, by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runpodkit.runs.rows import TrialState
from runpodkit.runs.run import Run
from tests.runs.drawn import greys

STEPS = [5, 10, 20, 40]
SETTLING = {5: 130, 10: 106, 20: 102, 40: 100}


def settling(values: dict[str, Any]) -> int:
    """Euler goes to 100; Euler a is 50 levels off at every other step count."""
    if values["sampler_name"] == "Euler":
        return SETTLING[values["steps"]] + values["seed"]
    return 100 + 50 * (STEPS.index(values["steps"]) % 2)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return greys(tmp_path, {"sampler_name": ["Euler", "Euler a"], "steps": STEPS, "seed": [1, 2]}, settling)


def test_enough_is_the_smallest_count_from_which_on_little_changes(run: Run) -> None:
    found = run.enough_steps(0.01)

    assert found.steps == {"Euler": 20, "Euler a": None}  # 2 of 255 levels are 0.008, 6 are 0.024
    assert found.table["enough"].fillna(0).to_dict() == {"Euler": 20, "Euler a": 0}
    assert found.table.loc["Euler", "change"] == pytest.approx(2 / 255)
    assert found.changes.query("sampler_name == 'Euler'")["change"].tolist() == pytest.approx(
        [30 / 255, 6 / 255, 2 / 255]
    )
    assert (
        found.words[0] == "Euler: 20 steps are enough; 40 steps change the picture by 0.008 (0.008 to 0.008, 2 pairs)."
    )
    assert found.words[1].startswith("Euler a: not within the steps tried; 20 and 40 still differ by 0.196")
    assert found.words[2] == "2 pairs are too few to be sure: 6 or more tell."
    assert repr(found).endswith("Enough means a change under 0.01 of the full range, as asked.")


def test_a_looser_epsilon_never_asks_for_more_steps(run: Run) -> None:
    found = [run.enough_steps(epsilon).steps["Euler"] for epsilon in (0.005, 0.01, 0.03, 0.2)]

    assert found == [None, 20, 10, 5]


def test_against_the_next_steps_less_has_to_settle(run: Run) -> None:
    found = run.enough_steps(0.02, against="next")

    assert found.steps == {"Euler": 10, "Euler a": None}  # 10 and 20 are 4 levels apart
    assert found.changes["against"].tolist() == [10, 20, 40] * 2


def test_another_axis_may_ask_or_none(run: Run) -> None:
    assert run.enough_steps(0.01, by="seed").steps == {1: None, 2: None}
    assert run.enough_steps(0.01, where={"sampler_name": "Euler"}).steps == {"Euler": 20}


def test_without_samplers_there_is_one_answer(tmp_path: Path) -> None:
    run = greys(tmp_path, {"steps": STEPS}, lambda values: SETTLING[values["steps"]])
    found = run.enough_steps()

    assert found.steps == {None: 20}
    assert found.words[0] == "Pictures: 20 steps are enough; 40 steps change the picture by 0.008 (1 pair)."
    assert pd.isna(found.table.iloc[0]["low"])


def test_where_repeats_differ_by_more_they_say_what_is_enough(tmp_path: Path) -> None:
    """Two repeats are 20 levels apart: 0.078."""
    axes = {"steps": STEPS, "seed": [1, 2], "extra.repeat": [1, 2]}
    run = greys(tmp_path, axes, lambda values: SETTLING[values["steps"]] + 20 * values["repeat"])
    found = run.enough_steps()

    assert found.epsilon == pytest.approx(20 / 255, abs=1e-3)
    assert "as two repeats of one picture differ by 0.078" in found.words[-1]


def test_failed_trials_are_gaps(tmp_path: Path) -> None:
    def fails(one: Any) -> Any:
        lost = one.values["steps"] == 40 and one.values["seed"] == 1
        return replace(one, state=TrialState.FAILED, images=()) if lost else one

    run = greys(tmp_path, {"steps": STEPS, "seed": [1, 2]}, lambda values: SETTLING[values["steps"]], edit=fails)
    found = run.enough_steps(0.01)

    assert found.changes["against"].tolist() == [40, 40, 40]  # a seed without its 40 says nothing of the way there
    assert found.changes["series"].tolist() == [1, 1, 1]
    assert found.steps == {None: 20}
    assert "2 pictures are left out, because theirs of the most steps is missing." in found.words
    assert len(found.plot().figure.axes[0].get_lines()[0].get_xdata()) == 3  # one point for each step count


def test_what_lacks_the_next_steps_is_left_out_there(tmp_path: Path) -> None:
    def fails(one: Any) -> Any:
        lost = one.values["steps"] == 20 and one.values["seed"] == 1
        return replace(one, state=TrialState.FAILED, images=()) if lost else one

    run = greys(tmp_path, {"steps": STEPS, "seed": [1, 2]}, lambda values: SETTLING[values["steps"]], edit=fails)
    found = run.enough_steps(0.01, against="next")

    assert found.changes[["steps", "against", "series"]].to_numpy().tolist() == [[5, 10, 2], [10, 20, 1], [20, 40, 1]]
    assert "1 picture is left out, because theirs of the next more steps is missing." in found.words


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ({"epsilon": 0}, "above 0 and under 1"),
        ({"by": "width"}, "is no other axis"),
        ({"against": "none"}, "'largest' or 'next'"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, how: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run.enough_steps(**how)


def test_a_run_that_does_not_vary_steps_is_refused(tmp_path: Path) -> None:
    run = greys(tmp_path, {"seed": [1, 2]}, lambda values: 9)

    with pytest.raises(ValueError, match="does not vary steps; its axes: seed"):
        run.enough_steps()


def test_it_is_drawn_with_a_line_per_sampler_and_epsilon(run: Run) -> None:
    chart = run.enough_steps(0.01).plot()

    assert repr(chart) == "Plot of change by steps, 2 lines"
    texts = {text.get_text() for text in chart.figure.axes[0].texts}
    assert {"Euler", "Euler a", "enough below 0.01", "sampler"} <= texts


def test_a_run_without_a_picture_is_told_to_have_none(tmp_path: Path) -> None:
    def fails(one: Any) -> Any:
        return replace(one, state=TrialState.FAILED, images=())

    run = greys(tmp_path, {"steps": STEPS, "seed": [1, 2]}, lambda values: 100, edit=fails)

    for ask in (run.enough_steps, run.axis_effects):
        with pytest.raises(ValueError, match="none of these 8 trials has a picture yet"):
            ask()


def test_six_pairs_are_not_said_to_be_few(tmp_path: Path) -> None:
    run = greys(tmp_path, {"steps": STEPS, "seed": list(range(6))}, lambda values: SETTLING[values["steps"]])

    assert len(run.enough_steps().words) == 2
