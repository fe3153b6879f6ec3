#!/usr/bin/env python3
"""The checker of registers, held to histories whose answer is known, and to a search through all orders."""

import itertools
import os
import random
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from linear import DELETE, GET, NEVER, PUT, Op, violation  # noqa: E402


def put(value, begun, ended=NEVER):
    return Op(PUT, value, begun, ended)


def delete(begun, ended=NEVER):
    return Op(DELETE, None, begun, ended)


def get(value, begun, ended):
    return Op(GET, value, begun, ended)


GOOD = {
    "nothing": [],
    "absent at first": [get(None, 0, 1)],
    "one behind the other": [put("a", 0, 1), get("a", 2, 3), delete(4, 5), get(None, 6, 7)],
    "a read beside a put sees the old": [put("a", 0, 1), put("b", 2, 9), get("a", 3, 4)],
    "a read beside a put sees the new": [put("a", 0, 1), put("b", 2, 9), get("b", 3, 4), get("b", 5, 6)],
    "two puts beside each other, either is last": [put("a", 0, 9), put("b", 0, 9), get("a", 10, 11)],
    "a put without an answer that never happened": [put("a", 0, 1), put("b", 2), get("a", 3, 4)],
    "a put without an answer that happened late": [put("a", 0, 1), put("b", 2), get("a", 3, 4), get("b", 5, 6)],
    "a put without an answer behind another put": [put("b", 0), put("a", 1, 2), get("a", 3, 4), get("b", 5, 6)],
    "a delete without an answer that happened late": [put("a", 0, 1), delete(2), get("a", 3, 4), get(None, 5, 6)],
    "two such deletes, two losses": [delete(0), delete(0), put("a", 1, 2), get(None, 3, 4), put("b", 5, 6),
                                     get(None, 7, 8)],
    "put, delete and reads at once": [put("a", 0, 9), delete(0, 9), get("a", 1, 2), get(None, 3, 4)],
}

BAD = {
    "a put is lost": [put("a", 0, 1), get(None, 2, 3)],
    "an old value": [put("a", 0, 1), put("b", 2, 3), get("a", 4, 5)],
    "the old after the new": [put("a", 0, 1), put("b", 2, 9), get("b", 3, 4), get("a", 5, 6)],
    "a value nobody wrote": [get("x", 0, 1)],
    "a value from the future": [get("a", 0, 1), put("a", 2, 3)],
    "a value from the future, without an answer": [get("a", 0, 1), put("a", 2)],
    "a delete is lost": [put("a", 0, 1), delete(2, 3), get("a", 4, 5)],
    "a delete without an answer counts twice": [delete(0), put("a", 1, 2), get(None, 3, 4), put("b", 5, 6),
                                                get(None, 7, 8)],
    "a delete that had not begun": [put("a", 0, 1), get(None, 2, 3), delete(4)],
    "two readers, two orders": [put("a", 0, 9), put("b", 0, 9), get("a", 10, 11), get("b", 12, 13)],
    "a put without an answer undone": [put("a", 0, 1), put("b", 2), get("b", 3, 4), get("a", 5, 6)],
    "a put without an answer happens twice": [put("b", 0), get("b", 1, 2), put("a", 3, 4), get("b", 5, 6)],
    "back and forth": [put("a", 0, 1), put("b", 2, 20), get("a", 3, 4), get("b", 5, 6), get("a", 7, 8)],
}


def fits(order, state=None):
    for op in order:
        if op.kind == GET:
            if op.value != state:
                return False
        else:
            state = op.value
    return True


def in_time(order):
    return not any(later.ended < earlier.begun for earlier, later in itertools.combinations(order, 2))


def by_all_orders(ops):
    """True if some order of all that ended, and some of what did not, explains it."""
    ended = [op for op in ops if op.ended != NEVER]
    unknown = [op for op in ops if op.ended == NEVER and op.kind != GET]
    for count in range(len(unknown) + 1):
        for happened in itertools.combinations(unknown, count):
            for order in itertools.permutations(ended + list(happened)):
                if in_time(order) and fits(order):
                    return True
    return False


def some_history(rand):
    """Up to six operations of a register that works, mostly; in some the answer of a read is another one."""
    ops, values = [], ["a", "b", "c"]
    for _ in range(rand.randint(1, 6)):
        begun = rand.randint(0, 12)
        ended = NEVER if rand.random() < 0.25 else begun + rand.randint(1, 8)
        kind = rand.choice((PUT, PUT, DELETE, GET, GET, GET))
        if kind == PUT and not values:
            kind = DELETE
        if kind == PUT:
            ops.append(put(values.pop(0), begun, ended))
        elif kind == DELETE:
            ops.append(delete(begun, ended))
        else:
            ops.append(get(rand.choice((None, "a", "b", "c")), begun, begun + rand.randint(1, 8)))
    return ops


def main():
    wrong = 0
    for name, ops in GOOD.items():
        for rotated in range(max(1, len(ops))):  # the order in which they are given does not matter
            said = violation(ops[rotated:] + ops[:rotated])
            if said:
                print(f"FAIL good history '{name}': {said}")
                wrong += 1
    for name, ops in BAD.items():
        if not violation(ops):
            print(f"FAIL bad history '{name}' passes")
            wrong += 1
    counts = {True: 0, False: 0}
    for seed in range(4000):
        ops = some_history(random.Random(seed))
        expected, said = by_all_orders(ops), violation(ops)
        counts[expected] += 1
        if expected != (said is None):
            print(f"FAIL history of seed {seed}: all orders say {expected}, the checker {said}: {ops}")
            wrong += 1
    if min(counts.values()) < 500:
        print(f"FAIL the histories are of one kind: {counts}")
        wrong += 1
    print(f"{len(GOOD) + len(BAD)} histories by hand, {counts[True]} good and {counts[False]} bad by chance: "
          f"{wrong} wrong answers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
