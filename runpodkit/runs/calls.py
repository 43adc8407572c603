"""Calls: one picture as a run of one trial, which may be called again under the same name.

Whoever calls may die, be delivered twice or meet an endpoint that is down, and call again: the job id that the ledger
holds is followed, so no call pays twice unflagged.  Knows nothing of Celery: who calls again, and when, is not its
business; that a call which kills its caller ends after some starts is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from runpodkit.errors import JobCancelledError, LedgerError, RunHeldError
from runpodkit.runs.engine import Engine, HandedBack
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.owners import is_dead, this_process
from runpodkit.runs.rows import RunHead, RunState

HOLD_PATIENCE_S = 10.0
"""How long a call waits for an endpoint or store that does not answer, before it says so."""
LOOK_S = 1.0


async def work(
    head: RunHead,
    ledger: Ledger,
    engine: Engine,
    *,
    starts: int | None = None,
    hold_patience_s: float = HOLD_PATIENCE_S,
    draining: Callable[[], bool] = lambda: False,
) -> RunHead:
    """See a call's run to its end, or wait for the driver that has it; gives the head it was entered with.

    Args:
        starts: So many may there be, this one included: a call that kills its callers must not go on for ever.
            A call that somebody works on already is no start.
        hold_patience_s: Seconds for which an endpoint or store that does not answer is waited for.
        draining: Says when to stop: the job is left to the next call.

    Raises:
        RunHeldError: the endpoint or store refuses or does not answer; the run stays as it is.
        JobCancelledError: one start too many; the run is ended.
        HandedBack: `draining` said so.
        LedgerError: Redis does not answer.
    """
    name = head.name
    head = await ledger.create(head, listed=False) or head
    status = await ledger.status(name)
    await _free_leases(name, ledger)
    begins = starts is not None and status is not None and not status.is_over and not await ledger.live_drivers(name)
    if begins and await ledger.count(name, "starts") > (starts or 0):
        job = (await ledger.rows(name, [0]))[0].job
        await end(name, ledger, engine)
        told = f"its Celery worker died {starts} times at it, so it is not tried again; the worker's log says of what"
        raise JobCancelledError(job or name, "CANCELLED", told)
    while True:
        await _free_leases(name, ledger)
        try:
            await engine.drive(
                name, owner=this_process(), slice_s=None, hold_patience_s=hold_patience_s, draining=draining
            )
        except LedgerError as exc:
            if draining():
                raise HandedBack(f"{name}: {exc}") from exc
            raise
        status = await ledger.status(name)
        if status is None:
            raise LedgerError(f"run {name} was forgotten while it was worked on")
        if status.is_over:
            return head
        if draining():
            if begins:
                await ledger.add(name, starts=-1)  # nothing died
            raise HandedBack(f"{name} is left to the next worker")
        if status.state is RunState.HELD:
            raise RunHeldError(name, status.reason or "no reason given", passes=status.hold == "probe")
        await asyncio.sleep(LOOK_S)  # another driver has it, or had it until it died: its lease lapses


async def end(name: str, ledger: Ledger, engine: Engine) -> None:
    """End a call's run, whatever it waits for: its job must not run on unseen."""
    await _free_leases(name, ledger)
    moving = (RunState.RUNNING, RunState.HELD, RunState.PAUSED)
    if await ledger.set_state(name, RunState.CANCELLED, "interrupted", only_from=moving):
        await engine.drive(name, owner=f"{name}:end", slice_s=None)


async def _free_leases(name: str, ledger: Ledger) -> None:
    """What is held by processes of this machine that are gone need not lapse first."""
    if dead := [owner for owner in await ledger.live_drivers(name) if is_dead(owner)]:
        await ledger.bury(name, dead)
