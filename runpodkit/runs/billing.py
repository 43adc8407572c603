"""Bills: what RunPod charged for the hours of a run, split into work, cold starts and idle workers.

Pure: hours and records in, amounts and words out.  RunPod bills workers by the second, from their start until
they stop, not jobs: the bill of an hour is of everything that ran on the endpoint then.  So of a run's part only the
work is known, as far as its records know it; the rest is an estimate, and what nobody knows is missing, never 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from runpodkit.endpoint.billing import HOUR_S, Hour
from runpodkit.reprs import facts_html
from runpodkit.runs.money import dollars
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState

if TYPE_CHECKING:
    import pandas as pd

WIND_DOWN_S = 60.0
"""So long after a run's last job its workers may still idle: default of RunPod's idle timeout is 5 s."""
IDLE_S = 5.0
"""A worker that had nothing to do for longer may have stopped and started anew."""
_CLOSES_S = 3600.0
"""An hour that ended more recently may not be billed in full."""


@dataclass(frozen=True, slots=True, repr=False)
class Bill:
    """What the hours of a run cost.  Money in USD; None where it is not known."""

    run: str
    start_s: float
    end_s: float
    """Whole hours, in seconds since the epoch."""
    billed_usd: float | None
    """For everything on the endpoint in these hours; None if nothing was billed for them (yet)."""
    work_usd: float | None
    """Σ execution time × rate of the jobs of this run, or what its worker says they cost."""
    others_usd: Mapping[str, float | None]
    """The same of other runs on the endpoint in these hours, by name, as far as this ledger knows them."""
    cold_start_usd: float | None
    """An estimate: starts of workers × the time that the first took, at the rate."""
    idle_usd: float | None
    """What is left of the bill; workers that wait for jobs, and whatever else used the endpoint."""
    storage_and_fees_usd: float
    cold_starts: int
    rate: float | None
    """USD a second of a worker."""
    simulated: bool
    open_hours: bool
    """Whether the last hour is too young to be billed in full."""

    @property
    def table(self) -> pd.DataFrame:
        """A row per part: `part`, `usd`, `share` of the bill in [0, 1]; what is not known is missing."""
        import pandas as pd

        rows = []
        for part, usd in self._parts():
            share = usd / self.billed_usd if usd is not None and self.billed_usd else None
            rows.append([part, usd, share])
        return pd.DataFrame(rows, columns=["part", "usd", "share"]).astype({"usd": float, "share": float})

    def _parts(self) -> list[tuple[str, float | None]]:
        parts = [
            ("work", self.work_usd),
            ("cold start", self.cold_start_usd),
            ("idle", self.idle_usd),
            *((f"run {name}", usd) for name, usd in self.others_usd.items()),
        ]
        if self.storage_and_fees_usd:
            parts.append(("disk and fees", self.storage_and_fees_usd))
        return [*parts, ("billed", self.billed_usd)]

    def __repr__(self) -> str:
        hours = f"{_clock(self.start_s)}–{_clock(self.end_s)} UTC"
        if self.billed_usd is None:
            return (
                f"run {self.run}: nothing is billed for {hours}{' yet' if self.open_hours else ''}; "
                f"work by its records: {_money(self.work_usd)}"
            )
        parts = [f"{part} {_money(usd)}" for part, usd in self._parts()[:3]]
        if self.storage_and_fees_usd:
            parts.append(f"disk and fees {_money(self.storage_and_fees_usd)}")
        others = ", ".join(f"{name} {_money(usd)}" for name, usd in self.others_usd.items()) or "none known"
        words = [
            f"run {self.run}: billed {_money(self.billed_usd)} for {hours}: {', '.join(parts)}",
            f"other runs on the endpoint in that time: {others}",
        ]
        if self.work_usd is not None and self.idle_usd is None and self.rate is not None:
            words.append("the records come to more than the bill, so no more can be told apart: is the rate right?")
        if self.rate is None:
            words.append("set RUNPODKIT_GPU to tell cold starts and idle workers apart")
        if self.open_hours:
            words.append("the last hour may not be billed in full yet")
        return "; ".join(words) + (" (SIMULATOR: nothing is paid)" if self.simulated else "")

    def _repr_html_(self) -> str:
        parts = {part: _money(usd) for part, usd in self._parts()}
        hours = f"{_clock(self.start_s)}–{_clock(self.end_s)} UTC"
        return facts_html(f"Bill of run {self.run}, {hours}", parts, self.simulated)


def window_of(records: Sequence[Record]) -> tuple[float, float] | None:
    """The whole hours in which jobs of these records ran, in seconds since the epoch; None if none did."""
    ran = [record for record in records if _ran(record)]
    times = [
        seconds for record in ran for text in (record.submitted_at, record.ended_at) if (seconds := _seconds(text))
    ]
    if not times:
        return None
    return min(times) // HOUR_S * HOUR_S, -(-(max(times) + WIND_DOWN_S) // HOUR_S) * HOUR_S


def split(
    run: str,
    records: Sequence[Record],
    others: Mapping[str, Sequence[Record]],
    hours: Sequence[Hour],
    window: tuple[float, float],
    *,
    rate: float | None,
    per_picture: bool,
    simulated: bool,
    now_s: float,
) -> Bill:
    """The bill of a window and its parts.

    Args:
        others: Records of other runs on the endpoint, by name.
        hours: As billed.
        window: Of whole hours, in seconds since the epoch.
        rate: USD a second of a worker, where its GPU is known.
        per_picture: A public endpoint: each picture has its price, and no worker is billed.
    """
    start_s, end_s = window
    inside = [hour for hour in hours if start_s <= hour.start_s < end_s]
    billed = sum(hour.total_usd for hour in inside) if inside else None
    extras = sum(hour.storage_and_fees_usd for hour in inside)
    work = work_usd(records, window)
    beside = {name: work_usd(told, window) for name, told in others.items() if _within(told, window)}
    starts, first_s = cold_starts([*records, *(record for told in others.values() for record in told)], window)
    cold = idle = None
    known = work is not None and None not in beside.values()
    if billed is not None and work is not None and known:
        rest = billed - extras - work - sum(usd or 0.0 for usd in beside.values())
        if per_picture:
            cold, idle = 0.0, (rest if rest >= 0 else None)
        elif rate is not None and rest >= 0:
            cold = min(rest, starts * first_s * rate)
            idle = rest - cold
    return Bill(
        run=run,
        start_s=start_s,
        end_s=end_s,
        billed_usd=billed,
        work_usd=work,
        others_usd=beside,
        cold_start_usd=cold,
        idle_usd=idle,
        storage_and_fees_usd=extras,
        cold_starts=starts,
        rate=rate,
        simulated=simulated,
        open_hours=end_s > now_s - _CLOSES_S,
    )


def work_usd(records: Sequence[Record], window: tuple[float, float]) -> float | None:
    """What the jobs of these records cost that ended in a time; None if that of one is not known."""
    costs = [record.cost_usd for record in _within(records, window)]
    return None if not costs or None in costs else sum(cost or 0.0 for cost in costs)


def cold_starts(records: Sequence[Record], window: tuple[float, float]) -> tuple[int, float]:
    """How often a worker started in a time, and how long the first start took, in seconds.

    A worker starts before the first job that is seen of it, and again after a break longer than `IDLE_S` if that job
    waited at least half as long as the first one.  The first start took what the first job waited: nobody stood
    before it in the queue.
    """
    taken: list[tuple[float, float, float, str]] = []
    for record in _within(records, window):
        ended, ran, delay = _seconds(record.ended_at), record.execution_time_s, record.queue_delay_s
        if ended is not None and ran is not None and delay is not None and record.worker_id:
            taken.append((ended - ran, ended, delay, record.worker_id))
    if not taken:
        return 0, 0.0
    taken.sort()
    first_s = taken[0][2]
    last: dict[str, float] = {}
    count = 0
    for began, ended, delay, worker in taken:
        if worker not in last or (began - last[worker] > IDLE_S and delay >= first_s / 2):
            count += 1
        last[worker] = max(ended, last.get(worker, ended))
    return count, first_s


def _within(records: Sequence[Record], window: tuple[float, float]) -> list[Record]:
    """Those whose job ended in a time."""
    return [
        record
        for record in records
        if _ran(record) and (at := _seconds(record.ended_at)) and window[0] <= at < window[1]
    ]


def _ran(record: Record) -> bool:
    """Whether a job of its own was sent for it; a reused picture was paid for by another run."""
    return record.state in (TrialState.COLLECTED, TrialState.FAILED) and record.job_id is not None


def _seconds(text: str | None) -> float | None:
    return datetime.fromisoformat(text).timestamp() if text else None


def _clock(seconds: float) -> str:
    moment = datetime.fromtimestamp(seconds, UTC)
    return f"{moment:%Y-%m-%d %H:%M}"


def _money(usd: float | None) -> str:
    return "unknown" if usd is None else f"${dollars(max(usd, 0.0))}"


def unbilled(host: str) -> str:
    """Why an endpoint has no bill."""
    return f"what {host} costs cannot be asked: only RunPod's endpoints and the simulator have a bill"
