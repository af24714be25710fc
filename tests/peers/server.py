"""Servers of the library `websockets`, one for each way to compress. Prints their ports, and ends with its standard input."""

import asyncio
import json
import sys

from websockets.asyncio.server import serve
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory

PARAMETERS = json.loads(sys.argv[1])


async def handle(ws):
    path = ws.request.path
    if path == "/ping":
        await asyncio.wait_for(await ws.ping("are you there?"), 60)
        await ws.send("it is")
    async for message in ws:
        if path == "/fragments":
            await ws.send([message[at : at + 3] for at in range(0, len(message), 3)])
        elif isinstance(message, str) and message.startswith("close "):
            _, code, reason = message.split(" ", 2)
            await ws.close(int(code), reason)
        else:
            await ws.send(message)


def start(parameters):
    options = {"subprotocols": ["two", "one"]}
    if parameters is not None:
        options["extensions"] = [ServerPerMessageDeflateFactory(**parameters)]
    return serve(handle, "127.0.0.1", 0, compression=None, max_size=None, ping_interval=None, select_subprotocol=choose, **options)


def choose(_, offered):
    return offered[-1] if offered else None


async def main():
    servers = [await start(parameters) for parameters in PARAMETERS]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    for server in servers:
        server.close()


asyncio.run(main())
