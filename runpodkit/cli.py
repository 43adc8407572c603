"""The command line: parses, calls the library once, prints plain lines.

Results go to stdout, progress to stderr.  Our errors become one line and exit code 1;
a traceback means a bug of ours.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import sys
import time
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from runpodkit.errors import RunpodkitError
from runpodkit.params import explain

if TYPE_CHECKING:
    from runpodkit.endpoint.dialects import Dialect
    from runpodkit.kit import Kit
    from runpodkit.runs.run import Run
    from runpodkit.stack import Part
    from runpodkit.sweeps.sweep import Sweep

INTERRUPTED = 130
HOLD_PATIENCE_S = 120.0
DEMO_PROMPT = "a lighthouse on a cliff at dusk, calm sea, stars coming out"
DEMO_SAMPLERS = ("Euler", "Euler a", "Heun", "DPM++ 2M")
DEMO_STEPS = (4, 8, 16, 32)


class _Commands(click.Group):
    """Turns what the library raises into one line; `--help` lists commands in the order written here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ValidationError as exc:
            raise click.ClickException(explain(exc)) from exc
        except (RunpodkitError, ValueError) as exc:
            raise click.ClickException(" ".join(str(exc).split())) from exc
        except ModuleNotFoundError as exc:
            if (exc.name or "").startswith("runpodkit"):
                raise
            raise click.ClickException(f"{exc.name} is not installed: pip install 'runpodkit[local,lab]'") from exc
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="runpodkit")
@click.option("-v", "--verbose", is_flag=True, help="Show log lines on stderr.")
def main(verbose: bool) -> None:
    """Parameter sweeps, sampler grids and exports for image models on RunPod serverless endpoints.

    Without RUNPOD_API_KEY and RUNPOD_URL everything runs against a simulator on this machine.
    """
    if verbose:
        from runpodkit.logs import enable

        enable("DEBUG")


# the main job


@main.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), default=Path("runs/demo"), show_default=True)
@click.option("--quick", is_flag=True, help="Smaller pictures and fewer of them: under ten seconds.")
def demo(out: Path, quick: bool) -> None:
    """Compare four samplers over step counts and seeds, on the simulator if nothing is configured."""
    from runpodkit.kit import connect
    from runpodkit.sweeps.sweep import seeds, sweep

    started = time.monotonic()
    kit = connect(quiet=True)
    click.echo(kit.line, err=True)
    samplers, steps = (DEMO_SAMPLERS[::2], DEMO_STEPS[:3]) if quick else (DEMO_SAMPLERS, DEMO_STEPS)
    size = {"width": 416, "height": 608} if quick else {"width": 832, "height": 1216}
    plan = sweep(DEMO_PROMPT, sampler_name=list(samplers), steps=list(steps), seed=seeds(1 if quick else 2), **size)
    run = kit.submit(plan, name="demo-quick" if quick else "demo", fresh=True, pilot=False)
    _watch(run)
    report = _finish_or_fail(run)
    run.export(out)
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
    as_json: bool,
) -> None:
    """Run the sweep that PLAN (TOML) describes and wait for it.

    Exit code 0 only if every trial was collected.  Ctrl-C stops watching, not the run.
    """
    from runpodkit.kit import connect

    started = time.monotonic()
    asked, policy = read_plan(plan)
    given = {"budget_usd": budget_usd, "window": window, "pilot": False if no_pilot else None}
    policy |= {key: value for key, value in given.items() if value is not None}
    if dry_run:
        kit = connect(quiet=True, start_worker=False)
        click.echo(f"{len(asked)} trials: {asked!r}")
        click.echo(repr(kit.estimate(asked)))
        return
    kit = connect(quiet=True)
    click.echo(kit.line, err=True)
    run = kit.submit(asked, name=name, confirm=yes, **policy)
    _watch(run)
    if out and any(run.status().count(state) for state in _with_picture()):
        run.export(out)
    report = run.report() | {"wall_s": round(time.monotonic() - started, 3)}
    report |= {"table": str(out / "results.csv") if out else None, "images": str(out / "images") if out else None}
    _say_how_it_ended(report)
    if as_json:
        click.echo(json.dumps(report, ensure_ascii=False))
    if report["collected"] < report["trials"]:
        sys.exit(1)


def read_plan(path: Path) -> tuple[Sweep, dict[str, Any]]:
    """A sweep and its policy from a TOML file with `[base]`, `[axes]`, `mode` and `[policy]`.

    Raises:
        ValueError: not TOML, or a name or value that cannot be meant; the message names the file.
    """
    from runpodkit.runs.policies import RunPolicy
    from runpodkit.sweeps.sweep import Sweep

    try:
        given = tomllib.loads(path.read_text("utf-8"))
        policy = given.pop("policy", {})
        RunPolicy(**policy)
        return Sweep.from_plan(given), dict(policy)
    except ValidationError as exc:
        raise ValueError(f"{path}: {explain(exc)}") from exc
    except (ValueError, TypeError) as exc:
        raise ValueError(f"{path}: {exc}") from exc


def _watch(run: Run) -> None:
    try:
        run.wait(hold_patience_s=HOLD_PATIENCE_S)
    except KeyboardInterrupt:
        click.echo(f"  watch it again: runpodkit show {run.name}      end it: runpodkit cancel {run.name}", err=True)
        sys.exit(INTERRUPTED)


def _finish_or_fail(run: Run) -> dict[str, Any]:
    report = run.report()
    if report["collected"] < report["trials"]:
        _say_how_it_ended(report)
        for _, row in run.failures().iterrows():
            click.echo(f"  {row['count']} × {row['reason']}", err=True)
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


# runs there are


@main.command()
@click.option("--json", "as_json", is_flag=True)
def runs(as_json: bool) -> None:
    """List runs, newest first."""
    frame = _quiet_kit().runs()
    if as_json:
        click.echo(frame.to_json(orient="records", date_format="iso"))
    else:
        click.echo(frame.to_string(index=False) if len(frame) else "no runs yet")


@main.command()
@click.argument("name")
@click.option("--wait/--no-wait", default=False, help="Watch it until nothing of it can move.")
@click.option("--json", "as_json", is_flag=True)
def show(name: str, wait: bool, as_json: bool) -> None:
    """How the run NAME stands."""
    run = _quiet_kit().open_run(name)
    if wait:
        _watch(run)
    if as_json:
        click.echo(json.dumps(run.report(), ensure_ascii=False))
        return
    click.echo(repr(run))
    for _, row in run.failures().iterrows():
        click.echo(f"  {row['count']} × {row['reason']} (for example trial {row['example']})")


@main.command()
@click.argument("name")
def cancel(name: str) -> None:
    """End the run NAME: nothing more is sent, jobs on the endpoint are cancelled, pictures stay."""
    click.echo(repr(_quiet_kit().open_run(name).cancel()))


@main.command()
@click.argument("name")
def pause(name: str) -> None:
    """Send nothing more of the run NAME for now; jobs on the endpoint are still collected."""
    click.echo(repr(_quiet_kit().open_run(name).pause()))


@main.command()
@click.argument("name")
@click.option("--budget-usd", type=click.FloatRange(min=0, min_open=True), help="A new budget.")
@click.option("--deadline-s", type=click.FloatRange(min=0, min_open=True), help="A new deadline, from the start.")
def resume(name: str, budget_usd: float | None, deadline_s: float | None) -> None:
    """Go on with the run NAME, which is paused or held."""
    changes = {"budget_usd": budget_usd, "deadline_s": deadline_s}
    given = {policy: value for policy, value in changes.items() if value is not None}
    click.echo(repr(_quiet_kit().open_run(name).resume(**given)))


@main.command()
@click.argument("name")
def retry(name: str) -> None:
    """Draw again exactly what failed, expired or was cancelled in the run NAME; pictures that there are stay."""
    click.echo(repr(_quiet_kit().open_run(name).retry()))


@main.command()
@click.argument("name")
@click.option("--format", "kind", type=click.Choice(["csv"]), default="csv", show_default=True)
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def export(name: str, kind: str, out: Path) -> None:
    """Write the table of the run NAME to a file."""
    click.echo(str(_quiet_kit().open_run(name).to_csv(out)))


@main.command()
@click.argument("name")
@click.option("--rows", help="Axes that run down, outer first, separated by commas.")
@click.option("--cols", help="Axes that run across.")
@click.option("--under", help="A field to print under each cell, such as execution_time_s.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), required=True)
def grid(name: str, rows: str | None, cols: str | None, under: str | None, out: Path) -> None:
    """Draw the grid of the run NAME into a picture file."""
    run = _quiet_kit().open_run(name)
    run.grid(rows=_axes(rows), cols=_axes(cols), under=under).save(out)
    click.echo(str(out))


def _axes(text: str | None) -> list[str] | None:
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def _quiet_kit() -> Kit:
    from runpodkit.kit import connect

    return connect(quiet=True)


# dialects


@main.command(name="dialects")
@click.option("--json", "as_json", is_flag=True)
def list_dialects(as_json: bool) -> None:
    """List how known workers and RunPod's public endpoints spell things."""
    from runpodkit.endpoint.dialects.table import dialects

    table = dialects()
    if as_json:
        click.echo(table.reset_index().to_json(orient="records", force_ascii=False))
        return
    for name, row in table.iterrows():
        click.echo(f"{name}: {row['for']}")
        click.echo(f"    takes {row['takes']}")
        click.echo(f"    {row['default size']}, {row['steps']} steps, {row['samplers']} samplers, {row['price']}")


@main.group()
def dialect() -> None:
    """Write and try a dialect of your own."""


@dialect.command(name="try")
@click.argument("name")
@click.option(
    "--sample", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A job's answer or output, as JSON."
)
def try_dialect(name: str, sample: Path | None) -> None:
    """Show what the dialect NAME would send and how it reads a sample; nothing is sent, nothing is paid.

    NAME is a built-in dialect, your own .toml, or a ComfyUI workflow in API format (.json).
    """
    from runpodkit.endpoint.dialects import get_dialect
    from runpodkit.params import ImageParams

    row = get_dialect(name)
    needed = {"input_image": "https://example.org/picture.png"} if "input_image" in row.needs else {}
    params = row.resolve(ImageParams(user_prompt="a lighthouse at dusk", seed=1, **needed))
    taken = ", ".join(field for field in ImageParams.model_fields if field in row.takes)
    click.echo(f"dialect {row.name} takes {taken}", err=True)
    click.echo(json.dumps({"input": row.to_input(params, mark="trial-0-1")}, indent=2, ensure_ascii=False))
    if sample:
        _read_sample(row, sample)


def _read_sample(row: Dialect, sample: Path) -> None:
    from runpodkit.images.outputs import decode_text, inspect
    from runpodkit.jobs import Job

    try:
        given = json.loads(sample.read_text("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"{sample} is not JSON: {exc}") from None
    if isinstance(given, dict) and "status" in given and "id" in given:
        job = Job.from_wire(given).raise_for_status()
        given = job.output
    reading = row.read(given)
    if reading.error:
        raise ValueError(f"{sample}: {row.explain(reading.error)}")
    for number, image in enumerate(reading.images):
        known = image.seed if image.seed is not None else reading.seed
        seed = "" if known is None else f", seed {known}"
        if image.kind == "url":
            click.echo(f"picture {number}: link {image.value.partition('?')[0]}{seed}", err=True)
        else:
            about = inspect(decode_text(image.value))
            click.echo(f"picture {number}: {about.format}, {about.width}×{about.height}{seed}", err=True)
    if reading.cost_usd is not None:
        click.echo(f"cost: ${reading.cost_usd:g}", err=True)


# the stack and the simulator


@main.command()
@click.argument("action", type=click.Choice(["up", "down", "status"]))
@click.option("--json", "as_json", is_flag=True)
def stack(action: str, as_json: bool) -> None:
    """Start, stop or show what stands in on this machine: Redis, simulator, Celery worker."""
    import runpodkit.stack as parts_of
    from runpodkit.settings import Settings

    settings = Settings.load()
    parts: list[Part] = {"up": parts_of.up, "down": parts_of.down, "status": parts_of.status}[action](settings)
    if as_json:
        rows = [{"name": part.name, "running": part.running, "detail": part.detail, "pid": part.pid} for part in parts]
        click.echo(json.dumps(rows, ensure_ascii=False))
        return
    for part in parts:
        pid = f" (pid {part.pid})" if part.pid else ""
        click.echo(f"{part.name:14} {'running' if part.running else 'off':8} {part.detail}{pid}")


@main.command()
@click.option("--port", type=click.IntRange(0, 65_535), required=True, help="0: a free one.")
@click.option("--endpoint", default="local", show_default=True, help="The endpoint's id.")
@click.option("--key", help="The API key to ask for; default: RUNPOD_API_KEY, else a random one is printed.")
@click.option("--workers", type=click.IntRange(1, 1000), help="Default: 4, or 1 with --handler.")
@click.option("--exec-ms", type=click.IntRange(0, 3_600_000), help="A job takes at least so long.")
@click.option("--no-limits", is_flag=True, help="Take any number of requests; RunPod does not.")
@click.option(
    "--handler",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Your own worker, a file that calls runpod.serverless.start, instead of the built-in ones.",
)
@click.option(
    "--faults", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="What goes wrong how often (TOML)."
)
@click.option("--as", "worker", help="Take inputs and answer as this worker or public endpoint does, such as sdxl.")
@click.option(
    "--journal", type=click.Path(dir_okay=False, path_type=Path), help="A line of JSON per request goes here."
)
def simulate(
    port: int,
    endpoint: str,
    key: str | None,
    workers: int | None,
    exec_ms: int | None,
    no_limits: bool,
    handler: Path | None,
    faults: Path | None,
    worker: str | None,
    journal: Path | None,
) -> None:
    """Stand in for RunPod on this machine until interrupted."""
    from runpodkit.simulator.faults import FaultTable
    from runpodkit.simulator.server import serve
    from runpodkit.simulator.speech import SPEECHES

    if worker is not None and worker not in SPEECHES:
        raise click.BadParameter(f"{worker!r} is not known; known: {', '.join(SPEECHES)}", param_hint="--as")
    table = FaultTable.read(faults) if faults else None
    count = workers or (1 if handler else 4)
    key = key or os.environ.get("RUNPOD_API_KEY")
    shown = ""
    if not key:
        key = secrets.token_urlsafe(24)
        shown = f"RUNPOD_API_KEY={key} "

    if handler and handler.is_file():  # another handler draws other pictures: none may be taken for this one's
        shown += f"RUNPODKIT_MODEL=handler-{hashlib.sha256(handler.read_bytes()).hexdigest()[:12]} "

    def ready(bound: int) -> None:
        click.echo(f"{shown}RUNPOD_URL=http://127.0.0.1:{bound}/v2/{endpoint}/run")
        of = f" of {handler}" if handler else ""
        click.echo(f"{count} worker{'s' if count > 1 else ''}{of}, until Ctrl-C", err=True)

    serve(
        port=port,
        endpoint_id=endpoint,
        api_key=key,
        workers=count,
        exec_ms=exec_ms,
        limits=not no_limits,
        handler=handler,
        faults=table,
        speaks=worker,
        journal=journal,
        ready=ready,
    )


@main.command()
@click.option("--remove", is_flag=True, help="Forget the stored key.")
@click.option("--url", help="The endpoint, as the console shows it; asked for if it is not given.")
def login(remove: bool, url: str | None) -> None:
    """Store your RunPod API key for this user, in a file that only you can read.

    Without a terminal the key is read from stdin.
    """
    from runpodkit.settings import LOGIN_FILE, Settings, remove_login, store_login

    home = Settings.load().home
    if remove:
        click.echo(f"forgotten: {home / LOGIN_FILE}" if remove_login(home) else "no key is stored")
        return
    asked = sys.stdin.isatty()
    key = click.prompt("RunPod API key (hidden)", hide_input=True) if asked else sys.stdin.readline()
    if url is None and asked:
        url = click.prompt("Endpoint URL or id (empty: name it in rk.connect)", default="", show_default=False)
    where = store_login(home, key, url or None)
    click.echo(f"stored in {where}", err=True)
    if url:
        _check_login()


def _check_login() -> None:
    """Say at once whether the key opens the endpoint; asking costs nothing."""
    import asyncio

    from runpodkit.endpoint.client import Endpoint
    from runpodkit.runs.checks import attempt, endpoint_answers
    from runpodkit.settings import Settings

    address = Settings.load().address()
    if address is None:
        return

    async def ask() -> bool:
        async with Endpoint(address.url, address.api_key) as endpoint:
            tried = await attempt("endpoint", lambda: endpoint_answers(endpoint, simulated=address.is_simulated))
        click.echo(f"{'ok  ' if tried.ok else 'FAIL'} {tried.what}: {tried.detail}")
        if tried.cure:
            click.echo(f"     {tried.cure}")
        return tried.ok

    if not asyncio.run(ask()):
        sys.exit(1)


@main.command()
@click.option("--picture", is_flag=True, help="Draw one picture as well; on a live endpoint that is paid for.")
@click.option("--json", "as_json", is_flag=True)
def check(picture: bool, as_json: bool) -> None:
    """Try every part: key and endpoint, dialect, price, Redis, store; say what to do where one fails."""
    kit = _quiet_kit()
    checks = kit.check(picture=picture)
    if as_json:
        rows = [{"what": item.what, "ok": item.ok, "detail": item.detail, "cure": item.cure} for item in checks]
        click.echo(json.dumps({"connected": kit.line, "checks": rows}, ensure_ascii=False))
    else:
        click.echo(kit.line)
        for item in checks:
            click.echo(f"{'ok  ' if item.ok else 'FAIL'} {item.what}: {item.detail}")
            if item.cure:
                click.echo(f"     {item.cure}")
    if not all(item.ok for item in checks):
        sys.exit(1)
