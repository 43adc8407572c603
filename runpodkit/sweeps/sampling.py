"""Sampling: some cells of a product of axes that is too large to draw whole.

Chance is a seed: the same one picks the same cells on every platform and Python, since
numbers come from sha256 and not from a library's generator.  A larger count of the same
seed keeps every cell of the smaller one, so a sample can grow and nothing is drawn twice.
The product is never listed; it may have 10^12 cells and more.

What the axes are is not known here: cells are positions on axes of given lengths.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count as counted
from itertools import islice
from typing import Any, Literal, get_args

Method = Literal["random", "latin"]

MAX_PICKS = 100_000
"""Cells that one sample may have."""

MAX_LOOKS = 1_000_000
"""Cells that are looked at where only some of them may be picked."""

MAX_SAMPLE_SEED = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Sample:
    """How many cells to pick, and how.  `random` and `latin` make one."""

    method: Method
    count: int
    """Of cells, 1 to 100,000."""
    seed: int = 0
    """0 to 2^32 - 1; of the choice of cells, not of the pictures."""

    def __post_init__(self) -> None:
        problems = []
        if self.method not in get_args(Method):
            problems.append(f"method={self.method!r} is neither 'random' nor 'latin'")
        for name, lowest, highest in (("count", 1, MAX_PICKS), ("seed", 0, MAX_SAMPLE_SEED)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool):
                problems.append(f"{name}={value!r} is not a whole number")
            elif not lowest <= value <= highest:
                problems.append(f"{name}={value} is not within {lowest} to {highest:,}")
        if problems:
            raise ValueError(f"sample: {'; '.join(problems)}")

    def pick(
        self, sizes: Sequence[int], stays: Callable[[tuple[int, ...]], bool] | None = None
    ) -> list[tuple[int, ...]]:
        """Distinct cells, as a position from 0 on each axis, in ascending order.

        Args:
            sizes: How many values each axis has, each >= 1.
            stays: Which cells may be picked; others are passed over.

        Raises:
            ValueError: there are fewer cells than asked for, as far as a million were looked at, or an axis is empty.
        """
        if any(size < 1 for size in sizes):
            raise ValueError("sample: an axis without values has no cells")
        total = math.prod(sizes)
        if self.count > total:
            raise ValueError(f"sample: {self.count:,} cells of only {total:,}: ask for {total:,} at most")
        walk = _random_cells if self.method == "random" else _latin_cells
        cells = walk(sizes, f"{self.method}:{self.seed}")
        looked_at = min(total, MAX_LOOKS) if stays else self.count
        found = (cell for cell in islice(cells, looked_at) if stays is None or stays(cell))
        picked = sorted(islice(found, self.count))
        if len(picked) < self.count:
            raise ValueError(
                f"sample: of {looked_at:,} cells only {len(picked):,} keep the rules, {self.count:,} were asked for: "
                "ask for fewer, or loosen the rules"
            )
        return picked

    def to_plan(self) -> dict[str, Any]:
        """As plain JSON values, the inverse of `from_plan`."""
        return {"method": self.method, "count": self.count, "seed": self.seed}

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Sample:
        """The sample of a plan.

        Raises:
            ValueError: one line with every problem.
        """
        if not isinstance(plan, Mapping):
            raise ValueError(f"sample={plan!r:.60}: give a table such as {{ method = 'latin', count = 50, seed = 0 }}")
        problems = [
            f"{name!r} is not known; known: count, method, seed"
            for name in sorted(plan.keys() - {"method", "count", "seed"}, key=str)
        ]
        problems += [f"{name} is missing" for name in ("count", "method") if name not in plan]
        if problems:
            raise ValueError(f"sample: {'; '.join(problems)}")
        return cls(plan["method"], plan["count"], plan.get("seed", 0))


def random(count: int, seed: int = 0) -> Sample:
    """Cells at random: each set of `count` cells is as likely as any other.

    Raises:
        ValueError: `count` or `seed` is out of bounds.
    """
    return Sample("random", count, seed)


def latin(count: int, seed: int = 0) -> Sample:
    """A Latin hypercube: every value of every axis comes equally often, give or take one.

    Where `count` is smaller than an axis is long, no value of that axis comes twice.

    Raises:
        ValueError: `count` or `seed` is out of bounds.

    Source: McKay, Beckman and Conover (1979), A Comparison of Three Methods for Selecting Values of Input
    Variables in the Analysis of Output from a Computer Code.
    """
    return Sample("latin", count, seed)


def _random_cells(sizes: Sequence[int], name: str) -> Iterator[tuple[int, ...]]:
    for number in _shuffled(math.prod(sizes), name):
        yield _positions(number, sizes)


def _latin_cells(sizes: Sequence[int], name: str) -> Iterator[tuple[int, ...]]:
    """Every cell once, in an order whose every beginning has the values of each axis equally often.

    Walking all axes at once, each round and round, visits lcm(sizes) cells before it comes back,
    and each value of an axis in turn.  Such walks part the product: they differ in how far the
    axes are set off against each other.  Walks come in random order, and the values of each axis
    are renamed at random, which makes the first walk of axes of one length a Latin hypercube.
    """
    length, offsets = 1, []
    for size in sizes:
        offsets.append(math.gcd(length, size))
        length = math.lcm(length, size)
    renamed = [_Renamed(size, f"{name}:axis {place}") for place, size in enumerate(sizes)]
    for number in _shuffled(math.prod(offsets), f"{name}:walks"):
        starts = _positions(number, offsets)
        for step in range(length):
            yield tuple(names[(start + step) % size] for names, start, size in zip(renamed, starts, sizes, strict=True))


class _Renamed:
    """A random permutation of 0..size-1, of which only what is asked for is made."""

    def __init__(self, size: int, name: str) -> None:
        self._fresh = _shuffled(size, name)
        self._known: dict[int, int] = {}

    def __getitem__(self, value: int) -> int:
        if value not in self._known:
            self._known[value] = next(self._fresh)
        return self._known[value]


def _positions(number: int, sizes: Sequence[int]) -> tuple[int, ...]:
    """Cell `number` of a product whose last axis varies fastest."""
    positions = []
    for size in reversed(sizes):
        number, position = divmod(number, size)
        positions.append(position)
    return tuple(reversed(positions))


def _shuffled(total: int, name: str) -> Iterator[int]:
    """0..total-1 in random order.

    Source: Fisher and Yates (1938), Statistical Tables, as Durstenfeld's Algorithm 235 (1964),
    here over a list of which only the moved entries are kept.
    """
    moved: dict[int, int] = {}
    draws = _draws(name)
    for place in range(total):
        other = place + _below(total - place, draws)
        yield moved.pop(other, other) if other == place else moved.get(other, other)
        if other != place:
            moved[other] = moved.pop(place, place)


def _draws(name: str) -> Iterator[int]:
    """Numbers of 64 bits, uniform, that depend on nothing but the name."""
    for block in counted():
        digest = hashlib.sha256(f"{name}:{block}".encode()).digest()
        for start in range(0, 32, 8):
            yield int.from_bytes(digest[start : start + 8], "big")


def _below(limit: int, draws: Iterator[int]) -> int:
    """A number of 0..limit-1, each as likely; draws that would favour some are dropped."""
    bits = (limit - 1).bit_length()
    while True:
        number = 0
        for _ in range(-(-bits // 64)):
            number = number << 64 | next(draws)
        number >>= -bits % 64
        if number < limit:
            return number
