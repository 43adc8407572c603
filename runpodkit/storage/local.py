"""A store in a folder: one file per key, at the path the key spells.

A reader sees a file whole or not at all, whenever a writer or the machine stops: bytes go
to a hidden file in the same folder, onto the disk, and then take the key's name.
Anybody may look into the folder, copy it or serve it: there is no index to fall behind.
Content types are not kept.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from runpodkit.errors import NoSuchKeyError, StoreError
from runpodkit.storage import LINK_S, check_key, check_lasts, check_prefix, is_key

_HIDDEN = ".put-"  # keys have no part that starts with a dot, so nothing of this is ever listed
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_FORBIDDEN = (errno.EACCES, errno.EPERM, errno.EROFS)
_RACES = 5


class LocalStore:
    """A store in `folder`, which is made by the first `put`."""

    describe = "folder"

    def __init__(self, folder: Path) -> None:
        self.folder = folder.expanduser().absolute()

    def __repr__(self) -> str:
        return f"LocalStore({str(self.folder)!r})"

    def put(self, key: str, data: bytes, content_type: str | None = None) -> None:
        path = self._path(key)
        try:
            with self._new_file(path.parent) as (descriptor, hidden):
                _write(descriptor, data)
                os.replace(hidden, path)
            _sync_folder(path.parent)
        except OSError as exc:
            raise self._error(exc, f"store key {key!r}") from None

    def get(self, key: str) -> bytes:
        try:
            return self._path(key).read_bytes()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
            raise NoSuchKeyError(f"cannot read key {key!r}: there is no such key in {self.folder}") from None
        except OSError as exc:
            raise self._error(exc, f"read key {key!r}") from None

    def keys(self, prefix: str = "") -> Iterator[str]:
        return self._walk(prefix.rpartition("/")[0], check_prefix(prefix))

    def delete(self, key: str) -> None:
        path = self._path(key)
        try:
            path.unlink(missing_ok=True)
        except (NotADirectoryError, IsADirectoryError):
            return
        except OSError as exc:
            if os.path.isdir(path):  # macOS calls this EPERM
                return
            raise self._error(exc, f"delete key {key!r}") from None
        with contextlib.suppress(OSError):  # a folder that still holds something stays
            for folder in path.parents:
                if folder == self.folder:
                    break
                folder.rmdir()

    def url(self, key: str, lasts_s: int = LINK_S) -> str:
        check_lasts(lasts_s)
        return self._path(key).as_uri()

    def _path(self, key: str) -> Path:
        return self.folder / check_key(key)

    @contextlib.contextmanager
    def _new_file(self, folder: Path) -> Iterator[tuple[int, Path]]:
        """A hidden file in `folder`; gone afterwards, unless it was given another name."""
        hidden = folder / f"{_HIDDEN}{secrets.token_hex(8)}"
        descriptor = _create(hidden)
        try:
            yield descriptor, hidden
        finally:
            os.close(descriptor)
            hidden.unlink(missing_ok=True)

    def _walk(self, folder: str, prefix: str) -> Iterator[str]:
        """Keys below `folder` that start with `prefix`; only folders that can hold some are opened."""
        try:
            with os.scandir(self.folder / folder) as entries:
                # A folder sorts as its keys do: `a.png` comes before `a/b.png`, since "." < "/".
                names = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in entries)
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as exc:
            raise self._error(exc, f"list keys that start with {prefix!r}") from None
        for name in names:
            key = f"{folder}/{name}" if folder else name
            if not is_key(key.removesuffix("/")):
                continue
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key.removesuffix("/"), prefix)
            elif key.startswith(prefix):
                yield key

    def _error(self, exc: OSError, deed: str) -> StoreError:
        if exc.errno in _FULL:
            why = f"the disk or quota of {self.folder} is full: make room, or set RUNPODKIT_HOME to a folder with more"
        elif exc.errno in _FORBIDDEN:
            why = f"no permission in {exc.filename or self.folder}: change its owner or mode, or set RUNPODKIT_HOME"
        elif exc.errno in (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY):
            why = f"in {self.folder} a file stands where it needs a folder, or a folder where it needs a file"
        else:
            why = f"{os.strerror(exc.errno) if exc.errno else exc} in {self.folder}: see that the disk is well"
        return StoreError(f"cannot {deed}: {why}")


def _create(path: Path) -> int:
    """A new file's descriptor.  Its folder is made too, and again if a `delete` just removed it as empty."""
    for race in range(_RACES):
        try:
            return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        except FileNotFoundError:
            if race == _RACES - 1:
                raise
            path.parent.mkdir(parents=True, exist_ok=True)
    raise AssertionError("unreachable")


def _write(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    """Put the new name on the disk as well; a file system that cannot do that for folders is left alone."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
