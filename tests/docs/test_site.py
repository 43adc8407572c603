"""The site as it is built: strictly, and asking no other host when it is read; the reference says what the code says."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import griffe
import pytest

from tests.docs.blocks import ROOT

LOADS = {
    "script": "src",
    "img": "src",
    "link": "href",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "object": "data",
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` does, elsewhere."""
    folder = tmp_path_factory.mktemp("site")
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    env = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, timeout=120)
    assert built.returncode == 0, built.stderr
    return folder


class _Loaded(HTMLParser):
    """What a browser fetches for a page without being asked."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "link" and given.get("rel") in ("prev", "next", "canonical"):
            return
        if address := given.get(LOADS.get(tag, "")):
            self.addresses.append(address)


def test_a_page_loads_nothing_from_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))

    assert len(pages) > 30
    for page in pages:
        reader = _Loaded()
        reader.feed(page.read_text("utf-8"))
        assert reader.addresses, page
        assert [one for one in reader.addresses if re.match(r"(?:[a-z]+:)?//", one)] == [], page
    for sheet in site.rglob("*.css"):
        assert re.findall(r"(?:url\(|@import)\s*[\"']?(?:https?:)?//", sheet.read_text("utf-8")) == [], sheet


def test_the_search_knows_words_of_both_languages(site: Path) -> None:
    index = json.loads((site / "search" / "search_index.json").read_text("utf-8"))

    assert index["config"]["lang"] == ["en", "ru"]
    assert any("симулятор" in entry["text"] for entry in index["docs"])
    assert any("Stuck in PENDING" in entry["title"] for entry in index["docs"])
    assert (site / "assets/javascripts/lunr/min/lunr.ru.min.js").is_file()


def test_every_command_is_on_its_page(site: Path) -> None:
    page = (site / "reference" / "command-line.html").read_text("utf-8")

    assert "<!-- commands -->" not in page
    assert "runpodkit dialect try" in page
    assert "--budget-usd FLOAT" in page


@pytest.fixture(scope="module")
def package() -> griffe.Module:
    """What the reference is made from."""
    extensions = griffe.load_extensions(ROOT / "docs/hooks/reference.py")
    loaded = griffe.load("runpodkit", search_paths=[ROOT], extensions=extensions)
    assert isinstance(loaded, griffe.Module)
    return loaded


def test_methods_that_work_both_ways_have_signature_and_words(package: griffe.Module) -> None:
    generate = package["kit.Kit.generate"]
    submit = package["kit.Kit.submit"]

    assert [parameter.name for parameter in generate.parameters] == ["self", "user_prompt", "call_id", "fields"]
    assert generate.docstring.value.startswith("Draw one picture and wait for it.")
    assert generate.docstring.value.endswith("Awaitable: `agenerate`.")
    assert [section.kind.value for section in submit.docstring.parsed] == ["text", "parameters", "raises", "text"]
    assert "agenerate" not in package["kit.Kit"].members


def test_a_task_has_no_self_that_a_caller_would_give(package: griffe.Module) -> None:
    one, batch = (package[f"tasks.generate.generate_image_{name}_task"] for name in ("runpod", "batch"))

    assert next(iter(one.parameters)).name == "user_prompt"
    assert next(iter(batch.parameters)).name == "prompts"


def test_a_field_says_meaning_default_and_bounds(package: griffe.Module) -> None:
    width, attempts = package["params.ImageParams.width"], package["runs.policies.RunPolicy.max_attempts"]

    assert width.docstring.value == "Pixels. Bounds: at least 64, at most 4,096, a multiple of 8."
    assert str(width.value) == "832"
    assert attempts.docstring.value == (
        "Submissions of one trial at most, the first included. Gateways fail in bursts. Bounds: at least 1, at most 20."
    )


def test_the_tree_of_errors_keeps_its_lines(package: griffe.Module) -> None:
    words = package["errors"].docstring.value

    assert "\n```text\nRunpodkitError\n├── ConfigError " in words
    assert re.search(r"└── StoreRefusedError .*\n```\n", words)
