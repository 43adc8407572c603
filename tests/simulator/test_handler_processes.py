"""What a handler's processes are given."""

from __future__ import annotations

from runpodkit.simulator.handler_processes import worker_environment

URL = "http://127.0.0.1:8100/v2/local"


def test_a_worker_is_given_the_simulator_s_addresses_and_none_of_the_user_s_secrets() -> None:
    users = {"PATH": "/bin", "RUNPOD_API_KEY": "x", "RUNPOD_REALTIME_PORT": "1", "AWS_PROFILE": "x", "REDIS_URL": "x"}

    given = worker_environment(users, "worker-1", URL, "made-up")

    assert given["PATH"] == "/bin"
    assert given["RUNPOD_WEBHOOK_GET_JOB"].startswith(f"{URL}/job-take/$ID?")
    assert not given.keys() & (users.keys() - {"PATH"})


def test_a_worker_reaches_the_simulator_past_any_proxy() -> None:
    given = worker_environment({"HTTP_PROXY": "http://proxy:3128", "no_proxy": "intranet"}, "worker-1", URL, "made-up")

    assert (given["NO_PROXY"], given["no_proxy"]) == ("127.0.0.1", "intranet,127.0.0.1")
