"""examples/fastapi_app.py as a process, with a real Celery worker, Redis and simulator: what it answers, and when it cannot."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from runpodkit import stack
from runpodkit.settings import Settings
from tests.tasks.conftest import soon

EXAMPLES = Path(__file__).parents[2] / "examples"
SMALL = {"width": 64, "height": 64, "steps": 2}


@dataclass
class Site:
    """A home with an API and a Celery worker in it."""

    folder: Path
    http: httpx.Client
    worker: subprocess.Popen[bytes]

    @property
    def settings(self) -> Settings:
        return Settings.load(self.folder, RUNPODKIT_HOME=self.folder / "home")

    def ask(self, prompt: str, **fields: Any) -> str:
        answer = self.http.post("/generate", params={"prompt": prompt}, json={**SMALL, **fields})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["task_id"])

    def ended(self, task_id: str) -> dict[str, Any]:
        def look() -> dict[str, Any] | None:
            about = self.http.get(f"/status/{task_id}").json()
            return about if about["status"] in ("completed", "failure") else None

        return soon(look)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("api")
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RUNPOD", "REDIS_URL", "S3_", "YANDEX_"))
    }
    env = {**clean, "RUNPODKIT_HOME": str(folder / "home")}
    celery = ["celery", "-A", "runpodkit.tasks", "worker", "--loglevel=info", "--concurrency=2"]
    uvicorn = ["uvicorn", "fastapi_app:app", "--app-dir", str(EXAMPLES), "--port", "0"]
    processes = []
    for name, words in (("worker", celery), ("api", uvicorn)):
        with (folder / f"{name}.log").open("w") as out:
            processes.append(
                subprocess.Popen(
                    [sys.executable, "-m", *words],
                    cwd=folder,
                    env=env,
                    stdout=out,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )
    soon(lambda: " ready." in (folder / "worker.log").read_text())
    where = soon(lambda: re.search(r"running on (http://127\.0\.0\.1:\d+)", (folder / "api.log").read_text()))
    with httpx.Client(base_url=where[1], trust_env=False, timeout=20) as http:
        yield Site(folder, http, processes[0])
    for process in reversed(processes):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
    stack.down(Settings.load(folder, RUNPODKIT_HOME=folder / "home"))


def test_a_picture_is_asked_for_and_comes(site: Site) -> None:
    asked = site.http.post("/generate", params={"prompt": "a pier at dawn"}, json={**SMALL, "seed": 4})

    assert asked.status_code == 202
    task_id = asked.json()["task_id"]
    assert asked.json() == {
        "task_id": task_id,
        "status": "pending",
        "message": f"the picture is on its way: GET /status/{task_id}",
    }
    about = site.ended(task_id)
    assert (about["task_id"], about["status"]) == (task_id, "completed")
    assert (about["result"]["seed"], about["result"]["width"]) == (4, 64)
    assert Path(urlsplit(about["result"]["image_url"]).path).read_bytes().startswith(b"\x89PNG")


def test_the_prompt_alone_is_enough_to_ask(site: Site) -> None:
    assert site.http.post("/generate", params={"prompt": "a pier"}).json()["status"] == "pending"


def test_events_tell_each_change_and_end_with_the_task(site: Site) -> None:
    task_id = site.ask("a slow pier", extra={"mock": {"exec_ms": 1500, "bytes": 1000}})

    with site.http.stream("GET", f"/events/{task_id}") as answer:
        lines = list(answer.iter_lines())

    assert answer.headers["content-type"].startswith("text/event-stream")
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    data = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
    assert names[-2:] == ["started", "completed"]
    assert [one["status"] for one in data] == names
    assert len({*names}) == len(names)
    assert data[-1]["result"]["prompt"] == "a slow pier"


def test_a_listener_that_leaves_disturbs_nobody(site: Site) -> None:
    task_id = site.ask("a left pier", extra={"mock": {"exec_ms": 1500, "bytes": 1000}})
    with site.http.stream("GET", f"/events/{task_id}") as answer:
        assert next(answer.iter_lines()).startswith("event: ")

    assert site.ended(task_id)["status"] == "completed"
    assert "Traceback" not in (site.folder / "api.log").read_text()


def test_an_id_that_was_never_handed_out_is_unknown(site: Site) -> None:
    for path in ("status", "events"):
        answer = site.http.get(f"/{path}/00000000-0000-0000-0000-000000000000")

        assert answer.status_code == 404
        assert "is unknown" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("params", "body", "told"),
    [
        ({"prompt": "a pier"}, '{"steps": 0}', "steps"),
        ({"prompt": "a pier"}, '{"width": 100}', "width"),
        ({"prompt": "a pier"}, '{"stepz": 5}', "stepz"),
        ({"prompt": "a pier"}, '{"num_images": 2}', "num_images"),
        ({"prompt": "a pier"}, '{"input_image": "/etc/passwd"}', "a task reads no file"),
        ({"prompt": "a pier"}, '{"input_image": "file:///etc/passwd"}', "a task reads no file"),
        ({"prompt": "a pier"}, "steps=5", "JSON"),
        ({"prompt": "a pier"}, "[5]", "body"),
        ({}, "{}", "prompt"),
        ({"prompt": ""}, "{}", "prompt"),
        ({"prompt": "a" * 4001}, "{}", "prompt"),
    ],
)
def test_what_is_wrong_is_named_before_anything_is_sent(
    site: Site, params: dict[str, str], body: str, told: str
) -> None:
    answer = site.http.post("/generate", params=params, content=body, headers={"content-type": "application/json"})

    assert answer.status_code == 422
    assert told in answer.text


DATA = "data:image/png;base64," + "A" * 12 * 2**20


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"cfg_scale": NaN}', "cfg_scale Input should be a finite number"),
        ('{"strength": 1e999}', "strength Input should be a finite number"),
        ('{"seed": -Infinity}', "seed Input should be a finite number"),
        ('{"negative_prompt": "half a letter: \\ud800"}', "negative_prompt Input should be a valid string"),
        ('{"\\ud800": 1}', "body Input should be a valid string"),
        ('{"extra": {"a": NaN}}', "body extra: not what JSON can hold"),
        ('{"extra": {"a": -1e999}}', "body extra: not what JSON can hold"),
        ('{"extra": {"a": "\\udfff"}}', "body extra: not what JSON can hold"),
        ('{"extra": {"\\udfff": 1}}', "body extra: not what JSON can hold"),
        ('{"extra": ' + '{"a":' * 500 + "1" + "}" * 501, "body extra: nested deeper than 100"),
        (json.dumps({"input_image": DATA}), "body input_image: 12.0 MB, and a job takes at most 10 MB"),
        (json.dumps({"extra": {"picture": DATA}}), "body extra: 12.0 MB, and a job takes at most 10 MB"),
        ('{"steps": 0}', "steps Input should be greater than or equal to 1"),
        ('{"input_image": "/etc/passwd"}', "body input_image='/etc/passwd': a task reads no file"),
        ("{", "JSON decode error"),
    ],
    ids=lambda text: text[:40],
)
def test_every_refusal_of_a_value_has_one_shape_and_names_the_field(site: Site, body: str, told: str) -> None:
    answer = site.http.post(
        "/generate", params={"prompt": "a pier"}, content=body, headers={"content-type": "application/json"}
    )

    assert answer.status_code == 422, answer.text
    [flaw] = answer.json()["detail"]
    assert sorted(flaw) == ["loc", "msg", "type"]
    assert told in f"{flaw['loc'][-1]} {flaw['msg']}"
    assert len(answer.content) < 500


@pytest.mark.parametrize("site_of_page", ["cross-site", "same-site"])
def test_a_page_of_another_site_may_not_spend_money(site: Site, site_of_page: str) -> None:
    """Browsers say themselves where a page is from, and no script can change it."""
    for body in ({"content": "{}", "headers": {"content-type": "text/plain"}}, {"json": SMALL}):
        headers = body.pop("headers", {}) | {"sec-fetch-site": site_of_page, "origin": "https://evil.example"}  # type: ignore[operator]
        answer = site.http.post("/generate", params={"prompt": "a pier"}, headers=headers, **body)  # type: ignore[arg-type]

        assert answer.status_code == 403
        assert answer.json()["detail"] == "a page of another site may not ask for pictures"
    own = site.http.post("/generate", params={"prompt": "a"}, json=SMALL, headers={"sec-fetch-site": "same-origin"})
    assert own.status_code == 202


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "localhost.evil.example:8000"])
def test_a_foreign_name_that_was_pointed_here_is_refused(site: Site, host: str) -> None:
    for method, path in (("POST", "/generate?prompt=a+pier"), ("GET", "/openapi.json"), ("GET", "/status/x")):
        assert site.http.request(method, path, headers={"host": host}).status_code == 400
    assert site.http.get("/openapi.json", headers={"host": "localhost:8000"}).status_code == 200


def test_what_the_endpoint_cannot_draw_is_a_failure_with_its_reason(site: Site) -> None:
    about = site.ended(site.ask("a pier", sampler_name="Oiler"))

    assert about["status"] == "failure"
    assert about["error"].startswith("ValueError: sampler_name='Oiler' is unknown to the native dialect")
    assert "did you mean 'Euler'" in about["error"]


def test_a_redis_that_is_away_is_told_soon_and_one_that_is_back_is_used(site: Site) -> None:
    task_id = site.ask("a last pier")
    assert site.ended(task_id)["status"] == "completed"
    os.killpg(site.worker.pid, signal.SIGKILL)  # it would start Redis again
    site.worker.wait(10)
    pid = next(part.pid for part in stack.status(site.settings) if part.name == stack.REDIS)
    assert pid
    os.kill(pid, signal.SIGKILL)
    soon(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes())

    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(site.http.post, "/generate", params={"prompt": "a pier"}, json=SMALL)
        looked = pool.submit(site.http.get, f"/status/{task_id}")
        other = pool.submit(site.http.get, "/openapi.json")

    assert other.result().status_code == 200
    for answer in (asked.result(), looked.result(), site.http.get(f"/events/{task_id}")):
        assert answer.status_code == 503
        assert "Redis does not answer" in answer.json()["detail"]
    assert time.monotonic() - began < 15

    stack.ensure_redis(site.settings)
    assert site.http.get(f"/status/{task_id}").json()["status"] == "completed"
    assert site.ask("a pier again")
