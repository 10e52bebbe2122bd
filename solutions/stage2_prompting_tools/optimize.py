"""Task 2.9: a prompt that is compiled: split, measure, choose on validation, report on test once.

Which tool, if any, should answer a request? A DSPy program asks the model; its demonstrations are not typed in but
chosen by an optimizer against a metric. What is compiled, chosen and reported comes from three disjoint splits: on data
that had a say in the choice every figure is too high.

DSPy 3.4: https://dspy.ai. Examples are `dspy.Example(request=..., tool=...).with_inputs("request")`; `routing_examples`
holds tools and requests to try it on.
"""

from __future__ import annotations

import math
import random
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import dspy

NONE = "none"  # the answer when no tool is needed
Z = 1.96  # the 97.5 per cent point of the normal distribution: intervals of 95 per cent
ALPHA = 0.05  # a difference whose p-value is below this is called one


@dataclass(frozen=True)
class Splits:
    """Three disjoint lists of `dspy.Example`: to compile on, to choose on, to report on."""

    train: list[dspy.Example]
    validation: list[dspy.Example]
    test: list[dspy.Example]


@dataclass(frozen=True)
class Compiled:
    """What `compile_router` chose.

    `name` is the candidate's, `program` the compiled router, `baseline` the router without demonstrations; `scores`
    maps every candidate's name, `"zero-shot"` included, to its accuracy on validation, from 0 to 1.
    """

    name: str
    program: dspy.Module
    baseline: dspy.Module
    scores: dict[str, float]


def as_examples(pairs: Iterable[tuple[str, str]]) -> list[dspy.Example]:
    """DSPy examples from pairs of a request and the tool's name."""
    return [dspy.Example(request=request, tool=tool).with_inputs("request") for request, tool in pairs]


def canonical(text: str) -> str:
    """Text without what makes no difference: Unicode form, case, runs of white space."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def split(
    examples: Sequence[dspy.Example], *, seed: int, fractions: tuple[float, float, float] = (0.5, 0.25, 0.25)
) -> Splits:
    """Split examples into train, validation and test, in equal proportions for every tool.

    - Requests that are equal after `canonical` are one text: all its examples go to the same split. One text with two
      different tools raises ValueError.
    - For each tool, its n distinct texts are shared out by the largest remainder: each split first gets
      floor(fraction * n) texts; those left go, one each, to the splits with the largest fractional parts, the earlier
      split first where two are equal (parts that differ by less than 1e-9 are equal). Which texts go where is random.
    - Each split is in random order: not sorted by tool.
    - Every given example (the same object) is in exactly one split. `examples` is left as it is.
    - The texts, tools, `fractions` and `seed` alone decide: the order of `examples` makes no difference to which
      texts a split holds, nor does Python's global random state, which is left alone.

    Raises ValueError when the fractions are not three numbers of 0 or more that add up to 1 (within 1e-9).
    """
    # >>> solution
    if len(fractions) != 3 or min(fractions) < 0 or abs(sum(fractions) - 1) > 1e-9:
        raise ValueError(f"Three fractions that add up to 1 are needed, not {fractions}.")
    groups: dict[str, list[dspy.Example]] = {}
    for example in examples:
        groups.setdefault(canonical(example.request), []).append(example)
    texts: dict[str, list[str]] = {}
    for text, group in groups.items():
        tools = {example.tool for example in group}
        if len(tools) > 1:
            raise ValueError(f"One request has two tools, {sorted(tools)}: {text!r}. Correct its label.")
        texts.setdefault(group[0].tool, []).append(text)
    rng = random.Random(seed)
    parts: tuple[list[dspy.Example], ...] = ([], [], [])
    for tool in sorted(texts):
        # Sorted first: what the shuffle starts from must not depend on the order of the file.
        names = sorted(texts[tool])
        rng.shuffle(names)
        start = 0
        for part, count in zip(parts, _shares(len(names), fractions), strict=True):
            for name in names[start : start + count]:
                part.extend(groups[name])
            start += count
    for part in parts:
        rng.shuffle(part)
    return Splits(*parts)
    # <<< solution


# >>> solution
def _shares(total: int, fractions: Sequence[float]) -> list[int]:
    """Whole numbers in the proportion of `fractions` that add up to `total`: the largest remainder."""
    exact = [fraction * total for fraction in fractions]
    counts = [math.floor(share + 1e-9) for share in exact]
    order = sorted(range(len(counts)), key=lambda i: (-round(exact[i] - counts[i], 9), i))
    for i in order[: total - sum(counts)]:
        counts[i] += 1
    return counts


# <<< solution


def metric(example: dspy.Example, prediction: dspy.Prediction, trace: Any = None) -> float | bool:
    """Whether the predicted tool is the example's.

    Without a trace (DSPy is evaluating): 1.0 or 0.0. The names are compared after `canonical` and after quotes,
    backticks, asterisks and full stops around them are gone: '"Weather".' is weather; 'weather or stocks' is not.
    With a trace, which may be an empty list (DSPy is collecting demonstrations): True only when the name is the very
    same string, else False, since a demonstration teaches its form too.
    A prediction without a `tool`, or whose tool is not a string, is wrong.
    """
    # >>> solution
    answer = getattr(prediction, "tool", None)
    if not isinstance(answer, str):
        return 0.0 if trace is None else False
    if trace is not None:
        return answer == example.tool
    return float(_bare(answer) == _bare(example.tool))
    # <<< solution


# >>> solution
def _bare(name: str) -> str:
    return canonical(name).strip(" \"'`*.")


# <<< solution


def routing_signature(tools: Mapping[str, str]) -> type[dspy.Signature]:
    """The signature `request -> tool`: an input string, and an output that can only be a tool's name or "none".

    Parameters: `tools` maps each tool's name to its description. The output's type is a `typing.Literal` of the names,
    in their order, then `NONE`. The instructions name every tool with its description, and say when the answer is
    `NONE`: that is all the model ever reads about them. No tools at all raise ValueError.
    """
    # >>> solution
    if not tools:
        raise ValueError("A router needs at least one tool to choose.")
    lines = [f"- {name}: {description}" for name, description in tools.items()]
    instructions = "\n".join(
        ["Choose the tool that can answer the request.", *lines, f"- {NONE}: no tool here can answer it"]
    )
    output = Literal[(*tools, NONE)]  # type: ignore[valid-type]
    return dspy.Signature({"request": (str, dspy.InputField()), "tool": (output, dspy.OutputField())}, instructions)
    # <<< solution


class Router(dspy.Module):
    """Chooses a tool for a request. `tools` maps names to descriptions."""

    def __init__(self, tools: Mapping[str, str]):
        super().__init__()
        self.tools = dict(tools)
        self.predict = dspy.Predict(routing_signature(tools))

    def forward(self, request: str) -> dspy.Prediction:
        """Ask the model once; returns a prediction whose `tool` is one of the names or `NONE`.

        An answer that DSPy cannot parse (`dspy.utils.exceptions.AdapterParseError`, after DSPy's own second try with
        another format) is `NONE`: an assistant that says nothing about the weather is better than one that stops.
        Every other error (no network, no key, no budget) is no answer at all and propagates.
        """
        # >>> solution
        try:
            return self.predict(request=request)
        except dspy.utils.exceptions.AdapterParseError:
            return dspy.Prediction(tool=NONE)
        # <<< solution


def compile_router(
    router: Router, splits: Splits, *, candidates: Mapping[str, dspy.teleprompt.Teleprompter], seed: int
) -> Compiled:
    """Compile the router with every candidate on train, and choose on validation.

    Parameters: `candidates` maps names to DSPy optimizers (`dspy.LabeledFewShot(k=4)`, `dspy.BootstrapFewShot(...)`),
    from the simplest to the most elaborate.

    - The router without demonstrations (`router.reset_copy()`) always competes, first, under the name "zero-shot".
    - Each optimizer compiles a router without demonstrations: `optimizer.compile(student, trainset=...)`, where the
      training set is `splits.train` in an order drawn from `seed` (the same order for every candidate): DSPy's
      optimizers take the first examples that will do, or draw with a seed of their own. Two calls with the same seed
      compile the same; another seed gives another order.
    - Each program's score is the mean of `metric` over all of `splits.validation`, each example asked once.
    - The highest score wins; of equal ones the earliest, which is the simplest.
    - `splits.test` is not looked at. `router`, `splits` and Python's global random state are left as they are.
    - An error of the model during validation is not a wrong answer: it propagates, whatever DSPy would make of it
      (`dspy.Evaluate` counts up to `max_errors` of them as 0).

    Raises ValueError when train or validation is empty, or a candidate is called "zero-shot".
    """
    # >>> solution
    if not splits.train or not splits.validation:
        raise ValueError("Compiling needs training examples, and choosing needs validation examples.")
    if "zero-shot" in candidates:
        raise ValueError('"zero-shot" is the name of the router without demonstrations. Call the candidate another.')
    order = list(splits.train)
    random.Random(seed).shuffle(order)
    programs: dict[str, dspy.Module] = {"zero-shot": router.reset_copy()}
    for name, optimizer in candidates.items():
        programs[name] = optimizer.compile(router.reset_copy(), trainset=list(order))
    scores = {name: _mean(_marks(program, splits.validation)) for name, program in programs.items()}
    # max takes the first of equals, and the order is from the simplest up.
    chosen = max(scores, key=lambda name: scores[name])
    return Compiled(chosen, programs[chosen], router.reset_copy(), scores)
    # <<< solution


# >>> solution
def _marks(program: dspy.Module, examples: Sequence[dspy.Example]) -> list[float]:
    return [float(metric(example, program(**example.inputs()))) for example in examples]


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


# <<< solution


def wilson_interval(correct: int, total: int) -> tuple[float, float]:
    """Wilson's interval of 95 per cent for a share, with z = `Z`; both ends within [0, 1].

    Wilson (1927). Unlike p plus or minus z times its standard error, it stays inside [0, 1] and does not shrink to
    nothing at 0 of n. Raises ValueError unless 0 <= correct <= total and total > 0.
    """
    # >>> solution
    if not 0 <= correct <= total or total == 0:
        raise ValueError(f"{correct} of {total} is not a share.")
    share, z2 = correct / total, Z * Z
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = Z / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    return max(0.0, centre - reach), min(1.0, centre + reach)
    # <<< solution


def exact_mcnemar(only_first: int, only_second: int) -> float:
    """The two-sided p-value of a paired comparison: how surprising are these disagreements if both are equally good?

    Parameters: how many items only the first got right, and how many only the second. Items on which both agree say
    nothing about the difference and do not enter. Given n disagreements of which k are the rarer kind, the p-value is
    2 * P(X <= k) with X ~ Binomial(n, 1/2), at most 1; without disagreements 1. Exact, by adding up: n is small here.
    McNemar (1947), in the binomial form.
    """
    # >>> solution
    n, k = only_first + only_second, min(only_first, only_second)
    tail = sum(math.comb(n, i) for i in range(k + 1))
    return min(1.0, 2 * tail / 2**n)
    # <<< solution


def report(compiled: Compiled, splits: Splits) -> dict[str, Any]:
    """Baseline and compiled router on the test split, once each, and whether they differ.

    Returns plain data:
    `name` the chosen candidate; `total` the number of test examples; `validation` its accuracy on validation, which
    the choice has made too high; `baseline` and `compiled`, each {"correct": int, "accuracy": float, "interval":
    [low, high]} with Wilson's interval; `only_baseline` and `only_compiled`, how many examples only that one got right;
    `p_value` of `exact_mcnemar` on these two; `verdict`: "better" or "worse" (of the compiled router) when the p-value
    is below `ALPHA`, else "no lift".

    Every test example is asked once of each router, never more: looking again until the figure pleases is choosing on
    test. When the chosen router is the baseline ("zero-shot") nothing differs: one pass may serve for both.
    Errors of the model propagate. An empty test split raises ValueError.
    """
    # >>> solution
    if not splits.test:
        raise ValueError("A report needs test examples.")
    total = len(splits.test)
    before = _marks(compiled.baseline, splits.test)
    after = _marks(compiled.program, splits.test)
    only_baseline = sum(a > b for a, b in zip(before, after, strict=True))
    only_compiled = sum(b > a for a, b in zip(before, after, strict=True))
    p_value = exact_mcnemar(only_baseline, only_compiled)
    verdict = "no lift"
    if p_value < ALPHA:
        verdict = "better" if only_compiled > only_baseline else "worse"
    return {
        "name": compiled.name,
        "total": total,
        "validation": compiled.scores[compiled.name],
        "baseline": _figures(before),
        "compiled": _figures(after),
        "only_baseline": only_baseline,
        "only_compiled": only_compiled,
        "p_value": p_value,
        "verdict": verdict,
    }
    # <<< solution


# >>> solution
def _figures(marks: Sequence[float]) -> dict[str, Any]:
    correct = round(sum(marks))
    return {
        "correct": correct,
        "accuracy": correct / len(marks),
        "interval": list(wilson_interval(correct, len(marks))),
    }


# <<< solution
