"""The ledger in a real Redis: fences, claims, counts that equal the rows, runs that close once."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from runpodkit.errors import LedgerError
from runpodkit.runs.ledger import Change, FencedError, Ledger
from runpodkit.runs.rows import ImageFile, Row, RunHead, RunState, TrialState


def head_of(name: str = "run", trials: int = 120) -> RunHead:
    return RunHead(
        name=name,
        plan={"base": {"user_prompt": "x"}, "axes": {}, "mode": "grid"},
        sweep_hash="0" * 64,
        trials=trials,
        identity="sketch-1",
        endpoint="simulator",
        dialect="native",
        simulated=True,
        store="store-1",
        family="f",
        created_at=1.0,
    )


async def test_a_name_is_entered_once(ledger: Ledger) -> None:
    assert await ledger.create(head_of()) is None
    assert await ledger.create(head_of(trials=3)) == head_of()
    assert await ledger.names() == await ledger.names(active=True) == ["run"]


async def test_batches_go_to_one_driver_each_until_none_is_free(ledger: Ledger) -> None:
    await ledger.create(head_of())

    mine = await ledger.claim_batches(head_of(), "a", 2)
    others = await ledger.claim_batches(head_of(), "b", 5)

    assert [lease.batch for lease in mine] == [0, 1]
    assert [lease.batch for lease in others] == [2]
    assert await ledger.claim_batches(head_of(), "c", 5) == []
    assert len({lease.fence for lease in [*mine, *others]}) == 3


async def test_a_change_under_a_lost_lease_is_refused(ledger: Ledger) -> None:
    await ledger.create(head_of())
    (old,) = await ledger.claim_batches(head_of(), "a", 1)
    await ledger.release(head_of(), old, done=False)
    (new,) = await ledger.claim_batches(head_of(), "b", 1)

    with pytest.raises(FencedError):
        await ledger.apply(Change(old, 0, Row(TrialState.RESERVED, key="k")))
    await ledger.apply(Change(new, 0, Row(TrialState.RESERVED, key="k2")))

    assert (await ledger.rows("run", [0]))[0].key == "k2"
    heard = await ledger.beat(head_of(), "a", [old], in_flight=0, drains=False)
    assert heard.lost == {0}


async def test_counts_equal_the_rows_whatever_is_written(ledger: Ledger) -> None:
    head = head_of()
    await ledger.create(head)
    leases = await ledger.claim_batches(head, "a", 3)
    dice = random.Random(7)
    states = list(TrialState)

    async def walk(trial: int) -> None:
        for _ in range(dice.randrange(1, 6)):
            await ledger.apply(Change(leases[trial // 50], trial, Row(dice.choice(states), key=str(trial))))

    await asyncio.gather(*(walk(trial) for trial in range(120)))

    rows, status = await ledger.rows("run"), await ledger.status("run")
    assert status
    for state in TrialState:
        written = sum(row.state is state for row in rows.values())
        expected = written + (120 - len(rows) if state is TrialState.PLANNED else 0)
        assert status.count(state) == expected, state


async def test_a_key_belongs_to_the_first_that_takes_it_until_it_is_kept_or_dropped(ledger: Ledger) -> None:
    heads = [head_of("one", 1), head_of("two", 1)]
    leases = []
    for head in heads:
        await ledger.create(head)
        leases += await ledger.claim_batches(head, "a", 1)
    reserved = Row(TrialState.RESERVED, key="k")
    made = Row(TrialState.COLLECTED, key="k", images=(ImageFile("images/k/k-0.png", 8, 8, 99),), ended_at=5.0)

    assert await ledger.apply(Change(leases[0], 0, reserved, "take")) is None
    waits = await ledger.apply(Change(leases[1], 0, reserved, "take"))
    await ledger.apply(Change(leases[0], 0, made, "keep"))
    there = await ledger.apply(Change(leases[1], 0, reserved, "take"))

    assert waits
    assert (waits.owner, waits.row) == ("one/0", None)
    assert there
    assert there.row == made
    assert (await ledger.rows("two", [0]))[0] == Row()


async def test_a_run_is_over_when_its_last_batch_closes_and_only_then(ledger: Ledger) -> None:
    head = head_of()
    await ledger.create(head)
    leases = await ledger.claim_batches(head, "a", 3)

    ends = [await ledger.release(head, lease, done=True) for lease in leases]
    again = await ledger.release(head, leases[0], done=True)

    status = await ledger.status("run")
    assert status
    assert ends == [False, False, True]
    assert again is True  # a lost answer may be asked for again
    assert (status.state, status.is_over) == (RunState.DONE, True)
    assert await ledger.names(active=True) == []
    assert await ledger.claim_batches(head, "b", 3) == []


async def test_a_state_changes_only_from_where_it_may(ledger: Ledger) -> None:
    await ledger.create(head_of())

    assert await ledger.set_state("run", RunState.PAUSED, only_from=[RunState.RUNNING])
    assert not await ledger.set_state("run", RunState.HELD, "why", only_from=[RunState.RUNNING])
    assert not await ledger.set_state("nobody", RunState.HELD, only_from=list(RunState))


async def test_allotments_of_two_processes_stay_under_the_rate_together(redis_url: str, ledger: Ledger) -> None:
    other = Ledger(redis_url)
    granted: dict[float, int] = {}
    now, _ = await ledger._redis.time()
    while now % 1:
        now, _ = await ledger._redis.time()
    start = (await ledger._redis.time())[0]
    total = 0
    for _ in range(20):
        for one in (ledger, other):
            share, _rest = await one.allot("x:run", 30, 7)
            total += share
    seconds = (await ledger._redis.time())[0] - start + 1
    await other.aclose()

    assert granted == {}
    assert 30 <= total <= 30 * seconds


async def test_a_redis_that_is_gone_is_an_error_that_says_what_was_tried(tmp_path) -> None:
    nobody = Ledger(f"unix://{tmp_path}/none.sock")

    with pytest.raises(LedgerError, match="Redis: could not read run x"):
        await nobody.head("x")
    await nobody.aclose()


async def test_a_hundred_thousand_trials_would_fit_in_150_mb(ledger: Ledger) -> None:
    key = "ab" * 32
    image = ImageFile(f"images/{key[:2]}/{key}-0.png", 832, 1216, 1_234_567, key[:16])
    row = Row(
        TrialState.COLLECTED,
        key=key,
        job="0" * 39,
        attempts=1,
        reserved_at=1.7e9 + 0.123,
        submitted_at=1.7e9 + 0.456,
        ended_at=1.7e9 + 9.876,
        images=(image,),
        cost_usd=0.003827,
        seed=7,
    )
    head = head_of(trials=2000)
    await ledger.create(head)
    leases = await ledger.claim_batches(head, "a", 100)
    before = (await ledger._redis.info("memory"))["used_memory"]

    for start in range(0, 2000, 100):
        rows = {
            number: replace(row, key=f"{number:064x}", images=(replace(image, key=f"images/00/{number:064x}-0.png"),))
            for number in range(start, start + 100)
        }
        changes = [Change(leases[number // 50], number, own, "keep") for number, own in rows.items()]
        await asyncio.gather(*(ledger.apply(change) for change in changes))
    used = (await ledger._redis.info("memory"))["used_memory"] - before

    assert used / 2000 < 1500
