"""Transport: the one door to an endpoint; what fails here leaves as one of our errors.

What is safe to repeat is repeated through passing trouble, bounded in tries and time; any
other POST only after a 429, which says that it was not taken: a repeated `run` is paid for
twice.  Its error says whether it may have been accepted.  Knows bytes and status codes, not jobs.
"""

from __future__ import annotations

import asyncio
import contextlib
import email.utils
import html
import random
import re
import time
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from importlib.metadata import version
from typing import Any, Protocol

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from pydantic import SecretStr

from runpodkit.endpoint.limits import at_once
from runpodkit.errors import (
    ApiError,
    AuthError,
    NotFoundError,
    ProtocolError,
    RateLimitError,
    ServerError,
    TransportError,
)
from runpodkit.logs import redact, runpod_log
from runpodkit.reprs import plain

GET_TRIES, GET_PATIENCE_S = 6, 30.0
BACKOFF_S, LONGEST_BACKOFF_S = 0.5, 8.0
MAX_ANSWER_BYTES = 64 * 1024 * 1024
PIECE_BYTES = 512 * 1024
CONNECTIONS, KEPT_ALIVE = 400, 100
"""As many as the widest published limit lets be open at once; idle ones beyond a hundred are closed."""
TIMEOUT_S, CONNECT_S, POOL_S = 30.0, 10.0, 60.0
_HEADERS = (
    ("Accept", "application/json"),
    ("Accept-Encoding", "gzip, deflate"),
    ("User-Agent", f"runpodkit/{version('runpodkit')}"),
)
_NEVER_SENT = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)


class Limiter(Protocol):
    """Paces requests under the published limits."""

    async def take(self, operation: str) -> None:
        """Return when one request of this operation may go."""

    def refused(self, operation: str) -> None:
        """The service answered 429."""

    def saw(self, workers: int) -> None:
        """So many workers are started: some limits grow with them."""


class Transport:
    """Requests to one endpoint.

    Keeps one connection pool per running event loop, so the same object serves a
    notebook's loop and the loop of our own thread.
    """

    def __init__(
        self,
        base_url: str,
        api_key: SecretStr,
        *,
        limiter: Limiter | None = None,
        http: httpx.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        chance: Callable[[], float] = random.random,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """`http` replaces the network, for tests: an ASGI or mock transport; `timeout_s` bounds each silence."""
        self._timeout = httpx.Timeout(timeout_s, connect=CONNECT_S, pool=POOL_S)
        self._base_url, self._api_key, self._limiter, self._http = base_url, api_key, limiter, http
        self._clock, self._sleep, self._chance = clock, sleep, chance
        self._doors: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Door] = weakref.WeakKeyDictionary()

    async def call(
        self,
        method: str,
        path: str,
        *,
        operation: str,
        content: bytes | None = None,
        params: Mapping[str, str] | None = None,
        read_timeout_s: float | None = None,
        repeatable: bool = False,
    ) -> bytes:
        """One operation; gives the body of a 2xx answer.

        Args:
            operation: Whose limits it falls under.
            read_timeout_s: How long the endpoint may be silent; default: as the transport was made.
            repeatable: A POST that does nothing more the second time.

        Raises:
            TransportError: no answer; `may_be_accepted` tells whether it may have arrived.
            ApiError: the service refused, by status code.
            ProtocolError: the answer is larger than 64 MiB.
        """
        about = f"{method} {path}"
        passing: tuple[type[Exception], ...] = (TransportError, ServerError, RateLimitError)
        if method != "GET" and not repeatable:
            passing = (RateLimitError,)
        started, tries = self._clock(), 0
        while True:
            tries += 1
            try:
                return await self._once(method, path, operation, about, content, params, read_timeout_s)
            except passing as exc:
                pause = self._pause_s(exc, tries)
                if tries >= GET_TRIES or self._clock() - started + pause > GET_PATIENCE_S:
                    raise
                runpod_log.debug("{}: {}; again in {:.1f} s", about, exc, pause)
                await self._sleep(pause)

    def _pause_s(self, error: Exception, tries: int) -> float:
        """Full jitter, unless the service says how long."""
        if isinstance(error, RateLimitError) and error.retry_after_s is not None:
            return error.retry_after_s
        longest: float = min(LONGEST_BACKOFF_S, BACKOFF_S * 2**tries)
        return self._chance() * longest

    async def _once(
        self,
        method: str,
        path: str,
        operation: str,
        about: str,
        content: bytes | None,
        params: Mapping[str, str] | None,
        read_timeout_s: float | None,
    ) -> bytes:
        if self._limiter:
            await self._limiter.take(operation)
        timeout = httpx.Timeout(read_timeout_s, connect=CONNECT_S, pool=POOL_S) if read_timeout_s else self._timeout
        door = self._door()
        request = httpx.Request(
            method,
            f"{self._base_url}/{path}",
            content=_body(content),
            params=params,
            headers=self._headers(content),  # in no variable here: tracebacks may show what is in those
            extensions={"timeout": timeout.as_dict()},
        )
        try:
            async with door.gate(operation):
                # The transport itself: a client's cookies, redirects and logins would cost a quarter of the whole,
                # and none of them may happen here.
                response = await door.http.handle_async_request(request)
                response.request = request
                try:
                    body = await _read(response, about)
                finally:
                    await response.aclose()
        except httpx.DecodingError as exc:
            raise ProtocolError(f"{about}: the answer cannot be unpacked ({exc})") from exc
        except (httpx.TransportError, httpx.StreamError, aiohttp.ClientError, OSError) as exc:
            never_sent = isinstance(exc.__cause__, _NEVER_SENT) or isinstance(exc, _NEVER_SENT)
            detail = redact(str(exc) or type(exc).__name__)
            raise TransportError(f"{about}: no answer from {self._base_url} ({detail})", not never_sent) from exc
        if response.is_success:
            return body
        if response.status_code == 429 and self._limiter:
            self._limiter.refused(operation)
        raise _refusal(response, body, about, self._base_url)

    def _headers(self, content: bytes | None) -> list[tuple[str, str]]:
        body = (
            [("Content-Type", "application/json"), ("Content-Length", str(len(content)))] if content is not None else []
        )
        return [("Authorization", f"Bearer {self._api_key.get_secret_value()}"), *_HEADERS, *body]

    def _door(self) -> _Door:
        loop = asyncio.get_running_loop()
        door = self._doors.get(loop)
        if door is None:
            limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=KEPT_ALIVE)
            door = self._doors[loop] = _Door(self._http or AiohttpTransport(limits=limits, trust_env=False))
        return door

    async def aclose(self) -> None:
        """Close the connections that belong to the running loop."""
        door = self._doors.pop(asyncio.get_running_loop(), None)
        if door:
            await door.http.aclose()


class _Door:
    """What belongs to one event loop: connections, and how many requests of an operation are open."""

    def __init__(self, http: httpx.AsyncBaseTransport) -> None:
        self.http = http
        self._gates: dict[str, asyncio.Semaphore] = {}

    def gate(self, operation: str) -> contextlib.AbstractAsyncContextManager[Any]:
        """Open while a request of this operation may be."""
        most = at_once(operation)
        if most is None:
            return contextlib.nullcontext()
        return self._gates.setdefault(operation, asyncio.Semaphore(most))


def _body(content: bytes | None) -> bytes | AsyncIterator[bytes] | None:
    """A large body piece by piece: written at once it would hold up the loop, and every other job on it."""
    if content is None or len(content) <= PIECE_BYTES:
        return content

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(content), PIECE_BYTES):
            yield content[start : start + PIECE_BYTES]

    return pieces()


async def _read(response: httpx.Response, about: str) -> bytes:
    parts, size = [], 0
    async for part in response.aiter_bytes():
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            raise ProtocolError(f"{about}: the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB")
        parts.append(part)
    return b"".join(parts)


def _refusal(response: httpx.Response, body: bytes, about: str, url: str) -> ApiError:
    code, said = response.status_code, excerpt(body)
    text = f"{about}: {said}" if said else about
    if code in (401, 403):
        endpoint = url.rpartition("/")[2]
        return AuthError(
            code, f"{text}: the key is wrong or has no rights to endpoint {endpoint}; check RUNPOD_API_KEY"
        )
    if code == 404:
        return NotFoundError(code, text)
    if code == 429:
        return RateLimitError(code, text, _retry_after_s(response.headers))
    if code >= 500:
        return ServerError(code, text)
    return ApiError(code, text)


def excerpt(body: bytes) -> str:
    """What a person wants to read of a refusal: the message of JSON, the text of HTML, 200 characters at most."""
    text = body[:4000].decode("utf-8", "replace")
    if match := re.search(r'"(?:error|message|detail)"\s*:\s*"((?:[^"\\]|\\.){1,400})"', text):
        text = match.group(1)
    elif "<" in text:
        text = html.unescape(re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.S))
    text = plain(" ".join(text.split()))
    return redact(text if len(text) <= 200 else text[:199] + "…")


def _retry_after_s(headers: httpx.Headers) -> float | None:
    """`Retry-After` or `RateLimit-Reset` in seconds, from 0 to 60; None if neither can be read."""
    for name in ("retry-after", "ratelimit-reset", "x-ratelimit-reset"):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d+)?", value):
            return min(float(value), 60.0)
        if value and (moment := _http_date(value)) is not None:
            return max(0.0, min(moment - time.time(), 60.0))
    return None


def _http_date(value: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
