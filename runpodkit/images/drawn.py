"""A grid as it was drawn: shown in a notebook as one small JPEG, saved as picture, figure or animation.

Where its pictures stand was decided by `grids`; what a file of each kind is made of, by `figures` and `animation`.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from runpodkit.images import animation, figures
from runpodkit.images.figures import Figure
from runpodkit.images.style import Style

INLINE_WIDTH, INLINE_BYTES = 1600, 300_000
SUFFIXES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".svg": "SVG"}
_MAX_SIDE = {"PNG": 2**31 - 1, "JPEG": 65_500, "WEBP": 16_383, "GIF": 65_535}


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
        self.image, self._figure, self._pages = image, figure, pages
        self._text, self._title, self._subtitle = text, title, subtitle
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
            path: .png, .jpg or .webp; in .pdf and .svg the text stays text.  Of several pages, .pdf has them all,
                and .gif or .webp is an endless animation with a page as frame.
            frame_s: Seconds that each frame of an animation stands, 0.02 to 600.

        Raises:
            ValueError: another suffix, several pages in a format that holds one (see `save_pages`), or more
                pixels a side than the format can hold.
            ConfigError: a PDF, and fpdf2 is not installed.
        """
        path = Path(path)
        suffix = path.suffix.lower()
        if self._pages and suffix in animation.FORMATS:
            return self._animate(path, animation.FORMATS[suffix], frame_s)
        if suffix == ".pdf":
            figures_of = [page._figure_for(path) for page in self.pages]
            data = figures.pdf_of(figures_of, self._title, self._about)
            return _written(path, lambda draft: draft.write_bytes(data))
        if suffix == ".gif":
            raise ValueError(f"{path.name}: a GIF needs frames: draw the grid with pages=, or save it as .png")
        form = SUFFIXES.get(suffix)
        if form is None:
            raise ValueError(
                f"{path.name}: a grid is saved as {', '.join(SUFFIXES)} or .pdf, not {path.suffix or 'no suffix'}"
            )
        if self._pages:
            raise ValueError(
                f"{path.name}: {form} holds one page and the grid has {len(self._pages)}: save_pages writes a file for "
                "each, save with .pdf one file of pages, with .gif or .webp an animation"
            )
        if suffix == ".svg":
            drawing = figures.svg_of(self._figure_for(path), self._title, self._about)
            return _written(path, lambda draft: draft.write_bytes(drawing))
        _check_side(path, form, self.image.size)
        return _written(path, lambda draft: self.image.save(draft, form, **self._options(form)))

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
        return _written(path, lambda draft: animation.animate(frames, draft, form, frame_s))

    def jpeg(self, width: int = INLINE_WIDTH, most_bytes: int = INLINE_BYTES) -> bytes:
        """The image as a small JPEG for a page: at most so many pixels wide and, scaled down until it is, so many bytes."""
        return _small_jpeg(self.image, width, most_bytes)

    def _options(self, form: str) -> dict[str, Any]:
        style = self._figure.style if self._figure else Style()
        dpi = {"dpi": (style.dots_per_inch,) * 2} if style.dpi or style.width_mm else {}
        if form != "PNG":
            return {"quality": 92, **dpi}
        texts = PngImagePlugin.PngInfo()
        for keyword, text in (("Title", self._title), ("Description", self._about), ("Software", "runpodkit")):
            if text:
                texts.add_text(keyword, text.encode("utf-8", "replace").decode().replace("\0", ""))
        return {"pnginfo": texts, "compress_level": 4, **dpi}  # half the time of 6 for 3 % more bytes

    def _figure_for(self, path: Path) -> Figure:
        if self._figure is None:
            raise ValueError(f"{path.name}: this grid has no layout that could be drawn again: save it as .png")
        return self._figure

    @property
    def _about(self) -> str:
        return figures.described(self._subtitle, self._figure.sheet.words.badge if self._figure else "")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        """One image format only, since a notebook stores each it is given; and a text that never changes."""
        if self._inline is None:
            self._inline = base64.b64encode(self.jpeg()).decode()
        return {"image/jpeg": self._inline, "text/plain": self._text}


def _check_side(path: Path, form: str, size: tuple[int, int]) -> None:
    if max(size) > _MAX_SIDE[form]:
        raise ValueError(
            f"{path.name}: {form} holds at most {_MAX_SIDE[form]:,} pixels a side, the grid is "
            f"{size[0]:,}×{size[1]:,}: save it as .png, or choose a smaller cell_px"
        )


def _written(path: Path, write: Callable[[Path], object]) -> Path:
    """The file at `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        write(draft)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


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
