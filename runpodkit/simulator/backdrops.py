"""What stands at the horizon of a scene: mountains, a forest, a city, or pale hills."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from runpodkit.simulator.canvas import ridge, under
from runpodkit.simulator.palettes import mix, scaled
from runpodkit.simulator.plants import conifer
from runpodkit.simulator.stage import Stage
from runpodkit.simulator.vocabulary import Colour


def draw_backdrops(stage: Stage) -> None:
    """What stands at the horizon; pale hills where the prompt names nothing."""
    for name in ("mountains", "city", "forest"):
        if name in stage.brief.backdrops:
            _BACKDROPS[name](stage)
    if not stage.brief.backdrops and stage.ground in ("lake", "field", "hills", "snow"):
        _far_hills(stage)


def _far_hills(stage: Stage) -> None:
    for index in range(2):
        fill = mix(stage.palette.far, stage.palette.horizon, 0.45 - 0.3 * index)
        heights = ridge(stage.chance, 0.42, 6)
        stage.canvas.shape(
            under(heights, stage.horizon - 0.03 + 0.025 * index, 0.035), [fill, mix(fill, stage.palette.horizon, 0.5)]
        )


def _mountains(stage: Stage) -> None:
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    layers = 3
    for index in range(layers):
        nearness = index / (layers - 1)
        rock = mix(mix(palette.far, palette.horizon, 0.35), mix(palette.far, palette.near, 0.6), nearness)
        base = stage.horizon - (0.17 - 0.075 * index)
        swing = 0.155 - 0.045 * index
        heights = _peaks(stage, 2 + index)
        land = under(heights, base, swing)
        canvas.shape(land, [scaled(rock, 0.96), rock, mix(rock, palette.horizon, 0.65)])
        if index < 2 and (stage.snowy or index == 0 or chance.happens(0.5)):
            _snow_caps(
                stage,
                heights,
                base,
                swing,
                mix(palette.lit((250, 250, 255)), palette.horizon, 0.25 - 0.15 * index),
                rock,
            )
        canvas.wash(stage.horizon - 0.12, stage.horizon + 0.01, palette.horizon, 0.0, 0.42)


def _peaks(stage: Stage, count: int) -> list[float]:
    """A skyline of a few peaks with rough flanks."""
    chance = stage.chance
    rough = ridge(chance, 0.55, 7)
    tents = [(chance.between(0.02, 0.98), chance.between(0.55, 1.25), chance.between(0.2, 0.42)) for _ in range(count)]
    heights = []
    for index, bump in enumerate(rough):
        x = index / (len(rough) - 1)
        tent = max(high - abs(x - place) / reach * high for place, high, reach in tents)
        heights.append(max(-0.5, tent) + 0.22 * bump)
    return heights


def _snow_caps(stage: Stage, heights: list[float], base: float, swing: float, snow: Colour, rock: Colour) -> None:
    """Snow above a ragged line, and a shaded side of each peak."""
    last = len(heights) - 1
    line = 0.42
    ragged = ridge(stage.chance, 0.75, 7)
    run: list[tuple[float, float, float]] = []
    for index in range(last + 2):
        height = heights[index] if index <= last else -9.0
        foot = line + 0.24 * ragged[min(index, last)]
        if height > foot:
            run.append((index / last, height, foot))
            continue
        if len(run) > 2:
            top = [(x, base - high * swing) for x, high, _ in run]
            bottom = [(x, base - low * swing) for x, _, low in reversed(run)]
            stage.canvas.shape([*top, *bottom], snow, 0.92)
            peak = max(range(len(run)), key=lambda i: run[i][1])
            away = run[peak:] if stage.light_x < run[peak][0] else run[: peak + 1]
            if len(away) > 2:
                shaded = [(x, base - high * swing) for x, high, _ in away] + [
                    (x, base - low * swing) for x, _, low in reversed(away)
                ]
                stage.canvas.shape(shaded, mix(snow, rock, 0.55), 0.75)
        run = []


def _forest(stage: Stage) -> None:
    """Rows of firs, paler the farther; on land of their own when the prompt names no other ground."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    deep = stage.ground in ("hills", "snow")
    rows = 5 if deep else 3
    green = palette.lit((58, 104, 78)) if not stage.snowy else palette.lit((96, 118, 124))
    for row in range(rows):
        nearness = row / (rows - 1)
        colour = mix(mix(green, palette.horizon, 0.62), mix(scaled(green, 0.5), palette.near, 0.5), nearness)
        foot = stage.horizon + (0.30 * nearness**1.6 if deep else 0.02 * nearness)
        size = (0.10 + 0.34 * nearness**1.5) if deep else 0.09 + 0.09 * nearness
        heights = ridge(chance, 0.5, 5)
        count = round(canvas.wide / (size * 0.22))
        for index in range(count + 1):
            x = (index + chance.between(-0.45, 0.45)) / count
            gap = abs(x - stage.centre)
            if deep and row == rows - 1 and gap < 0.26:
                continue  # the nearest row opens like a stage
            tall = size * chance.between(0.65, 1.2) * (1.25 if deep and row == rows - 1 and gap > 0.38 else 1.0)
            conifer(stage, x, foot + chance.between(0.0, 0.02) + 0.01, tall, colour, 0.5 if stage.snowy else 0.0)
        canvas.shape(under(heights, foot + 0.004, 0.012), [colour, mix(colour, palette.horizon, 0.25)])
        canvas.wash(foot - 0.12, foot + 0.03, palette.horizon, 0.0, 0.22 * (1 - nearness))


def _city(stage: Stage) -> None:
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    for row in range(3):
        nearness = row / 2
        wall = mix(mix(palette.far, palette.horizon, 0.45), mix(palette.near, palette.far, 0.25), nearness)
        x = -0.05
        while x < 1.05:
            broad = chance.between(0.05, 0.12) * (0.8 + 0.5 * nearness) / canvas.wide
            middle = 1.0 - 1.4 * abs(x + broad / 2 - 0.5)
            high = (
                (0.08 + 0.30 * middle * chance.between(0.35, 1.0))
                * (1.0 - 0.38 * nearness)
                * min(1.0, stage.horizon / 0.5)
            )
            _tower(stage, x, broad, stage.horizon - high, wall, nearness)
            x += broad * chance.between(0.8, 1.15)
        canvas.wash(stage.horizon - 0.16, stage.horizon + 0.01, palette.horizon, 0.0, 0.45 * (1 - nearness))


def _tower(stage: Stage, x: float, broad: float, top: float, wall: Colour, nearness: float) -> None:
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    foot = stage.horizon + 0.012
    canvas.shape([(x, top), (x + broad, top), (x + broad, foot), (x, foot)], [wall, mix(wall, palette.horizon, 0.22)])
    side = x if stage.light_x > x + broad / 2 else x + broad * 0.72
    canvas.shape(
        [(side, top), (side + broad * 0.28, top), (side + broad * 0.28, foot), (side, foot)], scaled(wall, 0.8), 0.6
    )
    style = chance.below(5)
    if style == 0:
        canvas.line([(x + broad / 2, top), (x + broad / 2, top - 0.05)], 0.006, wall)
    elif style == 1:
        canvas.shape([(x, top), (x + broad / 2, top - 0.035), (x + broad, top)], wall)
    elif style == 2:
        canvas.shape(
            [
                (x + broad * 0.2, top - 0.02),
                (x + broad * 0.8, top - 0.02),
                (x + broad * 0.8, top),
                (x + broad * 0.2, top),
            ],
            wall,
        )
    if stage.snowy:
        canvas.line([(x, top), (x + broad, top)], 0.012, palette.lit((250, 250, 255)), 0.9)
    lamps = 0.62 if palette.dark else 0.42 if palette.ambient[0] < 200 or stage.snowy else 0.12
    glow: Colour = (255, 214, 130) if not chance.happens(0.15) else (160, 220, 255)
    columns = max(2, round(broad * canvas.wide / 0.026))
    rows = max(2, round((foot - top) * canvas.tall / 0.036))
    lit = chance.units(columns * rows).reshape(rows, columns)
    for row in range(rows):
        for column in range(columns):
            on = lit[row, column] < lamps
            if not on and nearness < 1:
                continue
            wx = x + broad * (column + 0.5) / columns
            wy = top + (foot - top) * (row + 0.55) / rows
            dx, dy = 0.0062 / canvas.wide, 0.0095 / canvas.tall
            colour, alpha = (glow, 0.35 + 0.6 * nearness) if on else (scaled(wall, 0.75), 0.5)
            canvas.shape(
                [(wx - dx, wy - dy), (wx + dx, wy - dy), (wx + dx, wy + dy), (wx - dx, wy + dy)], colour, alpha
            )


_BACKDROPS: Mapping[str, Callable[[Stage], None]] = MappingProxyType(
    {"mountains": _mountains, "forest": _forest, "city": _city}
)
