"""A dialect: how one kind of worker spells its input and output, as data.

A dialect knows names, defaults and what a worker cannot honour; it knows no endpoint
and sends nothing.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from runpodkit.endpoint.dialects.reading import Reading, read_output
from runpodkit.params import ImageParams
from runpodkit.prompts import PRESETS, enhance

_OURS = frozenset({"user_prompt", "use_enhanced_prompts", "extra", "timeout"})
"""Fields that every dialect honours: they are ours, not a worker's."""


@dataclass(frozen=True)
class Dialect:
    """How one kind of worker spells things."""

    name: str
    names: Mapping[str, str]
    """Our field → the worker's; a field that is not here cannot be honoured."""
    samplers: tuple[str, ...] = ()
    schedulers: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """The worker's own, where they differ from those of `ImageParams`."""
    preset: str = "none"

    @property
    def takes(self) -> frozenset[str]:
        """The fields of `ImageParams` that this dialect can honour."""
        return _OURS | frozenset(self.names)

    def resolve(self, params: ImageParams) -> ImageParams:
        """`params` with this dialect's defaults for what was not set, and names in the worker's spelling."""
        values = {name: value for name, value in self.defaults.items() if name not in params.model_fields_set}
        for name, known in (("sampler_name", self.samplers), ("scheduler", self.schedulers)):
            given = getattr(params, name)
            spelt = _spelt(given, known)
            if spelt is not None and spelt != given:
                values[name] = spelt
        return params.with_values(values) if values else params

    def refusals(self, params: ImageParams, swept: Collection[str] = ()) -> list[str]:
        """What of these parameters this dialect cannot honour, each in a line; only what was set or swept counts."""
        asked = {*params.model_fields_set, *(name.partition(".")[0] for name in swept)}
        neutral = ImageParams(user_prompt="-")
        problems = [
            f"{name}={getattr(params, name)!r}: the {self.name} dialect has no such input; "
            f"leave it out, or send it as the worker spells it with extra={{…}}"
            for name in ImageParams.model_fields
            if name in asked
            and name not in self.takes
            and (getattr(params, name) != getattr(neutral, name) or name in swept)
        ]
        for name, known in (("sampler_name", self.samplers), ("scheduler", self.schedulers)):
            given = getattr(params, name)
            if (
                name in self.takes
                and name in asked
                and name not in params.extra
                and known
                and _spelt(given, known) is None
            ):
                near = difflib.get_close_matches(given, known, n=1, cutoff=0.6)
                hint = f"did you mean {near[0]!r}? " if near else ""
                problems.append(
                    f"{name}={given!r} is unknown to the {self.name} dialect: {hint}known: {', '.join(known)}; "
                    f'extra={{"{self.names[name]}": {given!r}}} sends it all the same'
                )
        return problems

    def to_input(self, params: ImageParams) -> dict[str, Any]:
        """Resolved parameters with a real seed as this worker's input; `extra` is merged in last."""
        sent = enhance(params, PRESETS[self.preset])
        ours = params.model_dump(exclude={"extra"})
        ours |= {"user_prompt": sent.prompt, "negative_prompt": sent.negative_prompt}
        return {**{theirs: ours[name] for name, theirs in self.names.items()}, **params.extra}

    def read(self, output: Any) -> Reading:
        """The pictures of a COMPLETED job's output, or the error it hides."""
        return read_output(output)


def _spelt(given: str, known: Collection[str]) -> str | None:
    """The known name that is `given` in other capitals, if there is one."""
    if given in known:
        return given
    return next((name for name in known if name.casefold() == given.casefold()), None)
