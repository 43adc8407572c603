"""Scores: a number per picture under a name, kept beside a run's records in the store, a file per name.

What a number means, and how it is had, is known to `scorers`; which are still to be had, to `scoring`.
A file begins with what made its numbers; a line per picture follows.  A picture is told by its key and its
content, so one that was drawn anew under the same key has no number yet.
"""

from __future__ import annotations

import contextlib
import json
import math
import re
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, NamedTuple

from runpodkit.errors import NoSuchKeyError, StoreError
from runpodkit.runs.records import FILES_AT_ONCE, Record
from runpodkit.runs.rows import ImageFile
from runpodkit.storage import Store
from runpodkit.storage.many import get_all

FORMAT = 1
LONGEST_NAME = 40
_NAME = re.compile(rf"[^\W\d][\w .\-]{{0,{LONGEST_NAME - 1}}}(?<![ .])")


class Place(NamedTuple):
    """What a number belongs to: a picture, and of a comparison also the trial, which says with what it was compared."""

    key: str
    """In the store."""
    pixels: str
    """What tells the content; empty where that is not known."""
    trial: int | None = None
    """None: no comparison, so the number is the picture's own, whichever trial has it."""


class Number(NamedTuple):
    """A number, and the picture it was compared with, if with any."""

    value: float
    against: str = ""


@dataclass(frozen=True, slots=True)
class Measure:
    """What made the numbers of a score: two of them are only of one kind if it is equal."""

    kind: str
    """The name of a built-in measure, or "function" or "scorer"."""
    code: str | None = None
    """A fingerprint of the caller's code; None where it cannot be had."""
    baseline: str = ""
    """What each picture was compared with, in words; empty: nothing."""

    def __str__(self) -> str:
        words = self.kind if self.code is None else f"{self.kind} {self.code.rpartition(':')[2][:8]}"
        return f"{words} against {self.baseline}" if self.baseline else words


@dataclass(frozen=True, slots=True)
class Score:
    """The numbers of one score, by picture."""

    name: str
    measure: Measure
    values: Mapping[Place, Number] = field(default_factory=dict)
    saved: bool = True
    """False: the store cannot be written to, so they are known to this handle of the run alone."""

    def of(self, record: Record) -> float | None:
        """The number of a trial: the mean over its pictures, if each of them has one."""
        numbers = [self.values.get(self.place(record, image)) for image in record.images]
        known = [number.value for number in numbers if number is not None]
        return statistics.fmean(known) if numbers and len(known) == len(numbers) else None

    def place(self, record: Record, image: ImageFile) -> Place:
        """Where the number of a picture is looked for."""
        return Place(image.key, image.pixels, record.trial if self.measure.baseline else None)

    def by_trial(self, records: Iterable[Record]) -> dict[int, float]:
        """The numbers of these trials; one that has none is missing."""
        found = {record.trial: self.of(record) for record in records if record.images}
        return {trial: value for trial, value in found.items() if value is not None}

    def with_values(self, more: Mapping[Place, Number]) -> Score:
        return replace(self, values={**self.values, **more})


def check_shape(name: object) -> str:
    """The name itself, if it can be one of a column and of a file.

    Raises:
        ValueError: with what a name is.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"name={name!r}: a score is named by 1 to {LONGEST_NAME} letters, digits, spaces, _ . and -, "
            "of which the first is a letter or _, such as name='clip'"
        )
    return name


def folder(run: str) -> str:
    """Where a run's scores lie."""
    return f"runs/{run}/scores/"


def score_key(run: str, name: str) -> str:
    """Where one score lies."""
    return f"{folder(run)}{check_shape(name)}.jsonl"


def score_names(store: Store, run: str) -> list[str]:
    """What the scores of a run are called."""
    return [key.removeprefix(folder(run)).removesuffix(".jsonl") for key in store.keys(folder(run))]


def read_scores(store: Store, run: str) -> list[Score]:
    """All scores of a run, by name.

    Raises:
        StoreError: the store does not answer, or a file of it is none of ours.
    """
    return [parsed(key, data) for key, data in get_all(store, store.keys(folder(run)), FILES_AT_ONCE)]


def read_score(store: Store, run: str, name: str) -> Score | None:
    """One score of a run, if it is there; raises StoreError as `read_scores` does."""
    key = score_key(run, name)
    try:
        return parsed(key, store.get(key))
    except NoSuchKeyError:
        return None


def write_score(store: Store, run: str, score: Score) -> None:
    """Keep a score; replaces the one of that name."""
    about = {"score": score.name, "format": FORMAT, **asdict(score.measure)}
    numbers = sorted(score.values.items(), key=lambda item: (item[0].key, item[0].trial or 0))
    lines = [{**place._asdict(), **number._asdict()} for place, number in numbers]
    text = "".join(json.dumps(line, ensure_ascii=False, allow_nan=False) + "\n" for line in [about, *lines])
    store.put(score_key(run, score.name), text.encode(), "application/x-ndjson")


def delete_score(store: Store, run: str, name: str) -> None:
    """Forget a score; one that is not there is fine."""
    store.delete(score_key(run, name))


def score_columns(scores: Iterable[Score], records: Sequence[Record]) -> dict[str, dict[int, float]]:
    """Numbers by trial under the names of the scores; one that has none for these trials is missing."""
    columns = {score.name: score.by_trial(records) for score in scores}
    return {name: values for name, values in columns.items() if values}


def read_elsewhere(store: Store, run: str, score: Score, most_keys: int = 20_000) -> dict[Place, Number]:
    """Numbers that other runs of the store have under this name, made in the very same way; none of comparisons.

    Args:
        most_keys: How many keys are listed at most to find them.
    """
    end = f"/scores/{score.name}.jsonl"
    found: dict[Place, Number] = {}
    for _, key in zip(range(most_keys), store.keys("runs/"), strict=False):
        if key.endswith(end) and not key.startswith(folder(run)):
            with contextlib.suppress(StoreError):
                other = parsed(key, store.get(key))
                found |= other.values if other.measure == score.measure else {}
    return {place: number for place, number in found.items() if place.pixels and place.trial is None}


def parsed(key: str, data: bytes) -> Score:
    """A score out of its file; raises StoreError if it is none that this version reads."""
    try:
        about, *lines = (json.loads(line) for line in data.splitlines())
        if about["format"] != FORMAT:
            raise ValueError(f"its format is {about['format']!r}, this version reads {FORMAT}")
        values = {
            Place(str(line["key"]), str(line["pixels"]), _trial(line["trial"])): Number(
                _finite(line["value"]), str(line["against"])
            )
            for line in lines
        }
        measure = Measure(str(about["kind"]), about["code"] and str(about["code"]), str(about["baseline"]))
        name = check_shape(about["score"])
        if not key.endswith(f"/{name}.jsonl"):
            raise ValueError(f"it is of a score {name!r}")
        return Score(name, measure, values)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
        raise StoreError(f"{key} holds no score: {str(exc)[:200]}; delete that file, then score again") from None


def _trial(value: Any) -> int | None:
    return None if value is None else int(value)


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number of a score")
    return number
