"""Processes: they outlive an interrupt, are known by pid and start time, and a recycled pid is left in peace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runpodkit.stack import processes
from runpodkit.stack.processes import Process, identify, start, started_at, stop, wait_until


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Callable[..., Process]]:
    """Start a shell line, logged to `log`; ended after the test."""
    started: list[Process] = []

    def run(line: str, **kwargs: object) -> Process:
        kwargs = {"log": tmp_path / "log", "env": os.environ, **kwargs}
        started.append(start(["/bin/sh", "-c", line], **kwargs))
        return started[-1]

    yield run
    stop(started, patience_s=0)


def test_a_started_process_is_alive_and_leads_a_session_of_its_own(run):
    process = run("exec sleep 60")

    assert process.is_alive
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_stopping_ends_it_and_leaves_no_zombie(run):
    process = run("exec sleep 60")

    assert stop([process]) == [process]
    assert not process.is_alive
    assert wait_until(lambda: not Path(f"/proc/{process.pid}").exists(), 2)


def test_what_was_dead_before_is_not_counted_as_stopped(run):
    process = run("exit 0")
    assert wait_until(lambda: not process.is_alive, 5)

    assert stop([process]) == []


def test_a_process_deaf_to_sigterm_is_killed_with_its_children(run, tmp_path):
    process = run("trap '' TERM; sleep 61 & echo $!; while :; do sleep 0.1; done")
    log = tmp_path / "log"
    assert wait_until(lambda: log.read_text().strip() != "", 5)
    child = identify(int(log.read_text()))
    assert child.is_alive

    stop([process], patience_s=0.2)

    assert not process.is_alive
    assert wait_until(lambda: not child.is_alive, 2)


def test_a_recycled_pid_is_neither_alive_nor_ever_signalled(run):
    bystander = run("exec sleep 60")
    recorded = Process(pid=bystander.pid, started="an earlier process of this pid")

    assert not recorded.is_alive
    assert stop([recorded], patience_s=0) == []
    processes.ask_to_end(recorded, whole_group=True)
    time.sleep(0.05)
    assert bystander.is_alive


def test_a_dead_process_that_nobody_has_reaped_counts_as_dead():
    child = subprocess.Popen(["/bin/sh", "-c", "exec sleep 60"])
    process = identify(child.pid)
    assert process.is_alive

    child.kill()
    assert wait_until(lambda: not process.is_alive, 5)  # it is a zombie now: its pid still exists
    os.kill(child.pid, 0)

    child.wait()


def test_no_process_has_no_start_time():
    child = subprocess.Popen(["/bin/sh", "-c", "exit 0"])
    child.wait()

    assert started_at(child.pid) is None
    assert not identify(child.pid).is_alive


def test_two_processes_started_one_after_the_other_have_different_start_times(run):
    first = run("exec sleep 60")
    time.sleep(0.05)

    assert run("exec sleep 60").started != first.started


def test_a_name_with_blanks_and_parentheses_does_not_confuse_the_start_time(tmp_path):
    odd = tmp_path / "a) R 1 (b"
    shutil.copy("/bin/sleep", odd)
    process = start([str(odd), "60"], log=tmp_path / "log", env=os.environ)

    assert process.is_alive
    stop([process])


@pytest.mark.skipif(shutil.which("ps") is None, reason="no ps here")
def test_ps_tells_the_living_from_the_dead_where_there_is_no_proc(run):
    process = run("exec sleep 60")

    first = processes._started_by_ps(process.pid)
    assert first is not None
    assert first == processes._started_by_ps(process.pid)
    stop([process])
    assert processes._started_by_ps(process.pid) is None


def test_output_is_appended_to_a_log_that_only_the_user_can_read(run, tmp_path):
    for word in ("one", "two"):
        process = run(f"echo {word}; echo {word} >&2")
        assert wait_until(lambda process=process: not process.is_alive, 5)

    assert (tmp_path / "log").read_text() == "one\none\ntwo\ntwo\n"
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_a_long_log_is_put_aside(run, tmp_path):
    (tmp_path / "log").write_bytes(b"x" * (processes.LOG_LIMIT + 1))

    run("exec sleep 60")

    assert (tmp_path / "log").stat().st_size == 0
    assert (tmp_path / "log.1").stat().st_size == processes.LOG_LIMIT + 1


def test_a_log_that_is_a_link_is_refused(run, tmp_path):
    (tmp_path / "target").touch()
    (tmp_path / "log").symlink_to(tmp_path / "target")

    with pytest.raises(OSError, match="symbolic link"):
        run("echo overwritten")


def test_a_process_outlives_interrupt_and_death_of_whoever_started_it(tmp_path):
    code = f"""
import os, signal, time
from pathlib import Path
from runpodkit.stack.processes import start
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\\n"))
print(start(["/bin/sh", "-c", "exec sleep 60"], log=Path({str(tmp_path / "log")!r}), env=os.environ).model_dump_json(), flush=True)
while True:
    time.sleep(60)
"""
    kernel = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    with kernel, kernel.stdout as lines:
        process = Process.model_validate_json(lines.readline())
        try:
            os.killpg(kernel.pid, signal.SIGINT)
            assert lines.readline() == "interrupted\n"
            assert process.is_alive
            os.killpg(kernel.pid, signal.SIGKILL)
            kernel.wait()
            assert process.is_alive
        finally:
            kernel.kill()
            stop([process])


def test_waiting_looks_at_least_once_and_ends_in_time():
    clock = iter(range(100)).__next__  # one second per look

    assert wait_until(lambda: True, 0, clock=clock, sleep=lambda s: None)
    looks = []
    assert not wait_until(lambda: bool(looks.append(1)), 5, clock=clock, sleep=lambda s: None)
    assert len(looks) == 5
