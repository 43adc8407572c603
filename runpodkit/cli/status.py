"""How everything stands, on one screen."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import TYPE_CHECKING

import click

from runpodkit.cli.shell import main

if TYPE_CHECKING:
    from collections.abc import Iterator

    from runpodkit.overview import Overview
    from runpodkit.runs.gauges import Moving
    from runpodkit.runs.sizes import Sizes

SHOWN_RUNS, SHOWN_SIZES = 12, 8
_WIDTH = 10


@main.command()
@click.option("--json", "as_json", is_flag=True, help="The same as one JSON object; what is not known is null.")
def status(as_json: bool) -> None:
    """How endpoint, queues, runs in progress, Celery workers, money and disk stand; starts nothing.

    Exit code 1 if a part that is there does not answer.
    """
    from runpodkit.overview import overview
    from runpodkit.settings import Settings

    seen = asyncio.run(overview(Settings.load()))
    if as_json:
        click.echo(json.dumps(seen.to_dict(), ensure_ascii=False))
    else:
        for line in _lines(seen):
            click.echo(line)
    code = 1 if seen.problems else 0
    if seen.late:  # a store that does not answer would be waited for
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _lines(seen: Overview) -> Iterator[str]:
    running = seen.redis or seen.endpoint or seen.problems
    if not running and seen.home_bytes == 0 and not (seen.sizes and seen.sizes.runs):
        yield f"nothing is there yet in {seen.home}: rk.connect(), `runpodkit demo` or `runpodkit stack up` starts what is needed"
        return
    yield from _labelled("endpoint", [_endpoint(seen)])
    yield from _labelled("queues", [_queues(seen)])
    yield from _labelled("workers", list(_workers(seen)))
    yield from _labelled("runs", list(_runs(seen)))
    yield from _labelled("money", [_money(seen)])
    yield from _labelled("disk", list(_disk(seen)))


def _labelled(label: str, lines: list[str]) -> Iterator[str]:
    for at, line in enumerate(lines):
        yield f"{label if at == 0 else '':{_WIDTH}}{line}"


def _endpoint(seen: Overview) -> str:
    mode = "SIMULATOR" if seen.simulated else "LIVE"
    if not seen.endpoint:
        return f"{mode}, not running"
    if seen.health is None:
        return f"{mode} does not answer: {seen.endpoint_problem}"
    health = seen.health
    states = ("idle", "running", "initializing", "ready", "throttled", "unhealthy")
    workers = [f"{count} {state}" for state in states if (count := getattr(health, state))]
    jobs = f"jobs: {health.in_queue} in queue, {health.in_progress} in progress"
    trouble = f"; {health.trouble}" if health.trouble and health.in_queue else ""
    return f"{mode} {seen.endpoint} · workers: {', '.join(workers) or 'none'} · {jobs}{trouble}"


def _queues(seen: Overview) -> str:
    if seen.redis_problem:
        return f"unknown: {seen.redis_problem}"
    if not seen.redis:
        return "Redis is not running; rk.connect() starts it, and runs go on from where they were"
    waiting = ", ".join(f"{name} {count}" for name, count in seen.queues.items())
    return f"waiting: {waiting} · taken by Celery workers: {seen.taken} · {seen.redis}"


def _workers(seen: Overview) -> Iterator[str]:
    if seen.redis_problem or not seen.redis:
        yield "unknown without Redis" if seen.redis_problem else "none"
        return
    if not seen.workers:
        yield "no Celery worker was heard of within 15 s; `runpodkit stack up` or `runpodkit worker` starts one"
    for worker in seen.workers:
        yield f"{worker.name} takes {worker.queue}, heard of {worker.ago_s:.0f} s ago"


def _runs(seen: Overview) -> Iterator[str]:
    if seen.redis_problem or not seen.redis:
        yield "in progress: unknown without Redis" if seen.redis_problem else "none in progress"
        return
    several = [one for one in seen.moving if one.head.kind != "single"]
    singles = len(seen.moving) - len(several)
    if not seen.moving:
        yield "none in progress"
    for one in several[:SHOWN_RUNS]:
        yield _run(one, seen)
    if len(several) > SHOWN_RUNS:
        yield f"and {len(several) - SHOWN_RUNS} more; `runpodkit runs` lists all"
    if singles:
        yield f"{singles} single picture{'s' if singles > 1 else ''} in progress"


def _run(one: Moving, seen: Overview) -> str:
    from runpodkit.runs.money import spoken
    from runpodkit.runs.rows import RunState

    told = one.status
    words = [f"{one.done} of {one.head.trials} done"]
    words += [f"{one.in_flight} in flight"] if one.in_flight else []
    if told.state is RunState.RUNNING:
        if one.per_s and one.left_s is not None:
            pace = f"{one.per_s:.1f}/s" if one.per_s >= 0.1 else f"{one.per_s * 60:.1f}/min"
            words.append(f"{pace}, about {spoken(one.left_s)} left")
        if told.waits_for:
            words.append(f"waits: {told.waits_for}")
        elif not one.driven:
            words.append("no Celery worker drives it" + ("" if seen.workers else ", as none is there"))
    elif told.state is RunState.HELD:
        cure = "it goes on by itself" if told.hold == "probe" else f"then `runpodkit resume {one.head.name}`"
        words.append(told.reason if "resume(" in told.reason else f"{told.reason}; {cure}")
    return f"{one.head.name}: {told.state}, {', '.join(words)}{', SIMULATOR' if one.head.simulated else ''}"


def _money(seen: Overview) -> str:
    from runpodkit.runs.money import dollars

    cap = f" of ${dollars(seen.usd_per_day)} a day" if seen.usd_per_day else ""
    if seen.paid is None:
        return "unknown without Redis" if seen.redis_problem else "unknown: Redis is not running"
    paid = seen.paid
    if not paid.usd and not paid.unpriced:
        return f"nothing was paid today (UTC){cap and f', {cap.strip()}'}"
    guessed = (
        "" if not paid.guessed_usd else " (an estimate)" if paid.guessed_usd >= paid.usd else " (partly an estimate)"
    )
    jobs = f"{paid.unpriced} job{'s' if paid.unpriced > 1 else ''} of unknown price"
    if not paid.usd:
        return f"unknown: {jobs} today (UTC); set RUNPODKIT_GPU for estimates"
    return f"${dollars(paid.usd)}{cap} today (UTC){guessed}" + (f", and {jobs}" if paid.unpriced else "")


def _counted(sizes: Sizes) -> str:
    """Runs and single pictures, each as many as there are."""
    from runpodkit.runs.sizes import SINGLES

    singles = sum(one.stands_for for one in sizes.runs if one.name == SINGLES)
    runs = sum(one.stands_for for one in sizes.runs if one.name != SINGLES) + sizes.not_looked_at
    words = [f"{runs} run{'' if runs == 1 else 's'}"] if runs or not singles else []
    words += [f"{singles} single picture{'' if singles == 1 else 's'}"] if singles else []
    return " and ".join(words)


def _disk(seen: Overview) -> Iterator[str]:
    from runpodkit.runs.pruned import spoken_bytes

    home = f"home {seen.home}: {'too much to count' if seen.home_bytes is None else spoken_bytes(seen.home_bytes)}"
    if seen.sizes is None:
        yield f"store unknown: {seen.store_problem}"
        yield home
        return
    runs = seen.sizes.runs
    guess = "about " if any(one.is_estimate for one in runs) or seen.sizes.not_looked_at else ""
    total = (
        spoken_bytes(seen.store_bytes) if seen.store_bytes is not None else f"{guess}{spoken_bytes(seen.sizes.bytes)}"
    )
    yield f"store {seen.store}: {total} in {_counted(seen.sizes)} · {home}"
    for one in runs[:SHOWN_SIZES]:
        size = f"cannot be read: {one.problem}" if one.problem else spoken_bytes(one.bytes)
        yield f"  {one.name}: {'about ' if one.is_estimate and not one.problem else ''}{size}"
    if rest := runs[SHOWN_SIZES:]:
        yield f"  {len(rest)} more: {guess}{spoken_bytes(sum(one.bytes for one in rest))}"
    if seen.sizes.not_looked_at:
        yield f"  {seen.sizes.not_looked_at} runs were not looked at, there was no time"
