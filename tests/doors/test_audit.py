"""The dependency audit: its three ends and what it says, with pip-audit asking a small database on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / ".ci" / "audit.py"
HOLE = "GHSA-made-up-hole"


class Database(ThreadingHTTPServer):
    """Speaks as OSV does; knows the vulnerabilities it is given, by name and version."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answers)
        self.known: dict[tuple[str, str], str] = {("pip", "9.0.0"): "GHSA-of-old-pip"}
        self.asked: list[tuple[str, str]] = []
        self.ends_after: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/v1/query"


class _Answers(BaseHTTPRequestHandler):
    server: Database

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        pin = (query["package"]["name"], query["version"])
        self.server.asked.append(pin)
        if self.server.ends_after is not None and len(self.server.asked) > self.server.ends_after:
            self.send_error(503)
            return
        answer: dict[str, Any] = {}
        if found := self.server.known.get(pin):
            affected = {"package": {"name": pin[0], "ecosystem": "PyPI"}, "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]}  # fmt: skip
            answer = {
                "vulns": [{"id": found, "aliases": ["CVE-2026-0001"], "summary": "a hole", "affected": [affected]}]
            }
        body = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def database() -> Iterator[Database]:
    with Database() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def audit(folder: Path, url: str, ignored: str = "") -> subprocess.CompletedProcess[str]:
    lock, list_of_ignored = folder / "requirements.lock", folder / "ignored.toml"
    lock.write_text(
        f"one-package==1.0 \\\n    --hash=sha256:{'0' * 64}\nanother==2.5 \\\n    --hash=sha256:{'1' * 64}\n"
    )
    list_of_ignored.write_text(ignored)
    words = ["--lock", str(lock), "--ignored", str(list_of_ignored), "--osv-url", url]
    return subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=60)


def test_pins_without_a_vulnerability_pass_and_are_counted(tmp_path: Path, database: Database) -> None:
    done = audit(tmp_path, database.url)

    assert (done.returncode, done.stdout) == (
        0,
        "audit: 2 pins looked at, 0 with a vulnerability that is not ignored\n",
    )
    assert {("one-package", "1.0"), ("another", "2.5")} <= set(database.asked)


def test_a_vulnerability_fails_with_its_id_and_the_cure(tmp_path: Path, database: Database) -> None:
    database.known["another", "2.5"] = HOLE

    done = audit(tmp_path, database.url)

    assert done.returncode == 1
    assert "another 2.5: CVE-2026-0001 VULNERABLE; fixed in 99.1" in done.stdout  # pip-audit prefers a CVE
    assert "make lock UPGRADE=1" in done.stderr


@pytest.mark.parametrize("name", [HOLE, "CVE-2026-0001"])
def test_one_that_is_ignored_with_a_reason_passes_and_the_reason_is_shown(
    tmp_path: Path, database: Database, name: str
) -> None:
    database.known["another", "2.5"] = HOLE

    done = audit(tmp_path, database.url, f'"{name}" = "we never call it"\n"GHSA-gone" = "was there once"\n')

    assert done.returncode == 0
    assert "another 2.5: CVE-2026-0001 ignored: we never call it" in done.stdout
    assert "GHSA-gone is ignored but no pin has it" in done.stdout


def test_ignoring_without_a_reason_is_refused(tmp_path: Path, database: Database) -> None:
    done = audit(tmp_path, database.url, f'"{HOLE}" = ""\n')

    assert done.returncode == 1
    assert "give the reason" in done.stderr


def test_a_database_out_of_reach_is_told_as_not_run_and_passes(tmp_path: Path) -> None:
    done = audit(tmp_path, "http://127.0.0.1:1/v1/query")

    assert done.returncode == 0
    assert done.stdout.startswith("audit: not run: http://127.0.0.1:1/v1/query cannot be reached")


@pytest.mark.parametrize(
    ("known", "ends_after", "why"),
    [({}, None, "does not know that pip 9.0.0 is vulnerable"), ({}, 0, "answers HTTP 503")],
    ids=["knows nothing", "is down"],
)
def test_a_database_that_knows_nothing_is_no_clean_bill(
    tmp_path: Path, database: Database, known: dict[tuple[str, str], str], ends_after: int | None, why: str
) -> None:
    database.known, database.ends_after = known, ends_after

    done = audit(tmp_path, database.url)

    assert done.returncode == 0
    assert done.stdout.startswith("audit: not run: ") and why in done.stdout


def test_a_database_that_ends_half_way_is_told_as_not_run(tmp_path: Path, database: Database) -> None:
    database.ends_after = 1

    done = audit(tmp_path, database.url)

    assert (done.returncode, "not run" in done.stdout) == (0, True)


def test_a_lock_that_cannot_be_read_fails(tmp_path: Path, database: Database) -> None:
    words = ["--lock", str(tmp_path / "missing.lock"), "--osv-url", database.url]
    done = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True, timeout=60)

    assert done.returncode == 1
    assert "pip-audit did not finish" in done.stderr


def test_ci_asks_and_the_ignored_ones_have_reasons() -> None:
    assert "\nstep audit\n" in (ROOT / ".ci" / "run").read_text()
    done = subprocess.run([sys.executable, "-c", f"import runpy; runpy.run_path({str(SCRIPT)!r})['ignored'](__import__('pathlib').Path({str(ROOT / '.ci' / 'audit-ignored.toml')!r}))"], capture_output=True, timeout=60)  # fmt: skip
    assert done.returncode == 0
