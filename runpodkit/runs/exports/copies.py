"""Pictures of a run copied into a folder, some at once, with a bar."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from runpodkit.runs.drafts import draft
from runpodkit.runs.watch import progress
from runpodkit.storage import Store
from runpodkit.storage.many import each

AT_ONCE = 8
"""Pictures in memory at most; a bucket answers that many from its pool of connections."""


def copy_pictures(store: Store, wanted: Iterable[tuple[str, Path]]) -> None:
    """Write each key's bytes, as stored, to its path; existing files are replaced whole.

    Raises:
        StoreError: a picture that cannot be read; those before it are there by then.
    """
    pairs = list(wanted)
    with progress("pictures", len(pairs)) as step:
        each(lambda pair: _copy(store, *pair), pairs, AT_ONCE, step, "written")


def _copy(store: Store, key: str, path: Path) -> None:
    data = store.get(key)
    with draft(path) as hidden:
        hidden.write_bytes(data)
