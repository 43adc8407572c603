"""Starts: whether the first picture of each worker took much longer than others, as one does that waits for a model.

Such a time is that of the worker and not of the values it happened to get.  Numbers only; opens no picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import median

from runpodkit.runs.comparing.measures import is_reused
from runpodkit.runs.facts import fact
from runpodkit.runs.records import Record

SLOWER = 1.5
"""Times as long as others, from which on first pictures are spoken of."""


def slow_starts(records: Iterable[Record]) -> str:
    """A sentence where first pictures were slow; empty where they were not, or nobody can tell.

    Medians are compared, so one slow picture among many is no reason.
    """
    timed = [one for one in records if one.worker_id and one.ended_at and one.execution_time_s and not is_reused(one)]
    firsts: dict[tuple[str, str], Record] = {}
    for one in sorted(timed, key=lambda each: (each.ended_at or "", each.trial)):
        firsts.setdefault((one.endpoint, one.worker_id or ""), one)
    first = {one.trial for one in firsts.values()}
    slow, others = (
        [one.execution_time_s or 0.0 for one in timed if (one.trial in first) is each] for each in (True, False)
    )
    if not slow or len(others) < len(slow) or median(slow) < SLOWER * median(others):
        return ""
    many = "worker" if len(slow) == 1 else f"each of {len(slow)} workers"
    took, usual = fact("execution_time_s", median(slow)), fact("execution_time_s", median(others))
    return (
        f"The first picture of {'its ' if len(slow) == 1 else ''}{many} took {took}, others {usual} (medians): "
        "times and costs may tell where workers started, not what the axis does."
    )
