"""What one Celery worker process keeps: a kit, made after the fork, and the wish to stop.

A child of the worker has one event loop (the shared one of `blocking`) and one kit; both
end with it.  The main process looks after runs that lost their driver.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from contextlib import AbstractContextManager
from typing import Any

import celery.apps.worker
from celery.signals import (
    after_setup_logger,
    after_setup_task_logger,
    celeryd_init,
    task_postrun,
    task_prerun,
    worker_process_shutdown,
    worker_ready,
    worker_shutting_down,
)

import runpodkit.stack as stack
from runpodkit.blocking import shared_loop
from runpodkit.errors import RunpodkitError
from runpodkit.kit import Kit
from runpodkit.logs import LineFormatter, about, enable, json_line, task_log
from runpodkit.settings import Settings

UPKEEP_S = 5.0
_kit: Kit | None = None
_stopping = threading.Event()
_at_work: dict[str, AbstractContextManager[None]] = {}
"""Tasks of this process, and what their log lines tell."""


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


@celeryd_init.connect
def _from_the_first_line_on(instance: Any, **_: Any) -> None:
    """Warnings are lines as well; where every line is to be JSON, Celery's picture of itself is left out."""
    as_json = Settings.load().log_json
    if as_json:
        instance.quiet = True
        celery.apps.worker.safe_say = _say_as_json
    warned = logging.StreamHandler()
    warned.setFormatter(LineFormatter(logging.Formatter("[%(asctime)s: %(levelname)s] %(message)s"), as_json=as_json))
    logging.captureWarnings(True)
    logging.getLogger("py.warnings").addHandler(warned)
    logging.getLogger("py.warnings").propagate = False


def _say_as_json(message: str, *_: Any) -> None:
    """What Celery writes past all loggers, from its signal handlers: that it shuts down."""
    line = json_line(time.time(), "INFO", "celery.apps.worker", {}, message.strip())
    os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"{line}\n".encode())


@after_setup_logger.connect
def _set_up_logs(logger: logging.Logger, **_: Any) -> None:
    """Our lines, in every child too; but a line per status call would cost as much as the call."""
    settings = Settings.load()
    enable(settings.log_level or "INFO", as_json=settings.log_json)
    _without_secrets(logger)
    for name in ("httpx", "aiohttp"):
        logging.getLogger(name).setLevel(logging.WARNING)


@after_setup_task_logger.connect
def _without_secrets(logger: logging.Logger, **_: Any) -> None:
    """Lines of Celery and of any library: without secrets, and as JSON where ours are."""
    as_json = Settings.load().log_json
    for handler in logger.handlers:
        handler.setFormatter(LineFormatter(handler.formatter, as_json=as_json))


@task_prerun.connect
def _tell_task(task_id: str, **_: Any) -> None:
    """Lines of a task tell its id."""
    _at_work[task_id] = about(task=task_id)
    _at_work[task_id].__enter__()


@task_postrun.connect
def _tell_it_no_more(task_id: str, **_: Any) -> None:
    if told := _at_work.pop(task_id, None):
        told.__exit__(None, None, None)


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
