"""What a user of the whole system does first: a generation, a batch, a sweep.  Runs in the environment of `jupyter`.

Prints what came of each, with `--json` as a line of JSON each.
"""

from __future__ import annotations

import json
import re
import sys

import runpodkit as rk
from runpodkit.tasks import generate_image_batch_task, generate_image_runpod_task, test_runpod_connection_task

SMALL = {"width": 64, "height": 64, "steps": 4}


def main() -> None:
    kit = rk.connect()
    tell(check=test_runpod_connection_task.delay().get(timeout=60))
    task = generate_image_runpod_task.delay(user_prompt="a lighthouse at dusk", seed=7, **SMALL)
    tell(task=task.id, generation=task.get(timeout=60))
    batch = generate_image_batch_task.delay(prompts=["a pier at dawn", "a red boat"], **SMALL)
    tell(task=batch.id, batch=batch.get(timeout=60))
    plan = rk.sweep("a harbour", sampler_name=["Euler", "Heun"], steps=[3, 6], width=64, height=64)
    run = kit.submit(plan, name="tour")
    run.wait()
    rows = run.table()[["sampler_name", "steps", "state"]].values.tolist()
    tell(sweep=run.name, rows=rows, links=[picture.url for picture in run.pictures()])


def tell(**facts: object) -> None:
    if "--json" in sys.argv:
        print(json.dumps(facts), flush=True)
        return
    for name, value in facts.items():
        print(f"{name}: {re.sub(r'[?]X-Amz[^, ]*', '?…', str(value))}", flush=True)


if __name__ == "__main__":
    main()
