"""The stand-in for RunPod as a process: started, asked for its health, started again on its old port.

Speaks to it over HTTP alone.  Its key is made here and lives in stack.json and in the
process's environment, never on a command line.
"""

from __future__ import annotations

import http.client
import json
import os
import secrets
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr

from runpodkit.errors import StackError
from runpodkit.settings import EndpointAddress
from runpodkit.stack import folders, processes
from runpodkit.stack.folders import READY_NAME, inner_folder, runtime_folder
from runpodkit.stack.state import SimulatorRecord, State, write

ENDPOINT_ID = "local"
WORKERS = 4
START_PATIENCE_S = 30.0
FIND_PATIENCE_S, FREE_PATIENCE_S = 5.0, 3.0
PORTS = range(20_000, 32_000)
"""Below those that systems hand out to connections: one of them could not be had again after a crash."""
KEY_VARIABLE = "RUNPODKIT_SIMULATOR_KEY"
CURE = (
    "pip install 'runpodkit[local,lab]' brings what it needs; or set RUNPOD_API_KEY and RUNPOD_URL to use RunPod itself"
)
_NEEDS = ("numpy", "PIL", "starlette", "uvicorn")
_NOT_ITS_BUSINESS = ("RUNPOD_", "YANDEX_", "S3_", "AWS_", "REDIS_URL")
_COMMAND = (sys.executable, "-P", "-m", "runpodkit.simulator")  # -P: a queue.py in the working folder is not ours


def address(record: SimulatorRecord) -> EndpointAddress:
    return EndpointAddress(f"http://127.0.0.1:{record.port}/v2/{ENDPOINT_ID}", SecretStr(record.key))


def log_file(home: Path) -> Path:
    return folders.log_file(home, "simulator")


def is_healthy(record: SimulatorRecord, timeout_s: float = 3.0) -> bool:
    """Whether our stand-in, the one that knows our key, answers on its port."""
    line = http.client.HTTPConnection("127.0.0.1", record.port, timeout=timeout_s)
    try:
        line.request("GET", f"/v2/{ENDPOINT_ID}/health", headers={"Authorization": f"Bearer {record.key}"})
        return line.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        line.close()


def is_up(record: SimulatorRecord | None) -> bool:
    return record is not None and record.process is not None and record.process.is_alive and is_healthy(record)


def ensure(
    home: Path,
    state: State,
    *,
    command: Sequence[str] = _COMMAND,
    find_patience_s: float = FIND_PATIENCE_S,
    new_key: Callable[[], str] = secrets.token_hex,
) -> SimulatorRecord:
    """The running stand-in, started if need be.  The caller holds the stack's lock.

    A new one takes over the key and, where it is free, the port of the one before, so that
    whoever has the address finds it again.

    Raises:
        StackError: its requirements are missing, or it does not come up.
    """
    old = state.simulator
    if old and old.process and old.process.is_alive:
        if processes.wait_until(lambda: is_healthy(old), find_patience_s):  # it may be busy, or just starting
            return old
        processes.stop([old.process])
    missing = [name for name in _NEEDS if find_spec(name) is None]
    if missing:
        raise StackError("simulator", f"{', '.join(missing)} not installed", CURE)
    key = old.key if old else new_key()
    # the threads of one that was killed may hold its port for a moment longer than it shows as alive
    again = [old.port] if old and processes.wait_until(lambda: _is_free(old.port), FREE_PATIENCE_S) else []
    for port in [*again, *_some_free_port(), 0]:
        if record := _start(home, state, command, port, key):
            return record
    raise StackError("simulator", f"it did not come up; its log says why: {log_file(home)}", CURE)


def _start(home: Path, state: State, command: Sequence[str], port: int, key: str) -> SimulatorRecord | None:
    ready = runtime_folder(home) / READY_NAME
    ready.unlink(missing_ok=True)
    inner_folder(home, "logs")
    argv = [*command, "--port", str(port), "--workers", str(WORKERS), "--ready-file", str(ready)]
    env = {**_cleaned(os.environ), KEY_VARIABLE: key}
    try:
        process = processes.start(argv, log=log_file(home), env=env, cwd=home)
    except OSError as exc:
        raise StackError("simulator", f"{argv[0]}: {exc.strerror}", CURE) from exc
    before, state.simulator = state.simulator, SimulatorRecord(process=process, port=port, key=key)
    write(home, state)  # before waiting: a caller killed now must not leave an unknown process
    record = None

    def settled() -> bool:
        nonlocal record
        if found := _port_in(ready):
            record = SimulatorRecord(process=process, port=found, key=key)
        return (record is not None and is_healthy(record)) or not process.is_alive

    if processes.wait_until(settled, START_PATIENCE_S) and record and process.is_alive:
        state.simulator = record
        return record
    processes.stop([process])
    state.simulator = before.model_copy(update={"process": None}) if before else None
    return None


def _port_in(ready: Path) -> int | None:
    try:
        port = json.loads(ready.read_bytes())["port"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return port if isinstance(port, int) else None


def _some_free_port() -> list[int]:
    """One that a stand-in keeps; none if chance finds none in a few tries."""
    tries = (secrets.choice(PORTS) for _ in range(10))
    return [port for port in tries if _is_free(port)][:1]


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _cleaned(environ: Mapping[str, str]) -> dict[str, str]:
    """Without the keys of others: a handler that draws pictures needs none."""
    return {name: value for name, value in environ.items() if not name.startswith(_NOT_ITS_BUSINESS)}
