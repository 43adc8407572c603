"""The worker's routes in process: who may call them, what long polls wait for, what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from runpodkit.simulator import worker_routes
from runpodkit.simulator.app import Simulator

KEY = "rpa_made_up_for_tests"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    simulator = Simulator(endpoint_id="local", api_key=KEY, workers=0)
    yield simulator
    await simulator.end()
    await simulator._workers.aclose()
    if simulator._timer:
        simulator._timer.cancel()


@pytest.fixture
async def worker(simulator: Simulator) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=simulator.app()),
        base_url="http://127.0.0.1/v2/local/",
        headers={"Authorization": simulator._worker_key},
    ) as worker:
        yield worker


@pytest.mark.parametrize("path", ["job-take/w", "job-take-batch/w", "job-stop/w", "ping/w"])
async def test_the_client_s_key_opens_no_worker_s_door(worker: httpx.AsyncClient, path: str) -> None:
    assert (await worker.get(path, headers={"Authorization": f"Bearer {KEY}"})).status_code == 401


async def test_a_worker_is_known_by_its_address_where_it_shows_another_key(
    simulator: Simulator, worker: httpx.AsyncClient
) -> None:
    stored = {"Authorization": "rpa_from_a_config_file"}

    assert (await worker.get(f"ping/w?key={simulator._worker_key}", headers=stored)).status_code == 200
    assert (await worker.get("ping/w?key=another", headers=stored)).status_code == 401


async def test_a_worker_s_key_opens_no_client_s_door(worker: httpx.AsyncClient) -> None:
    assert (await worker.post("run", json={"input": {"x": 1}})).status_code == 401


async def test_a_worker_waits_on_the_line_and_gets_a_job_the_moment_it_comes(
    simulator: Simulator, worker: httpx.AsyncClient
) -> None:
    waiting = asyncio.create_task(worker.get("job-take/w?gpu=x&job_in_progress=0"))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    simulator.queue.submit({"prompt": "x"}, webhook="https://example.org", s3_config={"bucketName": "b"})
    simulator._advance()

    answer = await asyncio.wait_for(waiting, 5)

    job = simulator.queue.jobs.popitem()[1]
    assert answer.json() == {
        "id": job.id, "input": {"prompt": "x"}, "webhook": "https://example.org", "s3Config": {"bucketName": "b"},
    }  # fmt: skip


async def test_a_worker_that_finds_nothing_is_sent_away_after_a_while(
    worker: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_routes, "HOLD_S", 0.05)

    assert (await worker.get("job-take/w")).status_code == 204
    assert (await worker.get("job-take-batch/w?batch_size=3")).status_code == 204
    assert (await worker.get("job-stop/w")).status_code == 204


async def test_several_jobs_are_taken_as_a_list(simulator: Simulator, worker: httpx.AsyncClient) -> None:
    for number in range(3):
        simulator.queue.submit({"n": number + 1})

    answer = await worker.get("job-take-batch/w?batch_size=2")

    assert [job["input"] for job in answer.json()] == [{"n": 1}, {"n": 2}]


@pytest.mark.parametrize(
    ("body", "status", "final"),
    [
        ({"output": {"a": 1}}, 200, {"status": "COMPLETED", "output": {"a": 1}}),
        ({"output": None}, 200, {"status": "COMPLETED"}),
        ({}, 200, {"status": "COMPLETED"}),
        ({"error": "bad", "output": {"details": [1]}}, 200, {"status": "FAILED", "error": "bad", "output": {"details": [1]}}),
        ({"error": "", "output": 3}, 200, {"status": "COMPLETED", "output": 3}),
        ({"error": ["bad"]}, 200, {"status": "COMPLETED"}),
        ({"error": {"why": "bad"}}, 200, {"status": "COMPLETED"}),
        ({"output": "x" * (10 * 2**20)}, 400, {"status": "COMPLETED"}),
        ({"status": "IN_PROGRESS", "output": "step 1"}, 200, {"status": "IN_PROGRESS", "output": "step 1"}),
    ],
)  # fmt: skip
async def test_what_a_worker_posts_is_what_the_client_sees(
    simulator: Simulator, worker: httpx.AsyncClient, body: object, status: int, final: dict[str, object]
) -> None:
    job = simulator.queue.submit({"prompt": "x"})
    await worker.get("job-take/w")

    answer = await worker.post(
        f"job-done/w/{job.id}?gpu=x&isStream=false",
        content=json.dumps(body),
        headers={"Content-Type": "application/x-www-form-urlencoded", "X-Request-ID": job.id},
    )

    seen = json.loads(job.to_wire())
    assert answer.status_code == status
    assert {name: seen[name] for name in ("status", "output", "error") if name in seen} == final


async def test_a_result_for_a_job_that_is_gone_is_a_404(worker: httpx.AsyncClient) -> None:
    assert (await worker.post("job-done/w/gone", content="{}")).status_code == 404
    assert (await worker.post("job-stream/w/gone", content="{}")).status_code == 404


@pytest.mark.parametrize("body", ["", "[]", "{", "null", "[" * 100_000])
async def test_a_result_that_is_no_object_is_refused_and_ends_nothing(
    simulator: Simulator, worker: httpx.AsyncClient, body: str
) -> None:
    job = simulator.queue.submit({"prompt": "x"})
    await worker.get("job-take/w")

    assert (await worker.post(f"job-done/w/{job.id}", content=body)).status_code == 400
    assert job.status == "IN_PROGRESS"
