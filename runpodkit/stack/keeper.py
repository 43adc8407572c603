"""The keeper: ends a stack that nobody has used for a day.

A shell that sleeps, so it costs a megabyte and no Python; only when the mark that every
use leaves behind is old does it turn into `python -m runpodkit.stack HOME`, which looks again under the lock.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from runpodkit.stack import processes
from runpodkit.stack.folders import inner_folder, log_file
from runpodkit.stack.state import State, write

IDLE_S = 24 * 3600.0
LOOK_EVERY_S = 600.0
_SCRIPT = 'while sleep "$1"; do [ -n "$(find "$2" -mmin "-$3")" ] || exec "$4" -P -m runpodkit.stack "$5"; done'


def mark_used(home: Path) -> None:
    """Leave the mark of use: the stack stays up for a day from now."""
    (home / "stack.used").touch(mode=0o600)


def is_unused(home: Path, now_s: float) -> bool:
    """Whether the last mark of use is over a day old; `now_s` in seconds since the epoch."""
    try:
        return now_s - (home / "stack.used").stat().st_mtime > IDLE_S
    except FileNotFoundError:
        return True


def ensure(home: Path, state: State, look_every_s: float = LOOK_EVERY_S) -> None:
    """A keeper for this home, started if need be.  The caller holds the stack's lock."""
    if state.keeper and state.keeper.is_alive:
        return
    minutes = f"{IDLE_S / 60:.0f}"
    words = [f"{look_every_s:g}", str(home / "stack.used"), minutes, sys.executable, str(home)]
    env = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL") if name in os.environ}
    inner_folder(home, "logs")
    log = log_file(home, "keeper")
    state.keeper = processes.start(["/bin/sh", "-c", _SCRIPT, "runpodkit-keeper", *words], log=log, env=env, cwd=home)
    write(home, state)
