"""Old runs on the command line: which to keep, and to drop the others with their pictures."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import click

from runpodkit.cli.shell import main, quiet_kit


@main.command()
@click.argument("name")
@click.option("--remove", is_flag=True, help="Take the star away.")
def star(name: str, remove: bool) -> None:
    """Give the run NAME a star: `prune --keep-starred` leaves it."""
    run = quiet_kit().open_run(name)
    run.unstar() if remove else run.star()
    click.echo(f"run {name} has {'no' if remove else 'a'} star")


@main.command()
@click.option("--older-than", required=True, metavar="AGE", help="Since the last trial ended: 12h, 30d, 2w.")
@click.option("--keep-starred", is_flag=True, help="Leave runs that have a star.")
@click.option("--dry-run", is_flag=True, help="Only tell what would go.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print what went as JSON.")
def prune(older_than: str, keep_starred: bool, dry_run: bool, yes: bool, as_json: bool) -> None:
    """Delete runs that ended long ago, with the pictures that no other run uses."""
    kit = quiet_kit()
    planned = kit.prune(older_than, keep_starred=keep_starred, dry_run=True)
    if not as_json:
        click.echo(f"in {kit.store!r}", err=True)
        click.echo(repr(planned))
    if not dry_run and planned.gone:
        if not yes:
            if as_json or not sys.stdin.isatty():
                raise click.ClickException("nothing was deleted: there is no terminal to ask on, so add --yes")
            click.confirm("Delete these? There is no way back", abort=True)
        names = [one.name for one in planned.gone]
        planned = kit.prune(older_than, keep_starred=keep_starred, only=names)
        if not as_json:
            click.echo(planned.line)
    if as_json:
        told = {"runs": [asdict(one) for one in planned.gone], "kept": dict(planned.kept), "dry_run": dry_run}
        click.echo(json.dumps(told | {"pictures": planned.pictures, "bytes": planned.bytes}, ensure_ascii=False))
