"""What a run gave, as files: tables, grids."""

from __future__ import annotations

from pathlib import Path

import click

from runpodkit.cli.shell import main, quiet_kit


@main.command()
@click.argument("name")
@click.option("--format", "kind", type=click.Choice(["csv"]), default="csv", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def export(name: str, kind: str, out: Path) -> None:
    """Write the table of the run NAME to a file."""
    click.echo(str(quiet_kit().open_run(name).to_csv(out)))


@main.command()
@click.argument("name")
@click.option("--rows", help="Axes that run down, outer first, separated by commas.")
@click.option("--cols", help="Axes that run across.")
@click.option("--under", help="A field to print under each cell, such as execution_time_s.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def grid(name: str, rows: str | None, cols: str | None, under: str | None, out: Path) -> None:
    """Draw the grid of the run NAME into a picture file."""
    run = quiet_kit().open_run(name)
    run.grid(rows=_axes(rows), cols=_axes(cols), under=under).save(out)
    click.echo(str(out))


@main.command()
@click.argument("name")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: the run's name and .zip.")
@click.option(
    "--incomplete", is_flag=True, help="Also a run that still moves, or that has lost pictures, as it stands."
)
def freeze(name: str, out: Path | None, incomplete: bool) -> None:
    """Write the run NAME (or a folder, s3://… or .zip of one) with its pictures into one file that opens anywhere."""
    from runpodkit.kit import open_run

    run = open_run(name)
    click.echo(str(run.freeze(out or Path(f"{run.name}.zip"), incomplete=incomplete)))


def _axes(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
