"""What the forms have in common: words below the button, code to copy, and a place in the cell.

Knows no parameter and starts nothing.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from html import escape
from typing import TYPE_CHECKING, Any

from runpodkit.errors import RunpodkitError
from runpodkit.notebook.fields import Looks
from runpodkit.notebook.hub import hub, show_form, widgets

if TYPE_CHECKING:
    from runpodkit.kit import Kit


class FormShell(ABC):
    """The outside of a form; what it asks for is the form's own."""

    what: str
    """Of what it is a form, in words."""
    fields: Mapping[str, Any]
    widget: Any
    """All of it, to be shown."""

    def __init__(self, kit: Kit) -> None:
        self._kit, self._looks = kit, Looks()
        html = self._looks.of(widgets.HTML)
        self.said, self.code = widgets.HTML(**html), widgets.HTML(**html)
        self.said.add_class("rk-said")
        self._key = ""
        self._refresh: Callable[[], None] = _nothing

    @abstractmethod
    def fill(self, source: Any) -> None:
        """Ask for what `source` was made with."""

    @abstractmethod
    def html(self) -> str:
        """Its static twin: what a saved notebook shows of it."""

    def _tell(self, message: Mapping[str, Any]) -> None:
        """Tell the pages that show it."""
        if self._key:
            hub().say({**message, "key": self._key})

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.said.value = f'<span class="{"rk-wrong" if wrong else ""}" role="status">{escape(text)}</span>'

    def _say_why(self, error: Exception) -> None:
        """What went wrong; raised again where nobody meant it to be possible."""
        if isinstance(error, RunpodkitError | ValueError):
            return self._say(str(error), wrong=True)
        self._say(f"{type(error).__name__}: {error}", wrong=True)
        raise error

    def _offer(self, code: str, words: str) -> None:
        """Code into the clipboard, and below for where a page does not let us."""
        self.code.value = f'<pre class="rk-code">{escape(code)}</pre>'
        self._tell({"kind": "clip", "text": code})
        self._say(words)

    def __repr__(self) -> str:
        mode = "SIMULATOR" if self._kit.simulated else "LIVE"
        return f"Form for {self.what}, {len(self.fields)} fields, {mode}"

    def _ipython_display_(self) -> None:
        self._key, self._refresh = show_form(self.widget, self.html, repr(self))
        hub().fill_form = self.fill


def _nothing() -> None:
    """What there is to draw anew while the form is in no cell."""
