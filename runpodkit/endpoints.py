"""Endpoints by name: what `endpoints.toml` says of each, and which key may go there.

    [my-sdxl]
    url = "https://api.runpod.ai/v2/abc123"   # or a bare id, or one of RunPod's public endpoints
    dialect = "sdxl"                          # default: what a public endpoint takes, else native
    gpu = "4090"                              # for estimates of what a job costs
    usd_per_image = 0.003                     # where the price is per picture
    model = "sdxl-base-1.0"                   # two endpoints of one model share their pictures
    key_env = "OTHER_KEY"                     # the variable that holds its key; default: RUNPOD_API_KEY

Holds no key: the file names variables.  Opens no connection.
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError, field_validator

from runpodkit.errors import ConfigError
from runpodkit.logs import hide
from runpodkit.settings import RUNPOD_HOST, EndpointAddress, Settings, checked_key, normal_url, setting_names
from runpodkit.trusted import read_trusted

FILE = "endpoints.toml"
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}")
_OF_OTHERS = ("AWS_", "YANDEX_", "S3_", "RUNPODKIT_")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class NamedEndpoint(BaseModel):
    """One table of `endpoints.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: Annotated[str, BeforeValidator(lambda text: normal_url(text) if isinstance(text, str) else text)] = Field(
        description="Where it is."
    )
    dialect: str | None = Field(None, description="How its worker spells things.")
    gpu: str | None = Field(None, description="The GPU of its workers, for estimates.")
    usd_per_image: float | None = Field(None, gt=0, description="Its price, where it has one per picture.")
    model: str | None = Field(None, description="What it draws with: part of a trial's key.")
    key_env: str | None = Field(None, description="The environment variable that holds its key.")

    @field_validator("key_env")
    @classmethod
    def _no_other_secret(cls, name: str | None) -> str | None:
        if name is None or name == "RUNPOD_API_KEY":
            return name
        if not _VARIABLE.fullmatch(name):
            raise ValueError("not the name of an environment variable")
        if name in setting_names() or name.startswith(_OF_OTHERS):
            raise ValueError(
                f"{name} is for something else than an endpoint's key: put the key in a variable of its own"
            )
        return name


def endpoints_file(settings: Settings) -> Path:
    """RUNPODKIT_ENDPOINTS, else the one in RUNPODKIT_HOME; it need not exist."""
    return settings.endpoints or settings.home / FILE


def named_endpoints(settings: Settings) -> Mapping[str, NamedEndpoint]:
    """All endpoints of the file, by name; none where there is no file.

    Raises:
        ConfigError: the file is not TOML, others may write it, or a table of it cannot be meant; the message names
            file, table and field.
    """
    file = endpoints_file(settings)
    text = read_trusted(file)
    if text is None:
        if settings.endpoints:
            raise ConfigError(f"RUNPODKIT_ENDPOINTS={file}: there is no such file")
        return {}
    try:
        tables = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as exc:
        raise ConfigError(f"{file}: {exc}") from None
    found = {}
    for name, table in tables.items():
        if not _NAME.fullmatch(name) or not isinstance(table, dict):
            raise ConfigError(f"{file}: [{name}] is no table named by letters, digits, dots, dashes and underscores")
        try:
            found[name] = NamedEndpoint(**table)
        except ValidationError as exc:
            first = exc.errors(include_url=False, include_input=False)[0]
            known = ", ".join(NamedEndpoint.model_fields)
            why = (
                f"unknown; known: {known}"
                if first["type"] == "extra_forbidden"
                else first["msg"].removeprefix("Value error, ")
            )
            raise ConfigError(f"{file}: [{name}] {'.'.join(map(str, first['loc']))}: {why}") from None
        except ConfigError as exc:
            raise ConfigError(f"{file}: [{name}] {exc}") from None
    return found


def settings_of(settings: Settings, named: NamedEndpoint) -> Settings:
    """The settings with what the file says of an endpoint in the place of RUNPODKIT_DIALECT, …_GPU and …_MODEL."""
    other = settings.model_copy(update={"gpu": named.gpu, "model": named.model, "dialect": None})
    return other.with_dialect(named.dialect) if named.dialect else other


def address_of(settings: Settings, name: str, named: NamedEndpoint) -> EndpointAddress:
    """Where a named endpoint is, with the key that may go there.

    Raises:
        ConfigError: its key is not set, or RUNPOD_API_KEY would leave for a host it was not given for.
    """
    place = EndpointAddress(named.url, SecretStr(""))
    if settings._endpoints_are_a_files and place.host != RUNPOD_HOST:
        raise ConfigError(
            f"endpoint {name} is at {place.host}, and a .env names the file that says so, {endpoints_file(settings)}: "
            "no key of the environment is sent there; export RUNPODKIT_ENDPOINTS (or RUNPODKIT_HOME) if it is yours"
        )
    if named.key_env in (None, "RUNPOD_API_KEY"):
        if place.host != RUNPOD_HOST and not place.is_simulated:
            raise ConfigError(
                f"endpoint {name} is at {place.host}, where RUNPOD_API_KEY does not belong: name the variable that "
                f"holds its key in {endpoints_file(settings)}: key_env = …"
            )
        if address := settings.address(named.url):
            return address
    given = os.environ.get(named.key_env or "RUNPOD_API_KEY")
    if not given:
        raise ConfigError(f"endpoint {name} wants its key in {named.key_env}, which is not set: export it")
    try:
        key = checked_key(given)
    except ValueError as exc:
        raise ConfigError(f"{named.key_env}: {exc}") from None
    hide(key.get_secret_value())
    if named.url.startswith("http://") and not place.is_simulated:
        raise ConfigError(f"endpoint {name}: {named.url} would send the key unencrypted: use https://")
    return EndpointAddress(named.url, key)
