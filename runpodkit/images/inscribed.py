"""What is put into a picture, and the names its parts have in any container."""

from __future__ import annotations

from typing import NamedTuple

PARAMETERS = "parameters"
"""The text other tools read: a PNG keyword, the EXIF comment elsewhere."""
RECORD = "runpodkit"
"""Our own JSON."""
MAX_TEXT = 4 * 2**20
"""Bytes of one text in a foreign picture; longer ones are not read."""
MAX_TEXTS = 16 * 2**20
"""Bytes of all texts of a foreign picture together."""


class Inscription(NamedTuple):
    """The three things that go into a picture."""

    parameters: str
    record: str
    term: str | None
    """The IPTC term for its source; None for no mark."""
