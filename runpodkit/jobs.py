"""A job as RunPod tells it, read once: statuses, times in seconds, image references.

Milliseconds and unreadable answers end here.  Nothing in this module knows who asked,
over which transport, or what a picture looks like.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Literal

from runpodkit.errors import JobCancelledError, JobFailedError, JobTimedOutError, ProtocolError
from runpodkit.reprs import cut, facts_html, plain

JOB_ID = re.compile(r"[A-Za-z0-9._~-]{1,128}")
"""What a job id must match in full before it enters a URL or a Redis key."""


MAX_ERROR = 1_000_000
"""Characters of an error that are looked into."""
_TWICE = re.compile(r"job timed out after \d+ retries", re.IGNORECASE)
_DIED = (
    "its worker probably crashed, ran out of memory or refused the input each time; "
    "the worker's log on the RunPod console says which"
)


class JobStatus(StrEnum):
    """Where a job stands, in RunPod's spelling.  A word not listed is `UNKNOWN`, which ends nothing."""

    IN_QUEUE = "IN_QUEUE"
    IN_PROGRESS = "IN_PROGRESS"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    TIMED_OUT = "TIMED_OUT"
    UNKNOWN = "UNKNOWN"

    @classmethod
    def _missing_(cls, value: object) -> JobStatus:
        return cls.UNKNOWN

    @property
    def is_final(self) -> bool:
        return self in (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED, JobStatus.TIMED_OUT)


@dataclass(frozen=True, slots=True)
class Job:
    """One request to an endpoint, from submission to its end.  Times in seconds."""

    id: str
    status: JobStatus
    output: Any = field(default=None, repr=False)
    error: str | None = None
    """In one line: type and message, where the worker sent more."""
    traceback: str | None = field(default=None, repr=False)
    """Of the handler, where the worker sent it."""
    queue_delay_s: float | None = None
    execution_time_s: float | None = None
    worker_id: str | None = None
    retries: int = 0
    wire_status: str = ""

    def __repr__(self) -> str:
        return f"Job {self.status}{f': {cut(self.error, 200)}' if self.error else ''}"

    def _repr_html_(self) -> str:
        facts = {"status": str(self.status), **({"error": cut(self.error, 1000)} if self.error else {})}
        if isinstance(self.output, Mapping):
            facts["output"] = cut(", ".join(map(str, self.output)), 200)
        return facts_html("Job", facts)

    @classmethod
    def from_wire(cls, answer: bytes | str | Mapping[str, Any]) -> Job:
        """Read a job object as an endpoint answers it.

        Raises:
            ProtocolError: not JSON, not an object, or without a usable id and status.
        """
        data = read_object(answer)
        job_id, status = data.get("id"), data.get("status")
        if not isinstance(job_id, str) or not JOB_ID.fullmatch(job_id):
            raise ProtocolError(f"answer has no usable job id: {_excerpt(answer)}")
        if not isinstance(status, str):
            raise ProtocolError(f"job {job_id}: answer has no status: {_excerpt(answer)}")
        worker_id, retries, error = data.get("workerId"), data.get("retries"), data.get("error")
        return cls(
            id=job_id,
            status=JobStatus(status),
            output=data.get("output"),
            error=_error_text(error) if error else None,
            traceback=_traceback(error),
            queue_delay_s=_seconds(data.get("delayTime")),
            execution_time_s=_seconds(data.get("executionTime")),
            worker_id=_clean(worker_id, 200) if isinstance(worker_id, str) else None,
            retries=_count(retries),
            wire_status=_clean(status, 40),
        )

    @property
    def reason(self) -> str:
        """Why the job ended without output, in one line."""
        if text := " ".join((self.error or "").split()):
            return f"{text}: {_DIED}" if _TWICE.fullmatch(text) else text
        if self.status is JobStatus.COMPLETED:
            return (
                "COMPLETED without output: the result was probably larger than the endpoint may send back "
                "(10 MB): fewer or smaller pictures per job, JPEG or WebP, or a bucket for the worker; "
                "a strict worker that refuses its input may look the same"
            )
        return "no reason given; the worker's log on the RunPod console may say more"

    def raise_for_status(self) -> Job:
        """This job if it COMPLETED, else the matching `JobError`."""
        match self.status:
            case JobStatus.FAILED:
                raise JobFailedError(self.id, self.wire_status, self.reason)
            case JobStatus.CANCELLED:
                raise JobCancelledError(self.id, self.wire_status, self.reason)
            case JobStatus.TIMED_OUT:
                raise JobTimedOutError(self.id, self.wire_status, self.reason)
            case _:
                return self


@dataclass(frozen=True, slots=True)
class Health:
    """An endpoint's queue and workers as `/health` counts them; a count that is absent is 0."""

    in_queue: int = 0
    in_progress: int = 0
    idle: int = 0
    initializing: int = 0
    ready: int = 0
    running: int = 0
    throttled: int = 0
    unhealthy: int = 0

    @classmethod
    def from_wire(cls, answer: bytes | str | Mapping[str, Any]) -> Health:
        """Raises ProtocolError where the answer is not an object."""
        data = read_object(answer)
        jobs, workers = _mapping(data.get("jobs")), _mapping(data.get("workers"))
        names = ("idle", "initializing", "ready", "running", "throttled", "unhealthy")
        return cls(
            in_queue=_count(jobs.get("inQueue")),
            in_progress=_count(jobs.get("inProgress")),
            **{name: _count(workers.get(name)) for name in names},
        )

    @property
    def workers(self) -> int:
        """Workers that work or could: `ready` and `idle` overlap, so the larger view counts."""
        return max(self.ready, self.idle + self.running + self.initializing)

    @property
    def trouble(self) -> str | None:
        """Why a queued job may never start, or None."""
        if self.running or self.idle or self.ready:
            return None
        if self.unhealthy:
            return f"{self.unhealthy} workers are unhealthy: look at their logs on the RunPod console"
        if self.throttled:
            return f"{self.throttled} workers are throttled: no GPU of the chosen type is free"
        if not self.initializing:
            return "the endpoint has no workers: raise its max workers on the RunPod console"
        return None


@dataclass(frozen=True, slots=True)
class ImageRef:
    """Where a picture can be had, as a dialect read it out of an output; not yet looked at."""

    kind: Literal["url", "base64"]
    value: str = field(repr=False)
    seed: int | None = None
    """The seed the worker says it used, where it says so."""


def read_stream(answer: bytes | str, job_id: str) -> tuple[JobStatus | None, list[Any]]:
    """How a job stands and the parts that had gathered, out of a `/stream` answer.

    Returns:
        The status, None where the answer is a bare list; the outputs in order.

    Raises:
        ProtocolError: neither an object nor a list.
    """
    try:
        given = json.loads(answer)
    except (ValueError, RecursionError) as exc:
        raise ProtocolError(f"job {job_id}: stream is not JSON: {_excerpt(answer)}") from exc
    parts = given.get("stream", []) if isinstance(given, Mapping) else given
    if not isinstance(parts, list):
        raise ProtocolError(f"job {job_id}: stream holds no list: {_excerpt(answer)}")
    status = given.get("status") if isinstance(given, Mapping) else None
    outputs = [part.get("output") if isinstance(part, Mapping) else part for part in parts]
    return JobStatus(status) if isinstance(status, str) else None, outputs


def read_object(answer: bytes | str | Mapping[str, Any]) -> Mapping[str, Any]:
    """An answer as an object.  Raises ProtocolError for anything else."""
    if isinstance(answer, bytes | str):
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError) as exc:
            raise ProtocolError(f"answer is not JSON: {_excerpt(answer)}") from exc
    if not isinstance(answer, Mapping):
        raise ProtocolError(f"answer is not a JSON object: {_excerpt(answer)}")
    return answer


def _error_text(error: object) -> str:
    """RunPod's workers put JSON into a string; the message in it is what a person wants."""
    inner = _inner(error)
    if isinstance(inner.get("error_message"), str):
        kind = str(inner.get("error_type", "")).removeprefix("<class '").removesuffix("'>")
        return _clean(f"{kind}: {inner['error_message']}".removeprefix(": "), 2000)
    if isinstance(error, str):
        return _clean(error, 2000)
    try:
        return _clean(json.dumps(error, ensure_ascii=False, default=str), 2000)
    except (ValueError, RecursionError):
        return "an error that cannot be shown"


def _inner(error: object) -> Mapping[str, Any]:
    """What a handler raised, as RunPod's worker writes it down."""
    if not isinstance(error, str) or len(error) > MAX_ERROR:
        return _mapping(error)
    try:
        return _mapping(json.loads(error))
    except (ValueError, RecursionError):
        return {}


def _traceback(error: object) -> str | None:
    text = _inner(error).get("error_traceback") if error else None
    return _clean(text, 20_000) if isinstance(text, str) else None


def _clean(text: str, length: int) -> str:
    """At most `length` characters that UTF-8 can write and no terminal obeys: JSON may carry half of a surrogate pair."""
    return plain(text[:length].encode("utf-8", "replace").decode())


def _seconds(milliseconds: object) -> float | None:
    if isinstance(milliseconds, bool) or not isinstance(milliseconds, int | float):
        return None
    return milliseconds / 1000 if 0 <= milliseconds < 1e12 else None


def _count(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _excerpt(answer: object) -> str:
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    text = " ".join(text[:400].split())
    shown = repr(text[:200])
    return shown if len(shown) <= 210 else f"{shown[:200]}…"
