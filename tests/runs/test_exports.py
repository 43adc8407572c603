"""Exports of a run: by suffix or name, whole or not at all, equal when read back by the tools they are for."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name
from threading import Barrier, Lock
from typing import Any

import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from runpodkit.errors import ConfigError, StoreError
from runpodkit.runs.exports.copies import AT_ONCE, copy_pictures
from runpodkit.runs.exports.files import json_line
from runpodkit.runs.exports.folder import file_stem, picture_paths
from runpodkit.runs.exports.formats import FORMATS, format_of
from runpodkit.runs.records import Record
from runpodkit.runs.rows import ImageFile
from runpodkit.runs.tables import read_csv, table
from runpodkit.storage.local import LocalStore
from tests.runs.made_up import SIDE_PX, color, failed, image_file, kept, record, swept

MIXED = [
    record(0, "=1", queue_delay_s=0.1, cost_usd=1 / 3, submitted_at="2026-03-01T12:00:00.250+00:00"),
    failed(1, reason='out of "memory"\r\nNA'),
    record(2, "Москва", images=(image_file(2), image_file(2, 1)), flags=("seed differs", "blank")),
]


def strict(text: str | bytes) -> Any:
    """JSON as RFC 8259 has it, which knows no NaN."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    return json.loads(text, parse_constant=refuse)


# which format


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.csv", "csv"), ("a.PARQUET", "parquet"), ("a.b.jsonl", "jsonl"), ("x.ndjson", "jsonl"), ("folder", "folder")],
)
def test_a_suffix_means_a_format_and_none_a_folder(name: str, kind: str) -> None:
    assert format_of(Path(name)) == kind


def test_a_suffix_that_means_nothing_is_refused_with_those_that_do(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0)])

    with pytest.raises(ValueError, match=r"t\.xlsx: no format ends in \.xlsx; known: \.csv, \.parquet"):
        run.export(tmp_path / "t.xlsx")
    with pytest.raises(ValueError, match="format='xlsx': choose folder, csv"):
        run.export(tmp_path / "t.csv", "xlsx")
    with pytest.raises(ValueError, match="split means nothing for csv; its options: links, public_base_url"):
        run.export(tmp_path / "t.csv", split="train")
    assert not list(tmp_path.glob("t.*"))


def test_a_folder_that_is_there_is_a_folder_whatever_it_is_called(tmp_path: Path) -> None:
    (tmp_path / "v1.2").mkdir()

    kept(tmp_path, [record(0)]).export(tmp_path / "v1.2")

    assert (tmp_path / "v1.2" / "results.csv").is_file()


def test_a_name_wins_over_a_suffix(tmp_path: Path) -> None:
    kept(tmp_path, [record(0)]).export(tmp_path / "t.txt", "jsonl")

    assert strict((tmp_path / "t.txt").read_text())["trial"] == 0


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_has_a_writer_that_says_what_it_does(name: str) -> None:
    assert resolve_name(FORMATS[name].writer).__doc__


# files


def test_csv_and_parquet_read_back_equal_the_table(tmp_path: Path) -> None:
    run = kept(tmp_path, MIXED)

    csv, parquet = run.to_csv(tmp_path / "new/t.csv"), run.to_parquet(tmp_path / "new/t.parquet")

    pd.testing.assert_frame_equal(read_csv(csv), run.table())
    pd.testing.assert_frame_equal(pd.read_parquet(parquet, dtype_backend="numpy_nullable"), run.table())
    schema = pq.read_schema(parquet)
    kinds = {name: str(schema.field(name).type) for name in ("seed", "cost_usd", "simulated", "submitted_at")}
    assert kinds == {
        "seed": "int64",
        "cost_usd": "double",
        "simulated": "bool",
        "submitted_at": "timestamp[ms, tz=UTC]",
    }


@given(st.lists(st.one_of(st.integers(-(2**70), 2**70), st.floats(), st.text(), st.booleans(), st.none()), max_size=5))
@settings(deadline=None, max_examples=50)
def test_inputs_of_any_type_are_kept_in_parquet(tmp_path_factory: pytest.TempPathFactory, values: list[Any]) -> None:
    frame = table([swept(number, "extra.guide", value) for number, value in enumerate(values)])
    path = tmp_path_factory.mktemp("parquet") / "t.parquet"

    frame.to_parquet(path, index=False)

    pd.testing.assert_frame_equal(pd.read_parquet(path, dtype_backend="numpy_nullable"), frame)


def test_an_empty_run_and_one_with_nothing_collected_are_written_too(tmp_path: Path) -> None:
    run = kept(tmp_path, [failed(0), failed(1)])

    pd.testing.assert_frame_equal(
        pd.read_parquet(run.to_parquet(tmp_path / "t.parquet"), dtype_backend="numpy_nullable"), run.table()
    )
    assert len(run.to_jsonl(tmp_path / "t.jsonl").read_text().splitlines()) == 2


def test_without_pyarrow_parquet_names_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigError, match=r"pip install 'runpodkit\[export\]'"):
        kept(tmp_path, [record(0)]).to_parquet(tmp_path / "t.parquet")

    assert not (tmp_path / "t.parquet").exists()


def test_json_lines_hold_whole_records_that_are_records_again(tmp_path: Path) -> None:
    nested = swept(3, "extra.workflow", {"nodes": [1, 2.5, None, {"é": True}], "big": 2**70})
    run = kept(tmp_path, [*MIXED, nested])

    lines = run.to_jsonl(tmp_path / "t.jsonl").read_bytes().split(b"\n")

    assert lines.pop() == b""
    assert [Record.from_json(line.decode()) for line in lines] == run.records()
    told = strict(lines[3])
    assert told["params"]["extra"]["workflow"]["nodes"] == [1, 2.5, None, {"é": True}]
    assert told["params"]["extra"]["workflow"]["big"] == 2**70
    assert told["params"]["cfg_scale"] == 4.0  # defaults are written as well
    assert strict(lines[2])["images"][1]["key"] == image_file(2, 1).key
    assert "Москва".encode() in lines[2]


@given(
    st.recursive(
        st.none() | st.floats() | st.text(st.characters(exclude_categories=())) | st.integers(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=8,
    ),
    st.floats(),
)
@settings(deadline=None)
def test_any_record_is_one_line_of_sound_json(value: Any, seconds: float) -> None:
    one = replace(record(0), values={"extra.x": value}, queue_delay_s=seconds, reason="a\ud800b\n")

    line = json_line(one, None)

    assert line.count(b"\n") == 1
    told = strict(line.decode())
    assert told["queue_delay_s"] == (seconds if math.isfinite(seconds) else None)
    assert told["reason"] == "a�b\n"


def test_links_stand_where_they_are_asked_for_and_nowhere_else(tmp_path: Path) -> None:
    run = kept(tmp_path, MIXED)
    key, base = image_file(0).key, "https://cdn.example.org/p"

    plain = [run.to_csv(tmp_path / "a.csv"), run.to_jsonl(tmp_path / "a.jsonl"), run.to_parquet(tmp_path / "a.parquet")]
    csv = run.to_csv(tmp_path / "b.csv", public_base_url=base)
    lines = run.to_jsonl(tmp_path / "b.jsonl", links=2).read_text().splitlines()
    parquet = run.to_parquet(tmp_path / "b.parquet", public_base_url=base)

    assert not [path for path in plain if b"://" in path.read_bytes()]
    assert read_csv(csv)["url"].tolist() == [f"{base}/{key}", pd.NA, f"{base}/{image_file(2).key}"]
    assert pd.read_parquet(parquet)["urls"][2].count(base) == 2
    assert strict(lines[0])["images"][0]["url"] == (tmp_path / "store" / key).as_uri()
    assert strict(lines[1])["images"] == []
    with pytest.raises(ValueError, match="links=9"):
        run.to_jsonl(tmp_path / "c.jsonl", links=9)
    assert not (tmp_path / "c.jsonl").exists()


def test_a_file_of_before_stays_whole_until_the_new_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = kept(tmp_path, MIXED)
    (tmp_path / "t.parquet").write_bytes(b"old")

    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "the disk is full")

    monkeypatch.setattr(pd.DataFrame, "to_parquet", full)
    with pytest.raises(StoreError, match="No space left on device"):
        run.to_parquet(tmp_path / "t.parquet")

    assert (tmp_path / "t.parquet").read_bytes() == b"old"
    assert not list(tmp_path.glob(".draft*"))


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(0)])
    (tmp_path / "file").write_text("in the way")

    for write in (run.to_csv, run.to_jsonl, run.to_parquet, run.to_latex):
        with pytest.raises(StoreError, match=r"cannot write .*file/t\.out: a file stands where it needs a folder"):
            write(tmp_path / "file" / "t.out")
    for kind in ("folder", "imagefolder"):
        with pytest.raises(StoreError, match="cannot write"):
            run.export(tmp_path / "file", kind)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "store"]


# the folder for people


def test_a_folder_has_table_grid_and_every_picture_under_the_path_in_the_table(tmp_path: Path) -> None:
    folder = kept(tmp_path, MIXED).export(tmp_path / "out")

    written = read_csv(folder / "results.csv")
    names = ["images/0000_1_0.5.png", "images/0002_3_0.5.png", "images/0002_3_0.5-1.png"]
    assert written["image"].tolist() == [names[0], pd.NA, names[1]]
    assert written["images"][2] == f"{names[1]}; {names[2]}"
    assert sorted(path.relative_to(folder).as_posix() for path in (folder / "images").iterdir()) == sorted(names)
    with Image.open(folder / names[2]) as image:
        assert image.getpixel((0, 0)) == color(image_file(2, 1).key)
    with Image.open(folder / "grid.png") as grid:
        assert grid.width > SIDE_PX


def test_hostile_values_and_keys_make_names_that_stay_in_the_folder(tmp_path: Path) -> None:
    values = {"extra.a": "../../etc/passwd", "extra.b": "x" * 500, "extra.c": "CON\x00:*?", "extra.d": "Привет"}
    run = kept(tmp_path, [record(0, values=values), record(1, values=dict.fromkeys(values, "."))])
    odd = replace(run.records()[0], images=(ImageFile("images/no/ending", 1, 1, 1),))
    run.store.put("images/no/ending", b"x")

    assert next(iter(picture_paths(odd).values())).count("/") == 1
    assert len(file_stem(odd)) <= 150
    folder = run.export(tmp_path / "out")
    assert len(list((folder / "images").iterdir())) == 2
    assert not list(tmp_path.glob("*passwd*"))


def test_a_picture_that_the_store_lost_is_named(tmp_path: Path) -> None:
    run = kept(tmp_path, [record(number) for number in range(20)])
    run.store.delete(image_file(11).key)

    with pytest.raises(StoreError, match=image_file(11).key):
        run.export(tmp_path / "out")

    assert not (tmp_path / "out/results.csv").exists()


class Crowded(LocalStore):
    """Answers once as many ask as may at once; counts them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.gate, self.lock, self.inside, self.most = Barrier(AT_ONCE, timeout=30), Lock(), 0, 0

    def get(self, key: str) -> bytes:
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
        self.gate.wait()
        try:
            return super().get(key)
        finally:
            with self.lock:
                self.inside -= 1


def test_so_many_pictures_are_copied_at_once_and_no_more(tmp_path: Path) -> None:
    store = Crowded(tmp_path / "store")
    numbers = range(5 * AT_ONCE)
    for number in numbers:
        store.put(image_file(number).key, b"%d" % number)

    copy_pictures(store, [(image_file(number).key, tmp_path / "out" / str(number)) for number in numbers])

    assert [(tmp_path / "out" / str(number)).read_bytes() for number in numbers] == [b"%d" % one for one in numbers]
    assert store.most == AT_ONCE


def test_listing_formats_loads_nothing_heavy() -> None:
    code = (
        "import sys, runpodkit.runs.exports.formats\n"
        "print([name for name in ('pandas', 'PIL', 'pyarrow', 'boto3') if name in sys.modules])"
    )

    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
