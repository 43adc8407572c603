"""The sync door: results and errors come through, and whoever is interrupted takes the work along."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time

import pytest

from runpodkit.blocking import LoopThread, both_ways, shared_loop


class Gone(Exception):
    pass


async def answer() -> int:
    await asyncio.sleep(0)
    return 42


async def fail() -> int:
    raise Gone("so it was")


def test_results_and_errors_come_through() -> None:
    assert shared_loop().call(answer()) == 42
    with pytest.raises(Gone, match="so it was"):
        shared_loop().call(fail())


async def test_it_works_inside_a_running_loop_and_can_be_awaited_there() -> None:
    assert shared_loop().call(answer()) == 42
    assert await shared_loop().acall(answer()) == 42
    with pytest.raises(Gone):
        await shared_loop().acall(fail())


def test_an_interrupt_cancels_the_work_and_waits_until_it_is_gone() -> None:
    seen: list[str] = []

    async def paid_work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            await asyncio.sleep(0.05)
            seen.append("gone")

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    threading.Timer(0.2, os.kill, [os.getpid(), signal.SIGINT]).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        shared_loop().call(paid_work())
    signal.signal(signal.SIGINT, before)

    assert seen == ["gone"]
    assert time.monotonic() - began < 5


async def test_cancelling_the_awaiting_task_cancels_the_work() -> None:
    gone = threading.Event()

    async def paid_work() -> None:
        try:
            await asyncio.sleep(30)
        finally:
            gone.set()

    task = asyncio.create_task(shared_loop().acall(paid_work()))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert gone.is_set()


def test_waiting_on_the_loop_s_own_thread_is_refused_instead_of_hanging() -> None:
    async def nested() -> int:
        return shared_loop().call(answer())

    with pytest.raises(RuntimeError, match="would wait for itself"):
        shared_loop().call(nested())


def test_work_on_the_loop_itself_may_await_the_awaitable_form() -> None:
    async def nested() -> int:
        return await shared_loop().acall(answer())

    assert shared_loop().call(nested()) == 42


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_gets_a_loop_of_its_own() -> None:
    shared_loop().call(answer())
    child = os.fork()
    if child == 0:
        os._exit(0 if shared_loop().call(answer()) == 42 else 1)
    deadline = time.monotonic() + 10
    while (ended := os.waitpid(child, os.WNOHANG))[0] == 0:
        assert time.monotonic() < deadline
        time.sleep(0.02)

    assert os.waitstatus_to_exitcode(ended[1]) == 0


def test_one_coroutine_method_gives_both_forms_with_name_and_words() -> None:
    class Kit:
        async def _draw(self, times: int) -> int:
            """Draw."""
            return 2 * times

        draw, adraw = both_ways(_draw)

    assert Kit().draw(4) == 8
    assert asyncio.run(_awaited(Kit())) == 8
    assert (Kit.draw.__name__, Kit.adraw.__name__, Kit.draw.__doc__) == ("draw", "adraw", "Draw.")


async def _awaited(kit: object) -> int:
    return await kit.adraw(4)  # type: ignore[attr-defined,no-any-return]


def test_a_closed_loop_has_cancelled_what_ran_on_it() -> None:
    loop, gone = LoopThread("closing"), threading.Event()

    async def forever() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            gone.set()

    async def start() -> None:
        asyncio.get_running_loop()._kept = asyncio.create_task(forever())  # type: ignore[attr-defined]
        await asyncio.sleep(0)

    loop.call(start())
    loop.close()

    assert gone.is_set()
