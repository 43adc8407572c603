"""The worker half of RunPod's SDK, unmodified, under `runpodkit simulate --handler`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from runpodkit.endpoint.client import Endpoint
from runpodkit.errors import JobCancelledError, JobFailedError
from runpodkit.jobs import Job, JobStatus
from tests.contract.conftest import HANDLERS, KEY, Served, end, simulate


async def ended(endpoint: Endpoint, timeout_s: float = 40, **asked: Any) -> Job:
    """The job of an input, however it ended."""
    job = await endpoint.submit(asked)
    async with asyncio.timeout(timeout_s):
        while not job.status.is_final:
            await asyncio.sleep(0.05)
            job = await endpoint.status(job)
    return job


async def test_what_a_handler_returns_is_the_output_and_times_and_worker_come_along(endpoint: Endpoint) -> None:
    job = await ended(endpoint, do="echo", what={"a": [1, "ü", None]})

    assert job.status is JobStatus.COMPLETED
    assert job.output["echo"] == {"a": [1, "ü", None]}
    assert job.output["job"] == job.id
    assert job.worker_id in ("worker-1", "worker-2")
    assert job.queue_delay_s is not None
    assert job.execution_time_s is not None


@pytest.mark.parametrize("do", ["nothing", "empty"])
async def test_a_handler_that_returns_nothing_is_completed_without_output(endpoint: Endpoint, do: str) -> None:
    job = await ended(endpoint, do=do)

    assert (job.status, job.output) == (JobStatus.COMPLETED, None)


async def test_what_a_handler_raises_is_a_failure_with_type_message_and_traceback(endpoint: Endpoint) -> None:
    job = await ended(endpoint, do="raise", what="no such lora")

    assert job.status is JobStatus.FAILED
    assert job.error == "ValueError: no such lora"
    assert "plain.py" in (job.traceback or "")


async def test_an_error_that_is_returned_keeps_what_came_with_it(endpoint: Endpoint) -> None:
    job = await ended(endpoint, do="error", what="bad size")

    assert (job.status, job.error, job.output) == (JobStatus.FAILED, "bad size", {"details": ["one", "two"]})


async def test_an_error_that_is_no_text_is_completed_without_output_as_users_report(endpoint: Endpoint) -> None:
    job = await ended(endpoint, do="error", what=["bad", "worse"])

    assert (job.status, job.error, job.output) == (JobStatus.COMPLETED, None, None)


async def test_progress_is_seen_while_the_job_is_worked_on_and_is_not_its_result(endpoint: Endpoint) -> None:
    job = await endpoint.submit({"do": "progress"})
    seen: list[Any] = []
    async with asyncio.timeout(30):
        while not job.status.is_final:
            await asyncio.sleep(0.05)
            job = await endpoint.status(job)
            if job.status is JobStatus.IN_PROGRESS and job.output is not None:
                seen.append(job.output)

    assert set(seen) == {"step 3/20"}
    assert job.output == {"done": True}


async def test_a_result_that_is_too_large_is_lost_and_the_job_completed(endpoint: Endpoint) -> None:
    job = await ended(endpoint, do="large")

    assert (job.status, job.output) == (JobStatus.COMPLETED, None)
    assert "larger than the endpoint may send back" in job.reason


async def test_a_worker_that_asks_for_it_is_started_afresh(endpoint: Endpoint) -> None:
    before = await ended(endpoint, do="refresh")
    pids = set()
    async with asyncio.timeout(40):
        while len(pids) < 2:
            pids.add((await ended(endpoint, do="echo", what="who")).output["pid"])

    assert before.status is JobStatus.COMPLETED
    assert before.output["pid"] not in pids


async def test_the_job_of_a_worker_that_dies_goes_to_another_once(endpoint: Endpoint, tmp_path: Path) -> None:
    job = await ended(endpoint, do="die once", mark=str(tmp_path / "died"))

    assert (job.status, job.output, job.retries) == (JobStatus.COMPLETED, {"survived": True}, 1)


async def test_a_job_that_kills_every_worker_fails_with_the_service_s_own_words(endpoint: Endpoint) -> None:
    job = await ended(endpoint, do="die")

    assert (job.status, job.error, job.retries) == (JobStatus.FAILED, "job timed out after 1 retries", 1)
    assert "probably crashed, ran out of memory or refused the input" in job.reason


async def test_jobs_that_kill_their_worker_do_not_end_the_simulator() -> None:
    served = simulate("--handler", str(HANDLERS / "plain.py"))
    try:
        async with Endpoint(served.url, KEY) as endpoint:
            killers = [await endpoint.submit({"do": "die"}) for _ in range(2)]  # four deaths of the only worker
            assert (await ended(endpoint, do="echo", what="still here")).output["echo"] == "still here"
            for killer in killers:
                assert (await endpoint.status(killer)).status is JobStatus.FAILED
    finally:
        end(served)


async def test_cancelling_a_running_job_reaches_its_handler(plain: Served, endpoint: Endpoint) -> None:
    job = await endpoint.submit({"do": "sleep", "seconds": 600})
    async with asyncio.timeout(30):
        while (await endpoint.status(job)).status is not JobStatus.IN_PROGRESS:
            await asyncio.sleep(0.05)

    await endpoint.cancel(job)

    with pytest.raises(JobCancelledError):
        (await endpoint.status(job)).raise_for_status()
    stopped = f'"{job.id}", "message": "Job stopped."'
    assert await asyncio.to_thread(plain.wait_for, lambda: any(stopped in line for line in plain.said))
    assert (await ended(endpoint, do="echo", what="free again")).output["echo"] == "free again"


async def test_a_handler_sees_nothing_of_our_settings(endpoint: Endpoint) -> None:
    names = (await ended(endpoint, do="environment")).output

    assert "RUNPOD_POD_ID" in names
    assert not [name for name in names if name in ("RUNPOD_API_KEY", "RUNPOD_URL") or name.startswith("RUNPODKIT")]


async def test_a_worker_serves_where_its_user_is_logged_in_with_runpod_s_own_tool(tmp_path: Path) -> None:
    (tmp_path / ".runpod").mkdir()
    (tmp_path / ".runpod" / "config.toml").write_text('[default]\napi_key = "rpa_made_up_and_stored"\n')
    served = simulate("--handler", str(HANDLERS / "plain.py"), HOME=str(tmp_path))
    try:
        async with Endpoint(served.url, KEY) as endpoint:
            assert (await ended(endpoint, do="echo", what=1)).output["echo"] == 1
    finally:
        end(served)


async def test_parts_are_streamed_as_they_come_and_gathered_at_the_end(streaming: Served) -> None:
    async with Endpoint(streaming.url, KEY) as endpoint:
        job = await endpoint.submit({"parts": 4})
        parts = [part async for part in endpoint.stream(job)]
        final = await endpoint.status(job)

    assert parts == [{"part": number} for number in range(4)]
    assert final.output == parts


async def test_a_generator_that_breaks_gives_its_parts_and_then_its_error(streaming: Served) -> None:
    parts: list[Any] = []
    async with Endpoint(streaming.url, KEY) as endpoint:
        job = await endpoint.submit({"parts": 2, "break": True})
        stream = endpoint.stream(job)
        parts.extend([await anext(stream), await anext(stream)])
        with pytest.raises(JobFailedError, match="it broke half way"):
            await anext(stream)

    assert parts == [{"part": 0}, {"part": 1}]


def test_a_handler_that_cannot_start_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("print('loading')\nraise SystemExit('no model file')\n")
    words = [sys.executable, "-m", "runpodkit", "simulate", "--port", "0", "--handler", str(tmp_path / "broken.py")]

    done = subprocess.run(words, capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert re.search(r"RUNPODKIT_MODEL=handler-[0-9a-f]{12} RUNPOD_URL=", done.stdout)
    assert "ended 3 times in a row, last with exit code 1 (no model file)" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("way", ["terminate", "kill"])
def test_no_handler_outlives_its_simulator(way: str) -> None:
    served = simulate("--handler", str(HANDLERS / "plain.py"))
    pid = json.loads(
        served.official("print(json.dumps(runpod.Endpoint('local').run_sync({'do': 'echo', 'what': 1})))")
    )["pid"]

    getattr(served.process, way)()
    gone = served.wait_for(lambda: not _is_alive(pid))
    end(served)

    assert gone


def _is_alive(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
