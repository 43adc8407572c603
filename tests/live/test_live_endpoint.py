"""A real endpoint: run with RUNPOD_API_KEY and RUNPOD_URL set; it costs one picture and a cancelled job.

RUNPODKIT_DIALECT names the worker's dialect where it is not known.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator

import pytest

from runpodkit.endpoint.client import Endpoint, Policy
from runpodkit.endpoint.dialects import Dialect, get_dialect, public_dialect
from runpodkit.errors import AuthError, NotFoundError
from runpodkit.images.outputs import fetch_image
from runpodkit.jobs import JobStatus
from runpodkit.params import ImageParams
from runpodkit.settings import EndpointAddress, Settings

# Read when the tests are collected: each test starts with nothing configured.
GIVEN = {
    name: os.environ[name] for name in ("RUNPOD_API_KEY", "RUNPOD_URL", "RUNPODKIT_DIALECT") if os.environ.get(name)
}
pytestmark = pytest.mark.skipif(
    not {"RUNPOD_API_KEY", "RUNPOD_URL"} <= GIVEN.keys(),
    reason="RUNPOD_API_KEY and RUNPOD_URL are not set: no real endpoint to test against",
)


@pytest.fixture
def address() -> EndpointAddress:
    found = Settings.load(**GIVEN).address()
    assert found
    return found


@pytest.fixture
def dialect(address: EndpointAddress) -> Dialect:
    named = GIVEN.get("RUNPODKIT_DIALECT")
    return get_dialect(named) if named else public_dialect(address.endpoint_id) or get_dialect("native")


@pytest.fixture
async def endpoint(address: EndpointAddress) -> AsyncIterator[Endpoint]:
    async with Endpoint(address.url, address.api_key) as endpoint:
        yield endpoint


def bare_input(dialect: Dialect) -> dict[str, object]:
    return dialect.to_input(
        dialect.resolve(ImageParams(user_prompt="a red apple on a table", seed=7)), mark="live-test"
    )


async def test_health_counts_workers(endpoint: Endpoint) -> None:
    assert (await endpoint.health()).workers >= 0


async def test_another_key_is_refused(address: EndpointAddress) -> None:
    async with Endpoint(address.url, "rpa_made_up_for_tests") as stranger:
        with pytest.raises(AuthError):
            await stranger.health()


async def test_an_unknown_job_is_not_found(endpoint: Endpoint) -> None:
    with pytest.raises(NotFoundError, match="results last 30 minutes"):
        await endpoint.status("00000000-0000-0000-0000-000000000000-e1")


async def test_a_bare_prompt_becomes_a_picture(endpoint: Endpoint, dialect: Dialect, address: EndpointAddress) -> None:
    job = await endpoint.submit(bare_input(dialect), policy=Policy(execution_timeout_s=300, ttl_s=1200))
    done = await endpoint.wait(job, timeout_s=900)
    reading = dialect.read(done.output)

    assert reading.error is None
    picture = await fetch_image(reading.images[0], endpoint_host=address.host)
    assert picture.width >= 64


async def test_a_job_is_cancelled(endpoint: Endpoint, dialect: Dialect) -> None:
    job = await endpoint.submit(bare_input(dialect))

    assert (await endpoint.cancel(job)).status is JobStatus.CANCELLED
