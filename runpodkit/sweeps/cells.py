"""Cells: which combinations of the values of some axes there are, and in what order they are drawn.

Axes that are walked along together are one dimension; dimensions multiply.  A cell has a number in the layout:
the places of its values read as digits, the last dimension's last.  Trials are numbered in an order of their own,
that of cost.  Knows numbers alone, no values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

from runpodkit.sweeps.axes import ENDPOINT, EXTRA

_LOADED = ("model", "checkpoint", "ckpt", "unet", "vae", "lora", "refiner")
"""Words in the names of extra inputs for which a worker loads files."""
_SIZE = ("width", "height")


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a sweep."""

    sizes: tuple[int, ...]
    """Values by dimension, in the order of the layout."""
    order: tuple[int, ...]
    """Dimensions as trials are numbered, outermost first."""
    kept: Sequence[int] | None = None
    """Numbers in the layout of the cells there are, ascending; None: all."""

    def __len__(self) -> int:
        return math.prod(self.sizes) if self.kept is None else len(self.kept)

    @property
    def as_laid_out(self) -> bool:
        """Whether trials are numbered as the cells are."""
        return self.order == tuple(range(len(self.order)))

    def walk(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Cells in the order of trials: the rank of each in the layout, and its values' places by dimension."""
        if self.kept is not None:
            kept, order = self.kept, self.order
            if self.as_laid_out:
                return ((rank, self.places(number)) for rank, number in enumerate(kept))
            keys = []
            for number in kept:
                places = self.places(number)
                keys.append(tuple([places[at] for at in order]))
            return ((rank, self.places(kept[rank])) for rank in sorted(range(len(kept)), key=keys.__getitem__))
        if self.as_laid_out:
            return enumerate(product(*map(range, self.sizes)))
        return self._reordered()

    def places(self, number: int) -> tuple[int, ...]:
        """The places of a cell's values, by dimension."""
        digits = []
        for size in reversed(self.sizes):
            number, digit = divmod(number, size)
            digits.append(digit)
        return tuple(reversed(digits))

    def number(self, places: Sequence[int]) -> int:
        """The inverse of `places`."""
        number = 0
        for size, place in zip(self.sizes, places, strict=True):
            number = number * size + place
        return number

    def _reordered(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        back = [self.order.index(at) for at in range(len(self.order))]
        for digits in product(*(range(self.sizes[at]) for at in self.order)):
            places = tuple(digits[at] for at in back)
            yield self.number(places), places


def by_cost(dimensions: Sequence[Sequence[tuple[str, frozenset[str]]]]) -> tuple[int, ...]:
    """Dimensions in the order of what a change of theirs costs a worker: another endpoint, files to load, another size.

    Args:
        dimensions: Name and fields of the axes of each.
    """
    ranks = [min((_cost(name, fields) for name, fields in axes), default=3) for axes in dimensions]
    return tuple(sorted(range(len(ranks)), key=ranks.__getitem__))


def _cost(name: str, fields: frozenset[str]) -> int:
    if name == ENDPOINT:
        return 0
    if any(field.startswith(EXTRA) and any(word in field.lower() for word in _LOADED) for field in fields):
        return 1
    return 2 if any(field in _SIZE for field in fields) else 3
