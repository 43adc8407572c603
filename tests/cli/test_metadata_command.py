"""`runpodkit metadata FILE...`: what is said of files of every kind, and that hostile words do not reach a terminal."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image, PngImagePlugin

from runpodkit.cli import main
from runpodkit.images.metadata import embed
from runpodkit.params import ImageParams
from runpodkit.prompts import SentPrompt


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def save(path: Path, form: str = "PNG", **texts: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    for keyword, text in texts.items():
        info.add_text(keyword, text)
    out = io.BytesIO()
    Image.new("RGB", (64, 80)).save(out, form, **({"pnginfo": info} if form == "PNG" else {}))
    path.write_bytes(out.getvalue())
    return out.getvalue()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["metadata", *arguments])


def test_everything_a_picture_of_ours_says_is_printed(folder: Path) -> None:
    params = ImageParams(user_prompt="a mill\nby a river 👩‍🚀", seed=7, steps=12, extra={"lora_scale": 0.5})
    info = {"run": "mill", "trial": 3, "model": "sketch-1", "simulated": True, "job_id": "a-1"}
    (folder / "x.webp").write_bytes(
        embed(save(folder / "x", "WEBP"), params, SentPrompt("a mill, sharp", "blurry"), info)
    )

    done = run("x.webp")

    assert done.exit_code == 0
    lines = [" ".join(line.split()) for line in done.output.splitlines()]
    assert lines[:-1] == [
        "x.webp: webp 64×80, parameters by runpodkit",
        "user_prompt a mill\\nby a river 👩‍🚀",
        "steps 12",
        "seed 7",
        "extra {'lora_scale': 0.5}",
        "sent prompt a mill, sharp",
        "sent negative prompt blurry",
        "run mill",
        "trial 3",
        "model sketch-1",
        "simulated True",
        "job_id a-1",
        "source type (IPTC) trainedAlgorithmicMedia",
    ]
    assert lines[-1].startswith("texts Software (9), parameters (")


def test_json_has_it_all_one_file_a_line(folder: Path) -> None:
    save(folder / "a.png", parameters="a cat\nSteps: 9, Sampler: Heun, Seed: 4, Size: 64x80")
    save(folder / "b.png")

    first, second = map(json.loads, run("--json", "a.png", "b.png").output.splitlines())

    assert (first["file"], first["tool"], first["params"]["steps"]) == ("a.png", "A1111", 9)
    assert first["texts"] == {"parameters": "a cat\nSteps: 9, Sampler: Heun, Seed: 4, Size: 64x80"}
    assert (second["tool"], second["params"], second["width"]) == (None, None, 64)
    assert second["problem"].startswith("the picture carries no parameters")


def test_each_file_is_told_of_and_what_is_no_picture_ends_in_1(folder: Path) -> None:
    save(folder / "bare.png")
    (folder / "page.png").write_bytes(b"<html>")
    (folder / "dir").mkdir()

    done = run("bare.png", "page.png", "none.png", "dir")

    assert done.exit_code == 1
    assert done.stdout.splitlines()[:2] == [
        "bare.png: png 64×80",
        "  the picture carries no parameters: it was saved without them, or a site removed them",
    ]
    assert done.stderr.splitlines() == [
        "page.png: not a picture: an HTML page",
        "none.png: No such file or directory",
        "dir: Is a directory",
    ]
    assert run("bare.png").exit_code == 0
    assert run().exit_code == 2


def test_values_outside_our_bounds_are_shown_with_the_reason(folder: Path) -> None:
    save(folder / "a.png", parameters="a cat\nSteps: 900, Sampler: Heun, Seed: 4, Size: 64x80")

    shown = run("a.png").output

    assert "steps=900: input should be less than or equal to 150" in shown.replace("'", "")
    assert "  sampler_name             Heun\n" in shown


def test_words_that_steer_a_terminal_are_shown_as_their_escapes(folder: Path) -> None:
    save(
        folder / "a.png",
        parameters="\x1b[2J\x1b]0;title\x07 \u202eevil\u2066 \x9b31m\nSteps: 9, Sampler: H\x1b, Seed: 4",
    )

    shown = run("a.png").output

    assert not {"\x1b", "\x07", "\u202e", "\u2066", "\x9b"} & set(shown)
    assert r"\x1b[2J\x1b]0;title\x07 \u202eevil\u2066 \x9b31m" in shown
    assert "\x1b" not in run("--json", "a.png").output


def test_halves_of_characters_in_words_and_names_of_files_do_not_stop_it(folder: Path) -> None:
    save(
        folder / "a.png",
        runpodkit='{"version": 1, "params": {"user_prompt": "x"}, "set": [], "info": {"run": "\\ud800"}}',
    )
    (folder / "b\udcff.png").write_bytes((folder / "a.png").read_bytes())

    done = run("a.png", "b\udcff.png")
    assert done.exit_code == 0 and "  run                      \\ud800\n" in done.output
    assert [json.loads(line)["info"] for line in run("--json", "a.png", "b\udcff.png").output.splitlines()] == [
        {"run": "?"},
        {"run": "?"},
    ]
