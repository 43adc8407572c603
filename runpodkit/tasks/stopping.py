"""Stopping: how a Celery worker is told to end, and what its processes make of it.

The first signal is a warm shutdown.  The main process passes it on to its children, whose engines stop submitting,
write down what they know, release their batches and return without waiting for jobs: the next worker follows them.
What has not returned after `PATIENCE_S` is cut off, as by a second signal.  Knows processes and signals, not runs.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
import time
from typing import Any

import billiard
from celery import Task
from celery.exceptions import Reject
from celery.signals import (
    after_setup_logger,
    task_postrun,
    task_prerun,
    worker_init,
    worker_process_init,
    worker_shutting_down,
)
from celery.worker import state

from runpodkit.logs import task_log
from runpodkit.runs.engine import HandedBack

PATIENCE_S = 7.0
"""From the first signal until what has not returned is cut off; containers are killed after 10 s."""
DRAIN_SIGNAL = signal.SIGUSR2
AGAIN_S = 0.2
"""How often it is sent."""
SAME_SIGNAL_S = 1.0
"""A SIGTERM so soon after the word of the main process is the same one, sent to the whole process group."""

_told = threading.Event()
_terminated = threading.Event()
_since = 0.0
"""When this process heard of it first."""
_is_child = False
_before: Any = signal.SIG_DFL


def is_stopping() -> bool:
    """Whether this process was told to end: nothing more is submitted, and nothing is waited for."""
    return _told.is_set() or _terminated.is_set()


def wait_for_stop(seconds: float) -> bool:
    """Sleep, but wake when the worker is told to end; whether it was."""
    return _told.wait(seconds)


class HandingBackTask(Task):  # type: ignore[misc]
    """A task that gives its message back to the queue when its worker stops; the next worker follows its job."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except HandedBack as exc:
            task_log.info("goes back to its queue; the next worker follows its job")
            raise Reject(str(exc), requeue=True) from None


@after_setup_logger.connect
def _say_it_once(**_: Any) -> None:
    """Celery tells of a message that goes back with a traceback, as if something had broken."""
    logging.getLogger("celery.app.trace").addFilter(lambda record: "reject requeue=True" not in record.getMessage())


@worker_init.connect
def _begin(**_: Any) -> None:
    """In the main process.  A child that has not begun yet must not die of a word it cannot read."""
    _told.clear()
    _terminated.clear()
    signal.signal(DRAIN_SIGNAL, signal.SIG_IGN)


@worker_shutting_down.connect
def _pass_on(how: str = "", **_: Any) -> None:
    """In the main process, for every signal it gets."""
    global _since
    if _told.is_set():
        if how == "Warm" and time.monotonic() - _since > SAME_SIGNAL_S:
            os.kill(os.getpid(), signal.SIGQUIT)  # Celery itself takes a second SIGTERM for the first
        return
    _since = time.monotonic()
    _told.set()
    if how == "Warm":
        threading.Thread(target=_stop_children, name="runpodkit stopping", daemon=True).start()


def _stop_children() -> None:
    """Tell them again and again: a thread that is about to wait for another may miss one signal.

    After a second signal Celery waits for each child that is at work, and one that hangs takes no word any more.
    """
    began = time.monotonic()
    while time.monotonic() - began < PATIENCE_S:
        for child in billiard.active_children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, DRAIN_SIGNAL if state.should_terminate is None else signal.SIGKILL)
        time.sleep(AGAIN_S)
    task_log.warning("what did not return within {:.0f} s is cut off; the next worker follows its jobs", PATIENCE_S)
    os.kill(os.getpid(), signal.SIGQUIT)


@worker_process_init.connect
def _listen(**_: Any) -> None:
    """In a child.  The threads and solo pools have none: there the main process drives, and hears of it itself."""
    global _is_child
    _is_child = billiard.current_process()._name != "MainProcess"
    if _is_child:
        signal.signal(DRAIN_SIGNAL, _drain)


@task_prerun.connect
def _task_begins(**_: Any) -> None:
    """Only now: a child sets its handlers anew after it has begun.  One that is idle just ends, as Celery wants it."""
    global _before
    _terminated.clear()  # it was about the task before
    if _is_child:
        _before = signal.signal(signal.SIGTERM, _terminate)


@task_postrun.connect
def _task_ended(**_: Any) -> None:
    if _is_child:
        signal.signal(signal.SIGTERM, _before)


def _drain(*_: Any) -> None:
    """The word of the main process."""
    _note_time()
    _told.set()


def _terminate(*_: Any) -> None:
    """SIGTERM in a child: from the main process, which cuts off; or from whoever ends the whole process group."""
    _note_time()
    if time.monotonic() - _since < SAME_SIGNAL_S:
        _terminated.set()
        return
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def _note_time() -> None:
    global _since
    if not is_stopping():
        _since = time.monotonic()
