"""Stories of `metastore snapshot`: backups, and clusters made of them."""

import json
import os
import random
import socket
import subprocess
import time

from damage import flip, home, picture
from harness import Load, check, story, wait_for
from stories_wal import killed_member

OTHER = {"memory": "rocksdb", "rocksdb": "memory"}
BUMP = 1000000000


def snapshot(cluster, *arguments, code=0, seconds=120):
    """Run it in the directory of the whole cluster; what it printed, on either side."""
    run = subprocess.run([cluster.binary, "snapshot", *arguments], capture_output=True, timeout=seconds, text=True,
                         cwd=cluster.root)
    check("Sanitizer" not in run.stderr and "runtime error" not in run.stderr, run.stderr)
    check(run.returncode == code, f"snapshot {arguments}: exit {run.returncode}, not {code}: {run.stdout} {run.stderr}")
    return run.stdout + run.stderr


def look(cluster, file, code=0):
    return json.loads(snapshot(cluster, "status", file, "--output", "json", code=code))


def offline(cluster, member, file, code=0):
    return snapshot(cluster, "save", file, "--data-dir", member.directory, "--id", str(member.id), "--storage",
                    member.storage, code=code)


def restored(new, old, file, storage):
    """A member of a new cluster with what the backup holds; not started."""
    cluster = new(1, storage)
    one = cluster[1]
    snapshot(old, "restore", file, "--id", "1", "--cluster", one.peer_url, "--storage", storage, "--data-dir",
             one.directory)
    return cluster, one


def serves(cluster, load, before, revision):
    """It has all that was acknowledged, under higher revisions and another identity, and takes members."""
    one = cluster[1]
    wait_for("the first answer", 20, one.status)
    for key, value in list(before.items())[:: max(1, len(before) // 200)]:
        cluster.expect(1, key, value)
    cluster.put(1, "/new", b"of the new cluster")
    status = one.status()
    check(status["revision"] > revision + BUMP, f"revision {status['revision']}, of the backup: {revision}")
    check(status["compacted_revision"] >= revision + BUMP, f"compacted: {status['compacted_revision']}")
    check(not status["abstains"], "it abstains")
    two = cluster.add(OTHER[one.storage])
    check(one.ask("POST", "/2", two.peer_url.encode()).status == 204, "POST /2")
    two.start(cluster.list(), join=True)
    cluster.urls = cluster.urls[:2]
    wait_for("a second voter", 30, lambda: sum(m["role"] == "voter" for m in one.status()["members"]) == 2)
    for key, value in list(before.items())[-20:]:
        cluster.expect(2, key, value)
    cluster.put(2, "/newer", b"x")
    cluster.expect(1, "/newer", b"x")


@story()
def backup_of_a_killed_member(new, storage):
    """A member is killed under load; a backup of its directories has all that was acknowledged, changes nothing
    there, and becomes a cluster of the other engine, to which a member can be added."""
    cluster, one, load = killed_member(new, storage, options=["--snapshot-log-bytes", "200000"], writes=1500)
    before = picture(home(one))
    offline(cluster, one, "backup")
    after = picture(home(one))
    changed = {path for path in before.keys() | after.keys()
               if before.get(path, (0,) * 6)[2:] != after.get(path, (0,) * 6)[2:]}
    check(not changed, f"changed by saving: {changed}")
    check(os.listdir(cluster.root).count("backup.tmp") == 0, "backup.tmp stays")
    report = look(cluster, "backup")
    check(report["whole"] and report["keys"] >= len(load.acknowledged), f"{report}, {len(load.acknowledged)} writes")
    check(report["members"] == [{"id": 1, "role": "voter", "url": one.peer_url}], f"{report['members']}")

    fresh, first = restored(new, cluster, "backup", OTHER[storage])
    first.start(fresh.list())
    serves(fresh, load, load.acknowledged, report["revision"])
    check(first.status()["cluster"] != report["cluster"], "the identity of the old cluster")

    cluster.start(1)  # the old one is what it was
    wait_for("the first answer", 20, one.status)
    load.verify(1, 50)
    text = offline(cluster, one, "other", code=3)
    check("in use" in text and not os.path.exists(os.path.join(cluster.root, "other.tmp")), text)


@story()
def backup_that_is_damaged(new, storage):
    """A backup with a flipped bit, cut short, or with something behind it: status says where, restore makes
    nothing."""
    cluster, one, _ = killed_member(new, storage, writes=300)
    offline(cluster, one, "backup")
    path = os.path.join(cluster.root, "backup")
    size = os.path.getsize(path)
    target = os.path.join(cluster.root, "target")
    os.makedirs(os.path.join(target, "data"))
    arguments = ["restore", "backup", "--id", "1", "--cluster", "http://127.0.0.1:1", "--storage", storage,
                 "--data-dir", "target"]

    def refused():
        report = look(cluster, "backup", code=2)
        check(not report["whole"] and report["damage_offset"] <= size and "offset" in report["text"], f"{report}")
        text = snapshot(cluster, *arguments, code=2)
        check("damaged" in text, text)
        check(os.listdir(target) == ["data"] and not os.listdir(os.path.join(target, "data")), "something was made")

    for offset in (8, 40, size // 2, size - 1):
        flip(path, offset)
        refused()
        flip(path, offset)
    with open(path, "ab") as file:
        file.write(b"behind it")
    refused()
    os.truncate(path, size // 2)
    refused()
    os.truncate(path, 0)
    refused()


@story()
def restore_that_is_killed(new, storage):
    """kill -9 in the middle of a restore: what is there is a whole member, or no start takes it for one."""
    cluster, one, load = killed_member(new, storage, writes=400)
    offline(cluster, one, "backup")
    random.seed(7)
    begun = time.monotonic()
    whole, _ = restored(new, cluster, "backup", storage)
    took = time.monotonic() - begun
    outcomes = {"nothing": 0, "refused": 0, "whole": 0}
    for _ in range(12):
        fresh = new(1, storage)
        first = fresh[1]
        process = subprocess.Popen([cluster.binary, "snapshot", "restore", "backup", "--id", "1", "--cluster",
                                    first.peer_url, "--storage", storage, "--data-dir", first.directory],
                                   cwd=cluster.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(random.uniform(0, took * 1.1))
        process.kill()
        code = process.wait()
        if not os.path.exists(home(first)) or not os.listdir(home(first)):
            outcomes["nothing"] += 1
            continue
        first.start(fresh.list())
        if code == 0 or wait_for("its end, or its service", 20, lambda: first.status() or not first.alive()) is not True:
            wait_for("the first answer", 20, first.status)
            check(first.status()["keys"] >= len(load.acknowledged), "half a cluster serves")
            outcomes["whole"] += 1
            first.stop()
        else:
            check(first.wait_exit(5) != 0 and "in part only" in first.log_text(), first.log_text())
            outcomes["refused"] += 1
    check(sum(outcomes.values()) == 12, f"{outcomes}")
    check(whole[1].id == 1, "the first one stands")


def endpoint(member):
    return f"http://{member.host}:{member.port}"


@story()
def backup_of_a_running_cluster(new, storage):
    """Three members under load: a backup over HTTP, from a follower, has every write that was acknowledged before
    it was asked for, and becomes a cluster of the other engine."""
    cluster = new(3, storage, options=["--snapshot-log-bytes", "300000"]).start()
    leader = cluster.leader()
    follower = next(m for m in cluster.alive() if m.id != leader.id)
    load = Load(cluster, clients=4)
    load.wait_more(1500)
    term = leader.status()["term"]
    for _ in range(3):
        with load.lock:
            before = dict(load.acknowledged)
        snapshot(cluster, "save", "backup", "--endpoints", f"http://127.0.0.1:1,{endpoint(follower)}")
        load.wait_more(50)  # it goes on
    load.stop()
    check(leader.status()["term"] == term, "a leader was lost over it")
    check(not os.path.exists(os.path.join(cluster.root, "backup.tmp")), "backup.tmp stays")
    report = look(cluster, "backup")
    check(report["whole"] and report["keys"] >= len(before), f"{report['keys']} keys, {len(before)} were acknowledged")
    check(len(report["members"]) == 3 and report["cluster"] == leader.status()["cluster"], f"{report}")
    fresh, first = restored(new, cluster, "backup", OTHER[storage])
    first.start(fresh.list())
    serves(fresh, load, before, report["revision"])
    text = snapshot(cluster, "save", "other", "--endpoints", follower.peer_url, code=3)
    check("--port" in text and not os.path.exists(os.path.join(cluster.root, "other")), text)


def fill(cluster, megabytes):
    """Values that nobody makes smaller, on one member."""
    for i in range(megabytes):
        answer = cluster[1].ask("PUT", f"/large-{i}", os.urandom(1 << 20), timeout=20)
        check(answer and answer.status == 204, f"PUT of a large value: {answer}")


@story()
def backup_that_breaks_off(new, storage):
    """The member is killed in the middle of a backup: an error, and nothing that looks like one is left. One who
    reads slowly holds up nobody; who asks when two are under way is told to come again."""
    cluster = new(1, storage).start()
    one = cluster[1]
    wait_for("the first answer", 15, one.status)
    fill(cluster, 24)
    slow = [socket.create_connection((one.host, one.port), 20) for _ in range(2)]
    for connection in slow:
        connection.sendall(b"GET /_/snapshot HTTP/1.1\r\nHost: a\r\n\r\n")
        check(connection.recv(1000).startswith(b"HTTP/1.1 200 OK\r\n"), "the head of a backup")
    text = snapshot(cluster, "save", "backup", "--endpoints", endpoint(one), code=3)
    check("503" in text and "as many backups" in text, text)
    check(not os.path.exists(os.path.join(cluster.root, "backup")), "a refusal was saved")
    probe = [timed_put(cluster, i) for i in range(200)]
    check(sorted(probe)[100] < 0.25, f"PUTs beside backups that nobody reads: {sorted(probe)[-10:]}")
    slow.pop().close()
    wait_for("room for a backup", 15,
             lambda: subprocess.run([cluster.binary, "snapshot", "save", "backup", "--endpoints", endpoint(one)],
                                    cwd=cluster.root, capture_output=True).returncode == 0)
    check(look(cluster, "backup")["keys"] >= 224, "keys of the backup")
    with open(os.path.join(cluster.root, "backup"), "rb") as file:
        whole = file.read()

    process = subprocess.Popen([cluster.binary, "snapshot", "save", "backup", "--endpoints", endpoint(one)],
                               cwd=cluster.root, stderr=subprocess.PIPE, text=True)
    temp = os.path.join(cluster.root, "backup.tmp")
    wait_for("a piece of it", 20, lambda: os.path.exists(temp) and os.path.getsize(temp) > 1 << 20
             or process.poll() is not None)
    one.kill()
    _, wrong = process.communicate(timeout=40)
    check(process.returncode in (0, 3), f"exit {process.returncode}: {wrong}")
    check(process.returncode == 0 or "broke off" in wrong, wrong)
    check(not os.path.exists(temp), "backup.tmp stays")
    with open(os.path.join(cluster.root, "backup"), "rb") as file:
        check(process.returncode == 0 or file.read() == whole, "the backup of before is another one")
    slow.pop().close()


def timed_put(cluster, number):
    begun = time.monotonic()
    cluster.put(1, f"/timed-{number}", b"x")
    return time.monotonic() - begun
