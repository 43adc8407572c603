"""Tables and their CSV: one row per trial, typed, equal when read back, harmless in a spreadsheet."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from runpodkit.params import ImageParams
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile, TrialState
from runpodkit.runs.tables import read_csv, summary, table, to_csv


def record(number: int, prompt: str = "a mill", **known: object) -> Record:
    params = ImageParams(user_prompt=prompt, seed=number + 1, steps=4, extra={"lora_scale": 0.5})
    given: dict[str, object] = {
        "trial": number,
        "state": TrialState.COLLECTED,
        "values": {"seed": number + 1, "extra.lora_scale": 0.5},
        "params": params,
        "prompt": prompt,
        "negative_prompt": "",
        "run": "r",
        "endpoint": "simulator",
        "simulated": True,
        "key": "k" * 64,
        "attempts": 1,
        "images": (ImageFile(f"images/kk/{number}.png", 64, 64, 99),),
    }
    return Record(**{**given, **known})  # type: ignore[arg-type]


def test_integers_stay_integers_and_gaps_stay_gaps() -> None:
    frame = table([record(0, queue_delay_s=0.5), record(1, state=TrialState.FAILED, images=(), reason="bad")])

    assert [str(frame[name].dtype) for name in ("trial", "seed", "steps", "attempts")] == ["Int64"] * 4
    assert frame["queue_delay_s"].isna().tolist() == [False, True]
    assert frame["image"].isna().tolist() == [False, True]
    assert frame["extra.lora_scale"].tolist() == [0.5, 0.5]


def test_a_table_read_back_equals_the_table_written(tmp_path: Path) -> None:
    nasty = [
        "=1+1",
        "+7",
        "-3",
        "@x",
        "'quoted",
        'say "hi", twice',
        "two\nlines",
        "Москва 東京 🌲",
        "NA",
        "1e5",
        " blank ",
    ]
    frame = table([record(number, prompt) for number, prompt in enumerate(nasty)])

    to_csv(frame, tmp_path / "t.csv")

    pd.testing.assert_frame_equal(
        read_csv(tmp_path / "t.csv").drop(columns="extra.lora_scale"), frame.drop(columns="extra.lora_scale")
    )


def test_no_cell_begins_as_a_formula(tmp_path: Path) -> None:
    to_csv(table([record(0, "=HYPERLINK(1)"), record(1, "@cmd")]), tmp_path / "t.csv")

    text = (tmp_path / "t.csv").read_text("utf-8-sig")
    assert ",'=HYPERLINK(1)," in text
    assert ",'@cmd," in text


def test_no_trials_make_an_empty_table_with_all_columns(tmp_path: Path) -> None:
    frame = table([])

    assert len(frame) == 0
    assert {"trial", "seed", "queue_delay_s", "cost_usd", "image"} <= set(frame.columns)


def test_a_summary_counts_times_and_adds_up_costs_per_value_of_an_axis() -> None:
    records = [
        record(0, "a", cost_usd=0.5, execution_time_s=2.0),
        record(1, "a", cost_usd=0.25, execution_time_s=4.0),
        record(2, "b", state=TrialState.FAILED, images=()),
    ]

    told = summary(records, ["user_prompt"])

    assert told["trials"].tolist() == [2, 1]
    assert told["collected"].tolist() == [2, 0]
    assert told["failed"].tolist() == [0, 1]
    assert told["execution_time_s"].tolist()[0] == 3.0
    assert told["cost_usd"].tolist()[0] == 0.75
    assert told["cost_usd"].isna().tolist() == [False, True]
    with pytest.raises(ValueError, match="nothing is no column"):
        summary(records, ["nothing"])
