"""A third reading of the specification's legacy mode, for planning: what may a DMA do, and is that determined?

Written from the specification (section numbers are those of the project's VT-d fact sheet), not from the model. It serves three ends:
 - A DMA between a change of a structure and its invalidation may see the old or the new structure. `Reference` keeps every value that a
   cache may still hold and follows all of them; where the outcomes differ, the DMA is not comparable and is left out.
 - The table of known differences needs to know, exactly, when one applies.
 - It predicts fault records, so that an error that both sides share is seen.

What it does not do: bytes, registers, timing, scalable mode.
"""
from typing import NamedTuple

import differences
from layout import INTERRUPT_FIRST, INTERRUPT_LAST, SIDS, is_hole, is_ram
from outcome import (BEYOND_WIDTH, CONTEXT_ACCESS, CONTEXT_INVALID, CONTEXT_NOT_PRESENT, CONTEXT_RESERVED, ENTRY_ACCESS, ENTRY_RESERVED,
                     INPUT_INTERRUPT, NO_READ, NO_WRITE, NOT_COMPARABLE, OUTPUT_INTERRUPT, ROOT_ACCESS, ROOT_NOT_PRESENT,
                     ROOT_RESERVED, Outcome, fault)

MASK64 = (1 << 64) - 1
ADDRESS = MASK64 & ~0xFFF


class Stale(NamedTuple):
    """A former value of a structure that caches may hold until every tag in `tags` was invalidated."""
    value: object
    tags: frozenset


def leaf_level_bits(level):
    """Address bits below a leaf of this level (2.3)."""
    return 12 + 9 * (level - 1)


def entry_reserved(value, level, width):
    """Reserved bits of a second-stage entry (2.4) of a unit with HAW = width, 2 MiB and 1 GiB pages, without snoop control."""
    mask = ((1 << 52) - 1) & ~((1 << width) - 1) | 1 << 11 | 1 << 62
    if level >= 4:
        mask |= 1 << 7
    elif level > 1 and value >> 7 & 1:
        mask |= ((1 << leaf_level_bits(level)) - 1) & ~0xFFF
    return value & mask != 0


def is_leaf(value, level):
    return level == 1 or level < 4 and value >> 7 & 1 == 1


def entry_cacheable(value, level, width):
    """Caches never hold a not-present or faulty entry when CM = 0 (4.4)."""
    return value & 3 != 0 and not entry_reserved(value, level, width)


def unreadable(address, outcome):
    """`outcome` for a structure outside memory."""
    return outcome if is_hole(address, 16) else NOT_COMPARABLE


class Reference:
    """Memory, and what caches may hold of it."""

    def __init__(self, width, root_table, words):
        self.width = width
        self.root_table = root_table
        self.words = dict(words)
        self.stale = {}  # address of a root entry, context entry or paging entry -> [Stale]

    # --- Structures -----------------------------------------------------------------------------------------------------------

    def word(self, address):
        return self.words.get(address, 0)

    def pair(self, address):
        return self.word(address), self.word(address + 8)

    def _possible_pairs(self, address):
        return [self.pair(address)] + [s.value for s in self.stale.get(address, ())]

    def _possible_words(self, address):
        return [self.word(address)] + [s.value for s in self.stale.get(address, ())]

    def _root_problem(self, root):
        lo, hi = root
        if not lo & 1:
            return fault(ROOT_NOT_PRESENT)
        if hi or lo & 0xFFE or lo >> self.width:
            return fault(ROOT_RESERVED)
        return None

    def _context_problem(self, context):
        """The fault of a context entry by itself (7.1 steps 7 to 10); None where it has none."""
        lo, hi = context
        recorded = not lo & 2
        if not lo & 1:
            return fault(CONTEXT_NOT_PRESENT, recorded)
        kind = lo >> 2 & 3
        reserved = lo & 0xFF0 or hi & 0xFFFFFFFFFF000080 or kind != 2 and lo >> self.width
        if reserved:
            return differences.at_context(fault(CONTEXT_RESERVED, recorded), context, self.width)
        if kind in (1, 3):
            return fault(CONTEXT_INVALID, recorded, "TT")
        if self.levels(context) not in ((3,) if self.width == 39 else (3, 4)):
            return differences.at_context(fault(CONTEXT_INVALID, recorded, "AW"), context, self.width)
        return None

    @staticmethod
    def levels(context):
        return (context[1] & 7) + 2

    def context_usable(self, context):
        return self._context_problem(context) is None

    # --- One access -----------------------------------------------------------------------------------------------------------

    def outcomes(self, sid, address, write):
        """All outcomes that one access inside a 4 KiB page may have: one where it is determined."""
        if INTERRUPT_FIRST <= address <= INTERRUPT_LAST:
            if write:  # planned for dwords only: an interrupt request, which moves nothing in memory (9.4)
                return {Outcome()}
            return {differences.at_input(fault(INPUT_INTERRUPT))}
        root_entry = self.root_table + 16 * (sid >> 8)
        if not is_ram(root_entry, 16):
            return {unreadable(root_entry, fault(ROOT_ACCESS))}
        results = set()
        for root in self._possible_pairs(root_entry):
            problem = self._root_problem(root)
            if problem:
                results.add(problem)
                continue
            context_entry = (root[0] & ~0xFFF) + 16 * (sid & 0xFF)
            if not is_ram(context_entry, 16):
                results.add(unreadable(context_entry, fault(CONTEXT_ACCESS)))
                continue
            for context in self._possible_pairs(context_entry):
                results |= self._by_context(context, address, write)
        return results

    def _by_context(self, context, address, write):
        problem = self._context_problem(context)
        if problem:
            return {problem}
        lo, hi = context
        recorded = not lo & 2
        domain = hi >> 8 & 0xFFFF
        if lo >> 2 & 3 == 2:
            result = Outcome(target=address, permissions=3, domain=domain)
            if address >> self.width:
                result = differences.at_pass_through_width(fault(BEYOND_WIDTH, recorded), address, domain)
            return {differences.at_context(result, context, self.width)}
        levels = self.levels(context)
        if address >> min(self.width, leaf_level_bits(levels) + 9):
            return {fault(BEYOND_WIDTH, recorded)}
        results = set()
        self._walk(lo & ADDRESS, levels, levels, 3, address, write, recorded, domain, results)
        return results

    def _walk(self, table, level, top, permissions, address, write, recorded, domain, results):
        entry_address = table + 8 * (address >> leaf_level_bits(level) & 511)
        if not is_ram(entry_address, 8):
            result = fault(CONTEXT_INVALID, recorded, "table") if level == top else fault(ENTRY_ACCESS, recorded)
            results.add(unreadable(entry_address, result))
            return
        for value in self._possible_words(entry_address):
            granted = permissions & value & 3
            missing = NO_WRITE if write and not granted & 2 else NO_READ if not write and not granted & 1 else 0
            if missing:
                result = differences.at_entry(fault(missing, recorded), value, level == top, recorded)
            elif entry_reserved(value, level, self.width):
                result = differences.at_entry(fault(ENTRY_RESERVED, recorded), value, level == top, recorded)
            elif not is_leaf(value, level):
                self._walk(self.address_of(value), level - 1, top, granted, address, write, recorded, domain, results)
                continue
            else:
                result = self._leaf(value, level, granted, address, recorded, domain)
            results.add(result)

    def _leaf(self, value, level, granted, address, recorded, domain):
        below = (1 << leaf_level_bits(level)) - 1
        page = self.address_of(value) & ~below
        target = page | address & below
        if INTERRUPT_FIRST <= target <= INTERRUPT_LAST:
            return fault(OUTPUT_INTERRUPT, recorded)
        mapped = Outcome(target=target, level=level, permissions=granted, domain=domain)
        return differences.at_leaf(mapped, page, page + below, recorded)

    def address_of(self, entry):
        return entry & ADDRESS & (1 << self.width) - 1

    def conflicting(self, sid):
        """True when the domain of `sid` is, or may still be, used with different tables: caches keyed by domain may then mix them up.

        Software has to use one domain id for one set of tables; what happens otherwise is not determined.
        """
        views = {}
        mine = set()
        for other in SIDS:
            for context in self._contexts_of(other):
                if not self.context_usable(context):
                    continue
                domain = context[1] >> 8 & 0xFFFF
                through = context[0] >> 2 & 3 == 2
                views.setdefault(domain, set()).add("through" if through else (context[0] >> 12, context[1] & 7))
                if other == sid:
                    mine.add(domain)
        return any(len(views[domain]) > 1 for domain in mine)

    def _contexts_of(self, sid):
        root_entry = self.root_table + 16 * (sid >> 8)
        if not is_ram(root_entry, 16):
            return
        for root in self._possible_pairs(root_entry):
            context_entry = (root[0] & ~0xFFF) + 16 * (sid & 0xFF)
            if self._root_problem(root) is None and is_ram(context_entry, 16):
                yield from self._possible_pairs(context_entry)

    # --- Changes --------------------------------------------------------------------------------------------------------------

    def write_root(self, bus, value):
        address = self.root_table + 16 * bus
        old = self.pair(address)
        # What was reached through it stays cached until a global invalidation of both caches.
        self._change_pair(address, old, value, self._root_problem(old) is None, frozenset({("root", 0)}))

    def write_context(self, address, value):
        old = self.pair(address)
        tags = frozenset(("context", sid, old[1] >> 8 & 0xFFFF) for sid in SIDS if self._reaches(sid, address))
        self._change_pair(address, old, value, bool(tags) and self.context_usable(old), tags)

    def _change_pair(self, address, old, value, cacheable, tags):
        if old == tuple(value):
            return
        if cacheable:
            self.stale.setdefault(address, []).append(Stale(old, tags))
        self.words[address], self.words[address + 8] = value

    def _reaches(self, sid, address):
        root_entry = self.root_table + 16 * (sid >> 8)
        return any(root[0] & 1 and (root[0] & ~0xFFF) + 16 * (sid & 0xFF) == address
                   for root in self._possible_pairs(root_entry))

    def write_entry(self, address, value):
        old = self.word(address)
        if old == value:
            return
        tags = set()
        for domain, level, first in self.positions(address):
            if entry_cacheable(old, level, self.width):
                tags.add(("entry", domain, level, first, is_leaf(old, level)))
        if tags:
            self.stale.setdefault(address, []).append(Stale(old, frozenset(tags)))
        self.words[address] = value

    def positions(self, address):
        """Where a paging entry may be met: {(domain, level, first input address that it maps)}, over all that may be cached."""
        found = set()
        for sid in SIDS:
            for context in self._contexts_of(sid):
                if self.context_usable(context) and context[0] >> 2 & 3 != 2:
                    self._search(context[0] & ADDRESS, self.levels(context), 0, context[1] >> 8 & 0xFFFF, address, found)
        return found

    def _search(self, table, level, first, domain, address, found):
        if table <= address < table + 4096:
            found.add((domain, level, first + ((address - table) // 8 << leaf_level_bits(level))))
        if level == 1:
            return
        for entry_address in self._filled(table):
            for value in self._possible_words(entry_address):
                if entry_cacheable(value, level, self.width) and not is_leaf(value, level):
                    index = (entry_address - table) // 8
                    self._search(self.address_of(value), level - 1,
                                 first + (index << leaf_level_bits(level)), domain, address, found)

    def _filled(self, table):
        addresses = [a for a in self.words if table <= a < table + 4096]
        return addresses + [a for a in self.stale if table <= a < table + 4096 and a not in self.words]

    # --- Invalidations --------------------------------------------------------------------------------------------------------

    def invalidate_context(self, granularity, domain, sid, function_mask):
        """Granularity 1 global, 2 domain, 3 device (5.1). What is cached of contexts may live on in IOTLB entries (4.2 note iii)."""
        mask = 0xFFFF & ~(0, 4, 6, 7)[function_mask]

        def after(tag):
            if tag[0] == "root":
                return ("root", 1) if granularity == 1 else tag
            if tag[0] != "context":
                return tag
            match = granularity == 1 or tag[2] == domain and (granularity == 2 or (tag[1] ^ sid) & mask == 0)
            return ("flushed", tag[2]) if match else tag

        self._retag(after)

    def invalidate_iotlb(self, granularity, domain, address, mask_bits, leaf_only):
        """Granularity 1 global, 2 domain, 3 pages (5.1 to 5.3)."""
        size = 4096 << mask_bits
        first = address & ~(size - 1)

        def after(tag):
            if tag[0] == "root":
                return None if granularity == 1 and tag[1] == 1 else tag
            if tag[0] == "flushed":
                return None if granularity == 1 or granularity == 2 and tag[1] == domain else tag
            if tag[0] != "entry":
                return tag
            if granularity == 1 or granularity == 2 and tag[1] == domain:
                return None
            _, tag_domain, level, tag_first, was_leaf = tag
            covered = first <= tag_first and tag_first + (1 << leaf_level_bits(level)) <= first + size
            if granularity == 3 and tag_domain == domain and covered and (was_leaf or not leaf_only):
                return None
            return tag

        self._retag(after)

    def _retag(self, after):
        for address, values in list(self.stale.items()):
            left = []
            for stale in values:
                tags = frozenset(tag for tag in map(after, stale.tags) if tag is not None)
                if tags:
                    left.append(Stale(stale.value, tags))
            if left:
                self.stale[address] = left
            else:
                del self.stale[address]
