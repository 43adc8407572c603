"""The whole system of the compose file, started from its own commands: pictures are drawn, pages answer, and all of it ends.

No Docker engine is needed: `tests/compose/system.py` says what stands in for it.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.compose.__main__ import TOUR
from tests.compose.system import STARTS_WITHIN_S, Service, System, free_ports, processes_of, running

S3_SECRET = "canary-of-the-local-s3-server"
TOKEN = "canary-token-of-jupyter"
ENDED_BY_SIGTERM = 143
SIGNED = re.compile(r"X-Amz-Signature=[0-9a-f]")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("system")
    with running(folder, {"LOCAL_S3_SECRET_KEY": S3_SECRET, "JUPYTER_TOKEN": TOKEN}) as system:
        yield system


@pytest.fixture(scope="module")
def seen(system: System) -> dict[str, Any]:
    """What a user got who drew one picture, a batch and a sweep from a notebook's environment."""
    done = system["jupyter"].run([sys.executable, str(TOUR), "--json"], timeout_s=240)
    assert done.returncode == 0, done.stderr
    first, *lines = done.stdout.splitlines()
    facts: dict[str, Any] = {"connected": first}
    for line in lines:
        facts |= json.loads(line)
    return facts


def asked(url: str, method: str = "GET", headers: dict[str, str] | None = None) -> tuple[int, str, bytes]:
    """Status, final address and body of an answer."""
    request = urllib.request.Request(url, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.url, answer.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, url, refused.read()


def beside(service: Service, words: list[str]) -> Service:
    """Another one like it, not yet started, with a command of its own."""
    return replace(service, words=words, process=None, log=service.log.with_suffix(".beside.log"))


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + STARTS_WITHIN_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_every_service_runs_and_its_own_check_calls_it_healthy(system: System) -> None:
    assert {name for name, service in system.services.items() if service.is_running} == {
        "net", "redis", "simulator", "s3", "worker", "beat", "flower", "jupyter",
    }  # fmt: skip
    assert [name for name, service in system.services.items() if not service.health] == ["net", "beat"]


def test_a_notebook_finds_simulator_worker_and_bucket(seen: dict[str, Any]) -> None:
    assert seen["connected"] == (
        "SIMULATOR (nothing is paid) · endpoint local · dialect native · Redis REDIS_URL · store S3 · Celery worker yours"
    )
    assert seen["check"]["success"], seen["check"]["message"]


def test_a_task_a_batch_and_a_sweep_are_drawn(seen: dict[str, Any]) -> None:
    assert (seen["generation"]["success"], seen["generation"]["seed"]) == (True, 7)
    assert (seen["batch"]["total"], seen["batch"]["successful"], seen["batch"]["failed"]) == (2, 2, 0)
    assert seen["rows"] == [
        ["Euler", 3, "COLLECTED"],
        ["Euler", 6, "COLLECTED"],
        ["Heun", 3, "COLLECTED"],
        ["Heun", 6, "COLLECTED"],
    ]


def test_a_link_opens_in_a_browser_of_this_machine_and_not_without_its_signature(
    system: System, seen: dict[str, Any]
) -> None:
    for link in (seen["generation"]["image_url"], *seen["links"]):
        assert link.startswith(f"{system.url('S3_PORT')}/runpodkit/images/")
        status, _, body = asked(link)

        assert (status, body[:8]) == (200, b"\x89PNG\r\n\x1a\n")
    assert asked(seen["generation"]["image_url"].partition("?")[0])[0] == 403


def test_the_bucket_has_the_pictures_and_the_records(system: System, seen: dict[str, Any]) -> None:
    env = system["worker"].env
    client = boto3.client(
        "s3", endpoint_url=env["S3_ENDPOINT_URL"], region_name="us-east-1",
        aws_access_key_id=env["S3_ACCESS_KEY"], aws_secret_access_key=S3_SECRET,
    )  # fmt: skip
    keys = [entry["Key"] for entry in client.list_objects_v2(Bucket="runpodkit")["Contents"]]
    client.close()

    assert len([key for key in keys if key.startswith("images/") and key.endswith(".png")]) == 7
    assert any(key.startswith("runs/tour/") for key in keys)


def test_flower_shows_the_tasks(system: System, seen: dict[str, Any]) -> None:
    status, _, page = asked(f"{system.url('FLOWER_PORT')}/task/{seen['task']}")

    assert status == 200
    assert b"runpodkit.generate_image_batch" in page
    assert b"a pier at dawn" in page
    assert not SIGNED.search(page.decode())


def test_flowers_pages_change_nothing_and_its_api_answers_nobody(system: System, seen: dict[str, Any]) -> None:
    flower = system.url("FLOWER_PORT")
    workers = asked(f"{flower}/workers")[2].decode()
    name = re.findall(r"worker-[0-9a-f]{8}@[^\"'< ]+", workers)[0]
    page = asked(f"{flower}/worker/{name}")[2].decode()

    assert "worker_max_tasks_per_child" in page  # its settings are on it
    assert "Shut down" not in page
    for path in (f"/api/worker/shutdown/{name}", f"/api/task/revoke/{seen['task']}"):
        assert asked(flower + path, method="POST")[0] == 401, path
    assert asked(f"{flower}/api/tasks")[0] == 401


def test_jupyterlab_asks_for_its_token_and_shows_the_notebooks(system: System) -> None:
    lab = system.url("JUPYTER_PORT")

    assert asked(f"{lab}/lab")[1].startswith(f"{lab}/login")
    for path in ("/api/contents", "/api/kernels", "/api/terminals"):
        assert asked(lab + path)[0] == 403, path
    status, _, listed = asked(f"{lab}/api/contents", headers={"Authorization": f"token {TOKEN}"})
    assert status == 200
    names = sorted(entry["name"] for entry in json.loads(listed)["content"])
    assert names[0] == "01_first_sweep.ipynb"
    assert {Path(name).suffix for name in names} == {".ipynb"}


def test_an_empty_token_does_not_leave_jupyterlab_open(system: System) -> None:
    lab, port = system["jupyter"], free_ports(1)[0]
    other = beside(lab, words=[re.sub(r"--port=\d+", f"--port={port}", word) for word in lab.words])
    other.env = {**lab.env, "JUPYTER_TOKEN": ""}
    other.health = [re.sub(r":\d+/api", f":{port}/api", word) for word in lab.health]
    try:
        other.start()
        until(other.is_healthy)
        assert asked(f"http://127.0.0.1:{port}/api")[0] == 200
        assert asked(f"http://127.0.0.1:{port}/api/contents")[0] == 403
    finally:
        other.stop()


def test_the_image_by_itself_is_a_worker_whose_health_check_knows_it(system: System) -> None:
    worker = beside(system["worker"], words=system.image.command)
    worker.health = ["sh", "-c", system.image.health]
    assert not worker.is_healthy()  # the worker of the compose file has another name
    try:
        worker.start()
        until(lambda: " ready." in worker.said())
        assert worker.is_healthy()
    finally:
        worker.stop()
    assert worker.exit_code == 0, worker.said()


def test_no_secret_stands_in_a_command_line_or_a_log(system: System, seen: dict[str, Any]) -> None:
    lines = [line for service in system.services.values() for line in processes_of(service.process.pid)]  # type: ignore[union-attr]

    assert len(lines) > len(system.services)  # the worker's children too
    for text in (*lines, *(service.said() for service in system.services.values())):
        assert S3_SECRET not in text
        assert TOKEN not in text
        assert not SIGNED.search(text)


def test_nothing_is_reachable_from_another_machine(system: System) -> None:
    heard = {int(line.split()[1].partition(":")[2], 16): line.split()[1].partition(":")[0]
             for line in Path("/proc/net/tcp").read_text().splitlines()[1:] if line.split()[3] == "0A"}  # fmt: skip

    for name, port in system.ports.items():
        assert socket.inet_ntoa(bytes.fromhex(heard[port])[::-1]) == "127.0.0.1", name


def test_whoever_only_passes_messages_starts_no_part_of_its_own(system: System) -> None:
    for name in ("beat", "flower"):
        assert not list((system.folder / "own" / name / "data").iterdir())
        assert not {"S3_SECRET_KEY", "YANDEX_SECRET_KEY"} & system[name].env.keys()


def test_all_of_it_ends_within_its_patience_and_leaves_nothing(system: System, seen: dict[str, Any]) -> None:
    system.stop()

    for name, service in system.services.items():
        expected = ENDED_BY_SIGTERM if name in ("net", "simulator", "s3") else 0
        assert service.exit_code == expected, f"{name}: {service.said()[-2000:]}"
        assert service.stopped_after_s is not None
        assert service.stopped_after_s < service.grace_s, name
        assert "still there after its end" not in service.said()
    for port in system.ports.values():
        with socket.socket() as probe:
            assert probe.connect_ex(("127.0.0.1", port)) != 0
