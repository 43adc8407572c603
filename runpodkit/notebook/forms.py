"""The form for one picture: every parameter as a control, and Generate.

Built from the schema of `ImageParams` and the kit's dialect, so a new parameter needs no
line here.  Gives back an `ImageParams`; drawing is the kit's.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runpodkit.blocking import CANCEL_PATIENCE_S, shared_loop
from runpodkit.images.metadata import read_metadata
from runpodkit.notebook.code import picture_code
from runpodkit.notebook.fields import Field, Looks
from runpodkit.notebook.hub import widgets
from runpodkit.notebook.result import Result, box, head
from runpodkit.notebook.shell import FormShell
from runpodkit.notebook.wording import in_words
from runpodkit.params import MAX_SEED, RANDOM_SEED, ImageParams
from runpodkit.prompts import PRESETS
from runpodkit.reprs import facts_html

if TYPE_CHECKING:
    from runpodkit.kit import Kit
    from runpodkit.runs.picture import Picture

MAIN = (
    ("user_prompt",),
    ("negative_prompt",),
    ("width", "height"),
    ("steps", "cfg_scale"),
    ("sampler_name", "scheduler"),
    ("seed",),
)
"""What stands in front, line by line; every other field is in the fold below it."""
SIZES = ((512, 512), (768, 768), (1024, 1024), (832, 1216), (1216, 832), (768, 1344), (1344, 768))
"""Width and height in pixels, in proportions that models are trained on."""


class ParamsForm(FormShell):
    """A form for one picture.  `form.params` is what it asks for, `form.picture` what came last."""

    what = "one picture"

    def __init__(self, kit: Kit, *, draw_seed: Callable[[], int] = lambda: secrets.randbelow(MAX_SEED + 1)) -> None:
        """Build the form; shows and sends nothing.

        Args:
            kit: What Generate draws with.
            draw_seed: What the dice gives.
        """
        super().__init__(kit)
        self._draw_seed, looks = draw_seed, self._looks
        self.fields = fields_of(kit, looks)
        self._defaults = {name: field.value for name, field in self.fields.items()}
        self._touched: set[str] = set()
        self.dice = widgets.Button(icon="dice", tooltip="Draw a seed", description="Draw", **looks.of(widgets.Button))
        self.lock = widgets.ToggleButton(
            icon="lock",
            description="Keep",
            tooltip="Keep the seed of the last picture",
            **looks.of(widgets.ToggleButton),
        )
        self.sizes = widgets.Dropdown(options=[("size …", None), *_sizes(self._defaults)], layout={"width": "150px"})
        self.swap = widgets.Button(
            icon="exchange", description="Swap", tooltip="Swap width and height", **looks.of(widgets.Button)
        )
        self.button = widgets.Button(description="Generate", button_style="primary", **looks.of(widgets.Button))
        self.stop = widgets.Button(description="Cancel", layout={"display": "none"})
        self.copy = widgets.Button(
            description="Copy as code", tooltip="A cell that makes the same picture", **looks.of(widgets.Button)
        )
        self.result = Result(looks, self.code)
        self.widget = self._layout()
        self._listen()
        self._drawn: Picture | None = None
        self._ended = threading.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def picture(self) -> Picture | None:
        """What came last."""
        return self.result.picture

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

    def fill(self, source: ImageParams | Picture | str | Path | bytes) -> None:
        """Ask for what a picture was made with; what it does not say goes back to how the form began.

        Args:
            source: Parameters, a `Picture`, or a picture file with its parameters inside.

        Raises:
            OutputError: the file is no picture, or has no parameters in it.
        """
        given = source if isinstance(source, ImageParams) else getattr(source, "params", None) or read_metadata(source)  # type: ignore[arg-type]
        for name, field in self.fields.items():
            asked = name in given.model_fields_set
            field.value = getattr(given, name) if asked else self._defaults[name]
        self.lock.value = self.fields["seed"].value != RANDOM_SEED if "seed" in self.fields else False

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
        shared_loop().start(self._stop())

    async def _stop(self) -> None:
        if self._task:
            self._task.cancel()

    def _begin(self) -> bool:
        """Start drawing on the sync door's loop, so that neither cells nor Cancel have to wait for it."""
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
        shared_loop().start(self._draw(asked))
        return True

    async def _draw(self, asked: dict[str, Any]) -> None:
        self._task = asyncio.current_task()
        try:
            picture = await self._kit.agenerate(asked.pop("user_prompt"), **asked)
            await asyncio.to_thread(self.result.show, picture)
            self._drawn, self.code.value = picture, ""
            if self.lock.value and "seed" in self.fields and self.fields["seed"].value == RANDOM_SEED:
                self.fields["seed"].value = picture.seed
            self._say("")
            await asyncio.to_thread(self._refresh)
        except asyncio.CancelledError:
            self._say("Cancelled, and its job with it.")
        except Exception as exc:
            self._say_why(exc)
        finally:
            self._task = None
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

    # how it looks

    def _layout(self) -> Any:
        lines = [[name for name in line if name in self.fields] for line in MAIN]
        front = {name for line in lines for name in line}
        rows = [self._line(line) for line in lines if line]
        rest = [field.row for name, field in self.fields.items() if name not in front]
        fold = (
            widgets.Accordion([widgets.VBox(rest, **self._looks.of(widgets.VBox))], titles=("Advanced",))
            if rest
            else None
        )
        go = box(widgets.HBox, [self.button, self.stop, self.copy, self.said], "rk-go", self._looks)
        left = box(widgets.VBox, [*rows, *([fold] if fold else []), go], "rk-fields", self._looks)
        aside = f"{self._kit.endpoint_name} · {self._kit.dialect.name} dialect"
        top = widgets.HTML(head("One picture", self._kit.simulated, aside))
        return box(
            widgets.VBox,
            [top, box(widgets.Box, [left, self.result.widget], "rk-body", self._looks)],
            "rk-form",
            self._looks,
        )

    def _line(self, names: list[str]) -> Any:
        rows = [self.fields[name].row for name in names]
        if names == ["seed"]:
            return box(widgets.HBox, [*rows, self.dice, self.lock], "rk-seed", self._looks)
        if names == ["width", "height"]:
            tools = box(widgets.HBox, [self.sizes, self.swap], "rk-sizes", self._looks)
            return box(widgets.VBox, [box(widgets.Box, rows, "rk-pair", self._looks), tools], "rk-size", self._looks)
        return rows[0] if len(rows) == 1 else box(widgets.Box, rows, "rk-pair", self._looks)

    def _listen(self) -> None:
        for field in self.fields.values():
            field.on_change(self._changed)
        self.dice.on_click(lambda _: self._set("seed", self._draw_seed()))
        self.lock.observe(self._locked, "value")
        self.sizes.observe(self._sized, "value")
        self.swap.on_click(lambda _: self._resize(self.fields["height"].value, self.fields["width"].value))
        self.button.on_click(lambda _: self._begin())
        self.stop.on_click(lambda _: self.cancel())
        self.copy.on_click(lambda _: self._copy())

    def _set(self, name: str, value: Any) -> None:
        if name in self.fields:
            self.fields[name].value = value

    def _locked(self, change: Mapping[str, Any]) -> None:
        """Locked, the seed is that of the last picture, or the next one drawn; unlocked, each picture draws its own."""
        if change["new"] and self.picture and self.fields["seed"].value == RANDOM_SEED:
            self._set("seed", self.picture.seed)
        elif not change["new"]:
            self._set("seed", RANDOM_SEED)

    def _sized(self, change: Mapping[str, Any]) -> None:
        if change["new"]:
            self._resize(*change["new"])
            self.sizes.value = None

    def _resize(self, width: int, height: int) -> None:
        self._set("width", width)
        self._set("height", height)

    def _changed(self, field: Field) -> None:
        self._touched.add(field.name)
        if field.name == "seed":
            self.lock.value = field.value != RANDOM_SEED or (self.lock.value and self.picture is None)
        self._show_problems()

    def _copy(self) -> None:
        try:
            code = picture_code(self.params)
        except ValueError as exc:
            return self._say(str(exc), wrong=True)
        self._offer(code, "Copied: a cell that makes the same picture.")

    def _show_problems(self) -> Mapping[str, str]:
        """Problems at their fields, those that nobody has touched yet left in peace."""
        problems = self.problems()
        for name, field in self.fields.items():
            field.show(problems.get(name) if name in self._touched else None)
        return problems

    def _look_busy(self, busy: bool) -> None:
        self.button.disabled, self.stop.layout.display = busy, "" if busy else "none"
        self.button.description, self.button.icon = ("Drawing…", "spinner spin") if busy else ("Generate", "")
        if busy:
            self._say("")

    def html(self) -> str:
        """Its static twin: what it asks for, and the picture that came last."""
        values = {name: str(value) for name, value in self._values()[0].items() if value not in (None, "")}
        return facts_html("One picture", values, self._kit.simulated) + self.result.html()


def fields_of(kit: Kit, looks: Looks) -> dict[str, Field]:
    """A field for each parameter that the kit's dialect takes, as the dialect begins."""
    dialect, choices = kit.dialect, kit.choices()
    starts = dialect.resolve(ImageParams(user_prompt="-")).model_dump() | {"user_prompt": ""}
    hints = {"user_prompt": "a lighthouse at dusk", "negative_prompt": PRESETS[dialect.preset].negative}
    return {
        name: Field(
            name, schema, starts[name], choices=choices.get(name, ()), placeholder=hints.get(name, ""), looks=looks
        )
        for name, schema in ImageParams.model_json_schema()["properties"].items()
        if name in dialect.takes
    }


def _sizes(starts: Mapping[str, Any]) -> list[tuple[str, tuple[int, int]]]:
    """Presets, the dialect's own size first."""
    own = (starts.get("width"), starts.get("height"))
    ordered = dict.fromkeys([*([own] if all(own) else []), *SIZES])
    return [(f"{width} × {height}", (width, height)) for width, height in ordered]  # type: ignore[misc]
