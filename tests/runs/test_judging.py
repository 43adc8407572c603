"""Judging: which pairs a judge is asked about, what it is told, and where its answers go."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

import runpodkit as rk
from runpodkit.runs.judging import pairs
from tests.runs.finished import finished

SAMPLERS = ["Euler", "Heun", "DDIM"]


@pytest.fixture
def run(tmp_path: Path) -> rk.Run:
    return finished(tmp_path, rk.sweep("a mill", sampler_name=SAMPLERS, seed=range(4)))


def by_name(left: rk.Picture, right: rk.Picture) -> rk.Picture | None:
    """Heun before DDIM before Euler; on seed 3 it sees no difference."""
    if left.seed == 3:
        return None
    order = ["Heun", "DDIM", "Euler"]
    return min(left, right, key=lambda picture: order.index(picture.params.sampler_name))


def test_it_is_asked_about_all_pairs_that_differ_in_the_axis_alone(run: rk.Run) -> None:
    ranking = run.judge(by_name)

    # 3 pairs of samplers for each of 4 seeds
    assert ranking.table.index.tolist() == ["Heun", "DDIM", "Euler"]
    assert ranking.table[["wins", "losses", "ties"]].to_numpy().tolist() == [[6, 0, 2], [3, 3, 2], [0, 6, 2]]
    assert run.preferences()[["wins", "losses", "ties"]].sum().to_dict() == {"wins": 3, "losses": 6, "ties": 3}


def test_sides_and_order_do_not_tell_which_is_which_and_are_the_same_each_time(run: rk.Run) -> None:
    run.judge(by_name)
    (first,) = run.answers().values()
    run.judge(by_name)
    (again,) = run.answers().values()

    assert [(one.first, one.second, one.left) for one in first] == [(one.first, one.second, one.left) for one in again]
    assert set(Counter(one.left == one.first for one in first)) == {True, False}
    assert [one.first for one in first] != sorted(one.first for one in first)


def test_what_a_judge_said_before_is_replaced_and_what_others_said_is_kept(run: rk.Run) -> None:
    run.judge(by_name, name="rule")
    run.judge(lambda left, right: min(left, right, key=lambda each: each.seed), "seed", name="rule", most=5)
    run.judge(lambda left, right: left, name="left")
    run.judge(by_name, name="rule", most=7)

    counted = {rater: Counter(one.axis for one in given) for rater, given in run.answers().items()}
    assert counted == {"left": {"sampler_name": 12}, "rule": {"sampler_name": 7, "seed": 5}}


def test_a_pair_needs_two_pictures(tmp_path: Path) -> None:
    plan = rk.sweep("a mill", sampler_name=SAMPLERS, seed=range(4))
    records = finished(tmp_path, plan, edit=lambda one: one if one.trial else one.__class__(**{
        **{name: getattr(one, name) for name in one.__slots__}, "images": ()})).records()  # fmt: skip

    assert len(pairs(records, "sampler_name")) == 10
    assert (records[0], records[4]) not in pairs(records, "sampler_name")


def test_a_judge_gives_one_of_the_two_or_none(run: rk.Run) -> None:
    with pytest.raises(TypeError, match="the judge gave 'left'; it gives the better one of the two pictures, or None"):
        run.judge(lambda left, right: "left")  # type: ignore[arg-type, return-value]
    assert run.answers() == {}


@pytest.mark.parametrize("name", ["", "../up", "a/b", ".hidden", "x" * 65])
def test_a_name_that_is_no_name_of_a_file_is_refused_before_anything_is_asked(run: rk.Run, name: str) -> None:
    with pytest.raises(ValueError, match="give 1 to 64 letters"):
        run.judge(by_name, name=name)


def test_no_such_axis_names_those_there_are(run: rk.Run) -> None:
    with pytest.raises(ValueError, match="steps is no axis of this run; its axes: sampler_name, seed"):
        run.judge(by_name, "steps")
