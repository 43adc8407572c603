"""Settings: what the environment and one `.env` say, checked, keys hidden.

Built by `Settings.load()` where a kit is made, never at import.  Knows which endpoint
is meant and which key may go there; opens no connection.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import AliasChoices, BeforeValidator, Field, PrivateAttr, SecretStr, ValidationError, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SettingsConfigDict

from runpodkit.errors import ConfigError
from runpodkit.logs import checked_level, hide
from runpodkit.trusted import env_values, read_trusted

RUNPOD_HOST = "api.runpod.ai"
RUNPOD_API_HOST = "api.runpod.io"
"""RunPod's own API, which knows what was billed; it takes the same keys."""
YANDEX_URL = "https://storage.yandexcloud.net"
_OPERATIONS = ("run", "runsync", "status", "stream", "cancel", "retry", "purge-queue", "health")
LOGIN_FILE = "login.env"
"""In the home folder of runpodkit: what `runpodkit login` stores, the last place that is looked at."""
_BARE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{4,127}")
_ID_IN_URL = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}")
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


def _header_safe(value: object) -> object:
    """A key without the line end that `$(cat file)` leaves; what no header can carry is told without showing it."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not isinstance(text, str):
        return value
    text = text.strip()
    if not (text.isascii() and text.isprintable() and " " not in text):
        raise ValueError("not a key: it holds spaces, line ends or letters that are not ASCII")
    return SecretStr(text) if text else None


def checked_key(text: str) -> SecretStr:
    """A key as it may go into a header.  Raises ValueError, without showing it, where none can be meant."""
    key = _header_safe(text)
    if not isinstance(key, SecretStr):
        raise ValueError("nothing was given")
    return key


@dataclass(frozen=True, slots=True)
class EndpointAddress:
    """Where an endpoint is, and the key that may go there."""

    url: str
    """Without an operation: `https://api.runpod.ai/v2/<id>`."""
    api_key: SecretStr = field(repr=False)

    @property
    def endpoint_id(self) -> str:
        return self.url.rpartition("/")[2]

    @property
    def host(self) -> str:
        """Host, and port where one is given."""
        return urlsplit(self.url).netloc

    @property
    def billing_url(self) -> str | None:
        """Where the bill of this endpoint is asked for, with its key; None: nowhere.

        That of RunPod's endpoints at RunPod's own API, that of one on this machine where it is.  No other host has a
        bill of ours, and a key goes to none that it was not given for.
        """
        if self.host == RUNPOD_HOST:
            return f"https://{RUNPOD_API_HOST}/v2/billing"
        if self.is_simulated:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.netloc}/v2/billing"
        return None

    @property
    def is_simulated(self) -> bool:
        """An endpoint on this machine is a stand-in; everything else may cost money."""
        return urlsplit(self.url).hostname in _LOOPBACK

    @property
    def identity(self) -> str:
        """What decides whether two endpoints draw the same picture, if no model name says it."""
        return self.endpoint_id if self.host == RUNPOD_HOST else f"{self.host}/{self.endpoint_id}"


class Settings(BaseSettings):
    """Everything that can be set from outside.  Empty values count as not set."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore", env_ignore_empty=True, hide_input_in_errors=True, case_sensitive=True
    )

    runpod_api_key: Annotated[SecretStr | None, BeforeValidator(_header_safe)] = Field(None, alias="RUNPOD_API_KEY")
    runpod_url: str | None = Field(None, alias="RUNPOD_URL")
    redis_url: SecretStr | None = Field(None, alias="REDIS_URL")
    yandex_bucket_name: str | None = Field(None, alias="YANDEX_BUCKET_NAME")
    plain_bucket_name: str | None = Field(None, alias="S3_BUCKET_NAME")
    s3_access_key: SecretStr | None = Field(None, validation_alias=AliasChoices("YANDEX_ACCESS_KEY", "S3_ACCESS_KEY"))
    s3_secret_key: SecretStr | None = Field(None, validation_alias=AliasChoices("YANDEX_SECRET_KEY", "S3_SECRET_KEY"))
    s3_endpoint_url: str | None = Field(None, validation_alias=AliasChoices("YANDEX_ENDPOINT_URL", "S3_ENDPOINT_URL"))
    s3_region: str | None = Field(None, validation_alias=AliasChoices("YANDEX_REGION", "S3_REGION"))
    s3_prefix: str = Field("", alias="S3_PREFIX")
    home: Path = Field(Path("~/.runpodkit"), alias="RUNPODKIT_HOME")
    dialect: str | None = Field(None, alias="RUNPODKIT_DIALECT")
    gpu: str | None = Field(None, alias="RUNPODKIT_GPU")
    model: str | None = Field(None, alias="RUNPODKIT_MODEL")
    endpoints: Path | None = Field(None, alias="RUNPODKIT_ENDPOINTS", description="Another `endpoints.toml`.")
    usd_per_day: float | None = Field(None, gt=0, alias="RUNPODKIT_USD_PER_DAY")
    confirm_usd: float = Field(5.0, ge=0, alias="RUNPODKIT_CONFIRM_USD")
    ai_mark: bool = Field(True, alias="RUNPODKIT_AI_MARK", description="Mark pictures as made by a trained model.")
    log_level: str | None = Field(None, alias="RUNPODKIT_LOG_LEVEL", description="Least level of log lines.")
    log_json: bool = Field(False, alias="RUNPODKIT_LOG_JSON", description="Log lines as JSON objects.")
    env_file: Path | None = Field(None, alias="RUNPODKIT_ENV_FILE", description="The `.env` that was read.")
    _key_came_with_url: bool = PrivateAttr(False)
    _url_is_a_files: bool = PrivateAttr(False)
    """A `.env` names the endpoint, and the key comes from elsewhere."""
    _endpoints_are_a_files: bool = PrivateAttr(False)
    """A `.env` says which `endpoints.toml` is read."""

    @field_validator("home", "endpoints")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path and path.expanduser().absolute()

    @field_validator("log_level")
    @classmethod
    def _known_level(cls, level: str | None) -> str | None:
        return level and checked_level(level)

    @field_validator("dialect")
    @classmethod
    def _found_from_anywhere(cls, dialect: str | None) -> str | None:
        """A Celery worker has another working folder: a file is named in full."""
        if dialect and dialect.lower().endswith((".toml", ".json")):
            return str(Path(dialect).expanduser().absolute())
        return dialect

    def with_dialect(self, dialect: str) -> Settings:
        """These settings with another dialect."""
        return self.model_copy(update={"dialect": self._found_from_anywhere(dialect)})

    @classmethod
    def load(cls, start: Path | None = None, **overrides: Any) -> Settings:
        """Read the environment, then the nearest `.env` at or above `start` (default: the working folder).

        The environment wins over `.env`, and that over what `runpodkit login` stored; `overrides`, by the same
        names, win over all.

        Raises:
            ConfigError: a value is malformed, or the `.env` cannot be read or may be written by others.
            TypeError: an override that is no setting.
        """
        unknown = overrides.keys() - setting_names()
        if unknown:
            raise TypeError(
                f"no such setting: {', '.join(sorted(unknown))}; known: {', '.join(sorted(setting_names()))}"
            )
        env_file, written = _nearest_env(start or Path.cwd())
        given = {"RUNPODKIT_ENV_FILE": env_file, **overrides}
        try:
            settings = cls(**_beneath_environment(written) | given)
            if login := _login(settings.home):
                settings = cls(**_beneath_environment(login | written) | given)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            raise ConfigError(f"{name}: {first['msg'].removeprefix('Value error, ')}") from None
        sources = {_source(name, overrides, written) for name in ("RUNPOD_API_KEY", "RUNPOD_URL")}
        settings._key_came_with_url = len(sources) == 1
        settings._url_is_a_files = _source("RUNPOD_URL", overrides, written) == ".env" and len(sources) > 1
        settings._endpoints_are_a_files = any(
            _source(name, overrides, written) == ".env" for name in ("RUNPODKIT_ENDPOINTS", "RUNPODKIT_HOME")
        )
        for secret in (settings.runpod_api_key, settings.s3_access_key, settings.s3_secret_key):
            if secret:
                hide(secret.get_secret_value())
        if settings.redis_url:
            _hide_login(settings.redis_url.get_secret_value())
        if settings.runpod_url:
            normal_url(settings.runpod_url)
        _s3_is_whole(settings)
        return settings

    @classmethod
    def for_bucket(cls, bucket: str, start: Path | None = None) -> Settings:
        """The settings with another bucket, or with one where only keys are set.

        Raises:
            ConfigError: as of `load`; also if no keys are set.
        """
        _, written = _nearest_env(start or Path.cwd())
        named = {name for name in setting_names() if os.environ.get(name) or name in written}
        spelled = ("YANDEX_BUCKET_NAME", "S3_BUCKET_NAME", "YANDEX_ACCESS_KEY", "S3_ACCESS_KEY")
        spelling = next((name for name in spelled if name in named), "S3_").partition("_")[0]
        return cls.load(start, **{f"{spelling}_BUCKET_NAME": bucket})

    def address(self, target: str | None = None) -> EndpointAddress | None:
        """The endpoint that `target` (URL or id; default: RUNPOD_URL) means; None: nothing is configured.

        Raises:
            ConfigError: a key without a URL, a URL without a key, a malformed URL, or a
                key that would leave for a host it was not given for.
        """
        where = target or self.runpod_url
        if where is None:
            if self.runpod_api_key:
                raise ConfigError(
                    "RUNPOD_API_KEY is set but RUNPOD_URL is not: set it to your endpoint's URL, as the RunPod "
                    "console shows it (https://api.runpod.ai/v2/<endpoint id>/run), or unset the key to use the simulator"
                )
            return None
        url = normal_url(where)
        if self.runpod_api_key is None:
            raise ConfigError(
                f"RUNPOD_API_KEY is not set, and {url} asks for one: set it in the environment or in .env "
                "(RunPod console, Settings, API keys) or with `runpodkit login`, or unset RUNPOD_URL to use the simulator"
            )
        parts = urlsplit(url)
        if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
            raise ConfigError(f"RUNPOD_URL {url} would send the key unencrypted: use https://")
        belongs = target is None and self._key_came_with_url
        # whoever listens on this machine is not always its user: a file may not choose who that is either
        local = parts.hostname in _LOOPBACK and not (target is None and self._url_is_a_files)
        if parts.netloc != RUNPOD_HOST and not local and not belongs:
            raise ConfigError(
                f"RUNPOD_API_KEY and the URL of {parts.netloc} come from different places, so the key is not sent "
                "there: set RUNPOD_URL and RUNPOD_API_KEY together, in the environment or in one .env"
            )
        return EndpointAddress(url, self.runpod_api_key)

    @property
    def s3_bucket_name(self) -> str | None:
        """The bucket, in either spelling."""
        return self.yandex_bucket_name or self.plain_bucket_name

    @property
    def s3_endpoint(self) -> str | None:
        """Where the bucket is; None means AWS.  A bucket in the YANDEX_… spelling is at Yandex unless it says otherwise."""
        return self.s3_endpoint_url or (YANDEX_URL if self.yandex_bucket_name else None)

    @property
    def has_bucket(self) -> bool:
        return self.s3_bucket_name is not None


def normal_url(text: str) -> str:
    """An endpoint's URL without operation, from any way of writing it, the bare id included.

    Raises:
        ConfigError: neither an id nor the URL of an endpoint.
    """
    text = text.strip().rstrip("/")
    if text.startswith("rpa_"):
        raise ConfigError("RUNPOD_URL holds what looks like an API key: that belongs into RUNPOD_API_KEY")
    if _BARE_ID.fullmatch(text):
        return f"https://{RUNPOD_HOST}/v2/{text}"
    shown = re.sub(r"[?#].*", "?…", re.sub(r"//.*@", "//…@", text, flags=re.DOTALL), flags=re.DOTALL)
    hint = f"RUNPOD_URL={shown!r} is not an endpoint: set it to https://{RUNPOD_HOST}/v2/<endpoint id>/run"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ConfigError(f"{hint}; its host or port cannot be read") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigError(f"{hint}, without user, query or fragment")
    if parts.scheme not in ("http", "https") or not host or not _HOST.fullmatch(host) or not text.isprintable():
        raise ConfigError(hint)
    words = [word for word in parts.path.split("/") if word]
    if words and words[-1] in _OPERATIONS:
        words.pop()
    if len(words) < 2 or words[-2] != "v2" or not _ID_IN_URL.fullmatch(words[-1]) or not {".", ".."}.isdisjoint(words):
        raise ConfigError(hint)
    where = (
        f"[{host}]" if ":" in host else host
    )  # lower case, and no port that goes without saying: one endpoint, one URL
    if port not in (None, 443 if parts.scheme == "https" else 80):
        where = f"{where}:{port}"
    return f"{parts.scheme}://{where}/{'/'.join(words)}"


def _nearest_env(start: Path) -> tuple[Path | None, dict[str, str]]:
    """The nearest `.env` at or above `start`, up to the home folder or the root, and what it sets.

    Raises:
        ConfigError: it belongs to somebody else or others may write it: its keys and URLs cannot be trusted.
    """
    home = Path.home()
    for folder in (start.absolute(), *start.absolute().parents):
        text = read_trusted(folder / ".env")
        if text is not None:
            return folder / ".env", env_values(text)
        if folder == home:
            break
    return None, {}


def _beneath_environment(written: Mapping[str, str]) -> dict[str, Any]:
    """What files set of our settings, without what the environment sets in either spelling."""
    given: dict[str, Any] = {}
    for info in Settings.model_fields.values():
        names = _spellings(info)
        if not any(os.environ.get(name) for name in names):
            given |= {name: written[name] for name in names if name in written}
    return given


def setting_names() -> set[str]:
    """Every name a setting answers to."""
    return {name for info in Settings.model_fields.values() for name in _spellings(info)}


def _spellings(info: FieldInfo) -> tuple[str, ...]:
    """The names of one setting, the one that wins first."""
    choices = info.validation_alias
    return tuple(map(str, choices.choices)) if isinstance(choices, AliasChoices) else (str(choices),)


def _source(name: str, overrides: Mapping[str, Any], written: Mapping[str, str]) -> str:
    """Where the value of a setting comes from."""
    if name in overrides:
        return "call"
    if os.environ.get(name):
        return "environment"
    return ".env" if name in written else "login"


def store_login(home: Path, key: str, url: str | None) -> Path:
    """Keep an API key, and its endpoint if one is given, where only this user can read them.

    Raises:
        ConfigError: not a key, or not an endpoint; nothing is stored then.
    """
    try:
        kept = checked_key(key)
    except ValueError as exc:
        raise ConfigError(f"RUNPOD_API_KEY: {exc}") from None
    hide(kept.get_secret_value())
    lines = [f"RUNPOD_API_KEY='{kept.get_secret_value()}'"]
    if url:
        lines.append(f"RUNPOD_URL='{normal_url(url)}'")
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = home / f"{LOGIN_FILE}.new"
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("\n".join(lines) + "\n")
    return draft.replace(home / LOGIN_FILE)


def remove_login(home: Path) -> bool:
    """Forget the stored key; tells whether there was one."""
    there = (home / LOGIN_FILE).exists()
    (home / LOGIN_FILE).unlink(missing_ok=True)
    return there


def _login(home: Path) -> dict[str, str]:
    """What `login` stored, if it is still this user's alone.

    Raises:
        ConfigError: others may read it, or it belongs to somebody else.
    """
    return env_values(read_trusted(home / LOGIN_FILE, private=True) or "")


def _hide_login(url: str) -> None:
    """Keep a URL and its password out of the logs; one without a login may be read, as it says which Redis is meant."""
    if "@" in url or "pass" in url:
        hide(url)
    if password := _password(url):
        hide(password)
        hide(unquote(password))


def _password(url: str) -> str | None:
    try:
        return urlsplit(url).password
    except ValueError:
        return None


def _s3_is_whole(settings: Settings) -> None:
    parts = {
        "YANDEX_BUCKET_NAME": settings.s3_bucket_name,
        "YANDEX_ACCESS_KEY": settings.s3_access_key,
        "YANDEX_SECRET_KEY": settings.s3_secret_key,
    }
    missing = [name for name, value in parts.items() if not value]
    if missing and len(missing) < len(parts):
        raise ConfigError(f"S3 storage is half configured: set {', '.join(missing)} too (or the S3_… spelling)")
