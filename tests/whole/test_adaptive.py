"""Adaptive runs and the guard against drift over real stand-ins: what they draw, pay, say and do when called again."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import runpodkit as rk
from runpodkit.blocking import shared_loop
from runpodkit.connecting import connect
from runpodkit.errors import ConfigError, DriftError, RunConflictError
from runpodkit.kit import Kit
from runpodkit.params import ImageParams
from tests.whole.conftest import KEY

SMALL: dict[str, Any] = {"width": 64, "height": 64}
HANDLER = """
import base64, io
import runpod
from PIL import Image

def handler(job):
    asked = job["input"]
    out = io.BytesIO()
    picture = Image.new("RGB", (asked["width"], asked["height"]), (asked["steps"] * 20, {green}, 90))
    picture.putpixel((0, 0), (255, 255, 255))
    picture.save(out, "PNG")
    return {{"image": base64.b64encode(out.getvalue()).decode()}}

runpod.serverless.start({{"handler": handler}})
"""


def near_five(image: Image.Image, params: ImageParams) -> float:
    """Best at 5.3, so that it is known where a search must go."""
    return -abs(params.cfg_scale - 5.3)


@pytest.fixture
def coarse(kit: Kit) -> rk.Run:
    sweep = rk.sweep("a red buoy", cfg_scale=[1, 4, 7, 10], seed=[1, 2], steps=2, **SMALL)
    return kit.submit(sweep, name="coarse").wait(progress=False)


def test_a_refinement_closes_in_on_the_best_value_and_says_how(kit: Kit, coarse: rk.Run) -> None:
    found = kit.refine(coarse, "cfg_scale", near_five, resolution=0.5, progress=False)

    assert found.best == 5.5
    assert found.run.sweep.axes["cfg_scale"] == [1, 2.5, 4, 5, 5.5, 6, 7, 10]
    assert found.means[5.5] == pytest.approx(-0.2)
    assert repr(found).startswith(
        "Refined cfg_scale by near_five: best 5.5: cfg_scale 4 is best (near_five -1.3), between 1 and 7; tried 2.5 and 5.5; "
        "cfg_scale 5.5 is best (near_five -0.2), between 4 and 7; tried 5 and 6; "
        "cfg_scale 5.5 is best (near_five -0.2), between 5 and 6; 8 new trials, $"
    )
    assert repr(found).endswith("stopped: neighbours differ by less than 1, so nothing 0.5 away lies between")
    assert list(found.table["tried"]) == ["2.5 and 5.5", "5 and 6", ""]
    assert coarse.sweep.axes["cfg_scale"] == [1, 4, 7, 10]
    assert "look 1" in found._repr_html_()


def test_called_again_it_decides_the_same_and_pays_nothing(kit: Kit, coarse: rk.Run) -> None:
    first = kit.refine(coarse, "cfg_scale", near_five, resolution=0.5, name="again", budget_usd=1, progress=False)
    before = kit.open_run("again").report()["submissions"]

    second = kit.refine("coarse", "cfg_scale", near_five, resolution=0.5, name="again", budget_usd=1, progress=False)

    assert repr(second) == repr(first)
    assert second.spent_usd == first.spent_usd
    assert kit.open_run("again").report()["submissions"] == before


def test_a_refinement_that_died_between_two_rounds_goes_on_with_what_it_drew_and_spent(
    kit: Kit, coarse: rk.Run
) -> None:
    whole = {"resolution": 0.25, "name": "died", "progress": False}
    one = kit.refine(coarse, "cfg_scale", near_five, rounds=1, **whole)  # type: ignore[arg-type]
    rest = kit.refine(coarse, "cfg_scale", near_five, **whole)  # type: ignore[arg-type]

    assert rest.steps[0] == one.steps[0]
    assert one.stopped == "rounds=1 are done"
    assert len(rest.steps) > 2
    assert rest.spent_usd is not None
    assert one.spent_usd is not None
    assert rest.spent_usd >= one.spent_usd


def test_a_budget_is_never_passed_and_a_round_is_made_smaller_first(kit: Kit) -> None:
    sweep = rk.sweep("a blue buoy", cfg_scale=[1, 4, 7], seed=[1, 2], steps=2, **SMALL)
    run = kit.submit(sweep, name="dear").wait(progress=False)

    poor = kit.refine(run, "cfg_scale", near_five, name="poor", budget_usd=1e-9, progress=False)
    few = kit.refine(run, "cfg_scale", near_five, name="few", max_trials=3, progress=False)

    assert poor.stopped.startswith("budget: the next 2 trials may cost $")
    assert (poor.trials, poor.run.name) == (0, "dear")
    assert few.trials == 2
    assert few.stopped == "max_trials=3: 2 were drawn, and the next round has 2"


def test_by_change_the_fastest_gaps_are_divided(kit: Kit, coarse: rk.Run) -> None:
    found = kit.refine(coarse, "cfg_scale", "change", epsilon=0.0, rounds=2, name="steep", progress=False)

    first, second = found.steps[:2]
    assert first.said.startswith("the picture changes most between cfg_scale")
    assert 1 <= len(first.tried) <= 2
    assert not set(first.tried) & set(second.tried)
    assert found.stopped == "rounds=2 are done"


async def test_both_can_be_awaited(home: Path) -> None:
    kit = connect(quiet=True)
    try:
        run = await kit.asubmit(rk.sweep("a raft", cfg_scale=[1, 9], seed=1, steps=2, **SMALL), name="raft")
        found = await kit.arefine(run, "cfg_scale", "execution_time_s", goal="min", rounds=1, progress=False)
        plan = rk.sweep("a raft", steps=[1, 2], seed=1, **SMALL)
        enough = await kit.aenough(plan, epsilon=1.0, name="raft-enough", progress=False)
    finally:
        await kit.aclose()

    assert found.by == "execution_time_s"
    assert enough.values == {"all": 1}


def test_a_name_that_another_sweep_has_is_refused(kit: Kit, coarse: rk.Run) -> None:
    kit.submit(rk.sweep("something else", seed=1, steps=2, **SMALL), name="taken").wait(progress=False)

    with pytest.raises((RunConflictError, ValueError), match="taken"):
        kit.refine(coarse, "cfg_scale", near_five, name="taken", progress=False)


def test_asked_for_more_or_by_another_score_it_keeps_what_it_drew_under_its_name(kit: Kit, coarse: rk.Run) -> None:
    one = kit.refine(coarse, "cfg_scale", near_five, rounds=2, name="more", progress=False)

    more = kit.refine(coarse, "cfg_scale", near_five, rounds=1, points=2, name="more", progress=False)
    other = kit.refine(coarse, "cfg_scale", "change", epsilon=0.0, rounds=1, name="more", progress=False)

    assert set(one.run.sweep.axes["cfg_scale"]) < set(more.run.sweep.axes["cfg_scale"])
    assert set(more.run.sweep.axes["cfg_scale"]) <= set(other.run.sweep.axes["cfg_scale"])
    assert more.steps[0].tried == (2, 3, 5, 6)


def test_a_run_that_is_refined_under_its_own_name_is_not_counted_as_spent(kit: Kit) -> None:
    sweep = rk.sweep("a green buoy", cfg_scale=[1, 4, 7], seed=[1, 2], steps=2, **SMALL)
    run = kit.submit(sweep, name="in-place").wait(progress=False)
    found = kit.refine(run, "cfg_scale", near_five, rounds=1, name="in-place", budget_usd=1, progress=False)

    drawn = [record.cost_usd or 0.0 for record in found.run.records() if record.values["cfg_scale"] in (2.5, 5.5)]
    assert found.trials == len(drawn) == 4
    assert found.spent_usd == pytest.approx(sum(drawn))


def test_enough_is_never_told_of_the_pictures_of_another_sweep(kit: Kit) -> None:
    def plan(prompt: str, sampler: Any = "Euler") -> rk.Sweep:
        return rk.sweep(prompt, steps=[1, 2], sampler_name=sampler, seed=1, **SMALL)

    kit.enough(plan("a raft"), epsilon=1.0, name="shared", progress=False)

    with pytest.raises(RunConflictError, match="shared"):
        kit.enough(plan("a ferry"), epsilon=1.0, name="shared", progress=False)
    with pytest.raises(ValueError, match="sampler_name: only axes of plain parameters"):
        kit.enough(plan("a raft", {"fast": "Euler", "slow": "Heun"}), name="labelled", progress=False)


def test_enough_asked_more_strictly_adds_to_what_it_drew_and_counts_what_there_is(kit: Kit) -> None:
    plan = rk.sweep("a strict raft", steps=[1, 2, 4], seed=1, **SMALL)

    saved = [kit.enough(plan, epsilon=epsilon, name="strict", progress=False).saved for epsilon in (1.0, 1e-9, 1.0)]

    assert saved == [1, 0, 0]


def test_who_asks_at_the_same_time_for_the_same_never_takes_the_run_from_the_other(kit: Kit) -> None:
    plan = rk.sweep("a shared buoy", cfg_scale=[1, 4], seed=[1, 2], steps=2, **SMALL)
    wider = rk.sweep("a shared buoy", cfg_scale=[1, 4, 7, 10], seed=[1, 2], steps=2, **SMALL)
    kit.submit(plan, name="at-once").wait(progress=False)

    with ThreadPoolExecutor(4) as pool:
        runs = list(pool.map(lambda _: kit.submit(wider, name="at-once", extend=True), range(4)))

    assert [run.wait(progress=False).state for run in runs] == ["DONE"] * 4
    assert sum(bool(record.images) for record in kit.open_run("at-once").records()) == 8


def test_a_score_of_the_package_is_computed_for_what_a_round_drew_and_becomes_a_column(
    kit: Kit, coarse: rk.Run
) -> None:
    found = kit.refine(coarse, "cfg_scale", "sharpness", rounds=1, name="sharp", progress=False)

    table = found.run.table()
    assert found.by == "sharpness"
    assert table["sharpness"].notna().all()
    assert found.means == pytest.approx(dict(table.groupby("cfg_scale")["sharpness"].mean()))
    assert found.best == max(found.means, key=lambda value: found.means[value])


@pytest.mark.parametrize(
    ("axis", "given", "why"),
    [
        ("seed", {}, "axis seed: its numbers are names"),
        ("steps", {}, "steps is no axis of run coarse; its axes: cfg_scale, seed"),
        ("cfg_scale", {"by": "beauty"}, "by='beauty': no score of run coarse is called so; known: execution_time_s"),
        ("cfg_scale", {"goal": "most"}, "goal='most': 'max' or 'min'"),
        ("cfg_scale", {"rounds": 0}, "rounds=0: a whole number of at least 1"),
    ],
)
def test_what_cannot_be_refined_is_told_before_anything_is_drawn(
    kit: Kit, coarse: rk.Run, axis: str, given: dict[str, Any], why: str
) -> None:
    with pytest.raises(ValueError, match=why):
        kit.refine(coarse, axis, name="never", progress=False, **given)

    assert "never" not in set(kit.runs()["name"])


def test_an_axis_is_drawn_as_far_as_it_changes_the_picture(kit: Kit) -> None:
    plan = rk.sweep("a red boat", sampler_name=["Euler", "Heun"], steps=[2, 4, 8, 16, 24, 32], seed=[1, 2], **SMALL)

    found = kit.enough(plan, name="far-enough", progress=False)
    again = kit.enough(plan, name="far-enough", progress=False)

    drawn = {record.values["steps"] for record in found.run.records()}
    assert all(value is not None and value < 24 for value in found.values.values())
    assert found.stopped == "every group has enough"
    assert max(drawn) < 32
    assert found.saved == len(plan) - len(found.run) > 0
    assert found.trials == len(found.run)
    assert repr(again) == repr(found)
    assert f"{found.saved} trials of the sweep not drawn" in repr(found)
    assert found.run.grid(rows="sampler_name", cols="steps").image.width > 0


def test_an_axis_that_never_settles_is_drawn_to_its_end_and_says_so(kit: Kit) -> None:
    plan = rk.sweep("a red boat", steps=[1, 2, 3], seed=1, **SMALL)

    found = kit.enough(plan, epsilon=1e-9, name="never-enough", progress=False)

    assert found.values == {"all": None}
    assert found.stopped == "steps has no value above 3"
    assert "steps (change below 1e-09): all not reached" in repr(found)
    with pytest.raises(ValueError, match=r"by=cfg_scale: name other axes of the sweep"):
        kit.enough(plan, by="cfg_scale")


# drift


@pytest.fixture
def model(
    home: Path, tmp_path: Path, simulated: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[[int], None]:
    """An endpoint whose handler file is the model: calling this puts another one behind the same address."""
    file = tmp_path / "handler.py"
    file.write_text(HANDLER.format(green=40))
    service = simulated("--handler", str(file))
    monkeypatch.setenv("RUNPOD_URL", service.url)
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)

    def becomes(green: int) -> None:
        file.write_text(HANDLER.format(green=green))
        service.stop()
        service.start()

    return becomes


def test_an_old_run_does_not_grow_by_another_model_s_pictures(model: Callable[[int], None], capsys: Any) -> None:
    kit = connect(quiet=True)
    small, large = (rk.sweep("a wall", steps=steps, seed=1, **SMALL) for steps in ([1, 2, 3], [1, 2, 3, 4]))
    run = kit.submit(small, name="wall").wait(progress=False)

    young = kit.check_drift(run)
    before = {record.trial: run.bytes_of(record.images[0].key) for record in run.records()}
    model(160)
    with pytest.raises(DriftError) as refused:
        kit.submit(large, name="wall", extend=True, anchors=2)
    kept = kit.open_run("wall")
    after = {record.trial: kept.bytes_of(record.images[0].key) for record in kept.records()}
    mixed = kit.submit(large, name="wall", extend=True, anchors=0).wait(progress=False)
    names = set(kit.runs()["name"])
    kit.close()

    assert not young.found
    assert "run wall: 2 cells made again" in capsys.readouterr().err
    assert "run wall was drawn by another model than its endpoint has now" in str(refused.value)
    assert "trial 0 (steps 1) differs by 0.157; trial 2 (steps 3) differs by 0.157" in str(refused.value)
    assert len(kept) == 3
    assert after == before
    assert len(mixed) == 4
    assert not [name for name in names if name.startswith("anchor-")]


def test_the_same_model_lets_an_old_run_grow_and_leaves_nothing_behind(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = (rk.sweep("a fence", steps=steps, seed=1, **SMALL) for steps in ([1, 2], [1, 2, 3]))
    kit.submit(small, name="fence").wait(progress=False)
    files = set(kit.store.keys())
    monkeypatch.setattr("runpodkit.runs.drift.OLD_S", -1.0)

    run = kit.submit(large, name="fence", extend=True).wait(progress=False)

    assert (run.report()["collected"], run.report()["reused"]) == (3, 2)
    new = set(kit.store.keys()) - files
    assert len([key for key in new if key.startswith("images/")]) == 1
    assert not [key for key in new if "anchor" in key]
    assert not [name for name in shared_loop().call(kit.ledger.names()) if "anchor" in name]


def test_a_search_in_an_old_run_pays_for_its_anchors_once_within_its_budget(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kit.submit(rk.sweep("a dune", cfg_scale=[1, 9], seed=1, steps=2, **SMALL), name="dune").wait(progress=False)
    monkeypatch.setattr("runpodkit.runs.drift.OLD_S", -1.0)

    found = kit.refine(run, "cfg_scale", near_five, rounds=2, name="dune-near", budget_usd=1, progress=False)
    capsys.readouterr()
    again = kit.refine(run, "cfg_scale", near_five, rounds=2, name="dune-near", budget_usd=1, progress=False)

    drawn = [record.cost_usd or 0 for record in found.run.records()]
    assert found.spent_usd is not None
    assert found.spent_usd > sum(drawn)
    assert again.spent_usd == found.spent_usd
    assert "made again" not in capsys.readouterr().err


# bills


def test_the_bill_of_a_run_is_asked_for_over_http_and_split(kit: Kit) -> None:
    joint = rk.sweep("a second ledger", endpoint=["simulator"], seed="1-2", steps=2, **SMALL)
    beside = kit.submit(joint, name="beside").wait(progress=False)
    run = kit.submit(rk.sweep("a ledger", seed="1-4", steps=2, **SMALL), name="billed").wait(progress=False)

    bill = kit.open_run("billed").bill()

    assert bill.billed_usd is not None
    assert bill.work_usd == pytest.approx(run.table()["cost_usd"].sum())
    assert bill.cold_start_usd is not None
    assert bill.idle_usd is not None
    assert bill.others_usd["beside--simulator"] == pytest.approx(beside.table()["cost_usd"].sum())
    others = sum(usd or 0 for usd in bill.others_usd.values())
    assert bill.work_usd + others + bill.cold_start_usd + bill.idle_usd == pytest.approx(bill.billed_usd)
    assert repr(bill).startswith("run billed: billed $")
    assert "SIMULATOR: nothing is paid" in repr(bill)
    with pytest.raises(ConfigError, match=r"was opened from its store, without a key"):
        rk.open_run(kit.settings.home / "store" / "runs" / "billed").bill()
