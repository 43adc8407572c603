"""The task behind sweeps: claim free batches of a run and drive their trials."""

from __future__ import annotations

import runpodkit.stack as stack
from runpodkit.blocking import shared_loop
from runpodkit.logs import batch_log
from runpodkit.runs.dispatch import RUN_BATCHES
from runpodkit.runs.engine import HandedBack
from runpodkit.runs.owners import this_process
from runpodkit.tasks.celery_app import app
from runpodkit.tasks.process import current_kit


@app.task(name=RUN_BATCHES, acks_late=True, ignore_result=True)
def run_batches(run_id: str) -> None:
    """Claim free batches of a run and drive their trials, for a slice of time.

    Delivered at least once, so safe to repeat: the ledger says which trials are done,
    which job ids to follow, and who holds which batch.  A job that fails is a record
    with an error, not an exception: one bad trial must not lose its batch.
    """
    kit = current_kit()
    stack.mark_used(kit.settings)

    batch_log.bind(run=run_id).info("driving it from here")

    async def successor() -> None:
        await kit.dispatcher.dispatch(run_id)

    async def drive() -> None:
        await kit.drive(run_id, owner=this_process(), successor=successor)
        status = await kit.ledger.status(run_id) if kit.draining() else None
        if status and status.state.sends:
            raise HandedBack(f"run {run_id} is left to the next worker")

    shared_loop().call(drive())
