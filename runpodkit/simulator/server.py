"""The simulator on a port of 127.0.0.1, until it is told to end."""

from __future__ import annotations

import contextlib
import logging
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import uvicorn

from runpodkit.errors import StackError
from runpodkit.simulator.app import Simulator
from runpodkit.simulator.faults import FaultTable
from runpodkit.simulator.handler_processes import check_handler
from runpodkit.simulator.journal import Journal


class _Server(uvicorn.Server):
    """Says when it listens, and when it is about to end."""

    def __init__(
        self, config: uvicorn.Config, listening: Callable[[], None], ending: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._listening, self._ending = listening, ending

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._listening()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)  # a second Ctrl-C is no news
        await self._ending()
        await super().shutdown(sockets)


def serve(
    *,
    port: int,
    endpoint_id: str = "local",
    api_key: str,
    workers: int = 4,
    exec_ms: int | None = None,
    cold_start_s: float = 0.3,
    limits: bool = True,
    handler: Path | None = None,
    faults: FaultTable | None = None,
    speaks: str | None = None,
    journal: Path | None = None,
    ready: Callable[[int], None] | None = None,
) -> None:
    """Serve on 127.0.0.1 until SIGTERM or SIGINT.

    Args:
        port: 0 for a free one.
        workers: Built-in ones, or processes of `handler`.
        handler: A file that calls `runpod.serverless.start`, run as it is.
        faults: What goes wrong how often.
        speaks: The worker whose inputs the built-in ones take; None: native.
        journal: A file that gets a line for every request.
        ready: Told the port once requests are taken.

    Raises:
        StackError: the port is taken, or the handler cannot be kept running.
    """
    if handler:
        check_handler(handler)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError as exc:
        listener.close()
        raise StackError(
            "simulator",
            f"port {port} on 127.0.0.1 is taken ({exc.strerror})",
            "Choose another --port, or 0 for a free one",
        ) from exc
    bound: int = listener.getsockname()[1]
    given_up: list[StackError] = []

    def give_up(error: StackError) -> None:
        given_up.append(error)
        server.should_exit = True

    def listening() -> None:
        simulator.listens(bound)
        if ready:
            ready(bound)

    simulator = Simulator(
        endpoint_id=endpoint_id,
        api_key=api_key,
        workers=workers,
        exec_s=(exec_ms or 0) / 1000,
        cold_start_s=cold_start_s,
        limits=limits,
        handler=handler,
        faults=faults,
        speaks=speaks,
        journal=Journal(journal) if journal else None,
        broken=give_up,
    )
    config = uvicorn.Config(
        simulator.app(),
        log_level="critical" if faults else "warning",
        access_log=False,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )
    server = _Server(config, listening, simulator.end)
    with contextlib.suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    if given_up:
        raise given_up[0]
