# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L2.02
#     question: An example says more than an instruction. Which examples, in which order, and what else do they teach?
#     objectives:
#       - put examples into a conversation, and score labels instead of parsing prose
#       - choose examples by cosine similarity, on paper and in NumPy, ties and zero vectors included
#       - measure what the order of the same examples does, over many orders
#       - measure a model's bias towards labels with inputs that say nothing
#       - calibrate the label probabilities by hand and in one line, and say when that helps
#       - make a prompt fit its token budget, and know what goes first
#     minutes: 50
#     prerequisites: [L1.04, L1.10, L2.01]
#     topics:
#       T2.03: [few-shot, choosing-examples, order, label-bias, calibration, budget]
#     leads_to: ["2.1"]
# ---

# %% [markdown]
# # Examples and order
#
# *How is Apple doing today?* wants a share price. *Is it a good day for picking apples?* wants the weather. An
# assistant with two services has to sort requests before it can do anything else, and an instruction alone does not get
# our small model to do it: it says *weather* to 59 of 60.
#
# So we show it requests with their topics: **few-shot prompting**. That works, and it opens four questions, which are
# this lesson. Which examples? In which order? Does the model read the request at all, or does it follow the labels
# that it saw? And what does it cost? At one point we shall leave the model out altogether, and you should guess
# beforehand what happens.

# %%
import functools
import json
import math
import random
from collections import Counter

import httpx
import matplotlib.pyplot as plt
import numpy as np
from sentence_transformers import SentenceTransformer, util
from transformers.utils import logging as transformers_logging

from roadmap import artifacts
from roadmap.lessons import data, style
from roadmap.llm.engine import Engine
from roadmap.llm.local import ARTIFACT
from roadmap.llm.prompting import Turn, encode

style.use()
transformers_logging.disable_progress_bar()
STAGE = "stage2_prompting_tools"
engine = Engine(artifacts.path(ARTIFACT))  # SmolLM2 in llama.cpp
tokenize = functools.cache(engine.tokenize)  # the same examples come again and again
lines = data.path(STAGE, "02_examples_requests.jsonl").read_text(encoding="utf-8").splitlines()
ITEMS = [json.loads(line) for line in lines]  # 120 of {"request", "label", "part"}
POOL = [item for item in ITEMS if item["part"] == "pool"]  # 60 to take examples from
TEST = [item for item in ITEMS if item["part"] == "test"]  # 60 to measure on

# %%
LABELS = ["weather", "stocks", "other"]
SYSTEM = "Sort each request to an assistant into one of three topics: weather, stocks, other."
BEGIN = "Topic:"  # of every answer, in the examples and in the turn that the model continues


def turns(examples: list[dict], request: str) -> list[Turn]:
    """The conversation: the examples as earlier exchanges, the request, the begun answer."""
    earlier = [
        turn
        for example in examples
        for turn in (Turn("user", example["request"]), Turn("assistant", f"{BEGIN} {example['label']}"))
    ]
    return [Turn("system", SYSTEM), *earlier, Turn("user", request), Turn("assistant", BEGIN, closed=False)]


ALLOWED = [tokenize(f" {label}")[0] for label in LABELS]
assert all(len(tokenize(f" {label}")) == 1 for label in LABELS)  # each label is one token


def score(examples: list[dict], request: str) -> np.ndarray:
    """The probabilities of the labels, given that the answer is one of them: (3,)."""
    body = {
        "prompt": encode(turns(examples, request), tokenize),
        "n_predict": 1,
        "logit_bias": [[token, 100.0] for token in ALLOWED],  # the same for all three: their order and ratios stay
        "samplers": ["top_k", "temperature"],
        **{"top_k": 3, "temperature": 1.0, "n_probs": 3, "post_sampling_probs": True, "cache_prompt": True, "seed": 0},
    }
    answer = httpx.post(f"{engine.address}/completion", json=body, timeout=600, trust_env=False).json()
    found = {entry["id"]: entry["prob"] for entry in answer["completion_probabilities"][0]["top_probs"]}
    return np.array([found[token] for token in ALLOWED])


# %% [markdown]
# ## 1. Few-shot <a id="few-shot"></a>
#
# Examples are put into the conversation as if it had happened: a user's turn with the request, an assistant's turn
# with the answer that we want. The model goes on as it has gone on before. Every answer begins with `Topic:`, in the
# examples and in the open turn.
#
# How do we mark an answer? Free text must be parsed. Here the answer is one of three labels, each a single token, so
# we can read the probabilities of those three and take the largest. By hand, for the logits 2, 0 and 1:
#
# $$e^2 : e^0 : e^1 = 7.39 : 1 : 2.72, \qquad 7.39/11.11 = 0.665,\quad 0.090,\quad 0.245$$
#
# Adding 100 to all three logits changes no ratio, and lifts them above the other 49,149 tokens. That is how `score`
# gets llama.cpp to report exactly these three.
#
# **Predict.** Sixty requests, twenty of each topic, an instruction that names the topics, no example. How many will
# be labelled *weather*? And with six random examples?

# %%
SIX = [POOL[j] for j in (0, 3, 1, 4, 2, 5)]  # two of each label, label by label
CONTENT_FREE = ["N/A", "...", "[request]"]


def turned(examples: list[dict]) -> list[dict]:
    """The same requests, each with the next label, which is wrong."""
    return [{**example, "label": LABELS[(LABELS.index(example["label"]) + 1) % 3]} for example in examples]


def write(examples: list[dict], request: str) -> str:
    """What the model writes when it may write anything, with no begun answer."""
    open_turn = [*turns(examples, request)[:-1], Turn("assistant", "", closed=False)]
    *pieces, _ = engine.complete(encode(open_turn, tokenize), max_tokens=12)
    return "".join(pieces)


# %%
for item in TEST[:3]:
    print(
        item["request"], "| no example:", repr(write([], item["request"])), "| six:", repr(write(SIX, item["request"]))
    )


def wilson(right: int, n: int, z: float = 1.959964) -> tuple[float, float]:
    """The 95% interval of a share (lesson 1)."""
    p, spread = right / n, z * math.sqrt(right * (n - right) / n**3 + z * z / (4 * n * n))
    return tuple((p + z * z / (2 * n) + sign * spread) / (1 + z * z / n) for sign in (-1, 1))


TRUE = np.array([LABELS.index(item["label"]) for item in TEST])  # (60,)
sweep = json.loads(data.path(STAGE, "02_examples_sweep.json").read_text(encoding="utf-8"))
ways = {name: np.array(rows) for name, rows in sweep["ways"].items()}  # way: (60, 3) probabilities
live = np.stack([score([], item["request"]) for item in TEST[:3]])
print("live, no example:", live.argmax(-1).tolist(), " stored:", ways["none"][:3].argmax(-1).tolist())


def line(name: str, answers: np.ndarray) -> dict:
    """A row: how many are right, the interval, and what was answered."""
    right = int((answers == TRUE).sum())
    low, high = wilson(right, len(TRUE))
    given = " / ".join(str(int((answers == label).sum())) for label in range(3))
    return {"examples": name, "right of 60": right, "95% interval": f"{low:.2f} to {high:.2f}", "/".join(LABELS): given}


first = [name for name in ways if name == "none" or name.startswith("random 6")]
style.table(
    [line(name, ways[name].argmax(-1)) for name in first],
    caption="No example, and three random draws of six. The last column counts the answers; 20 / 20 / 20 is true.",
)

by_lot = random.Random(11)  # as in the sweep
shown_stocks = [sum(item["label"] == "stocks" for item in by_lot.sample(POOL, 6)) for _ in first[1:]]
print("stocks among the six of each draw:", shown_stocks)
marks = {name: int((ways[name].argmax(-1) == TRUE).sum()) for name in ways}
assert shown_stocks == [3, 2, 1]
assert (ways["none"].argmax(-1) == 0).sum() == 59
assert all(30 <= marks[name] <= 33 for name in first[1:])
assert [(ways[name].argmax(-1) == 1).sum() for name in first[1:]] == [6, 0, 1]

# %% [markdown]
# 59. The instruction names three topics, and the model has one favourite. Twenty-one right is what a stopped clock
# gets. Six examples lift that to half, whichever six are drawn. But look at the last column: what they brought is
# *other*. *Stocks* comes six times, never, and once, where twenty would be right, although three, two and one of the
# six examples were about stocks. The scores alone hide that. So count the answers by label, always.
#
# ## 2. Choosing examples <a id="choosing-examples"></a>
#
# If six of sixty examples fit, take those that are most like the request. *Like* is measured between **embeddings**,
# vectors that a small encoder makes from sentences ([word vectors](../stage1_foundations/04_word_vectors.ipynb), one
# level up), by the **cosine** of the angle: the dot product divided by both lengths.
#
# By hand, for the request $q = (3, 4)$, of length 5:
#
# | example | dot product with $q$ | length | cosine |
# | --- | --- | --- | --- |
# | $a = (4, 3)$ | 24 | 5 | $24/25 = 0.96$ |
# | $b = (0, 10)$ | 40 | 10 | $40/50 = 0.80$ |
# | $c = (0, 0)$ | 0 | 0 | taken as 0 |
#
# The dot product alone would choose $b$, because it is long. And $c$, the vector of an empty text in some encoders,
# must not become a division by zero: the result would be *not a number*, and sorting by that gives any order it
# likes.

# %%
encoder = SentenceTransformer(str(artifacts.path("all-minilm-l6-v2")), local_files_only=True)


def embed(texts: list[str]) -> np.ndarray:
    """A vector for each text: (n, 384)."""
    return encoder.encode(texts, show_progress_bar=False)


def cosines(vectors: np.ndarray, others: np.ndarray) -> np.ndarray:
    """The cosine of every row with every other row: (n, m). A row of zeros is similar to nothing."""
    units = []
    for rows in (np.asarray(vectors, dtype=float), np.asarray(others, dtype=float)):
        lengths = np.linalg.norm(rows, axis=1, keepdims=True)
        units.append(np.divide(rows, lengths, out=np.zeros_like(rows), where=lengths > 0))
    return units[0] @ units[1].T


similarity = cosines(embed([item["request"] for item in TEST]), embed([item["request"] for item in POOL]))  # (60, 60)


def nearest(i: int, k: int) -> list[int]:
    """The k examples most similar to a test request, the most similar last; among equals the earlier is the nearer."""
    return sorted(range(len(POOL)), key=lambda j: (-similarity[i, j], j))[:k][::-1]


def cosine_loop(u, v) -> float:
    """One pair at a time."""
    product, lengths = sum(a * b for a, b in zip(u, v, strict=True)), math.hypot(*u) * math.hypot(*v)
    return product / lengths if lengths else 0.0


paper = [[4, 3], [0, 10], [0, 0]]
print([cosine_loop([3, 4], vector) for vector in paper], cosines([[3, 4]], paper)[0].tolist())
assert np.allclose([cosine_loop([3, 4], vector) for vector in paper], [0.96, 0.8, 0])
assert np.allclose(cosines([[3, 4]], paper), [[0.96, 0.8, 0]])
some = embed([item["request"] for item in POOL[:8]])
assert np.allclose(cosines(some, some), util.cos_sim(some, some).numpy(), atol=1e-5)  # the library agrees
apple = next(i for i, item in enumerate(TEST) if item["request"].startswith("Give me a recipe"))
print(TEST[apple]["request"])
for j in nearest(apple, 4):
    print(f"   {similarity[apple, j]:.2f}  {POOL[j]['label']:8} {POOL[j]['request']}")

# %% [markdown]
# Three details of `nearest` are the capstone's too. The encoder is slow, so it is **called once with all texts**.
# Among equals the **earlier example** counts as nearer, so that two runs give one prompt. And the list is **returned
# least similar first**: the most similar example stands last, next to the request. Section 3 asks whether that
# matters.
#
# The honest baseline of example choice leaves the language model out: let the nearest examples **vote**.
#
# **Predict.** Three numbers of sixty: six random examples; the six nearest; the vote of the six nearest, without the
# language model.


# %%
def vote(i: int, k: int) -> int:
    """The commonest label among the k nearest; among equals that of the nearest."""
    near = [LABELS.index(POOL[j]["label"]) for j in reversed(nearest(i, k))]
    return Counter(near).most_common(1)[0][0]  # equal counts: the first met


votes = {f"vote of {k}, no model": np.array([vote(i, k) for i in range(len(TEST))]) for k in (1, 6)}
chosen = [name for name in ways if name in first or name in ("similar 1", "similar 3", "similar 6")]
answers = {name: ways[name].argmax(-1) for name in chosen} | votes
figure, axis = plt.subplots(figsize=(7.0, 3.8))
for row, (name, given) in enumerate(reversed(answers.items())):
    right = int((given == TRUE).sum())
    colour = style.GREEN if "vote" in name else style.ORANGE if "similar" in name else style.GREY
    axis.plot(wilson(right, 60), [row, row], color=colour, linewidth=1.5)
    axis.plot(right / 60, row, "o", color=colour)
axis.axvline(1 / 3, linestyle="--", linewidth=1, color=style.GREY)
axis.set(yticks=range(len(answers)), yticklabels=reversed(answers), xlim=(0.2, 1), xlabel="share right of 60 requests")
style.show(
    figure,
    caption="Similar examples beat random ones. The vote of the same examples, without a language model, does as well.",
    alt="Dots with 95% intervals: no example at one third, six random ones at one half, one similar example at two "
    "thirds, three and six similar ones above 0.9, and so are the votes without a model. A dashed line marks chance.",
)
ballots = {name: int((given == TRUE).sum()) for name, given in votes.items()}
print({name: marks[name] for name in chosen} | ballots)
assert marks["similar 3"] == marks["similar 6"] == 55
assert marks["similar 1"] == 41
assert ballots == {"vote of 1, no model": 54, "vote of 6, no model": 56}

# %% [markdown]
# Half, 55, and 56. Which examples stand in the prompt is worth more than that there are any. And the language model
# adds nothing that could be seen to what the encoder already knew: the labels of the six neighbours decide, read by the
# model or counted by three lines of Python. With *one* example it is worse than the bare neighbour, 41 against 54:
# it has the right label before its eyes and prefers its favourite.
#
# So report the vote beside every few-shot result. Where it does as well, ship the vote: it costs one small encoder.
# The language model earns its keep where the answer is not one of the labels shown: a sentence, a JSON object, a tool
# call.
#
# What does the model take from an example: the look of a request, the label, or the pair of both? Leave the requests
# as they are and give every one the *next* label: what was *weather* is shown as *stocks*, *stocks* as *other*,
# *other* as *weather*.
#
# **Predict.** With the six nearest, wrongly labelled: does the model still give the true label, does it follow the
# examples into the wrong one, or neither?

# %%
both = []
for name in ("similar 6", "similar 6, wrong labels", "the six of section 3", "the six, wrong labels"):
    given = ways[name].argmax(-1)
    both.append(
        {
            "examples": name,
            "true label": int((given == TRUE).sum()),
            "the next label": int((given == (TRUE + 1) % 3).sum()),
            "the third": int((given == (TRUE + 2) % 3).sum()),
        }
    )
style.table(both, caption="Sixty requests under right and wrong labels: which label came, counted from the true one.")

truly, turned_to = both[1]["true label"], both[1]["the next label"]
assert (truly, turned_to) == (8, 51)
assert (both[2]["true label"], both[3]["true label"]) == (21, 29)
assert (ways["the six of section 3"].argmax(-1) == 2).sum() == 59

# %% [markdown]
# With similar examples it follows them into the wrong: 51 of 60. It does not sort requests into topics that it
# understands; it looks for the example that resembles the request, and copies what stands beside it. The instruction
# with its three clear words counts for nothing against that. (There is well-known work which found that wrong labels
# cost little. Its examples were drawn by lot, and then there is little to copy from.) So a wrong label in your pool of
# examples is a bug in your program, and choosing by similarity finds it every time.
#
# The last two rows make no sense yet. The same six examples for every request are right 21 times with the true labels,
# and 29 times with *wrong* ones.
#
# ## 3. Order <a id="order"></a>
#
# The same six examples, two of each label, can stand in $6! = 720$ orders. To a person they all say the same. We try
# 16 of them on 30 requests.
#
# **Predict.** The worst order and the best: how far apart are they, in requests of 30?

# %%
orders = sweep["orders"]
by_order = np.array(sweep["by_order"])  # (16, 30, 3)
right = (by_order.argmax(-1) == TRUE[:30]).sum(-1)  # (16,)
last = np.array([LABELS.index(SIX[order[-1]]["label"]) for order in orders])
COLOURS = (style.BLUE, style.ORANGE, style.GREEN)
figure, axis = plt.subplots(figsize=(7.0, 3.2))
for label, colour in enumerate(COLOURS):
    where = np.argsort(right, kind="stable")
    mine = [place for place, order in enumerate(where) if last[order] == label]
    axis.plot(mine, right[where[mine]], "o", color=colour, label=f"{LABELS[label]} stands last")
axis.axhline(10, linestyle="--", linewidth=1, color=style.GREY)
axis.set(xlabel="16 orders of the same six examples, sorted", ylabel="right of 30", ylim=(0, 30))
axis.legend()
style.show(
    figure,
    caption="One set of examples, 16 orders. The dashed line is chance.",
    alt="A rising row of 16 dots, from the worst order to the best; colours tell which label stands last.",
)
given = by_order.argmax(-1)  # (16, 30)
rows = []
for label, name in enumerate(LABELS):
    ends, other = given[last == label] == label, given[last != label] == label
    rows.append({"label": name, "when it stands last": float(ends.mean()), "when not": float(other.mean())})
style.table(rows, caption="Share of answers with a label, by whether that label stands last. Truth is one third.")
print("right of 30, worst to best:", sorted(right.tolist()))
assert (right.min(), right.max()) == (10, 21)
assert all(row["when it stands last"] > row["when not"] for row in rows)
assert rows[0]["when it stands last"] > 2 * rows[0]["when not"]
assert rows[1]["when it stands last"] < 0.05
assert marks["the six, wrong labels"] < min(marks[name] for name in first[1:])
assert (last[0], given[0].tolist()) == (2, [2] * 30)

# %% [markdown]
# From 10, which is chance, to 21. Nothing changed but the order. Whoever types six examples has drawn one of these dots
# without knowing which.
#
# The table says where some of it comes from. **Recency**: *weather* is answered more than twice as often when it stands
# last. And it solves the riddle of section 2. The six were listed label by label, with *other* last, and in that order
# the model answered *other* to every one of these thirty. Turning the labels puts *weather* last, and the answers are
# spread over two labels again; 29 right is still less than any draw by lot had.
#
# *Stocks* profits from nothing: below five percent wherever it stands. There is something else besides order.
#
# What follows for practice: mix the labels, never list them in blocks; report a few-shot score as the mean and the
# spread over several orders; and do not keep the best of sixteen on the requests that chose it
# ([lesson 1](01_prompts.ipynb#iteration)).
#
# Now the promised comparison: is the most similar example better last, or first?


# %%
def paired(old: np.ndarray, new: np.ndarray) -> tuple[int, int, float]:
    """Fixed, broken, and the exact McNemar p (lesson 1)."""
    fixed, broken = int((new & ~old).sum()), int((old & ~new).sum())
    n, few = fixed + broken, min(fixed, broken)
    return fixed, broken, min(1.0, 2 * sum(math.comb(n, i) for i in range(few + 1)) / 2**n)


# %%
is_right = {name: rows.argmax(-1) == TRUE for name, rows in ways.items()}
comparisons = [
    ("random 6, draw 0", "similar 6"),
    ("similar 6, most similar first", "similar 6"),
    ("similar 1", "similar 6"),
]
style.table(
    [
        {
            "from": old,
            "to": new,
            **dict(zip(("fixed", "broken", "p"), paired(is_right[old], is_right[new]), strict=True)),
        }
        for old, new in comparisons
    ],
    caption="The same 60 requests under two choices of examples.",
)
tests = [paired(is_right[old], is_right[new]) for old, new in comparisons]
assert tests[0][2] < 0.0001
assert tests[1] == (3, 0, 0.25)
assert tests[2][2] < 0.001

# %% [markdown]
# By similarity against by lot: 23 fixed, 1 broken. Most similar last against most similar first: 3 fixed, none broken,
# $p = 0.25$. The direction is the one in the literature, the evidence here is weak. Task 2.1 puts the most similar last
# all the same: it costs nothing, and no measurement speaks against it.
#
# ## 4. Label bias <a id="label-bias"></a>
#
# What does the model answer when there is nothing to read? A **content-free input**, such as *N/A*, belongs to no
# topic. An unbiased model would give each label a third.

# %%
content_free = np.array(sweep["content_free_by_order"]).mean(axis=1)  # (16, 3): the mean over three such inputs
print("live, SIX as it stands:", np.round(score(SIX, "N/A"), 3), " reversed:", np.round(score(SIX[::-1], "N/A"), 3))
figure, axes = plt.subplots(1, 3, figsize=(8.8, 3.2), sharex=True, sharey=True)
for label, axis in enumerate(axes):
    share = (given == label).mean(axis=1)
    axis.plot(content_free[:, label], share, "o", color=COLOURS[label])
    axis.axhline(1 / 3, linestyle="--", linewidth=1, color=style.GREY)
    axis.set(title=LABELS[label], xlabel="probability for 'N/A'", xlim=(-0.03, 1), ylim=(-0.03, 1))
axes[0].set_ylabel("share of 30 answers")
style.show(
    figure,
    caption="Each dot is an order. What the model says to nothing foretells what it says to requests.",
    alt="Three scatter plots, one for each label: the probability of the label for content-free inputs against its "
    "share among the answers to requests. The dots rise together.",
)
shares = np.stack([(given == label).mean(axis=1) for label in range(3)], axis=1)  # (16, 3)
together = [float(np.corrcoef(content_free[:, label], shares[:, label])[0, 1]) for label in range(3)]
print("correlation:", {name: round(value, 2) for name, value in zip(LABELS, together, strict=True)})
print("weather for 'N/A', by order:", np.round(np.sort(content_free[:, 0]), 2).tolist())
assert together[0] > 0.9 < together[2]
assert content_free[:, 0].min() < 0.02 < 0.8 < content_free[:, 0].max()
assert content_free[:, 1].max() < 0.02

# %% [markdown]
# The model had all but decided before it read the request. By the order of the examples alone, *weather* has a
# probability between 0.01 and 0.82 for a text that says nothing, and that number foretells the share of *weather* among
# the answers with a correlation of 0.95. *Stocks* never gets above 0.02 without a request: a lean that no order
# removes, and that was there before any example (the first row of the first table).
#
# Two leans, then: one from training, one from the order. A third is in the literature, towards the label that most
# examples have.
#
# **Predict.** Four of six examples have one label, and the model is asked about *N/A*. Does that label win? Does it
# matter whether the four stand first or last?

# %%
skewed = []
for label in LABELS:
    most = [item for item in POOL if item["label"] == label][:4]
    rest = [next(item for item in POOL if item["label"] == other) for other in LABELS if other != label]
    for name, examples in (("first", [*most, *rest]), ("last", [*rest, *most])):
        skewed.append([label, name, *score(examples, "N/A").tolist()])
style.table(
    skewed,
    columns=["four of six examples", "the four stand", *LABELS],
    caption="What the model says to 'N/A' when one label has four of the six examples, at the front or at the end.",
)

with_four = {(label, name): row[LABELS.index(label)] for label, name, *row in skewed}
assert all(with_four[label, "last"] > with_four[label, "first"] for label in LABELS)
assert with_four["weather", "first"] < 0.1 < 0.3 < with_four["weather", "last"]
assert with_four["stocks", "last"] < 0.2

# %% [markdown]
# Four of six count for little at the front: with four *weather* first, *weather* has less than a tenth. The same four
# at the end raise it above 0.3. For this model the place outweighs the number. And *stocks* stays small with four of
# six, and those last. You cannot balance a model by balancing its examples.
#
# ## 5. Calibration <a id="calibration"></a>
#
# If the model leans even without a request, take the lean out. **Contextual calibration** divides each label's
# probability by the one it has for a content-free input, and normalises again. By hand:
#
# | | weather | stocks | other |
# | --- | --- | --- | --- |
# | for the request | 0.50 | 0.10 | 0.40 |
# | for *N/A* | 0.70 | 0.05 | 0.25 |
# | ratio | 0.714 | **2.000** | 1.600 |
# | divided by their sum, 4.314 | 0.166 | 0.464 | 0.371 |
#
# The answer was *weather*; it becomes *stocks*, which a request made twice as likely as nothing did.


# %%
def calibrated_loop(row: list[float], free: list[float]) -> list[float]:
    """One request, label by label."""
    ratios = [p / q for p, q in zip(row, free, strict=True)]
    return [ratio / sum(ratios) for ratio in ratios]


def calibrated(rows: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Any number of requests: (..., 3), and what the labels have without content: (3,) or broadcastable."""
    ratios = rows / np.maximum(free, 1e-6)  # a label that never comes must not divide by zero
    return ratios / ratios.sum(-1, keepdims=True)


hand = [0.50, 0.10, 0.40], [0.70, 0.05, 0.25]
print(np.round(calibrated(*map(np.array, hand)), 3))
assert np.allclose(calibrated(*map(np.array, hand)), calibrated_loop(*hand))
assert np.allclose(calibrated(*map(np.array, hand)), [0.166, 0.464, 0.371], atol=6e-4)

# %% [markdown]
# Where to take the lean from? *N/A* is one choice. **Batch calibration** takes the mean of the model's probabilities
# over a batch of real requests, unlabelled. It needs no invented text. But it assumes that the labels are about equally
# common in the batch.
#
# **Predict.** Apply both to all 16 orders. Does the mean rise? Does the spread between orders shrink? Does any order
# lose?

# %%
by_free = calibrated(by_order, content_free[:, None]).argmax(-1)  # (16, 30)
by_batch = calibrated(by_order, by_order.mean(axis=1, keepdims=True)).argmax(-1)
after = {"by N/A": (by_free == TRUE[:30]).sum(-1), "by the batch": (by_batch == TRUE[:30]).sum(-1)}  # (16,) each
figure, axes = plt.subplots(1, 2, figsize=(8.2, 3.6), sharey=True)
for axis, name in zip(axes, ("by N/A", "by the batch"), strict=True):
    for pair in zip(right, after[name], strict=True):
        colour = style.BLUE if pair[1] >= pair[0] else style.ORANGE
        axis.plot([0, 1], pair, "o-", color=colour, linewidth=1, alpha=0.7)
    axis.axhline(10, linestyle="--", linewidth=1, color=style.GREY)
    axis.set(xticks=[0, 1], xticklabels=["as the model says", f"calibrated {name}"], xlim=(-0.3, 1.3), ylim=(0, 30))
axes[0].set_ylabel("right of 30")
style.show(
    figure,
    caption="The 16 orders, and what calibration does to each; orange lines fall. The dashed line is chance.",
    alt="Two panels of sixteen lines, from the number right as the model says to the number right after calibration. "
    "By N/A most lines rise, three fall, and they spread out. By the batch none falls, and they draw together.",
)
rng = np.random.default_rng(2)
for name, count in after.items():
    gain = [(count - right)[rng.integers(0, 16, 16)].mean() for _ in range(2000)]
    print(
        f"{name}: mean {right.mean():.1f} -> {count.mean():.1f} of 30, 95% of the gain {np.quantile(gain, 0.025):.1f} "
        f"to {np.quantile(gain, 0.975):.1f}; spread {right.std():.1f} -> {count.std():.1f}; "
        f"{(count < right).sum()} orders lose"
    )
stocks_given = [float((answers == 1).mean()) for answers in (given, by_free, by_batch)]
print("share of answers 'stocks':", [round(share, 2) for share in stocks_given], " truth 0.33")
batch = {name: int((calibrated(rows, rows.mean(axis=0)).argmax(-1) == TRUE).sum()) for name, rows in ways.items()}
print("by the batch, of 60:", {name: (marks[name], batch[name]) for name in ("none", *first[1:], "similar 6")})
assert 3 < (after["by N/A"] - right).mean() < 4.5
assert (after["by N/A"] < right).sum() == 3
assert after["by N/A"].std() > right.std() > after["by the batch"].std()
assert after["by the batch"].mean() > 21
assert (after["by the batch"] >= right).all()
assert stocks_given[0] < 0.05
assert stocks_given[1] > 0.55
assert (marks["none"], batch["none"]) == (21, 34)
assert batch["similar 6"] == marks["similar 6"]

# %% [markdown]
# Dividing by *N/A* lifts the mean from 16.0 to 19.7 of 30. But three orders lose, and the spread grows. It overshoots:
# *stocks* had a probability of a few thousandths, and who divides by a few thousandths multiplies by hundreds. Now six
# of ten answers are *stocks*. The batch does better in every respect: 21.9, no order loses, and the orders lie closer
# together.
#
# Two more lines of the output deserve a look. Without any example, calibration alone takes the model from 21 to 34 of
# 60, as far as six random examples do: the knowledge was there, under the lean. And with six similar examples there is
# nothing left to mend.
#
# The price: the batch was the test set's own thirty requests (never their labels), and it *was* balanced. If on a rainy
# day nearly all requests are about the weather, batch calibration will push a good part of them elsewhere. Calibrate on
# a sample of your traffic, and check on labelled requests that it helps.
#
# ## 6. The budget <a id="budget"></a>
#
# Examples are paid for with every request: in money, in time, and in room, because the conversation so far has to fit
# too. Count the turns as in [lesson 1](01_prompts.ipynb#what-the-model-reads): an example costs its two texts and
# eleven tokens of frame.
#
# When the whole does not fit, something goes, and a program decides what. First examples, **the least similar first**,
# which is the front of our list. Then, when no example is left, the **oldest exchange** of the conversation, question
# and answer together, since roles must alternate (and a tool's result must never be parted from its call; lesson 5
# introduces tools). Never the system message, never the question.
#
# By hand: 60 tokens for system message and question, four examples of 20, 25, 22 and 18, two exchanges of 30 and 50,
# a budget of 150. All together take 225. Without 20: 205. Without 25: 180. Without 22: 158. Without 18: 140, which
# fits, and the conversation is whole. Skipping a large example to keep two small ones would keep more text, and the
# wrong text.


# %% tags=["stable"]
def fit(pieces: list[int], fixed: int, budget: int) -> tuple[int, int]:
    """How many pieces go from the front until the rest fits, and the tokens that are left. Counted once a step."""
    for dropped in range(len(pieces) + 1):
        tokens = fixed + sum(pieces[dropped:])
        if tokens <= budget:
            return dropped, tokens
    raise ValueError(f"The fixed parts take {fixed} tokens, {budget} are allowed. Shorten them or raise the budget.")


print(fit([20, 25, 22, 18, 30, 50], fixed=60, budget=150))
assert fit([20, 25, 22, 18, 30, 50], fixed=60, budget=150) == (4, 140)
assert fit([20, 25, 22, 18, 30, 50], fixed=60, budget=60) == (6, 60)  # exactly the budget fits

# %% [markdown]
# A real program cannot add up costs of pieces, since only the tokenizer of the endpoint knows what a whole request
# takes. It asks for a count of the whole, drops, asks again: at most once for each piece, and once more.
#
# What does the money buy? The same requests with 0, 1, 3 and 6 similar examples:

# %%
budgets = []
for name, k in (("none", 0), ("similar 1", 1), ("similar 3", 3), ("similar 6", 6)):
    lengths = [
        len(encode(turns([POOL[j] for j in nearest(i, k)], item["request"]), tokenize))
        for i, item in enumerate(TEST[:20])
    ]
    budgets.append((k, float(np.mean(lengths)), int(is_right[name].sum())))
figure, axis = plt.subplots(figsize=(5.8, 3.4))
for k, cost, count in budgets:
    axis.plot([cost, cost], wilson(count, 60), color=style.BLUE, linewidth=1.5)
    axis.annotate(f"{k}", (cost, count / 60), textcoords="offset points", xytext=(8, -3))
axis.plot([cost for _, cost, _ in budgets], [count / 60 for *_, count in budgets], "o-", color=style.BLUE)
axis.set(xlabel="tokens a request, mean of 20", ylabel="share right of 60", ylim=(0.2, 1))
style.show(
    figure,
    caption="What examples cost and what they buy; the number beside a dot is that of similar examples.",
    alt="Share right against tokens per request for none, one, three and six similar examples, with 95% intervals.",
)
print([(k, round(cost), f"{count} of 60") for k, cost, count in budgets])

costs = [cost for _, cost, _ in budgets]
assert [count for *_, count in budgets] == [21, 41, 55, 55]
assert costs[3] > 1.5 * costs[2]

# %% [markdown]
# Three examples do what six do. The second three cost more than half as many tokens again, with every request, and
# bought nothing that sixty requests could show. A budget is also a question: which pieces earn their tokens?
#
# ## Recap
# - Examples are earlier exchanges; labels are scored, not parsed (section 1).
# - Choose by cosine, never by the bare dot product; embed once; earlier wins ties; most similar last (section 2).
# - Compare with a vote of the same examples, without the language model: here it does as well (section 2).
# - The order of the same examples moves accuracy by far more than most changes of wording (section 3).
# - A content-free input shows the lean towards labels, and foretells the answers (section 4).
# - Dividing by that lean is one line; by *N/A* it overshoots here, by a balanced batch no order loses (section 5).
# - Under a budget the least similar example goes first, then the oldest exchange; never the question (section 6).
#
# ## Exercises
# **1. (5 min)** The request is $(1, 2, 2)$, an example is $(2, 0, 1)$. What is their cosine? Three decimals.

# %%
your_answer_1 = None  # a number


def exercise_1(answer):
    if answer is None:
        return "Not attempted: one dot product, two lengths."
    expected = cosine_loop([1, 2, 2], [2, 0, 1])
    assert abs(answer - expected) < 6e-4, f"Not yet: {answer}. Divide by both lengths."
    return "Right."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The length of $(1, 2, 2)$ is 3.
#
# </details>
# <details><summary>Approach</summary>
#
# The dot product is $2 + 0 + 2$; the other length is $\sqrt 5$.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $4 / (3 \cdot 2.236) = 0.596$.
#
# </details>
#
# **2. (5 min)** Labels *yes* and *no*. For a request the model says 0.80 and 0.20, for *N/A* 0.90 and 0.10. What is
# the calibrated probability of *yes*? Three decimals.

# %%
your_answer_2 = None  # a number


def exercise_2(answer):
    if answer is None:
        return "Not attempted: two ratios."
    expected = float(calibrated(np.array([0.8, 0.2]), np.array([0.9, 0.1]))[0])
    assert abs(answer - expected) < 6e-4, f"Not yet: {answer}. Divide, then make the two add up to one."
    return "Right: less than one half. The request made 'no' twice as likely as nothing did."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Divide each by what it is for *N/A*.
#
# </details>
# <details><summary>Approach</summary>
#
# 0.889 and 2; their sum is 2.889.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $0.889 / 2.889 = 0.308$.
#
# </details>
#
# **3. (15 min)** The nearest examples often have one label, which feeds label bias. Write `balanced(similarities,
# labels, m)`: the places of the `m` most similar examples of **each** label, together in one list, least similar
# first. The earlier counts as more similar among equals; a label with fewer than `m` examples gives all it has.

# %%
your_answer_3 = None  # a function


def exercise_3(answer):
    if answer is None:
        return "Not attempted: rank once, then take from the top while a label has room."
    cases = [
        (([0.9, 0.8, 0.7, 0.1], ["a", "a", "b", "b"], 1), [2, 0]),
        (([0.1, 0.2, 0.9, 0.3], ["a", "b", "a", "b"], 1), [3, 2]),
        (([0.5, 0.5, 0.5], ["a", "a", "b"], 1), [2, 0]),
        (([0.3, 0.9, 0.2, 0.8, 0.7], ["a", "a", "b", "a", "a"], 3), [2, 4, 3, 1]),
        (([], [], 2), []),
    ]
    for arguments, expected in cases:
        got = list(answer(*arguments))
        assert got == expected, f"Not yet: {arguments} gave {got}; it should be {expected}."
    return "Right. It trades similarity for balance; which is better is for the test set to say."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Sort the places by `(-similarity, place)`.
#
# </details>
# <details><summary>Approach</summary>
#
# Go down the sorted places with a counter for each label; keep a place while its label's counter is below `m`.
# Reverse at the end.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def balanced(similarities, labels, m):
#     taken, kept = Counter(), []
#     for place in sorted(range(len(labels)), key=lambda place: (-similarities[place], place)):
#         if taken[labels[place]] < m:
#             taken[labels[place]] += 1
#             kept.append(place)
#     return kept[::-1]
# ```
#
# </details>
#
# **4. (10 min)** Write `asked(pieces, fixed, budget, count)`, which is `fit` for a program that cannot add up.
# `count(n)` gives the tokens of the request **without the first n pieces**, and is slow. Return the number of pieces
# to drop, or `None` if even the fixed parts are too long. `count` may be called at most `pieces + 1` times; `pieces`
# is their number.

# %%
your_answer_4 = None  # a function


def exercise_4(answer):
    if answer is None:
        return "Not attempted: what is asked first?"
    draw = random.Random(1)
    for _ in range(200):
        costs = [draw.randrange(0, 30) for _ in range(draw.randrange(6))]
        calls: list[int] = []
        fixed, budget = draw.randrange(20, 60), draw.randrange(20, 150)

        def count(n, costs=costs, calls=calls, fixed=fixed):
            calls.append(n)
            return fixed + sum(costs[n:])

        expected = next((n for n in range(len(costs) + 1) if fixed + sum(costs[n:]) <= budget), None)
        got = answer(len(costs), fixed, budget, count)
        assert got == expected, f"Not yet: costs {costs}, fixed {fixed}, budget {budget} gave {got}, not {expected}."
        assert len(calls) <= len(costs) + 1, f"Not yet: {len(calls)} counts for {len(costs)} pieces."
    return "Right. As the count never rises when a piece goes, a binary search would do with fewer."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Begin with `count(0)`: perhaps nothing has to go.
#
# </details>
# <details><summary>Approach</summary>
#
# A loop over 0 to `pieces`, which returns at the first count that fits.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def asked(pieces, fixed, budget, count):
#     return next((n for n in range(pieces + 1) if count(n) <= budget), None)
# ```
#
# </details>
#
# ## Quiz
# **1. Choosing by the dot product of raw embeddings prefers**
#
# - (a) the example with the smallest angle
# - (b) examples with long vectors
# - (c) the earliest example
#
# <details><summary>Answer</summary>
#
# (b): $b$ in section 2. Not (a): that is the cosine. Not (c): position decides only among equals.
#
# </details>
#
# **2. A few-shot prompt scores 25 of 30 in the order in which you typed it. You report**
#
# - (a) 25 of 30
# - (b) the best of several orders
# - (c) the mean over several orders, and their spread
#
# <details><summary>Answer</summary>
#
# (c). Not (a): section 3 shows what another order does to the same examples. Not (b): that is the luck of the best of
# many draws (lesson 1, section 6), unless it is measured again on other requests.
#
# </details>
#
# **3. A prompt gives *N/A* the label *weather* with 0.8. It follows that**
#
# - (a) *N/A* is about the weather
# - (b) requests are pulled towards *weather*
# - (c) the model cannot tell the topics apart
#
# <details><summary>Answer</summary>
#
# (b): section 4. Not (a): there is nothing in it to be about. Not (c): the order of requests by probability may be
# excellent, which is why dividing by the lean can help.
#
# </details>
#
# **4. A prompt is 30 tokens over budget. Example 1 (least similar) has 20 tokens, example 2 has 35. You drop**
#
# - (a) both
# - (b) example 2 only
# - (c) the system message's last rule
#
# <details><summary>Answer</summary>
#
# (a): from the front, until it fits. Not (b): it keeps the less similar of the two. Not (c): rules are what the
# author decided; a prompt that loses them silently is another program.
#
# </details>
#
# ## Now build it
# `choose_examples` and `assemble` of task 2.1: `roadmap check 2.1`.
#
# ## Further reading
# - Tom Brown and others, *Language Models are Few-Shot Learners*, 2020.
# - Jiachang Liu and others, *What Makes Good In-Context Examples for GPT-3?*, 2021: choice by similarity.
# - Yao Lu and others, *Fantastically Ordered Prompts and Where to Find Them*, 2021: order.
# - Tony Zhao and others, *Calibrate Before Use*, 2021: label bias, recency, contextual calibration.
# - Han Zhou and others, *Batch Calibration*, 2023: the lean measured on requests instead of *N/A*.
# - Sewon Min and others, *Rethinking the Role of Demonstrations*, 2022: what happens when the labels are wrong.
