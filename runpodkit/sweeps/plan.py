"""Sweeps: a base set of parameters and some axes become an ordered list of trials.

Pure: no network, no clock, no chance.  Two orders are part of the contract.  In the layout the last axis varies
fastest, so that cells read like those of a grid, row by row.  Trials are numbered by cost: what a worker changes
slowly, such as its model or the size, is outermost.  `runs` sends trials out; this module never learns where they went.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from runpodkit.params import RANDOM_SEED, ImageParams, explain
from runpodkit.sweeps import words
from runpodkit.sweeps.axes import ENDPOINT, EXTRA, canonical
from runpodkit.sweeps.kinds import Axis, nested
from runpodkit.sweeps.reading import (
    VARY,
    Asked,
    Combined,
    Where,
    combine,
    flattened,
    len_of,
    repeat_values,
    runs_of,
)
from runpodkit.sweeps.sampling import Sample
from runpodkit.sweeps.splitting import without_endpoints
from runpodkit.sweeps.toml_text import read_toml, to_toml
from runpodkit.sweeps.trials import Trial, trials_of

_PLAN_KEYS = ("base", "axes", "mode", "together", "where", "sample", "keep", "repeats", "order")
_ORDERS = ("cost", "written")


class Part(NamedTuple):
    """What one endpoint draws of a sweep."""

    sweep: Sweep
    numbers: tuple[int, ...]
    """Of its trials in the whole sweep, in order."""


class Sweep:
    """A base and its axes: a plan, no results yet.  Immutable; equal when the plans are.

    A field that is an axis is not in the base: whatever `base` said of it is gone,
    save the prompt, which a base must have and which is then the axis' first.
    """

    __slots__ = ("_base", "_combined", "_hash")

    def __init__(
        self,
        base: ImageParams,
        axes: Mapping[Any, Any] | None = None,
        mode: Literal["grid", "zip"] = "grid",
        *,
        together: Sequence[Sequence[str]] = (),
        where: Where = None,
        sample: Sample | None = None,
        repeats: int = 1,
        by_cost: bool = True,
    ) -> None:
        """Read and check all axes.

        Args:
            base: Parameters that all trials share.  Seed -1 draws one seed for all of them.
            axes: Values, or text in the grammar of `axes`, for fields of `ImageParams` and for `extra.NAME`; the last
                varies fastest.  `("width", "height"): [(832, 1216), …]` couples fields, `{label: {field: value}}` has
                labels, `rk.replace(…)` and `rk.permutations(…)` edit the prompt.  `"seed": "vary"` draws one per trial.
            mode: `grid` takes every combination, `zip` the first values together, then the second …
            together: Groups of axes that are walked along together while all else multiplies.
            where: Rules that cells have to keep: text such as "steps > 5 or sampler_name == 'Heun'", or functions whose
                parameters are named like axes; several all have to hold.
            sample: `rk.random(n)` or `rk.latin(n)` of the space, which may then be of any size.
            repeats: How often each cell is drawn, 1 to 1,000.
            by_cost: Number trials by what a change costs a worker; False: as the axes were written.

        Raises:
            ValueError: one line with every problem of every axis.
        """
        own = {name: getattr(base, name) for name in ImageParams.model_fields if name in base.model_fields_set}
        problems = []
        if "extra" in own:
            try:
                own["extra"] = json.loads(json.dumps(dict(own["extra"]), allow_nan=False))
            except (TypeError, ValueError, RecursionError) as exc:
                problems.append(f"extra: not what JSON can hold ({exc})")
                del own["extra"]
        asked = Asked(mode, together, where, sample, repeats, by_cost)
        combined, wrong = combine(lambda _: base, axes or {}, asked)
        self._set(own, combined, [*wrong, *problems])

    def _set(self, own: dict[str, Any], combined: Combined, problems: Sequence[str]) -> None:
        """Take what was checked; of the base only what no axis sets at each of its values."""
        if combined.varies or own.get("seed") == RANDOM_SEED:
            own.pop("seed", None)
        extra, wrong = _without(own.pop("extra", {}), combined)
        if problems := [*problems, *wrong]:
            raise ValueError("; ".join(problems))
        for name in combined.whole:
            own.pop(name, None)
        if extra:
            own["extra"] = extra
        prompts = combined.fields.get("user_prompt")
        first = next((one["user_prompt"] for one in prompts.sets if "user_prompt" in one), None) if prompts else None
        self._base = ImageParams(**{"user_prompt": first, **own})
        self._combined = combined
        self._hash = hashlib.sha256(self._canonical(repeated=True).encode()).hexdigest()

    @property
    def base(self) -> ImageParams:
        """What all trials share."""
        return self._base

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Values by axis, in the order of the layout; a copy.  A repeated sweep has an axis `repeat`."""
        plain = {name: list(axis.values) for name, axis in self._combined.axes.items()}
        return {**plain, **repeat_values(self._combined)}

    @property
    def units(self) -> list[tuple[str, ...]]:
        """Axes that belong together because only some combinations of their values are there; others stand alone."""
        units = [tuple(self._combined.axes)] if self._combined.sample else list(self._combined.dimensions)
        return units + [(name,) for name in repeat_values(self._combined)]

    @property
    def fields(self) -> set[str]:
        """Fields of `ImageParams` and `extra.NAME` that some axis sets or edits."""
        edited = {axis.edit.field for axis in self._combined.axes.values() if axis.edit}
        return {*self._combined.fields, *edited, *(["seed"] if self._combined.varies else [])}

    @property
    def mode(self) -> Literal["grid", "zip"]:
        """`grid`: every combination of values; `zip`: the first values together, then the second, and so on."""
        mode: Literal["grid", "zip"] = self._combined.mode
        return mode

    @property
    def repeats(self) -> int:
        """How often each cell is drawn."""
        return self._combined.repeats

    @property
    def seed_varies(self) -> bool:
        """Whether every trial draws a seed of its own; repeats of one cell share theirs."""
        return self._combined.varies

    @property
    def is_short(self) -> bool:
        """Whether base, axes, mode and order are all there is of it: no rules, samples, groups or repeats."""
        return not self._rest()

    @property
    def is_sparse(self) -> bool:
        """Whether not every combination of values is a trial."""
        made = self._combined
        return made.cells.kept is not None or any(len(names) > 1 for names in made.dimensions)

    @property
    def is_product(self) -> bool:
        """Whether every combination is one, numbered with the last axis fastest."""
        return not self.is_sparse and self._combined.cells.as_laid_out

    @property
    def hash(self) -> str:
        """What tells two sweeps apart: 64 hex digits.

        The sha256 of `{"axes":[[name,[value,…]],…],"base":{…},"mode":…}` as JSON without spaces, keys sorted (the axes
        stay in their order), ASCII only, whole numbers without a point.  What only some sweeps have is in it where it is
        there: `keep`, `repeats`, `sample`, `together`, `where`.  The order of trials is not.  Names of runs depend on
        it: it may not change.
        """
        return self._hash

    @property
    def default_name(self) -> str:
        """Prompt and axes as a slug of at most 40 characters, then 6 hex digits of the hash."""
        return words.default_name(self._base.user_prompt, list(self._combined.axes), self._hash)

    def __len__(self) -> int:
        return len_of(self._combined)

    # trials

    def trials(self, name: str) -> list[Trial]:
        """All trials in order.

        Args:
            name: The run's name.  A seed that nobody gave is drawn from it and the plan,
                so the same run finds its pictures again and another run draws others.
        """
        return trials_of(self._base, self._combined, self._drawn(name))

    def shared_seed(self, name: str) -> int | None:
        """The seed of all trials under a run's name to which no axis gives one; None if there can be none."""
        if self._combined.varies or "seed" in self._combined.whole:
            return None
        return self._base.seed if "seed" in self._base.model_fields_set else self._drawn(name)

    def places(self) -> Iterator[tuple[int, ...]]:
        """By trial, in order: the place of each axis' value among the axis' values, as `axes` has them."""
        repeats = self._combined.repeats
        return self._places() if repeats == 1 else ((*own, at) for own in self._places() for at in range(repeats))

    def _places(self) -> Iterator[tuple[int, ...]]:
        """By cell."""
        made = self._combined
        at_axis = [made.dimension[name] for name in made.axes]
        return (tuple([places[at] for at in at_axis]) for _, places in made.cells.walk())

    def points(self, *names: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
        """Combinations of values of these axes that some cell has, each once: values by axis, and the fields they set."""
        made = self._combined
        axes = [made.axes[name] for name in names]
        at_axis = [made.dimension[name] for name in names]
        shown = sorted(set(at_axis))
        whole = made.cells.kept is None
        found: Iterable[tuple[int, ...]] = (
            product(*(range(made.cells.sizes[at]) for at in shown))
            if whole
            else dict.fromkeys(tuple([places[at] for at in shown]) for _, places in made.cells.walk())
        )
        there = [shown.index(each) for each in at_axis]
        alike = [axis.alike() for axis in axes]
        distinct: dict[tuple[int, ...], tuple[int, ...]] = {}
        for places in found:
            own = tuple([places[each] for each in there])
            distinct.setdefault(tuple([numbers[place] for numbers, place in zip(alike, own, strict=True)]), own)
        points = []
        for own in distinct.values():
            values = {axis.name: axis.values[place] for axis, place in zip(axes, own, strict=True)}
            sets: dict[str, Any] = {}
            for axis, place in zip(axes, own, strict=True):
                sets.update(axis.sets[place])
            points.append((values, nested(sets)))
        return points

    def setter(self, field: str) -> str | None:
        """The axis that sets a field, if one does."""
        axis = self._combined.fields.get(field)
        return axis.name if axis else None

    def composite(self) -> list[str]:
        """Axes whose values are not those of one field: several fields at once, labels, edits of a prompt."""
        return [name for name, axis in self._combined.axes.items() if not axis.plain]

    # endpoints

    @property
    def endpoints(self) -> list[str]:
        """Names of the endpoints that it is drawn on, each once; empty where no axis says."""
        axis = self._combined.axes.get(ENDPOINT)
        if axis is None:
            return []
        return list(dict.fromkeys(values[ENDPOINT] for values, _ in self.points(ENDPOINT)))

    def split(self, name: str, left_out: Mapping[str, Container[tuple[str, str]]] | None = None) -> dict[str, Part]:
        """This sweep by endpoint: what each of them draws of it.

        Args:
            name: The run's name.  A seed that nobody gave is drawn once, so all endpoints get the same.
            left_out: By endpoint, (axis, value as canonical JSON) of values that it does not draw.

        Raises:
            ValueError: nothing is left for an endpoint.
        """
        made, base = self._combined, self._base
        if not made.varies and "seed" not in made.whole and "seed" not in base.model_fields_set:
            base = base.with_values({"seed": self._drawn(name)})
        own = {field: getattr(base, field) for field in base.model_fields_set}
        parts = {}
        for endpoint in self.endpoints:
            share = without_endpoints(made, endpoint, (left_out or {}).get(endpoint, ()))
            if not share.numbers:
                raise ValueError(f"endpoint {endpoint} could draw none of the trials")
            part = _checked(own, share.axes, share.asked)
            numbers = [share.numbers[places] for places in part._places()]
            repeats = range(made.repeats)
            parts[endpoint] = Part(part, tuple(number * made.repeats + at for number in numbers for at in repeats))
        return parts

    # plans

    def to_plan(self) -> dict[str, Any]:
        """This sweep as plain JSON values, the inverse of `from_plan`; the order of `axes` matters."""
        made = self._combined
        axes = {name: axis.plan if not axis.plain else list(axis.values) for name, axis in made.axes.items()}
        order = {} if made.cells.as_laid_out else {"order": "cost"}
        plan: dict[str, Any] = json.loads(json.dumps({"base": self._own(), "axes": axes, "mode": made.mode}))
        return plan | self._rest() | order

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Sweep:
        """The sweep of a plan: `to_plan`'s, or a PLAN.toml's without its `policy`.

        Without `order = "cost"` trials are numbered as the axes are written, as they always were.

        Raises:
            ValueError: one line with every problem.
        """
        problems = [
            f"{name!r} is not part of a plan; known: {', '.join(_PLAN_KEYS)}" for name in plan if name not in _PLAN_KEYS
        ]
        problems += [
            f"{name} is not a table" for name in ("base", "axes") if not isinstance(plan.get(name, {}), Mapping)
        ]
        order = plan.get("order", "written")
        if order not in _ORDERS:
            problems.append(f"order={order!r:.60} is neither 'cost' nor 'written'")
        sample = None
        if plan.get("sample") is not None:
            try:
                sample = Sample.from_plan(plan["sample"])
            except ValueError as exc:
                problems.append(str(exc))
        if problems:
            raise ValueError("; ".join(sorted(problems)))
        asked = Asked(
            plan.get("mode", "grid"),
            plan.get("together", ()),
            plan.get("where"),
            sample,
            plan.get("repeats", 1),
            order == "cost",
            plan.get("keep"),
        )
        return make(plan.get("base", {}), plan.get("axes", {}), asked)

    def to_toml(self) -> str:
        """This sweep as a PLAN.toml, the inverse of `from_toml`."""
        plan = self.to_plan()
        plan.pop("order", None)
        return to_toml(plan if self._combined.by_cost else {**plan, "order": "written"})

    @classmethod
    def from_toml(cls, plan: str | Mapping[str, Any]) -> Sweep:
        """The sweep of a PLAN.toml without its `policy`; trials are numbered by cost if it does not say otherwise.

        Args:
            plan: The text, or what was read from it.

        Raises:
            ValueError: not TOML, or one line with every problem.
        """
        return cls.from_plan({"order": "cost", **(read_toml(plan) if isinstance(plan, str) else plan)})

    @classmethod
    def from_rows(
        cls,
        rows: Any,
        base: ImageParams | str | None = None,
        *,
        repeats: int = 1,
        by_cost: bool = True,
    ) -> Sweep:
        """A trial per row, up to 100,000.

        Args:
            rows: A DataFrame, the path of a CSV file, or a list of dicts.  Columns named like parameters or `extra.NAME`
                set them; all others become labels by which pictures are placed and filtered.  An empty cell leaves
                what the base has.  What `run.to_csv` wrote is such a table: its trials are drawn again.
            base: What all rows share: parameters, or the prompt alone.  Not needed where a column has prompts.
            repeats, by_cost: As for a sweep; a table with a column `repeat` has its own number, if none is given.

        Raises:
            ValueError: one line with every problem, each naming its column.
        """
        from runpodkit.sweeps.tabular import tabular

        shared = {"user_prompt": base} if isinstance(base, str) else {}
        if isinstance(base, ImageParams):
            shared = {name: getattr(base, name) for name in base.model_fields_set}
        table = tabular(rows, needs_prompt=not shared)
        asked = Asked("zip", repeats=table.repeats if repeats == 1 else repeats, by_cost=by_cost)
        return make({**shared, **table.base}, table.axes, asked)

    def with_base(self, **fields: Any) -> Sweep:
        """The same axes over another base."""
        return self._again(self._base.with_values(fields), self._combined.axes, self._combined.asked)

    def mapped(self, field: str, change: Callable[[Any], Any]) -> Sweep:
        """With every value of one field replaced by what `change` makes of it; the cells stay, whatever rules say of it."""
        base, asked = self._base, self._combined.asked
        if field in base.model_fields_set:
            base = base.with_values({field: change(getattr(base, field))})
        axes = {
            name: axis.changed(field, change) if field in axis.fields else axis
            for name, axis in self._combined.axes.items()
        }
        if any(field in rule for rule in self._combined.where):
            asked = replace(asked, where=(), sample=None, keep=runs_of(self._combined.cells.kept or ()))
        return self._again(base, axes, asked)

    def _again(self, base: ImageParams, axes: Mapping[str, Axis], asked: Asked) -> Sweep:
        made = self._combined
        own = {field: getattr(base, field) for field in base.model_fields_set}
        given: dict[str, Any] = {**axes, **({"seed": VARY} if made.varies else {})}
        return _checked(own, given, asked)

    # words

    def difference(self, other: Sweep) -> str:
        """What differs from another sweep, in one line; empty if nothing does."""
        return "" if self == other else words.difference(self.to_plan(), other.to_plan())

    def __eq__(self, other: object) -> bool:
        return self._hash == other._hash if isinstance(other, Sweep) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._hash)

    def __repr__(self) -> str:
        return words.one_line(self._base, self._combined)

    def __str__(self) -> str:
        return words.in_full(self._base, self._combined)

    def _repr_html_(self) -> str:
        return words.html(self._base, self._own(), self._combined)

    def _own(self) -> dict[str, Any]:
        """The base as a plan has it: what was set, and no prompt where an axis has one for every trial."""
        set_fields = self._base.model_dump(mode="json", exclude_unset=True, exclude=set(self._combined.whole))
        return {**set_fields, "seed": VARY} if self._combined.varies else set_fields

    def _rest(self) -> dict[str, Any]:
        """What only some plans have."""
        made = self._combined
        rest = {
            "together": [list(group) for group in made.together],
            "where": list(made.where),
            "sample": made.sample.to_plan() if made.sample else None,
            "keep": [list(run) for run in made.keep or ()],
            "repeats": made.repeats if made.repeats > 1 else None,
        }
        return {name: value for name, value in rest.items() if value}

    def _canonical(self, *, repeated: bool) -> str:
        axes = [[name, axis.hashed] for name, axis in self._combined.axes.items()]
        rest = self._rest()
        if not repeated:
            rest.pop("repeats", None)
        return canonical({"axes": axes, "base": self._own(), "mode": self._combined.mode, **rest})

    def _drawn(self, name: str) -> int:
        """The seed of this sweep under this name, uniform over all seeds; however often it is repeated."""
        plan = self._hash
        if self._combined.repeats > 1:
            plan = hashlib.sha256(self._canonical(repeated=False).encode()).hexdigest()
        digest = hashlib.sha256(f"{plan}\n{name}".encode()).digest()
        return int.from_bytes(digest[:4], "big")


def make(base: Mapping[str, Any], axes: Mapping[Any, Any], asked: Asked) -> Sweep:
    """A sweep of values nobody has checked; what is wrong with the base and with the axes is told together.

    Raises:
        ValueError: one line with every problem.
    """
    own, axes = dict(base), flattened(axes)
    if own.get("seed") == VARY:
        axes.setdefault("seed", own.pop("seed"))
    refused: list[str] = []
    checked: dict[str, Any] = {}

    def base_of(combined: Combined) -> ImageParams | None:
        prompts = combined.fields.get("user_prompt")
        if "user_prompt" in combined.whole and prompts:
            own["user_prompt"] = prompts.sets[0]["user_prompt"]
        elif "user_prompt" in axes and not prompts:  # what is wrong with the axis is told already
            own["user_prompt"] = "-"
        try:
            params = ImageParams(**own)
        except (ValidationError, TypeError) as exc:
            refused.append(explain(exc) if isinstance(exc, ValidationError) else "names in base must be text")
            return None
        checked.update({name: getattr(params, name) for name in params.model_fields_set})
        try:
            checked["extra"] = json.loads(json.dumps(dict(params.extra), allow_nan=False))
        except (TypeError, ValueError, RecursionError) as exc:
            refused.append(f"extra: not what JSON can hold ({exc})")
            del checked["extra"]
        return params

    combined, problems = combine(base_of, axes, asked)
    made = Sweep.__new__(Sweep)
    made._set(checked, combined, [*refused, *problems])
    return made


def _checked(own: Mapping[str, Any], axes: Mapping[Any, Any], asked: Asked) -> Sweep:
    """A sweep of parts of another one."""
    return make({name: value for name, value in own.items()}, axes, asked)


def _without(extra: Mapping[str, Any], combined: Combined) -> tuple[dict[str, Any], list[str]]:
    """The extra inputs of a base that no axis sets at each of its values; and what stands where an axis has a table."""
    left = (
        json.loads(json.dumps(dict(extra))) if any(name.startswith(EXTRA) for name in combined.fields) else dict(extra)
    )
    problems = []
    for name, axis in combined.fields.items():
        if not name.startswith(EXTRA):
            continue
        *way, last = name.removeprefix(EXTRA).split(".")
        table: Any = left
        for at, step in enumerate(way):
            table = table.get(step, {})
            if not isinstance(table, dict):
                there = EXTRA + ".".join(way[: at + 1])
                problems.append(
                    f"axis {axis.name}: {there} is {table!r:.60} in the base, not a table with {last} in it"
                )
                break
        else:
            if name in axis.whole:
                table.pop(last, None)
    return left, problems
