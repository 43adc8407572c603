"""What a form shows beside its fields: the picture that came last, what is known of it, and code.

A view: gets a picture and shows it.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

import ipywidgets as widgets

from runpodkit.images.thumbnails import thumbnail
from runpodkit.notebook.fields import Looks
from runpodkit.notebook.twin import image_html
from runpodkit.notebook.wording import caption

if TYPE_CHECKING:
    from runpodkit.runs.picture import Picture

SHOWN_PX = 1024
TWIN_PX = 512
"""Longest side of the picture that stays in the saved notebook."""
WAITING = "The picture will be here."


class Result:
    """The right half of a form."""

    def __init__(self, looks: Looks, code: Any) -> None:
        """`code` is shown below what is known of the picture."""
        self.picture: Picture | None = None
        self.image = widgets.Image(format="jpeg", layout={"display": "none"})
        self.about = widgets.HTML(f'<div class="rk-empty">{WAITING}</div>', **looks.of(widgets.HTML))
        self.widget = box(widgets.VBox, [self.image, self.about, code], "rk-result", looks)

    def show(self, picture: Picture) -> None:
        self.picture = picture
        self.image.value = thumbnail(picture.bytes, SHOWN_PX)
        self.image.layout.display = ""
        self.about.value = caption(picture)

    def html(self) -> str:
        """Its static twin: the picture, small."""
        if self.picture is None:
            return ""
        return image_html(thumbnail(self.picture.bytes, TWIN_PX), repr(self.picture))


def box(kind: Any, children: list[Any], name: str, looks: Looks) -> Any:
    """A box of widgets with a class for the style sheet."""
    made = kind(children, **looks.of(kind))
    made.add_class(name)
    return made


def head(title: str, simulated: bool, aside: str) -> str:
    """The first line of a form: what it is, LIVE or SIMULATOR, and where its jobs go."""
    kind, words = ("simulator", "nothing is paid") if simulated else ("live", "each picture costs money")
    return (
        f'<div class="rk-head">{escape(title)} <span class="rk-badge rk-{kind}">{kind.upper()}</span>'
        f'<span class="rk-aside">{words} · {escape(aside)}</span></div>'
    )
