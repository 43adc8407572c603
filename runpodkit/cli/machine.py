"""This machine on the command line: the stand-ins, a simulator, the stored key, and whether every part answers."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runpodkit.cli.shell import main, quiet_kit

if TYPE_CHECKING:
    from runpodkit.stack import Part


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
    kit = quiet_kit()
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
