"""The error tree: complete, as drawn, and able to cross processes."""

from __future__ import annotations

import copy
import inspect
import json
import pickle
import re

import pytest

from runpodkit import errors

EXAMPLES = [
    errors.RunpodkitError("broken"),
    errors.ConfigError("RUNPOD_URL is not set"),
    errors.TransportError("GET x/health: no answer", False),
    errors.TransportError("GET x/health: no answer"),
    errors.ProtocolError("answer is not JSON: '<html>'"),
    errors.ApiError(418, "teapot"),
    errors.AuthError(401, "unauthorized"),
    errors.NotFoundError(404, "job not found"),
    errors.RateLimitError(429, "slow down", 2.5),
    errors.RateLimitError(429, "slow down"),
    errors.ServerError(502, "bad gateway"),
    errors.JobError("abc", "WEIRD", "no idea"),
    errors.JobFailedError("abc", "FAILED", "out of memory"),
    errors.JobCancelledError("abc", "CANCELLED", "by request"),
    errors.JobTimedOutError("abc", "TIMED_OUT", "too slow"),
    errors.WaitTimeoutError("abc", 600.0),
    errors.OutputError("no picture in the output"),
    errors.RunHeldError("pier", "budget spent"),
    errors.RunConflictError("pier", "steps [5] here, [6] there"),
    errors.DriftError("pier", "trial 0 differs by 0.212", 0.03),
    errors.LedgerError("Redis is full"),
    errors.StackError("Redis", "port taken", "Set REDIS_URL"),
    errors.StoreError("the bucket does not exist"),
    errors.NoSuchKeyError("no such key: images/x.png"),
    errors.StoreRefusedError("AccessDenied: the keys have no permission"),
]


def _classes() -> dict[str, type]:
    return {
        name: found
        for name, found in vars(errors).items()
        if inspect.isclass(found) and issubclass(found, Exception) and found.__module__ == errors.__name__
    }


def _drawn() -> dict[str, str | None]:
    """Name and parent of each line of the drawing."""
    parents: dict[str, str | None] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"((?:│   |    )*)(?:[├└]── )?(\w+Error)\b", line)
        if match is None:
            continue
        depth = len(match[1]) // 4 + (1 if "── " in line else 0)
        path = [*path[:depth], match[2]]
        parents[match[2]] = path[-2] if depth else None
    return parents


def test_the_drawing_is_the_tree():
    tree = {name: found.__base__.__name__ for name, found in _classes().items()}

    assert _drawn() == {**tree, "RunpodkitError": None}


def test_every_error_is_ours_and_ends_in_error():
    for name, found in _classes().items():
        assert name.endswith("Error")
        assert issubclass(found, errors.RunpodkitError)
        assert found.__doc__


def test_every_error_has_an_example_here():
    assert {type(example).__name__ for example in EXAMPLES} == set(_classes())


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_errors_survive_pickle(error, protocol):
    back = pickle.loads(pickle.dumps(error, protocol))

    assert type(back) is type(error)
    assert (back.args, str(back), vars(back)) == (error.args, str(error), vars(error))


@pytest.mark.parametrize("error", EXAMPLES, ids=lambda error: type(error).__name__)
def test_errors_survive_copy_and_json(error):
    assert vars(copy.copy(error)) == vars(error)

    back = type(error)(*json.loads(json.dumps(error.args)))
    assert (back.args, str(back)) == (error.args, str(error))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (errors.JobFailedError("abc", "FAILED", "out of memory"), "job abc ended FAILED: out of memory"),
        (errors.RateLimitError(429, "slow down", 2.5), "HTTP 429: slow down"),
        (
            errors.StackError("Redis", "port taken", "Set REDIS_URL"),
            "Redis cannot be started: port taken. Set REDIS_URL",
        ),
        (errors.RunHeldError("pier", "budget spent"), "run pier is held: budget spent"),
        (errors.TransportError("no answer"), "no answer"),
    ],
)
def test_messages_name_the_thing(error, text):
    assert str(error) == text


def test_a_lost_request_may_have_been_accepted_unless_said_otherwise():
    assert errors.TransportError("x").may_be_accepted is True
    assert errors.TransportError("x", False).may_be_accepted is False
