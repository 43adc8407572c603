"""Measuring: what a search knows of its pictures, and what it does about trials that have none."""

from __future__ import annotations

from typing import Any, cast

import pandas as pd
import pytest

from runpodkit.runs.measuring import Measures
from tests.runs.made_up import record


class Scored:
    """A run whose second trial failed, so that it has no score."""

    name = "r"

    async def arecords(self) -> list[Any]:
        return [record(trial, values={"steps": trial}) for trial in range(3)]

    def beside(self, records: Any) -> dict[str, Any]:
        return {"beauty": {0: 0.5, 1: None, 2: 1}}

    async def ascore(self, by: Any, name: str, **_: Any) -> pd.Series:
        return pd.Series([0.5, None, 1.0], dtype="Float64", index=pd.Index([0, 1, 2], name="trial"))


@pytest.mark.parametrize("by", ["sharpness", "beauty"])
async def test_a_trial_without_a_picture_has_no_score_and_stops_nothing(by: str) -> None:
    cells = await Measures().cells(cast(Any, Scored()), "steps", [0, 1, 2], by)

    assert [(value, score) for value, _, score in cells] == [(0, 0.5), (2, 1.0)]
