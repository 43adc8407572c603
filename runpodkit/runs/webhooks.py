"""Webhooks: one POST of JSON to an address that a person gave, bounded in time, tries and reach.

The address counts as a secret, for whoever has it may write there: messages name its host alone.  http and https only,
no redirects, nothing of ours besides the JSON: no key, cookie, netrc or proxy.  The address that is checked is the one
that is connected to; this machine is reached only where the address says so itself.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import aiohttp
from yarl import URL

from runpodkit.images.reach import CheckedResolver, RefusedError, check_literal, failure
from runpodkit.logs import hide

ATTEMPTS = 3
TRY_S = 10.0
"""One try takes no longer, names included."""
PAUSE_S = 1.0
MAX_CHARS = 2000
_HOST = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_TELLING = 16
"""Characters from which the path of an address is a secret by itself."""


def checked(url: str) -> str:
    """An address that may be called; from here on no log shows it.

    Raises:
        ValueError: it cannot be meant; the message does not repeat it.
    """
    if len(url) > MAX_CHARS:
        raise ValueError(f"notify: the address has {len(url):,} characters, {MAX_CHARS:,} at most")
    try:
        link = URL(url)
        host, port = link.raw_host, link.port
    except (ValueError, TypeError):
        raise ValueError("notify: this cannot be read as an address; give https://…") from None
    if link.scheme not in ("http", "https") or not host or not port or not _HOST.fullmatch(host):
        raise ValueError("notify: give a function, or an address with a host that starts with https:// or http://")
    if link.user is not None or link.password is not None:
        raise ValueError(
            f"notify: an address with a user name or password is not called ({_place(link)}); put a token in its path"
        )
    try:
        check_literal(host, False, loopback_allowed=True)
    except RefusedError:
        raise ValueError(
            f"notify: {_place(link)} is a private address; only public ones and this machine itself (127.0.0.1) are called"
        ) from None
    hide(url)
    if len(link.raw_path_qs) >= _TELLING:
        hide(link.raw_path_qs)
    return url


async def post(
    url: str,
    told: Mapping[str, Any],
    *,
    attempts: int = ATTEMPTS,
    try_s: float = TRY_S,
    sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
) -> str | None:
    """Send JSON to an address, again where another try may help.

    Args:
        told: Its `id`, the same each time, goes into the header `Idempotency-Key` as well.

    Returns:
        None where it was taken; else why not, in words that show of the address its host alone.
    """
    try:
        link = URL(checked(url))
    except ValueError as exc:
        return str(exc)
    why = ""
    for attempt in range(1, attempts + 1):
        try:
            async with asyncio.timeout(try_s):
                status = await _post(link, told)
        except RefusedError:
            return f"{_place(link)}: it leads to a private address, which is not called"
        except (aiohttp.ClientError, OSError, ValueError) as exc:  # TimeoutError is an OSError
            why = failure(exc)
        else:
            if 200 <= status < 300:
                return None
            why = f"HTTP {status}"
            if status not in _PASSING:
                return f"{_place(link)}: {why}" + (" (redirects are not followed)" if 300 <= status < 400 else "")
        if attempt < attempts:
            await sleep(PAUSE_S * 2 ** (attempt - 1))
    return f"{_place(link)}: {why} ({attempts} tries)"


async def _post(link: URL, told: Mapping[str, Any]) -> int:
    loopback = _is_loopback(link.raw_host or "")
    connector = aiohttp.TCPConnector(resolver=CheckedResolver(False, loopback), use_dns_cache=False, force_close=True)
    headers = {"User-Agent": "runpodkit", "Idempotency-Key": str(told.get("id", ""))}
    async with (
        aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False) as session,
        session.post(link, json=dict(told), headers=headers, allow_redirects=False) as response,
    ):
        return response.status


def _is_loopback(host: str) -> bool:
    """Whether the address itself says that this machine is meant: a name that leads here is not enough."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _place(link: URL) -> str:
    return f"{link.scheme}://{link.host_port_subcomponent}"
