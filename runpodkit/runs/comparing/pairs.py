"""Pairs: trials that differ in one axis and are equal in everything else, and how far apart their pictures are.

Repeats of one cell are one: a pair is a cell and its baseline's cell, its distance the mean over all pictures of the one
and all of the other.  Each picture is read once, those of one baseline together, so what is held at a time
is what one baseline needs, however long the run.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from PIL import Image

from runpodkit.images import differences
from runpodkit.runs.comparing.measures import REPEAT, Cell, cells_of
from runpodkit.runs.comparing.smalls import Read, smalls
from runpodkit.runs.items import key_of
from runpodkit.runs.pairing import Rest, rest_of
from runpodkit.runs.records import Record


@dataclass(frozen=True, slots=True)
class Pair:
    """A cell and the one that differs from it in having the baseline's value."""

    cell: Cell
    against: Cell
    distance: float | None
    """Of their pictures, in [0, 1]; None where one cannot be read or has another proportion."""

    @property
    def same_seed(self) -> bool:
        seeds = [{record.params.seed for record in cell.records} for cell in (self.cell, self.against)]
        return seeds[0] == seeds[1]


@dataclass(frozen=True, slots=True)
class Matched:
    """Cells with a picture, each with the one it is compared with, by the baseline's cells."""

    groups: Sequence[tuple[Cell, Sequence[Cell]]]

    @property
    def pictures(self) -> int:
        """How many have to be read."""
        return sum(len(cell.records) for base, others in self.groups for cell in (base, *others))


def matched(records: Sequence[Record], axis: str, baseline: Any) -> Matched:
    """Cells by the baseline cell that is equal to them in all but the axis; those without one are left out."""
    whole = [record for record in records if record.images]
    cells = cells_of(whole, () if axis == REPEAT else (REPEAT,)).values()
    bases = {rest_of(cell.values, (axis,)): cell for cell in cells if key_of(cell.values.get(axis)) == key_of(baseline)}
    others: dict[Rest, list[Cell]] = {}
    for cell in cells:
        if (rest := rest_of(cell.values, (axis,))) in bases and cell is not bases[rest]:
            others.setdefault(rest, []).append(cell)
    return Matched([(base, others.get(rest, [])) for rest, base in bases.items()])


def measured(
    given: Matched, axis: str, read: Read, *, advance: Callable[[], object] | None = None
) -> tuple[dict[Hashable, list[Pair]], list[float]]:
    """Pairs by the key of their value, the baseline's own among them, and distances of repeats to each other."""
    order = [record for base, others in given.groups for cell in (base, *others) for record in cell.records]
    pictures = smalls(read, order, advance=advance)
    pairs: dict[Hashable, list[Pair]] = {}
    repeats: list[float] = []
    for base, others in given.groups:
        firsts = _held(pictures, base, repeats)
        for cell in (base, *others):
            seconds = firsts if cell is base else _held(pictures, cell, repeats)
            # a baseline is no distance from itself, however far apart its repeats are
            apart = [0.0] if cell is base and firsts else _distances(seconds, firsts)
            pair = Pair(cell, base, sum(apart) / len(apart) if apart else None)
            pairs.setdefault(key_of(cell.values.get(axis)), []).append(pair)
    return pairs, repeats


def distance(one: Image.Image, other: Image.Image) -> float | None:
    """Mean absolute difference of two small pictures in [0, 1]; None if they have different proportions."""
    return differences.distance(one, other) if differences.comparable(one.size, other.size) else None


def distances_within(pictures: Sequence[Image.Image]) -> list[float]:
    """Of every two."""
    return [far for one, other in combinations(pictures, 2) if (far := distance(one, other)) is not None]


def _held(pictures: Iterator[tuple[Record, Image.Image | None]], cell: Cell, repeats: list[float]) -> list[Image.Image]:
    """The pictures of a cell; how far they are from each other is added to `repeats`."""
    made = [next(pictures)[1] for _ in cell.records]
    there = [image for image in made if image is not None]
    repeats += distances_within(there)
    return there


def _distances(ones: Sequence[Image.Image], others: Sequence[Image.Image]) -> list[float]:
    return [far for one in ones for other in others if (far := distance(other, one)) is not None]


def usual_distance(repeats: Sequence[float]) -> float | None:
    """How far apart two repeats of one cell usually are; None if nothing was repeated."""
    return sum(repeats) / len(repeats) if repeats else None
