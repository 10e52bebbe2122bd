"""Right answers for task 2.9, the known wrong ones, and the judge's model: what it answers is decided by a plan."""

from __future__ import annotations

import json
import math
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

PLACES = ("Aberdeen", "Bergen", "Cusco", "Dakar", "Erfurt", "Fez", "Galway", "Hobart", "Izmir", "Jaipur", "Kyoto")
FIRMS = ("Northgate", "Ostrava Steel", "Pallas", "Quillon", "Ridgeway", "Solano", "Tarn", "Umber", "Vesta")
THINGS = ("a haiku about rain", "the plural of ox", "a name for a cat", "how to boil rice", "the rules of chess")
WORDS = {
    "sky": ("will it rain in {place}", "how warm is it in {place}", "is it windy in {place}"),
    "ticker": ("what does a share of {firm} cost", "how did {firm} close", "the price of {firm} stock"),
    "none": ("tell me {thing}", "explain {thing}", "write {thing}"),
}


def requests(rng: np.random.Generator, tool: str, count: int, start: int = 0) -> list[tuple[str, str]]:
    """`count` pairs of a request and its tool. Each request carries a number of its own: none is part of another."""
    numbers = rng.permutation(9000)[:count] + 1000
    pairs = []
    for place, number in enumerate(numbers):
        words = str(rng.choice(WORDS[tool])).format(
            place=rng.choice(PLACES), firm=rng.choice(FIRMS), thing=rng.choice(THINGS)
        )
        pairs.append((f"{words}, case {start + place}x{number}", tool))
    return pairs


def mixed(rng: np.random.Generator, counts: dict[str, int], start: int = 0) -> list[tuple[str, str]]:
    """Pairs of several tools, shuffled."""
    pairs = []
    for tool, count in counts.items():
        pairs += requests(rng, tool, count, start + len(pairs))
    return [pairs[i] for i in rng.permutation(len(pairs))]


def canonical(text: str) -> str:
    """What the task calls the same text."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def disguised(rng: np.random.Generator, text: str) -> str:
    """The same text in another spelling: case, white space, full-width digits."""
    kind = int(rng.integers(0, 4))
    if kind == 0:
        return text.upper()
    if kind == 1:
        return "  " + text.replace(" ", "  \t", 1) + " "
    if kind == 2:
        return text.translate({ord("0") + i: 0xFF10 + i for i in range(10)})
    return text.title().replace(" ", "\u00a0", 1)


# --- splits -----------------------------------------------------------------------------------------------------------


def shares(total: int, fractions: Sequence[float]) -> list[int]:
    """The largest remainder, in exact fractions of what the decimal numbers say."""
    exact = [Fraction(str(fraction)) * total for fraction in fractions]
    counts = [int(share) for share in exact]
    while sum(counts) < total:
        left = [share - count for share, count in zip(exact, counts, strict=True)]
        counts[left.index(max(left))] += 1
    return counts


def clear_size(rng: np.random.Generator, low: int, high: int, fractions: Sequence[float]) -> int:
    """A number of texts whose shares come out the same whether or not rounding errors are minded."""
    while True:
        size = int(rng.integers(low, high))
        exact = [fraction * size for fraction in fractions]
        counts = [math.floor(share) for share in exact]
        for i in sorted(range(3), key=lambda i: (counts[i] - exact[i], i))[: size - sum(counts)]:
            counts[i] += 1
        if counts == shares(size, fractions):
            return size


def expected_counts(pairs: Sequence[tuple[str, str]], fractions: Sequence[float]) -> dict[str, list[int]]:
    """For each tool, how many distinct texts each split holds."""
    texts = Counter(tool for _, tool in {(canonical(request), tool) for request, tool in pairs})
    return {tool: shares(count, fractions) for tool, count in sorted(texts.items())}


def counted(pairs: Sequence[tuple[str, str]], places: Sequence[Sequence[int]]) -> dict[str, list[int]]:
    """For each tool, how many distinct texts each split does hold."""
    found: dict[str, list[int]] = {tool: [] for tool in sorted({tool for _, tool in pairs})}
    for part in places:
        texts = Counter(tool for _, tool in {(canonical(pairs[i][0]), pairs[i][1]) for i in part})
        for tool, counts in found.items():
            counts.append(texts[tool])
    return found


# --- statistics -------------------------------------------------------------------------------------------------------


def wilson(correct: int, total: int, z: float = 1.96) -> list[float]:
    """The shares p from which the observed one is z standard errors of p away: the roots of a quadratic."""
    share = correct / total
    low, high = sorted(np.roots([total + z * z, -(2 * total * share + z * z), total * share * share]).real)
    return [float(max(0.0, low)), float(min(1.0, high))]


def wald(correct: int, total: int) -> list[float]:
    """Wrong: the textbook interval around the share itself."""
    share = correct / total
    reach = 1.96 * math.sqrt(share * (1 - share) / total)
    return [share - reach, share + reach]


def binomial(n: int) -> list[float]:
    """The probabilities of 0 to n heads, by adding one coin after the other."""
    row = [Fraction(1)]
    for _ in range(n):
        row = [(a + b) / 2 for a, b in zip([Fraction(0), *row], [*row, Fraction(0)], strict=True)]
    return [float(p) for p in row]


def mcnemar(first: int, second: int) -> float:
    """The chance, under equality, of a disagreement as uneven as this one or more."""
    row = binomial(first + second)
    return min(1.0, sum(p for k, p in enumerate(row) if abs(2 * k - len(row) + 1) >= abs(first - second)))


def one_sided(first: int, second: int) -> float:
    """Wrong: one tail only."""
    return sum(binomial(first + second)[: min(first, second) + 1])


def chi_squared(first: int, second: int, *, corrected: bool = False) -> float:
    """Wrong here: the approximation for large numbers."""
    if first + second == 0:
        return 1.0
    gap = abs(first - second) - (1 if corrected else 0)
    return math.erfc(math.sqrt(gap * gap / (first + second) / 2))


def figures(right: Sequence[bool]) -> dict:
    """One router's part of a report."""
    return {"correct": sum(right), "accuracy": sum(right) / len(right), "interval": wilson(sum(right), len(right))}


def report(name: str, validation: float, before: Sequence[bool], after: Sequence[bool]) -> dict:
    """The whole report."""
    only_baseline = sum(a and not b for a, b in zip(before, after, strict=True))
    only_compiled = sum(b and not a for a, b in zip(before, after, strict=True))
    p_value = mcnemar(only_baseline, only_compiled)
    better = "better" if only_compiled > only_baseline else "worse"
    return {
        "name": name,
        "total": len(before),
        "validation": validation,
        "baseline": figures(before),
        "compiled": figures(after),
        "only_baseline": only_baseline,
        "only_compiled": only_compiled,
        "p_value": p_value,
        "verdict": better if p_value < 0.05 else "no lift",
    }


def overlap_verdict(want: dict) -> str:
    """Wrong: says that two shares differ when their intervals do not overlap."""
    (low, high), (floor, ceiling) = want["baseline"]["interval"], want["compiled"]["interval"]
    return "better" if floor > high else "worse" if ceiling < low else "no lift"


def eager_verdict(want: dict) -> str:
    """Wrong: any difference will do."""
    gap = want["only_compiled"] - want["only_baseline"]
    return "better" if gap > 0 else "worse" if gap < 0 else "no lift"


# --- the judge's model ------------------------------------------------------------------------------------------------


class Script:
    """The model: it answers by a plan and remembers what it read.

    `known` maps requests to (split, place in the split, tool); `right(demonstrations, split, place)` says whether the
    answer is to be right. `asked` holds, for each question, the demonstrated requests and the one asked for.
    """

    def __init__(self, known: dict[str, tuple[str, int, str]], right: Callable[[int, str, int], bool]):
        self.known = known
        self.right = right
        self.asked: list[tuple[tuple[str, ...], str | None]] = []
        self.prompts: list[str] = []
        self.odd = 0  # prompts in which no known request was asked for
        self.failing: str | None = None

    @classmethod
    def of(cls, splits: dict[str, list[tuple[str, str]]], right: Callable[[int, str, int], bool]) -> Script:
        """A model that knows the requests of named splits."""
        known = {
            request: (name, place, tool)
            for name, pairs in splits.items()
            for place, (request, tool) in enumerate(pairs)
        }
        return cls(known, right)

    def __call__(self, system: str, turns: list) -> str:
        """Answer one prompt."""
        read = [self._requests(text) for role, text in turns if role == "user"]
        everywhere = "\n".join([system, *(text for _, text in turns)])
        self.prompts.append(everywhere)
        question = read[-1][-1] if read and read[-1] else None
        shown = tuple(request for request in self.known if request in everywhere and request != question)
        ordered = tuple(request for part in read[:-1] for request in part)
        self.asked.append((ordered if set(ordered) == set(shown) else shown, question))
        if question is None:
            self.odd += 1
            return _answer("none", everywhere)
        if question == self.failing:
            raise RuntimeError("the model is out of reach")
        split, place, tool = self.known[question]
        tools = sorted({tool for _, _, tool in self.known.values()})
        wrong = tools[(tools.index(tool) + 1) % len(tools)]
        return _answer(tool if self.right(len(shown), split, place) else wrong, everywhere)

    def _requests(self, text: str) -> list[str]:
        return [request for request in self.known if request in text]

    def split_of(self, request: str) -> str:
        """The split that a request belongs to."""
        return self.known[request][0]

    def questions(self) -> dict[tuple[str, ...], Counter]:
        """For each set of demonstrations, how often each request was asked."""
        found: dict[tuple[str, ...], Counter] = {}
        for shown, question in self.asked:
            found.setdefault(shown, Counter())[question] += 1
        return found


def _answer(tool: str, prompt: str) -> str:
    """The answer in the form that the prompt asks for: DSPy's own marks, or JSON."""
    if "[[ ## tool ## ]]" in prompt:
        return f"[[ ## tool ## ]]\n{tool}\n\n[[ ## completed ## ]]"
    return json.dumps({"tool": tool})
