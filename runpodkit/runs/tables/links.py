"""Links to pictures in a table: made only where somebody asks for them.

A durable table holds keys.  A public address lasts as long as the site that serves the store;
a signed link lasts days, and until then whoever has it may read: it is a secret.
"""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit

from runpodkit.storage import Store

MAX_DAYS = 7
"""What S3 signs for at most."""
_DAY_S = 86_400


def linker(
    store: Store, *, links: int | None = None, public_base_url: str | None = None
) -> Callable[[str], str] | None:
    """What gives a picture's address by its key; None if neither is asked for.

    Args:
        links: Days that signed links shall last, 1 to 7.  A folder gives file addresses, which last.
        public_base_url: Address under which the store's keys are served, such as `https://cdn.example.org/`;
            where a bucket has a prefix, with it.

    Raises:
        ValueError: both, days out of bounds, or no such address.
    """
    if links is not None and public_base_url is not None:
        raise ValueError("links= and public_base_url= both ask for addresses: give one of them")
    if public_base_url is not None:
        base = _checked(public_base_url)
        return lambda key: base + quote(key, safe="/")
    if links is None:
        return None
    if isinstance(links, bool) or not isinstance(links, int) or not 1 <= links <= MAX_DAYS:
        raise ValueError(f"links={links!r}: signed links last 1 to {MAX_DAYS} days, a whole number")
    lasts_s = links * _DAY_S
    return lambda key: store.url(key, lasts_s=lasts_s)


def _checked(base: str) -> str:
    """The address with a slash at its end."""
    try:
        parts = urlsplit(base)
        good = parts.scheme in ("http", "https") and parts.hostname and (parts.port is None or parts.port)
    except (ValueError, AttributeError):
        good = False
    if not good or any(char.isspace() or not char.isprintable() or char in '\\<>"' for char in base):
        raise ValueError(f"public_base_url={base!r:.100}: give an address such as https://cdn.example.org/pictures/")
    if parts.username is not None or parts.password is not None:
        raise ValueError("public_base_url: holds a name or password, which everybody who gets the table would read")
    if parts.query or parts.fragment or base.endswith(("?", "#")):
        raise ValueError(f"public_base_url={base!r:.100}: holds ? or #, so a key cannot come after it")
    return base.rstrip("/") + "/"
