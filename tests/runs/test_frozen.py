"""Frozen runs: equal to what was frozen, equal bytes for equal runs, whole or not there, and without secrets."""

from __future__ import annotations

import json
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from PIL import ImageChops

import runpodkit as rk
from runpodkit.errors import StoreError
from runpodkit.logs import hide
from runpodkit.runs.exports.frozen import freeze
from runpodkit.runs.opening import open_place
from runpodkit.runs.preferences import Preference
from runpodkit.runs.records import Record, Share, write_batch
from runpodkit.runs.rows import ImageFile, RunState, TrialState
from runpodkit.runs.run import Run
from runpodkit.storage.local import LocalStore
from runpodkit.storage.zipped import ZipStore
from tests.runs.conftest import Bench, mock
from tests.runs.kept import head_of, keep, keep_joint, png

SMALL = {"width": 64, "height": 64, "seed": 7}
SIX = rk.sweep("a lighthouse at dusk", sampler_name=["Euler", "Heun"], steps=[5, 10, 20], **SMALL)
SECRET_LINK = "https://bucket.example/a.png?X-Amz-Algorithm=AWS4&X-Amz-Signature=0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "store")
    keep(store, SIX, "fig", failed={3: "out of memory"})
    return store


@pytest.fixture
def run(store: LocalStore) -> rk.Run:
    return opened(store.folder / "runs" / "fig")


def opened(where: str | Path) -> rk.Run:
    run = open_place(where)
    assert run is not None
    return run


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_what_comes_out_is_what_went_in(run: rk.Run, tmp_path: Path) -> None:
    run.prefer("anna", [Preference("steps", 0, 1, 0, 0)])

    frozen = opened(run.freeze(tmp_path / "fig.zip"))

    assert (repr(frozen), frozen.head, frozen.sweep) == (repr(run), run.head, run.sweep)
    assert frozen.records() == run.records()
    pd.testing.assert_frame_equal(frozen.table(), run.table())
    assert [picture.bytes for picture in frozen.pictures()] == [picture.bytes for picture in run.pictures()]
    for one, other in (
        (frozen.grid().image, run.grid().image),
        (frozen.compare("steps").picture.image, run.compare("steps").picture.image),
    ):
        assert ImageChops.difference(one, other).getbbox() is None
    pd.testing.assert_frame_equal(frozen.compare("steps").table, run.compare("steps").table)
    pd.testing.assert_frame_equal(frozen.preferences(), run.preferences())
    assert str(frozen.preferences()["wins"].item()) == "1"
    assert frozen.to_csv(tmp_path / "b.csv").read_bytes() == run.to_csv(tmp_path / "a.csv").read_bytes()


def test_a_frozen_run_has_no_links_and_says_what_it_has_instead(run: rk.Run, tmp_path: Path) -> None:
    picture = opened(run.freeze(tmp_path / "fig.zip")).pictures()[0]

    with pytest.raises(StoreError, match=r"there is no link to key .*inside fig\.zip; unpack that file, or save"):
        _ = picture.url
    assert picture.save(tmp_path / "a.png").read_bytes() == png(0)


def test_a_joint_run_is_frozen_with_its_parts(store: LocalStore, tmp_path: Path) -> None:
    keep_joint(store, rk.sweep("a mill", endpoint=["one", "two"], steps=[5, 10], **SMALL), "cmp")
    whole = opened(store.folder / "runs" / "cmp")

    frozen = opened(whole.freeze(tmp_path / "cmp.zip"))

    pd.testing.assert_frame_equal(frozen.table(), whole.table())
    assert [picture.bytes for picture in frozen.pictures()] == [picture.bytes for picture in whole.pictures()]
    drawn = json.loads(members(tmp_path / "cmp.zip")["versions.json"])["drawn"]
    assert [(part["run"], part["model"]) for part in drawn] == [
        ("cmp", "one-1, two-1"),
        ("cmp--one", "one-1"),
        ("cmp--two", "two-1"),
    ]


def test_the_same_run_gives_the_same_bytes_wherever_it_lies(run: rk.Run, tmp_path: Path) -> None:
    once = run.freeze(tmp_path / "fig.zip").read_bytes()

    assert run.freeze(tmp_path / "again.zip").read_bytes() == once
    assert opened(tmp_path / "fig.zip").freeze(tmp_path / "of-frozen.zip").read_bytes() == once
    other = LocalStore(tmp_path / "elsewhere" / "store")
    keep(other, SIX, "fig", failed={3: "out of memory"})
    assert opened(other.folder / "runs" / "fig").freeze(tmp_path / "other.zip").read_bytes() == once


def test_it_tells_what_it_is_to_somebody_who_has_nothing_else(run: rk.Run, tmp_path: Path) -> None:
    inside = members(run.freeze(tmp_path / "fig.zip"))
    about = inside["README.txt"].decode()

    assert about.startswith("fig: a run of runpodkit, frozen\n===============================\n")
    assert "5 of 6 trials have pictures; state DONE; started 2026-09-21 14:13 UTC." in about
    assert "Drawn by a SIMULATOR" in about
    assert "Prompt: a lighthouse at dusk\nAxes: sampler_name (2), steps (3)\nModel: sketch-1;" in about
    assert 'rk.open_run("fig.zip")' in about
    versions = json.loads(inside["versions.json"])
    assert sorted(versions["frozen"]) == ["pandas", "pillow", "python", "runpodkit"]
    assert versions["drawn"][0]["dialect_row"]["name"] == "native"
    manifest = json.loads(inside.pop("manifest.json"))
    assert manifest["files"].keys() == inside.keys()
    assert not [name for name in inside if tmp_path.name in inside[name].decode("latin-1")]


def test_a_prompt_with_line_ends_and_any_script_is_one_paragraph(store: LocalStore, tmp_path: Path) -> None:
    keep(store, rk.sweep("маяк\nв сумерках\u2028灯台", steps=[5, 10], **SMALL), "lines")

    inside = members(opened(store.folder / "runs" / "lines").freeze(tmp_path / "lines.zip"))
    assert "\nPrompt: маяк в сумерках 灯台\nAxes: steps (2)\n" in inside["README.txt"].decode()
    assert opened(tmp_path / "lines.zip").table()["user_prompt"].nunique() == 1


# What is still moving, and what is lost


@pytest.mark.parametrize("state", [RunState.RUNNING, RunState.PAUSED, RunState.HELD])
def test_a_run_that_may_still_change_is_frozen_only_as_it_stands(
    store: LocalStore, tmp_path: Path, state: RunState
) -> None:
    keep(store, SIX, "moving", state=state, drawn=4)
    run = opened(store.folder / "runs" / "moving")

    with pytest.raises(ValueError, match=rf"run moving is {state} and may still change: .*incomplete=True"):
        run.freeze(tmp_path / "moving.zip")
    assert not (tmp_path / "moving.zip").exists()
    frozen = opened(run.freeze(tmp_path / "moving.zip", incomplete=True))
    assert (frozen.state, len(frozen.pictures()), len(frozen)) == (state, 4, 6)
    assert f"Written while it was {state}" in members(tmp_path / "moving.zip")["README.txt"].decode()


def test_a_lost_picture_is_named_and_nothing_is_left_of_the_file(
    run: rk.Run, store: LocalStore, tmp_path: Path
) -> None:
    key = run.records()[1].images[0].key
    store.delete(key)
    (tmp_path / "out").mkdir()

    with pytest.raises(StoreError, match=rf"cannot read key '{key}': .*; incomplete=True freezes the run without it"):
        run.freeze(tmp_path / "out" / "fig.zip")
    assert list((tmp_path / "out").iterdir()) == []
    frozen = opened(run.freeze(tmp_path / "out" / "fig.zip", incomplete=True))
    assert frozen.records() == run.records()
    assert frozen.pictures()[0].bytes == png(0)
    with pytest.raises(StoreError, match=rf"cannot read key '{key}': there is no such key in .*fig\.zip"):
        _ = frozen.pictures()[1].bytes


def test_a_frozen_file_that_is_there_is_replaced_by_a_whole_one_or_stays(
    run: rk.Run, store: LocalStore, tmp_path: Path
) -> None:
    before = run.freeze(tmp_path / "fig.zip").read_bytes()
    store.delete(run.records()[5].images[0].key)

    with pytest.raises(StoreError):
        run.freeze(tmp_path / "fig.zip")
    assert (tmp_path / "fig.zip").read_bytes() == before


@pytest.mark.parametrize("name", ["fig", "fig.tar", "fig.zip.part", ".zip"])
def test_a_name_that_open_run_would_not_know_is_refused(run: rk.Run, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=r"a frozen run is a zip file, so its name ends in \.zip"):
        run.freeze(tmp_path / name)


def test_folders_on_the_way_are_made_and_a_place_that_cannot_be_is_told(run: rk.Run, tmp_path: Path) -> None:
    assert run.freeze(tmp_path / "a" / "b" / "fig.ZIP").is_file()
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"cannot write .*fig\.zip: (Not a directory|File exists)"):
        run.freeze(tmp_path / "file" / "fig.zip")


def test_a_value_changed_in_the_file_is_told_when_it_is_looked_at(run: rk.Run, tmp_path: Path) -> None:
    file = run.freeze(tmp_path / "fig.zip")
    data = file.read_bytes()
    file.write_bytes(data.replace(png(4), png(4)[:-30] + b"!" + png(4)[-29:]))
    frozen = opened(file)

    assert len(frozen.table()) == 6
    with pytest.raises(StoreError, match=r"cannot read key 'images/.*fig\.zip was cut or changed"):
        frozen.pictures(sampler_name="Heun")[0].image  # noqa: B018
    assert frozen.pictures(sampler_name="Heun")[1].bytes == png(5)


async def test_a_run_that_the_ledger_knows_is_frozen_as_the_ledger_has_it(bench: Bench, tmp_path: Path) -> None:
    head = await bench.enter(mock(3))
    run = Run(head, bench.store, ledger=bench.ledger)

    with pytest.raises(ValueError, match="run run is RUNNING and may still change"):
        freeze(await run._read_shares(), bench.store, tmp_path / "run.zip")
    freeze(await run._read_shares(), bench.store, tmp_path / "early.zip", incomplete=True)
    await bench.engine.drive("run", owner="me")
    freeze(await run._read_shares(), bench.store, tmp_path / "run.zip")

    early, late = open_place(tmp_path / "early.zip"), open_place(tmp_path / "run.zip")
    assert early
    assert late
    assert [str(record.state) for record in await early._records()] == ["PLANNED"] * 3
    assert await late._records() == await run._records()
    assert (await late._status()).state is RunState.DONE
    assert [late.bytes_of(record.images[0].key) for record in await late._records()] == [
        bench.store.get(record.images[0].key) for record in await run._records()
    ]


# What else is inside


def test_every_picture_of_a_trial_and_what_records_name_beside_is_inside(store: LocalStore, tmp_path: Path) -> None:
    store.put("inputs/aa.png", png(9))
    store.put("inputs/other.png", png(8))
    store.put("unread/0f/whole.bin", b"<html>")
    head = head_of(rk.sweep("a mill", input_image="inputs/aa.png", **SMALL), "edit")
    keep(store, rk.sweep("a mill", input_image="inputs/aa.png", **SMALL), "edit")
    (record,) = opened(store.folder / "runs" / "edit").records()
    store.put("images/zz/second-1.png", png(3))
    second = ImageFile("images/zz/second-1.png", 64, 48, len(png(3)))
    flags = ("unread/0f/whole.bin", "unread/0f/lost.bin", "unread/../../x")
    write_batch(store, head, 0, [replace(record, images=(*record.images, second), flags=flags)])

    inside = members(opened(store.folder / "runs" / "edit").freeze(tmp_path / "edit.zip"))

    assert (inside["inputs/aa.png"], inside["images/zz/second-1.png"]) == (png(9), png(3))
    assert inside["unread/0f/whole.bin"] == b"<html>"
    assert not [name for name in inside if "other" in name or "lost" in name or ".." in name]


def test_a_picture_that_two_trials_share_is_there_once(store: LocalStore, tmp_path: Path) -> None:
    head = keep(store, rk.sweep("a mill", steps=[5, 10], **SMALL), "shared")
    one, other = opened(store.folder / "runs" / "shared").records()
    write_batch(store, head, 0, [one, replace(other, images=one.images, state=TrialState.REUSED)])

    inside = members(opened(store.folder / "runs" / "shared").freeze(tmp_path / "shared.zip"))
    assert len([name for name in inside if name.startswith("images/")]) == 1


def test_pictures_pass_through_memory_a_few_at_a_time(tmp_path: Path) -> None:
    class Generous:
        """A store of 5 MB pictures that exist only while they are held."""

        describe = "memory"

        def get(self, key: str) -> bytes:
            return key.encode().ljust(5_000_000, b"\0")

        def keys(self, prefix: str = "") -> Iterator[str]:
            return iter(())

        def put(self, key: str, data: bytes, content_type: str | None = None) -> None: ...
        def delete(self, key: str) -> None: ...
        def url(self, key: str, lasts_s: int = 3600) -> str:
            return ""

    local = LocalStore(tmp_path / "store")
    plan = rk.sweep("a mill", steps=list(range(1, 61)), **SMALL)
    head = keep(local, plan, "large")
    records = opened(local.folder / "runs" / "large").records()

    tracemalloc.start()
    freeze([Share(head, RunState.DONE, records)], Generous(), tmp_path / "large.zip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert (tmp_path / "large.zip").stat().st_size > 60 * 5_000_000
    assert peak < 12 * 5_000_000  # eight read ahead, one written, one in a buffer


# Secrets

HIDDEN = "canary-secret-value-0123"


def secret_run(store: LocalStore, **fields: Any) -> rk.Run:
    plan = rk.sweep("a mill", **{**SMALL, "steps": [5, 10], **fields})
    keep(store, plan, "secret", failed={1: f"cannot fetch {SECRET_LINK} with rpa_0123456789ABCDEFGHIJ and {HIDDEN}"})
    return opened(store.folder / "runs" / "secret")


def test_no_key_and_no_signed_link_is_in_any_file(store: LocalStore, tmp_path: Path) -> None:
    hide(HIDDEN)
    run = secret_run(
        store,
        input_image=SECRET_LINK.replace("a.png", "b.png"),
        extra={
            "hf_token": "hf_canary",
            "nested": {"api_key": "canary-2"},
            "trigger_token_": "sks",
            "steps_key": "kept",
        },
    )

    inside = members(run.freeze(tmp_path / "secret.zip"))

    everything = b"\n".join(inside.values()).decode("latin-1")
    for canary in ("Signature", "0123456789abcdef", "rpa_0123", HIDDEN, "hf_canary", "canary-2"):
        assert canary not in everything
    assert "sks" in everything and "kept" in everything
    frozen = opened(tmp_path / "secret.zip")
    assert frozen.records()[0].params.input_image == "https://bucket.example/b.png?•••1"
    assert str(frozen.failures()["reason"].item()).startswith("cannot fetch https://bucket.example/a.png?•••")
    assert frozen.grid().image.width > 100


def test_values_that_differ_in_their_secrets_alone_still_differ(store: LocalStore, tmp_path: Path) -> None:
    links = [SECRET_LINK, SECRET_LINK + "0", SECRET_LINK + "1"]
    keep(store, rk.sweep("a mill", input_image=links, **SMALL), "links")
    run = opened(store.folder / "runs" / "links")

    frozen = opened(run.freeze(tmp_path / "links.zip"))

    assert frozen.sweep.axes["input_image"] == [f"https://bucket.example/a.png?•••{number}" for number in (1, 2, 3)]
    assert [record.values["input_image"] for record in frozen.records()] == frozen.sweep.axes["input_image"]
    assert repr(frozen.grid()) == repr(run.grid())
    once = (tmp_path / "links.zip").read_bytes()
    assert frozen.freeze(tmp_path / "again.zip").read_bytes() == once


def test_a_record_of_a_frozen_run_is_one_of_ours(run: rk.Run, tmp_path: Path) -> None:
    store = ZipStore(run.freeze(tmp_path / "fig.zip"))
    lines = store.get("runs/fig/records/00000.jsonl").decode().split("\n")

    assert [Record.from_json(line).trial for line in lines[:-1]] == [0, 1, 2, 3, 4, 5]


def test_an_interrupt_leaves_neither_a_draft_nor_a_thread(
    run: rk.Run, store: LocalStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = threading.active_count()
    get, asked = store.get, []

    def interrupted(key: str) -> bytes:
        asked.append(key)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return get(key)

    monkeypatch.setattr(store, "get", interrupted)
    (tmp_path / "out").mkdir()
    shares = run.shares()

    with pytest.raises(KeyboardInterrupt):
        freeze(shares, store, tmp_path / "out" / "fig.zip")
    assert list((tmp_path / "out").iterdir()) == []
    assert threading.active_count() == before


def test_freezing_at_once_from_several_threads_leaves_one_whole_file(run: rk.Run, tmp_path: Path) -> None:
    once = run.freeze(tmp_path / "once.zip").read_bytes()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: run.freeze(tmp_path / "out" / "fig.zip"), range(8)))

    assert [path.name for path in (tmp_path / "out").iterdir()] == ["fig.zip"]
    assert (tmp_path / "out" / "fig.zip").read_bytes() == once
