"""Upkeep: sees that what should move has a driver, whatever happened to the last one.

The main process of every Celery worker does it at start and every 5 s, and so does the task that `celery -A
runpodkit.tasks beat` sends; a lock in Redis lets one at a time.  A run whose message was purged, or whose Celery
worker is gone, is dispatched again.  What a run needs is `dispatch`'s business.
"""

from __future__ import annotations

import logging
import threading
from typing import Any

from celery.beat import ScheduleEntry, Scheduler
from celery.signals import after_setup_logger, worker_ready
from kombu.exceptions import OperationalError

import runpodkit.stack as stack
from runpodkit.blocking import shared_loop
from runpodkit.errors import RunpodkitError
from runpodkit.kit import Kit
from runpodkit.logs import about, task_log
from runpodkit.runs.dispatch import waiting_messages
from runpodkit.tasks.celery_app import UPKEEP, UPKEEP_S, app
from runpodkit.tasks.lost import LostMessages
from runpodkit.tasks.process import current_kit
from runpodkit.tasks.stopping import wait_for_stop

_QUIET = ("celery.beat", "celery.worker.strategy", "celery.worker.request", "celery.app.trace")


@app.task(name=UPKEEP, ignore_result=True)
def upkeep() -> None:
    """Dispatch every run that should move but has no driver.  Safe to repeat, and at any time."""
    kit = current_kit()
    _start_fallen_parts(kit)
    _dispatch_stuck_runs(kit)


class UpkeepScheduler(Scheduler):  # type: ignore[misc]
    """Beat's schedule, kept in memory: beat writes no file, and leaves alone what no worker has taken yet."""

    def apply_async(self, entry: ScheduleEntry, *args: Any, **kwargs: Any) -> Any:
        """Send the task unless the last one still waits: without a worker they would pile up for good."""
        queue = self.app.amqp.router.route({}, entry.task)["queue"].name
        return None if waiting_messages(self.app, queue) else super().apply_async(entry, *args, **kwargs)


@worker_ready.connect
def _begin(**_: Any) -> None:
    threading.Thread(target=_look_after_runs, name="runpodkit upkeep", daemon=True).start()


def _look_after_runs() -> None:
    """In the main process: at start, then every 5 s; and say that this worker is there."""
    lost = LostMessages(app)
    while True:
        try:
            kit = current_kit()
            _start_fallen_parts(kit)
            shared_loop().call(kit.dispatcher.worker_beats())
            _dispatch_stuck_runs(kit)
            shared_loop().start(kit.tell())
            if count := lost.give_back(shared_loop().call(kit.ledger.workers())):
                task_log.warning(
                    "messages whose Celery worker or connection is gone went back to their queue: {}", count
                )
        except (RunpodkitError, OperationalError) as exc:
            task_log.warning("upkeep: {}", exc)
        if wait_for_stop(UPKEEP_S):
            break
    try:
        shared_loop().call(current_kit().dispatcher.worker_leaves())
    except RunpodkitError as exc:
        task_log.debug("leaving: {}", exc)


def _start_fallen_parts(kit: Kit) -> None:
    for part in stack.revive(kit.settings):
        task_log.warning("{} had died and was started again", part)


def _dispatch_stuck_runs(kit: Kit) -> None:
    for name in shared_loop().call(kit.dispatcher.revive()):
        with about(run=name):
            task_log.info("it had no driver and was dispatched again")


@after_setup_logger.connect
def _keep_quiet(**_: Any) -> None:
    """Every 5 s the same five lines would hide the others; what goes wrong is told all the same."""
    for name in _QUIET:
        logging.getLogger(name).addFilter(_is_worth_a_line)


def _is_worth_a_line(record: logging.LogRecord) -> bool:
    return record.levelno > logging.INFO or UPKEEP not in record.getMessage()
