"""Stories of the client commands: `metastore put` and the others against real members."""

import base64
import json
import os
import shutil
import subprocess
import threading
import time

from harness import Failed, check, story, wait_for


def endpoints(cluster, *idents):
    return ",".join(f"http://{m.host}:{m.port}" for m in (cluster[i] for i in idents or cluster.members))


class Client:
    """Runs commands against endpoints of a cluster."""

    def __init__(self, cluster, *idents):
        self.binary = cluster.binary
        self.environment = {**os.environ, "METASTORE_ENDPOINTS": endpoints(cluster, *idents)}

    def run(self, *arguments, code=0, data=None, seconds=60):
        """What it printed on its standard output, as bytes; its standard error is in .wrong."""
        run = subprocess.run([self.binary, *arguments], input=data or b"", capture_output=True, timeout=seconds,
                             env=self.environment)
        self.wrong = run.stderr.decode()
        check("Sanitizer" not in self.wrong and "runtime error" not in self.wrong, self.wrong)
        check(run.returncode == code,
              f"{arguments}: exit {run.returncode}, not {code}: {run.stdout[:500]} {self.wrong}")
        check((code == 0) == (self.wrong == "") or code == 1, f"{arguments}: exit {code}: {self.wrong}")
        return run.stdout

    def json(self, *arguments, code=0, data=None):
        return json.loads(self.run(*arguments, "--output", "json", code=code, data=data))


@story()
def cli_keys(new, storage):
    """put, get and del: any bytes, conditions, exit codes, JSON."""
    cluster = new(1, storage).start()
    wait_for("the first answer", 15, cluster[1].status)
    do = Client(cluster)
    check(do.run("put", "color", "red") == b"revision 2\n", "put")
    check(do.run("get", "color") == b"red", "get prints the value, not a byte more")
    check(do.run("get", "nope", code=1) == b"" and "no such key" in do.wrong, do.wrong)
    check(do.json("get", "nope", code=1)["kvs"] == [], "get of what is not there")
    check(do.json("put", "color", "green", "--if-revision", "2") == {"revision": 3}, "put --if-revision")
    do.run("put", "color", "blue", "--if-revision", "2", code=1)
    check("not as of that revision" in do.wrong, do.wrong)
    do.run("put", "color", "x", "--if-absent", code=1)
    check("there is such a key" in do.wrong, do.wrong)
    do.run("put", "other", "x", "--if-absent")
    every = bytes(range(256)) * 4000
    for key in ("bin", "a/b?c=d&e#f%20+ \t\n", "-dash", "\u00e4\U0001f600"):
        do.run("put", "--", key, data=every)
        check(do.run("get", "--", key) == every, f"value of {key!r}")
        item = json.loads(do.run("get", "--output", "json", "--", key))["kvs"][0]
        check(item["key"] == key and base64.b64decode(item["value_base64"]) == every, f"{item['key']}")
    do.run("put", "empty", "")
    check(do.run("get", "empty") == b"" and do.run("get", "empty", "--stale") == b"", "an empty value")
    check(do.json("del", "other")["deleted"] == 1, "del")
    check(do.json("del", "other", code=1)["deleted"] == 0 and "no such key" in do.wrong, do.wrong)
    do.run("del", "color", "--if-revision", "2", code=1)
    do.run("del", "color", "--if-revision", "3")
    for wrong in (("put",), ("put", "", "x"), ("get", "a", "b"), ("get", "a", "--nope"), ("frobnicate",), ("lease",),
                  ("put", "a", "b", "--lease", "1", "--ttl", "1"), ("get", "a", "--endpoints", "http://nowhere")):
        check(do.run(*wrong, code=2) == b"" and do.wrong.startswith("metastore"), f"{wrong}: {do.wrong}")
    cluster[1].kill()
    started = time.monotonic()
    do.run("put", "a", "b", "--timeout-ms", "700", code=3)
    check("nobody answers there" in do.wrong and time.monotonic() - started < 5, do.wrong)


@story(("memory",))
def cli_leases(new, storage):
    """lease grant, ttl, keep-alive, list, revoke; put --lease and --ttl."""
    cluster = new(1, storage).start()
    wait_for("the first answer", 15, cluster[1].status)
    do = Client(cluster)
    check(do.run("lease", "grant", "60", "--id", "7") == b"lease 7 ttl 60\n", "grant")
    do.run("lease", "grant", "60", "--id", "7", code=1)
    do.run("put", "w/a", "x", "--lease", "7")
    lease = do.json("put", "w/b", "x", "--ttl", "100")["lease"]
    check(do.json("lease", "ttl", "7")["keys"] == [{"key": "w/a"}], "its keys")
    check(b"granted 60 keys 1\nkey w/a\n" in do.run("lease", "ttl", "7"), "ttl as text")
    check([x["id"] for x in do.json("lease", "list")["leases"]] == sorted([7, lease]), "list")
    check(do.run("lease", "keep-alive", "7", "--once") == b"lease 7 ttl 60\n", "keep-alive")
    do.run("lease", "revoke", "7")
    do.run("get", "w/a", code=1)
    for gone in (("lease", "revoke", "7"), ("lease", "ttl", "7"), ("lease", "keep-alive", "7"),
                 ("put", "k", "v", "--lease", "7")):
        do.run(*gone, code=1)
    short = do.json("lease", "grant", "3")["id"]
    keeper = subprocess.Popen([do.binary, "lease", "keep-alive", str(short)], env=do.environment,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(6)
    check(do.json("lease", "ttl", str(short))["ttl"] >= 1, "a lease that is kept alive is dead")
    do.run("lease", "revoke", str(short))
    out, wrong = keeper.communicate(timeout=10)
    check(keeper.returncode == 1 and b"no such lease" in wrong, f"{keeper.returncode} {wrong}")
    check(5 <= len(out.splitlines()) <= 9, f"{out}")  # every second, and once at the beginning


@story(("memory",))
def cli_members(new, storage):
    """status and health of all endpoints, one of them down; member add, set, remove; leader move."""
    cluster = new(3, storage).start()
    cluster.leader()
    do = Client(cluster)
    table = do.run("status").decode().splitlines()
    check(len(table) == 4 and table[0].startswith("ENDPOINT"), f"{table}")
    check(sum("leader" in line.split() for line in table[1:]) == 1, f"{table}")
    answers = do.json("status")
    check([a["status"]["id"] for a in answers] == [1, 2, 3], f"{answers}")
    wait_for("health", 10, lambda: subprocess.run([do.binary, "health"], env=do.environment,
                                                  capture_output=True).returncode == 0)
    check([m["id"] for m in do.json("member", "list")] == [1, 2, 3], "member list")
    check(do.run("member", "list").split()[:6] == [b"ID", b"ROLE", b"URL", b"1", b"voter", cluster.urls[0].encode()],
          "member list as text")
    before = do.json("leader")["leader"]
    target = before % 3 + 1
    do.run("leader", "move", str(target))
    wait_for("the new leader", 10, lambda: do.json("leader")["leader"] == target)
    do.run("leader", "move", "9", code=1)
    cluster[before].kill()
    table = do.run("status", code=1).decode()
    check(table.count("unreachable") == 1, table)
    health = do.json("health", code=1)
    check([h["healthy"] for h in health].count(False) == 1, f"{health}")
    do.run("member", "remove", str(before))
    do.run("member", "add", str(before), "http://127.0.0.1:1")
    check(len(do.json("member", "list")) == 3, "member add")
    do.run("member", "set", *(str(i) for i in (1, 2, 3) if i != before))
    wait_for("two members", 10, lambda: len(do.json("member", "list")) == 2)
    do.run("member", "set", "1", "9", code=1)
    do.run("member", "add", "x", "http://127.0.0.1:1", code=2)


@story()
def cli_fails_over(new, storage):
    """Members are killed and started while commands run one after the other: each write is done once and none is
    lost; what is said to be of unknown outcome may be either."""
    cluster = new(3, storage).start()
    leader = cluster.leader()
    do = Client(cluster)
    done, unknown, stop = {}, {}, threading.Event()

    def write():
        i = 0
        while not stop.is_set():
            i += 1
            run = subprocess.run([do.binary, "put", f"k{i}", f"v{i}", "--if-absent"], env=do.environment,
                                 capture_output=True, timeout=60)
            if run.returncode == 0:
                done[f"k{i}"] = f"v{i}"
            elif run.returncode == 4:
                unknown[f"k{i}"] = f"v{i}"
            else:  # 1 would be: it was done, and then asked for again
                done[f"failed {run.returncode}"] = run.stderr.decode()
                return

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(3):
            time.sleep(0.6)
            leader.kill()
            time.sleep(0.2)
            leader.start(cluster.list())
            leader = cluster.leader()
        wait_for("enough writes", 60, lambda: len(done) > 20 or not writer.is_alive())
    finally:
        stop.set()
        writer.join()
    failed = [f"{k}: {v}" for k, v in done.items() if k.startswith("failed")]
    check(not failed and len(done) > 20, f"{failed} {len(done)} done")
    check(len(unknown) <= 6, f"unknown: {unknown}")
    for key, value in done.items():
        cluster.expect(1, f"/{key}", value.encode())


class Watcher:
    """`metastore watch` in the background."""

    def __init__(self, client, *arguments):
        self.process = subprocess.Popen([client.binary, "watch", *arguments, "--output", "json"],
                                        env=client.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.events, self.wrong = [], b""
        self.threads = [threading.Thread(target=self._read), threading.Thread(target=self._read_wrong)]
        for thread in self.threads:
            thread.start()

    def _read(self):
        for line in self.process.stdout:
            self.events.append(json.loads(line))

    def _read_wrong(self):
        self.wrong = self.process.stderr.read()

    def end(self):
        self.process.kill()
        self.process.wait()
        for thread in self.threads:
            thread.join()


@story()
def cli_watch_outlives_its_member(new, storage):
    """A watch goes on at the next member when its own is killed, again and again: each event once, in order."""
    cluster = new(3, storage).start()
    cluster.leader()
    do = Client(cluster)
    watcher = Watcher(do, "k", "--prefix")
    time.sleep(0.5)
    wanted = []
    try:
        for ident in (1, 2, 3):
            for i in range(30):
                cluster.put(ident % 3 + 1, f"/k{i}", f"{ident}-{i}".encode())
                wanted.append((f"k{i}", f"{ident}-{i}"))
            cluster[ident].kill()
            cluster.leader()
            for i in range(10):
                cluster.put(ident % 3 + 1, f"/k{i}", f"{ident}+{i}".encode())
                wanted.append((f"k{i}", f"{ident}+{i}"))
            cluster.start(ident)
            cluster.leader()
        wait_for("all events", 20, lambda: len(watcher.events) >= len(wanted))
        time.sleep(0.3)
    finally:
        watcher.end()
    got = [(e["key"], e["value"]) for e in watcher.events]
    check(got == wanted, f"{len(got)} events, {len(wanted)} were written: {[x for x in zip(got, wanted) if x[0] != x[1]][:3]}")
    check(b"going on with revision" in watcher.wrong, f"{watcher.wrong}")


@story(("memory",))
def cli_watch_ends(new, storage):
    """Text and its escapes; from a revision on; a compacted one is an error with its own exit code."""
    cluster = new(1, storage, options=["--revisions-kept", "5"]).start()
    wait_for("the first answer", 15, cluster[1].status)
    do = Client(cluster)
    do.run("put", "a", data=b"1\t\\\n\x00\xff\xc3\xa4")
    do.run("del", "a")
    process = subprocess.Popen([do.binary, "watch", "a", "--rev", "2", "--prev-kv"], env=do.environment,
                               stdout=subprocess.PIPE)
    lines = [process.stdout.readline() for _ in range(2)]
    process.kill()
    process.wait()
    value = rb"1\t\\\n\x00\xff" + b"\xc3\xa4"
    check(lines == [b"2\tput\ta\t" + value + b"\n", b"3\tdelete\ta\t" + value + b"\n"], f"{lines}")
    for i in range(20):
        do.run("put", "b", str(i))
    wait_for("a compaction", 20, lambda: cluster[1].status()["compacted_revision"] > 2)
    do.run("watch", "a", "--rev", "2", code=1)
    check("compacted" in do.wrong, do.wrong)
    cluster[1].kill()
    do.run("watch", "a", "--timeout-ms", "500", code=3)


@story(("memory",))
def cli_help_and_completions(new, storage):
    """help of every command; bash completes commands, subcommands, flags and their values; zsh can read its script."""
    do = Client(new(1, storage))
    text = do.run("help").decode()
    check(do.run("--help").decode().endswith(text[text.index("  put KEY"):text.index("\n\nall commands")] + "\n"),
          "the daemon's help ends with the commands")
    for line in text[text.index("  put KEY"):text.index("\n\nall commands")].splitlines():
        command = [w for w in line.split("   ")[0].split() if w.islower() and "|" not in w]
        if command[0] in ("help", "completion"):
            continue
        check(do.run(*command, "--help") == do.run("help", *command), f"{command}")
    script = do.run("completion", "bash").decode()
    ask = """comp() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _metastore; echo "${COMPREPLY[*]}"; }\n"""
    cases = {"metastore pu": "put", "metastore lease k": "keep-alive", "metastore put k --if-": "--if-absent --if-revision",
             "metastore get k --output ''": "text json", "metastore get --output = j": "json",
             "metastore --sto": "--storage", "metastore --storage ''": "memory rocksdb",
             "metastore snapshot s": "save status", "metastore wal verify --f": "--force",
             "metastore get --timeout-ms ''": "", "metastore help lea": "lease leader"}
    out = subprocess.run(["bash", "-c", script + ask + "".join(f"comp {c}\n" for c in cases)], capture_output=True,
                         text=True, timeout=20)
    check(out.stdout.splitlines() == list(cases.values()), f"{out.stdout} {out.stderr}")
    script = do.run("completion", "zsh")
    if shutil.which("zsh"):
        check(subprocess.run(["zsh", "-n"], input=script, timeout=20).returncode == 0, "zsh -n")
    do.run("completion", "fish", code=2)
    if b"_metastore" not in script:
        raise Failed("the zsh script defines no function")


@story()
def cli_ranges(new, storage):
    """range, get --prefix, del of several: as lines, as JSON, sorted, cut, counted, of the past, and of any length."""
    cluster = new(1, storage).start()
    wait_for("the first answer", 15, cluster[1].status)
    do = Client(cluster)
    for key, value in (("c/1", "x"), ("c/2", b"\x00\t\\\n\xff"), ("c/3", ""), ("d", "y")):
        do.run("put", key, data=value if isinstance(value, bytes) else value.encode())
    do.run("put", "c/1", "z")
    lines = b"c/1\tz\nc/2\t\\x00\\t\\\\\\n\\xff\nc/3\t\n"
    check(do.run("get", "c/", "--prefix") == lines, f"{do.run('get', 'c/', '--prefix')}")
    check(do.run("range", "c/", "--prefix") == lines, "range --prefix")
    check(do.run("range", "c/", "c0") == lines, "range FIRST END")
    check(do.run("range") == lines + b"d\ty\n" and do.run("range", "c/3", "--from-key") == b"c/3\t\nd\ty\n", "all, from a key")
    check(do.run("range", "c/2", "--keys-only") == b"c/2\n" and do.run("range", "nope") == b"", "one key, none")
    check(do.run("range", "--count-only") == b"4\n" and do.run("get", "c/", "--prefix", "--count-only") == b"3\n", "counts")
    check(do.run("range", "--sort", "mod", "--order", "desc", "--limit", "2", "--keys-only") == b"c/1\nd\n", "sorted")
    check(do.run("range", "--min-mod", "4", "--max-mod", "5", "--keys-only") == b"c/3\nd\n", "by revision")
    check(do.run("get", "c/1", "--rev", "2") == b"x" and do.run("range", "--rev", "2") == b"c/1\tx\n", "of the past")
    check(do.run("range", "d", "--stale") == b"d\ty\n", "stale")
    answer = do.json("range", "--limit", "1")
    check(answer["count"] == 4 and answer["more"] and [kv["key"] for kv in answer["kvs"]] == ["c/1"], f"{answer}")
    check(do.json("get", "c/2")["kvs"] == do.json("range", "c/2")["kvs"], "get and range say the same")
    for wrong in (("range", "a", "b", "--prefix"), ("range", "a", "--prefix", "--from-key"), ("range", "--sort", "size"),
                  ("get", "c/1", "--rev", "99"), ("range", "a", "b", "c")):
        do.run(*wrong, code=2)
    check(do.run("compact", "4") == b"revision 6 compacted 4\n", "compact")
    do.run("get", "c/1", "--rev", "2", code=1)
    check("compacted" in do.wrong, do.wrong)
    do.run("compact", "0", code=2)
    check(do.run("put", "d", "w", "--prev-kv") == b"revision 7\nprevious y\n", "put --prev-kv")
    check(do.json("put", "d", "v", "--prev-kv", "--if-revision", "7")["prev_kv"]["value"] == "w", "put --prev-kv --if-revision")
    do.run("put", "d", "v", "--prev-kv", "--if-absent", code=1)
    check("there is such a key" in do.wrong, do.wrong)
    check(do.run("del", "c/", "--prefix", "--prev-kv") == b"revision 9 deleted 3\n" + lines, "del --prefix --prev-kv")
    do.run("del", "c/", "--prefix", code=1)
    check(do.json("del", "a", "e") == {"revision": 10, "deleted": 1}, "del of a range")
    for first in range(0, 1000, 500):
        puts = [{"put": {"key": f"old/{i:04}", "value": "v"}} for i in range(first, first + 500)]
        do.run("txn", data=json.dumps({"then": puts + [{"put": {"key_base64": "b2xkAA==", "value": ""}}][first // 500:]}).encode())
    check(do.run("del", "old/", "--prefix", "--batch", "300") == b"revision 16 deleted 1000\n", "del --batch: four revisions")
    check(do.run("del", "old", "olf", "--batch", "9") == b"revision 17 deleted 1\n", "del FIRST END --batch; a key with a NUL")
    do.run("del", "old/", "--prefix", "--batch", "300", code=1)
    for wrong in (("del", "d", "--batch", "3"), ("del", "d", "--prefix", "--batch", "3", "--prev-kv"), ("del", "d", "--prefix", "--batch", "0")):
        do.run(*wrong, code=2)
    for key in ("a", "b", "c"):
        do.run("put", key, "v")
    check(do.json("del", "", "--prefix", "--batch", "2") == {"revision": 22, "deleted": 3}, "all there is")
    big = os.urandom(40000)
    for i in range(200):
        cluster.put(1, f"/big/{i:04}", big)
    out = do.run("range", "big/", "--prefix").splitlines()
    check([line.split(b"\t")[0].decode() for line in out] == [f"big/{i:04}" for i in range(200)], "a long range")
    check(len(set(line.split(b"\t")[1] for line in out)) == 1 and len(out[0]) > 40000, "values of a long range")
    kvs = do.json("range", "big/", "--prefix")["kvs"]
    check(len(kvs) == 200 and base64.b64decode(kvs[77]["value_base64"]) == big, "a long range as JSON")


@story(("memory",))
def cli_transactions(new, storage):
    """txn of the standard input and of a file: then, else, what was found, what is wrong."""
    cluster = new(1, storage).start()
    wait_for("the first answer", 15, cluster[1].status)
    do = Client(cluster)
    lock = json.dumps({"compare": [{"key": "lock", "target": "create", "op": "=", "value": 0}],
                       "then": [{"put": {"key": "lock", "value": "me"}}],
                       "else": [{"get": {"key": "lock"}}]}).encode()
    check(do.run("txn", data=lock) == b"then revision 2\nput\n", "then")
    check(do.run("txn", data=lock, code=1) == b"else revision 2\nget 1\nlock\tme\n" and do.wrong == "", "else")
    path = os.path.join(cluster.root, "txn.json")
    with open(path, "wb") as file:
        file.write(lock)
    answer = do.json("txn", path, code=1)
    check(not answer["succeeded"] and answer["responses"][0]["get"]["kvs"][0]["value"] == "me", f"{answer}")
    more = json.dumps({"then": [{"put": {"key": "lock", "value": "you", "prev_kv": True}},
                                {"delete": {"prefix": "nope/"}},
                                {"txn": {"then": [{"get": {"key": "lock"}}]}}]}).encode()
    check(do.run("txn", "-", data=more) == b"then revision 3\nput\nprevious me\ndelete 0\ntxn then\nget 1\nlock\tyou\n",
          "nested, and what was there before")
    do.run("txn", data=b"{", code=2)
    do.run("txn", os.path.join(cluster.root, "absent"), code=2)
    check("No such file" in do.wrong, do.wrong)
