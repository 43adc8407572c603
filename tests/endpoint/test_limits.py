"""Published limits: kept in any ten seconds, whatever was asked before and however it bursts."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.endpoint.limits import PUBLISHED, LocalLimiter, at_once


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.mark.parametrize("operation", PUBLISHED)
@settings(max_examples=30, deadline=None)
@given(pauses=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.5, 30.0]), min_size=1, max_size=60))
def test_no_ten_seconds_hold_more_than_is_published(operation: str, pauses: list[float]) -> None:
    clock = Clock()
    limiter = LocalLimiter(clock=clock, sleep=clock.sleep)
    sent: list[float] = []

    async def send() -> None:
        for pause in pauses:
            clock.now += pause
            for _ in range(50):
                await limiter.take(operation)
                sent.append(clock.now)

    asyncio.run(send())

    most = PUBLISHED[operation].per_10_s
    # the request `most` places further is at least ten seconds later
    assert all(later - earlier >= 10 - 1e-6 for earlier, later in zip(sent, sent[most:], strict=False))


async def test_a_few_requests_go_at_once_and_operations_without_a_limit_always() -> None:
    clock = Clock()
    limiter = LocalLimiter(clock=clock, sleep=clock.sleep)

    for _ in range(100):
        await limiter.take("run")
    for _ in range(5000):
        await limiter.take("health")

    assert clock.now == 0


def test_as_many_requests_are_open_as_the_service_lets_with_some_air() -> None:
    assert (at_once("run"), at_once("status"), at_once("cancel"), at_once("health")) == (180, 360, 18, None)
