"""What is killed comes back, and nothing is lost or paid for twice: the stack, a bucket, a worker."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import runpodkit as rk
from runpodkit import stack
from runpodkit.connecting import connect
from runpodkit.settings import Settings

SMALL = {"width": 64, "height": 64, "steps": 2}


@pytest.fixture
def own_home(tmp_path: Path) -> Iterator[Path]:
    """A home whose parts a test may kill."""
    home = tmp_path / "own"
    yield home
    stack.down(Settings.load(tmp_path, RUNPODKIT_HOME=home))


def _pids(settings: Settings, name: str) -> list[int]:
    return [part.pid for part in stack.status(settings) if part.name == name and part.pid]


@pytest.mark.parametrize("victim", ["Celery worker", "simulator", "Redis"])
def test_a_run_survives_the_death_of_a_part(victim: str, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNPODKIT_HOME", str(own_home))
    kit = connect(quiet=True)
    slow = {"mock": {"exec_ms": 1000, "bytes": 2000}}
    run = kit.submit(rk.sweep("a mill", seed="1-24", extra=slow, **SMALL), name="survivor", retry_delay_s=1)
    deadline = time.monotonic() + 40
    while run.status().count(*_collected()) < 4 and time.monotonic() < deadline:
        time.sleep(0.1)

    workers = _pids(kit.settings, "Celery worker")
    for pid in _pids(kit.settings, victim):
        os.kill(pid, signal.SIGKILL)
    killed = time.monotonic()
    other = connect(quiet=True)
    run = other.open_run("survivor")
    run.wait(progress=False)

    report, records = run.report(), run.records()
    assert (report["collected"], report["failed"]) == (24, 0)
    assert sorted(record.trial for record in records) == list(range(24))
    assert len({record.images[0].key for record in records}) == 24
    assert report["submissions"] - 24 <= sum(record.maybe_paid_twice for record in records)
    assert time.monotonic() - killed < 75
    assert (_pids(kit.settings, "Celery worker") == workers) is (victim != "Celery worker")
    other.close()
    kit.close()


def _collected() -> list[object]:
    from runpodkit.runs.rows import TrialState

    return [TrialState.COLLECTED]


def test_pictures_and_records_go_to_a_bucket_when_one_is_configured(
    own_home: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNPODKIT_HOME", str(own_home))
    monkeypatch.setenv("YANDEX_BUCKET_NAME", "pictures")
    monkeypatch.setenv("YANDEX_ACCESS_KEY", "made-up")
    monkeypatch.setenv("YANDEX_SECRET_KEY", "made-up-too")
    monkeypatch.setenv("YANDEX_ENDPOINT_URL", bucket)
    kit = connect(quiet=True)

    run = kit.submit(rk.sweep("a mill", seed=[1, 2], **SMALL), name="away").wait(progress=False)
    picture = kit.generate("a mill", seed=1, **SMALL)

    assert "store S3" in kit.line
    assert sorted(kit.store.keys("runs/away/")) == ["runs/away/records/00000.jsonl", "runs/away/run.json"]
    assert [picture.image.size for picture in run.pictures()] == [(64, 64), (64, 64)]
    assert picture.record.state == "REUSED"
    assert picture.url.startswith(f"{bucket}/pictures/images/")
    assert httpx.get(picture.url, trust_env=False).content == picture.bytes
    assert not (own_home / "store").exists()
    assert "made-up-too" not in repr(kit) + str(kit.where())
    kit.close()
