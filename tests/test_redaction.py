"""Redaction: known secrets in any spelling, unknown ones by what stands before them, and time that stays linear."""

from __future__ import annotations

import base64
import html
import json
import time
import traceback
from collections.abc import Callable
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runpodkit.redaction import Redactor, without_unknown

SECRETS = {
    "a RunPod key": "rpa_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8",
    "an S3 secret": "YCPx/9+abc/DEF+ghiJKLmnop/qrs+TUVwxyz012",
    "a Redis URL": "redis://anna:p%40ss%2Fw%C3%B6rd@redis.example.org:6379/0",
    "its password": "p@ss/wörd",
    "one with quotes": "hush\"ж'\\12 34&<é>\U0001f511",
    "a simulator's key": "Zk3_-pQ9vTrEw1s8uYx",
}
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": lambda secret: secret,
    "JSON": lambda secret: json.dumps({"a": secret}),
    "JSON in other letters": lambda secret: json.dumps({"a": secret}, ensure_ascii=False),
    "JSON with slashes escaped": lambda secret: json.dumps({"a": secret}).replace("/", "\\/"),
    "JSON in JSON": lambda secret: json.dumps(json.dumps({"a": secret})),
    "a repr": repr,
    "a repr of a dict of bytes": lambda secret: repr({"a": secret.encode()}),
    "a URL": quote,
    "a URL, all escaped": lambda secret: quote(secret, safe=""),
    "a URL, in small letters": lambda secret: quote(secret, safe="").replace("%2F", "%2f").replace("%C3", "%c3"),
    "a form": quote_plus,
    "a URL in a URL": lambda secret: quote(quote(secret, safe=""), safe=""),
    "HTML": html.escape,
    "base64": lambda secret: base64.b64encode(secret.encode()).decode(),
    "a basic login": lambda secret: "Basic " + base64.b64encode(f"user:{secret}".encode()).decode(),
    "a longer basic login": lambda secret: base64.b64encode(f"users:{secret}:more".encode()).decode(),
    "base64 for URLs": lambda secret: base64.urlsafe_b64encode(f"a:{secret}".encode()).decode(),
    "a traceback": lambda secret: _failed(secret),
}


def _failed(secret: str) -> str:
    """A chain of three errors that all hold it."""
    try:
        try:
            try:
                raise KeyError(secret)
            except KeyError as exc:
                raise ValueError(f"refused {secret}") from exc
        except ValueError:
            raise RuntimeError({"key": secret})  # noqa: B904
    except RuntimeError:
        return traceback.format_exc()


@pytest.mark.parametrize("spelled", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_known_secret_is_found_in_every_spelling(secret, spelled):
    text = f"before {spelled(secret)} after"
    clean = Redactor([secret]).redact(text)

    assert "•••" in clean
    assert clean.startswith("before ") and clean.endswith(" after")
    for way in SPELLINGS.values():
        assert secret not in clean and way(secret) not in clean
    assert not any(secret[at : at + 12] in clean for at in range(len(secret) - 11))


@settings(deadline=None, max_examples=120)
@given(st.text(min_size=6, max_size=30), st.text(max_size=20), st.sampled_from(sorted(SPELLINGS)))
def test_whatever_a_secret_is_made_of_it_goes(secret, around, way):
    if secret in around or (way != "as it is" and len(set(secret)) < 3):
        return
    clean = Redactor([secret]).redact(around + SPELLINGS[way](secret))

    assert SPELLINGS[way](secret) not in clean


def test_of_two_secrets_where_one_holds_the_other_both_go():
    assert Redactor(["abcdef", "abcdef-ghijkl"]).redact("1 abcdef-ghijkl 2 abcdef 3") == "1 ••• 2 ••• 3"


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("Authorization: Bearer sk-unknown-123456", "sk-unknown"),
        ("{'Authorization': 'Bearer abcdefghij'}", "abcdefghij"),
        ("headers=[(b'Authorization', b'Bearer qwertzuiop')]", "qwertzuiop"),
        ('{\\"authorization\\": \\"Bearer qwertzuiop\\"}', "qwertzuiop"),
        ("authorization=raw-unknown-key-1", "raw-unknown"),
        ("GET /x?X-Amz-Algorithm=AWS4&X-Amz-Signature=0a1b2c3d4e5f HTTP/1.1", "0a1b2c3d4e5f"),
        ("https://s3/x?X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20260101&a=1", "AKIAIOSFODNN7EXAMPLE"),
        ("X-Amz-Security-Token=FwoGZXIvYXdzEBYaD&x=1", "FwoGZXIvYXdzEBYaD"),
        ("see https%3A%2F%2Fs3%2Fx%3FX-Amz-Signature%3D0a1b2c3d4e5f%26a", "0a1b2c3d4e5f"),
        ("AWS4-HMAC-SHA256 Credential=YCAJEabcdefghijklmnopqr12/2026/s3, Signature=0a1b2c3d4e5f", "0a1b2c3d4e5f"),
        ("https://host/x.png?AWSAccessKeyId=abcdefgh&Signature=abc%2Bdef%3D&Expires=1", "abc%2Bdef"),
        ("https://account.blob/x?sv=1&sig=AbC%2B123456", "AbC%2B123456"),
        ("Signature:\n" + "0a1b2c3d" * 8, "0a1b2c3d"),
        ("redis://:hunter2@redis:6379/0 refuses", "hunter2"),
        ("Connected to redis://anna:p@ss@redis:6379/0", "p@ss"),
        ('"url": "https:\\/\\/anna:hunter22@host\\/x"', "hunter22"),
        ("{'aws_secret_access_key': 'abcDEF123456'}", "abcDEF123456"),
        ("settings api_key='abcdef123' region=x", "abcdef123"),
        ("https://hooks.example.org/runpod?secret=s3cr3tValue", "s3cr3tValue"),
        ("webhook https://hooks.example.org/?webhook_token=s3cr3tValue&a=1", "s3cr3tValue"),
        ("found rpa_ABCDEFGH12345678 in the answer", "rpa_ABCDEFGH12345678"),
        ("Basic dXNlcjpodW50ZXIyMg==", "dXNlcjpodW50ZXIyMg"),
        ("key id AKIAIOSFODNN7EXAMPLE is refused", "AKIAIOSFODNN7EXAMPLE"),
    ],
)
def test_what_looks_like_a_secret_goes_though_nobody_told_of_it(text, secret):
    clean = without_unknown(text)

    assert secret not in clean
    assert "•••" in clean


@pytest.mark.parametrize(
    "text",
    [
        "run lighthouse/17: job 7f3c-e1 is unknown to the endpoint",
        "set YANDEX_SECRET_KEY too (or the S3_… spelling)",
        "RUNPOD_API_KEY: nothing was given",
        "a basic understanding of samplers, basic settings",
        "GET https://api.runpod.ai/v2/abc/status/7f3c 200",
        "key images/3f/3f9c-0.png, keys=12, token of thanks",
        "mail anna@example.org about http://127.0.0.1:8100/v2/local/health",
        "ycbcr_conversion_of_pictures_is_fine",
    ],
)
def test_plain_words_stay(text):
    assert without_unknown(text) == text


@pytest.mark.parametrize(
    "part",
    ["a", "token", "://", "bearer ", 'api_key="', "\\", "authorization: ", "basic aaaaaaaaaaaaaaaaaaaa ", "YCA"],
)
def test_hostile_text_takes_no_more_than_linear_time(part):
    def seconds(length: int) -> float:
        text = part * (length // len(part)) + "@ bearer token secret basic "
        began = time.process_time()
        without_unknown(text)
        return time.process_time() - began

    small = max(min(seconds(50_000) for _ in range(3)), 0.002)

    assert seconds(400_000) < 40 * small  # 8 times the text; quadratic would be 64 times


@pytest.mark.parametrize(
    "text", ["Signature=b4f30aab9c", "api_key=b'b4f30aab9c'", '{"token": "b4f30aab9c"}', "secret=B4f30aab9c"]
)
def test_a_secret_that_begins_like_the_mark_of_bytes_leaves_none_of_its_letters(text: str) -> None:
    told = without_unknown(text)

    assert "4f30" not in told.lower()
    assert "b•••" not in told.lower()
