"""Stories of pages for machines: /health, /livez, /readyz, /version, /metrics; settings and logs."""

import json
import os
import re
import signal
import subprocess

from harness import check, story, wait_for

DOCUMENT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "METRICS.md")
SAMPLE = re.compile(r'([a-zA-Z_:][a-zA-Z0-9_:]*)(\{(?:[a-z_]+="[^"\\\n]*",?)+\})? (-?[0-9.]+)')


def page(member, path, status, timeout=10):
    answer = member.ask("GET", path, timeout=timeout)
    check(answer and answer.status == status, f"GET {path} at member {member.id}: {answer}, not {status}")
    return answer.body.decode()


def parse(text):
    """Families {name: type} and samples {name with labels: value} of a page; everything has to be well formed."""
    families, samples, helped = {}, {}, None
    check(text.endswith("\n"), "the last line has an end")
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            helped = line.split(" ", 3)[2]
            check(len(line.split(" ", 3)) == 4, f"a help without text: {line}")
            check(helped not in families, f"{helped} is opened twice")
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            check(name == helped and kind in ("counter", "gauge", "histogram"), f"{line} behind {helped}")
            families[name] = kind
        else:
            match = SAMPLE.fullmatch(line)
            check(match, f"not a sample: {line}")
            name, labels, value = match.groups()
            check(re.sub("_(bucket|sum|count)$", "", name) == helped or name == helped, f"{line} stands below {helped}")
            check(name + (labels or "") not in samples, f"there twice: {line}")
            samples[name + (labels or "")] = float(value)
    return families, samples


def check_histograms(families, samples):
    """Buckets grow up to the count."""
    for name in (n for n, kind in families.items() if kind == "histogram"):
        series = {}
        for sample, value in samples.items():
            match = re.fullmatch(re.escape(name) + r'_bucket\{(.*,)?le="([^"]+)"\}', sample)
            if match:
                series.setdefault((match[1] or "").rstrip(","), []).append((float(match[2]), value))
        check(series, f"{name} has buckets")
        for labels, buckets in series.items():
            values = [value for _, value in sorted(buckets)]
            check(buckets == sorted(buckets) and values == sorted(values), f"{name} {labels}: {buckets}")
            count = samples[f"{name}_count{{{labels}}}" if labels else f"{name}_count"]
            check(buckets[-1] == (float("inf"), count), f"{name} {labels}: {buckets[-1]}, not {count}")


def documented():
    """{name: type} of docs/METRICS.md: lines | `name` | type | ... |, the labels of a name left out."""
    with open(DOCUMENT, encoding="utf-8") as file:
        rows = re.findall(r"^\| `([a-z_]+)(?:\{[a-z, ]*\})?` \| ([a-z]+) \|", file.read(), re.M)
    check(len(dict(rows)) == len(rows), "a name is documented twice")
    return dict(rows)


@story()
def metrics_are_as_documented(new, storage):
    """Each family that is printed is documented with its type, and the other way round; the page is well formed."""
    cluster = new(3, storage).start()
    leader = cluster.leader()
    cluster.put(1, "/k", b"v")
    for ident in (1, 2, 3):
        cluster.expect(ident, "/k", b"v")  # it is applied there
    written = documented()
    for member in cluster.alive():
        families, samples = parse(page(member, "/metrics", 200))
        check(families == written, f"printed and not documented, or the other way: "
                                   f"{sorted(set(families.items()) ^ set(written.items()))}")
        check_histograms(families, samples)
        leads = member.id == leader.id
        check(samples["metastore_raft_is_leader"] == leads, f"is_leader of member {member.id}")
        lags = [s for s in samples if s.startswith("metastore_raft_peer_lag_entries{")]
        check(len(lags) == (2 if leads else 0), f"lags at member {member.id}: {lags}")
        check(samples["metastore_store_keys"] == 1 and samples["metastore_store_revision"] == 2, "the store")
        rocks = storage == "rocksdb"
        check((samples["metastore_engine_buffer_bytes"] > 0) == rocks, "what RocksDB has in memory")
        for name in ("metastore_wal_write_duration_seconds_count", "process_resident_memory_bytes",
                     "process_open_fds", "process_start_time_seconds", "metastore_peer_sent_bytes_total"):
            check(samples[name] > 0, f"{name} of member {member.id}: {samples[name]}")
    samples = parse(page(cluster[1], "/metrics", 200))[1]
    check(samples['metastore_http_requests_total{route="put",code="204"}'] == 1, "the put is counted")
    check(samples['metastore_http_request_duration_seconds_count{route="get"}'] == 1, "the get is timed")
    check(cluster[1].ask("HEAD", "/metrics").status == 200, "HEAD")


@story()
def health_of_a_cluster(new, storage):
    """Members are ready when reads are confirmed, not ready alone, and ready again; alive all the time."""
    cluster = new(3, storage).start()
    cluster.leader()
    for member in cluster.alive():
        wait_for("ready", 15, lambda: (member.status() or {}).get("ready"))
        check(page(member, "/readyz", 200) == "ok\n", "readyz")
        check(page(member, "/health", 200) == '{"health":"true","reason":""}\n', "health")
        check("[+]read ok\n" in page(member, "/readyz?verbose", 200), "readyz?verbose")
    check(re.fullmatch(r'\{"version": "[0-9.]+", "commit": "[^"]+", "peer_protocol": 1\}\n',
                       page(cluster[1], "/version", 200)), "version")
    cluster[1].kill()
    cluster[2].signal(signal.SIGSTOP)
    wait_for("no leader is known", 15, lambda: "no leader" in page(cluster[3], "/health", 503))
    check("failed: no leader is known\n" in page(cluster[3], "/readyz?verbose", 503), "readyz?verbose")
    check(page(cluster[3], "/livez", 200) == "ok\n", "livez")
    check(page(cluster[3], "/livez?verbose", 200) == "[+]running ok\nlivez check passed\n", "livez?verbose")
    cluster[2].signal(signal.SIGCONT)
    wait_for("ready again", 15, lambda: cluster[3].ask("GET", "/readyz", timeout=8).status == 200)


def run(binary, *arguments, **environment):
    done = subprocess.run([binary, *arguments], env={**os.environ, **environment}, capture_output=True, timeout=30,
                          check=False)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@story(storages=("memory",))
def settings_from_a_file(new, storage):
    """A member takes its settings from a file, the environment and flags, says what is in force, logs JSON."""
    cluster = new(1, storage)
    one, config = cluster[1], os.path.join(cluster.root, "member.conf")
    with open(config, "w", encoding="ascii") as file:
        file.write("# of a story\nlog-format = json\nrequest-timeout-ms = 1234\nmax-value-bytes = 100\n")
    one.options = [*one.options, "--config", config]
    one.environment = {"METASTORE_REQUEST_TIMEOUT_MS": "2345", "METASTORE_LOG_LEVEL": "debug"}
    cluster.start()
    wait_for("ready", 10, lambda: (one.status() or {}).get("ready"))
    check(one.ask("PUT", "/k", b"x" * 101).status == 413, "the file's limit is in force")
    lines = [json.loads(line) for line in one.log_text().split("\n") if line and not line.startswith("---")]
    check(lines and all(set(line) == {"time", "level", "message"} for line in lines), f"{lines[:2]}")
    code, out, _ = run(cluster.binary, "--config", config, "--print-config", **one.environment)
    check(code == 0, "--print-config")
    settings = dict(re.findall(r"^([a-z-]+) = (\S+) +# (?:.*)$", out, re.M))
    check(settings["request-timeout-ms"] == "2345" and settings["max-value-bytes"] == "100", out)
    check(f"# {config}, line 2\n" in out and "# METASTORE_LOG_LEVEL\n" in out and "# default\n" in out, out)
    with open(config, "a", encoding="ascii") as file:
        file.write("heartbeat = 3\n")
    code, out, err = run(cluster.binary, "--config", config)
    check(code == 2 and out == "" and err.startswith(f"metastore: {config}, line 5: there is no setting \"heartbeat\""), err)
    code, _, err = run(cluster.binary, METASTORE_ELECTION_MS="1")
    check(code == 2 and "must be 10 to 600000 (set by METASTORE_ELECTION_MS)" in err, err)
