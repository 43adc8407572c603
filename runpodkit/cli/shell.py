"""What every command shares: the group that turns errors into one line, a kit that says nothing, a watched run.

Knows no command.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click
from pydantic import ValidationError

from runpodkit.errors import RunpodkitError
from runpodkit.params import explain
from runpodkit.reprs import plain

if TYPE_CHECKING:
    from runpodkit.kit import Kit
    from runpodkit.runs.run import Run

INTERRUPTED = 130
HOLD_PATIENCE_S = 120.0


class _Commands(click.Group):
    """Turns what the library raises into one line; `--help` lists commands in the order written here."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except ValidationError as exc:
            raise click.ClickException(explain(exc)) from exc
        except (RunpodkitError, ValueError) as exc:
            raise click.ClickException(plain(" ".join(str(exc).split()))) from exc
        except ModuleNotFoundError as exc:
            if (exc.name or "").startswith("runpodkit"):
                raise
            raise click.ClickException(f"{exc.name} is not installed: pip install 'runpodkit[local,lab]'") from exc
        except KeyboardInterrupt:
            click.echo("interrupted", err=True)
            ctx.exit(INTERRUPTED)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="runpodkit")
@click.option("-v", "--verbose", is_flag=True, help="Show log lines on stderr.")
def main(verbose: bool) -> None:
    """Parameter sweeps, sampler grids and exports for image models on RunPod serverless endpoints.

    Without RUNPOD_API_KEY and RUNPOD_URL everything runs against a simulator on this machine.
    """
    if verbose:
        from runpodkit.logs import enable
        from runpodkit.settings import Settings

        settings = Settings.load()
        enable(settings.log_level or "DEBUG", as_json=settings.log_json)


def quiet_kit() -> Kit:
    from runpodkit.connecting import connect

    return connect(quiet=True)


def watch(run: Run) -> None:
    try:
        run.wait(hold_patience_s=HOLD_PATIENCE_S)
    except KeyboardInterrupt:
        click.echo(f"  watch it again: runpodkit show {run.name}      end it: runpodkit cancel {run.name}", err=True)
        sys.exit(INTERRUPTED)


def names_in(text: str | None) -> list[str] | None:
    """Names separated by commas, as options take them."""
    return None if text is None else [name.strip() for name in text.split(",") if name.strip()]


def run_at(where: str) -> Run:
    """A run by its name, or where it lies."""
    from runpodkit.connecting import open_run

    return open_run(where)
