"""For the reference: what griffe, which reads code without running it, would leave out or spoil.

- `generate, agenerate = both_ways(_generate)` is a method with the signature and the words of the coroutine behind it,
  and its awaitable twin; griffe takes them for two attributes without a word.
- A pydantic field says its meaning, bounds and reason inside `Field(…)`, and its default as an argument of it.
- A tree drawn in a docstring keeps its lines.
- A Celery task that is bound has a `self` which no caller gives.
"""

from __future__ import annotations

import ast
import re
from typing import Any

from griffe import Attribute, Class, Docstring, Extension, Function, Object, Parameters

BOUNDS = {
    "ge": "at least {}",
    "gt": "above {}",
    "le": "at most {}",
    "lt": "below {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} characters",
    "max_length": "at most {} characters",
}


class Reference(Extension):
    """Completes what griffe reads."""

    def on_class_members(self, *, node: Any, cls: Class, **_: Any) -> None:
        for statement in getattr(node, "body", ()):
            match statement:
                case ast.Assign(
                    targets=[ast.Tuple(elts=[ast.Name(id=waiting), ast.Name(id=awaited)])],
                    value=ast.Call(func=ast.Name(id="both_ways"), args=[ast.Name(id=source)]),
                ):
                    _method(cls, waiting, source, awaited)

    def on_attribute_instance(self, *, node: Any, attr: Attribute, **_: Any) -> None:
        attr.labels -= {"class-attribute", "instance-attribute"}
        match node:
            case ast.AnnAssign(value=ast.Call(func=ast.Name(id="Field" | "_field"), args=given, keywords=named)):
                words = [arg.value for arg in given[1:] if isinstance(arg, ast.Constant)]
                said = {one.arg: one.value for one in named}
                if isinstance(said.get("description"), ast.Constant):
                    words.append(said["description"].value)
                bounds = [text.format(f"{_number(said[name]):,}") for name, text in BOUNDS.items() if name in said]
                words += [f"Bounds: {', '.join(bounds)}."] if bounds else []
                if words:
                    attr.docstring = Docstring(" ".join(words), parser="google")
                attr.value = ast.unparse(given[0]) if given else None

    def on_function_instance(self, *, func: Function, **_: Any) -> None:
        if any(".task(" in str(decorator.value) for decorator in func.decorators) and "self" in func.parameters:
            del func.parameters["self"]

    def on_object(self, *, obj: Object, **_: Any) -> None:
        if obj.docstring and "├── " in obj.docstring.value:
            text = re.sub(r"^(\w+)\n(?=├)", r"```text\n\1\n", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = re.sub(r"((?:^[│ ]*[├└]── .*\n)+)", r"\1```\n", text, flags=re.MULTILINE)


def _method(cls: Class, name: str, source: str, awaited: str) -> None:
    behind = cls.members[source]
    cls.members.pop(awaited, None)
    words = [behind.docstring.value] if behind.docstring else []
    if not awaited.startswith("_"):
        words.append(f"Awaitable: `{awaited}`.")
    made = Function(
        name,
        lineno=behind.lineno,
        endlineno=behind.endlineno,
        parameters=Parameters(*behind.parameters),
        returns=behind.returns,
        docstring=Docstring("\n\n".join(words), lineno=behind.lineno, parser="google"),
    )
    cls.set_member(name, made)


def _number(value: ast.expr) -> float:
    """A bound as it is written: a number, or a name that is looked up beside the parameters."""
    if isinstance(value, ast.Name):
        from runpodkit import params

        return getattr(params, value.id)
    return ast.literal_eval(value)
