"""The whole system for tests: one home with a real Redis, simulator and Celery worker, ended with the session."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runpodkit import stack
from runpodkit.kit import Kit, connect
from runpodkit.settings import Settings

KEY = "rpa_made_up_for_tests"
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A RUNPODKIT_HOME whose stack ends with the session."""
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


def last_json(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """The object on the last line of stdout."""
    assert done.stdout.strip(), done.stderr
    return dict(json.loads(done.stdout.strip().splitlines()[-1]))
