"""Drift: whether an endpoint still draws what an old run has, told by making some of its cells again.

A trial's key holds the model's identity, and that of an endpoint is its address unless somebody names the model: who
puts another model behind the same address would mix its pictures with the old ones unseen.  Anchors are cells of the
run that are drawn anew, beside all reuse, and laid on the stored pictures.  How they are drawn is told from outside.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from numbers import Integral
from typing import TYPE_CHECKING, NamedTuple

from runpodkit.errors import DriftError, RunpodkitError
from runpodkit.images import differences
from runpodkit.images.differences import COMPARED_PX
from runpodkit.images.thumbnails import shrink
from runpodkit.params import ImageParams
from runpodkit.runs.money import dollars
from runpodkit.runs.naming import shown
from runpodkit.runs.oddities import of_picture
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.sweeps.kinds import REPEAT

if TYPE_CHECKING:
    from PIL import Image

    from runpodkit.runs.run import Run

ANCHORS, MAX_ANCHORS = 2, 20
"""One picture may be alike by chance of what it shows; two that lie far apart hardly both."""
OLD_S = 3600.0
"""A run whose last picture is younger is taken on as it is: whoever extends it right after pays for new cells alone."""
SAME = 0.03
"""Mean absolute difference of small versions, in [0, 1], up to which two pictures are the same.

Another GPU, driver or batch size shifts single pixels by a level or two of 255 (under 0.01), and a detail now and then;
another model, or other weights beside it, moves shapes and colours (0.1 and more between two checkpoints of one family).
"""
_BEYOND_REPEATS = 1.5
"""Where a worker does not repeat itself, a cell may differ by so many times as much as its repeats do."""
_WANDERS = re.compile(r"\ba$| a |sde|ancestral|lcm", re.IGNORECASE)
"""Samplers that draw noise at each step: the same on one GPU, not always on another."""


class Redrawn(NamedTuple):
    """A cell that was made again."""

    image: bytes
    cost_usd: float | None


Draw = Callable[[ImageParams, str], Awaitable[Redrawn]]
"""Draws these parameters beside all reuse; the text tells one anchor from another, so a call that died is gone on with."""


@dataclass(frozen=True, slots=True)
class Anchor:
    """One cell, as it was and as it is drawn now."""

    record: Record
    distance: float | None = None
    """In [0, 1]; None if it could not be made."""
    cost_usd: float | None = None
    problem: str | None = None
    before: Image.Image | None = None
    after: Image.Image | None = None
    repeats: float = 0.0
    """How far the repeats of the cell lie apart, in [0, 1]; 0 where it has none."""

    @property
    def allowed(self) -> float:
        """Up to which distance it is the same picture."""
        return max(SAME, _BEYOND_REPEATS * self.repeats)

    @property
    def is_other(self) -> bool:
        """Whether it is another picture by now."""
        return self.distance is not None and self.distance > self.allowed

    @property
    def words(self) -> str:
        values = ", ".join(f"{name} {shown(value)}" for name, value in self.record.values.items())
        cell = f"trial {self.record.trial}" + (f" ({values})" if values else "")
        if self.distance is None:
            return f"{cell} {self.problem}"
        return f"{cell} differs by {self.distance:.3f}" + (f", its repeats by {self.repeats:.3f}" * bool(self.repeats))


@dataclass(frozen=True, slots=True, repr=False)
class Drift:
    """What making anchors again has shown."""

    run: str
    anchors: tuple[Anchor, ...]

    @property
    def found(self) -> bool:
        """Whether one of them is another picture."""
        return any(anchor.is_other for anchor in self.anchors)

    @property
    def checked(self) -> bool:
        """Whether any could be made."""
        return any(anchor.distance is not None for anchor in self.anchors)

    @property
    def cost_usd(self) -> float | None:
        """Of all anchors; None if one's is not known."""
        costs = [anchor.cost_usd for anchor in self.anchors if anchor.distance is not None or anchor.cost_usd]
        return None if None in costs else sum(cost or 0.0 for cost in costs)

    def __repr__(self) -> str:
        if not self.anchors:
            return f"run {self.run}: no picture of its own to compare, so drift cannot be told"
        each = "; ".join(anchor.words for anchor in self.anchors)
        made = sum(anchor.distance is not None for anchor in self.anchors)
        count = f"{made} cell{'' if made == 1 else 's'} made again"
        money = "cost unknown" if self.cost_usd is None else f"${dollars(self.cost_usd)}"
        if not self.checked:
            return f"run {self.run}: whether its endpoint still draws the same could not be checked: {each}"
        verdict = "ANOTHER MODEL" if self.found else "the same model"
        return f"run {self.run}: {count} ({money}): {verdict}; {each}; up to {SAME:g} is the same picture"

    def raise_if_found(self) -> None:
        """Raises DriftError if an anchor is another picture."""
        if self.found:
            apart = [anchor for anchor in self.anchors if anchor.is_other]
            allowed = max(anchor.allowed for anchor in apart)
            raise DriftError(self.run, "; ".join(anchor.words for anchor in apart), allowed)


def anchors_of(records: Sequence[Record], count: int = ANCHORS) -> list[Record]:
    """The cells to make again: drawn by this run, nothing odd about them, as unlike each other as there are.

    Those of samplers that add noise at each step are taken only where there are no others.
    """
    drawn = [record for record in records if record.images and not of_picture(record.flags)]
    own = [record for record in drawn if record.state is TrialState.COLLECTED] or drawn
    calm = [record for record in own if not _WANDERS.search(record.params.sampler_name)] or own
    chosen: list[Record] = calm[:1]
    while len(chosen) < min(count, len(calm)):
        rest = [record for record in calm if record not in chosen]
        chosen.append(max(rest, key=lambda record: (min(_apart(record, one) for one in chosen), record.trial)))
    return chosen[:count]


def age_s(records: Sequence[Record], now_s: float) -> float | None:
    """Seconds since the youngest picture of a run was drawn, by whichever run drew it; None without any."""
    times = [record.reused_from or record.ended_at for record in records if record.images]
    made = [datetime.fromisoformat(time).timestamp() for time in times if time]
    return now_s - max(made) if made else None


def due(records: Sequence[Record], anchors: int | None, now_s: float) -> list[Record]:
    """The cells to make again before a run grows.

    Args:
        anchors: How many; None: `ANCHORS`, if the last picture is older than `OLD_S`.

    Raises:
        ValueError: `anchors` is out of bounds.
    """
    if anchors is not None and (not isinstance(anchors, Integral) or not 0 <= anchors <= MAX_ANCHORS):
        raise ValueError(f"anchors={anchors!r}: 0 to {MAX_ANCHORS} cells can be made again")
    if anchors is None:
        age = age_s(records, now_s)
        anchors = ANCHORS if age is not None and age > OLD_S else 0
    return anchors_of(records, anchors)


async def compare(run: Run, cells: Sequence[Record], draw: Draw) -> Drift:
    """Make these cells of a run again and lay them on the stored pictures.

    A cell that cannot be made, or whose old picture is gone, is told and holds nothing.
    """
    params = {trial.number: trial.params for trial in run.sweep.trials(run.name)}
    records = await run.arecords() if any(REPEAT in record.values for record in cells) else []

    async def stored(record: Record) -> Image.Image:
        return await _small(await asyncio.to_thread(run.bytes_of, record.images[0].key))

    async def one(record: Record) -> Anchor:
        mark = f"{run.name}\n{run.sweep.hash}\n{record.trial}\n{record.ended_at}"
        made = None
        try:
            before = await stored(record)
            again = [differences.distance(before, await stored(other)) for other in _repeats_of(record, records)]
            made = await draw(params[record.trial], mark)
            after = await _small(made.image)
        except RunpodkitError as exc:
            return Anchor(record, cost_usd=made and made.cost_usd, problem=f"could not be made again ({exc})")
        far = differences.distance(before, after)
        return Anchor(record, far, made.cost_usd, before=before, after=after, repeats=max(again, default=0.0))

    # One after the other: the first wakes a worker, which then has the next at hand.
    return Drift(run.name, tuple([await one(record) for record in cells]))


def _repeats_of(record: Record, records: Sequence[Record]) -> list[Record]:
    """Other pictures of the same cell."""
    if REPEAT not in record.values:
        return []
    same = dict(record.values) | {REPEAT: None}
    others = [other for other in records if other.images and other.trial != record.trial]
    return [other for other in others if dict(other.values) | {REPEAT: None} == same]


def _apart(one: Record, other: Record) -> int:
    """On how many axes two cells differ."""
    return sum(one.values.get(name) != other.values.get(name) for name in one.values.keys() | other.values.keys())


async def _small(data: bytes) -> Image.Image:
    return await asyncio.to_thread(shrink, data, (COMPARED_PX, COMPARED_PX), enlarge=False)
