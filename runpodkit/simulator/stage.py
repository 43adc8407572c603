"""What all parts of one scene share while it is drawn: the sheet, the light, chance, and where things stand."""

from __future__ import annotations

from dataclasses import dataclass

from runpodkit.simulator.canvas import Canvas
from runpodkit.simulator.chance import Chance
from runpodkit.simulator.palettes import Palette
from runpodkit.simulator.vocabulary import COLOURS, Colour
from runpodkit.simulator.words import Brief


@dataclass
class Stage:
    """One scene in the making.

    Attributes:
        horizon: Height of the horizon, as a share of the sheet from its top.
        light_x, light_y: Where the sun or moon stands, as shares.
        ground: What lies below the horizon; a name of `Brief.grounds`.
        centre: Where the main thing stands from left to right, as a share.
        chance: What differs from variant to variant; `person`: what is the same in all of them (fur, hair, skin).
        pet_shift: How far an animal stands aside, to leave room for another.
    """

    canvas: Canvas
    palette: Palette
    chance: Chance
    person: Chance
    brief: Brief
    horizon: float
    light_x: float
    light_y: float
    ground: str
    centre: float
    pet_shift: float = 0.0

    def colour(self, thing: str, otherwise: Colour) -> Colour:
        """The colour the prompt gives a thing, else `otherwise`."""
        from_prompt = self.brief.thing(thing)
        named = from_prompt.colour if from_prompt else None
        return COLOURS[named] if named else otherwise

    def asks(self, thing: str) -> bool:
        return self.brief.thing(thing) is not None

    @property
    def snowy(self) -> bool:
        return self.ground == "snow" or "snow" in self.brief.weather
