"""A sweep from a file: what is said of braces that nobody asked to choose from."""

from __future__ import annotations

import tomllib

from runpodkit.cli.sweeps import braces
from runpodkit.sweeps.sweep import Sweep, sweep


def test_braces_in_a_file_are_told_to_be_drawn_as_they_stand_with_what_to_write() -> None:
    plan = Sweep.from_plan({"base": {"user_prompt": "a {red|blue} boat {x}"}})
    (line,) = braces(plan)

    asked = Sweep.from_plan({**plan.to_plan(), **tomllib.loads(line.partition("write under ")[2])})
    assert [trial.params.user_prompt for trial in asked.trials("r")] == ["a red boat {x}", "a blue boat {x}"]
    assert braces(asked) == []


def test_alternatives_that_code_wrote_into_a_file_are_axes_already() -> None:
    assert braces(Sweep.from_toml(sweep("a {red|blue} {pier|boat}", seed=1).to_toml())) == []
