"""An HTTP API in front of the tasks: ask for a picture, look how it stands, or be told.

    pip install 'runpodkit[local,api]'
    celery -A runpodkit.tasks worker --loglevel=info --concurrency=2
    uvicorn fastapi_app:app --app-dir examples

    curl -X POST 'http://127.0.0.1:8000/generate?prompt=a+pier+at+dawn' --json '{"steps": 20, "seed": 7}'
    curl 'http://127.0.0.1:8000/status/<task_id>'
    curl -N 'http://127.0.0.1:8000/events/<task_id>'

There is no login, and each request may cost money: uvicorn listens on this machine alone unless told otherwise.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any
from uuid import uuid4

from celery.result import AsyncResult
from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.sse import EventSourceResponse, ServerSentEvent
from kombu.exceptions import OperationalError
from pydantic import ConfigDict, create_model
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from runpodkit import ImageParams, stack
from runpodkit.settings import Settings
from runpodkit.tasks import checked, generate_image_runpod_task

KEPT_S = 3600
"""As long as results are kept, so long are ids known."""
PATIENCE_S = 5
FINAL = ("completed", "failure", "revoked")

# Names, bounds and help of `ImageParams`; the prompt is a parameter of its own, and a task draws one picture.
Fields = create_model(  # type: ignore[call-overload]
    "Fields",
    __config__=ConfigDict(extra="forbid"),
    **{
        name: (info.annotation, info)
        for name, info in ImageParams.model_fields.items()
        if name not in ("user_prompt", "num_images")
    },
)


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """One connection pool, to the Redis that the settings name."""
    url = await asyncio.to_thread(lambda: stack.redis_url(Settings.load()))
    async with Redis.from_url(url, socket_timeout=PATIENCE_S, retry=Retry(NoBackoff(), 0)) as app.state.redis:
        yield


app = FastAPI(title="Pictures", lifespan=lifespan)
# A name of somebody else's that was pointed to this machine is not ours.  Behind a proxy: your own host's name.
app.add_middleware(TrustedHostMiddleware, allowed_hosts=["127.0.0.1", "localhost"])


@asynccontextmanager
async def redis_answers() -> AsyncIterator[None]:
    """A Redis that is away is an answer of its own, and a quick one."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield
    except (RedisError, OperationalError, OSError):
        raise HTTPException(503, "Redis does not answer; `runpodkit stack status` tells whether it runs") from None


async def known_task(task_id: str) -> AsyncResult:
    """The task of an id that was handed out here; Celery itself calls every other id pending."""
    async with redis_answers():
        if not await app.state.redis.exists(f"runpodkit:api:{task_id}"):
            raise HTTPException(404, f"task {task_id[:80]} is unknown; ids and results are kept for an hour")
    return AsyncResult(task_id)


KnownTask = Annotated[AsyncResult, Depends(known_task)]


async def standing(task: AsyncResult) -> dict[str, Any]:
    """How a task stands.  Celery waits for Redis, so it does that in a thread."""
    async with redis_answers():
        about = await asyncio.to_thread(task.backend.get_task_meta, task.id)
        if about["status"] == "SUCCESS":
            return {"task_id": task.id, "status": "completed", "result": about["result"]}
        told = {"task_id": task.id, "status": about["status"].lower()}
        if isinstance(about["result"], Exception):
            told["error"] = f"{type(about['result']).__name__}: {about['result']}"
        if told["status"] not in FINAL:  # it may wait longer than an hour
            await app.state.redis.expire(f"runpodkit:api:{task.id}", KEPT_S)
        return told


@app.exception_handler(RequestValidationError)
async def refuse(request: Request, error: RequestValidationError) -> Response:
    """422 without the value itself: NaN, or half a letter, could not be written down again."""
    told = [{name: one[name] for name in ("type", "loc", "msg")} for one in error.errors()]
    return Response(json.dumps({"detail": told}), 422, media_type="application/json")


def no_other_site(request: Request) -> None:
    """A page of another site, open in a browser on this machine, must not spend your money."""
    if request.headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        raise HTTPException(403, "a page of another site may not ask for pictures")


@app.post("/generate", status_code=202, dependencies=[Depends(no_other_site)])
async def generate(
    prompt: Annotated[str, Query(min_length=1, max_length=4000)],
    fields: Fields | None = None,
) -> dict[str, str]:
    """Ask for a picture; the answer comes at once, the picture when a worker has drawn it."""
    asked = {"user_prompt": prompt, **(fields.model_dump(exclude_unset=True) if fields else {})}
    try:
        checked(asked)
    except ValueError as exc:
        raise RequestValidationError([{"type": "value_error", "loc": ("body",), "msg": str(exc)}]) from None
    task_id = str(uuid4())
    async with redis_answers():
        await app.state.redis.set(f"runpodkit:api:{task_id}", 1, ex=KEPT_S)
        await asyncio.to_thread(generate_image_runpod_task.apply_async, kwargs=asked, task_id=task_id, retry=False)
    return {"task_id": task_id, "status": "pending", "message": f"the picture is on its way: GET /status/{task_id}"}


@app.get("/status/{task_id}")
async def status(task: KnownTask) -> dict[str, Any]:
    """`completed` with `result`, or the status in lower case: pending, started, retry, failure, revoked."""
    return await standing(task)


@app.get("/events/{task_id}", response_class=EventSourceResponse)
async def events(task: KnownTask) -> AsyncIterator[ServerSentEvent]:
    """The same as events, one per change, to the end of the task; FastAPI adds a comment every 15 s in between."""
    told: dict[str, Any] = {}
    while told.get("status") not in FINAL:
        try:
            now = await standing(task)
        except HTTPException as exc:
            yield ServerSentEvent(comment=str(exc.detail))
        else:
            if now != told:
                yield ServerSentEvent(event=now["status"], data=now)
            told = now
        await asyncio.sleep(0.5)
