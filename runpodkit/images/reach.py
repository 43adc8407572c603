"""Reach: which addresses may be connected to where somebody else, or somebody's text, names the host.

The address that is checked is the address that is connected to: names go through a resolver that refuses what is not
public before the connector sees it.  aiohttp is used directly for such connections, not under httpx, because its
resolver is the seam where that can be promised; httpx has none.
"""

from __future__ import annotations

import ipaddress
import socket

import aiohttp
from aiohttp.abc import ResolveResult

_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class RefusedError(Exception):
    """An address that must not be connected to."""


class CheckedResolver(aiohttp.ThreadedResolver):
    """The system's resolver, which gives no address that was not checked."""

    def __init__(self, private_allowed: bool, loopback_allowed: bool = False) -> None:
        super().__init__()
        self._private_allowed, self._loopback_allowed = private_allowed, loopback_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        for item in found:
            check_address(item["host"], self._private_allowed, self._loopback_allowed)
        return found


def check_literal(host: str, private_allowed: bool, loopback_allowed: bool = False) -> None:
    """Check a host that is written as an address; one never reaches the resolver.  A name passes.

    Raises:
        RefusedError: it must not be connected to.
    """
    if ":" in host or host.replace(".", "").isdigit():
        check_address(host, private_allowed, loopback_allowed)


def check_address(text: str, private_allowed: bool, loopback_allowed: bool = False) -> None:
    """Check one address.

    Args:
        private_allowed: Then any may be connected to.
        loopback_allowed: This machine may be, besides what is public.

    Raises:
        RefusedError: it must not be connected to.
    """
    if private_allowed:
        return
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        raise RefusedError("its address is written in a way that is not followed") from None
    if loopback_allowed and address.is_loopback:
        return
    if any(not _is_public(each) for each in (address, *_inside(address))):
        raise RefusedError("it leads to a private address, which only the endpoint itself may have")


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if address in _NAT64:  # an IPv6-only network's way to IPv4: what is inside decides
        return True
    return address.is_global and not (address.is_multicast or address.is_reserved)


def _inside(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that an IPv6 address stands for: mapped, compatible, 6to4, Teredo, NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64 or int(address) >> 32 == 0:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [each for each in found if each is not None]


def failure(exc: BaseException) -> str:
    """Why a connection failed, in words of ours: aiohttp's may repeat the whole link, signature included."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError | aiohttp.ClientSSLError):
        return "its certificate is not trusted"
    if isinstance(exc, aiohttp.ClientConnectorDNSError):
        return "its host name is not known"
    if isinstance(exc, aiohttp.ClientConnectorError):
        return "cannot connect"
    if isinstance(exc, TimeoutError):
        return "it went silent"
    return f"the connection broke ({type(exc).__name__})"
