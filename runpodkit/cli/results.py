"""What a run gave, as files: tables, grids."""

from __future__ import annotations

from collections.abc import Sequence
from glob import has_magic
from pathlib import Path
from typing import Any

import click

from runpodkit.cli.shell import main, quiet_kit
from runpodkit.errors import RunpodkitError
from runpodkit.params import ImageParams


@main.command()
@click.argument("name")
@click.option("--format", "kind", type=click.Choice(["csv"]), default="csv", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def export(name: str, kind: str, out: Path) -> None:
    """Write the table of the run NAME to a file."""
    click.echo(str(quiet_kit().open_run(name).to_csv(out)))


@main.command()
@click.argument("sources", nargs=-1, required=True, metavar="NAME_FOLDER_OR_FILES...")
@click.option("--rows", help="What runs down, outer first, separated by commas.")
@click.option("--cols", help="What runs across.")
@click.option("--pages", help="What turns the pages: a file for each, or the frames of a .gif or .webp.")
@click.option("--under", help="What to print under each cell, such as execution_time_s,cost_usd.")
@click.option("--where", multiple=True, metavar="NAME=VALUES", help="Only these, such as steps=5,10; may be repeated.")
@click.option("--baseline", help="A value along rows or columns: show how all others differ from it.")
@click.option("--crop", metavar="X,Y,W,H", help="Show only this part: fractions of each picture, or pixels.")
@click.option("--inset", metavar="X,Y,W,H", help="Show this part enlarged in a corner.")
@click.option("--cell-px", type=click.IntRange(min=16), help="Width of a cell in pixels.")
@click.option("--width-mm", type=float, help="For print: the whole figure's width, instead of --cell-px.")
@click.option("--dpi", type=float, help="Pixels an inch; 300 in print.")
@click.option("--no-legend", is_flag=True, help="No words but the badge of a simulation.")
@click.option("--title", help="Above all; by itself the prompt.")
@click.option("--frame-s", type=float, default=1.0, show_default=True, help="Seconds per frame of an animation.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="Its suffix says the format."
)
def grid(
    sources: tuple[str, ...],
    rows: str | None,
    cols: str | None,
    pages: str | None,
    under: str | None,
    where: tuple[str, ...],
    baseline: str | None,
    crop: str | None,
    inset: str | None,
    cell_px: int | None,
    width_mm: float | None,
    dpi: float | None,
    no_legend: bool,
    title: str | None,
    frame_s: float,
    out: Path,
) -> None:
    """Draw runs, or picture files, as one picture.

    Each source is the name of a run, a run's folder, a picture file, a folder of pictures or a pattern; all are of
    one kind.  With --pages, fig.png becomes fig-1.png, fig-2.png, ….
    """
    from runpodkit.runs.grids import grid as draw

    made = draw(
        _opened(sources),
        _names(rows),
        _names(cols),
        _names(pages),
        under=_names(under),
        where=_wanted(where),
        baseline=baseline,
        crop=_region("crop", crop),
        inset=_region("inset", inset),
        cell_px=cell_px,
        width_mm=width_mm,
        dpi=dpi,
        legend=not no_legend,
        title=title,
    )
    if len(made.pages) > 1 and out.suffix.lower() in (".png", ".jpg", ".jpeg", ".svg"):
        for path in made.save_pages(out):
            click.echo(str(path))
    else:
        click.echo(str(made.save(out, frame_s=frame_s)))


@main.command("contact-sheet")
@click.argument("name")
@click.option("--columns", type=int, default=6, show_default=True, help="Pictures side by side.")
@click.option("--under", help="What to print under each picture besides, such as execution_time_s,cost_usd.")
@click.option("--page", default="A4", show_default=True, help="A4 or letter.")
@click.option("--dpi", type=float, default=200.0, show_default=True, help="Pixels an inch.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), required=True, help="A .pdf, or a .png for each page."
)
def contact_sheet(name: str, columns: int, under: str | None, page: str, dpi: float, out: Path) -> None:
    """Put every picture of the run NAME on pages of paper, with number and values under it."""
    run = quiet_kit().open_run(name)
    for path in run.contact_sheet(out, columns=columns, under=_names(under) or (), page=page, dpi=dpi):
        click.echo(str(path))


def _opened(sources: Sequence[str]) -> Any:
    """Runs by their names; paths and patterns as they are.  A bare word that is both a run and a folder is the run."""
    paths = [each for each in sources if Path(each).expanduser().exists() or has_magic(each)]
    if len(paths) == len(sources) and not all(_bare_folder(each) for each in sources):
        return paths
    kit = quiet_kit()
    runs = []
    for name in sources:
        try:
            runs.append(kit.open_run(name))
        except RunpodkitError:
            if len(paths) == len(sources):
                return paths
            if name in paths:
                raise click.ClickException(f"{name} is no run: runs and files are not drawn together") from None
            raise
    return runs


def _bare_folder(source: str) -> bool:
    return "/" not in source and Path(source).is_dir() and not (Path(source) / "run.json").is_file()


def _names(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _wanted(given: Sequence[str]) -> dict[str, list[Any]]:
    """`steps=5-20 (+5)` as its values, read as an axis of a sweep is."""
    from runpodkit.sweeps.axes import parse_axis

    wanted: dict[str, list[Any]] = {}
    for each in given:
        name, equals, text = (part.strip() for part in each.partition("="))
        if not equals or not name:
            raise click.ClickException(f"--where {each!r}: write NAME=VALUES, such as steps=5,10")
        known = name in ImageParams.model_fields or name.startswith("extra.")
        wanted[name] = parse_axis(text, name, unique=False) if known else _plain(text)
    return wanted


def _plain(text: str) -> list[Any]:
    """Values of what is no parameter, such as `image=1` or `state=COLLECTED`."""
    words = [word.strip() for word in text.split(",")]
    return [*words, *(int(word) for word in words if word.isascii() and word.isdigit())]


def _region(name: str, text: str | None) -> list[float] | None:
    if text is None:
        return None
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise click.ClickException(f"--{name} {text!r}: write four numbers, x,y,width,height") from None
