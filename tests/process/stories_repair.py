"""Stories of a stopped member of three whose disk was damaged meanwhile: it comes back, says what it found, serves
nothing wrong, is repaired by the others, and then takes full part again: with another member down, writes need
its vote and its acknowledgements."""

import os
import shutil

import formats
from damage import (Contents, Kept, draws, flip, home, log_of, news, overwrite, segments_of, snap_of, some_bits,
                    start_alone, write_until_cut)
from harness import SETTINGS, check, story, wait_for

FAST = ("--election-ms", "400", "--heartbeat-ms", "60", "--wal-segment-bytes", "8388608")
LONG_LOG = (*FAST, "--snapshot-log-bytes", "400000000")
SNAPSHOTS = (*FAST, "--snapshot-log-bytes", "3000000", "--revisions-kept", "5")


class Trio:
    """Three members with contents; one at a time is stopped, damaged, started, watched."""

    def __init__(self, new, storage, name, options):
        self.rand = draws(f"{name} {storage}")
        self.cluster = new(3, storage, options=options).start()
        self.contents = Contents(self.cluster, self.rand)
        self.cluster.leader(20)
        self.turn, self.down = 0, None

    def revive(self):
        """A file of a database may turn out to be damaged when it is read, long after the start: then the member
        stops and says so, and repairs itself when it is started again, as whatever supervises it does."""
        for member in self.cluster.members.values():
            if member is self.down or member.process is None or member.alive():
                continue
            code, last = member.wait_exit(5), member.log_text()[-1500:]
            check(code == 1 and "Corruption: " in last and "metastore: " in last, f"member {member.id} ended: {last}")
            self.cluster.start(member.id)
            if self.down:  # two of three are not there now: nobody could repair the one
                self.cluster.start(self.down.id)
                self.down = None

    def leader(self):
        def agreed():
            self.revive()
            states = [m.status() for m in self.cluster.members.values()]
            if not all(states) or any(s["abstains"] for s in states):  # who is being repaired is none to lose another with
                return False
            return states[0]["leader"] and len({(s["term"], s["leader"]) for s in states}) == 1
        wait_for("a leader on whom all agree, and nobody to be repaired", 30, agreed)

    def put(self, key, size, among=None):
        """A write through any member that takes it; elections are waited for."""
        def tried():
            self.revive()
            for member in among or self.cluster.alive():
                value = self.rand.randbytes(size)
                answer = member.ask("PUT", key, value, timeout=10)
                if answer and answer.status == 204:
                    self.contents.now[key] = value
                    return True
                check(answer is None or answer.status in (503, 504), f"PUT {key} at member {member.id}: {answer}")
            return False
        wait_for(f"PUT {key}", 30, tried)

    def verify(self, member, keys=None):
        def verified():
            self.revive()
            wrong, refused = self.contents.wrong(member, keys)
            check(not wrong, f"member {member.id} serves what is not so: {wrong[:3]}")
            return not refused
        wait_for(f"member {member.id} answers all reads", 30, verified)

    def pick(self):
        """Members in turn, so that leaders and followers have theirs."""
        self.turn += 1
        return self.cluster[1 + self.turn % 3]

    def damaged(self, what, damage, words, member=None):
        """damage(member) is done to a stopped member; of words, one has to be in what it says."""
        member = member or self.pick()
        others = [m for m in self.cluster.members.values() if m is not member]
        member.kill()
        said_at = len(member.log_text())
        damage(member)
        self.put(f"/meanwhile-{self.turn % 5}", 300, others)
        self.cluster.start(member.id)
        keys = list(self.contents.now)

        def repaired():
            self.revive()
            wrong, _ = self.contents.wrong(member, [self.rand.choice(keys)])
            check(not wrong, f"{what}: served while it is being repaired: {wrong}")
            status = member.status()
            return status and status["ready"] and not status["abstains"]
        wait_for(f"{what}: member {member.id} is repaired", 40, repaired)
        said = news(member, said_at)
        check(any(word in said for word in words), f"{what}: none of {words} in {said[-900:]}")
        check("Assertion" not in said, said[-600:])
        # It counts: with one of the others down, nothing is written without it.
        self.down = down = others[self.turn % 2]
        down.kill()
        self.put(f"/after-{self.turn % 5}", 300, [m for m in self.cluster.members.values() if m is not down])
        self.verify(member, [self.rand.choice(keys) for _ in range(4)] + [f"/meanwhile-{self.turn % 5}"])
        if self.down:
            self.cluster.start(down.id)
            self.down = None
        self.leader()

    def end(self):
        """What each of them holds at the end."""
        self.leader()
        for member in self.cluster.members.values():
            self.verify(member)
        states = wait_for("equal states", 20, self.equal)
        check(len({s["digest"] for s in states}) == 1, f"digests: {[(s['applied_index'], s['digest']) for s in states]}")

    def equal(self):
        states = [m.status() for m in self.cluster.members.values()]
        return states if all(states) and len({s["applied_index"] for s in states}) == 1 else None


def chain_of(member):
    return formats.Log(log_of(member), sums=False).chain


def rot(trio, where):
    """Flips a bit of a batch: of the first, one in the middle, the last one, or of the sector behind it."""
    def damage(member):
        chain = chain_of(member)
        segment, batches = chain[0] if where == "first" else chain[-1] if where in ("last", "next") else \
            trio.rand.choice(chain)
        batch = batches[0] if where == "first" else batches[-1] if where in ("last", "next") else \
            trio.rand.choice(batches)
        at, behind = batch.first * formats.SECTOR, (batch.last + 1) * formats.SECTOR
        if where == "next":
            at, behind = behind, behind + formats.SECTOR
        flip(segment.path, trio.rand.randrange(at, behind), some_bits(trio.rand))
    return damage


def on_segment(trio, position, act):
    def damage(member):
        chain = chain_of(member)
        act(chain[min(position, len(chain) - 1)][0].path)
    return damage


def cut(trio, position):
    def damage(member):
        chain = chain_of(member)
        segment, batches = chain[min(position, len(chain) - 1)]
        os.truncate(segment.path, trio.rand.randrange(0, (batches[-1].last + 1) * formats.SECTOR - 1))
    return damage


LOG_SAYS = ("acknowledged data is damaged",)


@story()
def log_damaged_of_three(new, storage):
    """Bits flipped at the start, in the middle, at the end of the log, in headers; segments cut and removed."""
    trio = Trio(new, storage, "log", LONG_LOG)
    for i in range(44):
        trio.put(f"/k-{i}", 400_000)
    cases = [(f"rot: {where}", rot(trio, where)) for where in ("first", "middle", "last", "next")]
    cases += [("a header", on_segment(trio, 0, lambda p: flip(p, trio.rand.randrange(4096)))),
              ("the last header", on_segment(trio, -1, lambda p: flip(p, trio.rand.randrange(4096)))),
              ("the first segment is cut", cut(trio, 0)), ("the last segment is cut", cut(trio, -1)),
              ("the first segment is removed", on_segment(trio, 0, os.remove)),
              ("a segment is removed", on_segment(trio, 1, os.remove)),
              ("the last segment is removed", on_segment(trio, -1, os.remove)),
              ("all segments are removed", lambda m: [os.remove(p) for p in segments_of(m)])]
    chosen = cases if SETTINGS.long > 1 else trio.rand.sample(cases, 4)
    for what, damage in chosen * max(1, SETTINGS.long - 1):
        trio.damaged(what, damage, LOG_SAYS)
    trio.end()


@story()
def state_damaged_of_three(new, storage):
    """The second copy of the state is damaged or gone; both copies are."""
    trio = Trio(new, storage, "state", LONG_LOG)
    for i in range(10):
        trio.put(f"/k-{i}", 4000)

    def state(member):
        return os.path.join(log_of(member), "state")

    def both(member):
        os.remove(state(member))
        for segment, batches in chain_of(member):
            for batch in batches:
                if any(r.type == "state" for r in batch.records):
                    flip(segment.path, batch.first * formats.SECTOR + 60)
    cases = [("the state file is removed", lambda m: os.remove(state(m)), ("state",)),
             ("the state file is empty", lambda m: os.truncate(state(m), 0), ("state",)),
             ("a slot has rotted", lambda m: flip(state(m), trio.rand.choice((0, 4096)) + trio.rand.randrange(512)),
              ("state",)),
             ("both copies are gone", both, ("acknowledged data is damaged", "both copies"))]
    for what, damage, words in cases * SETTINGS.long:
        trio.damaged(what, damage, words)
    trio.end()


@story(("memory",))
def snapshot_damaged_of_three(new, storage):
    """The snapshot file is flipped, cut, removed, with the log before it gone."""
    trio = Trio(new, storage, "snapshot", SNAPSHOTS)
    for member in trio.cluster.members.values():
        write_until_cut(member, lambda i: trio.put(f"/k-{i % 10}", 300_000))

    def file(member):
        names = sorted(n for n in os.listdir(snap_of(member)) if n.startswith("snap-"))
        return os.path.join(snap_of(member), names[-1])

    def flipped(member):
        flip(file(member), trio.rand.randrange(os.path.getsize(file(member))), some_bits(trio.rand))

    def shortened(member):
        os.truncate(file(member), trio.rand.randrange(os.path.getsize(file(member))))
    cases = [("flipped", flipped, ("snap-",)), ("cut", shortened, ("snap-",)),
             ("removed", lambda m: os.remove(file(m)), ("no snapshot",)),
             ("its directory is removed", lambda m: shutil.rmtree(snap_of(m)), ("no snapshot",))]
    for what, damage, words in cases * SETTINGS.long:
        trio.damaged(f"the snapshot: {what}", damage, words)
    trio.end()


@story()
def logs_damaged_of_two_of_three(new, storage):
    """More than the others can repair: the logs of two of three are damaged. Nothing is written, nothing wrong is
    served, both say why; when one of them gets its files back, both are repaired, and nothing is lost."""
    trio = Trio(new, storage, "two logs", (*LONG_LOG, "--request-timeout-ms", "1000"))
    for i in range(12):
        trio.put(f"/k-{i}", 20_000)
    pair = trio.rand.sample(list(trio.cluster.members.values()), 2)
    third = next(m for m in trio.cluster.members.values() if m not in pair)
    for member in pair:
        member.kill()
    kept = Kept(pair[0], trio.cluster.root)
    # A leader that still leads has all that was acknowledged, and repairs them.
    wait_for("the third leads nobody", 20, lambda: (third.status() or {"leader": 1})["leader"] is None)
    for member in pair:
        rot(trio, "middle")(member)
        trio.cluster.start(member.id)
    for member in pair:
        wait_for(f"member {member.id} abstains", 20, lambda: (member.status() or {}).get("abstains"))
        check("damaged" in member.status()["abstain_reason"], f"{member.status()['abstain_reason']}")
    for member in (third, *pair):
        answer = member.ask("PUT", "/k-0", b"nobody may take this", timeout=10)
        check(answer and answer.status in (503, 504), f"PUT at member {member.id}: {answer}")
        wrong, _ = trio.contents.wrong(member, ["/k-1"])
        check(not wrong, f"{wrong}")
    pair[0].kill()
    kept.restore()
    trio.cluster.start(pair[0].id)
    wait_for("both are repaired", 40, lambda: all((m.status() or {"abstains": True})["abstains"] is False for m in pair))
    trio.contents.now.pop("/k-0")  # a 504 leaves open what became of it
    trio.put("/after", 100)
    trio.end()


# ---- databases

def newest(member, *kinds):
    """A file of the generation in use whose name begins or ends like that."""
    with open(os.path.join(home(member), "CURRENT-DB"), encoding="ascii") as pointer:
        generation = os.path.join(home(member), pointer.read().split()[0])
    names = [n for n in sorted(os.listdir(generation)) if any(n.startswith(k) or n.endswith(k) for k in kinds)]
    check(names, f"no {kinds} in {generation}: {os.listdir(generation)}")
    return generation, names


def on_file(trio, act, *kinds):
    def damage(member):
        generation, names = newest(member, *kinds)
        paths = [os.path.join(generation, name) for name in names]
        act(trio.rand.choice([path for path in paths if os.path.getsize(path)]))  # one may just have been begun
    return damage


def flip_anywhere(trio):
    return lambda path: flip(path, trio.rand.randrange(os.path.getsize(path)), some_bits(trio.rand))


def shorten(trio):
    return lambda path: os.truncate(path, trio.rand.randrange(os.path.getsize(path)))


def without_checkpoint(act):
    def damage(member):
        shutil.rmtree(snap_of(member))
        act(member)
    return damage


def database_cases(rand_owner):
    """(what, damage) for a rocksdb member that has taken checkpoints."""
    t = rand_owner
    pointer = ("CURRENT-DB",)
    return [
        ("an SST is flipped", on_file(t, flip_anywhere(t), ".sst")),
        ("an SST is cut", on_file(t, shorten(t), ".sst")),
        ("an SST is removed", on_file(t, os.remove, ".sst")),
        ("the MANIFEST is flipped", on_file(t, flip_anywhere(t), "MANIFEST-")),
        ("the MANIFEST is cut", on_file(t, shorten(t), "MANIFEST-")),
        ("the MANIFEST is removed", on_file(t, os.remove, "MANIFEST-")),
        ("CURRENT is flipped", on_file(t, lambda p: flip(p, t.rand.randrange(15)), "CURRENT")),
        ("CURRENT is empty", on_file(t, lambda p: os.truncate(p, 0), "CURRENT")),
        ("CURRENT is removed", on_file(t, os.remove, "CURRENT")),
        ("CURRENT-DB is flipped", lambda m: flip(os.path.join(home(m), *pointer), 0)),
        ("CURRENT-DB is empty", lambda m: os.truncate(os.path.join(home(m), *pointer), 0)),
        ("CURRENT-DB is removed", lambda m: os.remove(os.path.join(home(m), *pointer))),
        ("CURRENT-DB leads nowhere", lambda m: overwrite(os.path.join(home(m), *pointer), 0, b"db-9")),
        ("the generation is removed", lambda m: shutil.rmtree(newest(m, "CURRENT")[0])),
        ("the checkpoint is removed", lambda m: shutil.rmtree(snap_of(m))),
        ("the checkpoint is damaged", lambda m: [flip(os.path.join(r, n), 3) for r, _, names in os.walk(snap_of(m))
                                                 for n in names if n.startswith(("CURRENT", "MANIFEST"))]),
        ("SST removed, no checkpoint", without_checkpoint(on_file(t, os.remove, ".sst"))),
        ("MANIFEST removed, no checkpoint", without_checkpoint(on_file(t, os.remove, "MANIFEST-"))),
        ("generation and checkpoint removed", without_checkpoint(lambda m: shutil.rmtree(newest(m, "CURRENT")[0]))),
    ]


@story(("rocksdb",))
def database_damaged_of_three(new, storage):
    """SST, MANIFEST, CURRENT, the pointer, the checkpoint of a rocksdb member: it falls back to checkpoint and
    log, or is rebuilt by its peers."""
    trio = Trio(new, storage, "database", (*FAST, "--snapshot-log-bytes", "300000", "--revisions-kept", "50"))
    for i in range(300):
        trio.put(f"/k-{i % 60}", 12_000)
    cases = database_cases(trio)
    chosen = cases if SETTINGS.long > 1 else trio.rand.sample(cases, 5)
    for what, damage in chosen * max(1, SETTINGS.long - 1):
        trio.damaged(what, damage, ("INFO",))
        for i in range(12):
            trio.put(f"/k-{i}", 12_000)
    trio.end()


class Alone:
    """What database_cases() needs of who draws."""

    def __init__(self, rand):
        self.rand = rand


@story(("rocksdb",))
def database_damaged_alone(new, storage):
    """The same on a member that is alone: all that it acknowledged is there, or it stops and says what is wrong.
    What it has not found at the start it finds when it reads; it never serves anything else."""
    rand = draws("database alone")
    cluster = new(1, storage, options=(*FAST, "--snapshot-log-bytes", "400000", "--revisions-kept", "50")).start()
    one, contents = cluster[1], Contents(cluster, rand)
    wait_for("the first answer", 15, one.status)
    write_until_cut(one, lambda i: contents.put(1, f"/k-{i % 20}", 80_000))
    contents.delete(1, "/k-7")
    one.kill()
    kept, came = Kept(one, cluster.root), {"served": [], "stopped": []}
    cases = database_cases(Alone(rand))
    chosen = cases if SETTINGS.long > 1 else rand.sample(cases, 6)
    for what, damage in chosen * max(1, SETTINGS.long - 1):
        kept.restore()
        damage(one)
        how, said = start_alone(one, contents)
        came[how].append(what)
        if how == "stopped":
            last = said.strip().splitlines()[-1]
            check("db-" in last or "damaged" in last or "no other member" in last, f"{what}: {last}")
    print(f"     a database alone: {len(came['served'])} served, {len(came['stopped'])} stopped: {came['stopped']}",
          flush=True)
