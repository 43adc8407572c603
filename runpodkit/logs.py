"""Logs: loguru with the tags [RUNPOD], [RUNPOD TASK] and [RUNPOD BATCH], silent until asked.

As a library this package prints nothing: `enable()` turns its lines on, as text or as JSON lines.  A line tells the
run and trial it belongs to, as `about()` set them.  No line holds a secret: neither one registered with `hide()` nor
what looks like one.  Lines of others, such as Celery's, become like ours by `LineFormatter`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import traceback
from collections.abc import Mapping
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO

from loguru import logger

from runpodkit.redaction import MARK, SHORTEST, Redactor, without_unknown

if TYPE_CHECKING:
    from loguru import Message, Record

LEVELS = ("TRACE", "DEBUG", "INFO", "SUCCESS", "WARNING", "ERROR", "CRITICAL")
LEVEL_VARIABLE, JSON_VARIABLE = "RUNPODKIT_LOG_LEVEL", "RUNPODKIT_LOG_JSON"
_PLACES = ("run", "trial", "task")
_DEEPEST = 6

logger.disable("runpodkit")

_hidden: set[str] = set()
_redactor: tuple[set[str], int, Redactor] = (set(), 0, Redactor(()))


def hide(secret: str) -> None:
    """Keep `secret` out of every line written from now on, however it is spelled there."""
    if len(secret) >= SHORTEST:
        _hidden.add(secret)


def redact(text: str) -> str:
    """`text` with every registered secret replaced, in whatever spelling."""
    global _redactor
    known, count, redactor = _redactor
    if known is not _hidden or count != len(_hidden):
        redactor = Redactor(set(_hidden))
        _redactor = (_hidden, len(_hidden), redactor)
    return redactor.redact(text)


def clean(text: str) -> str:
    """`text` as it may stand in a log: without registered secrets and without what looks like one."""
    return without_unknown(redact(text))


def about(*, run: str | None = None, trial: int | None = None, task: str | None = None) -> AbstractContextManager[None]:
    """Lines written inside, in whatever coroutine or thread is started there, tell that they belong to these."""
    given = {"run": run, "trial": trial, "task": task}
    return logger.contextualize(**{name: value for name, value in given.items() if value is not None})


def _redact_record(record: Record) -> None:
    record["message"] = clean(record["message"])
    for name, value in record["extra"].items():
        if name not in ("tag", *_PLACES):
            record["extra"][name] = _cleaned(value)


# Whoever adds a sink of their own gets redacted messages and values too; tracebacks are redacted by `enable`'s.
_log = logger.patch(_redact_record)
runpod_log = _log.bind(tag="[RUNPOD]")
task_log = _log.bind(tag="[RUNPOD TASK]")
batch_log = _log.bind(tag="[RUNPOD BATCH]")


def enable(level: str | None = None, sink: TextIO | None = None, *, as_json: bool | None = None) -> int:
    """Write this package's log lines to `sink` (default: stderr); returns loguru's handler id.

    Tracebacks are printed without the values of variables, where a key could stand.

    Args:
        level: The least that is written, one of `LEVELS`; default: RUNPODKIT_LOG_LEVEL in the environment, else INFO.
        as_json: A JSON object per line; default: RUNPODKIT_LOG_JSON in the environment, else text.

    Raises:
        ValueError: no such level.
    """
    chosen = checked_level(level or os.environ.get(LEVEL_VARIABLE) or "INFO")
    if as_json is None:
        as_json = os.environ.get(JSON_VARIABLE, "").strip().lower() in ("1", "true", "t", "yes", "y", "on")
    _step_aside()
    logger.enable("runpodkit")
    stream = sink or sys.stderr
    if as_json:
        return logger.add(
            _JsonLines(stream).write, level=chosen, format="{message}", filter=_ours, diagnose=False, backtrace=False
        )
    return logger.add(
        _Redacted(stream), level=chosen, format=_text_format, filter=_ours, diagnose=False, backtrace=False
    )


def _step_aside() -> None:
    """loguru's own sink, where nobody replaced it, would print our lines again, with the values of variables."""
    if os.environ.get("LOGURU_AUTOINIT", "True").lower() in ("0", "false", "no", "n"):
        return
    with contextlib.suppress(ValueError):  # somebody removed it before
        logger.remove(0)
        logger.add(sys.stderr, filter=lambda record: not _is_ours(record))


def checked_level(level: str) -> str:
    """A level's name in capitals.  Raises ValueError where there is none of that name."""
    if level.strip().upper() not in LEVELS:
        raise ValueError(f"{level!r} is no level of log lines: give one of {', '.join(LEVELS)}")
    return level.strip().upper()


class LineFormatter(logging.Formatter):
    """Lines of the standard library's loggers without secrets, as text in their own form or as JSON like ours."""

    def __init__(self, inner: logging.Formatter | None, *, as_json: bool) -> None:
        super().__init__()
        self._inner, self._as_json = inner or logging.Formatter(), as_json

    def format(self, record: logging.LogRecord) -> str:
        if not self._as_json:
            return clean(self._inner.format(record))
        told = _belongs_to(record)
        problem = self.formatException(record.exc_info) if record.exc_info else record.exc_text
        return json_line(record.created, record.levelname, record.name, told, record.getMessage(), problem)


def _belongs_to(record: logging.LogRecord) -> dict[str, Any]:
    """Where a line of the standard library's loggers belongs: Celery tells its tasks."""
    data = getattr(record, "data", None)
    task = getattr(record, "task_id", None) or (data.get("id") if isinstance(data, Mapping) else None)
    return {"task": task} if task and task != "???" else {}


def json_line(
    at: float, level: str, name: str, extra: Mapping[str, Any], message: str, problem: str | None = None
) -> str:
    """One line as JSON, without its end: `time` (UTC), `level`, `logger`, `tag`, `run`, `trial`, `task` where they are
    known, `message`, whatever was bound, and `exception` with the whole traceback."""
    line: dict[str, Any] = {"time": datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds"), "level": level}
    line |= {key: extra[key] for key in ("tag", *_PLACES) if key in extra}
    line |= {"logger": name, "message": clean(message)}
    line |= {clean(str(key)): _named(str(key), _cleaned(value)) for key, value in extra.items() if key not in line}
    if problem:
        line["exception"] = clean(problem)
    return json.dumps(line, ensure_ascii=False, default=str)


def _ours(record: Record) -> bool:
    if not _is_ours(record):
        return False
    record["extra"].setdefault("tag", "[RUNPOD]")
    return True


def _is_ours(record: Record) -> bool:
    name: Any = record["name"]
    return (name or "").partition(".")[0] == "runpodkit"


def _text_format(record: Record) -> str:
    """Time, level, tag, `run/trial:` where it belongs to one, message."""
    extra = record["extra"]
    where = "{extra[run]}/{extra[trial]}: " if "trial" in extra else "{extra[run]}: " if "run" in extra else ""
    where = where if "run" in extra else "{extra[task]}: " if "task" in extra else ""
    return "<green>{time:HH:mm:ss}</green> <level>{level: <7}</level> {extra[tag]} " + where + "{message}\n{exception}"


def _cleaned(value: Any, depth: int = 0) -> Any:
    """A bound value as JSON can hold it, without secrets in any text of it."""
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, Mapping) and depth < _DEEPEST:
        return {clean(str(key)): _named(str(key), _cleaned(inner, depth + 1)) for key, inner in value.items()}
    if isinstance(value, list | tuple | set | frozenset) and depth < _DEEPEST:
        return [_cleaned(inner, depth + 1) for inner in value]
    return clean(value if isinstance(value, str) else repr(value))


def _named(name: str, value: Any) -> Any:
    """A value, unless the name it stands under says that it is secret."""
    if isinstance(value, str) and (pair := f'"{name}": "{value}"') != without_unknown(pair):
        return MARK
    return value


class _Redacted:
    """A stream that writes lines whole but for secrets: an exception's text or a bound value may hold one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        self._stream.write(clean(line))

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()


class _JsonLines:
    """A sink that writes each record as one JSON object."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, message: Message) -> None:
        record = message.record
        failure = record["exception"]
        problem = None
        if failure is not None:
            problem = "".join(traceback.format_exception(failure.type, failure.value, failure.traceback))
        name = record["name"] or ""
        at = record["time"].timestamp()
        self._stream.write(
            json_line(at, record["level"].name, name, record["extra"], record["message"], problem) + "\n"
        )
        self._stream.flush()
