"""The wires between members: a proxy in front of each one's peer listener that can go dead for a pair of
members, without rights on the machine and without closing anything: bytes stop, as on a cut cable.

A connection belongs to the pair (who dialed, whom it dialed); members send on what they dialed and hear on
what they accepted, so a pair that is cut one way is deaf one way.
"""

import re
import socket
import threading

from harness import Place, free_ports

HELLO_BYTES_MAX = 16 << 10


class Wires:
    def __init__(self):
        self.dead, self.closing = set(), False
        self.breaks = []
        self.changed = threading.Condition()
        self.sockets = []

    # ---- what a story does

    def cut(self, one, others):
        """Between one and each of the others, both ways."""
        self.cut_ways({(a, b) for other in others for a, b in ((one, other), (other, one))})

    def cut_ways(self, pairs):
        with self.changed:
            self.dead |= set(pairs)

    def heal(self):
        with self.changed:
            self.dead = set()
            self.changed.notify_all()

    def break_streams(self, after_bytes):
        """A stream of a snapshot that has carried the first number of the list is closed, the next one that
        has carried the second, and so on."""
        with self.changed:
            self.breaks = list(after_bytes)

    def place(self, ident):
        """Where member ident lives: its URL is the proxy's, its listener is behind it."""
        outside, inside, api = free_ports(3)
        listener = socket.create_server(("127.0.0.1", outside))
        self.keep(listener)
        self.spawn(self.accept, listener, ident, inside)
        return Place(ports=(outside, api), options=("--listen-peer", f"127.0.0.1:{inside}"))

    def close(self):
        with self.changed:
            self.closing = True
            self.changed.notify_all()
            kept, self.sockets = self.sockets, []
        for s in kept:
            hang_up(s)

    # ---- threads

    def spawn(self, target, *arguments):
        threading.Thread(target=target, args=arguments, daemon=True).start()

    def keep(self, s):
        with self.changed:
            self.sockets.append(s)

    def accept(self, listener, to, inside):
        while True:
            try:
                outer, _ = listener.accept()
            except OSError:
                return
            self.keep(outer)
            self.spawn(self.join, outer, to, inside)

    def join(self, outer, to, inside):
        """Read who is calling from its hello, then be the wire of that pair."""
        hello, inner = b"", None
        try:
            while b"\r\n\r\n" not in hello and len(hello) < HELLO_BYTES_MAX:
                data = outer.recv(4096)
                if not data:
                    break
                hello += data
            said = re.search(rb"\r\nMetastore-Member: (\d+)\r\n", hello)
            pair = (int(said.group(1)) if said else 0, to)
            is_stream = b"\r\nMetastore-Stream: snapshot\r\n" in hello
            self.wait_alive(pair)
            inner = socket.create_connection(("127.0.0.1", inside), 5)
            inner.settimeout(None)
            self.keep(inner)
            inner.sendall(hello)
        except OSError:
            for s in (outer, inner):
                hang_up(s)
            return
        self.spawn(self.pump, inner, outer, pair)
        self.pump(outer, inner, pair, is_stream)

    def breaks_after(self, count):
        with self.changed:
            if not self.breaks or count < self.breaks[0]:
                return False
            self.breaks.pop(0)
            return True

    def wait_alive(self, pair):
        with self.changed:
            self.changed.wait_for(lambda: pair not in self.dead or self.closing)

    def pump(self, source, sink, pair, is_stream=False):
        count = 0
        try:
            while True:
                data = source.recv(1 << 16)
                self.wait_alive(pair)
                if not data:
                    break
                count += len(data)
                if is_stream and self.breaks_after(count):
                    break
                sink.sendall(data)
        except OSError:
            pass
        hang_up(source)
        hang_up(sink)


def hang_up(s):
    if s is None:
        return
    try:
        s.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    s.close()
