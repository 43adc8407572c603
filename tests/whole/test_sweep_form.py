"""The sweep form with its run: started, watched below the form, kept in the notebook."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from runpodkit.kit import Kit
from runpodkit.notebook.hub import hub
from runpodkit.notebook.sweep_form import SweepForm


@pytest.fixture
def form(kit: Kit) -> Iterator[SweepForm]:
    form = SweepForm(kit)
    form.fields["user_prompt"].field.value = "a fox from a form"
    for name in ("width", "height"):
        form.fields[name].field.value = 64
    form.fields["steps"].set_axis([1, 2, 3])
    yield form
    hub()._views.clear()  # they would look on, and start what the end of these tests stops


def settled(form: SweepForm) -> None:
    """Wait until Run can be pressed again."""
    deadline = time.monotonic() + 30
    while (form.button.disabled or form.button.description != "Run") and time.monotonic() < deadline:
        time.sleep(0.05)


def test_run_starts_the_sweep_and_shows_it_below(form: SweepForm) -> None:
    settled(form)
    form.name.value = "from-a-form"

    form.button.click()
    settled(form)

    assert form.run is not None
    form.run.wait()
    assert form.run.status().is_over
    assert 'data-runpodkit="' in form.live.value
    deadline = time.monotonic() + 20
    while "3 of 3 pictures" not in form.html() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert "3 of 3 pictures" in form.html()
    assert "<img" in form.html()


def test_a_name_that_is_taken_is_told_and_another_run_can_be_made(form: SweepForm) -> None:
    settled(form)
    form.name.value = "taken-name"
    form.button.click()
    settled(form)
    form.fields["steps"].text.value = "1, 2, 4"
    settled(form)

    form.button.click()
    settled(form)
    assert "taken-name" in form.said.value
    assert "rk-wrong" in form.said.value

    form.taken.value = "fresh"
    form.button.click()
    settled(form)
    assert form.run is not None
    assert form.run.name == "taken-name-2"


def test_a_form_is_filled_from_a_past_run(form: SweepForm, kit: Kit) -> None:
    settled(form)
    form.button.click()
    settled(form)
    assert form.run is not None

    assert kit.sweep_form(form.run).sweep == form.run.sweep
