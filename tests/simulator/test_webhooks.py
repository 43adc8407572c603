"""Webhooks: the job with its input, told up to three times at the service's pace."""

from __future__ import annotations

import asyncio
import json

import httpx
import pytest

from runpodkit.simulator.queue import SimJob, Status
from runpodkit.simulator.webhooks import Webhooks

JOB = SimJob("job-1", {"prompt": "x"}, 0.0, status=Status.COMPLETED, webhook="https://example.org/h?s=1", output=b"[1]")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.now += seconds
        await asyncio.sleep(0)


async def delivered(*codes: int | Exception) -> tuple[list[httpx.Request], list[float]]:
    """What arrived, and when, where the address answers so in turn."""
    clock, seen, at = Clock(), [], []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        at.append(clock.now)
        code = codes[min(len(seen), len(codes)) - 1]
        if isinstance(code, Exception):
            raise code
        return httpx.Response(code)

    webhooks = Webhooks(http=httpx.MockTransport(answer), sleep=clock.sleep, clock=clock)
    webhooks.tell(JOB)
    async with asyncio.timeout(5):
        while webhooks._tasks:
            await asyncio.sleep(0)
    return seen, at


async def test_the_job_comes_with_its_input_and_the_address() -> None:
    (request,), _ = await delivered(200)

    assert str(request.url) == JOB.webhook
    assert request.headers["user-agent"] == "Go-http-client/2.0"
    assert json.loads(request.content) == {
        "id": "job-1", "status": "COMPLETED", "output": [1], "input": {"prompt": "x"}, "webhook": JOB.webhook,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("codes", "at"),
    [
        ((204,), [0.0]),
        ((500, 200), [0.0, 5.0]),
        ((404,), [0.0, 5.0, 15.0]),
        ((httpx.ConnectError("refused"),), [0.0, 5.0, 15.0]),
    ],
)
async def test_a_failure_is_repeated_twice(codes: tuple[int | Exception, ...], at: list[float]) -> None:
    assert (await delivered(*codes))[1] == at
