"""A generator handler."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import runpod


def handler(job: dict[str, Any]) -> Iterator[Any]:
    for number in range(job["input"]["parts"]):
        time.sleep(0.2)
        yield {"part": number}
    if job["input"].get("break"):
        raise RuntimeError("it broke half way")


runpod.serverless.start({"handler": handler, "return_aggregate_stream": True})
