"""Stars: runs that a person wants to keep, as a small file beside the run's head in the store.

A star is the whole run's: a picture without its run would lose what is known of it.
"""

from __future__ import annotations

from runpodkit.errors import NoSuchKeyError
from runpodkit.runs.plans import check_name
from runpodkit.storage import Store

STAR = "starred"


def star_key(run: str) -> str:
    """Where the star of a run lies, if it has one."""
    return f"runs/{check_name(run)}/{STAR}"


def set_star(store: Store, run: str, starred: bool) -> None:
    """Give a run its star, or take it away; either is safe to repeat."""
    if starred:
        store.put(star_key(run), b"", "text/plain")
    else:
        store.delete(star_key(run))


def has_star(store: Store, run: str) -> bool:
    """Whether a run has a star."""
    try:
        store.get(star_key(run))
    except NoSuchKeyError:
        return False
    return True
