"""Nested event loops, on request only: for pasted code that calls `asyncio.run` in a cell.

runpodkit itself never needs this: its waiting calls run on a loop of their own, and cells
can `await`.  The patch reaches every task of the process and costs a third of asyncio's
speed, so nothing here applies it at import.
"""

from __future__ import annotations

import sys
from importlib import import_module

from runpodkit.errors import ConfigError

_PATCH = "nest_asyncio" if sys.version_info < (3, 14) else "nest_asyncio2"
"""The original's last release breaks timeouts and task groups from Python 3.14 on; the fork does not."""


def allow_nested_loops() -> None:
    """Let `asyncio.run(…)` work where a loop runs already; twice is as good as once.

    Raises:
        ConfigError: the package that does it is missing, or the running loop cannot be patched (uvloop).
    """
    try:
        patch = import_module(_PATCH)
    except ImportError:
        raise ConfigError(f"nested loops need {_PATCH}: %pip install 'runpodkit[local,lab]'") from None
    try:
        patch.apply()
    except ValueError as exc:
        raise ConfigError(f"this loop cannot be nested: {exc}") from None
