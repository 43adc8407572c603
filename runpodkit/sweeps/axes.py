"""Axes: the values of one parameter, from text or from anything Python can list.

What text means is known to `axis_text`, which values a parameter may take to `ImageParams`,
which is asked once per value.  How axes are combined is not known here.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from itertools import islice
from types import NoneType
from typing import Any, NamedTuple, get_args

from pydantic import ValidationError

from runpodkit.params import RANDOM_SEED, ImageParams
from runpodkit.sweeps.axis_text import is_or_are as _is
from runpodkit.sweeps.axis_text import read_text
from runpodkit.sweeps.axis_text import short as _short
from runpodkit.sweeps.axis_text import some as _some

MAX_VALUES = 10_000
"""Values that one axis may have."""

EXTRA = "extra."
"""`extra.NAME` is an axis over one worker-specific input."""

ENDPOINT = "endpoint"
"""An axis over endpoints, by their names; no parameter of the picture itself."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PROMPTS = ("user_prompt", "negative_prompt")


class AxisValues(NamedTuple):
    """What was read, and everything wrong with it; values are good only if nothing is."""

    values: list[Any]
    problems: list[str]


def parse_axis(text: str, field: str, *, unique: bool = True) -> list[Any]:
    """The values that `text` means for a field of `ImageParams`, or for `extra.NAME`.

    Args:
        text: In the grammar of `axis_text`.
        field: Its type decides what is a number.  For `extra.NAME`, whose type nobody
            knows, unquoted numbers, ranges, true and false are read as such.
        unique: Report values that come twice; axes that are zipped may repeat.

    Raises:
        ValueError: one message with every problem.
    """
    values, problems = read_axis(field, text, unique=unique)
    if problems:
        raise ValueError("; ".join(problems))
    return values


def read_axis(field: str, given: object, *, unique: bool = True, most: int = MAX_VALUES) -> AxisValues:
    """The values of an axis, each with the type of its field, and every problem in words.

    Args:
        field: A field of `ImageParams`, or `extra.NAME`.
        given: Grammar text, or a list, range, tuple, array, Series or other ordered iterable.
        unique: Report values that come twice (4 and 4.0 are the same).
        most: Values that a list may have.
    """
    refusal = _refused_name(field)
    if refusal:
        return AxisValues([], [refusal])
    if isinstance(given, str):
        raw, problems = read_text(given, _kind(field), most=MAX_VALUES, prose=field in _PROMPTS)
    else:
        raw, problems = _listed(given, most)
    if problems:
        return AxisValues([], problems)
    if not raw:
        return AxisValues([], ["empty: give at least one value"])
    if len(raw) > most:
        return AxisValues([], [f"more than {most:,} values: use fewer"])
    values, problems = _typed(field, raw)
    if unique and (twice := repeated(values)):
        problems.append(f"{_some(twice)} {_is(twice)} given more than once")
    return AxisValues(values, problems)


def canonical(value: Any) -> str:
    """JSON in which equal values look equal: sorted keys, 4.0 as 4, ASCII.

    Raises:
        ValueError, TypeError: `value` has no JSON form (NaN, an object).
    """
    return json.dumps(_whole(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def repeated(values: Iterable[Any]) -> list[Any]:
    """The values that come more than once, each once, in order."""
    seen: dict[str, int] = {}
    twice = []
    for value in values:
        key = canonical(value)
        seen[key] = seen.get(key, 0) + 1
        if seen[key] == 2:
            twice.append(value)
    return twice


def as_list(given: object) -> object:
    """Arrays and Series as lists, their scalars as Python's; anything else as it is."""
    tolist = getattr(given, "tolist", None)
    return tolist() if callable(tolist) else given


def _refused_name(field: str) -> str | None:
    if field.startswith(EXTRA):
        if re.fullmatch(r"[A-Za-z0-9_-]{1,100}(\.[A-Za-z0-9_-]{1,100}){0,9}", field.removeprefix(EXTRA)):
            return None
        return "after `extra.` comes a name of letters, digits, _ and -, or several with dots between them"
    if field == "extra":
        return "an axis over a worker-specific input is called extra.NAME"
    if field == "timeout":
        return "not part of the picture, so all trials would be alike: set it in the base"
    if field in ImageParams.model_fields or field == ENDPOINT:
        return None
    near = difflib.get_close_matches(field, ImageParams.model_fields, n=1)
    known = ", ".join(name for name in ImageParams.model_fields if name not in ("extra", "timeout"))
    return "not a parameter; " + (f"did you mean {near[0]}?" if near else f"known: {known}, endpoint, extra.NAME")


def _kind(field: str) -> type | None:
    """int, float, bool or str; None where nobody knows."""
    if field.startswith(EXTRA):
        return None
    if field == ENDPOINT:
        return str
    annotation = ImageParams.model_fields[field].annotation
    kinds: list[Any] = [arg for arg in get_args(annotation) if arg is not NoneType] or [annotation]
    return kinds[0] if isinstance(kinds[0], type) else None


def is_number(field: str) -> bool:
    """Whether a field of `ImageParams` holds a number, so that text for it can only be grammar."""
    return _kind(field) in (int, float)


# Values


def _listed(given: object, most: int) -> tuple[list[Any], list[str]]:
    given = as_list(given)
    if isinstance(given, set | frozenset):
        return [], ["a set has no order: give a list"]
    if isinstance(given, Mapping | bytes | bytearray) or not isinstance(given, Iterable):
        return [], [f"{_short(given)} is no list of values: give a list, a range or text such as '1-10'"]
    return [as_list(value) for value in islice(given, most + 1)], []


def _typed(field: str, raw: list[Any]) -> tuple[list[Any], list[str]]:
    """Values as the field keeps them; what it refuses is grouped, so that a long range is one line."""
    if field.startswith(EXTRA):
        return _json_values(raw)
    if field == ENDPOINT:
        bad = [value for value in raw if not (isinstance(value, str) and _NAME.fullmatch(value))]
        return raw, [f"{_some(bad)} {_is(bad)} no name of an endpoint"] if bad else []
    values: list[Any] = []
    refused: dict[str, list[Any]] = {}
    numeric = is_number(field)
    known: dict[tuple[type, Any], Any] = {}  # rows of a table have the same values over and over
    for value in raw:
        if numeric and isinstance(value, bool):
            refused.setdefault("not a number", []).append(value)
            continue
        key = (type(value), value) if isinstance(value, int | float | str) else None
        if key is not None and key in known:
            values.append(known[key])
            continue
        try:
            params = ImageParams.model_validate({"user_prompt": "-", field: value})
        except ValidationError as exc:
            refused.setdefault(_why(field, exc), []).append(value)
            continue
        read = getattr(params, field)
        if field == "seed" and read == RANDOM_SEED:
            refused.setdefault("no seed: use rk.seeds(n), or seed='vary' for one per trial", []).append(value)
        values.append(read)
        if key is not None:
            known[key] = read
    return values, [f"{_some(bad)} {_is(bad)} {why}" for why, bad in refused.items()]


def _json_values(raw: list[Any]) -> tuple[list[Any], list[str]]:
    values: list[Any] = []
    refused: list[Any] = []
    for value in raw:
        try:
            values.append(json.loads(json.dumps(value, allow_nan=False)))
        except (TypeError, ValueError, RecursionError):
            refused.append(value)
    return values, [f"{_some(refused)} {_is(refused)} not what JSON can hold"] if refused else []


def _why(field: str, error: ValidationError) -> str:
    item = error.errors(include_url=False)[0]
    bounds = {
        name: limit
        for constraint in ImageParams.model_fields[field].metadata
        for name in ("ge", "le")
        if (limit := getattr(constraint, name, None)) is not None
    }
    allowed = f" ({bounds['ge']} to {bounds['le']} is allowed)" if len(bounds) == 2 else ""
    match item["type"]:
        case "greater_than_equal":
            return f"below {item['ctx']['ge']}{allowed}"
        case "less_than_equal" | "int_parsing_size":
            return f"above {bounds['le']}{allowed}"
        case "multiple_of":
            return f"not a multiple of {item['ctx']['multiple_of']}"
        case "int_from_float":
            return "not whole"
    return f"refused: {item['msg'][0].lower()}{item['msg'][1:]}"


def _whole(value: Any) -> Any:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {key: _whole(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(inner) for inner in value]
    return value
