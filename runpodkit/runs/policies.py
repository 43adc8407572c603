"""Policies: how a run behaves when something is slow, fails or costs money, with the reason for each default.

One table for all of them; `docs/policies.md` is `python -m runpodkit.runs.policies`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


def _field(default: Any, description: str, why: str, **bounds: Any) -> Any:
    return Field(default, description=description, json_schema_extra={"why": why}, **bounds)


class RunPolicy(BaseModel):
    """What `submit` takes beside the sweep."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_attempts: int = _field(
        4, "Submissions of one trial at most, the first included.", "Gateways fail in bursts.", ge=1, le=20
    )
    retry_delay_s: float = _field(
        60.0, "Pause before a trial is submitted again.", "What failed a second ago fails again.", ge=0, le=3600
    )
    hold_after_equal_failures: int = _field(
        3,
        "The run is HELD if its first trials all end with the same failure.",
        "A wrong parameter should cost three pictures, not a thousand.",
        ge=1,
        le=1000,
    )
    max_doubtful: int = _field(
        2,
        "How often a submission without an answer is sent again; each is flagged `maybe_paid_twice`.",
        "The lost answer may be that of a job that runs and is paid for.",
        ge=0,
        le=10,
    )
    budget_usd: float | None = _field(
        None,
        "The run is HELD before it costs more; jobs in flight count at their expected cost.",
        "Only you know what it is worth.",
        gt=0,
    )
    deadline_s: float | None = _field(
        None,
        "Nothing more is sent so long after the start: the run is HELD, what is in flight is collected.",
        "A run in the night should not go on into the day.",
        gt=0,
    )
    window: int | None = _field(
        None,
        "Jobs in flight at most; unset: twice the workers, from 8 to 1,000, more while that is faster.",
        "No worker waits for us, and little is at risk if we vanish.",
        ge=1,
        le=1000,
    )
    queue_timeout_s: float | None = _field(
        None, "Patience with a queued job; then it is cancelled and FAILED.", "GPUs may be scarce for hours.", gt=0
    )
    pilot: bool = _field(
        True,
        "On a live endpoint that drew nothing within the last hour, one trial goes first.",
        "What is wrong with an endpoint shows with one picture.",
    )
    on_expired: Literal["keep", "resubmit"] = _field(
        "keep",
        "A result that was not fetched within 30 minutes: `keep` it as EXPIRED, or `resubmit` and pay again.",
        "It was paid for once; `run.retry()` pays again when you say so.",
    )


_ELSEWHERE = (
    (
        "`confirm`",
        "False",
        "Go on although a live run is estimated above `RUNPODKIT_CONFIRM_USD` or has more than 500 trials.",
        "A slip in a range should not cost a hundred dollars.",
        "call, `--yes`",
    ),
    (
        "`RUNPODKIT_CONFIRM_USD`",
        "5",
        "The estimate above which a live run asks for `budget_usd=` or `confirm=True`.",
        "Below it, asking costs more than it saves.",
        "environment, `.env`",
    ),
    (
        "`RUNPODKIT_USD_PER_DAY`",
        "unset",
        "All live runs on one Redis are HELD once they have cost so much since midnight UTC.",
        "Several notebooks share one bill.",
        "environment, `.env`",
    ),
)


def changed_policy(policy: RunPolicy, changes: Mapping[str, Any]) -> RunPolicy:
    """Another policy.  Raises ValueError for fields it does not have, or values out of bounds."""
    return RunPolicy(**{**policy.model_dump(exclude_defaults=True), **changes})


def shared_policy(policy: Mapping[str, Any], share: float) -> dict[str, Any]:
    """What one endpoint gets of a policy for several: its share of the budget, all else as it is."""
    budget = policy.get("budget_usd")
    return {**policy} if budget is None else {**policy, "budget_usd": budget * share}


def as_markdown() -> str:
    """Every policy with its default, what it does, why, and where it is set."""
    lines = [
        "# Policies",
        "",
        "How a run behaves when something is slow, fails or costs money. `kit.submit(sweep, …)` takes them by name, a plan",
        "file has them under `[policy]`; `run.resume(…)` changes them for a run that is held or paused.",
        "Made by `python -m runpodkit.runs.policies`.",
        "",
        "| Policy | Default | What it does | Why so | Where to set it |",
        "| --- | --- | --- | --- | --- |",
    ]
    for name, info in RunPolicy.model_fields.items():
        extra = info.json_schema_extra
        why = extra["why"] if isinstance(extra, dict) else ""
        shown = "unset" if info.default is None else info.default
        shown = f"{shown:g}" if isinstance(shown, float) else shown
        lines.append(f"| `{name}` | {shown} | {info.description} | {why} | call, plan file |")
    lines += ["| " + " | ".join(row) + " |" for row in _ELSEWHERE]
    lines += [
        "",
        "A run that is HELD says why. It goes on by itself when the endpoint, the store or Redis is well again (looked after",
        "every few seconds); a wrong key, a budget, a deadline, the day's cap and equal failures wait for `run.resume(…)`.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    print(as_markdown(), end="")
