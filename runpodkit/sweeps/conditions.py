"""Conditions: rules over the values of a cell, as text, that say which cells a sweep keeps.

    steps >= 20 or sampler_name != "Euler"
    width * height <= 1_000_000 and 1 < cfg_scale < 8
    sampler_name in ["Heun", "DPM++ 2M"]; "cat" in user_prompt
    extra.lora_scale > 0.5; `width+height` == "portrait"; not use_enhanced_prompts

Comparisons (also chained, `in`, `not in`), `and`, `or`, `not`, brackets, + - * / % // on
numbers, numbers, quoted text, lists, true, false and none.  A name that is no plain word
stands in backquotes.  Text is compared to text and numbers to numbers: anything else is
an error, never a silent no.  Nothing is called and nothing is evaluated by Python: the text
is parsed, each node that is not listed here is refused, and what remains becomes functions.

Which names there are is the caller's business, and so is what a rule's answer is used for.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
import unicodedata
import warnings
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runpodkit.reprs import cut
from runpodkit.sweeps.comparisons import NUMBERS, Compare, MixError, comparison, is_number, kind_of, no_number, within

MAX_LENGTH = 1_000
"""Characters of one rule."""

MAX_NODES = 200
"""Names, values and signs of one rule."""

MAX_DEPTH = 30
"""Levels of brackets and signs within each other."""

MAX_NUMBER = 10**18
"""The largest number that may be written in a rule."""

_Values = Mapping[str, Any]
_Part = Callable[[_Values], Any]

_QUOTED = re.compile(r""""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`([^`]*)`""")
_WORDS = {"true": True, "false": False, "none": None, "null": None}
_ARITHMETIC: Mapping[type[ast.AST], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.FloorDiv: operator.floordiv,
}
_SIGNS: Mapping[type[ast.cmpop], str] = {
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.In: "in",
    ast.NotIn: "not in",
}
_INSTEAD: Mapping[type[ast.AST], str] = {
    ast.Pow: "`**` is not known: multiply",
    ast.Call: "nothing can be called in a rule",
    ast.Subscript: "nothing can be taken out of a value in a rule",
    ast.IfExp: "`if` is not known: use and, or, not",
    ast.JoinedStr: "text stands in plain quotes",
    ast.Is: "`is` is not known: use ==",
    ast.IsNot: "`is not` is not known: use !=",
    ast.BitAnd: "`&` is not known: use and",
    ast.BitOr: "`|` is not known: use or",
    ast.Invert: "`~` is not known: use not",
    ast.Tuple: "a list stands in [ ]",
    ast.Set: "a list stands in [ ]",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was read; equal when the texts are."""

    text: str
    """As it was written."""
    names: frozenset[str] = field(compare=False)
    """Of the values that it looks at."""
    _test: _Part = field(repr=False, compare=False)

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the rule is true of a cell.

        Args:
            values: By name; all of `names` must be there.

        Raises:
            ValueError: one line: text meets a number, a division by 0, an answer that is not yes or no.
            KeyError: a name has no value.
        """
        try:
            return bool(self._test(values))
        except ArithmeticError as exc:
            why = "divides by 0" if isinstance(exc, ZeroDivisionError) else "makes a number that is too large"
            raise ValueError(f"rule {_quote(self.text)} {why} at {self._seen(values)}") from None
        except MixError as exc:
            raise ValueError(f"rule {_quote(self.text)}: {exc}, at {self._seen(values)}") from None

    def _seen(self, values: _Values) -> str:
        return ", ".join(f"{name}={values[name]!r}" for name in sorted(self.names) if name in values)

    def __reduce__(self) -> tuple[Any, ...]:
        return read_rule, (self.text, self.names)


def read_rule(text: str, names: Iterable[str]) -> Rule:
    """A rule over these names.

    Args:
        text: In the language at the top of this module.
        names: All names that a rule may use, such as `steps`, `extra.lora_scale`, `width+height`.

    Raises:
        ValueError: one line with every problem.
    """
    reader = _Reader(names)
    test = reader.read(text)
    if reader.problems:
        raise ValueError(f"rule {_quote(text)}: {'; '.join(dict.fromkeys(reader.problems))}")
    return Rule(text, frozenset(reader.used), test)


class _Reader:
    """One rule on its way from text to functions; what is wrong with it is gathered."""

    def __init__(self, names: Iterable[str]) -> None:
        self.problems: list[str] = []
        self.used: set[str] = set()
        self._known = {unicodedata.normalize("NFKC", name): name for name in names}
        self._stands_for: dict[str, str] = {}
        self._nodes = 0

    def read(self, text: str) -> _Part:
        if len(text) > MAX_LENGTH:
            return self._refuse(f"{len(text):,} characters are more than {MAX_LENGTH:,}: use several rules")
        if not text.strip():
            return self._refuse("it is empty")
        if "#" in _QUOTED.sub("", text):
            return self._refuse("a # starts nothing here: a rule has no comments")
        tree = self._parsed(text)
        return self._truth(tree, 0) if tree is not None else _never

    def _parsed(self, text: str) -> ast.expr | None:
        """The tree of a rule; names in backquotes, which Python has not, are words in it that nobody else uses."""
        start = "q"
        while start in text:
            start += "q"

        def plain(match: re.Match[str]) -> str:
            if match[1] is None:
                return match[0]
            word = f"{start}{len(self._stands_for)}"
            self._stands_for[word] = match[1].strip()
            return word

        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of the parser, about what is refused below anyway
                return ast.parse(" ".join(_QUOTED.sub(plain, text).split("\n")).strip(), mode="eval").body
        except (SyntaxError, ValueError, MemoryError, RecursionError) as exc:
            said = exc.msg if isinstance(exc, SyntaxError) and exc.msg else "cannot be read"
            if re.search(r"(?<![=!<>])=(?!=)", _QUOTED.sub("", text)):
                said += "; to compare, write =="
            elif "`" in _QUOTED.sub("", text):
                said = "a backquote is never closed"
            self.problems.append(f"{said[0].lower()}{said[1:]}")
            return None

    def _part(self, node: ast.expr, depth: int) -> _Part:
        self._nodes += 1
        if self._nodes > MAX_NODES or depth > MAX_DEPTH:
            return self._refuse("it is too long: use several rules")
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name() | ast.Attribute():
                return self._name(node)
            case ast.List():
                return self._list(node, depth)
            case ast.UnaryOp(op=ast.Not()):
                return self._not(node, depth)
            case ast.UnaryOp(op=ast.USub() | ast.UAdd()):
                return self._sign(node, depth)
            case ast.BinOp() if type(node.op) in _ARITHMETIC:
                return self._arithmetic(node, depth)
            case ast.BoolOp():
                return self._both_or_either(node, depth)
            case ast.Compare():
                return self._comparison(node, depth)
        sign: ast.AST = getattr(node, "op", node)
        why = (
            _INSTEAD.get(type(sign)) or _INSTEAD.get(type(node)) or "a rule compares, counts and joins by and, or, not"
        )
        return self._refuse(f"{self._shown(node)}: {why}")

    def _constant(self, node: ast.Constant) -> _Part:
        value = node.value
        if not isinstance(value, bool | int | float | str | None):
            return self._refuse(f"{self._shown(node)} is neither a number nor text")
        if isinstance(value, int | float) and not abs(value) <= MAX_NUMBER:
            return self._refuse("a number is larger than 10^18")
        return lambda values: value

    def _name(self, node: ast.expr) -> _Part:
        written = _dotted(node)
        if written is None:
            return self._refuse(f"{self._shown(node)}: a dot parts the words of a name only")
        quoted = self._stands_for.get(written)
        name = self._known.get(unicodedata.normalize("NFKC", quoted if quoted is not None else written))
        if name is not None:
            self.used.add(name)
            return operator.itemgetter(name)
        if quoted is None and written.lower() in _WORDS:
            value = _WORDS[written.lower()]
            return lambda values: value
        return self._refuse(self._unknown(quoted if quoted is not None else written))

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, self._known.values(), n=1)
        hint = (
            f"did you mean {_written(near[0])}?"
            if near
            else f"known: {cut(', '.join(map(_written, self._known.values())), 200)}"
        )
        return f"{name} is not known here; {hint} (text stands in quotes)"

    def _list(self, node: ast.List, depth: int) -> _Part:
        items = [self._part(item, depth + 1) for item in node.elts]
        if all(isinstance(item, ast.Constant) for item in node.elts):
            fixed = [item({}) for item in items]
            return lambda values: fixed
        return lambda values: [item(values) for item in items]

    def _not(self, node: ast.UnaryOp, depth: int) -> _Part:
        inner = self._truth(node.operand, depth)
        return lambda values: not inner(values)

    def _sign(self, node: ast.UnaryOp, depth: int) -> _Part:
        self._want_number(node.operand)
        inner, shown = self._part(node.operand, depth + 1), self._shown(node)
        sign = -1 if isinstance(node.op, ast.USub) else 1

        def signed(values: _Values) -> Any:
            value = inner(values)
            return sign * (value if is_number(value) else no_number(value, shown))

        return signed

    def _arithmetic(self, node: ast.BinOp, depth: int) -> _Part:
        for side in (node.left, node.right):
            self._want_number(side)
        left, right = self._part(node.left, depth + 1), self._part(node.right, depth + 1)
        sign, shown = _ARITHMETIC[type(node.op)], self._shown(node)

        def worked_out(values: _Values) -> Any:
            first, second = left(values), right(values)
            if type(first) in NUMBERS and type(second) in NUMBERS:
                return sign(first, second)
            return no_number(second if is_number(first) else first, shown)

        return worked_out

    def _both_or_either(self, node: ast.BoolOp, depth: int) -> _Part:
        *others, joined = [self._truth(part, depth) for part in node.values]
        join = _both if isinstance(node.op, ast.And) else _either
        for part in reversed(others):
            joined = join(part, joined)
        return joined

    def _truth(self, node: ast.expr, depth: int) -> _Part:
        """A part that must be yes or no."""
        part = self._part(node, depth + 1)
        if isinstance(node, ast.Compare | ast.BoolOp) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            return part
        shown = self._shown(node)

        def truth(values: _Values) -> bool:
            value = part(values)
            if not isinstance(value, bool):
                raise MixError(f"{shown} is {kind_of(value)}, not yes or no: compare it to something")
            return value

        self._try(truth, node)
        return truth

    def _try(self, part: _Part, *nodes: ast.expr) -> None:
        """Ask a part that is the same in every cell right away, so that what is wrong with it is told before any."""
        if self.problems or not all(map(_is_fixed, nodes)):
            return
        try:
            part({})
        except MixError as exc:
            self.problems.append(str(exc))
        except ArithmeticError:
            self.problems.append(f"{self._shown(nodes[0])} cannot be worked out")

    def _comparison(self, node: ast.Compare, depth: int) -> _Part:
        sides = [node.left, *node.comparators]
        parts = [self._part(side, depth + 1) for side in sides]
        steps = []
        for place, sign in enumerate(node.ops):
            pair = ast.Compare(sides[place], [sign], [sides[place + 1]])
            compare = self._compare(sign, self._shown(pair))
            self._try(_compared(compare, parts[place], parts[place + 1]), sides[place], sides[place + 1])
            steps.append(compare)
        if len(steps) == 1:
            first, second, only = parts[0], parts[1], steps[0]
            sign, listed = node.ops[0], isinstance(sides[1], ast.List) and _is_fixed(sides[1])
            self._try(second, sides[1])
            if listed and isinstance(sign, ast.In | ast.NotIn) and not self.problems:
                one_of = within(second({}), self._shown(node), wanted=isinstance(sign, ast.In))
                return lambda values: one_of(first(values))
            if isinstance(sides[1], ast.Constant):
                fixed = second({})
                return lambda values: only(first(values), fixed)
            return _compared(only, first, second)

        start, links = parts[0], list(zip(parts[1:], steps, strict=True))

        def chained(values: _Values) -> bool:
            left = start(values)
            for part, step in links:
                right = part(values)
                if not step(left, right):
                    return False
                left = right
            return True

        return chained

    def _compare(self, sign: ast.cmpop, shown: str) -> Compare:
        if type(sign) in _SIGNS:
            return comparison(_SIGNS[type(sign)], shown)
        self.problems.append(f"{shown}: {_INSTEAD.get(type(sign), 'this comparison is not known')}")
        return lambda left, right: False

    def _want_number(self, node: ast.expr) -> None:
        if isinstance(node, ast.Constant | ast.List) and not (isinstance(node, ast.Constant) and is_number(node.value)):
            self.problems.append(f"{self._shown(node)} is not a number, so it cannot be counted with")

    def _refuse(self, problem: str) -> _Part:
        self.problems.append(problem)
        return _never

    def _shown(self, node: ast.AST) -> str:
        """A part as it was written, near enough."""
        try:
            text = ast.unparse(node)
        except (ValueError, RecursionError):
            text = type(node).__name__
        for word, name in self._stands_for.items():
            text = re.sub(rf"\b{word}\b", f"`{name}`".replace("\\", r"\\"), text)
        return cut(text, 60)


def _never(values: _Values) -> bool:
    return False


def _compared(compare: Compare, first: _Part, second: _Part) -> _Part:
    return lambda values: compare(first(values), second(values))


def _both(first: _Part, second: _Part) -> _Part:
    return lambda values: first(values) and second(values)


def _either(first: _Part, second: _Part) -> _Part:
    return lambda values: first(values) or second(values)


def _is_fixed(node: ast.expr) -> bool:
    """Whether a part is the same in every cell."""
    return not any(isinstance(inner, ast.Name | ast.Attribute) for inner in ast.walk(node))


def _dotted(node: ast.expr) -> str | None:
    words: list[str] = []
    while isinstance(node, ast.Attribute):
        words.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(words)]) if isinstance(node, ast.Name) else None


def _written(name: str) -> str:
    return name if all(word.isidentifier() for word in name.split(".")) else f"`{name}`"


def _quote(text: str) -> str:
    return repr(cut(text, 80))
