"""Tables become columns: what a column is, how its cells are typed, and what is told with row and column."""

from __future__ import annotations

import csv
import gzip
import io
import math
import time

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.params import ImageParams
from runpodkit.runs import tables
from runpodkit.runs.tables.columns import FACTS as FACTS_OF_TABLES
from runpodkit.sweeps.row_tables import MAX_ROWS
from runpodkit.sweeps.rows import FACTS, columns_of


def told(rows, **kwargs) -> str:
    with pytest.raises(ValueError) as caught:
        columns_of(rows, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def read(rows, **kwargs) -> dict[str, tuple[str, list]]:
    return {name: (role, values) for name, role, values in columns_of(rows, **kwargs).columns}


@pytest.fixture
def file(tmp_path):
    def write(text: str, name: str = "rows.csv", encoding: str = "utf-8"):
        path = tmp_path / name
        path.write_bytes(gzip.compress(text.encode(encoding)) if name.endswith(".gz") else text.encode(encoding))
        return path

    return write


EXPECTED = {
    "user_prompt": ("field", ["a cat, a dog", "a pier"]),
    "steps": ("field", [20, None]),
    "cfg_scale": ("field", [4.5, 7.0]),
    "use_enhanced_prompts": ("field", [True, False]),
    "extra.lora": ("extra", [0.5, 1.0]),
    "endpoint": ("endpoint", ["fast", "slow"]),
    "subject": ("label", ["animal", "sea"]),
    "rank": ("label", [1, 2]),
}
CSV = """\
user_prompt,steps,cfg_scale,use_enhanced_prompts,extra.lora,endpoint,subject,rank
"a cat, a dog",20,4.5,true,0.5,fast,animal,1
a pier,,7,FALSE,1,slow,sea,2
"""


def test_a_csv_is_read_and_typed_by_its_fields(file):
    assert read(file(CSV)) == EXPECTED
    assert read(str(file(CSV))) == EXPECTED
    assert columns_of(file(CSV)).count == 2


def test_types_are_those_of_the_fields(file):
    columns = read(file(CSV))

    assert [type(columns[name][1][0]) for name in ("steps", "cfg_scale", "rank")] == [int, float, int]
    assert columns["use_enhanced_prompts"][1][0] is True


@pytest.mark.parametrize("name", ["rows.csv.gz", "rows.csv"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_a_csv_may_be_compressed_and_have_a_mark_of_its_encoding(file, name, start):
    assert read(file(start + CSV, name)) == EXPECTED


@pytest.mark.parametrize("sign", [";", "\t"])
def test_spreadsheets_of_other_languages_part_cells_otherwise(file, sign):
    text = f"steps{sign}cfg_scale{sign}user_prompt\r\n20{sign}4,5{sign}a, b\r\n"

    assert read(file(text)) == {
        "steps": ("field", [20]),
        "cfg_scale": ("field", [4.5]),
        "user_prompt": ("field", ["a, b"]),
    }


def test_a_frame_is_read_whatever_its_index_and_column_types():
    frame = pd.DataFrame(
        {
            "steps": pd.array([20, None], dtype="Int64"),
            "cfg_scale": np.array([4.5, np.nan], dtype="float32"),
            "seed": np.array([1.0, np.nan]),
            "subject": pd.array(["a", None], dtype="string"),
            "day": pd.to_datetime(["2026-01-01", None]),
            "extra.n": [np.int64(3), {"a": (1, 2)}],
        },
        index=[7, 7],
    )

    assert read(frame) == {
        "steps": ("field", [20, None]),
        "cfg_scale": ("field", [4.5, None]),
        "seed": ("field", [1, None]),
        "subject": ("label", ["a", None]),
        "day": ("label", ["2026-01-01 00:00:00", None]),
        "extra.n": ("extra", [3, {"a": [1, 2]}]),
    }


def test_a_list_of_dicts_is_read_in_the_order_in_which_names_first_come():
    rows = [
        {"steps": np.int64(5), "who": "me", "extra": {"lora": 1}},
        {"cfg_scale": float("nan"), "steps": pd.NA, "extra": {"lora": 2, "clip": None}},
        {"cfg_scale": 3, "steps": "7"},
    ]

    assert read(iter(rows)) == {
        "steps": ("field", [5, None, 7]),
        "who": ("label", ["me", None, None]),
        "cfg_scale": ("field", [None, None, 3.0]),
        "extra.lora": ("extra", [1, 2, None]),
    }
    assert list(read(rows)) == ["steps", "who", "cfg_scale", "extra.lora"]


def test_names_of_other_tools_and_a_plain_prompt_are_understood():
    rows = [{"Prompt": "a", "Steps": 5, "CFG Scale": 3, "Sampler": "Euler", "Size": "832x1216"}]

    assert list(read(rows)) == ["user_prompt", "steps", "cfg_scale", "sampler_name", "Size"]
    assert read(rows)["Size"] == ("label", ["832x1216"])


def test_beside_user_prompt_a_column_prompt_is_what_was_sent():
    rows = columns_of([{"user_prompt": "a", "prompt": "a, best"}])

    assert [column.name for column in rows.columns] == ["user_prompt"]
    assert rows.notes == ["column prompt is left out: it says what happened to a trial"]


def test_columns_without_a_single_value_say_nothing():
    assert read([{"steps": None, "cfg_scale": 3, "who": None}]) == {
        "cfg_scale": ("field", [3.0]),
        "who": ("label", [None]),
    }


def test_numbers_with_a_decimal_comma_are_numbers_in_every_column(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("cfg;extra.s;group;extra.list\n1,5;0,5;2;1,2,3\n2;1;0,7;4\n")

    columns = {column.name: column.values for column in columns_of(path).columns}
    assert columns == {
        "cfg_scale": [1.5, 2.0],
        "extra.s": [0.5, 1.0],
        "group": [2.0, 0.7],
        "extra.list": ["1,2,3", "4"],
    }


def test_a_column_of_sizes_is_told_to_set_none():
    assert columns_of([{"Size": "832x1216", "steps": 5}]).notes == [
        "column Size is kept as a label and sets no size: give columns width and height"
    ]
    assert columns_of([{"size": "wide", "width": 832}]).notes == []


def test_notes_tell_what_is_left_out_and_what_is_nearly_a_field():
    frame = pd.DataFrame({"Unnamed: 0": [0], "stepz": [5], "timeout": [9], "cost_usd": [1.0], "seed": [4]})

    assert columns_of(frame).notes == [
        "column Unnamed: 0 is left out: it has no name",
        "column stepz is kept as a label; is steps meant?",
        "column timeout is left out: it is no part of a picture, set it in the base",
        "column cost_usd is left out: it says what happened to a trial",
    ]


def test_the_marks_of_spreadsheets_are_taken_away_and_other_apostrophes_stay(file):
    text = "user_prompt,negative_prompt,seed,extra.x,'=label\n'=1+1,',5,'3,''a\n'90s style,,'6,'true,'b\n"

    assert read(file(text)) == {
        "user_prompt": ("field", ["=1+1", "'90s style"]),
        "negative_prompt": ("field", ["", None]),
        "seed": ("field", [5, 6]),
        "extra.x": ("extra", ["3", "true"]),
        "=label": ("label", ["'a", "'b"]),
    }


def test_open_columns_of_a_csv_take_the_narrowest_type(file):
    text = (
        'extra.a,extra.b,extra.c,extra.d,extra.e,e,f,g,h\n1,1.5,true,"[1, {""x"": 2}]",1,1,1e5,1,1\n'
        "-2,2,False,{broken,a,01/02,.5,e-,1e999\n"
    )

    assert read(file(text)) == {
        "extra.a": ("extra", [1, -2]),
        "extra.b": ("extra", [1.5, 2.0]),
        "extra.c": ("extra", [True, False]),
        "extra.d": ("extra", [[1, {"x": 2}], "{broken"]),
        "extra.e": ("extra", ["1", "a"]),
        "e": ("label", ["1", "01/02"]),
        "f": ("label", [100_000.0, 0.5]),
        "g": ("label", ["1", "e-"]),
        "h": ("label", ["1", "1e999"]),
    }


# What a run wrote


def test_facts_are_those_that_a_table_of_a_run_has():
    assert {"trial", "state", "url", "urls", "starred", "note", *FACTS_OF_TABLES} - {"endpoint"} == FACTS


def a_run(endpoints: list[str]) -> pd.DataFrame:
    frame = pd.DataFrame({"trial": [0, 1], "state": ["COLLECTED", "FAILED"]})
    for name, field in ImageParams.model_fields.items():
        if name not in ("extra", "user_prompt"):
            frame[name] = [field.default] * 2
    frame["user_prompt"] = ["a cat", "=a dog"]
    frame["seed"] = [7, 8]
    frame["negative_prompt"] = pd.array(["", None], dtype="string")
    frame["extra.lora"] = [0.5, 1.0]
    frame["subject"] = ["1", "x"]
    for name in FACTS_OF_TABLES:
        frame[name] = [name, name]
    frame["endpoint"] = endpoints
    return frame.drop(columns=["input_image", "strength"])


def test_what_to_csv_wrote_reads_back_as_the_parameters_of_its_trials(tmp_path):
    tables.to_csv(a_run(["sim", "sim"]), tmp_path / "run.csv")

    columns = read(tmp_path / "run.csv")

    assert {name for name, (role, _) in columns.items() if role == "label"} == {"subject"}
    assert columns["user_prompt"][1] == ["a cat", "=a dog"]
    assert columns["negative_prompt"][1] == ["", None]
    assert (columns["seed"][1], columns["extra.lora"][1], columns["subject"][1]) == ([7, 8], [0.5, 1.0], ["1", "x"])
    assert columns["scheduler"][1] == ["Euler A"] * 2
    assert not FACTS & columns.keys()
    assert "endpoint" not in columns


def test_a_run_over_several_endpoints_keeps_them():
    assert read(a_run(["fast", "slow"]))["endpoint"] == ("endpoint", ["fast", "slow"])


# What is told


def test_everything_wrong_is_told_at_once_with_column_and_row(file):
    text = "steps,width,seed,sampler_name\n200,512,-1,\n5,513,3,Euler\nx,514,4,Heun\n999,8,4.5,Heun\n"

    assert told(file(text)) == (
        "column steps, row 2: 200 is above 150 (1 to 150 is allowed); "
        "column steps, row 4: 'x' is refused: input should be a valid integer, unable to parse string as an integer; "
        "column steps, row 5: 999 is above 150 (1 to 150 is allowed); "
        "column width, row 3: 513 is not a multiple of 8; "
        "column width, row 4: 514 is not a multiple of 8; "
        "column width, row 5: 8 is below 64 (64 to 4096 is allowed); "
        "column seed, row 2: -1 is no seed: leave the cell empty, or use rk.seeds(n); "
        "column seed, row 5: 4.5 is not whole"
    )


def test_rows_with_the_same_fault_are_one_problem():
    assert told([{"steps": 200, "seed": number} for number in range(9)]) == (
        "column steps, rows 0, 1, 2, 3 and 5 more: 200 is above 150 (1 to 150 is allowed)"
    )


def test_many_problems_are_counted():
    assert told([{"steps": 151 + number} for number in range(30)]).endswith("; 10 more problems")


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the table has no rows"),
        ([{}], None),
        ([{"steps": 5}, "x", 3], "row 1 is a str, not a dict; row 2 is a int, not a dict"),
        (5, "5 is no table: give a DataFrame, the path of a CSV file, or a list of dicts"),
        ({"steps": [5]}, "is no table"),
        ([{"steps": True}], "column steps, row 0: True is not a number"),
        ([{"seed": -1}], "column seed, row 0: -1 is no seed: leave the cell empty"),
        ([{"Steps": 1, "steps": 2}], "columns Steps and steps are the same: steps"),
        ([{"extra": 5}], "column extra, row 0: not a dict"),
        ([{"extra": {"a": 5}, "extra.a": 6}], "column extra has a, which is column extra.a too"),
        ([{"extra.a b": 5}], "column extra.a b: after `extra.` comes"),
        ([{"extra.a": object()}], "is not what JSON can hold"),
        ([{"endpoint": "a"}, {"endpoint": None}], "column endpoint, row 1: no value"),
        ([{"endpoint": "no name"}, {"endpoint": 5}], "column endpoint, row 0: 'no name' is no name of an endpoint"),
        (pd.DataFrame([[1, 2]], columns=["steps", "steps"]), "column steps comes more than once"),
        (({"seed": number} for number in range(MAX_ROWS + 1)), "the table has more than 100,000 rows"),
        (pd.DataFrame({"seed": range(MAX_ROWS + 1)}), "the table has more than 100,000 rows"),
    ],
)
def test_bad_tables_end_in_one_clear_line(rows, message):
    if message is None:
        assert columns_of(rows).columns == []
    else:
        assert message in told(rows)


def test_fields_without_a_base_need_every_cell():
    rows = [{"user_prompt": "a", "steps": None}, {"steps": 5}]

    assert read(rows)["user_prompt"] == ("field", ["a", None])
    assert told(rows, required=["user_prompt", "seed"]) == "column user_prompt, row 1: no value"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the table has no rows"),
        ("steps\n", "the table has no rows"),
        ("steps,seed\n1,2,3\n4,5,\n6\n7,8,9\n", "row 2 has 3 cells, more than the 2 names above it; row 5 has 3 cells"),
        ('steps,seed\n"1,2', "is no CSV table: unexpected end of data"),
        ('steps,seed\n"1"2,3', "is no CSV table"),
        ("steps,steps\n1,2\n", "column steps comes more than once"),
    ],
)
def test_bad_files_end_in_one_clear_line(file, text, message):
    assert message in told(file(text))


def test_files_of_other_encodings_and_missing_files_are_told(file, tmp_path):
    assert "is not in UTF-8" in told(file("steps,käse\n1,2\n", encoding="latin-1"))
    (tmp_path / "a.csv.gz").write_bytes(b"steps\n5\n")
    assert "is no CSV table" in told(tmp_path / "a.csv.gz")
    with pytest.raises(FileNotFoundError):
        columns_of(tmp_path / "none.csv")


def test_short_and_empty_lines_are_without_values(file):
    assert read(file("steps,who\n5\n\n6,me\n")) == {"steps": ("field", [5, 6]), "who": ("label", [None, "me"])}
    assert read(file("who\na\n\nb\n")) == {"who": ("label", ["a", None, "b"])}


def test_rows_are_counted_as_a_spreadsheet_does_blank_lines_and_all(file):
    assert told(file("steps,who\n5,a\n\n999,b\n\n\n888,c\n")) == (
        "column steps, row 4: 999 is above 150 (1 to 150 is allowed); "
        "column steps, row 7: 888 is above 150 (1 to 150 is allowed)"
    )


def test_a_long_csv_is_read_in_parts_as_if_it_were_one(file):
    rows = "".join(f"{number},{'' if number % 7 else 'x'}\n" + "\n" * (number % 997 == 0) for number in range(3_000))

    assert read(file("seed,who\n" + rows)) == {
        "seed": ("field", list(range(3_000))),
        "who": ("label", [None if number % 7 else "x" for number in range(3_000)]),
    }
    with pytest.raises(ValueError, match="more than 100,000 rows"):
        columns_of(file("seed\n" + "5\n" * (MAX_ROWS + 1)))


# Size


def test_a_long_csv_costs_a_few_times_what_reading_its_cells_does(file):
    lines = "".join(f"a cat {number % 50},{number % 150 + 1},{number / 7},{number},x\n" for number in range(20_000))
    path = file("user_prompt,steps,extra.x,seed,who\n" + lines)

    def cpu_s(read) -> float:
        began = time.process_time()
        read()
        return time.process_time() - began

    def cells() -> None:
        with path.open(newline="") as opened:
            list(csv.reader(opened))

    columns_of(path)  # makes the validators
    # About 4 are measured; a model per row would be over 20.
    assert min(cpu_s(lambda: columns_of(path)) for _ in range(3)) < 12 * min(cpu_s(cells) for _ in range(5))


# Laws

cells = {
    "steps": st.integers(1, 150),
    "cfg_scale": st.floats(0, 30),
    "seed": st.integers(0, 2**32 - 1),
    "use_enhanced_prompts": st.booleans(),
    "user_prompt": st.text('ab ,;"é\n', min_size=1, max_size=10),
    "extra.x": st.integers(-(10**9), 10**9),
    "who": st.text("xyz, ", min_size=1, max_size=5).filter(lambda text: text.strip()),
}
rows_of = st.lists(st.fixed_dictionaries({}, optional=cells), min_size=1, max_size=8)


@given(rows_of)
def test_a_list_a_frame_and_a_csv_of_the_same_rows_are_the_same(rows):
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return
    expected = {
        name: [row.get(name) for row in rows] for name in names if any(row.get(name) is not None for row in rows)
    }
    frame = pd.DataFrame({name: pd.Series([row.get(name) for row in rows], dtype=object) for name in names})

    for table in (rows, frame):
        assert {name: values for name, (_, values) in read(table).items()} == expected


@given(rows_of)
def test_a_csv_reads_back_as_the_rows_that_were_written(tmp_path_factory, rows):
    names = list(dict.fromkeys(name for row in rows for name in row)) or ["steps"]
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(names)
    writer.writerows([["" if row.get(name) is None else row[name] for name in names] for row in rows])
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    path.write_text(text.getvalue(), encoding="utf-8", newline="")

    columns = read(path)

    for name, (_, values) in columns.items():
        assert len(values) == len(rows)
        for value, row in zip(values, rows, strict=True):
            written = row.get(name)
            assert value == written or (isinstance(written, float) and math.isclose(value, written))
