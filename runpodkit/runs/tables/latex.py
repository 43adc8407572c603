r"""LaTeX: a table as `tabular` with the rules of the booktabs package, for `\input` in a paper.

Written here, since pandas asks for jinja2 and heads its columns with names of fields.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import pandas as pd

MISSING = "--"
_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # after the end of a row, TeX takes [ for the distance to the next
    "]": "{]}",
    "*": "{*}",  # and * for a ban on a page break
    **{char: f"\\{char}" for char in "&%$#_{}"},
}
_WORDS = {
    "sampler_name": "Sampler",
    "cfg_scale": "CFG scale",
    "user_prompt": "Prompt",
    "prompt": "Sent prompt",
    "job_id": "Job",
    "width": "Width (px)",
    "height": "Height (px)",
    "timeout": "Timeout (s)",
    "trials": "Trials",
    "failure_rate": r"Failure rate (\%)",
}
_UNITS = {"_s": " (s)", "_usd": " (USD)"}
_MOST_DECIMALS = 6


def to_latex(frame: pd.DataFrame, exact: Sequence[str] = ()) -> str:
    """A `tabular` of all columns, ready for `\\input`; needs `\\usepackage{booktabs}`.

    Numbers stand right, rounded per column to decimals enough for three digits of the largest and two of the
    smallest, at most six; what is missing is a dash.  The failure rate is in percent.

    Args:
        exact: Columns whose numbers were chosen, not measured: shown as they are.

    Raises:
        ValueError: no columns.
    """
    names = [str(name) for name in frame.columns]
    if not names:
        raise ValueError("a table without columns cannot be written: name at least one")
    columns = [_shown(frame.iloc[:, place], name, exact=name in exact) for place, name in enumerate(names)]
    sides = "".join("r" if _is_number(frame.iloc[:, place]) else "l" for place in range(len(names)))
    lines = [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", " & ".join(map(head, names)) + r" \\", r"\midrule"]
    lines += [" & ".join(row) + r" \\" for row in zip(*columns, strict=True)]
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", ""])


def head(name: str) -> str:
    """A column's name in words, its unit in brackets."""
    if name in _WORDS:
        return _WORDS[name]
    words, unit = name.removeprefix("extra."), ""
    for suffix, shown in _UNITS.items():
        if words.endswith(suffix):
            words, unit = words.removesuffix(suffix), shown
    words = re.sub(r"\bp([0-9]{2})\b", r"P\1", words.replace("_", " "))
    return escaped(words[:1].upper() + words[1:]) + unit


def escaped(text: str) -> str:
    """Text as TeX prints it, on one line."""
    line = " ".join(text.split())
    return "".join(_SPECIAL.get(char, char) for char in line if char.isprintable())


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _shown(column: pd.Series, name: str, *, exact: bool) -> list[str]:
    values = [None if pd.isna(value) else value for value in column.tolist()]
    if pd.api.types.is_float_dtype(column) and not exact:
        scale = 100 if name == "failure_rate" else 1
        return _rounded([None if value is None else value * scale for value in values])
    return [MISSING if value is None else _cell(value) for value in values]


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return _signed(f"{value:g}")
    return _signed(str(value)) if isinstance(value, int) else escaped(str(value))


def _rounded(values: Sequence[float | None]) -> list[str]:
    sizes = [abs(value) for value in values if value is not None and math.isfinite(value) and value]
    decimals = 0
    if sizes:
        decimals = max(_decimals(max(sizes), digits=3), _decimals(min(sizes), digits=2))
    return [MISSING if value is None else _signed(f"{value:.{decimals}f}") for value in values]


def _decimals(size: float, digits: int) -> int:
    """Decimals that show so many digits of a number."""
    return min(max(digits - 1 - math.floor(math.log10(size)), 0), _MOST_DECIMALS)


def _signed(number: str) -> str:
    """A minus sign instead of a hyphen, and infinity as such."""
    return "$" + number.replace("inf", r"\infty") + "$" if number.startswith("-") or "inf" in number else number
