"""What one process of a Celery worker keeps: a kit, made after the fork.

A child of the worker has one event loop (the shared one of `blocking`) and one kit; both
end with it.  When the worker stops, the kit hears of it from `stopping`.
"""

from __future__ import annotations

import os
from typing import Any

from celery.signals import worker_process_shutdown

import runpodkit.stack as stack
from runpodkit.blocking import shared_loop
from runpodkit.kit import Kit
from runpodkit.settings import Settings
from runpodkit.tasks.stopping import is_stopping

_kit: Kit | None = None


def current_kit() -> Kit:
    """This process's kit; a new one if the stand-in moved to another port meanwhile.

    Raises:
        ConfigError, StackError: as `runpodkit.connecting.connect`.
    """
    global _kit
    settings = Settings.load()
    address = settings.address()
    stands_in = address is None
    address = address or stack.simulator_address(settings) or stack.ensure_simulator(settings)
    if _kit is None or (_kit.address.url, _kit.settings) != (address.url, settings):
        if _kit is not None:
            _kit.close()
        _kit = Kit(settings, address, stands_in=stands_in)
        _kit.draining = is_stopping
    return _kit


def _forget_kit() -> None:
    """A child that is forked later inherits the main process's kit, whose loop it does not have."""
    global _kit
    _kit = None


os.register_at_fork(after_in_child=_forget_kit)


@worker_process_shutdown.connect
def _close_kit(**_: Any) -> None:
    global _kit
    if _kit is not None:
        _kit.close()
        _kit = None
    shared_loop().close()
