"""What a run gave, as files: tables, and all of it in one."""

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
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Default: the run's name and .zip.")
@click.option(
    "--incomplete", is_flag=True, help="Also a run that still moves, or that has lost pictures, as it stands."
)
def freeze(name: str, out: Path | None, incomplete: bool) -> None:
    """Write the run NAME (or a folder, s3://… or .zip of one) with its pictures into one file that opens anywhere."""
    from runpodkit.kit import open_run

    run = open_run(name)
    click.echo(str(run.freeze(out or Path(f"{run.name}.zip"), incomplete=incomplete)))
