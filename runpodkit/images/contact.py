"""Contact sheets: many pictures in their order on pages of paper, each with a caption.

Laid out before a picture is read, from the sizes that are known of them; then drawn a page at a
time, so memory is bounded by a page.  Knows no runs and no files: it gives figures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from PIL import Image

from runpodkit.errors import RunpodkitError
from runpodkit.images import thumbnails
from runpodkit.images.figures import Figure
from runpodkit.images.sheet import NOTHING, Labels, Problem, Sheet, Words
from runpodkit.images.style import MM_PER_INCH, Style

PAPERS_MM = {"A4": (210.0, 297.0), "letter": (215.9, 279.4)}
MARGIN_MM, GAP_MM = 10.0, 3.0
NARROWEST_MM = 8.0
"""A picture narrower than that shows nothing."""
DPIS = (50, 600)
TALLEST = 1.5
"""Height over width of a cell; a longer picture is fitted into it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One place of a contact sheet."""

    caption: str
    size: tuple[int, int] | None = None
    """The picture's width and height in pixels, as far as is known."""
    image: Callable[[], bytes] | None = None
    """How to get its bytes (called in a thread); None is drawn as missing."""
    problem: str | None = None
    """Why there is no picture; drawn in its place."""


class ContactSheet:
    """Entries laid out on pages; `len` is the number of pages.

    Raises:
        ValueError: no entries, an unknown page, or more columns than a page has room for.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        title: str,
        subtitle: str = "",
        badge: str = "",
        columns: int = 6,
        page: str = "A4",
        dpi: float = 200.0,
    ) -> None:
        if not entries:
            raise ValueError("there is no picture for a contact sheet")
        if page not in PAPERS_MM:
            raise ValueError(f"page={page!r}: {' or '.join(PAPERS_MM)}")
        self._title, self._subtitle, self._badge = title, subtitle, badge
        width_mm, height_mm = PAPERS_MM[page]
        most = int((width_mm - 2 * MARGIN_MM + GAP_MM) / (NARROWEST_MM + GAP_MM))
        if isinstance(columns, bool) or not isinstance(columns, int) or not 1 <= columns <= most:
            raise ValueError(f"columns={columns!r}: 1 to {most} on a page of {page}")
        if isinstance(dpi, bool) or not isinstance(dpi, int | float) or not DPIS[0] <= dpi <= DPIS[1]:
            raise ValueError(f"dpi={dpi!r}: dots per inch from {DPIS[0]} to {DPIS[1]}")
        margin, gap = (round(mm / MM_PER_INCH * dpi) for mm in (MARGIN_MM, GAP_MM))
        self._style = Style(gap_px=gap, padding_px=margin, width_mm=width_mm, height_mm=height_mm, dpi=dpi)
        room = (self._style.width_px or 0) - 2 * margin
        self._cell = (room - gap * (columns - 1)) // columns
        self._box = self._cell, round(TALLEST * self._cell)
        self._rows = [list(entries[at : at + columns]) for at in range(0, len(entries), columns)]
        self._cols = _blank(columns)
        self._pages: list[list[list[Entry]]] = []
        self._pages = self._paginate()

    def __len__(self) -> int:
        return len(self._pages)

    def figures(self, advance: Callable[[], object] = lambda: None) -> Iterator[Figure]:
        """A figure per page, its pictures read when it is asked for.

        Args:
            advance: Called after each picture that was read.
        """

        def load(entry: Entry) -> Image.Image | Problem | None:
            if entry.problem:
                return Problem(entry.problem)
            if entry.image is None:
                return None
            try:
                return thumbnails.shrink(entry.image(), self._box)
            except (RunpodkitError, OSError, ValueError) as exc:
                return Problem(str(exc) or type(exc).__name__)
            finally:
                advance()

        # reading from a bucket waits, decoding works: a few threads more than cores serve both
        with ThreadPoolExecutor((os.cpu_count() or 2) + 4, thread_name_prefix="runpodkit-contact") as pool:
            for number, rows in enumerate(self._pages, start=1):
                sheet, places = self._sheet(rows, number)
                loaded = pool.map(load, places.values())
                pictures = {place: each for place, each in zip(places, loaded, strict=True) if each is not None}
                beyond = [(_blank(len(rows))[-1], col) for col in self._cols[len(rows[-1]) :]]
                yield Figure(sheet, {**pictures, **dict.fromkeys(beyond, NOTHING)})

    def _paginate(self) -> list[list[list[Entry]]]:
        """As many rows on each page as it is tall enough for, at least one."""
        whole, _ = self._sheet(self._rows, 1)
        spans = whole.row_spans
        top, bottom = spans[0][0], self._style.height_px - (self._style.padding_px or 0)
        pages: list[list[list[Entry]]] = []
        first = 0
        for number, (row, (_, end)) in enumerate(zip(self._rows, spans, strict=True)):
            if not pages or top + end - spans[first][0] > bottom:
                pages.append([])
                first = number
            pages[-1].append(row)
        return pages

    def _sheet(self, rows: list[list[Entry]], number: int) -> tuple[Sheet, dict[tuple[Labels, Labels], Entry]]:
        row_keys = _blank(len(rows))
        places = {
            (key, col): entry
            for key, row in zip(row_keys, rows, strict=True)
            for col, entry in zip(self._cols, row, strict=False)
        }
        heights = [max(self._height(entry) for entry in row) for row in rows]
        which = f"page {number} of {len(self._pages)}"
        words = Words(self._title, " · ".join(filter(None, (self._subtitle, which))), badge=self._badge)
        notes = {place: entry.caption for place, entry in places.items()}
        widths = [self._cell] * len(self._cols)
        return Sheet(row_keys, self._cols, widths, heights, words, notes, self._style), places

    def _height(self, entry: Entry) -> int:
        known = entry.size if entry.size and min(entry.size) > 0 else (1, 1)
        return max(thumbnails.fitted(known, self._box)[1], self._cell // 3)


def _blank(count: int) -> list[Labels]:
    """Labels that differ and show nothing."""
    return [(" " * number,) for number in range(count)]
