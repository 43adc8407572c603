"""Files that appear whole or not at all: written under a hidden name beside their place, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runpodkit.errors import StoreError


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A hidden name in the folder of `path` to write to; takes its place at the end, or is gone if that fails.

    Folders are made.  An existing file is replaced only once the new one is whole.

    Raises:
        ValueError: `path` is a folder.
        StoreError: the file cannot be written: no room, no permission.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    hidden = path.with_name(f".draft-{secrets.token_hex(6)}{path.suffix[:20]}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield hidden
        os.replace(hidden, path)
    except (FileExistsError, NotADirectoryError) as exc:
        raise StoreError(f"cannot write {path}: a file stands where it needs a folder; choose another place") from exc
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else str(exc)
        raise StoreError(f"cannot write {path}: {reason}; make room there, or choose another place") from exc
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
