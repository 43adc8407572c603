"""What grows in a scene: firs, broad trees, blossom trees, palms, cacti, grass and flowers."""

from __future__ import annotations

import math

from runpodkit.simulator.canvas import smooth
from runpodkit.simulator.palettes import WHITE, mix, scaled
from runpodkit.simulator.stage import Stage
from runpodkit.simulator.vocabulary import Colour

_PETALS: tuple[Colour, ...] = (
    (226, 70, 66),
    (242, 172, 70),
    (246, 224, 116),
    (232, 132, 172),
    (158, 118, 208),
    (250, 246, 236),
)


def conifer(stage: Stage, x: float, foot: float, tall: float, colour: Colour, snow: float) -> None:
    """A fir of height `tall` (units) standing at (x, foot); `snow` 0..1 lies on its boughs."""
    canvas = stage.canvas
    tiers = 5 if tall > 0.12 else 3
    left: list[tuple[float, float]] = []
    for tier in range(tiers):
        share = (tier + 1) / tiers
        reach = 0.20 * share**0.9
        left += [(reach * 0.6, -1 + 0.96 * (tier + 0.25) / tiers), (reach, -1 + 0.96 * share)]
    right = [(-px, py) for px, py in reversed(left)]
    canvas.shape(
        canvas.at(x, foot, [(0, -1.02), *left, (0.02, 0.0), (-0.02, 0.0), *right], tall), [scaled(colour, 1.06), colour]
    )
    if snow > 0 and tall > 0.1:
        white = mix(stage.palette.lit((250, 252, 255)), colour, 0.25)
        for tier in range(tiers):
            share = (tier + 1) / tiers
            reach, low = 0.20 * share**0.9, -1 + 0.96 * share
            high = -1.02 if tier == 0 else -1 + 0.96 * (tier + 0.35) / tiers
            bough = [
                (0, high),
                (reach * 0.92, low - 0.02),
                (reach * 0.35, low - 0.075),
                (-reach * 0.3, low - 0.05),
                (-reach * 0.92, low - 0.02),
            ]
            canvas.shape(canvas.at(x, foot, bough, tall), white, 0.4 + snow)


def broad_tree(stage: Stage, x: float, foot: float, tall: float, leaves: Colour) -> None:
    """A tree with a round crown of lit clumps."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    bark = palette.lit((84, 60, 50))
    trunk = smooth(
        [
            (-0.05, 0),
            (-0.03, -0.35),
            (-0.12, -0.62),
            (-0.03, -0.5),
            (0.0, -0.7),
            (0.04, -0.48),
            (0.14, -0.62),
            (0.04, -0.33),
            (0.06, 0),
        ]
    )
    canvas.oval(x, foot, 0.3 * tall, 0.03 * tall, scaled(palette.near, 0.8), 0.45, soft=0.01)
    canvas.shape(canvas.at(x, foot, trunk, tall), [bark, scaled(bark, 0.7)])
    leaf = palette.lit(leaves)
    side = 1 if stage.light_x > x else -1
    for shade, spread, rise, size, count in (
        (0.62, 0.30, 0.0, 0.17, 16),
        (0.84, 0.25, -0.03, 0.13, 16),
        (1.06, 0.21, -0.07, 0.085, 18),
    ):
        for across, down, big in chance.units(3 * count).reshape(-1, 3):
            angle, out = across * 2 * math.pi, math.sqrt(down)
            px = math.cos(angle) * spread * out + side * (shade - 0.62) * 0.16
            py = -0.72 + math.sin(angle) * spread * 0.72 * out + rise
            radius = size * (0.6 + 0.6 * big) * tall
            tone = mix(scaled(leaf, shade), palette.sun, 0.16 if shade > 1 else 0.0)
            canvas.oval(
                x + px * tall / canvas.wide,
                foot + py * tall / canvas.tall,
                radius,
                radius * 0.85,
                tone,
                0.9,
                soft=0.004,
            )


def palm(stage: Stage, x: float, foot: float, tall: float) -> None:
    """A leaning palm."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    bark, leaf = mix(palette.lit((110, 82, 60)), palette.near, 0.35), mix(palette.lit((52, 110, 66)), palette.near, 0.4)
    lean = -1 if x > 0.5 else 1
    spine = smooth([(0, 0), (0.04 * lean, -0.4), (0.2 * lean, -0.95)], closed=False)
    canvas.line(canvas.at(x, foot, spine, tall), 0.045 * tall, bark)
    top = (0.2 * lean, -0.95)
    for index in range(9):
        angle = math.pi * (index / 8) + chance.between(-0.12, 0.12)
        dx, dy = math.cos(angle), -math.sin(angle)
        tip = (top[0] + 0.46 * dx, top[1] + 0.20 * dy + 0.17)
        over = (top[0] + 0.26 * dx, top[1] + 0.26 * dy - 0.02)
        below = (top[0] + 0.24 * dx, top[1] + 0.20 * dy + 0.055)
        canvas.shape(
            canvas.at(x, foot, smooth([top, over, tip, below], steps=6), tall), scaled(leaf, 0.8 + 0.05 * index)
        )


def cactus(stage: Stage, x: float, foot: float, tall: float) -> None:
    canvas, palette = stage.canvas, stage.palette
    green = mix(palette.lit((74, 124, 84)), palette.near, 0.2)
    for points, broad in (
        ([(0, 0), (0, -1)], 0.2),
        ([(0, -0.42), (-0.3, -0.42), (-0.32, -0.5), (-0.32, -0.78)], 0.14),
        ([(0, -0.3), (0.28, -0.3), (0.31, -0.38), (0.31, -0.66)], 0.14),
    ):
        canvas.line(canvas.at(x, foot, points, tall), broad * tall, green)
        lit = [(px + (0.04 if stage.light_x > x else -0.04), py) for px, py in points]
        canvas.line(canvas.at(x, foot, lit, tall), broad * tall * 0.22, mix(green, palette.sun, 0.35), 0.8)


def grass_and_flowers(stage: Stage, flowers: bool, front: bool = False) -> None:
    """A meadow in perspective, or, with `front`, only its nearest strip, over the feet of what stands in it."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    green = palette.lit((88, 136, 66))
    petals = [palette.lit(_PETALS[(chance.below(6) + shift) % 6]) for shift in range(3)]
    if (wanted := stage.colour("flowers", WHITE)) != WHITE:
        petals = [palette.lit(wanted), palette.lit(mix(wanted, WHITE, 0.25)), palette.lit(scaled(wanted, 0.86))]
    top = 0.86 if front else stage.horizon + 0.05
    rows = 3 if front else 13
    for row in range(rows):
        near = (row + 0.5) / rows
        y = top + (1.03 - top) * near**1.5
        size = (y - stage.horizon) / (1 - stage.horizon)
        blades = round(26 * canvas.wide / (0.35 + size))
        for across, lean, tone in chance.units(3 * blades).reshape(-1, 3):
            high = (0.02 + 0.075 * size) * (0.6 + 0.7 * tone)
            blade = [(-0.06, 0), (0.6 * (lean - 0.5), -1), (0.06, 0)]
            colour = mix(scaled(green, 0.62 + 0.55 * tone), palette.horizon, 0.35 * (1 - size))
            canvas.shape(canvas.at(across, y + 0.01, blade, high), colour, 0.85)
        if not flowers:
            continue
        for across, down, which, tone in chance.units(4 * round((15 - 7 * size) * canvas.wide)).reshape(-1, 4):
            radius = (0.004 + 0.021 * size) * (0.7 + 0.5 * tone)
            colour = mix(scaled(petals[int(which * 3)], 0.85 + 0.25 * tone), palette.horizon, 0.25 * (1 - size))
            _flower(stage, across, y + (down - 0.5) * 0.03 - 0.02 * size, radius, colour)


def _flower(stage: Stage, x: float, y: float, radius: float, colour: Colour) -> None:
    canvas = stage.canvas
    if radius < 0.011:
        canvas.oval(x, y, radius, radius * 0.75, colour)
        return
    canvas.line([(x, y), (x, y + 3.4 * radius / canvas.tall)], radius * 0.22, stage.palette.lit((70, 112, 60)))
    for petal in range(5):
        angle = petal * 2 * math.pi / 5 + 0.3
        px, py = x + math.cos(angle) * radius * 0.62 / canvas.wide, y + math.sin(angle) * radius * 0.46 / canvas.tall
        canvas.oval(px, py, radius * 0.55, radius * 0.44, scaled(colour, 1.0 + 0.08 * math.sin(angle * -1)))
    heart = (250, 214, 96) if min(colour) < 200 or colour[2] > 190 else (150, 96, 60)
    canvas.oval(x, y, radius * 0.3, radius * 0.24, stage.palette.lit(heart))
