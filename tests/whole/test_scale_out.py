"""Several Celery workers on one Redis and one bucket: they share a run, its limits and its loss."""

from __future__ import annotations

import json
import re
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import runpodkit as rk
from runpodkit import stack
from runpodkit.connecting import connect
from runpodkit.endpoint.limits import PUBLISHED
from runpodkit.kit import Kit
from runpodkit.runs.rows import TrialState
from runpodkit.settings import Settings
from tests.whole.conftest import KEY, CeleryWorker, Simulated

pytestmark = pytest.mark.alone

SMALL = {"width": 64, "height": 64, "steps": 1}


def mock(exec_ms: int) -> dict[str, object]:
    return {"mock": {"exec_ms": exec_ms, "bytes": 1000}}


@dataclass
class Site:
    """A notebook's machine; others join it with `env` and a home of their own."""

    kit: Kit
    env: dict[str, str]
    journal: Path
    folder: Path

    def machine(self, name: str) -> dict[str, str]:
        return self.env | {"RUNPODKIT_HOME": str(self.folder / name / "home")}

    def requests(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


@pytest.fixture
def site(
    tmp_path: Path, bucket: str, simulated: Callable[..., Simulated], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Site]:
    """One Redis, one bucket and one endpoint; no Celery worker."""
    elsewhere = Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path / "redis")
    journal = tmp_path / "journal.jsonl"
    service = simulated("--workers", "10", "--journal", str(journal))
    env = {
        "REDIS_URL": stack.ensure_redis(elsewhere),
        "RUNPOD_URL": service.url,
        "RUNPOD_API_KEY": KEY,
        "RUNPODKIT_MODEL": "shared",
        "S3_BUCKET_NAME": "pictures",
        "S3_ACCESS_KEY": "made-up",
        "S3_SECRET_KEY": "made-up-too",
        "S3_ENDPOINT_URL": bucket,
        "S3_REGION": "ru-central1",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("RUNPODKIT_HOME", str(tmp_path / "notebook"))
    kit = connect(quiet=True)
    yield Site(kit, env, journal, tmp_path)
    kit.close()
    stack.down(elsewhere)
    stack.down(Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path / "notebook"))


def wait_for_workers(kit: Kit, count: int) -> None:
    from runpodkit.blocking import shared_loop

    deadline = time.monotonic() + 30
    while shared_loop().call(kit.dispatcher.live_workers()) < count and time.monotonic() < deadline:
        time.sleep(0.1)


def test_workers_on_two_machines_share_a_run(site: Site, celery_worker: Callable[..., CeleryWorker]) -> None:
    workers = [celery_worker(name, site.machine(name)) for name in ("one", "two")]
    wait_for_workers(site.kit, 2)

    run = site.kit.submit(rk.sweep("a mill", seed="1-200", extra=mock(300), **SMALL), name="wide", window=40)
    run.wait(progress=False)

    report = run.report()
    assert (report["collected"], report["submissions"], report["maybe_paid_twice"]) == (200, 200, 0)
    taken = [line for line in site.requests() if line["operation"] == "run"]
    assert len(taken) == len({json.dumps(line["input"]) for line in taken}) == 200
    for worker in workers:
        assert "wide: driving it" in worker.log.read_text()
    assert len(list(site.kit.store.keys("images/"))) == 200
    assert not (site.folder / "one" / "home" / "store").exists()
    assert site.kit.open_run("wide").table()["trial"].is_unique


def test_when_one_of_two_machines_goes_away_the_other_finishes(
    site: Site, celery_worker: Callable[..., CeleryWorker]
) -> None:
    first, _ = (celery_worker(name, site.machine(name)) for name in ("one", "two"))
    wait_for_workers(site.kit, 2)
    run = site.kit.submit(rk.sweep("a mill", seed="1-100", extra=mock(400), **SMALL), name="left", window=20)
    deadline = time.monotonic() + 40
    while run.status().count(TrialState.COLLECTED) < 20 and time.monotonic() < deadline:
        time.sleep(0.1)

    first.kill()
    run.wait(progress=False)

    records = run.records()
    assert run.report()["collected"] == 100
    jobs = Counter(str(line["input"]) for line in site.requests() if line["operation"] == "run" and line.get("job"))
    extra = sum(jobs.values()) - 100
    assert extra <= sum(record.maybe_paid_twice for record in records)


def test_two_workers_and_a_notebook_stay_under_the_published_limits(
    site: Site, celery_worker: Callable[..., CeleryWorker]
) -> None:
    for name in ("one", "two"):
        celery_worker(name, site.machine(name))
    wait_for_workers(site.kit, 2)

    # 10 workers × 20 jobs a second are twice what may be submitted
    run = site.kit.submit(rk.sweep("a mill", seed="1-1500", extra=mock(50), **SMALL), name="fast", window=400)
    drawn = 0
    while not run.status().is_over:
        site.kit.generate("a pier", seed=drawn, extra=mock(50), **SMALL)
        drawn += 1

    requests = site.requests()
    assert run.report()["collected"] == 1500
    assert drawn > 3
    assert not [line for line in requests if line["status"] == 429]
    for operation, limit in PUBLISHED.items():
        times = sorted(float(str(line["at"])) for line in requests if line["operation"] == operation)
        most = max((bisect_left(times, at + 10) - place for place, at in enumerate(times)), default=0)
        assert most <= limit.per_10_s, operation
    submitted = sorted(float(str(line["at"])) for line in requests if line["operation"] == "run")
    assert len(submitted) / (submitted[-1] - submitted[0]) > 50  # the limit was what held it up


def test_a_child_that_is_recycled_under_load_loses_and_repeats_nothing(
    site: Site, celery_worker: Callable[..., CeleryWorker]
) -> None:
    celery_worker("one", site.machine("one"), "--max-tasks-per-child=1")
    wait_for_workers(site.kit, 1)

    runs = [
        site.kit.submit(rk.sweep("a mill", seed=f"{n}01-{n}30", extra=mock(200), **SMALL), name=f"run-{n}")
        for n in range(1, 7)
    ]
    for run in runs:
        run.wait(progress=False)

    log = (site.folder / "one" / "worker.log").read_text()
    children = set(re.findall(r"ForkPoolWorker-(\d+)\] Task runpodkit\.run_batches", log))
    assert len(children) >= 4
    assert [run.report()["collected"] for run in runs] == [30] * 6
    assert sum(line["operation"] == "run" for line in site.requests()) == 180
