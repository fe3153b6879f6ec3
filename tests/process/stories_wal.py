"""Stories of `metastore wal`: the logs of members that were killed, and of disks that rotted."""

import json
import os
import shutil
import subprocess

from damage import flip, home, log_of, picture, segments_of
from harness import Load, check, story, wait_for


def wal(member, *arguments):
    """Exit code, lines, and what went wrong."""
    run = subprocess.run([member.binary, "wal", *arguments], capture_output=True, timeout=60, text=True,
                         cwd=member.directory)
    check("Sanitizer" not in run.stderr and "runtime error" not in run.stderr, run.stderr)
    return run.returncode, run.stdout.splitlines(), run.stderr.strip()


def expect(member, code, contains, *arguments):
    got, lines, wrong = wal(member, *arguments)
    check(got == code, f"wal {arguments}: exit {got}, not {code}: {lines[-1:]} {wrong}")
    check(contains in (lines[-1] if lines else wrong), f"wal {arguments}: {lines[-1:]} {wrong} without {contains!r}")
    return lines


def unchanged(member, *all_arguments):
    """Run them; not a byte, name or time of the member's files is another one afterwards."""
    before = picture(member.directory)
    for arguments in all_arguments:
        wal(member, *arguments)
    after = picture(member.directory)
    check(before == after, f"changed by looking: {set(before.items()) ^ set(after.items())}")


def segments(member):
    """Those of the chain, by the records in them."""
    lines = [json.loads(line) for line in wal(member, "dump", "--json", log_of(member))[1]]
    return sorted({line["segment"] for line in lines if "segment" in line})


def killed_member(new, storage, options=(), writes=50):
    cluster = new(1, storage, options=options).start()
    wait_for("the first answer", 15, cluster[1].status)
    cluster.put(1, "/first", b"hello")
    load = Load(cluster, clients=3)
    load.wait_more(writes)
    cluster[1].kill()
    load.stop()
    return cluster, cluster[1], load


@story()
def wal_of_a_killed_member(new, storage):
    """kill -9 under load: the log is dumped and verified, all that was acknowledged stands in it, and looking
    changes not a byte; what verify says, the next start says."""
    cluster, one, load = killed_member(new, storage)
    directory, log = home(one), log_of(one)
    code, lines, _ = wal(one, "verify", directory)
    check(code in (0, 1) and len(lines) == 1, f"verify: exit {code}, {lines}")
    check(lines[0].startswith("sound: member 1, entries 1 to " if code == 0 else "torn: "), lines[0])
    check(wal(one, "verify", log)[:2] == (code, lines), "the log's own directory is judged differently")
    check(wal(one, "verify", directory + "///")[0] == code, "a slash at the end")

    code, dumped, _ = wal(one, "dump", "--json", directory)
    check(code in (0, 1), f"dump: exit {code}")
    records = [json.loads(line) for line in dumped]
    check(records[-1]["result"] in ("sound", "torn") and records[-1]["member"] == 1, f"{records[-1]}")
    check(records[0]["record"] in ("base", "reset"), f"the first record: {records[0]}")
    entries = [r for r in records if r.get("record") == "entry"]
    check([e["index"] for e in entries if e["fate"] == "live"] == list(range(1, records[-1]["last_index"] + 1)),
          "the live entries do not follow each other")
    check(entries[0]["kind"] == "init" and entries[0]["members"][0]["url"] == one.peer_url, f"{entries[0]}")
    keys = {op["key"] for e in entries if e["kind"] == "txn" for op in e["then"]}
    missing = [k for k in load.acknowledged if k.lstrip("/") not in keys]
    check(load.acknowledged and not missing, f"acknowledged, and not in the log: {missing[:3]}")

    text = wal(one, "dump", directory)[1]
    check(len(text) == len(records) and text[-1] == "# " + lines[0], "text and JSON differ")
    some = wal(one, "dump", "--from", "3", "--to", "5", directory)[1]
    check([line.split(" entry ")[1].split()[0] for line in some[:-1]] == ["3", "4", "5"], f"{some}")

    unchanged(one, ("verify", directory), ("verify", "--force", log), ("dump", directory), ("dump", "--json", log))
    cluster.start(1)
    wait_for("the first answer", 15, one.status)
    check(("the last batch is cut" in one.log_text()) == (code == 1), "the start says something else")
    load.verify(1, 50)


@story()
def wal_of_a_running_member(new, storage):
    """A running member: verify refuses and names the reason, dump and --force do not; the member is not
    disturbed, and can be started again right away."""
    cluster = new(1, storage).start()
    one = cluster[1]
    wait_for("the first answer", 15, one.status)
    cluster.put(1, "/k", b"v")
    expect(one, 3, "in use: a member is running on it", "verify", home(one))
    expect(one, 3, "in use: a member is running on it", "verify", log_of(one))
    load = Load(cluster, clients=3)
    for _ in range(5):
        load.wait_more(20)
        code, lines, wrong = wal(one, "verify", "--force", home(one))
        check(code in (0, 1) and "a member is running on it" in lines[0], f"{code} {lines} {wrong}")
        code, lines, wrong = wal(one, "dump", home(one))
        check(code in (0, 1) and "txn put k (1 bytes)" in "".join(lines), f"{code} {lines[-1:]} {wrong}")
    load.stop()
    load.verify(1, 50)
    check(one.stop() == 0, "exit code after SIGTERM")
    expect(one, 0, "sound: ", "verify", home(one))
    cluster.start(1)
    wait_for("the first answer", 15, one.status)


@story()
def wal_that_rotted(new, storage):
    """A byte rots in an acknowledged batch: verify says in which file and where, as does the start; so for the
    state file, a header, a segment that is missing, one cut short; and the damaged log is not changed."""
    options = ("--wal-segment-bytes", "8388608", "--snapshot-log-bytes", "100000000")
    cluster, one, _ = killed_member(new, storage, options)
    cluster.start(1)
    wait_for("the first answer", 15, one.status)
    value = os.urandom(500_000)
    for i in range(40):
        cluster.put(1, f"/big-{i}", value)
    check(one.stop() == 0, "exit code after SIGTERM")
    log, kept = log_of(one), os.path.join(one.directory, "kept")
    expect(one, 0, "sound: ", "verify", log)
    chain = segments(one)
    check(len(chain) >= 3, f"too few segments: {chain}")
    first, second = (os.path.join(log, name) for name in chain[:2])
    shutil.copytree(log, kept)

    def damaged(contains, damage, code=2):
        damage()
        lines = expect(one, code, contains, "verify", log)
        check(len(lines) == 1, f"{lines}")
        expect(one, code, contains, "dump", log)
        unchanged(one, ("verify", log), ("dump", log))
        shutil.rmtree(log)
        shutil.copytree(kept, log)

    sector = 4096 + 512 * 100
    damaged(f"{second}, offset {sector}: ", lambda: flip(second, sector + 77))
    damaged(f"{first}, offset 0: the header is damaged", lambda: flip(first, 50))
    damaged(f"{second}, offset 0: the segment is missing", lambda: os.remove(second))
    damaged(f"{second}, offset ", lambda: os.truncate(second, 1 << 20))
    damaged(f"{log}/state, offset ", lambda: flip(os.path.join(log, "state"), 100), 1)
    damaged(f"{log}/state: the file is missing", lambda: os.remove(os.path.join(log, "state")), 1)

    flip(second, sector + 77)
    said = wal(one, "verify", log)[1][0]
    cluster.start(1)
    check(one.wait_exit(20) != 0, "a sole member started on a damaged log")
    check(f"offset {sector}: " in one.log_text() and f"offset {sector}: " in said, f"{said}")
    dumped = [json.loads(line) for line in wal(one, "dump", "--json", log)[1]]
    check(dumped[-1]["result"] == "damaged", f"{dumped[-1]}")
    check([r["index"] for r in dumped if r.get("fate") == "live"] == list(range(1, dumped[-1]["last_index"] + 1)),
          "what stands before the damage is not all given")


@story(("memory",))
def wal_of_recycled_segments(new, storage):
    """A log whose first segments were used again: nothing of their earlier life is shown, and what a snapshot
    covers is marked as cut."""
    options = ("--wal-segment-bytes", "8388608", "--snapshot-log-bytes", "1000000", "--revisions-kept", "2")
    cluster = new(1, storage, options=options).start()
    one, value, count = cluster[1], os.urandom(400_000), 0
    wait_for("the first answer", 15, one.status)

    def recycled():
        nonlocal count
        for _ in range(20):
            count += 1
            cluster.put(1, f"/k-{count % 3}", value)
        names = [os.path.basename(path) for path in segments_of(one)]
        return int(names[0][4:20], 16) > len(names)
    wait_for("the first segments are used again", 60, recycled)
    one.kill()
    lines = expect(one, 0, "sound: ", "dump", "--json", home(one))
    records = [json.loads(line) for line in lines]
    entries = [r for r in records if r.get("record") == "entry"]
    check(records[0]["record"] == "base" and records[0]["offset"] == 4096, f"{records[0]}")
    check([e["index"] for e in entries] == list(range(entries[0]["index"], records[-1]["last_index"] + 1)),
          "entries of an earlier life")
    check(entries[0]["index"] > 1 and records[-1]["base_index"] > 1, f"{entries[0]} {records[-1]}")
    check(all((e["fate"] == "cut") == (e["index"] <= records[-1]["base_index"]) for e in entries), "fates")
    unchanged(one, ("verify", home(one)), ("dump", home(one)))


@story(("memory",))
def wal_command_line(new, storage):
    """Help, and mistakes: one line on standard error, exit code 3."""
    one = new(1, storage)[1]
    code, lines, wrong = wal(one, "--help")
    check(code == 0 and "usage: metastore wal dump" in "\n".join(lines) and not wrong, f"{code} {wrong}")
    os.makedirs(os.path.join(one.directory, "empty"))
    expect(one, 0, "empty: there is no log in empty yet", "verify", "empty")
    expect(one, 0, "# empty: ", "dump", "empty")
    with open(os.path.join(one.directory, "empty", "note"), "w") as note:
        note.write("x")
    for contains, arguments in (("neither dump nor verify", ("undo",)), ("missing", ()), ("missing", ("dump",)),
                                ("no such directory", ("verify", "nowhere")),
                                ("no directory", ("verify", "empty/note")),
                                ("holds no log", ("dump", "empty")), ("--from", ("dump", "--from", "x", "empty")),
                                ("unknown flag", ("verify", "--json5", "empty"))):
        code, lines, wrong = wal(one, *arguments)
        check(code == 3 and not lines and contains in wrong and "\n" not in wrong, f"{arguments}: {code} {wrong!r}")
