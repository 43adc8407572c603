"""The hub: one per kernel, it connects what cells show with the pages that show it.

Cells show plain HTML with a place in it; one widget without a view of its own carries
the script that fills those places, and all messages.  So a saved notebook holds no
widget, any number of views share one background task, and clicks are heard while a cell
runs.  What a view shows and does is the view's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Protocol

from loguru import logger

from runpodkit.blocking import shared_loop
from runpodkit.errors import ConfigError, RunpodkitError
from runpodkit.notebook.twin import bundle

try:
    import anywidget
    import ipywidgets as widgets
    import traitlets
except ImportError:
    raise ConfigError("a live view needs anywidget and ipywidgets: %pip install 'runpodkit[local,lab]'") from None

PULSE_S = 5.0
"""How often pages hear that the kernel is alive."""
_SCRIPTS = ("hub.js", "live.js", "gallery.js")
_STYLES = ("views.css", "form.css")


class View(Protocol):
    """What the hub keeps of a place that needs its background task."""

    due: float
    """When it wants to look next, on the loop's clock; infinity: not by itself."""

    async def look(self, now: float) -> None:
        """See what changed and tell the pages."""

    async def hear(self, message: Mapping[str, Any]) -> None:
        """Do what a page asks for."""


@cache
def script() -> str:
    """The module that pages load: no build step, no network."""
    front = files("runpodkit.notebook").joinpath("front")
    css = "\n".join(front.joinpath(name).read_text("utf-8") for name in _STYLES)
    quoted = css.replace("\\", "\\\\").replace("`", "\\`").replace("${", "\\${")
    return "\n".join([f"const CSS = `{quoted}`;", *(front.joinpath(name).read_text("utf-8") for name in _SCRIPTS)])


class _Carrier(anywidget.AnyWidget):
    """Carries script and messages; it is never shown."""

    _esm = ""
    places = traitlets.Dict().tag(sync=True)


class _Place(anywidget.AnyWidget):
    """A view for front ends that keep outputs apart from each other, where no script can reach a place."""

    _esm = ""
    place = traitlets.Dict().tag(sync=True)


class Hub:
    """Places and their views, messages both ways, and the one background task."""

    def __init__(self) -> None:
        self._carrier = _Carrier(_esm=script())
        self._carrier.on_msg(self._heard)
        self._views: dict[str, View] = {}
        self._apart: dict[str, Any] = {}
        """Widgets that hold a place where front ends keep outputs apart."""
        self._working = False
        self._wake = asyncio.Event()
        self._forms = 0
        self.attended = False
        """Whether a page has ever answered: a notebook that is run without one is never asked."""
        self.fill_form: Callable[[Any], None] | None = None
        """Fills the form that was shown last with parameters."""
        # ipykernel sends what pages say to the thread that spoke last, which a running cell may block;
        # left to itself, a page's message goes to the thread the page chose, and that one is free.
        if hasattr(self._carrier.comm, "_reply_subshell_for"):
            self._carrier.comm._reply_subshell_for = lambda _, default: default

    # places

    def place_view(self, key: str, view: View) -> None:
        """Let pages show a view wherever a cell has a place of this key."""
        self._views[key] = view
        self._places({key: {"kind": "run"}})
        self.wake()

    def view(self, key: str) -> View | None:
        return self._views.get(key)

    def place_form(self, root: Any) -> str:
        """Let pages show a form; gives the key of its place."""
        self._forms += 1
        key = f"form-{self._forms}"
        self._places({key: {"kind": "form", "model": root.model_id}})
        return key

    def _places(self, more: Mapping[str, Any]) -> None:
        self._carrier.places = {**self._carrier.places, **more}

    def output(self, html: str, plain: str, key: str) -> dict[str, Any]:
        """An output that is plain HTML to whoever has no kernel."""
        given = bundle(html, plain, key)
        if apart():
            if key not in self._apart:
                self._apart[key] = _Place(_esm=script(), place={"key": key, "hub": self._carrier.model_id})
            given["application/vnd.jupyter.widget-view+json"] = {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self._apart[key].model_id,
            }
        return given

    # messages

    def say(self, message: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
        """Tell all pages; may be called from any thread."""
        self._carrier.send(dict(message), list(buffers))

    def _heard(self, _: Any, message: Mapping[str, Any], __: Any) -> None:
        """A page said something; answered at once, done on the loop."""
        self.attended = True
        if "id" in message:
            self.say({"kind": "ack", "id": message["id"]})
        view = self._views.get(str(message.get("key")))
        if view:
            shared_loop().start(self._do(view, message))

    async def _do(self, view: View, message: Mapping[str, Any]) -> None:
        try:
            await view.hear(message)
        except (RunpodkitError, ValueError) as exc:
            self.say({"kind": "said", "key": message["key"], "text": str(exc)})
        except Exception as exc:
            logger.opt(exception=exc).warning("view {} could not do {}", message["key"], message.get("kind"))
            self.say({"kind": "said", "key": message["key"], "text": f"{type(exc).__name__}: {exc}"})
        self.wake()

    # the background task

    def wake(self) -> None:
        """See that views are looked after: something changed that they do not know of."""
        shared_loop().start(self._work())

    async def _work(self) -> None:
        self._wake.set()
        if self._working:
            return
        self._working = True
        clock = asyncio.get_running_loop().time
        pulse = 0.0
        try:
            while True:
                self._wake.clear()
                now = clock()
                for key, view in list(self._views.items()):
                    if view.due <= now:
                        await self._look(key, view, now)
                due = min((view.due for view in self._views.values()), default=float("inf"))
                if self.attended and now >= pulse and due < float("inf"):
                    pulse = now + PULSE_S
                    self.say({"kind": "pulse"})
                pause = None if due == float("inf") else max(0.01, min(due, pulse or due) - clock())
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), pause)
        finally:
            self._working = False

    async def _look(self, key: str, view: View, now: float) -> None:
        try:
            await view.look(now)
        except Exception as exc:
            logger.opt(exception=exc).warning("view {} could not look", key)
            self.say({"kind": "trouble", "key": key, "text": f"{type(exc).__name__}: {exc}"})
            view.due = now + PULSE_S


def apart() -> bool:
    """Whether this front end keeps outputs apart, so that a script in one cannot fill another."""
    return "VSCODE_PID" in os.environ or "google.colab" in sys.modules


def show_form(root: Any, html: Callable[[], str], plain: str) -> tuple[str, Callable[[], None]]:
    """Show a form made of widgets in the cell, as plain HTML that pages replace by the widgets.

    Args:
        html: The static twin as it is now.

    Returns:
        The key of its place, and what draws the twin anew when something worth keeping has changed.
    """
    from IPython.display import display

    key = hub().place_form(root)
    if apart():
        display({**bundle(html(), plain), **root._repr_mimebundle_()}, raw=True)  # type: ignore[no-untyped-call]
        return key, lambda: None
    handle = display(bundle(html(), plain, key), raw=True, display_id=True)  # type: ignore[no-untyped-call]
    return key, lambda: handle.update(bundle(html(), plain, key), raw=True)


_hub: Hub | None = None


def hub() -> Hub:
    """This kernel's hub, made when first needed."""
    global _hub
    if _hub is None:
        _hub = Hub()
    return _hub


def _forget() -> None:
    global _hub
    _hub = None


os.register_at_fork(after_in_child=_forget)

__all__ = ["Hub", "View", "hub", "show_form", "widgets"]
