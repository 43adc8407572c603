"""What lies before the horizon of a scene: water, beach, field, snow, desert, hills, a sea of clouds."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType

from runpodkit.simulator.canvas import ridge, smooth, under
from runpodkit.simulator.palettes import WHITE, mix, scaled
from runpodkit.simulator.plants import conifer, grass_and_flowers
from runpodkit.simulator.stage import Stage

WATER = ("sea", "beach", "lake")


def draw_ground(stage: Stage) -> None:
    """What lies below the horizon; water mirrors all that is drawn before it."""
    _GROUNDS[stage.ground](stage)


def _water(stage: Stage) -> None:
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    calm = stage.ground == "lake"
    canvas.mirror_down(stage.horizon, chance, 0.7 if calm else 1.6)
    local = stage.colour("water", (30, 84, 110))
    deep = mix(palette.lit(local), palette.sky[0], 0.55)
    canvas.wash(
        stage.horizon,
        1.0,
        [mix(deep, palette.horizon, 0.35), deep, scaled(deep, 0.7)],
        0.22 if calm else 0.42,
        0.72 if calm else 0.88,
    )
    canvas.wash(stage.horizon - 0.008, stage.horizon + 0.02, palette.horizon, 0.0, 0.35)
    bright = mix(palette.horizon, palette.sun, 0.5)
    for place, across, size, alpha in chance.units(4 * 120).reshape(-1, 4):  # long low ripples over all of it
        y = stage.horizon + (1 - stage.horizon) * (0.01 + 0.99 * place**1.4)
        near = (y - stage.horizon) / (1 - stage.horizon)
        canvas.oval(
            across,
            y,
            0.03 + 0.16 * size * (0.3 + near),
            0.0012 + 0.004 * near,
            mix(bright, deep, 0.3),
            0.10 + 0.16 * alpha,
        )
    if {"storm", "fog"} & stage.brief.weather:
        return
    for place, across, size, alpha in chance.units(4 * 150).reshape(-1, 4):  # the light's path
        near = place**1.2
        y = stage.horizon + (1 - stage.horizon) * (0.004 + 0.9 * near)
        spread = 0.05 + 0.16 * near
        x = stage.light_x + spread * (across - 0.5) * 2 * (0.3 + 0.7 * size) / canvas.wide
        canvas.oval(
            x,
            y,
            0.012 + 0.035 * size * (0.4 + near),
            0.0018 + 0.0042 * near,
            palette.sun,
            (0.35 + 0.5 * alpha) * (1 - 0.6 * near),
        )


def _beach(stage: Stage) -> None:
    _water(stage)
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    lean = chance.between(0.06, 0.16) * (1 if chance.happens(0.5) else -1)
    edge = stage.horizon + (1 - stage.horizon) * 0.56
    phase = chance.between(0, 6.28)
    shore = [(i / 40, edge + lean * (i / 40 - 0.5) + 0.012 * math.sin(phase + i * 0.32)) for i in range(-1, 42)]
    sand = palette.lit((232, 204, 160))
    for shift, colour, alpha in (
        (-0.022, WHITE, 0.35),
        (-0.008, WHITE, 0.85),
        (0.006, scaled(sand, 0.72), 1.0),
        (0.035, sand, 1.0),
    ):
        band = [(x, y + shift) for x, y in shore]
        fill = palette.lit(colour) if colour == WHITE else colour
        canvas.shape(
            [*band, (1.05, 1.05), (-0.05, 1.05)], fill if alpha < 1 else [fill, scaled(fill, 0.9)], alpha, soft=0.004
        )


def _field(stage: Stage) -> None:
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    green = palette.lit((104, 150, 74))
    for index in range(3):
        nearness = index / 2
        colour = mix(mix(green, palette.horizon, 0.42), scaled(green, 0.72), nearness)
        base = stage.horizon + 0.015 + (1 - stage.horizon) * 0.2 * index
        canvas.shape(
            under(ridge(chance, 0.32, 5), base, 0.028), [mix(colour, palette.sun, 0.16), colour, scaled(colour, 0.8)]
        )
    grass_and_flowers(stage, flowers=stage.asks("flowers"))


def _snow(stage: Stage) -> None:
    """Drifts, bluer in their shade, with a few firs where the prompt puts nothing else."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    white = palette.lit((250, 251, 255))
    shade = mix(white, mix(palette.sky[0], palette.far, 0.4), 0.42)
    wooded = "forest" in stage.brief.backdrops
    for index in range(5):
        base = stage.horizon + 0.012 + (1 - stage.horizon) * 0.19 * index
        if wooded and index < 2:
            continue
        swing = 0.018 + 0.008 * index
        heights = ridge(chance, 0.3, 5)
        canvas.shape(under(heights, base, swing), [mix(white, palette.sun, 0.3), mix(white, shade, 0.35), shade, shade])
        if wooded or index in (0, 4):
            continue
        last = len(heights) - 1
        for _ in range(6 - index):
            spot = chance.below(last)
            if abs(spot / last - stage.centre) > 0.16:
                fir = mix(mix(palette.lit((52, 84, 84)), palette.near, 0.3), palette.horizon, 0.42 - 0.12 * index)
                conifer(
                    stage,
                    spot / last,
                    base - heights[spot] * swing + 0.012,
                    (0.06 + 0.055 * index) * chance.between(0.7, 1.3),
                    fir,
                    0.5,
                )


def _desert(stage: Stage) -> None:
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    sand = palette.lit((230, 172, 108))
    for index in range(5):
        nearness = index / 4
        colour = mix(mix(sand, palette.horizon, 0.5), mix(sand, palette.near, 0.12), nearness)
        base = stage.horizon + (1 - stage.horizon) * 0.2 * index
        crest_x, high = chance.between(0.1, 0.9), 0.035 + 0.07 * nearness
        crest = smooth(
            [
                (-0.05, base),
                (crest_x * 0.5, base - high * 0.35),
                (crest_x, base - high),
                (crest_x * 0.4 + 0.6, base - high * 0.2),
                (1.05, base + 0.02),
            ],
            closed=False,
            steps=10,
        )
        canvas.shape(
            [*crest, (1.05, 1.05), (-0.05, 1.05)], [mix(colour, palette.sun, 0.3), colour, scaled(colour, 0.86)]
        )
        # The side turned away from the sun: all beyond a line that winds down from the crest.
        away = 1 if stage.light_x < crest_x else -1
        lee = [point for point in crest if (point[0] - crest_x) * away >= 0]
        if away < 0:
            lee.reverse()
        winding = [
            (crest_x, base - high),
            (crest_x + away * 0.07, base - high + 0.045),
            (crest_x - away * 0.02, base + 0.03),
            (crest_x + away * 0.16, base + 0.13),
            (crest_x + away * 0.5, base + 0.24),
        ]
        dark = scaled(mix(colour, palette.sky[1], 0.16), 0.78)
        canvas.shape(
            [*lee, (0.5 + away * 0.55, base + 0.24), *reversed(smooth(winding, closed=False))],
            [dark, mix(dark, colour, 0.35), colour],
            0.8,
            soft=0.003,
        )
        for line in range(5):  # ripples the wind has left
            y = base + 0.02 + (0.03 + 0.012 * line) * (line + 1) * 0.5
            canvas.line(
                smooth([(-0.02, y + 0.01), (0.3, y - 0.008), (0.6, y + 0.012), (1.02, y)], closed=False),
                0.003,
                mix(colour, dark, 0.6),
                0.22,
            )


def _hills(stage: Stage) -> None:
    """Layer behind layer down to the viewer's feet, mist between them."""
    if "forest" in stage.brief.backdrops:
        stage.canvas.wash(
            stage.horizon + 0.3,
            1.0,
            [mix(stage.palette.near, stage.palette.horizon, 0.12), scaled(stage.palette.near, 0.8)],
            0.6,
            1.0,
        )
        return
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    layers = 6
    rough = 0.55 if "mountains" in stage.brief.backdrops else 0.4
    for index in range(layers):
        nearness = (index + 1) / layers
        colour = mix(mix(palette.far, palette.horizon, 0.3), palette.near, nearness)
        base = stage.horizon + 0.03 + (1 - stage.horizon) * 0.16 * index
        heights = ridge(chance, rough, 7)
        canvas.shape(
            under(heights, base, 0.05 + 0.012 * index),
            [colour, mix(colour, palette.horizon, 0.42 * (1 - 0.7 * nearness))],
        )
        if index >= 2:
            last = len(heights) - 1
            for _ in range(9 - index):
                spot = chance.below(last)
                conifer(
                    stage,
                    spot / last,
                    base - heights[spot] * (0.05 + 0.012 * index) + 0.012,
                    (0.03 + 0.022 * index) * chance.between(0.7, 1.3),
                    colour,
                    0.0,
                )


def _cloud_sea(stage: Stage) -> None:
    """Above the clouds: billows in layers, lit from the sun's side."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    for index in range(6):
        nearness = index / 5
        base = stage.horizon + (1 - stage.horizon) * 0.19 * index
        bright = mix(palette.horizon, palette.lit(WHITE), 0.35 + 0.4 * nearness)
        shade = mix(palette.sky[2], palette.sky[1], 0.3 + 0.4 * nearness)
        puffs = 16 - 2 * index
        for puff in range(puffs + 1):
            size = (0.05 + 0.10 * nearness) * chance.between(0.7, 1.3)
            canvas.oval(
                (puff + chance.between(-0.3, 0.3)) / puffs,
                base + 0.02,
                size * 1.25,
                size,
                [bright, mix(bright, shade, 0.6)],
                1.0,
                soft=0.008,
            )
        canvas.wash(base + 0.03, min(1.0, base + 0.3), [mix(bright, shade, 0.5), shade], 0.2, 1.0)


_GROUNDS: Mapping[str, Callable[[Stage], None]] = MappingProxyType(
    {
        "sea": _water,
        "lake": _water,
        "beach": _beach,
        "field": _field,
        "snow": _snow,
        "desert": _desert,
        "hills": _hills,
        "clouds": _cloud_sea,
    }
)
GROUNDS = tuple(_GROUNDS)
