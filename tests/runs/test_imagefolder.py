"""The imagefolder as `datasets` itself opens it, in a process of its own and without a network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from runpodkit.errors import ConfigError, StoreError
from runpodkit.params import ImageParams
from runpodkit.runs.records import Record
from runpodkit.runs.rows import TrialState
from tests.runs.made_up import SIDE_PX, color, failed, image_file, kept, record

CAPTIONS = ['=1+1, "quoted"', "two\nlines", "Москва 東京 🌲", "'mark", "123", "a\rb"]
LOADER = """
import json, sys
import datasets
datasets.disable_progress_bars()
for place in sys.argv[1:]:
    loaded = datasets.load_dataset("imagefolder", data_dir=place)
    rows = {split: [
        {name: [value.getpixel((0, 0)), value.size] if name == "image" else value for name, value in row.items()}
        for row in part
    ] for split, part in loaded.items()}
    kinds = {name: str(kind) for name, kind in next(iter(loaded.values())).features.items()}
    print(json.dumps({"rows": rows, "kinds": kinds}, default=str))
"""


def part(number: int, text: str, **known: Any) -> Record:
    return record(number, text, **{"queue_delay_s": 0.5, "submitted_at": "2026-03-01T12:00:00.250+00:00", **known})


def captioned() -> list[Record]:
    """Gaps, failures, several pictures in a trial, one picture in two, and an input of another type each time."""
    records = [part(number, text) for number, text in enumerate(CAPTIONS)]
    extras: list[Any] = [1, "auto", None, [1, 2], {"a": 1}, True]
    for number, extra in enumerate(extras):
        params = ImageParams(user_prompt="a mill", seed=number, num_images=2, extra={"guide": extra})
        records[number] = replace(records[number], params=params, values={"seed": number, "extra.guide": extra})
    records[2] = replace(records[2], images=(image_file(2), image_file(2, 1)), queue_delay_s=None)
    records.append(failed(6))
    records.append(part(7, "same again", state=TrialState.REUSED, images=(image_file(3),)))
    records.append(part(8, "late", reason="was slow", reused_from="2026-03-01T12:00:00.000+00:00"))
    return records


def many() -> list[Record]:
    """More than `datasets` looks at for types, with values that come only after that."""
    long = [part(number, "a mill", negative_prompt=f"{'long ' * 8000}{number}") for number in range(300)]  # 12 MB
    late = replace(long.pop(), reason="at last", worker_id="w1", cost_usd=0.5, ended_at="2026-03-01T12:00:00.000+00:00")
    return [*long, late]


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Any]:
    """What `datasets` finds in each of some exports."""
    base = tmp_path_factory.mktemp("imagefolder")
    run = kept(base / "kept", captioned())
    exports = {
        "jsonl": run.export(base / "jsonl", "imagefolder"),
        "csv": run.export(base / "csv", "imagefolder", metadata_format="csv"),
        "parquet": run.export(base / "parquet", "imagefolder", metadata_format="parquet"),
        "split": run.export(base / "split", "imagefolder", split="validation", columns=["seed", "steps"]),
        "many": kept(base / "long", many()).export(base / "many", "imagefolder"),
    }
    other = kept(base / "other", [part(0, "learn"), part(1, "from")])
    other.export(base / "split", "imagefolder", split="train", columns=["steps", "seed"])
    env = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(base / "hf"),
        "HF_DATASETS_CACHE": str(base / "cache"),
        "PYTHONWARNINGS": "ignore",
    }
    done = subprocess.run(
        [sys.executable, "-c", LOADER, *map(str, exports.values())],
        env=env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(zip(exports, map(json.loads, done.stdout.splitlines()), strict=True))


KEYS = [
    image_file(0).key, image_file(1).key, image_file(2).key, image_file(2, 1).key, image_file(3).key,
    image_file(4).key, image_file(5).key, image_file(8).key,
]  # fmt: skip


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_every_picture_comes_back_once_with_its_pixels_and_caption(loaded: Mapping[str, Any], kind: str) -> None:
    rows = loaded[kind]["rows"]["train"]

    assert [row["image"] for row in rows] == [[list(color(key)), [SIDE_PX, SIDE_PX]] for key in KEYS]
    assert [row["text"] for row in rows] == [*CAPTIONS[:3], CAPTIONS[2], *CAPTIONS[3:], "late"]
    assert [row["trial"] for row in rows] == [0, 1, 2, 2, 3, 4, 5, 8]
    assert [row["image_number"] for row in rows] == [0, 0, 0, 1, 0, 0, 0, 0]
    assert [row["queue_delay_s"] for row in rows] == [0.5, 0.5, None, None, 0.5, 0.5, 0.5, 0.5]
    assert [row["reason"] for row in rows] == [None] * 7 + ["was slow"]
    assert [row["extra.guide"] for row in rows] == ["1", "auto", None, None, "[1, 2]", '{"a": 1}', "true", None]
    assert {row["simulated"] for row in rows} == {True}
    assert not {"images", "prompt", "worker_id", "file_name"} & rows[0].keys()


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_columns_have_types_that_a_training_script_can_use(loaded: Mapping[str, Any], kind: str) -> None:
    kinds = loaded[kind]["kinds"]

    assert kinds["image"].startswith("Image(")
    assert {kinds[name] for name in ("trial", "seed", "steps")} == {"Value('int64')"}
    assert (kinds["queue_delay_s"], kinds["simulated"]) == ("Value('float64')", "Value('bool')")
    assert kinds["text"] in ("Value('string')", "Value('large_string')")


def test_splits_of_two_runs_stand_side_by_side(loaded: Mapping[str, Any]) -> None:
    rows = loaded["split"]["rows"]

    assert {split: len(part) for split, part in rows.items()} == {"train": 2, "validation": 8}
    assert [row["text"] for row in rows["train"]] == ["learn", "from"]
    for part in rows.values():
        assert {*part[0]} == {"image", "text", "seed", "steps"}


def test_values_that_come_late_in_a_long_file_keep_their_type(loaded: Mapping[str, Any]) -> None:
    rows, kinds = loaded["many"]["rows"]["train"], loaded["many"]["kinds"]

    assert len(rows) == 300
    late = next(row for row in rows if row["trial"] == 299)
    assert (late["reason"], late["worker_id"], late["cost_usd"]) == ("at last", "w1", 0.5)
    assert kinds["cost_usd"] == "Value('float64')"
    assert sorted(row["trial"] for row in rows) == list(range(300))


def test_no_row_has_an_address_and_every_file_is_named_by_its_key(tmp_path: Path) -> None:
    folder = kept(tmp_path, captioned()).export(tmp_path / "out", "imagefolder")

    rows = [json.loads(line) for line in (folder / "metadata.jsonl").read_text().splitlines()]
    assert [row["file_name"] for row in rows] == KEYS
    assert all((folder / row["file_name"]).read_bytes()[:4] == b"\x89PNG" for row in rows)
    assert len({tuple(row) for row in rows}) == 1  # the same columns in each, null where nothing is known
    assert "://" not in (folder / "metadata.jsonl").read_text()


def test_the_same_export_again_changes_no_byte_and_a_larger_run_renames_no_file(tmp_path: Path) -> None:
    run = kept(tmp_path, [part(0, "a"), part(1, "b")])
    first = files(run.export(tmp_path / "out", "imagefolder"))

    assert files(run.export(tmp_path / "out", "imagefolder")) == first
    grown = files(kept(tmp_path, [part(0, "a"), part(1, "b"), part(2, "c")]).export(tmp_path / "out", "imagefolder"))

    assert {name: data for name, data in grown.items() if name in first and "metadata" not in name} == {
        name: data for name, data in first.items() if "metadata" not in name
    }


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"metadata_format": "csv"}, {}),
        ({}, {"metadata_format": "parquet"}),
        ({}, {"split": "train"}),
        ({"split": "test"}, {}),
        ({"split": "train"}, {"split": "test", "metadata_format": "csv"}),
    ],
)
def test_metadata_that_datasets_would_not_read_together_is_refused(
    tmp_path: Path, first: dict[str, str], second: dict[str, str]
) -> None:
    run = kept(tmp_path, [part(0, "a")])
    run.export(tmp_path / "out", "imagefolder", **first)
    before = files(tmp_path / "out")

    with pytest.raises(ValueError, match="is from another export and does not go with this one"):
        run.export(tmp_path / "out", "imagefolder", **second)

    assert files(tmp_path / "out") == before


def test_a_split_with_other_columns_is_refused_and_the_columns_named(tmp_path: Path) -> None:
    kept(tmp_path / "one", [part(0, "a")]).export(tmp_path / "out", "imagefolder", split="train")

    with pytest.raises(ValueError, match=r"train/metadata\.jsonl has other columns \(reason\): name those to keep"):
        kept(tmp_path / "two", [part(0, "a", reason="x")]).export(tmp_path / "out", "imagefolder", split="test")

    assert not (tmp_path / "out/test").exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"metadata_format": "xml"}, "metadata_format='xml': choose jsonl, csv, parquet"),
        ({"split": "../up"}, "split='../up': choose train, validation, test"),
        ({"columns": ["worker_id"]}, "worker_id is no column with a value"),
        ({"links": 3}, "links means nothing for imagefolder"),
    ],
)
def test_options_that_cannot_be_meant_are_refused(tmp_path: Path, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        kept(tmp_path, [part(0, "a")]).export(tmp_path / "out", "imagefolder", **options)


def test_a_run_without_a_picture_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run r has no picture yet"):
        kept(tmp_path, [failed(0)]).export(tmp_path / "out", "imagefolder")

    assert not (tmp_path / "out").exists()


def test_a_key_that_leads_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    run = kept(tmp_path, [part(0, "a")])
    line = run.store.get("runs/r/records/00000.jsonl").replace(image_file(0).key.encode(), b"../../escaped.png")
    run.store.put("runs/r/records/00000.jsonl", line)

    with pytest.raises(StoreError, match="is refused"):
        run.export(tmp_path / "out", "imagefolder")

    assert not list(tmp_path.rglob("escaped.png"))


def test_an_export_that_broke_off_has_no_metadata_and_goes_on_when_repeated(tmp_path: Path) -> None:
    run = kept(tmp_path, [part(number, "a") for number in range(30)])
    lost = run.store.get(image_file(20).key)
    run.store.delete(image_file(20).key)

    with pytest.raises(StoreError, match="no such key"):
        run.export(tmp_path / "out", "imagefolder")
    assert not (tmp_path / "out/metadata.jsonl").exists()
    run.store.put(image_file(20).key, lost)
    run.export(tmp_path / "out", "imagefolder")

    assert len(pd.read_json(tmp_path / "out/metadata.jsonl", lines=True)) == 30


def test_parquet_metadata_without_pyarrow_names_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kept(tmp_path, [part(0, "a")])
    monkeypatch.setitem(sys.modules, "pyarrow", None)

    with pytest.raises(ConfigError, match=r"runpodkit\[export\]"):
        run.export(tmp_path / "out", "imagefolder", metadata_format="parquet")
