"""The stores under test: a folder, a zip file, and buckets on two S3 servers in processes of their own.

Both servers check signatures: moto as its IAM does, nanio as S3 does.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import boto3
import httpx
import pytest
from botocore.config import Config
from pydantic import SecretStr

from runpodkit.storage import Store
from runpodkit.storage.local import LocalStore
from runpodkit.storage.s3 import S3Store
from runpodkit.storage.zipped import ZipStore, write_zip

_POLICY = '{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":{},"Resource":"*"}}]}}'


class Server(NamedTuple):
    """An S3 server with an empty bucket named `pictures`."""

    url: str
    access_key: str
    secret_key: str
    signed_links: bool
    """Whether it can read a presigned link while it checks signatures; moto cannot."""

    def store(self, **changed: object) -> S3Store:
        given = {
            "bucket": "pictures",
            "access_key": SecretStr(self.access_key),
            "secret_key": SecretStr(self.secret_key),
            "endpoint_url": self.url,
            "region": "ru-central1",
            "max_attempts": 2,
        }
        return S3Store(**{**given, **changed})  # type: ignore[arg-type]


class Backend(NamedTuple):
    name: str
    opens_links: bool
    new: Callable[[], Store]


class Filled(NamedTuple):
    """A kind of store that tests fill before they read it; one kind can only be read."""

    name: str
    fill: Callable[[Mapping[str, bytes]], Store]
    again: Callable[[], Store]
    """The same store, opened anew."""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def start(command: list[str], env: dict[str, str], url: str, log: Path) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers anything at all."""
    with log.open("wb") as output:
        server = subprocess.Popen(command, env={**os.environ, **env}, stdout=output, stderr=output)
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            if server.poll() is not None:
                break
            time.sleep(0.05)
        else:
            return server
    server.kill()
    server.wait()
    raise AssertionError(f"{command[:4]} did not start:\n{log.read_text()}")


def stop(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(10)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def make_bucket(server: Server) -> None:
    boto3.session.Session(server.access_key, server.secret_key, region_name="ru-central1").client(
        "s3", endpoint_url=server.url, config=Config(s3={"addressing_style": "path"})
    ).create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": "ru-central1"})


def reader_of(server: Server) -> Server:
    """The same server for a user who may list and read, and nothing else; moto alone has users."""
    session = boto3.session.Session(server.access_key, server.secret_key, region_name="us-east-1")
    iam = session.client("iam", endpoint_url=server.url)
    iam.create_user(UserName="bob")
    allowed = _POLICY.format('["s3:ListBucket","s3:GetObject"]')
    iam.put_user_policy(UserName="bob", PolicyName="reads", PolicyDocument=allowed)
    keys = iam.create_access_key(UserName="bob")["AccessKey"]
    iam.close()
    return server._replace(access_key=keys["AccessKeyId"], secret_key=keys["SecretAccessKey"])


def nanio_command(port: int, folder: Path) -> list[str]:
    return [
        sys.executable, "-m", "nanio", "serve", "--host", "127.0.0.1", "--port", str(port),
        "--region", "ru-central1", "--data-dir", str(folder), "--log-level", "warning",
    ]  # fmt: skip


NANIO_ENV = {"NANIO_ACCESS_KEY": "nanio-access-key", "NANIO_SECRET_KEY": "nanio-secret-key-0123456789"}


@pytest.fixture(scope="session")
def nanio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("nanio"), free_port()
    url = f"http://127.0.0.1:{port}"
    process = start(nanio_command(port, folder / "data"), NANIO_ENV, url, folder / "log")
    try:
        server = Server(url, *NANIO_ENV.values(), signed_links=True)
        make_bucket(server)
        yield server
    finally:
        stop(process)


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder, port = tmp_path_factory.mktemp("moto"), free_port()
    url = f"http://127.0.0.1:{port}"
    # Three calls go unchecked: they make the user whose keys all later calls need.
    process = start(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        {"INITIAL_NO_AUTH_ACTION_COUNT": "3"},
        f"{url}/moto-api/",
        folder / "log",
    )
    try:
        iam = boto3.session.Session("first", "first", region_name="us-east-1").client("iam", endpoint_url=url)
        iam.create_user(UserName="anna")
        iam.put_user_policy(UserName="anna", PolicyName="all", PolicyDocument=_POLICY.format('"*"'))
        keys = iam.create_access_key(UserName="anna")["AccessKey"]
        server = Server(url, keys["AccessKeyId"], keys["SecretAccessKey"], signed_links=False)
        make_bucket(server)
        yield server
    finally:
        stop(process)


@pytest.fixture(params=["folder", "moto", "nanio"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Backend:
    return _backend(request, request.param, tmp_path)


def _backend(request: pytest.FixtureRequest, name: str, tmp_path: Path) -> Backend:
    if name == "folder":
        return Backend("folder", True, lambda: LocalStore(tmp_path / "store"))
    server: Server = request.getfixturevalue(name)
    prefix = f"team/{tmp_path.name}"  # a corner of its own for each test
    return Backend(name, server.signed_links, lambda: server.store(prefix=prefix))


@pytest.fixture
def store(backend: Backend) -> Store:
    return backend.new()


@pytest.fixture(params=["folder", "moto", "nanio", "zip"])
def filled(request: pytest.FixtureRequest, tmp_path: Path) -> Filled:
    if request.param == "zip":
        file = tmp_path / "kept.zip"

        def fill(values: Mapping[str, bytes]) -> Store:
            write_zip(file, values.items(), {})
            return ZipStore(file)

        return Filled("zip", fill, lambda: ZipStore(file))
    backend = _backend(request, request.param, tmp_path)

    def put(values: Mapping[str, bytes]) -> Store:
        store = backend.new()
        for key, data in values.items():
            store.put(key, data)
        return store

    return Filled(request.param, put, backend.new)
