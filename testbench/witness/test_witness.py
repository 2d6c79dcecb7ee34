"""The generator, the plan, the comparison, the shrinker and the demands on coverage, without QEMU and without the model."""
import contextlib
import io
import random
import unittest

import report
import witness
from cases import make_case, width_of
from differences import TABLE, FaultLog, QemuIotlb
from layout import TABLE_FRAMES, is_ram
from outcome import Outcome, fault
from plan import Observation, make_plan
from shrink import shrink

SOME_SEEDS = range(1, 300)


class Generator(unittest.TestCase):
    def test_a_seed_is_a_case(self):
        for seed in SOME_SEEDS:
            self.assertEqual(make_case(seed), make_case(seed))
            self.assertEqual(make_case(seed)["width"], width_of(seed))
        self.assertNotEqual(make_case(1), make_case(2))

    def test_tables_lie_in_the_frames_meant_for_them(self):
        for seed in SOME_SEEDS:
            for address, value in make_case(seed)["words"]:
                self.assertIn(address & ~0xFFF, TABLE_FRAMES)
                self.assertTrue(is_ram(address, 8) and 0 <= value < 1 << 64)
        self.assertTrue(all(frame % 0x200000 for frame in TABLE_FRAMES))

    def test_dmas_fit(self):
        for seed in SOME_SEEDS:
            for op in make_case(seed)["ops"]:
                if op[0] == "dma":
                    _, _, _, address, length = op
                    self.assertTrue(0 <= address and 1 <= length <= 256 and address + length <= 1 << 64)

    def test_most_dmas_are_comparable(self):
        plans = [make_plan(make_case(seed)) for seed in SOME_SEEDS]
        self.assertGreater(sum(plan.dmas for plan in plans), 5 * sum(plan.skipped for plan in plans))


def small_case(ops, **changes):
    """Page 0x1000 of requester 0020 is mapped to 0x03001000, read-only."""
    words = {0x02101000: 0x02102001, 0x02102200: 0x02103001, 0x02102208: 0x0701, 0x02103000: 0x02104003, 0x02104000: 0x02105003,
             0x02105008: 0x03001001}
    case = {"width": 39, "queued": False, "small_caches": False, "root_table": 0x02101000, "words": sorted(words.items()), "ops": ops}
    return {**case, **changes}


READ, WRITE = ("dma", 0x20, False, 0x1000, 4), ("dma", 0x20, True, 0x1000, 4)


class Plans(unittest.TestCase):
    def shown(self, case, what):
        return [(o.model, o.witness, o.difference) for o in make_plan(case).observations if o.what == what]

    def test_fault_record(self):
        # 6.4: F 63, T1 62 (read), FR 39:32, SID 15:0. QEMU leaves FFFFh in PV.
        record = self.shown(small_case([("dma", 0x20, False, 0x5678, 4)]), "FRCD_HI")
        self.assertEqual(record, [(0xC000000600000020, 0xC0FFFF0600000020, "fault-record-pasid")])
        self.assertEqual(self.shown(small_case([("dma", 0x20, False, 0x5678, 4)]), "FRCD_LO"), [(0x5000, 0x5000, "")])

    def test_permission_fault_on_a_cached_page(self):
        self.assertEqual(self.shown(small_case([READ, WRITE]), "FSTS")[1], (2, 0, "iotlb-permission"))
        self.assertEqual(self.shown(small_case([WRITE]), "FSTS")[0], (2, 2, ""))
        flushed = small_case([READ, ("invalidate_iotlb", 3, 7, 0x1000, 0, 0, 0), WRITE])
        self.assertEqual(self.shown(flushed, "FSTS")[1], (2, 2, ""))

    def test_collapsing(self):
        self.assertEqual(self.shown(small_case([WRITE, WRITE]), "FSTS")[1], (3, 2, "fault-collapse"))
        other = ("dma", 0x21, True, 0x1000, 4)
        self.assertEqual(self.shown(small_case([WRITE, other]), "FSTS")[1], (3, 3, ""))

    def test_undetermined_dma_is_left_out(self):
        change = ("entry", 0x02105008, 0x03002001)
        plan = make_plan(small_case([READ, change, READ, ("invalidate_iotlb", 2, 7, 0, 0, 0, 0), READ]))
        self.assertEqual((plan.dmas, plan.skipped), (2, 1))

    def test_queue_and_registers_are_programmed_differently(self):
        ops = [("invalidate_iotlb", 3, 7, 0x1000, 5, 1, 3)]
        registers = make_plan(small_case(ops)).commands
        self.assertIn(("write", "IVA", 8, 0x1045), registers)
        self.assertIn(("write", "IOTLB", 8, 0xB003000700000000), registers)
        queue = make_plan(small_case(ops, queued=True)).commands
        descriptor = (0x000700F2).to_bytes(8, "little") + (0x1045).to_bytes(8, "little")
        self.assertIn(descriptor, [command[2] for command in queue if command[0] == "store"])

    def test_memory_is_put_back(self):
        case = small_case([("entry", 0x02105008, 0x03001003), WRITE])
        case["words"] = [word for word in case["words"] if word[0] != 0x02105008]
        plan = make_plan(case)
        self.assertEqual((plan.dmas, plan.skipped), (1, 0))
        self.assertIn(("zero", 0x02105000, 4096), plan.commands)
        self.assertEqual([command[1] for command in plan.commands if command[0] == "store"][-1], 0x03001000)


class Differences(unittest.TestCase):
    def test_every_entry_is_met_by_some_case(self):
        met = set()
        for seed in range(1, 2000):
            met |= {o.difference for o in make_plan(make_case(seed)).observations if o.model != o.witness}
            if met == set(TABLE):
                return
        self.assertEqual(met, set(TABLE))

    def test_iotlb_of_qemu(self):
        iotlb = QemuIotlb()
        mapped = Outcome(target=0x3000000, level=2, permissions=1, domain=7)
        self.assertFalse(iotlb.access(0x20, 0x201000, False, mapped))
        self.assertTrue(iotlb.access(0x20, 0x3FFFFF, True, fault(0x05)))
        self.assertFalse(iotlb.access(0x21, 0x3FFFFF, True, fault(0x05)))
        iotlb.invalidate(3, 6, 0x200000, 9)
        self.assertTrue(iotlb.access(0x20, 0x200000, True, fault(0x05)))
        iotlb.invalidate(3, 7, 0x2FF000, 0)  # some page inside the large one
        self.assertFalse(iotlb.access(0x20, 0x200000, True, fault(0x05)))

    def test_fault_log(self):  # 6.5, 1.7
        log = FaultLog(39)
        self.assertTrue(log.record(0x20, 0x1234567890, False, fault(0x06)))
        self.assertEqual((log.low, log.high, log.fsts(), log.fectl()), (0x1234567000, 0xC000000600000020, 2, 3 << 30))
        self.assertFalse(log.record(0x20, 0, False, fault(0x06)))
        self.assertEqual(log.fsts(), 3)
        log.clear(True, False)
        self.assertEqual((log.fsts(), log.fectl()), (1, 3 << 30))
        self.assertFalse(log.record(0x20, 0, False, fault(0x06)))
        log.clear(False, True)
        self.assertEqual((log.fsts(), log.fectl()), (0, 1 << 31))


class Comparison(unittest.TestCase):
    class FakePlan:
        observations = [Observation("FSTS", 0, 2, 2, ""), Observation("FRCD_HI", 0, 5, 7, "fault-record-pasid")]

    def test_agreement(self):
        problem, met = witness.compare(self.FakePlan, [2, 5], [2, 7])
        self.assertIsNone(problem)
        self.assertEqual(met, {"fault-record-pasid": 1})

    def test_each_kind_of_disagreement(self):
        for model, qemu in (([3, 5], [2, 7]), ([2, 5], [3, 7]), ([3, 5], [3, 7]), ([2, 7], [2, 7]), ([2, 5], [2, 5]), ([2, 7], [2, 5])):
            with self.subTest(model=model, qemu=qemu):
                self.assertIsNotNone(witness.compare(self.FakePlan, model, qemu)[0])


class Shrinking(unittest.TestCase):
    def test_finds_the_ops_and_words_that_matter(self):
        case = make_case(3)
        random.Random(1).shuffle(case["ops"])
        needed = ("dma", 0x500, True, 0x123456, 256)
        case["ops"].insert(len(case["ops"]) // 2, needed)
        word = case["words"][len(case["words"]) // 2]
        bit = word[1] & -word[1]

        def fails(smaller):
            return any(op[0] == "dma" and op[3] == 0x123456 for op in smaller["ops"]) and any(
                address == word[0] and value & bit for address, value in smaller["words"])

        minimal = shrink(case, fails)
        self.assertEqual(minimal["ops"], [("dma", 0x500, True, 0x123456, 1)])
        self.assertEqual(minimal["words"], [(word[0], bit)])

    def test_keeps_to_its_budget(self):
        trials = []
        shrink(make_case(5), lambda case: trials.append(case) or False, budget=7)
        self.assertEqual(len(trials), 7)

    def test_any_part_of_a_case_is_a_case(self):
        rng = random.Random(7)
        for seed in range(1, 60):
            case = make_case(seed)
            part = {**case, "ops": [op for op in case["ops"] if rng.random() < 0.5],
                    "words": [word for word in case["words"] if rng.random() < 0.7]}
            make_plan(part)


class Coverage(unittest.TestCase):
    def totals(self, cases, faulted):
        totals = witness.Totals()
        totals.cases, totals.faulted = cases, faulted
        return totals

    def missing(self, totals):
        with contextlib.redirect_stdout(io.StringIO()):
            return report.print_totals(totals)

    def test_demanded_of_large_runs_only(self):
        self.assertEqual(self.missing(self.totals(1999, 0)), [])
        missing = self.missing(self.totals(2000, 590))
        self.assertIn("29.5% of the cases fault, 30% are demanded", missing[0])
        self.assertIn("0Eh output in the interrupt range: 0 times, 20 are demanded", missing)
        self.assertIn("translated, 1 GiB: 0 times, 20 are demanded", missing)

    def test_met(self):
        totals = self.totals(2000, 600)
        self.assertNotIn("%", " ".join(self.missing(totals)))

    def test_shares(self):
        seeds = range(10, 3010)
        for jobs in (1, 2, 3, 4):
            shares = witness.shares(seeds, jobs)
            self.assertEqual(sorted(sum(shares, [])), list(seeds))
            if jobs > 1:
                self.assertTrue(all(len({width_of(seed) for seed in share}) == 1 for share in shares))

    def test_wrong_usage(self):
        for arguments in (["--server", "/nonexistent"], ["--server", "/bin/true", "--cases", "0"],
                          ["--server", "/bin/true", "--jobs", "-1"], []):
            with self.subTest(arguments=arguments):
                with self.assertRaises(SystemExit) as caught, contextlib.redirect_stderr(io.StringIO()):
                    witness.parse(arguments)
                self.assertEqual(caught.exception.code, 2)


if __name__ == "__main__":
    unittest.main()
