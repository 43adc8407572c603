"""What picture files say of themselves."""

from __future__ import annotations

import json
import sys

import click

from runpodkit.cli.shell import main
from runpodkit.errors import OutputError


@main.command()
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="One JSON object per file and line, with every text in full.")
def metadata(files: tuple[str, ...], as_json: bool) -> None:
    """Print what picture FILEs say of themselves: tool, parameters, sent prompt, job, and the mark of AI-made media.

    Exit code 1 if a file is no picture or cannot be read.
    """
    from runpodkit.cli import picture_lines
    from runpodkit.images.metadata import read_facts

    failed = False
    for name in files:
        try:
            facts = read_facts(name)
        except (OutputError, OSError) as exc:
            failed = True
            reason = exc.strerror if isinstance(exc, OSError) else str(exc)
            click.echo(f"{picture_lines.visible(name)}: {picture_lines.visible(reason)}", err=True)
            continue
        if as_json:
            text = json.dumps({"file": name, **facts.as_json()}, ensure_ascii=False)
            click.echo(text.encode("utf-8", "replace").decode())
        else:
            click.echo("\n".join(picture_lines.lines(name, facts)))
    if failed:
        sys.exit(1)
