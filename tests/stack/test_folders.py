"""Folders: who may own them, how long their paths are, and what is refused."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runpodkit.errors import StackError
from runpodkit.stack.folders import home_folder, remove_runtime_folder, runtime_folder


@pytest.fixture
def shared() -> Iterator[Path]:
    """A short folder in place of /tmp: pytest's own may be too long for a socket."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield Path(folder)


def test_a_new_home_is_open_to_its_user_alone(tmp_path):
    home = home_folder(tmp_path / "deep" / "home")

    assert stat.S_IMODE(home.stat().st_mode) == 0o700


def test_an_existing_home_keeps_its_mode(tmp_path):
    (tmp_path / "home").mkdir(mode=0o755)

    assert stat.S_IMODE(home_folder(tmp_path / "home").stat().st_mode) == 0o755


def test_a_home_that_others_may_write_to_is_refused_with_the_command_that_mends_it(tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home").chmod(0o770)

    with pytest.raises(StackError, match=rf"others may write to .*chmod go-w {tmp_path}/home"):
        home_folder(tmp_path / "home")


def test_a_home_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "home").touch()

    with pytest.raises(StackError, match="Set RUNPODKIT_HOME"):
        home_folder(tmp_path / "home")


def test_the_runtime_folder_is_private_and_named_after_user_and_home(shared):
    folder = runtime_folder(Path("/a/home"), environ={}, shared_temp=shared)

    assert folder.parent == shared / f"runpodkit-{os.getuid()}"
    assert len(folder.name) == 8
    assert [stat.S_IMODE(f.stat().st_mode) for f in (folder, folder.parent)] == [0o700, 0o700]


def test_the_same_home_has_the_same_runtime_folder_and_another_home_another(shared):
    names = [runtime_folder(Path(home), environ={}, shared_temp=shared) for home in ("/a", "/b", "/a")]

    assert names[0] == names[2] != names[1]


def test_a_home_reached_through_a_link_is_the_same_home(shared, tmp_path):
    (tmp_path / "link").symlink_to(tmp_path)

    assert runtime_folder(tmp_path, environ={}, shared_temp=shared) == runtime_folder(
        tmp_path / "link", environ={}, shared_temp=shared
    )


def test_a_session_folder_of_the_user_is_preferred(shared):
    session = shared / "session"
    session.mkdir(mode=0o700)

    folder = runtime_folder(Path("/a"), environ={"XDG_RUNTIME_DIR": str(session)}, shared_temp=shared)

    assert folder.parent == session


@pytest.mark.parametrize("trouble", ["missing", "open", "linked", "relative", "long"])
def test_a_session_folder_that_does_not_serve_is_passed_over(shared, trouble):
    session = shared / ("s" * 90 if trouble == "long" else "session")
    if trouble == "open":
        session.mkdir()
        session.chmod(0o755)
    elif trouble == "linked":
        (shared / "real").mkdir(mode=0o700)
        session.symlink_to(shared / "real")
    elif trouble == "long":
        session.mkdir(mode=0o700)
    environ = {"XDG_RUNTIME_DIR": "session" if trouble == "relative" else str(session)}

    assert runtime_folder(Path("/a"), environ=environ, shared_temp=shared).is_relative_to(
        shared / f"runpodkit-{os.getuid()}"
    )


@pytest.mark.parametrize("level", ["user", "home"])
def test_a_folder_that_others_can_enter_is_refused(shared, level):
    folder = runtime_folder(Path("/a"), environ={}, shared_temp=shared)
    (folder.parent if level == "user" else folder).chmod(0o777)

    with pytest.raises(StackError, match=r"cannot be trusted.*XDG_RUNTIME_DIR"):
        runtime_folder(Path("/a"), environ={}, shared_temp=shared)


@pytest.mark.parametrize("level", ["user", "home"])
def test_a_folder_replaced_by_a_link_is_refused(shared, level):
    folder = runtime_folder(Path("/a"), environ={}, shared_temp=shared)
    victim = folder.parent if level == "user" else folder
    victim.rename(shared / "moved")
    victim.symlink_to(shared / "moved")

    with pytest.raises(StackError, match="cannot be trusted"):
        runtime_folder(Path("/a"), environ={}, shared_temp=shared)


def test_a_folder_of_another_user_is_refused(shared):
    somebody = os.getuid() + 1  # whatever this process makes then belongs to "another user"

    with pytest.raises(StackError, match="owned by you"):
        runtime_folder(Path("/a"), environ={}, uid=somebody, shared_temp=shared)


def test_a_home_with_a_very_long_path_has_a_short_socket_path(tmp_path, shared):
    home = tmp_path.joinpath(*["a-long-folder-name"] * 20)

    assert len(os.fsencode(runtime_folder(home, environ={}, shared_temp=Path("/tmp")) / "redis.sock")) < 100
    remove_runtime_folder(home)


def test_a_path_too_long_for_a_socket_is_refused_before_anything_starts(shared):
    deep = shared / ("d" * 90)
    deep.mkdir()

    with pytest.raises(StackError, match="too long for a Unix socket"):
        runtime_folder(Path("/a"), environ={}, shared_temp=deep)


def test_removing_leaves_what_others_put_there(shared, monkeypatch):
    session = shared / "session"
    session.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session))
    folder = runtime_folder(Path("/a"), environ=os.environ)
    (folder / "redis.sock").touch()
    (folder / "note").touch()

    remove_runtime_folder(Path("/a"))

    assert [path.name for path in folder.iterdir()] == ["note"]
