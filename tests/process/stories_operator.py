"""Stories of an operator: exchanges of members, handing over the leadership, settings, restarts."""

import json
import signal
import threading
import time

from harness import Load, Probe, check, free_ports, story, wait_for


def wanted(cluster, idents, with_urls=True):
    """The body of POST /_/members."""
    return json.dumps([{"id": i, "url": cluster[i].peer_url} if with_urls else {"id": i} for i in idents])


def listed(member):
    """GET /_/members as {id: role}, or None."""
    answer = member.ask("GET", "/_/members", timeout=2)
    return {m["id"]: m["role"] for m in json.loads(answer.body)} if answer and answer.status == 200 else None


def expect(member, method, path, status, body=None, contains=""):
    answer = member.ask(method, path, body, timeout=15)
    check(answer and answer.status == status, f"{method} {path} at member {member.id}: {answer}, not {status}")
    check(contains in answer.body.decode(), f"{method} {path}: {answer.body!r} without {contains!r}")
    check(answer.status != 503 or answer.headers.get("Retry-After"), f"{method} {path}: 503 without Retry-After")
    return answer


@story()
def exchange_of_members(new, storage):
    """Two of three members are exchanged for two new ones in one change, under load; nothing is lost, and
    those that leave end with 0."""
    cluster = new(3, storage).start()
    leader = cluster.leader()
    follower = next(i for i in (1, 2, 3) if i != leader.id)
    load = Load(cluster)
    load.wait_more(100)
    stays = next(i for i in (1, 2, 3) if i not in (leader.id, follower))
    leave = sorted((leader.id, follower))  # the leader, too
    for _ in (4, 5):
        cluster.add(storage)
    expect(cluster[follower], "POST", "/_/members", 204, wanted(cluster, (5, stays, 4)))
    roles = wait_for("the wish is known", 5, lambda: listed(cluster[stays]))
    check(roles == {stays: "voter", 4: "joining", 5: "joining", leave[0]: "leaving", leave[1]: "leaving"},
          f"before anybody has caught up: {roles}")
    load.wait_more(50)
    cluster[4].start(cluster.list(), join=True)
    time.sleep(1)
    roles = listed(cluster[stays])
    check(roles.get(4) == "joining" and roles.get(leave[0]) == "leaving", f"one of two is there: {roles}")
    cluster[5].start(cluster.list(), join=True)
    wait_for("the exchange", 30, lambda: listed(cluster[stays]) == {stays: "voter", 4: "voter", 5: "voter"})
    for ident in leave:
        check(cluster[ident].wait_exit(20) == 0, f"the exit code of member {ident}")
        check("removed" in cluster[ident].log_text(), f"member {ident} does not say that it was removed")
    load.wait_more(100)
    load.stop()
    cluster[stays].kill()
    cluster.leader(15, among=[4, 5])
    cluster.put(4, "/after", b"1")
    load.verify(5, 100)


@story()
def exchange_taken_back(new, storage):
    """An exchange whose new members never start leaves the cluster as it was, and can be taken back."""
    cluster = new(3, storage, options=("--request-timeout-ms", "2000")).start()
    cluster.leader()
    missing = [{"id": i, "url": f"http://127.0.0.1:{free_ports(1)[0]}"} for i in (4, 5)]
    expect(cluster[2], "POST", "/_/members", 204, json.dumps([{"id": 1}, *missing]))
    cluster.put(3, "/k", b"meanwhile")
    follower = next(i for i in (1, 2, 3) if i != cluster.leader().id)
    cluster[follower].kill()
    rest = [i for i in (1, 2, 3) if i != follower]
    cluster.put(rest[0], "/k", b"with one dead")
    cluster.start(follower)
    cluster.leader()
    expect(cluster[rest[0]], "POST", "/_/members", 204, wanted(cluster, (1, 2, 3), with_urls=False))
    for ident in (1, 2, 3):
        wait_for("it is as it was", 10, lambda i=ident: listed(cluster[i]) == {1: "voter", 2: "voter", 3: "voter"})
    expect(cluster[1], "POST", "/_/members", 204, wanted(cluster, (1, 2, 3)))  # it is so already


@story(("memory",))
def exchange_refused(new, storage):
    """What an operator may not ask for is refused, with a line that says why."""
    cluster = new(3, storage, options=("--request-timeout-ms", "1500")).start()
    leader = cluster.leader()
    follower = next(m for m in cluster.members.values() if m is not leader)
    for member in (leader, follower):
        expect(member, "POST", "/_/members", 400, "", "a list [ ] was expected")
        expect(member, "POST", "/_/members", 400, "[]", "at least one voter")
        expect(member, "POST", "/_/members", 400, '[{"id": 1}, {"id": 1}]', "twice")
        expect(member, "POST", "/_/members?now", 400, wanted(cluster, (1, 2, 3)), "?force")
        expect(member, "POST", "/_/members", 413, " " * 70_000)
        expect(member, "POST", "/_/members", 404, '[{"id": 1}, {"id": 9}]', "the members are 1 2 3")
        both = json.dumps([{"id": 1}, {"id": 9, "url": cluster[1].peer_url}])
        expect(member, "POST", "/_/members", 409, both, "another member's")
        taken = json.dumps([{"id": 9, "url": cluster[2].peer_url}])
        expect(member, "POST", "/_/members", 409, taken, "another member's")
        expect(member, "PUT", "/_/members", 403, "x", "/_/kv/_/members")
        expect(member, "DELETE", "/_/members", 403)
        allow = expect(member, "OPTIONS", "/_/members", 405).headers["Allow"]
        check(allow == "GET, HEAD, POST", f"Allow: {allow}")
    dead = next(i for i in (1, 2, 3) if i not in (leader.id, follower.id))
    cluster[dead].kill()
    alone = wanted(cluster, (leader.id, dead), with_urls=False)
    time.sleep(2)  # who answered within an election timeout counts as alive
    expect(leader, "POST", "/_/members", 409, alone, "quorum")
    expect(follower, "POST", "/_/members", 409, alone, "quorum")
    expect(leader, "POST", "/_/members?force", 204, wanted(cluster, (leader.id, follower.id)))
    check(listed(leader).get(dead) is None, f"the dead member is still there: {listed(leader)}")
    follower.kill()
    answer = wait_for("the last one left has no leader", 10,
                      lambda: leader.status()["role"] != "leader" and
                      leader.ask("POST", "/_/members", wanted(cluster, (1, 2)), timeout=10))
    check(answer.status == 503, f"POST /_/members without a leader: {answer}")


@story()
def handing_over(new, storage):
    """The leadership goes where an operator wants it, under load, and no request fails."""
    cluster = new(3, storage).start()
    cluster.leader()
    probes = [Probe(cluster[i]) for i in (1, 2, 3)]
    try:
        time.sleep(0.5)
        begun = time.monotonic()
        for round_ in range(6):
            leader = cluster.leader()
            target = leader.id % 3 + 1
            asked = cluster[(leader.id + round_) % 3 + 1]
            expect(asked, "POST", "/_/leader", 204, str(target))
            check(asked.status()["leader"] == target, f"member {target} was to lead: {asked.status()['leader']}")
        leader = cluster.leader()
        expect(cluster[leader.id % 3 + 1], "POST", "/_/leader", 204)
        check(cluster.leader() is not leader, "nobody else leads")
        expect(cluster[1], "POST", "/_/leader", 204, str(cluster.leader().id))  # it leads already
        failed = [w for p in probes for w in p.refused(begun)]
        check(not failed, f"requests failed: {failed[:5]}")
    finally:
        for probe in probes:
            probe.stop()


@story(("memory",))
def handing_over_refused(new, storage):
    """A leadership cannot be given to nobody, to a learner, or to who does not answer."""
    cluster = new(3, storage, options=("--request-timeout-ms", "1500")).start()
    leader = cluster.leader()
    follower = next(m for m in cluster.members.values() if m is not leader)
    other = next(m for m in cluster.members.values() if m not in (leader, follower))
    for member in (leader, follower):
        expect(member, "POST", "/_/leader", 404, "9", "the members are 1 2 3")
        expect(member, "POST", "/_/leader", 400, "first")
        expect(member, "POST", "/_/leader?x", 400)
        check(expect(member, "GET", "/_/leader", 405).headers["Allow"] == "POST", "Allow")
        expect(member, "PUT", "/_/leader", 403, "1")
    expect(leader, "POST", "/4", 204, f"http://127.0.0.1:{free_ports(1)[0]}")
    expect(leader, "POST", "/_/leader", 409, "4", "no voter")
    other.signal(signal.SIGSTOP)
    time.sleep(2.5)  # until the leader knows that it does not answer
    term = leader.status()["term"]
    expect(leader, "POST", "/_/leader", 503, str(other.id))
    cluster.put(follower.id, "/k", b"it leads on")
    check(leader.status()["term"] == term and leader.status()["role"] == "leader", "it does not lead any more")
    follower.kill()
    wait_for("no quorum is left", 10, lambda: leader.status()["role"] != "leader")
    expect(leader, "POST", "/_/leader", 503, str(follower.id))
    other.signal(signal.SIGCONT)


def settings(member):
    return json.loads(expect(member, "GET", "/_/settings", 200).body)


@story()
def lease_reads(new, storage):
    """Reads by lease are off at first, are switched for the whole cluster, and show in the status; what was
    acknowledged is read, also right after a change of leaders."""
    cluster = new(3, storage).start()
    leader = cluster.leader()
    check(all(settings(m) == {"lease_reads": False} for m in cluster.members.values()), "not off at first")
    check(not leader.status()["lease_reads"] and not leader.status()["lease_held"], "the status says otherwise")
    follower = next(i for i in (1, 2, 3) if i != leader.id)
    for _ in range(2):  # the second time it is so already
        expect(cluster[follower], "POST", "/_/settings", 204, '{"lease_reads": true}')
    for ident in (1, 2, 3):
        wait_for("the setting everywhere", 5, lambda i=ident: settings(cluster[i]) == {"lease_reads": True})
    wait_for("the leader holds a lease", 5, lambda: leader.status()["lease_held"])
    for i in range(100):
        cluster.put(i % 3 + 1, "/k", b"%d" % i)
        cluster.expect((i + 1) % 3 + 1, "/k", b"%d" % i)
    leader.kill()
    rest = [i for i in (1, 2, 3) if i != leader.id]
    cluster.leader(15, among=rest)
    cluster.expect(rest[0], "/k", b"99")
    cluster.start(leader.id)
    now = cluster.leader(15)
    wait_for("the new leader holds a lease", 5, lambda: now.status()["lease_held"])
    for i in range(30):
        cluster.put(i % 3 + 1, "/k", b"again %d" % i)
        cluster.expect((i + 1) % 3 + 1, "/k", b"again %d" % i)
    expect(cluster[1], "POST", "/_/settings", 204, '{"lease_reads": false}')
    wait_for("it is off", 5, lambda: not now.status()["lease_held"])
    check(settings(now) == {"lease_reads": False}, "the setting after it was switched off")
    for body in ("", "{}", '{"lease_reads": 1}', '{"other": true}', '{"lease_reads": true} x'):
        expect(cluster[1], "POST", "/_/settings", 400, body)
    expect(cluster[1], "GET", "/_/settings?x", 400)
    expect(cluster[1], "DELETE", "/_/settings", 403)


@story()
def second_signal(new, storage):
    """A member that waits for the end of its requests stops at once when it is told so twice."""
    cluster = new(3, storage).start()
    leader = cluster.leader()
    for member in cluster.members.values():
        if member is not leader:
            member.signal(signal.SIGSTOP)
    asking = threading.Thread(target=lambda: leader.ask("PUT", "/waits", b"x", timeout=20))
    asking.start()
    time.sleep(0.2)
    leader.signal(signal.SIGTERM)
    time.sleep(0.3)
    check(leader.alive(), "it did not wait for the request it had accepted")
    begun = time.monotonic()
    leader.signal(signal.SIGINT)
    check(leader.wait_exit(5) == 0, "the exit code after two signals")
    check(time.monotonic() - begun < 0.5, "two signals did not stop it at once")
    asking.join(20)


@story()
def rolling_restart(new, storage):
    """Members are restarted one by one, under load: none of the requests to those that stay fails."""
    cluster = new(3, storage).start()
    cluster.leader()
    probes = {i: Probe(cluster[i]) for i in (1, 2, 3)}
    try:
        time.sleep(1)
        calm = max(probe.longest_gap(time.monotonic() - 0.8) for probe in probes.values())
        for ident in (1, 2, 3, 1, 2, 3):
            begun = time.monotonic()
            check(cluster[ident].stop() == 0, f"the exit code of member {ident}")
            ended = time.monotonic()
            lost = [w for w in probes[ident].refused(begun - 0.5) if w[2] in (None, 504)]
            check(not lost, f"member {ident} stopped and left requests without an outcome: {lost[:3]}")
            check(ended - begun < 5, f"member {ident} took {ended - begun:.1f} s to stop")
            cluster.start(ident)
            cluster.leader()
            for other in {1, 2, 3} - {ident}:
                failed = probes[other].refused(begun)
                check(not failed, f"member {ident} stopped, and requests to member {other} failed: {failed[:3]}")
                gap = probes[other].longest_gap(begun)
                check(gap < 0.1 + calm + 0.1, f"member {ident} stopped: no write at member {other} for {gap:.3f} s"
                      f" (before: {calm:.3f} s)")
    finally:
        for probe in probes.values():
            probe.stop()
