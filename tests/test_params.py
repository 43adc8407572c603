"""ImageParams: bounds, defaults, what counts as set, and problems in words."""

from __future__ import annotations

import pickle

import pytest
from pydantic import ValidationError

from runpodkit.params import MAX_SEED, ImageParams, explain


def params(**fields: object) -> ImageParams:
    return ImageParams(**{"user_prompt": "a pier", **fields})


def problem(**fields: object) -> str:
    with pytest.raises(ValidationError) as caught:
        params(**fields)
    return explain(caught.value)


@pytest.mark.parametrize(
    ("name", "lowest", "highest"),
    [
        ("user_prompt", "x", "x" * 4000),
        ("negative_prompt", "", "x" * 4000),
        ("width", 64, 4096),
        ("height", 64, 4096),
        ("steps", 1, 150),
        ("cfg_scale", 0.0, 30.0),
        ("seed", -1, 2**32 - 1),
        ("sampler_name", "x", "x" * 100),
        ("scheduler", "x", "x" * 100),
        ("num_images", 1, 8),
        ("strength", 0.0, 1.0),
        ("timeout", 1, 86_400),
    ],
)
def test_bounds_are_inclusive(name, lowest, highest):
    assert getattr(params(**{name: lowest}), name) == lowest
    assert getattr(params(**{name: highest}), name) == highest


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("user_prompt", ["", "x" * 4001, None, 5]),
        ("negative_prompt", ["x" * 4001, 5]),
        ("width", [56, 65, 4104, 0, -8, "wide", 512.5, None]),
        ("height", [56, 65, 4104]),
        ("steps", [0, 151, 2.5, "many", None]),
        ("cfg_scale", [-0.1, 30.1, float("nan"), float("inf"), None]),
        ("seed", [-2, 2**32, 0.5]),
        ("sampler_name", ["", "x" * 101, None]),
        ("num_images", [0, 9]),
        ("strength", [-0.1, 1.1, float("nan")]),
        ("extra", [5, "x", ["a"], None]),
        ("timeout", [0, 86_401]),
    ],
)
def test_values_out_of_bounds_are_refused_by_name(name, values):
    for value in values:
        assert problem(**{name: value}).startswith(f"{name}=")


def test_defaults_are_those_of_the_design():
    assert params().model_dump() == {
        "user_prompt": "a pier",
        "negative_prompt": None,
        "use_enhanced_prompts": True,
        "width": 832,
        "height": 1216,
        "steps": 30,
        "cfg_scale": 4.0,
        "seed": -1,
        "sampler_name": "Euler",
        "scheduler": "Euler A",
        "num_images": 1,
        "input_image": None,
        "strength": None,
        "extra": {},
        "timeout": 300,
    }
    assert MAX_SEED == 4_294_967_295


def test_defaults_pass_their_own_bounds():
    assert ImageParams(**params().model_dump()) == params()


def test_every_field_has_help():
    for name, field in ImageParams.model_fields.items():
        assert field.description, name


def test_parameters_are_frozen():
    with pytest.raises(ValidationError):
        params().steps = 5


def test_a_misspelt_name_is_an_error_that_lists_the_names():
    assert problem(stepps=5) == "stepps is not a parameter; did you mean steps?"
    assert problem(frog=5).startswith("frog is not a parameter; known: user_prompt, negative_prompt, ")


def test_a_missing_prompt_is_said_so():
    with pytest.raises(ValidationError) as caught:
        ImageParams(steps=5)

    assert explain(caught.value) == "user_prompt is required"


def test_every_problem_stands_in_one_short_line():
    text = problem(steps=0, width=513, user_prompt="x" * 5000, seed=object())

    assert "\n" not in text
    assert len(text) < 600
    assert [part.split("=")[0] for part in text.split("; ")] == ["user_prompt", "width", "steps", "seed"]
    assert "steps=0: input should be greater than or equal to 1" in text


def test_with_values_keeps_what_was_set_and_marks_what_is_new():
    changed = params(width=512).with_values({"steps": 5})

    assert changed == ImageParams(user_prompt="a pier", width=512, steps=5)
    assert changed.model_fields_set == {"user_prompt", "width", "steps"}


def test_with_values_validates_and_leaves_the_original_alone():
    original = params(width=512)

    for bad in ({"steps": 0}, {"stepps": 5}):
        with pytest.raises(ValidationError):
            original.with_values(bad)
    assert original == params(width=512)


def test_what_was_set_survives_pickle_and_json():
    original = params(width=832, extra={"lora": "ink"})
    back = pickle.loads(pickle.dumps(original))

    assert (back, back.model_fields_set) == (original, original.model_fields_set)
    assert ImageParams.model_validate_json(original.model_dump_json(exclude_unset=True)).model_fields_set == {
        "user_prompt",
        "width",
        "extra",
    }


def test_a_later_change_of_the_given_extras_changes_nothing():
    extra = {"lora": "ink"}
    made = params(extra=extra)
    extra["lora"] = "oil"

    assert made.extra == {"lora": "ink"}
