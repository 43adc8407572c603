"""Input images of edit models: into the store once, out of it as a worker can take them.

A path is read here, in the caller's own process; what travels is a store key named after
the bytes, so the same picture is the same trial wherever it came from.
"""

from __future__ import annotations

import base64
import hashlib
import os
import stat
from pathlib import Path

from runpodkit.errors import OutputError
from runpodkit.images.outputs import MAX_BYTES, decode_text, inspect
from runpodkit.storage import Store
from runpodkit.sweeps.sweep import Sweep

PREFIX = "inputs/"


def with_stored_images(plan: Sweep, store: Store) -> Sweep:
    """The sweep with every input image in the store; links stay as they are.

    Raises:
        ValueError: a path that cannot be read, or bytes that are no picture.
        StoreError: the store cannot be written.
    """
    if plan.base.input_image is None and "input_image" not in plan.fields:
        return plan
    return plan.mapped("input_image", lambda image: None if image is None else store_image(image, store))


def store_image(image: str, store: Store) -> str:
    """The store key of a picture given as path or data URI; a key or a link is given back."""
    if image.startswith(PREFIX) or image[:8].lower().startswith(("http://", "https://")):
        return image
    try:
        data = decode_text(image) if image[:5].lower() == "data:" else _file(Path(image).expanduser())
        about = inspect(data)
    except OutputError as exc:
        raise ValueError(f"input_image={_short(image)}: {exc}") from None
    key = f"{PREFIX}{hashlib.sha256(data).hexdigest()}.{about.format}"
    store.put(key, data, f"image/{about.format}")
    return key


def sendable(image: str, store: Store, *, inline: bool) -> str:
    """An input image as it goes into a job: a link where the store has links, else a data URI.

    Args:
        inline: Always a data URI.
    """
    if not image.startswith(PREFIX):
        return image
    if not inline and (link := store.url(image)).startswith("https://"):
        return link
    kind = image.rpartition(".")[2]
    return f"data:image/{kind};base64,{base64.b64encode(store.get(image)).decode()}"


def _file(path: Path) -> bytes:
    """A file's bytes, read no further than a picture may be long: a device has no end, a pipe no beginning."""
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise ValueError(f"input_image={_short(str(path))} is no file")
            data = file.read(MAX_BYTES + 1)
    except OSError as exc:
        raise ValueError(f"input_image={_short(str(path))}: {exc.strerror or 'cannot be read'}") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"input_image={_short(str(path))} is larger than {MAX_BYTES // 2**20} MiB")
    return data


def _short(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "…")
