"""The bucket store: what goes over the wire, what servers refuse, servers that come and go, and secrets."""

from __future__ import annotations

import datetime
import ipaddress
import signal
import ssl
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs, urlsplit

import boto3
import botocore.auth
import httpx
import pytest
from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from runpodkit.errors import ConfigError, StoreError
from runpodkit.settings import Settings
from runpodkit.storage import open_store
from runpodkit.storage.many import put_all
from runpodkit.storage.s3 import S3Store
from tests.storage.conftest import NANIO_ENV, Server, free_port, make_bucket, nanio_command, reader_of, start, stop

ACCESS, SECRET = "AKIACANARYACCESS", "canary-secret-0123456789abcdef"


class Answer(NamedTuple):
    status: int
    body: bytes = b""
    length: int | None = None
    """What Content-Length claims; default: the truth."""


def refusal(code: str, message: str = "no") -> bytes:
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>".encode()


class Scripted(ThreadingHTTPServer):
    """Gives the answers that real servers give too rarely to test with; keeps what it was asked."""

    daemon_threads = True
    scheme = "http"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def speak_tls(self, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.scheme = "https"

    def store(self, max_attempts: int = 1) -> S3Store:
        url = f"{self.scheme}://127.0.0.1:{self.server_address[1]}"
        return S3Store("pictures", SecretStr(ACCESS), SecretStr(SECRET), url, max_attempts=max_attempts)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Scripted

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, {k.lower(): v for k, v in self.headers.items()}))
        answer = self.server.answers.pop(0) if self.server.answers else Answer(200)
        self.send_response(answer.status)
        self.send_header("Content-Length", str(len(answer.body) if answer.length is None else answer.length))
        self.end_headers()
        self.wfile.write(answer.body)
        self.close_connection = answer.length is not None

    do_GET = do_PUT = do_DELETE = _answer

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    with Scripted() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def self_signed(folder: Path) -> Path:
    """Key and certificate for 127.0.0.1, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + certificate.public_bytes(serialization.Encoding.PEM)
    (folder / "server.pem").write_bytes(pem)
    return folder / "server.pem"


def said(call: Callable[[], object]) -> str:
    with pytest.raises(StoreError) as caught:
        call()
    everything = "".join(traceback.format_exception(caught.value)) + repr(caught.value.__context__)
    assert SECRET not in everything
    assert ACCESS not in everything
    return str(caught.value)


@pytest.mark.parametrize("scheme", ["http", "https"])  # boto3 sends checksum trailers over https alone
def test_an_upload_is_plain_signed_s3_that_every_server_knows(
    scripted: Scripted, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if scheme == "https":
        scripted.speak_tls(self_signed(tmp_path))
        monkeypatch.setenv("AWS_CA_BUNDLE", str(tmp_path / "server.pem"))
    scripted.store().put("images/a b.png", b"picture")

    ((method, path, headers),) = scripted.asked
    assert (method, path) == ("PUT", "/pictures/images/a%20b.png")
    assert headers["content-type"] == "image/png"
    assert headers["authorization"].startswith(f"AWS4-HMAC-SHA256 Credential={ACCESS}/")
    # printf picture | sha256sum
    assert headers["x-amz-content-sha256"] == "2cea274d0bedc39ec4ab6ba9e59ec889e3ed6fb56a1cf088a64d9b383378dc97"
    assert not [name for name in headers if "checksum" in name or name.endswith("trailer")]
    assert not headers.keys() & {"content-encoding", "transfer-encoding"}


@pytest.mark.parametrize(
    ("key", "given", "kind"),
    [
        ("a.PNG", None, "image/png"),
        ("a.webp", None, "image/webp"),
        ("runs/a/records-0.jsonl", None, "application/jsonl"),
        ("runs/png", None, "application/octet-stream"),
        ("a.png", "image/jpeg", "image/jpeg"),
    ],
)
def test_the_content_type_is_the_one_given_or_the_extensions(
    scripted: Scripted, key: str, given: str | None, kind: str
) -> None:
    scripted.store().put(key, b"x", given)

    assert scripted.asked[0][2]["content-type"] == kind


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "InvalidAccessKeyId", "the keys are wrong: check YANDEX_ACCESS_KEY and YANDEX_SECRET_KEY"),
        (403, "SignatureDoesNotMatch", "the keys are wrong: check YANDEX_ACCESS_KEY"),
        (401, "Unauthorized", "the keys are wrong"),
        (403, "AccessDenied", "the keys have no permission for this: check the bucket's policy"),
        (404, "NoSuchBucket", "the bucket does not exist there: create it, or set YANDEX_BUCKET_NAME"),
        (404, "NoSuchKey", "there is no such key"),
        (403, "RequestTimeTooSkewed", "this machine's clock is wrong by minutes: set it"),
        (400, "AuthorizationHeaderMalformed", "the bucket is not in the region us-east-1: set YANDEX_REGION"),
        (503, "SlowDown", "the server is busy or broken"),
        (500, "InternalError", "the server is busy or broken"),
        (409, "BucketNotReady", "BucketNotReady (HTTP 409): no"),
    ],
)
def test_each_refusal_says_what_it_means_and_what_to_do(scripted: Scripted, status: int, code: str, words: str) -> None:
    scripted.answers = [Answer(status, refusal(code))] * 3

    message = said(lambda: scripted.store().get("runs/a/plan.json"))

    assert message.startswith("cannot read key 'runs/a/plan.json' in the bucket pictures: ")
    assert words in message


def test_a_refusal_that_repeats_our_keys_is_not_repeated_by_us(scripted: Scripted) -> None:
    scripted.answers = [Answer(400, refusal("Odd", f"signed {ACCESS} with {SECRET}"))]

    assert "signed ••• with •••" in said(lambda: scripted.store().put("a", b""))


def test_an_answer_that_is_not_s3_is_a_store_error(scripted: Scripted) -> None:
    scripted.answers = [Answer(200, b"<html>a proxy's login page</html>")]

    assert "cannot list keys in the bucket pictures: 127.0.0.1:" in said(lambda: list(scripted.store().keys("runs/")))


def test_a_busy_server_is_asked_again_and_not_for_ever(scripted: Scripted) -> None:
    scripted.answers = [Answer(503, refusal("SlowDown")), Answer(200)]
    scripted.store(max_attempts=2).put("a", b"x")
    assert len(scripted.asked) == 2

    scripted.asked.clear()
    scripted.answers = [Answer(503, refusal("SlowDown"))] * 9
    said(lambda: scripted.store(max_attempts=2).put("a", b"x"))
    assert len(scripted.asked) == 2


def test_a_value_whose_transfer_breaks_off_is_read_again(scripted: Scripted) -> None:
    scripted.answers = [Answer(200, b"half", length=8), Answer(200, b"half and")]

    assert scripted.store(max_attempts=2).get("a") == b"half and"


def test_a_value_that_always_breaks_off_is_an_error(scripted: Scripted) -> None:
    scripted.answers = [Answer(200, b"half", length=8)] * 9

    assert "no answer from 127.0.0.1:" in said(lambda: scripted.store(max_attempts=2).get("a"))
    assert len(scripted.asked) == 2


def test_a_long_listing_is_read_page_by_page_when_asked_for(scripted: Scripted) -> None:
    page = "<ListBucketResult><IsTruncated>{}</IsTruncated><NextContinuationToken>n</NextContinuationToken>{}</ListBucketResult>"
    entry = "<Contents><Key>{}</Key></Contents>".format
    scripted.answers = [
        Answer(200, page.format("true", entry("runs/") + entry("runs/a") + entry("runs/b")).encode()),
        Answer(200, page.format("false", entry("runs/c")).encode()),
    ]
    keys = scripted.store().keys("runs/")

    assert [next(keys), next(keys)] == ["runs/a", "runs/b"]  # and not "runs/", a console's mark of a folder
    assert len(scripted.asked) == 1
    assert list(keys) == ["runs/c"]
    assert parse_qs(urlsplit(scripted.asked[1][1]).query)["continuation-token"] == ["n"]


@pytest.mark.parametrize("name", ["moto", "nanio"])
def test_real_servers_refuse_wrong_keys_and_buckets(name: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(name)

    for changed in ({"secret_key": SecretStr(SECRET)}, {"access_key": SecretStr(ACCESS)}):
        message = said(lambda changed=changed: server.store(**changed).put("a", b""))
        assert "the keys are wrong: check YANDEX_ACCESS_KEY and YANDEX_SECRET_KEY" in message
    for call in (lambda s: s.put("a", b""), lambda s: s.get("a"), lambda s: list(s.keys())):
        assert "in the bucket nowhere: the bucket does not exist there" in said(
            lambda call=call: call(server.store(bucket="nowhere"))
        )


def test_a_reader_may_read_and_is_told_that_it_may_not_write(moto: Server) -> None:
    moto.store(prefix="shared").put("a", b"picture")
    reader = reader_of(moto).store(prefix="shared")

    assert reader.get("a") == b"picture"
    assert list(reader.keys()) == ["a"]
    for call, deed in ((lambda: reader.put("b", b""), "store key 'b'"), (lambda: reader.delete("a"), "delete key 'a'")):
        assert said(call) == (
            f"cannot {deed} in the bucket pictures: AccessDenied: the keys have no permission for this: check the bucket's "
            "policy, or YANDEX_ACCESS_KEY and YANDEX_SECRET_KEY (or S3_ACCESS_KEY and S3_SECRET_KEY)"
        )


@pytest.mark.parametrize("minutes", [-20, 20])
def test_a_real_server_refuses_a_clock_that_is_wrong_by_minutes(
    nanio: Server, minutes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = botocore.auth.get_current_datetime
    monkeypatch.setattr(
        botocore.auth, "get_current_datetime", lambda *given: now(*given) + datetime.timedelta(minutes=minutes)
    )

    assert "RequestTimeTooSkewed: this machine's clock is wrong by minutes: set it" in said(
        lambda: nanio.store().put("a", b"")
    )


@pytest.mark.parametrize("spelling", ["YANDEX", "S3"])
@pytest.mark.parametrize("name", ["moto", "nanio"])
def test_four_settings_of_either_spelling_lead_to_a_stored_picture(
    name: str, spelling: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    server: Server = request.getfixturevalue(name)
    four = ("BUCKET_NAME", "pictures"), ("ACCESS_KEY", server.access_key), ("SECRET_KEY", server.secret_key)
    for setting, value in (*four, ("ENDPOINT_URL", server.url)):
        monkeypatch.setenv(f"{spelling}_{setting}", value)
    if name == "nanio":  # it alone looks at the region, and is not at Yandex
        monkeypatch.setenv(f"{spelling}_REGION", "ru-central1")
    key = f"settings/{spelling}/{tmp_path.name}.png"

    open_store(Settings.load(tmp_path)).put(key, b"picture")

    plain = boto3.session.Session(server.access_key, server.secret_key, region_name="ru-central1").client(
        "s3", endpoint_url=server.url, config=Config(s3={"addressing_style": "path"})
    )
    kept = plain.get_object(Bucket="pictures", Key=key)
    assert (kept["Body"].read(), kept["ContentType"]) == (b"picture", "image/png")
    plain.close()


@pytest.mark.parametrize("name", ["moto", "nanio"])
def test_keys_of_several_pages_are_all_listed(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    server: Server = request.getfixturevalue(name)
    store = server.store(prefix=f"paged/{tmp_path.name}")
    keys = [f"images/{number:02} é+&.png" for number in range(22)]
    put_all(store, ((key, b"") for key in keys))
    pages: list[int] = []

    def of_seven(params: dict[str, object], **_: object) -> None:
        params["MaxKeys"] = 7
        pages.append(7)

    store._client().meta.events.register("before-parameter-build.s3.ListObjectsV2", of_seven)

    assert list(store.keys()) == keys
    assert len(pages) == 4


def test_ten_thousand_keys_are_read_page_by_page_as_they_are_asked_for(scripted: Scripted) -> None:
    def page(number: int) -> bytes:
        entries = "".join(f"<Contents><Key>images/{number * 1000 + n:05}</Key></Contents>" for n in range(1000))
        more = "true" if number < 9 else "false"
        return (
            f"<ListBucketResult><IsTruncated>{more}</IsTruncated><NextContinuationToken>p{number}"
            f"</NextContinuationToken>{entries}</ListBucketResult>"
        ).encode()

    scripted.answers = [Answer(200, page(number)) for number in range(10)]
    keys = scripted.store().keys("images/")

    first = [next(keys) for _ in range(1500)]
    assert (first[0], first[-1], len(scripted.asked)) == ("images/00000", "images/01499", 2)
    assert (sum(1 for _ in keys), len(scripted.asked)) == (8500, 10)


def test_a_server_that_gives_the_same_page_for_ever_is_told(scripted: Scripted) -> None:
    page = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>n</NextContinuationToken>"
        b"<Contents><Key>a</Key></Contents></ListBucketResult>"
    )
    scripted.answers = [Answer(200, page)] * 50

    assert "lists the same keys again and again" in said(lambda: list(scripted.store().keys()))
    assert len(scripted.asked) == 2


def test_a_link_lasts_an_hour_and_not_longer_than_asked(nanio: Server) -> None:
    store = nanio.store()
    store.put("a.png", b"picture", "image/png")
    link = store.url("a.png")
    query = parse_qs(urlsplit(link).query)

    assert query["X-Amz-Expires"] == ["3600"]
    assert query["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]
    assert nanio.secret_key not in link
    assert httpx.get(link).headers["content-type"] == "image/png"
    assert httpx.get(link.replace("a.png", "b.png")).status_code == 403
    short = store.url("a.png", lasts_s=1)
    time.sleep(2.1)
    assert httpx.get(short).status_code == 403


def test_two_prefixes_of_one_bucket_do_not_see_each_other(nanio: Server) -> None:
    one, two = nanio.store(prefix="team/one"), nanio.store(prefix="/team/one-more/")
    one.put("a", b"1")
    two.put("a", b"2")

    assert (one.get("a"), two.get("a")) == (b"1", b"2")
    assert list(one.keys()) == list(two.keys()) == ["a"]
    assert list(nanio.store().keys("team/one")) == ["team/one-more/a", "team/one/a"]


def test_a_server_killed_and_started_again_is_found_again(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    server = Server(url, *NANIO_ENV.values(), signed_links=True)
    store = server.store()
    process = start(nanio_command(port, tmp_path / "data"), NANIO_ENV, url, tmp_path / "log")
    try:
        make_bucket(server)
        store.put("a", b"before")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(
            StoreError, match=rf"no answer from 127\.0\.0\.1:{port} after 2 attempts .*check the network"
        ):
            store.put("a", b"during")
        process = start(nanio_command(port, tmp_path / "data"), NANIO_ENV, url, tmp_path / "log2")
        assert store.get("a") == b"before"
        store.put("a", b"after")
        assert store.get("a") == b"after"
    finally:
        stop(process)


# In a process that has no other threads: as a Celery worker's main process when it makes its children.
FORKING = """
import os, sys
from pydantic import SecretStr
from runpodkit.storage.s3 import S3Store

url, access_key, secret_key = sys.argv[1:]
store = S3Store("pictures", SecretStr(access_key), SecretStr(secret_key), url, "ru-central1")
store.put("parent", b"1")
child = os.fork()
if child == 0:
    store.put("child", b"2")
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_store_made_before_a_fork_works_after_it(nanio: Server) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING, nanio.url, nanio.access_key, nanio.secret_key], timeout=60, check=False
    )

    assert done.returncode == 0
    assert nanio.store().get("child") == b"2"


def test_the_persons_own_aws_settings_change_nothing(
    scripted: Scripted, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "config").write_text("[default]\nregion = eu-west-3\ns3 =\n  addressing_style = virtual\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "other")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "other")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "other")

    scripted.store().put("a", b"")

    _, path, headers = scripted.asked[0]
    assert path == "/pictures/a"
    assert f"Credential={ACCESS}/" in headers["authorization"]
    assert "/us-east-1/s3/" in headers["authorization"]
    assert "x-amz-security-token" not in headers
    plain = S3Store("pictures", SecretStr(ACCESS), SecretStr(SECRET))
    assert plain.url("a").startswith("https://s3.amazonaws.com/pictures/a?")


def test_the_repr_is_short_and_holds_no_key() -> None:
    store = S3Store(
        "pictures", SecretStr(ACCESS), SecretStr(SECRET), "https://storage.yandexcloud.net/", prefix="team/anna"
    )

    assert repr(store) == "S3Store('pictures/team/anna' at storage.yandexcloud.net)"
    assert SECRET not in str(vars(store))
    assert repr(S3Store("b-1", SecretStr(ACCESS), SecretStr(SECRET))) == "S3Store('b-1' at AWS)"


@pytest.mark.parametrize(
    ("endpoint", "region", "used"),
    [
        ("https://storage.yandexcloud.net", None, "ru-central1"),
        ("https://storage.yandexcloud.net", "kz1", "kz1"),
        ("http://127.0.0.1:9000", None, "us-east-1"),
        ("https://not-yandexcloud.net", None, "us-east-1"),
        (None, None, "us-east-1"),
        (None, "eu-north-1", "eu-north-1"),
    ],
)
def test_the_region_is_yandexs_own_at_yandex(endpoint: str | None, region: str | None, used: str) -> None:
    assert S3Store("pictures", SecretStr(ACCESS), SecretStr(SECRET), endpoint, region).region == used


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"bucket": ""}, "is not the name of a bucket: set YANDEX_BUCKET_NAME"),
        ({"bucket": "s3://pictures"}, "is not the name of a bucket"),
        ({"endpoint_url": "storage.yandexcloud.net"}, "set YANDEX_ENDPOINT_URL .* https://storage.yandexcloud.net"),
        ({"endpoint_url": "ftp://x"}, "is not the address of an S3 service"),
        ({"endpoint_url": "http://x:99999"}, "the port is not a number"),
        ({"endpoint_url": f"https://me:{SECRET}@x"}, "holds a user or password"),
        ({"prefix": "a/../b"}, r"S3_PREFIX: key 'a/\.\./b' is refused"),
    ],
)
def test_settings_that_cannot_be_meant_are_refused_at_once(changed: dict[str, str], words: str) -> None:
    given: dict[str, str | None] = {"bucket": "pictures", "endpoint_url": None, "prefix": "", **changed}
    with pytest.raises(ConfigError, match=words) as caught:
        S3Store(
            given["bucket"] or "",
            SecretStr(ACCESS),
            SecretStr(SECRET),
            given["endpoint_url"],
            prefix=given["prefix"] or "",
        )
    assert SECRET not in str(caught.value)
