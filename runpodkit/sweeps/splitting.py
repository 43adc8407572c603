"""Splitting: what one endpoint draws of a sweep over several, as axes and cells of its own."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, replace

from runpodkit.sweeps.axes import ENDPOINT, canonical
from runpodkit.sweeps.cells import Cells
from runpodkit.sweeps.kinds import Axis
from runpodkit.sweeps.reading import VARY, Asked, Combined, runs_of


@dataclass(frozen=True, slots=True)
class Share:
    """One endpoint's share, of which a sweep can be made."""

    axes: dict[str, Axis | str]
    asked: Asked
    numbers: dict[tuple[int, ...], int]
    """By the places of its axes' values, the number of the cell among all trials of the whole."""


def without_endpoints(made: Combined, endpoint: str, left_out: Container[tuple[str, str]]) -> Share:
    """The cells at one endpoint, without the axis of endpoints and without values that no cell has.

    Args:
        left_out: (axis, value as canonical JSON) of values that the endpoint does not draw.
    """
    names = [name for name in made.axes if name != ENDPOINT]
    out = {
        name: {at for at, value in enumerate(made.axes[name].values) if (name, canonical(value)) in left_out}
        for name in names
    }
    endpoints, at_endpoint = made.axes[ENDPOINT].values, made.dimension[ENDPOINT]
    cells: dict[tuple[int, ...], int] = {}
    for number, (_, places) in enumerate(made.cells.walk()):
        own = tuple([places[made.dimension[name]] for name in names])
        if endpoints[places[at_endpoint]] == endpoint and not any(
            place in out[name] for name, place in zip(names, own, strict=True)
        ):
            cells[own] = number
    used = [
        range(len(made.axes[name].values)) if made.axes[name].edit else sorted({own[at] for own in cells})
        for at, name in enumerate(names)
    ]
    axes: dict[str, Axis | str] = {name: made.axes[name].part(used[at]) for at, name in enumerate(names)}
    if made.varies:
        axes["seed"] = VARY
    back = [{place: at for at, place in enumerate(places)} for places in used]
    numbers = {tuple([back[at][place] for at, place in enumerate(own)]): number for own, number in cells.items()}
    groups = [[name for name in group if name != ENDPOINT] for group in made.together]
    together = tuple(tuple(group) for group in groups if len(group) > 1)
    asked = replace(made.asked, together=together, where=(), sample=None, keep=None)
    if not cells:
        return Share(axes, asked, numbers)
    dimensions = [tuple(name for name in there if name != ENDPOINT) for there in made.dimensions]
    first = [
        names.index(there[0]) for there in sorted(filter(None, dimensions), key=lambda there: names.index(there[0]))
    ]
    whole = Cells(tuple(len(used[at]) for at in first), ())
    kept = sorted(whole.number([own[at] for at in first]) for own in numbers)
    return Share(axes, asked if len(kept) == len(whole) else replace(asked, keep=runs_of(kept)), numbers)
