"""Plans: what of a sweep a dialect cannot honour, what a sweep adds to a run, and how two of them differ.

Pure: sweeps, dialects and heads in, words or sweeps out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runpodkit.endpoint.dialects import Dialect
from runpodkit.runs.joint import LeftOut
from runpodkit.runs.rows import RunHead, RunState
from runpodkit.sweeps.axes import ENDPOINT, canonical
from runpodkit.sweeps.kinds import REPEAT
from runpodkit.sweeps.sweep import Sweep, Trial

Blamed = tuple[tuple[str, Any], ...]
"""Axis values, by name."""


def refuse(plan: Sweep, dialect: Dialect) -> None:
    """Raise ValueError with everything about the sweep that the dialect cannot honour."""
    if problems := dict.fromkeys(problem for _, problem in refusals(plan, dialect)):
        raise ValueError("; ".join(problems))


def refusals(plan: Sweep, dialect: Dialect) -> Iterator[tuple[Blamed, str]]:
    """What the dialect cannot honour: the axis values to blame, and the reason."""
    swept = sorted({".".join(name.split(".")[:2]) for name in plan.fields})
    free = {name for name in plan.fields if not dialect.weighs(name)}
    good = False
    for blamed, fields in _points(plan):
        if good and fields and fields.keys() <= free:
            continue  # any of 100,000 seeds is as good as the first
        problems = dialect.refusals(plan.base.with_values(fields), swept=swept)
        good = good or (not problems and fields.keys() <= free)
        for problem in problems:
            yield blamed, problem


def left_out(plan: Sweep, dialects: Mapping[str, Dialect], *, empty_cells: bool) -> LeftOut:
    """By endpoint, the axis values that it does not draw.

    Args:
        dialects: Of every endpoint of the sweep.
        empty_cells: Whether cells that an endpoint cannot honour may stay empty.

    Raises:
        ValueError: what a dialect cannot honour, unless those cells may stay empty.
    """
    found: dict[str, set[tuple[str, str]]] = {}
    problems: dict[str, bool] = {}
    for endpoint, dialect in dialects.items():
        for blamed, problem in refusals(plan, dialect):
            if empty_cells and len(blamed) == 1:
                found.setdefault(endpoint, set()).add((blamed[0][0], canonical(blamed[0][1])))
            else:
                problems[f"{endpoint}: {problem}"] = len(blamed) == 1
    if problems:
        hint = "; empty_cells=True leaves those cells empty" if all(problems.values()) else ""
        raise ValueError("; ".join(problems) + hint)
    return found


def extension(plan: Sweep, there: RunHead, state: RunState, key: Callable[[Trial], str]) -> Sweep:
    """The sweep that takes the place of a finished run's, with the seed that it drew.

    Args:
        there: The run that is to grow, as it stands.
        key: What tells two pictures apart.

    Raises:
        ValueError: the run still moves, or has trials that this sweep has not.
    """
    old = Sweep.from_plan(dict(there.plan))
    if old.endpoints or plan.endpoints or old.seed_varies or plan.seed_varies:
        raise ValueError("extend=True: a sweep over endpoints or with seed='vary' cannot be extended; use fresh=True")
    drawn = old.shared_seed(there.name)
    if drawn is not None and plan.shared_seed(there.name) is not None and "seed" not in plan.base.model_fields_set:
        plan = plan.with_base(seed=drawn)
    if plan == old:
        return plan
    if state not in (RunState.DONE, RunState.CANCELLED):
        raise ValueError(f"extend=True: run {there.name} still moves; wait for it or cancel it first")
    kept = {key(trial) for trial in plan.trials(there.name)}
    lost = [trial for trial in old.trials(there.name) if key(trial) not in kept]
    if lost:
        values = ", ".join(f"{name}={value!r}" for name, value in lost[0].values.items())
        raise ValueError(
            f"extend=True: {len(lost)} of {len(old)} trials of run {there.name} are not in this sweep, "
            f"the first with {values or 'another prompt or other parameters'}; keep its values, or use fresh=True"
        )
    return plan


def difference(plan: Sweep, head: RunHead, there: RunHead) -> str:
    """Why a run of this name is another one, in one line."""
    if there.identity != head.identity:
        return f"it ran on {there.identity}, this one would on {head.identity}"
    return plan.difference(Sweep.from_plan(dict(there.plan)))


def check_name(name: str) -> str:
    """A run's name becomes a folder and a Redis key: letters, digits, dot, dash and underscore.

    Raises:
        ValueError: other characters, none at all, or more than 80.
    """
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not name or len(name) > 80 or not plain.isalnum() or not name.isascii() or name[0] in ".-":
        raise ValueError(
            f"name={name!r}: a run's name has 1 to 80 letters (a–z), digits, dots, dashes or underscores, "
            "and starts with none of the last"
        )
    return name


def _points(plan: Sweep) -> Iterator[tuple[Blamed, dict[str, Any]]]:
    """Every axis value that some cell has, by name and as fields of `ImageParams`.

    Axes that set width and height come together, for a size is refused as a whole.
    """
    names = [name for name in plan.axes if name not in (ENDPOINT, REPEAT)]
    size = [name for name in names if name in (plan.setter("width"), plan.setter("height"))]
    if not names:
        yield (), {}
    for together in [size] * (len(size) > 1) + [[name] for name in names if len(size) < 2 or name not in size]:
        seen_empty = False
        for values, fields in plan.points(*together):
            if fields or not seen_empty:  # values that set nothing are all alike
                yield tuple(values.items()), fields
            seen_empty = seen_empty or not fields
