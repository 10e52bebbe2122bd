# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L2.03
#     question: What does a model gain by writing more before it answers, and what does it cost?
#     objectives:
#       - measure chain of thought against direct answers, with controls that say why it helps
#       - extract answers by a rule that does not distort the result, and show what a bad rule does
#       - work out when a majority vote helps, and measure it on real samples
#       - search over proposals with an exact verifier, breadth first and depth first, within a budget
#       - put methods on one figure of accuracy against tokens, and choose
#     minutes: 55
#     prerequisites: [L1.10, L2.02]
#     topics:
#       T2.04: [chain-of-thought, answer-extraction, self-consistency, cost]
#       T2.05: tree-of-thoughts
#     leads_to: ["2.6", "2.9"]
# ---

# %% [markdown]
# # Thinking in tokens
#
# *What is 7 + 9 + 6?* Every token that a transformer writes costs it the same work: for SmolLM2, thirty layers, once. If
# the next token has to be the answer, thirty layers are all that the question gets. If the model may write `7 + 9 = 16`
# first, it gets thirty layers more for each token, **and what it wrote is now part of what it reads**.
#
# That is the whole idea behind *thinking* in language models. Everything else in this lesson is engineering: how to read
# the answer out of the text, what many attempts are worth, how to search, and what it costs.

# %%
import heapq
import itertools
import json
import math
import random
import re
from collections import Counter
from fractions import Fraction

import matplotlib.pyplot as plt
import numpy as np

from roadmap import artifacts
from roadmap.lessons import data, style
from roadmap.llm.engine import Engine, Sampling
from roadmap.llm.local import ARTIFACT
from roadmap.llm.prompting import Turn, encode

style.use()
engine = Engine(artifacts.path(ARTIFACT))  # SmolLM2 in llama.cpp

# %% [markdown]
# ## 1. Chain of thought, with controls <a id="chain-of-thought"></a>
#
# The smallest task that a 135M model finds hard: the sum of three digits. Six ways to ask:
#
# | way | the examples show | the model writes |
# | --- | --- | --- |
# | direct | the answer | the answer |
# | filler | a sentence without content, the answer | the answer, after the same sentence |
# | magic words | nothing; *Let's think step by step* is added | what it likes |
# | **chain** | two steps, the answer | two steps, the answer |
# | steps given | two steps, the answer | the answer, after the *true* steps |
#
# *Filler* and *steps given* are **controls**. If more tokens helped by themselves, filler would help. If the last token
# were hard to read off, the true steps would not suffice.


# %%
def problem(rng: random.Random) -> tuple[str, str, int]:
    """A question, its true steps, its answer."""
    a, b, c = (rng.randint(2, 9) for _ in range(3))
    return f"What is {a} + {b} + {c}?", f"{a} + {b} = {a + b}. {a + b} + {c} = {a + b + c}.", a + b + c


rng = random.Random(2)
drawn = list(dict.fromkeys(problem(rng) for _ in range(70)))
SHOTS, PROBLEMS = drawn[:3], drawn[3:63]  # no question is in both
FILLER = "Let me look at the numbers with great care, one after the other, before I say it."
MARK = "The answer is"
WAYS = {  # what the examples show, what is added to the question, what the model is given of its answer
    "direct": (lambda steps: "", "", lambda steps: ""),
    "filler": (lambda steps: FILLER + " ", "", lambda steps: f"{FILLER} {MARK}"),
    "magic words": (None, " Let's think step by step.", lambda steps: ""),
    "chain": (lambda steps: steps + " ", "", lambda steps: ""),
    "steps given": (lambda steps: steps + " ", "", lambda steps: f"{steps} {MARK}"),
}


def ask(way: str, question: str, steps: str, *, temperature=0.0, seed=0) -> tuple[str, int]:
    """The whole answer, and how many tokens it has. `steps` are the true ones; only `steps given` uses them."""
    shown, added, begun = WAYS[way]
    turns = [Turn("system", "Answer the question.")]
    for q, s, a in SHOTS if shown else []:
        turns += [Turn("user", q), Turn("assistant", f"{shown(s)}{MARK} {a}.")]
    start = begun(steps)
    prompt = encode([*turns, Turn("user", question + added), Turn("assistant", start, False)], engine.tokenize)
    sampling = Sampling(temperature=temperature, seed=seed)
    *pieces, done = engine.complete(prompt, max_tokens=90 if not shown else 60, sampling=sampling)
    return start + "".join(pieces), len(engine.tokenize(start)) + done.tokens


def marked_number(text: str) -> int | None:
    """The number after the last 'The answer is'; None when there is none."""
    found = re.findall(MARK + r" (\d+)", text)
    return int(found[-1]) if found else None


print("three examples:", *(f"{q} {s} {MARK} {a}." for q, s, a in SHOTS), sep="\n   ")

# %% [markdown]
# **Predict.** Of eight problems, how many does *direct* get right? How many *chain*? Do the famous words help this model?

# %%
live = {
    way: [ask(way, q, s) for q, s, _ in PROBLEMS[:count]]
    for way, count in (("direct", 8), ("chain", 8), ("magic words", 2))
}
answers = [a for _, _, a in PROBLEMS]
for way, outputs in live.items():
    right = sum(marked_number(text) == answer for (text, _), answer in zip(outputs, answers, strict=False))
    print(f"{way}: {right} of {len(outputs)} right; the first answer to {PROBLEMS[0][0]}\n   {outputs[0][0]!r}")


# %%
def moves(state: tuple[Fraction, ...]) -> dict[str, tuple[Fraction, ...]]:
    """Every legal move in words, with the numbers that it leaves."""
    found = {}
    for i, j in itertools.combinations(range(len(state)), 2):
        a, b = max(state[i], state[j]), min(state[i], state[j])
        rest = [value for place, value in enumerate(state) if place not in (i, j)]
        results = [(a, "+", b, a + b), (a, "*", b, a * b), (a, "-", b, a - b), (b, "-", a, b - a)]
        results += [(x, "/", y, x / y) for x, y in ((a, b), (b, a)) if y]
        for x, sign, y, result in results:
            found[f"{x} {sign} {y} = {result}"] = tuple(sorted([*rest, result]))
    return found


GOAL = (Fraction(24),)


def can_be_solved(state: tuple[Fraction, ...], looked_at: list) -> bool:
    """Exhaustive search. `looked_at` collects every move that was tried."""
    if len(state) == 1:
        return state == GOAL
    for after in moves(state).values():
        looked_at.append(after)
        if can_be_solved(after, looked_at):
            return True
    return False


rng = random.Random(24)
puzzles, tried = [], []
while len(puzzles) < 40:
    candidate = tuple(sorted(Fraction(rng.randint(1, 13)) for _ in range(4)))
    looked_at: list = []
    if candidate not in puzzles and can_be_solved(candidate, looked_at):
        puzzles.append(candidate)
        tried.append(len(looked_at))


# %%
def search(puzzle, propose, order: str, budget: int) -> int | None:
    """How many proposals it took to reach 24; None when the budget or the tree ended first.

    `propose(state, path)` gives up to WIDTH successors. Depth first takes the newest state, breadth first the oldest.
    """
    frontier, spent = [(puzzle, ())], 0
    while frontier:
        state, path = frontier.pop(-1 if order == "depth first" else 0)
        children = []
        for number, after in enumerate(propose(state, path)):
            spent += 1
            if after == GOAL:
                return spent
            if spent == budget:
                return None
            if len(after) > 1:
                children.append((after, (*path, number)))
        frontier += children[::-1] if order == "depth first" else children
    return None


WIDTH = 3
SOLVED = [
    ((2, 3, 6, 10), ["10 + 2 = 12", "6 / 3 = 2", "12 * 2 = 24"]),
    ((1, 5, 6, 8), ["8 - 5 = 3", "3 + 1 = 4", "6 * 4 = 24"]),
]


def written(state: tuple[Fraction, ...]) -> str:
    return " ".join(map(str, state))


example_turns = [Turn("system", "Reach 24. Each move joins two of the numbers.")]
for numbers, path in SOLVED:
    state = tuple(map(Fraction, numbers))
    for move in path:
        example_turns += [Turn("user", written(state)), Turn("assistant", move)]
        state = moves(state)[move]
    assert state == GOAL


def model_proposals(seed: int = 0):
    """Moves sampled from SmolLM2 under a grammar of the legal ones; the same path gets the same draws."""
    known: dict[tuple, list] = {}

    def propose(state, path):
        if path not in known:
            legal = moves(state)
            grammar = "root ::= " + " | ".join(f'"{text}"' for text in legal)
            turns = [*example_turns, Turn("user", written(state)), Turn("assistant", "", False)]
            prompt, known[path] = encode(turns, engine.tokenize), []
            for number in range(WIDTH):
                place = sum((step + 1) * 4**depth for depth, step in enumerate((*path, number)))
                sampling = Sampling(temperature=1.0, seed=10_000 * seed + 101 * int(sum(state)) + place)
                *pieces, _ = engine.complete(prompt, max_tokens=24, grammar=grammar, sampling=sampling)
                known[path].append(legal.get("".join(pieces), ()))
        return known[path]

    return propose


def random_proposals(seed: int = 0):
    """The baseline: legal moves, each as likely as any other, drawn as often."""
    rng = random.Random(seed)
    known: dict[tuple, list] = {}

    def propose(state, path):
        return known.setdefault(path, rng.choices(list(moves(state).values()), k=WIDTH))

    return propose
