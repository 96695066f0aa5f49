"""The measurements of s3-costs: `requests PORT PROXY_PORT`, and `memory PORT PID MIB`. Prints tables; fails above the bars."""

import hashlib
import http.client
import json
import os
import statistics
import sys
import threading
import time

MOST_REQUESTS = 14  # for a small layer, pushed as Docker does
MOST_MIB = 200  # for the server, with 16 uploads at a time
UPLOADS = 16
ROUNDS = 5
IMAGE = "application/vnd.oci.image.manifest.v1+json"


def digest_of(content):
    return "sha256:" + hashlib.sha256(content).hexdigest()


class Registry:
    def __init__(self, port):
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def send(self, method, path, body=b"", expected=200, headers=None):
        self.connection.request(method, path, body, headers or {})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != expected:
            sys.exit(f"{method} {path}: {answer.status}, not {expected}: {content[:300]}")
        return answer

    def push(self, name, content):
        digest = digest_of(content)
        self.send("HEAD", f"/v2/{name}/blobs/{digest}", expected=404)
        at = self.send("POST", f"/v2/{name}/blobs/uploads/", expected=202).headers["Location"]
        at = self.send("PATCH", at, content, expected=202).headers["Location"]
        self.send("PUT", f"{at}?digest={digest}", expected=201)
        return digest

    def put_manifest(self, name, reference, manifest):
        self.send("PUT", f"/v2/{name}/manifests/{reference}", manifest, 201, {"Content-Type": IMAGE})


def operations(registry):
    """(what, what goes before and is not counted, what is counted). The former's result is the latter's argument."""
    name = "team/app"

    def blob():
        return registry.push(name, os.urandom(4000))

    def manifest():
        parts = []
        for _ in range(4):  # a config and three layers
            content = os.urandom(2000)
            parts.append({"mediaType": "application/octet-stream", "digest": registry.push(name, content), "size": 2000})
        return json.dumps({"schemaVersion": 2, "mediaType": IMAGE, "config": parts[0], "layers": parts[1:]}).encode()

    def image():
        pushed = manifest()
        registry.put_manifest(name, "v1", pushed)
        return digest_of(pushed)

    def pulled():
        digest = image()
        registry.send("GET", f"/v2/{name}/manifests/{digest}", expected=200)
        time.sleep(0.5)  # the pull is noted behind it, once in five minutes
        return digest

    def whole(content):
        path = f"/v2/{name}/blobs/uploads/?digest={digest_of(content)}"
        registry.send("POST", path, content, 201, {"Content-Type": "application/octet-stream"})

    def get(method, path, expected=200, headers=None):
        return lambda it: registry.send(method, f"/v2/{name}/{path.format(it)}", b"", expected, headers)

    return [
        ("push of a small layer, as Docker does (HEAD, POST, PATCH, PUT)", lambda: os.urandom(4000), lambda it: registry.push(name, it)),
        ("push of a small blob in one request", lambda: os.urandom(4000), whole),
        ("mount of a blob", blob, lambda it: registry.send("POST", f"/v2/team/other/blobs/uploads/?mount={it}&from={name}", b"", 201)),
        ("HEAD of a blob that is there", blob, get("HEAD", "blobs/{}")),
        ("HEAD of a blob that is not", lambda: digest_of(os.urandom(9)), get("HEAD", "blobs/{}", 404)),
        ("GET of a blob", blob, get("GET", "blobs/{}")),
        ("GET of a part of a blob", blob, get("GET", "blobs/{}", 206, {"Range": "bytes=10-99"})),
        ("PUT of a manifest with a config and 3 layers, by tag", manifest, lambda it: registry.put_manifest(name, "v1", it)),
        ("GET of a manifest by tag", pulled, get("GET", "manifests/v1")),
        ("GET of a manifest by digest", pulled, get("GET", "manifests/{}")),
        ("HEAD of a manifest by tag", image, get("HEAD", "manifests/v1")),
        ("list of tags", image, get("GET", "tags/list")),
        ("list of referrers, of which there are none", image, get("GET", "referrers/{}")),
        ("DELETE of a tag", image, get("DELETE", "manifests/v1", 202)),
        ("DELETE of a manifest with one tag", image, get("DELETE", "manifests/{}", 202)),
    ]


def requests(port, proxy_port):
    registry = Registry(port)

    def ask_proxy(method, path):
        connection = http.client.HTTPConnection("127.0.0.1", proxy_port, timeout=20)
        connection.request(method, path)
        return connection.getresponse().read()

    def measure(before, act):
        times, most = [], {}
        for _ in range(ROUNDS):
            argument = before()
            ask_proxy("GET", "/.counts")
            began = time.perf_counter()
            act(argument)
            times.append(time.perf_counter() - began)
            counts = json.loads(ask_proxy("GET", "/.counts"))
            most = max(most, counts, key=lambda it: sum(it.values()))
        return statistics.median(times) * 1000, most

    print("| operation | S3 requests | of which | takes | more with an S3 that takes 10 ms longer |")
    print("|---|---:|---|---:|---:|")
    layer = None
    for what, before, act in operations(registry):
        ask_proxy("PUT", "/.delay/0")
        fast, counts = measure(before, act)
        ask_proxy("PUT", "/.delay/0.01")
        slow, _ = measure(before, act)
        total = sum(counts.values())
        layer = layer or total
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items(), key=lambda it: (-it[1], it[0])))
        print(f"| {what} | {total} | {kinds} | {fast:.0f} ms | {slow - fast:.0f} ms |", flush=True)
    large(registry, ask_proxy)
    if not 0 < layer <= MOST_REQUESTS:
        sys.exit(f"a small layer costs {layer} requests to S3, which is more than {MOST_REQUESTS}")


def large(registry, ask_proxy):
    """A blob above the threshold (64 MiB) is put in its place in parts (of 16 MiB), by S3 itself."""
    ask_proxy("PUT", "/.delay/0")
    content = os.urandom(80 << 20)
    at = registry.send("POST", "/v2/large/blobs/uploads/", expected=202).headers["Location"]
    at = registry.send("PATCH", at, content, expected=202).headers["Location"]
    ask_proxy("GET", "/.counts")
    registry.send("PUT", f"{at}?digest={digest_of(content)}", expected=201)
    counts = json.loads(ask_proxy("GET", "/.counts"))
    if counts.get("COPY", 0) < 5:
        sys.exit(f"80 MiB were not copied in parts of 16 MiB: {counts}")
    registry.connection.request("GET", f"/v2/large/blobs/{digest_of(content)}")
    if registry.connection.getresponse().read() != content:
        sys.exit("80 MiB came back changed")
    print(f"\n80 MiB, copied in parts above the threshold of 64 MiB: {counts}")


def memory_of(pid, what):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith(what)) / 1024


def memory(port, pid, mib):
    frame = bytes(1 << 20)
    hashed = hashlib.sha256()
    for _ in range(mib):
        hashed.update(frame)
    digest = "sha256:" + hashed.hexdigest()
    before, failed = memory_of(pid, "VmHWM:"), []

    def upload(n):
        try:
            registry, name = Registry(port), f"upload/{n}"
            at = registry.send("POST", f"/v2/{name}/blobs/uploads/", expected=202).headers["Location"]
            # An iterator is sent in chunks: the server does not know how much will come.
            at = registry.send("PATCH", at, iter([frame] * mib), expected=202).headers["Location"]
            registry.send("PUT", f"{at}?digest={digest}", expected=201)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=upload, args=[n]) for n in range(UPLOADS)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    if failed:
        sys.exit(f"{len(failed)} uploads failed: {failed[0]}")
    most = memory_of(pid, "VmHWM:")
    print(f"| {UPLOADS} uploads at a time of {mib} MiB each | |")
    print("|---|---:|")
    print(f"| the server's memory before | {before:.0f} MiB |")
    print(f"| at most | {most:.0f} MiB |")
    print(f"| for each upload | {(most - before) / UPLOADS:.1f} MiB |")
    print(f"| received in all | {UPLOADS * mib / seconds:.0f} MiB/s |")
    if most > MOST_MIB:
        sys.exit(f"the server took {most:.0f} MiB, which is more than {MOST_MIB}")


if sys.argv[1] == "requests":
    requests(int(sys.argv[2]), int(sys.argv[3]))
else:
    memory(int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
