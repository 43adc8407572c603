"""What a task may be asked: fields of `ImageParams`, checked before anything is sent or paid for.

A task runs on another machine than its caller, as another user: nothing that a caller writes is read from that disk.
An input image is therefore a data URI, a link or the key of a picture in the store.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from runpodkit.endpoint.client import MAX_RUN_BYTES
from runpodkit.images.bounded_json import MAX_DEPTH, is_deep
from runpodkit.params import ImageParams, explain
from runpodkit.runs.inputs import PREFIX
from runpodkit.tasks.shown import plain_text

MAX_PROMPTS = 1000
MAX_LINK = 4000
ROOM_FOR_THE_REST = 2**16
"""Bytes that all other fields of a job take at most."""
_DATA = re.compile(r"data:image/[a-z0-9.+-]{1,40};base64,[A-Za-z0-9+/=_\s-]+", re.IGNORECASE)
_KEY = re.compile(re.escape(PREFIX) + r"[0-9a-f]{64}\.[a-z0-9]{2,5}")
_IMAGE_WANTED = (
    "a task reads no file: give the picture as a data URI (data:image/png;base64,…), as an http(s) link, "
    f"or as a store key ({PREFIX}…)"
)


def checked(fields: Mapping[str, Any]) -> ImageParams:
    """Fields as a task may take them; None counts as not given.

    Raises:
        ValueError: in one line: each field that is wrong, its value, its bound and what to do.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    try:
        params = ImageParams(**given)
    except ValidationError as exc:
        raise ValueError(plain_text(explain(exc))) from None
    if flaw := _flaw_of_extra(params.extra):
        raise ValueError(f"extra: {flaw}")
    if flaw := _flaw_of_size(params):
        raise ValueError(flaw)
    if params.input_image is not None and (flaw := _flaw_of_image(params.input_image)):
        raise ValueError(f"input_image={_begin(params.input_image)}: {flaw}")
    return params


def checked_prompts(prompts: object) -> list[object]:
    """The prompts of a batch; whether each can be drawn is seen with its turn.

    Raises:
        ValueError: not a list, or too many.
    """
    if not isinstance(prompts, list | tuple):
        shown = _begin(prompts) if isinstance(prompts, str) else type(prompts).__name__
        raise ValueError(
            f"prompts={shown}: give a list of prompts, [{shown if isinstance(prompts, str) else '…'}] for one"
        )
    if len(prompts) > MAX_PROMPTS:
        raise ValueError(
            f"prompts: {len(prompts):,} prompts, a batch takes at most {MAX_PROMPTS:,}; send several batches, or a sweep"
        )
    return list(prompts)


def unknown_arguments(names: Iterable[str], known: Iterable[str]) -> str:
    """What is wrong with arguments that a task does not have, in one line."""
    known = list(known)
    told = []
    for name in names:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
        told.append(
            f"{name} is not an argument; " + (f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}")
        )
    return "; ".join(told)


def _flaw_of_extra(extra: Mapping[str, Any]) -> str | None:
    """Why no message can carry it; None: one can."""
    if is_deep(dict(extra)):
        return f"nested deeper than {MAX_DEPTH}"
    try:
        json.dumps(dict(extra), allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError) as exc:
        return f"not what JSON can hold ({exc})"
    return None


def _flaw_of_size(params: ImageParams) -> str | None:
    """Why RunPod would refuse the job as too large; None: it takes it.  Only two fields have no bound of their own."""
    extra = json.dumps(dict(params.extra), ensure_ascii=False).encode()
    sizes = {"input_image": len(params.input_image or ""), "extra": len(extra)}
    if sum(sizes.values()) <= MAX_RUN_BYTES - ROOM_FOR_THE_REST:
        return None
    largest = max(sizes, key=lambda name: sizes[name])
    return (
        f"{largest}: {sizes[largest] / 2**20:.1f} MB, and a job takes at most {MAX_RUN_BYTES // 2**20} MB with all its "
        "fields; give large pictures as http(s) links"
    )


def _flaw_of_image(image: str) -> str | None:
    """Why a task may not take this input image; None: it may."""
    if image[:5].lower() == "data:":
        return None if _DATA.fullmatch(image) else "not a picture as a data URI: write data:image/png;base64,… in full"
    if image[:8].lower().startswith(("http://", "https://")):
        return _flaw_of_link(image)
    return None if _KEY.fullmatch(image) else _IMAGE_WANTED


def _flaw_of_link(link: str) -> str | None:
    if len(link) > MAX_LINK:
        return f"a link has at most {MAX_LINK:,} characters; give the picture as a data URI"
    try:
        parts = urlsplit(link)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host, parts = None, urlsplit("")
    if not host or not link.isprintable() or " " in link or "\\" in link:
        return "not a link: write https://host/path, blanks as %20"
    if "@" in parts.netloc:
        return "a link may hold no user or password; use a presigned one"
    return None


def _begin(value: object) -> str:
    text = repr(plain_text(str(value)))
    return text if len(text) <= 60 else text[:57] + "…'"
