"""Is a history of one register linearizable? Puts of unique values, deletes, and reads, as clients saw them.

The search is Lowe's just-in-time linearization ("Testing for linearizability", 2017): events in the order of
time, and at each the set of all states in which the register may be. Three things keep that set small, and
none of them makes the answer another one:

  - a put of which nobody knows what became of it, and whose value nobody read, may as well not have happened;
    if somebody read it, it happened before the first of those reads ended. So no put stays open for ever;
  - deletes of which nobody knows what became of them are all alike: what counts is how many are left;
  - a read that fits the state is taken at once, as it changes nothing.
"""

from collections import namedtuple

PUT, DELETE, GET = "put", "delete", "get"
NEVER = float("inf")

# value: what was put or read, None for absent. ended: NEVER if nobody knows what became of it.
Op = namedtuple("Op", "kind value begun ended")

CONFIGURATIONS_MAX = 200_000


class Undecided(Exception):
    """The search grew beyond its bound: the history is no answer, for or against."""


def bounded(ops):
    """The same question without puts that stay open: (ops, None), or (ops, what is wrong with one)."""
    first_read = {}
    for op in ops:
        if op.kind == GET and op.value is not None:
            first_read[op.value] = min(first_read.get(op.value, NEVER), op.ended)
    known, seen = [], set()
    for op in ops:
        if op.kind == GET and op.ended == NEVER:
            continue  # a read without an answer says nothing
        if op.kind == PUT:
            if op.value in seen:
                raise ValueError(f"put twice: {op.value!r}")
            seen.add(op.value)
            if op.ended == NEVER:
                if op.value not in first_read:
                    continue
                if first_read[op.value] < op.begun:
                    return known, f"read before it was written: {op}"
                op = op._replace(ended=first_read[op.value])
        known.append(op)
    return known, None


def events_of(ops):
    """(time, is_end, number): at one time, what begins is before what ends: they may overlap."""
    events = []
    for number, op in enumerate(ops):
        events.append((op.begun, 0, number))
        if op.ended != NEVER:
            events.append((op.ended, 1, number))
    return sorted(events)


def settle(state, done, ops, is_open):
    """Takes the open reads that fit the state."""
    fits = [n for n in is_open if n not in done and ops[n].kind == GET and ops[n].value == state]
    return done.union(fits) if fits else done


def closure(configurations, number, ops, is_open):
    """All configurations reached from these by taking open operations until number is taken. Of two that
    differ only in the deletes left, the one with more is as good as both."""
    reached, todo = {}, list(configurations.items())
    seen = dict(configurations)
    while todo:
        (state, done), left = todo.pop()
        if seen.get((state, done), -1) > left:
            continue
        if number in done:
            key = (state, done - {number})
            reached[key] = max(reached.get(key, -1), left)
            continue
        nexts = [(ops[n].value if ops[n].kind == PUT else None, done | {n}, left)
                 for n in is_open if n not in done and ops[n].kind != GET]
        if left and state is not None:
            nexts.append((None, done, left - 1))
        for state_after, done_after, left_after in nexts:
            key = (state_after, settle(state_after, done_after, ops, is_open))
            if left_after > seen.get(key, -1):
                seen[key] = left_after
                todo.append((key, left_after))
        if len(seen) > CONFIGURATIONS_MAX:
            raise Undecided(f"{len(seen)} configurations at {ops[number]}")
    return reached


def violation(history, initial=None):
    """None if the history of one key is linearizable, else a text that says where it is not."""
    ops, wrong = bounded(history)
    if wrong:
        return wrong
    is_open = set()
    configurations = {(initial, frozenset()): 0}  # state, open operations taken: deletes left
    for _, is_end, number in events_of(ops):
        op = ops[number]
        if is_end:
            after = closure(configurations, number, ops, is_open)
            if not after:
                states = sorted({str(state) for state, _ in configurations})
                return f"{op} fits nowhere; the state may have been {states[:8]}; near it: {near(ops, op)}"
            is_open.discard(number)
            configurations = after
        elif op.ended == NEVER:  # a delete
            configurations = {key: left + 1 for key, left in configurations.items()}
        else:
            is_open.add(number)
            settled = {}
            for (state, done), left in configurations.items():
                key = (state, settle(state, done, ops, is_open))
                settled[key] = max(settled.get(key, -1), left)
            configurations = settled
    return None


def near(ops, op, count=12):
    """The operations that were under way or ended shortly before op ended."""
    before = sorted((o for o in ops if o.begun <= op.ended), key=lambda o: o.ended)
    return before[-count:]
