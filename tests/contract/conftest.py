"""`runpodkit simulate` as a user starts it, and RunPod's own SDK on both sides of it, each in processes of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from runpodkit.endpoint.client import Endpoint

KEY = "rpa_made_up_for_tests"
HANDLERS = Path(__file__).parent / "handlers"


@dataclass
class Served:
    """A simulator that takes requests."""

    process: subprocess.Popen[str]
    port: int
    said: list[str] = field(default_factory=list)
    """Lines of its stderr: what the handlers print among them."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v2/local"

    def official(self, code: str) -> str:
        """What a script prints that has RunPod's own SDK pointed at this simulator."""
        env = {**os.environ, "RUNPOD_ENDPOINT_BASE_URL": self.url.removesuffix("/local"), "RUNPOD_API_KEY": KEY}
        code = f"import json, os, runpod\nrunpod.api_key = os.environ['RUNPOD_API_KEY']\n{code}"
        done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=90)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def wait_for(self, what: Callable[[], bool], timeout_s: float = 30) -> bool:
        """Whether it came true in time."""
        deadline = time.monotonic() + timeout_s
        while not what():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True


def simulate(*words: str, **environ: str) -> Served:
    """Start one on a free port."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runpodkit", "simulate", "--port", "0", "--key", KEY, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={name: value for name, value in os.environ.items() if not name.startswith("RUNPOD")} | environ,
    )
    assert process.stdout
    found = re.search(r"127\.0\.0\.1:(\d+)/", process.stdout.readline())
    assert found, process.stderr.read() if process.stderr else ""
    served = Served(process, int(found.group(1)))
    threading.Thread(target=lambda: served.said.extend(process.stderr or ()), daemon=True).start()
    return served


def end(served: Served) -> None:
    """As Ctrl-C does."""
    served.process.terminate()
    served.process.wait(20)
    for pipe in (served.process.stdout, served.process.stderr):
        if pipe:
            pipe.close()


@pytest.fixture(scope="session")
def built_in() -> Iterator[Served]:
    """With the built-in workers."""
    served = simulate("--workers", "2")
    yield served
    end(served)


@pytest.fixture(scope="session")
def plain() -> Iterator[Served]:
    """With two processes of a plain handler."""
    served = simulate("--handler", str(HANDLERS / "plain.py"), "--workers", "2")
    yield served
    end(served)


@pytest.fixture(scope="session")
def streaming() -> Iterator[Served]:
    """With a generator handler that gathers what it yields."""
    served = simulate("--handler", str(HANDLERS / "streaming.py"))
    yield served
    end(served)


@pytest.fixture
async def endpoint(plain: Served) -> AsyncIterator[Endpoint]:
    async with Endpoint(plain.url, KEY) as endpoint:
        yield endpoint
