"""Kills of mutants, gathered over many runs (ci/mutants): how many fresh seeds each has taken.

A file has a line a kill, tab between: the mutant, the mark of what it does (Mutant.mark), the seeds since the kill
before it, the checker. A hunt that ended without a kill leaves a line with NOBODY for the checker: its seeds count for
the kill that comes next, so that nothing is lost, and nothing looks better, where time was up. Lines are only ever
appended; files of several machines make one, one behind the other.
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


def read(path):
    """{(name, mark): Kills}; of a file that is not there, nothing."""
    known = {}
    if not os.path.exists(path):
        return known
    with open(path, encoding='utf-8') as file:
        for line in file:
            name, mark, seeds, checker = line.rstrip('\n').split('\t')
            known.setdefault((name, mark), Kills()).add(int(seeds), checker)
    return known


def append(path, name, mark, found, looked_at):
    """found: {number of the seed, from 1: checker} of a hunt over the seeds 1 to looked_at, all of them run."""
    before, lines = 0, []
    for number in sorted(found):
        lines.append((number - before, found[number]))
        before = number
    if looked_at > before:
        lines.append((looked_at - before, NOBODY))
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'a', encoding='utf-8') as file:
        file.writelines(f'{name}\t{mark}\t{seeds}\t{checker}\n' for seeds, checker in lines)
