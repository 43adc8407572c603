"""Names that are no paths: of runs, of places to open, of keys in stores, of files in exports and plans.

Zip files made to do harm stand in tests/storage/test_zipped.py, keys of stores in tests/storage/test_storage.py.
"""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import runpodkit as rk
from runpodkit.errors import RunpodkitError
from runpodkit.runs.inputs import with_stored_images
from runpodkit.runs.plans import check_name
from runpodkit.storage import check_key
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep
from tests.runs.by_hand import kept_run

OUT = [
    "..", "../..", "../../etc", "/etc/passwd", "//host/share", "~", "~root", "~/x", "a/../../b", "a/..", "./a", "a/./b",
    "..\\..\\x", "C:\\x", "C:x", "\\\\host\\share", "a\0b", "a\nb", "a\r", "-rf", ".hidden", "", " ", "a b",
    "x" * 300, "%2e%2e", "..%2f..", "\u2024\u2024/x", "\uff0e\uff0e\uff0fx", "a:b", "a*", "$(id)", "`id`", "${HOME}", "a;b",
]  # fmt: skip


@pytest.mark.parametrize("name", OUT)
def test_no_such_name_is_a_runs(name: str) -> None:
    with pytest.raises(ValueError, match="a run's name has 1 to 80"):
        check_name(name)


@given(st.text(max_size=90))
@settings(max_examples=300, deadline=None)
def test_what_may_be_a_runs_name_is_one_plain_file_name(name: str) -> None:
    try:
        check_name(name)
    except ValueError:
        return
    assert Path("/store/runs", name).parent == Path("/store/runs")
    assert os.path.normpath(f"/store/runs/{name}") == f"/store/runs/{name}"
    assert name.isascii() and name.isprintable() and not set(name) & set("/\\:*?\"<>|'`$;& ~%")
    check_key(f"runs/{name}/run.json")


@pytest.mark.parametrize("where", [name for name in OUT if name not in ("", " ")])
def test_a_place_that_is_no_run_is_one_line_and_starts_nothing(tmp_path: Path, where: str) -> None:
    with pytest.raises((ValueError, RunpodkitError)) as caught:
        rk.open_run(where)
    assert "\n" not in str(caught.value).replace(where, "")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    "key", ["../x", "a/../../x", "/etc/passwd", "a//b", "a/./b", "a\\..\\b", "a\0b", "", "a/", "C:/x"]
)
def test_a_record_cannot_name_a_file_elsewhere(tmp_path: Path, key: str) -> None:
    """Records of others are read, and exported: the keys in them lead into their store alone."""
    (tmp_path / "x").write_text("private")
    kept = kept_run(tmp_path / "store", sweep("a mill", steps=1))
    record = kept.kept[0]
    object.__setattr__(record.images[0], "key", key)
    for write in (
        lambda: kept.export(tmp_path / "out"),
        lambda: kept.export(tmp_path / "out2", "imagefolder"),
        lambda: kept.to_html(tmp_path / "page.html"),
        lambda: kept.freeze(tmp_path / "run.zip"),
        lambda: kept.pictures()[0].bytes,
    ):
        if key in ("C:/x",):  # a name like any other, which is not there
            continue
        with pytest.raises((ValueError, RunpodkitError)):
            write()
    for path in tmp_path.rglob("*"):
        assert path == tmp_path / "x" or path.is_dir() or b"private" not in path.read_bytes()


def test_a_frozen_run_whose_manifest_names_a_file_elsewhere_is_none(tmp_path: Path) -> None:
    for name in ("../../x", "/etc/passwd", "runs/../../x"):
        with zipfile.ZipFile(tmp_path / "evil.zip", "w") as file:
            file.writestr("manifest.json", json.dumps({"run": name}))
            file.writestr(name, "x")
        with pytest.raises((ValueError, RunpodkitError)):
            rk.open_run(tmp_path / "evil.zip")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evil.zip"]


# plans of others


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "~/.ssh/id_rsa", "../secret.txt", "/dev/zero", "/proc/self/environ", "."]
)
def test_a_plan_reads_no_file_that_is_no_picture_and_shows_nothing_of_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str
) -> None:
    """A plan is run by whoever runs it: a path in it is read as a picture, or not at all."""
    monkeypatch.setenv("RUNPODKIT_CANARY", "canary-of-the-environment")
    (tmp_path / "secret.txt").write_text("canary-of-a-file")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    store = LocalStore(tmp_path / "store")

    with pytest.raises(ValueError, match="input_image=") as caught:
        with_stored_images(sweep("a mill", input_image=path), store)

    assert "canary" not in str(caught.value)
    assert list(store.keys()) == []
