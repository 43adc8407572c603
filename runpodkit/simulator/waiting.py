"""Waiting for the queue to move: what long-polled answers stand on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable


class Moves:
    """Tells everyone who waits that the queue has moved."""

    def __init__(self) -> None:
        self._moved = asyncio.Event()
        self._ended = False

    def end(self) -> None:
        """Let everyone go: nothing will move any more."""
        self._ended = True
        self.tell()

    def tell(self) -> None:
        """Let everyone look again."""
        self._moved.set()
        self._moved = asyncio.Event()

    async def until(self, look: Callable[[], bool], wait_s: float, gone: Callable[[], Awaitable[bool]]) -> None:
        """Look now and whenever the queue has moved, until a look succeeds or time is up.

        Args:
            gone: Whether the other side has hung up; asked before each look, which may have effects.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while not self._ended and not await gone() and not look():
                    await self._moved.wait()
