#!/usr/bin/env python3
"""cut-proxy.py HOST LISTEN_PORT TARGET_PORT AFTER_BYTES CUTS STATS: a TCP proxy on one host that breaks downloads.

A connection to the client is closed once AFTER_BYTES have gone through it, CUTS times in all; later connections live.
STATS is a JSON file: how often it cut, how many requests carried a Range, how many answers were 206, how many bytes
went down. That is what tells a download that was resumed from one that was merely started again. (Of TLS it sees the
bytes only.)
"""
import asyncio
import json
import re
import sys

host = sys.argv[1]
listen, target, after, cuts = (int(a) for a in sys.argv[2:6])
stats = {"cut": 0, "ranged": 0, "partial": 0, "down": 0}


def save():
    with open(sys.argv[6], "w") as f:
        json.dump(stats, f)


async def up(reader, writer):
    try:
        while data := await reader.read(65536):
            stats["ranged"] += len(re.findall(rb"(?im)^range: bytes=\d+", data))
            save()
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass


async def client(reader, writer):
    global cuts
    try:
        from_server, to_server = await asyncio.open_connection(host, target)
    except OSError:
        writer.close()
        return
    sender = asyncio.create_task(up(reader, to_server))
    sent = 0
    try:
        while data := await from_server.read(65536):
            if cuts > 0 and sent + len(data) > after:
                # What is due before the cut still goes out, then an orderly end: clients take that for a
                # truncated body, which is what they resume.
                cuts -= 1
                stats["cut"] += 1
                data = data[: after - sent]
                stats["down"] += len(data)
                writer.write(data)
                await writer.drain()
                break
            sent += len(data)
            stats["down"] += len(data)
            stats["partial"] += len(re.findall(rb"HTTP/1\.1 206 ", data))
            save()
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    save()
    sender.cancel()
    for w in (writer, to_server):
        w.close()


async def main():
    save()
    server = await asyncio.start_server(client, host, listen)
    async with server:
        await server.serve_forever()


asyncio.run(main())
