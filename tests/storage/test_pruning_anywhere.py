"""Pruning in every store: what holds for a folder holds for a bucket."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from runpodkit import stack
from runpodkit.errors import StoreError
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.pruning import Pruner
from runpodkit.runs.sizes import sizes
from runpodkit.settings import Settings
from tests.runs.kept import STARTED
from tests.runs.shared import file_of, keep_shared


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("ledger")
    settings = Settings.load(folder, RUNPODKIT_HOME=folder / "home")
    yield stack.ensure_redis(settings)
    stack.down(settings)


def test_runs_go_with_the_pictures_that_nobody_else_uses(store, redis_url):
    keep_shared(store, "old", range(1, 60))
    keep_shared(store, "young", [1, 2], ended=STARTED + 39 * 86_400)
    assert {one.name: one.bytes for one in sizes(store, 60).runs} == {"old": 59 * 1001, "young": 2 * 1001}

    async def prune():
        ledger = Ledger(redis_url, repr(store))
        try:
            return await Pruner(store, ledger, clock=lambda: STARTED + 40 * 86_400).prune(30 * 86_400)
        finally:
            await ledger.aclose()

    done = asyncio.run(prune())

    assert (done.pictures, done.shared) == (57, 2)
    assert sorted(store.keys()) == sorted(
        [file_of(1), file_of(2), "runs/young/records/00000.jsonl", "runs/young/run.json"]
    )


def test_a_bucket_that_loses_its_records_meanwhile_loses_no_picture(store, redis_url, monkeypatch):
    keep_shared(store, "old", [1])
    keep_shared(store, "young", [1], ended=STARTED + 39 * 86_400)
    get = type(store).get

    def forgetful(self, key):
        if key.startswith("runs/young/records/"):
            raise StoreError("the server is busy or broken")
        return get(self, key)

    monkeypatch.setattr(type(store), "get", forgetful)

    async def prune():
        ledger = Ledger(redis_url, repr(store))
        try:
            with pytest.raises(StoreError, match=r"busy or broken.*nothing was deleted"):
                await Pruner(store, ledger, clock=lambda: STARTED + 40 * 86_400).delete("old")
        finally:
            await ledger.aclose()

    asyncio.run(prune())

    assert list(store.keys("images/")) == [file_of(1)]
