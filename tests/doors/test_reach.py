"""Who reaches what on this machine: the embedded Redis by its user alone, the simulator by whoever has its key."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.routing import Route

from runpodkit import stack
from runpodkit.settings import Settings
from runpodkit.simulator.app import Simulator
from runpodkit.stack import simulator_process
from runpodkit.stack.state import State, read

KEY = "sim_made_up_for_tests"
NOBODY = 65_534
LISTENS = "0A"
linux = pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="only Linux lists sockets in /proc")


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """The stand-ins of a home of its own, in a folder that everybody may look into."""
    with tempfile.TemporaryDirectory(prefix="reach-", ignore_cleanup_errors=True) as folder:
        os.chmod(folder, 0o755)
        home = Path(folder) / "home"
        settings = Settings.load(home.parent, RUNPODKIT_HOME=home)
        stack.ensure_redis(settings)
        stack.ensure_simulator(settings)
        yield home
        stack.down(settings)


@pytest.fixture
def state(home: Path) -> State:
    return read(home)


def listening(pid: int) -> list[tuple[str, int]]:
    """Addresses and ports that a process takes TCP connections at."""
    inodes = set()
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        target = os.readlink(entry)
        if target.startswith("socket:["):
            inodes.add(target[8:-1])
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == LISTENS and words[9] in inodes:
                address, _, port = words[1].partition(":")
                packed = b"".join(bytes.fromhex(address[at : at + 8])[::-1] for at in range(0, len(address), 8))
                family = socket.AF_INET if table == "tcp" else socket.AF_INET6
                found.append((socket.inet_ntop(family, packed), int(port, 16)))
    return found


def as_nobody(code: str) -> subprocess.CompletedProcess[str]:
    """A piece of Python, run as a user who owns nothing here; Python itself may lie where that user may not go."""
    become = f"import os, socket; os.chdir('/'); os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})\n"
    return subprocess.run([sys.executable, "-I", "-c", become + code], capture_output=True, text=True, timeout=30)


# the embedded Redis


@linux
def test_the_embedded_redis_takes_no_connection_from_a_network(state: State) -> None:
    assert state.redis is not None
    assert listening(state.redis.process.pid) == []


def test_its_socket_and_what_lies_around_it_are_its_users_alone(home: Path, state: State) -> None:
    assert state.redis is not None
    about = {path: path.lstat() for path in (state.redis.socket.parent, state.redis.socket, home, home / "redis")}

    assert {path: stat.S_IMODE(info.st_mode) & 0o077 for path, info in about.items()} == dict.fromkeys(about, 0)
    assert {info.st_uid for info in about.values()} == {os.getuid()}
    assert not any(stat.S_ISLNK(info.st_mode) for info in about.values())


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user; the modes are asked above")
def test_another_user_of_the_machine_is_refused_at_the_socket(state: State) -> None:
    assert state.redis is not None
    refused = as_nobody(f"socket.socket(socket.AF_UNIX).connect({str(state.redis.socket)!r})")

    assert refused.returncode != 0
    assert "PermissionError" in refused.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user; the modes are asked in tests/stack")
def test_another_user_reads_neither_the_keys_of_the_stack_nor_its_data(home: Path) -> None:
    for name in ("stack.json", "redis", "logs"):
        refused = as_nobody(
            f"path = {str(home / name)!r}; os.listdir(path) if {(home / name).is_dir()} else open(path)"
        )
        assert refused.returncode != 0
        assert "PermissionError" in refused.stderr


# the simulator


@linux
def test_the_simulator_listens_on_loopback_alone(state: State) -> None:
    assert state.simulator is not None and state.simulator.process is not None
    assert listening(state.simulator.process.pid) == [("127.0.0.1", state.simulator.port)]


def routes() -> list[tuple[str, str]]:
    """Every method and path that the simulator has, with names put in."""
    app = Simulator(endpoint_id="local", api_key=KEY, workers=1).app()
    assert isinstance(app, Starlette)
    found = []
    for route in app.routes:
        assert isinstance(route, Route), f"{route} must be asked for its key here"
        path = route.path.format(endpoint="local", operation="run", job="a-job", worker="a-worker", name="a.png")
        found += [(method, path) for method in sorted(route.methods or ()) if method != "HEAD"]
    assert len(found) > 8
    return found


WRONG = {
    "no key": {},
    "another key": {"Authorization": "Bearer rpa_another"},
    "an empty key": {"Authorization": "Bearer "},
    "part of it": {"Authorization": f"Bearer {KEY[:-1]}"},
    "more than it": {"Authorization": f"Bearer {KEY}0"},
    "other letters": {"Authorization": f"Bearer {KEY.upper()}"},
    "as a login": {"Authorization": f"Basic {KEY}"},
    "as a cookie": {"Cookie": f"key={KEY}; Authorization={KEY}"},
    "letters that are not ASCII": {"Authorization": b"Bearer \xff\xfe"},
}


@pytest.mark.parametrize("shown", WRONG)
async def test_no_route_answers_without_the_key(shown: str) -> None:
    app = Simulator(endpoint_id="local", api_key=KEY, workers=1).app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        for method, path in routes():
            answer = await client.request(method, path, headers=WRONG[shown], json={"input": {}})
            # whoever has a picture's link may look; none is there
            assert answer.status_code == (404 if path.startswith("/pictures/") else 401), (method, path)
            assert "local" not in answer.text


async def test_the_clients_key_opens_no_workers_route_and_none_in_an_address() -> None:
    app = Simulator(endpoint_id="local", api_key=KEY, workers=1).app()
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        for path in (
            "/v2/local/job-take/w",
            "/v2/local/ping/w",
            f"/v2/local/job-take/w?key={KEY}",
            f"/v2/local/health?key={KEY}",
        ):
            assert (await client.get(path)).status_code == 401
            if "?" not in path:
                assert (await client.get(path, headers={"Authorization": f"Bearer {KEY}"})).status_code == 401


@pytest.mark.parametrize("host", ["rebound.example", "rebound.example:80", "[::1]", ""])
async def test_a_page_in_a_browser_gets_nothing_whatever_name_it_came_by(host: str) -> None:
    """A name that was pointed to this machine brings no key along, and no answer allows another page to read it."""
    app = Simulator(endpoint_id="local", api_key=KEY, workers=1).app()
    origin = {"Host": host, "Origin": "https://rebound.example"}
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as client:
        for method, path in routes():
            before = await client.options(path, headers=origin | asks)
            answer = await client.request(method, path, headers=origin)
            right = await client.request(
                method, path, headers=origin | {"Authorization": f"Bearer {KEY}"}, json={"input": {}}
            )
            assert before.status_code >= 400
            assert answer.status_code in (401, 404)
            assert not [
                name for one in (before, answer, right) for name in one.headers if name.startswith("access-control")
            ]


def test_the_process_that_stands_in_asks_for_the_key_of_its_record(state: State) -> None:
    assert state.simulator is not None
    wrong = state.simulator.model_copy(update={"key": "rpa_another"})

    assert simulator_process.is_healthy(state.simulator)
    assert not simulator_process.is_healthy(wrong)
