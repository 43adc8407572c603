"""Sizes: how much room runs take, by what their records know, within a bound of time.

A record tells the bytes of its pictures, so nothing is listed but the runs themselves: a bucket tells sizes only page
by page of a thousand.  Of a long run a few files of records stand for all; then the figure says that it is an estimate.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runpodkit.errors import StoreError
from runpodkit.runs.holdings import Holding, holdings, uses_of
from runpodkit.storage import Store

READ_WHOLE = 4
"""Runs of up to so many files of records are read whole, which is 200 trials."""
SAMPLED = 2
AT_ONCE = 16
SINGLES = "single pictures"


@dataclass(frozen=True, slots=True)
class RunSize:
    """How much room one run's pictures take; those that it shares with other runs count in each."""

    name: str
    bytes: int
    is_estimate: bool
    problem: str = ""
    stands_for: int = 1
    """Single pictures are one entry together; a joint run is one with its parts."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """All runs of a store, the largest first."""

    runs: tuple[RunSize, ...]
    not_looked_at: int
    """Runs for which there was no time."""

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.runs)


def sizes(store: Store, within_s: float, clock: Callable[[], float] = time.monotonic) -> Sizes:
    """How much room each run takes; stops looking after `within_s`.

    Raises:
        StoreError: the runs cannot be listed.
    """
    until = clock() + within_s
    todo = sorted((one for one in holdings(store).values() if one.has_head), key=lambda one: len(one.record_keys))
    found: list[RunSize] = []
    for start in range(0, len(todo), AT_ONCE):
        if clock() > until:
            break
        found += _sizes(store, todo[start : start + AT_ONCE])
    return Sizes(tuple(sorted(_grouped(found), key=lambda one: -one.bytes)), len(todo) - len(found))


def _grouped(found: list[RunSize]) -> list[RunSize]:
    """Parts of a joint run as one with it, and all single pictures together."""
    names = {one.name for one in found}
    groups: dict[str, list[RunSize]] = {}
    for one in found:
        whole = one.name.partition("--")[0]
        name = SINGLES if one.name.startswith("one-") else whole if whole in names else one.name
        groups.setdefault(name, []).append(one)
    return [
        RunSize(
            name,
            sum(one.bytes for one in some),
            any(one.is_estimate for one in some),
            next((one.problem for one in some if one.problem), ""),
            len(some) if name == SINGLES else 1,
        )
        for name, some in groups.items()
    ]


def _sizes(store: Store, some: list[Holding]) -> list[RunSize]:
    samples = [_sampled(one) for one in some]
    try:
        uses = uses_of(store, samples)
    except StoreError as exc:
        if len(some) == 1:
            return [RunSize(some[0].name, 0, True, str(exc))]
        return [size for one in some for size in _sizes(store, [one])]
    return [
        RunSize(
            one.name,
            round(sum(uses[one.name].files.values()) * len(one.record_keys) / max(1, len(sample.record_keys))),
            len(sample.record_keys) < len(one.record_keys),
        )
        for one, sample in zip(some, samples, strict=True)
    ]


def _sampled(one: Holding) -> Holding:
    """A run with only the files of records that stand for all: none of them the last, which may be short."""
    keys = one.record_keys
    if len(keys) <= READ_WHOLE:
        return one
    return Holding(one.name, tuple(keys[at * (len(keys) - 1) // SAMPLED] for at in range(SAMPLED)))


def size_of_folder(folder: Path, within_s: float, clock: Callable[[], float] = time.monotonic) -> tuple[int, bool]:
    """Bytes of all files below a folder, and whether there was time to see them all; a missing folder has none."""
    until = clock() + within_s
    total, stack = 0, [folder]
    while stack:
        if clock() > until:
            return total, False
        try:
            with os.scandir(stack.pop()) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        stack.append(Path(entry.path))
                    elif entry.is_file(follow_symlinks=False):
                        total += entry.stat(follow_symlinks=False).st_size
        except OSError:
            continue
    return total, True
