"""Bills: an hour split by hand into work, cold starts and idle, and what stays unknown."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runpodkit.endpoint.billing import Hour
from runpodkit.params import ImageParams
from runpodkit.runs.billing import Bill, cold_starts, split, window_of, work_usd
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState

ELEVEN = 1_764_500_400.0  # 2025-11-30 11:00 UTC
WINDOW = (ELEVEN, ELEVEN + 3600)


def job(minute: int, second: int, *, ran: float = 4.0, delay: float = 0.5, **given: Any) -> Record:
    """A job that ended so long after 11:00."""
    plain = Record(
        trial=0,
        state=TrialState.COLLECTED,
        values={},
        params=ImageParams(user_prompt="a pier"),
        prompt="a pier",
        negative_prompt="",
        run="pier",
        endpoint="api.runpod.ai/abc123",
        simulated=False,
        job_id="job",
        submitted_at=f"2025-11-30T11:{minute:02}:00.000+00:00",
        ended_at=f"2025-11-30T11:{minute:02}:{second:02}.000+00:00",
        queue_delay_s=delay,
        execution_time_s=ran,
        worker_id="w1",
        cost_usd=ran * 0.01,
    )
    return replace(plain, **given)


RECORDS = [job(0, 14, delay=10.0), job(0, 20), job(0, 26, worker_id="w2", delay=9.0)]


def billed(usd: float | None = 0.5, records: list[Record] = RECORDS, **given: Any) -> Bill:
    hours = [] if usd is None else [Hour(ELEVEN, ELEVEN + 3600, usd, 0.0)]
    about = {"rate": 0.01, "per_picture": False, "simulated": False, "now_s": ELEVEN + 86_400, **given}
    others = about.pop("others", {})
    return split("pier", records, others, about.pop("hours", hours), WINDOW, **about)


def test_a_bill_is_work_cold_starts_and_the_rest() -> None:
    bill = billed()

    assert bill.work_usd == pytest.approx(0.12)  # 3 jobs × 4 s × $0.01
    assert bill.cold_starts == 2
    assert bill.cold_start_usd == pytest.approx(0.2)  # 2 × 10 s
    assert bill.idle_usd == pytest.approx(0.18)
    assert repr(bill) == (
        "run pier: billed $0.5 for 2025-11-30 11:00–2025-11-30 12:00 UTC: work $0.12, cold start $0.2, idle $0.18; "
        "other runs on the endpoint in that time: none known"
    )
    assert list(bill.table["part"]) == ["work", "cold start", "idle", "billed"]
    assert list(bill.table["share"]) == pytest.approx([0.24, 0.4, 0.36, 1.0])


def test_other_runs_and_storage_are_taken_off_first() -> None:
    hours = [Hour(ELEVEN, ELEVEN + 3600, 0.6, 0.1)]

    bill = billed(hours=hours, others={"sea": [job(30, 10)], "later": []})

    assert bill.others_usd == {"sea": pytest.approx(0.04)}
    assert bill.idle_usd == pytest.approx(0.6 - 0.1 - 0.12 - 0.04 - 0.2)
    assert "disk and fees $0.1" in repr(bill)
    assert "other runs on the endpoint in that time: sea $0.04" in repr(bill)


def test_a_cold_start_never_takes_more_than_is_left() -> None:
    bill = billed(0.15)

    assert (bill.cold_start_usd, bill.idle_usd) == (pytest.approx(0.03), pytest.approx(0.0))


def test_what_is_not_known_is_missing_and_never_nothing() -> None:
    unpriced = [replace(record, cost_usd=None) for record in RECORDS]

    no_rate, no_bill, too_small = billed(records=unpriced, rate=None), billed(None), billed(0.05)

    assert (no_rate.work_usd, no_rate.cold_start_usd, no_rate.idle_usd) == (None, None, None)
    assert "set RUNPODKIT_GPU" in repr(no_rate)
    assert "work unknown" in repr(no_rate)
    assert no_rate.table["usd"].isna().sum() == 3
    assert (no_bill.billed_usd, no_bill.idle_usd) == (None, None)
    assert repr(no_bill).endswith(
        "nothing is billed for 2025-11-30 11:00–2025-11-30 12:00 UTC; work by its records: $0.12"
    )
    assert too_small.idle_usd is None
    assert "the records come to more than the bill" in repr(too_small)


def test_an_hour_that_just_ended_may_not_be_billed_in_full() -> None:
    bill = billed(now_s=ELEVEN + 3700)

    assert bill.open_hours
    assert "the last hour may not be billed in full yet" in repr(bill)


def test_a_public_endpoint_bills_pictures_and_no_workers() -> None:
    bill = billed(0.12, per_picture=True, rate=None)

    assert (bill.cold_start_usd, bill.idle_usd) == (0.0, pytest.approx(0.0))


def test_reused_pictures_and_jobs_of_other_hours_are_no_work_of_this_one() -> None:
    reused = job(1, 0, state=TrialState.REUSED)
    yesterday = job(1, 0, ended_at="2025-11-29T11:01:00.000+00:00")

    assert work_usd([reused, yesterday], WINDOW) is None
    assert work_usd([*RECORDS, reused, yesterday], WINDOW) == pytest.approx(0.12)


def test_a_worker_that_had_a_long_break_and_a_job_that_waited_was_started_anew() -> None:
    warm = [job(0, 14, delay=10.0), job(5, 10, delay=0.2)]
    cold = [job(0, 14, delay=10.0), job(5, 10, delay=8.0)]
    busy = [job(0, 14, delay=10.0), job(0, 19, delay=8.0)]

    assert cold_starts(warm, WINDOW) == (1, 10.0)
    assert cold_starts(cold, WINDOW) == (2, 10.0)
    assert cold_starts(busy, WINDOW) == (1, 10.0)
    assert cold_starts([], WINDOW) == (0, 0.0)


def test_the_window_is_of_whole_hours_with_a_minute_for_workers_that_wind_down() -> None:
    assert window_of([job(5, 10)]) == WINDOW
    assert window_of([job(59, 30)]) == (ELEVEN, ELEVEN + 7200)
    assert window_of([job(1, 0, state=TrialState.REUSED)]) is None
