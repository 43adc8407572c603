"""The code blocks of README and docs: where they are, in which language, and what is said above them.

A comment right above a block may say `<!-- not run: the reason -->`, or `<!-- runs on: text -->` for a command that
does not return: it is left running once it has written that text.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sybil import Document, Region, Sybil
from sybil.parsers.markdown.lexers import RawFencedCodeBlockLexer

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = ("python", "sh", "toml", "json", "yaml", "ini", "js", "text")
_FILE = re.compile(r"# ([\w./-]+\.(?:py|toml|yaml|yml))\n")
_SAID = re.compile(r"<!-- (not run|runs on): (.+?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """One fenced block."""

    page: str
    line: int
    """Of its first line of code, from 1."""
    language: str
    code: str
    not_run: str | None = None
    runs_on: str | None = None

    @property
    def file(self) -> str | None:
        """The name in its first line, if it shows a file."""
        found = _FILE.match(self.code)
        return found.group(1) if found else None

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks_of(page: Path) -> list[Block]:
    """Every block of a page, in order."""
    lexer = RawFencedCodeBlockLexer(info_pattern=re.compile(r"[ \t]*(?P<language>[^\s`]*)[^\n]*\n"))

    def parser(document: Document) -> Iterable[Region]:
        for region in lexer(document):
            region.parsed = Block(
                page=name_of(page),
                line=document.text.count("\n", 0, region.start) + 2,
                language=region.lexemes["language"],
                code=str(region.lexemes["source"]),
                **_said_above(document.text[: region.start]),
            )
            region.evaluator = lambda _: None
            yield region

    return [example.parsed for example in Sybil(parsers=[parser], encoding="utf-8").parse(page).examples()]


def _said_above(text: str) -> dict[str, str]:
    found = _SAID.search(text)
    return {found.group(1).replace(" ", "_"): found.group(2)} if found else {}
