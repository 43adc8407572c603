"""How much the endpoint client costs beside a bare aiohttp loop, and how many status calls the simulator serves.

    python benchmarks/client.py [--jobs 400] [--rounds 3] [--json]

One run starts `runpodkit simulate` in a process of its own and prints:

- status calls per second of one core of the simulator: calls ÷ CPU time of its process;
- CPU per job of the client (submit, follow, read about 64 kB of base64) and of a bare aiohttp loop
  (POST, sleep, GET, base64) doing the same jobs in turn, and their ratio.

No threshold is asserted: machines are noisy, ratios of one run are not.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import json
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import aiohttp

from runpodkit.endpoint.client import Endpoint
from runpodkit.endpoint.dialects.reading import read_output
from runpodkit.endpoint.follow import Pace
from runpodkit.images.outputs import decode_text

KEY = "rpa_made_up_for_benchmarks"
EXEC_S, BYTES = 0.4, 48_000  # 64 kB as base64
AT_ONCE = 50
JOB = {"mock": {"exec_ms": int(EXEC_S * 1000), "bytes": BYTES}}


class NoLimit:
    """Both sides go as fast as they can."""

    async def take(self, operation: str) -> None: ...

    def refused(self, operation: str) -> None: ...

    def saw(self, workers: int) -> None: ...


@contextmanager
def simulator() -> Iterator[tuple[str, int]]:
    """URL and process id of one without rate limits."""
    words = [
        sys.executable,
        "-m",
        "runpodkit",
        "simulate",
        "--port",
        "0",
        "--key",
        KEY,
        "--workers",
        "200",
        "--no-limits",
    ]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        found = re.search(r"(http://\S+)/run", process.stdout.readline())
        assert found
        yield found.group(1), process.pid
    finally:
        process.terminate()
        process.wait(15)
        if process.stdout:
            process.stdout.close()


def cpu_s(pid: int) -> float:
    """CPU seconds that a process has used, without its children."""
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def status_rate(url: str, pid: int, seconds: float = 4.0, connections: int = 16) -> tuple[float, float]:
    """Status calls per second of the simulator's CPU, and per second of the clock.

    Raw sockets, so that the asking costs little: both share a small machine.
    """
    host, port = re.findall(r"//([\d.]+):(\d+)", url)[0]
    path = re.sub(r"^http://[^/]+", "", url)
    async with Endpoint(url, KEY, limiter=NoLimit()) as endpoint:
        job = await endpoint.wait(await endpoint.submit({"mock": {"exec_ms": 1, "bytes": 10}}))
    request = f"GET {path}/status/{job.id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
    asked = 0

    async def ask(until: float) -> None:
        nonlocal asked
        reader, writer = await asyncio.open_connection(host, int(port))
        while time.monotonic() < until:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            assert length, head
            await reader.readexactly(int(length.group(1)))
            asked += 1
        writer.close()

    began, used = time.monotonic(), cpu_s(pid)
    await asyncio.gather(*(ask(began + seconds) for _ in range(connections)))
    return asked / (cpu_s(pid) - used), asked / (time.monotonic() - began)


async def ours(url: str, jobs: int, calls: list[int]) -> None:
    """The endpoint client: submit, follow, read."""
    gate, pace = asyncio.Semaphore(AT_ONCE), Pace()
    async with Endpoint(url, KEY, limiter=NoLimit()) as endpoint:
        counted = endpoint.status

        async def status(job: Any) -> Any:
            calls.append(1)
            return await counted(job)

        endpoint.status = status  # type: ignore[method-assign]

        async def one() -> None:
            async with gate:
                job = await endpoint.wait(await endpoint.submit(JOB), pace=pace)
                pace.saw(job.execution_time_s or EXEC_S)
                (image,) = read_output(job.output).images
                assert len(decode_text(image.value)) > BYTES * 0.9

        await asyncio.gather(*(one() for _ in range(jobs)))


async def bare(url: str, jobs: int) -> None:
    """What one would write without a client, for jobs of a known time."""
    gate = asyncio.Semaphore(AT_ONCE)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=100)) as session:

        async def one() -> None:
            async with gate:
                async with session.post(f"{url}/run", json={"input": JOB}) as answer:
                    job = await answer.json()
                await asyncio.sleep(EXEC_S * 1.05)
                while True:
                    async with session.get(f"{url}/status/{job['id']}") as answer:
                        told = await answer.json()
                    if told["status"] == "COMPLETED":
                        break
                    await asyncio.sleep(0.1)
                assert len(base64.b64decode(told["output"]["image"])) > BYTES * 0.9

        await asyncio.gather(*(one() for _ in range(jobs)))


def cost_ms(work: Callable[[], Awaitable[None]], jobs: int) -> float:
    """CPU milliseconds per job of this process."""
    used = time.process_time()
    asyncio.run(work())  # type: ignore[arg-type]
    return (time.process_time() - used) / jobs * 1000


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--jobs", type=int, default=400)
    words.add_argument("--rounds", type=int, default=3)
    words.add_argument("--json", action="store_true")
    given = words.parse_args()
    mine, theirs, calls = [], [], []
    with simulator() as (url, pid):
        per_cpu_s, per_s = asyncio.run(status_rate(url, pid))
        cost_ms(lambda: bare(url, 50), 50)
        cost_ms(lambda: ours(url, 50, []), 50)
        for _ in range(given.rounds):
            theirs.append(cost_ms(lambda: bare(url, given.jobs), given.jobs))
            mine.append(cost_ms(lambda: ours(url, given.jobs, calls), given.jobs))
    ratio = statistics.median(own / other for own, other in zip(mine, theirs, strict=True))
    told = {
        "status_calls_per_cpu_s": round(per_cpu_s),
        "status_calls_per_s": round(per_s),
        "client_cpu_ms_per_job": round(statistics.median(mine), 3),
        "bare_cpu_ms_per_job": round(statistics.median(theirs), 3),
        "ratio": round(ratio, 2),
        "status_calls_per_job": round(len(calls) / given.jobs / given.rounds, 2),
    }
    if given.json:
        print(json.dumps(told))
        return
    print(f"simulator   {told['status_calls_per_cpu_s']:,} status calls per second of one core (target 1,500)")
    print(f"client      {told['client_cpu_ms_per_job']} ms CPU per job, {told['status_calls_per_job']} status calls")
    print(f"bare loop   {told['bare_cpu_ms_per_job']} ms CPU per job")
    print(f"ratio       {told['ratio']} (target 3.0)")


if __name__ == "__main__":
    main()
