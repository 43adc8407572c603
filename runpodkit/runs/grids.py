"""Grids of anything that has pictures: a run, several, records, rows of a table, files.

Puts the parts together: sources become items, items get places, places are drawn.  The rules are in
`items`, `layout` and `naming`, the ink in `images.grids`, which knows no runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runpodkit.images import grids
from runpodkit.images.grids import Cell, Grid, Page
from runpodkit.runs import items
from runpodkit.runs.facts import Under, notes
from runpodkit.runs.files import of_files, picture_files
from runpodkit.runs.items import Collection, Item, key_of
from runpodkit.runs.layout import Layout, Names, Spot, lay_out
from runpodkit.runs.naming import shown
from runpodkit.runs.picture import Picture
from runpodkit.runs.records import Record
from runpodkit.runs.results import Results
from runpodkit.runs.watch import progress
from runpodkit.storage import Store

if TYPE_CHECKING:
    import pandas as pd

Source = Results | Record | Picture | str | Path | Sequence["Results | Record | Picture | str | Path"]
"""Or a DataFrame."""
FLAGS_TOLD = 4
"""Different flags that a grid's subtitle names."""
_BY_FIELD = (("sampler_name", ""), ("steps", "steps "), ("cfg_scale", "cfg scale "), ("seed", "seed "))


def grid(
    source: Source | pd.DataFrame,
    rows: Names = None,
    cols: Names = None,
    pages: Names = None,
    *,
    under: Under = None,
    cell_px: int | None = None,
    title: str | None = None,
    labels: Mapping[Any, Any] | None = None,
    order: Mapping[str, Sequence[Any]] | None = None,
    where: Mapping[str, Any] | None = None,
    crop: Sequence[float] | None = None,
    inset: Sequence[float] | None = None,
    baseline: Any = None,
    store: Results | Store | None = None,
    legend: bool = True,
    gap_px: int | None = None,
    padding_px: int | None = None,
    width_mm: float | None = None,
    dpi: float | None = None,
) -> Grid:
    """Many pictures as one, under labels: of a run, of several, of some records, of a table's rows, of files.

    Args:
        source: A run; runs, which then stand along an axis `run`; records (with `store`); pictures; a table such as
            a part of `run.table()` (with `store`), whose column `image` has the keys; or picture files, a folder of
            them, or a pattern such as "old/*.png", placed by the parameters that stand in them.
        rows, cols, pages: Names of axes, parameters, fields of records or columns, outer first; several nest.  What
            nobody placed goes to the columns, and the first of several axes to the rows; one long axis, or pictures
            without any, flow in lines.  Trials of several images have an axis `image`.
        under: What is written under each picture: a field or several, with their units; a function of the record
            (the row, the path); or values by trial, key or file name.
        cell_px: Width of a cell in pixels, 16 or more; by itself 160 to 320.
        title: Above all; by itself the prompt, where it is one.
        labels: Texts for values, `{value: text}` or `{axis: {value: text}}`; `{axis: text}` renames an axis.
        order: Values of an axis in the order wanted; the others follow.
        where: Only pictures with these values; a list means any of them.
        crop: Show of each picture only (x, y, width, height): fractions of it if none is above 1, else pixels.
        inset: Show such a part of each picture enlarged in a corner, with a frame around it.
        baseline: A value along the rows or columns, or `{axis: value}`.  All other cells then show how they differ
            from the one that has this value and all else alike, four times as strong, and under it the mean
            absolute difference of their pixels, in [0, 1].
        store: Where the pictures of records or rows lie: their run, or a store.
        legend: False leaves out all words but the badge of a simulation.
        gap_px, padding_px: Between the pictures, and around everything.
        width_mm, dpi: For print: the whole figure's width, and its pixels an inch (300); instead of `cell_px`.

    Returns:
        `.image` is a Pillow image; `.pages` has a grid per page; `.save("fig.png")` writes one file (.pdf and .svg with
        text as text), of pages `.save("fig.gif")` an animation and `.save_pages("fig.png")` a file for each.

    Raises:
        ValueError: nothing to draw, a name or value that is not known, a region outside of all pictures, or more
            than 64 million pixels; the message says what to choose.
    """
    given = collected(source, store)
    if where:
        given = given.where(where)
    return draw(
        given,
        rows,
        cols,
        pages,
        under=under,
        cell_px=cell_px,
        title=title,
        labels=labels,
        order=order,
        crop=crop,
        inset=inset,
        baseline=baseline,
        legend=legend,
        gap_px=gap_px,
        padding_px=padding_px,
        width_mm=width_mm,
        dpi=dpi,
    )


def collected(source: Source | pd.DataFrame, store: Results | Store | None = None) -> Collection:
    """What there is to draw, in one form.

    Raises:
        ValueError: nothing, things of several kinds, a kind we do not know, or records without their store.
    """
    if type(source).__name__ == "DataFrame":
        run = store if isinstance(store, Results) else None
        frame: Any = source
        return items.of_table(frame, _store(store, "rows of a table"), run)
    alone = isinstance(source, Results | Record | Picture | str | Path)
    given: list[Any] = list(source) if isinstance(source, Iterable) and not alone else [source]
    if not given:
        raise ValueError("there is nothing to draw: no run, record, picture, row or file was given")
    if all(isinstance(each, Results) for each in given):
        return items.of_runs(given)
    if all(isinstance(each, Record) for each in given):
        return items.of_records(given, _store(store, "records"))
    if all(isinstance(each, Picture) for each in given):
        return items.of_pictures(given)
    if all(isinstance(each, str | Path) for each in given):
        return _of_paths(given)
    kinds = ", ".join(dict.fromkeys(type(each).__name__ for each in given))
    raise ValueError(
        f"{kinds}: give a run or runs, records, pictures, a DataFrame, or picture files; one kind at a time"
    )


def draw(
    source: Collection,
    rows: Names = None,
    cols: Names = None,
    pages: Names = None,
    *,
    under: Under = None,
    title: str | None = None,
    labels: Mapping[Any, Any] | None = None,
    order: Mapping[str, Sequence[Any]] | None = None,
    baseline: Any = None,
    quiet: bool = False,
    crop: Sequence[float] | None = None,
    **sheet: Any,
) -> Grid:
    """The grid of some items; see `grid`.

    Args:
        quiet: Show no bar.
        **sheet: How it looks; goes to `images.grids.grid`.
    """
    plan = lay_out(
        source,
        rows=rows,
        cols=cols,
        pages=pages,
        labels=labels,
        order=order,
        baseline=baseline,
        aspect=_aspect(source.items, crop),
    )
    spots = [spot for page in plan.pages for spot in page.spots.values()]
    texts = dict(zip(map(id, spots), notes([spot.item for spot in spots], under), strict=True))
    made = []
    for page in plan.pages:
        cells = {at: _cell(spot, texts[id(spot)]) for at, spot in page.spots.items()}
        made.append(Page(page.heading, {**cells, **dict.fromkeys(page.blank, Cell(blank=True))}))
    with progress("grid", sum(bool(spot.item.read) for spot in spots), shown=not quiet) as step:
        return grids.grid(
            made if plan.paged else made[0].cells,
            rows=plan.rows,
            cols=plan.cols,
            row_title=plan.row_title,
            col_title=plan.col_title,
            title=_title(source.items, plan) if title is None else str(title),
            subtitle=_subtitle(source.items, plan),
            badge=_badge(source),
            crop=crop,
            advance=step,
            **sheet,
        )


def _cell(spot: Spot, note: str) -> Cell:
    item = spot.item
    return Cell(
        image=item.read,
        note="\n".join(filter(None, (spot.caption, note))),
        problem=item.problem,
        size=item.size,
        kept=item.thumbs,
        against=spot.against,
        marked=bool(item.flags),
    )


def _store(store: Results | Store | None, what: str) -> Store:
    if store is None:
        raise ValueError(
            f"{what} have the keys of their pictures, not the pictures: add store=run, or the store itself"
        )
    if isinstance(store, Results):
        return store._store
    if not callable(getattr(store, "get", None)) or isinstance(store, Mapping):
        raise ValueError(f"store={store!r} is neither a run nor a store: give store=run")
    return store


def _of_paths(given: Sequence[str | Path]) -> Collection:
    """Folders of runs as runs, everything else as picture files."""
    folders = [Path(each).expanduser() for each in given]
    if all((folder / "run.json").is_file() for folder in folders):
        from runpodkit.runs.opening import open_place

        runs = [open_place(folder) for folder in folders]
        return items.of_runs([run for run in runs if run is not None])
    paths = picture_files(given)
    with progress("reading files", len(paths), "file") as step:
        return of_files(paths, step)


def _badge(source: Collection) -> str | None:
    everything, something = source.simulated
    return "SIMULATOR" if everything else "PARTLY SIMULATOR" if something else None


def _aspect(given: Sequence[Item], crop: Sequence[float] | None) -> float:
    """Height over width of what the first cell shows, as far as that is known."""
    from runpodkit.images.regions import View

    size = next((item.size for item in given if item.size), None)
    if size is None:
        return grids.USUAL_ASPECT
    try:
        box = View.read(crop, None).shown(size)
    except ValueError:  # told when it is drawn
        return size[1] / size[0]
    return (box[3] - box[1]) / (box[2] - box[0])


# words


def _title(given: Sequence[Item], plan: Layout) -> str:
    prompts = {item.facts.get("user_prompt") for item in given}
    prompt = next(iter(prompts))
    return prompt if len(prompts) == 1 and isinstance(prompt, str) and "user_prompt" not in plan.placed else ""


def _subtitle(given: Sequence[Item], plan: Layout) -> str:
    """What is the same in every cell and matters for the picture; and what the mark on some of them means."""
    words = []
    if not {"width", "height"} & set(plan.placed):
        size = _common(given, "width"), _common(given, "height")
        words += [f"{size[0]}×{size[1]}"] if None not in size else []
    for name, word in _BY_FIELD:
        if name in plan.placed:
            continue
        value = _common(given, name)
        if value is not None:
            words.append(f"{word}{shown(value)}")
        elif name == "seed" and len({key_of(item.facts.get(name)) for item in given}) > len(given) / 2:
            words.append("another seed each")
    return "\n".join(filter(None, (" · ".join(words), _flagged(given))))


def _common(given: Sequence[Item], name: str) -> Any:
    """The value that all have, if it is one."""
    values = {key_of(item.facts.get(name)): item.facts.get(name) for item in given}
    return next(iter(values.values())) if len(values) == 1 else None


def _flagged(given: Sequence[Item]) -> str:
    counts: dict[str, int] = {}
    for item in given:
        for flag in item.flags:
            counts[flag] = counts.get(flag, 0) + 1
    told = [f"{flag} ({count})" if count > 1 else flag for flag, count in counts.items()]
    more = f", and {len(told) - FLAGS_TOLD} more" if len(told) > FLAGS_TOLD else ""
    return f"marked (!): {', '.join(told[:FLAGS_TOLD])}{more}" if told else ""
