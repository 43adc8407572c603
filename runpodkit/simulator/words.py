"""What the sketch model understands of a prompt: its words become a `Brief`.

Pure: no drawing, no chance.  Words it knows name a time of day, a place, weather, colours and
things; words it does not know still count, through `digest`, which decides whatever the prompt
leaves open.  Words of praise ("best quality, masterpiece") are passed over.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

from runpodkit.simulator.vocabulary import COLOURS, KNOWN, PASSED_OVER, PHRASES


@dataclass(frozen=True)
class Thing:
    """Something to draw, and the colour the prompt gives it, if any."""

    name: str
    colour: str | None = None


@dataclass(frozen=True)
class Brief:
    """A prompt as far as it is understood; equal briefs are drawn alike.

    Attributes:
        time: One of day, dawn, sunset, dusk, night; None: left open.
        grounds: What lies below, in the prompt's order: sea, beach, lake, field, snow, desert, hills, clouds.
        backdrops: What stands behind: mountains, forest, city.
        weather: Any of snow, rain, fog, clouds, storm, clear.
        things: What stands in front or hangs in the sky, with colours.
        tint: A colour of the whole, from colour words that belong to no thing.
        digest: 16 hex digits of all words that count.
    """

    time: str | None
    grounds: tuple[str, ...]
    backdrops: tuple[str, ...]
    weather: frozenset[str]
    things: tuple[Thing, ...]
    tint: str | None
    digest: str

    def thing(self, name: str) -> Thing | None:
        """The thing of this name, if the prompt asks for it."""
        return next((thing for thing in self.things if thing.name == name), None)


def read_prompt(prompt: str, negative_prompt: str = "") -> Brief:
    """Read a prompt; what its negative prompt names is taken out again.

    Any text is understood somehow: nothing in it is an error.
    """
    unwanted = {meaning for _, meanings in _tokens(negative_prompt) for meaning in meanings}
    found: dict[str, list[str]] = {"time": [], "ground": [], "backdrop": [], "weather": [], "thing": []}
    colours: dict[str, str] = {}
    counted: list[str] = []
    loose: list[str] = []  # colour words still waiting for the thing they belong to
    tints: list[str] = []
    since = 0
    for word, meanings in _tokens(prompt):
        kept = [meaning for meaning in meanings if meaning not in unwanted]
        if meanings and not kept:
            continue
        counted.append(word)
        since += 1
        for kind, name in kept:
            if kind == "colour":
                loose.append(name)
                since = 0
                continue
            if name not in found[kind]:
                found[kind].append(name)
            if loose and kind == "thing" and since <= 3:
                colours.setdefault(name, loose.pop())
        if loose and (since > 3 or word in {",", ".", "and"}):
            tints.extend(loose)
            loose = []
    tints.extend(loose)
    things = tuple(Thing(name, colours.get(name)) for name in found["thing"])
    content = " ".join(word for word in counted if word not in PASSED_OVER and word not in {",", "."})
    return Brief(
        time=found["time"][0] if found["time"] else None,
        grounds=tuple(found["ground"]),
        backdrops=tuple(found["backdrop"]),
        weather=frozenset(found["weather"]),
        things=things,
        tint=tints[0] if tints else None,
        digest=hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()[:16],
    )


def _tokens(text: str) -> list[tuple[str, tuple[tuple[str, str], ...]]]:
    """Words in order with what each means as (kind, name); weights like `(blue:1.2)` and underscores fall away."""
    lowered = re.sub(r":\s*-?\d+(\.\d+)?", " ", text.casefold()).replace("_", " ").replace("-", " ")
    for phrase, word in PHRASES.items():
        lowered = re.sub(rf"\b{phrase}\b", word, lowered)
    tokens = []
    for word in re.findall(r"[^\W_]+|[,.]", lowered):
        if word in COLOURS:
            tokens.append((word, (("colour", word), *KNOWN.get(word, ()))))
        else:
            tokens.append((word, next((KNOWN[form] for form in _forms(word) if form in KNOWN), ())))
    return tokens


def _forms(word: str) -> tuple[str, ...]:
    """The word itself and what it may be the plural or the adjective of."""
    forms = [word]
    for ending, instead in (("ies", "y"), ("es", ""), ("s", ""), ("y", ""), ("ed", ""), ("ing", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            forms.append(word[: -len(ending)] + instead)
    return tuple(forms)
