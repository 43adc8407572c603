"""A dialect: how one kind of worker spells its input and output, as data.

A row of data, built in or a user's own; this module reads it both ways.  A dialect knows
names, defaults, bounds and what a worker cannot honour; it knows no endpoint, opens no
file and sends nothing.
"""

from __future__ import annotations

import copy
import difflib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from runpodkit.endpoint.dialects.advice import advice
from runpodkit.endpoint.dialects.reading import Reading, read_output
from runpodkit.params import RANDOM_SEED, ImageParams, explain
from runpodkit.prompts import PRESETS, enhance

OURS = frozenset({"user_prompt", "use_enhanced_prompts", "extra", "timeout"})
"""Fields that every dialect honours: they are ours, not a worker's."""
WORKERS_OWN = "euler a"
"""As a scheduler, in any capitals: the worker's own default, for every dialect but `native`."""
_NEUTRAL = ImageParams(user_prompt="-")
_RATIO = re.compile(r"[1-9]\d{0,2}:[1-9]\d{0,2}")


def _listed(value: object) -> object:
    return (value,) if isinstance(value, str) else value


def _as_table(value: object) -> object:
    return {str(name): str(name) for name in value} if isinstance(value, list | tuple) else value


Paths = Annotated[tuple[str, ...], BeforeValidator(_listed)]
"""One dotted path into the input, or several that get the same value."""
Names = Annotated[dict[str, str], BeforeValidator(_as_table)]
"""Our name → the worker's; a list where they are the same."""


class Bound(BaseModel):
    """What a worker takes for one field; narrower than `ImageParams`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ge: float | None = None
    le: float | None = None
    multiple_of: int | None = None
    choices: tuple[float, ...] = ()

    def refuses(self, value: float) -> str | None:
        """What is wrong with a value, beginning `must be`; None if nothing is."""
        if self.choices and value not in self.choices:
            return f"must be one of {', '.join(f'{choice:g}' for choice in self.choices)}"
        outside = (self.ge is not None and value < self.ge) or (self.le is not None and value > self.le)
        if not outside and not (self.multiple_of and value % self.multiple_of):
            return None
        low = "" if self.ge is None else f"{self.ge:g}"
        high = "" if self.le is None else f"{self.le:g}"
        step = f", in steps of {self.multiple_of}" if self.multiple_of else ""
        return f"must be within {low}..{high}{step}"


class Size(BaseModel):
    """Width and height in one input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    input: str
    join: Literal["*", "x", ":"]
    """`W*H`, `WxH`, or an aspect ratio `W:H` in small numbers."""
    choices: tuple[str, ...] = ()
    """All that the worker takes; empty: any."""

    @model_validator(mode="after")
    def _has_shapes(self) -> Size:
        if self.join == ":" and not (self.choices and all(_RATIO.fullmatch(choice) for choice in self.choices)):
            raise ValueError("choices: an aspect ratio needs the list of those there are, such as 16:9")
        return self

    def spell(self, width: int, height: int) -> str | None:
        """As the worker takes it; None if it does not take this size."""
        if self.join == ":":
            ratios = {choice: int(choice.split(":")[0]) / int(choice.split(":")[1]) for choice in self.choices}
            near = min(ratios, key=lambda choice: abs(ratios[choice] - width / height))
            # 1344×768 is the multiple of 64 that stands for 16:9
            return near if abs(ratios[near] * height / width - 1) < 0.03 else None
        text = f"{width}{self.join}{height}"
        return text if not self.choices or text in self.choices else None


class Dialect(BaseModel):
    """How one kind of worker spells things."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, max_length=100)
    about: str = ""
    """Which worker or model this is, in a few words."""
    names: dict[str, Paths]
    """Our field → where it goes in the input; a field that is not here cannot be honoured."""
    size: Size | None = None
    """Where width and height go, if they have no names of their own."""
    fixed: dict[str, Any] = {}
    """What every input holds besides."""
    complete: bool = False
    """Send every field, set or not; else only what was set, what has a default here, prompt and seed."""
    defaults: dict[str, Any] = {}
    """The worker's own, where they differ from those of `ImageParams`."""
    bounds: dict[str, Bound] = {}
    max_pixels: int | None = None
    samplers: Names = {}
    schedulers: Names = {}
    preset: str = "none"
    needs: tuple[str, ...] = ()
    """Fields without which the worker can do nothing."""
    image_as: Literal["value", "list", "comfyui"] = "value"
    """How `input_image` goes into its place; `comfyui`: a file name there, the file itself in `images`."""
    extras: dict[str, Paths] | None = None
    """Further inputs that the worker takes → where they go; None: any, at `extra_at`."""
    extra_at: str = "{name}"
    """Where an `extra` goes that is not among `extras`; empty: the worker refuses it."""
    ignored: dict[str, str] = {}
    """Inputs that the worker would ignore without a word → the field to use."""
    volatile: tuple[str, ...] = ()
    """Places that get a mark of their own in every submission, and do not count for the key."""
    output: str | None = None
    """Dotted path to the pictures in an output; None: looked for."""
    usd_per_image: float | None = Field(None, ge=0)
    usd_per_megapixel: float | None = Field(None, ge=0)
    public: bool = False
    """One of RunPod's public endpoints, whose id is the name."""

    @model_validator(mode="after")
    def _whole(self) -> Dialect:
        known = set(ImageParams.model_fields) - OURS | {"user_prompt"}
        for where, given in (("names", self.names), ("defaults", self.defaults), ("bounds", self.bounds)):
            if unknown := sorted(given.keys() - known):
                raise ValueError(f"{where}: {', '.join(unknown)}: not a parameter; known: {', '.join(sorted(known))}")
        if self.preset not in PRESETS:
            raise ValueError(f"preset={self.preset!r} is unknown; known: {', '.join(PRESETS)}")
        if "user_prompt" not in self.names:
            raise ValueError("names: user_prompt is missing: where does the prompt go?")
        try:
            _NEUTRAL.with_values(self.defaults)
        except ValidationError as exc:
            raise ValueError(f"defaults: {explain(exc)}") from None
        return self

    @property
    def takes(self) -> frozenset[str]:
        """The fields of `ImageParams` that this dialect can honour."""
        return OURS | frozenset(self.names) | (frozenset({"width", "height"}) if self.size else frozenset())

    # before the run

    def resolve(self, params: ImageParams) -> ImageParams:
        """`params` with this dialect's defaults for what was not set, and names in its spelling."""
        values = {name: value for name, value in self.defaults.items() if name not in params.model_fields_set}
        for name, known in self._tables():
            given = getattr(params, name)
            spelt = spelling(given, known)
            if spelt is not None and spelt != given and name not in values:
                values[name] = spelt
        return params.with_values(values) if values else params

    def refusals(self, params: ImageParams, swept: Collection[str] = ()) -> list[str]:
        """What of these parameters this dialect cannot honour, each in a line; only what was set or swept counts."""
        given = params.model_fields_set
        asked = {*given, *(name.partition(".")[0] for name in swept)}
        problems = [*self._unknown_fields(params, asked, swept), *self._unknown_names(params, given)]
        problems += [
            f"{name}={value:g}: {why} for the {self.name} dialect"
            for name, bound in self.bounds.items()
            if name in given and (value := getattr(params, name)) is not None and (why := bound.refuses(value))
        ]
        problems += self._impossible_size(params, given)
        problems += [
            f"{name} is missing: the {self.name} dialect draws nothing without it"
            for name in self.needs
            if getattr(params, name) is None and name not in swept
        ]
        return problems + list(self._unknown_extras([*params.extra, *_extra_axes(swept)]))

    def weighs(self, name: str) -> bool:
        """Whether it depends on the value of a field if `refusals` has something to say."""
        tables = [field for field, _ in self._tables()]
        return name not in self.takes or name in ("width", "height", "extra", *tables, *self.bounds, *self.needs)

    def _unknown_fields(self, params: ImageParams, asked: Collection[str], swept: Collection[str]) -> Iterator[str]:
        for name in ImageParams.model_fields:
            if name in asked and name not in self.takes:
                value = getattr(params, name)
                if (value != getattr(_NEUTRAL, name) or name in swept) and not (
                    name == "seed" and name not in swept and value == RANDOM_SEED
                ):
                    yield (
                        f"{name}={value!r}: the {self.name} dialect has no such input; "
                        "leave it out, or send it as the worker spells it with extra={…}"
                    )

    def _unknown_names(self, params: ImageParams, given_names: Collection[str]) -> Iterator[str]:
        for name, known in self._tables():
            given = getattr(params, name)
            if name not in given_names or not known or name in params.extra or spelling(given, known) is not None:
                continue
            if name == "scheduler" and self._is_workers_own(given):
                continue
            near = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
            hint = f"did you mean {near[0]!r}? " if near else ""
            around = f'; extra={{"{self.names[name][0]}": {given!r}}} sends it all the same' if self.extra_at else ""
            yield f"{name}={given!r} is unknown to the {self.name} dialect: {hint}known: {', '.join(known)}{around}"

    def _impossible_size(self, params: ImageParams, given: Collection[str]) -> Iterator[str]:
        if not {"width", "height"} & set(given):
            return
        resolved = self.resolve(params)
        width, height = resolved.width, resolved.height
        if self.size and not self.size.spell(width, height):
            kind = "shapes" if self.size.join == ":" else "sizes"
            yield f"{width}×{height}: the {self.name} dialect takes these {kind}: {', '.join(self.size.choices)}"
        elif self.max_pixels and width * height > self.max_pixels:
            yield f"{width}×{height} is over the {self.max_pixels:,} pixels that the {self.name} dialect takes"

    def _unknown_extras(self, names: Collection[str]) -> Iterator[str]:
        for name in names:
            if name in self.ignored:
                yield f"extra.{name}: the worker ignores it without a word; use {self.ignored[name]}"
            elif self._extra_paths(name) is None:
                known = ", ".join(self.extras or ()) or "none"
                yield f"extra.{name}: the {self.name} dialect has no such input, and its worker refuses unknown ones; known: {known}"

    def _extra_paths(self, name: str) -> Paths | None:
        """Where an extra goes; None if the worker does not take it."""
        if self.extras and name in self.extras:
            return self.extras[name]
        if "{node}" in self.extra_at:
            node, _, slot = name.rpartition(".")
            return (self.extra_at.format(node=node, input=slot),) if node in self.fixed.get("workflow", {}) else None
        return (self.extra_at.format(name=name),) if self.extra_at else None

    # what is sent

    def to_input(
        self, params: ImageParams, *, mark: str = "", image: Callable[[str], str] | None = None
    ) -> dict[str, Any]:
        """Resolved parameters with a real seed as this worker's input; `extra` is merged in last.

        Args:
            mark: For places that must differ in every submission; empty leaves them as they are.
            image: Turns `input_image` into what can be sent: a link or a data URI.
        """
        sent = enhance(params, PRESETS[self.preset])
        wire: dict[str, Any] = copy.deepcopy(self.fixed)
        for name, paths in self.names.items():
            match name:
                case "user_prompt":
                    value: Any = sent.prompt
                case "negative_prompt":
                    value = sent.negative_prompt
                case "sampler_name" | "scheduler":
                    given = getattr(params, name)
                    table = self.samplers if name == "sampler_name" else self.schedulers
                    value = table.get(given, given)
                case "input_image":
                    value = params.input_image and (image(params.input_image) if image else params.input_image)
                case _:
                    value = getattr(params, name)
            if not self._is_sent(name, params, value):
                continue
            if name == "input_image":
                value = self._placed_image(wire, value)
            for path in paths:
                _put(wire, path, value)
        if self.size and {"width", "height"} & params.model_fields_set:
            _put(wire, self.size.input, self.size.spell(params.width, params.height))
        for name, value in params.extra.items():
            for path in self._extra_paths(name) or (name,):
                _put(wire, path, value)
        if mark:
            for path in self.volatile:
                _put(wire, path, mark)
        return wire

    def canonical(self, params: ImageParams) -> dict[str, Any]:
        """The input as far as it decides what is drawn: what a trial's key is made of."""
        wire = self.to_input(params)
        for path in self.volatile:
            _drop(wire, path)
        return wire

    def asks_size(self, params: ImageParams) -> bool:
        """Whether width and height of resolved parameters are really asked for, to the pixel."""
        said = self.complete or {"width", "height"} <= params.model_fields_set
        return said and "width" in self.takes and not (self.size and self.size.join == ":")

    def _is_sent(self, name: str, params: ImageParams, value: Any) -> bool:
        if self.complete or name in ("user_prompt", "seed"):
            return True
        if name == "negative_prompt":
            return bool(value) or params.negative_prompt is not None
        if name == "scheduler" and self._is_workers_own(getattr(params, name)):
            return False
        return name in params.model_fields_set and value is not None

    def _is_workers_own(self, scheduler: str) -> bool:
        return not self.complete and scheduler.casefold() == WORKERS_OWN

    def _placed_image(self, wire: dict[str, Any], value: Any) -> Any:
        if self.image_as == "list":
            return [value]
        if self.image_as == "comfyui":
            wire["images"] = [*wire.get("images", []), {"name": "input.png", "image": value}]
            return "input.png"
        return value

    def _tables(self) -> tuple[tuple[str, Mapping[str, str]], ...]:
        both = (("sampler_name", self.samplers), ("scheduler", self.schedulers))
        return tuple((name, known) for name, known in both if name in self.names)

    # what comes back

    def read(self, output: Any) -> Reading:
        """The pictures of a COMPLETED job's output, or the error it hides."""
        return read_output(output, self.output)

    def explain(self, reason: str) -> str:
        """Why a job failed, with what to do about it where a known worker is speaking."""
        hint = advice(reason, self.name)
        return f"{reason}; {hint}" if hint else reason

    def price_usd(self, params: ImageParams) -> float | None:
        """What the published price list asks for one job; None where there is none."""
        if self.usd_per_image is not None:
            return self.usd_per_image * params.num_images
        if self.usd_per_megapixel is not None:
            return self.usd_per_megapixel * params.num_images * params.width * params.height / 1e6
        return None


def spelling(given: str, known: Mapping[str, str]) -> str | None:
    """Our name for `given`: the same in other capitals, or the worker's own word; None if it is unknown."""
    if given in known:
        return given
    folded = given.casefold()
    ours = next((name for name in known if name.casefold() == folded), None)
    return ours or next((name for name, theirs in known.items() if theirs.casefold() == folded), None)


def _extra_axes(swept: Collection[str]) -> list[str]:
    return [name.partition(".")[2] for name in swept if name.startswith("extra.")]


def _put(wire: dict[str, Any], path: str, value: Any) -> None:
    *way, last = path.split(".")
    place = wire
    for part in way:
        place = place.setdefault(part, {})
    place[last] = value


def _drop(wire: dict[str, Any], path: str) -> None:
    *way, last = path.split(".")
    place: Any = wire
    for part in way:
        place = place.get(part, {}) if isinstance(place, dict) else {}
    if isinstance(place, dict):
        place.pop(last, None)
