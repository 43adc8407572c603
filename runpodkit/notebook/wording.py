"""What forms and views say: a rejected value in words, what is known of a picture, how a run stands.  Knows no widget."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from runpodkit.notebook.code import picture_code
from runpodkit.runs.oddities import odd
from runpodkit.runs.rows import TrialState

if TYPE_CHECKING:
    from runpodkit.runs.ledger import RunStatus
    from runpodkit.runs.picture import Picture
    from runpodkit.runs.records import Record


def in_words(problem: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """One of pydantic's problems for somebody who fills in a form; `schema` is the field's."""
    bounds, given = problem.get("ctx", {}), problem.get("input")
    kind = problem["type"]
    if kind in ("greater_than_equal", "greater_than"):
        return f"must be {_number(bounds['ge'])} or more" if "ge" in bounds else f"must be over {_number(bounds['gt'])}"
    if kind in ("less_than_equal", "less_than"):
        return (
            f"must be {_number(bounds['le'])} or less" if "le" in bounds else f"must be under {_number(bounds['lt'])}"
        )
    if kind == "multiple_of" and isinstance(given, int | float):
        part = bounds["multiple_of"]
        low, high = schema.get("minimum", -math.inf), schema.get("maximum", math.inf)
        near = {min(max(value, low), high): None for value in (given // part * part, (given // part + 1) * part)}
        return f"must be a multiple of {_number(part)}, such as {' or '.join(map(_number, near))}"
    if kind == "string_too_short":
        return "must not be empty"
    if kind == "string_too_long":
        return f"is too long: {len(str(given)):,} letters, {bounds['max_length']:,} at most"
    return str(problem["msg"])[:1].lower() + str(problem["msg"])[1:]


def caption(picture: Picture) -> str:
    """What is known of a picture, as HTML; everything that a person or an endpoint wrote is escaped."""
    about = [*facts_of(picture.record), ("in code", picture_code(picture.params))]
    lines = "".join(f"<dt>{name}</dt><dd>{escape(words)}</dd>" for name, words in about)
    return f'<dl class="rk-about">{lines}</dl>'


def facts_of(record: Record) -> list[tuple[str, str]]:
    """What is known of a trial: parameters, what was sent, times, cost, and how it ended."""
    params = record.params
    facts = {
        "size": f"{params.width} × {params.height}",
        "steps": f"{params.steps}, {params.sampler_name}, scheduler {params.scheduler}, cfg scale {params.cfg_scale:g}",
        "seed": str(params.seed),
        "sent": record.prompt,
        "keep out": record.negative_prompt or "nothing",
    }
    if params.extra:
        facts["extra"] = json.dumps(dict(params.extra), ensure_ascii=False)
    facts |= {name: words for name, words in (("time", _times(record)), ("cost", _cost(record))) if words}
    if record.attempts > 1:
        facts["attempts"] = str(record.attempts)
    if record.reused_from:
        facts["reused"] = f"drawn {record.reused_from[:16].replace('T', ' ')} UTC"
    if flags := odd(record.flags):
        facts["remarks"] = "; ".join(flags)
    if record.reason:
        facts["reason"] = record.reason
    if record.unread:
        facts |= {"returned": record.excerpt or "nothing", "kept as": record.unread}
    return list(facts.items())


def status_line(status: RunStatus, total: int, simulated: bool, left_s: float | None = None) -> str:
    """How a run stands, in one line: done, failed, in flight, time left, money."""
    made = status.count(TrialState.COLLECTED, TrialState.REUSED)
    reused, failed = status.count(TrialState.REUSED), status.count(TrialState.FAILED, TrialState.EXPIRED)
    flight = status.count(TrialState.RESERVED, TrialState.SUBMITTED)
    words = [f"{made:,} of {total:,} pictures" + (f" ({reused:,} reused)" if reused else "")]
    words += [f"{failed:,} failed"] if failed else []
    if cancelled := status.count(TrialState.CANCELLED):
        words.append(f"{cancelled:,} cancelled")
    words += [f"{flight:,} in flight"] if flight else []
    words += [f"about {_span(left_s)} left"] if left_s is not None else []
    if status.cost_usd:
        words.append(f"${status.cost_usd:.4f} {'if it were a GPU' if simulated else 'so far'}")
    return " · ".join(words)


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def _times(record: Record) -> str:
    parts = [(record.execution_time_s, "s of work"), (record.queue_delay_s, "s in the queue")]
    return ", ".join(f"{seconds:.2f} {what}" for seconds, what in parts if seconds is not None)


def _cost(record: Record) -> str:
    if record.cost_usd is None:
        return "unknown" if record.images else ""
    if record.simulated:
        return f"nothing; ${record.cost_usd:.5f} if it were a GPU"
    return f"{'about ' if record.cost_is_estimate else ''}${record.cost_usd:.5f}"
