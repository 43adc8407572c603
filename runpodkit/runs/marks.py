"""Marks: stars and notes that people give to single trials of a run.

Kept beside the run's records in the store, a file per process that gave some, so two people never overwrite each
other: of what they say about the same trial the last word counts, by time.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from numbers import Integral
from secrets import token_hex
from threading import Lock

from runpodkit.errors import NoSuchKeyError, StoreError
from runpodkit.runs.plans import check_name
from runpodkit.storage import Store

NOTE_CHARS = 1000
STARRED, NOTE = "starred", "note"
UNSAID: Mapping[str, bool | None] = {STARRED: False, NOTE: None}
"""The columns that marks become, and what holds for a trial of which nobody said anything."""
_writing = Lock()
_rater = token_hex(4)


@dataclass(frozen=True, slots=True)
class Mark:
    """What somebody said of a trial at one time; None: nothing about that."""

    trial: int
    at: str
    """When, in UTC."""
    starred: bool | None = None
    note: str | None = None
    """Empty: the note there was is taken away."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What counts by now."""

    stars: dict[int, bool]
    """Of trials that somebody gave a star or took one from."""
    notes: dict[int, str]
    """Of trials that have one."""

    @property
    def starred(self) -> list[int]:
        """Trials with a star, by number."""
        return sorted(trial for trial, has in self.stars.items() if has)


def mark_trial(
    store: Store, run: str, trials: int, trial: int, *, starred: bool | None = None, note: str | None = None
) -> None:
    """Say something of one trial; what was not said stays as it is.

    Args:
        trials: How many the run has.

    Raises:
        ValueError: no such trial, or a note that cannot be meant.
        StoreError: the store takes nothing.
    """
    if isinstance(trial, bool) or not isinstance(trial, Integral) or not 0 <= trial < trials:
        raise ValueError(f"trial={trial!r}: this run has trials 0 to {trials - 1}")
    if note is not None and not isinstance(note, str):
        raise ValueError(f"note={note!r}: give text; an empty one takes it away")
    if note is not None and len(note) > NOTE_CHARS:
        raise ValueError(f"note: {len(note):,} characters, {NOTE_CHARS:,} at most for one trial")
    text = None if note is None else note.strip().encode("utf-8", "replace").decode()
    mark = Mark(int(trial), datetime.now(UTC).isoformat(timespec="microseconds"), starred, text)
    key = f"{_folder(run)}{_rater}.jsonl"
    with _writing:
        try:
            before = _read(key, store.get(key))
        except NoSuchKeyError:
            before = []
        lines = [json.dumps(dataclasses.asdict(one), ensure_ascii=False) + "\n" for one in _shortened([*before, mark])]
        store.put(key, "".join(lines).encode(), "application/x-ndjson")


def read_marks(store: Store, run: str) -> Marks:
    """What counts by now, of all that anybody said.

    Raises:
        StoreError: the store does not answer, or holds a line that is no mark.
    """
    given = [mark for key in store.keys(_folder(run)) for mark in _read(key, store.get(key))]
    marks = Marks({}, {})
    for one in sorted(given, key=lambda mark: mark.at):
        if one.starred is not None:
            marks.stars[one.trial] = one.starred
        if one.note:
            marks.notes[one.trial] = one.note
        elif one.note is not None:
            marks.notes.pop(one.trial, None)
    return marks


def _folder(run: str) -> str:
    return f"runs/{check_name(run)}/marks/"


def _read(key: str, data: bytes) -> list[Mark]:
    found = []
    for number, line in enumerate(data.splitlines(), 1):  # of bytes: text has more line ends than JSON lines
        try:
            given = json.loads(line)
            mark = Mark(int(given["trial"]), str(given["at"]), given["starred"], given["note"])
            if not isinstance(mark.starred, bool | None) or not isinstance(mark.note, str | None):
                raise ValueError("its star or note is none")
        except (ValueError, TypeError, KeyError, RecursionError) as exc:
            raise StoreError(f"{key}, line {number}, is no mark that this version reads: {str(exc)[:100]}") from None
        found.append(mark)
    return found


def _shortened(given: Iterable[Mark]) -> list[Mark]:
    """Of each trial the last word on its star, and the last on its note."""
    last = {}
    for one in given:
        for about in (("starred",) if one.starred is not None else ()) + (("note",) if one.note is not None else ()):
            last[one.trial, about] = one
    return sorted(set(last.values()), key=lambda mark: mark.at)


def _forget() -> None:
    """A forked child is another process: it writes a file of its own."""
    global _rater, _writing
    _rater, _writing = token_hex(4), Lock()


os.register_at_fork(after_in_child=_forget)
