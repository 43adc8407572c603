"""What one Celery worker process keeps: a kit, made after the fork, and the wish to stop.

A child of the worker has one event loop (the shared one of `blocking`) and one kit; both
end with it.  The main process looks after runs that lost their driver.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from celery.signals import worker_process_shutdown, worker_ready, worker_shutting_down

import runpodkit.stack as stack
import runpodkit.tasks.lines  # noqa: F401 - it hears Celery's signals from then on
from runpodkit.blocking import shared_loop
from runpodkit.errors import RunpodkitError
from runpodkit.kit import Kit
from runpodkit.logs import about, task_log
from runpodkit.settings import Settings

UPKEEP_S = 5.0
_kit: Kit | None = None
_stopping = threading.Event()


def current_kit() -> Kit:
    """This process's kit; a new one if the stand-in moved to another port meanwhile.

    Raises:
        ConfigError, StackError: as `runpodkit.kit.connect`.
    """
    global _kit
    settings = Settings.load()
    address = settings.address()
    stands_in = address is None
    address = address or stack.simulator_address(settings) or stack.ensure_simulator(settings)
    if _kit is None or (_kit.address.url, _kit.settings) != (address.url, settings):
        if _kit is not None:
            _kit.close()
        _kit = Kit(settings, address, stands_in=stands_in)
    return _kit


def _forget_kit() -> None:
    """A child that is forked later inherits the main process's kit, whose loop it does not have."""
    global _kit
    _kit = None


os.register_at_fork(after_in_child=_forget_kit)


@worker_process_shutdown.connect
def _close_kit(**_: Any) -> None:
    global _kit
    if _kit is not None:
        _kit.close()
        _kit = None
    shared_loop().close()


@worker_shutting_down.connect
def _stop_upkeep(**_: Any) -> None:
    _stopping.set()


@worker_ready.connect
def _start_upkeep(**_: Any) -> None:
    threading.Thread(target=_look_after_runs, name="runpodkit upkeep", daemon=True).start()


def _look_after_runs() -> None:
    """Dispatch what should move but has no driver: at start, then every 5 s."""
    while not _stopping.is_set():
        try:
            kit = current_kit()
            for part in stack.revive(kit.settings):
                task_log.warning("{} had died and was started again", part)
            shared_loop().call(kit.dispatcher.worker_beats())
            for name in shared_loop().call(kit.dispatcher.revive()):
                with about(run=name):
                    task_log.info("it had no driver and was dispatched again")
        except RunpodkitError as exc:
            task_log.warning("upkeep: {}", exc)
        _stopping.wait(UPKEEP_S)
