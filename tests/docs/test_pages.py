"""README and docs as text: links hold, files that are named are there, every command and public name has its place."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import pytest
import yaml

import runpodkit
from runpodkit.cli import main
from tests.docs.blocks import PAGES, ROOT, blocks_of, name_of

DOCS = ROOT / "docs"
LINK = re.compile(r"\]\(([^)\s]+)\)")
NAMED_FILE = re.compile(r"`((?:benchmarks|notebooks|examples|tests|docs|runpodkit)/[\w./-]+\.\w+)`")


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return re.sub(r"^( *)```.*?^\1```", "", page.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)


def anchors(page: Path) -> set[str]:
    """Of its headings: named, or made of their words."""
    found = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        named = re.search(r"\{ #([\w-]+) \}$", heading)
        words = re.sub(r"[^\w\s-]", "", re.sub(r"`", "", heading).lower()).strip()
        found.add(named.group(1) if named else re.sub(r"[\s-]+", "-", words))
    return found


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for target in LINK.findall(prose(page)):
        parts = urlsplit(target)
        if parts.scheme:
            continue
        there = (page.parent / parts.path).resolve() if parts.path else page
        if (
            not there.exists()
            or not there.is_relative_to(ROOT)
            or (parts.fragment and "/reference/" not in there.as_posix() and parts.fragment not in anchors(there))
        ):
            lost.append(target)
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_files_that_are_named_are_there(page: Path) -> None:
    assert [file for file in NAMED_FILE.findall(page.read_text("utf-8")) if not (ROOT / file).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_folder_of_somebody_s_machine(page: Path) -> None:
    assert re.findall(r"(?<![\w.~-])/(?:home|root|tmp|Users|work)/\w+", page.read_text("utf-8")) == []


def test_every_page_is_in_the_navigation_and_there() -> None:
    lines = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = set(re.findall(r"[\w/-]+\.md", lines[lines.index("\nnav:") : lines.index("\nexclude_docs:")]))

    assert {page.relative_to(DOCS).as_posix() for page in PAGES if page.is_relative_to(DOCS)} == listed


def test_the_site_asks_no_other_host() -> None:
    settings = yaml.load((ROOT / "mkdocs.yml").read_text("utf-8"), Loader=_Loader)
    text = (ROOT / "mkdocs.yml").read_text("utf-8") + (DOCS / "stylesheets/extra.css").read_text("utf-8")

    assert settings["theme"]["font"] is False
    assert "analytics" not in text
    assert "extra_javascript" not in settings
    assert "http" not in text
    assert [target for page in PAGES for target in re.findall(r"!\[[^]]*\]\((http[^)]+)\)", prose(page))] == []


class _Loader(yaml.SafeLoader):
    """Of mkdocs.yml, whose `!!python/name:` tags name functions of the theme."""


_Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, name, node: name)


def test_both_quick_starts_have_the_same_code() -> None:
    english, russian = (blocks_of(DOCS / page) for page in ("quick-start.md", "ru/quick-start.md"))

    assert [(one.language, one.code, one.not_run) for one in russian] == [
        (one.language, one.code, one.not_run) for one in english
    ]


def test_every_public_name_has_a_place_in_the_reference() -> None:
    index = (DOCS / "reference/index.md").read_text("utf-8")
    described = "".join(page.read_text("utf-8") for page in (DOCS / "reference").glob("*.md"))

    for name in runpodkit.__all__:
        thing = getattr(runpodkit, name)
        place = f"{thing.__module__}.{thing.__name__}"
        assert f"::: {place}\n" in described, name
        assert f"#{place})" in index, name


def test_every_command_and_option_is_described() -> None:
    described = "\n" + _hook()["commands_as_markdown"]()

    def check(path: str, command: click.Command) -> None:
        if isinstance(command, click.Group):
            for name, inner in command.commands.items():
                check(f"{path} {name}", inner)
            return
        section = described.partition(f"\n## {path}\n")[2].partition("\n## ")[0]
        assert section, path
        for option in command.params:
            assert not isinstance(option, click.Option) or all(name in section for name in option.opts), (
                f"{path} {option}"
            )

    check("runpodkit", main)


def _hook() -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "pages"}
    exec(compile((DOCS / "hooks/pages.py").read_text("utf-8"), "pages.py", "exec"), names)
    return names


def test_commands_that_pages_name_exist() -> None:
    known = {"runpodkit", *(f"runpodkit {name}" for name in main.commands)}
    for page in PAGES:
        for name in re.findall(r"`runpodkit ([a-z][a-z-]*)", prose(page)):
            assert f"runpodkit {name}" in known, f"{name_of(page)}: runpodkit {name}"


def test_the_page_of_settings_is_the_example_which_names_every_setting() -> None:
    assert '--8<-- ".env.example"' in (DOCS / "reference/settings.md").read_text("utf-8")
