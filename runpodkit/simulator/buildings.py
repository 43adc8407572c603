"""What people have put into a scene: lighthouse, boat, house, castle, windmill."""

from __future__ import annotations

import math

from runpodkit.simulator.canvas import smooth
from runpodkit.simulator.palettes import WHITE, mix, scaled
from runpodkit.simulator.plants import conifer
from runpodkit.simulator.stage import Stage
from runpodkit.simulator.vocabulary import Colour

_LAMP: Colour = (255, 222, 140)


def lighthouse(stage: Stage) -> None:
    """A lighthouse on a rock, its lamp lit unless it is bright day."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    x, tall = stage.centre, 0.58 * min(1.0, canvas.tall)
    foot = stage.horizon + 0.05
    side = -1 if x < 0.5 else 1  # the rock runs off the sheet on the nearer side
    rock = mix(palette.near, palette.far, 0.22)
    edge = -0.02 if side < 0 else 1.02
    reach = x - side * 0.24 / canvas.wide
    rough = chance.units(8) * 0.02
    cliff = [
        (edge, foot - 0.05 - rough[0]), ((edge + x) / 2, foot - 0.03 - rough[1]), (x - side * 0.02, foot - 0.015),
        (x - side * 0.11 / canvas.wide, foot + 0.005 + rough[2]), (x - side * 0.16 / canvas.wide, foot + 0.04 + rough[3]),
        (reach, foot + 0.085 + rough[4]), ((reach + edge) / 2, foot + 0.125 + rough[5]), (edge, foot + 0.14),
    ]  # fmt: skip
    canvas.shape(cliff, [mix(rock, palette.sun, 0.18), rock, scaled(rock, 0.7)])
    canvas.oval((reach + edge) / 2, foot + 0.125, 0.34, 0.012, mix(palette.horizon, WHITE, 0.3), 0.25, soft=0.008)
    wall = palette.lit((246, 242, 234))
    band = palette.lit(stage.colour("lighthouse", (190, 56, 48)))
    lit_right = stage.light_x > x

    def part(low: float, high: float, colour: Colour) -> None:
        """A slice of the tapering tower, with a shaded side."""
        a, b = 0.082 - 0.034 * low, 0.082 - 0.034 * high
        canvas.shape(canvas.at(x, foot, [(-a, -low), (a, -low), (b, -high), (-b, -high)], tall), colour)
        for shade, share in ((0.86, 0.25), (0.7, 0.6)):
            s = -1 if lit_right else 1
            canvas.shape(
                canvas.at(
                    x, foot, [(s * a, -low), (s * a * share, -low), (s * b * share, -high), (s * b, -high)], tall
                ),
                scaled(colour, shade),
                0.8,
            )

    for index in range(6):
        part(0.13 * index, 0.13 * (index + 1), wall if index % 2 == 0 else band)
    gallery = mix(palette.near, palette.far, 0.15)
    canvas.shape(canvas.at(x, foot, [(-0.085, -0.78), (0.085, -0.78), (0.075, -0.81), (-0.075, -0.81)], tall), gallery)
    on = palette.ambient[2] < 235 or palette.dark
    glass = _LAMP if on else mix(palette.sky[1], WHITE, 0.4)
    canvas.shape(canvas.at(x, foot, [(-0.042, -0.81), (0.042, -0.81), (0.042, -0.9), (-0.042, -0.9)], tall), glass)
    canvas.shape(canvas.at(x, foot, [(-0.056, -0.9), (0.056, -0.9), (0.0, -0.97)], tall), band)
    canvas.line(canvas.at(x, foot, [(0, -0.96), (0, -1.0)], tall), 0.006, gallery)
    for px in (-0.042, 0.0, 0.042):
        canvas.line(canvas.at(x, foot, [(px, -0.81), (px, -0.9)], tall), 0.005, gallery)
    for low in (0.3, 0.56):
        canvas.shape(
            canvas.at(x, foot, [(-0.012, -low), (0.012, -low), (0.012, -low - 0.05), (-0.012, -low - 0.05)], tall),
            scaled(gallery, 0.8),
        )
    if on:
        lamp_y = foot - 0.855 * tall / canvas.tall
        for way in (-1, 1):
            beam = [(x, lamp_y), (x + way * 1.3, lamp_y - 0.13), (x + way * 1.3, lamp_y + 0.03)]
            canvas.shape(beam, _LAMP, 0.2 if way == side * -1 else 0.10, soft=0.012)
        canvas.glow(x, lamp_y, 0.34, _LAMP, 0.85)
        canvas.glow(x, lamp_y, 0.08, (255, 250, 225), 0.9)


def boat(stage: Stage) -> None:
    """A sailing boat and its mirror image."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    size = chance.between(0.2, 0.27)
    x = stage.centre if not stage.asks("lighthouse") else (0.75 if stage.centre < 0.5 else 0.25)
    size *= 1.0 if not stage.asks("lighthouse") else 0.55
    y = stage.horizon + (1 - stage.horizon) * chance.between(0.24, 0.42)
    hull = palette.lit(stage.colour("boat", chance.pick(((176, 66, 52), (60, 92, 124), (238, 234, 224)))))
    sail = palette.lit((250, 244, 230))
    if stage.brief.thing("boat") and stage.colour("boat", WHITE) != WHITE:
        sail = mix(sail, hull, 0.12)
    flip = chance.happens(0.5)
    rim = [(-0.75, -0.16), (0.85, -0.2)]
    body = [
        *rim,
        *smooth([(0.85, -0.2), (0.62, 0.06), (0.5, 0.1), (-0.5, 0.1), (-0.66, 0.05), (-0.75, -0.16)], closed=False),
    ]
    main = smooth([(0.06, -1.55), (0.09, -0.36), (0.8, -0.38), (0.52, -0.95)], steps=6)
    jib = smooth([(-0.02, -1.3), (-0.06, -0.36), (-0.62, -0.34), (-0.32, -0.8)], steps=6)
    pieces: tuple[tuple[list[tuple[float, float]], Colour, float], ...] = (
        (main, sail, 1.0),
        (jib, sail, 0.9),
        (body, hull, 1.0),
    )
    for points, colour, shade in pieces:  # upside down in the water first
        drowned = [(px + 0.03 * math.sin(9 * py), 0.2 - py * 0.75) for px, py in points]
        canvas.shape(
            canvas.at(x, y, drowned, size, flip),
            mix(scaled(colour, shade * 0.6), palette.sky[1], 0.25),
            0.42,
            soft=0.006,
        )
    canvas.oval(x, y + 0.1 * size / canvas.tall, 0.72 * size, 0.05 * size, scaled(palette.near, 0.8), 0.5, soft=0.005)
    canvas.line(
        canvas.at(x, y, [(0.03, -0.18), (0.03, -1.62)], size, flip), 0.03 * size, mix(palette.near, (90, 64, 48), 0.4)
    )
    canvas.shape(canvas.at(x, y, main, size, flip), [sail, scaled(sail, 0.86)])
    canvas.shape(canvas.at(x, y, jib, size, flip), [scaled(sail, 0.95), scaled(sail, 0.78)])
    canvas.shape(canvas.at(x, y, body, size, flip), [hull, scaled(hull, 0.62)])
    canvas.line(canvas.at(x, y, rim, size, flip), 0.035 * size, mix(hull, WHITE, 0.65))
    canvas.line(
        canvas.at(x, y, [(-0.62, 0.105), (0.55, 0.105)], size, flip), 0.02 * size, mix(palette.horizon, WHITE, 0.4), 0.7
    )


def house(stage: Stage) -> None:
    """A cottage with lit windows, a chimney and smoke."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    size = chance.between(0.2, 0.26)
    x, foot = stage.centre, stage.horizon + (1 - stage.horizon) * 0.28
    asked = stage.colour("house", WHITE)
    wall = palette.lit((238, 226, 204) if asked == WHITE else asked)
    roof = palette.lit((150, 72, 58) if asked == WHITE else scaled(asked, 0.55))
    if stage.snowy:
        roof = palette.lit((246, 248, 255))
    flip = stage.light_x < x
    canvas.oval(x, foot, 1.2 * size, 0.09 * size, scaled(palette.near, 0.7), 0.4, soft=0.01)

    def at(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
        return canvas.at(x, foot, points, size, flip)

    smoke_x, smoke_y = at([(-0.5, -1.35)])[0]
    for puff in range(7):
        drift = (0.02 * puff + 0.004 * puff**2) * (1 if flip else -1)
        canvas.oval(
            smoke_x + drift,
            smoke_y - 0.022 * puff,
            0.014 + 0.006 * puff,
            0.012 + 0.004 * puff,
            mix(palette.horizon, WHITE, 0.35),
            0.34 - 0.035 * puff,
            soft=0.012,
        )
    canvas.shape(
        at([(-0.6, -0.9), (-0.42, -0.9), (-0.42, -1.32), (-0.6, -1.32)]),
        scaled(roof if not stage.snowy else wall, 0.62),
    )
    canvas.shape(at([(-0.95, 0), (0.3, 0), (0.3, -0.62), (-0.95, -0.62)]), [scaled(wall, 0.86), scaled(wall, 0.72)])
    canvas.shape(at([(0.3, 0), (0.95, 0), (0.95, -0.62), (0.625, -1.15), (0.3, -0.62)]), [wall, scaled(wall, 0.92)])
    canvas.shape(at([(-1.06, -0.55), (0.27, -0.55), (0.625, -1.17), (-0.72, -1.17)]), [roof, scaled(roof, 0.8)])
    canvas.line(at([(0.24, -0.52), (0.625, -1.17), (1.01, -0.52)]), 0.06 * size, scaled(roof, 0.9))
    on = palette.ambient[2] < 235 or palette.dark or stage.snowy
    glass = _LAMP if on else mix(palette.sky[0], palette.near, 0.3)
    for wx, wy in ((-0.7, -0.38), (-0.1, -0.38), (0.625, -0.66)):
        canvas.shape(
            at([(wx - 0.1, wy - 0.1), (wx + 0.1, wy - 0.1), (wx + 0.1, wy + 0.12), (wx - 0.1, wy + 0.12)]), glass
        )
        canvas.line(at([(wx, wy - 0.1), (wx, wy + 0.12)]), 0.025 * size, scaled(wall, 0.6))
        canvas.line(at([(wx - 0.1, wy), (wx + 0.1, wy)]), 0.025 * size, scaled(wall, 0.6))
        if on:
            canvas.glow(*at([(wx, wy)])[0], 0.4 * size, _LAMP, 0.5)
    canvas.shape(at([(0.52, 0), (0.73, 0), (0.73, -0.4), (0.52, -0.4)]), palette.lit((96, 66, 50)))
    for dx, tall in ((-1.45, 1.5), (1.35, 1.9), (1.7, 1.3)):
        tx, ty = at([(dx, 0.06)])[0]
        conifer(
            stage, tx, ty, tall * size, mix(palette.lit((52, 96, 70)), palette.near, 0.3), 0.5 if stage.snowy else 0.0
        )


def castle(stage: Stage) -> None:
    """Towers on a hill at the horizon."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    x, foot, size = stage.centre, stage.horizon + 0.03, 0.34
    stone = mix(palette.lit(stage.colour("castle", (190, 180, 172))), palette.horizon, 0.14)
    roof = mix(palette.lit((84, 92, 140)), palette.horizon, 0.1)
    hill = smooth([(-1.1, 0.12), (-0.6, -0.12), (0, -0.24), (0.6, -0.12), (1.1, 0.12)], closed=False)
    canvas.shape(
        [*canvas.at(x, foot, hill, size), *canvas.at(x, foot, [(1.1, 0.3), (-1.1, 0.3)], size)],
        [mix(palette.far, palette.near, 0.35), mix(palette.far, palette.near, 0.6)],
    )
    for px, broad, high in (
        (-0.42, 0.16, 0.55),
        (0.44, 0.16, 0.5),
        (-0.2, 0.3, 0.42),
        (0.22, 0.32, 0.38),
        (0.0, 0.2, 0.92),
        (-0.27, 0.13, 0.78),
        (0.25, 0.12, 0.68),
    ):
        base = -0.16
        tower = [
            (px - broad / 2, base),
            (px + broad / 2, base),
            (px + broad / 2, base - high),
            (px - broad / 2, base - high),
        ]
        canvas.shape(canvas.at(x, foot, tower, size), [stone, scaled(stone, 0.82)])
        s = -1 if stage.light_x > x else 1
        shaded = [
            (px + s * broad / 2, base),
            (px + s * broad * 0.1, base),
            (px + s * broad * 0.1, base - high),
            (px + s * broad / 2, base - high),
        ]
        canvas.shape(canvas.at(x, foot, shaded, size), scaled(stone, 0.74), 0.7)
        canvas.shape(
            canvas.at(
                x,
                foot,
                [(px - broad * 0.62, base - high), (px + broad * 0.62, base - high), (px, base - high - broad * 1.5)],
                size,
            ),
            roof,
        )
        for level in (0.4, 0.7):
            if chance.happens(0.75):
                wx, wy = canvas.at(x, foot, [(px, base - high * level)], size)[0]
                canvas.oval(
                    wx,
                    wy,
                    0.017 * size,
                    0.035 * size,
                    _LAMP if palette.ambient[2] < 235 or palette.dark else scaled(stone, 0.5),
                )


def windmill(stage: Stage) -> None:
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    x, foot, size = stage.centre, stage.horizon + 0.06, 0.42
    wall = palette.lit(stage.colour("windmill", (226, 212, 190)))
    canvas.shape(
        canvas.at(x, foot, [(-0.2, 0), (0.2, 0), (0.11, -0.66), (-0.11, -0.66)], size), [wall, scaled(wall, 0.86)]
    )
    s = -1 if stage.light_x > x else 1
    canvas.shape(
        canvas.at(x, foot, [(s * 0.2, 0), (s * 0.05, 0), (s * 0.03, -0.66), (s * 0.11, -0.66)], size),
        scaled(wall, 0.75),
        0.8,
    )
    canvas.shape(
        canvas.at(x, foot, smooth([(-0.13, -0.65), (-0.1, -0.78), (0, -0.86), (0.1, -0.78), (0.13, -0.65)]), size),
        palette.lit((128, 70, 56)),
    )
    turn = chance.between(0, math.pi / 2)
    for blade in range(4):
        a = turn + blade * math.pi / 2
        ux, uy = math.cos(a), math.sin(a)
        points = [
            (0.06 * ux - 0.0 * uy, 0.06 * uy),
            (0.6 * ux, 0.6 * uy),
            (0.6 * ux - 0.11 * uy, 0.6 * uy + 0.11 * ux),
            (0.14 * ux - 0.11 * uy, 0.14 * uy + 0.11 * ux),
        ]
        canvas.shape(
            canvas.at(x, foot, [(px, py - 0.72) for px, py in points], size), palette.lit((248, 240, 226)), 0.9
        )
        canvas.line(
            canvas.at(x, foot, [(0, -0.72), (0.62 * ux, 0.62 * uy - 0.72)], size), 0.012, palette.lit((96, 70, 56))
        )
    canvas.shape(
        canvas.at(x, foot, [(-0.05, 0), (0.05, 0), (0.05, -0.17), (-0.05, -0.17)], size), palette.lit((90, 64, 50))
    )
