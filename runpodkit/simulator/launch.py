"""`python -m runpodkit.simulator.launch handler.py`: become the handler, and end when the simulator does.

Whatever way the simulator goes, a handler must not stay behind: on Linux the kernel ends it.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    parent = os.getppid()
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)  # it went before the kernel was asked
    os.execv(sys.executable, [sys.executable, *sys.argv[1:]])  # noqa: S606 - the file the user named


if __name__ == "__main__":
    main()
