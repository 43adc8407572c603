"""Settings: which `.env` is read, which endpoint is meant, which key may go there, and that no secret is told."""

from __future__ import annotations

import os
import pickle
import stat
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from runpodkit import logs
from runpodkit.errors import ConfigError
from runpodkit.settings import EndpointAddress, Settings, normal_url, remove_login, store_login

KEY = "hush-key-123456"
SECRET = "hush-secret-123456"
ELSEWHERE = "https://gpu.example.org/v2/flux"


@pytest.fixture(autouse=True)
def _own_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The search for `.env` ends at this test's folder."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(logs, "_hidden", set())


def write_env(folder: Path, *lines: str, mode: int = 0o600) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / ".env"
    path.write_text("\n".join(lines))
    path.chmod(mode)
    return path


def key_of(settings: Settings) -> str | None:
    return settings.runpod_api_key.get_secret_value() if settings.runpod_api_key else None


# Nothing configured


def test_nothing_configured_is_a_working_state(tmp_path):
    settings = Settings.load()

    assert settings.address() is None
    assert not settings.has_bucket
    assert settings.env_file is None
    assert settings.dialect is None
    assert settings.home == tmp_path / "home"


def test_home_is_absolute_and_defaults_to_a_dot_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("RUNPODKIT_HOME")
    assert Settings.load().home == tmp_path / ".runpodkit"
    assert Settings.load(RUNPODKIT_HOME="~/kit").home == tmp_path / "kit"
    assert Settings.load(RUNPODKIT_HOME="kit").home == Path.cwd() / "kit"


# Which .env


def test_env_file_is_searched_upwards(tmp_path):
    path = write_env(tmp_path / "project", f"RUNPOD_API_KEY={KEY}")
    deep = tmp_path / "project" / "notebooks" / "week 1"
    deep.mkdir(parents=True)

    assert key_of(Settings.load(deep)) == KEY
    assert Settings.load(deep).env_file == path


def test_the_nearest_env_file_is_the_only_one(tmp_path):
    write_env(tmp_path, f"RUNPOD_API_KEY={KEY}", "RUNPODKIT_GPU=A100")
    write_env(tmp_path / "project", "RUNPODKIT_GPU=H100")

    settings = Settings.load(tmp_path / "project")

    assert (settings.gpu, settings.runpod_api_key) == ("H100", None)


def test_the_search_ends_at_the_home_folder(monkeypatch, tmp_path):
    write_env(tmp_path, "RUNPODKIT_GPU=A100")
    home = tmp_path / "home" / "ada"
    (home / "project").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))

    assert Settings.load(home / "project").env_file is None
    own = write_env(home, "RUNPODKIT_GPU=H100")
    assert Settings.load(home / "project").env_file == own


def test_a_folder_called_env_is_no_env_file(tmp_path):
    (tmp_path / "venv" / ".env").mkdir(parents=True)
    write_env(tmp_path, "RUNPODKIT_GPU=A100")

    assert Settings.load(tmp_path / "venv").env_file == tmp_path / ".env"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o777])
def test_an_env_file_that_others_may_write_is_refused_with_the_cure(tmp_path, mode):
    path = write_env(tmp_path, f"RUNPOD_API_KEY={KEY}", mode=mode)

    with pytest.raises(ConfigError, match=f"chmod 600 {path}") as caught:
        Settings.load()
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o644])
def test_an_env_file_that_others_may_read_is_read(tmp_path, mode):
    write_env(tmp_path, f"RUNPOD_API_KEY={KEY}", mode=mode)

    assert key_of(Settings.load()) == KEY


def test_an_env_file_of_another_user_is_refused(monkeypatch, tmp_path):
    path = write_env(tmp_path, f"RUNPOD_API_KEY={KEY}")
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(ConfigError, match="belongs to another user"):
        Settings.load()


def test_a_refused_env_file_is_not_stepped_over_for_one_further_up(tmp_path):
    write_env(tmp_path, "RUNPODKIT_GPU=A100")
    write_env(tmp_path / "project", "RUNPODKIT_GPU=H100", mode=0o666)

    with pytest.raises(ConfigError):
        Settings.load(tmp_path / "project")


def test_an_env_file_that_is_not_text_is_a_config_error_without_its_content(tmp_path):
    path = write_env(tmp_path)
    path.write_bytes(f"RUNPOD_API_KEY={KEY}".encode("utf-16"))

    with pytest.raises(ConfigError, match="is not UTF-8 text") as caught:
        Settings.load()
    assert KEY not in "".join(traceback.format_exception(caught.value))


def test_an_env_file_with_a_byte_order_mark_is_read(tmp_path):
    path = write_env(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + f"RUNPOD_API_KEY='{KEY}'  # mine\n".encode())

    assert key_of(Settings.load()) == KEY


def test_the_environment_wins_over_the_file_and_the_call_over_both(monkeypatch, tmp_path):
    write_env(tmp_path, "RUNPODKIT_GPU=A100", "RUNPODKIT_MODEL=flux")
    monkeypatch.setenv("RUNPODKIT_GPU", "H100")

    assert (Settings.load().gpu, Settings.load().model) == ("H100", "flux")
    assert Settings.load(RUNPODKIT_GPU="L4").gpu == "L4"


def test_an_empty_value_counts_as_not_set(monkeypatch, tmp_path):
    write_env(tmp_path, "RUNPODKIT_GPU=A100", "RUNPOD_URL=")
    monkeypatch.setenv("RUNPODKIT_GPU", "")
    monkeypatch.setenv("RUNPOD_API_KEY", " \n")

    settings = Settings.load()

    assert settings.gpu == "A100"
    assert settings.address() is None


@pytest.mark.parametrize(
    ("written", "meant"), [("0", False), ("off", False), ("false", False), ("1", True), ("", True)]
)
def test_the_mark_of_ai_made_pictures_is_on_unless_it_is_switched_off(monkeypatch, written, meant):
    assert Settings.load().ai_mark is True
    monkeypatch.setenv("RUNPODKIT_AI_MARK", written)
    assert Settings.load().ai_mark is meant
    monkeypatch.setenv("RUNPODKIT_AI_MARK", "perhaps")
    with pytest.raises(ConfigError, match="RUNPODKIT_AI_MARK: Input should be a valid boolean"):
        Settings.load()


def test_names_are_exact(monkeypatch):
    monkeypatch.setenv("runpod_api_key", KEY)

    assert Settings.load().runpod_api_key is None


def test_which_env_file_was_read_cannot_be_faked(monkeypatch):
    monkeypatch.setenv("RUNPODKIT_ENV_FILE", "/etc/passwd")

    assert Settings.load().env_file is None


def test_an_override_that_is_no_setting_is_an_error():
    with pytest.raises(TypeError, match=r"no such setting: runpod_url; known: .*RUNPOD_URL"):
        Settings.load(runpod_url=ELSEWHERE)


def test_a_malformed_value_is_named(monkeypatch):
    monkeypatch.setenv("RUNPODKIT_CONFIRM_USD", "five")

    with pytest.raises(ConfigError, match=r"^RUNPODKIT_CONFIRM_USD: Input should be a valid number"):
        Settings.load()


# Keys and URLs


def test_a_key_without_a_url_says_what_to_set():
    with pytest.raises(ConfigError, match="RUNPOD_URL is not: set it to your endpoint's URL") as caught:
        Settings.load(RUNPOD_API_KEY=KEY).address()
    assert KEY not in str(caught.value)


def test_a_url_without_a_key_says_what_to_set():
    with pytest.raises(ConfigError, match=r"^RUNPOD_API_KEY is not set"):
        Settings.load(RUNPOD_URL="abcdef123").address()


def test_an_endpoint_asked_for_by_id_needs_a_key_too():
    with pytest.raises(ConfigError, match=r"^RUNPOD_API_KEY is not set"):
        Settings.load().address("black-forest-labs-flux-1-schnell")


def test_key_and_url_make_an_address():
    address = Settings.load(RUNPOD_API_KEY=KEY, RUNPOD_URL="https://api.runpod.ai/v2/abcdef/run").address()

    assert address is not None
    assert (address.url, address.endpoint_id, address.host) == (
        "https://api.runpod.ai/v2/abcdef",
        "abcdef",
        "api.runpod.ai",
    )
    assert (address.identity, address.is_simulated) == ("abcdef", False)
    assert address.api_key.get_secret_value() == KEY


@pytest.mark.parametrize("url", ["http://127.0.0.1:8100/v2/x/run", "http://localhost/v2/x", "http://[::1]:8100/v2/x"])
def test_an_endpoint_on_this_machine_takes_any_key_and_is_a_stand_in(monkeypatch, url):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    address = Settings.load().address(url)

    assert address is not None
    assert address.is_simulated
    assert address.identity == f"{address.host}/x"


def test_the_line_end_of_a_key_from_a_file_is_dropped(monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", f" {KEY}\n")

    assert key_of(Settings.load()) == KEY


@pytest.mark.parametrize("key", ["hush two", "hush\r\nX-Evil: 1", "hushж", "hush\x00x"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(key):
    with pytest.raises(ConfigError, match="RUNPOD_API_KEY: not a key") as caught:
        Settings.load(RUNPOD_API_KEY=key)
    assert "hush" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    "url", ["http://gpu.example.org/v2/flux", "http://api.runpod.ai/v2/abcdef", "http://127.0.0.1.evil.org/v2/abcdef"]
)
def test_a_key_never_leaves_unencrypted(monkeypatch, url):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPOD_URL", url)

    with pytest.raises(ConfigError, match="unencrypted: use https://"):
        Settings.load().address()


def test_key_and_url_from_the_environment_belong_together(monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPOD_URL", ELSEWHERE)

    assert Settings.load().address() == EndpointAddress(ELSEWHERE, Settings.load().runpod_api_key)


def test_key_and_url_from_one_env_file_belong_together(tmp_path):
    write_env(tmp_path, f"RUNPOD_API_KEY={KEY}", f"RUNPOD_URL={ELSEWHERE}/run")

    assert Settings.load().address().url == ELSEWHERE


def test_key_and_url_of_one_call_belong_together():
    assert Settings.load(RUNPOD_API_KEY=KEY, RUNPOD_URL=ELSEWHERE).address().url == ELSEWHERE


@pytest.mark.parametrize("key_in", ["environment", "file", "call"])
@pytest.mark.parametrize("url_in", ["environment", "file", "call"])
def test_a_key_goes_to_a_foreign_host_only_with_the_url_it_came_with(monkeypatch, tmp_path, key_in, url_in):
    call: dict[str, str] = {}
    lines: list[str] = []
    for name, value, where in (("RUNPOD_API_KEY", KEY, key_in), ("RUNPOD_URL", ELSEWHERE, url_in)):
        match where:
            case "environment":
                monkeypatch.setenv(name, value)
            case "file":
                lines.append(f"{name}={value}")
            case "call":
                call[name] = value
    write_env(tmp_path, *lines)
    settings = Settings.load(**call)

    if key_in == url_in:
        assert settings.address().host == "gpu.example.org"
    else:
        with pytest.raises(ConfigError, match="come from different places") as caught:
            settings.address()
        assert KEY not in str(caught.value)


def test_a_url_of_the_call_over_one_from_the_environment_does_not_get_the_key(monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPOD_URL", ELSEWHERE)

    with pytest.raises(ConfigError, match="come from different places"):
        Settings.load(RUNPOD_URL="https://evil.example/v2/flux").address()


def test_a_url_asked_for_later_does_not_get_the_key_either(monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPOD_URL", ELSEWHERE)

    with pytest.raises(ConfigError, match="come from different places"):
        Settings.load().address("https://evil.example/v2/flux")


def test_where_a_key_came_from_is_settled_when_settings_are_loaded(monkeypatch, tmp_path):
    write_env(tmp_path, f"RUNPOD_API_KEY={KEY}")
    monkeypatch.setenv("RUNPOD_URL", ELSEWHERE)
    settings = Settings.load()
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)

    with pytest.raises(ConfigError, match="come from different places"):
        settings.address()


def test_api_runpod_ai_gets_the_key_wherever_the_url_came_from(monkeypatch, tmp_path):
    write_env(tmp_path, f"RUNPOD_API_KEY={KEY}")
    monkeypatch.setenv("RUNPOD_URL", "https://API.runpod.ai:443/v2/abcdef/run")

    assert Settings.load().address().identity == "abcdef"
    assert Settings.load().address("ghijkl").identity == "ghijkl"


# URLs


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("abcdef123", "https://api.runpod.ai/v2/abcdef123"),
        ("black-forest-labs-flux-1-schnell", "https://api.runpod.ai/v2/black-forest-labs-flux-1-schnell"),
        (" https://api.runpod.ai/v2/abc/run/ \n", "https://api.runpod.ai/v2/abc"),
        ("https://api.runpod.ai/v2/abc/runsync", "https://api.runpod.ai/v2/abc"),
        ("https://api.runpod.ai/v2/abc/health", "https://api.runpod.ai/v2/abc"),
        ("https://api.runpod.ai/v2/abc", "https://api.runpod.ai/v2/abc"),
        ("HTTPS://API.RUNPOD.AI:443/v2/abc/run", "https://api.runpod.ai/v2/abc"),
        ("http://127.0.0.1:8100/v2/x/run", "http://127.0.0.1:8100/v2/x"),
        ("http://[::1]:8100/v2/x", "http://[::1]:8100/v2/x"),
        ("http://simulator_1:80/v2/local", "http://simulator_1/v2/local"),
        ("https://gate.example/runpod/v2/abc/run", "https://gate.example/runpod/v2/abc"),
    ],
)
def test_a_url_is_understood_however_it_is_written(text, url):
    assert normal_url(text) == url
    assert normal_url(url) == url


@pytest.mark.parametrize(
    "text",
    [
        "",
        "abc",
        "https://api.runpod.ai",
        "https://api.runpod.ai/v2",
        "https://api.runpod.ai/v2/run",
        "https://api.runpod.ai/v1/abc/run",
        "https://api.runpod.ai/v2/abc/status/some-job",
        "https://api.runpod.ai/v2/a%2Fb",
        "https://api.runpod.ai/v2/../run",
        "https:///v2/abc",
        "ftp://api.runpod.ai/v2/abc",
        "api.runpod.ai/v2/abc/run",
        "http://[::1",
        "http://[bad]/v2/abc",
        "https://host:99999/v2/abc",
        "https://host:port/v2/abc",
        "https://ho st/v2/abc",
        "https://api.runpod.ai\\.evil.org/v2/abc",
        "https://api.runpod.ai/v2/a\nbc",
        "https://ℂ.example/v2/abc",
    ],
)
def test_a_malformed_url_is_one_clear_line(text):
    with pytest.raises(
        ConfigError, match=r"is not an endpoint: set it to https://api.runpod.ai/v2/<endpoint id>/run"
    ) as caught:
        normal_url(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "https://user:hush@host/v2/abc/run",
        "https://hush@host/v2/abc",
        "https://u:hu/sh@host/v2/abc",
        "https://host/v2/abc?token=hush",
        "https://host/v2/abc#hush",
        "rpa_HUSH0123456789",
        "https://evil.example\\@api.runpod.ai/v2/abc",
    ],
)
def test_a_secret_in_the_url_is_refused_and_not_repeated(text):
    with pytest.raises(ConfigError) as caught:
        normal_url(text)
    assert "hu" not in str(caught.value).lower().replace("runpod_url", "")


def test_a_malformed_url_is_told_when_settings_are_loaded():
    with pytest.raises(ConfigError, match="is not an endpoint"):
        Settings.load(RUNPOD_URL="https://api.runpod.ai")


@given(st.text(max_size=40) | st.from_regex(r"https?://[^ ]{0,30}/v2/[a-z]{0,5}", fullmatch=True))
def test_any_text_is_a_url_or_a_config_error(text):
    try:
        url = normal_url(text)
    except ConfigError:
        return
    assert normal_url(url) == url
    assert url.isascii() or "/v2/" in url


# S3


S3 = {"BUCKET_NAME": "pictures", "ACCESS_KEY": "hush-access-123456", "SECRET_KEY": SECRET}


@pytest.mark.parametrize("spelling", ["YANDEX_", "S3_"])
def test_a_bucket_is_configured_in_either_spelling(spelling):
    settings = Settings.load(
        **{spelling + name: value for name, value in S3.items()}, **{spelling + "ENDPOINT_URL": "https://s3.example"}
    )

    assert settings.has_bucket
    assert settings.s3_secret_key.get_secret_value() == SECRET
    assert settings.s3_endpoint_url == "https://s3.example"


@pytest.mark.parametrize("missing", list(S3))
@pytest.mark.parametrize("spelling", ["YANDEX_", "S3_"])
def test_a_half_configured_bucket_says_what_is_missing(missing, spelling):
    with pytest.raises(ConfigError, match=f"half configured: set YANDEX_{missing} too") as caught:
        Settings.load(**{spelling + name: value for name, value in S3.items() if name != missing})
    assert "hush" not in str(caught.value)


# Secrets


def everything() -> Settings:
    return Settings.load(
        RUNPOD_API_KEY=KEY,
        RUNPOD_URL="https://api.runpod.ai/v2/abcdef/run",
        REDIS_URL="redis://:hush%2Dpassword@redis.example:6379/0",
        **{"S3_" + name: value for name, value in S3.items()},
    )


def test_secrets_are_in_no_form_that_settings_take():
    settings = everything()
    address = settings.address()

    forms = [repr, str, lambda it: it.model_dump_json(), lambda it: str(it.model_dump()), lambda it: f"{it}"]
    assert all("hush" not in form(settings) for form in forms)
    assert "hush" not in repr(address) + str(address)


def test_secrets_are_in_no_traceback_of_a_bad_setting(monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPODKIT_CONFIRM_USD", "hush-not-a-number")

    with pytest.raises(ConfigError) as caught:
        Settings.load()
    assert "hush" not in "".join(traceback.format_exception(caught.value))


def test_secrets_of_settings_are_hidden_from_logs():
    everything()

    line = f"{KEY} {SECRET} hush-password redis://:hush%2Dpassword@redis.example:6379/0"
    assert "hush" not in logs.redact(line)


def test_settings_are_frozen_and_survive_pickle(monkeypatch):
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    monkeypatch.setenv("RUNPOD_URL", ELSEWHERE)
    settings = Settings.load()

    with pytest.raises(ValueError, match="frozen"):
        settings.runpod_url = "https://evil.example/v2/abc"
    assert pickle.loads(pickle.dumps(settings)).address() == settings.address()


def test_a_bucket_in_the_yandex_spelling_is_at_yandex_unless_it_says_otherwise(monkeypatch):
    keys = {"ACCESS_KEY": "YCAJE-not-real", "SECRET_KEY": "YCP-not-real"}
    for spelling, endpoint in (("YANDEX", "https://storage.yandexcloud.net"), ("S3", None)):
        with monkeypatch.context() as given:
            given.setenv(f"{spelling}_BUCKET_NAME", "pictures")
            for name, value in keys.items():
                given.setenv(f"{spelling}_{name}", value)
            assert Settings.load().s3_endpoint == endpoint
            given.setenv(f"{spelling}_ENDPOINT_URL", "https://minio.example.org")
            assert Settings.load().s3_endpoint == "https://minio.example.org"


def test_a_stored_login_is_the_last_place_that_is_looked_at(tmp_path: Path) -> None:
    home = tmp_path / "home"
    file = store_login(home, " rpa_stored \n", "https://api.runpod.ai/v2/stored123/run")

    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    address = Settings.load(tmp_path).address()
    assert address
    assert (address.endpoint_id, address.api_key.get_secret_value()) == ("stored123", "rpa_stored")
    (tmp_path / ".env").write_text("RUNPOD_URL=fromenvfile\nRUNPOD_API_KEY=rpa_env\n")
    address = Settings.load(tmp_path).address()
    assert address
    assert (address.endpoint_id, address.api_key.get_secret_value()) == ("fromenvfile", "rpa_env")
    assert remove_login(home)
    assert not remove_login(home)


def test_a_stored_key_does_not_leave_for_a_host_that_another_file_names(tmp_path: Path) -> None:
    store_login(tmp_path / "home", "rpa_stored", None)
    (tmp_path / ".env").write_text("RUNPOD_URL=https://elsewhere.example.org/v2/abc123/run\n")

    with pytest.raises(ConfigError, match="come from different places"):
        Settings.load(tmp_path).address()
    (tmp_path / ".env").write_text("RUNPOD_URL=https://api.runpod.ai/v2/abc123/run\n")
    assert Settings.load(tmp_path).address()


def test_a_login_that_others_may_read_is_not_used(tmp_path: Path) -> None:
    store_login(tmp_path / "home", "rpa_stored", None).chmod(0o644)

    with pytest.raises(ConfigError, match=r"login\.env may be read by others.*chmod 600"):
        Settings.load(tmp_path)


@pytest.mark.parametrize(
    ("key", "url", "said"),
    [("", None, "nothing was given"), ("rpa_a b", None, "not a key"), ("rpa_x", "ftp://x", "is not an endpoint")],
)
def test_nothing_is_stored_of_what_cannot_be_meant(tmp_path: Path, key: str, url: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        store_login(tmp_path / "home", key, url)
    assert not (tmp_path / "home" / "login.env").exists()


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [
        ({"S3_BUCKET_NAME": "own"}, None),
        ({"YANDEX_BUCKET_NAME": "own"}, "https://storage.yandexcloud.net"),
        ({"S3_ENDPOINT_URL": "https://minio.example.org"}, "https://minio.example.org"),
        ({}, None),
    ],
)
@pytest.mark.parametrize("spelling", ["YANDEX", "S3"])
@pytest.mark.parametrize("in_file", [False, True])
def test_another_bucket_is_where_the_configured_one_is_or_its_keys_say(
    tmp_path: Path, monkeypatch, given: dict[str, str], endpoint: str | None, spelling: str, in_file: bool
) -> None:
    given = {**given, f"{spelling}_ACCESS_KEY": "hush-access-123456", f"{spelling}_SECRET_KEY": SECRET}
    if in_file:
        (tmp_path / ".env").write_text("".join(f"{name}={value}\n" for name, value in given.items()))
        (tmp_path / ".env").chmod(0o600)
    else:
        for name, value in given.items():
            monkeypatch.setenv(name, value)

    settings = Settings.for_bucket("theirs", tmp_path)

    bucket_is_named = "S3_BUCKET_NAME" in given or "S3_ENDPOINT_URL" in given
    at_yandex = "https://storage.yandexcloud.net" if spelling == "YANDEX" and not bucket_is_named else endpoint
    assert (settings.s3_bucket_name, settings.s3_endpoint) == ("theirs", at_yandex)
    assert settings.s3_secret_key.get_secret_value() == SECRET


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://10.0.0.5:6379/0", "redis://10.0.0.5:6379/0"),
        ("redis://me:s3same-%40pen@10.0.0.5/0", "•••"),
        ("redis://10.0.0.5/0?password=s3same-open", "•••"),
    ],
)
def test_logs_say_which_redis_is_meant_unless_its_url_holds_a_login(url: str, shown: str) -> None:
    Settings.load(REDIS_URL=url)

    assert logs.redact(f"at {url}") == f"at {shown}"


@pytest.mark.parametrize(
    ("url", "bill"),
    [
        ("https://api.runpod.ai/v2/abc123", "https://api.runpod.io/v2/billing"),
        ("http://127.0.0.1:8000/v2/local", "http://127.0.0.1:8000/v2/billing"),
        ("https://gpu.example.org/v2/abc123", None),
        ("https://api.runpod.ai.example.org/v2/abc123", None),
        ("http://127.0.0.1.example.org:8000/v2/local", None),
    ],
)
def test_the_key_asks_for_a_bill_at_runpod_s_own_api_or_where_its_endpoint_is_and_nowhere_else(
    url: str, bill: str | None
) -> None:
    assert EndpointAddress(url, SecretStr("rpa_made_up")).billing_url == bill
