"""The Celery worker as a process: what it is given, when a new one is started, when an old one ends.

Programs that only sleep stand in for Celery here; `test_stack` starts the real one.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr

from runpodkit import stack
from runpodkit.errors import StackError
from runpodkit.settings import EndpointAddress, Settings
from runpodkit.stack import celery_worker
from runpodkit.stack.celery_worker import Order, Queues, environment
from runpodkit.stack.processes import wait_until
from runpodkit.stack.state import WorkerRecord, locked, read

LIVE = EndpointAddress("https://api.runpod.ai/v2/abc123", SecretStr("rpa_secret_key"))
QUEUES = Queues("sweeps-x", "high_priority-x")
SLEEP = ["/bin/sh", "-c", "exec sleep 60"]


def order(settings: Settings, address: EndpointAddress | None = LIVE, broker: str = "redis+socket:///a.sock") -> Order:
    return Order(settings, address, "unix:///a.sock?db=0", broker, QUEUES)


def ask_for(settings: Settings, wanted: Order, command: list[str] = SLEEP) -> list[WorkerRecord]:
    with locked(settings.home) as state:
        celery_worker.ensure(settings.home, state, wanted, command)
        return state.workers


def test_one_is_started_and_recorded(settings, home):
    (worker,) = ask_for(settings, order(settings))

    assert worker.process.is_alive
    assert worker.fingerprint == stack.fingerprint(settings, LIVE)
    assert worker.log == home / "logs" / f"worker-{worker.fingerprint}.log"
    assert read(home).workers == [worker]


def test_a_second_request_for_the_same_work_starts_nothing(settings, home):
    assert ask_for(settings, order(settings)) == ask_for(settings, order(settings))


def test_a_worker_that_died_is_replaced(settings, home):
    (first,) = ask_for(settings, order(settings), ["/bin/sh", "-c", "exit 1"])
    assert wait_until(lambda: not first.process.is_alive, 5)

    (second,) = ask_for(settings, order(settings))

    assert second.process.is_alive


def test_two_projects_have_workers_side_by_side(settings, home):
    other = Settings.load(RUNPODKIT_MODEL="another")

    ask_for(settings, order(settings))
    workers = ask_for(settings, order(other))

    assert [worker.process.is_alive for worker in workers] == [True, True]
    assert not any(worker.draining for worker in workers)


def test_a_worker_at_a_broker_that_is_gone_makes_room_for_one_at_the_new(settings, home):
    (first,) = ask_for(settings, order(settings, broker="redis+socket:///old.sock"))

    workers = ask_for(settings, order(settings, broker="redis+socket:///new.sock"))

    assert [worker.draining for worker in workers] == [True, False]
    assert wait_until(lambda: not first.process.is_alive, 5)


def age_record(home: Path, **changes: object) -> None:
    """As if the recorded worker had been started by earlier files."""
    with locked(home) as state:
        state.workers = [worker.model_copy(update={"fingerprint": "0ld00000", **changes}) for worker in state.workers]


def test_after_an_upgrade_the_old_worker_drains_and_a_new_one_starts(settings, home):
    (first,) = ask_for(settings, order(settings))
    age_record(home, newest_ns=1)

    workers = ask_for(settings, order(settings))

    assert (workers[0].fingerprint, workers[0].draining) == ("0ld00000", True)
    assert wait_until(lambda: not first.process.is_alive, 5)
    assert workers[1].process.is_alive
    assert len(ask_for(settings, order(settings))) == 1  # the drained one is forgotten once it is gone


@pytest.mark.parametrize("changes", [{"package": Path("/another/venv"), "newest_ns": 1}, {"family": "another"}])
def test_a_worker_of_another_installation_or_project_is_left_alone(settings, home, changes):
    ask_for(settings, order(settings))
    age_record(home, **changes)

    workers = ask_for(settings, order(settings))

    assert [worker.draining for worker in workers] == [False, False]
    assert all(worker.process.is_alive for worker in workers)


def test_keys_go_through_the_environment_and_not_through_command_line_or_record(settings, home, tmp_path):
    bucket = {"YANDEX_BUCKET_NAME": "b", "YANDEX_ACCESS_KEY": "an-access-key", "YANDEX_SECRET_KEY": "s3_secret_key"}
    mine = Settings.load(**bucket, RUNPODKIT_HOME=home)
    seen = tmp_path / "seen.json"
    code = f"import json, os, sys, time; json.dump(dict(os.environ), open({str(seen)!r} + '~', 'w')); os.rename({str(seen)!r} + '~', {str(seen)!r}); time.sleep(60)"

    (worker,) = ask_for(mine, order(mine), [sys.executable, "-c", code])
    assert wait_until(seen.exists, 10)

    given = json.loads(seen.read_text())
    assert given["RUNPOD_API_KEY"] == "rpa_secret_key"
    assert given["S3_SECRET_KEY"] == "s3_secret_key"
    assert b"secret_key" not in Path(f"/proc/{worker.process.pid}/cmdline").read_bytes()
    assert "secret_key" not in (home / "stack.json").read_text()


def test_the_worker_is_told_everything_the_kit_was_told_wherever_from(settings):
    mine = Settings.load(RUNPODKIT_DIALECT="a1111", RUNPODKIT_GPU="A100", RUNPODKIT_CONFIRM_USD=7)
    given = environment(order(mine), {"PATH": "/bin", "RUNPODKIT_MODEL": "left over", "S3_BUCKET_NAME": "kept"})

    assert given["RUNPOD_URL"] == "https://api.runpod.ai/v2/abc123"
    assert given["REDIS_URL"] == "unix:///a.sock?db=0"
    assert given["RUNPODKIT_BROKER"] == "redis+socket:///a.sock"
    assert given["RUNPODKIT_QUEUES"] == "high_priority-x,sweeps-x"
    assert (given["RUNPODKIT_DIALECT"], given["RUNPODKIT_GPU"], given["RUNPODKIT_CONFIRM_USD"]) == (
        "a1111",
        "A100",
        "7.0",
    )
    assert given["RUNPODKIT_HOME"] == str(mine.home)
    assert given["PATH"] == "/bin"
    assert "RUNPODKIT_MODEL" not in given
    assert given["RUNPODKIT_AI_MARK"] == "1", "an .env that the worker finds may say otherwise"
    assert environment(order(Settings.load(RUNPODKIT_AI_MARK=False)), {})["RUNPODKIT_AI_MARK"] == "0"


def test_for_the_stand_in_no_key_and_no_port_is_handed_over(settings):
    given = environment(order(settings, address=None), {"RUNPOD_API_KEY": "rpa_x", "RUNPOD_URL": "https://x"})

    assert "RUNPOD_API_KEY" not in given
    assert "RUNPOD_URL" not in given


def test_a_settings_object_read_by_the_worker_has_the_same_fingerprint(settings, monkeypatch):
    """The worker reads its environment anew: what it finds must mean the same work."""
    mine = Settings.load(
        RUNPODKIT_DIALECT="a1111", YANDEX_BUCKET_NAME="b", YANDEX_ACCESS_KEY="a", YANDEX_SECRET_KEY="s", S3_PREFIX="p"
    )
    for name, value in environment(order(mine), os.environ).items():
        monkeypatch.setenv(name, value)

    theirs = Settings.load()

    assert theirs.address() == LIVE
    assert stack.fingerprint(theirs, theirs.address()) == stack.fingerprint(mine, LIVE)


def test_a_program_that_cannot_be_started_is_an_error_of_the_stack(settings, home):
    with pytest.raises(StackError, match="Celery worker cannot be started: /no/such/python"):
        ask_for(settings, order(settings), ["/no/such/python"])

    assert read(home).workers == []


def test_the_command_names_queues_and_fingerprint_and_no_secret(settings):
    argv = celery_worker.command(Queues("sweeps-12345678", "high_priority-12345678"), "runpodkit-12345678")

    assert argv[1:6] == ["-P", "-m", "celery", "-A", "runpodkit.tasks"]
    assert argv[argv.index("-Q") + 1] == "high_priority-12345678,sweeps-12345678"
    assert argv[argv.index("-n") + 1] == "runpodkit-12345678@%h"
