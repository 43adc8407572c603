"""Collecting: from the pictures an output names to those a trial keeps, and what is kept where none can be read.

Of several pictures the readable ones count, and of equal ones the first.  Knows neither ledger nor endpoint.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from runpodkit.endpoint.dialects.abridging import abridged, as_text
from runpodkit.errors import OutputError
from runpodkit.images.fingerprints import Fingerprint, fingerprint, same_pixels
from runpodkit.images.outputs import MAX_BYTES, Fetched, fetch_image
from runpodkit.jobs import ImageRef
from runpodkit.logs import redact
from runpodkit.reprs import cut
from runpodkit.runs.rows import ImageFile
from runpodkit.storage import Store

MAX_TOGETHER = 4 * MAX_BYTES
"""Bytes of all pictures of one job."""
ONE_S, TOGETHER_S = 60.0, 300.0
"""Seconds that the download of one picture, and of all of a job, may take."""
EXCERPT = 500
_PROBLEM = 160


class Taken(NamedTuple):
    """A picture of a job that is kept."""

    picture: Fetched
    print: Fingerprint
    seed: int | None


@dataclass(frozen=True, slots=True)
class Haul:
    """What could be had of the pictures that an output names."""

    fetched: tuple[tuple[Fetched, int | None], ...]
    """Each with the seed that the worker told of it."""
    problems: tuple[str, ...]
    """Why each of the others could not be read, with its number where there are several."""


async def fetch_all(refs: Sequence[ImageRef], endpoint_host: str) -> Haul:
    """Every picture that can be read; one that cannot takes nothing from the others.

    Args:
        endpoint_host: Host and port of the endpoint: the one private address that is fetched from.
    """
    fetched: list[tuple[Fetched, int | None]] = []
    problems: list[str] = []
    left, clock = MAX_TOGETHER, asyncio.get_running_loop().time
    until = clock() + TOGETHER_S
    for number, ref in enumerate(refs, start=1):
        try:
            if left <= 0:
                raise OutputError(f"the pictures before it have {MAX_TOGETHER / 2**20:g} MiB together")
            if (left_s := until - clock()) <= 0:
                raise OutputError(f"the pictures before it took {TOGETHER_S:g} s")
            one = await fetch_image(
                ref,
                endpoint_host=endpoint_host,
                max_bytes=min(MAX_BYTES, left),
                timeout_s=min(ONE_S, max(0.1, round(left_s, 1))),
            )
        except OutputError as exc:
            which = f"picture {number} of {len(refs)} could not be read: " if len(refs) > 1 else ""
            problems.append(which + cut(redact(str(exc)), _PROBLEM))
            continue
        left -= len(one.data)
        fetched.append((one, ref.seed))
    return Haul(tuple(fetched), tuple(problems))


def distinct(fetched: Sequence[tuple[Fetched, int | None]]) -> tuple[list[Taken], list[str]]:
    """Pictures without those that repeat one before, and a remark if there were any.  May decode: not for a loop."""
    prints = [fingerprint(one) for one, _ in fetched]
    first = same_pixels([one for one, _ in fetched], prints)
    kept = [Taken(one, prints[at], seed) for at, (one, seed) in enumerate(fetched) if first[at] == at]
    if len(kept) == len(fetched):
        return kept, []
    if len(kept) == 1:
        return kept, [f"{len(fetched)} equal pictures, one kept"]
    return kept, [f"{len(fetched) - len(kept)} of {len(fetched)} pictures repeat another and are left out"]


def image_file(key: str, size: int, taken: Taken, *, several: bool) -> ImageFile:
    """What is remembered of a picture that is in the store as `key`, where it has `size` bytes."""
    picture, print_ = taken.picture, taken.print
    seed = taken.seed if several else None
    return ImageFile(key, picture.width, picture.height, size, print_.pixels, print_.blank, seed)


def put_unread(store: Store, trial_key: str, output: Any, about: Mapping[str, Any]) -> tuple[str, str]:
    """Keep what a job returned where a picture of it could not be read.

    Args:
        about: What else to write down: of which job it is, and what was wrong.

    Returns:
        Its key in the store, and its beginning in at most 500 characters.
    """
    text = json.dumps({**about, "output": abridged(output)}, ensure_ascii=False, indent=1)
    data = redact(text).encode("utf-8", "replace")
    # two runs may ask for the same picture and be refused in two ways
    key = f"unread/{trial_key[:2]}/{trial_key}-{hashlib.sha256(data).hexdigest()[:8]}.json"
    store.put(key, data, "application/json")
    return key, as_text(output, EXCERPT)
