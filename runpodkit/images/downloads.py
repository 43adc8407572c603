"""One door to addresses that stand in outputs: GET, bounded in size, time and reach.

The address that is checked is the address that is connected to, again at each redirect; `reach`
says which may be.  A private address is reached only where host and port are the endpoint's own.  Nothing
of ours travels: no key, cookie, netrc or proxy; and no message repeats a link's query, which may
be a signature.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

import aiohttp
from yarl import URL

from runpodkit.errors import OutputError
from runpodkit.images.reach import CheckedResolver, RefusedError, check_literal, failure

MAX_REDIRECTS = 5
ATTEMPTS = 3
"""Tries per download: asking again for a picture costs nothing, losing a paid one does."""
PAUSE_S = 0.5
_CHUNK = 256 * 1024
_HEADERS = {"User-Agent": "runpodkit", "Accept": "image/*", "Accept-Encoding": "identity"}
_REDIRECTS = (301, 302, 303, 307, 308)
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_LINK_CHARS = 16_000
_PRINTABLE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_PORTS = {"http": 80, "https": 443}


class _PassingError(Exception):
    """A failure that another try may not meet."""


async def download(
    url: str,
    *,
    endpoint_host: str,
    max_bytes: int,
    timeout_s: float,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> bytes:
    """The body behind `url`.

    Args:
        url: http or https, absolute, without user name or password.
        endpoint_host: `host` or `host:port`; without a port the scheme's own is meant.
        max_bytes: Refused at the header that announces more, or the byte that is one too many.
        timeout_s: Over everything: names, redirects, repeats, the last byte.

    Raises:
        OutputError: what stood in the way, with the link but without its query.
    """
    target = _checked(url)
    try:
        async with asyncio.timeout(timeout_s):
            for attempt in range(1, ATTEMPTS + 1):
                try:
                    return await _follow(target, endpoint_host, max_bytes)
                except _PassingError as exc:
                    if attempt == ATTEMPTS:
                        raise OutputError(f"{_show(target)}: {exc} ({ATTEMPTS} tries)") from None
                    await sleep(PAUSE_S * 2 ** (attempt - 1))
    except TimeoutError:
        raise OutputError(f"{_show(target)}: not here after {timeout_s:g} s") from None
    raise AssertionError("unreachable")


async def _follow(url: URL, endpoint_host: str, max_bytes: int) -> bytes:
    for _ in range(MAX_REDIRECTS + 1):
        answer = await _get(url, endpoint_host, max_bytes)
        if isinstance(answer, bytes):
            return answer
        url = _checked(answer, url)
    raise OutputError(f"{_show(url)}: more than {MAX_REDIRECTS} redirects")


async def _get(url: URL, endpoint_host: str, max_bytes: int) -> bytes | str:
    """The body, or where a redirect points."""
    private_allowed = _is_endpoint(url, endpoint_host)
    _check_written(url, private_allowed)
    connector = aiohttp.TCPConnector(resolver=CheckedResolver(private_allowed), use_dns_cache=False, force_close=True)
    try:
        async with (
            aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,  # a compressed body could grow past every bound
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=15, sock_read=30),
            ) as session,
            session.get(url, headers=_HEADERS, allow_redirects=False) as response,
        ):
            if response.status in _REDIRECTS and "Location" in response.headers:
                return response.headers["Location"]
            if response.status in _PASSING:
                raise _PassingError(f"HTTP {response.status}")
            if response.status != 200:
                raise OutputError(f"{_show(url)}: HTTP {response.status}{_hint(response.status)}")
            if (response.content_length or 0) > max_bytes:
                raise OutputError(f"{_show(url)}: announces {response.content_length:,} bytes, over {max_bytes:,}")
            body = bytearray()
            async for piece in response.content.iter_chunked(_CHUNK):
                body += piece
                if len(body) > max_bytes:
                    raise OutputError(f"{_show(url)}: sends more than {max_bytes:,} bytes")
            return bytes(body)
    except RefusedError as exc:
        raise OutputError(f"{_show(url)}: {exc}") from None
    except (aiohttp.ClientError, OSError, ValueError) as exc:
        # aiohttp's own words may repeat the whole link, signature included
        raise _PassingError(failure(exc)) from None


def _checked(text: str, base: URL | None = None) -> URL:
    if len(text) > _LINK_CHARS:
        raise OutputError(f"the output's link has {len(text):,} characters, over {_LINK_CHARS:,}")
    try:
        # printable ASCII goes out as it came, since a signature may cover it; the rest is quoted
        link = URL(text, encoded=_PRINTABLE.fullmatch(text) is not None)
        url = link if base is None else base.join(link)
        host, port = url.raw_host, url.port
    except (ValueError, TypeError):
        raise OutputError("the output's link cannot be read as an address") from None
    if not url.scheme and base is None:
        raise OutputError(
            "the output names a file on the worker, not a link: the worker has no bucket to upload to "
            "(set its BUCKET_… variables), or let it answer with base64"
        )
    if url.scheme not in _PORTS:
        raise OutputError(f"the output's link is {url.scheme[:20]}:, only http and https are fetched")
    if not host or port is None or not _HOST.fullmatch(host):
        raise OutputError("the output's link names no host that can be asked")
    if url.user is not None or url.password is not None:
        raise OutputError(f"{_show(url)}: a link with a user name or password is not followed")
    return url.with_fragment(None)


def _is_endpoint(url: URL, endpoint_host: str) -> bool:
    try:
        endpoint = URL(f"{url.scheme}://{endpoint_host}")
        return bool(endpoint_host) and _host_port(endpoint) == _host_port(url)
    except ValueError:
        return False


def _host_port(url: URL) -> tuple[str, int | None]:
    return (url.raw_host or "").lower(), url.port


def _check_written(url: URL, private_allowed: bool) -> None:
    """An address written as such never reaches the resolver, so it is checked here."""
    try:
        check_literal(url.raw_host or "", private_allowed)
    except RefusedError as exc:
        raise OutputError(f"{_show(url)}: {exc}") from None


def _show(url: URL) -> str:
    """The link for a person: no query, no user, no endless path."""
    path = url.raw_path
    shown = path if len(path) <= 80 else path[:40] + "…" + path[-32:]
    return f"{url.scheme}://{url.host_port_subcomponent}{shown}"


def _hint(status: int) -> str:
    if status in (401, 403):
        return " (the link may have expired, or its bucket is private)"
    return " (the picture is gone: such links last hours or days)" if status in (404, 410) else ""
