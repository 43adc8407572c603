"""What a run gave, as files: tables, grids."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from runpodkit.cli.shell import main, quiet_kit
from runpodkit.errors import OutputError


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
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file and line, with every text in full.")
def metadata(files: tuple[str, ...], as_json: bool) -> None:
    """Print what picture FILEs say of themselves: tool, parameters, sent prompt, job, and the mark of AI-made media.

    Exit code 1 if a file is no picture or cannot be read.
    """
    from runpodkit.cli import picture_lines
    from runpodkit.images.metadata import read_facts

    failed = False
    for name in files:
        try:
            facts = read_facts(name)
        except (OutputError, OSError) as exc:
            failed = True
            reason = exc.strerror if isinstance(exc, OSError) else str(exc)
            click.echo(f"{picture_lines.visible(name)}: {picture_lines.visible(reason)}", err=True)
            continue
        if as_json:
            text = json.dumps({"file": name, **facts.as_json()}, ensure_ascii=False)
            click.echo(text.encode("utf-8", "replace").decode())
        else:
            click.echo("\n".join(picture_lines.lines(name, facts)))
    if failed:
        sys.exit(1)


def _axes(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]
