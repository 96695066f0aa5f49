"""Pushes and deletes (`push PORT`), and reads the trace of a server that was pushed to (`check TRACE ROOT`)."""

import hashlib
import json
import os
import re
import sys
import urllib.request


def push(port):
    base = f"http://127.0.0.1:{port}"

    def send(method, path, body=None, kind="application/octet-stream"):
        request = urllib.request.Request(base + path, data=body, method=method, headers={"Content-Type": kind})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers

    def blob(content):
        digest = "sha256:" + hashlib.sha256(content).hexdigest()
        _, headers = send("POST", "/v2/a/b/blobs/uploads/", b"")
        _, headers = send("PATCH", headers["Location"], content)
        send("PUT", headers["Location"] + "?digest=" + digest, b"")
        return {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(content)}

    kind = "application/vnd.oci.image.manifest.v1+json"
    for n in range(3):
        layers = [blob(os.urandom(100_000)), blob(os.urandom(3_000_000)), blob(b"the same each time")]
        config = blob(json.dumps({"n": n, "random": os.urandom(8).hex()}).encode())
        manifest = json.dumps({"schemaVersion": 2, "mediaType": kind, "config": config, "layers": layers}).encode()
        assert send("PUT", "/v2/a/b/manifests/latest", manifest, kind)[0] == 201
        assert send("PUT", "/v2/a/b/manifests/latest", manifest, kind)[0] == 201
    digest = "sha256:" + hashlib.sha256(manifest).hexdigest()
    assert send("PUT", f"/v2/a/b/manifests/{digest}?tag=one&tag=two", manifest, kind)[0] == 201
    assert send("DELETE", "/v2/a/b/manifests/one")[0] == 202
    assert send("DELETE", f"/v2/a/b/manifests/{digest}")[0] == 202
    assert send("DELETE", f"/v2/a/b/blobs/{config['digest']}")[0] == 202


def calls(path):
    """(begin, end, name, arguments): begin and end are line numbers; calls of several threads overlap."""
    unfinished = {}
    with open(path, errors="replace") as trace:
        for number, line in enumerate(trace):
            pid, _, rest = line.strip().partition(" ")
            rest = rest.strip()
            resumed = re.match(r"<\.\.\. (\w+) resumed>(.*)", rest)
            if resumed and pid in unfinished:
                begin, head = unfinished.pop(pid)
                rest = head + resumed[2]
            elif rest.endswith("<unfinished ...>"):
                unfinished[pid] = (number, rest.removesuffix("<unfinished ...>"))
                continue
            else:
                begin = number
            call = re.match(r"(\w+)\((.*)\)\s+= (-?\d+)", rest)
            if call and int(call[3]) >= 0:
                yield begin, number, call[1], call[2]


def check(path, root):
    wrong, counts = [], {"names": 0, "answers": 0, "syncs": 0}
    synced = {}  # file -> where its sync ended
    whole = []  # (begin, end) of every syncfs
    changed = None  # the last change of a name below the root: (end, what)
    for begin, end, name, arguments in sorted(calls(path), key=lambda call: call[1]):
        if name in ("fsync", "fdatasync"):
            synced[re.search(r"<([^>]*)>", arguments)[1]] = end
        elif name == "syncfs":
            whole.append((begin, end))
            counts["syncs"] += 1
        elif name.startswith(("rename", "link", "unlink")):
            files = [f for f in re.findall(r'"([^"]*)"', arguments) if f.startswith(root)]
            target = files[-1] if files else ""
            if "/docker/registry/v2/" not in target or "/_uploads/" in target:
                continue  # temporary files and sessions promise nothing
            changed = (end, f"{name} {target.removeprefix(root)}")
            if name.startswith("rename") and target.endswith(("/data", "/current/link")):
                counts["names"] += 1
                if synced.get(files[0], end) >= begin:
                    wrong.append(f"line {begin + 1}: the content of {target} is not synced before it has its name")
        elif "<socket:" in arguments or "<TCP" in arguments:
            manifest = re.search(r"HTTP/1\.1 201 Created", arguments) and "/manifests/" in arguments
            if not (manifest or "HTTP/1.1 202 Accepted" in arguments and "/uploads/" not in arguments):
                continue
            counts["answers"] += 1
            if changed and not any(after > changed[0] and done < begin for after, done in whole):
                wrong.append(f"line {begin + 1}: {changed[1]} is not synced before the answer to it")
    print(f"{counts['names']} names of content and tags, {counts['answers']} answers, {counts['syncs']} syncs of everything")
    # 3 images of 3 new blobs and a manifest, 1 common blob, 8 tag writes; 7 pushes and 3 deletions answered.
    if counts["names"] < 20 or counts["answers"] != 10:
        wrong.append("the trace does not show what was done")
    print("\n".join(wrong))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    if sys.argv[1] == "push":
        push(int(sys.argv[2]))
    else:
        check(sys.argv[2], sys.argv[3])
