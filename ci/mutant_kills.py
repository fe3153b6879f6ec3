"""Kills of mutants, gathered over many runs (ci/mutants): how many fresh seeds each has taken.

A line is a hunt, tab between: the mutant, the mark of what it does (Mutant.mark), and its kills, "K7:3 K8:5": the
checker, and the seeds since the kill before. A hunt that ended without a kill ends with "-:12": these seeds count for
the kill that comes next, so that nothing is lost, and nothing looks better, where time was up. Hunts are appended;
files of several machines make one, one behind the other. keep() makes one line of all hunts of a mutant.
"""
import math
import os
import statistics

NOBODY = '-'


def percentile(values, percent):
    """Nearest rank: the least value that so many of a hundred do not exceed. Of fewer than 20, p95 is the largest."""
    return sorted(values)[max(1, math.ceil(len(values) * percent / 100)) - 1]


class Kills:
    """What is known of one mutant."""

    def __init__(self):
        self.seeds = []  # that each kill took
        self.checkers = []  # that made it
        self.open = 0  # seeds since the last one

    def add(self, seeds, checker):
        self.open += seeds
        if checker == NOBODY:
            return
        self.seeds.append(self.open)
        self.checkers.append(checker)
        self.open = 0

    def line(self):
        kills = [f'{checker}:{seeds}' for seeds, checker in zip(self.seeds, self.checkers)]
        return ' '.join(kills + ([f'{NOBODY}:{self.open}'] if self.open else []))

    def seeds_a_kill(self):
        """The mean, as if the next seed were a kill; of nothing, 1."""
        return (sum(self.seeds) + self.open + 1) / (len(self.seeds) + 1)

    def median(self):
        return statistics.median(self.seeds)

    def p95(self):
        return percentile(self.seeds, 95)

    def is_rare(self, limit):
        """It takes more than limit seeds, or looks as if: the search that is not over counts as far as it has come."""
        return max(self.open, self.p95() if self.seeds else 0) > limit

    def describe(self, wanted):
        """For a table: median, p95, how many kills if fewer than wanted, who found it, the most frequent first."""
        if not self.seeds:
            return f'no kill in {self.open}'
        count = f' ({len(self.seeds)})' if len(self.seeds) < wanted else ''
        more = f' +{self.open}' if self.open > self.p95() else ''
        who = sorted(set(self.checkers), key=lambda c: (-self.checkers.count(c), c))
        return f'{self.median():g} / {self.p95()}{count}{more} {" ".join(who)}'


def parse(hunt):
    """Yields (seeds, checker)."""
    for kill in hunt.split():
        checker, seeds = kill.split(':')
        yield int(seeds), checker


def read(*paths):
    """{(name, mark): Kills}; of a file that is not there, nothing."""
    known = {}
    for path in filter(os.path.exists, paths):
        with open(path, encoding='utf-8') as file:
            for line in file:
                name, mark, hunt = line.rstrip('\n').split('\t')
                for seeds, checker in parse(hunt):
                    known.setdefault((name, mark), Kills()).add(seeds, checker)
    return known


def append(path, name, mark, found, looked_at):
    """found: {number of the seed, from 1: checker} of a hunt over the seeds 1 to looked_at, all of them run."""
    hunt = Kills()
    before = 0
    for number in sorted(found):
        hunt.add(number - before, found[number])
        before = number
    hunt.open = looked_at - before
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'a', encoding='utf-8') as file:
        file.write(f'{name}\t{mark}\t{hunt.line()}\n')


def keep(path, added, marks):
    """Move the hunts of the file added into path: a line a mutant, of what is still in marks, {name: mark}."""
    known = read(path, added)
    with open(path + '.new', 'w', encoding='utf-8') as file:
        for name, mark in sorted(marks.items()):
            if (name, mark) in known:
                file.write(f'{name}\t{mark}\t{known[name, mark].line()}\n')
    os.replace(path + '.new', path)
    if os.path.exists(added):
        os.remove(added)
