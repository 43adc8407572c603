"""The tasks that other programs call, run by a worker started with Celery's own command.

They are imported inside the tests: pytest looks at what a module holds, and a task that is looked at has its application
configured, once per process, for the home that is set by then.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from celery import Celery
from celery.exceptions import TimeoutError
from celery.result import AsyncResult

from runpodkit import stack
from runpodkit.errors import JobFailedError
from runpodkit.settings import Settings

SMALL = {"width": 64, "height": 64, "steps": 2}
SLOW = {"mock": {"exec_ms": 1500, "bytes": 1000}}
BROKEN = {"sampler_name": "Oiler"}
FACTS = set(
    [
        "prompt",
        "sent_prompt",
        "image_url",
        "key",
        "seed",
        "width",
        "height",
        "steps",
        "cfg_scale",
        "sampler_name",
        "scheduler",
        "job_id",
        "attempts",
        "maybe_paid_twice",
        "reused",
        "queue_delay_s",
        "execution_time_s",
        "submitted_at",
        "ended_at",
        "cost_usd",
        "cost_is_estimate",
        "simulated",
        "flags",
    ]
)


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
    assert {*result} == FACTS | {"success"}
    assert (result["prompt"], result["width"], result["height"], result["steps"]) == ("a pier", 64, 64, 2)
    assert (result["maybe_paid_twice"], result["reused"], result["simulated"]) == (False, False, True)
    assert AsyncResult(sent.id).state == "SUCCESS"


def test_started_is_seen_and_an_id_is_enough_in_any_thread(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_runpod_task

    sent = generate_image_runpod_task.delay(user_prompt="a slow pier", extra=SLOW, **SMALL)
    with pytest.raises(TimeoutError, match="timed out"):
        sent.get(timeout=0.2)
    states: list[str] = []
    deadline = time.monotonic() + 60
    while (state := AsyncResult(sent.id).state) != "SUCCESS":
        assert time.monotonic() < deadline, f"{state} under {AsyncResult(sent.id).app}"
        states.append(state)
        time.sleep(0.05)
    with ThreadPoolExecutor() as pool:
        elsewhere = pool.submit(lambda: AsyncResult(sent.id).get(timeout=20)).result()

    assert "STARTED" in states
    assert {*states} <= {"PENDING", "STARTED"}
    assert elsewhere["success"] is True


def test_a_result_may_be_asked_for_while_it_is_waited_for(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_runpod_task

    sent = generate_image_runpod_task.apply_async(args=["a pier by position", 64, 64], kwargs={"steps": 2})

    assert sent.get(timeout=60)["width"] == 64


def test_a_batch_keeps_its_good_pictures_and_its_order(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_batch_task

    result = generate_image_batch_task.delay(prompts=["a hill", "", "a pond"], seed=4, **SMALL).get(timeout=60)

    assert (result["total"], result["successful"], result["failed"]) == (3, 2, 1)
    assert [one["prompt"] for one in result["results"]] == ["a hill", "", "a pond"]
    assert [one["success"] for one in result["results"]] == [True, False, True]
    assert result["results"][1]["error"].startswith("ValueError: user_prompt=''")
    assert result["results"][1]["error_type"] == "ValueError"
    assert {*result["results"][0]} == FACTS | {"success"}


def test_two_batches_are_two_batches(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_batch_task

    first = generate_image_batch_task.delay(prompts=["a church"], **SMALL).get(timeout=60)
    second = generate_image_batch_task.delay(prompts=["a tower"], **SMALL).get(timeout=60)

    assert [first["results"][0]["prompt"], second["results"][0]["prompt"]] == ["a church", "a tower"]
    assert first["results"][0]["key"] != second["results"][0]["key"]
    assert "a tower" in second["results"][0]["sent_prompt"]


def test_an_empty_batch_is_an_empty_answer(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_batch_task

    result = generate_image_batch_task.delay(prompts=[]).get(timeout=60)

    assert result == {"total": 0, "successful": 0, "failed": 0, "results": []}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"prompts": "a pier"}, "give a list of prompts"),
        ({"prompts": ["a", "b"], "steps": 0}, "steps=0"),
        ({"prompts": ["a", "b"], "sampler_name": "Oiler"}, "did you mean 'Euler'"),
        ({"prompts": ["a", "b"], "input_image": "/etc/passwd"}, "a task reads no file"),
        ({"prompts": ["a", "b"], "input_image": f"inputs/{'0a' * 32}.png"}, "input_image"),
        ({"prompts": [], "width": 100}, "width=100"),
    ],
)
def test_what_is_wrong_for_all_prompts_fails_the_batch_at_once(
    tasks: Celery, arguments: dict[str, Any], told: str
) -> None:
    from runpodkit.tasks import generate_image_batch_task

    with pytest.raises(ValueError, match=told):
        generate_image_batch_task.delay(**arguments).get(timeout=60)


def test_the_connection_is_tested_part_by_part(tasks: Celery) -> None:
    from runpodkit.tasks import test_runpod_connection_task

    result = test_runpod_connection_task.delay().get(timeout=60)

    assert result["success"] is True
    assert "endpoint: SIMULATOR" in result["message"]
    assert [check["what"] for check in result["checks"]] == ["endpoint", "dialect", "price", "Redis", "store"]


def test_a_bad_value_is_an_error_of_the_task(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_runpod_task

    with pytest.raises(ValueError, match="steps=0: input should be greater than or equal to 1"):
        generate_image_runpod_task.delay(user_prompt="a pier", width=64, height=64, steps=0).get(timeout=60)


def test_tasks_go_to_the_queue_of_high_priority_and_the_log_has_the_tags(tasks: Celery, worker_log: Path) -> None:
    from runpodkit.tasks import generate_image_runpod_task

    generate_image_runpod_task.delay(user_prompt="a pier", seed=4, **SMALL).get(timeout=60)
    route = tasks.amqp.router.route({}, generate_image_runpod_task.name)

    assert route["queue"].name.startswith("high_priority")
    assert "[RUNPOD TASK]" in worker_log.read_text()


def test_a_job_that_fails_is_an_error_of_its_own_class_with_the_job(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_runpod_task

    with pytest.raises(JobFailedError, match="Oiler") as failed:
        generate_image_runpod_task.delay(user_prompt="a pier", extra=BROKEN, **SMALL).get(timeout=60)

    assert failed.value.status == "FAILED"
    assert failed.value.job_id in str(failed.value)


def test_an_argument_that_does_not_exist_is_told_where_it_was_written(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_batch_task, generate_image_runpod_task

    with pytest.raises(TypeError, match=r"generate_image_runpod_task: stepz is not an argument; did you mean steps\?"):
        generate_image_runpod_task.delay(user_prompt="a pier", stepz=3)
    with pytest.raises(TypeError, match="colour is not an argument; known: prompts, width"):
        generate_image_batch_task.delay(prompts=["a pier"], colour="red")
    with pytest.raises(TypeError, match="user_prompt"):
        generate_image_runpod_task.delay(steps=3)


def test_a_failure_that_passes_is_tried_again_three_times_a_minute_apart(tasks: Celery) -> None:
    from runpodkit.tasks import generate_image_batch_task, generate_image_runpod_task

    for task in (generate_image_runpod_task, generate_image_batch_task):
        assert (task.max_retries, task.default_retry_delay, task.acks_late) == (3, 60, True)


def test_pytest_takes_no_task_that_a_test_file_imports_for_a_test(tasks: Celery) -> None:
    from runpodkit.tasks import test_runpod_connection_task

    assert test_runpod_connection_task.__test__ is False


def test_a_program_with_an_application_of_its_own_keeps_it(tmp_path: Path) -> None:
    code = """
from celery import Celery, current_app
theirs = Celery("theirs")
from runpodkit.tasks import app
assert current_app.main == "theirs", current_app
assert app.main == "runpodkit"
"""

    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_importing_the_tasks_starts_nothing(tmp_path: Path) -> None:
    code = "import runpodkit.tasks, pathlib, sys; sys.exit(pathlib.Path('home').exists())"

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env={**os.environ, "RUNPODKIT_HOME": "home"}, check=False
    )

    assert done.returncode == 0
