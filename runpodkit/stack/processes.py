"""Processes that outlive whoever started them, known again by pid and start time.

A pid alone is no name: it is given out again.  Nothing is ever signalled whose start
time differs from the recorded one.  Knows neither Redis nor Celery.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from threading import Thread

from pydantic import BaseModel, ConfigDict

LOG_LIMIT = 5_000_000
"""Bytes.  A log longer than this is put aside as `.1` before the next start."""
_PROC = Path("/proc")


class Process(BaseModel):
    """One process, for as long as it lives."""

    model_config = ConfigDict(frozen=True)

    pid: int
    started: str
    """When, as the system tells it; only good for comparing."""

    @property
    def is_alive(self) -> bool:
        """False also for a pid that meanwhile means another process, and for one that is dead but not yet reaped."""
        return bool(self.started) and started_at(self.pid) == self.started


def identify(pid: int) -> Process:
    """The process that has this pid now."""
    return Process(pid=pid, started=started_at(pid) or "")


def started_at(pid: int) -> str | None:
    """When the process with this pid was started; None where there is none."""
    return _started_by_proc(pid) if (_PROC / "self" / "stat").exists() else _started_by_ps(pid)


def start(
    argv: Sequence[str],
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path | None = None,
    keep_open: Sequence[int] = (),
) -> Process:
    """Start `argv` in a session of its own, so an interrupt of the kernel never reaches it; output goes to `log`.

    `keep_open` are file descriptors that the process inherits.

    Raises:
        OSError: the program or the log cannot be opened.
    """
    if log.exists() and log.stat().st_size > LOG_LIMIT:
        log.replace(log.with_name(f"{log.name}.1"))
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    try:
        child = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=dict(env),
            cwd=cwd,
            pass_fds=keep_open,
            start_new_session=True,
        )
    finally:
        os.close(out)
    process = identify(child.pid)
    Thread(target=child.wait, name=f"reap {child.pid}", daemon=True).start()  # or it would stay as a zombie
    return process


def stop(
    processes: Sequence[Process],
    *,
    patience_s: float = 10.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Process]:
    """Ask all to end (SIGTERM), end those that live on after `patience_s` with their children (SIGKILL).

    Returns:
        Those that were alive and were stopped.
    """
    alive = [process for process in processes if process.is_alive]
    for process in alive:
        _signal(process, signal.SIGTERM)
    if not wait_until(lambda: not any(p.is_alive for p in alive), patience_s, clock=clock, sleep=sleep):
        for process in alive:
            _signal(process, signal.SIGKILL, whole_group=True)
        wait_until(lambda: not any(p.is_alive for p in alive), 2.0, clock=clock, sleep=sleep)
    return alive


def ask_to_end(process: Process, *, whole_group: bool = False) -> None:
    """SIGTERM, without waiting."""
    _signal(process, signal.SIGTERM, whole_group=whole_group)


def wait_until(
    holds: Callable[[], bool],
    patience_s: float,
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether `holds()` within `patience_s`; looked at least once, then ever more slowly."""
    end, pause_s = clock() + patience_s, 0.01
    while not holds():
        if clock() >= end:
            return False
        sleep(pause_s)
        pause_s = min(pause_s * 1.5, 0.25)
    return True


def _signal(process: Process, what: signal.Signals, *, whole_group: bool = False) -> None:
    if not process.is_alive:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if whole_group and os.getpgid(process.pid) == process.pid:  # leads the group that start() made
            os.killpg(process.pid, what)
        else:
            os.kill(process.pid, what)


def _started_by_proc(pid: int) -> str | None:
    try:
        line = (_PROC / str(pid) / "stat").read_text(errors="replace")
    except OSError:
        return None
    fields = line.rpartition(")")[2].split()  # the name in parentheses may hold blanks and parentheses
    state, ticks_since_boot = fields[0], fields[19]
    return None if state in "ZX" else f"{_boot()}:{ticks_since_boot}"


@cache
def _boot() -> str:
    """Ticks start anew at each boot, so they are told apart by the boot they belong to."""
    try:
        return (_PROC / "sys/kernel/random/boot_id").read_text().strip()[:8]
    except OSError:
        return "boot"


def _started_by_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)],
        capture_output=True,
        text=True,
        env={**os.environ, "LC_ALL": "C"},
        check=False,
    )
    state, _, started = answer.stdout.strip().partition(" ")
    return None if not state or state.startswith("Z") else " ".join(started.split())
