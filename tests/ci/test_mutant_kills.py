#!/usr/bin/env python3
"""What ci/mutants says of seeds to a kill: small samples, and runs that were interrupted."""
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, 'ci'))
import mutant_kills  # noqa: E402


def kills_of(*pairs):
    kills = mutant_kills.Kills()
    for seeds, checker in pairs:
        kills.add(seeds, checker)
    return kills


class Percentiles(unittest.TestCase):
    def test_of_twenty_it_is_the_last_but_one(self):
        self.assertEqual(mutant_kills.percentile(range(20, 0, -1), 95), 19)
        self.assertEqual(mutant_kills.percentile(range(1, 22), 95), 20)
        self.assertEqual(mutant_kills.percentile(range(1, 101), 95), 95)

    def test_of_fewer_it_is_the_largest(self):
        for count in range(1, 20):
            self.assertEqual(mutant_kills.percentile(range(1, count + 1), 95), count)

    def test_lower_ones(self):
        self.assertEqual(mutant_kills.percentile([7], 0), 7)
        self.assertEqual(mutant_kills.percentile([1, 2, 3, 4], 50), 2)
        self.assertEqual(mutant_kills.percentile([5, 1, 4, 2, 3], 50), 3)

    def test_the_median_of_an_even_number_is_between(self):
        self.assertEqual(kills_of((1, 'K1'), (4, 'K1')).median(), 2.5)


class Gathered(unittest.TestCase):
    def test_a_search_that_was_interrupted_goes_on(self):
        kills = kills_of((300, '-'), (200, '-'), (12, 'K7'), (3, 'K7'), (40, '-'))
        self.assertEqual(kills.seeds, [512, 3])
        self.assertEqual(kills.open, 40)
        self.assertEqual(kills.describe(20), '257.5 / 512 (2) K7')

    def test_who_found_it_most_often_comes_first(self):
        kills = kills_of((1, 'K8'), (2, 'K3'), (3, 'K3'))
        self.assertEqual(kills.describe(3), '2 / 3 K3 K8')

    def test_what_is_longer_than_any_kill_is_told(self):
        self.assertEqual(kills_of((5, 'K1'), (6, '-')).describe(20), '5 / 5 (1) +6 K1')
        self.assertEqual(kills_of((5, 'K1'), (5, '-')).describe(20), '5 / 5 (1) K1')
        self.assertEqual(kills_of((900, '-')).describe(20), 'no kill in 900')

    def test_the_rare(self):
        self.assertFalse(kills_of().is_rare(1000))
        self.assertFalse(kills_of((1000, 'K1'), (1000, '-')).is_rare(1000))
        self.assertTrue(kills_of((1001, 'K1')).is_rare(1000))
        self.assertTrue(kills_of((1, 'K1'), (1001, '-')).is_rare(1000))
        twenty = [(1, 'K1')] * 19
        self.assertFalse(kills_of((5000, 'K1'), *twenty).is_rare(1000))
        self.assertTrue(kills_of((5000, 'K1'), (5000, 'K1'), *twenty[1:]).is_rare(1000))

    def test_cost(self):
        self.assertEqual(kills_of().seeds_a_kill(), 1)
        self.assertGreater(kills_of((900, '-')).seeds_a_kill(), kills_of((900, 'K1'), (1, 'K1')).seeds_a_kill())


class Files(unittest.TestCase):
    def test_what_is_appended_is_read(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'below', 'kills.tsv')
            self.assertEqual(mutant_kills.read(path), {})
            mutant_kills.append(path, 'a', 'x', {9: 'K2', 4: 'K1'}, 10)
            mutant_kills.append(path, 'b', 'y', {}, 7)
            mutant_kills.append(path, 'a', 'x', {2: 'K1'}, 2)
            mutant_kills.append(path, 'a', 'changed', {1: 'K1'}, 1)
            known = mutant_kills.read(path)
            self.assertEqual(known['a', 'x'].seeds, [4, 5, 3])
            self.assertEqual(known['a', 'x'].checkers, ['K1', 'K2', 'K1'])
            self.assertEqual(known['a', 'x'].open, 0)
            self.assertEqual((known['b', 'y'].seeds, known['b', 'y'].open), ([], 7))
            self.assertEqual(known['a', 'changed'].seeds, [1])

    def test_what_is_kept_is_a_line_a_mutant(self):
        with tempfile.TemporaryDirectory() as folder:
            kept, added = os.path.join(folder, 'kept.tsv'), os.path.join(folder, 'added.tsv')
            mutant_kills.append(added, 'b', 'y', {4: 'K1'}, 10)
            mutant_kills.append(added, 'a', 'of before', {1: 'K1'}, 1)
            mutant_kills.append(added, 'gone', 'x', {1: 'K1'}, 1)
            mutant_kills.keep(kept, added, {'a': 'x', 'b': 'y', 'c': 'z'})
            mutant_kills.append(added, 'b', 'y', {3: 'K2'}, 4)
            mutant_kills.append(added, 'a', 'x', {}, 2)
            mutant_kills.keep(kept, added, {'a': 'x', 'b': 'y', 'c': 'z'})
            mutant_kills.keep(kept, added, {'a': 'x', 'b': 'y', 'c': 'z'})
            with open(kept, encoding='utf-8') as file:
                self.assertEqual(file.read(), 'a\tx\t-:2\nb\ty\tK1:4 K2:9 -:1\n')


if __name__ == '__main__':
    unittest.main()
