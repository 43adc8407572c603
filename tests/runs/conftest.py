"""A real Redis of its own for each test, and an engine over the simulator in process, with faults in between."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import httpx
import pytest

from runpodkit import stack
from runpodkit.endpoint.client import Endpoint
from runpodkit.endpoint.follow import Pace
from runpodkit.runs.engine import Engine
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.policies import RunPolicy
from runpodkit.runs.rows import RunHead
from runpodkit.runs.trials import Tools
from runpodkit.settings import Settings
from runpodkit.simulator.app import Simulator
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import Sweep, sweep

KEY = "rpa_made_up_for_tests"
Fault = Callable[[httpx.Request, int], httpx.Response | Exception | None]


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ledger")
    settings = Settings.load(folder, RUNPODKIT_HOME=folder / "home")
    yield stack.ensure_redis(settings)
    stack.down(settings)


@pytest.fixture
async def ledger(redis_url: str) -> AsyncIterator[Ledger]:
    """An empty ledger."""
    ledger = Ledger(redis_url, "store-1")
    await ledger._redis.flushdb()
    yield ledger
    await ledger.aclose()


def refused() -> Exception:
    """A connection that was never made, as the transport raises it."""
    error = httpx.ConnectError("connection refused")
    key: Any = type("Key", (), {"ssl": None, "host": "127.0.0.1", "port": 9})()
    error.__cause__ = aiohttp.ClientConnectorError(key, OSError(111, "refused"))
    return error


class Faulty(httpx.AsyncBaseTransport):
    """The way to the simulator; a fault may come before it (`before`) or swallow its answer (`after`)."""

    def __init__(self, app: Any) -> None:
        self._inner = httpx.ASGITransport(app=app)
        self.before: Fault = lambda request, number: None
        self.after: Fault = lambda request, number: None
        self.seen: list[str] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request.url.path.split("/")[3])
        number = self.seen.count(self.seen[-1])
        if instead := self.before(request, number):
            return _or_raise(instead)
        response = await self._inner.handle_async_request(request)
        if instead := self.after(request, number):
            return _or_raise(instead)
        return response


def _or_raise(instead: httpx.Response | Exception) -> httpx.Response:
    if isinstance(instead, Exception):
        raise instead
    return instead


@dataclass
class Bench:
    """An engine with everything it works with."""

    ledger: Ledger
    store: LocalStore
    simulator: Simulator
    way: Faulty
    engine: Engine
    endpoint: Endpoint
    heads: list[RunHead] = field(default_factory=list)

    async def enter(self, plan: Sweep, name: str = "run", **policy: Any) -> RunHead:
        reuse = policy.pop("reuse", True)
        head = RunHead(
            name=name,
            plan=plan.to_plan(),
            sweep_hash=plan.hash,
            trials=len(plan),
            identity="sketch-1",
            endpoint="simulator",
            dialect="native",
            simulated=True,
            store="store-1",
            family="f",
            created_at=time.time(),
            policy=RunPolicy(**{"retry_delay_s": 0.2, **policy}),
            reuse=reuse,
        )
        assert await self.ledger.create(head) is None
        return head

    async def counts(self, name: str = "run") -> dict[str, int]:
        """Trials by state, those that are not zero."""
        status = await self.ledger.status(name)
        assert status
        return {str(state): count for state, count in status.counts.items() if count}


@pytest.fixture
async def bench(ledger: Ledger, tmp_path: Path) -> AsyncIterator[Bench]:
    simulator = Simulator(endpoint_id="local", api_key=KEY, workers=8, cold_start_s=0.0)
    way = Faulty(simulator.app())

    async def quick(seconds: float) -> None:
        """Backing off takes a tenth of its time."""
        await asyncio.sleep(min(seconds, 0.05))

    endpoint = Endpoint("http://127.0.0.1/v2/local", KEY, http=way, sleep=quick)
    store = LocalStore(tmp_path / "store")
    tools = Tools(
        ledger=ledger,
        store=store,
        endpoint=endpoint,
        pace=Pace(),
        host="127.0.0.1",
        rate=0.00031,
        usd_per_day=None,
        limiter=None,
        clock=time.time,
        sleep=quick,
    )
    yield Bench(ledger, store, simulator, way, Engine(tools, "store-1"), endpoint)
    await endpoint.aclose()
    await simulator._workers.aclose()


def mock(trials: int, exec_ms: int = 30, **fields: Any) -> Sweep:
    """A sweep over seeds whose jobs take so long by the clock and draw nothing."""
    extra = {"mock": {"exec_ms": exec_ms, "bytes": 300}}
    return sweep("a mill", seed=list(range(1, trials + 1)), extra=extra, width=64, height=64, steps=1, **fields)
