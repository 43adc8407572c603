"""Strange pictures through the whole system: a worker that answers oddly, and what a person sees of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import runpodkit as rk
from runpodkit.connecting import connect
from runpodkit.kit import Kit
from runpodkit.runs.rows import TrialState
from runpodkit.settings import Settings
from tests.whole.conftest import KEY, Simulated
from tests.whole.test_live_view import Page

HANDLER = """
import base64, io, random
from PIL import Image
import runpod

def drawn(number, **how):
    if number is None:
        image = Image.new("RGB", (64, 64), "black")
    else:
        image = Image.frombytes("RGB", (64, 64), random.Random(number).randbytes(64 * 64 * 3))
    out = io.BytesIO()
    image.save(out, "PNG", **how)
    return base64.b64encode(out.getvalue()).decode()

PAGE = base64.b64encode(b"<html><script>alert(1)</script>the bucket is full</html>" * 5).decode()

def handler(job):
    seed = job["input"]["seed"]
    return {
        2: {"image": PAGE, "where": "https://bucket.example/x.png?X-Amz-Signature=s3cr3t"},
        3: {"image": drawn(None)},
        4: {"image": drawn(1)},
        5: {"images": [drawn(5), drawn(5, compress_level=1)]},
        6: {"images": [drawn(6), PAGE, drawn(7)]},
        7: {"status": "finished", "log": "<b>NSFW</b>"},
    }.get(seed, {"image": drawn(seed)})

runpod.serverless.start({"handler": handler})
"""


@pytest.fixture
def odd_kit(home: Path, tmp_path: Path, simulated: Callable[..., Simulated]) -> Iterator[Kit]:
    """A kit whose endpoint's worker answers oddly."""
    (tmp_path / "odd.py").write_text(HANDLER)
    one = simulated("--handler", "odd.py", "--workers", "2")
    settings = Settings.load(RUNPOD_URL=one.url, RUNPOD_API_KEY=KEY)
    kit = connect(settings=settings, quiet=True)
    yield kit
    kit.close()


@pytest.fixture
def watcher() -> Iterator[Page]:
    """A page's end of the hub."""
    page = Page()
    yield page
    page.hub._views.clear()


def test_what_is_odd_is_in_record_table_report_and_view(
    odd_kit: Kit, watcher: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = rk.sweep("a mill", seed=[1, 2, 3, 4, 5, 6, 7], width=64, height=64)
    run = odd_kit.submit(sweep, name="odd", fresh=True, hold_after_equal_failures=99)

    run.wait()

    assert "1 picture is blank, one colour all over: trial 2" in capsys.readouterr().err
    records = run.records()
    assert [record.flags for record in records] == [
        (),
        (),
        ("blank picture",),
        ("same pixels as trial 0",),
        ("2 equal pictures, one kept",),
        ("picture 2 of 3 could not be read: the output is not a picture: it is an HTML page",),
        (),
    ]
    assert [len(record.images) for record in records] == [1, 0, 1, 1, 1, 2, 0]
    unreadable, wordy = records[1], records[6]
    assert (unreadable.state, unreadable.reason) == (
        TrialState.FAILED,
        "unreadable output: the output is not a picture: it is an HTML page",
    )
    assert unreadable.unread and wordy.unread
    kept = run.bytes_of(unreadable.unread).decode()
    assert json.loads(kept)["output"]["where"] == "https://bucket.example/x.png?…"
    assert "s3cr3t" not in kept + unreadable.to_json()
    assert wordy.excerpt == '{"status": "finished", "log": "<b>NSFW</b>"}'

    table = run.table()
    assert table["flags"].dropna().tolist() == ["; ".join(record.flags) for record in records if record.flags]
    report = run.report()
    assert (report["blank"], report["same_pixels"], report["axes_without_effect"]) == (1, 1, [])
    assert sorted(run.failures()["reason"]) == sorted([unreadable.reason, wordy.reason])

    view = watcher.show(run)
    watcher.ask(view, "open")
    message = watcher.wait("run")
    cells = dict(message["cells"])
    assert {number: cell["f"] for number, cell in cells.items() if "f" in cell} == {
        record.trial: "; ".join(record.flags) for record in records if record.flags
    }
    assert message["status"]["remark"] == "1 picture is blank, one colour all over: trial 2"
    watcher.ask(view, "picture", number=3)
    assert dict(watcher.wait("picture", number=3)["facts"])["remarks"] == "same pixels as trial 0"
    watcher.ask(view, "picture", number=6)
    facts = dict(watcher.wait("picture", number=6)["facts"])
    assert (facts["returned"], facts["kept as"]) == (wordy.excerpt, wordy.unread)

    # read from the store alone it says the same
    again = rk.open_run(odd_kit.store.folder / "runs" / "odd")  # type: ignore[attr-defined]
    assert [record.flags for record in again.records()] == [record.flags for record in records]


def test_an_axis_that_the_worker_ignores_is_told(
    odd_kit: Kit, watcher: Page, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep = rk.sweep("a mill", sampler_name=["Euler", "Heun"], seed=[11, 12], width=64, height=64)
    run = odd_kit.submit(sweep, name="ignored", fresh=True)

    run.wait()

    said = "sampler_name (2 values) made no difference: with all else equal, each value gave the same pixels"
    assert capsys.readouterr().err.count(said) == 1
    assert run.report()["axes_without_effect"] == ["sampler_name"]
    assert [record.flags for record in run.records()] == [
        (),
        (),
        ("same pixels as trial 0",),
        ("same pixels as trial 1",),
    ]
    html = watcher.show(run).output(run.status(), run.records(), pictured=False)["text/html"]
    assert html.count(said) == 1

    # drawn again under another name: what is reused asked for the same picture, or did not
    other = odd_kit.submit(sweep, name="ignored-again", fresh=True).wait(progress=False)
    assert {str(record.state) for record in other.records()} == {"REUSED"}
    assert other.report()["axes_without_effect"] == ["sampler_name"]
    assert capsys.readouterr().err == ""
