"""The words the sketch model knows, as data: each with what it means.

A meaning is (kind, name); `words` reads prompts with them, `scenes` and its neighbours draw the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

Colour = tuple[int, int, int]

COLOURS: Mapping[str, Colour] = MappingProxyType(
    {
        "red": (200, 48, 44),
        "crimson": (170, 28, 48),
        "scarlet": (214, 52, 36),
        "orange": (236, 132, 48),
        "ginger": (206, 108, 48),
        "amber": (240, 170, 60),
        "yellow": (246, 208, 72),
        "gold": (228, 180, 76),
        "golden": (228, 180, 76),
        "blonde": (236, 204, 130),
        "blond": (236, 204, 130),
        "green": (76, 148, 84),
        "emerald": (34, 142, 102),
        "teal": (38, 138, 142),
        "turquoise": (64, 186, 186),
        "cyan": (92, 204, 224),
        "blue": (62, 116, 204),
        "azure": (84, 156, 226),
        "navy": (34, 50, 104),
        "indigo": (70, 64, 160),
        "purple": (124, 72, 168),
        "violet": (138, 88, 190),
        "lavender": (178, 156, 216),
        "pink": (238, 142, 172),
        "magenta": (204, 58, 142),
        "brown": (122, 80, 54),
        "auburn": (142, 66, 42),
        "brunette": (84, 56, 42),
        "beige": (222, 200, 168),
        "black": (36, 34, 42),
        "white": (244, 242, 238),
        "grey": (142, 146, 152),
        "gray": (142, 146, 152),
        "silver": (202, 208, 218),
    }
)
"""Colour words, as 8-bit sRGB chosen to sit well together."""

PHRASES: Mapping[str, str] = MappingProxyType(
    {
        r"golden hour": "sunset",
        r"blue hour": "dusk",
        r"northern lights?": "aurora",
        r"milky way": "starry",
        r"cherry (blossoms?|trees?)": "sakura",
        r"full moon": "moon",
        r"light ?house": "lighthouse",
        r"sky ?scrapers?": "city",
        r"sail ?boats?": "boat",
        r"snow ?capped": "snowcapped",
        r"depth of field": "sharp",
    }
)
"""What stands for one word, as a regular expression, and that word."""

_MEANINGS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("time", "day"): "day noon midday daylight sunny sunlight sunlit morning afternoon summer spring bright",
        ("time", "dawn"): "dawn sunrise daybreak",
        ("time", "sunset"): "sunset sundown autumn fall",
        ("time", "dusk"): "dusk twilight evening gloaming",
        ("time", "night"): "night midnight nighttime nocturnal starry dark moonlit moonlight",
        (
            "ground",
            "sea",
        ): "sea ocean wave harbor harbour bay coast coastal marine pier ship yacht boat island lighthouse",
        ("ground", "beach"): "beach shore seaside sand tropical palm",
        ("ground", "lake"): "lake river pond reflection water canal bridge",
        (
            "ground",
            "field",
        ): "field meadow flower grass grassland wheat farm countryside poppy tulip sunflower rose daisy "
        "lavender garden prairie spring barn windmill",
        ("ground", "snow"): "snow winter ice icy frozen arctic glacier christmas frost",
        ("ground", "desert"): "desert dune sahara cactus pyramid camel",
        ("ground", "hills"): "hill valley landscape countryside highland scenery",
        ("ground", "clouds"): "heaven flying airplane dragon",
        ("backdrop", "mountains"): "mountain alp peak cliff volcano himalaya fjord snowcapped highland rocky",
        ("backdrop", "forest"): "forest wood woodland jungle pine taiga tree sakura woods",
        (
            "backdrop",
            "city",
        ): "city town skyline street downtown urban metropolis cyberpunk tokyo london york paris moscow "
        "village neon cityscape building",
        ("weather", "snow"): "snow winter snowfall snowstorm blizzard snowflake christmas",
        ("weather", "rain"): "rain drizzle",
        ("weather", "fog"): "fog mist haze foggy misty",
        ("weather", "clouds"): "cloud cloudy overcast sky heaven",
        ("weather", "storm"): "storm stormy thunder lightning thunderstorm tempest",
        ("weather", "clear"): "clear cloudless",
        ("thing", "moon"): "moon crescent moonlit moonlight",
        ("thing", "stars"): "star starry galaxy constellation nebula space cosmos",
        ("thing", "aurora"): "aurora",
        ("thing", "sun"): "sun",
        ("thing", "rainbow"): "rainbow",
        ("thing", "birds"): "bird gull seagull swallow crow raven",
        ("thing", "balloon"): "balloon",
        ("thing", "lighthouse"): "lighthouse beacon",
        ("thing", "boat"): "boat ship yacht sail sailing",
        ("thing", "house"): "house cottage cabin hut home barn farm village chalet",
        ("thing", "castle"): "castle palace fortress tower",
        ("thing", "windmill"): "windmill",
        ("thing", "tree"): "tree oak maple",
        ("thing", "sakura"): "sakura blossom",
        ("thing", "palm"): "palm tropical",
        ("thing", "cactus"): "cactus cacti",
        ("thing", "flowers"): "flower poppy tulip sunflower rose daisy lavender garden blossom spring",
        ("thing", "cat"): "cat kitten kitty",
        ("thing", "dog"): "dog puppy wolf fox",
        ("thing", "person"): "portrait face selfie person",
        ("thing", "girl"): "girl woman lady princess queen female she her witch elf waifu",
        ("thing", "boy"): "boy man male he his king guy astronaut wizard warrior samurai",
        ("thing", "hair"): "hair haired",
        ("thing", "eyes"): "eye eyed",
        ("thing", "dress"): "dress shirt coat jacket hoodie sweater kimono clothes robe scarf",
    }
)

_WORD_COLOURS = {"rose": "pink", "poppy": "red", "sunflower": "yellow", "fox": "ginger", "astronaut": "silver"}


def _by_word() -> Mapping[str, tuple[tuple[str, str], ...]]:
    known: dict[str, list[tuple[str, str]]] = {}
    for word, colour in _WORD_COLOURS.items():
        known.setdefault(word, []).append(("colour", colour))
    for meaning, words in _MEANINGS.items():
        for word in words.split():
            known.setdefault(word, []).append(meaning)
    return MappingProxyType({word: tuple(meanings) for word, meanings in known.items()})


KNOWN: Mapping[str, tuple[tuple[str, str], ...]] = _by_word()
"""Each known word with all it means."""

_PASSED_OVER = (
    "a an the of in on at by with and or to from for as is are its it over under above near behind into through "
    "this that some very best quality masterpiece high highly detailed detail details ultra hd uhd hdr 4k 8k 16k "
    "res resolution sharp focus intricate professional photo photograph photography photorealistic photorealism "
    "realistic realism award winning winner cinematic beautiful gorgeous stunning amazing aesthetic elegant good "
    "great nice perfect composition artstation trending render rendered octane unreal engine illustration "
    "painting digital art artwork style image picture picturesque vivid vibrant colors colours colorful colourful "
    "color colour lighting light lit soft natural well exposed balanced clean crisp extremely incredibly "
    "absurdres wallpaper film grain dslr raw lens bokeh shot wide angle close up scene view fine texture textures "
    "rich clear clarity lifelike correct accurate "
)

PASSED_OVER: frozenset[str] = frozenset(_PASSED_OVER.split())
"""Words that say how good a picture should be, or hold a sentence together: they change nothing."""
