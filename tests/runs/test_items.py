"""Items: what every source becomes, and where small versions are kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runpodkit.errors import StoreError
from runpodkit.runs import items
from runpodkit.runs.items import Collection, Item, Shelf, Thumbs
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep
from tests.runs.finished import colour_of, finished, png

PLAN = sweep("a mill", sampler_name=["Euler", "Heun"], steps=[5, 10], seed=7, width=64, height=64)


def spoilt(record: Record) -> Record:
    """Trial 1 failed, 2 has not ended, 3 is odd."""
    if record.trial == 1:
        return replace(record, state=TrialState.FAILED, images=(), reason="out of memory", flags=("blank",))
    if record.trial == 2:
        return replace(record, state=TrialState.SUBMITTED, images=())
    return replace(record, flags=("cost from worker", "tried again", "blank", "same pixels as trial 0"))


def test_a_run_gives_an_item_per_trial_with_all_that_is_known_of_it(tmp_path: Path) -> None:
    found = items.of_runs([finished(tmp_path, PLAN)])

    assert found.axes == {"sampler_name": ["Euler", "Heun"], "steps": [5, 10]}
    assert (found.planned, found.sparse, found.simulated) == (True, False, (True, True))
    last = found.items[3]
    wanted = {"sampler_name": "Heun", "steps": 10, "seed": 7, "trial": 3, "run": "mill", "cost_usd": 0.0004, "image": 1}
    assert {name: last.facts[name] for name in wanted} == wanted
    assert (last.name, last.size) == ("trial 3", (32, 48))
    assert last.read is not None and last.read().startswith(b"\x89PNG")


def test_failed_and_waiting_trials_have_no_picture_and_only_the_failed_a_reason(tmp_path: Path) -> None:
    good, failed, waiting, odd = items.of_runs([finished(tmp_path, PLAN, edit=spoilt)]).items

    assert (failed.read, failed.problem, failed.flags) == (None, "out of memory", ())
    assert (waiting.read, waiting.problem) == (None, None)
    assert good.flags == odd.flags == ("blank", "same pixels as trial 0")


def test_trials_of_several_images_have_an_axis_for_them(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN, images=3, edit=lambda r: replace(r, images=r.images[: 1 + r.trial]))
    found = items.of_runs([run])

    assert found.axes["image"] == [1, 2, 3]
    assert [item.facts["image"] for item in found.items] == [1, 1, 2, 1, 2, 3, 1, 2, 3]
    assert found.items[2].name == "trial 1, image 2"
    assert "image" not in items.of_runs([finished(tmp_path, PLAN, "one")]).axes


def test_a_failed_trial_fails_in_the_place_of_each_image(tmp_path: Path) -> None:
    found = items.of_runs([finished(tmp_path, PLAN, images=2, edit=spoilt)])

    assert [item.problem for item in found.items].count("out of memory") == 2


def test_of_several_runs_the_run_is_the_outermost_axis(tmp_path: Path) -> None:
    other = sweep("a mill", sampler_name=["Heun", "DDIM"], steps=[20, 5], seed=7, width=64, height=64)
    found = items.of_runs([finished(tmp_path, PLAN), finished(tmp_path, other, "mill-2", simulated=False)])

    assert found.axes == {
        "run": ["mill", "mill-2"],
        "sampler_name": ["Euler", "Heun", "DDIM"],
        "steps": [5, 10, 20],
    }
    assert found.simulated == (False, True) and len(found.items) == 8


def test_two_runs_of_one_name_stay_apart(tmp_path: Path) -> None:
    found = items.of_runs([finished(tmp_path / "a", PLAN), finished(tmp_path / "b", PLAN)])

    assert found.axes["run"] == ["mill", "mill (2)"]
    assert {item.facts["run"] for item in found.items} == {"mill", "mill (2)"}


def test_records_and_pictures_have_the_axes_that_vary_among_them(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)
    records = items.of_records(run.where(sampler_name="Heun"), run._store)
    pictures = items.of_pictures(run.pictures(steps=5))

    assert records.axes == {"steps": [5, 10]}
    assert pictures.axes == {"sampler_name": ["Euler", "Heun"]}
    assert [item.facts["trial"] for item in pictures.items] == [0, 2]


def test_rows_of_a_table_are_known_by_their_columns_and_own_additions(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN, edit=spoilt)
    frame = run.table()
    frame["score"] = np.array([0.5, np.nan, 1, 2], dtype="float32")
    found = items.of_table(frame, run._store, run)

    assert [item.facts["score"] for item in found.items] == [0.5, None, 1.0, 2.0]
    assert type(found.items[0].facts["steps"]) is int
    assert [item.problem for item in found.items] == [None, "out of memory", None, None]
    assert found.items[0].flags == ("blank", "same pixels as trial 0")
    assert found.items[0].size == (32, 48) and found.items[0].thumbs is not None
    assert found.axes == {"sampler_name": ["Euler", "Heun"], "steps": [5, 10]}


def test_rows_without_their_run_find_their_pictures_by_key(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN)
    found = items.of_table(run.table().query("steps == 5"), run._store)

    assert [item.facts["trial"] for item in found.items] == [0, 2]
    assert found.items[0].read is not None and found.items[0].read().startswith(b"\x89PNG")
    assert found.items[0].thumbs is None and "sampler_name" in found.axes


def test_a_table_without_keys_says_what_it_has(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no column 'image' with the keys of its pictures; it has a, b"):
        items.of_table(pd.DataFrame({"a": [1], "b": [2]}), LocalStore(tmp_path))


@pytest.mark.parametrize(
    ("value", "expected"),
    [(pd.NA, None), (pd.NaT, None), (float("nan"), None), (np.int64(3), 3), (np.float32("nan"), None), (np.bool_(True), True),
     ("NA", "NA"), (None, None), (pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-01"))],
)  # fmt: skip
def test_every_kind_of_missing_is_none_and_scalars_are_pythons(value: Any, expected: Any) -> None:
    assert items.plain(value) == expected and not isinstance(items.plain(value), np.generic)


def test_some_of_a_collection_keeps_the_axes_that_still_vary() -> None:
    whole = Collection(
        [Item(str(n), {"a": n % 2, "b": n // 2}) for n in range(6)], {"a": [0, 1], "b": [2, 1, 0]}, planned=True
    )

    assert whole.where({"a": 1}).axes == {"b": [2, 1, 0]}
    assert [item.name for item in whole.where({"b": [2, 0], "a": 0}).items] == ["0", "4"]
    assert whole.where({"b": [2, 0]}).axes == {"a": [0, 1], "b": [2, 0]}
    with pytest.raises(ValueError, match="nothing is known as c"):
        whole.where({"c": 1})
    with pytest.raises(ValueError, match="no picture has b=7; it is 0, 1, 2"):
        whole.where({"b": 7})


# small versions


def test_small_versions_lie_in_the_store_by_the_content_of_the_picture(tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN, size=lambda _: (900, 600))
    first = run.grid(cell_px=100)
    kept = list(run._store.keys("thumbs/"))

    assert len(kept) == 4 and all(key.startswith("thumbs/320/") for key in kept)
    for key in run._store.keys("images/"):
        run._store.delete(key)
    assert run.grid(cell_px=160).image.size > first.image.size
    assert repr(run.grid(cell_px=100)) == "Grid 2 × 2, 4 pictures"
    assert run.grid(cell_px=100).image.tobytes() == first.image.tobytes()


def test_another_picture_under_the_same_key_is_not_shown_as_the_old_one(tmp_path: Path) -> None:
    plan = sweep("a mill", seed=[1], width=64, height=64)
    old = finished(tmp_path, plan, draw=lambda *_: png((255, 0, 0), (900, 600))).grid(cell_px=100)
    new = finished(tmp_path, plan, draw=lambda *_: png((0, 0, 255), (900, 600))).grid(cell_px=100)

    assert old.image.tobytes() != new.image.tobytes()


class ReadOnly(LocalStore):
    asked = 0

    def put(self, key: str, data: bytes, content_type: str | None = None) -> None:
        self.asked += 1
        raise StoreError("no permission")


class Deaf(LocalStore):
    def get(self, key: str) -> bytes:
        if key.startswith("thumbs/"):
            raise StoreError("the bucket does not answer")
        return super().get(key)


@pytest.mark.parametrize("kind", [ReadOnly, Deaf])
def test_a_store_that_keeps_nothing_costs_only_time(kind: type[LocalStore], tmp_path: Path) -> None:
    run = finished(tmp_path, PLAN, size=lambda _: (900, 600))
    run._store = kind(tmp_path)

    assert repr(run.grid(cell_px=100)) == repr(run.grid(cell_px=100)) == "Grid 2 × 2, 4 pictures"


def test_a_store_that_refuses_is_not_asked_for_each_picture(tmp_path: Path) -> None:
    plan = sweep("a mill", seed=list(range(64)), width=64, height=64)
    run = finished(tmp_path, plan, size=lambda _: (600, 400))
    run._store = store = ReadOnly(tmp_path)
    run.grid(cell_px=40)

    assert 1 <= store.asked < 64


def test_a_name_that_is_no_name_is_no_key(tmp_path: Path) -> None:
    hostile = items._thumbs(Shelf(LocalStore(tmp_path)), replace(_file(), pixels="../../x"))

    assert hostile is None
    assert Thumbs(Shelf(LocalStore(tmp_path)), "abcd").get(320) is None


def _file() -> Any:
    from runpodkit.runs.rows import ImageFile

    return ImageFile("images/ab/x.png", 1, 1, 1)


def test_the_colours_of_the_runs_made_here_differ() -> None:
    assert len({colour_of(trial) for trial in range(20)}) == 20
