"""CSV of tables: equal when read back whatever the text, harmless in a spreadsheet, and read after people changed it."""

from __future__ import annotations

import csv
import math
import tempfile
from datetime import UTC
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.errors import StoreError
from runpodkit.params import ImageParams
from runpodkit.runs.rows import TrialState
from runpodkit.runs.tables import read_csv, table, to_csv
from tests.runs.made_up import failed, record, swept

NASTY = [
    "=1+1", "+7", "-3", "@x", "\t=1", "\r=1", "\n=1", "＝1", "'", "''", "'=", "", " ", '"', '""', 'say "hi", twice',
    "two\nlines", "two\r\nlines", "a\rb", "end\r", "\r", "a\x00b", "\x00", "Москва 東京 🌲", "\ufeffmark", "\u2028", "NA",
    "null", "NaN", "None", "1e5", "007", "1", "-1", "1.0", "True", "FALSE", "inf", "2026-01-01", "[1, 2]", " blank ", ",",
    ";=1", "\\", "#", "-",
]  # fmt: skip
TEXTS = st.sampled_from(NASTY) | st.text(max_size=20) | st.text("=+-@'\t\r\n\",;0123456789eE.Na", max_size=8)
INPUTS = st.one_of(
    st.none(),
    TEXTS,
    st.integers(),
    st.integers(2**62, 2**65),
    st.floats(allow_nan=False),
    st.booleans(),
    st.lists(st.integers() | TEXTS, max_size=3),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
TIMES = st.datetimes(timezones=st.just(UTC)).map(lambda time: time.isoformat(timespec="milliseconds"))


def again(frame: pd.DataFrame) -> pd.DataFrame:
    """Written and read."""
    with tempfile.TemporaryDirectory() as folder:
        to_csv(frame, Path(folder) / "t.csv")
        return read_csv(Path(folder) / "t.csv")


def test_a_table_read_back_equals_the_table_written() -> None:
    frame = table([failed(number, reason=text, worker_id=text) for number, text in enumerate(NASTY)])

    pd.testing.assert_frame_equal(again(frame), frame)


@given(
    st.lists(
        st.builds(
            failed,
            st.integers(0, 2**32 - 2),
            reason=st.none() | TEXTS,
            prompt=st.text(st.characters(exclude_categories=()), min_size=1).map(
                lambda text: text.encode(errors="replace").decode()
            ),
            worker_id=st.none() | st.text(st.characters(categories=["Cs", "Cc", "Lu"])),  # lone surrogates too
            flags=st.lists(TEXTS, max_size=2).map(tuple),
            queue_delay_s=st.none() | st.floats(),
            execution_time_s=st.none() | st.floats(),
            cost_is_estimate=st.booleans(),
            submitted_at=st.none() | TIMES,
            attempts=st.integers(-(2**63), 2**63 - 1),
        ),
        max_size=6,
    )
)
@settings(deadline=None, max_examples=40)
def test_any_table_read_back_equals_the_table_written(records: list[Any]) -> None:
    frame = table(records)

    pd.testing.assert_frame_equal(again(frame), frame)


@given(st.lists(INPUTS, min_size=1, max_size=6))
@settings(deadline=None, max_examples=200)
def test_inputs_of_any_type_read_back_with_value_and_type(values: list[Any]) -> None:
    frame = table([swept(number, "extra.guide", value) for number, value in enumerate(values)])[["extra.guide"]]

    pd.testing.assert_frame_equal(again(frame), frame)


@given(st.lists(INPUTS, min_size=2, max_size=6, unique_by=repr))
@settings(deadline=None)
def test_different_inputs_stay_different_in_a_table(values: list[Any]) -> None:
    there = [value for value in values if value is not None]
    shown = table([swept(number, "extra.guide", value) for number, value in enumerate(there)])["extra.guide"]

    equal = len(there) - len({repr(float(one)) if isinstance(one, int | float) else repr(one) for one in there})
    assert len(there) - shown.nunique() <= equal


@given(st.lists(st.floats(), min_size=1))
@settings(deadline=None)
def test_floats_keep_all_of_their_digits(values: list[float]) -> None:
    back = again(table([record(number, queue_delay_s=value) for number, value in enumerate(values)])[["queue_delay_s"]])

    wanted = [None if math.isnan(value) else value for value in values]
    assert [None if pd.isna(value) else value for value in back["queue_delay_s"]] == wanted


def cells(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.reader(file))


@given(st.lists(TEXTS, min_size=1, max_size=5))
@settings(deadline=None)
def test_no_cell_begins_as_a_formula(texts: list[str]) -> None:
    frame = table([failed(number, reason=text) for number, text in enumerate(texts)])[["trial", "reason"]]

    with tempfile.TemporaryDirectory() as folder:
        to_csv(frame, Path(folder) / "t.csv")
        written = cells(Path(folder) / "t.csv")

    place = written[0].index("reason")
    assert len(written) == len(texts) + 1  # an independent reader finds the same rows
    assert not [row for row in written if row[place].startswith(("=", "+", "-", "@", "\t", "\r", "\n", "＝"))]


def test_numbers_below_zero_are_left_alone_and_formulas_are_marked(tmp_path: Path) -> None:
    frame = table([swept(0, "extra.shift", -3), swept(1, "extra.shift", 2)])
    frame["=SUM(A1)"] = ["@cmd", "fine"]

    to_csv(frame, tmp_path / "t.csv")

    head, first, _ = cells(tmp_path / "t.csv")
    assert first[head.index("extra.shift")] == "-3"
    assert (head[-1], first[-1]) == ("'=SUM(A1)", "'@cmd")
    pd.testing.assert_series_equal(read_csv(tmp_path / "t.csv")["=SUM(A1)"], frame["=SUM(A1)"].astype("string"))


def test_the_file_says_that_it_is_utf_8_so_that_excel_reads_it(tmp_path: Path) -> None:
    to_csv(table([record(0, "мельница")]), tmp_path / "new" / "t.csv")

    data = (tmp_path / "new" / "t.csv").read_bytes()
    assert data.startswith(b"\xef\xbb\xbftrial,state,")
    assert data.count(b"\xef\xbb\xbf") == 1
    assert "мельница".encode() in data


def test_a_long_table_is_written_in_parts_with_one_head(tmp_path: Path) -> None:
    frame = pd.concat([table([record(0, "one"), record(1, "two")])] * 6000, ignore_index=True)

    to_csv(frame, tmp_path / "t.csv")

    assert len(cells(tmp_path / "t.csv")) == 12_001
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), frame)


def test_a_name_that_ends_in_gz_is_compressed(tmp_path: Path) -> None:
    frame = table([record(0)])

    to_csv(frame, tmp_path / "t.csv.gz")

    assert (tmp_path / "t.csv.gz").read_bytes().startswith(b"\x1f\x8b")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv.gz"), frame)


def test_columns_that_a_person_moved_dropped_or_added_are_read_with_their_types(tmp_path: Path) -> None:
    frame = table([record(0, "=1", queue_delay_s=1.0), failed(1)])
    changed = frame[["reason", "seed", "queue_delay_s", "ended_at", "prompt"]].assign(
        score=[0.5, 3], note=["good", None]
    )

    to_csv(changed, tmp_path / "t.csv")
    back = read_csv(tmp_path / "t.csv")

    assert back.columns.tolist() == ["reason", "seed", "queue_delay_s", "ended_at", "prompt", "score", "note"]
    pd.testing.assert_frame_equal(back[["reason", "seed", "queue_delay_s", "ended_at", "prompt"]], changed.iloc[:, :5])
    assert back["score"].tolist() == [0.5, 3.0]
    assert back["note"].tolist() == ["good", pd.NA]


def test_what_a_spreadsheet_does_to_a_file_is_understood(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes(
        b"seed,simulated,steps,queue_delay_s,prompt,extra.x,note\r\n"
        b"271828,TRUE,,1,a mill,1,seen\r\n"
        b"7,FALSE,twenty,2.5,'=1,2,\r\n"
    )  # no mark, its own spelling of truth, a word where a number was

    frame = read_csv(tmp_path / "t.csv")

    assert frame["seed"].tolist() == [271828, 7]
    assert frame["simulated"].tolist() == [True, False]
    assert frame["steps"].tolist() == [pd.NA, "twenty"]
    assert frame["queue_delay_s"].tolist() == [1.0, 2.5]
    assert frame["prompt"].tolist() == ["a mill", "=1"]
    assert str(frame["extra.x"].dtype) == "Int64"


def test_one_column_with_gaps_and_blanks_keeps_its_rows_and_blank_lines_of_a_person_are_none(tmp_path: Path) -> None:
    reasons = ["", None, " ", "\t", "fine"]
    frame = table([failed(number, reason=reason) for number, reason in enumerate(reasons)])

    pd.testing.assert_frame_equal(again(frame[["reason"]]), frame[["reason"]])
    to_csv(frame, tmp_path / "t.csv")
    (tmp_path / "t.csv").write_bytes((tmp_path / "t.csv").read_bytes() + b"\n   \n\n")
    pd.testing.assert_frame_equal(read_csv(tmp_path / "t.csv"), frame)


def test_frames_of_other_types_are_written_too(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "plain": ["=a", None],
            "int": [1, 2],
            "float": [0.5, float("nan")],
            "kind": pd.Categorical(["x", "@y"]),
            "mixed": [1, "=b"],
            "when": pd.to_datetime(["2026-03-01", None]),
            "\rodd": [1, 2],
        },
        index=[7, 9],
    )

    to_csv(frame, tmp_path / "t.csv")

    assert cells(tmp_path / "t.csv") == [
        ["plain", "int", "float", "kind", "mixed", "when", "'\rodd"],
        ["'=a", "1", "0.5", "x", "'1", "2026-03-01 00:00:00", "1"],
        ["", "2", "", "'@y", "'=b", "", "2"],
    ]
    assert read_csv(tmp_path / "t.csv")["plain"].tolist() == ["=a", pd.NA]


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("цена\n1\n".encode("cp1251"), "not in UTF-8: save it as"),
        (b"", "is no CSV table"),
        (b'a,b\n1,2\n1,2,3,4\n"', "is no CSV table"),
    ],
)
def test_what_is_no_csv_is_refused_by_name(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(data)

    with pytest.raises(ValueError, match=rf"t\.csv .*{said}|t\.csv {said}"):
        read_csv(tmp_path / "t.csv")


def test_a_file_stays_as_it_was_when_writing_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text("old")

    with pytest.raises(ValueError, match="is a folder"):
        to_csv(table([record(0)]), tmp_path)
    monkeypatch.setattr("os.replace", _full)
    with pytest.raises(StoreError, match=r"cannot write .*t\.csv: No space left on device; make room"):
        to_csv(table([record(0)]), tmp_path / "t.csv")

    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert (tmp_path / "t.csv").read_text() == "old"


def _full(*_: Any) -> None:
    raise OSError(28, "the disk is full")


def test_states_are_words(tmp_path: Path) -> None:
    assert again(table([record(0, state=TrialState.REUSED)]))["state"].tolist() == ["REUSED"]


def test_a_prompt_that_looks_like_a_number_stays_text() -> None:
    params = ImageParams(user_prompt="007", sampler_name="1e5")

    back = again(table([record(0, "007", params=params)])).iloc[0]

    assert (back["user_prompt"], back["sampler_name"]) == ("007", "1e5")
