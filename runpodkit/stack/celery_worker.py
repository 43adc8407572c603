"""Our Celery worker as a process: what it is started with, and whether a fitting one runs.

What it does then stands in `runpodkit.tasks`; here it is a command and an environment.
Keys go through the environment alone: a command line can be read by everybody.
"""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import SecretStr

from runpodkit.errors import StackError
from runpodkit.settings import EndpointAddress, Settings
from runpodkit.stack import processes
from runpodkit.stack.folders import inner_folder, log_file
from runpodkit.stack.identity import PACKAGE, family, fingerprint, newest_ns, short_hash
from runpodkit.stack.state import State, WorkerRecord, write

CONCURRENCY = 2
BROKER_VARIABLE = "RUNPODKIT_BROKER"
QUEUES_VARIABLE = "RUNPODKIT_QUEUES"


class Queues(NamedTuple):
    """Names of the two queues a worker consumes."""

    sweeps: str
    high_priority: str


class Order(NamedTuple):
    """A worker as it is wanted."""

    settings: Settings
    address: EndpointAddress | None
    """None: the stand-in, which the worker looks up for itself, as its port may change."""
    redis_url: str
    broker: str
    queues: Queues


def node_name(mark: str) -> str:
    """A name for a worker of this fingerprint that no other has, also where homes or machines share a Redis."""
    return f"runpodkit-{mark}-{secrets.token_hex(3)}"


def serves(state: State, order: Order, mark: str) -> bool:
    """Whether a worker for this runs: of this fingerprint, on this broker, and not on its way out."""
    return any(
        worker.fingerprint == mark
        and worker.broker == short_hash(order.broker)
        and not worker.draining
        and worker.process.is_alive
        for worker in state.workers
    )


def ensure(home: Path, state: State, order: Order, argv: Sequence[str] | None = None) -> None:
    """Start a worker unless a fitting one runs; it comes up in its own time.  The caller holds the stack's lock.

    Workers of the same settings that run older files of this package, or wait at a broker
    that is gone, are asked to end: they hand back what they hold.

    Raises:
        StackError: Python or the log cannot be opened.
    """
    mark = fingerprint(order.settings, order.address)
    state.workers = [worker for worker in state.workers if worker.process.is_alive]
    if serves(state, order, mark):
        return
    newest, kin = newest_ns(), family(order.settings, order.address)
    for worker in state.workers:
        outdated = worker.family == kin and worker.package == PACKAGE and worker.newest_ns < newest
        if not worker.draining and (outdated or worker.fingerprint == mark):
            processes.ask_to_end(worker.process)
            worker.draining = True
    inner_folder(home, "logs")
    log = log_file(home, f"worker-{mark}")
    argv = argv or command(order.queues, node_name(mark))
    try:
        process = processes.start(argv, log=log, env=environment(order, os.environ))
    except OSError as exc:
        raise StackError("Celery worker", f"{argv[0]}: {exc.strerror}", f"Look at {log}") from exc
    state.workers.append(
        WorkerRecord(
            process=process,
            fingerprint=mark,
            family=kin,
            package=PACKAGE,
            newest_ns=newest,
            broker=short_hash(order.broker),
            log=log,
        )
    )
    write(home, state)


def environment(order: Order, environ: Mapping[str, str]) -> dict[str, str]:
    """What the worker finds in its environment: the kit's settings, wherever the kit had them from."""
    settings, address = order.settings, order.address
    wanted = {
        "RUNPOD_API_KEY": _plain(address.api_key) if address else None,
        "RUNPOD_URL": address.url if address else None,
        "REDIS_URL": order.redis_url,
        **dict.fromkeys(name for name in environ if name.startswith("YANDEX_")),
        "S3_BUCKET_NAME": settings.s3_bucket_name,
        "S3_ACCESS_KEY": _plain(settings.s3_access_key),
        "S3_SECRET_KEY": _plain(settings.s3_secret_key),
        "S3_ENDPOINT_URL": settings.s3_endpoint,
        "S3_REGION": settings.s3_region,
        "S3_PREFIX": settings.s3_prefix,
        "RUNPODKIT_HOME": str(settings.home),
        "RUNPODKIT_DIALECT": settings.dialect,
        "RUNPODKIT_GPU": settings.gpu,
        "RUNPODKIT_MODEL": settings.model,
        "RUNPODKIT_ENDPOINTS": str(settings.endpoints) if settings.endpoints else None,
        "RUNPODKIT_USD_PER_DAY": str(settings.usd_per_day) if settings.usd_per_day else None,
        "RUNPODKIT_CONFIRM_USD": str(settings.confirm_usd),
        "RUNPODKIT_AI_MARK": str(int(settings.ai_mark)),
        "RUNPODKIT_LOG_LEVEL": settings.log_level,
        "RUNPODKIT_LOG_JSON": str(int(settings.log_json)),
        "RUNPODKIT_ENV_FILE": str(settings.env_file) if settings.env_file else None,
        BROKER_VARIABLE: order.broker,
        QUEUES_VARIABLE: f"{order.queues.high_priority},{order.queues.sweeps}",
    }
    others = {name: value for name, value in environ.items() if name not in wanted}
    return others | {name: value for name, value in wanted.items() if value}


def command(queues: Queues, name: str, *, concurrency: int = CONCURRENCY, loglevel: str = "info") -> list[str]:
    """What is started: Celery's own command for these queues.  No two workers on one broker may share a `name`."""
    return [
        sys.executable,
        "-P",  # a celery.py in the working folder is not Celery
        "-m",
        "celery",
        "-A",
        "runpodkit.tasks",
        "worker",
        f"--loglevel={loglevel}",
        f"--concurrency={concurrency}",
        "--without-mingle",
        "--without-gossip",
        "-Q",
        f"{queues.high_priority},{queues.sweeps}",
        "-n",
        f"{name}@%h",
    ]


def _plain(secret: SecretStr | None) -> str | None:
    return secret.get_secret_value() if secret else None
