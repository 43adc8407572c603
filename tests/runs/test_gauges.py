"""Gauges and sizes: what a real Redis tells of runs, workers and money, and what records tell of the room runs take."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from runpodkit.errors import LedgerError, StoreError
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.runs.gauges import Gauges
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.rows import RunState
from runpodkit.runs.sizes import SINGLES, RunSize, size_of_folder, sizes
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep
from tests.runs.conftest import Bench, mock
from tests.runs.kept import keep_joint
from tests.runs.shared import keep_shared

pytestmark = pytest.mark.anyio


@pytest.fixture
async def gauges(redis_url: str, ledger: Ledger):
    gauges = Gauges(redis_url)
    yield gauges
    await gauges.aclose()


async def test_an_empty_redis_tells_of_nothing(gauges: Gauges) -> None:
    assert await gauges.workers() == [] and await gauges.moving() == []
    assert await gauges.queues(["sweeps", "high_priority"]) == {"sweeps": 0, "high_priority": 0}
    assert await gauges.taken() == 0


async def test_workers_are_those_heard_of_within_15_s(gauges: Gauges, ledger: Ledger) -> None:
    await ledger.worker_beats("sweeps-1234@host/7:42")
    await ledger._redis.zadd("runpodkit:workers", {"sweeps@gone/7:43": 1})

    [heard] = await gauges.workers()

    assert (heard.queue, heard.name) == ("sweeps-1234", "host/7:42") and heard.ago_s < 5


async def test_queues_are_as_long_as_celery_s_lists_of_every_priority(gauges: Gauges, ledger: Ledger) -> None:
    prefix = CELERY_SETTINGS["broker_transport_options"]["global_keyprefix"]
    await ledger._redis.lpush(f"{prefix}sweeps", "a", "b")
    await ledger._redis.lpush(f"{prefix}sweeps\x06\x169", "c")
    await ledger._redis.hset(f"{prefix}unacked", "x", "y")

    assert await gauges.queues(["sweeps", "high_priority"]) == {"sweeps": 3, "high_priority": 0}
    assert await gauges.taken() == 1


async def test_a_moving_run_tells_its_pace_and_what_is_left(bench: Bench, gauges: Gauges) -> None:
    await bench.enter(mock(60, exec_ms=80))
    driving = asyncio.create_task(bench.engine.drive("run", owner="a", slice_s=None))
    async with asyncio.timeout(20):
        while not ((moving := await gauges.moving()) and moving[0].done >= 10 and moving[0].in_flight):
            await asyncio.sleep(0.02)
    [one] = moving

    assert one.driven and one.head.name == "run"
    assert one.per_s and one.left_s == pytest.approx((60 - one.done) / one.per_s)
    await driving
    assert await gauges.moving() == []


async def test_a_run_that_nobody_drives_says_so(bench: Bench, gauges: Gauges) -> None:
    await bench.enter(mock(4))
    await bench.ledger.set_state("run", RunState.HELD, "budget", hold="person", only_from=[RunState.RUNNING])

    [one] = await gauges.moving()

    assert (one.driven, one.per_s, one.left_s, one.done) == (False, None, None, 0)
    assert (str(one.status.state), one.status.reason) == ("HELD", "budget")


@pytest.mark.parametrize("rate", [0.5, None])
async def test_money_today_tells_estimates_apart_and_never_takes_unknown_for_nothing(
    bench: Bench, gauges: Gauges, rate: float | None
) -> None:
    head = await bench.enter(mock(3))
    await bench.ledger.forget("run")
    await bench.ledger.create(replace(head, simulated=False))
    bench.engine.tools = replace(bench.engine.tools, rate=rate)
    await bench.engine.drive("run", owner="a", slice_s=None)

    paid = await gauges.paid_today()

    if rate:
        assert paid.usd == pytest.approx(paid.guessed_usd) and paid.usd > 0 and paid.unpriced == 0
    else:
        assert (paid.usd, paid.guessed_usd, paid.unpriced) == (0, 0, 3)


async def test_what_the_simulator_would_cost_is_not_paid(bench: Bench, gauges: Gauges) -> None:
    await bench.enter(mock(2))
    await bench.engine.drive("run", owner="a", slice_s=None)

    assert (await gauges.paid_today()).usd == 0 and (await gauges.paid_today()).unpriced == 0


async def test_a_redis_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    gauges = Gauges("redis://127.0.0.1:1/0")
    with pytest.raises(LedgerError, match="could not count workers"):
        await gauges.workers()
    await gauges.aclose()


async def test_sizes_come_from_records_the_largest_first(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keep_shared(store, "small", [1])
    keep_shared(store, "large", [1, 2, 3])

    told = sizes(store, 60)

    assert told.runs == (RunSize("large", 3003, False), RunSize("small", 1001, False)) and told.bytes == 4004


async def test_of_a_long_run_a_few_files_stand_for_all_and_it_says_so(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keep_shared(store, "long", range(300))  # six files of records
    read = []
    store.get = lambda key, get=store.get: (read.append(key), get(key))[1]  # type: ignore[method-assign]

    told = sizes(store, 60)

    assert len(read) == 2 and told.runs == (RunSize("long", 300 * 1001, True),)


async def test_parts_count_with_their_whole_and_single_pictures_together(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keep_joint(store, sweep("a mill", endpoint=["one", "two"], seed=[1, 2]), "both")
    keep_shared(store, "one-abc", [1])
    keep_shared(store, "one-def", [2])

    told = {one.name: one.bytes for one in sizes(store, 60).runs}

    assert told.keys() == {"both", SINGLES} and told[SINGLES] == 2002 and told["both"] > 0


async def test_when_time_is_up_the_rest_is_counted_as_not_looked_at(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    for number in range(20):
        keep_shared(store, f"r{number}", [number])

    told = sizes(store, 0.5, clock=itertools.count().__next__)

    assert told.runs == () and told.not_looked_at == 20


async def test_a_run_that_cannot_be_read_does_not_hide_the_others(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    keep_shared(store, "good", [1])
    keep_shared(store, "bad", [2])
    store.put("runs/bad/records/00000.jsonl", b"{")

    told = {one.name: one for one in sizes(store, 60).runs}

    assert told["good"].bytes == 1001 and "is no record" in told["bad"].problem


async def test_a_store_that_cannot_be_listed_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "loop").symlink_to("loop")
    store = LocalStore(tmp_path / "runs" / "loop")

    with pytest.raises(StoreError):
        sizes(store, 60)


async def test_a_folder_s_size_is_bounded_in_time_and_links_count_nothing(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(bytes(10))
    (tmp_path / "a" / "b" / "two").write_bytes(bytes(20))
    (tmp_path / "a" / "loop").symlink_to(tmp_path)

    assert size_of_folder(tmp_path, 60) == (30, True)
    assert size_of_folder(tmp_path, 0.5, clock=itertools.count().__next__) == (0, False)
    assert size_of_folder(tmp_path / "nowhere", 60) == (0, True)
