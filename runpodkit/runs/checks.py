"""Checks: every part a run stands on, tried once, with a cure where it fails."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx

from runpodkit.endpoint.client import Endpoint
from runpodkit.endpoint.dialects import Dialect
from runpodkit.errors import AuthError, NotFoundError, RunHeldError, RunpodkitError, StoreError
from runpodkit.runs.money import usd_per_s
from runpodkit.runs.picture import Picture
from runpodkit.storage import Store

LINK_PATIENCE_S = 15.0


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was tried, whether it works, and the cure if not."""

    what: str
    ok: bool
    detail: str
    cure: str = ""


async def attempt(what: str, how: Callable[[], Awaitable[str]], cure: str = "") -> Check:
    """Try one part; our own errors make a red line, with their cure or the one given."""
    try:
        return Check(what, True, await how())
    except (RunpodkitError, ValueError) as exc:
        return Check(what, False, " ".join(str(exc).split()), getattr(exc, "cure", "") or cure_of(exc) or cure)


def cure_of(error: Exception) -> str:
    """What to do about an error that does not say it itself; empty where nothing is known."""
    if isinstance(error, AuthError):
        return "runpodkit login stores another key; keys are made on the RunPod console, Settings, API keys"
    if isinstance(error, NotFoundError):
        return "Copy the endpoint's URL from the RunPod console into RUNPOD_URL"
    if isinstance(error, StoreError):
        return "Check YANDEX_… or S3_…: bucket, keys, endpoint URL, and the rights of that key"
    return ""


async def endpoint_answers(endpoint: Endpoint, *, simulated: bool) -> str:
    """Key and endpoint, by one health call, which costs nothing."""
    health = await endpoint.health()
    trouble = f"; {health.trouble}" if health.trouble else ""
    mode = "SIMULATOR" if simulated else "LIVE"
    return f"{mode}, {health.workers} workers, {health.in_queue} jobs in queue{trouble}"


def dialect_known(dialect: Dialect, *, chosen: bool) -> str:
    """Which dialect is spoken, and why."""
    if chosen:
        return f"{dialect.name}, as RUNPODKIT_DIALECT says"
    if dialect.public:
        return f"{dialect.name}, known of this public endpoint"
    return f"{dialect.name}, as nothing else is said; --picture tries it, `runpodkit dialects` lists others"


def price_known(dialect: Dialect, gpu: str | None, *, simulated: bool) -> str:
    """What a job costs, as far as it can be known before one."""
    if simulated:
        return "nothing is paid on the simulator"
    if dialect.usd_per_image is not None:
        return f"${dialect.usd_per_image:g} per picture, as published"
    if dialect.usd_per_megapixel is not None:
        return f"${dialect.usd_per_megapixel:g} per megapixel, as published"
    rate = usd_per_s(gpu)
    if rate is None:
        return "unknown: set RUNPODKIT_GPU to the GPU of the endpoint for estimates"
    return f"${rate:g} per second of a {gpu}, as published"


async def store_keeps(store: Store) -> str:
    """Write, read and delete a few bytes; where the store has links, one is followed."""
    key, data = f"check/{secrets.token_hex(8)}.txt", secrets.token_bytes(16)

    def there_and_back() -> str:
        store.put(key, data)
        if store.get(key) != data:
            raise StoreError("what was written is not what is read back")
        return store.url(key)

    try:
        link = await asyncio.to_thread(there_and_back)
        told = await _linked(link, data)
    finally:
        await asyncio.to_thread(store.delete, key)
    return f"{store.describe}: written, read{told}, deleted"


async def _linked(link: str, data: bytes) -> str:
    if not link.startswith(("http://", "https://")):
        return ""
    request = httpx.Request("GET", link, extensions={"timeout": httpx.Timeout(LINK_PATIENCE_S).as_dict()})
    try:
        # not a client: its log line would hold the link, signature and all
        async with httpx.AsyncHTTPTransport(trust_env=False) as door:
            answer = await door.handle_async_request(request)
            await answer.aread()
    except httpx.HTTPError as exc:
        raise StoreError(f"the link to a stored picture cannot be opened ({type(exc).__name__})") from exc
    if answer.content != data:
        raise StoreError(f"the link to a stored picture gives HTTP {answer.status_code} instead of it")
    return ", read by link"


async def picture_drawn(draw: Callable[[], Awaitable[Picture]]) -> str:
    """One picture from prompt to store."""
    try:
        picture = await draw()
    except RunHeldError as exc:
        raise StoreError(exc.reason) if exc.reason.startswith("store:") else exc from None
    seconds = picture.execution_time_s
    time = f" in {seconds:.1f} s" if seconds is not None else ""
    cost = f", ${picture.cost_usd:.2g}" if picture.cost_usd is not None and not picture.simulated else ""
    return f"{picture.image.width}×{picture.image.height}{time}{cost}"
