"""Stories of large snapshots: on a stream of their own, which breaks and goes on, under load."""

import os
import threading
import time

from harness import Connection, Probe, check, story, wait_for
from stories_faults import wired

VALUE_BYTES = 1 << 18
KEYS = 420  # 110 MB
BREAK_AFTER = 30 << 20


def fill(member, writers=4):
    """KEYS values, by so many clients at once."""
    failed = []

    def write(number):
        connection = Connection(member, timeout=30)
        for i in range(number, KEYS, writers):
            answer = connection.ask("PUT", f"/large-{i}", b"%08d" % i + os.urandom(VALUE_BYTES - 8))
            if answer.status != 204:
                failed.append(answer)
        connection.close()
    threads = [threading.Thread(target=write, args=(i,)) for i in range(writers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failed, f"writes failed: {failed[:3]}")


@story()
def snapshot_goes_on_after_breaks(new, storage):
    """A member that was away gets more than 100 MB of snapshot while writes go on; its stream is cut
    twice and goes on where it was; the leader stays, and no write waits for the transfer."""
    cluster, wires = wired(new, storage, 3, ("--snapshot-log-bytes", "4000000", "--revisions-kept", "10"))
    try:
        leader = cluster.start().leader()
        away = cluster[next(i for i in (1, 2, 3) if i != leader.id)]
        cluster.put(leader.id, "/before", b"1")
        away.kill()
        time.sleep(1.5)  # an election timeout and more: it is away, and what is offered is all of the state
        for _ in range(3):  # more than the log that is kept for a member that is away
            fill(leader)
        term, told = leader.status()["term"], len(leader.log_text())
        probes = [Probe(leader, prefix=f"probe-{i}") for i in range(2)]
        wires.break_streams([BREAK_AFTER, BREAK_AFTER])
        begun = time.monotonic()
        cluster.start(away.id)
        wait_for("a snapshot installed", 90, lambda: "installed a snapshot" in away.log_text())
        applied = leader.status()["applied_index"]
        wait_for("member back", 30, lambda: (away.status() or {}).get("applied_index", 0) >= applied)
        took = time.monotonic() - begun
        for probe in probes:
            probe.stop()
        pieces = leader.log_text()[told:].split("goes on at chunk")
        check(not wires.breaks and len(pieces) == 3, f"the transfer went on {len(pieces) - 1} times")
        anew = [piece for piece in pieces[1:] if "sending a snapshot at index" in piece]
        check(not anew, "a transfer was begun anew")
        check(leader.status()["term"] == term, "there was an election")
        refused = [w for probe in probes for w in probe.refused(begun)]
        check(not refused, f"writes refused: {refused[:3]}")
        gap = max(probe.longest_gap(begun) for probe in probes)
        check(gap < 2, f"no write was acknowledged for {gap:.2f} s")
        written = sum(len(probe.writes) for probe in probes)
        print(f"     {storage}: {KEYS * VALUE_BYTES / 1e6:.0f} MB in {took:.1f} s, {written} writes meanwhile, "
              f"longest gap {gap * 1000:.0f} ms", flush=True)
        cluster.expect(away.id, "/before", b"1")
        answer = away.ask("GET", f"/large-{KEYS - 1}")
        check(answer.status == 200 and len(answer.body) == VALUE_BYTES, "a large value")
    finally:
        wires.close()
