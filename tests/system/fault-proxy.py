#!/usr/bin/env python3
"""fault-proxy.py LISTEN_PORT TARGET_PORT: an HTTP/1.1 proxy on loopback that stands before an S3 server and fails.

Of the requests, the share --rate (with --storms: half of them, for one in eight spells of two seconds) meets one of: an answer 503 SlowDown or 500 InternalError instead of being forwarded; a
stall, after which what was stalled is dropped, never delivered late; a connection that is reset before the request,
amid its body, amid the answer, or in place of the answer, when S3 has done what was asked. --delay and
--jitter add to every request's time. --lie PATTERN: a PUT of such a path is answered 200 and not done, once in --lies; that is what a test of
the test needs. The choice of faults is a function of --seed and the number of the request.

SIGUSR1 begins the faults, SIGUSR2 ends them; --on begins with them. --stats FILE: JSON, rewritten twice a second.
"""
import argparse
import asyncio
import json
import os
import random
import re
import signal
import time

parser = argparse.ArgumentParser()
parser.add_argument("listen", type=int)
parser.add_argument("target", type=int)
parser.add_argument("--seed", default="0")
parser.add_argument("--rate", type=float, default=0.0)
parser.add_argument("--storms", action="store_true")
parser.add_argument("--delay", type=float, default=0.0, help="seconds")
parser.add_argument("--jitter", type=float, default=0.0, help="seconds at most, on top")
parser.add_argument("--lie", default=None)
parser.add_argument("--lies", type=int, default=4)
parser.add_argument("--stats", default=None)
parser.add_argument("--on", action="store_true")
options = parser.parse_args()

FAULTS = ["slow down", "internal error", "stall", "reset before", "reset amid request", "reset amid answer", "no answer"]
WEIGHTS = [30, 15, 10, 10, 10, 10, 15]
stats = {"requests": 0, "lies": 0, **dict.fromkeys(FAULTS, 0)}
on = options.on
began = time.monotonic()
CHUNK = 65536


class Reset(Exception):
    """This connection ends here, with an RST."""


def fault_of(number):
    rng = random.Random(f"{options.seed}/{number}")
    rate = options.rate
    if options.storms and random.Random(f"{options.seed}/spell/{int(time.monotonic() - began) // 2}").random() < 1 / 8:
        rate = max(rate, 0.5)
    if not on or rng.random() >= rate:
        return None, rng
    return rng.choices(FAULTS, WEIGHTS)[0], rng


async def head_of(reader):
    """The first line, the headers as they are, and those that say how long the body is; None at an orderly end."""
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = raw[:-4].decode("latin-1").split("\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip()
    return first, raw, headers


async def pieces(reader, headers, to_the_end=False):
    """The body, framing included, as it comes."""
    if "chunked" in headers.get("transfer-encoding", "").lower():
        while True:
            line = await reader.readuntil(b"\r\n")
            size = int(line.split(b";")[0], 16)
            yield line
            if size == 0:
                while (line := await reader.readuntil(b"\r\n")) != b"\r\n":
                    yield line
                yield line
                return
            yield await reader.readexactly(size + 2)
    elif "content-length" in headers:
        left = int(headers["content-length"])
        while left:
            piece = await reader.read(min(left, CHUNK))
            if not piece:
                raise asyncio.IncompleteReadError(b"", left)
            left -= len(piece)
            yield piece
    elif to_the_end:
        while piece := await reader.read(CHUNK):
            yield piece


def answer(status, code):
    if code is None:
        return f"HTTP/1.1 {status}\r\nETag: \"d41d8cd98f00b204e9800998ecf8427e\"\r\nContent-Length: 0\r\n\r\n".encode()
    body = f'<?xml version="1.0" encoding="UTF-8"?><Error><Code>{code}</Code><Message>fault</Message></Error>'
    return (f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n{body}").encode()


class Session:
    """One connection of a client, and the one to the server that serves it."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer
        self.up = None

    async def run(self):
        while (head := await head_of(self.reader)) is not None:
            stats["requests"] += 1
            fault, rng = fault_of(stats["requests"])
            if not await self.one(*head, fault, rng):
                return

    async def one(self, first, raw, headers, fault, rng):
        """False: nothing more comes on this connection."""
        method, path, _ = first.split(" ", 2)
        if options.delay or options.jitter:
            await asyncio.sleep(options.delay + rng.random() * options.jitter)
        lie = options.lie and on and method == "PUT" and re.search(options.lie, path) and rng.randrange(options.lies) == 0
        if lie:
            fault = "lies"
        if fault:
            stats[fault] += 1
        if fault in ("slow down", "internal error", "lies"):
            if headers.get("expect", "").lower() == "100-continue":
                self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            async for _ in pieces(self.reader, headers):
                pass
            self.writer.write({
                "slow down": answer("503 Slow Down", "SlowDown"),
                "internal error": answer("500 Internal Server Error", "InternalError"),
                "lies": answer("200 OK", None),
            }[fault])
            await self.writer.drain()
            return True
        if fault == "stall":
            # Most are short; a few outlast the registry's own patience.
            await asyncio.sleep(rng.uniform(16, 20) if rng.random() < 0.05 else rng.uniform(0.3, 4))
            raise Reset
        if fault == "reset before":
            raise Reset
        return await self.forward(first, raw, headers, fault, rng)

    async def forward(self, first, raw, headers, fault, rng):
        if self.up is None:
            self.up = await asyncio.open_connection("127.0.0.1", options.target, limit=1 << 20)
        server_reader, server = self.up
        if headers.get("expect", "").lower() == "100-continue":
            self.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            raw = re.sub(rb"(?i)\r\nexpect:[^\r]*", b"", raw)
        length = int(headers.get("content-length", 0))
        # At least the last byte stays away, or it would be a whole request.
        keep = rng.randrange(length) if fault == "reset amid request" and length else None
        if fault == "reset amid request" and keep is None:
            raise Reset
        server.write(raw)
        async for piece in pieces(self.reader, headers):
            if keep is not None and len(piece) > keep:
                server.write(piece[:keep])
                await server.drain()
                raise Reset
            if keep is not None:
                keep -= len(piece)
            server.write(piece)
            await server.drain()
        await server.drain()

        head = await head_of(server_reader)
        if head is None:
            raise Reset
        status_line, raw_answer, answer_headers = head
        status = int(status_line.split(" ", 2)[1])
        has_body = not first.startswith("HEAD ") and status not in (204, 304) and status >= 200
        if fault == "no answer":
            # S3 has done it, and whoever asked does not know.
            raise Reset
        length = int(answer_headers.get("content-length", 0))
        keep = None
        if fault == "reset amid answer":
            keep = rng.randrange(length) if has_body and length else 0
        if keep == 0:
            self.writer.write(raw_answer[: len(raw_answer) // 2])
            await self.writer.drain()
            raise Reset
        self.writer.write(raw_answer)
        if has_body:
            async for piece in pieces(server_reader, answer_headers, to_the_end=True):
                if keep is not None and len(piece) >= keep:
                    self.writer.write(piece[:keep])
                    await self.writer.drain()
                    raise Reset
                if keep is not None:
                    keep -= len(piece)
                self.writer.write(piece)
                await self.writer.drain()
        await self.writer.drain()
        framed = not has_body or "content-length" in answer_headers or "transfer-encoding" in answer_headers
        return framed and "close" not in answer_headers.get("connection", "").lower()


async def serve(reader, writer):
    session = Session(reader, writer)
    try:
        await session.run()
        writer.close()
    except (Reset, OSError, asyncio.IncompleteReadError):
        writer.transport.abort()
    except asyncio.CancelledError:
        writer.transport.abort()
    finally:
        if session.up is not None:
            # Half a request must not look like a whole one.
            session.up[1].transport.abort()


def save():
    if options.stats:
        with open(options.stats + ".new", "w") as f:
            json.dump({**stats, "faults": sum(stats[f] for f in FAULTS)}, f)
        os.replace(options.stats + ".new", options.stats)


def turn(to):
    global on, began
    on, began = to, time.monotonic()


async def main():
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, turn, True)
    loop.add_signal_handler(signal.SIGUSR2, turn, False)
    save()
    server = await asyncio.start_server(serve, "127.0.0.1", options.listen, limit=1 << 20)
    async with server:
        while True:
            await asyncio.sleep(0.5)
            save()


asyncio.run(main())
