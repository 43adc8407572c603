"""Fingerprints: equal where a worker may serve both, different where it may not."""

from __future__ import annotations

import os
import re

import pytest
from pydantic import SecretStr

from runpodkit import stack
from runpodkit.settings import EndpointAddress, Settings
from runpodkit.stack import identity
from runpodkit.stack.processes import identify
from runpodkit.stack.state import SimulatorRecord, State, write

LIVE = EndpointAddress("https://api.runpod.ai/v2/abc123", SecretStr("rpa_one"))
BUCKET = {"YANDEX_BUCKET_NAME": "b", "YANDEX_ACCESS_KEY": "a", "YANDEX_SECRET_KEY": "secret-one"}


def test_it_is_eight_hex_digits_and_steady():
    settings = Settings.load()

    assert re.fullmatch("[0-9a-f]{8}", stack.fingerprint(settings, LIVE))
    assert stack.fingerprint(settings, LIVE) == stack.fingerprint(Settings.load(), LIVE)


@pytest.mark.parametrize(
    "change",
    [
        {"RUNPODKIT_DIALECT": "a1111"},
        {"RUNPODKIT_GPU": "A100"},
        {"RUNPODKIT_MODEL": "sdxl"},
        {"RUNPODKIT_AI_MARK": "0"},
        {"RUNPODKIT_HOME": "/elsewhere"},
        BUCKET,
    ],
)
def test_each_setting_that_changes_the_work_changes_it(change):
    assert stack.fingerprint(Settings.load(), LIVE) != stack.fingerprint(Settings.load(**change), LIVE)


@pytest.mark.parametrize(
    "change", [{"YANDEX_SECRET_KEY": "secret-two"}, {"S3_PREFIX": "p"}, {"S3_ENDPOINT_URL": "https://s3"}]
)
def test_another_store_or_key_of_it_changes_it(change):
    one, other = Settings.load(**BUCKET), Settings.load(**{**BUCKET, **change})

    assert stack.fingerprint(one, LIVE) != stack.fingerprint(other, LIVE)


def test_the_home_does_not_matter_where_the_store_is_a_bucket():
    one, other = Settings.load(**BUCKET), Settings.load(**BUCKET, RUNPODKIT_HOME="/elsewhere")

    assert identity.family(one, LIVE) == identity.family(other, LIVE)


def test_another_endpoint_or_key_changes_it():
    settings = Settings.load()
    others = [None, EndpointAddress(LIVE.url, SecretStr("rpa_two")), EndpointAddress(f"{LIVE.url}4", LIVE.api_key)]

    assert len({stack.fingerprint(settings, address) for address in [LIVE, *others]}) == 4


def test_the_stand_in_is_one_endpoint_whatever_its_port(settings, home):
    marks = set()
    for port in (8001, 8002):
        record = SimulatorRecord(process=identify(os.getpid()), port=port, key="its own key")
        write(home, State(simulator=record))
        marks.add(stack.fingerprint(settings, stack.simulator_address(settings)))
    write(home, State())

    assert marks == {stack.fingerprint(settings, None)}


def test_a_simulator_that_the_user_runs_is_an_endpoint_of_its_own(settings):
    theirs = EndpointAddress("http://127.0.0.1:8100/v2/local", SecretStr("another key"))

    assert stack.fingerprint(settings, theirs) != stack.fingerprint(settings, None)


def test_a_newer_file_of_the_package_changes_it_but_not_the_family(tmp_path):
    settings = Settings.load()
    (tmp_path / "a.py").touch()
    before = identity.fingerprint(settings, LIVE, tmp_path)
    os.utime(tmp_path / "a.py", ns=(2**60, 2**60))

    assert identity.newest_ns(tmp_path) == 2**60
    assert identity.fingerprint(settings, LIVE, tmp_path) != before


def test_queues_are_named_after_it_on_the_embedded_redis_and_plain_on_a_foreign_one():
    mark = stack.fingerprint(Settings.load(), LIVE)

    assert stack.queues(Settings.load(), LIVE) == (f"sweeps-{mark}", f"high_priority-{mark}")
    assert stack.queues(Settings.load(REDIS_URL="redis://h/0"), LIVE) == ("sweeps", "high_priority")
