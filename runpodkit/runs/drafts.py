"""Files that appear whole or not at all: written under a hidden name beside their place, then renamed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def draft(path: Path) -> Iterator[Path]:
    """A hidden name in the folder of `path` to write to; takes its place at the end, or is gone if that fails.

    Folders are made.  An existing file is replaced only once the new one is whole.

    Raises:
        ValueError: `path` is a folder.
    """
    if path.is_dir():
        raise ValueError(f"{path} is a folder: name a file in it")
    path.parent.mkdir(parents=True, exist_ok=True)
    hidden = path.with_name(f".draft-{secrets.token_hex(6)}{path.suffix[:20]}")
    try:
        yield hidden
        os.replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)
