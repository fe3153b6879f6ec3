"""Stories of clusters that change: their size, who is in them, and where members are reached."""

import json
import os
import shutil

from harness import Load, Place, check, free_ports, story, wait_for


def role_of(cluster, asked, ident):
    """What a member says another one is, or None."""
    status = cluster[asked].status()
    return next((m["role"] for m in status["members"] if m["id"] == ident), None) if status else None


def until_answered(member, method, path, body=None, seconds=20):
    """A change that may have to wait for another one, until it is answered with 204."""
    def done():
        answer = member.ask(method, path, body, timeout=15)
        check(answer and answer.status in (204, 503), f"{method} {path}: {answer}")
        return answer.status == 204
    wait_for(f"{method} {path}", seconds, done)


def all_attached(cluster):
    """The leader has bound the directories of all: from here on a wiped one is noticed."""
    members = cluster.alive()
    wait_for("all attached", 20, lambda: all(m.status() and not m.status()["abstains"] for m in members))


def caught_up(cluster, idents, seconds=20):
    def equal():
        states = [cluster[i].status() for i in idents]
        return all(states) and len({(s["applied_index"], s["digest"]) for s in states}) == 1
    wait_for(f"members {list(idents)} have applied the same", seconds, equal)


def wiped(member):
    if member.alive():
        member.kill()
    shutil.rmtree(member.directory)
    os.makedirs(os.path.join(member.directory, "data"))


def large_cluster(new, storage, size, failures):
    """The whole story of size members that lose as many as they can, the leader among them."""
    cluster = new(size, storage).start()
    everybody = range(1, size + 1)
    leader = cluster.leader(30)
    load = Load(cluster)
    load.wait_more(100)
    for ident in everybody:
        cluster.put(ident, f"/through-{ident}", b"%d" % ident)
    dead = [leader.id, *[i for i in everybody if i != leader.id][:failures - 1]]
    for ident in dead:
        cluster[ident].kill()
    load.wait_more(100)
    alive = [i for i in everybody if i not in dead]
    cluster.leader(20, among=alive)
    cluster.put(alive[0], "/meanwhile", b"yes")
    cluster.start(*dead)
    load.wait_more(100)
    load.stop()
    cluster.leader(30)
    caught_up(cluster, everybody, 30)
    for ident in dead:
        cluster.expect(ident, "/meanwhile", b"yes")
        load.verify(ident, 60)


@story()
def five_members(new, storage):
    """Five members serve, survive kill -9 of two under load, and take both back."""
    large_cluster(new, storage, 5, 2)


@story()
def seven_members(new, storage):
    """Seven members serve, survive kill -9 of three under load, and take all back."""
    large_cluster(new, storage, 7, 3)


@story()
def member_that_never_starts(new, storage):
    """Adding a member that never starts takes nothing from the cluster: not even one failure less."""
    cluster = new(3, storage, options=("--request-timeout-ms", "2000")).start()
    cluster.leader()
    missing = f"http://127.0.0.1:{free_ports(1)[0]}"
    until_answered(cluster[1], "POST", "/4", missing)
    check(role_of(cluster, 1, 4) == "learner", f"member 4 is a {role_of(cluster, 1, 4)}, not a learner")
    cluster.put(2, "/one", b"1")
    dead = next(i for i in (1, 2, 3) if i != cluster.leader().id)
    rest = [i for i in (1, 2, 3) if i != dead]
    cluster[dead].kill()
    cluster.put(rest[0], "/two", b"2")
    check(role_of(cluster, rest[0], 4) == "learner", "a member that never started was promoted")
    until_answered(cluster[rest[0]], "DELETE", "/4")
    cluster.start(dead)
    wait_for("member 4 is forgotten", 10, lambda: role_of(cluster, dead, 4) is None and cluster[dead].status())
    cluster.expect(dead, "/two", b"2")


@story()
def dead_member_replaced(new, storage):
    """A member that died for good is removed, another takes its place, and then carries its weight."""
    cluster = new(3, storage).start()
    cluster.leader()
    load = Load(cluster)
    load.wait_more(100)
    cluster[3].kill()
    until_answered(cluster[1], "DELETE", "/3")
    new_one = cluster.add(storage)
    until_answered(cluster[2], "POST", "/4", new_one.peer_url)
    new_one.start(cluster.list(), join=True)
    wait_for("member 4 is a voter", 20, lambda: role_of(cluster, 1, 4) == "voter")
    load.wait_more(100)
    load.stop()
    cluster[1].kill()
    cluster.leader(20, among=[2, 4])
    cluster.put(4, "/after", b"yes")
    load.verify(4, 60)


@story()
def moved_member(new, storage):
    """A member moves to another address: POST of its new URL is enough for all, also for those that restart
    with the old list, and also once only a snapshot knows it."""
    options = ("--snapshot-log-bytes", "200000", "--wal-segment-bytes", "8388608")
    cluster = new(3, storage, options=options).start()
    cluster.leader()
    cluster.put(1, "/before", b"1")
    outdated = cluster.list()
    cluster[2].stop()
    place = Place()
    cluster[2].peer_url = f"http://{place.peer_host}:{place.peer_port}"
    until_answered(cluster[1], "POST", "/2", cluster[2].peer_url)
    cluster.urls[1] = cluster[2].peer_url
    cluster.start(2)
    cluster.leader()

    def is_reached(by):
        status = cluster[by].status()
        return status and any(m == {"id": 2, "url": cluster[2].peer_url, "role": "voter", "link": "up"}
                              for m in status["members"])

    def restarted_with_the_old_list():
        for ident in (1, 3):
            cluster[ident].kill()
            cluster[ident].start(outdated)
            wait_for(f"member {ident} reaches member 2 where it is", 15, lambda by=ident: is_reached(by))
        cluster.leader()
        cluster[3].kill()
        cluster.put(1, "/by-two", b"2")
        cluster[3].start(outdated)
        cluster.leader()
    restarted_with_the_old_list()
    value = os.urandom(30_000)
    for i in range(200):
        cluster.put(1, f"/big-{i % 20}", value)
    for ident in (1, 2, 3):
        wait_for("a snapshot", 20, lambda i=ident: cluster[i].status()["snapshot_index"] > 100)
    restarted_with_the_old_list()


@story()
def wiped_member_waits(new, storage):
    """A member that lost its disk helps nobody to a quorum; its log and the others' say what to do; removed
    and added anew it takes part."""
    cluster = new(3, storage, options=("--request-timeout-ms", "2000")).start()
    cluster.leader()
    cluster.put(1, "/k", b"v")
    all_attached(cluster)
    wait_for("the binding of member 3", 10, lambda: is_bound(cluster, 3))
    wiped(cluster[3])
    cluster.start(3)
    wait_for("the others say what to do", 10, lambda: any("DELETE /3" in cluster[i].log_text() for i in (1, 2)))
    wait_for("it says what to do", 10, lambda: "DELETE /3" in cluster[3].log_text())
    status = cluster[3].status()
    check(status["abstains"] and status["abstain_reason"], f"it does not say that it abstains: {status}")
    said = wait_for("its status says what to do", 10, lambda: "DELETE /3" in json.dumps(cluster[3].status()))
    check(said, "its status does not say what to do")
    check(not status["ready"], "a wiped member says that it is ready")
    answer = cluster[3].ask("GET", "/k", timeout=10)
    check(answer and answer.status == 503, f"GET at a wiped member: {answer}")
    cluster[2].kill()
    answer = cluster[1].ask("PUT", "/k", b"never", timeout=15)
    check(answer and answer.status in (503, 504), f"a wiped member helped to commit: {answer}")
    cluster.start(2)
    cluster.leader(20, among=[1, 2])
    until_answered(cluster[1], "DELETE", "/3")
    until_answered(cluster[1], "POST", "/3", cluster[3].peer_url)
    wiped(cluster[3])
    cluster[3].start(cluster.list(), join=True)
    wait_for("member 3 takes part", 20, lambda: role_of(cluster, 1, 3) == "voter")
    cluster[2].kill()
    cluster.put(3, "/k", b"w")
    cluster.expect(3, "/k", b"w")


def is_bound(cluster, ident):
    """The leader attaches members half a second after their first hello: later than a first write."""
    commit = cluster[1].status()["commit_index"]
    return commit >= 1 + len(cluster.members) and cluster[ident].status()["applied_index"] == commit
