"""The queue of a simulated endpoint: jobs, workers and their states, moved only by `advance(now_s)`.

Pure: no network, no clock, no thread, no sleep.  It follows what RunPod documents and
what its users report; where neither says anything, the plainest thing happens.  What a
job draws is none of its business: it hands out started jobs and is told how they ended.
"""

from __future__ import annotations

import heapq
import json
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runpodkit.simulator.billing import Span

MAX_OUTPUT, MAX_SYNC_OUTPUT = 10 * 2**20, 20 * 2**20
"""Bytes of a result that the platform takes from a worker, as far as its users report."""
STOP_AGAIN_S = 2.0
KEPT_UPTIMES = 100_000
SILENCE_S = 45.0
"""A worker process that is not heard of so long counts as dead; RunPod takes 40 to 50 s."""
RETENTION_S, SYNC_RETENTION_S = 30 * 60.0, 60.0
DEFAULT_EXECUTION_S, DEFAULT_TTL_S = 600.0, 86_400.0
DIED_TWICE = "job timed out after 1 retries"


class Status(StrEnum):
    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"

    @property
    def is_final(self) -> bool:
        return self not in (Status.IN_QUEUE, Status.IN_PROGRESS)


@dataclass(slots=True)
class SimJob:
    """One job as the platform sees it.  Times are the queue's, in seconds."""

    id: str
    input: dict[str, Any]
    submitted_s: float
    execution_timeout_s: float = DEFAULT_EXECUTION_S
    ttl_s: float = DEFAULT_TTL_S
    low_priority: bool = False
    is_sync: bool = False
    webhook: str | None = None
    s3_config: dict[str, Any] | None = None
    """Handed to the worker as it came; nothing more."""
    odd_status: str | None = None
    """A status of the future, which the service says instead of its own."""
    status: Status = Status.IN_QUEUE
    queued_s: float = 0.0
    """Since when it waits: its submission, or its latest re-dispatch."""
    taken_s: float | None = None
    ended_s: float | None = None
    delay_s: float | None = None
    execution_s: float | None = None
    worker: str | None = None
    retries: int = 0
    output: bytes | None = None
    """JSON."""
    error: str | None = None
    stream: list[bytes] = field(default_factory=list)

    def to_wire(self) -> bytes:
        """The job object as `/status` answers it."""
        head: dict[str, Any] = {"id": self.id, "status": self.odd_status or self.status}
        if self.delay_s is not None:
            head["delayTime"] = round(self.delay_s * 1000)
        if self.execution_s is not None:
            head["executionTime"] = round(self.execution_s * 1000)
        if self.worker:
            head["workerId"] = self.worker
        if self.retries:
            head["retries"] = self.retries
        if self.error is not None:
            head["error"] = self.error
        text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
        return text if self.output is None else b'%s,"output":%s}' % (text[:-1], self.output)


@dataclass(slots=True)
class Worker:
    """A container with a GPU, if it were one."""

    id: str
    state: str = "off"
    """`off`, `initializing`, `idle` or `running`."""
    since_s: float = 0.0
    job: str | None = None
    on_s: float = 0.0
    """Since when it is not off."""


@dataclass(slots=True)
class WorkerProcess:
    """A handler in a process of its own, which takes its jobs itself."""

    id: str
    heard_s: float
    on_s: float
    jobs: set[str] = field(default_factory=set)
    to_stop: dict[str, float] = field(default_factory=dict)
    """Jobs that ended under its hands → when to tell it (again): told too early, its SDK does not know them yet."""


class Queue:
    """One endpoint's queue and workers."""

    def __init__(
        self,
        workers: int,
        *,
        new_id: Callable[[], str],
        cold_start_s: float = 0.3,
        idle_s: float = 60.0,
        redispatch_s: float = 1.0,
    ) -> None:
        """`redispatch_s`: after how long the job of a dead worker goes to another; RunPod takes 40 to 50 s."""
        self.now_s = 0.0
        self.jobs: OrderedDict[str, SimJob] = OrderedDict()
        self.started: deque[SimJob] = deque()
        """Jobs that workers took since somebody last emptied this."""
        self.ended: deque[SimJob] = deque()
        """Jobs that reached a final status since somebody last emptied this."""
        self.changes = 0
        """Grows with whatever somebody may be waiting for."""
        self._waiting: deque[str] = deque()
        self._workers = {f"worker-{number}": Worker(f"worker-{number}") for number in range(workers)}
        self._processes: dict[str, WorkerProcess] = {}
        self._uptimes: deque[Span] = deque(maxlen=KEPT_UPTIMES)
        """Of workers that are off again."""
        self._later: list[tuple[float, str]] = []
        self._deadlines: list[tuple[float, str]] = []
        """When each job has to be looked at again, soonest first; a moment that no longer holds does no harm."""
        self._urgent = 0
        """Jobs waiting that are not of low priority."""
        self._new_id, self._cold_start_s, self._idle_s = new_id, cold_start_s, idle_s
        self._redispatch_s = redispatch_s
        self._counts = {"completed": 0, "failed": 0, "retried": 0}

    # time

    def advance(self, now_s: float) -> None:
        """Move the queue to `now_s`; earlier than before changes nothing."""
        self.now_s = max(self.now_s, now_s)
        for process in list(self._processes.values()):
            if self.now_s > process.heard_s + SILENCE_S:
                self.lost(process.id)
            elif any(at <= self.now_s for at in process.to_stop.values()):
                self.changes += 1
        self._redispatch()
        self._expire()
        self._wake()
        for worker in self._workers.values():
            if worker.state == "initializing" and self.now_s >= worker.since_s + self._cold_start_s:
                worker.state, worker.since_s = "idle", self.now_s
        self._assign()
        for worker in self._workers.values():
            if worker.state == "idle" and self.now_s >= worker.since_s + self._idle_s:
                self._uptimes.append(Span(worker.on_s, worker.since_s + self._idle_s))
                worker.state, worker.since_s = "off", self.now_s

    def next_s(self) -> float | None:
        """When something happens by itself; None if nothing will."""
        moments = [at for at, _ in self._later]
        moments += [process.heard_s + SILENCE_S + 0.001 for process in self._processes.values()]
        moments += [at for process in self._processes.values() for at in process.to_stop.values() if at > self.now_s]
        moments += [
            job.taken_s + job.execution_timeout_s
            for process in self._processes.values()
            for job_id in process.jobs
            if (job := self.jobs.get(job_id)) and job.taken_s is not None
        ]
        for worker in self._workers.values():
            if worker.state == "initializing":
                moments.append(worker.since_s + self._cold_start_s)
            elif worker.state == "idle":
                moments.append(worker.since_s + self._idle_s)
            elif worker.job and (job := self.jobs.get(worker.job)) and job.taken_s is not None:
                moments.append(job.taken_s + job.execution_timeout_s)
        return min(moments, default=None)

    def _wake(self) -> None:
        """Start as many workers as jobs wait that nobody will take; for low-priority ones alone, the first."""
        coming = sum(worker.state in ("idle", "initializing") for worker in self._workers.values())
        awake = any(worker.state != "off" for worker in self._workers.values())
        waiting = self._urgent
        if not waiting and self._waiting and not awake:
            waiting = 1
        for worker in self._workers.values():
            if waiting <= coming:
                return
            if worker.state == "off":
                worker.state, worker.since_s, worker.on_s = "initializing", self.now_s, self.now_s
                coming += 1

    def _assign(self) -> None:
        for worker in self._workers.values():
            if not self._waiting:
                return
            if worker.state != "idle":
                continue
            job = self._take_next()
            worker.state, worker.since_s, worker.job = "running", self.now_s, job.id
            job.status, job.taken_s, job.worker = Status.IN_PROGRESS, self.now_s, worker.id
            job.delay_s = self.now_s - job.queued_s
            self._look_again(self.now_s + job.execution_timeout_s, job)
            if job.input:
                self.started.append(job)
            else:
                self.died(job.id, worker.id)  # a worker takes an empty input for a missing one and gives up

    def _expire(self) -> None:
        while self._deadlines and self._deadlines[0][0] < self.now_s:
            job = self.jobs.get(heapq.heappop(self._deadlines)[1])
            if job is None:
                continue
            if job.ended_s is not None:
                if self.now_s > job.ended_s + (SYNC_RETENTION_S if job.is_sync else RETENTION_S):
                    del self.jobs[job.id]
            elif self.now_s > job.submitted_s + job.ttl_s:
                self._unqueue(job)
                del self.jobs[job.id]
            elif job.taken_s is not None and self.now_s > job.taken_s + job.execution_timeout_s:
                self._stop(job)
                self._end(job, Status.FAILED, error="executionTimeout exceeded")

    def _look_again(self, at_s: float, job: SimJob) -> None:
        heapq.heappush(self._deadlines, (at_s, job.id))

    # who waits

    def _enqueue(self, job: SimJob, *, first: bool = False) -> None:
        self._urgent += not job.low_priority
        self.changes += 1
        if first:
            self._waiting.appendleft(job.id)
        else:
            self._waiting.append(job.id)

    def _take_next(self) -> SimJob:
        job = self.jobs[self._waiting.popleft()]
        self._urgent -= not job.low_priority
        return job

    def _unqueue(self, job: SimJob) -> None:
        if job.status is Status.IN_QUEUE and job.id in self._waiting:
            self._waiting.remove(job.id)
            self._urgent -= not job.low_priority

    def _redispatch(self) -> None:
        due = [job for at, job in self._later if at <= self.now_s]
        self._later = [(at, job) for at, job in self._later if at > self.now_s]
        for job_id in due:
            job = self.jobs.get(job_id)
            if job and not job.status.is_final:
                self._enqueue(job, first=True)

    # the client's side

    def submit(
        self,
        input: dict[str, Any],
        policy: dict[str, Any] | None = None,
        *,
        is_sync: bool = False,
        webhook: str | None = None,
        s3_config: dict[str, Any] | None = None,
    ) -> SimJob:
        """Take a job in.  `policy` in RunPod's spelling, milliseconds, already checked."""
        policy = policy or {}
        job = SimJob(
            id=("sync-" if is_sync else "") + self._new_id(),
            input=input,
            submitted_s=self.now_s,
            queued_s=self.now_s,
            execution_timeout_s=policy.get("executionTimeout", DEFAULT_EXECUTION_S * 1000) / 1000,
            ttl_s=policy.get("ttl", DEFAULT_TTL_S * 1000) / 1000,
            low_priority=bool(policy.get("lowPriority", False)),
            is_sync=is_sync,
            webhook=webhook,
            s3_config=s3_config,
        )
        self.jobs[job.id] = job
        self._enqueue(job)
        self._look_again(job.submitted_s + job.ttl_s, job)
        return job

    def status(self, job_id: str) -> SimJob | None:
        """The job, unless it is unknown or forgotten by now."""
        return self.jobs.get(job_id)

    def cancel(self, job_id: str) -> SimJob | None:
        """Cancel a queued or running job; the worker of a running one works on for nothing."""
        job = self.jobs.get(job_id)
        if job and not job.status.is_final:
            self._unqueue(job)
            self._stop(job)
            self._end(job, Status.CANCELLED)
        return job

    def retry(self, job_id: str) -> SimJob | None:
        """Queue a FAILED or TIMED_OUT job again under its id; any other is left as it is."""
        job = self.jobs.get(job_id)
        if job and job.status in (Status.FAILED, Status.TIMED_OUT):
            job.status, job.queued_s, job.ended_s, job.taken_s = Status.IN_QUEUE, self.now_s, None, None
            job.output = job.error = job.delay_s = job.execution_s = job.worker = None
            job.retries += 1
            self._counts["retried"] += 1
            self._enqueue(job)
        return job

    def purge(self) -> int:
        """Drop all queued jobs; how many there were."""
        removed = len(self._waiting)
        while self._waiting:
            del self.jobs[self._take_next().id]
        return removed

    def set_ttl(self, job: SimJob, ttl_s: float) -> None:
        """Let a job live `ttl_s` from now."""
        job.ttl_s = self.now_s - job.submitted_s + ttl_s
        self._look_again(self.now_s + ttl_s, job)

    @property
    def running(self) -> int:
        """Workers that are started, at work or not."""
        return sum(worker.state in ("idle", "running") for worker in self._workers.values())

    def health(self) -> dict[str, dict[str, int]]:
        """As `/health` answers it."""
        states = [worker.state for worker in self._workers.values()]
        states += ["running" if process.jobs else "idle" for process in self._processes.values()]
        idle = states.count("idle")
        return {
            "jobs": {
                "completed": self._counts["completed"],
                "failed": self._counts["failed"],
                "inProgress": sum(job.status is Status.IN_PROGRESS for job in self.jobs.values()),
                "inQueue": len(self._waiting),
                "retried": self._counts["retried"],
            },
            "workers": {
                "idle": idle,
                "initializing": states.count("initializing"),
                "ready": idle + states.count("off"),
                "running": states.count("running"),
                "throttled": 0,
                "unhealthy": 0,
            },
        }

    def uptimes(self) -> list[Span]:
        """From when to when workers were on; of those that still are, until now."""
        on = [worker.on_s for worker in self._workers.values() if worker.state != "off"]
        on += [process.on_s for process in self._processes.values()]
        return [*self._uptimes, *(Span(since, self.now_s) for since in on)]

    # the worker's side

    @property
    def waiting(self) -> int:
        """Jobs that nobody has taken."""
        return len(self._waiting)

    def heard(self, worker_id: str) -> WorkerProcess:
        """A worker process shows that it is alive; the first time it joins the endpoint."""
        process = self._processes.setdefault(worker_id, WorkerProcess(worker_id, self.now_s, self.now_s))
        process.heard_s = self.now_s
        return process

    def take(self, worker_id: str, most: int = 1, *, busy: bool = False) -> list[SimJob]:
        """Jobs for a worker process that asks for them.

        Args:
            busy: Whether it says that it works on others still.  One that does not has let go of what
                it had: a job it never reported on stays IN_PROGRESS until its execution timeout.
        """
        process = self.heard(worker_id)
        if not busy:
            process.jobs.clear()
            process.to_stop.clear()
        taken: list[SimJob] = []
        while self._waiting and len(taken) < most:
            job = self._take_next()
            job.status, job.taken_s, job.worker = Status.IN_PROGRESS, self.now_s, worker_id
            job.delay_s = self.now_s - job.queued_s
            self._look_again(self.now_s + job.execution_timeout_s, job)
            if not job.input:
                self.died(job.id, worker_id)
                continue
            process.jobs.add(job.id)
            taken.append(job)
        return taken

    def progress(self, job_id: str, worker_id: str, output: bytes) -> None:
        """A handler says how far it is; after the end that changes nothing."""
        job = self.jobs.get(job_id)
        if job and job.status is Status.IN_PROGRESS and job.worker == worker_id:
            job.output = output

    def chunk(self, job_id: str, worker_id: str, output: bytes) -> None:
        """A generator handler yields a part."""
        job = self.jobs.get(job_id)
        if job and job.status is Status.IN_PROGRESS and job.worker == worker_id:
            job.stream.append(output)
            self.changes += 1

    def lost(self, worker_id: str) -> bool:
        """A worker process is gone, and with it whatever it had: those jobs go to another, once.

        Returns:
            Whether it had ever been heard of.
        """
        process = self._processes.pop(worker_id, None)
        if process:
            self._uptimes.append(Span(process.on_s, self.now_s))
        for job_id in process.jobs if process else ():
            self.died(job_id, worker_id)
        return process is not None

    def jobs_to_stop(self, worker_id: str) -> list[str]:
        """What a worker process is to let go of; told every two seconds until it has."""
        process = self.heard(worker_id)
        told = [job_id for job_id, at in process.to_stop.items() if at <= self.now_s]
        process.to_stop |= dict.fromkeys(told, self.now_s + STOP_AGAIN_S)
        return told

    def _stop(self, job: SimJob) -> None:
        process = self._processes.get(job.worker or "")
        if process and job.id in process.jobs:
            process.to_stop[job.id] = self.now_s
            self.changes += 1

    def done(self, job_id: str, worker_id: str, output: bytes | None, error: str | None = None) -> None:
        """A worker ended a job: with output (JSON), an error, or both.  What was ended meanwhile stays ended."""
        self._free(worker_id, job_id)
        job = self.jobs.get(job_id)
        if job is None or job.status is not Status.IN_PROGRESS or job.worker != worker_id:
            return
        job.execution_s = self.now_s - (job.taken_s or self.now_s)
        job.output = output
        self._end(job, Status.FAILED if error is not None else Status.COMPLETED, error=error)

    def died(self, job_id: str, worker_id: str) -> None:
        """The worker of a job died: once the job goes to another, then it FAILED."""
        self._free(worker_id, job_id, state="off")
        job = self.jobs.get(job_id)
        if job is None or job.status is not Status.IN_PROGRESS or job.worker != worker_id:
            return
        job.execution_s = self.now_s - (job.taken_s or self.now_s)
        if job.retries:
            self._end(job, Status.FAILED, error=DIED_TWICE)
            return
        job.retries, job.status, job.taken_s, job.output = 1, Status.IN_QUEUE, None, None
        job.queued_s = self.now_s
        self._counts["retried"] += 1
        self._later.append((self.now_s + self._redispatch_s, job_id))

    def hang(self, worker_id: str) -> None:
        """A worker reports nothing and takes the next job: its last one stays IN_PROGRESS until its bound."""
        self._free(worker_id, "")

    def _free(self, worker_id: str, job_id: str, state: str = "idle") -> None:
        if process := self._processes.get(worker_id):
            process.jobs.discard(job_id)
            process.to_stop.pop(job_id, None)
        worker = self._workers.get(worker_id)
        if worker is None:
            return
        if state == "off" and worker.state != "off":
            self._uptimes.append(Span(worker.on_s, self.now_s))
        worker.state, worker.since_s, worker.job = state, self.now_s, None

    def _end(self, job: SimJob, status: Status, error: str | None = None) -> None:
        job.status, job.ended_s, job.error = status, self.now_s, error
        self.changes += 1
        self._look_again(self.now_s + (SYNC_RETENTION_S if job.is_sync else RETENTION_S), job)
        if status is Status.COMPLETED:
            self._counts["completed"] += 1
        elif status is Status.FAILED:
            self._counts["failed"] += 1
        self.ended.append(job)
