"""What a task may be asked: bounds told in one line, and nothing that would be read from the Celery worker's disk."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from runpodkit.tasks.asked import checked, checked_prompts

KEY = f"inputs/{'0a' * 32}.png"
DATA = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def test_what_is_left_out_stays_the_endpoints_to_choose() -> None:
    params = checked({"user_prompt": "a pier", "steps": 5, "width": None})

    assert params.model_fields_set == {"user_prompt", "steps"}


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"steps": 0}, "steps=0: input should be greater than or equal to 1"),
        ({"width": 100}, "width=100: input should be a multiple of 8"),
        ({"steps": [5, 10]}, r"steps=\[5, 10\]: input should be a valid integer"),
        ({"steps": "5-10"}, "steps='5-10': input should be a valid integer"),
        ({"stepz": 5}, "stepz is not a parameter; did you mean steps"),
        ({"user_prompt": ""}, "user_prompt=''"),
        ({"seed": "vary"}, "seed='vary'"),
    ],
)
def test_a_bad_value_is_told_in_one_line_with_field_value_and_bound(fields: dict[str, object], told: str) -> None:
    with pytest.raises(ValueError, match=told) as error:
        checked({"user_prompt": "a pier", **fields})

    assert "\n" not in str(error.value)
    assert type(error.value) is ValueError


@pytest.mark.parametrize(
    "image",
    [
        "/etc/passwd",
        "~/picture.png",
        "picture.png",
        "./picture.png",
        "../picture.png",
        "file:///etc/passwd",
        "FILE:///etc/passwd",
        "file:/etc/passwd",
        "inputs/../../../etc/passwd",
        "inputs/../secret.png",
        "inputs//etc/passwd",
        "inputs/short.png",
        f"/{KEY}",
        f"{KEY}/../x.png",
        f"{KEY}\n",
        KEY.upper(),
        "images/3f/3f9c-0.png",
        "http:/etc/passwd",
        "http://",
        "https:///etc/passwd",
        "http://user:word@host/x.png",
        "http://host\\@elsewhere/x.png",
        "http://host:port/x.png",
        "https://host/a b.png",
        "https://host/" + "a" * 5000,
        "ftp://host/x.png",
        "gopher://host/x",
        "javascript:alert(1)",
        "data:",
        "data:text/html;base64,AAAA",
        "data:image/png,raw",
        "data:image/png;base64,",
        "data:image/png;base64,/etc/passwd?",
        "<PIL.Image.Image image mode=RGB size=64x64 at 0x7F00>",
        "",
        " ",
        "\\\\host\\share\\x.png",
        "C:\\picture.png",
    ],
)
def test_nothing_that_could_be_a_file_of_the_worker_is_taken_as_an_input_image(image: str) -> None:
    with pytest.raises(ValueError, match=r"^input_image="):
        checked({"user_prompt": "a pier", "input_image": image})


def test_a_file_that_is_there_is_refused_like_any_other_and_so_is_a_link_to_one(tmp_path: Path) -> None:
    there, link = tmp_path / "picture.png", tmp_path / KEY
    Image.new("RGB", (64, 64)).save(there)
    link.parent.mkdir()
    link.symlink_to(there)

    for path in (there, link):
        with pytest.raises(ValueError, match="a task reads no file: give the picture as a data URI"):
            checked({"user_prompt": "a pier", "input_image": str(path)})


@pytest.mark.parametrize("image", [KEY, DATA, "https://host/x.png?size=2", "HTTP://127.0.0.1:9000/bucket/x.png"])
def test_store_keys_data_uris_and_links_are_taken(image: str) -> None:
    assert checked({"user_prompt": "a pier", "input_image": image}).input_image == image


def test_what_is_told_of_an_input_image_is_short_and_has_no_signature() -> None:
    for image in ("data:image/png;base64," + "A" * 5000 + "!", "https://h/a b?X-Amz-Signature=canary"):
        with pytest.raises(ValueError, match="input_image") as error:
            checked({"user_prompt": "a pier", "input_image": image})
        assert len(str(error.value)) < 300
        assert "canary" not in str(error.value)
        assert "AAAAAAAAAAAAAAAAAAAA" not in str(error.value)


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ({"a": float("nan")}, "not what JSON can hold"),
        ({"a": [float("inf")]}, "not what JSON can hold"),
        ({"a": "half \ud800"}, "not what JSON can hold"),
        ({"\ud800": 1}, "not what JSON can hold"),
        ({"a": json.loads("[" * 500 + "]" * 500)}, "nested deeper than 100"),
    ],
)
def test_what_no_message_can_carry_is_refused_in_one_line_that_can_be_printed(extra: dict[str, Any], told: str) -> None:
    with pytest.raises(ValueError, match=f"^extra: {told}") as error:
        checked({"user_prompt": "a pier", "extra": extra})

    assert "\n" not in str(error.value)
    assert str(error.value).encode()


@pytest.mark.parametrize("field", ["cfg_scale", "strength", "seed"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -float("inf")])
def test_a_number_that_is_none_is_refused_by_its_field(field: str, number: float) -> None:
    with pytest.raises(ValueError, match=f"^{field}=-?(nan|inf): input should be a finite number"):
        checked({"user_prompt": "a pier", field: number})


def test_what_is_too_large_for_a_job_is_told_by_field_size_and_bound() -> None:
    image = "data:image/png;base64," + "A" * 12 * 2**20
    for name, value in (("input_image", image), ("extra", {"picture": image}), ("extra", {"letters": "é" * 6 * 2**20})):
        with pytest.raises(ValueError, match=f"^{name}: 12.0 MB, and a job takes at most 10 MB .* links$") as error:
            checked({"user_prompt": "a pier", name: value})
        assert len(str(error.value)) < 200

    half = "A" * 6 * 2**20
    with pytest.raises(ValueError, match=r"^input_image: 6.0 MB, and a job takes at most 10 MB"):
        checked({"user_prompt": "a pier", "input_image": f"data:image/png;base64,{half}", "extra": {"a": half[:-100]}})
    assert checked({"user_prompt": "a pier", "extra": {"a": half}})


def test_a_prompt_alone_is_not_taken_for_a_list_of_letters() -> None:
    with pytest.raises(ValueError, match=r"prompts='a pier': give a list of prompts, \['a pier'\] for one"):
        checked_prompts("a pier")


@pytest.mark.parametrize("prompts", [None, 5, {"a": 1}, True])
def test_prompts_are_a_list(prompts: object) -> None:
    with pytest.raises(ValueError, match="give a list of prompts"):
        checked_prompts(prompts)


def test_a_batch_has_an_end() -> None:
    with pytest.raises(ValueError, match="1,001 prompts, a batch takes at most 1,000"):
        checked_prompts(["a"] * 1001)
