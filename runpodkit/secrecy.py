"""Secrecy: JSON values without what opens doors, for files and pages that other people see.

Taken out are the keys and passwords of our settings, whatever looks like a RunPod key, values under
names like `api_key`, and the part of a link that signs it or logs in.  Two that differ still differ
afterwards, by a number.  A secret in the words of a prompt looks like any other word and stays.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from runpodkit.logs import redact
from runpodkit.redaction import MARK

_LINK = re.compile(r"(https?://)(?:([^\s/?#\"'<>\\@]*)@)?([^\s?#\"'<>\\]+)(\?[^\s#\"'<>\\]*)?", re.IGNORECASE)
_SIGNS = re.compile(
    r"([?&](?:x-(?:amz|goog)-[a-z-]+|awsaccesskeyid|signature|sig|policy|key-pair-id|[a-z_-]*token|[a-z_-]*key|password)=)"
    r"([^&\s#\"'<>\\]*)",
    re.IGNORECASE,
)
_RUNPOD_KEY = re.compile(r"\brpa_[A-Za-z0-9]{16,}")
_SECRET_NAME = re.compile(
    r"(?:.*\.)?(?:(?:(?:hf|civitai|api|access|auth|bearer|session)[_-]?)?token|(?:[a-z]+[_-])*api[_-]?key"
    r"|(?:[a-z]+[_-])*secret(?:[_-]?key)?|password|authorization)",
    re.IGNORECASE,
)


class Censor:
    """Takes secrets out of values; one for all values of a file, so that a secret has one number in it."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def clean(self, value: Any, name: str = "") -> Any:
        """A JSON value without secrets.

        Args:
            name: Under which it stands, such as `extra.hf_token`.
        """
        if isinstance(value, Mapping):
            return {key: self.clean(inner, str(key)) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [self.clean(inner, name) for inner in value]
        if not isinstance(value, str):
            return value
        return self._numbered(value) if value and _is_secret(name) else self.text(value)

    def text(self, text: str) -> str:
        """Text without secrets."""
        text = redact(text)
        if "://" in text:
            text = _LINK.sub(self._link, text)
        if "=" in text:  # also where a blank ends the link too soon
            text = _SIGNS.sub(lambda found: found[1] + (self._numbered(found[2]) if found[2] else ""), text)
        return _RUNPOD_KEY.sub(lambda found: self._numbered(found[0]), text) if "rpa_" in text else text

    def _link(self, found: re.Match[str]) -> str:
        scheme, login, place, query = found[1], found[2] or "", found[3], found[4] or ""
        login = f"{self._numbered(login)}@" if login else ""
        if _SIGNS.search(query):
            query = f"?{self._numbered(query)}"
        return f"{scheme}{login}{place}{query}"

    def _numbered(self, secret: str) -> str:
        return (
            secret if secret.startswith(MARK) else f"{MARK}{self._numbers.setdefault(secret, len(self._numbers) + 1)}"
        )


@lru_cache(4096)
def _is_secret(name: str) -> bool:
    """Whether what stands under this name opens doors; records have the same few names over and over."""
    return _SECRET_NAME.fullmatch(name) is not None
