"""Sweeps: a base set of parameters and some axes become an ordered list of trials.

Pure: no network, no clock, no chance.  The order is part of the contract: the last
axis varies fastest, so the trials of two axes read like the cells of a grid, row by
row.  `runs` sends trials out; this module never learns where they went.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
import unicodedata
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any, Literal, NamedTuple

from pydantic import ValidationError

from runpodkit.params import RANDOM_SEED, ImageParams, explain
from runpodkit.reprs import cut, facts_html
from runpodkit.sweeps.axes import ENDPOINT, EXTRA, as_list, canonical, is_number, read_axis, repeated

MAX_TRIALS = 100_000
"""Trials that one sweep may have."""

VARY = "vary"
"""As a seed: every trial draws its own."""

_STRIDE = 2_654_435_769  # odd, so multiples of it walk all 2^32 seeds before one comes back
_SEED_COUNT = 2**32


class Trial(NamedTuple):
    """One point of a sweep with full parameters; becomes one job."""

    number: int
    """From 0, in the sweep's order."""
    values: dict[str, Any]
    """The value of each axis at this point, under the axis' name."""
    params: ImageParams
    """With a real seed, never -1."""


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

    __slots__ = ("_axes", "_base", "_hash", "_mode", "_varies")

    def __init__(
        self,
        base: ImageParams,
        axes: Mapping[str, Any] | None = None,
        mode: Literal["grid", "zip"] = "grid",
    ) -> None:
        """Read and check all axes.

        Args:
            base: Parameters that all trials share.  Seed -1 draws one seed for all of them.
            axes: Values, or text in the grammar of `axes`, for fields of `ImageParams` and
                for `extra.NAME`; the last varies fastest.  `"seed": "vary"` draws one per trial.
            mode: `grid` takes every combination, `zip` the first values together, then the second …

        Raises:
            ValueError: one line with every problem of every axis.
        """
        read, varies, problems = _read_axes(axes or {}, mode)
        own = {name: getattr(base, name) for name in ImageParams.model_fields if name in base.model_fields_set}
        if "extra" in own:
            try:
                own["extra"] = json.loads(json.dumps(dict(own["extra"]), allow_nan=False))
            except (TypeError, ValueError, RecursionError) as exc:
                problems.append(f"extra: not what JSON can hold ({exc})")
        if problems:
            raise ValueError("; ".join(problems))
        if varies or own.get("seed") == RANDOM_SEED:
            own.pop("seed", None)
        for name in read:
            if name.startswith(EXTRA):
                own.get("extra", {}).pop(name.removeprefix(EXTRA), None)
            else:
                own.pop(name, None)
        if own.get("extra") == {}:
            del own["extra"]
        self._base = ImageParams(**{"user_prompt": read.get("user_prompt", [None])[0], **own})
        self._axes, self._mode, self._varies = read, mode, varies
        self._hash = hashlib.sha256(self._canonical().encode()).hexdigest()

    @property
    def base(self) -> ImageParams:
        """What all trials share."""
        return self._base

    @property
    def axes(self) -> dict[str, list[Any]]:
        """Values by axis, in order; a copy."""
        return {name: list(values) for name, values in self._axes.items()}

    @property
    def mode(self) -> Literal["grid", "zip"]:
        """`grid`: every combination of values; `zip`: the first values together, then the second, and so on."""
        return self._mode

    @property
    def seed_varies(self) -> bool:
        """Whether every trial draws a seed of its own."""
        return self._varies

    @property
    def hash(self) -> str:
        """What tells two sweeps apart: 64 hex digits.

        The sha256 of `{"axes":[[name,[value,…]],…],"base":{…},"mode":…}` as JSON without
        spaces, keys sorted (the axes stay in their order, which numbers the trials), ASCII
        only, whole numbers without a point.  Names of runs depend on it: it may not change.
        """
        return self._hash

    @property
    def default_name(self) -> str:
        """Prompt and axes as a slug of at most 40 characters, then 6 hex digits of the hash."""
        axes = _slug(" ".join(name.removesuffix("_name") for name in self._axes if name != "user_prompt"), 24)
        prompt = _slug(self._base.user_prompt, 39 - len(axes))
        return "-".join([*filter(None, (prompt, axes))] or ["sweep"]) + f"-{self._hash[:6]}"

    def __len__(self) -> int:
        return _count(self._axes, self._mode)

    def trials(self, name: str) -> list[Trial]:
        """All trials in order.

        Args:
            name: The run's name.  A seed that nobody gave is drawn from it and the plan,
                so the same run finds its pictures again and another run draws others.
        """
        shared = {field: getattr(self._base, field) for field in self._base.model_fields_set}
        extra = dict(shared.get("extra", {}))
        first = self._drawn(name)
        names = list(self._axes)
        fields = {"extra" if axis.startswith(EXTRA) else axis for axis in names if axis != ENDPOINT}
        marked = {*shared, *fields, "seed"}
        trials = []
        for number, cell in enumerate(_cells(self._axes, self._mode)):
            values = dict(zip(names, cell, strict=True))
            seed = _spread(first, number) if self._varies else first
            own = {"seed": seed, **shared, **{axis: value for axis, value in values.items() if axis in fields}}
            if "extra" in marked:
                own["extra"] = extra | {
                    axis.removeprefix(EXTRA): value for axis, value in values.items() if axis.startswith(EXTRA)
                }
            # Each value was validated when the axis was read, so 10,000 trials need not be again.
            trials.append(Trial(number, values, ImageParams.model_construct(set(marked), **own)))
        return trials

    @property
    def endpoints(self) -> list[str]:
        """Names of the endpoints that it is drawn on, each once; empty where no axis says."""
        return list(dict.fromkeys(self._axes.get(ENDPOINT, [])))

    def split(self, name: str, left_out: Mapping[str, Container[tuple[str, str]]] | None = None) -> dict[str, Part]:
        """This sweep by endpoint: what each of them draws of it.

        Args:
            name: The run's name.  A seed that nobody gave is drawn once, so all endpoints get the same.
            left_out: By endpoint, (axis, value as canonical JSON) of values that it does not draw.

        Raises:
            ValueError: nothing is left for an endpoint.
        """
        base = self._base
        if not self._varies and "seed" not in self._axes and "seed" not in base.model_fields_set:
            base = base.with_values({"seed": self._drawn(name)})
        parts = {}
        names = list(self._axes)
        for endpoint in self.endpoints:
            out = (left_out or {}).get(endpoint, ())
            cells = [
                (number, cell)
                for number, cell in enumerate(_cells(self._axes, self._mode))
                if endpoint == cell[names.index(ENDPOINT)]
                and not any((axis, canonical(value)) in out for axis, value in zip(names, cell, strict=True))
            ]
            if not cells:
                raise ValueError(f"endpoint {endpoint} could draw none of the trials")
            axes: dict[str, Any] = {}
            for place, axis in enumerate(names):
                if axis != ENDPOINT:
                    drawn = [cell[place] for _, cell in cells]
                    axes[axis] = drawn if self._mode == "zip" else _once(drawn)
            if self._varies:
                axes["seed"] = VARY
            parts[endpoint] = Part(Sweep(base, axes, self._mode), tuple(number for number, _ in cells))
        return parts

    def to_plan(self) -> dict[str, Any]:
        """This sweep as plain JSON values, the inverse of `from_plan`; the order of `axes` matters."""
        return {"base": self._own(), "axes": self.axes, "mode": self._mode}

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Sweep:
        """The sweep of a plan: `to_plan`'s, or a PLAN.toml's without its `policy`.

        Raises:
            ValueError: one line with every problem.
        """
        problems = [f"{name!r} is not part of a plan; known: base, axes, mode" for name in plan.keys() - _PLAN_KEYS]
        base, axes = plan.get("base", {}), plan.get("axes", {})
        problems += [
            f"{name} is not a table" for name in ("base", "axes") if not isinstance(plan.get(name, {}), Mapping)
        ]
        if problems:
            raise ValueError("; ".join(sorted(problems)))
        return _make(base, axes, plan.get("mode", "grid"))

    def difference(self, other: Sweep) -> str:
        """What differs from another sweep, in one line; empty if nothing does."""
        if self == other:
            return ""
        mine, theirs = self._parts(), other._parts()
        names = list(dict.fromkeys([*mine, *theirs]))
        found = [
            f"{name} {mine.get(name, 'not set')} here, {theirs.get(name, 'not set')} there"
            for name in names
            if mine.get(name) != theirs.get(name)
        ]
        if not found:
            found = [f"axes ordered {', '.join(self._axes)} here, {', '.join(other._axes)} there"]
        return "; ".join(found[:4]) + (f"; {len(found) - 4} more" if len(found) > 4 else "")

    def __eq__(self, other: object) -> bool:
        return self._hash == other._hash if isinstance(other, Sweep) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._hash)

    def __repr__(self) -> str:
        count = len(self)
        sign = " × " if self._mode == "grid" else " with "
        sizes = sign.join(f"{len(values)} {name}" for name, values in self._axes.items())
        prompt = cut(self._base.user_prompt, 40)
        return f"<Sweep {prompt!r}: {count:,} trial{'' if count == 1 else 's'}{f' = {sizes}' if sizes else ''}>"

    def _repr_html_(self) -> str:
        axes = {name: cut(", ".join(str(value) for value in values), 200) for name, values in self._axes.items()}
        shared = {name: cut(str(value), 200) for name, value in self._own().items()}
        count = f"{len(self):,} trial{'' if len(self) == 1 else 's'}"
        how = f" = {' × '.join(str(len(values)) for values in self._axes.values())}" if len(axes) > 1 else ""
        return facts_html(f"Sweep, {count}{how if self._mode == 'grid' else ', zipped'}", {**shared, **axes})

    def _own(self) -> dict[str, Any]:
        """The base as a plan has it: what was set, and no prompt where it is an axis."""
        set_fields = self._base.model_dump(mode="json", exclude_unset=True, exclude=set(self._axes))
        return {**set_fields, "seed": VARY} if self._varies else set_fields

    def _canonical(self) -> str:
        axes = [[name, values] for name, values in self._axes.items()]
        return canonical({"axes": axes, "base": self._own(), "mode": self._mode})

    def _drawn(self, name: str) -> int:
        """The seed of this sweep under this name, uniform over all seeds."""
        digest = hashlib.sha256(f"{self._hash}\n{name}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    def _parts(self) -> dict[str, str]:
        parts = {name: cut(repr(value), 60) for name, value in self._own().items()}
        for axis, values in self._axes.items():
            shown = ", ".join(repr(value) for value in values)
            parts[axis] = f"[{shown}]" if len(shown) <= 80 else f"[{len(values)} values: {shown[:60]}…]"
        return {**parts, "mode": self._mode}


_PLAN_KEYS = {"base", "axes", "mode"}


def sweep(prompt: str | Sequence[str], /, **fields: Any) -> Sweep:
    """A sweep in one call: a field given several values is an axis, any other is in the base.

    Args:
        prompt: One prompt, or several as the first axis.
        **fields: Fields of `ImageParams`.  An axis is a list, range, tuple, array or Series,
            or grammar text: any text for a number (`steps="5-20 (+5)"`), text with a comma
            for `sampler_name`, `scheduler` and `use_enhanced_prompts`.  The last axis varies
            fastest.  `seed="vary"` draws one seed per trial; `mode="zip"` pairs axes up.

    Raises:
        ValueError: one line with every problem.
    """
    mode = fields.pop("mode", "grid")
    if "user_prompt" in fields:
        raise ValueError("user_prompt: the prompt is the first argument, give it once")
    base: dict[str, Any] = {}
    axes: dict[str, Any] = {}
    for name, given in {"user_prompt": prompt, **fields}.items():
        value = as_list(given)
        (axes if _is_axis(name, value) else base)[name] = value
    for name in [name for name in base if name.startswith(EXTRA)]:
        base["extra"] = {**base.get("extra", {}), name.removeprefix(EXTRA): base.pop(name)}
    return _make(base, axes, mode)


def seeds(n: int) -> list[int]:
    """The first `n` of one fixed order of distinct seeds, below a million so that a person can type them.

    Raises:
        ValueError: `n` is not within 1..100,000.
    """
    if not 1 <= n <= MAX_TRIALS:
        raise ValueError(f"seeds: n={n} is not within 1 to {MAX_TRIALS:,}")
    return [(271_828 + 618_033 * i) % 1_000_000 for i in range(n)]  # 618,033 shares no factor with a million


def _is_axis(name: str, value: object) -> bool:
    if isinstance(value, str):
        if (name == "seed" and value == VARY) or name == ENDPOINT:
            return True
        if name not in ImageParams.model_fields:
            return False
        return is_number(name) or (name in _LISTED_TEXT and "," in value)
    return isinstance(value, Iterable) and not isinstance(value, Mapping | bytes | bytearray)


_LISTED_TEXT = ("sampler_name", "scheduler", "use_enhanced_prompts")


def _make(base: Mapping[str, Any], axes: Mapping[str, Any], mode: Any) -> Sweep:
    """A sweep of values nobody has checked; what is wrong with the base and with the axes is told together."""
    own, axes = dict(base), _flat(axes)
    if own.get("seed") == VARY:
        axes.setdefault("seed", own.pop("seed"))
    read, varies, problems = _read_axes(axes, mode)
    if "user_prompt" in axes:
        own["user_prompt"] = next(iter(read.get("user_prompt", [])), "-")
    try:
        checked = ImageParams(**own)
    except (ValidationError, TypeError) as exc:
        problems.insert(0, explain(exc) if isinstance(exc, ValidationError) else "names in base must be text")
    if problems:
        raise ValueError("; ".join(problems))
    return Sweep(checked, {**read, "seed": VARY} if varies else read, mode)


def _read_axes(axes: Mapping[str, Any], mode: object) -> tuple[dict[str, list[Any]], bool, list[str]]:
    """Values by axis, whether the seed varies, and every problem."""
    problems = [] if mode in ("grid", "zip") else [f"mode={mode!r} is neither 'grid' nor 'zip'"]
    read: dict[str, list[Any]] = {}
    varies = False
    for name, given in _flat(axes).items():
        if name == "seed" and isinstance(given, str) and given.strip() == VARY:
            varies = True
            continue
        values, wrong = read_axis(name, given, unique=mode != "zip")
        problems += [f"axis {name}: {problem}" for problem in wrong]
        if not wrong:
            read[name] = values
    lengths = {name: len(values) for name, values in read.items()}
    if mode == "zip" and len(set(lengths.values())) > 1:
        sizes = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        problems.append(f"zip needs axes of equal length: {sizes}")
    elif mode == "zip" and (twice := repeated(zip(*read.values(), strict=True))):
        problems.append(f"zip gives the same trial twice: {', '.join(map(repr, twice[:3]))}")
    elif (count := _count(read, mode)) > MAX_TRIALS:
        problems.append(f"{count:,} trials are more than {MAX_TRIALS:,}: use fewer values, or several sweeps")
    return read, varies, problems


def _flat(axes: Mapping[str, Any]) -> dict[str, Any]:
    """TOML reads `extra.lora_scale = …` as a table in a table."""
    flat: dict[str, Any] = {}
    for name, given in axes.items():
        if name == "extra" and isinstance(given, Mapping):
            flat.update({f"{EXTRA}{inner}": value for inner, value in given.items()})
        else:
            flat[str(name)] = given
    return flat


def _count(axes: Mapping[str, Sequence[Any]], mode: object) -> int:
    lengths = [len(values) for values in axes.values()]
    return min(lengths, default=1) if mode == "zip" else math.prod(lengths)


def _cells(axes: Mapping[str, Sequence[Any]], mode: str) -> Iterator[tuple[Any, ...]]:
    if not axes:
        return iter([()])
    combine: Callable[..., Iterator[tuple[Any, ...]]] = product if mode == "grid" else zip
    return combine(*axes.values())


def _once(values: Iterable[Any]) -> list[Any]:
    """Each value once, in order; 4 and 4.0 are one."""
    return list({canonical(value): value for value in values}.values())


def _spread(first: int, number: int) -> int:
    """Seed `number` of a walk that starts at `first` and repeats none."""
    return (first + number * _STRIDE) % _SEED_COUNT


def _slug(text: str, length: int) -> str:
    """Lower-case ASCII words joined by dashes, whole words where possible; other scripts are left out."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")
    if len(slug) <= length:
        return slug
    return (slug[: length + 1].rpartition("-")[0] or slug[:length]).strip("-")
