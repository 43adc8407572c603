"""Summaries: trials with a value in common, counted, timed and priced together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from runpodkit.runs.beside import Beside
from runpodkit.runs.oddities import odd
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.runs.tables.columns import FLOAT
from runpodkit.runs.tables.frame import table

MEASURES = (
    "trials",
    "collected",
    "failed",
    "cancelled",
    "flagged",
    "failure_rate",
    "queue_delay_s",
    "queue_delay_p50_s",
    "queue_delay_p90_s",
    "execution_time_s",
    "execution_time_p50_s",
    "execution_time_p90_s",
    "cost_usd",
    "cost_per_image_usd",
)


def summary(records: Iterable[Record], by: Sequence[str], beside: Beside | None = None) -> pd.DataFrame:
    """One row per combination of values, in order of first appearance.

    Args:
        beside: More columns, of values by trial, to group by; of those that hold fractions, such as scores, the mean.

    Returns:
        Indexed by `by`.  Counts: `trials`, `collected` (reused ones too), `failed` (expired ones too), `cancelled`,
        `flagged`.  `failure_rate` is failed / (collected + failed), in [0, 1].  `queue_delay_s` and
        `execution_time_s` are means, `…_p50_s` and `…_p90_s` percentiles, linear between the two nearest trials.
        `cost_usd` is the sum of what is known; `cost_per_image_usd` that sum divided by the pictures that were
        drawn for it, so failures make pictures dearer and reused ones do not make them cheaper.
        What is not known is missing, never 0.

    Raises:
        ValueError: `by` is empty, or names no column of the table.
    """
    rows = list(records)
    frame = table(rows, beside)
    names = list(dict.fromkeys(by))
    known = [name for name in frame.columns if name not in MEASURES]
    if unknown := [name for name in names if name not in known]:
        raise ValueError(f"{', '.join(map(str, unknown))} is no column to group by; columns: {', '.join(known)}")
    if not names:
        raise ValueError(f"by=[]: name at least one column to group by, of {', '.join(known)}")
    costs, has_cost = frame["cost_usd"], frame["cost_usd"].notna()
    priced = [
        len(record.images) if known_cost and record.state is TrialState.COLLECTED else 0
        for record, known_cost in zip(rows, has_cost, strict=True)
    ]
    facts = pd.DataFrame(
        {
            "collected": [record.state.has_picture for record in rows],
            "failed": [record.state in (TrialState.FAILED, TrialState.EXPIRED) for record in rows],
            "cancelled": [record.state is TrialState.CANCELLED for record in rows],
            "flagged": [bool(odd(record.flags)) for record in rows],
            "priced": priced,
            "queue_delay_s": frame["queue_delay_s"],
            "execution_time_s": frame["execution_time_s"],
            "cost_usd": costs,
        }
    ).astype(dict.fromkeys(("collected", "failed", "cancelled", "flagged", "priced"), "int64"))
    groups = facts.groupby([frame[name] for name in names], sort=False, dropna=False)
    counts = groups[["collected", "failed", "cancelled", "flagged", "priced"]].sum().astype("Int64")
    told = pd.DataFrame({"trials": groups.size().astype("Int64")}).join(counts)
    ended = told["collected"] + told["failed"]
    told["failure_rate"] = told["failed"].astype("Float64") / ended.mask(ended == 0)
    for name in ("queue_delay", "execution_time"):
        times = groups[f"{name}_s"]
        told[f"{name}_s"] = times.mean()
        told[f"{name}_p50_s"], told[f"{name}_p90_s"] = times.quantile(0.5), times.quantile(0.9)
    told["cost_usd"] = groups["cost_usd"].sum(min_count=1)
    told["cost_per_image_usd"] = told["cost_usd"] / told["priced"].mask(told["priced"] == 0)
    scores = [name for name in beside or () if frame[name].dtype == FLOAT and name not in (*names, *MEASURES)]
    for name in scores:
        told[name] = frame[name].groupby([frame[each] for each in names], sort=False, dropna=False).mean()
    return told[[*MEASURES, *scores]]
