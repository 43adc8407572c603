"""Dialects: what they send, refuse and let through; a user's own, and known error texts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runpodkit.endpoint.dialects import built_in, from_row, get_dialect
from runpodkit.errors import ConfigError
from runpodkit.params import ImageParams

NATIVE = get_dialect("native")
URL = "https://example.org/a.png"


def test_the_input_is_spelt_as_home_made_workers_take_it() -> None:
    params = ImageParams(user_prompt="a pier", use_enhanced_prompts=False, negative_prompt="fog", seed=7, steps=12)

    assert NATIVE.to_input(NATIVE.resolve(params)) == {
        "prompt": "a pier",
        "negative_prompt": "fog",
        "width": 832,
        "height": 1216,
        "steps": 12,
        "cfg_scale": 4.0,
        "seed": 7,
        "sampler_name": "Euler",
        "scheduler": "Euler A",
    }


def test_enhancement_changes_what_is_sent_and_not_what_was_asked() -> None:
    params = ImageParams(user_prompt="a pier", seed=7)

    sent = NATIVE.to_input(NATIVE.resolve(params))

    assert sent["prompt"].startswith("a pier, ")
    assert sent["negative_prompt"]
    assert params.user_prompt == "a pier"


def test_names_in_other_capitals_are_brought_into_the_worker_s_spelling() -> None:
    params = NATIVE.resolve(ImageParams(user_prompt="x", sampler_name="dpm++ 2m", scheduler="Karras"))

    assert (params.sampler_name, params.scheduler) == ("DPM++ 2M", "karras")


def test_an_unknown_sampler_is_refused_with_the_nearest_one_and_a_way_around() -> None:
    (refusal,) = NATIVE.refusals(ImageParams(user_prompt="x", sampler_name="Eular"))

    assert refusal.startswith(
        "sampler_name='Eular' is unknown to the native dialect: did you mean 'Euler'? known: Euler, "
    )
    assert refusal.endswith("""extra={"sampler_name": 'Eular'} sends it all the same""")


def test_extra_sends_any_name_as_it_is() -> None:
    params = ImageParams(user_prompt="x", seed=1, extra={"sampler_name": "MySampler", "lora_scale": 0.5})

    assert NATIVE.refusals(params) == []
    sent = NATIVE.to_input(NATIVE.resolve(params))
    assert (sent["sampler_name"], sent["lora_scale"]) == ("MySampler", 0.5)


@pytest.mark.parametrize(("field", "value"), [("num_images", 2), ("strength", 0.5), ("input_image", "a.png")])
def test_only_what_was_set_or_swept_can_be_refused(field: str, value: object) -> None:
    assert NATIVE.refusals(ImageParams(user_prompt="x")) == []
    (refusal,) = NATIVE.refusals(ImageParams(user_prompt="x", **{field: value}))
    assert refusal.startswith(f"{field}={value!r}: the native dialect has no such input")
    assert NATIVE.refusals(ImageParams(user_prompt="x"), swept=[field])


def test_an_unknown_dialect_is_named_with_those_there_are() -> None:
    with pytest.raises(ConfigError, match="RUNPODKIT_DIALECT='klingon' is unknown; known: native"):
        get_dialect("klingon")


@pytest.mark.parametrize("name", built_in())
def test_a_bare_prompt_works_on_every_dialect_that_needs_no_picture(name: str) -> None:
    dialect = get_dialect(name)
    given = {"input_image": "https://example.org/a.png"} if dialect.needs else {}
    params = ImageParams(user_prompt="a pier", **given)

    assert dialect.refusals(params) == []
    assert "a pier" in json.dumps(dialect.to_input(dialect.resolve(params)))


def test_a_default_is_the_worker_s_and_what_was_set_stays() -> None:
    schnell = get_dialect("black-forest-labs-flux-1-schnell")

    assert schnell.to_input(schnell.resolve(ImageParams(user_prompt="a pier", seed=3, width=512))) == {
        "prompt": "a pier",
        "width": 512,
        "height": 1024,
        "num_inference_steps": 4,
        "guidance": 7.5,
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("dialect", "fields", "refusal"),
    [
        ("black-forest-labs-flux-1-schnell", {"steps": 20}, "steps=20: must be within 1..8 for the black-forest-labs"),
        ("black-forest-labs-flux-1-dev", {"width": 840}, "width=840: must be within 256..1536, in steps of 64"),
        ("sdxl-turbo", {"width": 768}, "width=768: must be one of 512"),
        ("z-image-turbo", {"width": 640}, "640×1024: the z-image-turbo dialect takes these sizes: 512*512, 768*768"),
        ("p-image-t2i", {"width": 1024, "height": 4096}, "1024×4096: the p-image-t2i dialect takes these shapes: 1:1"),
        ("sd2", {"width": 1024, "height": 1024}, "1024×1024 is over the 786,432 pixels"),
        ("seedream-v4-edit", {"seed": 4, "input_image": "https://e.org/a.png"}, "seed=4: the seedream-v4-edit dialect"),
        ("qwen-image-edit", {}, "input_image is missing: the qwen-image-edit dialect draws nothing without it"),
        ("sdxl", {"extra": {"lora": "x"}}, "extra.lora: the sdxl dialect has no such input, and its worker refuses"),
        ("a1111", {"extra": {"num_inference_steps": 20}}, "extra.num_inference_steps: the worker ignores it"),
        ("comfyui", {"extra": {"99.steps": 1}}, "extra.99.steps: the comfyui dialect has no such input"),
    ],
)  # fmt: skip
def test_what_a_worker_cannot_honour_is_refused_before_anything_is_paid(
    dialect: str, fields: dict[str, Any], refusal: str
) -> None:
    (said,) = get_dialect(dialect).refusals(ImageParams(user_prompt="x", **fields))

    assert said.startswith(refusal)


def test_the_published_a1111_example_would_draw_one_picture_n_times_and_is_told_so() -> None:
    example = json.loads((Path(__file__).parent / "worker_inputs/worker-a1111.json").read_text())["input"]
    known = {"prompt", "negative_prompt", "width", "height", "seed"}

    refusals = get_dialect("a1111").refusals(
        ImageParams(user_prompt="x", extra={name: value for name, value in example.items() if name not in known})
    )

    assert [refusal.partition(";")[2] for refusal in refusals] == [" use steps", " use cfg_scale"]


@pytest.mark.parametrize(
    ("dialect", "sampler", "sent"),
    [
        ("sdxl", "euler a", {"scheduler": "K_EULER_ANCESTRAL"}),
        ("sdxl", "K_EULER", {"scheduler": "K_EULER"}),
        ("sd1", "DPM++ 2M", {"scheduler": "DPM-M"}),
        ("a1111", "DPM++ 2M", {"sampler_name": "DPM++ 2M"}),
    ],
)
def test_a_sampler_has_one_name_here_and_the_worker_s_on_the_wire(
    dialect: str, sampler: str, sent: dict[str, str]
) -> None:
    row = get_dialect(dialect)
    params = row.resolve(ImageParams(user_prompt="x", seed=1, sampler_name=sampler))

    assert sent.items() <= row.to_input(params).items()
    assert params.sampler_name in row.samplers


def test_the_scheduler_that_means_the_worker_s_own_is_not_sent_to_others_than_native() -> None:
    row = get_dialect("a1111")
    params = ImageParams(user_prompt="x", seed=1, scheduler="Euler A")

    assert row.refusals(params) == []
    assert "scheduler" not in row.to_input(row.resolve(params))


@pytest.mark.parametrize(
    ("dialect", "width", "height", "sent"),
    [
        ("z-image-turbo", 768, 1024, {"size": "768*1024"}),
        ("vllm-omni", 512, 640, {"size": "512x640"}),
        ("p-image-t2i", 1344, 768, {"aspect_ratio": "16:9"}),
        ("p-image-t2i", 832, 1248, {"aspect_ratio": "2:3"}),
        ("kandinsky", 512, 640, {"w": 512, "h": 640}),
    ],
)
def test_size_is_spelt_in_four_ways(dialect: str, width: int, height: int, sent: dict[str, Any]) -> None:
    row = get_dialect(dialect)
    params = row.resolve(ImageParams(user_prompt="x", seed=1, width=width, height=height))

    assert sent.items() <= row.to_input(params).items()


def test_an_input_image_goes_where_the_worker_wants_it() -> None:
    params = ImageParams(user_prompt="x", seed=1, input_image="inputs/1.png")

    def sent(name: str) -> dict[str, Any]:
        row = get_dialect(name)
        return row.to_input(row.resolve(params), image=lambda key: f"data:{key}")

    assert sent("qwen-image-edit")["image"] == "data:inputs/1.png"
    assert sent("p-image-edit")["images"] == ["data:inputs/1.png"]


def test_a_price_list_says_what_a_job_costs() -> None:
    params = ImageParams(user_prompt="x", width=1024, height=1024)

    assert get_dialect("qwen-image-t2i").price_usd(params) == 0.02
    assert get_dialect("black-forest-labs-flux-1-schnell").price_usd(params) == pytest.approx(0.002517, rel=1e-3)
    assert get_dialect("native").price_usd(params) is None


def test_a_row_survives_its_travel_with_a_run() -> None:
    for dialect in built_in().values():
        assert from_row(json.loads(json.dumps(dialect.model_dump(mode="json", exclude_defaults=True)))) == dialect


MINE = """
base = "sdxl"
about = "ours"
output = "result.files"
[names]
steps = "n_steps"
strength = ""
[defaults]
steps = 12
[bounds]
steps = { ge = 4, le = 40 }
[extras]
lora_scale = "adapters.lora.scale"
"""


def test_a_user_s_dialect_is_a_built_in_one_with_changes(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(MINE)
    mine = get_dialect(str(tmp_path / "mine.toml"))

    params = mine.resolve(ImageParams(user_prompt="x", seed=1, extra={"lora_scale": 0.5}))
    sent = mine.to_input(params)

    assert (mine.name, sent["n_steps"], sent["adapters"]) == ("mine", 12, {"lora": {"scale": 0.5}})
    assert "strength" not in mine.takes
    assert mine.refusals(ImageParams(user_prompt="x", steps=50)) == [
        "steps=50: must be within 4..40 for the mine dialect"
    ]
    assert [
        image.value for image in mine.read({"preview": URL, "result": {"files": [URL + "?1", URL + "?2"]}}).images
    ] == [
        URL + "?1",
        URL + "?2",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("names = ", "mine.toml is not TOML"),
        ('base = "klingon"', "base='klingon' is no built-in dialect; known: native, a1111"),
        ('base = "native"\n[names]\nstep = "n"', "names: step: not a parameter; known: cfg_scale, "),
        ('base = "native"\ncolour = 1', "colour: Extra inputs are not permitted"),
        ('[names]\nsteps = "n"', "names: user_prompt is missing"),
        ('base = "native"\n[defaults]\nsteps = 900', "steps=900: input should be less than or equal to 150"),
        ('base = "native"\nworkflow = "gone.json"', "gone.json cannot be read: No such file"),
        ('base = "native"\n[slots]\nsteps = "3.steps"', "[slots] needs workflow"),
        ('base = "native"\nnames = 3', "names: "),
    ],
)
def test_a_dialect_file_that_cannot_be_meant_is_told_with_its_entry(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "mine.toml").write_text(text)

    with pytest.raises(ConfigError, match=r"mine\.toml|gone\.json") as told:
        get_dialect(str(tmp_path / "mine.toml"))
    assert said in str(told.value)


@pytest.mark.parametrize(
    ("reason", "hint"),
    [
        ("Missing 'workflow' parameter", "RUNPODKIT_DIALECT=comfyui"),
        ('["Schema error, missing default value for prompt."]', "an input named prompt that the native dialect"),
        ("Unexpected input. cfg_scale is not a valid input option.", "knows no input named cfg_scale"),
        ("n should be <class 'int'> type, not <class 'float'>.", "give n as int"),
        ("Invalid parameter: width must be divisible by 64", "give a width that is a multiple of 64"),
    ],
)
def test_a_known_error_text_comes_with_what_to_do(reason: str, hint: str) -> None:
    said = NATIVE.explain(reason)

    assert said.startswith(f"{reason}; ")
    assert hint in said
    assert NATIVE.explain("nobody knows this one") == "nobody knows this one"
