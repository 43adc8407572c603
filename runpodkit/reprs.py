"""What a notebook shows of a small thing: a title and what is known, as HTML.

Everything is escaped; nothing in it changes from one execution to the next.  Knows only words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from html import escape

_BADGE = "font-size:11px;letter-spacing:.08em;padding:1px 9px;border-radius:99px;border:1px solid;font-weight:600;"
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
_SIMULATOR, _LIVE = "color:#9a6700;background:#fff6dc;", "color:#b42318;background:#feeceb;"


def badge(simulated: bool) -> str:
    """LIVE or SIMULATOR, as every view shows it; styles are in the tag, for pages that drop everything else."""
    return f'<span style="{_BADGE}{_SIMULATOR if simulated else _LIVE}">{"SIMULATOR" if simulated else "LIVE"}</span>'


def facts_html(title: str, facts: Mapping[str, str], simulated: bool | None = None) -> str:
    """A title and a list of what is known."""
    lines = "".join(
        f'<tr><td style="text-align:left;color:#777;padding:0 1em 0 0;vertical-align:top">{escape(name)}</td>'
        f'<td style="text-align:left;white-space:pre-wrap">{escape(words)}</td></tr>'
        for name, words in facts.items()
    )
    mark = "" if simulated is None else f" {badge(simulated)}"
    return f"<div><div><b>{escape(title)}</b>{mark}</div><table>{lines}</table></div>"


def plain(text: str) -> str:
    """Text that steers no terminal: a mark for each character that moves a cursor, sends a command or turns the writing round."""
    return _STEERING.sub("\ufffd", text.replace("\r\n", "\n"))


def cut(text: str, length: int) -> str:
    """Text on one line, with an ellipsis where it goes on."""
    text = " ".join(text.split())
    return text if len(text) <= length else text[: length - 1] + "…"
