"""Keeping scores: the numbers there were and the new ones, written now and then, over what others wrote meanwhile.

Opens no picture.  Where a store takes nothing, the numbers stay with the handle of the run.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from runpodkit.errors import StoreError
from runpodkit.reprs import cut, plain
from runpodkit.runs.pairing import Against
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile
from runpodkit.runs.scores import Number, Place, Score, read_score, write_score

if TYPE_CHECKING:
    from runpodkit.runs.results import Results

SAVE_S = 10.0
"""Seconds between two times that numbers are written."""


class Task(NamedTuple):
    """A picture that is to get its number."""

    place: Place
    image: ImageFile
    record: Record
    against: Against | None = None


@dataclass(slots=True)
class Job:
    """One call of `Results.score`."""

    scorer: Any
    """A built-in measure, a Scorer or a function."""
    score: Score
    workers: int
    redo: bool = False
    shown: bool = True
    stop: threading.Event = field(default_factory=threading.Event)
    clock: Callable[[], float] = time.monotonic


class Keeper:
    """The numbers of a score: those there were, and the new ones, written now and then and at the end."""

    def __init__(self, results: Results, job: Job) -> None:
        """Raises ValueError if the name has numbers of another measure, and `redo` was not said."""
        self._results, self._job, self._saved_at = results, job, job.clock()
        self._fresh: dict[Place, Number] = {}
        there = results.unsaved_scores.get(job.score.name) or read_score(results.store, results.name, job.score.name)
        if there is not None and there.measure != job.score.measure:
            if not job.redo:
                raise ValueError(_changed(there, job.score))
            there = None
        self._there = job.score if there is None else there

    @property
    def score(self) -> Score:
        """As it stands."""
        return self._there.with_values(self._fresh) if self._fresh else self._there

    def has(self, task: Task) -> bool:
        """Whether a picture needs none: it has a number, made with the same baseline, and `redo` does not want another."""
        number = self._fresh.get(task.place, None if self._job.redo else self._there.values.get(task.place))
        return number is not None and number.against == against_id(task)

    def take(self, known: Mapping[Place, Number], wanted: Sequence[Task]) -> None:
        """Numbers that somebody else computed."""
        self._fresh |= {task.place: known[task.place] for task in wanted if task.place in known and not task.against}

    def add(self, task: Task, value: float) -> None:
        self._fresh[task.place] = Number(value, against_id(task))
        if self._job.clock() - self._saved_at >= SAVE_S:
            self.save()

    def save(self) -> None:
        """Write, over what somebody else wrote meanwhile; where the store takes nothing, keep it in memory and say so."""
        if not self._fresh:
            return
        self._saved_at = self._job.clock()
        results, score = self._results, self.score
        try:
            there = read_score(results.store, results.name, score.name)
            if there is not None and there.measure == score.measure:
                score = there.with_values(score.values)
            write_score(results.store, results.name, score)
        except StoreError as exc:
            if score.name not in results.unsaved_scores:
                say(f"score {score.name} is kept in memory only: {cut(plain(str(exc)), 200)}")
            self._there = results.unsaved_scores[score.name] = replace(score, saved=False)
        else:
            results.unsaved_scores.pop(score.name, None)
            self._there = replace(score, saved=True)


def against_id(task: Task) -> str:
    return task.against.id if task.against else ""


def _changed(there: Score, wanted: Score) -> str:
    name, old, new = there.name, there.measure, wanted.measure
    cure = "give name= another name, or redo=True to compute all of it anew"
    if old.kind == new.kind and old.baseline == new.baseline and None not in (old.code, new.code):
        pythons = [str(code).partition(":")[0] for code in (old.code, new.code)]
        if pythons[0] != pythons[1]:
            return (
                f"score {name!r} was computed by {pythons[0]}, this is {pythons[1]}, so nobody can tell whether the "
                f"function is the same: {cure}"
            )
        return f"score {name!r} was computed by other code of that {new.kind}, or with other values in it, so its numbers would mix two: {cure}"
    return f"score {name!r} was computed as {old}, and not as {new}: {cure}"


def say(line: str) -> None:
    print(line, file=sys.stderr)
