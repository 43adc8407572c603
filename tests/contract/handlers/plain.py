"""A worker as a user would write it; its input says what it does."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import runpod


async def handler(job: dict[str, Any]) -> Any:
    asked = job["input"]
    match asked.get("do"):
        case "echo":
            return {"echo": asked["what"], "pid": os.getpid(), "job": job["id"]}
        case "nothing":
            return None
        case "empty":
            return {}
        case "raise":
            raise ValueError(asked["what"])
        case "error":
            return {"error": asked["what"], "details": ["one", "two"]}
        case "progress":
            runpod.serverless.progress_update(job, "step 3/20")
            await asyncio.sleep(1.5)
            return {"done": True}
        case "refresh":
            return {"refresh_worker": True, "pid": os.getpid()}
        case "sleep":
            await asyncio.sleep(asked["seconds"])
            return {"slept": True}
        case "die":
            os.kill(os.getpid(), signal.SIGKILL)
        case "die once":
            mark = Path(asked["mark"])
            if not mark.exists():
                mark.touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return {"survived": True}
        case "large":
            return {"image": "x" * (11 * 2**20)}
        case "environment":
            return sorted(os.environ)
    return {"error": "unknown request"}


runpod.serverless.start({"handler": handler})
