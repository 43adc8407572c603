"""The worker's side of the simulator: the routes by which an unmodified handler takes and ends jobs.

As RunPod's own worker SDK calls them: it takes jobs, posts results and parts, hears which
jobs to stop and sends pings.  Thin over the queue; knows nothing of processes.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from runpodkit.jobs import JOB_ID
from runpodkit.simulator.queue import MAX_OUTPUT, MAX_SYNC_OUTPUT, Queue, SimJob
from runpodkit.simulator.waiting import Moves

HOLD_S = 25.0
"""How long a worker that finds nothing to do is kept on the line."""
MAX_BODY = 64 * 2**20
KEY_IN_QUERY = "key"
"""RunPod's SDK shows the key of ~/.runpod/config.toml instead of its environment's, so the addresses carry ours too."""


class WorkerRoutes:
    """Routes for worker processes."""

    def __init__(
        self,
        queue: Queue,
        *,
        endpoint_id: str,
        key: str,
        advance: Callable[[], None],
        moves: Moves,
        stop_worker: Callable[[str], None],
    ) -> None:
        """
        Args:
            key: What workers show; never the client's.
            advance: Moves the queue to now.
            stop_worker: Told of a worker that asked to be stopped after its job (`refresh_worker`).
        """
        self._queue, self._endpoint_id, self._key = queue, endpoint_id, key
        self._advance, self._stop_worker = advance, stop_worker
        self._moves = moves

    def routes(self) -> list[Route]:
        path = "/v2/{endpoint}"
        one, of_job = "{worker}", "{worker}/{job}"
        return [
            Route(f"{path}/job-take/{one}", self._checked(self._take), methods=["GET"]),
            Route(f"{path}/job-take-batch/{one}", self._checked(self._take_batch), methods=["GET"]),
            Route(f"{path}/job-stop/{one}", self._checked(self._stop), methods=["GET"]),
            Route(f"{path}/ping/{one}", self._checked(self._ping), methods=["GET"]),
            Route(f"{path}/job-done/{of_job}", self._checked(self._done), methods=["POST"]),
            Route(f"{path}/job-stream/{of_job}", self._checked(self._part), methods=["POST"]),
        ]

    def _checked(
        self, answer: Callable[[Request, str], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        async def checked(request: Request) -> Response:
            shown = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not any(
                hmac.compare_digest(key.encode(), self._key.encode())
                for key in (shown, request.query_params.get(KEY_IN_QUERY, ""))
            ):
                return PlainTextResponse("Unauthorized", 401)
            worker = request.path_params["worker"]
            names = (worker, request.path_params.get("job", worker))
            if request.path_params["endpoint"] != self._endpoint_id or not all(map(JOB_ID.fullmatch, names)):
                return _json({"message": "Not Found"}, 404)
            self._advance()
            return await answer(request, worker)

        return checked

    async def _take(self, request: Request, worker: str) -> Response:
        taken = await self._taken(request, worker, 1)
        return _json(_for_worker(taken[0])) if taken else Response(status_code=204)

    async def _take_batch(self, request: Request, worker: str) -> Response:
        asked = request.query_params.get("batch_size", "1")
        taken = await self._taken(request, worker, min(1000, int(asked)) if asked.isdecimal() else 1)
        return _json([_for_worker(job) for job in taken]) if taken else Response(status_code=204)

    async def _taken(self, request: Request, worker: str, most: int) -> list[SimJob]:
        busy = request.query_params.get("job_in_progress") == "1"
        taken: list[SimJob] = []

        def look() -> bool:
            taken.extend(self._queue.take(worker, most, busy=busy))
            return bool(taken)

        await self._moves.until(look, HOLD_S, request.is_disconnected)
        if taken:
            self._advance()
        return taken

    async def _stop(self, request: Request, worker: str) -> Response:
        jobs: list[str] = []

        def look() -> bool:
            jobs.extend(self._queue.jobs_to_stop(worker))
            return bool(jobs)

        await self._moves.until(look, HOLD_S, request.is_disconnected)
        return _json({"jobsToStop": jobs}) if jobs else Response(status_code=204)

    async def _ping(self, request: Request, worker: str) -> Response:
        self._queue.heard(worker)
        return _json({})

    async def _done(self, request: Request, worker: str) -> Response:
        job = self._queue.status(request.path_params["job"])
        if job is None:
            return _json({"error": "job not found"}, 404)  # its TTL has passed
        body = await _body(request)
        if body is None:
            return _json({"error": "the result is not a JSON object"}, 400)
        self._queue.heard(worker)
        self._advance()
        output = None if body.get("output") is None else _bytes(body["output"])
        if body.get("status") == "IN_PROGRESS":
            self._queue.progress(job.id, worker, output or b"null")
            return _json({})
        if body.get("output") == [] and request.query_params.get("isStream") == "true":
            output = None  # a generator that gathers nothing
        too_large = output is not None and len(output) > (MAX_SYNC_OUTPUT if job.is_sync else MAX_OUTPUT)
        error = body.get("error")
        if error and not isinstance(error, str):
            output, error = None, None  # users report: COMPLETED, and nothing in it
        self._queue.done(job.id, worker, None if too_large else output, error or None)
        if body.get("stopPod"):
            self._queue.lost(worker)
            self._stop_worker(worker)
        self._advance()
        return _json({"error": "the result is too large"}, 400) if too_large else _json({})

    async def _part(self, request: Request, worker: str) -> Response:
        job_id = request.path_params["job"]
        body = await _body(request)
        if body is None or self._queue.status(job_id) is None:
            return _json({"error": "job not found"}, 404)
        self._queue.heard(worker)
        self._queue.chunk(job_id, worker, _bytes(body.get("output")))
        self._advance()
        return _json({})


def _for_worker(job: SimJob) -> dict[str, Any]:
    more = {"webhook": job.webhook, "s3Config": job.s3_config}
    return {"id": job.id, "input": job.input, **{name: value for name, value in more.items() if value}}


async def _body(request: Request) -> dict[str, Any] | None:
    """A worker's JSON, whatever type it calls it; None for anything that is no object."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            return None
    try:
        given = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return given if isinstance(given, dict) else None


def _bytes(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _json(value: Any, status: int = 200) -> Response:
    return Response(json.dumps(value, separators=(",", ":")).encode(), status, media_type="application/json")
