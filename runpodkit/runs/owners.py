"""Owners: who drives, as a name that tells on the same machine whether that process still lives."""

from __future__ import annotations

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Unique among live drivers: machine, and process within it."""
    return f"{_machine()}:{os.getpid()}"


def is_dead(owner: str) -> bool:
    """Whether the process is gone for certain; of another machine's that is never known here."""
    machine, _, pid = owner.rpartition(":")
    if machine != _machine() or not pid.isdigit():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _machine() -> str:
    """Host and process namespace: containers may share a host's name, and number their processes alike."""
    try:
        space = os.readlink("/proc/self/ns/pid").strip("pid:[]")
    except OSError:
        space = "0" if Path("/proc").exists() else ""
    return f"{socket.gethostname()}/{space}"
