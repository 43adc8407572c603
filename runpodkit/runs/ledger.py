"""The ledger: what is known of a run's trials while it runs, in Redis.

Every change of a trial goes through one script that checks the fence of its batch's
lease, so two drivers never disagree; changes of one process are committed in groups.
Holds no bytes of pictures and no parameters, and never learns where jobs are sent.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Container, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import redis.asyncio as aioredis
from redis.exceptions import RedisError

from runpodkit.errors import LedgerError
from runpodkit.runs import scripts
from runpodkit.runs.policies import RunPolicy
from runpodkit.runs.rows import BATCH_SIZE, Row, RunHead, RunState, TrialState

PREFIX = "runpodkit:"
LEASE_S = 20.0
DRIVER_GONE_S = 20.0
WORKER_GONE_S = 15
GROUP_S = 0.01
GROUP_MAX = 100
RETRIED_AT_ONCE = 1000
KEYS_AT_ONCE = 500
PRUNING = "prune/"
"""How the owner of a claim begins whose picture is being deleted."""
USUAL_TIMES = 50
DREW_LATELY_S = 3600
NOTICE_S = 60
"""Whoever tells of a run has so long for it; a webhook's tries take less."""
ANSWER_S = 10.0
"""A Redis that is silent for longer counts as gone."""


@dataclass(frozen=True, slots=True)
class Lease:
    """A batch of a run that is ours until it lapses; the fence tells us from earlier holders."""

    run: str
    batch: int
    fence: int


@dataclass(frozen=True, slots=True)
class Change:
    """One trial's next row, under a lease.  `add` increments numbers of the run, such as its cost."""

    lease: Lease
    trial: int
    row: Row
    claim: str = ""
    """`take` the key for this trial, `keep` it as collected, `drop` it, or leave it alone.

    Two only look: `heed` stops where a prune deletes the picture, `found` where anybody has the key.
    """
    add: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Who draws or has drawn a key.  `row` is there once the picture is."""

    owner: str
    row: Row | None = None


@dataclass(frozen=True, slots=True)
class Beat:
    """What a driver hears when it renews its leases."""

    state: str
    """A `RunState`, or GONE where the run was forgotten."""
    hold: str
    drained: int
    """Jobs in flight of drivers that will send no more."""
    others: int
    """Those of the other drivers."""
    sharing: int
    runs: int
    """Runs that have jobs to send to this endpoint, this one included."""
    paid_today: float
    """USD that all live runs on this Redis have cost since midnight UTC."""
    cost: float
    successes: int
    lost: frozenset[int]


@dataclass(frozen=True, slots=True)
class RunStatus:
    """Where a run stands, in numbers."""

    state: RunState
    reason: str
    hold: str
    counts: Mapping[TrialState, int]
    cost_usd: float
    status_calls: int
    submissions: int
    celery_tasks: int
    since: float
    ended: float | None
    waits_for: str = ""
    """Why queued jobs do not start, as far as the endpoint's health tells."""

    def count(self, *states: TrialState) -> int:
        return sum(self.counts.get(state, 0) for state in states)

    @property
    def is_over(self) -> bool:
        return self.state in (RunState.DONE, RunState.CANCELLED) and self.ended is not None


@dataclass(frozen=True, slots=True)
class Notice:
    """A run of whose end somebody is to be told."""

    head: RunHead
    status: RunStatus
    told: str
    """What was told last."""
    teller: str
    """The process that told it, or does so now."""


class Ledger:
    """All runs of one Redis, seen from one process."""

    def __init__(self, url: str, store: str = "") -> None:
        """`store` names the store that pictures go to: a key is claimed per store."""
        # Protocol 3 brings notices of maintenance, and with them redis-py hands out connections that a server closed.
        pool = aioredis.BlockingConnectionPool.from_url(
            url, max_connections=10, timeout=20, decode_responses=True, socket_timeout=ANSWER_S, protocol=2
        )
        self._redis = aioredis.Redis.from_pool(pool)
        self._store = store
        self._script = {
            name: self._redis.register_script(text)
            for name, text in vars(scripts).items()
            if name.isupper() and not name.startswith("_")
        }
        self._queue: list[tuple[Change, asyncio.Future[str]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def aclose(self) -> None:
        await self._redis.aclose()

    async def ping(self) -> None:
        async with _errors("reach it"):
            await self._redis.ping()

    # runs

    async def create(self, head: RunHead, *, listed: bool = True) -> RunHead | None:
        """Enter a run; gives the head of the run that already has this name, if one does."""
        keys = [self._run(head.name), f"{PREFIX}runs", f"{PREFIX}active"]
        text = json.dumps(head.to_dict(), ensure_ascii=False)
        async with _errors(f"enter run {head.name}"):
            there = await self._script["CREATE"](keys=keys, args=[head.name, text, head.trials, int(listed)])
        return RunHead.from_dict(json.loads(there)) if there else None

    async def head(self, name: str) -> RunHead | None:
        async with _errors(f"read run {name}"):
            text = await _reply(self._redis.hget(self._run(name), "head"))
        return RunHead.from_dict(json.loads(text)) if text else None

    async def status(self, name: str) -> RunStatus | None:
        async with _errors(f"read run {name}"):
            about = await _reply(self._redis.hgetall(self._run(name)))
        return _status(about)

    async def standings(self) -> list[tuple[RunHead, RunStatus]]:
        """Heads and states of all sweeps, in the order they were entered; a few hundred by one round trip."""
        found = []
        names = await self.names()
        for start in range(0, len(names), KEYS_AT_ONCE):
            async with _errors("list runs"):
                pipe = self._redis.pipeline(transaction=False)
                for name in names[start : start + KEYS_AT_ONCE]:
                    pipe.hgetall(self._run(name))
                answers = await pipe.execute()
            for about in answers:
                if "head" in about and (status := _status(about)):
                    found.append((RunHead.from_dict(json.loads(about["head"])), status))
        return found

    async def first_pictures(self, heads: Sequence[RunHead], among: int) -> dict[str, tuple[str, str]]:
        """Key and content of the first picture among the first trials of each run that has one; in one round trip."""
        asked = [(head, str(head.parts[0]["run"]) if head.parts else head.name) for head in heads]
        if not asked:
            return {}
        async with _errors("read trials"):
            pipe = self._redis.pipeline(transaction=False)
            for head, name in asked:
                pipe.hmget(
                    f"{self._run(name)}:rows", [str(number) for number in range(min(among, max(1, head.trials)))]
                )
            answers = await pipe.execute()
        found = {}
        for (head, _), texts in zip(asked, answers, strict=True):
            rows = (Row.from_text(text) for text in texts if text)
            if image := next((row.images[0] for row in rows if row.images), None):
                found[head.name] = (image.key, image.pixels)
        return found

    async def names(self, *, active: bool = False) -> list[str]:
        """Runs in the order they were entered; sweeps alone, or whatever still moves."""
        async with _errors("list runs"):
            names = await self._redis.zrange(f"{PREFIX}active" if active else f"{PREFIX}runs", 0, -1)
        return [str(name) for name in names]

    async def forget(self, name: str) -> None:
        """Drop everything known of a run; its pictures and records in the store stay."""
        run = self._run(name)
        async with _errors(f"forget run {name}"):
            await self._redis.delete(run, *(f"{run}:{part}" for part in ("rows", "batches", "events", "drivers")))
            await self._redis.zrem(f"{PREFIX}runs", name)
            await self._redis.zrem(f"{PREFIX}active", name)

    async def forget_over(self, name: str, *, whatever_state: bool = False) -> bool:
        """Drop everything known of a run unless it moves; whether it is gone.  Its files in the store stay."""
        keys = [self._run(name), f"{PREFIX}runs", f"{PREFIX}active"]
        async with _errors(f"forget run {name}"):
            return bool(await self._script["FORGET_OVER"](keys=keys, args=[name, int(whatever_state)]))

    async def set_state(
        self, name: str, state: RunState, reason: str = "", *, hold: str = "", only_from: Iterable[RunState]
    ) -> bool:
        """Change a run's state if it is in one of `only_from`; tells whether it did.

        `hold` says what ends a HELD run: `probe` (the endpoint or store answering again) or `person`.
        """
        allowed = json.dumps([str(item) for item in only_from])
        async with _errors(f"change run {name}"):
            done = await self._script["SET_STATE"](keys=[self._run(name)], args=[str(state), reason, hold, allowed])
        return bool(done)

    async def finish(self, name: str, state: RunState) -> None:
        """End a joint run, whose trials belong to its parts: it is kept as long as they are."""
        run = self._run(name)
        async with _errors(f"end run {name}"):
            now, _ = await _reply(self._redis.time())
            pipe = self._redis.pipeline(transaction=True)
            pipe.hset(run, mapping={"state": str(state), "ended": now})
            pipe.expire(run, 604_800)
            pipe.zrem(f"{PREFIX}active", name)
            await pipe.execute()

    async def set_policy(self, name: str, policy: RunPolicy) -> None:
        """Replace a run's policy; drivers that start from now on follow it."""
        head = await self.head(name)
        if head is None:
            raise LedgerError(f"no run is named {name!r} in this ledger")
        text = json.dumps(replace(head, policy=policy).to_dict(), ensure_ascii=False)
        async with _errors(f"change run {name}"):
            await _reply(self._redis.hset(self._run(name), "head", text))

    async def say_waits_for(self, name: str, why: str) -> None:
        """Note why queued jobs of a run do not start; empty: they do."""
        async with _errors(f"change run {name}"):
            await _reply(self._redis.hset(self._run(name), "waits_for", why))

    async def add(self, name: str, **numbers: float) -> None:
        """Add to numbers of a run, such as `celery_tasks`."""
        async with _errors(f"count for run {name}"):
            pipe = self._redis.pipeline(transaction=False)
            for field, by in numbers.items():
                pipe.hincrbyfloat(self._run(name), field, by)
            await pipe.execute()

    async def count(self, name: str, what: str) -> int:
        """Add one to a number of a run that exists; gives what it is then."""
        async with _errors(f"count for run {name}"):
            return int(float(await _reply(self._redis.hincrbyfloat(self._run(name), what, 1))))

    # trials

    async def rows(self, name: str, numbers: Sequence[int] | None = None) -> dict[int, Row]:
        """The rows of some trials, or of all that have one."""
        key = f"{self._run(name)}:rows"
        async with _errors(f"read trials of {name}"):
            if numbers is None:
                found = await _reply(self._redis.hgetall(key))
                return {
                    int(number): Row.from_text(text) for number, text in sorted(found.items(), key=lambda i: int(i[0]))
                }
            if not numbers:
                return {}
            texts = await _reply(self._redis.hmget(key, [str(number) for number in numbers]))
        return {number: Row.from_text(text) for number, text in zip(numbers, texts, strict=True)}

    async def apply(self, change: Change) -> Claim | None:
        """Commit one change together with whatever else this process changes just now.

        Returns:
            None when it is written; the claim that stands in the way of a `take`, `heed` or `found`.

        Raises:
            FencedError: the lease went to another driver; the change was not made.
            LedgerError: Redis did not answer.
        """
        written: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._queue.append((change, written))
        if len(self._queue) == 1:
            self._flush_soon(GROUP_S)
        elif len(self._queue) >= GROUP_MAX:
            self._flush_soon(0)
        answer = await written
        if answer == "fenced":
            raise FencedError(f"batch {change.lease.batch} of run {change.lease.run} went to another driver")
        return None if answer == "ok" else _claim(answer)

    def _flush_soon(self, delay_s: float) -> None:
        task = asyncio.create_task(self._flush(delay_s))
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self, delay_s: float) -> None:
        await asyncio.sleep(delay_s)
        group, self._queue = self._queue, []
        if not group:
            return
        try:
            text = json.dumps([self._wire(change) for change, _ in group], ensure_ascii=False)
            async with _errors("write trials"):
                answers = json.loads(await self._script["APPLY"](keys=[PREFIX], args=[text]))
        except Exception as exc:
            for _, written in group:
                if not written.done():
                    written.set_exception(exc)
            return
        for (_, written), answer in zip(group, answers, strict=True):
            if not written.done():
                written.set_result(answer)

    def _wire(self, change: Change) -> dict[str, Any]:
        wire: dict[str, Any] = {
            "run": change.lease.run,
            "batch": change.lease.batch,
            "fence": change.lease.fence,
            "trial": change.trial,
            "row": change.row.to_text(),
        }
        if change.add:
            wire["add"] = dict(change.add)
        if change.claim:
            owner = f"{change.lease.run}/{change.trial}"
            wire |= {"claim": change.claim, "key": f"{self._store}:{change.row.key}", "owner": owner}
            if change.claim == "keep":
                kept = replace(change.row, worker_id=None, flags=(), submitted_at=None, reserved_at=None)
                wire["kept"] = json.dumps({"owner": owner, "row": kept.to_text()}, ensure_ascii=False)
        return wire

    async def retry(self, head: RunHead, states: Container[TrialState]) -> int:
        """Plan every trial again that ended in one of these states and whose batch is closed; gives how many."""
        again = [
            [
                number,
                number // BATCH_SIZE,
                str(row.state),
                Row(
                    key=row.key,
                    doubtful=row.doubtful,
                    paid_before=row.paid_before + (row.cost_usd or 0),
                    flags=(*row.flags, "retried"),
                ).to_text(),
            ]
            for number, row in (await self.rows(head.name)).items()
            if row.state in states
        ]
        keys = [self._run(head.name), f"{PREFIX}active"]
        total = 0
        for start in range(0, len(again), RETRIED_AT_ONCE):
            part = json.dumps(again[start : start + RETRIED_AT_ONCE], ensure_ascii=False)
            async with _errors(f"retry trials of {head.name}"):
                total += int(await self._script["RETRY"](keys=keys, args=[head.name, part]))
        return total

    async def claims(self, keys: Sequence[str]) -> dict[str, Claim]:
        """Who draws or has drawn these keys; keys nobody claimed are left out."""
        if not keys:
            return {}
        async with _errors("read claims"):
            texts = await _reply(self._redis.mget([f"{PREFIX}claim:{self._store}:{key}" for key in keys]))
        return {key: _claim(text) for key, text in zip(keys, texts, strict=True) if text}

    async def last_event(self, name: str) -> str:
        """Where a run's stream ends just now."""
        async with _errors(f"read events of {name}"):
            last = await self._redis.xrevrange(f"{self._run(name)}:events", count=1)
        return str(last[0][0]) if last else "0"

    async def events(self, name: str, after: str, wait_s: float) -> tuple[str, list[int]]:
        """Trials that changed after a place in a run's stream, waiting a while for some; and the place after them."""
        async with _errors(f"read events of {name}"):
            stream: dict[Any, Any] = {f"{self._run(name)}:events": after}
            found = await _reply(self._redis.xread(stream, count=1000, block=max(1, int(wait_s * 1000))))
        entries = [entry for _, entries in found or () for entry in entries]
        if not entries:
            return after, []
        return str(entries[-1][0]), [int(told["trial"]) for _, told in entries if "trial" in told]

    async def row_of(self, owner: str) -> Row | None:
        """The row of a trial given as run/number; None where its run is gone."""
        name, _, number = owner.rpartition("/")
        if await self.head(name) is None:
            return None
        return (await self.rows(name, [int(number)]))[int(number)]

    async def drop_claim(self, key: str, owner: str) -> None:
        """Remove the claim of an owner whose run is gone."""
        claim = (await self.claims([key])).get(key)
        if claim and claim.owner == owner and claim.row is None:
            async with _errors("drop a claim"):
                await self._redis.delete(f"{PREFIX}claim:{self._store}:{key}")

    # pictures that are to go

    async def condemn(self, keys: Sequence[str], owner: str, seconds: int) -> set[str]:
        """Take the claims of pictures that are to be deleted: trials that want one wait, and then draw it anew.

        Returns:
            Keys that could not be taken, since somebody draws them just now.
        """
        return await self._by_key("CONDEMN", keys, owner, seconds)

    async def renew_condemned(self, keys: Sequence[str], owner: str, seconds: int) -> set[str]:
        """Keep those claims for longer; gives the keys whose claim was lost meanwhile."""
        return await self._by_key("RENEW_CONDEMNED", keys, owner, seconds)

    async def pardon(self, keys: Iterable[str], owner: str, *, gone: bool) -> None:
        """Give those claims back: as they were, or to nobody where the pictures are gone."""
        pairs = [[key, int(gone)] for key in keys]
        for start in range(0, len(pairs), KEYS_AT_ONCE):
            async with _errors("give claims back"):
                part = json.dumps(pairs[start : start + KEYS_AT_ONCE])
                await self._script["PARDON"](keys=[PREFIX], args=[self._store, owner, part])

    async def _by_key(self, script: str, keys: Sequence[str], owner: str, seconds: int) -> set[str]:
        told: set[str] = set()
        for start in range(0, len(keys), KEYS_AT_ONCE):
            async with _errors("take claims"):
                part = json.dumps(keys[start : start + KEYS_AT_ONCE])
                told |= set(
                    json.loads(await self._script[script](keys=[PREFIX], args=[self._store, owner, seconds, part]))
                )
        return told

    async def hold_lock(self, what: str, token: str, seconds: int) -> bool:
        """Take, keep or (with 0 seconds) give back a lock over everything of this store; whether it is the token's."""
        key = f"{PREFIX}lock:{what}:{self._store}"
        async with _errors(f"lock {what}"):
            return bool(await self._script["HOLD"](keys=[key], args=[token, seconds]))

    # leases

    async def claim_batches(self, head: RunHead, owner: str, how_many: int) -> list[Lease]:
        """Take up to `how_many` free batches of a run."""
        run = self._run(head.name)
        async with _errors(f"claim batches of {head.name}"):
            got = await self._script["CLAIM_BATCHES"](
                keys=[run, f"{run}:batches"], args=[owner, LEASE_S, head.batches, how_many]
            )
        return [Lease(head.name, int(number), int(fence)) for number, fence in zip(got[::2], got[1::2], strict=True)]

    async def beat(
        self,
        head: RunHead,
        owner: str,
        leases: Sequence[Lease],
        *,
        in_flight: int,
        drains: bool,
        wants: bool = False,
        gone: bool = False,
    ) -> Beat:
        """Renew leases, say how many jobs are in flight and whether there are more to send; hear how the run stands."""
        run = self._run(head.name)
        pairs = json.dumps([[lease.batch, lease.fence] for lease in leases])
        async with _errors(f"renew leases of {head.name}"):
            text = await self._script["BEAT"](
                keys=[run, f"{run}:batches", f"{run}:drivers", f"{PREFIX}sending:{head.endpoint}", f"{PREFIX}paid:"],
                args=[owner, LEASE_S, in_flight, int(drains), int(gone), pairs, head.name, int(wants)],
            )
        heard = json.loads(text)
        return Beat(**{**heard, "lost": frozenset(int(number) for number in heard["lost"])})

    async def release(self, head: RunHead, lease: Lease, *, done: bool) -> bool:
        """Give a batch back, or close it for good; tells whether the whole run is over with it."""
        run = self._run(head.name)
        async with _errors(f"release a batch of {head.name}"):
            over = await self._script["RELEASE"](
                keys=[run, f"{run}:batches", f"{PREFIX}active"],
                args=[lease.batch, lease.fence, int(done), head.batches, head.name],
            )
        return bool(over)

    async def live_drivers(self, name: str) -> list[str]:
        """Drivers heard of within the last 20 s."""
        async with _errors(f"read drivers of {name}"):
            drivers = await _reply(self._redis.hgetall(f"{self._run(name)}:drivers"))
            now, micro = await _reply(self._redis.time())
        return [
            owner for owner, text in drivers.items() if now + micro / 1e6 - json.loads(text)["beat"] <= DRIVER_GONE_S
        ]

    async def worker_beats(self, worker: str) -> None:
        """A Celery worker that takes runs is there."""
        async with _errors("say that a worker is there"):
            now, _ = await _reply(self._redis.time())
            pipe = self._redis.pipeline(transaction=False)
            pipe.zadd(f"{PREFIX}workers", {worker: now})
            pipe.zremrangebyscore(f"{PREFIX}workers", "-inf", now - WORKER_GONE_S)
            await pipe.execute()

    async def worker_leaves(self, worker: str) -> None:
        """A Celery worker takes no more runs."""
        async with _errors("say that a worker leaves"):
            await self._redis.zrem(f"{PREFIX}workers", worker)

    async def live_workers(self, queue: str) -> int:
        """Celery workers of a queue that were heard of within the last 15 s."""
        async with _errors("count workers"):
            now, _ = await _reply(self._redis.time())
            names = await self._redis.zrangebyscore(f"{PREFIX}workers", now - WORKER_GONE_S, "+inf")
        return sum(str(name).startswith(f"{queue}@") for name in names)

    async def workers(self) -> set[str]:
        """The main processes of all Celery workers that were heard of within the last 15 s."""
        async with _errors("list workers"):
            now, _ = await _reply(self._redis.time())
            names = await self._redis.zrangebyscore(f"{PREFIX}workers", now - WORKER_GONE_S, "+inf")
        return {str(name).partition("@")[2] for name in names}

    async def bury(self, name: str, owners: Sequence[str]) -> None:
        """Free what drivers hold that are dead for certain; leases of others lapse in their time."""
        async with _errors(f"free leases of {name}"):
            await self._script["BURY"](keys=[self._run(name)], args=[json.dumps(owners)])

    async def only_one(self, what: str, seconds: float) -> bool:
        """Whether the caller is the one to do `what` for the next `seconds`."""
        async with _errors(f"lock {what}"):
            return bool(await self._redis.set(f"{PREFIX}lock:{what}", 1, nx=True, px=int(seconds * 1000)))

    async def is_locked(self, what: str) -> bool:
        """Whether somebody does `what`, or did just now."""
        async with _errors(f"look at {what}"):
            return bool(await self._redis.exists(f"{PREFIX}lock:{what}"))

    # notices

    async def ask_notice(self, name: str, url: str, known: str = "") -> None:
        """Note which address is to be told of a run's end; it stands nowhere but here, and goes with the run's row.

        Args:
            known: The end or hold that whoever asks has seen already: if nobody asked before, it is not told.
        """
        async with _errors(f"note whom to tell of run {name}"):
            await self._script["ASK_NOTICE"](keys=[self._run(name), f"{PREFIX}notices"], args=[name, url, known])

    async def notices(self) -> list[Notice]:
        """Runs of whose end somebody is to be told, or was."""
        async with _errors("list notices"):
            names = sorted(str(name) for name in await _reply(self._redis.smembers(f"{PREFIX}notices")))
            if not names:
                return []
            pipe = self._redis.pipeline(transaction=False)
            for name in names:
                pipe.hgetall(self._run(name))
            answers = await pipe.execute()
            found = []
            for name, about in zip(names, answers, strict=True):
                status = _status(about)
                if status is None or "notify" not in about or "head" not in about:
                    await _reply(self._redis.srem(f"{PREFIX}notices", name))
                    continue
                teller = json.loads(about["telling"])["owner"] if "telling" in about else ""
                head = RunHead.from_dict(json.loads(about["head"]))
                found.append(Notice(head, status, about.get("told", ""), teller))
        return found

    async def claim_notice(self, name: str, mark: str, teller: str, gone: str = "") -> str | None:
        """The address to tell something to; None where it was told, or somebody else does so just now.

        Args:
            gone: A teller that is dead for certain, whose claim counts no more.
        """
        async with _errors(f"tell of run {name}"):
            url = await self._script["NOTICE"](keys=[self._run(name)], args=[mark, teller, NOTICE_S, gone])
        return str(url) if url else None

    async def told_notice(self, name: str, mark: str) -> None:
        """Whatever came of it, this was told: nobody tells it again."""
        async with _errors(f"tell of run {name}"):
            if await self._redis.exists(self._run(name)):
                await _reply(self._redis.hset(self._run(name), "told", mark))

    # usual times and shared limits

    async def saw_times(self, endpoint: str, times: Sequence[tuple[float, float]]) -> None:
        """Note how long jobs took: (execution time in s, work in megapixel steps), the latest last."""
        key = f"{PREFIX}times:{endpoint}"
        texts = [json.dumps([round(seconds, 4), work]) for seconds, work in times[-USUAL_TIMES:]]
        async with _errors("note times"):
            pipe = self._redis.pipeline(transaction=False)
            pipe.lpush(key, *texts)
            pipe.ltrim(key, 0, USUAL_TIMES - 1)
            pipe.expire(key, 30 * 86_400)
            pipe.set(f"{PREFIX}drew:{endpoint}", 1, ex=DREW_LATELY_S)
            await pipe.execute()

    async def drew_lately(self, endpoint: str) -> bool:
        """Whether a job of this endpoint ended well within the last hour."""
        async with _errors("read usual times"):
            return bool(await self._redis.exists(f"{PREFIX}drew:{endpoint}"))

    async def usual_times(self, endpoint: str) -> list[tuple[float, float]]:
        """The last 50 or fewer (execution time in s, work in pixel steps) of an endpoint, newest first."""
        async with _errors("read usual times"):
            texts = await _reply(self._redis.lrange(f"{PREFIX}times:{endpoint}", 0, -1))
        return [(float(pair[0]), float(pair[1])) for pair in map(json.loads, texts)]

    async def allot(self, what: str, per_second: int, wanted: int) -> tuple[int, float]:
        """A share of this second's requests: how many were granted, and seconds until the next second."""
        async with _errors("share limits"):
            granted, ms = await self._script["ALLOT"](keys=[f"{PREFIX}limit:{what}:"], args=[per_second, wanted])
        return int(granted), int(ms) / 1000

    @staticmethod
    def _run(name: str) -> str:
        return f"{PREFIX}run:{name}"


class FencedError(LedgerError):
    """The lease under which a change was made belongs to another driver by now."""


@asynccontextmanager
async def _errors(what: str) -> AsyncIterator[None]:
    try:
        yield
    except (RedisError, OSError) as exc:
        raise LedgerError(f"Redis{_why(exc)}: could not {what}: {exc}") from exc


def _why(error: Exception) -> str:
    """What a person can mend."""
    said = str(error)
    if "maxmemory" in said:
        return " is full, give it more memory"
    if "read only replica" in said or "READONLY" in said:
        return " is read-only, it follows another server"
    if "MISCONF" in said:
        return " cannot save to its disk"
    return ""


def _status(about: Mapping[str, str]) -> RunStatus | None:
    """How a run stands by its hash; None where a late driver still counted for one that was forgotten meanwhile."""
    if "state" not in about:
        return None
    return RunStatus(
        state=RunState(about["state"]),
        reason=about.get("reason", ""),
        hold=about.get("hold", ""),
        counts={state: int(about.get(f"n:{state}", 0)) for state in TrialState},
        cost_usd=float(about.get("cost", 0)),
        status_calls=int(float(about.get("status_calls", 0))),
        submissions=int(float(about.get("submissions", 0))),
        celery_tasks=int(float(about.get("celery_tasks", 0))),
        since=float(about["since"]),
        ended=float(about["ended"]) if "ended" in about else None,
        waits_for=about.get("waits_for", ""),
    )


async def _reply(answer: Any) -> Any:
    """redis-py types its replies as maybe awaitable; with the asyncio client they are."""
    return await answer


def _claim(text: str) -> Claim:
    given = cast(dict[str, str], json.loads(text))
    return Claim(given["owner"], Row.from_text(given["row"]) if "row" in given else None)
