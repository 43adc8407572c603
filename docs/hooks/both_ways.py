"""For the reference: `generate, agenerate = both_ways(_generate)` is two documented methods.

griffe reads code without running it, so it takes such a pair for two attributes without a word.  Here each gets the
signature and the docstring of the coroutine behind it; the second says that it is awaited.
"""

from __future__ import annotations

import ast
from typing import Any

from griffe import Class, Docstring, Extension, Function, Parameters


class BothWays(Extension):
    """Makes functions of what `runpodkit.blocking.both_ways` gives."""

    def on_class_members(self, *, node: Any, cls: Class, **_: Any) -> None:
        for statement in getattr(node, "body", ()):
            match statement:
                case ast.Assign(
                    targets=[ast.Tuple(elts=[ast.Name(id=waiting), ast.Name(id=awaited)])],
                    value=ast.Call(func=ast.Name(id="both_ways"), args=[ast.Name(id=source)]),
                ):
                    self._replace(cls, waiting, source, awaited)
                    self._replace(cls, awaited, source, None)

    def _replace(self, cls: Class, name: str, source: str, twin: str | None) -> None:
        behind = cls.members[source]
        text = behind.docstring.value if behind.docstring else ""
        if twin is None:
            text = f"The awaitable twin of `{source.lstrip('_')}`."
        made = Function(
            name,
            lineno=behind.lineno,
            endlineno=behind.endlineno,
            parameters=Parameters(*behind.parameters),
            returns=behind.returns,
            docstring=Docstring(text, lineno=behind.lineno, parser="google"),
        )
        if twin is None:
            made.labels.add("async")
        cls.set_member(name, made)
