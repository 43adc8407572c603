"""The files around the package: each says what the others say, and none is out of date."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import AliasChoices

import runpodkit
from runpodkit.settings import Settings

ROOT = Path(__file__).parents[1]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]
NOT_FOR_USERS = {"RUNPODKIT_ENV_FILE"}  # set by Settings.load, to say which `.env` was read


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def wanted() -> set[str]:
    """Every requirement of the package and its extras, as pyproject.toml writes it."""
    return {one for group in (PROJECT["dependencies"], *EXTRAS.values()) for one in group} - set(EXTRAS["all"])


def pins() -> dict[str, list[tuple[str, str]]]:
    """Versions and markers in requirements.lock, by canonical name."""
    found: dict[str, list[tuple[str, str]]] = {}
    for name, version, marker in re.findall(r"^(\S+)==(\S+)(?: ; (.*?))? \\$", text("requirements.lock"), re.MULTILINE):
        found.setdefault(canonicalize_name(name), []).append((version, marker))
    return found


def names_of(field: str) -> list[str]:
    """The environment variables that set a field."""
    info = Settings.model_fields[field]
    if isinstance(info.validation_alias, AliasChoices):
        return [str(choice) for choice in info.validation_alias.choices]
    return [str(info.alias)]


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", text("Makefile"), re.MULTILINE))


def make(*words: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run make as a person would, also when `make test` runs this test."""
    env = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "PYTHON")}
    return subprocess.run(["make", *words], cwd=cwd, env=env, capture_output=True, text=True)


def test_the_version_is_the_same_in_the_package_and_in_pyproject() -> None:
    assert runpodkit.__version__ == PROJECT["version"]


def test_the_licence_is_there_and_the_one_that_pyproject_names() -> None:
    assert PROJECT["license"] == "MIT"
    assert text("LICENSE").startswith("MIT License\n\nCopyright (c) 2026 The runpodkit developers\n")


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "runpodkit" / "py.typed").is_file()


def test_the_extra_all_holds_every_other_extra() -> None:
    (everything,) = EXTRAS["all"]

    assert Requirement(everything).extras == set(EXTRAS) - {"all"}


def conda() -> dict[str, Any]:
    entries: dict[str, Any] = yaml.safe_load(text("environment.yml"))
    return entries


def asked_of_pip() -> list[str]:
    (entries,) = (entry["pip"] for entry in conda()["dependencies"] if isinstance(entry, dict))
    return list(entries)


def test_conda_users_get_the_same_requirements() -> None:
    assert set(asked_of_pip()) == wanted() | {"-e ."}
    assert len(asked_of_pip()) == len(set(asked_of_pip()))
    assert asked_of_pip()[-1] == "-e ."  # after its requirements, so that it asks for nothing more


def test_conda_gets_the_python_that_the_package_asks_for() -> None:
    assert [entry for entry in conda()["dependencies"] if isinstance(entry, str)] == [
        f"python{PROJECT['requires-python']}",
        "pip",
    ]


def test_conda_can_read_its_file() -> None:
    """Its keys are those of `conda env create`; what conda itself installs is a name with bounds, as a MatchSpec is."""
    assert list(conda()) == ["name", "channels", "dependencies"]
    assert conda()["name"] == PROJECT["name"]
    assert conda()["channels"] == ["conda-forge"]
    for entry in conda()["dependencies"]:
        if isinstance(entry, str):
            assert re.fullmatch(
                r"[a-z0-9][a-z0-9._-]*((>=|<=|==|!=|~=|>|<|=)[0-9][0-9.]*\*?(,(?=[<>=!~]))?)*", entry
            ), entry
        else:
            assert list(entry) == ["pip"]


def test_what_conda_hands_to_pip_is_named_and_bounded_as_pip_reads_it() -> None:
    for entry in asked_of_pip()[:-1]:
        assert isinstance(entry, str)
        one = Requirement(entry)
        assert not one.url, entry
        assert one.specifier or one.name.startswith(("types-", "pandas-stubs")), f"{entry} has no bound"


def test_the_conda_file_says_which_extra_asks_for_what() -> None:
    said: dict[str, list[str]] = {}
    for line in text("environment.yml").splitlines():
        if title := re.fullmatch(r" {6}# (?:extra `(\w+)`|(runpodkit itself|this checkout))", line):
            group = said.setdefault(title.group(1) or title.group(2), [])
        elif line.startswith("      - "):
            group.append(yaml.safe_load(line)[0])
    everything = {"runpodkit itself": PROJECT["dependencies"], **EXTRAS, "this checkout": ["-e ."]}
    del everything["all"]
    seen: set[str] = set()
    for name, requirements in everything.items():  # an extra that asks for what an earlier one asked for leaves it out
        assert said[name] == [one for one in requirements if one not in seen], name
        seen |= set(requirements)
    assert list(said) == list(everything)


def test_the_lock_meets_every_requirement() -> None:
    locked = pins()

    assert len(locked) > 100
    for one in map(Requirement, wanted()):
        assert canonicalize_name(one.name) in locked, f"{one}: run `make lock`"
        for version, _ in locked[canonicalize_name(one.name)]:
            assert one.specifier.contains(version), f"{one}, but {version} is locked: run `make lock`"


def test_the_lock_names_no_registry_and_hashes_everything() -> None:
    lock = text("requirements.lock")

    assert "://" not in lock
    assert "--index" not in lock
    assert "--find-links" not in lock
    for entry in re.split(r"\n(?=\S)", lock.strip()):
        assert "--hash=sha256:" in entry, entry


def test_the_environment_example_names_every_setting_once_and_sets_none() -> None:
    lines = re.findall(r"^([A-Z][A-Z0-9_]*)=(.*)$", text(".env.example"), re.MULTILINE)
    settings = {name for field in Settings.model_fields for name in names_of(field)} - NOT_FOR_USERS

    assert sorted(name for name, _ in lines) == sorted(settings)
    assert [name for name, value in lines if value] == []


def test_the_environment_example_may_be_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text(text(".env.example"))
    (tmp_path / ".env").chmod(0o600)
    monkeypatch.delenv("RUNPODKIT_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    settings = Settings.load(tmp_path)

    assert settings.env_file == tmp_path / ".env"
    assert (settings.runpod_url, settings.runpod_api_key, settings.s3_bucket_name) == (None, None, None)
    assert settings.home == tmp_path / ".runpodkit"
    assert settings.dialect is None


def test_the_commands_of_the_readme_are_there() -> None:
    named = set(re.findall(r"^\s*(?:\$ )?make ([a-z]+)", text("README.md"), re.MULTILINE))
    named |= set(re.findall(r"`make ([a-z]+)", text("README.md")))

    assert {"demo", "test"} <= named
    assert named <= targets()


def test_the_makefile_says_what_each_command_does() -> None:
    said = make("help").stdout

    assert {line.split("\t")[0] for line in said.splitlines()} == targets() - {"unit", "notebooks"}


def test_an_old_python_is_one_clear_line(tmp_path: Path) -> None:
    for name in ("Makefile", "requirements.lock", "pyproject.toml"):
        (tmp_path / name).write_text(text(name))
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\nif [ "$1" = -V ]; then echo Python 3.10.13; else exit 1; fi\n')
    old.chmod(0o755)
    ended = make(f"PYTHON={old}", "demo", cwd=tmp_path)

    assert ended.returncode == 2
    assert ended.stderr.splitlines()[0] == (
        f"runpodkit needs Python 3.11 or newer, and '{old}' is Python 3.10.13; "
        "name another one: make PYTHON=python3.12 demo"
    )
    assert not (tmp_path / ".venv").exists()


def test_the_checks_of_ci_are_those_of_the_readme() -> None:
    steps = re.findall(r"^step (\w+)$", text(".ci/run"), re.MULTILINE)

    assert steps == ["venv", "lint", "audit", "docs", "test"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_secrets_and_environments_are_not_committed() -> None:
    assert {".env", "/.venv/", "/runs/", "/uv.lock"} <= set(text(".gitignore").split())


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "\n## [Unreleased]\n" in text("CHANGELOG.md")
