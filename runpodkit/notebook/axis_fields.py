"""One field of the sweep form: a value for all trials, or an axis in the text grammar of `sweeps.axes`.

Knows no parameter by name save the prompts, whose values are lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from runpodkit.notebook.fields import Field
from runpodkit.sweeps.axes import read_axis
from runpodkit.sweeps.sweep import VARY

PROMPTS = ("user_prompt", "negative_prompt")
_HINTS = {"integer": "such as 5, 10 or 5-20 (+5)", "number": "such as 1-7 (+1.5) or 0-1 [5]"}


class AxisField:
    """A `Field` beside a switch that makes an axis of it."""

    def __init__(self, field: Field) -> None:
        self.field, self.name = field, field.name
        looks = field.looks
        varying = "Give several values: an axis of the sweep"
        self.vary = widgets.ToggleButton(description="vary", tooltip=varying, **looks.of(widgets.ToggleButton))
        kind: Any = widgets.Textarea if self.name in PROMPTS else widgets.Text
        self.text = kind(
            description=field.control.description,
            placeholder=self._hint(),
            **({"rows": 3} if kind is widgets.Textarea else {}),
            **looks.of(kind),
        )
        self.text.add_class("rk-control")
        self.all = widgets.Button(
            description="all", tooltip=f"All {len(field.choices)} of them", **looks.of(widgets.Button)
        )
        self._fixed = field.row.children[:-1]
        self._varied = (self.text, *([self.all] if field.choices else []))
        self.row = widgets.HBox([field.row, *([self.vary] if self.can_vary else [])], **looks.of(widgets.HBox))
        self.row.add_class("rk-axis")
        self.vary.observe(self._switched, "value")
        self.all.on_click(lambda _: setattr(self.text, "value", as_text(field.choices)))

    @property
    def can_vary(self) -> bool:
        return self.field.kind != "json" and self.name != "timeout"

    @property
    def varies(self) -> bool:
        return bool(self.vary.value)

    def values(self) -> tuple[Any, str]:
        """Values of the axis, and what is wrong with them or an empty text."""
        text = self.text.value
        if self.name == "seed" and text.strip() == VARY:
            return VARY, ""
        given: Any = [line.strip() for line in text.splitlines() if line.strip()] if self.name in PROMPTS else text
        values, problems = read_axis(self.name, given)
        return values, "; ".join(problems)

    def set_axis(self, values: Sequence[Any] | str) -> None:
        """Make it an axis with these values."""
        lines = self.name in PROMPTS and not isinstance(values, str)
        self.text.value = (
            "\n".join(map(str, values)) if lines else values if isinstance(values, str) else as_text(values)
        )
        self.vary.value = True

    def set_value(self, value: Any) -> None:
        """Give all trials this value."""
        self.vary.value = False
        self.field.value = value

    def on_change(self, told: Callable[[AxisField], None]) -> None:
        self.field.on_change(lambda _: told(self))
        for widget in (self.text, self.vary):
            widget.observe(lambda _: told(self), "value")

    def _switched(self, change: Any) -> None:
        if change["new"] and not self.text.value:
            start = self.field.control.value
            self.text.value = "" if start in ("", None) else str(start) if self.name in PROMPTS else as_text([start])
        self.field.row.children = (*(self._varied if change["new"] else self._fixed), self.field.note)

    def _hint(self) -> str:
        if self.name == "seed":
            return f"such as 0-3, or {VARY}: another one for each trial"
        if self.name in PROMPTS:
            return "a prompt per line"
        return _HINTS.get(self.field.kind, "values with commas between them")


def as_text(values: Sequence[Any]) -> str:
    """Values in the text grammar; text with a comma or a quote is quoted."""
    return ", ".join(_quoted(value) if isinstance(value, str) else _plain(value) for value in values)


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) and float(f"{value:g}") == value else str(value).lower()


def _quoted(value: str) -> str:
    plain = value and not set(value) & set("\"',") and value == value.strip()
    return value if plain else '"' + value.replace('"', '""') + '"'
