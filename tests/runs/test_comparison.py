"""Comparison: pairs that are equal in all but one axis, their distance worked out by hand, and a picture of it."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from PIL import Image

from runpodkit.errors import StoreError
from runpodkit.params import ImageParams
from runpodkit.runs.comparing.comparison import compare
from runpodkit.runs.comparing.starts import slow_starts
from runpodkit.runs.comparing.words import spread
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState
from runpodkit.stats.intervals import Interval

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

    with pytest.raises(ValueError, match="no two finished pictures of one proportion differ in steps alone"):
        _ = comparison.picture
    assert "<img" not in comparison._repr_html_()


def timed(trial: int, sampler: str, seed: int, time_s: float | None, **known: Any) -> Record:
    """A trial whose picture is the one of its sampler."""
    values = {"sampler_name": sampler, "seed": seed, **known.pop("values", {})}
    given = record(trial, 4, seed, known.pop("key", {"Euler": "a", "Heun": "b"}[sampler]))
    cost = None if time_s is None else time_s / 100
    return replace(given, values=values, execution_time_s=time_s, cost_usd=cost, **known)


def pairs_of(heun: list[float], **known: Any) -> list[Record]:
    """Euler takes 1 s with every seed; Heun what is given."""
    eulers = [timed(at, "Euler", at, 1.0) for at in range(len(heun))]
    return eulers + [timed(100 + at, "Heun", at, time_s, **known) for at, time_s in enumerate(heun)]


HEUN = [2.7, 2.8, 2.9, 2.9, 3.0, 3.1]


def test_a_difference_has_the_interval_of_its_pairs_and_a_sentence() -> None:
    comparison = compare(pairs_of(HEUN), read, "sampler_name")
    row = comparison.table.loc["Heun"]

    assert row["execution_time_s"] == pytest.approx(2.9)
    assert row["execution_time_s_difference"] == pytest.approx(1.9)
    assert 1.7 < row["execution_time_s_low"] < 1.9 < row["execution_time_s_high"] < 2.1
    assert row["cost_usd_difference"] == pytest.approx(0.019)
    assert comparison.words[0].startswith("Heun (6 pairs): takes 1.90 s longer (1.75 to 2.05 s); ")
    assert "pictures differ by 0.039 (0.039 to 0.039)" in comparison.words[0]  # 10 of 255
    assert repr(comparison).splitlines()[0] == "sampler_name against Euler"


def test_the_other_way_round_the_difference_is_the_same_with_the_other_sign() -> None:
    one, other = (compare(pairs_of(HEUN), read, "sampler_name", base).table for base in ("Euler", "Heun"))

    assert one.loc["Heun", "execution_time_s_difference"] == -other.loc["Euler", "execution_time_s_difference"]
    assert one.loc["Heun", "pixel_distance"] == pytest.approx(other.loc["Euler", "pixel_distance"])


def test_one_pair_has_no_interval_and_few_are_said_to_be_few() -> None:
    alone = compare(pairs_of(HEUN[:1]), read, "sampler_name")
    few = compare(pairs_of(HEUN[:3]), read, "sampler_name")

    assert math.isnan(alone.table.loc["Heun", "execution_time_s_low"])
    assert alone.words[0].startswith("Heun (1 pair): takes 1.70 s longer; ")
    assert few.words[0].startswith("Heun (3 pairs, under 6 too few to be sure): takes")
    assert not few.differences["Heun"][1].measurable
    assert compare(pairs_of(HEUN), read, "sampler_name").differences["Heun"][1].measurable


def test_what_lies_on_both_sides_of_none_does_not_differ_measurably() -> None:
    comparison = compare(pairs_of([0.9, 1.1, 0.8, 1.2, 1.0, 1.05]), read, "sampler_name")

    assert comparison.words[0].endswith("time and cost do not differ measurably.")


def test_trials_may_come_in_any_order() -> None:
    records = pairs_of(HEUN)
    mixed = [records[at] for at in (7, 3, 11, 0, 5, 1, 8, 2, 10, 4, 9, 6)]

    pd.testing.assert_frame_equal(
        compare(mixed, read, "sampler_name", "Euler").table.loc[["Euler", "Heun"]],
        compare(records, read, "sampler_name", "Euler").table,
    )


def test_times_and_costs_of_reused_pictures_are_left_out_and_counted_unless_wanted() -> None:
    records = pairs_of(HEUN)
    records[6] = replace(records[6], state=TrialState.REUSED, reused_from="2026-01-01T00:00:00", cost_usd=0.0)
    without, with_them = (compare(records, read, "sampler_name", reused_times=also) for also in (False, True))

    assert (without.table.loc["Heun", "reused"], with_them.table.loc["Heun", "reused"]) == (1, 0)
    assert without.table.loc["Heun", "execution_time_s"] == pytest.approx(sum(HEUN[1:]) / 5)
    assert with_them.table.loc["Heun", "execution_time_s"] == pytest.approx(sum(HEUN) / 6)
    assert "1.94 s longer" in without.words[0]
    assert "5 pairs" in without.words[0]
    assert "times and costs of 1 reused picture are left out" in without.words[0]


def test_where_the_baselines_pictures_are_reused_the_sentence_says_why_there_are_no_times() -> None:
    records = [
        replace(one, reused_from="2026-01-01T00:00:00") if one.values["sampler_name"] == "Euler" else one
        for one in pairs_of(HEUN)
    ]
    found = compare(records, read, "sampler_name", "Euler")

    assert found.table["reused"].tolist() == [6, 6]
    assert math.isnan(found.table.loc["Heun", "execution_time_s_difference"])
    assert found.words[0].endswith("times and costs of 6 reused pictures are left out.")


def worked(trial: int, worker: str, time_s: float) -> Record:
    return timed(trial, "Euler", trial, time_s, worker_id=worker, ended_at=f"2026-01-01T00:00:{trial:02d}")


def test_first_pictures_that_were_slow_are_told_for_their_times_are_those_of_the_workers() -> None:
    """Of two workers the first took 5 and 7 s, all others 1 s."""
    records = [worked(0, "a", 5.0), worked(1, "b", 7.0), *(worked(at, "ab"[at % 2], 1.0) for at in range(2, 8))]
    told = slow_starts(reversed(records))

    assert told.startswith("The first picture of each of 2 workers took 6.00 s, others 1.00 s (medians)")
    assert told in compare(records, read, "seed").words
    assert slow_starts(records[2:]) == ""
    assert slow_starts(records[:2]) == ""  # no others: nobody can tell
    assert slow_starts([replace(one, worker_id=None) for one in records]) == ""
    assert slow_starts([worked(0, "a", 5.0), worked(1, "a", 1.0)]).startswith("The first picture of its worker took 5")


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (1.89e-05, 0.0438, "0.00002 to 0.0438"),
        (-0.2512, 0.25, "-0.251 to 0.25"),
        (0.0, 0.0, "0 to 0"),
        (12345.6, 99999.4, "12346 to 99999"),
        (1.2e-7, 3.4e-7, "0.00000012 to 0.00000034"),
    ],
)
def test_ends_of_an_interval_have_the_decimals_of_each_other_and_no_exponent(
    low: float, high: float, said: str
) -> None:
    assert spread("beauty", 0.5, Interval(low, high)) == f"0.5 ({said})"


def test_many_pairs_of_few_seeds_are_told() -> None:
    """Six pairs of six step counts: two seeds in turn, then each step count with a seed of its own."""
    two, six = (
        [
            timed(10 * at + number, sampler, seed, 1.0 + number, values={"steps": at})
            for at in range(6)
            for number, sampler in enumerate(("Euler", "Heun"))
            for seed in [at % seeds]
        ]
        for seeds in (2, 6)
    )
    told = "All pairs are of 2 seeds, so their intervals tell little of other seeds."

    assert told in compare(two, read, "sampler_name").words
    assert not any("All pairs are of" in line for line in compare(six, read, "sampler_name").words)
    assert not any("All pairs are of" in line for line in compare(two[:8], read, "sampler_name").words)  # few anyway


def test_scores_are_compared_too_and_what_people_said_is_no_score() -> None:
    records = pairs_of(HEUN)
    sharp = {one.trial: (0.5 if one.values["sampler_name"] == "Euler" else 0.75) for one in records}
    beside: dict[str, dict[int, Any]] = {
        "sharpness": {**sharp, 0: None}, "wins": dict.fromkeys(sharp, 1), "starred": dict.fromkeys(sharp, True),
        "note": {0: "nice"}, "half": {0: 1.0, 100: 2.0},
    }  # fmt: skip
    found = compare(records, read, "sampler_name", beside=beside)
    own = compare(records, read, "sampler_name", beside=beside, scores={"mine": {0: 1.0, 100: 4.0}})

    assert found.table.loc["Heun", "sharpness_difference"] == 0.25
    assert "sharpness is higher by 0.25 (0.25 to 0.25, 5 pairs)" in found.words[0]
    assert "half is higher by 1 (1 pair)" in found.words[0]
    assert not {"wins", "starred", "note"} & set(found.table.columns)
    assert own.table.loc["Heun", "mine_difference"] == 3.0
    assert "sharpness" not in own.table
    with pytest.raises(ValueError, match="scores: wins is no score of this run; its scores: sharpness, half"):
        compare(records, read, "sampler_name", beside=beside, scores="wins")


def repeated(trial: int, sampler: str, seed: int, number: int, key: str, time_s: float) -> Record:
    return timed(trial, sampler, seed, time_s, key=key, values={"repeat": number})


REPEATED = [
    repeated(0, "Euler", 1, 1, "a", 1.0), repeated(1, "Euler", 1, 2, "b", 1.2),
    repeated(2, "Heun", 1, 1, "c", 1.3), repeated(3, "Heun", 1, 2, "d", 1.5),
]  # fmt: skip


def test_repeats_of_a_cell_are_averaged_and_what_they_differ_by_is_the_noise() -> None:
    """Pictures 100, 110 against 100, 151: 0, 51, 10 and 41 levels apart; repeats 10 and 51; times 1.1 and 1.4, repeats 0.2."""
    comparison = compare(REPEATED, read, "sampler_name")
    row = comparison.table.loc["Heun"]

    assert row["pairs"] == 1
    assert row["pixel_distance"] == pytest.approx(102 / 4 / 255, abs=0.001)
    assert comparison.noise["pixel_distance"] == pytest.approx(61 / 2 / 255, abs=0.001)
    assert comparison.noise["execution_time_s"] == pytest.approx(0.2)
    assert row["execution_time_s_difference"] == pytest.approx(0.3)
    assert row["within_noise"] == "pixel_distance"
    assert comparison.table.loc["Euler", "within_noise"] == ""
    assert "pictures differ no more than repeats do" in comparison.words[0]
    assert comparison._repr_html_().count("opacity:.45") == 1


def test_the_repeats_themselves_can_be_compared() -> None:
    comparison = compare(REPEATED, read, "repeat")

    assert comparison.table["pairs"].to_dict() == {1: 2, 2: 2}
    assert comparison.table.loc[2, "execution_time_s_difference"] == pytest.approx(0.2)
    assert comparison.noise == {}


def test_each_picture_is_read_once() -> None:
    seen: list[str] = []

    def counting(key: str) -> bytes:
        seen.append(key)
        return read(key[0])

    files = [
        replace(one, images=(replace(one.images[0], key=f"{one.images[0].key}{one.trial}"),)) for one in pairs_of(HEUN)
    ]
    _ = compare(files, counting, "sampler_name").table

    assert len(seen) == len(set(seen)) == 12


def test_pictures_that_cannot_be_read_or_have_another_proportion_have_no_distance() -> None:
    def hostile(key: str) -> bytes:
        if key == "c":
            raise StoreError("gone")
        file = io.BytesIO()
        Image.new("RGB", (64, 64) if key == "a" else (64, 96), "white").save(file, "PNG")
        return file.getvalue()

    records = [
        timed(0, "Euler", 1, 1.0),
        timed(1, "Heun", 1, 2.0),
        timed(2, "Euler", 2, 1.0),
        timed(3, "Heun", 2, 2.0, key="c"),
    ]
    comparison = compare(records, hostile, "sampler_name")

    assert comparison.table.loc["Heun", "pairs"] == 2
    assert math.isnan(comparison.table.loc["Heun", "pixel_distance"])
    assert comparison.table.loc["Heun", "execution_time_s_difference"] == 1.0
    assert "2 pairs have no picture distance: unreadable, or of another proportion." in comparison.words


def test_pairs_of_different_seeds_are_told() -> None:
    one, other = timed(0, "Euler", 1, 1.0), timed(1, "Heun", 1, 2.0)
    other = replace(other, params=other.params.model_copy(update={"seed": 5}))
    comparison = compare([one, other], read, "sampler_name")

    assert "1 pair has different seeds, so part of the difference is that of the seeds." in comparison.words


def test_trials_without_numbers_leave_gaps_and_break_nothing() -> None:
    records = [timed(0, "Euler", 1, None), timed(1, "Heun", 1, None), timed(2, "Heun", 3, 1.0)]
    comparison = compare(records, read, "sampler_name", beside={"s": {0: float("nan"), 1: 2.0}})

    assert math.isnan(comparison.table.loc["Heun", "execution_time_s"])
    assert math.isnan(comparison.table.loc["Heun", "s_difference"])
    assert comparison.words[0].startswith("Heun (1 pair): pictures differ by 0.039")


def test_what_stands_in_html_is_escaped() -> None:
    first, second = timed(0, "Euler", 1, 1.0), timed(1, "Heun", 1, 2.0)
    evil = replace(second, values={**second.values, "sampler_name": "<script>x</script>"})
    shown = compare([first, evil], read, "sampler_name", beside={"<b>": {0: 1.0, 1: 2.0}})._repr_html_()

    assert "<script>" not in shown
    assert "<b>" not in shown
