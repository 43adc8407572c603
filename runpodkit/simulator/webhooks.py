"""Webhooks: a job's end told to the address that came with it, up to three times.

As the service was seen to do it: unsigned, repeated 5 s and 15 s after the first try, and
a failure changes nothing about the job.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

import httpx

from runpodkit.simulator.queue import SimJob

TRIES_AT_S = (0.0, 5.0, 15.0)
PATIENCE_S = 10.0
USER_AGENT = "Go-http-client/2.0"


class Webhooks:
    """Delivers in the background."""

    def __init__(
        self,
        *,
        http: httpx.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`http` replaces the network, for tests."""
        self._http, self._sleep, self._clock = http, sleep, clock
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, job: SimJob) -> None:
        """Tell whoever asked to be told of this job's end; returns at once."""
        if job.webhook:
            task = asyncio.create_task(self._deliver(job.webhook, webhook_body(job)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def aclose(self) -> None:
        """Give up what is not delivered."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _deliver(self, address: str, body: bytes) -> None:
        began = self._clock()
        headers = {"Content-Type": "application/json", "User-Agent": USER_AGENT}
        async with httpx.AsyncClient(transport=self._http, timeout=PATIENCE_S, trust_env=False) as client:
            for at in TRIES_AT_S:
                await self._sleep(max(0.0, began + at - self._clock()))
                try:
                    if (await client.post(address, content=body, headers=headers)).is_success:
                        return
                except (httpx.HTTPError, httpx.InvalidURL):
                    continue


def webhook_body(job: SimJob) -> bytes:
    """The job object with its input and the address itself."""
    more = json.dumps({"input": job.input, "webhook": job.webhook}, separators=(",", ":"), ensure_ascii=False)
    return job.to_wire()[:-1] + b"," + more.encode()[1:]
