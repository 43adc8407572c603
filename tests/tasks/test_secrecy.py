"""Secrets that callers write into arguments, hunted through what a Celery worker logs, tells and answers."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from tests.tasks.conftest import System, soon

SMALL = {"width": 64, "height": 64, "steps": 1}
CANARY = "canary0123456789"
SECRET: dict[str, Any] = {
    "hf_token": CANARY,
    "nested": {"api_key": CANARY},
    "link": f"https://h/k?X-Amz-Signature={CANARY}",
}


def test_no_secret_of_an_argument_is_in_log_events_or_what_flower_asks_for(system: System) -> None:
    events: list[dict[str, Any]] = []
    with system.caller.connection() as connection:
        receiver = system.caller.events.Receiver(connection, handlers={"*": events.append})
        hearing = threading.Thread(target=lambda: _hear(receiver), daemon=True)
        hearing.start()
        sent = system.send(
            "generate_image",
            user_prompt="a pier with a token",
            extra={"mock": {"exec_ms": 1500, "bytes": 1000}, **SECRET},
            **SMALL,
        )
        inspected = soon(lambda: _flat(system.caller.control.inspect(timeout=0.5).active() or {}))
        result = sent.get(timeout=30)
        link = f"https://h/k.png?X-Amz-Signature={CANARY}"
        with pytest.raises(ValueError, match="the native dialect has no such input"):
            system.send("generate_image", user_prompt="a bad one", input_image=link, extra=SECRET).get(timeout=20)
        soon(lambda: [event for event in events if event["type"] == "task-failed"])
        receiver.should_stop = True
        hearing.join(10)

    assert result["success"] is True
    assert "a pier with a token" in inspected
    told = json.dumps(events, default=str)
    assert "a pier with a token" in told
    assert {"task-received", "task-started", "task-succeeded"} <= {event["type"] for event in events}
    assert "a bad one" in told
    for where in (inspected, told, system.logs()):
        assert CANARY not in where


def test_a_result_holds_no_arguments_and_lasts_an_hour(system: System) -> None:
    sent = system.send("generate_image", user_prompt="a kept one", extra={"hf_token": CANARY}, **SMALL)
    sent.get(timeout=30)
    key = sent.backend.get_key_for_task(sent.id)

    kept = sent.backend.get(key)

    assert CANARY not in str(kept)
    assert "kwargs" not in json.loads(kept)
    assert 3500 < sent.backend.client.ttl(key) <= 3600


def _hear(receiver: Any) -> None:
    try:
        receiver.capture(limit=None, timeout=30, wakeup=True)
    except (TimeoutError, OSError):
        return


def _flat(active: dict[str, Any]) -> str:
    return str(active) if any(active.values()) else ""
