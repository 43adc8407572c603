"""The engine: drives runs over one endpoint, one store and one ledger.

Decides whether a run may be driven from here; how it is driven is `driver`'s business.
Knows nothing of Celery: whoever calls `drive` decides where and for how long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from runpodkit.errors import LedgerError
from runpodkit.logs import about, batch_log
from runpodkit.runs.driver import SLICE_S, Driver
from runpodkit.runs.rows import RunHead, RunState
from runpodkit.runs.trials import Tools


class HandedBack(BaseException):
    """This process stops: the run is left as it stands, for whoever follows its jobs next.

    No error, and no `Exception`, so that nothing takes it for the failure of a job.
    """


class Engine:
    """Drives runs over one endpoint, one store and one ledger."""

    def __init__(self, tools: Tools, store_name: str) -> None:
        self.tools, self._store_name = tools, store_name

    async def drive(
        self,
        name: str,
        *,
        owner: str,
        slice_s: float | None = SLICE_S,
        hold_patience_s: float = SLICE_S,
        draining: Callable[[], bool] = lambda: False,
        successor: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Drive a run until nothing of it is left to this driver, or its slice of time is over.

        Delivered at least once, so safe to repeat: the ledger says what is done, which job
        ids to follow and who holds which batch.

        Args:
            owner: Who drives; unique among live drivers.
            slice_s: Seconds after which no further batch is claimed; None: no end.
            hold_patience_s: Seconds for which a held run is probed before it is left to upkeep.
            draining: Says when to stop: jobs are left to the next driver.
            successor: Called when this driver claims no more though batches may be left.

        Raises:
            LedgerError: Redis does not answer; leases lapse and another driver goes on.
        """
        head = await self.tools.ledger.head(name)
        status = await self.tools.ledger.status(name)
        if head is None or status is None or status.is_over:
            return
        if status.state is RunState.HELD and status.hold == "person":
            return
        if head.store != self._store_name:
            await self._hold(head, "the Celery worker keeps pictures in another store than the run", person=True)
            return
        with about(run=name):
            await self._drive(Driver(self.tools, head, owner, slice_s, hold_patience_s, draining, successor), head)

    async def _drive(self, driver: Driver, head: RunHead) -> None:
        try:
            await driver.drive()
        except (LedgerError, asyncio.CancelledError):
            raise
        except Exception as exc:
            batch_log.exception("it cannot be driven")
            await self._hold(head, f"internal error, please report it: {type(exc).__name__}: {exc}", person=True)
            raise

    async def _hold(self, head: RunHead, reason: str, *, person: bool) -> None:
        await self.tools.ledger.set_state(
            head.name, RunState.HELD, reason, hold="person" if person else "probe", only_from=[RunState.RUNNING]
        )
