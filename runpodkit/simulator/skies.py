"""The sky of a scene and what hangs or falls in it: sun, moon, stars, clouds, aurora, rainbow, birds, snow, rain."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

from runpodkit.simulator.canvas import smooth
from runpodkit.simulator.palettes import WHITE, mix, scaled
from runpodkit.simulator.stage import Stage
from runpodkit.simulator.vocabulary import Colour


def draw_sky(stage: Stage) -> None:
    """Everything above the horizon that is behind the land."""
    canvas, palette, brief = stage.canvas, stage.palette, stage.brief
    canvas.wash(0.0, stage.horizon + 0.02, palette.sky)
    canvas.wash(stage.horizon, 1.0, palette.horizon)
    if palette.dark or stage.asks("stars"):
        _stars(stage)
    if stage.asks("aurora"):
        _aurora(stage)
    _sun_or_moon(stage)
    wanted = bool({"clouds", "storm"} & brief.weather)
    if "clear" not in brief.weather and (wanted or not palette.dark or stage.chance.happens(0.4)):
        _clouds(stage, heavy=1.0 if wanted else stage.chance.between(0.15, 0.6))
    if stage.asks("rainbow"):
        _rainbow(stage)
    if stage.asks("birds") or (not palette.dark and "storm" not in brief.weather and stage.chance.happens(0.3)):
        _birds(stage)
    if stage.asks("balloon"):
        _balloons(stage)
    if "storm" in brief.weather:
        _lightning(stage)


def draw_weather(stage: Stage) -> None:
    """What falls or drifts in front of everything."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    if "fog" in stage.brief.weather:
        for top, bottom in ((0.35, 0.75), (0.55, 1.0)):
            mask = canvas.noise(chance, 2.0, stretch=4.0).point([min(255, max(0, (v - 90) * 3)) for v in range(256)])
            rows = Image.linear_gradient("L").resize((canvas.width, canvas.height))
            window = rows.point([_window(v / 255, top, bottom, 150) for v in range(256)])
            canvas.veil(ImageChops.multiply(mask, window), mix(palette.horizon, WHITE, 0.15))
    if "snow" in stage.brief.weather:
        flakes = chance.units(4 * 130).reshape(-1, 4)
        for x, y, size, alpha in flakes:
            canvas.oval(x, y, 0.003 + 0.006 * size**3, 0.003 + 0.006 * size**3, WHITE, 0.45 + 0.5 * alpha, soft=0.001)
    if "rain" in stage.brief.weather or ("storm" in stage.brief.weather and chance.happens(0.6)):
        for x, y, size, alpha in chance.units(4 * 110).reshape(-1, 4):
            long = 0.03 + 0.05 * size
            canvas.line(
                [(x, y), (x - 0.25 * long, y + long)], 0.0022, mix(palette.horizon, WHITE, 0.5), 0.2 + 0.3 * alpha
            )


def _window(place: float, top: float, bottom: float, most: int) -> int:
    if not top < place < bottom:
        return 0
    return round(most * math.sin(math.pi * (place - top) / (bottom - top)))


def _sun_or_moon(stage: Stage) -> None:
    canvas, palette = stage.canvas, stage.palette
    x, y = stage.light_x, stage.light_y
    moon = palette.dark or (stage.asks("moon") and not stage.asks("sun"))
    if {"storm", "fog"} & stage.brief.weather and not (stage.asks("sun") or stage.asks("moon")):
        canvas.glow(x, y, 0.7, palette.sun, 0.5)
        return
    colour = stage.colour("moon" if moon else "sun", palette.sun)
    if moon:
        radius = 0.085 if stage.asks("moon") else 0.05
        canvas.glow(x, y, 0.62, colour, 0.34)
        canvas.glow(x, y, radius * 2.3, colour, 0.5)
        canvas.oval(x, y, radius, radius, [scaled(colour, 1.0), scaled(colour, 0.93)])
        for dx, dy, size in ((-0.3, -0.2, 0.26), (0.25, 0.1, 0.2), (-0.05, 0.42, 0.17), (0.35, -0.4, 0.12)):
            canvas.oval(
                x + dx * radius / canvas.wide, y + dy * radius / canvas.tall, radius * size, radius * size,
                scaled(colour, 0.86), 0.55, soft=radius * 0.06,
            )  # fmt: skip
        return
    low = max(0.0, 1.0 - (stage.horizon - y) / 0.35)
    radius = (0.075 if stage.asks("sun") else 0.05) + 0.035 * low
    canvas.glow(x, y, 1.15, mix(palette.horizon, colour, 0.3), 0.55)
    canvas.glow(x, y, 0.45, colour, 0.55)
    canvas.glow(x, y, radius * 2.2, colour, 0.7)
    canvas.oval(x, y, radius, radius, colour, soft=0.003)


def _stars(stage: Stage) -> None:
    canvas, chance = stage.canvas, stage.chance
    asked = stage.asks("stars")
    if asked:  # the milky way: a band of pale noise across the sky
        mask = canvas.noise(chance, 3.0, octaves=5).point([min(255, max(0, (v - 96) * 3)) for v in range(256)])
        band = Image.new("L", mask.size)
        lean = chance.between(0.25, 0.6) * (1 if chance.happens(0.5) else -1)
        middle, reach = chance.between(0.35, 0.65), 0.16
        corners = [
            (middle + lean - reach, -0.1),
            (middle + lean + reach, -0.1),
            (middle - lean + reach, 1.1),
            (middle - lean - reach, 1.1),
        ]
        ImageDraw.Draw(band).polygon([(px * mask.width, py * mask.height) for px, py in corners], fill=150)
        band = band.filter(ImageFilter.GaussianBlur(0.11 * canvas.unit))
        canvas.veil(ImageChops.multiply(mask, band), mix(stage.palette.sky[3], WHITE, 0.45))
    count = round((230 if asked else 90) * canvas.wide * canvas.tall * stage.horizon)
    for x, y, size, alpha in chance.units(4 * count).reshape(-1, 4):
        height = y * stage.horizon
        fade = 1.0 - 0.75 * (height / max(stage.horizon, 0.01)) ** 2
        radius = 0.0026 + 0.0045 * size**6
        canvas.oval(x, height, radius, radius, (255, 252, 240), (0.45 + 0.55 * alpha) * fade)
        if size > 0.97:
            canvas.glow(x, height, 0.035, (220, 230, 255), 0.6)


def _clouds(stage: Stage, heavy: float) -> None:
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    storm = "storm" in stage.brief.weather
    threshold = 148 - 24 * heavy - (12 if storm else 0)
    noise = canvas.noise(chance, 5.5, stretch=2.6, octaves=4)
    most = 225 if heavy > 0.5 else 165
    mask = noise.point([round(most * _ramp((v - threshold) / 34)) for v in range(256)])
    rows = Image.linear_gradient("L").resize(mask.size)
    edge = stage.horizon
    mask = ImageChops.multiply(
        mask, rows.point([round(255 * _ramp((edge * 1.02 - v / 255) / 0.22)) for v in range(256)])
    )
    bright: Colour = mix(palette.sky[3], WHITE, 0.1 if palette.dark else 0.45)
    shade = mix(bright, mix(palette.sky[1], palette.sky[2], 0.4), 0.55)
    if palette.dark:
        bright, shade = mix(palette.sky[2], palette.sky[3], 0.5), palette.sky[1]
    if storm:
        bright, shade = mix(palette.sky[2], palette.sky[3], 0.4), scaled(palette.sky[0], 0.8)
    canvas.veil(mask, [mix(bright, palette.sky[2], 0.2), bright, mix(bright, palette.sun, 0.25)])
    drop = round(0.03 * canvas.unit)  # the same clouds a little lower, where they are thick: their shaded undersides
    thick = noise.point([round(most * 0.8 * _ramp((v - threshold - 8) / 60)) for v in range(256)])
    under = ImageChops.multiply(ImageChops.offset(thick, 0, drop), mask)
    canvas.veil(under, shade)


def _ramp(value: float) -> float:
    clipped = min(1.0, max(0.0, value))
    return clipped * clipped * (3 - 2 * clipped)


def _aurora(stage: Stage) -> None:
    canvas, chance = stage.canvas, stage.chance
    colours: tuple[Colour, Colour, Colour] = ((70, 240, 160), (60, 200, 220), (170, 90, 230))
    light = np.zeros((canvas.height, canvas.width, 3))
    xs = np.arange(canvas.width) / canvas.width
    ys = (np.arange(canvas.height) / canvas.height)[:, None]
    for index in range(3):
        phase, waves = chance.between(0, 6.28), chance.between(0.8, 1.7)
        foot = (
            stage.horizon * (0.62 - 0.12 * index)
            + 0.06 * np.sin(phase + waves * 6.28 * xs)
            + 0.02 * np.sin(3 * phase + 19 * xs)
        )
        streaks = 0.65 + 0.35 * np.sin(phase + 55 * xs + 6 * np.sin(9 * xs + phase))
        above = foot[None, :] - ys
        curtain = (
            np.where(above > 0, np.exp(-above / 0.13) * np.minimum(1.0, above / 0.06) ** 2, 0.0) * streaks[None, :]
        )
        light += curtain[:, :, None] * np.array(colours[(index + chance.below(2)) % 3]) * 0.62
    glow = Image.fromarray(np.minimum(255, np.floor(light)).astype(np.uint8))
    canvas.image = ImageChops.screen(canvas.image, glow)


def _rainbow(stage: Stage) -> None:
    canvas = stage.canvas
    band: tuple[Colour, ...] = (
        (220, 70, 70),
        (240, 150, 60),
        (245, 220, 90),
        (90, 190, 110),
        (80, 140, 220),
        (130, 90, 190),
    )
    middle = 0.5 + 0.2 * (stage.chance.between(-1, 1))
    for index, colour in enumerate(band):
        radius = 0.62 - 0.016 * index
        points = [
            (middle + radius * math.cos(a) / canvas.wide, stage.horizon + 0.05 - radius * math.sin(a) / canvas.tall)
            for a in (math.pi * i / 40 for i in range(41))
        ]
        canvas.line(points, 0.018, mix(colour, WHITE, 0.2), 0.42)


def _birds(stage: Stage) -> None:
    canvas, chance = stage.canvas, stage.chance
    colour = stage.colour("birds", mix(stage.palette.near, stage.palette.sky[1], 0.25))
    x, y = chance.between(0.2, 0.75), stage.horizon * chance.between(0.25, 0.55)
    for _ in range(9 if stage.asks("birds") else 5):
        size = chance.between(0.022, 0.042) * (1.4 if stage.asks("birds") else 1.0)
        bx, by = x + chance.between(-0.16, 0.16), y + chance.between(-0.07, 0.07)
        wings = smooth([(-1, -0.35), (-0.5, -0.42), (0, 0), (0.5, -0.42), (1, -0.3)], closed=False, steps=4)
        canvas.line(canvas.at(bx, by, wings, size), 0.006, colour, 0.85)


def _balloons(stage: Stage) -> None:
    canvas, chance, palette = stage.canvas, stage.chance, stage.palette
    colours: tuple[Colour, ...] = ((214, 76, 62), (238, 172, 66), (72, 140, 170), (150, 92, 160))
    for index in range(3):
        colour = stage.colour("balloon", chance.pick(colours)) if index == 0 else chance.pick(colours)
        size = (0.17, 0.085, 0.06)[index]
        x, y = chance.between(0.15, 0.85), stage.horizon * chance.between(0.22, 0.6)
        for stripe in range(5):  # gores, the middle ones nearer to us
            across = math.cos(math.pi * stripe / 5)
            shade = palette.lit(
                scaled(colour if stripe % 2 == 0 else mix(colour, WHITE, 0.6), 1.05 - 0.08 * stripe), 0.08 * index
            )
            outline = smooth(
                [(across, 0), (across * 0.8, -0.75), (0, -1.1), (-1, 0), (-0.25, 1.2), (across * 0.3, 1.2)], steps=6
            )
            canvas.shape(canvas.at(x, y, outline, size), shade)
        canvas.line(canvas.at(x, y, [(-0.2, 1.2), (-0.12, 1.6)], size), 0.003, palette.near)
        canvas.line(canvas.at(x, y, [(0.2, 1.2), (0.12, 1.6)], size), 0.003, palette.near)
        basket = canvas.at(x, y, [(-0.15, 1.55), (0.15, 1.55), (0.12, 1.85), (-0.12, 1.85)], size)
        canvas.shape(basket, palette.lit((120, 84, 56)))


def _lightning(stage: Stage) -> None:
    canvas, chance = stage.canvas, stage.chance
    x, y = chance.between(0.15, 0.85), 0.05
    points = [(x, y)]
    while y < stage.horizon:
        x, y = x + chance.between(-0.05, 0.05), y + chance.between(0.02, 0.06)
        points.append((x, min(y, stage.horizon)))
    canvas.glow(points[len(points) // 2][0], stage.horizon * 0.5, 0.6, (200, 210, 255), 0.5)
    canvas.line(points, 0.007, (250, 250, 255), 0.95)
