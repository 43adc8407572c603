"""The HTTP skin in process: what RunPod answers, and what it refuses."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from runpodkit.simulator.app import Simulator

KEY = "rpa_made_up_for_tests"
MOCK = {"input": {"mock": {"exec_ms": 10, "bytes": 200}}}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def client(clock: Clock) -> AsyncIterator[httpx.AsyncClient]:
    simulator = Simulator(endpoint_id="local", api_key=KEY, workers=1, cold_start_s=0.0, clock=clock)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=simulator.app()),
        base_url="http://127.0.0.1/v2/local/",
        headers={"Authorization": f"Bearer {KEY}"},
    ) as client:
        yield client
    await simulator._workers.aclose()


@pytest.mark.parametrize("key", ["", "Bearer", "Bearer wrong", f"Bearer {KEY}x", "Bearer ключ"])
async def test_any_other_key_is_refused_without_json(client: httpx.AsyncClient, key: str) -> None:
    answer = await client.get("health", headers={"Authorization": key.encode()})

    assert (answer.status_code, answer.text) == (401, "Unauthorized")


async def test_the_key_is_taken_with_and_without_bearer(client: httpx.AsyncClient) -> None:
    assert (await client.get("health", headers={"Authorization": KEY})).status_code == 200
    assert (await client.get("health")).json()["workers"].keys() == {
        "idle",
        "initializing",
        "ready",
        "running",
        "throttled",
        "unhealthy",
    }


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "../other/health"),
        ("GET", "status/nobody"),
        ("POST", "cancel/nobody"),
        ("GET", "nothing"),
        ("GET", "run"),
        ("POST", "health"),
    ],
)
async def test_what_is_not_there_is_a_404(client: httpx.AsyncClient, method: str, path: str) -> None:
    assert (await client.request(method, path)).status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "input is required"),
        (b"{}", "input is required"),
        (b'{"input":"text"}', "input is required"),
        (b'{"input":{"a":1},"policy":{"ttl":5}}', "policy.ttl must be from 10000"),
        (b'{"input":{"a":1},"policy":{"executionTimeout":"x"}}', "policy.executionTimeout must be"),
        (b'{"input":{"a":"' + b"x" * 10_485_760 + b'"}}', "exceeded max body size of 10MiB"),
    ],
)
async def test_a_malformed_submission_is_a_400_that_says_why(client: httpx.AsyncClient, body: bytes, said: str) -> None:
    answer = await client.post("run", content=body)

    assert answer.status_code == 400
    assert said in answer.json()["error"]


async def test_a_submission_is_queued_and_its_policy_counts(client: httpx.AsyncClient, clock: Clock) -> None:
    job = (await client.post("run", json={**MOCK, "policy": {"ttl": 10_000}})).json()
    clock.now += 10.5

    assert job["status"] == "IN_QUEUE"
    assert (await client.get(f"status/{job['id']}")).status_code == 404


async def test_runsync_past_its_wait_answers_with_a_job_that_goes_on(client: httpx.AsyncClient) -> None:
    answer = await client.post("runsync", params={"wait": "1000"}, json={"input": {"mock": {"exec_ms": 60_000}}})

    assert answer.status_code == 200
    assert answer.json()["status"] == "IN_PROGRESS"


async def test_a_status_may_shorten_the_life_of_its_job(client: httpx.AsyncClient, clock: Clock) -> None:
    job = (await client.post("run", json={"input": {"mock": {"exec_ms": 60_000}}})).json()["id"]

    assert (await client.get(f"status/{job}", params={"ttl": "6000"})).status_code == 200
    clock.now += 6.5
    assert (await client.get(f"status/{job}")).status_code == 404


async def test_too_many_requests_are_refused_for_a_while(client: httpx.AsyncClient, clock: Clock) -> None:
    answers = [(await client.post("purge-queue")).status_code for _ in range(3)]
    refused = await client.post("purge-queue")
    clock.now += 10

    assert answers == [200, 200, 429]
    assert refused.headers["Retry-After"] == "1"
    assert (await client.post("purge-queue")).json() == {"removed": 0, "status": "completed"}


async def test_limits_can_be_switched_off(clock: Clock) -> None:
    simulator = Simulator(endpoint_id="local", api_key=KEY, workers=1, limits=False, clock=clock)
    transport: Any = httpx.ASGITransport(app=simulator.app())
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1/v2/local/") as client:
        answers = {(await client.post("purge-queue", headers={"Authorization": KEY})).status_code for _ in range(9)}

    assert answers == {200}


async def test_a_stream_is_empty_for_a_handler_that_yields_nothing(client: httpx.AsyncClient) -> None:
    job = (await client.post("runsync", json=MOCK)).json()["id"]

    assert (await client.get(f"stream/{job}")).json() == {"status": "COMPLETED", "stream": []}


async def test_a_long_poll_answers_when_the_job_ends_or_its_time_is_up(client: httpx.AsyncClient) -> None:
    slow = {"input": {"mock": {"exec_ms": 1300}}}
    job = (await client.post("run", json=slow)).json()

    early = (await client.get(f"status-sync/{job['id']}?wait=1000")).json()
    late = (await client.post(f"status-sync/{job['id']}?wait=5000")).json()

    assert (early["status"], late["status"]) == ("IN_PROGRESS", "COMPLETED")


@pytest.mark.parametrize(
    "more", [{"webhook": 3}, {"s3Config": "bucket"}, {"policy": {"ttl": 5}}, {"policy": {"executionTimeout": "600"}}]
)
async def test_what_beside_the_input_cannot_be_meant_is_a_400(client: httpx.AsyncClient, more: dict[str, Any]) -> None:
    assert (await client.post("run", json={**MOCK, **more})).status_code == 400
