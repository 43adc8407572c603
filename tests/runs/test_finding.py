"""Finding runs: ledger and store together, every filter, what is left out, and how few requests it takes."""

from __future__ import annotations

import pickle
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runpodkit.errors import StoreError
from runpodkit.runs.finding import Search, find, folded, moment_of, prompts_in, wanted
from runpodkit.runs.labels import add_tags, set_note
from runpodkit.runs.ledger import Ledger, RunStatus
from runpodkit.runs.records import read_head, write_head
from runpodkit.runs.rows import RunHead, RunState
from runpodkit.runs.runs_table import COLUMNS, SHOWN, Runs, lines_of, table_of
from runpodkit.runs.stars import set_star
from runpodkit.storage import Store
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.prompting import Replace
from runpodkit.sweeps.sweep import sweep
from tests.doors.test_escaping import EVIL, TAGS, Reader
from tests.runs.kept import STARTED, head_of, keep, keep_joint

DAY = 86_400.0


class Counting:
    """A store that counts what it is asked for."""

    def __init__(self, inner: Store) -> None:
        self._inner, self.asked = inner, Counter[str]()
        self.describe = inner.describe

    def __getattr__(self, name: str) -> Any:
        self.asked[name] += 1
        return getattr(self._inner, name)


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "store")


async def search(store: Any, ledger: Ledger, **asked: Any) -> Search:
    given = dict.fromkeys(("tag", "since", "text", "endpoint", "state", "starred", "limit")) | asked
    return await find(store, ledger, wanted(**given, now=lambda: STARTED + 10 * DAY), as_it_says)  # type: ignore[arg-type]


async def as_it_says(_: RunHead, status: RunStatus) -> RunStatus:
    return status


async def names(store: Any, ledger: Ledger, **asked: Any) -> list[str]:
    return [one.head.name for one in (await search(store, ledger, **asked)).runs]


async def test_runs_of_the_ledger_and_of_the_store_alone_are_found_newest_first(
    store: LocalStore, ledger: Ledger
) -> None:
    keep(store, sweep("a mill", seed=[1, 2]), "old", created_at=STARTED)
    moving = keep(store, sweep("a mill", seed=[3]), "moving", state=RunState.RUNNING, created_at=STARTED + 9)
    await ledger.create(moving)
    await ledger.create(head_of(sweep("a mill", seed=[4]), "only-in-redis", created_at=STARTED + 5))

    found = (await search(store, ledger)).runs

    assert [(one.head.name, str(one.state)) for one in found] == [
        ("moving", "RUNNING"),
        ("only-in-redis", "RUNNING"),
        ("old", "DONE"),
    ]
    assert [one.totals and one.totals.collected for one in found] == [0, 0, 2]
    assert found[2].totals
    assert found[2].totals.cost_usd == pytest.approx(0.002)  # two pictures of $0.001, by their records


async def test_single_pictures_and_parts_are_left_out(store: LocalStore, ledger: Ledger) -> None:
    keep_joint(store, sweep("a mill", endpoint=["one", "two"], seed=[1, 2]), "both")
    keep(store, sweep("a mill", seed=1), "one-0123456789abcdef", kind="single")
    keep(store, sweep("a mill", seed=1), "one-11111111-2222-3333-4444-555555555555", kind="single")
    keep(store, sweep("a mill", seed=1), "one-shot")

    found = (await search(store, ledger)).runs

    assert sorted(one.head.name for one in found) == ["both", "one-shot"]
    both = next(one for one in found if one.head.name == "both")
    assert both.totals and both.totals.collected == 4


async def test_every_filter_finds_what_it_names(store: LocalStore, ledger: Ledger) -> None:
    keep(store, sweep("a mill by the sea", seed=1), "mill", created_at=STARTED)
    keep(store, sweep("ЗИМНИЙ лес", seed=1), "wood", created_at=STARTED + 5 * DAY, endpoint="api.runpod.ai/abc123")
    keep(store, sweep(["Straße", "a fox"], seed=1), "street", created_at=STARTED + 9 * DAY, state=RunState.CANCELLED)
    await ledger.create(head_of(sweep("a mill", seed=[4]), "new", created_at=STARTED + 10 * DAY))
    add_tags(store, "mill", ["Paper", "samplers"])
    add_tags(store, "street", ["paper"])
    add_tags(store, "new", ["paper"])
    set_note(store, "wood", "for Figure 3")
    set_star(store, "wood", True)

    assert await names(store, ledger, tag="paper") == ["new", "street", "mill"]
    assert await names(store, ledger, tag=["paper", "samplers"]) == ["mill"]
    assert await names(store, ledger, since="5d") == ["new", "street", "wood"]
    assert await names(store, ledger, text="зимний ЛЕС") == ["wood"]
    assert await names(store, ledger, text="STRASSE") == ["street"]
    assert await names(store, ledger, text="figure wood") == ["wood"]  # words of note and name
    assert await names(store, ledger, text="SAMPLERS sea") == ["mill"]  # of a tag and the prompt
    assert await names(store, ledger, text="grid") == []  # no word of the plan besides the prompts
    assert await names(store, ledger, endpoint="abc123") == ["wood"]
    assert await names(store, ledger, endpoint=["api.runpod.ai/abc123", "nowhere"]) == ["wood"]
    assert await names(store, ledger, state="running") == ["new"]
    assert await names(store, ledger, state=["DONE", "cancelled"]) == ["street", "wood", "mill"]
    assert await names(store, ledger, starred=True) == ["wood"]
    assert await names(store, ledger, starred=False) == ["new", "street", "mill"]
    assert await names(store, ledger, limit=2) == ["new", "street"]
    assert await names(store, ledger, tag="paper", state="DONE", text="mill") == ["mill"]


def test_everything_that_cannot_be_meant_is_told_at_once() -> None:
    told = r"tag ''.*since='soon': give an age.*state='ENDED' is none; they are RUNNING.*limit=0"
    with pytest.raises(ValueError, match=told):
        wanted("", "soon", None, None, "ENDED", None, 0)


def test_a_moment_is_an_age_a_day_or_a_time() -> None:
    assert moment_of(None, 100.0) is None
    assert moment_of("7d", 700_000.0) == 700_000.0 - 604_800.0
    assert moment_of("2026-11-24T12:00:00+00:00", 0) == datetime(2026, 11, 24, 12, tzinfo=UTC).timestamp()
    assert moment_of(datetime(2026, 11, 24, tzinfo=UTC), 0) == datetime(2026, 11, 24, tzinfo=UTC).timestamp()
    assert moment_of(date(2026, 11, 24), 0) == datetime(2026, 11, 24).timestamp()
    assert moment_of("2026-11-24", 0) == datetime(2026, 11, 24).timestamp()


async def test_a_head_that_cannot_be_read_hides_no_other(store: LocalStore, ledger: Ledger) -> None:
    keep(store, sweep("a mill", seed=1), "fine")
    store.put("runs/broken/run.json", b"{")
    store.put("runs/older/run.json", b'{"state": "DONE", "name": "older"}')

    found = await search(store, ledger)

    assert [one.head.name for one in found.runs] == ["fine"]
    assert len(found.problems) == 2
    assert "runs/broken/run.json is not the head of a run" in found.problems[0]


class Torn(LocalStore):
    """A store that cannot read some of its files."""

    def get(self, key: str) -> bytes:
        if key in ("runs/locked/run.json", "runs/fine/note.txt"):
            raise StoreError(f"cannot read key {key!r}: Permission denied")
        return super().get(key)


async def test_a_file_that_cannot_be_read_hides_no_other(tmp_path: Path, ledger: Ledger) -> None:
    store = Torn(tmp_path / "store")
    for name in ("fine", "locked"):
        keep(store, sweep("a mill", seed=1), name)
    set_note(LocalStore(tmp_path / "store"), "fine", "a note")

    found = await search(store, ledger)

    assert [(one.head.name, one.note) for one in found.runs] == [("fine", "")]
    assert found.problems == ["cannot read key 'runs/locked/run.json': Permission denied"]


async def test_a_run_with_totals_costs_one_read(store: LocalStore, ledger: Ledger) -> None:
    for number in range(40):
        head = keep(store, sweep("a mill", seed=[1, 2]), f"r{number}")
        totals = {"collected": 2, "failed": 0, "cost_usd": 0.5, "picture": "", "pixels": ""}
        write_head(store, head, RunState.DONE, totals)
    counting = Counting(store)

    found = (await search(counting, ledger)).runs

    assert len(found) == 40
    assert {one.totals.cost_usd for one in found if one.totals} == {0.5}
    assert counting.asked == {"keys": 1, "get": 40}
    assert read_head(store, "r0")[1] is RunState.DONE  # whoever reads heads does not see them


async def test_labels_are_looked_at_before_anything_is_read(store: LocalStore, ledger: Ledger) -> None:
    for number in range(40):
        keep(store, sweep("a mill", seed=1), f"r{number}")
    add_tags(store, "r7", "paper")
    counting = Counting(store)

    assert await names(counting, ledger, tag="paper") == ["r7"]
    assert counting.asked == {"keys": 1, "get": 2}  # its head, and its records, as nobody wrote totals


async def test_a_head_of_a_later_version_is_read(store: LocalStore) -> None:
    head = head_of(sweep("a mill", seed=1), "r", provenance={"notebook": "a.ipynb"})

    assert RunHead.from_dict(head.to_dict()) == head
    assert RunHead.from_dict({**head.to_dict(), "of_tomorrow": 1}) == head
    old = head.to_dict()
    del old["provenance"]
    assert RunHead.from_dict(old) == replace(head, provenance={})


@given(st.text(max_size=20))
def test_text_is_found_whatever_its_capitals(text: str) -> None:
    assert folded(text.upper()) == folded(folded(text.upper()))
    assert folded(text.swapcase().lower()) == folded(text.swapcase().lower().casefold())


def test_prompts_are_found_wherever_they_stand_in_a_plan() -> None:
    plan = {
        "base": {"user_prompt": "one", "sampler_name": "Euler"},
        "axes": {"user_prompt": ["two", "three"], "portrait": [{"negative_prompt": "four", "preset": "x"}]},
        "mode": "grid",
    }

    assert prompts_in(plan) == ["one", "two", "three", "four"]


# as a table


async def table(store: LocalStore, ledger: Ledger, **asked: Any) -> Runs:
    return table_of(await search(store, ledger, **asked), store)


@pytest.fixture
def many(store: LocalStore) -> None:
    for number in range(SHOWN + 3):
        keep(store, sweep("a mill", seed=1), f"r{number:02d}", created_at=STARTED + number)


@pytest.mark.usefixtures("many")
async def test_a_notebook_shows_fifty_with_a_picture_each(store: LocalStore, ledger: Ledger) -> None:
    frame = await table(store, ledger)

    html = frame._repr_html_()

    assert len(frame) == SHOWN + 3
    assert html.count("data:image/jpeg;base64,") == SHOWN
    assert "and 3 more" in html and "r52" in html and "r02<" not in html
    assert len(html) < 200_000
    assert len(list(store.keys("thumbs/96/"))) == SHOWN  # the next time nothing is decoded
    assert frame._repr_html_() == html


async def test_it_is_a_table_like_any_other(store: LocalStore, ledger: Ledger) -> None:
    keep(store, sweep("a mill", seed=[1, 2]), "r", failed={1: "out of memory"})
    stranded = keep(store, sweep("a mill", seed=1), "s", state=RunState.RUNNING, drawn=0, created_at=STARTED - 1)

    frame = await table(store, ledger)

    assert tuple(frame.columns) == COLUMNS
    assert list(frame["name"]) == ["r", "s"] and stranded.name == "s"
    assert frame["collected"].tolist() == [1, 0] and frame["failed"].tolist() == [1, 0]
    assert frame["cost_usd"].isna().tolist() == [False, True]  # nothing drawn: nobody knows, and not nothing
    assert "data:image" in frame[frame["state"] == "DONE"]._repr_html_()
    assert frame[["name"]]._repr_html_().startswith("<table")
    assert frame.to_json(orient="records", date_format="iso").startswith('[{"name":"r","state":"DONE"')
    assert lines_of(frame)[0].startswith("r  DONE")
    assert lines_of(frame.head(0)) == ["no runs"]


@pytest.mark.parametrize("evil", EVIL)
async def test_what_people_wrote_stays_text(store: LocalStore, ledger: Ledger, evil: str) -> None:
    keep(store, sweep("a mill", seed=1), "r", endpoint=evil)
    set_note(store, "r", evil)
    store.put("runs/broken/run.json", b'{"state": "DONE", "' + evil.encode() + b'": 1}')

    shown = Reader((await table(store, ledger))._repr_html_())

    assert {name for name, _ in shown.elements} <= TAGS
    assert evil[:20].split()[0] in shown.words
    for _, about in shown.elements:
        assert not any(name.startswith("on") for name in about)


async def test_a_list_of_runs_that_was_kept_in_a_file_is_shown_again_and_holds_no_store(
    store: LocalStore, ledger: Ledger
) -> None:
    keep(store, sweep("a mill", seed=1), "r")
    frame = await table(store, ledger)

    data = pickle.dumps(frame)
    again = pickle.loads(data)

    assert b"LocalStore" not in data
    assert list(again["name"]) == ["r"]
    assert "<table" in again._repr_html_()
    assert frame.copy()._repr_html_() == frame._repr_html_()


async def test_a_list_with_rows_of_something_else_is_shown_as_any_table(store: LocalStore, ledger: Ledger) -> None:
    keep(store, sweep("a mill", seed=1), "r")

    assert "NaT" in (await table(store, ledger)).reindex([0, 5])._repr_html_()


def test_a_span_of_time_is_an_age_and_what_is_no_time_is_told_in_words() -> None:
    assert moment_of(timedelta(days=7), 700_000.0) == moment_of("7d", 700_000.0)
    with pytest.raises(ValueError, match=r"since=nan: give an age"):
        moment_of(float("nan"), 0)
    with pytest.raises(ValueError, match=r"endpoint=5: give its name or id; text=7: give words; starred='yes': True"):
        wanted(None, None, 7, 5, None, "yes", None)  # type: ignore[arg-type]


@pytest.mark.parametrize("word", ["noon", "dawn", "scarlet", "azure"])
async def test_a_word_that_only_an_axis_puts_into_the_prompt_is_found(
    word: str, store: LocalStore, ledger: Ledger
) -> None:
    plan = sweep("a {scarlet|azure} mill at dusk", time=Replace("dusk", ("dawn", "noon")), seed=1)
    keep(store, plan, "r", drawn=0)

    assert await names(store, ledger, text=f"mill {word}") == ["r"]
