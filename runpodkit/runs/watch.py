"""The bar that shows how a run stands: done, failed, in flight, time left, money.

A view: takes statuses, writes to stderr (or a notebook's bar), knows no ledger.
"""

from __future__ import annotations

import sys
from typing import Any

from tqdm.auto import tqdm

from runpodkit.runs.ledger import RunStatus
from runpodkit.runs.rows import RunHead, RunState, TrialState


class Progress:
    """One bar for one watcher of one run."""

    def __init__(self, head: RunHead, *, shown: bool = True) -> None:
        self._simulated = head.simulated
        self._bar: Any = tqdm(
            total=head.trials,
            desc=head.name,
            unit="picture",
            disable=not shown,
            dynamic_ncols=True,
            bar_format="{desc}: {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]",
        )
        self._last_reason = ""

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
        self._bar.n = made + failed
        self._bar.set_postfix_str(", ".join(words))
        if status.reason and status.reason != self._last_reason and status.state is RunState.HELD:
            cure = (
                "it goes on by itself once that is over"
                if status.hold == "probe"
                else "run.resume() goes on, run.cancel() ends it"
            )
            self.say(f"held: {status.reason}; {cure}")
        self._last_reason = status.reason

    def say(self, line: str) -> None:
        """A line of its own beside the bar."""
        if not self._bar.disable:
            self._bar.write(line, file=sys.stderr)

    def close(self) -> None:
        self._bar.close()
