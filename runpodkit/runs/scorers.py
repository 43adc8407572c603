"""Scorers: how the number of a picture is had, from a built-in measure, a function or a model that sees batches.

Gets pictures and gives numbers; knows neither run nor store.  A function's code has a fingerprint, so that
numbers of two versions of it are never taken for one another.
"""

from __future__ import annotations

import functools
import hashlib
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

from runpodkit.params import ImageParams

if TYPE_CHECKING:
    from PIL.Image import Image

_MOST_VALUES = 1000
"""Of a collection that counts as a plain value."""

Function = Callable[["Image", ImageParams], float]
"""Gets a picture as RGB and the parameters as sent; gives a number, higher or lower as it likes."""


@runtime_checkable
class Scorer(Protocol):
    """Something that sees several pictures at a time, such as a CLIP-like model on a GPU.

    It is called by one thread at a time.  An attribute `version` (any text, such as the name of the weights), where
    there is one, tells its numbers from those of another version.
    """

    name: str
    """Of the score, unless the caller gives another."""
    batch_size: int
    """Pictures that are decoded and handed over together, at most; 1 or more."""

    def score(self, images: Sequence[Image], params: Sequence[ImageParams]) -> Sequence[float]:
        """A number for each picture, in their order; each is RGB and has its own parameters as sent."""


class BuiltIn(NamedTuple):
    """A measure of the package: what is kept of a picture, and the number of it or of two."""

    prepare: Callable[[Image], Any]
    number: Callable[..., float]
    pairs: bool = False
    """Whether it compares a picture with a baseline."""


def built_ins() -> Mapping[str, BuiltIn]:
    """The measures that need nothing installed, by name."""
    from runpodkit.images import frames, measures

    def bright(image: Image) -> Any:
        return frames.luma(frames.frame(image))

    return {
        "sharpness": BuiltIn(bright, measures.sharpness),
        "contrast": BuiltIn(bright, measures.contrast),
        "colourfulness": BuiltIn(frames.frame, measures.colourfulness),
        "ssim": BuiltIn(frames.ssim_luma, lambda one, other: measures.ssim(*frames.same_size(one, other)), pairs=True),
        "phash_distance": BuiltIn(
            lambda image: measures.phash(frames.hashed_luma(image)), measures.hash_distance, pairs=True
        ),
    }


def as_number(value: Any) -> float:
    """What a function gave as a finite number; arrays' and tensors' single values are numbers too.

    Raises:
        ValueError: anything else, with what it is.
    """
    plain = value
    if callable(getattr(value, "item", None)):
        try:
            plain = value.item()
        except (ValueError, TypeError, RuntimeError):
            raise ValueError(f"it gave a {type(value).__name__} of several values, not a number") from None
    if plain is None:
        raise ValueError("it gave None: does the function return its number?")
    if isinstance(plain, str | bytes | complex):
        raise ValueError(f"it gave {plain!r:.60}, a {type(plain).__name__}, not a number")
    try:
        number = float(plain)
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"it gave a {type(plain).__name__}, not a number") from None
    if not math.isfinite(number):
        raise ValueError(f"it gave {number}, which is no finite number")
    return number


def name_of(scorer: Any) -> str | None:
    """What a scorer calls itself; None of a lambda or of a thing without a name."""
    if isinstance(scorer, functools.partial):
        return name_of(scorer.func)
    name = getattr(scorer, "name", None) or getattr(scorer, "__name__", None)
    return name if isinstance(name, str) and name != "<lambda>" else None


def fingerprint(scorer: Any) -> str | None:
    """What tells the code of a function or scorer; None where there is no Python code to be had.

    Covered are its instructions, constants, defaults, the plain values (and lists and mappings of such) and
    functions it closes over or reads from its module, an attribute `version`, and of an object the methods of its own that
    it calls and the public attributes that are plain values (not `batch_size`); not covered are functions called by the
    name of a module (`module.function`), other objects, weights, arrays and what it reads from disk.  Python's own version is in it,
    since each compiles code in its own way.
    """
    made: list[str] = []
    if not _tell(scorer, made, set()):
        return None
    owner = scorer.__self__ if isinstance(scorer, MethodType) else scorer
    own = {} if isinstance(owner, FunctionType | type) else getattr(owner, "__dict__", {})
    told = {**own, "version": getattr(owner, "version", None)}
    made += [
        f"{name}={value}"
        for name, value in sorted((name, _text(value)) for name, value in told.items())
        if value is not None and not name.startswith("_") and name != "batch_size"
    ]
    digest = hashlib.sha256("\n".join(made).encode("utf-8", "replace")).hexdigest()
    return f"py{sys.version_info.major}.{sys.version_info.minor}:{digest[:16]}"


def _tell(thing: Any, made: list[str], seen: set[int]) -> bool:
    """Add what tells a callable; False if it has no code."""
    if isinstance(thing, functools.partial):
        made.append("partial")
        for value in (*thing.args, *thing.keywords.items()):
            _tell_value(value, made, seen)
        return _tell(thing.func, made, seen)
    if isinstance(thing, MethodType):
        owner = thing.__self__ if isinstance(thing.__self__, type) else type(thing.__self__)
        return _tell_method(owner, thing.__func__, made, seen)
    if isinstance(thing, FunctionType):
        if id(thing) in seen:
            return True
        seen.add(id(thing))
        _tell_code(thing.__code__, made, thing.__doc__)
        values = [*(thing.__defaults__ or ()), *(thing.__kwdefaults__ or {}).items(), *_closed_over(thing)]
        names = _names(thing.__code__)
        values += [(name, thing.__globals__[name]) for name in sorted(names) if name in thing.__globals__]
        for value in values:
            _tell_value(value, made, seen)
        return True
    if isinstance(thing, BuiltinFunctionType | type):
        return False
    for method in ("score", "__call__"):
        code = getattr(type(thing), method, None)
        if isinstance(code, FunctionType):
            return _tell_method(type(thing), code, made, seen)
    return False


def _tell_method(owner: type, method: Any, made: list[str], seen: set[int]) -> bool:
    """Add what tells a method, and those of its class that it calls."""
    if not isinstance(method, FunctionType):
        return _tell(method, made, seen)
    if id(method) in seen:
        return True
    _tell(method, made, seen)
    for name in sorted(_names(method.__code__)):
        other = getattr(owner, name, None)
        other = getattr(other, "fget", None) or getattr(other, "__func__", other)
        if isinstance(other, FunctionType):
            made.append(name)
            _tell_method(owner, other, made, seen)
    return True


def _tell_value(value: Any, made: list[str], seen: set[int]) -> None:
    name, inner = value if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], str) else ("", value)
    if isinstance(inner, FunctionType):
        made.append(name)
        _tell(inner, made, seen)
    elif (text := _text(inner)) is not None:
        made.append(f"{name}={text}")


def _tell_code(code: CodeType, made: list[str], doc: str | None = None) -> None:
    made.append(f"{code.co_code.hex()} {code.co_names} {code.co_varnames}")
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            _tell_code(constant, made)
        elif doc is None or constant != doc:  # what it says of itself changes no number
            made.append(_text(constant) or repr(constant))


def _names(code: CodeType) -> set[str]:
    """What a function may read from its module, functions inside it included."""
    inner = [_names(constant) for constant in code.co_consts if isinstance(constant, CodeType)]
    return set(code.co_names).union(*inner)


def _closed_over(function: FunctionType) -> list[tuple[str, Any]]:
    found = []
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found.append((name, cell.cell_contents))
        except ValueError:  # not filled yet
            continue
    return found


def _text(value: Any, depth: int = 0) -> str | None:
    """A plain value, or a collection of such, as text that is the same for equal ones; None of anything else."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if depth > 4 or not isinstance(value, tuple | list | set | frozenset | dict) or len(value) > _MOST_VALUES:
        return None
    inner = [_text(one, depth + 1) for one in (value.items() if isinstance(value, dict) else value)]
    if None in inner:
        return None
    texts = [str(one) for one in inner]
    return f"{type(value).__name__}({', '.join(sorted(texts) if isinstance(value, set | frozenset) else texts)})"
