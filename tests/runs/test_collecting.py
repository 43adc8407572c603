"""Collecting over a real Redis and the simulator: what is kept of pictures, and what where none can be read."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from runpodkit import logs
from runpodkit.images.metadata import read_metadata
from runpodkit.runs.collecting import MAX_TOGETHER, put_unread
from runpodkit.runs.records import Record, read_records
from runpodkit.runs.rows import RunState, TrialState
from runpodkit.storage.local import LocalStore
from tests.runs.conftest import Bench, mock

KEY = "ab" + "0" * 62


def drawn(colour: Any = None, size: tuple[int, int] = (64, 64), level: int = 6, form: str = "PNG") -> str:
    """A picture as base64: of one colour, or of noise by number."""
    if isinstance(colour, int):
        image = Image.frombytes("RGB", size, random.Random(colour).randbytes(size[0] * size[1] * 3))
    else:
        image = Image.new("RGB", size, colour)
    out = io.BytesIO()
    image.save(out, form, **({"compress_level": level} if form == "PNG" else {}))
    return base64.b64encode(out.getvalue()).decode()


def answering(bench: Bench, output_of: Callable[[int], Any], status: str = "COMPLETED") -> None:
    """Every job ends with the output that belongs to its seed."""

    def instead(request: httpx.Request, number: int) -> httpx.Response | None:
        if "/status/" not in request.url.path:
            return None
        id = request.url.path.rpartition("/")[2]
        output = output_of(bench.simulator.queue.jobs[id].input["seed"])
        job = {"id": id, "status": status, "executionTime": 40, "delayTime": 1, "output": output}
        return httpx.Response(200, content=json.dumps(job))

    bench.way.after = instead


async def collect(bench: Bench, output_of: Callable[[int], Any], trials: int = 1, **how: Any) -> list[Record]:
    answering(bench, output_of, how.pop("status", "COMPLETED"))
    await bench.enter(mock(trials, **how), hold_after_equal_failures=99, pilot=False)
    async with asyncio.timeout(40):
        await bench.engine.drive("run", owner="driver-1")
    return read_records(bench.store, "run")


def unread(bench: Bench, record: Record) -> Any:
    assert record.unread
    return json.loads(bench.store.get(record.unread))


async def test_what_holds_no_picture_is_kept_with_the_reason(bench: Bench) -> None:
    said = {"images": [], "status": "success_no_images", "log": "node 7: NaN in latents"}

    (record,) = await collect(bench, lambda seed: said)

    assert record.state is TrialState.FAILED
    assert record.unread and record.unread.startswith(f"unread/{record.key[:2]}/{record.key}-")
    assert record.excerpt == json.dumps(said)
    kept = unread(bench, record)
    assert kept["output"] == said
    assert (kept["run"], kept["trial"], kept["job"]) == ("run", 0, record.job_id)
    assert kept["problem"].startswith("the output holds no picture")


async def test_what_is_kept_and_what_is_in_the_row_stay_small(bench: Bench) -> None:
    noise = base64.b64encode(random.Random(1).randbytes(3_000_000)).decode()

    (record,) = await collect(bench, lambda seed: {"video": noise, "lines": ["a line of a log"] * 200_000})

    assert record.unread
    assert len(bench.store.get(record.unread)) < 3_000_000  # indented; about a megabyte of values
    assert unread(bench, record)["output"]["video"].startswith("<4,000,000 characters that begin")
    row = (await bench.ledger.rows("run"))[0].to_text()
    assert len(row) < 2000
    assert len(record.excerpt or "") <= 500


async def test_nothing_secret_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "_hidden", set())
    logs.hide("rpa_a_key_of_ours")
    output = {
        "error": "bucket says 403 to https://b.example/x.png?X-Amz-Signature=s3cr3t, key rpa_a_key_of_ours",
        "details": {"api_key": "s3cr3t", "url": "https://u:s3cr3t@b.example/x.png?s3cr3t"},
    }

    (record,) = await collect(bench, lambda seed: output)

    assert record.unread
    everywhere = record.to_json() + bench.store.get(record.unread).decode()
    assert "s3cr3t" not in everywhere
    assert "rpa_a_key" not in everywhere
    assert "bucket says 403 to https://b.example/x.png?…" in everywhere


async def test_a_failed_job_that_returned_details_keeps_them(bench: Bench) -> None:
    (record,) = await collect(bench, lambda seed: {"details": ["node 3: no such model"]}, status="FAILED")

    assert record.state is TrialState.FAILED
    assert unread(bench, record)["output"] == {"details": ["node 3: no such model"]}


async def test_of_several_pictures_the_readable_ones_are_kept(bench: Bench) -> None:
    broken = base64.b64encode(b"<html>502</html>" * 9).decode()

    (record,) = await collect(bench, lambda seed: {"images": [drawn(1), broken, drawn(2)]}, num_images=3)

    assert record.state is TrialState.COLLECTED
    assert [image.key[-6:] for image in record.images] == ["-0.png", "-1.png"]
    assert record.flags == ("picture 2 of 3 could not be read: the output is not a picture: it is an HTML page",)
    assert unread(bench, record)["problem"] == record.flags[0]
    assert unread(bench, record)["output"]["images"][1].startswith("PGh0bWw+NTAy")


async def test_of_many_unreadable_pictures_a_few_are_named(bench: Bench) -> None:
    broken = base64.b64encode(b"<html>502</html>" * 9).decode()

    (record,) = await collect(bench, lambda seed: {"images": [drawn(1), *[broken] * 7]})

    assert len(record.flags) == 4
    assert record.flags[-1] == "4 more could not be read"


async def test_where_none_can_be_read_the_trial_failed(bench: Bench) -> None:
    broken = base64.b64encode(b"%PDF-1.7" * 20).decode()

    records = await collect(bench, lambda seed: {"images": [broken] * seed}, trials=2)

    assert [record.state for record in records] == [TrialState.FAILED] * 2
    assert records[0].reason == "unreadable output: the output is not a picture: it is a PDF"
    assert (records[1].reason or "").startswith("unreadable output: picture 1 of 2 could not be read: the output is")
    assert all(record.unread and record.attempts == 1 for record in records)


async def test_a_picture_that_comes_twice_is_kept_once(bench: Bench) -> None:
    # ComfyUI with two SaveImage nodes, the second of which packs its file in another way
    def output(seed: int) -> Any:
        return {
            "images": [{"filename": "a.png", "data": drawn(seed)}, {"filename": "b.png", "data": drawn(seed, level=1)}]
        }

    (record,) = await collect(bench, output)

    assert len(record.images) == 1
    assert record.flags == ("2 equal pictures, one kept",)
    assert len(list(bench.store.keys("images/"))) == 1
    # so it is found again, as a picture that came once would be
    await bench.ledger._redis.flushdb()
    await bench.enter(mock(1), "later")
    async with asyncio.timeout(20):
        await bench.engine.drive("later", owner="driver-2")
    assert await bench.counts("later") == {"REUSED": 1}


async def test_pictures_that_differ_are_all_kept_with_their_seeds(bench: Bench) -> None:
    def output(seed: int) -> Any:
        return {"images": [{"image": drawn(seed + n), "seed": seed + n} for n in (0, 1, 1)]}

    (record,) = await collect(bench, output)

    assert [image.seed for image in record.images] == [1, 2]
    assert record.flags == ("1 of 3 pictures repeat another and are left out",)
    row = (await bench.ledger.rows("run"))[0]
    assert row.images == record.images


async def test_blank_odd_and_complaining_is_flagged_and_follows_to_who_reuses_it(bench: Bench) -> None:
    def output(seed: int) -> Any:
        return {"images": [drawn("black", size=(32, 64))], "seed": 5, "errors": ["low memory"]}

    (record,) = await collect(bench, output)
    await bench.enter(mock(1), "again")
    async with asyncio.timeout(20):
        await bench.engine.drive("again", owner="driver-2")
    (again,) = read_records(bench.store, "again")

    odd = ("size delivered 32×64", "seed delivered 5", "blank picture")
    assert record.flags == ('the worker complains: ["low memory"]', *odd)
    assert again.state is TrialState.REUSED
    assert again.flags == ("cost from worker", *odd)
    # nor does it get lost with the ledger
    await bench.ledger._redis.flushdb()
    await bench.enter(mock(1), "last")
    async with asyncio.timeout(20):
        await bench.engine.drive("last", owner="driver-3")
    (last,) = read_records(bench.store, "last")
    assert (last.state, last.images) == (TrialState.REUSED, record.images)
    assert "blank picture" in last.flags


async def test_a_second_attempt_that_succeeds_leaves_nothing_unread(bench: Bench) -> None:
    await bench.enter(mock(1))
    first: list[str] = []

    def instead(request: httpx.Request, number: int) -> httpx.Response | None:
        if "/status/" not in request.url.path:
            return None
        id = request.url.path.rpartition("/")[2]
        first.append(id)
        output = {"error": "CUDA out of memory"} if id == first[0] else {"image": drawn(3)}
        return httpx.Response(200, json={"id": id, "status": "COMPLETED", "executionTime": 40, "output": output})

    bench.way.after = instead
    async with asyncio.timeout(20):
        await bench.engine.drive("run", owner="driver-1")

    (record,) = read_records(bench.store, "run")
    assert (record.state, record.attempts, record.unread, record.excerpt) == (TrialState.COLLECTED, 2, None, None)


async def test_a_store_that_is_away_loses_no_unread_output(bench: Bench) -> None:
    answering(bench, lambda seed: {"nothing": "here"})
    await bench.enter(mock(2), hold_after_equal_failures=99, pilot=False)
    folder = bench.store.folder
    folder.parent.mkdir(exist_ok=True)
    folder.write_text("a file where the folder should be")
    running = asyncio.create_task(bench.engine.drive("run", owner="driver-1"))
    while (status := await bench.ledger.status("run")) and status.state is not RunState.HELD:
        await asyncio.sleep(0.05)
    folder.unlink()
    async with asyncio.timeout(40):
        await running

    records = read_records(bench.store, "run")
    assert [unread(bench, record)["output"] for record in records] == [{"nothing": "here"}] * 2
    assert bench.way.seen.count("run") == 2


async def test_a_picture_that_takes_no_text_is_kept_as_it_is(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    from runpodkit.errors import OutputError

    def refuses(*_: object, **how: Any) -> bytes:
        raise OutputError("no text can be put into it")

    monkeypatch.setattr("runpodkit.runs.trials.embed", refuses)
    (record,) = await collect(bench, lambda seed: {"image": drawn(4)})

    assert record.state is TrialState.COLLECTED
    assert bench.store.get(record.images[0].key) == base64.b64decode(drawn(4))


async def test_names_from_an_output_become_no_paths(bench: Bench) -> None:
    output = {"images": [{"filename": "../../../../evil.png", "type": "base64", "data": drawn(5)}]}

    (record,) = await collect(bench, lambda seed: output)

    assert list(bench.store.keys("images/")) == [f"images/{record.key[:2]}/{record.key}-0.png"]
    assert read_metadata(bench.store.get(record.images[0].key)).seed == 1


def test_two_outputs_of_one_picture_do_not_overwrite_each_other(tmp_path: Any) -> None:
    store = LocalStore(tmp_path)

    one, excerpt = put_unread(store, KEY, {"a": 1}, {"run": "one"})
    two, _ = put_unread(store, KEY, {"a": 1}, {"run": "two"})

    assert sorted(store.keys("unread/")) == sorted([one, two])
    assert excerpt == '{"a": 1}'
    assert put_unread(store, KEY, {"a": 1}, {"run": "one"})[0] == one


def test_all_pictures_of_a_job_fit_into_memory() -> None:
    assert MAX_TOGETHER == 256 * 2**20
