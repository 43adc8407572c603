"""The built-in workers as real processes: they draw, they may be killed, and they end with the server."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from runpodkit.simulator.app import Simulator
from runpodkit.simulator.handler import check, handle
from runpodkit.simulator.workers import mock_output

KEY = "rpa_made_up_for_tests"
PIER = {"prompt": "a pier", "width": 64, "height": 64, "steps": 2, "seed": 3}


@pytest.fixture
async def client() -> AsyncIterator[tuple[httpx.AsyncClient, Simulator]]:
    simulator = Simulator(endpoint_id="local", api_key=KEY, workers=2, cold_start_s=0.0)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app=simulator.app()),
        base_url="http://127.0.0.1/v2/local/",
        headers={"Authorization": KEY},
        timeout=60,
    ) as client:
        yield client, simulator
    await simulator._workers.aclose()


async def test_a_job_comes_back_as_the_picture_that_was_asked_for(
    client: tuple[httpx.AsyncClient, Simulator],
) -> None:
    job = (await client[0].post("runsync", json={"input": PIER})).json()

    assert job["status"] == "COMPLETED"
    assert {name: job["output"][name] for name in ("seed", "width", "height")} == {"seed": 3, "width": 64, "height": 64}
    with Image.open(io.BytesIO(base64.b64decode(job["output"]["image"]))) as image:
        assert (image.format, image.size) == ("PNG", (64, 64))


async def test_a_killed_process_costs_its_job_one_retry_and_not_the_server(
    client: tuple[httpx.AsyncClient, Simulator],
) -> None:
    http, simulator = client
    await http.post("runsync", json={"input": PIER})
    big = {**PIER, "width": 2048, "height": 2048, "steps": 100}
    job = (await http.post("run", json={"input": big})).json()["id"]
    await asyncio.sleep(0.5)
    for process in list(simulator._workers._pool._processes.values()):  # type: ignore[union-attr]
        os.kill(process.pid or 0, signal.SIGKILL)
    began = time.monotonic()
    while (status := (await http.get(f"status/{job}")).json()).get("retries", 0) == 0:
        assert time.monotonic() - began < 20
        await asyncio.sleep(0.05)

    assert status["status"] in ("IN_QUEUE", "IN_PROGRESS")
    assert (await http.post("runsync", json={"input": PIER})).json()["status"] == "COMPLETED"
    await http.post(f"cancel/{job}")


async def test_the_server_answers_while_pictures_are_drawn(client: tuple[httpx.AsyncClient, Simulator]) -> None:
    http, _ = client
    await http.post("run", json={"input": {**PIER, "width": 1024, "height": 1024, "steps": 50}})
    slowest = 0.0
    for _ in range(20):
        began = time.monotonic()
        await http.get("health")
        slowest = max(slowest, time.monotonic() - began)
        await asyncio.sleep(0.02)

    assert slowest < 1.0


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "prompt is a required input."),
        ({"prompt": "x", "steps": 0}, "steps does not meet the constraints: 0 is not 1..150."),
        ({"prompt": "x", "steps": 2.0}, "steps should be int, not float."),
        ({"prompt": "x", "steps": True}, "steps should be int, not bool."),
        ({"prompt": "x", "width": 65}, "width does not meet the constraints"),
        ({"prompt": "x", "cfg_scale": "4"}, "cfg_scale should be float, not str."),
        ({"prompt": "x", "scheduler": 3}, "scheduler should be str, not int."),
    ],
)
def test_an_input_is_checked_as_a_worker_checks_it(given: dict[str, Any], said: str) -> None:
    assert (check(given) or "").startswith(said)


def test_an_unknown_sampler_is_an_error_that_names_those_there_are() -> None:
    result = handle({**PIER, "sampler_name": "Eular"}, 0)

    assert result.keys() == {"error"}
    assert "did you mean 'Euler'" in result["error"]


def test_the_same_input_is_the_same_picture_and_a_random_seed_is_told() -> None:
    assert handle(PIER, 0) == handle(PIER, 1)
    assert handle({**PIER, "seed": -1}, 77)["seed"] == 77


def test_a_mock_output_is_a_picture_of_about_the_size_asked_for() -> None:
    data = base64.b64decode(json.loads(mock_output(64_000))["image"])

    assert 63_000 < len(data) < 65_000
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (1, 1)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    started: list[subprocess.Popen[str]] = []

    def start(*words: str, key: str | None = KEY) -> subprocess.Popen[str]:
        env = {**os.environ, "RUNPODKIT_SIMULATOR_KEY": key} if key else dict(os.environ)
        command = [sys.executable, "-m", "runpodkit.simulator", *words]
        started.append(subprocess.Popen(command, cwd=tmp_path, env=env, stderr=subprocess.PIPE, text=True))
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(path: Path) -> dict[str, int]:
    deadline = time.monotonic() + 20
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return dict(json.loads(path.read_text()))


def children_of(pid: int) -> set[int]:
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return {int(word) for word in listed.stdout.split()}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_the_pool_ends_with_its_server_however_it_ends(
    how: signal.Signals, server: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    process = server("--port", "0", "--ready-file", "ready.json")
    ready = wait_for(tmp_path / "ready.json")
    url = f"http://127.0.0.1:{ready['port']}/v2/local/runsync"
    answer = httpx.post(url, json={"input": PIER}, headers={"Authorization": KEY}, timeout=30, trust_env=False)
    pool = children_of(process.pid)

    process.send_signal(how)
    process.wait(10)
    deadline = time.monotonic() + 5
    while (alive := {pid for pid in pool if Path(f"/proc/{pid}").exists()}) and time.monotonic() < deadline:
        time.sleep(0.1)

    assert answer.json()["status"] == "COMPLETED"
    assert (tmp_path / "ready.json").stat().st_mode & 0o777 == 0o600
    assert len(pool) >= 2
    assert not alive


def test_a_taken_port_and_a_missing_key_are_one_line(
    server: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    server("--port", "0", "--ready-file", "ready.json")
    port = wait_for(tmp_path / "ready.json")["port"]

    taken, keyless = server("--port", str(port)), server("--port", "0", key=None)

    _, said = taken.communicate(timeout=20)
    assert taken.returncode == 1
    assert said.startswith(f"simulator cannot be started: port {port} on 127.0.0.1 is taken")
    assert len(said.splitlines()) == 1
    _, said = keyless.communicate(timeout=20)
    assert "RUNPODKIT_SIMULATOR_KEY is not set" in said
