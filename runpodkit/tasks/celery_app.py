"""The Celery application: where its broker is, which queues it serves, how it behaves.

Bound as `app` when imported, configured when first used: importing it reads no setting
and opens no connection.  The stack names broker and queues in the environment; a worker
or program started by hand finds them from the settings.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from celery import Celery
from kombu.entity import Queue

import runpodkit.stack as stack
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.settings import Settings
from runpodkit.tasks.broker import SturdyAMQP
from runpodkit.tasks.flower import stay_on_this_machine

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
        "worker_send_task_events": True,  # so that Flower sees a task also in its first seconds
    }


app = Celery("runpodkit", amqp=SturdyAMQP)
app.add_defaults(_configuration)
# What events and log lines show of a result, in characters: enough for the counts of a batch, too little for the
# signature of a link, with which anybody who reads Flower's pages or the log could open a picture.
app.Task.resultrepr_maxsize = 80
stay_on_this_machine(sys.argv, os.environ)
