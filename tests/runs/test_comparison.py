"""Comparison: pairs that are equal in all but one axis, their distance worked out by hand, and a picture of it."""

from __future__ import annotations

import io
from typing import Any

import pytest
from PIL import Image

from runpodkit.params import ImageParams
from runpodkit.runs.comparing.comparison import compare
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState

GREYS = {"a": 100, "b": 110, "c": 100, "d": 151}


def read(key: str) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), (GREYS[key],) * 3).save(file, "PNG")
    return file.getvalue()


def record(trial: int, steps: int, seed: int, key: str | None, time_s: float = 1.0) -> Record:
    images = (ImageFile(key, 64, 64, 100),) if key else ()
    return Record(
        trial=trial, state=TrialState.COLLECTED if key else TrialState.FAILED, values={"steps": steps, "seed": seed},
        params=ImageParams(user_prompt="a fox", steps=steps, seed=seed), prompt="", negative_prompt="", run="r",
        endpoint="e", simulated=True, images=images, execution_time_s=time_s, cost_usd=0.5 * time_s,
    )  # fmt: skip


RECORDS = [
    record(0, 4, 1, "a"), record(1, 4, 2, "c"), record(2, 8, 1, "b", 2.0), record(3, 8, 2, "d", 4.0), record(4, 9, 1, None),
]  # fmt: skip


def test_each_value_is_measured_over_its_pairs_with_the_baseline() -> None:
    table = compare(RECORDS, read, "steps", 4).table

    assert table["pairs"].to_dict() == {4: 2, 8: 2, 9: 0}
    assert table["pixel_distance"][8] == pytest.approx((10 + 51) / 2 / 255, abs=0.003)
    assert table["pixel_distance"][4] == 0
    assert (table["execution_time_s"][8], table["cost_usd"][8]) == (3.0, 1.5)


def test_the_picture_shows_the_pair_that_differs_most_and_its_difference_four_times_as_strong() -> None:
    comparison = compare(RECORDS, read, "steps", 4)

    assert repr(comparison.picture) == "Grid 1 × 3, 3 pictures"
    colours = {colour for _, colour in comparison.picture.image.getcolors(1 << 20) or ()}
    assert any(abs(colour[0] - 204) <= 6 and len(set(colour)) == 1 for colour in colours)  # 4 × 51
    assert comparison._repr_html_().count("<img") == 1


@pytest.mark.parametrize(
    ("axis", "baseline", "said"), [("width", None, "is no axis"), ("steps", 5, "its values: 4, 8, 9")]
)
def test_a_wrong_axis_or_baseline_is_refused(axis: str, baseline: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        compare(RECORDS, read, axis, baseline)


def test_where_nothing_can_be_paired_the_table_stands_alone() -> None:
    comparison = compare([record(0, 4, 1, "a"), record(1, 8, 2, "b")], read, "steps", 4)

    with pytest.raises(ValueError, match="no two finished pictures differ in steps alone"):
        _ = comparison.picture
    assert "<img" not in comparison._repr_html_()
