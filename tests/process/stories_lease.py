"""Stories of leases, over HTTP, on real processes."""

import json
import time

from harness import check, story, wait_for

TTL, GRACE = 3, 1  # seconds: of a lease; that it lives longer


def ask(member, method, path, status, body=None, **headers):
    if isinstance(body, dict):
        body = json.dumps(body).encode()
    answer = member.ask(method, path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    check(answer and answer.status == status, f"{method} {path} at member {member.id}: {answer}, not {status}")
    return answer


def lease(member, method, path, status=200, body=None):
    return json.loads(ask(member, method, path, status, body).body)


def present(member, key):
    answer = member.ask("GET", key)
    check(answer and answer.status in (200, 404), f"GET {key}: {answer}")
    return answer.status == 200


@story()
def leases_over_http(new, storage):
    """Grant, attach, look, list, keep alive, revoke, through any member; a dead one is 404 everywhere."""
    cluster = new(3, storage).start()
    cluster.leader()
    one, two, three = cluster[1], cluster[2], cluster[3]
    check(lease(one, "POST", "/_/leases", body={"ttl": 60, "id": 7}) == {"id": 7, "ttl": 60}, "granted")
    ask(two, "POST", "/_/leases", 409, {"ttl": 60, "id": 7})
    picked = lease(two, "POST", "/_/leases", body={"ttl": 1})
    check(picked["id"] > 0 and picked["ttl"] == 2, f"an id is picked, and a time that can be kept: {picked}")
    attached = ask(three, "PUT", "/b?lease=7", 204, b"v").headers
    ask(one, "PUT", "/a?lease=7", 204, b"v")
    ask(two, "PUT", "/_/kv/%FF?lease=7", 204, b"v")
    read = ask(one, "GET", "/b", 200).headers
    check(read["Metastore-Lease"] == "7" and read["ETag"] == attached["ETag"], f"{read.items()}")
    found = lease(two, "GET", "/_/leases/7")
    check(found["granted_ttl"] == 60 and 55 <= found["ttl"] <= 60, f"{found}")
    check(found["keys"] == [{"key": "a"}, {"key": "b"}, {"key_base64": "/w=="}], f"in order: {found}")
    check(found["key_count"] == 3 and found["more"] is False, f"{found}")
    ids = [item["id"] for item in lease(three, "GET", "/_/leases")["leases"]]
    check(ids == sorted([7, picked["id"]]), f"listed: {ids}")
    first = lease(three, "GET", "/_/leases?limit=1")
    check([item["id"] for item in first["leases"]] == ids[:1] and first["more"], f"{first}")
    check([item["id"] for item in lease(one, "GET", f"/_/leases?after={ids[0]}")["leases"]] == ids[1:], "the rest")
    for member in (one, two, three):
        check(lease(member, "POST", "/_/leases/7/keep-alive") == {"id": 7, "ttl": 60}, "renewed")
    ask(one, "PUT", "/a", 204, b"w")
    before = int(ask(two, "DELETE", "/_/leases/7", 204) and ask(two, "GET", "/a", 200).headers["Metastore-Revision"])
    check(before == int(attached["Metastore-Revision"]) + 4, f"its keys went at one revision: {before}")
    check(not present(one, "/b") and not present(one, "/_/kv/%FF"), "what hung on it is gone")
    for method, path in (("GET", "/_/leases/7"), ("POST", "/_/leases/7/keep-alive"), ("DELETE", "/_/leases/7"),
                         ("PUT", "/c?lease=7")):
        answer = ask(three, method, path, 404, b"v" if method == "PUT" else None)
        check(b"no such lease" in answer.body, f"{answer}")
    check(not present(one, "/c"), "nothing was written")


@story()
def keys_that_expire(new, storage):
    """A key with a time of its own lives so long, and about a second longer; a keep-alive keeps it."""
    cluster = new(3, storage).start()
    cluster.leader()
    begun = time.monotonic()
    made = ask(cluster[1], "PUT", f"/k?ttl={TTL}", 204, b"v", If_None_Match="*").headers
    ask(cluster[2], "PUT", f"/k?ttl={TTL}", 412, b"w", If_None_Match="*")
    kept = ask(cluster[2], "PUT", f"/kept?ttl={TTL}", 204, b"v").headers["Metastore-Lease"]
    check(len(lease(cluster[3], "GET", "/_/leases")["leases"]) == 2, "what was refused has granted nothing")
    while time.monotonic() < begun + TTL - 0.2:
        check(present(cluster[2], "/k"), f"/k died after {time.monotonic() - begun:.2f} s")
        check(lease(cluster[3], "POST", f"/_/leases/{kept}/keep-alive")["ttl"] == TTL, "kept alive")
        time.sleep(0.1)
    wait_for("it dies", GRACE + 1.5, lambda: not present(cluster[3], "/k"))
    gone = time.monotonic() - begun
    check(gone >= TTL, f"it lived for {gone:.2f} s")
    check(present(cluster[1], "/kept"), "what was kept alive lives")
    ask(cluster[1], "GET", f"/_/leases/{made['Metastore-Lease']}", 404)
    wait_for("it dies as well", TTL + GRACE + 1, lambda: not present(cluster[1], "/kept"))
    check(not present(cluster[1], "/k"), "what is gone stays so")


@story()
def leases_survive_restarts_and_leaders(new, storage):
    """kill -9 of the leader, then of everybody: no lease dies early, none begins anew, none is forgotten."""
    cluster = new(3, storage).start()
    leader = cluster.leader()
    begun = time.monotonic()
    ask(cluster[1], "POST", "/_/leases", 200, {"ttl": 12, "id": 5})
    ask(cluster[1], "PUT", "/k?lease=5", 204, b"v")
    ask(cluster[1], "POST", "/_/leases", 200, {"ttl": 3600, "id": 6})
    ask(cluster[1], "PUT", "/long?lease=6", 204, b"v")
    leader.kill()
    cluster.leader()
    left = lease(cluster.alive()[0], "GET", "/_/leases/5")["ttl"]
    check(left <= 12, f"{left} s are left")
    time.sleep(max(0, begun + 8 - time.monotonic()))  # half of its time has been written down by now
    for member in cluster.alive():
        member.kill()
    cluster.start()
    cluster.leader()
    left = lease(cluster[2], "GET", "/_/leases/5")["ttl"]
    check(left <= 6, f"{left} s are left after a restart of all")
    check(present(cluster[1], "/k"), "it has not died early")
    wait_for("it dies", 9, lambda: not present(cluster[1], "/k"))
    check(time.monotonic() - begun >= 12, "not before its time")
    check(present(cluster[3], "/long"), "the long one lives")
    found = lease(cluster[3], "GET", "/_/leases/6")
    check(found["keys"] == [{"key": "long"}] and found["ttl"] > 3500, f"{found}")
