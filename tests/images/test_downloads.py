"""Downloads over real sockets: where they go, what travels with them, and when they stop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from runpodkit.errors import OutputError
from runpodkit.images import downloads, outputs, reach
from runpodkit.jobs import ImageRef

Handler = Callable[[asyncio.StreamWriter, str], Awaitable[None]]


class Server:
    """A loopback server that answers as told and keeps the heads it was sent."""

    def __init__(self) -> None:
        self.heads: list[str] = []
        self.port = 0

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.port}"

    def url(self, path: str = "/x.png") -> str:
        return f"http://{self.host}{path}"


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[Server]:
    made = Server()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            made.heads.append(head)
            await handler(writer, head.split(" ")[1])
            await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()


def answering(body: bytes, status: str = "200 OK", *headers: str) -> Handler:
    async def handler(writer: asyncio.StreamWriter, path: str) -> None:
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
        writer.write("\r\n".join(lines).encode("latin-1") + b"\r\n\r\n" + body)

    return handler


async def get(url: str, endpoint_host: str = "", max_bytes: int = 10_000, timeout_s: float = 5.0) -> bytes:
    async def no_pause(_: float) -> None:
        return None

    return await downloads.download(
        url, endpoint_host=endpoint_host, max_bytes=max_bytes, timeout_s=timeout_s, sleep=no_pause
    )


# where it goes


async def test_the_endpoints_own_address_may_be_private(picture):
    async with serving(answering(picture())) as server:
        ref = ImageRef("url", server.url())

        assert (await outputs.fetch_image(ref, endpoint_host=server.host)).format == "png"


@pytest.mark.parametrize("endpoint", ["", "api.runpod.ai", "127.0.0.1", "127.0.0.1:1", "localhost"])
async def test_a_private_address_that_is_not_the_endpoints_is_never_connected_to(endpoint):
    async with serving(answering(b"secret")) as server:
        with pytest.raises(OutputError, match="private address"):
            await get(server.url(), endpoint)

    assert server.heads == []


async def test_a_name_that_resolves_to_loopback_is_never_connected_to():
    async with serving(answering(b"secret")) as server:
        with pytest.raises(OutputError, match="private address"):
            await get(f"http://localhost:{server.port}/", server.host)

    assert server.heads == []


async def test_the_endpoints_name_is_compared_without_regard_to_capitals():
    async with serving(answering(b"picture")) as server:
        assert await get(f"http://LOCALHOST:{server.port}/", f"localhost:{server.port}") == b"picture"


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "172.16.5.4",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "255.255.255.255",
        "224.0.0.1",
        "127.1",
        "2130706433",
        "0177.0.0.1",
        "0x7f000001",
        "0x7f.1",
        "①②⑦.0.0.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::127.0.0.1]",
        "[fe80::1]",
        "[fd00::1]",
        "[2002:7f00:1::]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::a9fe:a9fe]",
        "[ff02::1]",
    ],
)
async def test_no_spelling_of_a_private_address_gets_through(host):
    with pytest.raises(OutputError, match=r"private address|not followed|no host"):
        await get(f"http://{host}:9/", timeout_s=3)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808"])
def test_public_addresses_pass(address):
    reach.check_address(address, private_allowed=False)


async def test_a_redirect_to_a_private_address_is_not_followed():
    async with serving(answering(b"secret")) as inside:
        to = f"Location: {inside.url('/latest/meta-data')}"
        async with serving(answering(b"", "302 Found", to)) as server:
            with pytest.raises(OutputError, match="private address"):
                await get(server.url(), server.host)

    assert len(server.heads) == 1
    assert inside.heads == []


async def test_a_redirect_to_a_name_of_loopback_is_not_followed():
    async with serving(answering(b"secret")) as inside:
        to = f"Location: http://localhost:{inside.port}/"
        async with serving(answering(b"", "307 Temporary Redirect", to)) as server:
            with pytest.raises(OutputError, match="private address"):
                await get(server.url(), server.host)

    assert inside.heads == []


@pytest.mark.parametrize("to", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:image/png;base64,AAAA", "gopher://x/"])
async def test_a_redirect_out_of_http_is_not_followed(to):
    async with serving(answering(b"", "302 Found", f"Location: {to}")) as server:
        with pytest.raises(OutputError, match="only http"):
            await get(server.url(), server.host)


async def test_relative_redirects_are_followed_a_few_times_only():
    async def handler(writer: asyncio.StreamWriter, path: str) -> None:
        step = int(path.strip("/"))
        if step == 0:
            await answering(b"picture")(writer, path)
        else:
            await answering(b"", "301 Moved", f"Location: /{step - 1}")(writer, path)

    async with serving(handler) as server:
        assert await get(server.url("/5"), server.host) == b"picture"
        with pytest.raises(OutputError, match="more than 5 redirects"):
            await get(server.url("/6"), server.host)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("file:///etc/passwd", "only http"),
        ("ftp://host/x", "only http"),
        ("javascript:alert(1)", "only http"),
        ("simulated_uploaded/x.png", "names a file on the worker"),
        ("/workspace/x.png", "names a file on the worker"),
        ("../../etc/passwd", "names a file on the worker"),
        ("http://user:secret@example.com/", "user name or password"),
        ("http://", "no host"),
        ("http://host:99999/", "cannot be read"),
        ("http://exa mple.com/", "no host"),
        ("", "names a file"),
        ("http://[::1/", "cannot be read"),
    ],
)
async def test_what_is_no_http_link_is_refused_without_a_connection(url, words):
    with pytest.raises(OutputError, match=words) as caught:
        await get(url)
    assert "secret" not in str(caught.value)


# what travels


async def test_nothing_of_ours_travels(monkeypatch, tmp_path):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("RUNPOD_API_KEY", "rpa_secret")

    async def handler(writer: asyncio.StreamWriter, path: str) -> None:
        if path == "/second":
            await answering(b"picture")(writer, path)
        else:
            await answering(b"", "302 Found", "Location: /second", "Set-Cookie: a=b; Path=/")(writer, path)

    async with serving(handler) as server:
        assert await get(server.url(), server.host) == b"picture"

    assert len(server.heads) == 2
    names = {line.split(":")[0].lower() for head in server.heads for line in head.split("\r\n")[1:] if line}
    assert names == {"host", "user-agent", "accept", "accept-encoding", "connection"}


async def test_a_signed_query_goes_out_as_it_came_and_into_no_message():
    query = "?X-Amz-Credential=AKIA%2F2026&X-Amz-Signature=s3cr3t%2Bx&name=a+b"
    async with serving(answering(b"no", "403 Forbidden")) as server:
        with pytest.raises(OutputError, match=r"403.*expired") as caught:
            await get(server.url("/a%2Fb/x.png" + query), server.host)

    assert server.heads[0].startswith("GET /a%2Fb/x.png" + query + " HTTP/1.1")
    assert "s3cr3t" not in str(caught.value) and "AKIA" not in str(caught.value)


async def test_a_broken_answer_shows_no_query_in_its_traceback():
    async def handler(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(b"this is not http\r\n\r\n")

    async with serving(handler) as server:
        with pytest.raises(OutputError, match="connection broke") as caught:
            await get(server.url("/x?sig=s3cr3t"), server.host)

    import traceback

    shown = "".join(traceback.format_exception(caught.value)).split("s3cr3t")
    assert len(shown) <= 2, "only this test's own line may show it"


async def test_line_breaks_in_a_link_make_no_second_header():
    async with serving(answering(b"picture")) as server:
        await get(server.url("/x\r\nX-Evil: 1\r\n\r\n"), server.host)

    assert "\r\nx-evil" not in server.heads[0].lower()


# when it stops


async def test_more_than_announced_or_allowed_stops_early():
    sent = 0

    async def endless(writer: asyncio.StreamWriter, path: str) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while sent < 50_000_000:
            writer.write(bytes(65_536))
            sent += 65_536
            await writer.drain()

    async with serving(endless) as server:
        with pytest.raises(OutputError, match="more than 100,000 bytes"):
            await get(server.url(), server.host, max_bytes=100_000)

    assert sent < 20_000_000


async def test_an_announcement_over_the_bound_is_enough():
    async with serving(answering(bytes(20_000))) as server:
        with pytest.raises(OutputError, match="announces 20,000 bytes, over 10,000"):
            await get(server.url(), server.host)


async def test_a_dripping_answer_ends_at_the_time_bound():
    dripped = []

    async def drip(writer: asyncio.StreamWriter, path: str) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
        for number in range(9000):
            dripped.append(number)
            writer.write(b"x")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with serving(drip) as server:
        with pytest.raises(OutputError, match=r"not here after 0\.3 s"):
            await get(server.url(), server.host, timeout_s=0.3)

    assert 0 < len(dripped) < 4000


async def test_silence_ends_at_the_time_bound():
    async def silent(writer: asyncio.StreamWriter, path: str) -> None:
        await asyncio.sleep(1)

    async with serving(silent) as server:
        with pytest.raises(OutputError, match=r"not here after 0\.2 s"):
            await get(server.url(), server.host, timeout_s=0.2)


async def test_a_compressed_bomb_is_not_unpacked():
    import gzip

    bomb = gzip.compress(bytes(20_000_000))
    async with serving(answering(bomb, "200 OK", "Content-Encoding: gzip")) as server:
        ref = ImageRef("url", server.url())
        with pytest.raises(OutputError, match="gzip"):
            await outputs.fetch_image(ref, endpoint_host=server.host)


async def test_half_an_answer_is_asked_for_again():
    tries = 0

    async def handler(writer: asyncio.StreamWriter, path: str) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf")
        else:
            await answering(b"whole")(writer, path)

    async with serving(handler) as server:
        assert await get(server.url(), server.host) == b"whole"


async def test_a_busy_store_is_asked_three_times_and_a_missing_file_once():
    async with serving(answering(b"", "503 Slow Down")) as server:
        with pytest.raises(OutputError, match=r"HTTP 503 \(3 tries\)"):
            await get(server.url(), server.host)
    assert len(server.heads) == 3

    async with serving(answering(b"", "404 Not Found")) as server:
        with pytest.raises(OutputError, match=r"404.*gone"):
            await get(server.url(), server.host)
    assert len(server.heads) == 1


async def test_nobody_listening_is_one_line():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        with pytest.raises(OutputError, match="cannot connect"):
            await get(f"http://127.0.0.1:{port}/x", f"127.0.0.1:{port}")


async def test_an_unknown_name_is_one_line():
    with pytest.raises(OutputError, match=r"not known|not here"):
        await get("http://no-such-host.invalid/x.png", timeout_s=5)


async def test_a_picture_kept_elsewhere_under_a_html_error_is_named():
    async with serving(answering(b"<html>login</html>", "200 OK", "Content-Type: image/png")) as server:
        with pytest.raises(OutputError, match="an HTML page"):
            await outputs.fetch_image(ImageRef("url", server.url()), endpoint_host=server.host)
