"""The form for one picture: every parameter as a control, and Generate.

Built from the schema of `ImageParams` and the kit's dialect, so a new parameter needs no
line here.  Gives back an `ImageParams`; drawing is the kit's.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Mapping
from html import escape
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runpodkit.blocking import CANCEL_PATIENCE_S
from runpodkit.errors import RunpodkitError
from runpodkit.images.thumbnails import thumbnail
from runpodkit.notebook.fields import Field
from runpodkit.notebook.wording import caption, in_words
from runpodkit.params import MAX_SEED, ImageParams
from runpodkit.prompts import PRESETS

# after fields.py, which says what to install where it is missing
import ipywidgets as widgets  # isort: skip

if TYPE_CHECKING:
    from runpodkit.kit import Kit
    from runpodkit.runs.picture import Picture

SHOWN_PX = 1024
MAIN = (
    ("user_prompt",),
    ("negative_prompt",),
    ("width", "height"),
    ("steps", "cfg_scale"),
    ("sampler_name", "scheduler"),
    ("seed",),
)
"""What stands in front, line by line; every other field is in the fold below it."""
WAITING = "The picture will be here."


class ParamsForm:
    """A form for one picture.  `form.params` is what it asks for, `form.picture` what came last."""

    def __init__(self, kit: Kit, *, draw_seed: Callable[[], int] = lambda: secrets.randbelow(MAX_SEED + 1)) -> None:
        """Build the form; shows and sends nothing.

        Args:
            kit: What Generate draws with.
            draw_seed: What the dice gives.
        """
        self._kit = kit
        self.picture: Picture | None = None
        self.fields = self._fields()
        self._defaults = {name: field.value for name, field in self.fields.items()}
        self._touched: set[str] = set()
        self.dice = widgets.Button(icon="dice", tooltip="Draw a seed", description="Draw")
        self.button = widgets.Button(description="Generate", button_style="primary")
        self.stop = widgets.Button(description="Cancel", layout={"display": "none"})
        self.said = widgets.HTML()
        self.said.add_class("rk-said")
        self.image = widgets.Image(format="jpeg", layout={"display": "none"})
        self.about = widgets.HTML(f'<div class="rk-empty">{WAITING}</div>')
        self.widget = self._layout()
        for field in self.fields.values():
            field.on_change(self._changed)
        self.dice.on_click(lambda _: setattr(self.fields["seed"], "value", draw_seed()))
        self.button.on_click(lambda _: self._begin())
        self.stop.on_click(lambda _: self.cancel())
        self._drawn: Picture | None = None
        self._ended = threading.Event()
        self._cancel: Callable[[], object] = _nothing

    @property
    def params(self) -> ImageParams:
        """What the form asks for; what was left as it stood counts as not set.

        Raises:
            ValueError: one line with everything that is wrong.
        """
        problems = self.problems()
        if problems:
            raise ValueError("; ".join(f"{name} {problem}" for name, problem in problems.items()))
        return ImageParams(**self._values()[0])

    def problems(self) -> dict[str, str]:
        """What is wrong with each field, in words; empty when the form can be sent."""
        values, problems = self._values()
        try:
            ImageParams(**values)
        except ValidationError as exc:
            for item in exc.errors(include_url=False):
                name = str(item["loc"][0])
                problems.setdefault(name, in_words(item, self.fields[name].schema))
        if not values["user_prompt"].strip():
            problems["user_prompt"] = "say what to draw"
        return problems

    def generate(self) -> Picture | None:
        """What the button does, and wait: draw, show, and give the picture; None where the form says why not.

        Interrupting cancels the job.
        """
        if not self._begin():
            return None
        try:
            self._ended.wait()
        except BaseException:
            self.cancel()
            self._ended.wait(CANCEL_PATIENCE_S)
            raise
        return self._drawn

    def cancel(self) -> None:
        """End the drawing that goes on, and its job on the endpoint."""
        self._cancel()

    def _begin(self) -> bool:
        """Start drawing in a thread, so that neither cells nor Cancel have to wait for it.

        JupyterLab gives widgets a thread of the kernel in which no interrupt arrives: what
        waited there could not be stopped at all.
        """
        if self.button.disabled:
            return False
        self._touched.update(self.fields)
        problems = self._show_problems()
        if problems:
            self._say(f"{len(problems)} field{'s' if len(problems) > 1 else ''} to mend.", wrong=True)
            return False
        asked = self._values()[0]
        self._ended.clear()
        self._drawn = None
        self._look_busy(True)
        threading.Thread(target=asyncio.run, args=(self._draw(asked),), name="runpodkit form", daemon=True).start()
        return True

    async def _draw(self, asked: dict[str, Any]) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        self._cancel = lambda: loop.call_soon_threadsafe(task.cancel) if task and not loop.is_closed() else None
        try:
            picture = await self._kit.agenerate(asked.pop("user_prompt"), **asked)
            self._show(picture)
            self.picture = self._drawn = picture
            self._say("")
        except asyncio.CancelledError:
            self._say("Cancelled, and its job with it.")
        except (RunpodkitError, ValueError) as exc:
            self._say(str(exc), wrong=True)
        except BaseException as exc:
            self._say(f"{type(exc).__name__}: {exc}", wrong=True)
            raise
        finally:
            self._cancel = _nothing
            self._look_busy(False)
            self._ended.set()

    def _values(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The prompt and what differs from how the form began; and the fields whose text cannot be read."""
        values: dict[str, Any] = {}
        unreadable: dict[str, str] = {}
        for name, field in self.fields.items():
            try:
                value = field.value
            except ValueError as exc:
                unreadable[name] = str(exc)
                continue
            if name == "user_prompt" or value != self._defaults[name]:
                values[name] = value
        return values, unreadable

    def _fields(self) -> dict[str, Field]:
        dialect, choices = self._kit.dialect, self._kit.choices()
        starts = dialect.resolve(ImageParams(user_prompt="-")).model_dump() | {"user_prompt": ""}
        placeholders = {"user_prompt": "a lighthouse at dusk", "negative_prompt": PRESETS[dialect.preset].negative}
        return {
            name: Field(
                name, schema, starts[name], choices=choices.get(name, ()), placeholder=placeholders.get(name, "")
            )
            for name, schema in ImageParams.model_json_schema()["properties"].items()
            if name in dialect.takes
        }

    def _layout(self) -> Any:
        lines = [[name for name in line if name in self.fields] for line in MAIN]
        front = {name for line in lines for name in line}
        rows = [self._line(line) for line in lines if line]
        rest = [field.row for name, field in self.fields.items() if name not in front]
        fold = widgets.Accordion([widgets.VBox(rest)], titles=("Advanced",)) if rest else None
        go = _box(widgets.HBox, [self.button, self.stop, self.said], "rk-go")
        left = _box(widgets.VBox, [*rows, *([fold] if fold else []), go], "rk-fields")
        right = _box(widgets.VBox, [self.image, self.about], "rk-result")
        head = widgets.HTML(f"<style>{_css()}</style>{self._head()}")
        return _box(widgets.VBox, [head, _box(widgets.Box, [left, right], "rk-body")], "rk-form")

    def _line(self, names: list[str]) -> Any:
        rows = [self.fields[name].row for name in names]
        if names == ["seed"]:
            return _box(widgets.HBox, [*rows, self.dice], "rk-seed")
        return rows[0] if len(rows) == 1 else _box(widgets.Box, rows, "rk-pair")

    def _head(self) -> str:
        kind, aside = ("simulator", "nothing is paid") if self._kit.simulated else ("live", "each picture costs money")
        return (
            f'<div class="rk-head">One picture <span class="rk-badge rk-{kind}">{kind.upper()}</span>'
            f'<span class="rk-aside">{aside} · {escape(self._kit.endpoint_name)} · {escape(self._kit.dialect.name)} dialect'
            "</span></div>"
        )

    def _changed(self, field: Field) -> None:
        self._touched.add(field.name)
        self._show_problems()

    def _show_problems(self) -> Mapping[str, str]:
        """Problems at their fields, those that nobody has touched yet left in peace."""
        problems = self.problems()
        for name, field in self.fields.items():
            field.show(problems.get(name) if name in self._touched else None)
        return problems

    def _show(self, picture: Picture) -> None:
        self.image.value = thumbnail(picture.bytes, SHOWN_PX)
        self.image.layout.display = ""
        self.about.value = caption(picture)

    def _say(self, text: str, *, wrong: bool = False) -> None:
        self.said.value = f'<span class="{"rk-wrong" if wrong else ""}" role="status">{escape(text)}</span>'

    def _look_busy(self, busy: bool) -> None:
        self.button.disabled, self.stop.layout.display = busy, "" if busy else "none"
        self.button.description, self.button.icon = ("Drawing…", "spinner spin") if busy else ("Generate", "")
        if busy:
            self._say("")

    def __repr__(self) -> str:
        return f"Form for one picture, {len(self.fields)} fields, {'SIMULATOR' if self._kit.simulated else 'LIVE'}"

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle: dict[str, Any] = self.widget._repr_mimebundle_(include=include, exclude=exclude)
        return {**bundle, "text/plain": repr(self)}


def _box(kind: Any, children: list[Any], name: str) -> Any:
    box = kind(children)
    box.add_class(name)
    return box


def _nothing() -> None:
    """What there is to cancel while nothing is drawn."""


def _css() -> str:
    return files("runpodkit.notebook").joinpath("front", "form.css").read_text("utf-8")
