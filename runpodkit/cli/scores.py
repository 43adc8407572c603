"""Scores of a run from the command line: the built-in measures."""

from __future__ import annotations

import click

from runpodkit.cli.shell import main, run_at

MEASURES = ("sharpness", "contrast", "colourfulness", "ssim", "phash_distance")


@main.command()
@click.argument("name")
@click.option("--measure", type=click.Choice(MEASURES), required=True, help="What to measure each picture by.")
@click.option("--as", "own", metavar="COLUMN", help="The score's name; default: that of the measure.")
@click.option(
    "--baseline",
    multiple=True,
    metavar="AXIS=VALUE",
    help="What ssim and phash_distance compare with: the trial that has it and is equal in all else; may be repeated.",
)
@click.option("--redo", is_flag=True, help="Compute all of it anew.")
@click.option("--workers", type=click.IntRange(1, 64), help="Threads; default: one per core, 8 at most.")
def score(name: str, measure: str, own: str | None, baseline: tuple[str, ...], redo: bool, workers: int | None) -> None:
    """Give every picture of the run NAME a number, a column of its tables, files, pages and grids from then on."""
    against = dict(_pair(text) for text in baseline) or None
    given = run_at(name).score(measure, own, baseline=against, redo=redo, workers=workers)
    there = given.dropna()
    spread = f", mean {there.mean():.4g}, {there.min():.4g} to {there.max():.4g}" if len(there) else ""
    click.echo(f"{given.name}: {len(there)} of {len(given)} trials{spread}")


def _pair(text: str) -> tuple[str, str]:
    axis, sign, value = text.partition("=")
    if not sign or not axis:
        raise click.BadParameter(f"{text!r}: give AXIS=VALUE, such as steps=4", param_hint="--baseline")
    return axis, value
