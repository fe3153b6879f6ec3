"""Storms of kill -9: members are killed and started again at random, alone, two at once, all at once, while
they start, under clients that put, delete and read through all of them. Every history of a key has to be
linearizable, so no acknowledged write is lost and no read is of the past."""

import os
import random
import shutil
import threading
import time
from collections import Counter

import harness
import test_linear
from damage import flip, home, log_of, segments_of, snap_of
from harness import Connection, check, story, wait_for
from linear import DELETE, GET, NEVER, PUT, Op, violation

OPTIONS = ("--election-ms", "300", "--heartbeat-ms", "60", "--request-timeout-ms", "1500",
           "--snapshot-log-bytes", "150000", "--wal-segment-bytes", "8388608", "--revisions-kept", "200")


class Recorder:
    """Clients with histories: what each did to which key, when, and what came of it."""

    def __init__(self, cluster, seed, clients=6, keys=10):
        self.cluster, self.keys = cluster, [f"/storm-{i}" for i in range(keys)]
        self.history = {key: [] for key in self.keys}
        self.counts, self.lock, self.ending = Counter(), threading.Lock(), threading.Event()
        self.wrong = []
        self.threads = [threading.Thread(target=self.run, args=(i, random.Random(f"{seed} client {i}")), daemon=True)
                        for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, number, rand):
        connections, count = {}, 0
        while not self.ending.is_set():
            count += 1
            kind = rand.choices((PUT, DELETE, GET), (5, 1, 6))[0]
            key, member = rand.choice(self.keys), rand.choice(list(self.cluster.members.values()))
            value = f"{number}-{count}" if kind == PUT else None
            size = rand.choice((0, 0, 100, 5000))
            if not member.alive():
                time.sleep(0.002)
                continue
            self.one(connections, member, kind, key, value, size)
        for connection in connections.values():
            connection.close()

    def one(self, connections, member, kind, key, value, size=0):
        """One request, and what it says about the key. Returns whether it was answered with a success."""
        body = f"{value} {'x' * size}".encode() if kind == PUT else b""
        sent, answer, begun = False, None, time.monotonic()
        try:
            if member.id not in connections:
                connections[member.id] = Connection(member, timeout=6)
            sent = True
            answer = connections[member.id].ask({PUT: "PUT", DELETE: "DELETE", GET: "GET"}[kind], key, body)
            closes = answer.headers.get("Connection") == "close"
        except (OSError, ValueError, IndexError):
            closes = True
        ended = time.monotonic()
        if closes and member.id in connections:
            connections.pop(member.id).close()
        status = answer.status if answer else None
        with self.lock:
            self.counts[(kind, status if sent else "unreached")] += 1
            if kind == GET:
                if status not in (None, 200, 404, 503):
                    self.wrong.append(f"GET {key} at member {member.id}: {answer}")
                if status in (200, 404):
                    seen = answer.body.split(b" ", 1)[0].decode() if status == 200 else None
                    self.history[key].append(Op(GET, seen, begun, ended))
            elif status == 204:
                self.history[key].append(Op(kind, value, begun, ended))
            elif sent and status in (None, 504):
                self.history[key].append(Op(kind, value, begun, NEVER))
            elif sent and status != 503:
                self.wrong.append(f"{kind} {key} at member {member.id}: {answer}")
        return status in (200, 204, 404)

    def acknowledged(self):
        with self.lock:
            return sum(count for (_, status), count in self.counts.items() if status in (200, 204, 404))

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(20)

    def read_all(self, seconds=20):
        """Each key through each member: what was acknowledged last, or what came after it, is there."""
        for member in self.cluster.members.values():
            connections = {}
            for key in self.keys:
                wait_for(f"GET {key} at member {member.id}", seconds,
                         lambda: self.one(connections, member, GET, key, None))
            for connection in connections.values():
                connection.close()

    def judge(self):
        check(not self.wrong, f"answers that no request has: {self.wrong[:3]}")
        for key, ops in self.history.items():
            said = violation(ops)
            check(not said, f"the history of {key} is not linearizable: {said}")


class Killer:
    """Kills and starts, in an order that the seed decides."""

    def __init__(self, cluster, rand):
        self.cluster, self.rand, self.kills, self.early = cluster, rand, 0, 0

    def kill(self, member):
        check(member.alive(), f"member {member.id} ended by itself, with {member.process.poll()}")
        member.kill()
        self.kills += 1

    def round(self):
        members = list(self.cluster.members.values())
        count = self.rand.choices((1, 2, len(members)), (6, 2, 1))[0]
        victims = self.rand.sample(members, min(count, len(members)))
        for victim in victims:
            self.kill(victim)
            time.sleep(self.rand.choice((0, 0, 0.05)))
        time.sleep(self.rand.choice((0, 0.1, 0.6)))
        for victim in victims:
            self.cluster.start(victim.id)
            while self.rand.random() < 0.25:  # in the middle of its start, or soon after
                time.sleep(self.rand.random() * 0.12)
                self.kill(victim)
                self.early += 1
                self.cluster.start(victim.id)
        time.sleep(self.rand.choice((0.1, 0.4, 1.2)))


def storm(new, storages, seconds, what):
    seed = harness.SETTINGS.seed
    cluster = new(len(storages), None, storages=storages, options=OPTIONS).start()
    cluster.leader(30)
    recorder, killer = Recorder(cluster, seed), Killer(cluster, random.Random(f"{seed} kills {what}"))
    begun, wanted = time.monotonic(), 20 * seconds
    try:
        while (past := time.monotonic() - begun) < seconds or (recorder.acknowledged() < wanted and past < 8 * seconds):
            killer.round()  # a slow machine takes longer to answer as much
    finally:
        recorder.stop()
    for member in cluster.members.values():
        check(member.alive(), f"member {member.id} ended by itself, with {member.process.poll()}")
    cluster.leader(30)
    recorder.read_all()
    answered = recorder.acknowledged()
    unknown = sum(count for (_, status), count in recorder.counts.items() if status in (None, 504))
    print(f"     storm over {what}, --seed {seed}: {killer.kills} kills, {killer.early} of them of starting members, "
          f"{answered} answers, {unknown} requests without one", flush=True)
    recorder.judge()
    check(answered >= wanted, f"only {answered} answers")
    for member in cluster.members.values():
        text = member.log_text()
        check("damaged" not in text and "lost" not in text, f"member {member.id} takes a kill for damage")


@story(("memory",))
def checker_of_registers(new, storage):
    """The checker itself, on histories whose answer is known."""
    check(test_linear.main() == 0, "the checker of registers is wrong")


@story()
def storm_of_kills(new, storage):
    """kill -9 again and again in a cluster of three: all histories are linearizable, nobody ends by itself."""
    storm(new, [storage] * 3, harness.SETTINGS.seconds(5), f"three of {storage}")


@story()
def storm_of_kills_alone(new, storage):
    """The same on a member that is alone."""
    storm(new, [storage], harness.SETTINGS.seconds(3), f"one of {storage}")


@story(("mixed",))
def storm_of_kills_mixed(new, storage):
    """The same with both engines in one cluster."""
    storm(new, ["rocksdb", "memory", "rocksdb"], harness.SETTINGS.seconds(5), "both engines")


# ---- and disks that are damaged meanwhile, of one member at a time

def spoil(member, rand):
    """Damages something of a stopped member, in any way; what, as text."""
    segments, state = segments_of(member), os.path.join(log_of(member), "state")
    snapshots = [os.path.join(snap_of(member), n) for n in sorted(os.listdir(snap_of(member)))]
    segment = rand.choice(segments)
    used = min(os.path.getsize(segment), 4096 + rand.choice((512, 20_000, 400_000)))
    ways = [("a bit of the log", lambda: flip(segment, rand.randrange(used), 1 << rand.randrange(8))),
            ("a segment cut", lambda: os.truncate(segment, rand.randrange(used))),
            ("a segment removed", lambda: os.remove(segment)),
            ("the state file removed", lambda: os.remove(state)),
            ("a bit of the state", lambda: flip(state, rand.choice((0, 4096)) + rand.randrange(512)))]
    if member.storage == "rocksdb":
        pointer = os.path.join(home(member), "CURRENT-DB")
        generations = [os.path.join(home(member), n) for n in os.listdir(home(member)) if n.startswith("db-")]
        ways += [("the pointer removed", lambda: os.path.exists(pointer) and os.remove(pointer)),
                 ("generations removed", lambda: [shutil.rmtree(path) for path in generations]),
                 ("checkpoints removed", lambda: [shutil.rmtree(path) for path in snapshots]),
                 ("both removed", lambda: [shutil.rmtree(path) for path in generations + snapshots])]
    elif snapshots:
        path = rand.choice(snapshots)
        ways += [("a bit of a snapshot", lambda: os.path.getsize(path) and flip(path, rand.randrange(os.path.getsize(path)))),
                 ("a snapshot removed", lambda: os.remove(path))]
    what, act = rand.choice(ways)
    act()
    return what


def whole(member):
    status = member.status()
    return status and status["ready"] and not status["abstains"]


def storm_of_damage(new, storages, seconds, what):
    seed = harness.SETTINGS.seed
    rand = random.Random(f"{seed} damage {what}")
    cluster = new(len(storages), None, storages=storages, options=OPTIONS).start()
    cluster.leader(30)
    recorder, done, early = Recorder(cluster, seed), Counter(), 0
    end = time.monotonic() + seconds
    try:
        while time.monotonic() < end:
            member = rand.choice(list(cluster.members.values()))
            member.kill()
            done[spoil(member, rand)] += 1
            cluster.start(member.id)
            while rand.random() < 0.4:  # in the middle of its repair, perhaps
                time.sleep(rand.random() * 0.4)
                member.kill()
                early += 1
                cluster.start(member.id)
            wait_for(f"member {member.id} is whole after {done}", 40, lambda: whole(member))
            time.sleep(rand.choice((0, 0.3)))
    finally:
        recorder.stop()
    cluster.leader(30)
    recorder.read_all()
    print(f"     storm of damage over {what}, --seed {seed}: {sum(done.values())} times, {early} kills of who is being "
          f"repaired, {recorder.acknowledged()} answers", flush=True)
    recorder.judge()


@story()
def storm_of_damage_and_kills(new, storage):
    """The disks of a cluster of three are damaged, one after the other, and who is being repaired is killed: all
    histories are linearizable, and each is repaired."""
    storm_of_damage(new, [storage] * 3, harness.SETTINGS.seconds(5), f"three of {storage}")
