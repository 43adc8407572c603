"""The journal: a line of JSON for every request that reaches the simulated service.

    {"at": 1764000000.123, "operation": "run", "status": 200, "job": "…", "input": {…}}

`at` is in seconds since the epoch; `job` and `input` are there for jobs that were taken.  Faults come before it: an answer
that gets lost is in the journal, a request that a fault refused is not.  A line is written before its answer
goes out, so nothing that was taken is missing, however the process ends.  Keys are never in it.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Journal:
    """Appends to one file."""

    def __init__(self, file: Path) -> None:
        """Raises OSError if it cannot be written."""
        self._file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def around(self, app: ASGIApp) -> ASGIApp:
        """The application with every client's request noted."""

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            operation = _operation(scope)
            if operation is None:
                return await app(scope, receive, send)
            asked, answered, status = bytearray(), bytearray(), 0
            keeps = operation in ("run", "runsync")

            async def hear() -> Message:
                message = await receive()
                if keeps:
                    asked.extend(message.get("body", b""))
                return message

            async def say(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start":
                    status = message["status"]
                elif keeps:
                    answered.extend(message.get("body", b""))
                if message["type"] == "http.response.body" and not message.get("more_body"):
                    self._write(operation, status, bytes(asked), bytes(answered))
                await send(message)

            await app(scope, hear, say)

        return noted

    def _write(self, operation: str, status: int, asked: bytes, answered: bytes) -> None:
        line = {"at": round(time.time(), 4), "operation": operation, "status": status}
        if status == 200 and answered:
            line |= {"job": json.loads(answered).get("id"), "input": json.loads(asked).get("input")}
        os.write(self._file, json.dumps(line, ensure_ascii=False).encode() + b"\n")


def _operation(scope: Scope) -> str | None:
    """Of a client's request; None for a worker's and for anything else."""
    if scope["type"] != "http":
        return None
    words = scope["path"].strip("/").split("/")
    return words[2] if len(words) >= 3 and words[0] == "v2" else None
