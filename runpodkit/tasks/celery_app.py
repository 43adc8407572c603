"""The Celery application: where its broker is, which queues it serves, how it behaves.

Bound as `app` when imported, configured when first used: importing it reads no setting
and opens no connection.  The stack names broker and queues in the environment; a worker
or program started by hand finds them from the settings.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from kombu.entity import Queue

import runpodkit.stack as stack
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.settings import Settings
from runpodkit.tasks.broker import SturdyAMQP

HIGH_PRIORITY_TASKS = (
    "runpodkit.generate_image",
    "runpodkit.generate_image_batch",
    "runpodkit.test_runpod_connection",
)


def _configuration() -> dict[str, Any]:
    broker = os.environ.get("RUNPODKIT_BROKER")
    served = os.environ.get("RUNPODKIT_QUEUES")
    if broker and served:
        high_priority, sweeps = served.split(",")
    else:
        settings = Settings.load()
        address = settings.address()
        if address is None:
            stack.ensure_simulator(settings)
        broker = stack.broker_url(stack.redis_url(settings))
        sweeps, high_priority = stack.queues(settings, address)
    return {
        **CELERY_SETTINGS,
        "broker_url": broker,
        "result_backend": broker,
        "task_queues": [Queue(high_priority, routing_key=high_priority), Queue(sweeps, routing_key=sweeps)],
        "task_default_queue": sweeps,
        "task_default_routing_key": sweeps,
        "task_routes": {name: {"queue": high_priority} for name in HIGH_PRIORITY_TASKS},
    }


app = Celery("runpodkit", amqp=SturdyAMQP)
app.add_defaults(_configuration)
app.Task.resultrepr_maxsize = 0  # a result holds a signed link: log lines and events, which Flower shows, do without
