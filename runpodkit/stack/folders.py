"""Folders of the stack: the home it keeps its data in, and the short runtime folder of its socket.

A socket in a folder that only this user can enter needs no password, so a folder that
somebody else owns, may write to, or has replaced by a link is refused, never repaired.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
from collections.abc import Mapping
from pathlib import Path

from runpodkit.errors import StackError

SOCKET_NAME = "redis.sock"
READY_NAME = "simulator.json"
_LONGEST_SOCKET_PATH = 99
"""Bytes.  The kernel's field holds 108 on Linux and 104 on macOS, its closing zero included."""
_SHARED_TEMP = Path("/tmp")  # noqa: S108 - $TMPDIR may be long; what is made here is checked below


def home_folder(home: Path) -> Path:
    """`home`, made if missing and then open to this user alone.

    An existing folder keeps its mode, as it may hold more than ours: it only must belong to
    this user and not be writable by others.

    Raises:
        StackError: it cannot be made, or others could change what lies in it.
    """
    if os.name == "nt":
        raise StackError("stack", "native Windows has no Unix sockets for it", "Use WSL2, where everything works")
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = home.stat()
    except OSError as exc:
        raise StackError("stack", f"{home}: {exc.strerror}", "Set RUNPODKIT_HOME to a folder you can write to") from exc
    if about.st_uid != os.getuid():
        raise StackError("stack", f"{home} belongs to another user", "Set RUNPODKIT_HOME to a folder of your own")
    if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise StackError("stack", f"others may write to {home}", f"Run: chmod go-w {home}")
    return home


def inner_folder(home: Path, name: str) -> Path:
    """`home/name`, which only this user can enter."""
    folder = home / name
    folder.mkdir(mode=0o700, exist_ok=True)
    folder.chmod(0o700)
    return folder


def log_file(home: Path, name: str) -> Path:
    """Where the log of a part is; makes nothing."""
    return home / "logs" / f"{name}.log"


def runtime_folder(
    home: Path,
    *,
    environ: Mapping[str, str] = os.environ,
    uid: int | None = None,
    shared_temp: Path = _SHARED_TEMP,
) -> Path:
    """The folder of this home's socket: local, short, 0700, made if missing.

    `$XDG_RUNTIME_DIR/runpodkit-<8 hex of home>` where that exists and is this user's,
    else `/tmp/runpodkit-<uid>/<8 hex of home>`.

    Raises:
        StackError: the folder is not this user's alone, so a socket in it could be somebody else's.
    """
    uid = os.getuid() if uid is None else uid
    session = Path(environ.get("XDG_RUNTIME_DIR") or "/nonexistent")
    candidate = session / f"runpodkit-{_mark(home)}"
    if session.is_absolute() and _is_private(session, uid) and _socket_fits(candidate):
        return _private_folder(candidate, uid)
    return _private_folder(_private_folder(shared_temp / f"runpodkit-{uid}", uid) / _mark(home), uid)


def is_socket_of(home: Path, path: Path) -> bool:
    """Whether `path` is where this home's server would listen, in whichever runtime folder; looks at names only."""
    return path.name == SOCKET_NAME and path.parent.name in (_mark(home), f"runpodkit-{_mark(home)}")


def remove_runtime_folder(home: Path) -> None:
    """Leave nothing behind, if the folder is ours and holds nothing of others."""
    with contextlib.suppress(OSError, StackError):
        folder = runtime_folder(home)
        for name in (SOCKET_NAME, READY_NAME):
            (folder / name).unlink(missing_ok=True)
        folder.rmdir()


def _mark(home: Path) -> str:
    return hashlib.sha256(os.fsencode(home.resolve())).hexdigest()[:8]


def _socket_fits(folder: Path) -> bool:
    return len(os.fsencode(folder / SOCKET_NAME)) <= _LONGEST_SOCKET_PATH


def _private_folder(folder: Path, uid: int) -> Path:
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as exc:
        raise _refusal(folder, exc.strerror or str(exc)) from exc
    if not _is_private(folder, uid):
        raise _refusal(folder, "it must be a folder, no link, owned by you, with mode 0700")
    if not _socket_fits(folder):
        raise _refusal(folder, f"its path is too long for a Unix socket (over {_LONGEST_SOCKET_PATH} bytes)")
    return folder


def _is_private(folder: Path, uid: int) -> bool:
    try:
        about = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(about.st_mode) and about.st_uid == uid and stat.S_IMODE(about.st_mode) & 0o077 == 0


def _refusal(folder: Path, reason: str) -> StackError:
    return StackError(
        "stack",
        f"the runtime folder {folder} cannot be trusted: {reason}",
        "Remove it, or set XDG_RUNTIME_DIR to a short folder of your own with mode 0700",
    )
