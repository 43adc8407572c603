"""A Python that is typed into: takes blocks as lines of JSON, runs them in one namespace, answers what went wrong.

A process of its own, as a reader's is: a page cannot reach the test's settings, Celery application or folder.
As in a notebook, `await` may stand outside of a function and the last value of a block is shown.
"""

from __future__ import annotations

import ast
import asyncio
import json
import os
import sys
import traceback
from typing import Any

SHOWN_BY = ("_repr_mimebundle_", "_repr_html_", "_repr_jpeg_", "_repr_png_")


def run(code: str, page: str, line: int, names: dict[str, Any]) -> None:
    """Execute a block, with the page's own line numbers in tracebacks, and show its last value."""
    tree = ast.parse("\n" * (line - 1) + code, page)
    last = ast.Expression(tree.body.pop().value) if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    _run(compile(tree, page, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names)
    if last:
        _show(_run(compile(last, page, "eval", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), names))


def _run(code: Any, names: dict[str, Any]) -> Any:
    found = eval(code, names)
    return asyncio.run(_awaited(found)) if code.co_flags & 0x80 else found


async def _awaited(work: Any) -> Any:
    return await work


def _show(value: Any) -> None:
    if value is None:
        return
    print(repr(value))
    for name in SHOWN_BY:
        if hasattr(type(value), name):
            getattr(value, name)()


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what blocks print belongs to the log
    names: dict[str, Any] = {"__name__": "__main__"}
    for asked in sys.stdin:
        block = json.loads(asked)
        os.environ.update(block["env"])
        try:
            run(block["code"], block["page"], block["line"], names)
            failed = None
        except BaseException:
            failed = traceback.format_exc()
        answers.write(json.dumps({"failed": failed}) + "\n")


if __name__ == "__main__":
    main()
