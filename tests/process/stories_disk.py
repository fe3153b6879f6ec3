"""Stories of a stopped member whose disk was damaged meanwhile, alone: it finds what is wrong and stops with
file and offset, or what was wrong was of no meaning and it serves everything. Each story sweeps over many
places; where batches begin and end it knows from formats.py, a reader of its own."""

import os
import shutil
import time

import formats
from damage import (Contents, Kept, draws, flip, log_of, offsets, overwrite, segments_of, snap_of, some_bits,
                    start_alone, write_until_cut)
from harness import SETTINGS, check, story, wait_for

OPTIONS = ("--wal-segment-bytes", "8388608", "--snapshot-log-bytes", "200000000")


def member_alone(new, storage, name, options=OPTIONS):
    cluster = new(1, storage, options=options).start()
    one = cluster[1]
    wait_for("the first answer", 15, one.status)
    return cluster, one, Contents(cluster, draws(name))


def settled(one):
    """What a member writes by itself after its start is written: its log stays as it is for half a second."""
    before, since = None, 0

    def is_so():
        nonlocal before, since
        now = {}
        for path in segments_of(one):
            with open(path, "rb") as file:
                now[path] = hash(file.read())
        if now != before:
            before, since = now, time.monotonic()
        return time.monotonic() - since > 0.5
    wait_for("a log that stays as it is", 15, is_so)


def finish(cluster, one):
    """Stops it as a crash does, once its disk says so; a copy of the directory, and its log as read by us."""
    one.kill()
    return Kept(one, cluster.root), formats.Log(log_of(one), sums=False)


def named(said, path, with_offset=True):
    """The message has the file, and where in it."""
    name = os.path.basename(path)
    lines = [line for line in said.splitlines() if name in line and (not with_offset or "offset " in line)]
    check(lines, f"{name} {'and an offset ' if with_offset else ''}not in what it said: {said[-500:]}")


def must_stop(one, kept, contents, damage, path, what, with_offset=True):
    kept.restore()
    damage()
    came, said = start_alone(one, contents)
    check(came == "stopped", f"{what}: it serves")
    named(said, path, with_offset)


def must_serve(one, kept, contents, damage, what):
    kept.restore()
    damage()
    came, said = start_alone(one, contents)
    check(came == "served", f"{what}: it stopped: {said[-400:]}")
    return said


@story()
def log_flipped_alone(new, storage):
    """A bit is flipped in the log of a member that is alone, anywhere in what it acknowledged, in a header, in
    the place where the next batch would begin: it stops with file and offset. Behind that: it serves."""
    rand = draws(f"flip {storage}")
    cluster, one, contents = member_alone(new, storage, f"flip {storage}")
    for i in range(30):
        contents.put(1, f"/k-{i}", rand.choice((0, 10, 400, 3000)))
    contents.delete(1, "/k-3")
    kept, log = finish(cluster, one)
    (segment, batches), count = log.chain[0], 1 + 2 * SETTINGS.long
    check(len(log.chain) == 1 and len(batches) >= 31, f"{len(batches)} batches")
    end = (batches[-1].last + 1) * formats.SECTOR
    for offset in offsets(rand, 0, formats.HEADER, count):
        must_stop(one, kept, contents, lambda: flip(segment.path, offset, some_bits(rand)), segment.path,
                  f"header, {offset}")
    for first, behind in ((batches[0].first, batches[0].last + 1), (batches[0].first, batches[-1].last + 1),
                          (batches[-1].first, batches[-1].last + 1)):
        for offset in offsets(rand, first * formats.SECTOR, behind * formats.SECTOR, count):
            must_stop(one, kept, contents, lambda: flip(segment.path, offset, some_bits(rand)), segment.path,
                      f"offset {offset} of acknowledged bytes")
    for offset in offsets(rand, end, end + formats.SECTOR, count // 2):
        must_stop(one, kept, contents, lambda: flip(segment.path, offset), segment.path, f"{offset}, the next place")
    for offset in offsets(rand, end + formats.SECTOR, len(segment.data), count // 2):
        must_serve(one, kept, contents, lambda: flip(segment.path, offset), f"offset {offset}, behind the end")


@story()
def log_torn_alone(new, storage):
    """The last batch was on its way when the power went: any of its sectors are there, others are as they
    were. It was never acknowledged: the member starts, without it. A sector that is half there has rotted."""
    rand = draws(f"torn {storage}")
    cluster, one, contents = member_alone(new, storage, f"torn {storage}", [*OPTIONS, "--digest-ms=0"])
    settled(one)
    for i in range(8):
        contents.put(1, f"/k-{i}", 700)
    before = dict(contents.now)
    contents.put(1, "/torn", 5000)
    kept, log = finish(cluster, one)
    contents.now = before
    segment, batches = log.chain[0]
    last = next(b for b in batches for r in b.records if r.type == "entry" and b"torn" in r.body)
    check(last is batches[-1] and last.last - last.first > 8, "the last batch is another one")
    sectors = list(range(last.first, last.last + 1))
    for turn in range(3 + SETTINGS.long):
        gone = {0: sectors, 1: sectors[:1], 2: sectors[-1:]}.get(turn) or rand.sample(sectors, rand.randint(1, 9))

        def tear():
            for sector in gone:
                overwrite(segment.path, sector * formats.SECTOR, bytes(formats.SECTOR))
        said = must_serve(one, kept, contents, tear, f"sectors {sorted(gone)} of {sectors} are blank")
        if gone != sectors:
            check("batch" in said, f"it does not say that a batch is cut: {said}")
        check(one.starts and formats.Log(log_of(one)), "the log afterwards")
    for _ in range(1 + SETTINGS.long):
        sector = rand.choice(sectors)
        half = rand.randrange(1, formats.SECTOR - 16)
        must_stop(one, kept, contents, lambda: overwrite(segment.path, sector * formats.SECTOR, bytes(half)),
                  segment.path, f"{half} bytes of sector {sector} are blank")


@story()
def log_cut_alone(new, storage):
    """Segments that were cut short, emptied, removed, exchanged; a state file that is damaged or gone."""
    rand = draws(f"cut {storage}")
    cluster, one, contents = member_alone(new, storage, f"cut {storage}")
    for i in range(45):
        contents.put(1, f"/k-{i}", 400_000)
    contents.put(1, "/last", 10)
    kept, log = finish(cluster, one)
    check(len(log.chain) == 3, f"{len(log.chain)} segments")
    paths, ends = [s.path for s, _ in log.chain], [(b[-1].last + 1) * 512 for _, b in log.chain]
    for path, end in zip(paths, ends):
        ends_of_header = [0, 4096, 8191] if SETTINGS.long > 1 or path == paths[rand.randrange(3)] else []
        for size in [*ends_of_header, *(rand.randrange(8192, end - 1) for _ in range(SETTINGS.long))]:
            must_stop(one, kept, contents, lambda: os.truncate(path, size), path, f"{path} cut to {size}")
        must_stop(one, kept, contents, lambda: os.remove(path), path, f"{path} removed", path != paths[-1])
    must_stop(one, kept, contents, lambda: [os.remove(p) for p in paths[1:]], paths[2], "all but the first gone", False)
    must_stop(one, kept, contents, lambda: (shutil.copy(paths[0], paths[1])), paths[1], "one is a copy of another")
    must_stop(one, kept, contents, lambda: os.truncate(paths[-1], ends[-1]), paths[-1], "cut where its batches end")
    must_serve(one, kept, contents, lambda: os.truncate(paths[-1], ends[-1] + 512), "a blank sector is left")
    state = os.path.join(log_of(one), "state")
    for damage, what in ((lambda: os.remove(state), "removed"), (lambda: os.truncate(state, 0), "emptied"),
                         (lambda: os.truncate(state, 512), "cut"), (lambda: flip(state, 4096 + 60), "slot 1"),
                         (lambda: flip(state, 60), "slot 0"), (lambda: overwrite(state, 0, bytes(512)), "blank")):
        must_serve(one, kept, contents, damage, f"the state file: {what}")


def rot_state_and_log(one, log):
    """Both copies of the state, and with it all marks of the log."""
    os.remove(os.path.join(log_of(one), "state"))
    for segment, batches in log.chain:
        for batch in batches:
            if any(r.type == "state" for r in batch.records):
                flip(segment.path, batch.first * 512 + 100)


@story()
def everything_lost_alone(new, storage):
    """The whole log of a member is gone, its state is not, or the other way round: never an empty store."""
    cluster, one, contents = member_alone(new, storage, f"lost {storage}",
                                          ("--wal-segment-bytes", "8388608", "--snapshot-log-bytes", "66000"))
    for i in range(60):
        contents.put(1, f"/k-{i % 20}", 3000)
    wait_for("a snapshot", 10, lambda: one.status()["snapshot_index"] > 0)
    kept, log = finish(cluster, one)

    def remove_log():
        for path in segments_of(one):
            os.remove(path)
        os.remove(os.path.join(log_of(one), "state"))
    for damage, what in ((remove_log, "the log is gone"), (lambda: shutil.rmtree(log_of(one)), "with its directory"),
                         (lambda: [os.remove(p) for p in segments_of(one)], "the segments are gone"),
                         (lambda: rot_state_and_log(one, log), "both copies of the state have rotted")):
        kept.restore()
        damage()
        came, said = start_alone(one, contents)
        check(came == "stopped", f"{what}: it serves: {said}")


@story(("memory",))
def snapshot_damaged_alone(new, storage):
    """The snapshot of a member that is alone is flipped, cut, emptied, removed, and the log before it is gone:
    it stops and names the file."""
    rand = draws("snapshot")
    cluster, one, contents = member_alone(new, storage, "snapshot",
                                          ("--wal-segment-bytes", "8388608", "--snapshot-log-bytes", "1000000",
                                           "--revisions-kept", "5"))
    write_until_cut(one, lambda i: contents.put(1, f"/k-{i % 5}", 120_000))
    one.kill()
    files = [os.path.join(snap_of(one), n) for n in os.listdir(snap_of(one)) if n.startswith("snap-")]
    check(len(files) == 1, f"{files}")
    path, size = files[0], os.path.getsize(files[0])
    kept = Kept(one, cluster.root)
    check(min(formats.Log(log_of(one), sums=False).entries) > 1, "the log was not cut")
    # Among them: the ends of the file, all bytes of the first head, and within the last item.
    for offset in sorted({*offsets(rand, 0, size, 6 * SETTINGS.long), *offsets(rand, 0, 24, 4 * SETTINGS.long),
                          *offsets(rand, size - 60, size, 3)}):
        must_stop(one, kept, contents, lambda: flip(path, offset, some_bits(rand)), path, f"byte {offset}", False)
    for length in sorted({0, 1, 24, size - 1, *offsets(rand, 0, size, 2 * SETTINGS.long)} - {size}):
        must_stop(one, kept, contents, lambda: os.truncate(path, length), path, f"cut to {length}", False)

    def longer():
        with open(path, "ab") as file:
            file.write(b"x")
    must_stop(one, kept, contents, longer, path, "a byte too many", False)
    must_stop(one, kept, contents, lambda: os.remove(path), snap_of(one), "removed", False)
    must_stop(one, kept, contents, lambda: shutil.rmtree(snap_of(one)), snap_of(one), "removed with its directory", False)
