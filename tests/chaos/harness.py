"""Chaos: parts of the whole system are killed at a seeded moment of a run, and what is left is counted.

Used by the tests here and by `benchmarks/chaos.py`.  Everything is real: the simulator with its faults, Redis, the
Celery worker and the notebook are processes of their own, and SIGKILL ends them.  Only the simulator is
started again from here; the rest comes back by itself or when the notebook is opened again.
"""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from runpodkit import stack
from runpodkit.runs.records import Record, read_records
from runpodkit.runs.rows import TrialState
from runpodkit.settings import Settings
from runpodkit.storage.local import LocalStore

KEY = "rpa_made_up_for_chaos"
RUN = "chaos"
VICTIMS = ("worker's child", "worker", "Redis", "notebook", "simulator")
RESUME_S = 30.0
FAULTS = """
seed = {seed}
request = [
  {{kind = "429", chance = 0.05, retry_after_s = 0.2, operations = ["run", "status"]}},
  {{kind = "500", chance = 0.01, operations = ["run", "status"]}},
  {{kind = "502", chance = 0.01, operations = ["run", "status"]}},
  {{kind = "lost", chance = 0.02, operations = ["run", "status"]}},
]
job = [{{kind = "failed", chance = 0.01}}, {{kind = "no output", chance = 0.01}}]
"""
_NOTEBOOK = """
import runpodkit as rk
kit = rk.connect(quiet=True)
job = {{"mock": {{"exec_ms": {exec_ms}, "bytes": 2000}}}}
plan = rk.sweep("a mill", seed=range({trials}), extra=job, width=64, height=64, steps=1)
kit.submit(plan, name="{run}", retry_delay_s=1, hold_after_equal_failures=50, confirm=True).wait(progress=False)
print("done", flush=True)
"""


@dataclass
class Outcome:
    """What was killed and what became of the run."""

    victims: tuple[str, ...]
    at: float
    """Share of the pictures there were when it happened."""
    trials: int
    seconds: float = 0.0
    resumed_s: float | None = None
    """From the kill, or from the worker's being there again, to the first picture submitted after it."""
    records: int = 0
    images: int = 0
    failed: int = 0
    jobs: int = 0
    """Jobs that the endpoint took."""
    extra: int = 0
    """Those beyond one per trial."""
    broken: list[str] = field(default_factory=list)
    """Promises that did not hold."""

    @property
    def row(self) -> str:
        """A line of the table."""
        resumed = "–" if self.resumed_s is None else f"{self.resumed_s:.1f}"
        verdict = "all hold" if not self.broken else "; ".join(self.broken)
        cells = [
            " + ".join(self.victims) or "nothing",
            f"{self.at:.0%}",
            str(self.trials),
            str(self.records),
            str(self.images),
            str(self.failed),
            str(self.extra),
            resumed,
            f"{self.seconds:.0f}",
            verdict,
        ]
        return f"| {' | '.join(cells)} |"


class _Scene:
    """The processes of one scenario."""

    def __init__(self, folder: Path, trials: int, exec_ms: int, workers: int, seed: int) -> None:
        self.folder, self._workers = folder, workers
        self.home, self.journal = folder / "home", folder / "journal.jsonl"
        (folder / "faults.toml").write_text(FAULTS.format(seed=seed))
        self._script = _NOTEBOOK.format(trials=trials, exec_ms=exec_ms, run=RUN)
        self._port = 0
        self.simulator = self._started_simulator()
        self.settings = Settings.load(
            folder, RUNPODKIT_HOME=self.home, RUNPOD_URL=self._url, RUNPOD_API_KEY=KEY, RUNPODKIT_MODEL="chaos"
        )
        self.notebook = self.open_notebook()

    def _started_simulator(self) -> subprocess.Popen[str]:
        words = [sys.executable, "-m", "runpodkit", "simulate", "--port", str(self._port), "--key", KEY]
        words += ["--workers", str(self._workers), "--faults", "faults.toml", "--journal", str(self.journal)]
        process = subprocess.Popen(words, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert process.stdout
        found = re.search(r"http://127\.0\.0\.1:(\d+)/v2/local/run", process.stdout.readline())
        assert found, "the simulator did not start"
        self._url, self._port = found.group(0), int(found.group(1))
        return process

    def open_notebook(self) -> subprocess.Popen[str]:
        """A kernel that submits the run, or attaches to it, and waits for it."""
        given = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD", "S3_", "YANDEX_"))}
        given.pop("REDIS_URL", None)
        own = {
            "RUNPODKIT_HOME": str(self.home),
            "RUNPOD_URL": self._url,
            "RUNPOD_API_KEY": KEY,
            "RUNPODKIT_MODEL": "chaos",
        }
        with (self.folder / "notebook.log").open("a") as log:
            words = [sys.executable, "-c", self._script]
            return subprocess.Popen(words, cwd=self.folder, env=given | own, stdout=log, stderr=log, text=True)

    def pictures(self) -> int:
        return sum(1 for _ in (self.home / "store" / "images").glob("*/[!.]*"))

    def pids(self, name: str) -> list[int]:
        return [part.pid for part in stack.status(self.settings) if part.name == name and part.pid]

    def kill(self, victim: str) -> None:
        """SIGKILL, and for simulator and notebook a new one."""
        if victim == "simulator":
            self.simulator.kill()
            self.simulator.wait(10)
            assert self.simulator.stdout
            self.simulator.stdout.close()
            time.sleep(0.5)
            self.simulator = self._started_simulator()
        elif victim == "notebook":
            self.notebook.kill()
            self.notebook.wait(10)
            self.notebook = self.open_notebook()
        elif victim == "worker's child":
            for pid in self.pids("Celery worker"):
                for child in _children(pid):
                    _end(lambda child=child: os.kill(child, signal.SIGKILL))  # type: ignore[misc]
        else:
            for pid in self.pids("Celery worker" if victim == "worker" else victim):
                _end(lambda pid=pid: os.killpg(pid, signal.SIGKILL))  # type: ignore[misc]

    def end(self) -> None:
        for process in (self.notebook, self.simulator):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(15)
                except subprocess.TimeoutExpired:
                    process.kill()
            if process.stdout and not process.stdout.closed:
                process.stdout.close()
        stack.down(self.settings)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _end(kill: Callable[[], None]) -> None:
    try:
        kill()
    except ProcessLookupError:
        return  # it was just being replaced


@contextmanager
def _scene(folder: Path, trials: int, exec_ms: int, workers: int, seed: int) -> Iterator[_Scene]:
    scene = _Scene(folder, trials, exec_ms, workers, seed)
    try:
        yield scene
    finally:
        scene.end()


def suffer(
    folder: Path,
    victims: Sequence[str],
    *,
    trials: int,
    seed: int,
    exec_ms: int = 300,
    workers: int = 8,
    patience_s: float = 240.0,
) -> Outcome:
    """One run in which `victims` are killed together at a moment that the seed decides."""
    chance = random.Random(f"{seed} {victims}")
    outcome = Outcome(tuple(victims), chance.uniform(0.1, 0.7), trials)
    began = time.monotonic()
    with _scene(folder, trials, exec_ms, workers, seed) as scene:
        deadline = began + patience_s
        while scene.pictures() < outcome.at * trials and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(chance.uniform(0, 0.4))
        killed = time.time()
        for victim in victims:
            scene.kill(victim)
        back = killed
        if "worker" in victims:
            while not scene.pids("Celery worker") and time.monotonic() < deadline:
                time.sleep(0.1)
            back = time.time()
        try:
            scene.notebook.wait(max(1.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            outcome.broken.append(f"not over after {patience_s:.0f} s")
        outcome.seconds = time.monotonic() - began
        _count(scene, outcome, back if victims else None)
    return outcome


def _count(scene: _Scene, outcome: Outcome, back: float | None) -> None:
    store = LocalStore(scene.home / "store")
    records = read_records(store, RUN)
    kept, named = set(store.keys("images/")), [image.key for record in records for image in record.images]
    outcome.records, outcome.images = len(records), len(kept)
    outcome.failed = sum(record.state is TrialState.FAILED for record in records)
    if [record.trial for record in records] != list(range(outcome.trials)):
        outcome.broken.append("not one record per trial")
    if sorted(kept) != sorted(named) or len(named) != outcome.trials - outcome.failed:
        outcome.broken.append(f"{len(kept)} pictures, {len(named)} in records")
    for record in records:
        known = record.state is TrialState.COLLECTED or (record.state is TrialState.FAILED and _is_accounted(record))
        if not known:
            outcome.broken.append(f"trial {record.trial} is {record.state}: {record.reason}")
    _count_jobs(scene, outcome, records)
    if back is not None:
        later = [_epoch(record.ended_at) for record in records if _epoch(record.submitted_at) > back]
        outcome.resumed_s = max(0.0, min(later) - back) if later else None
        if outcome.resumed_s is None or outcome.resumed_s > RESUME_S:
            outcome.broken.append("resumed too late")
    if leaks := _leaks(scene):
        outcome.broken.append(f"the key is in {', '.join(leaks)}")


def _is_accounted(record: Record) -> bool:
    """Whether the faults explain that a trial has no picture."""
    reason = record.reason or ""
    return any(words in reason for words in ("CUDA error", "without output", "submission unconfirmed"))


def _count_jobs(scene: _Scene, outcome: Outcome, records: Sequence[Record]) -> None:
    """Every job that the endpoint took belongs to a trial, and every one beyond its first is flagged."""
    lines = [json.loads(line) for line in scene.journal.read_text().splitlines()]
    taken = Counter(line["input"]["seed"] for line in lines if line["operation"] == "run" and line.get("job"))
    outcome.jobs = sum(taken.values())
    outcome.extra = outcome.jobs - len(taken)
    for record in records:
        jobs = taken[record.params.seed]
        if jobs > record.attempts:
            outcome.broken.append(f"trial {record.trial}: {jobs} jobs, {record.attempts} attempts")
        if jobs > 1 and not (record.maybe_paid_twice or record.flags):
            outcome.broken.append(f"trial {record.trial}: {jobs} jobs and no flag")


def _epoch(moment: str | None) -> float:
    return datetime.fromisoformat(moment).timestamp() if moment else 0.0


def _leaks(scene: _Scene) -> list[str]:
    """Files below the home that hold the endpoint's key."""
    found = []
    for file in scene.folder.rglob("*"):
        try:
            if file.is_file() and KEY.encode() in file.read_bytes():
                found.append(str(file.relative_to(scene.folder)))
        except OSError:
            continue
    return found
