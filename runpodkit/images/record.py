"""Our own JSON inside a picture: everything asked for, sent and known, as a text and back.

What must not travel is taken out here: registered secrets, the query and password of links, and
pictures inside the parameters, of which their hash stays.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from runpodkit.images.bounded_json import read_json
from runpodkit.images.inscribed import MAX_TEXT
from runpodkit.logs import redact
from runpodkit.params import ImageParams
from runpodkit.prompts import SentPrompt
from runpodkit.secrecy import Censor

VERSION = 1
"""A reader refuses what is newer than it knows."""
_LINK = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://")
_INLINE = 1000
"""Characters of an input image that can be no path or link any more."""


@dataclass(frozen=True, slots=True)
class Record:
    """What our JSON in a picture says."""

    values: Mapping[str, Any]
    """Fields that were set, or are not as they are by default, unchecked."""
    sent: SentPrompt | None
    info: Mapping[str, Any]
    input_image_sha256: str | None
    """Of an input image that was given as a picture: 64 hex digits over its data URI."""


def write_record(params: ImageParams, sent: SentPrompt, info: Mapping[str, Any]) -> str:
    """The JSON; of `extra` that would make it larger than is read back, only the size stays."""
    values = params.model_dump(mode="python")
    picture, values["extra"] = values["input_image"], Censor().clean(_portable(values["extra"]))
    record: dict[str, Any] = {"version": VERSION, "params": values, "set": sorted(params.model_fields_set)}
    if isinstance(picture, str) and (picture[:5].lower() == "data:" or len(picture) > _INLINE):
        values["input_image"] = None
        record["input_image_sha256"] = hashlib.sha256(picture.encode("utf-8", "replace")).hexdigest()
    else:
        values["input_image"] = _portable(picture)
    record |= {"sent": sent._asdict(), "info": dict(info)}
    text = _dumped(record)
    if len(text.encode("utf-8", "replace")) > MAX_TEXT:
        record["extra_characters"] = len(_dumped(values["extra"]))
        values["extra"] = {}
        text = _dumped(record)
    return redact(text)


def read_record(text: str) -> Record:
    """What such a JSON says.

    Raises:
        ValueError: it is broken, or written by a runpodkit newer than this.
    """
    try:
        record = read_json(text)
        version, values, marked = record["version"], record["params"], set(record["set"])
        sent, info = record.get("sent"), record.get("info")
        if isinstance(version, bool) or not isinstance(version, int) or not isinstance(values, dict):
            raise ValueError("not as we write it")
    except (ValueError, TypeError, KeyError, AttributeError) as exc:
        raise ValueError("the picture's runpodkit record is broken") from exc
    if version > VERSION:
        raise ValueError(f"the picture's record has version {version}, this runpodkit knows {VERSION}: upgrade it")
    fields = ImageParams.model_fields
    # what was not set and is still the default stays unset: only what a person set can be refused by a dialect
    kept = {name: value for name, value in values.items() if name in marked or value != _default(fields.get(name))}
    return Record(
        values=kept,
        sent=_sent(sent),
        info=info if isinstance(info, dict) else {},
        input_image_sha256=sha if isinstance(sha := record.get("input_image_sha256"), str) else None,
    )


def _default(field: Any) -> Any:
    return None if field is None else field.get_default(call_default_factory=True)


def _sent(value: Any) -> SentPrompt | None:
    if not isinstance(value, dict):
        return None
    prompt, negative = value.get("prompt"), value.get("negative_prompt")
    return SentPrompt(prompt, negative) if isinstance(prompt, str) and isinstance(negative, str) else None


def _portable(value: Any) -> Any:
    """A value without pictures and without what opens a link."""
    if isinstance(value, Mapping):
        return {str(name): _portable(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_portable(inner) for inner in value]
    if not isinstance(value, str):
        return value
    if value[:5].lower() == "data:" and len(value) > _INLINE:
        return f"sha256:{hashlib.sha256(value.encode('utf-8', 'replace')).hexdigest()}"
    if not _LINK.match(value):
        return value
    try:
        scheme, host, path, _, _ = urlsplit(value)
    except ValueError:
        return value.partition("?")[0]
    return urlunsplit((scheme, host.rpartition("@")[2], path, "", ""))


def _dumped(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
