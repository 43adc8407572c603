"""Grids: pictures laid out by rows, columns and pages, under labels, as one image.

A view: it gets pictures and gives back a Pillow image; where they came from and what is saved is
somebody else's business.  Pictures are decoded in threads and kept only as large as their cells,
so memory is bounded by the grid, not by its pictures.  A picture that cannot be read is drawn as
a failed cell with the reason; a place without one is drawn as missing.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from runpodkit.images import animation, composing, figures, saving, thumbnails
from runpodkit.images.cells import MAX_ASPECT, USUAL_ASPECT, Cell, Kept, Labels, Loading, Place, Shot
from runpodkit.images.composing import Key
from runpodkit.images.figures import Figure
from runpodkit.images.regions import View
from runpodkit.images.sheet import NOTHING, Problem, Sheet, Words
from runpodkit.images.style import Style
from runpodkit.images.thumbnails import thumbnail

__all__ = ["USUAL_ASPECT", "Cell", "Grid", "Kept", "Labels", "Page", "Place", "grid", "thumbnail"]

WIDEST_CELL, NARROWEST_CELL = 320, 160
SENSIBLE_SIDE = 3200
"""Pixels; cells are made as wide as lets the sheet stay within this, if they can."""
MAX_PIXELS = 64_000_000
"""Of a grid, all of its pages together."""
INLINE_WIDTH, INLINE_BYTES = 1600, 300_000
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}
VECTORS = (".pdf", ".svg")
_MAX_SIDE = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535}


@dataclass(frozen=True, slots=True)
class Page:
    """One of several grids with the same rows and columns."""

    heading: str
    """What tells it from the others, under the title."""
    cells: Mapping[Place, Cell]


class Grid:
    """Pictures under their labels, as one image.

    `image` is a Pillow image, of a grid with several pages the first one's; `pages` has them all.
    In a notebook a smaller JPEG of it is shown.
    """

    def __init__(
        self,
        image: Image.Image,
        text: str,
        title: str = "",
        subtitle: str = "",
        figure: Figure | None = None,
        pages: Sequence[Grid] = (),
    ) -> None:
        self.image, self._figure = image, figure
        self._text, self._title, self._subtitle, self._pages = text, title, subtitle, pages
        self._inline: str | None = None

    @property
    def pages(self) -> list[Grid]:
        """A grid per page; of one without pages itself."""
        return list(self._pages) or [self]

    def __repr__(self) -> str:
        return self._text

    def save(self, path: Path | str, *, frame_s: float = 1.0) -> Path:
        """Write it as one file in the format of the suffix; folders are made, a file is replaced.

        Args:
            path: .png, .jpg or .webp; in .pdf and .svg the text stays text.  Of several pages, a .pdf has them all,
                and a .gif or .webp is an endless animation with a page as frame.
            frame_s: Seconds that each frame of an animation stands, 0.02 to 600.

        Raises:
            ValueError: another suffix, several pages in a format that holds one (see `save_pages`), or more
                pixels a side than the format can hold.
            ConfigError: a PDF, and fpdf2 is not installed.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        several = len(self._pages) > 1
        if several and suffix in animation.FORMATS:
            return self._animate(path, animation.FORMATS[suffix], frame_s)
        if suffix == ".gif":
            raise ValueError(
                f"{path.name}: a GIF needs frames: draw the grid with pages= of two values or more, or save it as .png"
            )
        if suffix not in (*SUFFIXES, *VECTORS):
            every = ", ".join((*SUFFIXES, *VECTORS))
            raise ValueError(f"{path.name}: a grid is saved as {every}, not {path.suffix or 'no suffix'}")
        if several and suffix != ".pdf":
            raise ValueError(
                f"{path.name}: {suffix} holds one page and the grid has {len(self._pages)}: save_pages writes a file "
                "for each, .pdf holds all, .gif or .webp shows one after the other"
            )
        if suffix in VECTORS:
            data = self._vector(path)
            return saving.written(path, lambda draft: draft.write_bytes(data))
        form = SUFFIXES[suffix]
        _check_side(path, form, self.image.size)
        return saving.written(path, lambda draft: self.image.save(draft, form, **self._options(form)))

    def save_pages(self, path: Path | str) -> list[Path]:
        """Write each page as a file of its own: `fig.png` becomes `fig-1.png`, `fig-2.png`, ….

        Raises:
            ValueError: as `save`, of a grid without pages.
        """
        path, pages = Path(path), self.pages
        digits = len(str(len(pages)))
        return [
            page.save(path.with_name(f"{path.stem}-{number:0{digits}}{path.suffix}"))
            for number, page in enumerate(pages, start=1)
        ]

    def _animate(self, path: Path, form: str, frame_s: float) -> Path:
        animation.check_time(frame_s)
        frames = [page.image for page in self._pages]
        _check_side(path, form, (max(frame.width for frame in frames), max(frame.height for frame in frames)))
        return saving.written(path, lambda draft: animation.animate(frames, draft, form, frame_s))

    def jpeg(self, width: int = INLINE_WIDTH, most_bytes: int = INLINE_BYTES) -> bytes:
        """The image as a small JPEG for a page: at most so many pixels wide and, scaled down until it is, so many bytes."""
        return _small_jpeg(self.image, width, most_bytes)

    def _options(self, form: str) -> dict[str, Any]:
        return saving.options(form, self._figure.style if self._figure else Style(), self._title, self._about)

    def _vector(self, path: Path) -> bytes:
        drawn = [page._figure for page in self.pages if page._figure]
        if not drawn:
            raise ValueError(f"{path.name}: this grid has no layout that could be drawn again: save it as .png")
        if path.suffix.lower() == ".svg":
            return figures.svg_of(drawn[0], self._title, self._about)
        return figures.pdf_of(drawn, self._title, self._about)

    @property
    def _about(self) -> str:
        return figures.described(self._subtitle, self._figure.sheet.words.badge if self._figure else "")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """One image format only, since a notebook stores each it is given; and a text that never changes."""
        if self._inline is None:
            self._inline = base64.b64encode(self.jpeg()).decode()
        return {"image/jpeg": self._inline, "text/plain": self._text}


def grid(
    cells: Mapping[Place, Cell] | Sequence[Page],
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
    crop: Sequence[float] | None = None,
    inset: Sequence[float] | None = None,
    advance: Callable[[], object] | None = None,
) -> Grid:
    """Lay out pictures in rows and columns.

    Args:
        cells: By (row, column); a place that is absent is drawn as missing.  Or several pages of such.
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
        crop: Show of every picture only (x, y, width, height), in fractions of it or in its pixels.
        inset: Show such a part of every picture enlarged in a corner, with a frame around it.
        advance: Called after each picture that was read.

    Raises:
        ValueError: no rows or columns, labels twice or of unequal depth, a cell that belongs to
            none of them, no page, a region that no picture has, columns that `width_mm` has no room for, a
            size outside its bounds, or sheets of over 64 million pixels together (the message says what to choose).
    """
    row_keys, col_keys = _keys("rows", rows), _keys("cols", cols)
    pages = [Page("", cells)] if isinstance(cells, Mapping) else list(cells)
    if not pages:
        raise ValueError("pages is empty: a grid has at least one page")
    in_rows, in_cols = set(row_keys), set(col_keys)
    strays = {(row, col) for page in pages for row, col in page.cells if row not in in_rows or col not in in_cols}
    if strays:
        raise ValueError(f"{len(strays)} cells are in no row and column, such as {min(strays)!r}")
    if cell_px is not None and (not hasattr(cell_px, "__index__") or isinstance(cell_px, bool) or cell_px < 16):
        raise ValueError(f"cell_px={cell_px!r}: whole pixels, a cell is at least 16 wide")
    style = Style(legend, gap_px, padding_px, width_mm, dpi)
    if width_mm is not None:
        if cell_px is not None:
            raise ValueError(f"cell_px={cell_px} and width_mm={width_mm:g} both say how wide cells are: choose one")
        cell_px = style.most_cell_px(len(col_keys))
    view = View.read(crop, inset)
    keyed: dict[Key, Cell] = {
        (number, *place): cell for number, page in enumerate(pages) for place, cell in page.cells.items()
    }
    loading = Loading(keyed, view, composing.compared(keyed), advance)
    if cell_px is None:
        cell_px = _sensible_width(len(row_keys), len(col_keys), loading.first_aspect())
    _check_pixels(len(pages), len(row_keys), len(col_keys), cell_px, loading.first_aspect(), style)

    shots = loading.shots(cell_px)
    composing.check_regions(view, shots)
    shots, notes = composing.set_against(keyed, shots)
    sizes = {key: shot.main.size for key, shot in shots.items() if isinstance(shot, Shot)}

    def lay(cell_px: int) -> _Sheets:
        box = _cell_box(list(sizes.values()), cell_px)
        fitted = {key: thumbnails.fitted(size, box) for key, size in sizes.items()}
        widths, heights = _places(row_keys, col_keys, fitted, box)
        sheets = []
        for number, page in enumerate(pages):
            words = Words("\n".join(filter(None, (title, page.heading))), subtitle, row_title, col_title, badge or "")
            own = {(row, col): note for (at, row, col), note in notes.items() if at == number}
            sheets.append(Sheet(row_keys, col_keys, widths, heights, words, own, style))
        return _Sheets(sheets)

    if width_mm is not None:
        cell_px = style.fitting_cell_px(lay, len(col_keys))
    sheets = lay(cell_px).sheets
    if (pixels := sum(sheet.size[0] * sheet.size[1] for sheet in sheets)) > MAX_PIXELS:
        raise ValueError(_too_large(sheets[0].size, cell_px, pixels, len(sheets), style))
    box = _cell_box(list(sizes.values()), cell_px)
    drawn, counts = [], []
    for number, (page, sheet) in enumerate(zip(pages, sheets, strict=True)):
        shown: dict[Place, Image.Image | Problem] = {}
        for (at, row, col), shot in shots.items():
            if at == number:
                marked = page.cells[row, col].marked
                shown[row, col] = (
                    shot if isinstance(shot, Problem) else composing.finished(shot, view, box, marked=marked)
                )
        counts.append(_counted(page.cells, shown, len(row_keys) * len(col_keys)))
        blank = {place: NOTHING for place, cell in page.cells.items() if cell.blank}
        figure = Figure(sheet, {**shown, **blank})
        page_title = ": ".join(filter(None, (title, page.heading)))
        text = _summary(f"{len(row_keys)} × {len(col_keys)}", counts[-1:])
        drawn.append(Grid(figure.image(), text, page_title, subtitle, figure))
    if isinstance(cells, Mapping):
        return drawn[0]
    many = f"{len(pages)} page{'' if len(pages) == 1 else 's'} of {len(row_keys)} × {len(col_keys)}"
    return Grid(drawn[0].image, _summary(many, counts), title, subtitle, drawn[0]._figure, drawn)


@dataclass(frozen=True, slots=True)
class _Sheets:
    """The pages of one grid, laid out."""

    sheets: Sequence[Sheet]

    @property
    def needed_width(self) -> int:
        return max(sheet.needed_width for sheet in self.sheets)


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


def _check_pixels(pages: int, rows: int, cols: int, cell_px: int, aspect: float, style: Style) -> None:
    """Before anything is decoded: the cells alone must fit, or decoding them would fill the memory."""
    size = (cols * cell_px, round(rows * cell_px * aspect))
    if (pixels := pages * size[0] * size[1]) > MAX_PIXELS:
        raise ValueError(_too_large(size, cell_px, pixels, pages, style))


def _too_large(size: tuple[int, int], cell_px: int, pixels: int, pages: int, style: Style) -> str:
    share = (MAX_PIXELS / pixels) ** 0.5 * 0.9
    narrower = int(cell_px * share)
    way = f"cell_px={narrower} or less, or " if narrower >= 16 else ""
    if style.width_mm is not None:
        coarser = int(style.dots_per_inch * share)
        way = f"dpi={coarser} or less, or " if coarser >= 72 else ""
    what, fewer = (
        ("the grid", "rows or columns") if pages == 1 else (f"each of {pages} pages", "rows, columns or pages")
    )
    return (
        f"{what} would be {size[0]:,}×{size[1]:,} pixels, {pixels / 1e6:,.0f} million of at most "
        f"{MAX_PIXELS / 1e6:.0f}{'' if pages == 1 else ' together'}: choose {way}fewer {fewer}"
    )


def _cell_box(sizes: Sequence[tuple[int, int]], cell_px: int) -> tuple[int, int]:
    """The cell that takes each picture at the same longest side, as wide as asked."""
    if not sizes:
        return cell_px, round(cell_px * USUAL_ASPECT)
    wide = max(width / max(width, height) for width, height in sizes)
    high = max(height / max(width, height) for width, height in sizes)
    return cell_px, max(1, round(cell_px * min(max(high / wide, 1 / MAX_ASPECT), MAX_ASPECT)))


def _places(
    rows: Sequence[Labels],
    cols: Sequence[Labels],
    sizes: Mapping[Key, tuple[int, int]],
    box: tuple[int, int],
) -> tuple[list[int], list[int]]:
    """Width of each column and height of each row: its largest picture's on any page, but never too small for words."""
    wide: dict[Labels, int] = {}
    high: dict[Labels, int] = {}
    for (_, row, col), (width, height) in sizes.items():
        wide[col] = max(wide.get(col, box[0] // 2), width)
        high[row] = max(high.get(row, box[0] // 3), height)
    return [wide.get(col, box[0]) for col in cols], [high.get(row, box[1]) for row in rows]


@dataclass(slots=True)
class _Counts:
    """Of cells, by what they show."""

    pictures: int = 0
    missing: int = 0
    failed: int = 0
    flagged: int = 0


def _counted(cells: Mapping[Place, Cell], shown: Mapping[Place, Image.Image | Problem | None], places: int) -> _Counts:
    drawn = {place for place, each in shown.items() if isinstance(each, Image.Image)}
    failed = sum(isinstance(each, Problem) for each in shown.values())
    blank = sum(cell.blank for cell in cells.values())
    return _Counts(
        len(drawn), places - len(drawn) - failed - blank, failed, sum(cells[place].marked for place in drawn)
    )


def _summary(shape: str, counts: Sequence[_Counts]) -> str:
    total = {
        name: sum(getattr(count, name) for count in counts) for name in ("pictures", "missing", "failed", "flagged")
    }
    text = f"Grid {shape}, {total['pictures']} picture{'' if total['pictures'] == 1 else 's'}"
    return text + "".join(f", {total[name]} {name}" for name in ("missing", "failed", "flagged") if total[name])


def _check_side(path: Path, form: str, size: tuple[int, int]) -> None:
    if max(size) > _MAX_SIDE[form]:
        raise ValueError(
            f"{path.name}: {form} holds at most {_MAX_SIDE[form]:,} pixels a side, the grid is "
            f"{size[0]:,}×{size[1]:,}: save it as .png, or choose a smaller cell_px"
        )


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
