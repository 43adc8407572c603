"""The main job on the command line: run a sweep that a TOML file describes, or the demo."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from runpodkit.cli.shell import main, watch
from runpodkit.params import explain

if TYPE_CHECKING:
    from runpodkit.runs.run import Run
    from runpodkit.sweeps.sweep import Sweep

DEMO_PROMPT = "a lighthouse on a cliff at dusk, calm sea, stars coming out"
DEMO_SAMPLERS = ("Euler", "Euler a", "Heun", "DPM++ 2M")
DEMO_STEPS = (4, 8, 16, 32)


@main.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/demo"), show_default=True)
@click.option("--quick", is_flag=True, help="Smaller pictures and fewer of them: under ten seconds.")
def demo(out: Path, quick: bool) -> None:
    """Compare four samplers over step counts and seeds, on the simulator if nothing is configured."""
    from runpodkit.connecting import connect
    from runpodkit.sweeps.sweep import seeds, sweep

    started = time.monotonic()
    kit = connect(quiet=True)
    click.echo(kit.line, err=True)
    samplers, steps = (DEMO_SAMPLERS[::2], DEMO_STEPS[:3]) if quick else (DEMO_SAMPLERS, DEMO_STEPS)
    size: dict[str, Any] = {"width": 416, "height": 608} if quick else {"width": 832, "height": 1216}
    plan = sweep(DEMO_PROMPT, sampler_name=list(samplers), steps=list(steps), seed=seeds(1 if quick else 2), **size)
    run = kit.submit(plan, name="demo-quick" if quick else "demo", fresh=True, pilot=False)
    watch(run)
    report = _finish_or_fail(run)
    run.export(out, "folder")
    reused = f", {report['reused']} of them reused from before" if report["reused"] else ""
    click.echo(f"{report['collected']} pictures in {time.monotonic() - started:.1f} s{reused}")
    click.echo(f"  grid    {out / 'grid.png'}")
    click.echo(f"  table   {out / 'results.csv'}")
    click.echo(f"  images  {out / 'images'}")
    click.echo("next:")
    click.echo(f"  {_typed('jupyter')} lab notebooks/01_first_sweep.ipynb")
    click.echo("      the same in a notebook, step by step")
    click.echo(f"  {_typed('runpodkit')} grid {run.name} --rows seed --cols steps --out {out / 'by-seed.png'}")
    click.echo("      the same pictures, arranged by seed")
    click.echo(f"  RUNPOD_API_KEY=… RUNPOD_URL=… {_typed('runpodkit')} check")
    click.echo("      your own endpoint instead of the simulator")


def _typed(program: str) -> str:
    """A program beside ours as a person would type it here: by name if the shell finds it, else by path."""
    beside = Path(sys.argv[0]).absolute().with_name(program)
    if not beside.exists() or shutil.which(program) == str(beside):
        return program
    return os.path.relpath(beside) if beside.is_relative_to(Path.cwd()) else str(beside)


@main.command(name="sweep")
@click.argument("plan", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", required=True, help="The run's name; the same name and plan again attaches to it.")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder for grid, table and images.")
@click.option("--dry-run", is_flag=True, help="Print what PLAN asks for and what it would cost, and stop.")
@click.option("--yes", is_flag=True, help="Go on although a live run is large or costly.")
@click.option("--no-pilot", is_flag=True, help="On a live endpoint, do not send one trial first.")
@click.option("--budget-usd", type=float, help="Hold the run before it costs more.")
@click.option("--window", type=int, help="Jobs in flight at most.")
@click.option("--tag", multiple=True, help="A word to find the run by; may be given several times.")
@click.option("--note", default="", help="What the run is for.")
@click.option("--notify", help="Address of a webhook, called when the run is over or HELD.")
@click.option("--json", "as_json", is_flag=True, help="The last line of stdout is one JSON object.")
def sweep_command(
    plan: Path,
    name: str,
    out: Path | None,
    dry_run: bool,
    yes: bool,
    no_pilot: bool,
    budget_usd: float | None,
    window: int | None,
    tag: tuple[str, ...],
    note: str,
    notify: str | None,
    as_json: bool,
) -> None:
    """Run the sweep that PLAN (TOML) describes and wait for it.

    Exit code 0 only if every trial was collected.  Ctrl-C stops watching, not the run.
    """
    from runpodkit.connecting import connect

    started = time.monotonic()
    asked, policy = read_plan(plan)
    given = {"budget_usd": budget_usd, "window": window, "pilot": False if no_pilot else None}
    policy |= {key: value for key, value in given.items() if value is not None}
    for line in braces(asked):
        click.echo(line, err=True)
    if dry_run:
        kit = connect(quiet=True, start_worker=False)
        click.echo(str(asked))
        click.echo(repr(kit.estimate(asked)))
        return
    kit = connect(quiet=True)
    click.echo(kit.line, err=True)
    run = kit.submit(asked, name=name, confirm=yes, tags=tag, note=note, notify=notify, **policy)
    watch(run)
    if out and any(run.status().count(state) for state in _with_picture()):
        run.export(out, "folder")
    report = run.report() | {"wall_s": round(time.monotonic() - started, 3)}
    report |= {"table": str(out / "results.csv") if out else None, "images": str(out / "images") if out else None}
    _say_how_it_ended(report)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    if report["collected"] < report["trials"]:
        sys.exit(1)


def read_plan(path: Path) -> tuple[Sweep, dict[str, Any]]:
    """A sweep and its policy from a TOML file: a plan, and `[policy]`.

    Raises:
        ValueError: not TOML, or a name or value that cannot be meant; the message names the file.
    """
    from runpodkit.runs.policies import RunPolicy
    from runpodkit.sweeps.sweep import Sweep
    from runpodkit.sweeps.toml_text import read_toml

    try:
        given = read_toml(path.read_text("utf-8"))
        policy = given.pop("policy", {})
        RunPolicy(**policy)
        return Sweep.from_toml(given), dict(policy)
    except ValidationError as exc:
        raise ValueError(f"{path}: {explain(exc)}") from exc
    except (ValueError, TypeError) as exc:
        raise ValueError(f"{path}: {exc}") from exc


def braces(plan: Sweep) -> list[str]:
    """What to say of `{a|b}` in a prompt of a file, which no axis replaces: there it is drawn as it stands."""
    from runpodkit.sweeps.prompting import Replace, alternatives
    from runpodkit.sweeps.toml_text import to_toml

    left = plan.base.user_prompt
    for told in plan.to_plan()["axes"].values():
        if isinstance(told, dict) and isinstance(told.get("replace"), str):
            left = left.replace(told["replace"], "")
    try:
        choices = alternatives(left).choices
    except ValueError:
        return []
    marks = [(choice.name, f"{{{choice.name}}}", choice.values) for choice in choices]
    axes = [to_toml({"axes": {name: Replace(mark, texts, keep=False).to_plan()}}) for name, mark, texts in marks]
    return [
        f"note: {mark} in user_prompt is drawn as it stands; for an axis, write under {axis.strip()}"
        for (_, mark, _), axis in zip(marks, axes, strict=True)
    ]


def _finish_or_fail(run: Run) -> dict[str, Any]:
    report = run.report()
    if report["collected"] < report["trials"]:
        _say_how_it_ended(report)
        for line in repr(run.failures()).splitlines():
            click.echo(f"  {line}", err=True)
        sys.exit(1)
    return report


def _say_how_it_ended(report: dict[str, Any]) -> None:
    words = [f"run {report['name']}: {report['collected']} of {report['trials']} pictures"]
    words += [f"{report['reused']} reused"] if report["reused"] else []
    words += [f"{report['failed']} failed"] if report["failed"] else []
    if report["cost_usd"] is not None:
        about = "about " if report["cost_is_estimate"] else ""
        words.append(f"{about}${report['cost_usd']:.4f}{' simulated' if report['simulated'] else ''}")
    words += [f"held: {report['held_reason']}"] if report["held_reason"] else []
    click.echo(", ".join(words), err=True)


def _with_picture() -> list[Any]:
    from runpodkit.runs.rows import TrialState

    return [state for state in TrialState if state.has_picture]
