"""Files of formats of version 1, kept in git (tests/fixtures), stay readable: whatever this program writes itself,
it opens them, and finds in them exactly what was told when they were made."""

import hashlib
import json
import lzma
import os
import tarfile

import formats
from damage import log_of, snap_of
from harness import check, story, wait_for
from stories_wal import wal

FIXTURES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "fixtures", "v1")


def expected(name):
    with open(os.path.join(FIXTURES, "expected.json"), encoding="ascii") as file:
        return json.load(file)[name]


def unpacked(new, storage, name):
    """A member, not started yet, on a directory of the fixtures."""
    one = new(1, storage)[1]
    with lzma.open(os.path.join(FIXTURES, name)) as packed, tarfile.open(fileobj=packed, mode="r") as tar:
        tar.extractall(one.directory)
    return one


def told(value):
    return f"{len(value)} {hashlib.sha256(value).hexdigest()[:32]}"


def holds(one, wanted):
    """Keys, revisions, digest, configuration, through the API."""
    one.ask("GET", "/any")  # a read waits until all of the log is applied
    status = one.status()
    for name in ("cluster", "revision", "compacted_revision", "digest"):
        check(status[name] == wanted[name], f"{name}: {status[name]}, not {wanted[name]}")
    check(status["keys"] == len(wanted["keys"]), f"{status['keys']} keys, not {len(wanted['keys'])}")
    for key, value in wanted["keys"].items():
        answer = one.ask("GET", key)
        check(answer and answer.status == 200 and told(answer.body) == value, f"{key}: {answer}, not {value}")
    for number in range(37):
        key = f"/key-{number:02d}"
        if key not in wanted["keys"]:
            check(one.ask("GET", key).status == 404, f"{key} was deleted")
    members = json.loads(one.ask("GET", "/_/members").body)
    check(members == wanted["members"], f"{members}, not {wanted['members']}")


@story()
def version_1_stays_readable(new, storage):
    """A directory of version 1: `metastore wal` reads it, a member opens it, serves it, writes on, opens it again."""
    wanted = expected(storage)
    one = unpacked(new, storage, "memory.tar.xz" if storage == "memory" else "rocksdb-log.tar.xz")
    code, lines, wrong = wal(one, "dump", "--json", log_of(one))
    check(code == 0, f"wal dump: {code} {wrong}")
    entries = [json.loads(line) for line in lines if '"record":"entry"' in line.replace(" ", "")]
    seen = [f"{e['index']} {e['term']} {e['kind']}" for e in entries]
    check(seen == wanted["entries"], f"entries: {set(seen) ^ set(wanted['entries'])}")
    ours = formats.Log(log_of(one))
    check([f"{i} {r.term} {formats.entry(r.body)['kind']}" for i, r in sorted(ours.entries.items())] == seen,
          "our own reader sees other entries")
    one.start(one.peer_url)
    wait_for("the first answer", 15, lambda: (one.status() or {}).get("ready"))
    holds(one, wanted)
    check(one.ask("PUT", "/more", b"written by a later program").status == 204, "PUT")
    one.kill()
    one.start(one.peer_url)
    wait_for("the first answer", 15, lambda: (one.status() or {}).get("ready"))
    check(one.ask("GET", "/more").body == b"written by a later program", "GET")
    check(one.status()["revision"] == wanted["revision"] + 1, f"{one.status()}")


@story(("memory",))
def version_1_snapshots(new, storage):
    """The snapshots of version 1, read by our own reader: streams of a rocksdb member, the file of a memory one.
    tests/kv/test_kv_fixtures.c loads the same streams."""
    for made in ("stream", "stream-zstd"):
        wanted = expected(made)
        with open(os.path.join(FIXTURES, f"rocksdb-{made}.snap"), "rb") as file:
            stream = formats.snapshot(file.read())
        keys = {"/" + k.decode("latin-1"): told(r["value"]) for k, r in stream["current"].items()}
        check(keys == wanted["keys"], f"keys of {made}: {keys.items() ^ wanted['keys'].items()}")
        header = stream["header"]
        seen = {"index": header["index"], "term": header["term"], "revision": stream["revision"],
                "compacted_revision": stream["compacted"], "digest": stream["digest"],
                "history": len(stream["history"]), "changes": len(stream["changes"]),
                "members": [m["id"] for m in header["configuration"]["members"]]}
        check(seen == {name: wanted[name] for name in seen}, f"{made}: {seen}")
    one = unpacked(new, storage, "memory.tar.xz")
    for name in os.listdir(snap_of(one)):
        with open(os.path.join(snap_of(one), name), "rb") as file:
            found = formats.snapshot(file.read())
        check(found["header"]["cluster"].hex() == expected("memory")["cluster"], "the cluster of a snapshot")
        check(name == f"snap-{found['header']['index']:016x}-{found['header']['term']:016x}", f"{name}")
