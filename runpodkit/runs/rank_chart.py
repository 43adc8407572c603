"""Rank chart: ranks of values as a small table with a bar for each interval, in HTML that is read on white and on black.

Draws what it is given; how ranks are found is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from runpodkit.reprs import cut

LABEL = 60
"""Of a value where it is said; a prompt may be long."""
WIDE = 240
_INK, _BAND = "#2f7de1", "#8fbdf2"
"""Blue, and its pale companion: both are seen on white and on black."""


@dataclass(frozen=True, slots=True)
class Rank:
    """One value among the others; shares and probabilities in [0, 1]."""

    value: str
    rank: int
    chance: float
    """Probability to be preferred to one of the other values, picked at random."""
    low: float
    high: float
    """95 % interval of the chance."""
    strength: float
    """Log odds: of two values, the probability that one is preferred is 1 / (1 + exp(-difference))."""
    answers: int
    wins: int
    losses: int
    ties: int
    best: int
    worst: int
    """Ranks that it may have, in 95 % of what other answers might have led to."""


def rank_chart(axis: str, ranks: Sequence[Rank]) -> str:
    """A line per value: its chance as a dot, its interval as a bar, from 0 to 1."""
    rows = "".join(
        f'<tr><td style="text-align:right;opacity:.65;padding:1px 8px 1px 0">{one.rank}</td>'
        f'<td style="text-align:left;padding:1px 12px 1px 0" title="{escape(one.value)}">'
        f"{escape(label(one.value))}</td>"
        f'<td style="padding:1px 12px 1px 0">{_interval(one)}</td>'
        f'<td style="text-align:right;padding:1px 12px 1px 0">{one.chance:.0%}</td>'
        f'<td style="text-align:right;opacity:.65;padding:1px 12px 1px 0">{one.low:.0%} to {one.high:.0%}</td>'
        f'<td style="text-align:right;opacity:.65;padding:1px 12px 1px 0">{_span(one)}</td>'
        f'<td style="text-align:right;opacity:.65;padding:1px 0">{one.answers}</td></tr>'
        for one in ranks
    )
    heads = "".join(
        f'<th style="font-weight:400;opacity:.65;text-align:{side};padding:1px 12px 3px 0">{words}</th>'
        for words, side in (
            ("", "right"), (escape(axis), "left"), ("preferred to another value", "left"), ("", "right"),
            ("95% interval", "right"), ("rank", "right"), ("answers", "right"),
        )
    )  # fmt: skip
    return f'<table style="border-collapse:collapse;font-variant-numeric:tabular-nums"><tr>{heads}</tr>{rows}</table>'


def label(value: str) -> str:
    """A value as it is said, on one line."""
    return cut(value, LABEL)


def _interval(one: Rank) -> str:
    """From 0 to 1: the middle as a line, the interval as a bar, the chance as a dot."""
    low, high, at = (2 + WIDE * share for share in (one.low, one.high, one.chance))
    middle = 2 + WIDE / 2
    return (
        f'<svg width="{WIDE + 4}" height="18" role="img" style="vertical-align:middle;max-width:none">'
        f"<title>{one.chance:.0%}, {one.low:.0%} to {one.high:.0%}</title>"
        f'<line x1="2" x2="{WIDE + 2}" y1="9" y2="9" stroke="currentColor" stroke-opacity=".18"/>'
        f'<line x1="{middle:g}" x2="{middle:g}" y1="0" y2="18" stroke="currentColor" stroke-opacity=".45" '
        f'stroke-dasharray="2 2"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="9" y2="9" stroke="{_BAND}" stroke-width="6" stroke-linecap="round"/>'
        f'<circle cx="{at:.1f}" cy="9" r="4.5" fill="{_INK}"/></svg>'
    )


def _span(one: Rank) -> str:
    return f"{one.best}" if one.best == one.worst else f"{one.best} to {one.worst}"
