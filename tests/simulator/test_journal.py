"""The journal: what reached the service, whatever became of the answer, and no key."""

from __future__ import annotations

import json
from pathlib import Path

import httpx

from runpodkit.simulator.app import Simulator
from runpodkit.simulator.journal import Journal

KEY = "rpa_made_up_for_tests"


async def test_every_request_is_a_line_and_a_job_comes_with_its_input(tmp_path: Path) -> None:
    file = tmp_path / "journal.jsonl"
    simulator = Simulator(endpoint_id="local", api_key=KEY, workers=1, journal=Journal(file))
    transport = httpx.ASGITransport(app=simulator.app())
    headers = {"Authorization": f"Bearer {KEY}"}
    async with httpx.AsyncClient(transport=transport, base_url="http://x/v2/local/", headers=headers) as client:
        job = (await client.post("run", json={"input": {"prompt": "é", "seed": 3}})).json()["id"]
        await client.post("run", json={"input": "nothing"})
        await client.get(f"status/{job}")
        await client.get("health", headers={"Authorization": "Bearer another"})
    await simulator._workers.aclose()

    lines = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    told = [(line["operation"], line["status"], line.get("job"), line.get("input")) for line in lines]
    assert told == [
        ("run", 200, job, {"prompt": "é", "seed": 3}),
        ("run", 400, None, None),
        ("status", 200, None, None),
        ("health", 401, None, None),
    ]
    assert all(line["at"] > 1.7e9 for line in lines)
    assert KEY not in file.read_text("utf-8")
