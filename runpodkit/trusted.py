"""Files whose words are obeyed: read only where they are this user's own and nobody else may write to them.

The file that is checked is the file that is read: one handle for both.  Knows nothing of what the words mean.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

from dotenv import dotenv_values

from runpodkit.errors import ConfigError

MAX_BYTES = 1024 * 1024


def read_trusted(path: Path, *, private: bool = False) -> str | None:
    """The text of a file; None if there is none of that name: a folder or a device is none.

    Args:
        private: Nobody else may read it either.

    Raises:
        ConfigError: it belongs to somebody else, others may write it, or it is no text of at most 1 MiB.
    """
    try:
        name, handle = path.lstat(), os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as exc:
        raise ConfigError(f"{path} cannot be read: {exc.strerror}") from None
    about = os.fstat(handle)
    if not stat.S_ISREG(about.st_mode):
        os.close(handle)
        return None
    with open(handle, "rb") as file:
        # a link that somebody else put there chooses which of our files is obeyed
        if {about.st_uid, name.st_uid} != {os.getuid()}:
            raise ConfigError(f"{path} belongs to another user, so it is not read: chown it or move it away")
        if about.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ConfigError(f"{path} may be written by others, so it is not read: chmod 600 {path}")
        if private and about.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise ConfigError(f"{path} may be read by others, so it is not used: chmod 600 {path}")
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{path} is larger than {MAX_BYTES // 1024} KiB: that is no file of settings")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{path} is not UTF-8 text: save it as UTF-8") from None
    if "\0" in text:
        raise ConfigError(f"{path} holds a NUL byte: save it as UTF-8 text")
    return text


def env_values(text: str) -> dict[str, str]:
    """What a `.env` sets; empty values count as not set.

    A `$` is a `$`: a file that could ask for variables would pass off the environment's keys as its own.
    """
    found = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value}
