"""What a Celery worker writes: our lines, Celery's and every library's, without secrets, as text or all as JSON.

Hears Celery's signals; importing it changes nothing else.  A line that belongs to a task tells its id.
"""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import AbstractContextManager
from typing import Any

from celery.signals import after_setup_logger, after_setup_task_logger, celeryd_init, task_postrun, task_prerun

from runpodkit.logs import LineFormatter, about, enable, json_line
from runpodkit.settings import Settings

_at_work: dict[str, AbstractContextManager[None]] = {}
"""Tasks of this process, and what their log lines tell."""


@celeryd_init.connect
def _from_the_first_line_on(instance: Any, **_: Any) -> None:
    """Warnings are lines as well; where every line is to be JSON, Celery's picture of itself is left out."""
    as_json = Settings.load().log_json
    if as_json:
        from celery.apps import worker  # not before: a program that only sends tasks does without

        instance.quiet = True
        worker.safe_say = _say_as_json
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
