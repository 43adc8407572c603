"""What runs, as written in RUNPODKIT_HOME/stack.json, and the lock that guards changes of it.

Holds the stand-in's key, so only this user can read it.  A file that cannot be read
counts as empty: a server that runs all the same is found by its socket.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from pydantic import BaseModel, Field, ValidationError

from runpodkit.errors import StackError
from runpodkit.logs import runpod_log
from runpodkit.stack.processes import Process, wait_until

LOCK_PATIENCE_S = 60.0


class RedisRecord(BaseModel):
    """The embedded server."""

    process: Process
    socket: Path


class SimulatorRecord(BaseModel):
    """The stand-in for RunPod.  Port and key outlive the process: the next one takes them over."""

    process: Process | None = None
    port: int
    key: str = Field(repr=False)


class WorkerRecord(BaseModel):
    """A Celery worker and what it serves."""

    process: Process
    fingerprint: str
    family: str
    """The fingerprint without the package's version: what an upgrade leaves as it was."""
    package: Path
    newest_ns: int
    """Time of the package's newest file when the worker was started."""
    broker: str
    """8 hex of the broker's URL, which may hold a password."""
    log: Path
    draining: bool = False


class State(BaseModel):
    """Everything the stack of one home has running."""

    home: Path | None = None
    """Whose record this is: a copied folder must not answer for the processes of the original."""
    redis: RedisRecord | None = None
    simulator: SimulatorRecord | None = None
    workers: list[WorkerRecord] = []
    keeper: Process | None = None


def read(home: Path) -> State:
    """What is recorded; empty where nothing is, or nothing readable."""
    try:
        state = State.model_validate_json((home / "stack.json").read_bytes())
        return state if state.home == home.resolve() else State()
    except FileNotFoundError:
        return State()
    except (OSError, ValidationError) as exc:
        runpod_log.warning("{} cannot be read and counts as empty: {}", home / "stack.json", type(exc).__name__)
        return State()


def write(home: Path, state: State) -> None:
    """Replace the record whole; readable by this user only."""
    state.home = home.resolve()
    handle, name = tempfile.mkstemp(prefix=".stack-", dir=home)  # mode 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(state.model_dump_json(indent=1))
        os.replace(name, home / "stack.json")
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


@contextlib.contextmanager
def locked(
    home: Path,
    *,
    patience_s: float = LOCK_PATIENCE_S,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[State]:
    """The state, while nobody else changes it; written back at the end, also after an error.

    Not to be entered twice by one caller: it would wait for itself.

    Raises:
        StackError: another process has held the lock for `patience_s`.
    """
    path = home / "stack.lock"
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        if not wait_until(lambda: try_lock(handle), patience_s, clock=clock, sleep=sleep):
            raise StackError(
                "stack",
                f"another process has been starting or stopping it for {patience_s:.0f} s ({path})",
                "Wait for it, or end it; the lock goes with the process",
            )
        state = read(home)
        try:
            yield state
        finally:
            write(home, state)
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Take the lock of an open file; it lasts until the last process that inherited the file is gone."""
    import fcntl  # not there on Windows, where home_folder() has refused before

    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
