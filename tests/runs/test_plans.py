"""What a dialect refuses of a sweep: each value that can be refused is asked, the others once."""

from __future__ import annotations

from typing import Any

import pytest

from runpodkit.endpoint.dialects import get_dialect
from runpodkit.endpoint.dialects.dialect import Dialect
from runpodkit.runs.plans import left_out, refusals
from runpodkit.sweeps.sweep import Sweep, sweep


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


def test_sizes_are_asked_about_as_a_whole() -> None:
    plan = sweep("a pier", width=[832, 4096], height=[1216, 4096], seed=[1, 2])
    small = get_dialect("native").model_copy(update={"max_pixels": 2_000_000})

    assert [dict(blamed) for blamed, _ in refusals(plan, small)] == [
        {"width": 832, "height": 4096},
        {"width": 4096, "height": 1216},
        {"width": 4096, "height": 4096},
    ]
