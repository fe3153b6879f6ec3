"""Stories of disks that fill up, on small file systems of their own (as root)."""

import os
import random
import sys
import time

from disks import Disk, why_not
from harness import Failed, Load, Place, check, story, wait_for

DISK_BYTES = 128 << 20


def cluster_on_small_disks(new, storage, size=3):
    """The members' data lies on a disk each; their logs do not."""
    cluster = new(size, storage, places=[Place(options=("--data-dir", "disk")) for _ in range(size)])
    disks = {}
    for member in cluster.members.values():
        disks[member.id] = Disk(os.path.join(member.directory, "disk"), DISK_BYTES)
        os.makedirs(os.path.join(member.directory, "disk", "data"), exist_ok=True)
    return cluster, disks


def status(member, name):
    return (member.status() or {}).get(name)


def expect_507(member):
    answer = member.ask("PUT", "/refused", b"no", timeout=10)
    check(answer and answer.status == 507, f"PUT without room at member {member.id}: {answer}")


def serves_with_one_full(cluster, disks, leader, load):
    """One disk of three is full: the others go on, and so does its member."""
    full = next(m for m in cluster.members.values() if m.id != leader.id)
    disks[full.id].fill()
    wait_for("its disk found full", 10, lambda: status(full, "disk_full"))
    load.wait_more(200)
    for member in cluster.members.values():
        cluster.put(member.id, f"/one-full-{member.id}", b"v")
        cluster.expect(member.id, "/before", b"1")
    check("disk full" in full.log_text(), "its log does not say so")
    check(not status(leader, "quorum_full"), "the leader takes writes for impossible")
    disks[full.id].empty()
    wait_for("room again", 10, lambda: status(full, "disk_full") is False)
    cluster.expect(full.id, "/one-full-1", b"v")


def leader_hands_over(cluster, disks):
    """It is the leader's disk that is full: another takes over."""
    old = cluster.leader()
    disks[old.id].fill()
    new_leader = wait_for("another leader", 15, lambda: (status(old, "leader") or old.id) != old.id)
    check(new_leader, "nobody took over")
    cluster.put(old.id, "/handed-over", b"v")
    check(status(old, "space_transfers") >= 1, "for another reason")


@story()
def full_disks_stop_nobody(new, storage):
    """Disks fill up: of one, of the leader, of all; then they are empty again. Nothing that was acknowledged
    is lost, nobody stops, reads go on, and service comes back by itself."""
    cluster, disks = cluster_on_small_disks(new, storage)
    load = None
    try:
        leader = cluster.start().leader()
        cluster.put(leader.id, "/before", b"1")
        load = Load(cluster, clients=3)
        load.wait_more(50)
        serves_with_one_full(cluster, disks, leader, load)
        leader_hands_over(cluster, disks)
        load.wait_more(50)
        for disk in disks.values():
            disk.fill()
        wait_for("no quorum with room", 15,
                 lambda: all(status(m, "quorum_full") for m in cluster.members.values()))
        load.stop()
        for member in cluster.members.values():
            expect_507(member)
            cluster.expect(member.id, "/before", b"1")
        # Votes go on, and what a new leader needs to serve reads.
        gone = cluster.leader()
        gone.kill()
        others = [m for m in cluster.members.values() if m.id != gone.id]
        cluster.leader(among=[m.id for m in others])
        for member in others:
            cluster.expect(member.id, "/before", b"1", seconds=15)
        wait_for("writes refused again", 15, lambda: all(status(m, "quorum_full") for m in others))
        for member in others:
            expect_507(member)
        check(all(m.alive() for m in others), "a member has stopped")
        started = [m.starts for m in others]
        for disk in disks.values():
            disk.empty()
        wait_for("writes again", 15, lambda: others[0].ask("PUT", "/after", b"2").status == 204)
        check(started == [m.starts for m in others], "it took a restart")
        cluster.start(gone.id)
        for member in cluster.members.values():
            wait_for("all ready", 20, lambda m=member: status(m, "ready"))
            cluster.expect(member.id, "/after", b"2")
            load.verify(member.id)
        refused = others[0].ask("GET", "/refused")
        check(refused.status == 404, f"what was refused is there: {refused}")
        for member in others:
            told = member.log_text()
            check(told.count("writes are refused (507)") <= 4, "it says so again and again")
            check("disk no longer full" in told, "it does not say that there is room again")
    finally:
        if load:
            load.stop()
        cluster.close(keep=True)  # before their disks go; the logs are still to be shown
        for disk in disks.values():
            disk.close()


@story()
def members_start_on_full_disks(new, storage):
    """All lose power with full disks, and come back to vote and to serve reads, twice; one that is new and finds no
    room for its first files says so and exits."""
    cluster, disks = cluster_on_small_disks(new, storage)
    try:
        leader = cluster.start().leader()
        for i in range(50):
            cluster.put(leader.id, f"/k{i}", b"%d" % i)
        for disk in disks.values():
            disk.fill()
        wait_for("full disks", 15, lambda: all(status(m, "disk_full") for m in cluster.members.values()))
        for _ in range(2):
            for member in cluster.members.values():
                member.kill()
            leader = cluster.start().leader()
            for member in cluster.members.values():
                cluster.expect(member.id, "/k49", b"49", seconds=15)
        wait_for("no quorum with room", 15, lambda: status(leader, "quorum_full"))
        expect_507(leader)
        stranger = new(1, storage, places=[Place(options=("--data-dir", "disk"))])
        disks["new"] = Disk(os.path.join(stranger[1].directory, "disk"), 1 << 20)
        os.makedirs(os.path.join(stranger[1].directory, "disk", "data"))
        disks["new"].fill()
        stranger.start()
        code = stranger[1].wait_exit(15)
        said = stranger[1].log_text()
        check(code != 0 and "no space" in said.lower(), f"exit {code}: {said[-300:]}")
        for disk in disks.values():
            disk.empty()
        wait_for("writes again", 15, lambda: leader.ask("PUT", "/after", b"2").status == 204)
        check(all(m.alive() for m in cluster.members.values()), "a member has stopped")
    finally:
        cluster.close(keep=True)
        for disk in disks.values():
            disk.close()


REFUSED_S_MAX = 180  # until all have refused
VALUE = random.Random(1).randbytes(102400)  # nothing that RocksDB could compress


def write_until_refused(cluster, first, most):
    """Unique keys through all members until each refuses; how many were acknowledged."""
    acknowledged, refused = [], set()
    end = time.monotonic() + REFUSED_S_MAX
    for i in range(first, first + most):
        member = cluster[1 + i % len(cluster.members)]
        answer = member.ask("PUT", f"/own-{i}", b"%08d" % i + VALUE, timeout=20)
        check(member.alive(), f"member {member.id} has stopped")
        check(time.monotonic() < end, f"only members {sorted(refused)} refuse after {REFUSED_S_MAX} s")
        if answer and answer.status == 204:
            acknowledged.append(i)
        if answer and answer.status == 507:
            refused.add(member.id)
            if len(refused) == len(cluster.members):
                return acknowledged
            time.sleep(0.2)
    raise Failed(f"{len(acknowledged)} writes fitted on disks of {DISK_BYTES} bytes")


@story()
def own_data_fills_the_disks(new, storage):
    """It is the cluster's own data that fills its disks, to the last byte that it takes: it refuses what has no
    room, serves what it has, and goes on when the disks are made larger."""
    cluster, disks = cluster_on_small_disks(new, storage)
    try:
        leader = cluster.start().leader()
        cluster.put(leader.id, "/before", b"1")
        acknowledged = write_until_refused(cluster, 0, 3000)
        for member in cluster.members.values():
            check(member.alive(), f"member {member.id} has stopped")
            answer = member.ask("GET", "/before", timeout=15)
            behind = "falls behind" in member.log_text()  # then others had room for what it had none for
            check(answer.status == 200 or (behind and answer.status == 503), f"GET at {member.id}: {answer}")
        cluster.expect(cluster.leader().id, "/before", b"1", seconds=15)
        for disk in disks.values():
            disk.resize(4 * DISK_BYTES)
        for member in cluster.members.values():
            wait_for("writes again", 20, lambda m=member: m.ask("PUT", "/after", b"2").status == 204)
        for i in range(100):
            cluster.put(1 + i % 3, f"/more-{i}", VALUE)
        for i in acknowledged[::7] + acknowledged[-5:]:
            cluster.expect(1 + i % 3, f"/own-{i}", b"%08d" % i + VALUE)
        for member in cluster.members.values():
            check(member.starts == 1 and member.alive(), f"member {member.id} was started anew")
    finally:
        cluster.close(keep=True)
        for disk in disks.values():
            disk.close()


MISSING = why_not()
if MISSING:
    from harness import STORIES
    STORIES[:] = [s for s in STORIES if s[1].__module__ != __name__]
    print(f"stories of full disks are not told here: {MISSING}", file=sys.stderr)
