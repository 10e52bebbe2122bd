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
# *What is 7 + 9 + 6?* Every token that a transformer writes costs it the same work: for SmolLM2, thirty layers, once.
# If the next token has to be the answer, thirty layers are all that the question gets. If the model may write `7 + 9
# = 16` first, it gets thirty layers more for each token, **and what it wrote is now part of what it reads**.
#
# That is the whole idea behind *thinking* in language models. Everything else in this lesson is engineering: how to
# read the answer out of the text, what many attempts are worth, how to search, and what it costs.

# %%
import functools
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
STAGE = "stage2_prompting_tools"
engine = Engine(artifacts.path(ARTIFACT))  # SmolLM2 in llama.cpp

# %% [markdown]
# ## 1. Chain of thought, with controls <a id="chain-of-thought"></a>
#
# The smallest task that a 135M model finds hard: the sum of three digits. Five ways to ask:
#
# | way | the examples show | the model writes |
# | --- | --- | --- |
# | direct | the answer | the answer |
# | filler | a sentence without content, the answer | the answer, after the same sentence |
# | magic words | nothing; *Let's think step by step* is added | what it likes |
# | **chain** | two steps, the answer | two steps, the answer |
# | steps given | two steps, the answer | the answer, after the *true* steps |
#
# *Filler* and *steps given* are **controls**. If more tokens helped by themselves, filler would help. If the last
# token were hard to read off, the true steps would not suffice.


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
    found = re.findall(MARK + r" (\d+)", text, re.IGNORECASE)
    return int(found[-1]) if found else None


print("three examples:", *(f"{q} {s} {MARK} {a}." for q, s, a in SHOTS), sep="\n   ")

# %% [markdown]
# **Predict.** Of four problems, how many does *direct* get right? How many *chain*? Do the famous words help this
# model?

# %%
counts = {"direct": 4, "chain": 4, "magic words": 1}
live = {way: [ask(way, q, steps) for q, steps, _ in PROBLEMS[:count]] for way, count in counts.items()}
answers = [answer for _, _, answer in PROBLEMS]
for way, outputs in live.items():
    right = sum(marked_number(text) == answer for (text, _), answer in zip(outputs, answers, strict=False))
    print(f"{way}: {right} of {len(outputs)} right. {PROBLEMS[0][0]}\n   {outputs[0][0]!r}")

# %% [markdown]
# Four problems prove little. A script ran the cells above on all 60, and stored every answer with its length.

# %%
sweep = json.loads(data.path(STAGE, "03_reasoning_sweep.json").read_text(encoding="utf-8"))
stored = sweep["ways"]  # way: for each problem [text, tokens]


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """A 95% interval of a share, also for small n. Source: Wilson, 1927."""
    middle, spread = hits + z * z / 2, z * (hits * (n - hits) / n + z * z / 4) ** 0.5
    return (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)


def right_of(outputs: list, rule=marked_number) -> list[bool]:
    """Which answers are right under a rule of extraction."""
    return [rule(text) == answer for (text, _), answer in zip(outputs, answers, strict=False)]


hits = {way: sum(right_of(outputs)) for way, outputs in stored.items()}
tokens = {way: float(np.mean([n for _, n in outputs])) for way, outputs in stored.items()}
figure, axis = plt.subplots(figsize=(7, 3.3))
for place, (way, hit) in enumerate(hits.items()):
    low, high = wilson(hit, 60)
    axis.bar(place, hit / 60, color=style.BLUE if way == "chain" else style.GREY)
    axis.errorbar(place, hit / 60, [[hit / 60 - low], [high - hit / 60]], color="#262626", capsize=3)
    axis.text(place, max(high, hit / 60) + 0.03, f"{tokens[way]:.0f} tokens", ha="center", fontsize=9)
axis.set_xticks(range(len(hits)), hits)
axis.set(ylim=(0, 1.15), ylabel="share right of 60")
style.show(
    figure,
    caption="Steps help; as many tokens without content do not; with the true steps, nothing is left to do.",
    alt="Bars: direct near 0.2, filler below it, magic words near zero, chain at 0.6, steps given at 1.0.",
)
print(hits)
assert hits["chain"] > hits["direct"] + 15
assert hits["filler"] <= hits["direct"]
assert hits["magic words"] <= 2
cut_off = sum(n >= 90 for _, n in stored["magic words"])
print("magic words: cut off at the limit of 90 tokens:", cut_off, "of 60")
assert cut_off >= 40
assert hits["steps given"] == 60

# %% [markdown]
# The examples of steps more than double the right answers. The controls say why. *Filler* takes as many tokens and
# helps nothing: it is not the time, it is **what is written**. *Steps given* is perfect: reading the answer off is no
# problem. And *Let's think step by step*, famous from large models, yields one right answer in 60, and talk that
# mostly runs into the limit: a sentence cannot call up what a model has not learned.
#
# ### Where the chain breaks
#
# A chain is right if each step is. By hand: if each of two steps were right with probability 0.8, the chain would be
# right with $0.8 \cdot 0.8 = 0.64$; with ten steps, $0.8^{10} = 0.11$. Here the steps can be checked.
#
# **Predict.** Which step fails more often, the first (two digits) or the second (a two-digit number and a digit)?


# %%
def audit(text: str, question: str) -> tuple[bool, bool]:
    """Is the first step right, and the second, as a sum of the right things?"""
    a, b, c = map(int, re.findall(r"\d+", question))
    steps = [tuple(map(int, step)) for step in re.findall(r"(\d+) \+ (\d+) = (\d+)", text)]
    first = len(steps) > 0 and steps[0] == (a, b, a + b)
    second = len(steps) > 1 and steps[1][:2] == (steps[0][2], c) and sum(steps[1][:2]) == steps[1][2]
    return first, second


audits = [audit(text, question) for (text, _), (question, _, _) in zip(stored["chain"], PROBLEMS, strict=True)]
chain_right = right_of(stored["chain"])
first = sum(one for one, _ in audits)
both = sum(one and two for one, two in audits)
lucky = sum(right and not (one and two) for right, (one, two) in zip(chain_right, audits, strict=True))
style.table(
    [
        ["first step right", f"{first} of 60", first / 60],
        ["second step right, where the first is", f"{both} of {first}", both / first],
        ["both", f"{both} of 60", both / 60],
        ["answer right", f"{sum(chain_right)} of 60", sum(chain_right) / 60],
        ["answer right in spite of a wrong step", f"{lucky} of 60", lucky / 60],
    ],
    columns=["what", "count", "share"],
    caption="The chain's accuracy is the product of its steps; on this task no right answer came from a wrong step.",
)
assert both == sum(chain_right)
assert lucky == 0
assert first / 60 < both / first

# %% [markdown]
# The first. Perhaps because its two digits have to be picked out of three, while the second step finds its first
# number just written. On this task the text *is* the computation. That is not a law: larger models also give right
# answers after wrong steps, and plausible steps after an answer that they had already settled on. A chain is evidence
# about how an answer came about, and no proof.
#
# ## 2. Reading the answer out <a id="answer-extraction"></a>
#
# Between the text and the score stands a rule, and the rule can move the result more than the prompt does. By hand,
# for a question whose answer is 20:
#
# | text | after the mark | last number | first number | 20 occurs anywhere |
# | --- | --- | --- | --- | --- |
# | `4 + 8 = 12. 12 + 8 = 20. The answer is 20.` | right | right | **wrong** | right |
# | `4 + 8 = 12. 12 + 8` (cut off) | no answer | **8** | wrong | wrong |
# | `We add 4 to 20, so the answer is 24.` | wrong | wrong | wrong | **right** |
#
# **Predict.** Apply the four rules to the stored answers. For which way does the rule matter least, for which most?
# And what is the rule *anywhere* worth: how often would it have found a number nobody asked for, the answer plus one?


# %%
def number_at(text: str, place: int) -> int | None:
    found = re.findall(r"\d+", text)
    return int(found[place]) if found else None


def anywhere(outputs: list, shift: int = 0) -> int:
    return sum(str(a + shift) in re.findall(r"\d+", text) for (text, _), a in zip(outputs, answers, strict=True))


rows = []
for way in ("direct", "chain", "magic words"):
    outputs = stored[way]
    rows.append(
        {
            "way": way,
            "after the mark": sum(right_of(outputs)),
            "last number": sum(right_of(outputs, lambda text: number_at(text, -1))),
            "first number": sum(right_of(outputs, lambda text: number_at(text, 0))),
            "anywhere": anywhere(outputs),
            "anywhere, answer + 1": anywhere(outputs, 1),
        }
    )
style.table(rows, caption="Right answers of 60, by rule. The last column is a placebo: a number that is never right.")
direct, chain, magic = rows
assert chain["first number"] < direct["first number"] < chain["after the mark"]
assert magic["anywhere"] > magic["after the mark"]
strict = sum(bool(re.search(MARK + r" \d", text)) for text, _ in stored["magic words"])
lenient = sum(marked_number(text) is not None for text, _ in stored["magic words"])
print(f"magic words, answers with a mark: {strict} with a capital T, {lenient} in any case")
assert lenient > 4 * strict
assert magic["anywhere, answer + 1"] >= magic["anywhere"] - 3

# %% [markdown]
# Under *first number* the ranking turns round: the chain is the worst of all ways, because it begins with a number of
# the question. *Anywhere* credits the magic words with answers, and credits them almost as often with a number that
# nobody asked for. The printed line is a mistake that we made ourselves: our first rule looked for *The answer is*
# with a capital letter, and missed most of the marks in running text. So:
#
# - Prescribe a mark in the examples, read after its **last** occurrence, and count *no answer* as a case of its own.
# - Normalise before you compare: `1,024`, `$20.00` and `20` are numbers, not strings.
# - Give every method the room that it needs. A limit of 20 tokens would cut off all chains and no direct answer.
# - Read twenty raw texts before you believe a table.
#
# ## 3. Self-consistency: many chains, one vote <a id="self-consistency"></a>
#
# At temperature 0 a model gives one chain. At 0.7 it gives another one each time. **Self-consistency** draws $n$
# chains and takes the most frequent answer. When does that help? Take a biased coin that is right with probability
# $p$, and three tosses. The majority is right if three or two are:
#
# $$p^3 + 3p^2(1-p): \qquad p = 0.6 \to 0.216 + 0.432 = 0.648, \qquad p = 0.4 \to 0.064 + 0.288 = 0.352$$
#
# **A vote amplifies what is there already.** Above one half it lifts, below it presses down.
#
# **Predict.** But a sum has more than one wrong answer. Suppose the right one has 0.4, and six wrong ones have 0.1
# each. Is the vote of 15 better or worse than 0.4?


# %%
def majority(p: float, n: int) -> float:
    """The probability that more than half of n independent tosses are right (n odd)."""
    return sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n // 2 + 1, n + 1))


def vote(given: list[int | None]) -> int | None:
    """The most frequent answer; the earlier one of equals; no answer is no vote."""
    cast = Counter(answer for answer in given if answer is not None)
    return cast.most_common(1)[0][0] if cast else None


rng = random.Random(5)
sizes = [1, 3, 5, 7, 9, 11, 13, 15]
spread = {
    n: np.mean([vote(rng.choices(range(7), [4, 1, 1, 1, 1, 1, 1], k=n)) == 0 for _ in range(3000)]) for n in sizes
}
figure, axis = plt.subplots(figsize=(6.2, 3.5))
for p, colour in ((0.7, style.BLUE), (0.6, style.SKY), (0.5, style.GREY), (0.4, style.ORANGE)):
    axis.plot(sizes, [majority(p, n) for n in sizes], marker="o", color=colour, label=f"one wrong answer, p = {p}")
axis.plot(sizes, list(spread.values()), "--", marker="s", color=style.GREEN, label="six wrong answers, p = 0.4")
axis.set(xlabel="votes", ylabel="the vote is right", ylim=(0, 1.02), xticks=sizes)
axis.legend(fontsize=8, loc="lower right", ncols=2)
style.show(
    figure,
    caption="With one wrong answer the vote needs p above one half. With many, it needs only to be the most frequent.",
    alt="Curves against the number of votes: 0.7 and 0.6 rise, 0.5 is flat, 0.4 falls; 0.4 against six wrong answers "
    "rises to 0.86.",
)
assert abs(majority(0.6, 3) - 0.648) < 1e-9
assert majority(0.4, 15) < 0.25 < 0.85 < spread[15]

# %% [markdown]
# Better, by far. What counts is not one half but whether the right answer is the **most frequent** one. Errors that
# scatter lose the vote; errors that agree win it. All of this assumes independent draws: fifteen answers at
# temperature 0 are one answer.
#
# Now real chains. Temperature decides how far they scatter, and how good each of them is.
#
# **Predict.** At which of 0.3, 0.7 and 1.1 does the vote gain most over a single draw? Where is the vote of five
# best?

# %%
question, steps, answer = PROBLEMS[0]
drawn_live = [ask("chain", question, steps, temperature=0.7, seed=seed)[0] for seed in range(5)]
print(question, *drawn_live, f"vote: {vote([marked_number(text) for text in drawn_live])}", sep="\n   ")

samples = {
    float(t): [[marked_number(text) for text, _ in draws] for draws in rows] for t, rows in sweep["samples"].items()
}
N = len(samples[0.7])  # problems that were sampled
rng = random.Random(9)


def vote_share(draws: list[list], n: int, rounds: int = 200) -> float:
    """Share of problems right by a vote of n, averaged over n of the stored draws in random order."""
    chosen = [
        [vote(rng.sample(given, n)) == a for given, a in zip(draws, answers, strict=False)] for _ in range(rounds)
    ]
    return float(np.mean(chosen))


curves = {t: {n: vote_share(draws, n) for n in sizes if n <= len(draws[0])} for t, draws in samples.items()}
share_right = np.array([np.mean([x == a for x in given]) for given, a in zip(samples[0.7], answers, strict=False)])
rivals = [Counter(x for x in given if x not in (a, None)) for given, a in zip(samples[0.7], answers, strict=False)]
share_rival = np.array([max(rival.values(), default=0) / 15 for rival in rivals])
greedy = sum(chain_right[:N]) / N
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.8))
for t, colour in ((0.3, style.SKY), (0.7, style.BLUE), (1.1, style.ORANGE)):
    left.plot(list(curves[t]), list(curves[t].values()), marker="o", color=colour, label=f"temperature {t}")
left.axhline(greedy, linestyle="--", color=style.GREY, label="one chain, temperature 0")
left.set(xlabel="votes", ylabel=f"share right of {N}", ylim=(0, 1), xticks=sizes)
left.legend(fontsize=8, loc="lower right")
jitter = np.random.default_rng(0).uniform(-0.012, 0.012, (2, N))
won = share_right > share_rival
right.scatter(*(np.array([share_right, share_rival]) + jitter)[:, won], color=style.BLUE, label="the vote is right")
right.scatter(
    *(np.array([share_right, share_rival]) + jitter)[:, ~won], color=style.ORANGE, marker="x", label="it is not"
)
right.plot([0, 0.7], [0, 0.7], "--", color=style.GREY)
right.set(xlabel="share of the right answer", ylabel="share of its strongest rival", ylim=(-0.03, 0.9))
right.set_title("15 draws at 0.7, a dot a problem")
right.legend(fontsize=8, loc="upper right")
style.show(
    figure,
    caption="Left: votes lift 0.7 and hardly move 0.3. Right: below the line the right answer leads, at times "
    "with a third of the votes.",
    alt="Left: accuracy against votes; 0.7 climbs from 0.5 to 0.8, 0.3 stays at 0.6, 1.1 goes from 0.25 to 0.45. "
    "Right: scatter of right share against rival share with the diagonal; most dots lie below it.",
)
voted = [vote(given) == a for given, a in zip(samples[0.7], answers, strict=False)]
gain = sum(v and not g for v, g in zip(voted, chain_right, strict=False))
loss = sum(g and not v for v, g in zip(voted, chain_right, strict=False))
chance = min(1.0, 2 * sum(math.comb(gain + loss, k) for k in range(min(gain, loss) + 1)) / 2 ** (gain + loss))
print(f"vote of 15 at 0.7: {sum(voted)} of {N}; one chain at 0: {sum(chain_right[:N])}")
print(f"problems won {gain}, lost {loss}; by chance as uneven as that: p = {chance:.3f}")
assert curves[0.7][15] > curves[0.7][1] + 0.2
assert abs(curves[0.3][5] - curves[0.3][1]) < 0.08
agree = {t: sum(len(set(given[:5])) == 1 for given in draws) for t, draws in samples.items()}
print("problems on which the first five draws agree:", agree)
assert agree[0.3] > 3 * agree[0.7]
assert (won & (share_right < 0.5)).sum() >= 5
assert curves[1.1][5] < curves[0.7][1]
assert loss == 0
assert chance < 0.05

# %% [markdown]
# At 0.3 the draws often agree, and a vote of copies decides nothing. At 1.1 each draw is so bad that five cannot mend
# it. At 0.7 each draw is *worse* than the greedy chain, and fifteen together are ahead of it. Look at the dots: the
# vote wins some problems where most draws are wrong.
#
# Compare with the right baseline. Against a *single draw* at 0.7 the vote gains a lot, and that is the comparison
# that is usually shown. Against the greedy chain, which costs a fifteenth, it wins seven problems and loses none:
# less, and still more than chance. (We looked at three temperatures and report the best. On fresh problems expect a
# little less.)
#
# ## 4. Tree of thoughts: search with a verifier <a id="tree-of-thoughts"></a>
#
# A vote needs no judge. If an answer can be *checked*, we can do better: propose steps, check, go back. **Tree of
# thoughts** is that: states, a **proposer** (the model), a **verifier**, and a search order with a budget.
#
# The **game of 24**: join four numbers by $+ - \times \div$ to make 24. From 4, 9, 10, 13: $13 - 9 = 4$ leaves 4, 4,
# 10; $10 - 4 = 6$ leaves 4, 6; $4 \cdot 6 = 24$. A move joins two of the numbers, in one of at most 6 ways, so there
# are at most $6 \cdot 6 = 36$ first moves, then $3 \cdot 6 = 18$, then 6: no more than 3,888 ways to play.
#
# **Predict.** Is $8 / (3 - 8/3)$ equal to 24? And what does a verifier say that computes in floating point?

# %% tags=["stable"]
print("floating point:", 8 / (3 - 8 / 3), "  exact:", Fraction(8) / (3 - Fraction(8, 3)))
assert 8 / (3 - 8 / 3) != 24 == Fraction(8) / (3 - Fraction(8, 3))

# %% [markdown]
# A verifier that is *almost* right refuses the only solution of 3, 3, 8, 8. So: exact fractions.


# %%
@functools.cache
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


def random_proposals(seed: int = 0, width: int = WIDTH):
    """The baseline: legal moves, each as likely as any other, drawn as often."""
    rng = random.Random(seed)
    known: dict[tuple, list] = {}

    def propose(state, path):
        return known.setdefault(path, rng.choices(list(moves(state).values()), k=width))

    return propose


# %% [markdown]
# The proposer is SmolLM2 under a **grammar of the legal moves**, as in [lesson 4](04_structure.ipynb): every line
# that it writes is a correct equation, so the only question left is *which*. Two solved puzzles stand in the prompt.
# Three proposals a state make a tree of $3 + 9 + 27 = 39$ proposals.
#
# The baseline is a proposer that draws legal moves blindly. And the reference is no model at all: try everything.
#
# **Predict.** Of 40 puzzles, how many does blind search solve with 39 proposals? How many does the model?

# %%
puzzle = puzzles[7]
legal, proposer = moves(puzzle), model_proposals()
drawn_moves = [next(text for text, after in legal.items() if after == one) for one in proposer(puzzle, ())]
print(f"{written(puzzle)}: {len(legal)} legal first moves; the model proposes {drawn_moves}")
print("solved depth first after", search(puzzle, proposer, "depth first", 12), "proposals")


def with_lookahead(propose):
    """With two numbers left, let the verifier look: no proposals are needed there, and the tree can be wider."""

    def better(state, path):
        if len(state) == 2:
            return [GOAL] if GOAL in moves(state).values() else []
        return propose(state, path)

    return better


BUDGET, SEEDS = sweep["budget"], 25
found = {f"model, {order}": [results] for order, results in sweep["searches"].items()}
for order in ("depth first", "breadth first"):
    found[f"blind, {order}"] = [
        [search(puzzle, random_proposals(100 * seed + i), order, BUDGET) for i, puzzle in enumerate(puzzles)]
        for seed in range(SEEDS)
    ]
wide = [[with_lookahead(random_proposals(100 * s + i, 6)) for i in range(len(puzzles))] for s in range(SEEDS)]
found["blind, verifier looks ahead"] = [
    [search(puzzle, propose, "depth first", BUDGET) for puzzle, propose in zip(puzzles, row, strict=True)]
    for row in wide
]

spent = np.arange(1, BUDGET + 1)
looks = {
    "model, depth first": (style.BLUE, "-"),
    "model, breadth first": (style.BLUE, "--"),
    "blind, depth first": (style.GREY, "-"),
    "blind, breadth first": (style.GREY, "--"),
    "blind, verifier looks ahead": (style.GREEN, "-"),
}
figure, axis = plt.subplots(figsize=(7, 3.8))
solved = {}
for name, (colour, line) in looks.items():
    done = [[hit for hit in results if hit is not None] for results in found[name]]
    solved[name] = np.array([np.mean([sum(hit <= n for hit in hits) for hits in done]) for n in spent])
    axis.step(spent, solved[name] / len(puzzles), color=colour, linestyle=line, where="post", label=name)
low, high = wilson(int(solved["model, depth first"][-1]), len(puzzles))
axis.vlines(BUDGET, low, high, color=style.BLUE, linewidth=1)
axis.set(xlabel="proposals", ylabel="share of 40 puzzles solved", ylim=(0, 0.5), xlim=(0, BUDGET + 1))
axis.legend(fontsize=8, loc="upper left")
style.show(
    figure,
    caption="The model's proposals solve about as much as blind ones (its 95% interval at the right). A verifier that "
    "looks ahead is worth more than the model.",
    alt="Step curves of solved share against proposals. Four curves for model and blind search end between 0.10 "
    "and 0.15; blind search with a verifier that looks ahead ends at 0.35.",
)
print({name: round(float(curve[-1]), 1) for name, curve in solved.items()}, "of 40")
print(f"trying everything: 40 of 40, {np.median(tried):.0f} moves looked at (median), no model")
blind = solved["blind, depth first"][-1] / len(puzzles)
assert low < blind < high
assert solved["blind, verifier looks ahead"][-1] / len(puzzles) > high

# %% [markdown]
# The blind proposer lies inside the model's interval. **We have not shown that the model adds anything.** It writes
# perfect arithmetic, because the grammar does, and chooses no better than dice. Depth first and breadth first end at
# the same place, since they visit the same tree; depth first arrives earlier, since all solutions lie at the bottom.
#
# What did add something is the verifier. Where it looks one move ahead, the last level costs no proposals, so the
# same budget buys a wider tree, and even dice leave the model's interval behind. And this whole tree is small enough
# to try everything in a fraction of a second.
#
# So before you build a tree of thoughts, ask three questions. Can I check an answer exactly? Is the space too large
# to try everything? Does the proposer beat chance, at an equal budget? Where the published gains on this game are
# large, the proposer was a very large model, and the last answer was yes.
#
# ## 5. Accuracy for tokens <a id="cost"></a>
#
# Tokens are money and waiting time. Put everything on one figure.
#
# **Predict.** Which way costs the fewest tokens *for each right answer*?

# %%
chain_tokens = float(np.mean([n for rows in sweep["samples"]["0.7"] for _, n in rows]))
points = {way: (tokens[way], sum(right_of(stored[way])[:N]) / N) for way in stored if way != "steps given"}
points |= {f"vote of {n}": (n * chain_tokens, curves[0.7][n]) for n in (1, 3, 5, 9, 15)}
figure, axis = plt.subplots(figsize=(7, 3.8))
for name, (cost, share) in points.items():
    low, high = wilson(round(share * N), N)
    colour = style.BLUE if name.startswith("vote") else style.ORANGE if name == "chain" else style.GREY
    axis.errorbar(cost, share, [[max(0, share - low)], [high - share]], fmt="o", color=colour, elinewidth=0.8)
    axis.annotate(name, (cost, share), xytext=(6, 5), textcoords="offset points", fontsize=8)
axis.set(xscale="log", xlabel="tokens written for each problem", ylabel=f"share right of {N}")
axis.set(xlim=(6, 900), ylim=(-0.05, 1))
style.show(
    figure,
    caption="Accuracy against tokens, logarithmic. One greedy chain is the knee; each further step costs several times "
    "as much.",
    alt="Scatter on a log axis: direct at 8 tokens and 0.2, chain at 28 and 0.6, votes up to 420 tokens rising from "
    "0.5 to 0.8, magic words at 87 tokens and near zero.",
)
style.table(
    [[name, cost, share, cost / share if share else math.inf] for name, (cost, share) in points.items()],
    columns=["way", "tokens", "share right", "tokens for each right answer"],
    digits=2,
    caption="What a right answer costs.",
)
each = {name: cost / share for name, (cost, share) in points.items() if share}
assert min(each, key=each.get) == "direct"
assert each["vote of 15"] > 8 * each["chain"]

# %% [markdown]
# *Direct* is the cheapest way to a right answer, although four of five are wrong. If you can **check** an answer,
# draw cheap ones until one passes (at a temperature: the same greedy answer would be wrong again). If you cannot, the
# share right is what matters, and you pay for it: first for the chain, which is the best bargain on the figure, then
# for votes, at a steep price.
#
# Three remarks for production. Votes run side by side, so they cost money but little time; a chain costs time. The
# examples of steps make every *prompt* longer too (caching makes that cheap). And a vote can stop early, once no
# rival can catch up: exercise 4.
#
# Models that are *trained* to think write the chain without examples, and hide or bill it as thinking tokens. The
# arithmetic of this section does not change.
#
# ## Recap
# - A token is a fixed amount of work; written steps become input (section 1).
# - Steps raised 14 right answers of 60 to 36; filler of the same length did not help, the true steps gave 60 (section
#   1).
# - A chain is the product of its steps (section 1).
# - The rule that reads the answer can turn a ranking round; test it with a placebo (section 2).
# - A vote helps where the right answer is the most frequent and the draws differ (section 3).
# - Search needs a verifier, and a proposer that beats chance. Ours did not; looking ahead did more (section 4).
# - Compare at equal tokens. With a checker, cheap guesses may win (section 5).
#
# ## Exercises
# **1. (3 min)** One draw is right with $p = 0.7$, and there is one wrong answer. How often is a vote of three right?
# Three decimals, on paper.

# %%
your_answer_1 = None  # a number


def exercise_1(answer):
    if answer is None:
        return "Not attempted: three right, or two right and one wrong, in three orders."
    assert abs(answer - majority(0.7, 3)) < 6e-4, f"Not yet: {answer}. The second case comes in three orders."
    return "Right. Three calls for eight points."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Section 3 has the formula.
#
# </details>
# <details><summary>Approach</summary>
#
# $0.7^3$ and $3 \cdot 0.7^2 \cdot 0.3$.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $0.343 + 0.441 = 0.784$
#
# </details>
#
# **2. (10 min)** Write `final_number(text)`: the number after the last *answer is* (in any case), as a float. Allow a
# colon, spaces, asterisks and a dollar sign before it, a minus sign, commas between thousands, and decimals. None
# when there is no such number.

# %%
your_answer_2 = None  # a function of text


def exercise_2(answer):
    if answer is None:
        return "Not attempted: begin with a regular expression for one number."
    wanted = {
        "The answer is 20.": 20.0,
        "the Answer is: **1,024**": 1024.0,
        "The answer is 3. No: the answer is -4": -4.0,
        "So the answer is $19.50, or 20 rounded.": 19.5,
        "4 + 8 = 12. 12 + 8": None,
        "The answer is unknown, perhaps 7.": None,
    }
    for text, want in wanted.items():
        got = answer(text)
        assert got == want, f"Not yet: {text!r} gives {got!r}, and should give {want!r}."
    return "Right. 'Unknown, perhaps 7' is no answer: a rule that finds one there would invent data."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# A number: perhaps a minus, digits and commas, perhaps a point and digits.
#
# </details>
# <details><summary>Approach</summary>
#
# `re.findall(r"answer is[:\s*$]*(-?\d[\d,]*(?:\.\d+)?)", text, re.IGNORECASE)`; take the last; remove commas.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def final_number(text):
#     found = re.findall(r"answer is[:\s*$]*(-?\d[\d,]*(?:\.\d+)?)", text, re.IGNORECASE)
#     return float(found[-1].replace(",", "")) if found else None
# ```
#
# </details>
#
# **3. (5 min)** Each step of a chain is right with probability 0.9. From how many steps on is the whole chain wrong
# more often than right?

# %%
your_answer_3 = None  # a whole number of steps


def exercise_3(answer):
    if answer is None:
        return "Not attempted: a product of equal factors."
    wanted = next(n for n in itertools.count(1) if 0.9**n < 0.5)
    assert answer == wanted, f"Not yet: {answer}. Compare 0.9 to the power of n with one half."
    return "Right. An agent with 20 steps needs 0.966 for each of them to succeed half of the time."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Multiply 0.9 by itself until the product drops below 0.5.
#
# </details>
# <details><summary>Approach</summary>
#
# $n > \ln 0.5 / \ln 0.9$
#
# </details>
# <details><summary>Worked answer</summary>
#
# $\ln 0.5 / \ln 0.9 = 6.58$, so 7: $0.9^7 = 0.478$.
#
# </details>
#
# **4. (10 min)** Write `decided(given, n)`: of `n` votes planned, the answers `given` have come in so far (None is no
# vote). True when the most frequent answer wins whatever the others say, ties not allowed.

# %%
your_answer_4 = None  # a function of (given, n)


def exercise_4(answer):
    if answer is None:
        return "Not attempted: how many votes can the strongest rival still get?"
    cases = [
        ([20, 20, 20], 5, True),
        ([20, 20], 5, False),
        ([20, 20, 18], 4, False),
        ([20, 20, 20, 18], 5, True),
        ([None, None, 20], 4, False),
        ([None, None, 20], 3, True),
        ([], 3, False),
        ([20, 18, 18, 20], 4, False),
    ]
    for given, n, want in cases:
        got = answer(list(given), n)
        assert got is want, f"Not yet: {given} of {n} gives {got}, and should give {want}."
    needed = []
    for draws in samples[0.7]:
        needed.append(next((k for k in range(1, 16) if answer(draws[:k], 15)), 15))
    return f"Right. On the stored draws a vote of 15 needs {np.mean(needed):.1f} draws on the average."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The rival may be an answer that nobody has given yet.
#
# </details>
# <details><summary>Approach</summary>
#
# Lead of the first over the second (0 without a second) against the number of votes still to come.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def decided(given, n):
#     ranks = [count for _, count in Counter(a for a in given if a is not None).most_common(2)] + [0, 0]
#     return ranks[0] - ranks[1] > n - len(given)
# ```
#
# </details>
#
# ## Quiz
# **1. Filler text of the same length did not help. This shows that**
#
# - (a) the number of tokens alone is not what makes a chain work here
# - (b) no model can use filler
# - (c) the examples were too few
#
# <details><summary>Answer</summary>
#
# (a). Not (b): one model was tested, on one task. Not (c): the same three examples sufficed for the chain.
#
# </details>
#
# **2. The right answer has 0.3 of the draws; three wrong ones have 0.25, 0.25 and 0.2. A vote of very many draws is**
#
# - (a) right about 0.3 of the time
# - (b) nearly always wrong
# - (c) nearly always right
#
# <details><summary>Answer</summary>
#
# (c): it is the most frequent. Not (a): that is a single draw. Not (b): one half matters only when there is one wrong
# answer.
#
# </details>
#
# **3. A new prompt gains six points, and its answers are read by *last number in the text*. First you**
#
# - (a) ship it
# - (b) raise the temperature
# - (c) read raw texts, and count those without a marked answer
#
# <details><summary>Answer</summary>
#
# (c). Not (a): the gain may be the rule's. Not (b): it changes the draws, and not what is counted.
#
# </details>
#
# **4. A tree of thoughts solves 30% of the puzzles within the budget. To claim that the model reasons, you must at
# least**
#
# - (a) run a larger tree
# - (b) run the same search with random legal proposals
# - (c) replace the verifier by the model
#
# <details><summary>Answer</summary>
#
# (b). Not (a): a larger tree solves more with any proposer. Not (c): that removes the one part that was certain.
#
# </details>
#
# ## Now build it
# Two tasks use this lesson. The agent's loop spends turns and tokens, and needs bounds for both: `roadmap check 2.6`.
# A metric has to normalise before it compares, or it measures the extraction: `roadmap check 2.9`.
#
# ## Further reading
# - Wei and others, *Chain-of-Thought Prompting Elicits Reasoning in Large Language Models*, 2022: steps in examples,
#   and how the gain depends on size.
# - Kojima and others, *Large Language Models are Zero-Shot Reasoners*, 2022: the magic words.
# - Wang and others, *Self-Consistency Improves Chain of Thought Reasoning in Language Models*, 2022.
# - Yao and others, *Tree of Thoughts: Deliberate Problem Solving with Large Language Models*, 2023: the game of 24.
# - Lanham and others, *Measuring Faithfulness in Chain-of-Thought Reasoning*, 2023; Pfau, Merrill and Bowman, *Let's
#   Think Dot by Dot*, 2024: filler, and when it can help.
# - Snell and others, *Scaling LLM Test-Time Compute Optimally*, 2024.
