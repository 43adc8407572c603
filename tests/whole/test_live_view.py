"""What the kernel tells the pages of a run, and what it keeps in the notebook for those without a kernel."""

from __future__ import annotations

import asyncio
import io
import os
import re
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import runpodkit as rk
from runpodkit import stack
from runpodkit.blocking import shared_loop
from runpodkit.connecting import connect
from runpodkit.errors import ConfigError, LedgerError
from runpodkit.kit import Kit
from runpodkit.notebook import hub as hubs
from runpodkit.notebook.live import LiveRun, place_of
from runpodkit.runs.run import Run
from runpodkit.settings import Settings

HOSTILE = "<script>window.taken=1</script> \"quoted\" 'too' 🦊 \u202ertl "


class Page:
    """A page's end of the hub: what it was told, and how it asks."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, Any], list[bytes]]] = []
        self.hub = hubs.Hub()
        self.hub.say = self._say  # type: ignore[method-assign]

    def _say(self, message: Mapping[str, Any], buffers: Sequence[bytes] = ()) -> None:
        self.told.append((dict(message), list(buffers)))

    def show(self, run: Run) -> LiveRun:
        view = LiveRun(run, place_of(run), self.hub)
        self.hub.place_view(view.key, view)
        return view

    def ask(self, view: LiveRun, kind: str, **about: Any) -> None:
        self.hub._heard(None, {"kind": kind, "key": view.key, "id": len(self.told), **about}, None)

    def heard(self, kind: str) -> list[dict[str, Any]]:
        return [message for message, _ in self.told if message["kind"] == kind]

    def wait(self, kind: str, patience_s: float = 20, **about: Any) -> dict[str, Any]:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            for message in self.heard(kind):
                if all(message.get(name) == value for name, value in about.items()):
                    return message
            time.sleep(0.02)
        raise AssertionError(f"no {kind} {about} among {[message['kind'] for message, _ in self.told]}")

    def wait_state(self, *states: str, patience_s: float = 40) -> None:
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if any(message["status"]["state"] in states for message in self.heard("news") + self.heard("run")):
                return
            time.sleep(0.02)
        raise AssertionError(f"never {states}: {[message['status']['state'] for message in self.heard('news')]}")


@pytest.fixture
def page() -> Iterator[Page]:
    page = Page()
    yield page
    page.hub._views.clear()


def small(prompt: str = "a fox", **fields: Any) -> rk.Sweep:
    return rk.sweep(prompt, **{"width": 64, "height": 64, "steps": [1, 2], "seed": range(3), **fields})


def test_a_page_sees_every_trial_come_and_gets_its_picture(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a fox seen live"), name="seen-live", fresh=True)
    view = page.show(run)
    page.ask(view, "open")

    head = page.wait("run")["head"]
    assert head["axes"] == [{"name": "steps", "labels": ["1", "2"]}, {"name": "seed", "labels": ["0", "1", "2"]}]
    assert (head["simulated"], head["count"], head["has"], head["aspect"]) == (True, 6, None, 1.0)
    page.wait_state("DONE")
    cells: dict[int, Any] = dict(page.heard("run")[0]["cells"])
    for news in page.heard("news"):
        cells.update(news["cells"])
    assert {number: cell["s"] for number, cell in cells.items()} == dict.fromkeys(range(6), "C")

    page.ask(view, "thumbs", numbers=[0, 5, 77])
    answer = page.wait("thumbs")
    assert answer["numbers"] == [0, 5]
    assert answer["broken"] == [[77, "no picture"]]
    thumbs = next(buffers for message, buffers in page.told if message["kind"] == "thumbs")
    assert [Image.open(io.BytesIO(thumb)).format for thumb in thumbs] == ["JPEG", "JPEG"]

    page.ask(view, "picture", number=4)
    about = page.wait("picture", number=4)
    (data,) = next(buffers for message, buffers in page.told if message["kind"] == "picture")
    record = run.records()[4]
    assert data == run.picture_of(record).bytes
    assert about["mime"] == "image/png"
    assert dict(about["facts"])["seed"] == "1"
    assert "steps=2" in about["code"]


def test_news_come_at_most_five_times_a_second(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a fox in a hurry", seed=range(100)), name="hurry", fresh=True)
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")
    began = time.monotonic()
    page.wait_state("DONE")

    assert len(page.heard("news")) <= 5 * (time.monotonic() - began) + 2


def test_buttons_pause_resume_cancel_and_retry(kit: Kit, page: Page) -> None:
    sweep = small("a fox that waits", width=832, height=1216, steps=[100, 150], seed=range(40))
    run = kit.submit(sweep, name="buttons", fresh=True, window=8)
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")

    for action, state in (("pause", "PAUSED"), ("resume", "RUNNING"), ("cancel", "CANCELLED")):
        page.told.clear()
        page.ask(view, "do", action=action)
        page.wait_state(state)
    deadline = time.monotonic() + 20
    while not run.status().is_over and time.monotonic() < deadline:
        time.sleep(0.1)
    page.told.clear()
    page.ask(view, "do", action="retry")
    page.wait_state("RUNNING", "DONE")
    run.cancel()


def test_redis_that_is_away_is_told_and_it_comes_back_by_itself(
    kit: Kit, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kit.submit(small("a fox without redis"), name="no-redis", fresh=True).wait()
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")
    real = Run._changes

    async def gone(*_: Any, **__: Any) -> Any:
        raise LedgerError("cannot reach it: nobody is there")

    monkeypatch.setattr(run, "achanges", gone)
    view.due = 0
    page.hub.wake()
    assert "comes back by itself" in page.wait("trouble")["text"]

    monkeypatch.setattr(run, "achanges", lambda *args, **kwargs: real(run, *args, **kwargs))
    page.told.clear()
    page.ask(view, "open")
    assert page.wait("run")["status"]["done"] == 6


def test_a_redis_that_is_killed_under_a_view_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Page
) -> None:
    monkeypatch.setenv("RUNPODKIT_HOME", str(tmp_path / "home"))
    kit = connect(quiet=True)
    try:
        sweep = small("a fox that outlives redis", width=832, height=1216, steps=[100, 150], seed=range(30))
        view = page.show(kit.submit(sweep, name="outlives", window=8))
        page.ask(view, "open")
        page.wait("run")
        (pid,) = [part.pid for part in stack.status(kit.settings) if part.name == "Redis"]
        assert pid
        os.kill(pid, signal.SIGKILL)

        assert "comes back by itself" in page.wait("trouble")["text"]
        done = max((news["status"]["done"] for news in page.heard("news")), default=0)
        page.told.clear()
        deadline = time.monotonic() + 40
        while time.monotonic() < deadline:
            if any(news["status"]["done"] > done for news in page.heard("news")):
                break
            time.sleep(0.1)
        assert any(news["status"]["done"] > done for news in page.heard("news"))
        view.run.cancel()
    finally:
        page.hub._views.clear()
        kit.close()
        stack.down(Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path / "home"))


def test_two_kernels_see_the_same_run_and_both_may_steer_it(kit: Kit, page: Page) -> None:
    other = Page()
    sweep = small("a fox of two kernels", width=832, height=1216, steps=[100, 150], seed=range(30))
    run = kit.submit(sweep, name="two-kernels", fresh=True, window=8)
    mine, theirs = page.show(run), other.show(kit.open_run(run.name))
    page.ask(mine, "open")
    other.ask(theirs, "open")
    page.wait("run")
    other.wait("run")

    other.ask(theirs, "do", action="pause")
    page.wait_state("PAUSED")
    page.ask(mine, "do", action="cancel")
    other.wait_state("CANCELLED")
    other.hub._views.clear()


def test_a_picture_of_one_pixel_width_is_shown_as_any_other(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a thin fox", steps=1), name="thin", fresh=True).wait()
    thin = io.BytesIO()
    Image.new("RGB", (1, 4096), "red").save(thin, "PNG")
    key = run.records()[0].images[0].key
    kit.store.put(key, thin.getvalue(), "image/png")
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")

    page.ask(view, "thumbs", numbers=[0])
    assert page.wait("thumbs")["numbers"] == [0]
    assert view.output(run.status(), run.records())["text/html"].count("<img") == 1


def test_a_run_that_was_deleted_under_a_view_is_told(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a fox to forget"), name="forgotten", fresh=True).wait()
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")

    shared_loop().call(kit.ledger.forget(run.name))
    for key in list(kit.store.keys(f"runs/{run.name}/")):
        kit.store.delete(key)
    view._checked = view.due = 0.0
    page.hub.wake()

    assert "is gone" in page.wait("trouble")["text"]


def test_a_view_that_is_closed_does_no_more_work(kit: Kit, page: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep = small("a fox unseen", width=832, height=1216, steps=[100, 150], seed=range(30))
    run = kit.submit(sweep, name="unseen", fresh=True, window=8)
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")
    page.ask(view, "close", gone=True)
    deadline = time.monotonic() + 5
    while view.due != float("inf") and time.monotonic() < deadline:
        time.sleep(0.02)

    looks: list[float] = []

    async def look(now: float) -> None:
        looks.append(now)

    monkeypatch.setattr(view, "look", look)
    time.sleep(1.0)
    run.cancel()
    assert looks == []


def test_blind_answers_are_kept_with_the_run_and_counted_in_its_table(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a fox to judge"), name="judged", fresh=True).wait()
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")
    for winner, seed in ((0, 0), (1, 1), (None, 2)):
        first, second = seed, seed + 3
        page.ask(view, "prefer", axis="steps", first=first, second=second, left=second,
                 winner={0: first, 1: second, None: None}[winner])  # fmt: skip
    page.ask(view, "preferences", axis="steps")

    told = page.wait("preferred")
    assert told["text"].startswith("1 is preferred to 2 with 50% (95% interval ")
    assert told["text"].endswith("), 3 answers, 1 without a difference: too close to call.")
    assert [rank[0] for rank in told["ranks"]] == ["1", "2"]
    assert str(run.ranking()) == told["text"]
    (row,) = run.preferences().to_dict("records")
    assert (row["value"], row["against"], row["wins"], row["losses"], row["ties"]) == ("1", "2", 1, 1, 1)
    assert run.table()[["wins", "losses", "ties"]].values.tolist() == [
        [1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0], [0, 0, 1],
    ]  # fmt: skip


def test_parameters_of_a_cell_fill_the_form_that_is_shown(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a fox to use"), name="used", fresh=True).wait()
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")

    page.ask(view, "use", number=3)
    assert "kit.form()" in page.wait("said")["text"]

    filled: list[Any] = []
    page.hub.fill_form = filled.append
    page.ask(view, "use", number=3)
    deadline = time.monotonic() + 5
    while not filled and time.monotonic() < deadline:
        time.sleep(0.02)
    assert (filled[0].steps, filled[0].seed) == (2, 0)


def test_the_twin_is_plain_small_and_the_same_each_time(kit: Kit, page: Page) -> None:
    prompt = HOSTILE * 80
    run = kit.submit(small(prompt[:3900], steps=1), name="twin", fresh=True).wait()
    view = page.show(run)

    first, again = (view.output(run.status(), run.records()) for _ in range(2))

    assert first == again
    assert set(first) == {"text/html", "text/plain"}
    assert first["text/plain"] == "Run twin: DONE, 3 of 3 pictures, SIMULATOR"
    html = first["text/html"]
    assert html.startswith(f'<div data-runpodkit="{view.key}">')
    assert "<script" not in html
    assert html.count("<img") == 1
    assert "SIMULATOR" in html
    assert len(html) < 300_000
    assert not re.search(r"127\.0\.0\.1|0x[0-9a-f]{6}|\d\d:\d\d", re.sub(r'base64,[^"]+', "", html))


def test_a_run_where_every_trial_failed_says_why_in_place(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a fox that fails", extra={"width": "wide"}), name="all-failed", fresh=True).wait()
    view = page.show(run)
    page.ask(view, "open")

    told = page.wait("run")
    assert told["status"]["done"] == 0
    assert told["status"]["reason"] or told["status"]["bad"]
    html = view.output(run.status(), run.records())["text/html"]
    assert "0 of 6 pictures" in html


def test_a_trial_alone_has_a_view_as_well(kit: Kit, page: Page) -> None:
    run = kit.submit(rk.sweep("a lone fox", width=64, height=64, steps=1, seed=1), name="alone", fresh=True).wait()
    view = page.show(run)
    page.ask(view, "open")

    assert page.wait("run")["head"]["axes"] == []
    assert "1 of 1 pictures" in view.output(run.status(), run.records())["text/html"]


def test_what_a_page_asks_wrongly_is_said_and_breaks_nothing(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a fox asked wrongly"), name="wrongly", fresh=True).wait()
    view = page.show(run)
    page.ask(view, "open")
    page.wait("run")

    page.ask(view, "do", action="explode")
    assert "explode" in page.wait("said")["text"]
    page.ask(view, "picture", number=12345)
    assert page.wait("picture", number=12345)["problem"] == "no such trial"
    page.ask(view, "thumbs", numbers=[0])
    assert page.wait("thumbs")["numbers"] == [0]


def test_the_place_of_a_run_is_the_same_in_every_kernel(kit: Kit) -> None:
    run = kit.submit(small("a fox in place"), name="in-place", fresh=True)

    assert place_of(run) == place_of(kit.open_run(run.name))
    assert re.fullmatch("[0-9a-f]{12}", place_of(run))


def test_any_number_of_views_share_one_task(kit: Kit, page: Page) -> None:
    run = kit.submit(small("a fox seen twice"), name="twice", fresh=True).wait()
    for _ in range(3):
        page.ask(page.show(run), "open")
    page.wait("run")

    async def workers() -> int:
        return sum("Hub._work" in repr(task.get_coro()) for task in asyncio.all_tasks())

    assert shared_loop().call(workers()) >= 1
    own = shared_loop().call(workers())
    page.ask(page.show(run), "open")
    time.sleep(0.3)
    assert shared_loop().call(workers()) == own


def test_without_the_lab_extra_a_run_is_shown_in_words(
    kit: Kit, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = kit.submit(small("a fox in words"), name="in-words", fresh=True).wait(progress=False)

    def missing() -> None:
        raise ConfigError("a live view needs anywidget and ipywidgets")

    run._ipython_display_()
    monkeypatch.setattr("runpodkit.runs.run.in_notebook", lambda: True)
    monkeypatch.setattr(run, "live", missing)
    run._ipython_display_()

    assert capsys.readouterr().out == "Run in-words: DONE, 6 of 6 pictures, SIMULATOR\n" * 2


def test_a_view_of_a_run_that_is_over_starts_nothing_where_redis_is_away(
    kit: Kit, page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = kit.submit(small("a fox at rest", steps=1), name="at-rest", fresh=True).wait()
    view = page.show(run)
    page.ask(view, "open")
    page.wait_state("DONE")
    mended: list[str] = []

    async def away(*_: object, **__: object) -> list[object]:
        raise LedgerError("Redis: connection refused")

    async def mend() -> None:
        mended.append(run.name)

    monkeypatch.setattr(run, "achanges", away)
    monkeypatch.setattr(run, "mend", mend)
    view.due = 0.0
    page.hub.wake()

    assert "comes back by itself" in page.wait("trouble")["text"]
    assert mended == []
