"""The HTTP skin of a simulated endpoint: RunPod's client routes over the queue.

Thin: each request first moves the queue to the clock, then asks it.  Refuses what
RunPod refuses: other keys, unknown endpoints and jobs, bodies that are too large, too
many requests.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import re
import secrets
import socket
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runpodkit.errors import StackError
from runpodkit.jobs import JOB_ID
from runpodkit.simulator.queue import Queue, SimJob, Status
from runpodkit.simulator.workers import BuiltInWorkers

MAX_BODY = {"run": 10 * 2**20, "runsync": 20 * 2**20}
LIMITS = {"run": 1000, "runsync": 2000, "status": 2000, "stream": 2000, "cancel": 100, "purge-queue": 2}
"""Requests per 10 s.  Source: RunPod docs, "Send requests"."""
LIMIT_WINDOW_S = 10.0
POLICY_BOUNDS = {"executionTimeout": (5_000, 604_800_000), "ttl": (10_000, 604_800_000)}


class Simulator:
    """A queue, its workers, and the answers to each request."""

    def __init__(
        self,
        *,
        endpoint_id: str,
        api_key: str,
        workers: int,
        exec_s: float = 0.0,
        cold_start_s: float = 0.3,
        limits: bool = True,
        clock: Callable[[], float] = time.monotonic,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        random_seed: Callable[[], int] = lambda: secrets.randbelow(2**32),
    ) -> None:
        self.queue = Queue(workers, new_id=new_id, cold_start_s=cold_start_s)
        self.requests: Counter[str] = Counter()
        """Requests by operation, refused ones included."""
        self._endpoint_id, self._api_key, self._clock, self._limits = endpoint_id, api_key, clock, limits
        self._windows: dict[str, tuple[int, int]] = {}
        self._finals: dict[str, asyncio.Event] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._workers = BuiltInWorkers(
            workers, ended=self._on_ended, died=self._on_died, random_seed=random_seed, exec_s=exec_s
        )

    def app(self) -> Starlette:
        """The ASGI application."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            self._workers.warm()
            yield
            if self._timer:
                self._timer.cancel()
            await self._workers.aclose()

        path = "/v2/{endpoint}/{operation}"
        methods = ["GET", "POST"]
        return Starlette(
            routes=[
                Route(path, self._operation, methods=methods),
                Route(f"{path}/{{job}}", self._job, methods=methods),
            ],
            lifespan=lifespan,
        )

    # time

    def _advance(self) -> None:
        """Move the queue to now, start what it started, wake who waits, and come back when something is due."""
        self.queue.advance(self._clock())
        while self.queue.started:
            self._workers.start(self.queue.started.popleft())
        while self.queue.ended:
            if event := self._finals.pop(self.queue.ended.popleft().id, None):
                event.set()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self.queue.next_s()
        if due is not None:
            rest = max(0.001, due - self._clock())
            self._timer = asyncio.get_running_loop().call_later(rest, self._advance)

    def _on_ended(self, job: SimJob, worker: str, output: bytes | None, error: str | None) -> None:
        self.queue.advance(self._clock())
        self.queue.done(job.id, worker, output, error)
        self._advance()

    def _on_died(self, job: SimJob, worker: str) -> None:
        self.queue.advance(self._clock())
        self.queue.died(job.id, worker)
        self._advance()

    # requests

    async def _operation(self, request: Request) -> Response:
        operation = request.path_params["operation"]
        if refusal := self._refusal(request, operation):
            return refusal
        self._advance()
        match request.method, operation:
            case "POST", "run" | "runsync":
                return await self._submit(request, operation)
            case "POST", "purge-queue":
                return _json({"removed": self.queue.purge(), "status": "completed"})
            case "GET", "health":
                return _json(self.queue.health())
        return _not_found()

    async def _job(self, request: Request) -> Response:
        operation, job_id = request.path_params["operation"], request.path_params["job"]
        if refusal := self._refusal(request, operation):
            return refusal
        self._advance()
        job = self.queue.status(job_id) if JOB_ID.fullmatch(job_id) else None
        if job is None:
            return _json({"error": "job not found"}, 404)
        match request.method, operation:
            case "GET", "status":
                ttl = request.query_params.get("ttl", "")
                if re.fullmatch(r"\d{1,12}", ttl):
                    self.queue.set_ttl(job, int(ttl) / 1000)
                return Response(job.to_wire(), media_type="application/json")
            case "GET", "stream":
                drained, job.stream = job.stream, []
                parts = b",".join(b'{"output":%s}' % part for part in drained)
                body = b'{"status":"%s","stream":[%s]}' % (job.status.encode(), parts)
                return Response(body, media_type="application/json")
            case "POST", "cancel":
                self.queue.cancel(job_id)
                self._advance()
                return _json({"id": job.id, "status": job.status})
            case "POST", "retry":
                again = job.status in (Status.FAILED, Status.TIMED_OUT)
                self.queue.retry(job_id)
                self._advance()
                return _json({"id": job.id, "status": Status.IN_QUEUE if again else job.status})
        return _not_found()

    async def _submit(self, request: Request, operation: str) -> Response:
        most = MAX_BODY[operation]
        body = bytearray()
        async for part in request.stream():
            body += part
            if len(body) > most:
                return _json({"error": f"exceeded max body size of {most // 2**20}MiB"}, 400)
        try:
            asked = json.loads(body)
        except (ValueError, RecursionError):
            return _json({"error": "request body is not JSON"}, 400)
        if problem := _problem(asked):
            return _json({"error": problem}, 400)
        job = self.queue.submit(asked["input"], asked.get("policy"), is_sync=operation == "runsync")
        if operation == "run":
            self._advance()
            return _json({"id": job.id, "status": "IN_QUEUE"})
        wait = request.query_params.get("wait", "90000")
        wait_ms = min(300_000, max(1_000, int(wait))) if re.fullmatch(r"\d{1,9}", wait) else 90_000
        ended = self._finals[job.id] = asyncio.Event()
        self._advance()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                await ended.wait()
        self._finals.pop(job.id, None)
        return Response(job.to_wire(), media_type="application/json")

    def _refusal(self, request: Request, operation: str) -> Response | None:
        self.requests[operation] += 1
        key = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        if not hmac.compare_digest(key.encode(), self._api_key.encode()):
            return PlainTextResponse("Unauthorized", 401)
        if request.path_params["endpoint"] != self._endpoint_id:
            return _not_found()
        limit = LIMITS.get(operation) if self._limits else None
        if limit is None:
            return None
        window = int(self._clock() / LIMIT_WINDOW_S)
        before, used = self._windows.get(operation, (window, 0))
        used = used + 1 if before == window else 1
        self._windows[operation] = (window, used)
        if used > limit:
            return _json({"error": "too many requests"}, 429, {"Retry-After": "1"})
        return None


def _problem(asked: Any) -> str | None:
    """Why a request body is malformed; None if it is not."""
    if not isinstance(asked, dict) or not isinstance(asked.get("input"), dict):
        return "input is required and must be an object"
    policy = asked.get("policy")
    if policy is None:
        return None
    if not isinstance(policy, dict):
        return "policy must be an object"
    for name, (low, high) in POLICY_BOUNDS.items():
        value = policy.get(name, low)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            return f"policy.{name} must be from {low} to {high} ms"
    return None


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = json.dumps(value, separators=(",", ":")).encode()
    return Response(content, status, headers, media_type="application/json")


def _not_found() -> Response:
    return _json({"message": "Not Found"}, 404)


class _Server(uvicorn.Server):
    """Says when it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()


def serve(
    *,
    port: int,
    endpoint_id: str = "local",
    api_key: str,
    workers: int = 4,
    exec_ms: int | None = None,
    cold_start_s: float = 0.3,
    limits: bool = True,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT.

    Args:
        port: 0 for a free one.
        ready: Told the port once requests are taken.

    Raises:
        StackError: the port is taken.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as exc:
        listener.close()
        raise StackError(
            "simulator",
            f"port {port} on 127.0.0.1 is taken ({exc.strerror})",
            "Choose another --port, or 0 for a free one",
        ) from exc
    bound: int = listener.getsockname()[1]
    simulator = Simulator(
        endpoint_id=endpoint_id,
        api_key=api_key,
        workers=workers,
        exec_s=(exec_ms or 0) / 1000,
        cold_start_s=cold_start_s,
        limits=limits,
    )
    config = uvicorn.Config(
        simulator.app(), log_level="warning", access_log=False, timeout_graceful_shutdown=1, timeout_keep_alive=75
    )
    with contextlib.suppress(KeyboardInterrupt):
        _Server(config, lambda: ready(bound) if ready else None).run(sockets=[listener])
