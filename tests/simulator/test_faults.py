"""Faults: a seeded table, the same each time; what is lost has had its effect."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import httpx
import pytest

from runpodkit.errors import ConfigError
from runpodkit.simulator.app import Simulator
from runpodkit.simulator.faults import Faults, FaultTable, JobFault, RequestFault

KEY = "rpa_made_up_for_tests"
JOB = {"input": {"mock": {"exec_ms": 1}}}
Open = Callable[[FaultTable], AbstractAsyncContextManager[tuple[Simulator, httpx.AsyncClient]]]


@pytest.fixture
def faulty() -> Open:
    @asynccontextmanager
    async def start(table: FaultTable) -> AsyncIterator[tuple[Simulator, httpx.AsyncClient]]:
        simulator = Simulator(endpoint_id="local", api_key=KEY, workers=1, cold_start_s=0.0, faults=table)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=simulator.app()),
            base_url="http://127.0.0.1/v2/local/",
            headers={"Authorization": f"Bearer {KEY}"},
        ) as client:
            yield simulator, client
        if simulator._timer:
            simulator._timer.cancel()
        await simulator._workers.aclose()

    return start


@pytest.mark.parametrize(("kind", "text"), [("429", "too many"), ("500", "internal"), ("502", "<h1>"), ("401", "Unau")])
async def test_a_refused_request_has_no_effect(faulty: Open, kind: str, text: str) -> None:
    table = FaultTable(request=(RequestFault(kind=kind, chance=1, operations=("run",), retry_after_s=2),))
    async with faulty(table) as (simulator, client):
        answer = await client.post("run", json=JOB)
        other = await client.get("health")

    assert (answer.status_code, other.status_code) == (int(kind), 200)
    assert text in answer.text
    assert answer.headers.get("retry-after") == ("2" if kind == "429" else None)
    assert len(simulator.queue.jobs) == 0


async def test_workers_are_left_in_peace(faulty: Open) -> None:
    async with faulty(FaultTable(request=(RequestFault(kind="500", chance=1),))) as (simulator, client):
        answer = await client.get("ping/w-1", headers={"Authorization": simulator._worker_key})

    assert answer.status_code == 200


async def test_a_lost_answer_leaves_a_job_behind(faulty: Open) -> None:
    table = FaultTable(request=(RequestFault(kind="lost", chance=1, operations=("run",)),))
    async with faulty(table) as (simulator, client):
        with pytest.raises(AssertionError):  # httpx in process, about an answer that never ends
            await client.post("run", json=JOB)

    assert len(simulator.queue.jobs) == 1


@pytest.mark.parametrize(
    ("kind", "status", "has_output"),
    [
        ("no output", "COMPLETED", False),
        ("failed", "FAILED", False),
        ("error list", "COMPLETED", False),
        ("unknown status", "ARCHIVED", True),
        ("hangs", "IN_PROGRESS", False),
        ("late progress", "IN_PROGRESS", True),
    ],
)
async def test_a_job_ends_as_the_table_says(faulty: Open, kind: str, status: str, has_output: bool) -> None:
    async with faulty(FaultTable(job=(JobFault(kind=kind, chance=1),))) as (_, client):
        job = (await client.post("runsync?wait=1000", json=JOB)).json()

    assert (job["status"], "output" in job) == (status, has_output)


def test_the_same_seed_draws_the_same_faults_and_another_seed_others() -> None:
    def drawn(seed: int) -> list[str | None]:
        faults = Faults(FaultTable(seed=seed, job=(JobFault(kind="failed", chance=0.3),)))
        return [faults.of_job() for _ in range(200)]

    assert drawn(7) == drawn(7) != drawn(8)
    assert 35 <= drawn(7).count("failed") <= 85


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[request]]\nkind = 'lost'", "request.0.chance: Field required"),
        ("[[job]]\nkind = 'sleepy'\nchance = 1", "job.0.kind: Input should be 'no output'"),
        ("[[job]]\nkind = 'failed'\nchance = 2", "job.0.chance: Input should be less than or equal to 1"),
        ("[[", "is not TOML"),
    ],
)
def test_a_table_that_cannot_be_meant_is_told_with_its_entry(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "faults.toml").write_text(text)

    with pytest.raises(ConfigError, match=r"faults\.toml") as told:
        FaultTable.read(tmp_path / "faults.toml")
    assert said in str(told.value)
