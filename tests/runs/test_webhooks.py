"""Calls of webhooks over real sockets: where they go, what travels, what is tried again, and that no word shows the address."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from runpodkit.images import reach
from runpodkit.logs import clean, redact
from runpodkit.runs import webhooks
from runpodkit.runs.webhooks import checked, post

SECRET = "/hooks/T0000/canary-of-a-webhook"


class Receiver:
    """A loopback server that answers with these statuses, the last one for good, and keeps what it was sent."""

    def __init__(self, statuses: list[int], wait_s: float) -> None:
        self.statuses, self.wait_s = statuses, wait_s
        self.heads: list[str] = []
        self.bodies: list[Any] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{SECRET}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = next(
                int(line.split(":")[1]) for line in head.lower().splitlines() if line.startswith("content-length")
            )
            self.bodies.append(json.loads(await reader.readexactly(length)))
            self.heads.append(head)
            await asyncio.sleep(self.wait_s)
            status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
            writer.write(f"HTTP/1.1 {status} X\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".encode())
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def receiving(*statuses: int, wait_s: float = 0.0) -> AsyncIterator[Receiver]:
    made = Receiver(list(statuses), wait_s)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


async def no_pause(_: float) -> None:
    return None


async def test_json_is_sent_once_and_nothing_of_ours_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with receiving(204) as receiver:
        assert await post(receiver.url, {"id": "r:DONE@1", "run": "r"}) is None

    assert receiver.bodies == [{"id": "r:DONE@1", "run": "r"}]
    head = receiver.heads[0].lower()
    assert "idempotency-key: r:done@1" in head
    assert not any(name in head for name in ("authorization", "cookie", "proxy"))


async def test_what_may_pass_is_tried_three_times_and_what_will_not_once() -> None:
    async with receiving(503, 429, 200) as receiver:
        assert await post(receiver.url, {}, sleep=no_pause) is None
        assert len(receiver.bodies) == 3
    async with receiving(500) as receiver:
        assert await post(receiver.url, {}, sleep=no_pause) == f"http://127.0.0.1:{receiver.port}: HTTP 500 (3 tries)"
        assert len(receiver.bodies) == 3
    async with receiving(404) as receiver:
        assert await post(receiver.url, {}, sleep=no_pause) == f"http://127.0.0.1:{receiver.port}: HTTP 404"
        assert len(receiver.bodies) == 1


async def test_a_redirect_is_not_followed() -> None:
    async with receiving(302) as receiver:
        told = await post(receiver.url, {}, sleep=no_pause)

    assert told and told.endswith("HTTP 302 (redirects are not followed)")
    assert len(receiver.bodies) == 1


async def test_one_that_is_silent_or_gone_is_given_up() -> None:
    async with receiving(200, wait_s=5) as receiver:
        told = await post(receiver.url, {}, attempts=2, try_s=0.2, sleep=no_pause)
    assert told == f"http://127.0.0.1:{receiver.port}: it went silent (2 tries)"

    told = await post(receiver.url, {}, sleep=no_pause)  # nobody listens there any more
    assert told == f"http://127.0.0.1:{receiver.port}: cannot connect (3 tries)"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.com/x", "starts with https://"),
        ("file:///etc/passwd", "starts with https://"),
        ("not an address", "starts with https://"),
        ("https://user:pw-canary@example.com/x", "user name or password"),
        ("http://10.0.0.7/x", "private address"),
        ("http://169.254.169.254/latest/meta-data", "private address"),
        ("http://[::ffff:127.0.0.1]/x", "private address"),
        ("http://[fd00::1]/x", "private address"),
        ("http://0.0.0.0/x", "private address"),
        ("https://example.com/" + "x" * 2000, "2,000 at most"),
    ],
)
def test_an_address_that_must_not_be_called_is_refused_without_repeating_it(url: str, why: str) -> None:
    with pytest.raises(ValueError, match=why) as caught:
        checked(url)
    assert "canary" not in str(caught.value) and "meta-data" not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["https://example.com/x", "http://localhost:8000/", "http://127.0.0.1:9/x", "http://[::1]:9/"]
)
def test_public_names_and_this_machine_may_be_called(url: str) -> None:
    assert checked(url) == url


async def test_a_name_that_leads_here_or_to_a_private_network_is_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    async def leads_here(self: Any, host: str, port: int = 0, family: int = 0) -> list[dict[str, Any]]:
        return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": 2, "proto": 0, "flags": 0}]

    monkeypatch.setattr(reach.aiohttp.ThreadedResolver, "resolve", leads_here)
    async with receiving(200) as receiver:
        told = await post(f"http://hooks.example.com:{receiver.port}{SECRET}", {}, sleep=no_pause)
        assert told and "private address, which is not called" in told
        assert receiver.bodies == []
        assert await post(f"http://localhost:{receiver.port}/", {}) is None  # this one says so itself


async def test_no_log_shows_the_address_once_it_was_given() -> None:
    url = f"https://example.com{SECRET}?token=abcdef"
    checked(url)

    for text in (f"POST {url} failed", f"{SECRET}?token=abcdef", json.dumps({"url": url})):
        assert "canary-of-a-webhook" not in redact(text)
        assert "canary-of-a-webhook" not in clean(text)
    assert webhooks.ATTEMPTS == 3
