"""Messages are JSON: what would run code when it is unpacked is refused, and the worker goes on."""

from __future__ import annotations

import base64
import json
import os
import pickle
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from runpodkit import stack
from runpodkit.connecting import connect
from runpodkit.kit import Kit
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.runs.rows import RunState
from runpodkit.settings import Settings
from runpodkit.sweeps.sweep import sweep
from tests.doors.conftest import wait_for

pytestmark = pytest.mark.slow
PREFIX = "runpodkit:celery:"
DEEP_TASK = '[[], {"extra": {"x": ' + "[" * 500 + "]" * 500 + '}}, {"chain": null}]'
"""As a task is sent; what hands it to a child of the worker goes so deep that it would end the worker."""
ODD = (
    "5",
    '"text"',
    "null",
    "[]",
    "[1]",
    "[1, 2, 3]",
    '[[], {}, {"chain": 5}]',
    "{}",
    '{"args": 5}',
    "[" * 100_000,
    DEEP_TASK,
)


class Touches:
    """Makes a file when it is unpickled."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        return os.mkdir, (str(self._file),)


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """Connected to stand-ins and a Celery worker of their own."""
    home = tmp_path_factory.mktemp("messages") / "home"
    settings = Settings.load(home.parent, RUNPODKIT_HOME=home)
    kit = connect(settings=settings, quiet=True)
    wait_for(kit.has_worker, 60)
    yield kit
    kit.close()
    stack.down(settings)


@pytest.fixture
def server(kit: Kit) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(stack.redis_url(kit.settings)) as client:
        yield client


@pytest.fixture(scope="module")
def app(kit: Kit) -> Iterator[Celery]:
    """An application of this test alone, with the settings of ours: that one knows one home for all of a process."""
    app = Celery("caller", set_as_current=False)
    broker = stack.broker_url(stack.redis_url(kit.settings))
    app.conf.update(CELERY_SETTINGS, broker_url=broker, result_backend=broker)
    yield app
    app.backend.client.connection_pool.disconnect()
    app.close()


def read(app: Celery, task_id: str) -> Any:
    """What `AsyncResult.get` reads and raises."""
    result = app.backend.get_task_meta(task_id)["result"]
    if isinstance(result, BaseException):
        raise result
    return result


def message(task: str, body: bytes, kind: str, queue: str) -> str:
    """A Celery message as it lies in Redis."""
    name = str(uuid.uuid4())
    return json.dumps(
        {
            "body": base64.b64encode(body).decode(),
            "content-type": kind,
            "content-encoding": "utf-8" if "yaml" in kind or "json" in kind else "binary",
            "headers": {"task": task, "id": name, "root_id": name, "lang": "py", "argsrepr": "()", "kwargsrepr": "{}", "retries": 0},
            "properties": {
                "correlation_id": name,
                "delivery_info": {"exchange": "", "routing_key": queue},
                "delivery_mode": 2,
                "delivery_tag": str(uuid.uuid4()),
                "body_encoding": "base64",
                "priority": 0,
            },
        }
    )  # fmt: skip


def bodies(file: Path) -> dict[str, tuple[bytes, str]]:
    """What would make `file` if anybody unpacked it, as different writers would call it."""
    pickled = pickle.dumps(((Touches(file),), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}))
    yaml = f'!!python/object/apply:os.mkdir ["{file}"]\n'.encode()
    return {
        "a pickle": (pickled, "application/x-python-serialize"),
        "a pickle under its other name": (pickled, "application/data"),
        "a pickle that says it is JSON": (pickled, "application/json"),
        "YAML": (yaml, "application/x-yaml"),
        "YAML under its other name": (yaml, "text/yaml"),
        "a kind that nobody knows": (pickled, "application/x-unheard-of"),
        "text": (pickle.dumps(Touches(file), 0), "application/text"),
        **{f"JSON that is no task: {odd[:20]}": (odd.encode(), "application/json") for odd in ODD},
    }


def test_what_could_run_code_is_put_aside_and_good_tasks_go_on(
    kit: Kit, server: redis.Redis, app: Celery, tmp_path: Path
) -> None:
    queues = stack.queues(kit.settings, None)
    worker = {part.pid for part in stack.status(kit.settings) if part.name == "Celery worker"}
    for body, kind in bodies(tmp_path / "made").values():
        for queue, task in (
            (queues.sweeps, "runpodkit.run_batches"),
            (queues.high_priority, "runpodkit.generate_image"),
        ):
            server.lpush(PREFIX + queue, message(task, body, kind, queue))
    wait_for(lambda: not any(server.llen(PREFIX + queue) for queue in queues), 60)
    good = app.send_task("runpodkit.test_runpod_connection", queue=queues.high_priority)

    assert good.get(timeout=60)["success"]
    run = kit.submit(sweep("a fox", width=64, height=64, steps=1, seed=range(2)), name="after")
    run.wait()
    assert run.state is RunState.DONE
    assert not (tmp_path / "made").exists()
    assert {part.pid for part in stack.status(kit.settings) if part.name == "Celery worker"} == worker


def test_a_pickled_command_to_the_worker_is_refused(kit: Kit, server: redis.Redis, app: Celery, tmp_path: Path) -> None:
    with server.pubsub(ignore_subscribe_messages=True) as heard:
        heard.psubscribe("*")
        assert app.control.ping(timeout=10, limit=1)
        said = wait_for(lambda: heard.get_message(timeout=1))
    envelope = json.loads(said["data"])
    for body, kind in bodies(tmp_path / "made").values():
        changed = envelope | {"body": base64.b64encode(body).decode(), "content-type": kind}
        command = json.dumps(changed)  # the worker may be about to listen anew after the one before
        wait_for(lambda command=command: server.publish(said["channel"], command) == 1, 20)
    time.sleep(1)

    assert app.control.ping(timeout=10, limit=1)
    assert not (tmp_path / "made").exists()


def test_a_pickled_result_is_refused_by_whoever_reads_it(app: Celery, server: redis.Redis, tmp_path: Path) -> None:
    for name, (body, _) in bodies(tmp_path / "made").items():
        task_id = f"made-up-{name.replace(' ', '-')}"
        server.set(f"{PREFIX}celery-task-meta-{task_id}", body)
        with pytest.raises(Exception):  # noqa: B017 - whichever: it may not be unpacked
            read(app, task_id)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "error",
    [
        {"exc_type": "mkdir", "exc_module": "os", "exc_message": ["{file}"]},
        {"exc_type": "Popen", "exc_module": "subprocess", "exc_message": [["mkdir", "{file}"]]},
        {"exc_type": "eval", "exc_module": "builtins", "exc_message": ["__import__('os').mkdir('{file}')"]},
        {"exc_type": "path.os.mkdir", "exc_module": "os", "exc_message": "{file}"},
    ],
)
def test_a_failure_that_names_a_function_calls_nothing(
    app: Celery, server: redis.Redis, tmp_path: Path, error: dict[str, Any]
) -> None:
    task_id, file = str(uuid.uuid4()), tmp_path / "made"
    told = json.dumps({"status": "FAILURE", "result": error, "traceback": None, "children": [], "task_id": task_id})
    server.set(f"{PREFIX}celery-task-meta-{task_id}", told.replace("{file}", str(file)))

    with pytest.raises(Exception):  # noqa: B017 - whichever: nothing may be called
        read(app, task_id)
    assert not file.exists()


def test_nothing_in_the_package_unpacks_code() -> None:
    import runpodkit

    words = (
        "import pickle",
        "pickle.load",
        "yaml.load",
        "marshal.load",
        "import shelve",
        "eval(",
        "exec(",
        "shell=True",
    )
    source = {path: path.read_text() for path in Path(runpodkit.__file__).parent.rglob("*.py")}
    assert len(source) > 150
    assert [
        (path.name, word) for path, text in source.items() for word in words if word in text.replace("_exec(", "")
    ] == []
