"""Stories of ranges and transactions over HTTP: long answers, old revisions, many members, members without a quorum."""

import json
import random
import socket
import time
import urllib.parse

from harness import check, story, wait_for


def fetch(member, path, status=200, method="GET", body=None):
    answer = member.ask(method, path, body)
    check(answer and answer.status == status, f"{method} {path} at member {member.id}: {answer}, not {status}")
    return json.loads(answer.body) if status == 200 else answer


def txn(member, body, status=200):
    return fetch(member, "/_/txn", status, "POST", json.dumps(body).encode())


def fill(cluster, keys, value):
    for first in range(0, keys, 500):
        puts = [{"put": {"key": f"big/{i:05}", "value": value}} for i in range(first, min(first + 500, keys))]
        check(txn(cluster[1 + first // 500 % len(cluster.members)], {"then": puts})["succeeded"], "they are put")


@story()
def long_ranges(new, storage):
    """A range of megabytes is of one moment, through any member; who does not read it harms nobody."""
    cluster = new(3, storage).start()
    cluster.leader()
    fill(cluster, 10000, "v" * 300)
    term = cluster[1].status()["term"]
    deaf = socket.create_connection((cluster[2].host, cluster[2].port))
    deaf.sendall(b"GET /big/?prefix HTTP/1.1\r\nHost: a\r\n\r\n")
    for member in cluster.members.values():
        first = fetch(member, "/big/?prefix")
        check(first["count"] == 10000 and not first["more"], f"{first['count']}")
        check([kv["key"] for kv in first["kvs"]] == [f"big/{i:05}" for i in range(10000)], "all keys, in order")
        check(all(kv["value"] == "v" * 300 for kv in first["kvs"]), "all values")
    gone = fetch(cluster[3], "/big/?prefix", method="DELETE")
    check(gone["deleted"] == 10000, f"{gone}")
    old = fetch(cluster[1], f"/big/?prefix&rev={gone['revision'] - 1}&sort=mod&order=desc&limit=3&keys_only")
    check(old["count"] == 10000 and old["more"] and len(old["kvs"]) == 3, f"{old}")
    check(fetch(cluster[2], "/big/?prefix") == {"revision": gone["revision"], "kvs": [], "count": 0, "more": False}, "gone")
    check(cluster[1].status()["term"] == term, "nobody had to be elected")
    deaf.settimeout(1)
    said = deaf.recv(65536)
    check(said.startswith(b"HTTP/1.1 200 OK\r\n") and b"Transfer-Encoding: chunked" in said, f"{said[:200]}")
    deaf.close()


@story()
def long_answers_of_transactions(new, storage):
    """A transaction that finds megabytes tells them; one that finds too many says so, and that it is committed."""
    cluster = new(3, storage).start()
    cluster.leader()
    for i in range(9):
        value = bytes([ord("a") + i]) * 1000000
        check(cluster[1 + i % 3].ask("PUT", f"/many/{i}", value).status == 204, "it is put")
    six = txn(cluster[2], {"then": [{"put": {"key": "k", "value": "1"}}, {"get": {"key": "many/0", "end": "many/6"}}]})
    found = six["responses"][1]["get"]
    check(six["succeeded"] and found["count"] == 6 and not found["more"], f"{found['count']}")
    check([kv["value"] for kv in found["kvs"]] == [c * 1000000 for c in "abcdef"], "all of it")
    all_of_it = {"then": [{"put": {"key": "k", "value": "2"}}, {"delete": {"prefix": "many/", "prev_kv": True}}]}
    told = txn(cluster[3], all_of_it)
    check(told["succeeded"] and told["responses"] is None and "it is committed" in told["error"], f"{told}")
    check(told["revision"] == six["revision"] + 1, f"{told}")
    check(fetch(cluster[1], "/many/?prefix")["count"] == 0 and cluster[1].ask("GET", "/k").body == b"2", "and it is")


@story()
def pages_of_one_moment(new, storage):
    """Pages at a revision are what one answer would have been, whatever is written meanwhile; compaction ends that."""
    member = new(1, storage).start()[1]
    wait_for("the first answer", 10, lambda: (member.status() or {}).get("ready"))
    chance = random.Random(5)
    model = {}
    for i in range(300):
        key = f"p/{chance.randrange(60)}"
        if key in model and chance.randrange(4) == 0:
            member.ask("DELETE", "/" + key)
            del model[key]
        else:
            member.ask("PUT", "/" + key, b"%d" % i)
            model[key] = str(i)
    whole = fetch(member, "/p/?prefix")
    revision, seen, start = whole["revision"], [], "p/"
    while True:
        at = urllib.parse.quote(start, safe="")
        page = fetch(member, f"/_/range?key={at}&end=p0&limit=7&rev={revision}")
        seen += page["kvs"]
        member.ask("PUT", f"/p/{chance.randrange(60)}", b"later")
        if not page["more"]:
            break
        start = page["kvs"][-1]["key"] + "\0"
    check(seen == whole["kvs"], "pages and the whole")
    check({kv["key"]: kv["value"] for kv in seen} == model, "what was written")
    now = fetch(member, "/p/?prefix&count_only")["revision"]
    check(fetch(member, "/_/compact", 200, "POST", json.dumps({"revision": now}).encode())["compacted_revision"] == now, "compacted")
    refused = fetch(member, f"/p/?prefix&rev={revision}", 410)
    check(refused.headers["Metastore-Compact-Revision"] == str(now), f"{refused.headers.items()}")
    fetch(member, f"/p/?prefix&rev={now}")


@story()
def without_a_quorum(new, storage):
    """A member that is alone tells a stale range at once, and no other one; transactions are refused."""
    cluster = new(3, storage).start()
    cluster.leader()
    txn(cluster[1], {"then": [{"put": {"key": "a", "value": "1"}}, {"put": {"key": "b", "value": "2"}}]})
    wait_for("member 3 to have it", 10, lambda: fetch(cluster[3], "/?prefix&consistency=stale")["count"] == 2)
    cluster[1].kill()
    cluster[2].kill()
    began = time.monotonic()
    stale = fetch(cluster[3], "/?prefix&consistency=stale")
    check([kv["value"] for kv in stale["kvs"]] == ["1", "2"] and time.monotonic() - began < 1, f"{stale}")
    fetch(cluster[3], "/?prefix", 503)
    answer = cluster[3].ask("POST", "/_/txn", b'{"then": [{"delete": {"key": "a"}}]}')
    check(answer and answer.status in (503, 504), f"a transaction without a quorum: {answer}")
