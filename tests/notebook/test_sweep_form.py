"""The sweep form without a run: axes by the text grammar, what is wrong, what it would cost, and code."""

from __future__ import annotations

import html
import re
import time
from pathlib import Path

import pytest

import runpodkit as rk
from runpodkit.endpoint.dialects import get_dialect
from runpodkit.kit import Kit
from runpodkit.notebook.axis_fields import as_text
from runpodkit.notebook.sweep_form import SweepForm
from runpodkit.simulator import SAMPLERS
from runpodkit.sweeps.axes import parse_axis


@pytest.fixture
def form(kit: Kit) -> SweepForm:
    form = SweepForm(kit)
    form.fields["user_prompt"].field.value = "a fox"
    return form


def vary(form: SweepForm, name: str, text: str) -> None:
    form.fields[name].vary.value = True
    form.fields[name].text.value = text


def test_every_parameter_can_be_an_axis_but_those_that_are_no_part_of_the_picture(form: SweepForm) -> None:
    assert set(form.fields) == get_dialect("native").takes
    assert {name for name, one in form.fields.items() if not one.can_vary} == {"extra", "timeout"}


def test_axes_are_read_by_the_text_grammar_in_the_order_they_were_made(form: SweepForm) -> None:
    vary(form, "steps", "5-20 (+5)")
    vary(form, "cfg_scale", "1, 4.5")
    form.fields["width"].field.value = 512

    assert form.sweep == rk.sweep("a fox", width=512, steps=[5, 10, 15, 20], cfg_scale=[1, 4.5])
    assert "<b>8 trials</b> = 4 steps × 2 cfg_scale" in form.count.value
    assert form.fields["steps"].field.note.value == "4 values"

    form.fields["steps"].vary.value = False
    assert form.sweep == rk.sweep("a fox", width=512, cfg_scale=[1, 4.5])


def test_prompts_are_lines_and_samplers_can_be_had_all_at_once(form: SweepForm) -> None:
    vary(form, "user_prompt", "a fox, red\n\n  an owl ")
    form.fields["sampler_name"].vary.value = True
    form.fields["sampler_name"].all.click()

    assert form.sweep == rk.sweep(["a fox, red", "an owl"], sampler_name=list(SAMPLERS))


def test_seeds_may_vary(form: SweepForm) -> None:
    vary(form, "steps", "1, 2")
    vary(form, "seed", "vary")

    assert form.sweep == rk.sweep("a fox", steps=[1, 2], seed="vary")
    assert form.fields["seed"].field.note.value == "another seed for each trial"


def test_what_is_wrong_is_told_at_the_field_as_it_is_typed(form: SweepForm) -> None:
    vary(form, "steps", "5-20 (+5")
    assert "is neither a number nor a range" in form.fields["steps"].field.note.value
    assert form.button.disabled

    vary(form, "steps", "0, 5, 200")
    assert "0 is below 1" in form.fields["steps"].field.note.value
    with pytest.raises(ValueError, match="steps 0 is below 1"):
        _ = form.sweep

    vary(form, "steps", "5")
    vary(form, "sampler_name", "Euler, Heum")
    assert form.problems() == {"sampler_name": f"Heum not known here; known: {', '.join(SAMPLERS)}"}


def test_a_zip_of_unequal_axes_is_told_beside_the_count(form: SweepForm) -> None:
    vary(form, "steps", "1, 2")
    vary(form, "cfg_scale", "1, 2, 3")
    form.mode.value = "zip"

    assert "zip needs axes of equal length: steps has 2, cfg_scale has 3" in html.unescape(form.count.value)
    form.fields["cfg_scale"].text.value = "1, 2"
    assert form.sweep == rk.sweep("a fox", steps=[1, 2], cfg_scale=[1, 2], mode="zip")


def test_cost_and_time_follow_the_typing(form: SweepForm) -> None:
    vary(form, "steps", "1-7")

    deadline = time.monotonic() + 10
    while "7 trials" not in form.cost.value and time.monotonic() < deadline:
        time.sleep(0.05)

    assert "7 trials, 0 reused" in form.cost.value
    assert not form.button.disabled


@pytest.mark.parametrize(
    "sweep",
    [
        rk.sweep("a fox", steps=[1, 2, 5], sampler_name=["Euler", "Heun"], seed=[7, 8]),
        rk.sweep(["a fox, 'red'", 'an "owl"'], cfg_scale=[0.1, 4], width=[64, 128]),
        rk.sweep("a fox", steps=[1, 2], cfg_scale=[3, 4], seed="vary", mode="zip", extra={"a": [1]}),
        rk.sweep("one picture", seed=3),
    ],
)
def test_a_form_filled_from_a_sweep_asks_for_that_sweep(form: SweepForm, sweep: rk.Sweep) -> None:
    vary(form, "height", "64, 128")

    form.fill(sweep)

    assert form.sweep == sweep


@pytest.mark.parametrize(
    ("sweep", "words"),
    [
        (rk.sweep("a fox", size={"a": {"width": 64}, "b": {"width": 128}}), "axis size"),
        (rk.sweep("a fox", steps=[1, 2], where="steps > 1"), "rules (where)"),
        (rk.sweep("a fox", steps=[1, 2], repeats=2), "repeats"),
        (rk.sweep("a fox", steps=[1, 2], sample=rk.random(1)), "a sample"),
        (
            rk.sweep("a fox", steps=[1, 2], seed=[1, 2], cfg_scale=[1], together=[("steps", "seed")]),
            "axes that go together",
        ),
    ],
)
def test_what_a_form_cannot_show_it_refuses_in_words_and_stays_as_it_was(
    form: SweepForm, sweep: rk.Sweep, words: str
) -> None:
    vary(form, "height", "64, 128")
    before = form.sweep

    form.fill(sweep)

    said = html.unescape(form.said.value)
    assert f"cannot show {words}" in said
    assert "rk.Sweep.from_plan(" in said
    assert form.sweep == before


def test_a_form_is_filled_from_a_picture(form: SweepForm, kit: Kit, tmp_path: Path) -> None:
    made = kit.generate("an owl to vary", width=64, height=64, steps=2, seed=4)

    form.fill(made.save(tmp_path / "owl.png"))
    vary(form, "steps", "2, 4")

    assert form.sweep.axes == {"steps": [2, 4]}
    assert (form.sweep.base.user_prompt, form.sweep.base.seed) == ("an owl to vary", 4)
    assert repr(kit.sweep_form(made)) == "Form for a sweep, 12 fields, SIMULATOR"


def test_copied_code_submits_the_same_sweep(form: SweepForm) -> None:
    vary(form, "steps", "1-3")
    form.name.value, form.budget.value = "my-run", "2.50"

    form.copy.click()

    found = re.search(r"<pre[^>]*>(.*)</pre>", form.code.value, re.DOTALL)
    assert found
    assert html.unescape(found[1]) == (
        "sweep = rk.sweep('a fox', steps=[1, 2, 3])\nrun = kit.submit(sweep, name='my-run', budget_usd=2.50)\nrun"
    )


def test_a_budget_that_is_no_number_stops_before_anything_is_sent(form: SweepForm) -> None:
    vary(form, "steps", "1-3")
    form.button.disabled, form.budget.value = False, "two"

    form.start()

    assert "is not a number of USD" in form.said.value
    assert form.run is None


def test_the_twin_has_the_sweep_as_code_and_no_widget(form: SweepForm) -> None:
    form.fields["user_prompt"].field.value = "<script>taken</script>"
    vary(form, "steps", "1-3")

    assert "rk.sweep(&#x27;&lt;script&gt;taken&lt;/script&gt;&#x27;, steps=[1, 2, 3])" in form.html()
    assert "SIMULATOR" in form.html()


def test_values_written_as_text_are_read_back() -> None:
    for field, values in (
        ("sampler_name", ["Euler", "a, b", 'say "x"', "it's", " padded "]),
        ("cfg_scale", [0.1, 1.0, 1e-7 + 1]),
        ("steps", [1, 20]),
    ):
        assert parse_axis(as_text(values), field) == values
