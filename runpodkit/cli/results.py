"""What a run gave, as files: tables, and all of it in one."""

from __future__ import annotations

import json
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runpodkit.cli.shell import main, names_in
from runpodkit.runs.exports.formats import FORMATS, format_of

if TYPE_CHECKING:
    from runpodkit.runs.run import Run


@main.command()
@click.argument("name")
@click.option("--format", "kind", type=click.Choice(list(FORMATS)), help="Default: by the suffix of --out.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The file or folder to write.")
@click.option("--links", type=int, metavar="DAYS", help="Add links to the pictures that lapse after 1 to 7 days.")
@click.option("--public-base-url", metavar="URL", help="Add addresses of pictures that this site serves in public.")
@click.option("--open", "shown", is_flag=True, help="Show it in the browser.")
def export(name: str, kind: str | None, out: Path, links: int | None, public_base_url: str | None, shown: bool) -> None:
    """Write the run NAME as files that other tools open.

    NAME may also be where a run lies, such as a folder.  Without --format and without a suffix, --out is
    a folder with table, grid and pictures.
    """
    given = {"links": links, "public_base_url": public_base_url}
    options = {option: value for option, value in given.items() if value is not None}
    kind = kind or format_of(out)
    written = run_at(name).export(out, kind, **options)
    if links is not None:
        click.echo(f"{out} has links that last {links} days: whoever has them sees the pictures", err=True)
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
        click.echo(json.dumps(json.loads(rows.to_json(orient="records", double_precision=15)), ensure_ascii=False))
    elif kind == "csv":
        click.echo(rows.to_csv(index=False, lineterminator="\n"), nl=False)
    else:
        known = rows.dropna(axis="columns", how="all")
        click.echo(known.to_string(index=False, na_rep="–", float_format="{:.4g}".format))


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


def run_at(where: str) -> Run:
    """A run by its name, or where it lies."""
    from runpodkit.kit import open_run

    return open_run(where)
