"""Storage: where the bytes of runs live, behind a Protocol small enough to remember.

A store keeps whole values under keys and knows nothing of runs, records or pictures.
What holds for a folder holds for a bucket: one suite of tests runs over every store.
All calls block; async callers use a thread.  Every store may be shared by threads.
"""

from __future__ import annotations

import operator
import unicodedata
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

from runpodkit.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from runpodkit.settings import Settings

__all__ = ["Store", "check_key", "open_bucket", "open_store"]

LINK_S = 3600
"""How long a link lasts unless somebody says otherwise."""
MAX_LINK_S = 7 * 86_400
"""S3 signs no link for longer."""
_MAX_KEY_BYTES = 900  # S3 takes 1024 and the bucket's own prefix is part of them
_MAX_NAME_BYTES = 200  # file systems take 255, S3 servers that keep files need some of them


class Store(Protocol):
    """Where the bytes of a run live.

    Keys are relative and `/`-separated: `images/3f/3f9c…-0.png`; `check_key` has the rules.
    A key is never the folder of another key: with `a/b` stored, `a` is not a key.
    Every method raises `StoreError` when the store cannot be reached, read or written;
    the message names the key, what happened and the next step.
    """

    describe: str
    """What kind of store this is, in a word that is the same on every machine: "folder", "S3", "zip"."""

    def put(self, key: str, data: bytes, content_type: str | None = None) -> None:
        """Write whole or not at all; an existing key is replaced.

        Args:
            key: see above.
            data: any number of bytes, none included.
            content_type: what a browser is told; default: by the key's extension.
        """

    def get(self, key: str) -> bytes:
        """Raises NoSuchKeyError, which is a StoreError, if there is no such key."""

    def keys(self, prefix: str = "") -> Iterator[str]:
        """Keys that start with `prefix`, sorted by code point, listed as they are asked for.

        The prefix is any beginning of a key, not only a folder: `images/3f/3f9c`.
        """

    def delete(self, key: str) -> None:
        """Remove a key; one that is not there is fine, so this is safe to repeat."""

    def url(self, key: str, lasts_s: int = LINK_S) -> str:
        """A link that opens in a browser; whether the key exists is not looked up.

        A bucket's link is signed: whoever has it may read, so it counts as a secret.

        Args:
            lasts_s: Seconds until a bucket's link ends, 1 to 604,800 (7 days); a folder's never ends.

        Raises:
            ValueError: `lasts_s` is out of bounds, of whichever store.
            StoreError: this store has no links; the message says what it has instead.
        """


def open_store(settings: Settings) -> Store:
    """The bucket if one is configured, else a folder in RUNPODKIT_HOME; connects to nothing yet.

    Raises:
        ConfigError: the bucket's settings cannot be meant.
    """
    if settings.s3_bucket_name is None:
        from runpodkit.storage.local import LocalStore

        return LocalStore(settings.home / "store")
    return open_bucket(settings, settings.s3_bucket_name, settings.s3_prefix)


def open_bucket(settings: Settings, bucket: str, prefix: str = "") -> Store:
    """Any bucket that the configured keys can reach, at the configured endpoint; connects to nothing yet.

    Raises:
        ConfigError: no keys are configured, or bucket, endpoint or prefix cannot be meant.
    """
    if settings.s3_access_key is None or settings.s3_secret_key is None:
        raise ConfigError(
            f"the bucket {bucket} has no keys: set YANDEX_ACCESS_KEY and YANDEX_SECRET_KEY "
            "(or S3_ACCESS_KEY and S3_SECRET_KEY)"
        )
    from runpodkit.storage.s3 import S3Store

    return S3Store(
        bucket, settings.s3_access_key, settings.s3_secret_key, settings.s3_endpoint, settings.s3_region, prefix
    )


def check_lasts(lasts_s: int) -> int:
    """How long a link is to last, if it can.

    Raises:
        ValueError: not a whole number of seconds from 1 to `MAX_LINK_S`.
    """
    try:
        seconds = operator.index(lasts_s)
    except TypeError:
        raise ValueError(f"lasts_s={lasts_s!r}: give whole seconds") from None
    if isinstance(lasts_s, bool) or not 1 <= seconds <= MAX_LINK_S:
        raise ValueError(f"lasts_s={lasts_s!r}: a link lasts 1 to {MAX_LINK_S:,} seconds (7 days)")
    return seconds


def check_key(key: str) -> str:
    """The key itself, if every store can keep it.

    Refused are absolute keys, empty parts, parts that start with a dot (so `.` and `..`),
    backslashes, control characters and what is too long for a bucket or a file system.

    Raises:
        StoreError: with the reason; a key is often made from a name somebody chose.
    """
    if reason := _flaw(key):
        shown = key if len(key) <= 80 else f"{key[:80]}…"
        raise StoreError(f"key {shown!r} is refused: {reason}")
    return key


def check_prefix(prefix: str) -> str:
    """The prefix itself, if keys may start so; empty and a trailing `/` are fine.

    Raises:
        StoreError: no key can start so.
    """
    if prefix:
        check_key(prefix.removesuffix("/"))
    return prefix


def is_key(key: str) -> bool:
    """Whether `check_key` takes it: what others left in a folder or bucket is passed over."""
    return _flaw(key) is None


def _flaw(key: str) -> str | None:
    if not key:
        return "it is empty"
    if key.startswith("/"):
        return "it starts with /, keys are relative"
    if "\\" in key:
        return "it holds a backslash, parts are separated by /"
    if any(unicodedata.category(char) in ("Cc", "Cs") or char in "\ufffe\uffff" for char in key):
        return "it holds control characters or broken text"
    if len(key.encode()) > _MAX_KEY_BYTES:
        return f"it is longer than {_MAX_KEY_BYTES} bytes"
    for part in key.split("/"):
        if not part:
            return "it holds an empty part (a // or a / at the end)"
        if part.startswith("."):
            return f"its part {part!r:.60} starts with a dot"
        if len(part.encode()) > _MAX_NAME_BYTES:
            return f"a part of it is longer than {_MAX_NAME_BYTES} bytes"
    return None
