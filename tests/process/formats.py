"""A reader of what members leave on disk, written from docs/FORMATS.md alone, so that the document is tested,
and so that stories can damage and change files with aim. Not fast, and not for damaged files: what is wrong
raises Unreadable."""

import os
import re
import struct
import subprocess
from collections import namedtuple

SECTOR = 512
HEADER = 4096


class Unreadable(Exception):
    """Bytes that are not as FORMATS.md says."""


def need(condition, text):
    if not condition:
        raise Unreadable(text)


def table_of_crc32c():
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return table


TABLE = table_of_crc32c()


def crc32c(data, crc=0):
    crc, table = crc ^ 0xFFFFFFFF, TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        need(self.at + count <= len(self.data), "the bytes end too early")
        self.at += count
        return self.data[self.at - count:self.at]

    def number(self, code):
        return struct.unpack("<" + code, self.take(struct.calcsize("<" + code)))[0]

    def u8(self):
        return self.number("B")

    def u16(self):
        return self.number("H")

    def u32(self):
        return self.number("I")

    def u64(self):
        return self.number("Q")

    def bytes(self):
        return self.take(self.u32())

    def varint(self):
        value, shift = 0, 0
        while True:
            byte = self.u8()
            value |= (byte & 0x7F) << shift
            shift += 7
            if not byte & 0x80:
                need(shift == 7 or byte, "a varint that is not in its shortest form")
                return value

    def rest(self):
        return self.take(len(self.data) - self.at)

    def end(self):
        need(self.at == len(self.data), f"{len(self.data) - self.at} bytes too many")


# ---- 1, 2: entries and configurations

KINDS = {1: "noop", 2: "init", 3: "config", 4: "attach", 5: "txn", 6: "compact", 7: "digest",
         8: "lease-grant", 9: "lease-revoke", 10: "lease-renew", 11: "lease-checkpoint"}


def configuration(r):
    need(r.u8() == 1, "the version of a configuration")
    count = r.u8()
    found = {"lease_ms": r.u32(), "lease_index": r.u64(), "members": []}
    for _ in range(count):
        member = {"id": r.u64(), "added_index": r.u64(), "roles": r.u8()}
        member["url"] = r.take(r.u8()).decode()
        found["members"].append(member)
    return found


def entry(payload):
    r = Reader(payload)
    found = {"kind": KINDS.get(r.u8())}
    need(found["kind"], "an unknown kind")
    need(r.u8() == 1, "the version of an entry")
    flags = r.u8()
    need(flags in (0, 1), "flags of an entry")
    if flags:
        found["origin"] = [r.u64() for _ in range(5)]
    if found["kind"] == "init":
        found["cluster"] = r.take(16)
    if found["kind"] in ("init", "config"):
        found["configuration"] = configuration(r)
    elif found["kind"] == "attach":
        found["attach"] = (r.u64(), r.u64(), r.take(16))
    elif found["kind"] == "txn":
        found["command"] = command(r)
    elif found["kind"] == "compact":
        found["revision"] = r.u64()
    elif found["kind"] == "lease-grant":
        found["lease"] = (r.u64(), r.u64())
        if r.at < len(r.data):
            found["command"] = command(r)
    elif found["kind"] == "lease-revoke":
        found["lease"], expired = r.u64(), r.u8()
        need(expired in (0, 1), "whether a lease expired")
        if expired:
            found["fence"] = (r.u64(), r.u64())
    elif found["kind"] == "lease-renew":
        found["leases"] = [r.u64() for _ in range(len(r.data[r.at:]) // 8)]
    elif found["kind"] == "lease-checkpoint":
        found["leases"] = [(r.u64(), r.u64(), r.u64()) for _ in range(len(r.data[r.at:]) // 24)]
    r.end()
    return found


def command(r):
    need(r.u8() == 1, "the version of a command")
    counts = [r.u16() for _ in range(3)]
    return {"compares": [compare(r) for _ in range(counts[0])],
            "then": [operation(r) for _ in range(counts[1])], "else": [operation(r) for _ in range(counts[2])]}


def compare(r):
    target, result = r.u8(), r.u8()
    return target, result, r.bytes(), r.bytes(), r.bytes() if target == 3 else r.u64()


def operation(r):
    kind, flags = r.u8(), r.u8()
    if kind == 1:
        return ("put", flags, r.bytes(), r.u64(), r.bytes())
    if kind == 2:
        return ("delete", flags, r.bytes(), r.bytes())
    if kind == 3:
        return ("range", flags, r.bytes(), r.bytes(), r.u8(), r.u8(), *[r.u64() for _ in range(6)])
    need(kind == 4, "an unknown operation")
    inner = Reader(r.bytes())
    found = command(inner)
    inner.end()
    return ("txn", flags, found)


# ---- 6: the log on disk

RECORDS = {1: "entry", 2: "state", 3: "base", 4: "reset"}
Record = namedtuple("Record", "type batch written_term term index body segment offset")
Batch = namedtuple("Batch", "number first last records")  # sectors of its segment


class Segment:
    """sums=False: without the checksums of sectors and records, which take their time here. Damage behind the end of
    the log is then known only where a sector contradicts itself."""

    def __init__(self, path, sums=True):
        self.path, self.sums = path, sums
        with open(path, "rb") as file:
            self.data = file.read()
        named = re.fullmatch(r"wal-([0-9a-f]{16})\.seg", os.path.basename(path))
        need(named and len(self.data) >= 2 * HEADER, f"{path}: name or size")
        r = Reader(self.data[:HEADER])
        need(r.take(8) == b"MSWALSEG", f"{path}: magic")
        need(r.u32() == 1, f"{path}: version")
        crc = r.u32()
        need(crc == crc32c(self.data[:12] + bytes(4) + self.data[16:HEADER]), f"{path}: checksum of the header")
        self.member, self.nonce, self.cluster = r.u64(), r.take(16), r.take(16)
        self.life, self.segment_bytes = r.u64(), r.u64()
        need(self.life == int(named.group(1), 16), f"{path}: life and name")
        need(not any(r.rest()), f"{path}: zeros behind the header")

    def sector(self, number):
        """(payload used, batch, flags) of a sector that is ours, else None."""
        raw = self.data[number * SECTOR:(number + 1) * SECTOR]
        if len(raw) < SECTOR:
            return None
        crc, life, batch, used, flags = struct.unpack("<IIIHH", raw[496:])
        if life != self.life & 0xFFFFFFFF:
            return None
        if self.sums and crc != crc32c(raw[:496] + raw[500:] + struct.pack("<QQ", number, self.life)):
            return None
        whole = used <= 496 and not any(raw[used:496]) and not flags & ~3
        need(whole or not self.sums, f"{self.path}: sector {number}")
        return (raw[:used], batch, flags) if whole else None

    def batches(self):
        """The whole batches from its beginning on."""
        found, number = [], HEADER // SECTOR
        while True:
            first, pieces = number, []
            while True:
                sector = self.sector(number)
                if sector is None or bool(sector[2] & 1) != (number == first):
                    return found
                if number > first and sector[1] != batch:  # noqa: F821
                    return found
                pieces.append(sector[0])
                batch, number = sector[1], number + 1
                if sector[2] & 2:
                    break
            found.append(Batch(batch, first, number - 1, self.records(b"".join(pieces), first)))

    def records(self, payload, first):
        r, found = Reader(payload), []
        while r.at < len(payload):
            begin = r.at
            crc, body_bytes = r.u32(), r.u32()
            kind, batch, written, term, index = r.u8(), r.u64(), r.u64(), r.u64(), r.u64()
            body = r.take(body_bytes)
            need(not self.sums or crc == crc32c(payload[begin + 4:r.at] + struct.pack("<Q", self.life)),
                 f"{self.path}: the checksum of a record")
            need(kind in RECORDS, f"{self.path}: a record of type {kind}")
            offset = (first + begin // 496) * SECTOR + begin % 496
            found.append(Record(RECORDS[kind], batch, written, term, index, body, self, offset))
        return found


def base(record):
    names = ("first_life", "last_index", "last_term", "last_written_term", "prev_life", "prev_sector")
    r = Reader(record.body)
    found = {name: r.u64() for name in names}
    r.end()
    return found


def mark(r):
    need(r.u8() == 1, "the version of a mark")
    names = ("seq", "life", "term", "vote", "incarnation", "snapshot_index", "snapshot_term", "flags", "added_index")
    found = {name: r.u64() for name in names}
    found["cluster"] = r.take(16)
    return found


class Log:
    """An undamaged log: its chain of segments, their batches, the live entries, the state."""

    def __init__(self, directory, sums=True):
        self.directory = directory
        names = sorted(n for n in os.listdir(directory) if n.endswith(".seg"))
        segments = {s.life: s for s in (Segment(os.path.join(directory, name), sums) for name in names)}
        all_batches = {life: s.batches() for life, s in segments.items()}
        newest = max((life for life, batches in all_batches.items() if batches), default=None)
        self.chain, self.entries, self.mark, self.base_index = [], {}, None, 0
        if newest is None:
            return
        last_base = [r for b in all_batches[newest] for r in b.records if r.type in ("base", "reset")][-1]
        first_life, life, end = base(last_base)["first_life"], newest, None
        while True:
            segment = segments[life]
            batches = [b for b in all_batches[life] if end is None or b.last < end]
            need(end is None or batches[-1].last + 1 == end, f"{segment.path}: does not go on to sector {end}")
            self.chain.insert(0, (segment, batches))
            if life == first_life:
                break
            before = base(batches[0].records[0])
            life, end = before["prev_life"], before["prev_sector"]
        self.follow()

    def follow(self):
        last = 0
        for batch in self.batches():
            for record in batch.records:
                if record.type == "entry":
                    need(record.index <= last + 1 or not last, f"a hole before entry {record.index}")
                    for gone in [i for i in self.entries if i >= record.index]:
                        del self.entries[gone]
                    self.entries[record.index], last = record, record.index
                elif record.type == "state":
                    self.mark = mark(Reader(record.body))
                else:
                    self.base_index = record.index
                    last = base(record)["last_index"]
                    if record.type == "reset":
                        self.entries, last = {}, record.index

    def batches(self):
        return [batch for _, batches in self.chain for batch in batches]


def state_slots(path):
    """The two slots: (member, nonce, mark), or None for one that is not whole."""
    with open(path, "rb") as file:
        data = file.read()
    found = []
    for offset in (0, 4096):
        raw = data[offset:offset + SECTOR]
        if not any(raw):
            found.append(None)
            continue
        r = Reader(raw)
        need(r.take(8) == b"MWALSTAT" and r.u32() == 1, f"{path}: magic or version at {offset}")
        need(r.u32() == crc32c(raw[:12] + bytes(4) + raw[16:]), f"{path}: checksum at {offset}")
        slot = (r.u64(), r.take(16), mark(r))
        need(slot[2]["seq"] % 2 == offset // 4096 and not any(r.rest()), f"{path}: slot at {offset}")
        found.append(slot)
    return found


# ---- 7.4: snapshots

CHUNK_HEAD = struct.Struct("<4sBBBBIIII")


def chunks(data):
    """The bodies of a stream of chunks, each checked; [(head as a tuple, body)]."""
    found, at, before = [], 0, 0
    while at < len(data):
        need(at + 24 <= len(data), "a chunk's head is cut")
        head = CHUNK_HEAD.unpack_from(data, at)
        magic, form, codec, flags, reserved, seq, body_bytes, plain_bytes, crc = head
        need(magic == b"MSK1" and form == 1 and reserved == 0, f"the head of chunk {seq}")
        need(seq == len(found) and bool(flags & 1) == (seq == 0) and not flags & ~3, f"the order at chunk {seq}")
        body = data[at + 24:at + 24 + body_bytes]
        need(len(body) == body_bytes, f"chunk {seq} is cut")
        need(crc == crc32c(data[at:at + 20] + body, before), f"the checksum of chunk {seq}")
        found.append((head, body))
        before, at = crc, at + 24 + body_bytes
    need(found and found[-1][0][3] & 2, "the last chunk is missing")
    return found


def plain(head, body):
    if head[2] == 0:
        need(head[6] == head[7], "plain bytes of a plain chunk")
        return body
    need(head[2] == 1, f"codec {head[2]}")
    unpacked = subprocess.run(["zstd", "-dcq"], input=body, capture_output=True, check=False).stdout
    need(len(unpacked) == head[7] > head[6], "plain bytes of a compressed chunk")
    return unpacked


def record_of(r):
    need(r.u8() == 1, "the format of a record")
    create, more, version, lease = r.varint(), r.varint(), r.varint(), r.varint()
    return {"create": create, "mod": create + more, "version": version, "lease": lease, "value": r.rest()}


def window(r):
    names = ("member", "added_index", "incarnation", "low_seq")
    found = {name: r.u64() for name in names}
    found["words"] = [r.u64() for _ in range(r.u8())]
    return found


def snapshot(data):
    """Everything in a snapshot, by kind of item."""
    found = {"bindings": [], "windows": [], "leases": {}, "current": {}, "history": [], "changes": []}
    order, count, last = (1, 2, 3, 4, 9, 5, 6, 7, 8), 0, 1
    for head, body in chunks(data):
        items = Reader(plain(head, body))
        while items.at < len(items.data):
            kind, r = items.u8(), Reader(items.bytes())
            need(kind in order and order.index(kind) >= order.index(last), "items out of order")
            count, last = count + 1, kind
            if kind == 1:
                found["header"] = {"index": r.u64(), "term": r.u64(), "config_index": r.u64(), "cluster": r.take(16),
                                   "configuration": configuration(r)}
            elif kind == 2:
                found["bindings"].append((r.u64(), r.u64(), r.take(16)))
            elif kind == 3:
                found["windows"].append(window(r))
            elif kind == 4:
                found.update(revision=r.u64(), compacted=r.u64(), key_count=r.u64())
            elif kind == 9:
                lease = r.u64()
                need(r.u8() == 1, "the format of a lease")
                found["leases"][lease] = tuple(r.varint() for _ in range(4))
            elif kind == 5:
                key = r.bytes()
                found["current"][key] = record_of(r)
            elif kind == 6:
                found["history"].append((r.bytes(), r.varint(), record_of(r)))
            elif kind == 7:
                found["changes"].append((r.u64(), r.u32(), r.u8(), r.varint(), r.rest()))
            else:
                need(kind == 8 and r.u64() == count, "the trailer")
                found["digest"] = f"{r.u64():016x}{r.u64():016x}"
            r.end()
    need("digest" in found and len(found["current"]) == found["key_count"], "trailer or number of keys")
    return found


# ---- changing files with aim

def repaired(data, offset, count, at):
    """data with the checksum at `at`, of the `count` bytes from `offset` on with it as zero, made right."""
    covered = bytearray(data[offset:offset + count])
    covered[at - offset:at - offset + 4] = bytes(4)
    return data[:at] + struct.pack("<I", crc32c(bytes(covered))) + data[at + 4:]


def put_u32(data, offset, value):
    return data[:offset] + struct.pack("<I", value) + data[offset + 4:]


def rewrite(path, change):
    with open(path, "rb") as file:
        data = file.read()
    with open(path, "wb") as file:
        file.write(change(data))


def segment_field(path, offset, raw):
    """Changes bytes of a segment's header; its checksum fits again."""
    rewrite(path, lambda d: repaired(d[:offset] + raw + d[offset + len(raw):], 0, HEADER, 12))


def state_field(path, offset, raw):
    """The same in both slots of a state file."""
    def change(data):
        for slot in (0, 4096):
            if any(data[slot:slot + SECTOR]):
                at = slot + offset
                data = repaired(data[:at] + raw + data[at + len(raw):], slot, SECTOR, slot + 12)
        return data
    rewrite(path, change)


def snapshot_chunks(path, change):
    """Each chunk's head, as a list, and body go through change(head, body); the chain of checksums fits again."""
    def again(data):
        out, before = b"", 0
        for head, body in chunks(data):
            head, body = change(list(head), body)
            raw = CHUNK_HEAD.pack(*head[:-1], 0)[:20]
            before = crc32c(raw + body, before)
            out += raw + struct.pack("<I", before) + body
        return out
    rewrite(path, again)
