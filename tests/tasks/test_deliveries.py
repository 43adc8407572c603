"""Tasks whose Celery worker is killed or whose endpoint is away: tried again, paid once, and not for ever."""

from __future__ import annotations

import os
import signal

import pytest
import redis
from celery.result import AsyncResult

from runpodkit.errors import JobCancelledError
from tests.tasks.conftest import System, soon

SMALL = {"width": 64, "height": 64, "steps": 1}


def mock(exec_ms: int) -> dict[str, object]:
    return {"mock": {"exec_ms": exec_ms, "bytes": 1000}}


def child_of(sent: AsyncResult, but: int = 0) -> int:
    """The process that works on a task, as STARTED tells."""

    def look() -> int:
        about = sent.info if sent.state == "STARTED" else None
        return about["pid"] if about and about["pid"] != but else 0

    return soon(look)


def test_a_task_whose_process_is_killed_follows_its_job(system: System) -> None:
    sent = system.send("generate_image", user_prompt="a killed process", extra=mock(3000), **SMALL)
    job = system.submitted(sent.id)

    os.kill(child_of(sent), signal.SIGKILL)
    result = sent.get(timeout=30)

    assert result["job_id"] == job
    assert system.jobs("a killed process") == [job]
    assert (result["attempts"], result["maybe_paid_twice"]) == (1, False)


def test_a_batch_whose_process_is_killed_follows_its_jobs(system: System) -> None:
    prompts = ["a batch of one", "a batch of two"]
    sent = system.send("generate_image_batch", prompts=prompts, extra=mock(3000), **SMALL)
    jobs = [system.submitted(f"{sent.id}-{number}") for number in range(2)]

    os.kill(child_of(sent), signal.SIGKILL)
    result = sent.get(timeout=30)

    assert [one["job_id"] for one in result["results"]] == jobs
    assert [system.jobs(prompt) for prompt in prompts] == [[job] for job in jobs]


def test_a_task_that_is_worked_on_is_not_delivered_again_however_long_it_takes(system: System) -> None:
    def taken() -> float:
        """When the oldest message that is worked on was last said to be; kombu restores it an hour later."""
        found = client.zrange("runpodkit:celery:unacked_index", 0, 0, withscores=True)
        return float(found[0][1]) if found else 0.0

    with redis.Redis.from_url(system.redis_url) as client:
        sent = system.send("generate_image", user_prompt="a long one", extra=mock(9000), **SMALL)
        first = soon(taken)
        soon(lambda: taken() > first, wait_s=15)

    assert sent.get(timeout=30)["attempts"] == 1


def test_a_task_that_kills_its_workers_is_given_up_and_its_job_cancelled(system: System) -> None:
    sent = system.send("generate_image", user_prompt="a deadly one", extra=mock(60_000), **SMALL)
    job, pid = system.submitted(sent.id), 0
    for start in (1, 2, 3):
        pid = child_of(sent, but=pid)
        soon(lambda start=start: system.starts(sent.id) == start)
        os.kill(pid, signal.SIGKILL)

    with pytest.raises(JobCancelledError, match="died 3 times") as told:
        sent.get(timeout=30)

    assert told.value.job_id == job
    assert system.row(sent.id).state == "CANCELLED"
    assert system.jobs("a deadly one") == [job]


@pytest.mark.slow
def test_a_task_whose_whole_worker_is_killed_goes_to_the_next_one(system: System) -> None:
    sent = system.send("generate_image", user_prompt="a killed worker", extra=mock(5000), **SMALL)
    job = system.submitted(sent.id)
    worker = system._workers[-1]

    os.killpg(worker.pid, signal.SIGKILL)
    worker.wait(10)
    system.start_worker()
    result = sent.get(timeout=40)

    assert result["job_id"] == job
    assert system.jobs("a killed worker") == [job]
    assert "went back to their queue" in system.log().read_text()


@pytest.mark.slow
def test_an_endpoint_that_comes_back_gives_the_picture_after_a_retry(system: System) -> None:
    system.service.kill()
    one = system.send("generate_image", user_prompt="a late one", **SMALL)
    many = system.send("generate_image_batch", prompts=["a late two", "a late three"], **SMALL)

    soon(lambda: one.state == many.state == "RETRY")
    assert "endpoint down" in str(one.info)
    system.service.start()

    assert one.get(timeout=40)["success"] is True
    assert many.get(timeout=40)["successful"] == 2
    assert len(system.jobs("a late")) == 3


@pytest.mark.slow
def test_a_task_that_waits_for_its_retry_outlives_redis(system: System) -> None:
    sent = system.send("generate_image", countdown=4, user_prompt="a waiting one", **SMALL)
    soon(lambda: f"[{sent.id}] received" in system.logs())

    system.restart_redis()

    soon(lambda: system.row(sent.id).state == "COLLECTED")
    assert sent.get(timeout=20)["success"] is True
    assert len(system.jobs("a waiting one")) == 1


def test_a_value_out_of_bounds_is_not_tried_again(system: System) -> None:
    assert "tried again in 1 s" in system.logs()
    before = system.logs().count("tried again")

    with pytest.raises(ValueError, match="steps=0: input should be greater than or equal to 1"):
        system.send("generate_image", user_prompt="a bad one", steps=0).get(timeout=20)

    assert system.logs().count("tried again") == before
