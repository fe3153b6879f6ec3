"""Stories of HTTP: conditions, what answers say in their headers."""

import http.client
import threading

from harness import check, story, wait_for


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
    ask(two, "PUT", "/k", 412, b"b", If_None_Match="*")
    ask(three, "PUT", "/k", 412, b"b", If_Match='"3"')
    ask(three, "PUT", "/k", 412, b"b", If_Match='W/"2"')
    ask(three, "PUT", "/absent", 412, b"b", If_Match="*")
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
