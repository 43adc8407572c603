"""Results: what a run's records and its store hold, as tables, pictures, grids, comparisons and files.

Reads only.  Where the records come from, and whether they still change, is known to `run`.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.blocking import both_ways
from runpodkit.runs.beside import read_beside
from runpodkit.runs.layout import matching
from runpodkit.runs.marks import Marks, read_marks
from runpodkit.runs.oddities import with_oddities
from runpodkit.runs.preferences import (
    Preference,
    WinRate,
    read_preferences,
    read_raters,
    win_rates,
    write_preferences,
)
from runpodkit.runs.records import Record, Share
from runpodkit.runs.rows import RunHead
from runpodkit.runs.scores import Score, delete_score, read_scores, score_columns, score_names
from runpodkit.storage import Store
from runpodkit.sweeps.sweep import Sweep

if TYPE_CHECKING:
    import pandas as pd

    from runpodkit.images.charts import Chart
    from runpodkit.images.grids import Grid
    from runpodkit.runs.comparing.comparison import Comparison
    from runpodkit.runs.comparing.disagreement import Disagreement
    from runpodkit.runs.comparing.effects import AxisEffects
    from runpodkit.runs.comparing.steps import EnoughSteps
    from runpodkit.runs.judging import Judge
    from runpodkit.runs.picture import Picture
    from runpodkit.runs.ranked import Ranking
    from runpodkit.runs.scorers import Function, Scorer


class Results(ABC):
    """What a run holds, read from wherever its records are."""

    def __init__(self, head: RunHead, store: Store) -> None:
        self._head, self._store = head, store
        self.unsaved_scores: dict[str, Score] = {}
        """Scores by name that the store does not take, such as that of a frozen run."""

    @abstractmethod
    async def _read_records(self) -> list[Record]:
        """A record per trial, by number."""

    async def _records(self) -> list[Record]:
        """A record per trial, by number; trials that have not ended are there as they stand."""
        return await asyncio.to_thread(with_oddities, await self._read_records())

    records, arecords = both_ways(_records)

    @abstractmethod
    async def _read_shares(self) -> list[Share]:
        """Itself, then its parts if it has any; a whole that has parts has no records of its own."""

    async def _shares(self) -> list[Share]:
        """What there is to keep: itself, then its parts if it has any, which then have the records."""
        return await self._read_shares()

    shares, ashares = both_ways(_shares)

    @property
    def name(self) -> str:
        """What it is called: its folder in the store, and how it is opened again."""
        return self._head.name

    @property
    def head(self) -> RunHead:
        """What is fixed about it from its start."""
        return self._head

    @property
    def store(self) -> Store:
        """Where its pictures are."""
        return self._store

    @property
    def simulated(self) -> bool:
        """Whether the simulator drew it; of a joint run, all of it."""
        return self._head.simulated

    @cached_property
    def sweep(self) -> Sweep:
        """The plan that it executes."""
        return Sweep.from_plan(dict(self._head.plan))

    def where(self, **where: Any) -> list[Record]:
        """Records whose parameters have these values, e.g. `where(sampler_name="Heun", steps=[5, 10])`.

        What is kept beside the run counts as well: `where(starred=True)`, or a score by its name.
        """
        records = self.records()
        return matching(records, where, lambda: self.beside(records))

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

    def table(
        self,
        records: Iterable[Record] | None = None,
        *,
        links: int | None = None,
        public_base_url: str | None = None,
    ) -> pd.DataFrame:
        """One row per trial, one column per parameter and fact; durations in seconds, money in USD, times in UTC.

        `image` and `images` are keys in the store, which last.  Once pictures were compared
        blindly, `wins`, `losses` and `ties` count each one's answers; each score has a column.

        Args:
            records: Of these trials, such as `run.where(steps=20)`; default: all.
            links: Adds `url`: links that lapse after so many days, 1 to 7.  Whoever has such a link may
                read the picture, so a table with links is a secret.  A folder gives file addresses.
            public_base_url: Adds `url`: this address and the key, for stores that a site serves in public.

        Raises:
            ValueError: both are given, or one out of bounds.
        """
        from runpodkit.runs.tables import linker, table

        link = linker(self._store, links=links, public_base_url=public_base_url)
        rows = self.records() if records is None else list(records)
        return table(rows, self.beside(rows), link)

    def beside(self, records: Iterable[Record] | None = None) -> dict[str, dict[int, Any]]:
        """What was said of its trials since they were drawn, such as answers of blind comparisons: values by trial, by column.

        Args:
            records: Of these trials; default: all.
        """
        rows = self.records() if records is None else list(records)
        return {**read_beside(self._store, self.name, rows), **score_columns(self.unsaved_scores.values(), rows)}

    async def _score(
        self,
        fn: Function | Scorer | str,
        name: str | None = None,
        *,
        where: Mapping[str, Any] | None = None,
        baseline: Any = None,
        redo: bool = False,
        workers: int | None = None,
        progress: bool = True,
    ) -> pd.Series:
        """Give every picture a number, which becomes a column of tables, files, pages, grids and `summary`.

        What was computed is kept beside the run, by picture: a second call computes only what is new, and an
        interrupted one goes on.  A picture that fails has no number, and stderr says which trial and why.

        Args:
            fn: "sharpness", "contrast" or "colourfulness" of each picture; "ssim" or "phash_distance" to a baseline; a
                function of (image, params) that gives a number, called from threads; or a `Scorer` that sees batches.
                Images are Pillow's, RGB, on white where they are transparent; `params` are as sent.
            name: Of the column; default: that of the measure or function.
            where: Only trials whose parameters have these values, as in `Results.where`.
            baseline: What "ssim" and "phash_distance" compare with: `{axis: value}`, the trial that has this value and
                is equal in everything else; or one picture or record for all.
            redo: Compute it all anew; needed where a function under the same name has changed.
            workers: Threads, and how many pictures are in memory at most; default: one per core, 8 at most.
            progress: Whether to show a bar on stderr.

        Returns:
            The numbers by trial; missing where there is none.  Of a trial with several pictures it is their mean.

        Raises:
            ValueError: a name that is a column's already, a function that changed, no such measure, axis or value, or
                not one picture could be scored.
            StoreError: the store does not answer; what was computed by then is kept.
        """
        from runpodkit.runs import scoring

        records = await self._records()
        chosen = matching(records, where or {})
        return await scoring.score(
            self, records, chosen, fn, name, baseline=baseline, redo=redo, workers=workers, shown=progress
        )

    score, ascore = both_ways(_score)

    def scores(self) -> pd.DataFrame:
        """The scores there are: a row for each.

        Returns:
            Indexed by `name`: `measure` (what made it), `trials` that have it, their `mean`, `low` and `high`, and
            `saved` (false where it is kept in memory only).
        """
        from runpodkit.runs.score_table import score_table

        return score_table(
            {**{one.name: one for one in read_scores(self._store, self.name)}, **self.unsaved_scores}, self.records()
        )

    def drop_score(self, name: str) -> None:
        """Forget a score and its column.

        Raises:
            ValueError: there is none of that name.
            StoreError: the store does not let go of it.
        """
        there = score_names(self._store, self.name)
        if name not in {*there, *self.unsaved_scores}:
            known = ", ".join(dict.fromkeys([*there, *self.unsaved_scores])) or "none"
            raise ValueError(f"{name!r} is no score of run {self.name}; its scores: {known}")
        if name in there:
            delete_score(self._store, self.name, name)
        self.unsaved_scores.pop(name, None)

    async def _prefer(self, rater: str, given: Sequence[Preference]) -> None:
        """Keep what one rater found better; `given` are all answers of that rater so far.  A frozen run takes none."""
        await asyncio.to_thread(write_preferences, self._store, self.name, rater, given)

    prefer, aprefer = both_ways(_prefer)

    def marks(self) -> Marks:
        """Stars and notes of single trials, whoever gave them: `.starred`, `.stars` and `.notes` by trial."""
        return read_marks(self._store, self.name)

    async def _win_rates(self) -> list[WinRate]:
        """How often one value of an axis was preferred to another, over all answers so far."""
        return win_rates(await asyncio.to_thread(read_preferences, self._store, self.name), await self._records())

    win_rates, awin_rates = both_ways(_win_rates)

    def answers(self) -> dict[str, list[Preference]]:
        """Answers of blind comparisons by rater, each one's in order of time; a rater is a kernel that asked, or a judge."""
        return read_raters(self._store, self.name)

    def ranking(self, axis: str | None = None) -> Ranking:
        """Values of an axis by preference: Bradley–Terry strengths over all answers of blind comparisons so far.

        Args:
            axis: Default: the one that was asked about.

        Returns:
            `.table` has a row per value: its chance to be preferred to another one with a 95 % interval, answers,
            and the ranks that it may have; `.matrix` has how each stood against each, `.by("seed")` a ranking per
            seed, and `str` says it.  Model, intervals and sources: `runpodkit.stats.ranking`.

        Raises:
            ValueError: no such axis, or several were asked about and none is named.
        """
        from runpodkit.runs.ranked import rank

        return rank([self], axis)

    def judge(
        self, judge: Judge, axis: str | None = None, *, name: str = "judge", seed: int = 0, most: int | None = None
    ) -> Ranking:
        """Ask a function instead of a person: about all pairs of pictures that differ in one axis alone.

        Args:
            judge: Takes two pictures, gives the better one of them, or None for no difference.
            axis: Default: the first of the sweep.
            name: Of the rater: a model, a rule; what it said of the axis before is replaced.
            seed: Of the order of the pairs and of their sides.
            most: Asks about so many pairs at most, picked by chance.

        Raises:
            ValueError: no such axis, or a name that is no name of a file.
            TypeError: the judge gave something else.
            StoreError: the run is frozen, or its store cannot be written.
        """
        from runpodkit.runs.judging import judged

        return judged(self, judge, axis, name, seed, most)

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
        """Counts, times in s and cost in USD per value of a column, or of several; default: the first axis.

        Returns:
            Indexed by `by`, in order of first appearance: `trials`, `collected`, `failed`, `cancelled`, `flagged`,
            `failure_rate` in [0, 1], mean, P50 and P90 of queue delay and execution time, `cost_usd` and
            `cost_per_image_usd`, and the mean of each score; what is not known is missing.

        Raises:
            ValueError: a name that is no column of the table.
        """
        from runpodkit.runs.tables import summary

        names = next(iter(self.sweep.axes), "state") if by is None else by
        records = self.records()
        return summary(records, [names] if isinstance(names, str) else list(names), self.beside(records))

    def to_csv(self, path: str | Path, *, links: int | None = None, public_base_url: str | None = None) -> Path:
        """Write `table()` as CSV; `runpodkit.runs.tables.read_csv` gives it back unchanged.

        Args:
            links, public_base_url: As in `table`.
        """
        return self.export(path, "csv", links=links, public_base_url=public_base_url)

    def to_parquet(self, path: str | Path, *, links: int | None = None, public_base_url: str | None = None) -> Path:
        """Write `table()` as Parquet, types kept; raises ConfigError without the extra `export`.

        Args:
            links, public_base_url: As in `table`.
        """
        return self.export(path, "parquet", links=links, public_base_url=public_base_url)

    def to_jsonl(self, path: str | Path, *, links: int | None = None, public_base_url: str | None = None) -> Path:
        """Write the complete record of each trial as a line of JSON, nested values as they are.

        Args:
            links, public_base_url: As in `table`; adds `url` to each image.
        """
        return self.export(path, "jsonl", links=links, public_base_url=public_base_url)

    def to_latex(
        self,
        path: str | Path | None = None,
        *,
        by: str | Sequence[str] | None = None,
        columns: Sequence[str] | None = None,
    ) -> str:
        r"""The table of a paper, with the rules of booktabs: `summary(by)`, or without `by` a row per trial.

        Args:
            path: Where to write it as well, for `\input`.
            columns: After those of `by`; default: trials, failures, times and cost per image where
                they are known, or without `by` the axes, execution time and cost.

        Raises:
            ValueError: a name that is no column.
        """
        from runpodkit.runs.exports.paper import paper_table

        return paper_table(self, path, by=by, columns=columns)

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

    def heatmap(self, score: str, rows: str | None = None, cols: str | None = None, **look: Any) -> Grid:
        """The mean of a score by two axes, as colours with their numbers, and how many trials each is the mean of.

        Args:
            score: A score, or any column of the table that holds numbers, such as `execution_time_s`.
            rows, cols: What runs down and across, an axis or a column each; default: the first two axes.  The mean
                goes over all others.
            **look: `where`, `span` (the numbers at the ends of the scale, to compare two maps), `title`, `labels`,
                `cell_px`, `width_mm` and `dpi`, as in `runpodkit.grid`.

        Returns:
            `.image` is a Pillow image; `.save("fig.pdf")` writes it, also as .svg, .png, .jpg or .webp.

        Raises:
            ValueError: a name that is not known, no number, or cells too narrow for their numbers.
        """
        from runpodkit.runs.heatmaps import heatmap

        return heatmap(self, score, rows, cols, **look)

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

    def compare(
        self,
        axis: str,
        baseline: Any = None,
        *,
        scores: str | Sequence[str] | Mapping[str, Mapping[int, float]] | None = None,
        reused_times: bool = False,
        where: Mapping[str, Any] | None = None,
        quiet: bool = False,
    ) -> Comparison:
        """What an axis changes: pairs of trials that are equal in everything else, against `baseline`.

        Repeats of a cell are averaged, and what they differ by is the noise below which differences are greyed.

        Args:
            baseline: A value of the axis; default: its first.
            scores: Names of scores, or own ones by trial, `{"name": {trial: number}}`; default: all columns of
                numbers that `beside()` has, answers of blind comparisons apart.
            reused_times: Count times and costs of reused pictures too.
            where: Only trials with these values; a list means any of them.
            quiet: Show no bar.

        Returns:
            `.table` has a row per value: number of pairs, mean picture distance in [0, 1] (mean absolute difference
            of thumbnails), execution time in s, cost in USD, every score, their differences to the baseline, each with
            a 95 % bootstrap interval over the pairs; `.words` says it in sentences, `.noise` has what repeats
            differ by, `.picture` shows the pairs that differ most.

        Raises:
            ValueError: no such axis or score, or `baseline` is none of its values.

        Source: `runpodkit.stats.intervals.mean_interval`, BCa after Efron (1987).
        """
        from runpodkit.runs.comparing.comparison import compare

        records = self.where(**where or {})
        return compare(
            records,
            self._store.get,
            axis,
            baseline,
            beside=self.beside(records),
            scores=scores,
            reused_times=reused_times,
            quiet=quiet,
        )

    def axis_effects(
        self,
        of: str = "pixel_distance",
        *,
        axes: str | Sequence[str] | None = None,
        where: Mapping[str, Any] | None = None,
        quiet: bool = False,
    ) -> AxisEffects:
        """Which axis matters: the share of the variance of pictures, or of a score, that each axis explains.

        Seeds are the replicates; what they differ by, what axes do only together, and the rest are rows of their own, so
        all shares sum to 1.  Repeats of a cell are averaged.  Of a partial grid, where axes overlap, each has the
        mean of what it adds over all orders.

        Args:
            of: "pixel_distance", the squared distance of pictures over all pixels, or a score, `execution_time_s`, `cost_usd`.
            axes: Some of the axes; default: all that vary.
            where: Only trials with these values.
            quiet: Show no bar.

        Returns:
            `.table`: a row per axis with `share`, its 95 % interval over seeds (four or more) and the share `by_chance`;
            `.words` also say what this sweep cannot tell apart; `.plot()`.

        Raises:
            ValueError: no such score or axis, none that varies, or more than 2,000 pictures.

        Sources: Anderson (2001), permutational analysis of variance; Lindeman, Merenda and Gold (1980) for partial grids.
        """
        from runpodkit.runs.comparing.effects import axis_effects

        return axis_effects(self, of, axes=axes, where=where, quiet=quiet)

    def enough_steps(
        self,
        epsilon: float | None = None,
        *,
        by: str | None = None,
        against: str = "largest",
        where: Mapping[str, Any] | None = None,
        quiet: bool = False,
    ) -> EnoughSteps:
        """From how many steps on the picture changes less than `epsilon`, for each sampler.

        Pictures that differ in steps alone are compared, over seeds and whatever else varies; steps are enough
        from where the whole 95 % interval of the mean change lies below epsilon, there and at all larger ones.

        Args:
            epsilon: Mean absolute difference of thumbnails in (0, 1).  Default: 0.01, which can hardly be seen, or
                what repeats of one picture differ by if that is more.
            by: The axis with an answer for each of its values; default: `sampler_name` if it is one, else all together.
            against: "largest": change to the most steps tried; "next": to the next more, which is less strict.
            where: Only trials with these values.
            quiet: Show no bar.

        Returns:
            `.steps` by group, None where none of the steps tried are enough, as for samplers that add noise at each step;
            `.table`, `.changes` (a row per group and steps), `.words`, `.plot()`.

        Raises:
            ValueError: steps are no axis, `by` is none, or epsilon out of bounds.
        """
        from runpodkit.runs.comparing.steps import enough_steps

        return enough_steps(self, epsilon, by=by, against=against, where=where, quiet=quiet)

    def disagreement(
        self, axis: str, *, where: Mapping[str, Any] | None = None, share: float = 0.3, quiet: bool = False
    ) -> Disagreement:
        """Where in the picture the values of an axis differ, with all else equal.

        Args:
            where: Only trials with these values.
            share: Of the picture's width and height that the proposed region has, at most 0.36.
            quiet: Show no bar.

        Returns:
            `.picture` with legend, `.heat` alone, `.spread`: per pixel the standard deviation over the values, in [0, 1];
            `.crop`: the region of most of it, as `run.grid(inset=…)` and `run.grid(crop=…)` take it.

        Raises:
            ValueError: no such axis, no two pictures that differ in it alone, or `share` out of bounds.
        """
        from runpodkit.runs.comparing.disagreement import disagreement

        return disagreement(self, axis, where=where, share=share, quiet=quiet)

    def pivot(
        self,
        value: str,
        rows: str | Sequence[str],
        cols: str | Sequence[str] | None = None,
        *,
        agg: str | Callable[[Any], Any] = "mean",
        where: Mapping[str, Any] | None = None,
        baseline: Mapping[str, Any] | None = None,
    ) -> pd.DataFrame:
        """A column of numbers gathered by others: finished trials only, values in the order of their axes.

        Args:
            value: A column of `table()`, a score, or `pixel_distance`: to the trial that has the baseline's value.
            rows, cols: Columns of `table()`, outer first.
            agg: How the trials of a place become one number: mean, median, std, min, max, sum, count, or a function.
            where: Only trials with these values.
            baseline: `{axis: value}`, for `pixel_distance`.

        Raises:
            ValueError: a name that is no column, a column without numbers, or an unknown `agg`.
        """
        from runpodkit.runs.comparing.pivot import pivot

        return pivot(self, value, rows, cols, agg=agg, where=where, baseline=baseline)

    def plot(
        self,
        x: str | None = None,
        y: str = "execution_time_s",
        hue: str | None = None,
        *,
        where: Mapping[str, Any] | None = None,
        baseline: Mapping[str, Any] | None = None,
        **look: Any,
    ) -> Chart:
        """A number of the trials along an axis: a line per value of `hue` with the 95 % interval of its mean over seeds.

        Where x is no number, points with whiskers; without several seeds the interval is over trials, and one
        trial alone has none.  What else varies is averaged, and the small print says so.

        Args:
            x, y, hue: Columns of `table()`; `y` may be a score, or `pixel_distance` with `baseline={axis: value}`.
                Default: the first axis of numbers, execution time, and the next axis.
            where: Only trials with these values.
            look: `width_mm` (170; a column of a paper is 85), `height_mm`, `title`, `log_x`, `log_y`.

        Returns:
            Shown by itself as the last line of a cell; `.figure` is matplotlib's, `.save("fig.pdf")` writes .pdf, .svg or .png.

        Raises:
            ConfigError: matplotlib is not installed (the extra `plot`).
            ValueError: a name that is no column, no numbers, or more lines than can be told apart.
        """
        from runpodkit.runs.comparing.plots import plot

        return plot(self, x, y, hue, where=where, baseline=baseline, **look)

    def failures(self) -> pd.DataFrame:
        """Failed trials by cause; reasons that differ only in numbers and ids are one.

        Returns:
            A row per cause, the most frequent first: `count`, `example` (one trial), `reason` (that trial's),
            `cost_usd` (paid for all their jobs as far as it is known; missing where of none) and `cure`, in words.
        """
        from runpodkit.runs.failures_table import failures

        return failures(self.records())

    def to_html(self, path: str | Path, *, open: bool = False, **how: Any) -> Path:
        """Write one self-contained HTML page to look through all axes; it needs no network and stays within 30 MB.

        Args:
            open: Show it in the browser of this machine.
            how: As `runpodkit.runs.exports.page.write_page` takes it: `where`, `rows`, `cols`, `pages`,
                `under`, `columns` (scores by trial), `thumb_px`, `title`.
        """
        from runpodkit.runs.exports.page import write_page

        page = write_page(self, path, **how)
        if open:
            import webbrowser

            webbrowser.open(page.absolute().as_uri())
        return page

    def export(self, path: str | Path, format: str | None = None, **options: Any) -> Path:
        """Write the run as files that other tools open; an existing file is replaced once the new one is whole.

        Args:
            format: A name in `runpodkit.runs.exports.formats.FORMATS`.  Default: by the suffix of `path`,
                and without a suffix a folder with `results.csv`, `grid.png` and `images/`.
            options: Of that format; see its writer.

        Raises:
            ValueError: no such format, a suffix that means none, or an option that the format does not have.
        """
        from runpodkit.runs.exports.formats import write

        return write(self, Path(path), format, options)

    def freeze(self, file: str | Path, *, incomplete: bool = False) -> Path:
        """Write plan, records, pictures and versions into one `.zip` that `open_run` reads anywhere.

        Equal runs give equal bytes; keys and signed links are taken out.  An existing file is replaced.

        Args:
            incomplete: Also a run that still moves, as it stands, and without pictures that the store has lost.

        Raises:
            ValueError: the run still moves, or the name does not end in `.zip`.
            StoreError: a picture cannot be read, or the file cannot be written; nothing is left of it then.
        """
        from runpodkit.runs.exports.frozen import freeze

        return freeze(self.shares(), self._store, Path(file), incomplete=incomplete)
