"""A run: the handle through which a person watches, reads and steers it.

Reads the ledger while the run moves, and the store alone once it is over, so a finished
run needs neither Redis nor a key.  Never drives a trial itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from runpodkit.blocking import both_ways
from runpodkit.errors import ConfigError, LedgerError, NoSuchKeyError, RunHeldError, StackError, StoreError
from runpodkit.runs.billing import Bill
from runpodkit.runs.joint import JointPart, as_whole, parts_of, together
from runpodkit.runs.labels import add_tags, check_note, check_tags, drop_tags, note_of, set_note, tags_of
from runpodkit.runs.ledger import Ledger, RunStatus
from runpodkit.runs.marks import mark_trial
from runpodkit.runs.oddities import axes_without_effect, is_blank, is_equal, remarks
from runpodkit.runs.policies import changed_policy, shared_policy
from runpodkit.runs.pruned import Pruned
from runpodkit.runs.pruning import Pruner
from runpodkit.runs.records import Record, Share, read_head, read_records, record_of, write_head
from runpodkit.runs.results import Results
from runpodkit.runs.rows import Row, RunHead, RunState, TrialState
from runpodkit.runs.stars import has_star, set_star
from runpodkit.runs.totals import FIRST_ROWS, totals_of
from runpodkit.runs.watch import Progress, in_notebook
from runpodkit.storage import Store
from runpodkit.sweeps.sweep import Trial

LOOK_S = 0.25
REVIVE_S = 5.0
RETRIED = frozenset({TrialState.FAILED, TrialState.EXPIRED, TrialState.CANCELLED})


@dataclass(slots=True)
class _Watch:
    """What one iteration over a run has seen."""

    seen: set[int] = field(default_factory=set)
    places: dict[str, str] = field(default_factory=dict)
    over: bool = False


class Run(Results):
    """One execution of a sweep.  `wait()` or `await` it, then `table()`, `grid()`, `to_csv()`."""

    def __init__(
        self,
        head: RunHead,
        store: Store,
        *,
        ledger: Ledger | None = None,
        dispatch: Callable[[str], Awaitable[None]] | None = None,
        revive: Callable[[], Awaitable[object]] | None = None,
        state: RunState = RunState.RUNNING,
        parts: Sequence[tuple[JointPart, Run]] = (),
        bill: Callable[[Run], Awaitable[Bill]] | None = None,
    ) -> None:
        """`ledger` is None for a run that is read from its store alone; then nothing can be changed."""
        super().__init__(head, store)
        self._parts, self._ledger = parts, ledger
        self._dispatch, self._revive, self._stored_state = dispatch, revive, state
        self._ask_bill = bill

    @cached_property
    def _trials(self) -> list[Trial]:
        return self.sweep.trials(self.name)

    # how it stands

    async def _status(self) -> RunStatus:
        """How it stands: `.state`, `.reason` where it is held, `.count(…)` of trials by state, `.cost_usd`.

        Raises:
            StoreError: the run was deleted, or its records cannot be read.
        """
        if self._parts:
            await self._check_there()
            return await self._joint_status()
        status = await self._ledger.status(self.name) if self._ledger else None
        if status:
            return status
        await self._check_there()
        records = await asyncio.to_thread(read_records, self._store, self.name)
        counts = {state: sum(record.state is state for record in records) for state in TrialState}
        counts[TrialState.PLANNED] += self._head.trials - len(records)
        return RunStatus(
            state=self._stored_state,
            reason="",
            hold="",
            counts=counts,
            cost_usd=sum(record.cost_usd or 0 for record in records),
            status_calls=0,
            submissions=0,
            celery_tasks=0,
            since=self._head.created_at,
            ended=self._head.created_at if self._stored_state in (RunState.DONE, RunState.CANCELLED) else None,
        )

    async def _known_parts(self) -> list[tuple[JointPart, Run]]:
        """The parts of a joint run, each with a head of its own."""
        for part, run in self._parts:
            if run._head.endpoint == self._head.endpoint:
                known = await self._ledger.head(part.run) if self._ledger else None
                kept = (known, RunState.RUNNING) if known else await asyncio.to_thread(read_head, self._store, part.run)
                run._head, run._stored_state = kept
        return list(self._parts)

    async def _joint_status(self) -> RunStatus:
        status = together([(part.endpoint, await run._status()) for part, run in await self._known_parts()])
        if status.is_over and self._ledger and self._stored_state is not status.state:
            await self._ledger.finish(self.name, status.state)
            pictures = await self._ledger.first_pictures([self._head], FIRST_ROWS)
            totals = totals_of(status, pictures.get(self.name, ("", ""))).to_dict()
            await asyncio.to_thread(write_head, self._store, self._head, status.state, totals)
            self._stored_state = status.state
        return status

    status, astatus = both_ways(_status)

    @property
    def state(self) -> RunState:
        """RUNNING, PAUSED, HELD, DONE or CANCELLED."""
        return self.status().state

    @property
    def changeable(self) -> bool:
        """Whether it can be paused, cancelled and retried from here."""
        return self._ledger is not None

    async def _exists(self) -> bool:
        """Whether ledger or store still know it."""
        if self._ledger and await self._ledger.head(self.name):
            return True
        try:
            await asyncio.to_thread(read_head, self._store, self.name)
        except StoreError:
            return False
        return True

    exists, aexists = both_ways(_exists)

    async def _check_there(self) -> None:
        """Raises StoreError if neither ledger nor store have its head: somebody deleted it."""
        if self._ledger and await self._ledger.head(self.name):
            return
        try:
            await asyncio.to_thread(read_head, self._store, self.name)
        except NoSuchKeyError:
            raise StoreError(f"run {self.name} was deleted; kit.runs() lists those that are there") from None

    async def _wait(self, *, progress: bool = True, hold_patience_s: float | None = None) -> Run:
        """Watch the run until nothing of it can move, with a bar on stderr.

        A trial that fails never raises from here: `failures()` groups the causes.  Interrupting
        only stops looking.  A run that is held until its endpoint answers again is waited for.

        Args:
            hold_patience_s: How long to wait for a run that is held until its endpoint
                answers again; None: as long as it takes.
        """
        bar = Progress(self._head, shown=progress)
        held_since: float | None = None
        next_revive = 0.0
        clock = asyncio.get_running_loop().time
        try:
            moves: bool | None = None
            status: RunStatus | None = None
            while True:
                try:
                    if moves is None:
                        moves = self._ledger is not None and await self._ledger.head(self.name) is not None
                    status = await self._status()
                    if self._revive and moves and not status.is_over and clock() >= next_revive:
                        next_revive = clock() + REVIVE_S
                        await self._revive()
                except LedgerError as exc:
                    if status is None and hold_patience_s == 0:
                        raise
                    status = self._out_of_reach(status, exc)
                    await self.mend()
                bar.show(status)
                if status.is_over and progress:
                    for line in await self._remarks():
                        bar.say(line)
                if status.is_over or moves is False:
                    return self
                if self._needs_person(status):
                    return self
                held_since = (held_since or clock()) if status.state is RunState.HELD else None
                if held_since and hold_patience_s is not None and clock() - held_since > hold_patience_s:
                    return self
                await asyncio.sleep(LOOK_S)
        except asyncio.CancelledError:
            bar.say(
                f"stopped looking; run {self.name} goes on in the Celery worker and costs what it costs. "
                f"run.wait() watches it again, run.cancel() ends it"
            )
            raise
        finally:
            bar.close()

    wait, await_ = both_ways(_wait)

    async def _remarks(self) -> list[str]:
        """What is strange about the pictures as a whole; nothing, where the records cannot be read just now."""
        with contextlib.suppress(LedgerError, StoreError):
            return await asyncio.to_thread(remarks, await self._read_records())
        return []

    def __await__(self) -> Generator[Any, None, Run]:
        return self.await_().__await__()

    def _out_of_reach(self, last: RunStatus | None, error: LedgerError) -> RunStatus:
        """How it stood when Redis last answered, held until it does again."""
        counts = {TrialState.PLANNED: self._head.trials}
        since = self._head.created_at
        known = last or RunStatus(RunState.HELD, "", "probe", counts, 0.0, 0, 0, 0, since, None)
        return replace(known, state=RunState.HELD, hold="probe", reason=str(error), ended=None)

    async def mend(self) -> None:
        """Start a private Redis again if it died; a foreign one is waited for a second."""
        await asyncio.sleep(1.0)
        if self._revive:
            with contextlib.suppress(LedgerError, StackError):
                await self._revive()

    @staticmethod
    def _needs_person(status: RunStatus) -> bool:
        waits = status.state is RunState.PAUSED or (status.state is RunState.HELD and status.hold == "person")
        return waits and status.count(TrialState.RESERVED, TrialState.SUBMITTED) == 0

    def raise_if_held(self) -> Run:
        """This run, unless it needs a person: then RunHeldError with reason and cure."""
        status = self.status()
        if status.state is RunState.HELD:
            raise RunHeldError(self.name, status.reason)
        return self

    # what it holds

    async def _read_records(self) -> list[Record]:
        """A record per trial, by number; trials that have not ended are there as they stand."""
        if self._parts:
            whole: list[Record] = []
            for part, run in await self._known_parts():
                whole += as_whole(self._head, part, await run._read_records())
            return sorted(whole, key=lambda record: record.trial)
        rows = await self._ledger.rows(self.name) if self._ledger else {}
        if not rows:
            await self._check_there()
            kept = await asyncio.to_thread(read_records, self._store, self.name)
            if kept or self._ledger is None:
                return kept
        dialect = self._head.spelling
        return [record_of(self._head, trial, rows.get(trial.number, Row()), dialect) for trial in self._trials]

    async def _read_shares(self) -> list[Share]:
        state = (await self._status()).state
        if not self._parts:
            return [Share(self._head, state, await self._read_records())]
        shares = [Share(self._head, state, ())]
        for _, run in await self._known_parts():
            shares += await run._read_shares()
        return shares

    async def _changes(self, places: dict[str, str], *, wait_s: float = 0.0) -> list[Record]:
        """Records of trials that changed since the last call with these `places`, as they stand now; at first, of all.

        Args:
            places: Where the last call ended in the events of each run; kept by the caller, empty at first.
            wait_s: How long to wait for a change.
        """
        if self._parts:
            found: list[Record] = []
            for part, run in await self._known_parts():
                found += as_whole(self._head, part, await run._changes(places))
            if not found and wait_s:
                await asyncio.sleep(wait_s)
            return found
        if self._ledger is None:
            return await self._read_records()
        if self.name not in places:
            places[self.name] = await self._ledger.last_event(self.name)
            return await self._read_records()
        places[self.name], numbers = await self._ledger.events(self.name, places[self.name], wait_s)
        rows = await self._ledger.rows(self.name, list(dict.fromkeys(numbers)))
        dialect = self._head.spelling
        return [record_of(self._head, self._trials[number], row, dialect) for number, row in rows.items()]

    changes, achanges = both_ways(_changes)

    def report(self) -> dict[str, Any]:
        """The run in plain numbers, as `runpodkit sweep --json` prints them."""
        status = self.status()
        records = self.records()
        costs = [record.cost_usd for record in records if record.cost_usd is not None]
        return {
            "name": self.name,
            "state": str(status.state),
            "trials": self._head.trials,
            "collected": status.count(TrialState.COLLECTED, TrialState.REUSED),
            "failed": status.count(TrialState.FAILED, TrialState.EXPIRED, TrialState.CANCELLED),
            "reused": status.count(TrialState.REUSED),
            "maybe_paid_twice": sum(record.maybe_paid_twice for record in records),
            "held_reason": status.reason if status.state is RunState.HELD else None,
            "status_calls": status.status_calls,
            "submissions": status.submissions,
            "celery_tasks": status.celery_tasks,
            "cost_usd": round(sum(costs), 6) if costs else None,
            "cost_is_estimate": any(record.cost_is_estimate for record in records if record.cost_usd is not None),
            "blank": sum(map(is_blank, records)),
            "same_pixels": sum(map(is_equal, records)),
            "axes_without_effect": axes_without_effect(records),
            "simulated": self.simulated,
        }

    def __iter__(self) -> Iterator[Record]:
        """Records in the order in which their trials end, until nothing can move; those that ended before come first."""
        watch = _Watch()
        while not watch.over:
            yield from self._fresh_records(watch)

    async def __aiter__(self) -> AsyncIterator[Record]:
        watch = _Watch()
        while not watch.over:
            for record in await self._afresh_records(watch):
                yield record

    async def _next_ended(self, watch: _Watch) -> list[Record]:
        """Records of trials that ended since the last call; waits for some, or until nothing can move."""
        while True:
            status = await self._status()
            watch.over = status.is_over or self._ledger is None or self._needs_person(status)
            if watch.over:
                watch.places.clear()
            records = await self._changes(watch.places, wait_s=LOOK_S)
            fresh = [record for record in records if record.state.is_final and record.trial not in watch.seen]
            watch.seen.update(record.trial for record in fresh)
            if fresh or watch.over:
                return sorted(fresh, key=lambda record: record.ended_at or "")

    _fresh_records, _afresh_records = both_ways(_next_ended)

    # steering

    async def _cancel(self) -> Run:
        """End the run: nothing more is sent, jobs on the endpoint are cancelled, pictures that came stay."""
        for _, run in self._parts:
            await run._cancel()
        ledger = self._changeable()
        moving = (RunState.RUNNING, RunState.PAUSED, RunState.HELD)
        if await ledger.set_state(self.name, RunState.CANCELLED, "cancelled", only_from=moving):
            await self._send_on()
        return self

    cancel, acancel = both_ways(_cancel)

    async def _pause(self) -> Run:
        """Send nothing more for now; jobs on the endpoint are still collected."""
        for _, run in self._parts:
            await run._pause()
        if not self._parts:
            await self._changeable().set_state(self.name, RunState.PAUSED, "paused", only_from=[RunState.RUNNING])
        return self

    pause, apause = both_ways(_pause)

    async def _resume(self, /, **policy: Any) -> Run:
        """Go on with a paused or held run.

        Args:
            policy: Fields of `RunPolicy` to change, e.g. `budget_usd=5`, `deadline_s=7200`.

        Raises:
            ValueError: no such field, or out of bounds; the run stays as it is.
        """
        ledger = self._changeable()
        changed = changed_policy(self._head.policy, policy)
        if self._parts:
            total = self._head.trials
            for part, run in self._parts:
                await run._resume(**shared_policy(policy, len(part.numbers) / total))
            return self
        if policy:
            head = await ledger.head(self.name)
            await ledger.set_policy(self.name, changed_policy(head.policy, policy) if head else changed)
        if await ledger.set_state(
            self.name, RunState.RUNNING, only_from=[RunState.PAUSED, RunState.HELD, RunState.RUNNING]
        ):
            await self._send_on()
        return self

    resume, aresume = both_ways(_resume)

    async def _retry(self) -> Run:
        """Draw again exactly what failed, expired or was cancelled; pictures that there are stay and cost nothing.

        Of a run that still moves, what ended in batches that are closed goes again.

        Raises:
            StoreError: the run was deleted.
        """
        ledger = self._changeable()
        await self._check_there()
        if self._parts:
            for _, run in await self._known_parts():
                await run._retry()
            return self
        if await ledger.head(self.name) is None:  # only the store knows it: enter it anew, and reuse what is there
            await ledger.create(self._head)
            await self._send_on()
        elif await ledger.retry(self._head, RETRIED):
            await asyncio.to_thread(write_head, self._store, self._head, RunState.RUNNING)
            await self._send_on()
        return self

    retry, aretry = both_ways(_retry)

    async def _bill(self) -> Bill:
        """What RunPod charged for the hours of this run, split into work, cold starts and idle workers.

        Asks RunPod's billing API with the endpoint's key; its text is one sentence, `.table` has the parts.

        Raises:
            AuthError: the key may not read billing.
            ConfigError: the run was opened from its store, or its endpoint has no bill that can be asked for.
            ValueError: no job of it has run, or it is of several endpoints.
        """
        if self._ask_bill is None:
            raise ConfigError(f"run {self.name} was opened from its store, without a key; open it with kit.open_run")
        return await self._ask_bill(self)

    bill, abill = both_ways(_bill)

    # keeping and deleting

    async def _star(self, *, trial: int | None = None) -> Run:
        """Mark the run as one to keep: `kit.prune(…, keep_starred=True)` leaves it; or a single trial of it.

        Args:
            trial: The number of the trial that is meant, not the run: `run.where(starred=True)` gives those.

        Raises:
            ValueError: no such trial.
            StoreError: the run was deleted; a later one of its name starts without a star.
        """
        return await self._set_star(True, trial)

    star, astar = both_ways(_star)

    async def _unstar(self, *, trial: int | None = None) -> Run:
        """Take the star away, from the run or from a single trial of it."""
        return await self._set_star(False, trial)

    unstar, aunstar = both_ways(_unstar)

    async def _set_star(self, starred: bool, trial: int | None) -> Run:
        if starred or trial is not None:
            await self._check_there()
        if trial is None:
            await asyncio.to_thread(set_star, self._store, self.name, starred)
        else:
            await self._mark(trial, starred=starred)
        return self

    @property
    def starred(self) -> bool:
        """Whether the run itself has a star."""
        return has_star(self._store, self.name)

    async def _note(self, trial: int, text: str) -> Run:
        """Write something about a single trial, in at most 1,000 characters; empty takes it away.

        It becomes the column `note`.  What two people write is kept apart; the last word on a trial counts.

        Raises:
            ValueError: no such trial, or too long.
            StoreError: the run was deleted, or its store takes nothing.
        """
        await self._check_there()
        await self._mark(trial, note=text)
        return self

    note, anote = both_ways(_note)

    async def _mark(self, trial: int, *, starred: bool | None = None, note: str | None = None) -> None:
        count = len(self.sweep)  # a joint run leaves out cells, and its numbers are those of the whole
        await asyncio.to_thread(mark_trial, self._store, self.name, count, trial, starred=starred, note=note)

    async def _tag(self, *tags: str) -> Run:
        """Give it tags besides those it has; they are kept in the store, also of a run whose ledger is gone.

        Raises:
            ValueError: a tag that cannot be meant.
            StoreError: the run was deleted, or its store takes nothing.
        """
        check_tags(tags)
        await self._check_there()
        await asyncio.to_thread(add_tags, self._store, self.name, tags)
        return self

    tag, atag = both_ways(_tag)

    async def _untag(self, *tags: str) -> Run:
        """Take tags away; one that it does not have is fine."""
        await asyncio.to_thread(drop_tags, self._store, self.name, tags)
        return self

    untag, auntag = both_ways(_untag)

    @property
    def tags(self) -> tuple[str, ...]:
        """Words that it is found by."""
        return tags_of(self._store, self.name)

    async def _set_note(self, text: str) -> Run:
        """Replace its note, what it is for, in at most 4,000 characters; empty takes it away.

        Raises:
            ValueError: too long.
            StoreError: the run was deleted, or its store takes nothing.
        """
        check_note(text)
        await self._check_there()
        await asyncio.to_thread(set_note, self._store, self.name, text)
        return self

    set_note, aset_note = both_ways(_set_note)

    @property
    def run_note(self) -> str:
        """Its note; empty: none.  `note(trial, …)` is about a single trial."""
        return note_of(self._store, self.name)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where it was asked for: `notebook`, `git` (`commit`, `dirty`), `packages`, `python`, `user`; what is not known is None."""
        return self._head.provenance

    async def _delete(self, *, dry_run: bool = False) -> Pruned:
        """Drop its records, and its pictures that no other run uses; there is no way back.

        Args:
            dry_run: Only tell what would go.

        Returns:
            What went: runs, pictures and bytes, and how many pictures stay since other runs use them.

        Raises:
            ValueError: the run still moves.
            StoreError: records of another run cannot be read, so what it uses is not known; nothing was deleted.
            ConfigError: it was opened from a place of its own and can only be read, or another prune is at work.
        """
        if self._store.describe == "zip":
            raise StoreError(f"run {self.name} lies in a frozen file, which is never changed: delete that file itself")
        return await Pruner(self._store, self._changeable()).delete(self.name, dry_run=dry_run)

    delete, adelete = both_ways(_delete)

    async def _send_on(self) -> None:
        if self._revive:
            await self._revive()
        if self._dispatch:
            await self._dispatch(self.name)

    def _changeable(self) -> Ledger:
        if self._ledger is None:
            raise ConfigError(
                f"run {self.name} was opened from its store and can only be read; open it with kit.open_run"
            )
        return self._ledger

    def live(self) -> None:
        """Show it in the cell as it goes: bar, buttons, and a grid that fills; as the last line of a cell `run` does the same."""
        from runpodkit.notebook.live import show

        show(self)

    def _ipython_display_(self) -> None:
        try:
            if in_notebook():
                return self.live()
        except ConfigError:  # without the `lab` extra a kernel shows what a terminal does
            pass
        print(repr(self))

    def __len__(self) -> int:
        return self._head.trials

    def __repr__(self) -> str:
        try:
            return self.words(self.status())
        except Exception as exc:
            print(f"run {self.name}: {exc}", file=sys.stderr)
            return f"Run {self.name}: state unknown"

    def words(self, status: RunStatus) -> str:
        """How it stands, in one line that is the same at each execution."""
        made = status.count(TrialState.COLLECTED, TrialState.REUSED)
        failed = status.count(TrialState.FAILED, TrialState.EXPIRED)
        words = [f"{made} of {self._head.trials} pictures"]
        words += [f"{failed} failed"] if failed else []
        words += [status.reason] if status.state is RunState.HELD else []
        words += ["SIMULATOR"] if self.simulated else []
        return f"Run {self.name}: {status.state}, {', '.join(words)}"


def opened(
    head: RunHead,
    store: Store,
    *,
    ledger: Ledger | None = None,
    dispatch: Callable[[str], Awaitable[None]] | None = None,
    revive: Callable[[], Awaitable[object]] | None = None,
    state: RunState = RunState.RUNNING,
    bill: Callable[[Run], Awaitable[Bill]] | None = None,
) -> Run:
    """The handle of a run, with those of its parts if it has any; arguments as for `Run`."""
    parts = [
        (part, Run(replace(head, name=part.run, parts=()), store, ledger=ledger, dispatch=dispatch, revive=revive))
        for part in parts_of(head)
    ]
    return Run(head, store, ledger=ledger, dispatch=dispatch, revive=revive, state=state, parts=parts, bill=bill)
