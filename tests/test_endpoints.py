"""Endpoints by name: what the file may say, what is refused in words, and which key goes where."""

from __future__ import annotations

from pathlib import Path

import pytest

from runpodkit.endpoints import address_of, named_endpoints, settings_of
from runpodkit.errors import ConfigError
from runpodkit.settings import Settings

KEY = "rpa_made_up_for_tests"


def settings_with(folder: Path, text: str, **overrides: object) -> Settings:
    (folder / "endpoints.toml").write_text(text)
    return Settings.load(folder, RUNPODKIT_HOME=folder, **overrides)


def test_an_endpoint_has_a_name_a_dialect_a_gpu_and_a_price(tmp_path: Path) -> None:
    settings = settings_with(
        tmp_path,
        '[my-sdxl]\nurl = "abc123def"\ndialect = "sdxl"\ngpu = "4090"\nusd_per_image = 0.003\nmodel = "sdxl-1.0"\n',
        RUNPOD_API_KEY=KEY,
        RUNPOD_URL="other123",
    )

    named = named_endpoints(settings)["my-sdxl"]
    address = address_of(settings, "my-sdxl", named)
    own = settings_of(settings, named)

    assert address.url == "https://api.runpod.ai/v2/abc123def"
    assert address.api_key.get_secret_value() == KEY
    assert (own.dialect, own.gpu, own.model, named.usd_per_image) == ("sdxl", "4090", "sdxl-1.0", 0.003)


def test_without_a_file_no_endpoint_has_a_name(tmp_path: Path) -> None:
    assert named_endpoints(Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path)) == {}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a\n", "endpoints.toml: "),
        ('["a b"]\nurl = "abc123"\n', "is no table named by letters"),
        ('a = "abc123"\n', "is no table named by letters"),
        ("[a]\ngpu = '4090'\n", "[a] url: Field required"),
        ("[a]\nurl = 'abc123'\nprice = 3\n", "[a] price: unknown; known: url, dialect, gpu"),
        ("[a]\nurl = 'abc123'\nusd_per_image = 0\n", "[a] usd_per_image: Input should be greater than 0"),
        ("[a]\nurl = 'http://x/y'\n", "[a] RUNPOD_URL='http://x/y' is not an endpoint"),
    ],
)
def test_a_file_that_cannot_be_meant_is_told_with_table_and_field(tmp_path: Path, text: str, said: str) -> None:
    settings = settings_with(tmp_path, text)

    with pytest.raises(ConfigError) as told:
        named_endpoints(settings)

    assert said in str(told.value)


def test_a_named_file_that_is_missing_is_an_error(tmp_path: Path) -> None:
    settings = Settings.load(tmp_path, RUNPODKIT_HOME=tmp_path, RUNPODKIT_ENDPOINTS=tmp_path / "mine.toml")

    with pytest.raises(ConfigError, match=r"mine\.toml: there is no such file"):
        named_endpoints(settings)


def test_the_key_of_runpod_never_goes_to_another_host(tmp_path: Path) -> None:
    settings = settings_with(
        tmp_path, '[mine]\nurl = "https://gpu.example/v2/abc"\n', RUNPOD_API_KEY=KEY, RUNPOD_URL="other123"
    )

    with pytest.raises(ConfigError, match="where RUNPOD_API_KEY does not belong"):
        address_of(settings, "mine", named_endpoints(settings)["mine"])


def test_another_host_gets_the_key_of_its_own_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(tmp_path, '[mine]\nurl = "https://gpu.example/v2/abc"\nkey_env = "GPU_KEY"\n')
    named = named_endpoints(settings)["mine"]

    with pytest.raises(ConfigError, match="wants its key in GPU_KEY, which is not set"):
        address_of(settings, "mine", named)
    monkeypatch.setenv("GPU_KEY", " made-up \n")
    assert address_of(settings, "mine", named).api_key.get_secret_value() == "made-up"
    monkeypatch.setenv("GPU_KEY", "two words")
    with pytest.raises(ConfigError, match="GPU_KEY: not a key"):
        address_of(settings, "mine", named)


def test_no_key_goes_out_unencrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_KEY", "made-up")
    settings = settings_with(tmp_path, '[mine]\nurl = "http://gpu.example/v2/abc"\nkey_env = "GPU_KEY"\n')

    with pytest.raises(ConfigError, match="unencrypted"):
        address_of(settings, "mine", named_endpoints(settings)["mine"])
