"""A run as a cell shows it: bar, buttons, and a grid that fills.

Reads the run through its handle and does what its buttons say; draws nothing itself: the
pages do, and `twin` for those without a kernel.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex
from typing import Any

from runpodkit.errors import RunpodkitError
from runpodkit.images.thumbnails import thumbnail
from runpodkit.notebook.code import picture_code
from runpodkit.notebook.hub import Hub, hub
from runpodkit.notebook.twin import run_html, run_picture
from runpodkit.notebook.wording import facts_of, status_line
from runpodkit.reprs import cut
from runpodkit.runs.layout import shown
from runpodkit.runs.ledger import RunStatus
from runpodkit.runs.marks import Marks
from runpodkit.runs.oddities import EqualPictures, odd, remarks
from runpodkit.runs.preferences import Preference
from runpodkit.runs.records import Record
from runpodkit.runs.rows import RunState, TrialState
from runpodkit.runs.run import Run

TICK_S = 0.2
"""Bar and grid change at most this often, whatever happens."""
SLOW_S = 1.0
"""Between looks at a run that is paused, held, or out of sight."""
OVER_S = 2.0
"""Between looks at a run that is over: another notebook may retry it."""
UNSEEN_S = 5.0
"""Between looks at a run that no page shows, until it is over and its last state is in the notebook."""
TWIN_S = 5.0
"""Between drawings of the static twin while a page shows the live view; without one it is `BARE_TWIN_S`."""
BARE_TWIN_S = 2.0
TWIN_SHARE = 0.03
"""Of the time that may go into drawing static twins."""
THUMB_PX = 256
FULL_BYTES = 12_000_000
"""A larger picture goes to the page scaled down."""
FULL_PX = 2048
LABEL = 120
KEPT_THUMBS = 600
RECENT_S = 30.0
_MIMES = {"png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "webp": "image/webp", "gif": "image/gif"}
_LETTERS = {
    TrialState.PLANNED: "P",
    TrialState.WAITING: "W",
    TrialState.RESERVED: "F",
    TrialState.SUBMITTED: "F",
    TrialState.COLLECTED: "C",
    TrialState.REUSED: "U",
    TrialState.FAILED: "X",
    TrialState.EXPIRED: "E",
    TrialState.CANCELLED: "A",
}


def show(run: Run) -> None:
    """Show a run in the cell that runs just now, for as long as the kernel lives."""
    from IPython.display import display

    view = view_of(run)
    status, records = run.status(), run.records()
    # a run that is over is shown whole at once, so that a notebook run without a page has its picture
    output = view.output(status, records, pictured=status.is_over)
    view.handles.append(display(output, raw=True, display_id=True))  # type: ignore[no-untyped-call]
    view.woken()


def view_of(run: Run) -> LiveRun:
    """What this kernel knows of a run; made and made known to pages when first asked for."""
    key = place_of(run)
    known = hub().view(key)
    if isinstance(known, LiveRun):
        known.run = run
        return known
    view = LiveRun(run, key, hub())
    hub().place_view(key, view)
    return view


def place_of(run: Run) -> str:
    """The key of a run's places: the same in every kernel and on every machine."""
    return hashlib.sha256(f"{run.name}\n{run.sweep.hash}\n{run.simulated}".encode()).hexdigest()[:12]


class LiveRun:
    """What one kernel knows of a run that its cells show; all places and pages share it."""

    def __init__(self, run: Run, key: str, hub: Hub) -> None:
        self.run, self.key, self.due = run, key, 0.0
        self.handles: list[Any] = []
        self._hub = hub
        self._records: dict[int, Record] = {}
        self._equal = EqualPictures()
        self._remarks: list[str] = []
        self._places: dict[str, str] = {}
        self._status: RunStatus | None = None
        self._open = False
        self._twin_due, self._twin_of = 0.0, ""
        self._checked = 0.0
        self._done: deque[tuple[float, int]] = deque()
        self._thumbs: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()
        self._decoding = asyncio.Semaphore(3)
        self._judging = asyncio.Lock()
        self._reading = asyncio.Lock()
        """Two readers at once would each get a part of what changed."""
        self._rater, self._answers = token_hex(4), list[Preference]()
        self._marks = Marks({}, {})

    def woken(self) -> None:
        """Look at it soon: it is shown anew."""
        self.due, self._twin_due = 0.0, time.monotonic() + BARE_TWIN_S
        self._hub.wake()

    # looking

    async def look(self, now: float) -> None:
        """See what changed; tell the pages and, now and then, the notebook."""
        try:
            async with self._reading:
                changed = await self.run.achanges(self._places)
                status = await self.run.astatus()
                fresh = self._take(changed)
            if now >= self._checked:
                self._checked = now + UNSEEN_S
                if not await self.run.aexists():
                    return self._vanished()
        except RunpodkitError as exc:
            self._places.clear()  # nobody knows what was missed: read all of it again
            self.due = now + SLOW_S
            with contextlib.suppress(RunpodkitError):
                if not await self.run.aexists():
                    return self._vanished()
            self._say("trouble", text=f"{exc}; this comes back by itself")
            if not (self._status and self._status.is_over):  # to look at what has ended, nothing is started
                await self.run.mend()
            return
        before, self._status = self._status, status
        self._count(now, status)
        moved = status != before or bool(fresh)
        if moved:
            await self._judge(status)
        if moved and self._open:
            self._say("news", cells=[self._cell(trial) for trial in fresh], status=self._standing(status))
        await self._twin(now, status)
        self.due = now + self._pause(status, moved)

    def _take(self, changed: Sequence[Record]) -> list[int]:
        """Know these records; gives the trials whose cells look different now: an equal picture may be elsewhere."""
        fresh = [record for record in changed if self._records.get(record.trial) != record]
        self._records.update((record.trial, record) for record in fresh)
        return sorted({record.trial for record in fresh} | self._equal.take(fresh))

    async def _judge(self, status: RunStatus) -> None:
        """What is to be said of the whole, once it is over."""
        records = list(self._records.values())
        self._remarks = await asyncio.to_thread(remarks, records) if status.is_over else []

    def _told(self, trial: int) -> Record:
        """A record with what only all of them together tell."""
        record, words = self._records[trial], self._equal.remark(trial)
        return replace(record, flags=(*record.flags, words)) if words else record

    def _cell(self, trial: int) -> list[Any]:
        said: dict[str, Any] = {"k": 1} if self._marks.stars.get(trial) else {}
        if note := self._marks.notes.get(trial):
            said["n"] = note
        return [trial, {**_cell(self._told(trial)), **said}]

    def _pause(self, status: RunStatus, moved: bool) -> float:
        if not self._open:
            nobody = status.is_over or not self.handles
            return float("inf") if nobody else UNSEEN_S if self._hub.attended else BARE_TWIN_S
        if status.is_over:
            return OVER_S
        return TICK_S if moved or status.state is RunState.RUNNING else SLOW_S

    def _vanished(self) -> None:
        self.due = float("inf")
        self._say("trouble", text=f"run {self.run.name} is gone: neither ledger nor store knows it any more")

    def _count(self, now: float, status: RunStatus) -> None:
        self._done.append((now, status.count(*(state for state in TrialState if state.is_final))))
        while now - self._done[0][0] > RECENT_S:
            self._done.popleft()

    def _left_s(self, status: RunStatus) -> float | None:
        """Seconds to the end, at the rate of the last half minute."""
        (then, before), (now, done) = self._done[0], self._done[-1]
        if status.state is not RunState.RUNNING or done <= before or now - then < 1:
            return None
        return (len(self.run) - done) * (now - then) / (done - before)

    def _standing(self, status: RunStatus) -> dict[str, Any]:
        bad = status.count(TrialState.FAILED, TrialState.EXPIRED)
        cancelled = status.count(TrialState.CANCELLED)
        hold = "it goes on by itself once that is over" if status.hold == "probe" else "Resume goes on, Cancel ends it"
        reason = f"{status.reason}; {hold}" if status.state is RunState.HELD and status.reason else ""
        waits = f"jobs wait in the endpoint's queue: {status.waits_for}" if status.waits_for and not reason else ""
        return {
            "state": str(status.state),
            "line": status_line(status, len(self.run), self.run.simulated, self._left_s(status)),
            "done": status.count(TrialState.COLLECTED, TrialState.REUSED),
            "bad": bad,
            "cancelled": cancelled,
            "retriable": bad + cancelled if status.is_over or status.state is not RunState.RUNNING else 0,
            "flight": status.count(TrialState.RESERVED, TrialState.SUBMITTED),
            "total": len(self.run),
            "reason": "" if status.is_over else reason or waits,
            "remark": "; ".join(self._remarks),
            "over": status.is_over,
            "changeable": self.run.changeable,
        }

    def _head(self) -> dict[str, Any]:
        sweep = self.run.sweep
        axes, units = sweep.axes, sweep.units
        params = next(iter(self._records.values())).params if self._records else self.run.sweep.base
        left_out = len(self._records) != len(self.run.sweep)
        return {
            "name": self.run.name,
            "simulated": self.run.simulated,
            "mode": "zip" if len(units) == 1 and len(units[0]) > 1 else "grid",
            "places": None if sweep.is_product else [list(places) for places in sweep.places()],
            "axes": [{"name": axis, "labels": [_label(value) for value in values]} for axis, values in axes.items()],
            "count": len(self.run.sweep),
            "has": sorted(self._records) if left_out else None,
            "aspect": params.height / params.width,
        }

    # the static twin

    async def _twin(self, now: float, status: RunStatus) -> None:
        if not self.handles or (now < self._twin_due and not status.is_over):
            return
        records = [self._records[trial] for trial in sorted(self._records)]
        as_it_is = f"{status.state} {dict(status.counts)} {status.reason}"
        if as_it_is != self._twin_of:
            self._twin_of, began = as_it_is, time.monotonic()
            output = await asyncio.to_thread(self.output, status, records)
            for handle in self.handles:
                handle.update(output, raw=True)
            spent = time.monotonic() - began
            least = TWIN_S if self._open else BARE_TWIN_S
            self._twin_due = now + max(least, spent / TWIN_SHARE)

    def output(self, status: RunStatus, records: Sequence[Record], *, pictured: bool = True) -> dict[str, Any]:
        """What the cell keeps of the run as it is now."""
        jpeg, told = run_picture(self.run, records, self._small) if pictured else (None, "")
        plain = self.run.words(status)
        return self._hub.output(run_html(self.run, status, records, jpeg, told), plain, self.key)

    def _small(self, key: str) -> bytes:
        """A thumbnail by the picture's key in the store; kept, since views and twins want the same ones."""
        with self._lock:
            known = self._thumbs.get(key)
            if known:
                self._thumbs.move_to_end(key)
                return known
        small = thumbnail(self.run.bytes_of(key), THUMB_PX)
        with self._lock:
            self._thumbs[key] = small
            while len(self._thumbs) > KEPT_THUMBS:
                self._thumbs.popitem(last=False)
        return small

    # what pages ask for

    async def hear(self, message: Mapping[str, Any]) -> None:
        """Do what a page asks for."""
        kind = message["kind"]
        if kind == "open":
            await self._opened()
        elif kind == "close":
            self._open, self.due = False, 0.0
            if message.get("gone"):
                self.handles.clear()
        elif kind == "thumbs":
            await self._send_thumbs([int(number) for number in message["numbers"]])
        elif kind == "picture":
            await self._send_picture(int(message["number"]))
        elif kind == "do":
            await self._steer(str(message["action"]))
        elif kind == "use":
            self._use(self._records[int(message["number"])])
        elif kind in ("star", "note"):
            await self._mark(message)
        elif kind in ("prefer", "preferences"):
            async with self._judging:  # the result counts the last answer
                await (self._prefer if kind == "prefer" else self._send_preferences)(message)

    async def _opened(self) -> None:
        self._open = True
        self.due = 0.0
        await self._read_marks()
        if self._status is None or not self._records:
            try:
                async with self._reading:
                    changed = await self.run.achanges(self._places)
                    self._take(changed)
                    self._status = await self.run.astatus()
            except RunpodkitError as exc:
                self._places.clear()
                return self._say("trouble", text=f"{exc}; this comes back by itself")
            self._count(asyncio.get_running_loop().time(), self._status)
            await self._judge(self._status)
        cells = [self._cell(r.trial) for r in self._records.values() if r.state is not TrialState.PLANNED]
        self._say("run", head=self._head(), cells=cells, status=self._standing(self._status))

    async def _send_thumbs(self, numbers: Sequence[int]) -> None:
        async def one(number: int) -> tuple[int, bytes | str]:
            record = self._records.get(number)
            if record is None or not record.images:
                return number, "no picture"
            try:
                async with self._decoding:
                    return number, await asyncio.to_thread(self._small, record.images[0].key)
            except (RunpodkitError, OSError, ValueError) as exc:
                return number, str(exc)

        made = await asyncio.gather(*(one(number) for number in numbers))
        good = [(number, small) for number, small in made if isinstance(small, bytes)]
        broken = [[number, reason] for number, reason in made if isinstance(reason, str)]
        self._say("thumbs", [small for _, small in good], numbers=[number for number, _ in good], broken=broken)

    async def _send_picture(self, number: int) -> None:
        record = self._records.get(number)
        if record is None:
            return self._say("picture", number=number, problem="no such trial", facts=[], code="", mime="")
        facts, code = facts_of(self._told(number)), picture_code(record.params)
        if not record.images:
            problem = record.reason or str(record.state)
            return self._say("picture", number=number, problem=problem, facts=facts, code=code, mime="")
        key = record.images[0].key
        mime = _MIMES.get(key.rpartition(".")[2].lower(), "")
        try:
            data = await asyncio.to_thread(self.run.bytes_of, key)
            if not mime or len(data) > FULL_BYTES:
                mime, data = "image/jpeg", await asyncio.to_thread(thumbnail, data, FULL_PX)
        except (RunpodkitError, OSError, ValueError) as exc:
            return self._say("picture", number=number, problem=str(exc), facts=facts, code=code, mime="")
        self._say("picture", [data], number=number, facts=facts, code=code, mime=mime)

    async def _steer(self, action: str) -> None:
        act = {
            "pause": self.run.apause,
            "resume": self.run.aresume,
            "cancel": self.run.acancel,
            "retry": self.run.aretry,
        }[action]
        await act()
        self.due = 0.0

    def _use(self, record: Record) -> None:
        if self._hub.fill_form is None:
            return self._say("said", text="Copied as code; kit.form() shows a form that these can fill.")
        self._hub.fill_form(record.params)
        self._say("said", text="The form has these parameters now; they are in the clipboard as code as well.")

    async def _read_marks(self) -> None:
        """What was said of trials, by whoever; as it was where the store does not answer just now."""
        with contextlib.suppress(RunpodkitError):
            self._marks = await asyncio.to_thread(self.run.marks)

    async def _mark(self, message: Mapping[str, Any]) -> None:
        """A star or a note from a page: kept, and shown by all of them."""
        number = int(message["number"])
        if message["kind"] == "note":
            await self.run.anote(number, str(message["text"]))
        else:
            await (self.run.astar if message["starred"] else self.run.aunstar)(trial=number)
        await self._read_marks()
        if self._status is not None and number in self._records:
            self._say("news", cells=[self._cell(number)], status=self._standing(self._status))

    async def _prefer(self, message: Mapping[str, Any]) -> None:
        winner = message["winner"]
        answer = Preference(
            axis=str(message["axis"]),
            first=int(message["first"]),
            second=int(message["second"]),
            winner=None if winner is None else int(winner),
            left=int(message["left"]),
            at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        self._answers.append(answer)
        await self.run.aprefer(self._rater, self._answers)

    async def _send_preferences(self, message: Mapping[str, Any]) -> None:
        ranking = await asyncio.to_thread(self.run.ranking, str(message["axis"]))
        ranks = [
            [_label(one.value), one.chance, one.low, one.high, one.answers, one.best, one.worst]
            for one in ranking.ranks
        ]
        self._say("preferred", text=str(ranking) if ranks else "No answer yet.", ranks=ranks)

    def _say(self, kind: str, buffers: Sequence[bytes] = (), **about: Any) -> None:
        self._hub.say({"kind": kind, "key": self.key, **about}, buffers)


def _cell(record: Record) -> dict[str, Any]:
    """A trial as pages keep it; what is not known is left out."""
    about = {
        "s": _LETTERS[record.state],
        "t": record.execution_time_s,
        "c": record.cost_usd,
        "r": record.reason,
        "f": "; ".join(odd(record.flags)) or None if record.state.has_picture else None,
    }
    return {name: value for name, value in about.items() if value is not None}


def _label(value: Any) -> str:
    return cut(shown(value), LABEL)
