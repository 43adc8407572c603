"""Dialects on the command line: which there are, and what one would send."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runpodkit.cli.shell import main

if TYPE_CHECKING:
    from runpodkit.endpoint.dialects import Dialect


@main.command(name="dialects")
@click.option("--json", "as_json", is_flag=True)
def list_dialects(as_json: bool) -> None:
    """List how known workers and RunPod's public endpoints spell things."""
    from runpodkit.endpoint.dialects.table import dialects

    table = dialects()
    if as_json:
        click.echo(table.reset_index().to_json(orient="records", force_ascii=False))
        return
    for name, row in table.iterrows():
        click.echo(f"{name}: {row['for']}")
        click.echo(f"    takes {row['takes']}")
        click.echo(f"    {row['default size']}, {row['steps']} steps, {row['samplers']} samplers, {row['price']}")


@main.group()
def dialect() -> None:
    """Write and try a dialect of your own."""


@dialect.command(name="try")
@click.argument("name")
@click.option(
    "--sample", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A job's answer or output, as JSON."
)
def try_dialect(name: str, sample: Path | None) -> None:
    """Show what the dialect NAME would send and how it reads a sample; nothing is sent, nothing is paid.

    NAME is a built-in dialect, your own .toml, or a ComfyUI workflow in API format (.json).
    """
    from runpodkit.endpoint.dialects import get_dialect
    from runpodkit.params import ImageParams

    row = get_dialect(name)
    needed = {"input_image": "https://example.org/picture.png"} if "input_image" in row.needs else {}
    params = row.resolve(ImageParams(user_prompt="a lighthouse at dusk", seed=1, **needed))
    taken = ", ".join(field for field in ImageParams.model_fields if field in row.takes)
    click.echo(f"dialect {row.name} takes {taken}", err=True)
    click.echo(json.dumps({"input": row.to_input(params, mark="trial-0-1")}, indent=2, ensure_ascii=False))
    if sample:
        _read_sample(row, sample)


def _read_sample(row: Dialect, sample: Path) -> None:
    from runpodkit.images.outputs import decode_text, inspect
    from runpodkit.jobs import Job

    try:
        given = json.loads(sample.read_text("utf-8"))
    except (ValueError, RecursionError) as exc:
        raise ValueError(f"{sample} is not JSON: {exc}") from None
    if isinstance(given, dict) and "status" in given and "id" in given:
        job = Job.from_wire(given).raise_for_status()
        given = job.output
    reading = row.read(given)
    if reading.error:
        raise ValueError(f"{sample}: {row.explain(reading.error)}")
    for number, image in enumerate(reading.images):
        known = image.seed if image.seed is not None else reading.seed
        seed = "" if known is None else f", seed {known}"
        if image.kind == "url":
            click.echo(f"picture {number}: link {image.value.partition('?')[0]}{seed}", err=True)
        else:
            about = inspect(decode_text(image.value))
            click.echo(f"picture {number}: {about.format}, {about.width}×{about.height}{seed}", err=True)
    if reading.cost_usd is not None:
        click.echo(f"cost: ${reading.cost_usd:g}", err=True)
