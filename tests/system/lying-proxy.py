#!/usr/bin/env python3
"""lying-proxy.py LISTEN_PORT UPSTREAM LOG: an HTTP/1.1 proxy on loopback that stands before a registry, writes down what it is asked, and lies when told to.

UPSTREAM is a port, or the directory of an OCI layout: then there is no registry, blobs come from there, whoever asks for /token
gets one, and everything else is 404: a host that wants to know what it is shown. LOG has a line of JSON for each request.

`PUT /.fault/NAME/TIMES/MORE` chooses the lie, for so many answers (0: until another is chosen). Of blobs: `cut` (the length is
announced, and nothing comes), `half` (half of it), `reset` (the same with an RST), `stall` (half, then silence), `corrupt` (a
byte is another), `short` and `long` (a byte less or more, and announced so), `page` (HTML). Of manifests: `corrupt-manifest`, `html`.
Of everything: `busy` (429, Retry-After MORE), `loop` (a redirect to itself), `elsewhere` (blobs are at http://MORE),
`realm` (401, and the tokens are at http://MORE/token), `basic` (401). `PUT /.fault/none/0/-` ends it.
"""
import asyncio
import json
import os
import re
import sys

listen, upstream, log = int(sys.argv[1]), sys.argv[2], open(sys.argv[3], "w", buffering=1)
CHUNK = 1 << 16
fault, times, more = "none", 0, "-"

BLOBS = {"cut", "half", "reset", "stall", "corrupt", "short", "long", "page", "elsewhere"}
MANIFESTS = {"corrupt-manifest", "html"}
EVERYTHING = {"busy", "loop", "realm", "basic"}
PAGE = b"<!DOCTYPE html><html><body>Please log in to this network</body></html>"


class Left(Exception):
    """This connection ends here."""


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
            raise Left
        left -= len(piece)
        writer.write(piece)
        await writer.drain()


def answer(status, body=b"", *headers):
    head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(head).encode() + b"\r\n\r\n" + body


def lie_about(method, path):
    """The lie that this request meets, or None."""
    kind = BLOBS if "/blobs/" in path else MANIFESTS if "/manifests/" in path else set()
    if not path.startswith("/v2/") or fault not in EVERYTHING | (kind if method == "GET" else set()):
        return None
    return fault


def told():
    """One lie less to tell."""
    global fault, times
    times -= 1
    if times == 0:
        fault = "none"


def flat(lie, path):
    """The answer of a lie that needs no upstream, or None."""
    body = b'{"errors":[]}'
    if lie == "busy":
        return answer("429 Too Many Requests", body, f"Retry-After: {more}")
    if lie == "loop":
        return answer("307 Temporary Redirect", b"", f"Location: {path}")
    if lie == "elsewhere":
        return answer("307 Temporary Redirect", b"", f"Location: http://{more}{path}")
    if lie == "realm":
        return answer("401 Unauthorized", body, f'WWW-Authenticate: Bearer realm="http://{more}/token",service="elsewhere"')
    if lie == "basic":
        return answer("401 Unauthorized", body, 'WWW-Authenticate: Basic realm="come in"')
    if lie in ("html", "page"):
        return answer("200 OK", PAGE, "Content-Type: text/html")
    return None


def from_layout(method, path):
    """What the host without a registry says."""
    if path.startswith("/token"):
        return answer("200 OK", b'{"token":"from-elsewhere"}', "Content-Type: application/json")
    blob = re.search(r"/blobs/(sha256):([0-9a-f]{64})$", path)
    file = blob and os.path.join(upstream, "blobs", *blob.groups())
    if not file or not os.path.exists(file):
        return answer("404 Not Found", b"{}")
    with open(file, "rb") as f:
        body = f.read()
    whole = answer("200 OK", body, "Content-Type: application/octet-stream")
    return whole if method == "GET" else whole[: len(whole) - len(body)]


async def distorted(lie, status, raw, headers, reader, writer):
    """The answer of the upstream, with a lie in it."""
    body = await reader.readexactly(int(headers["content-length"]))
    middle = len(body) // 2
    if lie in ("corrupt", "corrupt-manifest"):
        body = body[:middle] + bytes([body[middle] ^ 1]) + body[middle + 1 :]
    if lie in ("short", "long"):
        body = body[:-1] if lie == "short" else body + b"x"
        raw = re.sub(rb"(?i)content-length: *\d+", b"Content-Length: %d" % len(body), raw)
    if lie in ("corrupt", "corrupt-manifest", "short", "long"):
        writer.write(raw + body)
        return
    writer.write(raw + (b"" if lie == "cut" else body[:middle]))
    await writer.drain()
    if lie == "stall":
        await asyncio.sleep(120)
    if lie == "reset":
        await asyncio.sleep(0.1)  # or the RST overtakes it
        writer.transport.abort()
    raise Left


async def serve(reader, writer):
    global fault, times, more
    server = None
    try:
        while (head := await head_of(reader)) is not None:
            raw, first, headers = head
            method, path, _ = first.split(" ", 2)
            if path.startswith("/.fault/"):
                fault, count, more = path.removeprefix("/.fault/").split("/", 2)
                times = int(count)
                writer.write(answer("200 OK"))
                continue
            lie = lie_about(method, path)
            said = {"method": method, "path": path, "headers": headers, "lie": lie, "status": None}
            here = flat(lie, path)
            if here is not None:
                told()
            here = here or (None if upstream.isdigit() else from_layout(method, path))
            if here is not None:
                said["status"] = int(here.split(b" ")[1])
                print(json.dumps(said), file=log)
                writer.write(here if method != "HEAD" else here[: here.index(b"\r\n\r\n") + 4])
                await writer.drain()
                continue
            if server is None:
                try:
                    from_server, server = await asyncio.open_connection("127.0.0.1", int(upstream), limit=1 << 20)
                except OSError:
                    print(json.dumps(said), file=log)
                    raise
            server.write(raw)
            await relay(reader, server, headers)
            raw, first, headers = await head_of(from_server) or (b"", "", {})
            if not raw:
                raise Left
            said["status"] = int(first.split(" ")[1])
            # Who is not let in is told so, as always.
            if said["status"] not in (200, 206):
                said["lie"] = lie = None
            print(json.dumps(said), file=log)
            if lie:
                told()
                await distorted(lie, said["status"], raw, headers, from_server, writer)
                continue
            writer.write(raw)
            if method != "HEAD" and said["status"] not in (204, 304):
                await relay(from_server, writer, headers)
            await writer.drain()
    except (OSError, asyncio.IncompleteReadError, Left):
        pass  # whoever left, the other side is left as well
    finally:
        for it in (writer, server):
            if it is not None:
                it.close()


async def main():
    # Two addresses of this machine are two hosts to whoever compares names.
    server = await asyncio.start_server(serve, ["127.0.0.1", "127.0.0.2"], listen, limit=1 << 20)
    async with server:
        await server.serve_forever()


asyncio.run(main())
