"""Pairing: which picture another is compared with, worked out by hand for few trials."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runpodkit.params import ImageParams
from runpodkit.runs.pairing import against_of, rest_of
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState
from runpodkit.storage.local import LocalStore


def record(trial: int, images: int = 1, **values: Any) -> Record:
    return Record(
        trial=trial, state=TrialState.COLLECTED, values=values, params=ImageParams(user_prompt="a fox"), prompt="",
        negative_prompt="", run="r", endpoint="e", simulated=True,
        images=tuple(ImageFile(f"images/{trial:02}/{trial}-{at}.png", 64, 64, 9, f"{trial}{at}") for at in range(images)),
    )  # fmt: skip


RECORDS = [
    record(0, sampler="Euler", steps=4, loras=["a"], repeat=1),
    record(1, sampler="Euler", steps=8, loras=["a"], repeat=1),
    record(2, sampler="Euler", steps=8, loras=["a"], repeat=2),
    record(3, sampler="Heun", steps=8, loras=["b"], repeat=1),
    record(4, images=0, sampler="Heun", steps=4, loras=["b"], repeat=1),
]


def partners(baseline: Any, tmp_path: Path, records: list[Record] = RECORDS) -> dict[int, str | None]:
    _, partner = against_of(baseline, records, LocalStore(tmp_path))
    found = {each.trial: partner(each, 0) for each in records if each.images}
    return {trial: against and against.id for trial, against in found.items()}


def test_a_partner_has_the_value_and_is_equal_in_all_else(tmp_path: Path) -> None:
    """Trial 2 is a second repeat, which 4 steps do not have; Heun at 4 steps has no picture."""
    own = "images/00/0-0.png#00"

    assert partners({"steps": 4}, tmp_path) == {0: own, 1: own, 2: None, 3: None}


def test_several_axes_may_be_said(tmp_path: Path) -> None:
    one = "images/01/1-0.png#10"

    assert partners({"steps": 8, "repeat": 1}, tmp_path) == {0: one, 1: one, 2: one, 3: "images/03/3-0.png#30"}


def test_values_may_be_written_as_a_command_line_has_them(tmp_path: Path) -> None:
    assert partners({"steps": "4"}, tmp_path) == partners({"steps": 4}, tmp_path)
    assert partners({"steps": 4.0}, tmp_path) == partners({"steps": 4}, tmp_path)
    words = {against_of({"steps": value, "repeat": 1}, RECORDS, LocalStore(tmp_path))[0] for value in ("4", 4, 4.0)}
    assert words == {"repeat=1, steps=4"}


def test_pictures_of_a_trial_are_paired_by_number(tmp_path: Path) -> None:
    records = [record(0, 2, steps=4), record(1, 3, steps=8)]
    _, partner = against_of({"steps": 4}, records, LocalStore(tmp_path))
    found = [partner(records[1], number) for number in range(3)]

    assert [each and each.image.key for each in found] == ["images/00/0-0.png", "images/00/0-1.png", None]


def test_a_record_is_the_partner_of_all(tmp_path: Path) -> None:
    assert set(partners(RECORDS[3], tmp_path).values()) == {"images/03/3-0.png#30"}
    with pytest.raises(ValueError, match="trial 4 has no picture"):
        partners(RECORDS[4], tmp_path)


def test_what_is_in_common_may_hold_lists() -> None:
    assert (
        rest_of(RECORDS[0].values, ["steps"])
        == rest_of(RECORDS[1].values, ["steps"])
        != rest_of(RECORDS[3].values, ["steps"])
    )
    assert rest_of({"seed": 1, "steps": 4, "cfg_scale": 2.0}, ["steps"]) == rest_of({"cfg_scale": 2, "seed": 1}, [])


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"stps is no axis .*; 5 is no value of steps; its values: 4, 8"):
        partners({"stps": 4, "steps": 5}, tmp_path)
