"""Billing: what RunPod charged for an endpoint, hour by hour.

Asks RunPod's REST API (v2), never the endpoint's own host, with the key of the endpoint; where that key may go is
`EndpointAddress.billing_url`'s to say.  Money is what the answer says and nothing else: no bucket means that nothing
was billed in it.

Source: RunPod docs, "Get serverless billing history" and "Get public endpoint billing history" (API reference v2).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
from pydantic import SecretStr

from runpodkit.endpoint.transport import Transport
from runpodkit.errors import AuthError, ProtocolError

HOUR_S = 3600.0
READS_BILLING = (
    "the key may not read billing: in the RunPod console, Settings, API keys, give it All or Read Only, or under Restricted "
    "read access to RunPod's API beside that to the endpoint, or use another key"
)


@dataclass(frozen=True, slots=True)
class Hour:
    """What one hour cost.  Times in seconds since the epoch, money in USD."""

    start_s: float
    end_s: float
    total_usd: float
    storage_and_fees_usd: float
    """Disk and platform fee, of the total."""


class Billing:
    """The billing history that one key may read."""

    def __init__(self, url: str, api_key: SecretStr, *, http: httpx.AsyncBaseTransport | None = None) -> None:
        """Opens no connection.

        Args:
            url: As `EndpointAddress.billing_url` gives it.
            http: Another httpx transport instead of the network.
        """
        self._transport = Transport(url, api_key, http=http)

    async def hours(self, endpoint_id: str | None, start_s: float, end_s: float) -> list[Hour]:
        """The hours of a time that were billed, oldest first; the hours that it begins and ends in are there whole.

        Args:
            endpoint_id: None: RunPod's public endpoints, all of them together: no bill tells them apart.
            start_s, end_s: Seconds since the epoch.

        Raises:
            AuthError: the key may not read billing, or is wrong.
            ApiError, TransportError: as of `Transport.call`.
            ProtocolError: an answer that cannot be read.
        """
        start, end = start_s // HOUR_S * HOUR_S, -(-end_s // HOUR_S) * HOUR_S
        asked = {"bucketSize": "hour", "startTime": _wire_time(start), "endTime": _wire_time(end)}
        if endpoint_id is not None:
            asked["serverlessId"] = endpoint_id
        path = "endpoints" if endpoint_id is None else "serverless"
        try:
            answer = await self._transport.call("GET", path, operation="billing", params=asked)
        except AuthError as exc:
            raise AuthError(exc.status_code, f"GET billing/{path}: {READS_BILLING}") from None
        try:
            records = json.loads(answer)["records"]
            return sorted((_hour(record) for record in records), key=lambda hour: hour.start_s)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
            raise ProtocolError(f"GET billing/{path}: the answer cannot be read ({type(exc).__name__})") from None

    async def aclose(self) -> None:
        """Close its connections."""
        await self._transport.aclose()


def _hour(record: dict[str, Any]) -> Hour:
    rest = sum(float(record.get(name) or 0.0) for name in ("diskAmount", "feeAmount"))
    return Hour(_seconds(record["startTime"]), _seconds(record["endTime"]), float(record["totalAmount"]), rest)


def _wire_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
