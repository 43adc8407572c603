"""The built-in workers: run what the queue started in a pool of processes, never on the server's loop.

A process of the pool may be killed; the pool is made anew and the queue told that a
worker died.
"""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
import os
import struct
import zlib
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import lru_cache
from typing import Any

from runpodkit.simulator.handler import end_with, handle_as_json, warm_up
from runpodkit.simulator.queue import SimJob


class BuiltInWorkers:
    """Draws the pictures of started jobs."""

    def __init__(
        self,
        workers: int,
        *,
        ended: Callable[[SimJob, str, bytes | None, str | None], None],
        died: Callable[[SimJob, str], None],
        random_seed: Callable[[], int],
        exec_s: float = 0.0,
        speaks: str | None = None,
    ) -> None:
        """
        Args:
            ended, died: Told with the job and the worker that had it.
            exec_s: A job takes at least so long.
            speaks: Whose inputs are taken; None: native.
        """
        self._processes = max(1, min(workers, os.cpu_count() or 1))
        self._ended, self._died, self._random_seed, self._exec_s = ended, died, random_seed, exec_s
        self._speaks = speaks
        self._pool: ProcessPoolExecutor | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, job: SimJob) -> None:
        """Work on a job; returns at once."""
        task = asyncio.create_task(self._work(job, job.worker or ""))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def warm(self) -> None:
        """Start the processes now, so that the first job finds them ready."""
        for _ in range(self._processes):
            self._running_pool().submit(warm_up)

    async def aclose(self) -> None:
        """End the processes; what they draw is lost."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._pool:
            for process in list((getattr(self._pool, "_processes", None) or {}).values()):
                process.terminate()
            # waited for: what its queues hold would else be reported as leaked when this process ends
            await asyncio.to_thread(self._pool.shutdown, wait=True, cancel_futures=True)

    async def _work(self, job: SimJob, worker: str) -> None:
        loop = asyncio.get_running_loop()
        until = loop.time() + self._exec_s
        mock = job.input.get("mock")
        if isinstance(mock, dict):
            await asyncio.sleep(_number(mock.get("exec_ms")) / 1000)
            self._ended(job, worker, mock_output(int(_number(mock.get("bytes")))), None)
            return
        try:
            output, error = await loop.run_in_executor(
                self._running_pool(), handle_as_json, job.input, self._random_seed(), self._speaks
            )
        except BrokenProcessPool:
            self._pool = None
            self._died(job, worker)
            return
        await asyncio.sleep(max(0.0, until - loop.time()))
        self._ended(job, worker, output, error)

    def _running_pool(self) -> ProcessPoolExecutor:
        if self._pool is None:
            self._pool = ProcessPoolExecutor(
                self._processes,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=end_with,
                initargs=(os.getpid(),),
            )
        return self._pool


@lru_cache(maxsize=4)
def mock_output(size: int) -> bytes:
    """An output whose picture is a one-pixel PNG, padded by an ancillary chunk to about `size` bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0))
    padding = chunk(b"paDd", bytes(max(0, size - 80)))
    png = b"\x89PNG\r\n\x1a\n" + head + padding + chunk(b"IDAT", zlib.compress(b"\0\x40\x60\x80")) + chunk(b"IEND", b"")
    return json.dumps({"image": base64.b64encode(png).decode()}).encode()


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1e9 else 0.0
