"""Input images: stored once under the name of their bytes, sent as link or data URI."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image

import runpodkit as rk
from runpodkit.runs.inputs import sendable, store_image, with_stored_images
from runpodkit.storage.local import LocalStore


def png(colour: str = "red") -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def test_the_same_bytes_have_one_key_however_they_are_given(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png())
    uri = f"data:image/png;base64,{base64.b64encode(png()).decode()}"

    keys = {store_image(str(tmp_path / "a.png"), store), store_image(uri, store)}

    assert len(keys) == 1
    (key,) = keys
    assert store.get(key) == png()
    assert store_image(key, store) == key
    assert store_image("https://example.org/a.png", store) == "https://example.org/a.png"


def test_a_pil_picture_is_an_axis_value_and_becomes_a_key(store: LocalStore) -> None:
    red, blue = Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "blue")
    plan = with_stored_images(rk.sweep("make it night", input_image=[red, blue], seed=[1, 2]), store)

    trials = plan.trials("x")

    assert len(trials) == 4
    assert all(trial.params.input_image and trial.params.input_image.startswith("inputs/") for trial in trials)
    assert len({trial.params.input_image for trial in trials}) == 2


def test_a_single_picture_is_no_axis(store: LocalStore) -> None:
    plan = with_stored_images(rk.sweep("make it night", input_image=Image.new("RGB", (8, 8)), seed="vary"), store)

    assert len(plan) == 1
    assert (plan.base.input_image or "").startswith("inputs/")
    assert plan.seed_varies


def test_a_folder_has_no_links_so_the_picture_itself_is_sent(store: LocalStore) -> None:
    key = store_image(f"data:image/png;base64,{base64.b64encode(png()).decode()}", store)

    assert sendable(key, store, inline=False) == f"data:image/png;base64,{base64.b64encode(png()).decode()}"
    assert sendable("https://example.org/a.png", store, inline=True) == "https://example.org/a.png"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("gone.png", "input_image='gone.png': No such file or directory"),
        ("data:text/plain;base64,aGVsbG8=", "the output is not a picture"),
        ("data:image/png;base64,%%%", "is not base64"),
    ],
)
def test_what_is_no_picture_is_told_before_anything_is_sent(store: LocalStore, given: str, said: str) -> None:
    with pytest.raises(ValueError, match="input_image=") as told:
        store_image(given, store)
    assert said in str(told.value)
    assert list(store.keys()) == []
