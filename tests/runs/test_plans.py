"""What a dialect refuses of a sweep: each value that can be refused is asked, the others once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runpodkit.endpoint.dialects import get_dialect
from runpodkit.endpoint.dialects.dialect import Dialect
from runpodkit.runs.plans import extension, left_out, refusals
from runpodkit.runs.rows import RunState
from runpodkit.sweeps.sweep import Sweep, sweep
from tests.runs.finished import finished


def test_values_that_no_dialect_can_refuse_are_asked_about_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    honest = Dialect.refusals

    def counted(self: Dialect, params: Any, swept: Any = ()) -> list[str]:
        asked.append(params)
        return honest(self, params, swept)

    monkeypatch.setattr(Dialect, "refusals", counted)
    rows = [{"seed": at, "sampler_name": ("Euler", "Heun", "Eular")[at % 3]} for at in range(300)]
    found = list(refusals(Sweep.from_rows(rows, "a pier"), get_dialect("native")))

    assert [blamed for blamed, _ in found] == [(("sampler_name", "Eular"),)]
    assert len(asked) == 1 + 3


def test_what_is_wrong_with_the_base_is_wrong_with_every_value() -> None:
    native = get_dialect("native")
    plan = sweep("a pier", sampler_name="Eular", seed=[1, 2, 3])

    assert [blamed for blamed, _ in refusals(plan, native)] == [(("seed", 1),), (("seed", 2),), (("seed", 3),)]
    out = left_out(
        sweep("a pier", sampler_name="Eular", seed=[1, 2], endpoint=["one"]), {"one": native}, empty_cells=True
    )
    assert out == {"one": {("seed", "1"), ("seed", "2")}}


def test_a_run_of_rows_some_of_which_have_no_seed_keeps_the_one_it_drew_when_it_grows(tmp_path: Path) -> None:
    rows = [{"steps": 2, "seed": 5}, {"steps": 3}]
    old = Sweep.from_rows(rows, "a pier")
    more = Sweep.from_rows([*rows, {"steps": 9, "seed": 1}], "a pier")

    grown = extension(more, finished(tmp_path, old, "rows").head, RunState.DONE, lambda trial: repr(trial.params))

    drawn = old.trials("rows")
    assert [trial.params.seed for trial in grown.trials("rows")] == [5, drawn[1].params.seed, 1]


def test_sizes_are_asked_about_as_a_whole() -> None:
    plan = sweep("a pier", width=[832, 4096], height=[1216, 4096], seed=[1, 2])
    small = get_dialect("native").model_copy(update={"max_pixels": 2_000_000})

    assert [dict(blamed) for blamed, _ in refusals(plan, small)] == [
        {"width": 832, "height": 4096},
        {"width": 4096, "height": 1216},
        {"width": 4096, "height": 4096},
    ]
