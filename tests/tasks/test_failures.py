"""Failures of tasks: which are tried again, and that each class arrives as itself over a real Redis."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from celery import Celery
from celery.result import AsyncResult
from pydantic import ValidationError

from runpodkit import errors, stack
from runpodkit.params import ImageParams
from runpodkit.runs.dispatch import CELERY_SETTINGS
from runpodkit.runs.ledger import FencedError
from runpodkit.settings import Settings
from runpodkit.tasks.failures import as_told, passes
from tests.test_errors import EXAMPLES

pytestmark = pytest.mark.filterwarnings("ignore:Call to deprecated setex:DeprecationWarning")  # Celery 5.7's own
SIGNED = "https://h/b/k.png?X-Amz-Signature=canary"


@pytest.fixture(scope="module")
def backend(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Celery]:
    """A Celery application on a Redis of its own."""
    folder = tmp_path_factory.mktemp("backend")
    settings = Settings.load(folder, RUNPODKIT_HOME=folder / "home")
    url = stack.broker_url(stack.ensure_redis(settings))
    app = Celery("caller", set_as_current=False)
    app.conf.update(CELERY_SETTINGS, broker_url=url, result_backend=url)
    yield app
    app.close()
    app.backend.client.close()
    stack.down(settings)


def crossed(app: Celery, error: Exception) -> BaseException:
    """What the caller's `get()` raises for it."""
    app.backend.mark_as_failure("t", error)
    with pytest.raises(BaseException) as raised:
        AsyncResult("t", app=app).get(timeout=10)
    return raised.value


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_every_class_arrives_as_itself_with_its_attributes(backend: Celery, error: errors.RunpodkitError) -> None:
    back = crossed(backend, as_told(error))

    assert type(back) is type(error)
    assert vars(back) == vars(error)
    assert str(back) == str(error)


def test_values_out_of_bounds_arrive_as_a_value_error_that_can_be_read(backend: Celery) -> None:
    with pytest.raises(ValidationError) as bad:
        ImageParams(user_prompt="a", steps=0)

    back = crossed(backend, as_told(bad.value))

    assert type(back) is ValueError
    assert str(back) == "steps=0: input should be greater than or equal to 1"


def test_a_class_that_a_caller_lacks_arrives_as_the_nearest_one(backend: Celery) -> None:
    assert type(crossed(backend, as_told(FencedError("batch 0")))) is errors.LedgerError
    assert type(crossed(backend, as_told(UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad")))) is ValueError


def test_what_is_told_has_no_signature() -> None:
    for error in (
        errors.StoreError(f"cannot read {SIGNED}"),
        ValueError(f"bad {SIGNED}"),
        errors.ApiError(403, SIGNED),
    ):
        assert "canary" not in str(as_told(error))
        assert "canary" not in repr(as_told(error))


def test_only_what_may_be_over_soon_is_tried_again() -> None:
    again = [
        errors.LedgerError("Redis: could not reach it"),
        errors.TransportError("no answer"),
        errors.ServerError(502, "bad gateway"),
        errors.RateLimitError(429, "slow down"),
        errors.StoreError("no answer from the bucket"),
        errors.RunHeldError("one", "endpoint down", passes=True),
    ]
    never = [
        errors.RunHeldError("one", "HTTP 401"),
        errors.JobFailedError("j", "FAILED", "out of memory"),
        errors.JobCancelledError("j", "CANCELLED", "by request"),
        errors.WaitTimeoutError("j", 5),
        errors.AuthError(401, "key"),
        errors.NotFoundError(404, "endpoint"),
        errors.ConfigError("RUNPOD_URL is not set"),
        errors.NoSuchKeyError("no such key"),
        errors.OutputError("no picture"),
        ValueError("steps=0"),
        TypeError("stepz"),
        KeyError("a bug"),
    ]

    assert [error for error in again if not passes(error)] == []
    assert [error for error in never if passes(error)] == []
