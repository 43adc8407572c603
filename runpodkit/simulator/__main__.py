"""`python -m runpodkit.simulator`: how the stack starts its stand-in, key in the environment, port in a file."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from runpodkit.errors import ConfigError, StackError
from runpodkit.simulator.server import serve


def main() -> None:
    words = argparse.ArgumentParser(prog="python -m runpodkit.simulator")
    words.add_argument("--port", type=int, required=True)
    words.add_argument("--endpoint", default="local")
    words.add_argument("--workers", type=int, default=4)
    words.add_argument("--exec-ms", type=int)
    words.add_argument("--ready-file", type=Path, help="written with port and pid once requests are taken")
    given = words.parse_args()
    key = os.environ.get("RUNPODKIT_SIMULATOR_KEY")

    def ready(port: int) -> None:
        if given.ready_file:
            draft = given.ready_file.with_suffix(".new")
            draft.touch(mode=0o600)
            draft.write_text(json.dumps({"port": port, "pid": os.getpid()}))
            draft.replace(given.ready_file)

    try:
        if not key:
            raise ConfigError("RUNPODKIT_SIMULATOR_KEY is not set: it is the key that the stand-in asks for")
        serve(
            port=given.port,
            endpoint_id=given.endpoint,
            api_key=key,
            workers=given.workers,
            exec_ms=given.exec_ms,
            ready=ready,
        )
    except (StackError, ConfigError) as exc:
        sys.exit(str(exc))


if __name__ == "__main__":
    main()
