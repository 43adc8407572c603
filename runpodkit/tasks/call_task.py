"""The kind of task that other programs call: what all of them do beside their work.

A failure that passes is tried again, three times, a minute apart; any other one reaches the caller as an error it can
catch.  Arguments are shown without secrets wherever Celery shows them.
"""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from celery.exceptions import Reject
from celery.result import AsyncResult
from celery.worker.request import Request

from runpodkit.errors import RunpodkitError
from runpodkit.images.bounded_json import MAX_DEPTH, is_deep
from runpodkit.logs import about, task_log
from runpodkit.runs.engine import HandedBack
from runpodkit.tasks.asked import unknown_arguments
from runpodkit.tasks.failures import as_told, passes
from runpodkit.tasks.process import current_kit
from runpodkit.tasks.shown import shown
from runpodkit.tasks.stopping import HandingBackTask

T = TypeVar("T")

_PLAIN_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
"""Ids that may be part of a key in the store; Celery's own are."""


class PrivateRequest(Request):  # type: ignore[misc]
    """A task in a Celery worker, as it stands in events, in the log and in `inspect`: whoever sent it, by whatever client."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._argsrepr, self._kwargsrepr = shown(self._args), shown(self._kwargs)
        self._request_dict |= {"argsrepr": self._argsrepr, "kwargsrepr": self._kwargsrepr}

    def info(self, safe: bool = False) -> Any:
        return super().info(safe=True)


class CallTask(HandingBackTask):
    """A task that other programs call."""

    abstract = True
    Request = "runpodkit.tasks.call_task:PrivateRequest"
    acks_late = True
    max_retries = 3
    throws = (RunpodkitError, ValueError, TypeError)
    """What the caller is told is one line in the log; a traceback there means a bug."""
    default_retry_delay = 60
    """Seconds."""

    def apply_async(self, args: Any = None, kwargs: Any = None, **options: Any) -> AsyncResult:
        """Send the task.

        Raises:
            TypeError: an argument that the task does not have, or one that is missing.
            ValueError: an argument that is nested too deep for any message.
        """
        if unknown := sorted({*(kwargs or {})} - {*self._arguments}):
            raise TypeError(f"{self.__name__}: {unknown_arguments(unknown, self._arguments)}")
        if is_deep([args or (), kwargs or {}]):
            raise ValueError(f"{self.__name__}: an argument is nested deeper than {MAX_DEPTH}")
        options |= {"argsrepr": shown([*(args or ())]), "kwargsrepr": shown({**(kwargs or {})})}
        return super().apply_async(args, kwargs, **options)

    def call_id(self) -> str:
        """Under which the ledger knows this call, however often it is started; a plain call gets a new one each time."""
        given = str(self.request.id or secrets.token_hex(16))
        plain = given if _PLAIN_ID.fullmatch(given) else hashlib.sha256(given.encode("utf-8", "replace")).hexdigest()
        return f"task-{plain}"

    def given(self) -> Mapping[str, Any]:
        """The arguments by name that the caller wrote; what it left out is the endpoint's to choose."""
        return inspect.signature(self.run).bind(*self.request.args, **self.request.kwargs).arguments

    def insist(self, work: Callable[[bool], T]) -> T:
        """What `work` gives; it is tried again later while its failure passes.

        Args:
            work: Told whether it is the last try.

        Raises:
            celery.exceptions.Retry: Celery starts the task again in a minute.
            HandedBack: the Celery worker ends, and another one goes on.
            Exception: `as_told`.
        """
        tries = self.request.retries
        while True:
            last = self.max_retries is not None and tries >= self.max_retries
            try:
                with about(run=f"one-{self.call_id()}"):
                    return work(last)
            except Exception as exc:
                told = as_told(exc)
                if last or not passes(exc):
                    raise told from None
            task_log.warning("{}; tried again in {} s", told, self.default_retry_delay)
            self._try_later(told)
            tries += 1
            self.request.retries = tries
            self._wait()

    def _try_later(self, told: Exception) -> None:
        """Have Celery start the task again; comes back where Redis does not take the message: then it is waited for here."""
        try:
            raise self.retry(exc=told, throw=False)
        except Reject:
            task_log.warning("Redis takes no message: waiting for it here")

    def _wait(self) -> None:
        until = time.monotonic() + self.default_retry_delay
        while time.monotonic() < until:
            time.sleep(min(1.0, max(0.0, until - time.monotonic())))
            with contextlib.suppress(RunpodkitError):
                if current_kit().draining():
                    raise HandedBack("the Celery worker ends; the next one goes on")

    @property
    def _arguments(self) -> Sequence[str]:
        return [*inspect.signature(self.run).parameters]
