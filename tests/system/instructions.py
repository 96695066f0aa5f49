#!/usr/bin/env python3
"""instructions.py HOST:PORT METHOD PATH AUTHORIZATION COUNT: that many requests on one connection.

AUTHORIZATION is a header's value, or empty. Every answer must be a 200.
"""
import socket
import sys

address, method, path, authorization, count = sys.argv[1:6]
host, port = address.split(":")
lines = [f"{method} {path} HTTP/1.1", f"Host: {address}"]
if authorization:
    lines.append("Authorization: " + authorization)
request = ("\r\n".join(lines) + "\r\n\r\n").encode()
connection = socket.create_connection((host, int(port)), timeout=60)
connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
answers = connection.makefile("rb")
left = int(count)
while left:
    # Many at once: the server then has no reason to sleep in between, which it does now sooner, now later.
    batch = min(left, 50)
    left -= batch
    connection.sendall(request * batch)
    for _ in range(batch):
        status = answers.readline()
        if not status.startswith(b"HTTP/1.1 200 "):
            sys.exit(f"answered with {status!r}")
        length = 0
        while (line := answers.readline()) not in (b"\r\n", b""):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        if method != "HEAD":
            answers.read(length)
