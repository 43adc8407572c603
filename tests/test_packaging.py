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


def test_conda_users_get_the_same_requirements() -> None:
    conda = yaml.safe_load(text("environment.yml"))
    (by_pip,) = (entry["pip"] for entry in conda["dependencies"] if isinstance(entry, dict))

    assert f"python{PROJECT['requires-python']}" in conda["dependencies"]
    assert "pip" in conda["dependencies"]
    assert set(by_pip) == wanted() | {"-e ."}
    assert len(by_pip) == len(set(by_pip))


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

    assert steps == ["venv", "lint", "audit", "test"]
    assert (ROOT / ".ci" / "run").stat().st_mode & 0o111


def test_containers_open_ports_to_this_machine_alone_and_are_given_time_to_stop() -> None:
    services = yaml.safe_load(text("docker-compose.local.yml"))["services"]

    assert {"redis", "worker", "simulator", "flower", "jupyter"} <= set(services)
    for name, service in services.items():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
        assert service.get("network_mode") != "host", name
        assert re.fullmatch(r"\d+s", service["stop_grace_period"]), name


def test_containers_refer_to_what_is_there() -> None:
    compose = yaml.safe_load(text("docker-compose.local.yml"))
    settings = {name for field in Settings.model_fields for name in names_of(field)}

    for name, service in compose["services"].items():
        assert set(service.get("depends_on", {})) <= set(compose["services"]), name
        assert set(service.get("environment", {})) <= settings, name
        assert {volume.split(":")[0] for volume in service.get("volumes", ())} <= set(compose["volumes"]), name
        if service["image"] != "redis:8-alpine":
            assert service["image"] == compose["services"]["simulator"]["image"], name


def test_the_redis_of_the_containers_keeps_what_it_acknowledged() -> None:
    words = " ".join(yaml.safe_load(text("docker-compose.local.yml"))["services"]["redis"]["command"])

    assert "--appendonly yes" in words
    assert "--appendfsync always" in words
    assert "--maxmemory-policy noeviction" in words


def test_secrets_and_environments_are_neither_committed_nor_sent_to_docker() -> None:
    ignored = text(".gitignore").split()

    assert {".env", "/.venv/", "/runs/", "/uv.lock"} <= set(ignored)
    assert text(".dockerignore").split()[0] == "*"
    assert not [line for line in text(".dockerignore").split() if line.startswith("!") and "env" in line]


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    assert "\n## [Unreleased]\n" in text("CHANGELOG.md")
