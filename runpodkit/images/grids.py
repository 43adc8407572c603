"""Grids: pictures laid out by rows and columns, under labels, as one image.

A view: it gets pictures and gives back a Pillow image; where they came from and what is saved is
somebody else's business.  Pictures are decoded in threads and kept only as large as their cells,
so memory is bounded by the grid, not by its pictures.  A picture that cannot be read is drawn as
a failed cell with the reason; a place without one is drawn as missing.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from PIL import Image

from runpodkit.errors import RunpodkitError
from runpodkit.images import figures, saving, thumbnails
from runpodkit.images.figures import Figure
from runpodkit.images.sheet import Problem, Sheet, Words
from runpodkit.images.style import Style
from runpodkit.images.thumbnails import thumbnail

__all__ = ["Cell", "Grid", "grid", "thumbnail"]

Labels = tuple[str, ...]
"""A row's or column's labels, outermost first; equal neighbours share an outer label."""

WIDEST_CELL, NARROWEST_CELL = 320, 160
SENSIBLE_SIDE = 3200
"""Pixels; cells are made as wide as lets the sheet stay within this, if they can."""
MAX_PIXELS = 64_000_000
MAX_ASPECT = 3.0
"""The cells' longest proportion; a picture beyond it is fitted in between."""
INLINE_WIDTH, INLINE_BYTES = 1600, 300_000
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
VECTORS = (".pdf", ".svg")
_MAX_SIDE = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383}


@dataclass(frozen=True, slots=True)
class Cell:
    """One place of a grid."""

    image: bytes | Path | Image.Image | Callable[[], bytes] | None = None
    """The picture, or how to get its bytes (called in a thread); None is drawn as missing."""
    note: str = ""
    """A value written under the picture."""
    problem: str | None = None
    """Why there is no picture; drawn in its place."""


class Grid:
    """Pictures under their labels, as one image.

    `image` is a Pillow image.  In a notebook a smaller JPEG of it is shown.
    """

    def __init__(
        self, image: Image.Image, text: str, title: str = "", subtitle: str = "", figure: Figure | None = None
    ) -> None:
        self.image, self._figure = image, figure
        self._text, self._title, self._subtitle = text, title, subtitle
        self._inline: str | None = None

    def __repr__(self) -> str:
        return self._text

    def save(self, path: Path | str) -> Path:
        """Write the image in the format of the suffix; folders are made, a file is replaced.

        Args:
            path: .png, .jpg or .webp; in .pdf and .svg the text stays text.

        Raises:
            ValueError: another suffix, or more pixels a side than the format can hold.
            ConfigError: a PDF, and fpdf2 is not installed.
        """
        path = Path(path)
        if path.suffix.lower() in VECTORS:
            data = self._vector(path)
            return saving.written(path, lambda draft: draft.write_bytes(data))
        form = SUFFIXES.get(path.suffix.lower())
        if form is None:
            raise ValueError(
                f"{path.name}: a grid is saved as {', '.join((*SUFFIXES, *VECTORS))}, not {path.suffix or 'no suffix'}"
            )
        if max(self.image.size) > _MAX_SIDE[form]:
            raise ValueError(
                f"{path.name}: {form} holds at most {_MAX_SIDE[form]:,} pixels a side, the grid is "
                f"{self.image.width:,}×{self.image.height:,}: save it as .png"
            )
        return saving.written(path, lambda draft: self.image.save(draft, form, **self._options(form)))

    def jpeg(self, width: int = INLINE_WIDTH, most_bytes: int = INLINE_BYTES) -> bytes:
        """The image as a small JPEG for a page: at most so many pixels wide and, scaled down until it is, so many bytes."""
        return _small_jpeg(self.image, width, most_bytes)

    def _options(self, form: str) -> dict[str, Any]:
        return saving.options(form, self._figure.style if self._figure else Style(), self._title, self._about)

    def _vector(self, path: Path) -> bytes:
        if self._figure is None:
            raise ValueError(f"{path.name}: this grid has no layout that could be drawn again: save it as .png")
        if path.suffix.lower() == ".svg":
            return figures.svg_of(self._figure, self._title, self._about)
        return figures.pdf_of([self._figure], self._title, self._about)

    @property
    def _about(self) -> str:
        return figures.described(self._subtitle, self._figure.sheet.words.badge if self._figure else "")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """One image format only, since a notebook stores each it is given; and a text that never changes."""
        if self._inline is None:
            self._inline = base64.b64encode(self.jpeg()).decode()
        return {"image/jpeg": self._inline, "text/plain": self._text}


def grid(
    cells: Mapping[tuple[Labels, Labels], Cell],
    *,
    rows: Sequence[Labels],
    cols: Sequence[Labels],
    row_title: str = "",
    col_title: str = "",
    title: str = "",
    subtitle: str = "",
    cell_px: int | None = None,
    badge: str | None = None,
    legend: bool = True,
    gap_px: int | None = None,
    padding_px: int | None = None,
    width_mm: float | None = None,
    dpi: float | None = None,
) -> Grid:
    """Lay out pictures in rows and columns.

    Args:
        cells: By (row, column); a place that is absent is drawn as missing.
        rows: Labels of each row, top to bottom, n >= 1, all tuples of one length; longer than 1 nests.
        cols: Likewise, left to right, m >= 1.
        row_title: What the rows vary, written along the left edge.
        col_title: What the columns vary, written above them.
        title: In bold above everything.
        subtitle: One or more lines under it.
        cell_px: Width of a cell in pixels; by itself 160 to 320, such that the sheet stays within 3,200.
        badge: A mark in the upper right corner, such as "SIMULATOR".
        legend: False leaves out labels, titles and notes; the badge stays, a simulation never looks like a result.
        gap_px: Between pictures; by itself 3 % of a cell, at least 4 pixels.
        padding_px: Around everything; by itself as wide as a label is high and a half, without legend none.
        width_mm: For print: the whole figure's width, 10 to 2,000 mm; cells are then as wide as that allows, and
            no type is under 6 points.
        dpi: Pixels an inch, 30 to 1,200; 300 in print.  The width of a PNG is `width_mm / 25.4 * dpi`.

    Raises:
        ValueError: no rows or columns, labels twice or of unequal depth, a cell that belongs to
            none of them, columns that `width_mm` has no room for, a size outside its bounds, or a sheet
            of over 64 million pixels (the message says what to choose).
    """
    row_keys, col_keys = _keys("rows", rows), _keys("cols", cols)
    strays = cells.keys() - {(row, col) for row in row_keys for col in col_keys}
    if strays:
        raise ValueError(f"{len(strays)} cells are in no row and column, such as {min(strays)!r}")
    if cell_px is not None and cell_px < 16:
        raise ValueError(f"cell_px={cell_px}: a cell is at least 16 pixels wide")
    style = Style(legend, gap_px, padding_px, width_mm, dpi)
    if width_mm is not None:
        if cell_px is not None:
            raise ValueError(f"cell_px={cell_px} and width_mm={width_mm:g} both say how wide cells are: choose one")
        cell_px = style.most_cell_px(len(col_keys))

    loading = _Loading(cells)
    if cell_px is None:
        cell_px = _sensible_width(len(row_keys), len(col_keys), loading.first_aspect())
    words = Words(title, subtitle, row_title, col_title, badge or "")
    notes = {place: cell.note for place, cell in cells.items() if cell.note}
    _check_pixels(len(row_keys), len(col_keys), cell_px, loading.first_aspect(), style)

    pictures = loading.pictures(cell_px)
    sizes = {place: each.size for place, each in pictures.items() if isinstance(each, Image.Image)}

    def lay(cell_px: int) -> Sheet:
        box = _cell_box(list(sizes.values()), cell_px)
        fitted = {place: thumbnails.fitted(size, box) for place, size in sizes.items()}
        return Sheet(row_keys, col_keys, *_places(row_keys, col_keys, fitted, box), words, notes, style)

    if width_mm is not None:
        cell_px = style.fitting_cell_px(lay, len(col_keys))
    box = _cell_box(list(sizes.values()), cell_px)
    for place, each in pictures.items():
        if isinstance(each, Image.Image) and (size := thumbnails.fitted(each.size, box)) != each.size:
            pictures[place] = each.resize(size, Image.Resampling.LANCZOS)
    sheet = lay(cell_px)
    if (pixels := sheet.size[0] * sheet.size[1]) > MAX_PIXELS:
        raise ValueError(_too_large(sheet.size, cell_px, pixels, style))
    figure = Figure(sheet, pictures)
    return Grid(figure.image(), _summary(len(row_keys), len(col_keys), pictures), title, subtitle, figure)


class _Loading:
    """The pictures of some cells, decoded in threads to what a grid needs of them."""

    def __init__(self, cells: Mapping[tuple[Labels, Labels], Cell]) -> None:
        self._cells = {place: cell for place, cell in cells.items() if cell.problem or cell.image is not None}
        self._first: tuple[tuple[Labels, Labels], bytes | Image.Image] | None = None
        self._aspect: float | None = None

    def first_aspect(self) -> float:
        """Height over width of the first picture that can be read; portrait where there is none."""
        if self._aspect is None:
            self._aspect = 1.46
            # a few looks, one after the other: where a store is down, each may wait long
            for place, cell in islice(self._cells.items(), 3):
                try:
                    picture = _read(cell)
                    size = picture.size if isinstance(picture, Image.Image) else thumbnails.size_of(picture)
                except _UNREADABLE:
                    continue
                self._first = (place, picture)
                self._aspect = min(max(size[1] / size[0], 1 / MAX_ASPECT), MAX_ASPECT)
                break
        return self._aspect

    def pictures(self, cell_px: int) -> dict[tuple[Labels, Labels], Image.Image | Problem]:
        # as wide as a cell: no cell can turn out wider, and a mixed grid only shrinks them further
        box = (cell_px, round(cell_px * MAX_ASPECT))

        def load(place: tuple[Labels, Labels]) -> Image.Image | Problem:
            cell = self._cells[place]
            if cell.problem:
                return Problem(cell.problem)
            try:
                known = self._first[1] if self._first and self._first[0] == place else None
                picture = known or _read(cell)
                if isinstance(picture, Image.Image):
                    return thumbnails.scaled(picture, thumbnails.fitted(picture.size, box))
                return thumbnails.shrink(picture, box)
            except _UNREADABLE as exc:
                return Problem(str(exc) or type(exc).__name__)

        # reading from a bucket waits, decoding works: a few threads more than cores serve both
        with ThreadPoolExecutor((os.cpu_count() or 2) + 4, thread_name_prefix="runpodkit-grid") as pool:
            return dict(zip(self._cells, pool.map(load, self._cells), strict=True))


_UNREADABLE = (RunpodkitError, OSError, ValueError)


def _read(cell: Cell) -> bytes | Image.Image:
    image = cell.image
    if cell.problem or image is None:
        raise ValueError("no picture")
    if isinstance(image, bytes | Image.Image):
        return image
    return image.read_bytes() if isinstance(image, Path) else image()


def _keys(name: str, keys: Sequence[Labels]) -> list[Labels]:
    found = list(keys)
    if not found:
        raise ValueError(f"{name} is empty: a grid has at least one row and one column")
    for key in found:
        if not isinstance(key, tuple) or not key or not all(isinstance(label, str) for label in key):
            raise ValueError(f"{name}: {key!r} is not a tuple of labels, write it as {(str(key),)!r}")
    if len({len(key) for key in found}) > 1:
        raise ValueError(f"{name}: all must have as many labels, not {sorted({len(key) for key in found})}")
    if len(set(found)) < len(found):
        twice = next(key for key in found if found.count(key) > 1)
        raise ValueError(f"{name}: {twice!r} is there twice")
    return found


def _sensible_width(rows: int, cols: int, aspect: float) -> int:
    across, down = 0.88 * SENSIBLE_SIDE / cols, 0.88 * SENSIBLE_SIDE / (rows * aspect)
    return round(max(NARROWEST_CELL, min(WIDEST_CELL, across, down)))


def _check_pixels(rows: int, cols: int, cell_px: int, aspect: float, style: Style) -> None:
    """Before anything is decoded: the cells alone must fit, or decoding them would fill the memory."""
    size = (cols * cell_px, round(rows * cell_px * aspect))
    if (pixels := size[0] * size[1]) > MAX_PIXELS:
        raise ValueError(_too_large(size, cell_px, pixels, style))


def _too_large(size: tuple[int, int], cell_px: int, pixels: int, style: Style) -> str:
    share = (MAX_PIXELS / pixels) ** 0.5 * 0.9
    narrower = int(cell_px * share)
    way = f"cell_px={narrower} or less, or " if narrower >= 16 else ""
    if style.width_mm is not None:
        coarser = int(style.dots_per_inch * share)
        way = f"dpi={coarser} or less, or " if coarser >= 72 else ""
    return (
        f"the grid would be {size[0]:,}×{size[1]:,} pixels, {pixels / 1e6:,.0f} million of at most "
        f"{MAX_PIXELS / 1e6:.0f}: choose {way}fewer rows or columns"
    )


def _cell_box(sizes: Sequence[tuple[int, int]], cell_px: int) -> tuple[int, int]:
    """The cell that takes each picture at the same longest side, as wide as asked."""
    if not sizes:
        return cell_px, round(cell_px * 1.46)
    wide = max(width / max(width, height) for width, height in sizes)
    high = max(height / max(width, height) for width, height in sizes)
    return cell_px, max(1, round(cell_px * min(max(high / wide, 1 / MAX_ASPECT), MAX_ASPECT)))


def _places(
    rows: Sequence[Labels],
    cols: Sequence[Labels],
    sizes: Mapping[tuple[Labels, Labels], tuple[int, int]],
    box: tuple[int, int],
) -> tuple[list[int], list[int]]:
    """Width of each column and height of each row: its largest picture's, but never too small for words."""
    wide: dict[Labels, int] = {}
    high: dict[Labels, int] = {}
    for (row, col), (width, height) in sizes.items():
        wide[col] = max(wide.get(col, box[0] // 2), width)
        high[row] = max(high.get(row, box[0] // 3), height)
    return [wide.get(col, box[0]) for col in cols], [high.get(row, box[1]) for row in rows]


def _summary(rows: int, cols: int, pictures: Mapping[tuple[Labels, Labels], Image.Image | Problem]) -> str:
    drawn = sum(isinstance(each, Image.Image) for each in pictures.values())
    failed, missing = len(pictures) - drawn, rows * cols - len(pictures)
    text = f"Grid {rows} × {cols}, {drawn} picture{'' if drawn == 1 else 's'}"
    return text + (f", {missing} missing" if missing else "") + (f", {failed} failed" if failed else "")


def _small_jpeg(image: Image.Image, width: int, most_bytes: int) -> bytes:
    scale = min(1.0, width / image.width, 60_000 / image.height)
    while True:
        size = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        small = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS, reducing_gap=1.5)
        for quality in (86, 70):
            out = io.BytesIO()
            small.save(out, "JPEG", quality=quality, optimize=True)
            if out.tell() <= most_bytes:
                return out.getvalue()
        # bytes grow a little slower than pixels
        scale *= max(0.4, min(0.95, (INLINE_BYTES / out.tell()) ** 0.55))
