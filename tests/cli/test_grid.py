"""`runpodkit grid`: from a folder or files to a picture, without a kit."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from runpodkit.cli import main
from runpodkit.sweeps.sweep import sweep
from tests.runs.finished import finished

PLAN = sweep("a mill", sampler_name=["Euler", "Heun"], steps=[5, 10], seed=[1, 2], width=64, height=96)


@pytest.fixture
def run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    finished(tmp_path / "store", PLAN)
    monkeypatch.chdir(tmp_path)
    return "store/runs/mill"


def grid(*words: str) -> Result:
    return CliRunner().invoke(main, ["grid", *words])


def test_a_folder_of_a_run_becomes_a_picture(run_folder: str) -> None:
    done = grid(
        run_folder, "--rows", "seed", "--cols", "sampler_name, steps", "--under", "seed,cost_usd", "--out", "g.png"
    )

    assert (done.exit_code, done.stdout) == (0, "g.png\n"), done.output
    with Image.open("g.png") as image:
        assert image.width > image.height


def test_pages_become_files_or_frames(run_folder: str) -> None:
    files, frames = (
        grid(run_folder, "--pages", "steps", "--out", "out/p.png"),
        grid(run_folder, "--pages", "steps", "--frame-s", "0.2", "--out", "p.gif"),
    )

    assert files.stdout.split() == ["out/p-1.png", "out/p-2.png"]
    assert frames.stdout == "p.gif\n"
    with Image.open("p.gif") as image:
        assert (image.n_frames, image.info["duration"]) == (2, 200)


def test_one_page_is_one_file(run_folder: str) -> None:
    done = grid(run_folder, "--pages", "steps", "--where", "steps=5", "--out", "p.png")

    assert done.stdout == "p.png\n", done.output


def test_files_and_patterns_are_drawn_by_what_stands_in_them(run_folder: str) -> None:
    done = grid(
        "store/images/**/*.png", "--rows", "steps", "--where", "seed=1-2 (+1)", "--baseline", "5", "--out", "f.svg"
    )

    assert done.exit_code == 0, done.output
    assert "difference to steps 5" in Path("f.svg").read_text()


def test_parts_and_print_are_passed_on(run_folder: str) -> None:
    done = grid(
        run_folder, "--crop", "0,0,1,0.5", "--inset", "0.1,0.1,0.2,0.1", "--width-mm", "100", "--dpi", "254",
        "--no-legend", "--where", "sampler_name=Euler", "--out", "f.png",
    )  # fmt: skip

    assert done.exit_code == 0, done.output
    with Image.open("f.png") as image:
        assert image.width == 1000


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rows", "stps"], "did you mean steps?"),
        (["--where", "steps"], "write NAME=VALUES"),
        (["--where", "steps=x"], "neither a number nor a range"),
        (["--where", "steps=7"], "no picture has steps=[7]"),
        (["--crop", "1,2,3"], "a region is (x, y, width, height)"),
        (["--crop", "a"], "write four numbers"),
        (["--baseline", "DDIM"], "is no value that runs down or across"),
        (["--cell-px", "100", "--width-mm", "50"], "choose one"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(words: list[str], said: str, run_folder: str) -> None:
    done = grid(run_folder, *words, "--out", "g.png")

    assert done.exit_code == 1 and said in done.output and len(done.output.strip().splitlines()) == 1
    assert not Path("g.png").exists()


def test_runs_and_files_are_not_mixed(run_folder: str) -> None:
    done = grid(run_folder, next(str(path) for path in Path("store/images").rglob("*.png")), "--out", "g.png")

    assert done.exit_code == 1 and not Path("g.png").exists()
