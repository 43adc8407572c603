"""RunPod's limits shared over Redis: never more in a second than is allotted, more with more workers, and patience."""

from __future__ import annotations

import asyncio

import pytest

from runpodkit.errors import LedgerError, TransportError
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.limits import RedisLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


async def test_limits_grow_with_the_workers_and_shrink_for_a_minute_after_a_refusal(ledger: Ledger) -> None:
    clock = Clock()
    limiter = RedisLimiter(ledger, "e", clock=clock, sleep=clock.sleep)
    clock.now = 100.0
    told = [limiter.per_second("run")]
    limiter.saw(200)  # 200 × 50 requests in 10 s, a tenth less
    told.append(limiter.per_second("run"))
    limiter.refused("run")
    told += [limiter.per_second("run"), limiter.per_second("status")]
    clock.now += 61
    told.append(limiter.per_second("run"))

    assert told == [90, 900, 90, 900, 900]
    assert limiter.per_second("cancel") == 9
    assert limiter.per_second("health") is None


async def test_two_processes_together_get_what_one_would(ledger: Ledger) -> None:
    granted: list[float] = []
    limiters = [RedisLimiter(ledger, "shared") for _ in range(2)]

    async def ask(limiter: RedisLimiter) -> None:
        while True:
            await limiter.take("cancel")
            granted.append(asyncio.get_running_loop().time())

    asking = [asyncio.create_task(ask(limiter)) for limiter in limiters]
    await asyncio.sleep(3.2)
    for task in asking:
        task.cancel()

    began = granted[0]
    assert 18 <= sum(at - began <= 3.0 for at in granted) <= 36  # 9 a second, from anywhere within the first


async def test_a_redis_that_is_away_is_waited_for_and_then_told() -> None:
    clock = Clock()
    ledger = Ledger("unix:///nowhere/redis.sock")
    limiter = RedisLimiter(ledger, "e", clock=clock, sleep=clock.sleep)

    with pytest.raises(LedgerError, match="could not share limits"):
        await limiter.take("run")

    assert 20 < clock.now < 25
    await ledger.aclose()


async def test_what_waits_for_its_turn_is_not_sent_once_the_process_stops(ledger: Ledger) -> None:
    stops: list[bool] = []
    limiter = RedisLimiter(ledger, "e", stopping=lambda: bool(stops))
    await limiter.take("run")
    stops.append(True)

    with pytest.raises(TransportError) as told:
        await limiter.take("run")
    await limiter.take("status")

    assert told.value.may_be_accepted is False
