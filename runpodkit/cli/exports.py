"""What a run gave, as files and numbers for other tools: export, summary, freeze."""

from __future__ import annotations

import json
import shutil
import sys
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from runpodkit.cli.shell import main, names_in, run_at
from runpodkit.runs.exports.formats import FORMATS, format_of

if TYPE_CHECKING:
    import pandas as pd


@main.command()
@click.argument("name")
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), help="Default: by the suffix of --out.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file or folder to write.")
@click.option("--links", type=int, metavar="DAYS", help="Add links to the pictures that lapse after 1 to 7 days.")
@click.option("--public-base-url", metavar="URL", help="Add addresses of pictures that this site serves in public.")
@click.option("--split", help="Of an imagefolder: train, validation or test.")
@click.option("--metadata-format", help="Of an imagefolder: jsonl, csv or parquet.")
@click.option("--open", "shown", is_flag=True, help="Show it in the browser.")
def export(name: str, kind: str | None, out: Path, shown: bool, **given: Any) -> None:
    """Write the run NAME as files that other tools open.

    NAME may also be where a run lies, such as a folder.  Without --format and without a suffix, --out is
    a folder with table, grid and pictures.
    """
    options = {option: value for option, value in given.items() if value is not None}
    kind = kind or format_of(out)
    written = run_at(name).export(out, kind, **options)
    if days := options.get("links"):
        words = "a secret: whoever has one that a bucket signed sees its picture, until it lapses"
        click.echo(f"the links in {out} are {words} after {days} day{'s' if days > 1 else ''}", err=True)
    click.echo(str(written))
    if shown and not webbrowser.open(written.absolute().as_uri()):
        click.echo(f"no browser found; open {written.absolute().as_uri()}", err=True)


@main.command()
@click.argument("name")
@click.option("--by", help="Columns to group by, separated by commas; default: the first axis.")
@click.option("--json", "kind", flag_value="json", help="A list of objects; what is not known is null.")
@click.option("--csv", "kind", flag_value="csv", help="CSV.")
@click.option("--latex", "kind", flag_value="latex", help="A table for a paper, with the rules of booktabs.")
def summary(name: str, by: str | None, kind: str | None) -> None:
    """Counts, times and costs of the run NAME per value of a parameter."""
    run = run_at(name)
    told = run.summary(names_in(by))
    if kind == "latex":
        click.echo(run.to_latex(by=[str(name) for name in told.index.names]), nl=False)
        return
    rows = told.reset_index()
    if kind == "json":
        known = rows.astype(object).where(rows.notna(), None)
        click.echo(json.dumps(known.to_dict("records"), ensure_ascii=False))
    elif kind == "csv":
        from runpodkit.runs.tables import csv_text

        click.echo(csv_text(rows), nl=False)
    else:
        click.echo(repr(run), err=True)
        click.echo(_for_people(rows))


@main.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: the run's name and .zip.")
@click.option(
    "--incomplete", is_flag=True, help="Also a run that still moves, or that has lost pictures, as it stands."
)
def freeze(name: str, out: Path | None, incomplete: bool) -> None:
    """Write the run NAME (or a folder, s3://… or .zip of one) with its pictures into one file that opens anywhere."""
    run = run_at(name)
    click.echo(str(run.freeze(out or Path(f"{run.name}.zip"), incomplete=incomplete)))


def _for_people(rows: pd.DataFrame) -> str:
    """As many columns side by side as the terminal has room for; without those of which nothing is known."""
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    known = rows.dropna(axis="columns", how="all")
    return known.to_string(index=False, na_rep="–", float_format="{:.4g}".format, line_width=width)
