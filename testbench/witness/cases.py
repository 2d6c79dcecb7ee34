"""Random cases: tables, and a sequence of DMAs, changes and invalidations.

A case is plain data, made from its seed alone:
  width       39 or 48: the unit's address width
  queued      invalidate by the queue instead of by registers; queue_fill: descriptors that go ahead, so that the queue wraps
  root_table  address of the root table
  words       [(address, value)] of the tables before the first DMA, 8 bytes each
  ops         [(name, arguments...)], see plan.py's _op_ functions

What it does: makes cases that are mostly sensible, with one to three defects or changes in them. What it does not do: decide whether a DMA's
outcome is determined (plan.py leaves out those that are not).
"""
import random

from layout import (BEHIND_BUS, DATA_PAGES, HOLE_HIGH, HOLE_LOW, INTERRUPT_FIRST, INTERRUPT_LAST, PAGE, SIDS, STATUS, TABLE_FRAMES, WINDOWS)
from reference import is_leaf, leaf_level_bits

R, W, RW, PS = 1, 2, 3, 1 << 7
SIZES = (1, 2, 4, 8, 13, 32, 64, 100, 256)


def make_case(seed, width=None):
    """The case of this seed; it picks the width unless one is given."""
    rng = random.Random(seed)
    picked = rng.choice((39, 48))
    return _Maker(rng, width or picked).make()


def width_of(seed):
    """The width that make_case picks."""
    return random.Random(seed).choice((39, 48))


class _Tree:
    """One set of second-stage tables: a domain."""

    def __init__(self, levels, root, domain):
        self.levels, self.root, self.domain = levels, root, domain
        self.entries = {}  # address -> (level, first input address)
        self.good = {}  # address -> the value without defect
        self.mappings = []  # (input address, level, address of the leaf entry)


class _Maker:
    def __init__(self, rng, width):
        self.rng, self.width = rng, width
        self.free = list(TABLE_FRAMES)
        rng.shuffle(self.free)
        self.words = {}
        self.ops = []
        self.trees = []
        self.contexts = {}  # sid -> address of its context entry
        self.tree_of = {}  # sid -> tree
        self.queued = rng.random() < 0.5
        self.root_table = self.free.pop()

    def make(self):
        rng = self.rng
        domains = rng.sample(range(1 << 16), 3) if rng.random() < 0.7 else rng.sample((0, 1, 2, 0x8000, 0xFFFF), 3)
        for domain in domains[:rng.choice((1, 1, 2, 2, 3))]:
            self._make_tree(domain)
        self._make_contexts()
        if rng.random() < 0.4:
            for _ in range(rng.choice((1, 1, 2))):
                self._plant_defect()
        initial = sorted(self.words.items())
        if rng.random() < 0.03:
            root_table = HOLE_LOW + 0x5000
        else:
            root_table = self.root_table
        for _ in range(rng.randint(2, 6)):
            self._episode()
        case = {"width": self.width, "queued": self.queued, "root_table": root_table, "words": initial, "ops": self.ops}
        if self.queued and rng.random() < 0.08:
            case["queue_fill"] = rng.randint(230, 252)
        return case

    # --- Tables -----------------------------------------------------------------------------------------------------------------

    def _make_tree(self, domain):
        levels = 3 if self.width == 39 else self.rng.choice((3, 4, 4))
        tree = _Tree(levels, self.free.pop(), domain)
        self.trees.append(tree)
        for _ in range(self.rng.randint(1, 4)):
            self._map(tree)

    def _map(self, tree):
        """A leaf at a random place, with the tables above it. Does nothing where a larger leaf is in the way."""
        rng = self.rng
        level = rng.choice((1, 1, 1, 2, 2, 3))
        first = self._input_page(tree, level)
        page = rng.choice(DATA_PAGES[level])
        self._put_leaf(tree, first, level, page)
        if level == 1 and rng.random() < 0.5:  # a neighbour, for DMAs that cross the boundary
            self._put_leaf(tree, first + PAGE, 1, rng.choice(DATA_PAGES[1]))

    def _input_page(self, tree, level):
        rng = self.rng
        bits = 12 + 9 * tree.levels
        kind = rng.random()
        if tree.mappings and kind < 0.35:  # near another one: shares tables with it
            near, near_level, _ = rng.choice(tree.mappings)
            address = near + (rng.choice((1, 2, -1)) << leaf_level_bits(max(level, near_level)))
        elif kind < 0.5:
            address = rng.choice((0, 1 << bits, 1 << 32, INTERRUPT_FIRST)) - (rng.randint(0, 2) << leaf_level_bits(level))
        else:
            address = rng.getrandbits(bits)
        return address & (1 << bits) - 1 & -1 << leaf_level_bits(level)

    def _put_leaf(self, tree, first, level, page):
        rng = self.rng
        if first >> 12 + 9 * tree.levels:
            return
        table, at = tree.root, tree.levels
        while at > level:
            slot = table + 8 * (first >> leaf_level_bits(at) & 511)
            value = self.words.get(slot, 0)
            if value == 0:
                if not self.free:
                    return
                below = self.free.pop()
                value = below | (RW if rng.random() < 0.9 else rng.choice((R, W))) | self._ignored(at, False)
                self._set_word(tree, slot, value, at, first)
            elif is_leaf(value, at):
                return
            table = value & (1 << self.width) - 1 & -PAGE
            at -= 1
        slot = table + 8 * (first >> leaf_level_bits(level) & 511)
        if self.words.get(slot, 0):
            return
        permissions = RW if rng.random() < 0.7 else rng.choice((R, W))
        self._set_word(tree, slot, page | permissions | (PS if level > 1 else 0) | self._ignored(level, True), level, first)
        tree.mappings.append((first, level, slot))

    def _ignored(self, level, leaf):
        """Sometimes bits that hardware ignores (2.4)."""
        rng = self.rng
        if rng.random() < 0.8:
            return 0
        bits = rng.getrandbits(64) & (0xBFF0000000000000 | 0x77C)
        return bits | (PS if leaf and level == 1 and rng.random() < 0.3 else 0)

    def _set_word(self, tree, slot, value, level, first):
        self.words[slot] = tree.good[slot] = value
        tree.entries[slot] = (level, first & -1 << leaf_level_bits(level))

    def _make_contexts(self):
        rng = self.rng
        tables = {bus: self.free.pop() for bus in (0, BEHIND_BUS)}
        for bus, table in tables.items():
            self.words[self.root_table + 16 * bus] = table | 1
        for sid in rng.sample(SIDS, rng.randint(1, len(SIDS))):
            self.contexts[sid] = tables[sid >> 8] + 16 * (sid & 0xFF)
            self.tree_of[sid] = rng.choice(self.trees)
            low, high = self._context(sid)
            self.words[self.contexts[sid]], self.words[self.contexts[sid] + 8] = low, high

    def _context(self, sid):
        rng = self.rng
        tree = self.tree_of[sid]
        fpd = 2 if rng.random() < 0.12 else 0
        ignored = rng.getrandbits(4) << 3 if rng.random() < 0.2 else 0
        if rng.random() < 0.08:  # pass-through, under a domain of its own
            beyond = rng.randrange(1, 1 << 52 - self.width) << self.width if rng.random() < 0.1 else 0
            pointer = rng.choice((0, tree.root))
            return pointer | beyond | 8 | fpd | 1, ignored | self.width // 9 - 3 | (0x4000 ^ tree.domain) << 8
        return tree.root | fpd | 1, ignored | tree.levels - 2 | tree.domain << 8

    # --- Defects ----------------------------------------------------------------------------------------------------------------

    def _bad_root(self, value):
        rng = self.rng
        low, high = value
        return rng.choice((
            lambda: (low & ~1, high),
            lambda: (low | 1 << rng.randint(1, 11), high),
            lambda: (low | 1 << rng.randint(self.width, 63), high),
            lambda: (low, high | 1 << rng.randint(0, 63)),
            lambda: (rng.choice((HOLE_LOW, HOLE_HIGH)) | 1, high),
            lambda: (rng.choice((HOLE_LOW, HOLE_HIGH)) | 1, high),
        ))()

    def _bad_context(self, value):
        rng = self.rng
        low, high = value
        width_bits = [bits for bits in range(8) if bits not in ((1,) if self.width == 39 else (1, 2))]
        return rng.choice((
            lambda: (low & ~1, high),
            lambda: (low & ~1, high),
            lambda: (low | 1 << rng.randint(4, 11), high),
            lambda: (low | 1 << rng.randint(self.width, 63), high),
            lambda: (low, high | rng.choice((1 << 7, 1 << rng.randint(24, 63)))),
            lambda: (low & ~12 | rng.choice((4, 12)), high),
            lambda: (low, high & ~7 | rng.choice(width_bits)),
            lambda: (low & ~12 & PAGE - 1 | rng.choice((HOLE_LOW, HOLE_HIGH)), high),
            lambda: (low & ~12 & PAGE - 1 | rng.choice((HOLE_LOW, HOLE_HIGH)), high),
        ))()

    def _bad_entry(self, value, level):
        rng = self.rng
        leaf = is_leaf(value, level)
        choices = [
            lambda: 0,
            lambda: value & ~RW,
            lambda: value & ~R,
            lambda: value & ~W,
            lambda: value | rng.choice((1 << 11, 1 << 62)),
            lambda: value | 1 << rng.randint(self.width, 51),
            lambda: value ^ PS if level > 1 else value | 1 << 11,
            lambda: (1 << 64) - 1,
        ]
        if leaf and level > 1:
            choices += [lambda: value | 1 << rng.randint(12, leaf_level_bits(level) - 1)] * 2
        if leaf:
            choices += [lambda: value & PAGE - 1 | self._interrupt_page(level)] * 3
            choices += [lambda: value & PAGE - 1 | HOLE_LOW & -1 << leaf_level_bits(level)]
        else:
            choices += [lambda: value & PAGE - 1 & ~PS | rng.choice((HOLE_LOW, HOLE_HIGH))] * 3
        return rng.choice(choices)()

    def _interrupt_page(self, level):
        page = self.rng.randrange(INTERRUPT_FIRST, INTERRUPT_LAST)
        return page & -1 << leaf_level_bits(level)

    def _plant_defect(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.17:
            address = self.root_table + 16 * rng.choice((0, 0, BEHIND_BUS))
            value = self._bad_root((self.words[address], self.words.get(address + 8, 0)))
        elif kind < 0.45:
            address = self.contexts[rng.choice(sorted(self.contexts))]
            value = self._bad_context((self.words[address], self.words[address + 8]))
        else:
            tree, slot = self._any_entry()
            self.words[slot] = self._bad_entry(self.words[slot], tree.entries[slot][0])
            return
        self.words[address], self.words[address + 8] = value

    def _any_entry(self):
        used = [self.tree_of[sid] for sid in sorted(self.tree_of)]
        tree = self.rng.choice([tree for tree in used if tree.entries])
        return tree, self.rng.choice(sorted(tree.entries))

    # --- Episodes ---------------------------------------------------------------------------------------------------------------

    def _episode(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.45:
            for _ in range(rng.choice((1, 1, 2))):
                self._dma()
        elif kind < 0.75:
            self._change_entry()
        elif kind < 0.84:
            self._change_context()
        elif kind < 0.87:
            self._change_root()
        elif kind < 0.92:
            self._some_invalidation()
        elif kind < 0.97 or not self.queued:
            self.ops.append(("clear", rng.choice((1, 2, 3, 3))))
        elif rng.random() < 0.3:
            self.ops.append(("wait_interrupt",))
        else:
            self.ops.append(("bad_descriptor",) + self._bad_descriptor())

    def _dma(self, tree=None, mapping=None):
        """A DMA; into the given mapping where one is given, else mostly into some mapping of the requester's domain."""
        rng = self.rng
        candidates = [sid for sid in sorted(self.contexts) if tree is None or self.tree_of[sid] is tree]
        sid = rng.choice(candidates) if candidates and rng.random() < 0.97 else rng.choice(SIDS)
        tree = tree or self.tree_of.get(sid, self.trees[0])
        length = rng.choice(SIZES)
        is_write = rng.random() < 0.5
        if mapping is None and tree.mappings and rng.random() < 0.9:
            mapping = rng.choice(tree.mappings)
        if mapping is not None:
            address = mapping[0] + self._offset(mapping, length)
        else:
            address = self._stray(tree)
        if self._is_pass_through(sid) and rng.random() < 0.8:
            start, size = rng.choice(WINDOWS)
            address = start + rng.randrange(size - length) + (rng.choice((0, 0, 0, 1)) << rng.randint(self.width, 63))
        if INTERRUPT_FIRST <= address <= INTERRUPT_LAST and is_write:
            address, length = address & ~3, 4
        self.ops.append(("dma", sid, is_write, min(address, (1 << 64) - 4096), length))
        if rng.random() < 0.75:
            self.ops.append(("clear", rng.choice((1, 2, 3, 3, 3, 3, 3, 3))))

    def _is_pass_through(self, sid):
        return sid in self.contexts and self.words.get(self.contexts[sid], 0) & 13 == 9

    def _offset(self, mapping, length):
        """Where in the page: in a window of the host page that it maps now, if it maps one."""
        rng = self.rng
        _, level, slot = mapping
        size = 1 << leaf_level_bits(level)
        if level == 1:
            return rng.choice((0, rng.randrange(PAGE), PAGE - length, PAGE - rng.randint(1, length)))
        page = self.words[slot] & (1 << self.width) - 1 & -size
        inside = [w for w in WINDOWS if page <= w[0] < page + size] or WINDOWS
        start, bytes_there = rng.choice(inside)
        return start % size + rng.choice((rng.randrange(bytes_there - length), bytes_there - length, PAGE - rng.randint(1, length)))

    def _stray(self, tree):
        rng = self.rng
        bits = 12 + 9 * tree.levels
        choices = [rng.getrandbits(bits), rng.getrandbits(32), 1 << bits | rng.getrandbits(30), 1 << rng.randint(bits, 63),
                   (1 << bits) - rng.randint(1, 8), rng.getrandbits(64)]
        if rng.random() < 0.2:
            choices = [INTERRUPT_FIRST + rng.randrange(1 << 20)]
        return rng.choice(choices)

    def _change_entry(self):
        rng = self.rng
        if rng.random() < 0.15:
            tree = self.trees[0]
            before = dict(self.words)
            self._map(tree)
            for slot in sorted(self.words.keys() - before.keys(), reverse=rng.random() < 0.5):
                self.ops.append(("entry", slot, self.words[slot]))
            if tree.mappings:
                self._dma(tree, tree.mappings[-1])
            return
        tree, slot = self._any_entry()
        level, first = tree.entries[slot]
        # A DMA that fills the caches with the old entry, and later ones that must see the new one.
        inside = [m for m in tree.mappings if first <= m[0] < first + (1 << leaf_level_bits(level))]
        target = rng.choice(inside) if inside else (first, level, slot)
        if rng.random() < 0.7:
            self._dma(tree, target)
        old = self.words[slot]
        kind = rng.random()
        if kind < 0.25 and level <= 3 and is_leaf(old, level):
            value = old & ~(((1 << self.width) - 1) & -1 << leaf_level_bits(level)) | rng.choice(DATA_PAGES[level])
        elif kind < 0.45:
            value = old & ~RW | rng.choice((R, W, RW))
        elif kind < 0.65 and old != tree.good[slot]:
            value = tree.good[slot]
        else:
            value = self._bad_entry(old, level)
        self.words[slot] = value
        self.ops.append(("entry", slot, value))
        if rng.random() < 0.3:
            self._dma(tree, target)
        if rng.random() < 0.3:
            self._some_invalidation()
        if rng.random() < 0.15:
            self._dma(tree, target)
        self._invalidate_entry(tree, level, first, is_leaf(old, level))
        for _ in range(rng.choice((1, 1, 2))):
            self._dma(tree, target)

    def _invalidate_entry(self, tree, level, first, was_leaf):
        """What software has to do after changing this entry (4.3), in one of the ways that do."""
        rng = self.rng
        kind = rng.random()
        drain = rng.getrandbits(2)
        if kind < 0.15:
            self.ops.append(("invalidate_iotlb", 1, rng.getrandbits(16), 0, 0, 0, drain))
        elif kind < 0.35 or level > 3:
            self.ops.append(("invalidate_iotlb", 2, tree.domain, 0, 0, 0, drain))
        else:
            mask_bits = 9 * (level - 1)
            mask_bits = rng.choice((mask_bits, mask_bits, rng.randint(mask_bits, 18)))
            address = first | rng.getrandbits(mask_bits) << 12  # the low bits don't count
            self.ops.append(("invalidate_iotlb", 3, tree.domain, address, mask_bits, int(was_leaf and rng.random() < 0.5), drain))

    def _change_context(self):
        rng = self.rng
        sid = rng.choice(sorted(self.contexts))
        address = self.contexts[sid]
        old = self.words[address], self.words[address + 8]
        if rng.random() < 0.6:
            self._dma(self.tree_of[sid])
        if rng.random() < 0.6:
            self.tree_of[sid] = rng.choice(self.trees)
            value = self._context(sid)
        else:
            value = self._bad_context(old)
        self.words[address], self.words[address + 8] = value
        self.ops.append(("context", address) + value)
        if rng.random() < 0.3:
            self._dma(self.tree_of[sid])
        domain = old[1] >> 8 & 0xFFFF
        granularity = rng.choice((1, 2, 3, 3))
        mask = rng.randrange(4)
        named = sid ^ (rng.getrandbits(3) & (0, 4, 6, 7)[mask])  # masked bits don't count
        self.ops.append(("invalidate_context", granularity, domain, named, mask))
        if rng.random() < 0.5:
            self.ops.append(("invalidate_iotlb", 2, domain, 0, 0, 0, rng.getrandbits(2)))
        else:
            self.ops.append(("invalidate_iotlb", 1, 0, 0, 0, 0, rng.getrandbits(2)))
        self._dma(self.tree_of[sid])

    def _change_root(self):
        rng = self.rng
        bus = rng.choice((0, BEHIND_BUS))
        address = self.root_table + 16 * bus
        old = self.words[address], self.words.get(address + 8, 0)
        good = next((a & -PAGE for s, a in sorted(self.contexts.items()) if s >> 8 == bus), 0)
        value = (good | 1, 0) if good and old != (good | 1, 0) else self._bad_root(old)
        if rng.random() < 0.6:
            self._dma()
        self.words[address], self.words[address + 8] = value
        self.ops.append(("root", bus) + value)
        if rng.random() < 0.2:
            self._dma()
        self.ops.append(("invalidate_context", 1, 0, 0, 0))
        self.ops.append(("invalidate_iotlb", 1, 0, 0, 0, 0, 0))
        self._dma()

    def _some_invalidation(self):
        """One that need not have to do with anything, incorrect ones of the register interface included."""
        rng = self.rng
        domain = rng.choice([tree.domain for tree in self.trees] + [rng.getrandbits(16)])
        granularity = rng.choice((0, 1, 2, 2, 3, 3, 3))
        if rng.random() < 0.4:
            self.ops.append(("invalidate_context", granularity, domain, rng.choice(SIDS), rng.randrange(4)))
            return
        mappings = [m for tree in self.trees for m in tree.mappings]
        address = rng.choice(mappings)[0] if mappings else 0
        mask_bits = rng.choice((0, 1, 3, 9, rng.randint(0, 18), rng.randint(19, 63)))
        self.ops.append(("invalidate_iotlb", granularity, domain, address, mask_bits, rng.getrandbits(1), rng.getrandbits(2)))

    def _bad_descriptor(self):
        """Errors on both sides (5.5.4): reserved type, granularity or bits, AM beyond MAMV."""
        rng = self.rng
        domain = rng.getrandbits(16) << 16
        return rng.choice((
            lambda: (0, 0),
            lambda: (rng.choice((0xA, 0xB, 0xC, 0xD, 0xE, 0xF)), 0),
            lambda: (0x01 | domain, 0),  # granularity 0
            lambda: (0x02 | domain, 0),
            lambda: (0x11 | 1 << rng.randint(50, 63), 0),
            lambda: (0x11, 1 << rng.randint(0, 63)),
            lambda: (0x12 | 1 << rng.randint(32, 63), 0),
            lambda: (0x12, 1 << rng.randint(7, 11)),
            lambda: (0x32 | domain, rng.randint(19, 63)),
            lambda: (0x25 | 1 << rng.choice((8, 15, 20, 31)), STATUS),
        ))()
