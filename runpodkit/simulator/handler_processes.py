"""A user's handler as worker processes: started with a worker's environment, started again when they die.

Runs the file as it is, under RunPod's own SDK; shows what it says.  The queue hears of a
death at once.  Knows processes, and of the wire no more than the addresses to hand on.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from runpodkit.errors import StackError
from runpodkit.simulator.worker_routes import KEY_IN_QUERY

PING_INTERVAL_MS = 5_000
_SECRETS = ("RUNPOD", "YANDEX_", "S3_", "AWS_", "REDIS_URL")
"""Settings of whoever started the simulator; a handler has no business with them."""
LONGEST_PAUSE_S, ENOUGH_DEATHS, SOUND_S = 30.0, 3, 10.0
"""Between two starts; starts in a row that came to nothing, which say the handler itself is broken; a life so long
is no part of a crash loop."""
GRACE_S = 5.0


@dataclass
class _Slot:
    id: str
    process: asyncio.subprocess.Process | None = None
    deaths: int = 0
    """In a row, each soon after its start."""
    vain: int = 0
    """Starts in a row that never came to the queue."""
    last_line: str = ""
    wanted: bool = field(default=False)
    """It was told to end: that is no death."""


class HandlerProcesses:
    """Processes of one handler file."""

    def __init__(
        self,
        handler: Path,
        workers: int,
        *,
        url: str,
        key: str,
        died: Callable[[str], bool],
        broken: Callable[[StackError], None],
        show: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
    ) -> None:
        """
        Args:
            url: The endpoint's, without an operation.
            key: What the workers show to the simulator.
            died: Told of each worker process that is gone; says whether it had come to the queue before.
            broken: Told once every process has died several times in a row without ever coming to the queue.
            show: Takes a line that a handler printed.

        Raises:
            StackError: there is no such file, or RunPod's SDK is not installed.
        """
        check_handler(handler)
        self._handler, self._url, self._key = handler, url, key
        self._died, self._broken, self._show = died, broken, show
        self._slots = [_Slot(f"worker-{number + 1}") for number in range(workers)]
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start all of them; returns at once."""
        self._tasks = [asyncio.create_task(self._keep(slot)) for slot in self._slots]

    def stop_worker(self, worker_id: str) -> None:
        """End a worker; a fresh one takes its place."""
        for slot in self._slots:
            if slot.id == worker_id and slot.process:
                slot.wanted = True
                _signal(slot.process, signal.SIGKILL)  # it hands in its result first, and would wait for its lines

    def terminate(self) -> None:
        """Ask all of them to end; `aclose` sees to it."""
        for slot in self._slots:
            if slot.process:
                _signal(slot.process, signal.SIGTERM)

    async def aclose(self) -> None:
        """End all of them; what they work on is lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep(self, slot: _Slot) -> None:
        while True:
            started = time.monotonic()
            slot.wanted = False
            slot.process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "runpodkit.simulator.launch",
                str(self._handler),
                env=worker_environment(os.environ, slot.id, self._url, self._key),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                start_new_session=True,
                limit=2**20,
            )
            reading = asyncio.create_task(self._read(slot))
            try:
                code = await slot.process.wait()
            except asyncio.CancelledError:
                await _end(slot.process)
                raise
            finally:
                # its pinging child does not notice by itself, and holds the pipe open
                _signal(slot.process, signal.SIGKILL)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(reading, 1.0)
            had_come = self._died(slot.id)
            if slot.wanted:
                continue
            slot.deaths = slot.deaths + 1 if time.monotonic() - started < SOUND_S else 1
            slot.vain = 0 if had_come else slot.vain + 1  # a job may kill its worker: that is no fault of the start
            self._show(f"[{slot.id}] ended with exit code {code}; it is started again")
            if all(other.vain >= ENOUGH_DEATHS for other in self._slots):
                said = slot.last_line or "it printed nothing"
                self._broken(
                    StackError(
                        "handler",
                        f"{self._handler} ended {ENOUGH_DEATHS} times in a row, last with exit code {code} ({said})",
                        f"Run it by itself: python {self._handler} --test_input '{{\"input\": {{…}}}}'",
                    )
                )
                return
            await asyncio.sleep(min(LONGEST_PAUSE_S, 0.5 * 2 ** (slot.deaths - 1)))

    async def _read(self, slot: _Slot) -> None:
        lines = slot.process.stdout if slot.process else None
        while lines:
            try:
                line = await lines.readline()
            except ValueError:  # longer than the bound: its end comes as a line of its own
                continue
            if not line:
                return
            text = line.decode("utf-8", "replace").rstrip().replace(self._key, "…")  # its SDK prints addresses
            if text:
                slot.last_line = text[:200]
                self._show(f"[{slot.id}] {text}")


def check_handler(handler: Path) -> None:
    """Raises StackError where a handler file cannot be run at all."""
    if not handler.is_file():
        raise StackError(
            "handler", f"there is no file {handler}", "Give the path of the file that calls runpod.serverless.start"
        )
    if importlib.util.find_spec("runpod") is None:
        raise StackError("handler", "RunPod's SDK is not installed", "pip install runpod")


def worker_environment(environ: Mapping[str, str], worker_id: str, url: str, key: str) -> dict[str, str]:
    """What a worker finds in its environment on the platform; nothing of ours."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_SECRETS)}
    direct = {name: ",".join(filter(None, (environ.get(name), "127.0.0.1"))) for name in ("NO_PROXY", "no_proxy")}
    query = f"gpu=none&{KEY_IN_QUERY}={key}"
    # its SDK's pings would go through the user's proxy, key and all
    return (kept | direct) | {
        "RUNPOD_WEBHOOK_GET_JOB": f"{url}/job-take/$ID?{query}",
        "RUNPOD_WEBHOOK_POST_OUTPUT": f"{url}/job-done/$RUNPOD_POD_ID/$ID?{query}",
        "RUNPOD_WEBHOOK_POST_STREAM": f"{url}/job-stream/$RUNPOD_POD_ID/$ID?{query}",
        "RUNPOD_WEBHOOK_PING": f"{url}/ping/$RUNPOD_POD_ID",
        "RUNPOD_PING_INTERVAL": str(PING_INTERVAL_MS),
        "RUNPOD_POD_ID": worker_id,
        "RUNPOD_POD_HOSTNAME": worker_id,
        "RUNPOD_ENDPOINT_ID": url.rpartition("/")[2],
        "RUNPOD_AI_API_KEY": key,
        "RUNPOD_SKIP_AUTO_SYSTEM_CHECKS": "true",
        "RUNPOD_SKIP_GPU_CHECK": "true",
        "RUNPOD_LOG_LEVEL": environ.get("RUNPOD_LOG_LEVEL", "INFO"),
        "PYTHONUNBUFFERED": "1",
    }


async def _end(process: asyncio.subprocess.Process) -> None:
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_S):
            await process.wait()
    _signal(process, signal.SIGKILL)
    await process.wait()


def _signal(process: asyncio.subprocess.Process, what: signal.Signals) -> None:
    """To the process and its children: a session of its own has a group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, what)
