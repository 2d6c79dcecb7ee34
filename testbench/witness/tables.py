"""Random root, context and paging tables, and ways to spoil their entries. cases.py puts cases together from them."""
from layout import BEHIND_BUS, DATA_PAGES, HOLE_HIGH, HOLE_LOW, INTERRUPT_FIRST, INTERRUPT_LAST, PAGE, SIDS, TABLE_FRAMES
from reference import is_leaf, leaf_level_bits

R, W, RW, PS = 1, 2, 3, 1 << 7


class Tree:
    """One set of second-stage tables: a domain."""

    def __init__(self, levels, root, domain):
        self.levels, self.root, self.domain = levels, root, domain
        self.entries = {}  # address -> (level, first input address)
        self.good = {}  # address -> the value without defect
        self.mappings = []  # (input address, level, address of the leaf entry)


class Tables:
    """The tables of one case under construction."""

    def __init__(self, rng, width):
        self.rng, self.width = rng, width
        self.free = list(TABLE_FRAMES)
        rng.shuffle(self.free)
        self.words = {}
        self.trees = []
        self.contexts = {}  # sid -> address of its context entry
        self.tree_of = {}  # sid -> tree
        self.root_table = self.free.pop()

    # --- Tables -----------------------------------------------------------------------------------------------------------------

    def _make_tree(self, domain):
        levels = 3 if self.width == 39 else self.rng.choice((3, 4, 4))
        tree = Tree(levels, self.free.pop(), domain)
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
        others = [mapping for other in self.trees for mapping in other.mappings if other is not tree]
        if others and rng.random() < 0.3:  # where another domain has a mapping: the caches have to tell them apart
            return rng.choice(others)[0] & (1 << bits) - 1 & -1 << leaf_level_bits(level)
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

    def _spoil_root(self, value):
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

    def _spoil_context(self, value):
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

    def _spoil_entry(self, value, level):
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

    def _twice(self, spoil, value, *more):
        """Sometimes two defects in one entry: their order shows."""
        value = spoil(value, *more)
        return spoil(value, *more) if self.rng.random() < 0.25 else value

    def _bad_root(self, value):
        return self._twice(self._spoil_root, value)

    def _bad_context(self, value):
        return self._twice(self._spoil_context, value)

    def _bad_entry(self, value, level):
        return self._twice(self._spoil_entry, value, level)

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
