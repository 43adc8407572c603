"""Tasks for other programs: one picture, several, and whether the endpoint answers.

Each picture is a run of its own in the ledger under the task's id, so a redelivery or a retry follows the
job that was sent instead of paying for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from runpodkit.blocking import shared_loop
from runpodkit.errors import JobError, RunpodkitError
from runpodkit.kit import Kit
from runpodkit.logs import task_log
from runpodkit.runs.engine import HandedBack
from runpodkit.runs.picture import Picture
from runpodkit.tasks.asked import checked, checked_prompts
from runpodkit.tasks.call_task import CallTask
from runpodkit.tasks.celery_app import app
from runpodkit.tasks.failures import as_told, passes
from runpodkit.tasks.process import current_kit
from runpodkit.tasks.shown import Answer

DELIVERIES = 3
"""So often is one task handed to a Celery worker: one that kills its workers must not go on for ever."""
AT_ONCE = 8


@app.task(name="runpodkit.generate_image", base=CallTask, bind=True)
def generate_image_runpod_task(
    self: CallTask,
    user_prompt: str,
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    cfg_scale: float | None = None,
    seed: int | None = None,
    negative_prompt: str | None = None,
    sampler_name: str | None = None,
    scheduler: str | None = None,
    use_enhanced_prompts: bool | None = None,
    timeout: int | None = None,
    input_image: str | None = None,
    strength: float | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Answer:
    """Draw one picture; what is left out is as the endpoint's dialect has it, and a seed is drawn.

    Returns:
        `success`, `image_url`, `seed`, `key`, sizes, times in seconds, cost in USD and more: `docs/tasks.md`.

    Raises:
        ValueError: a value is out of bounds, or the endpoint cannot honour it; nothing was sent.
        RunpodkitError: no picture could be had; the class and the message say why.
    """
    params, call_id = checked(self.given()), self.call_id()

    def once(last: bool) -> Picture:
        kit = current_kit()
        try:
            return kit.draw(kit.ready(params), call_id, starts=_starts(self))
        except RunpodkitError as exc:
            if last or not passes(exc):
                shared_loop().call(_drop(kit, call_id))
            raise

    picture = self.insist(once)
    task_log.info("picture {} drawn with seed {}", picture.key, picture.seed)
    return Answer({"success": True, **_facts(picture, params.user_prompt)})


@app.task(name="runpodkit.generate_image_batch", base=CallTask, bind=True)
def generate_image_batch_task(
    self: CallTask,
    prompts: list[str],
    width: int | None = None,
    height: int | None = None,
    steps: int | None = None,
    cfg_scale: float | None = None,
    seed: int | None = None,
    negative_prompt: str | None = None,
    sampler_name: str | None = None,
    scheduler: str | None = None,
    use_enhanced_prompts: bool | None = None,
    timeout: int | None = None,
    input_image: str | None = None,
    strength: float | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Answer:
    """Draw one picture per prompt, with the same parameters; good ones are kept when one fails.

    Returns:
        `total`, `successful`, `failed`, and `results` in the order of the prompts, each with
        `prompt`, `success` and either the facts of the picture or `error` and `error_type`.

    Raises:
        ValueError: what is wrong for all of them; nothing was sent.
        RunpodkitError: nothing could be begun.
    """
    fields = {**self.given()}
    asked = checked_prompts(fields.pop("prompts"))
    common = checked({"user_prompt": "-", **fields})
    if not asked:
        return _summary([])
    call_id = self.call_id()

    def once(last: bool) -> list[dict[str, Any]]:
        kit = current_kit()
        ready = kit.ready(common).model_dump(exclude_unset=True)
        fields = [{**ready, "user_prompt": prompt} for prompt in asked]
        return shared_loop().call(_draw_all(kit, call_id, fields, starts=_starts(self), last=last))

    return _summary(self.insist(once))


async def _draw_all(
    kit: Kit, call_id: str, asked: list[dict[str, Any]], *, starts: int, last: bool
) -> list[dict[str, Any]]:
    """An answer per prompt, in order.  Runs in another thread than the task, where Celery knows of no request.

    Raises:
        RunpodkitError: one that passes; what is drawn by then is found again by the next try.
        HandedBack: the Celery worker ends.
    """
    places = asyncio.Semaphore(AT_ONCE)
    stopped: list[BaseException] = []
    """What keeps the rest from being begun: an endpoint that is down would be waited for prompt by prompt."""

    async def one(number: int, fields: dict[str, Any]) -> dict[str, Any]:
        call, prompt = f"{call_id}-{number}", fields["user_prompt"]
        try:
            async with places:
                if stopped:
                    raise stopped[0]
                picture = await kit.adraw(checked(fields), call, starts=starts)
                facts = await asyncio.to_thread(_facts, picture, prompt)
        except HandedBack as exc:
            stopped.append(exc)
            raise
        except Exception as exc:
            if passes(exc):
                stopped.append(exc)
            if last or not passes(exc):
                await _drop(kit, call)
                return _failure(number, prompt, exc)
            raise
        return {"success": True, **facts}

    ended = await asyncio.gather(*(one(number, fields) for number, fields in enumerate(asked)), return_exceptions=True)
    if back := [exc for exc in stopped if isinstance(exc, HandedBack)]:
        raise back[0]
    if stopped and not last:
        raise stopped[0]
    return [answer for answer in ended if isinstance(answer, dict)]


@app.task(
    name="runpodkit.test_runpod_connection", base=CallTask, __test__=False
)  # its name looks like a test to pytest
def test_runpod_connection_task() -> Answer:
    """Whether endpoint, Redis and store answer: `success`, `message`, and `checks` one by one."""
    try:
        checks = current_kit().check()
    except RunpodkitError as exc:
        return Answer({"success": False, "message": str(as_told(exc)), "checks": []})
    bad = [check for check in checks if not check.ok]
    told = [f"{check.what}: {check.detail}{f' ({check.cure})' if check.cure else ''}" for check in bad or checks]
    one_by_one = [{"what": check.what, "ok": check.ok, "detail": check.detail, "cure": check.cure} for check in checks]
    return Answer({"success": not bad, "message": "; ".join(told), "checks": one_by_one})


def _starts(task: CallTask) -> int:
    """How often a call may have been started by now: a retry is a delivery that nothing died of."""
    return DELIVERIES + int(task.request.retries)


async def _drop(kit: Kit, call_id: str) -> None:
    """End a call that is not made again; where that cannot be written down, the endpoint's own time limit ends its job."""
    try:
        await kit.adrop(call_id)
    except RunpodkitError as exc:
        task_log.warning("call {} could not be ended: {}", call_id, as_told(exc))


def _summary(results: list[dict[str, Any]]) -> Answer:
    successful = sum(bool(result["success"]) for result in results)
    return Answer(
        {"total": len(results), "successful": successful, "failed": len(results) - successful, "results": results}
    )


def _failure(number: int, prompt: Any, error: Exception) -> dict[str, Any]:
    told = as_told(error)
    task_log.warning("prompt {} of the batch failed: {}", number, told)
    return {
        "prompt": prompt,
        "success": False,
        "error": f"{type(told).__name__}: {told}",
        "error_type": type(told).__name__,
        "job_id": told.job_id if isinstance(told, JobError) else None,
    }


def _facts(picture: Picture, user_prompt: str) -> dict[str, Any]:
    record, params, image = picture.record, picture.params, picture.record.images[0]
    return {
        "prompt": user_prompt,
        "sent_prompt": picture.prompt,
        "image_url": picture.url,
        "key": picture.key,
        "seed": picture.seed,
        "width": image.width,
        "height": image.height,
        "steps": params.steps,
        "cfg_scale": params.cfg_scale,
        "sampler_name": params.sampler_name,
        "scheduler": params.scheduler,
        "job_id": record.job_id,
        "attempts": record.attempts,
        "maybe_paid_twice": record.maybe_paid_twice,
        "reused": record.reused_from is not None,
        "queue_delay_s": picture.queue_delay_s,
        "execution_time_s": picture.execution_time_s,
        "submitted_at": record.submitted_at,
        "ended_at": record.ended_at,
        "cost_usd": picture.cost_usd,
        "cost_is_estimate": record.cost_is_estimate,
        "simulated": picture.simulated,
        "flags": list(record.flags),
    }
