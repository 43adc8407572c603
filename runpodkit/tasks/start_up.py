"""Start-up: in one line, what a Celery worker serves; and whether it should serve at all.

It ends with code 1 where only other settings help: a key or bucket that is refused, an unknown dialect.  Such a worker
would hold every run that it takes.  What comes back by itself is waited for: Celery tries Redis until it answers, and
runs are HELD and tried again while endpoint or store do not.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Awaitable, Iterable
from typing import Any

from celery import Celery
from celery.exceptions import CPendingDeprecationWarning
from celery.signals import celeryd_after_setup

import runpodkit.stack as stack
from runpodkit.blocking import LoopThread
from runpodkit.endpoint.client import Endpoint
from runpodkit.errors import AuthError, ConfigError, NotFoundError, RunpodkitError, StoreRefusedError
from runpodkit.kit import Kit
from runpodkit.logs import task_log
from runpodkit.runs import checks
from runpodkit.tasks.process import current_kit

PATIENCE_S = 10.0
"""For each part to answer."""
HOPELESS = (ConfigError, AuthError, NotFoundError, StoreRefusedError)


@celeryd_after_setup.connect
def _check(instance: Any, **_: Any) -> None:
    """Before the first task is taken."""
    warnings.filterwarnings("ignore", category=CPendingDeprecationWarning)  # at each loss of Redis: about what we set
    try:
        kit = current_kit()
        task_log.info("{}", line(kit, instance.app, _dialect_of(kit)))
        loop = LoopThread("runpodkit start-up")  # gone before children are forked: they inherit no half of a thread
        wrong = loop.call(_tried(kit))
        loop.close()
    except RunpodkitError as exc:
        wrong = [("settings", exc)]
    for what, error in wrong:
        cure = getattr(error, "cure", "") or checks.cure_of(error)
        told = " ".join(f"{what}: {error}{f'. {cure}' if cure else ''}".split())
        if isinstance(error, HOPELESS):
            task_log.critical("this worker ends, as it could only hold runs: {}", told)
        else:
            task_log.error("{}; it is tried again by itself", told)
    if any(isinstance(error, HOPELESS) for _, error in wrong):
        raise SystemExit(1)


def _dialect_of(kit: Kit) -> str:
    """Its name.  Sweeps bring their own along, so one whose file is gone stops only single pictures.

    Raises:
        ConfigError: no dialect has that name.
    """
    try:
        return kit.dialect.name
    except ConfigError as exc:
        if not (kit.settings.dialect or "").endswith((".toml", ".json")):
            raise
        task_log.error("dialect: {}; sweeps bring their own, single pictures fail until it is there", exc)
        return "missing"


def line(kit: Kit, app: Celery, dialect: str) -> str:
    """What a worker serves.  No key, no password."""
    mode = "SIMULATOR" if kit.simulated else "LIVE"
    queues = ", ".join(app.amqp.queues.consume_from)
    return (
        f"serving {mode} endpoint {kit.address.url} · dialect {dialect} · "
        f"Redis {stack.without_password(stack.redis_url(kit.settings))} · store {kit.store!r} · queues {queues}"
    )


async def _tried(kit: Kit) -> list[tuple[str, RunpodkitError]]:
    """What does not answer as it should, part by part."""

    async def endpoint() -> str:
        async with Endpoint(kit.address.url, kit.address.api_key) as apart:  # without limits kept in a Redis
            return await checks.endpoint_answers(apart, simulated=kit.simulated)

    async def redis() -> str:
        if kit.settings.redis_url is None:
            return "embedded"
        for remark in await asyncio.to_thread(stack.check_foreign_redis, stack.redis_url(kit.settings)):
            task_log.warning("{}", remark)
        return "answers"

    parts: Iterable[tuple[str, Awaitable[str]]] = (
        ("endpoint", endpoint()),
        ("store", checks.store_keeps(kit.store)),
        ("Redis", redis()),
    )
    found = await asyncio.gather(*(_trouble(how) for _, how in parts))
    return [(what, error) for (what, _), error in zip(parts, found, strict=True) if error]


async def _trouble(how: Awaitable[str]) -> RunpodkitError | None:
    try:
        async with asyncio.timeout(PATIENCE_S):
            await how
    except RunpodkitError as exc:
        return exc
    except TimeoutError:
        return RunpodkitError(f"no answer within {PATIENCE_S:.0f} s")
    return None
