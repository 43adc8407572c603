"""Rounds: sweeps that grow, what they add, and what they may cost; the money of earlier rounds is known again."""

from __future__ import annotations

from typing import Any

import pytest

from runpodkit.errors import NoSuchKeyError
from runpodkit.runs.money import Estimate
from runpodkit.runs.rounds import Desk, Rounds, exactly, pinned_as, with_axis
from runpodkit.sweeps.sweep import Sweep, sweep

COARSE = sweep("a pier", cfg_scale=[1, 4], seed=[1, 2])
FINE = sweep("a pier", cfg_scale=[1, 2, 4], seed=[1, 2])


async def nobody(*_: Any, **__: Any) -> Any:
    raise AssertionError("nothing is drawn here")


def rounds(usd: tuple[float, float, float] | None = (0.1, 0.1, 0.3), **given: Any) -> Rounds:
    async def estimate(plan: Sweep) -> Estimate:
        return Estimate(len(plan), 0, usd, None, 0.0, False)

    limits: dict[str, Any] = {"budget_usd": None, "max_trials": None, "there": COARSE, **given}
    return Rounds(Desk(nobody, estimate, nobody, nobody), "pier", how={}, progress=False, **limits)


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

    started = Rounds(Desk(nobody, nobody, existing, nobody), "pier", 1.0, None, {}, False)
    await started.begin()
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
