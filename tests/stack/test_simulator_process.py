"""The stand-in as a process: a real one for the plain path, a small server of the same manners for crashes."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from pathlib import Path

import pytest

from runpodkit import stack
from runpodkit.errors import StackError
from runpodkit.stack import simulator_process
from runpodkit.stack.folders import runtime_folder
from runpodkit.stack.processes import wait_until
from runpodkit.stack.simulator_process import ensure, is_healthy, is_up
from runpodkit.stack.state import locked, read

SMALL_SERVER = """
import argparse, http.server, json, os, pathlib
parser = argparse.ArgumentParser()
for name in ("--port", "--workers", "--ready-file"):
    parser.add_argument(name)
asked = parser.parse_args()
KEY = os.environ["RUNPODKIT_SIMULATOR_KEY"]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        known = self.path == "/v2/local/health" and self.headers["Authorization"] == f"Bearer {KEY}"
        self.send_response(200 if known else 401)
        self.end_headers()
server = http.server.HTTPServer(("127.0.0.1", int(asked.port)), Handler)
pathlib.Path(asked.ready_file).write_text(json.dumps({"port": server.server_port, "pid": os.getpid()}))
server.serve_forever()
"""


@pytest.fixture
def command(tmp_path: Path) -> list[str]:
    (tmp_path / "server.py").write_text(SMALL_SERVER)
    return [sys.executable, str(tmp_path / "server.py")]


def bring_up(home, command):
    with locked(home) as state:
        return ensure(home, state, command=command)


def kill(record) -> None:
    os.kill(record.process.pid, signal.SIGKILL)
    assert wait_until(lambda: not record.process.is_alive, 5)


def test_it_answers_to_its_key_alone_and_is_found_by_its_record(settings, home, command):
    record = bring_up(home, command)

    assert is_up(record)
    assert not is_healthy(record.model_copy(update={"key": "another"}))
    address = stack.simulator_address(settings)
    assert address.url == f"http://127.0.0.1:{record.port}/v2/local"
    assert address.api_key.get_secret_value() == record.key
    assert address.is_simulated


def test_a_second_call_finds_the_first_ones_process(home, command):
    assert bring_up(home, command) == bring_up(home, command)


def test_its_key_is_random_and_on_no_command_line(home, command):
    record = bring_up(home, command)

    assert len(record.key) == 64
    assert record.key.encode() not in Path(f"/proc/{record.process.pid}/cmdline").read_bytes()


def test_it_is_not_given_the_users_keys(home, command, monkeypatch):
    for name in ("RUNPOD_API_KEY", "YANDEX_SECRET_KEY", "S3_SECRET_KEY", "REDIS_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "hush-hush")

    record = bring_up(home, command)

    assert b"hush-hush" not in Path(f"/proc/{record.process.pid}/environ").read_bytes()


def test_after_a_crash_it_is_back_on_the_same_port_with_the_same_key(home, command):
    first = bring_up(home, command)
    kill(first)

    second = bring_up(home, command)

    assert (second.port, second.key) == (first.port, first.key)
    assert second.process != first.process
    assert is_up(second)


def test_down_and_up_keep_port_and_key_as_well(settings, home, command):
    first = bring_up(home, command)
    stack.down(settings)
    assert not first.process.is_alive
    assert stack.simulator_address(settings) is None

    second = bring_up(home, command)

    assert (second.port, second.key) == (first.port, first.key)


def test_a_port_that_is_taken_meanwhile_is_given_up_for_a_free_one(home, command):
    first = bring_up(home, command)
    kill(first)
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", first.port))
        squatter.listen()

        second = bring_up(home, command)

        assert second.port != first.port
        assert second.key == first.key
        assert is_up(second)


def test_a_process_that_is_slow_to_answer_is_kept(home, command):
    first = bring_up(home, command)
    os.kill(first.process.pid, signal.SIGSTOP)
    assert not is_healthy(first, timeout_s=0.1)
    threading.Timer(0.3, os.kill, (first.process.pid, signal.SIGCONT)).start()

    assert bring_up(home, command) == first


def test_a_process_that_no_longer_answers_is_replaced(home, command):
    first = bring_up(home, command)
    with locked(home) as state:
        state.simulator = first.model_copy(update={"key": "as if it had forgotten its own"})
        second = ensure(home, state, command=command, find_patience_s=0)

    assert not first.process.is_alive
    assert is_up(second)


def test_a_stale_ready_file_misleads_nobody(home, command):
    (runtime_folder(home) / "simulator.json").write_text('{"port": 1, "pid": 1}')

    assert is_up(bring_up(home, command))


@pytest.mark.parametrize("command", [["/bin/sh", "-c", "echo no numpy; exit 1"], ["/no/such/program"]])
def test_one_that_does_not_come_up_says_where_its_log_is_or_what_is_missing(home, command):
    with pytest.raises(
        StackError, match=r"simulator cannot be started: .*(simulator\.log|/no/such).*runpodkit\[local,lab\]"
    ):
        bring_up(home, command)

    assert read(home).simulator is None or read(home).simulator.process is None


def test_missing_requirements_are_named_before_anything_starts(home, command, monkeypatch):
    monkeypatch.setattr(simulator_process, "_NEEDS", ("numpy", "a_package_that_is_not_there"))

    with pytest.raises(
        StackError, match=r"a_package_that_is_not_there not installed\. pip install 'runpodkit\[local,lab\]'"
    ):
        bring_up(home, command)


def test_none_runs_at_first(settings):
    assert stack.simulator_address(settings) is None
    assert not is_up(None)
