"""One trial on its way: reserve, submit, follow, collect.

The rules that keep a trial from being paid twice are here: it is RESERVED before the
POST, its job id is written after, a lost answer is flagged, and whoever takes a trial
over follows the id that is written.  Knows one trial at a time; which ones go when is
`engine`'s business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, TypeVar

from runpodkit.endpoint.client import Endpoint, Policy
from runpodkit.endpoint.dialects import Dialect
from runpodkit.endpoint.follow import Due, Pace
from runpodkit.endpoint.keys import trial_key
from runpodkit.errors import (
    ApiError,
    AuthError,
    LedgerError,
    NotFoundError,
    OutputError,
    ProtocolError,
    RateLimitError,
    RunpodkitError,
    ServerError,
    StoreError,
    TransportError,
)
from runpodkit.images.metadata import embed
from runpodkit.jobs import Job, JobStatus
from runpodkit.logs import batch_log, redact
from runpodkit.params import ImageParams
from runpodkit.prompts import PRESETS, enhance
from runpodkit.reprs import cut
from runpodkit.runs.collecting import Haul, distinct, fetch_all, image_file, put_unread
from runpodkit.runs.inputs import sendable
from runpodkit.runs.ledger import PRUNING, Change, Claim, FencedError, Lease, Ledger
from runpodkit.runs.limits import RedisLimiter
from runpodkit.runs.money import work_of
from runpodkit.runs.rows import ImageFile, Row, RunHead, TrialState
from runpodkit.runs.stock import Stock
from runpodkit.storage import Store
from runpodkit.sweeps.sweep import Trial

T = TypeVar("T")

TAKE_OVER_S = 15.0
"""A reservation without a job id is left alone this long: its driver may still be waiting for the answer."""
FRESH_S = 1.0
"""A job submitted longer ago was taken over: where it stands in the queue is not known."""
LOST_LOOKS, LOST_S = 3, 10.0
RETENTION_S = 30 * 60
EXECUTION_MARGIN_S = 5.0
ONE_MORE = ("out of memory", "timed out after", "without output")
"""Failures that one more attempt may cure; everything else a worker reports would only be paid for again."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What the trials of one endpoint are worked with."""

    ledger: Ledger
    store: Store
    endpoint: Endpoint
    pace: Pace
    host: str
    """Host and port of the endpoint: the one private address that pictures may be fetched from."""
    rate: float | None
    """USD per second of a worker, where its GPU is known."""
    limiter: RedisLimiter | None
    """What paces the endpoint's requests, where it is shared over the ledger's Redis."""
    usd_per_day: float | None
    """What all live runs may cost in a day."""
    clock: Callable[[], float]
    """Seconds since the epoch."""
    sleep: Callable[[float], Awaitable[None]]
    ai_mark: bool = True
    """Whether pictures say that a trained model made them."""


class Conductor(Protocol):
    """What a trial asks of the run it belongs to."""

    def stopping(self) -> bool:
        """Whether unfinished trials are to be handed back as they stand."""

    def cancelled(self) -> bool:
        """Whether the run was cancelled."""

    def may_send(self) -> bool:
        """Whether the lease was renewed lately enough for a POST."""

    def on_endpoint(self) -> int:
        """Jobs of the run that are on the endpoint, as far as is known here."""

    def follows(self, change: int) -> None:
        """So many jobs more are on the endpoint."""

    def forecast(self, submitted_at: float, usual_s: float) -> Due:
        """When a job that was submitted just now will likely end, in seconds since the epoch."""

    def ended(self, due: Due, at: float) -> None:
        """When it did."""

    def saw_time(self, execution_time_s: float, work: float) -> None:
        """How long a job took, and its work in megapixel steps."""

    async def nap(self, seconds: float) -> None:
        """Sleep, but wake for a stop or a cancel."""

    async def ledger_back(self, error: LedgerError) -> bool:
        """Pause before a change that Redis did not take is tried again; False: give it up."""

    async def hold(self, reason: str, *, person: bool) -> None:
        """Stop the run from sending until the cause is gone (`probe`) or a person acts."""


class TrialWork:
    """One trial under one lease.  `work()` takes it as far as it can go."""

    def __init__(
        self, tools: Tools, conductor: Conductor, head: RunHead, lease: Lease, trial: Trial, dialect: Dialect
    ) -> None:
        self._tools, self._conductor, self._head, self._lease, self._trial = tools, conductor, head, lease, trial
        self._dialect = dialect
        self._params: ImageParams = dialect.resolve(trial.params)
        self.key = trial_key(head.identity, dialect.canonical(self._params), trial.repeat)
        self.stock: tuple[Stock, tuple[str, ...]] | None = None
        """Where the store has this picture, for a trial that is not begun."""
        self._me = f"{head.name}/{trial.number}"
        self._work = work_of(self._params)
        self._looks = 0

    async def work(self, row: Row) -> Row:
        """Take the trial on from `row`; gives its last row, final or as it was handed back."""
        while not row.state.is_final:
            match row.state:
                case TrialState.PLANNED if self._conductor.cancelled():
                    return await self._end(row, TrialState.CANCELLED, "the run was cancelled")
                case TrialState.PLANNED:
                    if self._conductor.stopping() or (row.not_before or 0) > self._tools.clock():
                        return row
                    row = await self._reserve(row)
                    if row.state is TrialState.RESERVED:
                        row = await self._uninterrupted(self._send(row))
                        if row.state is TrialState.PLANNED:
                            return row
                case TrialState.RESERVED:
                    row = await self._take_over(row)
                    if row.state is TrialState.RESERVED and self._conductor.stopping():
                        return row
                case TrialState.SUBMITTED:
                    row = await self._follow(row)
                    if row.state in (TrialState.SUBMITTED, TrialState.PLANNED):
                        return row
                case TrialState.WAITING:
                    row = await self._watch_owner(row)
                    if row.state is TrialState.WAITING:
                        return row
                case _:
                    raise AssertionError(f"trial {self._me} cannot go on from {row.state}")
        return row

    # reserve

    async def _reserve(self, row: Row) -> Row:
        if row.attempts == 0 and (found := await self._in_stock()):
            claim = await self._apply(found, "found")
            return found if claim is None else await self._by_claim(claim)
        reserved = replace(
            row,
            state=TrialState.RESERVED,
            key=self.key,
            attempts=row.attempts + 1,
            reserved_at=self._tools.clock(),
            job=None,
            not_before=None,
            reason=None,
            unread=None,
            excerpt=None,
        )
        claim = await self._apply(reserved, "take" if self._head.reuse else "heed")
        return reserved if claim is None else await self._by_claim(claim)

    async def _in_stock(self) -> Row | None:
        """The picture as an earlier run left it, where the ledger no longer knows; None if there is none."""
        if self.stock is None or len(self.stock[1]) != self._params.num_images:
            return None
        stock, names = self.stock
        if (await self._tools.ledger.claims([self.key])).get(self.key):
            return None
        images = await stock.read(names)
        if images is None:
            return None
        now = self._tools.clock()
        return Row(
            TrialState.REUSED, key=self.key, images=images, cost_usd=0.0, ended_at=now, flags=("cost from worker",)
        )

    async def _by_claim(self, claim: Claim) -> Row:
        """Another trial draws or has drawn this picture."""
        if claim.row is None:
            return await self._write(Row(TrialState.WAITING, key=self.key, owner=claim.owner))
        made = claim.row
        return await self._write(
            Row(
                TrialState.REUSED,
                key=self.key,
                images=made.images,
                seed=made.seed,
                queue_delay_s=made.queue_delay_s,
                execution_time_s=made.execution_time_s,
                job=made.job,
                reused_from=made.reused_from or made.ended_at,
                cost_usd=0.0,
                ended_at=self._tools.clock(),
                flags=("cost from worker",),
            )
        )

    async def _watch_owner(self, row: Row) -> Row:
        """Wait for the trial that draws the same picture; take over if it ends without one."""
        while not self._conductor.stopping():
            if self._conductor.cancelled():
                return await self._end(row, TrialState.CANCELLED, "the run was cancelled")
            claim = (await self._tools.ledger.claims([self.key])).get(self.key)
            pruned = claim is not None and claim.owner.startswith(PRUNING)
            if claim is None or claim.owner == self._me or not (self._head.reuse or pruned):
                return await self._write(Row(TrialState.PLANNED, key=self.key))
            if claim.row is not None:
                return await self._by_claim(claim)
            if not pruned:
                owner = await self._tools.ledger.row_of(claim.owner)
                if owner is None or (owner.state.is_final and not owner.state.has_picture):
                    await self._tools.ledger.drop_claim(self.key, claim.owner)
            await self._conductor.nap(0.5)
        return row

    # submit

    async def _take_over(self, row: Row) -> Row:
        """A reservation whose driver is gone: its POST may or may not have been made."""
        now = self._tools.clock()
        until = min(now, row.reserved_at or 0.0) + TAKE_OVER_S  # never longer, whatever clock it was written by
        while self._tools.clock() < until:
            if self._conductor.stopping():
                return row
            await self._tools.sleep(0.5)
        if self._conductor.cancelled():
            return await self._end(
                replace(row, doubtful=row.doubtful + 1), TrialState.CANCELLED, "the run was cancelled"
            )
        again = await self._doubtful(row, "the process that sent it died before the answer")
        return again if again.state.is_final else await self._uninterrupted(self._send(again))

    async def _uninterrupted(self, sending: Awaitable[Row]) -> Row:
        """A POST under way is never cut off: its answer holds the id of a job that is paid for."""
        task = asyncio.ensure_future(sending)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait([task], timeout=30)
            raise

    async def _send(self, row: Row) -> Row:
        policy = Policy(
            execution_timeout_s=max(float(self._params.timeout), 5.0),
            ttl_s=(self._head.policy.queue_timeout_s or 6 * 3600) + max(self._params.timeout, 5) + 60,
        )
        while True:
            if not self._conductor.may_send():
                return await self._put_back(row)
            try:
                input = await asyncio.to_thread(self._input, row) if self._params.input_image else self._input(row)
                job = await self._tools.endpoint.submit(input, policy=policy)
            except RateLimitError as exc:
                await self._conductor.nap(exc.retry_after_s or 2.0)
                if self._conductor.stopping():
                    return await self._put_back(row)
                continue
            except TransportError as exc:
                if not exc.may_be_accepted:
                    if self._conductor.stopping():
                        return await self._put_back(row)
                    await self._conductor.hold(f"endpoint down: {exc}", person=False)
                    return await self._put_back(row)
                row = await self._doubtful(row, str(exc))
            except (ServerError, ProtocolError) as exc:
                row = await self._doubtful(row, str(exc))
            except (AuthError, NotFoundError) as exc:
                await self._conductor.hold(str(exc), person=True)
                return await self._put_back(row)
            except (ApiError, ValueError) as exc:
                reason = self._dialect.explain(f"the endpoint refused the job: {exc}")
                return await self._end(row, TrialState.FAILED, reason)
            except StoreError as exc:  # the input image
                await self._conductor.hold(f"store: {exc}", person=False)
                return await self._put_back(row)
            else:
                return await self._keep_id(row, job)
            if row.state.is_final:
                return row
            await self._tools.sleep(1.0)

    def _input(self, row: Row) -> Mapping[str, Any]:
        """What is sent; each submission has a mark of its own, for workers that answer a repeated input with nothing."""
        mark = f"{self._head.name}-{self._trial.number}-{row.attempts}"
        return self._dialect.to_input(
            self._params,
            mark=mark,
            image=lambda ref: sendable(ref, self._tools.store, inline=self._dialect.image_as == "comfyui"),
        )

    async def _keep_id(self, row: Row, job: Job) -> Row:
        submitted = replace(row, state=TrialState.SUBMITTED, job=job.id, submitted_at=self._tools.clock())
        try:
            return await self._write(submitted, add={"submissions": 1})
        except FencedError:
            # The batch is somebody else's by now, and so is the trial: this job must not run beside theirs.
            batch_log.warning("job {} is an orphan and is cancelled", job.id)
            await self._cancel_job(job.id)
            raise

    async def _doubtful(self, row: Row, why: str) -> Row:
        """The answer to a POST was lost: send again, flagged, but not for ever."""
        batch_log.warning("submission without an answer ({})", why)
        row = replace(row, doubtful=row.doubtful + 1)
        if row.doubtful > self._head.policy.max_doubtful or row.attempts >= self._head.policy.max_attempts:
            return await self._end(row, TrialState.FAILED, f"submission unconfirmed: {why}", add={"submissions": 1})
        again = replace(row, attempts=row.attempts + 1, reserved_at=self._tools.clock())
        return await self._write(again, add={"submissions": 1})

    async def _put_back(self, row: Row) -> Row:
        """Certainly not accepted: as if it had never been reserved."""
        return await self._write(
            replace(row, state=TrialState.PLANNED, attempts=row.attempts - 1, reserved_at=None), claim="drop"
        )

    # follow

    async def _follow(self, row: Row) -> Row:
        self._conductor.follows(+1)
        try:
            return await self._followed(row)
        finally:
            self._conductor.follows(-1)

    async def _followed(self, row: Row) -> Row:
        tools, conductor = self._tools, self._conductor
        job_id = row.job or ""
        usual_s, submitted_at = tools.pace.expected_s(self._work), min(row.submitted_at or tools.clock(), tools.clock())
        due = None
        if usual_s is not None and tools.clock() - submitted_at < FRESH_S:
            due = conductor.forecast(submitted_at, usual_s)
        looks, working_since, queued = 0, None, False
        missing: list[float] = []
        while True:
            age = tools.clock() - submitted_at
            likely_s = None if due is None else due.at - submitted_at
            rest = tools.pace.next_look_s(
                age, looks, conductor.on_endpoint(), work=self._work, likely_s=likely_s, queued=queued
            )
            await conductor.nap(rest)
            if conductor.cancelled():
                await self._cancel_job(job_id)
                return await self._end(row, TrialState.CANCELLED, "the run was cancelled")
            if conductor.stopping():
                return row
            try:
                looks += 1
                self._looks += 1
                job = await tools.endpoint.status(job_id)
            except NotFoundError:
                if not missing:
                    batch_log.warning("job {} is unknown to the endpoint", job_id)
                missing.append(tools.clock())
                if len(missing) >= LOST_LOOKS and missing[-1] - missing[0] >= LOST_S:
                    return await self._lost(row, age)
                await conductor.nap(LOST_S / LOST_LOOKS)
                continue
            except AuthError as exc:
                await conductor.hold(str(exc), person=True)
                return row
            except (TransportError, ApiError, ProtocolError) as exc:
                await conductor.hold(f"endpoint down: {exc}", person=False)
                await conductor.nap(3.0)
                continue
            missing.clear()
            if job.status.is_final:
                if due is not None and job.execution_time_s is not None:
                    conductor.ended(due, submitted_at + (job.queue_delay_s or 0) + job.execution_time_s)
                return await self._collect(row, job)
            queued = job.status is JobStatus.IN_QUEUE
            if job.status in (JobStatus.IN_PROGRESS, JobStatus.RUNNING):
                working_since = working_since or tools.clock()
            if overdue := self._overdue(age, working_since):
                return await self._give_up(row, job_id, overdue)

    def _overdue(self, age: float, working_since: float | None) -> str | None:
        bound = self._head.policy.queue_timeout_s
        if working_since is None:
            return f"queue_timeout_s: not started within {bound:g} s" if bound and age > bound else None
        patience = max(self._params.timeout, 5) + EXECUTION_MARGIN_S
        if self._tools.clock() - working_since > patience:
            return f"timeout: a worker had it for more than {self._params.timeout} s; raise timeout="
        return None

    async def _give_up(self, row: Row, job_id: str, reason: str) -> Row:
        """Our patience is over: a last look, then cancel."""
        last = await self._tools.endpoint.status(job_id)
        self._looks += 1
        if last.status.is_final:
            return await self._collect(row, last)
        await self._cancel_job(job_id)
        return await self._end(row, TrialState.FAILED, reason)

    async def _lost(self, row: Row, age: float) -> Row:
        """The endpoint forgot the job: it may have ended and been paid for, or never existed."""
        if age > RETENTION_S and self._head.policy.on_expired == "keep":
            return await self._end(row, TrialState.EXPIRED, "the result was kept 30 minutes and is gone")
        if row.attempts >= self._head.policy.max_attempts:
            return await self._end(row, TrialState.FAILED, "the endpoint forgot the job")
        flagged = replace(
            row, state=TrialState.PLANNED, job=None, doubtful=row.doubtful + 1, flags=(*row.flags, "job forgotten")
        )
        return await self._write(flagged, claim="drop")

    async def _cancel_job(self, job_id: str) -> None:
        try:
            await self._tools.endpoint.cancel(job_id)
        except RunpodkitError as exc:
            batch_log.warning("job {} could not be cancelled: {}", job_id, exc)

    # collect

    async def _collect(self, row: Row, job: Job) -> Row:
        cost = self._dialect.price_usd(self._params)
        if cost is None and job.execution_time_s is not None and self._tools.rate is not None:
            cost = job.execution_time_s * self._tools.rate
        row = replace(
            row,
            queue_delay_s=job.queue_delay_s,
            execution_time_s=job.execution_time_s,
            worker_id=job.worker_id,
            cost_usd=cost,
            ended_at=self._tools.clock(),
        )
        if job.execution_time_s is not None:
            self._tools.pace.saw(job.execution_time_s, self._work)
        if job.status is JobStatus.CANCELLED:
            return await self._end(row, TrialState.CANCELLED, "cancelled on the endpoint")
        if job.status is not JobStatus.COMPLETED or job.output is None:
            return await self._without_picture(row, job, job.reason)
        reading = self._dialect.read(job.output)
        if reading.cost_usd is not None:
            row = replace(row, cost_usd=reading.cost_usd, flags=(*row.flags, "cost from worker"))
        if reading.error:
            return await self._without_picture(row, job, reading.error)
        haul = await fetch_all(reading.images, self._tools.host)
        if not haul.fetched:
            return await self._without_picture(row, job, f"unreadable output: {'; '.join(haul.problems)}", final=True)
        if haul.problems:
            noted = await self._note_unread(row, job, "; ".join(haul.problems))
            if noted is None:
                return replace(row, state=TrialState.SUBMITTED)
            row = noted
        kept = await self._keep(row, haul)
        if kept is None:
            return replace(row, state=TrialState.SUBMITTED)
        images, repeated = kept
        remark = [f"the worker complains: {cut(reading.remark, 200)}"] if reading.remark else []
        collected = replace(
            row,
            state=TrialState.COLLECTED,
            images=images,
            seed=reading.seed if reading.seed is not None else reading.images[0].seed,
            flags=(*row.flags, *_few(haul.problems), *repeated, *remark),
        )
        if job.execution_time_s is not None:
            self._conductor.saw_time(job.execution_time_s, self._work)
        return await self._write(
            collected,
            claim="keep",
            add={**self._costs(collected), "successes": 1, "status_calls": self._looks},
        )

    async def _keep(self, row: Row, haul: Haul) -> tuple[tuple[ImageFile, ...], list[str]] | None:
        """Put the pictures into the store, each once, and say which were left out; None when told to stop meanwhile."""
        sent = enhance(self._params, PRESETS[self._dialect.preset])
        about: dict[str, Any] = {
            "run": self._head.name,
            "trial": self._trial.number,
            "endpoint": self._head.endpoint,
            "model": self._head.identity,
            "simulated": self._head.simulated,
            "job_id": row.job,
        }
        if not_sent := sorted(set(ImageParams.model_fields) - self._dialect.takes):
            about["not_sent"] = not_sent

        def put_all() -> tuple[tuple[ImageFile, ...], list[str]]:
            files = []
            kept, repeated = distinct(haul.fetched)
            for i, one in enumerate(kept):
                key = f"images/{self.key[:2]}/{self.key}-{i}.{one.picture.format}"
                try:
                    data = embed(one.picture.data, self._params, sent, about, ai_mark=self._tools.ai_mark)
                except OutputError:  # it can be looked at, and that counts
                    data = one.picture.data
                self._tools.store.put(key, data, f"image/{one.picture.format}")
                files.append(image_file(key, len(data), one, several=len(haul.fetched) > 1))
            return tuple(files), repeated

        return await self._stored(put_all)

    async def _without_picture(self, row: Row, job: Job, reason: str, *, final: bool = False) -> Row:
        """A job that gave no picture: what it returned instead is kept."""
        if job.output is not None:
            noted = await self._note_unread(row, job, reason)
            if noted is None:
                return replace(row, state=TrialState.SUBMITTED)
            row = noted
        return await (self._end(row, TrialState.FAILED, reason) if final else self._failed(row, reason))

    async def _note_unread(self, row: Row, job: Job, problem: str) -> Row | None:
        about = {"run": self._head.name, "trial": self._trial.number, "job": job.id, "problem": problem}
        kept = await self._stored(lambda: put_unread(self._tools.store, self.key, job.output, about))
        return None if kept is None else replace(row, unread=kept[0], excerpt=kept[1])

    async def _stored(self, put: Callable[[], T]) -> T | None:
        """What `put` gives, in a thread; waits for the store if need be.  None when told to stop meanwhile."""
        while True:
            try:
                return await asyncio.to_thread(put)
            except StoreError as exc:
                await self._conductor.hold(f"store: {exc}", person=False)
                await self._conductor.nap(3.0)
                if self._conductor.stopping():
                    return None

    # ends

    async def _failed(self, row: Row, reason: str) -> Row:
        """A job that ended without a picture: once more if that may help, else FAILED."""
        reason = self._dialect.explain(reason)
        may_help = any(words in reason.lower() for words in ONE_MORE) and "executiontimeout" not in reason.lower()
        again = may_help and "tried again" not in row.flags and row.attempts < self._head.policy.max_attempts
        if not again:
            return await self._end(row, TrialState.FAILED, reason)
        batch_log.info("{}; one more attempt", reason)
        later = replace(
            row,
            state=TrialState.PLANNED,
            not_before=self._tools.clock() + self._head.policy.retry_delay_s,
            reason=reason,
            cost_usd=None,
            paid_before=row.paid_before + (row.cost_usd or 0),
            flags=(*row.flags, "tried again"),
        )
        return await self._write(later, claim="drop", add=self._costs(row))

    async def _end(self, row: Row, state: TrialState, reason: str, add: Mapping[str, float] | None = None) -> Row:
        ended = replace(
            row, state=state, reason=redact(reason)[:500], key=self.key, ended_at=row.ended_at or self._tools.clock()
        )
        numbers = {**self._costs(row), "status_calls": self._looks, **(add or {})}
        return await self._write(ended, claim="drop", add=numbers)

    def _costs(self, row: Row) -> dict[str, float]:
        """What the job at hand adds to the run's cost, and on a live endpoint to the day's."""
        cost = row.cost_usd or 0.0
        if self._head.simulated:
            return {"cost": cost}
        if row.cost_usd is None:
            return {"cost": cost} if row.execution_time_s is None else {"cost": cost, "unpriced": 1}
        if not cost:
            return {"cost": cost}
        told = {} if "cost from worker" in row.flags else {"guessed": cost}
        return {"cost": cost, "paid": cost, **told}

    async def _write(self, row: Row, claim: str = "", add: Mapping[str, float] | None = None) -> Row:
        await self._apply(row, claim if self._head.reuse else "", add)
        return row

    async def _apply(self, row: Row, claim: str = "", add: Mapping[str, float] | None = None) -> Claim | None:
        """Commit a row; while Redis takes no writes, wait for it: what this process knows may be paid for already."""
        ledger, number = self._tools.ledger, self._trial.number
        change = Change(self._lease, number, row, claim, add)
        doubtful = False
        while True:
            try:
                # It may have been written before the answer was lost: then once is enough.
                if doubtful and (await ledger.rows(self._head.name, [number]))[number] == row:
                    return None
                return await ledger.apply(change)
            except FencedError:
                raise
            except LedgerError as exc:
                if not await self._conductor.ledger_back(exc):
                    raise
                doubtful = True


def _few(problems: tuple[str, ...]) -> list[str]:
    """The first of many, as a row in the ledger stays small."""
    return [*problems[:3], *([f"{len(problems) - 3} more could not be read"] if len(problems) > 3 else [])]
