"""Runs opened away from home: folders, buckets and frozen files; what is told where none is; nothing is started."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

import runpodkit as rk
from runpodkit import settings as settings_module
from runpodkit.cli import main
from runpodkit.errors import ConfigError, StoreError
from runpodkit.runs.opening import open_place
from runpodkit.runs.preferences import Preference
from runpodkit.runs.records import Record, head_file
from runpodkit.runs.rows import RunState
from runpodkit.storage.local import LocalStore
from runpodkit.storage.many import copy_all
from runpodkit.sweeps.sweep import Sweep
from tests.runs.kept import head_of, keep, keep_joint, png
from tests.storage.conftest import Server, moto, nanio  # noqa: F401 - real servers

SMALL = {"width": 64, "height": 64, "seed": 7}
SIX = rk.sweep("a lighthouse at dusk", sampler_name=["Euler", "Heun"], steps=[5, 10, 20], **SMALL)
TWO_ENDPOINTS = rk.sweep("a mill", endpoint=["one", "two"], steps=[5, 10], **SMALL)


@pytest.fixture(autouse=True)
def bare_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No setting at all, and a home that must stay as empty as it is."""
    for name in settings_module.setting_names():
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("RUNPODKIT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    store = LocalStore(tmp_path / "store")
    keep(store, SIX, "fig", failed={3: "out of memory"})
    return store


def opened(where: str | Path) -> rk.Run:
    run = open_place(where)
    assert run is not None
    return run


# In a folder


def test_a_folders_run_has_its_records_pictures_and_axes(store: LocalStore, bare_home: Path) -> None:
    run = rk.open_run(store.folder / "runs" / "fig")

    assert repr(run) == "Run fig: DONE, 5 of 6 pictures, 1 failed, SIMULATOR"
    assert list(run.table()["steps"]) == [5, 10, 20, 5, 10, 20]
    assert [picture.bytes for picture in run.pictures(sampler_name="Heun")] == [png(4), png(5)]
    assert run.picture_of(run.records()[0]).url.startswith("file:///")
    cause = run.failures().to_dict("records")[0]
    assert (cause["count"], cause["example"], cause["reason"], len(run.failures())) == (1, 3, "out of memory", 1)
    assert run.grid().image.width > 100
    assert list(run.compare("steps").table["pairs"]) == [1, 1, 1]
    assert not bare_home.exists()


@pytest.mark.parametrize(
    "spelled",
    ["{folder}", "{folder}/", "store/runs/fig", "./store/runs/fig", "store/runs/../runs/fig/.", "link"],
)
def test_a_folder_is_found_however_it_is_spelled(store: LocalStore, tmp_path: Path, spelled: str) -> None:
    (tmp_path / "link").symlink_to(store.folder / "runs" / "fig")
    where = spelled.format(folder=store.folder / "runs" / "fig")
    where = str(tmp_path / "link") if where == "link" else where

    assert len(opened(where).pictures()) == 5


def test_the_folder_one_stands_in_is_a_place_too(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(store.folder / "runs" / "fig")
    assert opened(".").name == "fig"
    monkeypatch.chdir(store.folder / "runs")
    assert opened("fig").name == "fig"


def test_runs_on_another_disk_belong_to_the_store_that_links_them(store: LocalStore, tmp_path: Path) -> None:
    shutil.move(store.folder / "runs", tmp_path / "big")
    (store.folder / "runs").symlink_to(tmp_path / "big")

    assert len(opened(store.folder / "runs" / "fig").pictures()) == 5
    assert opened(store.folder / "runs" / "fig").pictures()[0].bytes == png(0)


STEERING: list[Callable[[rk.Run], Any]] = [
    lambda run: run.cancel(),
    lambda run: run.pause(),
    lambda run: run.resume(),
    lambda run: run.retry(),
]


@pytest.mark.parametrize("state", list(RunState))
def test_it_can_be_read_in_any_state_and_never_steered(store: LocalStore, bare_home: Path, state: RunState) -> None:
    keep(store, SIX, "other", state=state, drawn=4)
    before = {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()}
    run = opened(store.folder / "runs" / "other")

    assert (run.state, len(run), run.report()["collected"]) == (state, 6, 4)
    assert run.wait(progress=False) is run
    assert len(list(run)) == 4
    assert not run.changeable
    for steer in STEERING:
        with pytest.raises(ConfigError, match="run other was opened from its store and can only be read"):
            steer(run)
    assert {path: path.read_bytes() for path in store.folder.rglob("*") if path.is_file()} == before
    assert not bare_home.exists()


def test_a_joint_run_comes_with_its_parts_and_tells_a_missing_one(store: LocalStore) -> None:
    keep_joint(store, TWO_ENDPOINTS, "cmp")

    run = opened(store.folder / "runs" / "cmp")
    assert repr(run) == "Run cmp: DONE, 4 of 4 pictures, SIMULATOR"
    assert list(run.table()["endpoint"]) == ["one", "one", "two", "two"]
    assert opened(store.folder / "runs" / "cmp--two").name == "cmp--two"
    shutil.rmtree(store.folder / "runs" / "cmp--two")
    with pytest.raises(
        StoreError, match=r"cmp was drawn on several endpoints.* and runs/cmp--two is not there: copy it"
    ):
        opened(store.folder / "runs" / "cmp")


def test_a_prompt_with_line_ends_of_other_kinds_is_one_line_of_records(store: LocalStore) -> None:
    prompt = "first\u2028second\x85third\x0bfourth\r\nfifth\nsixth"
    keep(store, rk.sweep(prompt, steps=[5, 10], **SMALL), "lines")

    assert list(opened(store.folder / "runs" / "lines").table()["user_prompt"]) == [prompt] * 2


# What is no run


def test_one_level_too_high_says_the_names_below(store: LocalStore) -> None:
    keep_joint(store, TWO_ENDPOINTS, "cmp")
    runs = store.folder / "runs"

    for where in (store.folder, runs, f"{runs}/"):
        with pytest.raises(StoreError) as caught:
            open_place(where)
        assert str(caught.value) == (
            f"{store.folder if where == store.folder else runs} holds runs, give one of them: {runs}/<name>, with cmp, fig"
        )


def test_many_names_are_a_few_and_a_count(store: LocalStore) -> None:
    for number in range(14):
        store.put(*head_file(head_of(SIX, f"run-{number:02}"), RunState.DONE))

    with pytest.raises(StoreError, match=r"with fig, run-00, .*run-08 and 5 more$"):
        open_place(store.folder)


def test_a_name_that_is_not_there_says_which_are(store: LocalStore) -> None:
    (store.folder / "runs" / "empty").mkdir()
    for name in ("none", "empty"):
        with pytest.raises(StoreError, match=rf"no run is at {store.folder}/runs/{name}; runs there: fig$"):
            open_place(store.folder / "runs" / name)


def test_a_run_without_its_store_says_what_to_copy(store: LocalStore, tmp_path: Path) -> None:
    shutil.copytree(store.folder / "runs" / "fig", tmp_path / "Downloads" / "fig")

    with pytest.raises(StoreError, match=r"is a run's folder outside of its store.*`runs/fig` and `images` together"):
        open_place(tmp_path / "Downloads" / "fig")


def test_a_folder_that_was_given_another_name_says_its_own(store: LocalStore) -> None:
    (store.folder / "runs" / "fig").rename(store.folder / "runs" / "fig-2")
    with pytest.raises(StoreError, match=r"fig-2 holds the run 'fig': give its folder that name again"):
        open_place(store.folder / "runs" / "fig-2")
    (store.folder / "runs" / "fig-2").rename(store.folder / "runs" / "fig copy")
    with pytest.raises(ValueError, match="name='fig copy': a run's name has"):
        open_place(store.folder / "runs" / "fig copy")


@pytest.mark.parametrize(
    ("where", "words"),
    [
        ("images", "holds no run: a run's folder is"),
        ("runs/fig/records", "holds no run: a run's folder is"),
        ("runs/fig/run.json", r"run\.json is a file: give a run's folder"),
        ("runs/fig/nothing/there", "there is no folder"),
        ("nothing", "there is no folder"),
        ("x" * 5000, "there is no folder"),
        ("a\0b", "there is no folder"),
    ],
)
def test_other_places_are_told_as_what_they_are(store: LocalStore, bare_home: Path, where: str, words: str) -> None:
    with pytest.raises(StoreError, match=words):
        open_place(f"{store.folder}/{where}")
    assert not bare_home.exists()


def test_a_folder_that_may_not_be_looked_into_is_a_store_error() -> None:
    uid = os.geteuid()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "runs" / "fig").mkdir(parents=True)
        (folder / "runs" / "fig").chmod(0o000)
        if uid == 0:
            os.seteuid(65534)
        try:
            with pytest.raises(StoreError, match=r"runs/fig cannot be looked at: Permission denied"):
                open_place(folder / "runs" / "fig")
        finally:
            os.seteuid(uid)
            (folder / "runs" / "fig").chmod(0o700)


@pytest.mark.parametrize(
    "where",
    ["", "a name with blanks", "-rf", "..zip", "https://example.org/fig.zip", "file:///tmp/runs/a", "s3:/b/runs/a"],
)
def test_what_is_neither_a_place_nor_a_name_starts_nothing(bare_home: Path, where: str) -> None:
    with pytest.raises((ValueError, StoreError)):
        rk.open_run(where)
    assert not bare_home.exists()


def test_a_bare_name_is_no_place_even_beside_a_folder_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "fig").mkdir()

    assert open_place("fig") is None
    assert open_place("other") is None
    with pytest.raises(StoreError, match="holds no run"):
        open_place(Path("fig"))


@pytest.mark.parametrize(
    "text",
    [b"", b"{}", b"[]", b"null", b"3", b'"run"', b"\xff", b"[" * 100_000, b'{"state": "DONE"}', b'{"state": "?"}'],
)
def test_a_head_that_is_none_is_a_store_error(store: LocalStore, text: bytes) -> None:
    store.put("runs/fig/run.json", text)

    with pytest.raises(StoreError, match=r"fig: runs/fig/run\.json is not the head of a run"):
        open_place(store.folder / "runs" / "fig")


@pytest.mark.parametrize(
    "changed",
    [{"parts": [1]}, {"parts": [{}]}, {"parts": [{"endpoint": "one", "run": "../x", "left_out": []}], "plan": None}],
)
def test_parts_that_are_none_are_a_store_error(store: LocalStore, changed: dict[str, Any]) -> None:
    given = json.loads(store.get("runs/fig/run.json"))
    store.put("runs/fig/run.json", json.dumps({**given, **changed}).encode())

    with pytest.raises(StoreError, match=r"fig: .*cannot be read from|is not the head"):
        open_place(store.folder / "runs" / "fig")


@pytest.mark.parametrize("line", [b"{", b"[]", b"3", b'{"trial": 3}', b"\xff\xff", b"[" * 100_000])
def test_a_record_that_is_none_names_its_file_and_line(store: LocalStore, line: bytes) -> None:
    records = store.get("runs/fig/records/00000.jsonl")
    store.put("runs/fig/records/00000.jsonl", records + line + b"\n")

    with pytest.raises(StoreError, match=r"runs/fig/records/00000\.jsonl, line 7, is no record"):
        opened(store.folder / "runs" / "fig").table()


def test_a_record_that_names_a_file_outside_of_the_store_does_not_get_it(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(png(1))
    record = Record.from_json(store.get("runs/fig/records/00000.jsonl").decode().split("\n")[0])
    image = replace(record.images[0], key="../secret.png")
    store.put("runs/fig/records/00000.jsonl", replace(record, images=(image,)).to_json().encode())

    with pytest.raises(StoreError, match=r"key '\.\./secret\.png' is refused"):
        _ = opened(store.folder / "runs" / "fig").pictures()[0].bytes


# In a bucket


def configure(monkeypatch: pytest.MonkeyPatch, server: Server, spelling: str = "S3", **changed: str) -> None:
    four = {"ACCESS_KEY": server.access_key, "SECRET_KEY": server.secret_key, "ENDPOINT_URL": server.url}
    for name, value in {**four, "REGION": "ru-central1", **changed}.items():
        monkeypatch.setenv(f"{spelling}_{name}", value)


@pytest.fixture
def there(nanio: Server, store: LocalStore, tmp_path: Path) -> str:  # noqa: F811
    """The address of a prefix that holds what the folder does."""
    keep_joint(store, TWO_ENDPOINTS, "cmp")
    prefix = f"team/{tmp_path.name}"
    copy_all(store, store.keys(), nanio.store(prefix=prefix))
    return f"s3://pictures/{prefix}"


@pytest.mark.parametrize("spelling", ["S3", "YANDEX"])
@pytest.mark.parametrize("bucket", [{}, {"BUCKET_NAME": "pictures"}, {"BUCKET_NAME": "another"}])
def test_a_buckets_run_is_the_folders_whatever_bucket_is_configured(
    there: str,
    store: LocalStore,
    nanio: Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    bare_home: Path,
    spelling: str,
    bucket: dict[str, str],
) -> None:
    configure(monkeypatch, nanio, spelling, **bucket)
    here, away = opened(store.folder / "runs" / "fig"), rk.open_run(f"{there}/runs/fig")

    pd.testing.assert_frame_equal(away.table(), here.table())
    assert [picture.bytes for picture in away.pictures()] == [picture.bytes for picture in here.pictures()]
    assert "X-Amz-Signature" in away.pictures()[0].url
    joint = rk.open_run(f"{there}/runs/cmp/")
    assert list(joint.table()["endpoint"]) == ["one", "one", "two", "two"]
    with pytest.raises(ConfigError, match="can only be read"):
        joint.cancel()
    assert not bare_home.exists()


def test_a_run_at_the_root_of_a_bucket_needs_no_prefix(
    nanio: Server,  # noqa: F811
    store: LocalStore,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(monkeypatch, nanio)
    copy_all(store, store.keys(), nanio.store())

    assert len(rk.open_run("S3://pictures/runs/fig").pictures()) == 5


def test_a_prefix_of_the_settings_is_not_put_before_an_address_and_is_told_where_it_was_meant(
    there: str,
    nanio: Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefix = there.removeprefix("s3://pictures/")
    configure(monkeypatch, nanio, BUCKET_NAME="pictures")
    monkeypatch.setenv("S3_PREFIX", prefix)

    assert len(rk.open_run(f"{there}/runs/fig").pictures()) == 5
    with pytest.raises(
        StoreError, match=rf"no run is at .*S3_PREFIX is {prefix}, so your own are at {there}/runs/<name>$"
    ):
        rk.open_run("s3://pictures/runs/never")
    with pytest.raises(StoreError, match=rf"no run is at {there}/runs/never; runs there: cmp, fig$"):
        rk.open_run(f"{there}/runs/never")


def test_places_in_a_bucket_that_are_no_run_say_what_is_there(
    there: str,
    nanio: Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(monkeypatch, nanio)

    for where in (there, f"{there}/", f"{there}/runs"):
        with pytest.raises(StoreError, match=rf"holds runs, give one of them: {there}/runs/<name>, with cmp, fig$"):
            rk.open_run(where)
    for where in (f"{there}/images", "s3://pictures/nothing/here", f"{there}/runs/fig/records"):
        with pytest.raises(StoreError, match=rf"{where} holds no run: a run lies at …/runs/<name>"):
            rk.open_run(where)
    with pytest.raises(StoreError, match="the bucket does not exist there"):
        rk.open_run("s3://nowhere/runs/fig")
    with pytest.raises(StoreError, match=r"key '.*/\.\./x' is refused: its part '\.\.' starts with a dot"):
        rk.open_run(f"{there}/../x/runs/fig")
    with pytest.raises(ValueError, match=r"name='\.\.'"):
        rk.open_run(f"{there}/runs/..")
    with pytest.raises(ValueError, match="'s3:///runs/fig': there is no bucket in it"):
        rk.open_run("s3:///runs/fig")
    with pytest.raises(ValueError, match="a frozen run is opened from a file; download it first"):
        rk.open_run(f"{there}/fig.zip")
    with pytest.raises(ValueError, match="give the address as text"):
        rk.open_run(Path(f"{there}/runs/fig"))


def test_without_keys_it_says_which_settings_to_make(bare_home: Path) -> None:
    with pytest.raises(ConfigError, match=r"s3://pictures/runs/fig: .*set YANDEX_ACCESS_KEY, YANDEX_SECRET_KEY too"):
        rk.open_run("s3://pictures/runs/fig")
    assert not bare_home.exists()


def test_wrong_keys_are_told_and_not_repeated(
    there: str,
    nanio: Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(monkeypatch, nanio, SECRET_KEY="canary-secret-0123456789")

    with pytest.raises(StoreError, match="the keys are wrong: check YANDEX_ACCESS_KEY") as caught:
        rk.open_run(f"{there}/runs/fig")
    assert "canary" not in str(caught.value)


# On a machine that has nothing

READ = """
import sys
import runpodkit as rk
run = rk.open_run(sys.argv[1])
table = run.table()
assert len(table) == 6 and len(run.pictures()) == 5, table
run.grid().save("grid.png")
run.to_csv("fig.csv")
run.wait()
for name in ("cancel", "pause", "resume", "retry"):
    try: getattr(run, name)()
    except Exception as exc: assert "can only be read" in str(exc), exc
    else: raise SystemExit(f"{name} did something")
import os, subprocess
listed = subprocess.run(["ps", "-A", "-o", "ppid=,args="], capture_output=True, text=True, check=True).stdout
children = [line.split()[1:] for line in listed.splitlines() if line.split()[0] == str(os.getpid())]
assert [words[0] for words in children] == ["ps"], children
print(run, table["cost_usd"].sum().round(6))
"""


@pytest.mark.parametrize("kind", ["folder", "bucket", "zip"])
def test_a_finished_run_is_read_where_there_is_neither_redis_nor_a_key(
    store: LocalStore,
    tmp_path: Path,
    kind: str,
    request: pytest.FixtureRequest,
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    env = {"PATH": os.environ["PATH"], "RUNPODKIT_HOME": str(elsewhere / "home"), "HOME": str(elsewhere)}
    if kind == "folder":
        shutil.copytree(store.folder, elsewhere / "copied")
        where = str(elsewhere / "copied" / "runs" / "fig")
    elif kind == "zip":
        where = str(opened(store.folder / "runs" / "fig").freeze(elsewhere / "fig.zip"))
    else:
        server: Server = request.getfixturevalue("nanio")
        where = f"{request.getfixturevalue('there')}/runs/fig"
        env |= {"S3_ACCESS_KEY": server.access_key, "S3_SECRET_KEY": server.secret_key}
        env |= {"S3_ENDPOINT_URL": server.url, "S3_REGION": "ru-central1"}
    shutil.move(store.folder, tmp_path / "gone")

    done = subprocess.run([sys.executable, "-c", READ, where], cwd=elsewhere, env=env, capture_output=True, text=True)

    assert done.stdout == "Run fig: DONE, 5 of 6 pictures, 1 failed, SIMULATOR 0.005\n", done.stderr
    assert not (elsewhere / "home").exists()


# Frozen


def test_a_frozen_file_of_something_else_is_no_run(tmp_path: Path) -> None:
    from runpodkit.storage.zipped import write_zip

    write_zip(tmp_path / "kept.zip", [("a.png", b"x")], {})
    with pytest.raises(StoreError, match=r"kept\.zip was not made by run\.freeze"):
        open_place("kept.zip")
    write_zip(tmp_path / "kept.zip", [("a.png", b"x")], {"run": "fig"})
    with pytest.raises(StoreError, match=r"no run is at .*kept\.zip"):
        open_place("kept.zip")
    write_zip(tmp_path / "kept.zip", [("a.png", b"x")], {"run": "../fig"})
    with pytest.raises(ValueError, match=r"name='\.\./fig'"):
        open_place("kept.zip")
    with pytest.raises(StoreError, match=r"there is no file .*nope\.zip"):
        open_place("nope.zip")


def test_an_unpacked_frozen_run_is_a_folder_like_any_other(store: LocalStore, tmp_path: Path) -> None:
    run = opened(store.folder / "runs" / "fig")
    run.prefer("anna", [Preference("steps", 0, 1, 0, 0)])
    with zipfile.ZipFile(run.freeze(tmp_path / "fig.zip")) as archive:
        archive.extractall(tmp_path / "out")

    unpacked = opened(tmp_path / "out" / "runs" / "fig")
    pd.testing.assert_frame_equal(unpacked.table(), run.table())
    assert list(unpacked.table()["wins"]) == [1, 0, 0, 0, 0, 0]


def test_the_command_line_freezes_a_run_where_it_lies_and_starts_nothing(store: LocalStore, bare_home: Path) -> None:
    done = CliRunner().invoke(main, ["freeze", str(store.folder / "runs" / "fig")])
    again = CliRunner().invoke(main, ["freeze", "fig.zip", "--out", "copy.zip"])
    wrong = CliRunner().invoke(main, ["freeze", str(store.folder)])

    assert (done.exit_code, done.stdout, again.stdout) == (0, "fig.zip\n", "copy.zip\n")
    assert Path("fig.zip").read_bytes() == Path("copy.zip").read_bytes()
    assert wrong.exit_code == 1
    assert wrong.stderr.startswith("Error: ")
    assert "with fig" in wrong.stderr
    assert not bare_home.exists()


def test_a_sweep_comes_back_with_the_run(store: LocalStore) -> None:
    assert opened(store.folder / "runs" / "fig").sweep == SIX
    assert isinstance(SIX, Sweep)
