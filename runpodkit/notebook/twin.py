"""Static twins: what a view looks like in a saved notebook, where no kernel and no script runs.

Plain HTML with its styles in the tags, since a page that does not trust a notebook drops
everything else; one small JPEG, never originals.  Nothing in it changes from one
execution to the next: no address, time or random id.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

from runpodkit.reprs import badge, cut
from runpodkit.runs.grids import draw
from runpodkit.runs.items import of_run
from runpodkit.runs.layout import shown, value_of
from runpodkit.runs.ledger import RunStatus
from runpodkit.runs.oddities import remarks
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from runpodkit.runs.run import Run

PICTURED = 100
"""Cells that the picture of a run shows at most."""
WIDTH, MOST_BYTES = 1100, 180_000
"""Of that picture: a notebook with several runs stays small."""
CELL_PX = 160


def image_html(jpeg: bytes, alt: str) -> str:
    return f'<img alt="{escape(alt)}" style="max-width:100%" src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'


def run_html(run: Run, status: RunStatus, records: Sequence[Record], jpeg: bytes | None, told: str) -> str:
    """A run as bar, picture and table.

    Args:
        jpeg: The grid as one picture, where there is one.
        told: What the picture leaves out, or empty.
    """
    total = max(1, len(run))
    made = status.count(TrialState.COLLECTED, TrialState.REUSED)
    failed, cancelled = status.count(TrialState.FAILED, TrialState.EXPIRED), status.count(TrialState.CANCELLED)
    words = f"{made} of {len(run)} pictures" + (f", {failed} failed" if failed else "")
    words += f", {cancelled} cancelled" if cancelled else ""
    if not run.simulated and status.cost_usd:
        words += f", ${status.cost_usd:.4f}"
    held = f'<div style="color:#b26a00">{escape(status.reason)}</div>' if status.reason and not status.is_over else ""
    bar = "".join(
        f'<div style="width:{100 * part / total:.1f}%;background:{colour};height:8px"></div>'
        for part, colour in ((made, "#2e9e5b"), (failed, "#c62828"), (cancelled, "#b8b8be"))
    )
    picture = image_html(jpeg, f"grid of {run.name}") if jpeg else ""
    said = "".join(f"<div>{escape(line)}</div>" for line in (remarks(records) if status.is_over else []))
    return (
        f'<div><div><b>{escape(run.name)}</b> {badge(run.simulated)} <span style="color:#777">{status.state}</span></div>'
        f'<div style="display:flex;background:#eee;height:8px;margin:6px 0">{bar}</div><div>{words}</div>{held}'
        f"{picture}{f'<div>{escape(told)}</div>' if told else ''}{_table(records)}{said}</div>"
    )


def run_picture(run: Run, records: Sequence[Record], read: Callable[[str], bytes]) -> tuple[bytes | None, str]:
    """The grid of a run as one small JPEG, and what it leaves out; None where nothing is drawn yet."""
    if not any(record.images for record in records):
        return None, ""
    part = _first_page(run, records)
    told = f"{len(part)} of {len(records)} cells" if len(part) < len(records) else ""
    grid = draw(of_run(run, part, small=read), cell_px=CELL_PX, quiet=True)
    return grid.jpeg(WIDTH, MOST_BYTES), told


def _first_page(run: Run, records: Sequence[Record]) -> Sequence[Record]:
    """All records if they are few; else those at the first value of a third and further axes, and of these the first."""
    if len(records) <= PICTURED or run.sweep.is_sparse:
        return records[:PICTURED]
    beyond = list(run.sweep.axes)[2:]
    page = [r for r in records if all(value_of(r, axis) == run.sweep.axes[axis][0] for axis in beyond)] or records
    across = len(run.sweep.axes[list(run.sweep.axes)[1]]) if len(run.sweep.axes) > 1 else 1
    return page[: max(1, PICTURED // across) * across] if across <= PICTURED else page[:PICTURED]


def _table(records: Sequence[Record]) -> str:
    """Pictures and failures by the first axis, and the reasons of failures."""
    axis = next(iter(records[0].values), None) if records else None
    rows: dict[str, list[int]] = {}
    reasons: dict[str, int] = {}
    for record in records:
        count = rows.setdefault(shown(value_of(record, axis)) if axis else "", [0, 0])
        count[0] += record.state.has_picture
        if record.state.is_final and not record.state.has_picture:
            count[1] += 1
            reason = record.reason or str(record.state)
            reasons[reason] = reasons.get(reason, 0) + 1
    if axis is None or len(rows) > PICTURED:
        table = ""
    else:
        cells = [
            (escape(axis), "pictures", "failed"),
            *((escape(cut(k, 80)), str(a), str(b)) for k, (a, b) in rows.items()),
        ]
        table = f"<table>{''.join(_row(line) for line in cells)}</table>"
    often = sorted(reasons.items(), key=lambda item: -item[1])[:5]
    return table + "".join(f"<div>{count} × {escape(cut(reason, 300))}</div>" for reason, count in often)


def _row(words: Sequence[str]) -> str:
    return "<tr>" + "".join(f'<td style="text-align:left;padding:0 1.2em 0 0">{word}</td>' for word in words) + "</tr>"


def bundle(html: str, plain: str, place: str | None = None) -> dict[str, Any]:
    """An output for a cell; `place` lets the hub's script put a live view there."""
    mark = f' data-runpodkit="{escape(place)}"' if place else ""
    return {"text/html": f"<div{mark}>{html}</div>", "text/plain": plain}
