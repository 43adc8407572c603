"""Preferences: which of two pictures a person found better, asked without telling which is which.

Kept beside the run's records in the store, a file per kernel that asked, so two people
never overwrite each other.  Counts and intervals only; what they mean is the reader's.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from runpodkit.runs.layout import shown, value_of
from runpodkit.runs.records import Record
from runpodkit.storage import Store

Z_95 = 1.959963984540054
"""Standard normal deviate that 2.5 % lie above."""


@dataclass(frozen=True, slots=True)
class Preference:
    """One answer about two trials that differ in one axis."""

    axis: str
    first: int
    second: int
    winner: int | None
    """The trial that was found better; None: no difference."""
    left: int
    """The trial that was shown on the left."""
    at: str = ""
    """When, in UTC."""


@dataclass(frozen=True, slots=True)
class WinRate:
    """How often one value of an axis was preferred to another."""

    axis: str
    value: str
    against: str
    wins: int
    losses: int
    ties: int

    @property
    def rate(self) -> float | None:
        """Share of wins among the answers that chose, in [0, 1]."""
        return self.wins / (self.wins + self.losses) if self.wins + self.losses else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """95 % confidence interval of the rate.

        Source: Wilson (1927), Probable inference, the law of succession, and statistical inference.
        """
        n, rate = self.wins + self.losses, self.rate
        if rate is None:
            return None
        middle = (rate + Z_95**2 / (2 * n)) / (1 + Z_95**2 / n)
        half = Z_95 * math.sqrt(rate * (1 - rate) / n + Z_95**2 / (4 * n * n)) / (1 + Z_95**2 / n)
        return max(0.0, middle - half), min(1.0, middle + half)

    def __str__(self) -> str:
        ties = f", {self.ties} without a difference" if self.ties else ""
        counts = f"{self.value} preferred {self.wins} times, {self.against} {self.losses} times{ties}"
        if self.rate is None or self.interval is None:
            return counts
        low, high = self.interval
        verdict = f"{self.value} wins {self.rate:.0%} (95% interval {low:.0%} to {high:.0%})"
        return f"{counts}. {verdict}{'' if low > 0.5 or high < 0.5 else ': too close to call'}"


def write_preferences(store: Store, run: str, rater: str, given: Iterable[Preference]) -> None:
    """Keep all answers that one rater gave about a run; replaces the rater's file."""
    text = "".join(json.dumps(dataclasses.asdict(one), ensure_ascii=False) + "\n" for one in given)
    store.put(f"runs/{run}/preferences/{rater}.jsonl", text.encode(), "application/x-ndjson")


def read_raters(store: Store, run: str) -> dict[str, list[Preference]]:
    """Answers about a run by rater, each one's in order of time."""
    folder = f"runs/{run}/preferences/"
    return {
        key.removeprefix(folder).removesuffix(".jsonl"): sorted(
            # of bytes: text has more line ends than JSON lines have
            (Preference(**json.loads(line)) for line in store.get(key).splitlines()),
            key=lambda one: one.at,
        )
        for key in store.keys(folder)
    }


def read_preferences(store: Store, run: str) -> list[Preference]:
    """All answers about a run, whoever gave them, in order of time."""
    return sorted(chain.from_iterable(read_raters(store, run).values()), key=lambda one: one.at)


def win_rates(given: Sequence[Preference], records: Iterable[Record]) -> list[WinRate]:
    """One row per pair of values that was asked about, the value that came first in the sweep first."""
    by_trial = {record.trial: record for record in records}
    values: dict[str, dict[str, int]] = {}
    counts: dict[tuple[str, str, str], list[int]] = {}
    for one in given:
        if one.first not in by_trial or one.second not in by_trial:
            continue
        if one.axis not in values:  # a later trial of one seed may have the value that came first with another
            along = (shown(value_of(by_trial[trial], one.axis)) for trial in sorted(by_trial))
            values[one.axis] = {value: at for at, value in reversed(list(enumerate(along)))}
        order = values[one.axis]
        (value, first), (against, second) = sorted(
            ((shown(value_of(by_trial[trial], one.axis)), trial) for trial in (one.first, one.second)),
            key=lambda each: order[each[0]],
        )
        if value == against:
            continue
        count = counts.setdefault((one.axis, value, against), [0, 0, 0])
        count[0 if one.winner == first else 1 if one.winner == second else 2] += 1
    return [WinRate(*pair, *count) for pair, count in counts.items()]


def tally(given: Iterable[Preference]) -> Mapping[int, tuple[int, int, int]]:
    """Wins, losses and ties of each trial that was shown."""
    counts: dict[int, list[int]] = {}
    for one in given:
        for trial in (one.first, one.second):
            count = counts.setdefault(trial, [0, 0, 0])
            count[2 if one.winner is None else 0 if one.winner == trial else 1] += 1
    return {trial: (wins, losses, ties) for trial, (wins, losses, ties) in counts.items()}
