"""The compose file read without starting anything: its form, who may reach what, and where keys go."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from runpodkit.settings import Settings
from tests.compose.system import FILE, ROOT, seconds
from tests.compose.variables import MissingVariableError, filled, named

RAW: dict[str, Any] = yaml.safe_load(FILE.read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = RAW["services"]
# Compose's own: schema/compose-spec.json of https://github.com/compose-spec/compose-spec, its licence beside it.
SCHEMA = json.loads(Path(__file__).with_name("schema").joinpath("compose-spec.json").read_text(encoding="utf-8"))
LIVE = {"RUNPOD_URL": "https://api.runpod.ai/v2/abc123/run", "RUNPOD_API_KEY": "rpa_canary"}
YANDEX = {"YANDEX_BUCKET_NAME": "team", "YANDEX_ACCESS_KEY": "canary-id", "YANDEX_SECRET_KEY": "canary-secret"}
AWS = {
    "S3_BUCKET_NAME": "team", "S3_ACCESS_KEY": "canary-id", "S3_SECRET_KEY": "canary-secret",
    "S3_ENDPOINT_URL": "https://s3.eu-central-1.amazonaws.com",
}  # fmt: skip
DRAW = ("worker", "jupyter")
"""Services that draw pictures or have them drawn; only these may hold a key."""
NOT_FOR_CONTAINERS = {"RUNPODKIT_HOME", "RUNPODKIT_ENV_FILE", "RUNPODKIT_ENDPOINTS"}
"""RUNPODKIT_HOME is the volume `data`, and `endpoints.toml` may lie in it."""


def settings_of(service: str, monkeypatch: pytest.MonkeyPatch, **env: str) -> Settings:
    """What a program in a service takes its settings to be."""
    for name, value in filled(SERVICES[service]["environment"], env).items():
        monkeypatch.setenv(name, value or "")
    return Settings.load()


def test_the_file_is_what_the_compose_specification_allows() -> None:
    validator = jsonschema.Draft7Validator(SCHEMA)

    assert [error.message for error in validator.iter_errors(RAW)] == []
    assert [error.message for error in validator.iter_errors(filled(RAW, {}))] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"stop_grace": "5s"},
        {"ports": "5555:5555"},
        {"depends_on": {"redis": {"condition": "healthy"}}},
        {"cap_drop": "ALL"},
    ],
)
def test_the_schema_refuses_what_compose_would(wrong: dict[str, Any]) -> None:
    broken = {**RAW, "services": {**SERVICES, "worker": {**SERVICES["worker"], **wrong}}}

    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft7Validator(SCHEMA).validate(broken)


def test_the_whole_system_is_there() -> None:
    assert {"redis", "worker", "beat", "flower", "simulator", "s3", "jupyter"} <= set(SERVICES)


def test_every_port_is_open_to_this_machine_alone() -> None:
    for name, service in SERVICES.items():
        assert service.get("network_mode", "service:net") == "service:net", name
        assert ("ports" in service) == (name == "net"), name
    assert filled(SERVICES["net"]["ports"], {}) == [
        f"127.0.0.1:{port}:{port}" for port in (6379, 9000, 5555, 8888)
    ]  # the simulator, at 8100, is for the other services


def test_a_port_is_the_same_inside_and_outside_so_that_links_open() -> None:
    env = {
        "S3_PORT": "9100",
        "REDIS_PORT": "6400",
        "FLOWER_PORT": "5600",
        "JUPYTER_PORT": "8900",
        "SIMULATOR_PORT": "8200",
    }
    moved = filled(SERVICES, env)

    assert moved["net"]["ports"] == [f"127.0.0.1:{port}:{port}" for port in ("6400", "9100", "5600", "8900")]
    assert moved["jupyter"]["environment"]["S3_ENDPOINT_URL"] == "http://127.0.0.1:9100"
    assert moved["worker"]["environment"]["REDIS_URL"] == "redis://127.0.0.1:6400/0"
    assert moved["worker"]["environment"]["RUNPOD_URL"] == "http://127.0.0.1:8200/v2/local/run"
    for left in ("6379", "9000", "5555", "8888", "8100"):
        assert left not in json.dumps(moved)


def test_every_service_has_time_to_stop_and_is_started_again() -> None:
    for name, service in SERVICES.items():
        assert seconds(service["stop_grace_period"]) >= 5, name
        assert service["restart"] == "unless-stopped", name
    assert seconds(SERVICES["worker"]["stop_grace_period"]) > 10  # a worker hands back within 10 s


def test_every_service_that_does_something_says_whether_it_is_well() -> None:
    for name, service in SERVICES.items():
        assert ("test" in service["healthcheck"]) == (name not in ("net", "beat")), (
            name
        )  # otherwise the image's would do


def test_services_wait_for_what_they_need_and_for_what_has_a_check() -> None:
    for name, service in SERVICES.items():
        for need, about in service.get("depends_on", {}).items():
            assert about["condition"] in ("service_started", "service_healthy"), name
            assert "test" in SERVICES[need]["healthcheck"], f"{name} waits for {need}"
    assert SERVICES["worker"]["depends_on"].keys() == {"redis", "simulator", "s3"}


def test_our_services_have_no_rights_of_root() -> None:
    for name, service in SERVICES.items():
        if name != "redis":  # its image drops them by itself
            assert (service["cap_drop"], service["security_opt"]) == (["ALL"], ["no-new-privileges:true"]), name
            assert service["image"] == SERVICES["net"]["image"], name
        assert "privileged" not in service
        assert "user" not in service


def test_volumes_are_named_and_no_folder_of_the_user_is_mounted() -> None:
    used = {volume.split(":")[0] for service in SERVICES.values() for volume in service.get("volumes", ())}

    assert used == set(RAW["volumes"])
    assert SERVICES["worker"]["volumes"] == ["data:/data"]
    assert "data:/data" in SERVICES["jupyter"]["volumes"]


def test_redis_keeps_what_it_acknowledged() -> None:
    words = " ".join(SERVICES["redis"]["command"])

    assert "--appendonly yes" in words
    assert "--appendfsync always" in words
    assert "--maxmemory-policy noeviction" in words


def test_every_setting_reaches_those_who_draw() -> None:
    known = {
        str(choice)
        for info in Settings.model_fields.values()
        for choice in (getattr(info.validation_alias, "choices", None) or [info.validation_alias])
    }

    for name in DRAW:
        assert known - NOT_FOR_CONTAINERS <= set(SERVICES[name]["environment"]), name


@pytest.mark.parametrize("service", DRAW)
def test_with_nothing_set_all_stays_on_this_machine(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(service, monkeypatch)
    address = settings.address()

    assert address is not None
    assert (address.url, address.is_simulated) == ("http://127.0.0.1:8100/v2/local", True)
    assert (settings.s3_bucket_name, settings.s3_endpoint) == ("runpodkit", "http://127.0.0.1:9000")
    assert settings.s3_secret_key is not None
    assert settings.s3_secret_key.get_secret_value() == filled(SERVICES, {})["s3"]["environment"]["NANIO_SECRET_KEY"]


def test_a_copy_of_the_environment_example_changes_nothing() -> None:
    example = dict.fromkeys(
        re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(encoding="utf-8"), re.MULTILINE), ""
    )

    assert len(example) > 15
    assert filled(RAW, example) == filled(RAW, {})


@pytest.mark.parametrize("service", DRAW)
def test_the_yandex_settings_switch_to_the_bucket_there(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of(service, monkeypatch, **YANDEX)

    assert (settings.s3_bucket_name, settings.s3_endpoint) == ("team", "https://storage.yandexcloud.net")
    assert settings.s3_secret_key is not None
    assert settings.s3_secret_key.get_secret_value() == "canary-secret"
    elsewhere = settings_of(service, monkeypatch, **YANDEX, YANDEX_ENDPOINT_URL="https://s3.example.org")
    assert elsewhere.s3_endpoint == "https://s3.example.org"


def test_the_plain_settings_name_any_other_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_of("worker", monkeypatch, **AWS, S3_REGION="eu-central-1", S3_PREFIX="anna")

    assert (settings.s3_bucket_name, settings.s3_endpoint) == ("team", AWS["S3_ENDPOINT_URL"])
    assert (settings.s3_region, settings.s3_prefix) == ("eu-central-1", "anna")


def test_a_real_endpoint_is_used_when_url_and_key_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    address = settings_of("worker", monkeypatch, **LIVE).address()

    assert address is not None
    assert (address.url, address.api_key.get_secret_value()) == ("https://api.runpod.ai/v2/abc123", "rpa_canary")


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"RUNPOD_API_KEY": "rpa_x"}, "RUNPOD_API_KEY is set but RUNPOD_URL is not"),
        ({"RUNPOD_URL": LIVE["RUNPOD_URL"]}, "RUNPOD_URL is set but RUNPOD_API_KEY is not"),
        *(({name: value for name, value in YANDEX.items() if name != left_out}, left_out)
          for left_out in ("YANDEX_BUCKET_NAME", "YANDEX_ACCESS_KEY", "YANDEX_SECRET_KEY")),
        *(({name: value for name, value in AWS.items() if name != left_out}, left_out) for left_out in AWS),
    ],
)  # fmt: skip
def test_half_of_what_belongs_together_starts_nothing(env: dict[str, str], message: str) -> None:
    with pytest.raises(MissingVariableError, match=message):
        filled(RAW, env)


def test_the_system_without_docker_tells_it_in_one_line() -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("RUNPOD", "S3_", "YANDEX_"))}
    words = [sys.executable, "-m", "tests.compose", "--tour"]
    done = subprocess.run(words, cwd=ROOT, env={**env, "RUNPOD_API_KEY": "rpa_x"}, capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "docker-compose.local.yml: RUNPOD_API_KEY is set but RUNPOD_URL is not, set both or neither\n"


def test_keys_go_to_those_who_draw_and_to_nobody_else() -> None:
    whole = filled(SERVICES, {**LIVE, **YANDEX, **AWS})

    for name, service in whole.items():
        assert ("canary" in json.dumps(service)) == (name in DRAW), name
        assert "canary" not in json.dumps([service.get("command"), service["healthcheck"]]), name


def test_jupyterlab_and_flower_keep_their_locks() -> None:
    words = json.dumps([SERVICES["jupyter"], SERVICES["flower"]]).lower()

    for opened in ("unauthenticated", "token=''", "identityprovider", "password", "allow_origin", "disable_check_xsrf"):
        assert opened not in words, opened
    assert (
        SERVICES["flower"]["environment"]["FLOWER_BASIC_AUTH"] is None
    )  # passed on if set; an empty one would lock all out


def test_the_page_about_containers_names_every_service_variable_and_volume() -> None:
    page = (ROOT / "docs" / "containers.md").read_text(encoding="utf-8")

    of_env_example = {
        name for name in named(RAW) if re.search(rf"^{name}=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    }
    for name in (*SERVICES, *RAW["volumes"], *(named(RAW) - of_env_example)):
        assert f"`{name}`" in page, name
