"""Records: what is known of a trial afterwards, and their files in the store.

A record is derived from the run's head, the trial and its ledger row, so it can be
written again at any time; a finished run is read from its files alone, without Redis.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from runpodkit.endpoint.dialects import Dialect
from runpodkit.errors import StoreError
from runpodkit.params import ImageParams, explain
from runpodkit.prompts import PRESETS, enhance
from runpodkit.reprs import cut, plain
from runpodkit.runs.oddities import of_trial
from runpodkit.runs.rows import ImageFile, Row, RunHead, RunState, TrialState
from runpodkit.storage import Store
from runpodkit.storage.many import get_all
from runpodkit.sweeps.sweep import Trial

FILES_AT_ONCE = 16
"""Record files are small and a bucket far away: as many at once as it has connections."""
_UNREADABLE = (ValueError, TypeError, KeyError, AttributeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Record:
    """One trial: what was asked, what was sent, what came back.  Durations in seconds, times in UTC."""

    trial: int
    state: TrialState
    values: Mapping[str, Any]
    params: ImageParams
    """As sent: the dialect's defaults and the drawn seed filled in."""
    prompt: str
    negative_prompt: str
    run: str
    endpoint: str
    simulated: bool
    key: str = ""
    job_id: str | None = None
    attempts: int = 0
    maybe_paid_twice: bool = False
    submitted_at: str | None = None
    ended_at: str | None = None
    queue_delay_s: float | None = None
    execution_time_s: float | None = None
    worker_id: str | None = None
    cost_usd: float | None = None
    """For all jobs of the trial, those that failed before included."""
    cost_is_estimate: bool = True
    images: tuple[ImageFile, ...] = ()
    reason: str | None = None
    reused_from: str | None = None
    flags: tuple[str, ...] = ()
    unread: str | None = None
    """Key in the store of what the job returned, abridged, if a picture of it could not be read."""
    excerpt: str | None = None
    """The beginning of that, at most 500 characters."""

    def to_json(self) -> str:
        given = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        given["params"] = self.params.model_dump(mode="json", exclude_unset=True)
        given["images"] = [dataclasses.asdict(image) for image in self.images]
        return json.dumps(given, ensure_ascii=False, default=str)

    @classmethod
    def from_json(cls, text: str) -> Record:
        given = json.loads(text)
        return cls(
            **{
                **given,
                "state": TrialState(given["state"]),
                "params": ImageParams(**given["params"]),
                "images": tuple(ImageFile(**image) for image in given["images"]),
                "flags": tuple(given["flags"]),
                "reason": given["reason"] and plain(given["reason"]),  # a record may be somebody else's
            }
        )


@dataclass(frozen=True, slots=True)
class Share:
    """What there is to keep of a run, or of one part of it."""

    head: RunHead
    state: RunState
    records: Sequence[Record]


def record_of(head: RunHead, trial: Trial, row: Row, dialect: Dialect) -> Record:
    """The record of a trial as its row stands now."""
    params = dialect.resolve(trial.params)
    sent = enhance(params, PRESETS[dialect.preset])
    return Record(
        trial=trial.number,
        state=row.state,
        values=dict(trial.values),
        params=params,
        prompt=sent.prompt,
        negative_prompt=sent.negative_prompt,
        run=head.name,
        endpoint=head.endpoint,
        simulated=head.simulated,
        key=row.key,
        job_id=row.job,
        attempts=row.attempts,
        maybe_paid_twice=row.doubtful > 0,
        submitted_at=_utc(row.submitted_at),
        ended_at=_utc(row.ended_at),
        queue_delay_s=row.queue_delay_s,
        execution_time_s=row.execution_time_s,
        worker_id=row.worker_id,
        cost_usd=row.cost_usd if not row.paid_before else (row.cost_usd or 0) + row.paid_before,
        cost_is_estimate="cost from worker" not in row.flags,
        images=row.images,
        reason=row.reason,
        reused_from=_utc(row.reused_from),
        flags=tuple(dict.fromkeys((*row.flags, *of_trial(row.images, row.seed, params, dialect)))),
        unread=row.unread,
        excerpt=row.excerpt,
    )


def batch_file(run: str, batch: int, records: Iterable[Record]) -> tuple[str, bytes]:
    """Key and content of the records of one batch: a JSON object per line."""
    return f"runs/{run}/records/{batch:05d}.jsonl", "".join(record.to_json() + "\n" for record in records).encode()


def head_file(head: RunHead, state: RunState, totals: Mapping[str, Any] | None = None) -> tuple[str, bytes]:
    """Key and content of what is fixed about a run, how it stands, and what it came to if it is over."""
    more = {} if totals is None else {"totals": dict(totals)}
    text = json.dumps({**head.to_dict(), "state": state, **more}, ensure_ascii=False, indent=1)
    return head_key(head.name), text.encode()


def head_key(run: str) -> str:
    return f"runs/{run}/run.json"


def write_batch(store: Store, head: RunHead, batch: int, records: Iterable[Record]) -> None:
    """Keep the records of one batch."""
    store.put(*batch_file(head.name, batch, records), "application/x-ndjson")


def write_head(store: Store, head: RunHead, state: RunState, totals: Mapping[str, Any] | None = None) -> None:
    """Keep what is fixed about a run, how it stands, and what it came to if it is over."""
    store.put(*head_file(head, state, totals), "application/json")


def read_head(store: Store, name: str) -> tuple[RunHead, RunState]:
    """Raises StoreError if the store holds no run of that name, or one that cannot be read."""
    head, state, _ = head_in(name, store.get(head_key(name)))
    return head, state


def head_in(name: str, data: bytes) -> tuple[RunHead, RunState, Mapping[str, Any] | None]:
    """Head, state and totals as their file has them; raises StoreError if it is none."""
    try:
        given = json.loads(data)
        state, totals = RunState(given.pop("state")), given.pop("totals", None)
        return RunHead.from_dict(given), state, totals
    except _UNREADABLE as exc:
        raise StoreError(f"{head_key(name)} is not the head of a run: {_why(exc)}") from None


def read_records(store: Store, name: str) -> list[Record]:
    """All records of a run that the store holds, by trial.

    Raises:
        StoreError: a file that cannot be read, or a line that is no record.
    """
    records = []
    for key, text in get_all(store, store.keys(f"runs/{name}/records/"), FILES_AT_ONCE):
        for number, line in enumerate(text.splitlines(), 1):
            try:
                records.append(Record.from_json(line.decode()))
            except _UNREADABLE as exc:
                raise StoreError(f"{key}, line {number}, is no record that this version reads: {_why(exc)}") from None
    return sorted(records, key=lambda record: record.trial)


def _why(error: Exception) -> str:
    """What is wrong with what somebody else wrote, in one short line."""
    if isinstance(error, ValidationError):
        return cut(explain(error), 200)
    return f"it lacks {error}" if isinstance(error, KeyError) else cut(str(error), 200)


def _utc(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
