"""An endpoint, and what it can be asked: submit, runsync, status, cancel, health, wait.

Async; `runpodkit.blocking` is the door for callers that cannot await.  Submits and
follows jobs, and never decides whether one should be paid for again.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import httpx
from pydantic import SecretStr

from runpodkit.endpoint.follow import Pace
from runpodkit.endpoint.transport import TIMEOUT_S, Limiter, Transport
from runpodkit.errors import NotFoundError, ProtocolError, WaitTimeoutError
from runpodkit.jobs import JOB_ID, Health, Job
from runpodkit.logs import hide
from runpodkit.settings import normal_url

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
            limiter: Paces requests; default: nothing does.
            http: Another httpx transport instead of the network.
            timeout_s: How long the endpoint may be silent before a request is given up.

        Raises:
            ConfigError: `url` is not an endpoint.
        """
        self.url = normal_url(url)
        key = api_key if isinstance(api_key, SecretStr) else SecretStr(api_key)
        hide(key.get_secret_value())  # an answer may echo it
        self._clock, self._sleep = clock, sleep
        self._transport = Transport(
            self.url, key, limiter=limiter, http=http, clock=clock, sleep=sleep, timeout_s=timeout_s
        )

    @property
    def endpoint_id(self) -> str:
        return self.url.rpartition("/")[2]

    async def submit(self, input: Mapping[str, Any], *, policy: Policy | None = None) -> Job:
        """Hand in a job; it waits in the queue.  Never repeated: every accepted call is paid for.

        Raises:
            ValueError: the input is empty (its worker would die of it), not JSON, or over 10 MB.
            ApiError, TransportError, ProtocolError: see `Transport.call`.
        """
        content = _body(input, policy, MAX_RUN_BYTES, "run")
        answer = await self._asked("POST", "run", operation="run", content=content)
        return Job.from_wire(answer)

    async def runsync(self, input: Mapping[str, Any], *, wait_s: float = 90.0, policy: Policy | None = None) -> Job:
        """Hand in a job and wait for it on the same connection; after `wait_s` it is followed by its id.

        Args:
            wait_s: 1 to 300 s.

        Raises:
            ValueError: as `submit`, with 20 MB as the bound.
        """
        if not 1 <= wait_s <= 300:
            raise ValueError(f"wait_s={wait_s:g}: RunPod takes 1 to 300 s")
        content = _body(input, policy, MAX_RUNSYNC_BYTES, "runsync")
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
        try:
            answer = await self._transport.call("GET", f"status/{job_id}", operation="status")
        except NotFoundError as exc:
            raise NotFoundError(
                exc.status_code, f"job {job_id} is unknown to endpoint {self.endpoint_id}: results last 30 minutes"
            ) from exc
        return Job.from_wire(answer)

    async def cancel(self, job: Job | str) -> Job:
        """Cancel a queued or running job; a running worker may still finish it, and bill it."""
        return Job.from_wire(await self._transport.call("POST", f"cancel/{_id(job)}", operation="cancel"))

    async def health(self) -> Health:
        """Queue and workers of the endpoint."""
        return Health.from_wire(await self._asked("GET", "health", operation="health"))

    async def wait(
        self, job: Job, *, timeout_s: float = 600.0, poll_s: float | None = None, pace: Pace | None = None
    ) -> Job:
        """Follow a job to its end; giving up after `timeout_s` does not cancel it.

        Args:
            poll_s: Seconds between looks; default: chosen by `pace`.
            pace: The usual times of this endpoint, to look when it is likely done.

        Raises:
            WaitTimeoutError: it had not ended; it runs on.
            JobError: it ended without output.
        """
        pace, started, looks = pace or Pace(), self._clock(), 0
        while not job.status.is_final:
            age = self._clock() - started
            if age >= timeout_s:
                raise WaitTimeoutError(job.id, timeout_s)
            rest = pace.next_look_s(age, looks, 1) if poll_s is None else poll_s
            await self._sleep(min(rest, timeout_s - age))
            job = await self.status(job)
            looks += 1
        return job.raise_for_status()

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

    async def _asked(self, method: str, path: str, **kwargs: Any) -> bytes:
        """An operation of the endpoint itself: a 404 then means that the endpoint is unknown."""
        try:
            return await self._transport.call(method, path, **kwargs)
        except NotFoundError as exc:
            raise NotFoundError(
                exc.status_code, f"endpoint {self.endpoint_id} is unknown at {self.url}: check RUNPOD_URL"
            ) from exc


def _body(input: Mapping[str, Any], policy: Policy | None, most: int, operation: str) -> bytes:
    if not input:
        raise ValueError(
            "input is empty: a worker refuses such a job, and it is paid for twice; give it something to do"
        )
    wire: dict[str, Any] = {"input": dict(input)}
    if policy and (bounds := policy.to_wire()):
        wire["policy"] = bounds
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


def _id(job: Job | str) -> str:
    job_id = job.id if isinstance(job, Job) else job
    if not JOB_ID.fullmatch(job_id):
        raise ProtocolError(f"{job_id[:40]!r} is no job id")
    return job_id
