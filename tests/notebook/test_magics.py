"""`%%sweep`: axes as lines, the prompt below; in a real IPython shell on real stand-ins."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

import runpodkit as rk
from runpodkit.kit import Kit
from runpodkit.notebook.magics import read_cell


def test_lines_are_axes_and_the_rest_is_the_prompt() -> None:
    cell = (
        "steps: 5-20 (+5)\nsampler_name = Euler, Heun\nwidth: 512\nextra.lora_scale: 0.5, 1\n\na lighthouse,\nat dusk\n"
    )

    assert read_cell(cell) == rk.sweep(
        "a lighthouse,\nat dusk", width=512, steps=[5, 10, 15, 20], sampler_name=["Euler", "Heun"], **{"extra.lora_scale": [0.5, 1]}
    )  # fmt: skip


def test_a_prompt_may_follow_at_once_and_may_have_colons_in_it() -> None:
    assert read_cell("steps: 1, 2\nstyle: a pier, 1920s") == rk.sweep("style: a pier, 1920s", steps=[1, 2])
    assert read_cell("a pier: at dusk\n\nsteps: 5") == rk.sweep("a pier: at dusk\n\nsteps: 5")


def test_seeds_zips_and_negative_prompts_are_read_as_elsewhere() -> None:
    assert read_cell(
        "mode: zip\nsteps: 1, 2\ncfg_scale: 3, 4\nseed: vary\nnegative_prompt: text, logo\n\na fox"
    ) == rk.sweep("a fox", steps=[1, 2], cfg_scale=[3, 4], seed="vary", negative_prompt="text, logo", mode="zip")


def test_lines_of_other_grid_tools_are_understood() -> None:
    cell = (
        "CFG Scale: 1-3\n[Param] Steps: 5, 10\nPrompt S/R: dusk, dawn\nrepeats: 2\nwhere: steps == 5 or cfg_scale > 2"
    )

    assert read_cell(f"{cell}\n\na pier at dusk") == rk.sweep(
        "a pier at dusk",
        cfg_scale=[1, 2, 3],
        steps=[5, 10],
        replace=rk.replace("dusk", ["dawn"]),
        repeats=2,
        where="steps == 5 or cfg_scale > 2",
    )


@pytest.mark.parametrize(
    ("cell", "said"),
    [
        ("steps: 1, 2\n\n", "no prompt"),
        ("stps: 1, 2\n\na fox", "did you mean steps"),
        ("steps: 1-2 (+\n\na fox", "steps: .* is neither a number nor a range"),
        ("steps: 1\nsteps: 2\n\na fox", "steps is given twice"),
        ("steps: 0, 500\n\na fox", "0 is below 1"),
    ],
)
def test_what_is_wrong_is_told_in_one_line(cell: str, said: str) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        read_cell(cell)

    assert "\n" not in str(caught.value)


@pytest.fixture
def shell(kit: Kit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell(user_ns={"kit": kit})
    shell.history_manager.enabled = False
    shell.run_line_magic("load_ext", "runpodkit")
    yield shell
    shell.history_manager.end_session()
    InteractiveShell.clear_instance()


def test_a_cell_becomes_a_run_under_its_name(shell: Any) -> None:
    body = "steps: 1, 2\nwidth: 64\nheight: 64\n\na fox in a cell\n"

    estimate = shell.run_cell_magic("sweep", "--dry-run", body)
    assert estimate.trials == 2
    assert "run" not in shell.user_ns

    run = shell.run_cell_magic("sweep", "from-a-cell --budget 2", body)
    assert shell.user_ns["run"] is run
    assert (run.name, run.sweep, run.head.policy.budget_usd) == ("from-a-cell", shell.user_ns["sweep"], 2.0)
    run.cancel()


def test_nested_loops_are_there_on_request_only(shell: Any) -> None:
    assert "nested_loops" in shell.magics_manager.magics["line"]
