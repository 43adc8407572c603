"""When to look at a job: soon after it is likely to be done, never more often than allowed.

Learns from times it is told; clock, sleep and the look itself are given to it, so a test moves
through an hour at once.  Knows no network.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from runpodkit.jobs import Job

LOOKS_PER_S = 180.0
"""Published: 2000 status calls per 10 s; a tenth less leaves air."""
LOOKS_AT_ONCE = 100
FIRST_LOOK_S, SHORTEST_S, LONGEST_S = 0.25, 0.125, 5.0
SLACK_S = 0.05
"""From a job's end to its being told."""
REMEMBERED = 50
SHARE_DONE = 0.7
LEARNED = 0.05
"""Of how late one job is: a wave of many jobs ends at a time."""


class Pace:
    """The usual execution times of one endpoint, and from them the next time to look at a job."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)
        self._expected: dict[float, float | None] = {}
        self.looks_per_s = LOOKS_PER_S
        """What all followed jobs may be looked at together; grows with the endpoint's limit."""

    def saw(self, execution_time_s: float, work: float = 0.0) -> None:
        """Note how long a job took; `work` in megapixel steps tells small jobs from large ones, 0: unknown."""
        self._seen.append((execution_time_s, work))
        self._expected.clear()

    def expected_s(self, work: float = 0.0) -> float | None:
        """How long most jobs like this one take: 7 in 10 of the last 50 took no longer.  None before the first.

        Times of jobs with more or less to do say nothing: scaled up, the start of a small one would count a thousandfold.
        """
        if work not in self._expected:
            alike = sorted(took for took, done in self._seen if not work or not done or 0.8 <= done / work <= 1.25)
            self._expected[work] = alike[int(len(alike) * SHARE_DONE)] if alike else None
        return self._expected[work]

    def next_look_s(
        self,
        age_s: float,
        looks: int,
        in_flight: int,
        *,
        work: float = 0.0,
        likely_s: float | None = None,
        queued: bool = False,
    ) -> float:
        """Seconds until the next status call for a job that was submitted `age_s` ago.

        Args:
            looks: Status calls made for it so far.
            in_flight: Jobs that share the status limit.
            work: What it has to do, in megapixel steps; 0: unknown.
            likely_s: When it will likely have ended, in seconds after its submission; default: after the usual time.
            queued: Whether the last look found it in the queue.
        """
        share_s = in_flight / self.looks_per_s
        usual = self.expected_s(work)
        if usual is None:
            rest = FIRST_LOOK_S * 1.6**looks
        elif looks == 0:
            rest = max(SHORTEST_S, (likely_s or usual) * 1.02 + SLACK_S - age_s)
        elif queued:
            rest = max(SHORTEST_S, usual)
        else:
            # Late: it queued for longer, or this one takes longer.  Each look waits a while, then more.
            rest = max(SHORTEST_S, usual * 0.2) * 1.5 ** (looks - 1)
        longest = max(LONGEST_S, 1.05 * max(usual or 0, likely_s or 0) + SLACK_S)
        return max(share_s, min(rest, longest))


class Due(NamedTuple):
    """When a job will likely end, by the clock that was told of its submission."""

    at: float
    in_turn: float
    """The same before what earlier jobs taught."""


class Forecast:
    """When jobs will end that some workers take in turn: a queue of our own, corrected by how late jobs really are."""

    def __init__(self) -> None:
        self._free_at: list[float] = []
        self._late_s = 0.0

    def submitted(self, now: float, usual_s: float, workers: int) -> Due:
        """A job was submitted at `now`, and there are so many workers."""
        start = now
        while len(self._free_at) >= max(1, workers):
            start = max(now, heapq.heappop(self._free_at))
        heapq.heappush(self._free_at, start + usual_s)
        return Due(max(now, start + self._late_s) + usual_s, start + usual_s)

    def ended(self, due: Due, at: float) -> None:
        """A job for which this was forecast ended at `at`."""
        self._late_s += LEARNED * (at - due.in_turn - self._late_s)


class Follower:
    """Looks at many jobs, each when it is likely done, until all have ended."""

    def __init__(
        self,
        look: Callable[[str], Awaitable[Job]],
        *,
        pace: Pace,
        clock: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]],
        at_once: int = LOOKS_AT_ONCE,
    ) -> None:
        """
        Args:
            look: One status call.
            at_once: Looks that may be open at a time.
        """
        self._look, self._pace, self._clock, self._sleep = look, pace, clock, sleep
        self._at_once = at_once
        self._due: list[tuple[float, int, _Followed]] = []
        self._number = itertools.count()
        self._looks: deque[float] = deque()

    async def follow(self, job_ids: Iterable[str]) -> AsyncIterator[Job]:
        """Each job as it ends.  What `look` raises ends it, and the looks under way."""
        now = self._clock()
        in_flight = [_Followed(job_id, now) for job_id in dict.fromkeys(job_ids)]
        for followed in in_flight:
            self._plan(followed, len(in_flight))
        open_looks: set[asyncio.Task[tuple[_Followed, Job]]] = set()
        try:
            while self._due or open_looks:
                while self._due and len(open_looks) < self._at_once and self._due[0][0] <= self._clock():
                    if not self._may_look():
                        break
                    open_looks.add(asyncio.create_task(self._one(heapq.heappop(self._due)[2])))
                nap = asyncio.ensure_future(self._sleep(self._rest_s(len(open_looks))))
                try:
                    await asyncio.wait({*open_looks, nap}, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    nap.cancel()
                for task in [task for task in open_looks if task.done()]:
                    open_looks.discard(task)
                    followed, job = task.result()
                    if job.status.is_final:
                        if job.execution_time_s is not None:
                            self._pace.saw(job.execution_time_s)
                        yield job
                    else:
                        self._plan(followed, len(self._due) + len(open_looks) + 1)
        finally:
            for task in open_looks:
                task.cancel()
            await asyncio.gather(*open_looks, return_exceptions=True)

    async def _one(self, followed: _Followed) -> tuple[_Followed, Job]:
        followed.looks += 1
        return followed, await self._look(followed.job_id)

    def _plan(self, followed: _Followed, in_flight: int) -> None:
        age = self._clock() - followed.since
        rest = self._pace.next_look_s(age, followed.looks, in_flight)
        heapq.heappush(self._due, (self._clock() + rest, next(self._number), followed))

    def _may_look(self) -> bool:
        """Whether one more look stays under the limit, whatever the plans say; notes it if so."""
        now = self._clock()
        while self._looks and self._looks[0] <= now - 1:
            self._looks.popleft()
        if len(self._looks) >= LOOKS_PER_S:
            return False
        self._looks.append(now)
        return True

    def _rest_s(self, open_looks: int) -> float:
        if not self._due or open_looks >= self._at_once:
            return LONGEST_S  # an answer will end the nap
        rest = self._due[0][0] - self._clock()
        if rest <= 0 and self._looks:
            rest = self._looks[0] + 1 - self._clock()
        return max(rest, 0.001)


@dataclass(slots=True)
class _Followed:
    job_id: str
    since: float
    looks: int = 0
