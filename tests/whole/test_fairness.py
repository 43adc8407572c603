"""A long run leaves room for others: on the same endpoint, and for another project on the same machine."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path

import pytest

import runpodkit as rk
from runpodkit import stack
from runpodkit.connecting import connect
from runpodkit.kit import Kit
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.settings import Settings
from tests.whole.conftest import KEY, Simulated

pytestmark = pytest.mark.alone

SMALL = {"width": 64, "height": 64, "steps": 1}
JOB_S = 1.0
ANOTHER_PROGRAM = """
import json, time
from runpodkit.tasks import generate_image_runpod_task
asked = time.time()
told = generate_image_runpod_task.delay(user_prompt="a task", seed=1, width=64, height=64, steps=1).get(timeout=60)
print(json.dumps({**told, "waited_s": time.time() - asked}))
"""


def mock(exec_ms: int) -> dict[str, object]:
    return {"mock": {"exec_ms": exec_ms, "bytes": 1000}}


@pytest.fixture
def busy(
    tmp_path: Path, simulated: Callable[..., Simulated], monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Kit, rk.Run]]:
    """A kit in the middle of a run of 1,000 trials of a second each, on 20 workers."""
    home = tmp_path / "own"
    service = simulated("--workers", "20")
    for name, value in {"RUNPODKIT_HOME": str(home), "RUNPOD_URL": service.url, "RUNPOD_API_KEY": KEY}.items():
        monkeypatch.setenv(name, value)
    kit = connect(quiet=True)
    plan = rk.sweep("a long run", seed=range(1000), extra=mock(int(JOB_S * 1000)), **SMALL)
    run = kit.submit(plan, name="long")
    deadline = time.monotonic() + 60
    while run.status().count(TrialState.COLLECTED) < 60 and time.monotonic() < deadline:
        time.sleep(0.1)
    yield kit, run
    run.cancel()
    kit.close()
    stack.down(Settings.load(tmp_path, RUNPODKIT_HOME=home))


def started_after(record: Record, asked_at: float) -> float:
    """Seconds from asking to a worker's taking the job."""
    assert record.submitted_at
    submitted = datetime.fromisoformat(record.submitted_at).timestamp()
    return submitted - asked_at + (record.queue_delay_s or 0)


def test_others_start_within_two_job_times_of_a_long_run(busy: tuple[Kit, rk.Run]) -> None:
    kit, run = busy
    asked = time.time()
    picture = kit.generate("a pier", seed=1, extra=mock(100), **SMALL)
    single = started_after(picture.record, asked)

    asked = time.time()
    small = kit.submit(rk.sweep("a short run", seed=range(4), extra=mock(100), **SMALL), name="short")
    small.wait(progress=False)
    sweep = [started_after(record, asked) for record in small.records()]

    # in a process of its own: an application binds its broker once
    done = subprocess.run(
        [sys.executable, "-c", ANOTHER_PROGRAM], capture_output=True, text=True, timeout=90, check=True
    )
    task = json.loads(done.stdout.splitlines()[-1])

    assert not run.status().is_over
    assert single <= 2 * JOB_S + 0.5
    assert max(sweep) <= 2 * JOB_S + 1.0  # it goes by way of a Celery worker
    assert task["queue_delay_s"] <= 2 * JOB_S
    assert task["waited_s"] <= 2 * JOB_S + 3.0


def test_two_projects_on_one_machine_leave_each_others_runs_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPODKIT_HOME", str(tmp_path / "shared"))
    one, two = (connect(settings=Settings.load(tmp_path, RUNPODKIT_MODEL=model), quiet=True) for model in ("a", "b"))
    try:
        plan = rk.sweep("a mill", seed="1-60", extra=mock(100), **SMALL)
        runs = [kit.submit(plan, name=name) for kit, name in ((one, "first"), (two, "second"))]
        for run in runs:
            run.wait(progress=False)

        reports = [run.report() for run in runs]
        assert [report["collected"] for report in reports] == [60, 60]
        assert [report["submissions"] for report in reports] == [60, 60]
        assert one.family != two.family
        keys = [{record.key for record in run.records()} for run in runs]
        assert not keys[0] & keys[1]
    finally:
        one.close()
        two.close()
        stack.down(Settings.load(tmp_path))
