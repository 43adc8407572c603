"""The list of runs as a table that notebooks show with a small picture of each.

A `DataFrame` in every other respect.  Pictures are read when they are shown, and of 50 runs at most.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, cast

import pandas as pd

from runpodkit.errors import OutputError, StoreError
from runpodkit.images.thumbnails import thumbnail
from runpodkit.reprs import cut, plain
from runpodkit.runs.finding import Found, Search
from runpodkit.runs.items import Shelf, Thumbs
from runpodkit.runs.money import dollars
from runpodkit.runs.rows import RunState
from runpodkit.runs.tables.columns import FLOAT, INT, column
from runpodkit.storage import Store
from runpodkit.storage.many import in_order

SHOWN = 50
PX = 96
"""Pixels of a picture's longest side."""
JOINT = ", "
"""Between tags; none holds a comma."""
COLUMNS = (
    "name", "state", "trials", "collected", "failed", "cost_usd", "simulated", "created",
    "endpoint", "tags", "note", "starred",
)  # fmt: skip
_CELL = "text-align:left;vertical-align:top;padding:3px 12px 3px 0;white-space:nowrap"
_SOFT = "color:#777;font-size:11px"


class Runs(pd.DataFrame):
    """Runs, newest first: a row each, with name, state, counts of trials, cost in USD, when it was created, and labels."""

    _metadata = ["pictures", "shelf", "problems"]  # noqa: RUF012 - pandas adds it to a list of its own
    pictures: dict[str, tuple[str, str]]
    shelf: Shelf
    problems: list[str]

    @property
    def _constructor(self) -> Callable[..., Runs]:
        return Runs

    def __getstate__(self) -> dict[str, Any]:
        """Without the store, which may hold a key: what is read back is shown without pictures."""
        return cast(dict[str, Any], super().__getstate__()) | {"shelf": None}

    def _repr_html_(self) -> str:
        """A row per run with a small picture; what is not a list of runs any more is shown as any table."""
        shelf = getattr(self, "shelf", None)
        if shelf is None or tuple(self.columns) != COLUMNS or self["created"].isna().any():
            return self.to_html(max_rows=SHOWN)
        rows = self.head(SHOWN).to_dict("records")
        pictures = in_order(lambda row: _small(shelf, self.pictures.get(str(row["name"]))), rows)
        lines = "".join(_row(row, small) for row, small in zip(rows, pictures, strict=True))
        heads = ("", "run", "state", "pictures", "cost", "created (UTC)", "tags", "note")
        titles = "".join(f'<th style="{_CELL}">{title}</th>' for title in heads)
        more = [f"and {len(self) - SHOWN:,} more"] if len(self) > SHOWN else []
        more += [] if len(self) else ["no runs"]
        more += [f"cannot be read: {escape(problem)}" for problem in self.problems]
        below = "".join(f'<div style="{_SOFT}">{words}</div>' for words in more)
        return f"<div><table><thead><tr>{titles}</tr></thead><tbody>{lines}</tbody></table>{below}</div>"


def table_of(found: Search, store: Store) -> Runs:
    """What was found as a table; `tags` are separated by `, `, and what is not known is missing."""
    runs = found.runs
    totals = [one.totals for one in runs]
    frame = Runs(
        {
            "name": [one.head.name for one in runs],
            "state": [str(one.state) for one in runs],
            "trials": [one.head.trials for one in runs],
            "collected": column([one and one.collected for one in totals], INT),
            "failed": column([one and one.failed for one in totals], INT),
            "cost_usd": column([one and one.cost_usd for one in totals], FLOAT),
            "simulated": [one.head.simulated for one in runs],
            "created": pd.to_datetime([one.head.created_at for one in runs], unit="s", utc=True).floor("s"),
            "endpoint": [one.head.endpoint for one in runs],
            "tags": [JOINT.join(one.tags) for one in runs],
            "note": [one.note for one in runs],
            "starred": [one.starred for one in runs],
        },
        columns=list(COLUMNS),
    )
    frame.pictures = {one.head.name: _picture(one) for one in runs}
    frame.shelf, frame.problems = Shelf(store), found.problems
    return frame


def lines_of(frame: pd.DataFrame) -> list[str]:
    """The list for a terminal, a line per run; control characters of others' words become marks."""
    if not len(frame):
        return ["no runs"]
    rows: Sequence[dict[Any, Any]] = frame.to_dict("records")
    cells = [
        [
            f"{'* ' if row['starred'] else ''}{row['name']}",
            row["state"],
            _counts(row),
            _money(row),
            f"{row['created']:%Y-%m-%d %H:%M}",
            " ".join(filter(None, [row["tags"], cut(row["note"], 60)])),
        ]
        for row in rows
    ]
    widths = [max(len(row[at]) for row in cells) for at in range(5)]
    return [
        plain("  ".join([*(word.ljust(width) for word, width in zip(row, widths, strict=False)), row[5]]).rstrip())
        for row in cells
    ]


def _picture(one: Found) -> tuple[str, str]:
    return (one.totals.picture, one.totals.pixels) if one.totals else ("", "")


def _row(row: dict[Any, Any], small: bytes | None) -> str:
    image = ""
    if small:
        data = base64.b64encode(small).decode()
        image = f'<img alt="" style="max-width:72px;max-height:72px;display:block" src="data:image/jpeg;base64,{data}">'
    star = "★ " if row["starred"] else ""
    where = f'<div style="{_SOFT}">{escape(cut(str(row["endpoint"]), 60))}</div>'
    colour = {RunState.HELD: "#b26a00", RunState.CANCELLED: "#777"}.get(row["state"], "inherit")
    tags = " ".join(
        f'<span style="border:1px solid #ccc;border-radius:99px;padding:0 7px;font-size:11px">{escape(tag)}</span>'
        for tag in str(row["tags"]).split(JOINT)
        if tag
    )
    cells = (
        image,
        f"{star}<b>{escape(str(row['name']))}</b>{where}",
        f'<span style="color:{colour}">{escape(str(row["state"]))}</span>',
        escape(_counts(row)),
        escape(_money(row)),
        f"{row['created']:%Y-%m-%d %H:%M}",
        tags,
        f'<div style="max-width:320px;white-space:pre-wrap">{escape(cut(str(row["note"]), 200))}</div>',
    )
    return "<tr>" + "".join(f'<td style="{_CELL}">{cell}</td>' for cell in cells) + "</tr>"


def _counts(row: dict[Any, Any]) -> str:
    made = "?" if pd.isna(row["collected"]) else f"{row['collected']:,}"
    failed = "" if pd.isna(row["failed"]) or not row["failed"] else f", {row['failed']:,} failed"
    return f"{made} of {row['trials']:,}{failed}"


def _money(row: dict[Any, Any]) -> str:
    if pd.isna(row["cost_usd"]):
        return "unknown"
    return f"${dollars(row['cost_usd'])}{' simulated' if row['simulated'] else ''}"


def _small(shelf: Shelf, picture: tuple[str, str] | None) -> bytes | None:
    """A small version, from the shelf or made for it; None where there is none to be had."""
    key, pixels = picture or ("", "")
    if not key:
        return None
    thumbs = Thumbs(shelf, pixels) if pixels.isalnum() else None
    if thumbs and (known := thumbs.get(PX)):
        return known
    try:
        made = thumbnail(shelf.store.get(key), PX)
    except (StoreError, OutputError, OSError, ValueError):
        return None
    if thumbs:
        thumbs.put(PX, made)
    return made
