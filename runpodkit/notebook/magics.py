"""`%load_ext runpodkit`: a sweep as a cell of its own, and nested loops on request.

    %%sweep lighthouse --budget 2
    sampler_name: Euler, Heun
    steps: 5-20 (+5)

    a lighthouse at dusk

Lines of `name: values` come first, in the text grammar of `sweeps.axes`; the rest is the prompt.
"""

from __future__ import annotations

import re
from typing import Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from runpodkit.connecting import connect
from runpodkit.kit import Kit
from runpodkit.notebook.nesting import allow_nested_loops
from runpodkit.params import ImageParams
from runpodkit.sweeps.axes import ENDPOINT, EXTRA, read_axis
from runpodkit.sweeps.axis_text import split_list
from runpodkit.sweeps.pasted import ORDER, REPLACE, SIZE, axis_name
from runpodkit.sweeps.prompting import permutations, replace
from runpodkit.sweeps.sweep import VARY, Sweep, sweep

_LINE = re.compile(r"\s*([A-Za-z_][A-Za-z0-9_.]*)\s*[:=]\s*(.*)")
_PASTED = re.compile(r"\s*([^:=]{1,60}?)\s*[:=]\s*(.*)")
_OF_THE_SWEEP = ("mode", "where", "repeats")
_TEXT = ("user_prompt", "negative_prompt")


def read_cell(body: str) -> Sweep:
    """The sweep that the body of a cell asks for.

    Raises:
        ValueError: no prompt, a name that is no parameter, or values that cannot be read; one line with all.
    """
    lines = body.strip("\n").splitlines()
    taken = _header(lines)
    fields: dict[str, Any] = {}
    for line in lines[:taken]:
        if said := _said(line):
            name, text = said
            if name in fields:
                raise ValueError(f"{name} is given twice")
            fields[name] = _values(name, text)
    prompt = "\n".join(lines[taken:]).strip()
    if not prompt:
        raise ValueError("no prompt: write it below the axes")
    return sweep(prompt, **fields)


def _header(lines: list[str]) -> int:
    """How many lines are axes: a block that ends in an empty line, or as many as name parameters."""
    blank = next((at for at, line in enumerate(lines) if not line.strip()), len(lines))
    if 0 < blank < len(lines) and all(map(_said, lines[:blank])):
        return blank
    known = {*ImageParams.model_fields, *_OF_THE_SWEEP, ENDPOINT, SIZE, REPLACE, ORDER}
    for at, line in enumerate(lines):
        said = _said(line)
        if not said or not (said[0] in known or said[0].startswith(EXTRA)):
            return at
    return len(lines)


def _said(line: str) -> tuple[str, str] | None:
    """Name and text of a line that is an axis; names that other grid tools have for one become ours."""
    found = _PASTED.fullmatch(line)
    if found is None:
        return None
    try:
        name = axis_name(found[1])
    except ValueError:
        name = "user_prompt"
    if name != "user_prompt":
        return name, found[2].strip()
    plain = _LINE.fullmatch(line)
    return (plain[1], plain[2].strip()) if plain else None


def _values(name: str, text: str) -> Any:
    """One value for all trials, or several as an axis."""
    if name in ("mode", "where", SIZE) or (name == "seed" and text == VARY) or name in _TEXT:
        return text
    if name == "repeats":
        return int(text) if text.isdecimal() and len(text) < 5 else text
    if name in (REPLACE, ORDER):
        texts = split_list(text)
        return replace(texts[0], texts[1:]) if name == REPLACE else permutations(texts)
    values, problems = read_axis(name, text)
    if problems:
        raise ValueError(f"{name}: {'; '.join(problems)}")
    return values[0] if len(values) == 1 and name != ENDPOINT else values


@magics_class
class RunpodkitMagics(Magics):
    """What `%load_ext runpodkit` adds."""

    @magic_arguments()
    @argument("name", nargs="?", help="the run's name; default: from prompt and axes")
    @argument("--budget", type=float, help="USD that the run may cost")
    @argument("--dry-run", action="store_true", help="say what it would cost, and send nothing")
    @argument("--extend", action="store_true", help="if the name is taken by a smaller sweep, draw what this one adds")
    @argument("--fresh", action="store_true", help="if the name is taken, make name-2")
    @cell_magic
    def sweep(self, line: str, cell: str) -> Any:
        """Run the sweep in the cell, and show it; it is `run` afterwards, and its plan `sweep`."""
        asked = parse_argstring(self.sweep, line)
        plan = read_cell(cell)
        kit = self._kit()
        self._names["sweep"] = plan
        if asked.dry_run:
            return kit.estimate(plan)
        policy = {} if asked.budget is None else {"budget_usd": asked.budget}
        run = kit.submit(plan, asked.name, extend=asked.extend, fresh=asked.fresh, **policy)
        self._names["run"] = run
        return run

    @line_magic
    def nested_loops(self, _: str) -> None:
        """Let `asyncio.run(…)` work in cells: see `runpodkit.notebook.allow_nested_loops`."""
        allow_nested_loops()

    def _kit(self) -> Kit:
        """The notebook's own kit, or a new one under that name."""
        kit = self._names.get("kit")
        if not isinstance(kit, Kit):
            kit = self._names["kit"] = connect()
        return kit

    @property
    def _names(self) -> dict[str, Any]:
        """What cells know by name."""
        shell: Any = self.shell
        names: dict[str, Any] = shell.user_ns
        return names
