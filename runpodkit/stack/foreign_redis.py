"""A Redis that the user names by REDIS_URL: is it there, and does it keep what we rely on?

Also the one place that spells a Redis URL for redis-py and for Celery.  Never starts,
stops or configures anything there.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

from runpodkit.errors import ConfigError, LedgerError
from runpodkit.logs import redact

TIMEOUT_S = 5.0
_PREFIX = "redis+socket"


class RedisUrl(str):
    """A URL whose repr has no password: tracebacks that show what is in variables show this."""

    def __repr__(self) -> str:
        return repr(without_password(str(self)))


def client_url(text: str) -> RedisUrl:
    """`text` as redis-py spells it; Celery's `redis+socket://` is understood too."""
    parts = urlsplit(text)
    if parts.scheme not in (_PREFIX, "socket"):
        return RedisUrl(text)
    db = parse_qs(parts.query).get("virtual_host", ["0"])[0]
    return RedisUrl(f"unix://{parts.netloc}{parts.path}?{urlencode({'db': db})}")


def broker_url(text: str) -> RedisUrl:
    """`text` as Celery and kombu spell it; only Unix sockets are spelled differently."""
    parts = urlsplit(text)
    if parts.scheme != "unix":
        return RedisUrl(text)
    query = parse_qs(parts.query)
    user, _, password = parts.netloc.rpartition("@")[0].partition(":")
    user, password = user or query.get("username", [""])[0], password or query.get("password", [""])[0]
    login = f"{user}:{password}@" if user or password else ""
    db = query.get("db", ["0"])[0]
    return RedisUrl(f"{_PREFIX}://{login}{parts.path}?{urlencode({'virtual_host': db})}")


def without_password(text: str) -> str:
    """`text` for people and logs."""
    parts = urlsplit(text)
    if "://" not in text:  # no URL at all, and whatever stands before an @ may be a password
        return f"•••@{text.rpartition('@')[2]}" if "@" in text else text
    host = parts.netloc.rpartition("@")[2]
    netloc = f"•••@{host}" if host != parts.netloc else host
    query = "&".join(f"{name}={'•••' if 'pass' in name else value}" for name, value in parse_qsl(parts.query))
    return f"{parts.scheme}://{netloc}{parts.path}{'?' if query else ''}{query}"


def ping(text: str) -> None:
    """Make sure that the server answers.

    Raises:
        ConfigError: REDIS_URL cannot be understood.
        LedgerError: nobody answers, or it refuses us.
    """
    _info(text, "server")


def check(text: str) -> list[str]:
    """What does not hold on this server that holds on the embedded one, in sentences; empty: all is well.

    Raises:
        ConfigError, LedgerError: as `ping`.
    """
    keeps, memory = _info(text, "persistence"), _info(text, "memory")
    warnings = []
    if not int(keeps.get("aof_enabled", 0)):
        warnings.append(
            "REDIS_URL's server keeps no append-only file: after a crash of it, jobs may be submitted and paid for "
            "again. Set `appendonly yes` there"
        )
    policy = str(memory.get("maxmemory_policy", "noeviction"))
    if policy != "noeviction":
        warnings.append(
            f"REDIS_URL's server drops keys when its memory is full (maxmemory-policy {policy}): a run could lose "
            "trials. Set `maxmemory-policy noeviction` there"
        )
    return warnings


def _info(text: str, section: str) -> dict[str, Any]:
    import redis
    from redis.exceptions import NoPermissionError

    shown = without_password(text)
    try:
        client = redis.Redis.from_url(client_url(text), socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
    except (ValueError, TypeError) as exc:
        raise ConfigError(f"REDIS_URL {shown} is no Redis URL: set it like redis://127.0.0.1:6379/0") from exc
    with client:
        try:
            client.ping()
            return dict(client.info(section))
        except redis.AuthenticationError as exc:
            raise LedgerError(f"REDIS_URL {shown} refuses the login: {redact(str(exc))}") from None
        except NoPermissionError:
            return {"aof_enabled": 1}  # it may not be asked, so nothing is known against it
        except redis.RedisError as exc:
            raise LedgerError(
                f"REDIS_URL {shown} does not answer: {redact(str(exc)).rstrip('.')}. Start that Redis, or unset "
                "REDIS_URL and use the private one (pip install 'runpodkit[local,lab]')"
            ) from None
