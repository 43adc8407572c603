"""Dispatch: hands a run to the Celery workers by sending them its name, and nothing else.

Owns the Celery producer; the tasks themselves are known here by name alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from celery import Celery
from kombu.exceptions import OperationalError

from runpodkit.errors import LedgerError
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.owners import is_dead, this_process
from runpodkit.runs.rows import RunState

RUN_BATCHES = "runpodkit.run_batches"
REDISPATCH_S = 10.0
CALL_GRACE_S = 30.0
"""Whoever asked for a single picture drives it; one that nobody drives later than this is driven like any run."""

CELERY_SETTINGS: Mapping[str, Any] = {
    "task_serializer": "json",
    "result_serializer": "json",
    "event_serializer": "json",
    "accept_content": ["json"],
    "result_accept_content": ["json"],
    "task_acks_late": True,
    "task_reject_on_worker_lost": True,
    "worker_prefetch_multiplier": 1,
    "worker_max_tasks_per_child": 50,
    "task_track_started": True,
    "result_expires": 3600,
    "timezone": "UTC",
    "enable_utc": True,
    "broker_connection_retry_on_startup": True,
    "broker_connection_max_retries": None,
    # A task outlives its connection: it knows ids of jobs that Redis may not know yet, and leases keep it from doubling.
    "worker_cancel_long_running_tasks_on_connection_loss": False,
    "broker_transport_options": {"visibility_timeout": 3600, "global_keyprefix": "runpodkit:celery:"},
    "result_backend_transport_options": {"global_keyprefix": "runpodkit:celery:"},
    "worker_hijack_root_logger": False,
}
"""What the producer and the workers have to agree on, and what keeps a sweep from being lost or doubled."""


class Dispatcher:
    """Sends runs to the Celery workers of one queue."""

    def __init__(self, broker: str, queue: str, family: str, ledger: Ledger) -> None:
        """`family` names the settings that the workers of this queue have; other runs are left alone."""
        self.queue, self._family, self._ledger = queue, family, ledger
        self._celery = Celery("runpodkit-dispatch", broker=broker, set_as_current=False)
        self._celery.conf.update(CELERY_SETTINGS)

    async def dispatch(self, run: str, batches: int = 1) -> None:
        """Ask the workers to drive `run`; a message too many is harmless.

        Args:
            batches: There are so many to share: each Celery worker that is there is asked once, if there are enough.

        Raises:
            LedgerError: the broker does not answer.
        """
        messages = max(1, min(batches, await self._ledger.live_workers(self.queue))) if batches > 1 else 1

        def send() -> None:
            for _ in range(messages):
                self._celery.send_task(RUN_BATCHES, args=[run], queue=self.queue, ignore_result=True, retry=False)

        try:
            await asyncio.to_thread(send)
        except (OperationalError, OSError) as exc:
            raise LedgerError(f"Redis: could not dispatch run {run}: {exc}") from exc
        await self._ledger.add(run, celery_tasks=messages)
        await self._ledger.only_one(f"revive:{run}", REDISPATCH_S)  # its driver needs a moment to come

    async def worker_beats(self) -> None:
        """This process is the main one of a Celery worker of this queue."""
        await self._ledger.worker_beats(f"{self.queue}@{this_process()}")

    async def worker_leaves(self) -> None:
        """It takes no more runs."""
        await self._ledger.worker_leaves(f"{self.queue}@{this_process()}")

    async def live_workers(self) -> int:
        """Celery workers of this queue that are there."""
        return await self._ledger.live_workers(self.queue)

    async def revive(self) -> list[str]:
        """Dispatch every run of this family that should move but has no driver; gives their names.

        Safe to call from anywhere at any time: one caller at a time does it, and not twice within 10 s for a run.
        Messages that wait already, for a free slot or for a Celery worker, are enough for so many runs.
        """
        if not await self._ledger.only_one("upkeep", 2.0):
            return []
        stuck = [name for name in await self._ledger.names(active=True) if await self._is_stuck(name)]
        if not stuck or await asyncio.to_thread(self._messages) >= len(stuck):
            return []
        revived = []
        for name in stuck:
            if not await self._ledger.is_locked(f"revive:{name}"):
                head = await self._ledger.head(name)
                await self.dispatch(name, head.batches if head else 1)
                revived.append(name)
        return revived

    async def _is_stuck(self, name: str) -> bool:
        head, status = await self._ledger.head(name), await self._ledger.status(name)
        if head is None or status is None:
            await self._ledger.forget_over(name)  # unless somebody has entered it anew since
            return False
        if head.family != self._family or head.kind == "joint" or status.is_over:
            return False
        if head.kind == "single" and time.time() - head.created_at < CALL_GRACE_S:
            return False
        moves = status.state in (RunState.RUNNING, RunState.CANCELLED) or (
            status.state is RunState.HELD and status.hold == "probe"
        )
        if not moves:
            return False
        drivers = await self._ledger.live_drivers(name)
        if dead := [owner for owner in drivers if is_dead(owner)]:
            await self._ledger.bury(name, dead)
        return len(dead) == len(drivers)

    def _messages(self) -> int:
        try:
            return waiting_messages(self._celery, self.queue)
        except (OperationalError, OSError) as exc:
            raise LedgerError(f"Redis: could not count messages: {exc}") from exc

    def close(self) -> None:
        self._celery.close()


def waiting_messages(app: Celery, queue: str) -> int:
    """Messages of a queue that no Celery worker has taken yet.

    Raises:
        OperationalError, OSError: the broker does not answer.
    """
    with app.connection_for_write() as connection:
        connection.ensure_connection(max_retries=1)
        return int(connection.default_channel.queue_declare(queue).message_count)  # on Redis, this makes nothing
