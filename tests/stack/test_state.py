"""State and lock: what is written is read, only by its owner, one writer at a time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runpodkit.errors import StackError
from runpodkit.stack.processes import Process
from runpodkit.stack.state import RedisRecord, SimulatorRecord, State, locked, read, try_lock, write

SIMULATOR = SimulatorRecord(process=Process(pid=3, started="b"), port=8123, key="hush-hush")
FULL = State(redis=RedisRecord(process=Process(pid=2, started="a"), socket=Path("/run/x.sock")), simulator=SIMULATOR)


def test_what_is_written_is_read(tmp_path):
    write(tmp_path, FULL)

    assert read(tmp_path) == FULL
    assert sorted(path.name for path in tmp_path.iterdir()) == ["stack.json"]


def test_only_the_user_can_read_it_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        write(tmp_path, FULL)
    finally:
        os.umask(before)

    assert (tmp_path / "stack.json").stat().st_mode & 0o777 == 0o600


def test_the_key_is_in_no_repr():
    assert "hush" not in repr(FULL)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"redis": {"process": "mine"}}', b"\xff\xfe"])
def test_an_unreadable_record_counts_as_empty(tmp_path, content):
    (tmp_path / "stack.json").write_bytes(content)

    assert read(tmp_path) == State()


def test_no_record_is_an_empty_one(tmp_path):
    assert read(tmp_path / "nowhere") == State()


def test_a_copied_home_does_not_answer_for_the_processes_of_the_original(tmp_path):
    (tmp_path / "original").mkdir()
    write(tmp_path / "original", FULL)
    shutil.copytree(tmp_path / "original", tmp_path / "copy")

    assert read(tmp_path / "copy") == State()


def test_changes_made_under_the_lock_are_kept_even_if_an_error_follows(tmp_path):
    def change_and_fail():
        with locked(tmp_path) as state:
            state.simulator = SIMULATOR
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        change_and_fail()

    assert read(tmp_path).simulator == SIMULATOR


def test_a_lock_held_by_another_process_is_waited_for_in_bounds(tmp_path):
    code = f"""
from pathlib import Path
from runpodkit.stack.state import locked
with locked(Path({str(tmp_path)!r})):
    print("mine", flush=True)
    input()
"""
    holder = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with holder:
        assert holder.stdout.readline() == b"mine\n"
        with pytest.raises(StackError, match=r"for 0 s .*stack\.lock"), locked(tmp_path, patience_s=0):
            pass
        holder.kill()

    with locked(tmp_path, patience_s=5):  # the lock went with the process
        pass


def test_two_threads_of_one_process_exclude_each_other_too(tmp_path):
    with locked(tmp_path), pytest.raises(StackError), locked(tmp_path, patience_s=0):
        pass


def test_a_lock_lasts_as_long_as_a_process_that_inherited_it(tmp_path):
    path = tmp_path / "a.lock"
    first = os.open(path, os.O_RDWR | os.O_CREAT)
    assert try_lock(first)
    heir = subprocess.Popen(["/bin/sh", "-c", "exec sleep 60"], pass_fds=[first])
    os.close(first)
    second = os.open(path, os.O_RDWR)
    try:
        assert not try_lock(second)
        heir.kill()
        heir.wait()
        assert try_lock(second)
    finally:
        heir.kill()
        os.close(second)
