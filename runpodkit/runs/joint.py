"""Joint runs: one sweep over several endpoints, as one run per endpoint seen together.

Each part is a run like any other, with limits, prices and usual times of its own endpoint;
here their numbers, states and records become those of the whole.  Drives nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from runpodkit.runs.ledger import RunStatus
from runpodkit.runs.records import Record
from runpodkit.runs.rows import RunHead, RunState, TrialState
from runpodkit.sweeps.axes import ENDPOINT
from runpodkit.sweeps.sweep import Part, Sweep

LeftOut = Mapping[str, Set[tuple[str, str]]]
"""By endpoint, (axis, value as canonical JSON) of what it does not draw."""
_BY_URGENCY = (RunState.HELD, RunState.PAUSED, RunState.RUNNING, RunState.CANCELLED, RunState.DONE)


@dataclass(frozen=True, slots=True)
class JointPart:
    """One endpoint's share of a joint run."""

    endpoint: str
    run: str
    numbers: tuple[int, ...]
    """Of its trials in the whole."""


def part_name(run: str, endpoint: str) -> str:
    """The name of the run that draws one endpoint's share."""
    return f"{run}--{endpoint}"


def described(name: str, parts: Mapping[str, Part], left_out: LeftOut) -> list[dict[str, Any]]:
    """The parts as a head keeps them."""
    return [
        {"endpoint": endpoint, "run": part_name(name, endpoint), "left_out": sorted(left_out.get(endpoint, ()))}
        for endpoint in parts
    ]


def left_out_of(head: RunHead) -> LeftOut:
    """What each endpoint does not draw, as it was at the start."""
    return {part["endpoint"]: {(axis, value) for axis, value in part["left_out"]} for part in head.parts}


def parts_of(head: RunHead) -> list[JointPart]:
    """The parts of a joint run; none of any other."""
    if not head.parts:
        return []
    split = Sweep.from_plan(dict(head.plan)).split(head.name, left_out_of(head))
    return [JointPart(part["endpoint"], part["run"], split[part["endpoint"]].numbers) for part in head.parts]


def together(parts: Sequence[tuple[str, RunStatus]]) -> RunStatus:
    """How the whole stands.  Held or paused if one part is and none moves; then the reason names its endpoint."""
    statuses = [status for _, status in parts]
    states = {status.state for status in statuses}
    moving = states & {RunState.RUNNING}
    state = RunState.RUNNING if moving else next(state for state in _BY_URGENCY if state in states)
    stuck = [(endpoint, status) for endpoint, status in parts if status.state is RunState.HELD]
    ended = [status.ended for status in statuses]
    waits = [f"{endpoint}: {status.waits_for}" for endpoint, status in parts if status.waits_for]
    return RunStatus(
        state=state,
        reason="; ".join(f"{endpoint}: {status.reason}" for endpoint, status in stuck),
        hold="person" if any(status.hold == "person" for _, status in stuck) else "probe" if stuck else "",
        counts={state: sum(status.counts.get(state, 0) for status in statuses) for state in TrialState},
        cost_usd=sum(status.cost_usd for status in statuses),
        status_calls=sum(status.status_calls for status in statuses),
        submissions=sum(status.submissions for status in statuses),
        celery_tasks=sum(status.celery_tasks for status in statuses),
        since=min(status.since for status in statuses),
        ended=None if None in ended else max(moment for moment in ended if moment is not None),
        waits_for="; ".join(waits),
    )


def as_whole(head: RunHead, part: JointPart, records: Sequence[Record]) -> list[Record]:
    """The records of a part under the numbers, axes and name of the whole."""
    return [
        replace(
            record,
            trial=part.numbers[record.trial],
            values={ENDPOINT: part.endpoint, **record.values},
            endpoint=part.endpoint,
            run=head.name,
        )
        for record in records
    ]
