"""What the clients of the torture test do, and what they note of it: every operation with its start, end and outcome."""
import hashlib
import http.client
import json
import random
import re
import threading
import time

from history import ABSENT, ERASE, PRESENT, READ, REMOVE, WRITE, Operation

OK, REFUSED, UNKNOWN = "ok", "refused", "unknown"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
REPOSITORIES = ["torture/a", "torture/a/b", "other"]
# Names that S3 lists in another order than the registry has to.
MOVING_TAGS = ["latest", "v1", "v1-rc", "v1.0"]
THERE = "there"
KIB = 1024


def sha256(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Broken(Exception):
    """No whole answer: what was asked may have happened."""


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def outcome(self):
        return OK if self.status < 300 else REFUSED if 400 <= self.status < 500 else UNKNOWN


class Connection:
    """HTTP to one address. Nothing is tried twice: a second try would be a second operation."""

    def __init__(self, address, timeout=40):
        self.address, self.timeout, self.connection = address, timeout, None

    def request(self, method, path, body=None, headers=None):
        try:
            if self.connection is None:
                host, port = self.address.split(":")
                self.connection = http.client.HTTPConnection(host, int(port), timeout=self.timeout)
            self.connection.request(method, path, body=body, headers=headers or {})
            response = self.connection.getresponse()
            data = response.read()
            if response.will_close:
                self.close()
            return Answer(response.status, response.headers, data)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Broken(repr(error)) from error

    def cut_off(self, method, path, body, headers, rng):
        """Sends a part of the body that was promised, and hangs up."""
        try:
            host, port = self.address.split(":")
            connection = http.client.HTTPConnection(host, int(port), timeout=self.timeout)
            connection.putrequest(method, path)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders()
            connection.send(body[: rng.randrange(len(body))])
            time.sleep(rng.random() * 0.2)
            connection.close()
        except OSError:
            pass

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


class Attempt:
    """One request that writes."""

    def __init__(self, start, end, outcome):
        self.start, self.end, self.outcome = start, end, outcome


class Manifest:
    """A manifest of one repository, and everything that was asked of it."""

    def __init__(self, repository, body, media_type=IMAGE, blobs=(), subject=None, artifact_type=None, keep=True):
        self.repository, self.body, self.media_type, self.blobs = repository, body, media_type, list(blobs)
        self.digest = sha256(body)
        self.subject, self.artifact_type, self.keep = subject, artifact_type, keep
        self.puts, self.erases = [], []  # attempts
        self.tags = set()
        self.serial = 0  # when it was pushed, among all
        self.erase_asked = False  # set before it is sent

    def acknowledged(self):
        return any(a.outcome == OK for a in self.puts)

    def must_be_there(self):
        return self.acknowledged() and not self.erase_asked

    def must_be_gone(self):
        """Deleted for certain, after every push of it that may have happened."""
        return any(
            e.outcome == OK and all(p.outcome == REFUSED or p.outcome == OK and p.end < e.start for p in self.puts)
            for e in self.erases
        )

    def may_be_listed(self):
        return any(a.outcome != REFUSED for a in self.puts)


class World:
    """What all clients know together."""

    def __init__(self, seed):
        self.seed = seed
        self.lock = threading.Lock()
        self.manifests = {}  # (repository, digest)
        self.tag_histories = {}  # (repository, tag)
        self.manifest_histories = {}  # (repository, digest)
        self.blobs = {repository: {} for repository in REPOSITORIES}  # acknowledged: digest to size
        self.counters = {}
        self.violations = []
        self.serial = 0

    def count(self, what, n=1):
        with self.lock:
            self.counters[what] = self.counters.get(what, 0) + n

    def violation(self, text):
        with self.lock:
            self.violations.append(f"{time.monotonic():.4f} {text}")

    def next_serial(self):
        with self.lock:
            self.serial += 1
            return self.serial

    def note_tag(self, repository, tag, operation):
        with self.lock:
            self.tag_histories.setdefault((repository, tag), []).append(operation)

    def note_manifest(self, repository, digest, operation):
        with self.lock:
            self.manifest_histories.setdefault((repository, digest), []).append(operation)

    def pick(self, rng, test=lambda manifest: True):
        with self.lock:
            found = [m for m in self.manifests.values() if test(m)]
        return rng.choice(found) if found else None

    def register(self, manifest):
        """The one that all clients mean."""
        with self.lock:
            manifest.serial = self.serial
            return self.manifests.setdefault((manifest.repository, manifest.digest), manifest)

    def moment(self):
        return time.monotonic()


class Client(threading.Thread):
    """One client: does one thing after the other until it is told to stop."""

    def __init__(self, world, address, number, until):
        super().__init__(name=f"client-{number}", daemon=True)
        self.world, self.number, self.until = world, number, until
        self.rng = random.Random(f"{world.seed}/client/{number}")
        self.http = Connection(address)
        self.address = address
        self.todo = [
            (self.push_image, 22), (self.push_variant, 20), (self.push_index, 4), (self.push_artifact, 6),
            (self.push_incomplete, 3), (self.push_cut_off, 3), (self.push_again, 3), (self.retag, 8), (self.pull_tag, 20),
            (self.head_tag, 20), (self.pull_digest, 10), (self.delete_tag, 8), (self.delete_manifest, 14), (self.list_tags, 5),
            (self.list_referrers, 5), (self.delete_blob, 2), (self.duel, 12),
        ]

    def run(self):
        operations, weights = zip(*self.todo)
        while time.monotonic() < self.until:
            operation = self.rng.choices(operations, weights)[0]
            try:
                operation()
            except Broken:
                self.world.count("broken connections")
                time.sleep(self.rng.random() * 0.3)
            except Exception as error:  # a fault of the test itself must not pass unseen
                self.world.violation(f"the test's own client failed in {operation.__name__}: {error!r}")
                raise

    def ask(self, method, path, body=None, headers=None):
        """The answer or None, with the times of its start and end."""
        start = self.world.moment()
        try:
            answer = self.http.request(method, path, body, headers)
        except Broken:
            answer = None
            self.world.count("broken connections")
        end = self.world.moment()
        if answer is not None and answer.status >= 500:
            self.world.count("answers of 5xx")
        return answer, start, end

    # --- blobs ---------------------------------------------------------------------------------------------

    def layer(self):
        """Bytes that nobody pushed before."""
        size = self.rng.choice([1, 3, 10, 40, 100, 300]) * KIB
        if self.rng.random() < 0.02:
            size = self.rng.choice([6, 9, 13]) * KIB * KIB
        return self.rng.randbytes(size + self.rng.randrange(KIB))

    def shared_layer(self):
        """Bytes that several clients push, at once and to several repositories."""
        number = self.rng.randrange(24)
        return random.Random(f"{self.world.seed}/shared/{number}").randbytes((number % 8 + 1) * 9 * KIB + number)

    def push_blob(self, repository, data):
        """True once it is acknowledged. A client's own patience: a few tries."""
        digest = sha256(data)
        for _ in range(5):
            try:
                if self.try_blob(repository, data, digest):
                    with self.world.lock:
                        self.world.blobs[repository][digest] = len(data)
                    return True
            except Broken:
                pass
            if time.monotonic() > self.until:
                return False
            self.world.count("blob uploads tried again")
            time.sleep(self.rng.uniform(0.1, 1.0))
        return False

    def checked(self, answer, expected, what):
        """True for the expected status, False for a fault of the moment; what is neither is a violation."""
        if answer.status in expected:
            return True
        if answer.outcome == REFUSED and answer.status not in (408, 429):
            self.world.violation(f"{what}: {answer.status} {answer.body[:200]!r}")
        return False

    def try_blob(self, repository, data, digest):
        base = f"/v2/{repository}/blobs"
        octets = {"Content-Type": "application/octet-stream"}
        if self.rng.random() < 0.7:
            # What somebody else is told while this is under way may have come after it looked.
            acknowledged = digest in self.world.blobs[repository]
            head = self.http.request("HEAD", f"{base}/{digest}")
            if head.status == 200:
                return True
            if head.status == 404 and acknowledged:
                self.world.violation(f"HEAD of the acknowledged blob {repository} {digest}: 404")
        location = None
        sources = [r for r in REPOSITORIES if r != repository and digest in self.world.blobs[r]]
        if sources and self.rng.random() < 0.7:
            source = self.rng.choice(sources)
            mount = self.http.request("POST", f"{base}/uploads/?mount={digest}&from={source}")
            if mount.status == 201:
                self.world.count("mounts")
                return True
            if not self.checked(mount, (202,), f"mount of {digest} in {repository}"):
                return False
            location = mount.headers["Location"]
        elif self.rng.random() < 0.3:
            posted = self.http.request("POST", f"{base}/uploads/?digest={digest}", data, octets)
            if self.checked(posted, (201,), f"POST of {digest} to {repository}"):
                self.world.count("monolithic uploads")
                return True
            return False
        if location is None:
            begun = self.http.request("POST", f"{base}/uploads/", b"")
            if not self.checked(begun, (202,), f"POST of an upload to {repository}"):
                return False
            location = begun.headers["Location"]
        if self.rng.random() < 0.25:
            return self.finish(location, data, digest, octets)
        return self.push_chunks(location, data, digest, octets)

    def push_chunks(self, location, data, digest, octets):
        """PATCHes, resumed where the session says that it stands."""
        offset, doubt = 0, False
        pieces = self.rng.randint(1, 4)
        for _ in range(pieces + 4):
            if offset == len(data):
                break
            end = min(len(data), offset + max(1, len(data) // pieces + 1))
            chunk = data[offset:end]
            headers = {**octets, "Content-Range": f"{offset}-{end - 1}"}
            if self.rng.random() < 0.04:
                self.http.cut_off("PATCH", location, chunk, headers, self.rng)
                self.world.count("uploads cut off")
                answer = None
                if self.rng.random() < 0.5:
                    time.sleep(0.3)
                    self.stands_where_it_stood(location, offset, doubt)
            else:
                answer, _, _ = self.ask("PATCH", location, chunk, headers)
            if answer is not None and answer.status == 202:
                location, offset = answer.headers["Location"], end
                continue
            if answer is not None and answer.outcome == REFUSED and answer.status not in (408, 429):
                if not (answer.status == 416 and doubt):
                    self.world.violation(f"PATCH {location} {headers['Content-Range']}: {answer.status} {answer.body[:200]!r}")
                    return False
            doubt = True
            time.sleep(self.rng.uniform(0.05, 0.5))
            status, _, _ = self.ask("GET", location)
            if status is None or status.status != 204:
                if status is not None and status.outcome == REFUSED:
                    self.world.violation(f"GET of the session {location}: {status.status} {status.body[:200]!r}")
                return False
            offset = session_offset(status)
            self.world.count("uploads resumed")
        if offset != len(data):
            return False
        return self.finish(location, b"", digest, octets, doubt)

    def stands_where_it_stood(self, location, offset, doubt):
        """After a PATCH whose body broke off. An earlier one in doubt may still be under way."""
        status, _, _ = self.ask("GET", location)
        if not doubt and status is not None and status.status == 204 and session_offset(status) != offset:
            self.world.violation(f"{location} stood at {offset}, and after a PATCH cut off at {session_offset(status)}")

    def finish(self, location, rest, digest, octets, doubt=False):
        """`doubt`: whoever had an earlier request of the session may have been killed, and its lock not be over yet."""
        target = location + ("&" if "?" in location else "?") + f"digest={digest}"
        for _ in range(3):
            answer, _, _ = self.ask("PUT", target, rest, octets)
            if answer is not None and answer.status == 201:
                self.world.count("chunked uploads")
                return True
            if answer is not None and answer.outcome == REFUSED and answer.status not in (408, 429):
                # A second PUT may find the session finished by the first, or still held by one that was killed.
                if not doubt:
                    self.world.violation(f"PUT {target}: {answer.status} {answer.body[:200]!r}")
                return False
            if rest:
                return False
            doubt = True
            time.sleep(self.rng.uniform(0.1, 0.5))
        return False

    def delete_blob(self):
        """One that no manifest names: pushed, deleted, gone."""
        repository = self.rng.choice(REPOSITORIES)
        data = self.rng.randbytes(2 * KIB)
        digest = sha256(data)
        if not self.push_blob(repository, data):
            return
        path = f"/v2/{repository}/blobs/{digest}"
        with self.world.lock:
            del self.world.blobs[repository][digest]
        answer, _, _ = self.ask("DELETE", path)
        if answer is None or not self.checked(answer, (202,), f"DELETE of the blob {repository} {digest}"):
            return
        self.world.count("blobs deleted")
        for _ in range(2):
            answer, _, _ = self.ask("HEAD", path)
            if answer is not None and answer.status == 200:
                self.world.violation(f"HEAD of the deleted blob {repository} {digest}: 200")

    # --- pushes --------------------------------------------------------------------------------------------

    def image(self, repository, subject=None, artifact_type=None):
        """An image or artifact whose blobs are acknowledged, or None."""
        config = json.dumps({"architecture": "amd64", "os": "linux", "serial": self.world.next_serial(),
                             "rootfs": {"type": "layers", "diff_ids": []}}).encode()
        layers = [self.layer()] + [self.shared_layer() for _ in range(self.rng.randrange(3))]
        blobs = list({sha256(data): data for data in [config, *layers]}.values())
        for data in blobs:
            if not self.push_blob(repository, data):
                self.world.count("pushes given up")
                return None
        return self.manifest(repository, config, layers, subject, artifact_type)

    def manifest(self, repository, config, layers, subject=None, artifact_type=None):
        def descriptor(data, kind):
            return {"mediaType": f"application/vnd.oci.image.{kind}", "digest": sha256(data), "size": len(data)}

        content = {"schemaVersion": 2, "mediaType": IMAGE, "config": descriptor(config, "config.v1+json"),
                   "layers": [descriptor(data, "layer.v1.tar") for data in layers]}
        if artifact_type:
            content["artifactType"] = artifact_type
        if subject:
            content["subject"] = {"mediaType": subject.media_type, "digest": subject.digest, "size": len(subject.body)}
        blobs = {sha256(data): len(data) for data in [config, *layers]}
        # No JSON writer spaces it so: only who keeps the bytes keeps these.
        body = json.dumps(content, indent=self.rng.randrange(5)).encode() + b"\n"
        return Manifest(repository, body, IMAGE, blobs.items(), subject, artifact_type, keep=self.rng.random() < 0.6)

    def put(self, manifest, tags, by_tag):
        """PUTs it under the tags: by the one in the URL, or by its digest with `?tag=`."""
        world, repository = self.world, manifest.repository
        manifest = world.register(manifest)
        with world.lock:
            manifest.tags.update(tags)
        path = f"/v2/{repository}/manifests/"
        if by_tag:
            path += tags[0]
        else:
            path += manifest.digest + "".join(f"{'&' if i else '?'}tag={tag}" for i, tag in enumerate(tags))
        answer, start, end = self.ask("PUT", path, manifest.body, {"Content-Type": manifest.media_type})
        outcome = UNKNOWN if answer is None else answer.outcome
        self.note_put(manifest, tags, start, end, outcome)
        if outcome == OK:
            world.count("pushes acknowledged")
            if answer.headers.get("Docker-Content-Digest") != manifest.digest:
                world.violation(f"PUT {path}: Docker-Content-Digest {answer.headers.get('Docker-Content-Digest')}")
        return answer, outcome

    def note_put(self, manifest, tags, start, end, outcome):
        world, known = self.world, end if outcome == OK else None
        with world.lock:
            manifest.puts.append(Attempt(start, end, outcome))
        if outcome == UNKNOWN:
            world.count("unknown outcomes")
        for tag in tags if outcome != REFUSED else []:
            world.note_tag(manifest.repository, tag, Operation(WRITE, manifest.digest, start, known))
        # A refused one may answer by digest.
        world.note_manifest(manifest.repository, manifest.digest, Operation(WRITE, THERE, start, known))

    def put_complete(self, manifest, tags, by_tag):
        """Everything it names was acknowledged, so it must not be refused."""
        answer, outcome = self.put(manifest, tags, by_tag)
        if outcome == REFUSED and answer.status not in (408, 429):
            self.world.violation(f"a complete push was refused: {manifest.repository} {manifest.digest}: {answer.status} {answer.body[:200]!r}")
        if outcome == UNKNOWN and self.rng.random() < 0.5:
            # By digest: no tag is written twice with one value.
            time.sleep(self.rng.uniform(0.1, 1.0))
            answer, outcome = self.put(manifest, [], False)
        return outcome

    def some_tags(self):
        tags = []
        if self.rng.random() < 0.75:
            tags.append(self.rng.choice(MOVING_TAGS))
        if self.rng.random() < 0.3:
            tags.append(f"only-{self.world.next_serial()}")
        if self.rng.random() < 0.1:
            tags.append(self.rng.choice([t for t in MOVING_TAGS if t not in tags]))
        return tags

    def push_image(self):
        manifest = self.image(self.rng.choice(REPOSITORIES))
        if manifest is not None:
            tags = self.some_tags()
            self.put_complete(manifest, tags, by_tag=len(tags) == 1 and self.rng.random() < 0.8)

    def push_variant(self):
        """Of the blobs of an image that is there: one request, so that tags are written at the same moment."""
        image = self.world.pick(self.rng, lambda m: m.must_be_there() and m.blobs and m.subject is None)
        if image is not None:
            self.put_complete(self.variant(image, self.rng.random() < 0.4), [self.rng.choice(MOVING_TAGS)], by_tag=True)

    def variant(self, image, keep):
        content = json.loads(image.body)
        content["annotations"] = {"serial": str(self.world.next_serial())}
        return Manifest(image.repository, json.dumps(content).encode(), IMAGE, image.blobs, keep=keep)

    def push_index(self):
        repository = self.rng.choice(REPOSITORIES)
        children = [self.world.pick(self.rng, lambda m: m.repository == repository and m.must_be_there() and m.media_type == IMAGE)
                    for _ in range(2)]
        if None in children:
            return
        manifests = [{"mediaType": c.media_type, "digest": c.digest, "size": len(c.body)} for c in children]
        body = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests,
                           "annotations": {"serial": str(self.world.next_serial())}}).encode()
        self.put_complete(Manifest(repository, body, INDEX, keep=self.rng.random() < 0.6), self.some_tags(), False)

    def push_artifact(self):
        """A referrer of something that stays, or that was just deleted."""
        repository = self.rng.choice(REPOSITORIES)
        subject = self.world.pick(self.rng, lambda m: m.repository == repository and m.acknowledged() and m.subject is None and m.keep)
        if subject is None:
            return
        manifest = self.image(repository, subject, self.rng.choice(["application/x-signature", "application/x-sbom"]))
        if manifest is not None:
            self.put_complete(manifest, self.some_tags() if self.rng.random() < 0.2 else [], False)

    def push_incomplete(self):
        """Names a layer that is not there: refused, whatever happens."""
        repository = self.rng.choice(REPOSITORIES)
        config = b"{}" + str(self.world.next_serial()).encode()
        if not self.push_blob(repository, config):
            return
        subject = self.world.pick(self.rng, lambda m: m.repository == repository and m.must_be_there())
        manifest = self.manifest(repository, config, [self.rng.randbytes(100)], subject, "application/x-refused")
        _, outcome = self.put(manifest, [self.rng.choice(MOVING_TAGS)], by_tag=True)
        if outcome == OK:
            self.world.violation(f"a push that lacks a layer was taken: {repository} {manifest.digest}")
        elif outcome == REFUSED:
            self.world.count("pushes refused as they should be")

    def push_cut_off(self):
        """Half a manifest: never to be seen."""
        repository = self.rng.choice(REPOSITORIES)
        subject = self.world.pick(self.rng, lambda m: m.repository == repository and m.must_be_there())
        manifest = self.image(repository, subject, "application/x-cut-off")
        if manifest is None:
            return
        self.world.register(manifest)
        tag = self.rng.choice(MOVING_TAGS)
        start = self.world.moment()
        self.http.cut_off("PUT", f"/v2/{repository}/manifests/{tag}", manifest.body, {"Content-Type": IMAGE}, self.rng)
        self.note_put(manifest, [tag], start, self.world.moment(), REFUSED)
        self.world.count("manifests cut off")

    def push_again(self):
        """What was deleted comes back, under a new tag."""
        manifest = self.world.pick(self.rng, lambda m: any(e.outcome == OK for e in m.erases))
        if manifest is not None:
            self.put_complete(manifest, [f"only-{self.world.next_serial()}"], by_tag=True)
            self.world.count("pushes of what was deleted")

    def retag(self):
        """A manifest that is there gets a tag that it never had."""
        manifest = self.world.pick(self.rng, lambda m: m.must_be_there())
        if manifest is None:
            return
        with self.world.lock:
            new = [t for t in MOVING_TAGS if t not in manifest.tags]
        if new:
            self.put_complete(manifest, [self.rng.choice(new)], by_tag=True)

    # --- reads -----------------------------------------------------------------------------------------------

    def some_tag(self):
        with self.world.lock:
            known = list(self.world.tag_histories)
        moving = [(r, t) for r in REPOSITORIES for t in MOVING_TAGS]
        return self.rng.choice(known if known and self.rng.random() < 0.2 else moving)

    def note_read(self, repository, tag, answer, start, end, digest):
        if answer.status == 200:
            self.world.note_tag(repository, tag, Operation(READ, digest, start, end))
        elif answer.status == 404:
            self.world.note_tag(repository, tag, Operation(READ, ABSENT, start, end))
        elif answer.outcome == REFUSED and answer.status != 429:
            self.world.violation(f"reading {repository}:{tag}: {answer.status}")

    def head_tag(self):
        self.read_tag("HEAD", *self.some_tag())

    def read_tag(self, method, repository, tag):
        answer, start, end = self.ask(method, f"/v2/{repository}/manifests/{tag}")
        if answer is not None:
            self.note_read(repository, tag, answer, start, end, answer.headers.get("Docker-Content-Digest"))
            self.world.count("tags read")

    def pull_tag(self):
        repository, tag = self.some_tag()
        answer, start, end = self.ask("GET", f"/v2/{repository}/manifests/{tag}")
        if answer is None:
            return
        digest = sha256(answer.body)
        self.note_read(repository, tag, answer, start, end, digest)
        self.world.count("tags read")
        if answer.status != 200:
            return
        if answer.headers.get("Docker-Content-Digest") != digest:
            self.world.violation(f"{repository}:{tag} names {answer.headers.get('Docker-Content-Digest')} and is {digest}")
        with self.world.lock:
            manifest = self.world.manifests.get((repository, digest))
        if manifest is None:
            self.world.violation(f"{repository}:{tag} is {digest}, which nobody pushed")
        elif self.rng.random() < 0.5:
            self.pull_blobs(manifest)

    def pull_digest(self):
        manifest = self.world.pick(self.rng, lambda m: True)
        if manifest is None:
            return
        answer, start, end = self.ask("GET", f"/v2/{manifest.repository}/manifests/{manifest.digest}")
        if answer is None or answer.status >= 500 or answer.status == 429:
            return
        here = THERE if answer.status == 200 else ABSENT
        self.world.note_manifest(manifest.repository, manifest.digest, Operation(READ, here, start, end))
        if answer.status == 200:
            if answer.body != manifest.body:
                self.world.violation(f"{manifest.repository} {manifest.digest} answers other bytes")
            self.pull_blobs(manifest)

    def pull_blobs(self, manifest):
        for digest, size in manifest.blobs:
            path = f"/v2/{manifest.repository}/blobs/{digest}"
            first = self.rng.randrange(size) if self.rng.random() < 0.1 else 0
            headers = {"Range": f"bytes={first}-"} if first else {}
            answer, _, _ = self.ask("GET", path, None, headers)
            if answer is None or answer.status >= 500 or answer.status == 429:
                return
            if manifest.acknowledged() and answer.status not in (200, 206):
                self.world.violation(f"GET {path}: {answer.status}")
            if answer.status == 206 and len(answer.body) != size - first:
                self.world.violation(f"GET {path} from {first}: {len(answer.body)} of {size} bytes")
            if answer.status == 200 and sha256(answer.body) != digest:
                self.world.violation(f"GET {path} answers other bytes")
        self.world.count("pulls verified")

    def list_tags(self):
        repository = self.rng.choice(REPOSITORIES)
        start = self.world.moment()
        tags = read_pages(self.http, f"/v2/{repository}/tags/list", self.rng.choice([None, 3, 50, 1000]), lambda page: page["tags"])
        end = self.world.moment()
        if tags is not None:
            note_list(self.world, repository, tags, start, end)
            self.world.count("tag lists")

    def list_referrers(self):
        subject = self.world.pick(self.rng, lambda m: m.keep and m.subject is None and m.acknowledged())
        if subject is None:
            return
        with self.world.lock:
            before = [m for m in self.world.manifests.values() if m.subject is subject and m.must_be_there()]
        shown = read_pages(self.http, f"/v2/{subject.repository}/referrers/{subject.digest}", None, lambda page: page["manifests"])
        if shown is None:
            return
        self.world.count("referrer lists")
        for violation in referrers_wrong(self.world, subject, before, shown):
            self.world.violation(violation)

    # --- deletes ---------------------------------------------------------------------------------------------

    def delete_tag(self):
        self.remove_tag(*self.some_tag())

    def remove_tag(self, repository, tag):
        answer, start, end = self.ask("DELETE", f"/v2/{repository}/manifests/{tag}")
        outcome = UNKNOWN if answer is None else answer.outcome
        if outcome == OK:
            self.world.note_tag(repository, tag, Operation(REMOVE, ABSENT, start, end))
            self.world.count("tags deleted")
        elif outcome == UNKNOWN:
            self.world.note_tag(repository, tag, Operation(REMOVE, ABSENT, start, None))
            self.world.count("unknown outcomes")
        else:
            self.note_read(repository, tag, answer, start, end, None)

    def delete_manifest(self):
        # Half the time one that a tag may point at: the delete then meets a push that moves the tag.
        recent = self.world.serial - 30 if self.rng.random() < 0.5 else 0
        manifest = self.world.pick(
            self.rng, lambda m: not m.keep and m.may_be_listed() and len(m.erases) < 2 and m.serial >= recent)
        if manifest is not None:
            self.erase(manifest)

    def erase(self, manifest):
        with self.world.lock:
            manifest.erase_asked = True
        repository, digest = manifest.repository, manifest.digest
        answer, start, end = self.ask("DELETE", f"/v2/{repository}/manifests/{digest}")
        outcome = UNKNOWN if answer is None else answer.outcome
        with self.world.lock:
            manifest.erases.append(Attempt(start, end, outcome))
        if outcome == OK:
            self.world.note_manifest(repository, digest, Operation(REMOVE, ABSENT, start, end))
            self.world.count("manifests deleted")
        elif outcome == UNKNOWN:
            self.world.note_manifest(repository, digest, Operation(REMOVE, ABSENT, start, None))
            self.world.count("unknown outcomes")
        elif answer.status == 404:
            self.world.note_manifest(repository, digest, Operation(READ, ABSENT, start, end))
        elif answer.status != 429:
            self.world.violation(f"DELETE of {repository} {digest}: {answer.status} {answer.body[:200]!r}")


    # --- duels -------------------------------------------------------------------------------------------------

    def duel(self):
        """Two requests that must exclude each other, at the same moment and so at two replicas."""
        image = self.world.pick(self.rng, lambda m: m.must_be_there() and m.blobs and m.subject is None)
        if image is None:
            return
        second = Client(self.world, self.address, f"{self.number}/second", self.until)
        self.rng.choice([self.duel_of_chunks, self.duel_over_a_tag, self.duel_of_deletes, self.duel_of_deletes])(image, second)
        second.http.close()
        self.world.count("duels")

    def at_once(self, one, other, apart):
        """Both, the second up to `apart` seconds later. A Broken of either is noted already, or tells nothing."""
        def late():
            time.sleep(self.rng.random() * apart)
            other()

        thread = threading.Thread(target=late, daemon=True)
        thread.start()
        one()
        thread.join()

    def duel_of_chunks(self, image, second):
        """Two different first chunks: at most one counts."""
        begun, _, _ = self.ask("POST", f"/v2/{image.repository}/blobs/uploads/", b"")
        if begun is None or begun.status != 202:
            return
        location, answers, chunks = begun.headers["Location"], [None, None], [self.rng.randbytes(20 * KIB) for _ in range(2)]

        def send(client, n):
            headers = {"Content-Type": "application/octet-stream", "Content-Range": f"0-{20 * KIB - 1}"}
            answers[n], _, _ = client.ask("PATCH", location, chunks[n], headers)

        self.at_once(lambda: send(self, 0), lambda: send(second, 1), 0.05)
        won = [n for n in range(2) if answers[n] is not None and answers[n].status == 202]
        if len(won) == 2:
            self.world.violation(f"{location} took two first chunks")
        elif won and None not in answers and answers[1 - won[0]].status == 416:
            self.finish(location, b"", sha256(chunks[won[0]]), {})

    def duel_over_a_tag(self, image, second):
        """A push moves the tag while what it pointed at is deleted: the tag stays with the push."""
        tag = f"duel-{self.number}"
        old, new = self.variant(image, False), self.variant(image, True)
        if self.put_complete(old, [tag], True) == OK:
            self.at_once(lambda: self.erase(self.known(old)), lambda: second.put_complete(new, [tag], True), 0.3)
            self.read_tag("HEAD", image.repository, tag)

    def duel_of_deletes(self, image, second):
        """One thing is deleted once: the other one is told that it is not there."""
        tag = f"duel-{self.number}"
        manifest = self.variant(image, False)
        if self.put_complete(manifest, [tag], True) != OK:
            return
        if self.rng.random() < 0.5:
            self.at_once(lambda: self.remove_tag(image.repository, tag), lambda: second.remove_tag(image.repository, tag), 0.05)
        else:
            manifest = self.known(manifest)
            self.at_once(lambda: self.erase(manifest), lambda: second.erase(manifest), 0.05)

    def known(self, manifest):
        with self.world.lock:
            return self.world.manifests[(manifest.repository, manifest.digest)]


def session_offset(status):
    """How many bytes a session has: `Range: 0-<last>`, and no byte is `0-0` as well."""
    last = int(re.fullmatch(r"(?:bytes=)?0-(\d+)", status.headers["Range"]).group(1))
    return last + 1 if last else 0


def read_pages(connection, path, n, entries):
    """All of a list, or None if a page of it did not come. 404: nothing."""
    found, target = [], path + (f"?n={n}" if n else "")
    while target:
        try:
            answer = connection.request("GET", target)
        except Broken:
            return None
        if answer.status == 404 and not found:
            return []
        if answer.status != 200:
            return None
        found += entries(json.loads(answer.body))
        link = re.match(r'<([^>]*)>; *rel="?next', answer.headers.get("Link") or "")
        target = link and link.group(1)
    return found


def note_list(world, repository, tags, start, end):
    """What a list says of each tag. In byte order, each once, and none that nobody wrote."""
    if tags != sorted(set(tags)):
        world.violation(f"the tags of {repository} are out of order or double: {tags}")
    with world.lock:
        for known_repository, tag in list(world.tag_histories):
            if known_repository == repository:
                operation = Operation(PRESENT if tag in tags else READ, ABSENT, start, end)
                world.tag_histories[(repository, tag)].append(operation)
        strange = [t for t in tags if (repository, t) not in world.tag_histories]
    # A push that is under way is not noted yet.
    for tag in strange:
        if tag in MOVING_TAGS or tag.startswith(("only-", "duel-")):
            world.note_tag(repository, tag, Operation(PRESENT, ABSENT, start, end))
        else:
            world.violation(f"{repository} lists the tag {tag}, which nobody wrote")


def referrers_wrong(world, subject, expected, shown):
    """`expected` were acknowledged before the list was asked for, and nobody asked to delete them up to now."""
    digests = [d["digest"] for d in shown]
    where = f"the referrers of {subject.repository} {subject.digest}"
    for manifest in expected:
        if manifest.digest not in digests and manifest.must_be_there():
            yield f"{where} lack {manifest.digest}"
    if len(digests) != len(set(digests)):
        yield f"{where} have doubles"
    for entry in shown:
        with world.lock:
            manifest = world.manifests.get((subject.repository, entry["digest"]))
        if manifest is None or manifest.subject is not subject:
            yield f"{where} show {entry['digest']}, which is none"
        elif manifest.puts and not manifest.may_be_listed():
            yield f"{where} show {entry['digest']}, whose push was refused"
        elif entry["size"] != len(manifest.body) or entry.get("artifactType") != manifest.artifact_type:
            yield f"{where} describe {entry['digest']} wrongly: {entry}"
