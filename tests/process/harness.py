"""Real processes under test: starting, killing, asking members of a cluster on loopback.

Only the standard library. Every wait has a bound, every process is ended when a story ends, and what the
members logged is shown when a story fails.
"""

import http.client
import json
import os
import random
import shutil

import socket
import subprocess
import tempfile
import threading
import time
from collections import deque


STORIES = []
BOTH = ("memory", "rocksdb")


class SETTINGS:
    """What stories that draw or sweep are told: --seed, and --long, which makes them that many times longer."""

    seed, long = 1, 1

    @classmethod
    def seconds(cls, usual):
        return usual * cls.long


def story(storages=BOTH):
    """Registers a story, once for each of the storage modes; its first line is what it tells."""
    def register(function):
        for storage in storages:
            STORIES.append((f"{function.__name__}[{storage}]", function, storage))
        return function
    return register


class Failed(Exception):
    """A story found something that must not be."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def wait_for(what, seconds, condition):
    """The first true value of condition(), asked again and again for at most so many seconds."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failed(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


def ephemeral_first():
    """The first port that the kernel gives to outgoing connections."""
    try:
        with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as f:
            return int(f.read().split()[0])
    except OSError:
        return 32768


PORTS_FIRST, PORTS_END = 10000, ephemeral_first()
GIVEN = set()


def free_ports(count):
    """Ports that nobody has now and that no outgoing connection gets later: a member that is down must
    find its port again. Each is given once."""
    ports = []
    while len(ports) < count:
        port = random.randrange(PORTS_FIRST, PORTS_END)
        if port in GIVEN:
            continue
        with socket.socket() as s:
            try:
                s.bind(("127.0.0.1", port))
            except OSError:
                continue
        GIVEN.add(port)
        ports.append(port)
    return ports


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def __repr__(self):
        return f"{self.status} {self.body[:120]!r}"


class Place:
    """Where a member lives: its addresses, and what to put before its command line."""

    def __init__(self, peer_host="127.0.0.1", host="127.0.0.1", prefix=(), options=(), ports=None):
        self.peer_host, self.host, self.prefix, self.options = peer_host, host, list(prefix), list(options)
        self.peer_port, self.port = ports or free_ports(2)


class Member:
    """One metastore process and its directory."""

    def __init__(self, binary, directory, ident, place, storage, options=()):
        self.binary, self.directory, self.id = binary, directory, ident
        self.peer_url = f"http://{place.peer_host}:{place.peer_port}"
        self.host, self.port, self.prefix = place.host, place.port, place.prefix
        self.storage, self.options, self.environment = storage, [*options, *place.options], None
        self.process, self.starts = None, 0
        self.log_path = os.path.join(directory, f"member-{ident}.log")
        if storage == "rocksdb":
            os.makedirs(os.path.join(directory, "data"), exist_ok=True)

    def start(self, cluster, join=False):
        check(self.process is None, f"member {self.id} runs already")
        command = [*self.prefix, self.binary, "--id", str(self.id), "--cluster", cluster, "--port", str(self.port),
                   "--storage", self.storage, *self.options]
        if join:
            command.append("--join")
        self.starts += 1
        with open(self.log_path, "ab") as log:
            log.write(f"--- start {self.starts}: {' '.join(command)}\n".encode())
            log.flush()
            environment = {**os.environ, **self.environment} if self.environment else None
            self.process = subprocess.Popen(command, cwd=self.directory, stdout=log, stderr=log,
                                            env=environment)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def stop(self, seconds=15):
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.wait_exit(seconds)

    def wait_exit(self, seconds):
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"member {self.id} did not exit within {seconds} s") from None
        self.process = None
        return code

    def alive(self):
        process = self.process  # loads ask from their own threads
        return process is not None and process.poll() is None

    def ask(self, method, path, body=None, timeout=10, headers=None):
        """One request on a connection of its own; None if there was no answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    def status(self):
        answer = self.ask("GET", "/status", timeout=2)
        return json.loads(answer.body) if answer and answer.status == 200 else None

    def log_text(self):
        with open(self.log_path, "rb") as log:
            return log.read().decode(errors="replace")


class Cluster:
    """Members with ids from 1 up, in one directory each."""

    def __init__(self, binary, size, storage="memory", options=(), storages=None, places=None):
        self.binary, self.options = binary, list(options)
        self.root = tempfile.mkdtemp(prefix="metastore-story-")
        self.members, self.urls = {}, []
        for i in range(size):
            self.add(storages[i] if storages else storage, places[i] if places else None)

    def add(self, storage, place=None):
        ident = len(self.members) + 1
        directory = os.path.join(self.root, str(ident))
        os.makedirs(directory)
        member = Member(self.binary, directory, ident, place or Place(), storage, self.options)
        self.members[ident] = member
        self.urls.append(member.peer_url)
        return member

    def list(self):
        return ",".join(self.urls)

    def __getitem__(self, ident):
        return self.members[ident]

    def start(self, *idents):
        for ident in idents or list(self.members):
            self.members[ident].start(self.list())
        return self

    def alive(self):
        return [m for m in list(self.members.values()) if m.alive()]

    def leader(self, seconds=15, among=None):
        """The member that all live ones (or those given) take for the leader."""
        def agreed():
            members = [self.members[i] for i in among] if among else self.alive()
            states = [m.status() for m in members]
            if not all(states) or len({(s["term"], s["leader"]) for s in states}) != 1:
                return None
            leader = states[0]["leader"]
            return self.members.get(leader) if leader and self.members[leader].alive() else None
        return wait_for("a leader on whom all agree", seconds, agreed)

    def put(self, ident, key, value, seconds=10):
        answer = self.members[ident].ask("PUT", key, value, timeout=seconds)
        check(answer and answer.status == 204, f"PUT {key} at member {ident}: {answer}")

    def expect(self, ident, key, value, seconds=10):
        answer = self.members[ident].ask("GET", key, timeout=seconds)
        check(answer and answer.status == 200 and answer.body == value,
              f"GET {key} at member {ident}: {answer}, not {value!r}")

    def close(self, keep=False):
        for member in self.members.values():
            if member.process is not None:
                member.process.kill()
                member.process.wait()
                member.process = None
        if not keep:
            shutil.rmtree(self.root, ignore_errors=True)


class Load:
    """Clients that put unique values and remember what was acknowledged."""

    def __init__(self, cluster, clients=4, prefix="load"):
        self.cluster, self.prefix = cluster, prefix
        self.acknowledged, self.maybe, self.refused = {}, {}, 0
        self.lock, self.ending = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,), daemon=True) for i in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self, number):
        count = 0
        while not self.ending.is_set():
            count += 1
            key, value = f"/{self.prefix}-{number}-{count}", f"value-{number}-{count}".encode()
            targets = self.cluster.alive()
            if not targets:
                time.sleep(0.05)
                continue
            answer = targets[(number + count) % len(targets)].ask("PUT", key, value, timeout=8)
            with self.lock:
                if answer and answer.status == 204:
                    self.acknowledged[key] = value
                elif answer is None or answer.status == 504:
                    self.maybe[key] = value
                else:
                    self.refused += 1
            if answer is None or answer.status != 204:
                time.sleep(0.02)

    def count(self):
        with self.lock:
            return len(self.acknowledged)

    def wait_more(self, more, seconds=20):
        """Until so many more writes were acknowledged than now."""
        target = self.count() + more
        wait_for(f"{more} more acknowledged writes", seconds, lambda: self.count() >= target)

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(20)
        return self

    def verify(self, ident, at_most=400):
        """What was acknowledged is there, read from one member."""
        items = list(self.acknowledged.items())
        step = max(1, len(items) // at_most)
        for key, value in items[::step] + items[-20:]:
            self.cluster.expect(ident, key, value)


class Connection:
    """A keep-alive connection that costs little: what is measured with it should not be the client."""

    def __init__(self, member, timeout=10):
        self.socket = socket.create_connection((member.host, member.port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""

    def close(self):
        self.socket.close()

    def read_more(self):
        data = self.socket.recv(65536)
        if not data:
            raise OSError("the connection was closed")
        self.buffer += data

    def ask(self, method, path, body=b""):
        """One request: an Answer. OSError: the connection is of no use any more."""
        head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
        self.socket.sendall(head.encode() + body)
        while b"\r\n\r\n" not in self.buffer:
            self.read_more()
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:])
        length = int(headers.get("Content-Length", 0))
        while len(self.buffer) < length:
            self.read_more()
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Answer(int(lines[0].split(" ")[1]), headers, body)


class Probe:
    """A client that writes to one member, one request behind the other on one connection, and remembers
    when each was begun, when it ended, and how: a status, None (sent, and there was no answer), or
    UNREACHED (there was no connection to send it on)."""

    KEPT = 200_000
    UNREACHED = "unreached"

    def __init__(self, member, prefix="probe", pause=0):
        self.member, self.prefix, self.pause = member, prefix, pause
        self.writes, self.ending = deque(maxlen=self.KEPT), threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        connection, count = None, 0
        while not self.ending.is_set():
            count, begun, status = count + 1, time.monotonic(), self.UNREACHED
            try:
                if connection is None:
                    connection = Connection(self.member)
                status = None
                answer = connection.ask("PUT", f"/{self.prefix}-{self.member.id}-{count % 1000}", b"%d" % count)
                status = answer.status
                closed = answer.headers.get("Connection") == "close"
            except OSError:
                closed = True
            self.writes.append((begun, time.monotonic(), status))
            if closed and connection is not None:
                connection.close()
                connection = None
            if status != 204:
                time.sleep(0.01)
            elif self.pause:
                time.sleep(self.pause)
        if connection is not None:
            connection.close()

    def first_acknowledged(self, since):
        """When the first write that was begun at since or later was acknowledged, or None."""
        found = None
        for begun, ended, status in reversed(list(self.writes)):
            if begun < since:
                break
            if status == 204:
                found = ended
        return found

    def refused(self, since):
        """The writes begun at since or later that were not acknowledged."""
        return [w for w in list(self.writes) if w[0] >= since and w[2] != 204]

    def longest_gap(self, since):
        """The longest time between two acknowledgements, from since on."""
        ends = [since, *(ended for _, ended, status in list(self.writes) if ended >= since and status == 204)]
        return max((b - a for a, b in zip(ends, ends[1:])), default=0.0)

    def stop(self):
        self.ending.set()
        self.thread.join(15)
        return self


def distribution(values):
    """min, median, p90 and max of some seconds, as text."""
    ordered = sorted(values)

    def at(share):
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
    return (f"min {ordered[0]:.3f}  median {at(0.5):.3f}  p90 {at(0.9):.3f}  max {ordered[-1]:.3f} s"
            if ordered else "nothing was measured")
