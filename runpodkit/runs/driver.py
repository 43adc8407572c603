"""A driver: works the batches of one run, so many jobs in flight as the endpoint can take.

It claims free batches, works their trials side by side, renews its leases every second
and hears then how the run stands.  Several drivers share a run without meeting.  While
Redis does not answer it sends nothing more, keeps what it knows and tries again.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import lru_cache

from runpodkit.endpoint.follow import Due, Forecast
from runpodkit.endpoint.limits import AIR, per_10_s
from runpodkit.errors import LedgerError, RunpodkitError, StoreError
from runpodkit.logs import about, batch_log
from runpodkit.runs.ledger import Beat, FencedError, Lease
from runpodkit.runs.money import dollars
from runpodkit.runs.records import record_of, write_batch, write_head
from runpodkit.runs.rows import BATCH_SIZE, Row, RunHead, RunState, TrialState
from runpodkit.runs.stock import Stock
from runpodkit.runs.totals import end_totals
from runpodkit.runs.trials import Tools, TrialWork
from runpodkit.runs.window import LARGEST, Window
from runpodkit.sweeps.sweep import Sweep, Trial

BEAT_S = 1.0
SLICE_S = 60.0
LAST_BEAT_S = 10.0
"""No POST when the last renewal is older: the lease may be somebody else's soon."""
HEALTH_S, EARLY_HEALTH_S = 10.0, 2.0
"""Between two looks at the endpoint's health, and while its workers are still being started."""
FIRST_HEALTH_S = 2.0
"""The first submission waits so long for the number of workers, on which limits and window depend."""
PROBE_S = 5.0
LEDGER_PATIENCE_S = 600.0
"""How long a driver keeps what it knows while Redis takes no writes; its jobs' results last longer than that."""


@dataclass(slots=True)
class _Batch:
    lease: Lease
    rows: dict[int, Row]
    works: dict[int, TrialWork]
    todo: deque[int]
    active: set[int] = field(default_factory=set)

    @property
    def is_done(self) -> bool:
        return not self.todo and not self.active and all(row.state.is_final for row in self.rows.values())


class Driver:
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
        self._stock = Stock(tools.ledger, tools.store)
        self._batches: dict[int, _Batch] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._naps: set[asyncio.Future[None]] = set()
        self._on_endpoint = 0
        self._changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop_time = self._loop.time
        self._started = self._last_beat = self._loop_time()
        self._heard: Beat | None = None
        self._window = Window(head.policy.window)
        self._workers = 0
        self._forecast = Forecast()
        self._health_known = asyncio.Event()
        self._piloted = head.simulated or not head.policy.pilot
        self._times: list[tuple[float, float]] = []
        self._exhausted = False
        self._ended_slice = False
        self._leaving = False
        self._failures: Counter[str] = Counter()
        self._successes = 0
        self._unheard_cost = 0.0
        self._next_probe = 0.0
        self._held_since = self._started
        self._trouble_since: float | None = None
        self._patience_s = LEDGER_PATIENCE_S if slice_s is not None else hold_patience_s
        if tools.limiter and slice_s is not None:
            tools.limiter.patience_s = LEDGER_PATIENCE_S
        self._broken: Exception | None = None
        self._waits_for = ""
        self._ended: RunState | None = None
        """How the run ended, until the store knows."""

    # what the trials ask

    def stopping(self) -> bool:
        gave_up = self._slice_s is None and self._state == RunState.HELD and not self._may_probe()
        return self._draining() or self._ended_slice or gave_up or self._state == "GONE" or self._broken is not None

    def cancelled(self) -> bool:
        return self._state == RunState.CANCELLED

    def may_send(self) -> bool:
        return self._loop_time() - self._last_beat < LAST_BEAT_S

    def on_endpoint(self) -> int:
        return self._on_endpoint * max(1, self._heard.sharing if self._heard else 1)

    def forecast(self, submitted_at: float, usual_s: float) -> Due:
        sharing = max(1, self._heard.sharing if self._heard else 1)
        return self._forecast.submitted(submitted_at, usual_s, (self._workers or self._window.size) // sharing)

    def ended(self, due: Due, at: float) -> None:
        self._forecast.ended(due, at)

    def follows(self, change: int) -> None:
        self._on_endpoint += change

    def saw_time(self, execution_time_s: float, work: float) -> None:
        self._times.append((execution_time_s, work))

    async def nap(self, seconds: float) -> None:
        if seconds <= 0 or self.stopping() or self.cancelled():
            return
        nap: asyncio.Future[None] = self._loop.create_future()
        alarm = self._loop.call_later(seconds, _end_nap, nap)
        self._naps.add(nap)
        try:
            await nap
        finally:
            alarm.cancel()
            self._naps.discard(nap)

    async def ledger_back(self, error: LedgerError) -> bool:
        now = self._loop_time()
        if self._trouble_since is None:
            self._trouble_since = now
            batch_log.warning("{}; it is tried again", error)
        if now - self._trouble_since > self._patience_s or self._draining() or self._broken is not None:
            return False
        await self._tools.sleep(1.0)
        return True

    async def hold(self, reason: str, *, person: bool) -> None:
        if self._state != RunState.HELD:
            done = await self._tools.ledger.set_state(
                self._head.name,
                RunState.HELD,
                reason,
                hold="person" if person else "probe",
                only_from=[RunState.RUNNING],
            )
            if done:
                self._held_since = self._loop_time()
                batch_log.warning("held: {}", reason)
            if self._heard:
                self._heard = dataclasses.replace(
                    self._heard, state=RunState.HELD, hold="person" if person else "probe"
                )
        self._next_probe = self._loop_time() + PROBE_S

    @property
    def _state(self) -> str:
        return self._heard.state if self._heard else RunState.RUNNING

    # the loop

    async def drive(self) -> None:
        await self._beat()
        for seconds, work in reversed(await self._tools.ledger.usual_times(self._head.endpoint)):
            self._tools.pace.saw(seconds, work)
        self._piloted = self._piloted or await self._tools.ledger.drew_lately(self._head.endpoint)
        beats, looks = asyncio.create_task(self._beats()), asyncio.create_task(self._look_around())
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(FIRST_HEALTH_S):
                    await self._health_known.wait()
            while True:
                for side in (beats, looks):
                    if side.done():
                        side.result()
                try:
                    await self._close_batches()
                    await self._fill()
                except LedgerError as exc:
                    if isinstance(exc, FencedError) or not await self.ledger_back(exc):
                        raise
                if self._broken:
                    raise self._broken
                done = not self._ended and not (self._batches or self._may_probe())
                if not self._tasks and (done or self._has_to_leave()):
                    break
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(0.5):
                        await self._changed.wait()
        finally:
            self._leaving = True
            beats.cancel()
            looks.cancel()
            for task in self._tasks:
                task.cancel()
            leaving = asyncio.ensure_future(self._leave([beats, looks]))
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

    async def _leave(self, sides: list[asyncio.Task[None]]) -> None:
        """Give back what is ours, whatever happened; a lease that cannot be released lapses."""
        await asyncio.wait(sides, timeout=5)  # a beat under way would renew what is released here
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=30)
        try:
            await self._close_batches()
            for batch in self._batches.values():
                await self._tools.ledger.release(self._head, batch.lease, done=False)
            await self._tell_times()
            await self._tools.ledger.beat(self._head, self._owner, [], in_flight=0, drains=True, wants=False, gone=True)
            await self._look_back()
        except (LedgerError, RunpodkitError) as exc:
            batch_log.warning("leases lapse by themselves: {}", exc)

    async def _look_back(self) -> None:
        """A run that was resumed while its last driver left: whoever was sent found no batch free."""
        if self._state not in (RunState.PAUSED, RunState.HELD):
            return
        status = await self._tools.ledger.status(self._head.name)
        if status and status.state.sends:
            await self._call_successor()

    async def _beats(self) -> None:
        """Renew leases and hear of cancel, pause and hold.  Waits for nothing but Redis, or leases would lapse.

        The Redis client may lose a cancellation that comes with an answer: a driver that is gone must not beat on.
        """
        while not self._leaving:
            await asyncio.sleep(BEAT_S)
            try:
                await self._beat()
                await self._tell_times()
            except LedgerError as exc:
                if not await self.ledger_back(exc):
                    raise
                continue
            if self._slice_s is not None and self._loop_time() - self._started > 2 * self._slice_s:
                self._ended_slice = True
                await self._call_successor()
            self._window.step(
                self._loop_time(), self._collected, full=self._on_endpoint >= self._share() and self._share() > 0
            )
            if self.stopping() or self.cancelled():
                for nap in self._naps:
                    _end_nap(nap)
            self._changed.set()

    async def _look_around(self) -> None:
        """Read the endpoint's health now and then, and see whether what holds the run is over."""
        next_health = 0.0
        while not self._leaving:
            if self._loop_time() >= next_health:
                await self._read_health()
                self._health_known.set()
                early = self._loop_time() - self._started < HEALTH_S
                next_health = self._loop_time() + (EARLY_HEALTH_S if early else HEALTH_S)
            await asyncio.sleep(BEAT_S)
            if self._may_probe() and self._loop_time() >= self._next_probe:
                await self._probe()

    async def _beat(self) -> None:
        leases = [batch.lease for batch in self._batches.values()]
        drains = self._exhausted or self.stopping()
        wants = not drains and (not self._batches or any(batch.todo for batch in self._batches.values()))
        self._heard = await self._tools.ledger.beat(
            self._head, self._owner, leases, in_flight=len(self._tasks), drains=drains, wants=wants
        )
        self._last_beat = self._loop_time()
        self._trouble_since = None
        self._unheard_cost = 0.0
        for number in self._heard.lost:
            lost = self._batches.pop(number, None)
            if lost:
                batch_log.warning("batch {} went to another driver", number)

    async def _tell_times(self) -> None:
        times, self._times = self._times, []
        if times:
            await self._tools.ledger.saw_times(self._head.endpoint, times)

    async def _read_health(self) -> None:
        try:
            health = await self._tools.endpoint.health()
        except RunpodkitError as exc:
            batch_log.debug("no health: {}", exc)
            return
        self._workers = health.workers
        self._window.saw_workers(health.workers)
        self._tools.pace.looks_per_s = (per_10_s("status", health.idle + health.running) or 0) * AIR / 10
        why = (health.trouble or "") if health.in_queue else ""
        if why != self._waits_for:
            try:
                await self._tools.ledger.say_waits_for(self._head.name, why)
            except LedgerError as exc:
                batch_log.debug("why its jobs wait is not noted: {}", exc)
                return
            self._waits_for = why

    async def _probe(self) -> None:
        """See whether what held the run is over."""
        self._next_probe = self._loop_time() + PROBE_S
        try:
            await self._tools.endpoint.health()
            await asyncio.to_thread(self._tools.store.put, f"runs/{self._head.name}/probe", b"", "text/plain")
            await asyncio.to_thread(self._tools.store.delete, f"runs/{self._head.name}/probe")
            back = await self._tools.ledger.set_state(self._head.name, RunState.RUNNING, only_from=[RunState.HELD])
            if back:
                batch_log.info("it goes on")
                await self._beat()
        except RunpodkitError as exc:
            batch_log.debug("still held: {}", exc)

    # what goes out

    @property
    def _collected(self) -> int:
        return max(self._heard.successes if self._heard else 0, self._successes)

    def _share(self) -> int:
        """Jobs that this driver may have in flight."""
        if self._heard is None:
            return 0
        if not self._collected and not self._piloted:
            return 1
        window = self._window.size
        if self._exhausted:
            return window
        mine = max(1, window // max(1, self._heard.runs))
        free = mine - self._heard.drained
        fair = max(1, free // max(1, self._heard.sharing))
        return max(0, min(fair, free - self._heard.others))

    async def _fill(self) -> None:
        """Claim batches and start trials until the share of the window is used."""
        if self.cancelled():
            await self._claim(everything=True)
            self._start(LARGEST)
            return
        if self._state != RunState.RUNNING or self.stopping():
            return
        share = self._share()
        unsent = sum(len(batch.todo) for batch in self._batches.values())
        if unsent <= share // 4:
            await self._claim(everything=False)
        if self.may_send() and not await self._is_overdue():
            self._start(min(share, await self._affordable()))

    async def _claim(self, *, everything: bool) -> None:
        if self._exhausted:
            return
        over = self._slice_s is not None and self._loop_time() - self._started > self._slice_s
        if over and not everything and self._batches:
            self._exhausted = True
            await self._call_successor()
            return
        how_many = max(1, -(-(LARGEST if everything else self._share()) // BATCH_SIZE))
        leases = await self._tools.ledger.claim_batches(self._head, self._owner, how_many)
        if not leases:
            self._exhausted = not everything
        for lease in leases:
            self._batches[lease.batch] = await self._opened(lease)
        if leases:
            await self._close_batches()

    async def _opened(self, lease: Lease) -> _Batch:
        """A batch with its rows as they stand, and what the store holds of its trials."""
        numbers = list(self._head.batch(lease.batch))
        rows = await self._tools.ledger.rows(self._head.name, numbers)
        todo = [number for number in numbers if not rows[number].state.is_final]
        works = {
            number: TrialWork(self._tools, self, self._head, lease, self._trials[number], self._dialect)
            for number in todo
        }
        fresh = [number for number in todo if self._head.reuse and not rows[number].attempts]
        if fresh and not self.cancelled():
            stock = await self._stock.find([works[number].key for number in fresh])
            for number in fresh:
                works[number].stock = self._stock, stock.get(works[number].key, ())
        return _Batch(lease, rows, works, deque(todo))

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
        with about(trial=number):
            await self._worked(batch, number)

    async def _worked(self, batch: _Batch, number: int) -> None:
        try:
            row = await batch.works[number].work(batch.rows[number])
        except FencedError:
            self._batches.pop(batch.lease.batch, None)
            return
        except LedgerError as exc:
            # Whether the row was written is not known here: only a driver that reads it afresh may go on.
            self._broken = exc
            return
        except RunpodkitError as exc:
            batch_log.warning("taken up again: {}", exc)
            try:
                row = (await self._tools.ledger.rows(self._head.name, [number]))[number]
            except LedgerError as worse:
                self._broken = worse
                return
        except Exception as exc:
            self._broken = exc
            return
        finally:
            batch.active.discard(number)
            self._changed.set()
        batch.rows[number] = row
        if row.state.is_final:
            del batch.works[number]
        else:
            batch.todo.append(number)
        await self._judge(row)

    async def _judge(self, row: Row) -> None:
        """Hold the run if its first trials all end alike: the rest would be paid for in vain."""
        self._unheard_cost += row.cost_usd or 0.0
        if row.state is TrialState.COLLECTED:
            self._successes += 1
        if row.state is not TrialState.FAILED or self._collected:
            return
        self._failures[row.reason or ""] += 1
        reason, count = self._failures.most_common(1)[0]
        if count >= self._head.policy.hold_after_equal_failures and self._head.trials > count:
            await self._hold_surely(f"the first {count} trials failed alike: {reason}")
            self._failures.clear()

    async def _is_overdue(self) -> bool:
        """Whether `deadline_s` has passed; then the run is held."""
        deadline = self._head.policy.deadline_s
        if deadline is None or self._tools.clock() - self._head.created_at < deadline:
            return False
        if any(batch.todo for batch in self._batches.values()):
            told = f"deadline_s={deadline:g} since the start are over"
            await self._hold_surely(f"{told}; raise it with run.resume(deadline_s=…)")
        return True

    async def _affordable(self) -> int:
        """Jobs that may be in flight under `budget_usd` and the day's cap, each at its expected cost.

        Holds the run where it is none.
        """
        heard = self._heard
        if heard is None:
            return LARGEST
        expected = (heard.cost + self._unheard_cost) / max(1, self._collected)
        most = LARGEST
        for cap, before, name, cure in (
            (self._head.policy.budget_usd, heard.cost, "budget", "raise it with run.resume(budget_usd=…)"),
            (
                None if self._head.simulated else self._tools.usd_per_day,
                heard.paid_today,
                "RUNPODKIT_USD_PER_DAY",
                "raise it and run.resume(), or wait for tomorrow (UTC)",
            ),
        ):
            if cap is None:
                continue
            spent = before + self._unheard_cost
            jobs = int((cap - spent) / expected + 1e-9) if expected else LARGEST if spent < cap else 0
            if jobs < 1 and not self._tasks and any(batch.todo for batch in self._batches.values()):
                told = f"${spent:.4f} of ${dollars(cap)} spent, the next picture costs about ${expected:.4f}"
                await self._hold_surely(f"{name}: {told}; {cure}")
            most = min(most, jobs)
        return max(0, most)

    async def _hold_surely(self, reason: str) -> None:
        """Hold for a person, also where Redis has to be waited for first."""
        while True:
            try:
                return await self.hold(reason, person=True)
            except LedgerError as exc:
                if not await self.ledger_back(exc):
                    raise

    # what comes back

    async def _close_batches(self) -> None:
        """Write the records of finished batches, then close them: the other way round could lose records."""
        for number in [number for number, batch in self._batches.items() if batch.is_done]:
            batch = self._batches[number]
            records = [
                record_of(self._head, self._trials[trial], row, self._dialect)
                for trial, row in sorted(batch.rows.items())
            ]
            try:
                await asyncio.to_thread(write_batch, self._tools.store, self._head, number, records)
            except StoreError as exc:
                await self.hold(f"store: {exc}", person=False)
                return
            over = await self._tools.ledger.release(self._head, batch.lease, done=True)
            self._batches.pop(number, None)
            if over:
                self._ended = RunState.CANCELLED if self.cancelled() else RunState.DONE
                batch_log.info("{}", self._ended)
        if self._ended:
            try:
                totals = await end_totals(self._tools.ledger, self._head)
                told = totals.to_dict() if totals else None
                await asyncio.to_thread(write_head, self._tools.store, self._head, self._ended, told)
            except StoreError as exc:
                batch_log.warning("its end is not in the store yet: {}", exc)
                return
            self._ended = None


def _end_nap(nap: asyncio.Future[None]) -> None:
    if not nap.done():
        nap.set_result(None)


@lru_cache(maxsize=4)
def _cached_trials(plan_text: str, name: str) -> tuple[Trial, ...]:
    return tuple(Sweep.from_plan(json.loads(plan_text)).trials(name))


def _trials_of(head: RunHead) -> tuple[Trial, ...]:
    return _cached_trials(json.dumps(head.plan, ensure_ascii=False), head.name)
