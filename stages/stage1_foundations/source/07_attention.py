# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L1.07
#     question: How does a word find the other words it needs, all of them at once?
#     objectives:
#       - work out attention for one query on paper, then write it for any number of queries
#       - build causal and padding masks, and handle a query that may see nothing without NaN
#       - split a vector into heads, and let groups of query heads share keys and values
#       - wire a pre-norm transformer block so that it reproduces SmolLM2, and recognise a wrong wiring by its loss
#       - count the parameters and the floating-point operations of a model from its configuration
#       - read attention maps, and test by experiment whether a head does what its map suggests
#     minutes: 70
#     prerequisites: [L1.02, L1.05, L1.06]
#     topics:
#       T1.33: one-query-by-hand
#       T1.34: heads
#       T1.35: the-paper
#       T1.36: [the-block, masks]
#       T1.37: three-families
#     leads_to: ["1.3", "1.5"]
# ---

# %% [markdown]
# # Attention and the transformer block
#
# *The storms delayed the ferry because it was old.* What was old? You knew at once: *it* is one thing, *storms* are
# many. A program that predicts the next word needs the same jump, from *it* back to *ferry*, over a gap of any size.
#
# The recurrent network of lesson 5 carried everything it had read in one vector, and had to hope that the
# ferry was still in there. Attention does something plainer: it looks back. Every token asks a question of every
# earlier token, and takes home a mixture of what the best matches have to say.
#
# We begin with that one sentence and twelve small numbers. At the end we open a real model, and look for the head that
# does for *it* what you did. On the way the real model will do something that it was never trained to do, and we
# will find the heads responsible.

# %%
import math

import matplotlib.pyplot as plt
import torch
from torch.nn import functional

from roadmap.artifacts import load_causal_lm
from roadmap.lessons import style

style.use()
torch.manual_seed(0)
tokenizer, model = load_causal_lm("smollm2-135m-instruct")
model.requires_grad_(False)
model.set_attn_implementation("eager")  # the implementation that can return its attention maps
config = model.config

# %% [markdown]
# ## 1. One query, by hand <a id="one-query-by-hand"></a>
#
# Each token makes three vectors from its own:
#
# - a **query**: what am I looking for?
# - a **key**: what do I offer to those who look?
# - a **value**: what do I hand over when chosen?
#
# In a model they come from three learned matrices. Here we invent them. The four features of queries and keys are
# (noun, verb, plural, singular); the two features of values are (vehicle, weather).
#
# | token | key | value |
# | --- | --- | --- |
# | storms | (1, 0, 1, 0) | (0, 10) |
# | delayed | (0, 1, 0, 0) | (0, 0) |
# | ferry | (1, 0, 0, 1) | (10, 0) |
#
# The pronoun *it* looks for a noun in the singular. Its query is (2, 0, 0, 2).
#
# 1. **Score** each key: the dot product with the query. storms 2, delayed 0, ferry 4.
# 2. **Scale**: divide by $\sqrt{d}$, where $d = 4$ is the number of features of a key. That leaves 1, 0, 2.
# 3. **Softmax** over the keys: $e^1 = 2.718$, $e^0 = 1$, $e^2 = 7.389$, together $11.107$. The **weights** are 0.245,
#    0.090 and 0.665.
# 4. **Mix** the values by these weights: $0.665 \cdot (10, 0) + 0.245 \cdot (0, 10) = (6.65, 2.45)$.
#
# *It* is now about two thirds a vehicle. Nothing was looked up and nothing was decided: attention is a weighted mean,
# smooth in all its numbers, and therefore trainable by gradient descent.
#
# The four steps as a loop:

# %% tags=["stable"]
words = ["storms", "delayed", "ferry"]
query = torch.tensor([2.0, 0.0, 0.0, 2.0])
keys = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 1.0]])
values = torch.tensor([[0.0, 10.0], [0.0, 0.0], [10.0, 0.0]])


def attend_one(query, keys, values):
    """One query, step by step. query: (d,); keys: (keys, d); values: (keys, dv). Returns the weights and the mix."""
    scores = [sum(float(a * b) for a, b in zip(query, key, strict=True)) for key in keys]
    scaled = [score / math.sqrt(len(query)) for score in scores]
    powers = [math.exp(score) for score in scaled]
    weights = [power / sum(powers) for power in powers]
    mix = [sum(w * float(value[j]) for w, value in zip(weights, values, strict=True)) for j in range(values.shape[1])]
    return weights, mix


weights, mix = attend_one(query, keys, values)
for word, weight in zip(words, weights, strict=True):
    print(f"{word:8} {weight:.3f}")
print("mix     ", [round(x, 2) for x in mix])
assert [round(x, 2) for x in mix] == [6.65, 2.45]

# %% [markdown]
# Many queries at once are a matrix product. Row $i$ of $QK^\top$ holds the scores of query $i$, one for each key, and
# the softmax runs along that row:
#
# $$\text{attention}(Q, K, V) = \text{softmax}\!\left(\frac{QK^\top}{\sqrt{d}}\right) V$$
#
# Three sizes may all differ: the number of queries, the number of keys, and the number of features of a value. Only $d$
# is shared by queries and keys. Any dimensions in front (a batch, a set of heads) come along without a change, because
# `@` and a softmax over the last dimension ignore them.

# %%
q = torch.randn(2, 5, 8)  # (batch, queries, d)
k = torch.randn(2, 7, 8)  # (batch, keys, d)
v = torch.randn(2, 7, 3)  # (batch, keys, dv)

scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])  # (batch, queries, keys)
fast = scores.softmax(dim=-1) @ v  # (batch, queries, dv)
slow = torch.tensor([[attend_one(q[b, i], k[b], v[b])[1] for i in range(5)] for b in range(2)])

assert torch.allclose(fast, slow, atol=1e-5)
assert torch.allclose(fast, functional.scaled_dot_product_attention(q, k, v), atol=1e-5)
print("the loop, the matrix form and PyTorch's own agree:", tuple(fast.shape))

# %% [markdown]
# ### Why divide by the square root of d?
#
# **Predict.** Draw the features of a query and a key independently from a standard normal distribution, 64 of each. How
# large is their dot product, typically: 1, 8 or 64?
#
# A sum of $d$ products, each of mean 0 and variance 1, has variance $d$: the typical size is $\sqrt{64} = 8$. A softmax
# whose inputs lie 8 apart is nearly a hard choice, $e^8 \approx 3000$ to 1, and a hard choice has no slope to learn
# from. Dividing by $\sqrt{d}$ brings the scores back to size 1 whatever the width. Dividing by $d$ overshoots:
# everything looks alike.

# %%
widths = [4, 16, 64, 256, 1024]
largest = {"not scaled": [], "divided by √d": [], "divided by d": []}
slopes = {name: [] for name in largest}
for d in widths:
    raw = (torch.randn(400, 1, d) * torch.randn(400, 16, d)).sum(-1)  # (queries, keys): 16 keys for each query
    for name, scale in zip(largest, (1, math.sqrt(d), d), strict=True):
        w = (raw / scale).softmax(-1)
        largest[name].append(w.max(-1).values.mean().item())
        slopes[name].append((w * (1 - w)).sum(-1).mean().item())  # how far weights move when their own scores move
spread = raw.std().item()
assert abs(spread - math.sqrt(1024)) < 1
assert largest["not scaled"][-1] > 0.9
assert largest["divided by d"][-1] < 0.07

figure, (left, right) = plt.subplots(1, 2, figsize=(8, 3.2))
for name, marker in zip(largest, "osd", strict=True):
    left.plot(widths, largest[name], marker=marker, label=name)
    right.plot(widths, slopes[name], marker=marker)
left.axhline(1 / 16, color=style.GREY, linestyle=":", linewidth=1)
left.set(xscale="log", xlabel="features d", ylabel="largest of 16 weights", ylim=(0, 1))
right.set(xscale="log", xlabel="features d", ylabel="slope of the softmax", ylim=(0, 1))
left.legend()
style.show(
    figure,
    caption="Random queries and keys. Unscaled, one key takes nearly everything as heads get wider and the slope that "
    "training needs dies away. Divided by d, all keys look alike (dotted: 1/16). Divided by the root, width does not "
    "matter.",
    alt="Two line plots over d from 4 to 1024. Left, the largest weight: unscaled rises to 0.96, root-scaled stays "
    "near 0.24, d-scaled falls to 1/16. Right, the slope: unscaled falls to 0.06, the other two stay near 0.9.",
)

# %% [markdown]
# ### Large scores
#
# Scores can still grow large, and `exp` in float32 ends at 88. The way out: a softmax
# does not change when the same number is taken from all scores, since the factor cancels. Take away each row's maximum,
# and the largest power is $e^0 = 1$. `torch.softmax` does this for you. A softmax of your own must do it too.

# %% tags=["stable"]
large = torch.tensor([10_000.0, 9_999.0])
naive = large.exp() / large.exp().sum()
shifted = (large - large.max()).exp() / (large - large.max()).exp().sum()
print("exp(88), exp(89):", f"{torch.tensor(88.0).exp():.1e}", torch.tensor(89.0).exp().item())
print("naive:  ", naive.tolist())
print("shifted:", [round(x, 3) for x in shifted.tolist()])

# %% [markdown]
# ### What attention does not know
#
# **Predict.** Shuffle the three tokens of the table: ferry, storms, delayed. Each keeps its own key and value. What
# happens to (6.65, 2.45)?

# %% tags=["stable"]
order = [2, 0, 1]
shuffled = attend_one(query, keys[order], values[order])[1]
print("shuffled:", [round(x, 2) for x in shuffled])
assert torch.allclose(torch.tensor(shuffled), torch.tensor(mix))

# %% [markdown]
# Nothing. A weighted mean has no order. To attention, *the dog bit the man* and *the man bit the dog* are one set of
# words. Positions must be put in by hand: [lesson 8](08_positions.ipynb#rope) does it. Until then we take the model's
# own.
#
# ## 2. Masks: who may see whom <a id="masks"></a>
#
# A language model is trained to predict token $i + 1$ from tokens $0$ to $i$. If token $i$ could look at token $i + 1$,
# the exercise would be copying. So a **causal mask** forbids it: each token sees itself and what came before.
#
# In this course a boolean mask says **True where a query may attend**. (PyTorch's own functions do not agree among
# themselves; read the documentation each time.) The rule, as a loop, with the case that comes up in generation: the
# keys of earlier tokens are kept in a cache, only the newest tokens ask, and **the last query stands at the last key**.


# %% tags=["stable"]
def causal_by_loop(queries, keys):
    """bool (queries, keys). Query i is token past + i of the text, where past = keys - queries."""
    past = keys - queries
    return torch.tensor([[key <= past + i for key in range(keys)] for i in range(queries)])


square = torch.arange(4)[None, :] <= torch.arange(4)[:, None]  # a row of key positions, a column of query positions
assert torch.equal(square, causal_by_loop(4, 4))
for name, mask in {"4 queries, 4 keys": square, "2 queries, 4 keys": causal_by_loop(2, 4)}.items():
    print(name, *("  " + " ".join("x" if may else "." for may in row) for row in mask.tolist()), sep="\n")

# %% [markdown]
# Compare the two pictures. The last two rows of the first are the second. That is the point of a cache: the same rows,
# without those we already know. The comparison of a row with a column gives the square case in one line. For the
# general one, shift the column by `past`. With more queries than keys, `past` is negative, and the first rows see
# nothing at all.
#
# A **padding mask** hides the filler that makes sequences of a batch equally long. It depends on the sequence and not
# on the query, so its shape is `(batch, 1, 1, keys)`: the ones stand for heads and queries, and broadcasting does the
# rest. `&` combines the two. Padding may stand on the right or on the left; anything else is an error.

# %% tags=["stable"]
lengths = torch.tensor([4, 2])  # real tokens in each of two sequences, padded to 4
right_padded = torch.arange(4) < lengths[:, None]  # real tokens first: positions 0 to n - 1
left_padded = torch.tensor([[p >= 4 - n for p in range(4)] for n in lengths.tolist()])  # real tokens last
both = square & left_padded[:, None, None, :]
print("right:", right_padded.int().tolist(), "  left:", left_padded.int().tolist())
print("(4, 4) & (2, 1, 1, 4) ->", tuple(both.shape))

# %%
figure, axes = plt.subplots(1, 4, figsize=(9.2, 2.7))
panels = {
    "causal": square,
    "causal, 2 cached": causal_by_loop(2, 4),
    "causal & padded right": square & right_padded[1],
    "causal & padded left": both[1, 0],
}
for axis, (title, mask) in zip(axes, panels.items(), strict=True):
    axis.imshow(mask, vmin=0, vmax=1)
    axis.set(title=title, xlabel="key", xticks=range(4), yticks=range(len(mask)))
    axis.grid(False)
axes[0].set(ylabel="query")
style.show(
    figure,
    caption="Yellow: may attend. The cached mask is the end of the first. Padding removes columns, and left padding "
    "leaves two rows that see nothing.",
    alt="Four small grids. A lower triangle of 4 by 4; its last two rows; the triangle without its last two columns; "
    "the triangle without its first two columns, whose first two rows are empty.",
)

# %% [markdown]
# ### Before the softmax, not after
#
# **Predict.** The ferry is now forbidden. In section 1 the weights were 0.245, 0.090 and 0.665. What should they
# become? And what do you get when you compute them as before and set the third one to zero?

# %% tags=["stable"]
scaled = query @ keys.T / 2  # 1, 0, 2
allowed = torch.tensor([True, True, False])
before = scaled.masked_fill(~allowed, -math.inf).softmax(-1)
after = scaled.softmax(-1) * allowed
print("-inf before the softmax:", [round(x, 3) for x in before.tolist()], " sum", round(before.sum().item(), 3))
print("zero after the softmax: ", [round(x, 3) for x in after.tolist()], " sum", round(after.sum().item(), 3))
assert abs(after.sum() - 0.335) < 1e-3

# %% [markdown]
# $e^{-\infty} = 0$, so a forbidden key takes no part in the sum, and the others share the whole weight among
# themselves. Zeroing afterwards leaves a sum of 0.335: the forbidden key still decides how much of the answer is
# missing.
#
# A mask may also be of floating-point numbers. Then it is **added to the scaled scores**: a bias that makes a key more
# or less attractive, with $-\infty$ as the limit. ALiBi, in the next lesson, is such a mask. Added before the division
# by $\sqrt{d}$, the same bias would mean something else for each head size.

# %% tags=["stable"]
bias = torch.tensor([-2.0, -1.0, 0.0])  # one unit less for each step of distance
print("scaled, then bias:", [round(x, 3) for x in (scaled + bias).softmax(-1).tolist()])
print("bias, then scaled:", [round(x, 3) for x in ((scaled * 2 + bias) / 2).softmax(-1).tolist()], " (wrong)")

# %% [markdown]
# ### The row that sees nothing
#
# The padded batch above has queries without a single allowed key. Their output will be thrown away, so why care?
# Because $0/0$ is NaN, and NaN does not stay in its row: the backward pass multiplies it into every gradient. Four ways
# to handle such a row, in the forward and in the backward pass:


# %% tags=["stable"]
def plain(scores, mask):
    return (scores + mask).softmax(-1)


def very_negative(scores, mask):
    return (scores + mask.clamp(min=-1e9)).softmax(-1)


def repaired_after(scores, mask):
    return (scores + mask).softmax(-1).nan_to_num(0.0)


def finite_then_zero(scores, mask):
    return scores.softmax(-1) * 0.0  # this row is blind: leave the mask out, then take all its weight away


rows = []
for treat in (plain, very_negative, repaired_after, finite_then_zero):
    leaf = torch.tensor([1.0, 0.0, 2.0], requires_grad=True)
    out = treat(leaf, torch.full((3,), -math.inf)) @ torch.tensor([0.0, 0.0, 10.0])
    out.backward()
    rows.append([treat.__name__, str(round(out.item(), 2)), "finite" if leaf.grad.isfinite().all() else "NaN"])
style.table(
    rows,
    columns=["treatment", "output of the blind query", "gradient"],
    caption="The scores 1, 0, 2 with every key forbidden; the values are 0, 0 and 10.",
)
assert [row[1:] for row in rows] == [["nan", "NaN"], ["3.33", "finite"], ["0.0", "NaN"], ["0.0", "finite"]]

# %% [markdown]
# - The plain form is NaN in both directions.
# - A very negative number instead of $-\infty$ makes all scores equal, and the query averages the very values it must
#   not see: 3.33. No error, no warning, a leak.
# - Repairing the NaN afterwards gives the right output, and still a NaN gradient: the derivative of the softmax was
#   computed at the broken point, and $0 \cdot \text{NaN}$ is NaN. (Filling with `masked_fill` happens to stop it on the
#   way back to the scores; adding a float mask does not.)
# - The last one is right both ways. Give such a row any finite scores *before* the softmax, and zero weights *after*
#   it.
#
# A real mask has blind rows among ordinary ones, so find them first: rows whose scores are all $-\infty$.

# %% tags=["stable"]
leaf = torch.tensor([[1.0, 0.0, 2.0], [1.0, 0.0, 2.0]], requires_grad=True)  # (queries 2, keys 3)
scores = leaf + torch.tensor([[-math.inf, -math.inf, -math.inf], [0.0, 0.0, -math.inf]])  # query 0 is blind
blind = (scores == -math.inf).all(dim=-1, keepdim=True)  # (queries, 1)
weights = scores.masked_fill(blind, 0.0).softmax(-1).masked_fill(blind, 0.0)
print([[round(x, 3) for x in row] for row in weights.tolist()])
(weights @ torch.tensor([0.0, 1.0, 10.0])).sum().backward()
assert leaf.grad.isfinite().all()

# %% [markdown]
# ### One pass, as many predictions as tokens
#
# The mask is also why a transformer trains fast. Row $i$ cannot see what comes after it, so one pass over a text
# computes every prefix's answer at the same time. A recurrent network needs one step after another for that. Is it
# exact? Ask the model.

# %%
passage = (
    "The storms delayed the ferry, and nobody on the pier knew for how long. A woman with two suitcases asked the man "
    "in the kiosk whether the evening boat would sail. He shrugged and sold her a map of the island. By six the wind "
    "had dropped, the lights came on along the harbour wall, and a horn sounded from somewhere behind the rain."
)
ids = tokenizer(passage, return_tensors="pt").input_ids  # (1, n)
n = ids.shape[1]
once = model(ids).logits[0]  # (n, vocabulary): one pass
gaps = [(model(ids[:, :end]).logits[0, -1] - once[end - 1]).abs().max().item() for end in (1, 10, 25, n)]
print(f"{n} tokens; largest difference between a prefix on its own and its row in the whole: {max(gaps):.0e}")
assert max(gaps) < 1e-3

# %% [markdown]
# ## 3. Heads <a id="heads"></a>
#
# One softmax makes one mixture. A verb that needs its subject *and* its object would get their average, in which
# neither can be told from the other. So the vector is cut into **heads**, narrow runs of features, and each head
# attends for itself: own scores, own softmax, own mixture. The results are laid side by side again and mixed by one
# more matrix, the output projection.
#
# Head $h$ gets features $h \cdot d$ to $(h + 1) \cdot d$, a run of neighbours. Take three tokens of four features and
# two heads. To see where numbers go, let feature $f$ of token $t$ be $10t + f$.
#
# **Predict.** `x.reshape(2, 3, 2)` has the right shape: 2 heads, 3 tokens, 2 features. What does head 0 hold?

# %% tags=["stable"]
x = torch.tensor([[10 * t + f for f in range(4)] for t in range(3)])  # (length 3, heads * d = 4)
print("reshape alone:      head 0 =", x.reshape(2, 3, 2)[0].tolist())
print("view, then swap:    head 0 =", x.view(3, 2, 2).transpose(0, 1)[0].tolist())
print("dealt out in turn:  head 0 =", x.view(3, 2, 2).transpose(1, 2).transpose(0, 1)[0].tolist(), " (wrong)")

# %% [markdown]
# A reshape alone fills the new shape in memory order: head 0 got all of token 0 and half of token 1. Every shape is
# right and every number is in the wrong place. Split in two steps: view the last dimension as `(heads, d)`, in this
# order, then swap the dimensions of length and heads. With a batch in front these are dimensions 1 and 2. To merge,
# undo the *last* step first: swap back, then join `(heads, d)`.
#
# A width that does not divide by the number of heads has no such split. Say so with an error; never drop the remainder.

# %% tags=["stable"]
split = x.view(3, 2, 2).transpose(0, 1)  # (heads, length, d)
print("joined without swapping back:", split.reshape(3, 4)[0].tolist())
print("swapped back, then joined:   ", split.transpose(0, 1).reshape(3, 4)[0].tolist())

# %% [markdown]
# ### Grouped heads
#
# While a model generates, it keeps the keys and values of every token so far. That cache grows with the number of
# key/value heads. Queries are not kept. Hence **grouped-query attention**: several query heads share one key/value
# head. SmolLM2 has 9 query heads and 3 key/value heads. **Neighbours share**: query head $h$ reads key/value head $h //
# 3$. A number of query heads that is no multiple of the key/value heads cannot be shared out: raise a `ValueError`.

# %% tags=["stable"]
labels = torch.tensor([0, 1, 2])
print("repeat_interleave(3):", labels.repeat_interleave(3).tolist(), " = h // 3")
print("repeat(3):           ", labels.repeat(3).tolist(), " = h % 3, wrong")

per_token = {
    name: 2 * config.num_hidden_layers * heads * config.head_dim * 2  # keys and values, 2 bytes a number
    for name, heads in {"9 (multi-head)": 9, "3 (grouped, SmolLM2)": 3, "1 (multi-query)": 1}.items()
}
style.table(
    [[name, size, f"{size * config.max_position_embeddings / 2**20:.0f} MiB"] for name, size in per_token.items()],
    columns=["key/value heads", "bytes for each token", f"a full context of {config.max_position_embeddings}"],
    caption="The cache of SmolLM2 in 16-bit numbers, for one user. Grouping cuts it to a third.",
)
assert per_token["3 (grouped, SmolLM2)"] == 23_040

# %% [markdown]
# On the model's own weights: the queries, keys and values of layer 0, one head after another in a loop, against
# PyTorch. A mask is laid on the scores of the *query* heads: (queries, keys) for all alike, or (heads, queries, keys)
# with a slice for each. This lesson keeps to one sequence; with a batch in front, every dimension moves by one:
# `k.repeat_interleave(3, dim=1)` shares the heads, and `transpose(1, 2)` swaps them with the length.

# %%
tensors = model.state_dict()
embedded = tensors["model.embed_tokens.weight"][ids[0]]  # (n, 576)


def heads_of(x, name):
    """Project x (n, 576) by a weight matrix and split: (heads, n, 64)."""
    return functional.linear(x, tensors[name]).unflatten(-1, (-1, config.head_dim)).transpose(0, 1)


q, k, v = (heads_of(embedded, f"model.layers.0.self_attn.{letter}_proj.weight") for letter in "qkv")
causal = causal_by_loop(n, n)
looped = []
for h in range(len(q)):
    scores = q[h] @ k[h // 3].T / math.sqrt(config.head_dim)
    looped.append(scores.masked_fill(~causal, -math.inf).softmax(-1) @ v[h // 3])
looped = torch.stack(looped)  # (heads, n, d)

theirs = functional.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True, enable_gqa=True)[0]
assert torch.allclose(looped, theirs, atol=1e-5)
print(
    "queries",
    tuple(q.shape),
    " keys",
    tuple(k.shape),
    " loop equals PyTorch:",
    torch.allclose(looped, theirs, atol=1e-5),
)

# %% [markdown]
# ## 4. Three families, three masks <a id="three-families"></a>
#
# The same attention makes three kinds of model. What differs is who may look at whom.
#
# - **Encoder-only**: everybody sees everybody. Trained to fill in hidden words. It reads; it cannot write.
# - **Decoder-only**: the causal mask. Trained to predict the next token. It writes.
# - **Encoder-decoder**: the source sees itself whole; the target sees the source and its own past. The block in which
#   target looks at source is **cross-attention**: queries from one text, keys and values from another.
#
# A mask is a claim about what can influence what. We can check the claim: in a stack of two random attention layers,
# how much does output $i$ move when input $j$ moves?


# %%
def influence(mask, layers=2, d=8):
    """(n, n): the size of the derivative of output i by input j, through random attention layers."""
    generator = torch.Generator().manual_seed(1)
    projections = torch.randn(layers, 3, d, d, generator=generator) / (2 * math.sqrt(d))
    start = torch.randn(len(mask), d, generator=generator)

    def stack(x):
        for to_q, to_k, to_v in projections:
            scores = (x @ to_q) @ (x @ to_k).T / math.sqrt(d)
            x = x + scores.masked_fill(~mask, -math.inf).softmax(-1) @ (x @ to_v)
        return x

    return torch.autograd.functional.jacobian(stack, start).norm(dim=(1, 3))  # (i, features, j, features) -> (i, j)


sees_source = torch.cat([torch.ones(6, 3, dtype=torch.bool), torch.zeros(6, 3, dtype=torch.bool)], dim=1)
families = {
    "encoder-only": torch.ones(6, 6, dtype=torch.bool),
    "decoder-only": causal_by_loop(6, 6),
    "encoder-decoder": sees_source | (causal_by_loop(6, 6) & (torch.arange(6) >= 3)[:, None]),
}
figure, axes = plt.subplots(2, 3, figsize=(7.4, 5.0))
for (above, below), (name, mask) in zip(axes.T, families.items(), strict=True):
    moved = influence(mask)
    assert torch.equal(moved > 1e-7, mask)  # what the mask allows does move, nothing else does
    above.imshow(mask, vmin=0, vmax=1)
    below.imshow(moved.sqrt(), vmin=0)  # the root lets small influences show
    above.set(title=name, xticks=[], yticks=[])
    below.set(xticks=[], yticks=[], xlabel="source | target" if name == "encoder-decoder" else "input token")
    above.grid(False), below.grid(False)
axes[0, 0].set(ylabel="mask: query by key")
axes[1, 0].set(ylabel="measured: output by input")
style.show(
    figure,
    caption="Above, what each family allows. Below, the measured influence of each input on each output through two "
    "layers: zero exactly where the mask forbids, however deep the stack.",
    alt="Six grids of 6 by 6. Encoder-only is full. Decoder-only is a lower triangle. Encoder-decoder is a full 3 by "
    "3 block for the source, a full block from target to source, and a triangle for the target. The measured grids "
    "have the same zeros, with a strong diagonal.",
)

# %% [markdown]
# | family | known members | made for |
# | --- | --- | --- |
# | encoder-only | BERT, RoBERTa, the embedding models of stage 3 | classify, search, compare |
# | decoder-only | GPT, Llama, SmolLM2 | generate; with scale, nearly everything |
# | encoder-decoder | the 2017 transformer, T5, BART, Whisper | translate, summarise, transcribe |
#
# Decoders won the market because one objective, the next token, turned out to cover the other tasks, and because a
# cache makes their answers cheap: an earlier token never changes when a later one arrives.
#
# ### What if we take the mask away? <a id="what-if"></a>
#
# SmolLM2 is a decoder. It never saw a future token, in training or since. Now we feed it the passage without a mask, so
# that each token can see the next one, the very answer it is asked for.
#
# **Predict.** The loss under the causal mask is about 4. Without the mask, will it rise (the model meets a situation it
# was never trained for), stay (it does not know how to look ahead), or fall (it cheats)?


# %%
def loss_under(mask):
    """Mean negative log-likelihood of the passage when attention obeys a bool mask (n, n)."""
    additive = torch.zeros(n, n).masked_fill(~mask, -math.inf)
    logits = model(ids, attention_mask=additive[None, None]).logits[0]
    return functional.cross_entropy(logits[:-1], ids[0, 1:]).item()


everything = torch.ones(n, n, dtype=torch.bool)
with_mask, without_mask = loss_under(causal), loss_under(everything)
print(f"causal mask: {with_mask:.2f} nats a token     no mask: {without_mask:.2f} nats a token")
assert without_mask < with_mask / 2

# %% [markdown]
# It falls to less than half. With no training for it, the model has found a way to read the answer. Remember this for
# two reasons. In practice: **a missing causal mask is the one bug that makes your loss look better**, and a model
# trained that way generates rubbish, because at generation time there is no future to copy from. And as a riddle: which
# part of a model that never saw a future token knows how to copy one? Section [7](#real-maps) finds it.
#
# ## 5. The block <a id="the-block"></a>
#
# Attention moves information between tokens. The **feed-forward** part then works on each token alone. The two
# alternate, 30 times over in SmolLM2, and three pieces hold the stack together.
#
# **RMSNorm** divides a vector by its root mean square, then multiplies by a learned weight for each feature. For (3,
# 4): $\sqrt{(9 + 16)/2} = 3.536$, which leaves (0.849, 1.131). Three things to get right: the *mean* of the squares,
# not their sum; no mean is subtracted (layer normalisation does that); and a small $\epsilon$ stands *under* the root,
# so that a vector near zero is left small instead of being blown up.

# %% tags=["stable"]
EPS = config.rms_norm_eps  # 1e-05


def rms_norm(x, weight, eps=EPS):
    """x: (..., features); weight: (features,)."""
    return weight * x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps)


pair, tiny, ones = torch.tensor([3.0, 4.0]), torch.tensor([0.001, 0.001]), torch.ones(2)
print("(3, 4)              ", [round(v, 3) for v in rms_norm(pair, ones).tolist()])
print("tiny, eps under root", [round(v, 3) for v in rms_norm(tiny, ones).tolist()])
print("tiny, eps outside   ", [round(v, 3) for v in (tiny / (tiny.square().mean().sqrt() + EPS)).tolist()], " (wrong)")
assert torch.allclose(rms_norm(pair, ones), functional.rms_norm(pair, (2,), ones, EPS))

# %% [markdown]
# **SwiGLU**, the feed-forward part, projects up twice, from 576 features to 1,536. One projection passes through
# $\text{silu}(z) = z \cdot \text{sigmoid}(z)$ and becomes a **gate**: it is multiplied, number by number, with the
# other. A third matrix projects down. With one feature, gate 2 and up 3: $\text{silu}(2) = 2 \cdot 0.881 = 1.762$,
# times 3 is 5.285. The roles are not symmetric: $\text{silu}(3) \cdot 2 = 5.715$.
#
# **The residual stream.** Each half *reads* a normalised copy of the stream and *adds* its result to the stream itself:
#
# $$x \leftarrow x + \text{attention}(\text{norm}_1(x)), \quad x \leftarrow x + \text{feedforward}(\text{norm}_2(x))$$
#
# Nothing ever overwrites $x$. Gradients have a road from the last layer to the first with no matrix in the way, which
# cures the vanishing that [lesson 5](05_sequences.ipynb#vanishing-gradients) measured.

# %%
figure, axis = plt.subplots(figsize=(8.6, 2.5))
axis.annotate("", (10.2, 0), (0, 0), arrowprops={"arrowstyle": "-|>", "lw": 3, "color": style.GREY})
for start, names in ((0.7, ("norm 1", "attention")), (5.5, ("norm 2", "feed-forward"))):
    axis.plot([start, start, start + 3.6, start + 3.6], [0, 1.2, 1.2, 0.5], color=style.GREY, linewidth=1.5)
    axis.annotate("", (start + 3.6, 0.22), (start + 3.6, 0.6), arrowprops={"arrowstyle": "-|>", "color": style.GREY})
    for place, name, colour, ink in ((0.95, names[0], style.SKY, "black"), (2.5, names[1], style.BLUE, "white")):
        box = {"boxstyle": "round,pad=0.45", "facecolor": colour, "edgecolor": "none"}
        axis.text(start + place, 1.2, name, ha="center", va="center", color=ink, bbox=box)
    circle = {"boxstyle": "circle", "facecolor": "white"}
    axis.text(start + 3.6, 0, "+", ha="center", va="center", fontsize=14, bbox=circle)
axis.text(0.1, -0.45, "residual stream x")
axis.set(xlim=(0, 10.4), ylim=(-0.6, 1.7))
axis.axis("off")
style.show(
    figure,
    caption="A pre-norm block. The stream runs straight through; each half reads a normalised copy and adds what it "
    "found. The second half reads what the first has already added.",
    alt="A horizontal arrow, the residual stream. Two side branches leave it, pass through norm 1 and attention, and "
    "through norm 2 and feed-forward, and join it again at plus signs.",
)

# %% [markdown]
# Inside attention the order is: project to queries, keys and values; split into heads; **turn queries and keys by their
# positions, never the values**; attend under the mask; merge; project out. Turning (rotary embedding) is the next
# lesson's matter. Here it is a given function, with the model's own tables of cosines and sines.
#
# The whole, on SmolLM2's weights, for one sequence. `fault` lets us wire it wrongly on purpose in a moment.


# %%
def turn(x, cos, sin):
    """Rotary positions, explained in lesson 8. x: (heads, n, 64); cos, sin: (n, 64)."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin


cos, sin = (table[0] for table in model.model.rotary_emb(embedded, torch.arange(n)[None]))  # each (n, 64)


def attention(x, layer, fault):
    """x: (n, 576), already normalised. Returns (n, 576)."""
    name = f"model.layers.{layer}.self_attn."
    q, k, v = (heads_of(x, f"{name}{letter}_proj.weight") for letter in "qkv")
    if fault != "positions left out":
        q, k = turn(q, cos, sin), turn(k, cos, sin)
    if fault == "values turned too":
        v = turn(v, cos, sin)
    share = (
        (lambda t: t.repeat(3, 1, 1)) if fault == "kv heads dealt in turn" else (lambda t: t.repeat_interleave(3, 0))
    )
    root = {"scores not scaled": 1, "scores divided by d": config.head_dim}.get(fault, math.sqrt(config.head_dim))
    scores = q @ share(k).transpose(-2, -1) / root  # (heads, n, n)
    if fault != "no causal mask":
        scores = scores.masked_fill(~causal, -math.inf)
    mixed = scores.softmax(-1) @ share(v)  # (heads, n, 64)
    return functional.linear(mixed.transpose(0, 1).flatten(-2), tensors[name + "o_proj.weight"])


def feed_forward(x, layer, fault):
    """SwiGLU. x: (n, 576), already normalised. Returns (n, 576)."""
    gate, up, down = (tensors[f"model.layers.{layer}.mlp.{part}_proj.weight"] for part in ("gate", "up", "down"))
    if fault == "gate and up swapped":
        gate, up = up, gate
    return functional.linear(functional.silu(functional.linear(x, gate)) * functional.linear(x, up), down)


def block(x, layer, fault=""):
    """One layer: (n, 576) to (n, 576)."""
    first, second = (tensors[f"model.layers.{layer}.{part}_layernorm.weight"] for part in ("input", "post_attention"))
    if fault == "norms swapped":
        first, second = second, first
    if fault == "mean subtracted in norms":
        first_in = rms_norm(x - x.mean(-1, keepdim=True), first)
        x = x + attention(first_in, layer, fault)
        return x + feed_forward(rms_norm(x - x.mean(-1, keepdim=True), second), layer, fault)
    if fault == "norm after the addition":
        x = rms_norm(x + attention(x, layer, fault), first)
        return rms_norm(x + feed_forward(x, layer, fault), second)
    if fault == "no residual":
        return feed_forward(rms_norm(attention(rms_norm(x, first), layer, fault), second), layer, fault)
    if fault == "halves in parallel":
        return x + attention(rms_norm(x, first), layer, fault) + feed_forward(rms_norm(x, second), layer, fault)
    x = x + attention(rms_norm(x, first), layer, fault)
    return x + feed_forward(rms_norm(x, second), layer, fault)


def logits_of(fault=""):
    """All layers, the last norm, and the embedding matrix once more as output matrix: (n, vocabulary)."""
    x = embedded
    for layer in range(config.num_hidden_layers):
        x = block(x, layer, fault)
    return functional.linear(rms_norm(x, tensors["model.norm.weight"]), tensors["model.embed_tokens.weight"])


difference = (logits_of() - once).abs().max().item()
print(f"largest difference from transformers, over {once.numel():,} logits: {difference:.0e}")
assert difference < 1e-2

# %% [markdown]
# The last two lines of `block` are a transformer layer. Ours is the model. (The asserts hold our parts against
# PyTorch's own. In tasks 1.3 and 1.5 you write them, and the finished ones, such as `functional.rms_norm` and
# `functional.scaled_dot_product_attention`, are refused; `functional.silu` and `functional.linear` are not.)
#
# **Predict.** Twelve faults follow, each a mistake that people make when they write this. How many of them raise an
# exception? Which does the least harm? A model that knows nothing scores $\ln 49152 = 10.8$ nats.

# %%
faults = [
    *("values turned too", "positions left out", "scores not scaled", "scores divided by d", "no causal mask"),
    *(
        "kv heads dealt in turn",
        "gate and up swapped",
        "mean subtracted in norms",
        "norms swapped",
        "halves in parallel",
    ),
    *("no residual", "norm after the addition"),
]
losses = {"as published": functional.cross_entropy(logits_of()[:-1], ids[0, 1:]).item()}
for fault in faults:
    losses[fault] = functional.cross_entropy(logits_of(fault)[:-1], ids[0, 1:]).item()
right, ignorant = losses["as published"], math.log(config.vocab_size)
print({name: round(loss, 2) for name, loss in losses.items()})

# %%
ranked = sorted(losses, key=losses.get, reverse=True)
figure, axis = plt.subplots(figsize=(7.6, 4.4))
colours = {"as published": style.GREEN, "no causal mask": style.ORANGE}
axis.barh(ranked, [losses[name] for name in ranked], color=[colours.get(name, style.BLUE) for name in ranked])
axis.axvline(ignorant, color=style.GREY, linestyle="--", linewidth=1)
axis.text(ignorant + 0.6, len(ranked) - 1.3, "a model that knows nothing", color=style.GREY)
axis.set(xlabel="loss on the passage, nats a token", xlim=(0, max(losses.values()) * 1.12))
for row, name in enumerate(ranked):
    axis.text(
        losses[name] + 0.5,
        row,
        f"{losses[name]:.2f}",
        va="center",
        bbox={"fc": axis.get_facecolor(), "ec": "none", "pad": 0.5},
    )
style.show(
    figure,
    caption="Twelve wrong wirings of the same weights. Green is right; orange is the bug that looks like progress. "
    "Those left of the dashed line would pass for a weak model.",
    alt="Horizontal bars of loss. No causal mask lies below the published wiring and mean subtraction equals it; six "
    "wrong wirings lie between it and ignorance at 10.8; five lie beyond, the norm after the addition far beyond.",
)
assert abs(losses["mean subtracted in norms"] - right) < 0.2
assert losses["no causal mask"] < right
assert sum(right + 0.2 < losses[name] < ignorant for name in faults) >= 4
assert max(losses["values turned too"], losses["positions left out"]) < right + 2

# %% [markdown]
# None raises an exception. The shapes all fit. The least harmful one puts layer normalisation in place of RMSNorm. The
# model barely notices: next to nothing was in the mean, which is why RMSNorm could leave it out. Turned values, or no
# positions at all, cost two nats or less. Such a model would still write words that fit each other, and nobody would
# suspect the wiring.
#
# This is the case for comparing with a reference implementation number by number. "The output looks reasonable" cannot
# tell these apart. The checks of task 1.5 compare numbers.
#
# ## 6. Counting parameters and operations <a id="counting"></a>
#
# You can price a model from its configuration. With hidden size $h = 576$, intermediate size $m = 1536$, head size 64,
# 3 key/value heads, 30 layers and 49,152 tokens:

# %% tags=["stable"]
h, m, kv = config.hidden_size, config.intermediate_size, config.num_key_value_heads * config.head_dim
layers, vocabulary = config.num_hidden_layers, config.vocab_size
parts = {
    "embedding (also the output matrix)": vocabulary * h,
    "attention, q and o": layers * 2 * h * h,
    "attention, k and v": layers * 2 * h * kv,
    "feed-forward": layers * 3 * h * m,
    "norms": (2 * layers + 1) * h,
}
total = sum(parts.values())
style.table(
    [[name, f"{count:,}", f"{count / total:.1%}"] for name, count in [*parts.items(), ("all", total)]],
    columns=["part", "parameters", "share"],
    caption="SmolLM2-135M from six numbers of its configuration.",
)
assert total == sum(p.numel() for p in model.parameters()) == 134_515_008

# %% [markdown]
# Most of the model is feed-forward. Attention, which gave the paper its title, holds a fifth, as much as the dictionary
# of tokens.
#
# For the work: a product with a weight matrix costs two operations, a multiplication and an addition, for each weight
# and each token. That gives the rule of thumb **2 × parameters for each token**. What the rule leaves out are the
# scores: each token is compared with all others ($2h$ operations for each pair and layer) and mixes their values ($2h$
# more).
#
# **Predict.** From which context length on do the scores cost SmolLM2 more than all its weights together: about 400
# tokens, 4,000 or 40,000?

# %% tags=["stable"]
from torch.utils.flop_counter import FlopCounterMode

by_weights = 2 * (total - parts["norms"])  # operations for each token
by_pair = 4 * h * layers  # operations for each pair of tokens
with FlopCounterMode(display=False) as counter:
    model(ids)
predicted, counted = n * by_weights + n * n * by_pair, counter.get_total_flops()
print(f"{n} tokens: predicted {predicted / 1e9:.2f}, counted by PyTorch {counted / 1e9:.2f} billion operations")
print(f"break-even at {by_weights / by_pair:,.0f} tokens")
assert abs(counted / predicted - 1) < 0.001
assert 3800 < by_weights / by_pair < 4000

# %%
contexts = torch.logspace(1.5, 4.5, 60)
shares = {
    "output matrix": 2 * parts["embedding (also the output matrix)"] + 0 * contexts,
    "feed-forward": 2 * parts["feed-forward"] + 0 * contexts,
    "attention projections": 2 * (parts["attention, q and o"] + parts["attention, k and v"]) + 0 * contexts,
    "scores and mixing": by_pair * contexts,
}
figure, axis = plt.subplots(figsize=(6.6, 3.5))
axis.stackplot(contexts, [s / 1e6 for s in shares.values()], labels=shares, colors=style.COLOURS, alpha=0.85)
axis.axvline(config.max_position_embeddings, color=style.GREY, linestyle="--", linewidth=1)
axis.text(config.max_position_embeddings * 0.93, 1500, "SmolLM2's\nlimit", ha="right", color=style.GREY)
axis.set(xscale="log", xlabel="tokens in the context", ylabel="million operations a token", ylim=(0, 1800))
axis.legend(loc="upper left")
style.show(
    figure,
    caption="The price of one token. The weights cost the same at any length. The scores start as a rounding error, "
    "break even near 3,900 tokens and own the bill beyond.",
    alt="Stacked areas over the context length from 30 to 30,000 on a log axis. Three flat bands add up to 270 million "
    "operations; the fourth, scores and mixing, rises steeply from about a thousand tokens on.",
)

# %% [markdown]
# About 4,000, as long as the forbidden half of the scores is computed and thrown away, as here; kernels that skip it
# break even at twice that. Below that length, talk of 'quadratic attention' describes a rounding error; at the 8,192
# tokens this model accepts, it describes two thirds of the work. Wider models break even later, since weights grow with
# $h^2$ and scores with $h$. [Lesson 8](08_positions.ipynb#quadratic-cost) measures the seconds.
#
# ## 7. Real attention maps <a id="real-maps"></a>
#
# SmolLM2 has 30 layers of 9 heads: 270 maps for every text. We start with a question that nobody asked: how much
# attention goes to the first token?
#
# **Predict.** The passage begins with *The*. From the tenth token on, what share of all weights, averaged over the 270
# heads, lands on that first word? Evenly spread, it would be below 4%. And if another text begins with *Attention*?

# %%
other_text = (
    "Attention lets every token read the tokens before it. Each token sends out a query, and every earlier token "
    "offers a key and a value. The query is compared with the keys, the comparison becomes a set of weights, and the "
    "answer is the weighted mean of the values."
)
other_ids = tokenizer(other_text, return_tensors="pt").input_ids


def maps_of(token_ids, **options):
    """The attention maps of one text: (layer, head, query, key)."""
    return torch.stack(model.model(token_ids, output_attentions=True, **options).attentions)[:, 0]


maps = maps_of(ids)
on_first = maps[:, :, 10:, 0].mean(-1)  # (layer, head)
elsewhere = maps_of(other_ids)[:, :, 10:, 0].mean()
even = (1 / torch.arange(11.0, n + 1)).mean()
print(f"on 'The': {on_first.mean():.0%}   on 'Attention': {elsewhere:.0%}   spread evenly: {even:.0%}")
print(f"heads that give 'The' more than half of their weight: {(on_first > 0.5).sum()} of 270")

run = model.model(ids, output_hidden_states=True, use_cache=True)
sizes = torch.stack([layer.values[0] for layer in run.past_key_values.layers]).norm(dim=-1)  # (layer, kv head, n)
stream = torch.stack(run.hidden_states)[:, 0].norm(dim=-1)  # (layer + 1, n)
print(f"size of its values against the others', median: {(sizes[:, :, 0] / sizes[:, :, 5:].mean(-1)).median():.2f}")
print(f"length of the stream after layer 20: {stream[20, 0]:,.0f} at 'The', {stream[20, 5:].mean():,.0f} elsewhere")
assert min(on_first.mean(), elsewhere) > 0.3 > 6 * even
assert stream[20, 0] > 50 * stream[20, 5:].mean()

# %% [markdown]
# A third or more, whatever the word, and in many heads more than half. This is the **attention sink**. A softmax must
# spend its whole weight somewhere, and a head that has nothing to say about a sentence needs a place to look. The first
# token is the one that every query can see. Its values are a quarter of the usual size, so looking there adds almost
# nothing: an off switch that training invented. To build it, the model inflates one position of the residual stream a
# hundredfold. Do not quantise such a model with one scale for all positions, and do not drop the first token from a
# cache to save room: both break the switch.
#
# ### The head that finds the ferry
#
# Now the opening question. Does a head of SmolLM2 connect *it* with a singular noun and *they* with a plural one? One
# good example proves nothing, since with 270 heads some head will look right by luck. So we make 112 sentences in which
# only the number tells, *The dogs followed the lamp because it*, in all orders, choose the best head on one half of the
# nouns, and judge it on the other half. Always taking the nearer noun, or the first, scores exactly 50%.

# %%
nouns = (
    "dog cat car boat train bird lion truck tree bridge lamp clock machine ship "
    "plane horse ball stone cloud river storm robot bear cart cow bike tiger rabbit"
).split()
sentences, answer, pair_of = [], [], []
for number, pair in enumerate(zip(nouns[::2], nouns[1::2], strict=True)):
    for subject, thing in (pair, pair[::-1]):
        for subject_plural in (True, False):
            for pronoun in ("it", "they"):
                subject_word, thing_word = subject + "s" * subject_plural, thing + "s" * (not subject_plural)
                sentences.append(f"The {subject_word} followed the {thing_word} because {pronoun}")
                answer.append(0 if (pronoun == "they") == subject_plural else 1)
                pair_of.append(number)
batch = tokenizer(sentences, return_tensors="pt").input_ids  # (112, 7): every noun is one token
from_pronoun = torch.stack(model.model(batch, output_attentions=True).attentions)[
    :, :, :, -1
]  # (layer, 112, head, key)
picked = from_pronoun[..., [1, 4]].argmax(-1)  # (layer, 112, head): 0 the subject, 1 the object
hit = (picked == torch.tensor(answer)[None, :, None]).float().transpose(1, 2).flatten(0, 1)  # (270, 112)
fit = torch.tensor(pair_of) < 7
best = int(hit[:, fit].mean(1).argmax())
pronoun_head = divmod(best, config.num_attention_heads)
print(f"{len(sentences)} sentences. All heads, mean: {hit.mean():.0%}")
print(
    f"best head on one half: layer {pronoun_head[0]}, head {pronoun_head[1]}, {hit[best, fit].mean():.0%} right; "
    f"on the other half: {int(hit[best, ~fit].sum())} of {int((~fit).sum())}"
)
assert hit[best, ~fit].mean() > 0.85

# %% [markdown]
# A head in an early layer agrees in number almost without fail, on nouns that had no part in choosing it. Nobody told
# the model about pronouns. The figure shows it on our own sentence, next to three more kinds of head that you will meet
# in every language model.

# %%
ferry = tokenizer("The storms delayed the ferry because it was old.", return_tensors="pt").input_ids
ferry_words = [tokenizer.decode([i]).strip() for i in ferry[0]]
ferry_maps = maps_of(ferry)

generator = torch.Generator().manual_seed(0)
half = torch.randint(1000, 40_000, (1, 30), generator=generator)
twice = torch.cat([half, half], dim=1)  # 30 random tokens, then the same 30 again
twice_maps = maps_of(twice)


def strongest(scores, count=1):
    """The (layer, head) pairs with the largest scores. scores: (layer, head)."""
    return [divmod(int(i), config.num_attention_heads) for i in scores.flatten().topk(count).indices]


previous = strongest(maps.diagonal(offset=-1, dim1=2, dim2=3)[..., 9:].mean(-1))[0]
sink = strongest(on_first)[0]
# An induction head: at the second occurrence of a token it looks at what followed the first one, 29 places back.
induction = twice_maps.diagonal(offset=-29, dim1=2, dim2=3)[..., 1:].mean(-1)  # (layer, head)
inducing = strongest(induction, 10)

figure, axes = plt.subplots(1, 4, figsize=(11, 3.3))
pictures = [
    ("pronoun", pronoun_head, ferry_maps),
    ("sink", sink, ferry_maps),
    ("previous token", previous, ferry_maps),
    ("induction", inducing[0], twice_maps),
]
for axis, (title, (layer, head), where) in zip(axes, pictures, strict=True):
    axis.imshow(where[layer, head], vmin=0, vmax=0.8)
    axis.grid(False)
    axis.set(title=f"{title} ({layer}.{head})", xlabel="key")
    if where is ferry_maps:
        axis.set_xticks(range(len(ferry_words)), ferry_words, rotation=90, fontsize=7)
        axis.set_yticks(range(len(ferry_words)), ferry_words, fontsize=7)
row = ferry_words.index("it")
axes[0].plot(
    [-0.5, row + 0.5, row + 0.5, -0.5, -0.5],
    [row - 0.5, row - 0.5, row + 0.5, row + 0.5, row - 0.5],
    color="white",
    lw=1,
)
axes[0].set(ylabel="query")
style.show(
    figure,
    caption="Four heads of SmolLM2, named by layer and head. The first three read the sentence of the ferry (framed: "
    "the row of *it*); the last reads 30 random tokens twice, and at each repeated token looks at what came after it "
    "the first time.",
    alt="Four attention maps, lower triangles. The pronoun head has weight from 'it' on 'ferry' and little on "
    "'storms'. The sink head is one bright column at the first token. The previous-token head is a bright line under "
    "the diagonal. The induction head is a bright line 29 places under the diagonal, in the lower half only.",
)
it_row = ferry_maps[pronoun_head[0], pronoun_head[1], ferry_words.index("it")]
assert it_row[0] > 0.4
assert it_row[3] > 2 * it_row[4] > 2 * it_row[1]  # the, ferry, storms
print({word: round(w, 2) for word, w in zip(ferry_words, it_row.tolist(), strict=True) if w > 0.005})

# %% [markdown]
# Look at the numbers of the pronoun head, not only at its picture. *Ferry* beats *storms*, as it should; but the
# article before *ferry* gets more than twice as much, the sink gets half of everything, and the head is one of 270. A
# map shows where a head looks. It does not show that the model uses what it sees. For that you must interfere.
#
# ### Who looked ahead?
#
# Back to the riddle of section [4](#what-if). The **induction head** in the last panel is a suspect. Its rule: *find
# the token that came after an earlier copy of me, and say it again.* In a text of random tokens no other rule helps.
# How does it find that place? It looks for a key that says 'the token before me was the same as you', a note that a
# previous-token head has left there.
#
# Now take the mask away. Which key says 'the token before me was you'? **The next token.** A head that copies from the
# past would point straight at the answer.
#
# That is a guess. First test: rank the heads by how much they look at the next token, on the other text without a mask,
# and compare with the ranking by induction, on random tokens under the mask. Two texts, two masks, nothing in common
# but the heads.
#
# **Predict.** If the two rankings had nothing to do with each other, how many of the ten strongest would they share, of
# 270?

# %%
free = torch.zeros(1, 1, other_ids.shape[1], other_ids.shape[1])
free_maps = maps_of(other_ids, attention_mask=free)  # nothing added to any score: no mask
looks_ahead = free_maps.diagonal(offset=1, dim1=2, dim2=3).mean(-1)  # (layer, head)
peeking = strongest(looks_ahead, 10)
shared = set(peeking) & set(inducing)

figure, axis = plt.subplots(figsize=(5.6, 3.8))
axis.scatter(induction.flatten(), looks_ahead.flatten(), s=14, alpha=0.6)
for rank, (layer, head) in enumerate(sorted(shared, key=lambda where: looks_ahead[where])):
    spot = induction[layer, head], looks_ahead[layer, head]
    place = {"xytext": (5, -3), "ha": "left"} if rank % 2 else {"xytext": (-5, -3), "ha": "right"}
    axis.annotate(f"{layer}.{head}", spot, textcoords="offset points", fontsize=8, **place)
axis.set(xlabel="induction, on random tokens, causal mask", ylabel="weight on the next token, no mask")
style.show(
    figure,
    caption=f"270 heads. Those that copy from the past are those that look ahead when they can: of the ten strongest "
    f"by each measure, {len(shared)} are the same (named).",
    alt="Scatter plot of 270 dots. Most lie near the origin; a band rises to the upper right, the named heads at its "
    "end.",
)
print(f"shared: {len(shared)} of 10; expected by chance: {10 * 10 / 270:.1f}")
assert len(shared) >= 5

# %% [markdown]
# Second test: interfere. Silence the ten heads that looked ahead *on the other text*, and measure the loss on the
# passage. As a control, silence ten random heads of the same layers, three times.

# %%
import random


def silenced(heads, mask):
    """The loss on the passage with some heads' outputs set to zero before the output projection."""
    hooks = []
    for layer in {layer for layer, _ in heads}:

        def zero(module, inputs, mine=tuple(head for where, head in heads if where == layer)):
            mixed = inputs[0].clone()  # (1, n, heads * 64)
            for head in mine:
                mixed[..., head * config.head_dim : (head + 1) * config.head_dim] = 0
            return (mixed,)

        hooks.append(model.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(zero))
    try:
        return loss_under(mask)
    finally:
        for hook in hooks:
            hook.remove()


near = sorted({layer for layer, _ in peeking})
rest = [(layer, head) for layer in near for head in range(9) if (layer, head) not in {*peeking, *inducing}]
results = {
    "nothing": (with_mask, without_mask),
    "the 10 that looked ahead": (silenced(peeking, causal), silenced(peeking, everything)),
}
for draw in range(3):
    chosen = random.Random(draw).sample(rest, 10)
    results[f"10 others, draw {draw + 1}"] = silenced(chosen, causal), silenced(chosen, everything)
style.table(
    [[name, masked, free] for name, (masked, free) in results.items()],
    columns=["silenced", "loss, causal mask", "loss, no mask"],
    digits=2,
    caption="Silencing ten heads costs nothing on an honest reading and takes most of the cheating away.",
)
honest, cheating = results["the 10 that looked ahead"]
assert abs(honest - with_mask) < 0.3
assert cheating - without_mask > 0.5 * (with_mask - without_mask)
assert cheating > max(free for name, (_, free) in results.items() if "others" in name) + 0.5

# %% [markdown]
# Without ten heads of 270, most of the advantage of seeing the answer is gone, while the honest loss does not move. The
# controls do far less. The riddle is solved as well as such riddles are: these heads carry most of the copying. Not all
# of it: some advantage remains. Exercise 5 tries a worse choice of heads.
#
# Keep the order of work. The map suggested an explanation, the explanation predicted two experiments, and each had a
# control that could have refuted it.
#
# ## 8. Reading the paper <a id="the-paper"></a>
#
# You can now read *Attention Is All You Need* (Vaswani and others, 2017) in an hour. It describes an encoder-decoder
# for translation. Read it in this order, with a cell of this lesson beside each part:
#
# 1. **Figure 1 and section 3.1**: the block. Find the place of the norms. *Which line of `block` is it?* ("norm after
#    the addition")
# 2. **Section 3.2.1 and its footnote on dot products**: the scaling. *Which figure above is that footnote?* (the first)
# 3. **Section 3.2.2**: heads. Their heads are 64 wide too.
# 4. **Section 3.2.3**: three uses of attention. *Draw each as a mask.* (section [4](#three-families))
# 5. **Section 3.3**: the feed-forward part, four times as wide as the stream, with ReLU.
# 6. **Section 4 and Table 1**: why. $n^2 d$ against $n d^2$: they assumed sentences shorter than $d$.
# 7. **Table 3**: what matters. Rows (A) vary the heads: one head is worse, and so are too many.
#
# Sections 1, 2 and 6.3 can wait. A paper's numbers are there to be checked. Section 3 names the sizes of the base model
# and Table 3 gives 65 million parameters. Do they agree?

# %% tags=["stable"]
D, INNER, STACK, TOKENS = 512, 2048, 6, 37_000  # the paper's sections 3.1, 3.3 and 5.1
attention_part = 4 * D * D
inner_part = 2 * D * INNER + INNER + D  # with biases, as in its equation 2
encoder = STACK * (attention_part + inner_part + 2 * 2 * D)  # two norms of two vectors
decoder = STACK * (2 * attention_part + inner_part + 3 * 2 * D)  # self-attention and cross-attention
base = TOKENS * D + encoder + decoder  # one matrix for both embeddings and the output, section 3.4
print(f"counted {base / 1e6:.1f} million, Table 3 says 65")
assert abs(base / 65e6 - 1) < 0.04

style.table(
    [
        ["task", "translation", "any text"],
        ["stacks", "6 encoder + 6 decoder layers", f"{layers} decoder layers"],
        ["width of the stream", "512", str(h)],
        ["heads: query, key/value", "8, 8", f"{config.num_attention_heads}, {config.num_key_value_heads}"],
        ["norm", "layer norm, after the addition", "RMSNorm, before each half"],
        ["feed-forward", "ReLU, 2 matrices, 2,048", f"SwiGLU, 3 matrices, {config.intermediate_size:,}"],
        ["positions", "sinusoids added to the embedding", "queries and keys turned (RoPE)"],
        ["biases, dropout", "yes, 0.1", f"{'yes' if config.attention_bias else 'no'}, {config.attention_dropout}"],
        ["vocabulary", "37,000 BPE", f"{vocabulary:,} byte-level BPE"],
    ],
    columns=["", "the paper's base model, 2017", "SmolLM2-135M, 2024"],
    caption="What seven years changed. The equation in the middle is the same.",
)

# %% [markdown]
# Within four per cent; the paper gives its vocabulary as *about* 37,000. Everything around the attention
# was replaced. Attention was not.
#
# ## Recap
# - Attention is a weighted mean of values; the weights are a softmax of scaled dot products (section 1).
# - Unscaled scores harden the softmax as heads get wider, and its slope dies (section 1, first figure).
# - A mask acts before the softmax. True means may attend, the last query stands at the last key, and a row without any
#   key gets zeros by way of finite scores (section 2).
# - Split heads by view and swap; neighbours share a key/value head (section 3).
# - Encoder, decoder and encoder-decoder are three masks. Without its mask, SmolLM2's loss fell by more than half
#   (section 4).
# - A block adds to the stream what it reads from a normalised copy. Twelve wrong wirings raised no exception (section
#   5).
# - Scores cost more than the weights from about 3,900 tokens on (section 6).
# - A third of all attention goes to the first token. The heads that copy from the past are those that cheat (section
#   7).
#
# ## Exercises
# **1. (5 min)** Back to the paper example. *They* looks for a noun in the plural: its query is (2, 0, 2, 0). How much
# weight does *storms* get? Three decimals, on paper.

# %%
your_answer_1 = None  # a number


def exercise_1(answer):
    if answer is None:
        return "Not attempted: scores first, then scale, then softmax."
    want = attend_one(torch.tensor([2.0, 0.0, 2.0, 0.0]), keys, values)[0][0]
    assert abs(answer - want) < 1e-3, f"Not yet: {answer}. The scores are 4, 0 and 2 before you divide by 2."
    return "Right. The same weight that the ferry had for 'it': the example is symmetric."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Only storms matches in both features.
#
# </details>
# <details><summary>Approach</summary>
#
# The scores are 4, 0, 2; divided by $\sqrt{4}$ they are 2, 0, 1.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $e^2 / (e^2 + e^0 + e^1) = 7.389 / 11.107 = 0.665$
#
# </details>
#
# **2. (10 min)** Some models let a token see only the last `window` tokens, itself included. Write
# `sliding(queries, keys, window)`: a bool mask (queries, keys), causal, with the last query at the last key.

# %%
your_answer_2 = None  # a function of (queries, keys, window)


def exercise_2(answer):
    if answer is None:
        return "Not attempted: a causal mask with a second condition."
    for queries, count, window in ((4, 4, 2), (2, 5, 3), (3, 3, 9), (1, 6, 1)):
        got = answer(queries, count, window)
        assert getattr(got, "dtype", None) == torch.bool, "Not yet: return a bool tensor."
        assert got.shape == (queries, count), f"Not yet: the shape is {tuple(got.shape)}, not {(queries, count)}."
        for i in range(queries):
            token = count - queries + i
            for key in range(count):
                want = key <= token and key > token - window
                assert got[i, key] == want, (
                    f"Not yet: with {queries} queries, {count} keys and window {window}, query {i} is token {token}; "
                    f"key {key} must be {want}."
                )
    return "Right. With a window at least as long as the text it is the causal mask again."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# How far back is key $j$ from query $i$? The answer needs `keys - queries`.
#
# </details>
# <details><summary>Approach</summary>
#
# Compute a matrix of distances, token position minus key position. Keep $0 \le$ distance $<$ window.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `distance = torch.arange(keys - queries, keys)[:, None] - torch.arange(keys)`, then
# `(distance >= 0) & (distance < window)`.
#
# </details>
#
# **3. (5 min)** A model has 32 layers, 32 query heads and 8 key/value heads of size 128, and keeps its cache in 16-bit
# numbers. How many GiB ($2^{30}$ bytes) does the cache of one conversation of 8,192 tokens take?

# %%
your_answer_3 = None  # a number, in GiB


def exercise_3(answer):
    if answer is None:
        return "Not attempted: keys and values, every layer, every token."
    want = 2 * 32 * 8 * 128 * 2 * 8192 / 2**30
    assert abs(answer - want) < 0.01, f"Not yet: {answer}. Query heads are not cached; keys and values both are."
    return "Right. One GiB for each user at full length. Without grouping it would be four."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Which of the two head counts matters for the cache?
#
# </details>
# <details><summary>Approach</summary>
#
# 2 (keys and values) × layers × key/value heads × head size × 2 bytes × tokens.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $2 \cdot 32 \cdot 8 \cdot 128 \cdot 2 \cdot 8192 = 2^{30}$ bytes: 1 GiB.
#
# </details>
#
# **4. (15 min)** Give a head an off switch that needs no sink. Write `quiet(scores)`, a softmax over the last dimension
# with an additional 1 in the denominator, $e^{s_i} / (1 + \sum_j e^{s_j})$. It must stand scores of 10,000, and a row
# of $-\infty$ must give zeros.

# %%
your_answer_4 = None  # a function of scores (..., keys)


def exercise_4(answer):
    if answer is None:
        return "Not attempted: an additional key with score 0 and nothing to say."
    got = answer(torch.tensor([[1.0, 0.0, 2.0]]))
    want = torch.tensor([[1.0, 0.0, 2.0]]).exp()
    want = want / (1 + want.sum())
    assert torch.allclose(got, want, atol=1e-5), f"Not yet: {got.tolist()} for the scores 1, 0, 2."
    got = answer(torch.tensor([1e4, 1e4]))
    assert torch.allclose(got, torch.tensor([0.5, 0.5])), f"Not yet: {got.tolist()} for two scores of 10,000."
    got = answer(torch.full((2, 3), -math.inf))
    assert torch.equal(got, torch.zeros(2, 3)), f"Not yet: {got.tolist()} for rows of -inf."
    return "Right. No row is blind now, and no weight must be parked. Some recent models learn such a term."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# $1 = e^0$. The additional 1 is a key that is always there, with score 0.
#
# </details>
# <details><summary>Approach</summary>
#
# Append a column of zeros to the scores, take an ordinary softmax, drop the column.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `functional.pad(scores, (0, 1)).softmax(-1)[..., :-1]`. The ordinary softmax subtracts the maximum, and the column is
# finite, so both hard cases take care of themselves.
#
# </details>
#
# **5. (15 min)** Choose the heads to silence by `induction` instead of `looks_ahead`, and silence the 20 strongest.
# Give the two losses on the passage, under the causal mask and without a mask, as a pair. Before you run it: will the
# second be higher or lower than for the ten heads of the text?

# %%
your_answer_5 = None  # (loss with the causal mask, loss without a mask)


def exercise_5(answer):
    if answer is None:
        return "Not attempted: strongest() and silenced() do the work."
    assert len(answer) == 2, "Not yet: give two losses."
    heads = strongest(induction, 20)
    want = silenced(heads, causal), silenced(heads, everything)
    for name, got, right in zip(("causal mask", "no mask"), answer, want, strict=True):
        assert abs(got - right) < 0.05, f"Not yet: {got:.2f} for the loss with {name}. Rank by `induction`, take 20."
    return f"Right: {want[0]:.2f} and {want[1]:.2f}. Twice as many heads, chosen by a proxy: compare with the table."


exercise_5(your_answer_5)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# `silenced` takes a list of heads and a mask; `strongest` makes the list.
#
# </details>
# <details><summary>Approach</summary>
#
# One list, two calls: once with `causal`, once with `everything`.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `heads = strongest(induction, 20)`, then `silenced(heads, causal), silenced(heads, everything)`. A proxy that
# correlates with the cause picks some of the right heads and misses others. Choose by what you want to explain, on
# other data.
#
# </details>
#
# ## Quiz
# **1. Training loss drops to 0.3 within an hour, far below that of comparable models, and samples are rubbish. First
# suspect:**
#
# - (a) the learning rate
# - (b) the causal mask
# - (c) the scaling by the root of d
#
# <details><summary>Answer</summary>
#
# (b). Only a leak of the answer makes the loss too good. (a) A wrong learning rate makes it worse. (c) So does missing
# scaling, as section 5 measured.
#
# </details>
#
# **2. A batch is padded on the left. The output of the padding positions is discarded. Must a blind row be handled?**
#
# - (a) No, nobody reads it
# - (b) Only for inference
# - (c) Yes, for the gradient
#
# <details><summary>Answer</summary>
#
# (c). NaN in one row reaches the gradients of the shared weights. (a) overlooks the backward pass. (b) has it the wrong
# way round: inference has no gradient, though NaN in a cache can still spread through later layers.
#
# </details>
#
# **3. A model has 8 query heads and 2 key/value heads. Query head 5 reads key/value head**
#
# - (a) 0
# - (b) 1
# - (c) 2
#
# <details><summary>Answer</summary>
#
# (b). 5 // 4 = 1. (a) has no rule behind it: even dealing in turn, 5 % 2, gives 1 for this head (and 1 for head 3,
# which should read 0). (c) does not exist; the heads are 0 and 1.
#
# </details>
#
# **4. You double the context of SmolLM2 from 4,000 to 8,000 tokens. The work for the whole prompt**
#
# - (a) doubles
# - (b) triples, about
# - (c) quadruples
#
# <details><summary>Answer</summary>
#
# (b). At 4,000 tokens half the work is weights, which double, and half is scores, which quadruple: $(2 + 4)/2 = 3$. (a)
# would be the weights alone, (c) the scores alone.
#
# </details>
#
# **5. A map shows a head looking from 'it' to 'ferry'. You may conclude that**
#
# - (a) the model understood the pronoun through this head
# - (b) the head looks there in this sentence
# - (c) silencing the head will make the model confuse pronouns
#
# <details><summary>Answer</summary>
#
# (b). (a) and (c) are claims about causes. Other heads may do the same job, and the later layers may ignore this one.
# Only an intervention can tell.
#
# </details>
#
# ## Now build it
# Task 1.3 asks for the masks, the scaled dot product and the heads: `roadmap check 1.3`. Task 1.5 asks for norm,
# feed-forward, attention and block, then for the whole model; read [lesson 8](08_positions.ipynb#rope) and [lesson
# 9](09_inside_smollm2.ipynb#weights) before its second half. Its cache is explained in [lesson
# 10](10_decoding.ipynb#kv-cache). Then: `roadmap check 1.5`.
#
# ## Further reading
# - Vaswani and others, *Attention Is All You Need*, 2017.
# - Bahdanau, Cho and Bengio, *Neural Machine Translation by Jointly Learning to Align and Translate*, 2014.
# - Zhang and Sennrich, *Root Mean Square Layer Normalization*, 2019. Shazeer, *GLU Variants Improve Transformer*, 2020.
# - Ainslie and others, *GQA: Training Generalized Multi-Query Transformer Models*, 2023.
# - Olsson and others, *In-context Learning and Induction Heads*, 2022.
# - Xiao and others, *Efficient Streaming Language Models with Attention Sinks*, 2023.
# - Jain and Wallace, *Attention is not Explanation*, 2019.
