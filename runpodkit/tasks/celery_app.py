"""The Celery application: where its broker is, which queues it serves, how it behaves.

Bound as `app` when imported, configured when first used: importing it reads no setting
and opens no connection.  The stack names broker and queues in the environment; a worker
or program started by hand finds them from the settings.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click
from celery import Celery, _state
from kombu.entity import Queue

import runpodkit.stack as stack
from runpodkit.errors import RunpodkitError
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.settings import Settings
from runpodkit.tasks.broker import SturdyAMQP
from runpodkit.tasks.flower import stay_on_this_machine
from runpodkit.tasks.stopping import HandingBackTask

HIGH_PRIORITY_TASKS = (
    "runpodkit.generate_image",
    "runpodkit.generate_image_batch",
    "runpodkit.test_runpod_connection",
)
UPKEEP = "runpodkit.upkeep"
UPKEEP_S = 5.0


def _configuration() -> dict[str, Any]:
    try:
        return _configured()
    except RunpodkitError as exc:
        from celery.bin.celery import celery as celery_command  # a program that only sends tasks does without

        context = click.get_current_context(silent=True)
        if context is not None and context.find_root().command is celery_command:
            raise click.ClickException(" ".join(str(exc).split())) from None
        raise


def _configured() -> dict[str, Any]:
    broker = os.environ.get("RUNPODKIT_BROKER")
    served = os.environ.get("RUNPODKIT_QUEUES")
    if broker and served:
        high_priority, sweeps = served.split(",")
    else:
        settings = Settings.load()
        address = settings.address()
        broker = stack.broker_url(stack.redis_url(settings))
        sweeps, high_priority = stack.queues(settings, address)
    return {
        **CELERY_SETTINGS,
        "broker_url": broker,
        "result_backend": broker,
        "task_queues": [Queue(high_priority, routing_key=high_priority), Queue(sweeps, routing_key=sweeps)],
        "task_default_queue": sweeps,
        "task_default_routing_key": sweeps,
        "task_routes": {name: {"queue": high_priority} for name in (*HIGH_PRIORITY_TASKS, UPKEEP)},
        "beat_scheduler": "runpodkit.tasks.upkeep:UpkeepScheduler",
        "beat_schedule": {"upkeep": {"task": UPKEEP, "schedule": UPKEEP_S, "options": {"expires": UPKEEP_S}}},
        "worker_send_task_events": True,  # so that Flower sees a task also in its first seconds
    }


def _is_alone() -> bool:
    """Whether the program has no Celery application of its own: then ours is the one that needs no naming."""
    other = _state._tls.current_app or _state.default_app
    return other is None or other.main == "default"


_alone = _is_alone()
app = Celery("runpodkit", amqp=SturdyAMQP, task_cls=HandingBackTask, set_as_current=_alone)
app.add_defaults(_configuration)
if _alone:
    app.set_default()  # in every thread, where "current" is the one that imports this alone
stay_on_this_machine(sys.argv, os.environ)
