"""A raw HTTP server on loopback that answers, or fails to, exactly as a test says; a clock that sleeping moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


class Hours:
    """A clock that a sleep moves: nothing waits, and looks under way come back first."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        for _ in range(4):
            await asyncio.sleep(0)
        self.now += seconds


@dataclass
class Raw:
    """What a raw server has seen."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)


def says(status: str, body: str | bytes = "", **headers: str) -> Answer:
    """A whole answer."""
    data = body.encode() if isinstance(body, str) else body

    async def answer(writer: asyncio.StreamWriter) -> None:
        lines = [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        head = "\r\n".join([f"HTTP/1.1 {status}", f"Content-Length: {len(data)}", "Connection: close", *lines])
        writer.write(f"{head}\r\n\r\n".encode() + data)
        await writer.drain()

    return answer


async def closes(writer: asyncio.StreamWriter) -> None:
    """Reads the request and hangs up."""


async def resets(writer: asyncio.StreamWriter) -> None:
    """Reads the request and resets the connection."""
    writer.transport.abort()


async def half(writer: asyncio.StreamWriter) -> None:
    """Half an answer, then nothing more."""
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 400\r\n\r\n{"id":"job-1",')
    await writer.drain()


@pytest.fixture
def raw_server() -> Callable[..., object]:
    """`async with raw_server(answer, answer, …) as raw`: the last answer is repeated."""

    @asynccontextmanager
    async def serve(*answers: Answer) -> AsyncIterator[Raw]:
        raw = Raw()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                length = next(
                    (
                        int(line.split(b":")[1])
                        for line in head.lower().splitlines()
                        if line.startswith(b"content-length")
                    ),
                    0,
                )
                raw.requests.append(head + await reader.readexactly(length))
                await answers[min(len(raw.requests), len(answers)) - 1](writer)
            except (asyncio.IncompleteReadError, ConnectionError):
                pass
            finally:
                writer.close()

        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        raw.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v2/local"
        try:
            yield raw
        finally:
            server.close()
            await server.wait_closed()

    return serve
