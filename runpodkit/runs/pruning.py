"""Pruning: runs leave the store, and with them the pictures that no other run uses.

Pictures are shared between runs, so every other run's records are read before one is deleted, and if any cannot be read
nothing goes.  In this order, so that whatever dies in the middle leaves a store in which every run there is has its
pictures:

1. The pictures' claims in the ledger are taken: a trial that wants one of them waits, and then draws it anew.
2. What other runs use is found out, runs that still move by their plans: nothing can be added to that any more.
3. A note in the store says what is to go.  The next prune finishes what its note left.
4. Runs leave the ledger, then the store, their heads first.  Then the pictures go, then the note.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from runpodkit.errors import ConfigError, LedgerError, NoSuchKeyError, StoreError
from runpodkit.runs.holdings import (
    RUNS,
    Holding,
    Uses,
    holdings,
    inputs_in,
    is_file,
    key_in,
    last_end,
    planned_keys,
    uses_of,
)
from runpodkit.runs.items import THUMBS
from runpodkit.runs.joint import part_name
from runpodkit.runs.ledger import PRUNING, Ledger
from runpodkit.runs.pruned import Pruned, Removal
from runpodkit.runs.records import read_head
from runpodkit.runs.rows import RunHead, RunState
from runpodkit.runs.watch import progress
from runpodkit.storage import Store
from runpodkit.storage.many import each, get_all

NOTES = "pruning/"
CLAIM_S = 120
"""A prune that was killed keeps others waiting no longer than this."""
RENEW_S = 30.0
FILES_AT_ONCE, HEADS_AT_ONCE = 16, 8
CHUNK = 400
INPUT_GRACE_S = 2.0
"""Between a sweep's input image reaching the store and its run being entered less than this passes."""


@dataclass(slots=True)
class _Known:
    """A run of the store as it stands; `problem` says why nothing is certain about it."""

    holding: Holding
    head: RunHead | None = None
    over: bool = False
    state: str = ""
    ended: float | None = None
    problem: str = ""
    whole: str = ""
    """Of a part: the joint run it belongs to."""


@dataclass(slots=True)
class _Note:
    """What a prune that did not come to its end left to be done."""

    key: str
    runs: Mapping[str, float]
    """Name to when it was created: another run may have the name by now."""
    files: tuple[str, ...]
    inputs: tuple[str, ...]
    pixels: frozenset[str]
    """What tells the content of the pictures, under which their small versions lie."""


@dataclass(slots=True)
class _Work:
    """One prune under way."""

    owner: str
    known: dict[str, _Known]
    notes: list[_Note]
    victims: dict[str, list[str]]
    """Name of each run that goes, with its parts and itself."""
    files: dict[str, dict[str, int]] = field(default_factory=dict)
    """By run that goes: its files and their bytes."""
    pixels: dict[str, str] = field(default_factory=dict)
    """What tells the content of those that are pictures."""
    used: set[str] = field(default_factory=set)
    used_pixels: set[str] = field(default_factory=set)
    planned: set[str] = field(default_factory=set)
    """Trial keys of runs that move."""
    used_inputs: set[str] | None = None
    """None: not known, since a head cannot be read."""

    @property
    def leaving(self) -> list[str]:
        """Every run that goes, a joint one before its parts."""
        return [name for names in self.victims.values() for name in names]

    def stays(self, file: str) -> bool:
        return file in self.used or key_in(file) in self.planned


class Pruner:
    """Deletes runs of one store, whose ledger guards their pictures meanwhile."""

    def __init__(self, store: Store, ledger: Ledger, *, clock: Callable[[], float] = time.time) -> None:
        self._store, self._ledger, self._clock = store, ledger, clock

    async def delete(self, name: str, *, dry_run: bool = False) -> Pruned:
        """Delete one run, its parts included.

        Raises:
            StoreError: the store has no such run, or records that must be read cannot be.
            ValueError: it still moves.
            ConfigError: another prune is at work.
        """

        def only_this(known: Mapping[str, _Known]) -> tuple[list[str], list[tuple[str, str]]]:
            about = known.get(name)
            if about is None or not about.holding.has_head:
                raise StoreError(f"no run is named {name!r} in the store; kit.runs() lists them")
            if about.whole:
                raise ValueError(f"run {name} is a part of run {about.whole}: delete that one")
            if about.problem:
                raise StoreError(f"run {name} is not deleted: {about.problem}")
            if not about.over:
                raise ValueError(f"run {name} is not deleted: {_why_not_over(about)}")
            return [name], []

        done = await self._run(only_this, dry_run)
        if done.kept:
            raise ValueError(f"run {name} is not deleted: {done.kept[0][1]}")
        return done

    async def prune(
        self,
        older_than_s: float,
        *,
        keep_starred: bool = False,
        only: Iterable[str] | None = None,
        dry_run: bool = False,
    ) -> Pruned:
        """Delete every run whose last trial ended over `older_than_s` seconds ago.

        Args:
            keep_starred: Runs with a star stay.
            only: Of these names alone, such as those that a person was shown.

        Raises:
            StoreError: records that must be read cannot be; nothing was deleted.
            ConfigError: another prune is at work.
        """
        chosen = None if only is None else set(only)

        def the_old(known: Mapping[str, _Known]) -> tuple[list[str], list[tuple[str, str]]]:
            go, stay = [], []
            for name, about in known.items():
                if about.whole or (chosen is not None and name not in chosen):
                    continue
                if about.head is None:
                    if about.problem:
                        stay.append((name, about.problem))
                    continue
                if self._clock() - (about.ended or about.head.created_at) <= older_than_s:
                    continue
                if about.problem or not about.over:
                    stay.append((name, about.problem or _why_not_over(about)))
                elif keep_starred and about.holding.starred:
                    stay.append((name, "it has a star"))
                else:
                    go.append(name)
            return go, stay

        return await self._run(the_old, dry_run)

    async def _run(
        self, choose: Callable[[Mapping[str, _Known]], tuple[list[str], list[tuple[str, str]]]], dry_run: bool
    ) -> Pruned:
        owner = f"{PRUNING}{secrets.token_hex(8)}"
        if dry_run:
            work, kept = await self._chosen(owner, choose)
            await self._weigh(work)
            return self._told(work, kept, dry_run=True)
        async with self._alone(owner):
            work, kept = await self._chosen(owner, choose)
            if not work.victims and not work.notes:
                return self._told(work, kept)
            condemned = sorted({key_in(file) for file in self._candidates(work)})
            try:
                work.planned |= await self._ledger.condemn(condemned, owner, CLAIM_S)
                async with self._renewing(work, condemned):
                    await self._weigh(work)
                    return await self._carry_out(work, kept)
            finally:
                with contextlib.suppress(LedgerError):  # then they lapse
                    await self._ledger.pardon(condemned, owner, gone=False)

    # what there is

    async def _chosen(
        self, owner: str, choose: Callable[[Mapping[str, _Known]], tuple[list[str], list[tuple[str, str]]]]
    ) -> tuple[_Work, list[tuple[str, str]]]:
        """What there is, which runs of it go, and their files."""
        kept = await asyncio.to_thread(holdings, self._store)
        notes = await asyncio.to_thread(self._notes)
        places = asyncio.Semaphore(HEADS_AT_ONCE)

        async def look(holding: Holding) -> _Known:
            async with places:
                return await self._known(holding)

        known = dict(zip(kept, await asyncio.gather(*map(look, kept.values())), strict=True))
        for name, about in known.items():
            for part in about.head.parts if about.head else ():
                if (other := known.get(str(part["run"]))) and part["run"] == part_name(name, str(part["endpoint"])):
                    other.whole = name
        await asyncio.to_thread(self._read_ends, known)
        _see_wholes(known)
        uses: dict[str, Uses] = {}
        while True:
            go, stay = choose(known)
            victims = {name: _with_parts(known, name) for name in dict.fromkeys([*go, *_begun(known, notes)])}
            fresh = [known[one].holding for names in victims.values() for one in names if one not in uses]
            if not fresh:
                break
            found = await asyncio.to_thread(uses_of, self._store, fresh)
            uses |= found
            for name, one in found.items():  # a trial that was retried may have ended long after the last of the run
                known[name].ended = max(known[name].ended or 0, one.last_end) or None
            _see_wholes(known)
        work = _Work(owner, known, notes, victims)
        work.files = {name: uses[name].files for name in work.leaving}
        work.pixels = {file: pixels for name in work.leaving for file, pixels in uses[name].pixels.items()}
        return work, stay

    async def _known(self, holding: Holding) -> _Known:
        if not holding.has_head:
            return _Known(holding)
        try:
            head, state = await asyncio.to_thread(read_head, self._store, holding.name)
        except NoSuchKeyError:
            return _Known(holding)
        except StoreError as exc:
            return _Known(holding, problem=f"{exc}; mend or remove that file")
        if head.name != holding.name:
            return _Known(holding, problem=f"its folder holds the head of run {head.name!r}")
        status = await self._ledger.status(holding.name)
        if status:
            return _Known(holding, head, status.is_over, str(status.state), status.ended)
        return _Known(holding, head, state in (RunState.DONE, RunState.CANCELLED), f"{state} in the store alone")

    def _read_ends(self, known: Mapping[str, _Known]) -> None:
        """When runs that the ledger no longer knows ended, as far as their last file of records tells."""
        asked = [one for one in known.values() if one.head and one.ended is None and one.holding.record_keys]
        files = [one.holding.record_keys[-1] for one in asked]
        try:
            for one, (_, data) in zip(asked, get_all(self._store, files, FILES_AT_ONCE), strict=True):
                one.ended = last_end(data)
        except StoreError as exc:
            raise StoreError(f"{exc}; nothing was deleted") from None

    def _notes(self) -> list[_Note]:
        """Notes of prunes that were interrupted."""
        found = []
        for key, data in get_all(self._store, self._store.keys(NOTES), FILES_AT_ONCE):
            try:
                told = json.loads(data)
                runs = {str(name): float(at) for name, at in told["runs"].items()}
                files = tuple(file for file in told["files"] if is_file(file))
                pixels = frozenset(one for one in told["pixels"] if one.isalnum())
                found.append(_Note(key, runs, files, tuple(inputs_in({"": told["inputs"]})), pixels))
            except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as exc:
                raise StoreError(f"{key} is no note of a prune: {exc}; remove that file") from None
        return found

    # what goes

    @staticmethod
    def _candidates(work: _Work) -> set[str]:
        files = {file for one in work.files.values() for file in one}
        return files | {file for note in work.notes for file in note.files}

    async def _weigh(self, work: _Work) -> None:
        """Find out what the runs that stay use, those that move included."""
        kept = await asyncio.to_thread(holdings, self._store)
        noted = {name for note in work.notes for name in note.runs}
        stay = [
            one for name, one in kept.items() if name not in work.leaving and not (name in noted and not one.has_head)
        ]
        records = sum(len(one.record_keys) for one in stay)
        with progress("reading records", records, "file") as advance:
            try:
                uses = await asyncio.to_thread(uses_of, self._store, stay, advance)
            except StoreError as exc:
                told = "nothing was deleted, since the pictures it uses are not known; mend or remove that file"
                raise StoreError(f"{exc}; {told}") from None
        work.used |= {file for one in uses.values() for file in one.files}
        work.used_pixels |= {pixels for one in uses.values() for pixels in one.pixels.values()}
        await self._weigh_plans(work, stay)

    async def _weigh_plans(self, work: _Work, stay: Sequence[Holding]) -> None:
        heads: dict[str, RunHead] = {}
        inputs: set[str] | None = set()
        for one in stay:
            about = work.known.get(one.name)
            if about is None or (one.has_head and about.head is None):
                about = await self._known(one)
            if about.problem:
                inputs = None
                if about.head is None and not about.over:
                    raise StoreError(
                        f"run {one.name}: {about.problem}; nothing was deleted, since it may still move and need any picture"
                    )
            if about.head is None:
                continue
            if inputs is not None:
                inputs |= inputs_in(about.head.plan)
            if not about.over:
                heads[one.name] = about.head
        for name in await self._ledger.names(active=True):
            head = None if name in work.leaving else await self._ledger.head(name)
            if head:
                heads[name] = head
                if inputs is not None:
                    inputs |= inputs_in(head.plan)
        work.used_inputs = inputs
        for head in heads.values():
            work.planned |= await asyncio.to_thread(planned_keys, head)

    def _told(self, work: _Work, kept: Sequence[tuple[str, str]], *, dry_run: bool = False) -> Pruned:
        counted: set[str] = set()
        gone = []
        for name, names in work.victims.items():
            about = work.known[name]
            if about.head is None:
                continue
            files = {file: size for one in names for file, size in work.files.get(one, {}).items()}
            pictures = {file: size for file, size in files.items() if file.startswith("images/")}
            shared = [file for file in pictures if work.stays(file)]
            mine = {file: size for file, size in pictures.items() if not work.stays(file) and file not in counted}
            counted |= mine.keys()
            age = self._clock() - (about.ended or about.head.created_at)
            gone.append(
                Removal(name, about.head.kind, age, about.head.trials, len(mine), sum(mine.values()), len(shared))
            )
        return Pruned(tuple(sorted(gone, key=lambda one: -one.age_s)), tuple(kept), dry_run)

    # going

    async def _carry_out(self, work: _Work, kept: list[tuple[str, str]]) -> Pruned:
        note = f"{NOTES}{work.owner.removeprefix(PRUNING)}.json"
        inputs = self._inputs(work)
        await self._write_note(note, work, inputs)
        for name, names in list(work.victims.items()):
            joint = len(names) > 1
            over = [await self._ledger.forget_over(one) for one in names[1:]]
            if not all(over) or not await self._ledger.forget_over(name, whatever_state=joint):
                kept.append((name, "it was taken up again meanwhile"))
                await self._spare(work, work.victims.pop(name))
        await self._write_note(note, work, inputs := self._inputs(work))
        told = self._told(work, kept)
        files = sorted(file for file in self._candidates(work) if not work.stays(file))
        left: list[str] = []
        with progress("deleting", len(files)) as advance:
            for name in [*work.leaving, *await self._left_over(work)]:
                await asyncio.to_thread(self._delete_run, name)
            kept_bytes = await asyncio.to_thread(self._delete_inputs, inputs)
            await asyncio.to_thread(self._delete_small, self._small(work))
            for start in range(0, len(files), CHUNK):
                part = files[start : start + CHUNK]
                keys = sorted({key_in(file) for file in part})
                lost = await self._ledger.renew_condemned(keys, work.owner, CLAIM_S)
                left += [file for file in part if key_in(file) in lost]
                part = [file for file in part if key_in(file) not in lost]
                await asyncio.to_thread(each, self._store.delete, part, FILES_AT_ONCE, advance, "deleted")
                await self._ledger.pardon({key_in(file) for file in part}, work.owner, gone=True)
        await self._put_back(kept_bytes)
        if left:  # Redis lost the claims: whether they are used by now, the next prune finds out
            await asyncio.to_thread(self._put_note, note, {}, left, (), ())
        for key in (*(() if left else (note,)), *(one.key for one in work.notes)):
            await asyncio.to_thread(self._store.delete, key)
        return told

    def _inputs(self, work: _Work) -> set[str]:
        """Input images that nobody else names."""
        if work.used_inputs is None:
            return set()
        heads = [about.head for name in work.leaving if (about := work.known[name]).head]
        named = {key for head in heads if head for key in inputs_in(head.plan)}
        return (named | {key for note in work.notes for key in note.inputs}) - work.used_inputs

    async def _write_note(self, key: str, work: _Work, inputs: Iterable[str]) -> None:
        runs = {name: about.head.created_at for name in work.leaving if (about := work.known[name]).head}
        files = sorted(file for file in self._candidates(work) if not work.stays(file))
        await asyncio.to_thread(self._put_note, key, runs, files, inputs, self._small(work))

    @staticmethod
    def _small(work: _Work) -> set[str]:
        """What tells the content of pictures that go, where no picture that stays has the same."""
        stay = {pixels for file, pixels in work.pixels.items() if work.stays(file)} | work.used_pixels
        return {*work.pixels.values(), *(pixels for note in work.notes for pixels in note.pixels)} - stay

    def _delete_small(self, pixels: set[str]) -> None:
        """Small versions, which are made again where they should be missed."""
        if pixels:
            keys = [key for key in self._store.keys(f"{THUMBS}/") if key.rpartition("/")[2].partition(".")[0] in pixels]
            each(self._store.delete, keys, FILES_AT_ONCE, None, "deleted")

    def _put_note(
        self,
        key: str,
        runs: Mapping[str, float],
        files: Sequence[str],
        inputs: Iterable[str],
        pixels: Iterable[str],
    ) -> None:
        told = {"runs": runs, "files": files, "inputs": sorted(inputs), "pixels": sorted(pixels)}
        text = json.dumps(told, ensure_ascii=False)
        self._store.put(key, text.encode(), "application/json")

    async def _spare(self, work: _Work, names: Sequence[str]) -> None:
        """A run that moves again keeps all it has and may come to have."""
        for name in names:
            work.used |= work.files.pop(name, {}).keys()
            if head := work.known[name].head:
                work.planned |= await asyncio.to_thread(planned_keys, head)
                if work.used_inputs is not None:
                    work.used_inputs |= inputs_in(head.plan)

    async def _left_over(self, work: _Work) -> list[str]:
        """What an interrupted prune left of runs whose heads it had deleted."""
        names = [name for note in work.notes for name in note.runs]
        headless = [name for name in dict.fromkeys(names) if (one := work.known.get(name)) and not one.holding.has_head]
        return [name for name in headless if await self._ledger.forget_over(name)]

    def _delete_run(self, name: str) -> None:
        """Its head first: from then on nobody finds it."""
        keys = list(self._store.keys(f"{RUNS}{name}/"))
        head = f"{RUNS}{name}/run.json"
        self._store.delete(head)
        each(self._store.delete, (key for key in keys if key != head), FILES_AT_ONCE, None, "deleted")

    def _delete_inputs(self, keys: Iterable[str]) -> dict[str, bytes]:
        kept = {}
        for key in keys:
            with contextlib.suppress(NoSuchKeyError):
                kept[key] = self._store.get(key)
            self._store.delete(key)
        return kept

    async def _put_back(self, inputs: Mapping[str, bytes]) -> None:
        """Input images that a run names which was entered meanwhile."""
        if not inputs:
            return
        await asyncio.sleep(INPUT_GRACE_S)
        named: set[str] = set()
        for name in await self._ledger.names(active=True):
            if head := await self._ledger.head(name):
                named |= inputs_in(head.plan)
        for key in named & inputs.keys():
            await asyncio.to_thread(self._store.put, key, inputs[key])

    # alone

    @asynccontextmanager
    async def _alone(self, owner: str) -> AsyncIterator[None]:
        """While no other prune of this store is at work."""
        if not await self._ledger.hold_lock("prune", owner, CLAIM_S):
            raise ConfigError(
                "another prune of this store is at work: wait until it is done, at most two minutes after it was killed"
            )
        try:
            yield
        finally:
            with contextlib.suppress(LedgerError):
                await self._ledger.hold_lock("prune", owner, 0)

    @asynccontextmanager
    async def _renewing(self, work: _Work, keys: Sequence[str]) -> AsyncIterator[None]:
        """Claims and lock stay ours, however long it takes."""

        async def renew() -> None:
            while True:
                await asyncio.sleep(RENEW_S)
                with contextlib.suppress(LedgerError):
                    await self._ledger.hold_lock("prune", work.owner, CLAIM_S)
                    await self._ledger.renew_condemned(keys, work.owner, CLAIM_S)

        task = asyncio.create_task(renew())
        try:
            yield
        finally:
            task.cancel()


def _see_wholes(known: Mapping[str, _Known]) -> None:
    """A joint run stands and ends as its parts do."""
    for name, about in known.items():
        if about.head and about.head.parts:
            parts = [other for other in known.values() if other.whole == name]
            about.over = bool(parts) and all(part.over for part in parts)
            about.ended = max((part.ended or 0 for part in parts), default=0) or about.ended
            about.problem = about.problem or next((part.problem for part in parts if part.problem), "")


def _with_parts(known: Mapping[str, _Known], name: str) -> list[str]:
    return [name, *(part for part, other in known.items() if other.whole == name)]


def _begun(known: Mapping[str, _Known], notes: Iterable[_Note]) -> list[str]:
    """Runs that an interrupted prune was about to delete and that are still whole; a new one of that name is not meant."""
    return [
        name
        for note in notes
        for name, created_at in note.runs.items()
        if (one := known.get(name)) and one.head and one.head.created_at == created_at
        if one.over and not one.problem and not one.whole
    ]


def _why_not_over(about: _Known) -> str:
    if about.state.endswith("in the store alone"):
        return (
            f"it is {about.state}, its Redis no longer knows it: if no other Redis drives it, `runpodkit retry "
            f"{about.holding.name}` enters it again, and then it can be cancelled"
        )
    return f"it is {about.state or 'not over'}: `runpodkit cancel {about.holding.name}` ends it"
