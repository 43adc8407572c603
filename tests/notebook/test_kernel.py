"""A real kernel: waiting inside a running loop, interrupting, and code that brings a loop of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

from runpodkit import stack
from runpodkit.settings import Settings

pytestmark = pytest.mark.slow
START = "import runpodkit as rk, time, asyncio\nkit = rk.connect(quiet=True)"
LONG = "kit.submit(rk.sweep('a fox', steps=[149, 150], seed=range(50)), name='long', window=8)"


class Kernel:
    """Runs cells one after another; gives what they print, and their error."""

    def __init__(self, client: Any, manager: KernelManager) -> None:
        self._client, self.manager = client, manager

    def start(self, code: str) -> str:
        return str(self._client.execute(code))

    def finish(self, message: str, patience_s: float = 60) -> tuple[str, str]:
        said, error = "", ""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            told = self._client.get_iopub_msg(timeout=patience_s)
            if told["parent_header"].get("msg_id") != message:
                continue
            content = told["content"]
            if told["msg_type"] == "stream":
                said += content["text"]
            elif told["msg_type"] == "error":
                error = f"{content['ename']}: {content['evalue']}"
            elif told["msg_type"] == "status" and content["execution_state"] == "idle":
                return said, error
        raise AssertionError("the cell did not end")

    def run(self, code: str) -> str:
        said, error = self.finish(self.start(code))
        assert not error, error
        return said


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Kernel]:
    monkeypatch.setenv("RUNPODKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    manager = KernelManager(transport="ipc", ip=str(tmp_path / "k"))
    manager.start_kernel(cwd=str(tmp_path))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=60)
        kernel = Kernel(client, manager)
        kernel.run(START)
        yield kernel
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
        manager.cleanup_resources()
        stack.down(Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path / "home"))


def test_waiting_and_awaiting_both_work_in_a_cell(kernel: Kernel) -> None:
    code = (
        "one = kit.generate('a fox', width=64, height=64, steps=1, seed=1)\n"
        "two = await kit.agenerate('a fox', width=64, height=64, steps=1, seed=1)\n"
        "run = kit.submit(rk.sweep('a fox', width=64, height=64, steps=[1, 2]), name='both')\n"
        "await run\n"
        "print(one.key == two.key, run.wait().state, len([record async for record in run]))"
    )

    assert kernel.run(code).splitlines()[-1] == "True DONE 2"


def test_code_that_brings_a_loop_of_its_own_works_after_asking(kernel: Kernel) -> None:
    draw = "async def main():\n    return (await kit.agenerate('a fox', width=64, height=64, steps=1, seed=2)).seed\n"
    said, error = kernel.finish(kernel.start(draw + "asyncio.run(main())"))
    assert "RuntimeError" in error, said

    assert kernel.run("%load_ext runpodkit\n%nested_loops\n" + draw + "print(asyncio.run(main()))").split()[-1] == "2"


def test_interrupting_a_wait_only_stops_looking_and_says_what_goes_on(kernel: Kernel) -> None:
    message = kernel.start(f"run = {LONG}\nrun.wait()")
    time.sleep(4)

    kernel.manager.interrupt_kernel()
    said, error = kernel.finish(message, 10)

    assert error.startswith("KeyboardInterrupt")
    assert "run long goes on in the Celery worker" in said
    assert kernel.run("print(run.status().state)").strip() == "RUNNING"
    kernel.run("run.cancel()")


def test_interrupting_a_generation_cancels_its_job(kernel: Kernel) -> None:
    message = kernel.start("kit.generate('a fox', width=4096, height=4096, steps=150, seed=3)")
    time.sleep(3)

    kernel.manager.interrupt_kernel()
    _, error = kernel.finish(message, 15)

    assert error.startswith("KeyboardInterrupt")
    health = "health = await kit.endpoint.health()\nprint(health.in_queue + health.in_progress)"
    assert kernel.run(health).strip() == "0"


def test_a_run_is_shown_as_plain_html_and_nothing_else(kernel: Kernel) -> None:
    code = (
        "import json\n"
        "from IPython.utils.capture import capture_output\n"
        "run = kit.submit(rk.sweep('a fox', width=64, height=64, steps=[1, 2]), name='shown').wait(progress=False)\n"
        "with capture_output() as caught:\n    run.live()\n"
        "print(json.dumps([sorted(output.data) for output in caught.outputs]))"
    )

    assert kernel.run(code).splitlines()[-1] == '[["text/html", "text/plain"]]'
