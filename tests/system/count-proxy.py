#!/usr/bin/env python3
"""count-proxy.py LISTEN_PORT TARGET_PORT: an HTTP/1.1 proxy on loopback that stands before an S3 server and counts.

It is asked by HTTP itself: `GET /.counts` answers how many requests of each kind there were since the last time, as JSON;
`PUT /.delay/SECONDS` makes every request from now on take so much longer. What the registry does by the clock (the lease in
_registry/) is passed on and not counted.
"""
import asyncio
import json
import sys

listen, target = int(sys.argv[1]), int(sys.argv[2])
counts = {}
delay = 0.0
CHUNK = 1 << 16


async def head_of(reader):
    """The head as it came, its first line, its headers; None at an orderly end."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    pairs = (line.partition(":") for line in lines)
    return raw, first, {name.strip().lower(): value.strip() for name, _, value in pairs}


async def relay(reader, writer, headers):
    """The body, framing included."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            writer.write(line + await reader.readexactly(size + 2))
            await writer.drain()
            if size == 0:
                return
    left = int(headers.get("content-length", 0))
    while left:
        piece = await reader.read(min(left, CHUNK))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        writer.write(piece)
        await writer.drain()


def kind_of(method, path, headers):
    if "x-amz-copy-source" in headers:
        return "COPY"
    if method == "GET" and "list-type=2" in path:
        return "LIST"
    return method


def answer(body):
    return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)


async def serve(reader, writer):
    global delay
    server = None
    try:
        while (head := await head_of(reader)) is not None:
            raw, first, headers = head
            method, path, _ = first.split(" ", 2)
            if path == "/.counts":
                writer.write(answer(json.dumps(counts).encode()))
                counts.clear()
                continue
            if path.startswith("/.delay/"):
                delay = float(path.removeprefix("/.delay/"))
                writer.write(answer(b""))
                continue
            if "/_registry/" not in path:
                kind = kind_of(method, path, headers)
                counts[kind] = counts.get(kind, 0) + 1
                await asyncio.sleep(delay)
            if server is None:
                from_server, server = await asyncio.open_connection("127.0.0.1", target, limit=1 << 20)
            server.write(raw)
            await relay(reader, server, headers)
            raw, first, headers = await head_of(from_server) or (b"", "", {})
            writer.write(raw)
            status = first.split(" ")[1]
            if method != "HEAD" and status not in ("204", "304"):
                await relay(from_server, writer, headers)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, IndexError):
        pass  # whoever left, the other side is left as well
    finally:
        for it in (writer, server):
            if it is not None:
                it.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", listen, limit=1 << 20)
    async with server:
        await server.serve_forever()


asyncio.run(main())
