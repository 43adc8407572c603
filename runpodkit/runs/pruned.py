"""What pruning did or would do, in numbers and as a table; and how old is old.

Pure: knows neither store nor ledger.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

_UNITS = {"h": 3600.0, "d": 86_400.0, "w": 7 * 86_400.0}
_AGE = re.compile(r"([0-9]{1,6}(?:\.[0-9]{1,3})?)\s*([hdw])")
_SHOWN = 40


def seconds_of(age: str) -> float:
    """An age such as `30d`, `12h` or `2w` in seconds.

    Raises:
        ValueError: anything else.
    """
    found = _AGE.fullmatch(age.strip().lower())
    if not found:
        raise ValueError(f"older_than={age!r}: give a number and h, d or w, such as 12h, 30d or 2w")
    return float(found[1]) * _UNITS[found[2]]


def spoken_age(seconds: float) -> str:
    """An age in its largest whole unit: 41 d, 3 h, 12 min."""
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds / length:.0f} {unit}"
    return "now"


def spoken_bytes(count: float) -> str:
    """An amount of data: 812 B, 3.4 MB, 1.2 GB."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 999.5:
            return f"{count:.0f} {unit}" if unit == "B" or count >= 99.95 else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"


@dataclass(frozen=True, slots=True)
class Removal:
    """One run that goes."""

    name: str
    kind: str
    age_s: float
    """Since its last trial ended."""
    trials: int
    pictures: int
    """That go with it."""
    bytes: int
    """Of those, as the records know."""
    shared: int
    """Pictures that stay, since other runs use them."""


@dataclass(frozen=True, slots=True)
class Pruned:
    """What went, or would go in a dry run, and what stayed and why."""

    gone: tuple[Removal, ...]
    kept: tuple[tuple[str, str], ...]
    """Runs that are old enough but stay, each with its reason."""
    dry_run: bool = False

    @property
    def pictures(self) -> int:
        return sum(one.pictures for one in self.gone)

    @property
    def bytes(self) -> int:
        return sum(one.bytes for one in self.gone)

    @property
    def shared(self) -> int:
        return sum(one.shared for one in self.gone)

    def __repr__(self) -> str:
        return "\n".join([*self._table(), *self._reasons(), self.line])

    @property
    def line(self) -> str:
        """The whole in one line."""
        if not self.gone:
            return "nothing to prune"
        runs = _counted(len(self.gone), "run")
        pictures = _counted(self.pictures, "picture")
        verb = "would go" if self.dry_run else "gone"
        kept = f"; {_counted(self.shared, 'picture')} kept, as other runs use them" if self.shared else ""
        return f"{verb}: {runs}, {pictures}, {spoken_bytes(self.bytes)}{kept}"

    def _table(self) -> list[str]:
        several = [one for one in self.gone if one.kind != "single"]
        rows = [_cells(one.name, one.age_s, one) for one in several[:_SHOWN]]
        if len(several) > _SHOWN:
            rows.append(_summed(f"and {len(several) - _SHOWN} more", several[_SHOWN:]))
        if singles := [one for one in self.gone if one.kind == "single"]:
            rows.append(_summed(_counted(len(singles), "single picture"), singles))
        if not rows:
            return []
        return _aligned([["run", "age", "trials", "pictures", "size", "kept, shared"], *rows])

    def _reasons(self) -> list[str]:
        said = [f"stays: {name}: {why}" for name, why in self.kept[:_SHOWN]]
        left = Counter(why for _, why in self.kept[_SHOWN:])
        return said + [f"stay: {count} more: {why}" for why, count in left.items()]


def _cells(name: str, age_s: float, one: Removal) -> list[str]:
    size = spoken_bytes(one.bytes)
    return [name, spoken_age(age_s), f"{one.trials:,}", f"{one.pictures:,}", size, f"{one.shared:,}"]


def _summed(name: str, rows: Sequence[Removal]) -> list[str]:
    whole = Removal(
        name,
        "",
        max(one.age_s for one in rows),
        sum(one.trials for one in rows),
        sum(one.pictures for one in rows),
        sum(one.bytes for one in rows),
        sum(one.shared for one in rows),
    )
    return _cells(name, whole.age_s, whole)


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns as wide as they must be, the first to the left, numbers to the right."""
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if at == 0 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
