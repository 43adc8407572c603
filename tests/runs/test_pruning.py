"""Pruning against a real Redis: what goes, what stays, and that no run ever misses a picture, whatever happens meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.blocking import shared_loop
from runpodkit.errors import ConfigError, StoreError
from runpodkit.runs.labels import add_tags, set_note
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.marks import mark_trial
from runpodkit.runs.pruned import Pruned, Removal, seconds_of, spoken_age, spoken_bytes
from runpodkit.runs.pruning import Pruner
from runpodkit.runs.records import read_head, read_records
from runpodkit.runs.rows import RunState
from runpodkit.runs.run import opened
from runpodkit.runs.stars import set_star
from runpodkit.storage import Store
from runpodkit.storage.local import LocalStore
from runpodkit.sweeps.sweep import sweep
from tests.runs.conftest import Bench, mock
from tests.runs.kept import STARTED, keep_joint
from tests.runs.shared import file_of, keep_shared, pictures_in, pixels_of

pytestmark = pytest.mark.anyio
DAY = 86_400.0


@pytest.fixture
def store(tmp_path: Path) -> LocalStore:
    return LocalStore(tmp_path / "kept")


@pytest.fixture
async def own_ledger(ledger: Ledger, redis_url: str) -> AsyncIterator[Ledger]:
    """The same Redis for a handle, which works in the loop of its own that all handles share."""
    own = Ledger(redis_url, "store-1")
    yield own
    await asyncio.to_thread(shared_loop().call, own.aclose())


@pytest.fixture
def pruner(store: LocalStore, ledger: Ledger) -> Pruner:
    return Pruner(store, ledger, clock=lambda: STARTED + 40 * DAY)


def leftovers(store: Store) -> list[str]:
    """What is neither a picture nor of a run with a head."""
    whole = {key.split("/")[1] for key in store.keys("runs/") if key.endswith("/run.json")}
    return [key for key in store.keys("") if not key.startswith("images/") and key.split("/")[1] not in whole]


def assert_whole(store: Store) -> None:
    """Every run that can be opened has its pictures."""
    there = pictures_in(store)
    for key in store.keys("runs/"):
        if key.endswith("/run.json"):
            name = key.split("/")[1]
            for record in read_records(store, name):
                assert all(image.key in there for image in record.images), (name, record.trial)


runs_of_seeds = st.lists(st.sets(st.integers(1, 7), min_size=1, max_size=5), min_size=1, max_size=5)


@settings(deadline=None, max_examples=15)
@given(runs=runs_of_seeds, doomed=st.lists(st.integers(0, 4), max_size=4), at_once=st.booleans())
def test_after_deleting_any_runs_the_others_have_all_pictures_and_no_orphan_stays(redis_url, runs, doomed, at_once):
    async def check() -> None:
        ledger = Ledger(redis_url, "store-1")
        try:
            await ledger._redis.flushdb()
            with tempfile.TemporaryDirectory() as folder:
                store = LocalStore(Path(folder))
                for number, seeds in enumerate(runs):
                    keep_shared(store, f"r{number}", seeds, ended=STARTED)
                chosen = {f"r{number}" for number in doomed if number < len(runs)}
                pruner = Pruner(store, ledger)
                if at_once:
                    done = await pruner.prune(0, only=chosen)
                    assert {one.name for one in done.gone} == chosen
                else:
                    for name in chosen:
                        await pruner.delete(name)
                stay = [seeds for number, seeds in enumerate(runs) if f"r{number}" not in chosen]
                assert pictures_in(store) == {file_of(seed) for seeds in stay for seed in seeds}
                assert_whole(store)
                assert leftovers(store) == []
                assert not await ledger._redis.keys("*claim*") and not await ledger._redis.keys("*aside*")
        finally:
            await ledger.aclose()

    asyncio.run(check())


async def test_a_dry_run_tells_what_would_go_and_touches_nothing(store: LocalStore, pruner: Pruner) -> None:
    keep_shared(store, "old", [1, 2, 3], ended=STARTED)
    keep_shared(store, "young", [3, 4], ended=STARTED + 39 * DAY)
    before = list(store.keys())

    told = await pruner.prune(30 * DAY, dry_run=True)

    assert list(store.keys()) == before
    assert told.gone == (Removal("old", "sweep", 40 * DAY, 3, 2, 2002, 1),)
    assert told.line == "would go: 1 run, 2 pictures, 2.0 kB; 1 picture kept, as other runs use them"


async def test_a_prune_does_what_its_dry_run_told(store: LocalStore, pruner: Pruner) -> None:
    keep_shared(store, "old", [1, 2, 3], ended=STARTED)
    keep_shared(store, "older", [1, 5], ended=STARTED - DAY)
    keep_shared(store, "young", [3, 4], ended=STARTED + 39 * DAY)
    told = await pruner.prune(30 * DAY, dry_run=True)

    done = await pruner.prune(30 * DAY)

    assert done.gone == told.gone and (done.pictures, done.bytes, done.shared) == (3, 3003, 1)
    assert pictures_in(store) == {file_of(3), file_of(4)}
    assert {key.split("/")[1] for key in store.keys("runs/")} == {"young"}


async def test_age_counts_from_the_last_trial_that_ended_not_from_the_start(store: LocalStore, pruner: Pruner) -> None:
    keep_shared(store, "long", range(1, 61), ended=STARTED, created_at=STARTED)
    text = store.get("runs/long/records/00000.jsonl").decode()  # a trial of the first batch was retried late
    store.put("runs/long/records/00000.jsonl", text.replace("2026-09-21T14:13:20", "2026-10-30T14:13:20", 1).encode())

    assert (await pruner.prune(30 * DAY, dry_run=True)).gone == ()
    assert [one.age_s for one in (await pruner.prune(DAY - 1, dry_run=True)).gone] == [DAY]


async def test_a_run_with_a_star_stays_if_stars_are_kept(store: LocalStore, pruner: Pruner) -> None:
    keep_shared(store, "dear", [1])
    keep_shared(store, "other", [1, 2])
    set_star(store, "dear", True)

    done = await pruner.prune(30 * DAY, keep_starred=True)

    assert [one.name for one in done.gone] == ["other"] and done.kept == (("dear", "it has a star"),)
    assert pictures_in(store) == {file_of(1)}
    assert "stays: dear: it has a star" in repr(done)
    set_star(store, "dear", False)
    assert [one.name for one in (await pruner.prune(30 * DAY, keep_starred=True)).gone] == ["dear"]


async def test_a_run_that_goes_takes_its_labels_and_marks_with_it(store: LocalStore, pruner: Pruner) -> None:
    keep_shared(store, "old", [1])
    add_tags(store, "old", ["paper", "для статьи"])
    set_note(store, "old", "why")
    mark_trial(store, "old", 1, 0, starred=True, note="best")
    assert len(list(store.keys("runs/old/"))) == 6

    await pruner.delete("old")

    assert list(store.keys("")) == []


async def test_runs_that_are_not_over_stay_with_the_reason(store: LocalStore, pruner: Pruner, ledger: Ledger) -> None:
    moving = keep_shared(store, "moving", [1], state=RunState.RUNNING)
    await ledger.create(moving)
    keep_shared(store, "stranded", [2], state=RunState.RUNNING)

    done = await pruner.prune(30 * DAY)

    assert done.gone == () and pictures_in(store) == {file_of(1), file_of(2)}
    assert dict(done.kept)["moving"] == "it is RUNNING: `runpodkit cancel moving` ends it"
    assert "its Redis no longer knows it" in dict(done.kept)["stranded"]
    with pytest.raises(ValueError, match="run moving is not deleted: it is RUNNING: `runpodkit cancel moving` ends it"):
        await pruner.delete("moving")


@pytest.mark.parametrize("damage", [b"{", b"[]\n", b'{"images": 3}\n', b"\xff\xfe\n", b'{"trial": 1}\n'])
async def test_if_another_run_s_records_cannot_be_read_nothing_goes(
    store: LocalStore, pruner: Pruner, damage: bytes
) -> None:
    keep_shared(store, "old", [1])
    keep_shared(store, "young", [1], ended=STARTED + 39 * DAY)
    store.put("runs/young/records/00000.jsonl", damage)
    before = list(store.keys())

    with pytest.raises(StoreError, match=r"runs/young/records/00000.jsonl, line 1, .*nothing was deleted"):
        await pruner.prune(30 * DAY)

    assert list(store.keys()) == before


async def test_if_another_run_s_head_cannot_be_read_nothing_goes(store: LocalStore, pruner: Pruner) -> None:
    keep_shared(store, "old", [1])
    store.put("runs/odd/run.json", b"{}")

    with pytest.raises(StoreError, match=r"run odd: .*nothing was deleted"):
        await pruner.prune(30 * DAY)

    assert pictures_in(store) == {file_of(1)}


async def test_a_record_that_names_somebody_else_s_files_takes_none_of_them_along(
    store: LocalStore, pruner: Pruner
) -> None:
    keep_shared(store, "young", [9], ended=STARTED + 39 * DAY)
    keep_shared(store, "evil", [1])
    text = store.get("runs/evil/records/00000.jsonl").decode()
    for name in ("runs/young/run.json", "../../etc/passwd", "images/../runs/young/run.json", "inputs/x.png", "/a"):
        store.put("runs/evil/records/00000.jsonl", text.replace(file_of(1), name).encode())
        told = await pruner.prune(30 * DAY, dry_run=True)
        assert [one.pictures for one in told.gone] == [0]

    await pruner.delete("evil")

    assert sorted(store.keys("runs/")) == ["runs/young/records/00000.jsonl", "runs/young/run.json"]


@pytest.mark.parametrize("name", ["../kept", "a/b", "", "nobody", ".hidden"])
async def test_a_name_that_is_no_run_s_is_told(store: LocalStore, pruner: Pruner, name: str) -> None:
    keep_shared(store, "old", [1])

    with pytest.raises((StoreError, ValueError), match="no run is named"):
        await pruner.delete(name)
    assert pictures_in(store) == {file_of(1)}


async def test_a_joint_run_goes_as_a_whole_and_its_parts_not_alone(store: LocalStore, pruner: Pruner) -> None:
    keep_joint(store, sweep("a mill", endpoint=["one", "two"], seed=[1, 2]), "both")

    with pytest.raises(ValueError, match="run both--one is a part of run both: delete that one"):
        await pruner.delete("both--one")
    done = await pruner.prune(30 * DAY)

    assert [(one.name, one.trials, one.pictures) for one in done.gone] == [("both", 4, 4)]
    assert list(store.keys()) == []


async def test_only_one_prune_is_at_work(store: LocalStore, pruner: Pruner, ledger: Ledger) -> None:
    keep_shared(store, "old", [1])
    assert await ledger.hold_lock("prune", "another", 60)

    with pytest.raises(ConfigError, match="another prune of this store is at work"):
        await pruner.delete("old")

    await ledger.hold_lock("prune", "another", 0)
    assert (await pruner.delete("old")).pictures == 1


async def test_input_images_go_with_the_last_run_that_names_them(store: LocalStore, pruner: Pruner) -> None:
    image, other = f"inputs/{'a' * 64}.png", f"inputs/{'b' * 64}.png"
    for key in (image, other):
        store.put(key, b"bytes")
    for name, key, ended in (("old", image, 0), ("older", other, 0), ("young", other, 39 * DAY)):
        keep_shared(store, name, [1], ended=STARTED + ended, input_image=key)

    await pruner.prune(30 * DAY)

    assert list(store.keys("inputs/")) == [other]


async def test_small_versions_go_with_the_last_picture_of_their_content(store: LocalStore, pruner: Pruner) -> None:
    keep_shared(store, "old", [1, 2])
    keep_shared(store, "young", [2], ended=STARTED + 39 * DAY)
    small = [f"thumbs/{px}/{pixels_of(seed)[:2]}/{pixels_of(seed)}.jpg" for px in (256, 512) for seed in (1, 2, 3)]
    for key in small:
        store.put(key, b"small")

    await pruner.prune(30 * DAY)

    assert set(store.keys("thumbs/")) == {key for key in small if pixels_of(1) not in key}


class Dying(LocalStore):
    """A store that lets through so many writes and deletions, and then none."""

    left: int = 10**9

    def put(self, key: str, data: bytes, content_type: str | None = None) -> None:
        self._one()
        super().put(key, data, content_type)

    def delete(self, key: str) -> None:
        self._one()
        super().delete(key)

    def _one(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise StoreError("it died")


@pytest.mark.parametrize("steps", [0, 1, 2, 3, 4, 5, 7, 9, 12])
async def test_stopped_anywhere_every_run_has_its_pictures_and_the_next_prune_finishes(
    tmp_path: Path, ledger: Ledger, steps: int
) -> None:
    store = Dying(tmp_path / "kept")
    for name, seeds in (("old", [1, 2, 3]), ("older", [3, 4]), ("young", [4, 5])):
        keep_shared(store, name, seeds, ended=STARTED + (39 * DAY if name == "young" else 0))
    pruner = Pruner(store, ledger, clock=lambda: STARTED + 40 * DAY)
    store.left = steps
    with contextlib.suppress(StoreError):
        await pruner.prune(30 * DAY)
    store.left = 10**9
    assert_whole(store)

    await pruner.prune(1000 * DAY)  # nothing is that old: what was begun is finished all the same
    assert_whole(store)
    if steps:
        assert pictures_in(store) == {file_of(4), file_of(5)}
        assert leftovers(store) == []


async def test_a_name_that_is_taken_anew_after_an_interrupted_prune_is_not_deleted(
    tmp_path: Path, ledger: Ledger
) -> None:
    store = Dying(tmp_path / "kept")
    keep_shared(store, "old", [1, 2])
    pruner = Pruner(store, ledger, clock=lambda: STARTED + 40 * DAY)
    store.left = 4  # two notes, the head, one file of records
    with pytest.raises(StoreError):
        await pruner.prune(30 * DAY)
    store.left = 10**9
    keep_shared(store, "old", [2, 3], ended=STARTED + 39 * DAY)

    await pruner.prune(30 * DAY)

    assert pictures_in(store) == {file_of(2), file_of(3)}
    assert_whole(store)


_KILLED = """
import asyncio, sys, time
from pathlib import Path
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.pruning import Pruner
from runpodkit.storage.local import LocalStore

class Slow(LocalStore):
    def delete(self, key):
        print(key, flush=True)
        time.sleep(0.05)
        super().delete(key)

async def main():
    await Pruner(Slow(Path(sys.argv[1])), Ledger(sys.argv[2], "store-1")).prune(0)

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 25])
async def test_killed_for_good_it_can_be_run_again(
    store: LocalStore, ledger: Ledger, redis_url: str, after: int
) -> None:
    keep_shared(store, "old", range(1, 101))
    words = [sys.executable, "-c", _KILLED, str(store.folder), redis_url]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:  # noqa: ASYNC220
        assert process.stdout
        for _ in range(after):
            process.stdout.readline()
        os.kill(process.pid, signal.SIGKILL)
    assert_whole(store)
    assert pictures_in(store)
    with pytest.raises(ConfigError, match="another prune"):  # for two minutes nobody knows that it is dead
        await Pruner(store, ledger).prune(0)
    for key in await ledger._redis.keys("runpodkit:*"):  # which pass
        if ":lock:" in key or ":claim:" in key:
            await ledger._redis.delete(key)

    await Pruner(store, ledger).prune(0)

    assert list(store.keys()) == []


@pytest.fixture(params=["claims", "store alone", "without reuse"])
def how(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_sweep_that_starts_while_its_pictures_are_deleted_waits_and_has_them_all_in_the_end(
    bench: Bench, how: str
) -> None:
    await bench.enter(mock(6, exec_ms=5), "old")
    await bench.engine.drive("old", owner="a", slice_s=None)
    if how == "store alone":
        await bench.ledger._redis.flushdb()
    begun, go_on = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class Halted(LocalStore):
        def delete(self, key: str) -> None:
            if key.startswith("images/"):
                loop.call_soon_threadsafe(begun.set)
                assert go_on.wait(20)
            super().delete(key)

    pruning = asyncio.create_task(Pruner(Halted(bench.store.folder), bench.ledger).prune(-1, only=["old"]))
    await begun.wait()
    await bench.enter(mock(6, exec_ms=5), "new", reuse=how != "without reuse")
    driving = asyncio.create_task(bench.engine.drive("new", owner="b", slice_s=None))
    async with asyncio.timeout(10):
        while await bench.counts("new") != {"WAITING": 6}:
            await asyncio.sleep(0.02)
    go_on.set()
    await pruning
    await driving

    assert await bench.counts("new") == {"COLLECTED": 6}
    assert_whole(bench.store)
    assert len(pictures_in(bench.store)) == 6


@pytest.mark.parametrize("delay_s", [0.0, 0.04])
async def test_whenever_a_sweep_starts_during_a_prune_it_has_all_pictures(bench: Bench, delay_s: float) -> None:
    await bench.enter(mock(6, exec_ms=5), "old")
    await bench.engine.drive("old", owner="a", slice_s=None)

    async def again() -> None:
        await asyncio.sleep(delay_s)
        await bench.enter(mock(6, exec_ms=5), "new")
        await bench.engine.drive("new", owner="b", slice_s=None)

    await asyncio.gather(Pruner(bench.store, bench.ledger).prune(-1, only=["old"]), again())

    assert_whole(bench.store)
    assert len(pictures_in(bench.store)) == 6


async def test_after_a_run_was_deleted_its_pictures_are_drawn_again_not_missed(bench: Bench) -> None:
    await bench.enter(mock(3), "old")
    await bench.engine.drive("old", owner="a", slice_s=None)
    await Pruner(bench.store, bench.ledger).delete("old")

    assert await bench.ledger.names() == [] and list(bench.store.keys()) == []
    await bench.enter(mock(3), "new")
    await bench.engine.drive("new", owner="b", slice_s=None)

    assert await bench.counts("new") == {"COLLECTED": 3}
    assert_whole(bench.store)


async def test_a_handle_of_a_deleted_run_says_so_and_leaves_nothing_for_a_later_run_of_the_name(
    bench: Bench, own_ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    await bench.enter(mock(2), "a")
    await bench.engine.drive("a", owner="x", slice_s=None)
    head = await bench.ledger.head("a")
    assert head
    run = opened(head, bench.store, ledger=own_ledger)

    def use() -> None:
        assert run.delete().pictures == 2
        for ask in (run.status, run.star, run.records, run.retry, run.wait, lambda: run.state):
            with pytest.raises(StoreError, match=r"^run a was deleted; kit.runs\(\) lists those that are there$"):
                ask()
        assert repr(run) == "Run a: state unknown" and "run a was deleted" in capsys.readouterr().err
        assert not run.exists() and not run.starred and not run.unstar().starred

    await asyncio.to_thread(use)

    assert list(bench.store.keys()) == [] and await bench.ledger.names() == []
    await bench.enter(mock(2), "a")
    assert not await asyncio.to_thread(lambda: run.starred)


async def test_a_handle_of_a_deleted_joint_run_names_the_whole(
    store: LocalStore, pruner: Pruner, own_ledger: Ledger
) -> None:
    keep_joint(store, sweep("a mill", endpoint=["one", "two"], seed=[1, 2]), "both")
    head, state = read_head(store, "both")
    run = opened(head, store, ledger=own_ledger, state=state)
    assert (await run.astatus()).state is RunState.DONE
    await pruner.delete("both")

    for ask in (run.astatus, run.astar):
        with pytest.raises(StoreError, match="run both was deleted"):
            await ask()


async def test_a_run_in_progress_keeps_what_its_plan_may_want(bench: Bench) -> None:
    await bench.enter(mock(5), "old")
    await bench.engine.drive("old", owner="a", slice_s=None)
    await bench.enter(mock(3), "waits")

    done = await Pruner(bench.store, bench.ledger).delete("old")
    assert (done.pictures, done.shared) == (2, 3)
    await bench.engine.drive("waits", owner="b", slice_s=None)

    assert await bench.counts("waits") == {"REUSED": 3}  # the claims are as they were
    assert_whole(bench.store)


async def test_the_handle_deletes_stars_and_refuses_what_can_only_be_read(
    bench: Bench, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    await bench.enter(mock(2), "old")
    await bench.engine.drive("old", owner="a", slice_s=None)
    head = await bench.ledger.head("old")
    assert head
    alone = opened(head, bench.store, state=RunState.DONE)
    frozen = await asyncio.to_thread(alone.freeze, tmp_path / "old.zip")

    def refuse(run: Any, error: type[Exception], match: str) -> None:
        with pytest.raises(error, match=match):
            run.delete()

    from runpodkit.connecting import open_run

    await asyncio.to_thread(
        refuse, open_run(frozen), StoreError, "frozen file, which is never changed: delete that file"
    )
    await asyncio.to_thread(refuse, alone, ConfigError, "can only be read; open it with kit.open_run")
    await asyncio.to_thread(alone.star)
    assert alone.starred
    await asyncio.to_thread(alone.unstar)
    assert not alone.starred


@pytest.mark.parametrize(
    ("text", "seconds"), [("30d", 30 * DAY), ("12h", 12 * 3600), ("2w", 14 * DAY), (" 1.5 D ", 1.5 * DAY), ("0h", 0)]
)
async def test_ages_are_read(text: str, seconds: float) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "d", "-1d", "1m", "1e3d", "30 days", "٣d", "1d2h", "nan d", "9" * 400 + "d"]
)
async def test_what_is_no_age_is_told_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="give a number and h, d or w, such as 12h, 30d or 2w"):
        seconds_of(text)


async def test_words_for_ages_and_sizes() -> None:
    assert [spoken_age(s) for s in (5, 65, 7300, 90_000, 41 * DAY)] == ["now", "1 min", "2 h", "1 d", "41 d"]
    assert [spoken_bytes(b) for b in (0, 812, 3400, 99_960, 5e6, 1.23e9, 4e12)] == [
        "0 B", "812 B", "3.4 kB", "100 kB", "5.0 MB", "1.2 GB", "4.0 TB",
    ]  # fmt: skip


async def test_the_table_sums_single_pictures_up_and_cuts_a_long_list() -> None:
    gone = [Removal(f"run-{n}", "sweep", 40 * DAY, 2, 2, 1000, 0) for n in range(45)]
    gone += [Removal(f"one-{n}", "single", 50 * DAY, 1, 1, 1000, 0) for n in range(3)]
    lines = repr(Pruned(tuple(gone), (("x", "it has a star"),), dry_run=True)).splitlines()

    assert lines[0].split() == ["run", "age", "trials", "pictures", "size", "kept,", "shared"]
    assert lines[-4].startswith("and 5 more") and lines[-3].startswith("3 single pictures")
    assert lines[-2:] == ["stays: x: it has a star", "would go: 48 runs, 93 pictures, 48.0 kB"]
