"""Ranked: the values of an axis in the order in which people prefer them, as a table, a sentence and a small chart.

What the numbers mean and how they are found is `ranking`'s; this module knows whose answers they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from runpodkit.images.charts import Chart, Line, Point, chart
from runpodkit.runs.comparing.plots import titled
from runpodkit.runs.layout import shown, value_of
from runpodkit.runs.preferences import Preference
from runpodkit.runs.rank_chart import Rank, label, rank_chart
from runpodkit.runs.records import Record
from runpodkit.stats import ranking

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

HOW = "In the notebook's view of the run, Blind A/B asks for answers."
_ENDS = (0.025, 0.975)
OF_ANSWERS = ("rater", "run")
"""What answers can be grouped by besides values of their pictures."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What one rater found of two pictures that differ in one axis."""

    value: str
    against: str
    share: float
    """1: the value was preferred, 0: the other one, 0.5: no difference."""
    rater: str
    record: Record
    """Of the value; but for the axis, the other's is like it."""


class Ranking:
    """Values of an axis by preference: `table` has the numbers, `str` says them, a notebook shows a chart."""

    def __init__(self, axis: str, answers: Sequence[Answer], values: Sequence[str], seed: int = 0) -> None:
        """
        Args:
            values: Of the axis, in the order of the sweep; those that no answer is about are named and left out.
            seed: Of the bootstrap.
        """
        asked = {value for one in answers for value in (one.value, one.against)}
        self.axis, self.answers = axis, len(answers)
        self.values = [value for value in dict.fromkeys(values) if value in asked]
        self.unseen = [value for value in dict.fromkeys(values) if value not in asked]
        self.raters = len({one.rater for one in answers})
        self._given, self._seed = list(answers), seed

    @cached_property
    def ranks(self) -> list[Rank]:
        """One per value that was asked about, the preferred one first; empty without answers."""
        if not self._given:
            return []
        found = ranking.strengths(ranking.with_prior(self._won, self._ties))
        chances, places = ranking.against_others(found), ranking.ranks(found)
        low, high = np.quantile(ranking.against_others(self._drawn), _ENDS, axis=0)
        best, worst = np.quantile(ranking.ranks(self._drawn), _ENDS, axis=0, method="inverted_cdf")
        wins, losses, ties = self._won.sum(1), self._won.sum(0), self._ties.sum(1)
        made = [
            Rank(
                value, int(places[at]), float(chances[at]), float(low[at]), float(high[at]), float(found[at]),
                int(wins[at] + losses[at] + ties[at]), int(wins[at]), int(losses[at]), int(ties[at]),
                int(best[at]), int(worst[at]),
            )
            for at, value in enumerate(self.values)
        ]  # fmt: skip
        return sorted(made, key=lambda one: one.rank)

    @cached_property
    def table(self) -> pd.DataFrame:
        """A row per value, the preferred one first.

        Returns:
            Indexed by value: `rank`, `chance` (to be preferred to one of the other values picked at random) with its
            95 % interval `low` to `high`, `strength` (log odds), `answers`, `wins`, `losses`, `ties`, and the
            ranks that it may have, `best` to `worst`.
        """
        names = ["rank", "chance", "low", "high", "strength", "answers", "wins", "losses", "ties", "best", "worst"]
        rows = [[getattr(one, name) for name in names] for one in self.ranks]
        return pd.DataFrame(rows, columns=names, index=pd.Index([one.value for one in self.ranks], name=self.axis))

    @cached_property
    def matrix(self) -> pd.DataFrame:
        """Values × values: share of the answers in which the row was preferred to the column, "no difference" as half an answer.

        Missing where two values never met.
        """
        met = self._won + self._won.T + self._ties
        with np.errstate(invalid="ignore"):
            shares = np.where(met > 0, (self._won + self._ties / 2) / met, np.nan)
        order = [self.values.index(one.value) for one in self.ranks]
        names = pd.Index([one.value for one in self.ranks], name=self.axis)
        return pd.DataFrame(shares[np.ix_(order, order)], index=names, columns=names)

    def by(self, name: str) -> pd.DataFrame:
        """Whether it depends on the seed, the prompt or anything else: a ranking of its own for each value of `name`.

        Args:
            name: An axis or parameter that both pictures of an answer share, or `run`, or `rater`.

        Returns:
            A row per value of `name` and of the axis: `rank`, `chance`, `low`, `high`, `answers`.

        Raises:
            ValueError: `name` is none of these.
        """
        groups: dict[str, list[Answer]] = {}
        for one, group in zip(self._given, self._labels(name), strict=True):
            groups.setdefault(group, []).append(one)
        kept = ["rank", "chance", "low", "high", "answers"]
        tables = {
            label: Ranking(self.axis, answers, self.values, self._seed).table[kept] for label, answers in groups.items()
        }
        if not tables:
            return pd.DataFrame(columns=[name, self.axis, *kept]).set_index([name, self.axis])
        return pd.concat(tables, names=[name])

    def depends_on(self, name: str) -> str:
        """Whether the preference depends on the seed, the prompt or anything else, in a sentence with its evidence.

        By a permutation test: were the answers dealt to the values of `name` at random, how often would these differ
        as much?  Below 5 % it is taken to depend on it.

        Args:
            name: As in `by`.

        Raises:
            ValueError: as in `by`.
        """
        labels = self._labels(name)
        kinds = {label: at for at, label in enumerate(dict.fromkeys(labels))}
        if len(kinds) < 2:
            return f"All answers have the same {name}: nothing to compare."
        place = {value: at for at, value in enumerate(self.values)}
        share = ranking.regrouped(
            np.array([place[one.value] for one in self._given]),
            np.array([place[one.against] for one in self._given]),
            np.array([one.share for one in self._given]),
            np.array([kinds[label] for label in labels]),
            len(place),
            seed=self._seed,
        )
        verdict = "depends on" if share < 0.05 else "is not seen to depend on"
        return (
            f"The preference {verdict} {name}: dealt to its {len(kinds)} values at random, "
            f"{_count(self.answers)} would differ as much in {share:.1%} of the cases."
        )

    def pair(self, value: Any, other: Any) -> tuple[float, float, float]:
        """Probability that one value is preferred to another, and its 95 % interval.

        Raises:
            ValueError: a value that no answer is about.
        """
        if unknown := [shown(each) for each in (value, other) if shown(each) not in self.values]:
            raise ValueError(f"no answer is about {', '.join(unknown)}; values: {', '.join(self.values) or 'none'}")
        one, two = (self.values.index(shown(each)) for each in (value, other))
        found = ranking.strengths(ranking.with_prior(self._won, self._ties))
        low, high = np.quantile(ranking.against(self._drawn)[:, one, two], _ENDS)
        return float(ranking.against(found)[one, two]), float(low), float(high)

    def plot(self, **look: Any) -> Chart:
        """Chance of each value to be preferred to another, with its 95 % interval, the preferred one first.

        Args:
            look: As in `Results.plot`: `width_mm`, `height_mm`, `title`.

        Raises:
            ConfigError: matplotlib is not installed.
            ValueError: nobody was asked yet.
        """
        return chart(
            [Line("", [Point(label(one.value), one.chance, one.low, one.high) for one in self.ranks])],
            x_title=titled(self.axis),
            y_title="chance to be preferred to another",
            note=f"{self._counted()}; 95 % intervals" if self.ranks else "",
            badge="simulated" if all(one.record.simulated for one in self._given) else "",
            level=(0.5, "even"),
            text=f"Plot of preference by {self.axis}, {len(self.ranks)} values",
            **look,
        )

    # words

    def __str__(self) -> str:
        if not self.ranks:
            return f"Nobody was asked yet. {HOW}"
        first, second = (one.value for one in self.ranks[:2])
        chance, low, high = self.pair(first, second)
        close = "" if low > 0.5 else ": too close to call"
        lead = (
            f"{label(first)} is preferred to {label(second)} with {chance:.0%} (95% interval {low:.0%} to {high:.0%})"
        )
        told = f"{lead}, {self._counted()}{close}."
        if len(self.ranks) > 2:
            order = ", ".join(label(one.value) for one in self.ranks)
            told = f"By {self._counted()}, the preferred one first: {order}. {lead}{close}."
        return " ".join([told, *self.remarks])

    @property
    def remarks(self) -> list[str]:
        """What the answers cannot tell: sentences, none where all is well."""
        said = []
        if self.ranks and not self.ranks[0].losses and not self.ranks[0].ties:
            said.append(f"{label(self.ranks[0].value)} never lost: the answers say that it is ahead, not how far.")
        islands = ranking.islands(self._won + self._won.T + self._ties) if self._given else []
        if len(islands) > 1:
            apart = " or ".join(" and ".join(label(self.values[at]) for at in island) for island in islands)
            said.append(f"No path of comparisons connects {apart}: how they stand to each other is not known.")
        if self._given and self.unseen:
            said.append(f"Nobody was asked about {', '.join(map(label, self.unseen))}.")
        return said

    def _counted(self) -> str:
        ties = int(self._ties.sum()) // 2
        raters = f" of {self.raters} raters" if self.raters > 1 else ""
        return f"{_count(self.answers)}{raters}" + (f", {ties} without a difference" if ties else "")

    def __repr__(self) -> str:
        shown_columns = ["rank", "chance", "low", "high", "answers", "wins", "losses", "ties"]
        return str(self) if not self.ranks else f"{self}\n{self.table[shown_columns].round(2)}"

    def _repr_html_(self) -> str:
        words = f'<div style="max-width:60em;margin:4px 0">{escape(str(self))}</div>'
        return f"<div>{words}{rank_chart(self.axis, self.ranks)}</div>" if self.ranks else f"<div>{words}</div>"

    # numbers

    def _labels(self, name: str) -> list[str]:
        """Of each answer, what `name` is of its two pictures, or of itself."""
        wrong = name == self.axis
        if name not in OF_ANSWERS:
            wrong = wrong or not all(_knows(one.record, name) for one in self._given)
        if wrong:
            others = dict.fromkeys(each for one in self._given for each in one.record.values if each != self.axis)
            raise ValueError(
                f"{name} is nothing that both pictures of an answer share; give {', '.join([*others, *OF_ANSWERS])} "
                "or a parameter that is no axis"
            )
        return [_fact(one, name) for one in self._given]

    @cached_property
    def _drawn(self) -> ranking.Array:
        return ranking.drawn(*self._by_rater, seed=self._seed)

    @property
    def _won(self) -> ranking.Array:
        won: ranking.Array = self._by_rater[0].sum(0)
        return won

    @property
    def _ties(self) -> ranking.Array:
        ties: ranking.Array = self._by_rater[1].sum(0)
        return ties

    @cached_property
    def _by_rater(self) -> tuple[ranking.Array, ranking.Array]:
        """Answers won by the row against the column, and those without a difference: shape (raters, k, k)."""
        place = {value: at for at, value in enumerate(self.values)}
        raters = {rater: at for at, rater in enumerate(dict.fromkeys(one.rater for one in self._given))}
        won, ties = np.zeros((2, max(1, len(raters)), len(place), len(place)))
        for answer in self._given:
            rater, one, two = raters[answer.rater], place[answer.value], place[answer.against]
            if answer.share == 0.5:
                ties[rater, one, two] += 1
                ties[rater, two, one] += 1
            elif answer.share == 1:
                won[rater, one, two] += 1
            else:
                won[rater, two, one] += 1
        return won, ties


def answers_of(given: Mapping[str, Iterable[Preference]], records: Iterable[Record]) -> dict[str, list[Answer]]:
    """Answers by axis; those about trials that are no longer there are left out, and those about two like values."""
    by_trial = {record.trial: record for record in records}
    found: dict[str, list[Answer]] = {}
    for rater, answers in given.items():
        for one in answers:
            first, second = by_trial.get(one.first), by_trial.get(one.second)
            if first is None or second is None:
                continue
            value, against = (shown(value_of(record, one.axis)) for record in (first, second))
            if value == against:
                continue
            share = 0.5 if one.winner is None else float(one.winner == one.first)
            found.setdefault(one.axis, []).append(Answer(value, against, share, rater, first))
    return found


def rank(runs: Iterable[Results], axis: str | None = None) -> Ranking:
    """The values of an axis by preference, over the answers that all these runs hold.

    Args:
        axis: Default: the one that was asked about.

    Raises:
        ValueError: no axis of any run, or several were asked about and none is named.
    """
    given: dict[str, list[Answer]] = {}
    values: dict[str, list[str]] = {}
    for run in runs:
        records = run.records()
        for name, answers in answers_of(run.answers(), records).items():
            given.setdefault(name, []).extend(answers)
        for record in records:
            for name, value in record.values.items():
                values.setdefault(name, []).append(shown(value))
    chosen = _axis(axis, given, values)
    return Ranking(chosen, given.get(chosen, []), values.get(chosen, []))


def _axis(axis: str | None, given: Mapping[str, Sequence[Answer]], values: Mapping[str, Sequence[str]]) -> str:
    if axis is not None:
        if axis not in values:
            raise ValueError(f"{axis} is no axis here; axes: {', '.join(values) or 'none'}")
        return axis
    if len(given) > 1:
        counts = ", ".join(f"{name} ({_count(len(answers))})" for name, answers in given.items())
        raise ValueError(f"several axes were asked about: {counts}; name one of them: axis={next(iter(given))!r}")
    return next(iter(given), next(iter(values), ""))


def _knows(record: Record, name: str) -> bool:
    return name in record.values or hasattr(record.params, name)


def _fact(answer: Answer, name: str) -> str:
    if name == "rater":
        return answer.rater
    return shown(answer.record.run if name == "run" else value_of(answer.record, name))


def _count(answers: int) -> str:
    return f"{answers} answer{'s' * (answers != 1)}"
