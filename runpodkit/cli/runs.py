"""Runs there are: list, show, pause, resume, retry, cancel."""

from __future__ import annotations

import json

import click

from runpodkit.cli.shell import main, quiet_kit, watch
from runpodkit.reprs import plain


@main.command()
@click.option("--tag", multiple=True, help="Of those with this tag; several: with all of them.")
@click.option("--since", help="Started no longer ago than 12h, 7d or 2w, or on this day (2026-11-24) or later.")
@click.option("--text", help="Words that all stand in name, prompts, note or tags.")
@click.option("--endpoint", multiple=True, help="Of this endpoint: its name, or its id.")
@click.option("--state", multiple=True, help="In this state, such as HELD; several: in any of them.")
@click.option("--starred/--not-starred", default=None, help="With a star, or without.")
@click.option("--limit", type=int, help="So many at most.")
@click.option("--json", "as_json", is_flag=True)
def runs(
    tag: tuple[str, ...],
    since: str | None,
    text: str | None,
    endpoint: tuple[str, ...],
    state: tuple[str, ...],
    starred: bool | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List runs, newest first: of this Redis and of the store."""
    from runpodkit.runs.runs_table import lines_of

    frame = quiet_kit().runs(
        tag=tag or None,
        since=since,
        text=text,
        endpoint=endpoint or None,
        state=state or None,
        starred=starred,
        limit=limit,
    )
    if as_json:
        click.echo(frame.to_json(orient="records", date_format="iso"))
        return
    for line in lines_of(frame):
        click.echo(line)
    for problem in frame.problems:
        click.echo(f"cannot be read: {plain(problem)}", err=True)


@main.command()
@click.argument("name")
@click.option("--wait/--no-wait", default=False, help="Watch it until nothing of it can move.")
@click.option("--json", "as_json", is_flag=True)
def show(name: str, wait: bool, as_json: bool) -> None:
    """How the run NAME stands."""
    run = quiet_kit().open_run(name)
    if wait:
        watch(run)
    if as_json:
        click.echo(json.dumps(run.report(), ensure_ascii=False))
        return
    click.echo(repr(run))
    if (causes := run.failures()).size:
        for line in repr(causes).splitlines():
            click.echo(f"  {line}")


@main.command()
@click.argument("name")
def cancel(name: str) -> None:
    """End the run NAME: nothing more is sent, jobs on the endpoint are cancelled, pictures stay."""
    click.echo(repr(quiet_kit().open_run(name).cancel()))


@main.command()
@click.argument("name")
def pause(name: str) -> None:
    """Send nothing more of the run NAME for now; jobs on the endpoint are still collected."""
    click.echo(repr(quiet_kit().open_run(name).pause()))


@main.command()
@click.argument("name")
@click.option("--budget-usd", type=click.FloatRange(min=0, min_open=True), help="A new budget.")
@click.option("--deadline-s", type=click.FloatRange(min=0, min_open=True), help="A new deadline, from the start.")
def resume(name: str, budget_usd: float | None, deadline_s: float | None) -> None:
    """Go on with the run NAME, which is paused or held."""
    changes = {"budget_usd": budget_usd, "deadline_s": deadline_s}
    given = {policy: value for policy, value in changes.items() if value is not None}
    click.echo(repr(quiet_kit().open_run(name).resume(**given)))


@main.command()
@click.argument("name")
def retry(name: str) -> None:
    """Draw again exactly what failed, expired or was cancelled in the run NAME; pictures that there are stay."""
    click.echo(repr(quiet_kit().open_run(name).retry()))
