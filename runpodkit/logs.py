"""Logs: loguru with the tags [RUNPOD], [RUNPOD TASK] and [RUNPOD BATCH], silent until asked.

As a library this package prints nothing: `enable()` turns its lines on.  Whatever is
registered with `hide()` never reaches a sink.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

from loguru import logger

if TYPE_CHECKING:
    from loguru import Record

logger.disable("runpodkit")

_hidden: set[str] = set()


def hide(secret: str) -> None:
    """Keep `secret` out of every line written from now on, as it is and as JSON spells it."""
    if len(secret) >= 6:
        _hidden.update((secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1]))


def redact(text: str) -> str:
    """`text` with every registered secret replaced, the longest first: one may hold another."""
    for secret in sorted(_hidden, key=len, reverse=True):
        text = text.replace(secret, "•••")
    return text


def _redact_message(record: Record) -> None:
    record["message"] = redact(record["message"])


# Whoever adds a sink of their own gets redacted messages too; tracebacks are redacted by `enable`'s.
_log = logger.patch(_redact_message)
runpod_log = _log.bind(tag="[RUNPOD]")
task_log = _log.bind(tag="[RUNPOD TASK]")
batch_log = _log.bind(tag="[RUNPOD BATCH]")


def enable(level: str = "INFO", sink: TextIO | None = None, *, as_json: bool = False) -> int:
    """Write this package's log lines to `sink` (default: stderr); returns loguru's handler id.

    Tracebacks are printed without the values of variables, where a key could stand.
    """
    logger.enable("runpodkit")
    return logger.add(
        _Redacted(sink or sys.stderr),
        level=level,
        format="<green>{time:HH:mm:ss}</green> <level>{level: <7}</level> {extra[tag]} {message}",
        filter=_ours,
        serialize=as_json,
        diagnose=False,
        backtrace=False,
    )


def _ours(record: Record) -> bool:
    name: Any = record["name"]
    if not (name or "").startswith("runpodkit"):
        return False
    record["extra"].setdefault("tag", "[RUNPOD]")
    return True


class _Redacted:
    """A stream that writes lines whole but for secrets: an exception's text or a bound value may hold one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        self._stream.write(redact(line))

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()
