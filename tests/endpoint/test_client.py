"""Endpoint against the simulator in process: what it sends, returns and raises."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest

from runpodkit.endpoint.client import Endpoint, Policy
from runpodkit.errors import JobCancelledError, JobError, JobFailedError, NotFoundError, ProtocolError, WaitTimeoutError
from runpodkit.jobs import Job
from runpodkit.simulator.app import Simulator
from tests.endpoint.conftest import Hours, says

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


def parts(*outputs: object, status: str) -> Any:
    return says("200 OK", json.dumps({"status": status, "stream": [{"output": output} for output in outputs]}))


@pytest.mark.parametrize("end", ["COMPLETED", "FAILED", "CANCELLED", "TIMED_OUT"])
async def test_a_stream_gives_each_part_once_and_ends_on_every_final_status(
    raw_server: Callable[..., Any], end: str
) -> None:
    final = says("200 OK", f'{{"id":"job-1","status":"{end}","error":"it broke"}}')
    answers = [parts(1, 2, status="IN_PROGRESS"), parts(status="IN_PROGRESS"), parts("three", status=end), final]
    seen: list[object] = []
    async with raw_server(*answers) as raw, Endpoint(raw.url, KEY) as endpoint:
        try:
            async for part in endpoint.stream("job-1"):
                seen.append(part)
        except JobError as exc:
            seen.append(exc.status)

    assert seen == [1, 2, "three", *([] if end == "COMPLETED" else [end])]
    assert b"GET /v2/local/stream/job-1?wait=10000 " in raw.requests[0]


async def test_a_stream_that_is_a_bare_list_is_ended_by_the_status(raw_server: Callable[..., Any]) -> None:
    answers = [
        says("200 OK", '[{"metrics":{},"output":"a"}]'),
        says("200 OK", "[]"),
        says("200 OK", '{"id":"job-1","status":"COMPLETED"}'),
    ]
    async with raw_server(*answers) as raw, Endpoint(raw.url, KEY) as endpoint:
        assert [part async for part in endpoint.stream("job-1")] == ["a"]


async def test_a_failed_job_is_queued_again_under_its_id(endpoint: Endpoint) -> None:
    job = await endpoint.submit({"prompt": "a pier", "steps": 0})
    with pytest.raises(JobFailedError):
        await endpoint.wait(job, poll_s=0.05)

    again = await endpoint.retry(job)

    assert (again.id, again.status) == (job.id, "IN_QUEUE")


async def test_purging_counts_what_was_queued(endpoint: Endpoint) -> None:
    for _ in range(5):
        await endpoint.submit({"mock": {"exec_ms": 60_000}})
    await asyncio.sleep(0.05)

    assert await endpoint.purge_queue() == 3


async def test_a_webhook_goes_beside_the_input(raw_server: Callable[..., Any]) -> None:
    async with raw_server(says("200 OK", '{"id":"job-1","status":"IN_QUEUE"}')) as raw, Endpoint(raw.url, KEY) as rp:
        await rp.submit({"prompt": "x"}, webhook="https://example.org/hook?s=1", policy=Policy(low_priority=True))
        with pytest.raises(ValueError, match=r"webhook is not an http\(s\) address"):
            await rp.submit({"prompt": "x"}, webhook="ftp://example.org")

    (request,) = raw.requests
    assert json.loads(request.split(b"\r\n\r\n", 1)[1]) == {
        "input": {"prompt": "x"},
        "policy": {"lowPriority": True},
        "webhook": "https://example.org/hook?s=1",
    }


async def test_a_wait_in_the_queue_says_why() -> None:
    asked: list[str] = []

    def service(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        if request.url.path.endswith("/health"):
            return httpx.Response(200, json={"jobs": {"inQueue": 1}, "workers": {"throttled": 3}})
        return httpx.Response(200, json={"id": "job-1", "status": "IN_QUEUE"})

    clock = Hours()
    http = httpx.MockTransport(service)
    async with Endpoint("http://127.0.0.1/v2/local", KEY, http=http, clock=clock, sleep=clock.sleep) as endpoint:
        with pytest.raises(WaitTimeoutError, match=r"\(3 workers are throttled: no GPU") as told:
            await endpoint.wait(Job.from_wire('{"id":"job-1","status":"IN_QUEUE"}'), timeout_s=120)

    assert told.value.why
    assert 3 <= asked.count("/v2/local/health") <= 5  # after 10 s, every 30 s or so, and at the end


async def test_many_jobs_are_followed_at_once_and_each_is_given_as_it_ends(endpoint: Endpoint) -> None:
    slow = await endpoint.submit({"mock": {"exec_ms": 700}})
    quick = await endpoint.submit({"mock": {"exec_ms": 10}})
    broken = await endpoint.submit({"prompt": "a pier", "steps": 0})

    ended = [job async for job in endpoint.follow([slow, quick.id, broken])]

    assert {job.id for job in ended} == {slow.id, quick.id, broken.id}
    assert ended[0].id != slow.id
    assert {str(job.status) for job in ended} == {"COMPLETED", "FAILED"}


async def test_a_handler_s_traceback_is_kept_apart_from_its_message(raw_server: Callable[..., Any]) -> None:
    told = {"error_type": "<class 'ValueError'>", "error_message": "no such lora", "error_traceback": "Traceback …"}
    body = json.dumps({"id": "job-1", "status": "FAILED", "error": json.dumps(told)})
    async with raw_server(says("200 OK", body)) as raw, Endpoint(raw.url, KEY) as endpoint:
        job = await endpoint.status("job-1")

    assert (job.error, job.traceback) == ("ValueError: no such lora", "Traceback …")
    assert "Traceback" not in repr(job)
