"""Preferences: answers are kept per rater, counted per pair of values, and given with an interval."""

from __future__ import annotations

from pathlib import Path

import pytest

from runpodkit.params import ImageParams
from runpodkit.runs.preferences import Preference, WinRate, read_preferences, tally, win_rates, write_preferences
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.storage.local import LocalStore


def record(trial: int, sampler: str) -> Record:
    return Record(
        trial=trial, state=TrialState.COLLECTED, values={"sampler_name": sampler}, prompt="", negative_prompt="",
        params=ImageParams(user_prompt="a fox", sampler_name=sampler), run="r", endpoint="e", simulated=True,
    )  # fmt: skip


def answer(first: int, second: int, winner: int | None, at: str = "") -> Preference:
    return Preference("sampler_name", first, second, winner, left=second, at=at)


def test_answers_of_two_raters_are_all_there_in_order_of_time(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    write_preferences(store, "r", "aaaa", [answer(0, 1, 0, "2026-01-01T10:00"), answer(0, 1, 1, "2026-01-01T12:00")])
    write_preferences(store, "r", "bbbb", [answer(0, 1, None, "2026-01-01T11:00")])

    assert [one.winner for one in read_preferences(store, "r")] == [0, None, 1]
    assert read_preferences(store, "another") == []


def test_a_pair_of_values_is_one_row_whichever_of_its_trials_came_first() -> None:
    """As in rows or samples, whose trials come in any order."""
    records = [record(0, "Euler"), record(1, "Heun"), record(2, "Heun"), record(3, "Euler")]
    given = [answer(0, 1, 0), answer(2, 3, 2), answer(0, 3, 0)]  # of the last two the value is the same

    assert win_rates(given, records) == [WinRate("sampler_name", "Euler", "Heun", wins=1, losses=1, ties=0)]


def test_a_pair_counts_the_same_whichever_way_it_was_asked() -> None:
    records = [record(0, "Euler"), record(1, "Heun"), record(2, "Euler"), record(3, "Heun")]
    given = [answer(0, 1, 0), answer(1, 0, 0), answer(3, 2, 3), answer(2, 3, None), answer(0, 9, 0)]

    assert win_rates(given, records) == [WinRate("sampler_name", "Euler", "Heun", wins=2, losses=1, ties=1)]
    assert tally(given)[3] == (1, 0, 1)


@pytest.mark.parametrize(
    ("wins", "losses", "low", "high"),
    [(5, 6, 0.2127, 0.7199), (8, 2, 0.4902, 0.9433), (0, 10, 0.0, 0.2775), (10, 0, 0.7225, 1.0)],
)
def test_the_interval_is_wilsons(wins: int, losses: int, low: float, high: float) -> None:
    rate = WinRate("steps", "4", "8", wins, losses, ties=3)

    assert rate.interval == pytest.approx((low, high), abs=5e-4)


def test_no_answer_that_chose_has_no_rate() -> None:
    rate = WinRate("steps", "4", "8", 0, 0, ties=2)

    assert (rate.rate, rate.interval) == (None, None)
    assert str(rate) == "4 preferred 0 times, 8 0 times, 2 without a difference"


def test_the_words_say_when_it_is_too_close_to_call() -> None:
    assert str(WinRate("steps", "4", "8", 5, 6, 0)).endswith("4 wins 45% (95% interval 21% to 72%): too close to call")
    assert str(WinRate("steps", "4", "8", 10, 0, 0)).endswith("4 wins 100% (95% interval 72% to 100%)")
