"""Notices: the end of a run, or that it is held, told to whoever asked for it at `submit`.

A webhook is called by the main process of a Celery worker, so it is called whatever became of the notebook, and a call
neither delays nor fails a run.  A mark in the ledger says what was told: each end once.  A function is called in the
process that submitted the run, as long as that lives.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import inspect
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any

from runpodkit.blocking import shared_loop
from runpodkit.errors import LedgerError, RunpodkitError, StoreError
from runpodkit.logs import about, batch_log, redact
from runpodkit.runs import webhooks
from runpodkit.runs.ledger import Ledger, RunStatus
from runpodkit.runs.money import dollars
from runpodkit.runs.owners import is_dead, this_process
from runpodkit.runs.rows import RunHead, RunState, TrialState
from runpodkit.runs.totals import known_cost

if TYPE_CHECKING:
    from runpodkit.runs.run import Run

    Notify = str | Callable[[Run], object] | None

PROBED_S = 60.0
"""A run that goes on by itself is told of only when it has been held for so long."""
LOOK_S, SLOW_LOOK_S, SLOW_AFTER_S = 0.5, 2.0, 60.0
LAST_LOOK_S, LAST_CALL_S = 2.0, 10.0
"""How long a process that ends still looks, and waits for functions that are being called."""


def check_notify(notify: object) -> None:
    """Raises ValueError unless it is None, a function, or an address that may be called."""
    if isinstance(notify, str):
        webhooks.checked(notify)
    elif notify is not None and not callable(notify):
        raise ValueError(
            f"notify: a {type(notify).__name__} is neither a function that takes the run nor an address as text"
        )


def mark_of(status: RunStatus, *, now: float) -> str | None:
    """What tells one end, or one hold, of a run from another; None where there is nothing to tell."""
    if status.is_over:
        return f"{status.state}@{status.ended:.3f}"
    if status.state is not RunState.HELD or (status.hold == "probe" and now - status.since < PROBED_S):
        return None
    return f"HELD@{status.since:.3f}"


def message(head: RunHead, status: RunStatus, mark: str) -> dict[str, Any]:
    """What a webhook is told: how the run stands, in numbers and in one line.  No prompt, no key, no link."""
    made = status.count(TrialState.COLLECTED, TrialState.REUSED)
    failed = status.count(TrialState.FAILED, TrialState.EXPIRED)
    cost, reason = known_cost(status), redact(status.reason)[:500]
    words = [f"{made} of {head.trials} pictures"]
    words += [f"{failed} failed"] if failed else []
    words += [f"${dollars(cost)}"] if cost else []
    words += [reason] if status.state is RunState.HELD and reason else []
    words += ["SIMULATOR"] if head.simulated else []
    return {
        "id": f"{head.name}:{mark}",
        "run": head.name,
        "state": str(status.state),
        "over": status.is_over,
        "goes_on_by_itself": status.state is RunState.HELD and status.hold == "probe",
        "reason": reason or None,
        "trials": head.trials,
        "collected": made,
        "reused": status.count(TrialState.REUSED),
        "failed": failed,
        "cancelled": status.count(TrialState.CANCELLED),
        "cost_usd": None if cost is None else round(cost, 6),
        "simulated": head.simulated,
        "text": f"Run {head.name}: {status.state}, {', '.join(words)}",
    }


class Teller:
    """Calls the webhooks of the runs of one store; several processes may, each end is one's."""

    def __init__(
        self,
        ledger: Ledger,
        store: str,
        standing: Callable[[RunHead], Awaitable[RunStatus | None]],
        *,
        post: Callable[[str, dict[str, Any]], Awaitable[str | None]] = webhooks.post,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`standing` says how a joint run stands, and ends it in the ledger once its parts are over."""
        self._ledger, self._store, self._standing = ledger, store, standing
        self._post, self._clock = post, clock
        self._busy = False

    async def tell(self) -> None:
        """Call whoever is to be called just now; what cannot be told is logged, and nothing is raised."""
        if self._busy:
            return
        self._busy = True
        try:
            asked = [one for one in await self._ledger.notices() if one.head.store == self._store]
            await asyncio.gather(*(self._one(one.head, one.status, one.told, one.teller) for one in asked))
        except RunpodkitError as exc:
            batch_log.debug("notices: {}", exc)
        finally:
            self._busy = False

    async def _one(self, head: RunHead, status: RunStatus, told: str, teller: str) -> None:
        try:
            if head.parts and not status.is_over:
                stands = await self._standing(head)
                ended = await self._ledger.status(head.name)  # under the moment that the ledger knows
                status = ended if ended and ended.is_over else stands or status
            mark = mark_of(status, now=self._clock())
            if mark is None or mark == told:
                return
            gone = teller if teller and is_dead(teller) else ""
            url = await self._ledger.claim_notice(head.name, mark, this_process(), gone)
            if url is None:
                return
            with about(run=head.name):
                problem = await self._post(url, message(head, status, mark))
                await self._ledger.told_notice(head.name, mark)
                if problem:
                    batch_log.warning("its {} could not be told: {}", status.state, problem)
                else:
                    batch_log.info("told: {}", status.state)
        except RunpodkitError as exc:
            batch_log.warning("notice of run {}: {}", head.name, exc)


class Watch:
    """A run that is looked at until it is over, and the function that is told."""

    def __init__(self, run: Run, tell: Callable[[Run], object]) -> None:
        self._run, self._tell, self._told = run, tell, ""

    async def until_over(self) -> None:
        """Look again and again, more slowly after a minute."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        while True:
            try:
                if await self.look():
                    break
            except LedgerError:
                await self._run.mend()
            except StoreError:  # it was deleted
                break
            await asyncio.sleep(LOOK_S if loop.time() - began < SLOW_AFTER_S else SLOW_LOOK_S)
        _watched.discard(self)

    async def look(self) -> bool:
        """Tell what is to be told just now; whether the run is over."""
        status = await self._run.astatus()
        mark = mark_of(status, now=time.time())
        if mark and mark != self._told:
            self._told = mark
            call = threading.Thread(target=_call, args=(self._tell, self._run), name="runpodkit notify", daemon=True)
            _calls.add(call)
            call.start()
        return status.is_over


_watched: set[Watch] = set()
_calls: set[threading.Thread] = set()


def watch(run: Run, tell: Callable[[Run], object]) -> None:
    """Call `tell(run)` when a run is held for a person, and at its end; comes back at once."""
    one = Watch(run, tell)
    _watched.add(one)
    shared_loop().start(one.until_over())


@atexit.register
def _last_look() -> None:
    """A script that ends with its run ends before the next look: whoever is to be told is told now, in a bounded time."""

    async def look() -> None:
        async with asyncio.timeout(LAST_LOOK_S):
            await asyncio.gather(*(one.look() for one in list(_watched)), return_exceptions=True)

    with contextlib.suppress(Exception):
        if _watched:
            shared_loop().call(look())
    ends = time.monotonic() + LAST_CALL_S
    for call in list(_calls):
        call.join(max(0.0, ends - time.monotonic()))


def _forget() -> None:
    """A forked child watches nothing."""
    _watched.clear()
    _calls.clear()


os.register_at_fork(after_in_child=_forget)


def _call(tell: Callable[[Run], object], run: Run) -> None:
    """In a thread of its own, so that it may wait as long as it likes."""
    try:
        answer = tell(run)
        if inspect.iscoroutine(answer):
            shared_loop().call(answer)
    except BaseException as exc:
        with contextlib.suppress(Exception):
            print(f"notify of run {run.name}: {type(exc).__name__}: {redact(str(exc))}", file=sys.stderr)
    finally:
        _calls.discard(threading.current_thread())
