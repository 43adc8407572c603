"""Tags and the note of a run: kept beside its head, one home for a moving run and for one whose ledger is gone."""

from __future__ import annotations

from pathlib import Path

import pytest

from runpodkit.errors import StoreError
from runpodkit.runs.holdings import holdings
from runpodkit.runs.labels import add_tags, check_note, check_tags, drop_tags, first_labels, note_of, set_note, tags_of
from runpodkit.storage.local import LocalStore
from tests.runs.made_up import kept, record


def test_tags_are_kept_once_in_any_script_and_told_by_a_listing(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    add_tags(store, "r", ["paper", " для статьи ", "paper", "比較"])
    add_tags(store, "r", "paper")

    assert tags_of(store, "r") == ("paper", "для статьи", "比較")
    assert holdings(store)["r"].tags == ("paper", "для статьи", "比較")
    drop_tags(store, "r", ["paper", "never had"])
    assert tags_of(store, "r") == ("для статьи", "比較")


def test_everything_that_is_wrong_with_tags_is_told_at_once() -> None:
    with pytest.raises(ValueError, match=r"tag 'a,b': it holds ','.*tag '': it has 0 characters.*'\.x'.*tag 7: give"):
        check_tags(["a,b", "", ".x", "fine", 7])  # type: ignore[list-item]
    with pytest.raises(ValueError, match="41 characters, 1 to 40"):
        check_tags("x" * 41)
    assert check_tags("🦊" * 40) == ("🦊" * 40,)


def test_a_note_of_a_cell_that_runs_again_does_not_replace_a_later_one(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)

    first_labels(store, "r", ["a"], "why")
    set_note(store, "r", "because")
    first_labels(store, "r", ["b"], "why")

    assert note_of(store, "r") == "because"
    assert tags_of(store, "r") == ("a", "b")
    set_note(store, "r", "  ")
    assert note_of(store, "r") == ""
    assert not holdings(store)["r"].has_note


def test_a_long_note_is_refused_with_its_bound() -> None:
    assert check_note("x" * 4000) == "x" * 4000
    with pytest.raises(ValueError, match=r"4,001 characters, 4,000 at most"):
        check_note("x" * 4001)


def test_a_finished_run_takes_labels_without_a_ledger(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0)])

    run.tag("paper", "samplers").untag("samplers").set_note("for figure 3")

    assert (run.tags, run.run_note) == (("paper",), "for figure 3")
    run.store.delete("runs/r/run.json")
    with pytest.raises(StoreError, match="deleted"):
        run.tag("late")
