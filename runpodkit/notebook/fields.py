"""One field of a form, built from the JSON schema of a model's field.

Knows types, bounds and help from the schema, and no parameter by name.  Every value a
person can type is taken as it is: whether it is valid, the model says.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from runpodkit.errors import ConfigError

try:
    import ipywidgets as widgets
except ImportError:
    raise ConfigError("a form needs ipywidgets: %pip install 'runpodkit[local,lab]'") from None

LONG_TEXT = 1000
"""Text that may be longer than this gets an area instead of a line."""
SLIDER_PLACES = 200
"""Numbers with at most this many values get a slider as well."""
_NUMBERS = ("integer", "number")


class Looks:
    """Models that widgets share: each has two of its own otherwise, and a page takes time for each of them."""

    def __init__(self) -> None:
        self._layout = widgets.Layout()
        self._styles: dict[Any, Any] = {}

    def of(self, kind: Any) -> dict[str, Any]:
        """Layout and style for a widget of this class."""
        trait = kind.class_traits().get("style")
        if trait is None:
            return {"layout": self._layout}
        if trait.klass not in self._styles:
            self._styles[trait.klass] = trait.klass()
        return {"layout": self._layout, "style": self._styles[trait.klass]}


class Field:
    """A labelled control, its help, and what is wrong with its value."""

    def __init__(
        self,
        name: str,
        schema: Mapping[str, Any],
        default: Any,
        *,
        choices: Sequence[str] = (),
        placeholder: str = "",
        looks: Looks | None = None,
    ) -> None:
        """Build the control that fits.

        Args:
            schema: The field's part of a JSON schema.
            default: The value to begin with; None leaves the field unset.
            choices: The values to choose from, where they are known.
            placeholder: Shown in an empty text.
            looks: What the widgets of a form share.
        """
        self.looks = looks or Looks()
        self.name, self._default = name, default
        self.schema, self.optional = _without_null(schema)
        self.kind = _kind(self.schema)
        choices = [str(value) for value in choices or self.schema.get("enum", ())]
        if choices and default is not None and default not in choices:
            choices = [str(default), *choices]
        self.choices = tuple(choices)
        self._help = str(schema.get("description", ""))
        self.control = self._control(default, choices)
        self.control.tooltip = self._help
        if placeholder and hasattr(self.control, "placeholder"):
            self.control.placeholder = placeholder
        self.slider = self._slider()
        self.unset = widgets.Checkbox(
            value=default is None, description="leave unset", indent=False, **self.looks.of(widgets.Checkbox)
        )
        self.note = widgets.HTML(**self.looks.of(widgets.HTML))
        self.note.add_class("rk-note")
        self._links()
        self.row = widgets.VBox([*self._shown(), self.note], **self.looks.of(widgets.VBox))
        self.row.add_class("rk-field")
        self.show(None)

    @property
    def value(self) -> Any:
        """What is asked for; None: unset.

        Raises:
            ValueError: the text is no JSON where JSON is wanted, or none of the choices.
        """
        if self.optional and self.unset.value:
            return None
        if self.choices:
            return self._chosen()
        if self.kind != "json":
            return self.control.value
        if not self.control.value.strip():
            return self._default
        try:
            return json.loads(self.control.value, parse_constant=_refuse)
        except ValueError as exc:
            raise ValueError(f"is no JSON: {exc}") from None

    @value.setter
    def value(self, value: Any) -> None:
        if value is None:
            self.unset.value = True
            return
        self.control.value = json.dumps(value, ensure_ascii=False) if self.kind == "json" else value
        self.unset.value = False

    def _chosen(self) -> str:
        """A choice however it was typed."""
        typed = self.control.value.strip()
        for choice in self.choices:
            if choice.lower() == typed.lower():
                return choice
        near = difflib.get_close_matches(typed, self.choices, n=1, cutoff=0.5)
        known = ", ".join(self.choices[:12]) + (" …" if len(self.choices) > 12 else "")
        raise ValueError(f"{typed or 'nothing'} is not known here; {f'did you mean {near[0]}?' if near else known}")

    def on_change(self, told: Callable[[Field], None]) -> None:
        """Call `told(self)` after every change by a person or a program."""
        for widget in (self.control, self.unset):
            widget.observe(lambda _: told(self), "value")

    def show(self, problem: str | None) -> None:
        """Say under the control what is wrong with it; None shows the help again."""
        if problem:
            self.row.add_class("rk-bad")
            self.note.value = f'<span role="alert">{escape(problem[:1].upper() + problem[1:])}</span>'
        else:
            self.row.remove_class("rk-bad")
            self.note.value = escape(self._help)

    def _control(self, default: Any, choices: Sequence[str]) -> Any:
        about: dict[str, Any] = {"description": self.name.replace("_", " ").capitalize()}
        kind: Any = widgets.Text
        if choices:
            kind = widgets.Combobox
            about |= {"options": choices, "value": default or "", "continuous_update": False}
        elif self.kind == "boolean":
            kind = widgets.Checkbox
            about |= {"value": bool(default), "indent": False}
        elif self.kind in _NUMBERS:
            kind = widgets.IntText if self.kind == "integer" else widgets.FloatText
            least = self.schema.get("minimum", 0)
            about |= {"value": least if default is None else default, "step": self._step()}
        elif self.kind == "json":
            kind = widgets.Textarea
            about |= {"value": json.dumps(default) if default else "", "placeholder": "{ }", "rows": 2}
        elif self.schema.get("maxLength", 0) > LONG_TEXT:
            kind = widgets.Textarea
            about |= {"value": default or "", "rows": 3}
        else:
            about["value"] = default or ""
        return kind(**about, **self.looks.of(kind))

    def _step(self) -> float:
        if "multipleOf" in self.schema:
            return float(self.schema["multipleOf"]) if self.kind == "number" else int(self.schema["multipleOf"])
        if self.kind == "integer":
            return 1
        return 0.05 if self.schema.get("maximum", 10) <= 1 else 0.5

    def _slider(self) -> Any:
        low, high = self.schema.get("minimum"), self.schema.get("maximum")
        if self.kind not in _NUMBERS or low is None or high is None or (high - low) / self._step() > SLIDER_PLACES:
            return None
        kind = widgets.IntSlider if self.kind == "integer" else widgets.FloatSlider
        value = min(max(self.control.value, low), high)
        return kind(
            value=value, min=low, max=high, step=self._step(), readout=False, tooltip=self._help, **self.looks.of(kind)
        )

    def _links(self) -> None:
        def typed(_: Any) -> None:
            self.unset.value = False
            if self.slider and self.slider.min <= self.control.value <= self.slider.max:
                self.slider.value = self.control.value

        def slid(change: Any) -> None:
            self.control.value = change["new"]

        def ticked(change: Any) -> None:
            if change["new"] and isinstance(self.control.value, str) and self.control.value:
                self.control.value = ""
                self.unset.value = True

        self.control.observe(typed, "value")
        self.unset.observe(ticked, "value")
        if self.slider:
            self.slider.observe(slid, "value")

    def _shown(self) -> list[Any]:
        self.control.add_class("rk-control")
        line = [self.control, self.slider] if self.slider else [self.control]
        row = widgets.HBox(line, **self.looks.of(widgets.VBox)) if self.slider else self.control
        return [row, self.unset] if self.optional else [row]


def _without_null(schema: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema of the value itself, and whether it may be unset."""
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    if not options:
        return dict(schema), False
    nullable = len(options) < len(schema["anyOf"])
    return ({**schema, **options[0]} if len(options) == 1 else dict(schema)), nullable


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value is; everything without a control of its own is typed as JSON."""
    kind = schema.get("type")
    return kind if kind in ("string", "boolean", *_NUMBERS) else "json"


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is not a number")
