"""Logs: silent until asked, tagged, and without any registered secret."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any

import pytest
from loguru import logger

from runpodkit import logs
from runpodkit.errors import ConfigError
from runpodkit.settings import Settings

SECRET = 'hush"ж\\1234'


@pytest.fixture(autouse=True)
def _as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(logs, "_hidden", set())
    yield
    logger.disable("runpodkit")


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    handler = logs.enable("DEBUG", stream)
    yield stream
    logger.remove(handler)


def _say(log: object, text: str, **bound: object) -> None:
    """Speak as a module of the package would: loguru goes by the caller's module name."""
    code = compile("log.bind(**bound).info(text)", "said", "exec")
    exec(code, {"__name__": "runpodkit.said", "log": log, "text": text, "bound": bound})


def _fail(log: object, text: str) -> None:
    code = compile(
        "key = text\ntry:\n    raise ValueError(text)\nexcept ValueError:\n    log.exception('failed')", "said", "exec"
    )
    exec(code, {"__name__": "runpodkit.said", "log": log, "text": text})


def test_the_package_is_silent_until_asked():
    said = "from runpodkit.logs import runpod_log; __name__ = 'runpodkit.x'; runpod_log.error('hello')"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)

    assert (done.stdout, done.stderr) == ("", "")


def test_lines_carry_their_tag(lines):
    for log in (logs.runpod_log, logs.task_log, logs.batch_log):
        _say(log, "hello")

    assert [line.split(maxsplit=2)[2] for line in lines.getvalue().splitlines()] == [
        "[RUNPOD] hello",
        "[RUNPOD TASK] hello",
        "[RUNPOD BATCH] hello",
    ]


def test_lines_of_others_are_not_ours(lines):
    logger.warning("somebody else's")

    assert lines.getvalue() == ""


def test_secrets_never_reach_the_sink_in_messages_tracebacks_or_bound_values(lines):
    logs.hide(SECRET)
    _say(logs.runpod_log, f"Bearer {SECRET}!")
    _fail(logs.runpod_log, f"refused {SECRET}")

    assert "Bearer •••!" in lines.getvalue()
    assert "refused •••" in lines.getvalue()
    assert SECRET not in lines.getvalue()


def test_secrets_never_reach_a_json_sink_either():
    stream = io.StringIO()
    handler = logs.enable("DEBUG", stream, as_json=True)
    logs.hide(SECRET)
    _say(logs.runpod_log, f"Bearer {SECRET}", key=SECRET)
    _fail(logs.runpod_log, SECRET)
    logger.remove(handler)

    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert len(records) == 2
    assert SECRET not in json.dumps(records, ensure_ascii=False)
    assert all(SECRET not in str(value) for record in records for value in _leaves(record))


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner)
    else:
        yield value


def test_a_sink_of_ones_own_gets_redacted_messages():
    stream = io.StringIO()
    logger.enable("runpodkit")
    handler = logger.add(stream, format="{message}")
    logs.hide(SECRET)
    _say(logs.batch_log, f"key {SECRET}")
    logger.remove(handler)

    assert stream.getvalue() == "key •••\n"


def test_what_is_too_short_to_be_a_secret_is_left():
    logs.hide("")
    logs.hide("a")

    assert logs.redact("a banana") == "a banana"


def test_a_line_tells_the_run_and_trial_it_belongs_to(lines):
    with logs.about(run="mill"):
        _say(logs.batch_log, "held")
        with logs.about(trial=7):
            _say(logs.batch_log, "lost")
    with logs.about(task="t-1"):
        _say(logs.task_log, "asked")
    _say(logs.runpod_log, "up")

    assert [line.split(maxsplit=2)[2] for line in lines.getvalue().splitlines()] == [
        "[RUNPOD BATCH] mill: held",
        "[RUNPOD BATCH] mill/7: lost",
        "[RUNPOD TASK] t-1: asked",
        "[RUNPOD] up",
    ]


async def _speak(trial: int, order: list[int]) -> None:
    with logs.about(trial=trial):
        for _ in range(5):
            await asyncio.sleep(0)
            order.append(trial)
            _say(logs.batch_log, f"of {trial}")
            await asyncio.to_thread(_say, logs.batch_log, f"of {trial}")


def test_trials_side_by_side_never_take_each_others_number(lines):
    order: list[int] = []

    async def all_of_them() -> None:
        with logs.about(run="mill"):
            await asyncio.gather(*(_speak(trial, order) for trial in range(20)))

    asyncio.run(all_of_them())

    assert order != sorted(order)  # they really took turns
    told = [line.split("[RUNPOD BATCH] ")[1] for line in lines.getvalue().splitlines()]
    assert len(told) == 200
    assert all(line == f"mill/{line.rpartition(' ')[2]}: of {line.rpartition(' ')[2]}" for line in told)


@pytest.fixture
def json_lines() -> Iterator[Callable[[], list[dict[str, Any]]]]:
    stream = io.StringIO()
    handler = logs.enable("DEBUG", stream, as_json=True)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    logger.remove(handler)


def test_a_json_line_has_time_level_tag_run_trial_and_message(json_lines):
    with logs.about(run="mill", trial=7):
        _say(logs.batch_log, "lost {of} \n“it”", of="everything", count=3)

    [line] = json_lines()
    assert datetime.fromisoformat(line.pop("time")).tzinfo is not None
    assert line == {
        "level": "INFO",
        "tag": "[RUNPOD BATCH]",
        "run": "mill",
        "trial": 7,
        "logger": "runpodkit.said",
        "message": "lost {of} \n“it”",
        "of": "everything",
        "count": 3,
    }


def test_json_lines_hold_the_whole_traceback_without_secrets(json_lines):
    logs.hide(SECRET)
    _fail(logs.runpod_log, SECRET)

    [line] = json_lines()
    assert "ValueError: •••" in line["exception"] and "Traceback" in line["exception"]


def test_secrets_inside_bound_values_go_by_what_they_are_and_by_the_name_they_stand_under(json_lines):
    logs.hide(SECRET)
    _say(
        logs.runpod_log,
        "asked",
        headers={"Authorization": "Bearer unknown-1234", "x": [SECRET.encode(), {SECRET: 1}]},
        api_key="never-told-to-anybody",
        odd=ValueError(SECRET),
    )

    text = json.dumps(json_lines(), ensure_ascii=False)
    for secret in (SECRET, json.dumps(SECRET)[1:-1], "unknown-1234", "never-told"):
        assert secret not in text


def test_loguru_s_own_sink_does_not_print_our_lines_again_and_keeps_those_of_others():
    said = (
        "import sys, loguru; from runpodkit import logs; logs.enable('INFO', sys.stdout); loguru.logger.info('theirs');"
        "exec(\"logs.runpod_log.info('ours')\", {'__name__': 'runpodkit.x', 'logs': logs})"
    )
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)

    assert done.stdout.count("ours") == 1 and "theirs" not in done.stdout
    assert done.stderr.count("theirs") == 1 and "ours" not in done.stderr


def test_level_and_json_come_from_the_environment_unless_they_are_given(monkeypatch):
    monkeypatch.setenv("RUNPODKIT_LOG_JSON", "1")
    monkeypatch.setenv("RUNPODKIT_LOG_LEVEL", "warning")
    stream = io.StringIO()
    handler = logs.enable(sink=stream)
    _say(logs.runpod_log, "not this one")
    exec("log.warning('this one')", {"__name__": "runpodkit.said", "log": logs.runpod_log})
    logger.remove(handler)

    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["this one"]


def test_a_level_that_is_none_is_told_with_those_there_are():
    with pytest.raises(ValueError, match="'LOUD' is no level of log lines: give one of TRACE, DEBUG"):
        logs.enable("LOUD", io.StringIO())
    with pytest.raises(ConfigError, match="RUNPODKIT_LOG_LEVEL: 'LOUD' is no level"):
        Settings.load(RUNPODKIT_LOG_LEVEL="LOUD")


def _stdlib(text: str, *args: object, as_json: bool, inner: str = "%(levelname)s %(message)s") -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logs.LineFormatter(logging.Formatter(inner), as_json=as_json))
    theirs = logging.Logger("botocore.auth")
    theirs.addHandler(handler)
    try:
        raise ValueError(SECRET) from KeyError(SECRET)
    except ValueError:
        theirs.exception(text, *args, extra={"task_id": "t-1"})
    return stream.getvalue()


@pytest.mark.parametrize("as_json", [False, True])
def test_lines_of_other_libraries_lose_their_secrets_in_text_arguments_and_tracebacks(as_json):
    logs.hide(SECRET)
    text = _stdlib("signed with %s, %r", SECRET, {"Authorization": b"Bearer unknown-1234"}, as_json=as_json)

    assert "signed with •••" in text and "ValueError: •••" in text and "KeyError" in text
    for secret in (SECRET, json.dumps(SECRET)[1:-1], json.dumps(SECRET, ensure_ascii=False)[1:-1], "unknown-1234"):
        assert secret not in text


def test_as_json_they_are_one_object_each_that_tells_the_celery_task():
    line = json.loads(_stdlib("failed", as_json=True))

    assert (line["level"], line["logger"], line["task"], line["message"]) == ("ERROR", "botocore.auth", "t-1", "failed")
    assert "direct cause" in line["exception"]
