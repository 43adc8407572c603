"""A reader who types a page from top to bottom, in an empty folder, with a home of their own and nothing configured.

`python` blocks go to one interpreter, `sh` blocks to bash, blocks that begin with the name of a file into that file.
Ports in a page are exchanged for free ones: where the test runs they may be taken.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import yaml
from pydantic import AliasChoices

from runpodkit.cli.sweeps import read_plan
from runpodkit.endpoint.dialects import get_dialect
from runpodkit.endpoints import named_endpoints
from runpodkit.settings import Settings
from runpodkit.simulator.faults import FaultTable
from tests.docs.blocks import Block

PORTS = ("8100", "8101", "8000", "5555", "8888")
SH_PATIENCE_S = 120
READY_PATIENCE_S = 60
INTERPRETER = Path(__file__).with_name("interpreter.py")


class Reader:
    """Types blocks; what one of them says wrong is an AssertionError that names page and line."""

    def __init__(self, folder: Path, home: Path) -> None:
        self.folder = folder
        self.env = {
            **os.environ,
            "RUNPODKIT_HOME": str(home),
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "COLUMNS": "120",
        }
        self._log = (folder.parent / "said.txt").open("w+")
        self._python: subprocess.Popen[str] | None = None
        self._left_running: list[subprocess.Popen[bytes]] = []
        self._ports: dict[str, str] = {}
        self._told: dict[str, str] = {}
        """What the page has set since; its `endpoints.toml` lies in the folder, not in the home of all pages."""

    def type(self, block: Block) -> None:
        """Do what a reader does with this block."""
        code = self._with_free_ports(block.code)
        if block.not_run:
            return
        if block.file:
            path = self.folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(code)
        match block.language:
            case "python" if block.file:
                compile(code, str(block), "exec")
            case "python":
                self._type_python(block, code)
            case "sh" if block.runs_on:
                self._leave_running(block, code)
            case "sh":
                self._type_sh(block, code)
            case "toml":
                self._read_toml(block, code)
            case "json":
                json.loads(code)
            case "yaml":
                yaml.safe_load(code)
            case "ini":
                _read_settings(block, code)
            case "js":
                raise AssertionError(f"{block} is for a browser: mark it as not run, and say so")

    def close(self) -> None:
        if self._python:
            assert self._python.stdin
            assert self._python.stdout
            self._python.stdin.close()
            self._python.wait(30)
            self._python.stdout.close()
        for process in self._left_running:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGTERM)
        for process in self._left_running:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        self._log.close()

    def _type_python(self, block: Block, code: str) -> None:
        if self._python is None:
            self._python = subprocess.Popen(
                [sys.executable, "-W", "error", str(INTERPRETER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._log,
                text=True,
                cwd=self.folder,
                env={**self.env, "PYTHONPATH": str(self.folder)},
            )
        assert self._python.stdin
        assert self._python.stdout
        self._python.stdin.write(
            json.dumps({"code": code, "page": block.page, "line": block.line, "env": self._told}) + "\n"
        )
        self._python.stdin.flush()
        answer = self._python.stdout.readline()
        assert answer, f"{block}: Python ended\n{self._said()}"
        failed = json.loads(answer)["failed"]
        assert failed is None, f"{block}\n{failed}"

    def _type_sh(self, block: Block, code: str) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", code],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=self.folder,
            env=self.env | self._told,
            timeout=SH_PATIENCE_S,
        )
        assert done.returncode == 0, f"{block} ended with {done.returncode}\n{done.stdout}"

    def _leave_running(self, block: Block, code: str) -> None:
        log = self.folder.parent / f"line-{block.line}.txt"
        with log.open("wb") as out:
            process = subprocess.Popen(
                ["bash", "-euo", "pipefail", "-c", code],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                env=self.env | self._told,
                start_new_session=True,
            )
        self._left_running.append(process)
        deadline = time.monotonic() + READY_PATIENCE_S
        while block.runs_on not in log.read_text():
            assert process.poll() is None, f"{block} ended with {process.returncode}\n{log.read_text()}"
            assert time.monotonic() < deadline, f"{block} never said {block.runs_on!r}\n{log.read_text()}"
            time.sleep(0.1)

    def _read_toml(self, block: Block, code: str) -> None:
        tables = tomllib.loads(code)
        assert block.file, f"{block} does not begin with its file's name"
        path = self.folder / block.file
        if path.name == "endpoints.toml":
            self._told["RUNPODKIT_ENDPOINTS"] = str(path)
            assert list(named_endpoints(Settings.load(self.folder, RUNPODKIT_ENDPOINTS=path))) == list(tables)
        elif "base" in tables and isinstance(tables["base"], str):
            get_dialect(str(path))
        elif "axes" in tables:
            read_plan(path)
        elif "job" in tables or "request" in tables:
            FaultTable.read(path)
        else:
            raise AssertionError(f"{block} is no file that runpodkit reads")

    def _with_free_ports(self, code: str) -> str:
        for port in PORTS:
            if re.search(rf"\b{port}\b", code):
                code = re.sub(rf"\b{port}\b", self._ports.setdefault(port, _free_port()), code)
        return code

    def _said(self) -> str:
        self._log.flush()
        return Path(self._log.name).read_text()[-4000:]


def _read_settings(block: Block, code: str) -> None:
    """Every line of a `.env` sets something that is a setting."""
    known = {name for field in Settings.model_fields.values() for name in _names_of(field.validation_alias)}
    for line in code.splitlines():
        name, _, value = line.partition("=")
        assert line.startswith(("#", "--8<--")) or not line.strip() or (name in known and value), f"{block}: {line}"


def _names_of(alias: object) -> list[str]:
    return [str(name) for name in alias.choices] if isinstance(alias, AliasChoices) else [str(alias)]


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])
