"""Makes a failing case small: fewer ops, fewer table words, shorter DMAs, fewer bits."""


def shrink(case, fails, budget=600):
    """The smallest case found for which `fails(case)` still holds, after at most `budget` trials. `case` itself must fail."""
    shrinker = _Shrinker(fails, budget)
    return shrinker.run(case)


class _Shrinker:
    def __init__(self, fails, budget):
        self.fails, self.budget = fails, budget

    def run(self, case):
        while True:
            before = case
            case = self._shorter(case, "ops")
            case = self._shorter(case, "words")
            if case.get("queue_fill"):
                case = self._try(case, {key: value for key, value in case.items() if key != "queue_fill"})
            case = self._simpler_numbers(case)
            if case == before or self.budget <= 0:
                return case

    def _try(self, case, smaller):
        if self.budget <= 0 or smaller == case:
            return case
        self.budget -= 1
        return smaller if self.fails(smaller) else case

    def _shorter(self, case, key):
        """Leaves out runs of elements, long ones first."""
        size = len(case[key])
        while size:
            at = 0
            while at < len(case[key]):
                kept = case[key][:at] + case[key][at + size:]
                smaller = self._try(case, {**case, key: kept})
                if smaller is case:
                    at += size
                case = smaller
            size //= 2
        return case

    def _simpler_numbers(self, case):
        for index, op in enumerate(case["ops"]):
            if op[0] == "dma":
                for length in (1, 4, 8):
                    if length < case["ops"][index][4]:
                        case = self._try(case, self._with(case, "ops", index, case["ops"][index][:4] + (length,)))
            elif op[0] == "entry":
                case = self._fewer_bits(case, "ops", index, 2)
            elif op[0] in ("context", "root"):
                case = self._fewer_bits(case, "ops", index, 2)
                case = self._fewer_bits(case, "ops", index, 3)
        for index in range(len(case["words"])):
            case = self._fewer_bits(case, "words", index, 1)
        return case

    def _fewer_bits(self, case, key, index, field):
        for bit in [bit for bit in range(64) if case[key][index][field] >> bit & 1]:
            element = case[key][index]
            fewer = element[:field] + (element[field] & ~(1 << bit),) + element[field + 1:]
            case = self._try(case, self._with(case, key, index, fewer))
        return case

    @staticmethod
    def _with(case, key, index, element):
        return {**case, key: case[key][:index] + [element] + case[key][index + 1:]}
