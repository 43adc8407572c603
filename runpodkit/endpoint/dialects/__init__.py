"""Dialects: the table of those that are built in.

Each is a row of data; how a row is read and written stands in `dialect`.
"""

from __future__ import annotations

from collections.abc import Mapping

from runpodkit.endpoint.dialects.dialect import Dialect
from runpodkit.endpoint.dialects.native import NATIVE
from runpodkit.endpoint.dialects.reading import Reading
from runpodkit.errors import ConfigError

__all__ = ["DIALECTS", "Dialect", "Reading", "get_dialect"]

DIALECTS: Mapping[str, Dialect] = {NATIVE.name: NATIVE}


def get_dialect(name: str) -> Dialect:
    """A built-in dialect.  Raises ConfigError, with the names there are, for any other."""
    if name not in DIALECTS:
        raise ConfigError(f"RUNPODKIT_DIALECT={name!r} is unknown; known: {', '.join(DIALECTS)}")
    return DIALECTS[name]
