"""Stars and notes of single trials: two people keep apart, the last word counts, and they are columns and filters."""

from __future__ import annotations

from pathlib import Path

import pytest

from runpodkit.errors import StoreError
from runpodkit.runs import marks
from runpodkit.runs.marks import mark_trial, read_marks
from runpodkit.runs.tables import read_csv
from runpodkit.storage.local import LocalStore
from tests.runs.made_up import kept, record


def test_two_people_never_overwrite_each_other_and_the_last_word_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    mark_trial(store, "r", 4, 0, starred=True)
    mark_trial(store, "r", 4, 1, note="soft")
    monkeypatch.setattr(marks, "_rater", "00000000")  # another process, whose file sorts before
    mark_trial(store, "r", 4, 2, starred=True)
    mark_trial(store, "r", 4, 0, starred=False)
    mark_trial(store, "r", 4, 1, note="sharp")

    now = read_marks(store, "r")

    assert now.stars == {0: False, 2: True}
    assert (now.starred, now.notes) == ([2], {1: "sharp"})
    assert len(list(store.keys("runs/r/marks/"))) == 2


def test_of_one_trial_a_file_keeps_the_last_star_and_the_last_note(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for number in range(50):
        mark_trial(store, "r", 1, 0, starred=number % 2 == 0)
        mark_trial(store, "r", 1, 0, note=f"take {number}")

    (key,) = store.keys("runs/r/marks/")

    assert len(store.get(key).splitlines()) == 2
    assert read_marks(store, "r") == marks.Marks({0: False}, {0: "take 49"})
    mark_trial(store, "r", 1, 0, note="")
    assert read_marks(store, "r").notes == {}


def test_a_trial_that_there_is_not_is_refused(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0), record(1)])

    with pytest.raises(ValueError, match=r"trial=2: this run has trials 0 to 1"):
        run.star(trial=2)
    with pytest.raises(ValueError, match=r"1,001 characters, 1,000 at most"):
        run.note(0, "x" * 1001)
    assert not list(run.store.keys("runs/r/marks/"))


def test_the_star_of_a_trial_is_not_the_runs(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0), record(1)])

    run.star(trial=1)
    assert (run.starred, run.marks().starred) == (False, [1])
    run.star()
    run.unstar(trial=1)
    assert (run.starred, run.marks().starred) == (True, [])


def test_stars_and_notes_are_columns_and_filters(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0), record(1), record(2)])
    assert "starred" not in run.table().columns
    assert run.where(starred=True) == []  # nobody said anything yet
    assert len(run.where(starred=False)) == 3

    run.star(trial=1).note(2, "=the sails, “soft”")

    table = run.table()
    assert table["starred"].tolist() == [False, True, False]
    assert table["note"].isna().tolist() == [True, True, False]
    assert [one.trial for one in run.where(starred=True)] == [1]
    assert [one.trial for one in run.where(note="=the sails, “soft”")] == [2]
    assert [picture.record.trial for picture in run.pictures(starred=True)] == [1]
    assert run.grid(where={"starred": True}).image.size < run.grid().image.size
    back = read_csv(run.to_csv(tmp_path / "r.csv"))
    assert back["starred"].equals(table["starred"]) and back["note"].equals(table["note"])
    page = run.to_html(tmp_path / "r.html", where={"starred": True}).read_text("utf-8")
    assert "starred" in page and page.count('id="p') == 1


def test_an_unknown_name_is_still_told(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0)])

    with pytest.raises(ValueError, match="stared is no parameter of this run"):
        run.where(stared=True)


def test_a_file_that_holds_something_else_is_named(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0)])
    for line in (b"[]", b"{", b'{"trial": 0, "at": "x", "starred": "yes", "note": null}'):
        run.store.put("runs/r/marks/x.jsonl", line)
        with pytest.raises(StoreError, match=r"runs/r/marks/x.jsonl, line 1, is no mark"):
            run.table()


def test_a_frozen_run_has_its_labels_and_marks(tmp_path: Path) -> None:
    import runpodkit as rk

    run = kept(tmp_path, [record(0), record(1)])
    run.star(trial=1).note(1, "best").tag("для статьи").set_note("for figure 3")

    frozen = rk.open_run(run.freeze(tmp_path / "r.zip"))

    assert frozen.marks() == run.marks()
    assert (frozen.tags, frozen.run_note) == (("для статьи",), "for figure 3")
    assert [one.trial for one in frozen.where(starred=True)] == [1]
    assert b"Note: for figure 3" in frozen.bytes_of("README.txt")


def test_the_number_of_a_trial_may_come_from_a_table(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0), record(1)])

    run.star(trial=run.table()["trial"].iloc[1])

    assert read_marks(run.store, run.name).starred == [1]
