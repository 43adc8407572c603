"""Picture files as items: which are found, in which order, and what is read from them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PIL import Image, PngImagePlugin

from runpodkit.images.metadata import embed
from runpodkit.params import ImageParams
from runpodkit.prompts import SentPrompt
from runpodkit.runs.files import natural, of_files, picture_files
from tests.runs.finished import png


def with_parameters(path: Path, **fields: int | str) -> Path:
    params = ImageParams(user_prompt="a mill", **fields)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(embed(png((200, 0, 0)), params, SentPrompt("a mill", ""), {}))
    return path


def plain(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(png((0, 200, 0)))
    return path


def test_a_folder_gives_its_pictures_by_number_and_nothing_else(tmp_path: Path) -> None:
    for name in ("10.png", "9.PNG", "a.webp", ".hidden.png", "x.txt", "2.jpg"):
        plain(tmp_path / name)
    plain(tmp_path / "sub" / "1.png")

    assert [path.name for path in picture_files([tmp_path])] == ["2.jpg", "9.PNG", "10.png", "a.webp"]


def test_a_pattern_may_reach_into_folders(tmp_path: Path) -> None:
    for name in ("a/2.png", "a/10.png", "b/1.png", "b/1.csv"):
        plain(tmp_path / name)

    found = [str(path.relative_to(tmp_path)) for path in picture_files([f"{tmp_path}/**/*.png"])]
    assert found == ["a/2.png", "a/10.png", "b/1.png"]


def test_files_keep_the_order_they_are_given_in_and_come_once(tmp_path: Path) -> None:
    one, two = plain(tmp_path / "z.png"), plain(tmp_path / "a [1].png")

    assert picture_files([one, str(two), one]) == [one, two]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("nope.png", "no such file or folder; a run is opened with"),
        ("*.png", "no picture is like"),
        (".", "holds no picture"),
    ],
)
def test_what_is_not_there_is_named(given: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "notes.txt").write_text("")

    with pytest.raises(ValueError, match=words):
        picture_files([given])


def test_parameters_inside_a_picture_are_its_facts_and_a_plain_one_has_its_name(tmp_path: Path) -> None:
    files = [with_parameters(tmp_path / "one.png", steps=5, seed=1, sampler_name="Heun"), plain(tmp_path / "маяк.png")]
    one, other = of_files(files).items

    assert (one.facts["steps"], one.facts["sampler_name"], one.facts["file"]) == (5, "Heun", "one")
    assert other.facts == {"file": "маяк"}
    assert one.size == other.size == (32, 48)


def test_of_another_tools_picture_no_more_is_known_than_it_says(tmp_path: Path) -> None:
    texts = PngImagePlugin.PngInfo()
    texts.add_text("parameters", "a mill\nSteps: 20, Sampler: Heun, Seed: 7")
    Image.new("RGB", (32, 48)).save(tmp_path / "theirs.png", pnginfo=texts)
    facts = of_files([tmp_path / "theirs.png"]).items[0].facts

    assert (facts["steps"], facts["sampler_name"], facts["seed"]) == (20, "Heun", 7)
    assert "cfg_scale" not in facts and "simulated" not in facts


def test_a_file_that_is_no_picture_or_cannot_be_read_has_the_reason(tmp_path: Path) -> None:
    page, folder = tmp_path / "page.png", tmp_path / "folder.png"
    page.write_bytes(b"<html>")
    folder.mkdir()
    first, second = of_files([page, folder]).items

    assert "HTML page" in str(first.problem)
    assert second.problem == os.strerror(21)


def test_names_that_are_alike_take_as_much_of_their_path_as_tells_them_apart(tmp_path: Path) -> None:
    files = [plain(tmp_path / name) for name in ("a/x/1.png", "b/x/1.png", "a/2.png", "a/x/1.jpg")]

    assert [item.name for item in of_files(files).items] == ["a/x/1.png", "b/x/1.png", "2", "1.jpg"]


def test_numbers_in_names_count_as_numbers_whatever_their_script() -> None:
    names = ["b10", "B9", "b²", "٣", "10", "9", "", "b9x", "1" * 5000]

    assert sorted(names, key=natural)[1:3] == ["9", "10"]
    assert sorted(["b10", "B9"], key=natural) == ["B9", "b10"]
