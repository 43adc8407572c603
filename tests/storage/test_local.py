"""The folder store: what lies on the disk, writers that die, disks that are full or shut."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.errors import StoreError
from runpodkit.storage.local import LocalStore


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


def files(store: LocalStore) -> list[str]:
    return sorted(str(path.relative_to(store.folder)) for path in store.folder.rglob("*") if path.is_file())


def test_a_key_is_a_file_of_that_name_and_nothing_else_is_left(store: LocalStore) -> None:
    store.put("images/3f/3f9c-0.png", b"one", content_type="image/png")
    store.put("images/3f/3f9c-0.png", b"two")

    assert files(store) == ["images/3f/3f9c-0.png"]
    assert (store.folder / "images/3f/3f9c-0.png").read_bytes() == b"two"


def test_files_have_the_mode_the_user_asks_for(store: LocalStore) -> None:
    before = os.umask(0o027)
    try:
        store.put("a", b"")
    finally:
        os.umask(before)

    assert (store.folder / "a").stat().st_mode & 0o777 == 0o640


def test_the_link_is_a_file_address(store: LocalStore) -> None:
    assert store.url("a b/ü.png") == f"file://{store.folder}/a%20b/%C3%BC.png"


def test_the_repr_is_the_folder(store: LocalStore) -> None:
    assert repr(store) == f"LocalStore('{store.folder}')"


def test_what_others_left_in_the_folder_is_passed_over(store: LocalStore) -> None:
    store.put("runs/a", b"")
    (store.folder / ".DS_Store").write_bytes(b"")
    (store.folder / "runs" / ".put-0123").write_bytes(b"half a pict")

    assert list(store.keys()) == ["runs/a"]


def test_only_the_folders_a_prefix_needs_are_opened(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("images/3f/3f9c-0.png", "images/40/40ab-0.png", "runs/a/plan.json"):
        store.put(key, b"")
    opened: list[str] = []
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: opened.append(str(Path(path).name)) or scandir(path))

    assert list(store.keys("images/3f/3f9c")) == ["images/3f/3f9c-0.png"]
    assert opened == ["3f"]
    opened.clear()
    assert next(store.keys()) == "images/3f/3f9c-0.png"
    assert opened == ["store", "images", "3f"]


def test_folders_that_a_delete_left_empty_go_too(store: LocalStore) -> None:
    store.put("runs/a/plan.json", b"")
    store.put("runs/b/plan.json", b"")
    store.delete("runs/a/plan.json")

    assert [path.name for path in (store.folder / "runs").iterdir()] == ["b"]
    store.delete("runs/b/plan.json")
    assert store.folder.is_dir()
    assert list(store.folder.iterdir()) == []


def test_deleting_what_is_no_key_changes_nothing(store: LocalStore) -> None:
    store.put("runs/a", b"")
    store.delete("runs")
    store.delete("runs/a/b")

    assert list(store.keys()) == ["runs/a"]


def test_a_writer_killed_half_way_leaves_the_old_value(store: LocalStore) -> None:
    store.put("a", b"old")
    code = (
        "import os, signal; from pathlib import Path; from runpodkit.storage.local import LocalStore; "
        "os.fsync = lambda fd: os.kill(os.getpid(), signal.SIGKILL); "
        f"LocalStore(Path({str(store.folder)!r})).put('a', b'new' * 1000)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == -9

    assert store.get("a") == b"old"
    assert list(store.keys()) == ["a"]


def test_a_file_that_may_not_grow_is_a_clear_error_and_leaves_nothing(store: LocalStore) -> None:
    store.put("a", b"old")
    code = (
        "import resource; from pathlib import Path; from runpodkit.storage.local import LocalStore; "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        f"LocalStore(Path({str(store.folder)!r})).put('a', b'new' * 1000)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)

    assert "StoreError: cannot store key 'a': the disk or quota of" in ended.stderr
    assert "set RUNPODKIT_HOME to a folder with more" in ended.stderr
    assert files(store) == ["a"]
    assert store.get("a") == b"old"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux")
def test_a_full_disk_says_what_to_do(store: LocalStore, monkeypatch: pytest.MonkeyPatch) -> None:
    create = os.open

    def on_the_full_disk(path: object, flags: int, mode: int = 0o777) -> int:
        return create("/dev/full" if flags & os.O_EXCL else path, flags & ~os.O_EXCL, mode)  # type: ignore[call-overload,no-any-return]

    monkeypatch.setattr(os, "open", on_the_full_disk)
    with pytest.raises(StoreError, match=r"cannot store key 'a': the disk or quota of .* is full: make room, or set"):
        store.put("a", b"x")
    assert list(store.keys()) == []


@pytest.fixture
def shut_folder() -> Iterator[Path]:
    """A folder that we may neither write nor look into, also when root runs the tests."""
    uid = os.geteuid()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        folder.chmod(0o755)
        (folder / "store").mkdir()
        (folder / "store" / "a").write_bytes(b"")
        (folder / "store").chmod(0o000)
        if uid == 0:
            os.seteuid(65534)
        try:
            yield folder / "store"
        finally:
            os.seteuid(uid)
            (folder / "store").chmod(0o700)


def test_no_permission_says_where_and_what_to_do(shut_folder: Path) -> None:
    store = LocalStore(shut_folder)

    for call, deed in (
        (lambda: store.put("b", b""), "store key 'b'"),
        (lambda: store.get("a"), "read key 'a'"),
        (lambda: store.delete("a"), "delete key 'a'"),
        (lambda: list(store.keys("im")), "list keys that start with 'im'"),
    ):
        with pytest.raises(StoreError) as caught:
            call()
        assert str(caught.value).startswith(f"cannot {deed}: no permission in {shut_folder}")
        assert str(caught.value).endswith("change its owner or mode, or set RUNPODKIT_HOME")


def test_a_key_cannot_be_the_folder_of_another(store: LocalStore) -> None:
    store.put("runs/a", b"")

    for key in ("runs", "runs/a/b", "runs/a/b/c"):
        with pytest.raises(StoreError, match=rf"cannot store key '{key}': .*a file stands where it needs a folder"):
            store.put(key, b"")
    assert files(store) == ["runs/a"]


def test_a_linked_folder_is_part_of_the_store(store: LocalStore, tmp_path: Path) -> None:
    (tmp_path / "big disk").mkdir()
    store.folder.mkdir()
    (store.folder / "images").symlink_to(tmp_path / "big disk")
    store.put("images/a.png", b"x")

    assert (tmp_path / "big disk" / "a.png").read_bytes() == b"x"
    assert list(store.keys()) == ["images/a.png"]


PART = st.text("ab.-0 é", min_size=1, max_size=3).filter(lambda part: not part.startswith("."))
KEY = st.lists(PART, min_size=1, max_size=3).map("/".join)


@settings(max_examples=60, deadline=None)
@given(wanted=st.sets(KEY, max_size=8), prefix=st.one_of(KEY, KEY.map("{}/".format), st.just("")))
def test_keys_are_those_put_sorted_and_begun_by_the_prefix(wanted: set[str], prefix: str) -> None:
    keys = {key for key in wanted if not any(other.startswith(f"{key}/") for other in wanted)}
    with tempfile.TemporaryDirectory() as folder:
        store = LocalStore(Path(folder))
        for key in keys:
            store.put(key, b"")

        assert list(store.keys(prefix)) == sorted(key for key in keys if key.startswith(prefix))
