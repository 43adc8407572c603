"""Pictures made on the spot: small, of known colours, in every format that is read."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from PIL import Image

FORMATS = ("png", "jpeg", "webp", "gif", "avif")


@pytest.fixture(scope="session")
def picture() -> Callable[..., bytes]:
    """Makes bytes: `picture("png", (width, height), colour)`."""

    def make(
        form: str = "png", size: tuple[int, int] = (40, 24), colour: Any = (200, 60, 30), mode: str = "RGB"
    ) -> bytes:
        out = io.BytesIO()
        Image.new(mode, size, colour).save(out, form.upper())
        return out.getvalue()

    return make
