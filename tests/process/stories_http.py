"""Stories of HTTP: conditions, what answers say in their headers, requests in all shapes, slow and many clients."""

import http.client
import random
import re
import socket
import threading
import time

from harness import SETTINGS, Connection, check, story, wait_for


def ask(member, method, path, status, body=None, **headers):
    """One request with headers (If_Match="..."), whose answer has to have that status."""
    answer = member.ask(method, path, body, headers={k.replace("_", "-"): v for k, v in headers.items()})
    check(answer and answer.status == status, f"{method} {path} {headers} at member {member.id}: {answer}, not {status}")
    return answer


@story()
def conditional_requests(new, storage):
    """Compare-and-swap, create-only and not-modified by HTTP's own conditions, asked of any member."""
    cluster = new(3, storage).start()
    leader = cluster.leader()
    one, two, three = cluster[1], cluster[2], cluster[3]
    check(ask(one, "GET", "/k", 404).headers["Metastore-Revision"] == "1", "an empty store is at revision 1")
    made = ask(one, "PUT", "/k", 204, b"a", If_None_Match="*").headers
    check(made["ETag"] == '"2"' and made["Metastore-Revision"] == "2", f"create-only: {made.items()}")
    check(made["Metastore-Leader"] == str(leader.id) and int(made["Metastore-Term"]) >= 1, f"{made.items()}")
    refused = ask(two, "PUT", "/k", 412, b"b", If_None_Match="*")
    check(refused.headers["ETag"] == '"2"' and refused.headers["Metastore-Revision"] == "2", f"{refused.headers.items()}")
    check(ask(three, "PUT", "/k", 412, b"b", If_Match='"3", "4"').headers["ETag"] == '"2"', "who is refused is told")
    leased = ask(one, "PUT", "/k?ttl=60", 412, b"b", If_None_Match="*").headers
    check(leased["ETag"] == '"2"' and leased["Metastore-Lease"] is None, f"who wanted a lease with it, too: {leased.items()}")
    ask(three, "PUT", "/k", 412, b"b", If_Match='W/"2"')
    check(ask(three, "PUT", "/absent", 412, b"b", If_Match="*").headers["ETag"] is None, "an absent key has no tag")
    cluster.expect(1, "/k", b"a")
    swapped = ask(two, "PUT", "/k", 204, b"b", If_Match=made["ETag"]).headers["ETag"]
    check(swapped == '"3"', f"swapped: {swapped}")
    read = ask(three, "GET", "/k", 200)
    names = ("ETag", "Metastore-Revision", "Metastore-Create-Revision", "Metastore-Version", "Metastore-Lease")
    check([read.headers[n] for n in names] == ['"3"', "3", "2", "2", None], f"{read.headers.items()}")
    head = ask(three, "HEAD", "/k", 200)
    check(head.body == b"" and head.headers["Content-Length"] == "1" and head.headers["ETag"] == '"3"', f"HEAD: {head}")
    unchanged = ask(one, "GET", "/k", 304, If_None_Match='"9", "3"')
    check(unchanged.body == b"" and unchanged.headers["ETag"] == '"3"', f"304: {unchanged}")
    check(ask(one, "GET", "/k", 412, If_Match='"2"').headers["ETag"] == '"3"', "a read says what it found")
    ask(one, "PUT", "/k", 204, b"c", If_Match='"1", "2", "3"')
    ask(one, "PUT", "/k", 412, b"d", If_Match='"1", "2", "3"')
    ask(one, "PUT", "/k", 204, b"e", If_None_Match='"1", "2"')
    ask(two, "DELETE", "/k", 412, If_Match='"4"')
    ask(two, "DELETE", "/k", 412, If_None_Match="*")
    cluster.expect(3, "/k", b"e")
    ask(two, "DELETE", "/k", 204, If_Match='"5"')
    ask(two, "DELETE", "/k", 412, If_Match="*")
    ask(two, "DELETE", "/k", 204, If_None_Match="*")
    for wrong in ("5", "", '"5', "*, \"5\""):
        ask(one, "PUT", "/k", 400, b"f", If_Match=wrong)
    ask(one, "GET", "/k", 404)


def increment(member, rounds, failures):
    """Adds one so many times to what stands in /counter, by compare-and-swap on a connection of its own."""
    connection = http.client.HTTPConnection(member.host, member.port, timeout=10)

    def request(method, body=None, headers=None):
        connection.request(method, "/counter", body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.headers["ETag"], answer.read()

    try:
        for _ in range(rounds):
            while True:
                status, tag, value = request("GET")
                check(status == 200, f"GET /counter: {status}")
                status, _, _ = request("PUT", str(int(value) + 1).encode(), {"If-Match": tag})
                if status == 204:
                    break
                check(status == 412, f"PUT /counter: {status}")
    except Exception as error:  # pylint: disable=broad-except
        failures.append(error)
    finally:
        connection.close()


@story()
def counting_by_compare_and_swap(new, storage):
    """Six clients at three members add to one number; none of their additions is lost."""
    cluster = new(3, storage).start()
    cluster.leader()
    cluster.put(1, "/counter", b"0")
    failures = []
    threads = [threading.Thread(target=increment, args=(cluster[1 + i % 3], 30, failures)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    check(not failures, f"{failures}")
    cluster.expect(2, "/counter", b"180")


@story()
def stale_reads_need_nobody(new, storage):
    """A member that is alone of three answers ?consistency=stale at once with what it has, and nothing else."""
    cluster = new(3, storage).start()
    cluster.leader()
    cluster.put(1, "/k", b"v")
    wait_for("it is everywhere", 5, lambda: all(
        m.ask("GET", "/k?consistency=stale").status == 200 for m in cluster.alive()))
    for ident in (1, 2):
        cluster[ident].kill()
    answer = cluster[3].ask("GET", "/k?consistency=stale", timeout=1)
    check(answer and answer.status == 200 and answer.body == b"v", f"a stale read: {answer}")
    check(answer.headers["Metastore-Revision"] == "2", f"{answer.headers.items()}")
    check(cluster[3].ask("GET", "/absent?consistency=stale", timeout=1).status == 404, "an absent key")
    check(cluster[3].ask("GET", "/k?consistency=linearizable", timeout=12).status == 503, "a linearizable read")
    check(cluster[3].ask("GET", "/k?consistency=old").status == 400, "a consistency that there is not")
    check(cluster[3].ask("PUT", "/k?consistency=stale", b"x").status == 400, "a write has no consistency")


def raw(member, data, answers=1, pieces=1):
    """What comes back for these bytes, sent in so many pieces: up to the end of the connection, or so many answers and
    a little longer."""
    said = b""
    with socket.create_connection((member.host, member.port), 5) as s:
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        step = max(1, -(-len(data) // pieces))
        try:
            for at in range(0, len(data), step):
                s.sendall(data[at:at + step])
                if pieces > 1:
                    time.sleep(0.002)
            while True:
                s.settimeout(0.1 if len(statuses(said)) >= answers else 3)
                more = s.recv(65536)
                if not more:
                    return said
                said += more
        except OSError:
            return said


def statuses(said):
    return [int(s) for s in re.findall(rb"HTTP/1\.1 (\d{3}) ", said)]


def half_closed(member, data):
    """What comes back up to the end for who sends this and then says that nothing more comes."""
    with socket.create_connection((member.host, member.port), 5) as s:
        s.sendall(data)
        s.shutdown(socket.SHUT_WR)
        said = b""
        while True:
            more = s.recv(65536)
            if not more:
                return said
            said += more


def expect_raw(member, what, data, wanted, pieces=1):
    said = raw(member, data, len(wanted), pieces)
    check(statuses(said) == wanted, f"{what}: {said[:300]!r}, not {wanted}")
    return said


HOST = b"Host: x\r\n"


@story()
def requests_in_all_shapes(new, storage):
    """Split, pipelined, in chunks, with 100-continue: they are what they are; oversized and garbage: refused."""
    cluster = new(1, storage, options=("--max-value-bytes", "100000", "--max-key-bytes", "1000")).start()
    one = cluster[1]
    wait_for("ready", 10, lambda: (one.status() or {}).get("ready"))
    put = b"PUT /split HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\nvalue"
    expect_raw(one, "byte by byte", put, [204], pieces=len(put))
    check(expect_raw(one, "read", b"GET /split HTTP/1.1\r\n" + HOST + b"\r\n", [200]).endswith(b"\r\n\r\nvalue"), "split")
    many = b"".join(b"PUT /p%d HTTP/1.1\r\n" % i + HOST + b"Content-Length: 3\r\n\r\n%03d" % i +
                    b"GET /p%d HTTP/1.1\r\n" % i + HOST + b"\r\n" for i in range(100))
    said = expect_raw(one, "pipelined", many, [204, 200] * 100, pieces=7)
    check(re.findall(rb"\r\n\r\n(\d{3})(?=HTTP|$)", said) == [b"%03d" % i for i in range(100)], "in order, each with its own answer")
    chunked = b"PUT /c HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    expect_raw(one, "chunks", chunked + b"GET /c HTTP/1.1\r\n" + HOST + b"\r\n", [204, 200], pieces=11)
    cluster.expect(1, "/c", b"abcde")
    expect_raw(one, "100-continue", b"PUT /e HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx",
               [100, 204])
    expect_raw(one, "100-continue, too large",
               b"PUT /e HTTP/1.1\r\n" + HOST + b"Expect: 100-continue\r\nContent-Length: 10000001\r\n\r\n", [413])
    put_of = b"PUT /l HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n"
    expect_raw(one, "the largest value", put_of % 100000 + bytes(100000), [204])
    check(len(one.ask("GET", "/l").body) == 100000, "the largest value is there")
    expect_raw(one, "too large by one", put_of % 100001 + bytes(100001), [413])
    expect_raw(one, "a key too long", b"GET /" + b"k" * 1001 + b" HTTP/1.1\r\n" + HOST + b"\r\n", [414])
    expect_raw(one, "a path too long", b"GET /" + b"k" * 80000 + b" HTTP/1.1\r\n" + HOST + b"\r\n", [414])
    expect_raw(one, "headers too large", b"GET /k HTTP/1.1\r\n" + HOST + b"X: " + b"y" * 90000 + b"\r\n\r\n", [431])
    expect_raw(one, "too many headers", b"GET /k HTTP/1.1\r\n" + HOST + b"X: y\r\n" * 101 + b"\r\n", [431])
    for what, data, status in (("TLS", b"\x16\x03\x01\x02\x00\x01", 400), ("zeros", bytes(1000), 400),
                               ("words", b"hello there\r\n\r\n", 400), ("a method", b"FROB / HTTP/1.1\r\n" + HOST + b"\r\n", 501),
                               ("a version", b"GET / HTTP/3.0\r\n" + HOST + b"\r\n", 505),
                               ("two lengths", b"PUT /k HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n" * 2 + b"\r\nx", 400),
                               ("a chunk", chunked.replace(b"3\r\nabc", b"x\r\nabc"), 400)):
        expect_raw(one, what, data, [status])
    check(statuses(half_closed(one, put)) == [204], "who sends no more is answered")
    check(statuses(half_closed(one, many)) == [204, 200] * 100, "to the last request")
    check(half_closed(one, put[:-1]) == b"" and half_closed(one, b"") == b"", "what is not whole is no request")
    noise = random.Random(SETTINGS.seed)
    for _ in range(50):
        raw(one, noise.randbytes(noise.randrange(1, 5000)), answers=0)
    cluster.expect(1, "/split", b"value")


@story(storages=("memory",))
def slow_clients_are_cut(new, storage):
    """Who sends a byte now and then, or does not read what was asked for, is cut off; who is idle is not."""
    cluster = new(1, storage, options=("--client-timeout-ms", "1000", "--max-client-queue-bytes", "2000000")).start()
    one = cluster[1]
    wait_for("ready", 10, lambda: (one.status() or {}).get("ready"))
    cluster.put(1, "/large", bytes(1000000))
    idle = Connection(one)
    slow = socket.create_connection((one.host, one.port), 5)
    began, said = time.monotonic(), b""
    slow.settimeout(0.2)
    while time.monotonic() - began < 5 and not said:
        try:
            slow.sendall(b"G" if time.monotonic() - began < 0.1 else b"E")
            said = slow.recv(1000)
        except socket.timeout:
            pass
        except OSError:
            break
    check(0.8 < time.monotonic() - began < 3, f"a slow sender was cut after {time.monotonic() - began:.1f} s")
    check(said == b"" or statuses(said) in ([408], [400], [501]), f"{said!r}")
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.connect((one.host, one.port))
    deaf.sendall((b"GET /large HTTP/1.1\r\n" + HOST + b"\r\n") * 5)
    wait_for("who does not read is cut", 10,
             lambda: parse_metrics(one)["metastore_http_connections_cut_total"] >= 2)
    check(parse_metrics(one)["metastore_http_held_bytes"] < 2000000, "what it held is given back")
    check(idle.ask("GET", "/large").status == 200, "who is idle is not cut")
    for connection in (slow, deaf, idle):
        connection.close()


def parse_metrics(member):
    text = member.ask("GET", "/metrics").body.decode()
    return {line.split(" ")[0]: float(line.split(" ")[1]) for line in text.split("\n") if line and line[0] != "#"}


@story(storages=("memory",))
def idle_connections_are_cheap(new, storage):
    """Two thousand idle connections need less than 8 KiB each; one that is busy is served all the same."""
    cluster = new(1, storage).start()
    one = cluster[1]
    wait_for("ready", 10, lambda: (one.status() or {}).get("ready"))
    cluster.put(1, "/k", b"v")
    before = parse_metrics(one)
    connections = []
    try:
        for _ in range(2000):
            connections.append(Connection(one))
            if len(connections) % 2:
                check(connections[-1].ask("GET", "/k").status == 200, "one is asked")
        after = parse_metrics(one)
        check(after["metastore_http_connections"] >= 2000, "all are there")
        grown = after["process_resident_memory_bytes"] - before["process_resident_memory_bytes"]
        check(grown < 2000 * 8192, f"memory grew by {grown / 2000:.0f} bytes a connection")
        check(connections[7].ask("GET", "/k").status == 200, "and they serve")
    finally:
        for connection in connections:
            connection.close()
