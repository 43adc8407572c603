"""Finding runs: all there are, in the ledger or in the store alone, newest first, by what people remember of them.

Rows of a ledger expire a week after a run; then its head in the store tells the same.  One listing tells names, tags,
stars and notes; heads that the ledger does not have are read side by side, one small file each.  Single pictures and
the parts of joint runs are left out.  Reads only.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
import unicodedata
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta
from numbers import Integral
from time import time as seconds_now
from typing import Any

from runpodkit.errors import NoSuchKeyError, StoreError
from runpodkit.reprs import cut
from runpodkit.runs.holdings import Holding, holdings
from runpodkit.runs.labels import check_tags, note_of
from runpodkit.runs.ledger import Ledger, RunStatus
from runpodkit.runs.pruned import seconds_of
from runpodkit.runs.records import FILES_AT_ONCE, head_in, head_key
from runpodkit.runs.rows import RunHead, RunState
from runpodkit.runs.totals import FIRST_ROWS, Totals, totals_in, totals_of
from runpodkit.storage import Store
from runpodkit.storage.many import get_all, in_order

Since = str | date | datetime | timedelta | float | None
PICTURED = 50
"""Of the newest so many runs a picture is looked for."""
COUNTED_FILES = 20
"""A run without totals, from before there were any or not over, is counted by so many files of records at most."""
COUNTED_RUNS = 200
_SINGLE = re.compile(r"one-(?:[0-9a-f]{16}|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})")
"""What single pictures are called; there may be thousands, so their heads are not read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which runs are looked for; what is None or empty does not matter."""

    tags: tuple[str, ...] = ()
    """It has all of these."""
    since: float | None = None
    """Seconds since the epoch; it was started then or later."""
    words: tuple[str, ...] = ()
    """Each stands in its name, prompts, note or tags."""
    endpoints: frozenset[str] = frozenset()
    states: frozenset[RunState] = frozenset()
    starred: bool | None = None
    limit: int | None = None

    def by_listing(self, one: Holding | None) -> bool:
        """Whether it may be meant, as far as a listing tells."""
        tags, starred = (one.tags, one.starred) if one else ((), False)
        has = {folded(tag) for tag in tags}
        return all(folded(tag) in has for tag in self.tags) and self.starred in (None, starred)

    def by_head(self, head: RunHead, state: RunState) -> bool:
        """Whether it may be meant, as far as its head and state tell."""
        if self.since is not None and head.created_at < self.since:
            return False
        if self.states and state not in self.states:
            return False
        return not self.endpoints or not self.endpoints.isdisjoint(_names_of(head.endpoint))

    def by_text(self, found: Found) -> bool:
        """Whether every word stands somewhere in what people wrote about it."""
        if not self.words:
            return True
        text = folded("\n".join([found.head.name, found.note, *found.tags, *prompts_in(found.head.plan)]))
        return all(word in text for word in self.words)


@dataclass(frozen=True, slots=True)
class Found:
    """One run, as a list of runs shows it."""

    head: RunHead
    state: RunState
    totals: Totals | None
    """None: nobody counted its trials."""
    tags: tuple[str, ...] = ()
    note: str = ""
    starred: bool = False


@dataclass(slots=True)
class Search:
    """What was found, newest first, and heads that cannot be read, in words."""

    runs: list[Found]
    problems: list[str] = field(default_factory=list)


def wanted(
    tag: str | Iterable[str] | None,
    since: Since,
    text: str | None,
    endpoint: str | Iterable[str] | None,
    state: str | Iterable[str] | None,
    starred: bool | None,
    limit: int | None,
    *,
    now: Callable[[], float] = seconds_now,
) -> Wanted:
    """What a caller looks for, checked.

    Raises:
        ValueError: with everything that cannot be meant.
    """
    problems: list[str] = []

    def checked(make: Callable[[], Any]) -> Any:
        try:
            return make()
        except ValueError as exc:
            problems.append(str(exc))
            return None

    tags = checked(lambda: check_tags(tag)) if tag is not None else ()
    moment = checked(lambda: moment_of(since, now()))
    states = checked(lambda: _states(state)) if state is not None else frozenset()
    endpoints = checked(lambda: _endpoints(endpoint)) if endpoint is not None else frozenset()
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, Integral) or limit < 1):
        problems.append(f"limit={limit!r}: give a whole number of at least 1, or leave it out for all")
    if text is not None and not isinstance(text, str):
        problems.append(f"text={text!r}: give words")
    if starred is not None and not isinstance(starred, bool):
        problems.append(f"starred={starred!r}: True, False, or leave it out")
    if problems:
        raise ValueError("; ".join(problems))
    return Wanted(tags, moment, tuple(folded(text or "").split()), endpoints, states, starred, limit)


def moment_of(since: Since, now: float) -> float | None:
    """A moment in seconds since the epoch: an age before `now` such as "7d" or a timedelta, a day, or a day and time.

    What names no zone is meant as the clock of this machine has it.

    Raises:
        ValueError: neither.
    """
    if since is None:
        return None
    if isinstance(since, int | float) and not isinstance(since, bool) and not math.isnan(since):
        return float(since)
    if isinstance(since, timedelta):
        return now - since.total_seconds()
    if isinstance(since, str):
        try:
            return now - seconds_of(since)
        except ValueError:
            pass
        try:
            since = datetime.fromisoformat(since.strip())
        except ValueError:
            raise ValueError(
                f"since={since!r}: give an age such as 12h, 7d or 2w, or a day such as 2026-11-24"
            ) from None
    if isinstance(since, datetime):
        return since.timestamp()
    if isinstance(since, date):
        return datetime.combine(since, time()).timestamp()
    raise ValueError(f"since={since!r}: give an age such as 7d, a date or a datetime")


async def find(
    store: Store, ledger: Ledger, look_for: Wanted, standing: Callable[[RunHead, RunStatus], Awaitable[RunStatus]]
) -> Search:
    """The runs that are meant, newest first.

    Args:
        standing: How a run of the ledger stands, where it is not as its own row says: a joint one's parts tell.

    Raises:
        LedgerError: Redis does not answer.
        StoreError: the store cannot be listed.
    """
    known = await ledger.standings()
    there = await asyncio.to_thread(holdings, store)
    moving = []
    for head, status in known:
        if not look_for.by_listing(there.get(head.name)):
            continue
        stands = await standing(head, status) if head.parts else status
        if look_for.by_head(head, stands.state):
            moving.append(Found(head, stands.state, totals_of(stands)))
    names = {head.name for head, _ in known}
    search = await asyncio.to_thread(_in_store, store, there, names, look_for)
    runs = [*(_labelled(one, there) for one in moving), *search.runs]
    runs = await asyncio.to_thread(_noted, store, runs, there)
    runs = [one for one in runs if look_for.by_text(one)]
    runs.sort(key=lambda one: one.head.created_at, reverse=True)
    runs = runs[: look_for.limit]
    runs = await asyncio.to_thread(_counted, store, runs, there)
    shown = [one.head for one in runs[:PICTURED] if one.totals and not one.totals.picture]
    pictures = await ledger.first_pictures([head for head in shown if head.name in names], FIRST_ROWS)
    return Search([_pictured(one, pictures.get(one.head.name)) for one in runs], search.problems)


def _in_store(store: Store, there: Mapping[str, Holding], known: Collection[str], look_for: Wanted) -> Search:
    """Runs that the store alone knows."""
    asked = [
        name
        for name, one in there.items()
        if name not in known and one.has_head and not _SINGLE.fullmatch(name) and look_for.by_listing(one)
    ]
    search = Search([])

    def read(name: str) -> tuple[str, bytes | StoreError | None]:
        try:
            return name, store.get(head_key(name))
        except NoSuchKeyError:  # it was deleted meanwhile
            return name, None
        except StoreError as exc:
            return name, exc

    for name, data in in_order(read, asked, FILES_AT_ONCE):
        if isinstance(data, StoreError):
            search.problems.append(cut(str(data), 200))
        if not isinstance(data, bytes):
            continue
        try:
            head, state, totals = head_in(name, data)
            counted = None if totals is None else Totals.from_dict(totals)
        except (StoreError, ValueError, TypeError, KeyError, AttributeError) as exc:
            search.problems.append(cut(str(exc), 200))
            continue
        if head.kind in ("single", "part") or head.name != name or not look_for.by_head(head, state):
            continue
        search.runs.append(_labelled(Found(head, state, counted), there))
    return search


def _labelled(found: Found, there: Mapping[str, Holding]) -> Found:
    one = there.get(found.head.name)
    return replace(found, tags=one.tags, starred=one.starred) if one else found


def _noted(store: Store, runs: Sequence[Found], there: Mapping[str, Holding]) -> list[Found]:
    """Runs with their notes, of those that have one."""
    names = [one.head.name for one in runs if (held := there.get(one.head.name)) and held.has_note]

    def read(name: str) -> tuple[str, str]:
        with contextlib.suppress(StoreError):
            return name, note_of(store, name)
        return name, ""

    notes = dict(in_order(read, names, FILES_AT_ONCE))
    return [replace(one, note=notes.get(one.head.name, "")) for one in runs]


def _counted(store: Store, runs: Sequence[Found], there: Mapping[str, Holding]) -> list[Found]:
    """Runs with totals by their records, where nobody wrote any and they are not too long; the newest first."""
    lacking = [one.head for one in runs if one.totals is None][:COUNTED_RUNS]
    files = {
        head.name: [key for name in _parts(head) if name in there for key in there[name].record_keys]
        for head in lacking
    }
    made: dict[str, Totals] = {}
    for name, keys in files.items():
        if len(keys) > COUNTED_FILES:
            continue
        try:
            made[name] = totals_in(data for _, data in get_all(store, keys, FILES_AT_ONCE))
        except (StoreError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
    return [one if one.totals else replace(one, totals=made.get(one.head.name)) for one in runs]


def _pictured(found: Found, picture: tuple[str, str] | None) -> Found:
    if picture is None or found.totals is None:
        return found
    return replace(found, totals=replace(found.totals, picture=picture[0], pixels=picture[1]))


def _parts(head: RunHead) -> list[str]:
    """The runs that have its records."""
    return [str(part["run"]) for part in head.parts] or [head.name]


def _endpoints(given: str | Iterable[str]) -> frozenset[str]:
    names = [given] if isinstance(given, str) else list(given) if isinstance(given, Iterable) else [given]
    if odd := [name for name in names if not isinstance(name, str)]:
        raise ValueError(f"endpoint={odd[0]!r}: give its name or id")
    return frozenset(names)


def _states(given: str | Iterable[str]) -> frozenset[RunState]:
    names = [given] if isinstance(given, str) else list(given)
    known = {str(state): state for state in RunState}
    if unknown := [name for name in names if str(name).upper() not in known]:
        raise ValueError(f"state={unknown[0]!r} is none; they are {', '.join(known)}")
    return frozenset(known[str(name).upper()] for name in names)


def _names_of(endpoint: str) -> set[str]:
    """What an endpoint may be called: as heads have it, or by its id; a joint run has several."""
    whole = [part.strip() for part in endpoint.split(",")]
    return {endpoint, *whole, *(part.rpartition("/")[2] for part in whole)}


def folded(text: str) -> str:
    """Text in which letters that mean the same are the same, in any script."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def prompts_in(plan: object, inside: bool = False) -> list[str]:
    """Every text in a plan that stands under a name with `prompt` in it, in base and axes, or that an axis puts there."""
    if isinstance(plan, str):
        return [plan] if inside else []
    if isinstance(plan, Mapping):
        inside = inside or ("replace" in plan and "values" in plan)
        return [text for name, value in plan.items() for text in prompts_in(value, inside or "prompt" in str(name))]
    if isinstance(plan, list | tuple):
        return [text for value in plan for text in prompts_in(value, inside)]
    return []
