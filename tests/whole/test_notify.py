"""Webhooks with a real Celery worker and a real receiver: the end, HELD, a worker that is killed; and functions here."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

import runpodkit as rk
from runpodkit import stack
from runpodkit.blocking import shared_loop
from runpodkit.kit import Kit
from runpodkit.stack.state import read
from tests.whole.conftest import Command

SECRET = "/hooks/canary-of-a-whole-webhook"


class Receiver:
    """Takes what is posted to this machine."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        bodies = self.bodies

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                bodies.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(204)
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}{SECRET}"

    def of(self, run: str) -> list[dict[str, Any]]:
        return [body for body in self.bodies if body["run"] == run]

    def wait(self, run: str, count: int, seconds: float = 30) -> list[dict[str, Any]]:
        deadline = time.monotonic() + seconds
        while len(self.of(run)) < count and time.monotonic() < deadline:
            time.sleep(0.05)
        return self.of(run)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()
    made.thread.join()


def small(seeds: int) -> rk.Sweep:
    return rk.sweep("a mill that no webhook hears of", seed=rk.seeds(seeds), width=64, height=64, steps=2)


def test_the_end_is_told_once_and_the_address_is_nowhere(
    kit: Kit, receiver: Receiver, home: Path, tmp_path: Path, runpodkit: Command
) -> None:
    run = kit.submit(small(3), name="told", fresh=True, notify=receiver.url, tags=["paper"], note="why").wait()
    run.wait(progress=False)

    (body,) = receiver.wait(run.name, 1)
    assert (body["state"], body["collected"], body["trials"], body["simulated"]) == ("DONE", 3, 3, True)
    assert "mill" not in json.dumps(body)
    time.sleep(6)  # another upkeep
    assert len(receiver.of(run.name)) == 1

    run.freeze(tmp_path / "r.zip")
    run.to_html(tmp_path / "r.html")
    kept = [path.read_bytes() for path in (home / "store").rglob("*") if path.is_file() and path.suffix != ".png"]
    logs = [path.read_bytes() for path in home.rglob("*.log")]
    assert logs
    for data in [*kept, *logs, (tmp_path / "r.zip").read_bytes(), (tmp_path / "r.html").read_bytes()]:
        assert b"canary-of-a-whole" not in data
    listed = runpodkit("runs", "--tag", "paper", "--text", "MILL", "--json")
    assert [(row["name"], row["tags"], row["note"]) for row in json.loads(listed.stdout)] == [
        (run.name, "paper", "why")
    ]
    assert "no runs" in runpodkit("runs", "--tag", "paper", "--state", "HELD").stdout


def test_held_is_told_and_then_the_end(kit: Kit, receiver: Receiver) -> None:
    run = kit.submit(small(40), name="held-told", fresh=True, notify=receiver.url, budget_usd=1e-9, reuse=False)
    run.wait(progress=False)

    (body,) = receiver.wait(run.name, 1)
    assert (body["state"], body["over"], body["goes_on_by_itself"]) == ("HELD", False, False)
    assert body["reason"].startswith("budget: ")
    run.resume(budget_usd=1).wait(progress=False)
    assert [one["state"] for one in receiver.wait(run.name, 2)] == ["HELD", "DONE"]


@pytest.mark.slow
def test_a_worker_that_is_killed_neither_loses_it_nor_tells_it_twice(kit: Kit, receiver: Receiver) -> None:
    run = kit.submit(small(12), name="killed-told", fresh=True, notify=receiver.url, reuse=False)
    for _ in range(3):  # wherever it is just then: drawing, telling, done
        time.sleep(0.7)
        _kill_worker(kit)
        kit.submit(small(12), name=run.name)  # a person runs the cell again, which starts what is missing
        stack.ensure_worker(kit.settings, None)
    run.wait(progress=False)

    assert [body["state"] for body in receiver.wait(run.name, 1, seconds=90)] == ["DONE"]
    _kill_worker(kit)
    stack.ensure_worker(kit.settings, None)
    time.sleep(12)  # the next worker's upkeep
    assert len(receiver.of(run.name)) == 1


def _kill_worker(kit: Kit) -> None:
    for worker in read(kit.settings.home).workers:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.process.pid, signal.SIGKILL)


def test_a_function_is_called_here(kit: Kit) -> None:
    heard: list[tuple[str, str]] = []
    called = threading.Event()

    def hear(run: rk.Run) -> None:
        heard.append((run.name, str(run.state)))
        called.set()

    run = kit.submit(small(2), name="heard", fresh=True, notify=hear)

    assert called.wait(30)
    assert heard == [(run.name, "DONE")]
    kit.submit(small(2), name=run.name, notify=hear)  # it was over before: nothing ends any more
    time.sleep(1.5)
    assert len(heard) == 1


def test_what_cannot_be_meant_is_told_before_anything_runs(kit: Kit) -> None:
    wrong: list[dict[str, Any]] = [
        {"tags": ["a,b"]},
        {"note": "x" * 5000},
        {"notify": "http://10.0.0.1/"},
        {"notify": 7},
    ]
    for given in wrong:
        with pytest.raises(ValueError, match=r"tag|note|notify"):
            kit.submit(small(1), name="never-tagged", **given)
    assert "never-tagged" not in set(kit.runs()["name"])


def test_a_run_whose_ledger_is_gone_is_found_with_its_picture_and_cost(kit: Kit) -> None:
    run = kit.submit(small(4), name="forgotten", fresh=True, tags="for later", note="Зачем").wait(progress=False)
    before = kit.runs(text="зачем")
    shared_loop().call(kit.ledger.forget(run.name))
    after = kit.runs(tag="for later")

    assert list(after["name"]) == [run.name]
    columns = ["name", "state", "trials", "collected", "failed", "simulated", "created", "tags", "note"]
    assert after[columns].to_dict("records") == before[columns].to_dict("records")
    assert after["cost_usd"].item() == pytest.approx(before["cost_usd"].item())
    assert after._repr_html_().count("data:image/jpeg") == 1
    assert run.provenance["packages"]["runpodkit"]
    again = kit.open_run(run.name)
    assert again.provenance == run.provenance


def test_a_script_that_ends_with_its_run_tells_it_all_the_same(home: Path) -> None:
    script = """
import runpodkit as rk
sweep = rk.sweep("a sluice", seed=1, steps=2, width=64, height=64)
rk.connect(quiet=True).submit(sweep, name="sluice", notify=lambda run: print("told:", run.name)).wait(progress=False)
"""
    for _ in range(2):
        ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)
        script = script.replace("sluice", "sluice-again")
        assert ran.stdout.count("told:") == 1, ran.stderr
