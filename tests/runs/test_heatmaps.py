"""Heat maps of runs: what is averaged over what, in which order it stands, and what is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.runs.run import Run
from runpodkit.runs.scores import Measure, Number, Score, write_score
from runpodkit.sweeps.sweep import Sweep, sweep
from tests.runs.finished import finished

PLAN = sweep("a mill", sampler_name=["LMS", "Euler"], steps=[20, 4, 8], seed=[1, 2], width=64, height=64)


def lose(record: Record) -> Record:
    """Both seeds of LMS at 8 steps failed, and one of Euler at 4."""
    return replace(record, state=TrialState.FAILED, images=()) if record.trial in (4, 5, 8) else record


def scored(root: Path, plan: Sweep = PLAN) -> Run:
    """A run whose score is the number of its trial."""
    run = finished(root, plan, edit=lose)
    records = [record for record in run.records() if record.images]
    score = Score("clip", Measure("function"))
    values = {score.place(each, each.images[0]): Number(float(each.trial)) for each in records}
    write_score(run.store, run.name, score.with_values(values))
    return run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return scored(tmp_path)


def words_of(run: Run, tmp_path: Path, *given: Any, **words: Any) -> list[str]:
    svg = run.heatmap(*given, **words).save(tmp_path / "h.svg").read_text("utf-8")
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg)


def test_the_mean_goes_over_all_other_axes_and_the_count_stands_below(run: Run, tmp_path: Path) -> None:
    """Trials 0 to 11: LMS 20, 4, 8, Euler 20, 4, 8, each with seeds 1 and 2."""
    words = words_of(run, tmp_path, "clip")

    assert words[:2] == ["mill", "mean clip over seed, n trials in a cell"]
    assert words.count("missing") == 1
    assert [word for word in words if word in ("0.5", "2.5", "6.5", "9.0", "10.5")] == [
        "0.5",
        "2.5",
        "6.5",
        "9.0",
        "10.5",
    ]
    assert words.count("n = 2") == 4
    assert words.count("n = 1") == 1


def test_axes_stand_in_their_own_order_and_may_be_chosen(run: Run, tmp_path: Path) -> None:
    words = words_of(run, tmp_path, "clip", "steps", "seed", where={"sampler_name": "Euler"})
    labels = [word for word in words if word in ("20", "4", "8", "1", "2")]

    assert labels[:2] == ["1", "2"]
    assert [label for label in labels if label in ("20", "4", "8")][:3] == ["20", "4", "8"]
    assert words[:4] == ["mill", "clip, 1 trial in each cell", "sampler_name Euler", "SIMULATOR"]


def test_any_number_of_the_table_can_be_shown_and_any_column_be_an_axis(run: Run, tmp_path: Path) -> None:
    assert "execution_time_s" in words_of(run, tmp_path, "execution_time_s", "sampler_name", "steps")
    assert "COLLECTED" in words_of(run, tmp_path, "clip", "state")


def test_one_axis_alone_makes_one_line(tmp_path: Path) -> None:
    plan = sweep("a mill", steps=[4, 8, 12], width=64, height=64)
    run = scored(tmp_path, plan)

    assert repr(run.heatmap("clip")) == "Heat map 1 × 3, 3 cells"
    assert repr(run.heatmap("clip", "steps")) == "Heat map 3 × 1, 3 cells"


def test_what_was_never_planned_is_blank_and_not_missing(tmp_path: Path) -> None:
    plan = Sweep(PLAN.base, {"steps": [4, 8], "cfg_scale": [1.0, 2.0]}, mode="zip")
    run = scored(tmp_path, plan)

    assert repr(run.heatmap("clip")) == "Heat map 2 × 2, 2 cells"


@pytest.mark.parametrize(
    ("given", "words", "said"),
    [
        (("clap",), {}, "'clap' is no column of this run's table; its numbers: .*clip"),
        (("state",), {}, "state holds no numbers"),
        (("clip", "stps"), {}, "stps is no axis and no column"),
        (("clip", "steps", "steps"), {}, "steps cannot run down and across"),
        (("clip", ["steps", "seed"]), {}, "one name down and one across"),
        (("queue_delay_s",), {}, "not one of these 12 trials has it yet"),
        (("clip",), {"where": {"seed": 3}}, "no trial of mill matches"),
    ],
)
def test_what_cannot_be_meant_is_refused(run: Run, given: tuple[Any, ...], words: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        run.heatmap(*given, **words)
