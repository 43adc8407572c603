"""How near a sweep comes to the fastest it could be, and what it costs beside a bare aiohttp loop.

    python benchmarks/sweep.py [--trials 1000] [--rounds 3] [--large 10000] [--write docs/performance.md]

One run starts `runpodkit simulate` (200 workers, jobs of 1 s), Redis and a Celery worker of their own, and prints,
each beside its yardstick:

- first submission to the last job's end, to the last result fetched, to the last record stored: as ratios to the
  bound, which is trials × time ÷ workers;
- CPU per trial of Celery worker, Redis and the waiting process together, start-up excluded, beside a bare aiohttp
  loop (POST, sleep, GET, base64) over the same jobs;
- status calls per job; the time `submit` takes to return; peak memory of each process;
- with `--large`: the same for ten times the trials, and CPU per trial as a ratio to the smaller run;
- what costs what: the parts of a trial, each measured alone.

No threshold is asserted: machines are noisy, ratios of one run are not.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import itertools
import json
import os
import re
import resource
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

import runpodkit as rk
from runpodkit import stack
from runpodkit.endpoint.dialects import get_dialect
from runpodkit.endpoint.keys import trial_key
from runpodkit.images.metadata import embed
from runpodkit.images.outputs import decode_text, inspect
from runpodkit.params import ImageParams
from runpodkit.prompts import PRESETS, enhance
from runpodkit.runs.rows import ImageFile, Row, TrialState
from runpodkit.runs.run import Run
from runpodkit.settings import Settings
from runpodkit.storage.local import LocalStore

KEY = "rpa_made_up_for_benchmarks"
EXEC_S, BYTES = 1.0, 48_000  # 64 kB as base64
JOB = {"mock": {"exec_ms": int(EXEC_S * 1000), "bytes": BYTES}}
WINDOW = 400
KEPT = "\n<!-- by other benchmarks -->"
"""Where the part of the page begins that other benchmarks measure."""


@contextmanager
def simulator(workers: int) -> Iterator[str]:
    """URL of one with the published limits."""
    words = [sys.executable, "-m", "runpodkit", "simulate", "--port", "0", "--key", KEY, "--workers", str(workers)]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        found = re.search(r"(http://\S+)/run", process.stdout.readline())
        assert found
        yield found.group(1)
    finally:
        process.terminate()
        process.wait(15)
        if process.stdout:
            process.stdout.close()


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    found = [pid]
    for parent in found:
        try:
            with open(f"/proc/{parent}/task/{parent}/children") as file:
                found += [int(child) for child in file.read().split()]
        except OSError:
            continue
    return found


def cpu_s(pids: list[int]) -> float:
    """CPU seconds that processes and those of their children that ended have used."""
    total = 0.0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
        except OSError:
            continue
        total += sum(int(field) for field in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return total


def cpu_by_part(settings: Settings) -> dict[str, float]:
    """CPU seconds so far of Redis and the Celery worker."""
    parts = [part for part in stack.status(settings) if part.pid and part.name != "simulator"]
    return {part.name: cpu_s(tree(part.pid or 0)) for part in parts}


def peak_mb(pids: list[int]) -> float:
    """The largest of the processes' peaks, in MB."""
    peaks = [0.0]
    for pid in pids:
        try:
            with open(f"/proc/{pid}/status") as file:
                peaks += [int(line.split()[1]) / 1000 for line in file if line.startswith("VmHWM")]
        except OSError:
            continue
    return max(peaks)


async def bare(url: str, jobs: int) -> None:
    """What one would write without a client, for jobs of a known time."""
    gate = asyncio.Semaphore(WINDOW)
    headers = {"Authorization": f"Bearer {KEY}"}
    async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=WINDOW)) as session:

        async def one() -> None:
            async with gate:
                async with session.post(f"{url}/run", json={"input": JOB}) as answer:
                    job = await answer.json()
                await asyncio.sleep(EXEC_S * 2.1)  # the window is twice the workers
                while True:
                    async with session.get(f"{url}/status/{job['id']}") as answer:
                        told = await answer.json()
                    if told["status"] == "COMPLETED":
                        break
                    await asyncio.sleep(0.2)
                assert len(base64.b64decode(told["output"]["image"])) > BYTES * 0.9

        await asyncio.gather(*(one() for _ in range(jobs)))


def bare_cpu_ms(url: str, jobs: int) -> float:
    """CPU milliseconds per job of this process."""
    used = time.process_time()
    asyncio.run(bare(url, jobs))
    return (time.process_time() - used) / jobs * 1000


def measured(kit: rk.Kit, settings: Settings, trials: int, workers: int, name: str) -> dict[str, Any]:
    """One run, in figures."""
    used, own = cpu_by_part(settings), time.process_time()
    plan = rk.sweep(f"a mill, {name}", seed=range(trials), extra=JOB, width=64, height=64, steps=1)
    began = time.monotonic()
    run = kit.submit(plan, name=name, window=WINDOW)
    returned_s = time.monotonic() - began
    run.wait(progress=False)
    cpu = {name: seconds - used[name] for name, seconds in cpu_by_part(settings).items()}
    cpu["waiting process"] = time.process_time() - own
    by_part = {
        part.name: peak_mb(tree(part.pid)) for part in stack.status(settings) if part.pid and part.name != "simulator"
    }
    report, bound_s = run.report(), trials * EXEC_S / workers
    first, ended, fetched = _times(run)
    stored = max(file.stat().st_mtime for file in (settings.home / "store" / "runs" / name / "records").iterdir())
    assert report["collected"] == trials, report
    return {
        "trials": trials,
        "bound_s": bound_s,
        "last_job_ended": round((ended - first) / bound_s, 3),
        "last_result_fetched": round((fetched - first) / bound_s, 3),
        "last_record_stored": round((stored - first) / bound_s, 3),
        "cpu_ms_per_trial": round(sum(cpu.values()) / trials * 1000, 3),
        "cpu_ms_by_part": {part: round(seconds / trials * 1000, 3) for part, seconds in cpu.items()},
        "status_calls_per_job": round(report["status_calls"] / trials, 2),
        "submit_returned_s": round(returned_s, 2),
        "peak_mb": {name: round(mb) for name, mb in by_part.items()}
        | {"waiting process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)},
    }


def _times(run: Run) -> tuple[float, float, float]:
    """Of the first submission, the last job's end and the last result fetched; seconds since the epoch."""
    submitted, ended, fetched = [], [], []
    for record in run.records():
        assert record.submitted_at
        assert record.ended_at
        at = datetime.fromisoformat(record.submitted_at).timestamp()
        submitted.append(at)
        ended.append(at + (record.queue_delay_s or 0) + (record.execution_time_s or 0))
        fetched.append(datetime.fromisoformat(record.ended_at).timestamp())
    return min(submitted), max(ended), max(fetched)


def parts_ms() -> dict[str, float]:
    """CPU milliseconds of what a trial does here, each alone: the median of 300."""
    data = _png(BYTES)
    text = base64.b64encode(data).decode()
    params = ImageParams(user_prompt="a mill", seed=3, width=64, height=64, steps=1)
    sent = enhance(params, PRESETS["general"])
    dialect = get_dialect("native")
    row = Row(TrialState.COLLECTED, key="0" * 64, job="j", images=(ImageFile("images/00/0.png", 64, 64, 9),))
    with tempfile.TemporaryDirectory() as folder:
        store, number = LocalStore(Path(folder)), itertools.count()
        works: dict[str, Callable[[], object]] = {
            "picture into the folder, with two fsync": lambda: store.put(f"images/ab/{next(number)}.png", data),
            "base64 to bytes": lambda: decode_text(text),
            "format and size of the picture": lambda: inspect(data),
            "metadata into the picture": lambda: embed(data, params, sent, {}),
            "parameters, key and input of a trial": lambda: (
                trial_key("m", dialect.canonical(dialect.resolve(params))),
                dialect.to_input(params, mark="x"),
            ),
            "three rows as text": lambda: [row.to_text() for _ in range(3)],
        }
        return {name: _median_ms(work) for name, work in works.items()}


def _median_ms(work: Callable[[], object], times: int = 300) -> float:
    spent = []
    for _ in range(times):
        used = time.process_time_ns()
        work()
        spent.append(time.process_time_ns() - used)
    return round(statistics.median(spent) / 1e6, 3)


def _png(size: int) -> bytes:
    """A PNG of 64×64 pixels that has `size` bytes of something beside them."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(64 * (64 * 3 + 1)))
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"prVt", os.urandom(size)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def imports() -> float | None:
    """Time of `import runpodkit` ÷ that of `import runpod`, the median of 5; None without RunPod's own package."""

    def seconds(name: str) -> float:
        code = f"import time; t = time.perf_counter(); import {name}; print(time.perf_counter() - t)"
        told = [subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(5)]
        return statistics.median(float(one.stdout or "nan") for one in told)

    theirs = seconds("runpod")
    return None if theirs != theirs else round(seconds("runpodkit") / theirs, 3)


def document(told: list[dict[str, Any]], parts: dict[str, float], import_ratio: float | None, given: Any) -> str:
    """`docs/performance.md`."""
    small = [one for one in told if "ratio" in one]

    def median(name: str) -> float:
        return float(statistics.median(one[name] for one in small))

    ours, bare_ms = median("cpu_ms_per_trial"), median("bare_cpu_ms_per_job")
    rows = [
        ("first submission → last job's end", f"{median('last_job_ended'):.3f} × the bound", "≤ 1.10 ×"),
        ("first submission → last result fetched", f"{median('last_result_fetched'):.3f} × the bound", "≤ 1.15 ×"),
        ("first submission → last record stored", f"{median('last_record_stored'):.3f} × the bound", "≤ 1.20 ×"),
        ("CPU per trial", f"{ours:.2f} ms = {median('ratio'):.2f} × a bare aiohttp loop ({bare_ms:.2f} ms)", "≤ 4 ×"),
        ("status calls per job", f"{median('status_calls_per_job'):.2f}", "≤ 2.0"),
    ]
    for one in told:
        if "cpu_to_smaller" in one:
            count = f"{one['trials']:,} trials"
            peaks = ", ".join(f"{name} {mb}" for name, mb in one["peak_mb"].items())
            rows += [
                (f"{count}: → last record stored", f"{one['last_record_stored']:.3f} × the bound", "≤ 1.20 ×"),
                (f"{count}: CPU per trial", f"{one['cpu_to_smaller']:.2f} × that of {given.trials:,}", "≤ 1.1 ×"),
                (f"{count}: peak memory, MB", peaks, "≤ 300"),
                (f"{count}: `submit` returns", f"{one['submit_returned_s']} s", "≤ 2 s"),
            ]
    if import_ratio is not None:
        rows.append(("`import runpodkit`", f"{import_ratio:.3f} × `import runpod`", "≤ 0.1 ×"))
    by_part = {
        part: statistics.median(one["cpu_ms_by_part"][part] for one in small) for part in small[0]["cpu_ms_by_part"]
    }
    today = datetime.now(UTC).date().isoformat()
    lines = [
        "# Performance",
        "",
        f"Made by `python benchmarks/sweep.py --rounds {given.rounds} --large {given.large} --write docs/performance.md` on",
        f"{today}, on {os.cpu_count()} cores that simulator, Redis, Celery worker, benchmark and yardstick share.",
        "",
        f"A sweep of {given.trials:,} trials of {EXEC_S:g} s on {given.workers} workers, window {WINDOW}, pictures of",
        f"{BYTES // 1000} kB, through Celery and Redis into a folder. The bound is trials × time ÷ workers; the bare loop",
        "does POST, sleep, GET and base64 over the same jobs in the same run, and stores nothing. Medians over the rounds.",
        "",
        "| Figure | Measured | Target |",
        "| --- | --- | --- |",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        "## What costs what",
        "",
        "CPU per trial by process, in ms: " + ", ".join(f"{part} {ms:.2f}" for part, ms in by_part.items()) + ".",
        "",
        "Of the Celery worker's share, each part alone (beside each other on few cores they cost up to twice that):",
        "",
        "| Part of a trial | ms |",
        "| --- | --- |",
        *(f"| {name} | {ms:.3f} |" for name, ms in sorted(parts.items(), key=lambda item: -item[1])),
        "",
        "The endpoint's client (one submission and one status call, about 64 kB read) is measured by `benchmarks/client.py`;",
        "the rest is Redis' protocol, the event loop and threads.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("--trials", type=int, default=1000)
    words.add_argument("--large", type=int, default=0)
    words.add_argument("--workers", type=int, default=200)
    words.add_argument("--rounds", type=int, default=1)
    words.add_argument("--write", type=Path)
    given = words.parse_args()
    with tempfile.TemporaryDirectory() as folder, simulator(given.workers) as url:
        settings = Settings.load(Path(folder), RUNPODKIT_HOME=Path(folder) / "home", RUNPOD_URL=url, RUNPOD_API_KEY=KEY)
        kit = rk.connect(settings=settings, quiet=True)
        try:
            kit.submit(rk.sweep("warm", seed="1-400", extra=JOB, width=64, height=64, steps=1), name="warm").wait(
                progress=False
            )
            bare_cpu_ms(url, 50)
            told = []
            for number in range(given.rounds):
                yardstick = bare_cpu_ms(url, given.trials)
                one = measured(kit, settings, given.trials, given.workers, f"small-{number}")
                told.append(
                    one
                    | {
                        "bare_cpu_ms_per_job": round(yardstick, 3),
                        "ratio": round(one["cpu_ms_per_trial"] / yardstick, 2),
                    }
                )
            if given.large:
                one = measured(kit, settings, given.large, given.workers, "large")
                small = statistics.median(other["cpu_ms_per_trial"] for other in told)
                told.append(one | {"cpu_to_smaller": round(one["cpu_ms_per_trial"] / small, 2)})
        finally:
            kit.close()
            stack.down(settings)
    parts = parts_ms()
    for one in told:
        print(json.dumps(one))
    print(json.dumps(parts))
    if given.write:
        before = given.write.read_text("utf-8") if given.write.exists() else ""
        further = before[before.index(KEPT) :] if KEPT in before else ""
        given.write.write_text(document(told, parts, imports(), given) + further, encoding="utf-8")


if __name__ == "__main__":
    main()
