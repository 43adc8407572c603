"""Files that say where keys go, made to do harm: `.env`, `endpoints.toml`, what `login` stored, and addresses in them.

What each may say stands in tests/test_settings.py and tests/test_endpoints.py.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runpodkit.endpoints import address_of, named_endpoints
from runpodkit.errors import ConfigError
from runpodkit.settings import LOGIN_FILE, Settings, normal_url, store_login
from runpodkit.trusted import read_trusted

KEY = "rpa_made_up_for_tests"
ELSEWHERE = "https://elsewhere.example/v2/abcdef"
NOBODY = 65_534


def written(path: Path, text: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(0o600)
    return path


# `.env`


def test_a_file_cannot_pass_off_a_key_of_the_environment_as_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TOKEN_OF_SOMETHING_ELSE", "canary-of-the-environment")
    written(tmp_path / ".env", f"RUNPOD_URL={ELSEWHERE}\nRUNPOD_API_KEY=${{TOKEN_OF_SOMETHING_ELSE}}\n")

    address = Settings.load().address()

    assert address is not None
    assert address.api_key.get_secret_value() == "${TOKEN_OF_SOMETHING_ELSE}"


@pytest.mark.parametrize("host", ["https://${RUNPOD_API_KEY}.example/v2/abc", "https://x.example/v2/${RUNPOD_API_KEY}"])
def test_a_key_cannot_be_written_into_an_address(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    written(tmp_path / ".env", f"RUNPOD_URL={host}\n")

    with pytest.raises(ConfigError, match="is not an endpoint") as caught:
        Settings.load()
    assert KEY not in str(caught.value)


def test_the_key_of_the_environment_stays_when_a_file_names_another_host(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    written(tmp_path / ".env", f"RUNPOD_URL={ELSEWHERE}\nRUNPOD_API_KEY=mine\n")

    with pytest.raises(ConfigError, match="come from different places"):
        Settings.load().address()


def test_a_file_does_not_choose_who_listens_on_this_machine_for_the_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    written(tmp_path / ".env", "RUNPOD_URL=http://127.0.0.1:8100/v2/local/run\n")

    with pytest.raises(ConfigError, match="come from different places"):
        Settings.load().address()


@pytest.mark.parametrize("line", ["RUNPODKIT_ENDPOINTS={folder}/endpoints.toml", "RUNPODKIT_HOME={folder}"])
def test_a_file_does_not_name_the_endpoints_that_get_keys_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, line: str
) -> None:
    if line.startswith("RUNPODKIT_HOME"):
        monkeypatch.delenv("RUNPODKIT_HOME")
    monkeypatch.setenv("SOME_TOKEN", "canary-of-the-environment")
    written(tmp_path / "endpoints.toml", f'[x]\nurl = "{ELSEWHERE}"\nkey_env = "SOME_TOKEN"\n')
    written(tmp_path / ".env", line.format(folder=tmp_path) + "\n")
    settings = Settings.load()

    with pytest.raises(ConfigError, match="export RUNPODKIT_ENDPOINTS") as caught:
        address_of(settings, "x", named_endpoints(settings)["x"])
    assert "canary" not in str(caught.value)


def test_a_spelling_of_the_file_does_not_win_over_another_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, value in (("S3_BUCKET_NAME", "b"), ("S3_ACCESS_KEY", "own-id"), ("S3_SECRET_KEY", "own-secret")):
        monkeypatch.setenv(name, value)
    written(tmp_path / ".env", "YANDEX_ACCESS_KEY=others-id\nYANDEX_SECRET_KEY=others-secret\n")

    settings = Settings.load()

    assert settings.s3_access_key is not None
    assert settings.s3_secret_key is not None
    assert (settings.s3_access_key.get_secret_value(), settings.s3_secret_key.get_secret_value()) == (
        "own-id",
        "own-secret",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"RUNPODKIT_ENDPOINTS=/tmp/a\0b\n", "NUL byte"),
        (b"RUNPODKIT_GPU=" + b"x" * 1024 * 1024, "larger than 1024 KiB"),
        (b'RUNPOD_API_KEY="abc\r\nX-Injected: 1"\nRUNPOD_URL=abcdef\n', "RUNPOD_API_KEY: not a key"),
        (b'RUNPOD_API_KEY=abc\nRUNPOD_URL="https://api.runpod.ai/v2/abcdef\nHost: x"\n', "is not an endpoint"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_what_no_file_of_settings_holds_is_one_line(tmp_path: Path, text: bytes, said: str) -> None:
    written(tmp_path / ".env", text)

    with pytest.raises(ConfigError, match=said) as caught:
        Settings.load().address()
    assert "\n" not in str(caught.value)


def test_a_file_of_terabytes_costs_nothing(tmp_path: Path) -> None:
    os.truncate(written(tmp_path / ".env", ""), 2**40)

    with pytest.raises(ConfigError, match="larger than"):
        Settings.load()


@pytest.mark.parametrize("target", ["/dev/zero", "/", "fifo"])
def test_a_device_a_folder_or_a_pipe_is_no_file_and_holds_nobody_up(tmp_path: Path, target: str) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / ".env").symlink_to(target)

    assert Settings.load().env_file is None


def test_a_link_of_ones_own_is_followed(tmp_path: Path) -> None:
    (tmp_path / ".env").symlink_to(written(tmp_path / "elsewhere" / "settings", "RUNPODKIT_GPU=H100\n"))

    assert Settings.load().gpu == "H100"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away; the next test needs no root")
@pytest.mark.parametrize("name", [".env", "endpoints.toml", LOGIN_FILE])
@pytest.mark.parametrize("is_link", [True, False], ids=["link", "file"])
def test_a_file_or_link_of_another_user_is_refused(tmp_path: Path, name: str, is_link: bool) -> None:
    if is_link:  # it points to a file of ours, which that other user chose
        (tmp_path / name).symlink_to(written(tmp_path / "mine", ""))
        os.lchown(tmp_path / name, NOBODY, NOBODY)
    else:
        os.chown(written(tmp_path / name, ""), NOBODY, NOBODY)

    with pytest.raises(ConfigError, match="belongs to another user"):
        named_endpoints(Settings.load(RUNPODKIT_HOME=tmp_path))


def test_whose_a_file_is_is_asked_of_the_file_that_is_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = written(tmp_path / ".env", "RUNPODKIT_GPU=H100\n")
    monkeypatch.setattr(os, "getuid", lambda: path.stat().st_uid + 1)

    with pytest.raises(ConfigError, match="belongs to another user"):
        read_trusted(path)


# endpoints.toml


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_endpoints_that_others_may_write_are_refused(tmp_path: Path, mode: int) -> None:
    written(tmp_path / "endpoints.toml", f'[a]\nurl = "{ELSEWHERE}"\nkey_env = "A_KEY"\n').chmod(mode)

    with pytest.raises(ConfigError, match=r"endpoints\.toml may be written by others"):
        named_endpoints(Settings.load(RUNPODKIT_HOME=tmp_path))


def test_the_key_of_runpod_does_not_leave_by_its_own_name_either(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    written(tmp_path / "endpoints.toml", f'[a]\nurl = "{ELSEWHERE}"\nkey_env = "RUNPOD_API_KEY"\n')
    settings = Settings.load(RUNPODKIT_HOME=tmp_path, RUNPOD_URL="abcdef")

    with pytest.raises(ConfigError, match="where RUNPOD_API_KEY does not belong"):
        address_of(settings, "a", named_endpoints(settings)["a"])


@pytest.mark.parametrize(
    "variable",
    [
        "YANDEX_SECRET_KEY",
        "S3_SECRET_KEY",
        "S3_ACCESS_KEY",
        "REDIS_URL",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "RUNPOD_URL",
        "RUNPODKIT_SIMULATOR_KEY",
        "RUNPODKIT_BROKER",
        "${RUNPOD_API_KEY}",
        "$HOME",
        "A+KEY",
        "A\\\\nB",
    ],
)
def test_no_other_secret_of_ours_is_sent_as_a_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, variable: str
) -> None:
    settings = Settings.load(RUNPODKIT_HOME=tmp_path)
    if variable.isidentifier():
        monkeypatch.setenv(variable, "canary-of-something-else")
    written(tmp_path / "endpoints.toml", f'[a]\nurl = "{ELSEWHERE}"\nkey_env = "{variable}"\n')

    with pytest.raises(ConfigError, match=r"\[a\] key_env: ") as caught:
        named_endpoints(settings)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        'url = "https://${RUNPOD_API_KEY}.example/v2/abc"',
        'url = "https://user:pass@api.runpod.ai/v2/abc"',
        'url = "https://api.runpod.ai/v2/abc?to=https://x.example"',
        'url = "https://api.runpod.ai/v2/../../abc"',
        'url = "file:///etc/v2/passwd"',
        'url = "abcdef"\nheaders = {Host = "x.example"}',
        'url = ["abcdef"]',
        "url = " + "[" * 5000,
    ],
)
def test_a_table_made_to_lead_elsewhere_is_one_line(tmp_path: Path, text: str) -> None:
    written(tmp_path / "endpoints.toml", f'[a]\nkey_env = "A_KEY"\n{text}\n')

    with pytest.raises(ConfigError) as caught:
        named_endpoints(Settings.load(RUNPODKIT_HOME=tmp_path))
    assert "endpoints.toml" in str(caught.value)
    assert "pass" not in str(caught.value).replace("passwd", "")


# addresses: beside what stands in tests/test_settings.py


@pytest.mark.parametrize(
    "url",
    [
        "https://api.runpod.ai.elsewhere.example/v2/abcdef",
        "https://api.runpod.ai./v2/abcdef",
        "https://api.runpod.ai:8443/v2/abcdef",
        "https://127.0.0.1.elsewhere.example/v2/abcdef",
        "http://localhost.elsewhere.example/v2/abcdef",
        "http://localhost./v2/abcdef",
        "http://127.1/v2/abcdef",
        "http://2130706433/v2/abcdef",
        "http://0x7f000001/v2/abcdef",
        "http://0.0.0.0/v2/abcdef",
        "http://[::ffff:127.0.0.1]/v2/abcdef",
        "http://api.runpod.ai/v2/abcdef",
        "https://xn--api-runpod.ai/v2/abcdef",
    ],
)
def test_what_only_looks_like_runpod_or_this_machine_gets_no_key(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, url: str
) -> None:
    monkeypatch.setenv("RUNPOD_API_KEY", KEY)
    written(tmp_path / ".env", f"RUNPOD_URL={url}\n")

    for ask in (lambda: Settings.load().address(), lambda: Settings.load(RUNPOD_URL=None).address(url)):
        with pytest.raises(ConfigError, match=r"come from different places|unencrypted"):
            ask()


@pytest.mark.parametrize(
    "url",
    [
        "https://api.runpod.ai@elsewhere.example/v2/abcdef",
        "https://elsewhere.example\\@api.runpod.ai/v2/abcdef",
        "https://api.runpod.ai\\.elsewhere.example/v2/abcdef",
        "https://api.runpod.ai%2eelsewhere.example/v2/abcdef",
        "https://api。runpod。ai/v2/abcdef",
        "https://api.runpod.aі/v2/abcdef",  # the last letter is Cyrillic
        "https://api.runpod.ai/v2/abcdef/../../x/v2/abcdef",
        "https://api.runpod.ai/../v2/abcdef",
        "https://api.runpod.ai/v2/%2e%2e",
        "https://api.runpod.ai/v2/abcdef\r\nX-Injected: 1",
        "https://api.runpod.ai/v2/abcdef#@elsewhere.example",
        "https://[fe80::1%25eth0]/v2/abcdef",
        "//elsewhere.example/v2/abcdef",
        "javascript:alert(1)//v2/abcdef",
    ],
)
def test_an_address_that_means_two_things_means_nothing(url: str) -> None:
    with pytest.raises(ConfigError, match="is not an endpoint"):
        normal_url(url)


# what `login` stored


@pytest.mark.parametrize("umask", [0, 0o022, 0o077])
def test_what_login_stores_is_this_users_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        file = store_login(tmp_path / "home", KEY, None)
    finally:
        os.umask(before)

    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o077) == (0o600, 0)


@pytest.mark.parametrize("place", [lambda home: home / LOGIN_FILE, lambda home: home / f"{LOGIN_FILE}.new"])
def test_a_link_in_its_place_is_replaced_and_not_written_through(tmp_path: Path, place: Callable[[Path], Path]) -> None:
    other = written(tmp_path / "other", "kept")
    (tmp_path / "home").mkdir()
    place(tmp_path / "home").symlink_to(other)

    file = store_login(tmp_path / "home", KEY, None)

    assert (other.read_text(), file.is_symlink()) == ("kept", False)
