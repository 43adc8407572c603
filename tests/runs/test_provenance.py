"""Provenance: what is noted of where a run was asked for, what is not, and that nothing of it fails a submit."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from runpodkit.runs import provenance
from runpodkit.runs.provenance import commit, from_here, gather, in_words, notebook


def git(folder: Path, *words: str) -> str:
    env = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    named = ["-c", "user.name=x", "-c", "user.email=x@example.invalid"]
    done = subprocess.run(["git", *named, *words], cwd=folder, env=env, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    (folder / "deep").mkdir(parents=True)
    git(folder, "init", "-q")
    (folder / "a.txt").write_text("1")
    git(folder, "add", "a.txt")
    git(folder, "commit", "-qm", "one")
    return folder


def test_commit_and_changes_are_those_of_the_folder(repository: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")

    assert commit(repository / "deep") == {"commit": head, "dirty": False}
    (repository / "new.txt").write_text("not tracked: no change")
    assert commit(repository) == {"commit": head, "dirty": False}
    (repository / "a.txt").write_text("2")
    assert commit(repository) == {"commit": head, "dirty": True}


def test_packed_refs_worktrees_and_a_detached_head_are_read(repository: Path, tmp_path: Path) -> None:
    head = git(repository, "rev-parse", "HEAD")
    git(repository, "pack-refs", "--all")
    assert commit(repository) == {"commit": head, "dirty": False}

    git(repository, "worktree", "add", "-q", str(tmp_path / "other"))
    assert commit(tmp_path / "other") == {"commit": head, "dirty": False}

    git(repository, "checkout", "-q", "--detach")
    assert commit(repository) == {"commit": head, "dirty": False}


def test_a_git_that_hangs_or_is_missing_leaves_the_changes_unknown(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = git(repository, "rev-parse", "HEAD")
    monkeypatch.setattr(provenance, "GIT_PATIENCE_S", 0.05)
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin/git"
    slow.write_text(f"#!{sys.executable}\nimport time\ntime.sleep(30)\n")
    slow.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert commit(repository) == {"commit": head, "dirty": None}

    monkeypatch.setenv("PATH", "")
    assert commit(repository) == {"commit": head, "dirty": None}


def test_a_broken_or_missing_repository_is_none(tmp_path: Path) -> None:
    assert gather(tmp_path)["git"] is None
    (tmp_path / ".git").mkdir()
    assert gather(tmp_path)["git"] is None
    (tmp_path / ".git/HEAD").write_text("ref: refs/heads/none")
    assert gather(tmp_path)["git"] is None


def test_paths_are_told_from_the_folder_or_the_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "home", lambda: Path("/home/ann"))
    here = Path("/home/ann/study")

    assert from_here("/home/ann/study/nb/one.ipynb", here) == "nb/one.ipynb"
    assert from_here("/home/ann/other/one.ipynb", here) == "~/other/one.ipynb"
    assert from_here("/srv/secret-client/one.ipynb", here) == "one.ipynb"
    assert from_here("nb/one.ipynb", here) == "nb/one.ipynb"


def shell(**names: Any) -> SimpleNamespace:
    return SimpleNamespace(user_ns=names, kernel=object())


def test_the_notebook_is_known_in_a_kernel_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    here = Path("/data")
    monkeypatch.setenv("JPY_SESSION_NAME", "/data/nb/lab.ipynb")
    assert notebook(here) is None  # a script that a kernel started inherits the variable

    monkeypatch.setattr(provenance, "_shell", shell)
    assert notebook(here) == "nb/lab.ipynb"
    monkeypatch.setattr(provenance, "_shell", lambda: shell(__vsc_ipynb_file__="/data/code.ipynb"))
    assert notebook(here) == "code.ipynb"
    monkeypatch.setattr(provenance, "_shell", lambda: shell(__session__="nb/old.ipynb"))
    monkeypatch.delenv("JPY_SESSION_NAME")
    assert notebook(here) == "nb/old.ipynb"
    monkeypatch.setenv("JPY_SESSION_NAME", "/data/nb/a.ipynb-jvsc-0123456789abcdef")
    monkeypatch.setattr(provenance, "_shell", shell)
    assert notebook(here) == "nb/a.ipynb"


def test_nothing_of_the_environment_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "canary-in-the-environment")
    known = gather(tmp_path)

    assert set(known) == {"notebook", "git", "packages", "python", "user"}
    assert "canary" not in str(known)
    assert set(known["packages"]) <= set(provenance.PACKAGES)


def test_a_user_without_a_name_and_a_folder_that_is_gone_fail_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> Path:
        raise FileNotFoundError

    def nobody() -> str:
        raise KeyError("uid not found")

    monkeypatch.setattr(Path, "cwd", gone)
    monkeypatch.setattr(provenance.getpass, "getuser", nobody)
    known = gather()
    assert (known["notebook"], known["git"], known["user"]) == (None, None, None)


def test_words_leave_out_what_is_not_known() -> None:
    known = {"notebook": None, "git": {"commit": "ab", "dirty": True}, "packages": {"pandas": "2"}, "user": None}

    assert in_words(known) == [("commit", "ab, with changes that were not committed"), ("packages", "pandas 2")]
    assert in_words({}) == []
