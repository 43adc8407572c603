"""Rounds: sweeps that grow, what they add, and what they may cost; the money of earlier rounds is known again."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest

from runpodkit.errors import NoSuchKeyError, RunConflictError
from runpodkit.runs.drift import Anchor, Drift
from runpodkit.runs.money import Estimate
from runpodkit.runs.rounds import Desk, Rounds, exactly, pinned_as, refuse, with_axis
from runpodkit.sweeps.sweep import Sweep, sweep

COARSE = sweep("a pier", cfg_scale=[1, 4], seed=[1, 2])
FINE = sweep("a pier", cfg_scale=[1, 2, 4], seed=[1, 2])


async def nobody(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing is drawn here")


def rounds(usd: tuple[float, float, float] | None = (0.1, 0.1, 0.3), **given: Any) -> Rounds:
    async def estimate(plan: Sweep) -> Estimate:
        return Estimate(len(plan), 0, usd, None, 0.0, False)

    limits: dict[str, Any] = {"budget_usd": None, "max_trials": None, "there": COARSE, **given}
    return Rounds(Desk(nobody, estimate, nobody, nobody, nobody), "pier", how={}, progress=False, **limits)


class KeptRun:
    """As much of a run as tells what its rounds cost."""

    name = "pier"
    sweep = COARSE

    def __init__(self, text: bytes | None) -> None:
        self.store = self
        self._text = text

    def get(self, key: str) -> bytes:
        assert key == "runs/pier/rounds.json"
        if self._text is None:
            raise NoSuchKeyError(key)
        return self._text


async def begun(text: bytes | None) -> Rounds:
    async def existing(name: str) -> Any:
        return KeptRun(text)

    started = Rounds(Desk(nobody, nobody, existing, nobody, nobody), "pier", 1.0, None, {}, False)
    await started.begin(COARSE, ["cfg_scale"])
    return started


def test_an_axis_grows_and_keeps_every_cell() -> None:
    assert with_axis(COARSE, "cfg_scale", [1, 2, 4]) == FINE
    with pytest.raises(ValueError, match=r"axis cfg_scale: with other values this sweep would lose some of its cells"):
        with_axis(COARSE, "cfg_scale", [1, 2])


def test_a_sweep_of_exactly_some_cells_has_these_in_order() -> None:
    cells = [{"cfg_scale": 4, "seed": 1}, {"cfg_scale": 1, "seed": 2}]

    assert [trial.values for trial in exactly(COARSE, cells).trials("-")] == cells


def test_a_seed_that_was_drawn_is_shared_by_what_is_drawn_later() -> None:
    plan = sweep("a pier", steps=[1, 2])
    drawn = plan.trials("pier")[0].params.seed

    assert {trial.params.seed for trial in with_axis(pinned_as(plan, "pier"), "steps", [1, 2, 3]).trials("x")} == {
        drawn
    }
    assert pinned_as(COARSE, "pier") is COARSE


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, None),
        ({"budget_usd": 0.3}, None),
        ({"budget_usd": 0.29}, "budget: the next 2 trials may cost $0.3, and $0.29 of $0.29 is left"),
        ({"max_trials": 2}, None),
        ({"max_trials": 1}, "max_trials=1: 0 were drawn, and the next round has 2"),
        ({"budget_usd": 1.0, "usd": None}, "what a picture costs is not known, so budget_usd cannot be kept"),
        ({"usd": None}, None),
    ],
)
async def test_a_round_is_drawn_only_if_its_high_estimate_fits(given: dict[str, Any], why: str | None) -> None:
    found = await rounds(**given).unaffordable(FINE)

    assert (found is None) if why is None else str(found).startswith(why)


async def test_what_is_drawn_already_is_always_affordable() -> None:
    assert await rounds(budget_usd=0.0001).unaffordable(COARSE) is None


async def test_what_earlier_rounds_cost_is_known_again() -> None:
    known = await begun(b'{"spent_usd": {"aa": 0.25, "bb": 0.5}}')
    partly = await begun(b'{"spent_usd": {"aa": 0.25, "bb": null}}')

    assert known.spent == 0.75
    assert partly.spent is None
    assert "has no known cost" in str(await partly.unaffordable(FINE))


@pytest.mark.parametrize("text", [None, b"", b"[]", b'{"spent_usd": 3}', b'{"spent_usd": {"aa": "much"}}'])
async def test_a_note_that_cannot_be_read_is_none(text: bytes | None) -> None:
    assert (await begun(text)).spent == 0


class OldRun(KeptRun):
    """A run of last week, whose store remembers what is put into it."""

    def __init__(self) -> None:
        super().__init__(None)
        self.kept: dict[str, bytes] = {}

    async def arecords(self) -> list[Any]:
        return []

    def get(self, key: str) -> bytes:
        if key not in self.kept:
            raise NoSuchKeyError(key)
        return self.kept[key]

    def put(self, key: str, data: bytes, content_type: str) -> None:
        self.kept[key] = data


def of_old(old: OldRun, drift: Drift, budget_usd: float | None = None) -> Rounds:
    async def estimate(plan: Sweep) -> Estimate:
        return Estimate(6, 4, (0.1, 0.1, 0.2), None, 0.0, False)

    async def check(run: Any, anchors: int | None) -> Drift:
        return drift

    async def none(name: str) -> None:
        return None

    desk = Desk(nobody, estimate, none, check, nobody)
    return Rounds(desk, "pier", budget_usd, None, {}, False, there=COARSE, old=cast(Any, old))


REDRAWN = Drift("pier", (Anchor(cast(Any, None), 0.0, 0.25), Anchor(cast(Any, None), 0.0, 0.25)))


async def test_cells_made_again_have_to_fit_into_the_budget_with_what_they_are_made_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("runpodkit.runs.rounds.due", lambda records, anchors, now_s: [None, None])
    enough, short = of_old(OldRun(), REDRAWN, 0.4), of_old(OldRun(), REDRAWN, 0.39)

    assert await enough.unaffordable(FINE) is None  # two new ones for 0.2 at most, and as much to compare
    assert str(await short.unaffordable(FINE)).startswith(
        "budget: the next 2 trials and 2 cells of the old run, drawn again to compare, may cost $0.4"
    )


async def test_what_was_paid_to_compare_is_known_to_the_next_call_though_nothing_was_drawn() -> None:
    old = OldRun()
    first, later = of_old(old, REDRAWN), of_old(old, REDRAWN)
    await first.begin(COARSE, ["cfg_scale"])
    assert await first.guard(FINE)

    await later.begin(COARSE, ["cfg_scale"])

    assert later.spent == 0.5


def test_what_a_search_cannot_mean_is_told_at_once_and_first() -> None:
    refuse({"anchors": 0, "window": 9}, budget_usd=0.5, epsilon=0, rounds=1, max_trials=None)
    with pytest.raises(ValueError) as refused:
        refuse(
            {"reuse": False, "fresh": True, "windw": 9},
            budget_usd=math.nan,
            epsilon=math.nan,
            more="goal='most'",
            rounds=0,
            max_trials=True,
        )

    assert str(refused.value).split("; ") == [
        "goal='most'",
        "fresh: a search extends a run of its own and reuses it, under a name= of its own",
        "reuse: a search extends a run of its own and reuses it, under a name= of its own",
        "windw: submit takes no such argument",
        "rounds=0: a whole number of at least 1",
        "max_trials=True: a whole number of at least 1",
        "epsilon=nan: a number from 0 to 1",
        "budget_usd=nan: an amount above 0, or leave it out",
    ]


@pytest.mark.parametrize(
    "plan", [sweep("a quay", cfg_scale=[1, 4], seed=[1, 2]), sweep("a pier", cfg_scale=[1, 4], seed=[1, 3])]
)
async def test_a_run_of_something_else_is_never_taken_for_the_own_one(plan: Sweep) -> None:
    async def existing(name: str) -> Any:
        return KeptRun(None)

    started = Rounds(Desk(nobody, nobody, existing, nobody, nobody), "pier", None, None, {}, False)

    with pytest.raises(RunConflictError, match="a run named 'pier' exists with another sweep"):
        await started.begin(plan, ["cfg_scale"])
