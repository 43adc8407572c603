"""Chance that is the same everywhere: streams of numbers fixed by the words that name them.

Built on the raw 64-bit output of Philox, which numpy promises never to change; numpy's own
distributions carry no such promise, so the few needed here are made from those bits.
No stream is shared: two names give two streams, whatever is drawn from either.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

Floats = NDArray[np.float64]

_UNIT = 2.0**-53


class Chance:
    """A stream of random numbers, fixed by `name`: any text or whole numbers, in this order."""

    def __init__(self, *name: str | int) -> None:
        text = "\x1f".join(str(part) for part in name)
        key = int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16], "little")
        self._bits = np.random.Philox(key=key)

    def units(self, count: int) -> Floats:
        """`count` numbers spread evenly over [0, 1)."""
        raw = np.asarray(self._bits.random_raw(count), dtype=np.uint64)
        return (raw >> np.uint64(11)).astype(np.float64) * _UNIT

    def normals(self, count: int) -> Floats:
        """`count` independent numbers of mean 0 and variance 1 (Box and Muller, 1958)."""
        half = (count + 1) // 2
        units = self.units(2 * half)
        radius = np.sqrt(-2.0 * np.log(1.0 - units[:half]))
        angle = 2.0 * math.pi * units[half:]
        return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:count]

    def between(self, low: float, high: float) -> float:
        """One number within [low, high)."""
        return low + (high - low) * float(self.units(1)[0])

    def below(self, count: int) -> int:
        """One whole number within [0, count)."""
        return min(count - 1, int(self.units(1)[0] * count))

    def happens(self, share: float) -> bool:
        """True in this share of cases."""
        return float(self.units(1)[0]) < share

    def pick(self, choices: Sequence[T]) -> T:
        """One of `choices`, all alike likely."""
        return choices[self.below(len(choices))]
