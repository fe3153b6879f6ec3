#!/usr/bin/env python3
"""The stories of the README on real processes, in both storage modes.

usage: stories.py BINARY [--only NAME] [--jobs N] [--long N] [--seed N]

Each story is a function; its first line is what it tells. The last line printed is
'N passed, M failed'.
"""

import argparse
import concurrent.futures
import os
import signal
import socket
import sys
import time
import traceback

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from harness import SETTINGS, STORIES, Cluster, Failed, Load, check, free_ports, story, wait_for  # noqa: E402
import stories_api  # noqa: E402, F401
import stories_backup  # noqa: E402, F401
import stories_cli  # noqa: E402, F401
import stories_disk  # noqa: E402, F401
import stories_faults  # noqa: E402, F401
import stories_http  # noqa: E402, F401
import stories_lease  # noqa: E402, F401
import stories_members  # noqa: E402, F401
import stories_operator  # noqa: E402, F401
import stories_ops  # noqa: E402, F401
import stories_range  # noqa: E402, F401
import stories_refused  # noqa: E402, F401
import stories_repair  # noqa: E402, F401
import stories_snapshot  # noqa: E402, F401
import stories_space  # noqa: E402, F401
import stories_storm  # noqa: E402, F401
import stories_v1  # noqa: E402, F401
import stories_wal  # noqa: E402, F401
import stories_watch  # noqa: E402, F401


@story()
def one_member(new, storage):
    """One member serves put, get, delete; what it acknowledged survives kill -9 and SIGTERM."""
    cluster = new(1, storage).start()
    wait_for("the first answer", 10, lambda: cluster[1].status())
    cluster.put(1, "/my-key", b"hello")
    cluster.expect(1, "/my-key", b"hello")
    check(cluster[1].status()["keys"] == 1, f"keys: {cluster[1].status()['keys']}, not 1")
    cluster[1].kill()
    cluster.start(1)
    wait_for("the first answer", 10, lambda: cluster[1].status())
    cluster.expect(1, "/my-key", b"hello")
    check(cluster[1].ask("DELETE", "/my-key").status == 204, "DELETE")
    check(cluster[1].ask("GET", "/my-key").status == 404, "GET after DELETE")
    check(cluster[1].ask("DELETE", "/my-key").status == 204, "DELETE of an absent key")
    check(cluster[1].stop() == 0, "exit code after SIGTERM")
    cluster.start(1)
    wait_for("the first answer", 10, lambda: cluster[1].status())
    check(cluster[1].ask("GET", "/my-key").status == 404, "GET after a restart")


@story()
def fault_tolerance(new, storage):
    """Write foo, kill a member, write bar through another, read bar, start it again, read bar from it."""
    cluster = new(3, storage).start()
    cluster.leader()
    cluster.put(1, "/k", b"foo")
    for ident in (1, 2, 3):
        cluster.expect(ident, "/k", b"foo")
    cluster[2].kill()
    cluster.put(1, "/k", b"bar")
    cluster.expect(3, "/k", b"bar")
    cluster.start(2)
    wait_for("member 2", 15, lambda: cluster[2].status())
    cluster.expect(2, "/k", b"bar")


@story()
def leader_killed_under_load(new, storage):
    """kill -9 of the leader under load: writes go on; it restarts and catches up; nothing is lost."""
    cluster = new(3, storage).start()
    leader = cluster.leader()
    load = Load(cluster)
    load.wait_more(200)
    leader.kill()
    load.wait_more(200)
    cluster.start(leader.id)
    load.wait_more(100)
    load.stop()
    cluster.leader()
    for ident in (1, 2, 3):
        load.verify(ident, 150)
    applied = {cluster[i].status()["applied_index"] for i in (1, 2, 3)}
    wait_for("equal applied indexes", 10,
             lambda: len({cluster[i].status()["applied_index"] for i in (1, 2, 3)}) == 1)
    check(min(applied) > 0, "nothing was applied")


@story()
def grow_shrink_and_quorum(new, storage):
    """A fourth member joins; one, then two of four die; both come back; member 3 is removed and exits 0."""
    cluster = new(3, storage, options=("--request-timeout-ms", "2000")).start()
    cluster.leader()
    load = Load(cluster, prefix="before")
    load.wait_more(100)
    fourth = cluster.add(storage)
    answer = cluster[1].ask("POST", "/4", fourth.peer_url)
    check(answer.status == 204, f"POST /4: {answer}")
    check(cluster[2].ask("POST", "/4", fourth.peer_url).status == 204, "POST /4 again")
    fourth.start(cluster.list(), join=True)

    def is_voter():
        status = cluster[1].status()
        return status and any(m["id"] == 4 and m["role"] == "voter" for m in status["members"])
    wait_for("member 4 is a voter", 20, is_voter)
    load.stop()
    load.verify(4, 100)
    cluster[1].kill()
    cluster.leader(among=[2, 3, 4])
    cluster.put(4, "/one-dead", b"yes")
    cluster[2].kill()
    time.sleep(1)
    for ident in (3, 4):
        answer = cluster[ident].ask("PUT", "/two-dead", b"no", timeout=15)
        check(answer and answer.status in (503, 504), f"PUT without a quorum: {answer}")
        if answer.status == 504:
            check(answer.headers.get("Metastore-Outcome") == "unknown", "504 without Metastore-Outcome")
        else:
            check(answer.headers.get("Retry-After"), "503 without Retry-After")
        answer = cluster[ident].ask("GET", "/one-dead", timeout=15)
        check(answer and answer.status == 503, f"GET without a quorum: {answer}")
    cluster.start(1, 2)
    cluster.leader(30)
    for ident in (1, 2, 3, 4):
        cluster.expect(ident, "/one-dead", b"yes")
        load.verify(ident, 60)
    answer = wait_for("DELETE /3", 20, lambda: removed(cluster))
    check(cluster[3].wait_exit(20) == 0, "the removed member's exit code")
    check("removed" in cluster[3].log_text(), "the removed member does not say why it stops")
    cluster[3].start(cluster.list())
    check(cluster[3].wait_exit(20) == 0, "the removed member's exit code when started again")
    cluster.put(4, "/after", b"removal")
    cluster.expect(1, "/after", b"removal")


def removed(cluster):
    answer = cluster[1].ask("DELETE", "/3", timeout=15)
    check(answer and answer.status in (204, 409, 503), f"DELETE /3: {answer}")
    return answer.status == 204


@story()
def all_killed(new, storage):
    """kill -9 of all under load, restart: everything acknowledged is there."""
    cluster = new(3, storage).start()
    cluster.leader()
    load = Load(cluster)
    load.wait_more(300)
    for ident in (1, 2, 3):
        cluster[ident].kill()
    load.stop()
    cluster.start()
    cluster.leader(20)
    for ident in (1, 2, 3):
        load.verify(ident, 200)


@story()
def away_and_snapshot(new, storage):
    """A member that was away while the log was cut gets a snapshot."""
    options = ("--snapshot-log-bytes", "200000", "--wal-segment-bytes", "8388608")
    cluster = new(3, storage, options=options).start()
    leader = cluster.leader()
    away = next(i for i in (1, 2, 3) if i != leader.id)
    cluster.put(leader.id, "/first", b"1")
    cluster[away].kill()
    value = os.urandom(30_000)
    for i in range(400):
        cluster.put(leader.id, f"/big-{i % 20}", value)
    wait_for("a snapshot on the leader", 20, lambda: "snapshot at index" in leader.log_text())
    cluster.start(away)
    wait_for("a snapshot installed", 30, lambda: "installed a snapshot" in cluster[away].log_text())
    cluster.expect(away, "/first", b"1")
    cluster.expect(away, "/big-3", value)
    cluster[away].kill()
    cluster.start(away)
    wait_for("member back", 15, lambda: cluster[away].status())
    cluster.expect(away, "/big-7", value)


@story(("mixed",))
def mixed_engines(new, storage):
    """A rocksdb member in a cluster of memory members, also when it needs a snapshot."""
    cluster = new(3, None, storages=["memory", "rocksdb", "memory"],
                  options=("--snapshot-log-bytes", "200000", "--wal-segment-bytes", "8388608")).start()
    cluster.leader()
    cluster.put(1, "/a", b"1")
    cluster.expect(2, "/a", b"1")
    cluster[2].kill()
    value = os.urandom(30_000)
    for i in range(400):
        cluster.put(1, f"/big-{i % 20}", value)
    cluster.start(2)
    wait_for("member 2", 15, lambda: cluster[2].status())
    cluster.expect(2, "/big-5", value, 30)
    wait_for("equal applied indexes", 15,
             lambda: len({cluster[i].status()["applied_index"] for i in (1, 2, 3)}) == 1)


@story(("memory",))
def status_codes(new, storage):
    """Every status code of the API (507 aside) is provoked."""
    cluster = new(1, storage, options=("--max-request-bytes", "100000")).start()
    one = cluster[1]
    wait_for("the first answer", 10, one.status)

    def expect(method, path, status, body=None, headers=None, contains=None):
        answer = one.ask(method, path, body, headers=headers)
        check(answer and answer.status == status, f"{method} {path[:60]}: {answer}, not {status}")
        if contains:
            check(contains in answer.body.decode(), f"{method} {path[:60]}: {answer.body!r} without {contains!r}")
        return answer

    expect("PUT", "/a", 204, b"1")
    expect("GET", "/a", 200)
    expect("GET", "/absent", 404)
    expect("DELETE", "/a", 204)
    expect("GET", "/", 200)
    expect("GET", "/status", 200)
    expect("GET", "/health-is-a-key", 404)
    expect("PUT", "/health", 403, b"x", contains="/_/kv/health")
    expect("DELETE", "/v3/x", 403)
    expect("PUT", "/_/kv/health", 204, b"x")
    expect("GET", "/_/kv/health", 200)
    expect("DELETE", "/_/kv/health", 204)
    expect("PUT", "/", 400, b"x")
    expect("PUT", "/a?unknown=1", 400, b"x")
    expect("PUT", "/bad%zz", 400, b"x")
    expect("POST", "/0", 400, "http://127.0.0.1:1")
    expect("POST", "/01", 400, "http://127.0.0.1:1")
    expect("POST", "/2", 400, "ftp://x")
    expect("POST", "/2", 400, "https://127.0.0.1:1")
    check("Allow" in expect("POST", "/key", 405, b"x").headers, "405 without Allow")
    expect("PUT", "/big", 413, b"x" * 200_000)
    expect("PUT", "/" + "k" * 70_000, 414, b"x")
    expect("GET", "/a", 431, headers={"X-Long": "x" * 100_000})
    expect("DELETE", "/7", 404, contains="1")
    expect("DELETE", "/1", 409)
    expect("POST", "/2", 409, one.peer_url)
    expect("POST", "/_/leader", 409, b"", contains="no other one")
    expect("POST", "/_/leader", 204, b"1")
    expect("POST", "/_/members", 204, '[{"id": 1}]')
    expect("POST", "/_/settings", 204, '{"lease_reads": false}')
    expect("GET", "/_/members", 200, contains='"role": "voter"')
    expect("GET", "/_/settings", 200, contains="lease_reads")
    expect("PUT", "/123", 204, b"digits are a key in PUT")
    expect("GET", "/123", 200)
    expect("HEAD", "/123", 200)
    expect("PUT", "/%00%ff/..//x", 204, bytes(range(256)))
    check(one.ask("GET", "/%00%ff/..//x").body == bytes(range(256)), "binary value")
    expect("PUT", "/empty", 204, b"")
    check(one.ask("GET", "/empty").body == b"", "empty value")
    for raw, status in ((b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", (400, 405, 501)),
                        (b"GET / HTTP/1.1\r\n\r\n", (400,)),
                        (b"GET / HTTP/3.0\r\nHost: x\r\n\r\n", (400, 505)),
                        (b"\x00\x01\x02garbage\r\n\r\n", (400,)),
                        (b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
                         (400,))):
        check(raw_status(one.port, raw) in status, f"{raw[:40]!r}: {raw_status(one.port, raw)}, not {status}")


def raw_status(port, data):
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(data)
        first = connection.recv(4096).split(b"\r\n")[0].split(b" ")
        return int(first[1])


@story(("memory",))
def start_errors(new, storage):
    """Bad flags, a port in use, a directory in use, the other engine's data: one line, non-zero exit."""
    cluster = new(1, storage).start()
    one = cluster[1]
    wait_for("the first answer", 10, one.status)

    def fails(contains, *options, cwd=None):
        import subprocess
        run = subprocess.run([one.binary, *options], cwd=cwd or cluster.root, capture_output=True,
                             timeout=20, text=True)
        check(run.returncode not in (0, None) and run.returncode > 0, f"{options}: exit {run.returncode}")
        lines = [line for line in run.stderr.splitlines() if line]
        check(len(lines) == 1 or "metastore" in lines[-1], f"{options}: not one line: {run.stderr!r}")
        check(contains in run.stderr, f"{options}: {run.stderr!r} without {contains!r}")

    port, peer = free_ports(2)
    url = f"http://127.0.0.1:{peer}"
    fails("--nonsense", "--nonsense")
    fails("--id", "--id", "x")
    fails("--id", "--id", "5", "--cluster", url)
    fails("https", "--cluster", "https://127.0.0.1:1")
    fails("--storage", "--storage", "punchcards")
    fails("port", "--port", "0x1", "--cluster", url)
    fails(str(one.port), "--cluster", url, "--port", str(one.port), "--data-dir", cluster.root)
    fails("in use", "--cluster", url, "--port", str(port), "--data-dir", one.directory)
    fails("data", "--cluster", url, "--port", str(port), "--storage", "rocksdb", cwd=cluster.root)
    one.kill()
    os.makedirs(os.path.join(one.directory, "data"), exist_ok=True)
    fails("memory", "--cluster", url, "--port", str(port), "--storage", "rocksdb", cwd=one.directory)


@story(("memory",))
def foreign_peer(new, storage):
    """A member of another cluster is refused, and neither cluster is disturbed."""
    first, second = new(1, storage).start(), new(1, storage)
    wait_for("the first answer", 10, first[1].status)
    first.put(1, "/k", b"first")
    second.start()
    wait_for("the first answer", 10, second[1].status)
    second.put(1, "/k", b"second")
    second[1].kill()
    stranger = second[1]
    stranger.id = 1
    answer = first[1].ask("POST", "/2", stranger.peer_url, timeout=15)
    check(answer.status == 204, f"POST /2: {answer}")
    stranger.start(second.list())
    time.sleep(3)
    first.put(1, "/k", b"still first")
    second.expect(1, "/k", b"second")
    first.expect(1, "/k", b"still first")


def run_story(binary, name, function, storage, keep):
    clusters, begin = [], time.monotonic()

    def new(size, storage_, **options):
        clusters.append(Cluster(binary, size, storage_, **options))
        return clusters[-1]
    error = None
    try:
        function(new, storage)
    except Failed as failure:
        error = f"{failure}\n{traceback.format_exc(limit=-2)}"
    except Exception:  # a mistake in the story is a failure of the story
        error = traceback.format_exc()
    logs = ""
    if error:
        for cluster in clusters:
            for member in cluster.members.values():
                if os.path.exists(member.log_path):
                    tail = member.log_text().splitlines()[-40:]
                    logs += f"    --- member {member.id}\n" + "".join(f"    {line}\n" for line in tail)
    for cluster in clusters:
        cluster.close(keep=keep and error is not None)
    return name, error, logs, time.monotonic() - begin


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("binary")
    parser.add_argument("--only", help="only stories whose names contain this")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--keep", action="store_true", help="leave the directories of failed stories")
    parser.add_argument("--long", type=int, default=1, help="storms and sweeps so many times longer")
    parser.add_argument("--seed", type=int, default=int.from_bytes(os.urandom(3), "little"),
                        help="of what stories draw; fresh if not given, and printed")
    options = parser.parse_args()
    SETTINGS.long, SETTINGS.seed = options.long, options.seed
    binary = os.path.abspath(options.binary)
    chosen = [s for s in STORIES if not options.only or options.only in s[0]]
    passed, failures = 0, []
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        runs = [pool.submit(run_story, binary, *s, options.keep) for s in chosen]
        for run in concurrent.futures.as_completed(runs):
            name, error, logs, seconds = run.result()
            print(f"{'FAIL' if error else 'ok  '} {name} ({seconds:.1f} s)", flush=True)
            if error:
                print("    " + error.replace("\n", "\n    "))
                print(logs, flush=True)
                failures.append(f"FAIL {name}: {error.splitlines()[0]}")
            passed += not error
    if failures:  # once more, where they are seen: at the end
        print("\n".join(failures))
        print(f"drawn by --seed {SETTINGS.seed}")
    print(f"{passed} passed, {len(failures)} failed")
    return 1 if failures or not passed else 0


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    sys.exit(main())
