"""Stories of directories that a member must not touch: of the other engine, another member, another cluster, in
use, of formats of a later program. It says so in a clear word, ends with a code that is not 0, and not a byte,
name or size in the directory is another one afterwards."""

import os
import shutil
import struct
import subprocess

import formats
from damage import Contents, Kept, digest_of, draws, home, log_of, segments_of, snap_of
from harness import SETTINGS, check, free_ports, story, wait_for

OPTIONS = ("--wal-segment-bytes", "8388608", "--snapshot-log-bytes", "66000")


def fingerprint(directory):
    """Names, sizes, bytes of all below."""
    seen = {}
    for root, names, files in os.walk(directory):
        for name in [*names, *files]:
            path = os.path.join(root, name)
            seen[os.path.relpath(path, directory)] = None if name.startswith("member-") else digest_of(path)
    return seen


def run(binary, directory, *arguments, seconds=20):
    """A start that has to fail: code and what it printed."""
    try:
        done = subprocess.run([binary, *arguments], cwd=directory, capture_output=True, timeout=seconds, text=True)
    except subprocess.TimeoutExpired as running:
        return None, (running.stderr or b"").decode()
    return done.returncode, done.stderr


def refused(binary, directory, contains, *arguments, but=()):
    """It ends with 1 or 2, its last line says why with one of these words, and nothing has changed on disk.
    but: directories in which RocksDB writes when it opens them."""
    before = fingerprint(directory)
    code, said = run(binary, directory, *arguments)
    check(code in (1, 2), f"{arguments}: exit {code}: {said[-400:]}")
    last = said.strip().splitlines()[-1]
    words = (contains,) if isinstance(contains, str) else contains
    check(any(word in last for word in words), f"{arguments}: {last!r} without {words}")
    after = fingerprint(directory)
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)
               and not any(f"/{part}" in name for part in but)}
    check(not changed, f"{arguments}: refused, and yet changed: {sorted(changed)}")
    return last


def arguments_of(member, **other):
    chosen = {"id": member.id, "cluster": member.peer_url, "port": free_ports(1)[0], "storage": member.storage, **other}
    return [word for name, value in chosen.items() for word in (f"--{name}", str(value))]


def stopped_member(new, storage, name):
    cluster = new(1, storage, options=OPTIONS).start()
    one, contents = cluster[1], Contents(cluster, draws(name))
    wait_for("the first answer", 15, one.status)
    for i in range(60):
        contents.put(1, f"/k-{i % 20}", 4000)
    wait_for("a snapshot", 15, lambda: one.status()["snapshot_index"] > 0)
    check(one.stop() == 0, "exit code after SIGTERM")
    return cluster, one, contents


def serves_still(cluster, one, contents):
    cluster.start(one.id)
    wait_for("the first answer", 15, one.status)
    contents.verify(one)
    check(one.stop() == 0, "exit code after SIGTERM")


@story()
def other_engine_refused(new, storage):
    """Data of the other engine is a start error, never an empty store beside it."""
    cluster, one, contents = stopped_member(new, storage, "engine")
    other = "memory" if storage == "rocksdb" else "rocksdb"
    os.makedirs(os.path.join(one.directory, "data"), exist_ok=True)
    refused(one.binary, one.directory, f"--storage {storage}", *arguments_of(one, storage=other))
    serves_still(cluster, one, contents)
    # A file is no data directory.
    a_file = os.path.join(cluster.root, "file")
    with open(a_file, "w", encoding="ascii") as f:
        f.write("x")
    refused(one.binary, one.directory, f"{a_file} cannot be read as a directory", *arguments_of(one), "--data-dir", a_file)
    # Where only a part is left, it is refused all the same.
    for part in {log_of(one), snap_of(one)} | {os.path.join(home(one), "db-1")} if storage == "rocksdb" else ():
        kept = Kept(one, os.path.join(cluster.root, os.path.basename(part)))
        shutil.rmtree(part)
        refused(one.binary, one.directory, storage, *arguments_of(one, storage=other))
        kept.restore()


@story()
def other_member_refused(new, storage):
    """The directory of another member under this one's name; files of another member or another data directory
    among one's own."""
    cluster, one, contents = stopped_member(new, storage, "member")
    kept = Kept(one, cluster.root)
    two = os.path.join(cluster.root, "as-two")
    shutil.copytree(one.directory, two)
    for old, new_name in (("metaStore-1", "metaStore-2"), ("metaStore-1-snap", "metaStore-2-snap"), ("data/1", "data/2")):
        if os.path.exists(os.path.join(two, old)):
            os.rename(os.path.join(two, old), os.path.join(two, new_name))
    refused(one.binary, two, "member 1", *arguments_of(one, id=2, cluster=f"{one.peer_url},http://127.0.0.1:1"))

    stranger_cluster, stranger, _ = stopped_member(new, storage, "stranger")
    names = [os.path.basename(path) for path in segments_of(one)]
    for what, names_taken in (("a segment", names[:1]), ("the state file", ["state"]), ("all segments", names)):
        kept.restore()
        for name in names_taken:
            shutil.copy(os.path.join(log_of(stranger), name), os.path.join(log_of(one), name))
        said = refused(one.binary, one.directory, ("another", "different", "several", "foreign", "member"),
                       *arguments_of(one))
        check(log_of(one).split("/")[-1] in said or "state" in said, f"{what}: {said}")
    kept.restore()
    serves_still(cluster, one, contents)


@story()
def other_cluster_refused(new, storage):
    """The snapshot, or the database, of another cluster beside one's own log."""
    cluster, one, contents = stopped_member(new, storage, "cluster")
    kept = Kept(one, cluster.root)
    _, stranger, _ = stopped_member(new, storage, "stranger")
    if storage == "rocksdb":
        for name in os.listdir(home(stranger)):
            if name.startswith("db-"):
                shutil.rmtree(os.path.join(home(one), name), ignore_errors=True)
                shutil.copytree(os.path.join(home(stranger), name), os.path.join(home(one), name))
        shutil.copy(os.path.join(home(stranger), "CURRENT-DB"), home(one))
    else:
        shutil.rmtree(snap_of(one))
        shutil.copytree(snap_of(stranger), snap_of(one))
    refused(one.binary, one.directory, "of another cluster", *arguments_of(one), but=("db-",))
    kept.restore()
    formats.segment_field(segments_of(one)[0], 40, bytes(range(16)))
    refused(one.binary, one.directory, "several clusters", *arguments_of(one), but=("db-",))
    kept.restore()
    serves_still(cluster, one, contents)


@story()
def directory_in_use_refused(new, storage):
    """A second process on the same directory, by any name of it, while the first starts, serves, and again."""
    cluster, one, contents = stopped_member(new, storage, "in use")
    cluster.start(1)
    wait_for("the first answer", 15, one.status)
    link = os.path.join(cluster.root, "link")
    os.symlink(one.directory, link)
    for directory in (one.directory, link):
        for _ in range(2):
            code, said = run(one.binary, directory, *arguments_of(one, cluster=f"http://127.0.0.1:{free_ports(1)[0]}"))
            check(code == 1 and "in use" in said.strip().splitlines()[-1], f"{directory}: {code} {said!r}")
    contents.verify(one)
    check(one.stop() == 0, "exit code after SIGTERM")
    serves_still(cluster, one, contents)


def later_versions(one):
    """Each place where a version stands in this member's files: (what, path, how it is raised, to what)."""
    numbers, codecs = ((2,), (99,)) if SETTINGS.long == 1 else ((2, 0, 200), (99, 200))
    found = [("segment", segments_of(one)[0], lambda p, v: formats.segment_field(p, 8, struct.pack("<I", v)), numbers),
             ("segment", segments_of(one)[-1], lambda p, v: formats.segment_field(p, 8, struct.pack("<I", v)), numbers),
             ("state", os.path.join(log_of(one), "state"),
              lambda p, v: formats.state_field(p, 8, struct.pack("<I", v)), numbers),
             ("mark", os.path.join(log_of(one), "state"), lambda p, v: formats.state_field(p, 40, bytes([v])), numbers)]
    if one.storage == "memory":
        path = os.path.join(snap_of(one), sorted(n for n in os.listdir(snap_of(one)) if n.startswith("snap-"))[-1])

        def head(position):
            def raised(p, version):
                def change(h, body):
                    h[position] = version
                    return h, body
                formats.snapshot_chunks(p, change)
            return raised
        found += [("snapshot", path, head(1), numbers), ("codec of a snapshot", path, head(2), codecs)]
    return found


@story()
def later_version_refused(new, storage):
    """Files of a later version, with checksums that fit: refused by that word, and left as they are."""
    cluster, one, contents = stopped_member(new, storage, "version")
    kept = Kept(one, cluster.root)
    for what, path, raised, versions in later_versions(one):
        for version in versions:
            kept.restore()
            raised(path, version)
            said = refused(one.binary, one.directory, ("version", "codec"), *arguments_of(one))
            check(os.path.basename(path) in said, f"{what} of version {version}: {said}")
    kept.restore()
    serves_still(cluster, one, contents)
