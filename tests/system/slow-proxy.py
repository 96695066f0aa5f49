#!/usr/bin/env python3
"""slow-proxy.py LISTEN_PORT TARGET_PORT BYTES_PER_SECOND: a TCP proxy on loopback that lets a client send no faster, all its
connections together. What the server sends passes as it comes."""
import asyncio
import sys

listen, target, rate = map(int, sys.argv[1:])
CHUNK = 1 << 14
free_at = 0.0


async def pump(reader, writer, slow):
    global free_at
    clock = asyncio.get_running_loop().time
    while piece := await reader.read(CHUNK):
        if slow:
            free_at = max(free_at, clock()) + len(piece) / rate
            await asyncio.sleep(free_at - clock())
        writer.write(piece)
        await writer.drain()


async def serve(reader, writer):
    from_server, server = await asyncio.open_connection("127.0.0.1", target)
    ways = [asyncio.create_task(pump(reader, server, True)), asyncio.create_task(pump(from_server, writer, False))]
    await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    for it in (*ways, writer, server):
        it.cancel() if isinstance(it, asyncio.Task) else it.close()


async def main():
    # Little is buffered: a client that is done sending is done soon.
    server = await asyncio.start_server(serve, "127.0.0.1", listen, limit=CHUNK)
    async with server:
        await server.serve_forever()


asyncio.run(main())
