#!/usr/bin/env python3
"""What ci/nightly makes of seeds that fail: told, counted, and gone on behind. Its simulator here is a few lines."""
import contextlib
import importlib.machinery
import importlib.util
import io
import os
import sys
import tempfile
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.dont_write_bytecode = True
loader = importlib.machinery.SourceFileLoader('nightly', os.path.join(ROOT, 'ci', 'nightly'))
nightly = importlib.util.module_from_spec(importlib.util.spec_from_loader('nightly', loader))
loader.exec_module(nightly)

SIM = """#!/usr/bin/env python3
import sys
given = dict(option[2:].split('=') for option in sys.argv[1:] if '=' in option)
start, count = int(given['start']), int(given['seeds'])
for seed in (105, 109):
    if start <= seed < start + count:
        print(f'sim: FAIL safety seed={seed} time=5ms checker=K7 events=2 ; again: build/sim --seed={seed}')
        sys.exit(10)
sys.exit(14 if start == 200 else 0)
"""


class Nights(unittest.TestCase):
    def run_night(self, batches):
        with tempfile.TemporaryDirectory() as folder:
            nightly.SIM, nightly.OUT = os.path.join(folder, 'sim'), folder
            with open(nightly.SIM, 'w', encoding='utf-8') as file:
                file.write(SIM)
            os.chmod(nightly.SIM, 0o755)
            night, said = nightly.Night(batches, 2), io.StringIO()
            with contextlib.redirect_stdout(said):
                status = night.run()
            return night, status, said.getvalue()

    def test_one_that_passes(self):
        night, status, _ = self.run_night([nightly.Batch('default', None, 0, 100)])
        self.assertEqual((status, night.seeds, night.failures), (0, {'default': 100}, []))

    def test_a_finding_does_not_hide_the_next(self):
        night, status, said = self.run_night([nightly.Batch('mixed', 'mixed', 100, 20)])
        self.assertEqual((status, night.seeds, len(night.failures)), (1, {'mixed': 18}, 2))
        self.assertIn('seed=105 ', said)
        self.assertIn('--seed=109', said)

    def test_what_batches_under_way_have_done_is_told(self):
        with tempfile.NamedTemporaryFile('w', encoding='utf-8') as log:
            log.write('sim: seeds from 3 on\nsim: 3 seeds, 639 events/s\nsim: 61 seeds, 756 events/s\n')
            log.flush()
            night = nightly.Night([], 1)
            self.assertNotIn('under way', night.line())
            night.logs.add(log.name)
            self.assertIn(' and 61 of batches under way', night.line())

    def test_another_end_is_told(self):
        night, status, said = self.run_night([nightly.Batch('default', None, 200, 10)])
        self.assertEqual((status, len(night.failures)), (1, 1))
        self.assertIn('ended with 14', said)


class Plans(unittest.TestCase):
    def test_each_seed_once_and_shares_kept(self):
        batches, at = nightly.plan(100000, 7), 7
        for batch in batches:
            self.assertEqual(batch.start, at)
            at += batch.count
        self.assertEqual(at, 100007)
        for name, _, share in nightly.STORAGES:
            seeds = sum(batch.count for batch in batches if batch.name == name)
            self.assertLess(abs(seeds - share * 1000), nightly.BATCH)

    def test_only_whole_drawn_batches_have_to_reach_all(self):
        batch = nightly.Batch('default', None, 0, nightly.BATCH)
        self.assertNotIn('--rare-from=0', batch.command(0, nightly.BATCH))
        self.assertIn('--rare-from=0', batch.command(5, nightly.BATCH - 5))
        self.assertIn('--rare-from=0', nightly.Batch('mixed', 'mixed', 0, 500).command(0, 500))


if __name__ == '__main__':
    unittest.main()
