"""The queue, moved by hand: what RunPod documents, and what its users report."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from runpodkit.simulator.queue import DIED_TWICE, Queue, SimJob, Status


def new_queue(workers: int = 1, **how: Any) -> Queue:
    numbers = itertools.count(1)
    return Queue(workers, new_id=lambda: f"job-{next(numbers)}", **{"cold_start_s": 2.0, "idle_s": 5.0, **how})


def wire(job: SimJob) -> dict[str, Any]:
    return dict(json.loads(job.to_wire()))


def test_a_job_waits_for_a_cold_start_and_then_runs() -> None:
    queue = new_queue()
    job = queue.submit({"prompt": "x"})

    queue.advance(0.0)
    assert (job.status, queue.health()["workers"]["initializing"]) == (Status.IN_QUEUE, 1)
    queue.advance(2.0)
    assert wire(job) == {"id": "job-1", "status": "IN_PROGRESS", "delayTime": 2000, "workerId": "worker-0"}
    queue.advance(6.0)
    queue.done("job-1", "worker-0", b'{"image":"x"}')

    assert wire(job) == {
        "id": "job-1",
        "status": "COMPLETED",
        "delayTime": 2000,
        "executionTime": 4000,
        "workerId": "worker-0",
        "output": {"image": "x"},
    }


def test_jobs_are_taken_in_the_order_they_came() -> None:
    queue = new_queue(cold_start_s=0.0)
    jobs = [queue.submit({"prompt": "x"}) for _ in range(3)]
    order = []
    for now in range(1, 5):
        queue.advance(now)
        while queue.started:
            order.append(queue.started.popleft().id)
            queue.done(order[-1], "worker-0", b"1")

    assert order == [job.id for job in jobs]


def test_a_cancelled_job_keeps_its_worker_busy_until_the_drawing_ends() -> None:
    queue = new_queue(cold_start_s=0.0)
    first, second = queue.submit({"prompt": "x"}), queue.submit({"prompt": "y"})
    queue.advance(1.0)

    queue.cancel(first.id)
    queue.advance(2.0)
    assert (first.status, second.status) == (Status.CANCELLED, Status.IN_QUEUE)
    queue.done(first.id, "worker-0", b'"late"')
    queue.advance(3.0)

    assert first.output is None
    assert second.status is Status.IN_PROGRESS


def test_a_job_whose_worker_dies_goes_to_another_once_and_then_fails() -> None:
    queue = new_queue(workers=2, cold_start_s=0.0, redispatch_s=45.0)
    job = queue.submit({"prompt": "x"})
    queue.advance(1.0)
    queue.died(job.id, job.worker or "")
    assert (job.status, job.retries) == (Status.IN_QUEUE, 1)
    queue.advance(45.0)
    assert job.status is Status.IN_QUEUE
    queue.advance(46.0)
    queue.advance(46.0)
    assert (job.status, job.delay_s) == (Status.IN_PROGRESS, 45.0)

    queue.died(job.id, job.worker or "")

    assert (job.status, job.error) == (Status.FAILED, DIED_TWICE)


def test_an_empty_input_is_lethal() -> None:
    queue = new_queue(cold_start_s=0.0, redispatch_s=1.0)
    job = queue.submit({})
    for now in range(6):
        queue.advance(float(now))

    assert wire(job)["error"] == "job timed out after 1 retries"
    assert not queue.started


def test_the_execution_timeout_fails_a_running_job() -> None:
    queue = new_queue(cold_start_s=0.0)
    job = queue.submit({"prompt": "x"}, {"executionTimeout": 5000})
    queue.advance(1.0)
    queue.advance(6.0)
    assert job.status is Status.IN_PROGRESS
    queue.advance(6.1)

    assert (job.status, job.error) == (Status.FAILED, "executionTimeout exceeded")


def test_the_time_to_live_removes_a_job_even_while_it_runs() -> None:
    queue = new_queue(cold_start_s=0.0)
    running = queue.submit({"prompt": "x"}, {"ttl": 10_000})
    waiting = queue.submit({"prompt": "x"}, {"ttl": 10_000})
    queue.advance(1.0)
    queue.advance(10.1)

    assert queue.status(running.id) is queue.status(waiting.id) is None
    assert queue.health()["jobs"]["inQueue"] == 0


@pytest.mark.parametrize(("is_sync", "kept_s"), [(False, 1800.0), (True, 60.0)])
def test_a_result_is_kept_half_an_hour_or_a_minute(is_sync: bool, kept_s: float) -> None:
    queue = new_queue(cold_start_s=0.0)
    job = queue.submit({"prompt": "x"}, is_sync=is_sync)
    queue.advance(0.0)
    queue.done(job.id, "worker-0", b"1")

    queue.advance(kept_s)
    assert queue.status(job.id) is job
    queue.advance(kept_s + 0.1)
    assert queue.status(job.id) is None


def test_retry_takes_up_failed_jobs_only_under_the_same_id() -> None:
    queue = new_queue(cold_start_s=0.0)
    good, bad = queue.submit({"prompt": "x"}), queue.submit({"prompt": "y"})
    queue.advance(0.0)
    queue.done(good.id, "worker-0", b"1")
    queue.advance(1.0)
    queue.done(bad.id, "worker-0", None, "boom")

    queue.retry(good.id)
    queue.retry(bad.id)

    assert good.status is Status.COMPLETED
    assert (bad.status, bad.error, bad.retries) == (Status.IN_QUEUE, None, 1)


def test_purging_removes_what_waits_and_nothing_else() -> None:
    queue = new_queue(cold_start_s=0.0)
    jobs = [queue.submit({"prompt": "x"}) for _ in range(4)]
    queue.advance(0.0)

    assert queue.purge() == 3
    assert list(queue.jobs) == [jobs[0].id]


def test_low_priority_wakes_no_second_worker() -> None:
    queue = new_queue(workers=3)
    for _ in range(3):
        queue.submit({"prompt": "x"}, {"lowPriority": True})
    queue.advance(0.0)

    assert queue.health()["workers"]["initializing"] == 1


def test_an_idle_worker_goes_to_sleep_and_the_next_job_waits_for_it() -> None:
    queue = new_queue()
    first = queue.submit({"prompt": "x"})
    queue.advance(0.0)
    queue.advance(2.0)
    queue.done(first.id, "worker-0", b"1")
    queue.advance(7.0)
    second = queue.submit({"prompt": "x"})
    queue.advance(8.0)
    queue.advance(10.0)

    assert second.delay_s == 3.0


class AnyOrder(RuleBasedStateMachine):
    """Whatever is asked in whatever order, the books balance."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = new_queue(workers=2, cold_start_s=0.5, redispatch_s=1.0)
        self.now = 0.0
        self.running: list[SimJob] = []

    @rule(seconds=st.floats(0, 3))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.queue.advance(self.now)
        while self.queue.started:
            self.running.append(self.queue.started.popleft())

    @rule(low=st.booleans())
    def submit(self, low: bool) -> None:
        self.queue.submit({"prompt": "x"}, {"lowPriority": low, "ttl": 20_000, "executionTimeout": 5_000})

    @rule(dice=st.integers(0, 99), how=st.sampled_from(["done", "error", "died"]))
    def end_one(self, dice: int, how: str) -> None:
        if not self.running:
            return
        job = self.running.pop(dice % len(self.running))
        worker = next((w.id for w in self.queue._workers.values() if w.job == job.id), None)
        if worker is None:
            return
        if how == "died":
            self.queue.died(job.id, worker)
        else:
            self.queue.done(job.id, worker, b"1", "boom" if how == "error" else None)

    @rule(dice=st.integers(0, 99), how=st.sampled_from(["cancel", "retry", "purge"]))
    def interfere(self, dice: int, how: str) -> None:
        if how == "purge":
            self.queue.purge()
        elif self.queue.jobs:
            job_id = list(self.queue.jobs)[dice % len(self.queue.jobs)]
            (self.queue.cancel if how == "cancel" else self.queue.retry)(job_id)

    @invariant()
    def the_books_balance(self) -> None:
        health = self.queue.health()
        waiting = list(self.queue._waiting)
        assert len(set(waiting)) == len(waiting)
        assert all(self.queue.jobs[job].status is Status.IN_QUEUE for job in waiting)
        assert health["workers"]["running"] == sum(worker.job is not None for worker in self.queue._workers.values())
        assert health["jobs"]["inProgress"] <= 2
        for job in self.queue.jobs.values():
            assert (job.ended_s is not None) == job.status.is_final


AnyOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestAnyOrder = AnyOrder.TestCase


def test_a_worker_process_takes_what_waits_and_its_result_ends_the_job() -> None:
    queue = new_queue(0)
    job = queue.submit({"prompt": "x"})
    queue.advance(3.0)

    assert queue.take("w-1") == [job]
    assert queue.take("w-2") == []
    assert wire(job) == {"id": "job-1", "status": "IN_PROGRESS", "delayTime": 3000, "workerId": "w-1"}
    assert queue.health()["workers"] | {} == {
        "idle": 1, "initializing": 0, "ready": 1, "running": 1, "throttled": 0, "unhealthy": 0,
    }  # fmt: skip
    queue.progress("job-1", "w-1", b'"step 1"')
    assert wire(job)["output"] == "step 1"
    queue.advance(5.0)
    queue.done("job-1", "w-1", b'{"ok":1}')
    queue.progress("job-1", "w-1", b'"late"')
    assert (wire(job)["status"], wire(job)["output"], wire(job)["executionTime"]) == ("COMPLETED", {"ok": 1}, 2000)


def test_a_worker_process_takes_several_jobs_at_once_in_order() -> None:
    queue = new_queue(0)
    jobs = [queue.submit({"n": n + 1}) for n in range(5)]

    assert queue.take("w-1", 3) == jobs[:3]
    assert queue.take("w-1", 3, busy=True) == jobs[3:]


def test_an_empty_input_kills_two_worker_processes_and_then_fails() -> None:
    queue = new_queue(0, redispatch_s=1.0)
    job = queue.submit({})

    assert queue.take("w-1") == []
    queue.advance(1.0)
    assert queue.take("w-2") == []
    assert (job.status, job.error, job.retries) == (Status.FAILED, DIED_TWICE, 1)


@pytest.mark.parametrize("how", ["dies", "falls silent"])
def test_the_job_of_a_lost_worker_process_goes_to_the_next_with_its_delay_counted_anew(how: str) -> None:
    queue = new_queue(0, redispatch_s=1.0)
    job = queue.submit({"prompt": "x"})
    queue.take("w-1")

    if how == "dies":
        queue.lost("w-1")
    else:
        queue.advance(46.0)
    lost_at = queue.now_s
    queue.advance(lost_at + 1.0)
    queue.done("job-1", "w-1", b"{}")  # too late: it is another's by now

    assert queue.take("w-2") == [job]
    assert (job.retries, job.delay_s, job.status) == (1, 1.0, Status.IN_PROGRESS)


def test_a_ping_keeps_a_worker_process_alive() -> None:
    queue = new_queue(0)
    job = queue.submit({"prompt": "x"})
    queue.take("w-1")

    for at in range(10, 400, 10):
        queue.advance(float(at))
        queue.heard("w-1")

    assert (job.status, job.retries) == (Status.IN_PROGRESS, 0)


@pytest.mark.parametrize("end", ["cancelled", "out of time"])
def test_a_worker_process_hears_again_and_again_which_job_to_stop_until_it_lets_go(end: str) -> None:
    queue = new_queue(0)
    queue.submit({"prompt": "x"}, {"executionTimeout": 5000})
    queue.take("w-1")
    if end == "cancelled":
        queue.cancel("job-1")
    else:
        queue.advance(5.1)

    assert queue.jobs_to_stop("w-1") == ["job-1"]
    assert queue.jobs_to_stop("w-1") == []
    queue.advance(queue.now_s + 2.0)
    assert queue.jobs_to_stop("w-1") == ["job-1"]
    queue.take("w-1", busy=False)
    queue.advance(queue.now_s + 2.0)
    assert queue.jobs_to_stop("w-1") == []


def test_a_job_that_was_never_reported_on_stays_in_progress_until_its_bound() -> None:
    queue = new_queue(0)
    job = queue.submit({"prompt": "x"})
    queue.take("w-1")

    queue.take("w-1", busy=False)
    queue.heard("w-1")
    for at in range(0, 601, 30):
        queue.advance(float(at))
        queue.heard("w-1")
    assert job.status is Status.IN_PROGRESS
    queue.advance(600.1)

    assert (job.status, job.error) == (Status.FAILED, "executionTimeout exceeded")
