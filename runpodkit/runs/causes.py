"""Causes: why trials failed, grouped, and what helps: the one table from a reason's words to its cure.

Two reasons that differ only in numbers or ids are one cause.  Pure: records in, groups out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState

NO_REASON = "no reason given"
OTHERWISE = "run.retry() draws these again once what the reason says is mended"

CURES: tuple[tuple[str, str], ...] = (
    (r"out of memory|\boom\b|probably crashed, ran out of memory", "a smaller size, num_images=1, or a GPU with more memory; then run.retry()"),
    (r"executiontimeout|^timeout:|raise timeout=", "a larger timeout=, fewer steps, or a faster GPU; then run.retry()"),
    (r"queue_timeout_s", "more workers or GPU types on the endpoint, or a larger queue_timeout_s=; then run.retry()"),
    (r"\b40[13]\b|unauthori[sz]ed|forbidden: the key", "another key: `runpodkit login`; then run.retry()"),
    (r"result was kept 30 minutes", "run.retry() draws and pays again; keep a Celery worker running, or on_expired='resubmit'"),
    (r"endpoint forgot the job", "run.retry(); if it comes back, look at the endpoint's workers on the RunPod console"),
    (r"submission unconfirmed", "run.retry(); look at the endpoint's job list first, as these may have been paid for"),
    (r"completed without output|larger than the endpoint may send", "a smaller size, JPEG or WebP, or a bucket for the worker; then run.retry()"),
    (r"unreadable output|holds no picture", "another dialect: `runpodkit dialect try my-worker.toml --sample answer.json` with what is kept under unread/"),
    (r"cannot fetch|link may have expired|such links last", "keep a Celery worker running, so that links are fetched before they lapse; then run.retry()"),
    (r"should be|must be|not supported|unexpected input|validation|refused the job|is required", "another value for what the reason names: the worker refuses this one, so a retry alone would fail again"),
    (r"no space left|disk (?:is )?full", "more disk for the endpoint's workers; then run.retry()"),
    (r"rate limit|too many requests|\b429\b", "run.retry() later; runpodkit slows down by itself"),
)  # fmt: skip
"""Words of a reason, as a pattern, and what helps; the first that fits counts."""

_ID = re.compile(r"\b(?=[\w-]*\d)(?=[\w-]*[a-z])[0-9a-z]{6,}(?:-[0-9a-z]+)*\b", re.IGNORECASE)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*(?:\s?[kmgt]i?b\b)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Cause:
    """Trials that failed for one reason."""

    trials: tuple[int, ...]
    reason: str
    """Of the first of them."""
    cost_usd: float | None
    """Paid for all their jobs, as far as it is known; None: of none of them."""
    cure: str


def causes(records: Iterable[Record]) -> list[Cause]:
    """Failed and expired trials by cause, the most frequent first."""
    groups: dict[str, list[Record]] = {}
    for record in records:
        if record.state in (TrialState.FAILED, TrialState.EXPIRED):
            groups.setdefault(kind_of(record.reason or NO_REASON), []).append(record)
    found = []
    for group in groups.values():
        reason = group[0].reason or NO_REASON
        costs = [one.cost_usd for one in group if one.cost_usd is not None]
        found.append(Cause(tuple(one.trial for one in group), reason, sum(costs) if costs else None, cure_of(reason)))
    return sorted(found, key=lambda cause: -len(cause.trials))


def kind_of(reason: str) -> str:
    """A reason without what differs from one job to the next: numbers and ids."""
    return _NUMBER.sub("#", _ID.sub("#", " ".join(reason.split()))).casefold()


def cure_of(reason: str) -> str:
    """What helps against a failure with this reason, in words."""
    low = reason.lower()
    return next((cure for words, cure in CURES if re.search(words, low)), OTHERWISE)
