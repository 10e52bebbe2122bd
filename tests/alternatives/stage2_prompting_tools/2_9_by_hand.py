"""NumPy permutations, one pass where the chosen router is the baseline, products in place of binomials."""

import dspy
import numpy as np


def split(examples, *, seed, fractions=(0.5, 0.25, 0.25)):
    """An array of homes for the sorted distinct texts."""
    fractions = np.asarray(fractions, dtype=float)
    if fractions.shape != (3,) or (fractions < 0).any() or not np.isclose(fractions.sum(), 1, atol=1e-9, rtol=0):
        raise ValueError("fractions")
    keys = [canonical(example.request) for example in examples]
    pairs = sorted(set(zip((example.tool for example in examples), keys, strict=False)))
    if len({key for _, key in pairs}) < len(pairs):
        raise ValueError("a text with two tools")
    rng = np.random.default_rng(seed)
    home = {}
    for tool in sorted({tool for tool, _ in pairs}):
        own = [key for label, key in pairs if label == tool]
        exact = fractions * len(own)
        counts = np.floor(exact + 1e-9).astype(int)
        rest = np.argsort(-np.round(exact - counts, 9), kind="stable")[: len(own) - counts.sum()]
        counts[rest] += 1
        for key, place in zip(rng.permutation(own), np.repeat(np.arange(3), counts), strict=False):
            home[str(key)] = int(place)
    parts = [[], [], []]
    for i in rng.permutation(len(keys)):
        parts[home[keys[i]]].append(examples[int(i)])
    return Splits(train=parts[0], validation=parts[1], test=parts[2])


class Router:
    def forward(self, request):
        """Always a new prediction."""
        answer = NONE
        try:
            answer = self.predict(request=request).tool
        except dspy.utils.exceptions.AdapterParseError:
            pass
        return dspy.Prediction(tool=answer)


def exact_mcnemar(only_first, only_second):
    """Each binomial probability from the one before."""
    n, k = only_first + only_second, min(only_first, only_second)
    chance, tail = 0.5**n, 0.0
    for i in range(k + 1):
        tail += chance
        chance *= (n - i) / (i + 1)
    return 1.0 if 2 * tail > 1 else 2 * tail


def compile_router(router, splits, *, candidates, seed):
    """Everything in arrays."""
    if not (splits.train and splits.validation):
        raise ValueError("empty")
    names = ["zero-shot", *candidates]
    if len(set(names)) < len(names):
        raise ValueError("a name twice")
    order = np.random.default_rng(seed).permutation(len(splits.train))
    programs = [router.reset_copy()]
    for optimizer in candidates.values():
        programs.append(optimizer.compile(router.reset_copy(), trainset=[splits.train[int(i)] for i in order]))
    marks = np.array(
        [[metric(example, program(request=example.request)) for example in splits.validation] for program in programs]
    )
    best = int(np.argmax(marks.mean(axis=1)))
    scores = {name: float(score) for name, score in zip(names, marks.mean(axis=1), strict=False)}
    return Compiled(names[best], programs[best], programs[0].reset_copy(), scores)


def report(compiled, splits):
    """One pass serves for both where nothing was compiled."""
    if len(splits.test) < 1:
        raise ValueError("no test")

    def run(program):
        return np.array([metric(example, program(request=example.request)) == 1.0 for example in splits.test])

    before = run(compiled.baseline)
    after = before if compiled.name == "zero-shot" else run(compiled.program)
    lost, won = int((before & ~after).sum()), int((after & ~before).sum())
    p = exact_mcnemar(lost, won)

    def part(right):
        return {
            "correct": int(right.sum()),
            "accuracy": float(right.mean()),
            "interval": wilson_interval(int(right.sum()), len(right)),
        }

    return dict(
        name=compiled.name,
        total=len(before),
        validation=compiled.scores[compiled.name],
        baseline=part(before),
        compiled=part(after),
        only_baseline=lost,
        only_compiled=won,
        p_value=p,
        verdict="no lift" if p >= ALPHA else "better" if won > lost else "worse",
    )
