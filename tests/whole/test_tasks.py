"""The tasks that other programs call, run by a worker started with Celery's own command."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.result import AsyncResult

from runpodkit import stack
from runpodkit.settings import Settings

SMALL = {"width": 64, "height": 64, "steps": 2}


@pytest.fixture(scope="module")
def own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    home = tmp_path_factory.mktemp("tasks") / "home"
    yield home
    stack.down(Settings.load(home.parent, RUNPODKIT_HOME=home))


@pytest.fixture(scope="module")
def worker_log(own_home: Path) -> Iterator[Path]:
    """`celery -A runpodkit.tasks worker`, as the README says, in a folder of its own."""
    folder = own_home.parent
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RUNPOD", "REDIS_URL", "S3_", "YANDEX_"))
    }
    log = folder / "worker.log"
    with log.open("w") as out:
        worker = subprocess.Popen(
            [sys.executable, "-m", "celery", "-A", "runpodkit.tasks", "worker", "--loglevel=info", "--concurrency=2"],
            cwd=folder,
            env={**clean, "RUNPODKIT_HOME": str(own_home)},
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    deadline = time.monotonic() + 40
    while " ready." not in log.read_text() and time.monotonic() < deadline:
        assert worker.poll() is None, log.read_text()
        time.sleep(0.2)
    yield log
    worker.send_signal(signal.SIGTERM)
    try:
        worker.wait(20)
    finally:
        if worker.poll() is None:
            worker.kill()
            worker.wait(5)


@pytest.fixture
def tasks(own_home: Path, worker_log: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Celery]:
    """The application as another program imports it, pointed at the worker's home."""
    monkeypatch.setenv("RUNPODKIT_HOME", str(own_home))
    from runpodkit.tasks import app

    yield app
    app.close()


def test_one_picture_by_task_has_an_address_and_its_facts(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_runpod_task

    sent = generate_image_runpod_task.delay(user_prompt="a pier", seed=4, **SMALL)
    result = sent.get(timeout=60)

    assert result["success"] is True
    assert result["seed"] == 4
    assert Path(urlsplit(result["image_url"]).path).read_bytes().startswith(b"\x89PNG")
    assert result["execution_time_s"] > 0
    assert AsyncResult(sent.id).state == "SUCCESS"


def test_a_batch_keeps_its_good_pictures_and_its_order(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_batch_task

    result = generate_image_batch_task.delay(prompts=["a hill", "", "a pond"], seed=4, **SMALL).get(timeout=60)

    assert (result["total"], result["successful"], result["failed"]) == (3, 2, 1)
    assert [one["prompt"] for one in result["results"]] == ["a hill", "", "a pond"]
    assert [one["success"] for one in result["results"]] == [True, False, True]
    assert "user_prompt" in result["results"][1]["error"]


def test_the_connection_is_tested_part_by_part(tasks: Celery) -> None:
    from runpodkit.tasks import test_runpod_connection_task

    result = test_runpod_connection_task.delay().get(timeout=60)

    assert result["success"] is True
    assert "endpoint: SIMULATOR" in result["message"]
    assert test_runpod_connection_task.__test__ is False


def test_a_bad_value_is_an_error_of_the_task(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_runpod_task

    with pytest.raises(Exception, match="steps"):
        generate_image_runpod_task.delay(user_prompt="a pier", width=64, height=64, steps=0).get(timeout=60)


def test_tasks_go_to_the_queue_of_high_priority_and_the_log_has_the_tags(tasks: Celery, worker_log: Path) -> None:
    from runpodkit.tasks import generate_image_runpod_task

    generate_image_runpod_task.delay(user_prompt="a pier", seed=4, **SMALL).get(timeout=60)
    route = tasks.amqp.router.route({}, generate_image_runpod_task.name)

    assert route["queue"].name.startswith("high_priority")
    assert "[RUNPOD TASK]" in worker_log.read_text()


def test_importing_the_tasks_starts_nothing(tmp_path: Path) -> None:
    code = "import runpodkit.tasks, pathlib, sys; sys.exit(pathlib.Path('home').exists())"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "RUNPODKIT_HOME": "home"}, check=False
    )

    assert done.returncode == 0
