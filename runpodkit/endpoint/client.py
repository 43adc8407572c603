"""An endpoint, and what it can be asked: every operation of the service, and waiting.

Async; `runpodkit.blocking` is the door for callers that cannot await.  Submits and
follows jobs, and never decides whether one should be paid for again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import SecretStr

from runpodkit.endpoint.batch_api import Batches
from runpodkit.endpoint.follow import Follower, Pace
from runpodkit.endpoint.limits import LocalLimiter
from runpodkit.endpoint.transport import TIMEOUT_S, Limiter, Transport
from runpodkit.errors import NotFoundError, ProtocolError, RunpodkitError, WaitTimeoutError
from runpodkit.jobs import JOB_ID, Health, Job, JobStatus, read_object, read_stream
from runpodkit.logs import hide, runpod_log
from runpodkit.reprs import facts_html
from runpodkit.settings import normal_url

QUEUE_PATIENCE_S, HEALTH_S = 10.0, 30.0
"""A job that is queued so long is asked after at `/health`, and then this often."""
STREAM_PAUSE_S = 0.25
"""Between two looks at a stream of a service that does not hold the line."""
MAX_RUN_BYTES, MAX_RUNSYNC_BYTES = 10 * 2**20, 20 * 2**20
"""Published: 10 MB for `/run`, 20 MB for `/runsync`; larger requests are refused with 400."""


@dataclass(frozen=True, slots=True)
class Policy:
    """RunPod's bounds on one job, in seconds.

    Source: RunPod docs, "Send requests", execution policies.
    """

    execution_timeout_s: float | None = None
    """From the moment a worker takes the job; 5 s to 7 days, RunPod's default 600."""
    ttl_s: float | None = None
    """The job's whole life from submission; 10 s to 7 days, RunPod's default 24 h."""
    low_priority: bool = False
    """A low-priority job does not make the endpoint scale up."""

    def __post_init__(self) -> None:
        for name, value, least in (
            ("execution_timeout_s", self.execution_timeout_s, 5),
            ("ttl_s", self.ttl_s, 10),
        ):
            if value is not None and not least <= value <= 7 * 86_400:
                raise ValueError(f"{name}={value:g}: RunPod takes {least} s to 7 days (604800 s)")

    def to_wire(self) -> dict[str, Any]:
        """In RunPod's spelling, milliseconds; what was not set is left out."""
        wire: dict[str, Any] = {}
        if self.execution_timeout_s is not None:
            wire["executionTimeout"] = round(self.execution_timeout_s * 1000)
        if self.ttl_s is not None:
            wire["ttl"] = round(self.ttl_s * 1000)
        if self.low_priority:
            wire["lowPriority"] = True
        return wire


class Endpoint:
    """One RunPod serverless endpoint.

    async with Endpoint("https://api.runpod.ai/v2/abc123", key) as endpoint:
        job = await endpoint.wait(await endpoint.submit({"prompt": "a pier"}))

    Requests are paced under RunPod's limits; a submission is never repeated once it may have been accepted.
    """

    def __init__(
        self,
        url: str,
        api_key: SecretStr | str,
        *,
        limiter: Limiter | None = None,
        http: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Opens no connection.

        Args:
            url: As the console shows it, or the bare endpoint id.
            limiter: Paces requests; default: one for this process, under the published limits.
            http: Another httpx transport instead of the network.
            timeout_s: How long the endpoint may be silent before a request is given up.

        Raises:
            ConfigError: `url` is not an endpoint.
        """
        self.url = normal_url(url)
        key = api_key if isinstance(api_key, SecretStr) else SecretStr(api_key)
        hide(key.get_secret_value())  # an answer may echo it
        self._clock, self._sleep = clock, sleep
        self._limiter = limiter or LocalLimiter(clock=clock, sleep=sleep)
        self._transport = Transport(
            self.url,
            key,
            limiter=self._limiter,
            http=http,
            clock=clock,
            sleep=sleep,
            timeout_s=timeout_s,
        )

    @property
    def endpoint_id(self) -> str:
        """The last part of its URL."""
        return self.url.rpartition("/")[2]

    @property
    def batches(self) -> Batches:
        """The batch API (beta)."""
        return Batches(self._transport.call)

    async def submit(
        self, input: Mapping[str, Any], *, policy: Policy | None = None, webhook: str | None = None
    ) -> Job:
        """Hand in a job; it waits in the queue.  Not repeated once it may have been accepted: that is paid for.

        Args:
            webhook: Called by RunPod when the job has ended, perhaps more than once, unsigned: put a secret
                of yours into its path or query, and keep a slow look at `status` as reserve.

        Raises:
            ValueError: the input is empty (its worker would die of it), not JSON, or over 10 MB.
            ApiError, TransportError, ProtocolError: see `Transport.call`.
        """
        content = _body(input, policy, webhook, MAX_RUN_BYTES, "run")
        answer = await self._asked("POST", "run", operation="run", content=content)
        return Job.from_wire(answer)

    async def runsync(
        self,
        input: Mapping[str, Any],
        *,
        wait_s: float = 90.0,
        policy: Policy | None = None,
        webhook: str | None = None,
    ) -> Job:
        """Hand in a job and wait for it on the same connection; after `wait_s` it is followed by its id.

        Args:
            wait_s: 1 to 300 s.

        Raises:
            ValueError: as `submit`, with 20 MB as the bound.
        """
        if not 1 <= wait_s <= 300:
            raise ValueError(f"wait_s={wait_s:g}: RunPod takes 1 to 300 s")
        content = _body(input, policy, webhook, MAX_RUNSYNC_BYTES, "runsync")
        answer = await self._asked(
            "POST",
            "runsync",
            operation="runsync",
            content=content,
            params={"wait": str(round(wait_s * 1000))},
            read_timeout_s=wait_s + 30,
        )
        job = Job.from_wire(answer)
        return job if job.status.is_final else await self.wait(job)

    async def status(self, job: Job | str) -> Job:
        """How a job stands.  Raises NotFoundError for one that is unknown or past its retention."""
        job_id = _id(job)
        answer = await self._of_job("GET", f"status/{job_id}", job_id, operation="status")
        job = _job(answer, job_id)
        if job.traceback:
            runpod_log.debug("job {} failed in its handler:\n{}", job.id, job.traceback)
        return job

    async def stream(self, job: Job | str, *, wait_s: float = 10.0) -> AsyncIterator[Any]:
        """What a generator handler yields, as it comes; ends when the job has ended, whatever way.

        The service hands out each part once: a part whose answer is lost on the way is gone, so the
        whole output is in `status` where the handler gathers it.

        Args:
            wait_s: 1 to 300 s: how long the service may hold the line for the next part.

        Raises:
            NotFoundError: the job is unknown or past its retention.
            JobError: it ended otherwise than COMPLETED; told after its last part.
        """
        if not 1 <= wait_s <= 300:
            raise ValueError(f"wait_s={wait_s:g}: RunPod takes 1 to 300 s")
        job_id = _id(job)
        while True:
            asked_at = self._clock()
            answer = await self._of_job(
                "GET",
                f"stream/{job_id}",
                job_id,
                operation="stream",
                params={"wait": str(round(wait_s * 1000))},
                read_timeout_s=wait_s + 30,
            )
            status, parts = read_stream(answer, job_id)
            for part in parts:
                yield part
            if status is None and not parts:  # a bare list does not say how the job stands
                status = (await self.status(job_id)).status
            if status is not None and status.is_final:
                if status is not JobStatus.COMPLETED:
                    (await self.status(job_id)).raise_for_status()
                return
            if not parts:
                await self._sleep(max(0.0, STREAM_PAUSE_S - (self._clock() - asked_at)))

    async def retry(self, job: Job | str) -> Job:
        """Queue a FAILED or TIMED_OUT job again, under its id and with its input; it is paid for again.

        Raises:
            ApiError: it stands otherwise, or its result has expired.
        """
        job_id = _id(job)
        return _job(await self._of_job("POST", f"retry/{job_id}", job_id, operation="retry"), job_id)

    async def purge_queue(self) -> int:
        """Drop every queued job of the endpoint, whoever handed it in; how many there were."""
        answer = read_object(await self._asked("POST", "purge-queue", operation="purge-queue"))
        removed = answer.get("removed")
        if not isinstance(removed, int) or isinstance(removed, bool) or removed < 0:
            raise ProtocolError(f"purge-queue of endpoint {self.endpoint_id}: the answer holds no count")
        return removed

    async def cancel(self, job: Job | str) -> Job:
        """Cancel a queued or running job; a running worker may still finish it, and bill it."""
        job_id = _id(job)
        answer = await self._of_job("POST", f"cancel/{job_id}", job_id, operation="cancel", repeatable=True)
        return _job(answer, job_id)

    async def health(self) -> Health:
        """Queue and workers of the endpoint."""
        health = Health.from_wire(await self._asked("GET", "health", operation="health"))
        self._limiter.saw(health.idle + health.running)
        return health

    async def wait(
        self, job: Job, *, timeout_s: float = 600.0, poll_s: float | None = None, pace: Pace | None = None
    ) -> Job:
        """Follow a job to its end; giving up after `timeout_s` does not cancel it.

        Args:
            poll_s: Seconds between looks; default: chosen by `pace`.
            pace: The usual times of this endpoint, to look when it is likely done.

        Raises:
            WaitTimeoutError: it had not ended; it runs on.  Says why, where it never left the queue.
            JobError: it ended without output.
        """
        pace, started, looks = pace or Pace(), self._clock(), 0
        why, ask_at = None, QUEUE_PATIENCE_S
        while not job.status.is_final:
            age = self._clock() - started
            if job.status is not JobStatus.IN_QUEUE:
                why = None
            elif age >= min(ask_at, timeout_s):
                why, ask_at = await self._why_queued(job.id, why), age + HEALTH_S
            if age >= timeout_s:
                raise WaitTimeoutError(job.id, timeout_s, why)
            rest = pace.next_look_s(age, looks, 1) if poll_s is None else poll_s
            await self._sleep(min(rest, timeout_s - age))
            job = await self.status(job)
            looks += 1
        return job.raise_for_status()

    async def follow(self, jobs: Iterable[Job | str], *, pace: Pace | None = None) -> AsyncIterator[Job]:
        """Follow many jobs at once; gives each as it ends, however it ends.

        One scheduler looks at all of them, each when it is likely done, and never more often in all
        than the service allows.  Stopping the iteration leaves the jobs running.

        Args:
            pace: The usual times of this endpoint; it goes on learning.

        Raises:
            NotFoundError: a job is unknown or past its retention.
        """
        follower = Follower(self.status, pace=pace or Pace(), clock=self._clock, sleep=self._sleep)
        async for job in follower.follow(_id(job) for job in jobs):
            yield job

    async def _why_queued(self, job_id: str, before: str | None) -> str | None:
        """What keeps a job in the queue, as far as `/health` tells; logged when it changes."""
        try:
            why = (await self.health()).trouble
        except RunpodkitError as exc:  # the wait itself will meet what is worse
            runpod_log.debug("job {} is queued, and the endpoint's health cannot be read: {}", job_id, exc)
            return before
        if why and why != before:
            runpod_log.warning("job {} waits in the queue: {}", job_id, why)
        return why

    async def aclose(self) -> None:
        """Close the connections that belong to the running loop."""
        await self._transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"Endpoint {self.endpoint_id}"

    def _repr_html_(self) -> str:
        return facts_html(f"Endpoint {self.endpoint_id}", {})

    async def _of_job(self, method: str, path: str, job_id: str, **kwargs: Any) -> bytes:
        """An operation on a job: a 404 then means that the job is unknown."""
        try:
            return await self._transport.call(method, path, **kwargs)
        except NotFoundError as exc:
            raise NotFoundError(
                exc.status_code, f"job {job_id} is unknown to endpoint {self.endpoint_id}: results last 30 minutes"
            ) from exc

    async def _asked(self, method: str, path: str, **kwargs: Any) -> bytes:
        """An operation of the endpoint itself: a 404 then means that the endpoint is unknown."""
        try:
            return await self._transport.call(method, path, **kwargs)
        except NotFoundError as exc:
            raise NotFoundError(
                exc.status_code, f"endpoint {self.endpoint_id} is unknown at {self.url}: check RUNPOD_URL"
            ) from exc


def _body(input: Mapping[str, Any], policy: Policy | None, webhook: str | None, most: int, operation: str) -> bytes:
    if not input:
        raise ValueError(
            "input is empty: a worker refuses such a job, and it is paid for twice; give it something to do"
        )
    wire: dict[str, Any] = {"input": dict(input)}
    if policy and (bounds := policy.to_wire()):
        wire["policy"] = bounds
    if webhook is not None:
        if not webhook.startswith(("https://", "http://")):
            raise ValueError("webhook is not an http(s) address that RunPod could call")
        wire["webhook"] = webhook
    try:
        content = json.dumps(wire, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()
    except (TypeError, ValueError) as exc:
        raise ValueError(f"input is not what JSON can hold: {exc}") from exc
    if len(content) > most:
        raise ValueError(
            f"the request is {len(content) / 2**20:.1f} MB, /{operation} takes {most // 2**20} MB: "
            "send large pictures by URL"
        )
    return content


def _job(answer: bytes, job_id: str) -> Job:
    """The answer to a question about one job."""
    try:
        return Job.from_wire(answer)
    except ProtocolError as exc:
        text = str(exc)
        raise ProtocolError(text if text.startswith(f"job {job_id}") else f"job {job_id}: {text}") from exc


def _id(job: Job | str) -> str:
    job_id = job.id if isinstance(job, Job) else job
    if not JOB_ID.fullmatch(job_id):
        raise ProtocolError(f"{job_id[:40]!r} is no job id")
    return job_id
