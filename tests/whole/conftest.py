"""The whole system for tests: one home with a real Redis, simulator and Celery worker, ended with the session."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import httpx
import pytest

from runpodkit import stack
from runpodkit.connecting import connect
from runpodkit.kit import Kit
from runpodkit.settings import Settings

KEY = "rpa_made_up_for_tests"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A RUNPODKIT_HOME of one file's tests: names of runs and pictures of other files are not in it."""
    home = tmp_path_factory.mktemp("shared") / "home"
    yield home
    stack.down(Settings.load(home.parent, RUNPODKIT_HOME=home))


@pytest.fixture
def home(shared_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNPODKIT_HOME", str(shared_home))
    return shared_home


@pytest.fixture
def kit(home: Path) -> Iterator[Kit]:
    """Connected to the stand-ins."""
    kit = connect(quiet=True)
    yield kit
    kit.close()


@pytest.fixture
def runpodkit(tmp_path: Path) -> Command:
    """The command line in a process of its own, in an empty folder; the environment is that of the test."""

    def run(*words: str, timeout_s: float = 120, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "runpodkit", *words],
            cwd=tmp_path,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )

    return run


class Simulated:
    """`runpodkit simulate` in a process of its own, which a test may kill and start again."""

    def __init__(self, folder: Path, *options: str, port: int = 0) -> None:
        self._folder, self._options = folder, options
        self.port, self.url = port, ""
        self.start()

    def start(self) -> None:
        words = ["simulate", "--port", str(self.port), "--key", KEY, *self._options]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "runpodkit", *words], cwd=self._folder, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout
        line = self.process.stdout.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v2/local/run", line)
        assert found, line
        self.url, self.port = found.group(0), int(found.group(1))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)
        assert self.process.stdout
        self.process.stdout.close()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(10)
        if self.process.stdout and not self.process.stdout.closed:
            self.process.stdout.close()


class CeleryWorker:
    """`celery -A runpodkit.tasks worker`, as one starts it on a machine of its own."""

    def __init__(self, folder: Path, env: dict[str, str], *options: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RUNPOD", "REDIS_URL", "S3_", "YANDEX_"))
        }
        self.log = folder / "worker.log"
        words = [sys.executable, "-m", "celery", "-A", "runpodkit.tasks", "worker", "--loglevel=info"]
        with self.log.open("w") as out:
            self.process = subprocess.Popen(
                [*words, "--concurrency=2", "-n", f"{folder.name}@%h", *options],
                cwd=folder,
                env=clean | env,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait_ready(self) -> None:
        deadline = time.monotonic() + 40
        while " ready." not in self.log.read_text() and time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(0.2)

    def kill(self) -> None:
        """The whole of it, as a machine that goes away."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()


@pytest.fixture
def celery_worker(tmp_path: Path) -> Iterator[Callable[..., CeleryWorker]]:
    """Starts Celery workers; they end with the test."""
    started: list[CeleryWorker] = []

    def start(name: str, env: dict[str, str], *options: str) -> CeleryWorker:
        started.append(CeleryWorker(tmp_path / name, env, *options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def simulated(tmp_path: Path) -> Iterator[Callable[..., Simulated]]:
    """Starts simulators as a user would, by the command line; they end with the test."""
    started: list[Simulated] = []

    def start(*options: str) -> Simulated:
        started.append(Simulated(tmp_path, *options))
        return started[-1]

    yield start
    for one in started:
        one.stop()


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[str]:
    """An S3 server in a process of its own, with a bucket named `pictures`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with (tmp_path / "s3.log").open("w") as log:
        server = subprocess.Popen(words, stdout=log, stderr=subprocess.STDOUT)
    url = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            try:
                httpx.get(url, trust_env=False)
                break
            except httpx.TransportError:
                time.sleep(0.1)
        client = boto3.client(
            "s3",
            endpoint_url=url,
            region_name="ru-central1",
            aws_access_key_id="made-up",
            aws_secret_access_key="made-up-too",
        )
        client.create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": "ru-central1"})
        client.close()
        yield url
    finally:
        server.terminate()
        server.wait(10)


def last_json(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """The object on the last line of stdout."""
    assert done.stdout.strip(), done.stderr
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
