"""A whole system for the tasks: Redis, simulator and Celery workers as processes, and a caller of another program."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import redis
from celery import Celery
from celery.result import AsyncResult

from runpodkit import stack
from runpodkit.blocking import shared_loop
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.rows import Row
from runpodkit.settings import Settings
from tests.whole.conftest import KEY, Simulated

T = TypeVar("T")

QUICK = """
from runpodkit.tasks import app

app.conf.task_annotations = {"*": {"default_retry_delay": 1}}
"""


def soon(look: Callable[[], T], wait_s: float = 40.0) -> T:
    """What `look` gives, once it is something."""
    deadline = time.monotonic() + wait_s
    while not (found := look()):
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)
    return found


class System:
    """Everything in one folder.  The caller knows tasks by name alone, as a program without runpodkit would."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.journal = folder, folder / "journal.jsonl"
        self._redis = Settings.load(folder, RUNPODKIT_HOME=folder / "redis")
        self.redis_url = stack.ensure_redis(self._redis)
        self.service = Simulated(folder, "--workers", "4", "--journal", str(self.journal))
        self.caller = Celery("caller", set_as_current=False)
        broker = stack.broker_url(self.redis_url)
        self.caller.conf.update(CELERY_SETTINGS, broker_url=broker, result_backend=broker)
        self._ledger = Ledger(self.redis_url)
        self._workers: list[subprocess.Popen[bytes]] = []
        (folder / "quick.py").write_text(QUICK)

    def start_worker(self) -> subprocess.Popen[bytes]:
        """`celery worker` whose retries come after a second, by Celery's own setting for that."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RUNPOD", "REDIS_URL", "S3_", "YANDEX_"))
        }
        env = {
            "REDIS_URL": self.redis_url,
            "RUNPOD_URL": self.service.url,
            "RUNPOD_API_KEY": KEY,
            "RUNPODKIT_HOME": str(self.folder / "home"),
        }
        number = len(self._workers)
        with self.log(number).open("w") as out:
            worker = subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "quick", "worker", "--loglevel=info", "-E"),
                    *("--concurrency=2", "-n", f"w{number}@%h"),
                ],
                cwd=self.folder,
                env=clean | env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._workers.append(worker)
        soon(lambda: " ready." in self.log(number).read_text() or worker.poll() is not None)
        assert worker.poll() is None, self.log(number).read_text()
        return worker

    def log(self, number: int = -1) -> Path:
        return self.folder / f"worker-{number % max(1, len(self._workers)) if number < 0 else number}.log"

    def logs(self) -> str:
        return "".join(file.read_text() for file in self.folder.glob("worker-*.log"))

    def send(self, name: str, countdown: float | None = None, **arguments: Any) -> AsyncResult:
        options = {"kwargs": arguments, "queue": "high_priority", "countdown": countdown}
        return self.caller.send_task(f"runpodkit.{name}", **options)

    def restart_redis(self) -> None:
        """Kill it as a crash would, and start it again."""
        pid = next(part.pid for part in stack.status(self._redis) if part.name == stack.REDIS)
        assert pid
        os.kill(pid, signal.SIGKILL)
        assert stack.ensure_redis(self._redis) == self.redis_url

    def row(self, call: str) -> Row:
        """The ledger's row of a call."""
        return shared_loop().call(self._ledger.rows(f"one-task-{call}", [0]))[0]

    def starts(self, call: str) -> int:
        """How often a call was started."""
        with redis.Redis.from_url(self.redis_url, decode_responses=True) as client:
            return int(float(client.hget(f"runpodkit:run:one-task-{call}", "starts") or 0))

    def submitted(self, call: str) -> str:
        """The job of a call, once the ledger knows it."""
        return soon(lambda: self.row(call).job or "")

    def jobs(self, prompt: str) -> list[str]:
        """Jobs that the service was asked for with this prompt in theirs."""
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        return [line["job"] for line in lines if line["operation"] == "run" and prompt in str(line.get("input"))]

    def close(self) -> None:
        for worker in self._workers:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait(10)
        self.caller.close()
        shared_loop().call(self._ledger.aclose())
        self.service.stop()
        stack.down(self._redis)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    system = System(tmp_path_factory.mktemp("system"))
    system.start_worker()
    yield system
    system.close()
