"""The simulated bill: workers' seconds, rounded up, in the hours they fall into, as RunPod answers."""

from __future__ import annotations

import pytest

from runpodkit.runs.money import STAND_IN_GPU, usd_per_s
from runpodkit.simulator.billing import USD_PER_S, Asked, Span, bill, read_query
from runpodkit.simulator.queue import Queue

ELEVEN = 1_764_500_400  # 2025-11-30 11:00 UTC


def asked(**query: str) -> Asked:
    read = read_query(query, ELEVEN + 1800)
    assert isinstance(read, Asked), read
    return read


def test_a_worker_is_billed_by_the_second_rounded_up() -> None:
    window = asked(bucketSize="hour", startTime="2025-11-30T11:00:00Z")

    told = bill([Span(ELEVEN + 10, ELEVEN + 12.2)], window, "local")

    (record,) = told["records"]
    assert (record["startTime"], record["endTime"]) == ("2025-11-30T11:00:00Z", "2025-11-30T12:00:00Z")
    assert (record["serverlessId"], record["totalAmount"]) == ("local", pytest.approx(3 * USD_PER_S))
    assert told["metadata"]["recordCount"] == 1


def test_a_worker_over_the_full_hour_is_in_both_hours() -> None:
    window = asked(bucketSize="hour", startTime="2025-11-30T10:30:00Z", endTime="2025-11-30T11:00:01Z")

    told = bill([Span(ELEVEN - 20, ELEVEN + 5)], window, "local")

    assert [record["totalAmount"] / USD_PER_S for record in told["records"]] == [pytest.approx(20), pytest.approx(5)]
    assert told["metadata"]["totals"]["gpuAmount"] == pytest.approx(25 * USD_PER_S)


def test_a_window_is_widened_to_whole_buckets_and_ends_now_unless_told() -> None:
    assert asked(bucketSize="hour", startTime="2025-11-30T10:59:59+00:00") == ("hour", ELEVEN - 3600, ELEVEN + 3600)
    assert asked(startTime="2025-11-30T01:00:00Z").start_s % 86_400 == 0


@pytest.mark.parametrize(
    "query",
    [
        {"bucketSize": "minute"},
        {"lastN": "3"},
        {"startTime": "yesterday"},
        {"startTime": "2025-11-30T10:00:00"},
        {"startTime": "2025-11-30T10:00:00Z", "endTime": "2025-11-30T10:00:00Z"},
    ],
)
def test_what_the_service_would_not_take_is_told(query: dict[str, str]) -> None:
    assert isinstance(read_query(query, ELEVEN), str)


def test_the_queue_tells_when_its_workers_were_on() -> None:
    queue = Queue(1, new_id=lambda: "a", cold_start_s=2.0, idle_s=5.0)
    queue.advance(10.0)
    queue.submit({"prompt": "a pier"})
    queue.advance(11.0)
    queue.advance(13.0)
    job = queue.started.popleft()
    queue.advance(16.0)

    assert queue.uptimes() == [Span(11.0, 16.0)]
    queue.done(job.id, "worker-0", b"{}")
    queue.advance(30.0)
    queue.advance(40.0)
    assert queue.uptimes() == [Span(11.0, 21.0)]


def test_a_worker_process_is_on_from_its_first_word_until_it_is_lost() -> None:
    queue = Queue(0, new_id=lambda: "a")
    queue.advance(3.0)
    queue.heard("mine")
    queue.advance(8.0)
    queue.lost("mine")
    queue.advance(20.0)

    assert queue.uptimes() == [Span(3.0, 8.0)]


def test_the_rate_is_that_of_the_gpu_the_stand_in_passes_for() -> None:
    assert usd_per_s(STAND_IN_GPU) == USD_PER_S
