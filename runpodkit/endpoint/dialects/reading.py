"""The tolerant reader: pictures, errors and costs out of whatever a worker returned.

Workers put errors into COMPLETED, pictures into lists of lists, and paths of their own
disk where a link should be.  Nothing here raises, and nothing is fetched or decoded.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from runpodkit.endpoint.dialects.abridging import as_text
from runpodkit.jobs import ImageRef

MAX_IMAGES = 64
MAX_LOOKS = 10_000
"""Values of an output that are looked at before the search for pictures ends."""
_DEPTH = 4
_IMAGE_KEYS = (
    "images",
    "data",
    "image",
    "image_url",
    "image_base64",
    "base64",
    "b64_json",
    "data_b64",
    "image_urls",
    "artifacts",
    "result",
    "output",
    "message",
    "url",
)
_UNTYPED = ("", "application/octet-stream", "binary/octet-stream")
"""What a data URI says of bytes whose type nobody thought of; the bytes tell."""
_MAX_SEED = 2**64
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{64}")
_DEAD_PATH = re.compile(r"(simulated_uploaded|local_upload)/|/?(tmp|workspace|app|outputs?)/")


@dataclass(frozen=True, slots=True)
class Reading:
    """What an output holds.  `error` set: the job failed although it is COMPLETED."""

    images: tuple[ImageRef, ...] = ()
    error: str | None = None
    seed: int | None = None
    cost_usd: float | None = None
    remark: str | None = None
    """What the worker complains of although it sent pictures."""


def read_output(output: Any, path: str | None = None) -> Reading:
    """Read an output of any known shape.

    Args:
        path: Where the pictures are, dotted (`result.files`); an output without that place is searched as a whole.
    """
    while isinstance(output, list) and len(output) == 1 and isinstance(output[0], dict | list):
        output = output[0]
    about = output if isinstance(output, Mapping) else {}
    place = _at(output, path) if path else None
    looks = iter(range(MAX_LOOKS))
    found = islice(_images(output if place is None else place, None, 0, looks), MAX_IMAGES)
    info = _info(about)
    images = _seeded(tuple(found), info)
    cost = about.get("cost")
    known_cost = (
        float(cost) if isinstance(cost, int | float) and not isinstance(cost, bool) and 0 <= cost < 1e6 else None
    )
    seed = _seed(about)
    seed = _seed(info) if seed is None else seed
    if error := _error(about, bool(images)):
        return Reading((), error, seed, known_cost)
    if not images:
        return Reading((), _nothing(output), seed, known_cost)
    remark = _text(about["errors"]) if about.get("errors") else None
    return Reading(images, None, seed, known_cost, remark)


def _at(output: Any, path: str) -> Any:
    """What stands at a dotted path; numbers count into lists."""
    for part in path.split("."):
        if isinstance(output, list) and part.isdecimal() and len(part) < 9 and int(part) < len(output):
            output = output[int(part)]
        else:
            output = output.get(part) if isinstance(output, Mapping) else None
    return output


def _info(about: Mapping[str, Any]) -> Mapping[str, Any]:
    """A1111 tells the seed of each picture in a JSON text of its own."""
    info = about.get("info")
    try:
        told = json.loads(info) if isinstance(info, str) and len(info) < 1_000_000 else info
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, Mapping) else {}


def _seeded(images: tuple[ImageRef, ...], info: Mapping[str, Any]) -> tuple[ImageRef, ...]:
    """The pictures with their seeds; a sheet of all of them, which A1111 may put first, is left out."""
    first = info.get("index_of_first_image")
    if isinstance(first, int) and 0 < first < len(images):
        images = images[first:]
    seeds = info.get("all_seeds")
    if not isinstance(seeds, list) or len(seeds) != len(images):
        return images
    return tuple(replace(image, seed=_as_seed(seed)) for image, seed in zip(images, seeds, strict=True))


def _images(value: Any, seed: int | None, depth: int, looks: Iterator[int]) -> Iterator[ImageRef]:
    if depth > _DEPTH or next(looks, None) is None:
        return
    if isinstance(value, str):
        if ref := _ref(value, seed):
            yield ref
    elif isinstance(value, list):
        for item in value[:MAX_IMAGES]:
            yield from _images(item, seed, depth + 1, looks)
    elif isinstance(value, Mapping):
        own = _seed(value)
        seed = seed if own is None else own
        for key in _IMAGE_KEYS:
            if key in value:
                found = list(islice(_images(value[key], seed, depth + 1, looks), MAX_IMAGES))
                if found:
                    yield from found
                    return


def _ref(text: str, seed: int | None) -> ImageRef | None:
    """A link, a data URI or bare base64; None for any other text."""
    text = text.strip()
    if re.match(r"https?://", text, re.I):
        return ImageRef("url", text, seed)
    if text[:5].lower() == "data:":
        kind, mark, _ = text[5:200].lower().partition(";base64,")
        kind = kind.partition(";")[0].strip()
        return ImageRef("base64", text, seed) if mark and (kind.startswith("image/") or kind in _UNTYPED) else None
    start = "".join(text[:200].split())[:64]
    return ImageRef("base64", text, seed) if _BASE64.fullmatch(start) else None


def _error(about: Mapping[str, Any], has_images: bool) -> str | None:
    if about.get("error"):
        return _text(about["error"])
    if about.get("errors") and not has_images:
        return _text(about["errors"])
    status = about.get("status")
    if isinstance(status, str) and status.lower() in ("error", "failed"):
        return _text(about.get("message") or about.get("detail") or "the worker reports an error without a text")
    if about.get("detail") and not has_images:
        return _text(about["detail"])
    return None


def _nothing(output: Any) -> str:
    """Why there is no picture, as far as the output tells."""
    text = _text(output)
    if _DEAD_PATH.match(text) or "simulated_uploaded/" in text or "local_upload/" in text:
        return f"the worker kept the picture on its own disk ({text[:80]}): give it a bucket (BUCKET_ENDPOINT_URL and its keys)"
    return f"the output holds no picture: {text[:200]}"


def _text(value: Any) -> str:
    return as_text(value, 2000)


def _seed(about: Mapping[str, Any]) -> int | None:
    return _as_seed(about.get("seed"))


def _as_seed(seed: Any) -> int | None:
    """Whole and not negative, else nobody knows what is meant; fooocus writes it as text."""
    if isinstance(seed, str) and re.fullmatch(r"[0-9]{1,20}", seed):
        seed = int(seed)
    if isinstance(seed, float) and seed.is_integer():
        seed = int(seed)
    return seed if isinstance(seed, int) and not isinstance(seed, bool) and 0 <= seed < _MAX_SEED else None
