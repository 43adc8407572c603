"""Logs: silent until asked, tagged, and without any registered secret."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from loguru import logger

from runpodkit import logs

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


def test_of_two_secrets_where_one_holds_the_other_both_go():
    logs.hide("abcdef")
    logs.hide("abcdef-ghijkl")

    assert logs.redact("1 abcdef-ghijkl 2 abcdef 3") == "1 ••• 2 ••• 3"


def test_what_is_too_short_to_be_a_secret_is_left():
    logs.hide("")
    logs.hide("a")

    assert logs.redact("a banana") == "a banana"
