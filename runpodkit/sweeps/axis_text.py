"""The grammar in which an axis is typed or pasted: text in, values out.

    5, 10, 20          values; "a, b" and 'c' quote a value, a doubled quote is one quote
    1-10               every whole step from 1 to 10, both included; 10-1 counts down
    1-10 (+3)          1, 4, 7, 10; 10-1 (-3) counts down; never past the end
    0-1 [5]            5 points, evenly spaced, both ends included
    1, 3, ..., 9       1, 3, 5, 7, 9: goes on as it began; ".." and "…" are the same
    a, b || c, d       two values: || parts what commas cannot
    1, SKIP: 2, 3      1 and 3; 2 is left out without being forgotten

Items may also stand on lines of their own.  Ranges are for numbers, and are worked out in
decimals: 0-1 (+0.1) ends at 1 exactly.  Text fields take lists alone.  Prose is one value as
it stands, unless all of it is a list of quoted values or || parts it: prompts are full of commas.

This takes in what is typed into A1111's X/Y/Z plot, and gives the same values, save where
those overshoot their end or come twice.  There 1-10 [5] of a whole number is 1, 3, 5, 7, 10:
points that are not whole lose their decimals, if all still differ.  `...`, `||` and `SKIP:`
are those of the grid tools Infinity Grid and SwarmUI.

Which values a parameter may take is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

_NUMBER = r"[+-]?(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})"
_SIGNED = r"[+-]?\s*(?:[0-9]{1,20}(?:\.[0-9]{0,20})?|\.[0-9]{1,20})"
_RANGE = re.compile(
    rf"(?P<start>{_SIGNED})\s*-\s*(?P<end>{_SIGNED})"
    rf"(?:\s*\(\s*(?P<step>{_SIGNED})\s*\)|\s*\[\s*(?P<count>[0-9]{{1,20}})\s*\])?"
)
_DIGITS = 100  # of precision: the longest number above, times an index, never rounds
_DASHES = str.maketrans("–−", "--")  # word processors make them of a minus
_GOES_ON = ("...", "..", "…")
_SKIPPED = re.compile(r"skip:\s*(.*)", re.IGNORECASE | re.DOTALL)
_BARS = "||"


class _Item(NamedTuple):
    text: str
    quoted: bool


def read_text(text: str, kind: type | None, *, most: int, prose: bool = False) -> tuple[list[Any], list[str]]:
    """The values that a text means, and every problem in words; values are good only if nothing is.

    Args:
        text: In the grammar at the top of this module.
        kind: int or float reads numbers, None what looks like them too, anything else takes items as they are.
        most: Values that there may be.
        prose: Whether commas are part of a value.
    """
    if not text.strip():
        return [], ["empty: give at least one value"]
    items, problems = _split(text)
    whole = bool(problems) or not all(item.quoted for item in items)
    if _BARS in text and whole and (problems or any(_BARS in item.text and not item.quoted for item in items)):
        items, problems = _split_at_bars(text)
    elif prose and whole:
        return [text], []
    values, wrong = _values(items, kind, most)
    return values, problems + wrong


def split_list(text: str) -> list[str]:
    """The items of a comma list as they are, quotes taken off.

    Raises:
        ValueError: one line with every problem.
    """
    items, problems = _split(text)
    if problems:
        raise ValueError("; ".join(problems))
    return [item.text for item in items]


def _values(items: Sequence[_Item], kind: type | None, most: int) -> tuple[list[Any], list[str]]:
    values: list[Any] = []
    problems: list[str] = []
    skipped = False
    for place, item in enumerate(items):
        if not item.quoted and _SKIPPED.fullmatch(item.text):
            skipped = True
            continue
        if not item.quoted and item.text in _GOES_ON and kind in (int, float, None):
            after = items[place + 1].text if place + 1 < len(items) else ""
            read, wrong = _gone_on(values, after, kind, most)
        else:
            read, wrong = _read(item, kind, most)
        values += read
        problems += wrong
        if len(values) > most:
            problems.append(f"more than {most:,} values: use fewer")
            break
    if skipped and not values and not problems:
        problems.append("every value is skipped: leave at least one")
    return values, problems


def _read(item: _Item, kind: type | None, most: int) -> tuple[list[Any], list[str]]:
    if kind in (int, float):
        return _numbers(item.text.strip().translate(_DASHES), most, whole=kind is int, cut=kind is int)
    if kind is None and not item.quoted:
        return _guessed(item.text, most)
    return [item.text], []


def _gone_on(before: Sequence[Any], after: str, kind: type | None, most: int) -> tuple[list[Any], list[str]]:
    """What stands for `...`: without the value after it, which reads itself."""
    after = after.strip().translate(_DASHES)
    two = before[-2:]
    if not (re.fullmatch(_NUMBER, after) and len(two) == 2 and all(_is_number(value) for value in two)):
        if kind is None:
            return ["..."], []
        return [], ["... needs two numbers before it and one after it, as in 1, 3, ..., 9"]
    with localcontext(prec=_DIGITS):
        first, second, end = Decimal(repr(two[0])), Decimal(repr(two[1])), Decimal(after)
        step = second - first
        shown = f"{two[0]}, {two[1]}, ..., {after}"
        if not step or (end - second) * step <= 0:
            return [], [f"{shown}: it does not go on towards {after}"]
        count, rest = divmod(end - second, step)
        if rest:
            near = second + step * count
            return [], [f"{shown}: steps of {step:f} pass {after}; end at {near:f} or {near + step:f}"]
        if count > most:
            return [], [f"{shown}: more than {most:,} values"]
        numbers = [second + step * i for i in range(1, int(count))]
    return [int(number) if isinstance(two[1], int) and not number % 1 else float(number) for number in numbers], []


def _split(text: str) -> tuple[list[_Item], list[str]]:
    """Items between the commas and line ends that no quote holds; a quote counts only where an item begins."""
    items: list[_Item] = []
    problems: list[str] = []
    at = 0
    after_comma = False
    while True:
        at = _after_blanks(text, at)
        if at == len(text):
            if after_comma:
                problems.append("nothing stands after the last comma")
            break
        if text[at] == ",":
            problems.append("nothing stands before a comma")
            at, after_comma = at + 1, True
            continue
        quote = text[at] if text[at] in "\"'" else None
        if quote is None:
            end = _end(text, at)
            items.append(_Item(text[at:end].strip(), quoted=False))
        else:
            closing = _closing(quote).match(text, at + 1)
            if closing is None:
                problems.append(f"the quote of {short(text[at:])} is never closed")
                break
            items.append(_Item(closing[1].replace(quote * 2, quote), quoted=True))
            end = _end(text, closing.end())
            if text[closing.end() : end].strip():
                problems.append(f"{short(text[at:end].strip())}: only a comma may follow a closing quote")
        # A comma at the end of a line, or at the start of the next, is the same one.
        end = _after_blanks(text, end)
        after_comma = end < len(text) and text[end] == ","
        at = end + 1 if after_comma else end
    return items, problems


def _end(text: str, at: int) -> int:
    """Where the item at this place ends."""
    found = re.compile("[,\n\r]").search(text, at)
    return found.start() if found else len(text)


def _split_at_bars(text: str) -> tuple[list[_Item], list[str]]:
    """Items between the || that no quote holds; only an item that is quoted as a whole is one."""
    items: list[_Item] = []
    problems: list[str] = []
    at = 0
    while at <= len(text):
        start = _after_blanks(text, at)
        end = text.find(_BARS, at)
        end = len(text) if end < 0 else end
        quoted = None
        if text[start : start + 1] in ("'", '"'):
            closing = _closing(text[start]).match(text, start + 1)
            after = _after_blanks(text, closing.end()) if closing else 0
            if closing and (after == len(text) or text.startswith(_BARS, after)):
                quoted, end = closing[1].replace(text[start] * 2, text[start]), after
        if quoted is not None:
            items.append(_Item(quoted, quoted=True))
        elif word := text[at:end].strip():
            items.append(_Item(word, quoted=False))
        else:
            problems.append(f"nothing stands {'after the last' if end == len(text) else 'before a'} ||")
        at = end + len(_BARS)
        if end == len(text):
            break
    return items, problems


def _after_blanks(text: str, at: int) -> int:
    while at < len(text) and text[at].isspace():
        at += 1
    return at


def _closing(quote: str) -> re.Pattern[str]:
    return re.compile(rf"((?:[^{quote}]|{quote}{quote})*){quote}(?!{quote})")


def _numbers(text: str, most: int, *, whole: bool, cut: bool = False) -> tuple[list[Any], list[str]]:
    """One number, or a range of them; `cut` takes the decimals off points that are to be whole."""
    points = False
    if re.fullmatch(_NUMBER, text):
        numbers = [Decimal(text)]
    elif match := _RANGE.fullmatch(text):
        with localcontext(prec=_DIGITS):
            numbers, wrong = _range({name: "".join(part.split()) for name, part in match.groupdict("").items()}, most)
        if wrong:
            return [], [f"range {text}: {wrong}"]
        points = bool(match["count"])
    else:
        return [], [f"{short(text)} is neither a number nor a range such as 1-10, 1-10 (+3) or 0-1 [5]"]
    if not whole:
        return [float(number) for number in numbers], []
    if broken := [float(number) for number in numbers if number % 1]:
        ends_are_whole = not numbers[0] % 1 and not numbers[-1] % 1
        if cut and points and ends_are_whole and len({int(number) for number in numbers}) == len(numbers):
            return [int(number) for number in numbers], []
        where = f"range {text}: " if len(numbers) > 1 else ""
        return [], [f"{where}{some(broken)} {is_or_are(broken)} not whole"]
    return [int(number) for number in numbers], []


def _range(parts: dict[str, str], most: int) -> tuple[list[Decimal], str | None]:
    start, end = Decimal(parts["start"]), Decimal(parts["end"])
    if parts["count"]:
        count = int(parts["count"])
        if not 1 <= count <= most:
            return [], f"[{count}] asks for too {'many' if count else 'few'} points, 1 to {most:,} are possible"
        if count == 1 and start != end:
            return [], "one point cannot be both ends: use [2] or more"
        gaps = max(count - 1, 1)
        return [(start * (gaps - i) + end * i) / gaps for i in range(count)], None
    step = Decimal(parts["step"]) if parts["step"] else Decimal(1 if end >= start else -1)
    if not step:
        return [], "the step is 0"
    if (end - start) * step < 0:
        way, sign = ("up", "+") if end > start else ("down", "-")
        return [], f"it goes {way}, so its step needs a {sign}"
    last = (end - start) // step
    if last >= most:
        return [], f"more than {most:,} values: use a larger step"
    if last == 0 and start != end and not parts["step"]:
        return [], "its ends are less than 1 apart: give a step, as (+0.1), or a count, as [5]"
    return [start + step * i for i in range(int(last) + 1)], None


def _guessed(text: str, most: int) -> tuple[list[Any], list[str]]:
    """An unquoted item for an input whose type nobody knows."""
    if text.lower() in ("true", "false"):
        return [text.lower() == "true"], []
    if re.fullmatch(_NUMBER, text) or _RANGE.fullmatch(text):
        numbers, broken = _numbers(text, most, whole=True)
        if broken or "." in text:
            numbers, broken = _numbers(text, most, whole=False)
        return numbers, broken
    return [text], []


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# Words for problems


def is_or_are(values: Sequence[Any]) -> str:
    return "is" if len(values) == 1 else "are"


def some(values: Sequence[Any], at_most: int = 4) -> str:
    """The first few values in words: `5`; `5 and 6`; `1, 2, 3, 4 and 96 more`."""
    shown = [short(value) for value in values[:at_most]]
    if len(values) > at_most:
        return f"{', '.join(shown)} and {len(values) - at_most:,} more"
    return " and ".join(filter(None, [", ".join(shown[:-1]), shown[-1]]))


def short(value: object) -> str:
    """A value as Python writes it, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "…"
