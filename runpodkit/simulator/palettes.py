"""Light as data: the colours a scene has at each time of day, and arithmetic on colours.

Knows no shapes.  Colours are 8-bit sRGB triples.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from runpodkit.simulator.vocabulary import Colour

WHITE: Colour = (255, 255, 255)


def mix(first: Colour, second: Colour, share: float) -> Colour:
    """From `first` (share 0) to `second` (share 1)."""
    a, b, c = (round(one + (two - one) * share) for one, two in zip(first, second, strict=True))
    return (a, b, c)


def scaled(colour: Colour, factor: float) -> Colour:
    """Lighter (factor above 1) or darker, never out of bounds."""
    a, b, c = (max(0, min(255, round(part * factor))) for part in colour)
    return (a, b, c)


def turned(colour: Colour, turn: float) -> Colour:
    """The hue turned by `turn` of a full circle; lightness and saturation stay."""
    hue, light, saturation = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    a, b, c = (round(part * 255) for part in colorsys.hls_to_rgb((hue + turn) % 1.0, light, saturation))
    return (a, b, c)


@dataclass(frozen=True)
class Palette:
    """The light of one scene.

    Attributes:
        sky: From the zenith down to the horizon.
        sun: The sun or the moon, and what it throws on water.
        far, near: Land at the horizon and at the viewer's feet, when nothing gives it a colour of its own.
        ambient: What a white wall in the shade looks like.
        dark: Whether lamps are lit and stars may show.
    """

    sky: tuple[Colour, Colour, Colour, Colour]
    sun: Colour
    far: Colour
    near: Colour
    ambient: Colour
    dark: bool = False

    @property
    def horizon(self) -> Colour:
        return self.sky[3]

    def lit(self, colour: Colour, distance: float = 0.0) -> Colour:
        """A thing's own colour as it looks in this light; `distance` 0..1 lets it fade into the horizon."""
        a, b, c = (round(part * light / 255) for part, light in zip(colour, self.ambient, strict=True))
        return mix((a, b, c), self.horizon, distance)

    def tinted(self, colour: Colour, share: float = 0.45) -> Palette:
        """The same light with a colour thrown over all of it."""
        lightness = sum(colour) / 3

        def over(one: Colour, part: float = share) -> Colour:
            return mix(one, scaled(colour, 0.35 + 0.65 * sum(one) / 3 / max(lightness, 60.0)), part)

        zenith, upper, lower, horizon = self.sky
        return replace(
            self,
            sky=(over(zenith), over(upper), over(lower), over(horizon, share * 0.7)),
            far=over(self.far),
            near=over(self.near),
            ambient=over(self.ambient, share * 0.5),
        )

    def rotated(self, turn: float) -> Palette:
        """The same light in neighbouring hues."""
        zenith, upper, lower, horizon = (turned(colour, turn) for colour in self.sky)
        return replace(
            self, sky=(zenith, upper, lower, horizon), far=turned(self.far, turn), near=turned(self.near, turn)
        )


def _hex(text: str) -> Colour:
    return (int(text[0:2], 16), int(text[2:4], 16), int(text[4:6], 16))


def _light(line: str, dark: bool = False) -> Palette:
    zenith, upper, lower, horizon, sun, far, near, ambient = (_hex(word) for word in line.split())
    return Palette((zenith, upper, lower, horizon), sun, far, near, ambient, dark)


PALETTES: Mapping[str, tuple[Palette, ...]] = MappingProxyType(
    {
        # zenith, upper, lower, horizon, sun, far, near, ambient
        "day": (
            _light("3c7fc0 6fb0de b4dcee f2f1e2 fffbe8 9dbdd0 2e5a52 fffaf0"),
            _light("4a8fb8 8cc4d6 cfe6dd f8efd6 fff6dc a9c4bf 33604a fff6e6"),
            _light("5b86c8 93b4e4 cbd9f0 fbeee6 fffaf0 adbad8 3c5470 fbf8ff"),
        ),
        "dawn": (
            _light("6480b4 b6a2c8 f4c4b4 ffe9c6 fff6dc b29cbc 4a4a6c ffe6da"),
            _light("7ba2c0 c0c6d4 f7d5c0 ffeed2 fffae6 a8b0c0 46586a fff0e2"),
        ),
        "sunset": (
            _light("2b2a60 84407e ee7350 ffc978 fff2c2 90507a 221836 f2b49c"),
            _light("34528c b0729a ff9c68 ffdc96 fff4cc a06c86 2a2440 ffc4a4"),
            _light("47305e b04a66 f28a4c ffd27c fff0bc a05a62 2e1a2c f4b08c"),
        ),
        "dusk": (
            _light("151d48 383f84 86629c f0a492 ffe6c4 57548c 15162f a8a0cc"),
            _light("112a44 2f5a76 7f92a2 f4bc90 ffecca 506c80 101c2a a4b0c4"),
            _light("221a4a 55408c a86a9a f7b59c ffe8d0 6a5088 1a1432 b4a0cc"),
        ),
        "night": (
            _light("050a20 0c1b44 1d3a6c 40659a f6f2dc 213a66 060c1c 7488bc", dark=True),
            _light("0a0822 1a1450 3b2872 6c5298 f4ecf4 342a62 0a0818 8480bc", dark=True),
            _light("04141e 0a3040 185560 4a8a88 f2f4e0 1e4a56 04121a 74a0b0", dark=True),
        ),
        "winter": (
            _light("86a2c0 b2c6d8 dde6ec f7f0e6 fffaf0 aebccc 4a5a70 eef2fa"),
            _light("8c9cc0 bcbcd6 e8d8dc fbeadb fff4e6 b8b4cc 50506e f4ecf2"),
        ),
        "storm": (
            _light("2c3844 4c5b68 7c8a92 b8bfba dfe4dc 66747c 1e282e a8b4ba"),
            _light("2e2f44 535672 86889c c4bcb8 e6e0d8 6a6a80 1e1e2c b0acbc"),
        ),
        "fog": (
            _light("a8b8c0 c2ccd0 d8dedc ece8dc fffaec bcc6c8 5c6c72 e6eaea"),
            _light("b0b0c4 c8c4d0 dcd6d8 f0e6dc fff6ea c0bcc8 62607a ece6ea"),
        ),
    }
)
"""Light by time of day or weather, several of each."""
