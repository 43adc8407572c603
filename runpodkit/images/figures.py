"""Figures: drawn sheets as files whose text stays text, and what is written into a file about itself.

Gives bytes; where they go is somebody else's business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from PIL import Image

from runpodkit.images.pdf import Document
from runpodkit.images.places import Content
from runpodkit.images.sheet import Labels, Sheet
from runpodkit.images.style import Style
from runpodkit.images.svg import Svg


@dataclass(frozen=True, slots=True)
class Figure:
    """A sheet and its pictures: all it takes to draw it again."""

    sheet: Sheet
    pictures: Mapping[tuple[Labels, Labels], Content]

    @property
    def style(self) -> Style:
        return self.sheet.style

    def image(self) -> Image.Image:
        """As pixels."""
        return self.sheet.draw(self.pictures)


def svg_of(figure: Figure, title: str = "", description: str = "") -> bytes:
    """One figure as an SVG file, as wide as its style says: in millimetres, or in pixels where it has none."""
    canvas = Svg(figure.sheet.size, figure.style)
    figure.sheet.draw_on(canvas, figure.pictures)
    return canvas.page(title, description).encode()


def pdf_of(figures: Iterable[Figure], title: str = "", description: str = "") -> bytes:
    """Figures as a PDF file, one a page, each page as large as its figure.

    Raises:
        ConfigError: fpdf2 is not installed.
        ValueError: a figure is larger than a page can be.
    """
    document = Document(title, description)
    for figure in figures:
        figure.sheet.draw_on(document.page(figure.sheet.size, figure.style.dots_per_inch), figure.pictures)
    return document.to_bytes()


def described(subtitle: str, badge: str) -> str:
    """What a file says of itself beside its title; that it was simulated is said whatever is drawn."""
    return " · ".join(text for text in (badge, subtitle) if text)
