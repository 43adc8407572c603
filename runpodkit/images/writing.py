"""Writing: the order in which the characters of a line stand side by side, and their joined forms.

Where a typeface sets letters one by one, somebody must know that Hebrew and Arabic run from right
to left, that numbers in them do not, and that Arabic letters change shape beside each other.
This is the part of Unicode's rules that labels need: one line at a time, no explicit embeddings
(`lettering.clean` marks those), no isolates.  It knows no typeface and no pixels.

Not done: Indic reordering, Thai word breaks, vertical writing, ligatures other than lam-alef.

Source: Unicode Standard Annex 9 (W1 to W7, N1, N2, L2, L4); Standard, section 9.2 "Arabic".
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import TypeVar

_MIRRORED = dict(zip("()[]{}<>«»‹›≤≥", ")(][}{><»«›‹≥≤", strict=True))
_CLOSING = {"(": ")", "[": "]", "{": "}"}
_NOT_JOINED, _TATWEEL = "\u200c", "\u0640"
_RIGHT = ("R", "AL")
T = TypeVar("T")

DEEPEST = 63
"""Brackets inside brackets that are looked at; the bound is Unicode's."""


@dataclass(frozen=True, slots=True)
class Sign:
    """A letter with the marks that belong to it: as it was written, and as it is to be drawn."""

    source: str
    drawn: str
    rtl: bool = False


@lru_cache(maxsize=1024)
def in_visual_order(line: str) -> tuple[Sign, ...]:
    """The signs of one line from left to right; what takes no room and no ink is left out of `drawn`."""
    if not any(unicodedata.bidirectional(char) in (*_RIGHT, "AN") for char in line):
        return tuple(Sign(visible(cluster), visible(cluster)) for cluster in clusters(line))
    units = [Sign(cluster, visible(cluster)) for cluster in _joined(list(clusters(line)))]
    levels = _levels([unit.source for unit in units])
    signs = [
        Sign(unit.source, _mirrored(unit.source, shape) if level % 2 else shape, bool(level % 2))
        for unit, shape, level in zip(units, _shapes(units), levels, strict=True)
    ]
    for least in range(max(levels, default=0), 0, -1):
        signs = _reversed_from(signs, levels, least)
        levels = _reversed_from(levels, levels, least)
    return tuple(signs)


def clusters(text: str) -> Iterator[str]:
    """`text` in pieces that must not be parted: a letter with its accents, joiners and variants."""
    start = 0
    for at in range(1, len(text)):
        if not holds_on(text, at):
            yield text[start:at]
            start = at
    if text:
        yield text[start:]


def holds_on(text: str, at: int) -> bool:
    """Whether the character at `at` belongs to the one before it."""
    char = text[at]
    if char < "\u0300":
        return char == "\u00ad"
    return (
        unicodedata.category(char) in ("Mn", "Me", "Mc") or takes_no_room(char) or "\U0001f3fb" <= char <= "\U0001f3ff"
    )


def takes_no_room(char: str) -> bool:
    """Joiners, variation selectors and their like: they say how others look and are not seen themselves."""
    return (
        char in "\u00ad\u034f\u200b\u200c\u200d\u2060\ufeff"
        or "\ufe00" <= char <= "\ufe0f"
        or "\U000e0100" <= char <= "\U000e01ef"
    )


def visible(cluster: str) -> str:
    """A cluster without what takes no room."""
    return (
        cluster
        if len(cluster) == 1 and cluster < "\u0300" and cluster != "\u00ad"
        else "".join(char for char in cluster if not takes_no_room(char))
    )


# direction


def _levels(units: list[str]) -> list[int]:
    """The depth of each cluster: even runs to the right, odd to the left."""
    kinds = [_kind(unit[0]) for unit in units]
    base = next((0 if kind == "L" else 1 for kind in kinds if kind in "LRA"), 0)
    outside = "R" if base else "L"
    _settle_numbers(kinds, outside)
    _settle_brackets(kinds, units, outside)
    at = 0
    while at < len(kinds):  # what has no direction takes that of both its neighbours, else the line's
        if kinds[at] != "N":
            at += 1
            continue
        end = at
        while end < len(kinds) and kinds[end] == "N":
            end += 1
        before = _leaning(kinds[at - 1]) if at else outside
        after = _leaning(kinds[end]) if end < len(kinds) else outside
        kinds[at:end] = [before if before == after else outside] * (end - at)
        at = end
    return [{"L": 2 * base, "R": 1, "#": 2}[kind] for kind in kinds]


def _kind(char: str) -> str:
    """L, R (A: Arabic), a digit (0: European, 9: Arabic), a sign between digits (, +) or around them ($), or N."""
    name = unicodedata.bidirectional(char)
    return {"L": "L", "R": "R", "AL": "A", "EN": "0", "AN": "9", "CS": ",", "ES": "+", "ET": "$"}.get(name, "N")


def _settle_numbers(kinds: list[str], outside: str) -> None:
    """Digits with the signs inside and around them become numbers (#), or L where Latin is before them."""
    strong = ""
    for at, kind in enumerate(kinds):
        if kind in "LRA":
            strong = kind
            kinds[at] = "L" if kind == "L" else "R"
        elif kind == "0" and strong == "A":
            kinds[at] = "9"
    for at, kind in enumerate(kinds):
        if kind in ",+":
            between = 0 < at < len(kinds) - 1 and kinds[at - 1] == kinds[at + 1]
            kinds[at] = kinds[at - 1] if between and kinds[at - 1] in ("09" if kind == "," else "0") else "N"
    for order in (range(len(kinds)), range(len(kinds) - 1, -1, -1)):
        before = ""
        for at in order:
            if kinds[at] == "$" and before == "0":
                kinds[at] = "0"
            before = kinds[at]
    strong = outside
    for at, kind in enumerate(kinds):
        if kind in "LR":
            strong = kind
        elif kind in "09":
            kinds[at] = "L" if kind == "0" and strong == "L" else "#"
        elif kind == "$":
            kinds[at] = "N"


def _settle_brackets(kinds: list[str], units: list[str], outside: str) -> None:
    """A pair of brackets goes with what is inside if that goes with the line, else with what is before it (N0)."""
    pairs: list[tuple[int, int]] = []
    opened: list[int] = []
    for at, unit in enumerate(units):
        if unit in _CLOSING and kinds[at] == "N":
            opened.append(at)
            if len(opened) > DEEPEST:
                break
        elif unit in _CLOSING.values() and kinds[at] == "N":
            match = next((one for one in reversed(opened) if _CLOSING[units[one]] == unit), None)
            if match is not None:
                pairs.append((match, at))
                opened = opened[: opened.index(match)]
    for first, last in sorted(pairs):
        inside = {_leaning(kind) for kind in kinds[first + 1 : last]} & {"L", "R"}
        if not inside:
            continue
        before = next((_leaning(kind) for kind in reversed(kinds[:first]) if kind != "N"), outside)
        kinds[first] = kinds[last] = outside if outside in inside or before == outside else before


def _leaning(kind: str) -> str:
    return "R" if kind == "#" else kind


def _reversed_from(things: list[T], levels: list[int], least: int) -> list[T]:
    made: list[T] = []
    run: list[T] = []
    for thing, level in zip(things, levels, strict=True):
        if level >= least:
            run.append(thing)
            continue
        made += [*run[::-1], thing]
        run = []
    return made + run[::-1]


def _mirrored(source: str, shape: str) -> str:
    return _MIRRORED.get(source, shape)


# Arabic


def _joined(units: list[str]) -> list[str]:
    """Lam and the alef after it as one unit, since they are drawn as one."""
    forms = _arabic_forms()
    made: list[str] = []
    for unit in units:
        if made and made[-1] and made[-1][0] == "\u0644" and len(made[-1]) == 1 and "\u0644" + unit[0] in forms:
            made[-1] += unit
        else:
            made.append(unit)
    return made


def _shapes(units: list[Sign]) -> list[str]:
    """Each unit as it looks beside its neighbours."""
    forms = _arabic_forms()
    letters = [_letter(unit.drawn, forms) for unit in units]
    parted = [_NOT_JOINED in unit.source for unit in units]
    made = []
    for at, unit in enumerate(units):
        letter = letters[at]
        known = forms.get(letter, {})
        before = at > 0 and not parted[at - 1] and _joins(letters[at - 1], "initial", forms)
        after = at + 1 < len(units) and not parted[at] and _joins(letters[at + 1], "final", forms)
        before, after = before and "final" in known, after and "initial" in known
        name = "medial" if before and after else "final" if before else "initial" if after else "isolated"
        made.append(known[name] + unit.drawn[len(letter) :] if name in known else unit.drawn)
    return made


def _joins(letter: str, form: str, forms: dict[str, dict[str, str]]) -> bool:
    return form in forms.get(letter, {}) or letter == _TATWEEL


def _letter(unit: str, forms: dict[str, dict[str, str]]) -> str:
    return unit[:2] if unit[:2] in forms else unit[:1]


@cache
def _arabic_forms() -> dict[str, dict[str, str]]:
    """Per letter (or lam-alef) its forms: isolated, final, initial, medial; from Unicode's own table of them."""
    forms: dict[str, dict[str, str]] = {}
    for point in (*range(0xFB50, 0xFBB2), *range(0xFBD3, 0xFC00), *range(0xFE80, 0xFEFD)):
        name, *letters = unicodedata.decomposition(chr(point)).split()[:3] or [""]
        text = "".join(chr(int(letter, 16)) for letter in letters)
        if len(text) == 1 or (len(text) == 2 and text[0] == "\u0644" and point >= 0xFEF5):
            forms.setdefault(text, {}).setdefault(name.strip("<>"), chr(point))
    return forms
