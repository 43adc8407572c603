"""Holdings: what a store has of each run, and which files its records use.

Reads records as plain JSON, much faster than `records` does, and believes nothing in them: a file counts only if it lies
where trials put theirs.  What cannot be read is an error here, never an empty answer: somebody may delete by it.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runpodkit.endpoint.keys import trial_key
from runpodkit.errors import StoreError
from runpodkit.runs.inputs import PREFIX as INPUTS
from runpodkit.runs.labels import note_key, tags_in
from runpodkit.runs.records import FILES_AT_ONCE, head_key
from runpodkit.runs.rows import RunHead
from runpodkit.runs.stars import star_key
from runpodkit.storage import Store, is_key
from runpodkit.storage.many import get_all
from runpodkit.sweeps.sweep import Sweep

RUNS = "runs/"
_FILE = re.compile(r"(?:images|unread)/[^/]+/[^/]+")
_INPUT = re.compile(re.escape(INPUTS) + r"[0-9a-f]{64}\.[a-z0-9]{1,8}")


@dataclass(frozen=True, slots=True)
class Holding:
    """What lies under `runs/<name>/`."""

    name: str
    keys: tuple[str, ...]

    @property
    def has_head(self) -> bool:
        return head_key(self.name) in self.keys

    @property
    def starred(self) -> bool:
        return star_key(self.name) in self.keys

    @property
    def tags(self) -> tuple[str, ...]:
        return tags_in(self.name, self.keys)

    @property
    def has_note(self) -> bool:
        return note_key(self.name) in self.keys

    @property
    def record_keys(self) -> tuple[str, ...]:
        return tuple(key for key in self.keys if key.startswith(f"{RUNS}{self.name}/records/"))


@dataclass(slots=True)
class Uses:
    """What the records of a run point to."""

    files: dict[str, int] = field(default_factory=dict)
    """Store keys of pictures and of outputs that could not be read, with their bytes; 0: not known."""
    pixels: dict[str, str] = field(default_factory=dict)
    """By picture, what tells its content: small versions of it lie under that name."""
    last_end: float = 0.0
    """When the last trial ended, in seconds since the epoch; 0: not known."""


def holdings(store: Store) -> dict[str, Holding]:
    """Everything under `runs/`, by name, in one listing."""
    found: dict[str, list[str]] = {}
    for key in store.keys(RUNS):
        name, _, rest = key.removeprefix(RUNS).partition("/")
        if rest:
            found.setdefault(name, []).append(key)
    return {name: Holding(name, tuple(keys)) for name, keys in found.items()}


def uses_of(store: Store, kept: Iterable[Holding], advance: Callable[[], object] | None = None) -> dict[str, Uses]:
    """What the records of these runs use, by name.

    Args:
        advance: Called after each file of records.

    Raises:
        StoreError: a file that cannot be read, or a line of it that is no record.
    """
    found: dict[str, Uses] = {one.name: Uses() for one in kept}
    keys = [(one.name, key) for one in kept for key in one.record_keys]
    for (name, _), (key, data) in zip(keys, get_all(store, (key for _, key in keys), FILES_AT_ONCE), strict=True):
        for number, line in enumerate(data.splitlines(), 1):
            try:
                _add(found[name], json.loads(line))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
                raise StoreError(f"{key}, line {number}, is no record: {str(exc)[:200]}") from None
        if advance:
            advance()
    return found


def _add(uses: Uses, record: Mapping[str, object]) -> None:
    images = record["images"]
    if not isinstance(images, list):
        raise TypeError("its images are no list")
    for image in images:
        key, size = image["key"], image.get("bytes", 0)
        if not isinstance(key, str) or not isinstance(size, int):
            raise TypeError("an image of it has no key")
        if is_file(key):
            uses.files[key] = size
            if isinstance(pixels := image.get("pixels"), str) and pixels.isalnum():
                uses.pixels[key] = pixels
    unread = record.get("unread")
    if isinstance(unread, str) and is_file(unread):
        uses.files.setdefault(unread, 0)
    uses.last_end = max(uses.last_end, _end_of(record))


def last_end(records: bytes) -> float | None:
    """When the last trial of a file of records ended, in seconds since the epoch; None where none of it tells."""
    ends = []
    for line in records.splitlines():
        with contextlib.suppress(ValueError, TypeError, AttributeError, RecursionError):
            ends.append(_end_of(json.loads(line)))
    return max(ends, default=0.0) or None


def _end_of(record: Mapping[str, object]) -> float:
    ended = record.get("ended_at")
    return datetime.fromisoformat(ended).timestamp() if isinstance(ended, str) else 0.0


def is_file(key: str) -> bool:
    """Whether trials put their files under such a key; anything else that a record names is not its own."""
    return is_key(key) and _FILE.fullmatch(key) is not None


def inputs_in(plan: Mapping[str, object]) -> set[str]:
    """Store keys of the input images that a plan names."""
    return set(_INPUT.findall(json.dumps(plan, ensure_ascii=False)))


def key_in(file: str) -> str:
    """The key of the trial that a file belongs to."""
    return file.rpartition("/")[2].partition("-")[0]


def planned_keys(head: RunHead) -> set[str]:
    """The keys of all trials of a run, drawn or not; a joint run has none of its own."""
    if head.parts:
        return set()
    dialect = head.spelling
    return {
        trial_key(head.identity, dialect.canonical(dialect.resolve(trial.params)), trial.repeat)
        for trial in Sweep.from_plan(dict(head.plan)).trials(head.name)
    }
