"""RunPod's batch API (beta): thousands of inputs handed in as one, results read in pages, hours later.

Not what a sweep runs on: latency may be hours, and the documentation says that requests can
be lost.  Knows the wire; `Endpoint.batches` opens it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from runpodkit.errors import ProtocolError
from runpodkit.jobs import JOB_ID, Job, read_object

MAX_REQUESTS, MAX_CALL_BYTES, PAGE = 5000, 10 * 2**20, 100
"""Requests per batch and bytes per call, as published; rows of a page."""


class Call(Protocol):
    """One request to the endpoint, as `Transport.call` makes it."""

    def __call__(
        self, method: str, path: str, *, operation: str, content: bytes | None = ..., params: Mapping[str, str] = ...
    ) -> Awaitable[bytes]: ...


@dataclass(frozen=True, slots=True)
class BatchSummary:
    """How a batch stands."""

    id: str
    status: str
    """`DRAFT`, `FINALIZED`, `FAILED` or `CANCELLED`; none of them says that it is done."""
    total: int = 0
    completed: int = 0
    failed: int = 0
    created_at_s: float | None = None
    """Since the epoch."""

    @property
    def is_done(self) -> bool:
        """Whether nothing of it can still change."""
        ended = self.completed + self.failed >= self.total > 0
        return self.status in ("FAILED", "CANCELLED") or (self.status == "FINALIZED" and ended)


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One request of a batch and how it went.  Times since the epoch, in seconds."""

    job: Job
    started_at_s: float | None = None
    completed_at_s: float | None = None
    wire: Mapping[str, Any] = field(default_factory=dict, repr=False)


class Batches:
    """The batches of one endpoint."""

    def __init__(self, call: Call) -> None:
        self._call = call

    async def create(self, inputs: Sequence[Mapping[str, Any]]) -> BatchSummary:
        """Open a batch with its first inputs; it runs once it is finalized.

        Inputs beyond 10 MB are added in further calls.  Never repeated: each call makes a batch.

        Raises:
            ValueError: none, more than 5,000, or an input that is empty or alone too large.
        """
        first, *rest = _portions(inputs)
        batch = _summary(await self._call("POST", "batch", operation="batch", content=b"[%s]" % b",".join(first)))
        for portion in rest:
            await self._add(batch.id, portion)
        return batch

    async def add(self, batch: BatchSummary | str, inputs: Sequence[Mapping[str, Any]]) -> None:
        """Add inputs to a draft.  Raises ValueError as `create`."""
        for portion in _portions(inputs):
            await self._add(_batch_id(batch), portion)

    async def _add(self, batch_id: str, portion: Sequence[bytes]) -> None:
        content = b'{"requests":[%s]}' % b",".join(portion)
        await self._call("POST", f"batch/{batch_id}/requests", operation="batch", content=content)

    async def finalize(self, batch: BatchSummary | str) -> BatchSummary:
        """Let it run."""
        return await self._post(batch, "finalize")

    async def cancel(self, batch: BatchSummary | str) -> BatchSummary:
        """End it; what was drawn stays drawn and billed."""
        return await self._post(batch, "cancel")

    async def _post(self, batch: BatchSummary | str, what: str) -> BatchSummary:
        batch_id = _batch_id(batch)
        answer = await self._call("POST", f"batch/{batch_id}/{what}", operation="batch", content=b"{}")
        try:
            return _summary(answer)
        except ProtocolError:  # some answers say no more than that it is done
            return await self.summary(batch_id)

    async def summary(self, batch: BatchSummary | str) -> BatchSummary:
        """How a batch stands."""
        return _summary(await self._call("GET", f"batch/{_batch_id(batch)}", operation="batch"))

    async def results(self, batch: BatchSummary | str) -> AsyncIterator[BatchRow]:
        """Every request of a batch with its output or error, page by page."""
        offset = 0
        while True:
            params = {"offset": str(offset), "limit": str(PAGE)}
            path = f"batch/{_batch_id(batch)}/requests"
            page = read_object(await self._call("GET", path, operation="batch", params=params))
            rows = page.get("requests", page.get("results", page.get("data")))
            if not isinstance(rows, list):
                raise ProtocolError(f"batch {_batch_id(batch)}: a page of results holds no list")
            for row in rows:
                yield _row(row)
            offset += len(rows)
            if not rows or page.get("hasMore") is False or offset >= _number(page.get("total"), offset):
                return


def _portions(inputs: Sequence[Mapping[str, Any]]) -> list[list[bytes]]:
    """Requests as JSON, in calls of at most 10 MB."""
    if not inputs or len(inputs) > MAX_REQUESTS:
        raise ValueError(f"{len(inputs)} inputs: a batch takes 1 to {MAX_REQUESTS}")
    portions: list[list[bytes]] = [[]]
    size = 0
    for number, input in enumerate(inputs):
        if not input:
            raise ValueError(f"input {number} is empty: a worker refuses such a job, and it is paid for twice")
        try:
            text = json.dumps({"input": dict(input)}, separators=(",", ":"), allow_nan=False).encode()
        except (TypeError, ValueError) as exc:
            raise ValueError(f"input {number} is not what JSON can hold: {exc}") from exc
        if len(text) + 32 > MAX_CALL_BYTES:
            raise ValueError(f"input {number} is {len(text) / 2**20:.1f} MB, a call takes {MAX_CALL_BYTES // 2**20} MB")
        if size + len(text) + 32 > MAX_CALL_BYTES:
            portions.append([])
            size = 0
        portions[-1].append(text)
        size += len(text) + 1
    return portions


def _summary(answer: bytes) -> BatchSummary:
    data = read_object(answer)
    data = data["batch"] if isinstance(data.get("batch"), Mapping) else data
    batch_id, status = data.get("id", data.get("batchId")), data.get("status")
    if not isinstance(batch_id, str) or not JOB_ID.fullmatch(batch_id) or not isinstance(status, str):
        raise ProtocolError("answer has no usable batch id and status")
    created = data.get("createdAt")
    return BatchSummary(
        id=batch_id,
        status=status[:40],
        total=_number(data.get("requestTotal"), 0),
        completed=_number(data.get("requestCompleted"), 0),
        failed=_number(data.get("requestFailed"), 0),
        created_at_s=_seconds(created),
    )


def _row(row: Any) -> BatchRow:
    if not isinstance(row, Mapping):
        raise ProtocolError("a row of a batch is not an object")
    return BatchRow(Job.from_wire(row), _seconds(row.get("startedAt")), _seconds(row.get("completedAt")), row)


def _batch_id(batch: BatchSummary | str) -> str:
    batch_id = batch.id if isinstance(batch, BatchSummary) else batch
    if not JOB_ID.fullmatch(batch_id):
        raise ProtocolError(f"{batch_id[:40]!r} is no batch id")
    return batch_id


def _number(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default


def _seconds(milliseconds: Any) -> float | None:
    known = isinstance(milliseconds, int | float) and not isinstance(milliseconds, bool) and 0 <= milliseconds < 1e15
    return milliseconds / 1000 if known else None
