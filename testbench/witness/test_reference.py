"""The planning model against literals of the VT-d fact sheet, and what it takes for determined."""
import unittest

from layout import HOLE_LOW
from outcome import NOT_COMPARABLE, Outcome, fault
from reference import Reference

ROOT, CONTEXTS, TOP, MIDDLE, BOTTOM = 0x02101000, 0x02102000, 0x02103000, 0x02104000, 0x02105000
PAGE = 0x03001000
SID = 0x0020  # 00:04.0
ENTRY = CONTEXTS + 16 * SID
DOMAIN = 7


def three_levels(**changes):
    """Input page 0x40201000 of domain 7 is mapped read-write to PAGE by 3 levels: indices 1, 1, 1."""
    words = {ROOT: CONTEXTS | 1, ENTRY: TOP | 1, ENTRY + 8: DOMAIN << 8 | 1, TOP + 8: MIDDLE | 3, MIDDLE + 8: BOTTOM | 3,
             BOTTOM + 8: PAGE | 3}
    words.update({int(key[1:], 16): value for key, value in changes.items()})
    return Reference(39, ROOT, words)


def at(address, value):
    return {f"x{address:x}": value}


class Walks(unittest.TestCase):
    def one(self, reference, address=0x40201234, write=False, sid=SID):
        outcomes = reference.outcomes(sid, address, write)
        self.assertEqual(len(outcomes), 1)
        return next(iter(outcomes))

    def code(self, *arguments, **changes):
        return self.one(three_levels(**changes), *arguments).code

    def test_mapping(self):
        self.assertEqual(self.one(three_levels()), Outcome(target=PAGE + 0x234, level=1, permissions=3, domain=DOMAIN))

    def test_reasons(self):  # 6.2, 7.1
        self.assertEqual(self.code(**at(ROOT, CONTEXTS)), 0x01)
        self.assertEqual(self.code(**at(ENTRY, TOP)), 0x02)
        self.assertEqual(self.code(**at(ENTRY, TOP | 5)), 0x03)
        self.assertEqual(self.code(**at(ENTRY + 8, 2)), 0x03)
        self.assertEqual(self.code(**at(ENTRY, HOLE_LOW | 1)), 0x03)
        self.assertEqual(self.code(1 << 39), 0x04)
        self.assertEqual(self.code(0x40201234, True, **at(BOTTOM + 8, PAGE | 1)), 0x05)
        self.assertEqual(self.code(**at(MIDDLE + 8, BOTTOM | 2)), 0x06)
        self.assertEqual(self.code(**at(TOP + 8, HOLE_LOW | 3)), 0x07)
        self.assertEqual(self.one(Reference(39, HOLE_LOW, {})).code, 0x08)
        self.assertEqual(self.code(**at(ROOT, HOLE_LOW | 1)), 0x09)
        self.assertEqual(self.code(**at(ROOT + 8, 1)), 0x0A)
        self.assertEqual(self.code(**at(ENTRY + 8, 1 << 7 | 1)), 0x0B)
        self.assertEqual(self.code(**at(BOTTOM + 8, PAGE | 1 << 62 | 3)), 0x0C)
        self.assertEqual(self.code(**at(BOTTOM + 8, 0xFEE00003)), 0x0E)
        self.assertEqual(self.code(0xFEE00000), 0x29)

    def test_table_in_device_registers(self):
        self.assertEqual(self.one(three_levels(**at(TOP + 8, 0xFEC00003))), NOT_COMPARABLE)

    def test_order_on_one_entry(self):
        # A missing permission comes before a reserved bit (2.6), the root's P before its reserved bits (7.1).
        self.assertEqual(self.code(**at(BOTTOM + 8, PAGE | 1 << 62 | 2)), 0x06)
        self.assertEqual(self.code(**at(ROOT, 0xFFE)), 0x01)

    def test_fault_processing_disable(self):  # 6.3
        self.assertEqual(self.one(three_levels(**at(ENTRY, 2))), fault(0x02, False))
        self.assertFalse(self.one(three_levels(**at(ENTRY, TOP | 3), **at(TOP + 8, 0))).recorded)

    def test_large_pages(self):  # 2.4
        self.assertEqual(self.one(three_levels(**at(MIDDLE + 8, 0x08000083))).target, 0x08001234)
        self.assertEqual(self.one(three_levels(**at(TOP + 8, 0x40000083))).target, 0x40201234)
        self.assertEqual(self.code(**at(TOP + 8, 0x40200083)), 0x0C)

    def test_pass_through(self):
        words = at(ENTRY, 9)
        self.assertEqual(self.one(three_levels(**words)).target, 0x40201234)
        beyond = self.one(three_levels(**words), 1 << 39)
        self.assertEqual((beyond.code, beyond.difference), (0x04, "pass-through-width"))

    def test_known_differences(self):
        self.assertEqual(self.one(three_levels(**at(ENTRY, TOP | 1 << 4 | 3))).witness, fault(0x0B))
        self.assertEqual(self.one(three_levels(**at(ENTRY, 1 << 40 | 9))).witness, fault(0x0B))
        self.assertEqual(self.one(three_levels(**at(MIDDLE + 8, (1 << 64) - 1))).witness, fault(0x07))
        self.assertEqual(self.one(three_levels(**at(TOP + 8, (1 << 64) - 1))).witness, fault(0x03, True, "table"))
        superpage = self.one(three_levels(**at(TOP + 8, 0xC0000083)))
        self.assertEqual((superpage.target, superpage.witness.code), (0xC0201234, 0x0E))


class Determined(unittest.TestCase):
    """Which DMAs after a change have one outcome."""

    ADDRESS = 0x40201000

    def setUp(self):
        self.reference = three_levels()

    def count(self, address=ADDRESS):
        return len(self.reference.outcomes(SID, address, False))

    def test_present_entry_changed(self):
        self.reference.write_entry(BOTTOM + 8, 0x03002003)
        self.assertEqual(self.count(), 2)
        self.assertEqual(self.count(self.ADDRESS + 0x1000), 1)  # its neighbour is not affected

    def test_not_present_is_never_cached(self):  # 4.4
        self.reference.write_entry(BOTTOM + 16, 0x03002003)
        self.assertEqual(self.count(self.ADDRESS + 0x1000), 1)

    def test_faulty_is_never_cached(self):
        self.reference = three_levels(**at(BOTTOM + 8, PAGE | 1 << 62 | 3))
        self.reference.write_entry(BOTTOM + 8, PAGE | 3)
        self.assertEqual(self.count(), 1)

    def test_older_values_stay(self):
        self.reference.write_entry(BOTTOM + 8, 0)
        self.reference.write_entry(BOTTOM + 8, 0x03002003)
        self.assertEqual(self.count(), 2)

    def check_after(self, expected, *invalidation):
        self.reference.write_entry(BOTTOM + 8, 0x03002003)
        self.reference.invalidate_iotlb(*invalidation)
        self.assertEqual(self.count(), expected)

    def test_global(self):
        self.check_after(1, 1, 0, 0, 0, False)

    def test_domain(self):
        self.check_after(1, 2, DOMAIN, 0, 0, False)

    def test_other_domain(self):
        self.check_after(2, 2, DOMAIN + 1, 0, 0, False)

    def test_page(self):
        self.check_after(1, 3, DOMAIN, self.ADDRESS, 0, True)

    def test_neighbour_page(self):
        self.check_after(2, 3, DOMAIN, self.ADDRESS + 0x1000, 0, False)

    def test_address_mask_ignores_low_bits(self):  # 5.2
        self.check_after(1, 3, DOMAIN, self.ADDRESS + 0x1FE000, 9, False)

    def test_table_needs_its_whole_range_and_no_hint(self):
        self.reference.write_entry(MIDDLE + 8, 0)
        for invalidation, expected in (((0x40200000, 8, False), 2), ((0x40200000, 9, True), 2), ((0x40200000, 9, False), 1)):
            self.reference.invalidate_iotlb(3, DOMAIN, *invalidation)
            self.assertEqual(self.count(), expected)

    def test_context_needs_both_caches_in_order(self):  # 4.2 note iii, 4.3
        self.reference.write_context(ENTRY, (TOP, 0))
        self.reference.invalidate_iotlb(1, 0, 0, 0, False)
        self.assertEqual(self.count(), 2)
        self.reference.invalidate_context(1, 0, 0, 0)
        self.assertEqual(self.count(), 2)
        self.reference.invalidate_iotlb(2, DOMAIN, 0, 0, False)
        self.assertEqual(self.count(), 1)

    def test_context_device_selective(self):  # 5.1: needs the right domain as well; FM 2 leaves bits 2:1 out
        for domain, sid, mask, expected in ((DOMAIN + 1, SID, 0, 2), (DOMAIN, SID ^ 1, 0, 2), (DOMAIN, SID ^ 1, 2, 2),
                                            (DOMAIN, SID ^ 4, 2, 1)):
            with self.subTest(domain=domain, sid=sid, mask=mask):
                self.reference = three_levels()
                self.reference.write_context(ENTRY, (TOP, 0))
                self.reference.invalidate_context(3, domain, sid, mask)
                self.reference.invalidate_iotlb(1, 0, 0, 0, False)
                self.assertEqual(self.count(), expected)

    def test_root_needs_global_ones(self):
        self.reference.write_root(0, (0, 0))
        self.reference.invalidate_context(2, DOMAIN, 0, 0)
        self.reference.invalidate_iotlb(1, 0, 0, 0, False)
        self.assertEqual(self.count(), 2)
        self.reference.invalidate_context(1, 0, 0, 0)
        self.reference.invalidate_iotlb(1, 0, 0, 0, False)
        self.assertEqual(self.count(), 1)

    def test_one_domain_two_tables(self):
        other = CONTEXTS + 16 * 0x28
        self.assertFalse(self.reference.conflicting(SID))
        self.reference.words.update({other: 0x02106001, other + 8: DOMAIN << 8 | 1})
        self.assertTrue(self.reference.conflicting(SID))


if __name__ == "__main__":
    unittest.main()
