"""What has to be true when the faults are over: on every replica, of every manifest, tag and list."""
import concurrent.futures
import json
import threading
import time

from history import ABSENT, ERASE, READ, WRITE, Operation, Undecided, explain
from torture_clients import (REPOSITORIES, THERE, Broken, Connection, note_list, read_pages, referrers_wrong, sha256)


class Verdict:
    """Checks by name. Each is passed or failed as a whole, and says what is wrong."""

    def __init__(self, world, replicas):
        self.world, self.replicas = world, replicas  # addresses
        self.local = threading.local()
        self.passed, self.failed = [], []

    def check(self, name, problems):
        problems = list(problems)
        (self.failed if problems else self.passed).append(name)
        print(f"{'FAIL' if problems else 'PASS'} {name}", flush=True)
        for problem in problems[:10]:
            print(f"  {problem}")
        if len(problems) > 10:
            print(f"  ... and {len(problems) - 10} more")

    def get(self, replica, path, method="GET"):
        """Nothing fails any more, so neither may this. A second try is for what ends with the faults: a lock of the dead."""
        connections = self.local.__dict__.setdefault("connections", {})
        connection = connections.setdefault(replica, Connection(replica))
        for _ in range(3):
            try:
                answer = connection.request(method, path)
                if answer.status < 500:
                    return answer
                reason = f"{answer.status}"
            except Broken as error:
                reason = str(error)
            time.sleep(0.5)
        raise AssertionError(f"{method} {path} at {replica}: {reason}, though all faults have ended")

    def everywhere(self, function, things):
        """The problems that `function(replica, thing)` yields."""
        jobs = [(replica, thing) for thing in things for replica in self.replicas]

        def one(job):
            try:
                return list(function(*job))
            except AssertionError as error:
                return [str(error)]

        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            return [f"{job[0]}: {p}" for job, problems in zip(jobs, pool.map(one, jobs)) for p in problems]

    def run(self):
        manifests = list(self.world.manifests.values())
        staying = [m for m in manifests if m.must_be_there()]
        gone = [m for m in manifests if m.must_be_gone()]
        blobs = sorted({(m.repository, digest) for m in staying for digest, _ in m.blobs})
        print(f"{len(staying)} manifests have to be there with {len(blobs)} blobs, {len(gone)} have to be gone; "
              f"{len(manifests) - len(staying) - len(gone)} may be either", flush=True)
        self.check("nothing was wrong while the faults lasted", self.world.violations)
        self.check("every acknowledged manifest is there, byte for byte", self.everywhere(self.is_there, staying))
        self.check("every blob of theirs is there, byte for byte", self.everywhere(self.has_blob, blobs))
        self.check("every deleted manifest is gone", self.everywhere(self.is_gone, gone))
        self.check("every referrer of what is acknowledged is listed, and nothing refused", self.everywhere(
            self.has_referrers, [m for m in manifests if m.subject is None and m.acknowledged()]))
        self.check("every replica answers every tag alike", self.tags_agree())
        self.check("every replica lists the tags that it answers", self.everywhere(self.list_is_true, REPOSITORIES))
        self.check("the catalog has the repositories", self.everywhere(self.catalog, [None]))
        self.check("each tag was one register", self.tag_histories())
        self.check("each manifest was one register", self.manifest_histories())
        return staying, gone, blobs

    def is_there(self, replica, manifest):
        path = f"/v2/{manifest.repository}/manifests/{manifest.digest}"
        answer = self.get(replica, path)
        if answer.status != 200:
            yield f"GET {path}: {answer.status}"
        elif answer.body != manifest.body or answer.headers["Content-Type"] != manifest.media_type:
            yield f"GET {path}: other bytes, or another media type ({answer.headers['Content-Type']})"

    def has_blob(self, replica, blob):
        path = f"/v2/{blob[0]}/blobs/{blob[1]}"
        answer = self.get(replica, path)
        if answer.status != 200:
            yield f"GET {path}: {answer.status}"
        elif sha256(answer.body) != blob[1]:
            yield f"GET {path}: other bytes"

    def is_gone(self, replica, manifest):
        for reference in [manifest.digest, *sorted(manifest.tags)]:
            path = f"/v2/{manifest.repository}/manifests/{reference}"
            answer = self.get(replica, path)
            if answer.status != 404 and (reference == manifest.digest or sha256(answer.body) == manifest.digest):
                yield f"GET {path}: {answer.status}"

    def has_referrers(self, replica, subject):
        with self.world.lock:
            expected = [m for m in self.world.manifests.values() if m.subject is subject and m.must_be_there()]
            deleted = {m.digest for m in self.world.manifests.values() if m.subject is subject and m.must_be_gone()}
        shown = read_pages(Connection(replica), f"/v2/{subject.repository}/referrers/{subject.digest}", None, lambda page: page["manifests"])
        if shown is None:
            yield f"the referrers of {subject.repository} {subject.digest} are not answered"
            return
        yield from referrers_wrong(self.world, subject, expected, shown)
        for entry in shown:
            if entry["digest"] in deleted:
                yield f"the referrers of {subject.repository} {subject.digest} show the deleted {entry['digest']}"

    def tags_agree(self):
        """Each read is noted too: the histories below end with it."""
        for repository, tag in list(self.world.tag_histories):
            answers = set()
            for replica in self.replicas:
                start = self.world.moment()
                try:
                    answer = self.get(replica, f"/v2/{repository}/manifests/{tag}")
                except AssertionError as error:
                    yield str(error)
                    continue
                digest = sha256(answer.body) if answer.status == 200 else ABSENT
                self.world.note_tag(repository, tag, Operation(READ, digest, start, self.world.moment()))
                answers.add(digest)
            if len(answers) > 1:
                yield f"{repository}:{tag} is {answers}"

    def list_is_true(self, replica, repository):
        start = self.world.moment()
        tags = read_pages(Connection(replica), f"/v2/{repository}/tags/list", None, lambda page: page["tags"])
        if tags is None:
            yield f"the tags of {repository} are not answered"
            return
        note_list(self.world, repository, tags, start, self.world.moment())
        for tag in tags:
            answer = self.get(replica, f"/v2/{repository}/manifests/{tag}", "HEAD")
            if answer.status != 200:
                yield f"{repository} lists {tag}, which answers {answer.status}"

    def catalog(self, replica, _):
        listed = json.loads(self.get(replica, "/v2/_catalog").body)["repositories"]
        for repository in {m.repository for m in self.world.manifests.values() if m.must_be_there()}:
            if repository not in listed:
                yield f"the catalog lacks {repository}"

    def tag_histories(self):
        for (repository, tag), history in sorted(self.world.tag_histories.items()):
            written = {o.value for o in history if o.kind == WRITE}
            for (other, digest), manifest in self.world.manifests.items():
                if other == repository and digest in written:
                    # Deleting a manifest takes its tags along, each if it still points there.
                    history = history + [
                        Operation(ERASE, digest, e.start, e.end if e.outcome == "ok" else None)
                        for e in manifest.erases if e.outcome != "refused"
                    ]
            yield from self.explained(f"{repository}:{tag}", history)

    def manifest_histories(self):
        for (repository, digest), history in sorted(self.world.manifest_histories.items()):
            yield from self.explained(f"{repository} {digest}", history)

    @staticmethod
    def explained(name, history):
        try:
            reason = explain(history)
        except Undecided as error:
            reason = f"undecided: {error}"
        if reason:
            yield f"{name}: {reason}"
