"""What the ledger holds of a run: its head, its policy, and a row per trial that was touched.

Plain values and their JSON; parameters are never in a row, they follow from the head's
plan and the trial's number.  Knows neither Redis nor the network.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from runpodkit.endpoint.dialects import Dialect, from_row, get_dialect
from runpodkit.runs.policies import RunPolicy

BATCH_SIZE = 50


class TrialState(StrEnum):
    """Where a trial stands.  A trial without a row is PLANNED."""

    PLANNED = "PLANNED"
    WAITING = "WAITING"
    RESERVED = "RESERVED"
    SUBMITTED = "SUBMITTED"
    COLLECTED = "COLLECTED"
    REUSED = "REUSED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"

    @property
    def is_final(self) -> bool:
        return self in _FINAL

    @property
    def has_picture(self) -> bool:
        return self in (TrialState.COLLECTED, TrialState.REUSED)

    @property
    def is_in_flight(self) -> bool:
        return self in (TrialState.RESERVED, TrialState.SUBMITTED)


_FINAL = frozenset(
    {TrialState.COLLECTED, TrialState.REUSED, TrialState.FAILED, TrialState.CANCELLED, TrialState.EXPIRED}
)


class RunState(StrEnum):
    RUNNING = "RUNNING"
    PAUSED = "PAUSED"
    HELD = "HELD"
    DONE = "DONE"
    CANCELLED = "CANCELLED"

    @property
    def sends(self) -> bool:
        """Whether drivers may submit jobs of a run in this state."""
        return self is RunState.RUNNING


@dataclass(frozen=True, slots=True)
class ImageFile:
    """One picture in the store."""

    key: str
    width: int
    height: int
    bytes: int
    pixels: str = ""
    """A fingerprint of what carries its pixels (`images.fingerprints`), to tell equal pictures; empty: not known."""
    blank: bool = False
    """One colour all over."""
    seed: int | None = None
    """Of this picture, where its job made several and the worker told each one's."""

    def to_list(self, trial_key: str) -> list[Any]:
        """Short, as most of a ledger's memory would go into names: of the key only what the trial's does not say."""
        start = f"images/{trial_key[:2]}/{trial_key}"
        told = [self.width, self.height, self.bytes, self.pixels]
        short = trial_key != "" and self.key.startswith(start)
        end = [self.key[len(start) :]] if short else [None]
        rare = [int(self.blank), self.seed] if self.blank or self.seed is not None else []
        return ["" if short else self.key, *told, *(end if short or rare else ()), *rare]

    @classmethod
    def from_list(cls, given: list[Any], trial_key: str) -> ImageFile:
        key, width, height, size, pixels, *end = given
        tail, blank, seed = (*end, None, None, None)[:3]
        whole = key if tail is None else f"images/{trial_key[:2]}/{trial_key}{tail}"
        return cls(whole, width, height, size, pixels, bool(blank), seed)


@dataclass(frozen=True, slots=True)
class Row:
    """One trial in the ledger.  Times are seconds since the epoch, durations seconds."""

    state: TrialState = TrialState.PLANNED
    key: str = ""
    job: str | None = None
    attempts: int = 0
    doubtful: int = 0
    """Submissions whose answer was lost: each may have been paid for besides the one that counts."""
    reserved_at: float | None = None
    submitted_at: float | None = None
    ended_at: float | None = None
    queue_delay_s: float | None = None
    execution_time_s: float | None = None
    worker_id: str | None = None
    cost_usd: float | None = None
    """Of the job that counts."""
    paid_before: float = 0.0
    """USD for earlier jobs of this trial, which failed."""
    images: tuple[ImageFile, ...] = ()
    seed: int | None = None
    """The seed that the worker says it used."""
    reason: str | None = None
    unread: str | None = None
    """Where the store keeps what the job returned, if a picture of it could not be read."""
    excerpt: str | None = None
    """The beginning of that."""
    owner: str | None = None
    """While WAITING: the trial, as run/number, that draws the same picture."""
    reused_from: float | None = None
    """When the reused picture was made."""
    not_before: float | None = None
    flags: tuple[str, ...] = ()

    def to_text(self) -> str:
        """`STATE|{json}`: the state first, so that a script in Redis need not parse the rest."""
        given = {
            item.name: getattr(self, item.name)
            for item in dataclasses.fields(self)
            if item.name != "state" and getattr(self, item.name) != item.default
        }
        if self.images:
            given["images"] = [image.to_list(self.key) for image in self.images]
        return f"{self.state}|{json.dumps(given, separators=(',', ':'), ensure_ascii=False)}"

    @classmethod
    def from_text(cls, text: str | None) -> Row:
        if text is None:
            return cls()
        state, _, rest = text.partition("|")
        given = json.loads(rest)
        images, key = given.get("images", ()), given.get("key", "")
        given["images"] = tuple(
            ImageFile.from_list(image, key) if isinstance(image, list) else ImageFile(**image) for image in images
        )
        given["flags"] = tuple(given.get("flags", ()))
        return cls(state=TrialState(state), **given)


@dataclass(frozen=True, slots=True)
class RunHead:
    """What is fixed about a run from its start."""

    name: str
    plan: Mapping[str, Any]
    sweep_hash: str
    trials: int
    identity: str
    """Model identity: what decides whether two endpoints draw the same picture."""
    endpoint: str
    """Host and id of the endpoint, without a key."""
    dialect: str
    simulated: bool
    store: str
    """Which store the pictures go to; a driver with another store leaves the run alone."""
    family: str
    """Which settings may drive it: endpoint, store, dialect, prices, as one short hash."""
    created_at: float
    gpu: str | None = None
    kind: str = "sweep"
    policy: RunPolicy = field(default_factory=RunPolicy)
    reuse: bool = True
    version: str = ""
    dialect_row: Mapping[str, Any] = field(default_factory=dict)
    """The dialect's content as it was at the start: a driver needs no file, and an upgrade changes no key."""

    parts: Sequence[Mapping[str, Any]] = ()
    """Of a joint run: what each endpoint draws, as `endpoint`, `run` and the `left_out` (axis, value) pairs."""
    provenance: Mapping[str, Any] = field(default_factory=dict)
    """Where it was asked for, as `provenance` gathers it; empty: nobody noted it."""

    @property
    def spelling(self) -> Dialect:
        """The dialect it was started with; of a run from before dialects travelled, the one of that name."""
        return from_row(self.dialect_row) if self.dialect_row else get_dialect(self.dialect)

    @property
    def batches(self) -> int:
        return -(-self.trials // BATCH_SIZE)

    def batch(self, number: int) -> range:
        """The trials of a batch."""
        return range(number * BATCH_SIZE, min(self.trials, (number + 1) * BATCH_SIZE))

    def to_dict(self) -> dict[str, Any]:
        given = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        return {**given, "policy": self.policy.model_dump(exclude_defaults=True)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> RunHead:
        policy, parts = RunPolicy(**given.get("policy", {})), tuple(given.get("parts", ()))
        known = {item.name for item in dataclasses.fields(cls)}
        told = {name: value for name, value in given.items() if name in known}  # a later version may tell more
        return cls(**{**told, "policy": policy, "parts": parts})
