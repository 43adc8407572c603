"""The HTTP skin of a simulated endpoint: RunPod's client routes over the queue.

Thin: each request first moves the queue to the clock, then asks it.  Refuses what
RunPod refuses: other keys, unknown endpoints and jobs, bodies that are too large, too
many requests.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import re
import secrets
import time
import uuid
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from runpodkit.errors import StackError
from runpodkit.jobs import JOB_ID
from runpodkit.simulator.billing import Span, bill, read_query
from runpodkit.simulator.faults import RAISED, Faults, FaultTable
from runpodkit.simulator.handler_processes import HandlerProcesses
from runpodkit.simulator.journal import Journal
from runpodkit.simulator.queue import Queue, SimJob, Status
from runpodkit.simulator.speech import picture_in
from runpodkit.simulator.waiting import Moves
from runpodkit.simulator.webhooks import Webhooks
from runpodkit.simulator.worker_routes import WorkerRoutes
from runpodkit.simulator.workers import BuiltInWorkers

MAX_BODY = {"run": 10 * 2**20, "runsync": 20 * 2**20}
LIMITS = {"run": 1000, "runsync": 2000, "status": 2000, "stream": 2000, "cancel": 100, "purge-queue": 2}
"""Requests per 10 s.  Source: RunPod docs, "Send requests"."""
PER_WORKER, GROWING = 50, frozenset({"run", "runsync", "status", "stream"})
"""Each running worker adds up to so many; the larger of the two holds.  Source: an answer of RunPod's support."""
LIMIT_WINDOW_S = 10.0
KEPT_PICTURES = 1000
"""Of public endpoints, behind their links."""
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
        handler: Path | None = None,
        faults: FaultTable | None = None,
        speaks: str | None = None,
        webhooks: Webhooks | None = None,
        journal: Journal | None = None,
        broken: Callable[[StackError], None] = lambda error: None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        new_id: Callable[[], str] = lambda: str(uuid.uuid4()),
        random_seed: Callable[[], int] = lambda: secrets.randbelow(2**32),
    ) -> None:
        """
        Args:
            workers: Built-in ones, or processes of `handler`.
            exec_s: A job of a built-in worker takes at least so long.
            limits: Whether the published rate limits hold.
            handler: A file that calls `runpod.serverless.start`; `listens` starts it.
            faults: What goes wrong how often.
            speaks: The worker whose inputs the built-in ones take, a name of `speech.SPEECHES`; None: native.
            journal: Notes every request.
            broken: Told when the handler cannot be kept running.
            wall: Seconds since the epoch, by which bills are made out.
        """
        self.queue = Queue(0 if handler else workers, new_id=new_id, cold_start_s=cold_start_s)
        self.requests: Counter[str] = Counter()
        """Requests by operation, refused ones included."""
        self._endpoint_id, self._api_key, self._clock, self._limits = endpoint_id, api_key, clock, limits
        self._wall = wall
        self._windows: dict[str, tuple[int, int]] = {}
        self._moves, self._told = Moves(), 0
        self._faults = Faults(faults) if faults else None
        self._webhooks, self._journal = webhooks or Webhooks(), journal
        self._handler, self._handlers, self._broken = handler, workers, broken
        self._processes: HandlerProcesses | None = None
        self._worker_key = secrets.token_urlsafe(24)
        self._timer: asyncio.TimerHandle | None = None
        self._workers = BuiltInWorkers(
            workers, ended=self._on_ended, died=self._on_died, random_seed=random_seed, exec_s=exec_s, speaks=speaks
        )
        self._pictures: OrderedDict[str, bytes] = OrderedDict()
        self._port = 0

    def app(self) -> ASGIApp:
        """The ASGI application."""

        @asynccontextmanager
        async def lifespan(_: Starlette) -> AsyncIterator[None]:
            if not self._handler:
                self._workers.warm()
            yield
            if self._timer:
                self._timer.cancel()
            await self._webhooks.aclose()
            await self._workers.aclose()

        path = "/v2/{endpoint}/{operation}"
        methods = ["GET", "POST"]
        workers = WorkerRoutes(
            self.queue,
            endpoint_id=self._endpoint_id,
            key=self._worker_key,
            advance=self._advance,
            moves=self._moves,
            stop_worker=self._on_stop_asked,
        )
        app = Starlette(
            routes=[
                *workers.routes(),
                Route("/pictures/{name}", self._picture, methods=["GET"]),
                Route("/v2/billing/serverless", self._bill, methods=["GET"]),
                Route(path, self._operation, methods=methods),
                Route(f"{path}/{{job}}", self._job, methods=methods),
            ],
            lifespan=lifespan,
        )
        noted = self._journal.around(app) if self._journal else app
        return self._faults.around(noted) if self._faults else noted

    def listens(self, port: int) -> None:
        """Requests are taken on this port of 127.0.0.1 from now on: start the handler, if there is one."""
        self._port = port
        if self._handler:
            self._processes = HandlerProcesses(
                self._handler,
                self._handlers,
                url=f"http://127.0.0.1:{port}/v2/{self._endpoint_id}",
                key=self._worker_key,
                died=self._on_process_died,
                broken=self._broken,
            )
            self._processes.start()

    async def end(self) -> None:
        """Answer every request that is held, so that the server can end, and end the handler."""
        if self._processes:
            self._processes.terminate()  # first, or it would ask again
        self._moves.end()
        if self._processes:
            await self._processes.aclose()

    # time

    def _advance(self) -> None:
        """Move the queue to now, start what it started, wake who waits, and come back when something is due."""
        self.queue.advance(self._clock())
        while self.queue.started:
            self._workers.start(self.queue.started.popleft())
        while self.queue.ended:
            job = self.queue.ended.popleft()
            if job.status is not Status.CANCELLED:  # nobody has seen a webhook for one of those
                self._webhooks.tell(job)
        if self.queue.changes != self._told:
            self._told = self.queue.changes
            self._moves.tell()
        if self._timer:
            self._timer.cancel()
            self._timer = None
        due = self.queue.next_s()
        if due is not None:
            rest = max(0.001, due - self._clock())
            self._timer = asyncio.get_running_loop().call_later(rest, self._advance)

    def _on_ended(self, job: SimJob, worker: str, output: bytes | None, error: str | None) -> None:
        self.queue.advance(self._clock())
        output = self._by_link(job, output)
        match self._faults.of_job() if self._faults else None:
            case "no output" | "error list":
                self.queue.done(job.id, worker, None)
            case "failed":
                self.queue.done(job.id, worker, None, RAISED)
            case "died":
                self.queue.died(job.id, worker)
            case "hangs":
                self.queue.hang(worker)
            case "late progress":  # it overwrites the end, as users report
                self.queue.progress(job.id, worker, b'"step 20/20"')
                self.queue.hang(worker)
            case "unknown status":
                self.queue.done(job.id, worker, output, error)
                job.odd_status = "ARCHIVED"
            case _:
                self.queue.done(job.id, worker, output, error)
        self._advance()

    def _by_link(self, job: SimJob, output: bytes | None) -> bytes | None:
        """A public endpoint keeps its picture and answers a link."""
        if output is None or not output.startswith(b'{"image_url":'):
            return output
        answer = json.loads(output)
        picture = picture_in(answer)
        if picture is None:
            return output
        name = f"{job.id}.png"
        self._pictures[name] = picture
        while len(self._pictures) > KEPT_PICTURES:
            self._pictures.popitem(last=False)
        answer["image_url"] = f"http://127.0.0.1:{self._port}/pictures/{name}"
        return json.dumps(answer, separators=(",", ":")).encode()

    async def _picture(self, request: Request) -> Response:
        """As on the service, whoever has the link may look."""
        picture = self._pictures.get(request.path_params["name"])
        return _not_found() if picture is None else Response(picture, media_type="image/png")

    async def _bill(self, request: Request) -> Response:
        """As RunPod's own API answers, which is at another host; that is asked with the same key."""
        self.requests["billing"] += 1
        if not self._knows(request):
            return _problem_json(401, "Unauthorized", "the API key is missing or invalid")
        self._advance()
        now = self._wall()
        asked = read_query(request.query_params, now)
        if isinstance(asked, str):
            return _problem_json(400, "Bad Request", asked)
        wanted = request.query_params.get("serverlessId", self._endpoint_id)
        past = now - self.queue.now_s
        spans = [Span(span.start_s + past, span.end_s + past) for span in self.queue.uptimes()]
        return _json(bill(spans if wanted == self._endpoint_id else [], asked, wanted))

    def _on_process_died(self, worker: str) -> bool:
        self.queue.advance(self._clock())
        had_come = self.queue.lost(worker)
        self._advance()
        return had_come

    def _on_stop_asked(self, worker: str) -> None:
        if self._processes:
            self._processes.stop_worker(worker)

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
            case "GET" | "POST", "status-sync":
                await self._moves.until(lambda: job.status.is_final, _wait_s(request, 90, 90), request.is_disconnected)
                return Response(job.to_wire(), media_type="application/json")
            case "GET", "stream":
                await self._moves.until(
                    lambda: bool(job.stream) or job.status.is_final, _wait_s(request, 10, 300), request.is_disconnected
                )
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
        job = self.queue.submit(
            asked["input"],
            asked.get("policy"),
            is_sync=operation == "runsync",
            webhook=asked.get("webhook"),
            s3_config=asked.get("s3Config"),
        )
        if operation == "run":
            self._advance()
            return _json({"id": job.id, "status": "IN_QUEUE"})
        self._advance()
        await self._moves.until(lambda: job.status.is_final, _wait_s(request, 90, 300), request.is_disconnected)
        return Response(job.to_wire(), media_type="application/json")

    def _refusal(self, request: Request, operation: str) -> Response | None:
        self.requests[operation] += 1
        if not self._knows(request):
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
        if used > limit and not (operation in GROWING and used <= PER_WORKER * self.queue.running):
            return _json({"error": "too many requests"}, 429, {"Retry-After": "1"})
        return None

    def _knows(self, request: Request) -> bool:
        """Whether a request brings the key."""
        key = request.headers.get("authorization", "").removeprefix("Bearer ").strip()
        return hmac.compare_digest(key.encode(), self._api_key.encode())


def _problem(asked: Any) -> str | None:
    """Why a request body is malformed; None if it is not."""
    if not isinstance(asked, dict) or not isinstance(asked.get("input"), dict):
        return "input is required and must be an object"
    if not isinstance(asked.get("webhook"), str | None):
        return "webhook must be an address"
    if not isinstance(asked.get("s3Config"), dict | None):
        return "s3Config must be an object"
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


def _wait_s(request: Request, usual_s: float, most_s: float) -> float:
    """How long the client lets its line be held, `wait` in milliseconds."""
    wait = request.query_params.get("wait", "")
    return min(most_s, max(1.0, int(wait) / 1000)) if re.fullmatch(r"\d{1,9}", wait) else usual_s


def _json(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    content = json.dumps(value, separators=(",", ":")).encode()
    return Response(content, status, headers, media_type="application/json")


def _problem_json(status: int, title: str, detail: str) -> Response:
    """A refusal in the form of RFC 9457, as RunPod's own API has it."""
    text = json.dumps({"title": title, "status": status, "detail": detail})
    return Response(text, status, media_type="application/problem+json")


def _not_found() -> Response:
    return _json({"message": "Not Found"}, 404)
