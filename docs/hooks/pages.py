"""What pages of the site are given while it is built: the command line, as click knows it.

In `reference/command-line.md` the line `<!-- commands -->` becomes a section per command, with its arguments and
options, so that page and program cannot say different things.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

MARK = "<!-- commands -->"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """mkdocs calls this with the text of each page."""
    return markdown.replace(MARK, commands_as_markdown()) if MARK in markdown else markdown


def commands_as_markdown() -> str:
    """Every command of `runpodkit`, in the order of its help."""
    from runpodkit.cli import main

    return "\n".join(_described("runpodkit", main))


def _described(path: str, command: click.Command) -> Iterator[str]:
    context = click.Context(command, info_name=path)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found and not found.hidden:
                yield from _described(f"{path} {name}", found)
        return
    usage = " ".join(command.collect_usage_pieces(context))
    yield f"## {path}\n\n```text\n{path} {usage}\n```\n"
    yield f"{_cleaned(command.help)}\n"
    rows = [
        f"| {_code(option)} | {_cleaned(_said(option)) or '–'} |"
        for option in command.params
        if isinstance(option, click.Option)
    ]
    if rows:
        yield "\n".join(["| Option | What it does |", "| --- | --- |", *rows]) + "\n"


def _code(option: click.Option) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    value = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}"
    return f"`{names}{value}`".replace("|", r"\|")


def _said(option: click.Option) -> str:
    """Help, bounds and default, as `--help` has them."""
    record = option.get_help_record(click.Context(click.Command("x")))
    return record[1] if record else ""


def _cleaned(text: str | None) -> str:
    """One line per paragraph; what Markdown or HTML would take for its own is escaped."""
    paragraphs = (text or "").replace("\b", "").split("\n\n")
    joined = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
    return joined.replace("<", "&lt;").replace("|", r"\|").replace("*", r"\*")
