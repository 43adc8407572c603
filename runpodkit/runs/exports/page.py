"""A run as one HTML page: pictures, values and the script to look through them, in a single file.

Needs no network and no server: nothing in it is loaded from elsewhere, and its own policy forbids
it.  Whatever people or endpoints wrote enters as JSON that no tag can end, and is shown as text.
The page never grows past `MAX_BYTES`: pictures are made as large as that allows.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from runpodkit.errors import StoreError
from runpodkit.logs import redact
from runpodkit.runs.drafts import draft
from runpodkit.runs.exports.page_data import PageData, page_data
from runpodkit.runs.exports.page_pictures import LEAST_BYTES, MIME, Lost, Made, make_pictures
from runpodkit.runs.exports.page_values import Columns, columns_of
from runpodkit.runs.layout import matching
from runpodkit.runs.watch import progress

if TYPE_CHECKING:
    import pandas as pd

    from runpodkit.runs.results import Results

MAX_BYTES = 30_000_000
"""Of the whole file."""
_SCRIPTS = ("state.js", "choose.js", "draw.js", "tools.js", "lightbox.js", "start.js")
_BLOCK = '<script type="text/plain" id="p{}">'
_BLOCK_ENDS = "</script>\n"
_AROUND = len(_BLOCK) + len(_BLOCK_ENDS) + 6
"""Characters around a picture, its number included."""
_SUFFIXES = (".html", ".htm")
_UNSAFE = re.compile("[<>&\u2028\u2029\ud800-\udfff]")
_PLACES = re.compile(r"\{\{(\w+)\}\}")


def write_page(
    results: Results,
    path: str | Path,
    *,
    where: Mapping[str, Any] | None = None,
    rows: str | Sequence[str] | None = None,
    cols: str | Sequence[str] | None = None,
    pages: str | Sequence[str] | None = None,
    under: str | None = None,
    columns: pd.DataFrame | Columns | None = None,
    thumb_px: int | None = None,
    title: str | None = None,
    max_bytes: int = MAX_BYTES,
) -> Path:
    """Write one self-contained HTML page to look through a run; an existing file is replaced.

    Args:
        path: Ends in .html; folders are made.
        where: Only trials whose parameters have these values, as in `Results.where`.
        rows, cols, pages: Axes that run down, across and one value at a time, outer first: how the
            page opens, its reader may choose others.  Default: as `Results.grid` lays them out.
        under: A value to show under each cell at first, such as `execution_time_s`.
        columns: More values by trial, such as scores: `{name: {trial: value}}`, or a table with a
            `trial` column.  They can be shown, sorted by, filtered by and turned into colours.
        thumb_px: Pixels of a picture's longest side, where the bytes allow it; default: by the number of
            pictures, 1,536 at most.  Never enlarged.
        title: Default: the prompt, or the run's name where prompts differ.
        max_bytes: Of the whole file.

    Returns:
        The path.  The same run gives the same bytes.

    Raises:
        ValueError: another suffix; no trial matches; an axis or value that there is not; or so
            many trials that no room is left for their pictures.
        StoreError: not one of the pictures can be read.
    """
    path = Path(path)
    if path.suffix.lower() not in _SUFFIXES:
        raise ValueError(f"{path.name}: a page is saved as .html, not {path.suffix or 'without a suffix'}")
    if thumb_px is not None and thumb_px < 16:
        raise ValueError(f"thumb_px={thumb_px}: a picture in a page has at least 16 pixels a side")
    every = results.records()
    records = matching(every, where or {}, lambda: results.beside(every))
    if not records:
        raise ValueError(f"no trial of {results.name} matches {dict(where or {})}")
    known = {**results.beside(records), **columns_of(columns)}
    data = page_data(
        results.head, results.sweep, records,
        columns=known, rows=rows, cols=cols, pages=pages, under=under, title=title,
    )  # fmt: skip
    share = _share(data, max_bytes)
    with tempfile.TemporaryFile() as spool:
        shown = make_pictures(data.pictures, results.bytes_of, share, thumb_px)
        _spool(shown, data, spool)
        _save(path, data, spool)
    return path


def _share(data: PageData, max_bytes: int) -> int:
    """Bytes that each picture may have so that the page stays within its bound."""
    words = len(_head(data).encode()) + len(_template()[1].encode()) + 1000
    count = len(data.pictures)
    if not count and words <= max_bytes:
        return 0
    share = ((max_bytes - words) // max(1, count) - _AROUND) // 4 * 3 - 3  # base64 makes 4 of 3
    share -= 40  # of the list of sizes
    if share < LEAST_BYTES:
        raise ValueError(
            f"{len(data.about['cells']):,} cells with {count:,} pictures do not fit into a page of "
            f"{max_bytes / 1e6:g} MB, of which words take {words / 1e6:.1f}: choose some with where="
        )
    return share


def _spool(shown: Iterator[Made | Lost], data: PageData, spool: IO[bytes]) -> None:
    """Write the pictures as blocks of the page; what cannot be read becomes a reason in its cells."""
    sizes: list[list[int] | None] = []
    lost: dict[int, Lost] = {}
    with progress("page", len(data.pictures)) as step:
        for number, made in enumerate(shown):
            if isinstance(made, Made):
                spool.write(_BLOCK.format(number).encode() + base64.b64encode(made.data) + _BLOCK_ENDS.encode())
                sizes.append([made.width, made.height])
            else:
                lost[number] = made
                sizes.append(None)
            step()
    if lost and len(lost) == len(sizes):
        raise StoreError(f"no page: not one of {len(sizes):,} pictures can be shown; the first: {lost[0].cause}")
    for cell in data.about["cells"]:
        if cell.get("p") in lost:
            cell["r"] = lost[cell.pop("p")].reason[:300]
    data.about["sizes"] = sizes


def _save(path: Path, data: PageData, spool: IO[bytes]) -> None:
    spool.seek(0)
    with draft(path) as hidden, hidden.open("wb") as page:
        page.write(_head(data).encode())
        while block := spool.read(1 << 20):
            page.write(block)
        page.write(_template()[1].encode())


def _head(data: PageData) -> str:
    """The page up to its pictures."""
    about = data.about
    style, script = _front()
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    fill = {
        "POLICY": policy,
        "STYLE": style,
        "SCRIPT": script,
        "TITLE": _html(about["title"]),
        "SUBTITLE": _html(" · ".join(about["subtitle"])),
        "NAME": _html(about["name"] if about["name"] != about["title"] else ""),
        "BADGE": '<span class="badge">SIMULATOR</span>' if about["simulated"] else "",
        "DATA": _safe_json({**about, "mime": MIME}),
    }
    return _PLACES.sub(lambda place: fill[place[1]], _template()[0])


def _safe_json(value: object) -> str:
    """JSON that cannot end the element it stands in, nor break a line or the encoding."""
    text = redact(json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False))
    return _UNSAFE.sub(lambda mark: f"\\u{ord(mark[0]):04x}", text)


def _html(text: str) -> str:
    return escape(redact(text).replace("\0", "\ufffd").encode("utf-8", "replace").decode())


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


@cache
def _front() -> tuple[str, str]:
    """Style and script, as they stand in the page."""
    front = files("runpodkit.runs.exports").joinpath("front")
    body = "\n".join(front.joinpath(name).read_text("utf-8") for name in _SCRIPTS)
    return front.joinpath("page.css").read_text("utf-8"), f'(() => {{\n"use strict";\n{body}}})();\n'


@cache
def _template() -> tuple[str, str]:
    """The page before its pictures, and after them."""
    text = files("runpodkit.runs.exports").joinpath("front", "page.html").read_text("utf-8")
    before, _, after = text.partition("{{PICTURES}}")
    return before, after
