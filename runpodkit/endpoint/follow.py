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

from runpodkit.jobs import Job

LOOKS_PER_S = 180.0
"""Published: 2000 status calls per 10 s; a tenth less leaves air."""
LOOKS_AT_ONCE = 100
FIRST_LOOK_S, LONGEST_S = 0.25, 5.0
REMEMBERED = 50


class Pace:
    """The usual execution times of one endpoint, and from them the next time to look at a job."""

    def __init__(self) -> None:
        self._seen: deque[float] = deque(maxlen=REMEMBERED)
        self._usual_s: float | None = None

    def saw(self, execution_time_s: float) -> None:
        """Note how long a job took."""
        self._seen.append(execution_time_s)
        ordered = sorted(self._seen)
        self._usual_s = ordered[len(ordered) // 2]

    @property
    def usual_s(self) -> float | None:
        """The median of the last 50 execution times; None before the first."""
        return self._usual_s

    def next_look_s(self, age_s: float, looks: int, in_flight: int) -> float:
        """Seconds until the next status call for a job that was submitted `age_s` ago.

        Args:
            looks: Status calls made for it so far.
            in_flight: Jobs that share the status limit.
        """
        share_s = in_flight / LOOKS_PER_S
        usual = self._usual_s
        if usual is None:
            rest = FIRST_LOOK_S * 1.6**looks
        elif looks == 0:
            rest = max(FIRST_LOOK_S / 2, usual * 1.05 - age_s)
        else:
            # Late already: it queued, or this one takes longer.  Each look waits a third of the usual time, then more.
            rest = max(FIRST_LOOK_S / 2, usual * 0.35) * 1.3 ** (looks - 1)
        return max(share_s, min(rest, max(LONGEST_S, (usual or 0) * 1.05)))


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
