"""Scenes: a brief and the number of a variant become a small picture.

These are what the sketch model's mixture is made of.  Variants of a brief show the same things in
other light, at other places.  The same brief, variant and size give the same pixels everywhere.
"""

from __future__ import annotations

from dataclasses import replace

from runpodkit.simulator.animals import cat, dog
from runpodkit.simulator.backdrops import draw_backdrops
from runpodkit.simulator.buildings import boat, castle, house, lighthouse, windmill
from runpodkit.simulator.canvas import Canvas
from runpodkit.simulator.chance import Chance, Floats
from runpodkit.simulator.grounds import WATER, draw_ground
from runpodkit.simulator.palettes import PALETTES, WHITE, mix
from runpodkit.simulator.plants import broad_tree, cactus, grass_and_flowers, palm
from runpodkit.simulator.portrait import portrait
from runpodkit.simulator.skies import draw_sky, draw_weather
from runpodkit.simulator.stage import Stage
from runpodkit.simulator.vocabulary import COLOURS
from runpodkit.simulator.words import Brief

_OPEN_TIMES = ("day", "day", "dawn", "sunset", "sunset", "dusk", "night")
_OPEN_GROUNDS = ("hills", "hills", "lake", "sea", "field", "desert", "clouds")
_PEOPLE = ("person", "girl", "boy")
_SAKURA = (244, 178, 200)


def draw_scene(brief: Brief, variant: int, width: int, height: int) -> Floats:
    """One variant of a brief, shape (height, width, 3), values in [-1, 1]."""
    canvas = Canvas(width, height)
    stage = _stage(canvas, brief, variant)
    person = any(stage.asks(name) for name in _PEOPLE)
    draw_sky(stage)
    draw_backdrops(stage)
    if stage.asks("castle"):
        castle(stage)
    draw_ground(stage)
    _things_far(stage)
    if person:
        _behind_a_person(stage)
        portrait(stage)
    _things_near(stage)
    draw_weather(stage)
    _finish(canvas, foot=0.1 if person else 0.22)
    return canvas.finished()


def _stage(canvas: Canvas, brief: Brief, variant: int) -> Stage:
    choice = Chance("brief", brief.digest)  # what the prompt leaves open is settled once for all its variants
    time, ground = _time(brief, choice), _ground(brief, choice)
    chance = Chance("variant", brief.digest, variant)
    palettes = PALETTES[time]
    palette = palettes[(choice.below(len(palettes)) + variant) % len(palettes)]
    palette = palette.rotated(choice.between(-0.02, 0.02) + chance.between(-0.012, 0.012))
    if brief.tint:
        palette = palette.tinted(COLOURS[brief.tint])
    horizon = _horizon(brief, ground, chance)
    low = time in ("sunset", "dawn")
    light_y = horizon - (chance.between(0.03, 0.12) if low else horizon * chance.between(0.45, 0.75))
    if time == "dusk" and not brief.thing("moon"):
        light_y = horizon + chance.between(-0.02, 0.03)  # just gone, or nearly
    elif "city" in brief.backdrops and not low:
        light_y = horizon * chance.between(0.12, 0.3)
    centre = chance.pick((0.3, 0.36, 0.5, 0.64, 0.7)) + chance.between(-0.03, 0.03)
    light_x = chance.between(0.15, 0.85)
    if abs(light_x - centre) < 0.14:  # not behind the main thing
        light_x = centre + (0.27 if centre < 0.5 else -0.27)
    return Stage(
        canvas, palette, chance, Chance("person", brief.digest), brief, horizon, light_x, light_y, ground, centre
    )


def _time(brief: Brief, choice: Chance) -> str:
    """The key of `PALETTES`: the time asked for, else what place and weather suggest, else anything."""
    open_time = choice.pick(_OPEN_TIMES)
    if brief.time and brief.time != "day":
        return brief.time
    for weather in ("storm", "fog"):
        if weather in brief.weather:
            return weather
    if brief.thing("stars") or brief.thing("aurora") or (brief.thing("moon") and not brief.time):
        return "night"
    if "rain" in brief.weather:
        return "storm"
    if "snow" in brief.weather or "snow" in brief.grounds:
        return "winter"
    if brief.time == "day" or brief.thing("rainbow") or brief.thing("flowers") or "clouds" in brief.weather:
        return "day"
    if any(brief.thing(name) for name in ("cat", "dog", *_PEOPLE)):
        return choice.pick(("day", "dawn", "day"))
    return open_time


def _ground(brief: Brief, choice: Chance) -> str:
    open_ground = choice.pick(_OPEN_GROUNDS)
    if "beach" in brief.grounds:
        return "beach"
    if "snow" in brief.grounds and set(brief.grounds) & {"field", "hills"}:
        return "snow"
    if brief.grounds:
        return brief.grounds[0]
    if "city" in brief.backdrops:
        return "lake"
    if brief.backdrops:
        return "hills" if "forest" in brief.backdrops else choice.pick(("hills", "lake"))
    if any(brief.thing(name) for name in ("cat", "dog", "house", "tree", "windmill")):
        return "field"
    return "hills" if brief.thing("castle") else open_ground


def _horizon(brief: Brief, ground: str, chance: Chance) -> float:
    if any(brief.thing(name) for name in ("cat", "dog")):
        return chance.between(0.42, 0.52)
    if ground in ("field", "snow", "desert") and not (brief.thing("stars") or brief.thing("aurora")):
        return chance.between(0.42, 0.52)
    if ground in ("hills", "clouds") and not brief.backdrops:
        return chance.between(0.44, 0.56)
    return chance.between(0.54, 0.62)


def _things_far(stage: Stage) -> None:
    for name, draw in (("windmill", windmill), ("lighthouse", lighthouse), ("boat", boat)):
        if stage.asks(name):
            draw(stage)
    if stage.asks("house") and not stage.asks("windmill") and stage.ground not in WATER:
        house(stage)
    canvas, chance = stage.canvas, stage.chance
    if stage.asks("tree") or stage.asks("sakura"):
        leaves = _SAKURA if stage.asks("sakura") else (96, 142, 72)
        leaves = stage.colour("sakura", stage.colour("tree", leaves))
        x = stage.centre if not stage.asks("house") else (0.84 if stage.centre < 0.5 else 0.16)
        broad_tree(stage, x, stage.horizon + (1 - stage.horizon) * 0.36, 0.6 * min(1.0, canvas.tall), leaves)
    if stage.asks("palm"):
        for x, tall in ((0.12, 0.62), (0.24, 0.46)):
            palm(stage, x if stage.light_x > 0.5 else 1 - x, 0.92 + chance.between(-0.03, 0.03), tall)
    if stage.asks("cactus") or (stage.ground == "desert" and chance.happens(0.4)):
        for x, down, tall in ((stage.centre, 0.55, 0.3), (1 - stage.centre, 0.28, 0.15)):
            cactus(stage, x, stage.horizon + (1 - stage.horizon) * down, tall)


def _things_near(stage: Stage) -> None:
    pets = [(name, draw) for name, draw in (("dog", dog), ("cat", cat)) if stage.asks(name)]
    crowded = len(pets) > 1 or any(stage.asks(name) for name in _PEOPLE)
    for (_, draw), shift in zip(pets, (0.24, -0.24), strict=False):
        draw(replace(stage, pet_shift=shift) if crowded else stage)
    if pets and stage.ground == "field":
        grass_and_flowers(stage, flowers=stage.asks("flowers"), front=True)


def _behind_a_person(stage: Stage) -> None:
    """The scene steps back: blurred, paler, with lights out of focus."""
    canvas, palette, chance = stage.canvas, stage.palette, stage.chance
    canvas.soften(0.022)
    canvas.wash(0.0, 1.0, mix(palette.horizon, WHITE, 0.2), 0.28, 0.16)
    for x, y, size, alpha in chance.units(4 * 14).reshape(-1, 4):
        radius = 0.02 + 0.05 * size
        canvas.oval(x, y, radius, radius, mix(palette.sun, palette.sky[2], alpha), 0.10 + 0.14 * alpha, soft=0.004)


def _finish(canvas: Canvas, foot: float) -> None:
    """A little darker towards top and bottom edges, so the eye stays inside."""
    dark = (12, 12, 28)
    canvas.wash(0.0, 0.18, dark, 0.16, 0.0)
    canvas.wash(0.8, 1.0, dark, 0.0, foot)
