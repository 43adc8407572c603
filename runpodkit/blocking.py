"""The sync door: one event loop in a daemon thread, for callers that cannot await.

Works in scripts, inside a running loop and in a notebook, and patches nothing.  Holds
no logic of its own: what is called is somebody else's coroutine.  Interrupting the
caller cancels the work and waits until it is gone, or a paid job would run on unseen.
"""

from __future__ import annotations

import asyncio
import functools
import os
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future, wait
from typing import Any, Concatenate, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")
S = TypeVar("S")

CANCEL_PATIENCE_S = 5.0


class LoopThread:
    """An event loop in a daemon thread."""

    def __init__(self, name: str = "runpodkit") -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=name, daemon=True)
        self._thread.start()

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run `work` to its end; whatever interrupts the caller cancels it and waits until it is gone.

        Raises:
            RuntimeError: called from the loop's own thread, where waiting would never end.
        """
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("this would wait for itself: inside runpodkit's own loop, await the coroutine instead")
        outcome, cancel = self._start(work)
        try:
            return outcome.result()
        except BaseException:
            if not outcome.done():
                cancel()
                wait([outcome], timeout=CANCEL_PATIENCE_S)
            raise

    async def acall(self, work: Coroutine[Any, Any, T]) -> T:
        """The same for a caller on another loop; on this loop itself, `work` is simply awaited."""
        if threading.current_thread() is self._thread:
            return await work
        outcome, cancel = self._start(work)
        waiting = asyncio.wrap_future(outcome)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not outcome.done():
                cancel()
                await asyncio.wait([waiting], timeout=CANCEL_PATIENCE_S)
            raise

    def start(self, work: Coroutine[Any, Any, object]) -> None:
        """Begin `work` and come back at once; what it raises is its own to handle."""
        self._start(work)

    def close(self) -> None:
        """Stop the loop once what runs on it has been cancelled."""
        if self._loop.is_closed():
            return

        async def cancel_all() -> None:
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)

        self.call(cancel_all())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(CANCEL_PATIENCE_S)
        if not self._thread.is_alive():
            self._loop.close()

    def _start(self, work: Coroutine[Any, Any, T]) -> tuple[Future[T], Callable[[], None]]:
        """Start `work`; gives the future of its real end (not of its cancellation's request) and a way to cancel."""
        outcome: Future[T] = Future()
        tasks: list[asyncio.Task[T]] = []

        def ended(task: asyncio.Task[T]) -> None:
            if task.cancelled():
                outcome.set_exception(asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                outcome.set_exception(error)
            else:
                outcome.set_result(task.result())

        def start() -> None:
            task = self._loop.create_task(work)
            tasks.append(task)
            task.add_done_callback(ended)

        def cancel() -> None:
            self._loop.call_soon_threadsafe(lambda: tasks[0].cancel())

        self._loop.call_soon_threadsafe(start)
        return outcome, cancel


_shared: LoopThread | None = None
_making = threading.Lock()


def shared_loop() -> LoopThread:
    """This process's loop, made when first needed; a forked child gets its own."""
    global _shared
    with _making:
        if _shared is None:
            _shared = LoopThread()
        return _shared


def _forget() -> None:
    """A forked child inherits the object but not the thread, and maybe a held lock."""
    global _shared, _making
    _shared, _making = None, threading.Lock()


os.register_at_fork(after_in_child=_forget)


def both_ways(
    method: Callable[Concatenate[S, P], Coroutine[Any, Any, T]],
) -> tuple[Callable[Concatenate[S, P], T], Callable[Concatenate[S, P], Awaitable[T]]]:
    """The waiting and the awaitable form of one coroutine method, both run on the shared loop.

    class Kit:
        async def _generate(self, prompt: str) -> Picture: ...
        generate, agenerate = both_ways(_generate)
    """

    @functools.wraps(method)
    def waiting(self: S, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return shared_loop().call(method(self, *args, **kwargs))

    @functools.wraps(method)
    def awaitable(self: S, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return shared_loop().acall(method(self, *args, **kwargs))

    name = method.__name__.lstrip("_")
    waiting.__name__, awaitable.__name__ = name, f"a{name}"
    return waiting, awaitable
