"""Provenance: where a run was asked for: notebook, commit, versions, Python, user.

Read once, when a run is submitted, and kept with its head.  No environment, no setting, no machine's name; paths are
told from the working folder or the home folder on.  What cannot be known is None, and nothing here fails a submit.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PACKAGES = ("runpodkit", "pydantic", "celery", "redis", "httpx", "pillow", "pandas", "numpy")
"""Whose versions are noted, where they are installed."""
GIT_PATIENCE_S = 1.0
"""How long git may look for changes; in a larger tree nobody knows whether there are some."""
_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
_VSCODE_MARK = re.compile(r"-jvsc-.*$")


def gather(folder: Path | None = None) -> dict[str, Any]:
    """Where a run is asked for just now.

    Args:
        folder: The working folder; default: that of this process.

    Returns:
        `notebook` (a path, None outside a kernel), `git` (`commit` and `dirty`, None outside a repository; `dirty`
        is None where git does not tell within a second), `packages`, `python` and `user`.
    """
    here = folder or _or_none(Path.cwd)
    return {
        "notebook": here and _or_none(lambda: notebook(here)),
        "git": here and _or_none(lambda: commit(here)),
        "packages": _versions(),
        "python": platform.python_version(),
        "user": _or_none(getpass.getuser),
    }


def notebook(folder: Path) -> str | None:
    """The notebook that this kernel serves, from `folder` or the home folder on; None where there is none."""
    shell = _shell()
    if shell is None:
        return None
    names: Mapping[str, Any] = shell.user_ns
    told = names.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or names.get("__session__")
    if not isinstance(told, str) or not told.strip():
        return None
    return from_here(_VSCODE_MARK.sub("", told.strip()), folder)


def from_here(path: str, folder: Path) -> str:
    """A path without what only this machine has: from `folder` on, else `~/…`, else its last part."""
    given = Path(path)
    if not given.is_absolute():
        return given.as_posix()
    if given.is_relative_to(folder):
        return given.relative_to(folder).as_posix()
    home = Path.home()
    return f"~/{given.relative_to(home).as_posix()}" if given.is_relative_to(home) else given.name


def commit(folder: Path) -> dict[str, Any] | None:
    """The commit that is checked out where `folder` lies, and whether tracked files differ from it."""
    place = next((at for at in (folder, *folder.parents) if (at / ".git").exists()), None)
    if place is None:
        return None
    known = _head_commit(place / ".git")
    return None if known is None else {"commit": known, "dirty": _or_none(lambda: _is_dirty(place))}


def _head_commit(git: Path) -> str | None:
    """What HEAD points to, read from git's own files: that cannot hang."""
    if git.is_file():  # a worktree of its own names the folder that has its HEAD
        git = git.parent / git.read_text("utf-8").removeprefix("gitdir:").strip()
    shared = git / "commondir"
    common = git / shared.read_text("utf-8").strip() if shared.is_file() else git
    head = (git / "HEAD").read_text("utf-8").strip()
    if head.startswith("ref: "):
        head = _ref(common, head.removeprefix("ref: ").strip())
    return head if _COMMIT.fullmatch(head) else None


def _ref(git: Path, name: str) -> str:
    with contextlib.suppress(OSError):
        return (git / name).read_text("utf-8").strip()
    for line in (git / "packed-refs").read_text("utf-8").splitlines():
        if line.endswith(f" {name}"):
            return line.partition(" ")[0]
    return ""


def _is_dirty(place: Path) -> bool:
    words = [
        "git",
        "-c",
        "core.fsmonitor=false",
        "--no-optional-locks",
        "status",
        "--porcelain",
        "--untracked-files=no",
    ]
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(
        words, cwd=place, env=env, capture_output=True, stdin=subprocess.DEVNULL, timeout=GIT_PATIENCE_S, check=True
    )
    return bool(done.stdout.strip())


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def _shell() -> Any:
    """The shell of a kernel; None in a terminal or a script."""
    if "IPython" not in sys.modules:
        return None
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    return shell if hasattr(shell, "kernel") else None


def _or_none(ask: Callable[[], T]) -> T | None:
    with contextlib.suppress(Exception):  # whatever it is, a run does not fail for it
        return ask()
    return None


def in_words(known: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known, for people: (name, words)."""
    git = known.get("git") or {}
    changed = {True: ", with changes that were not committed", False: "", None: ", changes unknown"}
    words = {
        "notebook": known.get("notebook"),
        "commit": f"{git['commit']}{changed[git.get('dirty')]}" if git.get("commit") else None,
        "python": known.get("python"),
        "packages": ", ".join(f"{name} {number}" for name, number in (known.get("packages") or {}).items()),
        "user": known.get("user"),
    }
    return [(name, str(text)) for name, text in words.items() if text]
