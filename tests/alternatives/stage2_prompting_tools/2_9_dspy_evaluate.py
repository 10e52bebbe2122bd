"""DSPy's own Evaluate with threads, a signature changed afterwards, integers for the shares."""

from typing import Literal

import dspy


def split(examples, *, seed, fractions=(0.5, 0.25, 0.25)):
    """Keys with a random number each; the largest remainder by repeated maximum."""
    if len(fractions) != 3 or any(fraction < 0 for fraction in fractions) or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError("fractions")
    labels, members = {}, {}
    for example in examples:
        key = canonical(example.request)
        if labels.setdefault(key, example.tool) != example.tool:
            raise ValueError("two labels")
        members.setdefault(key, []).append(example)
    rng = random.Random(f"split {seed}")
    numbers = {key: rng.random() for key in sorted(labels)}
    parts = [[], [], []]
    for tool in sorted(set(labels.values())):
        keys = sorted((key for key in labels if labels[key] == tool), key=numbers.get)
        left = [round(fraction * len(keys), 9) for fraction in fractions]
        taken = [int(share) for share in left]
        left = [round(share - whole, 9) for share, whole in zip(left, taken, strict=False)]
        while sum(taken) < len(keys):
            place = left.index(max(left))
            taken[place] += 1
            left[place] = -1.0
        homes = [place for place in range(3) for _ in range(taken[place])]
        for key, place in zip(keys, homes, strict=False):
            parts[place].append(key)
    for part in parts:
        part.sort(key=lambda key: numbers[key])
    return Splits(*([example for key in part for example in members[key]] for part in parts))


def metric(example, prediction, trace=None):
    """A regular expression strips."""
    import re

    answer = prediction.toDict().get("tool")
    if trace is not None:
        return bool(isinstance(answer, str) and answer == example.tool)
    if not isinstance(answer, str):
        return 0.0
    clean = [re.sub(r"^[ \"'`*.]+|[ \"'`*.]+$", "", canonical(text)) for text in (answer, example.tool)]
    return 1.0 if clean[0] == clean[1] else 0.0


def routing_signature(tools):
    """A short signature, then another type."""
    if len(tools) == 0:
        raise ValueError("no tools")

    offered = "\n".join(f"{name} -- {description}" for name, description in tools.items())
    made = dspy.Signature("request -> tool", f"Route the request.\n\n{offered}\n\nAnswer none if no tool helps.")
    return made.with_updated_fields("tool", desc="the tool's name, or none", type_=Literal[tuple([*tools, "none"])])


def wilson_interval(correct, total):
    """Both ends from the quadratic formula."""
    if total < 1 or correct < 0 or correct > total:
        raise ValueError("no share")
    a, b, c = total + Z**2, -(2 * correct + Z**2), correct**2 / total
    root = math.sqrt(max(b * b - 4 * a * c, 0.0))
    return [max(0.0, (-b - root) / (2 * a)), min(1.0, (-b + root) / (2 * a))]


def exact_mcnemar(only_first, only_second):
    """Adds up every outcome at least as uneven."""
    n = only_first + only_second
    gap = abs(only_first - only_second)
    return sum(math.comb(n, heads) for heads in range(n + 1) if abs(n - 2 * heads) >= gap) / 2**n


def compile_router(router, splits, *, candidates, seed):
    """dspy.Evaluate, told that the first error is one too many."""
    if len(splits.train) == 0 or len(splits.validation) == 0 or "zero-shot" in candidates:
        raise ValueError("nothing to compile on")
    train = random.Random(seed).sample(splits.train, k=len(splits.train))
    evaluate = dspy.Evaluate(
        devset=splits.validation, metric=metric, num_threads=3, max_errors=1, display_progress=False
    )
    best, scores = ("zero-shot", router.reset_copy()), {}
    scores["zero-shot"] = _share(evaluate(best[1]))
    for name, optimizer in candidates.items():
        program = optimizer.compile(student=router.reset_copy(), trainset=[*train])
        scores[name] = _share(evaluate(program))
        if scores[name] > scores[best[0]]:
            best = (name, program)
    return Compiled(name=best[0], program=best[1], baseline=router.reset_copy(), scores=scores)


def _share(result):
    return sum(mark for _, _, mark in result.results) / len(result.results)
