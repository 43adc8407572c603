"""Grids of every kind of source, with real pictures out of a real folder: what is drawn, said and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import runpodkit as rk
from runpodkit.images.grids import Grid
from runpodkit.runs import grids
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.sweeps.sweep import sweep
from tests.images.test_grids import box_of
from tests.runs.finished import colour_of, finished, png

PLAN = sweep("a mill", sampler_name=["Euler", "Heun"], steps=[5, 10], seed=[1, 2], width=64, height=96)


def colours(made: Grid) -> set[tuple[int, ...]]:
    return {colour for _, colour in made.image.getcolors(1 << 20) or () if isinstance(colour, tuple)}


def test_a_run_is_drawn_by_its_axes(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)

    assert repr(run.grid()) == "Grid 2 × 4, 8 pictures"
    assert repr(run.grid(rows="seed", cols=["steps", "sampler_name"])) == "Grid 2 × 4, 8 pictures"
    assert repr(run.grid("seed", "steps", "sampler_name")) == "Grid 2 pages of 2 × 2, 8 pictures"
    assert {colour_of(trial) for trial in range(8)} <= colours(run.grid())


def test_cells_stand_where_their_values_say(tmp_path: Path) -> None:
    made = finished(tmp_path, PLAN).grid(rows="steps", cols=["seed", "sampler_name"], order={"steps": [10]})

    # trials by sampler, steps, seed: 3 is Euler, 10 steps, seed 2; 4 is Heun, 5 steps, seed 1
    three, four = box_of(made.image, colour_of(3)), box_of(made.image, colour_of(4))
    assert three[1] < four[1], "10 steps were asked to come first"
    assert three[0] > four[0], "seed 2 stands to the right of seed 1"


def test_every_source_of_the_same_pictures_makes_the_same_table(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)
    folder = tmp_path / "files"
    for picture in run.pictures():
        picture.save(folder / f"{picture.record.trial}.png")
    sources: dict[str, Any] = {
        "run": (run, None),
        "records": (run.where(), run),
        "records of a store": (run.where(), run._store),
        "pictures": (run.pictures(), None),
        "table": (run.table(), run),
        "table of a store": (run.table(), run._store),
        "files": (sorted(folder.iterdir()), None),
        "folder": (folder, None),
        "pattern": (f"{folder}/*.png", None),
        "folder of the run": (tmp_path / "runs" / "mill", None),
    }
    for name, (source, store) in sources.items():
        made = rk.grid(source, rows=["sampler_name", "steps"], cols="seed", cell_px=64, title="", store=store)
        assert repr(made) == "Grid 4 × 2, 8 pictures", name
        places = [box_of(made.image, colour_of(trial))[:2] for trial in range(8)]
        assert places == sorted(places, key=lambda at: (at[1], at[0])), name


def test_two_runs_stand_side_by_side(tmp_path: Path) -> None:
    one, two = finished(tmp_path, PLAN), finished(tmp_path, PLAN, "mill-2")

    assert repr(rk.grid([one, two], rows=["sampler_name", "steps"], cols=["seed", "run"])) == "Grid 4 × 4, 16 pictures"
    assert repr(rk.grid([one, two])) == "Grid 2 × 8, 16 pictures"


def test_runs_of_different_sweeps_are_all_there_and_nothing_is_called_missing(tmp_path: Path) -> None:
    other = sweep("a mill", cfg_scale=[2, 3, 4], width=64, height=96, seed=9)
    made = rk.grid([finished(tmp_path, PLAN), finished(tmp_path, other, "other")])

    assert repr(made).endswith(", 11 pictures")


def test_a_part_of_a_table_is_drawn_as_far_as_it_goes(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)

    assert repr(rk.grid(run.table().query("steps == 5"), store=run)) == "Grid 2 × 2, 4 pictures"
    best = rk.grid(run.table().sample(3, random_state=1), store=run)
    assert repr(best).endswith(", 3 pictures")


def test_where_takes_part_of_any_source(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)

    assert repr(run.grid(where={"steps": 5, "seed": [1, 2]})) == "Grid 2 × 2, 4 pictures"
    with pytest.raises(ValueError, match="no picture has steps=7; it is 5, 10"):
        run.grid(where={"steps": 7})


def test_trials_of_several_images_are_a_strip(tmp_path: Path) -> None:
    run = finished(tmp_path, sweep("a mill", seed=[1, 2, 3], width=64, height=96), images=2)

    assert repr(run.grid()) == "Grid 3 × 2, 6 pictures"
    assert repr(run.grid(where={"image": 2})) == "Grid 1 × 3, 3 pictures"
    assert repr(run.grid(pages="image")) == "Grid 2 pages of 1 × 3, 6 pictures"


def test_forty_seeds_stand_in_five_lines(tmp_path: Path) -> None:
    made = finished(tmp_path, sweep("a mill", seed=list(range(40)), width=64, height=96)).grid(cell_px=40)

    assert repr(made) == "Grid 5 × 8, 40 pictures"
    tops = [box_of(made.image, colour_of(trial))[1] for trial in (0, 7, 8)]
    assert tops[0] == tops[1] < tops[2]


def spoilt(record: Record) -> Record:
    if record.trial == 1:
        return replace(record, state=TrialState.FAILED, images=(), reason="out of memory")
    if record.trial == 2:
        return replace(record, state=TrialState.PLANNED, images=())
    return replace(record, flags=("cost from worker", "blank") if record.trial in (3, 4) else ("tried again",))


def test_what_failed_is_missing_or_odd_is_counted_and_told(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN, edit=spoilt)
    made = run.grid()

    assert repr(made) == "Grid 2 × 4, 6 pictures, 1 missing, 1 failed, 2 flagged"
    with Image.open(made.save(tmp_path / "g.png")) as image:
        assert "marked (!): blank (2)" in image.info["Description"]


def test_a_baseline_shows_differences_and_their_size(tmp_path: Path) -> None:
    plan = sweep("a mill", sampler_name=["Euler", "Heun", "DDIM"], seed=[1, 2], width=64, height=96)
    greys = {"Euler": 100, "Heun": 110, "DDIM": 100}
    run = finished(tmp_path, plan, draw=lambda trial, _: png((greys[trial.params.sampler_name],) * 3))
    made = run.grid(rows="seed", cols="sampler_name", baseline="Euler", cell_px=160)
    text = (made.save(tmp_path / "g.svg")).read_text()

    assert {(100, 100, 100), (40, 40, 40), (0, 0, 0)} <= colours(made)
    assert text.count("differs by 0.039") == text.count("no difference") == 2
    assert "difference to Euler, × 4" in text


def test_what_is_the_same_in_every_cell_stands_above_and_the_seed_that_is_not_is_told(tmp_path: Path) -> None:
    plan = sweep("a mill", steps=[5, 10], seed="vary", width=64, height=96)
    made = finished(tmp_path, plan, simulated=False).grid()
    with Image.open(made.save(tmp_path / "g.png")) as image:
        assert image.info["Title"] == "a mill"
        assert image.info["Description"] == "64×96 · Euler · cfg scale 4 · another seed each"


def test_simulated_pictures_say_so_even_without_words(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)
    for source, store in ((run, None), (run.where(), run), (run.table(), run), (run.pictures(), None)):
        made = rk.grid(source, store=store, legend=False)
        assert "SIMULATOR" in made.save(tmp_path / "g.svg").read_text()


def test_a_simulation_among_others_is_told_and_so_is_one_that_was_saved_as_files(tmp_path: Path) -> None:
    simulated, real = finished(tmp_path, PLAN), finished(tmp_path, PLAN, "real", simulated=False)
    for run, folder in ((simulated, "one"), (real, "other")):
        for picture in run.pictures(steps=5):
            picture.save(tmp_path / folder / f"{picture.record.trial}.png")

    def badge(source: Any) -> str:
        text = rk.grid(source).save(tmp_path / "g.svg").read_text()
        return "partly" if "PARTLY" in text else "all" if "SIMULATOR" in text else "none"

    assert [badge(source) for source in (simulated, [simulated, real], real)] == ["all", "partly", "none"]
    assert [badge(tmp_path / name) for name in ("one", "other")] == ["all", "none"]
    assert badge(f"{tmp_path}/o*/*.png") == "partly"


def test_how_a_grid_looks_is_passed_on(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)

    assert run.grid(width_mm=80, dpi=254).image.width == 800
    bare = run.grid(cell_px=64, legend=False, gap_px=0, padding_px=0)
    assert bare.image.width == 4 * 64


def test_frames_are_as_many_as_pages_and_labelled(tmp_path: Path) -> None:
    made = finished(tmp_path, PLAN).grid(pages="steps", title="")
    with Image.open(made.save(tmp_path / "x.gif", frame_s=0.5)) as image:
        assert (image.n_frames, image.info["duration"]) == (2, 500)
    assert made.pages[1].save(tmp_path / "x.svg").read_text().count("steps 10") >= 1


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ([], "nothing to draw"),
        (["no/such.png"], "no such file or folder"),
        ("lighthouse", "no such file or folder; a run is opened with runpodkit.open_run"),
        ([Path("a"), 5], "PosixPath, int: give a run"),
    ],
)
def test_what_is_no_source_is_named(source: Any, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        rk.grid(source)


def test_records_and_rows_need_their_store(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)
    for source in (run.where(), run.table()):
        with pytest.raises(ValueError, match="add store=run"):
            rk.grid(source)


@pytest.mark.parametrize("store", ["s3://bucket", {}, 5])
def test_what_is_no_store_is_named(store: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="is neither a run nor a store"):
        rk.grid(finished(tmp_path, PLAN).where(), store=store)


def test_keys_in_a_table_never_leave_the_store(tmp_path: Path) -> None:
    run = finished(tmp_path / "store", PLAN)
    (tmp_path / "secret.png").write_bytes(png((1, 2, 3)))
    frame = run.table().head(2)
    frame["image"] = ["../secret.png", None]
    made = rk.grid(frame, store=run)

    assert repr(made) == "Grid 1 × 2, 0 pictures, 2 failed"


def test_axes_that_go_together_leave_their_other_places_empty(tmp_path: Path) -> None:
    plan = sweep("a mill", width=[64, 128], height=[128, 64], mode="zip")

    assert repr(finished(tmp_path, plan).grid(rows="width", cols="height")) == "Grid 2 × 2, 2 pictures"


def test_a_bar_counts_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    class Bar:
        def __init__(self, words: str, total: int, **_: Any) -> None:
            seen.append((words, total))

        def __enter__(self) -> Any:
            return lambda: seen.append(1)

        def __exit__(self, *_: object) -> None:
            pass

    monkeypatch.setattr(grids, "progress", Bar)
    finished(tmp_path, PLAN, edit=spoilt).grid()

    assert seen[0] == ("grid", 6) and len(seen) >= 7
