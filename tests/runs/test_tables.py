"""Tables and their summaries: one row per trial, typed, and nothing that is not known shown as 0."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runpodkit.params import ImageParams
from runpodkit.runs.rows import TrialState
from runpodkit.runs.tables import summary, table, to_csv
from runpodkit.sweeps.sweep import Sweep, sweep
from tests.runs.made_up import failed, image_file, kept, record, swept


def kinds(frame: pd.DataFrame, *names: str) -> list[str]:
    return [str(frame[name].dtype) for name in names]


def test_integers_stay_integers_and_gaps_stay_gaps() -> None:
    frame = table([record(0, queue_delay_s=0.5), record(1, state=TrialState.FAILED, images=(), reason="bad")])

    assert kinds(frame, "trial", "seed", "steps", "attempts") == ["Int64"] * 4
    assert frame["queue_delay_s"].isna().tolist() == [False, True]
    assert frame["image"].isna().tolist() == [False, True]
    assert frame["extra.lora_scale"].tolist() == [0.5, 0.5]


def test_times_are_instants_in_utc() -> None:
    frame = table([record(0, submitted_at="2026-03-01T12:00:00.250+00:00", ended_at="2026-03-01T15:00:01+03:00")])

    assert kinds(frame, "submitted_at", "ended_at", "reused_from") == ["datetime64[ms, UTC]"] * 3
    assert frame["submitted_at"][0] == datetime(2026, 3, 1, 12, 0, 0, 250_000, UTC)
    assert (frame["ended_at"] - frame["submitted_at"])[0].total_seconds() == 0.75
    assert frame["reused_from"].isna().all()


def test_no_trials_make_an_empty_table_with_all_columns_and_types() -> None:
    frame = table([])

    assert len(frame) == 0
    assert {"trial", "seed", "queue_delay_s", "cost_usd", "image", "images"} <= set(frame.columns)
    assert kinds(frame, "seed", "cfg_scale", "simulated", "ended_at") == kinds(
        table([record(0)]), "seed", "cfg_scale", "simulated", "ended_at"
    )


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("negative_prompt", "fog", "string"),
        ("negative_prompt", "", "string"),
        ("num_images", 2, "Int64"),
        ("input_image", "inputs/ab.png", "string"),
        ("strength", 0.0, "Float64"),
        ("timeout", 60, "Int64"),
    ],
)
def test_a_parameter_that_is_seldom_used_has_a_column_once_one_trial_sets_it(field: str, value: Any, kind: str) -> None:
    plain, other = record(0), record(1)
    other = replace(other, params=ImageParams(user_prompt="a mill", **{field: value}))

    assert field not in table([plain])
    assert kinds(table([plain, other]), field) == [kind]
    assert table([plain, other])[field][1] == value


def test_a_swept_parameter_has_a_column_even_at_its_default() -> None:
    assert table([record(0, values={"num_images": 1})])["num_images"].tolist() == [1]


def test_what_was_asked_and_what_was_sent_stand_side_by_side() -> None:
    asked = replace(
        record(0, "a mill"),
        params=ImageParams(user_prompt="a mill", negative_prompt="fog"),
        prompt="best quality, a mill",
        negative_prompt="lowres, fog",
    )

    row = table([asked]).iloc[0]

    assert (row["user_prompt"], row["prompt"]) == ("a mill", "best quality, a mill")
    assert (row["negative_prompt"], row["sent_negative_prompt"]) == ("fog", "lowres, fog")


@pytest.mark.parametrize(
    ("values", "kind", "shown"),
    [
        ([1, 2, None], "Int64", [1, 2, pd.NA]),
        ([1, 0.5], "Float64", [1.0, 0.5]),
        ([True, False], "boolean", [True, False]),
        (["auto", "none"], "string", ["auto", "none"]),
        (["1", "007"], "string", ["1", "007"]),
        (["auto", 1, True, "1"], "string", ["auto", "1", "true", '"1"']),
        ([True, 1], "string", ["true", "1"]),
        ([2**63 - 1, -(2**63)], "Int64", [2**63 - 1, -(2**63)]),
        ([2**63, 2**64 - 1], "UInt64", [2**63, 2**64 - 1]),
        ([2**64, 1], "string", [str(2**64), "1"]),
        ([2**53 + 1, 0.5], "string", ["9007199254740993", "0.5"]),
        ([[1, 2], {"a": "é"}], "string", ["[1, 2]", '{"a": "é"}']),
        ([None, None], "string", [pd.NA, pd.NA]),
    ],
)
def test_an_input_of_unknown_type_takes_the_narrowest_that_holds_all(
    values: list[Any], kind: str, shown: list[Any]
) -> None:
    frame = table([swept(number, "extra.guide", value) for number, value in enumerate(values)])

    assert kinds(frame, "extra.guide") == [kind]
    assert frame["extra.guide"].tolist() == shown


def test_plain_inputs_that_nobody_swept_have_columns_and_nested_ones_have_none() -> None:
    workflow = {"nodes": [1] * 1000}
    params = ImageParams(user_prompt="x", extra={"lora": "ink", "clip_skip": 2, "workflow": workflow})
    other = ImageParams(user_prompt="y", extra={"workflow": workflow})

    frame = table([record(0, values={}, params=params), record(1, values={}, params=other)])

    assert frame["extra.lora"].tolist() == ["ink", pd.NA]
    assert kinds(frame, "extra.clip_skip") == ["Int64"]
    assert not [name for name in frame if "workflow" in name]


def test_nested_inputs_that_a_label_sets_have_columns(tmp_path: Path) -> None:
    plan = sweep(
        "a",
        axes={"style": {"x": {"extra.lora.scale": 1.5, "extra.tags": ["n", 1]}, "y": {"steps": 4}}},
        extra={"lora": {"name": "ink"}},
        seed=1,
    )
    frame = table([record(trial.number, values=trial.values, params=trial.params) for trial in plan.trials("r")])

    assert frame["extra.lora.scale"].tolist() == [1.5, pd.NA]
    assert frame["extra.tags"].tolist() == ['["n", 1]', pd.NA]
    assert "extra.lora.name" not in frame
    to_csv(frame, tmp_path / "table.csv")
    for rows in (frame, tmp_path / "table.csv"):
        again = Sweep.from_rows(rows, ImageParams(user_prompt="a", extra={"lora": {"name": "ink"}}))
        assert [trial.params for trial in again.trials("r")] == [trial.params for trial in plan.trials("r")]


def test_what_a_column_of_text_does_not_tell_apart_is_told_when_it_is_read() -> None:
    frame = table([swept(at, "extra.k", value) for at, value in enumerate([1, "auto"])])
    with pytest.warns(UserWarning, match=r"column extra\.k: what is not text in it is taken as text"):
        Sweep.from_rows(frame)


def test_an_axis_of_a_later_version_keeps_its_column_and_none_takes_the_place_of_a_fact() -> None:
    frame = table([record(0, values={"shiny_new": 3, "state": "mine", "endpoint": "other"}, endpoint="studio")])

    assert frame["shiny_new"].tolist() == [3]
    assert frame["state"].tolist() == ["COLLECTED"]
    assert frame["endpoint"].tolist() == ["studio"]
    assert frame.columns.is_unique


def test_all_pictures_of_a_trial_are_named_the_first_alone_in_image() -> None:
    frame = table([record(3, images=(image_file(3), image_file(3, 1))), failed(4)])

    first, second = image_file(3).key, image_file(3, 1).key
    assert frame["image"].tolist() == [first, pd.NA]
    assert frame["images"].tolist() == [f"{first}; {second}", pd.NA]


def test_what_no_file_can_hold_is_shown_as_a_gap() -> None:
    reasons = ["broken \ud83d here", "whole \ud83d\ude00", "cut\x00off"]
    frame = table([failed(number, reason=reason) for number, reason in enumerate(reasons)])

    assert frame["reason"].tolist() == ["broken � here", "whole 😀", "cut�off"]


def test_a_table_of_some_trials_is_asked_for_with_their_records(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(number) for number in range(4)])

    assert run.table(run.where(seed=[2, 4]))["trial"].tolist() == [1, 3]
    assert len(run.table(iter(()))) == 0


def test_a_hundred_keys_make_no_link_unless_asked(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0, images=(image_file(0), image_file(0, 1))), failed(1)])

    assert "url" not in run.table()
    linked = run.table(public_base_url="https://cdn.example.org/pics")
    assert linked["url"].tolist() == [f"https://cdn.example.org/pics/{image_file(0).key}", pd.NA]
    assert linked["urls"][0].split("; ")[1].endswith("-1.png")
    assert run.table(links=1)["url"][0] == (tmp_path / "store" / image_file(0).key).as_uri()


# summaries


def timed(number: int, sampler: str, **known: Any) -> Any:
    params = ImageParams(user_prompt="a mill", sampler_name=sampler)
    return record(number, params=params, values={"sampler_name": sampler}, **known)


def test_a_summary_counts_times_and_adds_up_costs_per_value_of_an_axis() -> None:
    records = [
        timed(0, "Heun", cost_usd=0.5, execution_time_s=2.0, queue_delay_s=1.0),
        timed(1, "Heun", cost_usd=0.25, execution_time_s=4.0, queue_delay_s=3.0, flags=("blank",)),
        timed(2, "Euler", state=TrialState.FAILED, images=()),
        timed(3, "Heun", state=TrialState.EXPIRED, images=(), cost_usd=0.25),
        timed(4, "Heun", state=TrialState.CANCELLED, images=()),
        timed(5, "Heun", state=TrialState.PLANNED, images=()),
    ]

    told = summary(records, ["sampler_name"])

    assert told.index.tolist() == ["Heun", "Euler"]  # as they come, not by the alphabet
    heun, euler = told.loc["Heun"], told.loc["Euler"]
    counts = ["trials", "collected", "failed", "cancelled", "flagged"]
    assert heun[counts].tolist() == [5, 2, 1, 1, 1]
    assert euler[counts].tolist() == [1, 0, 1, 0, 0]
    assert heun["failure_rate"] == pytest.approx(1 / 3)
    assert heun["execution_time_s"] == heun["execution_time_p50_s"] == 3.0
    assert heun["execution_time_p90_s"] == pytest.approx(3.8)  # nine tenths of the way from 2 to 4
    assert heun["queue_delay_p90_s"] == pytest.approx(2.8)
    assert heun["cost_usd"] == 1.0
    assert heun["cost_per_image_usd"] == 0.5  # the failure is paid for by the two pictures
    assert euler["failure_rate"] == 1.0
    unknown = ["queue_delay_s", "queue_delay_p50_s", "execution_time_p90_s", "cost_usd", "cost_per_image_usd"]
    assert euler[unknown].isna().all()


def test_reused_pictures_do_not_make_drawn_ones_cheaper_and_unpriced_ones_do_not_either() -> None:
    records = [
        record(0, cost_usd=0.5, images=(image_file(0), image_file(0, 1)), flags=("cost from worker",)),
        record(1, cost_usd=0.0, state=TrialState.REUSED, flags=("cost from worker",)),
        record(2, cost_usd=None),
    ]

    told = summary(records, ["user_prompt"]).iloc[0]

    assert (told["collected"], told["flagged"]) == (3, 0)
    assert told["cost_per_image_usd"] == 0.25


def test_where_nothing_ended_the_rate_is_unknown() -> None:
    told = summary([record(0, state=TrialState.PLANNED, images=())], ["steps"])

    assert told["failure_rate"].isna().tolist() == [True]
    assert told["trials"].tolist() == [1]


def test_groups_of_several_columns_and_of_missing_values_are_kept() -> None:
    records = [swept(0, "extra.guide", "b"), swept(1, "extra.guide", None), swept(2, "extra.guide", "b")]

    told = summary(records, ["extra.guide", "steps"])

    assert told.index.names == ["extra.guide", "steps"]
    assert told["trials"].tolist() == [2, 1]
    assert pd.isna(told.index[1][0])


def test_lists_can_be_grouped_by() -> None:
    records = [swept(number, "extra.sigmas", [number % 2, 1]) for number in range(4)]

    assert summary(records, ["extra.sigmas"]).index.tolist() == ["[0, 1]", "[1, 1]"]


@pytest.mark.parametrize(
    ("by", "said"),
    [(["nothing"], "nothing is no column"), ([], "name at least one"), (["cost_usd"], "cost_usd is no column to gro")],
)
def test_a_summary_by_what_is_no_group_is_refused(by: list[str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        summary([record(0)], by)


def test_a_summary_of_no_trials_has_its_columns_and_no_rows() -> None:
    told = summary([], ["steps"])

    assert len(told) == 0
    assert "failure_rate" in told


def test_a_run_is_summed_up_by_its_first_axis_unless_told(tmp_path: Path) -> None:
    run = kept(tmp_path, [timed(0, "Heun"), timed(1, "Euler"), timed(2, "Euler")])

    assert run.summary()["trials"].to_dict() == {"Heun": 1, "Euler": 2}
    assert run.summary("state")["trials"].to_dict() == {"COLLECTED": 3}
    assert json.loads(run.summary().to_json(orient="index"))["Heun"]["cost_usd"] is None
