"""Fields of a form: the control that a schema asks for, the value it gives back, and what it says."""

from __future__ import annotations

from typing import Any, Literal

import ipywidgets as widgets
import pytest
from pydantic import BaseModel, Field

from runpodkit.notebook.fields import Field as FormField


class Model(BaseModel):
    """A field of each kind, none of them known to the form's code."""

    prompt: str = Field("", max_length=4000, description="Long <b>text</b>.")
    name: str = Field("fox", max_length=40)
    count: int = Field(3, ge=1, le=10)
    size: int = Field(64, ge=8, le=80_000, multiple_of=8)
    share: float | None = Field(None, ge=0, le=1)
    loud: bool = True
    kind: Literal["round", "square"] = "square"
    tags: list[str] = Field(default_factory=lambda: ["a"])
    note: str | None = Field(None, max_length=100)


SCHEMA: dict[str, Any] = Model.model_json_schema()["properties"]


def field(name: str, **about: Any) -> FormField:
    return FormField(name, SCHEMA[name], getattr(Model(), name), **about)


@pytest.mark.parametrize(
    ("name", "control", "value"),
    [
        ("prompt", widgets.Textarea, ""),
        ("name", widgets.Text, "fox"),
        ("count", widgets.IntText, 3),
        ("size", widgets.IntText, 64),
        ("share", widgets.FloatText, None),
        ("loud", widgets.Checkbox, True),
        ("kind", widgets.Combobox, "square"),
        ("tags", widgets.Textarea, ["a"]),
        ("note", widgets.Text, None),
    ],
)
def test_each_kind_of_value_has_its_control_and_begins_with_the_default(
    name: str, control: type[widgets.Widget], value: object
) -> None:
    made = field(name)

    assert type(made.control) is control
    assert made.value == value


def test_bounded_numbers_get_a_slider_with_the_bounds_of_the_schema() -> None:
    count, share = field("count").slider, field("share").slider

    assert (count.min, count.max, count.step) == (1, 10, 1)
    assert (share.min, share.max, share.step) == (0, 1, 0.05)
    assert field("size").slider is None  # ten thousand places are none a hand can find


def test_number_and_slider_follow_each_other_but_a_wrong_number_is_not_bent() -> None:
    count = field("count")

    count.control.value = 7
    assert count.slider.value == 7
    count.slider.value = 4
    assert count.value == 4
    count.control.value = 99
    assert count.value == 99
    assert count.slider.value == 4


def test_arrows_of_a_number_move_by_its_multiple() -> None:
    assert field("size").control.step == 8


def test_choices_are_offered_and_a_default_outside_them_stays_possible() -> None:
    made = field("name", choices=["owl", "cat"])

    assert type(made.control) is widgets.Combobox
    assert made.control.options == ("fox", "owl", "cat")
    assert made.value == "fox"


def test_typing_into_an_unset_field_sets_it_and_unsetting_clears_it() -> None:
    note = field("note")

    note.control.value = "loud"
    assert note.value == "loud"
    note.unset.value = True
    assert note.value is None
    assert note.control.value == ""
    note.unset.value = False
    assert note.value == ""  # empty on purpose is not the same as unset


def test_a_value_can_be_given_and_taken_back_by_a_program() -> None:
    share = field("share")

    share.value = 0.25
    assert share.value == 0.25
    share.value = None
    assert share.value is None


def test_what_is_typed_as_json_is_read_and_bad_json_says_so() -> None:
    tags = field("tags")

    tags.control.value = '["b", "c"]'
    assert tags.value == ["b", "c"]
    for wrong in ("{", "[NaN]"):
        tags.control.value = wrong
        with pytest.raises(ValueError, match="is no JSON"):
            _ = tags.value


def test_emptied_json_is_as_it_began() -> None:
    tags = field("tags")
    tags.control.value = "  "

    assert tags.value == ["a"]


def test_a_change_is_told_once_with_the_field() -> None:
    count, told = field("count"), []
    count.on_change(told.append)

    count.control.value = 5

    assert told == [count]


def test_help_and_problems_are_text_never_markup() -> None:
    made = field("prompt")
    assert made.note.value == "Long &lt;b&gt;text&lt;/b&gt;."

    made.show("is <script>")
    assert made.note.value == '<span role="alert">Is &lt;script&gt;</span>'
    assert "rk-bad" in made.row._dom_classes

    made.show(None)
    assert "rk-bad" not in made.row._dom_classes
