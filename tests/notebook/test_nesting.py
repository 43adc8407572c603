"""Nested loops: only on request, then really; each in a process of its own, for the patch stays."""

from __future__ import annotations

import subprocess
import sys
import textwrap

CELL = """
    import asyncio
    from runpodkit.errors import ConfigError
    from runpodkit.notebook import allow_nested_loops

    async def main():
        async with asyncio.timeout(5):
            await asyncio.sleep(0)
        return 42

    async def cell():  # a loop runs already, as in a notebook
        %s

    asyncio.run(cell())
"""


def said(body: str) -> str:
    code = textwrap.dedent(CELL) % body.strip().replace("\n", "\n    ")
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_without_the_request_nothing_is_patched() -> None:
    assert said(
        """
import sys
work = main()
try:
    asyncio.run(work)
except RuntimeError as exc:
    work.close()
    print(exc, "|", [name for name in sys.modules if name.startswith("nest_")])
"""
    ) == ("asyncio.run() cannot be called from a running event loop | []")


def test_on_request_pasted_code_with_asyncio_run_works_and_twice_is_as_good_as_once() -> None:
    assert said("allow_nested_loops()\nallow_nested_loops()\nprint(asyncio.run(main()))") == "42"


def test_the_waiting_calls_work_before_and_after_it() -> None:
    body = """
from runpodkit.blocking import shared_loop
first = shared_loop().call(main())
allow_nested_loops()
print(first, shared_loop().call(main()), asyncio.run(main()))
"""
    assert said(body) == "42 42 42"


def test_without_the_package_one_line_says_what_to_install() -> None:
    body = """
import sys
sys.modules["nest_asyncio"] = sys.modules["nest_asyncio2"] = None
try:
    allow_nested_loops()
except ConfigError as exc:
    print(exc)
"""
    name = "nest_asyncio" if sys.version_info < (3, 14) else "nest_asyncio2"
    assert said(body) == f"nested loops need {name}: %pip install 'runpodkit[local,lab]'"
