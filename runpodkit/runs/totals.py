"""Totals: what a run came to, in numbers and with one picture: kept in the file of its head once it is over.

So whoever lists runs reads one file of each, however long it was, also when its ledger is gone.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from runpodkit.runs.ledger import Ledger, RunStatus
from runpodkit.runs.rows import RunHead, TrialState

FIRST_ROWS = 20
"""Trials among which a picture is looked for that stands for the run."""


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts of trials, money, and a picture that stands for the run."""

    collected: int
    failed: int
    cost_usd: float | None
    """None: not known, which is not nothing."""
    picture: str = ""
    """Its key in the store; empty: none is known."""
    pixels: str = ""
    """What tells its content, under which small versions of it lie."""

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Totals:
        cost = given.get("cost_usd")
        return cls(
            int(given["collected"]),
            int(given["failed"]),
            None if cost is None else float(cost),
            str(given.get("picture", "")),
            str(given.get("pixels", "")),
        )


def known_cost(status: RunStatus) -> float | None:
    """What a run cost in USD; None where it sent jobs and nobody said what they cost."""
    return status.cost_usd if status.cost_usd or not status.submissions else None


def totals_of(status: RunStatus, picture: tuple[str, str] = ("", "")) -> Totals:
    """The totals of a run as its ledger has them.

    Args:
        picture: Key and content of one that stands for it.
    """
    made = status.count(TrialState.COLLECTED, TrialState.REUSED)
    return Totals(made, status.count(TrialState.FAILED, TrialState.EXPIRED), known_cost(status), *picture)


async def end_totals(ledger: Ledger, head: RunHead) -> Totals | None:
    """The totals of a run that has just ended; None where the ledger no longer knows it.

    Raises:
        LedgerError: Redis does not answer.
    """
    status = await ledger.status(head.name)
    if status is None:
        return None
    pictures = await ledger.first_pictures([head], FIRST_ROWS)
    return totals_of(status, pictures.get(head.name, ("", "")))


def totals_in(files: Iterable[bytes]) -> Totals:
    """The totals of a run by its records alone, as lines of JSON.

    Raises:
        ValueError, TypeError, KeyError: a line that is no record.
    """
    states: Counter[str] = Counter()
    costs: list[float] = []
    picture, pixels = "", ""
    for data in files:
        for line in data.splitlines():
            record = json.loads(line)
            states[record["state"]] += 1
            if (cost := record.get("cost_usd")) is not None:
                costs.append(float(cost))
            if not picture and record["images"]:
                picture, pixels = str(record["images"][0]["key"]), str(record["images"][0].get("pixels", ""))
    made = states[TrialState.COLLECTED] + states[TrialState.REUSED]
    failed = states[TrialState.FAILED] + states[TrialState.EXPIRED]
    return Totals(made, failed, sum(costs) if costs else None, picture, pixels)
