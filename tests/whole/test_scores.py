"""Scores of a real run on the simulator: what its exact model lets one expect, and that they go where the run goes."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import runpodkit as rk
from runpodkit.kit import Kit
from runpodkit.runs.tables import read_csv

SMALL = {"width": 128, "height": 128}


def test_more_steps_come_closer_to_the_picture_of_many_and_the_column_goes_everywhere(
    kit: Kit, runpodkit: Callable[..., Any], tmp_path: Path
) -> None:
    sweep = rk.sweep("a fox in the snow", sampler_name="Euler", steps=[2, 8, 40], seed=[1, 2], **SMALL)
    run = kit.submit(sweep, name="whole-scores").wait(progress=False)
    run.score("ssim", baseline={"steps": 40})
    run.score("phash_distance", baseline={"steps": 40})
    run.score("sharpness")
    like = run.summary("steps")

    assert like["ssim"][2] < like["ssim"][8] < like["ssim"][40] == 1
    assert like["phash_distance"][40] == 0 <= like["phash_distance"][8] <= like["phash_distance"][2]
    assert (run.table()["sharpness"] > 0).all()

    run.to_csv(tmp_path / "t.csv")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), run.table())
    assert '"under":"ssim"' in run.to_html(tmp_path / "t.html", under="ssim").read_text("utf-8")
    assert repr(run.heatmap("ssim", "steps", "seed")) == "Heat map 3 × 2, 6 cells"

    done = runpodkit("score", "whole-scores", "--measure", "ssim", "--baseline", "steps=8", "--as", "like_8")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("like_8: 6 of 6 trials, mean 0.")
    assert json.loads(runpodkit("summary", "whole-scores", "--json").stdout)[0]["like_8"] < 1

    run.freeze(tmp_path / "s.zip")
    assert list(rk.open_run(tmp_path / "s.zip").table()["like_8"]) == list(run.table()["like_8"])


def test_a_picture_drawn_once_is_scored_once_and_a_deleted_run_leaves_no_score(kit: Kit) -> None:
    sweep = rk.sweep("a fox in the rain", steps=[2, 3], seed=[1, 2], **SMALL)
    first = kit.submit(sweep, name="whole-scored-first").wait(progress=False)
    calls: deque[int] = deque()  # a list that it fills would be taken for a change of the function

    def counted(image: object, params: rk.ImageParams) -> float:
        calls.append(params.steps)
        return float(params.steps)

    first.score(counted)
    second = kit.submit(sweep, name="whole-scored-second").wait(progress=False)

    assert list(second.score(counted)) == [2, 2, 3, 3]
    assert len(calls) == 4
    assert list(kit.store.keys("runs/whole-scored-second/scores/")) == ["runs/whole-scored-second/scores/counted.jsonl"]
    second.delete()
    assert list(kit.store.keys("runs/whole-scored-second/")) == []
    assert list(first.table()["counted"]) == [2, 2, 3, 3]


async def test_a_run_that_moves_is_scored_as_far_as_it_is_and_goes_on_later(kit: Kit) -> None:
    sweep = rk.sweep("a fox at night", steps=[2, 3, 4], seed=[1, 2], **SMALL)
    run = kit.submit(sweep, name="whole-scored-early")
    early = await run.ascore("contrast", progress=False)
    await run
    late = await run.ascore("contrast", progress=False)

    assert early.notna().sum() <= 6 == late.notna().sum()


@pytest.mark.parametrize("name", ["steps", "cost_usd", "execution_time_s", "state"])
def test_a_score_hides_no_column(kit: Kit, name: str) -> None:
    run = kit.submit(rk.sweep("a fox", steps=2, seed=[1], **SMALL), name="whole-scored-names").wait(progress=False)

    with pytest.raises(ValueError, match="would hide"):
        run.score("contrast", name)
