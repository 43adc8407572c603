"""The lines above a grid: title, subtitle, and a badge in the corner.  Lengths are pixels."""

from __future__ import annotations

from PIL import Image, ImageDraw

from runpodkit.images import lettering
from runpodkit.images.lettering import Colour

WHITE: Colour = (255, 255, 255)
INK: Colour = (28, 28, 30)
GREY: Colour = (108, 110, 115)
BADGE: tuple[Colour, Colour, Colour] = ((255, 249, 238), (222, 178, 112), (166, 104, 20))
"""Its paper, edge and ink."""


class Headline:
    """Title and subtitle, wrapped beside the badge; call `lay` before `draw`."""

    def __init__(self, title: str, subtitle: str, badge: str, px: int, small: int) -> None:
        self._title_text, self._subtitle_text = title, subtitle
        self._px, self._small, self._title_px = px, small, round(px * 1.4)
        spaced = "\u200a".join(lettering.clean(badge))
        self._badge = lettering.block(spaced, round(small * 0.9), bold=True)
        self._badge_size = (
            (self._badge.width + 2 * small, round(self._badge.height * 1.25)) if self._badge.lines else (0, 0)
        )
        self._beside = self._badge_size[0] + 2 * px if self._badge.lines else 0
        self._title = self._subtitle = lettering.block("", px)

    @property
    def least_width(self) -> int:
        """How wide the sheet must be for these lines not to be squeezed onto a narrow grid."""
        title = lettering.block(self._title_text, self._title_px, bold=True)
        subtitle = lettering.block(self._subtitle_text, self._small)
        return min(max(title.width, subtitle.width), 28 * self._px) + self._beside

    def lay(self, width: int) -> int:
        """Wrap into `width`; gives the height of it all."""
        room = width - self._beside
        self._title = lettering.block(self._title_text, self._title_px, width=room, bold=True)
        self._subtitle = lettering.block(self._subtitle_text, self._small, width=room)
        return max(self._title.height + self._between + self._subtitle.height, self._badge_size[1])

    def draw(self, sheet: Image.Image, draw: ImageDraw.ImageDraw, margin: int) -> None:
        """Put the lines into the sheet's upper left corner, the badge into the right one."""
        self._title.draw(draw, margin, margin, INK)
        self._subtitle.draw(draw, margin, margin + self._title.height + self._between, GREY)
        if self._badge.lines:
            width, height = self._badge_size
            x = sheet.width - margin - width
            sheet.paste(_pill(width, height), (x, margin))
            self._badge.draw(draw, x + width / 2, margin + (height - self._badge.height) / 2, BADGE[2], "centre")

    @property
    def _between(self) -> int:
        return round(self._px * 0.2) if self._title.lines and self._subtitle.lines else 0


def _pill(width: int, height: int) -> Image.Image:
    """The badge's outline, drawn fourfold and reduced so that its ends are round."""
    fine = Image.new("RGB", (width * 4, height * 4), WHITE)
    shape = (2, 2, width * 4 - 3, height * 4 - 3)
    ImageDraw.Draw(fine).rounded_rectangle(shape, radius=height * 2, fill=BADGE[0], outline=BADGE[1], width=5)
    return fine.reduce(4)
