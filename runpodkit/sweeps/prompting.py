r"""Prompting: one prompt becomes several, by replacing, by reordering, or by alternatives in braces.

    Replace("dusk", ("dawn", "noon"))          a pier at dusk, a pier at dawn, a pier at noon
    permutations(["cat", "dog"])               a cat and a dog, a dog and a cat
    alternatives("a {red|blue} cat")           a red cat, a blue cat

All three are plans: small values with labels, which an axis shows, and a way from a label to
a prompt.  Replacing and reordering mean what "Prompt S/R" and "Prompt order" mean in A1111's
X/Y/Z plot, except that what a prompt does not hold is a problem, never a silent no.

Which prompts they are used on, and how axes are combined, is not known here.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from runpodkit.reprs import cut

PromptField = Literal["user_prompt", "negative_prompt", "both"]

NOTHING = "(nothing)"
"""The label of an empty text."""

MAX_PARTS = 6
"""Parts that can change places: 6 have 720 orders, 7 would have 5,040."""

MAX_CHOICES = 10_000
"""Texts that one brace group may stand for."""

MAX_NESTING = 20
"""Brace groups within each other."""

_NAME_LENGTH = 40
_FIRST_SIGN = 0x2460  # ①, of signs that few prompts have
_ONE_FIELD = ("user_prompt", "negative_prompt")


@dataclass(frozen=True, slots=True)
class Replace:
    """Search and replace in a prompt, one value per trial; case counts, every occurrence is replaced."""

    search: str
    values: tuple[str, ...]
    """What comes in its place; "" takes it out."""
    field: PromptField = "user_prompt"
    """Which prompt is searched; `both` needs it in one of the two."""
    keep: bool = True
    """Whether the prompt as it stands comes first, as in A1111."""
    _by_label: Mapping[str, str] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        problems = _field_problems(self.field, get_args(PromptField))
        if not isinstance(self.search, str) or not self.search:
            problems.append(f"search={self.search!r} is no text to look for")
        if not isinstance(self.keep, bool):
            problems.append(f"keep={self.keep!r} is neither true nor false")
        if not _is_texts(self.values):
            problems.append("the values are not a list of texts")
        elif not self.values:
            problems.append("give at least one value")
        elif twice := _twice(self.labels):
            problems.append(f"{_some(twice)} given more than once{' (search is kept as a value)' if self.keep else ''}")
        if problems:
            raise ValueError(f"replace {_short(self.search)}: {'; '.join(problems)}")
        object.__setattr__(self, "values", tuple(self.values))
        object.__setattr__(self, "_by_label", dict(zip(self.labels, self._texts(), strict=True)))

    @property
    def labels(self) -> tuple[str, ...]:
        """What the axis shows, in order; distinct."""
        return tuple(value or NOTHING for value in self._texts())

    def problem(self, prompt: str | None, negative_prompt: str | None = None) -> str | None:
        """Why these prompts cannot be searched, in words; None if they can."""
        searched = {"user_prompt": [prompt], "negative_prompt": [negative_prompt], "both": [prompt, negative_prompt]}
        if any(self.search in (text or "") for text in searched[self.field]):
            return None
        where = "neither prompt has" if self.field == "both" else f"{self.field} does not have"
        return f"replace: {where} {_short(self.search)} in it"

    def apply(self, prompt: str, label: str) -> str:
        """A prompt at one value of the axis; what it does not hold changes nothing, see `problem`.

        Raises:
            ValueError: `label` is none of `labels`.
        """
        try:
            value = self._by_label[label]
        except KeyError:
            raise ValueError(f"replace: {_short(label)} is none of its values") from None
        return prompt.replace(self.search, value)

    def to_plan(self) -> dict[str, Any]:
        """As plain JSON values, the inverse of `from_plan`; what is as usual is left out."""
        plan: dict[str, Any] = {"replace": self.search, "values": list(self.values)}
        if self.field != "user_prompt":
            plan["field"] = self.field
        return plan if self.keep else {**plan, "keep": False}

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Replace:
        """The replacement of a plan; `field` and `keep` may be left out.

        Raises:
            ValueError: one line with every problem.
        """
        _check_plan("replace", plan, {"replace", "values"}, {"field", "keep"})
        return cls(plan["replace"], _tuple(plan["values"]), plan.get("field", "user_prompt"), plan.get("keep", True))

    def _texts(self) -> tuple[str, ...]:
        return (self.search, *self.values) if self.keep else tuple(self.values)


@dataclass(frozen=True, slots=True)
class Order:
    """All orders of some parts of a prompt, each in the places where the parts stood."""

    parts: tuple[str, ...]
    field: Literal["user_prompt", "negative_prompt"] = "user_prompt"
    _by_label: Mapping[str, tuple[str, ...]] = dataclasses.field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        problems = _field_problems(self.field, _ONE_FIELD)
        if not _is_texts(self.parts) or not all(self.parts):
            problems.append("the parts are not a list of texts")
        elif not 2 <= len(self.parts) <= MAX_PARTS:
            problems.append(f"{len(self.parts)} parts are not within 2 to {MAX_PARTS}")
        elif twice := _twice(self.parts):
            problems.append(f"{_some(twice)} given more than once")
        if problems:
            raise ValueError(f"order: {'; '.join(problems)}")
        object.__setattr__(self, "parts", tuple(self.parts))
        orders = list(itertools.permutations(self.parts))
        plain = [", ".join(order) for order in orders]
        labels = plain if not _twice(plain) else [json.dumps(order, ensure_ascii=False) for order in orders]
        object.__setattr__(self, "_by_label", dict(zip(labels, orders, strict=True)))

    @property
    def labels(self) -> tuple[str, ...]:
        """What the axis shows, in the order of `itertools.permutations`; distinct."""
        return tuple(self._by_label)

    def problem(self, prompt: str | None) -> str | None:
        """Why this prompt cannot be reordered, in words; None if it can."""
        places = self._places(prompt or "")
        lost = [part for part in self.parts if part not in places]
        return f"order: {self.field} does not have {_some(lost)} in it, or only within another part" if lost else None

    def apply(self, prompt: str, label: str) -> str:
        """A prompt with its parts in the order of a label.

        Raises:
            ValueError: `label` is none of `labels`, or the prompt lacks a part.
        """
        if problem := self.problem(prompt):
            raise ValueError(problem)
        if label not in self._by_label:
            raise ValueError(f"order: {_short(label)} is none of its orders")
        spans = sorted(self._places(prompt).values())
        pieces, at = [], 0
        for (start, end), part in zip(spans, self._by_label[label], strict=True):
            pieces += [prompt[at:start], part]
            at = end
        return "".join([*pieces, prompt[at:]])

    def to_plan(self) -> dict[str, Any]:
        """As plain JSON values, the inverse of `from_plan`; what is as usual is left out."""
        field = {} if self.field == "user_prompt" else {"field": self.field}
        return {"order": list(self.parts), **field}

    @classmethod
    def from_plan(cls, plan: Mapping[str, Any]) -> Order:
        """The order of a plan; `field` may be left out.

        Raises:
            ValueError: one line with every problem.
        """
        _check_plan("order", plan, {"order"}, {"field"})
        return cls(_tuple(plan["order"]), plan.get("field", "user_prompt"))

    def _places(self, prompt: str) -> dict[str, tuple[int, int]]:
        """Where each part stands first; longer ones choose first, so that `cat` is not found in `cathedral`."""
        places: dict[str, tuple[int, int]] = {}
        for part in sorted(self.parts, key=len, reverse=True):
            start = prompt.find(part)
            while start >= 0 and any(start < end and first < start + len(part) for first, end in places.values()):
                start = prompt.find(part, start + 1)
            if start >= 0:
                places[part] = (start, start + len(part))
        return places


def replace(search: str, values: Iterable[str], field: PromptField = "user_prompt", *, keep: bool = True) -> Replace:
    """Search and replace in a prompt, as an axis: the prompt as it stands, then with each of these texts instead.

    Args:
        field: Which prompt is searched.
        keep: False leaves out the prompt as it stands.

    Raises:
        ValueError: nothing to search, no values, or one comes twice.
    """
    return Replace(search, _tuple(values), field, keep)


def permutations(parts: Iterable[str], field: Literal["user_prompt", "negative_prompt"] = "user_prompt") -> Order:
    """All orders of these parts of a prompt, 2 to 6 of them; they need not stand side by side.

    Raises:
        ValueError: too few or too many parts, or one comes twice.
    """
    return Order(_tuple(parts), field)


# Alternatives


@dataclass(frozen=True, slots=True)
class Choice:
    """One brace group: an axis of its own."""

    name: str
    """Its first texts, such as `red|blue`; distinct within a template."""
    values: tuple[str, ...]
    """The texts it stands for, in order; one may be empty."""

    @property
    def labels(self) -> tuple[str, ...]:
        """What the axis shows: the values, `(nothing)` for the empty one."""
        return tuple(value or NOTHING for value in self.values)


@dataclass(frozen=True, slots=True)
class Template:
    """A prompt with alternatives; equal when the texts are."""

    text: str
    """As it was written."""
    choices: tuple[Choice, ...] = dataclasses.field(compare=False)
    """In the order in which the groups begin; empty where the text has none."""
    _between: tuple[str, ...] = dataclasses.field(repr=False, compare=False)

    @property
    def count(self) -> int:
        """Of prompts in all."""
        return math.prod(len(choice.values) for choice in self.choices)

    def render(self, labels: Mapping[str, str]) -> str:
        """The prompt at one label of each choice, by the choice's name; other names are ignored.

        Raises:
            ValueError: a choice has no such label.
            KeyError: a choice is missing.
        """
        texts = {}
        for choice in self.choices:
            label = labels[choice.name]
            if label not in choice.labels:
                raise ValueError(f"alternatives {choice.name}: {_short(label)} is none of them")
            texts[choice.name] = choice.values[choice.labels.index(label)]
        return self.fill(texts)

    def marks(self) -> dict[str, str]:
        """By the choice's name, a text to search in its place that `fill` leaves there once, whatever stands for others.

        Where the prompt has braces of its own, which could read like one, each mark has a sign that nothing else has.
        """
        names = [choice.name for choice in self.choices]
        told = "".join([*self._between, *(text for choice in self.choices for text in choice.values)])
        if not {*"{}"} & {*told}:
            return {name: f"{{{name}}}" for name in names}
        signs = (sign for code in range(_FIRST_SIGN, 0x10000) if (sign := chr(code)) not in told + "".join(names))
        return {name: f"{{{name}{sign}}}" for name, sign in zip(names, signs, strict=False)}

    def fill(self, texts: Mapping[str, str]) -> str:
        """The prompt with any text in the place of each choice, by the choice's name."""
        pieces = [self._between[0]]
        for choice, after in zip(self.choices, self._between[1:], strict=True):
            pieces += [texts[choice.name], after]
        return "".join(pieces)


def alternatives(text: str) -> Template:
    r"""A prompt in which `{a|b}` stands for either text.

    Groups may hold groups, and an alternative may be empty: `a {|very {big|small}} cat` has
    three prompts.  Braces without a bar between them stay as they are, and so does whatever
    is never closed; a backslash before `{`, `|` or `}` takes the sign as it is (so no
    alternative can end in a backslash).

    Raises:
        ValueError: one line with every problem: a group that has a text twice, stands for more
            than 10,000 texts or is nested over 20 deep, or that counts (`{2$$a|b}`).
    """
    pieces, problems = _read(text)
    if problems:
        raise ValueError(f"alternatives: {'; '.join(dict.fromkeys(problems))}")
    between, groups = [""], []
    for piece in pieces:
        if isinstance(piece, _Group):
            groups.append(piece)
            between.append("")
        else:
            between[-1] += piece
    names = _distinct([_name(group.texts) for group in groups])
    choices = tuple(Choice(name, tuple(group.texts)) for name, group in zip(names, groups, strict=True))
    return Template(text, choices, tuple(between))


def literal(text: str) -> str:
    """Text that `alternatives` takes as it is, whatever braces it holds."""
    return re.sub(r"[{|}]", lambda sign: "\\" + sign[0], text)


@dataclass(frozen=True, slots=True)
class _Group:
    texts: list[str]
    depth: int


_Piece = str | _Group


def _read(text: str) -> tuple[list[_Piece], list[str]]:
    """Pieces in order; an open brace is a list of alternatives, each a list of pieces."""
    problems: list[str] = []
    stack: list[list[list[_Piece]]] = [[[]]]
    for sign in re.findall(r"\\[{|}]|[{|}]|[^\\{|}]+|\\", text):
        match sign:
            case "{":
                stack.append([[]])
            case "|" if len(stack) > 1:
                stack[-1].append([])
            case "}" if len(stack) > 1:
                options = stack.pop()
                stack[-1][-1] += _group(options, problems) if len(options) > 1 else ["{", *options[0], "}"]
            case _:
                stack[-1][-1].append(sign[1:] if len(sign) == 2 and sign[0] == "\\" and sign[1] in "{|}" else sign)
    pieces = stack[0][0]
    for options in stack[1:]:  # never closed
        pieces.append("{")
        for place, option in enumerate(options):
            pieces += [*(["|"] if place else []), *option]
    return pieces, problems


def _group(options: list[list[_Piece]], problems: list[str]) -> list[_Piece]:
    inner = [piece for option in options for piece in option if isinstance(piece, _Group)]
    depth = 1 + max((group.depth for group in inner), default=0)
    count = sum(math.prod(len(piece.texts) for piece in option if isinstance(piece, _Group)) for option in options)
    first = options[0][0] if options[0] else ""
    if isinstance(first, str) and re.match(r"\s*[0-9]+(-[0-9]+)?\$\$", first):
        problems.append(f"{_short(first.strip())}: several alternatives at once are not known, write each out")
    elif depth > MAX_NESTING:
        problems.append(f"groups are nested more than {MAX_NESTING} deep")
    elif count > MAX_CHOICES:
        problems.append(f"a group stands for {count:,} texts, more than {MAX_CHOICES:,}")
    else:
        texts = [text for option in options for text in _texts(option)]
        if twice := _twice(texts):
            problems.append(f"{_some([text or NOTHING for text in twice])} given more than once in one group")
        elif _twice([text or NOTHING for text in texts]):
            problems.append(f"an empty alternative is shown as {NOTHING}, which is another one's text")
        return [_Group(texts, depth)]
    return []


def _texts(option: list[_Piece]) -> list[str]:
    parts = [piece.texts if isinstance(piece, _Group) else [piece] for piece in option]
    return ["".join(combination) for combination in itertools.product(*parts)]


def _name(texts: list[str]) -> str:
    """The first texts of a group in a line short enough to head a column."""
    shown = [" ".join((text or NOTHING).split()) or NOTHING for text in texts]
    name = "|".join(shown)
    if len(name) > _NAME_LENGTH:
        name = cut(name, _NAME_LENGTH)
    return name


def _distinct(names: list[str]) -> list[str]:
    """Names in order, one that was there before with a number behind."""
    made: list[str] = []
    for name in names:
        own, number = name, 2
        while own in made or (own != name and own in names):
            own, number = f"{name} {number}", number + 1
        made.append(own)
    return made


def _tuple(given: Any) -> Any:
    return given if isinstance(given, str) or not isinstance(given, Iterable) else tuple(given)


def _check_plan(what: str, plan: Mapping[str, Any], needed: set[str], known: set[str]) -> None:
    problems = [
        f"{name!r} is not known; known: {', '.join(sorted(needed | known))}"
        for name in sorted(plan.keys() - needed - known, key=str)
    ]
    problems += [f"{name} is missing" for name in sorted(needed - plan.keys())]
    if problems:
        raise ValueError(f"{what}: {'; '.join(problems)}")


def _is_texts(given: object) -> bool:
    return isinstance(given, tuple | list) and all(isinstance(text, str) for text in given)


def _field_problems(field: object, known: tuple[str, ...]) -> list[str]:
    return [] if field in known else [f"field={field!r} is none of {', '.join(known)}"]


def _twice(texts: Iterable[str]) -> list[str]:
    return [text for text, times in Counter(texts).items() if times > 1]


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - 3} more" if len(texts) > 3 else ""
    return f"{', '.join(_short(text) for text in texts[:3])}{more}"


def _short(text: object) -> str:
    return repr(cut(text, 50)) if isinstance(text, str) else cut(repr(text), 50)
