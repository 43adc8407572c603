"""Faults: what goes wrong how often, as a seeded table; the same table and requests, the same faults.

    seed = 7
    [[request]]                # between client and service
    operations = ["status"]    # default: every operation
    kind = "429"               # 429, 500, 502, 401, lost, slow
    chance = 0.05
    retry_after_s = 1          # 429: say so in a header
    [[job]]                    # between worker and service
    kind = "no output"         # no output, failed, died, hangs, late progress, error list, unknown status
    chance = 0.01

`lost` is the one that costs money: the request has its effect and its answer never arrives.
"""

from __future__ import annotations

import asyncio
import json
import random
import tomllib
from pathlib import Path
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runpodkit.errors import ConfigError

Operation = Literal["run", "runsync", "status", "status-sync", "stream", "cancel", "retry", "purge-queue", "health"]
BAD_GATEWAY = b"<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>"
RAISED = json.dumps(
    {
        "error_type": "<class 'RuntimeError'>",
        "error_message": "CUDA error: an illegal memory access was encountered",
        "error_traceback": "Traceback (most recent call last): …",
    }
)


class RequestFault(BaseModel):
    """What happens to a request."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["429", "500", "502", "401", "lost", "slow"]
    chance: float = Field(ge=0, le=1)
    operations: tuple[Operation, ...] = ()
    """Empty: all of a client's; what its workers say is never lost."""
    retry_after_s: float | None = Field(None, ge=0)
    slow_s: float = Field(1.0, ge=0, le=600)


class JobFault(BaseModel):
    """What happens to a job that its worker has ended."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["no output", "failed", "died", "hangs", "late progress", "error list", "unknown status"]
    chance: float = Field(ge=0, le=1)


class FaultTable(BaseModel):
    """Which faults there are; of several that could happen the first in the table does."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 0
    request: tuple[RequestFault, ...] = ()
    job: tuple[JobFault, ...] = ()

    @classmethod
    def read(cls, path: Path) -> FaultTable:
        """Raises ConfigError where the file cannot be read or says something that cannot be meant."""
        try:
            return cls(**tomllib.loads(path.read_text("utf-8")))
        except ValidationError as exc:
            problems = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in exc.errors(include_url=False)]
            raise ConfigError(f"{path}: {'; '.join(problems)}") from None
        except OSError as exc:
            raise ConfigError(f"{path} cannot be read: {exc.strerror}") from None
        except ValueError as exc:
            raise ConfigError(f"{path} is not TOML: {exc}") from None


class Faults:
    """The table at work: chance for jobs, and a layer around the application for requests."""

    def __init__(self, table: FaultTable) -> None:
        self._table = table
        # apart, so that how often a client polls does not decide which jobs fail
        self._for_requests, self._for_jobs = random.Random(table.seed), random.Random(table.seed + 1)  # noqa: S311

    def of_job(self) -> str | None:
        """The fault of the next job that ends, or None."""
        for fault in self._table.job:
            if self._for_jobs.random() < fault.chance:
                return fault.kind
        return None

    def around(self, app: ASGIApp) -> ASGIApp:
        """`app`, seen through the faults of requests."""

        async def faulty(scope: Scope, receive: Receive, send: Send) -> None:
            fault = self._of_request(scope["path"]) if scope["type"] == "http" else None
            if fault is None:
                await app(scope, receive, send)
            elif fault.kind == "lost":
                await app(scope, receive, _nowhere)
                await _half_an_answer(send)
            elif fault.kind == "slow":
                await asyncio.sleep(fault.slow_s)
                await app(scope, receive, send)
            else:
                await _refuse(fault, send)

        return faulty

    def _of_request(self, path: str) -> RequestFault | None:
        words = path.split("/")
        operation = words[3] if len(words) > 3 else ""
        for fault in self._table.request:
            if operation in (fault.operations or get_args(Operation)) and self._for_requests.random() < fault.chance:
                return fault
        return None


async def _nowhere(_: Message) -> None:
    """Where a lost answer goes."""


async def _half_an_answer(send: Send) -> None:
    """Headers that promise more than comes: the server then hangs up."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"400")]})
    await send({"type": "http.response.body", "body": b'{"id":', "more_body": True})


async def _refuse(fault: RequestFault, send: Send) -> None:
    body, kind = b'{"error":"internal server error"}', b"application/json"
    if fault.kind == "502":
        body, kind = BAD_GATEWAY, b"text/html"
    elif fault.kind == "401":
        body, kind = b"Unauthorized", b"text/plain"
    elif fault.kind == "429":
        body = b'{"error":"too many requests"}'
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if fault.kind == "429" and fault.retry_after_s is not None:
        headers.append((b"retry-after", f"{fault.retry_after_s:g}".encode()))
    await send({"type": "http.response.start", "status": int(fault.kind), "headers": headers})
    await send({"type": "http.response.body", "body": body})
