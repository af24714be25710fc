"""A client of the library `websockets`: speaks with the server whose port it is given, and says what came of each conversation."""

import asyncio
import json
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

URI = f"ws://127.0.0.1:{sys.argv[1]}/"
LARGE = 8 << 20
MESSAGES = [
    "", "a", "κόσμε 😀", b"", b"\x00\xff", b"x" * 125, b"x" * 126, bytes(range(256)) * 256, "ü" * 40_000, b"z" * (1 << 20),
    "tail " * 30_000,
]
COMPRESSED = ["", "a", "κόσμε 😀", b"", b"x" * 126, "ü" * 4000, bytes(range(256)) * 160, "tail " * 1000]


def socket(**options):
    return connect(URI, max_size=LARGE + 1, proxy=None, open_timeout=60, ping_interval=None, **options)


async def echoes(ws, messages):
    sending = asyncio.create_task(send_all(ws, messages))
    for message in messages:
        answer = await ws.recv()
        assert answer == message, f"{message[:20]!r} came back as {answer[:20]!r}"
    await sending


async def send_all(ws, messages):
    for message in messages:
        await ws.send(message)


async def plain():
    async with socket(compression=None) as ws:
        assert ws.response.headers.get("Sec-WebSocket-Extensions") is None
        await echoes(ws, MESSAGES)
    assert (ws.close_code, ws.close_reason) == (1000, ""), f"{ws.close_code} {ws.close_reason}"


async def large():
    async with socket(compression=None) as ws:
        await echoes(ws, [b"l" * LARGE])


async def fragments():
    async with socket() as ws:
        await ws.send(["fr", "", "ag", "ments ✓"])
        assert await ws.recv() == "fragments ✓"
        await ws.send([b"a", b"b" * 70_000, b""])
        assert await ws.recv() == b"a" + b"b" * 70_000


async def pings():
    async with socket() as ws:
        for payload in ["", "payload", "x" * 125]:
            await asyncio.wait_for(await ws.ping(payload), 60)
        await ws.pong("nobody has asked")
        await echoes(ws, ["after"])


async def subprotocols():
    async with socket(subprotocols=["one", "two"]) as ws:
        assert ws.subprotocol == "two"
        await echoes(ws, ["x"])


async def client_closes():
    for code, reason in [(1000, ""), (1001, "away"), (3000, "x" * 123), (4999, "grüße ✓")]:
        async with socket() as ws:
            await ws.close(code, reason)
        assert (ws.close_code, ws.close_reason) == (code, reason), f"{ws.close_code} {ws.close_reason}"


async def worker_closes():
    for code, reason in [(1000, ""), (1011, "broken"), (4000, "grüße ✓")]:
        async with socket() as ws:
            await ws.send(f"close {code} {reason}")
            try:
                raise AssertionError(f"it goes on: {await ws.recv()!r}")
            except ConnectionClosed as closed:
                assert (closed.rcvd.code, closed.rcvd.reason) == (code, reason), f"{closed}"


async def compressed(**options):
    async with socket(compression=None, extensions=[ClientPerMessageDeflateFactory(**options)]) as ws:
        assert "permessage-deflate" in ws.response.headers["Sec-WebSocket-Extensions"]
        await echoes(ws, COMPRESSED + COMPRESSED)
        await ws.send(["fr", "ag" * 1000, "ments"])
        assert await ws.recv() == "fr" + "ag" * 1000 + "ments"
    assert ws.close_code == 1000


async def many():
    async def one(number):
        async with socket() as ws:
            await echoes(ws, [f"{number}: {turn}" for turn in range(20)])

    await asyncio.gather(*(one(number) for number in range(100)))


CASES = {
    "plain": plain, "large": large, "fragments": fragments, "pings": pings, "subprotocols": subprotocols,
    "client closes": client_closes, "worker closes": worker_closes, "many": many,
}
for parameters in [
    {}, {"server_no_context_takeover": True}, {"client_no_context_takeover": True},
    {"server_no_context_takeover": True, "client_no_context_takeover": True},
    *({"server_max_window_bits": bits} for bits in range(9, 16)),
    *({"client_max_window_bits": bits} for bits in range(9, 16)),
    {"client_max_window_bits": None},
    {"server_max_window_bits": 9, "client_max_window_bits": 9, "server_no_context_takeover": True},
]:
    CASES[f"compressed {parameters}"] = lambda parameters=parameters: compressed(**parameters)


async def main():
    results = {}
    for name, case in CASES.items():
        try:
            await asyncio.wait_for(case(), 120)
            results[name] = "ok"
        except Exception as error:
            results[name] = f"{type(error).__name__}: {error}"
    print(json.dumps(results))


asyncio.run(main())
