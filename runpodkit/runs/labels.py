"""Labels: the tags and the note of a run, small files beside its head in the store.

This is their one home, for a run that moves as for one whose ledger is long gone.  A tag is a file without content,
so one listing tells the tags of all runs, and two people who add some never overwrite each other.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from runpodkit.errors import NoSuchKeyError
from runpodkit.runs.plans import check_name
from runpodkit.storage import Store, is_key

TAG_CHARS = 40
NOTE_CHARS = 4000
_TAGS, _NOTE = "tags/", "note.txt"


def check_tags(given: str | Iterable[str]) -> tuple[str, ...]:
    """Tags as they are kept, each once: blanks at the ends are dropped, any script is fine.

    Raises:
        ValueError: with everything that is wrong with any of them.
    """
    words = [given] if isinstance(given, str) else list(given)
    if problems := [problem for word in words if (problem := _flaw(word))]:
        raise ValueError("; ".join(problems))
    return tuple(dict.fromkeys(_kept(word) for word in words))


def check_note(note: str) -> str:
    """A note as it is kept.

    Raises:
        ValueError: no text, or too long.
    """
    if not isinstance(note, str):
        raise ValueError(f"note={note!r}: give text")
    if len(note) > NOTE_CHARS:
        raise ValueError(f"note: {len(note):,} characters, {NOTE_CHARS:,} at most; the first are {note[:40]!r}")
    return note.strip().encode("utf-8", "replace").decode()


def add_tags(store: Store, run: str, tags: Iterable[str]) -> None:
    """Give a run these tags besides those it has; safe to repeat."""
    for tag in check_tags(tags):
        store.put(tag_key(run, tag), b"", "text/plain")


def drop_tags(store: Store, run: str, tags: Iterable[str]) -> None:
    """Take these tags away; one that a run does not have is fine."""
    for tag in check_tags(tags):
        store.delete(tag_key(run, tag))


def first_labels(store: Store, run: str, tags: Iterable[str], note: str) -> None:
    """What a run is submitted with: tags besides those it has, and a note where it has none yet."""
    add_tags(store, run, tags)
    if note and not note_of(store, run):
        set_note(store, run, note)


def tags_of(store: Store, run: str) -> tuple[str, ...]:
    """The tags of a run, in order of the alphabet."""
    return tags_in(run, store.keys(f"{_folder(run)}{_TAGS}"))


def tags_in(run: str, keys: Iterable[str]) -> tuple[str, ...]:
    """The tags that a listing of a run's keys tells."""
    start = f"{_folder(run)}{_TAGS}"
    return tuple(sorted(unicodedata.normalize("NFC", key.removeprefix(start)) for key in keys if key.startswith(start)))


def tag_key(run: str, tag: str) -> str:
    """Where a tag of a run lies, if it has it."""
    return f"{_folder(run)}{_TAGS}{tag}"


def note_key(run: str) -> str:
    """Where the note of a run lies, if it has one."""
    return f"{_folder(run)}{_NOTE}"


def set_note(store: Store, run: str, note: str) -> None:
    """Replace the note of a run; an empty one takes it away."""
    if text := check_note(note):
        store.put(note_key(run), text.encode(), "text/plain; charset=utf-8")
    else:
        store.delete(note_key(run))


def note_of(store: Store, run: str) -> str:
    """The note of a run; empty: none."""
    try:
        return store.get(note_key(run)).decode("utf-8", "replace")
    except NoSuchKeyError:
        return ""


def _folder(run: str) -> str:
    return f"runs/{check_name(run)}/"


def _kept(tag: str) -> str:
    return unicodedata.normalize("NFC", " ".join(tag.split()))


def _flaw(tag: object) -> str | None:
    if not isinstance(tag, str):
        return f"tag {tag!r}: give text"
    word = _kept(tag)
    if not 1 <= len(word) <= TAG_CHARS:
        return f"tag {tag[:60]!r}: it has {len(word)} characters, 1 to {TAG_CHARS} are kept"
    if found := [mark for mark in ",/\\" if mark in word]:
        return f"tag {tag!r}: it holds {found[0]!r}; leave it out"
    if not is_key(word):
        return f"tag {tag!r}: it starts with a dot, or holds control characters or broken text"
    return None
