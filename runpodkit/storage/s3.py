"""A store in an S3 bucket: AWS, Yandex Object Storage, MinIO and the like, through boto3.

Speaks plain S3 that every such server knows: path-style addresses, signature version 4,
no checksum trailers, one object per delete.  Knows neither settings nor environment;
connects on first use.  Keys and secrets are in no repr and in no message.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from pydantic import SecretStr
from tenacity import Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from runpodkit.errors import ConfigError, NoSuchKeyError, StoreError, StoreRefusedError
from runpodkit.storage import LINK_S, check_key, check_lasts, check_prefix, is_key

T = TypeVar("T")

CONNECTIONS = 16
"""Open at once to one bucket; more threads than that wait for each other."""
FIRST_PAUSE_S, MAX_PAUSE_S = 0.5, 10.0
"""Before a request is made again: a random part of the first, of twice as much, and so on up to the second."""
_NO_ANSWER = (ConnectionError, HTTPClientError, ResponseStreamingError, IncompleteReadError)
_NO_SUCH_KEY = "there is no such key"
_BUSY = ("SlowDown", "Throttling", "ThrottlingException", "TooManyRequests", "RequestTimeout")
_YANDEX_DOMAIN = "yandexcloud.net"
_KEYS = "YANDEX_ACCESS_KEY and YANDEX_SECRET_KEY (or S3_ACCESS_KEY and S3_SECRET_KEY)"
_CONTENT_TYPES = {
    "avif": "image/avif",
    "csv": "text/csv; charset=utf-8",
    "gif": "image/gif",
    "html": "text/html; charset=utf-8",
    "jpeg": "image/jpeg",
    "jpg": "image/jpeg",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "png": "image/png",
    "svg": "image/svg+xml",
    "txt": "text/plain; charset=utf-8",
    "webp": "image/webp",
    "zip": "application/zip",
}


class S3Store:
    """A store in `bucket`, under `prefix`.

    Args:
        bucket: has to exist; it is never made.
        access_key: the public half of the key, hidden all the same.
        secret_key: signs; never sent.
        endpoint_url: `https://storage.yandexcloud.net`; default: AWS.
        region: default: `ru-central1` at Yandex, else `us-east-1`.
        prefix: the part of the bucket that is ours, such as `team/anna`; keys do not show it.
        max_attempts: how often one request is tried, the first included; all of them are safe to repeat.

    Raises:
        ConfigError: endpoint, bucket or prefix cannot be meant.
    """

    describe = "S3"

    def __init__(
        self,
        bucket: str,
        access_key: SecretStr,
        secret_key: SecretStr,
        endpoint_url: str | None = None,
        region: str | None = None,
        prefix: str = "",
        *,
        max_attempts: int = 5,
    ) -> None:
        self.bucket = _checked_bucket(bucket)
        self.endpoint_url = _checked_endpoint(endpoint_url)
        self.region = region or _default_region(self.endpoint_url)
        self.prefix = _checked_prefix(prefix)
        self.max_attempts = max_attempts
        self._access_key, self._secret_key = access_key, secret_key
        self._lock = threading.Lock()
        self._client_of: tuple[int, Any] | None = None

    def __repr__(self) -> str:
        return f"S3Store({f'{self.bucket}/{self.prefix}'.rstrip('/')!r} at {self._host or 'AWS'})"

    def put(self, key: str, data: bytes, content_type: str | None = None) -> None:
        name = self._name(key)
        kind = content_type or _CONTENT_TYPES.get(key.rpartition(".")[2].lower(), "application/octet-stream")
        self._do(
            f"store key {key!r}", lambda s3: s3.put_object(Bucket=self.bucket, Key=name, Body=data, ContentType=kind)
        )

    def get(self, key: str) -> bytes:
        name = self._name(key)
        body: bytes = self._do(
            f"read key {key!r}", lambda s3: s3.get_object(Bucket=self.bucket, Key=name)["Body"].read()
        )
        return body

    def keys(self, prefix: str = "") -> Iterator[str]:
        return self._list(check_prefix(prefix))

    def delete(self, key: str) -> None:
        name = self._name(key)
        self._do(f"delete key {key!r}", lambda s3: s3.delete_object(Bucket=self.bucket, Key=name))

    def url(self, key: str, lasts_s: int = LINK_S) -> str:
        params, seconds = {"Bucket": self.bucket, "Key": self._name(key)}, check_lasts(lasts_s)
        link: str = self._do(
            f"sign a link to key {key!r}",
            lambda s3: s3.generate_presigned_url("get_object", Params=params, ExpiresIn=seconds),
        )
        return link

    @property
    def _host(self) -> str:
        return urlsplit(self.endpoint_url or "").netloc

    def _name(self, key: str) -> str:
        return self.prefix + check_key(key)

    def _list(self, prefix: str) -> Iterator[str]:
        asked: dict[str, Any] = {"Bucket": self.bucket, "Prefix": self.prefix + prefix}
        while True:
            page = self._do(f"list keys that start with {prefix!r}", lambda s3: s3.list_objects_v2(**asked))
            for entry in page.get("Contents", ()):
                key = entry["Key"].removeprefix(self.prefix)
                if is_key(key):  # consoles leave empty objects named like folders
                    yield key
            if "IsTruncated" not in page:  # boto3 reads any XML, a proxy's login page too, as an empty listing
                raise StoreError(
                    f"cannot list keys in the bucket {self.bucket}: {self._host or 'AWS'} does not speak S3"
                )
            if not page["IsTruncated"]:
                return
            if (token := page.get("NextContinuationToken")) in (None, asked.get("ContinuationToken")):
                raise StoreError(
                    f"cannot list keys in the bucket {self.bucket}: {self._host or 'AWS'} lists the same keys again and again"
                )
            asked["ContinuationToken"] = token

    def _do(self, deed: str, work: Callable[[Any], T]) -> T:
        """The one door to the bucket; what fails here leaves as a StoreError.

        Everything that is asked is safe to repeat: values are written whole and replace what is there.  boto3's own
        retries last half a second and share an allowance between threads, too little for a server that starts again.
        """
        patiently = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_attempt(self.max_attempts),
            wait=wait_random_exponential(multiplier=FIRST_PAUSE_S, max=MAX_PAUSE_S),
            reraise=True,
        )
        kind = StoreError
        try:
            return patiently(work, self._client())
        except ClientError as exc:
            reason = self._refusal(exc)
            if reason is _NO_SUCH_KEY:
                kind = NoSuchKeyError
            elif not _may_pass(exc):
                kind = StoreRefusedError
        except _NO_ANSWER as exc:
            reason = (
                f"no answer from {self._host or 'AWS'} after {self.max_attempts} attempts ({type(exc).__name__}): "
                "check the network and YANDEX_ENDPOINT_URL (or S3_ENDPOINT_URL)"
            )
        except BotoCoreError as exc:
            reason = f"boto3 says: {self._clean(str(exc))}"
        # Raised outside the except blocks: what boto3 said may hold the key, and does not travel along.
        raise kind(f"cannot {deed} in the bucket {self.bucket}: {reason}")

    def _refusal(self, exc: ClientError) -> str:
        """What the server's answer means, and what to do about it."""
        error: dict[str, Any] = dict(exc.response.get("Error", {}))
        code = str(error.get("Code", "unknown"))
        status = exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        if code in ("NoSuchKey", "404", "NotFound"):
            return _NO_SUCH_KEY
        if code == "NoSuchBucket":
            return "the bucket does not exist there: create it, or set YANDEX_BUCKET_NAME (or S3_BUCKET_NAME)"
        if code in ("RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"):
            return f"{code}: this machine's clock is wrong by minutes: set it"
        if code in ("PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"):
            return f"{code}: the bucket is not in the region {self.region}: set YANDEX_REGION (or S3_REGION)"
        if code in ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "AuthFailure") or status == 401:
            return f"{code}: the keys are wrong: check {_KEYS}"
        if code in ("AccessDenied", "AllAccessDisabled", "AccountProblem") or status == 403:
            return f"{code}: the keys have no permission for this: check the bucket's policy, or {_KEYS}"
        if status >= 500 or status == 429 or code in _BUSY:
            return f"{code}: the server is busy or broken, also after {self.max_attempts} attempts: try again later"
        return f"{code} (HTTP {status}): {self._clean(str(error.get('Message', '')))}"

    def _clean(self, text: str) -> str:
        for secret in (self._secret_key, self._access_key):
            text = text.replace(secret.get_secret_value(), "•••")
        return text[:300]

    def _client(self) -> Any:
        """boto3's client, one per process: after a fork, sockets of the parent are not ours to use."""
        with self._lock:
            if self._client_of is None or self._client_of[0] != os.getpid():
                session = boto3.session.Session(
                    aws_access_key_id=self._access_key.get_secret_value(),
                    aws_secret_access_key=self._secret_key.get_secret_value(),
                    region_name=self.region,
                )
                client = session.client("s3", endpoint_url=self.endpoint_url, config=_config())
                self._client_of = (os.getpid(), client)
            return self._client_of[1]


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may be answered a moment later."""
    if not isinstance(error, ClientError):
        return isinstance(error, _NO_ANSWER)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or status == 429 or error.response.get("Error", {}).get("Code") in _BUSY


def _config() -> Config:
    return Config(
        # Otherwise uploads over HTTPS carry checksum trailers, which servers other than AWS refuse.
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
        signature_version="s3v4",  # otherwise links to us-east-1 are signed with the version before
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": 1, "mode": "standard"},  # ours are in S3Store._do
        connect_timeout=5,
        read_timeout=60,
        max_pool_connections=CONNECTIONS,
        ignore_configured_endpoint_urls=True,  # one home for the endpoint: our settings
    )


def _checked_bucket(bucket: str) -> str:
    if not bucket or any(char in bucket for char in "/:?# \t\n"):
        raise ConfigError(f"{bucket!r} is not the name of a bucket: set YANDEX_BUCKET_NAME (or S3_BUCKET_NAME)")
    return bucket


def _checked_endpoint(url: str | None) -> str | None:
    if url is None:
        return None
    parts = urlsplit(url)
    try:
        _ = parts.port
    except ValueError:
        raise ConfigError("YANDEX_ENDPOINT_URL (or S3_ENDPOINT_URL): the port is not a number up to 65535") from None
    if parts.username or parts.password:
        raise ConfigError("YANDEX_ENDPOINT_URL (or S3_ENDPOINT_URL) holds a user or password: leave them out")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ConfigError(
            f"{url!r} is not the address of an S3 service: set YANDEX_ENDPOINT_URL (or S3_ENDPOINT_URL) "
            "to something like https://storage.yandexcloud.net"
        )
    return url.rstrip("/")


def _default_region(url: str | None) -> str:
    host = urlsplit(url or "").hostname or ""
    return "ru-central1" if f".{host}".endswith(f".{_YANDEX_DOMAIN}") else "us-east-1"


def _checked_prefix(prefix: str) -> str:
    words = prefix.strip("/")
    if not words:
        return ""
    try:
        return f"{check_key(words)}/"
    except StoreError as exc:
        raise ConfigError(f"S3_PREFIX: {exc}") from None
