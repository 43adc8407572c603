"""What a run gave, as a picture."""

from __future__ import annotations

from pathlib import Path

import click

from runpodkit.cli.shell import main, quiet_kit


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


def _axes(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
