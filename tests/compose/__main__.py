"""The whole system of `docker-compose.local.yml` on this machine, without Docker, until Ctrl-C:

    python -m tests.compose           bring it up, print the addresses
    python -m tests.compose --tour    a generation, a batch, a sweep and each service's state, then stop

Variables of the file are taken from the environment.  `tests/compose/system.py` says what stands in for Docker.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tests.compose.system import FILE, ROOT, System, running
from tests.compose.variables import MissingVariableError, named

TOUR = Path(__file__).with_name("tour.py")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.compose", description=(__doc__ or "").partition(":\n")[0])
    parser.add_argument("--tour", action="store_true", help="draw some pictures, show each service's state, stop")
    asked = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    known = named(yaml.safe_load(FILE.read_text(encoding="utf-8")))
    folder = Path(tempfile.mkdtemp(prefix="compose-"))
    began = time.monotonic()

    def tell(line: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {line}", flush=True)

    try:
        with running(folder, {name: os.environ[name] for name in known & os.environ.keys()}, tell) as system:
            addresses(system)
            if asked.tour:
                tour(system)
            else:
                print("Ctrl-C stops it")
                signal.pause()
    except MissingVariableError as exc:
        print(f"{FILE.name}: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return 0


def addresses(system: System) -> None:
    links = [line.split()[-1] for line in system["jupyter"].said().splitlines() if "/lab?token=" in line]
    print(f"JupyterLab  {links[-1] if links else system.url('JUPYTER_PORT')}")
    print(f"Flower      {system.url('FLOWER_PORT')}")
    print(f"S3          {system.url('S3_PORT')}")
    print(f"Redis       {system['jupyter'].env['REDIS_URL']}")
    print(f"logs        {system.folder / 'logs'}", flush=True)


def tour(system: System) -> None:
    print(f"jupyter$ python {TOUR.relative_to(ROOT)}", flush=True)
    done = system["jupyter"].run([sys.executable, str(TOUR)], timeout_s=240)
    print(done.stdout + (done.stderr[-3000:] if done.returncode else ""), end="")
    for name, service in system.services.items():
        state = "running" if service.is_running else f"exit code {service.exit_code}"
        health = "has no check" if not service.health else "healthy" if service.is_healthy() else "unhealthy"
        print(f"{name:10} {state:10} {health}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
