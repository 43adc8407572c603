"""Which Celery worker may serve whom: settings and package version drawn together into eight hex digits.

Workers of two projects, or of one before and after an upgrade, have different
fingerprints and so different queues on the embedded Redis.
"""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from runpodkit.settings import EndpointAddress, Settings

PACKAGE = Path(__file__).resolve().parent.parent


def family(settings: Settings, address: EndpointAddress | None) -> str:
    """8 hex of endpoint, store and whatever else changes what a worker does; no version in it.

    `address` None means the stand-in, whatever its port and key are today.
    """
    store: list[str | None] = (
        [
            settings.s3_bucket_name,
            settings.s3_endpoint,
            settings.s3_region,
            settings.s3_prefix,
            _digest(settings.s3_access_key),
            _digest(settings.s3_secret_key),
        ]
        if settings.has_bucket
        else [str(settings.home / "store")]
    )
    return _short(
        {
            "endpoint": address.url if address else "simulator",
            "key": _digest(address.api_key) if address else None,
            "dialect": settings.dialect,
            "gpu": settings.gpu,
            "model": settings.model,
            "store": store,
            **({} if settings.ai_mark else {"ai_mark": False}),
        }
    )


def fingerprint(settings: Settings, address: EndpointAddress | None, package: Path = PACKAGE) -> str:
    """8 hex of the family, the package's version and the time of its newest file."""
    return _short([family(settings, address), _version(), newest_ns(package)])


def newest_ns(package: Path = PACKAGE) -> int:
    """When the newest `.py` file of the package was changed: what tells editable installs apart."""
    return max((path.stat().st_mtime_ns for path in package.rglob("*.py")), default=0)


def short_hash(text: str) -> str:
    """8 hex of a text that itself must not be written down."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


@cache
def _version() -> str:
    try:
        return version("runpodkit")
    except PackageNotFoundError:
        return "uninstalled"


def _digest(secret: SecretStr | None) -> str | None:
    return None if secret is None else hashlib.sha256(secret.get_secret_value().encode()).hexdigest()


def _short(content: Any) -> str:
    return short_hash(json.dumps(content, sort_keys=True))
