"""The form for one picture: what it asks for follows from the model and the dialect, and Generate really draws."""

from __future__ import annotations

import html
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import pytest
from pydantic import SecretStr

from runpodkit import stack
from runpodkit.blocking import shared_loop
from runpodkit.endpoint.dialects import built_in, get_dialect
from runpodkit.kit import Kit
from runpodkit.notebook.forms import MAIN, ParamsForm
from runpodkit.params import ImageParams
from runpodkit.settings import EndpointAddress, Settings
from runpodkit.simulator import SAMPLERS

PROPERTIES: dict[str, Any] = ImageParams.model_json_schema()["properties"]
NATIVE = get_dialect("native")
BOUNDED = [
    (name, schema[bound] + side * schema.get("multipleOf", 1))
    for name, schema in PROPERTIES.items()
    if name in NATIVE.takes
    for bound, side in (("minimum", -1), ("maximum", 1))
    if bound in schema
]
LONG = {"width": 4096, "height": 4096, "steps": 150}
HOSTILE = "<script>window.taken=1</script><img src=x onerror=alert(1)>"


@pytest.fixture(autouse=True)
def _ended(tmp_path: Path) -> Iterator[None]:
    """A kit of a home of its own starts a Redis there."""
    yield
    stack.down(Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path / "home"))


@pytest.fixture
def form(kit: Kit) -> ParamsForm:
    return ParamsForm(kit, draw_seed=lambda: 12345)


@pytest.fixture
def live_form(tmp_path: Path) -> ParamsForm:
    """Of a kit that would pay; no request is made."""
    address = EndpointAddress("https://api.runpod.ai/v2/abcdefgh1234", SecretStr("rpa_made_up_for_tests"))
    return ParamsForm(Kit(Settings.load(tmp_path), address, stands_in=False))


def quick(form: ParamsForm, prompt: str = "a fox in the snow", **values: Any) -> ParamsForm:
    for name, value in {"user_prompt": prompt, "width": 128, "height": 64, "steps": 2, "seed": 3, **values}.items():
        form.fields[name].value = value
    return form


def click(form: ParamsForm) -> None:
    """Press Generate and wait until the form can be used again."""
    form.button.click()
    assert form._ended.wait(30)


def test_every_field_that_the_dialect_takes_has_a_widget_and_no_other_has(form: ParamsForm) -> None:
    assert set(form.fields) == NATIVE.takes
    assert {"num_images", "strength", "input_image"}.isdisjoint(form.fields)
    for field in form.fields.values():
        assert isinstance(field.control, widgets.DOMWidget)
        assert field.control.tooltip == PROPERTIES[field.name]["description"]


@pytest.mark.parametrize("name", built_in())
def test_a_form_of_every_dialect_starts_without_a_problem_but_what_has_to_be_given(name: str, tmp_path: Path) -> None:
    address = EndpointAddress("https://api.runpod.ai/v2/abcdefgh1234", SecretStr("rpa_made_up_for_tests"))
    form = ParamsForm(Kit(Settings.load(tmp_path, RUNPODKIT_DIALECT=name), address, stands_in=False))
    for field in ("input_image", "user_prompt"):
        if field in form.fields:
            form.fields[field].value = "https://example.org/a.png"

    assert set(form.fields) == get_dialect(name).takes
    assert form.problems() == {}


def test_every_field_is_on_the_page_exactly_once(form: ParamsForm) -> None:
    def inside(widget: Any) -> list[Any]:
        return [widget, *(one for child in getattr(widget, "children", ()) for one in inside(child))]

    shown = inside(form.widget)

    assert [sum(one is field.row for one in shown) for field in form.fields.values()] == [1] * len(form.fields)


def test_a_field_that_the_layout_does_not_name_is_in_the_fold(form: ParamsForm) -> None:
    named = {name for line in MAIN for name in line}
    (fold,) = [child for child in form.widget.children[1].children[0].children if isinstance(child, widgets.Accordion)]

    assert set(fold.children[0].children) == {field.row for name, field in form.fields.items() if name not in named}
    assert fold.selected_index is None  # folded


def test_the_form_begins_as_the_dialect_does(form: ParamsForm) -> None:
    starts = NATIVE.resolve(ImageParams(user_prompt="-")).model_dump()

    assert {name: field.value for name, field in form.fields.items() if name != "user_prompt"} == {
        name: value for name, value in starts.items() if name in NATIVE.takes and name != "user_prompt"
    }


def test_on_the_stand_in_only_samplers_that_it_has_are_offered(form: ParamsForm, live_form: ParamsForm) -> None:
    assert form.fields["sampler_name"].control.options == SAMPLERS
    assert live_form.fields["sampler_name"].control.options == tuple(NATIVE.samplers)
    assert live_form.fields["scheduler"].control.options == tuple(NATIVE.schedulers)


def test_a_sampler_may_be_typed_in_any_case_and_an_unknown_one_is_told_at_the_field(form: ParamsForm) -> None:
    quick(form, sampler_name="dpm++ 2m")
    assert form.params.sampler_name == "DPM++ 2M"

    form.fields["sampler_name"].value = "Heum"

    assert form.problems() == {"sampler_name": "Heum is not known here; did you mean Heun?"}
    assert "did you mean Heun?" in form.fields["sampler_name"].note.value


def test_presets_and_swap_set_width_and_height(form: ParamsForm) -> None:
    form.sizes.value = (1216, 832)
    assert (form.fields["width"].value, form.fields["height"].value) == (1216, 832)
    assert form.sizes.value is None

    form.swap.click()
    assert (form.fields["width"].value, form.fields["height"].value) == (832, 1216)


def test_the_lock_keeps_the_seed_that_was_drawn_and_lets_it_go(form: ParamsForm) -> None:
    first = quick(form, seed=-1).generate()
    assert first is not None

    form.lock.value = True
    assert form.fields["seed"].value == first.seed
    form.lock.value = False
    assert form.fields["seed"].value == -1
    form.fields["seed"].value = 5
    assert form.lock.value is True


def test_copied_code_makes_the_same_picture(form: ParamsForm, kit: Kit) -> None:
    quick(form, sampler_name="Heun").copy.click()

    code = re.search(r"<pre[^>]*>(.*)</pre>", form.code.value, re.DOTALL)
    assert code
    picture = eval(html.unescape(code[1]), {"kit": kit})
    assert picture.params.sampler_name == "Heun"
    assert picture.record.key == form.generate().record.key  # type: ignore[union-attr]


def test_wrong_values_are_not_copied(form: ParamsForm) -> None:
    quick(form, steps=0).copy.click()

    assert "steps must be 1 or more" in form.said.value
    assert form.code.value == ""


def test_a_form_is_filled_from_a_picture_its_file_and_from_parameters(
    form: ParamsForm, kit: Kit, tmp_path: Path
) -> None:
    made = kit.generate("an owl", width=128, height=64, steps=3, seed=9, sampler_name="Heun", extra={"a": 1})
    wanted = {"user_prompt": "an owl", "steps": 3, "seed": 9, "sampler_name": "Heun", "extra": {"a": 1}}
    for source in (made, made.save(tmp_path / "owl.png"), made.bytes, made.params):
        quick(form, steps=7, cfg_scale=9.0)
        form.fill(source)
        assert {name: form.fields[name].value for name in wanted} == wanted
        assert form.fields["cfg_scale"].value == 4.0

    assert kit.form(made).params.user_prompt == "an owl"


def test_the_twin_holds_what_is_asked_for_and_the_picture_and_no_widget(form: ParamsForm) -> None:
    click(quick(form, prompt=HOSTILE))

    twin = form.html()
    assert "SIMULATOR" in twin
    assert "<script" not in twin
    assert twin.count('<img alt="Picture 128×64') == 1
    assert re.search(r"\d+\.\d\d s|0x|rk_", re.sub(r'base64,[^"]+', "", twin)) is None


def test_an_untouched_form_asks_for_the_prompt_alone(form: ParamsForm) -> None:
    form.fields["user_prompt"].value = "a fox"

    assert form.params == ImageParams(user_prompt="a fox")
    assert form.params.model_fields_set == {"user_prompt"}


def test_what_is_changed_is_asked_for(form: ParamsForm) -> None:
    asked = quick(form, negative_prompt="", sampler_name="Heun", extra={"lora": "fox"}).params

    assert asked == ImageParams(
        user_prompt="a fox in the snow", negative_prompt="", width=128, height=64, steps=2, seed=3,
        sampler_name="Heun", extra={"lora": "fox"},
    )  # fmt: skip


@pytest.mark.parametrize(("name", "value"), BOUNDED)
def test_the_bounds_are_those_of_the_model_and_shown_at_the_field(form: ParamsForm, name: str, value: float) -> None:
    schema = PROPERTIES[name]
    form.fields["user_prompt"].value = "a fox"

    form.fields[name].value = value

    bound = f"{schema['minimum']:,} or more" if value < schema["minimum"] else f"{schema['maximum']:,} or less"
    assert form.problems() == {name: f"must be {bound}"}
    assert f"Must be {bound}" in form.fields[name].note.value
    with pytest.raises(ValueError, match=f"^{name} must be"):
        _ = form.params


def test_a_size_between_two_multiples_names_both(form: ParamsForm) -> None:
    quick(form, width=500)

    assert form.problems() == {"width": "must be a multiple of 8, such as 496 or 504"}


def test_a_mended_value_takes_the_complaint_away(form: ParamsForm) -> None:
    quick(form, steps=0)
    assert "rk-bad" in form.fields["steps"].row._dom_classes

    form.fields["steps"].value = 5

    assert form.problems() == {}
    assert "rk-bad" not in form.fields["steps"].row._dom_classes


def test_nobody_is_told_off_for_a_field_not_yet_reached(form: ParamsForm) -> None:
    form.fields["steps"].value = 7

    assert form.problems() == {"user_prompt": "say what to draw"}
    assert "rk-bad" not in form.fields["user_prompt"].row._dom_classes


def test_generate_with_wrong_values_sends_nothing_and_says_how_many(form: ParamsForm) -> None:
    quick(form, prompt="  ", steps=0)
    form.fields["extra"].control.value = "{"

    form.button.click()

    assert form.picture is None
    assert "3 fields to mend." in form.said.value
    assert "Say what to draw" in form.fields["user_prompt"].note.value
    assert "Is no JSON" in form.fields["extra"].note.value
    assert form.result.image.layout.display == "none"


def test_the_dice_draws_a_seed(form: ParamsForm) -> None:
    form.dice.click()

    assert form.fields["seed"].value == 12345


def test_generate_draws_and_shows_the_picture_with_all_that_is_known(form: ParamsForm) -> None:
    click(quick(form, sampler_name="Heun"))

    picture = form.picture
    assert picture is not None
    assert picture.image.size == (128, 64)
    assert bytes(form.result.image.value[:2]) == b"\xff\xd8"  # a JPEG
    assert form.result.image.layout.display != "none"
    for part in (
        "<dd>128 × 64</dd>",
        "<dd>2, Heun, scheduler Euler A, cfg scale 4</dd>",
        "<dd>3</dd>",
        "<dd>a fox in the snow, highly detailed, sharp focus, balanced composition</dd>",
        "s of work",
        "<dd>nothing; $",
        "kit.generate(&#x27;a fox in the snow&#x27;, width=128, height=64, steps=2, seed=3, sampler_name=&#x27;Heun&#x27;)",
    ):
        assert part in form.result.about.value
    assert form.button.disabled is False
    assert form.button.description == "Generate"


def test_while_it_draws_the_button_is_off_and_says_so(form: ParamsForm) -> None:
    seen: list[tuple[bool, str, str]] = []

    def look(_: object) -> None:
        seen.append((form.button.disabled, form.button.description, form.stop.layout.display or "shown"))

    form.button.observe(look, "icon")

    click(quick(form))

    assert seen == [(True, "Drawing…", "shown"), (False, "Generate", "none")]


def test_a_second_click_while_it_draws_sends_nothing(form: ParamsForm) -> None:
    quick(form).button.click()
    form.button.click()

    assert form.generate() is None
    assert form._ended.wait(30)
    assert form.picture is not None


def test_a_seed_of_minus_one_is_drawn_and_told(form: ParamsForm) -> None:
    picture = quick(form, seed=-1).generate()

    assert picture is not None
    assert picture.seed >= 0
    assert f"<dd>{picture.seed}</dd>" in form.result.about.value


def test_a_hostile_prompt_is_shown_as_text(form: ParamsForm) -> None:
    click(quick(form, prompt=HOSTILE, negative_prompt=HOSTILE))

    assert form.picture is not None
    assert "<script" not in form.result.about.value
    assert "<img" not in form.result.about.value
    assert "&lt;script&gt;window.taken=1" in form.result.about.value


def test_a_job_that_fails_is_told_and_the_last_picture_stays(form: ParamsForm) -> None:
    first = quick(form).generate()

    click(quick(form, extra={"width": "<b>wide</b>"}))

    assert form.picture is first
    assert "rk-wrong" in form.said.value
    assert "<b>" not in form.said.value
    assert form.button.disabled is False


def wait_for_job(form: ParamsForm) -> None:
    deadline = time.monotonic() + 20
    while shared_loop().call(form._kit.endpoint.health()).in_progress == 0:
        assert time.monotonic() < deadline


def nothing_runs(form: ParamsForm) -> bool:
    health = shared_loop().call(form._kit.endpoint.health())
    return health.in_progress == health.in_queue == 0


def test_cancel_ends_the_job_on_the_endpoint(form: ParamsForm) -> None:
    quick(form, **LONG).button.click()
    wait_for_job(form)

    form.stop.click()

    assert form._ended.wait(10)
    assert "Cancelled, and its job with it." in form.said.value
    assert form.picture is None
    assert form.button.disabled is False
    assert nothing_runs(form)


def test_cancelling_when_nothing_is_drawn_does_nothing(form: ParamsForm) -> None:
    form.cancel()
    quick(form).generate()
    form.cancel()

    assert form.picture is not None


def test_interrupting_a_cell_that_waits_ends_the_job_as_well(form: ParamsForm) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def interrupt() -> None:
        wait_for_job(form)
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            quick(form, **LONG).generate()
    finally:
        interrupter.join()
        signal.signal(signal.SIGINT, before)
    assert nothing_runs(form)


def test_simulator_and_live_cannot_be_mistaken(form: ParamsForm, live_form: ParamsForm) -> None:
    assert "SIMULATOR</span>" in form.widget.children[0].value
    assert "nothing is paid" in form.widget.children[0].value
    assert "LIVE</span>" in live_form.widget.children[0].value
    assert "each picture costs money" in live_form.widget.children[0].value
    assert repr(live_form) == "Form for one picture, 12 fields, LIVE"


def test_the_text_of_a_form_is_short(kit: Kit) -> None:
    assert repr(kit.form()) == "Form for one picture, 12 fields, SIMULATOR"


def test_without_ipywidgets_one_line_says_what_to_install() -> None:
    code = "import sys; sys.modules['ipywidgets'] = None; import runpodkit.notebook.forms"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert done.stderr.splitlines()[-1] == (
        "runpodkit.errors.ConfigError: a form needs ipywidgets: %pip install 'runpodkit[local,lab]'"
    )
