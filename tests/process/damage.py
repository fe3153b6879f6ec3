"""What stories about damaged disks share: members with known contents, copies of their directories, ways to
damage files, and the one judgement: all that was acknowledged is served, or the member says what it found and
stops, or it abstains; nothing wrong is ever served."""

import hashlib
import os
import random
import re
import shutil

import formats
from harness import check, wait_for

ABSENT = object()


def home(member):
    """The directory of a member, by its storage mode."""
    return os.path.join(member.directory, *(["data", str(member.id)] if member.storage == "rocksdb"
                                            else [f"metaStore-{member.id}"]))


def log_of(member):
    return os.path.join(home(member), "wal") if member.storage == "rocksdb" else home(member)


def snap_of(member):
    return os.path.join(home(member), "snap") if member.storage == "rocksdb" else home(member) + "-snap"


def segments_of(member):
    return sorted(os.path.join(log_of(member), n) for n in os.listdir(log_of(member)) if n.endswith(".seg"))


def files_below(directory):
    return sorted(os.path.join(root, name) for root, _, names in os.walk(directory) for name in names)


def digest_of(path):
    """Of a file's bytes; None of what is no file."""
    if not os.path.isfile(path):
        return None
    with open(path, "rb") as file:
        return hashlib.sha256(file.read()).hexdigest()


def picture(directory):
    """All that is there: names, bytes, sizes, modes, and when they were changed."""
    seen = {}
    for root, names, files in os.walk(directory):
        for name in [".", *names, *files]:
            path = os.path.join(root, name)
            stat = os.lstat(path)
            seen[path] = (stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_mode, stat.st_ino, digest_of(path))
    return seen


class Kept:
    """A copy of what a stopped member has on disk, to begin each case of a sweep with."""

    def __init__(self, member, where):
        self.member, self.where = member, os.path.join(where, f"kept-{member.id}")
        shutil.copytree(member.directory, self.where, ignore=shutil.ignore_patterns("*.log"))
        self.names = os.listdir(self.where)

    def restore(self):
        for name in self.names:
            shutil.rmtree(os.path.join(self.member.directory, name), ignore_errors=True)
            shutil.copytree(os.path.join(self.where, name), os.path.join(self.member.directory, name))


class Contents:
    """What clients were told: key -> value, or ABSENT."""

    def __init__(self, cluster, rand):
        self.cluster, self.rand, self.now = cluster, rand, {}

    def put(self, ident, key, size):
        value = self.rand.randbytes(size)
        self.cluster.put(ident, key, value)
        self.now[key] = value

    def delete(self, ident, key):
        answer = self.cluster[ident].ask("DELETE", key)
        check(answer and answer.status == 204, f"DELETE {key}: {answer}")
        self.now[key] = ABSENT

    def wrong(self, member, keys=None):
        """Reads through a member; what it serves that is not so, as text. Requests that it refuses, or does not
        answer, are counted; they are for the caller to judge."""
        wrong, refused = [], 0
        for key in keys or self.now:
            value, answer = self.now[key], member.ask("GET", key, timeout=10)
            if answer is None or answer.status in (503, 504):
                refused += 1
            elif value is ABSENT and answer.status != 404 or value is not ABSENT and (answer.status != 200 or
                                                                                      answer.body != value):
                wrong.append(f"{key}: {answer}")
        return wrong, refused

    def verify(self, member, keys=None):
        wrong, refused = self.wrong(member, keys)
        check(not wrong and not refused, f"member {member.id}: {wrong[:3]} wrong, {refused} refused")


def write_until_cut(member, write, at_most=2000):
    """Calls write(0), write(1) and so on until this member's log begins behind its first entries."""
    for i in range(at_most):
        write(i)
        try:
            if i % 20 == 19 and min(formats.Log(log_of(member), sums=False).entries) > 1:
                return
        except (OSError, LookupError, formats.Unreadable):
            continue  # it is running: a segment may get another name while it is read
    check(False, f"the log of member {member.id} is not cut")


def news(member, before):
    """What a member has logged since the log had so many characters."""
    return member.log_text()[before:]


def start_alone(member, contents, seconds=20):
    """Starts a member that is alone, on a disk that may be damaged: ('served' or 'stopped', what it logged).
    It serves everything, or it ends with a code that is not 0 and a line that is an error."""
    before = len(member.log_text()) if member.starts else 0
    member.start(member.peer_url)

    def settled():
        if not member.alive():
            return "stopped"
        status = member.status()
        return "served" if status and status["ready"] else None
    what = wait_for(f"member {member.id} serves or stops", seconds, settled)
    if what == "served":
        wrong, refused = contents.wrong(member)
        check(not wrong, f"served, and wrong: {wrong[:3]}")
        if member.alive() and not refused:  # else it is about to stop, which is waited for
            member.kill()
            return "served", news(member, before)
    code = member.wait_exit(10)
    said = news(member, before)
    check(code == 1, f"exit code {code}")
    check(re.search(r"ERROR|^metastore: ", said, re.M), f"stopped without an error: {said[-300:]}")
    check("Assertion" not in said and "Sanitizer" not in said, said[-600:])
    return "stopped", said


# ---- damage

def flip(path, offset, mask=0x10):
    with open(path, "r+b") as file:
        file.seek(offset)
        byte = file.read(1)
        check(byte, f"{path} has no byte {offset}")
        file.seek(offset)
        file.write(bytes([byte[0] ^ mask]))


def overwrite(path, offset, data):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(data)


def some_bits(rand):
    return 1 << rand.randrange(8)


def offsets(rand, first, end, count):
    """The ends of [first, end), and others between them."""
    if end - first <= count:
        return list(range(first, end))
    chosen = {first, end - 1} | {rand.randrange(first, end) for _ in range(max(0, count - 2))}
    return sorted(chosen)


def draws(name):
    """What a story draws; its own for each story, so that one more draw in one shifts no other."""
    from harness import SETTINGS
    return random.Random(f"{SETTINGS.seed} {name}")
