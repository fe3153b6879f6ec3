"""Stories of watches: server-sent events of real members, through curl and plain sockets."""

import json
import socket
import subprocess
import threading
import time

from harness import Failed, check, story, wait_for


class Stream:
    """One watch: its head, and its events as they come. Reads chunks by itself, in a thread."""

    def __init__(self, member, target, body=None, headers=(), read=True):
        self.socket = socket.create_connection((member.host, member.port), timeout=20)
        lines = [f"{'POST' if body else 'GET'} {target} HTTP/1.1", f"Host: {member.host}", *headers]
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall(("\r\n".join(lines) + "\r\n\r\n" + (body or "")).encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = {}
        for line in iter(self.file.readline, b"\r\n"):
            name, value = line.decode().split(":", 1)
            self.headers[name.lower()] = value.strip()
        self.events, self.comments, self.ended, self.whole = [], [], False, False
        self.last_id = None
        if self.status == 200 and read:
            self.read()

    def read(self):
        threading.Thread(target=self._run, daemon=True).start()

    def _chunks(self):
        while True:
            size = int(self.file.readline() or b"x", 16)
            if size == 0:
                self.whole = True
                return
            yield self.file.read(size)
            self.file.readline()

    def _run(self):
        text = b""
        try:
            for chunk in self._chunks():
                text += chunk
                while b"\n\n" in text:
                    block, text = text.split(b"\n\n", 1)
                    self._block(block.decode())
        except (OSError, ValueError):
            pass
        self.ended = True

    def _block(self, block):
        event = {}
        for line in block.split("\n"):
            name, value = line.split(": ", 1)
            event[name] = value
        if "event" not in event:
            self.comments.append(block)
            return
        self.last_id = event.get("id", self.last_id)
        self.events.append((event["event"], json.loads(event["data"]), event.get("id")))

    def until(self, count, seconds=20):
        wait_for(f"{count} events, have {len(self.events)}", seconds, lambda: len(self.events) >= count)
        return self.events

    def close(self):
        self.socket.close()


def values(events):
    return [(kind, data.get("key"), data.get("value"), ident) for kind, data, ident in events]


@story()
def watch_through_curl(new, storage):
    """curl -N shows history, then what happens; the id of the last event is where another member goes on."""
    cluster = new(3, storage)
    cluster.start()
    cluster.leader()
    first = int(cluster[1].ask("PUT", "/w/a", b"1").headers["Metastore-Revision"])
    cluster[2].ask("PUT", "/w/b", b"2")
    curl = subprocess.Popen(["curl", "-sN", f"http://{cluster[3].host}:{cluster[3].port}/w/?watch&prefix&rev={first}"],
                            stdout=subprocess.PIPE)
    try:
        lines = [curl.stdout.readline().decode() for _ in range(8)]
        check(lines[0] == "event: put\n" and '"key": "w/a"' in lines[1], f"{lines}")
        check(lines[2] == f"id: {first}\n" and lines[3] == "\n", f"{lines}")
        check('"key": "w/b"' in lines[5], f"{lines}")
        cluster[1].ask("DELETE", "/w/a")
        lines = [curl.stdout.readline().decode() for _ in range(4)]
        check(lines[0] == "event: delete\n" and lines[1].startswith('data: {"key": "w/a"'), f"{lines}")
    finally:
        curl.kill()
        curl.wait()
    stream = Stream(cluster[1], "/w/?watch&prefix&prev_kv", headers=[f"Last-Event-ID: {first}"])
    events = stream.until(2)
    check(values(events[:1]) == [("put", "w/b", "2", str(first + 1))], f"{events}")
    check(events[1][1]["prev"]["value"] == "1", f"{events}")
    stream.close()


@story(("memory",))
def watch_several_on_one_stream(new, storage):
    """POST /_/watch: each event says of which watch it is; one that is compacted ends alone."""
    cluster = new(1, storage, options=["--revisions-kept", "20"])
    cluster.start()
    one = cluster[1]
    cluster.leader()
    cluster.put(1, "/a", b"0")
    for i in range(100):
        one.ask("PUT", "/a", str(i).encode())
    wait_for("compaction", 60, lambda: one.status()["compacted_revision"] > 30)
    gone = one.ask("GET", "/a?watch&rev=2")
    compacted = one.status()["compacted_revision"]
    check(gone.status == 410 and int(gone.headers["Metastore-Compact-Revision"]) == compacted, f"{gone}")
    body = json.dumps([{"id": 1, "key": "a", "start_revision": 2}, {"id": 2, "prefix": "b", "prev_kv": True},
                       {"id": 9, "key": "c"}])
    stream = Stream(one, "/_/watch", body)
    events = stream.until(1)
    check(events[0][0] == "compacted" and events[0][1]["watch"] == 1, f"{events}")
    check(events[0][1]["compact_revision"] >= compacted, f"{events}")
    one.ask("PUT", "/b1", b"x")
    one.ask("PUT", "/b1", b"y")
    events = stream.until(3)[1:]
    check([e[1]["watch"] for e in events] == [2, 2] and events[1][1]["prev"]["value"] == "x", f"{events}")
    stream.close()


@story(("memory",))
def watch_that_nobody_reads(new, storage):
    """A client that does not read costs bounded memory, holds up nobody, and hears all of it once it reads; one that
    goes without a word is noticed."""
    cluster = new(1, storage)
    cluster.start()
    one = cluster[1]
    cluster.leader()
    cluster.put(1, "/a", b"0")
    slow = Stream(one, "/a?watch", read=False)
    value = b"v" * 200000
    for i in range(150):
        check(one.ask("PUT", "/a", b"%d " % i + value).status == 204, "PUT beside a slow watcher")
    with open(f"/proc/{one.process.pid}/status", encoding="ascii") as f:
        resident = next(int(line.split()[1]) for line in f if line.startswith("VmRSS"))
    check(resident < 400000, f"{resident} kB resident")
    slow.read()
    events = slow.until(150, 60)
    check([int(e[1]["value"].split()[0]) for e in events] == list(range(150)), "not all, or not in order")
    slow.close()
    check(one.ask("PUT", "/a", b"1").status == 204, "PUT behind a closed watcher")


@story()
def watch_survives_its_members(new, storage):
    """Members are killed and started; a client that goes on by its last id at whoever is up hears every revision of a
    key exactly once, in order."""
    cluster = new(3, storage)
    cluster.start()
    cluster.leader()
    acknowledged, stop, problems = [], threading.Event(), []

    def write():
        i = 0
        while not stop.is_set():
            for member in cluster.members.values():
                if not member.alive():
                    continue
                answer = member.ask("PUT", "/k", str(i).encode(), timeout=10)
                if answer and answer.status == 204:
                    acknowledged.append((int(answer.headers["Metastore-Revision"]), str(i)))
                i += 1
            time.sleep(0.005)

    heard, last, at = [], 0, 1

    def follow(seconds):
        nonlocal last, at
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            at = at % 3 + 1
            if not cluster[at].alive():
                continue
            try:
                stream = Stream(cluster[at], "/k?watch&rev=1", headers=[f"Last-Event-ID: {last}"] if last else [])
            except (OSError, IndexError):
                continue
            wait_for("a stream's end", 10, lambda: stream.ended or time.monotonic() > end or len(stream.events) > 40)
            stream.close()
            for kind, data, ident in list(stream.events):
                if kind != "put":
                    continue
                heard.append((data["mod_revision"], data["value"]))
                last = int(ident)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for victim in (1, 2, 3):
            follow(1.5)
            cluster[victim].kill()
            follow(1.5)
            cluster.start(victim)
        follow(3)
    finally:
        stop.set()
        writer.join()
    end = time.monotonic() + 20
    while acknowledged and last < acknowledged[-1][0]:
        if time.monotonic() > end:
            raise Failed(f"heard up to {last}, acknowledged up to {acknowledged[-1][0]}")
        follow(0.5)
    revisions = [r for r, _ in heard]
    check(revisions == sorted(set(revisions)), "not in order, or twice")
    missing = set(acknowledged) - set(heard)
    check(not missing and not problems, f"never heard of: {sorted(missing)[:5]}, of {len(acknowledged)}")
