"""The engine: drives the batches of a run, so many jobs in flight as the endpoint can take.

A driver claims free batches, works their trials side by side, renews its leases every
second and hears then how the run stands.  Several drivers share a run without meeting.
Knows nothing of Celery: whoever calls `drive` decides where and for how long.
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache

from runpodkit.errors import LedgerError, RunpodkitError, StoreError
from runpodkit.logs import batch_log
from runpodkit.runs.ledger import Beat, FencedError, Lease
from runpodkit.runs.records import record_of, write_batch, write_head
from runpodkit.runs.rows import BATCH_SIZE, Row, RunHead, RunState, TrialState
from runpodkit.runs.trials import Tools, TrialWork
from runpodkit.sweeps.sweep import Sweep, Trial

BEAT_S = 1.0
SLICE_S = 60.0
LAST_BEAT_S = 10.0
"""No POST when the last renewal is older: the lease may be somebody else's soon."""
MIN_WINDOW, MAX_WINDOW = 8, 1000
HEALTH_S = 10.0
PROBE_S = 5.0


@dataclass(slots=True)
class _Batch:
    lease: Lease
    rows: dict[int, Row]
    todo: deque[int]
    active: set[int] = field(default_factory=set)

    @property
    def is_done(self) -> bool:
        return not self.todo and not self.active and all(row.state.is_final for row in self.rows.values())


class Engine:
    """Drives runs over one endpoint, one store and one ledger."""

    def __init__(self, tools: Tools, store_name: str) -> None:
        self.tools, self._store_name = tools, store_name

    async def drive(
        self,
        name: str,
        *,
        owner: str,
        slice_s: float | None = SLICE_S,
        hold_patience_s: float = SLICE_S,
        draining: Callable[[], bool] = lambda: False,
        successor: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Drive a run until nothing of it is left to this driver, or its slice of time is over.

        Delivered at least once, so safe to repeat: the ledger says what is done, which job
        ids to follow and who holds which batch.

        Args:
            owner: Who drives; unique among live drivers.
            slice_s: Seconds after which no further batch is claimed; None: no end.
            hold_patience_s: Seconds for which a held run is probed before it is left to upkeep.
            draining: Says when to stop: jobs are left to the next driver.
            successor: Called when this driver claims no more though batches may be left.

        Raises:
            LedgerError: Redis does not answer; leases lapse and another driver goes on.
        """
        head = await self.tools.ledger.head(name)
        status = await self.tools.ledger.status(name)
        if head is None or status is None or status.is_over:
            return
        if status.state is RunState.HELD and status.hold == "person":
            return
        if head.store != self._store_name:
            await self._hold(head, "the Celery worker keeps pictures in another store than the run", person=True)
            return
        driver = _Driver(self.tools, head, owner, slice_s, hold_patience_s, draining, successor)
        try:
            await driver.drive()
        except (LedgerError, asyncio.CancelledError):
            raise
        except Exception as exc:
            batch_log.exception("run {} cannot be driven", name)
            await self._hold(head, f"internal error, please report it: {type(exc).__name__}: {exc}", person=True)
            raise

    async def _hold(self, head: RunHead, reason: str, *, person: bool) -> None:
        await self.tools.ledger.set_state(
            head.name, RunState.HELD, reason, hold="person" if person else "probe", only_from=[RunState.RUNNING]
        )


class _Driver:
    """One driver at work on one run.  A `Conductor` to its trials."""

    def __init__(
        self,
        tools: Tools,
        head: RunHead,
        owner: str,
        slice_s: float | None,
        hold_patience_s: float,
        draining: Callable[[], bool],
        successor: Callable[[], Awaitable[None]] | None,
    ) -> None:
        self._tools, self._head, self._owner = tools, head, owner
        self._dialect = head.spelling
        self._slice_s, self._hold_patience_s = slice_s, hold_patience_s
        self._draining, self._successor = draining, successor
        self._trials = _trials_of(head)
        self._batches: dict[int, _Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._changed = asyncio.Event()
        self._loop_time = asyncio.get_running_loop().time
        self._started = self._last_beat = self._loop_time()
        self._heard: Beat | None = None
        self._window = self._head.policy.window or MIN_WINDOW
        self._exhausted = False
        self._ended_slice = False
        self._failures: Counter[str] = Counter()
        self._successes = 0
        self._unheard_cost = 0.0
        self._next_probe = 0.0
        self._held_since = self._started
        self._broken: Exception | None = None
        self._waits_for = ""

    # what the trials ask

    def stopping(self) -> bool:
        gave_up = self._slice_s is None and self._state == RunState.HELD and not self._may_probe()
        return self._draining() or self._ended_slice or gave_up or self._state == "GONE"

    def cancelled(self) -> bool:
        return self._state == RunState.CANCELLED

    def in_flight(self) -> int:
        return len(self._tasks)

    async def hold(self, reason: str, *, person: bool) -> None:
        done = await self._tools.ledger.set_state(
            self._head.name, RunState.HELD, reason, hold="person" if person else "probe", only_from=[RunState.RUNNING]
        )
        if done:
            self._held_since = self._loop_time()
            batch_log.warning("run {} is held: {}", self._head.name, reason)
        if self._heard:
            self._heard = dataclasses.replace(self._heard, state=RunState.HELD, hold="person" if person else "probe")
        self._next_probe = self._loop_time() + PROBE_S

    @property
    def _state(self) -> str:
        return self._heard.state if self._heard else RunState.RUNNING

    # the loop

    async def drive(self) -> None:
        await self._beat()
        self._learn(await self._tools.ledger.usual_times(self._head.endpoint))
        beats, looks = asyncio.create_task(self._beats()), asyncio.create_task(self._look_around())
        try:
            while True:
                for side in (beats, looks):
                    if side.done():
                        side.result()
                await self._close_batches()
                await self._fill()
                if self._broken:
                    raise self._broken
                if not self._tasks and (self._has_to_leave() or not (self._batches or self._may_probe())):
                    break
                self._changed.clear()
                try:
                    async with asyncio.timeout(0.5):
                        await self._changed.wait()
                except TimeoutError:
                    pass
        finally:
            beats.cancel()
            looks.cancel()
            for task in self._tasks:
                task.cancel()
            leaving = asyncio.ensure_future(self._leave())
            try:
                await asyncio.shield(leaving)
            except asyncio.CancelledError:
                await asyncio.wait([leaving], timeout=5)
                raise

    def _has_to_leave(self) -> bool:
        """Nothing is in flight: stay only while trials of ours may go out soon."""
        if self.stopping():
            return True
        return self._state in (RunState.PAUSED, RunState.HELD) and not self._may_probe()

    def _may_probe(self) -> bool:
        """A held run is probed by its driver for a while; then upkeep sends the next one."""
        in_time = self._loop_time() - self._held_since < self._hold_patience_s
        return self._state == RunState.HELD and self._heard is not None and self._heard.hold == "probe" and in_time

    async def _leave(self) -> None:
        """Give back what is ours, whatever happened; a lease that cannot be released lapses."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=30)
        try:
            await self._close_batches()
            for batch in self._batches.values():
                await self._tools.ledger.release(self._head, batch.lease, done=False)
            await self._tools.ledger.beat(self._head.name, self._owner, [], in_flight=0, drains=True, gone=True)
        except (LedgerError, RunpodkitError) as exc:
            batch_log.warning("run {}: leases lapse by themselves: {}", self._head.name, exc)

    async def _beats(self) -> None:
        """Renew leases and hear of cancel, pause and hold.  Waits for nothing but Redis, or leases would lapse."""
        while True:
            await asyncio.sleep(BEAT_S)
            try:
                await self._beat()
            except LedgerError as exc:
                if self._loop_time() - self._last_beat > LAST_BEAT_S:
                    raise
                batch_log.warning("run {}: {}", self._head.name, exc)
                continue
            if self._slice_s is not None and self._loop_time() - self._started > 2 * self._slice_s:
                self._ended_slice = True
                await self._call_successor()
            self._changed.set()

    async def _look_around(self) -> None:
        """Read the endpoint's health now and then, and see whether what holds the run is over."""
        next_health = 0.0
        while True:
            if self._loop_time() >= next_health:
                await self._read_health()
                next_health = self._loop_time() + HEALTH_S
            await asyncio.sleep(BEAT_S)
            if self._may_probe() and self._loop_time() >= self._next_probe:
                await self._probe()

    async def _beat(self) -> None:
        leases = [batch.lease for batch in self._batches.values()]
        drains = self._exhausted or self.stopping()
        self._heard = await self._tools.ledger.beat(
            self._head.name, self._owner, leases, in_flight=len(self._tasks), drains=drains
        )
        self._last_beat = self._loop_time()
        self._unheard_cost = 0.0
        for number in self._heard.lost:
            lost = self._batches.pop(number, None)
            if lost:
                batch_log.warning("run {}: batch {} went to another driver", self._head.name, number)

    async def _read_health(self) -> None:
        try:
            health = await self._tools.endpoint.health()
        except RunpodkitError as exc:
            batch_log.debug("run {}: no health: {}", self._head.name, exc)
            return
        if not self._head.policy.window:
            self._window = min(MAX_WINDOW, max(MIN_WINDOW, 2 * health.workers))
        why = (health.trouble or "") if health.in_queue else ""
        if why != self._waits_for:
            try:
                await self._tools.ledger.say_waits_for(self._head.name, why)
            except LedgerError as exc:
                batch_log.debug("run {}: {}", self._head.name, exc)
                return
            self._waits_for = why

    async def _probe(self) -> None:
        """See whether what held the run is over."""
        try:
            await self._tools.endpoint.health()
            await asyncio.to_thread(self._tools.store.put, f"runs/{self._head.name}/probe", b"", "text/plain")
            await asyncio.to_thread(self._tools.store.delete, f"runs/{self._head.name}/probe")
        except RunpodkitError as exc:
            batch_log.debug("run {}: still held: {}", self._head.name, exc)
            self._next_probe = self._loop_time() + PROBE_S
            return
        back = await self._tools.ledger.set_state(self._head.name, RunState.RUNNING, only_from=[RunState.HELD])
        if back:
            batch_log.info("run {} goes on", self._head.name)
            await self._beat()

    # what goes out

    def _share(self) -> int:
        """Jobs that this driver may have in flight."""
        if self._heard is None:
            return 0
        successes = max(self._heard.successes, self._successes)
        window = self._window
        if not successes and self._head.policy.pilot and not self._head.simulated:
            window = 1
        if self._exhausted:
            return window
        free = window - self._heard.drained
        return max(1, free // max(1, self._heard.sharing)) if free > 0 else 0

    async def _fill(self) -> None:
        """Claim batches and start trials until the share of the window is used."""
        if self.cancelled():
            await self._claim(everything=True)
            self._start(MAX_WINDOW)
            return
        if self._state != RunState.RUNNING or self.stopping():
            return
        share = self._share()
        unsent = sum(len(batch.todo) for batch in self._batches.values())
        if unsent <= share // 4:
            await self._claim(everything=False)
        if self._loop_time() - self._last_beat < LAST_BEAT_S:
            self._start(min(share, await self._affordable()))

    async def _claim(self, *, everything: bool) -> None:
        if self._exhausted:
            return
        over = self._slice_s is not None and self._loop_time() - self._started > self._slice_s
        if over and not everything and self._batches:
            self._exhausted = True
            await self._call_successor()
            return
        how_many = max(1, -(-(MAX_WINDOW if everything else self._share()) // BATCH_SIZE))
        leases = await self._tools.ledger.claim_batches(self._head, self._owner, how_many)
        if not leases:
            self._exhausted = not everything
        for lease in leases:
            numbers = list(self._head.batch(lease.batch))
            rows = await self._tools.ledger.rows(self._head.name, numbers)
            todo = deque(number for number in numbers if not rows[number].state.is_final)
            self._batches[lease.batch] = _Batch(lease, rows, todo)
        if leases:
            await self._close_batches()

    async def _call_successor(self) -> None:
        successor, self._successor = self._successor, None
        if successor:
            await successor()

    def _start(self, share: int) -> None:
        now = self._tools.clock()
        for batch in self._batches.values():
            for _ in range(len(batch.todo)):
                if len(self._tasks) >= share:
                    return
                number = batch.todo.popleft()
                if (batch.rows[number].not_before or 0) > now and not self.cancelled():
                    batch.todo.append(number)
                    continue
                batch.active.add(number)
                task = asyncio.create_task(self._work(batch, number))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _work(self, batch: _Batch, number: int) -> None:
        try:
            work = TrialWork(self._tools, self, self._head, batch.lease, self._trials[number], self._dialect)
            row = await work.work(batch.rows[number])
        except FencedError:
            self._batches.pop(batch.lease.batch, None)
            return
        except LedgerError as exc:
            # Whether the row was written is not known here: only a driver that reads it afresh may go on.
            self._broken = exc
            return
        except RunpodkitError as exc:
            batch_log.warning("run {}: trial {} is taken up again: {}", self._head.name, number, exc)
            row = (await self._tools.ledger.rows(self._head.name, [number]))[number]
        except Exception as exc:
            self._broken = exc
            return
        finally:
            batch.active.discard(number)
            self._changed.set()
        batch.rows[number] = row
        if not row.state.is_final:
            batch.todo.append(number)
        await self._judge(row)

    async def _judge(self, row: Row) -> None:
        """Hold the run if its first trials all end alike: the rest would be paid for in vain."""
        self._unheard_cost += row.cost_usd or 0.0
        if row.state is TrialState.COLLECTED:
            self._successes += 1
        if row.state is not TrialState.FAILED or self._successes or (self._heard and self._heard.successes):
            return
        self._failures[row.reason or ""] += 1
        reason, count = self._failures.most_common(1)[0]
        if count >= self._head.policy.hold_after_equal_failures and self._head.trials > count:
            await self.hold(f"the first {count} trials failed alike: {reason}", person=True)
            self._failures.clear()

    async def _affordable(self) -> int:
        """Jobs that may be in flight under `budget_usd`, each at its expected cost; holds the run where it is none."""
        budget = self._head.policy.budget_usd
        if budget is None or self._heard is None:
            return MAX_WINDOW
        spent = self._heard.cost + self._unheard_cost
        expected = spent / max(1, self._heard.successes, self._successes)
        jobs = int((budget - spent) / expected + 1e-9) if expected else MAX_WINDOW
        if jobs < 1 and not self._tasks and any(batch.todo for batch in self._batches.values()):
            told = f"${spent:.4f} of ${budget:g} spent, the next picture costs about ${expected:.4f}"
            await self.hold(f"budget: {told}; raise it with run.resume(budget_usd=…)", person=True)
        return max(0, jobs)

    # what comes back

    async def _close_batches(self) -> None:
        """Write the records of finished batches, then close them: the other way round could lose records."""
        for number in [number for number, batch in self._batches.items() if batch.is_done]:
            batch = self._batches.pop(number)
            records = [
                record_of(self._head, self._trials[trial], row, self._dialect)
                for trial, row in sorted(batch.rows.items())
            ]
            try:
                await asyncio.to_thread(write_batch, self._tools.store, self._head, number, records)
            except StoreError as exc:
                self._batches[number] = batch
                await self.hold(f"store: {exc}", person=False)
                return
            if await self._tools.ledger.release(self._head, batch.lease, done=True):
                state = RunState.CANCELLED if self.cancelled() else RunState.DONE
                await asyncio.to_thread(write_head, self._tools.store, self._head, state)
                batch_log.info("run {} is {}", self._head.name, state)

    def _learn(self, usual: list[tuple[float, float]]) -> None:
        for seconds, _ in reversed(usual):
            self._tools.pace.saw(seconds)


@lru_cache(maxsize=4)
def _cached_trials(plan_text: str, name: str) -> tuple[Trial, ...]:
    return tuple(Sweep.from_plan(json.loads(plan_text)).trials(name))


def _trials_of(head: RunHead) -> tuple[Trial, ...]:
    return _cached_trials(json.dumps(head.plan, ensure_ascii=False), head.name)
