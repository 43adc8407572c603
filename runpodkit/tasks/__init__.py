"""Celery tasks: envelopes around what lies below, importable by name.

    celery -A runpodkit.tasks worker --loglevel=info --concurrency=2

`app` is the Celery application, and the one that `AsyncResult(task_id)` means in a program without another; `checked`
says beforehand what is wrong with a task's arguments.  Importing this package connects to nothing.
"""

from __future__ import annotations

from runpodkit.tasks import lines, start_up  # what a Celery worker does before its first task
from runpodkit.tasks.asked import checked
from runpodkit.tasks.celery_app import app
from runpodkit.tasks.generate import (
    generate_image_batch_task,
    generate_image_runpod_task,
    test_runpod_connection_task,
)
from runpodkit.tasks.sweeps import run_batches
from runpodkit.tasks.upkeep import upkeep

__all__ = [
    "app",
    "checked",
    "generate_image_batch_task",
    "generate_image_runpod_task",
    "lines",
    "run_batches",
    "start_up",
    "test_runpod_connection_task",
    "upkeep",
]
