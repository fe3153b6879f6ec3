"""Stories of members that are cut off, half cut off, or come with the wrong disk."""

import os
import shutil
import subprocess
import time

from harness import Load, Probe, check, story, wait_for
from stories_members import until_answered
from wire import Wires


def wired(new, storage, size, options=()):
    """A cluster whose members reach each other through wires."""
    wires = Wires()
    return new(size, storage, places=[wires.place(i + 1) for i in range(size)], options=options), wires


@story()
def cut_off_leader(new, storage):
    """A leader cut off from its quorum steps down and answers 503; the others go on; it comes back as a
    follower and has lost nothing that was acknowledged."""
    cluster, wires = wired(new, storage, 3, ("--request-timeout-ms", "1500"))
    try:
        leader = cluster.start().leader()
        rest = [i for i in (1, 2, 3) if i != leader.id]
        cluster.put(leader.id, "/k", b"before")
        wires.cut(leader.id, rest)
        wait_for("it steps down", 10, lambda: leader.status()["role"] != "leader")
        check(leader.status()["quorum_contact"] is False, "it still claims to be in contact with a quorum")
        for method in ("GET", "PUT"):
            answer = leader.ask(method, "/k", b"lost" if method == "PUT" else None)
            check(answer and answer.status == 503, f"{method} at a leader without a quorum: {answer}")
            check(answer.headers.get("Retry-After"), "503 without Retry-After")
        cluster.leader(10, among=rest)
        cluster.put(rest[0], "/k", b"after")
        wires.heal()
        cluster.leader(15)
        cluster.expect(leader.id, "/k", b"after")
        check("no answers from a quorum" in leader.log_text(), "its log does not say why it stepped down")
    finally:
        wires.close()


@story()
def half_connected_member(new, storage):
    """A member that reaches a follower but not the leader cannot depose it, for as long as that lasts."""
    cluster, wires = wired(new, storage, 3)
    try:
        leader = cluster.start().leader()
        half = next(i for i in (1, 2, 3) if i != leader.id)
        term = leader.status()["term"]
        load = Load(cluster)
        load.wait_more(50)
        wires.cut(half, [leader.id])
        end = time.monotonic() + 6  # three of the longest election timeouts
        while time.monotonic() < end:
            status = leader.status()
            check(status["term"] == term and status["role"] == "leader", f"the leader was deposed: {status}")
            time.sleep(0.1)
        wires.heal()
        load.wait_more(50, 30)
        load.stop()
        wait_for("all agree", 15, lambda: cluster.leader() is leader)
        check(leader.status()["term"] == term, "the member that came back brought another term")
        load.verify(half, 40)
    finally:
        wires.close()


@story()
def removed_while_away(new, storage):
    """A member that is removed while it is cut off deposes nobody when it comes back; it learns that it was
    removed, and ends with 0."""
    cluster, wires = wired(new, storage, 4)
    try:
        leader = cluster.start().leader()
        away = next(i for i in (1, 2, 3, 4) if i != leader.id)
        rest = [i for i in (1, 2, 3, 4) if i != away]
        wires.cut(away, rest)
        until_answered(leader, "DELETE", f"/{away}")
        time.sleep(3)  # longer than its election timeout: it has begun to ask for votes
        term = leader.status()["term"]
        wires.heal()
        check(cluster[away].wait_exit(20) == 0, "the exit code of a removed member")
        check("removed" in cluster[away].log_text(), "it does not say that it was removed")
        check(cluster.leader() is leader and leader.status()["term"] == term, "it disturbed the leader")
        cluster.put(leader.id, "/after", b"1")
    finally:
        wires.close()


class SlowDisks:
    """Disks of a cluster's members that can be made to hang (slow_disk.c), before the members start."""

    def __init__(self, cluster):
        self.cluster, self.library = cluster, os.path.join(cluster.root, "slow_disk.so")
        source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "slow_disk.c")
        subprocess.run(["cc", "-O1", "-shared", "-fPIC", "-o", self.library, source], check=True, timeout=60)
        for member in cluster.members.values():
            member.environment = {"LD_PRELOAD": self.library, "SLOW_DISK": self.switch(member)}

    def switch(self, member):
        return os.path.join(self.cluster.root, f"hangs-{member.id}")

    def hang(self, member):
        with open(self.switch(member), "w", encoding="ascii"):
            pass

    def go_on(self, member):
        os.remove(self.switch(member))


@story()
def stalled_disk(new, storage):
    """The disk of the leader hangs while its heartbeats flow: it hands over, its log and status say so, writes
    go on; when the disk answers again it takes part as before."""
    cluster = new(3, storage, options=("--disk-stall-ms", "500"))
    disks = SlowDisks(cluster)
    leader = cluster.start().leader()
    rest = [i for i in (1, 2, 3) if i != leader.id]
    probes = [Probe(cluster[i]) for i in rest]
    try:
        wait_for("writes", 10, lambda: all(p.first_acknowledged(0) for p in probes))
        disks.hang(leader)
        since = time.monotonic()
        now = wait_for("another leader", 10, lambda: next(
            (i for i in rest if (cluster[i].status() or {}).get("role") == "leader"), None))
        wait_for("writes go on", 10, lambda: all(p.first_acknowledged(since + 1) for p in probes))
        gap = max(p.longest_gap(since) for p in probes)
        check(gap < 2, f"a leader whose disk hung held the cluster for {gap:.2f} s")
        status = leader.status()
        check(status["disk_stalled"] is True and status["stall_transfers"] == 1, f"its status: {status}")
        check("handing over to member" in leader.log_text(), "its log does not say that it handed over")
        check("stall" in leader.log_text(), "its log does not say why it handed over")
        disks.go_on(leader)
        wait_for("the disk answers", 10, lambda: leader.status()["disk_stalled"] is False)
        failed = [w for p in probes for w in p.refused(since)]
        check(not failed, f"requests to the others failed: {failed[:5]}")
    finally:
        for probe in probes:
            probe.stop()
    cluster[now].kill()
    cluster.put(leader.id, "/after", b"1", seconds=20)


@story()
def stalled_disk_of_a_follower(new, storage):
    """The disk of a follower hangs: nobody waits for it, and nobody gives the leadership away."""
    cluster = new(3, storage, options=("--disk-stall-ms", "500"))
    disks = SlowDisks(cluster)
    leader = cluster.start().leader()
    slow = next(i for i in (1, 2, 3) if i != leader.id)
    term = leader.status()["term"]
    probe = Probe(leader)
    try:
        wait_for("writes", 10, lambda: probe.first_acknowledged(0))
        disks.hang(cluster[slow])
        since = time.monotonic()
        wait_for("its status says so", 10, lambda: cluster[slow].status()["disk_stalled"])
        wait_for("writes go on", 10, lambda: probe.first_acknowledged(since + 2))
        check(probe.longest_gap(since) < 1, f"writes waited {probe.longest_gap(since):.2f} s for a slow disk")
        check(leader.status()["term"] == term and leader.status()["stall_transfers"] == 0, "another leader")
        disks.go_on(cluster[slow])
    finally:
        probe.stop()
    wait_for("all have applied the same", 20, lambda: len(
        {cluster[i].status()["applied_index"] for i in (1, 2, 3)}) == 1)


def state_directories(member):
    """What a member keeps on disk, as paths relative to its directory."""
    ident = member.id
    if member.storage == "rocksdb":
        return [os.path.join("data", str(ident))]
    return [f"metaStore-{ident}", f"metaStore-{ident}-snap"]


def copy_state(source, target):
    for path_from, path_to in zip(state_directories(source), state_directories(target)):
        if os.path.exists(os.path.join(source.directory, path_from)):
            shutil.copytree(os.path.join(source.directory, path_from), os.path.join(target.directory, path_to))


@story()
def copied_to_another_id(new, storage):
    """A data directory that is copied to another id is refused at the start, with one line that names both."""
    cluster = new(3, storage).start()
    cluster.leader()
    cluster.put(1, "/k", b"v")
    for ident in (1, 3):
        cluster[ident].stop()
    for path in state_directories(cluster[3]):
        shutil.rmtree(os.path.join(cluster[3].directory, path), ignore_errors=True)
    copy_state(cluster[1], cluster[3])
    cluster.start(3)
    check(cluster[3].wait_exit(10) == 1, "it started with the directory of another member")
    said = cluster[3].log_text().splitlines()[-1]
    check("member 1" in said and "member 3" in said, f"the line does not name both: {said}")
    cluster.start(1)
    cluster.leader(15, among=[1, 2])
    cluster.put(2, "/k", b"w")


@story()
def copied_to_another_cluster(new, storage):
    """A data directory of another cluster brings nothing into this one: both sides say why, and this one goes
    on without it."""
    first, second = new(3, storage).start(), new(3, storage).start()
    first.leader()
    first.put(1, "/k", b"first")
    second.leader()
    second.put(1, "/k", b"second")
    for member in first.members.values():
        member.stop()
    second[3].stop()
    for path in state_directories(second[3]):
        shutil.rmtree(os.path.join(second[3].directory, path), ignore_errors=True)
    copy_state(first[3], second[3])
    second.start(3)
    for ident in (1, 2, 3):
        wait_for("a line that says so", 15, lambda i=ident: "another cluster" in second[i].log_text())
    time.sleep(2.5)  # time for it to disturb somebody
    second.put(1, "/k", b"still second")
    second.expect(2, "/k", b"still second")
    answer = second[3].ask("GET", "/k", timeout=10)
    check(answer is None or answer.status == 503, f"it answered from the other cluster's data: {answer}")
    check(second.leader(10, among=[1, 2]) is not None, "no leader")
