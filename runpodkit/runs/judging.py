"""Judging: a function asked about pairs of pictures in the place of a person, as Blind A/B asks one.

For models that know what people like, and for scripts and tests.  What is asked and in which order is
decided here; the answers go where a person's go.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from datetime import UTC, datetime
from itertools import combinations
from random import Random
from typing import TYPE_CHECKING

from runpodkit.runs.layout import value_of
from runpodkit.runs.pairing import rest_of
from runpodkit.runs.preferences import Preference
from runpodkit.runs.records import Record

if TYPE_CHECKING:
    from runpodkit.runs.picture import Picture
    from runpodkit.runs.ranked import Ranking
    from runpodkit.runs.results import Results

Judge = Callable[["Picture", "Picture"], "Picture | None"]
"""Takes two `Picture`s, the left and the right one; gives the better one, or None for no difference."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def pairs(records: Sequence[Record], axis: str) -> list[tuple[Record, Record]]:
    """All pairs of records with a picture that are equal in everything but the axis, the first in the sweep first.

    Raises:
        ValueError: no axis of these records.
    """
    if not records or axis not in records[0].values:
        axes = ", ".join(records[0].values) if records else "none"
        raise ValueError(f"{axis} is no axis of this run; its axes: {axes}")
    alike: dict[Hashable, list[Record]] = {}
    for record in records:
        if record.images:
            alike.setdefault(rest_of(record.values, (axis,)), []).append(record)
    return [
        (one, two)
        for group in alike.values()
        for one, two in combinations(group, 2)
        if value_of(one, axis) != value_of(two, axis)
    ]


def judged(run: Results, judge: Judge, axis: str | None, name: str, seed: int, most: int | None) -> Ranking:
    """See `Run.judge`."""
    _check_name(name)
    records = run.records()
    chosen = axis if axis is not None else next(iter(records[0].values), "") if records else ""
    given = ask(pairs(records, chosen), judge, run.picture_of, chosen, seed=seed, most=most)
    kept = [one for one in run.answers().get(name, []) if one.axis != chosen]
    run.prefer(name, [*kept, *given])
    return run.ranking(chosen)


def ask(
    asked: Sequence[tuple[Record, Record]],
    judge: Judge,
    picture_of: Callable[[Record], Picture],
    axis: str,
    *,
    seed: int = 0,
    most: int | None = None,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> list[Preference]:
    """What a judge says of these pairs, each asked once, in an order and on sides that do not tell which is which.

    Args:
        picture_of: Gives the picture of a record.
        seed: Of order and sides.
        most: Asks about so many pairs at most.

    Raises:
        TypeError: the judge gave something that is neither of the two pictures nor None.
    """
    chance = Random(seed)  # noqa: S311 - order, not secrecy
    order = list(asked)
    chance.shuffle(order)
    given = []
    for first, second in order[:most]:
        left, right = (second, first) if chance.random() < 0.5 else (first, second)
        shown = {record.trial: picture_of(record) for record in (left, right)}
        said = judge(shown[left.trial], shown[right.trial])
        winner = next((trial for trial, picture in shown.items() if said is picture), None)
        if winner is None and said is not None:
            raise TypeError(f"the judge gave {said!r}; it gives the better one of the two pictures, or None")
        at = now().isoformat(timespec="milliseconds")
        given.append(Preference(axis, first.trial, second.trial, winner, left.trial, at))
    return given


def _check_name(rater: str) -> None:
    if not _NAME.fullmatch(rater):
        raise ValueError(f"name={rater!r}: give 1 to 64 letters, digits, dots, underscores or hyphens, no dot first")
