"""Bars: how a run stands (done, failed, in flight, time left, money), and how far local work has come.

A view: takes statuses or steps, writes to stderr or, in a notebook, to one output of the cell
that is a plain sentence once the bar is closed.  Knows no ledger.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

from tqdm.std import tqdm

from runpodkit.runs.ledger import RunStatus
from runpodkit.runs.rows import RunHead, RunState, TrialState

_METER = "{desc}: {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
LATE_S = 1.0
"""Local work that is done sooner shows no bar."""
_BESIDE = "{n_fmt} of {total_fmt} done [{elapsed}<{remaining}{postfix}]"


class Progress:
    """One bar for one watcher of one run."""

    def __init__(self, head: RunHead, *, shown: bool = True) -> None:
        self._simulated = head.simulated
        kind = CellBar if in_notebook() else tqdm
        self._bar: Any = kind(
            total=head.trials,
            desc=head.name,
            unit="picture",
            disable=not shown,
            dynamic_ncols=True,
            bar_format=_METER,
        )
        self._last_reason = self._last_wait = ""

    def show(self, status: RunStatus) -> None:
        made = status.count(TrialState.COLLECTED, TrialState.REUSED)
        failed = status.count(TrialState.FAILED, TrialState.EXPIRED, TrialState.CANCELLED)
        flight = status.count(TrialState.RESERVED, TrialState.SUBMITTED)
        words = [f"{failed} failed"] if failed else []
        words += [f"{flight} in flight"] if flight else []
        if status.cost_usd:
            words.append(f"${status.cost_usd:.4f} {'simulated' if self._simulated else 'so far'}")
        if status.state is not RunState.RUNNING and not status.is_over:
            words.append(str(status.state))
        self._bar.n, self._bar.made = made + failed, made
        self._bar.set_postfix_str(", ".join(words))
        if status.reason and status.reason != self._last_reason and status.state is RunState.HELD:
            cure = (
                "it goes on by itself once that is over"
                if status.hold == "probe"
                else "run.resume() goes on, run.cancel() ends it"
            )
            self.say(f"held: {status.reason}; {cure}")
        self._last_reason = status.reason
        if status.waits_for and status.waits_for != self._last_wait and not status.is_over:
            self.say(f"jobs wait in the endpoint's queue: {status.waits_for}")
        self._last_wait = status.waits_for

    def say(self, line: str) -> None:
        """A line of its own beside the bar."""
        if not self._bar.disable:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        self._bar.close()


@contextmanager
def progress(
    words: str, total: int, unit: str = "picture", *, shown: bool = True, late_s: float | None = None
) -> Iterator[Callable[[], object]]:
    """A bar for local work of `total` steps that may take long; call what it gives after each step.

    Args:
        words: What is done, such as "grid".
        unit: What a step is, in the singular.
        late_s: Work that is done within so many seconds shows none; default: `LATE_S`.
    """
    kind = CellBar if in_notebook() else tqdm
    with kind(
        total=total,
        desc=words,
        unit=unit,
        delay=LATE_S if late_s is None else late_s,
        leave=False,
        disable=not shown,
        dynamic_ncols=True,
    ) as bar:
        yield bar.update


class CellBar(tqdm):  # type: ignore[type-arg]
    """A bar as one HTML output of a notebook cell, redrawn in place.

    No widget: tqdm's own leaves `0%` behind in a saved notebook, and needs ipywidgets.
    """

    def __init__(self, **about: Any) -> None:
        self._output: Any = None
        self.made = 0
        super().__init__(gui=True, **about)
        if not self.disable and not self.delay:
            self.display()

    def display(self, msg: str | None = None, pos: int | None = None) -> None:
        """Draw how it stands; the arguments are a terminal's and mean nothing here."""
        about = self.format_dict
        beside = tqdm.format_meter(**{**about, "bar_format": _BESIDE})
        state = "success" if about["n"] >= about["total"] else "info"
        self._draw(
            f"{about['prefix']}: {beside}",
            f'<div style="display:flex;align-items:center;gap:.8em"><span>{escape(about["prefix"])}</span>'
            f'<progress class="{state}" max="{about["total"]}" value="{about["n"]}" style="flex:0 1 24em"></progress>'
            f"<span>{escape(beside)}</span></div>",
        )

    def close(self) -> None:
        """Leave a sentence: in a saved notebook nobody moves the bar any more."""
        if self.disable or (self.delay and self._output is None):
            return
        about = self.format_dict
        made = self.n if self.delay else self.made
        words = [f"{made} of {about['total']} {about['unit']}s"]
        words += [f"in {tqdm.format_interval(about['elapsed'])}"] if about["elapsed"] >= 1 else []
        line = f"{about['prefix']}: {' '.join(words)}{', ' + about['postfix'] if about['postfix'] else ''}"
        self._draw(line, f"<div>{escape(line)}</div>")
        super().close()

    @classmethod
    def write(cls, s: str, file: Any = None, end: str = "\n", nolock: bool = False) -> None:
        """A line in the cell; there is no terminal bar to step around."""
        print(s, file=file or sys.stdout, end=end)

    def _draw(self, plain: str, html: str) -> None:
        from IPython.display import display

        data = {"text/plain": plain, "text/html": html}
        if self._output is None:
            self._output = display(data, raw=True, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self._output.update(data, raw=True)


def in_notebook() -> bool:
    """Whether a Jupyter kernel runs this: IPython in a terminal draws no HTML."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and "IPKernelApp" in shell.config
