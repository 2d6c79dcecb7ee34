"""Random cases: tables, and a sequence of DMAs, changes and invalidations.

A case is plain data, made from its seed alone:
  width       39 or 48: the unit's address width
  queued      invalidate by the queue instead of by registers; queue_fill: descriptors that go ahead, so that the queue wraps
  small_caches  the model's caches hold one or two entries each, so that they overflow
  root_table  address of the root table
  words       [(address, value)] of the tables before the first DMA, 8 bytes each
  ops         [(name, arguments...)], see plan.py's _op_ functions

What it does: makes cases that are mostly sensible, with some defects and changes in them. What it does not do: decide whether a DMA's outcome
is determined (plan.py leaves out those that are not).
"""
import random

from layout import BEHIND_BUS, DATA_PAGES, HOLE_LOW, INTERRUPT_FIRST, INTERRUPT_LAST, PAGE, SIDS, STATUS, WINDOWS
from reference import is_leaf, leaf_level_bits
from tables import RW, Tables, R, W

SIZES = (1, 2, 4, 8, 13, 32, 64, 100, 256)


def make_case(seed, width=None):
    """The case of this seed; it picks the width unless one is given."""
    rng = random.Random(seed)
    picked = rng.choice((39, 48))
    return _Maker(rng, width or picked).make()


def width_of(seed):
    """The width that make_case picks."""
    return random.Random(seed).choice((39, 48))


class _Maker(Tables):
    def __init__(self, rng, width):
        super().__init__(rng, width)
        self.ops = []
        self.queued = rng.random() < 0.5

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
        root_table = HOLE_LOW + 0x5000 if rng.random() < 0.03 else self.root_table
        for _ in range(rng.randint(2, 6)):
            self._episode()
        case = {"width": self.width, "queued": self.queued, "small_caches": rng.random() < 0.25, "root_table": root_table,
                "words": initial, "ops": self.ops}
        if self.queued and rng.random() < 0.08:
            case["queue_fill"] = rng.randint(230, 252)
        return case

    def _episode(self):
        rng = self.rng
        kind = rng.random()
        if kind < 0.35:
            for _ in range(rng.choice((1, 1, 2))):
                self._dma()
        elif kind < 0.45:  # several requesters at one address
            tree = rng.choice([tree for tree in self.trees if tree.mappings])
            mapping = rng.choice(tree.mappings)
            self._dma(tree, mapping)
            for _ in range(rng.choice((1, 2))):
                self._dma(self.tree_of[rng.choice(sorted(self.tree_of))], mapping)
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
        everybody = sorted(self.contexts)
        if mapping is not None and rng.random() < 0.15:  # somebody else at this address
            candidates = everybody
        else:
            candidates = [sid for sid in everybody if tree is None or self.tree_of[sid] is tree]
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
        self.ops.append(("dma", sid, is_write, min(max(address, 0), (1 << 64) - 4096), length))
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
            return rng.choice((0, rng.randrange(PAGE), PAGE - length, PAGE - rng.randint(1, length), -rng.randint(0, length)))
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
