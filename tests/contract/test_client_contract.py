"""The client halves of RunPod's SDK, unmodified, against the simulator."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.conftest import Served

MOCK = {"mock": {"exec_ms": 300, "bytes": 100}}


def said(served: Served, code: str) -> Any:
    """What a script says in JSON on its last line."""
    return json.loads(served.official(code).splitlines()[-1])


def test_the_sync_client_runs_waits_and_reads(built_in: Served) -> None:
    code = f"""
endpoint = runpod.Endpoint("local")
job = endpoint.run({MOCK!r})
first = job.status()
output = job.output(timeout=30)
print(json.dumps([first, job.status(), "image" in output]))
"""
    first, last, has_image = said(built_in, code)

    assert first in ("IN_QUEUE", "IN_PROGRESS")
    assert (last, has_image) == ("COMPLETED", True)


def test_the_sync_client_s_run_sync_gives_the_output(built_in: Served) -> None:
    assert "image" in said(built_in, f"print(json.dumps(runpod.Endpoint('local').run_sync({MOCK!r}, timeout=60)))")


def test_the_sync_client_cancels_purges_and_reads_health(built_in: Served) -> None:
    code = """
endpoint = runpod.Endpoint("local")
jobs = [endpoint.run({"mock": {"exec_ms": 20000}}) for _ in range(5)]
import time; time.sleep(1)
health = endpoint.health()
removed = endpoint.purge_queue()
cancelled = [job.cancel() for job in jobs[:2]]
print(json.dumps([health, removed, cancelled]))
"""
    health, removed, cancelled = said(built_in, code)

    assert health["jobs"]["inQueue"] == 3
    assert health["workers"]["running"] == 2
    assert removed == {"removed": 3, "status": "completed"}
    assert [answer["status"] for answer in cancelled] == ["CANCELLED", "CANCELLED"]


def test_the_sync_client_streams(streaming: Served) -> None:
    code = "print(json.dumps(list(runpod.Endpoint('local').run({'parts': 3}).stream())))"

    assert said(streaming, code) == [{"part": 0}, {"part": 1}, {"part": 2}]


def test_a_failed_job_is_failed_for_the_sync_client_too(plain: Served) -> None:
    code = """
job = runpod.Endpoint("local").run({"do": "raise", "what": "no such lora"})
output = job.output(timeout=30)
print(json.dumps([job.status(), output]))
"""
    assert said(plain, code) == ["FAILED", None]


ASYNC = """
import asyncio, aiohttp
from runpod import AsyncioEndpoint

async def main():
    async with aiohttp.ClientSession() as session:
        endpoint = AsyncioEndpoint("local", session)
        print(json.dumps(await work(endpoint)))
"""


def test_the_async_client_runs_cancels_and_reads_health(built_in: Served) -> None:
    code = f"""{ASYNC}
async def work(endpoint):
    job = await endpoint.run({MOCK!r})
    output = await job.output(timeout=30)
    unwanted = await endpoint.run({{"mock": {{"exec_ms": 20000}}}})
    cancelled = await unwanted.cancel()
    return [await job.status(), "image" in output, cancelled["status"], sorted(await endpoint.health())]

asyncio.run(main())
"""
    assert said(built_in, code) == ["COMPLETED", True, "CANCELLED", ["jobs", "workers"]]


def test_the_async_client_streams(streaming: Served) -> None:
    code = f"""{ASYNC}
async def work(endpoint):
    job = await endpoint.run({{"parts": 3}})
    return [part async for part in job.stream()]

asyncio.run(main())
"""
    assert said(streaming, code) == [{"part": 0}, {"part": 1}, {"part": 2}]
