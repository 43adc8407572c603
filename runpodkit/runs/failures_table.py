"""Failures as a table: a row per cause, which notebooks show with the cure below the reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from html import escape

import pandas as pd

from runpodkit.runs.causes import causes
from runpodkit.runs.money import dollars
from runpodkit.runs.records import Record
from runpodkit.runs.tables.columns import FLOAT, column

COLUMNS = ("count", "example", "reason", "cost_usd", "cure")
_CELL = "text-align:left;vertical-align:top;padding:3px 14px 3px 0"


class Failures(pd.DataFrame):
    """Causes, the most frequent first; a `DataFrame` in every other respect."""

    @property
    def _constructor(self) -> Callable[..., Failures]:
        return Failures

    def __repr__(self) -> str:
        return "\n".join(lines_of(self)) if tuple(self.columns) == COLUMNS else super().__repr__()

    def _repr_html_(self) -> str:
        if tuple(self.columns) != COLUMNS:
            return self.to_html()
        if self.empty:
            return "<div>no failures</div>"
        titles = "".join(f'<th style="{_CELL}">{title}</th>' for title in ("trials", "such as", "cause", "lost"))
        lines = ""
        for row in self.to_dict("records"):
            cure = f'<div style="color:#777">{escape(str(row["cure"]))}</div>'
            cells = (row["count"], row["example"], f"{escape(str(row['reason']))}{cure}", _money(row["cost_usd"]))
            lines += "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"
        return f"<table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>"


def failures(records: Iterable[Record]) -> Failures:
    """See `Results.failures`."""
    found = causes(records)
    return Failures(
        {
            "count": [len(one.trials) for one in found],
            "example": [one.trials[0] for one in found],
            "reason": [one.reason for one in found],
            "cost_usd": column([one.cost_usd for one in found], FLOAT),
            "cure": [one.cure for one in found],
        },
        columns=list(COLUMNS),
    )


def lines_of(frame: pd.DataFrame) -> list[str]:
    """Causes for a terminal, two lines each: what it was, and what helps."""
    if not len(frame):
        return ["no failures"]
    lines = []
    for row in frame.to_dict("records"):
        lost = "" if pd.isna(row["cost_usd"]) else f", {_money(row['cost_usd'])} lost"
        lines.append(f"{row['count']} × {row['reason']} (for example trial {row['example']}{lost})")
        lines.append(f"    {row['cure']}")
    return lines


def _money(usd: float) -> str:
    return "unknown" if pd.isna(usd) else f"${dollars(usd)}"
