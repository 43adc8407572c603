"""Drift: which cells are made again, when, and what is said of them."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from runpodkit.errors import DriftError, JobFailedError
from runpodkit.params import ImageParams
from runpodkit.runs import drift
from runpodkit.runs.drift import SAME, Anchor, Drift, Redrawn, age_s, anchors_of, compare, due
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState
from runpodkit.sweeps.sweep import sweep

NOON = 1_764_504_000.0  # 2025-11-30 12:00 UTC


def record(trial: int, values: dict[str, Any] | None = None, **given: Any) -> Record:
    values = values if values is not None else {"steps": trial}
    params = ImageParams(user_prompt="a pier", sampler_name=values.get("sampler_name", "Euler"))
    plain = Record(
        trial=trial,
        state=TrialState.COLLECTED,
        values=values,
        params=params,
        prompt="a pier",
        negative_prompt="",
        run="pier",
        endpoint="simulator",
        simulated=True,
        ended_at="2025-11-30T11:00:00+00:00",
        images=(ImageFile(f"images/aa/{trial}.png", 8, 8, 100),),
    )
    return replace(plain, **given)


def png(level: int) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (level, level, level)).save(out, "PNG")
    return out.getvalue()


class StoredRun:
    """As much of a run as a comparison asks for."""

    name = "pier"
    sweep = sweep("a pier", steps=[1, 2, 3], seed=7)

    def bytes_of(self, key: str) -> bytes:
        return png(100)


def test_the_cells_are_as_unlike_each_other_as_there_are() -> None:
    cells = [
        record(n, {"steps": steps, "cfg_scale": cfg}) for n, (steps, cfg) in enumerate([(1, 4), (1, 7), (2, 4), (2, 7)])
    ]

    assert [one.trial for one in anchors_of(cells)] == [0, 3]
    assert [one.trial for one in anchors_of(cells, 3)] == [0, 3, 2]
    assert anchors_of(cells, 0) == []
    assert anchors_of([]) == []


def test_failed_odd_and_reused_cells_are_left_out_and_samplers_that_wander_come_last() -> None:
    cells = [
        record(0, images=()),
        record(1, flags=("blank picture",)),
        record(2, state=TrialState.REUSED),
        record(3, {"sampler_name": "Euler a"}),
        record(4, {"sampler_name": "DPM++ SDE"}),
        record(5, {"sampler_name": "Heun"}, flags=("tried again", "cost from worker")),
    ]

    assert [one.trial for one in anchors_of(cells)] == [5]
    assert [one.trial for one in anchors_of(cells[:5])] == [3, 4]
    assert [one.trial for one in anchors_of(cells[:3])] == [2]


def test_a_run_is_as_old_as_its_youngest_picture_whoever_drew_it() -> None:
    hour_old, reused = record(0), record(1, state=TrialState.REUSED, reused_from="2025-11-30T09:00:00+00:00")

    assert age_s([hour_old, reused], NOON) == 3600.0
    assert age_s([reused], NOON) == 3 * 3600.0
    assert age_s([record(0, images=())], NOON) is None


def test_only_an_old_run_is_checked_unless_somebody_asks() -> None:
    cells = [record(0), record(1)]

    assert due(cells, None, NOON) == []
    assert [one.trial for one in due(cells, None, NOON + 1)] == [0, 1]
    assert [one.trial for one in due(cells, 1, NOON)] == [0]
    assert due(cells, 0, NOON + 86_400) == []
    with pytest.raises(ValueError, match="anchors=21: 0 to 20 cells can be made again"):
        due(cells, 21, NOON)


async def test_the_same_pixels_are_the_same_model_and_what_they_cost_is_told() -> None:
    marks = []

    async def draw(params: ImageParams, mark: str) -> Redrawn:
        marks.append((params.steps, mark))
        return Redrawn(png(102), 0.25)

    found = await compare(StoredRun(), [record(0, {"steps": 1}), record(2, {"steps": 3})], draw)  # type: ignore[arg-type]

    assert not found.found
    assert found.cost_usd == 0.5
    assert [steps for steps, _ in marks] == [1, 3]
    assert len({mark for _, mark in marks}) == 2
    assert [anchor.distance for anchor in found.anchors] == [pytest.approx(2 / 255)] * 2
    assert repr(found) == (
        "run pier: 2 cells made again ($0.5): the same model; trial 0 (steps 1) differs by 0.008; "
        "trial 2 (steps 3) differs by 0.008; up to 0.03 is the same picture"
    )
    found.raise_if_found()


async def test_another_picture_is_refused_with_what_to_do() -> None:
    async def draw(params: ImageParams, mark: str) -> Redrawn:
        return Redrawn(png(151), None)

    found = await compare(StoredRun(), [record(0, {"steps": 1})], draw)  # type: ignore[arg-type]

    assert found.found
    assert "ANOTHER MODEL" in repr(found)
    with pytest.raises(DriftError) as refused:
        found.raise_if_found()
    for part in ("run pier", "trial 0 (steps 1) differs by 0.200", "RUNPODKIT_MODEL", "fresh=True", "anchors=0"):
        assert part in str(refused.value)


async def test_a_cell_that_cannot_be_made_holds_nothing() -> None:
    async def draw(params: ImageParams, mark: str) -> Redrawn:
        raise JobFailedError("abc", "FAILED", "out of memory")

    found = await compare(StoredRun(), [record(0, {"steps": 1})], draw)  # type: ignore[arg-type]

    assert (found.found, found.checked) == (False, False)
    assert "could not be checked: trial 0 (steps 1) could not be made again (job abc ended FAILED" in repr(found)


def test_the_bound_is_where_the_docstring_says() -> None:
    far = Anchor(record(0), SAME)

    assert not Drift("pier", (far,)).found
    assert Drift("pier", (replace(far, distance=SAME + 0.001),)).found
    assert drift.OLD_S == 3600.0


class RepeatedRun(StoredRun):
    """A run whose worker does not repeat itself: the second picture of a cell is 0.04 away from the first."""

    sweep = sweep("a pier", steps=[1, 2], seed=7, repeats=2)
    cells: tuple[Record, ...] = tuple(
        record(n, {"steps": steps, "repeat": repeat})
        for n, (steps, repeat) in enumerate([(1, 1), (1, 2), (2, 1), (2, 2)])
    )

    async def arecords(self) -> list[Record]:
        return list(self.cells)

    def bytes_of(self, key: str) -> bytes:
        return png(110 if key.endswith(("1.png", "3.png")) else 100)


@pytest.mark.parametrize(("level", "other"), [(114, False), (117, True)])
async def test_a_worker_that_does_not_repeat_itself_is_no_other_model(level: int, other: bool) -> None:
    async def draw(params: ImageParams, mark: str) -> Redrawn:
        return Redrawn(png(level), 0.25)

    found = await compare(RepeatedRun(), RepeatedRun.cells[:1], draw)  # type: ignore[arg-type]

    assert found.anchors[0].repeats == pytest.approx(10 / 255)  # so up to 15 levels are the same
    assert found.found is other
    assert f"differs by {(level - 100) / 255:.3f}, its repeats by 0.039" in repr(found)


async def test_a_stored_picture_that_cannot_be_opened_is_not_paid_for_and_not_counted() -> None:
    drawn = []

    async def draw(params: ImageParams, mark: str) -> Redrawn:
        drawn.append(mark)
        return Redrawn(png(100), 0.25)

    class Torn(StoredRun):
        def bytes_of(self, key: str) -> bytes:
            return png(100)[:30] if key.endswith("0.png") else png(100)

    found = await compare(Torn(), [record(0, {"steps": 1}), record(2, {"steps": 3})], draw)  # type: ignore[arg-type]

    assert len(drawn) == 1
    assert "1 cell made again ($0.25): the same model; trial 0 (steps 1) could not be made again" in repr(found)


def test_a_number_of_cells_is_a_whole_number() -> None:
    with pytest.raises(ValueError, match=r"anchors='2': 0 to 20 cells"):
        due([record(0)], "2", NOON)  # type: ignore[arg-type]
