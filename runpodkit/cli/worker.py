"""A Celery worker on the command line: Celery's own, with the right queues and a name of its own."""

from __future__ import annotations

import os

import click

from runpodkit.cli.shell import main

LEVELS = ("debug", "info", "warning", "error", "critical")


@main.command()
@click.option("--concurrency", type=click.IntRange(1, 64), default=2, show_default=True, help="Tasks at a time.")
@click.option(
    "--loglevel",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="info",
    show_default=True,
    help="Least level of Celery's lines; ours go by RUNPODKIT_LOG_LEVEL.",
)
@click.option("--name", metavar="NAME", help="In Celery's reports; default: one that no other worker has.")
def worker(concurrency: int, loglevel: str, name: str | None) -> None:
    """Run a Celery worker here until Ctrl-C or SIGTERM: it draws sweeps and the tasks of other programs.

    The same as `celery -A runpodkit.tasks worker`.  A task may have hundreds of jobs in flight, so a concurrency of 2
    is enough for most.  Stopping leaves jobs to the next worker; a second Ctrl-C stops at once.

    On several machines give each the same REDIS_URL, RUNPOD_URL, RUNPOD_API_KEY and bucket.
    """
    import runpodkit.stack as stack
    from runpodkit.settings import Settings

    if name is not None and not name.replace("-", "").replace("_", "").isalnum():
        raise click.BadParameter(f"{name!r}: letters, digits, - and _", param_hint="--name")
    settings = Settings.load()
    address = settings.address()
    argv = stack.worker_command(settings, address, concurrency=concurrency, loglevel=loglevel.lower(), name=name)
    os.execv(argv[0], argv)  # noqa: S606 - signals reach Celery itself, with no shell or parent between
