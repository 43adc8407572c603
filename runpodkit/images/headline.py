"""The lines above a grid: title, subtitle, and a badge in the corner.  Lengths are pixels."""

from __future__ import annotations

from functools import cached_property

from runpodkit.images import lettering
from runpodkit.images.canvas import Canvas
from runpodkit.images.lettering import Colour

INK: Colour = (28, 28, 30)
GREY: Colour = (108, 110, 115)
BADGE: tuple[Colour, Colour, Colour] = ((255, 249, 238), (222, 178, 112), (166, 104, 20))
"""Its paper, edge and ink."""
NARROWEST = 9
"""Sizes of the type; where less is left beside the badge, the title goes below it."""


class Headline:
    """Title and subtitle, wrapped beside the badge; call `lay` before `draw`."""

    def __init__(self, title: str, subtitle: str, badge: str, px: int, small: int, least_px: int = 0) -> None:
        self._title_text, self._subtitle_text = title, subtitle
        self._px, self._small, self._title_px = px, small, round(px * 1.4)
        spaced = "\u200a".join(lettering.clean(badge))
        self._badge = lettering.block(spaced, max(round(small * 0.9), least_px), bold=True)
        self._badge_size = (
            (self._badge.width + 2 * small, round(self._badge.height * 1.25)) if self._badge.lines else (0, 0)
        )
        self._beside = self._badge_size[0] + 2 * px if self._badge.lines else 0
        self._below = 0
        self._title = self._subtitle = lettering.block("", px)

    @property
    def least_width(self) -> int:
        """How wide the sheet must be for these lines not to be squeezed onto a narrow grid."""
        widest = min(self._one_line, 28 * self._px)
        return widest + self._beside if widest else self._badge_size[0]

    @property
    def badge_width(self) -> int:
        """What cannot be wrapped."""
        return self._badge_size[0]

    @cached_property
    def _one_line(self) -> int:
        title = lettering.block(self._title_text, self._title_px, bold=True)
        return max(title.width, lettering.block(self._subtitle_text, self._small).width)

    def lay(self, width: int) -> int:
        """Wrap into `width`; gives the height of it all."""
        room = width - self._beside
        self._below = 0
        if self._badge.lines and room < min(self._one_line, NARROWEST * self._px):
            room = width
            self._below = self._badge_size[1] + round(self._px * 0.4)
        self._title = lettering.block(self._title_text, self._title_px, width=room, bold=True)
        self._subtitle = lettering.block(self._subtitle_text, self._small, width=room)
        words = self._title.height + self._between + self._subtitle.height
        return max(self._below + words if words else 0, self._badge_size[1])

    def draw(self, canvas: Canvas, margin: int) -> None:
        """Put the lines into the sheet's upper left corner, the badge into the right one."""
        top = margin + self._below
        canvas.text(self._title, margin, top, INK)
        canvas.text(self._subtitle, margin, top + self._title.height + self._between, GREY)
        if self._badge.lines:
            width, height = self._badge_size
            x = canvas.size[0] - margin - width
            canvas.pill(x, margin, width, height, BADGE[0], BADGE[1])
            canvas.text(self._badge, x + width / 2, margin + (height - self._badge.height) / 2, BADGE[2], "centre")

    @property
    def _between(self) -> int:
        return round(self._px * 0.2) if self._title.lines and self._subtitle.lines else 0
