"""Results: what a run's records and its store hold, as tables, pictures, grids, comparisons and files.

Reads only.  Where the records come from, and whether they still change, is known to `run`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.blocking import both_ways
from runpodkit.runs.layout import matching
from runpodkit.runs.preferences import (
    Preference,
    WinRate,
    read_preferences,
    tally,
    win_rates,
    write_preferences,
)
from runpodkit.runs.records import Record
from runpodkit.runs.rows import RunHead, TrialState
from runpodkit.storage import Store
from runpodkit.sweeps.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

    from runpodkit.images.grids import Grid
    from runpodkit.runs.comparison import Comparison
    from runpodkit.runs.picture import Picture


class Results(ABC):
    """What a run holds, read from wherever its records are."""

    def __init__(self, head: RunHead, store: Store) -> None:
        self._head, self._store = head, store

    @abstractmethod
    async def _read_records(self) -> list[Record]:
        """A record per trial, by number."""

    async def _records(self) -> list[Record]:
        """A record per trial, by number; trials that have not ended are there as they stand."""
        return await self._read_records()

    records, arecords = both_ways(_records)

    @property
    def name(self) -> str:
        return self._head.name

    @property
    def head(self) -> RunHead:
        """What is fixed about it from its start."""
        return self._head

    @property
    def simulated(self) -> bool:
        return self._head.simulated

    @cached_property
    def sweep(self) -> Sweep:
        return Sweep.from_plan(dict(self._head.plan))

    def where(self, **where: Any) -> list[Record]:
        """Records whose parameters have these values, e.g. `where(sampler_name="Heun", steps=[5, 10])`."""
        return matching(self.records(), where)

    def pictures(self, **where: Any) -> list[Picture]:
        """The first picture of every matching trial that has one."""
        from runpodkit.runs.picture import Picture

        return [Picture(record, self._store) for record in self.where(**where) if record.images]

    def bytes_of(self, key: str) -> bytes:
        """A file of the run by its key in the store, as stored; raises StoreError if it is not there."""
        return self._store.get(key)

    def picture_of(self, record: Record) -> Picture:
        """The first picture of a record that has one."""
        from runpodkit.runs.picture import Picture

        return Picture(record, self._store)

    def table(self) -> pd.DataFrame:
        """One row per trial, one column per parameter and fact; durations in seconds, money in USD.

        Once pictures were compared blindly, `wins`, `losses` and `ties` count each one's answers.
        """
        from runpodkit.runs.tables import table

        return table(self.records(), tally(read_preferences(self._store, self.name)))

    async def _prefer(self, rater: str, given: Sequence[Preference]) -> None:
        """Keep what one rater found better; `given` are all answers of that rater so far."""
        await asyncio.to_thread(write_preferences, self._store, self.name, rater, given)

    prefer, aprefer = both_ways(_prefer)

    async def _win_rates(self) -> list[WinRate]:
        """How often one value of an axis was preferred to another, over all answers so far."""
        return win_rates(await asyncio.to_thread(read_preferences, self._store, self.name), await self._records())

    win_rates, awin_rates = both_ways(_win_rates)

    def preferences(self) -> pd.DataFrame:
        """Answers of blind comparisons: a row per pair of values.

        Returns:
            `axis`, `value`, `against`, `wins`, `losses`, `ties`, then `rate` (share of wins among
            the answers that chose) with its 95 % interval `low` to `high`, all in [0, 1].
        """
        import pandas as pd

        rows = []
        for one in self.win_rates():
            low, high = one.interval or (None, None)
            rows.append([one.axis, one.value, one.against, one.wins, one.losses, one.ties, one.rate, low, high])
        names = ["axis", "value", "against", "wins", "losses", "ties", "rate", "low", "high"]
        return pd.DataFrame(rows, columns=names)

    def summary(self, by: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Trials, times in s and cost in USD per value of an axis, or of several; default: the first axis.

        Raises:
            ValueError: a name that is no column of the table.
        """
        from runpodkit.runs.tables import summary

        names = next(iter(self.sweep.axes), "state") if by is None else by
        return summary(self.records(), [names] if isinstance(names, str) else list(names))

    def to_csv(self, path: str | Path) -> Path:
        """Write `table()` as CSV; `runpodkit.runs.tables.read_csv` gives it back unchanged."""
        from runpodkit.runs.tables import to_csv

        to_csv(self.table(), Path(path))
        return Path(path)

    def grid(
        self,
        rows: str | Sequence[str] | None = None,
        cols: str | Sequence[str] | None = None,
        pages: str | Sequence[str] | None = None,
        **look: Any,
    ) -> Grid:
        """All pictures in one: axes along the edges, failed and missing cells marked.

        Args:
            rows, cols, pages: Axes from outer to inner; axes not named go to the columns.
            **look: `under`, `cell_px`, `title`, `labels`, `order`, `where`, `crop`, `inset`, `baseline` and more,
                as in `runpodkit.grid`; for example `under="execution_time_s"`.

        Raises:
            ValueError: a name or value that is not known, or more than 64 million pixels.
        """
        from runpodkit.runs.grids import grid

        return grid(self, rows, cols, pages, **look)

    def contact_sheet(
        self,
        path: str | Path,
        *,
        columns: int = 6,
        under: str | Sequence[str] = (),
        page: str = "A4",
        dpi: float = 200.0,
    ) -> list[Path]:
        """Every picture in the order of its trial, with its number and axis values under it, on pages of paper.

        Args:
            path: A .pdf has all pages; a .png is one, and where there are more each is a file: `sheet-1.png`, ….
            columns: Pictures side by side, at least 8 mm wide each.
            under: Fields written under each picture besides, e.g. `["execution_time_s", "cost_usd"]`.
            page: "A4" or "letter".
            dpi: Pixels an inch of the pictures, and of a .png.

        Returns:
            The files written.

        Raises:
            ValueError: another suffix or page, an unknown field, too many columns, or no trial.
            ConfigError: a .pdf, and fpdf2 is not installed.
        """
        from runpodkit.runs.exports.contact import export_contact_sheet

        return export_contact_sheet(self, Path(path), columns=columns, under=under, page=page, dpi=dpi)

    def compare(self, axis: str, baseline: Any = None) -> Comparison:
        """What an axis changes: pairs of trials that are equal in everything else, against `baseline`.

        Returns:
            `.table` has a row per value: number of pairs, mean pixel distance in [0, 1] (mean
            absolute difference of thumbnails), mean execution time in s and cost in USD;
            `.picture` shows the pairs that differ most.

        Raises:
            ValueError: no such axis, or `baseline` is none of its values.
        """
        from runpodkit.runs.comparison import compare

        return compare(self.records(), self._store.get, axis, baseline)

    def failures(self) -> pd.DataFrame:
        """Failed trials by cause: how many, and one of them."""
        import pandas as pd

        groups: dict[str, list[int]] = {}
        for record in self.records():
            if record.state in (TrialState.FAILED, TrialState.EXPIRED):
                groups.setdefault(record.reason or "no reason given", []).append(record.trial)
        ordered = sorted(groups.items(), key=lambda item: -len(item[1]))
        rows = [{"count": len(trials), "example": trials[0], "reason": reason} for reason, trials in ordered]
        return pd.DataFrame(rows, columns=["count", "example", "reason"])

    def export(self, folder: str | Path) -> Path:
        """Write `results.csv`, `grid.png` and `images/` into a folder."""
        from runpodkit.runs.exports.folder import export_folder

        return export_folder(self, self._store, Path(folder))
