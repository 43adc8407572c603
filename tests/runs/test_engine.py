"""The engine over a real Redis and the simulator: every trial ends once, whatever happens on the way."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import replace

import httpx
import pytest

from runpodkit.runs.engine import Engine
from runpodkit.runs.policies import RunPolicy
from runpodkit.runs.records import read_records
from runpodkit.runs.rows import RunState, TrialState
from tests.runs.conftest import Bench, mock, refused


async def drive(bench: Bench, name: str = "run", owner: str = "driver-1", **how: object) -> None:
    async with asyncio.timeout(40):
        await bench.engine.drive(name, owner=owner, **how)  # type: ignore[arg-type]


async def test_every_trial_is_submitted_once_and_kept_once(bench: Bench) -> None:
    await bench.enter(mock(120))

    await drive(bench)

    status = await bench.ledger.status("run")
    assert status
    assert status.is_over
    assert await bench.counts() == {"COLLECTED": 120}
    assert bench.way.seen.count("run") == status.submissions == 120
    assert len(list(bench.store.keys("images/"))) == 120
    records = read_records(bench.store, "run")
    assert [record.trial for record in records] == list(range(120))
    assert all(record.images and record.execution_time_s for record in records)
    assert list(bench.store.keys("runs/run/records/")) == [f"runs/run/records/0000{n}.jsonl" for n in range(3)]


async def test_the_window_is_never_exceeded(bench: Bench) -> None:
    await bench.enter(mock(40, exec_ms=60), window=5)
    most = 0
    running = asyncio.create_task(drive(bench))
    while not running.done():
        most = max(most, sum(not job.status.is_final for job in bench.simulator.queue.jobs.values()))
        await asyncio.sleep(0.005)
    await running

    assert 3 <= most <= 5


async def test_a_lost_answer_is_sent_again_and_flagged(bench: Bench) -> None:
    await bench.enter(mock(6))
    lost = httpx.ReadError("connection reset")
    bench.way.after = lambda request, n: lost if request.url.path.endswith("/run") and n == 1 else None

    await drive(bench)

    records = read_records(bench.store, "run")
    assert await bench.counts() == {"COLLECTED": 6}
    assert [record.maybe_paid_twice for record in records].count(True) == 1
    assert len(bench.simulator.queue.jobs) == 7
    status = await bench.ledger.status("run")
    assert status
    assert status.submissions == 7


async def test_a_submission_that_is_never_confirmed_ends_after_three(bench: Bench) -> None:
    await bench.enter(mock(1))
    bench.way.after = lambda request, n: httpx.Response(502) if request.url.path.endswith("/run") else None

    await drive(bench)

    (record,) = read_records(bench.store, "run")
    assert (record.state, record.attempts, record.maybe_paid_twice) == (TrialState.FAILED, 3, True)
    assert record.reason
    assert record.reason.startswith("submission unconfirmed")
    assert bench.way.seen.count("run") == 3


async def test_an_endpoint_that_is_down_holds_the_run_until_it_is_back(bench: Bench) -> None:
    await bench.enter(mock(10))
    down = True
    bench.way.before = lambda request, n: refused() if down else None
    running = asyncio.create_task(drive(bench))
    while (status := await bench.ledger.status("run")) and status.state is not RunState.HELD:
        await asyncio.sleep(0.05)

    assert status
    assert status.hold == "probe"
    assert status.reason.startswith("endpoint down: POST run: no answer")
    assert status.submissions == 0
    down = False
    await running

    assert await bench.counts() == {"COLLECTED": 10}
    assert not any(record.maybe_paid_twice for record in read_records(bench.store, "run"))


async def test_a_wrong_key_holds_the_run_for_a_person_and_loses_nothing(bench: Bench) -> None:
    await bench.enter(mock(10))
    bench.way.before = lambda request, n: httpx.Response(401, text="Unauthorized")

    await drive(bench)
    status = await bench.ledger.status("run")
    bench.way.before = lambda request, n: None
    await bench.ledger.set_state("run", RunState.RUNNING, only_from=[RunState.HELD])
    await drive(bench)

    assert status
    assert (status.state, status.hold) == (RunState.HELD, "person")
    assert "check RUNPOD_API_KEY" in status.reason
    assert await bench.counts() == {"COLLECTED": 10}


async def test_first_failures_that_are_all_alike_hold_the_run(bench: Bench) -> None:
    await bench.enter(
        mock(30).__class__(mock(30).base.with_values({"extra": {"steps": 0}}), {"seed": list(range(30))}), window=3
    )

    await drive(bench)

    status = await bench.ledger.status("run")
    assert status
    assert (status.state, status.hold) == (RunState.HELD, "person")
    assert status.reason.startswith("the first 3 trials failed alike: steps does not meet the constraints")
    assert status.submissions < 12


async def test_a_vanished_driver_is_followed_by_the_written_ids(bench: Bench) -> None:
    await bench.enter(mock(8, exec_ms=400))
    first = asyncio.create_task(drive(bench))
    while (await bench.counts()).get("SUBMITTED", 0) < 8:
        await asyncio.sleep(0.02)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    await drive(bench, owner="driver-2")

    assert await bench.counts() == {"COLLECTED": 8}
    assert bench.way.seen.count("run") == 8


async def test_a_driver_that_is_told_to_stop_hands_back_what_it_holds(bench: Bench) -> None:
    await bench.enter(mock(20, exec_ms=150), window=4)
    stop = False
    first = asyncio.create_task(drive(bench, draining=lambda: stop))
    while (await bench.counts()).get("COLLECTED", 0) < 3:
        await asyncio.sleep(0.02)
    stop = True
    await first
    sent = bench.way.seen.count("run")

    await drive(bench, owner="driver-2")

    assert sent < 20
    assert await bench.counts() == {"COLLECTED": 20}
    assert bench.way.seen.count("run") == 20


async def test_two_runs_that_want_the_same_pictures_pay_once(bench: Bench) -> None:
    await bench.enter(mock(6, exec_ms=200), "one")
    await bench.enter(mock(6, exec_ms=200), "two")

    await asyncio.gather(drive(bench, "one"), drive(bench, "two", owner="driver-2"))

    one, two = await bench.counts("one"), await bench.counts("two")
    assert bench.way.seen.count("run") == 6
    assert one.get("COLLECTED", 0) + two.get("COLLECTED", 0) == 6
    assert one.get("REUSED", 0) + two.get("REUSED", 0) == 6


async def test_a_trial_takes_over_when_the_owner_of_its_picture_is_cancelled(bench: Bench) -> None:
    await bench.enter(mock(2, exec_ms=60_000), "one")
    await bench.enter(mock(2, exec_ms=60_000), "two")
    first = asyncio.create_task(drive(bench, "one"))
    while (await bench.counts("one")).get("SUBMITTED", 0) < 2:
        await asyncio.sleep(0.02)
    second = asyncio.create_task(drive(bench, "two", owner="driver-2"))
    while (await bench.counts("two")).get("WAITING", 0) < 2:
        await asyncio.sleep(0.02)

    await bench.ledger.set_state("one", RunState.CANCELLED, only_from=[RunState.RUNNING])
    await first
    while (await bench.counts("two")).get("SUBMITTED", 0) < 2:
        await asyncio.sleep(0.02)
    await bench.ledger.set_state("two", RunState.CANCELLED, only_from=[RunState.RUNNING])
    await second

    assert await bench.counts("one") == {"CANCELLED": 2}
    assert await bench.counts("two") == {"CANCELLED": 2}
    assert [str(job.status) for job in bench.simulator.queue.jobs.values()] == ["CANCELLED"] * 4


async def test_pictures_in_the_store_are_reused_when_the_ledger_has_forgotten(bench: Bench) -> None:
    await bench.enter(mock(3), "old")
    await drive(bench, "old")
    await bench.ledger._redis.flushdb()

    await bench.enter(mock(3), "new")
    await drive(bench, "new")

    assert await bench.counts("new") == {"REUSED": 3}
    assert bench.way.seen.count("run") == 3


async def test_without_reuse_the_same_pictures_are_drawn_again(bench: Bench) -> None:
    await bench.enter(mock(3), "old")
    await drive(bench, "old")

    await bench.enter(mock(3), "new", reuse=False)
    await drive(bench, "new")

    assert await bench.counts("new") == {"COLLECTED": 3}
    assert bench.way.seen.count("run") == 6


async def test_cancelling_ends_all_trials_and_their_jobs(bench: Bench) -> None:
    await bench.enter(mock(70, exec_ms=60_000))
    running = asyncio.create_task(drive(bench))
    while (await bench.counts()).get("SUBMITTED", 0) < 8:
        await asyncio.sleep(0.02)

    await bench.ledger.set_state("run", RunState.CANCELLED, "cancelled", only_from=[RunState.RUNNING])
    async with asyncio.timeout(5):
        await running

    assert await bench.counts() == {"CANCELLED": 70}
    assert len(read_records(bench.store, "run")) == 70
    assert all(str(job.status) == "CANCELLED" for job in bench.simulator.queue.jobs.values())


async def test_a_paused_run_is_collected_but_sends_nothing_more(bench: Bench) -> None:
    await bench.enter(mock(20, exec_ms=200), window=4)
    running = asyncio.create_task(drive(bench))
    while (await bench.counts()).get("SUBMITTED", 0) < 4:
        await asyncio.sleep(0.02)
    await bench.ledger.set_state("run", RunState.PAUSED, only_from=[RunState.RUNNING])
    await running
    paused = await bench.counts()
    await bench.ledger.set_state("run", RunState.RUNNING, only_from=[RunState.PAUSED])
    await drive(bench)

    assert paused.get("SUBMITTED", 0) == paused.get("RESERVED", 0) == 0
    assert 4 <= paused["COLLECTED"] < 20
    assert await bench.counts() == {"COLLECTED": 20}


async def test_a_run_resumed_while_its_driver_leaves_gets_another_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.enter(mock(20), window=4)
    running = asyncio.create_task(drive(bench, successor=lambda: sent()))
    called: list[str] = []

    async def sent() -> None:
        called.append("successor")

    while not (await bench.counts()).get("COLLECTED"):
        await asyncio.sleep(0.01)
    release = bench.ledger.release

    async def resumed_before(*about: object, **how: object) -> object:
        await bench.ledger.set_state("run", RunState.RUNNING, only_from=[RunState.PAUSED])
        await drive(bench, owner="driver-2")  # what resuming sends: it finds no batch free
        return await release(*about, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(bench.ledger, "release", resumed_before)
    await bench.ledger.set_state("run", RunState.PAUSED, only_from=[RunState.RUNNING])
    await running
    assert called == ["successor"]

    monkeypatch.setattr(bench.ledger, "release", release)
    await drive(bench, owner="driver-3")
    assert await bench.counts() == {"COLLECTED": 20}


async def test_the_budget_holds_the_run_before_it_costs_more(bench: Bench) -> None:
    # 0.1 s at $0.00031 a second is $0.000031 a picture: ten of them cost $0.00031.
    await bench.enter(mock(60, exec_ms=100), budget_usd=0.00031, window=2)

    await drive(bench)

    status = await bench.ledger.status("run")
    assert status
    assert (status.state, status.hold) == (RunState.HELD, "person")
    assert status.reason.startswith("budget: $")
    assert 3 <= status.count(TrialState.COLLECTED) <= 10
    assert status.cost_usd <= 0.00031


@pytest.mark.parametrize(
    ("output", "said"),
    [
        (None, "COMPLETED without output"),
        ({"error": "CUDA out of memory"}, "CUDA out of memory"),
        (
            {"image": "bm90IGEgcGljdHVyZSBhdCBhbGwsIGp1c3Qgc29tZSB3b3JkcyB0aGF0IGFyZSBsb25nIGVub3VnaA=="},
            "unreadable output",
        ),
        ({"status": "error", "message": "bad size"}, "bad size"),
    ],
)
async def test_a_job_without_a_picture_is_a_record_with_the_reason(bench: Bench, output: object, said: str) -> None:
    await bench.enter(mock(2), hold_after_equal_failures=9)

    def instead(request: httpx.Request, number: int) -> httpx.Response | None:
        if "/status/" not in request.url.path:
            return None
        job = {"id": request.url.path.rpartition("/")[2], "status": "COMPLETED", "executionTime": 40, "delayTime": 1}
        return httpx.Response(200, content=json.dumps({**job, "output": output} if output else job))

    bench.way.after = instead
    await drive(bench)

    records = read_records(bench.store, "run")
    assert [record.state for record in records] == [TrialState.FAILED] * 2
    assert all(said in (record.reason or "") for record in records)
    once_more = said in ("COMPLETED without output", "CUDA out of memory")
    assert [record.attempts for record in records] == [2 if once_more else 1] * 2


async def test_a_job_that_the_endpoint_forgot_is_sent_again_and_flagged(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runpodkit.runs.trials.LOST_S", 0.1)
    await bench.enter(mock(1, exec_ms=300))
    running = asyncio.create_task(drive(bench))
    while not bench.simulator.queue.jobs:
        await asyncio.sleep(0.01)
    bench.simulator.queue.jobs.clear()
    bench.simulator.queue._waiting.clear()
    await running

    (record,) = read_records(bench.store, "run")
    assert (record.state, record.attempts, record.maybe_paid_twice) == (TrialState.COLLECTED, 2, True)
    assert "job forgotten" in record.flags


async def test_a_store_that_cannot_be_written_holds_the_run_until_it_can(bench: Bench) -> None:
    await bench.enter(mock(4))
    folder = bench.store.folder
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    running = asyncio.create_task(drive(bench))
    while (status := await bench.ledger.status("run")) and status.state is not RunState.HELD:
        await asyncio.sleep(0.05)

    assert status
    assert status.hold == "probe"
    assert status.reason.startswith("store: ")
    folder.unlink()
    await running

    assert await bench.counts() == {"COLLECTED": 4}
    assert bench.way.seen.count("run") == 4
    assert len(read_records(bench.store, "run")) == 4


async def test_a_key_that_is_revoked_in_the_middle_hands_the_jobs_back(bench: Bench) -> None:
    await bench.enter(mock(6, exec_ms=300))
    revoked = False
    bench.way.before = lambda request, n: httpx.Response(401) if revoked else None
    running = asyncio.create_task(drive(bench))
    while (await bench.counts()).get("SUBMITTED", 0) < 6:
        await asyncio.sleep(0.02)
    revoked = True
    await running
    held = await bench.ledger.status("run")
    revoked = False
    await bench.ledger.set_state("run", RunState.RUNNING, only_from=[RunState.HELD])
    await drive(bench)

    assert held
    assert (held.state, held.hold) == (RunState.HELD, "person")
    assert await bench.counts() == {"COLLECTED": 6}
    assert bench.way.seen.count("run") == 6


async def test_a_bug_of_ours_holds_the_run_with_its_name_instead_of_turning_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("runpodkit.runs.trials.work_of", broken)
    await bench.enter(mock(2))

    with pytest.raises(ZeroDivisionError):
        await drive(bench)

    status = await bench.ledger.status("run")
    assert status
    assert (status.state, status.hold) == (RunState.HELD, "person")
    assert "internal error, please report it: ZeroDivisionError: oops" in status.reason


async def test_a_run_whose_pictures_go_to_another_store_is_left_alone(bench: Bench) -> None:
    head = await bench.enter(mock(2), "mine")
    assert await bench.ledger.create(replace(head, name="theirs", store="store-2")) is None

    await drive(bench, "theirs")

    status = await bench.ledger.status("theirs")
    assert status
    assert status.reason == "the Celery worker keeps pictures in another store than the run"
    assert bench.way.seen.count("run") == 0


async def test_what_keeps_jobs_in_the_queue_is_told(bench: Bench) -> None:
    await bench.enter(mock(6, exec_ms=1500), window=6)
    stuck = httpx.Response(200, json={"jobs": {"inQueue": 6}, "workers": {"throttled": 2}})
    bench.way.before = lambda request, n: stuck if request.url.path.endswith("/health") else None
    driving = asyncio.create_task(drive(bench))
    async with asyncio.timeout(20):
        while not (status := await bench.ledger.status("run")) or not status.waits_for:
            await asyncio.sleep(0.05)
    await driving

    assert status.waits_for == "2 workers are throttled: no GPU of the chosen type is free"
    assert await bench.counts() == {"COLLECTED": 6}


async def test_a_deadline_holds_the_run_and_collects_what_is_in_flight(bench: Bench) -> None:
    await bench.enter(mock(40, exec_ms=300), deadline_s=0.5, window=4)

    await drive(bench)
    held = await bench.ledger.status("run")
    await bench.ledger.set_policy("run", RunPolicy(retry_delay_s=0.2))
    await bench.ledger.set_state("run", RunState.RUNNING, only_from=[RunState.HELD])
    await drive(bench)

    assert held
    assert (held.state, held.hold) == (RunState.HELD, "person")
    assert held.reason == "deadline_s=0.5 since the start are over; raise it with run.resume(deadline_s=…)"
    assert held.count(TrialState.RESERVED, TrialState.SUBMITTED) == 0
    assert 4 <= held.count(TrialState.COLLECTED) < 40
    assert await bench.counts() == {"COLLECTED": 40}


async def test_all_live_runs_together_are_held_at_what_a_day_may_cost(bench: Bench) -> None:
    # 0.1 s at $0.00031 a second is $0.000031 a picture
    tools = replace(bench.engine.tools, usd_per_day=0.00031)
    engine = Engine(tools, "store-1")
    for name, seeds in (("one", 6), ("two", 40)):
        head = await bench.enter(mock(seeds, exec_ms=100), name, window=2, reuse=False)
        await bench.ledger.forget(name)
        await bench.ledger.create(replace(head, simulated=False))
        async with asyncio.timeout(20):
            await engine.drive(name, owner="driver-1")

    two = await bench.ledger.status("two")
    assert await bench.counts("one") == {"COLLECTED": 6}
    assert two
    assert (two.state, two.hold) == (RunState.HELD, "person")
    assert two.reason.startswith("RUNPODKIT_USD_PER_DAY: $0.000")
    assert 1 <= two.count(TrialState.COLLECTED) <= 4


async def test_exactly_what_failed_is_drawn_again(bench: Bench) -> None:
    head = await bench.enter(mock(120), hold_after_equal_failures=99)
    broken = {"3", "77", "101"}

    def instead(request: httpx.Request, number: int) -> httpx.Response | None:
        seed = str(json.loads(request.content)["input"]["seed"]) if request.url.path.endswith("/run") else ""
        return httpx.Response(400, json={"error": "no"}) if seed in broken else None

    bench.way.before = instead
    await drive(bench)
    failed = await bench.counts()
    broken.clear()
    again = await bench.ledger.retry(head, {TrialState.FAILED})
    moving = await bench.ledger.status("run")
    await drive(bench)

    assert failed == {"COLLECTED": 117, "FAILED": 3}
    assert again == 3
    assert moving
    assert (moving.state, moving.is_over) == (RunState.RUNNING, False)
    assert await bench.counts() == {"COLLECTED": 120}
    assert bench.way.seen.count("run") == 123
    records = read_records(bench.store, "run")
    assert [record.trial for record in records] == list(range(120))
    assert [record.trial for record in records if "retried" in record.flags] == [2, 76, 100]
    assert await bench.ledger.retry(head, {TrialState.FAILED}) == 0


@pytest.mark.parametrize(("on_expired", "ends"), [("keep", "EXPIRED"), ("resubmit", "COLLECTED")])
async def test_a_result_past_its_retention_is_paid_again_only_when_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, on_expired: str, ends: str
) -> None:
    monkeypatch.setattr("runpodkit.runs.trials.LOST_S", 0.1)
    monkeypatch.setattr("runpodkit.runs.trials.RETENTION_S", 0.2)
    await bench.enter(mock(3, exec_ms=100), on_expired=on_expired)
    first = asyncio.create_task(drive(bench))
    while (await bench.counts()).get("SUBMITTED", 0) < 3:
        await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    bench.simulator.queue.jobs.clear()
    await asyncio.sleep(0.3)
    await drive(bench, owner="driver-2")

    assert await bench.counts() == {ends: 3}
    assert bench.way.seen.count("run") == (3 if ends == "EXPIRED" else 6)


@pytest.mark.parametrize(
    ("trouble", "cure"),
    [
        (["CONFIG", "SET", "maxmemory", "1"], ["CONFIG", "SET", "maxmemory", "0"]),
        (["REPLICAOF", "127.0.0.1", "1"], ["REPLICAOF", "NO", "ONE"]),
        (["CLIENT", "PAUSE", "4500", "WRITE"], ["PING"]),
    ],
    ids=["full", "read-only", "slow"],
)
async def test_a_redis_that_takes_no_writes_is_waited_for_and_nothing_is_sent_twice(
    bench: Bench, trouble: list[str], cure: list[str]
) -> None:
    await bench.enter(mock(60, exec_ms=200), window=10)
    running = asyncio.create_task(drive(bench))
    while (await bench.counts()).get("COLLECTED", 0) < 5:
        await asyncio.sleep(0.01)

    await bench.ledger._redis.execute_command(*trouble)
    await asyncio.sleep(3)
    sent = bench.way.seen.count("run")
    collected = (await bench.counts()).get("COLLECTED", 0)
    await asyncio.sleep(1)
    still = (bench.way.seen.count("run"), (await bench.counts()).get("COLLECTED", 0))
    await bench.ledger._redis.execute_command(*cure)
    await running

    assert still == (sent, collected)
    assert await bench.counts() == {"COLLECTED": 60}
    assert bench.way.seen.count("run") == 60
    assert not any(record.maybe_paid_twice for record in read_records(bench.store, "run"))


async def test_the_store_is_listed_once_per_prefix_however_many_trials_ask(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.enter(mock(120), "old")
    await drive(bench, "old")
    await bench.ledger._redis.flushdb()
    asked: list[str] = []
    keys = bench.store.keys
    monkeypatch.setattr(bench.store, "keys", lambda prefix="": asked.append(prefix) or keys(prefix))

    await bench.enter(mock(120), "new")
    await drive(bench, "new")

    assert await bench.counts("new") == {"REUSED": 120}
    assert bench.way.seen.count("run") == 120
    assert len(asked) == len(set(asked)) <= 120


async def test_an_upgraded_dialect_pays_for_nothing_again(bench: Bench) -> None:
    head = await bench.enter(mock(5), "before")
    await drive(bench, "before")
    row = head.spelling.model_dump(mode="json", exclude_defaults=True)
    newer = replace(head, name="after", dialect_row={**row, "samplers": {"Brand new": "new"}}, version="99.0")
    await bench.ledger.create(newer)

    await drive(bench, "after")

    assert await bench.counts("after") == {"REUSED": 5}
    assert bench.way.seen.count("run") == 5


@pytest.mark.parametrize("jump_s", [-7200.0, 7200.0])
async def test_trials_reserved_and_sent_by_a_clock_that_is_hours_off_are_taken_over(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, jump_s: float
) -> None:
    monkeypatch.setattr("runpodkit.runs.trials.TAKE_OVER_S", 0.3)
    await bench.enter(mock(4, exec_ms=300))
    engine = Engine(replace(bench.engine.tools, clock=lambda: time.time() + jump_s), "store-1")
    first = asyncio.create_task(engine.drive("run", owner="driver-1"))
    while (await bench.counts()).get("SUBMITTED", 0) < 4:
        await asyncio.sleep(0.01)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first

    await drive(bench, owner="driver-2")

    assert await bench.counts() == {"COLLECTED": 4}
    assert bench.way.seen.count("run") == 4
