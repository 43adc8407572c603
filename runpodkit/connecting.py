"""Connecting: a kit from what is configured, and what needs no kit of the caller's own.

Nothing configured is a working state: without a key the simulator stands in for RunPod,
without REDIS_URL a private Redis is started, without a bucket a folder keeps the
pictures.  This module alone picks live or simulator, and says which.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import runpodkit.stack as stack
from runpodkit.endpoints import address_of, named_endpoints, settings_of
from runpodkit.errors import ConfigError
from runpodkit.kit import Kit
from runpodkit.runs.money import usd_per_s
from runpodkit.runs.opening import open_place
from runpodkit.runs.run import Run
from runpodkit.runs.watch import in_notebook
from runpodkit.settings import EndpointAddress, Settings


def connect(
    target: str | None = None,
    *,
    dialect: str | None = None,
    gpu: str | None = None,
    live: bool = False,
    start_worker: bool | None = None,
    quiet: bool = False,
    settings: Settings | None = None,
) -> Kit:
    """Connect to an endpoint, starting whatever is not configured; prints what it is connected to.

    Args:
        target: A name in `endpoints.toml`, or an endpoint's URL or id, one of RunPod's public ones too; default: RUNPOD_URL, else the simulator.
        dialect: How its worker spells things: a built-in name, your own `.toml`, or a ComfyUI workflow's `.json`;
            default: RUNPODKIT_DIALECT, else what a public endpoint takes, else `native`.
        gpu: The GPU of its workers, for what jobs cost; default: RUNPODKIT_GPU, or what `endpoints.toml` says.
        live: Never fall back to the simulator.
        start_worker: Start a Celery worker; default: only beside the embedded Redis.
        quiet: Print nothing.
        settings: Instead of the environment and `.env`.

    Raises:
        ConfigError: a setting is missing or contradicts another; the message says what to set.
        StackError: a stand-in cannot be started; the message says how to get one.
    """
    if in_notebook():
        threading.Thread(target=_load_forms, name="runpodkit warm-up", daemon=True).start()
    settings = settings or Settings.load()
    if dialect:
        settings = settings.with_dialect(dialect)
    named = named_endpoints(settings).get(target or "")
    if target and named:
        address: EndpointAddress | None = address_of(settings, target, named)
        settings = settings_of(settings, named).with_dialect(dialect) if dialect else settings_of(settings, named)
    else:
        address = settings.address(target)
    if gpu:
        usd_per_s(gpu)
        settings = settings.model_copy(update={"gpu": gpu})
    if live and (address is None or address.is_simulated):
        raise ConfigError(
            "RUNPOD_API_KEY is not set, and live=True never uses the simulator: set RUNPOD_API_KEY and RUNPOD_URL"
            if address is None
            else f"live=True, but RUNPOD_URL {address.url} is on this machine: that is a simulator"
        )
    stack.ensure_redis(settings)
    stands_in = address is None
    if start_worker or (start_worker is None and not settings.redis_url):
        stack.ensure_worker(settings, address)
    kit = Kit(settings, address or stack.ensure_simulator(settings), stands_in=stands_in, named=named)
    kit.dialect  # noqa: B018 - a dialect that cannot be meant is told now
    _open_kits.add(kit)
    if not quiet:
        print(kit.line)
        if settings.redis_url and not start_worker and not kit.has_worker():
            print(
                "no Celery worker answers on REDIS_URL: start one with these settings by "
                "`celery -A runpodkit.tasks worker --loglevel=info --concurrency=2`, or connect(start_worker=True)"
            )
    return kit


def _load_forms() -> None:
    """While the parts are put together, a notebook's first form gets its half second of imports done."""
    with contextlib.suppress(ConfigError):  # without the `lab` extra there are no forms
        import runpodkit.notebook.forms  # noqa: F401


def open_run(where: str | Path) -> Run:
    """A run by its name, as it stands, or one that lies elsewhere, to be read: then nothing is started or asked for.

    Args:
        where: A run's name; or a folder `…/runs/<name>`, an address `s3://<bucket>/…/runs/<name>`, or a `.zip` by
            `run.freeze`.

    Raises:
        StoreError: there is no such run, or it cannot be read; the message says what is there.
        ConfigError: a bucket is meant, and no keys for it are set.
        ValueError: neither a run's name nor such a place.
    """
    run = open_place(where)
    return connect(quiet=True).open_run(str(where)) if run is None else run


async def generate_image_async(
    user_prompt: str,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    cfg_scale: float | None = None,
    seed: int | None = None,
    negative_prompt: str | None = None,
    sampler_name: str | None = None,
    scheduler: str | None = None,
    use_enhanced_prompts: bool | None = None,
    timeout: int | None = None,
) -> str:
    """Draw one picture and give its URL: presigned for a bucket, a file address for a folder.

    What is left out is as the endpoint's dialect has it; a seed is drawn.

    Raises:
        ValueError: a parameter out of bounds.
        RunpodkitError: no picture could be had; the message says why.
    """
    asked: Mapping[str, Any] = {
        "width": width,
        "height": height,
        "steps": steps,
        "cfg_scale": cfg_scale,
        "seed": seed,
        "negative_prompt": negative_prompt,
        "sampler_name": sampler_name,
        "scheduler": scheduler,
        "use_enhanced_prompts": use_enhanced_prompts,
        "timeout": timeout,
    }
    kit = await asyncio.to_thread(connect, quiet=True)
    try:
        picture = await kit.agenerate(
            user_prompt, **{name: value for name, value in asked.items() if value is not None}
        )
        return await asyncio.to_thread(lambda: picture.url)
    finally:
        await kit.aclose()


_open_kits: weakref.WeakSet[Kit] = weakref.WeakSet()


@atexit.register
def _close_all() -> None:
    """At exit: what cannot be closed any more must not keep the interpreter from ending."""
    for kit in list(_open_kits):
        with contextlib.suppress(Exception):
            kit.close()
