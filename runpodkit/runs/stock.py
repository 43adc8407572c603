"""The stock: pictures that exist already, found by their trials' keys.

The ledger is asked first, then the store, with one listing per prefix however many keys
are asked for.  Says where a picture lies; whether to take it is the trial's business.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from runpodkit.errors import OutputError, StoreError
from runpodkit.images.fingerprints import fingerprint
from runpodkit.images.outputs import inspect
from runpodkit.logs import batch_log
from runpodkit.runs.ledger import Ledger
from runpodkit.runs.rows import ImageFile
from runpodkit.storage import Store

LISTINGS_AT_ONCE = 8


def prefix_of(key: str) -> str:
    """Where the pictures of trials lie whose keys begin alike."""
    return f"images/{key[:2]}/"


class Stock:
    """What one store held when it was first asked for each prefix; what comes later is in the ledger."""

    def __init__(self, ledger: Ledger, store: Store) -> None:
        self._ledger, self._store = ledger, store
        self._found: dict[str, list[str]] = {}
        self._listed: set[str] = set()
        self._gate = asyncio.Semaphore(LISTINGS_AT_ONCE)

    async def find(self, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """Store keys of the pictures there are, by trial key; what the ledger knows is left out.

        A store that cannot be listed has nothing in stock: pictures are drawn anew, and writing tells the rest.

        Raises:
            LedgerError: Redis does not answer.
        """
        claimed = await self._ledger.claims(keys)
        unknown = [key for key in dict.fromkeys(keys) if key not in claimed]
        await asyncio.gather(*(self._list(prefix) for prefix in {prefix_of(key) for key in unknown} - self._listed))
        return {key: tuple(self._found[key]) for key in unknown if key in self._found}

    async def _list(self, prefix: str) -> None:
        async with self._gate:
            try:
                names = await asyncio.to_thread(lambda: list(self._store.keys(prefix)))
            except StoreError as exc:
                batch_log.warning("the store's pictures under {} cannot be listed: {}", prefix, exc)
                return
        self._listed.add(prefix)
        for name in names:
            key = name.removeprefix(prefix).partition("-")[0]
            self._found.setdefault(key, []).append(name)

    async def read(self, names: Sequence[str]) -> tuple[ImageFile, ...] | None:
        """What lies under these store keys; None if one of them is no picture that can be opened."""

        def look() -> tuple[ImageFile, ...]:
            files = []
            for name in names:
                data = self._store.get(name)
                about = inspect(data)
                files.append(ImageFile(name, about.width, about.height, len(data), *fingerprint(about)))
            return tuple(files)

        try:
            return await asyncio.to_thread(look)
        except (StoreError, OutputError) as exc:
            batch_log.warning("a stored picture cannot be used: {}", exc)
            return None
