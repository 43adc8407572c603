"""Tasks for other programs: one picture, several, and whether the endpoint answers.

Each is a run of its own in the ledger under the task's id, so a redelivery follows the
job that was sent instead of paying for another.
"""

from __future__ import annotations

import asyncio
from typing import Any

from celery import Task

from runpodkit.blocking import shared_loop
from runpodkit.logs import task_log
from runpodkit.runs.picture import Picture
from runpodkit.tasks.celery_app import app
from runpodkit.tasks.process import current_kit


@app.task(name="runpodkit.generate_image", bind=True, acks_late=True)
def generate_image_runpod_task(
    self: Task,
    user_prompt: str,
    width: int = 832,
    height: int = 1216,
    steps: int = 30,
    cfg_scale: float = 4.0,
    seed: int = -1,
    negative_prompt: str | None = None,
    sampler_name: str = "Euler",
    scheduler: str = "Euler A",
    use_enhanced_prompts: bool = True,
    timeout: int = 300,
) -> dict[str, Any]:
    """Draw one picture; the result has `image_url`, `seed`, times in seconds and cost in USD."""
    kit = current_kit()
    picture = kit.generate(
        user_prompt,
        call_id=f"task-{self.request.id}",
        width=width,
        height=height,
        steps=steps,
        cfg_scale=cfg_scale,
        seed=seed,
        negative_prompt=negative_prompt,
        sampler_name=sampler_name,
        scheduler=scheduler,
        use_enhanced_prompts=use_enhanced_prompts,
        timeout=timeout,
    )
    task_log.info("picture {} drawn with seed {}", picture.key, picture.seed)
    return {"success": True, **_facts(picture)}


@app.task(name="runpodkit.generate_image_batch", bind=True, acks_late=True)
def generate_image_batch_task(self: Task, prompts: list[str], **fields: Any) -> dict[str, Any]:
    """Draw one picture per prompt, with the same parameters; good ones are kept when one fails.

    Returns:
        `total`, `successful`, `failed`, and `results` in the order of the prompts, each with
        `prompt`, `success` and either the facts of the picture or `error`.
    """
    kit = current_kit()

    async def one(number: int, prompt: str) -> dict[str, Any]:
        try:
            picture = await kit.agenerate(prompt, call_id=f"task-{self.request.id}-{number}", **fields)
        except Exception as exc:
            task_log.warning("prompt {} of the batch failed: {}", number, exc)
            return {"prompt": prompt, "success": False, "error": f"{type(exc).__name__}: {exc}"}
        return {"prompt": prompt, "success": True, **_facts(picture)}

    async def all_of_them() -> list[dict[str, Any]]:
        places = asyncio.Semaphore(8)

        async def placed(number: int, prompt: str) -> dict[str, Any]:
            async with places:
                return await one(number, prompt)

        return await asyncio.gather(*(placed(number, prompt) for number, prompt in enumerate(prompts)))

    results = shared_loop().call(all_of_them())
    successful = sum(bool(result["success"]) for result in results)
    return {"total": len(results), "successful": successful, "failed": len(results) - successful, "results": results}


@app.task(name="runpodkit.test_runpod_connection", __test__=False)  # its name looks like a test to pytest
def test_runpod_connection_task() -> dict[str, Any]:
    """Whether endpoint, Redis and store answer: `success` and `message`."""
    checks = current_kit().check()
    bad = [check for check in checks if not check.ok]
    message = "; ".join(f"{check.what}: {check.detail}" for check in bad or checks)
    return {"success": not bad, "message": message}


def _facts(picture: Picture) -> dict[str, Any]:
    return {
        "image_url": picture.url,
        "seed": picture.seed,
        "job_id": picture.record.job_id,
        "queue_delay_s": picture.queue_delay_s,
        "execution_time_s": picture.execution_time_s,
        "cost_usd": picture.cost_usd,
        "simulated": picture.simulated,
    }
