"""A canvas that is a page of a PDF: text stays text in the package's own typeface, of which the letters used are embedded.

Written with fpdf2 (the extra `export`).  The same pages make the same bytes: the file carries no time
of its making.
"""

from __future__ import annotations

import io
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from PIL import Image

from runpodkit.errors import ConfigError
from runpodkit.images.canvas import Canvas, diagonals, encoded
from runpodkit.images.lettering import Align, Block, Colour, Piece
from runpodkit.images.style import POINTS_PER_INCH
from runpodkit.images.typeface import FILES

if TYPE_CHECKING:
    from fpdf import FPDF

MOST_POINTS = 14_400
"""A side of a page; the bound is the format's."""
_FAMILY = "dejavu"
_NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)
"""The format's library insists on a date; one that says nothing keeps equal figures equal."""


class Document:
    """A PDF to which pages are added one by one, each with a canvas of its own.

    Raises:
        ConfigError: fpdf2 is not installed.
    """

    def __init__(self, title: str = "", description: str = "") -> None:
        try:
            from fpdf import FPDF
        except ImportError:
            raise ConfigError("a PDF needs fpdf2: pip install 'runpodkit[export]'") from None
        self._pdf = FPDF(unit="pt")
        self._pdf.set_auto_page_break(False)
        self._pdf.set_creation_date(_NO_TIME)
        self._pdf.set_title(_plain(title))
        self._pdf.set_subject(_plain(description))
        self._pdf.set_author("runpodkit")
        self._pdf.set_creator("runpodkit")

    def page(self, size: tuple[int, int], dots_per_inch: float) -> Pdf:
        """A new page of so many pixels, to draw on until the next one is asked for.

        Raises:
            ValueError: more points a side than a page can have.
        """
        scale = POINTS_PER_INCH / dots_per_inch
        width, height = size[0] * scale, size[1] * scale
        if max(width, height) > MOST_POINTS:
            raise ValueError(
                f"a page of a PDF is at most {MOST_POINTS:,} points a side (5.08 m), this would be {width:,.0f}×{height:,.0f}: "
                "choose a smaller width_mm, a higher dpi, or fewer rows a page"
            )
        self._pdf.add_page(format=(width, height))
        return Pdf(size, self._pdf, scale)

    def to_bytes(self) -> bytes:
        """The file."""
        return bytes(self._pdf.output())


class Pdf(Canvas):
    """The page that a `Document` is at; a pixel is `scale` points."""

    def __init__(self, size: tuple[int, int], pdf: FPDF, scale: float) -> None:
        super().__init__(size)
        self._pdf, self._scale = pdf, scale

    def letters(self, piece: Piece, x: float, baseline: int, px: int, ink: Colour) -> None:
        if not piece.text:
            return
        style = "B" if piece.bold else ""
        if (_FAMILY + style) not in self._pdf.fonts:
            self._pdf.add_font(_FAMILY, style, FILES[piece.bold])
        self._pdf.set_stretching(100)
        self._pdf.set_font(_FAMILY, style, px * self._scale)
        natural = self._pdf.get_string_width(piece.text)
        if natural > 0 and piece.width > 0:  # letters on a screen sit on whole pixels, here they do not
            self._pdf.set_stretching(100 * piece.width * self._scale / natural)
        self._pdf.set_text_color(*ink)
        self._pdf.text(x * self._scale, baseline * self._scale, piece.text)

    def upright(self, block: Block, x: int, y: int, ink: Colour, align: Align = "centre") -> None:
        across = {"left": 0.0, "centre": block.width / 2, "right": float(block.width)}[align]
        corner = x, y + block.width
        with self._pdf.rotation(90, corner[0] * self._scale, corner[1] * self._scale):
            self.text(block, corner[0] + across, corner[1], ink, align)

    def rectangle(
        self,
        x: float,
        y: float,
        width: float,
        height: float,
        fill: Colour | None = None,
        edge: Colour | None = None,
        stroke: int = 1,
    ) -> None:
        if width <= 0 or height <= 0:
            return
        inside = stroke / 2 if edge else 0  # the stroke lies around the middle of its line
        style = self._colours(fill, edge, stroke)
        size = max(0, width - 2 * inside), max(0, height - 2 * inside)
        left, top, wide, high = self._points(x + inside, y + inside, *size)
        self._pdf.rect(left, top, wide, high, style=style)

    def line(self, x: int, y: int, length: int, ink: Colour, stroke: int, *, down: bool = False) -> None:
        self.rectangle(x, y, *((stroke, length) if down else (length, stroke)), fill=ink)

    def picture(self, image: Image.Image, x: int, y: int) -> None:
        _, data = encoded(image)
        left, top, width, height = self._points(x, y, image.width, image.height)
        self._pdf.image(io.BytesIO(data), left, top, width, height)

    def hatch(self, x: int, y: int, width: int, height: int, step: int, paper: Colour, ink: Colour) -> None:
        self.rectangle(x, y, width, height, fill=paper)
        self._colours(None, ink, 1)
        for x0, y0, x1, y1 in diagonals(width, height, step):
            self._pdf.line(*self._points(x + x0, y + y0, x + x1, y + y1))

    def pill(self, x: int, y: int, width: int, height: int, fill: Colour, edge: Colour) -> None:
        style = self._colours(fill, edge, 1.2)
        left, top, wide, high = self._points(x + 0.6, y + 0.6, width - 1.2, height - 1.2)
        radius = 0.499 * high  # of half the height and more, fpdf2 makes sharp corners
        self._pdf.rect(left, top, wide, high, style=style, round_corners=True, corner_radius=radius)

    def _points(self, a: float, b: float, c: float, d: float) -> tuple[float, float, float, float]:
        return a * self._scale, b * self._scale, c * self._scale, d * self._scale

    def _colours(self, fill: Colour | None, edge: Colour | None, stroke: float) -> str:
        if fill:
            self._pdf.set_fill_color(*fill)
        if edge:
            self._pdf.set_draw_color(*edge)
            self._pdf.set_line_width(stroke * self._scale)
        return ("D" if edge else "") + ("F" if fill else "")


def _plain(text: str) -> str:
    """What a document's properties can hold: no lone surrogates, no control characters."""
    return "".join(char if char.isprintable() else " " for char in text.encode("utf-8", "replace").decode())
