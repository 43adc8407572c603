"""What the simulated endpoint would have been billed: its workers' seconds in buckets of an hour or a day.

Pure.  As RunPod bills: from when a worker starts until it stops, rounded up to the second; nothing
while jobs wait for one.  Source: RunPod docs, "Pricing" and "Get serverless billing history" (API reference v2).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

USD_PER_S = 0.00031
"""Flex rate of a 4090, which the stand-in passes for."""
BUCKETS_S = {"hour": 3600, "day": 86_400}
_AMOUNTS = ("totalAmount", "gpuAmount", "cpuAmount", "diskAmount", "feeAmount")


class Span(NamedTuple):
    """From when to when a worker was on, in seconds."""

    start_s: float
    end_s: float


class Asked(NamedTuple):
    """A window of whole buckets, in seconds since the epoch."""

    bucket: str
    start_s: int
    end_s: int


def read_query(query: Mapping[str, str], now_s: float) -> Asked | str:
    """The window that a request means, or what is wrong with it."""
    bucket = query.get("bucketSize", "day")
    if bucket not in BUCKETS_S:
        return f"bucketSize: {', '.join(BUCKETS_S)} are simulated"
    if "lastN" in query:
        return "lastN is not simulated: give startTime and endTime"
    size = BUCKETS_S[bucket]
    try:
        start = _seconds(query["startTime"]) if "startTime" in query else now_s - 30 * 86_400
        end = _seconds(query["endTime"]) if "endTime" in query else now_s
    except ValueError:
        return "startTime and endTime are dates as in RFC 3339"
    if end <= start:
        return "endTime must be after startTime"
    return Asked(bucket, math.floor(start / size) * size, math.ceil(end / size) * size)


def bill(spans: Iterable[Span], asked: Asked, endpoint_id: str) -> dict[str, Any]:
    """The answer of `GET /v2/billing/serverless`: a record per bucket in which a worker was on."""
    size = BUCKETS_S[asked.bucket]
    seconds: dict[int, float] = {}
    for span in spans:
        at, end = span.start_s, span.start_s + math.ceil(span.end_s - span.start_s)
        while at < end:
            bucket = math.floor(at / size) * size
            until = min(end, bucket + size)
            if asked.start_s <= bucket < asked.end_s:
                seconds[bucket] = seconds.get(bucket, 0.0) + until - at
            at = until
    records = [
        {
            "startTime": _text(bucket),
            "endTime": _text(bucket + size),
            "serverlessId": endpoint_id,
            **_amounts(billed * USD_PER_S),
        }
        for bucket, billed in sorted(seconds.items())
    ]
    query = {"startTime": _text(asked.start_s), "endTime": _text(asked.end_s), "bucketSize": asked.bucket}
    return {
        "records": records,
        "metadata": {
            "query": {**query, "serverlessId": endpoint_id},
            "recordCount": len(records),
            "totals": _amounts(sum(seconds.values()) * USD_PER_S),
            "uniqueServerlessCount": 1 if records else 0,
        },
    }


def _amounts(gpu_usd: float) -> dict[str, float]:
    return {**dict.fromkeys(_AMOUNTS, 0.0), "totalAmount": gpu_usd, "gpuAmount": gpu_usd}


def _text(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment.timestamp()
