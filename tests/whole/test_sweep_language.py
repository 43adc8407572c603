"""A sweep that uses the whole language, on the stand-ins: drawn, laid out, exported, frozen, extended."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import runpodkit as rk
from runpodkit.kit import Kit
from runpodkit.notebook.hub import Hub
from runpodkit.notebook.live import LiveRun, place_of
from runpodkit.runs.run import Run
from runpodkit.runs.tables import read_csv

SIZES = {"portrait": {"width": 64, "height": 96}, "wide": {"width": 96, "height": 64}}


def asked(**more: Any) -> rk.Sweep:
    fields: dict[str, Any] = {
        "time": rk.replace("dusk", ["noon"]),
        "size": SIZES,
        "steps": [2, 4],
        "where": "steps > 2 or size == 'wide'",
        "repeats": 2,
        "seed": 5,
        **more,
    }
    return rk.sweep("a pier at dusk", **fields)


@pytest.fixture(scope="module")
def drawn(shared_home: Path) -> Any:
    kept: dict[str, Run] = {}

    def run_of(kit: Kit) -> Run:
        if "run" not in kept:
            kept["run"] = kit.submit(asked(), name="language")
            kept["run"].wait()
        return kit.open_run("language")

    return run_of


def test_every_cell_is_drawn_as_often_as_asked_and_each_picture_is_paid_for(kit: Kit, drawn: Any) -> None:
    run = drawn(kit)
    records = run.records()

    assert len(records) == 2 * 3 * 2  # times x (size, steps) that keep the rule x repeats
    assert {str(record.state) for record in records} == {"COLLECTED"}
    assert len({record.key for record in records}) == 12
    assert [record.values["size"] for record in records] == ["portrait"] * 4 + ["wide"] * 8  # the size changes once
    assert all(record.flags == () for record in records)  # equal pictures of repeats are nothing odd
    for record in records:
        assert (record.params.width, record.params.height) == tuple(SIZES[record.values["size"]].values())
        assert record.params.user_prompt == f"a pier at {record.values['time']}"
        assert record.images[0].width == record.params.width
    assert records[0].images[0].pixels == records[1].images[0].pixels


def test_the_first_repeat_is_the_picture_that_is_there_without_repeats(kit: Kit, drawn: Any) -> None:
    drawn(kit)
    once = kit.submit(asked(repeats=1), name="language-once")
    once.wait()

    assert {str(record.state) for record in once.records()} == {"REUSED"}
    assert kit.estimate(asked()).reused == 12


def test_grids_place_labels_and_leave_cells_empty_that_were_not_meant(kit: Kit, drawn: Any) -> None:
    run = drawn(kit)
    grid = run.grid(rows="size", cols=["time", "steps", "repeat"], cell_px=32)

    assert grid.image.width > 200
    assert len(run.where(size="wide", time="noon")) == 4


def test_tables_and_csv_have_a_column_per_label_and_make_the_sweep_again(kit: Kit, drawn: Any, tmp_path: Path) -> None:
    run = drawn(kit)
    table = run.table()
    run.to_csv(tmp_path / "language.csv")

    assert sorted(set(table["size"])) == ["portrait", "wide"]
    assert table["repeat"].tolist() == [1, 2] * 6
    assert read_csv(tmp_path / "language.csv").equals(table)

    again = rk.Sweep.from_rows(tmp_path / "language.csv")
    assert len(again) == 12
    assert again.repeats == 2
    assert [trial.params for trial in again.trials("x")] == [trial.params for trial in run.sweep.trials("language")]


def test_a_page_holds_its_axes_and_parameters(kit: Kit, drawn: Any, tmp_path: Path) -> None:
    page = drawn(kit).export(tmp_path / "language.html", "html")

    text = page.read_text("utf-8")
    data = json.loads(text.split('type="application/json"', 1)[1].split(">", 1)[1].split("</script>", 1)[0])
    assert {axis["name"]: axis["labels"] for axis in data["axes"]} == {
        "time": ["dusk", "noon"],
        "size": ["portrait", "wide"],
        "steps": ["2", "4"],
        "repeat": ["1", "2"],
    }


def test_a_live_view_is_told_where_each_trial_stands(kit: Kit, drawn: Any) -> None:
    run = drawn(kit)
    head = LiveRun(run, place_of(run), Hub())._head()

    names = [axis["name"] for axis in head["axes"]]
    told = [
        {name: head["axes"][at]["labels"][place] for at, (name, place) in enumerate(zip(names, places, strict=True))}
        for places in head["places"]
    ]
    assert told == [{name: str(value) for name, value in record.values.items()} for record in run.records()]


def test_a_frozen_run_opens_with_the_whole_sweep(kit: Kit, drawn: Any, tmp_path: Path) -> None:
    run = drawn(kit)
    run.freeze(tmp_path / "language.zip")
    opened = rk.open_run(tmp_path / "language.zip")

    assert opened.sweep == run.sweep
    assert [record.values for record in opened.records()] == [record.values for record in run.records()]


def test_a_run_grows_by_a_value_and_by_a_repeat(kit: Kit) -> None:
    kit.submit(asked(repeats=1, where=None, steps=[2]), name="grows").wait()
    larger = kit.submit(asked(repeats=2, where=None), name="grows", extend=True)
    larger.wait()

    states = [str(record.state) for record in larger.records()]
    assert len(states) == 16
    assert states.count("REUSED") >= 4


def test_a_sample_of_a_space_that_nobody_could_list_is_drawn(kit: Kit) -> None:
    plan = rk.sweep(
        "a pier",
        steps=range(1, 9),
        cfg_scale="0-30 (+0.01)",
        seed=range(10_000),
        width=64,
        height=64,
        sample=rk.latin(4, seed=1),
    )
    run = kit.submit(plan, name="sampled")
    run.wait()

    assert len({record.params.steps for record in run.records()}) == 4
    assert run.grid(cell_px=32).image.width > 32


def test_rows_of_a_table_are_trials_and_their_other_columns_labels(kit: Kit) -> None:
    rows = [
        {"steps": 2, "seed": 1, "group": "short"},
        {"steps": 3, "seed": 1, "group": "long"},
        {"steps": 3, "seed": 2, "group": "long"},
    ]
    run = kit.submit(rk.Sweep.from_rows(rows, rk.ImageParams(user_prompt="a pier", width=64, height=64)), name="rows")
    run.wait()

    assert run.table().groupby("group")["steps"].count().to_dict() == {"long": 2, "short": 1}
    assert run.grid(rows="group", cell_px=32).image.height > 64


def test_a_prompt_of_one_picture_keeps_its_braces(kit: Kit) -> None:
    assert (
        kit.generate("a {red|blue} pier", seed=1, steps=1, width=64, height=64).params.user_prompt
        == "a {red|blue} pier"
    )
