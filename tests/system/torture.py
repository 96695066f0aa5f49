#!/usr/bin/env python3
"""The torture test's driver: starts the replicas and Redis, lets clients loose, kills what it started, then judges.

Everything else (the S3 server, the fault proxy before it, the balancer) has been started by `torture`, the script beside it.
"""
import argparse
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

from torture_clients import Client, World
from torture_verdict import Verdict

parser = argparse.ArgumentParser()
parser.add_argument("--seconds", type=float, required=True)
parser.add_argument("--seed", required=True)
parser.add_argument("--clients", type=int, default=20)
parser.add_argument("--balancer", required=True)
parser.add_argument("--binary", required=True)
parser.add_argument("--replica", action="append", required=True, help="PORT=CONFIGURATION")
parser.add_argument("--redis", action="append", default=[], help="PORT=COMMAND, words apart by spaces")
parser.add_argument("--fault-proxy", type=int, help="its process")
parser.add_argument("--fault-stats")
parser.add_argument("--logs", required=True)
parser.add_argument("--no-kills", action="store_true")
parser.add_argument("--own-locks", help="prefixes, joined by commas, one for each replica's locks: for a test of the test")
options = parser.parse_args()


class Server:
    """A process that is killed, and started again as a supervisor would."""

    def __init__(self, name, command):
        self.name, self.command = name, command
        self.log = open(os.path.join(options.logs, f"{name}.log"), "ab")
        self.process, self.wanted, self.starts, self.left, self.busy = None, False, 0, 0, threading.Lock()

    def start(self):
        with self.busy:
            self.wanted = True
            if self.process is None or self.process.poll() is not None:
                self.starts += 1
                self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def kill(self):
        with self.busy:
            self.wanted = False
            if self.process is not None:
                self.process.kill()
                self.process.wait()

    def send(self, number):
        with self.busy:
            if self.process is not None and self.process.poll() is None:
                self.process.send_signal(number)

    def supervise(self):
        """A replica that can't reach S3 when it starts ends; it is started again."""
        with self.busy:
            gone = self.wanted and self.process.poll() is not None
        if gone:
            self.left += 1
            self.start()


class Replica(Server):
    def __init__(self, number, port, config):
        super().__init__(f"replica-{number}", [options.binary, "-c", config, "server"])
        self.address = f"127.0.0.1:{port}"

    def answers(self):
        try:
            with urllib.request.urlopen(f"http://{self.address}/v2/", timeout=2) as answer:
                return answer.status == 200
        except OSError:
            return False


class Chaos(threading.Thread):
    """Kills, pauses and restarts at random times."""

    def __init__(self, world, replicas, redis, until):
        super().__init__(daemon=True)
        self.world, self.replicas, self.redis, self.until = world, replicas, redis, until
        self.rng = random.Random(f"{options.seed}/chaos")

    def pause(self, low, high):
        time.sleep(max(0, min(self.rng.uniform(low, high), self.until - time.monotonic())))

    def run(self):
        bag = []
        while time.monotonic() < self.until:
            self.pause(1.5, 4.5)
            if not bag:
                # So that none is left out in a short run.
                bag = self.rng.sample(["kill"] * 7 + ["pause"] + (["redis"] * 2 if self.redis else []), k=8 + 2 * bool(self.redis))
            fate = bag.pop()
            if fate == "redis":
                # In memory only: it comes back without a single lock.
                for redis in self.redis:
                    redis.kill()
                self.world.count("Redis restarts")
                self.pause(0, 2)
                for redis in self.redis:
                    redis.start()
            elif fate == "pause":
                # Shorter than what is left of a lock's life.
                victim = self.rng.choice(self.replicas)
                victim.send(signal.SIGSTOP)
                self.world.count("replicas paused")
                self.pause(0.5, 3)
                victim.send(signal.SIGCONT)
            else:
                victims = self.rng.sample(self.replicas, self.rng.choices([1, 2, 3], [80, 15, 5])[0])
                for victim in victims:
                    victim.kill()
                    self.world.count("replicas killed")
                self.pause(0.1, 2)
                for victim in victims:
                    victim.start()


def name_groups(port, prefixes):
    """Gives the replicas, each of which has locks under a prefix of its own, one name all the same: else they would see that
    they do not share their locks, and refuse to work together."""
    words = [["SET", f"{prefix}locks:group", "one-group", "NX"] for prefix in prefixes]
    command = "".join(f"*{len(w)}\r\n" + "".join(f"${len(word)}\r\n{word}\r\n" for word in w) for w in words)
    with socket.create_connection(("127.0.0.1", port), 1) as redis:
        redis.sendall(command.encode())
        answers = b""
        while answers.count(b"\r\n") < len(words):
            answers += redis.recv(4096) or b"-gone\r\n" * len(words)
        if b"-" in answers:
            raise OSError(answers)


def named(port, prefixes):
    try:
        name_groups(port, prefixes)
    except OSError:
        return False
    return True


def name_groups_for_ever(port, prefixes, stop):
    while not stop.wait(0.1):
        named(port, prefixes)  # or it is being restarted


def supervise(servers, stop):
    while not stop.wait(0.3):
        for server in servers:
            server.supervise()


def wait_for(what, seconds, test):
    end = time.monotonic() + seconds
    while not test():
        if time.monotonic() > end:
            sys.exit(f"error: not within {seconds} s: {what}")
        time.sleep(0.2)


def main():
    world = World(options.seed)
    redis = [Server(f"redis-{port}", command.split(" ")) for port, command in (r.split("=", 1) for r in options.redis)]
    replicas = [Replica(n, *r.split("=", 1)) for n, r in enumerate(options.replica, 1)]
    stop = threading.Event()
    for server in redis:
        server.start()
    if options.own_locks:
        port, prefixes = int(options.redis[0].split("=")[0]), options.own_locks.split(",")
        wait_for("Redis takes names", 20, lambda: named(port, prefixes))
        threading.Thread(target=name_groups_for_ever, args=(port, prefixes, stop), daemon=True).start()
    for server in replicas:
        server.start()
    threading.Thread(target=supervise, args=(redis + replicas, stop), daemon=True).start()
    try:
        wait_for("all replicas answer", 90, lambda: all(r.answers() for r in replicas))
        storm(world, replicas, redis)
        # The faults end, and everything begins anew: one by one, for after a stop of all of them nothing is written for a while.
        for server in redis + replicas:
            server.kill()
            server.start()
            if server in replicas:
                wait_for(f"{server.name} answers again", 90, server.answers)
        failed = judge(world, replicas)
    finally:
        stop.set()
        for server in replicas + redis:
            server.kill()
    sys.exit(1 if failed else 0)


def storm(world, replicas, redis):
    until = time.monotonic() + options.seconds
    clients = [Client(world, options.balancer, n, until) for n in range(options.clients)]
    if options.fault_proxy:
        os.kill(options.fault_proxy, signal.SIGUSR1)
    chaos = Chaos(world, replicas, redis, until)
    if not options.no_kills:
        chaos.start()
    for client in clients:
        client.start()
    # One request may take as long as a client waits for it.
    for client in clients:
        client.join(options.seconds + 90)
        if client.is_alive():
            world.violation(f"{client.name} does not end")
    if chaos.is_alive():
        chaos.join(30)
    if options.fault_proxy:
        os.kill(options.fault_proxy, signal.SIGUSR2)
        time.sleep(1)


def judge(world, replicas):
    began = time.monotonic()
    verdict = Verdict(world, [r.address for r in replicas])
    staying, gone, blobs = verdict.run()
    faults = {}
    if options.fault_stats:
        with open(options.fault_stats) as f:
            faults = json.load(f)
    panics = [r.name for r in replicas if b"panicked" in open(r.log.name, "rb").read()]
    verdict.check("no replica panicked", panics)
    counts = world.counters
    print(f"seed {options.seed}")
    for what in sorted(counts):
        print(f"  {what}: {counts[what]}")
    for what in faults:
        print(f"  S3, {what}: {faults[what]}")
    for server in replicas:
        print(f"  {server.name} was started {server.starts} times, {server.left} of them because it had left by itself")
    lengths = [len(h) for h in world.tag_histories.values()] or [0]
    print(f"  tag histories: {len(lengths)}, operations: {sum(lengths)}, the longest: {max(lengths)}")
    print(f"  judged in {time.monotonic() - began:.0f} s")
    verdict.check("the test did something", idle(counts, faults, gone))
    print(f"{len(verdict.passed)} passed, {len(verdict.failed)} failed")
    return verdict.failed


def idle(counts, faults, gone):
    """What happened too seldom for the rest to mean much."""
    # Per second: a third of what a slow machine does.
    least = {"pushes acknowledged": 0.7, "pulls verified": 0.15, "tags read": 0.7, "tags deleted": 0.07, "manifests deleted": 0.1,
             "tag lists": 0.07, "referrer lists": 0.05, "mounts": 0.1, "chunked uploads": 0.7, "monolithic uploads": 0.3, "duels": 0.1,
             "pushes refused as they should be": 0.03, "manifests cut off": 0.03}
    if not options.no_kills:
        least["replicas killed"] = 0.1
        if options.redis:
            least["Redis restarts"] = 0.015
    for what, per_second in least.items():
        if counts.get(what, 0) < per_second * options.seconds:
            yield f"{what}: {counts.get(what, 0)} in {options.seconds:.0f} s"
    if not gone:
        yield "no manifest was deleted for certain"
    if options.fault_proxy and faults.get("faults", 0) < options.seconds:
        yield f"faults of S3: {faults.get('faults')}"


main()
