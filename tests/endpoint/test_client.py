"""Endpoint against the simulator in process: what it sends, returns and raises."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from runpodkit.endpoint.client import Endpoint, Policy
from runpodkit.errors import JobCancelledError, JobFailedError, NotFoundError, ProtocolError, WaitTimeoutError
from runpodkit.jobs import Job
from runpodkit.simulator.app import Simulator
from tests.endpoint.conftest import says

KEY = "rpa_made_up_for_tests"
MOCK = {"mock": {"exec_ms": 20, "bytes": 100}}


@pytest.fixture
async def endpoint() -> AsyncIterator[Endpoint]:
    simulator = Simulator(endpoint_id="local", api_key=KEY, workers=2, cold_start_s=0.0)
    app = simulator.app()
    async with Endpoint("http://127.0.0.1/v2/local", KEY, http=httpx.ASGITransport(app=app)) as endpoint:
        yield endpoint
    await simulator._workers.aclose()


async def test_a_job_goes_from_the_queue_to_its_output(endpoint: Endpoint) -> None:
    job = await endpoint.submit(MOCK)
    done = await endpoint.wait(job, poll_s=0.01)

    assert job.status == "IN_QUEUE"
    assert (done.id, done.status) == (job.id, "COMPLETED")
    assert done.execution_time_s is not None
    assert 0.015 < done.execution_time_s < 5
    assert done.output["image"]


async def test_runsync_waits_on_the_line(endpoint: Endpoint) -> None:
    done = await endpoint.runsync(MOCK)

    assert done.id.startswith("sync-")
    assert done.status == "COMPLETED"


async def test_runsync_goes_on_by_id_when_the_answer_is_not_final(endpoint: Endpoint) -> None:
    done = await endpoint.runsync({"mock": {"exec_ms": 1300}}, wait_s=1.0)

    assert done.status == "COMPLETED"


async def test_giving_up_leaves_the_job_running(endpoint: Endpoint) -> None:
    job = await endpoint.submit({"mock": {"exec_ms": 200}})

    with pytest.raises(WaitTimeoutError, match="had not ended after 0 s; it runs on"):
        await endpoint.wait(job, timeout_s=0)

    assert (await endpoint.wait(job, poll_s=0.02)).status == "COMPLETED"


async def test_a_cancelled_job_is_an_error_of_its_own(endpoint: Endpoint) -> None:
    job = await endpoint.submit({"mock": {"exec_ms": 60_000}})

    assert (await endpoint.cancel(job)).status == "CANCELLED"
    with pytest.raises(JobCancelledError, match=job.id):
        await endpoint.wait(job, poll_s=0)


async def test_a_failed_job_says_why(endpoint: Endpoint) -> None:
    job = await endpoint.submit({"prompt": "a pier", "steps": 0})

    with pytest.raises(JobFailedError, match="steps does not meet the constraints"):
        await endpoint.wait(job, poll_s=0.05)


async def test_health_counts_queue_and_workers(endpoint: Endpoint) -> None:
    for _ in range(3):
        await endpoint.submit({"mock": {"exec_ms": 60_000}})

    health = await endpoint.health()

    assert (health.in_queue + health.in_progress, health.workers) == (3, 2)
    assert health.trouble is None


async def test_an_unknown_job_and_an_unknown_endpoint_are_told_apart(endpoint: Endpoint) -> None:
    with pytest.raises(NotFoundError, match="job nobody is unknown to endpoint local: results last 30 minutes"):
        await endpoint.status("nobody")
    simulator = Simulator(endpoint_id="another", api_key=KEY, workers=1)
    async with Endpoint("http://127.0.0.1/v2/local", KEY, http=httpx.ASGITransport(app=simulator.app())) as other:
        with pytest.raises(NotFoundError, match=r"endpoint local is unknown .*: check RUNPOD_URL"):
            await other.submit(MOCK)


@pytest.mark.parametrize("job_id", ["../run", "a b", "", "x" * 129, "a/b", "a?b"])
async def test_what_is_no_job_id_never_enters_an_address(endpoint: Endpoint, job_id: str) -> None:
    with pytest.raises(ProtocolError, match="is no job id"):
        await endpoint.status(job_id)


@pytest.mark.parametrize(
    ("input", "said"),
    [
        ({}, "input is empty"),
        ({"cfg_scale": float("nan")}, "not what JSON can hold"),
        ({"image": object()}, "not what JSON can hold"),
        ({"image": "x" * (10 * 2**20)}, "10.0 MB, /run takes 10 MB"),
    ],
)
async def test_a_hopeless_input_is_refused_before_it_is_sent(
    raw_server: Callable[..., Any], input: dict[str, Any], said: str
) -> None:
    async with raw_server(says("200 OK")) as raw, Endpoint(raw.url, KEY) as endpoint:
        with pytest.raises(ValueError, match=said):
            await endpoint.submit(input)

    assert raw.requests == []


async def test_waiting_looks_at_the_pace_it_is_told() -> None:
    answers = itertools.chain(["IN_QUEUE", "IN_PROGRESS", "SOMETHING_NEW"], itertools.repeat("COMPLETED"))

    def answer(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"id": "job-1", "status": next(answers), "output": 7})

    naps: list[float] = []

    async def nap(seconds: float) -> None:
        naps.append(seconds)

    clock = itertools.count().__next__
    async with Endpoint("abc123", KEY, http=httpx.MockTransport(answer), clock=clock, sleep=nap) as endpoint:
        done = await endpoint.wait(Job.from_wire({"id": "job-1", "status": "IN_QUEUE"}), poll_s=2.0)

    assert done.output == 7
    assert naps == [2.0, 2.0, 2.0, 2.0]


def test_a_policy_is_sent_in_milliseconds_and_bounded() -> None:
    assert Policy(execution_timeout_s=300, ttl_s=21_960).to_wire() == {"executionTimeout": 300_000, "ttl": 21_960_000}
    assert Policy(low_priority=True).to_wire() == {"lowPriority": True}
    with pytest.raises(ValueError, match="execution_timeout_s=4: RunPod takes 5 s to 7 days"):
        Policy(execution_timeout_s=4)
    with pytest.raises(ValueError, match="ttl_s=604801"):
        Policy(ttl_s=604_801)
