"""The form for a sweep: any parameter becomes an axis, and the run is watched below it.

Built from the same fields as the form for one picture.  Gives back a `Sweep`; what it
would cost, and running it, are the kit's business, and steering it the live view's.
"""

from __future__ import annotations

import asyncio
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from runpodkit.blocking import shared_loop
from runpodkit.errors import RunpodkitError
from runpodkit.images.metadata import read_metadata
from runpodkit.notebook.axis_fields import AxisField
from runpodkit.notebook.code import sweep_code
from runpodkit.notebook.forms import MAIN, fields_of
from runpodkit.notebook.hub import widgets
from runpodkit.notebook.live import view_of
from runpodkit.notebook.result import box, head
from runpodkit.notebook.shell import FormShell
from runpodkit.notebook.wording import in_words
from runpodkit.params import ImageParams
from runpodkit.reprs import facts_html
from runpodkit.runs.run import Run
from runpodkit.sweeps.sweep import VARY, Sweep

if TYPE_CHECKING:
    from runpodkit.kit import Kit
    from runpodkit.runs.picture import Picture

PAUSE_S = 0.3
"""After the last letter typed, before the cost is asked for."""
TAKEN = (("say so", ""), ("extend that run", "extend"), ("make another: name-2", "fresh"))


class SweepForm(FormShell):
    """A form for a sweep.  `form.sweep` is what it asks for, `form.run` what was started last."""

    what = "a sweep"

    def __init__(self, kit: Kit) -> None:
        """Build the form; shows and sends nothing."""
        super().__init__(kit)
        looks = self._looks
        self.run: Run | None = None
        self.fields = {name: AxisField(field) for name, field in fields_of(kit, looks).items()}
        self._defaults = {name: one.field.value for name, one in self.fields.items()}
        self._order: list[str] = []
        self._touched: set[str] = set()
        self.mode = widgets.ToggleButtons(
            options=[("grid", "grid"), ("zip", "zip")],
            tooltips=["every combination", "first with first, second with second"],
        )
        html, button = looks.of(widgets.HTML), looks.of(widgets.Button)
        self.count, self.cost = widgets.HTML(**html), widgets.HTML(**html)
        self.name = widgets.Text(description="Name", placeholder="from prompt and axes")
        self.taken = widgets.Dropdown(description="If the name is taken", options=TAKEN)
        self.budget = widgets.Text(description="Budget in USD", placeholder="none")
        self.button = widgets.Button(description="Run", button_style="primary", disabled=True, **button)
        self.copy = widgets.Button(description="Copy as code", tooltip="A cell that runs the same sweep", **button)
        self.live = widgets.HTML(**html)
        self.widget = self._layout()
        self._listen()
        self._asked = 0
        self._run_html = ""
        self._changed(None)

    @property
    def sweep(self) -> Sweep:
        """What the form asks for; what was left as it stood counts as not set.

        Raises:
            ValueError: one line with everything that is wrong.
        """
        plan, problems = self._read()
        if plan is None:
            raise ValueError("; ".join(f"{name} {problem}".strip() for name, problem in problems.items()))
        return plan

    def problems(self) -> dict[str, str]:
        """What is wrong with each field, in words; under an empty name, with the sweep as a whole."""
        return self._read()[1]

    def fill(self, source: Sweep | Run | ImageParams | Picture | str | Path | bytes) -> None:
        """Ask for the sweep of a past run, or for what a picture was made with.

        Args:
            source: A sweep, a run, parameters, a `Picture`, or a picture file with its parameters inside.
        """
        plan = source.sweep if isinstance(source, Run) else source
        if isinstance(plan, Sweep) and (beyond := _beyond(plan)):
            return self._say(
                f"This form cannot show {beyond}; change the sweep as code: {sweep_code(plan)}", wrong=True
            )
        if isinstance(plan, Sweep):
            base, axes = plan.base, plan.axes
            self.mode.value = plan.mode
        else:
            base = plan if isinstance(plan, ImageParams) else getattr(plan, "params", None) or read_metadata(plan)  # type: ignore[arg-type]
            axes = {}
        if isinstance(plan, Sweep) and plan.seed_varies:
            axes["seed"] = VARY  # type: ignore[assignment]
        for name, one in self.fields.items():
            one.set_value(getattr(base, name) if name in base.model_fields_set else self._defaults[name])
        self._order.clear()
        for name, values in axes.items():
            if name in self.fields:
                self.fields[name].set_axis(values)
        left_out = [name for name in axes if name not in self.fields]
        self._say(f"The form has no field for {', '.join(left_out)}." if left_out else "", wrong=bool(left_out))

    def start(self) -> None:
        """What Run does: start the sweep, or attach to its run, and watch it below."""
        self._touched.update(self.fields)
        plan, _ = self._read()
        self._show_problems()
        if plan is None or self.button.disabled:
            return
        try:
            budget = {"budget_usd": float(self.budget.value)} if self.budget.value.strip() else {}
        except ValueError:
            return self._say(f"Budget {self.budget.value!r} is not a number of USD, such as 2.50.", wrong=True)
        self._look_busy(True)
        how = {self.taken.value: True} if self.taken.value else {}
        shared_loop().start(self._submit(plan, self.name.value.strip() or None, how, budget))

    async def _submit(self, plan: Sweep, name: str | None, how: dict[str, Any], budget: dict[str, Any]) -> None:
        try:
            self.run = await self._kit.asubmit(plan, name, **how, **budget)
            self._say("")
            await asyncio.to_thread(self._watch, self.run)
        except Exception as exc:
            self._say_why(exc)
        finally:
            self._look_busy(False)

    def _watch(self, run: Run) -> None:
        """Put the run's live view under the form; its static twin goes into the form's."""
        view = view_of(run)
        output = view.output(run.status(), [], pictured=False)
        self._run_html = self.live.value = output["text/html"]
        view.handles.append(self)
        view.woken()
        self._refresh()
        self._tell({"kind": "started"})

    def update(self, output: dict[str, Any], *, raw: bool) -> None:
        """The run looks otherwise now: keep its static twin with the form's."""
        self._run_html = output["text/html"]
        self._refresh()

    # reading

    def _read(self) -> tuple[Sweep | None, dict[str, str]]:
        base: dict[str, Any] = {}
        axes: dict[str, Any] = {}
        problems: dict[str, str] = {}
        for name, one in self.fields.items():
            if one.varies:
                axes[name], wrong = one.values()
                if wrong:
                    problems[name] = wrong
                elif unknown := self._unknown(one, axes[name]):
                    problems[name] = unknown
                continue
            try:
                value = one.field.value
            except ValueError as exc:
                problems[name] = str(exc)
                continue
            if name == "user_prompt" or value != self._defaults[name]:
                base[name] = value
        if "user_prompt" in axes:
            base["user_prompt"] = "-"
        elif not base.get("user_prompt", "").strip():
            problems["user_prompt"] = "say what to draw"
            base["user_prompt"] = "-"
        try:
            shared = ImageParams(**base)
        except ValidationError as exc:
            for item in exc.errors(include_url=False):
                name = str(item["loc"][0])
                problems.setdefault(name, in_words(item, self.fields[name].field.schema))
            return None, problems
        if problems:
            return None, problems
        try:
            return Sweep(shared, {name: axes[name] for name in self._ordered(axes)}, self.mode.value), {}
        except ValueError as exc:
            return None, {"": str(exc)}

    def _ordered(self, axes: dict[str, Any]) -> list[str]:
        """Axes in the order in which they were made."""
        return [*(name for name in self._order if name in axes), *(name for name in axes if name not in self._order)]

    @staticmethod
    def _unknown(one: AxisField, values: Any) -> str:
        known = one.field.choices
        strange = [value for value in values if known and value not in known]
        return f"{', '.join(map(str, strange))} not known here; known: {', '.join(known)}" if strange else ""

    # how it looks

    def _layout(self) -> Any:
        lines = [name for line in MAIN for name in line if name in self.fields]
        rest = [one.row for name, one in self.fields.items() if name not in lines]
        fold = (
            widgets.Accordion([widgets.VBox(rest, **self._looks.of(widgets.VBox))], titles=("Advanced",))
            if rest
            else None
        )
        left = box(
            widgets.VBox,
            [*(self.fields[name].row for name in lines), *([fold] if fold else [])],
            "rk-fields",
            self._looks,
        )
        for control in (self.name, self.taken, self.budget):
            control.add_class("rk-control")
        mode = box(widgets.HBox, [widgets.HTML("<b>Combine as</b>"), self.mode], "rk-mode", self._looks)
        go = box(widgets.HBox, [self.button, self.copy], "rk-go", self._looks)
        right = box(
            widgets.VBox,
            [self.count, self.cost, mode, self.name, self.taken, self.budget, go, self.said, self.code],
            "rk-plan",
            self._looks,
        )
        aside = f"{self._kit.endpoint_name} · {self._kit.dialect.name} dialect"
        top = widgets.HTML(head("A sweep", self._kit.simulated, aside))
        body = box(widgets.Box, [left, right], "rk-body", self._looks)
        self.live.add_class("rk-live-place")
        return box(widgets.VBox, [top, body, self.live], "rk-form", self._looks)

    def _listen(self) -> None:
        for one in self.fields.values():
            one.on_change(self._changed)
        self.mode.observe(lambda _: self._changed(None), "value")
        self.button.on_click(lambda _: self.start())
        self.copy.on_click(lambda _: self._copy())

    def _changed(self, one: AxisField | None) -> None:
        if one:
            self._touched.add(one.name)
            if one.varies and one.name not in self._order:
                self._order.append(one.name)
            elif not one.varies and one.name in self._order:
                self._order.remove(one.name)
        self._show_problems()

    def _show_problems(self) -> None:
        """Problems at their fields, the number of trials, and soon what they would cost."""
        plan, problems = self._read()
        for name, one in self.fields.items():
            counted = ""
            if one.varies and name not in problems:
                values, _ = one.values()
                counted = (
                    "another seed for each trial"
                    if values == VARY
                    else f"{len(values)} value{'s' if len(values) != 1 else ''}"
                )
            one.field.show(problems.get(name) if name in self._touched else None)
            if counted:
                one.field.note.value = escape(counted)
        self.button.disabled = plan is None
        self._asked += 1
        if plan is None:
            whole = problems.get("", "")
            self.count.value = (
                f'<div class="rk-count rk-wrong">{escape(whole)}</div>'
                if whole
                else '<div class="rk-count">No sweep yet</div>'
            )
            self.cost.value = ""
            return
        sign = " × " if plan.mode == "grid" else " with "
        sizes = sign.join(f"{len(values)} {name}" for name, values in plan.axes.items())
        count = f"{len(plan):,} trial{'s' if len(plan) != 1 else ''}"
        self.count.value = f'<div class="rk-count"><b>{count}</b> {escape(f"= {sizes}" if sizes else "")}</div>'
        shared_loop().start(self._estimate(plan, self._asked))

    async def _estimate(self, plan: Sweep, asked: int) -> None:
        """What it would cost, unless something was typed since."""
        await asyncio.sleep(PAUSE_S)
        if asked != self._asked:
            return
        try:
            words, wrong = str(await self._kit.aestimate(plan)), ""
        except (RunpodkitError, ValueError) as exc:
            words, wrong = str(exc), "rk-wrong"
        if asked == self._asked:
            self.cost.value = f'<div class="rk-cost {wrong}">{escape(words)}</div>'
            self.button.disabled = bool(wrong)

    def _copy(self) -> None:
        plan, _ = self._read()
        self._touched.update(self.fields)
        if plan is None:
            return self._show_problems()
        words = [repr(self.name.value.strip() or plan.default_name)]
        words = [f"name={words[0]}", *([f"{self.taken.value}=True"] if self.taken.value else [])]
        words += [f"budget_usd={self.budget.value.strip()}"] if self.budget.value.strip() else []
        code = f"sweep = {sweep_code(plan)}\nrun = kit.submit(sweep, {', '.join(words)})\nrun"
        self._offer(code, "Copied: a cell that runs the same sweep.")

    def _look_busy(self, busy: bool) -> None:
        self.button.disabled, self.button.description = busy, "Starting…" if busy else "Run"

    def html(self) -> str:
        """Its static twin: the sweep as code, and the run."""
        plan, _ = self._read()
        facts = {"sweep": sweep_code(plan), "trials": f"{len(plan):,}"} if plan else {"sweep": "not filled in"}
        return facts_html("A sweep", facts, self._kit.simulated) + self._run_html


def _beyond(plan: Sweep) -> str:
    """What of a sweep the form has no control for, in words; it would be lost."""
    rest = {
        "together": "axes that go together",
        "where": "rules (where)",
        "sample": "a sample",
        "keep": "a choice of cells",
        "repeats": "repeats",
    }
    there = [f"axis {name} ({_KIND})" for name in plan.composite()]
    return ", ".join([*there, *(words for name, words in rest.items() if name in plan.to_plan())])


_KIND = "labels, several fields at once or edits of a prompt"
