"""When to look at a job: the status limit is kept, quick jobs are seen soon, steady ones with few looks."""

from __future__ import annotations

import itertools
from bisect import bisect_left
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.endpoint.follow import Follower, Forecast, Pace
from runpodkit.errors import NotFoundError
from runpodkit.jobs import Job
from runpodkit.simulator.queue import Queue, SimJob
from tests.endpoint.conftest import Hours


@given(
    seen=st.lists(st.floats(0.01, 600), max_size=60),
    age=st.floats(0, 3600),
    looks=st.integers(0, 50),
    in_flight=st.integers(1, 10_000),
)
def test_all_looks_together_stay_under_the_status_limit(
    seen: list[float], age: float, looks: int, in_flight: int
) -> None:
    pace = Pace()
    for seconds in seen:
        pace.saw(seconds)

    rest = pace.next_look_s(age, looks, in_flight)

    assert rest > 0
    assert in_flight / rest <= 180.001


def test_a_job_nothing_is_known_of_is_looked_at_soon_and_then_less_often() -> None:
    rests = [Pace().next_look_s(0, looks, 1) for looks in range(12)]

    assert rests[0] == 0.25
    assert rests == sorted(rests)
    assert rests[-1] == 5.0


@pytest.mark.parametrize("takes_s", [0.5, 1.0, 5.0, 30.0, 120.0])
def test_steady_jobs_are_found_done_with_two_looks_at_most_and_soon(takes_s: float) -> None:
    pace = Pace()
    for _ in range(20):
        pace.saw(takes_s)
    age, looks = 0.0, 0
    while age < takes_s or looks == 0:
        age += pace.next_look_s(age, looks, 8)
        looks += 1

    assert looks <= 2
    assert age <= takes_s * 1.5 + 0.2


def test_times_of_other_work_say_nothing_so_a_large_job_after_small_ones_is_looked_at_soon() -> None:
    pace = Pace()
    for _ in range(20):
        pace.saw(1.0, work=0.004)

    assert pace.expected_s(0.004) == pace.expected_s(0.0039) == 1.0
    assert pace.expected_s(30.0) is None
    assert pace.next_look_s(0.0, 0, 1, work=30.0) == 0.25


def test_a_queued_job_is_looked_at_after_another_whole_turn_and_a_working_one_soon() -> None:
    pace = Pace()
    pace.saw(10.0)

    assert pace.next_look_s(11.0, 1, 1, queued=True) == 10.0
    assert pace.next_look_s(11.0, 1, 1) == 2.0


def test_jobs_beyond_the_workers_are_forecast_to_end_in_turn() -> None:
    forecast = Forecast()
    ends = [forecast.submitted(0.0, 2.0, workers=2).at for _ in range(5)]

    assert ends == [2.0, 2.0, 4.0, 4.0, 6.0]


def test_a_forecast_learns_how_late_jobs_are() -> None:
    forecast = Forecast()
    for wave in range(30):
        for due in [forecast.submitted(wave * 10.0, 2.0, workers=50) for _ in range(50)]:
            forecast.ended(due, due.in_turn + 1.5)

    assert forecast.submitted(400.0, 2.0, workers=50).at == pytest.approx(403.5, abs=0.01)


class Service:
    """The simulator's queue, moved by the same clock; each job takes `takes_s`."""

    def __init__(self, hours: Hours, workers: int, takes_s: float) -> None:
        self.hours, self.takes_s = hours, takes_s
        self.queue = Queue(workers, new_id=map("job-{}".format, itertools.count()).__next__, cold_start_s=0)
        self.looks: list[float] = []
        self._working: deque[tuple[float, SimJob]] = deque()

    def submit(self) -> str:
        return self.queue.submit({"prompt": "x"}).id

    async def look(self, job_id: str) -> Job:
        self.looks.append(self.hours.now)
        self.advance()
        job = self.queue.status(job_id)
        assert job is not None
        return Job.from_wire(job.to_wire())

    def advance(self) -> None:
        """Event by event, so that a worker takes its next job the moment it is free."""
        while True:
            while self.queue.started:
                job = self.queue.started.popleft()
                self._working.append((self.queue.now_s + self.takes_s, job))
            if not self._working or self._working[0][0] > self.hours.now:
                self.queue.advance(self.hours.now)
                if not self.queue.started:
                    return
                continue
            at, job = self._working.popleft()
            self.queue.advance(at)
            self.queue.done(job.id, job.worker or "", b"{}")
            self.queue.advance(at)

    def busiest(self, window_s: float) -> int:
        """Most looks in any stretch of time of this length."""
        return max(bisect_left(self.looks, at + window_s) - i for i, at in enumerate(self.looks))


async def followed(service: Service, hours: Hours, jobs: int, pace: Pace) -> list[str]:
    ids = [service.submit() for _ in range(jobs)]
    service.advance()
    follower = Follower(service.look, pace=pace, clock=hours, sleep=hours.sleep)
    return [job.id async for job in follower.follow(ids)]


async def test_ten_thousand_jobs_in_flight_stay_under_the_status_limit_and_need_two_looks_each_at_most() -> None:
    hours = Hours()
    service = Service(hours, workers=200, takes_s=1.0)

    ended = await followed(service, hours, 10_000, Pace())

    assert len(set(ended)) == 10_000
    assert service.busiest(10) <= 2000
    assert len(service.looks) / 10_000 <= 2.0


@pytest.mark.parametrize("takes_s", [2.0, 20.0])
async def test_jobs_of_steady_times_are_found_with_two_looks_each_soon_after_their_end(takes_s: float) -> None:
    hours = Hours()
    service = Service(hours, workers=100, takes_s=takes_s)
    pace = Pace()
    pace.saw(takes_s)

    await followed(service, hours, 100, pace)

    assert len(service.looks) / 100 <= 2.0
    assert hours.now <= takes_s * 1.5 + 2


async def test_what_a_look_raises_ends_the_iteration_and_no_look_is_left_behind() -> None:
    hours = Hours()

    async def look(job_id: str) -> Job:
        raise NotFoundError(404, f"job {job_id} is unknown")

    with pytest.raises(NotFoundError, match="job-1"):
        [job async for job in Follower(look, pace=Pace(), clock=hours, sleep=hours.sleep).follow(["job-1"])]
