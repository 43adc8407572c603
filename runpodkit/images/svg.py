"""A canvas that is an SVG page: text stays text, pictures are embedded.

Text is set in DejaVu Sans where the viewer has it, else in a sans serif of the viewer, stretched to
the width that was measured here, so that nothing runs into its neighbour.  No font is embedded.
The page refers to nothing outside itself and holds no script; any label is only ever text.
"""

from __future__ import annotations

import base64
import re
from html import escape

from PIL import Image

from runpodkit.images.canvas import Canvas, diagonals, encoded
from runpodkit.images.lettering import Align, Block, Colour, Piece
from runpodkit.images.style import MM_PER_INCH, Style
from runpodkit.images.typeface import NAME

_HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" version="1.1" '
    'width="{width}" height="{height}" viewBox="0 0 {across} {down}" xml:space="preserve" '
    f"font-family=\"'{NAME}', 'Bitstream Vera Sans', Verdana, sans-serif\" "
    'style="font-kerning:none;font-variant-ligatures:none;white-space:pre">\n'
)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Svg(Canvas):
    """Draws a page whose source `page` gives."""

    def __init__(self, size: tuple[int, int], style: Style) -> None:
        super().__init__(size)
        self._style = style
        self._parts: list[str] = []

    def page(self, title: str = "", description: str = "") -> str:
        """The whole document; `title` and `description` are what programs show of it."""
        across, down = self.size
        head = _HEAD.format(width=self._length(across), height=self._length(down), across=across, down=down)
        about = f"<title>{_text(title)}</title>\n" if title else ""
        about += f"<desc>{_text(description)}</desc>\n" if description else ""
        paper = f'<rect width="{across}" height="{down}" fill="#fff"/>\n'
        return head + about + paper + "\n".join(self._parts) + "\n</svg>\n"

    def letters(self, piece: Piece, x: float, baseline: int, px: int, ink: Colour) -> None:
        self._parts.append(self._letters(piece, x, baseline, px, ink))

    def upright(self, block: Block, x: int, y: int, ink: Colour, align: Align = "centre") -> None:
        self._parts.append(f'<g transform="translate({x} {y + block.width}) rotate(-90)">')
        across = {"left": 0.0, "centre": block.width / 2, "right": float(block.width)}[align]
        self.text(block, across, 0, ink, align)
        self._parts.append("</g>")

    def boxed(self, piece: Piece, left: int, baseline: int, px: int, ink: Colour) -> None:
        self._parts.append(f'<g role="img" aria-label="{_text(piece.source)}">')
        super().boxed(piece, left, baseline, px, ink)
        self._parts.append("</g>")

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
        place = (x + inside, y + inside, max(0, width - 2 * inside), max(0, height - 2 * inside))
        self._parts.append(f"<rect {_place(*place)} {_ink(fill, edge, stroke)}/>")

    def line(self, x: int, y: int, length: int, ink: Colour, stroke: int, *, down: bool = False) -> None:
        size = (stroke, length) if down else (length, stroke)
        self._parts.append(f"<rect {_place(x, y, *size)} {_ink(ink)}/>")

    def picture(self, image: Image.Image, x: int, y: int) -> None:
        kind, data = encoded(image)
        source = f"data:{kind};base64,{base64.b64encode(data).decode()}"
        place = _place(x, y, image.width, image.height)
        self._parts.append(f'<image {place} preserveAspectRatio="none" xlink:href="{source}"/>')

    def hatch(self, x: int, y: int, width: int, height: int, step: int, paper: Colour, ink: Colour) -> None:
        self._parts.append(f"<rect {_place(x, y, width, height)} {_ink(paper)}/>")
        lines = "".join(
            f"M{_number(x + x0)} {_number(y + y0)}L{_number(x + x1)} {_number(y + y1)}"
            for x0, y0, x1, y1 in diagonals(width, height, step)
        )
        self._parts.append(f'<path d="{lines}" {_ink(None, ink, 1)}/>')

    def pill(self, x: int, y: int, width: int, height: int, fill: Colour, edge: Colour) -> None:
        place = _place(x + 0.6, y + 0.6, width - 1.2, height - 1.2)
        self._parts.append(f'<rect {place} rx="{_number(height / 2 - 0.6)}" {_ink(fill, edge, 1.2)}/>')

    def _letters(self, piece: Piece, x: float, baseline: int, px: int, ink: Colour) -> str:
        heavy = ' font-weight="bold"' if piece.bold else ""
        # the viewer orders and joins right-to-left text by itself, and "end" is then its left end
        way = ' direction="rtl" unicode-bidi="embed" text-anchor="end"' if piece.rtl else ""
        width = f' textLength="{_number(piece.width)}" lengthAdjust="spacingAndGlyphs"' if piece.width > 0 else ""
        return (
            f'<text x="{_number(x)}" y="{baseline}" font-size="{px}"{heavy}{way}{width} {_ink(ink)}>'
            f"{_text(piece.source)}</text>"
        )

    def _length(self, pixels: int) -> str:
        if self._style.width_mm is None and self._style.dpi is None:
            return str(pixels)
        return f"{_number(pixels / self._style.dots_per_inch * MM_PER_INCH)}mm"


def _text(text: str) -> str:
    """Anything as XML text: escaped, and what XML cannot hold as a mark."""
    return escape(_NO_XML.sub("\ufffd", text))


def _ink(fill: Colour | None, edge: Colour | None = None, stroke: float = 0) -> str:
    words = f'fill="{_hex(fill) if fill else "none"}"'
    return words + (f' stroke="{_hex(edge)}" stroke-width="{_number(stroke)}"' if edge else "")


def _hex(colour: Colour) -> str:
    return "#{:02x}{:02x}{:02x}".format(*colour)


def _place(x: float, y: float, width: float, height: float) -> str:
    return f'x="{_number(x)}" y="{_number(y)}" width="{_number(width)}" height="{_number(height)}"'


def _number(value: float) -> str:
    return f"{value:.3f}".rstrip("0").rstrip(".")
